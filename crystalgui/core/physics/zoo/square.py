"""Chain, square and cubic models: SSH, BHZ, the cubic four-band insulator, a Weyl semimetal.

Su, Schrieffer, Heeger, Phys. Rev. Lett. 42, 1698 (1979); Bernevig, Hughes,
Zhang, Science 314, 1757 (2006), on a lattice; Zhang et al., Nature Phys. 5,
438 (2009), on a cubic lattice; a two-band Weyl semimetal as in Yang, Lu, Ran,
Phys. Rev. B 84, 075129 (2011).
"""

from __future__ import annotations

import numpy as np

from crystalgui.core.physics.zoo.terms import S0, SX, SY, SZ, Terms
from crystalgui.core.structures.hoppings.model import Hoppings


def ssh(*, v: float = 1.0, w: float = 0.6, a: float = 2.0) -> Hoppings:
    """Dimerised chain along a: gap ``2 abs(v - w)`` at k = 1/2 (v w > 0)."""
    terms = Terms(2)
    terms.onsite(v * SX)
    terms.element(w, 1, 0, (1, 0, 0))
    return terms.build(
        lattice=np.diag([a, 10.0, 10.0]),
        title=f"SSH chain, v={v:g} w={w:g}",
        occupied=1,
        centres=[[0.0, 0, 0], [0.5, 0, 0]],
    )


def bhz(*, A: float = 0.5, B: float = 1.0, M: float = 2.0, a: float = 5.0) -> Hoppings:
    """Quantum spin Hall model; orbitals s up, p up, s down, p down.

    d3 = -2B (2 - M/2B - cos kx - cos ky): direct gaps at Gamma, X and M are
    ``2 abs(M)``, ``2 abs(M - 4B)`` and ``2 abs(M - 8B)``.
    """
    terms = Terms(4)
    terms.onsite((M - 4 * B) * np.kron(S0, SZ))
    for axis in (0, 1):
        terms.cosine(axis, 2 * B * np.kron(S0, SZ))
    terms.sine(0, A * np.kron(SZ, SX))
    terms.sine(1, A * np.kron(S0, SY))
    return terms.build(
        lattice=np.diag([a, a, 10.0]),
        title=f"BHZ model, A={A:g} B={B:g} M={M:g}",
        occupied=2,
        centres=np.zeros((4, 3)),
    )


def cubic(*, A: float = 1.0, B: float = 1.0, M: float = 2.0, a: float = 4.0) -> Hoppings:
    """Topological insulator on a cube; H = A sum sin k_i tx s_i + [M - 2B sum(1 - cos k_i)] tz.

    Basis spin x orbital (orbitals s, p for up, then for down).  Direct gaps at
    Gamma, X, M, R: ``2 abs(M - 4 B n)`` with n = 0, 1, 2, 3.
    """
    terms = Terms(4)
    mass = np.kron(S0, SZ)
    terms.onsite((M - 6 * B) * mass)
    for axis, spin in enumerate((SX, SY, SZ)):
        terms.cosine(axis, 2 * B * mass)
        terms.sine(axis, A * np.kron(spin, SX))
    return terms.build(
        lattice=np.eye(3) * a,
        title=f"cubic four-band model, A={A:g} B={B:g} M={M:g}",
        occupied=2,
        centres=np.zeros((4, 3)),
    )


def weyl(*, A: float = 1.0, M0: float = 1.0, M1: float = 1.0, a: float = 4.0) -> Hoppings:
    """Two-band Weyl semimetal without time reversal.

    H = A (sin kx sx + sin ky sy) + [M0 - 2 M1 sum(1 - cos k_i)] sz, with nodes
    at kx = ky = 0, cos kz = 1 - M0 / (2 M1): (0, 0, +-pi/3) by default.
    """
    terms = Terms(2)
    terms.onsite((M0 - 6 * M1) * SZ)
    for axis in range(3):
        terms.cosine(axis, 2 * M1 * SZ)
    terms.sine(0, A * SX)
    terms.sine(1, A * SY)
    return terms.build(
        lattice=np.eye(3) * a,
        title=f"two-band Weyl semimetal, A={A:g} M0={M0:g} M1={M1:g}",
        occupied=1,
        centres=np.zeros((2, 3)),
    )
