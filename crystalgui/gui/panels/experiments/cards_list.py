"""The experiments as a calm list: title, and how far each of them is."""

from __future__ import annotations

import math
from collections.abc import Iterable

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter
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
ROW = 56


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
    """Two lines on a rounded ground."""

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        """Every row is alike."""
        return QSize(0, ROW)

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
        box = rect.adjusted(10, 7, -10, -7)
        lines = (
            ("strong", "muted" if card.error else "text", card.title, Qt.AlignmentFlag.AlignTop),
            ("text", index.data(INK_ROLE), index.data(WORDS_ROLE), Qt.AlignmentFlag.AlignBottom),
        )
        for kind, ink, words, place in lines:
            painter.setFont(font(kind))
            painter.setPen(colour(ink))
            elided = painter.fontMetrics().elidedText(
                words, Qt.TextElideMode.ElideRight, box.width()
            )
            painter.drawText(box, place | Qt.AlignmentFlag.AlignLeft, elided)
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
        self.setUniformItemSizes(True)
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
