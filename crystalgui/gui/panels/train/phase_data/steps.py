"""The four steps of the flow as a column: number, name, what was chosen."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QSizePolicy, QVBoxLayout, QWidget

from crystalgui.gui.theme import SPACE, colour, font, theme

CIRCLE = 22


class StepButton(QAbstractButton):
    """One step: a number in a circle, its name, and the choice in one line."""

    def __init__(self, number: int, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._number, self._summary = number, ""
        self.setText(title)
        self.setCheckable(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"Step {number}: {title}")
        theme().changed.connect(self.update)

    def set_summary(self, text: str) -> None:
        """What was chosen, in a few words."""
        if text != self._summary:
            self._summary = text
            self.setToolTip(text)
            self.setAccessibleDescription(text)
            self.update()

    @property
    def summary(self) -> str:
        """What was chosen."""
        return self._summary

    def sizeHint(self) -> QSize:
        """Two lines."""
        return QSize(200, 48)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw tint, circle, two lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        here = self.isChecked()
        painter.setPen(Qt.PenStyle.NoPen)
        if here or self.underMouse():
            painter.setBrush(colour("accent_quiet" if here else "quiet"))
            painter.drawRoundedRect(QRectF(self.rect()), 8, 8)
        if self.hasFocus():
            painter.setPen(colour("accent"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        circle = QRectF(SPACE[1], (self.height() - CIRCLE) / 2, CIRCLE, CIRCLE)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("accent" if here else "quiet"))
        painter.drawEllipse(circle)
        painter.setFont(font("strong"))
        painter.setPen(colour("on_accent" if here else "muted"))
        painter.drawText(circle, Qt.AlignmentFlag.AlignCenter, str(self._number))
        left = int(circle.right()) + SPACE[1]
        room = self.width() - left - SPACE[1]
        half = self.height() // 2
        both = bool(self._summary)
        side = Qt.AlignmentFlag.AlignVCenter
        name = QRect(left, 5 if both else 0, room, half - 3 if both else self.height())
        painter.setPen(colour("text" if self.isEnabled() else "muted"))
        painter.drawText(name, side, self.text())
        small = font("text")
        small.setPixelSize(11)
        painter.setFont(small)
        painter.setPen(colour("muted"))
        shown = QFontMetrics(small).elidedText(self._summary, Qt.TextElideMode.ElideMiddle, room)
        painter.drawText(QRect(left, half, room, half - 5), side, shown)


class OfferButton(QAbstractButton):
    """Something to start from: a title in one or two lines, a line of facts."""

    def __init__(self, title: str, facts: str, width: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(title)
        self._facts, self._room = facts, width
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(title)
        self.setAccessibleDescription(facts)
        theme().changed.connect(self.update)

    def _title_height(self) -> int:
        room = QRect(0, 0, self._room - 2 * SPACE[1], 60)
        wrap = Qt.TextFlag.TextWordWrap
        return QFontMetrics(font("text")).boundingRect(room, wrap, self.text()).height()

    def sizeHint(self) -> QSize:
        """Title and facts."""
        return QSize(self._room, self._title_height() + 28)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw tint and words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(colour("accent") if self.hasFocus() else Qt.PenStyle.NoPen)
        if self.underMouse() or self.hasFocus():
            painter.setBrush(colour("quiet"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        height = self._title_height()
        room = self.width() - 2 * SPACE[1]
        painter.setFont(font("text"))
        painter.setPen(colour("accent"))
        painter.drawText(QRect(SPACE[1], 5, room, height), Qt.TextFlag.TextWordWrap, self.text())
        small = font("text")
        small.setPixelSize(11)
        painter.setFont(small)
        painter.setPen(colour("muted"))
        painter.drawText(QRect(SPACE[1], 6 + height, room, 16), 0, self._facts)


class Stepper(QWidget):
    """The column of steps.

    Signals
    -------
    chosen(int)
    """

    chosen = Signal(int)

    def __init__(self, titles: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self.steps: list[StepButton] = []
        group = QButtonGroup(self)
        for number, title in enumerate(titles):
            step = StepButton(number + 1, title, self)
            group.addButton(step, number)
            column.addWidget(step)
            self.steps.append(step)
        self.steps[0].setChecked(True)
        group.idClicked.connect(self.chosen)

    def show_step(self, number: int) -> None:
        """Mark where the person is."""
        self.steps[number].setChecked(True)
