"""The one value type of a crystal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import reduce
from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Crystal:
    """A periodic arrangement of atoms.

    Parameters
    ----------
    lattice : (3, 3) float64
        Rows are the lattice vectors a, b, c in Angstrom.
    frac : (n, 3) float64
        Fractional coordinates.
    species : (n,) int64
        Atomic numbers.
    title : str
        Comment line of the file.
    selective : (n, 3) bool or None
        VASP selective dynamics: True where the coordinate may move.
    velocities : (n, 3) float64 or None
        Angstrom / fs, Cartesian.
    source : Path or None
        The file it was read from.
    """

    lattice: Floats
    frac: Floats
    species: Ints
    title: str = ""
    selective: NDArray[np.bool_] | None = None
    velocities: Floats | None = None
    source: Path | None = field(default=None)

    def __post_init__(self) -> None:
        """Freeze the arrays; raise `FileError` when the cell is impossible."""
        for name, dtype, shape in (
            ("lattice", np.float64, (3, 3)),
            ("frac", np.float64, (-1, 3)),
            ("species", np.int64, (-1,)),
        ):
            array = np.array(getattr(self, name), dtype=dtype).reshape(shape)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if len(self.frac) != len(self.species):
            raise FileError(
                f"{len(self.species)} species but {len(self.frac)} positions.",
                "Every atom needs one of each.",
                path=self.source,
            )
        if not (np.isfinite(self.lattice).all() and np.isfinite(self.frac).all()):
            raise FileError(
                "Some coordinates are not finite numbers (NaN or infinity).",
                "Correct them in the file.",
                path=self.source,
            )
        scale = float(np.prod(np.linalg.norm(self.lattice, axis=1)))
        if scale == 0.0 or abs(float(np.linalg.det(self.lattice))) < 1e-6 * scale:
            raise FileError(
                "The cell has no volume: its lattice vectors are linearly dependent.",
                "Check the three lattice vectors.",
                path=self.source,
            )

    @property
    def n_atoms(self) -> int:
        """Number of atoms in the cell."""
        return len(self.species)

    @property
    def volume(self) -> float:
        """Cell volume, cubic Angstrom."""
        return abs(float(np.linalg.det(self.lattice)))

    @property
    def cart(self) -> Floats:
        """(n, 3) float64, Cartesian positions in Angstrom."""
        return np.asarray(self.frac @ self.lattice)

    @property
    def lengths(self) -> tuple[float, float, float]:
        """a, b, c in Angstrom."""
        a, b, c = np.linalg.norm(self.lattice, axis=1)
        return float(a), float(b), float(c)

    @property
    def angles(self) -> tuple[float, float, float]:
        """alpha, beta, gamma in degrees."""
        u = self.lattice / np.linalg.norm(self.lattice, axis=1)[:, None]
        cos = np.clip([u[1] @ u[2], u[0] @ u[2], u[0] @ u[1]], -1, 1)
        alpha, beta, gamma = np.degrees(np.arccos(cos))
        return float(alpha), float(beta), float(gamma)

    @property
    def reciprocal(self) -> Floats:
        """(3, 3) float64, rows a*, b*, c* in 1/Angstrom, with the factor 2 pi."""
        return np.asarray(2 * np.pi * np.linalg.inv(self.lattice).T)

    @property
    def composition(self) -> dict[int, int]:
        """Atomic number -> number of atoms, in order of first appearance."""
        numbers, first, counts = np.unique(self.species, return_index=True, return_counts=True)
        order = np.argsort(first)
        return {int(numbers[i]): int(counts[i]) for i in order}

    @property
    def composition_key(self) -> tuple[tuple[int, int], ...]:
        """Reduced composition sorted by atomic number; equal for polymorphs.

        Splits by composition group by this key.
        """
        counts = self.composition
        divisor = reduce(gcd, counts.values(), 0) or 1
        return tuple(sorted((z, c // divisor) for z, c in counts.items()))

    @property
    def digest(self) -> str:
        """SHA-256 of lattice, positions and species, as 64 hex digits."""
        h = hashlib.sha256()
        for array in (self.lattice, self.frac, self.species):
            h.update(np.ascontiguousarray(array).tobytes())
        return h.hexdigest()
