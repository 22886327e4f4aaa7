"""One gradient design: what it started from, its curves, where it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import DesignJob, DesignReady, DesignStep, ErrorInfo, Event
from crystalgui.gui.state.curves import Series

if TYPE_CHECKING:
    from crystalgui.core.physics.design import Opening
    from crystalgui.gui.state.jobs import JobRow, JobsState


class DesignState(QObject):
    """Follows the newest `DesignJob` of the room that owns it.

    Signals
    -------
    stepped()
        There is a newer `last`.
    ended()
        The job has an outcome; `ready` or `error` may be set.
    """

    stepped = Signal()
    ended = Signal()

    def __init__(self, jobs: JobsState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self.job_id = ""
        self.job: DesignJob | None = None
        self.opening: Opening | None = None
        self.last: DesignStep | None = None
        self.ready: DesignReady | None = None
        self.error: ErrorInfo | None = None
        self.value, self.loss = Series(0.0), Series(0.0)
        jobs.event.connect(self._take)
        jobs.finished.connect(self._finished)

    @property
    def alive(self) -> bool:
        """Whether the job waits or runs."""
        row = self._jobs.row(self.job_id)
        return row is not None and row.alive

    def begin(self, job: DesignJob, opening: Opening) -> None:
        """Submit a job and follow it."""
        self.forget()
        self.job, self.opening = job, opening
        self.job_id = self._jobs.submit(job)

    def forget(self) -> None:
        """Nothing is followed; a job that runs is stopped."""
        if self.alive:
            self._jobs.cancel(self.job_id)
        self.job_id, self.job, self.opening = "", None, None
        self.last = self.ready = self.error = None
        self.value, self.loss = Series(0.0), Series(0.0)

    def stop(self) -> None:
        """End softly: the best so far is kept."""
        if self.alive:
            self._jobs.stop_soft(self.job_id)

    def _take(self, event: Event) -> None:
        if not self.job_id or event.job_id != self.job_id:
            return
        if isinstance(event, DesignStep):
            self._step(event)
        elif isinstance(event, DesignReady):
            self.ready, self.last = event, event.last
            for series, column in ((self.loss, 1), (self.value, 2)):
                series.truncate(-1.0)
                series.extend((float(row[0]), float(row[column])) for row in event.history)
        else:
            return
        self.stepped.emit()

    def _step(self, event: DesignStep) -> None:
        self.last = event
        if not len(self.loss) or event.step > self.loss.x[-1]:
            self.loss.append(event.step, event.loss)
            self.value.append(event.step, event.value)

    def _finished(self, row: JobRow, _outcome: object) -> None:
        if self.job_id and row.job_id == self.job_id:
            self.error = row.error
            self.ended.emit()
