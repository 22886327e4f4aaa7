"""Which order are the spins in?  The time-reversal residual answers.

For spin 1/2, T = U K with U = i sigma_y (x) 1, so H(A) = U H(A)* U^dagger for
every lattice vector A.  The file does not say whether the orbitals are
ordered "all up, all down" (blocks) or "up, down, up, down" (interleaved); the
order with the clearly smaller violation is the one.  Spinless Hamiltonians
with time reversal are real.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.structures.hoppings.model import SpinOrder

DISTINCT = 0.25
ZERO = 1e-5


def partner(n: int, order: SpinOrder) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Time reversal as a signed permutation: U[i, p[i]] = s[i].

    Returns p (n,) int64 and s (n,) float64 with s = +1 for up (U maps down to
    up) and -1 for down.
    """
    index = np.arange(n)
    if order == "blocks":
        return (index + n // 2) % n, np.where(index < n // 2, 1.0, -1.0)
    if order == "interleaved":
        return index ^ 1, np.where(index % 2 == 0, 1.0, -1.0)
    return index, np.ones(n)


def time_reversal_residual(matrices: NDArray[np.complex128], order: SpinOrder) -> float:
    """Max |H(A) - U H(A)* U^dagger| in eV over all A; (m, n, n) input."""
    n = matrices.shape[-1]
    if n % 2 and order in ("blocks", "interleaved"):
        return float("inf")
    p, s = partner(n, order)
    worst = 0.0
    for piece in np.array_split(matrices, max(1, len(matrices) // 64)):
        image = piece[:, p][:, :, p].conj() * (s[:, None] * s[None, :])
        worst = max(worst, float(np.abs(piece - image).max(initial=0.0)))
    return worst


def detect_spin_order(
    matrices: NDArray[np.complex128], spinors: bool | None = None
) -> tuple[SpinOrder, float]:
    """The order with the clearly smallest residual, and that residual in eV.

    ``spinors`` is what an input file states, None when nothing does.
    ``"unknown"`` when no order stands out: a magnetic Hamiltonian, or spinor
    Wannier functions in no common order.
    """
    if spinors is False:
        return "spinless", time_reversal_residual(matrices, "spinless")
    orders: tuple[SpinOrder, ...] = ("blocks", "interleaved")
    if spinors is None:
        orders = (*orders, "spinless")
    residuals = [time_reversal_residual(matrices, order) for order in orders]
    found = sorted((r if r > ZERO else 0.0, i) for i, r in enumerate(residuals))
    (best, i), (second, _) = found[0], found[1]
    if best > DISTINCT * second:
        return "unknown", residuals[i]
    return orders[i], residuals[i]
