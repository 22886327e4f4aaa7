"""The Surface room: real spectra through the lane, and what a person does with them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from crystalgui.core.physics import zoo
from crystalgui.core.physics.slab import SlabBands, around_gamma, layers_of, surface_path
from crystalgui.core.physics.surface import SurfaceSpectrum, surface_spectrum
from crystalgui.gui.panels.electronic.surface_room import SurfaceRoom, path_of
from crystalgui.gui.theme import theme


@pytest.fixture
def room(played: Any, qtbot: Any) -> Iterator[SurfaceRoom]:
    session, _ = played
    made = SurfaceRoom(session)
    made.resize(620, 760)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made._forget()
    qtbot.waitUntil(lambda: not session.lane.busy)
    made.close()
    made.deleteLater()


def ready(room: SurfaceRoom, qtbot: Any) -> Any:
    qtbot.waitUntil(lambda: room.shown is not None or room.error.text() != "")
    qtbot.waitUntil(lambda: not room.busy)
    room.plot.redraw()
    return room.shown


def begin(room: SurfaceRoom, h: Any, occupied: int, qtbot: Any) -> Any:
    room.fine.setChecked(False)
    room.begin(h, occupied, None)
    return ready(room, qtbot)


def test_an_empty_room_says_what_to_do(room: SurfaceRoom) -> None:
    assert not room.empty.isHidden()
    room.begin(None, 0, None)
    assert room.card.isHidden()
    assert not room.export.isEnabled()


def test_the_fine_spectrum_is_that_of_the_core(room: SurfaceRoom, qtbot: Any) -> None:
    h = zoo.cubic(M=2.0)
    shown = begin(room, h, 2, qtbot)
    assert isinstance(shown, SurfaceSpectrum)
    broadening = room.setup.broadening.value()
    whole = surface_spectrum(h, (0, 0, 1), shown.path, shown.energies, broadening=broadening)
    for side in ("left", "right", "bulk"):
        assert np.abs(getattr(shown, side) - getattr(whole, side)).max() < 1e-9
    assert shown.broadening == broadening
    assert "surface (001)" in room.caption.text()
    assert "principal layer" in room.caption.text()
    assert room.card.subtitle == "(001), top"
    # the Dirac cone of a strong topological insulator crosses the gap at Gamma
    gamma = int(np.argmin(np.abs(shown.k).sum(axis=1)))
    middle = int(np.abs(shown.energies).argmin())
    assert shown.right[gamma, middle] > 20 * shown.bulk[gamma, middle]


def test_sides_and_scales(room: SurfaceRoom, qtbot: Any) -> None:
    begin(room, zoo.cubic(M=2.0), 2, qtbot)
    top = room.plot.limits
    room.setup.sides.button(2).click()
    room.plot.redraw()
    assert room.card.subtitle == "(001), bulk"
    assert room.plot.limits != top
    assert not room.busy  # every side is known
    low, high = room.plot.limits
    assert low == pytest.approx(high / 1000)
    room.log.setChecked(False)
    assert room.plot.limits[0] == 0.0
    box = room.plot.getPlotItem().getViewBox()
    at = room.plot.mapFromScene(box.mapViewToScene(QPointF(0.1, 0.2)))
    qtbot.mouseMove(room.plot.viewport(), at)
    qtbot.waitUntil(lambda: "states/eV" in room.plot.readout)


def test_a_slab(room: SurfaceRoom, qtbot: Any) -> None:
    begin(room, zoo.cubic(M=2.0), 2, qtbot)
    room.setup.layers.setValue(6)
    room.slab.setChecked(True)
    qtbot.waitUntil(lambda: isinstance(room.shown, SlabBands))
    shown = ready(room, qtbot)
    assert shown.weights.shape[1:] == (24, 6)
    assert room.card.subtitle == "(001), slab of 6 layers"
    assert room.bar.isHidden()
    assert room.log.isHidden()
    assert "6 layers" in room.caption.text()


@pytest.mark.parametrize("slab", [False, True])
def test_it_is_exported(room: SurfaceRoom, qtbot: Any, tmp_path: Path, slab: bool) -> None:
    room.slab.setChecked(slab)
    shown = begin(room, zoo.cubic(M=2.0), 2, qtbot)
    assert room.export.isEnabled()
    room.export.write(tmp_path / "surface.csv")
    lines = (tmp_path / "surface.csv").read_text("utf-8").splitlines()
    assert any("surface (001)" in line for line in lines if line.startswith("#"))
    rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    assert rows[0][:3] == ["distance_per_A", "k1", "k2"]
    assert ("top_states_per_eV" in rows[0]) != slab
    assert len(rows) == shown.left.size + 1
    for suffix in ("png", "svg", "pdf"):
        room.export.write(tmp_path / f"surface.{suffix}")
        assert (tmp_path / f"surface.{suffix}").stat().st_size > 2000


def test_a_surface_that_is_none(room: SurfaceRoom, qtbot: Any) -> None:
    begin(room, zoo.cubic(M=2.0), 2, qtbot)
    room.setup.hkl[2].setValue(0)
    qtbot.waitUntil(lambda: not room.error.isHidden())
    assert room.error.text()
    assert not room.export.isEnabled()
    room.setup.hkl[0].setValue(1)
    qtbot.waitUntil(room.error.isHidden)
    assert isinstance(ready(room, qtbot), SurfaceSpectrum)
    assert room.card.subtitle == "(100), top"
    room.setup.low.setValue(5.0)
    qtbot.waitUntil(lambda: "window is empty" in room.error.text())


def test_a_sheet_shows_its_edge(room: SurfaceRoom, qtbot: Any) -> None:
    begin(room, zoo.haldane(), 1, qtbot)
    assert room.card.subtitle == "(010), top"


def test_another_hamiltonian_drops_the_answer_under_way(room: SurfaceRoom, qtbot: Any) -> None:
    room.begin(zoo.bitei(2.0), 12, None)
    shown = begin(room, zoo.cubic(M=2.0), 2, qtbot)
    assert shown.left.shape[0] == len(shown.path.k)
    assert room._asked is None
    assert "BiTeI" not in room.caption.text()


def test_an_edge_that_is_not_like_the_others_is_visited() -> None:
    uneven = layers_of(zoo.fu_kane_mele(bonds=(1.4, 1, 1, 1))).hoppings
    even = layers_of(zoo.bitei()).hoppings
    names = [name.rstrip("\u0304") for name, _ in path_of(uneven, "auto", 8.0).points]
    assert {"X", "Y", "S"} <= set(names)
    assert {name[0] for name, _ in path_of(even, "auto", 8.0).points} == {"K", "Γ", "M"}


def test_the_middle_of_the_zone_in_detail() -> None:
    path = surface_path(layers_of(zoo.bitei()).hoppings, 80.0)
    near = around_gamma(path, 0.25)
    assert near.ticks[1][1].startswith("Γ")
    assert np.abs(near.k[int(np.abs(near.distance - near.ticks[1][0]).argmin())]).max() < 1e-9
    assert near.distance[0] == 0
    assert near.distance[-1] < path.distance[-1] / 4


def test_a_switch_of_the_theme_keeps_the_picture(room: SurfaceRoom, qtbot: Any) -> None:
    begin(room, zoo.cubic(M=2.0), 2, qtbot)
    before = room.plot.limits
    for mode in ("dark", "light"):
        theme().set_mode(mode)
        room.plot.redraw()
        assert room.plot.limits == before
