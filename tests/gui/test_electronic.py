"""The Electronic page: real files, real lane, real pointer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from crystalgui.core.physics.gaps import gaps as find_gaps
from crystalgui.core.physics.zoo import build, cubic, fu_kane_mele, haldane
from crystalgui.core.resources import examples
from crystalgui.core.structures.cells import supercell
from crystalgui.core.structures.files import write_poscar
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings
from crystalgui.core.structures.hoppings.writer import write_hr, write_tb
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.panels.electronic import ElectronicPanel, rooms
from crystalgui.gui.state.project import crystal_of
from crystalgui.gui.theme import theme

BITEI = examples() / "hoppings" / "bitei" / "bitei_hr.dat.gz"


@pytest.fixture
def page(session: Any, qtbot: Any) -> Iterator[ElectronicPanel]:
    panel = ElectronicPanel(session)
    panel.resize(1100, 800)
    panel.show()
    qtbot.waitExposed(panel)
    yield panel
    panel.close()
    panel.deleteLater()


def settle(page: ElectronicPanel, qtbot: Any) -> None:
    """Wait until everything asked has been answered and drawn."""

    def done() -> bool:
        quiet = not page._session.lane.busy and not page.slice._rest.isActive()
        return quiet and not page._marking.isActive() and page._view is not None

    qtbot.waitUntil(done)
    page.bands.plot.redraw()
    page.slice.plot.redraw()


@pytest.fixture
def opened(page: ElectronicPanel, session: Any, qtbot: Any) -> ElectronicPanel:
    session.project.open_paths([BITEI])
    qtbot.waitUntil(lambda: page._filling is not None)
    settle(page, qtbot)
    return page


def test_an_empty_page_teaches_the_next_step(page: ElectronicPanel, qtbot: Any) -> None:
    assert page._stack.currentIndex() == 0
    assert [b.text() for b in page.empty.buttons] == ["Open BiTeI hoppings", "Haldane model"]
    qtbot.mouseClick(page.empty.buttons[1], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page._filling is not None)
    settle(page, qtbot)
    assert page._stack.currentIndex() == 1
    rows = dict(page.gaps.numbers.rows)
    assert rows["Direct gap"] == "1.0392 eV"


def test_a_crystal_alone_has_no_bands(page: ElectronicPanel, session: Any, qtbot: Any) -> None:
    path = examples() / "structures" / "Si.vasp"
    session.project.open_paths([path])
    qtbot.waitUntil(lambda: session.project.current is not None and not session.project.busy)
    assert page._stack.currentIndex() == 0
    assert "Si.vasp has atoms but no hoppings" in page.empty._text.text()


def test_the_numbers_of_bitei(opened: ElectronicPanel) -> None:
    rows = opened.gaps.numbers.rows
    wanted = find_gaps(read_hoppings(BITEI), 12)
    assert 0.25 < wanted.direct.energy < 0.40
    assert rows[0] == ("Direct gap", f"{wanted.direct.energy:.4f} eV")
    assert rows[1][1].endswith("near A")
    assert dict(rows)["Indirect gap"] == f"{wanted.indirect.energy:.4f} eV"
    assert opened.bands.subtitle == "Γ–M–K–Γ–A–L–H–A|L–M|H–K, 18 orbitals"
    assert "lattice from POSCAR" in opened.bands.caption.text()
    assert "occupation stated by the input" in opened.bands.caption.text()
    assert opened.bands.occupied.value() == 12
    assert f"indirect gap {wanted.indirect.energy:.3f} eV" in opened.bands.plot._label.toPlainText()
    # The slice went to the gap: the face of the zone through A.
    assert opened.slice.subtitle == "(001) at 0.500, direct gap 12–13"
    assert opened.slice.plot.limits[0] == pytest.approx(wanted.direct.energy, abs=5e-3)
    assert {label for label, _ in opened.slice.cut.points} == {"A", "L", "H"}
    assert "Spin order\tblocks" in opened.gaps.text()


def test_breaks_are_real(opened: ElectronicPanel) -> None:
    x, y = opened.bands.plot._low.getData()
    path = opened._view.bands.path
    assert np.isnan(y).sum() == 12 * (len(path.pieces) + 1)
    jump = np.abs(np.diff(y))
    assert np.nanmax(jump) < 0.4
    assert np.nanmax(x) == pytest.approx(path.distance[-1])
    ticks = opened.bands.plot.getAxis("bottom")._tickLevels[0]
    assert (path.ticks[-3][0], "A|L") in ticks


def test_the_pointer_reads_and_links(opened: ElectronicPanel, session: Any, qtbot: Any) -> None:
    plot, path = opened.bands.plot, opened._view.bands.path
    box = plot.getPlotItem().getViewBox()
    row = int(np.argmin(np.abs(path.distance - 1.9)))
    energy = opened._view.bands.energies[row, 11]
    fermi = opened._filling.gaps.fermi
    where = plot.mapFromScene(
        box.mapViewToScene(QPointF(float(path.distance[row]), float(energy - fermi)))
    )
    assert plot.nearest(QPointF(plot.mapToScene(where)))[0] == row
    QTest.mouseMove(plot.viewport(), where)
    qtbot.waitUntil(lambda: plot.readout != "")
    assert f"{energy - fermi:+.3f}".replace("-", "−") in plot.readout
    assert "band 1" in plot.readout
    qtbot.waitUntil(lambda: len(opened.zone_view.scene._markers) == 2)
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert session.selection.k == pytest.approx(tuple(path.k[row]))
    session.selection.select_k((0.0, 0.0, 0.5))
    settle(opened, qtbot)
    assert plot._marked == int(np.flatnonzero((path.k == [0, 0, 0.5]).all(axis=1))[0])
    assert len(opened.slice.plot._marks) >= 1
    session.selection.select_k(None)
    assert plot._marked is None


def test_the_slice_reads_and_picks(opened: ElectronicPanel, session: Any, qtbot: Any) -> None:
    plot = opened.slice.plot
    box = plot.getPlotItem().getViewBox()
    where = plot.mapFromScene(box.mapViewToScene(QPointF(0.3, 0.2)))
    QTest.mouseMove(plot.viewport(), where)
    qtbot.waitUntil(lambda: plot.readout != "")
    assert "eV" in plot.readout
    assert "0.500)" in plot.readout
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert session.selection.k[2] == pytest.approx(0.5)
    corner = plot.mapFromScene(box.mapViewToScene(QPointF(1.4, 1.4)))
    QTest.mouseMove(plot.viewport(), corner)
    qtbot.waitUntil(lambda: plot.readout == "")


def test_the_slider_is_followed_and_the_fine_slice_comes_last(
    opened: ElectronicPanel, qtbot: Any
) -> None:
    sizes: list[int] = []
    show = opened.slice.show_cut
    opened.slice.show_cut = lambda cut, view: (sizes.append(cut.image.request.n), show(cut, view))
    for step in (900, 700, 500, 300, 0):
        opened.slice.slider.setValue(step)
    settle(opened, qtbot)
    assert opened.slice.cut.image.plane.offset == 0.0
    assert sizes[-1] == 160
    assert 1 <= sizes.count(64) <= 5
    assert {label for label, _ in opened.slice.cut.points} == {"Γ", "M", "K"}


def test_planes_and_quantities(opened: ElectronicPanel, qtbot: Any, tmp_path: Path) -> None:
    card = opened.slice
    card.hkl[0].setValue(1)
    card.hkl[2].setValue(0)
    card.offset.setValue(0.6)
    card.quantity.setCurrentIndex(1)
    card.band.setValue(18)
    settle(opened, qtbot)
    assert card.subtitle == "(100) at 0.600, band 18"
    assert card.offset.maximum() == pytest.approx(2 / 3, abs=1e-4)
    assert len(card.cut.image.plane.outline) >= 4
    card.export.write(tmp_path / "c.csv")
    lines, values = ((tmp_path / name).read_text() for name in ("c.csv", "c-values.csv"))
    assert "\nlevel_eV,line," in lines
    assert "\nx_per_A,y_per_A,k1,k2,k3,value_eV" in values
    for text in (lines, values):
        assert text.startswith("# crystalgui ")
        assert "# file: bitei_hr.dat.gz, sha256 " in text
        assert "# assumed: lattice from POSCAR" in text
    card.contours.setChecked(False)
    card.plot.redraw()
    assert not card.plot._contours.isVisible()


def test_another_filling(opened: ElectronicPanel, qtbot: Any) -> None:
    opened.bands.occupied.setValue(10)
    qtbot.waitUntil(lambda: opened._filling.gaps.occupied == 10)
    settle(opened, qtbot)
    assert opened.slice.band.value() == 10
    assert "chosen by you" in opened.bands.caption.text()
    opened.bands.occupied.setValue(18)
    settle(opened, qtbot)
    assert opened.gaps.subtitle == "all bands are occupied"


def test_energies_from_the_fermi_level_or_absolute(opened: ElectronicPanel) -> None:
    plot = opened.bands.plot
    fermi = opened._filling.gaps.fermi
    assert plot._zero.value() == pytest.approx(0)
    before = plot.getPlotItem().getViewBox().viewRange()[1]
    opened.bands.relative.setChecked(False)
    plot.redraw()
    assert plot._zero.value() == pytest.approx(fermi)
    after = plot.getPlotItem().getViewBox().viewRange()[1]
    assert after[0] - before[0] == pytest.approx(fermi)
    assert plot.getAxis("left").labelText == "E (eV)"


def test_jumping_to_an_edge(opened: ElectronicPanel, qtbot: Any) -> None:
    opened.slice.go_to(0.1)
    settle(opened, qtbot)
    opened.gaps.shown.emit("bottom")
    settle(opened, qtbot)
    assert opened.slice.offset.value() == pytest.approx(0.5)
    bottom, _ = opened.slice.cut.image.plane.project(opened._filling.carts[2])
    assert any(np.allclose(xy, bottom, atol=0.02) for xy, _ in opened.slice.plot._marks)


def test_both_themes_reach_the_plots(opened: ElectronicPanel) -> None:
    try:
        theme().set_mode("dark")
        assert opened.bands.plot._low.opts["pen"].color() == QColor("#56b4e9")
        assert opened.slice.plot._image.line.color() == QColor(theme().tokens.text)
    finally:
        theme().set_mode("light")
    assert opened.bands.plot._low.opts["pen"].color() == QColor("#0072b2")


def test_the_picture_shows_the_zone_and_nothing_outside(opened: ElectronicPanel) -> None:
    plot = opened.slice.plot
    picture = plot.grab().toImage()
    box = plot.getPlotItem().getViewBox()

    def at(x: float, y: float) -> QColor:
        point = plot.mapFromScene(box.mapViewToScene(QPointF(x, y)))
        return picture.pixelColor(point)

    inside, outside = at(0.55, 0.25), at(1.3, 0.0)
    assert inside.green() > inside.red()
    assert inside != outside
    assert at(1.3, 0.2) == outside


def test_a_supercell_asks_which_path(
    page: ElectronicPanel, session: Any, qtbot: Any, tmp_path: Path
) -> None:
    h = doubled(fu_kane_mele(bonds=(1, 1, 1, 1)))
    write_tb(h, tmp_path / "d_tb.dat")
    crystal = crystal_of(fu_kane_mele())
    write_poscar(supercell(crystal, (1, 1, 2)), tmp_path / "POSCAR")
    session.project.open_paths([tmp_path / "d_tb.dat"])
    qtbot.waitUntil(lambda: page._filling is not None)
    settle(page, qtbot)
    assert page.bands.choice.isVisibleTo(page)
    assert "folded" in page.bands.caption.text()
    first = page.bands.subtitle
    qtbot.mouseClick(page.bands.own, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.bands.subtitle != first)
    assert not page.bands.choice.isVisibleTo(page)
    assert "atoms ignored" in page.bands.caption.text()
    settle(page, qtbot)


def doubled(h: Hoppings) -> Hoppings:
    """The same Hamiltonian in a cell of twice the length along c."""
    n = h.n_orbitals
    table: dict[tuple[int, int, int], np.ndarray] = {}
    for cell, matrix in zip(h.cells, h.matrices, strict=True):
        for left in range(2):
            c, right = divmod(left + int(cell[2]), 2)
            block = table.setdefault(
                (int(cell[0]), int(cell[1]), c), np.zeros((2 * n,) * 2, complex)
            )
            block[left * n : (left + 1) * n, right * n : (right + 1) * n] += matrix
    return replace(
        h,
        cells=np.array(list(table)),
        matrices=np.array(list(table.values())),
        lattice=h.lattice * np.array([[1], [1], [2]]),
        centres=None,
        species=None,
        frac=None,
        occupied=2 * h.occupied,
    )


def test_switching_files_while_the_lane_works(
    page: ElectronicPanel, session: Any, qtbot: Any, tmp_path: Path
) -> None:
    write_hr(cubic(), tmp_path / "c_hr.dat")
    write_hr(haldane(), tmp_path / "h_hr.dat")
    session.project.open_paths([tmp_path / "c_hr.dat", BITEI, tmp_path / "h_hr.dat"])
    qtbot.waitUntil(lambda: len(session.project.files) == 3 and not session.project.busy)
    for file in (*session.project.files, session.project.files[0]):
        session.project.set_current(file)
    qtbot.waitUntil(lambda: page._filling is not None)
    settle(page, qtbot)
    assert page._hoppings is session.project.files[0].hoppings
    assert page.bands.plot._bands.energies.shape[1] == 4
    assert "no lattice" in page.bands.caption.text()


def test_every_action_is_real(opened: ElectronicPanel) -> None:
    found = {action.id: action for action in opened.actions()}
    assert all(action.enabled() for action in found.values())
    found["electronic.fermi"].callback(False)
    assert not opened.bands.relative.isChecked()
    found["electronic.weights"].callback(True)
    assert opened.bands.grouping == "species"
    assert found["electronic.weights"].checked()
    found["electronic.dos"].callback(False)
    assert not opened.bands.dos_plot.isVisibleTo(opened.bands)


def test_vector_export(opened: ElectronicPanel, tmp_path: Path) -> None:
    opened.bands.plot.save(tmp_path / "bands.svg")
    text = (tmp_path / "bands.svg").read_text()
    assert text.count("<path") + text.count("<polyline") > 20
    opened.slice.plot.save(tmp_path / "slice.pdf")
    assert (tmp_path / "slice.pdf").read_bytes().startswith(b"%PDF")


# ------------------------------------------------------------------- weights


def test_bands_are_drawn_with_the_weights_of_elements(
    opened: ElectronicPanel, session: Any, qtbot: Any
) -> None:
    card, plot = opened.bands, opened.bands.plot
    qtbot.waitUntil(lambda: card.made_of is not None)
    assert card.made_of.names == ("Bi", "Te", "I")
    assert np.allclose(card.made_of.weights.sum(axis=-1), 1)
    assert not card.legend.isVisibleTo(card)
    assert plot._fat.count == 0
    # the hovered band says what it is made of, drawn or not
    path = opened._view.bands.path
    row = int(np.argmin(np.abs(path.distance - 1.9)))
    plot._point((row, 12))
    share = dict(zip(card.made_of.names, card.made_of.weights[row, 12], strict=True))
    heavy = max(share, key=share.get)
    assert f"band 13   {heavy} {100 * share[heavy]:.0f} %" in plot.readout
    plot._point((-1, -1))
    card.set_grouping("species")
    settle(opened, qtbot)
    assert card.legend.isVisibleTo(card)
    assert plot._fat.count > 500
    assert plot.grab().toImage() is not None
    drawn = plot._fat.count
    card.legend._chips[0].click()
    plot.redraw()
    assert card.legend.inks[0] is None
    assert 0 < plot._fat.count < drawn
    card.set_grouping("orbital")
    qtbot.waitUntil(lambda: len(card.made_of.names) == 9)
    settle(opened, qtbot)
    card.set_grouping("")
    settle(opened, qtbot)
    assert plot._fat.count == 0
    assert not card.legend.isVisibleTo(card)


def test_the_density_of_states_shares_the_energy_axis(opened: ElectronicPanel, qtbot: Any) -> None:
    card = opened.bands
    qtbot.waitUntil(lambda: card._dos is not None)
    settle(opened, qtbot)
    assert card._dos.groups == ("Bi", "Te", "I")
    assert card._dos.integrated[-1] == pytest.approx(18)
    card.plot.setYRange(-1.5, 1.0, padding=0)
    boxes = [p.getPlotItem().getViewBox() for p in (card.plot, card.dos_plot)]
    # the same energy lies on the same height of the screen
    heights = []
    for plot, box in zip((card.plot, card.dos_plot), boxes, strict=True):
        at = plot.mapFromScene(box.mapViewToScene(QPointF(0.0, -1.0)))
        heights.append(plot.mapToGlobal(at).y())
    assert abs(heights[0] - heights[1]) <= 2
    fermi = opened._filling.gaps.fermi
    card.dos_plot.redraw()
    y = card.dos_plot._total.getData()[1]
    assert y[1] == pytest.approx(card._dos.energies[0] - fermi)
    card.relative.setChecked(False)
    card.dos_plot.redraw()
    assert card.dos_plot._total.getData()[1][1] == pytest.approx(card._dos.energies[0])
    card.dos.setChecked(False)
    assert not card.dos_plot.isVisibleTo(card)


def test_bands_export_as_figure_and_numbers(
    opened: ElectronicPanel, qtbot: Any, tmp_path: Path
) -> None:
    card = opened.bands
    qtbot.waitUntil(lambda: card._dos is not None)
    settle(opened, qtbot)
    card.export.write(tmp_path / "b.csv")
    text = (tmp_path / "b.csv").read_text()
    rows = [line for line in text.splitlines() if not line.startswith("#")]
    assert rows[0].startswith("distance_per_A,k1,k2,k3,E1_eV,")
    assert rows[0].endswith("w18_I")
    assert len(rows) == 1 + len(opened._view.bands.path.k)
    first = [float(x) for x in rows[1].split(",")]
    assert first[4:22] == pytest.approx(opened._view.bands.energies[0], abs=1e-8)
    assert "# assumed: lattice from POSCAR" in text
    dos = (tmp_path / "b-dos.csv").read_text()
    assert "\nenergy_eV,dos_states_per_eV_cell,integrated_states_per_cell,Bi_states" in dos
    for kind in ("png", "svg", "pdf"):
        card.export.write(tmp_path / f"b.{kind}")
        assert (tmp_path / f"b.{kind}").stat().st_size > 4000
    assert "lattice from POSCAR" in (tmp_path / "b.svg").read_text()


# ---------------------------------------------------------------------- zone


def test_nodes_and_fermi_surface_of_a_weyl_semimetal(
    page: ElectronicPanel, session: Any, qtbot: Any, tmp_path: Path
) -> None:
    write_tb(build("weyl"), tmp_path / "w_tb.dat")
    session.project.open_paths([tmp_path / "w_tb.dat"])
    qtbot.waitUntil(lambda: page._filling is not None and page.zone_view is not None)
    settle(page, qtbot)
    page.zone.nodes.click()
    qtbot.waitUntil(lambda: page.zone.found is not None)
    settle(page, qtbot)
    scene = page.zone_view.scene
    found = {text: k for text, k, _ in scene._nodes}
    assert set(found) == {"+1", "−1"}
    reciprocal = page._view.zone.reciprocal
    assert found["−1"] @ np.linalg.inv(reciprocal) == pytest.approx((0, 0, 1 / 6), abs=1e-6)
    assert "2 nodes, total chirality 0" in page.zone.words.text()
    assert [text for _, text in page.zone.key.items] == ["χ = +1 (1)", "χ = −1 (1)"]
    # the slice goes through one of them, and marks it
    page._show_edge("direct")
    settle(page, qtbot)
    assert any(np.allclose(xy, 0, atol=1e-3) for xy, _ in page.slice.plot._marks)
    page.zone.write(str(tmp_path / "n.csv"))
    assert "\nk1,k2,k3,energy_eV,chirality,kind" in (tmp_path / "n.csv").read_text()
    page.zone.fermi.click()
    page.zone.level.setValue(-2.0)
    qtbot.waitUntil(lambda: bool(page.zone._sheets))
    assert "fermi 0" in scene.actors
    assert ("#0072b2", "band 1") in page.zone.key.items
    page.zone.fermi.click()
    page.zone.nodes.click()
    assert not {"fermi 0", "nodes"} & set(scene.actors)
    assert page.zone.key.items == []
    settle(page, qtbot)


# --------------------------------------------------------------------- rooms


class Played(QWidget):
    """A room that writes down what it is asked."""

    k_points = Signal(object)

    def __init__(self, session: Any, parent: QWidget) -> None:
        super().__init__(parent)
        self.begun: list[tuple[Any, int]] = []

    def begin(self, h: Any, occupied: int, file: Any) -> None:
        self.begun.append((h, occupied))

    def actions(self) -> list[ActionInfo]:
        return [ActionInfo("played.one", "One", lambda: None)]


class Broken(QWidget):
    """A room that cannot be made."""

    def __init__(self, session: Any, parent: QWidget) -> None:
        super().__init__(parent)
        raise ValueError("no room")


@pytest.fixture
def played_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, made in (("played_room", Played), ("broken_room", Broken)):
        module = ModuleType(f"{rooms.__package__}.{name}")
        module.Room = made
        monkeypatch.setitem(sys.modules, module.__name__, module)
    table = (
        rooms.ROOMS[0],
        rooms.RoomInfo("Played", "played_room:Room"),
        rooms.RoomInfo("Broken", "broken_room:Room"),
    )
    monkeypatch.setattr(rooms, "ROOMS", table)


def test_rooms_are_made_when_shown_and_begin_when_stale(
    played_rooms: None, session: Any, qtbot: Any
) -> None:
    page = ElectronicPanel(session)
    page.show()
    added: list[str] = []
    page.actions_added.connect(lambda rows: added.extend(row.id for row in rows))
    session.project.open_paths([BITEI])
    qtbot.waitUntil(lambda: page._filling is not None)
    assert page.rooms.room("played") is None
    tabs = {row.id: row for row in page.actions() if row.id.startswith("electronic.room")}
    assert [row.shortcut for row in tabs.values()] == ["Alt+1", "Alt+2", "Alt+3"]
    tabs["electronic.room.played"].callback()
    qtbot.waitUntil(lambda: page.rooms.room("played") is not None)
    room = page.rooms.room("played")
    qtbot.waitUntil(lambda: room.begun == [(page._hoppings, 12)])
    assert added == ["played.one"]
    # marks of the visible room only
    room.k_points.emit([(np.array([0.1, 0.2, 0.3]), "W", "#d55e00")])
    qtbot.waitUntil(lambda: page.zone_view is not None)
    qtbot.waitUntil(lambda: "W" in [m[0] for m in page.zone_view.scene._markers])
    page.rooms.show_room("bands")
    qtbot.waitUntil(lambda: "W" not in [m[0] for m in page.zone_view.scene._markers])
    # hidden: not bothered; shown again: it begins with what is new
    page.bands.occupied.setValue(10)
    qtbot.waitUntil(lambda: page._filling.gaps.occupied == 10)
    assert len(room.begun) == 1
    qtbot.keyClick(page.rooms.tabs, Qt.Key.Key_Right)
    assert room.begun[1:] == [(page._hoppings, 10)]
    page.rooms.show_room("bands")
    page.rooms.show_room("played")
    assert len(room.begun) == 2
    page.rooms.show_room("broken")
    qtbot.waitUntil(lambda: page.rooms.room("broken") is not None)
    assert page.rooms.stack.currentWidget()._title.text() == "Broken could not be opened"
    page.rooms.show_room("bands")
    settle(page, qtbot)
    page.close()
    page.deleteLater()


def test_berry_curvature_on_the_slice(page: ElectronicPanel, session: Any, qtbot: Any) -> None:
    session.project.open_paths([examples() / "hoppings" / "haldane" / "haldane_hr.dat"])
    qtbot.waitUntil(lambda: page._filling is not None)
    settle(page, qtbot)
    card = page.slice
    assert not card.log.isVisibleTo(card)
    card.quantity.setCurrentIndex(card.quantity.findData("curvature"))
    qtbot.waitUntil(lambda: card.cut.image.request.n == 120)
    settle(page, qtbot)
    assert card.subtitle == "(001) at 0.000, Berry curvature of bands 1–1"
    assert card.band.maximum() == 1
    low, high = card.plot.limits
    assert low == -high
    assert card.log.isVisibleTo(card)
    assert 0 < card.plot.scale < high
    assert card.caption.text().startswith("orbital centres at the atoms · lattice from POSCAR")
    # with the orbitals at their atoms the map has the threefold axis of the lattice
    image = card.cut.image
    angle = np.radians(120) * np.arange(3) + 0.3
    three = [image.at(0.8 * np.cos(a), 0.8 * np.sin(a)) for a in angle]
    assert np.ptp(three) < 0.05 * high
    image = card.plot._image._image
    middle = image.pixelColor(image.width() // 2, image.height() // 2)
    corner = image.pixelColor(image.width() // 2, 1)
    assert middle.lightness() > corner.lightness()  # no curvature at the centre, most at K
    card.log.click()
    card.plot.redraw()
    assert card.plot.scale is None
    box = card.plot.getPlotItem().getViewBox()
    where = card.plot.mapFromScene(box.mapViewToScene(QPointF(0.3, 0.2)))
    QTest.mouseMove(card.plot.viewport(), where)
    qtbot.waitUntil(lambda: "Å²" in card.plot.readout)
