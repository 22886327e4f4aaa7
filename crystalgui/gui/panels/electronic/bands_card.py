"""The card with the bands: energy origin, filling, gap arrow, assumptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSpinBox, QWidget

from crystalgui.gui.plots.bands import BandsPlot, GapArrow
from crystalgui.gui.theme import font
from crystalgui.gui.widgets import Card, Chip, PlainButton, Text

if TYPE_CHECKING:
    from crystalgui.core.physics.overview import Filling, Overview


class BandsCard(Card):
    """Bands along the path.

    Signals
    -------
    occupied_changed(int)
        The person chose another filling.
    path_chosen(bool)
        True: the path of this cell's own lattice instead of the primitive cell.
    """

    occupied_changed = Signal(int)
    path_chosen = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Bands", "", parent)
        self._view: Overview | None = None
        self.plot = BandsPlot(self)
        self.plot.setAccessibleName("Band structure")
        label = QLabel("occupied")
        label.setProperty("role", "muted")
        self.occupied = QSpinBox(self)
        self.occupied.setAccessibleName("Number of occupied bands")
        self.occupied.setToolTip("Number of occupied bands; sets E_F and the gap")
        self.occupied.setKeyboardTracking(False)
        self.occupied.setFixedWidth(64)
        self.occupied.valueChanged.connect(self.occupied_changed)
        self.relative = Chip("E − E_F", True, "Measure energies from the Fermi energy")
        self.relative.setChecked(True)
        self.relative.toggled.connect(self.plot.set_relative)
        for widget in (label, self.occupied, self.relative):
            self.tools.addWidget(widget)
        self.choice = QWidget(self)
        row = QHBoxLayout(self.choice)
        row.setContentsMargins(0, 0, 0, 0)
        self.question = Text(
            "This cell is larger than the primitive one. Which path should be shown?", "warn"
        )
        self.primitive = PlainButton("Primitive cell (folded bands)")
        self.own = PlainButton("This cell's lattice")
        self.primitive.clicked.connect(lambda: self.path_chosen.emit(False))
        self.own.clicked.connect(lambda: self.path_chosen.emit(True))
        row.addWidget(self.question, 1)
        row.addWidget(self.primitive)
        row.addWidget(self.own)
        self.choice.hide()
        self.caption = Text("", "muted")
        small = font("text")
        small.setPixelSize(11)
        self.caption.setFont(small)
        self.body.addWidget(self.choice)
        self.body.addWidget(self.plot, 1)
        self.body.addWidget(self.caption)

    def show_overview(self, view: Overview, occupied: int, reason: str) -> None:
        """New bands; the gap comes later with `show_filling`."""
        self._view = view
        n = view.bands.energies.shape[1]
        self.occupied.blockSignals(True)
        self.occupied.setRange(1, max(1, n))
        self.occupied.setValue(occupied)
        self.occupied.blockSignals(False)
        path = view.bands.path
        self.set_title("Bands", f"{path.title}, {n} orbitals")
        self.plot.set_bands(view.bands, occupied, _edge(view, occupied))
        self.caption.setText(" · ".join(part for part in (view.bands.note, reason) if part))

    def show_filling(self, filling: Filling | None, occupied: int) -> None:
        """The gap at a filling; None when there is none to show."""
        view = self._view
        if view is None:
            return
        if filling is None:
            self.plot.set_filling(occupied, _edge(view, occupied), None)
            return
        found = filling.gaps
        self.plot.set_filling(occupied, found.fermi, gap_arrow(view, filling))

    def ask_path(self, on: bool) -> None:
        """Show the question about the path of a supercell."""
        self.choice.setVisible(on)


def _edge(view: Overview, occupied: int) -> float:
    """Top of the occupied bands on the path, until the Fermi energy is known."""
    energies = view.bands.energies
    return float(energies[:, min(occupied, energies.shape[1]) - 1].max())


def gap_arrow(view: Overview, filling: Filling) -> GapArrow | None:
    """Arrow and words of the gap; None for a metal without a direct gap."""
    from crystalgui.core.physics.overview import k_text

    found = filling.gaps
    gap = found.direct if found.metal else found.indirect
    if gap.energy <= 1e-5:
        return None
    distance = view.bands.path.distance
    low, high = filling.rows
    near = filling.near
    if found.metal:
        text = f"metal; smallest direct gap {gap.energy:.3f} eV {near[0]}"
    elif found.kind == "direct":
        text = f"direct gap {gap.energy:.3f} eV {near[0]}"
    else:
        text = f"indirect gap {gap.energy:.3f} eV"
    where = k_text(gap.k_lower, 3)
    if found.kind == "indirect":
        where += f" → {k_text(gap.k_upper, 3)}"
    text += f"\n{where}" + ("" if filling.on_path else ", off the path")
    return GapArrow(
        x_lower=float(distance[low if filling.on_path else high]),
        x_upper=float(distance[high]),
        lower=gap.lower,
        upper=gap.upper,
        text=text,
        exact=filling.on_path,
    )
