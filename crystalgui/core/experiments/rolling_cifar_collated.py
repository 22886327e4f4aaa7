"""All networks against rolling in one figure (Bird 2023, Figs. 21 and 29, rows B89 and B90).

What the other experiments on CIFAR-10 keep in folders beside this one is
taken from there; only what is missing is trained.
"""

from __future__ import annotations

from collections.abc import Generator

from crystalgui.core.cards import Claim, ExperimentCard
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.degrees import (
    CONVOLUTION,
    CONVOLUTIONS,
    FCN,
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

HIGH = "high-bandwidth"


def networks(size: Size) -> tuple[SweepNetwork, ...]:
    """Rows B29 to B44 with the two controls of convolutions."""
    return size.kinds(*KINDS)


def _panel(convolution: str) -> Panel:
    curves = {kind: name(kind, convolution) for kind in KINDS}
    return Panel(title=convolution, quantity="accuracy", curves=curves)


CHARTS = (
    Chart(name="sum", title="Toroidal-sum networks (Fig. 21)", panels=(_panel(SUM),)),
    Chart(
        name="all",
        title="All networks, by their convolution (Fig. 29)",
        panels=tuple(_panel(convolution) for convolution in CONVOLUTIONS),
    ),
)


def claims(points: Points) -> tuple[Claim, ...]:
    """Section 3.2 on Figs. 21 and 29, and its conclusions."""
    best = name(HIGH, SUM)
    sums = {kind: name(kind, SUM) for kind in KINDS if kind != HIGH}
    priors = ("standard", "residual")
    return (
        joined(
            "Toroidal-sum networks do not notice the degree of rolling",
            {kind: points.flat("", name(kind, SUM)) for kind in KINDS},
        ),
        points.best_across(
            "The high-bandwidth extractor is the best toroidal-sum network", best, sums
        ),
        joined(
            "Toroidal-sum extractors are above the prior networks",
            {
                kind: points.best_across(
                    "", name(kind, SUM), {prior: name(prior, SUM) for prior in priors}
                )
                for kind in ("tuned", "free", HIGH)
            },
        ),
        joined(
            "Toroidal FCN is the best convolution over all chi",
            {
                kind: points.best_across(
                    "", name(kind, FCN), {c: name(kind, c) for c in (CONVOLUTION, SUM)}
                )
                for kind in KINDS
            },
        ),
        joined(
            "Without rolling convolution is the best",
            {
                kind: points.best_at(
                    "", 0, name(kind, CONVOLUTION), {c: name(kind, c) for c in (FCN, SUM)}
                )
                for kind in KINDS
            },
        ),
        points.best_across(
            "For chi > 0 the high-bandwidth toroidal-sum extractor is the best of all networks",
            best, {t: t for t in points.titles if t not in (best, name(HIGH, FCN))},
            points.rolled,
        ),
        joined(
            "The hybrid lies between the residual network and the high-bandwidth extractor "
            "(toroidal sum)",
            {
                "hybrid": points.best_across(
                    "", name("hybrid", SUM), {"residual": name("residual", SUM)}
                ),
                HIGH: points.best_across("", best, {"hybrid": name("hybrid", SUM)}),
            },
        ),
    )  # fmt: skip


STUDY = Study(source=CIFAR, sizes=CIFAR_SIZES, networks=networks, charts=CHARTS, claims=claims)


@experiment(
    ExperimentCard(
        name="rolling-cifar-collated",
        title="Rolled pictures: all architectures",
        shows=(
            "Accuracy of six architectures with three kinds of convolution against the degree "
            "of rolling, from the results of the other experiments on CIFAR-10."
        ),
        paper="Bird (2023), section 3.2 and appendix D, Figs. 21 and 29",
        rows=("B89", "B90"),
        presets=STUDY.presets,
        minutes={"quick": 9.0, "paper": 87000.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Take or train, compare, draw."""
    return (yield from study(context, STUDY))
