"""The card with bands and density of states: filling, gap arrow, orbital weights, assumptions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QActionGroup, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSpinBox, QSplitter, QToolButton, QWidget

from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.panels.electronic.legend import Legend
from crystalgui.gui.plots.bands import BandsPlot, GapArrow
from crystalgui.gui.plots.dos import DosPlot
from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import Card, Chip, PlainButton, Text

if TYPE_CHECKING:
    from crystalgui.core.physics.dos import DOS
    from crystalgui.core.physics.overview import Composition, Filling, Overview
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.engine.lane import Lane

ROOMY = 500
"""Width of a card with room for every word, pixels."""
GROUPINGS = (("", "Off"), ("species", "By element"), ("atom", "By atom"), ("orbital", "By orbital"))


class BandsCard(Card):
    """Bands along the path, and the density of states beside them.

    Signals
    -------
    occupied_changed(int)
        The person chose another filling.
    path_chosen(bool)
        True: the path of this cell's own lattice instead of the primitive cell.
    grouping_changed(str)
        Weights by ``"species"``, ``"atom"`` or ``"orbital"`` are wanted.
    dos_wanted()
        The density of states was switched on.
    """

    occupied_changed = Signal(int)
    path_chosen = Signal(bool)
    grouping_changed = Signal(str)
    dos_wanted = Signal()

    def __init__(self, parent: QWidget | None = None, lane: Lane | None = None) -> None:
        super().__init__("Bands", "", parent)
        self._view: Overview | None = None
        self._fermi = 0.0
        self._made_of: Composition | None = None
        self._dos: DOS | None = None
        self.plot = BandsPlot(self)
        self.plot.setAccessibleName("Band structure")
        self.dos_plot = DosPlot(self.plot, self)
        self.dos_plot.setAccessibleName("Density of states")
        self.legend = Legend(self)
        self.legend.changed.connect(self._dress_groups)
        self._occupied_label = label = QLabel("occupied")
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
        self.relative.toggled.connect(lambda _: self._follow_zero())
        self.weights = self._weights_chip()
        self.dos = Chip("DOS", True, "Density of states beside the bands")
        self.dos.setChecked(True)
        self.dos.toggled.connect(self._show_dos)
        parts = (self.plot, self.dos_plot, self.legend)
        self.export = ExportChip(
            self, parts, "bands", self.table, lane, lambda: {"dos": self.dos_table()}
        )
        for widget in (label, self.occupied, self.relative, self.weights, self.dos, self.export):
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
        self.body.addWidget(self.legend)
        self.body.addWidget(self._plots(), 1)
        self.body.addWidget(self.caption)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A narrow card has no room for words beside the filling."""
        super().resizeEvent(event)
        self._occupied_label.setVisible(event.size().width() >= ROOMY)

    def _plots(self) -> QSplitter:
        both = QSplitter(Qt.Orientation.Horizontal, self)
        both.setHandleWidth(SPACE[0])
        both.setChildrenCollapsible(False)
        for widget, share in ((self.plot, 78), (self.dos_plot, 22)):
            both.addWidget(widget)
            both.setStretchFactor(both.count() - 1, share)
        both.setSizes([780, 220])
        return both

    def _weights_chip(self) -> Chip:
        chip = Chip("orbitals", False, "Draw the weights of elements, atoms or orbitals")
        chip.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(chip)
        self._grouping = QActionGroup(menu)
        for name, text in GROUPINGS:
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(not name)
            action.setData(name)
            self._grouping.addAction(action)
        self._grouping.triggered.connect(lambda action: self.set_grouping(action.data()))
        chip.setMenu(menu)
        return chip

    # -------------------------------------------------------------- content

    @property
    def grouping(self) -> str:
        """By what weights are drawn; empty when they are not."""
        return str(self._grouping.checkedAction().data())

    @property
    def made_of(self) -> Composition | None:
        """Weights that are known."""
        return self._made_of

    def set_grouping(self, name: str) -> None:
        """Draw weights by ``species``, ``atom``, ``orbital``, or not at all."""
        for action in self._grouping.actions():
            action.setChecked(action.data() == name)
        self.weights.setProperty("on", bool(name))
        self._dress_groups()
        if name:
            self.grouping_changed.emit(name)

    def set_source(self, h: Hoppings | None) -> None:
        """Whose bands these are."""
        self._made_of = self._dos = None
        self.legend.set_groups(())
        self.dos_plot.set_dos(None)
        self.export.set_source(h)

    def show_composition(self, found: Composition) -> None:
        """Weights of the bands that are shown."""
        self._made_of = found
        self.legend.set_groups(found.names, found.how)
        self._dress_groups()

    def show_dos(self, dos: DOS | None) -> None:
        """Density of states."""
        self._dos = dos
        self.dos_plot.set_dos(dos)
        self._dress_groups()

    def _dress_groups(self) -> None:
        """Bring weights and density to the colours of the legend."""
        found = self._made_of
        self.legend.setVisible(bool(self.grouping) and found is not None)
        inks = self.legend.inks
        if found is not None:
            drawn = inks if self.grouping else (None,) * len(inks)
            self.plot.set_weights(found.weights, found.names, drawn)
        names = self._dos.groups if self._dos is not None else ()
        same = found is not None and names == found.names
        self.dos_plot.set_inks(inks if same and self.grouping else ())

    def _show_dos(self, on: bool) -> None:
        self.dos_plot.setVisible(on)
        if on and self._dos is None:
            self.dos_wanted.emit()

    def _follow_zero(self) -> None:
        self.dos_plot.set_zero(self.plot.zero, self._fermi)

    def table(self) -> Table | None:
        """The bands as CSV; with their weights when they are known."""
        from crystalgui.core.physics.tables import bands_csv

        view, found = self._view, self._made_of
        if view is None:
            return None
        if found is None:
            return partial(bands_csv, view.bands)
        return partial(bands_csv, view.bands, found.weights, found.names)

    def dos_table(self) -> Table | None:
        """The density of states as CSV, when there is one."""
        from crystalgui.core.physics.tables import dos_csv

        return partial(dos_csv, self._dos) if self._dos is not None else None

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
        self._fermi = _edge(view, occupied)
        self.plot.set_bands(view.bands, occupied, self._fermi)
        self._follow_zero()
        self.caption.setText(" · ".join(part for part in (view.bands.note, reason) if part))

    def show_filling(self, filling: Filling | None, occupied: int) -> None:
        """The gap at a filling; None when there is none to show."""
        view = self._view
        if view is None:
            return
        if filling is None:
            self._fermi = _edge(view, occupied)
            self.plot.set_filling(occupied, self._fermi, None)
            self._follow_zero()
            return
        found = filling.gaps
        self._fermi = found.fermi
        self.plot.set_filling(occupied, found.fermi, gap_arrow(view, filling))
        self._follow_zero()

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
    text += ("" if filling.on_path else ", off the path") + f"\n{where}"
    return GapArrow(
        x_lower=float(distance[low if filling.on_path else high]),
        x_upper=float(distance[high]),
        lower=gap.lower,
        upper=gap.upper,
        text=text,
        exact=filling.on_path,
    )
