"""One global pool or three in a medium extractor (Bird 2023, Fig. 19, row B87).

Mean, maximum and minimum of each channel ("high bandwidth") send unequal
gradients to the points of a torus; the mean alone sends the same to all (eq. 20).
"""

from __future__ import annotations

from collections.abc import Generator

from crystalgui.core.cards import Claim, ExperimentCard
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.degrees import CONVOLUTION, FCN, SUM, Points, grouped, joined, name
from crystalgui.core.experiments.results import Results
from crystalgui.core.experiments.rolling import CIFAR, CIFAR_SIZES, Size, Study, study
from crystalgui.core.messages import Event, SweepNetwork

FREE, HIGH = "free", "high-bandwidth"


def networks(size: Size) -> tuple[SweepNetwork, ...]:
    """Rows B36 to B41."""
    return size.kinds(FREE, HIGH)


def claims(points: Points) -> tuple[Claim, ...]:
    """Section 3.2 on Fig. 19."""
    return (
        joined(
            "High bandwidth is above one global pool",
            {c: points.best_across("", name(HIGH, c), {FREE: name(FREE, c)}) for c in (FCN, SUM)},
        ),
        points.best_across(
            "With one global pool toroidal FCN is above toroidal sum",
            name(FREE, FCN), {SUM: name(FREE, SUM)},
        ),
        points.alike_across(
            "With high bandwidth toroidal FCN and toroidal sum are alike",
            name(HIGH, FCN), name(HIGH, SUM),
        ),
        joined(
            "Toroidal-sum networks do not notice the degree of rolling",
            {kind: points.flat("", name(kind, SUM)) for kind in (FREE, HIGH)},
        ),
        joined(
            f"Convolution is worse where much is rolled (chi = {points.largest})",
            {kind: points.falls("", name(kind, CONVOLUTION)) for kind in (FREE, HIGH)},
        ),
    )  # fmt: skip


STUDY = Study(
    source=CIFAR, sizes=CIFAR_SIZES, networks=networks, charts=grouped(FREE, HIGH), claims=claims
)


@experiment(
    ExperimentCard(
        name="rolling-cifar-bandwidth",
        title="Rolled pictures: one global pool or three",
        shows=(
            "Pictures of CIFAR-10 are shifted periodically at random. Free medium extractors "
            "that read the mean of each channel, or its mean, maximum and minimum."
        ),
        paper="Bird (2023), section 3.2, Fig. 19",
        rows=("B87", "B36", "B37", "B38", "B39", "B40", "B41"),
        presets=STUDY.presets,
        minutes={"quick": 3.0, "paper": 29000.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train, compare, draw."""
    return (yield from study(context, STUDY))
