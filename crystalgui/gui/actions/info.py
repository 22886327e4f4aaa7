"""One action as a row of a table.

Menus, tool bars, shortcuts, the command palette and the shortcut sheet all
read the same rows, so that none of them can forget an action.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ActionInfo:
    """What an action is called, does and where it is found.

    Parameters
    ----------
    id : str
        Unique, dotted: ``"file.open"``.
    text : str
        Words of the menu entry; an ellipsis when a dialog follows.
    callback : callable
        Called without arguments, or with the new state when checkable.
    shortcut : str
        Portable key sequence, e.g. ``"Ctrl+O"``.
    icon : str
        A name of `theme.icon`.
    menu : str
        File, Edit, View, Structure, Physics, Train or Help; empty for the
        command palette only.
    checkable : bool
    tip : str
        One sentence for tool tip and palette.
    group : int
        Entries of a menu are separated where the group changes.
    enabled : callable, optional
        Asked when the menu opens; without it the action is always enabled.
    checked : callable, optional
        State of a checkable action when the menu opens.
    """

    id: str
    text: str
    callback: Callable[..., object]
    shortcut: str = ""
    icon: str = ""
    menu: str = ""
    checkable: bool = False
    tip: str = ""
    group: int = 0
    enabled: Callable[[], bool] | None = None
    checked: Callable[[], bool] | None = None
