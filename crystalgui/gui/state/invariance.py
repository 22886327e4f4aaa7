"""The measurement of invariance that was asked for last: its job and what it has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import (
    Event,
    InvarianceJob,
    InvariancePoint,
    LayerErrors,
    LogLine,
)
from crystalgui.gui.state.followed import Followed

if TYPE_CHECKING:
    from crystalgui.gui.state.jobs import JobRow, JobsState


class InvarianceState(Followed):
    """Follows the newest `InvarianceJob` of this page.

    Signals
    -------
    found()
        Points or layers are new.
    """

    found = Signal()

    def __init__(self, jobs: JobsState, parent: QObject | None = None) -> None:
        super().__init__(jobs, parent)
        self.job: InvarianceJob | None = None
        self.points: tuple[InvariancePoint, ...] = ()
        self.layers: LayerErrors | None = None
        self.remarks: tuple[str, ...] = ()
        self.done = False

    def begin(self, job: InvarianceJob) -> None:
        """Submit a job and follow it."""
        self.points, self.layers, self.remarks = (), None, ()
        self.done, self.job = False, job
        self.follow(job)
        self.found.emit()
        self.moved.emit()

    def take(self, event: Event) -> None:
        """Points, layers and remarks."""
        if isinstance(event, InvariancePoint):
            others = (p for p in self.points if p.rolling != event.rolling)
            self.points = tuple(sorted((*others, event), key=lambda p: p.rolling))
            self.found.emit()
        elif isinstance(event, LayerErrors):
            self.layers = event
            self.found.emit()
        elif isinstance(event, LogLine):
            self.remarks = (*self.remarks, event.text)

    def _finished(self, row: JobRow, outcome: object) -> None:
        if row.job_id == self.job_id:
            self.done = row.error is None
        super()._finished(row, outcome)
