"""What a ``.win`` input says about the crystal; and Wannier centres from ``_centres.xyz``.

Only the blocks that place the Hamiltonian in space are read: the cell, the
atoms, the projections' first words and the number of occupied bands.  Free
form as in the wannier90 user guide, chapter 2: keywords in any case, ``=``,
``:`` or blank between keyword and value, ``!`` and ``#`` start comments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError
from crystalgui.core.structures.hoppings.text import Source

BOHR = 0.529177210903

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WinInput:
    """Lattice (3, 3) Angstrom, atoms (symbols, frac (p, 3)), projections, occupied bands.

    ``ws_distance`` is what the input says about ``use_ws_distance``; None when
    it says nothing.
    """

    lattice: Floats | None = None
    symbols: tuple[str, ...] = ()
    frac: Floats | None = None
    projections: tuple[str, ...] = ()
    occupied: int | None = None
    spinors: bool = False
    ws_distance: bool | None = None


def read_win(path: Path) -> WinInput:
    """Read the parts of a wannier90 input that concern the crystal."""
    keywords: dict[str, str] = {}
    blocks: dict[str, list[tuple[int, str]]] = {}
    current = ""
    for number, raw in _lines(path):
        text = re.split(r"[!#]", raw, maxsplit=1)[0].strip()
        if not text:
            continue
        word = re.match(r"(begin|end)\s*[:=]?\s*([a-z_]+)", text, re.IGNORECASE)
        if word:
            name = word.group(2).lower()
            current = name if word.group(1).lower() == "begin" else ""
            if current:
                blocks[current] = []
        elif current:
            blocks[current].append((number, text))
        else:
            pair = re.split(r"\s*[=:]\s*|\s+", text, maxsplit=1)
            keywords[pair[0].lower()] = pair[1].split()[0] if len(pair) > 1 else ""
    lattice = _cell(path, blocks.get("unit_cell_cart"))
    symbols, frac = _atoms(path, blocks, lattice)
    spinors = _logical(keywords.get("spinors", "")) is True
    return WinInput(
        lattice=lattice,
        symbols=symbols,
        frac=frac,
        projections=tuple(text for _, text in blocks.get("projections", [])),
        occupied=_occupied(keywords),
        spinors=spinors,
        ws_distance=_logical(keywords.get("use_ws_distance", "")),
    )


def _logical(text: str) -> bool | None:
    """A Fortran logical; None for an empty word."""
    word = text.lower().strip(".")
    return word in ("true", "t") if word else None


def _lines(path: Path) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    with Source(path) as source:
        while True:
            try:
                text = source.readline("input")
            except FileError as error:
                if found and "ends where" in error.title:
                    return found
                raise
            found.append((source.line, text))


def _occupied(keywords: dict[str, str]) -> int | None:
    text = keywords.get("num_valence_bands", "")
    return int(text) if text.isdigit() and int(text) > 0 else None


def _unit(rows: list[tuple[int, str]]) -> tuple[float, list[tuple[int, str]]]:
    if rows and rows[0][1].lower() in ("bohr", "ang"):
        return (BOHR if rows[0][1].lower() == "bohr" else 1.0), rows[1:]
    return 1.0, rows


def _number(text: str) -> float:
    return float(text.lower().replace("d", "e"))


def _cell(path: Path, rows: list[tuple[int, str]] | None) -> Floats | None:
    if rows is None:
        return None
    scale, rows = _unit(rows)
    try:
        lattice = np.array([[_number(t) for t in text.split()[:3]] for _, text in rows[:3]])
    except ValueError:
        lattice = np.empty(0)
    if lattice.shape != (3, 3) or not np.isfinite(lattice).all():
        raise FileError(
            "The block unit_cell_cart does not hold three lattice vectors.",
            "Write three rows of three numbers, in Angstrom or after a line 'bohr'.",
            path=path,
            line=rows[0][0] if rows else None,
        )
    return lattice * scale


def _atoms(
    path: Path, blocks: dict[str, list[tuple[int, str]]], lattice: Floats | None
) -> tuple[tuple[str, ...], Floats | None]:
    cartesian = "atoms_frac" not in blocks
    rows = blocks.get("atoms_cart" if cartesian else "atoms_frac")
    if not rows or lattice is None:
        return (), None
    scale, rows = _unit(rows) if cartesian else (1.0, rows)
    symbols: list[str] = []
    places: list[list[float]] = []
    for number, text in rows:
        tokens = text.replace(",", " ").split()
        try:
            places.append([_number(t) for t in tokens[1:4]])
        except ValueError:
            places.append([])
        if len(places[-1]) != 3:
            raise FileError(
                f"Not an atom: {text!r}.",
                "Write a symbol and three coordinates.",
                path=path,
                line=number,
            )
        symbol = re.match(r"[A-Za-z]{1,2}", tokens[0])
        symbols.append(symbol.group(0).capitalize() if symbol else tokens[0])
    table = np.array(places) * scale
    return tuple(symbols), (table @ np.linalg.inv(lattice) if cartesian else table)


def read_centres(path: Path, n: int) -> tuple[Floats, list[tuple[str, list[float]]]]:
    """Read ``_centres.xyz``: (n, 3) Cartesian centres in Angstrom, and the atoms listed."""
    centres: list[list[float]] = []
    atoms: list[tuple[str, list[float]]] = []
    with Source(path) as source:
        count = source.one("the number of centres and atoms")
        source.readline("the comment")
        for _ in range(count):
            tokens = source.readline("a centre").split()
            try:
                place = [_number(t) for t in tokens[1:4]]
            except ValueError:
                place = []
            if len(place) != 3:
                raise source.error(
                    "Expected a symbol and three coordinates.", "Write the file again."
                )
            if tokens[0].upper() == "X":
                centres.append(place)
            else:
                atoms.append((tokens[0], place))
    if len(centres) != n:
        raise FileError(
            f"{len(centres)} Wannier centres do not belong to {n} orbitals.",
            "This file comes from another calculation; move it away or replace it.",
            path=path,
        )
    return np.array(centres), atoms
