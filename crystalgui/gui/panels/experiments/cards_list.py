"""The experiments as a calm list: title, and how far each of them is."""

from __future__ import annotations

import math
from collections.abc import Iterable

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter
from PySide6.QtWidgets import (
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from crystalgui.core.cards import ExperimentCard
from crystalgui.gui.state.experiments import ExperimentsState
from crystalgui.gui.theme import colour, font, theme

CARD_ROLE = Qt.ItemDataRole.UserRole
WORDS_ROLE = Qt.ItemDataRole.UserRole + 1
INK_ROLE = Qt.ItemDataRole.UserRole + 2
MARGIN, LINES = 10, 36
"""Air beside the words; height of a row without its title, pixels."""


def state_words(card: ExperimentCard, state: ExperimentsState) -> tuple[str, str]:
    """How far an experiment is, in words, with a colour."""
    if card.error:
        return card.error, "bad"
    for preset in card.presets:
        row = state.row(card.name, preset)
        if row is not None and row.alive:
            share = "" if math.isnan(row.fraction) else f" {100 * row.fraction:.0f} %"
            words = "waits" if row.status == "queued" else f"{row.status}{share}"
            return f"{preset}: {words}", "accent"
    own = {p: state.states.get((card.name, p), "empty") for p in card.presets}
    parts = [f"{p} cut off" for p, word in own.items() if word == "begun"]
    parts += [f"{p} damaged" for p, word in own.items() if word == "damaged"]
    parts += [f"{p} done here" for p, word in own.items() if word == "done"]
    recorded = dict.fromkeys(kept.preset for kept in card.recorded)
    if recorded:
        parts.append(f"{' and '.join(recorded)} recorded")
    return " · ".join(parts) or "not run yet", "muted"


class _Cells(QStyledItemDelegate):
    """Title and state on a rounded ground."""

    def __init__(self, view: QListWidget) -> None:
        super().__init__(view)
        self._view = view

    def _title(self, index: QModelIndex | QPersistentModelIndex, width: int) -> QRect:
        """The room of the title in a row of this width."""
        box = QRect(0, 0, max(40, width - 2 * MARGIN), 40)
        title: str = index.data(CARD_ROLE).title
        return QFontMetrics(font("strong")).boundingRect(box, Qt.TextFlag.TextWordWrap, title)

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        """A long title takes two lines."""
        return QSize(0, LINES + self._title(index, self._view.viewport().width()).height())

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Title and state."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRect(option.rect).adjusted(0, 1, 0, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen or option.state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(colour("accent_quiet" if chosen else "quiet"))
            painter.drawRoundedRect(rect, 8, 8)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(colour("accent"))
            painter.drawRoundedRect(rect.adjusted(0, 0, -1, -1), 8, 8)
        card: ExperimentCard = index.data(CARD_ROLE)
        box = rect.adjusted(MARGIN, 7, -MARGIN, -7)
        painter.setFont(font("strong"))
        painter.setPen(colour("muted" if card.error else "text"))
        painter.drawText(box, Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap, card.title)
        painter.setFont(font("text"))
        painter.setPen(colour(index.data(INK_ROLE)))
        words = painter.fontMetrics().elidedText(
            index.data(WORDS_ROLE), Qt.TextElideMode.ElideRight, box.width()
        )
        painter.drawText(box, Qt.AlignmentFlag.AlignBottom, words)
        painter.restore()


class CardsList(QListWidget):
    """Choose an experiment.

    Signals
    -------
    chosen(str)
        Its name.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Experiments")
        self.setItemDelegate(_Cells(self))
        self.setMouseTracking(True)
        self.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.currentItemChanged.connect(self._current)
        theme().changed.connect(self.viewport().update)

    @property
    def name(self) -> str:
        """The chosen experiment; empty when there is none."""
        item = self.currentItem()
        return item.data(CARD_ROLE).name if item is not None else ""

    def show_cards(self, cards: Iterable[ExperimentCard], state: ExperimentsState) -> None:
        """Show these; the choice is kept."""
        wanted = tuple(cards)
        if tuple(self.item(i).data(CARD_ROLE).name for i in range(self.count())) != tuple(
            card.name for card in wanted
        ):
            before = self.name
            self.blockSignals(True)
            self.clear()
            for card in wanted:
                item = QListWidgetItem(self)
                item.setData(CARD_ROLE, card)
            self.blockSignals(False)
            names = [card.name for card in wanted]
            if names:
                self.setCurrentRow(names.index(before) if before in names else 0)
        for i, card in enumerate(wanted):
            item = self.item(i)
            item.setData(CARD_ROLE, card)
            self._say(item, *state_words(card, state))

    def update_state(self, name: str, state: ExperimentsState) -> None:
        """One of them is further."""
        for i in range(self.count()):
            card: ExperimentCard = self.item(i).data(CARD_ROLE)
            if card.name == name:
                self._say(self.item(i), *state_words(card, state))

    def choose(self, name: str) -> None:
        """Choose by name."""
        for i in range(self.count()):
            if self.item(i).data(CARD_ROLE).name == name:
                self.setCurrentRow(i)

    def _say(self, item: QListWidgetItem, words: str, ink: str) -> None:
        card: ExperimentCard = item.data(CARD_ROLE)
        item.setData(WORDS_ROLE, words)
        item.setData(INK_ROLE, ink)
        item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{card.title}, {words}")
        item.setToolTip(f"{card.title}\n{card.shows}\n{words}")

    def _current(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.chosen.emit(item.data(CARD_ROLE).name)
