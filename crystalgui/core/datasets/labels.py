"""Labels from a CSV file ``id,label``: classification or regression, recognised."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Task
from crystalgui.core.datasets.targets import Target, classes_among, target_named
from crystalgui.core.errors import DataError

MOST_BYTES = 200_000_000
MOST_CLASSES = 300
FEW_INTEGERS = 20
_ID = ("id", "file", "name", "material_id", "mp_id", "structure")
_LABEL = ("label", "class", "target", "value", "y")


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Parsed labels.

    Attributes
    ----------
    task : {"classification", "regression"}
    target : str
        Name of the quantity: the column, or the file when the column is just "label".
    values : dict of str to str or float
        By id.
    classes : tuple of str
        In the order of the target where it is known (`targets.TARGETS`), else sorted by
        frequency, then name; empty for regression.
    problems : tuple of str
    """

    task: Task
    target: str
    values: dict[str, str | float]
    classes: tuple[str, ...]
    problems: tuple[str, ...]

    def encode(self, ids: tuple[str, ...]) -> NDArray[np.float64]:
        """(m,) float64: class index or value of each id."""
        index = {c: float(i) for i, c in enumerate(self.classes)}
        values = (self.values[i] for i in ids)
        return np.array([index[v] if isinstance(v, str) else v for v in values], np.float64)

    def with_values(
        self, values: Mapping[str, str | float], target: Target | None = None
    ) -> Labels:
        """Other values, of this target or of another one."""
        name = target.name if target is not None else self.target
        numbers = all(isinstance(value, float) for value in values.values())
        if numbers and not (target is not None and target.task == "classification"):
            return Labels("regression", name, dict(values), (), self.problems)
        texts = {key: v if isinstance(v, str) else f"{v:g}" for key, v in values.items()}
        left = set(texts.values())
        same = target is None and left <= set(self.classes)
        classes = tuple(c for c in self.classes if c in left) if same else ()
        classes = classes_among(name, left) or classes or _by_frequency(texts)
        return replace(self, task="classification", target=name, values={**texts}, classes=classes)


def read_labels(path: Path, classes: tuple[str, ...] = (), learn: bool = True) -> Labels:
    """Read a CSV of labels.

    Parameters
    ----------
    path : Path
        Two columns, with a header ``id,label``; id = name of the structure
        file without its ending.
    classes : tuple of str
        When given, other labels are an error.
    learn : bool
        Whether a network shall learn them: then one value only is an error.

    Raises
    ------
    DataError
        Empty or unreadable file, missing columns, one class only, unknown
        classes, or the same id with two labels.
    """
    rows = _rows(path)
    header = [cell.strip().lower() for cell in rows[0][1]]
    id_column = next((header.index(n) for n in _ID if n in header), -1)
    label_column = next((header.index(n) for n in _LABEL if n in header), -1)
    if id_column >= 0 and label_column < 0 and len(header) == 2:
        label_column = 1 - id_column
    if id_column < 0 or label_column < 0:
        raise DataError(
            f"The columns are {', '.join(header)!r}, not id and label.",
            "The first line must be: id,label. The id is the structure file's name without ending.",
            path=path,
            line=rows[0][0],
        )
    values, problems = _collect(path, rows[1:], id_column, label_column)
    target = header[label_column] if header[label_column] not in _LABEL else path.stem
    labels = _recognise(path, target, values, problems, classes)
    if learn and len(set(values.values())) == 1:
        raise _one_value(path, labels.task, next(iter(values.values())))
    return labels


def _one_value(path: Path, task: Task, value: str) -> DataError:
    if task == "regression":
        why = f"Every label is {value}: there is nothing to learn."
        return DataError(why, "Choose another column or file.", path=path)
    why = f"Every label is {value!r}: there is one class only."
    return DataError(why, "Give at least two classes.", path=path)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Non-empty lines of a CSV with their numbers."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise DataError(
                "The labels are not an ordinary file.", "Choose a CSV file: id,label.", path=path
            )
        if path.stat().st_size > MOST_BYTES:
            raise DataError(
                f"The labels file is larger than {MOST_BYTES // 1_000_000} MB.",
                "Give a CSV with two columns, id and label.",
                path=path,
            )
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            "The labels file is not a text file.", "Save it as CSV (UTF-8).", path=path
        ) from error
    except OSError as error:
        reason = "it is a folder" if path.is_dir() else (error.strerror or str(error))
        raise DataError(
            f"The labels cannot be read: {reason}.", "Choose a CSV file: id,label.", path=path
        ) from error
    if "\x00" in text:
        raise DataError("The labels file is binary.", "Save it as CSV (UTF-8).", path=path)
    sample = text[:4096]
    delimiter = max(",;\t", key=lambda d: sample.split("\n", 1)[0].count(d))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [(reader.line_num, row) for row in reader if any(c.strip() for c in row)]
    except csv.Error as error:
        raise DataError(
            f"The labels file is no valid CSV: {error}.", "Save it as CSV (UTF-8).", path=path
        ) from error
    if len(rows) < 2:
        raise DataError(
            "The labels file is empty." if not rows else "The labels file has a header only.",
            "Write one line per structure: id,label.",
            path=path,
        )
    return rows


def _collect(
    path: Path, rows: list[tuple[int, list[str]]], id_column: int, label_column: int
) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    empty: list[int] = []
    needed = max(id_column, label_column) + 1
    for line, row in rows:
        if len(row) < needed:
            raise DataError(
                f"The line has {len(row)} of {needed} columns.",
                "Every line must be: id,label.",
                path=path,
                line=line,
            )
        key, label = row[id_column].strip(), row[label_column].strip()
        if not key or not label:
            empty.append(line)
            continue
        if values.get(key, label) != label:
            raise DataError(
                f"The id {key!r} has two labels: {values[key]!r} and {label!r}.",
                "Keep one of the lines.",
                path=path,
                line=line,
            )
        values[key] = label
    if not values:
        raise DataError("No line has an id and a label.", "Write lines: id,label.", path=path)
    shown = ", ".join(map(str, empty[:5]))
    problems = [f"{len(empty)} lines without id or label were skipped (line {shown})."]
    return values, problems if empty else []


def _recognise(
    path: Path, target: str, values: dict[str, str], problems: list[str], given: tuple[str, ...]
) -> Labels:
    numbers = {key: _number(text) for key, text in values.items()}
    numeric = all(n is not None for n in numbers.values())
    distinct = set(values.values())
    known = target_named(target)
    whole = numeric and all(float(n or 0).is_integer() for n in numbers.values())
    whole = whole and not (known is not None and known.task == "regression")
    expected = given or classes_among(target, distinct)
    if numeric and not expected and not (whole and len(distinct) <= FEW_INTEGERS):
        bad = [key for key, n in numbers.items() if n is not None and not math.isfinite(n)]
        if bad:
            raise DataError(
                f"{len(bad)} labels are not finite numbers (first: id {bad[0]!r}).",
                "Remove these lines.",
                path=path,
            )
        found = {key: float(n) for key, n in numbers.items() if n is not None}
        return Labels("regression", target, dict(found), (), tuple(problems))
    if given:
        unknown = sorted(distinct - set(given))
        if unknown:
            raise DataError(
                f"Unknown classes: {', '.join(unknown[:5])}.",
                f"Allowed: {', '.join(given)}.",
                path=path,
            )
    if len(distinct) > MOST_CLASSES:
        raise DataError(
            f"{len(distinct)} different labels are too many classes (most: {MOST_CLASSES}).",
            "Check that the label column is the right one; numbers are recognised as regression.",
            path=path,
        )
    names = expected or _by_frequency(values)
    return Labels("classification", target, dict(values), names, tuple(problems))


def _by_frequency(values: Mapping[str, str]) -> tuple[str, ...]:
    """The distinct labels, the commonest first."""
    counts = Counter(values.values())
    return tuple(sorted(counts, key=lambda c: (-counts[c], c)))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
