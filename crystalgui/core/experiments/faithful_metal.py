"""Metal or not from the structure: the band gap of the label file is zero or is not.

The paper has no such task; its models are trained on it all the same, since
whether a crystal conducts is what a person asks first.
"""

from __future__ import annotations

from collections.abc import Generator

from crystalgui.core.cards import ExperimentCard
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.faithful import Learner, Size, Task, study
from crystalgui.core.experiments.results import Results
from crystalgui.core.messages import Event

TASK = Task(
    labels="mp_tqc/band_gap.csv",
    derive="metal",
    metric="accuracy",
    learners=(
        Learner(key="majority", title="Majority", model="majority", alone=True),
        Learner(key="boosting", title="Boosted trees", model="boosting"),
        Learner(key="nnn", title="NNN", model="nnn"),
        Learner(key="cgnn", title="CGNN", model="cgnn"),
        Learner(key="cann", title="CANN", model="cann"),
        Learner(key="ccnn", title="CCNN", model="ccnn"),
    ),
    sizes={"quick": Size(crystals=4000, effort=0.5), "full": Size()},
)


@experiment(
    ExperimentCard(
        name="faithful-metal",
        title="Metal or not from the structure",
        shows="Six models and their ensembles tell metals from crystals with a band gap.",
        paper="Models of Nop, Mundy, Smith, Paudyal (2025); the task is not in the paper",
        presets=TASK.presets,
        minutes={"quick": 15.0, "full": 150.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train, blend, compare."""
    return (yield from study(context, TASK))
