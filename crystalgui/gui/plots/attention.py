"""Distribution over samples of the attention of every read-out of a network.

Fig. 22 of Bird (2023) made live: mean and spread after every epoch, with the
read-outs that are shut or open for every sample alike (Fig. 28) marked.
"""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QBrush, QPainter, QPen
from PySide6.QtWidgets import QWidget

from crystalgui.core.messages import AttentionReady
from crystalgui.gui.plots.layers import LayersPlot
from crystalgui.gui.state.monitors import full_name
from crystalgui.gui.theme import OKABE_ITO, colour, theme

INK = OKABE_ITO[0]


def ceiling(value: float) -> float:
    """The smallest of 1, 0.8, 0.6 ... 0.05 that leaves room above ``value``; 1 at most."""
    for top in (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8):
        if value <= 0.92 * top:
            return top
    return 1.0


class AttentionPlot(LayersPlot):
    """Distribution over samples of the attention of every read-out, after one epoch.

    A pale band from 5 to 95 %, a strong one from 25 to 75 %, a line at the
    median, a dot at the mean; or the mean with its standard deviation, as
    printed.  The dashed line is the mean before training.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        self._reading: AttentionReady | None = None
        self._before: AttentionReady | None = None
        self._top = 1.0
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

    def set_reading(
        self, reading: AttentionReady | None, before: AttentionReady | None = None, top: float = 1.0
    ) -> None:
        """Show a reading; ``before`` is that before training, ``top`` the end of the ordinate."""
        self._reading, self._before, self._top = reading, before, top
        self.set_names(reading.layers if reading is not None else ())
        words = (
            "; ".join(
                f"{name}: {m:.2f} ± {s:.2f}"
                for name, m, s in zip(reading.layers, reading.mean, reading.std, strict=True)
            )
            if reading is not None
            else ""
        )
        self.setAccessibleDescription(words)
        self.mark()

    def words(self, place: int) -> str:
        """Mean, spread and range of a read-out."""
        r = self._reading
        if r is None:
            return ""
        low, *_, high = r.quantiles[place]
        said = f"{full_name(r.layers, place)}   {r.mean[place]:.3f} ± {r.std[place]:.3f}"
        said += f"   5–95 %: {low:.3f} to {high:.3f}"
        return said + ("   saturated" if r.saturated[place] else "")

    def redraw(self) -> None:
        """Bring bands, means and the mean before training up to date."""
        r = self._reading
        self._bands.set(r, self._top)
        self.set_reach(0, self._top, padding=0.03)
        places = np.arange(len(r.layers)) if r is not None else np.zeros(0)
        means = np.array(r.mean) if r is not None else np.zeros(0)
        flags = r.saturated if r is not None else ()
        self._mean.setData(places, means, brush=[self._dot(flag) for flag in flags])
        self._line.setData(*((places, means) if not self._bands.quantiles else ([], [])))
        b = self._before
        shown = b is not None and r is not None and b.epoch < r.epoch
        old = np.array(b.mean) if shown and b is not None else np.zeros(0)
        self._old.setData(np.arange(len(old)), old)

    def _dot(self, saturated: bool) -> QBrush:
        return QBrush(colour("bad" if saturated else INK))

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
        self._top = 1.0

    def set(self, reading: AttentionReady | None, top: float) -> None:
        """Show another reading."""
        self.prepareGeometryChange()
        self._reading, self._top = reading, top
        self.update()

    def boundingRect(self) -> QRectF:
        """One unit for each read-out."""
        n = len(self._reading.layers) if self._reading is not None else 0
        return QRectF(-0.6, 0, n + 0.2, self._top)

    def paint(self, painter: QPainter, *_: object) -> None:
        """Draw bands; saturated read-outs stand before a reddish column."""
        r = self._reading
        if r is None:
            return
        painter.setPen(Qt.PenStyle.NoPen)
        for i, flag in enumerate(r.saturated):
            if flag:
                painter.fillRect(QRectF(i - 0.45, 0, 0.9, self._top), colour("bad", 0.14))
        if self.quantiles:
            self._boxes(painter, r)
            return
        pen = QPen(self.ink, 1.5)
        pen.setCosmetic(True)
        painter.setPen(pen)
        for i, (mean, std) in enumerate(zip(r.mean, r.std, strict=True)):
            painter.drawLine(QLineF(i, mean - std, i, mean + std))
            for end in (mean - std, mean + std):
                painter.drawLine(QLineF(i - 0.12, end, i + 0.12, end))

    def _boxes(self, painter: QPainter, r: AttentionReady) -> None:
        pale, full = colour(self.ink.name(), 0.24), colour(self.ink.name(), 0.5)
        pen = QPen(self.ink, 1.5)
        pen.setCosmetic(True)
        for i, (q05, q25, q50, q75, q95) in enumerate(r.quantiles):
            painter.fillRect(QRectF(i - 0.2, q05, 0.4, q95 - q05), pale)
            painter.fillRect(QRectF(i - 0.32, q25, 0.64, q75 - q25), full)
            painter.setPen(pen)
            painter.drawLine(QLineF(i - 0.32, q50, i + 0.32, q50))
