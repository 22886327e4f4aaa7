"""A tiny real experiment: the end-to-end distance of a random walk in the plane."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from crystalgui.core.cards import ExperimentCard, Measured
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.figures import Style
from crystalgui.core.experiments.results import Results
from crystalgui.core.experiments.run import run_experiment
from crystalgui.core.messages import Event, ExperimentJob

CARD = ExperimentCard(
    name="random-walk",
    title="Random walk in the plane",
    shows="The mean square distance after n steps is n.",
    paper="Pearson 1905",
    rows=("B77",),
    presets={"quick": "200 walks of 64 steps", "slow": "the same, waiting between its parts"},
    minutes={"quick": 0.01},
)
PARTS = 4


def walk(context: Context) -> Generator[Event, None, Results]:
    squares = []
    for part in range(PARTS):
        yield context.progress(part, PARTS, f"part {part + 1}")
        kept = context.done(f"part-{part}")
        if kept is None:
            angles = np.random.default_rng(part).uniform(0, 2 * np.pi, (50, 64))
            ends = np.exp(1j * angles).sum(1)
            kept = context.keep(f"part-{part}", {"squares": np.abs(ends) ** 2})
            while context.preset == "slow":  # until somebody kills us
                yield context.progress(part, PARTS, "waiting")
                time.sleep(0.02)
        squares.append(kept["squares"])
    values = np.array(squares) / 64

    def draw(figure: Figure, style: Style) -> None:
        (axes,) = style.axes(figure)
        axes.hist(values.ravel(), bins=20, color=style.accent)
        style.label(axes, "square distance / n", "walks")

    context.figure("distances", draw, "Distances")
    rows = [(i + 1, float(v.mean())) for i, v in enumerate(values)]
    context.table("parts", ("part", "mean square distance / n"), rows, "Each part")
    return Results(
        numbers=(
            Measured(
                name="mean square distance / n",
                value=float(values.mean()),
                spread=float(values.mean(1).std()),
                published=1.0,
            ),
        ),
        differs=("The walks are finite in number.",),
    )


def register() -> None:
    experiment(CARD)(walk)


if __name__ == "__main__":  # a process of its own, to be killed
    register()
    for event in run_experiment(
        ExperimentJob(name=CARD.name, preset=sys.argv[2], out=Path(sys.argv[1]), device="cpu")
    ):
        print(event, flush=True)
