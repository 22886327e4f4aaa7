"""The layout of a POSCAR, checked line by line.

Every complaint names its line and a remedy.  The layouts are those of VASP 4, 5
and 6: with and without symbols, one or three scale factors or a volume,
selective dynamics, direct or Cartesian positions, velocities.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError
from crystalgui.core.structures import elements

_LABEL = re.compile(r"([A-Z][a-z]?)(?:[\d_+-].*)?$")
_GLUED = re.compile(r"(?<=[\d.])(?=-)")
LONGEST = 1e6
"""Largest accepted lattice component and coordinate; larger ones are typing errors."""
PORTION = 2048
"""Lines that become numbers at once."""


class MissingSymbols(FileError):
    """A VASP-4 POSCAR: it counts the atoms of each element but does not name them.

    Attributes
    ----------
    counts : tuple of int
        Atoms of each nameless element, to be shown when asking for symbols.
    suggested : tuple of str
        Symbols guessed from the comment line; empty when there is no good guess.
    """

    def __init__(
        self, counts: Sequence[int], suggested: Sequence[str], path: Path | None, line: int
    ) -> None:
        n = len(counts)
        what = "one element" if n == 1 else f"{n} elements"
        super().__init__(
            f"The file counts atoms of {what} but has no line with their symbols (VASP 4 layout).",
            f"Give the symbols, or write them (such as {' '.join(suggested) or 'Na Cl'}) "
            "in a new line above the counts.",
            path=path,
            line=line,
        )
        self.counts = tuple(counts)
        self.suggested = tuple(suggested)


@dataclass(frozen=True, slots=True)
class Layout:
    """A checked POSCAR: where everything stands, and what it says."""

    lines: list[str]
    factors: tuple[float, ...]
    rows: NDArray[np.float64]
    symbols: list[str]
    counts: list[int]
    selective: NDArray[np.bool_] | None
    cartesian: bool
    positions: NDArray[np.float64]
    velocities: NDArray[np.float64] | None
    ordinary: bool
    first: int


class _Scanner:
    """Walks down the lines once; every failure names the line it stands on."""

    def __init__(self, text: str, path: Path | None) -> None:
        self.lines = text.splitlines()
        self.path = path

    def fail(self, index: int, title: str, hint: str) -> NoReturn:
        """Raise for the line ``index``, counted from 0."""
        raise FileError(title, hint, path=self.path, line=min(index, len(self.lines) - 1) + 1)

    def words(self, index: int, what: str) -> list[str]:
        """Words of a line without its comment; fails when the file ends before it."""
        if index >= len(self.lines):
            self.fail(
                index,
                f"The file ends before {what}.",
                "It looks truncated: copy or download it again.",
            )
        return re.split(r"[!#]", self.lines[index], maxsplit=1)[0].split()

    def numbers(self, index: int, what: str) -> list[float]:
        """Leading numbers of a line."""
        found = []
        for word in self.words(index, what):
            try:
                found.append(float(word))
            except ValueError:
                break
        return found

    def header(self) -> tuple[tuple[float, ...], NDArray[np.float64]]:
        """Scale factors and lattice rows."""
        factors = tuple(self.numbers(1, "the scale factor")[:3])
        if len(factors) == 2:
            factors = factors[:1]
        if not factors or not np.isfinite(factors).all() or 0.0 in factors:
            self.fail(
                1,
                "The second line of a POSCAR must hold the scale factor, a number other than 0.",
                "Write 1.0 there when lattice and positions are in Angstrom.",
            )
        if len(factors) == 3 and min(factors) < 0:
            self.fail(1, "Three scale factors must all be positive.", "Write them without a sign.")
        rows = np.zeros((3, 3))
        for i in range(3):
            what = f"lattice vector {'abc'[i]}"
            row = self.numbers(2 + i, what)
            if len(row) < 3:
                self.fail(
                    2 + i,
                    f"{what[0].upper()}{what[1:]} needs three numbers, found {len(row)}.",
                    "Correct this line.",
                )
            self.finite(2 + i, row[:3])
            rows[i] = row[:3]
        return factors, rows

    def finite(self, index: int, values: Sequence[float]) -> None:
        """Refuse NaN, infinity and absurdly large numbers."""
        if not np.isfinite(values).all():
            self.fail(
                index,
                "A coordinate is not a finite number (NaN or infinity).",
                "Correct it; such files usually come from a calculation that failed.",
            )
        if np.abs(values).max() > LONGEST:
            self.fail(
                index, f"A coordinate is larger than {LONGEST:g}.", "Check the units and the line."
            )

    def elements(self) -> tuple[list[str], list[int], int]:
        """Symbols (empty for VASP 4), counts, and the next line."""
        words = self.words(5, "the line with symbols or counts")
        if not words:
            self.fail(
                5,
                "The line with element symbols (or counts) is empty.",
                "Write the symbols here and the counts below.",
            )
        if words[0].lstrip("+-").isdecimal():
            return [], self.count_line(5, words), 6
        symbols: list[str] = []
        index = 5
        while words and not words[0].lstrip("+-").isdecimal():
            for word in words:
                symbol = re.split(r"[/_]", word)[0]
                try:
                    elements.number(symbol)
                except FileError as error:
                    self.fail(index, error.title, error.hint)
                symbols.append({"D": "H", "T": "H"}.get(symbol, symbol))
            index += 1
            words = self.words(index, "the counts of atoms")
        counts: list[int] = []
        while len(counts) < len(symbols):
            words = self.words(index, "the counts of atoms")
            if not words or not words[0].lstrip("+-").isdecimal():
                break
            counts += self.count_line(index, words)
            index += 1
        if len(counts) != len(symbols):
            self.fail(
                index - 1,
                f"{len(symbols)} element symbols but {len(counts)} counts.",
                "There must be one count for each symbol.",
            )
        return symbols, counts, index

    def count_line(self, index: int, words: list[str]) -> list[int]:
        """Whole numbers of a line; zero is allowed, less is not."""
        counts = []
        for word in words:
            if not word.lstrip("+").isdecimal() or len(word) > 15:
                self.fail(
                    index,
                    f"The count of atoms {word!r} is not a whole number.",
                    "Write how many atoms each element has.",
                )
            counts.append(int(word))
        return counts

    def mode(self, index: int) -> tuple[bool, bool, int]:
        """Selective dynamics?, Cartesian?, first line of the positions."""
        what = "the line Direct or Cartesian"
        words = self.words(index, what)
        selective = bool(words) and words[0][0] in "sS"
        if selective:
            index += 1
            words = self.words(index, what)
        if not words or not words[0][0].isalpha():
            self.fail(
                index,
                "Expected the line Direct or Cartesian here.",
                "Write it above the positions, and check that every symbol has its count.",
            )
        return selective, words[0][0] in "cCkK", index + 1

    def triples(
        self, first: int, n: int, what: str, *, keep: bool = True
    ) -> tuple[NDArray[np.float64], list[list[str]], bool]:
        """``n`` lines of three numbers, their words, and whether none was glued (``.1-.2``).

        The words are left out unless they are to be kept.  The lines are read
        in portions, because numpy lets no other thread work meanwhile.
        """
        body: list[list[str]] = []
        values = np.empty((min(n, len(self.lines)), 3))
        try:
            if first + n <= len(self.lines):
                for start in range(0, n, PORTION):
                    stop = min(start + PORTION, n)
                    words = [line.split() for line in self.lines[first + start : first + stop]]
                    # reshape raises where a line has fewer than three numbers
                    part = np.array([w[:3] for w in words], dtype=np.float64)
                    values[start:stop] = part.reshape(stop - start, 3)
                    body += words if keep else []
                if np.abs(values).max(initial=0.0) <= LONGEST:
                    return values, body, True
        except ValueError:
            pass
        return self.slow_triples(first, n, what)

    def slow_triples(
        self, first: int, n: int, what: str
    ) -> tuple[NDArray[np.float64], list[list[str]], bool]:
        """The same, one line at a time: finds the line that is wrong."""
        values: list[list[float]] = []
        body = []
        plain = True
        for i in range(n):
            if first + i >= len(self.lines) or not self.lines[first + i].strip():
                self.fail(
                    first + i,
                    f"The file ends after {i} of {n} {what}.",
                    "It looks truncated: copy it again, or correct the counts.",
                )
            words = self.lines[first + i].split()
            row = _floats(words)
            if len(row) < 3:
                words = [w for word in words for w in _GLUED.split(word)]
                row, plain = _floats(words), False
            if len(row) < 3:
                self.fail(
                    first + i,
                    f"Expected three numbers for {what[:-1]} {i + 1}, found "
                    f"{self.lines[first + i].strip()[:40]!r}.",
                    "Correct this line, or the counts above.",
                )
            self.finite(first + i, row)
            values.append(row)
            body.append(words)
        return np.array(values).reshape(-1, 3), body, plain

    def velocities(self, index: int, n: int) -> NDArray[np.float64] | None:
        """Velocities in Angstrom / fs after the positions, if there are any."""
        lines = self.lines
        if index < len(lines) and lines[index].strip() and len(_floats(lines[index].split())) == 3:
            self.fail(
                index,
                f"There are more positions than the {n} atoms that are counted.",
                "Correct the counts, or remove the extra lines.",
            )
        if index < len(lines) and lines[index].strip().lower().startswith("lattice"):
            index += 8
        if index + 1 >= len(lines) or lines[index].strip()[:1] in ("d", "D"):
            return None
        if len(_floats(lines[index + 1].split())) < 3:
            return None
        return self.triples(index + 1, n, "velocities")[0]


def _floats(words: Sequence[str]) -> list[float]:
    """The first three words as numbers; shorter when one is not a number."""
    found = []
    for word in words[:3]:
        try:
            found.append(float(word))
        except ValueError:
            break
    return found


def _flags(scanner: _Scanner, first: int, body: list[list[str]]) -> NDArray[np.bool_]:
    """Selective dynamics, (n, 3)."""
    flags = np.zeros((len(body), 3), dtype=np.bool_)
    for i, words in enumerate(body):
        marks = [w.strip(".")[:1].upper() for w in words[3:6]]
        if len(marks) < 3 or any(m not in ("T", "F") for m in marks):
            scanner.fail(
                first + i,
                "Selective dynamics needs three marks T or F after the position.",
                "Write for example T T F, or remove the line Selective dynamics.",
            )
        flags[i] = [m == "T" for m in marks]
    return flags


def _labels(body: list[list[str]], counts: list[int], skip: int) -> list[str]:
    """Symbols written behind the positions (``0 0 0 Si`` or ``0 0 0 # Si1``), or nothing."""
    symbols = []
    start = 0
    for count in counts:
        found = set()
        for words in body[start : start + count]:
            rest = [w for w in (word.lstrip("#!") for word in words[skip:]) if w]
            match = _LABEL.match(rest[0]) if rest else None
            found.add(match.group(1) if match else "")
        start += count
        if len(found) != 1 or not elements.is_symbol(symbol := found.pop()):
            return []
        symbols.append(symbol)
    return symbols


def _guess(title: str, counts: list[int]) -> list[str]:
    """Symbols that the comment line suggests: ``Na Cl``, or ``Li4Fe4`` with these counts."""
    words = title.split()
    if len(words) == len(counts) and all(elements.is_symbol(w) for w in words):
        return words
    parts = re.findall(r"([A-Z][a-z]?)(\d*)", words[0]) if words else []
    symbols = [symbol for symbol, _ in parts]
    if [int(n or 1) for _, n in parts] == counts and all(map(elements.is_symbol, symbols)):
        return symbols
    return []


def scan(text: str, path: Path | None, given: Sequence[str] | None) -> Layout:
    """Check a whole file; see `Layout`."""
    scanner = _Scanner(text, path)
    factors, rows = scanner.header()
    symbols, counts, index = scanner.elements()
    n = sum(counts)
    if n == 0:
        scanner.fail(index - 1, "The file has no atoms.", "Write the counts of atoms here.")
    vasp5 = bool(symbols)
    selective, cartesian, first = scanner.mode(index)
    wanted = selective or not (vasp5 or given)
    positions, body, plain = scanner.triples(first, n, "positions", keep=wanted)
    flags = _flags(scanner, first, body) if selective else None
    velocities = scanner.velocities(first + n, n)
    if given:
        symbols = _given(given, counts, path, index)
    elif not symbols:
        symbols = _labels(body, counts, 6 if selective else 3)
        if not symbols:
            raise MissingSymbols(counts, _guess(scanner.lines[0], counts), path, index)
    ordinary = (
        vasp5 and plain and len(factors) == 1 and factors[0] > 0 and velocities is None
    ) and not given
    return Layout(
        scanner.lines,
        factors,
        rows,
        symbols,
        counts,
        flags,
        cartesian,
        positions,
        velocities,
        ordinary,
        first,
    )


def _given(given: Sequence[str], counts: list[int], path: Path | None, line: int) -> list[str]:
    """Symbols that the person typed."""
    if len(given) != len(counts):
        raise FileError(
            f"{len(given)} symbols were given for {len(counts)} counts of atoms.",
            "Give one symbol for each count.",
            path=path,
            line=line,
        )
    for symbol in given:
        elements.number(symbol)
    return list(given)
