"""Between residual networks and extractors (Bird 2023, Fig. 20, row B88).

The hybrid is an extractor with bypasses: it is to lose by what bypasses impose,
a common basis and size of all layers.
"""

from __future__ import annotations

from collections.abc import Generator

from crystalgui.core.cards import Claim, ExperimentCard
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.degrees import CONVOLUTIONS, SUM, Points, grouped, joined, name
from crystalgui.core.experiments.results import Results
from crystalgui.core.experiments.rolling import CIFAR, CIFAR_SIZES, Size, Study, study
from crystalgui.core.messages import Event, SweepNetwork

RESIDUAL, HYBRID, HIGH = KINDS = ("residual", "hybrid", "high-bandwidth")


def networks(size: Size) -> tuple[SweepNetwork, ...]:
    """Rows B31, B32 and B39 to B44."""
    return size.kinds(*KINDS)


def claims(points: Points) -> tuple[Claim, ...]:
    """Section 3.2 on Fig. 20."""

    def above(text: str, first: str, second: str, least: int = 0) -> Claim:
        parts = {
            c: points.best_across("", name(first, c), {second: name(second, c)}, least)
            for c in CONVOLUTIONS
        }
        return joined(text, parts)

    return (
        above("The hybrid is above the residual network", HYBRID, RESIDUAL),
        above("The high-bandwidth extractor is above the hybrid", HIGH, HYBRID),
        above("For all chi > 0 the high-bandwidth extractor is above the residual network",
              HIGH, RESIDUAL, points.rolled),
        joined(
            "Toroidal-sum networks do not notice the degree of rolling",
            {kind: points.flat("", name(kind, SUM)) for kind in KINDS},
        ),
    )  # fmt: skip


STUDY = Study(
    source=CIFAR, sizes=CIFAR_SIZES, networks=networks, charts=grouped(*KINDS), claims=claims
)


@experiment(
    ExperimentCard(
        name="rolling-cifar-hybrid",
        title="Rolled pictures: residual, hybrid, high bandwidth",
        shows=(
            "Pictures of CIFAR-10 are shifted periodically at random. An extractor with "
            "bypasses, between residual networks and the extractor without."
        ),
        paper="Bird (2023), section 3.2, Fig. 20",
        rows=("B88", "B31", "B32", "B39", "B40", "B41", "B42", "B43", "B44"),
        presets=STUDY.presets,
        minutes={"quick": 4.5, "paper": 45000.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train, compare, draw."""
    return (yield from study(context, STUDY))
