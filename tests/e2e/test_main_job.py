"""The main job by clicks: open, import, train, classify, export; and what a kill leaves."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox, QFileDialog

from crystalgui.core.settings import default_project
from crystalgui.core.store.project import Project
from crystalgui.engine.heartbeat import Heartbeat
from crystalgui.gui.panels.classify import ClassifyPanel
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.panels.train.importing import ImportDialog
from crystalgui.gui.state.predictions_table import PREDICTION
from tests.e2e.desk import Desk

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
ENDLESS = 100_000


def _import(desk: Desk, structures: Path) -> TrainPanel:
    """Import the data set through the dialog; the Train page."""
    page = desk.page("train")
    assert isinstance(page, TrainPanel)

    def fill(dialog: object) -> None:
        assert isinstance(dialog, ImportDialog)
        dialog.source.setText(str(structures))
        dialog.name.setText("binaries")
        ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
        QTest.mouseClick(ok, Qt.MouseButton.LeftButton)

    desk.answer(fill)
    desk.click(page.setup.data.import_button)
    desk.wait(lambda: page.setup.data.current is not None, 90, "the data set")
    return page


def _start(desk: Desk, page: TrainPanel, epochs: int) -> None:
    """Choose the small graph network and train."""
    choice = page.setup.model_choice
    choice.setCurrentIndex(choice.findData("cgnn"))
    page.setup.preset_choice.setCurrentIndex(page.setup.preset_choice.findData("small"))
    page.setup.training.editor("epochs").setValue(epochs)
    page.setup.training.editor("batch_size").setValue(8)
    for name in ("validation", "test"):
        page.setup.split.editor(name).setValue(0.2)
    desk.click(page.setup.train_button)


def _epochs(page: TrainPanel) -> int:
    run = page.live.run
    return len(run.curves.series("val/loss")) if run is not None else 0


def test_from_a_file_to_a_report(
    desk: Desk, structures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, session = desk.window, desk.session
    # open a crystal
    one = structures / "11-17.vasp"
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *a, **k: ([str(one)], ""))
    window.actions_table.actions["file.open"].trigger()
    desk.wait(lambda: session.project.current is not None, 30, "the crystal")
    desk.wait(lambda: window.page == "structure", 30, "the Structure page")
    # import and train
    page = _import(desk, structures)
    data = page.setup.data.current
    assert data is not None
    assert (data.size, set(data.classes)) == (60, {"rock salt", "zinc blende"})
    desk.click(page.setup.estimate_button)
    desk.wait(lambda: "parameters" in page.setup._cost.text(), 60, "the estimate")
    _start(desk, page, 3)
    run = page.live.run
    assert run is not None
    desk.wait(lambda: run.status == "done", 120, "the end of training")
    assert _epochs(page) == 3
    desk.wait(lambda: page.live.loss.plot._curves["val"].raw.xData is not None, 5, "curves")
    assert page.live.confusion.plot.classes == data.classes
    desk.wait(lambda: run.stored is not None and bool(run.stored.test), 20, "test metrics")
    desk.wait(lambda: any(not m.shipped for m in session.project.models), 60, "the trained model")
    # classify by point and click
    classify = desk.page("classify")
    assert isinstance(classify, ClassifyPanel)
    name = next(m.name for m in session.project.models if not m.shipped)
    classify.bar.choose(name)
    (structures / "broken.vasp").write_text("not a crystal\n")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a, **k: str(structures))
    desk.click(classify.bar.folder_button)
    desk.wait(lambda: classify.table.rowCount() == 61 and session.predictions.job is None, 90,
              "the predictions")  # fmt: skip
    answers = {classify.table.index(i, PREDICTION).data() for i in range(61)}
    assert answers <= {"rock salt", "zinc blende", "unreadable"}
    # a row and its evidence
    classify.view.setCurrentIndex(classify.table.index(0, 0))
    assert session.selection.prediction is not None
    assert len(classify.preview.answers.rows) == 1
    window.toggle_pane("inspector", True)  # it hides by itself in a window of this width
    desk.wait(lambda: window.inspector.prediction.isVisible(), 5, "the evidence")
    # CSV
    table = tmp_path / "predictions.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(table), ""))
    desk.click(classify.csv_chip)
    desk.wait(table.is_file, 20, "predictions.csv")
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 61
    assert sum(bool(row["error"]) for row in rows) == 1
    # PDF
    desk.click(classify.report_button)
    desk.wait(lambda: window.page_widget("report") is not None, 30, "the Report page")
    report = window.page_widget("report")
    paper = tmp_path / "report.pdf"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(paper), ""))
    desk.wait(report.export_pdf.isEnabled, 120, "the report")
    desk.click(report.export_pdf)
    desk.wait(paper.is_file, 60, "report.pdf")
    assert paper.read_bytes().startswith(b"%PDF")


def test_the_window_stays_alive_while_a_model_trains(desk: Desk, structures: Path) -> None:
    page = _import(desk, structures)
    _start(desk, page, ENDLESS)
    desk.wait(lambda: _epochs(page) >= 3, 120, "the third epoch")
    heart = Heartbeat(desk.window)
    worst = []
    # what else runs on the machine can only make it worse: the best of three is the window's own,
    # without the time in which others had the cores
    for _ in range(3):
        heart.start()
        before = _epochs(page)
        desk.live(20.0)
        heart.stop()
        assert _epochs(page) > before
        assert heart.beats() > 600
        worst.append(heart.own())
        if worst[-1] < 50.0:
            break
    desk.click(page.live.run_card.cancel)
    run = page.live.run
    assert run is not None
    desk.wait(lambda: not run.alive, 15, "the cancelled run")
    assert min(worst) < 50.0, f"worst frames: {worst} ms"


def test_a_killed_worker_is_said_and_its_run_goes_on(desk: Desk, structures: Path) -> None:
    page = _import(desk, structures)
    _start(desk, page, ENDLESS)
    run = page.live.run
    assert run is not None
    desk.wait(lambda: _epochs(page) >= 5, 120, "the fifth epoch")
    os.kill(desk.worker, signal.SIGKILL)
    desk.wait(lambda: run.status == "crashed", 20, "the crash")
    assert page.banner.text()
    desk.wait(lambda: run.resumable, 20, "a checkpoint")
    resume = next(b for b in page.banner.buttons if b.text() == "Resume")
    before = _epochs(page)
    desk.click(resume)
    desk.wait(lambda: run.status == "running" and _epochs(page) > before, 120, "more epochs")
    epochs = run.curves.series("val/loss").x.tolist()
    assert epochs == sorted(set(epochs))
    desk.click(page.live.run_card.stop)
    desk.wait(lambda: run.status == "stopped", 60, "the stop after the epoch")
    with Project.open(desk.session.project.folder) as project:
        assert [r.status for r in project.runs()] == ["stopped"]


def test_a_killed_program_offers_its_run_when_it_opens_again(structures: Path) -> None:
    code = "import sys; from tests.e2e import test_main_job as t; t.train_until_killed(sys.argv[1])"
    program = subprocess.Popen(
        [sys.executable, "-c", code, str(structures)],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    try:
        line = program.stdout.readline()
        assert line.startswith("training "), line
        worker = int(line.split()[1])
    finally:
        program.kill()
        program.wait(20)
        program.stdout.close()
    limit = time.monotonic() + 10
    while Path(f"/proc/{worker}").exists() and time.monotonic() < limit:
        os.sched_yield()
    assert not Path(f"/proc/{worker}").exists(), "the compute process outlived the program"
    assert default_project().is_dir()
    desk = Desk()
    try:
        page = desk.page("train")
        assert isinstance(page, TrainPanel)
        desk.wait(lambda: "was interrupted" in page.banner.text(), 30, "the offer")
        (interrupted,) = desk.session.runs.interrupted
        done = interrupted.epochs
        assert done >= 3
        desk.click(page.banner.buttons[0])
        desk.wait(lambda: interrupted.alive and _epochs(page) > done, 120, "more epochs")
        desk.click(page.live.run_card.stop)
        desk.wait(lambda: interrupted.status == "stopped", 60, "the stop")
    finally:
        desk.close()


def train_until_killed(structures: str) -> None:
    """Body of the program that is killed."""
    desk = Desk()
    page = _import(desk, Path(structures))
    _start(desk, page, ENDLESS)
    desk.wait(lambda: _epochs(page) >= 3, 120, "the third epoch")
    print("training", desk.worker, flush=True)
    desk.live(120.0)
