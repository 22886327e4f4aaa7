"""Must a crystal whose atoms are pulled apart be trivial? (Nop et al. 2025, Figs. 1 and 2, N21).

Every model of topological classes is asked for test crystals whose lengths are
multiplied by r.  The paper calls this a test that a faithful model must pass;
no model that learned a database has seen such crystals.  The same graph
network is therefore trained once more with expanded, trivially labelled
crystals among its training rows, and what that costs on crystals as they are.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import ExperimentCard, Measured
from crystalgui.core.experiments import faithful
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.faithful import Learner, Size
from crystalgui.core.experiments.results import Results
from crystalgui.core.messages import Event

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crystalgui.core.experiments.figures import Style

Floats = NDArray[np.float64]
LABELS = "mp_tqc/tqc.csv"
FACTORS = (1.0, 1.1, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
TAUGHT = 0.2
LEARNERS = (
    Learner(key="boosting", title="Boosted trees", model="boosting"),
    Learner(key="nnn", title="NNN", model="nnn"),
    Learner(key="cgnn", title="CGNN", model="cgnn"),
    Learner(key="cann", title="CANN", model="cann"),
    Learner(key="ccnn", title="CCNN", model="ccnn"),
    Learner(
        key="cgnn-taught",
        title="CGNN, taught the limit",
        model="cgnn",
        settings={"expanded": TAUGHT},
    ),
)
SIZES = {"quick": Size(crystals=4000, effort=0.5), "full": Size()}


@experiment(
    ExperimentCard(
        name="atomic-limit",
        title="The atomic limit",
        shows=(
            "Atoms are pulled apart until they do not see each other. Which models call the "
            "crystal trivial then, and what does it cost to teach it?"
        ),
        paper="Nop, Mundy, Smith, Paudyal (2025), Figs. 1 and 2",
        rows=("N21",),
        presets={
            name: f"{len(LEARNERS)} models on {size.words}; 500 test crystals"
            for name, size in SIZES.items()
        },
        minutes={"quick": 15.0, "full": 150.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train, pull apart, compare."""
    size = SIZES[context.preset]
    folder = yield from faithful.crystals(context, LABELS, "", size.crystals)
    found: dict[str, dict[str, Any]] = {}
    for number, learner in enumerate(LEARNERS):
        done = yield from faithful.learnt(
            context, learner, folder, size.effort, number / (len(LEARNERS) + 1)
        )
        found[learner.key] = done
    shares = {}
    for learner in LEARNERS:
        yield context.progress(len(LEARNERS), len(LEARNERS) + 1, f"Pulling apart: {learner.title}")
        shares[learner.key] = _shares(context, learner, folder, Path(found[learner.key]["folder"]))
    return _outcome(context, size, found, shares)


def _shares(context: Context, learner: Learner, folder: Path, model: Path) -> Floats:
    """Share of the test crystals that a model calls trivial at each factor."""
    from crystalgui.core.datasets.dataset import Dataset
    from crystalgui.core.models.atomic_limit import share_trivial
    from crystalgui.core.models.predict import Classifier
    from crystalgui.core.training.plan import plan

    key = f"limit-{learner.key}"
    kept = context.done(key)
    if kept is None:
        recipe = faithful.recipe_of(context, learner, folder, 1.0)
        rows = plan(recipe).parts.test
        some = np.random.default_rng(0).permutation(rows)[:500]
        records = Dataset.load(folder).records.select(np.sort(some))
        classifier = Classifier.load(model, context.device)
        kept = context.keep(key, {"shares": share_trivial(classifier, records, FACTORS)})
    return np.array(kept["shares"], np.float64)


def _outcome(
    context: Context, size: Size, found: dict[str, dict[str, Any]], shares: dict[str, Floats]
) -> Results:
    titles = {learner.key: learner.title for learner in LEARNERS}
    header = ["factor", *titles.values()]
    rows = [
        [factor, *(float(shares[key][i]) for key in titles)] for i, factor in enumerate(FACTORS)
    ]
    context.table("shares", header, rows, "Share of test crystals called trivial")

    def draw(figure: Figure, style: Style) -> None:
        (axes,) = style.axes(figure, right=0.72)
        for number, (key, title) in enumerate(titles.items()):
            axes.plot(FACTORS, 100 * shares[key], color=style.colour(number), linewidth=1.2,
                      marker="o", markersize=2.5, label=title)  # fmt: skip
        axes.set_ylim(0, 103)
        style.label(axes, "factor of every length, r", "called trivial (%)")
        axes.legend(frameon=False, fontsize=6, labelcolor=style.text, loc="center left",
                    bbox_to_anchor=(1.02, 0.5))  # fmt: skip

    context.figure("shares", draw, "Crystals called trivial while their atoms are pulled apart",
                   470.0, 220.0)  # fmt: skip
    numbers = []
    for key, title in titles.items():
        for factor in (1.0, FACTORS[-1]):
            numbers.append(
                Measured(
                    name=f"{title}: called trivial at r = {factor:g}",
                    value=100 * float(shares[key][FACTORS.index(factor)]),
                    published=100.0 if factor > 1 else float("nan"),
                    unit="%",
                )
            )
        accuracy = 100 * found[key]["metrics"]["accuracy"]
        numbers.append(Measured(name=f"{title}: accuracy", value=accuracy, unit="%"))
    return Results(
        numbers=tuple(numbers),
        differs=(
            f"The size of this preset: {size.words}; 500 test crystals are pulled apart.",
            "The paper shows one crystal for each model and says that all models must turn "
            "trivial; here the share of crystals is counted.",
            "Of the lengths, NNN reads only the volume of an atom.",
            f"Taught: {100 * TAUGHT:g} % more training rows, with lengths 2 to 6 times as long.",
        ),
    )
