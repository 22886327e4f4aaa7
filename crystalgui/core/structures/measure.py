"""Distances, angles and dihedrals between atoms, as drawn and by nearest images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalgui.core.structures.crystal import Crystal

Floats = NDArray[np.float64]

ALIKE = 1e-3
"""Images whose distances differ by less, Angstrom, are equally near."""


def distance(a: ArrayLike, b: ArrayLike) -> float:
    """Distance of two points, in their unit."""
    return float(np.linalg.norm(np.asarray(b, dtype=float) - np.asarray(a, dtype=float)))


def angle(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> float:
    """Angle a-b-c in degrees, 0 to 180; NaN when two points coincide."""
    centre = np.asarray(b, dtype=float)
    return _between(np.asarray(a, dtype=float) - centre, np.asarray(c, dtype=float) - centre)


def dihedral(a: ArrayLike, b: ArrayLike, c: ArrayLike, d: ArrayLike) -> float:
    """Torsion angle a-b-c-d in degrees, -180 to 180; IUPAC sign.

    NaN when three successive points lie on a line.
    """
    p = [np.asarray(x, dtype=float) for x in (a, b, c, d)]
    return _torsion(p[1] - p[0], p[2] - p[1], p[3] - p[2])


def _between(u: Floats, v: Floats) -> float:
    """Angle of two vectors in degrees; well-conditioned near 0 and 180."""
    length = np.linalg.norm(u) * np.linalg.norm(v)
    if length == 0.0:
        return float("nan")
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(u, v)), u @ v)))


def _torsion(u: Floats, v: Floats, w: Floats) -> float:
    """Torsion of three successive bond vectors in degrees."""
    m, n = np.cross(u, v), np.cross(v, w)
    tiny = 1e-12 * np.linalg.norm(v)
    if np.linalg.norm(m) <= tiny * np.linalg.norm(u) or np.linalg.norm(n) <= tiny:
        return float("nan")
    return float(np.degrees(np.arctan2(np.linalg.norm(v) * (u @ n), m @ n)))


def reduced(lattice: ArrayLike) -> Floats:
    """Short vectors that span the same lattice: (3, 3), rows in Angstrom.

    Pairwise (Gauss) reduction, enough to keep a search of nearest images small.
    """
    rows = np.array(lattice, dtype=np.float64)
    for _ in range(200):
        changed = False
        for i, j in product(range(3), repeat=2):
            if i == j:
                continue
            steps = np.rint(rows[i] @ rows[j] / (rows[j] @ rows[j]))
            shorter = rows[i] - steps * rows[j]
            if steps and shorter @ shorter < (1 - 1e-12) * (rows[i] @ rows[i]):
                rows[i] = shorter
                changed = True
        if not changed:
            break
    return rows


def minimum_image(lattice: ArrayLike, vector: ArrayLike) -> Floats:
    """The shortest of all periodic images of a vector.

    Parameters
    ----------
    lattice : (3, 3), rows in Angstrom
        Any cell, however skew.
    vector : (3,), Cartesian, Angstrom

    Returns
    -------
    (3,) float64
    """
    rows = reduced(lattice)
    inverse = np.linalg.inv(rows)
    start = np.asarray(vector, dtype=np.float64) @ inverse
    start -= np.rint(start)
    longest = np.linalg.norm(start @ rows)
    # An image within `longest` has a fraction below longest / height on every axis.
    reach = np.floor(longest * np.linalg.norm(inverse, axis=0) + 0.5 + 1e-9).astype(int)
    steps = np.array(list(product(*(range(-int(r), int(r) + 1) for r in reach))))
    images = (start + steps) @ rows
    return np.asarray(images[np.argmin(np.einsum("ij,ij->i", images, images))])


def nearest_images(
    crystal: Crystal, atom: int
) -> tuple[Floats, list[tuple[tuple[int, int, int], ...]]]:
    """Distance (n,) in Angstrom from an atom to the nearest images of every atom, and which.

    Cells are whole steps that are added to the coordinates of the other atom as they are.
    """
    short = reduced(crystal.lattice)
    steps = np.array(list(product((-1, 0, 1), repeat=3)), float)
    apart = crystal.frac - crystal.frac[atom]
    place = apart @ crystal.lattice @ np.linalg.inv(short)
    vectors = ((place - np.rint(place))[:, None, :] + steps) @ short
    lengths = np.linalg.norm(vectors, axis=2)
    distance = lengths.min(1)
    cells = np.rint(vectors @ np.linalg.inv(crystal.lattice) - apart[:, None, :]).astype(int)
    near = lengths <= distance[:, None] + ALIKE
    return distance, [tuple(map(tuple, c[m].tolist())) for c, m in zip(cells, near, strict=True)]


@dataclass(frozen=True, slots=True)
class Measurement:
    """What two, three or four picked atoms say.

    Attributes
    ----------
    kind : {"distance", "angle", "dihedral"}
    direct : float
        Between the atoms as drawn; Angstrom or degrees.
    minimum : float
        With every step going to the nearest image.
    unit : str
    """

    kind: Literal["distance", "angle", "dihedral"]
    direct: float
    minimum: float
    unit: str


def measure(
    crystal: Crystal, atoms: Sequence[int], shifts: ArrayLike | None = None
) -> Measurement | None:
    """Distance of two, angle of three, dihedral of four atoms in the order picked.

    Parameters
    ----------
    crystal : Crystal
    atoms : sequence of int
        Indices; fewer than two or more than four give None.
    shifts : (n, 3) int, optional
        Cells of the atoms as drawn.
    """
    if not 2 <= len(atoms) <= 4:
        return None
    cells = np.zeros((len(atoms), 3)) if shifts is None else np.asarray(shifts, dtype=float)
    points = (crystal.frac[list(atoms)] + cells) @ crystal.lattice
    steps = np.diff(points, axis=0)
    near = np.array([minimum_image(crystal.lattice, step) for step in steps])
    if len(atoms) == 2:
        lengths = [float(np.linalg.norm(s[0])) for s in (steps, near)]
        return Measurement("distance", lengths[0], lengths[1], "Å")
    if len(atoms) == 3:
        angles = [_between(-s[0], s[1]) for s in (steps, near)]
        return Measurement("angle", angles[0], angles[1], "°")
    torsions = [_torsion(s[0], s[1], s[2]) for s in (steps, near)]
    return Measurement("dihedral", torsions[0], torsions[1], "°")
