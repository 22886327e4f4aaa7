"""Band gaps: the smallest direct gap and the indirect gap, each with its k-points.

A regular mesh finds the candidates, then all of them together are refined off
the mesh by a stencil that shrinks onto the minimum: a Newton step of the
parabola through it where the function is smooth, its lowest point where there
is a kink (`descent.minimise`, instead of a simplex, whose points come one by
one).  A gap below `RESOLVED` is reported as closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies, grid_energies
from crystalgui.core.physics.brillouin import reciprocal_of
from crystalgui.core.physics.descent import minimise, reciprocal_basis
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]

RESOLVED = 1e-5
_TIME_REVERSAL = 1e-6
_CANDIDATES, _BASINS = 4, 20
"""Minima on the mesh that are looked around closely, and in all."""
_LARGEST_MESH = 20_000
_STARTS = 6
_FIRST = 0.25
"""First stencil, in steps of the mesh."""
_ROUNDS = ((99, 3), (4, 4), (1, 17))
"""How many of the best starts go on, and for how many rounds of shrinking stencils."""
_SHRINK = 0.45


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Gap:
    """One gap.

    ``energy`` in eV (negative: overlap); ``lower`` and ``upper`` are the band
    edges in eV at ``k_lower`` and ``k_upper``, (3,) reduced in (-1/2, 1/2];
    both k are the same for a direct gap.
    """

    energy: float
    lower: float
    upper: float
    k_lower: Floats
    k_upper: Floats


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Gaps:
    """Gaps of a Hamiltonian at a filling.

    Attributes
    ----------
    direct : Gap
        Smallest difference E(occupied + 1) - E(occupied) at one k.
    indirect : Gap
        Lowest empty level minus highest occupied level.
    occupied : int
        Number of occupied bands.
    fermi : float
        eV: the middle of the indirect gap, or for a metal the level that
        fills ``occupied`` bands on the mesh.
    mesh : (n1, n2, n3)
        The mesh that was searched first.
    refined : bool
        Whether the k-points were refined off the mesh.
    """

    direct: Gap
    indirect: Gap
    occupied: int
    fermi: float
    mesh: tuple[int, int, int]
    refined: bool

    @property
    def metal(self) -> bool:
        """No indirect gap: the bands overlap in energy."""
        return self.indirect.energy <= RESOLVED

    @property
    def kind(self) -> str:
        """``direct``, ``indirect`` or ``none``, of the fundamental gap."""
        if self.metal:
            return "none"
        apart = self.indirect.k_lower - self.indirect.k_upper
        apart -= np.round(apart)
        same = np.abs(apart).max() < 1e-3 or self.direct.energy - self.indirect.energy < 1e-6
        return "direct" if same else "indirect"


def default_mesh(h: Hoppings, spacing: float = 0.11) -> tuple[int, int, int]:
    """An even mesh with about ``spacing`` 1/Angstrom between points; 1 where nothing hops."""
    lattice = np.eye(3) * 4 if h.lattice is None else h.lattice
    lengths = np.linalg.norm(reciprocal_of(lattice), axis=1)
    size = np.abs(h.matrices).max(axis=(1, 2), initial=0)
    flat = ~(h.cells[size > _TIME_REVERSAL] != 0).any(axis=0)
    reach = np.abs(h.cells).max(axis=0, initial=0)
    while True:
        counts = [2 * max(3, round(length / spacing / 2)) for length in lengths]
        counts = [
            1 if flat[i] else max(count, min(2 * int(reach[i]), 8))
            for i, count in enumerate(counts)
        ]
        if np.prod(counts) <= _LARGEST_MESH or spacing > 1:
            return counts[0], counts[1], counts[2]
        spacing *= 1.15


def gaps(
    h: Hoppings,
    occupied: int,
    *,
    mesh: tuple[int, int, int] | None = None,
    refine: bool = True,
) -> Gaps:
    """Direct and indirect gap above ``occupied`` bands.

    Parameters
    ----------
    h : Hoppings
    occupied : int
        Number of occupied bands, 1 .. n - 1.
    mesh : three ints, optional
        Points along each reciprocal vector; default about 0.11 1/Angstrom apart.
    refine : bool
        Continue off the mesh.
    """
    check_occupation(h, occupied)
    mesh = mesh or default_mesh(h)
    table = grid_energies(h, mesh)
    return gaps_on(h, occupied, table, refine=refine)


def check_occupation(h: Hoppings, occupied: int) -> None:
    """Raise `PhysicsError` unless there are both occupied and empty bands."""
    if not 1 <= occupied < h.n_orbitals:
        raise PhysicsError(
            f"{occupied} occupied bands of {h.n_orbitals} leave no gap to look at.",
            f"Choose a number between 1 and {h.n_orbitals - 1}.",
            path=h.source,
        )


def gaps_on(h: Hoppings, occupied: int, table: Floats, *, refine: bool = True) -> Gaps:
    """As `gaps`, from energies (n1, n2, n3, n) already known on a mesh."""
    check_occupation(h, occupied)
    mesh = (int(table.shape[0]), int(table.shape[1]), int(table.shape[2]))
    below, above = table[..., occupied - 1], table[..., occupied]
    fermi = float(
        np.sort(table, axis=None)[[occupied * below.size - 1, occupied * below.size]].mean()
    )
    places = [
        _search(h, field, occupied, what, refine)
        for what, field in (("gap", above - below), ("top", -below), ("bottom", above))
    ]
    k = np.array(places)
    at = energies(h, k)[:, occupied - 1 : occupied + 1]
    direct = Gap(
        energy=float(at[0, 1] - at[0, 0]),
        lower=float(at[0, 0]),
        upper=float(at[0, 1]),
        k_lower=k[0],
        k_upper=k[0],
    )
    lower, upper = float(at[1, 0]), float(at[2, 1])
    indirect = Gap(energy=upper - lower, lower=lower, upper=upper, k_lower=k[1], k_upper=k[2])
    if indirect.energy > RESOLVED:
        fermi = (lower + upper) / 2
    return Gaps(
        direct=direct,
        indirect=indirect,
        occupied=occupied,
        fermi=fermi,
        mesh=mesh,
        refined=refine,
    )


def direct_gap(h: Hoppings, occupied: int, table: Floats) -> tuple[float, Floats]:
    """Smallest direct gap (eV) and its k (3,) alone, from energies (n1, n2, n3, n) on a mesh."""
    check_occupation(h, occupied)
    k = _search(h, table[..., occupied] - table[..., occupied - 1], occupied, "gap", True)
    return float(_value(h, k[None], occupied, "gap")[0]), k


def _value(h: Hoppings, k: Floats, occupied: int, what: str) -> Floats:
    e = energies(h, k)
    if what == "gap":
        return np.asarray(e[:, occupied] - e[:, occupied - 1])
    return np.asarray(-e[:, occupied - 1] if what == "top" else e[:, occupied])


def _search(h: Hoppings, field: Floats, occupied: int, what: str, refine: bool) -> Floats:
    """The k (3,) in (-1/2, 1/2] that minimises a quantity, from its mesh values."""
    mesh = np.array(field.shape)
    starts = _minima(field) / mesh
    if not refine:
        return _wrap(starts[0])
    live = mesh > 1
    basis = reciprocal_basis(h)
    edges = np.linalg.norm(basis, axis=1) / mesh
    step = float(edges[live].min(initial=np.inf)) if live.any() else 1.0

    def function(k: Floats) -> Floats:
        value = _value(h, k.reshape(-1, 3), occupied, what).reshape(k.shape[:-1])
        # The square of a gap is smooth also where it closes.
        return value**2 if what == "gap" else value

    # A ring of minima (Rashba) has several within a cell of the mesh: look around first.
    trial = _around(starts[:_CANDIDATES], (-1.0, -0.5, 0.0, 0.5, 1.0), mesh)
    more = _around(starts[_CANDIDATES:], (-0.5, 0.0, 0.5), mesh)
    values = function(np.concatenate([trial.reshape(-1, 3), more.reshape(-1, 3)]))
    near, far = values[: trial.size // 3], values[trial.size // 3 :].reshape(more.shape[:2])
    chosen = [trial.reshape(-1, 3)[_lowest(near, _STARTS)]]
    if len(more):
        # Other basins, unless what they vary by around them cannot make them the lowest.
        best = far.argmin(axis=1)
        promising = far.min(axis=1) - np.ptp(far, axis=1) / 2 < near.min()
        chosen.append(more[np.arange(len(more)), best][promising])
    trial = np.concatenate(chosen)
    k, radius = trial, _FIRST * step
    for count, rounds in _ROUNDS:
        values = function(k)
        k, _ = minimise(
            function, k[np.argsort(values)[:count]], radius, basis, live=live, rounds=rounds
        )
        radius *= _SHRINK**rounds
    k = k[[int(function(k).argmin())]]
    return _wrap(_exact(h, k[0], occupied, what))


def _around(starts: Floats, arms: tuple[float, ...], mesh: NDArray[np.int64]) -> Floats:
    """Points (s, c, 3) around starts (s, 3), ``arms`` in steps of the mesh."""
    own = [arms if count > 1 else (0.0,) for count in mesh]
    return np.asarray(starts[:, None] + np.array(list(product(*own))) / mesh)


def _minima(field: Floats) -> Floats:
    """Mesh indices of the lowest local minima, lowest first; (c, 3)."""
    lowest = np.ones(field.shape, dtype=bool)
    # Faces only: the bottom of a slanting valley may lie between two points of the mesh.
    for axis, shift in product(range(3), (-1, 1)):
        lowest &= field <= np.roll(field, shift, axis=axis) + 1e-9
    places = np.argwhere(lowest)
    values = field[lowest]
    return np.asarray(places[_lowest(values, _BASINS)], dtype=np.float64)


def _lowest(values: Floats, count: int) -> list[int]:
    """Places of the lowest values; points related by symmetry have the same: one of each."""
    kept: list[int] = []
    for i in np.argsort(values, kind="stable"):
        if all(abs(values[i] - values[j]) > 1e-4 for j in kept):
            kept.append(int(i))
        if len(kept) == count:
            break
    return kept


def _exact(h: Hoppings, k: Floats, occupied: int, what: str) -> Floats:
    """Prefer a special point (multiples of 1/12) when it is just as good."""
    special = np.round(k * 12) / 12
    if np.abs(special - k).max() < 2e-3:
        mine, its = _value(h, np.stack([k, special]), occupied, what)
        if its <= mine + 1e-6:
            return special
    return k


def _wrap(k: Floats) -> Floats:
    wrapped = k - np.ceil(k - 0.5 - 1e-4)
    return np.asarray(wrapped + 0.0)


def guess_occupation(h: Hoppings) -> tuple[int, str]:
    """A filling for a file that states none, and the reason in words.

    The stated number if there is one; else the filling with the largest
    indirect gap on a coarse mesh; else the one whose smallest direct gap is
    largest.  Kramers pairs are not split when time reversal holds.
    """
    n = h.n_orbitals
    if h.occupied is not None:
        return h.occupied, "occupation stated by the input"
    if n == 1:
        return 1, "one band"
    table = grid_energies(h, default_mesh(h, 0.35)).reshape(-1, n)
    order = h.assumptions.spin_order
    step = 2 if order in ("blocks", "interleaved") and n % 2 == 0 else 1
    choices = np.arange(step, n, step)
    if not len(choices):
        return 1, "half filling assumed"
    indirect = table[:, choices].min(axis=0) - table[:, choices - 1].max(axis=0)
    if indirect.max() > 0.01:
        return int(choices[indirect.argmax()]), "occupation assumed: largest gap"
    direct = (table[:, choices] - table[:, choices - 1]).min(axis=0)
    if direct.max() > 0.01:
        return int(choices[direct.argmax()]), "occupation assumed: largest direct gap"
    return max(1, n // 2), "half filling assumed"


def occupied_below(h: Hoppings, fermi: float) -> int:
    """Number of bands below a Fermi energy (eV), averaged over the zone and rounded.

    Kramers pairs are not split when time reversal holds.
    """
    table = grid_energies(h, default_mesh(h, 0.35)).reshape(-1, h.n_orbitals)
    paired = h.assumptions.spin_order in ("blocks", "interleaved") and h.n_orbitals % 2 == 0
    step = 2 if paired else 1
    count = int(step * np.round((table < fermi).sum() / len(table) / step))
    if not 1 <= count < h.n_orbitals:
        low, high = float(table.min()), float(table.max())
        raise PhysicsError(
            f"A Fermi energy of {fermi:g} eV leaves {count} of {h.n_orbitals} bands occupied.",
            f"Give an energy inside the bands, {low:.3f} to {high:.3f} eV.",
            path=h.source,
        )
    return count
