"""Residual networks and medium extractors against rolling (Bird 2023, Fig. 18, row B86)."""

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

KINDS = ("residual", "tuned", "free")


def networks(size: Size) -> tuple[SweepNetwork, ...]:
    """Rows B31 to B38."""
    return size.kinds(*KINDS)


def claims(points: Points) -> tuple[Claim, ...]:
    """Section 3.2 on Fig. 18."""

    def above(text: str, chi: int, first: str, second: str) -> Claim:
        parts = {
            c: points.best_at("", chi, name(first, c), {second: name(second, c)})
            for c in CONVOLUTIONS
        }
        return joined(text, parts)

    return (
        joined(
            f"Convolution is worse where much is rolled (chi = {points.largest})",
            {kind: points.falls("", name(kind, CONVOLUTION)) for kind in KINDS},
        ),
        joined(
            "Toroidal-sum networks do not notice the degree of rolling",
            {kind: points.flat("", name(kind, SUM)) for kind in KINDS},
        ),
        joined(
            "Toroidal FCN is the best over all chi",
            {
                kind: points.best_across(
                    "", name(kind, FCN), {c: name(kind, c) for c in (CONVOLUTION, SUM)}
                )
                for kind in KINDS
            },
        ),
        above(
            f"Where much is rolled (chi = {points.largest}) tuned extractors are above residual "
            "networks", points.largest, "tuned", "residual",
        ),
        above("Without rolling residual networks are above tuned extractors",
              0, "residual", "tuned"),
        points.best_across(
            "On a torus free extractors are above residual networks",
            name("free", SUM), {"residual": name("residual", SUM)},
        ),
        points.best_across(
            "On a torus free extractors are above tuned ones",
            name("free", SUM), {"tuned": name("tuned", SUM)},
        ),
    )  # fmt: skip


STUDY = Study(
    source=CIFAR, sizes=CIFAR_SIZES, networks=networks, charts=grouped(*KINDS), claims=claims
)


@experiment(
    ExperimentCard(
        name="rolling-cifar-extractor",
        title="Rolled pictures: tuned and free medium extractors",
        shows=(
            "Pictures of CIFAR-10 are shifted periodically at random. Medium extractors with "
            "tuned and with free attention beside residual networks."
        ),
        paper="Bird (2023), section 3.2, Fig. 18",
        rows=("B86", "B31", "B32", "B33", "B34", "B35", "B36", "B37", "B38"),
        presets=STUDY.presets,
        minutes={"quick": 4.5, "paper": 41000.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train, compare, draw."""
    return (yield from study(context, STUDY))
