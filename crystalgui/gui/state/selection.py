"""What is selected: the one bus that links the pages.

Structure, bands, zone, tables and inspector all write here and listen here,
so that an atom picked in 3D is the atom highlighted everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

if TYPE_CHECKING:
    from crystalgui.core.messages import Prediction

KPoint = tuple[float, float, float]


class _SelectAtoms(QUndoCommand):
    """One step of the undo history."""

    def __init__(self, state: SelectionState, before: tuple[int, ...], after: tuple[int, ...]):
        super().__init__("Select atoms")
        self._state, self._before, self._after = state, before, after

    def undo(self) -> None:
        """Bring the old selection back."""
        self._state._apply_atoms(self._before)

    def redo(self) -> None:
        """Make the selection (Qt calls this on push as well)."""
        self._state._apply_atoms(self._after)


class SelectionState(QObject):
    """Selected atoms, k-point and prediction of the current file.

    Attributes
    ----------
    atoms : tuple of int
        Indices into the current crystal, in the order they were picked.
    k : (float, float, float) or None
        Reduced coordinates.
    band : int or None
        Band under the pointer or picked with the k-point.
    prediction : Prediction or None
        Row picked on the Classify page.
    """

    atoms_changed = Signal(tuple)
    k_changed = Signal(object)
    prediction_changed = Signal(object)

    def __init__(self, undo: QUndoStack | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._undo = undo
        self.atoms: tuple[int, ...] = ()
        self.k: KPoint | None = None
        self.band: int | None = None
        self.prediction: Prediction | None = None

    def select_atoms(self, atoms: Iterable[int], *, undoable: bool = True) -> None:
        """Select these atoms, as one undo step."""
        chosen = tuple(dict.fromkeys(int(a) for a in atoms))
        if chosen == self.atoms:
            return
        if undoable and self._undo is not None:
            self._undo.push(_SelectAtoms(self, self.atoms, chosen))
        else:
            self._apply_atoms(chosen)

    def _apply_atoms(self, atoms: tuple[int, ...]) -> None:
        self.atoms = atoms
        self.atoms_changed.emit(atoms)

    def select_k(self, k: KPoint | None, band: int | None = None) -> None:
        """Mark a k-point (reduced), or none."""
        if k == self.k and band == self.band:
            return
        self.k, self.band = k, band
        self.k_changed.emit(k)

    def select_prediction(self, prediction: Prediction | None) -> None:
        """Show this row and its evidence in the inspector."""
        self.prediction = prediction
        self.prediction_changed.emit(prediction)

    def clear(self) -> None:
        """Forget everything: another file is current."""
        self.select_atoms((), undoable=False)
        self.select_k(None)
        self.select_prediction(None)
