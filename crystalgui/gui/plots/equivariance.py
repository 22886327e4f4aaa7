"""How far each layer of a network is from moving with its input, as bars over decades.

The relative error of eq. 16 of Bird (2023) runs from rounding (1e-7) to one;
a dashed line marks single precision.
"""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from crystalgui.core.messages import LayerErrors
from crystalgui.gui.plots.layers import LayersPlot
from crystalgui.gui.state.monitors import full_name
from crystalgui.gui.theme import OKABE_ITO, colour, theme

EXACT = 1e-5
"""A relative error below it is rounding in single precision."""
DECADES = (-8, 0)
SLIVER = 0.15
"""So much of a bar, in decades, is seen of an error of 0."""
KEPT, LOST = OKABE_ITO[2], OKABE_ITO[3]


class EquivariancePlot(LayersPlot):
    """Bars of the error by layer: green where it is rounding, vermilion where it is not."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._errors: LayerErrors | None = None
        super().__init__("layer", "relative error", parent)
        self.setAccessibleName("Equivariance error by layer")
        self._bars = pg.BarGraphItem(x=[], y0=[], height=[], width=0.56)
        self._line = pg.InfiniteLine(np.log10(EXACT), angle=0, movable=False)
        self.addItem(self._bars)
        self.addItem(self._line, ignoreBounds=True)
        ticks = [(d, f"1e{d}".replace("-", "−")) for d in range(DECADES[0], DECADES[1] + 1, 2)]
        self.getAxis("left").setTicks([ticks, []])
        self.setYRange(DECADES[0], DECADES[1] + 0.4, padding=0)
        self.apply_theme()

    @property
    def errors(self) -> LayerErrors | None:
        """What is drawn."""
        return self._errors

    def set_errors(self, errors: LayerErrors | None) -> None:
        """Show the errors of a network, or nothing."""
        self._errors = errors
        self.set_names(errors.layers if errors is not None else ())
        pairs = zip(errors.layers, errors.error, strict=True) if errors is not None else ()
        self.setAccessibleDescription("; ".join(f"{name}: {e:.1e}" for name, e in pairs))
        self.mark()

    def words(self, place: int) -> str:
        """Name and error of a layer."""
        assert self._errors is not None
        return f"{full_name(self._errors.layers, place)}   {self._errors.error[place]:.1e}"

    def redraw(self) -> None:
        """Bring the bars up to date."""
        errors = np.array(self._errors.error if self._errors is not None else (), float)
        x = np.arange(len(errors), dtype=float)
        top = np.log10(np.clip(errors, 10.0 ** (DECADES[0] + SLIVER), None))
        inks = [pg.mkBrush(colour(KEPT if e < EXACT else LOST)) for e in errors]
        self._bars.setOpts(
            x=x, y0=np.full(len(x), float(DECADES[0])), height=top - DECADES[0], brushes=inks
        )

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_line"):
            return
        self._bars.setOpts(pen=pg.mkPen(None))
        self._line.setPen(pg.mkPen(theme().tokens.muted, width=1, style=Qt.PenStyle.DashLine))
        self.redraw()
