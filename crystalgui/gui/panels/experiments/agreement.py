"""Measured numbers against the published ones: what a record has where no figure was drawn here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from crystalgui.core.cards import Measured
from crystalgui.gui.theme import colour, font, theme

LEFT, RIGHT, TOP, BOTTOM = 64, 16, 10, 42
"""Room for the axes, pixels."""
NEAR = 8.0
"""So close to a point the mouse asks for it, pixels."""


def comparable(numbers: Sequence[Measured]) -> tuple[Measured, ...]:
    """Those of the most frequent unit that the paper gives too; none when fewer than two."""
    both = [n for n in numbers if math.isfinite(n.value) and math.isfinite(n.published)]
    if not both:
        return ()
    ((unit, count),) = Counter(n.unit for n in both).most_common(1)
    return tuple(n for n in both if n.unit == unit) if count > 1 else ()


def steps(low: float, high: float) -> list[float]:
    """Three to six round numbers from ``low`` to ``high``."""
    raw = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


class AgreementView(QWidget):
    """A point for every number; on the line, both are the same."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.numbers: tuple[Measured, ...] = ()
        self._low, self._high = 0.0, 1.0
        self.setMinimumSize(160, 120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme().changed.connect(self.update)

    def show_numbers(self, numbers: Sequence[Measured]) -> bool:
        """Show what can be compared; whether anything can."""
        self.numbers = comparable(numbers)
        values = [v for n in self.numbers for v in (n.value, n.published)] or [0.0, 1.0]
        margin = 0.06 * (max(values) - min(values)) or 0.5
        self._low, self._high = min(values) - margin, max(values) + margin
        self.setAccessibleName(
            f"{len(self.numbers)} recorded numbers against the published ones"
            if self.numbers
            else "Figure"
        )
        self.update()
        return bool(self.numbers)

    def place(self, number: Measured) -> QPointF:
        """Where a number is drawn."""
        return self._at(number.published, number.value)

    def event(self, event: QEvent) -> bool:
        """The tool tip of a point is its name and both values."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.words(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def words(self, at: QPointF) -> str:
        """What the points at a place are."""
        return "\n".join(
            f"{n.name}: {n.value:.4g}, published {n.published:.4g} {n.unit}".rstrip()
            for n in self.numbers
            if (self.place(n) - at).manhattanLength() <= NEAR
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Grid, line and points."""
        if not self.numbers:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font("number"))
        box = self._box()
        for value in steps(self._low, self._high):
            across, up = self._at(value, self._low), self._at(self._low, value)
            painter.setPen(colour("line"))
            painter.drawLine(across, QPointF(across.x(), box.top()))
            painter.drawLine(up, QPointF(box.right(), up.y()))
            painter.setPen(colour("muted"))
            words = f"{value:.4g}"
            below = QRectF(across.x() - 30, box.bottom() + 3, 60, 16)
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, words)
            beside = QRectF(box.left() - 46, up.y() - 8, 41, 16)
            painter.drawText(
                beside, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, words
            )
        self._names(painter, box)
        painter.setPen(QPen(colour("muted"), 1, Qt.PenStyle.DashLine))
        painter.drawLine(self._at(self._low, self._low), self._at(self._high, self._high))
        painter.setPen(QPen(colour("surface"), 1))
        painter.setBrush(colour("accent"))
        for number in self.numbers:
            painter.drawEllipse(self.place(number), 4.5, 4.5)

    def _names(self, painter: QPainter, box: QRectF) -> None:
        """What the axes are."""
        unit = f" ({self.numbers[0].unit})" if self.numbers[0].unit else ""
        painter.setPen(colour("muted"))
        painter.setFont(font("text"))
        below = QRectF(0, self.height() - 20, self.width(), 18)
        below.setLeft(box.left())
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, f"published{unit}")
        painter.save()
        painter.translate(8, box.center().y())
        painter.rotate(-90)
        along = QRectF(-box.height() / 2, -8, box.height(), 18)
        painter.drawText(along, Qt.AlignmentFlag.AlignCenter, f"recorded{unit}")
        painter.restore()

    def _box(self) -> QRectF:
        return QRectF(self.rect()).adjusted(LEFT, TOP, -RIGHT, -BOTTOM)

    def _at(self, x: float, y: float) -> QPointF:
        box, room = self._box(), self._high - self._low
        across = box.left() + box.width() * (x - self._low) / room
        return QPointF(across, box.bottom() - box.height() * (y - self._low) / room)
