"""What is drawn of a crystal: which atoms, bonds and polyhedra, as plain arrays.

Pure numpy on top of `core.structures`; it can be computed in another thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.structures import bonds as bonding
from crystalgui.core.structures import drawing as plan
from crystalgui.core.structures.cells import supercell
from crystalgui.core.structures.crystal import Crystal

MOST_BONDED = 8_000
"""With more drawn atoms, bonds and polyhedra wait until they are asked for."""

MANY = 1_000
"""With more atoms, what a picture must hold is found beforehand."""

SMALL = 8
"""Most corners of a polyhedron that is preferred to larger ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Polyhedron:
    """A coordination polyhedron.

    Attributes
    ----------
    centre : int
        Index of the drawn atom inside.
    vertices : (v, 3) float64, Angstrom
    faces : (f, 3) int64
        Triangles, indices into ``vertices``.
    edges : (e, 2) int64
        Edges where two faces really meet at an angle.
    """

    centre: int
    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    edges: NDArray[np.int64]


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
    rim : (r,) int64 or None
        Of many atoms, those that can touch the edge of a picture; None for all.
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
    rim: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.species)


def geometry(
    crystal: Crystal,
    repeats: tuple[int, int, int] = (1, 1, 1),
    *,
    boundary: bool = True,
    bonds: bool = True,
    polyhedra: bool = False,
    most_bonded: int = MOST_BONDED,
) -> Geometry:
    """Find out what is drawn of ``repeats`` cells.

    Parameters
    ----------
    crystal : Crystal
    repeats : tuple of int
    boundary : bool
        Copies of the atoms on the faces of the whole block.
    bonds, polyhedra : bool
        Look for them; polyhedra bring the atoms at their corners with them.
    most_bonded : int
        Leave both out with more atoms than this.

    Returns
    -------
    Geometry
    """
    block = supercell(crystal, repeats) if repeats != (1, 1, 1) else crystal
    deferred = (bonds or polyhedra) and block.n_atoms > most_bonded
    search = (bonds or polyhedra) and not deferred
    drawn = plan.drawing(block, boundary=boundary, bonds=search)
    copies = int(np.prod(repeats))
    atom = drawn.atom_index // copies
    cell = np.stack(np.unravel_index(drawn.atom_index % copies, repeats), axis=1)
    image = cell + drawn.shift * np.array(repeats)
    pairs = drawn.bond_pairs if bonds else np.zeros((0, 2), dtype=np.int64)
    hulls, left_out = _hulls(crystal) if polyhedra and search else ({}, [])
    if hulls:
        pairs = pairs[~np.isin(atom[pairs], left_out).any(axis=1)]
        atom, image, pairs = _with_corners(hulls, atom, image, pairs, bonds=bonds)
    positions = (crystal.frac[atom] + image) @ crystal.lattice
    return Geometry(
        crystal=crystal,
        repeats=repeats,
        positions=positions,
        species=crystal.species[atom],
        atom=atom,
        image=image,
        bonds=pairs,
        polyhedra=_polyhedra(hulls, atom[: len(drawn)], positions),
        deferred=deferred,
        rim=_rim(positions, crystal.species[atom]) if len(atom) > MANY else None,
    )


def _rim(positions: NDArray[np.float64], species: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Atoms at the corners of the hull of their species; None for flat arrangements.

    Atoms of a species have one radius, so these alone decide what a picture
    must hold.
    """
    from scipy.spatial import ConvexHull, QhullError

    found = []
    for z in np.unique(species):
        rows = np.flatnonzero(species == z)
        try:
            found.append(rows[ConvexHull(positions[rows]).vertices] if len(rows) > MANY else rows)
        except QhullError:
            return None
    return np.concatenate(found)


def _hulls(crystal: Crystal) -> tuple[dict[int, bonding.Polyhedron], list[int]]:
    """The polyhedra worth seeing, by atom of the cell, and the centres left out.

    Where cations with at most eight neighbours exist, those with more are
    left out: the twelvefold site of a perovskite would hide its octahedra,
    with its bonds as well as with its polyhedron.
    """
    found = bonding.polyhedra(crystal)
    small = [hull for hull in found if len(hull.atoms) <= SMALL]
    shown = {hull.centre: hull for hull in small or found}
    return shown, [hull.centre for hull in found if hull.centre not in shown]


def _with_corners(
    hulls: dict[int, bonding.Polyhedron],
    atom: NDArray[np.int64],
    image: NDArray[np.int64],
    pairs: NDArray[np.int64],
    *,
    bonds: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Add the corners that are not drawn yet, and their bonds to the centre."""
    index = {(int(a), *map(int, s)): n for n, (a, s) in enumerate(zip(atom, image, strict=True))}
    new_atom, new_image, extra = [], [], []
    for row in range(len(atom)):
        hull = hulls.get(int(atom[row]))
        if hull is None:
            continue
        for corner, shift in zip(hull.atoms, hull.shifts + image[row], strict=True):
            key = (int(corner), *map(int, shift))
            if key not in index:
                index[key] = len(index)
                new_atom.append(corner)
                new_image.append(shift)
            extra.append((min(row, index[key]), max(row, index[key])))
    if new_atom:
        atom = np.concatenate([atom, np.array(new_atom, dtype=np.int64)])
        image = np.concatenate([image, np.array(new_image, dtype=np.int64)])
    if bonds and extra:
        pairs = np.unique(np.concatenate([pairs, np.array(extra, dtype=np.int64)]), axis=0)
    return atom, image, pairs


def _polyhedra(
    hulls: dict[int, bonding.Polyhedron],
    atom: NDArray[np.int64],
    positions: NDArray[np.float64],
) -> tuple[Polyhedron, ...]:
    """The polyhedra of the cell, moved to every drawn copy of their centres."""
    edges = {centre: sharp_edges(hull.vertices, hull.faces) for centre, hull in hulls.items()}
    return tuple(
        Polyhedron(row, positions[row] + hulls[a].vertices, hulls[a].faces, edges[a])
        for row, a in enumerate(atom.tolist())
        if a in hulls
    )


def sharp_edges(
    vertices: NDArray[np.float64], triangles: NDArray[np.int64], degrees: float = 3.0
) -> NDArray[np.int64]:
    """(e, 2) int64, edges of a triangulated hull that do not lie inside a flat face."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1), 1e-12)[:, None]
    pairs = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    )
    owner = np.tile(np.arange(len(triangles)), 3)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs, owner = pairs[order].reshape(-1, 2, 2), owner[order].reshape(-1, 2)
    along = np.einsum("ij,ij->i", normal[owner[:, 0]], normal[owner[:, 1]])
    return np.asarray(pairs[along < np.cos(np.radians(degrees)), 0])
