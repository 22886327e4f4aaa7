"""BiTeI under pressure: 18 p orbitals, Slater-Koster hopping and spin-orbit coupling.

No first-principles hoppings of BiTeI are published, so this set was fitted
for this project to the known sequence trivial insulator -> gap closing near A
-> strong topological insulator (Bahramy et al., Nature Commun. 3, 679
(2012)).  The two-centre integrals follow Slater and Koster, Phys. Rev. 94,
1498 (1954).  Its Rashba offset is smaller than the measured one.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.zoo.terms import S0, SX, SY, SZ, Terms
from crystalgui.core.structures.hoppings.model import Hoppings

BI, TE, IODINE = 83, 52, 53
A0, C0 = 4.3402, 6.8217
CUT_OFF = 6.2

_ONSITE = (-4.3296, -6.5151, -7.8185)
_ZETA = (1.25, 0.49, 0.63)
_CRYSTAL_FIELD = (-0.4578, 1.4631, 0.9894)
_FACTOR = np.array([[0.3131, 1.1317, 1.3101], [1.1317, 0.6177, 0.5797], [1.3101, 0.5797, 1.0677]])


def _structure(x: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, c = A0 * (1 - 0.021 * x), C0 * (1 - 0.05 * x)
    lattice = np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]])
    te, iodine = 0.25 * C0 * a / A0, 0.3054 * C0 * a / A0
    frac = np.array([[0, 0, 0], [2 / 3, 1 / 3, -te / c], [1 / 3, 2 / 3, iodine / c]])
    return lattice, frac


def _pair(vector: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """p-p block (3, 3) for a bond, orbitals in the order x, y, z."""
    r = float(np.linalg.norm(vector))
    n = vector / r
    fade = 1 / (1 + np.exp((r - 5.2) / 0.15))
    sigma = 1.7238 * np.exp(-(r - 3.05) / 0.941)
    pi = -0.5567 * np.exp(-(r - 3.05) / 0.4124)
    block: NDArray[np.float64] = factor * fade * (pi * np.eye(3) + (sigma - pi) * np.outer(n, n))
    return block


def _angular_momentum() -> NDArray[np.complex128]:
    """(3, 3, 3): L_x, L_y, L_z on p orbitals x, y, z; (L_a)_bc = -i epsilon_abc."""
    levi = np.zeros((3, 3, 3), dtype=np.complex128)
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        levi[a, b, c], levi[a, c, b] = -1j, 1j
    return levi


def bitei(x: float = 0.0) -> Hoppings:
    """BiTeI at reduced pressure ``x`` (0: ambient; the gap closes near 1.2).

    18 orbitals: Bi, Te, I with p_x, p_y, p_z each, all up, then all down; 12
    occupied.  a = 4.3402 (1 - .021 x), c = 6.8217 (1 - .05 x) Angstrom.
    """
    lattice, frac = _structure(x)
    cart = frac @ lattice
    terms = Terms(18)
    local = np.zeros((9, 9))
    coupling = np.zeros((18, 18), dtype=np.complex128)
    momentum = _angular_momentum()
    for atom in range(3):
        own = slice(3 * atom, 3 * atom + 3)
        local[own, own] = np.diag([_ONSITE[atom]] * 3) + np.diag([0, 0, _CRYSTAL_FIELD[atom]])
        for spin, component in zip((SX, SY, SZ), momentum, strict=True):
            own_block = np.zeros((9, 9), dtype=np.complex128)
            own_block[own, own] = _ZETA[atom] * component
            coupling += np.kron(spin / 2, own_block)
    terms.onsite(np.kron(S0, local) + coupling)
    for cell in product(range(-3, 4), range(-3, 4), range(-2, 3)):
        if cell < (0, 0, 0):
            continue
        block = np.zeros((9, 9))
        for i, j in product(range(3), range(3)):
            bond = np.array(cell) @ lattice + cart[j] - cart[i]
            home = not any(cell)
            if np.linalg.norm(bond) > CUT_OFF or (home and j <= i):
                continue
            rows, columns = slice(3 * i, 3 * i + 3), slice(3 * j, 3 * j + 3)
            block[rows, columns] = _pair(bond, float(_FACTOR[i, j]))
        if block.any():
            terms.hop(cell, np.kron(S0, block))
    return terms.build(
        lattice=lattice,
        title=f"BiTeI, 18-orbital Slater-Koster model at reduced pressure x={x:g}",
        occupied=12,
        centres=np.repeat(np.tile(frac, (2, 1)), 3, axis=0),
        species=[BI, TE, IODINE],
        frac=frac,
    )
