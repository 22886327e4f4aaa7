"""Intrinsic anomalous Hall conductivity.

sigma_ab = -(e^2 / hbar) sum over bands of the integral of f Omega_ab over the
zone / (2 pi)^3 (Wang, Yates, Souza and Vanderbilt, Phys. Rev. B 74, 195118
(2006), eq. 1), at zero temperature.  A few small regions carry most of it, so
cells of the mesh are divided where dividing their parents changed the sum most
(the idea of their section IV, steered by the change instead of a threshold).
In a gap the integrand is smooth and periodic, and a regular mesh converges
exponentially: it is doubled as a whole until the sum stands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalgui.core.physics.berry import band_curvatures, lattice_of
from crystalgui.core.physics.bloch import grid_energies, over_chunks
from crystalgui.core.physics.gaps import default_mesh
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]

E2_OVER_HBAR = 1.602176634e-19**2 / 1.054571817646e-34
"""Siemens."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class HallConductivity:
    """Anomalous Hall conductivity against the Fermi energy.

    Attributes
    ----------
    fermi : (f,) float64, eV
    sigma : (f, 3) float64, S/m
        (sigma_yz, sigma_zx, sigma_xy), Cartesian.
    change : float, S/m
        Largest change of any of them by the last refinement.
    converged : bool
        ``change`` is below the tolerance.
    points : int
        k-points that were computed.
    mesh : (n1, n2, n3)
        The mesh before refinement.
    """

    fermi: Floats
    sigma: Floats
    change: float
    converged: bool
    points: int
    mesh: tuple[int, int, int]


def anomalous_hall(
    h: Hoppings,
    fermi: ArrayLike,
    mesh: tuple[int, int, int] | None = None,
    *,
    tolerance: float = 1e-3,
    most_points: int = 200_000,
    threads: int | None = None,
) -> HallConductivity:
    """Anomalous Hall conductivity in S/m.

    Parameters
    ----------
    h : Hoppings
        With a lattice in Angstrom (a cube of 1 Angstrom without).
    fermi : float or (f,), eV
    mesh : three ints, optional
        First mesh; default as for gaps.
    tolerance : float
        Refinement stops when nothing changes by more than this part of the
        largest value, or of a thousandth of e^2 / h per lattice constant.
    most_points : int
        k-points at most.
    threads : int or None
        Threads over k-points; None for one a core.
    """
    levels = np.atleast_1d(np.asarray(fermi, dtype=np.float64))
    mesh = mesh or default_mesh(h)
    live = np.array(mesh) > 1
    volume = abs(float(np.linalg.det(lattice_of(h))))
    unit = -E2_OVER_HBAR / volume * 1e10
    least = 1e-3 * abs(unit) * volume ** (2 / 3) / (2 * np.pi)
    if _in_gaps(h, levels, mesh):
        return _regular(h, levels, mesh, unit, (tolerance, least, most_points), threads)
    k = _points(mesh)
    size = np.where(live, 1 / np.array(mesh), 1.0)
    values = _integrand(h, k, levels, threads)
    table = values.reshape(*mesh, -1)
    around = sum(
        np.roll(table, step, axis) for axis in np.flatnonzero(live) for step in (-1, 1)
    ) / max(1, 2 * live.sum())
    cells = _Cells(
        k=k,
        size=np.tile(size, (len(k), 1)),
        values=values,
        error=np.abs(table - around).reshape(len(k), -1).max(axis=1) / len(k),
    )
    points, change, calm, total = len(k), np.inf, 0, cells.total
    while calm < 2:
        chosen = cells.worst(0.5, max(1, min(len(k) // 4, 4000)))
        count = int(len(chosen) * 3 ** live.sum())
        if points + count > most_points:
            break
        cells = cells.divided(chosen, live, lambda at: _integrand(h, at, levels, threads))
        points += count
        previous, total = total, cells.total
        change = float(np.abs(total - previous).max() * abs(unit))
        limit = tolerance * max(float(np.abs(total).max() * abs(unit)), least)
        still = change < limit and cells.error.sum() * abs(unit) < 10 * limit
        calm = calm + 1 if still else 0
    return HallConductivity(
        fermi=levels,
        sigma=unit * total.reshape(len(levels), 3),
        change=change,
        converged=calm > 1,
        points=points,
        mesh=mesh,
    )


def _points(mesh: tuple[int, int, int]) -> Floats:
    grid = np.meshgrid(*[np.arange(n) / n for n in mesh], indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 3)


def _in_gaps(h: Hoppings, levels: Floats, mesh: tuple[int, int, int]) -> bool:
    """Whether no band comes as near to a level as bands change between points of the mesh."""
    table = grid_energies(h, mesh)
    step = max(float(np.abs(table - np.roll(table, 1, axis)).max()) for axis in range(3))
    near = min(float(np.abs(table - level).min()) for level in levels)
    filled = (table[..., None, :] <= levels[:, None]).sum(axis=-1).reshape(-1, len(levels))
    return near > step and bool((filled == filled[0]).all())


def _regular(
    h: Hoppings,
    levels: Floats,
    mesh: tuple[int, int, int],
    unit: float,
    limits: tuple[float, float, int],
    threads: int | None,
) -> HallConductivity:
    """The regular mesh, doubled until the sum stands (or ``most_points`` are used)."""
    tolerance, least, most_points = limits
    first, change, converged, points = mesh, np.inf, False, 0
    total = np.full(3 * len(levels), np.inf)
    count = math.prod(mesh)
    while not converged and (mesh == first or points + count <= most_points):
        previous, total = total, _integrand(h, _points(mesh), levels, threads).mean(axis=0)
        points += count
        change = float(np.abs(total - previous).max() * abs(unit))
        converged = change < tolerance * max(float(np.abs(total).max() * abs(unit)), least)
        a, b, c = (2 * n if n > 1 else 1 for n in mesh)
        mesh, count = (a, b, c), a * b * c
    return HallConductivity(
        fermi=levels,
        sigma=unit * total.reshape(len(levels), 3),
        change=change,
        converged=converged,
        points=points,
        mesh=first,
    )


def _integrand(h: Hoppings, k: Floats, levels: Floats, threads: int | None) -> Floats:
    """Berry curvature of the filled bands, (m, 3 f), Angstrom^2."""
    result = np.empty((len(k), len(levels), 3))

    def part(rows: slice) -> None:
        energies, curvature = band_curvatures(h, k[rows])
        filled = energies[:, None, :] <= levels[:, None]
        result[rows] = np.einsum("mfn,mna->mfa", filled, curvature)

    over_chunks(part, len(k), 512, threads)
    return result.reshape(len(k), -1)


class _Cells:
    """Cells of the zone, a value at the middle of each, and what each may be wrong by."""

    def __init__(self, *, k: Floats, size: Floats, values: Floats, error: Floats) -> None:
        self.k, self.size, self.values, self.error = k, size, values, error

    @property
    def total(self) -> Floats:
        """The integral over the zone, of volume 1."""
        return np.asarray(self.size.prod(axis=1) @ self.values)

    def worst(self, share: float, most: int) -> NDArray[np.int64]:
        """The cells that carry a share of the error, the worst first."""
        order = np.argsort(-self.error)
        carried = np.cumsum(self.error[order])
        count = int(np.searchsorted(carried, share * carried[-1])) + 1
        return order[: min(count, most)]

    def divided(
        self,
        chosen: NDArray[np.int64],
        live: NDArray[np.bool_],
        function: Callable[[Floats], Floats],
    ) -> _Cells:
        """The chosen cells in three along each live axis."""
        steps = np.array(list(product(*[(-1, 0, 1) if x else (0,) for x in live])))
        size = np.where(live, self.size[chosen] / 3, self.size[chosen])
        k = (self.k[chosen][:, None] + steps * size[:, None]).reshape(-1, 3)
        values = function(k)
        children = len(steps)
        weight = self.size[chosen].prod(axis=1)
        mean = values.reshape(len(chosen), children, -1)
        off = np.abs(mean.mean(axis=1) - self.values[chosen]).max(axis=1) * weight
        spread = np.abs(mean - mean.mean(axis=1, keepdims=True)).max(axis=2) * weight[:, None]
        error = np.minimum(off[:, None], spread / children) / 3
        kept = np.ones(len(self.k), dtype=bool)
        kept[chosen] = False
        return _Cells(
            k=np.concatenate([self.k[kept], k]),
            size=np.concatenate([self.size[kept], np.repeat(size, children, axis=0)]),
            values=np.concatenate([self.values[kept], values]),
            error=np.concatenate([self.error[kept], error.ravel()]),
        )
