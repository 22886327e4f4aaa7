"""Topological class from the structure (Nop et al. 2025, Table 3, row N19)."""

from __future__ import annotations

from collections.abc import Generator

from crystalgui.core.cards import ExperimentCard, Scalar
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.faithful import Learner, Size, Task, study
from crystalgui.core.experiments.results import Results
from crystalgui.core.messages import Event

AT_RANDOM: dict[str, Scalar] = {"split.kind": "random"}
TASK = Task(
    labels="mp_tqc/tqc.csv",
    table="Table 3, advanced",
    metric="accuracy",
    learners=(
        Learner(key="majority", title="Majority", model="majority", published=0.49, alone=True),
        Learner(key="boosting", title="Boosted trees", model="boosting", published=0.76),
        Learner(key="nnn", title="NNN", model="nnn", published=0.65),
        Learner(key="cgnn", title="CGNN", model="cgnn", published=0.80),
        Learner(key="cann", title="CANN", model="cann", published=0.75),
        Learner(key="ccnn", title="CCNN", model="ccnn", published=0.71),
        Learner(
            key="boosting-random",
            title="Boosted trees, random split",
            model="boosting",
            settings=AT_RANDOM,
            published=0.76,
            alone=True,
        ),
        Learner(
            key="nnn-random",
            title="NNN, random split",
            model="nnn",
            settings=AT_RANDOM,
            published=0.65,
            alone=True,
        ),
    ),
    sizes={"quick": Size(crystals=4000, effort=0.5), "full": Size()},
)


@experiment(
    ExperimentCard(
        name="faithful-tqc",
        title="Topological class from the structure",
        shows=(
            "Six models and their ensembles learn the five classes of topological quantum "
            "chemistry from crystals of the Materials Project; no formula is on both sides, except "
            "where two of them are divided at random as in the paper."
        ),
        paper="Nop, Mundy, Smith, Paudyal (2025), Table 3",
        rows=("N19", "N09", "N10", "N11", "N14", "N15", "N16"),
        presets=TASK.presets,
        minutes={"quick": 15.0, "full": 150.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train, blend, compare."""
    return (yield from study(context, TASK))
