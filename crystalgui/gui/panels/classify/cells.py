"""Cells of the Classify table: a bar for each class, reasons in the colour of errors."""

from __future__ import annotations

import math

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from crystalgui.core.messages import Prediction
from crystalgui.gui.state.predictions import (
    PREDICTION,
    PROBABILITIES,
    ROW_ROLE,
    WARNINGS,
)
from crystalgui.gui.theme import class_colour, colour

Index = QModelIndex | QPersistentModelIndex
ROW_HEIGHT = 30
PADDING = 11
BAR, GAP, NUMBER, MOST_BARS = 9, 3, 52, 12


class PredictionCells(QStyledItemDelegate):
    """For predictions, probabilities and warnings: class colours, bars, reasons."""

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._classes: tuple[str, ...] = ()

    def set_classes(self, classes: tuple[str, ...]) -> None:
        """Order and colours of the classes."""
        self._classes = classes

    def colour_of(self, name: str) -> str:
        """Colour of a class; muted for one that the model does not list."""
        return class_colour(self._classes.index(name)) if name in self._classes else "muted"

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Every row has the same height."""
        hint = super().sizeHint(option, index)
        return QSize(hint.width(), ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw everything here: a Python delegate that asks the style is twice as slow."""
        row: Prediction = index.data(ROW_ROLE)
        painter.save()
        painter.setClipRect(option.rect)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, colour("accent_quiet"))
        box = option.rect.adjusted(PADDING, 0, -4, 0)
        if row.error:
            _text(painter, option, box, index.data(), "bad")
        elif index.column() == PREDICTION and row.probabilities:
            self._class(painter, option, box, row)
        elif index.column() == PROBABILITIES:
            self._bars(painter, box, row)
        else:
            token = "warn" if index.column() == WARNINGS else "text"
            _text(painter, option, box, index.data(), token)
        painter.restore()

    def _class(
        self, painter: QPainter, option: QStyleOptionViewItem, box: QRect, row: Prediction
    ) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(self.colour_of(row.prediction)))
        painter.drawEllipse(QRectF(box.left(), box.center().y() - 3.5, 8, 8))
        _text(painter, option, box.adjusted(15, 0, 0, 0), row.prediction, "text")

    def _bars(self, painter: QPainter, box: QRect, row: Prediction) -> None:
        if math.isfinite(row.probability):
            painter.setPen(colour("text"))
            number = QRect(box.left(), box.top(), NUMBER - 8, box.height())
            side = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
            painter.drawText(number, side, f"{100 * row.probability:.1f} %")
        painter.setPen(Qt.PenStyle.NoPen)
        values = dict(row.probabilities)
        order = self._classes if set(values) <= set(self._classes) else tuple(values)
        groove = colour("line", 0.55)
        height = box.height() - 8
        for i, name in enumerate(order[:MOST_BARS]):
            x = box.left() + NUMBER + i * (BAR + GAP)
            if x + BAR > box.right():
                break
            painter.fillRect(x, box.top() + 4, BAR, height, groove)
            share = max(0.0, min(1.0, values.get(name, 0.0)))
            tall = max(1, round(height * share)) if share > 0 else 0
            ink = colour(self.colour_of(name))
            painter.fillRect(x, box.top() + 4 + height - tall, BAR, tall, ink)


def _text(
    painter: QPainter, option: QStyleOptionViewItem, box: QRect, text: str, token: str
) -> None:
    if text:
        painter.setPen(colour(token))
        shown = option.fontMetrics.elidedText(text, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, shown)


def bars_width(classes: int) -> int:
    """Width of the probability column for this many classes."""
    return 8 + NUMBER + min(classes, MOST_BARS) * (BAR + GAP) + 12
