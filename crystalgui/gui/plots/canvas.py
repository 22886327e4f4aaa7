"""The plot every plot starts from: themed axes, one redraw clock, vector export.

A plot never draws when its data change: it calls `mark`, and the clock calls
`redraw` at the next frame in which it is visible.
"""

from __future__ import annotations

from pathlib import Path

import pyqtgraph as pg
from PySide6.QtCore import QMarginsF, QRectF, QSize, QSizeF
from PySide6.QtGui import (
    QHideEvent,
    QImage,
    QMouseEvent,
    QPageSize,
    QPainter,
    QPdfWriter,
    QShowEvent,
)
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QGraphicsView, QWidget

from crystalgui.gui.plots.clock import clock
from crystalgui.gui.theme import font, theme


class Plot(pg.PlotWidget):
    """A plot with labelled axes that follows the theme.

    Parameters
    ----------
    x, y : str
        Axis labels, with the unit: ``"energy, eV"``.
    """

    def __init__(self, x: str = "", y: str = "", parent: QWidget | None = None) -> None:
        # without pyqtgraph's own menus: they take a third of the time
        super().__init__(parent, background=None, enableMenu=False)
        self.setFrameShape(self.Shape.NoFrame)
        self.hideButtons()
        self.setMinimumSize(160, 110)
        self.set_axes(x, y)
        self.showGrid(x=False, y=True, alpha=1.0)
        for side in ("bottom", "left"):  # the grid belongs to the axes: below the data
            self.getAxis(side).setZValue(-1)
        self.destroyed.connect(clock().rest)
        theme().changed.connect(self._follow_theme)
        self._follow_theme()

    # ------------------------------------------------------------- drawing

    def mark(self) -> None:
        """Data changed: draw at the next frame in which this is visible."""
        clock().mark(self)

    def redraw(self) -> None:
        """Bring the items up to date; the clock calls it."""

    def apply_theme(self) -> None:
        """Recolour own items; called after the axes followed the theme."""

    def set_axes(self, x: str, y: str) -> None:
        """Change the axis labels; an empty one takes no room."""
        for side, text in (("bottom", x), ("left", y)):
            axis = self.getAxis(side)
            # no ranges first: switching prefixes off would still apply one, a last time
            axis.setLabel(text or None, siPrefixEnableRanges=())
            axis.enableAutoSIPrefix(False)
            axis.showLabel(bool(text))

    def _follow_theme(self) -> None:
        tokens = theme().tokens
        self.setBackground(tokens.surface)
        small = font("text")
        small.setPixelSize(11)
        for side in ("bottom", "left"):
            axis = self.getAxis(side)
            axis.setPen(pg.mkPen(tokens.line))
            axis.setTickPen(pg.mkPen(tokens.line))
            axis.setTextPen(tokens.muted)
            axis.setStyle(tickFont=small, tickLength=0, maxTickLevel=0)
            axis.setTickDensity(0.8)
            axis.label.setFont(small)
        self.apply_theme()
        self.mark()

    # ------------------------------------------------------------- events

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what changed while hidden."""
        super().showEvent(event)
        self.mark()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: let the clock rest."""
        super().hideEvent(event)
        clock().rest()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show everything again."""
        self.enableAutoRange()
        super().mouseDoubleClickEvent(event)

    # ------------------------------------------------------------- export

    def save(self, path: Path, scale: float = 2.0) -> None:
        """Write what is shown: ``.pdf`` and ``.svg`` as vectors, else a picture."""
        self.redraw()
        kind, size = path.suffix.lower(), self.size()
        device: QPdfWriter | QSvgGenerator | QImage
        if kind == ".pdf":
            device = _pdf(path, size)
        elif kind == ".svg":
            device = _svg(path, size)
        else:
            device = QImage(size * scale, QImage.Format.Format_ARGB32)
            device.fill(theme().tokens.surface)
        painter = QPainter(device)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        target = QRectF(0, 0, device.width(), device.height())
        QGraphicsView.render(self, painter, target, self.rect())
        painter.end()
        if isinstance(device, QImage):
            device.save(str(path))


def _pdf(path: Path, size: QSize) -> QPdfWriter:
    writer = QPdfWriter(str(path))
    writer.setResolution(288)
    points = QSizeF(0.75 * size.width(), 0.75 * size.height())
    writer.setPageSize(QPageSize(points, QPageSize.Unit.Point, "plot"))
    writer.setPageMargins(QMarginsF(0, 0, 0, 0))
    return writer


def _svg(path: Path, size: QSize) -> QSvgGenerator:
    generator = QSvgGenerator()
    generator.setFileName(str(path))
    generator.setSize(size)
    generator.setViewBox(QRectF(0, 0, size.width(), size.height()))
    return generator
