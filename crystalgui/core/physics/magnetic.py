"""Magnetic fields: Zeeman coupling to the spins, Peierls phases of the hoppings.

A hop from r1 to r2 gets the phase (e / hbar) times the line integral of the
vector potential (Peierls, Z. Phys. 80, 763 (1933)); at a rational flux p/q
through the unit cell the Hamiltonian is periodic on a cell enlarged q times
(Hofstadter, Phys. Rev. B 14, 2239 (1976)).
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.structures.hoppings.model import Hoppings, SpinOrder
from crystalgui.core.structures.hoppings.spin import time_reversal_residual

FLUX_QUANTUM = 413566.7697
"""h/e in Tesla Angstrom^2."""
LARGEST_BYTES = 1 << 30

_PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def zeeman(h: Hoppings, field: ArrayLike, spin_order: SpinOrder | None = None) -> Hoppings:
    """``h`` with field . sigma on every orbital.

    Parameters
    ----------
    h : Hoppings
    field : (3,) float, eV
        g mu_B B / 2 along x, y, z of the spin axes.
    spin_order : {"blocks", "interleaved"}, optional
        When it differs from what was found in ``h``.
    """
    order = spin_order or h.assumptions.spin_order
    n = h.n_orbitals
    if order not in ("blocks", "interleaved") or n % 2:
        reason = "have no spin" if order == "spinless" else "do not say which orbitals are up"
        raise PhysicsError(
            f"These hoppings {reason}, so a magnetic field has no spin to act on.",
            "Use hoppings of spinors, and say how their spins are ordered.",
            path=h.source,
        )
    vector = np.asarray(field, dtype=np.float64)
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise PhysicsError("A field needs three finite components.", "Give x, y and z in eV.")
    spin = np.tensordot(vector, _PAULI, axes=1)
    orbital = np.eye(n // 2)
    term = np.kron(spin, orbital) if order == "blocks" else np.kron(orbital, spin)
    cells, matrices = h.cells, np.array(h.matrices)
    home = (cells == 0).all(axis=1)
    if not home.any():
        cells = np.concatenate([cells, np.zeros((1, 3), dtype=np.int64)])
        matrices = np.concatenate([matrices, np.zeros((1, n, n))])
        home = (cells == 0).all(axis=1)
    matrices[home] += term
    text = ", ".join(f"{x:g}" for x in vector)
    return _measured(
        replace(
            h,
            cells=cells,
            matrices=matrices,
            title=f"{h.title} [Zeeman field ({text}) eV]",
            assumptions=replace(h.assumptions, spin_order=order),
        )
    )


def flux_density(h: Hoppings, p: int, q: int, axis: int = 2) -> float:
    """Magnetic field in Tesla of p/q flux quanta through the cell, along lattice vector ``axis``.

    Raises `PhysicsError` without a lattice.
    """
    if h.lattice is None:
        raise PhysicsError("Without a lattice a flux is no field.", "Give the structure as well.")
    volume = abs(float(np.linalg.det(h.lattice)))
    return p / q * FLUX_QUANTUM * float(np.linalg.norm(h.lattice[axis])) / volume


def peierls(h: Hoppings, p: int, q: int, *, axis: int = 2, along: int | None = None) -> Hoppings:
    """``h`` in a field of p/q flux quanta h/e through the cell, on a cell enlarged q times.

    Parameters
    ----------
    h : Hoppings
        With orbital centres; each hop is a straight line between them.
    p, q : int
        Flux through the face of the two other lattice vectors; none goes
        through the faces that contain ``axis``.
    axis : {0, 1, 2}
        Lattice vector that the field is parallel to.
    along : {0, 1, 2}, optional
        Which other lattice vector becomes q times longer (the choice of a
        Landau gauge; energies do not depend on it).  Default: the next one.
    """
    p, q, first, second, sign = _checked(h, p, q, axis, along)
    n, spins = h.n_orbitals, h.assumptions.spin_order
    centres = np.asarray(h.centres)
    flux = sign * p / q
    a_i, a_j = h.cells[:, first], h.cells[:, second]
    across = a_j[:, None, None] + (centres[None, :, second] - centres[:, None, second])
    middle = a_i[:, None, None] / 2 + (centres[None, :, first] + centres[:, None, first]) / 2
    blocks: dict[tuple[int, int, int], NDArray[np.complex128]] = {}
    rows = _rows(n, q, spins)
    for s in range(q):
        n_super, inside = np.divmod(s + a_i, q)
        turn = flux * (s + middle) * across
        turn = turn - sign * p * n_super[:, None, None] * centres[None, None, :, second]
        hops = h.matrices * np.exp(2j * np.pi * turn)
        for row, cell in enumerate(h.cells.tolist()):
            cell[first] = int(n_super[row])
            key = (cell[0], cell[1], cell[2])
            block = blocks.setdefault(key, np.zeros((n * q, n * q), dtype=np.complex128))
            block[np.ix_(rows[s], rows[int(inside[row])])] += hops[row]
    keys = sorted(blocks)
    lattice = None
    if h.lattice is not None:
        lattice = np.array(h.lattice)
        lattice[first] *= q
    places = np.zeros((n * q, 3))
    for s in range(q):
        places[rows[s]] = _repeated(centres, s, q, first)
    atoms = h.frac is not None and h.species is not None
    return _measured(
        replace(
            h,
            cells=np.array(keys, dtype=np.int64),
            matrices=np.stack([blocks[key] for key in keys]),
            lattice=lattice,
            centres=places,
            species=np.tile(np.asarray(h.species), q) if atoms else None,
            frac=np.concatenate([_repeated(np.asarray(h.frac), s, q, first) for s in range(q)])
            if atoms
            else None,
            occupied=None if h.occupied is None else h.occupied * q,
            positions=None,
            title=f"{h.title} [flux {p}/{q} along {'abc'[axis]}]",
        )
    )


def _checked(
    h: Hoppings, p: int, q: int, axis: int, along: int | None
) -> tuple[int, int, int, int, int]:
    """Reduced p, q; the enlarged and the other direction; the sign of their order."""
    if p != int(p) or q != int(q) or q < 1:
        raise PhysicsError(f"A flux of {p}/{q} is impossible.", "Give two whole numbers, q > 0.")
    if axis not in (0, 1, 2) or along == axis or along not in (None, 0, 1, 2):
        raise PhysicsError(
            "The field and the enlarged direction must be different lattice vectors.",
            "Choose them among 0, 1 and 2.",
        )
    if h.centres is None:
        raise PhysicsError(
            "Phases in a magnetic field need the places of the orbitals, which are not known.",
            "Give the centres (_centres.xyz, _tb.dat or the structure).",
            path=h.source,
        )
    common = gcd(int(p), int(q))
    p, q = int(p) // common, int(q) // common
    size = 16 * h.n_cells * (h.n_orbitals * q) ** 2
    if size > LARGEST_BYTES:
        raise PhysicsError(
            f"{h.n_orbitals * q:,} orbitals on {h.n_cells} lattice vectors do not fit in memory.",
            "Choose a smaller denominator.",
        )
    first = (axis + 1) % 3 if along is None else along
    second = 3 - axis - first
    return p, q, first, second, 1 if (first + 1) % 3 == second else -1


def _rows(n: int, q: int, spins: SpinOrder) -> list[NDArray[np.int64]]:
    """Where the orbitals of each of the q cells go; spin blocks stay blocks."""
    index = np.arange(n)
    if spins == "blocks" and n % 2 == 0:
        spin, orbital = np.divmod(index, n // 2)
        return [spin * (n // 2) * q + s * (n // 2) + orbital for s in range(q)]
    return [s * n + index for s in range(q)]


def _repeated(places: NDArray[np.float64], s: int, q: int, axis: int) -> NDArray[np.float64]:
    """Fractional places of copy s in a cell q times longer."""
    moved = np.array(places, dtype=np.float64)
    moved[:, axis] = (moved[:, axis] + s) / q
    return moved


def _measured(h: Hoppings) -> Hoppings:
    """``h`` with its time-reversal residual measured again."""
    order = h.assumptions.spin_order
    if order == "unknown":
        return h
    residual = time_reversal_residual(h.matrices, order)
    return replace(h, assumptions=replace(h.assumptions, time_reversal_residual=residual))
