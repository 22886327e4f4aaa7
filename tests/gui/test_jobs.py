"""Jobs: the list, the status line, and the four ways to end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from crystalgui.core.messages import (
    CatalogueJob,
    ClassifyJob,
    Crashed,
    Done,
    ErrorInfo,
    Event,
    Failed,
    LogLine,
    Progress,
    Started,
    Stopped,
)
from crystalgui.gui.panels.jobs import JobsPanel, Lateness, StatusLine, duration
from crystalgui.gui.session import Session
from crystalgui.gui.state.jobs import JobRow
from tests.gui.sessions import PlayedEngine, played_session


@pytest.fixture
def played(qapp: object, tmp_path: Path) -> Iterator[tuple[Session, PlayedEngine]]:
    session, engine, lane = played_session(tmp_path)
    yield session, engine
    assert lane.shutdown()


def job(name: str = "cgnn") -> ClassifyJob:
    return ClassifyJob(paths=(Path("a"),), models=(name,))


def test_a_job_is_seen_at_once_and_moves_on(
    qtbot: QtBot, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    line = StatusLine(session)
    qtbot.addWidget(line)
    assert line.text.text() == "Ready"
    assert line.cancel.isHidden()
    session.jobs.submit(job())
    assert line.title.text() == "Classify with cgnn"
    assert not line.cancel.isHidden()
    engine.send(
        Started(title="Classify with cgnn"), Progress(done=3, total=10, text="3 of 10", eta=125.0)
    )
    assert line.bar.value() == 300
    assert line.text.text() == "3 of 10 · 2 min left"
    engine.end(Done())
    assert line.cancel.isHidden()
    assert line.text.text().startswith("Classify with cgnn: done")


def test_an_unknown_total_is_a_busy_bar(qtbot: QtBot, played: tuple[Session, PlayedEngine]) -> None:
    session, engine = played
    line = StatusLine(session)
    qtbot.addWidget(line)
    session.jobs.submit(job())
    engine.send(Started(), Progress(done=0, text="Loading"))
    assert (line.bar.minimum(), line.bar.maximum()) == (0, 0)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Done(), "done"),
        (Stopped(run_id="r1"), "stopped"),
        (Failed(error=ErrorInfo(title="No memory.", hint="Smaller batch.")), "failed"),
        (Crashed(error=ErrorInfo(title="The worker ended."), exit_code=-9), "crashed"),
    ],
)
def test_four_outcomes(played: tuple[Session, PlayedEngine], outcome: Event, status: str) -> None:
    session, engine = played
    ended: list[JobRow] = []
    session.jobs.finished.connect(lambda row, _: ended.append(row))
    session.jobs.submit(job())
    engine.send(Started())
    engine.end(outcome)
    (row,) = ended
    assert row.status == status
    assert not row.alive
    assert session.jobs.current is None
    engine.outcome.emit(Done(job_id=row.job_id))
    assert row.status == status, "an outcome comes once"
    if status in ("failed", "crashed"):
        assert row.error is not None


def test_cancel_shows_at_once(qtbot: QtBot, played: tuple[Session, PlayedEngine]) -> None:
    session, engine = played
    line = StatusLine(session)
    qtbot.addWidget(line)
    job_id = session.jobs.submit(job())
    engine.send(Started())
    line.cancel.click()
    assert engine.cancelled == [job_id]
    assert session.jobs.row(job_id).status == "stopping"
    assert not line.cancel.isEnabled()
    engine.send(Progress(done=1, total=2, text="still going"))
    assert session.jobs.row(job_id).text == "stopping…"
    engine.end(Stopped())
    assert session.jobs.row(job_id).status == "stopped"


def test_stop_after_this_epoch(played: tuple[Session, PlayedEngine]) -> None:
    session, engine = played
    job_id = session.jobs.submit(job())
    session.jobs.stop_soft(job_id)
    assert engine.soft == [job_id]
    session.jobs.stop_soft("unknown")
    session.jobs.cancel("unknown")
    assert engine.soft == [job_id]
    assert engine.cancelled == []


def test_the_catalogue_stays_in_the_background(played: tuple[Session, PlayedEngine]) -> None:
    session, _ = played
    session.jobs.submit(CatalogueJob())
    assert session.jobs.current is None
    assert session.jobs.running == []


def test_what_runs_comes_before_what_waits(played: tuple[Session, PlayedEngine]) -> None:
    session, engine = played
    first = session.jobs.submit(job("one"))
    second = session.jobs.submit(job("two"))
    engine.send(Started(job_id=second))
    assert session.jobs.current.job_id == second
    assert [r.job_id for r in session.jobs.running] == [first, second]


def test_the_table_lists_newest_first_and_copies(
    qtbot: QtBot, played: tuple[Session, PlayedEngine]
) -> None:
    session, engine = played
    panel = JobsPanel(session)
    qtbot.addWidget(panel)
    assert not panel._empty.isHidden()
    session.jobs.submit(job("one"))
    session.jobs.submit(job("two"))
    engine.end(Failed(error=ErrorInfo(title="Bad.", hint="Mend it.", details="trace")))
    model = panel.model
    assert [model.index(r, 0).data() for r in range(2)] == [
        "Classify with two",
        "Classify with one",
    ]
    panel.table.selectRow(0)
    assert panel.text() == "Classify with two: failed\nBad.\nMend it.\ntrace"
    assert not panel.cancel.isEnabled()
    panel.clear.click()
    assert model.rowCount() == 1


def test_log_lines_and_unknown_jobs(played: tuple[Session, PlayedEngine]) -> None:
    session, engine = played
    lines: list[tuple[str, str]] = []
    session.jobs.logged.connect(lambda text, level: lines.append((text, level)))
    session.jobs.submit(job())
    engine.send(LogLine(text="careful", level="warning"))
    assert lines == [("careful", "warning")]
    session.jobs.handle([Progress(job_id="nobody", done=1)])
    assert session.jobs.row("nobody") is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (math.nan, ""),
        (-1.0, ""),
        (0.2, "1 s"),
        (59.0, "59 s"),
        (125.0, "2 min"),
        (7500.0, "2 h 05 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_lateness_is_measured(qtbot: QtBot) -> None:
    from PySide6.QtWidgets import QWidget

    holder = QWidget()
    qtbot.addWidget(holder)
    lateness = Lateness(holder)
    lateness.setInterval(120)
    lateness.begin()
    with qtbot.waitSignal(lateness.measured) as caught:
        pass
    lateness.end()
    assert 0.0 <= caught.args[0] < 5000.0
    assert not lateness.isActive()
