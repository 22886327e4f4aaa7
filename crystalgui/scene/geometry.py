"""What is drawn of a crystal: which atoms, bonds and polyhedra, as plain arrays.

Pure numpy on top of `core.structures`; it can be computed in another thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.structures.crystal import Crystal

MOST_BONDED = 8_000
"""With more drawn atoms, bonds and polyhedra wait until they are asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class Polyhedron:
    """A coordination polyhedron.

    Attributes
    ----------
    centre : int
        Index of the drawn atom inside.
    vertices : (v, 3) float64, Angstrom
    faces : tuple of tuples of int
        Planar faces, indices into ``vertices``.
    """

    centre: int
    vertices: NDArray[np.float64]
    faces: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Geometry:
    """Atoms, bonds and polyhedra to be drawn.

    Attributes
    ----------
    crystal : Crystal
        The cell that is repeated.
    repeats : tuple of int
        Cells along a, b, c.
    positions : (n, 3) float64, Angstrom
    species, atom : (n,) int64
        Atomic number; index into ``crystal``.
    image : (n, 3) int64
        Whole cells of ``crystal`` from its coordinates as given.
    bonds : (p, 2) int64
        Pairs of drawn atoms.
    polyhedra : tuple of Polyhedron
    deferred : bool
        Bonds and polyhedra were left out because the crystal is large.
    """

    crystal: Crystal
    repeats: tuple[int, int, int]
    positions: NDArray[np.float64]
    species: NDArray[np.int64]
    atom: NDArray[np.int64]
    image: NDArray[np.int64]
    bonds: NDArray[np.int64]
    polyhedra: tuple[Polyhedron, ...] = ()
    deferred: bool = False

    def __len__(self) -> int:
        return len(self.species)
