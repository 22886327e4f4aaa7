"""Fit of the BiTeI model: gap, Rashba splitting, crystal field and phase path at once.

``python -m crystalgui.core.physics.zoo.bitei_fit`` repeats the search from
the settings in ``resources/recipes/bitei-fit.json``.  The targets are those
of the literature: a gap of 0.25-0.40 eV with its edges on A-H, a Rashba
energy near 100 meV at 0.052 1/Angstrom in the conduction band (Ishizaka et
al., Nature Mater. 10, 521 (2011)), band edges of one angular momentum,
J_z = +-1/2 (Bahramy, Arita, Nagaosa, Phys. Rev. B 84, 041202 (2011)), and a
gap that closes on A-H under pressure (Bahramy et al., Nature Commun. 3, 679
(2012); Liu and Vanderbilt, Phys. Rev. B 90, 155316 (2014)).

The search is an evolution strategy with covariance-matrix adaptation
(Hansen, Muller, Koumoutsakos, Evol. Comput. 11, 1 (2003)) over logarithms
and energies.  It only looks at energies on a few lines through A; what it
finds is judged afterwards by gaps and invariants of the whole zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.zoo.bitei import (
    P22,
    BiTeIParameters,
    blocks,
    bonds,
    local,
    structure,
)

Floats = NDArray[np.float64]

OCCUPIED = 12
_SPACING = 0.01
_RADII = np.arange(17) * _SPACING
"""Distances from A on the lines, 1/Angstrom."""
_DEPTHS = np.array([-0.03, -0.02, -0.014, -0.009, -0.005, 0.005, 0.009, 0.014, 0.02, 0.03])
"""Distances from the plane kz = 1/2 in the mirror plane, reduced."""
_ELSEWHERE = np.array(
    [
        (0, 0, 0),
        (0, 0, 0.25),
        (0, 0, 0.4),
        (0.06, 0.06, 0),
        (0.12, 0.12, 0),
        (0.1, 0, 0),
        (0.1, 0, 0.25),
        (0.1, 0, 0.35),
        (0.1, 0.1, 0.35),
        (0.5, 0, 0),
        (0.5, 0, 0.25),
        (0.5, 0, 0.5),
        (0.25, 0, 0),
        (0.25, 0, 0.25),
        (0.25, 0, 0.5),
        (1 / 3, 1 / 3, 0),
        (1 / 3, 1 / 3, 0.5),
        (1 / 6, 1 / 6, 0),
        (1 / 6, 1 / 6, 0.25),
        (1 / 6, 1 / 6, 0.5),
    ]
)
PRESSURES = (0.0, 0.4, 0.7, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 2.0)
"""Reduced pressures at which the gap near A is looked at."""


def near_points(x: float) -> Floats:
    """Points k (m, 3) reduced near A: on A-H, on A-L, and in the mirror plane A-L-M."""
    lattice, _ = structure(x)
    reciprocal = 2 * np.pi * np.linalg.inv(lattice).T
    a_point = np.array([0, 0, 0.5])
    lines = []
    for direction in ((1 / 3, 1 / 3, 0.0), (0.5, 0.0, 0.0)):
        step = np.array(direction)
        lines.append(a_point + _RADII[:, None] * step / np.linalg.norm(step @ reciprocal))
    mirror = lines[1][1:9, None, :] - _DEPTHS[:, None] * np.array([0, 0, 1.0])
    return np.concatenate([*lines, mirror.reshape(-1, 3)])


class Sampler:
    """Energies of the model at fixed k-points and pressure, for many parameter sets."""

    def __init__(self, x: float, k: Floats) -> None:
        cells, self._atoms, self._vectors = bonds(x)
        self._phases = np.exp(2j * np.pi * k @ cells.T)
        pair = self._atoms[:, 0] * 3 + self._atoms[:, 1]
        self._groups = [(p // 3, p % 3, np.flatnonzero(pair == p)) for p in np.unique(pair)]

    def hamiltonian(self, parameters: BiTeIParameters) -> NDArray[np.complex128]:
        """H(k), (k, 18, 18) in eV."""
        table = blocks(parameters, self._atoms, self._vectors).reshape(-1, 9)
        count = len(self._phases)
        half = np.zeros((count, 9, 9), dtype=np.complex128)
        for i, j, group in self._groups:
            part = (self._phases[:, group] @ table[group]).reshape(count, 3, 3)
            half[:, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3] = part
        spinless = half + half.conj().swapaxes(1, 2)
        h = np.zeros((count, 18, 18), dtype=np.complex128)
        h[:, :9, :9] = spinless
        h[:, 9:, 9:] = spinless
        return np.asarray(h + local(parameters))

    def energies(self, parameters: BiTeIParameters) -> Floats:
        """(k, 18) ascending, eV."""
        return np.asarray(np.linalg.eigvalsh(self.hamiltonian(parameters)))


def levels_at_a(h: NDArray[np.complex128]) -> tuple[Floats, Floats]:
    """Levels of H(A) (18, 18) with J_z = 1/2 (6) and with J_z = 3/2 (3), ascending in eV."""
    plus = np.array([1, 1j, 0]) / np.sqrt(2)
    vectors = np.zeros((9, 18), dtype=np.complex128)
    for atom in range(3):
        vectors[2 * atom, 3 * atom + 2] = 1
        vectors[2 * atom + 1, 9 + 3 * atom : 12 + 3 * atom] = plus
        vectors[6 + atom, 3 * atom : 3 * atom + 3] = plus
    block = vectors.conj() @ h @ vectors.T
    half, three_halves = np.linalg.eigvalsh(block[:6, :6]), np.linalg.eigvalsh(block[6:, 6:])
    return np.asarray(half), np.asarray(three_halves)


@dataclass(frozen=True, slots=True, kw_only=True)
class NearA:
    """What the search looks at.

    Attributes
    ----------
    gaps : (p,) float64, eV
        Smallest direct gap near A at each of `PRESSURES`.
    warping : float, eV
        Smallest gap on A-L and in the mirror plane minus that on A-H, shortly
        before the closing.  Nodes are made on A-H and meet again in the
        mirror plane, so this makes the Weyl phase wide.
    rashba_energy : float, eV
        Conduction band at A minus its smallest value on A-H, at ambient
        pressure.
    rashba_k : float, 1/Angstrom
        Distance of that minimum from A.
    rashba_slope : float, eV Angstrom
        Half of the splitting of the conduction pair per distance from A.
    crystal_field : float, eV
        Highest occupied level with J_z = +-1/2 above the one with +-3/2, at A.
    conduction_field : float, eV
        Lowest empty level with J_z = +-3/2 above the one with +-1/2, at A.
    margin : (4,) float64, eV
        How far conduction and valence band elsewhere stay away from the band
        edges near A: conduction and valence at x = 0, then at x = 2.
    far_gap : float, eV
        Smallest direct gap elsewhere, at any of `PRESSURES`.
    """

    gaps: Floats
    warping: float
    rashba_energy: float
    rashba_k: float
    rashba_slope: float
    crystal_field: float
    conduction_field: float
    margin: Floats
    far_gap: float


class Search:
    """Everything that does not depend on the parameters, made once."""

    def __init__(self) -> None:
        self._samplers = [
            Sampler(x, np.concatenate([near_points(x), _ELSEWHERE])) for x in PRESSURES
        ]

    def near_a(self, parameters: BiTeIParameters) -> NearA:
        """The quantities of one parameter set."""
        line, near = len(_RADII), -len(_ELSEWHERE)
        tables = [s.energies(parameters) for s in self._samplers]
        direct = np.array([e[:near, 12] - e[:near, 11] for e in tables])
        on_a_h, elsewhere = direct[:, :line].min(axis=1), direct[:, line:].min(axis=1)
        smallest = np.minimum(on_a_h, elsewhere)
        closing = int(smallest[3:9].argmin()) + 3
        before = max(i for i in range(closing + 1) if i == 0 or on_a_h[i] > 0.03)
        margin = []
        for e in (tables[0], tables[-1]):
            margin.append(e[near:, 12].min() - e[:near, 12].min())
            margin.append(e[:near, 11].max() - e[near:, 11].max())
        on_h = tables[0][:line]
        best = int(on_h[:, 12].argmin())
        rashba_k = float(_RADII[best])
        if 0 < best < len(_RADII) - 1:
            left, here, right = on_h[best - 1 : best + 2, 12]
            rashba_k += _SPACING * float((left - right) / (left - 2 * here + right)) / 2
        half, threehalf = levels_at_a(self._samplers[0].hamiltonian(parameters)[0])
        return NearA(
            gaps=smallest,
            warping=float(elsewhere[before] - on_a_h[before]),
            rashba_energy=float(on_h[0, 12] - on_h[best, 12]),
            rashba_k=rashba_k,
            rashba_slope=float((on_h[1, 13] - on_h[1, 12]) / 2 / _RADII[1]),
            crystal_field=float(half[3] - threehalf[1]),
            conduction_field=float(threehalf[2] - half[4]),
            margin=np.array(margin),
            far_gap=float(min((e[near:, 12] - e[near:, 11]).min() for e in tables)),
        )


def cost(seen: NearA) -> float:
    """Squared distance from the targets, each in units of its tolerance."""
    closing = float(seen.gaps[3:9].min())
    terms = [
        (seen.gaps[0] - 0.31) / 0.02,
        max(0.0, WARPING - seen.warping) / 0.003,
        (seen.rashba_energy - 0.1) / 0.01,
        (seen.rashba_k - 0.052) / 0.005,
        (seen.rashba_slope - 3.8) / 0.5,
        max(0.0, 0.10 - seen.crystal_field) / 0.02,
        max(0.0, 0.20 - seen.conduction_field) / 0.02,
        max(0.0, 0.16 - seen.gaps[1]) / 0.02,
        max(0.0, 0.08 - seen.gaps[2]) / 0.02,
        max(0.0, closing - 0.004) / 0.01,
        max(0.0, 0.05 - seen.gaps[9]) / 0.01,
        max(0.0, 0.12 - seen.gaps[10]) / 0.02,
        *np.maximum(0.0, 0.15 - seen.margin) / 0.03,
        max(0.0, 0.45 - seen.far_gap) / 0.05,
    ]
    return float(np.square(terms).sum())


def encode(p: BiTeIParameters) -> Floats:
    """Free numbers of a set (18,): energies in eV, logarithms of the rest.

    The level of Bi is left out: it only shifts all energies.
    """
    return np.array(
        [
            *p.onsite[1:],
            *np.log(p.spin_orbit),
            *p.crystal_field,
            np.log(p.sigma),
            np.log(-p.pi),
            np.log(p.sigma_decay),
            np.log(p.pi_decay),
            *np.log(p.factors),
        ]
    )


WARPING = 0.012
"""Wanted warping of the gap, eV."""

SCALE = np.array([0.3, 0.3, *[0.05] * 3, *[0.3] * 3, *[0.15] * 2, *[0.15] * 2, *[0.2] * 6])
"""A natural step of each free number."""


def decode(v: Floats) -> BiTeIParameters:
    """The inverse of `encode`."""
    f = [float(x) for x in v]
    e = [float(x) for x in np.exp(v)]
    return BiTeIParameters(
        onsite=(P22.onsite[0], f[0], f[1]),
        spin_orbit=(e[2], e[3], e[4]),
        crystal_field=(f[5], f[6], f[7]),
        sigma=e[8],
        pi=-e[9],
        sigma_decay=e[10],
        pi_decay=e[11],
        factors=(e[12], e[13], e[14], e[15], e[16], e[17]),
    )


def evolve(
    function: Callable[[Floats], float],
    size: int,
    *,
    seed: int,
    generations: int,
    population: int = 16,
    step: float = 0.5,
) -> Iterator[tuple[int, float, Floats]]:
    """Covariance-matrix adaptation from the origin; yields (generation, best cost, best place)."""
    rng = np.random.default_rng(seed)
    parents = population // 2
    weight = np.log(parents + 0.5) - np.log(np.arange(1, parents + 1))
    weight /= weight.sum()
    mass = 1 / np.square(weight).sum()
    c_sigma, damping = (mass + 2) / (size + mass + 5), 1 + (mass + 2) / (size + mass + 5)
    c_path = (4 + mass / size) / (size + 4 + 2 * mass / size)
    c_one = 2 / ((size + 1.3) ** 2 + mass)
    c_mu = min(1 - c_one, 2 * (mass - 2 + 1 / mass) / ((size + 2) ** 2 + mass))
    length = np.sqrt(size) * (1 - 1 / (4 * size) + 1 / (21 * size**2))
    mean, covariance = np.zeros(size), np.eye(size)
    path, path_sigma = np.zeros(size), np.zeros(size)
    best, place = np.inf, mean
    for generation in range(generations):
        values, axes = np.linalg.eigh(covariance)
        root = np.sqrt(np.maximum(values, 1e-20))
        steps = rng.standard_normal((population, size)) * root @ axes.T
        costs = np.array([function(mean + step * y) for y in steps])
        order = np.argsort(costs, kind="stable")
        if costs[order[0]] < best:
            best, place = float(costs[order[0]]), mean + step * steps[order[0]]
        yield generation, best, place
        chosen = steps[order[:parents]]
        move = weight @ chosen
        mean = mean + step * move
        path_sigma = (1 - c_sigma) * path_sigma + np.sqrt(c_sigma * (2 - c_sigma) * mass) * (
            axes @ ((axes.T @ move) / root)
        )
        fresh = np.linalg.norm(path_sigma) < (1.4 + 2 / (size + 1)) * length
        path = (1 - c_path) * path + fresh * np.sqrt(c_path * (2 - c_path) * mass) * move
        covariance = (
            (1 - c_one - c_mu) * covariance
            + c_one * np.outer(path, path)
            + c_mu * (chosen.T * weight) @ chosen
        )
        step *= float(np.exp((c_sigma / damping) * (np.linalg.norm(path_sigma) / length - 1)))
