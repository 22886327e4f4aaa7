"""Plots of a design: bands that move over where they started, a value and its target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from crystalgui.gui.plots.bands import BandsPlot
from crystalgui.gui.plots.curves import CurvesPlot
from crystalgui.gui.theme import theme

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crystalgui.core.physics.bands import Bands

MARGIN = 1.2
"""Energies shown beyond the band edges, eV."""


class MovingBandsPlot(BandsPlot):
    """Bands that change while the energy zero and the view stay; the first ones muted below."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._first: Bands | None = None
        super().__init__(parent)
        self._ghost = pg.PlotCurveItem(connect="finite", antialias=False)
        self._ghost.setZValue(-0.5)
        self.addItem(self._ghost, ignoreBounds=True)
        self.apply_theme()

    def start(self, bands: Bands, occupied: int, fermi: float) -> None:
        """Other bands to start from; the view returns to the gap."""
        self._first = bands
        self.set_bands(bands, occupied, fermi)

    def move_to(self, energies: NDArray[np.float64]) -> None:
        """The bands are at ``energies`` (m, n) eV along the same path now."""
        if self._first is not None and energies.shape == self._first.energies.shape:
            from dataclasses import replace

            self._bands = replace(self._first, energies=energies)
            self.mark()

    def _reset_view(self) -> None:
        """Nearer to the gap than usual: it is what moves."""
        first = self._first
        super()._reset_view()
        if first is not None and self._view is not None:
            low, high = first.window(self._occupied, MARGIN)
            self._view = (low, high)
            zero = self._zero_at()
            self.setYRange(low - zero, high - zero, padding=0.03)

    def apply_theme(self) -> None:
        """Pens of the mode."""
        super().apply_theme()
        if hasattr(self, "_ghost"):
            ink = pg.mkColor(theme().tokens.muted)
            ink.setAlphaF(0.8)
            self._ghost.setPen(pg.mkPen(ink, width=1))

    def redraw(self) -> None:
        """Bring every item up to date, the first bands too."""
        super().redraw()
        first = self._first
        self._ghost.setVisible(first is not None and self._bands is not first)
        if first is None or self._bands is first:
            return
        zero = self._zero_at()
        x: list[float] = []
        rows: list[NDArray[np.float64]] = []
        hole = np.full((1, first.energies.shape[1]), np.nan)
        for start, stop in first.path.pieces:
            x += [*first.path.distance[start:stop].tolist(), np.nan]
            rows += [first.energies[start:stop] - zero, hole]
        table = np.concatenate(rows)
        self._ghost.setData(np.tile(x, table.shape[1]), table.T.ravel())


class TargetPlot(CurvesPlot):
    """A curve against the step, and a dashed line where it should go."""

    def __init__(self, y: str, parent: QWidget | None = None) -> None:
        super().__init__("step", y, parent)
        self.set_smooth(False)
        self._target = pg.InfiniteLine(angle=0, movable=False)
        self._target.hide()
        self.addItem(self._target)
        self.apply_theme()

    def set_target(self, value: float | None) -> None:
        """Where the dashed line is; None: nowhere."""
        self._target.setVisible(value is not None)
        if value is not None:
            self._target.setValue(value)
        self.mark()

    def apply_theme(self) -> None:
        """Pens of the mode."""
        super().apply_theme()
        if hasattr(self, "_target"):
            pen = pg.mkPen(theme().tokens.good, width=1, style=Qt.PenStyle.DashLine)
            self._target.setPen(pen)
