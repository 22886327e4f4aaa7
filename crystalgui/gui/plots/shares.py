"""Bars with a name and a number each: shares of an answer, or what an atom looks at.

Signed bars start from a zero line in the middle and show the standard error;
unsigned ones start at the left.  Bars can be clicked; a row that is long ends
in how many more there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from crystalgui.gui.plots.scale import Scale
from crystalgui.gui.theme import colour, font, theme

ROW = 22.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its standard error (NaN: none), the atoms it is of, and a tool tip.

    ``tint`` is the value whose colour the bar has, where it is another.
    """

    name: str
    value: float
    atoms: tuple[int, ...] = ()
    error: float = math.nan
    tint: float = math.nan
    tip: str = ""


class BarsView(QWidget):
    """Some bars, as high as they need.

    Signals
    -------
    clicked(int)
        Number of the bar.
    """

    clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bars: tuple[Bar, ...] = ()
        self._scale: Scale | None = None
        self._front = -1
        self._marked: frozenset[int] = frozenset()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    # --------------------------------------------------------------- content

    @property
    def bars(self) -> tuple[Bar, ...]:
        """What is shown, from above."""
        return self._bars

    def set_bars(self, bars: Sequence[Bar], scale: Scale | None = None) -> None:
        """Other bars; ``scale`` colours them and says whether they have a sign."""
        self._bars, self._scale = tuple(bars), scale
        self._front = -1
        unit = scale.unit if scale is not None else ""
        self.setAccessibleDescription(
            "; ".join(f"{b.name} {b.value:.3g} {unit}".strip() for b in self._bars)
        )
        self.updateGeometry()
        self.update()

    def mark_atoms(self, atoms: Sequence[int]) -> None:
        """Mark the bars of selected atoms."""
        chosen = set(atoms)
        marked = frozenset(k for k, b in enumerate(self._bars) if chosen & set(b.atoms))
        if marked != self._marked:
            self._marked = marked
            self.update()

    # -------------------------------------------------------------- geometry

    def sizeHint(self) -> QSize:
        """A line a bar."""
        return QSize(280, round(ROW * len(self._bars)) + 2)

    def minimumSizeHint(self) -> QSize:
        """It may be narrow."""
        return QSize(160, self.sizeHint().height())

    def bar_at(self, y: float) -> int:
        """Number of the bar at a height; -1 for none."""
        k = int(y // ROW)
        return k if 0 <= k < len(self._bars) else -1

    # -------------------------------------------------------------- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint in the colours of the mode."""
        painter = QPainter(self)
        self.draw(painter)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        """Paint with the origin at the upper left corner."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font("number"))
        metrics = painter.fontMetrics()
        signed = self._scale is not None and self._scale.kind == "balanced"
        numbers = [_number(bar, signed=signed) for bar in self._bars]
        wide = max((metrics.horizontalAdvance(n) for n in numbers), default=0) + 8
        names = max((metrics.horizontalAdvance(b.name) for b in self._bars), default=0) + 10
        names = min(names, round(0.42 * self.width()))
        left, right = float(names), max(names + 30.0, float(self.width() - wide))
        most = max((_reach(bar) for bar in self._bars), default=0.0) or 1.0
        zero = (left + right) / 2 if signed else left
        unit = (right - zero) / most
        for k, bar in enumerate(self._bars):
            top = k * ROW
            if k in self._marked or k == self._front:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(colour("accent_quiet" if k in self._marked else "quiet"))
                painter.drawRoundedRect(QRectF(0, top, self.width(), ROW), 4, 4)
            painter.setPen(colour("text"))
            shown = metrics.elidedText(bar.name, Qt.TextElideMode.ElideRight, names - 6)
            middle = Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRectF(4, top, names - 4, ROW), middle, shown)
            painter.setPen(Qt.PenStyle.NoPen)
            value = bar.value if math.isfinite(bar.value) else 0.0
            tint = bar.tint if math.isfinite(bar.tint) else value
            ink = self._scale.colour(tint) if self._scale is not None else colour("accent")
            painter.setBrush(ink)
            box = QRectF(zero, top + 6, value * unit, ROW - 12).normalized()
            box.setWidth(max(box.width(), 1.5))
            painter.setPen(QPen(colour("muted", 0.5), 0.6))
            painter.drawRoundedRect(box, 2, 2)
            if math.isfinite(bar.error) and bar.error > 0:
                painter.setPen(QPen(colour("text"), 1.2))
                y, x, e = top + ROW / 2, zero + value * unit, bar.error * unit
                painter.drawLine(QPointF(x - e, y), QPointF(x + e, y))
            painter.setPen(colour("text"))
            at = QRectF(self.width() - wide, top, wide - 4, ROW)
            painter.drawText(at, middle | Qt.AlignmentFlag.AlignRight, numbers[k])
        if signed and self._bars:
            painter.setPen(QPen(colour("muted"), 1))
            painter.drawLine(QPointF(zero, 2), QPointF(zero, ROW * len(self._bars) - 2))

    # ----------------------------------------------------------------- input

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the bar under the pointer."""
        k = self.bar_at(event.position().y())
        if k >= 0:
            self.clicked.emit(k)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Say what is under the pointer."""
        k = self.bar_at(event.position().y())
        self.setToolTip(self._bars[k].tip if k >= 0 else "")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Up and down go through the bars, Return clicks."""
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and self._bars:
            step = 1 if key == Qt.Key.Key_Down else -1
            self._front = min(max(self._front + step, 0), len(self._bars) - 1)
            self.update()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Space) and self._front >= 0:
            self.clicked.emit(self._front)
        else:
            super().keyPressEvent(event)


def _reach(bar: Bar) -> float:
    value = abs(bar.value) if math.isfinite(bar.value) else 0.0
    return value + (bar.error if math.isfinite(bar.error) else 0.0)


def _number(bar: Bar, *, signed: bool) -> str:
    """A number as long as it means something."""
    if not math.isfinite(bar.value):
        return "–"
    if not signed:
        return f"{bar.value:.3g}"
    if math.isfinite(bar.error) and bar.error > 0:
        digits = max(0, min(4, 1 - math.floor(math.log10(bar.error))))
        return f"{bar.value:+.{digits}f} ± {bar.error:.{digits}f}".replace("-", "−")
    return f"{bar.value:+.3f}".replace("-", "−")
