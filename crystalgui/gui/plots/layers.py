"""A plot with one place on the abscissa for every layer of a network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from crystalgui.core.reports.heads import groups
from crystalgui.core.reports.saturation import numbers
from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import theme

MOST_TICKS = 18


def every(places: int, room: float = math.inf, each: float = 15.0) -> int:
    """Every so many places have a tick, in ``room`` pixels of which one takes ``each``."""
    most = min(MOST_TICKS, max(2, int(room / each))) if math.isfinite(room) else MOST_TICKS
    return max(1, -(-places // most))


def ticks(names: Sequence[str], step: int) -> list[tuple[float, str]]:
    """Words at places counted from 0: a number at every ``step``, or each layer over its heads."""
    own = groups(names)
    if not own:
        return [(i, word) for i, word in enumerate(numbers(names)) if i % step == 0]
    ends = np.cumsum([many for _, many in own])
    return [
        (float(end) - (many + 1) / 2, name) for end, (name, many) in zip(ends, own, strict=True)
    ]


def borders(names: Sequence[str]) -> list[float]:
    """Between which places one layer of heads ends and another begins."""
    own = groups(names)
    return [float(end) - 0.5 for end in np.cumsum([many for _, many in own])[:-1]] if own else []


class LayersPlot(Plot):
    """A plot with one place on the abscissa for every layer and words under the pointer."""

    def __init__(self, x: str, y: str, parent: QWidget | None = None) -> None:
        self._names: tuple[str, ...] = ()
        self._reach = (0.0, 0.0)
        super().__init__(x, y, parent)
        self.setMouseTracking(True)
        self.getPlotItem().getViewBox().setMouseEnabled(x=False, y=False)
        self._readout = Readout(self)
        self._legend = self.addLegend(
            offset=(-8, 2), labelTextSize="11px", brush=None, pen=None, colCount=2
        )
        self._legend.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self._legend_rows: tuple[tuple[object, str], ...] = ()

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    def set_reach(self, low: float, high: float, padding: float = 0.0) -> None:
        """Ends of the ordinate, when they are others."""
        if (low, high) != self._reach:
            self._reach = (low, high)
            self.setYRange(low, high, padding=padding)

    def set_names(self, names: Sequence[str]) -> None:
        """Places for these layers, counted from 0."""
        if tuple(names) == self._names:
            return
        self._names = tuple(names)
        self.getAxis("bottom").setTicks([ticks(names, every(len(names))), []])
        self.setXRange(-0.6, max(0, len(names) - 1) + 0.6, padding=0)

    def words(self, place: int) -> str:
        """What the pointer reads at a layer."""
        return self._names[place]

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the layer under the pointer."""
        super().mouseMoveEvent(event)
        box = self.getPlotItem().getViewBox()
        at = self.mapToScene(event.position().toPoint())
        place = round(box.mapSceneToView(at).x())
        inside = box.sceneBoundingRect().contains(at) and 0 <= place < len(self._names)
        self._readout.show_text(self.words(place).replace("-", "−") if inside else "")

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The ranges belong to the layers; nothing to reset."""
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

    def show_legend(self, rows: Sequence[tuple[object, str]]) -> None:
        """Words in the upper right corner: (item or sample, name); nothing is built twice."""
        wanted = tuple(rows)
        if wanted == self._legend_rows:
            return
        self._legend_rows = wanted
        self._legend.clear()
        for item, name in wanted:
            self._legend.addItem(item, name)
        self._mute_legend()

    def apply_theme(self) -> None:
        """Words of the legend follow the mode."""
        if hasattr(self, "_legend"):
            self._mute_legend()

    def _mute_legend(self) -> None:
        """Words of the legend in the colour of the axes."""
        muted = theme().tokens.muted
        self._legend.setLabelTextColor(muted)
        for _sample, label in self._legend.items:
            label.setText(label.text, color=muted, size="11px")
