"""One question to a network of zones: its job, its answer, how it ended."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import ErrorInfo, Event, PhaseAnswer, PhaseAnswerJob

if TYPE_CHECKING:
    from crystalgui.gui.state.jobs import JobRow, JobsState

KEPT = 12
"""Answers that are remembered."""
Key = tuple[object, ...]


class PhaseAnswerState(QObject):
    """Follows the newest question of the card that owns it, and remembers answers.

    Signals
    -------
    answered(object)
        The `PhaseAnswer` to the newest question.
    moved()
        The line of the job list has changed.
    ended()
        The job has an outcome; `error` may be set.
    """

    answered = Signal(object)
    moved = Signal()
    ended = Signal()

    def __init__(self, jobs: JobsState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._known: OrderedDict[Key, PhaseAnswer] = OrderedDict()
        self._key: Key = ()
        self.job_id = ""
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
        """Whether the newest question waits for its answer."""
        row = self.row
        return row is not None and row.alive

    def known(self, key: Key) -> PhaseAnswer | None:
        """What was answered to a question, ``key``, before."""
        return self._known.get(key)

    def ask(self, job: PhaseAnswerJob, key: Key) -> None:
        """Submit a question and follow it; one that waits is given up."""
        self.give_up()
        self.error, self._key = None, key
        self.job_id = self._jobs.submit(job)

    def give_up(self) -> None:
        """The newest question is not wanted any more."""
        if self.alive:
            self._jobs.cancel(self.job_id)
        self.job_id = ""

    def _take(self, event: Event) -> None:
        if isinstance(event, PhaseAnswer) and self.job_id and event.job_id == self.job_id:
            self._known[self._key] = event
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            self.answered.emit(event)

    def _row_changed(self, row: JobRow) -> None:
        if self.job_id and row.job_id == self.job_id:
            self.moved.emit()

    def _finished(self, row: JobRow, _outcome: object) -> None:
        if self.job_id and row.job_id == self.job_id:
            self.error = row.error
            self.ended.emit()
