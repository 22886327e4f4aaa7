"""Crystals as rows of numbers that do not depend on how the cell was written down.

Boosted trees (Claussen, Bernevig, Regnault 2020, "Detection of topological
materials with machine learning") read a table instead of a graph.  Its columns
are what the topology of a band structure is made of: elements and their
valence blocks, space group and site symmetries with their multiplicities, the
electron count of the primitive cell against the fillings that the space group
allows (Watanabe, Po, Vishwanath, Zaletel 2015; Po, Vishwanath, Watanabe 2017),
and a little chemistry of neighbours.

One code makes the columns from a table of crystals and from a batch of a
network, so that a model answers from what it was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.graphs import Graphs
from crystalgui.core.datasets.records import POINT_GROUPS, Records
from crystalgui.core.structures.elements import (
    ATOMIC_RADIUS,
    COVALENT_RADIUS,
    ELECTRONEGATIVITY,
    GROUP,
    MASS,
    METAL,
    PERIOD,
    VALENCE,
)

N_ELEMENTS = 100
CUTOFF = 5.0
GROUPS = ("composition", "symmetry", "neighbours")
MODULI = (2, 4, 6, 8, 12)
BONDED = 1.12
DIGITS = 16
_LAST_OF_CLASS = (
    1, 2, 5, 9, 15, 24, 46, 74, 80, 82, 88, 98, 110, 122, 142, 146, 148, 155, 161, 167, 173,
    174, 176, 182, 186, 190, 194, 199, 206, 214, 220, 230,
)  # fmt: skip
_LAST_OF_SYSTEM = (2, 15, 74, 142, 167, 194, 230)
_FEWEST = (
    "11121121212122212242111212224222421221222121221222242424422444221222121242142"
    "41211122212124422441212222224122412221222121212222224224242241224133111113333"
    "1112212121212166332112166332122212121222111441212144121214441112261222122418"
)
FEWEST_SITES = np.array([1, *map(int, _FEWEST)])
"""(231,) int64: sites a primitive cell of the smallest Wyckoff position of each space group."""


@dataclass(frozen=True, slots=True, eq=False)
class Sites:
    """Crystals as inequivalent sites (or atoms) with weights, and their neighbours.

    Attributes
    ----------
    size : int
        Crystals, m.
    crystal, species, site : (n,) int64
    weight : (n,) float64
        Atoms of a primitive cell that a site stands for.
    space_group : (m,) int64
    volume : (m,) float64, cubic Angstrom of a primitive cell
    src, dst : (e,) int64
        ``dst`` feels ``src``.
    count, distance : (e,) float64
    """

    size: int
    crystal: NDArray[np.int64]
    species: NDArray[np.int64]
    site: NDArray[np.int64]
    weight: NDArray[np.float64]
    space_group: NDArray[np.int64]
    volume: NDArray[np.float64]
    src: NDArray[np.int64]
    dst: NDArray[np.int64]
    count: NDArray[np.float64]
    distance: NDArray[np.float64]

    @classmethod
    def of_records(cls, records: Records, graphs: Graphs) -> Sites:
        """A table of crystals with graphs of the same crystals."""
        take, crystals = graphs.atom, np.arange(len(records))
        first = np.repeat(graphs.nodes[:-1], np.diff(graphs.edges))
        return cls(
            len(records),
            np.repeat(crystals, np.diff(graphs.nodes)),
            records.species[take].astype(np.int64),
            records.site[take].astype(np.int64),
            graphs.weight.astype(np.float64),
            records.space_group.astype(np.int64),
            _volume(records.lattice, records.cells),
            first + graphs.src,
            first + graphs.dst,
            graphs.count.astype(np.float64),
            graphs.distance.astype(np.float64),
        )

    @classmethod
    def of_batch(cls, batch: Any) -> Sites:
        """A batch of a network (`crystalgui.core.datasets.collate.Batch`)."""

        def whole(name: str) -> NDArray[np.int64]:
            return np.asarray(getattr(batch, name).cpu().numpy(), np.int64)

        def real(name: str) -> NDArray[np.float64]:
            return np.asarray(getattr(batch, name).detach().cpu().float().numpy(), np.float64)

        return cls(
            batch.size,
            whole("graph"),
            whole("species"),
            whole("site"),
            real("weight"),
            whole("space_group"),
            _volume(real("lattice"), real("cells")),
            whole("src"),
            whole("dst"),
            real("count"),
            real("distance"),
        )

    def sum(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """(m, ...) sums of (n, ...) values over the sites of each crystal."""
        return _sum(self.crystal, values, self.size)

    def counts(self) -> NDArray[np.float64]:
        """(m, 100) atoms of each element in a primitive cell."""
        place = self.crystal * N_ELEMENTS + self.species
        found = np.bincount(place, self.weight, self.size * N_ELEMENTS)
        return np.asarray(found.reshape(self.size, N_ELEMENTS).round(6))


Columns = dict[str, NDArray[np.float64]]


def features(sites: Sites, groups: Sequence[str] = GROUPS) -> tuple[NDArray[np.float32], list[str]]:
    """The table of some crystals and the names of its columns.

    Parameters
    ----------
    groups : sequence of {"composition", "symmetry", "neighbours"}

    Returns
    -------
    values : (m, k) float32
    names : list of str, length k
    """
    columns: Columns = {}
    for group in groups:
        columns |= _MAKERS[group](sites)
    return _rounded(np.stack([*columns.values()], 1)), [*columns]


def names(groups: Sequence[str] = GROUPS) -> list[str]:
    """Names of the columns, which no crystal changes."""
    whole, real = np.zeros(0, np.int64), np.zeros(0)
    none = Sites(0, whole, whole, whole, real, whole, real, whole, whole, real, real)
    return features(none, groups)[1]


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """(m, k) to 16 binary digits: a tree sees the same crystal in any setting alike."""
    mantissa, exponent = np.frexp(values)
    whole = np.ldexp(np.round(mantissa * 2**DIGITS) / 2**DIGITS, exponent)
    return np.asarray(whole, np.float32)


@cache
def element_table() -> dict[str, NDArray[np.float64]]:
    """Properties by atomic number, (100,) each; electrons outside the noble-gas core by shell."""
    z = np.arange(N_ELEMENTS)
    shells = _shells()
    d, f = shells[:, 2], shells[:, 3]
    return {
        "Z": z.astype(np.float64),
        "chi": np.nan_to_num(ELECTRONEGATIVITY[:N_ELEMENTS], nan=2.0),
        "radius": COVALENT_RADIUS[:N_ELEMENTS],
        "size": ATOMIC_RADIUS[:N_ELEMENTS],
        "valence": VALENCE[:N_ELEMENTS].astype(np.float64),
        "group": GROUP[:N_ELEMENTS].astype(np.float64),
        "period": PERIOD[:N_ELEMENTS].astype(np.float64),
        "metal": METAL[:N_ELEMENTS].astype(np.float64),
        "s": shells[:, 0],
        "p": shells[:, 1],
        "d": d,
        "f": f,
        "open d": np.minimum(d, 10 - d),
        "open f": np.minimum(f, 14 - f),
    }


def _shells() -> NDArray[np.float64]:
    """(100, 4) electrons in the s, p, d and f shells after the last noble gas (Madelung)."""
    order = sorted(
        ((n, l) for n in range(1, 9) for l in range(min(n, 4))), key=lambda q: (sum(q), q[0])
    )
    table = np.zeros((N_ELEMENTS, 4))
    for z in range(1, N_ELEMENTS):
        left, outer = z, np.zeros(4)
        for _, l in order:
            held = min(left, 4 * l + 2)
            if l == 0:
                outer = np.zeros(4)
            outer[l] += held
            left -= held
            if left == 0:
                break
        table[z] = outer
    return table


def _composition(sites: Sites) -> Columns:
    """Fractions and counts of elements, statistics of their properties, and elements in order."""
    counts = sites.counts()
    atoms = counts.sum(1)
    fraction = counts / atoms[:, None]
    inside = counts > 0
    columns: Columns = {f"x({z})": fraction[:, z] for z in range(1, N_ELEMENTS)}
    columns |= {"atoms": atoms, "kinds": inside.sum(1).astype(np.float64)}
    divisor = np.gcd.reduce(counts.round().astype(np.int64), axis=1).clip(1)
    columns["formulas a cell"] = divisor.astype(np.float64)
    for name, values in element_table().items():
        mean = fraction @ values
        high = np.where(inside, values, -np.inf).max(1)
        low = np.where(inside, values, np.inf).min(1)
        spread = np.sqrt(np.maximum(fraction @ values**2 - mean**2, 0).round(9))
        columns |= {f"mean {name}": mean, f"max {name}": high, f"min {name}": low}
        columns |= {f"spread {name}": spread}
    return columns | _ordered(counts, fraction) | _balance(counts)


def _ordered(counts: NDArray[np.float64], fraction: NDArray[np.float64]) -> Columns:
    """The elements by electronegativity, from both ends: which, how many, how much."""
    table = element_table()
    chi = table["chi"] + 1e-4 * np.arange(N_ELEMENTS)
    key = np.where(counts > 0, chi, np.inf)
    up = np.argsort(key, 1, kind="stable")
    kinds = (counts > 0).sum(1)
    rows, columns = np.arange(len(counts)), {}
    pettifor = table["group"] * 8 + table["period"]
    for name, rank in (
        ("first", 0),
        ("second", 1),
        ("third", 2),
        ("last", -1),
        ("last but one", -2),
    ):
        place = np.where(rank >= 0, rank, kinds + rank)
        real = (place >= 0) & (place < kinds)
        z = up[rows, place.clip(0, N_ELEMENTS - 1)]
        for what, values in (
            ("order", pettifor[z]),
            ("Z", z),
            ("count", counts[rows, z]),
            ("fraction", fraction[rows, z]),
        ):
            columns[f"{name} {what}"] = np.where(real, values, -1.0)
    return columns


_FIXED = {1: 1, 2: 2, 3: 3, 13: 3, 12: 2}


def _balance(counts: NDArray[np.float64]) -> Columns:
    """Electrons that anions want against what cations give (octets; after Zintl and Klemm)."""
    table = element_table()
    group, valence, metal = table["group"], table["valence"], table["metal"] > 0
    given = np.array([_FIXED.get(int(g), 0) for g in group]) * metal
    moving = metal & (given == 0)
    wanted = np.where(metal, 0.0, np.where(np.arange(N_ELEMENTS) == 1, 1.0, 8 - valence))
    wanted[[0, 2]] = 0
    chi = np.where(counts > 0, table["chi"], -1.0)
    last = chi.argmax(1)
    rows = np.arange(len(counts))
    demand, own = counts @ wanted, wanted[last] * counts[rows, last]
    fixed, all_given = counts @ given, counts @ (valence * metal)
    others = counts @ valence - valence[last] * counts[rows, last]
    free = counts @ moving.astype(np.float64)
    atoms = counts.sum(1)
    return {
        "octet demand": demand / atoms,
        "octet deficit": (demand - fixed) / atoms,
        "octet surplus": (all_given - demand) / atoms,
        "oxidation of others": (demand - fixed) / np.maximum(free, 1),
        "oxidation against last": (own - fixed) / np.maximum(free, 1),
        "surplus against last": (others - own) / atoms,
        "share of others": free / atoms,
    }


def _symmetry(sites: Sites) -> Columns:
    """Space group, sites with multiplicities, and the electron count against the fillings."""
    number = sites.space_group
    columns: Columns = {
        "space group": number.astype(np.float64),
        "point group": np.searchsorted(_LAST_OF_CLASS, number).astype(np.float64),
        "crystal system": np.searchsorted(_LAST_OF_SYSTEM, number).astype(np.float64),
        "fewest sites": FEWEST_SITES[number].astype(np.float64),
    }
    table = element_table()
    weight, species = sites.weight, sites.species
    n_sites = len(POINT_GROUPS)
    place = sites.crystal * n_sites + sites.site
    for what, values in (("sites", weight), ("valence", weight * table["valence"][species])):
        at = _sum(place, values, sites.size * n_sites).reshape(sites.size, n_sites).round(6)
        columns |= {f"{what} at {POINT_GROUPS[i]}": at[:, i] for i in range(n_sites)}
    whole = weight.round().astype(np.int64)
    common = np.zeros(sites.size, np.int64)
    np.gcd.at(common, sites.crystal, whole)
    columns |= {
        "inequivalent sites": sites.sum(np.ones(len(weight))),
        "common multiplicity": common.astype(np.float64),
        "largest multiplicity": _extreme(sites, weight, np.maximum, 0.0),
        "smallest multiplicity": _extreme(sites, weight, np.minimum, 999.0),
        "atoms at odd multiplicity": sites.sum(weight * (whole % 2)).round(6),
    }
    for block in "spdf":
        held = weight * table[block][species]
        columns[f"{block} electrons"] = sites.sum(held).round(6)
        columns[f"{block} electrons at odd multiplicity"] = sites.sum(held * (whole % 2)).round(6)
    return columns | _fillings(sites, common)


def _fillings(sites: Sites, common: NDArray[np.int64]) -> Columns:
    """Electrons of the primitive cell by four conventions, and their remainders."""
    table, columns = element_table(), {}
    weight, species = sites.weight, sites.species
    outer = table["s"] + table["p"] + table["d"] + table["f"]
    conventions = {
        "electrons": table["Z"],
        "valence": table["valence"],
        "outer": outer,
        "sp": np.where(table["group"] > 12, table["valence"], table["valence"] * 0),
    }
    fewest = FEWEST_SITES[sites.space_group]
    for name, values in conventions.items():
        exact = sites.sum(weight * values[species]).round(6)
        n = exact.round().astype(np.int64)
        columns[f"{name} a cell"] = exact
        if name == "sp":
            continue
        columns[f"{name} a volume"] = exact / sites.volume
        columns |= {f"{name} mod {m}": (n % m).astype(np.float64) for m in MODULI}
        columns[f"{name} mod filling"] = (n % (2 * fewest)) / fewest
        columns[f"{name} mod multiplicity"] = (n % (2 * common.clip(1))) / common.clip(1)
    return columns


def _neighbours(sites: Sites) -> Columns:
    """Volume, packing, bonds over covalent radii, and what bonds connect."""
    table = element_table()
    radius, chi, metal = table["radius"], table["chi"], table["metal"] > 0
    weight, species = sites.weight, sites.species
    atoms = sites.sum(weight)
    columns: Columns = {
        "volume an atom": sites.volume / atoms,
        "density": sites.sum(weight * MASS[species]) / sites.volume,
        "packing": sites.sum(weight * radius[species] ** 3) / sites.volume,
    }
    a, b = species[sites.dst], species[sites.src]
    reach = sites.distance / (radius[a] + radius[b])
    near = np.full(len(species), 9.0)
    np.minimum.at(near, sites.dst, reach)
    bonded = reach < BONDED * near[sites.dst]
    to, held = sites.dst[bonded], sites.count[bonded]
    degree = _sum(to, held, len(species))
    columns |= _statistics(sites, "nearest", near) | _statistics(sites, "coordination", degree)
    gap = np.abs(chi[a] - chi[b])[bonded]
    polar = _sum(to, held * gap, len(species)) / np.maximum(degree, 1)
    columns |= _statistics(sites, "polarity", polar)
    alike = (a == b)[bonded]
    same = _sum(to, held * alike, len(species)) / np.maximum(degree, 1)
    columns |= _statistics(sites, "bonds of equals", same)
    both, crystal = metal[a] & metal[b], sites.crystal[sites.dst]
    for name, chosen in (("metals", both), ("others", ~metal[a] & ~metal[b]), ("any", both | True)):
        for what, values in (("distance", sites.distance), ("reach", reach)):
            least = np.full(sites.size, 9.0)
            np.minimum.at(least, crystal[chosen], values[chosen])
            columns[f"{what} of {name}"] = least
    opened = table["open d"] + table["open f"]
    magnets = (opened[a] > 0) & (opened[b] > 0)
    least = np.full(sites.size, 9.0)
    np.minimum.at(least, crystal[magnets], sites.distance[magnets])
    columns["distance of open shells"] = least
    return columns


def _statistics(sites: Sites, name: str, values: NDArray[np.float64]) -> Columns:
    """Weighted mean and extremes over the sites of each crystal."""
    mean = sites.sum(sites.weight * values) / sites.sum(sites.weight)
    return {
        f"mean {name}": mean,
        f"min {name}": _extreme(sites, values, np.minimum, np.inf),
        f"max {name}": _extreme(sites, values, np.maximum, -np.inf),
    }


def _extreme(
    sites: Sites, values: NDArray[Any], ufunc: np.ufunc, start: float
) -> NDArray[np.float64]:
    found = np.full(sites.size, start)
    ufunc.at(found, sites.crystal, np.asarray(values, np.float64))
    return found


def _sum(of: NDArray[np.int64], values: NDArray[Any], size: int) -> NDArray[np.float64]:
    return np.asarray(np.bincount(of, np.asarray(values, np.float64), size), np.float64)


def _volume(lattice: NDArray[Any], cells: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.abs(np.linalg.det(lattice)) / cells, np.float64)


_MAKERS: Mapping[str, Callable[[Sites], Columns]] = {
    "composition": _composition,
    "symmetry": _symmetry,
    "neighbours": _neighbours,
}
