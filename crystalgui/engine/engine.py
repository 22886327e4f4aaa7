"""The only door of the engine that the window sees.

Jobs go down as frozen values, events come back in batches; nothing here
computes, and nothing here imports torch.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Literal

from PySide6.QtCore import QCoreApplication, QObject, Qt, QThread, Signal, Slot

from crystalgui.core.messages import Crashed, Done, Event, Failed, Job, Started, Stopped
from crystalgui.engine.runners import DOOR, HANDLERS, ProcessRunner, ThreadRunner
from crystalgui.engine.supervisor import Ladder, MakeRunner, Supervisor
from crystalgui.engine.work import OUTCOMES

State = Literal[
    "queued", "running", "stopping", "cancelling", "done", "stopped", "failed", "crashed"
]


@dataclass(frozen=True, slots=True)
class Entry:
    """A job and what is happening to it."""

    job: Job
    state: State


class Engine(QObject):
    """Queue of jobs, done one at a time outside the window's thread.

    Parameters
    ----------
    isolation : {"process", "thread"}
        ``"thread"`` runs the same generators in a thread, for debugging.
    door, handlers : str
        Names the compute process resolves (tests bring their own).
    ladder : Ladder
        Patience with a cancelled job.

    Signals
    -------
    events : list of Event
        In order, at most 30 times a second; coalesced measures.
    outcome : Done, Stopped, Failed or Crashed
        Once a job, after the events that came before it.
    state_changed : str, str
        Job id and its new state.
    busy_changed : bool
    """

    events = Signal(list)
    outcome = Signal(object)
    state_changed = Signal(str, str)
    busy_changed = Signal(bool)

    _submit = Signal(object)
    _cancel = Signal(str)
    _stop_soft = Signal(str)
    _warm = Signal()
    _leave = Signal(float)

    def __init__(
        self,
        isolation: Literal["process", "thread"] = "process",
        *,
        door: str = DOOR,
        handlers: str = HANDLERS,
        ladder: Ladder | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.isolation = isolation
        self._entries: dict[str, Entry] = {}
        self._closed = False
        self._thread = QThread(self)
        self._thread.setObjectName("engine")
        make = _maker(isolation, door, handlers)
        self._supervisor = Supervisor(make, ladder or Ladder())
        self._supervisor.moveToThread(self._thread)
        queued = Qt.ConnectionType.QueuedConnection
        self._submit.connect(self._supervisor.submit, queued)
        self._cancel.connect(self._supervisor.cancel, queued)
        self._stop_soft.connect(self._supervisor.stop_soft, queued)
        self._warm.connect(self._supervisor.warm, queued)
        self._leave.connect(self._supervisor.leave, queued)
        self._supervisor.arrived.connect(self._take, queued)
        self._supervisor.finished.connect(self._thread.quit, Qt.ConnectionType.DirectConnection)
        self._thread.start()
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.shutdown)

    # --------------------------------------------------------------- requests

    def warm(self) -> None:
        """Start the compute process before the first job (after the first paint)."""
        if not self._closed:
            self._warm.emit()

    def submit(self, job: Job) -> str:
        """Queue a job.

        Returns
        -------
        str
            Its id; every event of the job carries it.
        """
        if self._closed:
            raise RuntimeError("the engine was shut down")
        job = replace(job, job_id=job.job_id or secrets.token_hex(6))
        was_busy = self.busy
        self._entries[job.job_id] = Entry(job, "queued")
        self.state_changed.emit(job.job_id, "queued")
        if not was_busy:
            self.busy_changed.emit(True)
        self._submit.emit(job)
        return job.job_id

    def cancel(self, job_id: str) -> None:
        """End a job now: `Stopped` follows, by force if it does not answer."""
        entry = self._entries.get(job_id)
        if entry is not None and entry.state != "cancelling":
            self._set(job_id, "cancelling")
            self._cancel.emit(job_id)

    def stop_soft(self, job_id: str) -> None:
        """Let a job end when it suits it: training stops after the epoch."""
        entry = self._entries.get(job_id)
        if entry is not None and entry.state in ("queued", "running"):
            self._set(job_id, "stopping")
            self._stop_soft.emit(job_id)

    @Slot()
    def shutdown(self, timeout: float = 10.0) -> bool:
        """Cancel everything and end the compute process and the thread.

        Blocks for at most ``timeout`` seconds; the last events are emitted.

        Returns
        -------
        bool
            False when the thread did not end in time.
        """
        if self._closed:
            return True
        self._closed = True
        self._leave.emit(timeout)
        ended = self._thread.wait(int((timeout + 1.0) * 1000))
        self._take()
        return ended

    # ---------------------------------------------------------------- answers

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return bool(self._entries)

    def queue(self) -> list[Entry]:
        """Jobs that run or wait, in order."""
        return list(self._entries.values())

    def state(self, job_id: str) -> State | None:
        """State of a job; None when it has ended or is unknown."""
        entry = self._entries.get(job_id)
        return entry.state if entry is not None else None

    def _set(self, job_id: str, state: State) -> None:
        self._entries[job_id] = replace(self._entries[job_id], state=state)
        self.state_changed.emit(job_id, state)

    @Slot()
    def _take(self) -> None:
        """Hand the supervisor's mail to the window."""
        self._supervisor.announced = False
        batch: list[Event] = [
            e for e in self._supervisor.mailbox.take() if e.job_id in self._entries
        ]
        if not batch:
            return
        for event in batch:
            if isinstance(event, Started) and self.state(event.job_id) == "queued":
                self._set(event.job_id, "running")
        self.events.emit(batch)
        for event in batch:
            if isinstance(event, OUTCOMES) and event.job_id in self._entries:
                del self._entries[event.job_id]
                self.state_changed.emit(event.job_id, _state_of(event))
                self.outcome.emit(event)
                if not self._entries:
                    self.busy_changed.emit(False)


def _state_of(outcome: Event) -> State:
    match outcome:
        case Done():
            return "done"
        case Stopped():
            return "stopped"
        case Failed():
            return "failed"
        case Crashed():
            return "crashed"
    raise TypeError(f"{type(outcome).__name__} is no outcome")


def _maker(isolation: str, door: str, handlers: str) -> MakeRunner:
    if isolation == "thread":
        return lambda notify: ThreadRunner(notify, handlers)
    return lambda notify: ProcessRunner(notify, door, handlers)
