"""Fu, Kane and Mele's topological insulator on the diamond lattice.

Phys. Rev. Lett. 98, 106803 (2007), eq. (5): nearest-neighbour hopping t,
scaled on each of the four bonds, and i (8 lambda / a^2) s.(d1 x d2) between
second neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crystalgui.core.physics.zoo.terms import S0, SX, SY, SZ, Terms
from crystalgui.core.structures.hoppings.model import Hoppings

_CELLS = ((0, 0, 0), (-1, 0, 0), (0, -1, 0), (0, 0, -1))
"""Cells of the four B sites next to the A site at home."""


def fu_kane_mele(
    *,
    t: float = 1.0,
    spin_orbit: float = 0.125,
    bonds: Sequence[float] = (1.4, 1.0, 1.0, 1.0),
    staggered: float = 0.0,
    a: float = 5.43,
) -> Hoppings:
    """Diamond lattice with spin-orbit coupling; orbitals A up, B up, A down, B down.

    Parameters
    ----------
    t, spin_orbit, staggered : float, eV
    bonds : four floats
        Factor of t on each bond; (1, 1, 1, 1) has Dirac points at the three X.
    a : float
        Cubic lattice constant, Angstrom.
    """
    lattice = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) * a / 2
    sites = np.array([[0.0, 0, 0], [0.25, 0.25, 0.25]])
    terms = Terms(4)
    terms.onsite(np.kron(S0, np.diag([staggered, -staggered])))
    to_b = np.array([[0, 1], [0, 0]])
    for factor, cell in zip(bonds, _CELLS, strict=True):
        terms.hop(cell, np.kron(t * factor * S0, to_b))
    arms = (sites[1] + np.array(_CELLS)) @ lattice
    for first in range(4):
        for second in range(first):
            cell = np.array(_CELLS[first]) - np.array(_CELLS[second])
            turn = np.cross(arms[first], -arms[second]) * 8 / a**2
            spin = 1j * spin_orbit * (turn[0] * SX + turn[1] * SY + turn[2] * SZ)
            terms.hop(cell.tolist(), np.kron(spin, np.diag([1.0, -1.0])))
    names = ",".join(f"{b:g}" for b in bonds)
    return terms.build(
        lattice=lattice,
        title=f"Fu-Kane-Mele diamond, t={t:g} lSO={spin_orbit:g} bonds={names} lv={staggered:g}",
        occupied=2,
        centres=np.concatenate([sites, sites]),
        species=[14, 14],
        frac=sites,
    )
