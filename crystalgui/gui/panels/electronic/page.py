"""The Electronic page: shows the Hamiltonian of the current file, and asks the lane.

At the left are rooms (bands, topology, …), one at a time; zone and gaps stay
at the right.  All show the same k-point: what the pointer touches in one is
marked in the others, and what is picked becomes the selection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QSplitter, QStackedLayout, QVBoxLayout, QWidget

from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.electronic.bands_room import BandsRoom, spread
from crystalgui.gui.panels.electronic.certificate_card import node_colour
from crystalgui.gui.panels.electronic.gaps_card import GapsCard
from crystalgui.gui.panels.electronic.rooms import Rooms
from crystalgui.gui.panels.electronic.zone_card import ZoneCard
from crystalgui.gui.theme import OKABE_ITO, SPACE
from crystalgui.gui.widgets import EmptyState

if TYPE_CHECKING:
    from PySide6.QtGui import QCloseEvent

    from crystalgui.core.messages import ErrorInfo
    from crystalgui.core.physics.overview import Filling, Overview
    from crystalgui.core.physics.slices import Plane
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.gui.panels.electronic.network_card import Shown
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.project import OpenFile
    from crystalgui.gui.views.zone_view import ZoneView

EXAMPLES = (
    ("Open BiTeI hoppings", "bitei/bitei_hr.dat.gz"),
    ("Haldane model", "haldane/haldane_hr.dat"),
)


class ElectronicPanel(Growing, QWidget):
    """Rooms, zone in 3D and gaps of the current hoppings.

    Signals
    -------
    actions_added(list)
        Actions of a room that was opened for the first time.
    """

    actions_added = Signal(list)

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
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
        self._room_marks: dict[QWidget, list[tuple[str, np.ndarray, str]]] = {}
        self._marking = QTimer(self)
        self._marking.setSingleShot(True)
        self._marking.setInterval(33)
        self._marking.timeout.connect(self._mark)
        self.grow(self._build(), at_once)

    # --------------------------------------------------------------- layout

    def _build(self) -> Steps:
        self._bands_room = BandsRoom(self._session, self, at_once=False)
        yield from self._bands_room.growth
        self.gaps = GapsCard(self)
        self.zone = ZoneCard(self._session, self)
        yield
        self.zone.point_picked.connect(self._point_picked)
        self.zone.ready.connect(self._zone_ready)
        self.zone.nodes_shown.connect(lambda _: self._later())
        self.rooms = Rooms(self._session, self)
        right = QSplitter(Qt.Orientation.Vertical)
        right.addWidget(self.zone)
        right.addWidget(self.gaps)
        across = QSplitter(Qt.Orientation.Horizontal)
        across.addWidget(self.rooms)
        across.addWidget(right)
        spread(right, (520, 480))
        spread(across, (600, 400))
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
        self.gaps.shown.connect(self._show_edge)
        self.rooms.room_built.connect(self._room_built)
        self.rooms.actions_added.connect(self.actions_added)
        self.rooms.shown.connect(lambda _: self._later())
        yield
        self.bands, self.slice = self._bands_room.bands, self._bands_room.slice
        self.bands.occupied_changed.connect(self._fill)
        self.bands.path_chosen.connect(self._choose_path)
        self._bands_room.pointed.connect(self._pointed)
        self._bands_room.picked.connect(self._pick)
        self._bands_room.plane_shown.connect(self._show_plane)
        self.rooms.take(self._bands_room, "bands")
        yield
        session = self._session
        session.project.current_changed.connect(self._follow)
        session.project.file_changed.connect(self._file_changed)
        session.selection.k_changed.connect(self._selected)
        self._follow(session.project.current)

    def _room_built(self, room: QWidget) -> None:
        marks = getattr(room, "k_points", None)
        if marks is not None:
            marks.connect(lambda points: self._room_points(room, points))
        evidence = getattr(room, "evidence", None)
        if evidence is not None:
            evidence.connect(self._show_evidence)

    def actions(self) -> list[ActionInfo]:
        """Actions of this page, for menus and the palette."""
        return [
            *self.rooms.actions_of_tabs(),
            *self._bands_room.actions(),
            ActionInfo(
                "electronic.nodes",
                "Weyl and Dirac points",
                self.zone.nodes.setChecked,
                menu="Physics",
                checkable=True,
                tip="Find the nodes at the gap and show them in the zone",
                enabled=lambda: self._filling is not None,
                checked=self.zone.nodes.isChecked,
            ),
            ActionInfo(
                "electronic.fermi-surface",
                "Fermi surface",
                self.zone.fermi.setChecked,
                menu="Physics",
                checkable=True,
                tip="The surface of the Fermi energy, or of another one, in the zone",
                enabled=lambda: self._filling is not None,
                checked=self.zone.fermi.isChecked,
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
            self._bands_room.forget()
            self.zone.forget()
            self.rooms.begin(None, 0, file)
            self._show_empty(file)
            return
        if hoppings is self._hoppings:
            return
        self._hoppings, self._view, self._filling = hoppings, None, None
        self._picked = self._pointer = None
        self._room_marks.clear()
        self._bands_room.forget()
        self.zone.forget()
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
        self._bands_room.show_overview(h, view, self._occupied, self._reason)
        self.bands.ask_path(view.bands.path.folded and not again)
        self._drawn = None
        self.zone.show_overview(h, view)
        self.gaps.show_filling(None, "searching…")
        if not again:
            self.rooms.begin(h, self._occupied, self._session.project.current)
        self._fill(self._occupied)

    def _zone_ready(self) -> None:
        self._drawn = None
        self._marking.start()

    @property
    def zone_view(self) -> ZoneView | None:
        """The zone in 3D, when it has been made."""
        return self.zone.view

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
            self._bands_room.show_filling(None, occupied)
            self.bands.caption.setText(f"{view.bands.note} · {self._reason}")
            self.rooms.begin(h, occupied, self._session.project.current)
        if occupied >= h.n_orbitals:
            self._session.lane.forget("gaps")
            self._filling = None
            self._bands_room.show_filling(None, occupied)
            self.zone.show_filling(None, occupied)
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
        self._filling = filling
        self._bands_room.show_filling(filling, occupied)
        self.zone.show_filling(filling, occupied)
        self.gaps.show_filling(filling)
        self._marking.start()

    def _show_edge(self, which: str) -> None:
        filling = self._filling
        if filling is None:
            return
        index = {"direct": 0, "top": 1, "bottom": 2}[which]
        self._picked = filling.carts[index]
        self._bands_room.move_plane_to(filling.carts[index])
        self._marking.start()

    def _show_evidence(self, shown: Shown | None) -> None:
        """What a network's answer rests on, in the zone and on the slice."""
        self.zone.show_evidence(shown and shown.evidence, shown.ink if shown else "accent")
        self.slice.set_evidence(shown and shown.evidence)

    def _show_plane(self, plane: Plane) -> None:
        self.zone.show_plane(plane)
        self._marking.start()

    # -------------------------------------------------------------- markers

    def _pointed(self, k: np.ndarray | None) -> None:
        self._pointer = k
        self._later()

    def _pick(self, k: np.ndarray, band: int | None = None) -> None:
        self._session.selection.select_k((float(k[0]), float(k[1]), float(k[2])), band)

    def _room_points(self, room: QWidget, points: list[tuple[np.ndarray, str, str]]) -> None:
        """A room wants these k-points marked (Cartesian k, label, colour)."""
        self._room_marks[room] = [(label, np.asarray(k), ink) for k, label, ink in points]
        self._later()

    def _point_picked(self, _label: str, cart: Any) -> None:
        if self._view is not None:
            self._pick(np.asarray(cart) @ np.linalg.inv(self._view.zone.reciprocal))

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
        marks += self._room_marks.get(self.rooms.stack.currentWidget(), [])
        if self._picked is not None:
            marks.append(("", self._picked, OKABE_ITO[1]))
        if self._pointer is not None:
            marks.append(("", fold(self._pointer, view.zone.reciprocal), OKABE_ITO[5]))
        key = tuple((text, *np.round(k, 6).tolist(), ink) for text, k, ink in marks)
        if self.zone_view is not None and key != self._drawn:
            self._drawn = key
            self.zone_view.set_markers(marks)
        nodes = self.zone.found.points if self.zone.found is not None else ()
        points = [(k, node_colour(node)) for k, node in nodes]
        self.slice.set_marks(points + [(k, colour) for _, k, colour in marks])

    def _name(self, text: str, cart: np.ndarray) -> str:
        """The label of a marker; none where a label of the path stands already."""
        view = self._view
        if view is None:
            return text
        named = np.array([k for _, k in view.bands.path.points]) @ view.zone.reciprocal
        if self.zone.found is not None:
            named = np.concatenate([named, *(k[None] for k, _ in self.zone.found.points)])
        return "" if np.linalg.norm(named - cart, axis=1).min() < 0.05 else text

    def closeEvent(self, event: QCloseEvent) -> None:
        """Free the 3D view."""
        self.rooms.close_rooms()
        self.zone.shut()
        super().closeEvent(event)
