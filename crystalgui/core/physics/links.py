"""Overlaps of occupied states along a closed line, their polar factors and the Wilson loop.

A link is the overlap matrix of the occupied states at two neighbouring
k-points.  Only its unitary part is gauge covariant (King-Smith and
Vanderbilt, Phys. Rev. B 47, 1651 (1993)); that is the polar factor, W V^dagger
of the singular value decomposition W s V^dagger.  Where all singular values
are above about one half, `unitary` finds it with matrix products alone
(Newton-Schulz iteration: Higham, Functions of Matrices (2008), eq. 8.20),
several times faster; the other links go through the decomposition itself, and
are reported, because such a link says that the k-points are too far apart.

Everything here takes numpy and torch arrays alike, batched on the left.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_ITERATIONS = 6
_CONVERGED = 1e-8
"""Six steps bring singular values in (.47, 1] to one within this (in the square)."""


def dagger(matrix: Any) -> Any:
    """Hermitian conjugate: (..., a, b) -> (..., b, a)."""
    from array_api_compat import array_namespace

    xp = array_namespace(matrix)
    return xp.conj(xp.matrix_transpose(matrix))


def overlaps(states: Any) -> Any:
    """Overlaps along a closed line.

    Parameters
    ----------
    states : (..., m, n, o) complex
        Occupied states as columns at m k-points; in the lattice gauge the
        states at k + G are those at k, so that the last link ends on the first.

    Returns
    -------
    (..., m, o, o) complex: <u_a(k_i)|u_b(k_i+1)>
    """
    from array_api_compat import array_namespace

    xp = array_namespace(states)
    return xp.matmul(dagger(states), xp.roll(states, -1, axis=-3))


def unitary(matrices: Any) -> tuple[Any, Any]:
    """Polar factors (..., o, o), and which inputs (...) have a small singular value."""
    from array_api_compat import array_namespace, device

    xp = array_namespace(matrices)
    o = matrices.shape[-1]
    one = xp.eye(o, dtype=matrices.dtype, device=device(matrices))
    x = matrices
    for _ in range(_ITERATIONS):
        x = xp.matmul(x, 1.5 * one - 0.5 * xp.matmul(dagger(x), x))
    defect = xp.matmul(dagger(x), x) - one
    rough = ~(xp.max(xp.abs(defect), axis=(-2, -1)) < _CONVERGED)
    if bool(xp.any(rough)):
        left, _, right = xp.linalg.svd(matrices[rough], full_matrices=False)
        x[rough] = xp.matmul(left, right)
    return x, rough


def loop(links: Any) -> Any:
    """Ordered product of (..., m, o, o) links: (..., o, o)."""
    from array_api_compat import array_namespace

    xp = array_namespace(links)
    while (m := links.shape[-3]) > 1:
        even = links[..., 0 : m - m % 2 : 2, :, :]
        pairs = xp.matmul(even, links[..., 1::2, :, :])
        links = xp.concat([pairs, links[..., m - 1 :, :, :]], axis=-3) if m % 2 else pairs
    return links[..., 0, :, :]


def charge_centres(loops: Any) -> Any:
    """Wannier charge centres of Wilson loops.

    Parameters
    ----------
    loops : (..., o, o) complex, unitary
        Products of <u(k_i)|u(k_i+1)>.

    Returns
    -------
    (..., o) floating, ascending in [0, 1): -arg / 2 pi of the eigenvalues, in
    units of the lattice vector along the line, with every orbital counted at
    the origin of its cell (lattice gauge).
    """
    from array_api_compat import array_namespace

    xp = array_namespace(loops)
    values = xp.linalg.eigvals(loops)
    turns = -xp.atan2(xp.imag(values), xp.real(values)) / (2 * np.pi)
    turns = turns - xp.floor(turns)
    # -1e-17 + 1 rounds to 1.
    return xp.sort(xp.where(turns >= 1, xp.zeros_like(turns), turns), axis=-1)


def line_centres(states: Any) -> Any:
    """Charge centres (..., o) of the closed line on which (..., m, n, o) states lie."""
    return charge_centres(loop(unitary(overlaps(states))[0]))
