"""Velocities and Berry curvature of the bands.

Berry curvature is the curl of A = i<u|grad u>, from the Kubo formula (Thouless
et al., Phys. Rev. Lett. 49, 405 (1982); Wang et al., Phys. Rev. B 74, 195118
(2006), eqs. 5-9): for occupied bands only pairs of an occupied and an empty
band enter, so that degenerate occupied bands do no harm and no gauge has to
be chosen.  Where the orbital centres are known, r = A + tau_j - tau_i is the
distance of two orbitals (atomic gauge); else r = A (lattice gauge).  Maps
depend on that, Chern numbers and velocities do not.

Everything but the map of a plane takes numpy and torch arrays alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import half_sum, one_blas_thread, over_chunks, phases
from crystalgui.core.physics.folded import Complexes, Surface, fold
from crystalgui.core.physics.gaps import check_occupation
from crystalgui.core.physics.links import dagger
from crystalgui.core.physics.slices import Plane
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]

_CHUNK_BYTES = 16 << 20
DEGENERATE = 1e-7
"""eV: bands closer than this share a velocity matrix, and have no curvature between them."""


def lattice_of(h: Hoppings) -> Floats:
    """Rows in Angstrom; a cube of 1 Angstrom where no lattice is known."""
    return np.eye(3) if h.lattice is None else h.lattice


def _parts(h: Hoppings, k: Any) -> Iterator[tuple[slice, Any, Any]]:
    """Rows of k (m, 3), H (r, n, n) and dH/dk (r, 3, n, n), in portions."""
    from array_api_compat import array_namespace, device

    xp = array_namespace(k)
    n = h.n_orbitals
    cells, half = half_sum(h)
    arms = cells @ lattice_of(h)
    blocks = np.concatenate([half[None], 1j * arms.T[:, :, None, None] * half])
    flat = np.moveaxis(blocks, 0, 1).reshape(len(cells), 4 * n * n)
    table = xp.asarray(flat, device=device(k))
    tau = None
    if h.centres is not None:
        tau = xp.asarray((h.centres @ lattice_of(h)).T.copy(), device=device(k))
    step = max(1, _CHUNK_BYTES // (16 * (len(cells) + 20 * n * n)))
    for start in range(0, k.shape[0], step):
        rows = slice(start, min(start + step, k.shape[0]))
        factor = xp.astype(phases(k[rows, :], cells), table.dtype)
        s = xp.reshape(factor @ table, (-1, 4, n, n))
        s = s + dagger(s)
        matrix, slope = s[:, 0, :, :], s[:, 1:, :, :]
        if tau is not None:
            apart = tau[:, None, :] - tau[:, :, None]
            slope = slope + 1j * matrix[:, None, :, :] * apart
        yield rows, matrix, slope


def _flat(k: Any) -> tuple[Any, tuple[int, ...], Any]:
    from array_api_compat import array_namespace

    if not hasattr(k, "dtype"):
        k = np.asarray(k, dtype=np.float64)
    xp = array_namespace(k)
    return xp.reshape(k, (-1, 3)), tuple(k.shape[:-1]), xp


def derivative(h: Hoppings, k: Any) -> Any:
    """dH/dk, Cartesian.

    Parameters
    ----------
    h : Hoppings
    k : (..., 3) floating, reduced

    Returns
    -------
    (..., 3, n, n) complex, eV Angstrom: sum of i r_ij exp(2 pi i k.A) H_ij(A), with
    r_ij the distance of the orbitals where their centres are known, else A; in
    the basis of `bloch.hamiltonian`.
    """
    flat, shape, xp = _flat(k)
    n = h.n_orbitals
    return xp.reshape(xp.concat([slope for _, _, slope in _parts(h, flat)]), (*shape, 3, n, n))


def velocities(h: Hoppings, k: Any) -> Any:
    """Band velocities dE/dk (Hellmann-Feynman).

    Parameters
    ----------
    h : Hoppings
    k : (..., 3) floating, reduced

    Returns
    -------
    (..., n, 3) floating, eV Angstrom, bands in ascending energy.  Degenerate
    bands: the eigenvalues, ascending, of each Cartesian component in their
    subspace, which are the slopes along that axis.
    """
    flat, shape, xp = _flat(k)
    n = h.n_orbitals
    answers = []
    for _, matrix, slope in _parts(h, flat):
        energies, states = xp.linalg.eigh(matrix)
        inner = dagger(states)[:, None] @ slope @ states[:, None]
        values = xp.real(xp.linalg.diagonal(inner))
        apart = xp.astype(energies[:, 1:] - energies[:, :-1] > DEGENERATE, energies.dtype)
        group = xp.concat(
            [xp.zeros_like(energies[:, :1]), xp.cumulative_sum(apart, axis=1)], axis=1
        )
        if n > 1 and not bool(xp.all(apart == 1)):
            same = group[:, None, :, None] == group[:, None, None, :]
            # Groups are kept in order, and apart, by a large shift.
            shift = (2 * n * xp.max(xp.abs(inner)) + 1) * group[:, None, :]
            block = xp.where(same, inner, xp.zeros_like(inner))
            one = xp.eye(n, dtype=energies.dtype)
            values = xp.linalg.eigvalsh(block + shift[..., None] * one) - shift
        answers.append(xp.matrix_transpose(values))
    return xp.reshape(xp.concat(answers), (*shape, n, 3))


def berry_curvature(h: Hoppings, k: Any, occupied: int) -> Any:
    """Berry curvature of the occupied bands together.

    Parameters
    ----------
    h : Hoppings
    k : (..., 3) floating, reduced
    occupied : int

    Returns
    -------
    (..., 3) floating, Angstrom^2: the axial vector (yz, zx, xy), Cartesian; NaN
    where the direct gap is closed.
    """
    check_occupation(h, occupied)
    flat, shape, xp = _flat(k)
    answers = []
    for _, matrix, slope in _parts(h, flat):
        energies, states = xp.linalg.eigh(matrix)
        answers.append(curvature_of(energies, states, slope, occupied))
    return xp.reshape(xp.concat(answers), (*shape, 3))


def curvature_of(energies: Any, states: Any, slope: Any, occupied: int) -> Any:
    """Kubo sum over pairs of an occupied and an empty band.

    Parameters
    ----------
    energies : (m, n), states : (m, n, n)
        Of H, states as columns.
    slope : (m, d, n, n)
        dH/dk along d = 2 or 3 axes.
    occupied : int

    Returns
    -------
    (m, 3) components (yz, zx, xy) for d = 3; (m, 1) component xy for d = 2.
    """
    from array_api_compat import array_namespace

    xp = array_namespace(energies)
    left, right = dagger(states[..., :occupied]), states[..., occupied:]
    apart = energies[:, None, occupied:] - energies[:, :occupied, None]
    open_ = apart > DEGENERATE
    mixing = left[:, None] @ slope @ right[:, None]
    mixing = mixing / xp.where(open_, apart, xp.ones_like(apart))[:, None]
    pairs = ((1, 2), (2, 0), (0, 1)) if slope.shape[1] == 3 else ((0, 1),)
    parts = [
        -2 * xp.sum(xp.imag(mixing[:, a] * xp.conj(mixing[:, b])), axis=(-2, -1)) for a, b in pairs
    ]
    found = xp.stack(parts, axis=-1)
    gapped = xp.all(open_, axis=(-2, -1))[:, None]
    return xp.where(gapped, found, xp.full_like(found, float("nan")))


def band_curvatures(h: Hoppings, k: Any) -> tuple[Any, Any]:
    """Energies (..., n) in eV and Berry curvature (..., n, 3) in Angstrom^2 of every band.

    Pairs of degenerate bands are left out: only sums over complete degenerate
    groups mean anything.
    """
    flat, shape, xp = _flat(k)
    n = h.n_orbitals
    levels, answers = [], []
    for _, matrix, slope in _parts(h, flat):
        energies, states = xp.linalg.eigh(matrix)
        inner = dagger(states)[:, None] @ slope @ states[:, None]
        apart = energies[:, None, :] - energies[:, :, None]
        far = xp.abs(apart) > DEGENERATE
        weight = xp.where(far, xp.where(far, apart, xp.ones_like(apart)) ** -2, 0 * apart)
        parts = [
            -2 * xp.sum(xp.imag(inner[:, a] * xp.conj(inner[:, b])) * weight, axis=-1)
            for a, b in ((1, 2), (2, 0), (0, 1))
        ]
        levels.append(energies)
        answers.append(xp.stack(parts, axis=-1))
    return (
        xp.reshape(xp.concat(levels), (*shape, n)),
        xp.reshape(xp.concat(answers), (*shape, n, 3)),
    )


def curvature_on_plane(
    h: Hoppings,
    plane: Plane,
    x: Floats,
    y: Floats,
    occupied: int,
    *,
    where: NDArray[np.bool_] | None = None,
    threads: int | None = None,
) -> Floats:
    """Berry curvature of the occupied bands along the normal of a plane.

    Parameters
    ----------
    h : Hoppings
    plane : Plane
    x, y : (nx,) and (ny,), 1/Angstrom
        As for `slices.energies_on_plane`.
    occupied : int
    where : (nx, ny) bool, optional
        Points to compute; the others are NaN.

    Returns
    -------
    (nx, ny) float64, Angstrom^2; NaN where the direct gap is closed

    Notes
    -----
    Only derivatives in the plane enter, so the sum over cells is folded onto it.
    """
    check_occupation(h, occupied)
    w0, w1, w2 = plane.basis.astype(np.float64)
    folded = fold(h, Surface(origin=plane.offset * w0, across=w2, along=w1))
    start, along, across = plane.basis @ plane.reciprocal @ plane.axes.T
    v = (np.asarray(y) - plane.offset * start[1]) / across[1]
    to_uv = np.linalg.inv(np.array([along, across]))
    tau = (
        np.zeros((2, h.n_orbitals))
        if h.centres is None
        else 2 * np.pi * (np.array([w1, w2]) @ h.centres.T)
    )
    apart = tau[:, None, :] - tau[:, :, None]
    harmonics = folded.lines(v)
    sloping = folded.lines(v, slope=True)
    result = np.full((len(x), len(y)), np.nan)

    def part(rows: slice) -> None:
        for j in range(rows.start, rows.stop):
            chosen = np.ones(len(x), dtype=bool) if where is None else where[:, j]
            if not chosen.any():
                continue
            u = (np.asarray(x)[chosen] - plane.offset * start[0] - v[j] * across[0]) / along[0]
            matrix = _whole(folded.on_line(harmonics[j], u))
            slope = np.stack(
                [
                    _whole(folded.on_line(2j * np.pi * folded.q[:, None] * harmonics[j], u)),
                    _whole(folded.on_line(sloping[j], u)),
                ],
                axis=1,
            )
            slope += 1j * matrix[:, None] * apart
            energies, states = np.linalg.eigh(matrix)
            result[chosen, j] = curvature_of(energies, states, slope, occupied)[:, 0]

    with one_blas_thread():
        over_chunks(part, len(y), 4, threads)
    # d(u, v) / d(x, y), and (x, y, normal) is right-handed.
    return np.asarray(result * np.linalg.det(to_uv))


def _whole(lower: Complexes) -> Complexes:
    """Hermitian matrices from their lower triangles."""
    return np.asarray(lower + np.tril(lower, -1).conj().swapaxes(-1, -2))
