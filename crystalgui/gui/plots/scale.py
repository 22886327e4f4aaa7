"""From numbers to colours, and the bar that says which: what a crystal is painted with.

Weights span decades, so theirs is a logarithmic scale; shares of an answer have
a sign, so theirs is balanced: zero in the middle, the same length on both sides.
What is strong stands out from the ground in both modes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from crystalgui.gui import theme as look
from crystalgui.gui.theme import colour, font, theme

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

DECADES = 4
"""A logarithmic scale shows at most so many below its largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Which number has which colour.

    ``name`` is what is painted, with ``unit``; a balanced scale goes from
    ``-high`` to ``high``.
    """

    kind: Literal["log", "balanced"]
    low: float
    high: float
    name: str = ""
    unit: str = ""

    @classmethod
    def log(cls, values: ArrayLike, name: str, unit: str = "") -> Scale:
        """A logarithmic scale over positive values, between round numbers."""
        found = np.asarray(values, dtype=np.float64).ravel()
        found = found[np.isfinite(found) & (found > 0)]
        if not len(found):
            return cls(kind="log", low=0.1, high=1.0, name=name, unit=unit)
        high = _round(float(found.max()), up=True)
        low = _round(max(float(found.min()), high * 10.0**-DECADES), up=False)
        if low > high / 1.9:
            low = _round(high / 2, up=False)
        return cls(kind="log", low=low, high=high, name=name, unit=unit)

    @classmethod
    def balanced(cls, values: ArrayLike, name: str, unit: str = "") -> Scale:
        """A scale with zero in the middle that reaches the largest modulus."""
        found = np.abs(np.asarray(values, dtype=np.float64).ravel())
        high = float(found[np.isfinite(found)].max(initial=0.0)) or 1.0
        return cls(kind="balanced", low=-high, high=high, name=name, unit=unit)

    def shares(self, values: ArrayLike) -> NDArray[np.float64]:
        """Places of values on the scale, 0 to 1; rising with the value."""
        v = np.asarray(values, dtype=np.float64)
        if self.kind == "balanced":
            return np.clip(0.5 + v / (2 * self.high), 0.0, 1.0)
        safe = np.log(np.maximum(v, 1e-300))
        low, high = math.log(self.low), math.log(self.high)
        return np.clip((safe - low) / (high - low), 0.0, 1.0)

    def table(self) -> NDArray[np.uint8]:
        """(256, 3) uint8, colours from low to high in the mode in force."""
        if self.kind == "balanced":
            return np.asarray(look.diverging[:, :3])
        found = look.sequential[:, :3]
        return np.asarray(found if theme().tokens.dark else found[::-1])

    def colours(self, values: ArrayLike) -> NDArray[np.uint8]:
        """(n, 3) uint8, colours of values."""
        return self.table()[np.round(255 * self.shares(values)).astype(int)]

    def colour(self, value: float) -> QColor:
        """The colour of one value."""
        r, g, b = (int(c) for c in self.colours([value])[0])
        return QColor(r, g, b)

    def ticks(self) -> list[tuple[float, str]]:
        """Values that the bar names."""
        if self.kind == "balanced":
            values = [-self.high, 0.0, self.high]
            return [(v, f"{v:+.2g}".replace("-", "−") if v else "0") for v in values]
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        inner = [10.0**k for k in range(first, last + 1)]
        values = sorted({self.low, *inner, self.high})
        return [(v, f"{v:.2g}") for v in values]


def _round(value: float, *, up: bool) -> float:
    """1, 2 or 5 times a power of ten, at or beyond a positive value."""
    power = 10.0 ** math.floor(math.log10(value) + 1e-12)
    steps = (1.0, 2.0, 5.0, 10.0)
    at = value / power
    if up:
        return power * next(s for s in steps if s >= at - 1e-9)
    return power * next(s for s in reversed(steps) if s <= at + 1e-9)


class ScaleBar(QWidget):
    """The colours of a `Scale` with its ticks, its name and unit; empty without one."""

    HEIGHT = 40

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scale: Scale | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    @property
    def scale(self) -> Scale | None:
        """What is shown."""
        return self._scale

    def set_scale(self, scale: Scale | None) -> None:
        """Show another scale; None hides the bar."""
        self._scale = scale
        self.setVisible(scale is not None)
        if scale is not None:
            kind = "logarithmic" if scale.kind == "log" else "balanced"
            self.setAccessibleName(
                f"{kind} colour scale, {scale.name}: {scale.low:.3g} to {scale.high:.3g} "
                f"{scale.unit}".strip()
            )
        self.update()

    def sizeHint(self) -> QSize:
        """One line of words, one of colours, one of numbers."""
        return QSize(260, self.HEIGHT)

    def minimumSizeHint(self) -> QSize:
        """It may be narrow."""
        return QSize(140, self.HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bar."""
        painter = QPainter(self)
        self.draw(painter)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        """Draw with the origin at the upper left corner."""
        if self._scale is not None:
            paint_scale(painter, self._scale, self.width())


def paint_scale(painter: QPainter, scale: Scale, room: float) -> None:
    """Words, colours and numbers of a scale in ``room`` pixels across, `ScaleBar.HEIGHT` down."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    small = font("number")
    small.setPixelSize(11)
    painter.setFont(small)
    metrics = QFontMetricsF(small)
    kind = "logarithmic" if scale.kind == "log" else ""
    words = ", ".join(w for w in (scale.name, kind, scale.unit) if w)
    painter.setPen(colour("muted"))
    title = metrics.elidedText(words, Qt.TextElideMode.ElideRight, room - 8)
    painter.drawText(QPointF(4, metrics.ascent()), title)
    bar = QRectF(14, 16, max(60.0, min(room - 28, 420.0)), 8)
    gradient = QLinearGradient(bar.topLeft(), bar.topRight())
    table = scale.table()
    for i in range(0, 256, 15):
        r, g, b = (int(v) for v in table[i])
        gradient.setColorAt(i / 255, QColor(r, g, b))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(gradient)
    painter.drawRoundedRect(bar, 2, 2)
    painter.setPen(colour("muted"))
    right = -math.inf
    for value, text in scale.ticks():
        x = bar.left() + bar.width() * float(scale.shares([value])[0])
        width = metrics.horizontalAdvance(text)
        if x - width / 2 > right:
            painter.drawText(QPointF(x - width / 2, bar.bottom() + 13), text)
            right = x + width / 2 + 6


def picture_above(
    image: NDArray[np.uint8], scale: Scale, height: int, *, transparent: bool = False
) -> NDArray[np.uint8]:
    """A picture (h, w, 4) with its scale below, (height, w, 4)."""
    rows, width = image.shape[:2]
    sheet = QImage(width, height, QImage.Format.Format_RGBA8888)
    sheet.fill(Qt.GlobalColor.transparent if transparent else colour("surface"))
    painter = QPainter(sheet)
    data = np.ascontiguousarray(image)
    painter.drawImage(0, 0, QImage(data.data, width, rows, QImage.Format.Format_RGBA8888))
    factor = (height - rows) / (ScaleBar.HEIGHT + 4)
    painter.translate(0, rows)
    painter.scale(factor, factor)
    paint_scale(painter, scale, width / factor)
    painter.end()
    bits = np.frombuffer(sheet.constBits(), np.uint8)
    return (
        bits.reshape(height, sheet.bytesPerLine())[:, : 4 * width].reshape(height, width, 4).copy()
    )
