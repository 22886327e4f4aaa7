"""Crystals as a flat table: what every model needs of them, computed once.

A `Record` is one crystal with its symmetry: space group, orbits of equivalent
atoms, site symmetries and the number of primitive cells that the file holds.
`Records` stacks many of them into a few arrays, which are saved without
pickle (safetensors) and read back in milliseconds.  Electron counts are meant
per *primitive* cell: an odd number of electrons there forbids a gap.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import DataError
from crystalgui.core.structures.crystal import Crystal

TOLERANCE = 1e-2
FORMAT = 2

POINT_GROUPS = (
    "1", "-1", "2", "m", "2/m", "222", "mm2", "mmm", "4", "-4", "4/m", "422", "4mm", "-42m",
    "4/mmm", "3", "-3", "32", "3m", "-3m", "6", "-6", "6/m", "622", "6mm", "-6m2", "6/mmm",
    "23", "m-3", "432", "-43m", "m-3m",
)  # fmt: skip
_POINT_GROUP = {name: i for i, name in enumerate(POINT_GROUPS)} | {
    "2mm": 6, "m2m": 6, "-4m2": 13, "-62m": 25, "m3": 28, "m3m": 31,
}  # fmt: skip

Key = tuple[tuple[int, int], ...]


def point_group_index(symbol: str) -> int:
    """Index into `POINT_GROUPS` of an oriented site-symmetry symbol.

    ``"..m"``, ``".m."`` and ``"m"`` are the same point group; a symbol that is
    not known counts as ``"1"``.
    """
    return _POINT_GROUP.get(symbol.replace(".", ""), 0)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One crystal with its symmetry.

    Attributes
    ----------
    crystal : Crystal
    space_group : int
        1-230.
    symbol : str
        International short symbol, e.g. ``"Fm-3m"``.
    orbit : (n,) int32
        Index of the orbit of equivalent atoms, 0..k-1 in order of appearance.
    site : (n,) uint8
        Index of the site symmetry in `POINT_GROUPS`.
    wyckoff : (n,) uint8
        Wyckoff letter, a = 0.
    cells : int
        Primitive cells in the file's cell.
    found : bool
        False when the symmetry search failed and P1 was assumed.
    """

    crystal: Crystal
    space_group: int
    symbol: str
    orbit: NDArray[np.int32]
    site: NDArray[np.uint8]
    wyckoff: NDArray[np.uint8]
    cells: int
    found: bool = True


def describe(crystal: Crystal, tolerance: float = TOLERANCE) -> Record:
    """Find the symmetry of one crystal (spglib) and make its record.

    Parameters
    ----------
    crystal : Crystal
    tolerance : float
        Angstrom.
    """
    os.environ.setdefault("SPGLIB_WARNING", "OFF")  # it tells standard error of every retry
    import spglib

    n = crystal.n_atoms
    cell = (crystal.lattice, crystal.frac, crystal.species)
    try:
        found: Any = spglib.get_symmetry_dataset(cell, symprec=tolerance)
    except Exception:  # noqa: BLE001  (spglib raises its own and plain errors; P1 is the answer)
        found = None
    if found is None:
        return Record(
            crystal,
            1,
            "P1",
            np.arange(n, dtype=np.int32),
            np.zeros(n, np.uint8),
            np.zeros(n, np.uint8),
            1,
            False,
        )
    equivalent = np.asarray(found.crystallographic_orbits)  # of the primitive cell
    first, orbit = np.unique(equivalent, return_inverse=True)
    primitive = int(np.max(found.mapping_to_primitive)) + 1
    symbols = list(found.site_symmetry_symbols)
    letters = list(found.wyckoffs)
    site = np.array([point_group_index(symbols[i]) for i in first], np.uint8)
    wyckoff = np.array(
        [min(ord(letters[i]) - ord("a"), 26) if letters[i].islower() else 26 for i in first],
        np.uint8,
    )
    return Record(
        crystal,
        int(found.number),
        str(found.international),
        orbit.astype(np.int32),
        site[orbit],
        wyckoff[orbit],
        max(1, n // primitive) if n % primitive == 0 else 1,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Many crystals as flat arrays.

    Attributes
    ----------
    ids : tuple of str, length m
    lattice : (m, 3, 3) float64, Angstrom, rows
    frac : (a, 3) float64, fractional
    species : (a,) uint8
    orbit : (a,) int32, index within its crystal
    site, wyckoff : (a,) uint8
    offsets : (m + 1,) int64
        Atoms of crystal i are ``offsets[i]:offsets[i + 1]``.
    space_group : (m,) uint8
    cells : (m,) int32
    """

    ids: tuple[str, ...]
    lattice: NDArray[np.float64]
    frac: NDArray[np.float64]
    species: NDArray[np.uint8]
    orbit: NDArray[np.int32]
    site: NDArray[np.uint8]
    wyckoff: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    space_group: NDArray[np.uint8]
    cells: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def stack(cls, ids: Sequence[str], records: Sequence[Record]) -> Records:
        """Flatten a list of records."""
        sizes = [r.crystal.n_atoms for r in records]
        return cls(
            tuple(ids),
            np.array([r.crystal.lattice for r in records], np.float64).reshape(-1, 3, 3),
            _concatenate([r.crystal.frac for r in records], np.float64).reshape(-1, 3),
            _concatenate([r.crystal.species for r in records], np.uint8),
            _concatenate([r.orbit for r in records], np.int32),
            _concatenate([r.site for r in records], np.uint8),
            _concatenate([r.wyckoff for r in records], np.uint8),
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.array([r.space_group for r in records], np.uint8),
            np.array([r.cells for r in records], np.int32),
        )

    @classmethod
    def join(cls, parts: Sequence[Records]) -> Records:
        """Concatenate tables."""
        sizes = np.concatenate([np.diff(p.offsets) for p in parts]) if parts else np.zeros(0, int)
        return cls(
            tuple(i for p in parts for i in p.ids),
            _concatenate([p.lattice for p in parts], np.float64).reshape(-1, 3, 3),
            _concatenate([p.frac for p in parts], np.float64).reshape(-1, 3),
            _concatenate([p.species for p in parts], np.uint8),
            _concatenate([p.orbit for p in parts], np.int32),
            _concatenate([p.site for p in parts], np.uint8),
            _concatenate([p.wyckoff for p in parts], np.uint8),
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            _concatenate([p.space_group for p in parts], np.uint8),
            _concatenate([p.cells for p in parts], np.int32),
        )

    def select(self, index: NDArray[np.int64]) -> Records:
        """The table of some crystals, in the order of ``index``."""
        sizes = np.diff(self.offsets)[index]
        atoms = ranges(self.offsets[:-1][index], sizes)
        return Records(
            tuple(self.ids[i] for i in index),
            self.lattice[index],
            self.frac[atoms],
            self.species[atoms],
            self.orbit[atoms],
            self.site[atoms],
            self.wyckoff[atoms],
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            self.space_group[index],
            self.cells[index],
        )

    def crystal(self, i: int) -> Crystal:
        """Crystal number ``i``."""
        atoms = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return Crystal(
            lattice=self.lattice[i],
            frac=self.frac[atoms],
            species=self.species[atoms].astype(np.int64),
            title=self.ids[i],
        )

    def keys(self) -> list[Key]:
        """Reduced composition of every crystal, as `Crystal.composition_key`."""
        keys = []
        for start, stop in zip(self.offsets[:-1], self.offsets[1:], strict=True):
            numbers, counts = np.unique(self.species[start:stop], return_counts=True)
            divisor = int(np.gcd.reduce(counts)) or 1
            keys.append(
                tuple((int(z), int(c) // divisor) for z, c in zip(numbers, counts, strict=True))
            )
        return keys

    def save(self, path: Path, header: dict[str, Any] | None = None) -> None:
        """Write the table as safetensors; ``header`` is stored as JSON beside it."""
        from safetensors.numpy import save

        from crystalgui.core.store.files import write_atomic

        text = "\n".join(self.ids).encode()
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        arrays["ids"] = np.frombuffer(text, np.uint8).copy()
        meta = {"format": str(FORMAT), "header": json.dumps(header or {})}
        write_atomic(path, save(arrays, metadata=meta))

    @classmethod
    def load(cls, path: Path) -> tuple[Records, dict[str, Any]]:
        """Read a table and its header; `DataError` when it is not one."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                meta = file.metadata() or {}
                if meta.get("format") != str(FORMAT):
                    raise DataError(
                        "The data set was written by another version of the program.",
                        "Import it again.",
                        path=path,
                    )
                arrays = {name: file.get_tensor(name) for name in (*_ARRAYS, "ids")}
                header: dict[str, Any] = json.loads(meta.get("header", "{}"))
        except (OSError, SafetensorError, json.JSONDecodeError) as error:
            raise DataError(
                "The data set cannot be read.", "Import it again.", str(error), path=path
            ) from error
        text = arrays.pop("ids").tobytes().decode()
        ids = tuple(text.split("\n")) if text else ()
        return cls(ids=ids, **arrays), header


_ARRAYS = (
    "lattice", "frac", "species", "orbit", "site", "wyckoff", "offsets", "space_group", "cells",
)  # fmt: skip


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Concatenation of ``arange(start, start + count)`` over pairs.

    Parameters
    ----------
    starts, counts : (m,) int64

    Returns
    -------
    (sum(counts),) int64
    """
    total = int(counts.sum())
    first = np.cumsum(counts) - counts
    return np.asarray(np.repeat(starts - first, counts) + np.arange(total), np.int64)


def _concatenate(parts: Iterable[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    items = list(parts)
    return np.concatenate(items).astype(dtype) if items else np.zeros(0, dtype)
