"""The Train page: set up, watch, mend; driven by events that the test sends."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from crystalgui.core.errors import DataError
from crystalgui.core.messages import (
    CatalogueJob,
    ConfusionReady,
    Crashed,
    DatasetReady,
    Done,
    EpochMetrics,
    ErrorInfo,
    EstimateJob,
    EstimateReady,
    Failed,
    ImportJob,
    Progress,
    RunCreated,
    Started,
    StepMetrics,
    Stopped,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.store.project import Project
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.panels.train.importing import ImportDialog, labels_beside
from crystalgui.gui.plots.clock import clock
from crystalgui.gui.session import Session
from crystalgui.gui.widgets import EmptyState
from tests.gui.sessions import BROKEN, CGNN, CLASSES, SHIPPED, PlayedEngine, tqc


@pytest.fixture
def page(qtbot: QtBot, played: tuple[Session, PlayedEngine]) -> TrainPanel:
    session, _ = played
    with Project.open(session.project.folder) as project:
        project.register_dataset(tqc(session.project.folder))
    session.project.set_catalogue((BROKEN, CGNN), [SHIPPED], (("cpu", "CPU"), ("cuda", "H100")))
    panel = TrainPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1060, 860)
    panel.show()
    qtbot.waitUntil(lambda: session.runs.loaded and bool(session.project.datasets))
    return panel


def _click(qtbot: QtBot, button: object) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def _start(qtbot: QtBot, page: TrainPanel, engine: PlayedEngine) -> TrainRecipe:
    _click(qtbot, page.setup.train_button)
    job = engine.jobs[-1]
    assert isinstance(job, TrainJob)
    engine.send(Started(title="Train"), RunCreated(run_id="r1", folder=job.project / "r1"))
    return job.recipe


def _epoch(engine: PlayedEngine, epoch: int, loss: float = 1.0) -> None:
    diagonal = tuple(tuple(10 * (i == j) + epoch for j in range(5)) for i in range(5))
    engine.send(
        StepMetrics(
            run_id="r1", step=8 * epoch, epoch=float(epoch), loss=loss, samples_per_second=900.0
        ),
        EpochMetrics(
            run_id="r1",
            epoch=epoch,
            values={
                "train/loss": loss,
                "val/loss": loss + 0.1,
                "train/accuracy": 0.5,
                "val/accuracy": 0.4,
                "val/f1": 0.3,
            },
            best=epoch == 2,
        ),
        ConfusionReady(
            run_id="r1", epoch=epoch, split="validation", classes=CLASSES, counts=diagonal
        ),
        Progress(done=epoch, total=30, text="Training", eta=75.0),
    )


# ------------------------------------------------------------------ set up


def test_data_model_and_devices_are_offered(page: TrainPanel) -> None:
    data = page.setup.data
    assert data.current is not None
    assert data.current.name == "tqc"
    assert ("Duplicates", "12") in data.facts.rows
    assert data.problems.count() == 2
    assert data.balance.accessibleDescription().startswith("LCEBR: 500")
    choice = page.setup.model_choice
    assert choice.currentData() == "cgnn"
    assert not choice.model().item(choice.findData("broken")).isEnabled()
    device = page.setup.training.editor("device")
    assert [device.itemData(i) for i in range(device.count())] == ["auto", "cpu", "cuda"]


def test_a_preset_sets_model_and_optimiser(qtbot: QtBot, page: TrainPanel) -> None:
    preset = page.setup.preset_choice
    preset.setCurrentIndex(preset.findData("paper"))
    recipe = page.setup.recipe()
    assert recipe is not None
    assert (recipe.preset, recipe.batch_size, recipe.learning_rate) == ("paper", 32, 3e-4)
    assert recipe.params == {}
    assert page.setup.params.value("width") == 256


def test_nothing_can_be_trained_without_data(
    qtbot: QtBot, played: tuple[Session, PlayedEngine]
) -> None:
    session, _ = played
    session.project.set_catalogue((CGNN,), [])
    page = TrainPanel(session)
    qtbot.addWidget(page)
    page.show()
    qtbot.waitUntil(lambda: session.runs.loaded)
    assert not page.setup.train_button.isEnabled()
    assert page.setup._cost.text() == "Choose or import a data set."


def test_estimate_shows_cost_and_leakage_of_exactly_this_recipe(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    _click(qtbot, page.setup.estimate_button)
    assert isinstance(engine.jobs[-1], EstimateJob)
    assert not page.setup.estimate_button.isEnabled()
    answer = EstimateReady(
        parameters=12345,
        seconds_per_epoch=4.0,
        memory_bytes=2_000_000_000,
        device="cpu",
        sizes=(800, 100, 100),
        leakage=0,
    )
    engine.send(answer)
    engine.end(Done())
    assert "12,345 parameters" in page.setup._cost.text()
    assert "4.0 s an epoch, 2 min 00 s in all" in page.setup._cost.text()
    assert "2.0 GB" in page.setup._cost.text()
    assert page.setup._leakage.text().endswith("No formula on both sides.")
    assert page.setup.estimate_button.isEnabled()
    page.setup.training.editor("batch_size").setValue(64)
    assert page.setup._cost.text() == ""
    _click(qtbot, page.setup.estimate_button)
    engine.send(replace(answer, leakage=7))
    assert "7 formulas are on both sides" in page.setup._leakage.text()
    assert page.setup._leakage.property("role") == "warn"


def test_an_estimate_that_fails_offers_the_remedy(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    _click(qtbot, page.setup.estimate_button)
    engine.end(Failed(error=ErrorInfo(title="Not enough memory.", kind="memory")))
    assert "Not enough memory." in page.banner.text()
    _click(qtbot, page.banner.buttons[0])
    assert isinstance(engine.jobs[-1], EstimateJob)
    assert engine.jobs[-1].recipe.batch_size == 64
    assert page.setup.training.value("batch_size") == 64


# ------------------------------------------------------------------ import


def test_import_shows_progress_and_selects_the_new_data_set(
    page: TrainPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    session, engine = played
    page.import_data(tmp_path, tmp_path / "labels.csv", "mine")
    job = engine.jobs[-1]
    assert job == ImportJob(
        job_id=job.job_id,
        project=session.project.folder,
        source=tmp_path,
        labels=tmp_path / "labels.csv",
        name="mine",
    )
    engine.send(Started(), Progress(done=250, total=1000, text="Reading", eta=12.0))
    assert not page.setup.data._import.isHidden()
    assert page.setup.data._bar.value() == 250
    assert "Reading" in page.setup.data._import_text.text()
    summary = replace(tqc(session.project.folder), name="mine", folder=tmp_path / "mine")
    engine.send(DatasetReady(summary=summary))
    engine.end(Done())
    assert page.setup.data._import.isHidden()
    assert page.setup.data.current == summary


def test_a_list_read_before_an_import_ended_does_not_undo_it(
    page: TrainPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    session, engine = played
    before = list(session.project.datasets)
    page.import_data(tmp_path, tmp_path / "labels.csv", "b")
    summaries = [
        replace(tqc(session.project.folder), name=name, folder=tmp_path / name) for name in "ab"
    ]
    for summary in summaries:
        engine.send(DatasetReady(summary=summary))
    session.runs.datasets_listed.emit(before)
    assert session.project.datasets == [*before, *summaries]
    session.runs.datasets_listed.emit([*before, *summaries])
    session.runs.datasets_listed.emit(before)
    assert session.project.datasets == before


def test_a_running_import_can_be_cancelled(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    _, engine = played
    job_id = page.import_data(tmp_path, tmp_path / "labels.csv", "mine")
    page.setup.data.import_cancelled.emit()
    assert engine.cancelled == [job_id]
    engine.end(Stopped())
    assert page.setup.data.import_button.isEnabled()


def test_the_import_dialog_guesses_labels_and_names_what_is_missing(
    qtbot: QtBot, tmp_path: Path
) -> None:
    with (tmp_path / "tqc.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("id", "label"), ("1", "a")])
    folder = tmp_path / "POSCAR"
    folder.mkdir()
    dialog = ImportDialog(frozenset({"old"}))
    qtbot.addWidget(dialog)
    button = dialog.buttons.button(dialog.buttons.StandardButton.Ok)
    assert not button.isEnabled()
    dialog.source.setText(str(folder))
    assert dialog.answer() == (folder, tmp_path / "tqc.csv", "tqc")
    assert button.isEnabled()
    dialog.name.setText("old")
    assert "replaced" in dialog.advice()
    dialog.labels.setText(str(tmp_path / "none.csv"))
    assert "no table" in dialog.advice()
    assert not button.isEnabled()
    (tmp_path / "second.csv").write_text("id,label\n")
    assert labels_beside(folder) is None


# ------------------------------------------------------------------- watch


def test_a_run_is_shown_as_it_trains(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    recipe = _start(qtbot, page, engine)
    assert page.stack.currentWidget() is page.live
    for epoch in (1, 2, 3):
        _epoch(engine, epoch, 1.0 / epoch)
    qtbot.waitUntil(lambda: not clock().running)
    live = page.live
    loss = live.loss.plot._curves
    assert loss["val"].raw.yData.tolist() == pytest.approx([1.1, 0.6, 1 / 3 + 0.1])
    assert loss["train"].raw.xData.tolist() == [1.0, 2.0, 3.0]
    assert live.metric.title == "Accuracy"
    assert "trace" in live.confusion.subtitle
    rows = dict(live.run_card.values.rows)
    assert rows["Epoch"] == f"3 of {recipe.epochs}"
    assert rows["Throughput"] == "900 samples/s"
    assert rows["Time left"] == "1 min 15 s"
    assert rows["Checkpoint"] == "epoch 3, best epoch 2"
    assert session.runs.live is not None
    assert session.runs.live.run_id == "r1"


def test_the_confusion_slider_follows_until_it_is_moved(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    _start(qtbot, page, engine)
    card = page.live.confusion
    for epoch in (1, 2, 3):
        _epoch(engine, epoch)
    assert card._epoch.text() == "epoch 3"
    first = card.plot.percent()[0, 0]
    card.slider.setValue(0)
    assert card._epoch.text() == "epoch 1"
    assert card.plot.percent()[0, 0] > first
    _epoch(engine, 4)
    assert card._epoch.text() == "epoch 1"
    card.slider.setValue(card.slider.maximum())
    _epoch(engine, 5)
    assert card._epoch.text() == "epoch 5"
    with qtbot.waitSignal(page.cell_chosen) as chosen:
        centre = card.plot.cell_rect(0, 1).center().toPoint()
        qtbot.mouseClick(card.plot, Qt.MouseButton.LeftButton, pos=centre)
    assert chosen.args == ["LCEBR", "ESFD"]


def test_another_metric_and_a_log_scale_are_one_click(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    _start(qtbot, page, engine)
    _epoch(engine, 1)
    _epoch(engine, 2)
    qtbot.waitUntil(lambda: not clock().running)
    chips = {chip.text(): chip for chip in page.live.metric._chips.buttons()}
    _click(qtbot, chips["F1"])
    assert page.live.metric.plot.keys == ("val",)
    _click(qtbot, page.live.loss.log)
    assert page.live.loss.plot.log
    assert not page.live.loss.linear.isChecked()


def test_stop_after_epoch_and_cancel_reach_the_engine(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    _start(qtbot, page, engine)
    _epoch(engine, 1)
    qtbot.waitUntil(lambda: page.live.run_card.stop.isEnabled())
    job = engine.jobs[-1].job_id
    _click(qtbot, page.live.run_card.stop)
    assert engine.soft == [job]
    _click(qtbot, page.live.run_card.cancel)
    assert engine.cancelled == [job]
    qtbot.waitUntil(lambda: not page.live.run_card.cancel.isEnabled())
    engine.end(Stopped(run_id="r1"))
    assert session.runs.live is None


def test_when_training_is_done_the_new_model_is_looked_for(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    _start(qtbot, page, engine)
    _epoch(engine, 1)
    engine.end(Done())
    assert isinstance(engine.jobs[-1], CatalogueJob)


def test_nan_offers_a_lower_rate_in_one_click(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    recipe = _start(qtbot, page, engine)
    _epoch(engine, 1, math.nan)
    engine.end(
        Failed(error=ErrorInfo(title="The loss became NaN.", hint="Lower the rate.", kind="nan"))
    )
    assert page.banner.text() == "The loss became NaN. Lower the rate."
    assert page.live.run is not None
    assert page.live.run.status == "failed"
    _click(qtbot, page.banner.buttons[0])
    again = engine.jobs[-1]
    assert isinstance(again, TrainJob)
    assert again.recipe == replace(recipe, learning_rate=recipe.learning_rate / 10)
    assert page.banner.text() == ""


def test_settings_of_a_failed_run_can_be_changed(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    page.setup.training.editor("epochs").setValue(7)
    _start(qtbot, page, engine)
    page.setup.training.editor("epochs").setValue(9)
    engine.end(Failed(error=ErrorInfo(title="Out of memory.", kind="memory")))
    change = next(b for b in page.banner.buttons if b.text() == "Change settings")
    _click(qtbot, change)
    assert page.stack.currentWidget() is page.setup
    assert page.setup.training.value("epochs") == 7


def test_a_crash_is_said_and_the_run_can_go_on(
    qtbot: QtBot, page: TrainPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    recipe = _start(qtbot, page, engine)
    _epoch(engine, 1)
    error = ErrorInfo(title="The worker was killed.", hint="It was started again.")
    engine.end(Crashed(error=error, exit_code=-9))
    assert "The worker was killed." in page.banner.text()
    resume = next(b for b in page.banner.buttons if b.text() == "Resume")
    _click(qtbot, resume)
    job = engine.jobs[-1]
    assert isinstance(job, TrainJob)
    assert (job.run_id, job.recipe) == ("r1", recipe)
    assert session.runs.live is page.live.run


# ----------------------------------------------------------------- resume


def test_an_interrupted_run_is_offered_and_resumed(
    qtbot: QtBot, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    session.project.set_catalogue((CGNN,), [])
    recipe = TrainRecipe(model="cgnn", dataset=session.project.folder / "tqc", epochs=10)
    with Project.open(session.project.folder) as project:
        run = project.create_run(recipe)
        for epoch in (1, 2):
            run.append_metrics({"epoch": epoch, "val/loss": 1.0, "val/accuracy": 0.5}, best=True)
        run.write("last.safetensors", b"checkpoint")
        run.set_status("interrupted")
    page = TrainPanel(session)
    qtbot.addWidget(page)
    page.show()
    qtbot.waitUntil(lambda: page.banner.text() != "")
    assert "was interrupted after epoch 2 of 10" in page.banner.text()
    assert [n.title for n in session.notify.history] == [
        "“cgnn small” was interrupted after epoch 2 of 10."
    ]
    _click(qtbot, page.banner.buttons[0])
    qtbot.waitUntil(lambda: any(isinstance(j, TrainJob) for j in engine.jobs))
    job = engine.jobs[-1]
    assert isinstance(job, TrainJob)
    assert job.run_id == run.id
    view = session.runs.find(run.id)
    assert view is not None
    assert view.curves.series("val/loss").x.tolist() == [1.0, 2.0]


def test_a_dismissed_offer_does_not_come_back(
    qtbot: QtBot, played: tuple[Session, PlayedEngine]
) -> None:
    session, _ = played
    with Project.open(session.project.folder) as project:
        run = project.create_run(TrainRecipe(model="cgnn", dataset=session.project.folder))
        run.write("last.safetensors", b"checkpoint")
        run.set_status("interrupted")
    page = TrainPanel(session)
    qtbot.addWidget(page)
    page.show()
    qtbot.waitUntil(lambda: page.banner.text() != "")
    page.banner.dismiss()
    with qtbot.waitSignal(session.runs.listed):
        session.runs.refresh()
    assert page.banner.text() == ""


def test_the_page_fits_a_small_window(qtbot: QtBot, page: TrainPanel) -> None:
    page.resize(560, 480)
    qtbot.waitUntil(lambda: page.setup._columns == 1)
    page.resize(1000, 700)
    qtbot.waitUntil(lambda: page.setup._columns == 2)
    assert page.minimumSizeHint().width() <= 760
    assert page.minimumSizeHint().height() <= 560


def test_a_room_that_cannot_be_built_is_never_shown_half(
    qtbot: QtBot, page: TrainPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words stand in its place, and it is begun anew when it is asked for again."""
    from crystalgui.gui.panels.train.invariance import page as rooms

    class Room(Growing, QWidget):
        broken = True

        def __init__(self, _: Session, *, at_once: bool) -> None:
            super().__init__()
            self.grow(self._build(), at_once)

        def _build(self) -> Steps:
            yield
            if self.broken:
                raise DataError("A step is missing.", "")

    monkeypatch.setattr(rooms, "InvariancePage", Room)
    _click(qtbot, page.invariance_chip)
    qtbot.waitUntil(lambda: isinstance(page.stack.currentWidget(), EmptyState))
    _click(qtbot, page.setup_chip)
    for _ in range(2):  # nor when it is needed now
        with pytest.raises(DataError):
            page.invariance  # noqa: B018
    _click(qtbot, page.invariance_chip)
    assert page.stack.currentWidget() is page._broken
    Room.broken = False
    _click(qtbot, page.setup_chip)
    _click(qtbot, page.invariance_chip)
    qtbot.waitUntil(lambda: isinstance(page.stack.currentWidget(), Room))
