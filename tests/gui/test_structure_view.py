"""The 3D view: mouse conventions, picking, high-dpi, life cycle."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from crystalgui.gui.theme import theme
from crystalgui.gui.views.crystal_view import CrystalView
from crystalgui.gui.views.mouse import PRESETS, WORDS, gesture
from crystalgui.gui.views.zone_view import ZoneView
from crystalgui.scene.camera import Projection
from crystalgui.scene.geometry import geometry
from tests.unit.scene.crystals import BITEI

LEFT, MIDDLE, RIGHT = (
    Qt.MouseButton.LeftButton,
    Qt.MouseButton.MiddleButton,
    Qt.MouseButton.RightButton,
)
NONE, SHIFT, CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)


@pytest.fixture
def view(qtbot: QtBot) -> CrystalView:
    view = CrystalView()
    view.resize(420, 320)
    qtbot.addWidget(view)
    view.show()
    qtbot.waitExposed(view)
    view.show_geometry(geometry(BITEI, (2, 2, 1)))
    return view


def place(view: CrystalView, atom: int) -> QPointF:
    """Where a drawn atom is seen, in Qt pixels."""
    size = view.canvas.device_size
    x, y, _ = Projection.of(view.scene.camera, size).project(view.geometry3d.positions[atom])[0]
    ratio = view.canvas.devicePixelRatioF()
    return QPointF(x / ratio, y / ratio)


def front(view: CrystalView) -> list[int]:
    """Drawn atoms that are seen at their centre."""
    found = []
    for atom in range(len(view.geometry3d)):
        at = place(view, atom)
        ratio = view.canvas.devicePixelRatioF()
        if view.scene.pick(at.x() * ratio, at.y() * ratio, view.canvas.device_size) == atom:
            found.append(atom)
    return found


def send(
    view: CrystalView, kind: QEvent.Type, at: QPointF, button, buttons, modifiers=NONE
) -> None:
    canvas = view.canvas
    event = QMouseEvent(kind, at, canvas.mapToGlobal(at), button, buttons, modifiers)
    QApplication.sendEvent(canvas, event)


def click(view: CrystalView, at: QPointF, modifiers=NONE, button=LEFT) -> None:
    send(view, QEvent.Type.MouseButtonPress, at, button, button, modifiers)
    send(view, QEvent.Type.MouseButtonRelease, at, button, Qt.MouseButton.NoButton, modifiers)


def drag(view: CrystalView, a: QPointF, b: QPointF, modifiers=NONE, button=LEFT) -> None:
    send(view, QEvent.Type.MouseButtonPress, a, button, button, modifiers)
    for t in (0.3, 0.7, 1.0):
        send(
            view, QEvent.Type.MouseMove, a + (b - a) * t, Qt.MouseButton.NoButton, button, modifiers
        )
    send(view, QEvent.Type.MouseButtonRelease, b, button, Qt.MouseButton.NoButton, modifiers)


def state(view: CrystalView) -> tuple[np.ndarray, np.ndarray, float]:
    camera = view.scene.camera
    return (
        np.array(camera.GetDirectionOfProjection()),
        np.array(camera.GetFocalPoint()),
        camera.GetParallelScale(),
    )


def test_a_click_selects_and_modifiers_add(view, qtbot):
    first, second, third, *_ = front(view)
    with qtbot.waitSignal(view.selection_changed) as blocker:
        click(view, place(view, first))
    assert blocker.args == [(first,)]
    click(view, place(view, second), CTRL)
    click(view, place(view, third), SHIFT)
    assert view.selected == (first, second, third)
    click(view, place(view, second), CTRL)
    assert view.selected == (first, third)
    click(view, QPointF(3, 3), CTRL)
    assert view.selected == (first, third)
    click(view, QPointF(3, 3))
    assert view.selected == ()


def test_escape_clears(view, qtbot):
    click(view, place(view, front(view)[0]))
    assert view.selected
    qtbot.keyClick(view.canvas, Qt.Key.Key_Escape)
    assert view.selected == ()


def test_left_drag_turns_and_does_not_select(view):
    start = place(view, front(view)[0])
    direction, focal, scale = state(view)
    drag(view, start, start + QPointF(60, 20))
    after = state(view)
    assert after[0] @ direction < 0.99
    assert np.allclose(after[1], focal)
    assert after[2] == scale
    assert view.selected == ()


@pytest.mark.parametrize(("button", "modifiers"), [(LEFT, SHIFT), (MIDDLE, NONE)])
def test_shift_left_and_middle_move(view, button, modifiers):
    atom = front(view)[0]
    before, direction = place(view, atom), state(view)[0]
    drag(view, QPointF(200, 150), QPointF(230, 140), modifiers, button)
    assert np.allclose(state(view)[0], direction)
    moved = place(view, atom) - before
    assert (moved.x(), moved.y()) == (pytest.approx(30, abs=1e-6), pytest.approx(-10, abs=1e-6))


def test_the_wheel_zooms_at_the_pointer(view):
    atom = front(view)[0]
    at, scale = place(view, atom), state(view)[2]
    event = QWheelEvent(
        at,
        view.canvas.mapToGlobal(at),
        QPoint(),
        QPoint(0, 240),
        Qt.MouseButton.NoButton,
        NONE,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view.canvas, event)
    assert state(view)[2] < scale
    after = place(view, atom)
    assert (after.x(), after.y()) == (
        pytest.approx(at.x(), abs=1e-6),
        pytest.approx(at.y(), abs=1e-6),
    )


def test_boxes_select_by_ctrl_or_by_the_tool(view):
    every = QPointF(1, 1), QPointF(view.canvas.width() - 1, view.canvas.height() - 1)
    direction = state(view)[0]
    drag(view, *every, CTRL)
    assert len(view.selected) == len(view.geometry3d)
    assert np.allclose(state(view)[0], direction)
    view.canvas.box_tool = True
    at = place(view, 0)
    drag(view, at - QPointF(4, 4), at + QPointF(4, 4))
    assert 0 in view.selected
    assert len(view.selected) < len(view.geometry3d)


def test_a_double_click_is_the_rotation_centre(view):
    atom = front(view)[0]
    at = place(view, atom)
    send(view, QEvent.Type.MouseButtonDblClick, at, LEFT, LEFT)
    drag(view, QPointF(100, 100), QPointF(170, 130))
    after = place(view, atom)
    assert (after.x(), after.y()) == (
        pytest.approx(at.x(), abs=1e-4),
        pytest.approx(at.y(), abs=1e-4),
    )
    view.canvas.fit()
    send(view, QEvent.Type.MouseButtonDblClick, QPointF(2, 2), LEFT, LEFT)
    assert view.canvas.centre is None


def test_keys_fit_turn_and_reset(view, qtbot):
    standard = state(view)
    qtbot.keyClick(view.canvas, Qt.Key.Key_Right)
    view.canvas.zoom(3.0)
    assert not view.canvas.fitted
    qtbot.keyClick(view.canvas, Qt.Key.Key_F)
    assert view.canvas.fitted
    qtbot.keyClick(view.canvas, Qt.Key.Key_R)
    assert np.allclose(state(view)[0], standard[0])
    assert state(view)[2] == pytest.approx(standard[2])
    with qtbot.waitSignal(view.perspective_wanted):
        qtbot.keyClick(view.canvas, Qt.Key.Key_P)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_turns_moves_and_selects_boxes(preset):
    assert {"orbit", "pan", "add box"} <= set(PRESETS[preset].values())
    assert WORDS[preset]


def test_presets_are_those_of_the_programs_they_are_named_after():
    assert gesture("vesta", LEFT, NONE) == "orbit"
    assert gesture("ovito", RIGHT, NONE) == "pan"
    assert gesture("ase", RIGHT, NONE) == "orbit"
    assert gesture("ase", LEFT, NONE) == "box"
    assert gesture("blender", MIDDLE, NONE) == "orbit"
    assert gesture("blender", MIDDLE, SHIFT) == "pan"
    assert gesture("unknown", LEFT, NONE) == "orbit"
    assert gesture("blender", RIGHT, NONE) is None


def test_blender_preset_turns_with_the_middle_button(view):
    view.canvas.preset = "blender"
    direction = state(view)[0]
    drag(view, QPointF(100, 100), QPointF(160, 120), NONE, MIDDLE)
    assert state(view)[0] @ direction < 0.99


@pytest.mark.parametrize("ratio", [1.5, 2.0])
def test_picking_is_exact_on_dense_screens(view, monkeypatch, ratio):
    monkeypatch.setattr(view.canvas, "devicePixelRatioF", lambda: ratio)
    view.canvas.fit()
    atom = front(view)[-1]
    click(view, place(view, atom))
    assert view.selected == (atom,)


def test_nothing_is_drawn_while_nothing_changes(view, qtbot):
    frames = []
    qtbot.waitUntil(lambda: not view.canvas._still.isActive())
    view.canvas.redraw()
    QApplication.processEvents()
    tag = view.canvas.GetRenderWindow().AddObserver("EndEvent", lambda *_: frames.append(1))
    for _ in range(20):
        QApplication.processEvents()
    assert not frames
    view.canvas.orbit(5, 0)
    qtbot.waitUntil(lambda: bool(frames))
    view.canvas.GetRenderWindow().RemoveObserver(tag)


def test_the_picture_on_the_screen_has_ground_and_atoms(view, qtbot):
    def drawn() -> np.ndarray:
        image = view.canvas.grabFramebuffer().convertToFormat(
            view.canvas.grabFramebuffer().Format.Format_RGB888
        )
        flat = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
        return flat[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)

    image = drawn()
    ground = bytes.fromhex(theme().tokens.surface.lstrip("#"))
    assert np.abs(image[2, -3].astype(int) - np.frombuffer(ground, np.uint8)).max() <= 2
    at = place(view, front(view)[0])
    ratio = image.shape[1] / view.canvas.width()
    atom = image[int(at.y() * ratio), int(at.x() * ratio)].astype(int)
    assert np.abs(atom - np.frombuffer(ground, np.uint8)).max() > 40


def test_dark_mode_changes_the_ground_at_once(view):
    before = view.style3d.ink.ground
    theme().set_mode("dark")
    try:
        assert view.style3d.ink.dark
        assert view.style3d.ink.ground != before
    finally:
        theme().set_mode("light")


def test_closing_frees_the_scene_and_the_view(qtbot):
    window = QWidget()
    view = CrystalView(window)
    QVBoxLayout(window).addWidget(view)
    window.resize(200, 200)
    window.show()
    qtbot.waitExposed(window)
    view.show_geometry(geometry(BITEI))
    view.canvas.grabFramebuffer()
    renderer = weakref.ref(view.scene.renderer)
    python_view = weakref.ref(view)
    view.close()
    assert not view.canvas.is_open
    window.close()
    window.deleteLater()
    del view, window
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert python_view() is None
    assert renderer() is None


def test_deleting_without_closing_is_clean(qtbot):
    window = QWidget()
    view = CrystalView(window)
    QVBoxLayout(window).addWidget(view)
    window.resize(200, 200)
    window.show()
    qtbot.waitExposed(window)
    view.show_geometry(geometry(BITEI))
    view.canvas.grabFramebuffer()
    window.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    theme().set_mode("dark")
    theme().set_mode("light")


def test_zone_view_shows_zone_and_path(qtbot):
    from crystalgui.core.physics.brillouin import k_path, zone

    view = ZoneView()
    view.resize(300, 300)
    qtbot.addWidget(view)
    view.show()
    qtbot.waitExposed(view)
    made = zone(BITEI.lattice)
    view.set_zone(made, k_path(BITEI, 20))
    view.set_markers([("gap", made.reciprocal[0] / 4, "#ff0000")])
    view.set_plane(made.reciprocal[2] / 4, made.reciprocal[2])
    assert {"faces", "path", "markers", "plane"} <= set(view.scene.actors)
    k = view.scene.label(0)[1]
    size = view.canvas.device_size
    x, y, _ = Projection.of(view.scene.camera, size).project(k)[0]
    ratio = view.canvas.devicePixelRatioF()
    with qtbot.waitSignal(view.point_picked) as blocker:
        click(view, QPointF(x / ratio, y / ratio))
    assert blocker.args[0] in {t for t, _ in k_path(BITEI, 20).points}
    assert view.picture((80, 60)).shape == (60, 80, 4)
    view.set_path(None)
    assert "path" not in view.scene.actors
