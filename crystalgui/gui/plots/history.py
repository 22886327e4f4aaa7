"""A quantity of every layer of a network against the epoch, as a map.

Read from left to right it shows in which order the layers are learnt: from the
first to the last in a medium extractor (Bird 2023, section 2.8 and Fig. 22).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QLineF, QRectF, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QGraphicsRectItem, QWidget

from crystalgui.gui import theme as look
from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.layers import borders, every, ticks
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.state.monitors import full_name
from crystalgui.gui.theme import colour

Floats = NDArray[np.float64]

LEAST = 1e-12


class HistoryPlot(Plot):
    """A quantity of every layer against the epoch, as a map; a click chooses an epoch.

    Signals
    -------
    epoch_chosen(int)
    """

    epoch_chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        self._epochs: NDArray[np.int64] = np.zeros(0, np.int64)
        self._values: Floats = np.zeros((0, 0))
        self._names: tuple[str, ...] = ()
        self._limits = (0.0, 1.0)
        self._until = 1
        self._chosen: int | None = None
        self._log = False
        self._noun = ""
        super().__init__("epoch", "layer", parent)
        self.setAccessibleName("History by layer and epoch")
        self.showGrid(x=False, y=False)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.getPlotItem().getViewBox().setMouseEnabled(x=False, y=False)
        self._cells = _Map()
        self.addItem(self._cells, ignoreBounds=True)
        self._frame = QGraphicsRectItem()
        self.addItem(self._frame, ignoreBounds=True)
        self._readout = Readout(self)
        self.apply_theme()

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    @property
    def values(self) -> Floats:
        """(L, e) float64, what is drawn."""
        return self._values

    @property
    def limits(self) -> tuple[float, float]:
        """Values at the two ends of the colours."""
        return self._limits

    def set_history(
        self,
        epochs: NDArray[np.int64],
        values: Floats,
        names: Sequence[str],
        *,
        limits: tuple[float, float],
        until: int = 0,
        noun: str = "",
        log: bool = False,
    ) -> None:
        """Show values (L, e) at epochs (e,); ``until`` is the last epoch that will come."""
        self._epochs, self._values, self._names = epochs, values, tuple(names)
        self._limits, self._noun, self._log = limits, noun, log
        self._until = max(until, int(epochs[-1]) if len(epochs) else 0, 1)
        self.mark()

    def choose(self, epoch: int | None) -> None:
        """Frame an epoch; None frames none."""
        self._chosen = epoch
        self.mark()

    def redraw(self) -> None:
        """Bring the picture and the frame up to date."""
        first = int(self._epochs[0]) if len(self._epochs) else 0
        rgba = np.zeros((len(self._names), 0, 4), np.uint8)
        if len(self._epochs):
            width = int(self._epochs[-1]) - first + 1
            rgba = np.zeros((len(self._names), width, 4), np.uint8)
            rgba[:, self._epochs - first] = look.sequential[self._shade()]
        self._cells.set(rgba, first - 0.5, [place + 0.5 for place in borders(self._names)])
        box = self.getPlotItem().getViewBox()
        rows = max(1, len(self._names))
        step = every(rows, self.height() - 44)
        words = [(at + 0.5, word) for at, word in ticks(self._names, step)]
        self.getAxis("left").setTicks([words, []])
        box.setRange(xRange=(first - 0.5, self._until + 0.5), yRange=(0, rows), padding=0)
        self._frame.setVisible(self._chosen is not None)
        if self._chosen is not None:
            self._frame.setRect(QRectF(self._chosen - 0.5, 0, 1, rows))

    def _shade(self) -> NDArray[np.intp]:
        """(L, e) places in the colour map."""
        low, high = self._limits
        values = self._values
        if self._log:
            low, high = np.log10(max(low, LEAST)), np.log10(max(high, LEAST))
            values = np.log10(np.maximum(values, LEAST))
        share = (values - low) / max(high - low, 1e-9)
        return np.round(255 * np.clip(np.nan_to_num(share), 0, 1)).astype(np.intp)

    def apply_theme(self) -> None:
        """The frame follows the mode."""
        if hasattr(self, "_readout"):
            pen = QPen(colour("text"), 1.5)
            pen.setCosmetic(True)
            self._frame.setPen(pen)

    def _under(self, event: QMouseEvent) -> tuple[int, int] | None:
        """Layer and column of the reading under the pointer."""
        box = self.getPlotItem().getViewBox()
        scene = self.mapToScene(event.position().toPoint())
        if not box.sceneBoundingRect().contains(scene) or not len(self._epochs):
            return None
        at = box.mapSceneToView(scene)
        layer, epoch = int(np.floor(at.y())), round(at.x())
        column = int(np.searchsorted(self._epochs, epoch))
        known = column < len(self._epochs) and self._epochs[column] == epoch
        return (layer, column) if known and 0 <= layer < len(self._names) else None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the cell under the pointer."""
        super().mouseMoveEvent(event)
        cell = self._under(event)
        text = ""
        if cell is not None:
            layer, column = cell
            text = f"epoch {self._epochs[column]}   {full_name(self._names, layer)}   "
            text += f"{self._noun} {self._values[layer, column]:.3g}".strip()
        self._readout.show_text(text.replace("-", "−"))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take it: its release chooses an epoch."""
        super().mousePressEvent(event)
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Choose the epoch under the pointer."""
        super().mouseReleaseEvent(event)
        event.accept()
        cell = self._under(event)
        if cell is not None and event.button() == Qt.MouseButton.LeftButton:
            self.epoch_chosen.emit(int(self._epochs[cell[1]]))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The ranges belong to the run; nothing to reset."""
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right choose the neighbouring epoch, End the newest."""
        keys = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_End: len(self._epochs)}
        step = keys.get(Qt.Key(event.key()))
        if step is None or not len(self._epochs):
            super().keyPressEvent(event)
            return
        last = len(self._epochs) - 1
        at = last if self._chosen is None else int(np.searchsorted(self._epochs, self._chosen))
        self.epoch_chosen.emit(int(self._epochs[min(max(at + step, 0), last)]))

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        super().leaveEvent(event)
        self._readout.show_text("")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the readout in its corner."""
        super().resizeEvent(event)
        if hasattr(self, "_readout"):
            self._readout.place()
            self.mark()  # other ticks


class _Map(pg.GraphicsObject):
    """A picture with one square for every layer and epoch."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = np.zeros((0, 0, 4), np.uint8)
        self._left = 0.0
        self._borders: Sequence[float] = ()

    def set(self, rgba: NDArray[np.uint8], left: float, borders: Sequence[float] = ()) -> None:
        """Show (rows, columns, 4) uint8, first row below, from ``left`` on, lines between rows."""
        self.prepareGeometryChange()
        self._buffer, self._left = np.ascontiguousarray(rgba), left
        self._borders = borders
        self.update()

    def boundingRect(self) -> QRectF:
        """One unit for each square."""
        rows, columns = self._buffer.shape[:2]
        return QRectF(self._left, 0, columns, rows)

    def paint(self, painter: QPainter, *_: object) -> None:
        """Draw the squares."""
        rows, columns = self._buffer.shape[:2]
        if not rows or not columns:
            return
        image = QImage(self._buffer.data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(self.boundingRect(), image)
        pen = QPen(colour("surface"), 2)
        pen.setCosmetic(True)
        painter.setPen(pen)
        for y in self._borders:
            painter.drawLine(QLineF(self._left, y, self._left + columns, y))
