"""Does the gap stay open on the straight line between two Hamiltonians?

Weyl's inequality says how fast energies may move, but every sample with noise
of its own would need several searches along its line.  One look is enough
when the states of the start are used: let P(k) project on the occupied states
of H0(k), Q = 1 - P, and let H(t) = H0 + t (H1 - H0).  By the theorem of
Courant and Fischer (Horn and Johnson, Matrix Analysis, theorem 4.2.6)

    E_occupied(k, t)     <= largest eigenvalue of P H(t) P,
    E_occupied+1(k, t)   >= smallest eigenvalue of Q H(t) Q:

what couples both blocks can only widen the gap.  The first bound is convex in
t and the second concave, so their difference is at least the smaller of its
values at t = 0, the gap of H0, and at t = 1.  Where that of t = 1,

    c(k) = min Q H1 Q - max P H1 P,

is positive for all k, the direct gap is open on the whole line and both ends
have the same phase.  All k: the mesh is divided by measured slopes as in
`node_search`, so the proof is as good as that of a search for nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import hamiltonian, one_blas_thread
from crystalgui.core.physics.gaps import check_occupation
from crystalgui.core.physics.node_search import divide, mesh_bound, orbit_labels
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Mesh = tuple[int, int, int]

_LEVELS, _MOST, _AT_ONCE = 6, 2_500, 512
"""Levels of division, points in one of them at most (then a certificate is cheaper), batch."""
_EVEN = np.stack([np.eye(3), -np.eye(3)]).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Opening:
    """Whether the gap stays open, and the smallest bound on it that was found.

    ``open`` is False also when it could not be decided.  ``margin`` in eV is
    the smallest c(k) of all points that were computed, at the reduced ``k``.
    """

    open: bool
    margin: float
    k: Floats


def bounds(start: Hoppings, end: Hoppings, occupied: int, k: Floats) -> Floats:
    """Largest of P H1 P and smallest of Q H1 Q at k (m, 3), reduced; (m, 2) in eV."""
    pair = np.empty((len(k), 2))
    for a in range(0, len(k), _AT_ONCE):
        some = k[a : a + _AT_ONCE]
        states = np.linalg.eigh(hamiltonian(start, some))[1]
        turned = states.conj().swapaxes(-1, -2) @ hamiltonian(end, some) @ states
        pair[a : a + len(some), 0] = np.linalg.eigvalsh(turned[:, :occupied, :occupied])[:, -1]
        pair[a : a + len(some), 1] = np.linalg.eigvalsh(turned[:, occupied:, occupied:])[:, 0]
    return pair


def stays_open(
    start: Hoppings, end: Hoppings, occupied: int, mesh: Mesh, *, even: bool = False
) -> Opening:
    """Whether the direct gap is open on the straight line from ``start`` to ``end``.

    Parameters
    ----------
    start : Hoppings
        With an open direct gap at every k.
    end : Hoppings
    occupied : int
    mesh : (n1, n2, n3)
        Where the search begins, e.g. that of `node_search.search_mesh`.
    even : bool
        Both have time reversal: k and -k are looked at once.
    """
    check_occupation(start, occupied)
    counts = np.array(mesh)
    points = np.indices(mesh).reshape(3, -1).T / counts
    label = orbit_labels(mesh, _EVEN) if even else np.arange(len(points))
    wanted = np.flatnonzero(label == np.arange(len(label)))

    def pairs(k: Floats) -> Floats:
        return bounds(start, end, occupied, k)

    with one_blas_thread():
        table = np.empty((len(points), 2))
        table[wanted] = pairs(points[wanted])
        table = table[label]
        margin = table[:, 1] - table[:, 0]
        lowest = int(margin.argmin())
        best, where = float(margin[lowest]), points[lowest]
        bound = mesh_bound(table.reshape(*mesh, 2)).ravel()
        left = wanted[(margin <= bound)[wanted]]
        k, pair, limit = points[left], table[left], bound[left]
        size = np.where(counts > 1, 1.0 / counts, 0.0)
        for _ in range(_LEVELS):
            if best <= 0 or not len(k):
                break
            if len(k) * 2 ** int((size > 0).sum()) > _MOST:
                break
            k, pair, limit = divide(pairs, k, pair, limit, size)
            size = size / 2
            if len(k):
                found = pair[:, 1] - pair[:, 0]
                if found.min() < best:
                    best, where = float(found.min()), k[found.argmin()]
    return Opening(open=best > 0 and not len(k), margin=best, k=np.asarray(where))
