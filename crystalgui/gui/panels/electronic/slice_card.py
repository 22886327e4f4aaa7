"""The card with the zone slice: plane, offset, quantity, contours, export."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QSlider,
    QSpinBox,
    QWidget,
)

from crystalgui.core.physics.slices import Slice
from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.plots.slice import ColourBar, SlicePlot
from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import Card, Chip, ElidedLabel, FlowLayout

if TYPE_CHECKING:
    from crystalgui.core.physics.evidence import Evidence
    from crystalgui.core.physics.overview import Cut, Overview
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.engine.lane import Lane

COARSE, FINE = 64, 160
SLOW, FINE_SLOW = 48, 120
"""Points along a side: at once, and when the controls rest; a curvature needs eigenvectors."""
STEPS = 1000


class SliceCard(Card):
    """A plane through the zone.

    Signals
    -------
    wanted(object)
        A `Slice` to compute.
    """

    wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None, lane: Lane | None = None) -> None:
        super().__init__("Zone slice", "", parent)
        self._reach = 0.5
        self._bands = 1
        self.cut: Cut | None = None
        self.evidence: Evidence | None = None
        self._hoppings: Hoppings | None = None
        self.plot = SlicePlot(self)
        self.plot.setAccessibleName("Zone slice")
        self.bar = ColourBar(self)
        self.contours = Chip("contours", True, "Show level lines")
        self.contours.setChecked(True)
        self.contours.toggled.connect(self.plot.set_contours)
        self.export = ExportChip(
            self,
            (self.plot, self.bar),
            "slice",
            self.contour_table,
            lane,
            lambda: {"values": self.value_table()},
        )
        self.log = Chip("log", True, "Symmetric logarithmic colours: peaks leave room for the rest")
        self.log.setChecked(True)
        self.log.toggled.connect(self._log_changed)
        self.log.hide()
        self.tools.addWidget(self.log)
        self.tools.addWidget(self.contours)
        self.tools.addWidget(self.export)
        middle = QHBoxLayout()
        middle.setSpacing(SPACE[1])
        middle.addWidget(self.plot, 1)
        middle.addWidget(self.bar)
        self.body.addLayout(middle, 1)
        self.body.addWidget(self._plane_row())
        self.body.addLayout(self._offset_row())
        self.caption = ElidedLabel()
        self.caption.setProperty("role", "muted")
        small = font("text")
        small.setPixelSize(11)
        self.caption.setFont(small)
        self.body.addWidget(self.caption)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(180)
        self._rest.timeout.connect(self._refine)

    def _plane_row(self) -> QWidget:
        """Plane and quantity, one below the other where there is little room."""
        holder = QWidget(self)
        flow = FlowLayout(holder)
        row = _group(flow)
        self.hkl: list[QSpinBox] = []
        for name, value in zip("hkl", (0, 0, 1), strict=True):
            box = QSpinBox(self)
            box.setRange(-9, 9)
            box.setValue(value)
            box.setAccessibleName(f"Plane index {name}")
            box.setToolTip("Plane h k₁ + k k₂ + l k₃ = offset, normal to h a + k b + l c")
            box.setFixedWidth(46)
            box.valueChanged.connect(self._plane_changed)
            row.addWidget(box)
            self.hkl.append(box)
        row.addSpacing(SPACE[1])
        self._add_quantity(_group(flow))
        return holder

    def _offset_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        row.addWidget(_muted("offset"))
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setRange(-STEPS, STEPS)
        self.slider.setAccessibleName("Offset of the plane")
        self.slider.valueChanged.connect(self._slid)
        self.offset = QDoubleSpinBox(self)
        self.offset.setDecimals(4)
        self.offset.setFixedWidth(84)
        self.offset.setSingleStep(0.01)
        self.offset.setKeyboardTracking(False)
        self.offset.setAccessibleName("Offset of the plane in reciprocal periods")
        self.offset.setToolTip("In units of the reciprocal period of the plane")
        self.offset.valueChanged.connect(self._typed)
        row.addWidget(self.slider, 1)
        row.addWidget(self.offset)
        return row

    def _add_quantity(self, row: QHBoxLayout) -> None:
        self.quantity = QComboBox(self)
        self.quantity.addItem("gap", "gap")
        self.quantity.addItem("energy", "energy")
        self.quantity.addItem("curvature", "curvature")
        self.quantity.setFixedWidth(116)
        self.quantity.setAccessibleName("Quantity")
        self.quantity.setToolTip(
            "Direct gap above a band, energy of a band, Berry curvature of all bands up to it, "
            "or where a network's answer rests"
        )
        self.quantity.currentIndexChanged.connect(self._quantity_changed)
        self.band = QSpinBox(self)
        self.band.setMinimum(1)
        self.band.setFixedWidth(58)
        self.band.setAccessibleName("Band")
        self.band.setToolTip("Band, counted from 1")
        self.band.valueChanged.connect(self.ask)
        row.addWidget(self.quantity)
        row.addWidget(_muted("band"))
        row.addWidget(self.band)

    # ------------------------------------------------------------- request

    def request(self, n: int = COARSE) -> Slice:
        """What the controls ask for."""
        h, k, m = (box.value() for box in self.hkl)
        return Slice(
            hkl=(h, k, m),
            offset=self.offset.value(),
            quantity=self.quantity.currentData(),
            band=self.band.value(),
            n=n,
        )

    def _refine(self) -> None:
        curved = self.quantity.currentData() == "curvature"
        self.wanted.emit(self.request(FINE_SLOW if curved else FINE))

    def ask(self) -> None:
        """Ask for a quick slice now and a fine one when the controls rest."""
        if any(box.value() for box in self.hkl):
            curved = self.quantity.currentData() == "curvature"
            self.wanted.emit(self.request(SLOW if curved else COARSE))
            self._rest.start()

    def begin(self, bands: int, occupied: int, offset: float) -> None:
        """Another Hamiltonian: plane (001) at ``offset``, gap above the occupied bands."""
        self._bands = bands
        self._rest.stop()
        widgets = (*self.hkl, self.offset, self.slider, self.quantity, self.band)
        for widget in widgets:
            widget.blockSignals(True)
        for box, value in zip(self.hkl, (0, 0, 1), strict=True):
            box.setValue(value)
        self.quantity.setCurrentIndex(0 if occupied < bands else 1)
        self.band.setMaximum(max(1, bands - (occupied < bands)))
        self.band.setValue(occupied)
        for widget in widgets:
            widget.blockSignals(False)
        self.quantity.setEnabled(bands > 1)
        self.go_to(offset)

    def go_to(self, offset: float) -> None:
        """Move the plane to an offset (in periods), within the zone."""
        self._set_offset(offset)
        self.ask()

    def set_reach(self, reach: float) -> None:
        """Largest offset of this plane inside the zone."""
        self._reach = reach
        self.offset.blockSignals(True)
        self.offset.setRange(-reach, reach)
        self.offset.blockSignals(False)

    def set_filling(self, occupied: int) -> None:
        """Follow another number of occupied bands."""
        if self.quantity.currentData() != "energy" and occupied < self._bands:
            self.band.setValue(occupied)

    def set_evidence(self, evidence: Evidence | None) -> None:
        """Evidence of a network that can be shown; None: there is none, the gap is shown again."""
        self.evidence = evidence
        place = self.quantity.findData("evidence")
        chosen = place >= 0 and place == self.quantity.currentIndex()
        if evidence is None and place >= 0:
            self.quantity.removeItem(place)
            if chosen:
                self.quantity.setCurrentIndex(0)
        elif evidence is not None and place < 0:
            self.quantity.addItem("evidence", "evidence")
        elif chosen:
            self.ask()

    def _set_offset(self, value: float) -> None:
        value = min(max(value, -self._reach), self._reach)
        for widget in (self.offset, self.slider):
            widget.blockSignals(True)
        self.offset.setValue(value)
        self.slider.setValue(round(STEPS * value / self._reach))
        for widget in (self.offset, self.slider):
            widget.blockSignals(False)

    plane_changed = Signal(tuple)

    def _plane_changed(self) -> None:
        hkl = tuple(box.value() for box in self.hkl)
        if any(hkl):
            self.plane_changed.emit(hkl)
            self.ask()

    def _slid(self, step: int) -> None:
        self._set_offset(_special(self._reach * step / STEPS, self._reach))
        self.ask()

    def _typed(self, value: float) -> None:
        self._set_offset(value)
        self.ask()

    def _quantity_changed(self) -> None:
        last = self._bands - (self.quantity.currentData() != "energy")
        self.band.setEnabled(self.quantity.currentData() != "evidence")
        self.band.setMaximum(max(1, last))
        self.ask()

    # -------------------------------------------------------------- answer

    def show_cut(self, cut: Cut, view: Overview) -> None:
        """Show an answer."""
        self.cut = cut
        plane, asked = cut.image.plane, cut.image.request
        corners = (view.zone.vertices - plane.origin) @ plane.axes.T
        low, high = corners.min(axis=0), corners.max(axis=0)
        extent = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
        self.plot.set_slice(cut.image, cut.contours, cut.points, extent)
        self._show_bar()
        self._say(cut.note)
        hkl = "".join(f"{abs(x)}̅" if x < 0 else str(x) for x in plane.hkl)
        name = f"band {asked.band}"
        self.log.setVisible(cut.image.signed)
        if asked.quantity == "curvature":
            name = f"Berry curvature of bands 1–{asked.band}"
        elif asked.quantity == "evidence":
            name = "evidence of the network"
        elif asked.quantity == "gap":
            name = f"direct gap {asked.band}–{asked.band + 1}"
        self.set_title("Zone slice", f"({hkl}) at {plane.offset:.3f}, {name}".replace("-", "−"))

    def _show_bar(self) -> None:
        if self.cut is not None:
            image = self.cut.image
            self.bar.set_limits(image.limits, image.unit, self.plot.scale, signed=image.signed)

    def _log_changed(self, on: bool) -> None:
        self.plot.set_log(on)
        self._show_bar()

    def clear(self) -> None:
        """Show nothing."""
        self.cut = None
        self._rest.stop()
        self.plot.set_slice(None)
        self.bar.set_limits(None)

    def set_marks(self, marks: list[tuple[np.ndarray, str]]) -> None:
        """Mark Cartesian k-points (colour token) that lie on the plane."""
        if self.cut is None:
            return
        plane = self.cut.image.plane
        shown = []
        for k, token in marks:
            xy, off = plane.project(k)
            if abs(float(off)) < 0.02:
                shown.append((xy, token))
        self.plot.set_marks(shown)

    def set_source(self, h: Hoppings) -> None:
        """Whose slices these are."""
        self._hoppings = h
        self._say("")

    def _say(self, note: str) -> None:
        h = self._hoppings
        said = h.assumptions.sentence() if h is not None else ""
        self.caption.setText(" · ".join(part for part in (note, said) if part))
        self.export.set_source(h, self.caption.text())

    def contour_table(self) -> Table | None:
        """Level lines as CSV."""
        from crystalgui.core.physics.contours import contours_csv

        cut = self.cut
        return partial(contours_csv, cut.image, list(cut.contours)) if cut else None

    def value_table(self) -> Table | None:
        """Values of the grid as CSV."""
        from crystalgui.core.physics.contours import slice_csv

        return partial(slice_csv, self.cut.image) if self.cut else None


def _special(value: float, reach: float) -> float:
    """Let the slider catch 0, 1/2 and the end of the zone."""
    for target in (0.0, 0.5, -0.5, reach, -reach):
        if abs(value - target) < 0.004 * reach:
            return target
    return value


def _group(flow: FlowLayout) -> QHBoxLayout:
    """Widgets that stay side by side when a line breaks."""
    group = QWidget()
    row = QHBoxLayout(group)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(SPACE[0])
    flow.addWidget(group)
    return row


def _muted(text: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", "muted")
    return label
