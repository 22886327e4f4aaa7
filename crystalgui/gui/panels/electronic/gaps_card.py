"""The card with the gaps: numbers that can be copied, and jumps to their k-points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from crystalgui.gui.widgets import Card, Chip, KeyValues, SectionTitle, copy_text, scrolled

if TYPE_CHECKING:
    from crystalgui.core.physics.overview import Filling
    from crystalgui.core.structures.hoppings.model import Hoppings

CLOSED = {"none": "gap closed"}


class GapsCard(Card):
    """Direct and indirect gap, and what the files said.

    Signals
    -------
    shown(str)
        The person wants to see ``"direct"``, ``"top"`` or ``"bottom"``.
    """

    shown = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Gaps", "", parent)
        self.copy = Chip("", False, "Copy all numbers as a table", icon_name="copy")
        self.copy.clicked.connect(lambda: copy_text(self.text()))
        for name, label, tip in (
            ("direct", "gap", "Show the smallest direct gap in zone and slice"),
            ("top", "VBM", "Show the valence-band maximum"),
            ("bottom", "CBM", "Show the conduction-band minimum"),
        ):
            chip = Chip(label, False, tip)
            chip.clicked.connect(lambda _=False, what=name: self.shown.emit(what))
            self.tools.addWidget(chip)
        self.tools.addWidget(self.copy)
        self.numbers = KeyValues()
        self.files = KeyValues()
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.numbers)
        column.addWidget(SectionTitle("Hamiltonian"))
        column.addWidget(self.files)
        column.addStretch(1)
        area = scrolled(inner, sideways=True)
        self.body.addWidget(area)

    def text(self) -> str:
        """All rows as TSV."""
        return f"{self.numbers.text()}\n{self.files.text()}"

    def show_hoppings(self, h: Hoppings) -> None:
        """What the files said."""
        said = h.assumptions
        rows: list[tuple[str, str]] = [
            ("Orbitals", str(h.n_orbitals)),
            ("Lattice vectors A", str(h.n_cells)),
            ("Spin order", said.spin_order),
            ("Time-reversal residual", _residual(said.time_reversal_residual)),
            ("Hermiticity residual", _residual(said.hermiticity_residual)),
            ("Lattice from", said.lattice_from or "none found"),
            ("Files", ", ".join(said.files) or "–"),
        ]
        self.files.set_rows(rows)

    def show_filling(self, filling: Filling | None, reason: str = "") -> None:
        """Numbers at a filling, or why there are none."""
        from crystalgui.core.physics.overview import k_text

        if filling is None:
            self.set_title("Gaps", reason)
            self.numbers.set_rows([])
            return
        found = filling.gaps
        overlap = found.metal and found.indirect.energy < -1e-4
        self.set_title("Gaps", "bands overlap" if overlap else CLOSED.get(found.kind, found.kind))
        rows = [
            ("Direct gap", f"{_energy(found.direct.energy)}"),
            ("at k", f"{k_text(found.direct.k_lower)} {filling.near[0]}"),
            (
                "Band overlap" if overlap else "Indirect gap",
                _energy(-found.indirect.energy if overlap else found.indirect.energy),
            ),
            ("Valence top", _energy(found.indirect.lower)),
            ("at k", f"{k_text(found.indirect.k_lower)} {filling.near[1]}"),
            ("Conduction bottom", _energy(found.indirect.upper)),
            ("at k", f"{k_text(found.indirect.k_upper)} {filling.near[2]}"),
            ("Fermi energy", _energy(found.fermi)),
            ("Mesh", "×".join(map(str, found.mesh)) + ", refined off the mesh"),
        ]
        self.numbers.set_rows(rows)


def _energy(value: float) -> str:
    return f"{round(value, 4) + 0.0:.4f} eV".replace("-", "−")


def _residual(value: float) -> str:
    return "–" if value != value else f"{value:.2g} eV"
