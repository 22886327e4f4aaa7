"""A data set of a project: crystals, targets and what is known of them."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.labels import Labels
from crystalgui.core.datasets.prototypes import commonest, contained, prototypes
from crystalgui.core.datasets.purify import tolerance_of
from crystalgui.core.datasets.records import Key, Records
from crystalgui.core.datasets.targets import unit_of
from crystalgui.core.errors import DataError
from crystalgui.core.messages import DatasetSummary
from crystalgui.core.structures.elements import formula

RECORDS, SUMMARY = "records.safetensors", "dataset.json"
MOST_PROTOTYPES = 200
"""Prototypes that a summary names, the commonest ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Crystals with targets.

    Attributes
    ----------
    summary : DatasetSummary
    records : Records
    target : (m,) float64
        Class index, or the value for regression.
    """

    summary: DatasetSummary
    records: Records
    target: NDArray[np.float64]

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """(m,) int64 class index; None for regression."""
        if self.summary.task == "regression":
            return None
        return self.target.astype(np.int64)

    def save(self) -> None:
        """Write into ``summary.folder``."""
        from crystalgui.core.store.files import write_atomic

        folder = self.summary.folder
        folder.mkdir(parents=True, exist_ok=True)
        self.records.save(folder / RECORDS, {"target": self.target.tolist()})
        plain: dict[str, Any] = dataclasses.asdict(self.summary)
        plain["folder"] = ""
        write_atomic(folder / SUMMARY, json.dumps(plain, indent=1))

    @classmethod
    def load(cls, folder: Path) -> Dataset:
        """Read an imported data set.

        Raises
        ------
        DataError
            When the folder is none, or of another version.
        """
        folder = Path(folder)
        records, header = Records.load(folder / RECORDS)
        return cls(load_summary(folder), records, np.array(header["target"], np.float64))


def load_summary(folder: Path) -> DatasetSummary:
    """The summary of an imported data set; `DataError` when there is none."""
    try:
        plain = json.loads((folder / SUMMARY).read_text("utf-8"))
        for name in ("classes", "counts", "problems"):
            plain[name] = tuple(plain[name])
        for name in ("families", "shape", "elements", "prototypes"):
            plain[name] = tuple(plain.get(name, ()))
        plain["removed"] = tuple((str(why), int(n)) for why, n in plain.get("removed", ()))
        plain["folder"] = Path(folder)
        return DatasetSummary(**plain)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            "This folder holds no imported data set.",
            "Import the structures and labels again.",
            str(error),
            path=folder,
        ) from error


def summarise(
    name: str,
    folder: Path,
    records: Records,
    labels: Labels,
    unreadable: list[tuple[str, str]],
    digest: str,
    extra: tuple[str, ...] = (),
) -> DatasetSummary:
    """Class balance, duplicates, conflicts and problems of a data set.

    Parameters
    ----------
    records : Records
        Only crystals with labels.
    unreadable : list of (name, reason)
    extra : tuple of str
        More problems.
    """
    keys = records.keys()
    target = labels.encode(records.ids)
    duplicates, conflicts, shown = _doubles(records, keys, target, labels)
    problems = [*extra, *labels.problems]
    if unreadable:
        problems.append(f"{len(unreadable)} files could not be read:")
        problems += [f"{file}: {reason}" for file, reason in unreadable[:20]]
    if conflicts:
        problems.append(
            f"{conflicts} groups of equal formula and space group have different labels"
            f"{_apart(labels)}, e.g. " + "; ".join(shown)
        )
    counts = Counter(target.astype(int).tolist()) if labels.task == "classification" else {}
    regression = labels.task == "regression"
    return DatasetSummary(
        name=name,
        folder=folder,
        task=labels.task,
        target=labels.target,
        size=len(records),
        classes=labels.classes,
        counts=tuple(counts.get(i, 0) for i in range(len(labels.classes))),
        minimum=float(target.min()) if regression else 0.0,
        maximum=float(target.max()) if regression else 0.0,
        mean=float(target.mean()) if regression else 0.0,
        std=float(target.std()) if regression else 0.0,
        formulas=len(set(keys)),
        duplicates=duplicates,
        conflicts=conflicts,
        unreadable=len(unreadable),
        problems=tuple(problems),
        digest=digest,
        elements=commonest(contained(records)),
        prototypes=commonest(prototypes(records), MOST_PROTOTYPES),
    )


def _doubles(
    records: Records, keys: list[Key], target: NDArray[np.float64], labels: Labels
) -> tuple[int, int, list[str]]:
    """Rows beyond the first of equal formula and space group; groups that disagree."""
    groups: defaultdict[tuple[Key, int], list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        groups[key, int(records.space_group[i])].append(i)
    duplicates = sum(len(rows) - 1 for rows in groups.values())
    width = tolerance_of(labels.target, labels.values)
    apart = [rows for rows in groups.values() if float(np.ptp(target[rows])) > width]
    shown = [f"{formula(dict(keys[rows[0]]))} ({', '.join(records.ids[i] for i in rows[:4])})"
             for rows in apart[:5]]  # fmt: skip
    return duplicates, len(apart), shown


def _apart(labels: Labels) -> str:
    """How far numbers have to be apart to be different."""
    if labels.task == "classification":
        return ""
    width = f"{tolerance_of(labels.target, labels.values):.3g} {unit_of(labels.target)}"
    return f" (more than {width.rstrip()} apart)"


def safe_name(name: str) -> str:
    """A file name made of a data set's name."""
    plain = re.sub(r"[^\w.-]+", "-", name.strip()).strip(".-")
    return plain[:80] or "dataset"
