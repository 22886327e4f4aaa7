"""A crystal by its id, and the crystals of its data set that are built alike.

Whether a label can be right is judged by its neighbours: crystals of the same
space group whose formulas differ by names only (rock salts next to rock
salts), those with the same occupied sites first, then by how far their
elements are apart in the periodic table (groups and periods).  A folder or an
archive of structures gives the crystal alone: finding the symmetry of all of
its files would take minutes.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from crystalgui.core.datasets.dataset import RECORDS, Dataset
from crystalgui.core.datasets.importer import file_id
from crystalgui.core.datasets.prototypes import prototypes
from crystalgui.core.datasets.records import Key, Records, describe
from crystalgui.core.errors import DataError
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import GROUP, PERIOD, formula

MOST = 60
"""So many crystals that are built alike are named."""
FEW = 5
"""So many elements of the same amount are paired in the best way; more in their order."""
FINE = 0.002
"""Elements of one place of the periodic table (lanthanides) are still apart, a little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Like:
    """A crystal that is built alike.

    ``prototype`` is whether its sites are the same as well; ``distance`` sums
    the steps between the elements that take each other's place, in groups and
    periods; 0 for the same formula.
    """

    id: str
    formula: str
    label: str
    prototype: bool
    distance: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Looked:
    """A crystal by its id, and what is built alike.

    Attributes
    ----------
    crystal : Crystal
    space_group : int
    symbol : str
        International short symbol; empty when the group is not found again.
    label : str
        In the data set; empty without one.
    target : str
        What the data set labels; empty when crystals come from files.
    like : tuple of Like
        The nearest first, at most `MOST`.
    labels, family : tuple of (label, int)
        How often the labels occur among all others of its prototype, and among all others of
        its space group and anonymous formula; the commonest first.
    """

    crystal: Crystal
    space_group: int
    symbol: str = ""
    label: str = ""
    target: str = ""
    like: tuple[Like, ...] = ()
    labels: tuple[tuple[str, int], ...] = ()
    family: tuple[tuple[str, int], ...] = ()


def is_dataset(source: Path) -> bool:
    """Whether it is the folder of an imported data set of crystals."""
    return (source / RECORDS).is_file()


def holds(source: Path, ids: Iterable[str]) -> int:
    """How many of these crystals are in a data set, a folder or an archive."""
    if is_dataset(source):
        return sum(name in _rows(source) for name in set(ids))
    files = _files(source)
    return sum(name in files for name in set(ids))


def member(source: Path, name: str) -> Crystal:
    """A crystal of a data set, a folder or an archive, by its id.

    Raises
    ------
    DataError, FileError
        When it is not there, or cannot be read.
    """
    if is_dataset(source):
        return _dataset(source).records.crystal(_row(source, name))
    return _read(source, name)


def write_member(source: Path, name: str, target: Path) -> Path:
    """A crystal as a POSCAR below the folder ``target``; its path."""
    from crystalgui.core.structures.files import write_poscar

    crystal = member(source, name)
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in Path(name).name)
    target.mkdir(parents=True, exist_ok=True)
    path = target / (safe if safe.lower().endswith((".vasp", ".poscar")) else f"{safe}.vasp")
    write_poscar(crystal, path)
    return path


def look(source: Path, name: str) -> Looked:
    """A crystal by its id, and what is built alike in its data set.

    Raises
    ------
    DataError, FileError
        When it is not there, or cannot be read.
    """
    if not is_dataset(source):
        record = describe(_read(source, name))
        return Looked(crystal=record.crystal, space_group=record.space_group, symbol=record.symbol)
    dataset = _dataset(source)
    row = _row(source, name)
    found = _alike(dataset, row)
    record = describe(dataset.records.crystal(row))  # a data set keeps numbers, no symbols
    group = int(dataset.records.space_group[row])
    return Looked(
        crystal=record.crystal,
        space_group=group,
        symbol=record.symbol if record.space_group == group else "",
        label=_label(dataset, row),
        target=dataset.summary.target,
        like=tuple(found[:MOST]),
        labels=_counted(one.label for one in found if one.prototype),
        family=_counted(one.label for one in found),
    )


def _counted(labels: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(labels).most_common())


def _alike(dataset: Dataset, row: int) -> list[Like]:
    """All others of the same space group and anonymous formula, the nearest first."""
    records = dataset.records
    group = np.flatnonzero(records.space_group == records.space_group[row])
    table = records.select(group)
    keys = table.keys()
    own = int(np.flatnonzero(group == row)[0])
    amounts = _amounts(keys[own])
    same = [i for i, key in enumerate(keys) if _amounts(key) == amounts]
    names = prototypes(table.select(np.array(same)))
    wanted = names[same.index(own)]
    found = []
    for i, name in zip(same, names, strict=True):
        if i != own:
            found.append(
                Like(
                    id=table.ids[i],
                    formula=formula(table.crystal(i)),
                    label=_label(dataset, int(group[i])),
                    prototype=name == wanted,
                    distance=apart(keys[own], keys[i]),
                )
            )
    found.sort(key=lambda one: (not one.prototype, one.distance, one.id))
    return found


def _amounts(key: Key) -> tuple[int, ...]:
    """The formula without names."""
    return tuple(sorted(count for _, count in key))


def apart(one: Key, other: Key) -> float:
    """How far two compositions of the same amounts are apart.

    Elements of equal amounts are paired so that the sum of their steps in the
    periodic table, groups plus periods, is smallest.
    """
    first, second = _by_amount(one), _by_amount(other)
    return sum(_paired(first[count], second[count]) for count in first)


def _by_amount(key: Key) -> defaultdict[int, list[int]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    for z, count in key:
        found[count].append(z)
    return found


def _paired(one: list[int], other: list[int]) -> float:
    orders: Iterable[Iterable[int]] = itertools.permutations(other) if len(one) <= FEW else [other]
    return min(sum(map(_step, one, order)) for order in orders)


def _step(a: int, b: int) -> float:
    far = abs(int(GROUP[a]) - int(GROUP[b])) + abs(int(PERIOD[a]) - int(PERIOD[b]))
    return far + FINE * abs(a - b)


def _label(dataset: Dataset, row: int) -> str:
    target, classes = float(dataset.target[row]), dataset.summary.classes
    if math.isnan(target):
        return ""
    return classes[int(target)] if classes else f"{target:g}"


# ---------------------------------------------------------- read once, then kept


def _stamp(path: Path) -> int:
    """Changes when the file does; 0 when there is none, which its reader says."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _dataset(folder: Path) -> Dataset:
    return _loaded(folder, _stamp(folder / RECORDS))


@lru_cache(maxsize=2)
def _loaded(folder: Path, _time: int) -> Dataset:
    return Dataset.load(folder)


def _rows(folder: Path) -> dict[str, int]:
    return _numbered(folder, _stamp(folder / RECORDS))


@lru_cache(maxsize=16)
def _numbered(folder: Path, _time: int) -> dict[str, int]:
    return {name: row for row, name in enumerate(Records.load(folder / RECORDS)[0].ids)}


def _row(folder: Path, name: str) -> int:
    row = _rows(folder).get(name)
    if row is None:
        raise DataError(
            f"The crystal {name} is not in this data set.", "Choose another one.", path=folder
        )
    return row


def _files(source: Path) -> dict[str, Callable[[], Crystal]]:
    return _indexed(source, _stamp(source))


@lru_cache(maxsize=2)
def _indexed(source: Path, _time: int) -> dict[str, Callable[[], Crystal]]:
    """Structure files by id; of two with the same the first."""
    from crystalgui.core.structures.files import close_archives, collect

    found: dict[str, Callable[[], Crystal]] = {}
    try:
        for name, read in collect([source]):
            found.setdefault(file_id(name), read)
    finally:
        close_archives()
    return found


def _read(source: Path, name: str) -> Crystal:
    from crystalgui.core.structures.files import close_archives

    read = _files(source).get(name)
    if read is None:
        raise DataError(
            f"There is no structure file of the crystal {name} here.",
            "Choose the folder or zip archive that has it; the name of the file is the id.",
            path=source,
        )
    try:
        return read()
    finally:
        close_archives()
