"""BiTeI under pressure: 18 p orbitals, Slater-Koster hopping and spin-orbit coupling.

No first-principles hoppings of BiTeI are published, so the sets were fitted
for this project to the known sequence trivial insulator -> gap closing near A
-> strong topological insulator (Bahramy et al., Nature Commun. 3, 679
(2012)).  The two-centre integrals follow Slater and Koster, Phys. Rev. 94,
1498 (1954).  `FIT` has the measured Rashba splitting too (`bitei_fit` made it,
`bitei_facts` measures it, ``resources/recipes/bitei-fit.json`` keeps both);
`P22` is an older set with hardly any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.zoo.terms import S0, SX, SY, SZ, Terms
from crystalgui.core.structures.hoppings.model import Hoppings

BI, TE, IODINE = 83, 52, 53
A0, C0 = 4.3402, 6.8217
CUT_OFF = 6.2
FADE = 5.2
FADE_WIDTH = 0.15
REFERENCE = 3.05
"""Bond length at which the two-centre integrals are given, Angstrom."""
PAIRS = ((0, 1), (0, 2), (1, 2), (0, 0), (1, 1), (2, 2))
"""Order of the pair factors: Bi-Te, Bi-I, Te-I, Bi-Bi, Te-Te, I-I."""

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class BiTeIParameters:
    """A parameter set of the model.

    Attributes
    ----------
    onsite, spin_orbit, crystal_field : three floats, eV
        For Bi, Te, I: level of the p shell, zeta in zeta L.S, and what is
        added to p_z.
    sigma, pi : float, eV
        Two-centre integrals at 3.05 Angstrom.
    sigma_decay, pi_decay : float, Angstrom
        V(r) = V exp(-(r - 3.05) / decay).
    factors : six floats
        Of the integrals for the pairs Bi-Te, Bi-I, Te-I, Bi-Bi, Te-Te, I-I.
    """

    onsite: Triple
    spin_orbit: Triple
    crystal_field: Triple
    sigma: float
    pi: float
    sigma_decay: float
    pi_decay: float
    factors: tuple[float, float, float, float, float, float]

    def factor(self, i: int, j: int) -> float:
        """Factor of the integrals between atoms i and j."""
        return self.factors[PAIRS.index((min(i, j), max(i, j)))]


P22 = BiTeIParameters(
    onsite=(-4.3296, -6.5151, -7.8185),
    spin_orbit=(1.25, 0.49, 0.63),
    crystal_field=(-0.4578, 1.4631, 0.9894),
    sigma=1.7238,
    pi=-0.5567,
    sigma_decay=0.941,
    pi_decay=0.4124,
    factors=(1.1317, 1.3101, 0.5797, 0.3131, 0.6177, 1.0677),
)


FIT = BiTeIParameters(
    onsite=(-4.3296, -5.7849, -8.0007),
    spin_orbit=(1.2988, 0.5252, 0.6326),
    crystal_field=(-0.8345, 1.9477, 0.8275),
    sigma=2.0698,
    pi=-0.6187,
    sigma_decay=0.8749,
    pi_decay=0.3363,
    factors=(1.1553, 1.2921, 0.6063, 0.4419, 0.9564, 0.9381),
)


def structure(x: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lattice (3, 3) in Angstrom and positions (3, 3) of Bi, Te, I at reduced pressure x."""
    a, c = A0 * (1 - 0.021 * x), C0 * (1 - 0.05 * x)
    lattice = np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]])
    te, iodine = 0.25 * C0 * a / A0, 0.3054 * C0 * a / A0
    frac = np.array([[0, 0, 0], [2 / 3, 1 / 3, -te / c], [1 / 3, 2 / 3, iodine / c]])
    return lattice, frac


def bonds(x: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Each bond within the cut-off once: cells (b, 3), atoms (b, 2) and vectors (b, 3)."""
    lattice, frac = structure(x)
    cart = frac @ lattice
    steps = np.indices((7, 7, 5)).reshape(3, -1).T - [3, 3, 2]
    half = np.asarray(steps[len(steps) // 2 :])
    pairs = np.indices((3, 3)).reshape(2, -1).T
    vectors = (half @ lattice)[:, None] + (cart[pairs[:, 1]] - cart[pairs[:, 0]])[None]
    near = np.linalg.norm(vectors, axis=-1) <= CUT_OFF
    near[0] &= pairs[:, 1] > pairs[:, 0]
    cell, pair = np.nonzero(near)
    return half[cell].astype(np.int64), pairs[pair].astype(np.int64), np.asarray(vectors[near])


def blocks(
    parameters: BiTeIParameters, atoms: NDArray[np.int64], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """p-p blocks (b, 3, 3) in eV of bonds, orbitals in the order x, y, z."""
    table = np.array([[parameters.factor(i, j) for j in range(3)] for i in range(3)])
    factor = table[atoms[:, 0], atoms[:, 1]]
    r = np.linalg.norm(vectors, axis=1)
    n = vectors / r[:, None]
    factor = factor / (1 + np.exp((r - FADE) / FADE_WIDTH))
    sigma = factor * parameters.sigma * np.exp(-(r - REFERENCE) / parameters.sigma_decay)
    pi = factor * parameters.pi * np.exp(-(r - REFERENCE) / parameters.pi_decay)
    along = n[:, :, None] * n[:, None, :]
    return np.asarray(pi[:, None, None] * np.eye(3) + (sigma - pi)[:, None, None] * along)


def _angular_momentum() -> NDArray[np.complex128]:
    """(3, 3, 3): L_x, L_y, L_z on p orbitals x, y, z; (L_a)_bc = -i epsilon_abc."""
    levi = np.zeros((3, 3, 3), dtype=np.complex128)
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        levi[a, b, c], levi[a, c, b] = -1j, 1j
    return levi


def local(parameters: BiTeIParameters) -> NDArray[np.complex128]:
    """On-site (18, 18): levels, crystal field and zeta L.S."""
    levels = np.repeat(parameters.onsite, 3)
    levels[2::3] += parameters.crystal_field
    result = np.asarray(np.kron(S0, np.diag(levels)), dtype=np.complex128)
    zeta = np.diag(parameters.spin_orbit)
    for spin, component in zip((SX, SY, SZ), _angular_momentum(), strict=True):
        result += np.kron(spin / 2, np.kron(zeta, component))
    return result


def bitei_with(parameters: BiTeIParameters, x: float = 0.0, name: str = "") -> Hoppings:
    """The model at reduced pressure ``x`` with any parameter set."""
    lattice, frac = structure(x)
    terms = Terms(18)
    terms.onsite(local(parameters))
    cells, atoms, vectors = bonds(x)
    table = blocks(parameters, atoms, vectors)
    for cell in np.unique(cells, axis=0):
        spinless = np.zeros((3, 3, 3, 3))
        for b in np.flatnonzero((cells == cell).all(axis=1)):
            i, j = atoms[b]
            spinless[i, :, j, :] = table[b]
        terms.hop(cell.tolist(), np.kron(S0, spinless.reshape(9, 9)))
    return terms.build(
        lattice=lattice,
        title=f"BiTeI, 18-orbital Slater-Koster model{name} at reduced pressure x={x:g}",
        occupied=12,
        centres=np.repeat(np.tile(frac, (2, 1)), 3, axis=0),
        species=[BI, TE, IODINE],
        frac=frac,
    )


def bitei(x: float = 0.0) -> Hoppings:
    """BiTeI at reduced pressure ``x``: trivial, Weyl (1.42 < x < 1.50), topological (1;001).

    18 orbitals: Bi, Te, I with p_x, p_y, p_z each, all up, then all down; 12
    occupied.  a = 4.3402 (1 - .021 x), c = 6.8217 (1 - .05 x) Angstrom.
    Parameters `FIT`.
    """
    return bitei_with(FIT, x)


def bitei_p22(x: float = 0.0) -> Hoppings:
    """As `bitei`, with the set `P22`: gap .284 eV, closing near x = 1.2, hardly any Rashba."""
    return bitei_with(P22, x, " P22")
