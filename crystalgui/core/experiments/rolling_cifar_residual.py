"""Standard and residual networks against rolling (Bird 2023, Fig. 17, row B85).

The caption says MNIST, the text CIFAR-10, and this is CIFAR-10.
"""

from __future__ import annotations

from collections.abc import Generator

from crystalgui.core.cards import Claim, ExperimentCard
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.degrees import (
    CONVOLUTION,
    CONVOLUTIONS,
    FCN,
    SUM,
    Points,
    grouped,
    joined,
    name,
)
from crystalgui.core.experiments.results import Results
from crystalgui.core.experiments.rolling import CIFAR, CIFAR_SIZES, Size, Study, study
from crystalgui.core.messages import Event, SweepNetwork

KINDS = ("standard", "residual")


def networks(size: Size) -> tuple[SweepNetwork, ...]:
    """Rows B57 to B59 and B29 to B32."""
    return size.kinds(*KINDS)


def claims(points: Points) -> tuple[Claim, ...]:
    """Section 3.2 on Fig. 17."""

    def best(text: str, chi: int | None, wanted: str, *others: str) -> Claim:
        parts = {}
        for kind in KINDS:
            against = {c: name(kind, c) for c in others}
            title = name(kind, wanted)
            if chi is None:
                parts[kind] = points.best_across("", title, against)
            else:
                parts[kind] = points.best_at("", chi, title, against)
        return joined(text, parts)

    return (
        joined(
            "Toroidal-sum networks do not notice the degree of rolling",
            {kind: points.flat("", name(kind, SUM)) for kind in KINDS},
        ),
        best("Toroidal FCN is the best over all chi", None, FCN, CONVOLUTION, SUM),
        best("Without rolling convolution is the best", 0, CONVOLUTION, FCN, SUM),
        joined(
            "Without rolling residual networks are above standard ones",
            {
                c: points.best_at("", 0, name("residual", c), {"standard": name("standard", c)})
                for c in CONVOLUTIONS
            },
        ),
        joined(
            f"Where much is rolled (chi = {points.largest}) both are alike",
            {
                c: points.alike_at("", points.largest, *(name(kind, c) for kind in KINDS))
                for c in CONVOLUTIONS
            },
        ),
    )


STUDY = Study(
    source=CIFAR,
    sizes=CIFAR_SIZES,
    networks=networks,
    charts=grouped(*KINDS),
    claims=claims,
    differs=("The caption of the figure says MNIST; its text says CIFAR-10.",),
)


@experiment(
    ExperimentCard(
        name="rolling-cifar-residual",
        title="Rolled pictures: standard and residual networks",
        shows=(
            "Pictures of CIFAR-10 are shifted periodically at random. Accuracy and cost of "
            "standard and residual networks, each with three kinds of convolution."
        ),
        paper="Bird (2023), section 3.2, Fig. 17",
        rows=("B85", "B29", "B30", "B31", "B32", "B57", "B58", "B59"),
        presets=STUDY.presets,
        minutes={"quick": 3.0, "paper": 27000.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train, compare, draw."""
    return (yield from study(context, STUDY))
