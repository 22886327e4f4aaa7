"""Plots that stand side by side, written as one figure: PNG, SVG or PDF.

The figure is what is seen, with the title above and what was assumed below;
vectors stay vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, cast

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QImage, QPainter, QPdfWriter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QGraphicsView, QWidget

from crystalgui.core.errors import FileError
from crystalgui.gui.plots.canvas import Plot, _pdf, _svg
from crystalgui.gui.theme import colour, font, theme

MARGIN = 10
FORMATS = "PNG picture (*.png);;SVG (*.svg);;PDF (*.pdf)"


class Drawn(Protocol):
    """A widget that can draw itself anywhere, such as a colour bar or a legend."""

    def draw(self, painter: QPainter) -> None:
        """Draw with the origin at the upper left corner."""


def save_figure(
    path: Path,
    parts: Sequence[QWidget],
    *,
    title: str = "",
    caption: str = "",
    scale: float = 2.0,
) -> None:
    """Write widgets as they stand on the screen.

    Parameters
    ----------
    path : Path
        ``.pdf`` and ``.svg`` hold vectors, everything else is a picture.
    parts : sequence of `Plot` and of widgets with ``draw(painter)``
        Hidden ones are left out.
    title, caption : str
        Words above and below.
    scale : float
        Pixels of a picture for each one on the screen.
    """
    shown = [part for part in parts if not part.isHidden()]
    places = [QRect(part.mapToGlobal(QPoint(0, 0)), part.size()) for part in shown]
    frame = QRect(places[0])
    for place in places[1:]:
        frame = frame.united(place)
    width = frame.width() + 2 * MARGIN
    small = font("text")
    small.setPixelSize(11)
    room = QRectF(0, 0, frame.width(), 1e4)
    wrap = Qt.TextFlag.TextWordWrap
    below = QFontMetricsF(small).boundingRect(room, wrap, caption).height() if caption else 0.0
    above = 26 if title else 0
    size = QSize(width, round(frame.height() + 2 * MARGIN + above + below + (6 if caption else 0)))
    for part in shown:
        if isinstance(part, Plot):
            part.redraw()
    device = _device(path, size, scale)
    painter = QPainter()
    if not painter.begin(device):
        raise FileError("The figure could not be written.", "Choose another folder.", path=path)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(device.width() / size.width(), device.height() / size.height())
    painter.fillRect(QRectF(0, 0, size.width(), size.height()), colour("surface"))
    painter.setPen(colour("text"))
    painter.setFont(font("title"))
    painter.drawText(QRectF(MARGIN, MARGIN - 2, frame.width(), 22), title)
    for part, place in zip(shown, places, strict=True):
        corner = place.topLeft() - frame.topLeft() + QPoint(MARGIN, MARGIN + above)
        if isinstance(part, Plot):
            QGraphicsView.render(part, painter, QRectF(corner, place.size()), part.rect())
        else:
            painter.save()
            painter.translate(corner)
            cast("Drawn", part).draw(painter)
            painter.restore()
    painter.setPen(colour("muted"))
    painter.setFont(small)
    top = MARGIN + above + frame.height() + 4
    painter.drawText(QRectF(MARGIN, top, frame.width(), below + 4), wrap, caption)
    painter.end()
    written = device.save(str(path)) if isinstance(device, QImage) else path.is_file()
    if not written:
        raise FileError("The figure could not be written.", "Choose another folder.", path=path)


def _device(path: Path, size: QSize, scale: float) -> QPdfWriter | QSvgGenerator | QImage:
    kind = path.suffix.lower()
    if kind == ".pdf":
        return _pdf(path, size)
    if kind == ".svg":
        return _svg(path, size)
    image = QImage(size * scale, QImage.Format.Format_ARGB32)
    image.fill(theme().tokens.surface)
    return image
