"""One crystal of a list: its label, what the models say, its neighbours, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QBrush, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHBoxLayout,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.reports.second_look import WORDS, Missed, said_words
from crystalgui.core.structures.elements import subscripts
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.evidence.room import table_text
from crystalgui.gui.theme import SPACE, colour, font, theme
from crystalgui.gui.widgets import Chip, ElidedLabel, FlowLayout, Text, copy_action

if TYPE_CHECKING:
    from crystalgui.core.datasets.alike import Like, Looked
    from crystalgui.core.store.verdicts import Judged, Verdict

KEYS = {"wrong": "W", "right": "R", "unclear": "U"}
NOTE_LENGTH = 2000
HEAD = ("Built alike", "Label", "Sites", "Id")
SAME, OTHER = "same", "other"
ALONE = "No other crystal of its data set has its space group and a formula of this form."


class VerdictView(Growing, QWidget):
    """What a person needs to judge the label of a crystal, and the verdict.

    Signals
    -------
    stepped(int)
        The next (1) or the previous (-1) crystal.
    judged(str)
        A verdict.
    noted(str)
    open_wanted()
        This crystal on the Structure page.
    like_chosen(Like or None)
        A neighbour shall be drawn in place of the crystal.
    """

    stepped = Signal(int)
    judged = Signal(str)
    noted = Signal(str)
    open_wanted = Signal()
    like_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None, *, at_once: bool = True) -> None:
        super().__init__(parent)
        self._like: tuple[Like, ...] = ()
        self._label = self._place = ""
        self.grow(self._build(), at_once)

    # -------------------------------------------------------------- building

    def _build(self) -> Steps:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[1])
        column.addLayout(self._head())
        self.said = Text("")
        column.addWidget(self.said)
        column.addWidget(self._verdicts())
        self.note = QLineEdit()
        self.note.setPlaceholderText("note (Alt+N)")
        self.note.setAccessibleName("Note on this crystal")
        self.note.setMaxLength(NOTE_LENGTH)
        self.note.textEdited.connect(self.noted)
        column.addWidget(self.note)
        yield
        self._neighbours()
        self.words = Text("", "muted")
        column.addWidget(self.words)
        column.addWidget(self.table, 1)
        column.addStretch(0)  # takes the room of the table while it is hidden

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SPACE[0])
        self.title = ElidedLabel("")
        self.title.setFont(font("title"))
        self.where = ElidedLabel("")
        self.where.setProperty("role", "muted")
        row.addWidget(self.title)
        row.addWidget(self.where, 1)
        self.back = Chip("this one", tooltip="Draw the crystal of the list again")
        self.back.clicked.connect(self.forget_like)
        self.back.hide()
        self.open_chip = Chip("open", tooltip="Open this crystal in the Structure page")
        self.open_chip.clicked.connect(self.open_wanted)
        self.last = Chip("", tooltip="Previous crystal (P, Alt+Left)", icon_name="left")
        self.next = Chip("", tooltip="Next crystal (N, Alt+Right)", icon_name="right")
        self.last.clicked.connect(lambda: self.stepped.emit(-1))
        self.next.clicked.connect(lambda: self.stepped.emit(1))
        for chip in (self.back, self.open_chip, self.last, self.next):
            row.addWidget(chip)
        return row

    def _verdicts(self) -> QWidget:
        """Chips of which one is down, or none."""
        box = QWidget()
        flow = FlowLayout(box)
        self._group = QButtonGroup(self)
        self._group.setExclusive(False)  # a second click takes the verdict back
        self.chips: dict[Verdict, Chip] = {}
        for verdict, words in WORDS.items():
            if verdict:
                tip = f"{words[0].upper()}{words[1:]} ({KEYS[verdict]}, Alt+{KEYS[verdict]})"
                chip = Chip(words, True, f"{tip}; again takes it back")
                chip.setObjectName(f"verdict-{verdict}")
                chip.clicked.connect(lambda on, v=verdict: self.judged.emit(v if on else ""))
                self._group.addButton(chip)
                self.chips[verdict] = chip
                flow.addWidget(chip)
        return box

    def _neighbours(self) -> None:
        self.table = QTableView()
        self.model = QStandardItemModel(0, len(HEAD), self.table)
        self.model.setHorizontalHeaderLabels(list(HEAD))
        self.table.setModel(self.model)
        self.table.setAccessibleName("Crystals of the data set that are built alike")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.setTabKeyNavigation(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.setMinimumHeight(64)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setStretchLastSection(True)
        for section, width in enumerate((118, 64, 56)):
            header.resizeSection(section, width)
        self.table.selectionModel().currentRowChanged.connect(self._chosen)
        copy_action(self.table, lambda: table_text(self.model))
        theme().changed.connect(self._tint)

    # --------------------------------------------------------------- content

    def show_crystal(self, crystal: Missed, models: Sequence[str], place: str) -> None:
        """Another crystal of the list; ``place`` is like ``3 of 54``."""
        self.title.setText(subscripts(crystal.formula) or crystal.id)
        self._place = place
        self._locate(crystal, "")
        self.said.setText(f"Labelled {crystal.label}. {said_words(crystal, models)}")

    def _locate(self, crystal: Missed, symbol: str) -> None:
        group = f"{symbol} ({crystal.space_group})" if symbol else f"group {crystal.space_group}"
        self.where.setText(f"{crystal.id} · {group} · {self._place}")

    def show_verdict(self, own: Judged) -> None:
        """The verdict and the note; a note that is being written is left alone."""
        for verdict, chip in self.chips.items():
            chip.setChecked(verdict == own.verdict)
        if self.note.text() != own.note:
            self.note.setText(own.note)

    def show_neighbours(self, crystal: Missed, found: Looked | None) -> None:
        """The crystals that are built alike, once they are known."""
        self.forget_like()
        if found is not None and found.space_group == crystal.space_group:
            self._locate(crystal, found.symbol)
        self._like, self._label = (found.like if found is not None else ()), crystal.label
        self.model.removeRows(0, self.model.rowCount())
        for like in self._like:
            self.model.appendRow(self._items(like))
        self._tint()
        self.words.setText(_neighbour_words(crystal, found) if found is not None else "")
        self.table.setVisible(bool(self._like))
        self.open_chip.setEnabled(found is not None)

    def _items(self, like: Like) -> list[QStandardItem]:
        sites = SAME if like.prototype else OTHER
        items = [
            QStandardItem(text) for text in (subscripts(like.formula), like.label, sites, like.id)
        ]
        tip = "the same sites" if like.prototype else "the same group and form, other sites"
        for item in items:
            item.setToolTip(f"{like.id}: {tip}; elements {like.distance:.0f} steps apart")
        if like.label == self._label:
            items[1].setToolTip("The label that the models miss")
        return items

    def _tint(self) -> None:
        """Those with the label in question, and those on other sites, in their inks."""
        for row, like in enumerate(self._like):
            if not like.prototype:
                for column in range(len(HEAD)):
                    self.model.item(row, column).setForeground(QBrush(colour("muted")))
            if like.label == self._label:
                self.model.item(row, 1).setForeground(QBrush(colour("good")))

    # ------------------------------------------------------------ neighbours

    def _chosen(self, current: object, _previous: object) -> None:
        row = self.table.currentIndex().row()
        like = self._like[row] if 0 <= row < len(self._like) else None
        self.back.setVisible(like is not None)
        self.like_chosen.emit(like)

    def forget_like(self) -> None:
        """Draw the crystal of the list again."""
        self.table.clearSelection()
        if self.table.currentIndex().isValid():
            self.table.setCurrentIndex(self.model.index(-1, -1))


def _neighbour_words(crystal: Missed, found: Looked) -> str:
    """How the neighbours are labelled, and the crystal itself where the data set has it else."""
    other = found.label not in ("", crystal.label)
    return (f"Here it is labelled {found.label}. " if other else "") + _counted_words(found)


def _counted_words(found: Looked) -> str:
    if not found.target:
        return (
            "Choose a data set in place of files, and the crystals that are built alike are "
            "listed here with their labels."
        )
    if not found.family:
        return ALONE
    counted = found.labels or found.family
    others = sum(count for _, count in counted)
    form = "" if found.labels else " group and form, on other sites"
    shares = ", ".join(f"{count} {label}" for label, count in counted[:5])
    more = " …" if len(counted) > 5 else ""
    what = f"{others} other{'s are' if others > 1 else ' is'}"
    if found.labels:
        return f"{what} built alike, on the same sites: {shares}{more}."
    return f"None has the same sites. {what} of its{form}: {shares}{more}."
