"""Which orbitals a band is made of: |c|^2 summed over atoms, elements or orbitals, and spin.

Within a degenerate multiplet the eigenvectors are arbitrary, but the sum of
their weights is not; every member gets the mean, so that a picture does not
flicker from one k-point to the next.

Files of Wannier functions rarely say to which atom an orbital belongs.  With
centres it is the nearest atom.  Without, orbitals are tried in the order of
the atoms, as wannier90 lists projections by default, and the attempt has to
prove itself: hoppings decay with distance, so the second moment
sum |H_ij(A)|^2 d_ij(A)^2 must be smaller than for every other way to hand the
orbitals out (the spread of Marzari and Vanderbilt, Phys. Rev. B 56, 12847
(1997), eq. 7, turned around).  Where nothing can be proved the orbitals keep
their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, permutations, product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import bloch_sum, half_sum, over_chunks
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Group = tuple[str, tuple[int, ...]]
By = Literal["species", "atom", "orbital"]

DEGENERATE = 1e-3
"""Levels closer than this share their weights, eV."""
_SHELLS = (1, 3, 4, 5, 6, 7, 8, 9)
"""Orbitals an atom may carry: s, p, sp, d, sd, f, pd, spd."""
_CLEAR = 0.8
"""The nearest atom must be this much nearer than the second one."""
_RANKED = 0.97
"""A way to hand out orbitals must be this much better than any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """The atom of each orbital.

    ``atoms`` (n,) numbers of atoms, -1 where an orbital sits between atoms;
    None when nothing is known.  ``how`` says how it was found, for captions.
    """

    atoms: tuple[int, ...] | None
    how: str


def spatial(h: Hoppings) -> Ints:
    """Number of the spatial part of each orbital, (n,): the same for both spins."""
    index = np.arange(h.n_orbitals)
    order = h.assumptions.spin_order
    if order == "blocks":
        return index % (h.n_orbitals // 2)
    return index // 2 if order == "interleaved" else index


def spin_signs(h: Hoppings) -> Floats:
    """+1 for up and -1 for down, (n,); `PhysicsError` where there is no known spin."""
    order, n = h.assumptions.spin_order, h.n_orbitals
    if order == "blocks":
        return np.where(np.arange(n) < n // 2, 1.0, -1.0)
    if order == "interleaved":
        return np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    raise PhysicsError(
        "These hoppings have no spin, or its order is not known.",
        "The spin of bands can be shown only for spinful models in a common order.",
        path=h.source,
    )


# ------------------------------------------------------------------- owners


def owners(h: Hoppings) -> Owners:
    """The atom of each orbital, from centres or from the decay of the hoppings."""
    if h.lattice is None or h.frac is None or h.species is None:
        return Owners(atoms=None, how="no atoms known")
    if h.centres is not None:
        return _by_centres(h.centres, h.frac, h.lattice)
    return _by_decay(h, h.frac, h.species, h.lattice)


def _by_centres(centres: Floats, frac: Floats, lattice: Floats) -> Owners:
    shifts = np.array(list(product((-1, 0, 1), repeat=3)))
    apart = centres[:, None] - frac[None]
    apart -= np.round(apart)
    # nearest images of every atom, and the second nearest atom or image
    distance = np.linalg.norm((apart[:, :, None] + shifts) @ lattice, axis=-1)
    flat = distance.reshape(len(centres), -1)
    order = np.argsort(flat, axis=1)
    first = np.take_along_axis(flat, order[:, :1], 1)[:, 0]
    second = np.take_along_axis(flat, order[:, 1:2], 1)[:, 0]
    atoms = np.where(first < _CLEAR * second, order[:, 0] // len(shifts), -1)
    how = "orbitals belong to the nearest atom"
    if (atoms < 0).any():
        how += "; some lie between atoms"
    return Owners(atoms=tuple(int(a) for a in atoms), how=how)


def _by_decay(h: Hoppings, frac: Floats, species: Ints, lattice: Floats) -> Owners:
    part = spatial(h)
    total = int(part.max()) + 1
    kinds, kind = np.unique(species, return_inverse=True)
    counts = np.bincount(kind)
    unknown = Owners(atoms=None, how="it is not known which atom an orbital belongs to")
    if len(kinds) > 4 or total < len(species):
        return unknown
    strength = _strengths(h, part, total)
    # all sets of shells that fit: in the order of the atoms, or of the atoms in reverse
    ranked: list[tuple[float, tuple[int, ...]]] = []
    for sizes in product(_SHELLS, repeat=len(kinds)):
        if int(np.dot(sizes, counts)) != total:
            continue
        for order in _orders(len(species)):
            atoms = tuple(a for a in order for _ in range(sizes[kind[a]]))
            ranked.append((_moment(strength, h.cells, frac, lattice, atoms), atoms))
    if not ranked:
        return unknown
    plain = {m: a for m, a in ranked if list(a) == sorted(a)}
    best = min(plain)
    rivals = [
        m
        for m, a in ranked
        if not np.array_equal(species[list(a)], species[list(plain[best])]) and m < best / _RANKED
    ]
    if rivals:
        return unknown
    atoms = plain[best]
    return Owners(
        atoms=tuple(atoms[i] for i in part),
        how="orbitals in the order of the atoms, confirmed by the decay of the hoppings",
    )


def _orders(count: int) -> list[tuple[int, ...]]:
    """Orders of atoms to compare: all of five, else exchanges of two."""
    if count <= 5:
        return list(permutations(range(count)))
    found = [tuple(range(count))]
    for i, j in islice(product(range(count), repeat=2), 400):
        if i < j:
            order = list(range(count))
            order[i], order[j] = j, i
            found.append(tuple(order))
    return found


def _strengths(h: Hoppings, part: Ints, total: int) -> Floats:
    """|H_ij(A)|^2 summed over spins, (m, total, total)."""
    power = np.abs(h.matrices) ** 2
    fold = np.zeros((h.n_orbitals, total))
    fold[np.arange(h.n_orbitals), part] = 1.0
    return np.asarray(np.einsum("ip,aij,jq->apq", fold, power, fold, optimize=True))


def _moment(
    strength: Floats, cells: Ints, frac: Floats, lattice: Floats, atoms: tuple[int, ...]
) -> float:
    """Sum of |H_ij(A)|^2 d^2 over sum of |H|^2 over all but the on-site elements, Angstrom^2."""
    who = np.array(atoms)
    count = len(frac)
    fold = np.zeros((len(who), count))
    fold[np.arange(len(who)), who] = 1.0
    by_atom = np.einsum("ip,aij,jq->apq", fold, strength, fold, optimize=True)
    apart = cells[:, None, None] + frac[None, None] - frac[None, :, None]
    square = ((apart @ lattice) ** 2).sum(axis=-1)
    off = by_atom.copy()
    home = (cells == 0).all(axis=1)
    off[home, np.arange(count), np.arange(count)] = 0.0
    return float((off * square).sum() / max(float(strength.sum()), 1e-300))


def orbital_groups(h: Hoppings, by: By = "species") -> tuple[Group, ...]:
    """Names and orbital numbers of the groups that weights are summed over.

    Parameters
    ----------
    h : Hoppings
    by : {"species", "atom", "orbital"}
        ``orbital`` joins both spins of one spatial orbital; it is also what is
        returned when the atoms of the orbitals cannot be found.
    """
    found = owners(h) if by != "orbital" else Owners(atoms=None, how="")
    names: list[str]
    if found.atoms is None or h.species is None:
        part = spatial(h)
        names = [f"orbital {i + 1}" for i in part]
    else:
        from crystalgui.core.structures.elements import SYMBOLS

        symbols = [SYMBOLS[z] for z in h.species]
        labels = symbols if by == "species" else [f"{s}{i + 1}" for i, s in enumerate(symbols)]
        names = [labels[a] if a >= 0 else "between atoms" for a in found.atoms]
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        groups.setdefault(name, []).append(i)
    return tuple((name, tuple(members)) for name, members in groups.items())


# ------------------------------------------------------------------ weights


def band_weights(
    h: Hoppings,
    k: Floats,
    groups: tuple[Group, ...] | None = None,
    *,
    degenerate: float = DEGENERATE,
    threads: int | None = None,
) -> Floats:
    """Weights of groups of orbitals in every band.

    Parameters
    ----------
    h : Hoppings
    k : (m, 3) float64, reduced
    groups : tuple of (name, orbitals), optional
        `orbital_groups` by default.
    degenerate : float, eV
        Levels closer than this share their weights.
    threads : int, optional

    Returns
    -------
    (m, n_bands, g) float64 in [0, 1]; the sum over groups that hold every
    orbital once is 1.
    """
    groups = orbital_groups(h) if groups is None else groups
    fold = np.zeros((h.n_orbitals, len(groups)))
    for g, (_, members) in enumerate(groups):
        fold[list(members), g] = 1.0
    return _folded(h, k, fold, degenerate, threads)[1]


def spin_weights(
    h: Hoppings, k: Floats, *, degenerate: float = DEGENERATE, threads: int | None = None
) -> Floats:
    """<sigma_z> of every band, (m, n_bands) float64 in [-1, 1]; 0 for a Kramers pair."""
    fold = spin_signs(h)[:, None]
    return _folded(h, k, fold, degenerate, threads)[1][..., 0]


def weighted_energies(
    h: Hoppings, k: Floats, groups: tuple[Group, ...], *, threads: int | None = None
) -> tuple[Floats, Floats]:
    """Energies (m, n) in eV and `band_weights` (m, n, g) from one diagonalisation."""
    fold = np.zeros((h.n_orbitals, len(groups)))
    for g, (_, members) in enumerate(groups):
        fold[list(members), g] = 1.0
    return _folded(h, k, fold, DEGENERATE, threads)


def _folded(
    h: Hoppings, k: Floats, fold: Floats, degenerate: float, threads: int | None
) -> tuple[Floats, Floats]:
    k = np.asarray(k, dtype=np.float64).reshape(-1, 3)
    cells, half = half_sum(h)
    n = h.n_orbitals
    levels = np.empty((len(k), n))
    weights = np.empty((len(k), n, fold.shape[1]))

    def part(rows: slice) -> None:
        s = bloch_sum(cells, half, k[rows])
        e, c = np.linalg.eigh(s + s.conj().swapaxes(-1, -2))
        w = np.swapaxes(c.real**2 + c.imag**2, -1, -2) @ fold
        levels[rows] = e
        weights[rows] = shared_weights(e, w, degenerate)

    over_chunks(part, len(k), 128, threads)
    return levels, weights


def shared_weights(levels: Floats, weights: Floats, degenerate: float) -> Floats:
    """Means over multiplets: levels (m, n) ascending, weights (m, n, g)."""
    m, n = levels.shape
    new = np.ones((m, n), dtype=bool)
    new[:, 1:] = np.diff(levels, axis=1) > degenerate
    multiplet = np.cumsum(new.ravel()) - 1
    first = np.flatnonzero(new.ravel())
    sums = np.add.reduceat(weights.reshape(m * n, -1), first, axis=0)
    sizes = np.diff(np.append(first, m * n))
    return np.asarray((sums / sizes[:, None])[multiplet].reshape(weights.shape))
