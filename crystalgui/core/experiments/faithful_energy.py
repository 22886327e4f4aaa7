"""Formation energy from the structure (Nop et al. 2025, Table 2, rows N04 and N18)."""

from __future__ import annotations

from collections.abc import Generator

from crystalgui.core.cards import ExperimentCard
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.faithful import Learner, Size, Task, study
from crystalgui.core.experiments.results import Results
from crystalgui.core.messages import Event

TASK = Task(
    labels="mp_tqc/formation_energy.csv",
    table="Table 2",
    metric="mae",
    percent=False,
    learners=(
        Learner(key="median", title="Median", model="majority", published=1.0, alone=True),
        Learner(key="boosting", title="Boosted trees", model="boosting"),
        Learner(key="nnn", title="NNN", model="nnn", published=0.26),
        Learner(
            key="cgnn",
            title="CGNN",
            model="cgnn",
            settings={"dropout": 0.0, "wide": 128, "substitution": 0.0, "batch_size": 64,
                      "ema": 0.995},
            published=0.10,
        ),
        Learner(key="cann", title="CANN", model="cann", published=0.11),
        Learner(key="ccnn", title="CCNN", model="ccnn", published=0.19),
    ),
    sizes={"quick": Size(crystals=4000, effort=0.5), "full": Size()},
    differs=(
        "Energies are those of crystals whose formula has one polymorph; the paper’s own file "
        "mixes totals and functionals and gives no formation energies.",
    ),
)  # fmt: skip


@experiment(
    ExperimentCard(
        name="faithful-energy",
        title="Formation energy from the structure",
        shows="Six models and their ensembles predict the formation energy per atom.",
        paper="Nop, Mundy, Smith, Paudyal (2025), Table 2",
        rows=("N04", "N18"),
        presets=TASK.presets,
        minutes={"quick": 15.0, "full": 150.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train, blend, compare."""
    return (yield from study(context, TASK))
