"""Images of a data set: a row a class with samples, its share and its count.

Where training rolls its samples, so does the picture: every image is drawn as
a torus, shifted by an amount of its own within the degree of rolling (Bird
2023, section 2.10).
"""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from crystalgui.core.datasets.images.preview import Samples
from crystalgui.gui.theme import colour, font, theme

ROW, TILE, GAP = 32, 28, 4


class Pictures(QWidget):
    """Samples and counts of each class."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[tuple[str, int], ...] = ()
        self._tiles: tuple[tuple[QPixmap, ...], ...] = ()
        self._side, self._rolling = 1, 0
        self.setAccessibleName("Images of each class")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    def set_counts(self, classes: tuple[str, ...], counts: tuple[int, ...]) -> None:
        """Show the number of images of each class; samples follow."""
        self._rows, self._tiles = tuple(zip(classes, counts, strict=True)), ()
        self._describe()
        self.updateGeometry()
        self.update()

    def set_samples(self, found: Samples) -> None:
        """Show some images of each class."""
        scale = self.devicePixelRatioF()
        self._side = max(1, found.side)
        self._tiles = tuple(
            tuple(_tile(image, scale) for image in images) for images in found.values
        )
        self.update()

    def set_rolling(self, chi: int) -> None:
        """Shift every image by an amount of its own, of at most ``chi`` points."""
        if chi != self._rolling:
            self._rolling = chi
            self._describe()
            self.update()

    @property
    def shown(self) -> tuple[int, ...]:
        """Samples that there are of each class."""
        return tuple(len(tiles) for tiles in self._tiles)

    def _describe(self) -> None:
        words = ", ".join(f"{name}: {n}" for name, n in self._rows)
        rolled = f"; rolled by up to {self._rolling} points" if self._rolling else ""
        self.setAccessibleDescription(words + rolled)

    def sizeHint(self) -> QSize:
        """One row each."""
        return QSize(240, ROW * len(self._rows))

    def minimumSizeHint(self) -> QSize:
        """Narrow columns show fewer samples."""
        return QSize(140, ROW * len(self._rows))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw name, samples, per cent, count."""
        total = max(1, sum(n for _, n in self._rows))
        painter = QPainter(self)
        painter.setFont(font("number"))
        metrics = painter.fontMetrics()
        tail = metrics.horizontalAdvance("100.0 %  000,000")
        widest = max((metrics.horizontalAdvance(name) for name, _ in self._rows), default=0)
        head = min(widest + 12, self.width() // 3)
        side = Qt.AlignmentFlag.AlignVCenter
        right = Qt.AlignmentFlag.AlignRight | side
        for i, (name, n) in enumerate(self._rows):
            top = i * ROW
            if not event.rect().intersects(QRect(0, top, self.width(), ROW)):
                continue
            painter.setPen(colour("text"))
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideRight, head - 8)
            painter.drawText(QRect(0, top, head, ROW), side, shown)
            self._draw_tiles(painter, i, QRectF(head, top, self.width() - head - tail - GAP, ROW))
            box = QRect(self.width() - tail, top, tail, ROW)
            painter.setPen(colour("text"))
            painter.drawText(box, right, f"{n:,}")
            box.setWidth(metrics.horizontalAdvance("100.0 %"))
            painter.setPen(colour("muted"))
            painter.drawText(box, right, f"{100 * n / total:.1f} %")

    def _draw_tiles(self, painter: QPainter, row: int, space: QRectF) -> None:
        tiles = self._tiles[row] if row < len(self._tiles) else ()
        room = int((space.width() + GAP) // (TILE + GAP))
        top = space.top() + (ROW - TILE) / 2
        for place, tile in enumerate(tiles[: max(0, room)]):
            box = QRectF(space.left() + place * (TILE + GAP), top, TILE, TILE)
            ratio = tile.devicePixelRatioF()
            box.setHeight(min(TILE, tile.height() / ratio))
            point = tile.width() / ratio / self._side
            x, y = (round(u * self._rolling) * point for u in _direction(row, place))
            painter.drawTiledPixmap(box, tile, QPointF(-x, -y))


def _tile(image: object, scale: float) -> QPixmap:
    """A pixmap of `TILE` points width from an (h, w, 3) uint8 array."""
    h, w, _ = image.shape
    whole = QImage(image.data, w, h, 3 * w, QImage.Format.Format_RGB888)
    size = round(TILE * scale)
    sized = whole.scaled(
        size,
        size,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
    pixmap = QPixmap.fromImage(sized)
    pixmap.setDevicePixelRatio(scale)
    return pixmap


def _direction(row: int, place: int) -> tuple[float, float]:
    """Two numbers between -1 and 1, of this tile for ever."""
    key = row * 1009 + place * 9176 + 77
    return (key * 7919 % 2001) / 1000 - 1, (key * 104_729 % 1999) / 999 - 1
