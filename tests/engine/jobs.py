"""Jobs that only the tests know; the child resolves them by name."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from crystalgui.core import stopping
from crystalgui.core.errors import DataError
from crystalgui.core.messages import (
    Event,
    Job,
    LogLine,
    Progress,
    RunCreated,
    StepMetrics,
    Stopped,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountJob(Job):
    """Yields ``n`` progress events and as many lines."""

    n: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsJob(Job):
    """Computes for ever without a yield, as physics does: it only looks at the flag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PidJob(Job):
    """Tells its process, thread count and file descriptor of stdout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndlessJob(Job):
    """Yields until it is cancelled; stops softly when asked."""

    marker: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckJob(Job):
    """Yields once, then never again; ignores SIGTERM when ``deaf``."""

    deaf: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseJob(Job):
    """Fails: ``"data"``, ``"value"``, ``"memory"`` or ``"exit"``."""

    kind: str = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashJob(Job):
    """Kills its own process: ``"exit"``, ``"kill"`` or ``"segv"``."""

    how: str = "exit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentJob(Job):
    """Starts a process of its own that would live for long."""

    crash: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OddJob(Job):
    """Answers with something that cannot be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceErrorJob(Job):
    """Fails the way a device assertion does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownJob(Job):
    """Nobody handles this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingJob(Job):
    """Its handler's module does not exist."""


Events = Generator[Event, None, None]


def count(job: CountJob) -> Events:
    for i in range(job.n):
        yield Progress(done=i + 1, total=job.n)
        yield StepMetrics(run_id="r", step=i, epoch=0.0, loss=1.0, samples_per_second=1.0)
        yield LogLine(text=str(i))


def physics(job: PhysicsJob) -> Events:
    yield Progress(done=0)
    while True:
        stopping.check()


def pid(job: PidJob) -> Events:
    print("spoken to stdout")
    yield LogLine(text=f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')}")
    yield LogLine(text=" ".join(sorted(m for m in sys.modules if m.split(".")[0] == "PySide6")))


def endless(job: EndlessJob, stop: threading.Event) -> Events:
    pause = threading.Event()
    yield RunCreated(run_id="run-7", folder=Path("run-7"))
    step = 0
    try:
        while not stop.is_set():
            step += 1
            yield Progress(done=step)
            pause.wait(0.002)
        yield LogLine(text="finishing the epoch")
        yield Stopped(run_id="run-7")
    finally:
        if job.marker is not None:
            job.marker.write_text("tidy")


def stuck(job: StuckJob) -> Events:
    if job.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield LogLine(text="now I am stuck")
    threading.Event().wait(600)


def fail(job: RaiseJob) -> Events:
    yield LogLine(text="about to fail")
    if job.kind == "data":
        raise DataError("No label fits.", "Check the labels.", path="labels.csv", line=3)
    if job.kind == "memory":
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if job.kind == "exit":
        sys.exit(4)
    raise ValueError("something is odd")


def crash(job: CrashJob) -> Events:
    yield LogLine(text="about to crash")
    print("last words", file=sys.stderr, flush=True)
    if job.how == "exit":
        os._exit(3)
    if job.how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    ctypes.string_at(0)


def parent(job: ParentJob, stop: threading.Event) -> Events:
    inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield LogLine(text=str(inner.pid))
    if job.crash:
        threading.Event().wait(0.2)  # let the line leave the process
        os._exit(3)
    while not stop.is_set():
        yield Progress(done=0)
        stop.wait(0.002)


def odd(job: OddJob) -> Events:
    yield LogLine(text="before")
    yield LogLine(text=lambda: "not sendable")  # type: ignore[arg-type]
    yield LogLine(text="after")


def device_error(job: DeviceErrorJob) -> Events:
    yield LogLine(text=str(os.getpid()))
    raise RuntimeError("CUDA error: device-side assert triggered")


HANDLERS = {
    CountJob: "tests.engine.jobs:count",
    PhysicsJob: "tests.engine.jobs:physics",
    PidJob: "tests.engine.jobs:pid",
    EndlessJob: "tests.engine.jobs:endless",
    StuckJob: "tests.engine.jobs:stuck",
    RaiseJob: "tests.engine.jobs:fail",
    CrashJob: "tests.engine.jobs:crash",
    ParentJob: "tests.engine.jobs:parent",
    OddJob: "tests.engine.jobs:odd",
    DeviceErrorJob: "tests.engine.jobs:device_error",
    MissingJob: "tests.engine.nowhere:work",
}
