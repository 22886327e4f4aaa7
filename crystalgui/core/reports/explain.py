"""What an answer rests on as one table: values per atom and per pair, and entropies.

One row says one thing, so that the table can be filtered: ``saliency`` of an
atom, ``pair`` of atoms in one head, ``pooled`` what a seed or an inducing point
takes from an atom, ``entropy`` of a head.  Nothing is averaged over heads.
"""

from __future__ import annotations

from collections.abc import Iterator

from crystalgui.core.messages import AttentionMap, ExplainReady
from crystalgui.core.reports.csv import lines
from crystalgui.core.structures.elements import SYMBOLS

COLUMNS = (
    "what",
    "method",
    "head",
    "from",
    "from_element",
    "to",
    "to_element",
    "value",
    "error",
    "unit",
    "distance_angstrom",
    "images",
)


def explanation_text(ready: ExplainReady, *, separator: str = ",") -> str:
    """The whole table as text; atoms are counted from 1 in the order of the file."""
    return lines([COLUMNS, *_rows(ready)], separator)


def _rows(ready: ExplainReady) -> Iterator[tuple[str, ...]]:
    shared, unit = ready.saliency, ready.unit
    for atom, (value, error) in enumerate(zip(shared.values, shared.error, strict=True)):
        yield (
            "saliency", shared.method, "", *_atom(ready, atom), "", "", f"{value:.6g}",
            f"{error:.2g}" if shared.method == "occlusion" else "", unit, "", "",
        )  # fmt: skip
    sums = {"answer": shared.answer, "reference": shared.reference, "total": shared.total}
    for name, value in sums.items():
        yield (name, shared.method, *[""] * 5, f"{value:.6g}", "", unit, "", "")
    for shown in ready.attention:
        yield ("entropy", *_head(shown), *[""] * 4, f"{shown.mean:.6g}", "", "nat", "", "")
        yield ("most", *_head(shown), *[""] * 4, f"{shown.most:.6g}", "", "nat", "", "")
        yield from _pairs(ready, shown)
        yield from _pooled(ready, shown)


def _pairs(ready: ExplainReady, shown: AttentionMap) -> Iterator[tuple[str, ...]]:
    for pair in shown.pairs:
        images = "; ".join(" ".join(map(str, image)) for image in pair.images)
        yield (
            "pair", *_head(shown), *_atom(ready, pair.start), *_atom(ready, pair.end),
            f"{pair.weight:.6g}", "", "", f"{pair.distance:.4f}", images,
        )  # fmt: skip


def _pooled(ready: ExplainReady, shown: AttentionMap) -> Iterator[tuple[str, ...]]:
    if shown.keys != "atoms" or shown.queries == "atoms":
        return
    for query, row in enumerate(ready.over_atoms(shown), 1):
        for atom, weight in enumerate(row):
            yield (
                "pooled", *_head(shown), f"{shown.queries} {query}", "", *_atom(ready, atom),
                f"{weight:.6g}", "", "", "", "",
            )  # fmt: skip


def _head(shown: AttentionMap) -> tuple[str, str]:
    return shown.layer, str(shown.head)


def _atom(ready: ExplainReady, atom: int) -> tuple[str, str]:
    return str(atom + 1), SYMBOLS[int(ready.species[atom])]
