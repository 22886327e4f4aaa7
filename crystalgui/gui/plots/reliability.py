"""Calibration and coverage: how often a model is right when it is so sure.

The calibration curve is the accuracy in bins of probability (Guo et al. 2017);
a model that is as good as it says lies on the diagonal.  The coverage curve is
the score of the answers that stay when the least sure ones are refused.
"""

from __future__ import annotations

import math

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from crystalgui.core.reports.evaluation import Coverage, Reliability
from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import colour, theme


class _Read(Plot):
    """A plot with fixed axes whose values the pointer reads."""

    def __init__(self, x: str, y: str, parent: QWidget | None = None) -> None:
        super().__init__(x, y, parent)
        self.setMouseTracking(True)
        self.getPlotItem().getViewBox().setMouseEnabled(x=False, y=False)
        self._readout = Readout(self)

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    def said_at(self, x: float) -> str:
        """What is read at a place."""
        raise NotImplementedError

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the nearest values."""
        super().mouseMoveEvent(event)
        box = self.getPlotItem().getViewBox()
        at = self.mapToScene(event.position().toPoint())
        inside = box.sceneBoundingRect().contains(at)
        self._readout.show_text(self.said_at(box.mapSceneToView(at).x()) if inside else "")

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The ranges belong to the curve; nothing to reset."""
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


class ReliabilityPlot(_Read):
    """Accuracy against probability, in per cent, with the share of the answers as bars."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._curve: Reliability | None = None
        super().__init__("probability of the answer, %", "right, %", parent)
        self._bars = pg.BarGraphItem(x=[], height=[], width=4.0)
        self._diagonal = pg.PlotDataItem([0, 100], [0, 100])
        self._line = pg.PlotDataItem(antialias=True, symbol="o", symbolSize=6)
        for item in (self._bars, self._diagonal, self._line):
            self.addItem(item)
        self.setXRange(0, 100, padding=0.02)
        self.setYRange(0, 100, padding=0.02)
        self.setAccessibleName("Calibration curve")
        self.apply_theme()

    def set_curve(self, curve: Reliability | None) -> None:
        """Show another curve, or none."""
        self._curve = curve
        self.setAccessibleDescription(
            "" if curve is None else f"Expected calibration error {100 * curve.error:.1f} %"
        )
        self.mark()

    def redraw(self) -> None:
        """Bring the items up to date."""
        curve = self._curve
        if curve is None:
            self._line.setData([], [])
            self._bars.setOpts(x=[], height=[])
            return
        sure = 100 * curve.confidence
        self._line.setData(sure, 100 * curve.accuracy)
        self._bars.setOpts(x=sure, height=100 * curve.count / curve.count.sum())

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_line"):
            return
        ink = colour("accent")
        self._line.setPen(pg.mkPen(ink, width=1.5))
        self._line.setSymbolBrush(pg.mkBrush(ink))
        self._line.setSymbolPen(None)
        self._diagonal.setPen(pg.mkPen(theme().tokens.muted, width=1, style=Qt.PenStyle.DashLine))
        self._bars.setOpts(brush=pg.mkBrush(colour("accent", 0.2)), pen=None)

    def said_at(self, x: float) -> str:
        """The nearest bin."""
        curve = self._curve
        if curve is None or not len(curve.count):
            return ""
        near = int(np.abs(100 * curve.confidence - x).argmin())
        return (
            f"{100 * curve.confidence[near]:.0f} % sure: {100 * curve.accuracy[near]:.1f} % right"
            f" of {curve.count[near]:,}"
        )


class CoveragePlot(_Read):
    """Accuracy, or mean absolute error, against the share of the crystals that are answered."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._curve: Coverage | None = None
        self._unit = "%"
        self._at = math.nan
        super().__init__("answered, %", "right, %", parent)
        self._line = pg.PlotDataItem(antialias=True)
        self._dot = pg.ScatterPlotItem(size=9)
        self.addItem(self._line)
        self.addItem(self._dot)
        self.setXRange(0, 100, padding=0.02)
        self.setAccessibleName("Score against coverage")
        self.apply_theme()

    def set_curve(self, curve: Coverage | None, unit: str = "%") -> None:
        """Show another curve; in another unit than per cent it is one of errors."""
        self._curve, self._unit = curve, unit
        word = "right, %" if unit == "%" else f"mean absolute error, {unit}".rstrip(", ")
        self.set_axes("answered, %", word)
        self.mark()

    def set_threshold(self, threshold: float) -> None:
        """Mark what stays when less sure answers are refused."""
        self._at = threshold
        self.mark()

    @property
    def _scale(self) -> float:
        return 100.0 if self._unit == "%" else 1.0

    def redraw(self) -> None:
        """Bring the items up to date."""
        curve = self._curve
        if curve is None:
            self._line.setData([], [])
            self._dot.setData([], [])
            return
        few = curve.share * (1 / max(1e-12, curve.share[0])) >= 5  # means of a few are noise
        few = few if few.any() else np.ones_like(few)
        self._line.setData(100 * curve.share[few], self._scale * curve.score[few])
        share, score = curve.at(self._at if math.isfinite(self._at) else -math.inf)
        shown = [score] if math.isfinite(score) else []
        self._dot.setData([100 * share][: len(shown)], [self._scale * s for s in shown])
        self.enableAutoRange(axis="y")

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_dot"):
            return
        self._line.setPen(pg.mkPen(colour("accent"), width=1.5))
        self._dot.setBrush(pg.mkBrush(colour("warn")))
        self._dot.setPen(None)

    def said_at(self, x: float) -> str:
        """The nearest point."""
        curve = self._curve
        if curve is None:
            return ""
        near = int(np.abs(100 * curve.share - x).argmin())
        score = self._scale * curve.score[near]
        words = f"{score:.1f} % right" if self._unit == "%" else f"± {score:.3g} {self._unit}"
        return f"{100 * curve.share[near]:.0f} % answered: {words}"
