"""Certified phases of very many mixtures, with and without noise.

First the line H(alpha) = (1 - alpha) start + alpha end without noise is
divided into stretches with an open gap (`physics.labels`), each of which has
one full certificate; their ends are bracketed closely.  A sample without
noise inside a stretch has its phase.  A sample with noise has it when the gap
stays open between the sample and the line (`physics.homotopy`); the point of
the line may be one with a larger gap than that at the sample's own alpha.
Every other sample gets a certificate of its own, and one that is none of the
phases of the data set is kept apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.hamiltonians.dataset import VIA, noise_of
from crystalgui.core.messages import PhaseDataRecipe
from crystalgui.core.physics.bloch import energies, grid_energies
from crystalgui.core.physics.certificate import LABELS, Certificate, Label
from crystalgui.core.physics.classify import classify
from crystalgui.core.physics.descent import minimise, reciprocal_basis, wrap
from crystalgui.core.physics.gaps import direct_gap
from crystalgui.core.physics.homotopy import stays_open
from crystalgui.core.physics.labels import Found, Mixture, connected, stretches
from crystalgui.core.physics.node_search import search_mesh
from crystalgui.core.physics.perturb import add, interpolate
from crystalgui.core.physics.reversal import time_reversal
from crystalgui.core.physics.symmetries import dimension
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]

_GRID = 81
"""Gaps that are searched along the line at first."""
_BRACKET = 1e-5
"""Closeness of the end of a stretch, in parts of the line."""
_DETOUR = (0.0, 0.06)
"""How much deeper in its phase, in parts of the line, the sample is connected to it."""
_NEAR = 0.08
"""How far outside of a stretch, in parts of the line, noise may still carry its phase."""
_LEAST = 300
"""Gaps of fewer tolerances are left to a certificate: a connection costs more."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Stretch:
    """Mixtures between which the gap is proven open, and their one phase."""

    low: float
    high: float
    label: Label


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Line:
    """What is known of the mixtures without noise.

    Attributes
    ----------
    alpha : (p,) float64
        Ascending; mixtures whose smallest gap was searched.
    gap : (p,) float64, eV, and k : (p, 3) float64, reduced
    stretches : tuple of Stretch
        Ascending.
    """

    alpha: Floats
    gap: Floats
    k: Floats
    stretches: tuple[Stretch, ...]

    def plain(self) -> dict[str, Any]:
        """As JSON values, which keep every bit."""
        return {
            "alpha": self.alpha.tolist(),
            "gap": self.gap.tolist(),
            "k": self.k.tolist(),
            "stretches": [[s.low, s.high, s.label] for s in self.stretches],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Line:
        """Back from `plain`."""
        return cls(
            alpha=np.array(plain["alpha"], np.float64),
            gap=np.array(plain["gap"], np.float64),
            k=np.array(plain["k"], np.float64).reshape(-1, 3),
            stretches=tuple(
                Stretch(low=low, high=high, label=LABELS[LABELS.index(label)])
                for low, high, label in plain["stretches"]
            ),
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Labelled:
    """A sample and its phase; ``via`` is one of `VIA`."""

    label: Label
    gap: float
    k: Floats
    via: str


def survey(
    start: Hoppings, end: Hoppings, occupied: int, alpha: tuple[float, float], tolerance: float
) -> Iterator[Line]:
    """The line without noise; yields what is known so far, the last is complete."""
    low, high = alpha
    mixture = Mixture(start, end, occupied, max(dimension(start), dimension(end)))
    found: dict[float, Found] = {}

    def known(parts: tuple[Stretch, ...] = ()) -> Line:
        order = sorted(found)
        return Line(
            alpha=np.array(order),
            gap=np.array([found[x][0] for x in order]),
            k=np.array([found[x][1] for x in order]),
            stretches=parts,
        )

    for x in np.linspace(low, high, _GRID if high > low else 1).tolist():
        found[x] = mixture.smallest_gap(x)
        yield known()
    groups = [g for g in stretches(mixture, dict(found), tolerance) if _gapped(g, found, tolerance)]
    ends = [(group[0], group[-1]) for group in groups]
    parts: tuple[Stretch, ...] = ()
    for i, (first, last) in enumerate(ends):
        left = ends[i - 1][1] if i else low
        right = ends[i + 1][0] if i + 1 < len(ends) else high
        first = _farthest(mixture, found, first, left, tolerance, _BRACKET * (high - low))
        last = _farthest(mixture, found, last, right, tolerance, _BRACKET * (high - low))
        inside = [x for x in found if first <= x <= last]
        widest = max(inside, key=lambda x: found[x][0])
        certificate = mixture.certify(widest, {"gap_tolerance": tolerance})
        if certificate.status == "converged":
            parts += (Stretch(low=first, high=last, label=certificate.label),)
        yield known(parts)


def _gapped(group: list[float], found: Mapping[float, Found], tolerance: float) -> bool:
    return all(found[x][0] >= tolerance for x in group)


def _farthest(
    mixture: Mixture,
    found: dict[float, Found],
    inside: float,
    limit: float,
    tolerance: float,
    close: float,
) -> float:
    """The last alpha towards ``limit`` to which the gap is proven open from ``inside``."""
    outside = limit
    while abs(outside - inside) > close:
        x = (inside + outside) / 2
        found[x] = mixture.smallest_gap(x)
        pair = sorted([(inside, found[inside][0]), (x, found[x][0])])
        if connected(mixture, pair[0], pair[1], tolerance):
            inside = x
        else:
            outside = x
    return inside


class Labeller:
    """Phases of the samples of one recipe.

    Parameters
    ----------
    recipe : PhaseDataRecipe
    start, end : Hoppings
        On the same lattice vectors (`dataset.common`).
    occupied : int
    line : Line
        Complete.
    """

    def __init__(
        self, recipe: PhaseDataRecipe, start: Hoppings, end: Hoppings, occupied: int, line: Line
    ) -> None:
        self.recipe, self.start, self.end = recipe, start, end
        self.occupied, self.line = occupied, line
        self.span = recipe.alpha[1] - recipe.alpha[0]
        self.mesh = search_mesh(start, max(dimension(start), dimension(end)))
        self.even = time_reversal(start).holds and time_reversal(end).holds
        self.basis = reciprocal_basis(start)
        self._least = _LEAST * recipe.gap_tolerance

    def label(self, alpha: float, seed: int) -> Labelled:
        """The phase of one sample; ``seed`` -1 is one without noise."""
        delta = noise_of(self.recipe, self.start, seed)
        h = interpolate(self.start, self.end, alpha)
        if delta is None:
            for part in self.line.stretches:
                if part.low <= alpha <= part.high:
                    gap, k = self._followed(h, alpha)
                    return Labelled(label=part.label, gap=gap, k=k, via=VIA[1])
            return self._certified(h)
        h = add(h, delta)
        # Noise that breaks time reversal can leave a phase without closing a gap.
        if self.even and self.recipe.mode == "time-reversal":
            gap, k = direct_gap(h, self.occupied, grid_energies(h, self.mesh))
            found = self._connected(h, alpha) if gap > self._least else None
            if found is not None:
                return Labelled(label=found, gap=gap, k=k, via=VIA[2])
        return self._certified(h)

    def _certified(self, h: Hoppings) -> Labelled:
        certificate = classify(h, self.occupied, gap_tolerance=self.recipe.gap_tolerance)
        gap, k = smallest(certificate)
        return Labelled(label=certificate.label, gap=gap, k=k, via=VIA[0])

    def _followed(self, h: Hoppings, alpha: float) -> tuple[float, Floats]:
        """The gap, followed downhill from where it is for the neighbours on the line."""
        place = int(np.searchsorted(self.line.alpha, alpha))
        near = self.line.k[max(0, place - 2) : place + 2]

        def square(k: Floats) -> Floats:
            e = energies(h, k.reshape(-1, 3))
            gap = e[:, self.occupied] - e[:, self.occupied - 1]
            return np.asarray(gap.reshape(k.shape[:-1])) ** 2

        k, value = minimise(square, near, 0.02, self.basis, live=np.array(self.mesh) > 1, rounds=5)
        best = int(value.argmin())
        return float(np.sqrt(value[best])), wrap(k[best])

    def _connected(self, h: Hoppings, alpha: float) -> Label | None:
        """The phase of the nearest stretch, when the gap stays open from there to ``h``."""
        part = min(
            self.line.stretches,
            key=lambda part: max(part.low - alpha, alpha - part.high),
            default=None,
        )
        if part is None or max(part.low - alpha, alpha - part.high) > _NEAR * self.span:
            return None
        towards = 1.0 if part.high - alpha > alpha - part.low else -1.0
        for detour in _DETOUR:
            origin = float(np.clip(alpha + towards * detour * self.span, part.low, part.high))
            if self._gap_on_line(origin) < self._least:
                continue
            base = interpolate(self.start, self.end, origin)
            found = stays_open(base, h, self.occupied, self.mesh, even=True)
            if found.open:
                return part.label
            if found.margin <= 0:
                return None
        return None

    def _gap_on_line(self, alpha: float) -> float:
        return float(np.interp(alpha, self.line.alpha, self.line.gap))


def smallest(certificate: Certificate) -> tuple[float, Floats]:
    """Smallest direct gap of a certificate and where; 0 at a node."""
    if certificate.nodes:
        node = min(certificate.nodes, key=lambda node: node.gap)
        return max(0.0, node.gap), np.asarray(node.k)
    if certificate.gaps is None:
        return float("nan"), np.full(3, np.nan)
    direct = certificate.gaps.direct
    return direct.energy, direct.k_lower
