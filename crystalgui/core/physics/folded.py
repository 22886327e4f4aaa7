"""H restricted to a plane or any flat surface of k-space, as a two-dimensional sum.

All lattice vectors that have the same phase everywhere on the surface are
added once; then H on a line costs one sum over the phases across the lines,
and H at a point one sum over the (few) harmonics along the line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Surface:
    """k(t, s) = origin + t across + s along; the loop runs over s in [0, 1].

    ``along`` is a reciprocal-lattice vector (reduced, integers), so that each
    line is closed; t in [0, 1] numbers the lines.
    """

    origin: Floats
    across: Floats
    along: Floats
    name: str = ""

    def k(self, t: Floats | float, s: Floats | float) -> Floats:
        """Reduced k (..., 3) at the coordinates t and s (broadcast)."""
        t, s = np.broadcast_arrays(t, s)
        return np.asarray(
            np.asarray(self.origin)
            + t[..., None] * np.asarray(self.across)
            + s[..., None] * np.asarray(self.along)
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Folded:
    """H(t, s) = sum exp(2 pi i (p t + q s)) H_pq on a surface.

    Attributes
    ----------
    p : (a,) float64
    q : (b,) int64
    blocks : (a, b, n (n + 1) / 2) complex128, eV
        Lower triangles of H_pq.
    n : int
        Orbitals.
    """

    p: Floats
    q: NDArray[np.int64]
    blocks: Complexes
    n: int

    def lines(self, t: Floats, *, slope: bool = False) -> Complexes:
        """(l, b, n (n + 1) / 2): the harmonics along the lines at t (l,), or their d/dt."""
        phase = np.exp(2j * np.pi * np.outer(t, self.p))
        if slope:
            phase *= 2j * np.pi * self.p
        flat = phase @ self.blocks.reshape(len(self.p), -1)
        return np.asarray(flat.reshape(len(t), len(self.q), -1))

    def on_line(self, line: Complexes, s: Floats) -> Complexes:
        """H (len(s), n, n) on one line of `lines`; only the lower triangle is filled.

        That is all that `numpy.linalg.eigh` reads.
        """
        below = np.flatnonzero(np.tri(self.n, dtype=np.bool_))
        result = np.zeros((len(s), self.n * self.n), dtype=np.complex128)
        result[:, below] = np.exp(2j * np.pi * np.outer(s, self.q)) @ line
        return result.reshape(len(s), self.n, self.n)

    def at(self, t: Floats, s: Floats) -> Complexes:
        """H (m, n, n) at scattered (t, s), lower triangles."""
        below = np.flatnonzero(np.tri(self.n, dtype=np.bool_))
        angle = np.multiply.outer(t, self.p)[:, :, None] + np.multiply.outer(s, self.q)[:, None]
        result = np.zeros((len(angle), self.n * self.n), dtype=np.complex128)
        size = len(self.p) * len(self.q)
        result[:, below] = np.exp(2j * np.pi * angle).reshape(-1, size) @ self.blocks.reshape(
            size, -1
        )
        return result.reshape(-1, self.n, self.n)


def fold(h: Hoppings, surface: Surface) -> Folded:
    """Add up all lattice vectors with the same phase on the surface.

    Raises `PhysicsError` unless the lines close.
    """
    along = np.asarray(surface.along, dtype=np.float64)
    whole = np.round(along).astype(np.int64)
    if np.abs(along - whole).max() > 1e-9 or not whole.any():
        raise PhysicsError(
            f"Lines along {tuple(along.tolist())} do not close in the Brillouin zone.",
            "Take three integers, not all zero: a reciprocal-lattice vector.",
            path=h.source,
        )
    n = h.n_orbitals
    below = np.flatnonzero(np.tri(n, dtype=np.bool_))
    weight = np.exp(2j * np.pi * (h.cells @ np.asarray(surface.origin, dtype=np.float64)))
    p, row = np.unique(
        np.round(h.cells @ np.asarray(surface.across, dtype=np.float64), 9), return_inverse=True
    )
    q, column = np.unique(h.cells @ whole, return_inverse=True)
    place = row.ravel() * len(q) + column.ravel()
    order = np.argsort(place, kind="stable")
    cells, first = np.unique(place[order], return_index=True)
    terms = h.matrices.reshape(h.n_cells, -1)[order][:, below] * weight[order, None]
    blocks = np.zeros((len(p) * len(q), len(below)), dtype=np.complex128)
    blocks[cells] = np.add.reduceat(terms, first, axis=0)
    return Folded(
        p=np.asarray(p, dtype=np.float64), q=q, blocks=blocks.reshape(len(p), len(q), -1), n=n
    )


def valley(folded: Folded, occupied: int, start: Floats, reach: Floats) -> tuple[float, Floats]:
    """Follow the direct gap downhill from a point of the surface.

    Parameters
    ----------
    folded : Folded
    occupied : int
    start : (2,)
        t and s.
    reach : (2,)
        Distance of the neighbouring points at which the gap is known.

    Returns
    -------
    gap in eV and (t, s) at the bottom.  A pattern of 5 x 5 points shrinks around
    its lowest one and around the minimum of a quadratic form fitted to the
    square of the gap, which is smooth where the gap itself has a kink.
    """
    radius, best, lowest, idle = reach / 2, start, np.inf, 0
    for _ in range(40):
        before = lowest
        trial = best + _PATTERN * radius
        gap = _gaps(folded, occupied, trial)
        pick = int(gap.argmin())
        centre = best
        if gap[pick] < lowest:
            lowest, best = float(gap[pick]), trial[pick]
        fitted = centre + _bottom_of_square(gap) * radius
        value = float(_gaps(folded, occupied, fitted[None])[0])
        if value < lowest:
            lowest, best = value, fitted
        if np.abs((best - centre) / np.maximum(radius, 1e-300)).max() < 1.5:
            radius = radius / 2.5
        idle = idle + 1 if lowest > 0.999 * before else 0
        if idle > 3 or radius.max() < 1e-10:
            break
    return lowest, best


_PATTERN = np.stack(
    np.meshgrid(np.arange(-2.0, 3.0), np.arange(-2.0, 3.0), indexing="ij"), axis=-1
).reshape(-1, 2)
_FIT = np.linalg.pinv(
    np.stack(
        [
            np.ones(25),
            _PATTERN[:, 0],
            _PATTERN[:, 1],
            _PATTERN[:, 0] ** 2,
            _PATTERN[:, 0] * _PATTERN[:, 1],
            _PATTERN[:, 1] ** 2,
        ],
        axis=1,
    )
)


def _gaps(folded: Folded, occupied: int, place: Floats) -> Floats:
    values = np.linalg.eigvalsh(folded.at(place[:, 0], place[:, 1]))
    return np.asarray(values[:, occupied] - values[:, occupied - 1])


def _bottom_of_square(gap: Floats) -> Floats:
    """Where the quadratic fit to gap^2 on the pattern is lowest, within the pattern."""
    _, x, y, xx, xy, yy = _FIT @ gap**2
    curved = np.array([[2 * xx, xy], [xy, 2 * yy]])
    if xx <= 0 or np.linalg.det(curved) <= 0:
        return np.zeros(2)
    return np.clip(-np.linalg.solve(curved, np.array([x, y])), -2, 2)
