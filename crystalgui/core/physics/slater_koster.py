"""Tight-binding models of s and p orbitals whose hoppings follow the atoms.

The two-centre integrals are those of Slater and Koster, Phys. Rev. 94, 1498
(1954), Table I; each decays exponentially with the length of the bond and
fades out smoothly before the cut-off, so that the hoppings are a
differentiable function of the lattice.  Spin-orbit coupling is zeta L.S on p
shells.  `terms` runs on any array library (torch gives gradients by
autograd), `change` is its exact directional derivative in numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalgui.core.errors import PhysicsError

Floats = NDArray[np.float64]

_PAULI = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
_MOST_BONDS = 200_000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Integral:
    """V_ij(r) = value_ij exp(-(r - reference) / decay), before the fade.

    Attributes
    ----------
    value : (sites, sites) float64, eV
        At the reference length; row = site in the home cell.  For s-p
        integrals the row is the site of s.
    decay : float, Angstrom
    """

    value: Floats
    decay: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SlaterKoster:
    """Sites with an s shell, a p shell or both, and the integrals between them.

    Orbitals are ordered all up, then all down; within a spin by site, and s,
    p_x, p_y, p_z within a site.

    Attributes
    ----------
    lattice : (3, 3) float64, rows in Angstrom
    frac : (sites, 3) float64, fractional
    species : (sites,) int64
    s_level, p_level : (sites,) float64, eV
        NaN where the site has no such shell.
    crystal_field : (sites,) float64, eV
        Added to p_z.
    spin_orbit : (sites,) float64, eV
        zeta of the p shell.
    ss, sp, pp_sigma, pp_pi : Integral or None
    reference : float, Angstrom
        Bond length at which the integrals are given.
    cut_off, fade, fade_width : float, Angstrom
        Bonds up to the cut-off count, with 1 / (1 + exp((r - fade) / width)).
    occupied : int
    title : str
    """

    lattice: Floats
    frac: Floats
    species: NDArray[np.int64]
    s_level: Floats
    p_level: Floats
    crystal_field: Floats
    spin_orbit: Floats
    ss: Integral | None = None
    sp: Integral | None = None
    pp_sigma: Integral | None = None
    pp_pi: Integral | None = None
    reference: float = 3.05
    cut_off: float = 6.2
    fade: float = 5.2
    fade_width: float = 0.15
    occupied: int = 1
    title: str = "Slater-Koster model"

    @property
    def kept(self) -> NDArray[np.int64]:
        """(orbitals of one spin,) int64: rows among s, x, y, z of every site that exist."""
        there = np.stack([np.isfinite(self.s_level), *[np.isfinite(self.p_level)] * 3], axis=1)
        return np.flatnonzero(there.ravel())

    @property
    def centres(self) -> Floats:
        """(n, 3) float64, fractional position of every orbital."""
        return np.tile(self.frac[self.kept // 4], (2, 1))

    def terms(self, lattice: Any, frac: Any) -> tuple[NDArray[np.int64], Any]:
        """Cells and matrices at another lattice; see `slater_koster`."""
        return slater_koster(self, lattice, frac)

    def change(self, lattice: Floats, frac: Floats, turn: Floats) -> NDArray[np.complex128]:
        """Derivative of the matrices along a change ``turn`` (3, 3) of the lattice, eV."""
        found = bonds(lattice, frac, self.cut_off)
        reduced = found.cells + frac[found.atoms[:, 1]] - frac[found.atoms[:, 0]]
        slopes = _block_slopes(self, found.atoms, reduced @ lattice)
        blocks = np.einsum("bijc,bc->bij", slopes, reduced @ turn)
        return np.asarray(_assemble(self, found, blocks), dtype=np.complex128)


@dataclass(frozen=True, slots=True, eq=False)
class Bonds:
    """All bonds within a cut-off, both ways.

    ``cells`` (b, 3) int64 is the cell of the second atom; ``atoms`` (b, 2);
    ``unique`` (m, 3) the cells in lexicographic order, home among them;
    ``place`` (m, sites, sites) the row of a bond, or b where there is none.
    """

    cells: NDArray[np.int64]
    atoms: NDArray[np.int64]
    unique: NDArray[np.int64]
    place: NDArray[np.int64]


def bonds(lattice: Floats, frac: Floats, cut_off: float) -> Bonds:
    """Every pair of sites not further apart than ``cut_off`` (Angstrom)."""
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    spread = np.ptp(frac, axis=0)
    reach = np.floor(cut_off / heights + spread).astype(int)
    if np.prod(2.0 * reach + 1) * len(frac) ** 2 > _MOST_BONDS:
        raise PhysicsError(
            "The cell is so flat that too many atoms come within the cut-off.",
            "Choose a smaller bound for the strain, or a smaller cut-off.",
        )
    cells = np.array(list(product(*[range(-r, r + 1) for r in reach])), dtype=np.int64)
    reduced = cells[:, None, None] + (frac[None, :] - frac[:, None])[None]
    length = np.linalg.norm(reduced @ lattice, axis=-1)
    near = (length <= cut_off) & (length > 1e-9)
    home = (cells == 0).all(axis=1)
    there = near.any(axis=(1, 2)) | home
    cell, i, j = np.nonzero(near[there])
    place = np.full((int(there.sum()), len(frac), len(frac)), len(cell), dtype=np.int64)
    place[cell, i, j] = np.arange(len(cell))
    unique = cells[there]
    return Bonds(unique[cell], np.stack([i, j], axis=1), unique, place)


def slater_koster(model: SlaterKoster, lattice: Any, frac: Any) -> tuple[NDArray[np.int64], Any]:
    """Hoppings at a lattice and positions.

    Parameters
    ----------
    model : SlaterKoster
    lattice : (3, 3) floating array of numpy or torch, rows in Angstrom
    frac : (sites, 3) of the same library, fractional

    Returns
    -------
    cells : (m, 3) int64, numpy
    matrices : (m, n, n) complex of the same library, eV; differentiable in
        lattice and frac.  Which bonds there are is decided without gradient.
    """
    from array_api_compat import array_namespace, device

    xp = array_namespace(lattice, frac)
    here = device(lattice)
    found = bonds(_plain(lattice), _plain(frac), model.cut_off)
    cells = xp.asarray(found.cells.astype(np.float64), device=here)
    first, second = (xp.asarray(found.atoms[:, a], device=here) for a in (0, 1))
    reduced = cells + xp.take(frac, second, axis=0) - xp.take(frac, first, axis=0)
    blocks = _blocks(model, found.atoms, reduced @ lattice)
    return found.unique, _assemble(model, found, blocks) + _local(model, found, xp, here)


def _plain(array: Any) -> Floats:
    """The numbers of an array, without its gradient."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
    return np.asarray(array, dtype=np.float64)


def _blocks(model: SlaterKoster, atoms: NDArray[np.int64], vectors: Any) -> Any:
    """(b, 4, 4) blocks between s, x, y, z of bonded sites, eV; vectors (b, 3), Angstrom."""
    from array_api_compat import array_namespace, device

    xp = array_namespace(vectors)
    here = device(vectors)
    length = xp.sqrt(xp.sum(vectors * vectors, axis=-1))
    n = vectors / length[:, None]
    fade = 1 / (1 + xp.exp((length - model.fade) / model.fade_width))
    i, j = atoms.T

    def strength(integral: Integral | None, swap: bool = False) -> Any:
        if integral is None:
            return xp.zeros_like(length)
        value = integral.value[j, i] if swap else integral.value[i, j]
        decay = xp.exp(-(length - model.reference) / integral.decay)
        return xp.asarray(np.asarray(value, dtype=np.float64), device=here) * fade * decay

    sigma, pi = strength(model.pp_sigma), strength(model.pp_pi)
    eye = xp.asarray(np.eye(3), device=here)
    pp = pi[:, None, None] * eye + (sigma - pi)[:, None, None] * (n[:, :, None] * n[:, None, :])
    s_row = xp.concat([strength(model.ss)[:, None], strength(model.sp)[:, None] * n], axis=1)
    p_rows = xp.concat([(-strength(model.sp, swap=True)[:, None] * n)[:, :, None], pp], axis=2)
    return xp.concat([s_row[:, None, :], p_rows], axis=1)


def _block_slopes(model: SlaterKoster, atoms: NDArray[np.int64], vectors: Floats) -> Floats:
    """(b, 4, 4, 3): derivatives of `_blocks` by the components of the bond, eV / Angstrom."""
    r = np.linalg.norm(vectors, axis=1)
    n = vectors / r[:, None]
    fade = 1 / (1 + np.exp((r - model.fade) / model.fade_width))
    across = (np.eye(3) - n[:, :, None] * n[:, None, :]) / r[:, None, None]
    i, j = atoms.T

    def strength(integral: Integral | None, swap: bool = False) -> tuple[Floats, Floats]:
        if integral is None:
            return np.zeros_like(r), np.zeros_like(r)
        value = integral.value[j, i] if swap else integral.value[i, j]
        v = value * fade * np.exp(-(r - model.reference) / integral.decay)
        return v, -v * (1 / integral.decay + (1 - fade) / model.fade_width)

    def vector(v: Floats, slope: Floats) -> Floats:
        """Of v(r) n_a by d_c."""
        along = slope[:, None, None] * n[:, :, None] * n[:, None, :]
        return np.asarray(along + v[:, None, None] * across)

    (sigma, sigma_slope), (pi, pi_slope) = strength(model.pp_sigma), strength(model.pp_pi)
    difference, slope = sigma - pi, sigma_slope - pi_slope
    result = np.zeros((len(r), 4, 4, 3))
    result[:, 0, 0] = strength(model.ss)[1][:, None] * n
    result[:, 0, 1:] = vector(*strength(model.sp))
    v, v_slope = strength(model.sp, swap=True)
    result[:, 1:, 0] = -vector(v, v_slope)
    result[:, 1:, 1:] = (
        np.einsum("b,ij,bc->bijc", pi_slope, np.eye(3), n)
        + np.einsum("b,bi,bj,bc->bijc", slope, n, n, n)
        + np.einsum("b,bic,bj->bijc", difference, across, n)
        + np.einsum("b,bjc,bi->bijc", difference, across, n)
    )
    return result


def _assemble(model: SlaterKoster, found: Bonds, blocks: Any) -> Any:
    """(m, n, n) complex matrices, the same for both spins, from blocks (b, 4, 4)."""
    from array_api_compat import array_namespace, device

    xp = array_namespace(blocks)
    here = device(blocks)
    m, sites = found.place.shape[:2]
    padded = xp.concat([blocks, xp.zeros_like(blocks[:1])], axis=0)
    table = xp.take(padded, xp.asarray(found.place.ravel(), device=here), axis=0)
    table = xp.reshape(table, (m, sites, sites, 4, 4))
    table = xp.reshape(xp.permute_dims(table, (0, 1, 3, 2, 4)), (m, 4 * sites, 4 * sites))
    kept = xp.asarray(model.kept, device=here)
    table = xp.take(xp.take(table, kept, axis=1), kept, axis=2)
    zero = xp.zeros_like(table)
    up, down = xp.concat([table, zero], axis=2), xp.concat([zero, table], axis=2)
    return xp.concat([up, down], axis=1) + 0j


def _local(model: SlaterKoster, found: Bonds, xp: Any, here: Any) -> Any:
    """(m, n, n): levels, crystal field and spin-orbit coupling in the home cell."""
    matrix = local(model)
    result = np.zeros((len(found.unique), *matrix.shape), dtype=np.complex128)
    result[(found.unique == 0).all(axis=1)] = matrix
    return xp.asarray(result, device=here)


def local(model: SlaterKoster) -> NDArray[np.complex128]:
    """On-site (n, n) matrix: levels, crystal field on p_z and zeta L.S, eV."""
    sites, kept = len(model.frac), model.kept
    levels = np.repeat(model.p_level, 4).reshape(sites, 4)
    levels[:, 0] = model.s_level
    levels[:, 3] += model.crystal_field
    result = np.kron(np.eye(2), np.diag(np.nan_to_num(levels.ravel()))).astype(np.complex128)
    for spin, momentum in zip(_PAULI, _angular_momentum(), strict=True):
        result += np.kron(spin / 2, np.kron(np.diag(model.spin_orbit), momentum))
    rows = np.concatenate([kept, kept + 4 * sites])
    return np.asarray(result[np.ix_(rows, rows)], dtype=np.complex128)


def _angular_momentum() -> NDArray[np.complex128]:
    """(3, 4, 4): L_x, L_y, L_z on s, x, y, z; (L_a)_bc = -i epsilon_abc."""
    result = np.zeros((3, 4, 4), dtype=np.complex128)
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        result[a, 1 + b, 1 + c], result[a, 1 + c, 1 + b] = -1j, 1j
    return result


def pair_table(factors: ArrayLike, strength: float) -> Floats:
    """Symmetric (sites, sites) values of an integral: strength times a factor for every pair."""
    table = np.asarray(factors, dtype=np.float64) * strength
    return np.asarray((table + table.T) / 2)
