"""How a network reads an element: the left-step table in a window of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from crystalgui.core.atomic import check_target
from crystalgui.core.cards import Card as ModelCard
from crystalgui.core.cards import Scalar
from crystalgui.core.errors import CrystalError
from crystalgui.core.messages import DatasetSummary
from crystalgui.core.structures import elements
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.plots.export import FORMATS, save_figure
from crystalgui.gui.plots.left_step import LeftStepTable
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Chip, Text

COLOURS: dict[str, tuple[str, str]] = {
    "block": ("", ""),
    "electronegativity": ("ELECTRONEGATIVITY", "Pauling"),
    "covalent radius": ("COVALENT_RADIUS", "Å"),
    "valence electrons": ("VALENCE", ""),
    "mass": ("MASS", "u"),
}
"""What the cells are coloured by: an array of `core.structures.elements`, and its unit."""
KINDS = {
    "left-step": "25 numbers: one of 8 rows, one of 16 pairs of columns, one bit for the spin.",
    "left-step+": "25 numbers of the table, and electronegativity, radius, valence electrons, "
    "metal or not, and period.",
    "one-hot": "100 numbers, one for each element: nothing is shared between them.",
    "one-hot-118": "118 numbers, one for each element: nothing is shared between them.",
    "learned": "A vector for each element that is learnt from the data alone.",
    "properties": "Five properties: electronegativity, radius, valence electrons, metal, period.",
}


def words_of(card: ModelCard | None, params: Mapping[str, Scalar]) -> str:
    """What this network reads of an element and of a position, in sentences."""
    said = [f"The left-step code of an element: {KINDS['left-step']}"]
    if card is not None and "elements" in params:
        kind = str(params["elements"])
        said = [f"{card.title} reads an element as {kind}.", KINDS.get(kind, "")]
    positions = params.get("positions")
    if positions == "sines":
        said.append("Positions are five sines, as published: 0 and 1/2 look the same.")
    elif positions == "waves":
        said.append("Positions are sines and cosines: no two are the same.")
    return " ".join(said)


def values_of(name: str) -> tuple[dict[int, float] | None, str]:
    """Values of a colouring by atomic number, and their unit; None for the blocks."""
    array, unit = COLOURS[name]
    if not array:
        return None, ""
    values = np.asarray(getattr(elements, array), np.float64)
    return {z: float(values[z]) for z in range(1, len(values))}, unit


class EncodingWindow(QDialog):
    """The table, what it is coloured by, and what the network reads.

    Signals
    -------
    failed(CrystalError)
        The picture could not be written.
    leave_out_asked(str)
        Train without the selected element and test on it alone.
    """

    failed = Signal(object)
    leave_out_asked = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Encoding of elements")
        self.table = LeftStepTable()
        self.words = Text("", "muted")
        self.colour = ChoiceBox()
        self.colour.setAccessibleName("Colour by")
        for name in COLOURS:
            self.colour.addItem(f"Colour: {name}", name)
        self.data = Chip(
            "data set", checkable=True, tooltip="Fade elements that the data set lacks"
        )
        self.leave_out = Chip("leave out", tooltip="Train without this element, test on it alone")
        self.leave_out.hide()
        self.save = Chip("", tooltip="Save the table: PNG, SVG or PDF", icon_name="export")
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        row.addWidget(self.colour)
        row.addWidget(self.data)
        row.addWidget(self.leave_out)
        row.addStretch(1)
        row.addWidget(self.save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACE[3],) * 4)
        layout.setSpacing(SPACE[2])
        layout.addWidget(self.words)
        layout.addLayout(row)
        layout.addWidget(self.table, 1)
        self._present: tuple[int, ...] = ()
        self.colour.currentIndexChanged.connect(self._recolour)
        self.data.toggled.connect(self._fade)
        self.save.clicked.connect(self.ask_save)
        self.table.selected.connect(self._offer)
        self.leave_out.clicked.connect(self._ask_leave_out)
        self.resize(1080, 460)

    def show_encoding(
        self,
        card: ModelCard | None,
        params: Mapping[str, Scalar],
        data: DatasetSummary | None = None,
    ) -> None:
        """Follow a form: its model, its values, its data set."""
        self.words.setText(words_of(card, params))
        known = data.elements if data is not None else ()
        self._present = tuple(elements.number(name) for name in known)
        self.data.setVisible(bool(self._present))
        self._fade(self.data.isChecked())
        self._offer()

    def _offer(self, _chosen: tuple[int, ...] = ()) -> None:
        """One element of the data set can be left out."""
        chosen = self.table.selection
        fits = len(chosen) == 1 and chosen[0] in self._present
        self.leave_out.setVisible(fits)
        if fits:
            self.leave_out.setText(f"leave out {elements.SYMBOLS[chosen[0]]}")

    def _ask_leave_out(self) -> None:
        self.leave_out_asked.emit(elements.SYMBOLS[self.table.selection[0]])

    def _recolour(self, _index: int = 0) -> None:
        name = str(self.colour.currentData())
        values, unit = values_of(name)
        self.table.set_values(values, name, unit)

    def _fade(self, faded: bool) -> None:
        self.table.set_present(self._present if faded and self._present else None)

    def ask_save(self) -> None:
        """Ask for a file and write the table there."""
        found, chosen = QFileDialog.getSaveFileName(self, "Save table", "elements.pdf", FORMATS)
        if not found:
            return
        path = Path(found)
        if not path.suffix:
            path = path.with_suffix("." + chosen.rpartition("*.")[2].rstrip(")"))
        try:
            check_target(path)
            save_figure(path, (self.table,), caption=self.words.text())
        except CrystalError as error:
            self.failed.emit(error)
