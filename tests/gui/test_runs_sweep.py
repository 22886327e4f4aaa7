"""A sweep on the Runs page: one row, curves that fill in, resumed by the same action."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from crystalgui.core.cards import Card, Param
from crystalgui.core.datasets.images.dataset import ImageDataset
from crystalgui.core.errors import ModelError
from crystalgui.core.messages import (
    AttentionReady,
    DatasetSummary,
    Done,
    ErrorInfo,
    Failed,
    Progress,
    RunCreated,
    SplitSpec,
    Started,
    StepMetrics,
    SweepJob,
    SweepNetwork,
    SweepPoint,
    SweepRecipe,
    TrainRecipe,
)
from crystalgui.core.store.project import Project
from crystalgui.core.store.sweeps import append_points
from crystalgui.gui.panels.files import run_row
from crystalgui.gui.panels.runs import RunsPanel
from crystalgui.gui.panels.runs.new_sweep import SweepDialog
from crystalgui.gui.session import Session
from crystalgui.gui.state.runs_table import EPOCHS, MODEL, STATUS, TEST, TITLE
from crystalgui.gui.widgets import EmptyState
from tests.gui.sessions import CGNN, PlayedEngine, tqc


def _recipe(folder: Path) -> SweepRecipe:
    return SweepRecipe(
        title="stripes by rolling",
        base=TrainRecipe(model="", dataset=folder / "stripes", epochs=7),
        networks=(
            SweepNetwork(title="torus", model="extractor", group="sum", params={"width": 8}),
            SweepNetwork(title="flat", model="dense", group="dense"),
        ),
        rollings=(0, 2),
        repeats=2,
    )


def _point(network: str, rolling: int, repeat: int, accuracy: float) -> SweepPoint:
    return SweepPoint(
        run_id="", network=network, rolling=rolling, repeat=repeat, accuracy=accuracy,
        cost=10 ** (-accuracy),
    )  # fmt: skip


FIRST = tuple(_point("torus", chi, r, 0.8 + 0.02 * r) for chi in (0, 2) for r in (0, 1))


def _stored(folder: Path) -> str:
    """An interrupted sweep with four of eight networks; its id."""
    with Project.open(folder) as project:
        run = project.create_sweep(_recipe(folder))
        append_points(run, FIRST)
        run.set_status("interrupted")
        return run.id


@pytest.fixture
def page(qtbot: QtBot, played: tuple[Session, PlayedEngine]) -> RunsPanel:
    session, _ = played
    _stored(session.project.folder)
    panel = RunsPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1100, 800)
    panel.show()
    qtbot.waitUntil(lambda: panel.proxy.rowCount() == 1)
    panel.view.selectRow(0)
    qtbot.waitUntil(lambda: len(panel.sweep.plot.curves) == 1)
    return panel


def _cell(page: RunsPanel, column: int, row: int = 0) -> str:
    text: str = page.proxy.index(row, column).data()
    return text


def test_a_sweep_is_one_row(page: RunsPanel) -> None:
    assert _cell(page, TITLE) == "stripes by rolling"
    assert _cell(page, MODEL) == "sweep of 2 networks"
    assert _cell(page, EPOCHS) == "4 / 8"
    assert _cell(page, STATUS) == "interrupted"
    assert _cell(page, TEST) == "acc. 0.82"
    assert page.resume_button.isEnabled()
    assert not page.watch_button.isEnabled()


def test_its_curves_are_against_rolling(page: RunsPanel) -> None:
    assert page.curves.currentWidget() is page.sweep
    (curve,) = page.sweep.plot.curves
    assert (curve.name, curve.x.tolist()) == ("torus", [0, 2])
    assert curve.mean == pytest.approx(np.full(2, 81.0))
    assert curve.spread == pytest.approx(np.full(2, np.sqrt(2)))
    assert curve.best is not None
    assert curve.best == pytest.approx(np.full(2, 82.0))
    page.sweep.chips["cost"].click()
    (logged,) = page.sweep.plot.curves
    assert logged.mean == pytest.approx(np.full(2, -0.81))
    assert logged.best == pytest.approx(np.full(2, -0.82))
    assert page.sweep.groups == ("all", "sum", "dense")
    page.sweep.show_group("dense")
    assert page.sweep.plot.curves == ()
    assert "4 of 8 networks are ready" in page.sweep.words.text()


def test_resume_goes_on_with_the_sweep_and_it_fills_in(
    qtbot: QtBot, page: RunsPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    wanted: list[str] = []
    page.page_wanted.connect(wanted.append)
    page.resume()
    qtbot.waitUntil(lambda: bool(engine.jobs))
    (job,) = engine.jobs
    assert isinstance(job, SweepJob)
    assert job.recipe == _recipe(session.project.folder)
    run = session.runs.runs[0]
    assert job.run_id == run.run_id
    assert wanted == []  # it is watched here
    assert session.runs.live is None
    assert run.folder is not None
    engine.state_changed.emit(job.job_id, "running")
    engine.send(Started(title="Sweep"), RunCreated(run_id=run.run_id, folder=run.folder))
    step = StepMetrics(run_id=run.run_id, step=3, epoch=0.5, loss=1.0, samples_per_second=9.0)
    engine.send(step, Progress(done=4.5, total=8, text="flat: 4 networks together", eta=60.0))
    qtbot.waitUntil(lambda: "flat: 4 networks together" in page.sweep.words.text())
    assert len(run.curves.steps) == 0
    assert run.share == 0.5
    assert run_row(run).badge == "50 %"
    engine.send(*(_point("flat", chi, r, 0.5) for chi in (0, 2) for r in (0, 1)))
    qtbot.waitUntil(lambda: len(page.sweep.plot.curves) == 2)
    assert _cell(page, EPOCHS) == "8 / 8"
    assert page.sweep.plot.curves[0].ink != page.sweep.plot.curves[1].ink
    with Project.open(session.project.folder) as project:
        stored = project.run(run.run_id)
        append_points(stored, list(run.points.values()))
        stored.set_status("done")
    engine.end(Done())
    qtbot.waitUntil(lambda: _cell(page, STATUS) == "done")
    qtbot.waitUntil(lambda: not page.resume_button.isEnabled())
    qtbot.waitUntil(lambda: "Most accurate over all" in page.sweep.words.text())
    assert len(engine.jobs) == 1  # no new model, so the catalogue is not asked again


def test_a_new_sweep_can_fail_and_be_stopped(
    qtbot: QtBot, page: RunsPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    recipe = replace(_recipe(session.project.folder), title="another")
    run = session.runs.sweep(recipe)
    qtbot.waitUntil(lambda: page.proxy.rowCount() == 2)
    assert (run.title, run.total) == ("another", 8)
    row = next(i for i in (0, 1) if _cell(page, TITLE, i) == "another")
    page.view.selectRow(row)
    page.stop_button.click()
    assert engine.soft == [run.job_id]
    engine.end(Failed(error=ErrorInfo.of(ModelError("This sweep has no networks.", "Name some."))))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error.title == "This sweep has no networks."


def test_a_report_of_a_sweep_is_written(qtbot: QtBot, page: RunsPanel, tmp_path: Path) -> None:
    page.sweep.write_report(tmp_path / "report")
    qtbot.waitUntil(lambda: (tmp_path / "report" / "sweep.pdf").is_file())
    with open(tmp_path / "report" / "points.csv", encoding="utf-8") as stream:
        assert len(list(csv.DictReader(stream))) == 4
    page.sweep.export.write(tmp_path / "shown.csv")
    assert "torus,sum,0,2,81," in (tmp_path / "shown.csv").read_text()


def test_details_tell_the_networks(page: RunsPanel) -> None:
    page.show_details()
    text = page.details.text()
    assert "Networks\t4 of 8" in text
    assert "torus\textractor, width 8" in text
    assert "rollings\t0, 2" in text


# ------------------------------------------------------------------ a new one

EXTRACTOR = Card(
    name="extractor",
    title="Medium extractor",
    tasks=("classification",),
    inputs="image zone",
    paper="",
    params=(
        Param(name="kind", label="Kind", default="free", choices=("standard", "tuned", "free")),
        Param(name="convolution", label="Convolution", default="sum", choices=("plain", "sum")),
        Param(name="gated", label="Gated bypass", default=False),
        Param(name="width", label="Width", default=16),
    ),
    presets={"small": {"epochs": 6, "learning_rate": 3e-3}, "wide": {"gated": True}},
)


@pytest.fixture
def dialog(qtbot: QtBot, page: RunsPanel, played: tuple[Session, PlayedEngine]) -> SweepDialog:
    session, _ = played
    images = DatasetSummary(
        name="stripes", folder=session.project.folder / "stripes", task="classification",
        target="class", size=90, kind="images",
    )  # fmt: skip
    session.project.set_catalogue((EXTRACTOR, CGNN), (), (("cpu", "CPU"),), ())
    session.project.set_datasets((tqc(session.project.folder), images))
    page.ask_sweep()
    (found,) = page.findChildren(SweepDialog)
    return found


def test_networks_are_every_combination_of_what_is_compared(dialog: SweepDialog) -> None:
    assert [dialog.data.itemText(i) for i in range(dialog.data.count())] == ["stripes"]
    assert [dialog.family.itemText(i) for i in range(dialog.family.count())] == ["Medium extractor"]
    dialog.check("kind", "tuned", "free")
    dialog.check("convolution", "plain", "sum")
    dialog.form.set_value("rollings", "4, 0")
    recipe = dialog.recipe()
    assert recipe is not None
    assert [n.title for n in recipe.networks] == [
        "tuned, plain", "tuned, sum", "free, plain", "free, sum",
    ]  # fmt: skip
    assert [n.group for n in recipe.networks] == ["tuned", "tuned", "free", "free"]
    assert recipe.networks[3].params == {"kind": "free", "convolution": "sum", "gated": False}
    assert (recipe.rollings, recipe.repeats, recipe.size) == ((0, 4), 3, 24)
    assert (recipe.base.epochs, recipe.base.learning_rate) == (6, 3e-3)
    dialog.preset.setCurrentIndex(1)
    recipe = dialog.recipe()
    assert recipe is not None
    assert [n.title for n in recipe.networks] == ["Medium extractor wide"]
    assert recipe.networks[0].params["gated"] is True


def test_what_is_missing_is_said(dialog: SweepDialog) -> None:
    assert dialog.start.isEnabled()
    dialog.check("kind")
    assert not dialog.start.isEnabled()
    assert "at least one" in dialog.words.text()
    dialog.check("kind", "free")
    dialog.form.set_value("rollings", "few")
    dialog._look()
    assert "cannot be read" in dialog.words.text()


def test_a_sweep_is_started_and_shown(
    qtbot: QtBot, page: RunsPanel, dialog: SweepDialog, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    dialog.start.click()
    (job,) = engine.jobs
    assert isinstance(job, SweepJob)
    assert job.recipe.networks[0].title == "Medium extractor small"
    assert [run.title for run in page.selected()] == ["stripes by rolling"]
    assert page.selected()[0].job_id == job.job_id
    assert "0 of 15 networks" in page.sweep.words.text()


def test_a_real_sweep_fills_in(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    dataset = ImageDataset(
        summary=DatasetSummary(
            name="noise", folder=tmp_path / "noise", task="classification", target="class",
            size=40, classes=("a", "b"), kind="images", digest="noise-1",
        ),
        values=draw.integers(0, 256, (40, 1, 6, 6)).astype(np.uint8),
        label=np.arange(40) % 2,
        is_test=np.arange(40) >= 30,
    )  # fmt: skip
    dataset.save()
    panel = RunsPanel(session)
    qtbot.addWidget(panel)
    panel.show()
    recipe = replace(
        _recipe(tmp_path),
        base=TrainRecipe(
            model="", dataset=dataset.summary.folder, epochs=2, batch_size=10,
            split=SplitSpec(kind="given"), device="cpu",
        ),
        networks=(SweepNetwork(title="dense", model="dense", preset="mnist-small"),),
    )  # fmt: skip
    panel.begin_sweep(recipe)
    run = session.runs.runs[0]
    qtbot.waitUntil(lambda: run.status == "done")
    qtbot.waitUntil(lambda: "4 of 4 networks are ready." in panel.sweep.words.text())
    (curve,) = panel.sweep.plot.curves
    assert curve.x.tolist() == [0, 2]
    assert _cell(panel, EPOCHS) == "4 / 4"
    qtbot.waitUntil(lambda: run.stored is not None)
    assert run.stored is not None
    assert run.stored.sweep == recipe


# ------------------------------------------------------------------ its inside

INSIDE = tuple(f"torus, χ = {chi}, repeat 1" for chi in (0, 2))


def _look(network: str, epoch: int, first: float) -> AttentionReady:
    return AttentionReady(
        run_id="", network=network, epoch=epoch, layers=("0 input", "1 conv"), mean=(first, 0.5),
        std=(0.1, 0.1), quantiles=((0.1, 0.2, 0.3, 0.4, 0.5),) * 2, saturated=(False, False),
        samples=40,
    )  # fmt: skip


def test_the_inside_of_a_network_of_a_sweep_is_chosen(
    qtbot: QtBot, page: RunsPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    run = session.runs.runs[0]
    with Project.open(session.project.folder) as project:
        for epoch in (0, 1):
            project.run(run.run_id).append_monitor(_look(INSIDE[0], epoch, 0.2 + epoch / 10))
    page.sweep.inside.click()
    details = page.details
    attention = details.inside.attention
    qtbot.waitUntil(lambda: attention.isVisibleTo(details))
    assert details.networks.currentText() == INSIDE[0]
    assert details.inside.history.plot.values.shape == (2, 2)
    page.resume()
    qtbot.waitUntil(lambda: bool(engine.jobs))
    engine.send(Started(title="Sweep"), RunCreated(run_id=run.run_id, folder=run.folder))
    live = (replace(_look(INSIDE[1], epoch, 0.8), run_id=run.run_id) for epoch in (0, 1, 2))
    engine.send(*live)
    qtbot.waitUntil(lambda: attention.title == "Attention, epoch 2")  # the newest is followed
    assert details.networks.currentText() == INSIDE[1]
    assert details.networks.count() == 2
    details.networks.activated.emit(0)
    assert attention.title == "Attention, epoch 1"
    assert details.inside.history.plot.values[0].tolist() == pytest.approx([0.2, 0.3])
    engine.send(replace(_look(INSIDE[1], 3, 0.8), run_id=run.run_id))
    qtbot.waitUntil(lambda: len(session.monitors.of(run.run_id, INSIDE[1]).attention) == 4)
    assert attention.title == "Attention, epoch 1"
    assert details.networks.currentText() == INSIDE[0]
    details.networks.activated.emit(1)
    assert attention.title == "Attention, epoch 3"
    assert details.text().startswith("Status")


def test_a_page_without_runs_offers_a_sweep(
    played: tuple[Session, PlayedEngine], qtbot: QtBot
) -> None:
    page = RunsPanel(played[0])
    qtbot.addWidget(page)
    page.show()
    (empty,) = [e for e in page.findChildren(EmptyState) if e.isVisible()]
    wanted: list[str] = []
    page.page_wanted.connect(wanted.append)
    train, sweep = empty.buttons
    train.click()
    assert wanted == ["train"]
    sweep.click()
    assert page.findChildren(SweepDialog)
