"""The groups of orbitals with their colours; a click shows or hides one."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QWidget

from crystalgui.gui.theme import OKABE_ITO, class_colour, colour, font
from crystalgui.gui.widgets import Chip, FlowLayout

FEW = 6
"""So many groups are shown at first."""


class Legend(QWidget):
    """Chips with coloured dots.

    Signals
    -------
    changed()
        Another choice of groups.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._flow = FlowLayout(self)
        self._chips: list[Chip] = []
        self.hide()

    @property
    def inks(self) -> tuple[str | None, ...]:
        """The colour of each group; None for hidden ones."""
        return tuple(
            class_colour(i) if chip.isChecked() else None for i, chip in enumerate(self._chips)
        )

    def set_groups(self, names: Sequence[str], how: str = "") -> None:
        """Show other groups; ``how`` they were found is the tool tip."""
        if tuple(chip.text() for chip in self._chips) == tuple(names):
            return
        for chip in self._chips:
            self._flow.removeWidget(chip)
            chip.deleteLater()
        self._chips = []
        for number, name in enumerate(names):
            chip = Chip(name, True, f"Show {name}", self)
            if how:
                chip.setToolTip(how)
            chip.setIcon(_dot(OKABE_ITO[number % len(OKABE_ITO)]))
            chip.setIconSize(QSize(9, 9))
            chip.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            chip.setChecked(number < FEW)
            chip.toggled.connect(self.changed)
            self._flow.addWidget(chip)
            self._chips.append(chip)

    def draw(self, painter: QPainter) -> None:
        """Dots and names of what is shown, for figures."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        small = font("text")
        small.setPixelSize(11)
        painter.setFont(small)
        for chip, ink in zip(self._chips, self.inks, strict=True):
            if ink is not None:
                at = chip.geometry()
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(colour(ink))
                painter.drawEllipse(QPointF(at.left() + 8, at.center().y()), 4, 4)
                painter.setPen(colour("text"))
                painter.drawText(QPointF(at.left() + 16, at.center().y() + 4), chip.text())


def _dot(ink: str) -> QIcon:
    image = QPixmap(18, 18)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour(ink))
    painter.drawEllipse(1, 1, 16, 16)
    painter.end()
    return QIcon(image)
