"""Surface states from the iterative Green's function of a half-infinite crystal.

Lopez Sancho, Lopez Sancho, Rubio, J. Phys. F 15, 851 (1985), eqs. (7) to
(10): every step removes every second principal layer, so that 2^i layers are
left out after i steps.  Both surfaces and the bulk come from one run.
Principal layers are as many layers as the hoppings reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import over_chunks
from crystalgui.core.physics.brillouin import KPath
from crystalgui.core.physics.slab import LayerSums, Miller, layers_of, surface_path
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Complexes = NDArray[np.complexfloating[Any, Any]]

_STEPS = 60
_SETTLED = 1e-9
_CHUNK = 1 << 21


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SurfaceSpectrum:
    """Spectral functions of a half-infinite crystal, -Im Tr G / pi.

    Attributes
    ----------
    path : KPath or None
        Of the surface zone; None when bare k-points were given.
    k : (m, 2) float64
        Reduced in the two vectors of the surface cell.
    energies : (e,) float64, eV
    left, right : (m, e) float64, states / eV
        Of the outermost layer where the crystal ends downwards (against hkl)
        and upwards.
    bulk : (m, e) float64, states / eV
        Of one layer deep inside.
    hkl : (h, k, l)
    broadening : float, eV
    principal : int
        Layers in a principal layer.
    dropped : float, eV
        Norm of the couplings between far layers that were left out.
    note : str
        What was assumed, for the caption.
    """

    path: KPath | None
    k: Floats
    energies: Floats
    left: Floats
    right: Floats
    bulk: Floats
    hkl: Miller
    broadening: float
    principal: int
    dropped: float
    note: str = ""


def surface_spectrum(
    h: Hoppings,
    hkl: Miller = (0, 0, 1),
    path: KPath | ArrayLike | None = None,
    energies: ArrayLike | None = None,
    *,
    broadening: float = 0.01,
    cut: float | None = None,
    tolerance: float | None = None,
    density: float = 30.0,
    threads: int | None = None,
) -> SurfaceSpectrum:
    """Spectral functions of both surfaces and of the bulk.

    Parameters
    ----------
    h : Hoppings
    hkl : (h, k, l)
        Surface, in reciprocal vectors of the given cell.
    path : KPath or (m, 2) reduced k-points of the surface cell, optional
        `slab.surface_path` with ``density`` points per 1/Angstrom by default.
    energies : (e,) eV, optional
        120 steps over all bands by default.
    broadening : float, eV
        Imaginary part of the energy, above 0.
    cut : float, optional
        Where to cut, as a fraction of the layer; the widest gap by default.
    tolerance : float, eV
        Couplings of far layers are left out while their norm is below it.
        By default three times the broadening: the norm is a bound for the
        worst state, a surface state moves by a small part of it.  0 leaves
        out nothing.
    threads : int, optional
        Over k.

    Raises
    ------
    PhysicsError
        For (000), no energies, or a broadening that is not positive.
    """
    if not broadening > 0:
        raise PhysicsError("The broadening must be above 0.", "Use 0.001 to 0.05 eV.")
    stack = layers_of(h, hkl, cut)
    sums = LayerSums(stack.hoppings, 3 * broadening if tolerance is None else tolerance)
    count = max(1, sums.range)
    if path is None:
        path = surface_path(stack.hoppings, density)
    k = path.k[:, :2] if isinstance(path, KPath) else _points(path)
    levels = _levels(stack.hoppings, k) if energies is None else np.asarray(energies, float).ravel()
    if not len(levels) or not np.isfinite(levels).all():
        raise PhysicsError("There are no energies to compute.", "Give finite energies in eV.")
    result = np.empty((3, len(k), len(levels)))
    size = count * sums.n
    step = max(1, _CHUNK // (16 * size * size))

    def part(rows: slice) -> None:
        blocks = sums.at(k[rows])
        inside, onward = sums.stack(blocks, count), sums.stack(blocks, count, first=count)
        for i in range(len(blocks)):
            for start in range(0, len(levels), step):
                some = slice(start, start + step)
                z = levels[some] + 1j * broadening
                result[:, rows.start + i, some] = _spectra(z, inside[i], onward[i], sums.n)

    over_chunks(part, len(k), 1, threads)
    note = f"{h.assumptions.sentence()} · {stack.note}, broadening {broadening:g} eV"
    if sums.dropped > 0:
        note += f", couplings beyond {count} layers left out ({sums.dropped:.2g} eV)"
    return SurfaceSpectrum(
        path=path if isinstance(path, KPath) else None,
        k=np.asarray(k, dtype=np.float64),
        energies=levels,
        left=result[0],
        right=result[1],
        bulk=result[2],
        hkl=stack.hkl,
        broadening=broadening,
        principal=count,
        dropped=sums.dropped,
        note=note,
    )


def _points(path: ArrayLike) -> Floats:
    k = np.atleast_2d(np.asarray(path, dtype=np.float64))
    if k.ndim != 2 or k.shape[1] not in (2, 3) or not np.isfinite(k).all():
        raise PhysicsError(
            "The k-points of a surface are rows of two finite numbers.",
            "Give reduced coordinates along the two vectors of the surface cell.",
        )
    return k[:, :2]


def _levels(turned: Hoppings, k: Floats) -> Floats:
    from crystalgui.core.physics.bloch import energies

    some = k[:: max(1, len(k) // 12)]
    points = np.concatenate(
        [np.column_stack([some, np.full(len(some), z)]) for z in (0, 0.25, 0.5)]
    )
    found = energies(turned, points)
    low, high = float(found.min()), float(found.max())
    pad = 0.05 * (high - low) + 1e-3
    return np.linspace(low - pad, high + pad, 120)


def _spectra(z: Complexes, inside: Complexes, onward: Complexes, n: int) -> Floats:
    """-Im Tr G / pi of the lower surface, the upper surface and the bulk, (3, e).

    ``inside`` (N, N) is a principal layer, ``onward`` its coupling to the next.
    """
    lower, upper, bulk = surface_greens(z, inside, onward)
    share = len(inside) // n
    return np.stack(
        [
            _trace(lower[:, :n, :n]),
            _trace(upper[:, -n:, -n:]),
            _trace(bulk) / share,
        ]
    )


def _trace(green: Complexes) -> Floats:
    return np.asarray(-np.einsum("eii->e", green).imag / np.pi)


def surface_greens(
    z: Complexes, inside: Complexes, onward: Complexes
) -> tuple[Complexes, Complexes, Complexes]:
    """Green's functions of the lower and upper surface and of the bulk.

    Parameters
    ----------
    z : (e,) complex128, eV
        Energies above the real axis.
    inside : (N, N) complex128, eV
        Hamiltonian of a principal layer.
    onward : (N, N) complex128, eV
        Coupling to the next principal layer upwards.

    Returns
    -------
    lower, upper, bulk : (e, N, N) complex128, 1/eV
    """
    size = len(inside)
    one = z[:, None, None] * np.eye(size)
    e_bulk = np.broadcast_to(inside, one.shape).copy()
    e_lower, e_upper = e_bulk.copy(), e_bulk.copy()
    # energies that have not settled yet, and their couplings up and down
    open_ = np.arange(len(z))
    up = np.broadcast_to(onward, one.shape).copy()
    down = np.broadcast_to(onward.conj().T, one.shape).copy()
    for _ in range(_STEPS):
        both = np.linalg.solve(one[open_] - e_bulk[open_], np.concatenate([up, down], axis=-1))
        g_up, g_down = both[..., :size], both[..., size:]
        to_lower, to_upper = up @ g_down, down @ g_up
        e_bulk[open_] += to_lower + to_upper
        e_lower[open_] += to_lower
        e_upper[open_] += to_upper
        up, down = up @ g_up, down @ g_down
        left = np.maximum(np.abs(up).max(axis=(1, 2)), np.abs(down).max(axis=(1, 2))) > _SETTLED
        if not left.all():
            open_, up, down = open_[left], up[left], down[left]
        if not len(open_):
            break
    return np.linalg.inv(one - e_lower), np.linalg.inv(one - e_upper), np.linalg.inv(one - e_bulk)
