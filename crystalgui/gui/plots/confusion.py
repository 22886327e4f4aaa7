"""Confusion matrix: per cent of each true class, cells that can be clicked.

Rows are true classes and columns predicted ones.  Cells are shaded by their
share of the row, so that a rare class is as visible as a common one; the
count is in the tooltip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from crystalgui.gui.theme import OKABE_ITO, colour, font, theme

GAP = 2.0


class ConfusionPlot(QWidget):
    """A matrix of counts drawn as per cent of the true class.

    Signals
    -------
    cell_clicked : Signal(str, str)
        True class and predicted class of the chosen cell.
    """

    cell_clicked = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._classes: tuple[str, ...] = ()
        self._counts: NDArray[np.int64] = np.zeros((0, 0), dtype=np.int64)
        self._current = (0, 0)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Confusion matrix")
        theme().changed.connect(self.update)

    # ------------------------------------------------------------- content

    def set_matrix(self, classes: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
        """Show counts with rows = true class, columns = predicted class."""
        self._classes = tuple(classes)
        self._counts = np.asarray(counts, dtype=np.int64).reshape(len(classes), len(classes))
        self._current = (0, 0)
        self.setAccessibleDescription(self.description())
        self.update()

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes in order."""
        return self._classes

    def percent(self) -> NDArray[np.float64]:
        """(n, n) float64, per cent of the true class; an absent class has zeros."""
        total = self._counts.sum(axis=1, keepdims=True)
        return np.asarray(100.0 * self._counts / np.maximum(total, 1))

    @property
    def trace(self) -> float:
        """Sum of the diagonal in per cent; 100 n for a perfect model."""
        return float(np.trace(self.percent()))

    def description(self) -> str:
        """One line per class, for screen readers."""
        return "; ".join(
            f"{name}: {value:.1f} % right"
            for name, value in zip(self._classes, np.diag(self.percent()), strict=True)
        )

    # ------------------------------------------------------------ geometry

    def sizeHint(self) -> QSize:
        """Room for five classes."""
        return QSize(300, 220)

    def minimumSizeHint(self) -> QSize:
        """Still readable with five classes."""
        return QSize(200, 150)

    def _frame(self) -> QRectF:
        """The square of cells, right of the row names and below the column names."""
        metrics = QFontMetricsF(self._small())
        left = min(
            max((metrics.horizontalAdvance(c) for c in self._classes), default=0.0) + 10,
            0.35 * self.width(),
        )
        top = metrics.height() + 8
        width = max(1.0, self.width() - left - 4)
        height = max(1.0, self.height() - top - 4)
        return QRectF(left, top, min(width, 1.9 * height), height)

    def cell_rect(self, row: int, column: int) -> QRectF:
        """Rectangle of a cell in widget coordinates."""
        frame, n = self._frame(), max(1, len(self._classes))
        w, h = frame.width() / n, frame.height() / n
        cell = QRectF(frame.left() + column * w, frame.top() + row * h, w, h)
        return cell.adjusted(GAP / 2, GAP / 2, -GAP / 2, -GAP / 2)

    def cell_at(self, point: QPointF) -> tuple[int, int] | None:
        """Row and column under a point."""
        frame, n = self._frame(), len(self._classes)
        if not n or not frame.contains(point):
            return None
        column = int((point.x() - frame.left()) / frame.width() * n)
        row = int((point.y() - frame.top()) / frame.height() * n)
        return min(row, n - 1), min(column, n - 1)

    # ------------------------------------------------------------- drawing

    @staticmethod
    def _small() -> object:
        small = font("text")
        small.setPixelSize(11)
        return small

    def paintEvent(self, _event: QEvent) -> None:
        """Names, shaded cells, per cent."""
        if not self._classes:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        small = self._small()
        painter.setFont(small)
        metrics = QFontMetricsF(small)
        share = self.percent()
        cell = self.cell_rect(0, 0)
        every = max(1, math.ceil(metrics.height() / max(1.0, cell.height() + GAP)))
        form = self._form(metrics, cell)
        for i, name in enumerate(self._classes):
            if i % every == 0:
                self._names(painter, metrics, i, name)
            for j in range(len(self._classes)):
                self._cell(painter, i, j, float(share[i, j]), form)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(colour("accent"), 2))
            painter.drawRoundedRect(self.cell_rect(*self._current), 4, 4)
        painter.end()

    def _names(self, painter: QPainter, metrics: QFontMetricsF, i: int, name: str) -> None:
        painter.setPen(colour("muted"))
        row, column = self.cell_rect(i, 0), self.cell_rect(0, i)
        side = QRectF(0, row.top(), row.left() - 6, row.height())
        above = QRectF(column.left(), 0, column.width(), column.top() - 4)
        elide = Qt.TextElideMode.ElideRight
        side = side.adjusted(0, -side.height(), 0, side.height())  # low rows: it keeps its middle
        painter.drawText(
            side,
            Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
            metrics.elidedText(name, elide, side.width()),
        )
        painter.drawText(
            above,
            Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom,
            metrics.elidedText(name, elide, above.width()),
        )

    @staticmethod
    def _form(metrics: QFontMetricsF, cell: QRectF) -> str:
        """How a number is written in a cell: with a decimal, without, or not at all."""
        if cell.height() >= metrics.ascent():
            for form, widest in ((".1f", "100.0"), (".0f", "100")):
                if metrics.horizontalAdvance(widest) + 2 <= cell.width():
                    return form
        return ""

    def _cell(self, painter: QPainter, i: int, j: int, value: float, form: str) -> None:
        tokens = theme().tokens
        full, empty = QColor(OKABE_ITO[0]), QColor(tokens.quiet)
        weight = (value / 100.0) ** 0.8
        fill = QColor.fromRgbF(
            empty.redF() + weight * (full.redF() - empty.redF()),
            empty.greenF() + weight * (full.greenF() - empty.greenF()),
            empty.blueF() + weight * (full.blueF() - empty.blueF()),
        )
        rect = self.cell_rect(i, j)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        radius = min(4.0, rect.height() / 4)
        painter.drawRoundedRect(rect, radius, radius)
        if not form:
            return
        luminance = 0.2126 * fill.redF() + 0.7152 * fill.greenF() + 0.0722 * fill.blueF()
        painter.setPen(QColor("#ffffff" if luminance < 0.5 else "#1c2430"))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, f"{value:{form}}")

    # -------------------------------------------------------------- events

    def _tip(self, row: int, column: int) -> str:
        count, total = int(self._counts[row, column]), int(self._counts[row].sum())
        return (
            f"{count:,} of {total:,} true {self._classes[row]} were called {self._classes[column]}"
        )

    def event(self, event: QEvent) -> bool:
        """Tooltips by cell."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            cell = self.cell_at(QPointF(event.pos()))
            if cell is None:
                QToolTip.hideText()
            else:
                QToolTip.showText(event.globalPos(), self._tip(*cell), self)
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a cell."""
        cell = self.cell_at(event.position())
        if cell is not None and event.button() == Qt.MouseButton.LeftButton:
            self._choose(*cell)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move between cells, Return chooses one."""
        moves = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }
        n = len(self._classes)
        key = Qt.Key(event.key())
        if n and key in moves:
            step = moves[key]
            self._current = (
                min(max(self._current[0] + step[0], 0), n - 1),
                min(max(self._current[1] + step[1], 0), n - 1),
            )
            self.update()
        elif n and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._choose(*self._current)
        else:
            super().keyPressEvent(event)

    def _choose(self, row: int, column: int) -> None:
        self._current = (row, column)
        self.update()
        self.cell_clicked.emit(self._classes[row], self._classes[column])
