"""A two-minute tour: the real program is operated step by step, on one worked example.

Nothing is played: a step opens, asks and shows what a person could have opened,
asked and shown, and states the answer that the program gave a moment ago.  It
waits for answers by their signals.  Meanwhile anything may be clicked, and at
the end everything stays as it is.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QObject, Qt

from crystalgui.core.resources import examples
from crystalgui.gui.panels.tour.card import TourCard
from crystalgui.gui.panels.tour.steps import STEPS, Step
from crystalgui.gui.state.predictions import best_models, of_crystals
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import EmptyState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtCore import SignalInstance
    from PySide6.QtWidgets import QStackedWidget, QWidget

    from crystalgui.core.cards import TrainedModel
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.project import OpenFile

log = logging.getLogger("crystalgui")
BROKEN = "This page could not be opened; the log tells why. The tour goes on."
MISSING = "The example of this step is not open. The tour goes on."


class TourWindow(Protocol):
    """What the tour needs of the window."""

    session: Session
    stage: QStackedWidget
    closed: SignalInstance
    page_built: SignalInstance

    def show_page(self, name: str) -> object:
        """Bring a page to the stage."""

    def page_widget(self, name: str) -> QWidget | None:
        """A page, when it has been built."""

    def classify(self, paths: list[Path]) -> object:
        """Classify files with the best model of each task."""


class Tour(QObject):
    """Walks through `STEPS`; what a step needs of the program it asks here.

    Attributes
    ----------
    number : int
        The step that is shown, from 0; -1 before and after.
    asked : bool
        Whether the step has asked what it asks `once`.
    """

    def __init__(self, window: TourWindow, steps: Sequence[Step] = STEPS) -> None:
        frame = window.stage.parentWidget()
        super().__init__(frame)
        self.window, self.session, self.steps = window, window.session, steps
        self.number = -1
        self._opened = self._done = self.asked = False
        self._heard: set[tuple[QObject, str]] = set()
        self.card = TourCard(frame)
        self.card.hide()
        frame.layout().setSpacing(SPACE[2])
        frame.layout().addWidget(self.card)
        self.card.back_wanted.connect(lambda: self.go(self.number - 1))
        self.card.next_wanted.connect(lambda: self.go(self.number + 1))
        self.card.end_wanted.connect(self.end)
        window.closed.connect(self.end)
        window.page_built.connect(self.refresh)
        for source, name in self._sources():
            self.listen(source, name)

    def _sources(self) -> list[tuple[QObject, str]]:
        """What may bring something new."""
        project, predictions = self.session.project, self.session.predictions
        evidence = self.session.evidence
        return [
            *((project, name) for name in ("file_changed", "file_removed", "current_changed")),
            *((project, name) for name in ("settled", "catalogue_changed", "datasets_changed")),
            *((predictions, name) for name in ("added", "cleared", "job_changed")),
            *((evidence.explained, name) for name in ("answered", "ended")),
            *((evidence.limit, name) for name in ("answered", "ended")),
        ]

    # ------------------------------------------------------------------ walk

    @property
    def active(self) -> bool:
        """Whether a step is shown."""
        return self.number >= 0

    @property
    def height(self) -> int:
        """What the card takes at the bottom of the stage, pixels."""
        return self.card.height() + SPACE[2] if self.active else 0

    @property
    def step(self) -> Step:
        """The step that is shown."""
        return self.steps[self.number]

    def begin(self) -> None:
        """Show the first step."""
        self.card.show()
        self.go(0)
        self.card.setFocus(Qt.FocusReason.OtherFocusReason)

    def go(self, number: int) -> None:
        """Show a step; beyond the last one is the end."""
        if number >= len(self.steps):
            self.end()
        elif number >= 0:
            self.number = number
            self._opened = self._done = self.asked = False
            step = self.step
            self.card.show_step(number + 1, len(self.steps), step.title, step.text)
            self.window.show_page(step.page)
            self.refresh()

    def end(self) -> None:
        """Take the card away; what was opened and asked stays."""
        if self.active:
            self.number = -1
            self.card.hide()

    # ------------------------------------------------------------------ news

    def listen(self, source: QObject, name: str) -> None:
        """Look again whenever a signal is emitted."""
        if (source, name) not in self._heard:
            self._heard.add((source, name))
            signal: SignalInstance = getattr(source, name)
            signal.connect(self.refresh)

    def refresh(self, *_: object) -> None:
        """Do what is still to be done of the step, and say what is known now."""
        if not self.active:
            return
        step = self.step
        try:
            if not self._opened and self.window.page_widget(step.page) is not None:
                self._opened = True  # not before: the last page would ask about this file
                self._open(examples() / step.file if step.file else None)
            if not self._done:
                self._done = True  # what it does may be heard here, too
                self._done = step.act(self)
            self.card.say(self._trouble() or step.said(self))
        except Exception:
            self._done = True
            log.exception("tour, step %r", step.title)
            self.card.say("This step could not be shown; the log tells why. The tour goes on.")

    def _trouble(self) -> str:
        if isinstance(self.window.page_widget(self.step.page), EmptyState):
            return BROKEN
        gone = self._opened and self.file is None and not self.session.project.busy
        if gone and self.step.file:
            return MISSING
        return ""

    def once(self) -> bool:
        """Whether this is asked for the first time since the step came up."""
        before, self.asked = self.asked, True
        return not before

    # ---------------------------------------------------- what a step may ask

    def _open(self, path: Path | None) -> None:
        if path is None:
            return
        file = self._file(path)
        if file is None or file.kind == "error":
            self.session.project.open_paths([path])
        else:
            self.session.project.set_current(file)

    def _file(self, path: Path) -> OpenFile | None:
        files = self.session.project.files
        return next((f for f in files if f.path == Path(path).absolute()), None)

    @property
    def file(self) -> OpenFile | None:
        """The example of the step, once it has been read well."""
        file = self._file(examples() / self.step.file)
        return file if file is not None and file.kind in ("crystal", "hoppings") else None

    @property
    def page(self) -> Any:
        """The page of the step, once it stands on the stage; None before, and when it failed."""
        page = self.window.page_widget(self.step.page)
        return None if isinstance(page, EmptyState) else page

    @property
    def models(self) -> list[TrainedModel]:
        """Trained models that read crystals."""
        project = self.session.project
        return of_crystals(project.models, project.cards)

    @property
    def best(self) -> list[TrainedModel]:
        """The best model of each task."""
        return best_models(self.models)

    @property
    def no_models(self) -> bool:
        """Whether it is known that there is no model; before that, none is known at all."""
        return bool(self.session.project.cards) and not self.models


__all__ = ["Tour"]
