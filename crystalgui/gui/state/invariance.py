"""The measurement of invariance that was asked for last: its job and what it has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import (
    ErrorInfo,
    Event,
    InvarianceJob,
    InvariancePoint,
    LayerErrors,
    LogLine,
)

if TYPE_CHECKING:
    from crystalgui.gui.state.jobs import JobRow, JobsState


class InvarianceState(QObject):
    """Follows the newest `InvarianceJob` of this page.

    Signals
    -------
    found()
        Points or layers are new.
    progressed()
        Status or progress is new.
    ended()
        The job has an outcome: `error` may be set.
    """

    found = Signal()
    progressed = Signal()
    ended = Signal()

    def __init__(self, jobs: JobsState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.job: InvarianceJob | None = None
        self.job_id = ""
        self.points: tuple[InvariancePoint, ...] = ()
        self.layers: LayerErrors | None = None
        self.remarks: tuple[str, ...] = ()
        self.error: ErrorInfo | None = None
        self.done = False
        jobs.event.connect(self._take)
        jobs.row_changed.connect(self._row_changed)
        jobs.finished.connect(self._finished)

    @property
    def row(self) -> JobRow | None:
        """The line of the job list."""
        return self._jobs.row(self.job_id)

    @property
    def alive(self) -> bool:
        """Whether the job waits or runs."""
        row = self.row
        return row is not None and row.alive

    def begin(self, job: InvarianceJob) -> None:
        """Submit a job and follow it."""
        self.points, self.layers, self.remarks = (), None, ()
        self.error, self.done = None, False
        self.job, self.job_id = job, self._jobs.submit(job)
        self.found.emit()
        self.progressed.emit()

    def cancel(self) -> None:
        """Stop; the points so far are kept."""
        if self.alive:
            self._jobs.cancel(self.job_id)

    def _take(self, event: Event) -> None:
        if not self.job_id or event.job_id != self.job_id:
            return
        if isinstance(event, InvariancePoint):
            others = (p for p in self.points if p.rolling != event.rolling)
            self.points = tuple(sorted((*others, event), key=lambda p: p.rolling))
            self.found.emit()
        elif isinstance(event, LayerErrors):
            self.layers = event
            self.found.emit()
        elif isinstance(event, LogLine):
            self.remarks = (*self.remarks, event.text)

    def _row_changed(self, row: JobRow | None) -> None:
        if row is not None and self.job_id and row.job_id == self.job_id:
            self.progressed.emit()

    def _finished(self, row: JobRow, _outcome: object) -> None:
        if self.job_id and row.job_id == self.job_id:
            self.error = row.error
            self.done = row.error is None
            self.ended.emit()
