"""A complex matrix as a picture: hue is the argument, opacity the modulus.

As in Bird (2023), Fig. 25, which shows the noise on the hoppings of one
lattice vector.  The hues have equal lightness and chroma in the OKLab space
(B. Ottosson, 2020), so that no argument looks larger than another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QConicalGradient,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QRadialGradient,
    QResizeEvent,
)
from PySide6.QtWidgets import QWidget

from crystalgui.gui.plots.canvas import Plot
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import colour, font, theme

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIGHTNESS, CHROMA = 0.68, 0.135
HUES = 256


@cache
def hues() -> NDArray[np.uint8]:
    """(256, 3) uint8: arguments from -pi to pi, of equal lightness."""
    angle = np.linspace(-np.pi, np.pi, HUES, endpoint=False) + np.deg2rad(40)
    lab = np.stack(
        [np.full(HUES, LIGHTNESS), CHROMA * np.cos(angle), CHROMA * np.sin(angle)], axis=1
    )
    to_lms = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip((lab @ to_lms.T) ** 3 @ to_rgb.T, 0, 1)
    shown = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * shown).astype(np.uint8)


def complex_rgba(values: NDArray[np.complex128], top: float) -> NDArray[np.uint8]:
    """(n, m, 4) uint8 of a complex matrix; ``top`` is the modulus without transparency."""
    place = (np.angle(values) + np.pi) / (2 * np.pi) * HUES
    rgba = np.empty((*values.shape, 4), np.uint8)
    rgba[..., :3] = hues()[place.astype(np.intp) % HUES]
    share = np.abs(values) / top if top > 0 else np.zeros(values.shape)
    rgba[..., 3] = np.round(255 * np.clip(share, 0, 1))
    return rgba


class ComplexMatrixPlot(Plot):
    """Elements of a matrix in eV, first row above; the pointer reads one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._values: NDArray[np.complex128] = np.zeros((0, 0), np.complex128)
        self._labels: tuple[str, ...] = ()
        self._top = 0.0
        super().__init__("orbital j", "orbital i", parent)
        self.showGrid(x=False, y=False)
        self.setMouseTracking(True)
        box = self.getPlotItem().getViewBox()
        box.setAspectLocked(True)
        box.setMouseEnabled(x=False, y=False)
        box.invertY(True)
        self._cells = _Cells()
        self.addItem(self._cells, ignoreBounds=True)
        self._readout = Readout(self)

    @property
    def values(self) -> NDArray[np.complex128]:
        """What is drawn."""
        return self._values

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    def set_matrix(
        self, values: NDArray[np.complex128], top: float, labels: Sequence[str] = ()
    ) -> None:
        """Another matrix (n, n); ``top`` (eV) is the modulus drawn without transparency."""
        self._values, self._top, self._labels = values, top, tuple(labels)
        n = len(values)
        every = max(1, round(n / 10))
        ticks = [(i + 0.5, str(i + 1)) for i in range(0, n, every)]
        for side in ("bottom", "left"):
            self.getAxis(side).setTicks([ticks, []])
        self.mark()

    def apply_theme(self) -> None:
        """The frame follows the mode."""
        if hasattr(self, "_cells"):
            self._cells.line = pg.mkPen(theme().tokens.line)
            for side in ("bottom", "left"):
                self.getAxis(side).setPen(pg.mkPen(None))
                self.getAxis(side).setTextPen(theme().tokens.muted)  # the pen took it along
            self._cells.update()

    def redraw(self) -> None:
        """Bring the picture up to date."""
        self._cells.set(complex_rgba(self._values, self._top))
        n = max(1, len(self._values))
        self.getPlotItem().getViewBox().setRange(xRange=(0, n), yRange=(0, n), padding=0.01)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the element under the pointer."""
        super().mouseMoveEvent(event)
        box = self.getPlotItem().getViewBox()
        at = box.mapSceneToView(self.mapToScene(event.position().toPoint()))
        i, j, n = int(np.floor(at.y())), int(np.floor(at.x())), len(self._values)
        if not (0 <= i < n and 0 <= j < n):
            self._readout.show_text("")
            return
        value = self._values[i, j]
        name = f"{i + 1}, {j + 1}"
        if self._labels:
            name += f"  ({self._labels[i]}, {self._labels[j]})"
        angle = f"{np.angle(value) / np.pi:.2f} π"
        text = f"{name}   {abs(value):.3g} eV   arg {angle}"
        self._readout.show_text(text.replace("-", "−"))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """The range belongs to the matrix; nothing to reset."""
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


class _Cells(pg.GraphicsObject):
    """Squares without smoothing, in a frame."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = np.zeros((1, 1, 4), np.uint8)
        self.line = pg.mkPen("k")

    def set(self, rgba: NDArray[np.uint8]) -> None:
        """Show (n, m, 4) uint8."""
        self.prepareGeometryChange()
        self._buffer = np.ascontiguousarray(rgba)
        self.update()

    def boundingRect(self) -> QRectF:
        """One unit for each element."""
        return QRectF(0, 0, self._buffer.shape[1], self._buffer.shape[0])

    def paint(self, painter: QPainter, *_: object) -> None:
        """Draw squares and frame."""
        height, width = self._buffer.shape[:2]
        if not height:
            return
        image = QImage(self._buffer.data, width, height, 4 * width, QImage.Format.Format_RGBA8888)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, False)
        painter.drawImage(self.boundingRect(), image)
        painter.setPen(self.line)
        painter.drawRect(self.boundingRect())


class ArgumentWheel(QWidget):
    """What the colours mean: argument around, modulus outwards."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._top = 0.0
        self.setFixedSize(128, 128)
        theme().changed.connect(self.update)

    def set_top(self, top: float) -> None:
        """Modulus at the rim, eV."""
        self._top = top
        self.setAccessibleName(f"hue: argument; opacity: modulus up to {top:.3g} eV")
        self.update()

    def sizeHint(self) -> QSize:
        """A small disc with words around."""
        return QSize(128, 128)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the disc."""
        painter = QPainter(self)
        self.draw(painter)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        """Draw with the origin at the upper left corner."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        disc = QRectF(30, 24, 68, 68)
        around = QConicalGradient(disc.center(), 180)
        for i in range(0, HUES, 8):
            # the gradient runs anticlockwise from the left: argument -pi .. pi
            r, g, b = (int(v) for v in hues()[i])
            around.setColorAt(i / HUES, QColor(r, g, b))
        r, g, b = (int(v) for v in hues()[0])
        around.setColorAt(1.0, QColor(r, g, b))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(around)
        painter.drawEllipse(disc)
        inner = QRadialGradient(disc.center(), disc.width() / 2)
        inner.setColorAt(0.0, colour("surface"))
        inner.setColorAt(1.0, colour("surface", 0.0))
        painter.setBrush(inner)
        painter.drawEllipse(disc)
        small = font("text")
        small.setPixelSize(11)
        painter.setFont(small)
        painter.setPen(colour("muted"))
        middle = Qt.AlignmentFlag.AlignCenter
        for x, y, words in ((64, 12, "i"), (64, 104, "−i"), (112, 58, "1"), (14, 58, "−1")):
            painter.drawText(QRectF(x - 16, y - 9, 32, 18), middle, words)
        rim = f"rim: {self._top:.2g} eV" if self._top else ""
        painter.drawText(QRectF(0, 112, 128, 16), middle, rim)
