"""What the rooms of the Evidence page have in common: one look, words, numbers, a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QAbstractItemModel, Qt, Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from crystalgui.gui.state.evidence import Found, Question
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import EmptyState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crystalgui.core.cards import TrainedModel
    from crystalgui.core.messages import Event, Job
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.gui.plots.scale import Scale
    from crystalgui.gui.session import Session

Cell = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Asking:
    """Which crystal, on the disk, and which model."""

    found: Found
    name: str
    model: TrainedModel


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Look:
    """How a room wants the crystal drawn.

    Attributes
    ----------
    caption : str
        What is seen, for the head of the card.
    crystal : Crystal, optional
        Another one than that which is asked about, e.g. a similar one.
    factor, largest : float
        Every length times ``factor``, in a frame that holds ``largest``.
    tints : (n, 3) uint8, optional
    pairs : sequence of (start, end, cells)
        As for `scene.pairs.pair_sticks`, with ``pair_colours`` (p, 3) uint8.
    scale : Scale, optional
        Of tints and pairs.
    bonds, named : bool
        Whether bonds, and names at the atoms, are drawn.
    own : bool
        Only ``crystal`` is drawn, never the one that is asked about; without it ``note``
        says why there is none.
    """

    caption: str = ""
    crystal: Crystal | None = None
    factor: float = 1.0
    largest: float = 1.0
    tints: NDArray[np.uint8] | None = None
    pairs: Sequence[tuple[int, int, Sequence[Cell]]] = ()
    pair_colours: NDArray[np.uint8] | None = None
    scale: Scale | None = None
    bonds: bool = True
    named: bool = True
    own: bool = False
    note: str = ""


def crystal_models(session: Session) -> list[TrainedModel]:
    """Trained models that read crystals, shipped ones first."""
    project = session.project
    others = {card.name for card in project.cards if card.inputs and not card.reads("crystal")}
    found = [m for m in project.models if m.family not in others]
    return sorted(found, key=lambda m: not m.shipped)


def table_text(model: QAbstractItemModel) -> str:
    """Head and rows of a table as TSV."""
    columns = range(model.columnCount())
    head = [str(model.headerData(c, Qt.Orientation.Horizontal)) for c in columns]
    rows = [[str(model.index(r, c).data()) for c in columns] for r in range(model.rowCount())]
    return "\n".join("\t".join(row) for row in [head, *rows])


class Room(QWidget):
    """A room: words while there is nothing to show, then its content.

    ``alone`` is a room that needs neither a model nor the crystal of the page.

    Signals
    -------
    look_changed()
        The crystal shall be drawn in another way.
    atoms_wanted(tuple)
        Atoms of the cell that shall be selected.
    page_wanted(str)
    """

    title = ""
    alone = False
    look_changed = Signal()
    atoms_wanted = Signal(tuple)
    page_wanted = Signal(str)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.stack = QStackedWidget(self)
        self.content = QWidget(self.stack)
        self.column = QVBoxLayout(self.content)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(SPACE[1])
        self.stack.addWidget(self.content)
        self._words: EmptyState | None = None
        self._said: tuple[str, str, str] = ("", "", "")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.stack)

    def refresh(self) -> None:
        """Show what there is, or why there is nothing."""
        raise NotImplementedError

    def say(
        self,
        icon: str,
        title: str,
        text: str,
        actions: Sequence[tuple[str, Callable[[], object]]] = (),
    ) -> None:
        """Words in place of the content."""
        if (icon, title) == self._said[:2] and self._words is not None and not actions:
            self._words.set_text(title, text)
        else:
            old = self._words
            self._words = EmptyState(icon, title, text, actions, self.stack)
            self.stack.addWidget(self._words)
            if old is not None:
                self.stack.removeWidget(old)
                old.deleteLater()
        self._said = (icon, title, text)
        self.stack.setCurrentWidget(self._words)

    @property
    def said(self) -> str:
        """Words in place of the content; empty when it is shown."""
        if self.stack.currentWidget() is self.content:
            return ""
        return "\n".join(self._said[1:])

    @property
    def answering(self) -> bool:
        """Whether the content is shown."""
        return self.stack.currentWidget() is self.content

    @property
    def busy(self) -> bool:
        """Whether something runs that can be stopped."""
        return False

    def cancel(self) -> None:
        """Stop what runs."""

    # ------------------------------------------------------------ what it shows

    def look(self) -> Look:
        """How the crystal is drawn."""
        return Look()

    def atoms_selected(self, atoms: tuple[int, ...], *, by_hand: bool) -> None:
        """Atoms were selected; ``by_hand`` in the 3D view."""

    def csv_text(self) -> str:
        """The numbers of the room; empty when there are none."""
        return ""


class AskingRoom(Room):
    """A room that asks one question of the crystal and the model, and shows the answer.

    Signals
    -------
    asked()
        The question is another one.
    """

    asked = Signal()

    def __init__(self, session: Session, question: Question, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.question = question
        self.asking: Asking | None = None
        question.answered.connect(self.refresh)
        question.moved.connect(self._moved)
        question.ended.connect(self.refresh)

    # ---------------------------------------------------------------- asking

    def job(self, asking: Asking) -> Job | None:
        """The question as a job; None when something is missing, which `refresh` says."""
        raise NotImplementedError

    def begin(self, asking: Asking | None) -> None:
        """Another crystal or model; called only while the room can be seen."""
        self.asking = asking
        job = self.job(asking) if asking is not None else None
        if job is not None:
            self.question.ask(job)
        self.refresh()

    def again(self) -> None:
        """Ask once more, after an error."""
        self.question.forget()
        self.begin(self.asking)

    @property
    def busy(self) -> bool:
        """Whether the question waits for its answer."""
        return self.question.alive

    def cancel(self) -> None:
        """Stop asking."""
        self.question.cancel()

    # ---------------------------------------------------------------- answer

    def fill(self, ready: Event) -> bool:
        """Show an answer; False when `say` was called instead."""
        raise NotImplementedError

    def missing(self) -> bool:
        """Say what is missing; False when nothing is."""
        return False

    def refresh(self) -> None:
        """Show the answer, or how far it is, or why there is none."""
        ready, row = self.question.ready, self.question.row
        if self.asking is None or self.missing():
            if self.asking is None:
                self.say("clock", "One moment", "The crystal and the models are being read.")
        elif ready is not None:
            if self.fill(ready):
                self.stack.setCurrentWidget(self.content)
        elif self.question.error is not None:
            error = self.question.error
            text = f"{error.title}\n{error.hint}".strip()
            self.say("error", "There is no answer", text, [("Try again", self.again)])
        elif row is not None and row.alive:
            self.say("clock", "Asking the model", row.text)
        elif row is not None and row.status == "stopped":
            self.say("stop", "Stopped", "", [("Ask again", self.again)])
        self.look_changed.emit()

    def _moved(self) -> None:
        """Only the words change while a job runs."""
        row = self.question.row
        if self.asking is not None and self.question.ready is None and row is not None:
            if row.alive:
                if not self.missing():
                    self.say("clock", "Asking the model", row.text)
            else:
                self.refresh()
