"""One phase diagram: its job, its points, how it ended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import (
    ErrorInfo,
    Event,
    MixtureJob,
    PhaseMapJob,
    PhasePoint,
    PhasePoints,
)

if TYPE_CHECKING:
    from crystalgui.gui.state.jobs import JobRow, JobsState


class PhasesState(QObject):
    """Follows the newest phase diagram of the room that owns it.

    Signals
    -------
    grown(tuple)
        New `PhasePoint`s; a later one replaces an earlier one.
    ended()
        The job has an outcome; `error` may be set.
    """

    grown = Signal(tuple)
    ended = Signal()

    def __init__(self, jobs: JobsState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.job_id = ""
        self.job: MixtureJob | PhaseMapJob | None = None
        self.points: dict[tuple[float, float], PhasePoint] = {}
        self.error: ErrorInfo | None = None
        jobs.event.connect(self._take)
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
    def counts(self) -> Counter[str]:
        """Points of each phase."""
        return Counter(point.label for point in self.points.values() if point.label)

    def begin(self, job: MixtureJob | PhaseMapJob) -> None:
        """Submit a job and follow it; one that runs is stopped."""
        self.cancel()
        self.points, self.error = {}, None
        self.job, self.job_id = job, self._jobs.submit(job)

    def cancel(self) -> None:
        """Stop; what was found is kept."""
        if self.alive:
            self._jobs.cancel(self.job_id)

    def _take(self, event: Event) -> None:
        if isinstance(event, PhasePoints) and self.job_id and event.job_id == self.job_id:
            self.points.update({(p.x, p.y): p for p in event.points})
            self.grown.emit(event.points)

    def _finished(self, row: JobRow, _outcome: object) -> None:
        if self.job_id and row.job_id == self.job_id:
            self.error = row.error
            self.ended.emit()
