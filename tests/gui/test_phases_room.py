"""The Phases room: real diagrams in the engine's thread, events played by hand, the picture."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from crystalgui.core.errors import PhysicsError
from crystalgui.core.messages import (
    Done,
    ErrorInfo,
    Failed,
    HamiltonianSource,
    MixtureJob,
    PhaseMapJob,
    PhasePoint,
    PhasePoints,
    Progress,
    Stopped,
)
from crystalgui.core.physics.certificate import LABELS
from crystalgui.core.resources import examples
from crystalgui.gui.panels.electronic.phases_room import PhasesRoom
from crystalgui.gui.panels.electronic.phases_setup import PRESETS, read_strengths
from crystalgui.gui.panels.electronic.rooms import ROOMS
from crystalgui.gui.plots.phases import ORDER, StatePlot
from crystalgui.gui.theme import phase_colour, theme

BITEI = examples() / "hoppings" / "bitei" / "bitei_hr.dat.gz"
PRESSURE = examples() / "hoppings" / "bitei-pressure" / "bitei-pressure_hr.dat.gz"


def shown(session: Any, qtbot: Any) -> PhasesRoom:
    made = PhasesRoom(session)
    made.resize(640, 860)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def room(session: Any, qtbot: Any) -> Iterator[PhasesRoom]:
    made = shown(session, qtbot)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def played_room(played: Any, qtbot: Any) -> Iterator[tuple[PhasesRoom, Any]]:
    session, engine = played
    made = shown(session, qtbot)
    yield made, engine
    qtbot.waitUntil(lambda: not session.lane.busy)
    made.close()
    made.deleteLater()


def point(x: float, y: float, gap: float, label: str = "") -> PhasePoint:
    return PhasePoint(x=x, y=y, gap=gap, k=(0.1, 0.0, 0.5), label=label, status="converged")


def kane_mele(strengths: tuple[float, ...] = (0.0,), steps: int = 5) -> MixtureJob:
    ends = [
        HamiltonianSource(model="kane-mele", settings={"staggered": value}) for value in (0.1, 0.5)
    ]
    return MixtureJob(start=ends[0], end=ends[1], steps=steps, strengths=strengths)


def test_it_is_a_room_of_the_page() -> None:
    titles = [info.title for info in ROOMS]
    assert titles.index("Topology") < titles.index("Phases") < titles.index("Surface")
    assert titles.index("Surface") < titles.index("Design")


def test_every_label_has_a_place_and_its_colour() -> None:
    assert set(ORDER) == set(LABELS)


def test_an_empty_room_says_what_to_do(room: PhasesRoom) -> None:
    assert not room.empty.isHidden()
    assert room.gaps.isHidden()
    assert room.plane.isHidden()
    assert not room.export.isEnabled()
    assert room.setup.start.end.title == "BiTeI"
    job = room.setup.job()
    assert isinstance(job, MixtureJob)
    assert job.start.settings["x"] == 0.0
    assert job.end.settings["x"] == 2.0


def test_the_form_makes_jobs(room: PhasesRoom) -> None:
    room.setup.set_mode("plane")
    for index, preset in enumerate(PRESETS):
        room.setup.choose_preset(index)
        job = room.setup.job()
        assert isinstance(job, PhaseMapJob)
        assert job.model == preset.model
        assert (job.x, job.y) == (preset.x, preset.y)
        assert job.x[0] not in job.settings
        assert all(job.settings[k] == v for k, v in preset.settings.items())
    room.setup.y.setting.setCurrentIndex(room.setup.x.setting.currentIndex())
    room.setup.run.click()
    assert "Both axes" in room.setup.status.text()
    assert not room.state.alive


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", (0.0,)), ("0.01, 0", (0.0, 0.01)), ("0 .5;1e-3 .5", (0.0, 0.001, 0.5))],
)
def test_strengths_are_read(text: str, expected: tuple[float, ...]) -> None:
    assert read_strengths(text) == expected


@pytest.mark.parametrize("text", ["", "a", "-1", "nan", "0, x"])
def test_strengths_that_are_none(text: str) -> None:
    with pytest.raises(PhysicsError):
        read_strengths(text)


def test_a_path_fills_in_and_is_exported(room: PhasesRoom, qtbot: Any, tmp_path: Path) -> None:
    room.setup.start.choose("Kane–Mele")
    room.setup.end.choose("Kane–Mele")
    room.setup.run.click()
    assert "same Hamiltonian" in room.setup.status.text()
    room.setup.end.settings.set_values({"staggered": 0.5})
    room.setup.steps.setValue(9)
    room.setup.strengths.setText("0, 0.01")
    qtbot.mouseClick(room.setup.run, Qt.MouseButton.LeftButton)
    assert not room.setup.run.isEnabled()
    assert not room.gaps.isHidden()
    qtbot.waitUntil(lambda: not room.state.alive)
    assert room.state.error is None
    assert len(room.state.points) == 18
    room.redraw()
    assert sum(room.state.counts.values()) == 18
    assert any(word.startswith("topological insulator") for word in room.legend.words)
    qtbot.waitUntil(room.export.isEnabled)
    room.export.write(tmp_path / "path.csv")
    lines = (tmp_path / "path.csv").read_text("utf-8").splitlines()
    assert any("kane-mele" in line and "noise that keeps time reversal" in line for line in lines)
    rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    assert rows[0][:3] == ["alpha", "noise_eV_rms", "direct_gap_eV"]
    assert len(rows) == 19
    for suffix in ("png", "svg", "pdf"):
        room.export.write(tmp_path / f"path.{suffix}")
        assert (tmp_path / f"path.{suffix}").stat().st_size > 2000


def test_points_are_read_and_opened(
    room: PhasesRoom, session: Any, qtbot: Any, tmp_path: Path
) -> None:
    session.project.open_paths([BITEI, PRESSURE])
    qtbot.waitUntil(lambda: not session.project.busy)
    files = {file.name: file for file in session.project.files}
    file = files[BITEI.name]
    room.begin(file.hoppings, 12, file)
    job = room.setup.job()
    assert isinstance(job, MixtureJob)
    assert job.start.path == BITEI
    assert job.end.path == PRESSURE
    assert job.occupied == 12
    marks: list[Any] = []
    room.k_points.connect(marks.append)
    room.state.job = job
    room._begin_path(job)
    room._show_picture()
    found = point(0.5, 0.0, 0.03, "Weyl semimetal")
    room.gaps.add([found])
    room.gaps.redraw()
    box = room.gaps.getPlotItem().getViewBox()
    at = box.mapViewToScene(QPointF(0.52, 0.03))
    assert room.gaps.under(at) is found
    place = room.gaps.mapFromScene(at)
    qtbot.mouseMove(room.gaps.viewport(), place)
    qtbot.waitUntil(lambda: "0.0300 eV" in room.gaps.readout)
    assert "Weyl semimetal" in room.gaps.readout
    qtbot.mouseClick(room.gaps.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert session.selection.k == (0.1, 0.0, 0.5)
    ((_, text, ink),) = marks[-1]
    assert text == "α = 0.5"
    assert ink == phase_colour("Weyl semimetal")
    assert room.open.isEnabled()
    room.open.click()
    qtbot.waitUntil(lambda: len(session.project.files) == 3)
    qtbot.waitUntil(lambda: not session.project.busy)
    opened = session.project.files[-1].hoppings
    mean = file.hoppings.matrices.sum(axis=0) + files[PRESSURE.name].hoppings.matrices.sum(axis=0)
    assert np.abs(opened.matrices.sum(axis=0) - mean / 2).max() < 1e-9


def test_a_plane_fills_in_coarse_to_fine(played_room: Any, qtbot: Any) -> None:
    room, engine = played_room
    job = PhaseMapJob(model="haldane", x=("phi", -3.0, 3.0, 9), y=("mass", -0.8, 0.8, 5))
    room.start(job)
    assert not room.plane.isHidden()
    engine.send(
        Progress(done=1, total=45, text="trivial insulator"),
        PhasePoints(points=(point(-3.0, -0.8, 0.5, "trivial insulator"),)),
    )
    cells = room.plane._cells
    assert cells._sure.sum() == 1
    assert (cells._index >= 0).sum() > 4  # the first one colours its surroundings
    engine.send(PhasePoints(points=(point(3.0, 0.8, 0.5, "topological insulator"),)))
    assert cells._index[4, 8] == ORDER.index("topological insulator")
    assert cells._index[0, 0] == ORDER.index("trivial insulator")
    room.redraw()
    assert room.setup.status.text().startswith("1 of 45")
    assert room.legend.words == ["trivial insulator 1", "topological insulator 1"]
    edge = room.plane._exact[0].getData()
    assert edge[1].max() == pytest.approx(0.3 * np.sqrt(3), abs=1e-3)
    box = room.plane.getPlotItem().getViewBox()
    found = room.plane.under(box.mapViewToScene(QPointF(2.9, 0.75)))
    assert found is not None
    assert found.label == "topological insulator"
    engine.end(Done())
    assert "2 points" in room.setup.status.text()
    assert room.setup.run.isEnabled()


def test_cancel_keeps_what_was_found(played_room: Any, qtbot: Any) -> None:
    room, engine = played_room
    room.start(kane_mele())
    engine.send(PhasePoints(points=(point(0.0, 0.0, 0.2),)))
    qtbot.mouseClick(room.setup.cancel, Qt.MouseButton.LeftButton)
    assert engine.cancelled == [room.state.job_id]
    engine.end(Stopped())
    assert "1 points are kept" in room.setup.status.text()
    assert not room.gaps.isHidden()
    qtbot.waitUntil(room.export.isEnabled)


def test_an_error_is_said_in_place(played_room: Any) -> None:
    room, engine = played_room
    room.start(kane_mele())
    engine.end(Failed(error=ErrorInfo(title="The ends do not fit.", hint="Choose others.")))
    assert room.setup.status.text() == "The ends do not fit. Choose others."
    assert not room.empty.isHidden()
    assert room.setup.run.isEnabled()


def test_a_later_point_replaces_an_earlier_one(played_room: Any) -> None:
    room, engine = played_room
    room.start(kane_mele((0.0, 0.1)))
    engine.send(PhasePoints(points=(point(0.5, 0.1, 0.2), point(0.5, 0.0, 0.1))))
    assert sum(room.state.counts.values()) == 0
    engine.send(PhasePoints(points=(point(0.5, 0.1, 0.2, "metal"),)))
    assert room.state.counts == {"metal": 1}
    assert len(room.state.points) == 2
    for log in (True, False):
        room.log.setChecked(log)
        room.gaps.redraw()
        assert len(room.gaps._curves[0.1].getData()[0]) == 1


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_cells_have_the_colours_of_their_phases(qtbot: Any, mode: str) -> None:
    theme().set_mode(mode)
    plot = StatePlot()
    qtbot.addWidget(plot)
    plot.resize(400, 300)
    plot.show()
    qtbot.waitExposed(plot)
    plot.begin([0.0, 1.0], [0.0, 1.0], ("x", "y"))
    labels = ("trivial insulator", "topological insulator", "Weyl semimetal", "metal")
    places = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
    plot.add(point(x, y, 0.1, label) for (x, y), label in zip(places, labels, strict=True))
    image = plot.grab().toImage()
    box = plot.getPlotItem().getViewBox()
    for (x, y), label in zip(places, labels, strict=True):
        at = plot.mapFromScene(box.mapViewToScene(QPointF(x, y)))
        assert image.pixelColor(at).name() == phase_colour(label)
    theme().set_mode("light")
