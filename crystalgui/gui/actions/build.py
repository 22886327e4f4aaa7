"""From rows of `ActionInfo` to menus, shortcuts and the shortcut sheet."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.theme import icon

MENUS = ("File", "Edit", "View", "Structure", "Physics", "Train", "Help")


class ActionSet(QObject):
    """All actions of the window: one `QAction` each, found by id.

    ``changed`` is emitted when a page brought its own.
    """

    changed = Signal()

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.infos: dict[str, ActionInfo] = {}
        self.actions: dict[str, QAction] = {}

    def add(self, infos: Iterable[ActionInfo]) -> None:
        """Take rows; an id that is known already, or a used shortcut, is a defect."""
        for info in infos:
            if info.id in self.infos:
                raise ValueError(f"Two actions are called {info.id!r}.")
            self.infos[info.id] = info
            self.actions[info.id] = self._make(info)
        self.changed.emit()

    def _make(self, info: ActionInfo) -> QAction:
        action = QAction(info.text, self._window)
        action.setObjectName(info.id)
        if info.icon:
            action.setIcon(icon(info.icon))
        if info.shortcut:
            action.setShortcut(QKeySequence(info.shortcut))
        if info.tip:
            action.setStatusTip(info.tip)
            action.setToolTip(info.tip)
        action.setCheckable(info.checkable)
        if info.checkable:
            action.toggled.connect(lambda on: info.callback(on))
        else:
            action.triggered.connect(lambda *_: info.callback())
        # menus alone do not make a shortcut work when the menu bar is hidden
        self._window.addAction(action)
        return action

    def refresh(self, infos: Iterable[ActionInfo]) -> None:
        """Ask every row whether it can be used now, and what is checked."""
        for info in infos:
            action = self.actions[info.id]
            if info.enabled is not None:
                action.setEnabled(info.enabled())
            if info.checked is not None:
                blocked = action.blockSignals(True)
                action.setChecked(info.checked())
                action.blockSignals(blocked)

    def release(self, infos: Iterable[ActionInfo]) -> None:
        """Let shortcuts work again: what a menu found disabled may be possible at the next key."""
        for info in infos:
            if info.enabled is not None:
                self.actions[info.id].setEnabled(True)

    def trigger(self, action_id: str) -> None:
        """Do it, as if chosen in the menu."""
        info = self.infos[action_id]
        self.refresh([info])
        self.actions[action_id].trigger()

    def clashes(self) -> list[str]:
        """Shortcuts that two actions claim."""
        seen: dict[str, str] = {}
        found = []
        for info in self.infos.values():
            if not info.shortcut:
                continue
            key = QKeySequence(info.shortcut).toString()
            if key in seen:
                found.append(f"{key}: {seen[key]}, {info.id}")
            seen[key] = info.id
        return found

    def by_menu(self) -> dict[str, list[ActionInfo]]:
        """Rows by menu, in their order; only menus that have some."""
        table: dict[str, list[ActionInfo]] = {}
        for menu in MENUS:
            rows = [i for i in self.infos.values() if i.menu.split("/")[0] == menu]
            if rows:
                table[menu] = sorted(rows, key=lambda i: i.group)
        return table


def fill_menu_bar(bar: QMenuBar, actions: ActionSet, submenus: dict[str, QMenu]) -> None:
    """Make the menus anew; ``submenus`` go behind the first group of their menu."""
    bar.clear()
    for name, infos in actions.by_menu().items():
        menu = bar.addMenu(name)
        menu.setObjectName(f"Menu{name}")
        menu.setToolTipsVisible(True)
        group = infos[0].group
        for index, info in enumerate(infos):
            if info.group != group:
                menu.addSeparator()
                group = info.group
            menu.addAction(actions.actions[info.id])
            if index == 0 and name in submenus:
                menu.addMenu(submenus[name])
        menu.aboutToShow.connect(lambda rows=tuple(infos): actions.refresh(rows))
        menu.aboutToHide.connect(lambda rows=tuple(infos): actions.release(rows))
