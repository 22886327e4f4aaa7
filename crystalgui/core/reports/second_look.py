"""Lists of crystals whose labels ask for a second look, and what was decided on them.

Such a list is the table ``missed.csv`` of the experiment ``misclassified``
(Nop et al. 2025, section on misclassified materials): id, formula, space group,
label, and a column with the answer of each model.  The list that leaves the
program has the verdicts behind them, and can be read again.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crystalgui.core.errors import DataError
from crystalgui.core.reports.csv import lines
from crystalgui.core.store.verdicts import Judged, Key, Verdict

COLUMNS = ("id", "formula", "space group", "label")
DECIDED = ("verdict", "note")
MOST_BYTES = 50_000_000
WORDS: dict[Verdict, str] = {
    "": "",
    "wrong": "label looks wrong",
    "right": "label looks right",
    "unclear": "cannot say",
}
"""Verdicts as a person reads them."""
EXAMPLE = "id,formula,space group,label,CGNN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A crystal of a list; ``answers`` are those of the models, in the order of the list."""

    id: str
    formula: str
    space_group: int
    label: str
    answers: tuple[str, ...]

    @property
    def key(self) -> Key:
        """What a verdict is on."""
        return self.id, self.formula, self.label


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedList:
    """A list: which models answered, the crystals, and verdicts that came with it."""

    path: Path
    models: tuple[str, ...]
    crystals: tuple[Missed, ...]
    judged: tuple[Judged, ...] = ()


def read_list(path: Path) -> MissedList:
    """Read a list of crystals with their labels and the answers of models.

    Raises
    ------
    DataError
        When it is none, or a row is damaged: file, line and remedy are named.
    """
    rows = _rows(path)
    if not rows:
        raise DataError("The list is empty.", f"Its first line must be like {EXAMPLE}.", path=path)
    line, header = rows[0]
    names = tuple(cell.strip() for cell in header)
    if tuple(name.lower().replace("_", " ") for name in names[: len(COLUMNS)]) != COLUMNS:
        raise DataError(
            f"The columns are {', '.join(names[:8])}: this is no list of misclassified crystals.",
            f"The first line must be {','.join(COLUMNS)}, then a column for each model.",
            path=path,
            line=line,
        )
    decided = tuple(name.lower() for name in names[-len(DECIDED) :]) == DECIDED
    models = names[len(COLUMNS) : -len(DECIDED) if decided else None]
    if not models:
        raise DataError(
            "The list has the answer of no model.",
            f"Behind {','.join(COLUMNS)} comes a column for each model.",
            path=path,
            line=line,
        )
    crystals, judged = [], []
    places: defaultdict[Key, list[int]] = defaultdict(list)
    for line, row in rows[1:]:
        crystal = _crystal(path, line, row, len(names), len(models))
        places[crystal.key].append(line)
        if len(places[crystal.key]) > 1:
            raise DataError(
                f"The crystal {crystal.id} is here twice, first in line {places[crystal.key][0]}.",
                "Remove one of the two lines.",
                path=path,
                line=line,
            )
        crystals.append(crystal)
        if decided and any(cell.strip() for cell in row[-len(DECIDED) :]):
            judged.append(_judged(path, line, crystal, row))
    return MissedList(path=path, models=models, crystals=tuple(crystals), judged=tuple(judged))


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Lines that are not empty, with their numbers."""
    try:
        if path.exists() and not path.is_file():
            raise DataError("The list is no ordinary file.", "Choose a CSV file.", path=path)
        if path.stat().st_size > MOST_BYTES:
            raise DataError(
                f"The list is larger than {MOST_BYTES // 1_000_000} MB.",
                "Choose the table missed.csv of the experiment “misclassified”.",
                path=path,
            )
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except UnicodeDecodeError as error:
        raise DataError(
            "The list is not UTF-8 text.", "Save it as CSV in UTF-8.", str(error), path=path
        ) from error
    except csv.Error as error:
        raise DataError(
            f"The list is no CSV: {error}.",
            "Check its quotation marks, and separate the columns by commas.",
            path=path,
            line=reader.line_num,
        ) from error
    except OSError as error:
        raise DataError(
            f"The list cannot be read: {error.strerror or error}.",
            "Check that the file exists and may be read.",
            path=path,
        ) from error


def _crystal(path: Path, line: int, row: Sequence[str], width: int, models: int) -> Missed:
    """A row; `DataError` when it is damaged."""
    cells = [cell.strip() for cell in row]
    if len(cells) != width:
        raise DataError(
            f"This row has {len(cells)} cells; the first line has {width}.",
            "Give each row a cell for each column.",
            path=path,
            line=line,
        )
    name, formula, group, label, *rest = cells
    if not (name and label):
        raise DataError(
            f"The {'label' if name else 'id'} is missing.", "Fill it in.", path=path, line=line
        )
    if not (group.isdecimal() and len(group) <= 3 and 1 <= int(group) <= 230):
        raise DataError(
            f"{group!r} is not the number of a space group.",
            "Give a whole number from 1 to 230.",
            path=path,
            line=line,
        )
    return Missed(
        id=name,
        formula=formula,
        space_group=int(group),
        label=label,
        answers=tuple(rest[:models]),
    )


def _judged(path: Path, line: int, crystal: Missed, row: Sequence[str]) -> Judged:
    """A verdict that came with the list; it counts as older than any that is kept."""
    words, note = (cell.strip() for cell in row[-len(DECIDED) :])
    known = {text: verdict for verdict, text in WORDS.items()}
    if words not in known:
        raise DataError(
            f"{words!r} is no verdict.",
            f"Write one of: {', '.join(text for text in known if text)}; or nothing.",
            path=path,
            line=line,
        )
    return Judged(
        id=crystal.id,
        formula=crystal.formula,
        label=crystal.label,
        verdict=known[words],
        note=note,
    )


def looked_at(crystals: Iterable[Missed], judged: Mapping[Key, Judged]) -> int:
    """How many have a verdict."""
    return sum(c.key in judged and judged[c.key].verdict != "" for c in crystals)


def list_text(found: MissedList, judged: Mapping[Key, Judged]) -> str:
    """The list with verdicts and notes, as `read_list` reads it."""
    table: list[Sequence[str]] = [(*COLUMNS, *found.models, *DECIDED)]
    for crystal in found.crystals:
        own = judged.get(crystal.key)
        table.append((
            crystal.id, crystal.formula, str(crystal.space_group), crystal.label,
            *crystal.answers, WORDS[own.verdict] if own else "",
            " ".join(own.note.split()) if own else "",
        ))  # fmt: skip
    return lines(table)


def said_words(crystal: Missed, models: Sequence[str]) -> str:
    """``All 4 models say LCEBR.``, or who says what, the commonest answer first."""
    by: defaultdict[str, list[str]] = defaultdict(list)
    for model, answer in zip(models, crystal.answers, strict=True):
        by[answer or "nothing"].append(model)
    if len(by) == 1:
        ((answer, who),) = by.items()
        return f"{who[0]} says {answer}." if len(who) == 1 else f"All {len(who)} say {answer}."
    ranked = sorted(by.items(), key=lambda item: -len(item[1]))
    parts = [f"{', '.join(who)}: {answer}" for answer, who in ranked]
    return "; ".join(parts) + "."
