"""Small multiples: how the weights of every head of every layer are distributed.

A row a layer, a column a head; nothing is averaged over heads.  A cell is the
histogram of the weights on a logarithmic axis that all cells share, and below it
the mean entropy over the largest possible: left looks at one, right at all alike.
A click or the arrow keys choose the head that is drawn on the crystal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from crystalgui.gui.theme import colour, font, theme

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crystalgui.core.messages import AttentionMap

BINS = 18
LOWEST = -4
"""Decade at which the axis begins at the latest; weaker weights are counted there."""
LABEL = 58.0
ROW, GAP = 58.0, 6.0
NARROW = 44.0
MOST_WIDE = 150.0


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One head: its place, its histogram as shares, its entropy and the largest, nats."""

    layer: str
    head: int
    counts: NDArray[np.float64]
    entropy: float
    most: float

    @property
    def evenness(self) -> float:
        """Entropy over the largest possible, 0 to 1."""
        return self.entropy / self.most if self.most > 0 else 0.0


def first_decade(matrices: Sequence[NDArray[np.floating]]) -> int:
    """Decade of the smallest positive weight, from `LOWEST` to -1."""
    least = min((float(m[m > 0].min()) for m in matrices if (m > 0).any()), default=0.1)
    return int(np.clip(np.floor(np.log10(least) + 1e-9), LOWEST, -1))


def histogram(matrix: NDArray[np.floating], first: int = LOWEST) -> NDArray[np.float64]:
    """(BINS,) shares of the positive weights of a matrix from 10^first to 1, in decades."""
    weights = np.asarray(matrix, dtype=np.float64).ravel()
    weights = weights[weights > 0]
    if not len(weights):
        return np.zeros(BINS)
    at = 1 - np.log10(np.clip(weights, 10.0**first, 1.0)) / first
    counts, _ = np.histogram(at, bins=BINS, range=(0.0, 1.0 + 1e-12))
    return np.asarray(counts / len(weights))


class HeadsView(QWidget):
    """The small multiples.

    Signals
    -------
    chosen(str, int)
        Layer and head.
    """

    chosen = Signal(str, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cells: list[Cell] = []
        self._layers: list[str] = []
        self._now: tuple[str, int] = ("", 0)
        self._under: Cell | None = None
        self._first = LOWEST
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Weights of every head, by layer")
        theme().changed.connect(self.update)

    # --------------------------------------------------------------- content

    @property
    def cells(self) -> tuple[Cell, ...]:
        """What is drawn, layer by layer."""
        return tuple(self._cells)

    @property
    def current(self) -> tuple[str, int]:
        """Layer and head that are chosen."""
        return self._now

    def set_maps(self, maps: Sequence[AttentionMap]) -> None:
        """Heads of another answer; the choice stays where there is such a head."""
        self._first = first_decade([m.matrix for m in maps])
        self._cells = [
            Cell(m.layer, m.head, histogram(m.matrix, self._first), m.mean, m.most) for m in maps
        ]
        self._layers = list(dict.fromkeys(cell.layer for cell in self._cells))
        if self._now not in [(c.layer, c.head) for c in self._cells]:
            self._now = (self._cells[0].layer, self._cells[0].head) if self._cells else ("", 0)
        self._describe()
        self.updateGeometry()
        self.update()

    def choose(self, layer: str, head: int) -> None:
        """Choose a head."""
        if (layer, head) != self._now and any(
            (c.layer, c.head) == (layer, head) for c in self._cells
        ):
            self._now = (layer, head)
            self._describe()
            self.update()
            self.chosen.emit(layer, head)

    def text_of(self, cell: Cell) -> str:
        """A head in words."""
        return (
            f"{cell.layer}, head {cell.head}: mean entropy {cell.entropy:.3f} of at most "
            f"{cell.most:.3f} nat ({100 * cell.evenness:.0f} %)"
        )

    def _describe(self) -> None:
        cell = next((c for c in self._cells if (c.layer, c.head) == self._now), None)
        self.setAccessibleDescription(self.text_of(cell) if cell is not None else "")

    # -------------------------------------------------------------- geometry

    @property
    def columns(self) -> int:
        """Heads of the layer that has most."""
        return max((c.head for c in self._cells), default=0)

    def sizeHint(self) -> QSize:
        """A row a layer."""
        rows = max(1, len(self._layers))
        return QSize(round(LABEL + 90 * max(1, self.columns)), round(rows * (ROW + GAP) + 16))

    def minimumSizeHint(self) -> QSize:
        """Narrow cells."""
        wide = round(LABEL + NARROW * max(1, self.columns))
        return QSize(min(wide, 420), self.sizeHint().height())

    def place(self, cell: Cell) -> QRectF:
        """Where a head is drawn."""
        count = max(1, self.columns)
        wide = min(MOST_WIDE, (self.width() - LABEL - 2) / count)
        row = self._layers.index(cell.layer)
        return QRectF(LABEL + (cell.head - 1) * wide, row * (ROW + GAP), wide - GAP, ROW)

    def cell_at(self, point: QPointF) -> Cell | None:
        """The head at a point."""
        return next((c for c in self._cells if self.place(c).contains(point)), None)

    # -------------------------------------------------------------- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint in the colours of the mode."""
        painter = QPainter(self)
        self.draw(painter)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        """Paint with the origin at the upper left corner."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        small = font("number")
        small.setPixelSize(11)
        painter.setFont(small)
        metrics = QFontMetricsF(small)
        painter.setPen(colour("muted"))
        for row, layer in enumerate(self._layers):
            box = QRectF(4, row * (ROW + GAP), LABEL - 8, ROW)
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap, layer)
        for cell in self._cells:
            self._draw_cell(painter, cell, metrics)
        if self._cells:
            box = self.place(self._cells[0])
            top = len(self._layers) * (ROW + GAP) + metrics.ascent() - 2
            painter.setPen(colour("muted"))
            painter.drawText(QPointF(box.left(), top), f"{10.0**self._first:g}")
            painter.drawText(QPointF(box.right() - metrics.horizontalAdvance("1"), top), "1")
            if self.width() > box.right() + 120:
                words = "weight, the same axis in every cell; line: entropy / largest"
                room = self.width() - box.right() - GAP - 2
                shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, room)
                painter.drawText(QPointF(box.right() + GAP + 4, top), shown)

    def _draw_cell(self, painter: QPainter, cell: Cell, metrics: QFontMetricsF) -> None:
        box = self.place(cell)
        now = (cell.layer, cell.head) == self._now
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("accent_quiet" if now else "quiet"))
        painter.drawRoundedRect(box, 5, 5)
        plot = box.adjusted(5, 16, -5, -12)
        painter.setBrush(colour("accent" if now else "muted", 1.0 if now else 0.75))
        tall = max(float(cell.counts.max(initial=0.0)), 1e-9)
        step = plot.width() / BINS
        for k, share in enumerate(cell.counts):
            if share > 0:
                height = max(1.0, plot.height() * float(share) / tall)
                at = QRectF(plot.left() + k * step, plot.bottom() - height, step - 0.8, height)
                painter.drawRect(at)
        groove = QRectF(plot.left(), plot.bottom() + 4, plot.width(), 3)
        painter.setBrush(colour("line"))
        painter.drawRoundedRect(groove, 1.5, 1.5)
        groove.setWidth(max(2.0, groove.width() * min(1.0, cell.evenness)))
        painter.setBrush(colour("warn"))
        painter.drawRoundedRect(groove, 1.5, 1.5)
        painter.setPen(colour("text" if now else "muted"))
        painter.drawText(QPointF(box.left() + 5, box.top() + 12), f"{cell.head}")
        number = f"{cell.entropy:.2f} nat" if box.width() > 78 else f"{cell.entropy:.2f}"
        right = box.right() - 5 - metrics.horizontalAdvance(number)
        painter.drawText(QPointF(right, box.top() + 12), number)
        if now and self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour("accent"), 1.4))
            painter.drawRoundedRect(box, 5, 5)

    # ----------------------------------------------------------------- input

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the head under the pointer."""
        cell = self.cell_at(event.position())
        if cell is not None:
            self.choose(cell.layer, cell.head)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the head under the pointer."""
        cell = self.cell_at(event.position())
        if cell is not self._under:
            self._under = cell
            self.setToolTip(self.text_of(cell) if cell is not None else "")

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        self._under = None
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows go from head to head and from layer to layer."""
        steps = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }
        step = steps.get(Qt.Key(event.key()))
        if step is None or self._now[0] not in self._layers:
            super().keyPressEvent(event)
            return
        row = self._layers.index(self._now[0]) + step[0]
        if 0 <= row < len(self._layers):
            self.choose(self._layers[row], self._now[1] + step[1])
