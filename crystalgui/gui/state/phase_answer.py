"""One question to a network of zones: its job, its answer, how it ended."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import Event, PhaseAnswer, PhaseAnswerJob
from crystalgui.gui.state.followed import Followed

if TYPE_CHECKING:
    from crystalgui.gui.state.jobs import JobsState

KEPT = 12
"""Answers that are remembered."""
Key = tuple[object, ...]


class PhaseAnswerState(Followed):
    """Follows the newest question of the card that owns it, and remembers answers.

    Signals
    -------
    answered(object)
        The `PhaseAnswer` to the newest question.
    """

    answered = Signal(object)

    def __init__(self, jobs: JobsState, parent: QObject | None = None) -> None:
        super().__init__(jobs, parent)
        self._known: OrderedDict[Key, PhaseAnswer] = OrderedDict()
        self._key: Key = ()

    def known(self, key: Key) -> PhaseAnswer | None:
        """What was answered to a question, ``key``, before."""
        return self._known.get(key)

    def ask(self, job: PhaseAnswerJob, key: Key) -> None:
        """Submit a question and follow it; one that waits is given up."""
        self.give_up()
        self._key = key
        self.follow(job)

    def give_up(self) -> None:
        """The newest question is not wanted any more."""
        self.cancel()
        self.job_id = ""

    def take(self, event: Event) -> None:
        """The answer."""
        if isinstance(event, PhaseAnswer):
            self._known[self._key] = event
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
            self.answered.emit(event)
