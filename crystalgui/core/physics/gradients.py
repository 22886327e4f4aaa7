"""Gradients of energy levels by Hellmann-Feynman, exact at degeneracies too.

dE_n(k) = v^dagger dH(k) v needs eigenvectors but not their derivatives, which
diverge where levels meet (every Kramers pair at a time-reversal-invariant
momentum).  Within a degenerate multiplet single levels have no derivative,
their mean has: so a level stands for the mean of its multiplet, which is the
same number and does not depend on the choice of eigenvectors.

A gradient with respect to the hoppings is an *adjoint*: matrices G_A with
dL = Re sum_A tr(G_A^dagger dH_A) for every Hermitian change dH_A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import hamiltonian, one_blas_thread, phases
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

DEGENERATE = 1e-6
"""Levels closer than this (eV) are one multiplet."""


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """``k`` (p, 3) reduced, ``energies`` (p, n) eV, ``states`` (p, n, n) in columns."""

    k: Floats
    energies: Floats
    states: Complexes


def levels(h: Hoppings, k: Floats) -> Levels:
    """Energies and eigenvectors at scattered k (p, 3)."""
    k = np.asarray(k, dtype=np.float64).reshape(-1, 3)
    with one_blas_thread():
        energies, states = np.linalg.eigh(hamiltonian(h, k))
    return Levels(k, energies, states)


def multiplets(energies: Floats, edge: int | None = None) -> Floats:
    """(p, n, n): row b averages over the multiplet of level b.

    Parameters
    ----------
    energies : (p, n) float64, eV, ascending
    edge : int, optional
        Never join the levels below this number with those above (the two
        sides of a gap that is closing).
    """
    apart = np.diff(energies, axis=1) > DEGENERATE
    if edge is not None and 0 < edge < energies.shape[1]:
        apart[:, edge - 1] = True
    group = np.concatenate([np.zeros((len(energies), 1), int), apart.cumsum(axis=1)], axis=1)
    same = (group[:, :, None] == group[:, None, :]).astype(np.float64)
    return np.asarray(same / same.sum(axis=2, keepdims=True))


def gap_weights(energies: Floats, occupied: int) -> Floats:
    """(p, 1, n): the direct gap above ``occupied`` bands as a linear form in the levels."""
    mean = multiplets(energies, occupied)
    return np.asarray(mean[:, occupied] - mean[:, occupied - 1])[:, None, :]


def band_weights(energies: Floats, band: int) -> Floats:
    """(p, 1, n): the energy of ``band`` (from 0) as a linear form in the levels."""
    return multiplets(energies)[:, band : band + 1]


def adjoint(cells: NDArray[np.int64], found: Levels, slopes: Floats) -> Complexes:
    """(m, n, n): gradient by the hoppings of a quantity with slopes (p, n) by the levels."""
    v = found.states
    density = (v * slopes[:, None, :]) @ v.conj().swapaxes(-1, -2)
    factor = phases(found.k, cells).conj()
    n = v.shape[-1]
    with one_blas_thread():
        flat = factor.T @ density.reshape(len(v), n * n)
    return np.asarray(flat.reshape(len(cells), n, n), dtype=np.complex128)


def slopes_along(cells: NDArray[np.int64], found: Levels, change: Complexes) -> Floats:
    """(p, n) eV: what a change (m, n, n) of the hoppings adds to every level, to first order."""
    n = change.shape[-1]
    with one_blas_thread():
        at = phases(found.k, cells) @ change.reshape(len(cells), n * n)
    dh = at.reshape(-1, n, n)
    return np.asarray(np.einsum("pin,pij,pjn->pn", found.states.conj(), dh, found.states).real)
