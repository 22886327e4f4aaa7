"""The atoms and bonds that a picture of one cell shows, as plain arrays.

The cell is closed: atoms on its faces are drawn on both sides, and bonds are
found between the drawn copies, so that they are right across the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.structures.bonds import SCALE
from crystalgui.core.structures.bonds import bonds as find_bonds
from crystalgui.core.structures.cells import boundary_images
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import METAL
from crystalgui.core.structures.pairs import NeighborList, nothing


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """What a picture of one cell shows; pure arrays.

    Attributes
    ----------
    atom_index : (m,) int64
        Atom of the crystal; the first ``n_atoms`` rows are all atoms in order.
    shift : (m, 3) int64
        Whole cells added to its fractional coordinates.
    positions : (m, 3) float64, Angstrom
    bond_pairs : (b, 2) int64
        Rows of the drawn atoms that are bonded.
    stub_atom : (s,) int64
        Rows of drawn atoms with a bond to an atom that is not drawn.
    stub_end : (s, 3) float64, Angstrom
        Middle of that bond: draw a half stick to it, or leave it out.
    bonds : NeighborList
        The bonds that were used (half list of the crystal).
    """

    atom_index: NDArray[np.int64]
    shift: NDArray[np.int64]
    positions: NDArray[np.float64]
    bond_pairs: NDArray[np.int64]
    stub_atom: NDArray[np.int64]
    stub_end: NDArray[np.float64]
    bonds: NeighborList

    def __len__(self) -> int:
        return len(self.atom_index)


def _keys(atom: NDArray[np.int64], shift: NDArray[np.int64]) -> NDArray[np.int64]:
    """One whole number for each (atom, cell); cells up to +-2^14 are told apart."""
    packed = atom.astype(np.int64)
    for axis in range(3):
        packed = (packed << 15) + (shift[:, axis] + (1 << 14))
    return packed


def _meetings(
    atom: NDArray[np.int64], shift: NDArray[np.int64], full: NeighborList
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Every bond of every drawn atom.

    Returns
    -------
    row : (p,) int64, drawn atom; bond : (p,) int64, row of ``full``;
    partner : (p,) int64, drawn row of the other end or -1
    """
    count = int(atom.max(initial=0)) + 1
    edges = np.searchsorted(full.src, np.arange(count + 1))
    degree = np.diff(edges)[atom]
    row = np.repeat(np.arange(len(atom)), degree)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(degree) - degree, degree)
    bond = edges[atom[row]] + offset
    wanted = _keys(full.dst[bond], shift[row] + full.shift[bond])
    keys = _keys(atom, shift)
    order = np.argsort(keys)
    place = np.searchsorted(keys[order], wanted)
    place = np.minimum(place, len(keys) - 1)
    partner = order[place]
    return row, bond, np.where(keys[partner] == wanted, partner, -1)


def drawing(
    crystal: Crystal,
    *,
    boundary: bool = True,
    bonds: bool = True,
    complete_polyhedra: bool = False,
    scale: float = SCALE,
    found: NeighborList | None = None,
) -> Drawing:
    """Atoms and bonds that are drawn for one cell.

    Parameters
    ----------
    crystal : Crystal
    boundary : bool
        Draw the copies of atoms that lie on faces, edges and corners.
    bonds : bool
        Find bonds; without, the bond arrays are empty.
    complete_polyhedra : bool
        Also draw the atoms outside that are bonded to a metal atom inside, so
        that every coordination polyhedron is whole.
    scale : float
        Factor on the sum of covalent radii.
    found : NeighborList, optional
        Bonds that are known already.
    """
    atom, shift = boundary_images(crystal)
    if not boundary:
        atom, shift = atom[: crystal.n_atoms], shift[: crystal.n_atoms]
    if found is None:
        found = find_bonds(crystal, scale) if bonds else nothing()
    full = found.both_ways()
    full = full.take(np.argsort(full.src, kind="stable"))
    if complete_polyhedra and len(full):
        atom, shift = _completed(crystal, atom, shift, full)
    row, bond, partner = _meetings(atom, shift, full)
    inside = partner >= 0
    pairs = np.stack([row[inside], partner[inside]], axis=1)
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    positions = (crystal.frac[atom] + shift) @ crystal.lattice
    open_row, open_bond = row[~inside], bond[~inside]
    return Drawing(
        atom,
        shift,
        positions,
        pairs.reshape(-1, 2),
        open_row,
        positions[open_row] + 0.5 * full.vector[open_bond],
        found,
    )


def _completed(
    crystal: Crystal, atom: NDArray[np.int64], shift: NDArray[np.int64], full: NeighborList
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Add the nonmetal neighbours of drawn metal atoms that are not drawn yet."""
    row, bond, partner = _meetings(atom, shift, full)
    metal = METAL[crystal.species]
    missing = (partner < 0) & metal[atom[row]] & ~metal[full.dst[bond]]
    new_atom = full.dst[bond[missing]]
    new_shift = shift[row[missing]] + full.shift[bond[missing]]
    _, first = np.unique(_keys(new_atom, new_shift), return_index=True)
    return (
        np.concatenate([atom, new_atom[first]]),
        np.concatenate([shift, new_shift[first]]),
    )
