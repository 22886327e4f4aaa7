"""States of a surface: spectral weight along the surface zone, or bands of a slab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QResizeEvent
from PySide6.QtWidgets import QWidget

from crystalgui.gui import theme as look
from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import OKABE_ITO, colour, font, theme

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crystalgui.core.physics.brillouin import KPath

    Floats = NDArray[np.float64]

COLUMNS = 900
"""The path is drawn on so many even columns: its pieces have steps of their own."""
DECADES = 3.0
SHARES = (0.15, 0.3, 0.5, 0.7)
"""Weights on a surface from which a state is marked, larger and larger."""
BOTTOM, TOP = OKABE_ITO[4], OKABE_ITO[3]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Spectrum:
    """``values`` (m, e) states / eV at the rows of ``path`` and ``energies`` (e,) from E_F."""

    path: KPath
    energies: Floats
    values: Floats


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Slab:
    """``energies`` (m, n) from E_F; ``bottom``, ``top`` (m, n) in [0, 1]."""

    path: KPath
    energies: Floats
    bottom: Floats
    top: Floats


class SurfacePlot(Plot):
    """E - E_F against the path of the surface zone."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._spectrum: Spectrum | None = None
        self._slab: Slab | None = None
        self._window = (-1.0, 1.0)
        self._log = True
        self._limits: tuple[float, float] | None = None
        super().__init__("", "E − E_F (eV)", parent)
        self.showGrid(x=False, y=False)
        self.setMouseTracking(True)
        self.getPlotItem().getViewBox().setMouseEnabled(x=False, y=False)
        self.getAxis("bottom").setStyle(hideOverlappingLabels=False, tickTextOffset=5)
        self._image = _Image()
        self._lines = pg.PlotCurveItem(connect="finite", antialias=False)
        self._zero = pg.InfiniteLine(angle=0, movable=False)
        for item in (self._image, self._lines, self._zero):
            self.addItem(item, ignoreBounds=True)
        self._marks = [
            pg.ScatterPlotItem(size=2.5 + 1.5 * place + more, pxMode=True)
            for more in (3.0, 0.0)
            for place in range(len(SHARES))
        ]
        for mark in self._marks:
            self.addItem(mark, ignoreBounds=True)
        self._ticks: list[pg.InfiniteLine] = []
        self._readout = Readout(self)
        self.apply_theme()

    # ------------------------------------------------------------- content

    def set_spectrum(self, spectrum: Spectrum | None, window: tuple[float, float]) -> None:
        """Show spectral weight; rows of NaN are not known yet."""
        self._spectrum, self._slab, self._window = spectrum, None, window
        self._limits = None
        if spectrum is not None:
            self._find_limits(spectrum.values)
            self._set_path(spectrum.path)
        self.mark()

    def set_slab(self, slab: Slab | None, window: tuple[float, float]) -> None:
        """Show bands of a slab."""
        self._slab, self._spectrum, self._window = slab, None, window
        self._limits = None
        if slab is not None:
            self._set_path(slab.path)
        self.mark()

    def set_log(self, on: bool) -> None:
        """Weight on a logarithmic scale, so that the bulk is seen beside sharp surface states."""
        self._log = on
        if self._spectrum is not None:
            self._find_limits(self._spectrum.values)
        self.mark()

    @property
    def limits(self) -> tuple[float, float] | None:
        """Weights at the ends of the colour map, states / eV; None where there is none."""
        return self._limits

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    def _find_limits(self, values: Floats) -> None:
        known = values[np.isfinite(values)]
        top = float(np.quantile(known, 0.997)) if len(known) else 1.0
        self._limits = (top / 10**DECADES if self._log else 0.0), max(top, 1e-9)

    def _set_path(self, path: KPath) -> None:
        for line in self._ticks:
            self.removeItem(line)
        self._ticks = []
        for x, _ in path.ticks:
            line = pg.InfiniteLine(pos=x, angle=90, movable=False)
            line.setZValue(2)
            self.addItem(line, ignoreBounds=True)
            self._ticks.append(line)
        # the font draws the bar: few fonts place a combining one well
        ticks = [(x, name.replace("\u0304", "")) for x, name in path.ticks]
        self.getAxis("bottom").setTicks([ticks, []])
        end = float(path.distance[-1]) or 1.0
        self.setXRange(0.0, end, padding=0.02)
        self.setYRange(*self._window, padding=0.015)
        self.apply_theme()

    # ------------------------------------------------------------- drawing

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_readout"):
            return
        tokens = theme().tokens
        barred = font("text")
        barred.setPixelSize(11)
        barred.setOverline(True)
        self.getAxis("bottom").setStyle(tickFont=barred)
        faint = QColor(tokens.text if self._slab is not None else "#ffffff")
        faint.setAlphaF(0.25)
        for line in self._ticks:
            line.setPen(pg.mkPen(faint, width=1))
        faint.setAlphaF(0.6)
        self._zero.setPen(pg.mkPen(faint, width=1, style=Qt.PenStyle.DashLine))
        self._zero.setZValue(2)
        band = QColor(tokens.muted)
        band.setAlphaF(0.45)
        self._lines.setPen(pg.mkPen(band, width=1))
        bottom = BOTTOM if tokens.dark else OKABE_ITO[0]
        for mark in self._marks[: len(SHARES)]:
            mark.setPen(pg.mkPen(colour(bottom, 0.9), width=1))
            mark.setBrush(None)
        for mark in self._marks[len(SHARES) :]:
            mark.setPen(None)
            mark.setBrush(pg.mkBrush(colour(TOP, 0.85)))

    def redraw(self) -> None:
        """Bring every item up to date."""
        spectrum, slab = self._spectrum, self._slab
        self._image.setVisible(spectrum is not None)
        self._zero.setVisible(spectrum is not None or slab is not None)
        for item in (self._lines, *self._marks):
            item.setVisible(slab is not None)
        if spectrum is not None:
            self._draw_spectrum(spectrum)
        if slab is not None:
            self._draw_slab(slab)

    def _draw_spectrum(self, spectrum: Spectrum) -> None:
        low, high = self._limits or (0.0, 1.0)
        values = spectrum.values
        known = np.isfinite(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            if self._log:
                shown = np.log(np.maximum(values, low) / low) / np.log(high / low)
            else:
                shown = values / high
        index = np.where(known, np.clip(shown, 0, 1) * 255, 0).astype(np.intp)
        rgba = look.sequential[index]
        rgba[~known] = 0
        distance = spectrum.path.distance
        x = np.linspace(0, distance[-1], COLUMNS)
        edges = (distance[1:] + distance[:-1]) / 2
        rows = np.searchsorted(edges, x)
        e = spectrum.energies
        half = (e[-1] - e[0]) / max(1, len(e) - 1) / 2
        target = QRectF(0, e[0] - half, float(distance[-1]), e[-1] - e[0] + 2 * half)
        self._image.set(np.ascontiguousarray(rgba[rows].swapaxes(0, 1)), target)

    def _draw_slab(self, slab: Slab) -> None:
        low, high = self._window
        pad = 0.1 * (high - low)
        seen = ((slab.energies > low - pad) & (slab.energies < high + pad)).any(axis=0)
        e = slab.energies[:, seen]
        x = np.append(slab.path.distance, np.nan)
        table = np.concatenate([e, np.full((1, e.shape[1]), np.nan)])
        self._lines.setData(np.tile(x, e.shape[1]), table.T.ravel())
        place = np.broadcast_to(slab.path.distance[:, None], e.shape)
        bounds = [*SHARES, 2.0]
        for side, weight in enumerate((slab.bottom[:, seen], slab.top[:, seen])):
            for step in range(len(SHARES)):
                chosen = (weight >= bounds[step]) & (weight < bounds[step + 1])
                self._marks[side * len(SHARES) + step].setData(place[chosen], e[chosen])

    # ------------------------------------------------------------- pointer

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read energy, k, and weight."""
        super().mouseMoveEvent(event)
        at = self.mapToScene(event.position().toPoint())
        box = self.getPlotItem().getViewBox()
        shown = self._spectrum or self._slab
        if shown is None or not box.sceneBoundingRect().contains(at):
            self._readout.show_text("")
            return
        place = box.mapSceneToView(at)
        row = int(np.abs(shown.path.distance - place.x()).argmin())
        k = ", ".join(f"{x:.3f}" for x in shown.path.k[row, :2])
        if isinstance(shown, Spectrum):
            column = int(np.abs(shown.energies - place.y()).argmin())
            value = shown.values[row, column]
            words = f"{shown.energies[column]:+.3f} eV   k = ({k})"
            words += f"   {value:.3g} states/eV" if np.isfinite(value) else "   …"
        else:
            band = int(np.abs(shown.energies[row] - place.y()).argmin())
            words = (
                f"{shown.energies[row, band]:+.3f} eV   k = ({k})   band {band + 1}   "
                f"bottom {shown.bottom[row, band]:.0%}, top {shown.top[row, band]:.0%}"
            )
        self._readout.show_text(words.replace("-", "−"))

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        super().leaveEvent(event)
        self._readout.show_text("")

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The range belongs to the form; nothing to reset."""
        event.accept()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the readout in its corner."""
        super().resizeEvent(event)
        if hasattr(self, "_readout"):
            self._readout.place()


class _Image(pg.GraphicsObject):
    """A picture on a rectangle, first row at its lower edge."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self._buffer: NDArray[np.uint8] | None = None
        self._target = QRectF()

    def set(self, rgba: NDArray[np.uint8], target: QRectF) -> None:
        """Show (ny, nx, 4) uint8."""
        self.prepareGeometryChange()
        self._buffer = rgba
        height, width = rgba.shape[:2]
        self._image = QImage(rgba.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
        self._target = target
        self.update()

    def boundingRect(self) -> QRectF:
        """The rectangle."""
        return self._target

    def paint(self, painter: QPainter, *_: object) -> None:
        """Draw the picture."""
        if not self._image.isNull():
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(self._target, self._image)
