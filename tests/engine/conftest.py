"""An engine that is always shut down, and processes that are really gone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from crystalgui.core.messages import Event, Job
from crystalgui.engine.engine import Engine
from crystalgui.engine.supervisor import Ladder

PATIENCE = 120_000  # ms; a spawned child that imports torch on a busy machine


class Recorder:
    """An engine and everything it said."""

    def __init__(self, engine: Engine, qtbot) -> None:  # type: ignore[no-untyped-def]
        self.engine = engine
        self.qtbot = qtbot
        self.batches: list[list[Event]] = []
        self.outcomes: dict[str, Event] = {}
        self.states: list[tuple[str, str]] = []
        engine.events.connect(self.batches.append)
        engine.outcome.connect(self._end)
        engine.state_changed.connect(lambda job, state: self.states.append((job, state)))

    def _end(self, event: Event) -> None:
        assert event.job_id not in self.outcomes, "a second outcome"
        self.outcomes[event.job_id] = event

    def events(self, job_id: str) -> list[Event]:
        return [e for batch in self.batches for e in batch if e.job_id == job_id]

    def lines(self, job_id: str) -> list[str]:
        return [e.text for e in self.events(job_id) if type(e).__name__ == "LogLine"]

    def wait_for(self, condition: Callable[[], bool], timeout: int = PATIENCE) -> None:
        self.qtbot.waitUntil(condition, timeout=timeout)

    def run(self, job: Job) -> tuple[str, Event]:
        """Submit and wait for the outcome."""
        job_id = self.engine.submit(job)
        return job_id, self.outcome(job_id)

    def outcome(self, job_id: str) -> Event:
        self.wait_for(lambda: job_id in self.outcomes)
        return self.outcomes[job_id]

    def begun(self, job: Job, event: str = "Progress") -> str:
        """Submit and wait until the job has said something."""
        job_id = self.engine.submit(job)
        self.wait_for(lambda: any(type(e).__name__ == event for e in self.events(job_id)))
        return job_id


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
                return stream.read().rpartition(")")[2].split()[0] not in ("Z", "X")
        except (FileNotFoundError, ProcessLookupError):
            return False
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def _make(qtbot, isolation: str, ladder: Ladder | None = None) -> Recorder:  # type: ignore[no-untyped-def]
    engine = Engine(isolation, handlers="tests.engine.jobs:HANDLERS", ladder=ladder)  # type: ignore[arg-type]
    return Recorder(engine, qtbot)


@pytest.fixture
def quick(qtbot) -> Iterator[Recorder]:  # type: ignore[no-untyped-def]
    """A process engine with an impatient ladder."""
    recorder = _make(qtbot, "process", Ladder(grace=0.3, terminate=0.3))
    yield recorder
    assert recorder.engine.shutdown(timeout=10.0)


@pytest.fixture
def process(qtbot) -> Iterator[Recorder]:  # type: ignore[no-untyped-def]
    """A process engine as the program uses it."""
    recorder = _make(qtbot, "process")
    yield recorder
    assert recorder.engine.shutdown(timeout=10.0)


@pytest.fixture(params=["process", "thread"])
def any_engine(request, qtbot) -> Iterator[Recorder]:  # type: ignore[no-untyped-def]
    """Both isolations speak the same protocol."""
    recorder = _make(qtbot, request.param)
    yield recorder
    assert recorder.engine.shutdown(timeout=10.0)


@pytest.fixture(scope="package")
def _real_engine(qapp, tmp_path_factory) -> Iterator[Engine]:  # type: ignore[no-untyped-def]
    """One for all tests of real jobs: a process that imports torch takes seconds to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRYSTALGUI_HOME", str(tmp_path_factory.mktemp("home")))
        made = Engine()
        yield made
        assert made.shutdown(timeout=10.0)


@pytest.fixture
def real(qtbot, _real_engine: Engine) -> Recorder:  # type: ignore[no-untyped-def]
    """The worker of the program, with its own handlers."""
    return Recorder(_real_engine, qtbot)
