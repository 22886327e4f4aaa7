"""The form of the surface room: which surface, which energies, how fine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QHBoxLayout, QSpinBox, QWidget

from crystalgui.gui.panels.electronic.phases_setup import choice, muted, real, whole
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Chip, FlowLayout

if TYPE_CHECKING:
    from crystalgui.core.structures.hoppings.model import Hoppings

SIDES = (("left", "bottom"), ("right", "top"), ("bulk", "bulk"))


@dataclass(frozen=True, slots=True)
class SurfaceQuestion:
    """What is asked; the identity of ``h`` counts.  Energies are from E_F, eV."""

    h: Hoppings
    occupied: int
    hkl: tuple[int, int, int]
    cut: float | None
    window: tuple[float, float]
    broadening: float
    fine: bool
    layers: int
    slab: bool
    path: str


PATHS = (
    ("auto", "usual path", "K–Γ–M–K or M–Γ–X–M where the edges of the zone are alike"),
    ("momenta", "all edges", "Through Γ and all three edges of the surface zone"),
    ("gamma", "near Γ", "A quarter of the way from Γ to its neighbours, in more detail"),
)


class SurfaceSetup(QWidget):
    """Fields of a `SurfaceQuestion`.

    Signals
    -------
    changed()
        Something else is to be computed.
    side_changed()
        Another side is to be shown; all sides are known.
    """

    changed = Signal()
    side_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._flow = FlowLayout(self, SPACE[1])
        self._build_surface()
        self._build_energies()
        self._build_mode()
        self._show_mode()

    def _build_surface(self) -> None:
        self.hkl: list[QSpinBox] = []
        for name, value in zip("hkl", (0, 0, 1), strict=True):
            box = whole(value, -9, 9, f"Surface index {name}")
            box.setToolTip("Surface (hkl), in reciprocal vectors of the cell of the file")
            box.setFixedWidth(48)
            box.valueChanged.connect(self.changed)
            self.hkl.append(box)
        self._flow.addWidget(group(muted("surface"), *self.hkl))
        self.sides = QButtonGroup(self)
        chips = []
        for place, (_, words) in enumerate(SIDES):
            chip = Chip(words, True, f"Spectral weight of the {words}")
            self.sides.addButton(chip, place)
            chips.append(chip)
        chips[1].setChecked(True)
        self.sides.idClicked.connect(lambda _: self.side_changed.emit())
        self.side_group = group(*chips)
        self._flow.addWidget(self.side_group)
        self.cut_on = QCheckBox("cut at")
        self.cut_on.setToolTip(
            "Where the crystal ends, as a fraction of the layer; by default in the widest gap "
            "between planes of orbitals"
        )
        self.cut = real(0.5, -1.0, 1.0, "Cut, fraction of the layer")
        self.cut.setFixedWidth(64)
        self.cut.setEnabled(False)
        self.cut_on.toggled.connect(self.cut.setEnabled)
        self.cut_on.toggled.connect(self.changed)
        self.cut.valueChanged.connect(self.changed)
        self._flow.addWidget(group(self.cut_on, self.cut))

    def _build_energies(self) -> None:
        self.low = real(-1.0, -50.0, 50.0, "Lowest energy from E_F in eV")
        self.high = real(1.0, -50.0, 50.0, "Highest energy from E_F in eV")
        self.broadening = real(0.01, 1e-5, 1.0, "Broadening in eV")
        self.broadening.setToolTip("Imaginary part of the energy, eV")
        for box in (self.low, self.high, self.broadening):
            box.setFixedWidth(70)
            box.valueChanged.connect(self.changed)
        self._flow.addWidget(group(muted("E − E_F from"), self.low, muted("to"), self.high))
        self.path = choice([row[:2] for row in PATHS], "Path of the surface zone")
        for place, row in enumerate(PATHS):
            self.path.setItemData(place, row[2], Qt.ItemDataRole.ToolTipRole)
        self.path.setToolTip("Path through the surface zone")
        self.path.currentIndexChanged.connect(self.changed)
        self._flow.addWidget(self.path)
        self.broadening_group = group(muted("broadening"), self.broadening)
        self._flow.addWidget(self.broadening_group)

    def _build_mode(self) -> None:
        self.slab = Chip("slab", True, "Bands of a slab of finite thickness instead")
        self.slab.toggled.connect(self._show_mode)
        self.slab.toggled.connect(self.changed)
        self.layers = whole(10, 1, 200, "Layers of the slab")
        self.layers.setFixedWidth(60)
        self.layers.setKeyboardTracking(False)
        self.layers.valueChanged.connect(self.changed)
        self.layer_group = group(muted("layers"), self.layers)
        self._flow.addWidget(self.layer_group)
        self.fine = Chip("fine", True, "More k-points and energies; takes longer")
        self.fine.setChecked(True)
        self.fine.toggled.connect(self.changed)

    def _show_mode(self, *_: object) -> None:
        slab = self.slab.isChecked()
        self.layer_group.setVisible(slab)
        for widget in (self.side_group, self.broadening_group):
            widget.setVisible(not slab)
        self._flow.invalidate()
        self.updateGeometry()

    @property
    def side(self) -> str:
        """``"left"`` (bottom), ``"right"`` (top) or ``"bulk"``."""
        return SIDES[self.sides.checkedId()][0]

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Fill in without asking."""
        self.blockSignals(True)
        try:
            yield
        finally:
            self.blockSignals(False)

    def begin(self, hkl: tuple[int, int, int]) -> None:
        """Another Hamiltonian: this surface, cut in the widest gap."""
        with self.quiet():
            for box, value in zip(self.hkl, hkl, strict=True):
                box.setValue(value)
            self.cut_on.setChecked(False)
            self.path.setCurrentIndex(0)

    def set_energies(self, half: float, broadening: float) -> None:
        """A window around E_F that suits the gap."""
        with self.quiet():
            self.low.setValue(-half)
            self.high.setValue(half)
            self.broadening.setValue(broadening)

    def set_path(self, kind: str) -> None:
        """Choose a path without asking for it."""
        with self.quiet():
            self.path.setCurrentIndex(self.path.findData(kind))

    def question(self, h: Hoppings, occupied: int) -> SurfaceQuestion:
        """What the form asks about a Hamiltonian."""
        a, b, c = (box.value() for box in self.hkl)
        return SurfaceQuestion(
            h=h,
            occupied=occupied,
            hkl=(a, b, c),
            cut=self.cut.value() if self.cut_on.isChecked() else None,
            window=(self.low.value(), self.high.value()),
            broadening=self.broadening.value(),
            fine=self.fine.isChecked(),
            layers=self.layers.value(),
            slab=self.slab.isChecked(),
            path=self.path.currentData(),
        )


def group(*widgets: QWidget) -> QWidget:
    """Widgets that stay together when a line breaks."""
    holder = QWidget()
    row = QHBoxLayout(holder)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(SPACE[0])
    for widget in widgets:
        row.addWidget(widget)
    return holder
