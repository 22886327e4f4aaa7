"""The job list: what runs, how far it is, how it ended.

Listens to the engine only; panels read rows from here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import (
    CatalogueJob,
    Crashed,
    Done,
    ErrorInfo,
    Event,
    Failed,
    Job,
    LogLine,
    Progress,
    Started,
    Stopped,
)

if TYPE_CHECKING:
    from crystalgui.engine.engine import Engine

Status = Literal["queued", "running", "stopping", "done", "stopped", "failed", "crashed"]
_ENDED = ("done", "stopped", "failed", "crashed")


@dataclass(slots=True, eq=False, kw_only=True)
class JobRow:
    """One line of the job list; updated in place.

    ``progress`` of ``total`` (0 = unknown); ``eta`` in seconds, NaN when
    unknown; ``quiet`` jobs (the catalogue) are not shown in the status line.
    """

    job_id: str
    title: str
    status: Status = "queued"
    progress: float = 0.0
    total: float = 0.0
    text: str = ""
    eta: float = math.nan
    error: ErrorInfo | None = None
    job: Job | None = None
    quiet: bool = False
    run_id: str = ""
    started: float = field(default_factory=time.monotonic)
    ended: float = math.nan

    @property
    def alive(self) -> bool:
        """Whether it is queued or runs."""
        return self.status not in _ENDED

    @property
    def fraction(self) -> float:
        """Share that is done, 0 to 1; NaN when the total is unknown."""
        return min(1.0, self.progress / self.total) if self.total > 0 else math.nan

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return (time.monotonic() if math.isnan(self.ended) else self.ended) - self.started


class JobsState(QObject):
    """Rows of all jobs of this session, newest last.

    Signals
    -------
    row_added(JobRow), row_changed(JobRow)
    finished(JobRow, outcome)
        After the row has its final status.
    event(Event)
        Every event of every job, in order: pages pick theirs by type.
    logged(str, str)
        Text and level ("info", "warning", "error").
    """

    row_added = Signal(object)
    row_changed = Signal(object)
    finished = Signal(object, object)
    event = Signal(object)
    logged = Signal(str, str)

    def __init__(self, engine: Engine | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[JobRow] = []
        self._by_id: dict[str, JobRow] = {}
        self._engine = engine
        if engine is not None:
            engine.events.connect(self.handle)
            engine.outcome.connect(self.handle_outcome)
            engine.state_changed.connect(self._state_changed)

    # -------------------------------------------------------- requests

    def submit(self, job: Job) -> str:
        """Give a job to the engine and show it at once; its id."""
        if self._engine is None:
            raise RuntimeError("This session has no engine.")
        job_id = self._engine.submit(job)
        self._row(job_id, job.title, job)
        return job_id

    def cancel(self, job_id: str) -> None:
        """Stop a job now; visible at once."""
        row = self._by_id.get(job_id)
        if row is not None and row.alive:
            row.status, row.text = "stopping", "stopping…"
            self.row_changed.emit(row)
            if self._engine is not None:
                self._engine.cancel(job_id)

    def stop_soft(self, job_id: str) -> None:
        """Stop a training run after this epoch."""
        row = self._by_id.get(job_id)
        if row is not None and row.alive:
            row.text = "stops after this epoch"
            self.row_changed.emit(row)
            if self._engine is not None:
                self._engine.stop_soft(job_id)

    # --------------------------------------------------------- answers

    def row(self, job_id: str) -> JobRow | None:
        """The row of a job."""
        return self._by_id.get(job_id)

    @property
    def running(self) -> list[JobRow]:
        """Rows that are queued or run, without the quiet ones."""
        return [r for r in self.rows if r.alive and not r.quiet]

    @property
    def current(self) -> JobRow | None:
        """The row for the status line: what runs, else what waits."""
        alive = self.running
        return next((r for r in alive if r.status != "queued"), alive[0] if alive else None)

    def _row(self, job_id: str, title: str = "", job: Job | None = None) -> JobRow:
        row = self._by_id.get(job_id)
        if row is None:
            row = JobRow(job_id=job_id, title=title or "Job", job=job)
            row.quiet = isinstance(job, CatalogueJob)
            self._by_id[job_id] = row
            self.rows.append(row)
            self.row_added.emit(row)
        elif job is not None and row.job is None:
            row.job, row.title = job, title or row.title
            row.quiet = isinstance(job, CatalogueJob)
            self.row_changed.emit(row)
        return row

    def _state_changed(self, job_id: str, state: str) -> None:
        """Show what any page gave to the engine, from the moment it waits."""
        if state == "queued" and self._engine is not None:
            for entry in self._engine.queue():
                if entry.job.job_id == job_id:
                    self._row(job_id, entry.job.title, entry.job)

    def handle(self, events: Iterable[Event]) -> None:
        """Take a batch of events."""
        touched: dict[str, JobRow] = {}
        for event in events:
            if isinstance(event, LogLine):
                self.logged.emit(event.text, event.level)
            elif isinstance(event, Started):
                row = self._row(event.job_id, event.title)
                if event.title:
                    row.title = event.title
                if row.status == "queued":
                    row.status = "running"
                row.started = time.monotonic()
                touched[row.job_id] = row
            elif isinstance(event, Progress) and event.job_id in self._by_id:
                row = self._by_id[event.job_id]
                row.progress, row.total, row.eta = event.done, event.total, event.eta
                if row.status != "stopping":
                    row.text = event.text or row.text
                touched[row.job_id] = row
            self.event.emit(event)
        for row in touched.values():
            self.row_changed.emit(row)

    def handle_outcome(self, outcome: Any) -> None:
        """Take the one outcome of a job."""
        row = self._row(outcome.job_id)
        if not row.alive:
            return
        row.ended, row.eta = time.monotonic(), math.nan
        if isinstance(outcome, Done):
            row.status, row.text = "done", "done"
            row.progress = row.total or row.progress
        elif isinstance(outcome, Stopped):
            row.status, row.text, row.run_id = "stopped", "stopped", outcome.run_id
        elif isinstance(outcome, Failed | Crashed):
            row.status = "failed" if isinstance(outcome, Failed) else "crashed"
            row.error, row.text = outcome.error, outcome.error.title
        self.row_changed.emit(row)
        self.finished.emit(row, outcome)

    def forget_ended(self) -> None:
        """Clear the list of what has ended."""
        self.rows = [r for r in self.rows if r.alive]
        self._by_id = {r.job_id: r for r in self.rows}
        self.row_changed.emit(None)
