"""Bands along a path: breaks, labels, gap arrow, and a pointer that reads E, k and band."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QWidget

from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.fat_bands import FatBands
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import OKABE_ITO, colour, font, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from crystalgui.core.physics.bands import Bands

OCCUPIED, EMPTY = OKABE_ITO[0], OKABE_ITO[3]
DARK_OCCUPIED = OKABE_ITO[4]
DISCS = 110
"""About as many k-points carry discs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapArrow:
    """Where the gap arrow goes.

    ``x_lower``, ``x_upper`` distances along the path; ``lower``, ``upper`` eV;
    ``exact`` False when a band edge lies off the path.
    """

    x_lower: float
    x_upper: float
    lower: float
    upper: float
    text: str
    exact: bool = True


class BandsPlot(Plot):
    """Energies in eV against the path.

    Signals
    -------
    hovered(int, int)
        Row of the path and band (from 0); -1, -1 when the pointer leaves.
    picked(int, int)
        The same for a click.
    """

    hovered = Signal(int, int)
    picked = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._bands: Bands | None = None
        self._occupied = 0
        self._fermi = 0.0
        self._relative = True
        self._arrow: GapArrow | None = None
        self._at: tuple[int, int] = (-1, -1)
        self._marked: int | None = None
        self._view: tuple[float, float] | None = None
        self._weights: NDArray[np.float64] | None = None
        self._groups: Sequence[str] = ()
        self._inks: Sequence[str | None] = ()
        super().__init__("", "E − E_F (eV)", parent)
        self.showGrid(x=False, y=False)
        self.setMouseTracking(True)
        self.getPlotItem().getViewBox().setMouseEnabled(x=False, y=True)
        self._lines = pg.PlotCurveItem(connect="finite", antialias=False)
        self._zero = pg.InfiniteLine(angle=0, movable=False)
        self._low = pg.PlotCurveItem(connect="finite", antialias=True)
        self._high = pg.PlotCurveItem(connect="finite", antialias=True)
        self._fat = FatBands()
        self._shaft = pg.PlotCurveItem(antialias=True)
        self._head = pg.ArrowItem(angle=90, headLen=9, tipAngle=32, pen=None, pxMode=True)
        self._label = pg.TextItem(anchor=(0.5, 0.5))
        small = font("text")
        small.setPixelSize(11)
        self._label.setFont(small)
        self._cursor = pg.InfiniteLine(angle=90, movable=False)
        self._spot = pg.ScatterPlotItem(size=9, pxMode=True)
        for item in (
            self._lines,
            self._zero,
            self._low,
            self._high,
            self._fat,
            self._shaft,
            self._head,
            self._label,
            self._cursor,
            self._spot,
        ):
            self.addItem(item, ignoreBounds=True)
        self._readout = Readout(self)
        self.apply_theme()

    # ------------------------------------------------------------- content

    def set_bands(self, bands: Bands | None, occupied: int, fermi: float) -> None:
        """Show other bands; the view returns to the gap."""
        self._bands, self._occupied, self._fermi = bands, occupied, fermi
        self._arrow, self._at, self._marked = None, (-1, -1), None
        self._view = self._weights = None
        self._follow_ticks()
        self.mark()

    def set_filling(self, occupied: int, fermi: float, arrow: GapArrow | None) -> None:
        """Another occupation, Fermi energy and gap of the same bands."""
        self._occupied, self._fermi, self._arrow = occupied, fermi, arrow
        self.mark()

    def set_weights(
        self, weights: NDArray[np.float64] | None, groups: Sequence[str], inks: Sequence[str | None]
    ) -> None:
        """Weights (m, n, g) of groups of orbitals in the bands that are shown.

        ``inks`` are g colours; a group without one is not drawn, but read.
        """
        self._weights, self._groups, self._inks = weights, tuple(groups), tuple(inks)
        self.apply_theme()
        self.mark()

    @property
    def bands(self) -> Bands | None:
        """What is drawn."""
        return self._bands

    @property
    def zero(self) -> float:
        """Energy at zero of the axis, eV."""
        return self._zero_at()

    @property
    def is_fat(self) -> bool:
        """Whether weights are drawn."""
        return self._weights is not None and any(self._inks)

    def set_relative(self, on: bool) -> None:
        """Measure energies from the Fermi energy, or absolutely."""
        if on == self._relative:
            return
        low, high = self.getPlotItem().getViewBox().viewRange()[1]
        shift = -self._fermi if on else self._fermi
        self._relative = on
        self.set_axes("", "E − E_F (eV)" if on else "E (eV)")
        self.setYRange(low + shift, high + shift, padding=0)
        self.mark()

    def set_marked(self, row: int | None) -> None:
        """Mark a row of the path."""
        self._marked = row
        self.mark()

    @property
    def readout(self) -> str:
        """What the pointer reads, empty when it is away."""
        return self._readout.text

    def _zero_at(self) -> float:
        return self._fermi if self._relative else 0.0

    # ------------------------------------------------------------- drawing

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_readout"):
            return
        tokens = theme().tokens
        low = DARK_OCCUPIED if tokens.dark else OCCUPIED
        self._lines.setPen(pg.mkPen(tokens.line, width=1))
        self._zero.setPen(pg.mkPen(tokens.muted, width=1, style=Qt.PenStyle.DashLine))
        faded = tokens.muted if self.is_fat else ""
        self._low.setPen(pg.mkPen(faded or low, width=1))
        self._high.setPen(pg.mkPen(faded or EMPTY, width=1))
        self._head.setBrush(pg.mkBrush(tokens.text))
        self._label.setColor(tokens.text)
        self._label.fill = pg.mkBrush(colour("surface", 0.6))
        self._cursor.setPen(pg.mkPen(tokens.accent, width=1))
        self._spot.setPen(pg.mkPen(tokens.surface, width=1))
        self._spot.setBrush(pg.mkBrush(tokens.accent))

    def _follow_ticks(self) -> None:
        axis = self.getAxis("bottom")
        if self._bands is None:
            axis.setTicks([[]])
            return
        ticks = list(self._bands.path.ticks)
        axis.setTicks([ticks, []])
        axis.setStyle(hideOverlappingLabels=False)

    def redraw(self) -> None:
        """Bring every item up to date."""
        bands = self._bands
        visible = bands is not None
        for item in (self._lines, self._zero, self._low, self._high, self._fat):
            item.setVisible(visible)
        if bands is None:
            for item in (self._shaft, self._head, self._label, self._cursor, self._spot):
                item.setVisible(False)
            return
        zero = self._zero_at()
        x, rows = _with_breaks(bands)
        energies = bands.energies[rows] - zero
        energies[rows < 0] = np.nan
        for item, part in (
            (self._low, energies[:, : self._occupied]),
            (self._high, energies[:, self._occupied :]),
        ):
            count = part.shape[1]
            gap = np.full((1, count), np.nan)
            y = np.concatenate([part, gap]).T.ravel()
            item.setData(np.tile(np.append(x, np.nan), count), y)
        self._draw_weights(bands, zero)
        self._zero.setValue(self._fermi - zero)
        if self._view is None:
            self._reset_view()
        self._draw_lines()
        self._draw_arrow(zero)
        self._draw_cursor(zero)

    def _draw_weights(self, bands: Bands, zero: float) -> None:
        weights = self._weights
        if weights is None or not any(self._inks):
            self._fat.set_weights(np.zeros(1), np.zeros((1, 1)), np.zeros((1, 1, 0)), ())
            return
        shown = sum(ink is not None for ink in self._inks)
        step = max(1, round(len(weights) / (DISCS * min(shown, 3))))
        chosen = np.unique(np.r_[0 : len(weights) : step, len(weights) - 1])
        x, y = bands.path.distance[chosen], bands.energies[chosen] - zero
        self._fat.set_weights(x, y, weights[chosen], self._inks)

    def _reset_view(self) -> None:
        bands = self._bands
        if bands is None:
            return
        zero = self._zero_at()
        low, high = bands.window(self._occupied, 2.5)
        self._view = (low, high)
        self.setXRange(float(bands.path.distance[0]), float(bands.path.distance[-1]), padding=0.012)
        self.setYRange(low - zero, high - zero, padding=0.03)

    def _draw_lines(self) -> None:
        bands = self._bands
        if bands is None:
            return
        places = [x for x, _ in bands.path.ticks]
        x = np.repeat(places, 3)
        y = np.tile([-1e4, 1e4, np.nan], len(places))
        self._lines.setData(x, y)

    def _draw_arrow(self, zero: float) -> None:
        arrow = self._arrow
        for item in (self._shaft, self._head, self._label):
            item.setVisible(arrow is not None)
        if arrow is None or self._bands is None:
            return
        style = Qt.PenStyle.SolidLine if arrow.exact else Qt.PenStyle.DotLine
        self._shaft.setPen(pg.mkPen(theme().tokens.text, width=1, style=style))
        a = QPointF(arrow.x_lower, arrow.lower - zero)
        b = QPointF(arrow.x_upper, arrow.upper - zero)
        self._shaft.setData([a.x(), b.x()], [a.y(), b.y()])
        self._head.setPos(b)
        to_pixels = self.getPlotItem().getViewBox().mapViewToScene
        apart = to_pixels(b) - to_pixels(a)
        length = float(np.hypot(apart.x(), apart.y()))
        self._head.setVisible(length > 12)
        self._head.setStyle(angle=float(np.degrees(np.arctan2(apart.y(), apart.x()))) + 180)
        self._label.setText(arrow.text)
        frame = self.getPlotItem().getViewBox().sceneBoundingRect()
        width = self._label.boundingRect().width()
        x = to_pixels(b).x()
        left = x + 8 if x < frame.center().x() else x - 8 - width
        left = max(frame.left(), min(left, frame.right() - width))
        self._label.setAnchor(((x - left) / max(width, 1.0), 0.5))
        self._label.setPos(b.x(), (a.y() + b.y()) / 2)

    def _draw_cursor(self, zero: float) -> None:
        row, band = self._at
        if row < 0 and self._marked is not None:
            row = self._marked
        bands = self._bands
        shown = bands is not None and 0 <= row < len(bands.path.k)
        self._cursor.setVisible(shown)
        self._spot.setVisible(shown and band >= 0)
        if not shown or bands is None:
            return
        x = float(bands.path.distance[row])
        self._cursor.setValue(x)
        if band >= 0:
            self._spot.setData([x], [bands.energies[row, band] - zero])

    # ------------------------------------------------------------- pointer

    def nearest(self, at: QPointF) -> tuple[int, int]:
        """Row and band nearest to a position in the widget, or (-1, -1)."""
        bands = self._bands
        box = self.getPlotItem().getViewBox()
        if bands is None or not box.sceneBoundingRect().contains(at):
            return -1, -1
        point = box.mapSceneToView(at)
        row = int(np.abs(bands.path.distance - point.x()).argmin())
        energies = bands.energies[row] - self._zero_at()
        return row, int(np.abs(energies - point.y()).argmin())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the nearest band."""
        super().mouseMoveEvent(event)
        self._point(self.nearest(self.mapToScene(event.position().toPoint())))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click picks the point under the pointer."""
        super().mouseReleaseEvent(event)
        if event.button() == Qt.MouseButton.LeftButton:
            row, band = self.nearest(self.mapToScene(event.position().toPoint()))
            if row >= 0:
                self._marked = row
                self.picked.emit(row, band)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        super().leaveEvent(event)
        self._point((-1, -1))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Return to the gap."""
        event.accept()
        self._reset_view()
        self.mark()

    def _point(self, at: tuple[int, int]) -> None:
        if at == self._at:
            return
        self._at = at
        bands = self._bands
        if bands is None or at[0] < 0:
            self._readout.show_text("")
        else:
            row, band = at
            name = "E − E_F" if self._relative else "E"
            energy = float(bands.energies[row, band]) - self._zero_at()
            k = ", ".join(f"{x:.3f}".replace("-", "−") for x in bands.path.k[row])
            value = f"{energy:+.3f}".replace("-", "−")
            made_of = self._made_of(row, band)
            self._readout.show_text(f"{name} = {value} eV   k = ({k})   band {band + 1}{made_of}")
        self.hovered.emit(*at)
        self.mark()

    def _made_of(self, row: int, band: int) -> str:
        """The three heaviest groups of a state, in per cent."""
        if self._weights is None:
            return ""
        share = self._weights[row, band]
        heavy = [g for g in np.argsort(-share)[:3] if share[g] >= 0.005]
        return "   " + ", ".join(f"{self._groups[g]} {100 * share[g]:.0f} %" for g in heavy)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the readout in its corner."""
        super().resizeEvent(event)
        if hasattr(self, "_readout"):
            self._readout.place()
            self.mark()


def _with_breaks(bands: Bands) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distances and rows with a hole (row -1, NaN) between unbroken parts."""
    x: list[NDArray[np.float64]] = []
    rows: list[NDArray[np.int64]] = []
    for start, stop in bands.path.pieces:
        x += [bands.path.distance[start:stop], np.array([np.nan])]
        rows += [np.arange(start, stop), np.array([-1])]
    return np.concatenate(x), np.concatenate(rows)
