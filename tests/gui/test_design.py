"""The Design room: a real design in the engine's thread, and events played by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt

from crystalgui.core.messages import (
    DesignJob,
    DesignReady,
    DesignStep,
    Done,
    ErrorInfo,
    Failed,
    Stopped,
)
from crystalgui.core.physics.deformable import bitei_p22
from crystalgui.core.physics.gaps import gaps
from crystalgui.core.physics.slater_koster import slater_koster
from crystalgui.core.resources import examples
from crystalgui.core.structures.files import read_crystal
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.gui.panels.electronic.design_room import DesignRoom
from crystalgui.gui.panels.electronic.rooms import ROOMS
from crystalgui.gui.theme import theme

BITEI = examples() / "hoppings" / "bitei" / "bitei_hr.dat.gz"


def shown(session: Any, qtbot: Any) -> DesignRoom:
    made = DesignRoom(session)
    made.resize(640, 880)
    made.show()
    qtbot.waitExposed(made)
    return made


def choose(room: DesignRoom, model: str, qtbot: Any) -> None:
    """Choose a model in the form."""
    names = [source.model for source in room.setup._sources]
    room.setup.choose(names.index(model))
    looked(room, qtbot)


def looked(room: DesignRoom, qtbot: Any) -> None:
    """Wait until the source was looked at."""
    qtbot.waitUntil(room.setup.start.isEnabled)
    qtbot.waitUntil(lambda: not room._session.lane.busy)


@pytest.fixture
def room(session: Any, qtbot: Any) -> Iterator[DesignRoom]:
    made = shown(session, qtbot)
    made.begin(None, 0, None)
    looked(made, qtbot)
    choose(made, "bitei-p22", qtbot)
    yield made
    made.close()
    made.deleteLater()


@pytest.fixture
def played_room(played: Any, qtbot: Any) -> Iterator[tuple[DesignRoom, Any]]:
    session, engine = played
    made = shown(session, qtbot)
    made.begin(None, 0, None)
    looked(made, qtbot)
    choose(made, "bitei-p22", qtbot)
    yield made, engine
    made.close()
    made.deleteLater()


def step(room: DesignRoom, number: int, gap: float, strain: np.ndarray) -> DesignStep:
    found = room._opening
    assert found is not None
    return DesignStep(
        step=number,
        loss=(gap - 0.1) ** 2,
        value=gap,
        gap=gap,
        k=(0.0, 0.01, 0.5),
        strain=strain,
        field=np.zeros(3),
        change=0.0,
        bands=found.bands.energies + 0.1,
        lattice=found.hoppings.lattice @ (np.eye(3) + strain).T,
        frac=found.hoppings.frac,
    )


def rows(room: DesignRoom) -> dict[str, str]:
    room.redraw()
    return dict(room.numbers.rows)


def test_it_is_a_room_of_the_page() -> None:
    assert any(info.place == "design_room:DesignRoom" for info in ROOMS)


def test_bitei_is_designed_and_exported(
    room: DesignRoom, session: Any, qtbot: Any, tmp_path: Path
) -> None:
    assert rows(room)["Gap before"] == "0.2844 eV"
    assert not room.csv.isEnabled()
    qtbot.waitUntil(lambda: room.crystal_view is not None)
    qtbot.mouseClick(room.setup.start, Qt.MouseButton.LeftButton)
    assert not room.setup.start.isEnabled()
    qtbot.waitUntil(lambda: room.state.ready is not None)
    qtbot.waitUntil(lambda: not room.state.alive)
    assert "The target is reached: gap 0.1000 eV" in room.setup.status.text()
    assert rows(room)["Zone gap"] == "0.1000 eV"
    last = room.state.last
    assert last is not None
    assert float(room.strain.text().split("\n")[2].split("\t")[2].replace("−", "-")) == (
        pytest.approx(100 * last.strain[2, 2], abs=0.006)
    )
    first = room._geometry
    drawn = room.crystal_view.geometry3d
    assert first is not None
    turn = (np.eye(3) + 5 * last.strain).T
    assert np.abs(drawn.positions - first.positions @ turn).max() < 1e-9
    room.larger.setChecked(False)
    room.redraw()
    assert np.abs(room.crystal_view.geometry3d.crystal.lattice - last.lattice).max() < 1e-9
    room.write_poscar(tmp_path / "strained.vasp")
    crystal = read_crystal(tmp_path / "strained.vasp")
    cells, matrices = slater_koster(bitei_p22(), crystal.lattice, crystal.frac)
    h = Hoppings(cells=cells, matrices=matrices, lattice=crystal.lattice)
    assert gaps(h, 12).direct.energy == pytest.approx(0.1, abs=2e-4)
    room.write_csv(tmp_path / "history.csv")
    lines = (tmp_path / "history.csv").read_text("utf-8").splitlines()
    table = [line for line in lines if not line.startswith("#")]
    assert table[0].startswith("step,loss (eV²),value (eV),gap (eV)")
    assert len(table) == last.step + 2
    qtbot.mouseClick(room.open, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(session.project.files) and not session.project.busy)
    opened = session.project.files[0].hoppings
    assert gaps(opened, 12).direct.energy == pytest.approx(0.1, abs=2e-4)


def test_bands_move_over_the_first_ones(played_room: Any) -> None:
    room, engine = played_room
    room.plot.redraw()
    assert not room.plot._ghost.isVisible()
    view = room.plot.getPlotItem().getViewBox().viewRange()[1]
    room.setup.start.click()
    job = engine.jobs[-1]
    assert isinstance(job, DesignJob)
    assert (job.model, job.freedom, job.target, job.value) == ("bitei-p22", "strain", "gap", 0.1)
    strain = np.diag([0.01, 0.01, -0.02])
    engine.send(step(room, 3, 0.21, strain))
    found = rows(room)
    assert found["Gap now"] == "0.2100 eV"
    assert found["at k"] == "(0.000, 0.010, 0.500)"
    assert room.strain.text().split("\n")[2] == "0.00\t0.00\t−2.00"
    assert "step 3" in room.setup.status.text()
    room.plot.redraw()
    assert room.plot._ghost.isVisible()
    assert np.allclose(room.plot._bands.energies, room._opening.bands.energies + 0.1)
    assert room.plot.getPlotItem().getViewBox().viewRange()[1] == view
    engine.send(step(room, 3, 0.21, strain), step(room, 5, 0.2, strain))
    assert room.state.value.x.tolist() == [3, 5]
    theme().set_mode("dark")
    room.plot.redraw()
    theme().set_mode("light")
    engine.end(Stopped())


def test_it_stops_softly_and_tells_why_it_ended(played_room: Any) -> None:
    room, engine = played_room
    room.setup.start.click()
    room.setup.stop.click()
    assert engine.soft == [engine.jobs[-1].job_id]
    last = step(room, 7, 0.15, np.zeros((3, 3)))
    history = np.array([[0, 0.03, 0.28, 0.28], [1, 0.02, 0.2, 0.2]])
    engine.send(
        DesignReady(
            reached=False,
            reason="stopped by you",
            last=last,
            gap=0.15,
            k=last.k,
            seconds=1.2,
            history=history,
            columns=("step", "loss", "value", "gap"),
        )
    )
    engine.end(Done())
    assert room.setup.status.text() == "Stopped by you: gap 0.1500 eV after 7 steps, 1.2 s"
    assert room.setup.status.property("role") == "warn"
    assert room.setup.start.isEnabled()
    assert room.state.value.x.tolist() == [0, 1]
    assert room.csv.isEnabled()
    assert not room.open.isEnabled()


def test_a_failed_design_says_why_and_can_start_again(played_room: Any) -> None:
    room, engine = played_room
    room.setup.start.click()
    engine.end(Failed(error=ErrorInfo(title="This strain turns the cell inside out.")))
    assert "inside out" in room.setup.status.text()
    assert room.setup.status.property("role") == "bad"
    room.setup.start.click()
    assert len(engine.jobs) == 2
    room.setup.choose(2)
    assert not engine.cancelled


def test_fields_follow_what_is_asked(played_room: Any) -> None:
    room, engine = played_room
    form = room.setup
    assert form.value.isVisible()
    assert not form.band.isVisible()
    assert not form.rate.isVisible()
    form.target.setCurrentIndex(form.target.findData("close"))
    assert not form.value.isVisible()
    form.target.setCurrentIndex(form.target.findData("band"))
    assert form.band.isVisible()
    form.k.setCurrentIndex(form.k.findText("A"))
    form.more.setChecked(True)
    form.rate.setValue(0.004)
    form.volume.setChecked(True)
    form.shape.setCurrentIndex(form.shape.findData("along-c"))
    form.value.setValue(-4.9)
    form.start.click()
    job = engine.jobs[-1]
    assert (job.target, job.band, job.k, job.value) == ("band", 12, (0.0, 0.0, 0.5), -4.9)
    assert (job.learning_rate, job.volume, job.shape) == (0.004, True, "along-c")
    assert room.value_plot.getAxis("left").labelText == "E of band 12 (eV)"
    engine.end(Done())
    form.freedom.setCurrentIndex(form.freedom.findData("field"))
    assert not form.shape.isVisible()
    assert not form.symmetry.isVisible()


def test_the_opened_file_is_designed_through_its_hoppings(played_room: Any, qtbot: Any) -> None:
    room, engine = played_room
    project = room._session.project
    project.open_paths([BITEI])
    qtbot.waitUntil(lambda: bool(project.files) and not project.busy)
    file = project.files[0]
    room.begin(file.hoppings, 12, file)
    marked: list[object] = []
    room.k_points.connect(marked.append)
    room.setup.choose(room.setup.source.count() - 1)
    looked(room, qtbot)
    assert room.setup.freedom.currentData() == "hoppings"
    assert not room.setup.freedom.model().item(0).isEnabled()
    room.redraw()
    assert marked[-1][0][1] == "design"
    room.setup.start.click()
    job = engine.jobs[-1]
    assert (job.source, job.model, job.occupied) == (file.path, "", 12)
    assert job.freedom == "hoppings"
    assert job.out is not None
    assert job.out.name == "bitei_hr-1.hoppings.safetensors"
    room.redraw()
    assert not room.strain.isVisible()
    engine.end(Done())


def test_a_folder_that_cannot_be_written_is_said(
    played_room: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room, engine = played_room
    room.setup.start.click()
    engine.send(step(room, 1, 0.2, np.diag([0.01, 0.01, 0.0])))
    engine.end(Done())
    said: list[Any] = []
    monkeypatch.setattr(room._session.notify, "error", said.append)
    room.write_poscar(tmp_path / "missing" / "a.vasp")
    (tmp_path / "taken").mkdir()
    room.write_poscar(tmp_path / "taken")
    assert said
    assert all(error.title for error in said)


def test_its_actions(played_room: Any) -> None:
    room, _ = played_room
    ids = [row.id for row in room.actions()]
    assert ids == ["design.start", "design.stop", "design.poscar", "design.csv"]
    start = room.actions()[0]
    assert start.enabled is not None
    assert start.enabled()


def test_ticks_are_in_the_unit_of_the_label(played_room: Any) -> None:
    """Naming the axis of a small range again must not scale its ticks."""
    room, _ = played_room
    plot = room.value_plot
    plot.setYRange(0.1, 0.28)
    axis = plot.getAxis("left")
    for _ in range(2):
        plot.set_axes("step", "gap (eV)")
        assert axis.autoSIPrefixScale == 1.0
        assert axis.tickStrings([0.2], axis.autoSIPrefixScale * axis.scale, 0.1) == ["0.2"]
