"""H(k) = sum_A exp(2 pi i k.A) H_A and its eigenvalues, on any array library.

Scattered k-points take their phases from powers of three numbers (never an
exponential per lattice vector); only half of the lattice vectors are summed,
H(k) = S + S^dagger.  On the numpy path the eigenvalues of many k-points are
shared over threads while BLAS itself stays on one (batched small
eigenproblems are slower with a threaded BLAS).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.stopping import check, stop_flag
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Complexes = NDArray[np.complexfloating[Any, Any]]

_CHUNK_BYTES = 16 << 20


def half_sum(h: Hoppings) -> tuple[NDArray[np.int64], NDArray[np.complex128]]:
    """Half of the cells and matrices such that H(k) = S(k) + S(k)^dagger.

    Cells (m', 3) with the first non-zero component positive, and the home
    cell with half its matrix.
    """
    c = h.cells
    home = (c == 0).all(axis=1)
    first = np.where(c[:, 0] != 0, c[:, 0], np.where(c[:, 1] != 0, c[:, 1], c[:, 2]))
    keep = home | (first > 0)
    matrices = np.where(home[keep][:, None, None], 0.5, 1.0) * h.matrices[keep]
    return c[keep], matrices


def phases(k: Any, cells: NDArray[np.int64]) -> Any:
    """exp(2 pi i k.A) by powers: k (..., 3) reduced -> (..., m) complex, same library as k."""
    from array_api_compat import array_namespace, device

    xp = array_namespace(k)
    span = int(np.abs(cells).max(initial=0))
    result = None
    for axis in range(3):
        angle = 2 * np.pi * k[..., axis]
        base = xp.cos(angle) + 1j * xp.sin(angle)
        powers = [xp.ones_like(base)]
        for _ in range(span):
            powers.append(powers[-1] * base)
        conjugate = [xp.conj(p) for p in powers[:0:-1]]
        table = xp.stack(conjugate + powers, axis=-1)
        index = xp.asarray(cells[:, axis] + span, device=device(k))
        part = xp.take(table, index, axis=-1)
        result = part if result is None else result * part
    return result


def bloch_sum(cells: NDArray[np.int64], matrices: Any, k: Any) -> Any:
    """sum_A exp(2 pi i k.A) M_A: matrices (m, n, n), k (..., 3) -> (..., n, n)."""
    from array_api_compat import array_namespace

    xp = array_namespace(matrices, k)
    m, n = matrices.shape[0], matrices.shape[-1]
    factor = xp.astype(phases(k, cells), matrices.dtype)
    flat = xp.reshape(factor, (-1, m)) @ xp.reshape(matrices, (m, n * n))
    return xp.reshape(flat, (*k.shape[:-1], n, n))


def hamiltonian(h: Hoppings, k: Any) -> Any:
    """H(k) in the lattice gauge.

    Parameters
    ----------
    h : Hoppings
    k : (..., 3) floating array of numpy, torch or another array library; reduced

    Returns
    -------
    (..., n, n) complex array of the same library, eV
    """
    from array_api_compat import array_namespace, device

    if not hasattr(k, "dtype"):
        k = np.asarray(k, dtype=np.float64)
    xp = array_namespace(k)
    cells, half = half_sum(h)
    s = bloch_sum(cells, xp.asarray(half, device=device(k)), k)
    return s + xp.conj(xp.matrix_transpose(s))


def energies(h: Hoppings, k: Any, *, threads: int | None = None) -> Any:
    """Eigenvalues at scattered k-points.

    Parameters
    ----------
    h : Hoppings
    k : (m, 3) floating, reduced
    threads : int, optional
        Threads over k on the numpy path; default is the number of cores, at
        most 8.

    Returns
    -------
    (m, n) floating, eV, ascending
    """
    from array_api_compat import array_namespace, is_numpy_array

    if not hasattr(k, "dtype"):
        k = np.asarray(k, dtype=np.float64)
    if not is_numpy_array(k):
        xp = array_namespace(k)
        return xp.linalg.eigvalsh(hamiltonian(h, k))
    k = np.asarray(k, dtype=np.float64).reshape(-1, 3)
    cells, triangle, places = _lower_triangle(h)
    n = h.n_orbitals
    result = np.empty((len(k), n))
    step = max(1, min(256, _CHUNK_BYTES // (16 * (len(cells) + 2 * n**2))))

    def part(rows: slice) -> None:
        factor = phases(k[rows], cells)
        lower = np.concatenate([factor.real, factor.imag], axis=1) @ triangle
        matrices = np.zeros((len(factor), n * n), dtype=np.complex128)
        matrices[:, places] = lower.view(np.complex128)
        result[rows] = np.linalg.eigvalsh(matrices.reshape(-1, n, n), UPLO="L")

    over_chunks(part, len(k), step, threads)
    return result


@lru_cache(maxsize=4)
def _lower_triangle(h: Hoppings) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """H(k)_ij, i >= j, as one real product with (cos, sin) of k.A; remembered for the last few.

    Returns the cells (m', 3) of half of the sum, the factors (2 m', n (n + 1)), each
    pair of columns one complex element, and where these are in (n, n).
    """
    cells, half = half_sum(h)
    i, j = np.tril_indices(h.n_orbitals)
    one, other = half[:, i, j], half[:, j, i].conj()
    both = np.ascontiguousarray(np.concatenate([one + other, 1j * (one - other)]))
    return cells, both.view(np.float64), i * h.n_orbitals + j


def cores() -> int:
    """Cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def over_chunks(
    part: Callable[[slice], None], total: int, step: int, threads: int | None = None
) -> None:
    """Call ``part`` on consecutive slices, in threads, with BLAS on one thread each.

    Between two slices it can be stopped (`core.stopping`).
    """
    flag = stop_flag()

    def watched(chunk: slice) -> None:
        check(flag)
        part(chunk)

    count = _threads.get() or min(8, cores()) if threads is None else threads
    if count > 1:
        step = max(1, min(step, -(-total // count)))
    rows = [slice(a, min(a + step, total)) for a in range(0, total, step)]
    with one_blas_thread():
        if count < 2 or len(rows) < 2 or total < 16:
            for chunk in rows:
                watched(chunk)
            return
        with ThreadPoolExecutor(min(count, len(rows)), "bloch") as pool:
            for _ in pool.map(watched, rows):
                pass


_threads: ContextVar[int] = ContextVar("threads", default=0)


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, in this thread, k-points are not shared over threads.

    For many processes at a time; results are then the same to the last bit
    whatever the number of cores.
    """
    token = _threads.set(1)
    try:
        yield
    finally:
        _threads.reset(token)


@lru_cache(maxsize=1)
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


_blas_lock = threading.Lock()
_blas_users: list[Any] = []


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS on one thread while any caller, in any thread, is inside.

    Whoever enters can be stopped here (`core.stopping`).
    """
    check()
    with _blas_lock:
        limit = None
        if not _blas_users:
            limit = _controller().limit(limits=1, user_api="blas")
            limit.__enter__()
        _blas_users.append(limit)
    try:
        yield
    finally:
        with _blas_lock:
            last = _blas_users.pop()
            if _blas_users and last is not None:
                _blas_users[0] = last
            elif last is not None:
                last.__exit__(None, None, None)


def grid_energies(
    h: Hoppings,
    mesh: tuple[int, int, int],
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
    *,
    wanted: NDArray[np.bool_] | None = None,
) -> Floats:
    """Eigenvalues on the regular mesh k = (i/n1, j/n2, l/n3) + shift.

    Returns (n1, n2, n3, n) float64, eV.  The sums over the three lattice
    directions are done one after the other.  With ``wanted`` (n1, n2, n3)
    only those points are diagonalised, the others are NaN.
    """
    n = h.n_orbitals
    axes = [np.arange(count) / count + s for count, s in zip(mesh, shift, strict=True)]
    first, rest, blocks = _by_first(*half_sum(h))
    result = np.full((*mesh, n), np.nan)

    def part(rows: slice) -> None:
        weight = np.exp(2j * np.pi * np.outer(axes[0][rows], first))
        planes = np.tensordot(weight, blocks, axes=(1, 0))
        for i, plane in enumerate(planes, start=rows.start):
            if wanted is None:
                result[i] = np.linalg.eigvalsh(plane_sum(rest, plane, axes[1], axes[2]))
            elif wanted[i].any():
                some = plane_sum(rest, plane, axes[1], axes[2])[wanted[i]]
                result[i][wanted[i]] = np.linalg.eigvalsh(some)

    over_chunks(part, mesh[0], max(1, _CHUNK_BYTES // (16 * blocks[0].size)))
    return result


def _by_first(
    cells: NDArray[np.int64], matrices: NDArray[np.complex128]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.complex128]]:
    """Sort matrices into (first index, other two indices, n, n)."""
    first, place = np.unique(cells[:, 0], return_inverse=True)
    rest, where = np.unique(cells[:, 1:], axis=0, return_inverse=True)
    blocks = np.zeros((len(first), len(rest), *matrices.shape[1:]), dtype=np.complex128)
    blocks[place.ravel(), where.ravel()] = matrices
    return first, rest, blocks


def plane_sum(
    cells: NDArray[np.int64], matrices: Complexes, u: Floats, v: Floats, shear: float = 0.0
) -> Complexes:
    """S + S^dagger on the grid (u_i + shear v_j, v_j), S = sum exp(2 pi i (p u + q v)) M_pq.

    ``cells`` (m, 2) integers p, q; ``matrices`` (m, n, n).  Returns
    (len(u), len(v), n, n): two separable sums, the second one over p only.
    """
    n = matrices.shape[-1]
    p, place = np.unique(cells[:, 0], return_inverse=True)
    q, where = np.unique(cells[:, 1], return_inverse=True)
    block = np.zeros((len(p), len(q), n * n), dtype=matrices.dtype)
    block[place.ravel(), where.ravel()] = matrices.reshape(len(cells), n * n)
    along_q = np.exp(2j * np.pi * np.outer(v, q)).astype(matrices.dtype)
    inner = np.matmul(along_q, block)
    if shear:
        inner = (
            inner * np.exp(2j * np.pi * shear * np.outer(p, v)).astype(matrices.dtype)[..., None]
        )
    along_p = np.exp(2j * np.pi * np.outer(u, p)).astype(matrices.dtype)
    s = np.matmul(along_p, inner.reshape(len(p), -1)).reshape(len(u), len(v), n, n)
    return np.asarray(s + s.conj().swapaxes(-1, -2))
