"""Pfaffians of many antisymmetric matrices, and of time reversal among occupied states.

Kane and Mele, Phys. Rev. Lett. 95, 146802 (2005), eq. 3: P(k) = Pf <u_i(k)|T|u_j(k)>.
Its modulus does not depend on the choice of the occupied states; it is one
where they go into themselves (k = -k + G), and its zeros carry the Z2 index.
The elimination is that of Parlett and Reid (BIT 10, 386 (1970)) with pivots,
for which Wimmer, ACM Trans. Math. Softw. 38, 30 (2012), section 3.1, is the
readable reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Complexes = NDArray[np.complexfloating[Any, Any]]


def pfaffian(matrices: Complexes) -> Complexes:
    """Pfaffians.

    Parameters
    ----------
    matrices : (..., n, n) complex, antisymmetric

    Returns
    -------
    (...) complex128; 0 for odd n, 1 for n = 0
    """
    shape, n = matrices.shape[:-2], matrices.shape[-1]
    if n % 2:
        return np.zeros(shape, dtype=np.complex128)
    a = np.array(matrices, dtype=np.complex128).reshape(-1, n, n)
    rows = np.arange(len(a))
    result = np.ones(len(a), dtype=np.complex128)
    for i in range(0, n - 1, 2):
        pivot = i + 1 + np.abs(a[:, i, i + 1 :]).argmax(axis=1)
        swapped = pivot != i + 1
        for axis in (1, 2):
            b = np.moveaxis(a, axis, 1)
            taken = b[rows, pivot].copy()
            b[rows, pivot] = b[:, i + 1]
            b[:, i + 1] = taken
        result = np.where(swapped, -result, result)
        corner = a[:, i, i + 1].copy()
        result *= corner
        safe = np.where(corner == 0, 1.0, corner)
        tau = a[:, i, i + 2 :] / safe[:, None]
        column = a[:, i + 2 :, i + 1]
        a[:, i + 2 :, i + 2 :] += (
            tau[:, :, None] * column[:, None, :] - column[:, :, None] * tau[:, None, :]
        )
    return result.reshape(shape)


def reversal_matrices(states: Complexes, matrix: Complexes) -> Complexes:
    """<u_i|T u_j> with T = U K.

    Parameters
    ----------
    states : (..., n, o) complex
        Occupied states as columns, lattice gauge.
    matrix : (n, n) complex
        U.

    Returns
    -------
    (..., o, o) complex; antisymmetric where T^2 = -1
    """
    return np.asarray(states.conj().swapaxes(-1, -2) @ (matrix @ states.conj()))
