"""Phase diagrams, point by point: along a mixture of two Hamiltonians, and in a plane.

The line shows how the smallest direct gap closes and opens again, for several
strengths of noise that respects time reversal: without inversion the closing
is a window with Weyl nodes, not a point (Murakami and Kuga, Phys. Rev. B 78,
165313 (2008)).  Points come coarse to fine, so that a picture fills in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.messages import (
    Event,
    HamiltonianSource,
    MixtureJob,
    PhaseMapJob,
    PhasePoint,
    PhasePoints,
    Progress,
)
from crystalgui.core.physics import zoo
from crystalgui.core.physics.bloch import one_blas_thread
from crystalgui.core.physics.certificate import Certificate
from crystalgui.core.physics.classify import classify
from crystalgui.core.physics.gaps import guess_occupation
from crystalgui.core.physics.labels import Mixture, label_mixture, speed_between
from crystalgui.core.physics.perturb import add, interpolate, noise, spin_orbit_path
from crystalgui.core.physics.reversal import time_reversal
from crystalgui.core.physics.symmetries import dimension
from crystalgui.core.physics.weyl import find_nodes
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings

MOST_POINTS = 40_000
GAPLESS = 1e-4
"""A smaller direct gap (eV) is no proof of a phase."""
NEIGHBOURS, HALVINGS = 3, 8
"""Certified points that are tried, and steps of each proof; a certificate costs about as much."""


def hamiltonian(source: HamiltonianSource) -> Hoppings:
    """The Hamiltonian that a source names."""
    if source.path is not None:
        whole = read_hoppings(source.path, source.companions)
    else:
        whole = zoo.build(source.model, **source.settings)
    return spin_orbit_path(whole, 0.0) if source.part == "spinless" else whole


@dataclass(slots=True, eq=False)
class _Line:
    """One strength of noise: its family, and the smallest gaps found so far."""

    strength: float
    family: Mixture
    found: dict[float, tuple[float, NDArray[np.float64]]] = field(default_factory=dict)


def mixture(job: MixtureJob) -> Iterator[Event]:
    """Gaps first, for every strength; then the phases.  Yields `PhasePoints`."""
    if job.steps < 2 or not job.strengths:
        raise PhysicsError("A line needs two points and a strength.", "Give more of them.")
    start, end = hamiltonian(job.start), hamiltonian(job.end)
    occupied = job.occupied or guess_occupation(start)[0]
    directions = max(dimension(start), dimension(end))
    x = np.linspace(0, 1, job.steps)
    total = len(job.strengths) * job.steps
    yield Progress(done=0, total=total, text="reading both ends")
    lines = []
    for strength in job.strengths:
        ends = _shaken(start, end, strength, job)
        lines.append(_Line(strength, Mixture(*ends, occupied, directions)))
    for done, (line, i) in enumerate(product(lines, coarse_to_fine(job.steps)), start=1):
        alpha = float(x[i])
        gap, k = line.found[alpha] = line.family.smallest_gap(alpha)
        yield PhasePoints(points=(PhasePoint(x=alpha, y=line.strength, gap=gap, k=_triple(k)),))
        yield Progress(done=done, total=total, text=f"gap at noise {line.strength:g}")
    if not job.labels:
        return
    samples = ((line, s) for line in lines for s in label_mixture(line.family, line.found))
    for done, (line, sample) in enumerate(samples, start=1):
        point = PhasePoint(
            x=sample.alpha,
            y=line.strength,
            gap=sample.gap,
            k=_triple(sample.k),
            label=sample.label,
            status=sample.status,
            remark=sample.certificate.remark,
        )
        yield PhasePoints(points=(point,))
        yield Progress(done=done, total=total, text=f"phase at noise {line.strength:g}")


def mixed(job: MixtureJob, alpha: float, strength: float) -> Hoppings:
    """The Hamiltonian at one point of the picture, e.g. to open it."""
    ends = _shaken(hamiltonian(job.start), hamiltonian(job.end), strength, job)
    return interpolate(*ends, alpha)


def _shaken(
    start: Hoppings, end: Hoppings, strength: float, job: MixtureJob
) -> tuple[Hoppings, Hoppings]:
    """Both ends with the same noise, scaled to the hoppings of the start."""
    if strength == 0:
        return start, end
    made = noise(
        interpolate(start, end, 0.0),
        strength,
        job.seed,
        normalisation=job.normalisation,
        envelope=job.envelope,
    )
    return add(start, made.hoppings), add(end, made.hoppings)


# ------------------------------------------------------------- in a plane


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A point of the plane whose phase is known."""

    h: Hoppings
    gap: float
    reversal: bool
    certificate: Certificate


def phase_map(job: PhaseMapJob) -> Iterator[Event]:
    """Certified phases in the plane of two settings of a model.  Yields `PhasePoints`.

    Coarse to fine.  A point that a line of Hamiltonians with an open gap (see
    `labels`) connects to a certified neighbour takes its phase; all others
    get a certificate of their own.
    """
    columns, rows = axes(job)
    total = len(columns) * len(rows)
    known: dict[tuple[int, int], _Known] = {}
    for done, (i, j) in enumerate(_plane(len(columns), len(rows)), start=1):
        x, y = float(columns[i]), float(rows[j])
        h = zoo.build(job.model, **{**job.settings, job.x[0]: x, job.y[0]: y})
        occupied = h.occupied or guess_occupation(h)[0]
        gap, k = _smallest_gap(h, occupied)
        near = _neighbour(h, gap, (i, j), known)
        found = classify(h, occupied) if near is None else near.certificate
        if near is None and found.gaps is not None:
            gap, k = found.gaps.direct.energy, found.gaps.direct.k_lower
        known[i, j] = _Known(h, gap, time_reversal(h).holds, found)
        point = PhasePoint(
            x=x,
            y=y,
            gap=gap,
            k=_triple(k),
            label=found.label,
            status=found.status,
            remark=found.remark,
        )
        yield PhasePoints(points=(point,))
        yield Progress(done=done, total=total, text=found.label)


def axes(job: PhaseMapJob) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of both settings; raises `PhysicsError` where they make no plane."""
    if job.x[0] == job.y[0]:
        raise PhysicsError(f"Both axes are {job.x[0]}.", "Choose two different settings.")
    for name, first, last, _ in (job.x, job.y):
        if not first < last:
            raise PhysicsError(
                f"{name} goes from {first:g} to {last:g}.", "Give a range that grows."
            )
    columns = np.linspace(job.x[1], job.x[2], max(2, job.x[3]))
    rows = np.linspace(job.y[1], job.y[2], max(2, job.y[3]))
    total = len(columns) * len(rows)
    if total > MOST_POINTS:
        raise PhysicsError(
            f"{total:,} points are too many for one phase diagram.",
            f"Choose at most {MOST_POINTS:,}.",
        )
    # rounding noise of the grid must not hide where a setting is 0
    return np.round(columns, 12) + 0.0, np.round(rows, 12) + 0.0


def _smallest_gap(h: Hoppings, occupied: int) -> tuple[float, NDArray[np.float64]]:
    """Smallest direct gap; 0 where the search cannot prove that there is one."""
    with one_blas_thread():
        found = find_nodes(h, occupied, dimension=dimension(h))
    proven = all(check.passed is not False for check in found.checks)
    return (found.smallest_gap if proven else 0.0), found.k_smallest


def _neighbour(
    h: Hoppings, gap: float, place: tuple[int, int], known: dict[tuple[int, int], _Known]
) -> _Known | None:
    """A certified point to which the gap stays open, among the nearest ones."""
    if gap < GAPLESS:
        return None
    i, j = place
    order = sorted(known, key=lambda p: (p[0] - i) ** 2 + (p[1] - j) ** 2)[:NEIGHBOURS]
    for at in order:
        other = known[at]
        if other.certificate.status == "converged" and _open_between(h, gap, other):
            return other
    return None


def _open_between(h: Hoppings, gap: float, other: _Known) -> bool:
    """Whether a straight line of Hamiltonians between two points proves one phase."""
    if other.gap < GAPLESS or other.certificate.dimension != dimension(h):
        return False
    reversal = time_reversal(h).holds
    if reversal != other.reversal:
        return False
    if gap + other.gap > 2 * speed_between(h, other.h):
        return True
    family = Mixture(h, other.h, other.certificate.occupied, other.certificate.dimension)
    waiting = [((0.0, gap), (1.0, other.gap))]
    for _ in range(HALVINGS):
        if not waiting:
            return True
        left, right = waiting.pop()
        if left[1] + right[1] > 2 * family.speed * (right[0] - left[0]):
            continue
        middle = (left[0] + right[0]) / 2
        between = middle, family.smallest_gap(middle)[0]
        if between[1] < GAPLESS:
            return False
        waiting += [(left, between), (between, right)]
    return not waiting


def coarse_to_fine(n: int) -> list[int]:
    """0 .. n - 1 with both ends first, then the middles of what is left."""
    order, waiting = [0, n - 1] if n > 1 else [0], [(0, n - 1)]
    while waiting:
        low, high = waiting.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            order.append(middle)
            waiting += [(low, middle), (middle, high)]
    return order


def _plane(columns: int, rows: int) -> list[tuple[int, int]]:
    """All points of a grid, those of coarse grids first."""
    rank_x = {i: place for place, i in enumerate(coarse_to_fine(columns))}
    rank_y = {j: place for place, j in enumerate(coarse_to_fine(rows))}
    points = [(i, j) for i in range(columns) for j in range(rows)]
    return sorted(points, key=lambda p: max(rank_x[p[0]] / columns, rank_y[p[1]] / rows))


def _triple(k: np.ndarray) -> tuple[float, float, float]:
    return float(k[0]), float(k[1]), float(k[2])
