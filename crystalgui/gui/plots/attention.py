"""Distribution of the attention of every read-out or head of a network.

Fig. 22 of Bird (2023) made live: mean and spread over samples after every
epoch, with the read-outs that are shut or open for every sample alike (Fig. 28)
marked.  Of the attention between atoms (Nop et al. 2025, Fig. 4) every head is
shown by itself: the entropy of its rows, or its weights, which span decades.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QBrush, QPainter, QPen
from PySide6.QtWidgets import QWidget

from crystalgui.core.messages import AttentionReady, Spread
from crystalgui.gui.plots.gradients import decades
from crystalgui.gui.plots.layers import LayersPlot, borders
from crystalgui.gui.state.monitors import full_name
from crystalgui.gui.theme import OKABE_ITO, colour, theme

INK = OKABE_ITO[0]
LEAST = 1e-6
"""Smaller weights are drawn here where the axis is logarithmic."""

AttentionView = Literal["entropy", "weights"]


def ceiling(value: float) -> float:
    """The smallest of 1, 0.8, 0.6 ... 0.05 that leaves room above ``value``; 1 at most."""
    for top in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8):
        if value <= 0.92 * top:
            return top
    return 1.0


def bottom(value: float) -> float:
    """The largest of 0, 0.5, 0.8 ... 0.99 that leaves room below ``value``."""
    return next(
        (low for low in (0.99, 0.98, 0.95, 0.9, 0.8, 0.5) if 1 - value <= 0.92 * (1 - low)), 0.0
    )


def wide(readings: Sequence[AttentionReady]) -> bool:
    """Whether weights of heads spread over more than a decade."""
    every = [q for r in readings if r.measure == "heads" for q in r.quantiles]
    return any(q[-1] > 10 * q[0] for q in every)


def measured(reading: AttentionReady | None, view: AttentionView) -> str:
    """What the numbers of a reading mean: the words of the ordinate."""
    if reading is None or not reading.measure:
        return ""
    if reading.measure == "heads":
        return "relative entropy" if view == "entropy" else "softmax weight"
    return f"{reading.measure} weight"


@dataclass(frozen=True, slots=True)
class Reach:
    """Ends of the ordinate, of values or of their decimal logarithms."""

    low: float = 0.0
    top: float = 1.0
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value is drawn."""
        return float(np.log10(max(value, LEAST))) if self.log else value

    @classmethod
    def of(cls, readings: Sequence[AttentionReady], view: AttentionView) -> Reach:
        """What all readings of a run fit in: entropies near 1 are told apart."""
        rows = [r.entropy if r.entropy and view == "entropy" else r.weights for r in readings]
        bands = [q for row in rows for q in row.quantiles]
        low, high = (
            min((q[0] for q in bands), default=0.0),
            max((q[-1] for q in bands), default=1.0),
        )
        if any(r.entropy for r in readings) and view == "entropy":
            return cls(bottom(low), 1.0)
        top = ceiling(high)
        if not wide(readings):
            return cls(0.0, top)
        return cls(float(np.log10(max(LEAST, 0.7 * low))), float(np.log10(top)), log=True)


class AttentionPlot(LayersPlot):
    """Distribution of the attention of every read-out or head, after one epoch.

    A pale band from 5 to 95 %, a strong one from 25 to 75 %, a line at the
    median, a dot at the mean; or the mean with its standard deviation, as
    printed.  The dashed line is the mean before training.  Of heads either
    the entropy of the rows or the weights.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        self._reading: AttentionReady | None = None
        self._before: AttentionReady | None = None
        self._reach_of: Reach = Reach()
        self._view: AttentionView = "entropy"
        self._axes = ("read-out", "")
        super().__init__("read-out", "", parent)
        self.setAccessibleName("Attention by layer")
        self._bands = _Bands()
        self._line = pg.PlotDataItem(antialias=True)
        self._mean = pg.ScatterPlotItem(symbol="o", size=7, pxMode=True)
        self._old = pg.PlotDataItem(antialias=True)
        for item in (self._old, self._bands, self._line, self._mean):
            self.addItem(item, ignoreBounds=True)
        self.apply_theme()

    @property
    def reading(self) -> AttentionReady | None:
        """What is drawn."""
        return self._reading

    @property
    def bands(self) -> bool:
        """Whether quantiles are drawn, else mean and standard deviation."""
        return self._bands.quantiles

    def set_quantiles(self, on: bool) -> None:
        """Quantiles, or mean and standard deviation."""
        self._bands.quantiles = on
        self.mark()

    @property
    def reach(self) -> Reach:
        """Ends of the ordinate, and whether it is logarithmic."""
        return self._reach_of

    def set_reading(
        self,
        reading: AttentionReady | None,
        before: AttentionReady | None = None,
        reach: Reach | None = None,
        view: AttentionView = "entropy",
    ) -> None:
        """Show a reading; ``before`` is that before training, ``view`` what of heads is shown."""
        self._reading, self._before, self._view = reading, before, view
        self._reach_of = reach or Reach()
        heads = reading is not None and reading.measure == "heads"
        axes = "" if heads else "read-out", measured(reading, view)
        if axes != self._axes:
            self._axes = axes
            self.set_axes(*axes)
        self.set_names(reading.layers if reading is not None else ())
        words = ""
        if reading is not None:
            own = self._told(reading)
            rows = zip(reading.layers, own.mean, own.std, strict=True)
            words = "; ".join(f"{name}: {m:.2f} ± {s:.2f}" for name, m, s in rows)
        self.setAccessibleDescription(words)
        self.mark()

    def _told(self, reading: AttentionReady) -> Spread:
        """The distributions that are drawn."""
        entropy = reading.entropy if self._view == "entropy" else None
        return entropy if entropy is not None else reading.weights

    def words(self, place: int) -> str:
        """Mean, spread and range of a read-out or head."""
        r = self._reading
        if r is None:
            return ""
        said = full_name(r.layers, place)
        if r.entropy is not None:
            low, *_, high = r.entropy.quantiles[place]
            said += f"   entropy {r.entropy.mean[place]:.2f}, 5–95 %: {low:.2f} to {high:.2f}"
            low, *_, high = r.quantiles[place]
            said += f"   weight 5–95 %: {low:.2g} to {high:.2g}"
            if r.lost[place] >= 0.005:
                said += f"   {100 * r.lost[place]:.0f} % on padding"
            said += "   collapsed" if r.single[place] else ""
            return said + ("   as a mean" if r.alike[place] else "")
        low, *_, high = r.quantiles[place]
        said += f"   {r.mean[place]:.3f} ± {r.std[place]:.3f}"
        said += f"   5–95 %: {low:.3f} to {high:.3f}"
        return said + ("   saturated" if r.saturated[place] else "")

    def redraw(self) -> None:
        """Bring bands, means and the mean before training up to date."""
        r, reach = self._reading, self._reach_of
        own = self._told(r) if r is not None else None
        self._bands.set(r, own, reach)
        self.set_reach(reach.low, reach.top, padding=0.03)
        self.getAxis("left").setTicks([decades(reach.low, reach.top), []] if reach.log else None)
        places = np.arange(len(r.layers)) if r is not None else np.zeros(0)
        means = np.array([reach.at(m) for m in own.mean] if own is not None else [], np.float64)
        flags = r.saturated if r is not None else ()
        self._mean.setData(places, means, brush=[self._dot(flag) for flag in flags])
        self._line.setData(*((places, means) if not self._bands.quantiles else ([], [])))
        b = self._before
        shown = b is not None and r is not None and b.epoch < r.epoch
        old = [reach.at(m) for m in self._told(b).mean] if shown and b is not None else []
        self._old.setData(*_steps(old, borders(r.layers) if r is not None else []))

    def _dot(self, saturated: bool) -> QBrush:
        return QBrush(colour("bad") if saturated else self._bands.ink)

    def apply_theme(self) -> None:
        """Pens of the mode."""
        super().apply_theme()
        if not hasattr(self, "_old"):
            return
        strong = colour(INK)
        self._bands.ink = strong.lighter(150) if theme().tokens.dark else strong
        self._mean.setPen(pg.mkPen(colour("surface"), width=1))
        self._line.setPen(pg.mkPen(self._bands.ink, width=1))
        muted = theme().tokens.muted
        self._old.setPen(pg.mkPen(muted, width=1, style=Qt.PenStyle.DashLine))
        self._bands.update()


class _Bands(pg.GraphicsObject):
    """Quantiles or standard deviations of all read-outs in one item."""

    def __init__(self) -> None:
        super().__init__()
        self.quantiles = True
        self.ink = colour(INK)
        self._reading: AttentionReady | None = None
        self._own: Spread | None = None
        self._reach = Reach()

    def set(self, reading: AttentionReady | None, own: Spread | None, reach: Reach) -> None:
        """Show another reading, of which its distributions ``own``."""
        self.prepareGeometryChange()
        self._reading, self._own, self._reach = reading, own, reach
        self.update()

    def boundingRect(self) -> QRectF:
        """One unit for each read-out."""
        n = len(self._reading.layers) if self._reading is not None else 0
        return QRectF(-0.6, self._reach.low, n + 0.2, self._reach.top - self._reach.low)

    def paint(self, painter: QPainter, *_: object) -> None:
        """Draw bands; read-outs that are stuck stand before a column."""
        r, own = self._reading, self._own
        if r is None or own is None:
            return
        low, top = self._reach.low, self._reach.top
        painter.setPen(Qt.PenStyle.NoPen)
        for token, strength, flags in (("bad", 0.14, r.saturated), ("muted", 0.2, r.single)):
            for i, flag in enumerate(flags):
                if flag:
                    painter.fillRect(QRectF(i - 0.45, low, 0.9, top - low), colour(token, strength))
        pen = QPen(colour("line"), 1)
        pen.setCosmetic(True)
        painter.setPen(pen)
        for x in borders(r.layers):
            painter.drawLine(QLineF(x, low, x, top))
        pen = QPen(self.ink, 1.5)
        pen.setCosmetic(True)
        painter.setPen(pen)
        if self.quantiles:
            self._boxes(painter, own)
            return
        for i, (mean, std) in enumerate(zip(own.mean, own.std, strict=True)):
            painter.drawLine(QLineF(i, mean - std, i, mean + std))
            for end in (mean - std, mean + std):
                painter.drawLine(QLineF(i - 0.12, end, i + 0.12, end))

    def _boxes(self, painter: QPainter, own: Spread) -> None:
        pale, full = colour(self.ink.name(), 0.24), colour(self.ink.name(), 0.5)
        for i, row in enumerate(own.quantiles):
            q05, q25, q50, q75, q95 = (self._reach.at(value) for value in row)
            painter.fillRect(QRectF(i - 0.2, q05, 0.4, q95 - q05), pale)
            painter.fillRect(QRectF(i - 0.32, q25, 0.64, q75 - q25), full)
            painter.drawLine(QLineF(i - 0.32, q50, i + 0.32, q50))


def _steps(values: Sequence[float], ends: Sequence[float]) -> tuple[list[float], list[float]]:
    """A line through values at 0, 1, ..., broken where a layer of heads ends."""
    x, y = [], []
    for place, value in enumerate(values):
        if place - 0.5 in ends:
            x.append(place - 0.5)
            y.append(float("nan"))
        x.append(float(place))
        y.append(value)
    return x, y
