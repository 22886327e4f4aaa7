"""The room of evaluation: answers beside known labels, refused, and led back to their rows."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from crystalgui.core.messages import Answer, Predicted, Prediction, Started
from crystalgui.core.resources import models_folder
from crystalgui.gui.panels.classify import EVALUATION, TABLE, ClassifyPanel
from crystalgui.gui.panels.classify.evaluation import EvaluationRoom
from crystalgui.gui.session import Session
from tests.gui.sessions import CGNN, CLASSES, SHIPPED, PlayedEngine

ENERGY = replace(
    SHIPPED,
    name="formation-energy",
    title="Formation energy",
    folder=str(models_folder() / "formation-energy"),
    task="regression",
    target="formation energy",
    classes=(),
    unit="eV/atom",
    metrics={"mae": 0.06},
)
TQC = replace(SHIPPED, folder=str(models_folder() / "cgnn-tqc5"))


def _row(number: int, said: str, p: float, energy: float, formula: str) -> Prediction:
    rest = [(name, (1 - p) / 4) for name in CLASSES if name != said]
    return Prediction(
        file=f"deep/{number}.vasp",
        formula=formula,
        space_group=f"X ({100 + number})",
        atoms=number,
        answers=(
            Answer(
                model=TQC.name,
                target="tqc",
                prediction=said,
                probability=p,
                probabilities=((said, p), *rest),
                spread=0.02,
            ),
            Answer(
                model=ENERGY.name,
                target="formation energy",
                prediction=f"{energy:.4f} eV/atom",
                value=energy,
            ),
        ),
    )


ROWS = (
    _row(1, "ES", 0.9, -1.0, "Bi2Se3"),
    _row(2, "NLC", 0.8, -2.0, "PtSe2"),
    _row(3, "LCEBR", 0.6, -3.0, "NaCl"),
    _row(4, "ES", 0.4, -4.0, "PtTe2"),
)


@pytest.fixture
def page(qtbot: QtBot, played: tuple[Session, PlayedEngine], tmp_path: Path) -> ClassifyPanel:
    session, engine = played
    session.project.set_catalogue((CGNN,), [TQC, ENERGY])
    panel = ClassifyPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1000, 800)
    panel.show()
    panel.classify([tmp_path])
    engine.send(Started(), Predicted(rows=ROWS))
    return panel


def _labels(folder: Path, name: str, labels: dict[int, object]) -> Path:
    path = folder / name
    path.write_text("id,label\n" + "".join(f"{k},{v}\n" for k, v in labels.items()))
    return path


def _room(qtbot: QtBot, page: ClassifyPanel) -> EvaluationRoom:
    qtbot.waitUntil(lambda: page.evaluation is not None and page.evaluation.shown is not None)
    assert page.evaluation is not None
    return page.evaluation


def test_known_labels_tell_how_good_the_answers_are(
    qtbot: QtBot, page: ClassifyPanel, tmp_path: Path
) -> None:
    page.show_labels(_labels(tmp_path, "tqc.csv", {1: "ES", 2: "ES", 3: "LCEBR"}))
    room = _room(qtbot, page)
    assert room.score.text().startswith("66.7 % right")
    assert "1 crystals without label" in room.score.text()
    assert room.head.subtitle == "3 crystals of tqc.csv"
    assert not room.caution.isHidden()  # the model may have learnt them
    assert {g.name: g.error for g in room.sizes.groups} == {"1": 0.0, "2 – 3": 0.5}
    assert "wrong 100 %" in room.elements.text_of(78)


def test_a_cell_of_the_confusion_leads_to_its_rows(
    qtbot: QtBot, page: ClassifyPanel, tmp_path: Path
) -> None:
    page.show_labels(_labels(tmp_path, "tqc.csv", {1: "ES", 2: "ES", 3: "LCEBR"}))
    room = _room(qtbot, page)
    names = room.confusion.classes
    cell = room.confusion.cell_rect(names.index("ES"), names.index("NLC")).center().toPoint()
    qtbot.mouseClick(room.confusion, Qt.MouseButton.LeftButton, pos=cell)
    assert page.tabs.currentIndex() == TABLE
    assert [row.file for row in page.table.entries()] == ["deep/2.vasp"]
    assert "ES called NLC" in page.card.only_chip.text()
    qtbot.mouseClick(page.card.only_chip, Qt.MouseButton.LeftButton)
    assert len(page.table.entries()) == 4


def test_an_element_leads_to_its_rows(qtbot: QtBot, page: ClassifyPanel, tmp_path: Path) -> None:
    page.show_labels(_labels(tmp_path, "tqc.csv", {1: "ES", 2: "ES", 3: "LCEBR", 4: "ES"}))
    room = _room(qtbot, page)
    room.elements.select((78,))
    assert not room.element_chip.isHidden()
    room.element_chip.click()
    assert [row.file for row in page.table.entries()] == ["deep/2.vasp", "deep/4.vasp"]


def test_refused_answers_are_counted_and_marked(
    qtbot: QtBot, page: ClassifyPanel, tmp_path: Path
) -> None:
    page.show_labels(_labels(tmp_path, "tqc.csv", {1: "ES", 2: "ES", 3: "LCEBR", 4: "ES"}))
    room = _room(qtbot, page)
    assert room.kept.text() == "refuse none: 100.0 % answered, 75.0 % right"
    room.slider.setValue(140)  # 70 %
    assert room.kept.text() == "refuse answers below 70.0 %: 50.0 % answered, 50.0 % right"
    refused = [page.cells.rejected(row.first) for row in ROWS]
    assert refused == [False, False, True, True]
    assert f"2 answers of {TQC.name} refused" in page.card.subtitle
    room.slider.setValue(0)
    assert "refused" not in page.card.subtitle


def test_refused_answers_of_rows_that_come_later_are_counted(
    qtbot: QtBot, page: ClassifyPanel, played: tuple[Session, PlayedEngine]
) -> None:
    _, engine = played
    page.card.set_reject(TQC.name, 0.7)
    assert f"2 answers of {TQC.name} refused" in page.card.subtitle
    engine.send(Predicted(rows=(_row(5, "ES", 0.3, -5.0, "SnTe"),)))
    qtbot.waitUntil(lambda: f"3 answers of {TQC.name} refused" in page.card.subtitle)


def test_labels_choose_the_model_that_they_are_for(
    qtbot: QtBot, page: ClassifyPanel, tmp_path: Path
) -> None:
    page.show_labels(_labels(tmp_path, "e.csv", {1: -1.1, 2: -2.0, 3: -3.3, 4: -4.25}))
    room = _room(qtbot, page)
    assert room.choice.currentData() == ENERGY.name
    assert room.score.text().startswith("mean absolute error 0.1625 eV/atom")
    assert room.confusion_card.isHidden()
    assert room.coverage_card.isHidden()


def test_an_answer_that_is_no_longer_wanted_is_not_shown(
    qtbot: QtBot, page: ClassifyPanel, tmp_path: Path
) -> None:
    page.tabs.setCurrentIndex(EVALUATION)
    _room(qtbot, page)
    page.show_labels(_labels(tmp_path, "tqc.csv", {1: "ES", 2: "ES", 3: "LCEBR"}))
    room = _room(qtbot, page)
    room.show_own()
    room.compare(tmp_path / "tqc.csv")
    qtbot.waitUntil(lambda: not page._session.lane.busy)
    assert room.shown is not None
    assert len(room.shown.known) == 3
    assert room.head.subtitle == "3 crystals of tqc.csv"


def test_labels_of_nothing_say_why(qtbot: QtBot, page: ClassifyPanel, tmp_path: Path) -> None:
    page.show_labels(_labels(tmp_path, "tqc.csv", {77: "ES", 78: "NLC"}))
    qtbot.waitUntil(
        lambda: (
            page.evaluation is not None and "No crystal has both" in page.evaluation.score.text()
        )
    )


def test_without_labels_a_model_shows_its_own_test_crystals(
    qtbot: QtBot, page: ClassifyPanel, tmp_path: Path
) -> None:
    page.tabs.setCurrentIndex(EVALUATION)
    room = _room(qtbot, page)
    assert room.score.text().startswith("85.1 % right")
    assert "calibration error 1.9 %" in room.score.text()
    assert "own test crystals" in room.head.subtitle
    assert room.caution.isHidden()
    room.confusion.cell_clicked.emit("ES", "NLC")
    assert page.tabs.currentIndex() == EVALUATION  # they are no rows of the table
    assert room.cell_note.text().startswith("ES called NLC: ")
    path = tmp_path / "evaluation.csv"
    room.export(path)
    qtbot.waitUntil(path.is_file)
    with path.open(newline="") as stream:
        parts = {row["part"] for row in csv.DictReader(stream)}
    assert parts == {"score", "calibration", "coverage", "confusion"}


def test_the_curves_are_drawn_and_read(qtbot: QtBot, page: ClassifyPanel, tmp_path: Path) -> None:
    page.tabs.setCurrentIndex(EVALUATION)
    room = _room(qtbot, page)
    room.reliability.redraw()
    room.coverage.redraw()
    sure, right = room.reliability._line.getData()
    assert abs(sure - right).mean() < 10  # calibrated: near the diagonal
    share, score = room.coverage._line.getData()
    assert share[-1] == 100
    assert score[0] > score[-1]
    assert room.coverage.said_at(100) == "100 % answered: 85.1 % right"
    assert "% sure:" in room.reliability.said_at(90)


def test_another_table_of_as_many_rows_is_another_comparison(
    qtbot: QtBot, page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    page.show_labels(_labels(tmp_path, "tqc.csv", {1: "ES", 2: "ES", 3: "LCEBR"}))
    room = _room(qtbot, page)
    page.classify([tmp_path])
    other = tuple(replace(row, answers=(ROWS[1].first, *row.answers[1:])) for row in ROWS)
    played[1].send(Predicted(rows=other))
    page.tabs.setCurrentIndex(EVALUATION)
    qtbot.waitUntil(lambda: room.score.text().startswith("0.0 % right"))


def test_labels_that_were_mended_are_read_again(
    qtbot: QtBot, page: ClassifyPanel, tmp_path: Path
) -> None:
    path = _labels(tmp_path, "tqc.csv", {77: "ES", 78: "NLC"})
    page.show_labels(path)
    qtbot.waitUntil(lambda: page.evaluation is not None and bool(page.evaluation.score.text()))
    assert page.evaluation is not None
    assert page.evaluation.shown is None
    _labels(tmp_path, "tqc.csv", {1: "ES", 2: "NLC"})
    page.show_labels(path)
    qtbot.waitUntil(lambda: page.evaluation.shown is not None)
    assert page.evaluation.score.text().startswith("100.0 % right")
