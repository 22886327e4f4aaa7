"""Closed lines of k-points that are refined where they have to be.

A line keeps its occupied eigenstates.  A link between neighbouring points is
halved when its overlap has a small singular value, or when the gap could close
in between at the rate at which it was seen to change; all links are halved
while the charge centres still move.  The movement is that between every other
point and all points, so that no eigenstate is computed twice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import over_chunks
from crystalgui.core.physics.folded import Folded
from crystalgui.core.physics.links import charge_centres, loop, overlaps, unitary

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]


class Line:
    """One line of a surface, at ``t``.

    ``s`` (m,) ascending in [0, 1), ``gap`` (m,) eV, ``states`` (m, n, occupied)
    (dropped when the line is done) and their unitary ``links`` with which of
    them are ``rough`` and ``known``; then ``centres`` (occupied,), the largest
    ``movement`` of one, and ``smooth``: no link needs a point that could not
    be added any more.
    """

    __slots__ = (
        "centres",
        "gap",
        "harmonics",
        "known",
        "links",
        "movement",
        "rough",
        "s",
        "smooth",
        "states",
        "t",
    )

    def __init__(self, t: float, harmonics: Complexes) -> None:
        self.t = t
        self.harmonics = harmonics
        self.s = np.empty(0)
        self.gap = np.empty(0)
        self.drop()
        self.centres = np.empty(0)
        self.movement = np.inf
        self.smooth = True

    def drop(self) -> None:
        """Forget the eigenstates."""
        self.states = self.links = np.empty((0, 0, 0), dtype=np.complex128)
        self.rough = self.known = np.empty(0, dtype=np.bool_)

    def insert(self, s: Floats, gap: Floats, states: Complexes) -> None:
        """Add points; the links between neighbours that stay neighbours stay known."""
        m, o = len(self.s), states.shape[-1]
        if not m:
            self.s, self.gap, self.states = s, gap, states
            self.links = np.empty((len(s), o, o), dtype=np.complex128)
            self.rough, self.known = np.zeros((2, len(s)), dtype=np.bool_)
            return
        order = np.argsort(np.concatenate([self.s, s]), kind="stable")
        self.s = np.concatenate([self.s, s])[order]
        self.gap = np.concatenate([self.gap, gap])[order]
        self.states = np.concatenate([self.states, states])[order]
        new = np.zeros(len(s), dtype=np.bool_)
        self.links = np.concatenate([self.links, np.empty((len(s), o, o), dtype=np.complex128)])
        self.links = self.links[order]
        self.rough = np.concatenate([self.rough, new])[order]
        known = np.concatenate([self.known, new])[order]
        self.known = known & (np.roll(order, -1) < m)

    @property
    def smallest(self) -> float:
        """Smallest direct gap on the line, eV."""
        return float(self.gap.min())

    @property
    def steps(self) -> Floats:
        """Lengths of the links, (m,)."""
        return np.diff(self.s, append=self.s[0] + 1)

    def lower_bound(self, s: Floats, rate: float) -> Floats:
        """What the gap at s is at least, when it changes by ``rate`` a unit of s at most."""
        after = np.searchsorted(self.s, s, side="right") % len(self.s)
        bound = []
        for i in (after - 1, after):
            apart = s - self.s[i]
            bound.append(self.gap[i] - rate * np.abs(apart - np.round(apart)))
        return np.asarray(np.maximum(bound[0], bound[1]))

    def middles(self, chosen: NDArray[np.bool_]) -> Floats:
        """Middle points of the chosen links."""
        middle = self.s[chosen] + self.steps[chosen] / 2
        return np.asarray(middle - np.floor(middle))


class Refinement:
    """Computes lines of one surface.

    Parameters
    ----------
    folded : Folded
    occupied : int
    pos_tol : float
    points : (first, most)
        k-points on a line.
    step : float
        Shortest link.
    threads : int
    """

    def __init__(
        self,
        folded: Folded,
        occupied: int,
        *,
        pos_tol: float,
        points: tuple[int, int],
        step: float,
        threads: int | None,
    ) -> None:
        self.folded, self.occupied = folded, occupied
        self.pos_tol, self.points, self.step = pos_tol, points, step
        self.threads = threads
        self.rates = (0.0, 0.0)

    def compute(self, t: Floats) -> list[Line]:
        """Lines at t, as fine as they need to be."""
        lines = [
            Line(float(x), harmonics) for x, harmonics in zip(t, self.folded.lines(t), strict=True)
        ]
        mesh = np.arange(self.points[0]) / self.points[0]
        self._add(lines, [mesh] * len(lines))
        if not self.rates[0]:
            self._measure_rates(lines)
        active = lines
        while active:
            active = self._refine(active)
        return lines

    def _measure_rates(self, lines: list[Line]) -> None:
        """Largest change of the gap a unit of s and of t on a regular mesh."""
        table = np.array([line.gap for line in lines])
        t = np.array([line.t for line in lines])
        along = np.abs(table - np.roll(table, -1, axis=1)).max() * self.points[0]
        across = np.abs(np.diff(table, axis=0)) / np.diff(t)[:, None]
        self.rates = (max(float(along), 1e-12), float(across.max(initial=0)))

    def _add(self, lines: list[Line], added: list[Floats]) -> None:
        """Solve new points of lines, all in one batch."""
        n, occupied = self.folded.n, self.occupied
        ends = np.cumsum([0, *map(len, added)])
        matrices = np.empty((ends[-1], n, n), dtype=np.complex128)
        for line, s, a, b in zip(lines, added, ends[:-1], ends[1:], strict=True):
            matrices[a:b] = self.folded.on_line(line.harmonics, s)
        gap = np.empty(len(matrices))

        def part(rows: slice) -> None:
            values, vectors = np.linalg.eigh(matrices[rows])
            gap[rows] = values[:, occupied] - values[:, occupied - 1]
            matrices[rows] = vectors

        over_chunks(part, len(matrices), 128, self.threads)
        for line, s, a, b in zip(lines, added, ends[:-1], ends[1:], strict=True):
            line.insert(s, gap[a:b], matrices[a:b, :, :occupied])

    def _refine(self, lines: list[Line]) -> list[Line]:
        """One round; returns the lines that got more points."""
        _link(lines)
        again: list[Line] = []
        added: list[Floats] = []
        smooth: list[Line] = []
        for line in lines:
            steps = line.steps
            needed = line.rough | (line.gap + np.roll(line.gap, -1) < 2 * self.rates[0] * steps)
            possible = needed & (steps >= 2 * self.step)
            line.smooth = not (needed & ~possible).any()
            if possible.any() and len(line.s) < self.points[1]:
                again.append(line)
                added.append(line.middles(possible))
            else:
                smooth.append(line)
        for line in self._settled(smooth):
            again.append(line)
            added.append(line.middles(np.ones(len(line.s), dtype=np.bool_)))
        if again:
            self._add(again, added)
        return again

    def _settled(self, lines: list[Line]) -> list[Line]:
        """Charge centres of smooth lines; returns those that still move."""
        if not lines:
            return []
        coarse = _links([line.states[::2] for line in lines])
        loops = np.array([loop(line.links) for line in lines] + [loop(own) for own in coarse])
        centres = charge_centres(loops)
        moving: list[Line] = []
        for line, fine, rough in zip(lines, centres, centres[len(lines) :], strict=False):
            line.centres = fine
            line.movement = float(circular_distance(fine, rough))
            if line.movement > self.pos_tol and 2 * len(line.s) <= self.points[1]:
                moving.append(line)
            else:
                line.drop()
        return moving


def _link(lines: list[Line]) -> None:
    """Find the links of lines that are not known yet, all in one batch."""
    missing = [np.flatnonzero(~line.known) for line in lines]
    pairs = zip(lines, missing, strict=True)
    overlap = [
        line.states[i].conj().swapaxes(-1, -2) @ line.states[(i + 1) % len(line.s)]
        for line, i in pairs
    ]
    links, rough = unitary(np.concatenate(overlap))
    ends = np.cumsum([0, *map(len, missing)])
    for line, i, a, b in zip(lines, missing, ends[:-1], ends[1:], strict=True):
        line.links[i], line.rough[i] = links[a:b], rough[a:b]
        line.known = np.ones(len(line.s), dtype=np.bool_)


def _links(states: list[Complexes]) -> list[Complexes]:
    """Unitary links of lines of different lengths, in one batch."""
    ends = np.cumsum([len(s) for s in states])[:-1]
    links, _ = unitary(np.concatenate([overlaps(s) for s in states]))
    return np.split(links, ends)


def circular_distance(one: Floats, other: Floats) -> Floats:
    """Largest movement under the best cyclic matching of two sets of centres.

    Parameters
    ----------
    one, other : (..., o), ascending in [0, 1)

    Returns
    -------
    (...) floating: the largest distance on the circle, smallest over all
    matchings that keep the order.
    """
    o = one.shape[-1]
    turns = (np.arange(o)[:, None] + np.arange(o)) % o
    apart = one[..., None, :] - other[..., turns]
    apart -= np.round(apart)
    return np.asarray(np.abs(apart).max(axis=-1).min(axis=-1))
