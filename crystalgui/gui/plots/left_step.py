"""The left-step periodic table as a picture that can be clicked.

Nop et al. (2025), Fig. 3: rows are n + l, columns run through the f, d, p and s
blocks.  A network reads an element as its row, its pair of columns and the
parity of its column (the spin), which is drawn below for the element in front.
Colours are those of the blocks, or of one value an element, e.g. an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from crystalgui.core.structures.elements import (
    BLOCK,
    BLOCKS,
    LEFT_STEP,
    LEFT_STEP_COLUMNS,
    LEFT_STEP_ROWS,
    MAX_Z,
    NAMES,
    SYMBOLS,
)
from crystalgui.gui import theme as themes
from crystalgui.gui.theme import class_colour, colour, font, theme

GAP = 1.5
LEFT, TOP, BELOW = 40.0, 24.0, 76.0
PAIRS = LEFT_STEP_COLUMNS // 2
CODE = LEFT_STEP_ROWS + PAIRS + 1
VEIL = {False: 0.22, True: 0.38}
HUES = {"s": 4, "p": 1, "d": 2, "f": 5}
"""Classes of the palette whose colours the blocks have."""
AT = {(int(row), int(column)): z for z, (row, column) in enumerate(LEFT_STEP) if z}
ARROWS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}


def code_of(z: int) -> tuple[int, ...]:
    """The places of the 25 numbers that are one for an element."""
    row, column = (int(n) for n in LEFT_STEP[z])
    spin = (LEFT_STEP_ROWS + PAIRS,) if column % 2 else ()
    return (row, LEFT_STEP_ROWS + column // 2, *spin)


def described(z: int) -> str:
    """An element and its place in the table, in words."""
    row, column = (int(n) for n in LEFT_STEP[z])
    block = BLOCK[column]
    l = "spdf".index(block)
    spin = "second" if column % 2 else "first"
    return (
        f"{SYMBOLS[z]}  {NAMES[z]}  ·  Z = {z}  ·  n + l = {row + 1}: {row + 1 - l}{block}  ·  "
        f"column {column + 1}, {spin} spin"
    )


class LeftStepTable(QWidget):
    """The table; a click selects an element, with Ctrl or Shift it adds one.

    Signals
    -------
    selected(tuple of int)
        Atomic numbers, ascending; empty when nothing is selected.
    pointed(int)
        The element under the pointer or the keyboard; 0 for none.
    """

    selected = Signal(tuple)
    pointed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: dict[int, float] = {}
        self._name = self._unit = ""
        self._range = (0.0, 1.0)
        self._chosen: tuple[int, ...] = ()
        self._shown: frozenset[int] | None = None
        self._at = 0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setAccessibleName("Left-step periodic table")
        theme().changed.connect(self.update)

    # --------------------------------------------------------------- content

    @property
    def selection(self) -> tuple[int, ...]:
        """Atomic numbers that are selected, ascending."""
        return self._chosen

    @property
    def front(self) -> int:
        """The element that is described: pointed at, else the last one selected; 0 for none."""
        return self._at or (self._chosen[-1] if self._chosen else 0)

    def select(self, chosen: Iterable[int]) -> None:
        """Select these elements alone."""
        found = tuple(sorted({z for z in chosen if 0 < z <= MAX_Z}))
        if found != self._chosen:
            self._chosen = found
            self.update()
            self.selected.emit(found)

    def set_values(
        self, values: Mapping[int, float] | None, name: str = "", unit: str = ""
    ) -> None:
        """Colour by one value an element (atomic number -> value); None: by block."""
        self._values = {z: v for z, v in (values or {}).items() if math.isfinite(v)}
        self._name, self._unit = name, unit
        if self._values:
            low, high = min(self._values.values()), max(self._values.values())
            self._range = (low, high if high > low else low + 1.0)
        self.update()

    def set_present(self, present: Iterable[int] | None) -> None:
        """Fade the elements that a data set does not have; None: fade none."""
        self._shown = None if present is None else frozenset(present)
        self.update()

    def text_of(self, z: int) -> str:
        """An element in words, with its value where it has one."""
        if z in self._values:
            unit = f" {self._unit}" if self._unit else ""
            return f"{described(z)}  ·  {self._name} {self._values[z]:.4g}{unit}"
        return described(z)

    # -------------------------------------------------------------- geometry

    def sizeHint(self) -> QSize:
        """Cells in which a symbol can be read."""
        return QSize(round(LEFT + 31 * LEFT_STEP_COLUMNS), round(TOP + 31 * 8 + BELOW))

    def minimumSizeHint(self) -> QSize:
        """Small cells."""
        return QSize(round(LEFT + 18 * LEFT_STEP_COLUMNS), round(TOP + 18 * 8 + BELOW))

    @property
    def cell(self) -> float:
        """Pixels of a cell."""
        across = (self.width() - LEFT - 2) / LEFT_STEP_COLUMNS
        return max(4.0, min(across, (self.height() - TOP - BELOW) / LEFT_STEP_ROWS))

    def place(self, z: int) -> QRectF:
        """Where the cell of an element is."""
        row, column = (int(n) for n in LEFT_STEP[z])
        return self._square(row, column)

    def _square(self, row: float, column: float) -> QRectF:
        side = self.cell
        return QRectF(LEFT + column * side, TOP + row * side, side - GAP, side - GAP)

    def element_at(self, point: QPointF) -> int:
        """The element at a point of the widget; 0 for none."""
        side = self.cell
        place = (math.floor((point.y() - TOP) / side), math.floor((point.x() - LEFT) / side))
        return AT.get(place, 0)

    # -------------------------------------------------------------- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint in the colours of the mode."""
        painter = QPainter(self)
        self.draw(painter)
        painter.end()

    def draw(self, painter: QPainter) -> None:
        """Paint with the origin at the upper left corner of the widget."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._heads(painter)
        letters = font("strong")
        letters.setPixelSize(max(6, round(0.4 * self.cell)))
        numbers = font("number")
        numbers.setPixelSize(max(5, round(0.24 * self.cell)))
        for z in range(1, MAX_Z + 1):
            box = self.place(z)
            painter.setOpacity(1.0 if self._shown is None or z in self._shown else 0.28)
            fill, ink = self._colours(z)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            painter.drawRoundedRect(box, 3, 3)
            painter.setPen(ink)
            painter.setFont(letters)
            room = self.cell >= 24
            middle = Qt.AlignmentFlag.AlignCenter
            painter.drawText(box.translated(0, 0.1 * self.cell if room else 0), middle, SYMBOLS[z])
            if room:
                painter.setFont(numbers)
                corner = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
                painter.drawText(box.adjusted(3, 2, 0, 0), corner, str(z))
        painter.setOpacity(1.0)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for z in self._chosen:
            painter.setPen(QPen(colour("text" if self._values else "accent"), 2.4))
            painter.drawRoundedRect(self.place(z), 3, 3)
        if self._at:
            style = Qt.PenStyle.DashLine if self.hasFocus() else Qt.PenStyle.SolidLine
            painter.setPen(QPen(colour("text"), 1.2, style))
            painter.drawRoundedRect(self.place(self._at), 3, 3)
        self._code(painter)
        if self._values:
            self._scale(painter)

    def _colours(self, z: int) -> tuple[QColor, QColor]:
        """Of the cell and of its letters."""
        if not self._values:
            fill = QColor(class_colour(HUES[BLOCK[int(LEFT_STEP[z, 1])]]))
            fill.setAlphaF(VEIL[theme().tokens.dark])
            return fill, colour("text")
        if z not in self._values:
            return colour("quiet"), colour("muted")
        low, high = self._range
        fill = _of_map((self._values[z] - low) / (high - low))
        return fill, QColor("#14171c" if fill.lightnessF() > 0.52 else "#ffffff")

    def _heads(self, painter: QPainter) -> None:
        """Names of the blocks above, n + l at the left."""
        small = font("text")
        small.setPixelSize(11)
        painter.setFont(small)
        painter.setPen(colour("muted"))
        middle, first = Qt.AlignmentFlag.AlignCenter, 0
        for name, wide in BLOCKS.items():
            left, right = self._square(0, first).left(), self._square(0, first + wide).left()
            row = _first_row(name)
            box = QRectF(left, self._square(row, 0).top() - 20, right - left - GAP, 18)
            painter.drawText(box, middle, name)
            first += wide
        for row in range(LEFT_STEP_ROWS):
            box = QRectF(0, self._square(row, 0).top(), LEFT - 8, self.cell)
            end = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(box, end, f"{row + 1}")
        painter.drawText(QRectF(0, 2, LEFT - 2, 18), middle, "n + l")

    def _code(self, painter: QPainter) -> None:
        """The 25 numbers that a network reads, for the element in front."""
        top = TOP + LEFT_STEP_ROWS * self.cell + 34
        ones = code_of(self.front) if self.front else ()
        side = min(16.0, (self.width() - LEFT - 40) / (CODE + 3))
        small = font("text")
        small.setPixelSize(11)
        painter.setFont(small)
        x = LEFT
        for first, many, name in (
            (0, LEFT_STEP_ROWS, "row"),
            (LEFT_STEP_ROWS, PAIRS, "pair of columns"),
            (LEFT_STEP_ROWS + PAIRS, 1, "spin"),
        ):
            painter.setPen(colour("muted"))
            room = QRectF(x, top - 18, max(many * side, 40), 16)
            painter.drawText(room, Qt.AlignmentFlag.AlignLeft, name)
            painter.setPen(Qt.PenStyle.NoPen)
            for i in range(first, first + many):
                painter.setBrush(colour("accent" if i in ones else "line"))
                painter.drawRoundedRect(QRectF(x, top, side - GAP, side - GAP), 2, 2)
                x += side
            x += side
        painter.setPen(colour("text"))
        words = self.text_of(self.front) if self.front else "Point at an element, or use the arrows"
        painter.drawText(QRectF(LEFT, top + side + 4, self.width() - LEFT, 18), 0, words)

    def _scale(self, painter: QPainter) -> None:
        """What the colours mean, in the empty corner of the table."""
        left, width, top = LEFT + 8, 9 * self.cell, TOP + self.cell
        painter.setPen(Qt.PenStyle.NoPen)
        steps = 64
        for i in range(steps):
            painter.setBrush(_of_map(i / (steps - 1)))
            painter.drawRect(QRectF(left + i * width / steps, top, width / steps + 0.5, 10))
        painter.setPen(colour("muted"))
        unit = f", {self._unit}" if self._unit else ""
        painter.drawText(QRectF(left, top - 20, 2 * width, 18), 0, f"{self._name}{unit}")
        low, high = (f"{v:.3g}" for v in self._range)
        painter.drawText(QRectF(left, top + 12, width, 16), Qt.AlignmentFlag.AlignLeft, low)
        painter.drawText(QRectF(left, top + 12, width, 16), Qt.AlignmentFlag.AlignRight, high)

    # ----------------------------------------------------------------- hands

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Describe what is under the pointer."""
        self._point(self.element_at(event.position()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Select; with Ctrl or Shift add or take away; beside the table select nothing."""
        many = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        self._take(self.element_at(event.position()), bool(event.modifiers() & many))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows point, Space and Enter select, Escape selects nothing."""
        key = Qt.Key(event.key())
        if key in ARROWS:
            self._point(_next(self.front or 1, *ARROWS[key]) if self.front else 1)
        elif key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._at:
            self._take(self._at, key == Qt.Key.Key_Space)
        elif key == Qt.Key.Key_Escape and self._chosen:
            self.select(())
        else:
            super().keyPressEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Nothing under the pointer."""
        super().leaveEvent(event)
        self._point(0)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Nothing under the keyboard."""
        super().focusOutEvent(event)
        self._point(0)

    def _take(self, z: int, more: bool) -> None:
        if z and more:
            self.select({*self._chosen} ^ {z})
        else:
            self.select((z,) if z and self._chosen != (z,) else ())

    def _point(self, z: int) -> None:
        if z != self._at:
            self._at = z
            self.setAccessibleDescription(self.text_of(z) if z else "")
            self.pointed.emit(z)
            self.update()


def _of_map(share: float) -> QColor:
    """A colour of the sequential map, from 0 to 1."""
    table = themes.sequential
    row = table[round(min(max(share, 0.0), 1.0) * (len(table) - 1))]
    r, g, b = (int(v) for v in row[:3])
    return QColor(r, g, b)


def _first_row(block: str) -> int:
    """The first row of the table that a block has."""
    return 2 * "spdf".index(block)


def _next(z: int, down: int, right: int) -> int:
    """The nearest element in a direction; the same where there is none."""
    row, column = (int(n) for n in LEFT_STEP[z])
    while 0 <= row + down < LEFT_STEP_ROWS and 0 <= column + right < LEFT_STEP_COLUMNS:
        row, column = row + down, column + right
        if (row, column) in AT:
            return AT[row, column]
    return z
