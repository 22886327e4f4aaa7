"""Density of states by the linear tetrahedron method.

Lehmann and Taut, phys. stat. sol. (b) 54, 469 (1972); the number of states of
one tetrahedron as in Bloechl, Jepsen, Andersen, Phys. Rev. B 49, 16223 (1994),
appendix A (eqs. A2 to A6).  The number of states N(E) is exact for the
linearly interpolated bands; the density is its mean over each step of
energy, so that its integral is the number of orbitals to rounding, flat bands
included.  Where E(k) = E(-k) half of the zone is enough; the six tetrahedra
of a cube go over into those of the opposite cube.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import (
    energies,
    grid_energies,
    half_sum,
    over_chunks,
    plane_sum,
)
from crystalgui.core.physics.brillouin import reciprocal_of
from crystalgui.core.physics.gaps import default_mesh
from crystalgui.core.physics.weights import Group, shared_weights
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mesh = tuple[int, int, int]

EVEN = 1e-3
"""E(k) and E(-k) closer than this, eV, are taken as equal: half of the zone is enough."""
_PAD = 0.01
_TESTS = np.random.default_rng(11).uniform(-0.5, 0.5, size=(6, 3))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DOS:
    """Density of states.

    Attributes
    ----------
    energies : (m,) float64, eV
        Middles of equal steps.
    density : (m,) float64, states / eV / cell
        Mean over the step.
    integrated : (m,) float64
        States in a cell below the upper end of the step.
    mesh : (n1, n2, n3)
    fermi : float or None, eV
        Middle of the gap, or the level that fills the occupied bands.
    groups : tuple of str
        Names of the parts of ``partial``.
    partial : (g, m) float64 or None, states / eV / cell
        Density by groups of orbitals; their sum is ``density`` where every
        orbital is in one group.
    note : str
        What was assumed about files and mesh, for the caption.
    """

    energies: Floats
    density: Floats
    integrated: Floats
    mesh: Mesh
    fermi: float | None = None
    groups: tuple[str, ...] = ()
    partial: Floats | None = None
    note: str = ""


def density_of_states(
    h: Hoppings,
    mesh: Mesh | None = None,
    *,
    window: tuple[float, float] | None = None,
    steps: int = 800,
    occupied: int | None = None,
    groups: tuple[Group, ...] | None = None,
    threads: int | None = None,
) -> DOS:
    """Density of states of all bands, spin included as the hoppings hold it.

    Parameters
    ----------
    h : Hoppings
    mesh : (n1, n2, n3), optional
        Points along each reciprocal vector; `dos_mesh` by default.
    window : (low, high) in eV, optional
        All bands by default.
    steps : int
        Equal steps of energy.
    occupied : int, optional
        Finds the Fermi level for this number of occupied bands.
    groups : tuple of (name, orbitals), optional
        Also by groups of orbitals, e.g. of `weights.orbital_groups`; needs
        eigenvectors of the whole zone (about four times slower).
    threads : int, optional

    Raises
    ------
    PhysicsError
        For an impossible mesh, window or number of occupied bands.
    """
    n = h.n_orbitals
    mesh = dos_mesh(h) if mesh is None else mesh
    if min(mesh) < 1 or steps < 1:
        raise PhysicsError("A mesh and its steps must be at least 1.", "Use larger numbers.")
    if occupied is not None and not 0 <= occupied <= n:
        raise PhysicsError(
            f"{occupied} occupied bands of {n} are not possible.", f"Choose 0 to {n}."
        )
    weights = None
    if groups is not None:
        levels, weights = _mesh_weights(h, mesh, groups, threads)
        even = False
    else:
        even = is_even(h)
        levels = _mesh_levels(h, mesh, even)
    low, high = _window(levels) if window is None else window
    if not low < high:
        raise PhysicsError("The energy window is empty.", "Give the lower energy first.")
    edges = np.linspace(low, high, steps + 1)
    corners = _Corners(levels, h.lattice, even, weights)
    count = corners.count(edges, threads)
    width = (high - low) / steps
    result = DOS(
        energies=(edges[1:] + edges[:-1]) / 2,
        density=np.diff(count[0]) / width,
        integrated=count[0, 1:],
        mesh=mesh,
        note=_note(h, mesh),
    )
    if groups is not None:
        names = tuple(name for name, _ in groups)
        result = replace(result, groups=names, partial=np.diff(count[1:]) / width)
    if occupied is not None:
        result = replace(result, fermi=_fermi(corners, levels, occupied, threads))
    return result


def dos_mesh(h: Hoppings) -> Mesh:
    """About 0.08 / Angstrom between points in three dimensions, finer in two and one."""
    flat = sum(count == 1 for count in default_mesh(h, 0.08))
    return default_mesh(h, (0.08, 0.02, 0.001, 0.001)[flat])


def _note(h: Hoppings, mesh: Mesh) -> str:
    return f"{h.assumptions.sentence()} · tetrahedra, {mesh[0]}x{mesh[1]}x{mesh[2]} k-points"


def _window(levels: Floats) -> tuple[float, float]:
    low, high = float(levels.min()), float(levels.max())
    pad = max(_PAD * (high - low), 1e-3)
    return low - pad, high + pad


def is_even(h: Hoppings) -> bool:
    """Whether E(k) = E(-k), tested at generic k-points."""
    both = energies(h, np.concatenate([_TESTS, -_TESTS]), threads=1)
    return bool(np.abs(both[: len(_TESTS)] - both[len(_TESTS) :]).max() < EVEN)


def _mesh_levels(h: Hoppings, mesh: Mesh, even: bool) -> Floats:
    """Energies on the mesh (n1, n2, n3, n), half of them copied from -k where E is even."""
    if not even:
        return grid_energies(h, mesh)
    place = np.arange(int(np.prod(mesh))).reshape(mesh)
    negative = place
    for axis in range(3):
        negative = np.roll(np.flip(negative, axis), 1, axis)
    levels = grid_energies(h, mesh, wanted=place <= negative)
    flat = levels.reshape(place.size, -1)
    return np.asarray(flat[np.minimum(place, negative).ravel()].reshape(levels.shape))


def _mesh_weights(
    h: Hoppings, mesh: Mesh, groups: tuple[Group, ...], threads: int | None
) -> tuple[Floats, Floats]:
    """Energies (n1, n2, n3, n) and weights (n1, n2, n3, n, g) on the mesh."""
    n = h.n_orbitals
    fold = np.zeros((n, len(groups)))
    for g, (_, members) in enumerate(groups):
        fold[list(members), g] = 1.0
    cells, half = half_sum(h)
    axes = [np.arange(count) / count for count in mesh]
    levels = np.empty((*mesh, n))
    weights = np.empty((*mesh, n, len(groups)))

    def part(rows: slice) -> None:
        for i in range(rows.start, rows.stop):
            phase = np.exp(2j * np.pi * axes[0][i] * cells[:, 0])
            rest, where = np.unique(cells[:, 1:], axis=0, return_inverse=True)
            plane = np.zeros((len(rest), n, n), dtype=np.complex128)
            np.add.at(plane, where.ravel(), phase[:, None, None] * half)
            e, c = np.linalg.eigh(plane_sum(rest, plane, axes[1], axes[2]))
            w = np.swapaxes(c.real**2 + c.imag**2, -1, -2) @ fold
            flat = shared_weights(e.reshape(-1, n), w.reshape(-1, n, len(groups)), 1e-3)
            levels[i], weights[i] = e, flat.reshape(w.shape)

    over_chunks(part, mesh[0], 1, threads)
    return levels, weights


def _fermi(corners: _Corners, levels: Floats, occupied: int, threads: int | None) -> float:
    """Middle of the gap, or the level where the number of states is ``occupied``."""
    n = levels.shape[-1]
    if occupied in (0, n):
        return float(levels.min() if occupied == 0 else levels.max())
    low, high = float(levels[..., occupied - 1].max()), float(levels[..., occupied].min())
    if low < high:
        return (low + high) / 2
    low, high = float(levels[..., occupied].min()), float(levels[..., occupied - 1].max())
    if high - low < 1e-12:
        return low
    for _ in range(3):
        edges = np.linspace(low, high, 101)
        count = corners.count(edges, threads)[0]
        i = int(np.clip(np.searchsorted(count, occupied), 1, 100))
        low, high = edges[i - 1], edges[i]
    return float(np.interp(occupied, count[i - 1 : i + 1], edges[i - 1 : i + 1]))


class _Corners:
    """Energies of the mesh, cut into tetrahedra band by band."""

    def __init__(
        self, levels: Floats, lattice: Floats | None, even: bool, weights: Floats | None
    ) -> None:
        self.levels, self.weights = levels, weights
        self.mesh = levels.shape[:3]
        self.offsets = _tetrahedra(self.mesh, lattice)
        place = np.arange(int(np.prod(self.mesh))).reshape(self.mesh)
        self.cubes, self.share = place.ravel(), np.full(place.size, 1.0 / place.size / 6)
        if even:
            opposite = np.flip(place).ravel()
            keep = self.cubes <= opposite
            self.share = np.where(self.cubes < opposite, 2.0, 1.0)[keep] / place.size / 6
            self.cubes = self.cubes[keep]

    def count(self, edges: Floats, threads: int | None = None) -> Floats:
        """Number of states below each of the equidistant ``edges``: all, then by groups."""
        n = self.levels.shape[-1]
        parts = 1 + (0 if self.weights is None else self.weights.shape[-1])
        result = np.zeros((n, parts, len(edges)))
        lowest = self.levels.min(axis=(0, 1, 2))
        highest = self.levels.max(axis=(0, 1, 2))

        def part(rows: slice) -> None:
            for band in range(rows.start, rows.stop):
                if lowest[band] <= edges[-1] and (
                    highest[band] > edges[0] or self.weights is not None
                ):
                    result[band] = self._of_band(band, edges)
                elif lowest[band] <= edges[-1]:
                    result[band] = 1.0

        over_chunks(part, n, 1, threads)
        return np.asarray(result.sum(axis=0))

    def _of_band(self, band: int, edges: Floats) -> Floats:
        flat = self.levels[..., band].ravel()
        index = np.unravel_index(self.cubes, self.mesh)
        values, shares, parts = [], [], []
        weight = None if self.weights is None else self.weights[..., band, :].reshape(len(flat), -1)
        where = {
            offset: np.ravel_multi_index(
                tuple((i + d) % m for i, d, m in zip(index, offset, self.mesh, strict=True)),
                self.mesh,
            )
            for offset in product((0, 1), repeat=3)
        }
        for four in self.offsets:
            values.append(np.stack([flat[where[o]] for o in four], axis=-1))
            shares.append(self.share)
            if weight is not None:
                parts.append(sum(weight[where[o]] for o in four) / 4)
        corners = np.sort(np.concatenate(values), axis=-1)
        share = np.concatenate(shares)
        columns = [share]
        if weight is not None:
            columns += list((np.concatenate(parts) * share[:, None]).T)
        return _states(corners, columns, edges)


def _tetrahedra(
    mesh: tuple[int, ...], lattice: Floats | None
) -> list[tuple[tuple[int, int, int], ...]]:
    """Corners of six tetrahedra of a cube, around its shortest main diagonal."""
    basis = np.eye(3) if lattice is None else reciprocal_of(lattice)
    basis = basis / np.array(mesh)[:, None]
    flips = list(product((0, 1), repeat=2))
    lengths = [
        np.linalg.norm(basis[0] + sum((1 - 2 * f) * basis[i + 1] for i, f in enumerate(s)))
        for s in flips
    ]
    flip = (0, *flips[int(np.argmin(np.round(lengths, 9)))])
    found = []
    for order in permutations(range(3)):
        corner = [0, 0, 0]
        path = [tuple(corner)]
        for axis in order:
            corner[axis] = 1
            path.append(tuple(corner))
        found.append(tuple((c[0] ^ flip[0], c[1] ^ flip[1], c[2] ^ flip[2]) for c in path))
    return found


def _states(e: Floats, columns: list[Floats], edges: Floats) -> Floats:
    """Sum of share * N(edge) over tetrahedra with sorted corners e (t, 4); (len(columns), m)."""
    m = len(edges)
    step = (edges[-1] - edges[0]) / (m - 1)
    at = np.clip(np.ceil((e - edges[0]) / step), 0, m).astype(np.int64)
    total = np.zeros((len(columns), m))
    full = [np.cumsum(np.bincount(at[:, 3], weights=c, minlength=m + 1))[:m] for c in columns]
    total += np.array(full)
    for case in range(3):
        some = np.flatnonzero(at[:, case + 1] > at[:, case])
        if not len(some):
            continue
        counts = at[some, case + 1] - at[some, case]
        own = np.repeat(np.arange(len(some)), counts)
        start = at[some, case] - (np.cumsum(counts) - counts)
        edge = np.arange(len(own)) + start[own]
        coefficients = _cubic(e[some], case)
        low, high = e[some, case], e[some, case + 1]
        inverse = 1 / (high - low)
        r = np.clip((edges[edge] - low[own]) * inverse[own], 0.0, 1.0)
        value = coefficients[3][own]
        for c in coefficients[2::-1]:
            value = value * r + c[own]
        for row, column in zip(total, columns, strict=True):
            row += np.bincount(edge, weights=value * column[some][own], minlength=m)
    return total


def _cubic(e: Floats, case: int) -> list[Floats]:
    """N as a cubic in r = (E - e_case) / (e_case+1 - e_case), lowest power first."""
    e1, e2, e3, e4 = e.T
    zero = np.zeros(len(e))
    if case == 0:
        return [zero, zero, zero, (e2 - e1) ** 2 / ((e3 - e1) * (e4 - e1))]
    if case == 2:
        c = (e4 - e3) ** 2 / ((e4 - e1) * (e4 - e2))
        return [1 - c, 3 * c, -3 * c, c]
    d = e3 - e2
    scale = 1 / ((e3 - e1) * (e4 - e1))
    first = e2 - e1
    return [
        first**2 * scale,
        3 * first * d * scale,
        3 * d**2 * scale,
        -(e3 - e1 + e4 - e2) / (e4 - e2) * d**2 * scale,
    ]
