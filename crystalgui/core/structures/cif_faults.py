"""Why a CIF cannot be read, and in which line.

pymatgen says of a bad value only that there is no structure.  This looks at
the cell and at the loop of atom sites for the first thing that cannot be
right.  It runs only after reading has failed.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from crystalgui.core.errors import FileError
from crystalgui.core.structures import elements

_CELL = re.compile(r"^\s*_cell_(length|angle)_(\w+)\s+(\S+)", re.I)
_SITE = "_atom_site_"


def find_fault(text: str, path: Path | None = None) -> FileError | None:
    """The first impossible cell parameter or atom site; None when all look right."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        match = _CELL.match(line)
        if match and (why := _bad_cell(match.group(1).lower(), match.group(3))):
            name = f"_cell_{match.group(1)}_{match.group(2)}"
            return FileError(f"{name} is {why}.", "Correct this line.", path=path, line=number)
    columns, rows = _sites(lines)
    for number, words in rows:
        if fault := _bad_site(columns, words):
            return FileError(*fault, path=path, line=number)
    return None


def _number(word: str) -> float | None:
    """A CIF number such as ``0.25(3)`` or ``1/3``; None when it is none."""
    try:
        return float(re.sub(r"\(\d*\)$", "", word))
    except ValueError:
        match = re.fullmatch(r"(-?\d+)/([1-9]\d*)", word)
        return int(match.group(1)) / int(match.group(2)) if match else None


def _bad_cell(kind: str, word: str) -> str:
    """What is wrong with a length or an angle, or an empty string."""
    value = _number(word)
    if value is None:
        return f"not a number: {word!r}"
    if not math.isfinite(value):
        return "not a finite number"
    if value <= 0 or (kind == "angle" and value >= 180):
        return f"{value:g}: the cell has no volume"
    return ""


def _sites(lines: list[str]) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Columns of the atom-site loop, and its rows with their line numbers."""
    start = next((i for i, s in enumerate(lines) if s.strip().lower().startswith(_SITE)), None)
    if start is None:
        return [], iter(())
    end = start
    columns = []
    while end < len(lines) and lines[end].strip().lower().startswith(_SITE):
        columns.append(lines[end].split()[0].lower().removeprefix(_SITE))
        end += 1
    return columns, _rows(lines, end)


def _rows(lines: list[str], first: int) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines[first:], first + 1):
        plain = line.strip()
        if plain.startswith(("_", "loop_", "data_", ";")):
            return
        if plain and not plain.startswith("#"):
            try:
                yield number, shlex.split(plain, comments=True)
            except ValueError:
                yield number, plain.split()


def _bad_site(columns: list[str], words: list[str]) -> tuple[str, str] | None:
    """Title and hint of what is wrong with one row."""
    if len(words) < len(columns):
        return (
            f"This atom site has {len(words)} of {len(columns)} values.",
            "It looks truncated: complete the line, or copy the file again.",
        )
    row = dict(zip(columns, words, strict=False))
    for axis in "xyz":
        word = row.get(f"fract_{axis}", row.get(f"cartn_{axis}", "0"))
        value = _number(word)
        if value is None:
            return f"The coordinate {axis} is not a number: {word!r}.", "Correct this line."
        if not math.isfinite(value):
            return f"The coordinate {axis} is not a finite number.", "Correct this line."
    word = row.get("type_symbol", row.get("label", ""))
    match = re.match(r"[A-Za-z]{1,2}", word)
    symbol = match.group(0).capitalize() if match else ""
    if not (elements.is_symbol(symbol) or elements.is_symbol(symbol[:1]) or symbol in ("D", "T")):
        return (
            f"{word!r} is not a chemical element.",
            "Use the symbols of the periodic table, for example Si or Ga.",
        )
    return None
