"""Honeycomb models: Haldane 1988 and Kane-Mele 2005.

Haldane, Phys. Rev. Lett. 61, 2015 (1988), eq. (1); Kane and Mele, Phys. Rev.
Lett. 95, 146802 (2005), eq. (1).  Vectors a1 = (1, 0), a2 = (1/2, sqrt(3)/2),
sites at (1/3, 1/3) and (2/3, 2/3).  All hoppings are in units of eV.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.zoo.terms import HOME, S0, SX, SY, SZ, Terms
from crystalgui.core.structures.hoppings.model import Hoppings

CARBON = 6
_LATTICE = np.array([[1.0, 0, 0], [0.5, np.sqrt(3) / 2, 0], [0, 0, 1]])
_SITES = np.array([[1 / 3, 1 / 3, 0], [2 / 3, 2 / 3, 0]])
_BONDS = (HOME, (-1, 0, 0), (0, -1, 0))
"""Cells of the B sites next to the A site at home."""
_NEXT = ((1, 0, 0), (-1, 1, 0), (0, -1, 0))
"""Second neighbours A -> A that turn one way round the empty hexagon."""


def _cell(a: float, c: float) -> NDArray[np.float64]:
    return np.asarray(_LATTICE * np.array([[a], [a], [c]]))


def haldane(
    *,
    t1: float = 1.0,
    t2: float = 0.1,
    phi: float = np.pi / 2,
    mass: float = 0.0,
    a: float = 2.46,
    c: float = 10.0,
) -> Hoppings:
    """Spinless honeycomb model with staggered mass and complex second neighbours.

    On-site -mass and +mass; the transition is at
    ``abs(mass / t2) = 3 sqrt(3) abs(sin(phi))``.  At ``mass = 0``,
    ``phi = pi/2`` and small t2 the gap is ``6 sqrt(3) t2`` at K.
    """
    terms = Terms(2)
    terms.onsite(np.diag([-mass, mass]))
    for cell in _BONDS:
        terms.element(t1, 0, 1, cell)
    for cell in _NEXT:
        terms.element(t2 * np.exp(1j * phi), 0, 0, cell)
        terms.element(t2 * np.exp(-1j * phi), 1, 1, cell)
    return terms.build(
        lattice=_cell(a, c),
        title=f"Haldane model, t1={t1:g} t2={t2:g} phi={phi:.6g} M={mass:g}",
        occupied=1,
        centres=_SITES,
        species=[CARBON, CARBON],
        frac=_SITES,
    )


def kane_mele(
    *,
    t: float = 1.0,
    spin_orbit: float = 0.06,
    rashba: float = 0.0,
    staggered: float = 0.1,
    a: float = 2.46,
    c: float = 10.0,
) -> Hoppings:
    """Honeycomb model of the quantum spin Hall effect; orbitals A up, B up, A down, B down.

    Without Rashba coupling the gap at K is
    ``2 abs(3 sqrt(3) spin_orbit - abs(staggered))``.
    """
    terms = Terms(4)
    stagger = np.diag([1.0, -1.0])
    terms.onsite(np.kron(S0, staggered * stagger))
    cart = _LATTICE[:2, :2]
    for cell in _BONDS:
        bond = (_SITES[1, :2] + np.array(cell[:2]) - _SITES[0, :2]) @ cart
        d = bond / np.linalg.norm(bond)
        only = np.array([[0, 1], [0, 0]], dtype=np.complex128)
        # i (s x d)_z = i (sx dy - sy dx)
        spin = t * S0 + 1j * rashba * (SX * d[1] - SY * d[0])
        terms.hop(cell, np.kron(spin, only))
    for cell in _NEXT:
        terms.hop(cell, np.kron(1j * spin_orbit * SZ, stagger))
    return terms.build(
        lattice=_cell(a, c),
        title=f"Kane-Mele model, t={t:g} lSO={spin_orbit:g} lR={rashba:g} lv={staggered:g}",
        occupied=2,
        centres=np.concatenate([_SITES, _SITES]),
        species=[CARBON, CARBON],
        frac=_SITES,
    )
