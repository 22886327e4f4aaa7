"""Cells: supercells, shifts, orders, and the copies of atoms on the faces of a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalgui.core.errors import FileError
from crystalgui.core.structures.crystal import Crystal

FACE = 1e-3
"""Fractional distance below which an atom counts as lying on a face."""
MOST_ATOMS = 2_000_000


def wrap(crystal: Crystal, tolerance: float = 1e-9) -> Crystal:
    """The same crystal with every atom in the cell, 0 <= frac < 1.

    Coordinates within ``tolerance`` below 1 become 0, so that rounding does
    not throw an atom to the far face.
    """
    frac = crystal.frac - np.floor(crystal.frac + tolerance)
    return replace(crystal, frac=np.where(np.abs(frac) <= tolerance, 0.0, frac))


def translated(crystal: Crystal, shift: ArrayLike) -> Crystal:
    """Every atom moved by ``shift`` ((3,), fractional); not wrapped."""
    return replace(crystal, frac=crystal.frac + np.asarray(shift, dtype=np.float64))


def permuted(crystal: Crystal, order: ArrayLike) -> Crystal:
    """The atoms ``order`` ((m,) int) of a crystal, in that order; per-atom data follow."""
    pick = np.asarray(order, dtype=np.int64)
    return replace(
        crystal,
        frac=crystal.frac[pick],
        species=crystal.species[pick],
        selective=None if crystal.selective is None else crystal.selective[pick],
        velocities=None if crystal.velocities is None else crystal.velocities[pick],
    )


def sorted_by_species(crystal: Crystal) -> Crystal:
    """Atoms of one element together, elements in order of first appearance."""
    rank = {z: i for i, z in enumerate(crystal.composition)}
    keys = np.array([rank[int(z)] for z in crystal.species], dtype=np.int64)
    return permuted(crystal, np.argsort(keys, kind="stable"))


def strained(crystal: Crystal, strain: ArrayLike) -> Crystal:
    """Lattice rows multiplied by 1 + ``strain`` ((3, 3), Cartesian); fractions kept."""
    matrix = np.eye(3) + np.asarray(strain, dtype=np.float64)
    return replace(crystal, lattice=crystal.lattice @ matrix.T)


def supercell(crystal: Crystal, repeats: Sequence[int]) -> Crystal:
    """Repeat a cell ``(na, nb, nc)`` times along its vectors.

    All copies of atom 0 come first, then those of atom 1, so that atoms of one
    element stay together.
    """
    n = np.array([int(r) for r in repeats], dtype=np.int64)
    if n.shape != (3,) or (n < 1).any():
        raise FileError(
            f"A supercell needs three whole numbers of at least 1, not {list(repeats)}.",
            "For example 2 2 1.",
        )
    copies = int(n.prod())
    if copies * crystal.n_atoms > MOST_ATOMS:
        raise FileError(
            f"A {n[0]} x {n[1]} x {n[2]} supercell would have {copies * crystal.n_atoms:,} atoms.",
            f"Choose fewer repeats (at most {MOST_ATOMS:,} atoms).",
        )
    cells = np.array(list(product(*(range(int(k)) for k in n))), dtype=np.float64)
    frac = (crystal.frac[:, None, :] + cells[None, :, :]) / n
    return replace(
        crystal,
        lattice=crystal.lattice * n[:, None],
        frac=frac.reshape(-1, 3),
        species=np.repeat(crystal.species, copies),
        selective=None if crystal.selective is None else crystal.selective.repeat(copies, 0),
        velocities=None if crystal.velocities is None else crystal.velocities.repeat(copies, 0),
    )


def boundary_images(
    crystal: Crystal, tolerance: float = FACE
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Atoms to draw for one closed cell: those inside, and the copies on its faces.

    Parameters
    ----------
    crystal : Crystal
    tolerance : float, fractional
        An atom this near to a face is drawn on the opposite face, too.

    Returns
    -------
    atom : (m,) int64
        Index into the crystal; the first ``n_atoms`` are all atoms in order.
    shift : (m, 3) int64
        Whole cells to add to ``crystal.frac[atom]``.
    """
    home = -np.floor(crystal.frac + tolerance).astype(np.int64)
    inside = crystal.frac + home
    on_face = inside < tolerance
    atoms = [np.arange(crystal.n_atoms)]
    shifts = [home]
    for corner in product((0, 1), repeat=3):
        if not any(corner):
            continue
        step = np.array(corner, dtype=np.int64)
        pick = np.flatnonzero(on_face[:, step == 1].all(axis=1))
        atoms.append(pick)
        shifts.append(home[pick] + step)
    return np.concatenate(atoms).astype(np.int64), np.concatenate(shifts)
