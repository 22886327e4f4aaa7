"""The meter of gradients inside the layers of a network.

Shows the two parts of eq. 20 of Bird (2023): what is the same at every point of
a layer, and what is not; and how large the gradients are, so that vanishing,
exploding and diffusing gradients (Fig. 6) can be seen.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QResizeEvent
from PySide6.QtWidgets import QWidget

from crystalgui.core.messages import GradientsReady
from crystalgui.gui.plots.layers import LayersPlot
from crystalgui.gui.state.monitors import full_name
from crystalgui.gui.theme import OKABE_ITO, colour, theme

ALIKE, UNLIKE = OKABE_ITO[6], OKABE_ITO[2]
LEAST = 1e-12
AXIS, WORDS = 44.0, 34.0

GradientView = Literal["share", "size", "kernels"]


def decades(low: float, high: float) -> list[tuple[float, str]]:
    """Ticks of a logarithmic axis from 10^low to 10^high: at most eight, of 1, 2 and 5."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    factors = (1, 2, 5) if high - low < 2 else (1,)
    every = max(1, math.ceil((high - low) / 8))
    ticks = [
        (power + math.log10(factor), f"{factor * 10.0**power:.0e}")
        for power in powers
        for factor in factors
        if power % every == 0
    ]
    ticks = [(at, text.replace("e-0", "e-").replace("e+0", "e")) for at, text in ticks]
    return [(at, text.replace("-", "−")) for at, text in ticks if low <= at <= high]


class GradientPlot(LayersPlot):
    """Gradients inside the layers after one epoch, from input to output.

    ``share``: how much of the square is the same at every point (grey) and how
    much is not (green), eq. 20 of Bird 2023.  ``size``: root mean square, on a
    logarithmic axis, with that before training dashed.  ``kernels``: mean
    modulus of the cosine between the gradients of the kernels of a layer.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        self._reading: GradientsReady | None = None
        self._before: GradientsReady | None = None
        self._view: GradientView = "share"
        super().__init__("layer", "", parent)
        self.setAccessibleName("Gradients by layer")
        self._low = pg.BarGraphItem(x=[], y0=[], height=[], width=0.56)
        self._high = pg.BarGraphItem(x=[], y0=[], height=[], width=0.56)
        self._size = pg.PlotDataItem(antialias=True, symbol="o", symbolSize=5)
        self._old = pg.PlotDataItem(antialias=True)
        for item in (self._low, self._high, self._old, self._size):
            self.addItem(item)
        self._words = {
            "share": ((_Swatch(ALIKE), "homogeneous"), (_Swatch(UNLIKE), "inhomogeneous")),
            "kernels": ((_Swatch(ALIKE), "likeness of kernels"),),
            "size": (),
        }
        self.apply_theme()

    @property
    def reading(self) -> GradientsReady | None:
        """What is drawn."""
        return self._reading

    @property
    def view(self) -> GradientView:
        """Which quantity is drawn."""
        return self._view

    def set_view(self, view: GradientView) -> None:
        """Choose the quantity."""
        self._view = view
        self.getPlotItem().setLogMode(x=False, y=view == "size")
        self.getAxis("left").setTicks(None)
        self.mark()

    def set_reading(
        self, reading: GradientsReady | None, before: GradientsReady | None = None
    ) -> None:
        """Show a reading; ``before`` is that before training."""
        self._reading, self._before = reading, before
        self.set_names(reading.layers if reading is not None else ())
        if reading is not None:
            rows = zip(reading.layers, reading.homogeneous, reading.norm, strict=True)
            text = "; ".join(f"{name}: {100 * h:.0f} % alike, {n:.2g}" for name, h, n in rows)
            self.setAccessibleDescription(text)
        self.mark()

    def words(self, place: int) -> str:
        """The three numbers of a layer."""
        r = self._reading
        if r is None:
            return ""
        said = f"{full_name(r.layers, place)}   rms {r.norm[place]:.2g}"
        if np.isfinite(r.homogeneous[place]):
            said += f"   {100 * r.homogeneous[place]:.0f} % the same"
        return said + (f"   kernels {r.alike[place]:.2f}" if np.isfinite(r.alike[place]) else "")

    def redraw(self) -> None:
        """Bring bars or points up to date."""
        r = self._reading
        bars = r is not None and self._view != "size"
        self._low.setVisible(bars)
        self._high.setVisible(bars and self._view == "share")
        self._size.setVisible(not bars)
        self._old.setVisible(not bars)
        if r is None:
            self._size.setData([], [])
            self._old.setData([], [])
        elif self._view == "size":
            self._draw_sizes(r)
        else:
            self._draw_bars(r)
        self.show_legend(self._words[self._view] if r is not None else ())

    def _headroom(self) -> float:
        """End of an ordinate from 0 to 1 with room for the words above."""
        drawn = max(60.0, self.height() - AXIS)
        return drawn / (drawn - WORDS)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another height, other room for the words."""
        super().resizeEvent(event)
        self.mark()

    def _draw_bars(self, r: GradientsReady) -> None:
        x = np.arange(len(r.layers), dtype=float)
        if self._view == "kernels":
            y = np.nan_to_num(np.array(r.alike))
            self._low.setOpts(x=x, y0=0 * x, height=y)
            self.set_reach(0.0, self._headroom())
            return
        known = np.isfinite(r.homogeneous)  # layers that no gradient reaches stay empty
        x, same = x[known], np.clip(np.array(r.homogeneous)[known], 0, 1)
        self._low.setOpts(x=x, y0=0 * x, height=same)
        self._high.setOpts(x=x, y0=same, height=1 - same)
        self.set_reach(0.0, self._headroom())

    def _draw_sizes(self, r: GradientsReady) -> None:
        for item, reading in ((self._size, r), (self._old, self._before)):
            y = np.maximum(np.array(reading.norm), LEAST) if reading is not None else np.zeros(0)
            item.setData(np.arange(len(y)), y)
        every = [*r.norm, *(self._before.norm if self._before is not None else ())]
        sizes = np.log10(np.maximum([v for v in every if np.isfinite(v)] or [1.0], LEAST))
        low, high = float(sizes.min()) - 0.2, float(sizes.max()) + 0.3
        self.set_reach(low, high)
        self.getAxis("left").setTicks([decades(low, high), []])

    def apply_theme(self) -> None:
        """Pens of the mode."""
        super().apply_theme()
        if not hasattr(self, "_words"):
            return
        for item, ink in ((self._low, ALIKE), (self._high, UNLIKE)):
            item.setOpts(brush=pg.mkBrush(colour(ink)), pen=pg.mkPen(None))
        ink = colour(UNLIKE)
        self._size.setPen(pg.mkPen(ink, width=1))
        self._size.setSymbolBrush(pg.mkBrush(ink))
        self._size.setSymbolPen(None)
        muted = theme().tokens.muted
        self._old.setPen(pg.mkPen(muted, width=1, style=Qt.PenStyle.DashLine))


class _Swatch(pg.ItemSample):
    """A square of a colour in a legend."""

    def __init__(self, ink: str) -> None:
        super().__init__(pg.PlotDataItem())
        self._ink = ink

    def paint(self, painter: QPainter, *_: object) -> None:
        """Draw the square."""
        painter.fillRect(QRectF(5, 5, 10, 10), colour(self._ink))
