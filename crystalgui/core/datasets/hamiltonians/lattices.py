"""Hamiltonians that the families add to those of `physics.zoo`, and other names for the axes.

Models here have more settings than the published ones, so that what they have
in common is their phases and not their looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.perturb import project
from crystalgui.core.physics.zoo.terms import S0, SX, SY, SZ, Terms
from crystalgui.core.structures.hoppings.model import Hoppings

Integers = NDArray[np.int64]


def turned(
    h: Hoppings, order: Sequence[int] | Integers, signs: Sequence[int] | Integers
) -> Hoppings:
    """The same with other lattice vectors: new i = ``signs[i]`` times old ``order[i]``."""
    order, signs = np.asarray(order), np.asarray(signs)

    def other(frac: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        return None if frac is None else np.asarray(frac)[:, order] * signs

    return replace(
        h,
        cells=np.asarray(h.cells[:, order] * signs),
        lattice=None if h.lattice is None else h.lattice[order] * signs[:, None],
        centres=other(h.centres),
        frac=other(h.frac),
        positions=None,
    )


def dimers(*, v: float, w: float, third: float = 0.0, same: float = 0.0) -> Hoppings:
    """The chain of Su, Schrieffer and Heeger with hops to third neighbours and within sublattices.

    Hops within a sublattice are equal for both, so inversion keeps the Zak phase at 0 or pi.
    """
    terms = Terms(2)
    terms.onsite(v * SX)
    terms.element(w, 1, 0, (1, 0, 0))
    terms.element(third, 0, 1, (1, 0, 0))
    terms.hop((1, 0, 0), same * S0)
    return terms.build(lattice=np.diag([2.0, 10, 10]), title="dimerised chain", occupied=1)


def shockley(
    *, mass: float, t: float, coupling: float, same: float = 0.0, second: float = 0.0
) -> Hoppings:
    """Orbitals s and p on one site (Shockley, Phys. Rev. 56, 317 (1939)).

    H = (mass + 2 t cos k + 2 second cos 2k) sz + coupling sin k sy + 2 same cos k.
    """
    terms = Terms(2)
    terms.onsite(mass * SZ)
    terms.cosine(0, 2 * t * SZ + 2 * same * S0)
    terms.hop((2, 0, 0), second * SZ)
    terms.sine(0, coupling * SY)
    return terms.build(
        lattice=np.diag([3.0, 10, 10]), title="chain of s and p", occupied=1,
        centres=np.zeros((2, 3)),
    )  # fmt: skip


def chern_square(*, mass: float, bx: float, by: float, ax: float, ay: float) -> Hoppings:
    """Qi, Wu and Zhang, Phys. Rev. B 74, 085308 (2006), eq. 2, anisotropic."""
    terms = Terms(2)
    terms.onsite(mass * SZ)
    for axis, b, a, matrix in ((0, bx, ax, SX), (1, by, ay, SY)):
        terms.cosine(axis, b * SZ)
        terms.sine(axis, a * matrix)
    return terms.build(
        lattice=np.diag([4.0, 4, 10]), title="square Chern insulator", occupied=1,
        centres=np.zeros((2, 3)),
    )  # fmt: skip


def anisotropic_cubic(
    *,
    mass: float,
    a: Sequence[float],
    b: Sequence[float],
    zeeman: Sequence[float] = (0.0, 0.0, 0.0),
) -> Hoppings:
    """The cubic four-band model with other numbers along each axis, and an exchange field.

    H = sum a_i sin k_i tx s_i + [mass - 2 sum b_i (1 - cos k_i)] tz + zeeman.s; a field
    makes Weyl nodes (Burkov and Balents, Phys. Rev. Lett. 107, 127205 (2011)).
    """
    terms = Terms(4)
    kinetic = np.kron(S0, SZ)
    terms.onsite((mass - 2 * sum(b)) * kinetic)
    for axis, spin in enumerate((SX, SY, SZ)):
        terms.cosine(axis, 2 * b[axis] * kinetic)
        terms.sine(axis, a[axis] * np.kron(spin, SX))
        terms.onsite(zeeman[axis] * np.kron(spin, S0))
    return terms.build(
        lattice=np.eye(3) * 4, title="anisotropic cubic", occupied=2, centres=np.zeros((4, 3))
    )


def random_crystal(
    *, dimension: int, seed: int, orbitals: int, splitting: float, inversion: bool
) -> Hoppings:
    """Random hoppings between neighbours that keep time reversal, and inversion if wanted.

    ``orbitals`` with two spins each, all on one site, half of them even; on-site
    energies +-``splitting`` in units of the rms eigenvalue of all hops together.
    With inversion a hop between orbitals of equal parity is even in A.
    """
    rng = np.random.default_rng(seed)
    n = 2 * orbitals
    parity = np.tile(np.where(np.arange(orbitals) < (orbitals + 1) // 2, 1.0, -1.0), 2)
    steps = [s for s in product((-1, 0, 1), repeat=dimension) if s > (0,) * dimension]
    terms = Terms(n)
    total = 0.0
    hops = []
    for step in steps:
        reach = float(np.exp(-1.2 * (np.abs(step).sum() - 1)))
        drawn = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
        matrix = np.asarray(project(reach * drawn, "blocks"))
        if inversion:
            even = parity[:, None] * parity[None, :] * matrix.conj().T
            matrix = (matrix + even) / 2
        hops.append(((*step, 0, 0)[:3], matrix))
        total += 2 * float((np.abs(matrix) ** 2).sum()) / n
    for cell, matrix in hops:
        terms.hop(cell, matrix / np.sqrt(total))
    onsite = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    onsite = np.asarray(project((onsite + onsite.conj().T) / 4, "blocks"))
    if inversion:
        onsite = (onsite + parity[:, None] * parity[None, :] * onsite) / 2
    levels = np.tile(np.where(np.arange(orbitals) % 2 == 0, 1.0, -1.0), 2)
    terms.onsite(0.3 * onsite + splitting * np.diag(levels))
    filled = 2 * (orbitals // 2)
    lattice = np.eye(3) * 4
    lattice[np.arange(dimension, 3), np.arange(dimension, 3)] = 10
    return terms.build(
        lattice=lattice, title="random crystal", occupied=filled, centres=np.zeros((n, 3))
    )
