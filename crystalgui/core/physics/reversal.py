"""Time reversal of a Hamiltonian, found and not asked.

T = U K commutes with H when U H(A)* = H(A) U for every lattice vector A.  The
usual orders of spins are tried first, then an unknown U with one block for
each site is solved for (see `intertwiners`); what is left is the spectrum:
E(k) = E(-k), and Kramers pairs at the momenta that time reversal keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.intertwiners import NullSpace, Problem, element, null_space
from crystalgui.core.physics.sites import from_centres, one_site
from crystalgui.core.structures.hoppings.model import Hoppings, SpinOrder
from crystalgui.core.structures.hoppings.spin import partner, time_reversal_residual

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

TOLERANCE = 5e-3
"""Largest residual, eV, of a Hamiltonian that counts as time-reversal symmetric."""
RELATIVE = 0.01
"""The same in parts of the largest hopping, for models in other units."""
STRONGEST = 40
"""Lattice vectors used to find a matrix; all are used to judge it."""
GENERIC_K = np.array(
    [
        [0.1357, 0.2461, 0.3719],
        [0.4173, 0.0913, 0.2287],
        [0.3319, 0.4043, 0.1171],
        [0.0557, 0.3127, 0.4631],
        [0.2713, 0.1637, 0.0389],
        [0.3821, 0.4771, 0.3053],
    ]
)
"""Points of no symmetry, reduced."""
TRIM = np.array(list(product((0.0, 0.5), repeat=3)))
"""The eight momenta with -k = k + G, reduced, in the order 000, 001, 010, ..."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TimeReversal:
    """Whether and how time reversal acts.

    Attributes
    ----------
    matrix : (n, n) complex128 or None
        U with H(k) = U H(-k)* U^dagger; when ``kind`` is ``"none"``, the
        closest candidate, if there is one.
    square : int
        Of T, or of the closest candidate: -1 (electrons with spin) or +1
        (without); 0 when there is none.
    residual : float, eV
        max |H(A) - U H(A)* U^dagger|; for ``"spectral"`` max |E(k) - E(-k)|.
    splitting : float, eV
        Largest splitting of the Kramers pairs at the TRIM; NaN for an odd
        number of orbitals.
    kind : {"matrix", "spectral", "none"}
    spin_order : SpinOrder
        Order of the orbitals, when it is a common one.
    """

    matrix: Complexes | None
    square: int
    residual: float
    splitting: float
    kind: Literal["matrix", "spectral", "none"]
    spin_order: SpinOrder = "unknown"

    @property
    def holds(self) -> bool:
        """Whether the Hamiltonian is time-reversal symmetric."""
        return self.kind != "none"


def scale(h: Hoppings) -> float:
    """Largest element of the hoppings without the mean on-site energy, eV."""
    home = (h.cells == 0).all(axis=1)
    largest = float(np.abs(h.matrices[~home]).max(initial=0.0))
    n = h.n_orbitals
    for matrix in h.matrices[home]:
        largest = max(largest, float(np.abs(matrix - np.trace(matrix) / n * np.eye(n)).max()))
    return largest


def strongest(h: Hoppings, count: int = STRONGEST) -> NDArray[np.int64]:
    """Rows of the cells with the largest matrices, one of each pair A and -A."""
    c = h.cells
    first = np.where(c[:, 0] != 0, c[:, 0], np.where(c[:, 1] != 0, c[:, 1], c[:, 2]))
    half = np.flatnonzero(first >= 0)
    size = np.abs(h.matrices[half]).max(axis=(1, 2), initial=0.0)
    return np.asarray(half[np.argsort(-size, kind="stable")[:count]])


def kramers_splitting(h: Hoppings) -> float:
    """Largest splitting of the pairs (0, 1), (2, 3), ... at the eight TRIM, eV."""
    if h.n_orbitals % 2:
        return float("nan")
    levels = energies(h, TRIM)
    return float((levels[:, 1::2] - levels[:, ::2]).max(initial=0.0))


def time_reversal(h: Hoppings, tolerance: float | None = None) -> TimeReversal:
    """Find time reversal.

    Parameters
    ----------
    h : Hoppings
    tolerance : float, eV, optional
        Default: `TOLERANCE`, or `RELATIVE` of the largest hopping if that is
        less.

    Returns
    -------
    TimeReversal
    """
    if tolerance is None:
        tolerance = min(TOLERANCE, RELATIVE * scale(h))
    splitting = kramers_splitting(h)
    usual = _usual(h, tolerance, splitting)
    if usual.kind == "matrix":
        return usual
    solved = _solved(h, tolerance, splitting)
    if solved is not None and solved.kind == "matrix":
        return solved
    apart = _asymmetry(h)
    if apart < tolerance and splitting < tolerance:
        return TimeReversal(
            matrix=None, square=-1, residual=apart, splitting=splitting, kind="spectral"
        )
    if solved is not None and solved.residual < usual.residual:
        return solved
    return usual


def _asymmetry(h: Hoppings) -> float:
    """Largest |E(k) - E(-k)| at generic k."""
    levels = energies(h, np.concatenate([GENERIC_K, -GENERIC_K]))
    half = len(GENERIC_K)
    return float(np.abs(levels[:half] - levels[half:]).max())


def permutation_matrix(n: int, order: SpinOrder) -> Complexes:
    """U of T = U K for a common order of spins."""
    p, s = partner(n, order)
    matrix = np.zeros((n, n), dtype=np.complex128)
    matrix[np.arange(n), p] = s
    return matrix


def _usual(h: Hoppings, tolerance: float, splitting: float) -> TimeReversal:
    """Signed permutations; only promising ones are tested on every lattice vector."""
    n = h.n_orbitals
    said = h.assumptions.spin_order
    orders: list[SpinOrder] = ["blocks", "interleaved", "spinless"] if n % 2 == 0 else ["spinless"]
    if said in orders:
        orders.sort(key=lambda order: order != said)
    sample = h.matrices[strongest(h)]
    residuals = [time_reversal_residual(sample, order) for order in orders]
    best = int(np.argmin(np.round(np.array(residuals) / tolerance)))
    residual, order = residuals[best], orders[best]
    if residual <= tolerance:
        residual = time_reversal_residual(h.matrices, order)
    holds = residual <= tolerance
    return TimeReversal(
        matrix=permutation_matrix(n, order),
        square=1 if order == "spinless" else -1,
        residual=residual,
        splitting=splitting,
        kind="matrix" if holds else "none",
        spin_order=order,
    )


def _solved(h: Hoppings, tolerance: float, splitting: float) -> TimeReversal | None:
    """Solve for U with one block for each site."""
    n = h.n_orbitals
    sites = one_site(h, n) if h.centres is None else from_centres(h, h.centres)
    if h.centres is None and n > 36:
        return None
    rows = strongest(h)
    count = len(sites.frac)
    padded = np.concatenate([h.matrices[rows], np.zeros((1, n, n))])[:, None]
    space = null_space(
        Problem(
            source=padded[:-1].conj(),
            target=padded,
            site=sites.site,
            image=np.arange(count),
            index=np.broadcast_to(np.arange(len(rows))[:, None, None], (len(rows), count, count)),
            real=False,
        )
    )
    if space is None or space.violation > 0.1:
        return None
    for square in (-1, 1):
        matrix = _with_square(space.basis, square)
        if matrix is None:
            continue
        image = matrix @ h.matrices.conj() @ matrix.conj().T
        residual = float(np.abs(h.matrices - image).max())
        if residual <= tolerance:
            return TimeReversal(
                matrix=matrix,
                square=square,
                residual=residual,
                splitting=splitting,
                kind="matrix",
            )
    return None


def _with_square(basis: Complexes, square: int) -> Complexes | None:
    """A unitary U in the null space with U U* = square: U^T = square U.

    The transpose of a solution is a solution too, because H is Hermitian.
    """
    turned = basis + square * basis.transpose(0, 2, 1)
    if np.abs(turned).max() < 1e-3:
        return None
    n = basis.shape[-1]
    _, sizes, right = np.linalg.svd(turned.reshape(len(turned), -1), full_matrices=False)
    kept = right[sizes > 0.1 * sizes[0]].reshape(-1, n, n)
    matrix = element(NullSpace(basis=np.ascontiguousarray(kept), violation=0.0))
    if matrix is None or np.abs(matrix @ matrix.conj() - square * np.eye(n)).max() > 0.1:
        return None
    # The nearest (anti)symmetric unitary matrix.
    left, _, right = np.linalg.svd((matrix + square * matrix.T) / 2)
    return np.asarray(left @ right)


def symmetrised(h: Hoppings, reversal: TimeReversal) -> Hoppings:
    """The Hamiltonian averaged with its time-reversed image, (H + U H* U^dagger) / 2."""
    if reversal.matrix is None:
        return h
    u = reversal.matrix
    return replace(h, matrices=(h.matrices + u @ h.matrices.conj() @ u.conj().T) / 2)
