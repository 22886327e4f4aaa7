"""Saving the crystal as a PNG of exact size; choosing element colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QCheckBox,
    QColorDialog,
    QDialog,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from crystalgui.gui.panels.structure.strip import ball
from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import Chip, PlainButton, PrimaryButton, Text

LARGEST = 8192
PRESETS = {"Screen": (1920, 1080), "Column 300 dpi": (1004, 750), "Square": (2000, 2000)}


class PictureDialog(QDialog):
    """Asks for width, height, transparency, legend, and what the camera shows.

    ``do`` is called with the path and the choices; this dialog only asks.
    """

    def __init__(
        self,
        size: tuple[int, int],
        name: str,
        do: Callable[[Path, tuple[int, int], bool, bool, bool], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._name, self._do = name, do
        self.setWindowTitle("Save picture")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACE[3],) * 4)
        layout.setSpacing(SPACE[2])
        title = QLabel("Picture of the crystal (PNG)", self)
        title.setFont(font("heading"))
        layout.addWidget(title)
        form = QFormLayout()
        self.width_box, self.height_box = QSpinBox(self), QSpinBox(self)
        for box, value, words in (
            (self.width_box, size[0], "Width"),
            (self.height_box, size[1], "Height"),
        ):
            box.setRange(16, LARGEST)
            box.setValue(max(16, min(LARGEST, value)))
            box.setSuffix(" px")
            box.setAccessibleName(words)
            form.addRow(words, box)
        layout.addLayout(form)
        row = QHBoxLayout()
        row.setSpacing(SPACE[0])
        for words, preset in (("Window", size), *PRESETS.items()):
            chip = Chip(words, tooltip=f"{preset[0]} × {preset[1]} pixels")
            chip.clicked.connect(lambda _=False, p=preset: self._set(p))
            row.addWidget(chip)
        row.addStretch(1)
        layout.addLayout(row)
        self.transparent = QCheckBox("Transparent background", self)
        self.legend = QCheckBox("Element legend", self)
        self.legend.setChecked(True)
        self.refit = QCheckBox("Fit the crystal to the picture", self)
        self.refit.setChecked(True)
        self.refit.setToolTip("Otherwise the magnification of the window is kept")
        for box in (self.transparent, self.legend, self.refit):
            layout.addWidget(box)
        layout.addWidget(Text(f"At most {LARGEST} pixels a side.", "muted", self))
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        cancel = PlainButton("Cancel", self)
        cancel.clicked.connect(self.reject)
        self.save_button = PrimaryButton("Save…", self)
        self.save_button.setDefault(True)
        self.save_button.clicked.connect(self._ask)
        buttons.addWidget(cancel)
        buttons.addWidget(self.save_button)
        layout.addLayout(buttons)

    def _set(self, size: tuple[int, int]) -> None:
        self.width_box.setValue(size[0])
        self.height_box.setValue(size[1])

    def _ask(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save picture", self._name, "PNG (*.png)")
        if path:
            self.save(Path(path))

    def save(self, path: Path) -> None:
        """Hand the choices over and close."""
        if path.suffix.lower() != ".png":
            path = path.with_name(path.name + ".png")
        size = (self.width_box.value(), self.height_box.value())
        self._do(
            path,
            size,
            self.transparent.isChecked(),
            self.legend.isChecked(),
            self.refit.isChecked(),
        )
        self.accept()


class ColoursDialog(QDialog):
    """One button an element of the crystal; ``do`` gets symbol and ``#rrggbb``."""

    def __init__(
        self,
        elements: list[tuple[int, str, str, tuple[int, int, int]]],
        do: Callable[[str, str], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._do = do
        self.setWindowTitle("Element colours")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACE[3],) * 4)
        layout.addWidget(Text("Your colours are kept for every crystal.", "muted", self))
        grid = QGridLayout()
        self.buttons: dict[str, PlainButton] = {}
        for row, (_z, symbol, name, rgb) in enumerate(elements):
            button = PlainButton(f"{symbol}  {name}", self)
            button.setIcon(ball(rgb, off=255))
            button.clicked.connect(lambda _=False, s=symbol, c=rgb: self._choose(s, QColor(*c)))
            self.buttons[symbol] = button
            grid.addWidget(button, row // 3, row % 3)
        layout.addLayout(grid)
        close = PrimaryButton("Done", self)
        close.clicked.connect(self.accept)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)

    def _choose(self, symbol: str, start: QColor) -> None:
        chosen = QColorDialog.getColor(start, self, f"Colour of {symbol}")
        if chosen.isValid():
            self.take(symbol, chosen)

    def take(self, symbol: str, chosen: QColor) -> None:
        """Show and hand over a colour."""
        rgb = (chosen.red(), chosen.green(), chosen.blue())
        self.buttons[symbol].setIcon(ball(rgb, off=255))
        self._do(symbol, chosen.name())
