"""What follows one job: the newest that a room has asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import ErrorInfo, Event, Job

if TYPE_CHECKING:
    from crystalgui.gui.state.jobs import JobRow, JobsState


class Followed(QObject):
    """Follows the newest job of the room that owns it; its children keep what it answers.

    Signals
    -------
    moved()
        Status, progress or what was found so far is new.
    ended()
        The job has an outcome; `error` may be set.
    """

    moved = Signal()
    ended = Signal()

    def __init__(self, jobs: JobsState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.job_id = ""
        self.error: ErrorInfo | None = None
        jobs.event.connect(self._event)
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

    def follow(self, job: Job) -> None:
        """Submit a job and follow it."""
        self.error = None
        self.job_id = self._jobs.submit(job)

    def cancel(self) -> None:
        """Stop; what was found is kept."""
        if self.alive:
            self._jobs.cancel(self.job_id)

    def take(self, event: Event) -> None:
        """An answer of the job."""

    def _event(self, event: Event) -> None:
        if self.job_id and event.job_id == self.job_id:
            self.take(event)

    def _row_changed(self, row: JobRow | None) -> None:
        if row is not None and self.job_id and row.job_id == self.job_id:
            self.moved.emit()

    def _finished(self, row: JobRow, _outcome: object) -> None:
        if self.job_id and row.job_id == self.job_id:
            self.error = row.error
            self.ended.emit()
