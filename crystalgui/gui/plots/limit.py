"""Answers of models against the factor of every length, and the factor that is shown.

Nop et al. (2025), Figs. 1 and 2: pulled apart, a crystal must become trivial.
Classes have the colours that they have everywhere; models differ by their line.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import class_colour, colour, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from crystalgui.core.messages import LimitCurve

LINES = (
    Qt.PenStyle.SolidLine,
    Qt.PenStyle.DashLine,
    Qt.PenStyle.DotLine,
    Qt.PenStyle.DashDotLine,
)
LEAST = 0.02
"""Classes that never reach this probability are left out of the legend."""


class LimitPlot(Plot):
    """Curves of one target by one or more models.

    Signals
    -------
    moved(float)
        The person dragged the factor, or clicked at one.
    """

    moved = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._factors: NDArray[np.float64] = np.zeros(0)
        self._curves: tuple[LimitCurve, ...] = ()
        self._titles: tuple[str, ...] = ()
        self._items: list[tuple[pg.PlotDataItem, int, int]] = []
        self._turns: list[tuple[pg.InfiniteLine, int, int]] = []
        self._factor = 1.0
        super().__init__("every length times r", "probability", parent)
        self.setAccessibleName("Answer against the factor of every length")
        self.setMouseTracking(True)
        self.getPlotItem().getViewBox().setMouseEnabled(x=False, y=False)
        self._now = pg.InfiniteLine(1.0, angle=90, movable=True)
        self._now.sigDragged.connect(lambda line: self.moved.emit(float(line.value())))
        self._now.setZValue(5)
        self.addItem(self._now, ignoreBounds=True)
        self._legend = self.addLegend(offset=(-8, 8), labelTextSize="11px", brush=None, pen=None)
        self._legend.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._readout = Readout(self)
        self.apply_theme()

    # --------------------------------------------------------------- content

    @property
    def curves(self) -> tuple[LimitCurve, ...]:
        """What is shown."""
        return self._curves

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    @property
    def turns(self) -> list[float]:
        """Factors that are marked: from there on a model says trivial."""
        return [float(line.value()) for line, _, _ in self._turns]

    def set_curves(
        self,
        factors: NDArray[np.float64],
        curves: Sequence[LimitCurve],
        titles: Sequence[str],
    ) -> None:
        """Other curves; ``titles`` name the models."""
        self._factors, self._curves, self._titles = factors, tuple(curves), tuple(titles)
        first = self._curves[0] if self._curves else None
        if first is not None and not first.classes:
            unit = f", {first.unit}" if first.unit else ""
            self.set_axes("every length times r", f"{first.target}{unit}")
        else:
            self.set_axes("every length times r", "probability")
        self.setAccessibleDescription("; ".join(turning_words(c, factors) for c in self._curves))
        self._rebuild()
        self.mark()

    def set_factor(self, factor: float) -> None:
        """Mark the factor that is shown."""
        self._factor = factor
        self._now.setValue(factor)

    def _rebuild(self) -> None:
        for item, _, _ in self._items:
            self.removeItem(item)
        for line, _, _ in self._turns:
            self.removeItem(line)
        self._items, self._turns = [], []
        for m, curve in enumerate(self._curves):
            for k in range(curve.values.shape[1]):
                item = pg.PlotDataItem(self._factors, curve.values[:, k], antialias=True)
                self.addItem(item)
                self._items.append((item, m, k))
            if curve.trivial and math.isfinite(curve.turns):
                line = pg.InfiniteLine(curve.turns, angle=90)
                self.addItem(line, ignoreBounds=True)
                self._turns.append((line, m, curve.classes.index(curve.trivial)))
        if len(self._factors):
            self._now.setBounds((float(self._factors[0]), float(self._factors[-1])))
            first, last = float(self._factors[0]), float(self._factors[-1])
            self.setXRange(first, last, padding=0.02)
            step = 0.25 if last <= 2 else 0.5 if last <= 3 else 1.0
            at = np.arange(first, last + 1e-9, step)
            self.getAxis("bottom").setTicks([[(float(v), f"{v:g}") for v in at], []])
        if self._curves and self._curves[0].classes:
            self.setYRange(0, 1, padding=0.03)
        else:
            self.enableAutoRange(y=True)
        self._fill_legend()
        self.apply_theme()

    def _fill_legend(self) -> None:
        self._legend.clear()
        several = len(self._curves) > 1
        for item, m, k in self._items:
            curve = self._curves[m]
            named = curve.classes and float(curve.values[:, k].max(initial=0.0)) >= LEAST
            if m == 0 and named:
                self._legend.addItem(item, curve.classes[k])
        if several or not any(c.classes for c in self._curves):
            for m, title in enumerate(self._titles):
                key = pg.PlotDataItem()
                key.setPen(pg.mkPen(colour("text"), width=1.5, style=LINES[m % len(LINES)]))
                self._legend.addItem(key, title)

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_readout"):
            return
        for item, m, k in self._items:
            regression = not self._curves[m].classes
            ink = colour("text") if regression else colour(class_colour(k))
            item.setPen(pg.mkPen(ink, width=1.6, style=LINES[m % len(LINES)]))
        for line, m, k in self._turns:
            ink = colour(class_colour(k), 0.7)
            line.setPen(pg.mkPen(ink, width=1, style=LINES[m % len(LINES)]))
        self._now.setPen(pg.mkPen(colour("accent"), width=1.6))
        self._now.setHoverPen(pg.mkPen(colour("accent"), width=3))
        self._legend.setLabelTextColor(colour("muted"))
        for _, words in self._legend.items:
            words.setText(words.text, color=theme().tokens.muted, size="11px")

    # ----------------------------------------------------------------- mouse

    def _factor_at(self, event: QMouseEvent) -> float | None:
        box: Any = self.getPlotItem().getViewBox()
        at = self.mapToScene(event.position().toPoint())
        if not len(self._factors) or not box.sceneBoundingRect().contains(at):
            return None
        x = float(box.mapSceneToView(at).x())
        return min(max(x, float(self._factors[0])), float(self._factors[-1]))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click shows that factor."""
        super().mousePressEvent(event)
        factor = self._factor_at(event)
        if factor is not None and event.button() == Qt.MouseButton.LeftButton:
            self.moved.emit(factor)
            event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The end of a click or a drag."""
        super().mouseReleaseEvent(event)
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the answers at a factor."""
        super().mouseMoveEvent(event)
        factor = self._factor_at(event)
        if factor is None:
            self._readout.show_text("")
            return
        near = int(np.abs(self._factors - factor).argmin())
        words = [f"r = {self._factors[near]:.2f}"]
        words += [answer_words(curve, near) for curve in self._curves]
        self._readout.show_text("   ".join(words))

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


def answer_words(curve: LimitCurve, place: int) -> str:
    """What a model says at one factor."""
    if not curve.classes:
        return f"{curve.values[place, 0]:.3f} {curve.unit}".strip().replace("-", "−")
    best = int(curve.values[place].argmax())
    return f"{curve.classes[best]} {curve.values[place, best]:.2f}"


def turning_words(curve: LimitCurve, factors: NDArray[np.float64]) -> str:
    """Whether and where an answer becomes trivial, in words."""
    if not curve.trivial:
        return "knows no trivial class"
    if not math.isfinite(curve.turns):
        return f"not trivial ({curve.trivial}) up to r = {factors[-1]:g}"
    if curve.turns <= factors[0]:
        return f"trivial ({curve.trivial}) from the start"
    return f"trivial ({curve.trivial}) from r = {curve.turns:.2f} on"
