"""Mouse conventions of the 3D views, as a table.

Each preset says what dragging with a button and a modifier does.  The wheel
zooms at the pointer and a click selects in every preset.
"""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import Qt

Gesture = Literal["orbit", "pan", "zoom", "roll", "box", "add box"]
_L, _M, _R = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
_NONE = Qt.KeyboardModifier.NoModifier
_SHIFT = Qt.KeyboardModifier.ShiftModifier
_CTRL = Qt.KeyboardModifier.ControlModifier

PRESETS: dict[str, dict[tuple[Qt.MouseButton, Qt.KeyboardModifier], Gesture]] = {
    "vesta": {
        (_L, _NONE): "orbit",
        (_L, _SHIFT): "pan",
        (_L, _CTRL): "add box",
        (_M, _NONE): "pan",
        (_R, _NONE): "zoom",
        (_R, _SHIFT): "roll",
    },
    "ovito": {
        (_L, _NONE): "orbit",
        (_L, _SHIFT): "pan",
        (_L, _CTRL): "add box",
        (_M, _NONE): "pan",
        (_R, _NONE): "pan",
        (_R, _CTRL): "zoom",
        (_R, _SHIFT): "roll",
    },
    "ase": {
        (_L, _NONE): "box",
        (_L, _SHIFT): "add box",
        (_L, _CTRL): "add box",
        (_M, _NONE): "pan",
        (_R, _NONE): "orbit",
        (_R, _CTRL): "pan",
        (_R, _SHIFT): "zoom",
    },
    "blender": {
        (_L, _NONE): "box",
        (_L, _SHIFT): "add box",
        (_L, _CTRL): "add box",
        (_M, _NONE): "orbit",
        (_M, _SHIFT): "pan",
        (_M, _CTRL): "zoom",
    },
}
DEFAULT = "vesta"

WORDS: dict[str, str] = {
    "vesta": "Left drag turns, Shift+left or middle moves, Ctrl+left selects a box, right zooms",
    "ovito": "Left drag turns, Shift+left, middle or right moves, Ctrl+left selects a box",
    "ase": "Right drag turns, Ctrl+right or middle moves, left selects a box",
    "blender": "Middle drag turns, Shift+middle moves, Ctrl+middle zooms, left selects a box",
}


def gesture(preset: str, button: Qt.MouseButton, modifiers: Qt.KeyboardModifier) -> Gesture | None:
    """What a drag does; unknown modifiers count as none.

    Parameters
    ----------
    preset : str
        A key of `PRESETS`; anything else means `DEFAULT`.
    button, modifiers
        As in the mouse event.
    """
    table = PRESETS.get(preset, PRESETS[DEFAULT])
    for key in (_SHIFT, _CTRL):
        if modifiers & key:
            return table.get((button, key), table.get((button, _NONE)))
    return table.get((button, _NONE))
