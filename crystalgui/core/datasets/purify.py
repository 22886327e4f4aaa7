"""A data set without oversized crystals, doubles and contradictions.

Databases hold one material many times, with slightly different coordinates.
Doubles make a test look better than it is, and two labels of one material
make one of them wrong.  Nop et al. (2025, Methods, "Data") keep primitive
cells with fewer than 60 atoms, condense crystals of equal formula and space
group when their labels agree, and drop all of them when they do not.

Rules, in this order; what is left does not depend on the order of the rows:

1. A crystal with ``atoms`` or more atoms in its primitive cell is removed.
2. Crystals of equal reduced formula and space group are one material.  Its
   labels agree when they are equal, or for numbers when the largest and the
   smallest are within a tolerance.
3. Of those that agree the one with the smallest id stays (numbers in an id
   count by value, and before words); a number becomes the mean of all.
4. Of those that do not agree none stays.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from crystalgui.core.datasets.records import Key, Records
from crystalgui.core.datasets.targets import Value, target_named
from crystalgui.core.errors import DataError
from crystalgui.core.structures.elements import formula

ATOMS = 60
REPORT = "purified.csv"
LABEL, LARGE, DUPLICATE, CONFLICT = "label", "too large", "duplicate", "conflict"
REASONS = {
    LABEL: "with a label that no crystal can have",
    LARGE: "with too many atoms in the primitive cell",
    DUPLICATE: "merged into a crystal of equal formula, space group and label",
    CONFLICT: "of equal formula and space group with different labels",
}


@dataclass(frozen=True, slots=True)
class Removed:
    """A crystal that was taken out of a data set: a row of ``purified.csv``.

    Attributes
    ----------
    id, formula : str
    space_group : int
    label : str
    reason : str
        One of `REASONS`.
    detail : str
        A sentence.
    others : str
        Id of the crystal that it was merged into, or of those that it contradicts.
    """

    id: str
    formula: str
    space_group: int
    label: str
    reason: str
    detail: str
    others: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Purified:
    """What is left of a data set, and everything that is not.

    Attributes
    ----------
    records : Records
        Sorted by id.
    values : dict of id to label
    removed : tuple of Removed
        Sorted by id.
    """

    records: Records
    values: dict[str, Value]
    removed: tuple[Removed, ...]

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """How many were removed for each reason."""
        return counts(self.removed)


def purify(
    records: Records,
    values: Mapping[str, Value],
    target: str = "",
    *,
    atoms: int = ATOMS,
    tolerance: float | None = None,
) -> Purified:
    """Apply the rules of this module.

    Parameters
    ----------
    records : Records
        Every id once.
    values : mapping of id to label
        Text for classes, numbers for regression.
    target : str
        Name of what the labels are; it decides on ``tolerance`` when that is not given.
    atoms : int
        Crystals with so many atoms in the primitive cell, or more, are removed.
    tolerance : float, optional
        Numbers of one material agree within it, in the target's unit.  Without
        one a hundredth of the range of all values.
    """
    if atoms < 2:
        raise DataError(
            f"Crystals with fewer than {atoms} atoms do not exist.", "Allow at least 2 atoms."
        )
    order = sorted(range(len(records)), key=lambda i: by_number(records.ids[i]))
    records = records.select(np.array(order, np.int64))
    if len(set(records.ids)) < len(records):
        raise DataError("Two crystals have the same id.", "Give every crystal its own id.")
    keys, sizes = records.keys(), primitive_atoms(records)
    found = _Report(records, keys, values)
    groups: defaultdict[tuple[Key, int], list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        if sizes[row] >= atoms:
            text = f"{sizes[row]} atoms in the primitive cell; fewer than {atoms} are kept"
            found.remove(row, LARGE, text)
        else:
            groups[key, int(records.space_group[row])].append(row)
    width = tolerance if tolerance is not None else tolerance_of(target, values)
    kept: dict[int, Value] = {}
    for rows in groups.values():
        one = _agreed([values[records.ids[row]] for row in rows], width)
        if one is None:
            found.contradict(rows)
        else:
            kept[rows[0]] = one
            found.merge(rows)
    left = sorted(kept)
    return Purified(
        records.select(np.array(left, np.int64)),
        {records.ids[row]: kept[row] for row in left},
        found.sorted(),
    )


class _Report:
    """What was removed, row by row."""

    def __init__(self, records: Records, keys: Sequence[Key], values: Mapping[str, Value]) -> None:
        self._records, self._keys, self._values = records, keys, values
        self._found: list[tuple[int, Removed]] = []

    def remove(self, row: int, reason: str, detail: str, others: Sequence[int] = ()) -> None:
        one = removed_row(self._records, self._keys, row, self._label(row), reason, detail,
                      " ".join(self._records.ids[i] for i in others))  # fmt: skip
        self._found.append((row, one))

    def merge(self, rows: Sequence[int]) -> None:
        """All but the first are one with the first."""
        for row in rows[1:]:
            text = f"the same as {self._records.ids[rows[0]]}, labelled {self._label(rows[0])}"
            self.remove(row, DUPLICATE, text, rows[:1])

    def contradict(self, rows: Sequence[int]) -> None:
        """All are one material with several labels."""
        for row in rows:
            others = [other for other in rows if other != row]
            text = ", ".join(f"{self._records.ids[i]} is labelled {self._label(i)}" for i in others)
            self.remove(row, CONFLICT, text, others)

    def sorted(self) -> tuple[Removed, ...]:
        return tuple(one for _, one in sorted(self._found, key=lambda pair: pair[0]))

    def _label(self, row: int) -> str:
        value = self._values[self._records.ids[row]]
        return value if isinstance(value, str) else f"{value:.6g}"


def removed_row(
    records: Records,
    keys: Sequence[Key],
    row: int,
    label: str,
    reason: str,
    detail: str,
    others: str = "",
) -> Removed:
    """The report of one row of a table."""
    name, group = formula(dict(keys[row])), int(records.space_group[row])
    return Removed(records.ids[row], name, group, label, reason, detail, others)


def primitive_atoms(records: Records) -> list[int]:
    """Atoms in the primitive cell of every crystal."""
    sizes = np.diff(records.offsets) // np.maximum(records.cells, 1)
    return [int(size) for size in sizes]


def counts(rows: Sequence[Removed]) -> tuple[tuple[str, int], ...]:
    """How many were removed for each reason, in the order of `REASONS`."""
    number = Counter(row.reason for row in rows)
    return tuple((reason, number[reason]) for reason in REASONS if number[reason])


def sentence(number: Sequence[tuple[str, int]]) -> str:
    """What was removed, as a person reads it."""
    parts = [f"{n:,} {REASONS.get(reason, reason)}" for reason, n in number]
    return f"Removed: {'; '.join(parts)}. All are listed in {REPORT}." if parts else ""


def write_report(folder: Path, rows: Sequence[Removed]) -> None:
    """Write ``purified.csv`` into the folder of a data set."""
    from crystalgui.core.store.files import write_atomic

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Removed)])
    writer.writerows(astuple(row) for row in rows)
    write_atomic(folder / REPORT, text.getvalue())


def read_report(folder: Path, most: int | None = None) -> tuple[Removed, ...]:
    """The rows of ``purified.csv``; none when the data set was not purified.

    Parameters
    ----------
    most : int, optional
        So many at most.
    """
    path = Path(folder) / REPORT
    if not path.is_file():
        return ()
    found: list[Removed] = []
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if most is not None and len(found) >= most:
                    break
                plain = {field.name: row[field.name] or "" for field in fields(Removed)}
                found.append(Removed(**{**plain, "space_group": int(plain["space_group"])}))  # type: ignore[arg-type]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise DataError(
            "The report of what was removed cannot be read.", "Import the data set again.",
            str(error), path=path,
        ) from error  # fmt: skip
    return tuple(found)


def by_number(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sorts ids by the numbers in them: 9 before 10, numbers before words."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts), name


def tolerance_of(target: str, values: Mapping[str, Value]) -> float:
    """How far values of one material may be apart: 0 for classes.

    As the target says, else a hundredth of the range of all values.
    """
    known = target_named(target)
    if known is not None and known.task == "regression":
        return known.tolerance
    numbers = [value for value in values.values() if not isinstance(value, str)]
    return (max(numbers) - min(numbers)) / 100 if numbers else 0.0


def _agreed(labels: Sequence[Value], tolerance: float) -> Value | None:
    """The one label of all, None when they differ."""
    numbers = [float(label) for label in labels if not isinstance(label, str)]
    if not numbers:
        return labels[0] if len(set(labels)) == 1 else None
    if max(numbers) - min(numbers) > tolerance:
        return None
    return math.fsum(sorted(numbers)) / len(numbers) if len(numbers) > 1 else numbers[0]
