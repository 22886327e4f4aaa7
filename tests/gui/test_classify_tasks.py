"""Several models at once: a row a crystal, a column a task, sorted and filtered by any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from crystalgui.core.messages import Answer, ClassifyJob, Predicted, Prediction, Started, Stopped
from crystalgui.gui.panels.classify import ClassifyPanel
from crystalgui.gui.session import Session
from crystalgui.gui.state.predictions import best_models
from crystalgui.gui.state.predictions_table import FILE, PREDICTION, Column, Order
from tests.gui.sessions import CGNN, CLASSES, SHIPPED, PlayedEngine
from tests.gui.test_classify_evaluation import ENERGY, TQC

MAGNETIC = replace(
    SHIPPED, name="magnetic", target="magnetic_ordering", classes=("NM", "FM", "FiM", "AFM")
)
WORSE = replace(SHIPPED, name="older", metrics={"accuracy": 0.7})
OWN = replace(SHIPPED, name="mine", shipped=False, metrics={"accuracy": 0.99})


def _class(model: str, names: Sequence[str], said: str, p: float, **more: object) -> Answer:
    rest = [(name, (1 - p) / (len(names) - 1)) for name in names if name != said]
    answer = Answer(model=model, prediction=said, probability=p, probabilities=((said, p), *rest))
    return replace(answer, **more)


def _row(number: int, tqc: Answer, energy: float, spread: float, magnetic: Answer) -> Prediction:
    value = Answer(
        model=ENERGY.name, prediction=f"{energy:.4f} eV/atom", value=energy, spread=spread
    )
    return Prediction(
        file=f"{number}.vasp",
        formula="Fe2O3",
        space_group="R-3c (167)",
        answers=(tqc, value, magnetic),
    )


ORDERINGS = MAGNETIC.classes
ROWS = (
    _row(1, _class(TQC.name, CLASSES, "ES", 0.9, spread=0.031), -1.0, 0.02,
         _class("magnetic", ORDERINGS, "FM", 0.5)),
    _row(2, _class(TQC.name, CLASSES, "NLC", 0.4, default=True), -10.0, 0.5,
         _class("magnetic", ORDERINGS, "NM", 0.9)),
    _row(3, _class(TQC.name, CLASSES, "ES", 0.6), 2.0, 0.1,
         _class("magnetic", ORDERINGS, "NM", 0.7)),
    Prediction(file="bad.vasp", error="line 1: not a crystal"),
)  # fmt: skip


@pytest.fixture
def page(qtbot: QtBot, played: tuple[Session, PlayedEngine], tmp_path: Path) -> ClassifyPanel:
    session, engine = played
    session.project.set_catalogue((CGNN,), [OWN, TQC, WORSE, ENERGY, MAGNETIC])
    panel = ClassifyPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1100, 700)
    panel.show()
    panel.classify([tmp_path])
    engine.send(Started(), Predicted(rows=ROWS))
    return panel


def _files(page: ClassifyPanel) -> list[str]:
    return [page.table.index(i, FILE).data() for i in range(page.table.rowCount())]


def _answers(page: ClassifyPanel) -> list[Column]:
    return [column for column in page.table.columns if column.kind == "answer"]


def test_the_best_shipped_model_of_each_task_answers_at_first(
    page: ClassifyPanel, played: tuple[Session, PlayedEngine]
) -> None:
    assert [m.name for m in best_models([WORSE, OWN, ENERGY, TQC])] == [TQC.name, ENERGY.name]
    job = played[1].jobs[-1]
    assert isinstance(job, ClassifyJob)
    assert job.models == (TQC.name, ENERGY.name, MAGNETIC.name)
    assert page.bar.choice.text().startswith("3 models: topological class, formation energy, mag")


def test_a_person_checks_models_and_one_always_answers(
    qtbot: QtBot, page: ClassifyPanel, played: tuple[Session, PlayedEngine], tmp_path: Path
) -> None:
    boxes = page.bar.choice.list.boxes
    for name in (ENERGY.name, MAGNETIC.name):
        boxes[name].click()
    assert [model.name for model in page.bar.models] == [TQC.name]
    boxes[TQC.name].click()
    assert [model.name for model in page.bar.models] == [TQC.name]
    assert boxes[TQC.name].isChecked()
    boxes["mine"].click()
    page.classify([tmp_path])
    job = played[1].jobs[-1]
    assert isinstance(job, ClassifyJob)
    assert set(job.models) == {TQC.name, "mine"}
    assert [column.title for column in _answers(page)] == [TQC.name, "mine"]  # of one task
    played[0].project.set_catalogue((CGNN,), [TQC, OWN, ENERGY])  # a new list keeps the choice
    assert {model.name for model in page.bar.models} == {TQC.name, "mine"}


def test_a_row_has_a_column_for_each_task(page: ClassifyPanel) -> None:
    assert [column.title for column in _answers(page)] == [
        "Topological class", "Formation energy", "Magnetic ordering",
    ]  # fmt: skip
    said = [[page.table.index(i, PREDICTION + k).data() for k in range(3)] for i in range(4)]
    assert said[0] == ["ES 90.0 % ± 3.1 %", "-1.0000 ± 0.0200 eV/atom", "FM 50.0 %"]
    assert said[1][0] == "NLC 40.0 % (baseline)"
    assert said[3] == ["unreadable"] * 3
    tip = page.table.index(1, PREDICTION).data(Qt.ItemDataRole.ToolTipRole)
    assert tip.startswith("The crystal is beyond what this model can read")


def test_rows_sort_by_any_answer_its_probability_and_its_uncertainty(page: ClassifyPanel) -> None:
    names = ("1.vasp", "2.vasp", "3.vasp")
    for column, order, expected in (
        (PREDICTION + 1, Qt.SortOrder.AscendingOrder, (2, 1, 3)),  # by value, not by text
        (PREDICTION + 1, Qt.SortOrder.DescendingOrder, (3, 1, 2)),
        (PREDICTION + 2, Qt.SortOrder.AscendingOrder, (1, 2, 3)),
    ):
        page.view.sortByColumn(column, order)
        assert _files(page) == [*(names[i - 1] for i in expected), "bad.vasp"]
    offered = dict(page.card.sort_orders())
    for words, expected in (
        ("topological class: least sure first", (2, 3, 1)),
        ("topological class: by probability", (1, 3, 2)),
        ("magnetic ordering: surest first", (2, 3, 1)),
        ("formation energy: least sure first", (2, 3, 1)),
    ):
        page.card.sort_by(offered[words])
        assert _files(page) == [*(names[i - 1] for i in expected), "bad.vasp"], words
    page.card.sort_by(Order())
    assert _files(page) == [*names, "bad.vasp"]


def test_classes_of_any_task_filter_together(qtbot: QtBot, page: ClassifyPanel) -> None:
    assert [page.card.task.itemText(i) for i in range(page.card.task.count())] == [
        "Topological class", "Magnetic ordering",
    ]  # fmt: skip
    qtbot.mouseClick(page.card.class_chips["ES"], Qt.MouseButton.LeftButton)
    assert _files(page) == ["1.vasp", "3.vasp"]
    page.card.task.setCurrentIndex(1)
    assert list(page.card.class_chips)[1:3] == ["NM", "FM"]
    qtbot.mouseClick(page.card.class_chips["NM"], Qt.MouseButton.LeftButton)
    assert _files(page) == ["3.vasp"]
    assert page.card.task.itemText(0) == "Topological class: ES"  # the other filter is seen
    qtbot.mouseClick(page.card.class_chips[""], Qt.MouseButton.LeftButton)
    assert _files(page) == ["1.vasp", "3.vasp"]


def test_a_filter_keeps_the_current_row(page: ClassifyPanel) -> None:
    page.view.setCurrentIndex(page.table.index(2, 0))
    page.filter.setText("3.vasp")
    assert page.card.current is ROWS[2]
    page.filter.setText("fe2o3 nm")
    assert _files(page) == ["2.vasp", "3.vasp"]
    assert page.card.current is ROWS[2]


def test_the_dot_of_the_baseline_is_a_ring(page: ClassifyPanel) -> None:
    seen = []
    for row in (0, 1):
        rect = page.view.visualRect(page.table.index(row, PREDICTION))
        image = page.view.viewport().grab(rect).toImage()
        dot = image.pixelColor(11 + 4, rect.height() // 2)
        said = ROWS[row].first.prediction
        seen.append(dot.name() == page.cells.colour_of(said, PREDICTION))
    assert seen == [True, False]


def test_the_preview_shows_all_answers(page: ClassifyPanel) -> None:
    page.view.setCurrentIndex(page.table.index(1, 0))
    assert dict(page.preview.answers.rows) == {
        "topological class": "NLC 40.0 % (baseline)",
        "formation energy": "-10.0000 ± 0.5000 eV/atom",
        "magnetic ordering": "NM 90.0 %",
    }


def test_a_table_as_it_comes_and_a_cluster(
    page: ClassifyPanel,
    played: tuple[Session, PlayedEngine],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session, engine = played
    out = tmp_path / "out.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (str(out), ""))
    options = page.bar.options
    assert options.isHidden()
    page.bar.more_chip.click()
    assert not options.isHidden()
    options.out_chip.click()
    assert options._where.text() == str(out)
    assert "goes on where the table ends" in options.out_chip.toolTip()
    options.scheduler_edit.setText(" tcp://10.0.0.5:8786 ")
    options.scheduler_edit.editingFinished.emit()
    assert session.settings.scheduler == "tcp://10.0.0.5:8786"
    page.classify([tmp_path])
    job = engine.jobs[-1]
    assert isinstance(job, ClassifyJob)
    assert (job.out, job.scheduler) == (out, "tcp://10.0.0.5:8786")
    out.with_name("out.csv.part").write_text("what the journal keeps")
    engine.send(Started(), Predicted(rows=ROWS[:2]))
    engine.end(Stopped())
    assert options._where.text() == f"{out}: goes on where it ends"
    options.none_chip.click()
    page.classify([tmp_path])
    assert engine.jobs[-1].out is None  # type: ignore[attr-defined]


def test_the_address_is_there_again(qtbot: QtBot, played: tuple[Session, PlayedEngine]) -> None:
    session, _ = played
    session.update_settings(scheduler="tcp://cluster:8786")
    page = ClassifyPanel(session)
    qtbot.addWidget(page)
    assert page.bar.options.scheduler == "tcp://cluster:8786"


def test_the_card_of_a_shipped_model_draws_how_good_it_is(
    qtbot: QtBot, page: ClassifyPanel
) -> None:
    page.bar.show_card(TQC)
    popover = page.bar.popover
    qtbot.waitUntil(lambda: popover.reliability is not None)
    assert popover.reliability is not None
    assert "1.9 %" in popover.reliability.accessibleDescription()
    assert popover._quality.isVisible()
    page.bar.show_card(ENERGY)
    qtbot.waitUntil(lambda: not page._session.lane.busy)
    assert not popover._quality.isVisible()
    popover.close()
