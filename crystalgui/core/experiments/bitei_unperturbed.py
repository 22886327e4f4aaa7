"""Networks on mixtures of two BiTeI Hamiltonians without noise (Bird 2023, tables 3-5).

All samples lie on one line, so the phases are three intervals of one number;
the Weyl phase is about one per cent of it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from crystalgui.core.cards import ExperimentCard
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.bitei import (
    DIFFERS,
    Bench,
    Network,
    Published,
    Variant,
    data_set,
    numbers_of,
)
from crystalgui.core.experiments.bitei_costs import (
    PLAIN,
    compared,
    report,
    train_all,
    trainings,
)
from crystalgui.core.experiments.results import Results
from crystalgui.core.messages import Event

NAN = float("nan")

NETWORKS = (
    Network(
        key="small",
        title="Small fully connected",
        model="dense",
        preset="small",
        row="B77",
        tables={
            "train": Published(
                ((100.0, 0.0, 47.1), (0.0, 99.7, 43.4), (0.0, 0.3, 9.5)),
                ((0.1, 0.0, 29.4), (0.1, 0.5, 31.7), (0.0, 0.5, 10.5)),
            ),
            "test": Published(
                ((100.0, 0.0, 55.5), (0.0, 99.6, 34.5), (0.0, 0.4, 10.0)),
                ((0.1, 0.0, 29.1), (0.1, 0.8, 30.5), (0.0, 0.8, 10.6)),
            ),
        },
        trace=(209.6, NAN),
        learning_rate=1e-2,
    ),
    Network(
        key="large",
        title="Large fully connected",
        model="dense",
        preset="large",
        row="B78",
        tables={
            "train": Published(
                ((99.7, 0.5, 36.3), (0.1, 97.6, 24.1), (0.2, 1.9, 39.7)),
                ((0.7, 1.3, 42.3), (0.3, 3.4, 32.3), (0.4, 2.4, 33.5)),
            ),
            "test": Published(
                ((99.7, 0.7, 38.2), (0.1, 96.9, 21.8), (0.2, 2.4, 40.0)),
                ((0.7, 1.9, 42.9), (0.2, 4.2, 31.1), (0.5, 3.0, 34.6)),
            ),
        },
        trace=(236.6, NAN),
        learning_rate=3e-3,
    ),
    Network(
        key="hybrid",
        title="Hybrid convolution",
        model="hybrid",
        preset="paper",
        row="B79",
        tables={
            "train": Published(
                ((99.7, 0.7, 29.5), (0.0, 98.8, 34.8), (0.2, 0.5, 35.7)),
                ((0.4, 2.0, 37.6), (0.1, 2.6, 43.3), (0.4, 0.7, 35.6)),
            ),
            "test": Published(
                ((99.8, 1.0, 32.6), (0.0, 98.4, 33.8), (0.2, 0.6, 33.6)),
                ((0.3, 2.6, 37.9), (0.1, 3.2, 43.4), (0.3, 0.9, 33.9)),
            ),
        },
        trace=(231.8, NAN),
        learning_rate=3e-3,
    ),
)
BEST_PUBLISHED = (236.6, NAN)
LONG = {
    "quick": Variant("steps", "10 times longer", {"epochs": 250}),
    "paper": Variant("longer", "4 times longer", {"epochs": 100}),
}
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "data": "bitei-unperturbed-small",
        "repeats": {"small": 10, "large": 5, "hybrid": 3},
        "compared": {"small": 10},
    },
    "paper": {
        "data": "bitei-unperturbed",
        "repeats": {"small": 10, "large": 10, "hybrid": 10},
        "compared": {"small": 10, "large": 10},
    },
}
QUICK = (
    "The quick preset has a tenth of the samples (5,400 to train, 600 to test) at the paper's 25 "
    "epochs, so a tenth of its steps; ten repeats of the small network, five of the large and "
    "three of the hybrid. Other ways are tried on the small network; ten times longer is as many "
    "steps as in the paper."
)


def variants(preset: str) -> tuple[Variant, ...]:
    """The trace cost, longer training, and both."""
    longer = LONG[preset]
    both = {"cost": "trace", **longer.changes}
    return (
        Variant("trace", "trace cost", {"cost": "trace"}),
        longer,
        Variant(f"trace-{longer.key}", f"trace cost, {longer.title}", both),
    )


@experiment(
    ExperimentCard(
        name="bitei-unperturbed",
        title="BiTeI without noise",
        shows=(
            "Three networks learn the phase of BiTeI between two pressures from cropped hoppings. "
            "It is an easy task: all samples lie on one line."
        ),
        paper="Bird (2023), section 3.3, tables 3-5",
        rows=("B07", "B45", "B46", "B47", "B77", "B78", "B79"),
        presets={
            "quick": "5,400 samples to train and 600 to test, 25 epochs, 3 to 10 repeats",
            "paper": "54,000 samples to train and 6,000 to test, 25 epochs, 10 repeats",
        },
        minutes={"quick": 20, "paper": 1500},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Tables 3-5, then the trace cost and longer training."""
    preset = PRESETS[context.preset]
    data = yield from data_set(context, preset["data"])
    wanted = trainings(NETWORKS, variants(context.preset), preset)
    costs = yield from train_all(Bench(context, data, total=len(wanted)), wanted)
    report(context, costs)
    numbers = [m for n, v, counts in costs if v is PLAIN for m in numbers_of(n, counts)]
    differs = (*DIFFERS, *((QUICK,) if context.preset == "quick" else ()))
    return Results(numbers=(*numbers, *compared(costs, BEST_PUBLISHED)), differs=differs)
