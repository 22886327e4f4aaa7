"""Cells of the Classify table: answers with how sure they are, a bar for each class, reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from crystalgui.core.messages import Answer, Prediction
from crystalgui.gui.state.predictions import answer_of
from crystalgui.gui.state.predictions_table import (
    BASELINE,
    ROW_ROLE,
    Column,
    answer_text,
    certainty,
)
from crystalgui.gui.theme import class_colour, colour

Index = QModelIndex | QPersistentModelIndex
ROW_HEIGHT = 30
PADDING = 11
BAR, GAP, NUMBER, MOST_BARS = 9, 3, 52, 12
STRIP = 3
FAINT = 0.35


class PredictionCells(QStyledItemDelegate):
    """For answers, probabilities and warnings: class colours, bars, reasons.

    An answer that is refused (`set_reject`) is faint; the answer of the
    baseline has a ring instead of a dot.
    """

    def __init__(self, parent: object = None) -> None:
        super().__init__(parent)
        self._columns: tuple[Column, ...] = ()
        self._alone = True
        self._reject = ("", -math.inf)

    def set_columns(self, columns: Sequence[Column]) -> None:
        """What is drawn, with the order and colours of the classes."""
        self._columns = tuple(columns)
        self._alone = sum(column.kind == "answer" for column in columns) < 2

    def set_reject(self, model: str, threshold: float) -> None:
        """Refuse answers of a model that are less sure than this; an empty name: none."""
        self._reject = (model, threshold)

    def rejected(self, answer: Answer) -> bool:
        """Whether an answer is refused."""
        model, threshold = self._reject
        return bool(model) and answer.model == model and certainty(answer) < threshold

    def colour_of(self, name: str, column: int | None = None) -> str:
        """Colour of a class of a column; muted for one that its model does not list."""
        for own in self._columns if column is None else (self._columns[column],):
            if name in own.classes:
                return class_colour(own.classes.index(name))
        return "muted"

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Every row has the same height."""
        hint = super().sizeHint(option, index)
        return QSize(hint.width(), ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw everything here: a Python delegate that asks the style is twice as slow."""
        row: Prediction = index.data(ROW_ROLE)
        column = self._columns[index.column()]
        painter.save()
        painter.setClipRect(option.rect)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, colour("accent_quiet"))
        box = option.rect.adjusted(PADDING, 0, -4, 0)
        answer = answer_of(row, column.model)
        if row.error:
            _text(painter, option, box, index.data(), "bad")
        elif column.kind == "answer" and answer.prediction:
            if self.rejected(answer):
                painter.setOpacity(FAINT)
            self._answer(painter, option, box, answer, index.column())
        elif column.kind == "bars":
            self._bars(painter, box, answer, index.column())
        else:
            token = "warn" if column.kind == "warnings" else "text"
            _text(painter, option, box, index.data(), token)
        painter.restore()

    def _answer(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        box: QRect,
        answer: Answer,
        column: int,
    ) -> None:
        """A dot with the class, or a number; how sure on the right, and shares below."""
        name = answer.prediction if answer.probabilities else answer_text(answer, 3)
        name = f"{name} ({BASELINE})" if answer.default else name
        token = "muted" if answer.default else "text"
        if answer.probabilities:
            ink = colour(self.colour_of(answer.prediction, column))
            dot = QRectF(box.left(), box.center().y() - 3.5, 8, 8)
            painter.setPen(QPen(ink, 1.5) if answer.default else Qt.PenStyle.NoPen)
            painter.setBrush(Qt.BrushStyle.NoBrush if answer.default else ink)
            painter.drawEllipse(dot)
            box = box.adjusted(15, 0, 0, 0)
        sure = _sure(answer, probability=not self._alone)
        if sure:
            painter.setPen(colour("muted"))
            side = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
            painter.drawText(box.adjusted(0, 0, -4, 0), side, sure)
            box = box.adjusted(0, 0, -10 - option.fontMetrics.horizontalAdvance(sure), 0)
        _text(painter, option, box, name, token)
        if answer.probabilities and not self._alone:
            strip = option.rect.adjusted(PADDING, option.rect.height() - STRIP - 1, -PADDING, -1)
            self._strip(painter, strip, answer, column)

    def _strip(self, painter: QPainter, box: QRect, answer: Answer, column: int) -> None:
        """Shares of the likeliest classes side by side, the answer first."""
        left = float(box.left())
        painter.fillRect(box, colour("line", 0.55))
        for name, share in answer.probabilities[:MOST_BARS]:
            wide = share * box.width()
            if wide < 1:
                break
            ink = colour(self.colour_of(name, column))
            painter.fillRect(QRectF(left, box.top(), wide, box.height()), ink)
            left += wide

    def _bars(self, painter: QPainter, box: QRect, answer: Answer, column: int) -> None:
        if math.isfinite(answer.probability):
            painter.setPen(colour("text"))
            number = QRect(box.left(), box.top(), NUMBER - 8, box.height())
            side = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
            painter.drawText(number, side, f"{100 * answer.probability:.1f} %")
        painter.setPen(Qt.PenStyle.NoPen)
        values = dict(answer.probabilities)
        classes = self._columns[column].classes
        order = classes if set(values) <= set(classes) else tuple(values)
        groove = colour("line", 0.55)
        height = box.height() - 8
        for i, name in enumerate(order[:MOST_BARS]):
            x = box.left() + NUMBER + i * (BAR + GAP)
            if x + BAR > box.right():
                break
            painter.fillRect(x, box.top() + 4, BAR, height, groove)
            share = max(0.0, min(1.0, values.get(name, 0.0)))
            tall = max(1, round(height * share)) if share > 0 else 0
            ink = colour(self.colour_of(name, column))
            painter.fillRect(x, box.top() + 4 + height - tall, BAR, tall, ink)


def _sure(answer: Answer, *, probability: bool) -> str:
    """Probability and spread of a class as short as they can be: ``91 ± 2 %``."""
    if not answer.probabilities:
        return ""
    spread = math.isfinite(answer.spread)
    words = [f"{100 * answer.probability:.0f}"] if probability else []
    words += [f"± {100 * answer.spread:.0f}"] if spread else []
    return f"{' '.join(words)} %" if words else ""


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
