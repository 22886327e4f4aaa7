"""Density of states, drawn upright beside the bands: it shares their energy axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import colour, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crystalgui.core.physics.dos import DOS
    from crystalgui.gui.plots.bands import BandsPlot


class DosPlot(Plot):
    """States / eV / cell against energy, total and by groups of orbitals.

    Parameters
    ----------
    bands : BandsPlot
        Its energy axis is followed.
    """

    def __init__(self, bands: BandsPlot, parent: QWidget | None = None) -> None:
        self._dos: DOS | None = None
        self._zero = 0.0
        self._inks: Sequence[str | None] = ()
        super().__init__("states / eV / cell", "", parent)
        self.showGrid(x=False, y=False)
        self.setMouseTracking(True)
        self.setMinimumWidth(90)
        box = self.getPlotItem().getViewBox()
        box.setMouseEnabled(x=False, y=True)
        box.setYLink(bands.getPlotItem().getViewBox())
        self.getAxis("left").setStyle(showValues=False)
        self.getAxis("left").setWidth(6)
        self._bands = bands
        self._total = pg.PlotCurveItem(antialias=True)
        self._level = pg.InfiniteLine(angle=0, movable=False)
        for item in (self._level, self._total):
            self.addItem(item, ignoreBounds=True)
        self._parts: list[pg.PlotCurveItem] = []
        self._readout = Readout(self)
        box.sigYRangeChanged.connect(lambda *_: self.mark())
        self.apply_theme()

    def set_dos(self, dos: DOS | None) -> None:
        """Show another density, or nothing."""
        self._dos = dos
        self.mark()

    def set_zero(self, zero: float, fermi: float) -> None:
        """Energy that counts as zero, and the Fermi energy, both in eV."""
        self._zero = zero
        self._level.setValue(fermi - zero)
        self.mark()

    def set_inks(self, inks: Sequence[str | None]) -> None:
        """Colours of the groups; None hides one."""
        self._inks = tuple(inks)
        self.mark()

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_readout"):
            return
        tokens = theme().tokens
        self._level.setPen(pg.mkPen(tokens.muted, width=1, style=Qt.PenStyle.DashLine))
        self.getAxis("bottom").setTickDensity(0.5)
        self._total.setPen(pg.mkPen(tokens.muted, width=1))
        self._total.setBrush(pg.mkBrush(QColor(tokens.quiet)))

    def redraw(self) -> None:
        """Bring the curves up to date; the density axis fits what can be seen."""
        dos = self._dos
        self._total.setVisible(dos is not None)
        partial = dos.partial if dos is not None else None
        wanted = len(partial) if partial is not None else 0
        while len(self._parts) > wanted:
            self.removeItem(self._parts.pop())
        while len(self._parts) < wanted:
            curve = pg.PlotCurveItem(antialias=True)
            self.addItem(curve, ignoreBounds=True)
            self._parts.append(curve)
        if dos is None:
            return
        y = dos.energies - self._zero
        self._total.setData(np.r_[0.0, dos.density, 0.0], np.r_[y[0], y, y[-1]])
        for g, curve in enumerate(self._parts):
            ink = self._inks[g] if g < len(self._inks) else None
            curve.setVisible(ink is not None)
            if ink is not None and partial is not None:
                curve.setPen(pg.mkPen(colour(ink), width=1))
                curve.setData(partial[g], y)
        low, high = self.getPlotItem().getViewBox().viewRange()[1]
        seen = dos.density[(y >= low) & (y <= high)]
        top = float(np.quantile(seen, 0.995)) if len(seen) else 1.0
        self.setXRange(0.0, max(1.08 * top, 1e-6), padding=0)

    # ------------------------------------------------------------- pointer

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read energy and density."""
        super().mouseMoveEvent(event)
        dos = self._dos
        at = self.mapToScene(event.position().toPoint())
        box = self.getPlotItem().getViewBox()
        if dos is None or not box.sceneBoundingRect().contains(at):
            self._readout.show_text("")
            return
        energy = box.mapSceneToView(at).y() + self._zero
        row = int(np.abs(dos.energies - energy).argmin())
        shown = f"{dos.energies[row] - self._zero:+.3f} eV: {dos.density[row]:.3f}"
        self._readout.show_text(shown.replace("-", "−"))
        parts = dos.partial
        words = [shown + " states / eV / cell"]
        if parts is not None:
            words += [f"{n}: {p[row]:.3f}" for n, p in zip(dos.groups, parts, strict=True)]
        self.setToolTip("\n".join(words))

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        super().leaveEvent(event)
        self._readout.show_text("")

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Both plots return to the gap."""
        self._bands.mouseDoubleClickEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the readout in its corner."""
        super().resizeEvent(event)
        if hasattr(self, "_readout"):
            self._readout.place()
