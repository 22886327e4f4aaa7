"""The flow of Wannier charge centres, and the line of largest gaps that reads it.

The picture of Soluyanov and Vanderbilt, Phys. Rev. B 83, 235401 (2011), figure
3: dots are charge centres against the number of the line, the line follows the
middle of the largest gap, and every dot it passes carries a ring.  An odd
number of rings is a topological plane.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from crystalgui.core.reports.certificate import surface_words, wrapped_line
from crystalgui.gui.plots.bands import DARK_OCCUPIED, OCCUPIED
from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import PHASE_COLOURS, theme

if TYPE_CHECKING:
    from crystalgui.core.physics.wilson import WilsonFlow

LINE = PHASE_COLOURS["metal"]
SUM = PHASE_COLOURS["weyl"]
RING = PHASE_COLOURS["topological"]


class FlowPlot(Plot):
    """Charge centres in [0, 1) against t in [0, 1].

    Signals
    -------
    picked(float)
        t of the line of k-points that was clicked.
    """

    picked = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._flow: WilsonFlow | None = None
        self._rings: tuple[np.ndarray, np.ndarray] = (np.zeros(0), np.zeros(0))
        self._show_sum = False
        self._at = -1
        super().__init__("t", "charge centre", parent)
        self.showGrid(x=False, y=False)
        self.setMouseTracking(True)
        box = self.getPlotItem().getViewBox()
        box.setMouseEnabled(x=False, y=False)
        self.setXRange(0.0, 1.0, padding=0.02)
        self.setYRange(0.0, 1.0, padding=0.02)
        self._frame = [pg.InfiniteLine(pos=y, angle=0, movable=False) for y in (0.0, 1.0)]
        self._gap = pg.PlotCurveItem(connect="finite", antialias=True)
        self._middle = pg.ScatterPlotItem(symbol="d", size=7, pxMode=True)
        self._sum = pg.PlotCurveItem(connect="finite", antialias=True)
        self._dots = pg.ScatterPlotItem(size=4.5, pxMode=True)
        self._crossed = pg.ScatterPlotItem(size=11, pxMode=True)
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        items = (*self._frame, self._cursor, self._gap, self._sum, self._dots, self._middle)
        for item in (*items, self._crossed):
            self.addItem(item, ignoreBounds=True)
        self._readout = Readout(self)
        self.getAxis("left").setTicks([[(v, f"{v:g}") for v in (0.0, 0.25, 0.5, 0.75, 1.0)], []])
        self.getAxis("bottom").setTicks([[(v, f"{v:g}") for v in (0.0, 0.25, 0.5, 0.75, 1.0)], []])
        self.apply_theme()

    # ------------------------------------------------------------- content

    def set_flow(
        self,
        flow: WilsonFlow | None,
        crossed: tuple[np.ndarray, np.ndarray] | None = None,
        *,
        show_sum: bool = False,
    ) -> None:
        """Show a flow.

        Parameters
        ----------
        flow : WilsonFlow or None
        crossed : (t, centre), optional
            Charge centres that the line of largest gaps passes.
        show_sum : bool
            Draw the sum of all centres, whose turns are the Chern number,
            instead of the line of largest gaps.
        """
        self._flow, self._show_sum, self._at = flow, show_sum, -1
        self._rings = crossed if crossed is not None else (np.zeros(0), np.zeros(0))
        self._readout.show_text("")
        if flow is not None:
            self.set_axes(surface_text(flow), "charge centre")
        self.mark()

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    # ------------------------------------------------------------- drawing

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_readout"):
            return
        tokens = theme().tokens
        dots = DARK_OCCUPIED if tokens.dark else OCCUPIED
        for line in self._frame:
            line.setPen(pg.mkPen(tokens.line, width=1))
        self._cursor.setPen(pg.mkPen(tokens.line, width=1))
        self._dots.setPen(None)
        self._dots.setBrush(pg.mkBrush(dots))
        self._gap.setPen(pg.mkPen(LINE, width=1, style=Qt.PenStyle.DashLine))
        self._middle.setPen(None)
        self._middle.setBrush(pg.mkBrush(LINE))
        self._sum.setPen(pg.mkPen(SUM, width=1))
        self._crossed.setPen(pg.mkPen(RING, width=2))
        self._crossed.setBrush(None)

    def redraw(self) -> None:
        """Bring every item up to date."""
        flow = self._flow
        items = (self._gap, self._middle, self._sum, self._dots, self._crossed)
        for item in items:
            item.setVisible(flow is not None)
        self._cursor.setVisible(flow is not None and self._at >= 0)
        if flow is None:
            return
        n = flow.centres.shape[1]
        self._dots.setData(np.repeat(flow.t, n), flow.centres.ravel())
        self._gap.setData(*wrapped_line(flow.t, flow.gap))
        self._middle.setData(flow.t, flow.gap)
        self._sum.setData(*wrapped_line(flow.t, flow.centres.sum(axis=1) % 1.0))
        self._crossed.setData(*self._rings)
        for item in (self._gap, self._middle, self._crossed):
            item.setVisible(not self._show_sum)
        self._sum.setVisible(self._show_sum)
        if self._at >= 0:
            self._cursor.setValue(float(flow.t[self._at]))

    # ------------------------------------------------------------- pointer

    def nearest(self, at: QPointF) -> int:
        """Line of k-points nearest to a position in the widget, or -1."""
        box = self.getPlotItem().getViewBox()
        if self._flow is None or not box.sceneBoundingRect().contains(at):
            return -1
        return int(np.abs(self._flow.t - box.mapSceneToView(at).x()).argmin())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the nearest line."""
        super().mouseMoveEvent(event)
        at = self.mapToScene(event.position().toPoint())
        self._point(self.nearest(at), at)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click picks the line."""
        super().mouseReleaseEvent(event)
        row = self.nearest(self.mapToScene(event.position().toPoint()))
        if self._flow is not None and row >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.picked.emit(float(self._flow.t[row]))

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        super().leaveEvent(event)
        self._point(-1, QPointF())

    def _point(self, row: int, at: QPointF) -> None:
        flow = self._flow
        self._at = row
        if flow is None or row < 0:
            self._readout.show_text("")
        else:
            y = self.getPlotItem().getViewBox().mapSceneToView(at).y()
            apart = np.abs(flow.centres[row] - y)
            centre = flow.centres[row, int(np.minimum(apart, 1 - apart).argmin())]
            self._readout.show_text(
                f"t = {flow.t[row]:.3f}   centre {centre:.3f}   "
                f"gap {flow.gap_size[row]:.3f} at {flow.gap[row]:.3f}   "
                f"{flow.points[row]} k-points"
            )
        self.mark()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the readout in its corner."""
        super().resizeEvent(event)
        if hasattr(self, "_readout"):
            self._readout.place()


def surface_text(flow: WilsonFlow) -> str:
    """``t, on the plane k = (0, ½ t, s)``."""
    return f"t, lines of k = {surface_words(flow.surface)}"
