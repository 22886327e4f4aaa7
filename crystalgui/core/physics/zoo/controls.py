"""Trivial insulators in one and two dimensions: what every invariant must call zero.

The occupied states are one atomic orbital each, at any k.
"""

from __future__ import annotations

import numpy as np

from crystalgui.core.physics.zoo.terms import S0, SX, SY, SZ, Terms
from crystalgui.core.structures.hoppings.model import Hoppings


def trivial_chain(*, gap: float = 1.0, t: float = 0.25, a: float = 3.0) -> Hoppings:
    """Two orbitals on a chain, (gap/2 + 2 t (1 - cos k)) tau_z: the gap is at k = 0 for t > 0."""
    terms = Terms(2)
    terms.onsite((gap / 2 + 2 * t) * SZ)
    terms.cosine(0, -2 * t * SZ)
    return terms.build(
        lattice=np.diag([a, 10.0, 10.0]),
        title=f"trivial chain, gap={gap:g} t={t:g}",
        occupied=1,
        centres=np.zeros((2, 3)),
    )


def trivial_square(
    *, gap: float = 1.0, t: float = 0.25, rashba: float = 0.0, a: float = 4.0
) -> Hoppings:
    """Two orbitals with spin on a square, (gap/2 + 2 t sum(1 - cos k_i)) tau_z + Rashba.

    Without the Rashba term ``rashba (sin kx sy - sin ky sx)`` the gap is at
    Gamma.  Orbitals s up, p up, s down, p down.
    """
    terms = Terms(4)
    mass = np.kron(S0, SZ)
    terms.onsite((gap / 2 + 4 * t) * mass)
    for axis in (0, 1):
        terms.cosine(axis, -2 * t * mass)
    terms.sine(0, rashba * np.kron(SY, S0))
    terms.sine(1, -rashba * np.kron(SX, S0))
    return terms.build(
        lattice=np.diag([a, a, 10.0]),
        title=f"trivial square lattice, gap={gap:g} t={t:g} rashba={rashba:g}",
        occupied=2,
        centres=np.zeros((4, 3)),
    )
