"""What an experiment leaves behind: numbers beside the published ones, tables, figures.

A folder of results holds ``results.json`` (numbers, device, time, versions,
the command that repeats it, what differs from the paper), ``tables/*.csv``
and ``figures/*.{pdf,png}``.  Records that are kept with the program are such
``results.json`` files, copied from real runs into
``resources/experiments/<name>/<preset>-<device>.json``, with a copy of the
tables that are read on as lists (`LISTS`) beside them.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from crystalgui.core.atomic import write_atomic
from crystalgui.core.cards import Claim, Measured, Recorded
from crystalgui.core.errors import DataError
from crystalgui.core.resources import resource
from crystalgui.core.store.encode import from_plain, to_plain

MARKER = "experiment.json"
RESULTS = "results.json"
STEPS = "steps"
TABLES = "tables"
FIGURES = "figures"
COMPARISON = "comparison.csv"
CLAIMS = "claims.csv"
LISTS = ("missed",)
"""Tables that the Evidence page opens crystal by crystal; records keep a copy of them."""
COLUMNS = ("quantity", "unit", "ours", "spread", "published", "published spread", "difference")
CLAIM_COLUMNS = ("claim of the paper", "here", "measured")

Cell = str | int | float | bool | None
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What the function of an experiment returns.

    ``numbers`` are the headline numbers, the published ones beside them;
    ``claims`` are what the paper says in words, each with a verdict;
    ``differs`` says in sentences what is not as in the paper.
    """

    numbers: tuple[Measured, ...]
    differs: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the results; ``file`` is relative to their folder."""

    name: str
    title: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of the results: ``<stem>.pdf``, ``<stem>.png`` and ``<stem>-dark.png``."""

    name: str
    title: str
    stem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The content of ``results.json``.

    ``device`` is ``"cpu"`` or ``"cuda"``, ``machine`` its description;
    ``minutes`` is time spent computing, over all parts of a run that was cut
    off; ``speed`` the measured speed of that device (`speed.measure`), by
    which the minutes are scaled for other machines.
    """

    name: str
    preset: str
    device: str
    date: str
    minutes: float
    command: str
    machine: str = ""
    speed: float = 0.0
    numbers: tuple[Measured, ...] = ()
    differs: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def recorded(self) -> Recorded:
        """The part that a card shows."""
        return Recorded(
            preset=self.preset,
            device=f"{self.device} ({self.machine})" if self.machine else self.device,
            date=self.date,
            minutes=self.minutes,
            command=self.command,
            numbers=self.numbers,
            differs=self.differs,
            claims=self.claims,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What a folder of results is for; written before anything else."""

    name: str
    preset: str
    device: Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the run in a folder is: nothing there, some steps kept, or done."""

    state: Literal["empty", "begun", "done"]
    steps: int = 0
    marker: Marker | None = None
    record: Record | None = None


def save_record(folder: Path, record: Record) -> None:
    """Write ``results.json`` and what it says as CSV to a folder, each in one step."""
    write_atomic(folder / COMPARISON, table_text(COLUMNS, comparison(record.numbers)))
    if record.claims:
        rows = [(c.text, c.verdict, c.numbers) for c in record.claims]
        write_atomic(folder / CLAIMS, table_text(CLAIM_COLUMNS, rows))
    text = json.dumps(to_plain(record, folder.absolute()), indent=1, allow_nan=False)
    write_atomic(folder / RESULTS, text + "\n")


def load_record(path: Path) -> Record:
    """Read a ``results.json``, or the one of a folder.

    Raises
    ------
    DataError
        When it is missing or damaged.
    """
    path = path / RESULTS if path.is_dir() else path
    return _read(Record, path)


def load_marker(folder: Path) -> Marker | None:
    """What the folder is for; None when no experiment was run into it."""
    path = folder / MARKER
    return _read(Marker, path) if path.is_file() else None


def _read(kind: type[T], path: Path) -> T:
    try:
        return from_plain(
            kind, json.loads(path.read_text(encoding="utf-8")), path.parent.absolute()
        )
    except OSError as error:
        raise DataError(
            f"There are no results: {error.strerror or error}.",
            "Run the experiment to its end.",
            path=path,
        ) from error
    except ValueError as error:
        raise DataError(
            "The results of this experiment are damaged.",
            "Run the experiment again into another folder.",
            str(error),
            path=path,
        ) from error


def standing(folder: Path) -> Standing:
    """How far the run in ``folder`` is.

    Raises
    ------
    DataError
        When what is there cannot be read.
    """
    marker = load_marker(folder)
    if marker is None:
        return Standing(state="empty")
    steps = len(list((folder / STEPS).glob("*.json")))
    if (folder / RESULTS).is_file():
        record = load_record(folder)
        return Standing(state="done", steps=steps, marker=marker, record=record)
    return Standing(state="begun", steps=steps, marker=marker)


# ------------------------------------------------------------ kept with the program


def records(name: str) -> tuple[Record, ...]:
    """Records of an experiment that are kept with the program, newest first."""
    found = [load_record(p) for p in sorted(records_folder(name).glob("*.json"))]
    return tuple(sorted(found, key=lambda r: r.date, reverse=True))


def records_folder(name: str) -> Path:
    """Where the records of an experiment are kept."""
    return resource("experiments", name)


def keep_record(folder: Path) -> Path:
    """Copy the results of a finished run to those kept with the program; their path.

    Raises
    ------
    DataError
        When the folder does not hold a run that came to its end.
    """
    found = standing(folder)
    if found.record is None or found.marker is None:
        raise DataError(
            "This folder does not hold a finished run.",
            "Give the --out folder of a run that came to its end.",
            path=folder,
        )
    record, marker = found.record, found.marker
    if (record.name, record.preset, record.device) != (marker.name, marker.preset, marker.device):
        raise DataError(
            "results.json is not the result of the run in this folder.",
            "Run the experiment again; recorded numbers come from real runs only.",
            path=folder,
        )
    path = records_folder(record.name) / f"{record.preset}-{record.device}.json"
    for table in record.tables:
        if table.name in LISTS:
            text = (folder / table.file).read_bytes()
            write_atomic(path.with_name(f"{path.stem}-{table.name}.csv"), text)
    write_atomic(path, (folder / RESULTS).read_bytes())
    return path


# ------------------------------------------------------------------------ tables


def comparison(numbers: Iterable[Measured]) -> list[tuple[Cell, ...]]:
    """Rows of `COLUMNS`: each number, its spread, the published one, the difference."""
    return [
        (
            n.name,
            n.unit,
            n.value,
            _known(n.spread),
            _known(n.published),
            _known(n.published_spread),
            _known(n.value - n.published),
        )
        for n in numbers
    ]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def cell_text(value: Cell) -> str:
    """A cell in at most six significant digits; nothing for what is not known."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def with_spread(value: float, spread: float) -> str:
    """``61.20 ± 0.45``: as many decimals as the spread has two digits of; else five digits."""
    if not math.isfinite(value):
        return ""
    if not math.isfinite(spread):
        return f"{value:.5g}"
    if spread == 0:
        return f"{value:.5g} ± 0"
    decimals = max(0, min(8, 1 - math.floor(math.log10(abs(spread)))))
    return f"{value:.{decimals}f} ± {spread:.{decimals}f}"


def time_words(minutes: float | None) -> str:
    """An estimate in words, without seconds: ``about 6 min``, ``about 7.5 h``."""
    if minutes is None:
        return "time unknown"
    if minutes < 1:
        return "under a minute"
    if minutes < 100:
        return f"about {round(minutes)} min"
    hours = minutes / 60
    return f"about {hours:.1f} h" if hours < 10 else f"about {hours:.0f} h"


def table_text(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], *, separator: str = ","
) -> str:
    """A table as CSV, or as TSV for the clipboard; numbers as cells show them."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell_text(c) for c in row] for row in rows)
    return buffer.getvalue()


def read_table(folder: Path, table: Table) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of a table of the results, as text.

    Raises
    ------
    DataError
        When it cannot be read.
    """
    path = folder / table.file
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            header, *rows = [tuple(row) for row in csv.reader(stream)] or [()]
    except (OSError, ValueError) as error:
        raise DataError(
            f"The table cannot be read: {error}", "Run the experiment again.", path=path
        ) from error
    return header, rows


def comparison_words(numbers: Sequence[Measured]) -> str:
    """The comparison as aligned text for a terminal."""
    lines = [("", "ours", "published", "unit")]
    lines += [
        (
            n.name,
            with_spread(n.value, n.spread),
            with_spread(n.published, n.published_spread),
            n.unit,
        )
        for n in numbers
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    return "\n".join(
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip()
        for a, b, c, d in lines
    )
