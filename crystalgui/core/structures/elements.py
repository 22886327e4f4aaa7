"""Chemical elements as arrays indexed by atomic number, and chemical formulas.

Index 0 stands for "no element".  Everything is plain numpy, so that the window
can colour atoms and write formulas without importing a crystallography package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce
from math import gcd

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.periodic_table import TABLE

_ROWS = [line.split() for line in TABLE.splitlines() if not line.startswith("#")]


def _floats(column: int, missing: float) -> NDArray[np.float64]:
    """Column of the table as (119,) float64, read-only."""
    values = [missing, *(missing if r[column] == "-" else float(r[column]) for r in _ROWS)]
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _integers(column: int) -> NDArray[np.int64]:
    """Column of the table as (119,) int64, read-only."""
    array = np.array([0, *(int(r[column]) for r in _ROWS)], dtype=np.int64)
    array.setflags(write=False)
    return array


def _colours(column: int) -> NDArray[np.float64]:
    """Column of hexadecimal colours as (119, 3) float64 in [0, 1], read-only."""
    words = ["808080", *(r[column] for r in _ROWS)]
    array = np.array([list(bytes.fromhex(w)) for w in words], dtype=np.float64) / 255.0
    array.setflags(write=False)
    return array


SYMBOLS: tuple[str, ...] = ("X", *(r[0] for r in _ROWS))
"""Symbol by atomic number; ``SYMBOLS[14] == "Si"``."""
NAMES: tuple[str, ...] = ("no element", *(r[1] for r in _ROWS))
"""English name by atomic number."""
MAX_Z = len(_ROWS)
"""Largest atomic number of the tables."""
MASS = _floats(2, 0.0)
"""(119,) float64, standard atomic weight in u."""
ELECTRONEGATIVITY = _floats(3, np.nan)
"""(119,) float64, Pauling scale; NaN where there is none (He, Ne, Ar, Z > 103)."""
COVALENT_RADIUS = _floats(4, 0.8)
"""(119,) float64, Angstrom."""
VDW_RADIUS = _floats(5, 2.46)
"""(119,) float64, Angstrom."""
ATOMIC_RADIUS = _floats(6, 0.8)
"""(119,) float64, Angstrom."""
GROUP = _integers(7)
"""(119,) int64, 1 to 18; lanthanides and actinides are counted to group 3."""
PERIOD = _integers(8)
"""(119,) int64, 1 to 7."""
COLOURS: dict[str, NDArray[np.float64]] = {"jmol": _colours(9), "vesta": _colours(10)}
"""Scheme -> (119, 3) float64, red, green, blue in [0, 1]."""

_NUMBERS = {symbol: z for z, symbol in enumerate(SYMBOLS) if z} | {"D": 1, "T": 1}


def _valence() -> NDArray[np.int64]:
    """Electrons outside the closed shells: s, p, open d and open f."""
    z = np.arange(MAX_Z + 1)
    valence = np.where(GROUP > 12, GROUP - 10, GROUP)
    for first, last, core in ((57, 70, 54), (89, 102, 86)):
        f_row = (z >= first) & (z <= last)
        valence = np.where(f_row, z - core, valence)
    valence[2] = 2
    valence.setflags(write=False)
    return valence


VALENCE = _valence()
"""(119,) int64, number of valence electrons of the neutral atom."""


def _metals() -> NDArray[np.bool_]:
    """True for the elements that form cations, semimetals Sb and Bi included."""
    metal = np.ones(MAX_Z + 1, dtype=np.bool_)
    metal[[0, 1, 2, *range(5, 11), *range(14, 19)]] = False  # H He, B..Ne, Si..Ar
    metal[[*range(32, 37), *range(52, 55), 85, 86, 117, 118]] = False  # Ge..Kr, Te I Xe, ...
    metal.setflags(write=False)
    return metal


METAL = _metals()
"""(119,) bool, True for metals."""


LEFT_STEP_ROWS, LEFT_STEP_COLUMNS = 8, 32
BLOCKS = {"f": 14, "d": 10, "p": 6, "s": 2}
"""Columns of each block of the left-step table, from left to right."""


def _left_step() -> NDArray[np.int64]:
    """Row n + l - 1 and column: each row ends with its s block, at the right."""
    sizes, table, z = list(BLOCKS.values()), np.zeros((MAX_Z + 1, 2), dtype=np.int64), 1
    for row in range(LEFT_STEP_ROWS):
        for column in range(LEFT_STEP_COLUMNS - sum(sizes[3 - row // 2 :]), LEFT_STEP_COLUMNS):
            if z <= MAX_Z:
                table[z] = row, column
            z += 1
    table.setflags(write=False)
    return table


LEFT_STEP = _left_step()
"""(119, 2) int64, row and column of the left-step (Janet) table (Nop et al. 2025, Fig. 3)."""
BLOCK: tuple[str, ...] = tuple("".join(name * n for name, n in BLOCKS.items()))
"""Block of each column of the left-step table."""


def number(symbol: str) -> int:
    """Atomic number of a symbol; D and T are hydrogen.

    Raises
    ------
    FileError
        When there is no such element.
    """
    z = _NUMBERS.get(symbol)
    if z is None:
        fixed = _NUMBERS.get(symbol[:1].upper() + symbol[1:].lower())
        hint = (
            f"Write it as {SYMBOLS[fixed]!r}."
            if fixed
            else "Use the symbols of the periodic table, for example Si or Ga."
        )
        raise FileError(f"{symbol!r} is not a chemical element.", hint)
    return z


def is_symbol(word: str) -> bool:
    """Whether ``word`` is the symbol of an element."""
    return word in _NUMBERS


_SPECIAL = {"LiO", "NaO", "KO", "HO", "CsO", "RbO", "O", "N", "F", "Cl", "H"}
"""Peroxides and diatomic gases keep their factor of two."""


def _order(z: int) -> tuple[float, str]:
    """Sort key: electronegativity, unknown last, then alphabet."""
    x = float(ELECTRONEGATIVITY[z])
    return (float("inf") if np.isnan(x) else x, SYMBOLS[z])


def _amount(count: int) -> str:
    return "" if count == 1 else str(count)


def _divisor(counts: Mapping[int, int]) -> int:
    return reduce(gcd, counts.values(), 0) or 1


def _join(counts: Mapping[int, int]) -> str:
    """Formula with divided counts; a repeated anion group gets brackets."""
    divisor = _divisor(counts)
    order = sorted((z for z in counts if counts[z]), key=_order)
    tail = ""
    if len(order) >= 3:
        y, z = order[-2:]
        difference = float(ELECTRONEGATIVITY[z] - ELECTRONEGATIVITY[y])
        anion = {y: counts[y] // divisor, z: counts[z] // divisor}
        repeat = _divisor(anion)
        if difference < 1.65 and repeat != 1:
            tail = f"({_join(anion)}){repeat}"
            order = order[:-2]
    return "".join(f"{SYMBOLS[z]}{_amount(counts[z] // divisor)}" for z in order) + tail


def formula(crystal: Crystal | Mapping[int, int], reduced: bool = True) -> str:
    """Chemical formula in order of electronegativity.

    Parameters
    ----------
    crystal : Crystal or mapping of atomic number to count
    reduced : bool
        Divide by the greatest common divisor and bracket repeated anion
        groups, ``"Ca(NO3)2"``; otherwise count every atom of the cell,
        ``"Na4Cl4"``.

    Returns
    -------
    str
        The same text as the widespread "reduced formula" of materials
        databases; peroxides and diatomic gases keep their factor (``O2``).
    """
    counts = crystal.composition if isinstance(crystal, Crystal) else crystal
    if not reduced:
        return "".join(f"{SYMBOLS[z]}{_amount(counts[z])}" for z in sorted(counts, key=_order))
    text = _join(counts)
    if text in _SPECIAL:
        return "".join(
            f"{SYMBOLS[z]}{_amount(2 * counts[z] // _divisor(counts))}"
            for z in sorted(counts, key=_order)
        )
    return text


_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def subscripts(text: str) -> str:
    """A formula with small digits for labels: ``"Bi2Se3"`` -> ``"Bi₂Se₃"``."""
    return re.sub(r"(?<=[A-Za-z)])\d+", lambda m: m.group().translate(_SUBSCRIPT), text)


def electrons(crystal: Crystal) -> int:
    """Number of all electrons of the neutral cell: the sum of atomic numbers."""
    return int(crystal.species.sum())


def valence_electrons(crystal: Crystal) -> int:
    """Number of valence electrons of the neutral cell (closed d and f shells not counted)."""
    return int(VALENCE[crystal.species].sum())


def odd_electrons(crystal: Crystal) -> bool:
    """Whether the cell has an odd number of electrons.

    With time reversal an odd number can never fill whole Kramers pairs: the
    crystal is a metal (or breaks the symmetry).
    """
    return electrons(crystal) % 2 == 1
