"""The diagram of a network, painted from plain geometry.

The convention is that of Bird (2023), Figs. 8, 10 to 12, 26 and 27: the
abstraction pipeline in green, the interpretive network in purple.  What is
drawn comes from the description of the network (`core.models.diagram`), so the
picture is that of what will be trained.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from crystalgui.core.reports.diagram import COLOURS, SIZES, Box, Diagram, Label, Line, head
from crystalgui.gui.plots.readout import Readout
from crystalgui.gui.theme import colour, font, theme

DARK = {"abstraction": "#4cc497", "interpretation": "#b48be0", "data": "#8e99a9"}
VEIL = 0.13
MOST = 1.7
SMALLEST, LARGEST = 7.0, 13.0
GROW = 1.35
MARGIN = 3.0


class DiagramView(QWidget):
    """A `Diagram`, as wide as there is room; words that are too small are read by the pointer.

    Signals
    -------
    clicked()
    """

    clicked = Signal()

    def __init__(self, parent: QWidget | None = None, *, scale: float = 0.0) -> None:
        super().__init__(parent)
        self._diagram: Diagram | None = None
        self._held: list[tuple[Label, Box | None]] = []
        self._fixed = scale
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self._readout = Readout(self)
        theme().changed.connect(self.update)

    # --------------------------------------------------------------- content

    @property
    def diagram(self) -> Diagram | None:
        """What is painted."""
        return self._diagram

    @property
    def readout(self) -> str:
        """What the pointer reads."""
        return self._readout.text

    def set_diagram(self, diagram: Diagram | None) -> None:
        """Paint another diagram; None paints nothing."""
        if diagram == self._diagram:
            return
        self._diagram = diagram
        self._held = [(x, holder(diagram, x)) for x in diagram.labels] if diagram else []
        self.setAccessibleName("Diagram of the network")
        self.setAccessibleDescription(diagram.summary if diagram is not None else "")
        self._readout.show_text("")
        self._take_room()
        self.update()

    # -------------------------------------------------------------- geometry

    @property
    def scale(self) -> float:
        """Pixels a point."""
        if self._diagram is None:
            return 1.0
        return self._fixed or min(MOST, self.width() / self._diagram.width)

    def _take_room(self) -> None:
        """As high as the drawing is in the width there is."""
        if self._fixed:
            self.setFixedSize(self.sizeHint())
        elif self._diagram is not None:
            self.setFixedHeight(round(self.scale * self._diagram.height))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width, another height."""
        super().resizeEvent(event)
        self._take_room()
        self._readout.place()

    def sizeHint(self) -> QSize:
        """Its own size."""
        d = self._diagram
        if d is None:
            return QSize(0, 0)
        scale = self._fixed or 1.0
        return QSize(round(scale * d.width), round(scale * d.height))

    def minimumSizeHint(self) -> QSize:
        """It may be squeezed."""
        return QSize(160, 0) if self._diagram is not None else QSize(0, 0)

    def _left(self) -> float:
        """Where the drawing begins: it stands in the middle."""
        width = self._diagram.width if self._diagram is not None else 0.0
        return max(0.0, (self.width() - self.scale * width) / 2)

    # --------------------------------------------------------------- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint in the colours of the mode."""
        painter = QPainter(self)
        self.draw(painter)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        """Paint with the origin at the upper left corner of the widget."""
        d = self._diagram
        if d is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.save()
        painter.translate(self._left(), 0)
        painter.scale(self.scale, self.scale)
        for box in d.boxes:
            if box.level == "region":
                _box(painter, box)
        for line in d.lines:
            _line(painter, line)
        for box in d.boxes:
            if box.level != "region":
                _box(painter, box)
        inside = self._letters()
        for label, box in self._held:
            letters = _letters(label, self.scale) if box is None else inside[box.width]
            _label(painter, label, letters, self.scale)
        painter.restore()

    def _letters(self) -> dict[float, QFont]:
        """For boxes of each width the largest font in which all of them hold their words."""
        trial = font("text")
        trial.setPixelSize(100)
        metrics = QFontMetricsF(trial)
        sizes: dict[float, float] = {}
        for label, box in self._held:
            if box is not None:
                room = 100 * (box.width - MARGIN) * self.scale
                fits = room / max(1.0, metrics.horizontalAdvance(label.text))
                wished = min(LARGEST, GROW * SIZES[label.size] * self.scale)
                sizes[box.width] = min(sizes.get(box.width, wished), fits)
        fonts = {}
        for width, size in sizes.items():
            fonts[width] = font("text")
            fonts[width].setPixelSize(max(1, int(size)))
        return fonts

    # ----------------------------------------------------------------- mouse

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Read the words of the box under the pointer."""
        super().mouseMoveEvent(event)
        at = (event.position() - QPointF(self._left(), 0)) / self.scale
        self._readout.show_text(self.words(at.x(), at.y()))

    def words(self, x: float, y: float) -> str:
        """Words of the box at a point of the drawing."""
        d = self._diagram
        if d is None:
            return ""
        for box in d.boxes:
            if box.level != "region" and _inside(box, x, y):
                own = [label.text for label, around in self._held if around is box]
                return "   ".join(" ".join(text.split()) for text in own)
        return ""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click asks for the large picture."""
        if event.button() == Qt.MouseButton.LeftButton and self._diagram is not None:
            self.clicked.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take it: its release is a click."""
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        super().leaveEvent(event)
        self._readout.show_text("")


def ink(part: str) -> QColor:
    """Line colour of a part in the mode."""
    return QColor(DARK[part] if theme().tokens.dark else COLOURS[part][0])


def holder(diagram: Diagram, label: Label) -> Box | None:
    """The smallest box that a label stands in, regions left out."""
    around = [
        box
        for box in diagram.boxes
        if box.level != "region" and label.align == "center" and _inside(box, label.x, label.y)
    ]
    return min(around, key=lambda box: box.width * box.height, default=None)


def _inside(box: Box, x: float, y: float) -> bool:
    return box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height


def _box(painter: QPainter, box: Box) -> None:
    edge = ink(box.part)
    region = box.level == "region"
    if region:
        fill = QColor(edge)
        fill.setAlphaF(VEIL)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
    else:
        painter.setPen(QPen(edge, 0.9))
        painter.setBrush(colour("surface"))
    radius = min(6.0 if region else 3.0, box.width / 2, box.height / 2)
    painter.drawRoundedRect(QRectF(box.x, box.y, box.width, box.height), radius, radius)


def _line(painter: QPainter, line: Line) -> None:
    pen = QPen(ink(line.part), 0.8)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    if line.dashed:
        pen.setDashPattern([3.0, 2.5])
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in line.points]))
    if line.arrow:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink(line.part))
        painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in zip(*head(line), strict=True)]))


def _label(painter: QPainter, label: Label, letters: QFont, scale: float) -> None:
    """One line of text, in whole pixels of the screen."""
    painter.save()
    painter.translate(label.x, label.y)
    painter.scale(1 / scale, 1 / scale)  # text is set in pixels, where hinting is
    painter.setFont(letters)
    title = label.size == "title"
    painter.setPen(ink(label.part) if title else colour("text"))
    metrics = QFontMetricsF(letters)
    width = metrics.horizontalAdvance(label.text) + 2
    left = {"left": 0.0, "center": -width / 2, "right": -width}[label.align]
    room = QRectF(left, -metrics.height() / 2, width, metrics.height())
    painter.drawText(room, Qt.AlignmentFlag.AlignCenter, label.text)
    painter.restore()


def _letters(label: Label, scale: float) -> QFont:
    """The font of words that stand free."""
    letters = font("strong" if label.size == "title" else "text")
    letters.setPixelSize(round(min(LARGEST, max(SMALLEST, 1.12 * SIZES[label.size] * scale))))
    return letters
