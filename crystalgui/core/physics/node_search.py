"""Where could two bands touch?  Evidence that no node was missed.

A coarse mesh alone misses nodes.  Here every mesh cell in which the measured
slopes of the two bands allow a touching is divided until the slopes rule it
out or the cell is small; a descent starts from each cell that is left and
whose gap is the smallest among its neighbours (`descent`).  Sorted bands are
continuous and as steep as H(k) at most (Weyl's inequality), so that bands
which cross others need no care.

The slopes are measured, between a cell and its parts and with a margin; they
are not bounds: what bends sharply between all points is missed.  Rigorous
bounds from the hoppings are several times larger and would leave too many
cells.  The charges, which must cancel, and the invariants of planes between
the nodes test the search independently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import energies, grid_energies
from crystalgui.core.physics.gaps import default_mesh
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_SPACING, _FINE_SPACING = 0.16, 0.11
_SLOPE_MARGIN = 1.3
_MOST_STARTS = 400


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Suspects:
    """Places from which a descent must start.

    Attributes
    ----------
    k : (s, 3) float64, reduced
    size : (3,) float64
        Edges of the cells they stand for, reduced.
    cells : int
        Cells of that size that the slopes did not rule out.
    complete : bool
        False when there were too many cells to divide all of them.
    mesh : (n1, n2, n3)
    """

    k: Floats
    size: Floats
    cells: int
    complete: bool
    mesh: tuple[int, int, int]


def search_mesh(h: Hoppings, dimension: int, *, finer: bool = False) -> tuple[int, int, int]:
    """A first mesh; 1 in the directions in which least hops, beyond ``dimension``."""
    mesh = np.array(default_mesh(h, _FINE_SPACING if finer else _SPACING))
    size = np.abs(h.matrices).max(axis=(1, 2), initial=0)
    weight = [float(size[h.cells[:, axis] != 0].max(initial=0)) for axis in range(3)]
    mesh[np.argsort(weight)[: 3 - dimension]] = 1
    return int(mesh[0]), int(mesh[1]), int(mesh[2])


def suspects(
    h: Hoppings,
    occupied: int,
    mesh: tuple[int, int, int],
    group: Integers,
    *,
    levels: int = 4,
    most: int = 24_000,
) -> Suspects:
    """Divide mesh cells until measured slopes rule a node out; see the module.

    Parameters
    ----------
    mesh : (n1, n2, n3)
        1 in directions that are left out.
    group : (g, 3, 3) int64
        Acts on reduced k and leaves the spectrum unchanged.
    levels : int
        How often cells are divided.
    most : int
        Cells looked at in one division at most.
    """
    table = _pair_on_mesh(h, occupied, mesh, group)
    gap = table[..., 1] - table[..., 0]
    bound = mesh_bound(table)
    even = any((w == -np.eye(3)).all() for w in group)
    cells = np.argwhere(gap <= bound)
    if even:
        cells = _half(cells, mesh)
    size = np.where(np.array(mesh) > 1, 1.0 / np.array(mesh), 0.0)
    lowest = _lowest(gap)
    k, pair = cells / np.array(mesh), table[tuple(cells.T)]
    limit = bound[tuple(cells.T)]
    complete = True

    def pairs(at: Floats) -> Floats:
        return np.asarray(energies(h, at)[:, occupied - 1 : occupied + 1])

    for _ in range(levels):
        if not len(k):
            break
        if len(k) * 2 ** int((size > 0).sum()) > most:
            complete = False
            break
        k, pair, limit = divide(pairs, k, pair, limit, size)
        size = size / 2
    left = len(k)
    below = pair[:, 1] - pair[:, 0]
    deepest = _deepest(k, below, size)
    starts = np.concatenate([k[deepest], lowest / np.array(mesh)])
    value = np.concatenate([below[deepest], gap[tuple(lowest.T)]])
    starts = _apart(starts, value, size, group)
    if len(starts) > _MOST_STARTS:
        complete = False
        starts = starts[:: -(-len(starts) // _MOST_STARTS)]
    return Suspects(k=starts, size=size, cells=left, complete=complete, mesh=mesh)


def _pair_on_mesh(
    h: Hoppings, occupied: int, mesh: tuple[int, int, int], group: Integers
) -> Floats:
    """Highest occupied and lowest empty energy on the mesh, (n1, n2, n3, 2)."""
    label = orbit_labels(mesh, group)
    wanted = (label == np.arange(len(label))).reshape(mesh)
    table = grid_energies(h, mesh, wanted=None if wanted.all() else wanted)
    pair = table[..., occupied - 1 : occupied + 1].reshape(-1, 2)
    return np.asarray(pair[label].reshape(*mesh, 2))


def orbit_labels(mesh: tuple[int, int, int], group: Integers) -> Integers:
    """(n1 n2 n3,) number of the mesh point that stands for each one's orbit."""
    counts = np.array(mesh)
    points = np.indices(mesh).reshape(3, -1).T
    label = np.arange(len(points))
    for w in group:
        image = (points / counts) @ w.T * counts
        whole = np.round(image)
        if np.abs(image - whole).max() > 1e-6:
            continue  # this element does not map the mesh onto itself
        number = np.ravel_multi_index(tuple((whole.astype(int) % counts).T), mesh)
        label = np.minimum(label, number)
    for _ in range(8):  # orbits, if elements were left out of the group
        if (label[label] == label).all():
            break
        label = label[label]
    return label


def even_spectrum(h: Hoppings) -> bool:
    """Whether E(-k) = E(k), at a few k of no symmetry."""
    k = np.array([[0.1131, 0.2719, 0.3917], [0.4307, 0.0713, 0.1871], [0.2297, 0.3571, 0.0479]])
    e, other = energies(h, k), energies(h, -k)
    return bool(np.abs(e - other).max() < 1e-6 * max(1.0, float(np.abs(e).max())))


def mesh_bound(table: Floats) -> Floats:
    """Largest loss of gap within half a cell that the slopes between neighbours allow.

    ``table`` (n1, n2, n3, 2): the two bands at the gap on a mesh; -> (n1, n2, n3), eV.
    """
    slope = np.zeros(table.shape[:3])
    for shift in product((-1, 0, 1), repeat=3):
        if any(shift):
            change = np.abs(table - np.roll(table, shift, axis=(0, 1, 2))).sum(axis=-1)
            slope = np.maximum(slope, change)
    slope = np.maximum(slope, 0.5 * np.median(slope))
    return np.asarray(_SLOPE_MARGIN * slope / 2)


def _half(cells: Integers, mesh: tuple[int, int, int]) -> Integers:
    """One of each pair k, -k."""
    other = (-cells) % np.array(mesh)
    mine = np.ravel_multi_index(tuple(cells.T), mesh)
    return np.asarray(cells[mine <= np.ravel_multi_index(tuple(other.T), mesh)])


def divide(
    pairs: Callable[[Floats], Floats], k: Floats, pair: Floats, limit: Floats, size: Floats
) -> tuple[Floats, Floats, Floats]:
    """Children (half the edges) that could still hold a node, with energies and bounds.

    ``pairs`` gives the two bands at the gap, k (m, 3) -> (m, 2).
    """
    arms = [(-0.25, 0.25) if edge else (0.0,) for edge in size]
    corners = np.array(list(product(*arms))) * size
    child = k[:, None] + corners
    e = pairs(child.reshape(-1, 3)).reshape(len(k), len(corners), 2)
    bound = divided_bound(e, pair, limit)
    keep = e[..., 1] - e[..., 0] <= bound[:, None]
    return child[keep], e[keep], np.broadcast_to(bound[:, None], keep.shape)[keep]


def _deepest(k: Floats, gap: Floats, size: Floats) -> NDArray[np.bool_]:
    """Cells whose gap is no larger than that of any of the 26 around that is left, too."""
    if not len(k):
        return np.zeros(0, dtype=bool)
    live = size > 0
    counts = np.where(live, np.round(1 / np.where(live, size, 1)), 1).astype(np.int64)
    # Centres lie between multiples of the size once they were divided.
    place = np.floor(k / np.where(live, size, 1) + 1e-6).astype(np.int64) % counts
    number = np.ravel_multi_index(tuple(place.T), tuple(counts))
    order = np.argsort(number)
    ascending = number[order]
    deepest = np.ones(len(k), dtype=bool)
    for shift in product(*[(-1, 0, 1) if x else (0,) for x in live]):
        other = np.ravel_multi_index(tuple(((place + shift) % counts).T), tuple(counts))
        at = np.searchsorted(ascending, other) % len(k)
        there = order[at]
        deepest &= (number[there] != other) | (gap <= gap[there])
    return deepest


def divided_bound(e: Floats, pair: Floats, limit: Floats) -> Floats:
    """The same for children (c, children, 2) of cells with energies (c, 2) and bounds (c,)."""
    # From a child to its own corners it is as far as from its parent's centre to the child.
    slope = np.abs(e - pair[:, None]).sum(axis=-1).max(axis=1)
    return np.asarray(np.maximum(_SLOPE_MARGIN * slope, 0.5 * limit))


def _lowest(gap: Floats, count: int = 12) -> Integers:
    """Mesh indices of the lowest local minima (different in value)."""
    lowest = np.ones(gap.shape, dtype=bool)
    for shift in product((-1, 0, 1), repeat=3):
        if any(shift):
            lowest &= gap <= np.roll(gap, shift, axis=(0, 1, 2)) + 1e-9
    places = np.argwhere(lowest)
    values = np.round(gap[lowest], 6)
    _, first = np.unique(values, return_index=True)
    return np.asarray(places[first[:count]])


def _apart(k: Floats, value: Floats, size: Floats, group: Integers) -> Floats:
    """Thin out: lowest first, one of those nearer than 1.5 cells, up to the group."""
    if not len(k):
        return k
    reach = 1.5 * np.where(size > 0, size, 1.0)
    left = np.argsort(value, kind="stable")
    kept = []
    while len(left):
        here = k[left[0]]
        kept.append(here)
        apart = k[left][:, None] - (group @ here)[None]
        near = (np.abs(apart - np.round(apart)) <= reach).all(axis=-1).any(axis=1)
        left = left[~near]
    return np.array(kept)
