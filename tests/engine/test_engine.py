"""Four outcomes, cancelling, crashes and the end, with a real child process."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from crystalgui.core.messages import (
    Crashed,
    Done,
    Failed,
    LogLine,
    Progress,
    Started,
    StepMetrics,
    Stopped,
)
from crystalgui.engine.engine import Engine
from tests.engine import jobs
from tests.engine.conftest import Recorder, alive


def test_done(any_engine: Recorder) -> None:
    job_id, outcome = any_engine.run(jobs.CountJob(n=200))
    assert outcome == Done(job_id=job_id)
    events = any_engine.events(job_id)
    assert events[0] == Started(job_id=job_id, title="Count")
    assert events[-1] == outcome
    assert any_engine.lines(job_id) == [str(i) for i in range(200)]
    assert [e for e in events if isinstance(e, Progress)][-1].done == 200
    assert [e for e in events if isinstance(e, StepMetrics)][-1].step == 199
    assert [s for j, s in any_engine.states if j == job_id] == ["queued", "running", "done"]
    assert not any_engine.engine.busy


def test_stopped_softly_keeps_the_epoch(any_engine: Recorder) -> None:
    job_id = any_engine.begun(jobs.EndlessJob())
    any_engine.engine.stop_soft(job_id)
    assert any_engine.engine.state(job_id) == "stopping"
    assert any_engine.outcome(job_id) == Stopped(job_id=job_id, run_id="run-7")
    assert any_engine.lines(job_id) == ["finishing the epoch"]


def test_cancel_answers_at_once_and_ends_soon(any_engine: Recorder, tmp_path: Path) -> None:
    job_id = any_engine.begun(jobs.EndlessJob(marker=tmp_path / "marker"))
    start = time.monotonic()
    any_engine.engine.cancel(job_id)
    assert any_engine.states[-1] == (job_id, "cancelling")
    assert time.monotonic() - start < 0.2
    assert any_engine.outcome(job_id) == Stopped(job_id=job_id, run_id="run-7")
    assert time.monotonic() - start < 5.0
    assert (tmp_path / "marker").read_text() == "tidy"


@pytest.mark.parametrize(
    ("kind", "title", "expected"),
    [
        ("data", "labels.csv, line 3: No label fits.", "input"),
        ("value", "Unexpected ValueError: something is odd", "internal"),
        ("memory", "Not enough memory for this job.", "memory"),
        ("exit", "Unexpected SystemExit: 4", "internal"),
    ],
)
def test_failed(any_engine: Recorder, kind: str, title: str, expected: str) -> None:
    job_id, outcome = any_engine.run(jobs.RaiseJob(kind=kind))
    assert isinstance(outcome, Failed)
    assert (outcome.error.title, outcome.error.kind) == (title, expected)
    assert any_engine.lines(job_id) == ["about to fail"]
    _, after = any_engine.run(jobs.CountJob())
    assert isinstance(after, Done)


@pytest.mark.parametrize(
    ("how", "code", "title"),
    [
        ("exit", 3, "The compute process ended with exit code 3."),
        ("kill", -9, "The compute process was ended by SIGKILL."),
        ("segv", -11, "The compute process was ended by SIGSEGV."),
    ],
)
def test_crashed_and_the_next_job_runs(process: Recorder, how: str, code: int, title: str) -> None:
    crashing = process.engine.submit(jobs.CrashJob(how=how))
    waiting = process.engine.submit(jobs.CountJob())
    outcome = process.outcome(crashing)
    assert isinstance(outcome, Crashed)
    assert (outcome.exit_code, outcome.error.title) == (code, title)
    assert "last words" in outcome.error.details
    assert ("Segmentation fault" in outcome.error.details) == (how == "segv")
    assert isinstance(process.outcome(waiting), Done)


def test_jobs_run_one_at_a_time_in_order(any_engine: Recorder) -> None:
    ids = [any_engine.engine.submit(jobs.CountJob(n=n)) for n in (3, 1, 2)]
    assert [entry.job.job_id for entry in any_engine.engine.queue()] == ids
    any_engine.wait_for(lambda: len(any_engine.outcomes) == 3)
    order = [e.job_id for batch in any_engine.batches for e in batch]
    assert list(dict.fromkeys(order)) == ids
    assert order == sorted(order, key=ids.index)


def test_cancel_a_waiting_job(any_engine: Recorder) -> None:
    first = any_engine.begun(jobs.EndlessJob())
    second = any_engine.engine.submit(jobs.CountJob())
    third = any_engine.engine.submit(jobs.CountJob())
    any_engine.engine.cancel(second)
    assert any_engine.outcome(second) == Stopped(job_id=second)
    assert any_engine.engine.state(first) == "running"
    any_engine.engine.cancel(first)
    assert isinstance(any_engine.outcome(third), Done)
    assert not any(isinstance(e, Started) for e in any_engine.events(second))


@pytest.mark.parametrize("deaf", [False, True])
def test_a_stuck_job_is_ended_by_force(quick: Recorder, deaf: bool) -> None:
    """Terminate ends one that listens, kill one that does not."""
    job_id = quick.begun(jobs.StuckJob(deaf=deaf), "LogLine")
    start = time.monotonic()
    quick.engine.cancel(job_id)
    assert isinstance(quick.outcome(job_id), Stopped)
    assert time.monotonic() - start < 5.0
    assert isinstance(quick.run(jobs.CountJob())[1], Done)


def test_unknown_and_missing_handlers_are_failures(any_engine: Recorder) -> None:
    _, unknown = any_engine.run(jobs.UnknownJob())
    assert isinstance(unknown, Failed)
    assert "UnknownJob" in unknown.error.title
    _, missing = any_engine.run(jobs.MissingJob())
    assert isinstance(missing, Failed)
    assert "nowhere" in missing.error.title


def test_at_most_thirty_emissions_a_second(any_engine: Recorder) -> None:
    times: list[float] = []
    any_engine.engine.events.connect(lambda _: times.append(time.monotonic()))
    job_id = any_engine.begun(jobs.EndlessJob())
    any_engine.wait_for(lambda: len(times) > 15)
    any_engine.engine.cancel(job_id)
    any_engine.outcome(job_id)
    assert len(times) <= 30 * (times[-1] - times[0]) + 3


def test_the_child_speaks_to_the_log_and_has_no_window(process: Recorder, tmp_path: Path) -> None:
    process.engine.warm()
    job_id, _ = process.run(jobs.PidJob())
    told, modules = process.lines(job_id)
    pid, threads = told.split()
    assert alive(int(pid))
    assert int(threads) >= 1
    assert modules == ""
    from crystalgui.core.settings import cache

    (log,) = (cache() / "logs").glob("worker-*.log")
    assert "spoken to stdout" in log.read_text()
    same, _ = process.run(jobs.PidJob())
    assert process.lines(same)[0] == told


def test_what_cannot_be_sent_is_reported_and_loses_nothing_else(process: Recorder) -> None:
    job_id, outcome = process.run(jobs.OddJob())
    lines = process.lines(job_id)
    assert isinstance(outcome, Done)
    assert (lines[0], lines[2]) == ("before", "after")
    assert "could not be sent" in lines[1]


def test_a_device_error_starts_a_fresh_process(process: Recorder) -> None:
    broken, outcome = process.run(jobs.DeviceErrorJob())
    assert isinstance(outcome, Failed)
    fresh, outcome = process.run(jobs.PidJob())
    assert isinstance(outcome, Done)
    assert process.lines(broken)[0] != process.lines(fresh)[0].split()[0]


@pytest.mark.parametrize("crash", [False, True])
def test_processes_of_a_job_do_not_outlive_it(quick: Recorder, crash: bool) -> None:
    job_id = quick.begun(jobs.ParentJob(crash=crash), "LogLine")
    inner = int(quick.lines(job_id)[0])
    if not crash:
        assert alive(inner)
        assert quick.engine.shutdown(timeout=10.0)
    quick.outcome(job_id)
    quick.wait_for(lambda: not alive(inner))


def test_shutdown_ends_everything(any_engine: Recorder, tmp_path: Path) -> None:
    running = any_engine.begun(jobs.EndlessJob(marker=tmp_path / "marker"))
    waiting = any_engine.engine.submit(jobs.CountJob())
    start = time.monotonic()
    assert any_engine.engine.shutdown(timeout=10.0)
    assert time.monotonic() - start < 5.0
    assert any_engine.outcomes[running] == Stopped(job_id=running, run_id="run-7")
    assert any_engine.outcomes[waiting] == Stopped(job_id=waiting)
    assert (tmp_path / "marker").exists()
    with pytest.raises(RuntimeError, match="shut down"):
        any_engine.engine.submit(jobs.CountJob())


def test_shutdown_of_a_stuck_child_is_bounded(quick: Recorder) -> None:
    job_id = quick.begun(jobs.StuckJob(deaf=True), "LogLine")
    start = time.monotonic()
    assert quick.engine.shutdown(timeout=2.0)
    assert time.monotonic() - start < 3.0
    assert isinstance(quick.outcomes[job_id], Stopped)


def test_an_idle_child_leaves_at_once(process: Recorder) -> None:
    job_id, _ = process.run(jobs.PidJob())
    pid = int(process.lines(job_id)[0].split()[0])
    start = time.monotonic()
    assert process.engine.shutdown(timeout=10.0)
    assert time.monotonic() - start < 4.0
    assert not alive(pid)


def test_an_idle_child_that_dies_is_replaced(process: Recorder) -> None:
    import os
    import signal

    job_id, _ = process.run(jobs.PidJob())
    pid = int(process.lines(job_id)[0].split()[0])
    os.kill(pid, signal.SIGKILL)
    process.wait_for(lambda: not alive(pid))
    process.wait_for(lambda: process.engine._supervisor._runner is None)
    assert isinstance(process.run(jobs.CountJob())[1], Done)


def test_events_of_unknown_jobs_are_dropped(any_engine: Recorder) -> None:
    engine = any_engine.engine
    job_id, _ = any_engine.run(jobs.CountJob())
    seen = len(any_engine.batches)
    engine._supervisor.mailbox.put(LogLine(job_id="nobody", text="?"))
    engine._supervisor.mailbox.put(LogLine(job_id=job_id, text="too late"))
    engine._take()
    assert len(any_engine.batches) == seen


def test_a_job_keeps_the_id_it_brings(any_engine: Recorder) -> None:
    job = replace(jobs.CountJob(), job_id="mine")
    assert any_engine.run(job)[0] == "mine"


def test_a_child_that_cannot_start_is_a_crash_not_a_loop(qtbot) -> None:  # type: ignore[no-untyped-def]
    engine = Engine(door="tests.engine.nowhere:serve", handlers="tests.engine.jobs:HANDLERS")
    recorder = Recorder(engine, qtbot)
    try:
        for _ in range(2):
            _, outcome = recorder.run(jobs.CountJob())
            assert isinstance(outcome, Crashed)
            assert "tests.engine.nowhere" in outcome.error.details
    finally:
        assert engine.shutdown(timeout=10.0)
