"""The Structure page: from the current file to what is drawn, measured and saved."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from crystalgui.core.messages import ErrorInfo
from crystalgui.core.structures.crystal import Crystal
from crystalgui.gui.panels.structure import StructurePanel
from crystalgui.gui.panels.structure.export import ColoursDialog, PictureDialog
from crystalgui.gui.session import Session
from crystalgui.gui.state.project import OpenFile
from tests.gui.sessions import played_session
from tests.unit.scene.crystals import BITEI, PEROVSKITE, block


@pytest.fixture
def session(qtbot: QtBot, tmp_path: Path) -> Iterator[Session]:
    session, _engine, lane = played_session(tmp_path / "project")
    yield session
    assert lane.shutdown()


@pytest.fixture
def page(qtbot: QtBot, session: Session) -> StructurePanel:
    page = StructurePanel(session)
    page.resize(880, 700)
    qtbot.addWidget(page)
    page.show()
    qtbot.waitUntil(lambda: page.view is not None)
    return page


def open_crystal(session: Session, crystal: Crystal, name: str = "a.vasp") -> OpenFile:
    file = OpenFile(path=Path(name), kind="crystal", crystal=crystal)
    session.project.files.append(file)
    session.project.set_current(file)
    return file


def settle(qtbot: QtBot, page: StructurePanel) -> None:
    qtbot.waitUntil(lambda: not page.session.lane.busy)
    assert page.stage.currentWidget() is page.view


@pytest.fixture
def shown(qtbot: QtBot, page: StructurePanel) -> StructurePanel:
    open_crystal(page.session, BITEI)
    settle(qtbot, page)
    return page


def test_title_and_symmetry_say_what_is_shown(shown):
    assert shown.card.title == "BiTeI"
    assert shown.card.subtitle == "P3m1 · 3 atoms"
    assert dict(shown.symmetry.values.rows)["Space group"] == "P3m1 (156)"
    assert dict(shown.symmetry.values.rows)["Point group"] == "3m"
    table = shown.symmetry.text().splitlines()
    assert table[0].split("\t")[:2] == ["Element", "Wyckoff"]
    assert [row.split("\t")[0] for row in table[1:]] == ["Bi", "Te", "I"]


def test_supercell_boxes_repeat_the_cell_with_right_bonds(shown, qtbot):
    for box, value in zip(shown.tools.repeats, (3, 2, 2), strict=True):
        box.setValue(value)
    settle(qtbot, shown)
    g = shown.view.geometry3d
    assert g.repeats == (3, 2, 2)
    lengths = np.linalg.norm(np.diff(g.positions[g.bonds], axis=1)[:, 0], axis=1)
    assert lengths.min() > 2.9
    assert lengths.max() < 3.5
    inner = np.bincount(g.bonds.ravel(), minlength=len(g)).max()
    assert inner == 6
    assert shown.card.subtitle.endswith("supercell 3×2×2")


def test_toggles_change_what_is_drawn(shown, qtbot):
    chips = shown.tools.chips
    atoms = len(shown.view.geometry3d)
    chips["boundary"].setChecked(False)
    settle(qtbot, shown)
    assert len(shown.view.geometry3d) == 3 < atoms
    chips["bonds"].setChecked(False)
    settle(qtbot, shown)
    assert "bonds" not in shown.view.scene.actors
    chips["legend"].setChecked(True)
    chips["perspective"].setChecked(True)
    assert shown.view.style3d.legend
    assert not shown.view.scene.camera.GetParallelProjection()
    shown.tools.switches["cell"].setChecked(False)
    assert "cell" not in shown.view.scene.actors


def test_polyhedra(page, qtbot):
    open_crystal(page.session, PEROVSKITE)
    page.tools.chips["polyhedra"].setChecked(True)
    settle(qtbot, page)
    assert "faces" in page.view.scene.actors
    assert page.card.title == "SrTiO₃"


def test_chips_of_the_legend_hide_elements(shown, qtbot):
    assert [chip.text() for chip in shown.strip.chips.values()] == ["Bi", "Te", "I"]
    shown.strip.chips[52].click()
    assert shown.view.style3d.hidden == {52}
    shown.tools.set_supercell((2, 1, 1))
    settle(qtbot, shown)
    assert shown.view.style3d.hidden == {52}
    assert not shown.strip.chips[52].isChecked()
    open_crystal(shown.session, PEROVSKITE, "b.vasp")
    settle(qtbot, shown)
    assert shown.view.style3d.hidden == frozenset()
    assert all(chip.isChecked() for chip in shown.strip.chips.values())


def test_measurements_are_direct_and_by_nearest_image(shown):
    g = shown.view.geometry3d
    corner = int(np.flatnonzero((g.atom == 0) & (g.image == (1, 1, 1)).all(axis=1))[0])
    shown.view.select((0,))
    assert shown.strip.measured.startswith("Bi1")
    shown.view.select((0, corner))
    direct = np.linalg.norm(BITEI.lattice.sum(axis=0))
    assert f"{direct:.4f} Å" in shown.strip.measured
    assert "nearest image 0.0000 Å" in shown.strip.measured
    shown.view.select((1, 0, 2))
    assert shown.strip.measured.startswith("angle Te2–Bi1–I3")
    assert "°" in shown.strip.measured
    shown.view.select((1, 0, 2, corner))
    assert shown.strip.measured.startswith("dihedral")
    shown.view.select((0, 1, 2, 3, 4))
    assert shown.strip.measured == "5 atoms selected"
    shown.view.select(())
    assert shown.strip.measured == ""


def test_selection_is_shared_with_the_other_pages(shown):
    shown.view.select((1, 2))
    assert shown.session.selection.atoms == (1, 2)
    shown.session.selection.select_atoms((0,))
    assert shown.view.cell_atoms() == (0,)
    shown.symmetry.table.cellClicked.emit(2, 0)
    assert shown.session.selection.atoms == (2,)
    shown.session.undo.undo()
    assert shown.view.cell_atoms() == (0,)


def test_views_turn_the_camera(shown, qtbot):
    shown.views.chips["c*"].click()
    direction = np.array(shown.view.scene.camera.GetDirectionOfProjection())
    assert np.allclose(direction, (0, 0, -1), atol=1e-9)
    popup = shown.views.popup
    for box, value in zip(popup.boxes, (1, 0, 0), strict=True):
        box.setValue(value)
    popup.button.click()
    direction = np.array(shown.view.scene.camera.GetDirectionOfProjection())
    assert np.allclose(direction @ BITEI.lattice[1:].T, 0, atol=1e-9)
    popup.boxes[0].setValue(0)
    assert not popup.button.isEnabled()


def test_cells_follow_from_symmetry_and_lead_back(page, qtbot):
    fcc = Crystal(lattice=2.025 * (np.ones((3, 3)) - np.eye(3)), frac=[[0, 0, 0]], species=[13])
    file = open_crystal(page.session, fcc)
    settle(qtbot, page)
    page.symmetry.buttons["conventional"].click()
    settle(qtbot, page)
    assert file.crystal.n_atoms == 4
    assert page.view.geometry3d.crystal is file.crystal
    assert not page.symmetry.buttons["conventional"].isEnabled()
    page.symmetry.buttons["primitive"].click()
    settle(qtbot, page)
    assert file.crystal.n_atoms == 1
    page.symmetry.buttons["read"].click()
    settle(qtbot, page)
    assert file.crystal is fcc


def test_the_tolerance_decides_the_group_and_is_kept(page, qtbot):
    bent = Crystal(
        lattice=PEROVSKITE.lattice,
        frac=PEROVSKITE.frac + np.array([[0, 0, 0], [0, 0, 0.01], [0] * 3, [0] * 3, [0] * 3]),
        species=PEROVSKITE.species,
    )
    open_crystal(page.session, bent)
    settle(qtbot, page)
    assert dict(page.symmetry.values.rows)["Space group"].endswith("(99)")
    page.symmetry.tolerance.setValue(0.1)
    settle(qtbot, page)
    assert dict(page.symmetry.values.rows)["Space group"].endswith("(221)")
    assert page.session.settings.symmetry_tolerance == pytest.approx(0.1)


def test_large_crystals_offer_their_bonds(page, qtbot):
    open_crystal(page.session, block(21))
    settle(qtbot, page)
    assert page.strip.bonds.isVisible()
    assert "bonds" not in page.view.scene.actors
    page.strip.bonds.click()
    settle(qtbot, page)
    assert "bonds" in page.view.scene.actors
    assert not page.strip.bonds.isVisible()


def test_a_file_that_cannot_be_read_says_why(shown, qtbot):
    file = OpenFile(path=Path("broken.vasp"), kind="error", line=7)
    file.error = ErrorInfo(title="broken.vasp, line 7: a coordinate is missing.", hint="Add it.")
    shown.session.project.files.append(file)
    shown.session.project.set_current(file)
    assert shown.stage.currentWidget() is shown.notice
    assert not shown.tools.isVisible()
    assert shown.card.subtitle == "line 7"
    shown.session.project.set_current(shown.session.project.files[0])
    settle(qtbot, shown)
    assert shown.tools.isVisible()


def test_pictures_are_saved_at_exact_size(shown, qtbot, tmp_path):
    shown.ask_picture()
    dialog = shown.findChild(PictureDialog)
    dialog.width_box.setValue(321)
    dialog.height_box.setValue(123)
    dialog.transparent.setChecked(True)
    dialog.save(tmp_path / "picture")
    settle(qtbot, shown)
    data = (tmp_path / "picture.png").read_bytes()
    assert struct.unpack(">II", data[16:24]) == (321, 123)
    assert shown.findChild(PictureDialog) is None


def test_a_picture_that_cannot_be_written_is_said(shown, qtbot, tmp_path):
    said = []
    shown.session.notify.error = said.append
    (tmp_path / "file").write_text("")
    shown.save_picture(tmp_path / "file" / "x.png", (50, 50))
    settle(qtbot, shown)
    shown.save_picture(tmp_path / "x.png", (100_000, 50))
    assert len(said) == 2
    assert not (tmp_path / "x.png").exists()


def test_own_colours_are_kept(shown, qtbot):
    shown.ask_colours()
    dialog = shown.findChild(ColoursDialog)
    from PySide6.QtGui import QColor

    dialog.take("Te", QColor("#00ff00"))
    dialog.accept()
    assert shown.session.settings.element_colours == {"Te": "#00ff00"}
    assert shown.session.settings.colours == "custom"
    assert dict(shown.view.scene.elements())[52] == (0, 255, 0)


def test_menus_choose_style_colours_and_mouse(shown, qtbot):
    def choose(menu: str, value: str) -> None:
        action = next(a for a in shown.tools.menus[menu].actions() if a.data() == value)
        action.trigger()

    choose("kind", "space-filling")
    choose("scheme", "vesta")
    choose("labels", "index")
    choose("scale", "0.7")
    choose("mouse", "blender")
    settle(qtbot, shown)
    style = shown.view.style3d
    assert (style.kind, style.scheme, style.labels) == ("space-filling", "vesta", "index")
    assert style.scale == 0.7
    assert shown.view.canvas.preset == "blender"
    assert shown.session.settings.mouse == "blender"


def test_tools_leave_the_title_and_the_crystal_free(shown, qtbot):
    file = shown.session.project.current
    shown.card.set_title("Pb" * 60, "a long subtitle " * 10)
    for width in (620, 880, 1400):
        shown.resize(width, 640)
        QApplication.processEvents()
        title = shown.card._title.geometry()
        tools = shown.views.geometry()
        assert title.right() < tools.left()
        view = shown.view.mapTo(shown, shown.view.rect().topLeft()).y()
        bottom = shown.tools.mapTo(shown, shown.tools.rect().bottomLeft()).y()
        assert bottom < view
    assert file is not None


def test_keys_of_the_view_work_from_the_tools(shown, qtbot):
    chip = shown.tools.chips["bonds"]
    qtbot.keyClick(chip, Qt.Key.Key_P)
    assert shown.tools.chips["perspective"].isChecked()
    shown.view.canvas.zoom(2.0)
    qtbot.keyClick(chip, Qt.Key.Key_F)
    assert shown.view.canvas.fitted


def test_actions_have_unique_names_and_work(shown):
    rows = {row.id: row for row in shown.actions()}
    assert len(rows) == len(shown.actions())
    assert all(row.menu == "Structure" for row in rows.values())
    rows["structure.view.a"].callback()
    direction = np.array(shown.view.scene.camera.GetDirectionOfProjection())
    assert np.allclose(np.cross(direction, BITEI.lattice[0]), 0, atol=1e-9)
    assert rows["structure.fit"].enabled()
