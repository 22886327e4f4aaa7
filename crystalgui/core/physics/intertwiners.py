"""Matrices D that carry one tight-binding Hamiltonian into another, found by linear algebra.

A symmetry that maps site a to site pi(a) acts on the orbitals by one unitary
block D_a for each site, with D_a X_ab(A) = Y_pi(a)pi(b)(A') D_b for every
hopping.  These conditions are linear in the blocks, so D is the null vector of
a small Hermitian matrix.  When the null space has more dimensions (the
Hamiltonian has internal symmetries), the polar factor of any regular element
is again a solution, because N^dagger N commutes with X; and so is
D (D^m / c)^(-1/m), which has the m-th power c that the operation demands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Complexes = NDArray[np.complex128]

NULL = 3.0
"""Null vectors violate the conditions by at most this many times the least violation."""
EXACT = 1e-7
"""A relative violation below which a null vector is exact."""
MOST_UNKNOWNS = 1600
"""Elements of D above which the dense null space takes too long."""
_REGULAR = 1e-3


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Problem:
    """D X(A) = Y(A') D with one block of D for each site.

    Attributes
    ----------
    source : (m, q, n, n) complex128
        X for the strongest cells A; q counts components that D does not mix
        (spin).
    target : (m', q, n, n) complex128
        Y for all cells, and zeros as the last element.
    site : (n,) int64
        Site of each orbital.
    image : (s,) int64
        Site that each site is mapped to.
    index : (m, s, s) int64
        Row of ``target`` that holds A' for the pair of sites; the last where
        nothing is stored.
    real : bool
        Whether D is to be real.
    """

    source: Complexes
    target: Complexes
    site: Ints
    image: Ints
    index: Ints
    real: bool

    @property
    def members(self) -> list[Ints]:
        """Orbitals of each site."""
        return [np.flatnonzero(self.site == a) for a in range(len(self.image))]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NullSpace:
    """Null vectors as matrices (r, n, n), and their relative violation (0 exact, about 1 none)."""

    basis: Complexes
    violation: float

    @property
    def freedom(self) -> int:
        """Dimension."""
        return len(self.basis)


def null_space(problem: Problem) -> NullSpace | None:
    """Solve the conditions in the least-squares sense; None when there are too many unknowns."""
    members = problem.members
    sizes = np.array([len(m) for m in members])
    if (sizes[problem.image] != sizes).any() or (sizes**2).sum() > MOST_UNKNOWNS:
        return None
    offset = np.concatenate([[0], np.cumsum(sizes**2)])
    total = int(offset[-1])
    normal = np.zeros((total, total), dtype=np.complex128)
    for a, rows in enumerate(members):
        own = slice(offset[a], offset[a + 1])
        for b, columns in enumerate(members):
            other = slice(offset[b], offset[b + 1])
            x = problem.source[:, :, rows[:, None], columns]
            to_rows, to_columns = members[problem.image[a]], members[problem.image[b]]
            y = problem.target[
                problem.index[:, a, b][:, None, None, None],
                np.arange(x.shape[1])[None, :, None, None],
                to_rows[:, None],
                to_columns,
            ]
            na, nb = sizes[a], sizes[b]
            flat_x, flat_y = x.reshape(-1, na, nb), y.reshape(-1, na, nb)
            xx = np.tensordot(flat_x, flat_x.conj(), axes=((0, 2), (0, 2)))
            yy = np.tensordot(flat_y.conj(), flat_y, axes=((0, 1), (0, 1)))
            normal[own, own] += np.kron(np.eye(na), xx.T)
            normal[other, other] += np.kron(yy, np.eye(nb))
            # (q, j), (p, i): - X[i, j] conj(Y[p, q])
            cross = flat_y.conj().reshape(len(flat_y), -1).T @ flat_x.reshape(len(flat_x), -1)
            cross = cross.reshape(na, nb, na, nb).transpose(1, 3, 0, 2).reshape(nb * nb, na * na)
            normal[other, own] -= cross
            normal[own, other] -= cross.conj().T
    return _lowest(normal, problem, members, offset)


def _lowest(
    normal: Complexes, problem: Problem, members: list[Ints], offset: Ints
) -> NullSpace | None:
    n = len(problem.site)
    power = float((np.abs(problem.source) ** 2).sum())
    if power == 0:
        return None
    values, vectors = np.linalg.eigh(normal.real if problem.real else normal)
    violation = np.sqrt(np.maximum(values, 0) * n / power)
    kept = np.flatnonzero(violation <= NULL * violation[0] + EXACT)
    basis = np.zeros((len(kept), n, n), dtype=np.complex128)
    for a, columns in enumerate(members):
        rows = members[problem.image[a]]
        part = vectors[offset[a] : offset[a + 1]][:, kept].T
        basis[:, rows[:, None], columns] = part.reshape(-1, len(rows), len(columns))
    return NullSpace(basis=basis, violation=float(violation[0]))


def element(space: NullSpace, reversal: Complexes | None = None) -> Complexes | None:
    """A unitary element of a null space.

    Parameters
    ----------
    space : NullSpace
    reversal : (n, n) complex128, optional
        U of time reversal U K, with which the element is to commute.

    Returns
    -------
    (n, n) complex128, or None when no element is regular.
    """
    n = space.basis.shape[-1]
    for seed in range(4):
        random = np.random.default_rng(seed)
        aim = random.normal(size=(2, n, n))
        mixed = np.tensordot(
            space.basis.conj(), aim[0] + 1j * aim[1] * (not _is_real(space.basis)), axes=2
        )
        matrix = np.tensordot(mixed, space.basis, axes=1)
        if reversal is not None:
            matrix = _commuting(matrix, reversal)
        left, sizes, right = np.linalg.svd(matrix)
        if sizes[-1] > _REGULAR * sizes[0]:
            return np.asarray(left @ right)
    return None


def _is_real(matrix: Complexes) -> bool:
    return bool(np.abs(matrix.imag).max(initial=0.0) == 0)


def _commuting(matrix: Complexes, reversal: Complexes) -> Complexes:
    """The part of a matrix, or of i times it, that commutes with U K."""
    image = reversal @ matrix.conj() @ reversal.conj().T
    even, odd = matrix + image, 1j * (matrix - image)
    return even if np.linalg.norm(even) >= np.linalg.norm(odd) else odd


def with_power(matrix: Complexes, order: int, power: complex, *, real: bool) -> Complexes | None:
    """D (D^m / c)^(-1/m): the same symmetry with D^m = c.

    ``real`` (or commuting with time reversal) forbids phases other than
    signs; None when the power cannot be had.
    """
    from scipy.linalg import schur

    upper, vectors = schur(np.linalg.matrix_power(matrix, order) / power, output="complex")
    values = np.diag(upper)
    if np.abs(np.abs(values) - 1).max() > 1e-6:
        return None
    mean = values.mean()
    if real:
        if abs(mean + 1) < 0.5:
            if order % 2 == 0:
                return None
            matrix, values = -matrix, -values
    elif abs(mean) > 0.1:
        turn = mean / abs(mean)
        matrix, values = matrix * turn ** (-1 / order), values / turn
    root = np.exp(-1j * np.angle(values) / order)
    result = np.asarray(matrix @ (vectors * root) @ vectors.conj().T)
    return result.real.astype(np.complex128) if real and _is_real(matrix) else result
