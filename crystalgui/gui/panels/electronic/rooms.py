"""The rooms of the Electronic page: one table, tabs above a stack, built when first shown.

A room is a widget made as ``Room(session, parent)`` with

- ``begin(h, occupied, file)``: show this Hamiltonian at this filling (None: nothing);
  called only while the room can be seen, when something changed since the last call;
- ``actions()``: its rows for menus and palette;
- optionally ``leave()``: something else is shown while the room is hidden, stop computing;
  ``begin`` is called when it is seen again;
- optionally ``evidence``, a signal with what a network's answer rests on
  (`network_card.Shown`) or None: drawn in the zone, offered to the slice;
- optionally ``k_points``, a signal with a list of (Cartesian k in 1/Angstrom, label,
  colour): marked in the zone.

Its module is imported in the lane when its tab is opened for the first time.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QStackedWidget, QTabBar, QVBoxLayout, QWidget

from crystalgui.core.messages import ErrorInfo
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.growth import Steps, begun, in_turns, rest_of
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import EmptyState

if TYPE_CHECKING:
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.project import OpenFile


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A room: words of its tab, and where its class is ("module:Class" in this package)."""

    title: str
    place: str

    @property
    def name(self) -> str:
        """A word for ids: ``"bands"``."""
        return self.title.lower()

    @property
    def module(self) -> str:
        """Full name of the module."""
        return f"{__package__}.{self.place.partition(':')[0]}"


ROOMS: tuple[RoomInfo, ...] = (
    RoomInfo("Bands", "bands_room:BandsRoom"),
    RoomInfo("Topology", "topology_room:TopologyRoom"),
    RoomInfo("Phases", "phases_room:PhasesRoom"),
    RoomInfo("Surface", "surface_room:SurfaceRoom"),
    RoomInfo("Design", "design_room:DesignRoom"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What the rooms show."""

    h: Hoppings | None
    occupied: int
    file: OpenFile | None

    def same(self, other: Subject | None) -> bool:
        """Whether a room that began with ``other`` is up to date."""
        return other is not None and other.h is self.h and other.occupied == self.occupied


class Rooms(QWidget):
    """Tabs and the rooms below them.

    Signals
    -------
    room_built(object)
        A room was made; its signals can be connected.
    shown(object)
        A room came to the front.
    actions_added(list)
        Actions of a room that was made later.
    """

    room_built = Signal(object)
    shown = Signal(object)
    actions_added = Signal(list)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._made: dict[str, QWidget] = {}
        self._growing: set[str] = set()
        self._subject = Subject(None, 0, None)
        self._begun: dict[str, Subject] = {}
        self.tabs = QTabBar(self)
        self.tabs.setExpanding(False)
        self.tabs.setDrawBase(False)
        self.tabs.setUsesScrollButtons(True)
        self.tabs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.tabs.setAccessibleName("Rooms of the Electronic page")
        self.stack = QStackedWidget(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[0])
        column.addWidget(self.tabs)
        column.addWidget(self.stack, 1)
        for number, info in enumerate(ROOMS, 1):
            self.tabs.addTab(info.title)
            self.tabs.setTabToolTip(number - 1, f"Alt+{number}")
        self.tabs.setVisible(len(ROOMS) > 1)
        self.tabs.currentChanged.connect(lambda index: self._open(ROOMS[index]))

    # ---------------------------------------------------------------- rooms

    @property
    def current(self) -> str:
        """Name of the room whose tab is chosen."""
        return ROOMS[self.tabs.currentIndex()].name

    def room(self, name: str) -> Any:
        """A room that has been built, or None."""
        return self._made.get(name)

    def show_room(self, name: str) -> None:
        """Choose a tab."""
        index = next(i for i, info in enumerate(ROOMS) if info.name == name)
        if index == self.tabs.currentIndex():
            self._open(ROOMS[index])
        self.tabs.setCurrentIndex(index)

    def actions_of_tabs(self) -> list[ActionInfo]:
        """One row a tab: Alt+1, Alt+2, …"""
        return [
            ActionInfo(
                f"electronic.room.{info.name}",
                f"Electronic: {info.title}",
                lambda name=info.name: self.show_room(name),
                shortcut=f"Alt+{number}",
                menu="Physics",
                tip=f"Show {info.title} on the Electronic page",
                group=-1,
                enabled=lambda: self._subject.h is not None,
            )
            for number, info in enumerate(ROOMS, 1)
        ]

    def take(self, room: QWidget, name: str) -> None:
        """Put a room into the stack."""
        self._made[name] = room
        self.stack.addWidget(room)
        self.room_built.emit(room)

    def _open(self, info: RoomInfo) -> None:
        if info.name in self._made:
            self._front(info.name)
        elif hasattr(sys.modules.get(info.module), info.place.partition(":")[2]):
            QTimer.singleShot(0, self, lambda: self._make(info))  # the tab is painted first
        else:
            self._session.lane.ask(
                f"room {info.name}",
                import_module,
                info.module,
                on_answer=lambda _: self._make(info),
                on_error=lambda error: self._break(info, error),
                owner=self,
            )

    def _make(self, info: RoomInfo) -> None:
        """Build a room, in several turns; it comes to the front when it is complete."""
        if info.name in self._made:
            self._front(info.name)
        elif info.name not in self._growing:
            self._growing.add(info.name)
            in_turns(
                self,
                self._grow(info),
                lambda: self._front(info.name),
                lambda error: self._break(info, ErrorInfo.of(error)),
            )

    def _grow(self, info: RoomInfo) -> Steps:
        room = begun(
            getattr(sys.modules[info.module], info.place.partition(":")[2]), self._session, self
        )
        yield from rest_of(room)
        yield
        rows = [row for row in room.actions() if isinstance(row, ActionInfo)]
        self.take(room, info.name)
        if rows:
            self.actions_added.emit(rows)
        yield

    def _break(self, info: RoomInfo, error: ErrorInfo) -> None:
        self._session.notify.error(error)
        words = EmptyState("error", f"{info.title} could not be opened", error.title, (), self)
        self.take(words, info.name)
        self._front(info.name)

    def _front(self, name: str) -> None:
        if name != self.current:
            return  # another tab was chosen meanwhile
        room = self._made[name]
        self.stack.setCurrentWidget(room)
        self._bring(name)
        self.shown.emit(room)

    # -------------------------------------------------------------- content

    def begin(self, h: Hoppings | None, occupied: int, file: OpenFile | None) -> None:
        """Another Hamiltonian or filling: the visible room follows now, the others when shown."""
        self._subject = Subject(h, occupied, file)
        for name, room in self._made.items():
            begun = self._begun.get(name)
            hidden = name != self.current and begun is not None and hasattr(room, "leave")
            if hidden and not self._subject.same(begun):
                self._begun.pop(name)
                cast("Any", room).leave()
        if self.current in self._made:
            self._bring(self.current)

    def _bring(self, name: str) -> None:
        subject = self._subject
        if subject.same(self._begun.get(name)):
            return
        self._begun[name] = subject
        room: Any = self._made[name]
        if hasattr(room, "begin"):
            room.begin(subject.h, subject.occupied, subject.file)

    def close_rooms(self) -> None:
        """Let every room free what it holds."""
        for room in self._made.values():
            room.close()
