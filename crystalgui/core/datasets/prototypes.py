"""Prototypes: crystals that differ only by their elements and free parameters.

Rock salts share one, whatever they are made of, and a network may look up the
label of a known prototype.  A prototype is the space group with the occupied
sites of every element, and the formula without names.  A site is called by
its multiplicity in the primitive cell and its site symmetry: Wyckoff letters
change with the choice of origin (caesium and chlorine exchange a and b when
the crystal is shifted by half a diagonal), these do not.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict

import numpy as np

from crystalgui.core.datasets.records import POINT_GROUPS, Records
from crystalgui.core.structures.elements import SYMBOLS


def prototypes(records: Records) -> list[str]:
    """Prototype of every crystal, e.g. ``"AB_225_1:m-3m_1:m-3m"`` for rock salt.

    Formula without names, number of the space group, and the sites of each
    element, fewest atoms first; several sites of an element are joined by ``+``.
    Equal for the same crystal shifted, turned, with its atoms in another
    order, or in a supercell.

    Returns
    -------
    list of str, length m
    """
    species, site = records.species.tolist(), records.site.tolist()
    names = []
    for first, atoms, cells, group in zip(
        *_orbits(records), records.cells.tolist(), records.space_group.tolist(), strict=True
    ):
        of_element: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for atom, number in zip(first, atoms, strict=True):
            of_element[species[atom]].append((max(1, round(number / cells)), site[atom]))
        found = sorted(_sites(sites) for sites in of_element.values())
        names.append(f"{_formula(found)}_{group}_" + "_".join(text for _, text in found))
    return names


def commonest(names: list[str], most: int | None = None) -> tuple[str, ...]:
    """Names by how often they occur, then by themselves."""
    counts = Counter(names)
    return tuple(sorted(counts, key=lambda name: (-counts[name], name))[:most])


def contained(records: Records) -> list[str]:
    """Symbol of every element of every crystal, once each crystal."""
    sizes = np.diff(records.offsets)
    crystal = np.repeat(np.arange(len(records)), sizes)
    pairs = np.unique(crystal * 128 + records.species.astype(np.int64))
    return [SYMBOLS[int(number)] for number in pairs % 128]


def _orbits(records: Records) -> tuple[list[list[int]], list[list[int]]]:
    """For each crystal: its first atom on each orbit, and how many are on it."""
    sizes = np.diff(records.offsets)
    crystal = np.repeat(np.arange(len(records)), sizes)
    widest = int(records.orbit.max(initial=0)) + 1
    _, first, atoms = np.unique(
        crystal * widest + records.orbit.astype(np.int64), return_index=True, return_counts=True
    )
    ends = np.searchsorted(crystal[first], np.arange(len(records) + 1)).tolist()
    parts = list(itertools.pairwise(ends))
    flat, many = first.tolist(), atoms.tolist()
    return [flat[a:b] for a, b in parts], [many[a:b] for a, b in parts]


def _sites(sites: list[tuple[int, int]]) -> tuple[int, str]:
    """Atoms of an element in a primitive cell, and where they are."""
    text = "+".join(f"{number}:{POINT_GROUPS[site]}" for number, site in sorted(sites))
    return sum(number for number, _ in sites), text


def _formula(found: list[tuple[int, str]]) -> str:
    """Formula without names: ``ABC3``."""
    counts = [atoms for atoms, _ in found]
    divisor = math.gcd(*counts)
    return "".join(
        f"{_letter(i)}{count // divisor if count > divisor else ''}"
        for i, count in enumerate(counts)
    )


def _letter(i: int) -> str:
    """A, B ... Z, a, b ..."""
    return chr(ord("A") + i) if i < 26 else chr(ord("a") + i - 26)
