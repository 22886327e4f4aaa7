"""Descent to a touching of bands, from many starts at once.

A Gauss-Newton step on the Hamiltonian projected onto the bands at the gap
(Hellmann-Feynman) makes the traceless part of that block vanish; it is
quadratic at Weyl, Dirac and higher crossings alike (Gresch et al., Phys. Rev.
B 95, 075146 (2017), section V, minimise the gap by a simplex instead).  Where
the gap stays open, a parabola through gap^2 finds its minimum.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import (
    energies,
    half_sum,
    hamiltonian,
    one_blas_thread,
    phases,
)
from crystalgui.core.physics.brillouin import reciprocal_of
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

CLOSED = 1e-7
"""eV: a refined gap below this is a node."""
_OPEN = 1e-2
"""eV: above it, a step that fails counts as the end of a descent."""
_SETTLED = 1e-11
"""Part of its value by which a minimum may still be wrong."""


def reciprocal_basis(h: Hoppings) -> Floats:
    """(3, 3) rows in 1/Angstrom; of a cube of 1 Angstrom when no lattice is known."""
    return reciprocal_of(np.eye(3) if h.lattice is None else h.lattice)


def wrap(k: Floats) -> Floats:
    """Reduced k (..., 3) moved to (-1/2, 1/2]."""
    wrapped = k - np.ceil(k - 0.5 - 1e-7)
    return np.asarray(np.round(wrapped, 12) + 0.0)


def gap_at(h: Hoppings, occupied: int, k: Floats) -> Floats:
    """E(occupied + 1) - E(occupied) in eV at k (..., 3) reduced; (...)."""
    e = energies(h, k.reshape(-1, 3))
    return np.asarray((e[:, occupied] - e[:, occupied - 1]).reshape(k.shape[:-1]))


def derivative(h: Hoppings, k: Floats) -> Complexes:
    """dH/dk in the lattice gauge: k (s, 3) reduced -> (s, 3, n, n) in eV Angstrom.

    Cartesian components; cells are taken on the cube of 1 Angstrom when no
    lattice is known.
    """
    cells, half = half_sum(h)
    n = h.n_orbitals
    arms = cells @ (np.eye(3) if h.lattice is None else h.lattice)
    result = np.empty((len(k), 3, n, n), dtype=np.complex128)
    step = max(1, (8 << 20) // (48 * (len(cells) + n * n)))
    flat = half.reshape(len(cells), n * n)
    for a in range(0, len(k), step):
        factor = phases(k[a : a + step], cells)[:, None, :] * (1j * arms.T)
        s = (factor.reshape(-1, len(cells)) @ flat).reshape(-1, 3, n, n)
        result[a : a + step] = s + s.conj().swapaxes(-1, -2)
    return result


def descend(
    h: Hoppings,
    occupied: int,
    k: Floats,
    reach: float | Floats,
    *,
    live: NDArray[np.bool_] | None = None,
    iterations: int = 40,
) -> tuple[Floats, Floats]:
    """Local minima of the gap, all starts together.

    Parameters
    ----------
    k : (s, 3), reduced
    reach : float or (s,), 1/Angstrom
        Largest first step.
    live : (3,) bool, optional
        Reduced directions in which k may move.

    Returns
    -------
    k (s, 3) reduced, gap (s,) eV
    """
    basis = reciprocal_basis(h)
    inverse = np.linalg.inv(basis)
    free = np.eye(3) if live is None else _plane(basis[live])
    k = np.array(k, dtype=np.float64)
    gap = gap_at(h, occupied, k)
    trust = np.broadcast_to(np.asarray(reach, dtype=np.float64), (len(k),)).copy()
    idle = np.zeros(len(k), dtype=int)
    with one_blas_thread():
        for _ in range(iterations):
            on = np.flatnonzero((gap > 1e-11) & (trust > 1e-10) & (idle < 4))
            if not len(on):
                break
            steps = _newton_steps(h, occupied, k[on], free)
            length = np.linalg.norm(steps, axis=-1)
            steps *= np.minimum(1, trust[on][:, None] / np.maximum(length, 1e-300))[..., None]
            trial = k[on][:, None] + steps @ inverse
            value = gap_at(h, occupied, trial)
            best = value.argmin(axis=1)
            rows = np.arange(len(on))
            found, moved = value[rows, best], np.linalg.norm(steps, axis=-1)[rows, best]
            better = found < gap[on]
            # Near a node the gap falls by large factors; slow progress is an open minimum.
            slow = better & (found > 0.97 * gap[on])
            small = slow | ~better & ((moved < 1e-9) | (gap[on] > _OPEN))
            idle[on] = np.where(small, idle[on] + 1, 0)
            k[on[better]] = trial[rows, best][better]
            gap[on[better]] = found[better]
            trust[on] = np.where(better, np.maximum(trust[on], 2 * moved), moved / 4)
    return k, gap


def _plane(rows: Floats) -> Floats:
    """Projector (3, 3) onto the span of the rows."""
    q, _ = np.linalg.qr(rows.T)
    return np.asarray(q @ q.T)


def _newton_steps(h: Hoppings, occupied: int, k: Floats, free: Floats) -> Floats:
    """Gauss-Newton steps (s, c, 3), Cartesian, for the touching of 2, 3 or 4 bands.

    In the states at k, H(k + q) is diag(e) + q.V to first order; the step
    makes its traceless part as small as possible.
    """
    e, u = np.linalg.eigh(hamiltonian(h, k))
    v = derivative(h, k)
    low, high = max(0, occupied - 2), min(h.n_orbitals, occupied + 2)
    c = u[:, :, low:high]
    v = c.conj().swapaxes(-1, -2)[:, None] @ v @ c[:, None]
    v = np.einsum("ab,sbij->saij", free, v)
    e = e[:, low:high]
    here = occupied - low
    steps = []
    for below, above in product((1, 2), (1, 2)):
        if here - below < 0 or here + above > high - low:
            continue
        part = slice(here - below, here + above)
        steps.append(_touching(e[:, part], v[:, :, part, part], free))
    return np.stack(steps, axis=1)


def traceless(v: Complexes) -> Complexes:
    """Subtract the mean of the diagonal: (..., m, m) -> same."""
    m = v.shape[-1]
    mean = np.trace(v, axis1=-2, axis2=-1) / m
    return np.asarray(v - mean[..., None, None] * np.eye(m))


def _touching(e: Floats, v: Complexes, free: Floats) -> Floats:
    """argmin_q of the norm of the traceless part of diag(e) + q.v; (s, 3)."""
    m = e.shape[-1]
    rest = (e - e.mean(axis=-1, keepdims=True))[..., None] * np.eye(m)
    j = traceless(v).reshape(len(e), 3, m * m)
    normal = np.einsum("sai,sbi->sab", j.conj(), j).real
    right = np.einsum("sai,si->sa", j.conj(), rest.reshape(len(e), m * m)).real
    scale = np.trace(normal, axis1=-2, axis2=-1)[:, None, None] + 1e-300
    # Directions that are fixed, or in which nothing changes, get no step.
    normal = normal + scale * ((np.eye(3) - free) + 1e-12 * np.eye(3))
    return np.asarray(-np.linalg.solve(normal, right[..., None])[..., 0])


def settle(
    h: Hoppings,
    occupied: int,
    k: Floats,
    radius: float,
    *,
    live: NDArray[np.bool_] | None = None,
    rounds: int = 9,
) -> tuple[Floats, Floats]:
    """Minima of an open gap near k (s, 3): parabolas through gap^2 on shrinking stencils.

    ``radius`` in 1/Angstrom is the first stencil.  Returns k (s, 3), gap (s,) eV.
    """

    def square(at: Floats) -> Floats:
        return gap_at(h, occupied, at) ** 2

    k, value = minimise(square, k, radius, reciprocal_basis(h), live=live, rounds=rounds)
    return k, np.sqrt(value)


def minimise(
    function: Callable[[Floats], Floats],
    k: Floats,
    radius: float,
    basis: Floats,
    *,
    live: NDArray[np.bool_] | None = None,
    rounds: int = 9,
) -> tuple[Floats, Floats]:
    """Local minima of a function of k near many starts at once.

    Newton's method with derivatives from a parabola through a stencil of 3^d
    points that shrinks in each round.  The lowest point of the stencil is
    taken when the parabola misses, so that kinks only make it slower.

    Parameters
    ----------
    function : (..., 3) reduced k -> (...)
    k : (s, 3), reduced
    radius : float, 1/Angstrom
        Of the first stencil.
    basis : (3, 3), 1/Angstrom
        Rows: reciprocal vectors.
    live : (3,) bool, optional
        Reduced directions in which k may move.
    rounds : int

    Returns
    -------
    k (s, 3) reduced, value (s,)
    """
    d = 3 if live is None else int(live.sum())
    rows = np.linalg.svd(basis if live is None else basis[live])[2][:d]
    grid = np.array(list(product((-1.0, 0.0, 1.0), repeat=d)))
    i, j = np.triu_indices(d)
    fit = np.linalg.pinv(
        np.concatenate([np.ones((len(grid), 1)), grid, grid[:, i] * grid[:, j]], 1)
    )
    to_reduced = rows @ np.linalg.inv(basis)
    k, lowest = k.copy(), function(k)
    if not d:
        return k, lowest
    moving = np.arange(len(k))
    reach = np.full((len(k), 1), radius)
    for _ in range(rounds):
        here, arm = k[moving], reach[moving]
        trial = here[:, None] + arm[:, None] * (grid @ to_reduced)
        value = function(trial)
        found = value @ fit.T
        hessian = np.zeros((len(here), d, d))
        hessian[:, i, j] += found[:, 1 + d :]
        hessian[:, j, i] += found[:, 1 + d :]
        curvature, axes = np.linalg.eigh(hessian)
        floor = 1e-3 * np.abs(curvature).max(axis=1, keepdims=True) + 1e-300
        inner = np.einsum("sab,sa->sb", axes, found[:, 1 : 1 + d]) / np.maximum(curvature, floor)
        step = -np.einsum("sab,sb->sa", axes, inner)
        step /= np.maximum(1, np.abs(step).max(axis=1) / 2)[:, None]
        newton = here + arm * step @ to_reduced
        trial = np.concatenate([trial, newton[:, None]], axis=1)
        value = np.concatenate([value, function(newton[:, None])], axis=1)
        best = value.argmin(axis=1)
        index = np.arange(len(here))
        k[moving] = trial[index, best]
        gained, missed = lowest[moving] - value[index, best], value[:, -1] - value[index, best]
        lowest[moving] = value[index, best]
        # There: the middle of the stencil is as low as the parabola can promise.
        done = np.maximum(gained, missed) < _SETTLED * np.abs(lowest[moving])
        done &= np.abs(step).max(axis=1) < 0.3
        # Where a kink keeps the lowest point on the rim, it shrinks less.
        reach[moving] *= np.where((best < len(grid)) & (best != len(grid) // 2), 0.7, 0.45)[:, None]
        moving = moving[~done]
        if not len(moving):
            break
    return k, lowest
