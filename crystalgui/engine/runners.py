"""Where jobs run: a spawned compute process, or a thread for debugging.

A runner lives as long as its process or thread and speaks one protocol: jobs
and flags go in, events come out of its `mailbox`, and `Died` is the last of
them.  It never imports the worker; the child finds its door by name.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import queue
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from crystalgui.core.messages import Event, Job
from crystalgui.core.settings import cache
from crystalgui.engine import child
from crystalgui.engine.mailbox import Mailbox
from crystalgui.engine.work import Cancel, Close, Run, StopSoft, Task, perform, resolve

DOOR = "crystalgui.worker:serve"
HANDLERS = "crystalgui.worker:HANDLERS"
LOGS_KEPT = 20
TAIL_BYTES = 8192
TAIL_LINES = 40
LEAVING_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Died(Event):
    """The runner is gone. ``tail``: the last lines it wrote."""

    exit_code: int | None = None
    tail: str = ""


class Runner(Protocol):
    """What the supervisor needs of a process or a thread."""

    mailbox: Mailbox

    def start(self) -> None:
        """Begin; returns at once."""

    def run(self, job: Job) -> None:
        """Do a job."""

    def stop_soft(self, job_id: str) -> None:
        """Ask the job to end when it suits it."""

    def cancel(self, job_id: str) -> None:
        """End the job at its next yield."""

    def close(self) -> None:
        """Ask the runner to leave when idle; `Died` follows."""

    def terminate(self) -> None:
        """End the runner now."""

    def kill(self) -> None:
        """End the runner whatever it does."""

    def join(self, timeout: float) -> bool:
        """Wait for its end; False when it still lives."""
        ...


class ProcessRunner:
    """One spawned compute process.

    Parameters
    ----------
    notify : callable
        Called from another thread when `mailbox` is no longer empty.
    door, handlers : str
        ``"module:function"`` served in the child, and its mapping of jobs.
    """

    def __init__(
        self, notify: Callable[[], None], door: str = DOOR, handlers: str = HANDLERS
    ) -> None:
        self.mailbox = Mailbox()
        self.log = _new_log()
        self._notify = notify
        self._door = door
        self._handlers = handlers
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._reader = threading.Thread(target=self._read, name="worker-pipe", daemon=True)
        self._sending = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Process id of the child."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Spawn the child; it is ready when its first answer comes."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=True)
        self._connection = ours
        # Not a daemon: a daemon may not have children, and data loaders are.
        self._process = context.Process(
            target=child.main,
            args=(self._door, theirs, self._handlers, self.log, os.getpid()),
            name="crystalgui-worker",
            daemon=False,
        )
        self._process.start()
        theirs.close()
        atexit.register(self._at_exit)
        self._reader.start()

    def _read(self) -> None:
        """Fill the mailbox until the child is gone (its own thread)."""
        assert self._connection is not None
        assert self._process is not None
        connection, process = self._connection, self._process
        dead = False
        try:
            while not dead:
                dead = process.sentinel in wait([connection, process.sentinel])
                while connection.poll(0):
                    self._deliver(connection.recv())
        except (EOFError, OSError):  # it closed the pipe: it is leaving
            dead = bool(wait([process.sentinel], LEAVING_SECONDS))
        self._sweep(process, dead)
        process.join()
        with self._sending:
            self._connection = None
            connection.close()
        atexit.unregister(self._at_exit)
        self._deliver([Died(exit_code=process.exitcode, tail=_tail(self.log))])

    def _deliver(self, events: list[Event]) -> None:
        if self.mailbox.extend(events):
            self._notify()

    def _sweep(self, process: BaseProcess, dead: bool) -> None:
        """End the child if it lingers, and whatever it started and left behind."""
        if not dead:
            process.kill()
        self._signal_group(process, force=True)

    @staticmethod
    def _signal_group(process: BaseProcess, *, force: bool) -> None:
        if sys.platform != "win32" and process.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL if force else signal.SIGTERM)

    def _send(self, message: object) -> None:
        # A child that just died is reported by the reader.
        with self._sending, suppress(OSError, ValueError):
            if self._connection is not None:
                self._connection.send(message)

    def run(self, job: Job) -> None:
        """Send a job to the child."""
        self._send(Run(job))

    def stop_soft(self, job_id: str) -> None:
        """Raise the job's stop flag in the child."""
        self._send(StopSoft(job_id))

    def cancel(self, job_id: str) -> None:
        """End the job at its next yield."""
        self._send(Cancel(job_id))

    def close(self) -> None:
        """Let the child leave when it has nothing left to do."""
        self._send(Close())

    def terminate(self) -> None:
        """SIGTERM (on Windows: TerminateProcess)."""
        if self._process is not None and self._process.pid is not None:
            self._signal_group(self._process, force=False)
            with suppress(OSError, ValueError):
                self._process.terminate()

    def kill(self) -> None:
        """SIGKILL, for the child and everything it started."""
        if self._process is not None and self._process.pid is not None:
            self._signal_group(self._process, force=True)
            with suppress(OSError, ValueError):
                self._process.kill()

    def _at_exit(self) -> None:
        """The program ends without a shutdown: no orphan may stay."""
        self.kill()
        self._reader.join(LEAVING_SECONDS)

    def join(self, timeout: float) -> bool:
        """Wait until the child is gone and reported."""
        if self._reader.ident is not None:
            self._reader.join(timeout)
        return not self._reader.is_alive()


class ThreadRunner:
    """The same protocol in a Python thread of this process.

    For tests and debugging: a thread cannot be killed, so `terminate` only
    abandons it (it ends at its next yield).
    """

    def __init__(self, notify: Callable[[], None], handlers: str = HANDLERS) -> None:
        self.mailbox = Mailbox()
        self._notify = notify
        self._handlers = handlers
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._known: dict[str, Task] = {}
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            for event in perform(task, resolve(self._handlers)):
                if self._abandoned.is_set():
                    return
                self._deliver(event)
            self._known.pop(task.job.job_id, None)
        self._deliver(Died(exit_code=0))

    def _deliver(self, event: Event) -> None:
        if self.mailbox.put(event):
            self._notify()

    def run(self, job: Job) -> None:
        """Queue a job for the thread."""
        task = Task(job)
        self._known[job.job_id] = task
        self._tasks.put(task)

    def stop_soft(self, job_id: str) -> None:
        """Raise the job's stop flag."""
        if (task := self._known.get(job_id)) is not None:
            task.stop.set()

    def cancel(self, job_id: str) -> None:
        """End the job at its next yield."""
        if (task := self._known.get(job_id)) is not None:
            task.cancel()

    def close(self) -> None:
        """Let the thread end when it has nothing left to do."""
        self._tasks.put(None)

    def terminate(self) -> None:
        """Abandon the thread."""
        if not self._abandoned.is_set():
            for task in tuple(self._known.values()):
                task.cancel()
            self._abandoned.set()
            self._tasks.put(None)
            self._deliver(Died(tail="The thread did not answer and was abandoned."))

    def kill(self) -> None:
        """Abandon the thread; nothing stronger exists."""
        self.terminate()

    def join(self, timeout: float) -> bool:
        """Wait until the thread has ended; an abandoned one counts as ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return self._abandoned.is_set() or not self._thread.is_alive()


def _new_log() -> Path:
    """A fresh log file for a child; the oldest logs are removed."""
    folder = cache() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    old = sorted(folder.glob("worker-*.log"))
    for path in old[: max(0, len(old) - LOGS_KEPT)]:
        with suppress(OSError):
            path.unlink()
    return folder / f"worker-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}.log"


def _tail(path: Path) -> str:
    """The last lines of a log."""
    try:
        with open(path, "rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - TAIL_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-TAIL_LINES:])
