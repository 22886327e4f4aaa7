"""Cells of the Classify table: a bar for each class, reasons in the colour of errors."""

from __future__ import annotations

import math

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from crystalgui.core.messages import Prediction
from crystalgui.gui.state.predictions import (
    FILE,
    PREDICTION,
    PROBABILITIES,
    ROW_ROLE,
    WARNINGS,
)
from crystalgui.gui.theme import class_colour, colour

Index = QModelIndex | QPersistentModelIndex
ROW_HEIGHT = 30
BAR, GAP, NUMBER, MOST_BARS = 9, 3, 52, 12


class PredictionCells(QStyledItemDelegate):
    """Paints predictions with the colour of their class and probabilities as bars."""

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

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Errors and warnings in their colours."""
        super().initStyleOption(option, index)
        row: Prediction = index.data(ROW_ROLE)
        token = ""
        if index.column() in (PREDICTION, WARNINGS) and row.error:
            token = "bad"
        elif index.column() == WARNINGS:
            token = "warn"
        elif row.error and index.column() == FILE:
            token = "muted"
        if token:
            for role in (QPalette.ColorRole.Text, QPalette.ColorRole.HighlightedText):
                option.palette.setColor(role, colour(token))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Text cells as usual; a dot before the prediction; bars for probabilities."""
        row: Prediction = index.data(ROW_ROLE)
        if index.column() == PREDICTION and row.prediction and row.probabilities:
            self._class(painter, option, index, row)
        elif index.column() == PROBABILITIES and row.probabilities:
            self._bars(painter, option, index, row)
        else:
            super().paint(painter, option, index)

    def _background(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        own = QStyleOptionViewItem(option)
        self.initStyleOption(own, index)
        own.text = ""
        style = own.widget.style() if own.widget is not None else QApplication.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, own, painter, own.widget)

    def _class(
        self, painter: QPainter, option: QStyleOptionViewItem, index: Index, row: Prediction
    ) -> None:
        self._background(painter, option, index)
        box = option.rect.adjusted(8, 0, -4, 0)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(self.colour_of(row.prediction)))
        painter.drawEllipse(QRectF(box.left(), box.center().y() - 3.5, 8, 8))
        painter.setPen(colour("text"))
        text = option.fontMetrics.elidedText(
            row.prediction, Qt.TextElideMode.ElideRight, box.width() - 16
        )
        painter.drawText(box.adjusted(15, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, text)
        painter.restore()

    def _bars(
        self, painter: QPainter, option: QStyleOptionViewItem, index: Index, row: Prediction
    ) -> None:
        self._background(painter, option, index)
        box = option.rect.adjusted(8, 0, -4, 0)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(colour("text"))
        number = QRect(box.left(), box.top(), NUMBER - 8, box.height())
        if math.isfinite(row.probability):
            painter.drawText(
                number,
                Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight,
                f"{100 * row.probability:.1f} %",
            )
        painter.setPen(Qt.PenStyle.NoPen)
        values = dict(row.probabilities)
        order = self._classes if set(values) <= set(self._classes) else tuple(values)
        height = box.height() - 8
        for i, name in enumerate(order[:MOST_BARS]):
            x = box.left() + NUMBER + i * (BAR + GAP)
            if x + BAR > box.right():
                break
            groove = QRectF(x, box.top() + 4, BAR, height)
            painter.setBrush(colour("line", 0.55))
            painter.drawRoundedRect(groove, 2, 2)
            share = max(0.0, min(1.0, values.get(name, 0.0)))
            if share > 0:
                tall = max(1.5, height * share)
                painter.setBrush(colour(self.colour_of(name)))
                painter.drawRoundedRect(QRectF(x, groove.bottom() - tall, BAR, tall), 2, 2)
        painter.restore()


def bars_width(classes: int) -> int:
    """Width of the probability column for this many classes."""
    return 8 + NUMBER + min(classes, MOST_BARS) * (BAR + GAP) + 12
