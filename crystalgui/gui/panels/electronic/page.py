"""The Electronic page: shows the Hamiltonian of the current file, and asks the lane.

Bands, zone, slice and gaps show the same k-point: what the pointer touches in
one is marked in the others, and what is picked becomes the selection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QSplitter, QStackedLayout, QVBoxLayout, QWidget

from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.panels.electronic.bands_card import BandsCard
from crystalgui.gui.panels.electronic.gaps_card import GapsCard
from crystalgui.gui.panels.electronic.slice_card import SliceCard
from crystalgui.gui.theme import OKABE_ITO, SPACE
from crystalgui.gui.widgets import Card, EmptyState

if TYPE_CHECKING:
    from PySide6.QtGui import QCloseEvent

    from crystalgui.core.messages import ErrorInfo
    from crystalgui.core.physics.overview import Cut, Filling, Overview
    from crystalgui.core.physics.slices import Slice
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.project import OpenFile
    from crystalgui.gui.views.zone_view import ZoneView

EXAMPLES = (
    ("Open BiTeI hoppings", "bitei/bitei_hr.dat.gz"),
    ("Haldane model", "haldane/haldane_hr.dat"),
)


BREATH = 40
"""Pause before the 3D view is made, ms: the window paints and answers in between."""


class ElectronicPanel(QWidget):
    """Bands, zone in 3D, zone slice and gaps of the current hoppings."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._hoppings: Hoppings | None = None
        self._view: Overview | None = None
        self._filling: Filling | None = None
        self._occupied = 1
        self._reason = ""
        self._pointer: np.ndarray | None = None
        self._picked: np.ndarray | None = None
        self._drawn: tuple[object, ...] | None = None
        self.zone_view: ZoneView | None = None
        self._build()
        self._marking = QTimer(self)
        self._marking.setSingleShot(True)
        self._marking.setInterval(33)
        self._marking.timeout.connect(self._mark)
        session.project.current_changed.connect(self._follow)
        session.project.file_changed.connect(self._file_changed)
        session.selection.k_changed.connect(self._selected)
        self._follow(session.project.current)

    # --------------------------------------------------------------- layout

    def _build(self) -> None:
        self.bands = BandsCard(self)
        self.slice = SliceCard(self)
        self.gaps = GapsCard(self)
        self.zone = Card("Brillouin zone", "", self)
        left, right = QSplitter(Qt.Orientation.Vertical), QSplitter(Qt.Orientation.Vertical)
        left.addWidget(self.bands)
        left.addWidget(self.slice)
        right.addWidget(self.zone)
        right.addWidget(self.gaps)
        across = QSplitter(Qt.Orientation.Horizontal)
        across.addWidget(left)
        across.addWidget(right)
        for splitter, sizes in ((left, (520, 480)), (right, (520, 480)), (across, (600, 400))):
            splitter.setHandleWidth(SPACE[2])
            splitter.setChildrenCollapsible(False)
            splitter.setSizes(list(sizes))
            for index, size in enumerate(sizes):
                splitter.setStretchFactor(index, size)
        self.empty = EmptyState(
            "electronic",
            "No Hamiltonian is open",
            "",
            [(text, lambda name=name: self._open_example(name)) for text, name in EXAMPLES],
        )
        self._stack = QStackedLayout()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(across)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(SPACE[2], SPACE[2], SPACE[2], SPACE[2])
        outer.addLayout(self._stack)
        self.bands.occupied_changed.connect(self._fill)
        self.bands.path_chosen.connect(self._choose_path)
        self.bands.plot.hovered.connect(self._band_hovered)
        self.bands.plot.picked.connect(self._band_picked)
        self.slice.wanted.connect(self._cut)
        self.slice.plane_changed.connect(self._plane_changed)
        self.slice.plot.hovered.connect(self._slice_hovered)
        self.slice.plot.picked.connect(self._slice_picked)
        self.gaps.shown.connect(self._show_edge)

    def actions(self) -> list[ActionInfo]:
        """Actions of this page, for menus and the palette."""
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
                "Export contours…",
                self.slice.export.click,
                menu="Physics",
                tip="Level lines and values of the zone slice as CSV",
                enabled=lambda: self.slice.cut is not None,
            ),
            ActionInfo(
                "electronic.gap",
                "Show the smallest direct gap",
                lambda: self._show_edge("direct"),
                menu="Physics",
                tip="Move the slice to the direct gap and mark it",
                enabled=lambda: self._filling is not None,
            ),
        ]

    # ----------------------------------------------------------------- file

    def _open_example(self, name: str) -> None:
        from crystalgui.core.resources import examples

        self._session.project.open_paths([examples() / "hoppings" / name])

    def _file_changed(self, file: OpenFile) -> None:
        if file is self._session.project.current:
            self._follow(file)

    def _follow(self, file: OpenFile | None) -> None:
        hoppings = file.hoppings if file is not None else None
        if hoppings is None:
            self._hoppings = self._view = self._filling = None
            self._show_empty(file)
            return
        if hoppings is self._hoppings:
            return
        self._hoppings, self._view, self._filling = hoppings, None, None
        self._picked = self._pointer = None
        self.gaps.show_hoppings(hoppings)
        self._ask_overview(False)

    def _show_empty(self, file: OpenFile | None) -> None:
        text = "Drop a wannier90 _hr.dat or _tb.dat file with its POSCAR, or open an example."
        if file is not None and file.kind == "crystal":
            text = (
                f"{file.name} has atoms but no hoppings. Drop the wannier90 _hr.dat file that "
                "belongs to it, or open an example."
            )
        self.empty.set_text("No Hamiltonian is open", text)
        self._stack.setCurrentIndex(0)

    # ------------------------------------------------------------- overview

    def _ask_overview(self, lattice_only: bool) -> None:
        from crystalgui.core.physics.overview import overview

        h = self._hoppings
        self._session.lane.ask(
            "electronic",
            overview,
            h,
            lattice_only=lattice_only,
            on_answer=lambda view: self._show_overview(h, view),
            on_error=self._failed,
            owner=self,
            slow=True,
        )

    def _choose_path(self, lattice_only: bool) -> None:
        self.bands.ask_path(False)
        if lattice_only:
            self._ask_overview(True)

    def _show_overview(self, h: Hoppings | None, view: Overview) -> None:
        if h is None or h is not self._hoppings:
            return
        again = self._view is not None
        self._view, self._filling = view, None
        n = h.n_orbitals
        if not again:
            self._occupied, self._reason = min(view.occupied, n), view.reason
        self._stack.setCurrentIndex(1)
        self.bands.show_overview(view, self._occupied, self._reason)
        self.bands.ask_path(view.bands.path.folded and not again)
        if self.zone_view is None:
            # bands first: the first 3D view takes as long as everything else together
            QTimer.singleShot(BREATH, self, self._make_zone)
        else:
            self._show_zone(view)
        self.gaps.show_filling(None, "searching…")
        if not again:
            self._plane_changed((0, 0, 1))
            self.slice.begin(n, self._occupied, 0.0)
        self._fill(self._occupied)

    def _make_zone(self) -> None:
        if self.zone_view is None:
            from crystalgui.gui.views.zone_view import ZoneView

            self.zone_view = ZoneView(self.zone)
            self.zone_view.point_picked.connect(self._point_picked)
            self.zone.body.addWidget(self.zone_view)
        if self._view is not None:
            self._show_zone(self._view)
            self._marking.start()

    def _show_zone(self, view: Overview) -> None:
        assert self.zone_view is not None
        faces = len(view.zone.faces)
        self.zone.set_title("Brillouin zone", f"{faces} faces")
        self.zone_view.set_zone(view.zone, view.bands.path)
        if self.slice.cut is not None:
            plane = self.slice.cut.image.plane
            self.zone_view.set_plane(plane.origin, plane.normal)
        self._drawn = None

    def _failed(self, error: ErrorInfo) -> None:
        self._session.notify.error(error)
        if self._view is None:
            self.empty.set_text(error.title, error.hint)
            self._stack.setCurrentIndex(0)

    # -------------------------------------------------------------- filling

    def _fill(self, occupied: int) -> None:
        from crystalgui.core.physics.overview import fill

        h, view = self._hoppings, self._view
        if h is None or view is None:
            return
        if occupied != self._occupied:
            self._occupied, self._reason = occupied, "occupation chosen by you"
            for file in self._session.project.files:
                if file.hoppings is h:
                    file.occupied = occupied
                    self._session.project.file_changed.emit(file)
            self.bands.show_filling(None, occupied)
            self.bands.caption.setText(f"{view.bands.note} · {self._reason}")
            self.slice.set_filling(occupied)
        if occupied >= h.n_orbitals:
            self._session.lane.forget("gaps")
            self._filling = None
            self.bands.show_filling(None, occupied)
            self.gaps.show_filling(None, "all bands are occupied")
            self._marking.start()
            return
        self._session.lane.ask(
            "gaps",
            fill,
            h,
            view,
            occupied,
            on_answer=lambda filling: self._show_filling(h, occupied, filling),
            on_error=self._failed,
            owner=self,
            slow=True,
        )

    def _show_filling(self, h: Hoppings, occupied: int, filling: Filling) -> None:
        if h is not self._hoppings or occupied != self._occupied:
            return
        first = self._filling is None
        self._filling = filling
        self.bands.show_filling(filling, occupied)
        self.gaps.show_filling(filling)
        if first and self.slice.cut is not None and self.slice.request().hkl == (0, 0, 1):
            self._move_plane_to(filling.carts[0])
        self._marking.start()

    def _show_edge(self, which: str) -> None:
        filling = self._filling
        if filling is None:
            return
        index = {"direct": 0, "top": 1, "bottom": 2}[which]
        self._picked = filling.carts[index]
        self._move_plane_to(filling.carts[index])
        self._marking.start()

    def _move_plane_to(self, cart: np.ndarray) -> None:
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
            on_answer=lambda answer: self._show_cut(h, answer),
            on_error=self._failed,
            owner=self,
        )

    def _show_cut(self, h: Hoppings, answer: Cut) -> None:
        if h is not self._hoppings or self._view is None:
            return
        self.slice.show_cut(answer, self._view)
        plane = answer.image.plane
        if self.zone_view is not None:
            self.zone_view.set_plane(plane.origin, plane.normal)
        self._marking.start()

    # -------------------------------------------------------------- markers

    def _band_hovered(self, row: int, _band: int) -> None:
        view = self._view
        self._pointer = view.bands.path.k[row] if view is not None and row >= 0 else None
        self._later()

    def _band_picked(self, row: int, band: int) -> None:
        if self._view is not None:
            k = self._view.bands.path.k[row]
            self._session.selection.select_k((float(k[0]), float(k[1]), float(k[2])), band)

    def _slice_hovered(self, at: tuple[float, float] | None) -> None:
        cut = self.slice.cut
        self._pointer = None
        if at is not None and cut is not None:
            self._pointer = cut.image.plane.reduced(np.array(at))
        self._later()

    def _slice_picked(self, at: tuple[float, float]) -> None:
        cut = self.slice.cut
        if cut is not None:
            k = cut.image.plane.reduced(np.array(at))
            self._session.selection.select_k((float(k[0]), float(k[1]), float(k[2])))

    def _point_picked(self, _label: str, cart: Any) -> None:
        if self._view is not None:
            k = np.asarray(cart) @ np.linalg.inv(self._view.zone.reciprocal)
            self._session.selection.select_k((float(k[0]), float(k[1]), float(k[2])))

    def _selected(self, k: tuple[float, float, float] | None) -> None:
        view = self._view
        self._picked = None
        row: int | None = None
        if k is not None and view is not None:
            from crystalgui.core.physics.brillouin import fold, place_on_path

            point = np.array(k)
            self._picked = fold(point, view.zone.reciprocal)
            nearest, distance = place_on_path(point, view.bands.path, view.zone.reciprocal)
            row = nearest if distance < 0.02 else None
        self.bands.plot.set_marked(row)
        self._later()

    def _later(self) -> None:
        if not self._marking.isActive():
            self._marking.start()

    def _mark(self) -> None:
        """Bring the markers of zone and slice up to date."""
        view = self._view
        if view is None:
            return
        from crystalgui.core.physics.brillouin import fold

        marks: list[tuple[str, np.ndarray, str]] = []
        filling = self._filling
        if filling is not None:
            apart = float(np.linalg.norm(filling.carts[1] - filling.carts[2]))
            if filling.gaps.kind == "indirect" and apart > 0.05:
                marks.append((self._name("VBM", filling.carts[1]), filling.carts[1], OKABE_ITO[0]))
                marks.append((self._name("CBM", filling.carts[2]), filling.carts[2], OKABE_ITO[3]))
            else:
                marks.append((self._name("gap", filling.carts[0]), filling.carts[0], OKABE_ITO[2]))
        if self._picked is not None:
            marks.append(("", self._picked, OKABE_ITO[1]))
        if self._pointer is not None:
            marks.append(("", fold(self._pointer, view.zone.reciprocal), OKABE_ITO[5]))
        key = tuple((text, *np.round(k, 6).tolist(), ink) for text, k, ink in marks)
        if self.zone_view is not None and key != self._drawn:
            self._drawn = key
            self.zone_view.set_markers(marks)
        self.slice.set_marks([(k, colour) for _, k, colour in marks])

    def _name(self, text: str, cart: np.ndarray) -> str:
        """The label of a marker; none where a label of the path stands already."""
        view = self._view
        if view is None:
            return text
        named = np.array([k for _, k in view.bands.path.points]) @ view.zone.reciprocal
        return "" if np.linalg.norm(named - cart, axis=1).min() < 0.05 else text

    def closeEvent(self, event: QCloseEvent) -> None:
        """Free the 3D view."""
        if self.zone_view is not None:
            self.zone_view.close()
        super().closeEvent(event)
