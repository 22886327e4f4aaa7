"""Names of the rooms, and of atoms, orbits, seeds and points, as the rooms write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crystalgui.core.structures.elements import SYMBOLS

if TYPE_CHECKING:
    from crystalgui.core.messages import AttentionMap, ExplainReady

SECOND = "second-look"
TITLES = {
    "attention": "Attention",
    "saliency": "Saliency",
    "limit": "Atomic limit",
    "similar": "Similar",
    SECOND: "Second look",
}
"""Rooms of the Evidence page, and their tabs."""
ROOMS = tuple(TITLES)


def atom_name(ready: ExplainReady, atom: int) -> str:
    """``"Te2"``: element and number in the file, from 1."""
    return f"{SYMBOLS[int(ready.species[atom])]}{atom + 1}"


def query_names(ready: ExplainReady, shown: AttentionMap) -> list[str]:
    """What looks, row by row of `ExplainReady.over_atoms`."""
    if shown.queries == "atoms":
        return [atom_name(ready, i) for i in range(len(ready.species))]
    word = shown.queries.removesuffix("s")
    return [f"{word} {k + 1}" for k in range(len(shown.matrix))]


def key_names(ready: ExplainReady, shown: AttentionMap) -> list[str]:
    """What is looked at, column by column of `ExplainReady.over_atoms`."""
    if shown.keys == "atoms":
        return [atom_name(ready, i) for i in range(len(ready.species))]
    word = shown.keys.removesuffix("s")
    return [f"{word} {k + 1}" for k in range(shown.matrix.shape[1])]


def group_name(ready: ExplainReady, atoms: Sequence[int]) -> str:
    """``"Te2, Te3"`` for a few atoms, ``"6 × Te (Te2 … Te9)"`` for many."""
    names = [atom_name(ready, a) for a in atoms]
    if len(names) <= 3:
        return ", ".join(names)
    symbol = SYMBOLS[int(ready.species[atoms[0]])]
    return f"{len(names)} × {symbol} ({names[0]} … {names[-1]})"
