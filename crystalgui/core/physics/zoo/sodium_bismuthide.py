"""Na3Bi, a Dirac semimetal: the k.p model of its band inversion, on a hexagonal lattice.

Wang et al., Phys. Rev. B 85, 195320 (2012), eq. (1) and its parameters,
without the cubic term B(k).  On the lattice (simple hexagonal, a = 5.448 and
c = 9.655 Angstrom, axis along z) k_x and k_y become sines and k_x^2 + k_y^2
cosines of the three shortest hops in the plane; k_z^2 becomes
(5/2 - 8/3 cos + 1/6 cos 2) / c^2, which is right to fourth order, so that the
nodes stay at 0.0903 1/Angstrom.
"""

from __future__ import annotations

import numpy as np

from crystalgui.core.physics.zoo.terms import S0, SX, SY, SZ, Terms
from crystalgui.core.structures.hoppings.model import Hoppings

A, C = 5.448, 9.655
C0, C1, C2 = -0.06382, 8.7536, -8.4008
M0, M1, M2 = -0.08686, -10.6424, -10.3610
COUPLING = 2.4598
_HOPS = ((1, 0, 0), (0, 1, 0), (-1, -1, 0))


def na3bi(*, zeeman: float = 0.0, strain: float = 0.0) -> Hoppings:
    """Lattice model of Na3Bi; orbitals S, P with J_z > 0, then with J_z < 0; 2 occupied.

    Parameters
    ----------
    zeeman : float, eV
        Exchange field along c that moves S and P of one spin in opposite
        directions (the difference of their g factors; the common part would
        only shift the spins against each other).  The nodes, fourfold without
        it, split along k_z into Weyl nodes of opposite chirality.
    strain : float, eV
        Added to M0, the depth of the band inversion (-0.08686); above 0.08686
        the inversion is gone.
    """
    lattice = np.array([[A, 0, 0], [-A / 2, A * np.sqrt(3) / 2, 0], [0, 0, C]])
    unit = np.kron(S0, S0)
    mass = np.kron(S0, SZ)
    terms = Terms(4)
    # E = e0 + d kz^2 + g (kx^2 + ky^2) for the unit matrix and, with M's signs, the mass.
    for matrix, e0, d, g in ((unit, C0, C1, C2), (mass, M0 + strain, -M1, -M2)):
        planar = 4 / (3 * A**2) * g
        terms.onsite((e0 + 2.5 * d / C**2 + 3 * planar) * matrix)
        terms.cosine(2, -8 / 3 * d / C**2 * matrix)
        terms.hop((0, 0, 2), d / C**2 / 12 * matrix)
        for hop in _HOPS:
            terms.hop(hop, -planar / 2 * matrix)
    for hop in _HOPS:
        x, y = (np.array(hop) @ lattice)[:2] / A
        # A (kx tx sz - ky ty): S and P of one spin differ by one unit of J_z.
        along = x * np.kron(SZ, SX) - y * np.kron(S0, SY)
        terms.hop(hop, COUPLING * 2 / (3 * A) * along / 2j)
    terms.onsite(zeeman * np.kron(SZ, SZ))
    return terms.build(
        lattice=lattice,
        title=f"Na3Bi, k.p on a hexagonal lattice, zeeman={zeeman:g} strain={strain:g}",
        occupied=2,
        centres=np.zeros((4, 3)),
    )
