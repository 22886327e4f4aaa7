"""The smallest direct gap along a path of Hamiltonians, and where it closes.

At each parameter the minima of the gap are found from a mesh and from the
minima of the neighbours.  Where Hellmann-Feynman slopes say that a minimum
reaches zero before the next sample, samples are added, so that a gap that
closes and opens again between two samples is not missed.  A closing is then
pinned down; a gap that stays closed over a window (a Weyl phase, Murakami,
New J. Phys. 9, 356 (2007)) has both its ends bisected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import hamiltonian, one_blas_thread
from crystalgui.core.physics.descent import descend, reciprocal_basis, settle, wrap
from crystalgui.core.physics.gaps import check_occupation
from crystalgui.core.physics.node_search import search_mesh, suspects
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Family = Callable[[float], Hoppings]

_CLOSED = 1e-6
_BRANCHES = 6
_DEPTH = 6


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Closing:
    """A place where the gap closes.

    Attributes
    ----------
    start, stop : float
        Ends of the window in which the gap is closed; equal, within the
        tolerance, for a single point.
    k : (3,) float64, reduced
        Where it closes, inside the window.
    gap : float, eV
        What is left of it there.
    """

    start: float
    stop: float
    k: Floats
    gap: float

    @property
    def parameter(self) -> float:
        """The middle of the window."""
        return (self.start + self.stop) / 2


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GapTrack:
    """The smallest direct gap along a path.

    Attributes
    ----------
    parameters : (m,) float64, ascending
        Those that were asked for, and those that were added.
    gaps : (m,) float64, eV
    k : (m, 3) float64, reduced
    closings : tuple of Closing, ascending
    """

    parameters: Floats
    gaps: Floats
    k: Floats
    closings: tuple[Closing, ...]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Sample:
    """Minima of the gap at one parameter, lowest first."""

    h: Hoppings
    k: Floats
    gaps: Floats


def track_gap(
    family: Family,
    occupied: int,
    parameters: Sequence[float] | Floats,
    *,
    group: Integers | None = None,
    dimension: int = 3,
    gap_tolerance: float = 1e-4,
    tolerance: float | None = None,
) -> GapTrack:
    """Follow the smallest direct gap and find every closing.

    Parameters
    ----------
    family : callable
        The Hamiltonian at a parameter; all with the same orbitals.
    occupied : int
    parameters : ascending floats, at least two
    group : (g, 3, 3) int64, optional
        Acts on reduced k, leaves the spectrum unchanged everywhere on the path.
    dimension : int
    gap_tolerance : float, eV
        A minimum below it counts as a closing.
    tolerance : float, optional
        Of the parameter; default 1e-5 of the path.
    """
    values = np.asarray(parameters, dtype=np.float64)
    if len(values) < 2 or not (np.diff(values) > 0).all():
        raise PhysicsError(
            "A path needs at least two ascending parameters.", "Check the ends and the steps."
        )
    tolerance = tolerance or 1e-5 * float(values[-1] - values[0])
    group = np.eye(3, dtype=np.int64)[None] if group is None else np.asarray(group)
    path = _Path(family, occupied, group, dimension)
    for value in values:
        path.sample(float(value))
    path.warm(values)
    for a, b in pairwise(values):
        path.divide(float(a), float(b), _DEPTH)
    closings = _closings(path, gap_tolerance, tolerance)
    order = sorted(path.known)
    return GapTrack(
        parameters=np.array(order),
        gaps=np.array([path.known[p].gaps[0] for p in order]),
        k=wrap(np.array([path.known[p].k[0] for p in order])),
        closings=closings,
    )


class _Path:
    """Samples of a family that are known so far."""

    def __init__(self, family: Family, occupied: int, group: Integers, dimension: int) -> None:
        self.family, self.occupied, self.group, self.dimension = family, occupied, group, dimension
        self.known: dict[float, _Sample] = {}

    def nearest(self, value: float) -> Floats:
        """Minima at the two nearest samples, as starts (s, 3)."""
        near = sorted(self.known, key=lambda p: abs(p - value))[:2]
        return np.concatenate([self.known[p].k[:3] for p in near]) if near else np.zeros((0, 3))

    def sample(self, value: float) -> _Sample:
        """Minima at a parameter: mesh and neighbours."""
        if value in self.known:
            return self.known[value]
        h = self.family(value)
        check_occupation(h, self.occupied)
        mesh = search_mesh(h, self.dimension)
        found = suspects(h, self.occupied, mesh, self.group, levels=2, most=4000)
        starts = np.concatenate([found.k, self.nearest(value)])
        self.known[value] = self.minima(h, starts)
        return self.known[value]

    def warm(self, values: Floats) -> None:
        """Backwards: what the later samples found may be lower at the earlier ones."""
        for value, later in reversed(list(pairwise(values.tolist()))):
            mine, other = self.known[value], self.known[later]
            starts = np.concatenate([mine.k, other.k[:2]])
            self.known[value] = self.minima(mine.h, starts, mine)

    def follow(self, value: float) -> _Sample:
        """Minima at a parameter from the neighbours alone, not remembered."""
        return self.minima(self.family(value), self.nearest(value))

    def minima(self, h: Hoppings, starts: Floats, before: _Sample | None = None) -> _Sample:
        """Minima of the gap that the starts lead to."""
        live = np.array(search_mesh(h, self.dimension)) > 1
        reach = 0.1 * float(np.linalg.norm(reciprocal_basis(h)[live], axis=1).min())
        k, gap = descend(h, self.occupied, starts, reach, live=live)
        low = np.argsort(gap, kind="stable")[:2]
        if gap[low[0]] > _CLOSED:
            k[low], gap[low] = settle(h, self.occupied, k[low], reach / 10, live=live)
        if before is not None:
            k, gap = np.concatenate([k, before.k]), np.concatenate([gap, before.gaps])
        order = np.argsort(gap, kind="stable")
        _, first = np.unique(np.round(gap[order], 7), return_index=True)
        order = order[np.sort(first)[:_BRANCHES]]
        return _Sample(h=h, k=k[order], gaps=gap[order])

    def divide(self, a: float, b: float, depth: int) -> None:
        """Add samples while a minimum is on its way to zero between a and b."""
        one, two = self.known[a], self.known[b]
        if not depth or min(one.gaps[0], two.gaps[0]) < _CLOSED:
            return
        if not (self._reaches_zero(one, two) or self._reaches_zero(two, one)):
            return
        middle = (a + b) / 2
        self.sample(middle)
        self.divide(a, middle, depth - 1)
        self.divide(middle, b, depth - 1)

    def _reaches_zero(self, here: _Sample, there: _Sample) -> bool:
        """Whether a minimum, followed by its slope, is zero before the other sample."""
        with one_blas_thread():
            own = hamiltonian(here.h, here.k)
            change = hamiltonian(there.h, here.k) - own
            _, u = np.linalg.eigh(own)
            pair = u[:, :, self.occupied - 1 : self.occupied + 1]
            slope = np.einsum("sia,sij,sja->sa", pair.conj(), change, pair).real
        return bool((here.gaps + slope[:, 1] - slope[:, 0] < 0).any())


def _closings(path: _Path, gap_tolerance: float, tolerance: float) -> tuple[Closing, ...]:
    order = sorted(path.known)
    gaps = np.array([path.known[p].gaps[0] for p in order])
    closed = gaps < _CLOSED
    found: list[Closing] = []
    for i in range(len(order)):
        if closed[i]:
            if i and closed[i - 1]:
                continue
            j = i + int(np.argmin(np.append(closed[i:], False))) - 1
            start = stop = order[i]
            if i:
                start = _edge(path, order[i], order[i - 1], tolerance)
            if j + 1 < len(order):
                stop = _edge(path, order[j], order[j + 1], tolerance)
            sample = path.known[order[(i + j) // 2]]
            found.append(_closing(start, stop, sample))
        elif 0 < i < len(order) - 1 and not closed[i - 1 : i + 2].any():
            if gaps[i] > min(gaps[i - 1], gaps[i + 1]):
                continue
            pinned = _pin(path, order[i - 1], order[i + 1], gap_tolerance, tolerance)
            found += [] if pinned is None else [pinned]
    return tuple(found)


def _closing(start: float, stop: float, sample: _Sample) -> Closing:
    return Closing(start=start, stop=stop, k=wrap(sample.k[0]), gap=float(sample.gaps[0]))


def _pin(
    path: _Path, low: float, high: float, gap_tolerance: float, tolerance: float
) -> Closing | None:
    """The minimum of the gap over parameters between two samples, if it is a closing."""
    from scipy.optimize import minimize_scalar

    def smallest(value: float) -> float:
        return float(path.follow(float(value)).gaps[0])

    answer = minimize_scalar(
        smallest, bounds=(low, high), method="bounded", options={"xatol": tolerance / 3}
    )
    value = float(answer.x)
    sample = path.sample(value)
    if sample.gaps[0] >= gap_tolerance:
        return None
    start = stop = value
    if sample.gaps[0] < _CLOSED:
        start, stop = (_edge(path, value, end, tolerance) for end in (low, high))
    return _closing(start, stop, sample)


def _edge(path: _Path, closed: float, open_: float, tolerance: float) -> float:
    """Bisect the end of a window between a closed and an open parameter."""
    starts = path.known[closed].k
    while abs(open_ - closed) > tolerance:
        middle = (closed + open_) / 2
        sample = path.minima(path.family(middle), np.concatenate([starts, path.nearest(middle)]))
        if sample.gaps[0] < _CLOSED:
            closed, starts = middle, sample.k
        else:
            open_ = middle
    return (closed + open_) / 2
