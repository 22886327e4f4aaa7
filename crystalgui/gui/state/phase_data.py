"""The data set of Hamiltonians that is being made: its job, its shares, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import (
    DatasetReady,
    DatasetSummary,
    ErrorInfo,
    Event,
    PhaseDataJob,
    PhaseDataProgress,
)

if TYPE_CHECKING:
    from crystalgui.gui.state.jobs import JobRow, JobsState


class PhaseDataState(QObject):
    """Follows the newest `PhaseDataJob` of this page.

    Signals
    -------
    changed()
        Shares, progress or status are new.
    ended()
        The job has an outcome: `summary` or `error` may be set.
    """

    changed = Signal()
    ended = Signal()

    def __init__(self, jobs: JobsState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.job: PhaseDataJob | None = None
        self.job_id = ""
        self.progress: PhaseDataProgress | None = None
        self.summary: DatasetSummary | None = None
        self.error: ErrorInfo | None = None
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

    @property
    def resumable(self) -> bool:
        """Whether it was cut off and can go on."""
        return self.job is not None and not self.alive and self.summary is None

    def begin(self, job: PhaseDataJob) -> None:
        """Submit a job and follow it; the same job again goes on where it was cut off."""
        again = self.job is not None and self.job.recipe == job.recipe
        self.progress = self.progress if again else None
        self.summary = self.error = None
        self.job, self.job_id = job, self._jobs.submit(job)
        self.changed.emit()

    def resume(self) -> None:
        """Go on with what was cut off."""
        if self.job is not None and self.resumable:
            self.begin(self.job)

    def cancel(self) -> None:
        """Stop; what was made is kept."""
        if self.alive:
            self._jobs.cancel(self.job_id)

    def _take(self, event: Event) -> None:
        if not self.job_id or event.job_id != self.job_id:
            return
        if isinstance(event, PhaseDataProgress):
            self.progress = event
            self.changed.emit()
        elif isinstance(event, DatasetReady):
            self.summary = event.summary

    def _row_changed(self, row: JobRow | None) -> None:
        if row is not None and self.job_id and row.job_id == self.job_id:
            self.changed.emit()

    def _finished(self, row: JobRow, _outcome: object) -> None:
        if self.job_id and row.job_id == self.job_id:
            self.error = row.error
            self.ended.emit()
