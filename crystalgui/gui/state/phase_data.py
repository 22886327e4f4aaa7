"""The data set of Hamiltonians that is being made: its job, its shares, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from crystalgui.core.messages import (
    DatasetReady,
    DatasetSummary,
    Event,
    PhaseDataJob,
    PhaseDataProgress,
)
from crystalgui.gui.state.followed import Followed

if TYPE_CHECKING:
    from crystalgui.gui.state.jobs import JobsState


class PhaseDataState(Followed):
    """Follows the newest `PhaseDataJob` of this page; `summary` is set at its good end."""

    def __init__(self, jobs: JobsState, parent: QObject | None = None) -> None:
        super().__init__(jobs, parent)
        self.job: PhaseDataJob | None = None
        self.progress: PhaseDataProgress | None = None
        self.summary: DatasetSummary | None = None

    @property
    def resumable(self) -> bool:
        """Whether it was cut off and can go on."""
        return self.job is not None and not self.alive and self.summary is None

    def begin(self, job: PhaseDataJob) -> None:
        """Submit a job and follow it; the same job again goes on where it was cut off."""
        again = self.job is not None and self.job.recipe == job.recipe
        self.progress = self.progress if again else None
        self.summary, self.job = None, job
        self.follow(job)
        self.moved.emit()

    def resume(self) -> None:
        """Go on with what was cut off."""
        if self.job is not None and self.resumable:
            self.begin(self.job)

    def take(self, event: Event) -> None:
        """Shares, and what was made."""
        if isinstance(event, PhaseDataProgress):
            self.progress = event
            self.moved.emit()
        elif isinstance(event, DatasetReady):
            self.summary = event.summary
