"""Learning curves: raw and smoothed, linear and logarithmic, fine with a million points.

Every curve keeps its plot items for life and feeds them with ``setData``; pens
are one pixel wide (wider ones leave Qt's fast path), long curves are reduced
by their peaks, and only what is in view is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.state.curves import Series
from crystalgui.gui.theme import colour, theme

FAINT = 0.32
DARK_LIGHTER = 135


@dataclass(slots=True)
class _Curve:
    """A series on the plot: its two lines and the marks where it was NaN."""

    series: Series
    paint: str
    name: str
    raw: pg.PlotDataItem
    smooth: pg.PlotDataItem
    holes: pg.ScatterPlotItem
    drawn: int = -1


class CurvesPlot(Plot):
    """Curves of one quantity against the epoch.

    A curve is named once with `set_curve` and then follows its `Series`;
    call `mark` when series have grown.  Where a value was NaN or infinite a
    cross marks the epoch at the lower edge.
    """

    def __init__(self, x: str = "epoch", y: str = "", parent: QWidget | None = None) -> None:
        self._curves: dict[str, _Curve] = {}
        self._log = False
        self._smooth = True
        super().__init__(x, y, parent)
        self.setDownsampling(auto=True, mode="peak")
        self.setClipToView(True)
        self._legend = self.addLegend(offset=(-8, 4), labelTextSize="11px", brush=None, pen=None)
        self._legend.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self.apply_theme()

    # ------------------------------------------------------------- content

    def set_curve(self, key: str, series: Series, paint: str, name: str = "") -> None:
        """Show ``series`` under ``key`` in colour ``paint``; ``name`` goes to the legend."""
        known = self._curves.get(key)
        if known is not None and known.series is series and known.name == name:
            return
        if known is not None:
            self.remove_curve(key)
        raw = self.plot([], [], antialias=False, skipFiniteCheck=True)
        smooth = self.plot([], [], antialias=True, skipFiniteCheck=True)
        holes = pg.ScatterPlotItem(symbol="x", size=9, pxMode=True)
        self.addItem(holes, ignoreBounds=True)
        if name:
            self._legend.addItem(smooth, name)
        self._curves[key] = _Curve(series, paint, name, raw, smooth, holes)
        self.apply_theme()
        self.mark()

    def remove_curve(self, key: str) -> None:
        """Take a curve away."""
        curve = self._curves.pop(key, None)
        if curve is None:
            return
        self._legend.removeItem(curve.smooth)
        for item in (curve.raw, curve.smooth, curve.holes):
            self.removeItem(item)
        self.mark()

    def clear_curves(self) -> None:
        """Take every curve away."""
        for key in list(self._curves):
            self.remove_curve(key)

    @property
    def keys(self) -> tuple[str, ...]:
        """Curves on the plot."""
        return tuple(self._curves)

    # --------------------------------------------------------------- look

    @property
    def log(self) -> bool:
        """Whether the ordinate is logarithmic."""
        return self._log

    def set_log(self, on: bool) -> None:
        """Logarithmic or linear ordinate."""
        self._log = on
        self.setLogMode(x=False, y=on)
        self._invalidate()

    def set_legend_low(self, low: bool) -> None:
        """Put the legend where rising (low) or falling curves leave room."""
        corner = (1, 1) if low else (1, 0)
        self._legend.anchor(corner, corner, offset=(-8, -8 if low else 4))

    def set_smooth(self, on: bool) -> None:
        """Show the running average over a faint raw curve, or the raw curve alone."""
        self._smooth = on
        self.apply_theme()
        self._invalidate()

    def apply_theme(self) -> None:
        """Pens of the mode: raw faint under smoothed, holes in the warning colour."""
        tokens = theme().tokens
        if hasattr(self, "_legend"):
            self._legend.setLabelTextColor(tokens.muted)
            for _sample, label in self._legend.items:
                label.setText(label.text, color=tokens.muted, size="11px")
        for curve in self._curves.values():
            ink = colour(curve.paint)
            ink = ink.lighter(DARK_LIGHTER) if tokens.dark else ink
            strong = pg.mkPen(ink, width=1)
            ink.setAlphaF(FAINT)
            faint = pg.mkPen(ink, width=1)
            curve.raw.setPen(faint if self._smooth else strong)
            curve.smooth.setPen(strong)
            curve.holes.setPen(pg.mkPen(tokens.bad, width=1))
            curve.holes.setBrush(pg.mkBrush(tokens.bad))

    # ------------------------------------------------------------- drawing

    def _invalidate(self) -> None:
        for curve in self._curves.values():
            curve.drawn = -1
        self.mark()

    def redraw(self) -> None:
        """Feed curves that have grown to their items."""
        for curve in self._curves.values():
            size = len(curve.series) + len(curve.series.holes)
            if size == curve.drawn:
                continue
            curve.drawn = size
            x, y, mean = curve.series.x, curve.series.y, curve.series.smooth
            if self._log:
                positive = y > 0
                if not positive.all():
                    x, y, mean = x[positive], y[positive], mean[positive]
            marks = {"symbol": "o", "symbolSize": 4, "symbolPen": None} if len(x) == 1 else {}
            curve.raw.setData(x, y, symbolBrush=colour(curve.paint), **(marks or {"symbol": None}))
            curve.smooth.setData(x if self._smooth else [], mean if self._smooth else [])
            self._place_holes(curve)

    def _place_holes(self, curve: _Curve) -> None:
        holes = np.asarray(curve.series.holes[:200])
        if not len(holes):
            curve.holes.setData([], [])
            return
        bottom = float(np.min(curve.series.y)) if len(curve.series) else 0.0
        if self._log:
            bottom = float(np.log10(bottom)) if bottom > 0 else 0.0
        curve.holes.setData(holes, np.full(len(holes), bottom))
