"""Pairs of atoms drawn on a crystal, as plain arrays: who looks at whom.

Attention is directed (Nop et al. 2025, Fig. 4), so a stick is thick at the atom
that looks and thin at the one it looks at; where both look, both halves are
thick and each has its own colour.  Attention does not tell images of an atom
apart: every nearest image of a pair gets a stick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.scene.geometry import Geometry

THICK, THIN = 0.11, 0.035
"""Radii of the two halves, Angstrom."""

Cell = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PairSticks:
    """One stick for each nearest image of each pair.

    Attributes
    ----------
    start, end : (m, 3) float64, Angstrom
        From the first drawn copy of the atom that looks to an image of the other.
    colours : (m, 3) uint8
    pair : (m,) int64
        Which pair a stick belongs to.
    ghosts : (g, 3) float64, Angstrom
        Ends where no atom is drawn.
    ghost_atoms : (g,) int64
        Atoms of the cell that they are images of.
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    colours: NDArray[np.uint8]
    pair: NDArray[np.int64]
    ghosts: NDArray[np.float64]
    ghost_atoms: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pair)

    def halves(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8], NDArray[np.float64]]:
        """Start, end, colours and radii (2 m,) of the thick halves, then of the thin ones."""
        middle = (self.start + self.end) / 2
        m = len(self)
        return (
            np.concatenate([self.start, middle]),
            np.concatenate([middle, self.end]),
            np.concatenate([self.colours, self.colours]),
            np.concatenate([np.full(m, THICK), np.full(m, THIN)]),
        )


def pair_sticks(
    geometry: Geometry,
    pairs: Sequence[tuple[int, int, Sequence[Cell]]],
    colours: NDArray[np.uint8],
) -> PairSticks:
    """Sticks of some pairs in a drawn crystal.

    Parameters
    ----------
    geometry : Geometry
    pairs : sequence of (start, end, cells)
        Atoms of the cell; ``cells`` are whole steps that are added to the coordinates
        of ``end`` as given, when ``start`` stands at its own as given.
    colours : (p, 3) uint8
        One a pair.
    """
    crystal = geometry.crystal
    atoms, rows = np.unique(geometry.atom, return_index=True)
    copy = {int(a): geometry.image[row] for a, row in zip(atoms, rows, strict=True)}
    first, last, which, feet = [], [], [], []
    for number, (i, j, cells) in enumerate(pairs):
        if i not in copy:
            continue
        for cell in cells:
            first.append((i, *map(int, copy[i])))
            last.append((j, *(int(c) for c in copy[i] + np.asarray(cell))))
            which.append(number)
    for place in (first, last):
        at = np.array(place, dtype=np.int64).reshape(-1, 4)
        feet.append((crystal.frac[at[:, 0]] + at[:, 1:]) @ crystal.lattice)
    drawn = {(int(a), *map(int, s)) for a, s in zip(geometry.atom, geometry.image, strict=True)}
    free = np.array([key for key in dict.fromkeys(last) if key not in drawn], dtype=np.int64)
    free = free.reshape(-1, 4)
    pair = np.array(which, dtype=np.int64)
    return PairSticks(
        start=feet[0],
        end=feet[1],
        colours=np.asarray(colours, dtype=np.uint8).reshape(-1, 3)[pair],
        pair=pair,
        ghosts=(crystal.frac[free[:, 0]] + free[:, 1:]) @ crystal.lattice,
        ghost_atoms=free[:, 0],
    )
