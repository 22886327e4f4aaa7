"""A few lines against a whole number: singular values, errors of a bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import colour, theme

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """Values (p,) at x (p,), a name for the legend, a colour token."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    ink: str = "accent"


class SeriesPlot(Plot):
    """Lines with a dot at every value, on a logarithmic axis when asked."""

    def __init__(self, x: str, y: str, parent: QWidget | None = None) -> None:
        self._lines: tuple[Line, ...] = ()
        self._curves: list[pg.PlotDataItem] = []
        self._edge: float | None = None
        self._log = False
        super().__init__(x, y, parent)
        self.setMouseTracking(True)
        self.getPlotItem().getViewBox().setMouseEnabled(x=False, y=False)
        self._mark = pg.InfiniteLine(angle=90, movable=False)
        self._mark.hide()
        self.addItem(self._mark, ignoreBounds=True)
        self._legend = self.addLegend(offset=(-8, 8), labelTextSize="11px", brush=None, pen=None)
        self._legend.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._readout = Readout(self)
        self.apply_theme()

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    def set_lines(self, lines: Sequence[Line], edge: float | None = None) -> None:
        """Other lines; ``edge`` is marked by a vertical line."""
        self._lines, self._edge = tuple(lines), edge
        self.mark()

    def set_log(self, on: bool) -> None:
        """The vertical axis on a logarithmic scale."""
        self._log = on
        self.getPlotItem().setLogMode(x=False, y=on)
        self.mark()

    def redraw(self) -> None:
        """Bring the curves up to date."""
        while len(self._curves) < len(self._lines):
            curve = pg.PlotDataItem(antialias=True, symbol="o", symbolSize=4.5)
            self.addItem(curve)
            self._curves.append(curve)
        self._legend.clear()
        for place, curve in enumerate(self._curves):
            line = self._lines[place] if place < len(self._lines) else None
            curve.setVisible(line is not None)
            if line is None:
                continue
            y = np.where(line.y > 0, line.y, np.nan) if self._log else line.y
            curve.setData(line.x, y)
            if line.name and len(self._lines) > 1:
                self._legend.addItem(curve, line.name)
        self._mark.setVisible(self._edge is not None)
        if self._edge is not None:
            self._mark.setValue(self._edge)
        self.apply_theme()
        self.enableAutoRange()

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_readout"):
            return
        for curve, line in zip(self._curves, self._lines, strict=False):
            ink = colour(line.ink)
            curve.setPen(pg.mkPen(ink, width=1.5))
            curve.setSymbolBrush(pg.mkBrush(ink))
            curve.setSymbolPen(None)
        self._mark.setPen(pg.mkPen(theme().tokens.muted, width=1, style=Qt.PenStyle.DashLine))
        self._legend.setLabelTextColor(colour("muted"))
        for _, words in self._legend.items:
            words.setText(words.text, color=theme().tokens.muted)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the values at the nearest whole number."""
        super().mouseMoveEvent(event)
        box = self.getPlotItem().getViewBox()
        at = self.mapToScene(event.position().toPoint())
        if not self._lines or not box.sceneBoundingRect().contains(at):
            self._readout.show_text("")
            return
        where = box.mapSceneToView(at).x()
        words = []
        for line in self._lines:
            if len(line.x):
                near = int(np.abs(line.x - where).argmin())
                head = f"{line.x[near]:g}: " if not words else ""
                words.append(f"{head}{line.name} {line.y[near]:.3g}".strip())
        self._readout.show_text("   ".join(words))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The ranges belong to the lines; nothing to reset."""
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        super().leaveEvent(event)
        self._readout.show_text("")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the readout in its corner."""
        super().resizeEvent(event)
        if hasattr(self, "_readout"):
            self._readout.place()
