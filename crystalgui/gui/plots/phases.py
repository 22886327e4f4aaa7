"""Phase diagrams: gaps along a path, and cells coloured by phase.

The picture of Murakami and Kuga, Phys. Rev. B 78, 165313 (2008): between a
trivial and a topological insulator without inversion lies a window without a
gap, which grows with what breaks inversion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFontMetricsF,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QTransform,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from crystalgui.gui import theme as look
from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import colour, font, phase_colour, theme

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crystalgui.core.messages import PhasePoint

FLOOR = 1e-5
"""Smaller gaps stand here on a logarithmic axis, eV: they are closed."""
LEFT = 58
"""Width of the left axes, so that plots above each other line up."""
COARSE = 0.45
"""Opacity of a colour that only its neighbours suggest so far."""
HATCHED = ("undefined",)
ORDER = (
    "trivial insulator",
    "topological insulator",
    "Weyl semimetal",
    "Dirac semimetal",
    "metal",
    "undefined",
    "unresolved",
)


def point_text(point: PhasePoint, x: str, y: str) -> str:
    """What the pointer reads."""
    k = ", ".join(f"{value:.3f}" for value in point.k)
    words = [f"{x} = {point.x:.4g}", f"{y} = {point.y:.4g}" if y else ""]
    words += [f"gap {point.gap:.4f} eV", f"k = ({k})", point.label]
    return "   ".join(word for word in words if word).replace("-", "−")


class PointPlot(Plot):
    """A plot of `PhasePoint`s: reads the nearest one, a click picks it.

    Signals
    -------
    picked(object)
        The `PhasePoint` that was clicked.
    """

    picked = Signal(object)

    def __init__(self, x: str, y: str, parent: QWidget | None = None) -> None:
        self._names = ("", "")
        super().__init__(x, y, parent)
        self.showGrid(x=False, y=False)
        self.setMouseTracking(True)
        self.getPlotItem().getViewBox().setMouseEnabled(x=False, y=False)
        self.getAxis("left").setWidth(LEFT)
        self._readout = Readout(self)

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    def under(self, at: QPointF) -> PhasePoint | None:
        """The point at a position of the scene."""
        raise NotImplementedError

    def place_of(self, at: QPointF) -> QPointF | None:
        """Position of the scene in units of the axes; None outside the frame."""
        box = self.getPlotItem().getViewBox()
        if not box.sceneBoundingRect().contains(at):
            return None
        return QPointF(box.mapSceneToView(at))

    def point_at(self, point: PhasePoint | None) -> None:
        """Show which point is read."""

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the point under the pointer."""
        super().mouseMoveEvent(event)
        point = self.under(self.mapToScene(event.position().toPoint()))
        self._readout.show_text("" if point is None else point_text(point, *self._names))
        self.point_at(point)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click picks the point."""
        super().mouseReleaseEvent(event)
        point = self.under(self.mapToScene(event.position().toPoint()))
        if point is not None and event.button() == Qt.MouseButton.LeftButton:
            self.picked.emit(point)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The ranges belong to the diagram; nothing to reset."""
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        super().leaveEvent(event)
        self._readout.show_text("")
        self.point_at(None)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the readout in its corner."""
        super().resizeEvent(event)
        if hasattr(self, "_readout"):
            self._readout.place()


class GapPlot(PointPlot):
    """Smallest direct gap against the mixing, a line for each strength of noise."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._lines: dict[float, dict[float, PhasePoint]] = {}
        self._curves: dict[float, pg.PlotDataItem] = {}
        self._log = False
        self._unit = "eV"
        super().__init__("", "smallest gap (eV)", parent)
        self.getAxis("bottom").setStyle(showValues=False)
        self.setXRange(0.0, 1.0, padding=0.02)
        self._spot = pg.ScatterPlotItem(size=9, pxMode=True)
        self._spot.setZValue(5)
        self.addItem(self._spot, ignoreBounds=True)
        self._legend = self.addLegend(offset=(-8, 30), labelTextSize="11px", brush=None, pen=None)
        self._legend.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self.apply_theme()

    def begin(self, strengths: Sequence[float], unit: str) -> None:
        """Empty lines for these strengths; ``unit`` stands in the legend."""
        for curve in self._curves.values():
            self.removeItem(curve)
        self._legend.clear()
        self._unit, self._names = unit, ("α", "noise")
        self._lines = {y: {} for y in strengths}
        self._curves = {}
        for y in strengths:
            curve = pg.PlotDataItem(antialias=True, symbol="o", symbolSize=3.5)
            self.addItem(curve)
            self._legend.addItem(curve, f"noise {y:g} {unit}" if y else "no noise")
            self._curves[y] = curve
        self._legend.setVisible(len(self._lines) > 1)
        self.apply_theme()
        self.mark()

    def add(self, points: Iterable[PhasePoint]) -> None:
        """More points, or better ones."""
        for point in points:
            self._lines.setdefault(point.y, {})[point.x] = point
        self.mark()

    def centre_legend(self) -> None:
        """The legend at the upper middle: between the arms of a gap that closes once."""
        self._legend.anchor(itemPos=(0.5, 0), parentPos=(0.5, 0), offset=(0, 6))

    def set_log(self, on: bool) -> None:
        """Gaps on a logarithmic axis."""
        self._log = on
        self.getPlotItem().setLogMode(x=False, y=on)
        self.mark()

    def ink(self, place: int) -> QColor:
        """Colour of a line: from the sequential map, so that more noise looks like more."""
        share = place / max(1, len(self._lines) - 1)
        low, high = (0.45, 0.95) if theme().tokens.dark else (0.1, 0.72)
        r, g, b, _ = (int(v) for v in look.sequential[round(255 * (low + (high - low) * share))])
        return QColor(r, g, b)

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_legend"):
            return
        for place, curve in enumerate(self._curves.values()):
            ink = self.ink(place)
            curve.setPen(pg.mkPen(ink, width=1.5))
            curve.setSymbolBrush(pg.mkBrush(ink))
            curve.setSymbolPen(None)
        self._legend.setLabelTextColor(QColor(theme().tokens.muted))
        for _, words in self._legend.items:
            words.setText(words.text, color=theme().tokens.muted)
        self._spot.setPen(pg.mkPen(theme().tokens.text, width=1.5))
        self._spot.setBrush(None)

    def redraw(self) -> None:
        """Bring the lines up to date."""
        top = 0.0
        for y, found in self._lines.items():
            x = sorted(found)
            gaps = [max(found[a].gap, FLOOR) if self._log else found[a].gap for a in x]
            self._curves[y].setData(x, gaps)
            top = max(top, max(gaps, default=0.0))
        if self._log:
            self.setYRange(np.log10(FLOOR), np.log10(max(top, 10 * FLOOR)), padding=0.05)
        else:
            self.setYRange(0.0, top or 1.0, padding=0.06)

    def point_at(self, point: PhasePoint | None) -> None:
        """A ring around the point that is read."""
        if point is None:
            self._spot.setData([], [])
        else:
            self._spot.setData([point.x], [self._height(point.gap)])

    def _height(self, gap: float) -> float:
        return float(np.log10(max(gap, FLOOR))) if self._log else gap

    def under(self, at: QPointF) -> PhasePoint | None:
        """The nearest point of the nearest line."""
        where = self.place_of(at)
        points = [p for line in self._lines.values() for p in line.values()]
        if where is None or not points:
            return None
        wide, tall = self.getPlotItem().getViewBox().viewPixelSize()
        x = np.array([p.x for p in points])
        y = np.array([self._height(p.gap) for p in points])
        apart = ((x - where.x()) / wide) ** 2 + ((y - where.y()) / tall) ** 2
        return points[int(apart.argmin())]


class StatePlot(PointPlot):
    """Cells of a grid, coloured by phase; they fill in coarse to fine."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._x: NDArray[np.float64] = np.zeros(0)
        self._y: NDArray[np.float64] = np.zeros(0)
        self._points: dict[tuple[int, int], PhasePoint] = {}
        self._spread = True
        super().__init__("", "", parent)
        self._cells = _Cells()
        self._exact = [pg.PlotCurveItem(antialias=True) for _ in range(2)]
        self._spot = pg.ScatterPlotItem(symbol="s", size=9, pxMode=True)
        for item in (self._cells, *self._exact, self._spot):
            self.addItem(item, ignoreBounds=True)
        self.apply_theme()

    def begin(
        self,
        x: Sequence[float],
        y: Sequence[float],
        names: tuple[str, str],
        *,
        labels: Sequence[str] = (),
        spread: bool = True,
    ) -> None:
        """An empty grid.

        Parameters
        ----------
        x, y : values of the columns and rows
        names : what the axes measure, as it is read
        labels : names of the rows, in place of numbers
        spread : let coarse points colour their surroundings
        """
        self._x, self._y = np.asarray(x, float), np.asarray(y, float)
        self._names, self._spread = names, spread
        self._points = {}
        rows = np.arange(len(self._y), dtype=float) if labels else self._y
        self._rows = rows
        self._cells.begin(_edges(self._x), _edges(rows))
        ticks = [list(zip(rows.tolist(), labels, strict=True)), []] if labels else None
        self.getAxis("left").setTicks(ticks)
        (x0, x1), (y0, y1) = _edges(self._x), _edges(rows)
        self.getPlotItem().getViewBox().setRange(
            xRange=(x0, x1) if not labels else (0.0, 1.0), yRange=(y0, y1),
            padding=0.0 if not labels else 0.02,
        )  # fmt: skip
        if labels:
            self.setYRange(y0, y1, padding=0)
        self._cells.shape(len(self._x), len(self._y))
        for curve in self._exact:
            curve.setData([], [])
        self.mark()

    def set_exact(self, x: NDArray[np.float64], curves: Sequence[NDArray[np.float64]]) -> None:
        """Boundaries that are known in closed form."""
        for item, y in zip(self._exact, curves, strict=False):
            item.setData(x, y)

    def add(self, points: Iterable[PhasePoint]) -> None:
        """More points."""
        for point in points:
            if not point.label or not len(self._x):
                continue
            i = int(np.abs(self._x - point.x).argmin())
            j = int(np.abs(self._y - point.y).argmin())
            self._points[i, j] = point
            reach = 0
            if self._spread:
                reach = round(max(self._cells.counts) / (2 * len(self._points) ** 0.5) - 0.5)
            self._cells.put(i, j, point.label, max(0, reach))
        self.mark()

    def redraw(self) -> None:
        """Bring the picture up to date."""
        self._cells.update()

    def apply_theme(self) -> None:
        """Pens of the mode."""
        if not hasattr(self, "_spot"):
            return
        tokens = theme().tokens
        for curve in self._exact:
            curve.setPen(pg.mkPen(tokens.text, width=1, style=Qt.PenStyle.DashLine))
        self._spot.setPen(pg.mkPen(tokens.text, width=1.5))
        self._spot.setBrush(None)
        self._cells.update()

    def point_at(self, point: PhasePoint | None) -> None:
        """A frame around the cell that is read."""
        if point is None:
            self._spot.setData([], [])
        else:
            j = int(np.abs(self._y - point.y).argmin())
            self._spot.setData([point.x], [float(self._rows[j])])

    def under(self, at: QPointF) -> PhasePoint | None:
        """The point whose cell this is."""
        where = self.place_of(at)
        if where is None or not len(self._x):
            return None
        i = int(np.abs(self._x - where.x()).argmin())
        j = int(np.abs(self._rows - where.y()).argmin())
        return self._points.get((i, j))


class _Cells(pg.GraphicsObject):
    """An image of cells, some of them certain; hatched where there is no phase."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = (1, 1)
        self._frame = QRectF()
        self._index = np.zeros((1, 1), dtype=np.int8)
        self._sure = np.zeros((1, 1), dtype=bool)

    def begin(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        """Outer edges of the grid."""
        self.prepareGeometryChange()
        self._frame = QRectF(x[0], y[0], x[1] - x[0], y[1] - y[0])

    def shape(self, columns: int, rows: int) -> None:
        """Cells of the grid, all empty."""
        self.counts = columns, rows
        self._index = np.full((rows, columns), -1, dtype=np.int8)
        self._sure = np.zeros((rows, columns), dtype=bool)
        self.update()

    def put(self, i: int, j: int, label: str, reach: int) -> None:
        """A cell, and a guess for the cells around it."""
        kind = ORDER.index(label) if label in ORDER else len(ORDER) - 1
        part = np.s_[max(0, j - reach) : j + reach + 1, max(0, i - reach) : i + reach + 1]
        self._index[part] = np.where(self._sure[part], self._index[part], kind)
        self._index[j, i] = kind
        self._sure[j, i] = True

    def boundingRect(self) -> QRectF:
        """The grid."""
        return self._frame

    def paint(self, painter: QPainter, *_: object) -> None:
        """Draw cells, then hatching."""
        if self._frame.isEmpty():
            return
        table = np.zeros((len(ORDER) + 1, 4), dtype=np.uint8)
        for kind, label in enumerate(ORDER):
            ink = QColor(phase_colour(label))
            table[kind] = ink.red(), ink.green(), ink.blue(), 255
        rgba = table[self._index]
        rgba[..., 3] = np.where(self._sure, rgba[..., 3], COARSE * rgba[..., 3])
        rgba = np.ascontiguousarray(rgba)
        height, width = rgba.shape[:2]
        image = QImage(rgba.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(self._frame, image)
        hatch = QBrush(QColor(theme().tokens.surface), Qt.BrushStyle.BDiagPattern)
        turn, _ok = painter.worldTransform().inverted()
        hatch.setTransform(QTransform(turn.m11(), 0, 0, turn.m22(), 0, 0))
        painter.setPen(Qt.PenStyle.NoPen)
        dx, dy = self._frame.width() / width, self._frame.height() / height
        kinds = [ORDER.index(label) for label in HATCHED]
        for j, i in np.argwhere(np.isin(self._index, kinds) & self._sure):
            corner = QPointF(self._frame.x() + i * dx, self._frame.y() + j * dy)
            painter.fillRect(QRectF(corner.x(), corner.y(), dx, dy), hatch)


def _edges(values: NDArray[np.float64]) -> tuple[float, float]:
    """Outer edges of cells around evenly spaced values."""
    half = (values[-1] - values[0]) / (len(values) - 1) / 2 if len(values) > 1 else 0.5
    return float(values[0] - half), float(values[-1] + half)


class PhaseLegend(QWidget):
    """Phases with their colours and how many points have them."""

    GAP = 14

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._counts: dict[str, int] = {}
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        theme().changed.connect(self.update)

    @property
    def words(self) -> list[str]:
        """What stands there."""
        return [f"{label} {count}" for label, count in self._counts.items()]

    def set_counts(self, counts: Mapping[str, int]) -> None:
        """Points of each phase."""
        self._counts = {label: counts[label] for label in ORDER if counts.get(label)}
        self.setAccessibleName(", ".join(self.words))
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        """It wraps."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Height of all lines."""
        return 18 * (1 + max((line for _, _, line in self._placed(width)), default=0))

    def sizeHint(self) -> QSize:
        """One line."""
        return QSize(240, self.heightForWidth(max(240, self.width())))

    def _placed(self, width: int) -> list[tuple[str, float, int]]:
        metrics, x, line, placed = QFontMetricsF(font("text")), 0.0, 0, []
        for word in self.words:
            wide = 16 + metrics.horizontalAdvance(word) + self.GAP
            if x and x + wide > width:
                x, line = 0.0, line + 1
            placed.append((word, x, line))
            x += wide
        return placed

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw dots and words."""
        painter = QPainter(self)
        self.draw(painter)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        """Draw with the origin at the upper left corner."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font("text"))
        for label, (word, x, line) in zip(self._counts, self._placed(self.width()), strict=True):
            middle = 18 * line + 9
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(phase_colour(label)))
            box = QRectF(x, middle - 5, 10, 10)
            painter.drawRoundedRect(box, 2, 2)
            if label in HATCHED:
                painter.fillRect(box, QBrush(colour("surface"), Qt.BrushStyle.BDiagPattern))
            painter.setPen(colour("text"))
            painter.drawText(QPointF(x + 15, middle + 4.5), word)
