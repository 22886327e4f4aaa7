"""The line under the crystal: elements to show or hide, and what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap, QRadialGradient
from PySide6.QtWidgets import QHBoxLayout, QWidget

from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import Chip, ElidedLabel, PlainButton, copy_text

Element = tuple[int, str, str, tuple[int, int, int]]


def ball(rgb: tuple[int, int, int], side: int = 14, off: int = 60) -> QIcon:
    """A shaded ball in the colour of an element; ``off`` is its opacity when unchecked."""
    icon = QIcon()
    for state, strength in ((QIcon.State.On, 255), (QIcon.State.Off, off)):
        pixmap = QPixmap(side * 2, side * 2)
        pixmap.fill(Qt.GlobalColor.transparent)
        colour = QColor(*rgb, strength)
        shade = QRadialGradient(side * 0.75, side * 0.65, side * 1.3)
        shade.setColorAt(0, colour.lighter(150))
        shade.setColorAt(0.45, colour)
        shade.setColorAt(1, colour.darker(190))
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(shade)
        painter.drawEllipse(2, 2, 2 * side - 4, 2 * side - 4)
        painter.end()
        pixmap.setDevicePixelRatio(2)
        icon.addPixmap(pixmap, QIcon.Mode.Normal, state)
    return icon


class Strip(QWidget):
    """Element chips on the left, words on the right; never over the crystal.

    Signals
    -------
    hidden_changed(frozenset)
        Atomic numbers that are not to be drawn.
    bonds_wanted()
        The button for deferred bonds was pressed.
    """

    hidden_changed = Signal(object)
    bonds_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._elements: list[Element] = []
        self._measured = ""
        self._hint = ""
        self.chips: dict[int, Chip] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE[1])
        self._legend = QHBoxLayout()
        self._legend.setSpacing(SPACE[0])
        row.addLayout(self._legend)
        self.bonds = PlainButton("Draw bonds", self)
        self.bonds.setProperty("compact", True)
        self.bonds.clicked.connect(self.bonds_wanted)
        self.bonds.hide()
        row.addWidget(self.bonds)
        self.words = ElidedLabel("", self, Qt.TextElideMode.ElideRight)
        self.words.setFont(font("number"))
        self.words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self.words, 1)
        self.copy = Chip("", tooltip="Copy the measurement", icon_name="copy")
        self.copy.clicked.connect(lambda: copy_text(self._measured))
        self.copy.setEnabled(False)
        row.addWidget(self.copy)
        self.setFixedHeight(30)

    @property
    def hidden(self) -> frozenset[int]:
        """Atomic numbers whose chip is off."""
        return frozenset(z for z, chip in self.chips.items() if not chip.isChecked())

    def set_elements(self, elements: Sequence[Element]) -> None:
        """Show chips for (atomic number, symbol, name, colour 0-255)."""
        if list(elements) == self._elements:
            return
        before = self.hidden
        self._elements = list(elements)
        for chip in self.chips.values():
            self._legend.removeWidget(chip)
            chip.deleteLater()
        self.chips.clear()
        for z, symbol, name, rgb in elements:
            chip = Chip(symbol, checkable=True, tooltip=f"Show or hide {name}")
            chip.setIcon(ball(rgb))
            chip.setIconSize(QSize(14, 14))
            chip.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            chip.setProperty("legend", True)
            chip.setChecked(z not in before)
            chip.toggled.connect(lambda _: self.hidden_changed.emit(self.hidden))
            self._legend.addWidget(chip)
            self.chips[z] = chip

    def show_all(self) -> None:
        """Another crystal: every element is shown again."""
        for chip in self.chips.values():
            chip.blockSignals(True)
            chip.setChecked(True)
            chip.blockSignals(False)
        self._elements = []

    def set_deferred(self, atoms: int) -> None:
        """Offer the bonds of a large crystal; 0 takes the button away."""
        self.bonds.setVisible(atoms > 0)
        if atoms:
            self.bonds.setText(f"Draw bonds of {atoms:,} atoms")

    def set_measured(self, text: str) -> None:
        """Show what was measured; empty shows the hint again."""
        self._measured = text
        self.copy.setEnabled(bool(text))
        self._show(text or self._hint, muted=not text)

    def set_hint(self, text: str) -> None:
        """Words in passing: what is under the pointer."""
        self._hint = text
        if not self._measured:
            self._show(text, muted=True)

    @property
    def measured(self) -> str:
        """What was measured."""
        return self._measured

    def _show(self, text: str, *, muted: bool) -> None:
        role = "muted" if muted else ""
        if self.words.property("role") != role:
            self.words.setProperty("role", role)
            self.words.style().unpolish(self.words)
            self.words.style().polish(self.words)
        self.words.setText(text)


__all__ = ["Strip", "ball"]
