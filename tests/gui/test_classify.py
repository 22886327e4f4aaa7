"""The Classify page: rows come in batches and can be read, sorted, filtered, copied."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication
from pytestqt.qtbot import QtBot

from crystalgui.core.messages import (
    ClassifyJob,
    Done,
    ErrorInfo,
    Failed,
    Predicted,
    Prediction,
    Progress,
    Started,
    Stopped,
)
from crystalgui.core.reports.csv import read_predictions
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.files import write_poscar
from crystalgui.gui.panels.classify import ClassifyPanel
from crystalgui.gui.session import Session
from crystalgui.gui.state.predictions_table import (
    ERRORS,
    FILE,
    PREDICTION,
    PROBABILITIES,
    ROW_ROLE,
    SPACE_GROUP,
    WARNINGS,
)
from crystalgui.gui.state.sources import extract, find_source
from tests.gui.sessions import CGNN, CLASSES, SHIPPED, PlayedEngine
from tests.predicted import predicted


def _prediction(number: int, winner: int, p: float, **changes: object) -> Prediction:
    rest = (1 - p) / 4
    pairs = [(c, p if i == winner else rest) for i, c in enumerate(CLASSES)]
    row = predicted(
        file=f"{number}.vasp",
        formula="BiTeI" if number % 2 else "Si",
        space_group=("P3m1 (156)", "Fd-3m (227)", "P1 (1)")[number % 3],
        prediction=CLASSES[winner],
        probability=p,
        probabilities=tuple(sorted(pairs, key=lambda pair: -pair[1])),
        model=SHIPPED.name,
    )
    return replace(row, **changes)


ROWS = (
    _prediction(1, 0, 0.9),
    _prediction(2, 1, 0.5, warnings=("never seen in training: Og",)),
    _prediction(10, 4, 0.7),
    predicted(file="bad.vasp", error="line 3: a lattice vector is missing.", model=SHIPPED.name),
)


@pytest.fixture
def page(qtbot: QtBot, played: tuple[Session, PlayedEngine]) -> ClassifyPanel:
    session, _ = played
    session.project.set_catalogue((CGNN,), [SHIPPED])
    panel = ClassifyPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1100, 800)
    panel.show()
    return panel


def _run(page: ClassifyPanel, engine: PlayedEngine, *rows: Prediction, folder: Path) -> None:
    page.classify([folder])
    engine.send(Started(), Predicted(rows=rows), Progress(done=len(rows), total=len(rows)))


def _column(page: ClassifyPanel, column: int) -> list[str]:
    return [page.table.index(i, column).data() for i in range(page.table.rowCount())]


def test_the_model_card_says_how_good_it_is(qtbot: QtBot, page: ClassifyPanel) -> None:
    assert page.bar.model == SHIPPED
    assert "81.0 %" in page.bar.choice.text()
    page.bar.show_card()
    rows = dict(page.bar.popover.values.rows)
    assert rows["Test accuracy"] == "0.81"
    assert rows["Split"] == "composition"
    page.bar.popover.close()


def test_dropped_files_are_classified_with_the_chosen_model(
    page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    session, engine = played
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path)), QUrl("https://example.org/x.cif")])
    page.dropEvent(
        QDropEvent(
            QPointF(5, 5),
            Qt.DropAction.CopyAction,
            mime,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )
    job = engine.jobs[-1]
    assert job == ClassifyJob(
        job_id=job.job_id, paths=(tmp_path,), models=(SHIPPED.name,), project=session.project.folder
    )


def test_what_is_dropped_before_the_models_are_there_waits_for_them(
    qtbot: QtBot, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    session, engine = played
    page = ClassifyPanel(session)
    qtbot.addWidget(page)
    page.classify([tmp_path])
    assert engine.jobs == []
    session.project.set_catalogue((CGNN,), [SHIPPED])
    assert isinstance(engine.jobs[-1], ClassifyJob)


def test_rows_say_class_probability_warning_and_reason(
    page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    _, engine = played
    _run(page, engine, *ROWS, folder=tmp_path)
    assert _column(page, FILE) == ["1.vasp", "2.vasp", "10.vasp", "bad.vasp"]
    assert _column(page, PREDICTION) == ["LCEBR", "ESFD", "NLC", "unreadable"]
    assert _column(page, PROBABILITIES) == ["90.0 %", "50.0 %", "70.0 %", ""]
    assert _column(page, WARNINGS)[1] == "never seen in training: Og"
    assert _column(page, WARNINGS)[3] == "line 3: a lattice vector is missing."
    assert page.card.subtitle == "4 crystals, 1 unreadable"


def test_bars_have_the_colours_of_the_classes(
    page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    _, engine = played
    _run(page, engine, _prediction(1, 1, 0.96), folder=tmp_path)
    rect = page.view.visualRect(page.table.index(0, PROBABILITIES))
    image = page.view.viewport().grab(rect).toImage()
    seen = {
        image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())
    }
    assert page.cells.colour_of("ESFD") in seen
    assert page.cells.colour_of("ESFD") != page.cells.colour_of("LCEBR")


def test_columns_sort_by_what_they_mean_with_unreadable_files_last(
    page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    _, engine = played
    _run(page, engine, *ROWS, folder=tmp_path)
    for column, order, expected in (
        (PROBABILITIES, Qt.SortOrder.DescendingOrder, ["1.vasp", "10.vasp", "2.vasp", "bad.vasp"]),
        (PROBABILITIES, Qt.SortOrder.AscendingOrder, ["2.vasp", "10.vasp", "1.vasp", "bad.vasp"]),
        (FILE, Qt.SortOrder.AscendingOrder, ["1.vasp", "2.vasp", "10.vasp", "bad.vasp"]),
        (SPACE_GROUP, Qt.SortOrder.AscendingOrder, ["2.vasp", "1.vasp", "10.vasp", "bad.vasp"]),
    ):
        page.view.sortByColumn(column, order)
        assert _column(page, FILE) == expected, (column, order)


def test_rows_that_come_later_are_sorted_in_and_the_choice_stays(
    qtbot: QtBot, page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    session, engine = played
    _run(page, engine, *ROWS, folder=tmp_path)
    page.view.sortByColumn(PROBABILITIES, Qt.SortOrder.DescendingOrder)
    page.view.setCurrentIndex(page.table.index(2, 0))
    assert session.selection.prediction is ROWS[1]
    engine.send(Predicted(rows=(_prediction(77, 2, 0.8),)))
    qtbot.waitUntil(
        lambda: _column(page, FILE) == ["1.vasp", "77.vasp", "10.vasp", "2.vasp", "bad.vasp"]
    )
    assert page.view.currentIndex().data(ROW_ROLE) is ROWS[1]


def test_words_and_classes_filter(
    qtbot: QtBot, page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    _, engine = played
    _run(page, engine, *ROWS, folder=tmp_path)
    page.filter.setText("si og")
    assert _column(page, FILE) == ["2.vasp"]
    assert page.card.subtitle == "1 of 4 crystals, 1 unreadable"
    page.filter.clear()
    assert list(page.card.class_chips) == ["", "LCEBR", "ESFD", "NLC", ERRORS]
    qtbot.mouseClick(page.card.class_chips["NLC"], Qt.MouseButton.LeftButton)
    assert _column(page, FILE) == ["10.vasp"]
    qtbot.mouseClick(page.card.class_chips[ERRORS], Qt.MouseButton.LeftButton)
    assert _column(page, FILE) == ["bad.vasp"]
    qtbot.mouseClick(page.card.class_chips[""], Qt.MouseButton.LeftButton)
    assert len(_column(page, FILE)) == 4


def test_arrows_choose_rows_and_ctrl_c_copies_tsv(
    qtbot: QtBot, page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    session, engine = played
    _run(page, engine, *ROWS, folder=tmp_path)
    page.view.setFocus()
    page.view.setCurrentIndex(page.table.index(0, 0))
    qtbot.keyClick(page.view, Qt.Key.Key_Down)
    assert session.selection.prediction is ROWS[1]
    qtbot.keyClick(page.view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    page.copy()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:3] == ["file", "formula", "space_group"]
    assert [line.split("\t")[0] for line in lines[1:]] == ["2.vasp", "10.vasp"]


def test_csv_has_the_rows_that_are_shown_in_their_order(
    qtbot: QtBot, page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    _, engine = played
    _run(page, engine, *ROWS, folder=tmp_path)
    page.view.sortByColumn(PROBABILITIES, Qt.SortOrder.DescendingOrder)
    path = tmp_path / "out.csv"
    page.export(path)
    qtbot.waitUntil(path.is_file)
    read = read_predictions(path)
    assert [row.file for row in read] == ["1.vasp", "10.vasp", "2.vasp", "bad.vasp"]
    assert read[3].error == "line 3: a lattice vector is missing."


def test_progress_and_cancel(
    qtbot: QtBot, page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    session, engine = played
    page.classify([tmp_path])
    engine.send(Started(), Progress(done=40, total=100, text="Classifying", eta=6.0))
    assert page.bar._bar.value() == 400
    assert page.bar._text.text() == "Classifying  ·  6.0 s left"
    qtbot.mouseClick(page.bar.cancel, Qt.MouseButton.LeftButton)
    assert engine.cancelled == [session.predictions.job_id]
    engine.send(Predicted(rows=ROWS[:2]))
    engine.end(Stopped())
    assert len(_column(page, FILE)) == 2
    assert page.bar._progress.isHidden()


def test_a_second_run_starts_from_nothing_and_late_rows_are_dropped(
    page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    session, engine = played
    _run(page, engine, *ROWS, folder=tmp_path)
    page.view.setCurrentIndex(page.table.index(0, 0))
    assert session.selection.prediction is not None
    old = engine.jobs[-1].job_id
    session.predictions.classify([tmp_path / "other"], (SHIPPED.name,))
    assert session.selection.prediction is None
    assert page.preview.isHidden()
    assert engine.cancelled == [old]
    assert _column(page, FILE) == []
    engine.send(Predicted(job_id=old, rows=ROWS))
    assert _column(page, FILE) == []
    engine.send(Predicted(rows=ROWS[:1]))
    engine.end(Done())
    assert _column(page, FILE) == ["1.vasp"]


def test_rows_that_made_room_for_others_come_back(
    page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    session, engine = played
    many = [_prediction(k, 0, 0.9) for k in range(30)]
    _run(page, engine, *many, folder=tmp_path)
    session.predictions.classify([tmp_path / "one"], (SHIPPED.name,))
    assert "The 30 rows of before come back" in session.notify.history[-1].text
    engine.send(Predicted(rows=ROWS[:1]))
    page.bring_back()
    assert len(page.table.entries()) == 30
    assert session.predictions.paths == (tmp_path,)
    assert engine.cancelled[-1] == engine.jobs[-1].job_id
    engine.send(Predicted(rows=ROWS[1:2]))  # too late
    assert len(page.table.entries()) == 30
    page.bring_back()
    assert _column(page, FILE) == ["1.vasp"]


def test_a_job_that_fails_says_why_on_the_page(
    page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    _, engine = played
    page.classify([tmp_path])
    engine.end(Failed(error=ErrorInfo(title="The model is damaged.", hint="Get it again.")))
    assert page.card.subtitle == "The model is damaged. Get it again."


def test_regression_has_no_bars(
    qtbot: QtBot, page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    session, engine = played
    gap = replace(SHIPPED, name="gap", task="regression", classes=(), target="band gap", unit="eV")
    session.project.set_catalogue((CGNN,), [gap])
    _run(
        page, engine, predicted(file="a.cif", prediction="1.2000 eV", model="gap"), folder=tmp_path
    )
    assert [column.kind for column in page.table.columns][PREDICTION:] == ["answer", "warnings"]
    assert _column(page, PREDICTION) == ["1.2000 eV"]


def test_report_leads_to_its_page(qtbot: QtBot, page: ClassifyPanel) -> None:
    with qtbot.waitSignal(page.page_wanted) as wanted:
        page.report_button.click()
    assert wanted.args == ["report"]


def test_thousands_of_rows_never_hold_the_window(
    qtbot: QtBot, page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    _, engine = played
    page.classify([tmp_path])
    engine.send(Started())
    app = QGuiApplication.instance()
    page.view.sortByColumn(PROBABILITIES, Qt.SortOrder.DescendingOrder)
    slowest = []
    for batch in range(24):
        rows = tuple(
            _prediction(batch * 128 + i, i % 5, 0.3 + (i * 37 % 64) / 100) for i in range(128)
        )
        start = time.thread_time()
        engine.send(Predicted(rows=rows), Progress(done=batch * 128, total=3072))
        app.processEvents()
        slowest.append(time.thread_time() - start)
    for act in (
        lambda: page.filter.setText("227 bite"),
        lambda: page.filter.clear(),
        lambda: page.view.sortByColumn(SPACE_GROUP, Qt.SortOrder.AscendingOrder),
    ):
        start = time.thread_time()
        act()
        app.processEvents()
        slowest.append(time.thread_time() - start)
    assert page.table.rowCount() == 3072
    assert np.median(slowest) < 0.05  # what may hold the window, in seconds
    assert sorted(slowest)[-2] < 0.1


# -------------------------------------------------- from a row to a crystal


@pytest.fixture
def silicon() -> Crystal:
    lattice = 2.715 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return Crystal(lattice=lattice, frac=[[0, 0, 0], [0.25, 0.25, 0.25]], species=[14, 14])


def test_a_row_finds_its_crystal_in_folders_and_zips(silicon: Crystal, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_poscar(silicon, folder / "si.vasp")
    with ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(folder / "si.vasp", "deep/si2.vasp")
    paths = (folder, tmp_path / "all.zip")
    assert find_source(paths, "si.vasp").path == folder / "si.vasp"
    inside = find_source(paths, "deep/si2.vasp")
    assert inside.path is None
    assert inside.crystal.n_atoms == 2
    copy = extract(paths, "deep/si2.vasp", tmp_path / "copies")
    assert copy == tmp_path / "copies" / "si2.vasp"
    assert find_source((copy,), "si2.vasp").crystal.n_atoms == 2


def test_a_double_click_opens_the_crystal_on_the_structure_page(
    qtbot: QtBot,
    page: ClassifyPanel,
    played: tuple[Session, PlayedEngine],
    silicon: Crystal,
    tmp_path: Path,
) -> None:
    session, engine = played
    write_poscar(silicon, tmp_path / "1.vasp")
    _run(page, engine, *ROWS[:1], folder=tmp_path)
    page.view.setCurrentIndex(page.table.index(0, 0))
    with qtbot.waitSignal(page.page_wanted) as wanted:
        page.open_current()
    assert wanted.args == ["structure"]
    qtbot.waitUntil(lambda: session.project.current is not None and not session.lane.busy)
    assert session.project.current.path == tmp_path / "1.vasp"


def test_the_preview_shows_the_crystal_or_the_reason(
    qtbot: QtBot,
    page: ClassifyPanel,
    played: tuple[Session, PlayedEngine],
    silicon: Crystal,
    tmp_path: Path,
) -> None:
    _, engine = played
    write_poscar(silicon, tmp_path / "1.vasp")
    _run(page, engine, *ROWS, folder=tmp_path)
    page.view.setCurrentIndex(page.table.index(3, 0))
    assert page.preview.isVisible()
    assert page.preview._note.text() == "line 3: a lattice vector is missing."
    page.view.setCurrentIndex(page.table.index(0, 0))
    qtbot.waitUntil(lambda: page.preview._pages.currentIndex() == 1)
    view = page.preview._view
    assert view is not None
    assert len(view.geometry3d) >= 2
    page.view.setCurrentIndex(page.table.index(2, 0))
    qtbot.waitUntil(lambda: "not where it was" in page.preview._note.text())
    assert page.preview._pages.currentIndex() == 0


def test_the_preview_does_not_say_the_error_of_the_row_before(
    qtbot: QtBot, page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    session, engine = played
    _run(page, engine, *ROWS, folder=tmp_path)
    page.view.setCurrentIndex(page.table.index(2, 0))  # its file is not there
    page.view.setCurrentIndex(page.table.index(3, 0))
    qtbot.waitUntil(lambda: not session.lane.busy)
    assert page.preview._note.text() == "line 3: a lattice vector is missing."
