"""Costs compared: the networks as in the paper, then every other way to train them.

Bird (2023), section 3.3, proposes a cost that maximises the trace of the
confusion matrix, resampling and longer training (rows B65-B67).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from crystalgui.core.cards import Measured
from crystalgui.core.datasets.hamiltonians.dataset import CLASSES
from crystalgui.core.experiments._registry import Context
from crystalgui.core.experiments.bitei import (
    HEADER,
    WEYL,
    Bench,
    Counts,
    Network,
    Variant,
    confusion_rows,
    draw_matrices,
    draw_traces,
)
from crystalgui.core.experiments.results import Cell
from crystalgui.core.messages import Event

NAN = float("nan")
PLAIN = Variant("cross-entropy", "cross-entropy")
Trained = tuple[Network, Variant, Counts]


def trainings(
    networks: Sequence[Network], variants: Sequence[Variant], preset: Mapping[str, Any]
) -> list[tuple[Network, Variant, int]]:
    """What a preset trains, with the number of repeats: all as in the paper, then the variants."""
    compared = preset["compared"]
    return [
        *((n, PLAIN, preset["repeats"][n.key]) for n in networks),
        *((n, v, compared[n.key]) for n in networks if n.key in compared for v in variants),
    ]


def train_all(
    bench: Bench, wanted: Sequence[tuple[Network, Variant, int]]
) -> Generator[Event, None, list[Trained]]:
    """Train all of them, one after the other; those of an earlier run are there already."""
    found: list[Trained] = []
    for network, variant, repeats in wanted:
        plain = variant is PLAIN
        key = network.key if plain else f"{network.key}-{variant.key}"
        title = network.title if plain else f"{network.title}, {variant.title}"
        counts = yield from bench.train(key, title, network, variant, repeats)
        found.append((network, variant, counts))
    return found


def compared(costs: Sequence[Trained], published: tuple[float, float]) -> list[Measured]:
    """Weyl recall and trace of every cost; the paper's of the same network with cross-entropy."""
    found = []
    for network, variant, counts in costs:
        if variant is PLAIN:
            continue
        name = f"{network.title}, {variant.title}"
        recall, around = counts.recall(WEYL)
        found.append(
            Measured(
                name=f"{name}: Weyl semimetals found in the test set",
                value=recall,
                spread=around,
                published=network.tables["test"].mean[WEYL][WEYL],
                unit="%",
            )
        )
        trace, around = counts.trace()
        found.append(
            Measured(
                name=f"{name}: trace of the test matrix",
                value=trace,
                spread=around,
                published=network.trace[0],
                published_spread=network.trace[1],
                unit="% of 300",
            )
        )
    best = max(costs, key=lambda entry: entry[2].trace()[0])
    trace, around = best[2].trace()
    found.append(
        Measured(
            name=f"Best trace of the paper's networks: {best[0].title}, {best[1].title}",
            value=trace,
            spread=around,
            published=published[0],
            published_spread=published[1],
            unit="% of 300",
        )
    )
    return found


def _row(network: str, variant: str, counts: Counts) -> list[Cell]:
    """A row of the table of costs."""
    cells: list[Cell] = [network, variant, counts.repeats, *counts.trace()]
    for c in range(len(CLASSES)):
        cells += counts.recall(c)
    return [*cells, *counts.precision(WEYL), *counts.trace("train"), counts.seconds]


def report(
    context: Context,
    costs: Sequence[Trained],
    ours: tuple[str, Counts] | None = None,
) -> None:
    """Tables and figures of the comparison."""
    rows = [_row(network.title, variant.title, counts) for network, variant, counts in costs]
    if ours is not None:
        rows.append(_row(ours[0], "trace cost, 4 times longer", ours[1]))
    header = ["network", "trained with", "repeats", "test trace (%)", "spread (%)"]
    for name in CLASSES:
        header += [f"{name}s found (%)", "spread (%)"]
    header += ["of answers Weyl semimetal right (%)", "spread (%)", "train trace (%)",
               "spread (%)", "training (s)"]  # fmt: skip
    context.table("costs", header, rows, "What it takes to see Weyl semimetals")
    for network, variant, counts in costs:
        plain = variant is PLAIN
        context.table(
            f"confusion-{network.key}" + ("" if plain else f"-{variant.key}"),
            HEADER,
            confusion_rows(counts, network.tables if plain else None),
            f"{network.title}, {variant.title}: confusion matrices of {counts.repeats} repeats",
        )
    if ours is not None:
        rows_of_ours = confusion_rows(ours[1])
        context.table("confusion-ours", HEADER, rows_of_ours, f"{ours[0]}: confusion matrices")
    titled = [(network.title, counts) for network, variant, counts in costs if variant is PLAIN]
    context.figure(
        "confusion",
        lambda figure, style: draw_matrices(figure, style, titled),
        "Confusion matrices of the test set with cross-entropy, mean and spread over repeats",
        width=520,
        height=190,
    )
    bars = [(f"{n.key}, {v.title}", c) for n, v, c in costs]
    marks = [n.trace[0] if v is PLAIN else NAN for n, v, _ in costs]
    if ours is not None:
        bars.append(("ours, low energy", ours[1]))
        marks.append(NAN)
    context.figure(
        "costs",
        lambda figure, style: draw_traces(figure, style, bars, marks),
        "Traces of the test matrices by network and cost; a perfect answer is 300 %",
        height=76 + 17 * len(bars),
    )
