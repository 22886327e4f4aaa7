"""Curves of repeated measurements: the mean, its spread as a band, the best as dashes.

What Bird (2023) plots against the degree of rolling (Figs. 15 to 21): several
networks, each trained or asked several times.
"""

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

    Floats = NDArray[np.float64]

VEIL = 0.18
"""Opacity of a band."""


@dataclass(frozen=True, slots=True, eq=False)
class SpreadCurve:
    """Mean, spread and best (p,) at x (p,), a name for the legend, a colour.

    ``best`` None draws no dashes.
    """

    name: str
    x: Floats
    mean: Floats
    spread: Floats
    best: Floats | None = None
    ink: str = "accent"


@dataclass(slots=True)
class _Drawn:
    """The items of one curve."""

    low: pg.PlotDataItem
    high: pg.PlotDataItem
    band: pg.FillBetweenItem
    best: pg.PlotDataItem
    mean: pg.PlotDataItem


class SpreadPlot(Plot):
    """Some `SpreadCurve`s; the pointer reads the values at the nearest place."""

    def __init__(self, x: str, y: str, parent: QWidget | None = None) -> None:
        self._curves: tuple[SpreadCurve, ...] = ()
        self._drawn: list[_Drawn] = []
        super().__init__(x, y, parent)
        self.setMouseTracking(True)
        self.getPlotItem().getViewBox().setMouseEnabled(x=False, y=False)
        self._legend = self.addLegend(offset=(8, -8), labelTextSize="11px", brush=None, pen=None)
        self._legend.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._readout = Readout(self)
        self.apply_theme()

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    @property
    def curves(self) -> tuple[SpreadCurve, ...]:
        """What is shown."""
        return self._curves

    def set_rising(self, on: bool) -> None:
        """Put the legend where rising or falling curves leave room."""
        corner = (1, 1) if on else (0, 1)
        self._legend.anchor(corner, corner, offset=(-8 if on else 8, -8))

    def set_limits(self, low: float | None, high: float | None) -> None:
        """What the ordinate can never leave, e.g. 0 and 1 for shares."""
        self.getPlotItem().getViewBox().setLimits(yMin=low, yMax=high)
        self.mark()

    def set_curves(self, curves: Sequence[SpreadCurve]) -> None:
        """Other curves."""
        self._curves = tuple(curves)
        text = "; ".join(_described(curve) for curve in self._curves)
        self.setAccessibleDescription(text)
        self.mark()

    def redraw(self) -> None:
        """Bring the items up to date."""
        while len(self._drawn) < len(self._curves):
            self._drawn.append(self._items())
        self._legend.clear()
        for place, drawn in enumerate(self._drawn):
            curve = self._curves[place] if place < len(self._curves) else None
            for item in (drawn.low, drawn.high, drawn.band, drawn.best, drawn.mean):
                item.setVisible(curve is not None)
            if curve is None:
                continue
            order = np.argsort(curve.x)
            x, mean, spread = curve.x[order], curve.mean[order], curve.spread[order]
            drawn.low.setData(x, mean - spread)
            drawn.high.setData(x, mean + spread)
            drawn.mean.setData(x, mean)
            drawn.best.setData(x, curve.best[order] if curve.best is not None else x * np.nan)
            if curve.name and len(self._curves) > 1:
                self._legend.addItem(drawn.mean, curve.name)
            if curve.best is not None and len(self._curves) == 1:
                self._legend.addItem(drawn.mean, "mean and spread")
                self._legend.addItem(drawn.best, "best")
        self.apply_theme()
        self.enableAutoRange()

    def _items(self) -> _Drawn:
        low, high = pg.PlotDataItem(), pg.PlotDataItem()
        band = pg.FillBetweenItem(low, high)
        best = pg.PlotDataItem(antialias=True)
        mean = pg.PlotDataItem(antialias=True, symbol="o", symbolSize=5)
        for item in (low, high, band, best, mean):
            self.addItem(item)
        return _Drawn(low, high, band, best, mean)

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_readout"):
            return
        for drawn, curve in zip(self._drawn, self._curves, strict=False):
            ink = colour(curve.ink)
            veil = colour(curve.ink, VEIL)
            for edge in (drawn.low, drawn.high):
                edge.setPen(None)
            drawn.band.setBrush(pg.mkBrush(veil))
            drawn.mean.setPen(pg.mkPen(ink, width=1.5))
            drawn.mean.setSymbolBrush(pg.mkBrush(ink))
            drawn.mean.setSymbolPen(None)
            drawn.best.setPen(pg.mkPen(ink, width=1, style=Qt.PenStyle.DashLine))
        self._legend.setLabelTextColor(colour("muted"))
        for _, words in self._legend.items:
            words.setText(words.text, color=theme().tokens.muted)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the values at the nearest place."""
        super().mouseMoveEvent(event)
        box = self.getPlotItem().getViewBox()
        at = self.mapToScene(event.position().toPoint())
        if not self._curves or not box.sceneBoundingRect().contains(at):
            self._readout.show_text("")
            return
        where = box.mapSceneToView(at).x()
        words = []
        for curve in self._curves:
            if len(curve.x):
                near = int(np.abs(curve.x - where).argmin())
                head = f"{curve.x[near]:g}: " if not words else ""
                number = f"{curve.mean[near]:.3g} ± {curve.spread[near]:.2g}"
                words.append(head + f"{curve.name} {number}".strip())
        self._readout.show_text("   ".join(words).replace("-", "−"))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The ranges belong to the curves; nothing to reset."""
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


def _described(curve: SpreadCurve) -> str:
    """A curve in words, for those who cannot see it."""
    pairs = zip(curve.x, curve.mean, strict=True)
    return f"{curve.name} " + ", ".join(f"{x:g}: {y:.3g}" for x, y in pairs)
