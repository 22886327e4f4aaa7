"""The Experiments page: run, cancel, resume, compare, export; played and real."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from crystalgui.core.cards import Claim, ExperimentCard, Measured, Recorded
from crystalgui.core.experiments import _registry
from crystalgui.core.messages import (
    CatalogueReady,
    Done,
    ErrorInfo,
    ExperimentJob,
    Failed,
    LogLine,
    Progress,
    Started,
    Stopped,
)
from crystalgui.gui.panels.experiments import ExperimentsPanel
from crystalgui.gui.session import Session
from crystalgui.gui.theme import colour, theme
from crystalgui.gui.window import MainWindow
from tests.gui.sessions import PlayedEngine
from tests.unit.experiments import walk

CARD = replace(
    walk.CARD,
    minutes={"quick": 6.0},
    recorded=(
        Recorded(
            preset="quick",
            device="cpu (CPU, 2 cores)",
            date="2026-11-21",
            minutes=5.5,
            command="crystalgui experiment run random-walk",
            numbers=(
                Measured(name="mean square distance / n", value=1.04, spread=0.02, published=1.0),
            ),
            differs=("Fewer walks.",),
        ),
    ),
)
BROKEN = ExperimentCard(
    name="broken", title="broken", shows="It could not be loaded.", paper="", error="No module."
)


@pytest.fixture
def registered() -> Iterator[None]:
    walk.register()
    yield
    _registry.forget(walk.CARD.name)


def make(qtbot: QtBot, session: Session) -> ExperimentsPanel:
    panel = ExperimentsPanel(session)
    qtbot.addWidget(panel)
    panel.resize(1100, 760)
    panel.show()
    return panel


@pytest.fixture
def page(
    qtbot: QtBot, played: tuple[Session, PlayedEngine]
) -> tuple[ExperimentsPanel, PlayedEngine]:
    session, engine = played
    panel = make(qtbot, session)
    assert panel.stack.currentWidget() is panel.empty
    engine.jobs.append(ExperimentJob(job_id="catalogue", name="", out=Path()))
    engine.send(CatalogueReady(cards=(), models=(), experiments=(CARD, BROKEN)))
    engine.jobs.clear()
    assert panel.stack.currentIndex() == 1
    return panel, engine


def test_claims_of_the_paper_are_a_table(
    qtbot: QtBot, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    panel = make(qtbot, session)
    claim = Claim(text="It is flat", verdict="did not hold", numbers="range 2 %; noise 1 %")
    judged = replace(CARD, recorded=(replace(CARD.recorded[0], claims=(claim,)),))
    engine.jobs.append(ExperimentJob(job_id="catalogue", name="", out=Path()))
    engine.send(CatalogueReady(cards=(), models=(), experiments=(judged,)))
    assert panel.which.isVisible()
    panel.which.setCurrentText("Claims of the paper")
    head, rows = panel.table.shown
    assert head == ("claim of the paper", "recorded, cpu", "measured")
    assert rows == [("It is flat", "did not hold", "range 2 %; noise 1 %")]
    panel.close()


def test_a_record_without_figures_is_drawn_against_the_paper(
    qtbot: QtBot, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    panel = make(qtbot, session)
    numbers = (
        Measured(name="rolling 0", value=90.0, published=91.0, unit="%"),
        Measured(name="rolling 4", value=60.0, published=64.0, unit="%"),
        Measured(name="rolling 8", value=55.0, unit="%"),
        Measured(name="time", value=3.0, published=9.0, unit="s"),
    )
    kept = replace(CARD, recorded=(replace(CARD.recorded[0], numbers=numbers),))
    engine.jobs.append(ExperimentJob(job_id="catalogue", name="", out=Path()))
    engine.send(CatalogueReady(cards=(), models=(), experiments=(kept,)))
    drawn = panel.agreement
    assert drawn.isVisible()
    assert drawn.numbers == numbers[:2]
    best, worst = drawn.place(numbers[0]), drawn.place(numbers[1])
    assert best.x() > worst.x()
    assert best.y() < worst.y()
    assert drawn.words(worst) == "rolling 4: 60, published 64 %"
    assert drawn.words(worst + QPointF(30, 0)) == ""
    ink = drawn.grab().toImage().pixelColor(worst.toPoint())
    assert ink.name() == colour("accent").name()
    panel.choose(CARD.name, "slow")
    assert panel.view.isVisible(), "nothing is recorded of this preset"
    panel.close()


def settle(qtbot: QtBot, panel: ExperimentsPanel) -> None:
    qtbot.waitUntil(lambda: not panel._session.lane.busy)


def test_a_card_says_what_it_shows_and_how_long_it_takes(
    page: tuple[ExperimentsPanel, PlayedEngine],
) -> None:
    panel, _ = page
    assert panel.list.count() == 2
    assert panel.run_card.title == CARD.title
    assert panel.run_card.subtitle == "Pearson 1905"
    assert panel.run_card.shows.text() == CARD.shows
    chips = {chip.objectName(): chip.text() for chip in panel.run_card._group.buttons()}
    assert chips == {"quick": "quick · about 6 min here", "slow": "slow · time unknown"}
    head, rows = panel.table.shown
    assert head == ("quantity", "recorded, cpu", "published")
    assert rows == [("mean square distance / n", "1.040 ± 0.020", "1")]
    assert "Fewer walks." in panel.notes.text()
    assert "crystalgui experiment run random-walk" in panel.notes.text()
    assert panel.run_card.run.text() == "Run"
    assert not panel.open.isEnabled()
    assert not panel.save_figure.isEnabled()


def test_a_broken_experiment_is_grey_and_cannot_run(
    page: tuple[ExperimentsPanel, PlayedEngine],
) -> None:
    panel, engine = page
    panel.choose("broken")
    assert panel.run_card.state.text() == "No module."
    assert not panel.run_card.run.isVisible()
    panel.run()
    assert engine.jobs == []
    panel.choose(CARD.name)
    assert panel.run_card.run.isVisible()


def test_run_progress_cancel_resume(
    qtbot: QtBot, page: tuple[ExperimentsPanel, PlayedEngine]
) -> None:
    panel, engine = page
    card = panel.run_card
    settle(qtbot, panel)
    qtbot.mouseClick(card.run, Qt.MouseButton.LeftButton)
    (job,) = engine.jobs
    assert isinstance(job, ExperimentJob)
    folder = panel._session.project.folder / ".crystalgui" / "experiments" / "random-walk-quick"
    assert (job.name, job.preset, job.out, job.fresh) == (CARD.name, "quick", folder, False)
    assert card.cancel.isVisible()
    assert not card.run.isVisible()
    engine.send(Started(title=job.title), Progress(done=1, total=4, text="part 2", eta=90.0))
    engine.send(LogLine(text="a line"))
    assert card.bar.value() == 250
    assert card.text.text() == "part 2 · 1 min 30 s left"
    assert card.line.text() == "a line"
    assert "25 %" in panel.list.item(0).data(Qt.ItemDataRole.AccessibleTextRole)
    panel.run()  # not twice
    assert len(engine.jobs) == 1
    qtbot.mouseClick(card.cancel, Qt.MouseButton.LeftButton)
    assert engine.cancelled == [job.job_id]
    assert not card.cancel.isEnabled()
    (folder / "steps").mkdir(parents=True)
    (folder / "steps" / "part-0.json").write_text("{}")
    (folder / "experiment.json").write_text(
        '{"name": "random-walk", "preset": "quick", "device": "cpu"}'
    )
    engine.end(Stopped())
    qtbot.waitUntil(lambda: card.run.text() == "Resume")
    assert card.again.isVisible()
    assert "1 step is kept" in card.state.text()
    qtbot.mouseClick(card.run, Qt.MouseButton.LeftButton)
    assert not engine.jobs[-1].fresh
    assert engine.jobs[-1].device == "cpu"
    engine.end(Failed(error=ErrorInfo(title="It broke.", hint="Mend it.")))
    settle(qtbot, panel)
    assert card.state.text() == "It broke. Mend it."
    qtbot.mouseClick(card.again, Qt.MouseButton.LeftButton)
    assert engine.jobs[-1].fresh
    engine.end(Done())
    settle(qtbot, panel)


def test_progress_of_another_preset_stays_in_the_list(
    qtbot: QtBot, page: tuple[ExperimentsPanel, PlayedEngine]
) -> None:
    panel, engine = page
    panel.run()
    panel.run_card.choose("slow")
    engine.send(Started(title="x"), Progress(done=1, total=2, text="half"))
    assert not panel.run_card.live.isVisible()
    assert panel.run_card.run.isVisible()
    assert panel.notes.text().startswith("Nothing is recorded")
    panel.run_card.choose("quick")
    assert panel.run_card.live.isVisible()
    assert math.isclose(panel.run_card.bar.value(), 500)
    engine.end(Stopped())
    settle(qtbot, panel)


def test_columns_sort_by_value_and_come_back(page: tuple[ExperimentsPanel, PlayedEngine]) -> None:
    table = page[0].table
    rows = [("b", "10.0 ± 0.1"), ("a", ""), ("c", "9.00 ± 0.20")]
    table.show_rows(("name", "value"), rows)
    assert table.rows.rows == rows
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert [row[0] for row in table.rows.rows] == ["a", "c", "b"]
    assert table.text().splitlines()[1:] == ["a\t", "c\t9.00 ± 0.20", "b\t10.0 ± 0.1"]
    table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    assert [row[0] for row in table.rows.rows] == ["c", "b", "a"]
    table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    assert table.rows.rows == rows


def test_damaged_results_are_said(
    qtbot: QtBot, page: tuple[ExperimentsPanel, PlayedEngine]
) -> None:
    panel, _ = page
    settle(qtbot, panel)
    folder = panel.state.folder(CARD.name, "quick")
    folder.mkdir(parents=True)
    (folder / "experiment.json").write_text("{")
    with qtbot.waitSignal(panel._session.notify.posted) as said:
        panel.state.load(CARD.name, "quick")
    assert "damaged" in said.args[0].title
    panel.state.refresh()
    settle(qtbot, panel)
    assert "damaged" in panel.list.item(0).data(Qt.ItemDataRole.AccessibleTextRole)


def test_a_real_run_in_the_real_window(
    qtbot: QtBot, window: MainWindow, registered: None, tmp_path: Path
) -> None:
    session = window.session
    session.project.set_catalogue((), (), experiments=(CARD,))
    window.actions_table.trigger("view.experiments")
    qtbot.waitUntil(lambda: window.page_widget("experiments") is not None)
    panel = window.page_widget("experiments")
    assert isinstance(panel, ExperimentsPanel)
    assert window.rail.buttons["experiments"].isChecked()
    qtbot.mouseClick(panel.run_card.run, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.figure is not None)
    head, rows = panel.table.shown
    assert head == ("quantity", "this machine", "published", "recorded, cpu")
    assert rows[0][1] != ""
    assert panel.run_card.run.text() == "Run again"
    assert panel.run_card.state.text().startswith("Done on")
    qtbot.waitUntil(lambda: not panel.view.image.isNull())
    light = panel.view.image.pixelColor(2, 2).lightness()
    theme().set_mode("dark")
    qtbot.waitUntil(lambda: panel.view.image.pixelColor(2, 2).lightness() < 60)
    assert light > 240
    theme().set_mode("light")
    panel.which.setCurrentText("Each part")
    assert len(panel.table.shown[1]) == walk.PARTS
    panel.table.setFocus()
    panel.table.selectRow(1)
    qtbot.keyClick(panel.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0] == "part\tmean square distance / n"
    assert len(lines) == 2
    assert lines[1].startswith("2\t")
    panel.write_csv(tmp_path / "t.csv")
    panel.write_figure(tmp_path / "f.pdf")
    panel.write_figure(tmp_path / "f.png")
    settle(qtbot, panel)
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 1 + walk.PARTS
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    texts = {entry.text for entry in window.palette_entries()}
    assert "Run the experiment, or go on with it" in texts
    QApplication.processEvents()
