"""What a stride keeps: toroidal-sum networks as the paper samples them, and anchored to the image.

Bird (2023), section 2.4.2, keeps every second point of a torus from the first
one on.  Which points those are depends on how the image lies, so a network
with strides is invariant only under shifts by the product of its strides.
Keeping the sublattice with the strongest activations (adaptive polyphase
sampling, Chaman and Dokmanic 2021) moves with the image.  Figs. 18 to 21 draw
the former as flat against the degree of rolling; here are both.
"""

from __future__ import annotations

from collections.abc import Generator

from crystalgui.core.cards import Claim, ExperimentCard
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.degrees import (
    CONVOLUTIONS,
    KINDS,
    SUM,
    Chart,
    Panel,
    Points,
    joined,
    name,
)
from crystalgui.core.experiments.results import Results
from crystalgui.core.experiments.rolling import CIFAR, CIFAR_SIZES, Size, Study, study
from crystalgui.core.messages import Event, SweepNetwork

FIRST = "toroidal sum, first points"


def networks(size: Size) -> tuple[SweepNetwork, ...]:
    """Every kind with toroidal sums, anchored and as the paper samples."""
    convolution = CONVOLUTIONS[SUM]
    anchored = (
        size.extractor(name(kind, SUM), kind, kind=kind, convolution=convolution) for kind in KINDS
    )
    first = (
        size.extractor(
            name(kind, FIRST), kind, kind=kind, convolution=convolution, sampling="first"
        )
        for kind in KINDS
    )
    return (*anchored, *first)


def claims(points: Points) -> tuple[Claim, ...]:
    """Flatness with each sampling, and what the anchored one costs or gives."""
    return (
        joined(
            "Toroidal-sum networks that keep the first points do not notice the degree of rolling",
            {kind: points.flat("", name(kind, FIRST)) for kind in KINDS},
        ),
        joined(
            "Toroidal-sum networks that keep the strongest points do not notice it",
            {kind: points.flat("", name(kind, SUM)) for kind in KINDS},
        ),
        joined(
            "The strongest points are above the first ones over all chi",
            {
                kind: points.best_across("", name(kind, SUM), {"first": name(kind, FIRST)})
                for kind in KINDS
            },
        ),
    )


CHARTS = (
    Chart(
        name="sampling",
        title="Toroidal-sum networks: the strongest points kept, and the first ones",
        panels=tuple(
            Panel(title=words, quantity="accuracy", curves={k: name(k, kept) for k in KINDS})
            for words, kept in {"strongest points": SUM, "first points (paper)": FIRST}.items()
        ),
    ),
)

STUDY = Study(source=CIFAR, sizes=CIFAR_SIZES, networks=networks, charts=CHARTS, claims=claims)


@experiment(
    ExperimentCard(
        name="rolling-cifar-sampling",
        title="Rolled pictures: what a stride keeps",
        shows=(
            "A stride on a torus keeps every second point: the first ones, as in the paper, or "
            "those with the strongest activations. Accuracy against the degree of rolling of six "
            "toroidal-sum networks with both."
        ),
        paper="Bird (2023), sections 2.4.2 and 3.2, Figs. 18 to 21",
        rows=("B89",),
        presets=STUDY.presets,
        minutes={"quick": 4.0, "paper": 58000.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Take or train, compare, draw."""
    return (yield from study(context, STUDY))
