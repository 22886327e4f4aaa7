"""One gradient design: what it started from, its curves, where it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import DesignJob, DesignReady, DesignStep, Event
from crystalgui.gui.state.curves import Series
from crystalgui.gui.state.followed import Followed

if TYPE_CHECKING:
    from crystalgui.core.physics.design import Opening
    from crystalgui.gui.state.jobs import JobsState


class DesignState(Followed):
    """Follows the newest `DesignJob` of the room that owns it.

    Signals
    -------
    stepped()
        There is a newer `last`; `ready` is set at the end.
    """

    stepped = Signal()

    def __init__(self, jobs: JobsState, parent: QObject | None = None) -> None:
        super().__init__(jobs, parent)
        self.job: DesignJob | None = None
        self.opening: Opening | None = None
        self.last: DesignStep | None = None
        self.ready: DesignReady | None = None
        self.value, self.loss = Series(0.0), Series(0.0)

    def begin(self, job: DesignJob, opening: Opening) -> None:
        """Submit a job and follow it."""
        self.forget()
        self.job, self.opening = job, opening
        self.follow(job)

    def forget(self) -> None:
        """Nothing is followed; a job that runs is stopped."""
        self.cancel()
        self.job_id, self.job, self.opening = "", None, None
        self.last = self.ready = self.error = None
        self.value, self.loss = Series(0.0), Series(0.0)

    def stop(self) -> None:
        """End softly: the best so far is kept."""
        if self.alive:
            self._jobs.stop_soft(self.job_id)

    def take(self, event: Event) -> None:
        """Steps, and the end."""
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
