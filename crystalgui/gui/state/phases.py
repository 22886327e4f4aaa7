"""One phase diagram: its job, its points, how it ended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import (
    Event,
    MixtureJob,
    PhaseMapJob,
    PhasePoint,
    PhasePoints,
)
from crystalgui.gui.state.followed import Followed

if TYPE_CHECKING:
    from crystalgui.gui.state.jobs import JobsState


class PhasesState(Followed):
    """Follows the newest phase diagram of the room that owns it.

    Signals
    -------
    grown(tuple)
        New `PhasePoint`s; a later one replaces an earlier one.
    """

    grown = Signal(tuple)

    def __init__(self, jobs: JobsState, parent: QObject | None = None) -> None:
        super().__init__(jobs, parent)
        self.job: MixtureJob | PhaseMapJob | None = None
        self.points: dict[tuple[float, float], PhasePoint] = {}

    @property
    def counts(self) -> Counter[str]:
        """Points of each phase."""
        return Counter(point.label for point in self.points.values() if point.label)

    def begin(self, job: MixtureJob | PhaseMapJob) -> None:
        """Submit a job and follow it; one that runs is stopped."""
        self.cancel()
        self.points, self.job = {}, job
        self.follow(job)

    def take(self, event: Event) -> None:
        """Points."""
        if isinstance(event, PhasePoints):
            self.points.update({(p.x, p.y): p for p in event.points})
            self.grown.emit(event.points)
