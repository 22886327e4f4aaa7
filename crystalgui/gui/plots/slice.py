"""A cut through the zone: colours clipped to its exact outline, contours, named points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QWidget

from crystalgui.gui import theme as look
from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import colour, font, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from crystalgui.core.physics.contours import Contour
    from crystalgui.core.physics.slices import SliceImage


class _ClippedImage(pg.GraphicsObject):
    """A picture on a rectangle, clipped to a polygon."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self._buffer: NDArray[np.uint8] | None = None
        self._target = QRectF()
        self._path = QPainterPath()
        self.line = pg.mkPen("k")

    def set(self, rgba: NDArray[np.uint8], target: QRectF, outline: NDArray[np.float64]) -> None:
        """Show (ny, nx, 4) uint8, first row at the lower edge of ``target``."""
        self.prepareGeometryChange()
        self._buffer = np.ascontiguousarray(rgba)
        height, width = rgba.shape[:2]
        self._image = QImage(
            self._buffer.data, width, height, 4 * width, QImage.Format.Format_RGBA8888
        )
        self._target = target
        self._path = QPainterPath()
        self._path.addPolygon(QPolygonF([QPointF(x, y) for x, y in outline]))
        self._path.closeSubpath()
        self.update()

    def boundingRect(self) -> QRectF:
        """The rectangle."""
        return self._target

    def paint(self, painter: QPainter, *_: object) -> None:
        """Draw the picture through the polygon, then its outline."""
        if self._image.isNull():
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipPath(self._path)
        painter.drawImage(self._target, self._image)
        painter.restore()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self.line)
        painter.drawPath(self._path)


class SlicePlot(Plot):
    """A zone slice in 1/Angstrom, equal scales.

    Signals
    -------
    hovered(object), picked(object)
        (x, y) in the plane; None when the pointer is outside the zone.
    """

    hovered = Signal(object)
    picked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._slice: SliceImage | None = None
        self._lines: Sequence[Contour] = ()
        self._points: Sequence[tuple[str, NDArray[np.float64]]] = ()
        self._marks: Sequence[tuple[NDArray[np.float64], str]] = ()
        self._show_contours = True
        self._extent: tuple[float, float, float, float] | None = None
        self._limits = (0.0, 1.0)
        self._log = True
        super().__init__("k in the plane (1/Å)", "", parent)
        self.showGrid(x=False, y=False)
        self.setMouseTracking(True)
        box = self.getPlotItem().getViewBox()
        box.setAspectLocked(True)
        box.setMouseEnabled(x=False, y=False)
        self._image = _ClippedImage()
        self._contours = pg.PlotCurveItem(connect="finite", antialias=True)
        self._dots = pg.ScatterPlotItem(size=6, pxMode=True)
        self._marker = pg.ScatterPlotItem(size=10, pxMode=True)
        for item in (self._image, self._contours, self._dots, self._marker):
            self.addItem(item, ignoreBounds=True)
        self._labels: list[pg.TextItem] = []
        self._readout = Readout(self)
        self.apply_theme()

    # ------------------------------------------------------------- content

    def set_slice(
        self,
        image: SliceImage | None,
        contours: Sequence[Contour] = (),
        points: Sequence[tuple[str, NDArray[np.float64]]] = (),
        extent: tuple[float, float, float, float] | None = None,
    ) -> None:
        """Show a slice; ``extent`` (x0, x1, y0, y1) keeps the scale while offsets change."""
        self._slice, self._lines, self._points = image, contours, points
        self._extent = extent
        if image is not None:
            self._limits = image.limits
        self.mark()

    def set_marks(self, marks: Sequence[tuple[NDArray[np.float64], str]]) -> None:
        """Marked k-points: (x and y, colour token)."""
        self._marks = marks
        self.mark()

    def set_contours(self, on: bool) -> None:
        """Show or hide the level lines."""
        self._show_contours = on
        self.mark()

    def set_log(self, on: bool) -> None:
        """Signed values on a symmetric logarithmic scale, so that peaks leave room for the rest."""
        self._log = on
        self.mark()

    @property
    def scale(self) -> float | None:
        """Value up to which the scale of the colours is linear; None: everywhere."""
        image = self._slice
        return knee(image) if image is not None and image.signed and self._log else None

    @property
    def limits(self) -> tuple[float, float]:
        """Values at the ends of the colour map, in the unit of the slice."""
        return self._limits

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    # ------------------------------------------------------------- drawing

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_readout"):
            return
        tokens = theme().tokens
        line = pg.mkPen(tokens.text, width=1)
        line.setCosmetic(True)
        self._image.line = line
        self._contours.setPen(pg.mkPen(QColor(0, 0, 0, 110), width=1))
        self._dots.setPen(pg.mkPen(tokens.surface, width=1))
        self._dots.setBrush(pg.mkBrush(tokens.text))
        for label in self._labels:
            label.setColor(tokens.text)
            label.fill = pg.mkBrush(colour("surface", 0.7))

    def redraw(self) -> None:
        """Bring every item up to date."""
        image = self._slice
        for item in (self._image, self._contours, self._dots, self._marker):
            item.setVisible(image is not None)
        if image is None:
            self._set_labels(())
            return
        low, high = self._limits
        values, linear = image.values.T, self.scale
        if linear is not None:
            values = _symmetric_log(values, linear)
            high = float(_symmetric_log(np.array(high), linear))
            low = -high
        span = high - low if high > low else 1.0
        position = np.clip((values - low) / span, 0, 1) if high > low else 0.5 + 0 * values
        table = look.diverging if image.signed else look.sequential
        holes = ~np.isfinite(position)
        index = np.where(holes, 0, position * 255).astype(np.intp)
        rgba = table[index]
        rgba[holes] = 0
        dx, dy = image.x[1] - image.x[0], image.y[1] - image.y[0]
        target = QRectF(
            image.x[0] - dx / 2,
            image.y[0] - dy / 2,
            image.x[-1] - image.x[0] + dx,
            image.y[-1] - image.y[0] + dy,
        )
        self._image.set(rgba, target, image.plane.outline)
        self._contours.setVisible(self._show_contours)
        if self._lines and self._show_contours:
            hole = np.full((1, 2), np.nan)
            xy = np.concatenate([part for line in self._lines for part in (line.xy, hole)])
            self._contours.setData(xy[:, 0], xy[:, 1])
        else:
            self._contours.setData([], [])
        self._dots.setData(
            [float(xy[0]) for _, xy in self._points], [float(xy[1]) for _, xy in self._points]
        )
        self._set_labels(self._points)
        self._marker.setData(
            [
                {"pos": (float(xy[0]), float(xy[1])), "brush": colour(token), "pen": colour("text")}
                for xy, token in self._marks
            ]
        )
        x0, x1, y0, y1 = self._extent or (*image.x[[0, -1]], *image.y[[0, -1]])
        self.getPlotItem().getViewBox().setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0.06)

    def _set_labels(self, points: Sequence[tuple[str, NDArray[np.float64]]]) -> None:
        while len(self._labels) > len(points):
            self.removeItem(self._labels.pop())
        while len(self._labels) < len(points):
            label = pg.TextItem(anchor=(-0.2, 1.1))
            label.setFont(font("text"))
            label.setColor(theme().tokens.text)
            label.fill = pg.mkBrush(colour("surface", 0.7))
            self.addItem(label, ignoreBounds=True)
            self._labels.append(label)
        for label, (text, xy) in zip(self._labels, points, strict=True):
            label.setText(text)
            label.setPos(float(xy[0]), float(xy[1]))

    # ------------------------------------------------------------- pointer

    def _under(self, event: QMouseEvent) -> tuple[float, float] | None:
        image = self._slice
        if image is None:
            return None
        box = self.getPlotItem().getViewBox()
        point = box.mapSceneToView(self.mapToScene(event.position().toPoint()))
        polygon = QPolygonF([QPointF(x, y) for x, y in image.plane.outline])
        if not polygon.containsPoint(point, Qt.FillRule.OddEvenFill):
            return None
        return point.x(), point.y()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read value and k."""
        super().mouseMoveEvent(event)
        at = self._under(event)
        image = self._slice
        if at is None or image is None:
            self._readout.show_text("")
        else:
            k = ", ".join(f"{x:.3f}" for x in image.plane.reduced(np.array(at)))
            value = image.at(*at)
            shown = f"{value:.4g}" if image.signed else f"{value:.3f}"
            self._readout.show_text(f"{shown} {image.unit}   k = ({k})".replace("-", "−"))
        self.hovered.emit(at)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click picks the k-point."""
        super().mouseReleaseEvent(event)
        at = self._under(event)
        if at is not None and event.button() == Qt.MouseButton.LeftButton:
            self.picked.emit(at)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The range belongs to the zone; nothing to reset."""
        event.accept()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the readout in its corner."""
        super().resizeEvent(event)
        if hasattr(self, "_readout"):
            self._readout.place()

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        super().leaveEvent(event)
        self._readout.show_text("")
        self.hovered.emit(None)


def knee(image: SliceImage) -> float:
    """Where a symmetric logarithmic scale begins to bend: the median size of the values."""
    size = np.abs(image.values[image.inside & np.isfinite(image.values)])
    largest = float(size.max(initial=0.0))
    return max(float(np.median(size)) if len(size) else 0.0, 1e-4 * largest, 1e-12)


def _symmetric_log(values: NDArray[np.float64], linear: float) -> NDArray[np.float64]:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values) / linear))


class ColourBar(QWidget):
    """The colour map with its limits and unit."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._limits: tuple[float, float] | None = None
        self._unit = "eV"
        self._linear: float | None = None
        self._signed = False
        self.setFixedWidth(62)
        theme().changed.connect(self.update)

    def set_limits(
        self,
        limits: tuple[float, float] | None,
        unit: str = "eV",
        linear: float | None = None,
        *,
        signed: bool | None = None,
    ) -> None:
        """Show another range, or nothing; ``linear`` as `SlicePlot.scale`.

        A range around zero (``signed``; by default all but energies) is drawn
        with the diverging map.
        """
        self._limits, self._unit, self._linear = limits, unit, linear
        self._signed = unit != "eV" if signed is None else signed
        if limits is not None:
            low, high = limits
            self.setAccessibleName(f"colours from {low:.3f} to {high:.3f} {unit}")
        self.update()

    def sizeHint(self) -> QSize:
        """Narrow and tall."""
        return QSize(62, 160)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the bar and its two numbers."""
        painter = QPainter(self)
        self.draw(painter)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        """Draw with the origin at the upper left corner."""
        if self._limits is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        small = font("text")
        small.setPixelSize(11)
        painter.setFont(small)
        bar = QRectF(4, 26, 10, max(20, self.height() - 64))
        gradient = QLinearGradient(bar.bottomLeft(), bar.topLeft())
        signed = self._signed
        table = look.diverging if signed else look.sequential
        for i in range(0, 256, 15):
            r, g, b, _ = (int(v) for v in table[i])
            gradient.setColorAt(i / 255, QColor(r, g, b))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawRoundedRect(bar, 2, 2)
        painter.setPen(colour("muted"))
        form = ".2f" if self._unit == "eV" else ".2g" if not signed else ".3g"
        low, high = (f"{v:{form}}".replace("-", "−") for v in self._limits)
        painter.drawText(QPointF(4, 18), f"{high} {self._unit}")
        if signed:
            painter.drawText(QPointF(18, bar.center().y() + 4), "0")
        if self._linear is not None and self._limits[1] > 0:
            top = np.log1p(self._limits[1] / self._linear)
            for sign in (-1, 1):
                y = bar.center().y() - sign * bar.height() / 2 * float(np.log(2.0) / top)
                text = f"{sign * self._linear:.1g}".replace("-", "−")
                if abs(y - bar.center().y()) > 12 and abs(y - bar.center().y()) < bar.height() / 2:
                    painter.drawText(QPointF(18, y + 4), text)
        painter.drawText(QPointF(4, bar.bottom() + 16), f"{low} {self._unit}")
