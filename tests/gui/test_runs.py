"""The Runs page over a real store."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from crystalgui.core.messages import (
    ConfusionReady,
    EpochMetrics,
    RunCreated,
    Started,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.store.project import Project
from crystalgui.gui.panels.runs import RunsPanel
from crystalgui.gui.panels.train import TrainPanel
from crystalgui.gui.session import Session
from crystalgui.gui.state.runs_table import (
    BEST,
    EPOCHS,
    STATUS,
    TAGS,
    TEST,
    TITLE,
    headline,
)
from tests.gui.sessions import PlayedEngine


def _fill(folder: Path) -> list[str]:
    """Three runs: done, interrupted, failed; the ids, oldest first."""
    ids = []
    with Project.open(folder) as project:
        for i, (title, status) in enumerate(
            (("wide", "done"), ("deep", "interrupted"), ("broken", "failed"))
        ):
            recipe = TrainRecipe(
                model="cgnn",
                dataset=folder / "tqc",
                epochs=10,
                title=title,
                learning_rate=1e-3 / (i + 1),
            )
            run = project.create_run(recipe)
            for epoch in range(1, 6 - i):
                values = {"val/loss": 1 / epoch, "val/accuracy": 0.1 * epoch + 0.01 * i}
                run.append_metrics({"epoch": epoch, "train/loss": 1 / epoch, **values}, best=True)
            if status == "done":
                run.append_metrics({"test/accuracy": 0.47, "test/loss": 0.9})
            if status == "interrupted":
                run.write("last.safetensors", b"checkpoint")
            run.set_status(status)
            ids.append(run.id)
    return ids


@pytest.fixture
def page(qtbot: QtBot, played: tuple[Session, PlayedEngine]) -> RunsPanel:
    session, _ = played
    _fill(session.project.folder)
    panel = RunsPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1100, 800)
    panel.show()
    qtbot.waitUntil(lambda: panel.proxy.rowCount() == 3)
    return panel


def _row(page: RunsPanel, title: str) -> int:
    rows = [i for i in range(page.proxy.rowCount()) if page.proxy.index(i, TITLE).data() == title]
    assert rows, f"no run {title}"
    return rows[0]


def _select(page: RunsPanel, *titles: str) -> None:
    model = page.view.selectionModel()
    model.clearSelection()
    for title in titles:
        index = page.proxy.index(_row(page, title), 0)
        model.select(index, model.SelectionFlag.Select | model.SelectionFlag.Rows)


def _cell(page: RunsPanel, title: str, column: int) -> str:
    return page.proxy.index(_row(page, title), column).data()


def test_every_run_is_a_row_newest_first(page: RunsPanel) -> None:
    assert [page.proxy.index(i, TITLE).data() for i in range(3)] == ["broken", "deep", "wide"]
    assert _cell(page, "wide", STATUS) == "done"
    assert _cell(page, "wide", EPOCHS) == "5 / 10"
    assert _cell(page, "wide", BEST) == "acc. 0.5"
    assert _cell(page, "wide", TEST) == "acc. 0.47"
    assert _cell(page, "deep", TEST) == ""


def test_columns_sort_by_value(page: RunsPanel) -> None:
    page.view.sortByColumn(BEST, Qt.SortOrder.AscendingOrder)
    assert [page.proxy.index(i, TITLE).data() for i in range(3)] == ["broken", "deep", "wide"]
    page.view.sortByColumn(BEST, Qt.SortOrder.DescendingOrder)
    assert [page.proxy.index(i, TITLE).data() for i in range(3)] == ["wide", "deep", "broken"]


def test_words_filter(page: RunsPanel) -> None:
    page.filter.setText("deep inter")
    assert page.proxy.rowCount() == 1
    page.filter.setText("deep done")
    assert page.proxy.rowCount() == 0
    page.filter.clear()
    assert page.proxy.rowCount() == 3


def test_curves_of_selected_runs_are_overlaid(qtbot: QtBot, page: RunsPanel) -> None:
    _select(page, "wide", "deep")
    qtbot.waitUntil(lambda: len(page.overlay.plot.keys) == 2)
    assert page.overlay.key == "val/accuracy"
    curves = page.overlay.plot._curves.values()
    assert sorted(len(c.series) for c in curves) == [4, 5]
    assert {c.name for c in curves} == {"wide", "deep"}
    assert len({c.paint for c in curves}) == 2
    page.overlay.choose("train/loss")
    assert len(page.overlay.plot.keys) == 2
    _select(page, "wide")
    assert len(page.overlay.plot.keys) == 1


def test_rename_and_tag_reach_the_store(
    qtbot: QtBot, page: RunsPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, _ = played
    index = page.proxy.index(_row(page, "wide"), TITLE)
    assert page.proxy.setData(index, "wider")
    qtbot.waitUntil(lambda: any(page.proxy.index(i, TITLE).data() == "wider" for i in range(3)))
    index = page.proxy.index(_row(page, "wider"), TAGS)
    assert page.proxy.setData(index, "keep, paper ,")
    qtbot.waitUntil(lambda: _cell(page, "wider", TAGS) == "keep, paper")
    with Project.open(session.project.folder) as project:
        run = next(r for r in project.runs() if r.title == "wider")
        assert run.tags == ("keep", "paper")


def test_deleted_runs_lie_in_the_bin_and_come_back(
    qtbot: QtBot, page: RunsPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, _ = played
    _select(page, "broken", "wide")
    qtbot.mouseClick(page.bin_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.proxy.rowCount() == 1)
    with Project.open(session.project.folder) as project:
        assert len(project.runs(binned=True)) == 2
    assert page.bin_chip.text() == "bin 2"
    qtbot.mouseClick(page.bin_chip, Qt.MouseButton.LeftButton)
    assert page.proxy.rowCount() == 2
    assert page.bin_button.text() == "Restore"
    _select(page, "wide")
    qtbot.mouseClick(page.bin_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.proxy.rowCount() == 1)
    qtbot.mouseClick(page.bin_chip, Qt.MouseButton.LeftButton)
    assert _cell(page, "wide", STATUS) == "done"


def test_only_a_run_with_a_checkpoint_resumes(
    qtbot: QtBot, page: RunsPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    for title, able in (("wide", False), ("broken", False), ("deep", True)):
        _select(page, title)
        assert page.resume_button.isEnabled() is able, title
    with qtbot.waitSignal(page.page_wanted) as wanted:
        qtbot.mouseClick(page.resume_button, Qt.MouseButton.LeftButton)
    assert wanted.args == ["train"]
    qtbot.waitUntil(lambda: bool(engine.jobs))
    job = engine.jobs[-1]
    assert isinstance(job, TrainJob)
    view = session.runs.find(job.run_id)
    assert view is not None
    assert view.title == "deep"
    assert _cell(page, "deep", STATUS) == "queued"
    assert not page.resume_button.isEnabled()


def test_a_live_run_is_a_row_whose_curve_grows(
    qtbot: QtBot, page: RunsPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    recipe = TrainRecipe(model="cgnn", dataset=session.project.folder / "tqc", title="live one")
    session.runs.train(recipe)
    engine.send(Started(), RunCreated(run_id="new", folder=session.project.folder / "new"))
    assert page.proxy.rowCount() == 4
    assert _cell(page, "live one", STATUS) == "running"
    _select(page, "live one")
    for epoch in (1, 2, 3):
        engine.send(EpochMetrics(run_id="new", epoch=epoch, values={"val/accuracy": 0.2 * epoch}))
    (curve,) = page.overlay.plot._curves.values()
    assert len(curve.series) == 3
    assert _cell(page, "live one", EPOCHS) == "3 / 30"
    assert _cell(page, "live one", BEST) == "acc. 0.6"


def test_details_have_the_recipe_and_can_be_copied(qtbot: QtBot, page: RunsPanel) -> None:
    _select(page, "deep")
    page.show_details()
    assert page.details.isVisible()
    text = page.details.text()
    assert "learning rate\t0.0005" in text
    assert "family\tcgnn" in text
    assert "kind\tcomposition" in text
    assert "validation accuracy\t0.41" in text


def test_one_csv_has_every_run(
    qtbot: QtBot, page: RunsPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    path = tmp_path / "runs.csv"
    page.export(path)
    qtbot.waitUntil(path.is_file)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["title"] for row in rows} == {"wide", "deep", "broken"}
    assert all(row["recipe.model"] == "cgnn" for row in rows)
    best = sorted(float(row["best.val/accuracy"]) for row in rows)
    assert best == pytest.approx([0.32, 0.41, 0.5])


def test_a_stored_run_is_watched_with_its_curves_and_confusion_matrices(
    qtbot: QtBot, page: RunsPanel, played: tuple[Session, PlayedEngine]
) -> None:
    session, _ = played
    with Project.open(session.project.folder) as project:
        run = next(r for r in project.runs() if r.title == "wide")
        tables = [
            ConfusionReady(
                run_id=run.id,
                epoch=epoch,
                split="validation",
                classes=("a", "b"),
                counts=((epoch, 1), (0, 5)),
            )
            for epoch in (1, 2, 2, 3)
        ]
        for table in tables:
            run.append_confusion(table)
        with run.file("confusion.jsonl").open("a") as stream:
            stream.write('{"epoch": 4, "spl')
        assert run.confusions() == tables
    _select(page, "wide")
    with qtbot.waitSignal(page.page_wanted):
        qtbot.mouseClick(page.watch_button, Qt.MouseButton.LeftButton)
    watch = TrainPanel(session)
    qtbot.addWidget(watch)
    watch.show()
    view = session.runs.watched
    assert view is not None
    qtbot.waitUntil(lambda: view.complete)
    qtbot.waitUntil(lambda: watch.live.confusion._epoch.text() == "epoch 3")
    assert [t.epoch for t in view.curves.confusions["validation"]] == [1, 2, 3]
    assert view.curves.series("val/loss").x.tolist() == [1, 2, 3, 4, 5]
    assert view.curves.last("test/accuracy") == 0.47
    qtbot.waitUntil(lambda: ("Test accuracy", "0.47") in watch.live.run_card.values.rows)


def test_rows_are_copied_as_tsv(page: RunsPanel) -> None:
    _select(page, "wide", "deep")
    page.copy()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:2] == ["Run", "Model"]
    assert [line.split("\t")[0] for line in lines[1:]] == ["deep", "wide"]


def test_a_project_without_runs_says_so(qtbot: QtBot, played: tuple[Session, PlayedEngine]) -> None:
    session, _ = played
    page = RunsPanel(session)
    qtbot.addWidget(page)
    page.show()
    qtbot.waitUntil(lambda: session.runs.loaded)
    assert page.stack.currentIndex() == 0


def test_the_headline_prefers_what_people_quote() -> None:
    assert headline({"val/loss": 1.0, "val/accuracy": 0.5}, "val") == ("acc.", 0.5)
    assert headline({"val/mae": 0.1, "val/rmse": 0.2}, "val") == ("MAE", 0.1)
    assert headline({}, "val")[0] == ""


def test_recipes_stay_apart(played: tuple[Session, PlayedEngine]) -> None:
    """Two runs of one recipe are two rows."""
    session, engine = played
    recipe = TrainRecipe(model="cgnn", dataset=session.project.folder)
    first, second = session.runs.train(recipe), session.runs.train(replace(recipe))
    assert first is not second
    assert len({job.job_id for job in engine.jobs}) == 2
