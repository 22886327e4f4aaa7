"""The room of bands and zone slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.electronic.bands_card import BandsCard
from crystalgui.gui.panels.electronic.slice_card import SliceCard
from crystalgui.gui.theme import SPACE

if TYPE_CHECKING:
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.core.physics.dos import DOS
    from crystalgui.core.physics.overview import Composition, Cut, Filling, Overview
    from crystalgui.core.physics.slices import Slice
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.project import OpenFile


MANY = 12
"""More groups than this have no density of their own: it takes too long, and cannot be read."""


class BandsRoom(Growing, QWidget):
    """Bands along the path, and a plane through the zone.

    The page gives it what it found for all rooms (`show_overview`,
    `show_filling`), also while it is hidden; slices are asked for only while
    it can be seen.

    Signals
    -------
    pointed(object)
        Reduced k under the pointer, None when it left.
    picked(object, object)
        Reduced k, and the band (from 0) or None.
    plane_shown(object)
        The `Plane` of the slice that is shown now.
    """

    pointed = Signal(object)
    picked = Signal(object, object)
    plane_shown = Signal(object)

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._hoppings: Hoppings | None = None
        self._begun: Hoppings | None = None
        self._view: Overview | None = None
        self._filling: Filling | None = None
        self._placed = False
        self.grow(self._build(), at_once)

    def _build(self) -> Steps:
        self.bands = BandsCard(self, self._session.lane)
        yield
        self.slice = SliceCard(self, self._session.lane)
        yield
        splitter = QSplitter(Qt.Orientation.Vertical, self)
        splitter.addWidget(self.bands)
        splitter.addWidget(self.slice)
        spread(splitter, (520, 480))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(splitter)
        self.bands.plot.hovered.connect(self._band_hovered)
        self.bands.plot.picked.connect(self._band_picked)
        self.bands.grouping_changed.connect(self._ask_composition)
        self.bands.dos_wanted.connect(self._ask_dos)
        self.slice.wanted.connect(self._cut)
        self.slice.plane_changed.connect(self._plane_changed)
        self.slice.plot.hovered.connect(self._slice_hovered)
        self.slice.plot.picked.connect(self._slice_picked)

    def actions(self) -> list[ActionInfo]:
        """Actions of this room, for menus and the palette."""
        return [
            ActionInfo(
                "electronic.fermi",
                "Energies from E_F",
                self.bands.relative.setChecked,
                menu="Physics",
                checkable=True,
                tip="Measure energies from the Fermi energy",
                enabled=lambda: self._view is not None,
                checked=self.bands.relative.isChecked,
            ),
            ActionInfo(
                "electronic.contours",
                "Contours on the slice",
                self.slice.contours.setChecked,
                menu="Physics",
                checkable=True,
                tip="Level lines of the zone slice",
                enabled=lambda: self._view is not None,
                checked=self.slice.contours.isChecked,
            ),
            ActionInfo(
                "electronic.csv",
                "Export the slice…",
                self.slice.export.click,
                menu="Physics",
                tip="The slice as a figure, or its level lines and values as CSV",
                enabled=lambda: self.slice.cut is not None,
            ),
            ActionInfo(
                "electronic.bands-export",
                "Export bands…",
                self.bands.export.click,
                menu="Physics",
                tip="Bands and density of states as a figure, or as CSV",
                enabled=lambda: self._view is not None,
            ),
            ActionInfo(
                "electronic.dos",
                "Density of states",
                self.bands.dos.setChecked,
                menu="Physics",
                checkable=True,
                tip="Density of states beside the bands",
                enabled=lambda: self._view is not None,
                checked=self.bands.dos.isChecked,
            ),
            ActionInfo(
                "electronic.weights",
                "Orbital weights",
                lambda on: self.bands.set_grouping("species" if on else ""),
                menu="Physics",
                checkable=True,
                tip="Draw what the bands are made of",
                enabled=lambda: self._view is not None,
                checked=lambda: bool(self.bands.grouping),
            ),
        ]

    # -------------------------------------------------------------- content

    def begin(self, h: Hoppings | None, occupied: int, file: OpenFile | None) -> None:
        """Show the slice of this Hamiltonian."""
        if h is None or self._view is None or h is not self._hoppings:
            return
        if h is self._begun:
            self.slice.set_filling(occupied)
            return
        self._begun = h
        self._plane_changed((0, 0, 1))
        self._placed = False
        self.slice.begin(h.n_orbitals, occupied, 0.0)
        self._go_to_gap()

    def forget(self) -> None:
        """Another Hamiltonian is being looked at; nothing is known about it yet."""
        self._hoppings = self._begun = self._view = self._filling = None
        self.bands.set_source(None)

    def show_overview(self, h: Hoppings, view: Overview, occupied: int, reason: str) -> None:
        """New bands; the gap comes later."""
        self._hoppings, self._view, self._filling = h, view, None
        self.bands.set_source(h)
        self.slice.set_source(h)
        self.bands.show_overview(view, occupied, reason)
        self._ask_composition(self.bands.grouping or "species")

    def _ask_composition(self, by: str) -> None:
        from crystalgui.core.physics.overview import composition

        h, view = self._hoppings, self._view
        if h is None or view is None:
            return

        def show(found: Composition) -> None:
            if h is self._hoppings and view is self._view:
                self.bands.show_composition(found)
                self._ask_dos()

        self._session.lane.ask(
            "weights", composition, h, view, by, on_answer=show, owner=self, slow=True
        )

    def _ask_dos(self) -> None:
        """The density of states by the groups of the bands, when it is to be seen."""
        from crystalgui.core.physics.dos import density_of_states

        h, found = self._hoppings, self.bands.made_of
        if h is None or found is None or not self.bands.dos.isChecked():
            return

        def show(dos: DOS) -> None:
            if h is self._hoppings:
                self.bands.show_dos(dos)

        self._session.lane.ask(
            "dos",
            density_of_states,
            h,
            groups=found.groups if len(found.groups) <= MANY else None,
            on_answer=show,
            owner=self,
            desk="dos",
        )

    def show_filling(self, filling: Filling | None, occupied: int) -> None:
        """The gap at a filling; None when there is none, or not yet."""
        self._filling = filling
        self.bands.show_filling(filling, occupied)
        if self._begun is not None and self._begun is self._hoppings:
            self._go_to_gap()

    def _go_to_gap(self) -> None:
        """Once a Hamiltonian: the slice that everybody wants to see."""
        if self._filling is not None and not self._placed:
            self._placed = True
            if self.slice.request().hkl == (0, 0, 1):
                self.move_plane_to(self._filling.carts[0])

    def move_plane_to(self, cart: np.ndarray) -> None:
        """Bring the slice to the plane through a k-point, keeping its indices."""
        if self._view is None:
            return
        k = cart @ np.linalg.inv(self._view.zone.reciprocal)
        offset = float(np.array(self.slice.request().hkl) @ k)
        if abs(offset - round(2 * offset) / 2) < 2e-3:
            offset = round(2 * offset) / 2
        self.slice.go_to(offset)

    # ---------------------------------------------------------------- slice

    def _plane_changed(self, hkl: tuple[int, int, int]) -> None:
        from crystalgui.core.physics.slices import plane_of

        h, view = self._hoppings, self._view
        if h is not None and view is not None:
            self.slice.set_reach(plane_of(h.lattice, hkl, 0.0, view.zone).reach)

    def _cut(self, request: Slice) -> None:
        from crystalgui.core.physics.overview import cut

        h, view = self._hoppings, self._view
        if h is None or view is None:
            return
        self._session.lane.ask(
            "slice",
            cut,
            h,
            request,
            view,
            self.slice.evidence,
            on_answer=lambda answer: self._show_cut(h, answer),
            on_error=self._failed,
            owner=self,
            slow=request.quantity == "curvature",
        )

    def _show_cut(self, h: Hoppings, answer: Cut) -> None:
        if h is not self._hoppings or self._view is None:
            return
        self.slice.show_cut(answer, self._view)
        self.plane_shown.emit(answer.image.plane)

    def _failed(self, error: ErrorInfo) -> None:
        self._session.notify.error(error)

    # -------------------------------------------------------------- pointer

    def _band_hovered(self, row: int, _band: int) -> None:
        view = self._view
        self.pointed.emit(view.bands.path.k[row] if view is not None and row >= 0 else None)

    def _band_picked(self, row: int, band: int) -> None:
        if self._view is not None:
            self.picked.emit(self._view.bands.path.k[row], band)

    def _slice_hovered(self, at: tuple[float, float] | None) -> None:
        cut = self.slice.cut
        inside = at is not None and cut is not None
        self.pointed.emit(cut.image.plane.reduced(np.array(at)) if inside and cut else None)

    def _slice_picked(self, at: tuple[float, float]) -> None:
        cut = self.slice.cut
        if cut is not None:
            self.picked.emit(cut.image.plane.reduced(np.array(at)), None)


def spread(splitter: QSplitter, sizes: tuple[int, ...]) -> None:
    """The look of every splitter of the page."""
    splitter.setHandleWidth(SPACE[2])
    splitter.setChildrenCollapsible(False)
    splitter.setSizes(list(sizes))
    for index, size in enumerate(sizes):
        splitter.setStretchFactor(index, size)
