"""Magnetic ordering from the structure (Nop et al. 2025, Table 2, rows N03 and N18)."""

from __future__ import annotations

from collections.abc import Generator

from crystalgui.core.cards import ExperimentCard
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.faithful import Learner, Size, Task, study
from crystalgui.core.experiments.results import Results
from crystalgui.core.messages import Event

TASK = Task(
    labels="mp_tqc/magnetic_ordering.csv",
    table="Table 2",
    metric="accuracy",
    learners=(
        Learner(key="majority", title="Majority", model="majority", published=0.54, alone=True),
        Learner(key="boosting", title="Boosted trees", model="boosting"),
        Learner(key="nnn", title="NNN", model="nnn", published=0.75),
        Learner(key="cgnn", title="CGNN", model="cgnn", published=0.84),
        Learner(key="cann", title="CANN", model="cann", published=0.81),
        Learner(key="ccnn", title="CCNN", model="ccnn", published=0.79),
    ),
    sizes={"quick": Size(crystals=4000, effort=0.5), "full": Size()},
    differs=(
        "The paper has 154,300 crystals of which 54 % are not magnetic, these are other crystals.",
    ),
)


@experiment(
    ExperimentCard(
        name="faithful-magnetic",
        title="Magnetic ordering from the structure",
        shows=(
            "Six models and their ensembles tell non-magnetic, ferro-, ferri- and "
            "antiferromagnetic crystals apart."
        ),
        paper="Nop, Mundy, Smith, Paudyal (2025), Table 2",
        rows=("N03", "N18"),
        presets=TASK.presets,
        minutes={"quick": 15.0, "full": 150.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train, blend, compare."""
    return (yield from study(context, TASK))
