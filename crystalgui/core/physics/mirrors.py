"""Mirrors of a zone slice, found from the energies themselves.

Where E(x, y) = E(-x, y), E(x, -y) or E(-x, -y) holds on a plane, half or a
quarter of a symmetric grid is enough.  Nothing is assumed about the crystal:
the equality is tested at generic points for every band, to rounding, so a
perturbed Hamiltonian is never symmetrised by accident.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import energies
from crystalgui.core.structures.hoppings.model import Hoppings

if TYPE_CHECKING:
    from crystalgui.core.physics.slices import Plane

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TESTS = np.array(
    [[0.1357, 0.2461], [0.6173, 0.0913], [0.3319, 0.7043], [0.8231, 0.4409], [0.0557, 0.9127]]
)
_SIGNS = np.array([[1, 1], [-1, 1], [1, -1], [-1, -1]])


def mirrors(h: Hoppings, plane: Plane, x: Floats, y: Floats) -> tuple[bool, bool, bool]:
    """Whether energies are even under x -> -x, y -> -y, and both together.

    All False when the grid itself is not symmetric about the origin.
    """
    size = max(float(np.abs(x).max()), float(np.abs(y).max()))
    flip_x = bool(np.abs(x + x[::-1]).max() < 1e-9 * size)
    flip_y = bool(np.abs(y + y[::-1]).max() < 1e-9 * size)
    if not (flip_x or flip_y):
        return False, False, False
    points = (_TESTS * [x[-1], y[-1]] * _SIGNS[:, None]).reshape(-1, 2)
    levels = energies(h, plane.reduced(points), threads=1).reshape(4, len(_TESTS), -1)
    apart = np.abs(levels[1:] - levels[0]).max(axis=(1, 2))
    same = apart < 1e-11 * max(1.0, float(np.abs(levels).max()))
    return (
        bool(same[0]) and flip_x,
        bool(same[1]) and flip_y,
        bool(same[2]) and flip_x and flip_y,
    )


def representatives(where: Mask, found: tuple[bool, bool, bool]) -> Mask:
    """Points that have to be computed; the others follow by `unfold`."""
    in_x, in_y, both = found
    needed = where.copy()
    if in_x or (both and not in_y):
        needed[: len(where) // 2] = False
    if in_y:
        needed[:, : where.shape[1] // 2] = False
    return needed


def unfold(values: Floats, found: tuple[bool, bool, bool]) -> Floats:
    """Fill (nx, ny, ...) values from their mirror images, in place."""
    in_x, in_y, both = found
    if in_y:
        half = values.shape[1] // 2
        values[:, :half] = values[:, ::-1][:, :half]
    half = len(values) // 2
    if in_x:
        values[:half] = values[::-1][:half]
    elif both and not in_y:
        values[:half] = values[::-1, ::-1][:half]
    return values
