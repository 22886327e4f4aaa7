"""Chirality of a band touching: Berry flux of the occupied bands through a small surface.

The flux is the sum of Fukui-Hatsugai-Suzuki plaquettes (J. Phys. Soc. Jpn.
74, 1674 (2005)) on a sphere that is deformed so that a linear node looks
isotropic on it.  Sign: outward normal, occupied bands, so that the lower band
of H = k.sigma has +1.  For a twofold linear node it must equal the sign of
det v_ij in H = k_i v_ij sigma_j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import hamiltonian, one_blas_thread
from crystalgui.core.physics.descent import derivative, reciprocal_basis, traceless
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

ADMISSIBLE = 0.9 * np.pi
_MESHES = ((10, 16), (20, 32), (40, 64))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Flux:
    """Berry flux / 2 pi through a closed surface.

    ``value`` is an integer when ``admissible``: the largest plaquette
    ``largest`` (radian) stays below 0.9 pi and the gap on the surface,
    ``gap`` in eV, is open.
    """

    value: int
    largest: float
    gap: float
    mesh: tuple[int, int]

    @property
    def admissible(self) -> bool:
        """Whether the mesh was fine enough."""
        return self.largest < ADMISSIBLE and self.gap > 1e-9


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LinearNode:
    """First-order expansion around a touching of m bands.

    Attributes
    ----------
    slopes : (3,) float64, eV Angstrom, descending
        Root-mean-square splitting of the m bands a unit of k along ``axes``.
    axes : (3, 3) float64
        Rows, Cartesian unit vectors.
    sign : int
        Sign of det v_ij for two bands, else 0.
    """

    slopes: Floats
    axes: Floats
    sign: int

    @property
    def shape(self) -> Floats:
        """(3, 3) symmetric positive matrix: unit sphere -> surface of even gap, size 1."""
        slopes = np.maximum(self.slopes, 0.05 * self.slopes[0] + 1e-300)
        stretch = self.axes.T @ np.diag(slopes[0] / slopes) @ self.axes
        return np.asarray(stretch / np.linalg.norm(stretch, 2))


def linear_node(h: Hoppings, k: Floats, low: int, high: int) -> LinearNode:
    """Expand around k (3,) reduced, where bands ``low`` .. ``high - 1`` touch."""
    with one_blas_thread():
        _, u = np.linalg.eigh(hamiltonian(h, k[None]))
        c = u[0][:, low:high]
        v = traceless(c.conj().T @ derivative(h, k[None])[0] @ c)
    m = high - low
    flat = v.reshape(3, m * m)
    metric = (flat.conj() @ flat.T).real / m
    squares, axes = np.linalg.eigh(metric)
    sign = 0
    if m == 2:
        d = np.stack([v[:, 0, 1].real, -v[:, 0, 1].imag, v[:, 0, 0].real], axis=1)
        sign = int(np.sign(np.linalg.det(d / max(float(np.abs(d).max()), 1e-300))))
    slopes = np.sqrt(np.maximum(squares[::-1], 0.0))
    return LinearNode(slopes=slopes, axes=axes[:, ::-1].T, sign=sign)


def chirality(
    h: Hoppings,
    occupied: int,
    k: Floats,
    radius: float,
    shape: Floats | None = None,
) -> Flux:
    """Berry flux / 2 pi of the occupied bands through a small surface around k.

    Parameters
    ----------
    k : (3,), reduced
    radius : float, 1/Angstrom
        Largest distance of the surface from k.
    shape : (3, 3), optional
        Positive matrix that deforms the sphere (`LinearNode.shape`).
    """
    basis = reciprocal_basis(h)
    shape = np.eye(3) if shape is None else shape
    # Reciprocal rows may be left-handed; the Cartesian surface never is.
    matrix = radius * shape @ np.linalg.inv(basis)
    best: Flux | None = None
    for mesh in _MESHES:
        points = k + _sphere(*mesh) @ matrix
        flux = _flux(h, occupied, points, mesh)
        if best is not None and flux.admissible and best.value == flux.value:
            return flux
        if flux.gap <= 1e-9:
            return flux
        if flux.largest < ADMISSIBLE / 2:
            return flux
        best = flux
    assert best is not None
    return best


def _sphere(rows: int, columns: int) -> Floats:
    """Unit vectors (rows + 1, columns, 3): poles are rows 0 and -1."""
    theta = np.linspace(0, np.pi, rows + 1)[:, None]
    phi = 2 * np.pi * np.arange(columns)[None] / columns
    return np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi],
        axis=-1,
    )


def _flux(h: Hoppings, occupied: int, points: Floats, mesh: tuple[int, int]) -> Flux:
    rows, columns = mesh
    inner = points[1:-1].reshape(-1, 3)
    k = np.concatenate([points[:1, 0], inner, points[-1:, 0]])
    with one_blas_thread():
        e, states = np.linalg.eigh(hamiltonian(h, k))
        gap = float((e[:, occupied] - e[:, occupied - 1]).min())
        low = states[..., :occupied]
        n = low.shape[1]
        u = np.empty((rows + 1, columns, n, occupied), dtype=np.complex128)
        u[0], u[-1] = low[0], low[-1]
        u[1:-1] = low[1:-1].reshape(rows - 1, columns, n, occupied)
        round_ = _link(u[1:-1], np.roll(u[1:-1], -1, axis=1))
        down = _link(u[:-1], u[1:])
    around = np.ones((rows + 1, columns), dtype=np.complex128)
    around[1:-1] = round_
    loop = down * around[1:] * np.roll(down, -1, axis=1).conj() * around[:-1].conj()
    flux = -np.angle(loop)
    value = float(flux.sum() / (2 * np.pi))
    # theta then phi is the outward orientation.
    return Flux(value=round(value), largest=float(np.abs(flux).max()), gap=gap, mesh=mesh)


def _link(a: Complexes, b: Complexes) -> Complexes:
    """Det <a|b> / |.| over the last two axes."""
    overlap = np.linalg.det(a.conj().swapaxes(-1, -2) @ b)
    return np.asarray(overlap / np.maximum(np.abs(overlap), 1e-300))


def charge(
    h: Hoppings, occupied: int, k: Floats, low: int, high: int, largest: float
) -> tuple[int, bool, float]:
    """Chirality at two radii that agree.

    For a linear node of two bands the sign of det v_ij, which is the flux
    through an infinitely small surface, takes the place of the smaller one.

    Parameters
    ----------
    low, high : int
        Bands that touch at k: low .. high - 1.
    largest : float, 1/Angstrom
        Surfaces must stay this close (distance to the next node).

    Returns
    -------
    chirality, whether every route agreed, radius in 1/Angstrom
    """
    node = linear_node(h, k, low, high)
    shape = node.shape
    radius = largest
    linear = node.sign != 0 and node.slopes[2] > 0.02 * node.slopes[0]
    value = 0
    for _ in range(5):
        flux = [chirality(h, occupied, k, radius, shape)]
        if linear and flux[0].admissible and flux[0].value == node.sign:
            return node.sign, True, radius
        flux.append(chirality(h, occupied, k, radius / 3, shape))
        value = flux[1].value
        agree = flux[0].value == value and all(f.admissible for f in flux)
        if agree and (not linear or value == node.sign):
            return value, True, radius
        radius /= 4
    return value, False, radius
