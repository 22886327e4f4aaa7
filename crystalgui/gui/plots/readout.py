"""A few words in the corner of a plot: what the pointer reads."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from crystalgui.gui.theme import colour, font


class Readout(QWidget):
    """Text on a veil of the surface colour, kept in the upper right corner of its parent."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._text = ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFont(font("number"))
        self.hide()

    @property
    def text(self) -> str:
        """What is shown; empty when hidden."""
        return "" if self.isHidden() else self._text

    def show_text(self, text: str) -> None:
        """Show ``text``, or hide when it is empty."""
        self._text = text
        if not text:
            self.hide()
            return
        self.setAccessibleName(text)
        self.place()
        self.show()
        self.update()

    def place(self) -> None:
        """Go back to the corner; the parent calls it when it is resized."""
        self.resize(self.sizeHint())
        parent = self.parentWidget()
        if parent is not None:
            self.move(max(0, parent.width() - self.width() - 4), 2)

    def sizeHint(self) -> QSize:
        """Room for the text."""
        metrics = QFontMetrics(self.font())
        return QSize(metrics.horizontalAdvance(self._text) + 14, metrics.height() + 6)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw veil and text."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("surface", 0.9))
        painter.drawRoundedRect(QRectF(self.rect()), 5, 5)
        painter.setPen(colour("text"))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._text)
