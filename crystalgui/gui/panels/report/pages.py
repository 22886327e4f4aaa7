"""Pages of a document below each other, as pdfium drew them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QWidget

from crystalgui.gui.theme import SPACE, colour

A4 = 297 / 210
LARGEST = 900  # pixels of the window; wider pages are no easier to read


def as_image(pixels: Any) -> QImage:
    """A (height, width, 3) uint8 array as an image of its own."""
    height, width = pixels.shape[:2]
    data = pixels.tobytes()
    return QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


class _Pages(QWidget):
    """Paints the pages; white paper in both themes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.images: list[QImage] = []
        self.width_of_page = 400
        self.setObjectName("ScrollBody")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def rectangle(self, number: int) -> QRect:
        """Where a page lies."""
        height = round(self.width_of_page * A4)
        left = max(0, (self.width() - self.width_of_page) // 2)
        return QRect(left, SPACE[1] + number * (height + SPACE[3]), self.width_of_page, height)

    def sizeHint(self) -> QSize:
        """All pages."""
        last = self.rectangle(max(0, len(self.images) - 1))
        return QSize(self.width_of_page, last.bottom() + SPACE[1] if self.images else 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the pages that are visible."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for number, image in enumerate(self.images):
            place = self.rectangle(number)
            if place.intersects(event.rect()):
                painter.drawImage(place, image)
                painter.setPen(QPen(colour("line"), 1))
                painter.drawRect(place.adjusted(0, 0, -1, -1))
        painter.end()


class PageView(QScrollArea):
    """A scrolling stack of pages that fits its width.

    Signals
    -------
    width_wanted(int)
        Device pixels in which the pages should be drawn anew.
    """

    width_wanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Preview of the report")
        self._pages = _Pages(self)
        self.setWidget(self._pages)
        self.setWidgetResizable(False)
        self._drawn = 0

    @property
    def images(self) -> list[QImage]:
        """The pages as shown."""
        return self._pages.images

    @property
    def pixels(self) -> int:
        """Device pixels across a page at the present size."""
        return max(200, round(self._page_width() * self.devicePixelRatioF()))

    def _page_width(self) -> int:
        return max(160, min(LARGEST, self.viewport().width() - 2 * SPACE[1]))

    def show_pages(self, arrays: Sequence[Any], width: int) -> None:
        """Show pages drawn ``width`` device pixels wide; the place on the page is kept."""
        self._drawn = width
        self._pages.images = [as_image(pixels) for pixels in arrays]
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the width; ask for sharper pages when they grew."""
        super().resizeEvent(event)
        self._fit()
        if self.images and abs(self.pixels - self._drawn) > 0.1 * self._drawn:
            self.width_wanted.emit(self.pixels)

    def _fit(self) -> None:
        self._pages.width_of_page = self._page_width()
        self._pages.resize(self.viewport().width(), self._pages.sizeHint().height())
        self._pages.update()
