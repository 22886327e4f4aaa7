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
from crystalgui.core.physics.classify import classify
from crystalgui.core.physics.gaps import guess_occupation
from crystalgui.core.physics.labels import Mixture, label_mixture
from crystalgui.core.physics.perturb import add, interpolate, noise
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings

MOST_POINTS = 40_000


def hamiltonian(source: HamiltonianSource) -> Hoppings:
    """The Hamiltonian that a source names."""
    if source.path is not None:
        return read_hoppings(source.path, source.companions)
    return zoo.build(source.model, **source.settings)


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
    x = np.linspace(0, 1, job.steps)
    total = len(job.strengths) * job.steps
    lines = [
        _Line(strength, Mixture(*_shaken(start, end, strength, job.seed), occupied))
        for strength in job.strengths
    ]
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


def _shaken(
    start: Hoppings, end: Hoppings, strength: float, seed: int
) -> tuple[Hoppings, Hoppings]:
    """Both ends with the same noise, scaled to the hoppings of the start."""
    if strength == 0:
        return start, end
    delta = noise(interpolate(start, end, 0.0), strength, seed).hoppings
    return add(start, delta), add(end, delta)


def phase_map(job: PhaseMapJob) -> Iterator[Event]:
    """Certified phases in the plane of two settings of a model.  Yields `PhasePoints`."""
    (x_name, *_), (y_name, *_) = job.x, job.y
    if x_name == y_name:
        raise PhysicsError(f"Both axes are {x_name}.", "Choose two different settings.")
    columns = np.linspace(job.x[1], job.x[2], max(2, job.x[3]))
    rows = np.linspace(job.y[1], job.y[2], max(2, job.y[3]))
    total = len(columns) * len(rows)
    if total > MOST_POINTS:
        raise PhysicsError(
            f"{total:,} points are too many for one phase diagram.",
            f"Choose at most {MOST_POINTS:,}.",
        )
    for done, (i, j) in enumerate(_plane(len(columns), len(rows)), start=1):
        settings = {**job.settings, x_name: float(columns[i]), y_name: float(rows[j])}
        h = zoo.build(job.model, **settings)
        found = classify(h, h.occupied or guess_occupation(h)[0])
        gap = found.gaps
        k = (0.0, 0.0, 0.0) if gap is None else _triple(gap.direct.k_lower)
        point = PhasePoint(
            x=float(columns[i]),
            y=float(rows[j]),
            gap=0.0 if gap is None else gap.direct.energy,
            k=k,
            label=found.label,
            status=found.status,
            remark=found.remark,
        )
        yield PhasePoints(points=(point,))
        yield Progress(done=done, total=total, text=found.label)


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
