"""Labels along a path of Hamiltonians; invariants only where the gap has closed.

H(alpha) = (1 - alpha) A + alpha B.  By Weyl's inequality no energy moves
faster with alpha than the largest norm of B(k) - A(k), so two samples whose
gaps g1, g2 satisfy g1 + g2 > 2 max_k |B(k) - A(k)| |alpha1 - alpha2| are in
the same phase: the gap cannot close in between.  One full certificate then
speaks for the whole stretch; only samples without a gap need their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import grid_energies, one_blas_thread
from crystalgui.core.physics.certificate import Certificate, Label, Status
from crystalgui.core.physics.classify import classify
from crystalgui.core.physics.gaps import check_occupation, default_mesh
from crystalgui.core.physics.perturb import interpolate
from crystalgui.core.physics.reversal import time_reversal
from crystalgui.core.physics.symmetries import spectral_group
from crystalgui.core.physics.weyl import find_nodes
from crystalgui.core.processes import end_with_parent
from crystalgui.core.structures.hoppings.model import Assumptions, Hoppings

Floats = NDArray[np.float64]
Found = tuple[float, Floats]
"""Smallest direct gap (eV) and its reduced k (3,)."""

_FINEST = 1e-7
"""Smallest step in alpha when a closing is bracketed."""
_GENERIC = (0.3719, 0.7283)
_SAFETY = 1.1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Sample:
    """One mixture and its phase.

    ``gap`` is the smallest direct gap in eV, at the reduced ``k``; ``via``
    says whether the sample has its own certificate or shares that of a
    neighbour to which it is connected with an open gap.
    """

    alpha: float
    label: Label
    status: Status
    gap: float
    k: Floats
    via: str
    certificate: Certificate


class Mixture:
    """The linear family of two Hamiltonians and its smallest gap.

    Parameters
    ----------
    a, b : Hoppings
        With the same orbitals; alpha = 0 and 1.
    occupied : int
    dimension : int
    """

    def __init__(self, a: Hoppings, b: Hoppings, occupied: int, dimension: int = 3) -> None:
        self.ends = a, b
        self.occupied, self.dimension = occupied, dimension
        check_occupation(self.at(0.0), occupied)
        self.speed = speed_between(a, b)
        """Largest change of an energy per alpha, eV; from a mesh, with a margin."""
        one, other = (spectral_group(self.at(alpha)) for alpha in _GENERIC)
        self._group = np.array([w for w in one if (other == w).all(axis=(1, 2)).any()])
        self._reversal = time_reversal(self.at(_GENERIC[0])).holds

    def at(self, alpha: float) -> Hoppings:
        """The mixture."""
        return interpolate(*self.ends, alpha)

    def smallest_gap(self, alpha: float) -> Found:
        """Smallest direct gap; 0 where the search cannot prove that there is one."""
        with one_blas_thread():
            found = find_nodes(
                self.at(alpha),
                self.occupied,
                group=self._group,
                time_reversal=self._reversal,
                dimension=self.dimension,
            )
        proven = all(check.passed is not False for check in found.checks)
        return (found.smallest_gap if proven else 0.0), found.k_smallest

    def certify(self, alpha: float, options: dict[str, Any]) -> Certificate:
        """The certificate of one mixture."""
        return classify(self.at(alpha), self.occupied, **options)


def speed_between(a: Hoppings, b: Hoppings) -> float:
    """Largest change of an energy along the mixture, eV; from a mesh, with a margin."""
    start, end = interpolate(a, b, 0.0), interpolate(a, b, 1.0)
    change = replace(start, matrices=end.matrices - start.matrices)
    return _SAFETY * float(np.abs(grid_energies(change, default_mesh(change))).max())


def label_path(
    a: Hoppings,
    b: Hoppings,
    occupied: int,
    alphas: int | Sequence[float] | Floats,
    *,
    processes: int = 1,
    **options: Any,
) -> Iterator[Sample]:
    """Certified phases of mixtures of two Hamiltonians.

    Parameters
    ----------
    a, b : Hoppings
        alpha = 0 and 1, with the same orbitals.
    occupied : int
    alphas : int or (s,) floats
        Samples, or a number of them spread evenly over [0, 1].
    processes : int
        Processes that share the work.
    **options
        As for `classify`.

    Yields
    ------
    Sample
        In the order in which they are known, not in that of ``alphas``.
    """
    wanted = np.linspace(0, 1, alphas) if isinstance(alphas, int) else np.asarray(alphas, float)
    places, counts = np.unique(wanted, return_counts=True)
    mixture = Mixture(a, b, occupied, options.get("dimension") or 3)
    with _pool(mixture, processes) as run:
        found = dict(zip(places.tolist(), run(_gap, places.tolist()), strict=True))
        for sample in label_mixture(mixture, found, run=run, **options):
            for _ in range(int(counts[np.searchsorted(places, sample.alpha)])):
                yield sample


def label_mixture(
    mixture: Mixture,
    found: dict[float, Found],
    *,
    run: Callable[[Any, Iterable[Any]], Iterable[Any]] | None = None,
    **options: Any,
) -> Iterator[Sample]:
    """As `label_path`, when the smallest gap is known for each alpha."""
    tolerance = float(options.get("gap_tolerance", 1e-4))
    groups = list(stretches(mixture, found, tolerance))
    widest = [max(group, key=lambda x: found[x][0]) for group in groups]
    tasks = [(x, options) for x in widest]
    if run is None:
        certificates: Iterable[Certificate] = (mixture.certify(*task) for task in tasks)
    else:
        certificates = run(_certify, tasks)
    for group, chosen, certificate in zip(groups, widest, certificates, strict=True):
        for x in group:
            yield Sample(
                alpha=x,
                label=certificate.label,
                status=certificate.status,
                gap=found[x][0],
                k=found[x][1],
                via="certificate" if x == chosen else "continuity",
                certificate=certificate,
            )


# ------------------------------------------------------------- processes

_mine: Mixture | None = None


@contextmanager
def _pool(
    mixture: Mixture, processes: int
) -> Iterator[Callable[[Any, Iterable[Any]], Iterable[Any]]]:
    """Something that maps `_gap` and `_certify` over tasks, lazily and in order."""
    if processes < 2:
        _take(mixture)
        yield map
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), _begin, (mixture,)) as pool:
        yield pool.map


def _begin(mixture: Mixture) -> None:
    end_with_parent()
    _take(mixture)


def _take(mixture: Mixture) -> None:
    global _mine
    _mine = mixture


def _gap(alpha: float) -> Found:
    assert _mine is not None
    return _mine.smallest_gap(alpha)


def _certify(task: tuple[float, dict[str, Any]]) -> Certificate:
    assert _mine is not None
    return _mine.certify(*task)


def stretches(
    mixture: Mixture, found: dict[float, Found], tolerance: float
) -> Iterator[list[float]]:
    """Groups of neighbouring alphas between which the gap is proven open.

    ``found`` holds the smallest gap of each alpha; a sample without a gap is a
    group of its own.
    """
    order = sorted(found)
    group = order[:1]
    for left, right in pairwise(order):
        if connected(mixture, (left, found[left][0]), (right, found[right][0]), tolerance):
            group.append(right)
        else:
            yield group
            group = [right]
    yield group


def connected(
    mixture: Mixture, left: tuple[float, float], right: tuple[float, float], tolerance: float
) -> bool:
    """Whether the gap stays open between two alphas, by bisection."""
    waiting = [(left, right)]
    while waiting:
        (x, gap_x), (y, gap_y) = waiting.pop()
        if min(gap_x, gap_y) < tolerance:
            return False
        if gap_x + gap_y > 2 * mixture.speed * (y - x):
            continue
        if y - x < _FINEST:
            return False
        middle = (x + y) / 2
        between = middle, mixture.smallest_gap(middle)[0]
        waiting += [((x, gap_x), between), (between, (y, gap_y))]
    return True


def path_csv(samples: Sequence[Sample]) -> str:
    """One row a sample: alpha, label, status, z2, gap in eV, k reduced."""
    lines = ["alpha,label,status,z2,direct_gap_eV,k1,k2,k3,via"]
    for s in samples:
        k = ",".join(f"{x:.6f}" for x in s.k)
        z2 = s.certificate.z2_text
        lines.append(f"{s.alpha:.10g},{s.label},{s.status},{z2},{s.gap:.8f},{k},{s.via}")
    return "\n".join(lines) + "\n"


def path_json(samples: Sequence[Sample], assumptions: Assumptions) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "samples": [
            {
                "alpha": s.alpha,
                "label": s.label,
                "status": s.status,
                "z2": None if s.certificate.indices.z2 is None else s.certificate.indices.z2,
                "direct_gap_ev": s.gap,
                "k_direct": s.k.tolist(),
                "via": s.via,
                "remark": s.certificate.remark,
            }
            for s in samples
        ],
        "assumptions": {"sentence": assumptions.sentence(), "files": list(assumptions.files)},
    }
