"""Bonds by distance, and coordination polyhedra.

A bond is a pair closer than the sum of the covalent radii times a factor.
Two metal atoms that both touch an anion (a nonmetal, or a much more
electronegative metal) are not bonded: their large radii would otherwise fill an
oxide with bonds between cations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import COVALENT_RADIUS, ELECTRONEGATIVITY, METAL
from crystalgui.core.structures.pairs import NeighborList, neighbors

SCALE = 1.15
"""Default factor on the sum of covalent radii."""
ANION_STEP = 0.7
"""A metal is an anion to another one when it is this much more electronegative."""
SHORTEST = 0.4
"""Pairs closer than this are no bond but an artefact, Angstrom."""


def bonds(
    crystal: Crystal, scale: float = SCALE, *, metal_metal: bool | None = None
) -> NeighborList:
    """Chemical bonds, each once, across the boundary where they do.

    Parameters
    ----------
    crystal : Crystal
    scale : float
        Factor on the sum of the covalent radii.
    metal_metal : bool, optional
        Whether metals bond to each other; by default only where one of the two
        touches no anion.

    Returns
    -------
    NeighborList
        Half list; ``shift`` tells the cell of ``dst``.
    """
    radius = COVALENT_RADIUS[crystal.species]
    cutoff = 2 * scale * float(radius.max(initial=0.0))
    if crystal.n_atoms == 0 or cutoff <= 0:
        empty = np.zeros(0, dtype=np.int64)
        return NeighborList(empty, empty, np.zeros((0, 3), np.int64), np.zeros(0), np.zeros((0, 3)))
    near = _pairs_below(crystal, cutoff)
    limit = scale * (radius[near.src] + radius[near.dst])
    near = near.take((near.distance <= limit) & (near.distance > SHORTEST))
    if metal_metal is True:
        return near
    metal = METAL[crystal.species]
    both = metal[near.src] & metal[near.dst]
    if metal_metal is False:
        return near.take(~both)
    x = np.nan_to_num(ELECTRONEGATIVITY[crystal.species], nan=4.0)
    step = x[near.dst] - x[near.src]
    touches = np.zeros(crystal.n_atoms, dtype=np.bool_)
    touches[near.src[~metal[near.dst] | (step > ANION_STEP)]] = True
    touches[near.dst[~metal[near.src] | (-step > ANION_STEP)]] = True
    return near.take(~(both & touches[near.src] & touches[near.dst]))


def _pairs_below(crystal: Crystal, cutoff: float) -> NeighborList:
    """Half list; of a pair between an atom and its own image one direction is kept."""
    near = neighbors(crystal, cutoff, full=False)
    order = np.lexsort((near.shift[:, 2], near.shift[:, 1], near.shift[:, 0], near.dst, near.src))
    return near.take(order)


def coordination(crystal: Crystal, found: NeighborList) -> NDArray[np.int64]:
    """(n,) int64, number of bonds of each atom."""
    ends = np.concatenate([found.src, found.dst])
    return np.bincount(ends, minlength=crystal.n_atoms).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Polyhedron:
    """The convex hull of an atom's neighbours.

    Attributes
    ----------
    centre : int
        Index of the central atom, in the cell of its coordinates.
    atoms : (v,) int64
        Indices of the corners.
    shifts : (v, 3) int64
        Cells of the corners relative to the centre's.
    vertices : (v, 3) float64, Angstrom
        Corners relative to the centre.
    faces : (f, 3) int64
        Triangles, corners counter-clockwise seen from outside.
    volume : float, cubic Angstrom
    """

    centre: int
    atoms: NDArray[np.int64]
    shifts: NDArray[np.int64]
    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    volume: float


def polyhedra(crystal: Crystal, found: NeighborList | None = None) -> list[Polyhedron]:
    """Coordination polyhedra around the cations.

    A centre is less electronegative than all of its neighbours and has at
    least four, not all in one plane.

    Parameters
    ----------
    crystal : Crystal
    found : NeighborList, optional
        Bonds (half list) of this crystal; computed when missing.
    """
    full = (bonds(crystal) if found is None else found).both_ways()
    x = np.nan_to_num(ELECTRONEGATIVITY[crystal.species], nan=4.0)
    order = np.argsort(full.src, kind="stable")
    full = full.take(order)
    starts = np.searchsorted(full.src, np.arange(crystal.n_atoms + 1))
    wrong = x[full.dst] <= x[full.src]
    hulls = []
    for i in range(crystal.n_atoms):
        part = slice(int(starts[i]), int(starts[i + 1]))
        if part.stop - part.start < 4 or wrong[part].any():
            continue
        hull = _hull(full.vector[part])
        if hull is None:
            continue
        faces, volume = hull
        hulls.append(
            Polyhedron(i, full.dst[part], full.shift[part], full.vector[part], faces, volume)
        )
    return hulls


def _hull(points: NDArray[np.float64]) -> tuple[NDArray[np.int64], float] | None:
    """Outward triangles and volume of a convex hull; None when the points are flat."""
    from scipy.spatial import ConvexHull, QhullError

    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    if spread[2] < 0.05 * spread[0]:
        return None
    try:
        hull = ConvexHull(points)
    except QhullError:
        return None
    faces = np.array(hull.simplices, dtype=np.int64)
    a, b, c = (points[faces[:, k]] for k in range(3))
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), hull.equations[:, :3]) < 0
    faces[inward] = faces[inward][:, ::-1]
    return faces, float(hull.volume)
