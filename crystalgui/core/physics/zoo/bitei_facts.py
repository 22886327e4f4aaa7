"""What a BiTeI parameter set means: measured, not assumed.

Gaps and Rashba splitting at ambient pressure, the window of pressure in which
the gap is closed, and the invariants on both sides.  Weyl nodes are made in
pairs on A-H and meet again in the mirror planes (Liu and Vanderbilt, Phys.
Rev. B 90, 155316 (2014)), so the edges of the window are the two pressures at
which the gap closes on that line and in that plane.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import energies, hamiltonian
from crystalgui.core.physics.gaps import gaps
from crystalgui.core.physics.zoo.bitei import BiTeIParameters, bitei_with, structure
from crystalgui.core.physics.zoo.bitei_fit import OCCUPIED, Sampler, levels_at_a

Floats = NDArray[np.float64]

A_POINT = np.array([0.0, 0.0, 0.5])
_A_H = np.array([1 / 3, 1 / 3, 0.0])
_A_L = np.array([0.5, 0.0, 0.0])
_RASHBA_STEP = 1e-3
"""Distance from A at which the linear splitting is measured, 1/Angstrom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Measured properties of a parameter set.

    Attributes
    ----------
    direct_gap, indirect_gap : float, eV
        Of the whole zone at ambient pressure.
    edge_distance : float, 1/Angstrom
        Of the smallest direct gap from A.
    rashba_energy : float, eV
        Conduction band at A minus its minimum on A-H.
    rashba_k : float, 1/Angstrom
    rashba_slope : float, eV Angstrom
        Half of the splitting near A over the distance from A.
    crystal_field : float, eV
        Highest occupied J_z = +-1/2 level at A above the highest +-3/2 one.
    conduction_field : float, eV
        Lowest empty J_z = +-3/2 level at A above the lowest +-1/2 one.
    opening, closing : float
        Reduced pressures between which there are Weyl nodes.
    nodes : int
        Weyl nodes in the middle of that window.
    chirality : int
        Their sum.
    z2 : tuple of (x, indices)
        Strong and weak indices; None where they did not converge.
    """

    direct_gap: float
    indirect_gap: float
    edge_distance: float
    rashba_energy: float
    rashba_k: float
    rashba_slope: float
    crystal_field: float
    conduction_field: float
    opening: float
    closing: float
    nodes: int
    chirality: int
    z2: tuple[tuple[float, tuple[int, ...] | None], ...]


def direction(x: float, reduced: Floats) -> Floats:
    """A reduced direction (3,) scaled to a length of 1/Angstrom at pressure x."""
    lattice, _ = structure(x)
    return np.asarray(reduced / np.linalg.norm(reduced @ (2 * np.pi * np.linalg.inv(lattice).T)))


def gap_on_line(parameters: BiTeIParameters, x: float, distance: float) -> float:
    """Direct gap on A-H at a distance from A in 1/Angstrom, eV."""
    k = A_POINT + distance * direction(x, _A_H)
    e = Sampler(x, k[None]).energies(parameters)[0]
    return float(e[OCCUPIED] - e[OCCUPIED - 1])


def gap_in_mirror(parameters: BiTeIParameters, x: float, distance: float, depth: float) -> float:
    """Direct gap in the mirror plane, at kz = 1/2 + depth (reduced), eV."""
    k = A_POINT + distance * direction(x, _A_L) + np.array([0, 0, depth])
    e = Sampler(x, k[None]).energies(parameters)[0]
    return float(e[OCCUPIED] - e[OCCUPIED - 1])


def weyl_window(
    parameters: BiTeIParameters, start: float = 0.2, stop: float = 1.9
) -> tuple[float, float]:
    """Reduced pressures at which the gap closes on A-H, and in the mirror plane."""
    pressures = np.linspace(start, stop, 18)
    on_line = [
        (gap_on_line(parameters, x, d), x, d) for x in pressures for d in np.arange(1, 9) * 0.01
    ]
    _, x, d = min(on_line)
    opening = _zero(lambda v: gap_on_line(parameters, v[0], v[1]), [x, d], [0.05, 0.01])
    in_plane = [
        (gap_in_mirror(parameters, x, d, z), d, z)
        for x in (opening[0],)
        for d in np.arange(1, 9) * 0.01
        for z in np.linspace(-0.04, 0.04, 17)
    ]
    _, d, z = min(in_plane)
    closing = _zero(
        lambda v: gap_in_mirror(parameters, v[0], v[1], v[2]),
        [opening[0] + 0.01, d, z],
        [0.03, 0.005, 0.005],
    )
    return float(opening[0]), float(closing[0])


def _zero(function: Callable[[Floats], float], start: list[float], step: list[float]) -> Floats:
    """Where a gap is smallest, in units of natural steps."""
    from scipy.optimize import minimize

    origin, unit = np.array(start), np.array(step)

    def scaled(place: Floats) -> float:
        return function(origin + unit * place)

    best: Floats = np.zeros(len(origin))
    for _ in range(3):
        found = minimize(
            scaled,
            best,
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-10, "maxfev": 600},
        )
        best = np.asarray(found.x)
    return np.asarray(origin + unit * best)


def measure(parameters: BiTeIParameters) -> Facts:
    """All `Facts` of a parameter set; takes about a minute."""
    from scipy.optimize import minimize_scalar

    from crystalgui.core.physics.symmetries import spectral_group
    from crystalgui.core.physics.weyl import find_nodes
    from crystalgui.core.physics.z2 import z2

    h = bitei_with(parameters)
    found = gaps(h, OCCUPIED)
    lattice, _ = structure(0.0)
    apart = np.abs(found.direct.k_lower) - A_POINT
    away = np.asarray(found.direct.k_lower) * [1, 1, 0] + [0, 0, apart[2]]
    to_h = direction(0.0, _A_H)

    def conduction(distance: float) -> float:
        return float(energies(h, (A_POINT + distance * to_h)[None])[0, OCCUPIED])

    bottom = minimize_scalar(conduction, bounds=(0.0, 0.15), method="bounded")
    pair = energies(h, (A_POINT + _RASHBA_STEP * to_h)[None])[0, OCCUPIED : OCCUPIED + 2]
    half, three_halves = levels_at_a(hamiltonian(h, A_POINT))
    opening, closing = weyl_window(parameters)
    middle = bitei_with(parameters, (opening + closing) / 2)
    search = find_nodes(
        middle, OCCUPIED, group=spectral_group(middle), time_reversal=True, finer=True
    )
    pressures = (0.0, round(opening - 0.05, 2), round(closing + 0.05, 2), 2.0)
    return Facts(
        direct_gap=found.direct.energy,
        indirect_gap=found.indirect.energy,
        edge_distance=float(np.linalg.norm(away @ (2 * np.pi * np.linalg.inv(lattice).T))),
        rashba_energy=conduction(0.0) - float(bottom.fun),
        rashba_k=float(bottom.x),
        rashba_slope=float(pair[1] - pair[0]) / 2 / _RASHBA_STEP,
        crystal_field=float(half[3] - three_halves[1]),
        conduction_field=float(three_halves[2] - half[4]),
        opening=opening,
        closing=closing,
        nodes=len(search.nodes),
        chirality=sum(n.chirality or 0 for n in search.nodes),
        z2=tuple((x, z2(bitei_with(parameters, x), OCCUPIED).indices) for x in pressures),
    )


def as_json(facts: Facts) -> dict[str, object]:
    """Plain numbers, rounded to what can be trusted."""
    rounded: dict[str, object] = {
        name: round(value, 5) if isinstance(value, float) else value
        for name, value in asdict(facts).items()
    }
    rounded["z2"] = [{"x": x, "indices": indices} for x, indices in facts.z2]
    return rounded
