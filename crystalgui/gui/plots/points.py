"""Points coloured by phase: a plane of two hoppings, a t-SNE map, gaps along a mixture.

Figures 14 and 24 of Bird (2023) are such clouds.  The rare phases are drawn
last, so that the common ones do not bury them; a click names the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import colour, phase_colour, theme

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH = 14.0
"""A point is read from this far away, pixels."""
FLOOR = 1e-6
"""Smaller values stand here on a logarithmic axis."""
SIZES = ((600, 7.0), (2500, 5.5), (10**9, 4.0))
"""Diameter of a point, pixels, up to so many of them."""


class PhaseCloud(Plot):
    """A scatter of samples.

    Signals
    -------
    picked(int)
        Row of the data set of the point that was clicked.
    """

    picked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._x: NDArray[np.float64] = np.zeros(0)
        self._y: NDArray[np.float64] = np.zeros(0)
        self._kind: NDArray[np.int64] = np.zeros(0, np.int64)
        self._rows: NDArray[np.int64] = np.zeros(0, np.int64)
        self._names: tuple[str, ...] = ()
        self._say: Callable[[int], str] = lambda _row: ""
        self._log = False
        self._chosen = -1
        self._fresh = True
        self._clouds: list[pg.ScatterPlotItem] = []
        super().__init__("", "", parent)
        self.showGrid(x=False, y=False)
        self.setMouseTracking(True)
        self._ring = pg.ScatterPlotItem(size=13, pxMode=True)
        self._ring.setZValue(50)
        self.addItem(self._ring, ignoreBounds=True)
        self._readout = Readout(self)
        self._pressed: QPointF | None = None
        self.apply_theme()

    # -------------------------------------------------------------- content

    def set_points(
        self,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        kind: NDArray[np.int64],
        names: Sequence[str],
        rows: NDArray[np.int64],
        say: Callable[[int], str],
    ) -> None:
        """Other points.

        Parameters
        ----------
        x, y : (p,) float64
        kind : (p,) int64, row of ``names``
        names : phases
        rows : (p,) int64, rows of the data set
        say : what the pointer reads of a row of the data set
        """
        self._x, self._y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        self._kind, self._rows = np.asarray(kind), np.asarray(rows)
        self._names, self._say = tuple(names), say
        self._fresh = True
        self.mark()

    def set_log(self, on: bool) -> None:
        """The vertical axis on a logarithmic scale."""
        if on != self._log:
            self._log = on
            self.getPlotItem().setLogMode(x=False, y=on)
            self._fresh = True
            self.mark()

    def choose(self, row: int) -> None:
        """Ring the point of a row of the data set; -1 rings none."""
        self._chosen = row
        self.mark()

    @property
    def count(self) -> int:
        """Points that are drawn."""
        return len(self._rows)

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    # -------------------------------------------------------------- drawing

    def _heights(self) -> NDArray[np.float64]:
        return np.log10(np.maximum(self._y, FLOOR)) if self._log else self._y

    def redraw(self) -> None:
        """Bring clouds and ring up to date."""
        if self._fresh:
            self._fresh = False
            self._fill()
        place = np.flatnonzero(self._rows == self._chosen)
        heights = self._heights()
        self._ring.setData(self._x[place], heights[place])

    def _fill(self) -> None:
        counts = np.bincount(self._kind, minlength=len(self._names)) if len(self._kind) else []
        while len(self._clouds) < len(self._names):
            cloud = pg.ScatterPlotItem(pxMode=True, pen=None, useCache=True)
            self._clouds.append(cloud)
            self.addItem(cloud)
        heights = self._heights()
        size = next(s for most, s in SIZES if len(self._rows) <= most)
        rare = np.argsort(-np.asarray(counts)) if len(counts) else range(len(self._names))
        for depth, kind in enumerate(rare):
            mine = self._kind == kind
            self._clouds[kind].setZValue(depth)
            self._clouds[kind].setData(self._x[mine], heights[mine], size=size)
        for cloud in self._clouds[len(self._names) :]:
            cloud.setData([], [])
        self.apply_theme()
        self.enableAutoRange()

    def apply_theme(self) -> None:
        """Colours of the phases, with some surface between neighbours."""
        if not hasattr(self, "_ring"):
            return
        for cloud, name in zip(self._clouds, self._names, strict=False):
            ink = colour(phase_colour(name), 0.75)
            cloud.setBrush(pg.mkBrush(ink))
            cloud.setPen(None)
        self._ring.setBrush(None)
        self._ring.setPen(pg.mkPen(theme().tokens.text, width=2))

    # -------------------------------------------------------------- pointer

    def under(self, at: QPointF) -> int:
        """Row of the data set at a position of the scene; -1 where there is none."""
        box = self.getPlotItem().getViewBox()
        if not len(self._rows) or not box.sceneBoundingRect().contains(at):
            return -1
        where = box.mapSceneToView(at)
        wide, tall = box.viewPixelSize()
        if not wide or not tall:
            return -1
        apart = np.hypot((self._x - where.x()) / wide, (self._heights() - where.y()) / tall)
        near = int(np.nanargmin(apart))
        return int(self._rows[near]) if apart[near] <= REACH else -1

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the sample under the pointer."""
        super().mouseMoveEvent(event)
        row = self.under(self.mapToScene(event.position().toPoint()))
        self._readout.show_text("" if row < 0 else self._say(row))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where, to tell a click from a drag."""
        super().mousePressEvent(event)
        self._pressed = event.position()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click picks the sample."""
        super().mouseReleaseEvent(event)
        start, self._pressed = self._pressed, None
        if event.button() != Qt.MouseButton.LeftButton or start is None:
            return
        if (event.position() - start).manhattanLength() > 4:
            return
        row = self.under(self.mapToScene(event.position().toPoint()))
        if row >= 0:
            self.choose(row)
            self.picked.emit(row)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        super().leaveEvent(event)
        self._readout.show_text("")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the readout in its corner."""
        super().resizeEvent(event)
        if hasattr(self, "_readout"):
            self._readout.place()
