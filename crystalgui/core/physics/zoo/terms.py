"""Collect hopping terms and turn them into `Hoppings`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalgui.core.structures.hoppings.model import Assumptions, Hoppings
from crystalgui.core.structures.hoppings.spin import detect_spin_order

SX = np.array([[0, 1], [1, 0]], dtype=np.complex128)
SY = np.array([[0, -1j], [1j, 0]], dtype=np.complex128)
SZ = np.array([[1, 0], [0, -1]], dtype=np.complex128)
S0 = np.eye(2, dtype=np.complex128)

Cell = tuple[int, int, int]
HOME: Cell = (0, 0, 0)


class Terms:
    """H(k) under construction: n orbitals, terms by lattice vector."""

    def __init__(self, n: int) -> None:
        self.n = n
        self._cells: dict[Cell, NDArray[np.complex128]] = {}

    def _at(self, cell: Cell) -> NDArray[np.complex128]:
        return self._cells.setdefault(cell, np.zeros((self.n, self.n), dtype=np.complex128))

    def onsite(self, matrix: ArrayLike) -> None:
        """Add a Hermitian (n, n) matrix to the home cell."""
        self._at(HOME)[:] += np.asarray(matrix)

    def hop(self, cell: Sequence[int], matrix: ArrayLike) -> None:
        """Add an (n, n) matrix M at ``cell`` and its Hermitian conjugate at ``-cell``."""
        m = np.asarray(matrix, dtype=np.complex128)
        a, b, c = (int(x) for x in cell)
        self._at((a, b, c))[:] += m
        self._at((-a, -b, -c))[:] += m.conj().T

    def element(self, amplitude: complex, i: int, j: int, cell: Sequence[int]) -> None:
        """Add ``amplitude |i, 0><j, cell|`` and its Hermitian conjugate."""
        matrix = np.zeros((self.n, self.n), dtype=np.complex128)
        matrix[i, j] = amplitude
        self.hop(cell, matrix)

    def sine(self, axis: int, matrix: ArrayLike) -> None:
        """Add sin(2 pi k_axis) times a Hermitian matrix."""
        self.hop(np.eye(3, dtype=int)[axis].tolist(), np.asarray(matrix) / 2j)

    def cosine(self, axis: int, matrix: ArrayLike) -> None:
        """Add cos(2 pi k_axis) times a Hermitian matrix."""
        self.hop(np.eye(3, dtype=int)[axis].tolist(), np.asarray(matrix) / 2)

    def build(
        self,
        *,
        lattice: ArrayLike,
        title: str,
        occupied: int,
        centres: ArrayLike | None = None,
        species: Sequence[int] | None = None,
        frac: ArrayLike | None = None,
    ) -> Hoppings:
        """The finished value, cells in lexicographic order."""
        cells = sorted(self._cells)
        matrices = np.array([self._cells[cell] for cell in cells])
        order, residual = detect_spin_order(matrices)
        return Hoppings(
            cells=np.array(cells, dtype=np.int64).reshape(-1, 3),
            matrices=matrices,
            lattice=np.asarray(lattice, dtype=np.float64),
            centres=None if centres is None else np.asarray(centres, dtype=np.float64),
            species=None if species is None else np.asarray(species, dtype=np.int64),
            frac=None if frac is None else np.asarray(frac, dtype=np.float64),
            occupied=occupied,
            title=title,
            assumptions=Assumptions(
                lattice_from="model", spin_order=order, time_reversal_residual=residual
            ),
        )
