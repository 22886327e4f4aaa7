"""Cells of the Runs table: a swatch for overlaid runs, states in their colour."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QTableView

from crystalgui.gui.state.runs_table import RUN_ROLE, STATUS, TITLE
from crystalgui.gui.theme import class_colour, colour

STATUS_TOKENS = {
    "queued": "muted",
    "created": "muted",
    "running": "accent",
    "stopping": "accent",
    "done": "good",
    "stopped": "muted",
    "interrupted": "warn",
    "failed": "bad",
    "crashed": "bad",
}
SWATCH = 18


class RunCells(QStyledItemDelegate):
    """Paints the swatch of selected runs, the same colour as their curve."""

    def __init__(self, view: QTableView) -> None:
        super().__init__(view)
        self._view = view

    def initStyleOption(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Colour the state."""
        super().initStyleOption(option, index)
        if index.column() == STATUS:
            token = STATUS_TOKENS.get(index.data(RUN_ROLE).status, "text")
            for role in (QPalette.ColorRole.Text, QPalette.ColorRole.HighlightedText):
                option.palette.setColor(role, colour(token))

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Leave room for the swatch before the title."""
        if index.column() != TITLE:
            super().paint(painter, option, index)
            return
        moved = QStyleOptionViewItem(option)
        rows = sorted(i.row() for i in self._view.selectionModel().selectedRows())
        super().paint(painter, moved, index)
        if index.row() in rows:
            spot = QRectF(option.rect.left() + 1, option.rect.center().y() - 5, 4, 12)
            painter.save()
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour(class_colour(rows.index(index.row()))))
            painter.drawRoundedRect(spot, 2, 2)
            painter.restore()
