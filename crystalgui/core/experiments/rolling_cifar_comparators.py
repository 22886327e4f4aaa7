"""ResNet, DenseNet and Inception beside the extractors, on rolled pictures.

Bird (2023), sections 2.7.2 and 2.8, argues that an extractor, which hands every
layer to the interpretation by itself, does better than networks that add their
layers (He et al. 2016) or keep them side by side (Huang et al. 2017; Szegedy et
al. 2015), and trains none of these but residual ones.  Here they are trained
with rolling, as published and folded into a torus.  The quick networks have
about as many parameters as the extractors; the paper preset has the published
sizes, which are larger.
"""

from __future__ import annotations

from collections.abc import Generator

from crystalgui.core.cards import Claim, ExperimentCard, Scalar
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.degrees import (
    CONVOLUTION,
    CONVOLUTIONS,
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

EXTRACTORS = ("high-bandwidth", "hybrid")
PUBLISHED = {"ResNet": "cifar", "DenseNet": "cifar-densenet", "Inception": "cifar-inception"}
"""Preset of the card "comparator" of each."""
SMALL: dict[str, dict[str, Scalar]] = {
    "ResNet": {"kind": "resnet", "depth": 1, "width": 8},
    "DenseNet": {"kind": "densenet", "depth": 2, "width": 8, "growth": 8},
    "Inception": {"kind": "inception", "depth": 1, "width": 4},
}
"""19, 15 and 13 thousand parameters; the extractors of this size have 13 thousand."""
WRAPS = {CONVOLUTION: "flat", SUM: "torus"}


def comparator(size: Size, kind: str, wrap: str) -> SweepNetwork:
    """A published network, or a small one of its kind where the extractors are small."""
    params = {} if size.preset else SMALL[kind]
    return SweepNetwork(
        title=name(kind, wrap),
        model="comparator",
        preset=PUBLISHED[kind] if size.preset else "",
        params={**params, "wrap": WRAPS[wrap]},
        group=kind,
    )


def networks(size: Size) -> tuple[SweepNetwork, ...]:
    """Each with zeros around the image and on a torus; the extractors first."""
    extractors = (
        size.extractor(name(kind, wrap), kind, kind=kind, convolution=CONVOLUTIONS[wrap])
        for kind in EXTRACTORS
        for wrap in WRAPS
    )
    return (*extractors, *(comparator(size, kind, wrap) for kind in PUBLISHED for wrap in WRAPS))


def claims(points: Points) -> tuple[Claim, ...]:
    """What the paper expects of its extractors, and of the torus."""
    rolled, flat = points.rolled, {kind: name(kind, CONVOLUTION) for kind in PUBLISHED}
    return (
        points.best_across(
            "The high-bandwidth toroidal-sum extractor is above the published networks where "
            f"images are rolled (chi from {rolled} on)",
            name(EXTRACTORS[0], SUM), flat, least=rolled,
        ),
        points.best_across(
            "It is above them also when they are folded into a torus",
            name(EXTRACTORS[0], SUM), {kind: name(kind, SUM) for kind in PUBLISHED}, least=rolled,
        ),
        joined(
            f"On a torus each published network is better where images are rolled (chi from "
            f"{rolled} on)",
            {
                kind: points.best_across("", name(kind, SUM), {CONVOLUTION: title}, least=rolled)
                for kind, title in flat.items()
            },
        ),
        joined(
            "On a torus they do not notice the degree of rolling",
            {kind: points.flat("", name(kind, SUM)) for kind in PUBLISHED},
        ),
        joined(
            f"As published they are worse where much is rolled (chi = {points.largest})",
            {kind: points.falls("", title) for kind, title in flat.items()},
        ),
    )  # fmt: skip


CHARTS = (
    Chart(
        name="comparators",
        title="Extractors and published networks against the degree of rolling",
        panels=tuple(
            Panel(
                title=words,
                quantity="accuracy",
                curves={kind: name(kind, wrap) for kind in (*EXTRACTORS, *PUBLISHED)},
            )
            for words, wrap in {"zeros around the image": CONVOLUTION, "torus": SUM}.items()
        ),
    ),
)

STUDY = Study(
    source=CIFAR,
    sizes=CIFAR_SIZES,
    networks=networks,
    charts=CHARTS,
    claims=claims,
    differs=(
        "The paper names DenseNet and Inception networks and trains neither; claims about them "
        "are what it argues, not what it measured.",
    ),
)


@experiment(
    ExperimentCard(
        name="rolling-cifar-comparators",
        title="Rolled pictures: extractors and published networks",
        shows=(
            "Pictures of CIFAR-10 are shifted periodically at random. ResNet, DenseNet and "
            "Inception, as published and on a torus, beside two medium extractors."
        ),
        paper="Bird (2023), sections 2.7.2, 2.8 and 3.2; He et al. (2016), Huang et al. (2017), "
        "Szegedy et al. (2015)",
        rows=("B59",),
        presets=STUDY.presets,
        minutes={"quick": 8.0, "paper": 290000.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Take or train, compare, draw."""
    return (yield from study(context, STUDY))
