"""Fully connected networks against rolling (Bird 2023, Fig. 15, row B83).

Nothing in them knows of shifts: they are to be best without rolling, and the
larger ones are to learn more of the invariance than the small one.
"""

from __future__ import annotations

from collections.abc import Generator

from crystalgui.core.cards import Claim, ExperimentCard
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.degrees import Points, beside, joined
from crystalgui.core.experiments.results import Results
from crystalgui.core.experiments.rolling import MNIST, Size, Study, study
from crystalgui.core.messages import Event, SweepNetwork

NETWORKS = {"small": "mnist-small", "medium": "mnist-medium", "large": "mnist-large"}


def networks(size: Size) -> tuple[SweepNetwork, ...]:
    """The three of the paper, rows B48 to B50; `size` changes nothing in them."""
    del size
    return tuple(SweepNetwork(title=t, model="dense", preset=p) for t, p in NETWORKS.items())


def claims(points: Points) -> tuple[Claim, ...]:
    """Section 3.2 on Fig. 15."""
    last = points.largest
    high = sorted(points.rollings)[len(points.rollings) // 2 + 1]
    return (
        joined(
            "All networks have their highest accuracy without rolling",
            {t: points.falls("", t) for t in NETWORKS},
        ),
        points.best_at(
            f"The large network is above the small one where much is rolled (chi = {last})",
            last, "large", {"small": "small"},
        ),
        points.best_at(
            f"The medium network is above the small one where much is rolled (chi = {last})",
            last, "medium", {"small": "small"},
        ),
        joined(
            f"From chi = {high} on accuracies stagnate",
            {t: points.flat("", t, least=high) for t in NETWORKS},
        ),
    )  # fmt: skip


STUDY = Study(
    source=MNIST,
    sizes={
        "quick": Size(
            rollings=(0, 2, 5, 12, 27), repeats=3, epochs=6, rate=1e-3, train=2500, test=2000,
        ),
        "paper": Size(rollings=tuple(range(28)), repeats=3, epochs=10, rate=1e-4),
    },
    networks=networks,
    charts=beside({title: title for title in NETWORKS}),
    claims=claims,
)  # fmt: skip


@experiment(
    ExperimentCard(
        name="rolling-mnist-fcn",
        title="Rolled digits: fully connected networks",
        shows=(
            "Digits are shifted periodically at random. Accuracy and cost of three fully "
            "connected networks against the degree of rolling."
        ),
        paper="Bird (2023), section 3.2, Fig. 15",
        rows=("B83", "B48", "B49", "B50"),
        presets=STUDY.presets,
        minutes={"quick": 6.0, "paper": 300.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train, compare, draw."""
    return (yield from study(context, STUDY))
