"""Wilson loops and Wannier charge centres, with adaptive convergence.

Each overlap of occupied states is made unitary by its singular value
decomposition (`links`); the charge centres of a line are the arguments of the
eigenvalues of the loop (Soluyanov and Vanderbilt, Phys. Rev. B 83, 235401
(2011); Yu et al., Phys. Rev. B 84, 075119 (2011)).  The controls have the
names and values of Z2Pack (Gresch et al., Phys. Rev. B 95, 075146 (2017)).

Those controls compare what was computed with itself, so a pocket of Berry
curvature that lies between all points is missed by all of them (just past a
band inversion a mesh of 31 lines agrees with one of 61 on the wrong answer).
Therefore the gap guards the surface: how fast it changes is measured on the
first mesh, and wherever it could close between two points or two lines, at
that rate, points and lines are added.  The eigenstates of a line are kept
while it is refined, and each generation of lines is one batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import one_blas_thread
from crystalgui.core.physics.folded import Surface, fold, valley
from crystalgui.core.physics.gaps import check_occupation
from crystalgui.core.physics.lines import Line, Refinement, circular_distance
from crystalgui.core.structures.hoppings.model import Hoppings

__all__ = ["Convergence", "Surface", "WilsonFlow", "flow", "largest_gap"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """When a line, and the flow from line to line, is fine enough.

    Attributes
    ----------
    pos_tol : float
        Largest movement of a charge centre when a line gets more k-points.
    move_tol : float
        Largest movement between neighbouring lines, in parts of the smaller
        of their largest gaps.
    gap_tol : float
        Smallest distance of a charge centre from the neighbouring line's gap
        centre (mod 1), in parts of that gap.
    points : tuple of int
        The first is where a line begins, the last is the most that it may
        have.  Movement is measured between every other point and all of
        them, and halving all links keeps every eigenstate, so the numbers in
        between do not matter.
    lines : int
        Lines to begin with.
    min_distance : float
        Smallest distance of lines in t (Z2Pack stops at 0.01).
    most_lines : int
        The flow is given up when it would need more.
    """

    pos_tol: float = 1e-2
    move_tol: float = 0.3
    gap_tol: float = 0.3
    points: tuple[int, ...] = (16, 512)
    lines: int = 11
    min_distance: float = 5e-5
    most_lines: int = 160


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WilsonFlow:
    """Wannier charge centres line by line.

    Attributes
    ----------
    surface : Surface
    t : (l,) float64
        Ascending.
    centres : (l, occupied) float64
        In [0, 1), ascending in each row; in units of the lattice vector that
        belongs to the line, every orbital at the origin of its cell.
    gap : (l,) float64
        Centre of the largest gap of each line, in [0, 1).
    gap_size : (l,) float64
    points : (l,) int64
        k-points of each line.
    converged : bool
        All three checks passed everywhere.
    worst : tuple of (name, value, tolerance)
        The worst value of ``pos``, ``move``, ``gap`` and ``resolution`` (how
        far the direct gap could fall between two neighbouring lines, in parts
        of what it is on them at least; above 1 it could close).
    smallest_gap : float, eV
        Smallest direct gap met on the surface.
    """

    surface: Surface
    t: Floats
    centres: Floats
    gap: Floats
    gap_size: Floats
    points: NDArray[np.int64]
    converged: bool
    worst: tuple[tuple[str, float, float], ...]
    smallest_gap: float


def flow(
    h: Hoppings,
    surface: Surface,
    occupied: int,
    options: Convergence | None = None,
    *,
    gap_tolerance: float = 1e-6,
    threads: int | None = 1,
) -> WilsonFlow:
    """Wannier charge centres on a surface, refined until all checks pass.

    Parameters
    ----------
    h : Hoppings
    surface : Surface
    occupied : int
        Number of occupied bands.
    options : Convergence, optional
    gap_tolerance : float, eV
        A smaller direct gap on the surface counts as closed: the flow stops
        there and is not converged.
    threads : int or None
        Threads over k-points; None for one a core.
    """
    check_occupation(h, occupied)
    options = options or Convergence()
    refinement = Refinement(
        fold(h, surface),
        occupied,
        pos_tol=options.pos_tol,
        points=(options.points[0], options.points[-1]),
        step=options.min_distance / 4,
        threads=threads,
    )
    with one_blas_thread():
        lines = refinement.compute(np.linspace(0, 1, options.lines))
        lowest, polished = min(line.smallest for line in lines), np.inf
        known: dict[tuple[float, float], _Pair] = {}
        while True:
            pairs = [
                known.get((a.t, b.t)) or _Pair(a, b, options, refinement.rates)
                for a, b in pairwise(lines)
            ]
            known = {(pair.first, pair.last): pair for pair in pairs}
            lowest = min(line.smallest for line in lines)
            if any(pair.resolution > 1 for pair in pairs) and lowest < polished / 2:
                polished = _bottom(refinement, lines)
            narrow = [
                pair
                for pair in pairs
                if not pair.passed and pair.distance >= 2 * options.min_distance
            ]
            done = not narrow or len(lines) + len(narrow) > options.most_lines
            if done or min(lowest, polished) < gap_tolerance:
                break
            lines += refinement.compute(np.array([pair.middle for pair in narrow]))
            lines.sort(key=lambda line: line.t)
        if lowest < polished and any(pair.resolution > 1 for pair in pairs):
            polished = _bottom(refinement, lines)
    smallest = min(lowest, polished)
    return _result(surface, lines, pairs, options, smallest, smallest >= gap_tolerance)


def largest_gap(centres: Floats) -> tuple[float, float]:
    """Middle (in [0, 1)) and size of the largest gap between ascending centres on the circle."""
    sizes = np.diff(centres, append=centres[0] + 1)
    widest = int(sizes.argmax())
    return float((centres[widest] + sizes[widest] / 2) % 1), float(sizes[widest])


class _Pair:
    """Two neighbouring lines and how well they fit together."""

    __slots__ = ("distance", "first", "gap", "last", "middle", "move", "passed", "resolution")

    def __init__(self, a: Line, b: Line, options: Convergence, rates: tuple[float, float]) -> None:
        self.first, self.last = a.t, b.t
        self.distance, self.middle = b.t - a.t, (a.t + b.t) / 2
        (at_a, size_a), (at_b, size_b) = largest_gap(a.centres), largest_gap(b.centres)
        self.move = float(circular_distance(a.centres, b.centres)) / min(size_a, size_b)
        self.gap = min(_clearance(b.centres, at_a) / size_a, _clearance(a.centres, at_b) / size_b)
        s = np.union1d(a.s, b.s)
        s = np.concatenate([s, s + np.diff(s, append=s[0] + 1) / 2])
        room = a.lower_bound(s, rates[0]) + b.lower_bound(s, rates[0])
        self.resolution = rates[1] * self.distance / max(float(room.min()), 1e-12)
        self.passed = (
            self.move <= options.move_tol and self.gap >= options.gap_tol and self.resolution <= 1
        )


def _clearance(centres: Floats, gap: float) -> float:
    apart = centres - gap
    return float(np.abs(apart - np.round(apart)).min())


def _bottom(refinement: Refinement, lines: list[Line]) -> float:
    """The direct gap at the bottom of the valley around the smallest one known, eV."""
    lowest = min(lines, key=lambda line: line.smallest)
    apart = np.abs(np.array([line.t for line in lines]) - lowest.t)
    reach = float(apart[apart > 0].min()) if len(lines) > 1 else 1.0
    start = np.array([lowest.t, lowest.s[lowest.gap.argmin()]])
    # As far along the line as makes the same difference to the gap.
    along = max(float(lowest.steps.min()), reach * refinement.rates[1] / refinement.rates[0])
    reaches = np.array([reach, min(along, 0.1)])
    return valley(refinement.folded, refinement.occupied, start, reaches)[0]


def _result(
    surface: Surface,
    lines: list[Line],
    pairs: list[_Pair],
    options: Convergence,
    smallest: float,
    open_: bool,
) -> WilsonFlow:
    gaps = np.array([largest_gap(line.centres) for line in lines])
    pos = max(line.movement for line in lines)
    checked = all(pair.passed for pair in pairs) and all(line.smooth for line in lines)
    return WilsonFlow(
        surface=surface,
        t=np.array([line.t for line in lines]),
        centres=np.array([line.centres for line in lines]),
        gap=gaps[:, 0],
        gap_size=gaps[:, 1],
        points=np.array([len(line.s) for line in lines], dtype=np.int64),
        converged=open_ and checked and pos <= options.pos_tol,
        worst=(
            ("pos", pos, options.pos_tol),
            ("move", max(pair.move for pair in pairs), options.move_tol),
            ("gap", min(pair.gap for pair in pairs), options.gap_tol),
            ("resolution", max(pair.resolution for pair in pairs), 1.0),
        ),
        smallest_gap=smallest,
    )
