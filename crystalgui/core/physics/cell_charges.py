"""Where the nodes must be: the Berry flux out of each cell of a mesh.

The lattice field strengths of Fukui, Hatsugai and Suzuki (J. Phys. Soc. Jpn.
74, 1674 (2005)) on the six faces of a cell add up to an integer, the charge
inside; over the zone the integers cancel whatever the mesh.  A charge that is
not that of the known nodes says where one was missed (or that the mesh is too
coarse there), which no list of minima can.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import _by_first, half_sum, one_blas_thread, plane_sum
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Complexes = NDArray[np.complex128]

SHIFT = np.array([0.3719, 0.4283, 0.3347])
"""Of the corners, in cells: nodes at points of symmetry are not on faces."""


def cell_charges(h: Hoppings, occupied: int, mesh: tuple[int, int, int]) -> Integers:
    """Chirality inside each cell of a mesh.

    Parameters
    ----------
    h : Hoppings
    occupied : int
    mesh : (n1, n2, n3)

    Returns
    -------
    (n1, n2, n3) int64; cell (a, b, c) has its lowest corner at
    ((a, b, c) + `SHIFT`) / mesh
    """
    axes = [(np.arange(n) + s) / n for n, s in zip(mesh, SHIFT, strict=True)]
    first, rest, blocks = _by_first(*half_sum(h))

    def states(i: int) -> Complexes:
        plane = np.tensordot(np.exp(2j * np.pi * axes[0][i] * first), blocks, axes=1)
        return np.linalg.eigh(plane_sum(rest, plane, axes[1], axes[2]))[1][..., :occupied]

    across = np.zeros((3, *mesh))
    """Flux / 2 pi through the face at the lowest corner, normal to each axis."""
    with one_blas_thread():
        here = start = states(0)
        two, three = _within(here)
        for i in range(mesh[0]):
            across[0, i] = _flux(two, np.roll(three, -1, 0), np.roll(two, -1, 1), three)
            following = states(i + 1) if i + 1 < mesh[0] else start
            one = _phase(here, following)
            new_two, new_three = _within(following)
            across[1, i] = _flux(three, np.roll(one, -1, 1), new_three, one)
            across[2, i] = _flux(one, new_two, np.roll(one, -1, 0), two)
            here, two, three = following, new_two, new_three
    charge = sum(np.roll(across[axis], -1, axis) - across[axis] for axis in range(3))
    basis = np.eye(3) if h.lattice is None else h.lattice
    return np.asarray(np.round(charge * np.sign(np.linalg.det(basis))), dtype=np.int64)


def _within(states: Complexes) -> tuple[Complexes, Complexes]:
    """Links of a plane along its two directions."""
    return _phase(states, np.roll(states, -1, 0)), _phase(states, np.roll(states, -1, 1))


def _phase(a: Complexes, b: Complexes) -> Complexes:
    overlap = np.linalg.det(a.conj().swapaxes(-1, -2) @ b)
    return np.asarray(overlap / np.maximum(np.abs(overlap), 1e-300))


def _flux(a: Complexes, b: Complexes, c: Complexes, d: Complexes) -> Floats:
    """Flux / 2 pi through plaquettes with sides a, b forwards and c, d backwards."""
    return np.asarray(-np.angle(a * b * c.conj() * d.conj()) / (2 * np.pi))
