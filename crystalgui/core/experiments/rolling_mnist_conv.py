"""Convolutional networks against rolling (Bird 2023, Fig. 16, row B84).

Convolutions with zeros around the image, on a torus but for the last layer,
and on a torus throughout; tensors shrink by stride ("full") or local pooling.
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
    beside,
    joined,
    name,
)
from crystalgui.core.experiments.results import Results
from crystalgui.core.experiments.rolling import MNIST, Size, Study, study
from crystalgui.core.messages import Event, SweepNetwork

REDUCTIONS = {"full": "full", "pool": "pooling"}
TITLES = [name(words, c) for words in REDUCTIONS for c in CONVOLUTIONS]


def networks(size: Size) -> tuple[SweepNetwork, ...]:
    """Rows B51 to B56."""
    return tuple(
        size.extractor(name(words, title), words, kind="standard", convolution=value, reduce=reduce)
        for words, reduce in REDUCTIONS.items()
        for title, value in CONVOLUTIONS.items()
    )


def claims(points: Points) -> tuple[Claim, ...]:
    """Section 3.2 on Fig. 16."""

    def two(text: str, wanted: str, *others: str, chi: int | None = None) -> Claim:
        parts = {}
        for words in REDUCTIONS:
            against = {other: name(words, other) for other in others}
            if chi is None:
                parts[words] = points.best_across("", name(words, wanted), against)
            else:
                parts[words] = points.best_at("", chi, name(words, wanted), against)
        return joined(text, parts)

    return (
        joined(
            "Toroidal-sum networks do not notice the degree of rolling",
            {words: points.flat("", name(words, SUM)) for words in REDUCTIONS},
        ),
        joined(
            "Pooling and strides are equally accurate",
            {
                c: points.alike_across("", *(name(words, c) for words in REDUCTIONS))
                for c in CONVOLUTIONS
            },
        ),
        two("Without rolling convolution is above toroidal sum", CONVOLUTION, SUM, chi=0),
        two("Without rolling toroidal FCN is above toroidal sum", FCN, SUM, chi=0),
        two("Toroidal FCN is the best over all chi", FCN, CONVOLUTION, SUM),
    )


STUDY = Study(
    source=MNIST,
    sizes={
        "quick": Size(
            rollings=(0, 5, 14), repeats=3, epochs=4, rate=5e-3, batch=32, train=1000,
            test=1000,
            params={"halvings": 2, "depth": 1, "width": 8, "wide": 32},
        ),
        "paper": Size(rollings=tuple(range(28)), repeats=3, epochs=10, rate=1e-4, preset="mnist"),
    },
    networks=networks,
    charts=beside({title: title for title in TITLES}),
    claims=claims,
)  # fmt: skip


@experiment(
    ExperimentCard(
        name="rolling-mnist-conv",
        title="Rolled digits: convolution and torus",
        shows=(
            "Digits are shifted periodically at random. Accuracy and cost of six convolutional "
            "networks against the degree of rolling: edges, no edges but in the last layer, none."
        ),
        paper="Bird (2023), section 3.2, Figs. 16, 26 and 27",
        rows=("B84", "B51", "B52", "B53", "B54", "B55", "B56"),
        presets=STUDY.presets,
        minutes={"quick": 4.0, "paper": 6300.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train, compare, draw."""
    return (yield from study(context, STUDY))
