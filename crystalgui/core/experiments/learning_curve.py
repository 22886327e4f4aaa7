"""How accuracy grows with the number of crystals and with the epochs (Nop et al. 2025; row N20).

The paper tells of training, on its Table 3: a fast rise, a plateau of about one
epoch, a slow rise over 20 to 60 epochs, and a second plateau near 75 %.  Beside
that curve stands the one that says whether more data would help: every model
learns 1/16 to all of the formulas that are not tested, the smaller sets inside
the larger ones, and answers for the same test crystals, whose formulas none
of them has seen.  What validates is taken from the formulas of each set.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import ExperimentCard, Measured, Scalar
from crystalgui.core.experiments import faithful
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.faithful import Learner, Size
from crystalgui.core.experiments.results import Results
from crystalgui.core.messages import Event

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crystalgui.core.experiments.figures import Style

LABELS = "mp_tqc/tqc.csv"
SHARES = {
    "quick": (Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(1)),
    "full": tuple(Fraction(1, 2**n) for n in (4, 3, 2, 1, 0)),
}
SIZES = {"quick": Size(crystals=4000, effort=0.5), "full": Size()}
OWN_TEST: dict[str, Scalar] = {"split.test": 0.02}
"""Every run has test rows of its own, which are not used: the smallest that are allowed."""
LEARNERS = (
    Learner(key="boosting", title="Boosted trees", model="boosting", settings=OWN_TEST),
    Learner(key="nnn", title="NNN", model="nnn", settings=OWN_TEST),
    Learner(key="cgnn", title="CGNN", model="cgnn", settings=OWN_TEST),
)
PLATEAU = 75.0


@dataclass(frozen=True, slots=True)
class Step:
    """A model that learnt some of the crystals: its accuracy on the test crystals, in per cent."""

    crystals: int
    accuracy: float
    epochs: tuple[float, ...]


@experiment(
    ExperimentCard(
        name="learning-curve",
        title="Accuracy against crystals and epochs",
        shows=(
            "Three models learn a sixteenth to all of the formulas that are not tested. Would "
            "more data help, and where does training rise, rest and rise again?"
        ),
        paper="Nop, Mundy, Smith, Paudyal (2025), section on experiments",
        rows=("N20",),
        presets={
            name: f"{len(LEARNERS)} models on {', '.join(map(str, SHARES[name]))} of {size.words}"
            for name, size in SIZES.items()
        },
        minutes={"quick": 15.0, "full": 180.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train on nested parts, and ask every model for the same test crystals."""
    size, shares = SIZES[context.preset], SHARES[context.preset]
    folder = yield from faithful.crystals(context, LABELS, "", size.crystals)
    test, parts = divide(folder, shares)
    found: dict[str, list[Step]] = {}
    done, total = 0, len(LEARNERS) * len(parts)
    for learner in LEARNERS:
        for share, part in parts.items():
            own = replace(learner, key=_key(learner, share))
            kept = yield from faithful.learnt(context, own, part, size.effort, done / total)
            done += 1
            yield context.progress(done, total, f"{learner.title} answers for the test crystals")
            accuracy = _accuracy(context, own.key, Path(kept["folder"]), folder, test)
            epochs = _epochs(context, kept["run"])
            found.setdefault(learner.key, []).append(Step(_size(part), accuracy, epochs))
    return _outcome(context, size, found, len(test))


def _key(learner: Learner, share: Fraction) -> str:
    return f"{learner.key}-{share.numerator}of{share.denominator}"


# ------------------------------------------------------------------------- data


def divide(
    folder: Path, shares: tuple[Fraction, ...]
) -> tuple[NDArray[np.int64], dict[Fraction, Path]]:
    """Test rows of a data set, and data sets of shares of the other formulas, nested."""
    from crystalgui.core.datasets.dataset import SUMMARY, Dataset
    from crystalgui.core.datasets.splits import split
    from crystalgui.core.messages import SplitSpec

    whole = Dataset.load(folder)
    keys = whole.records.keys()
    parts = split(SplitSpec(), keys, whole.classes)
    others = np.sort(np.concatenate([parts.train, parts.validation]))
    formulas = sorted({keys[row] for row in others.tolist()}, key=repr)
    order = np.random.default_rng(0).permutation(len(formulas))
    rank = {formulas[place]: i for i, place in enumerate(order.tolist())}
    made = {}
    for share in shares:
        name = f"{folder.name}-{share.numerator}of{share.denominator}"
        path = made[share] = folder.with_name(name)
        if not (path / SUMMARY).is_file():
            most = share * len(formulas)
            rows = [row for row in others.tolist() if rank[keys[row]] < most]
            faithful.part(whole, np.array(rows, np.int64), path).save()
    return parts.test, made


def _size(folder: Path) -> int:
    from crystalgui.core.datasets.dataset import load_summary

    return load_summary(folder).size


# ---------------------------------------------------------------------- answers


def _accuracy(
    context: Context, key: str, model: Path, folder: Path, test: NDArray[np.int64]
) -> float:
    """Of a model on the test crystals, in per cent."""
    from crystalgui.core import stopping
    from crystalgui.core.datasets.dataset import Dataset
    from crystalgui.core.models.predict import CHUNK, Classifier

    kept = context.done(f"test-{key}")
    if kept is None:
        classifier = Classifier.load(model, context.device)
        dataset = Dataset.load(folder)
        names, true = dataset.summary.classes, dataset.target.astype(np.int64)
        place = np.array([names.index(name) for name in classifier.card.classes])
        right = 0
        for start in range(0, len(test), CHUNK):
            stopping.check(context.stop)
            rows = test[start : start + CHUNK]
            said = place[classifier.outputs(dataset.records.select(rows)).argmax(1)]
            right += int((said == true[rows]).sum())
        kept = context.keep(f"test-{key}", {"accuracy": 100 * right / len(test)})
    return float(kept["accuracy"])


def _epochs(context: Context, run: str) -> tuple[float, ...]:
    """Accuracy on the validation rows after each epoch of a run, in per cent."""
    from crystalgui.core.store.project import Project

    with Project.open(context.folder("project")) as project:
        rows = project.run(run).metrics()
    return tuple(100 * row["val/accuracy"] for row in rows if "val/accuracy" in row)


# ---------------------------------------------------------------------- outcome


def _outcome(context: Context, size: Size, found: Mapping[str, list[Step]], tested: int) -> Results:
    titles = {learner.key: learner.title for learner in LEARNERS}
    context.table(
        "sizes", ["model", "crystals", "accuracy (%)"],
        [[titles[key], s.crystals, s.accuracy] for key, steps in found.items() for s in steps],
        "Accuracy on the test crystals against the crystals that were learnt",
    )  # fmt: skip
    context.table(
        "epochs", ["model", "epoch", "validation accuracy (%)"],
        [
            [titles[key], epoch, value]
            for key, steps in found.items()
            for epoch, value in enumerate(steps[-1].epochs, 1)
        ],
        "Accuracy on the validation crystals against epochs, with all formulas",
    )  # fmt: skip
    _figure(context, titles, found)
    numbers: list[Measured] = []
    for key, steps in found.items():
        last = steps[-1].accuracy
        numbers.append(Measured(name=f"{titles[key]}: all formulas", value=last, unit="%"))
        gain = last - steps[-2].accuracy
        numbers.append(
            Measured(name=f"{titles[key]}: gained by the last doubling", value=gain, unit="%")
        )
        if steps[-1].epochs:
            first = steps[-1].epochs[0]
            name = f"{titles[key]}: validation accuracy after the first epoch"
            numbers.append(Measured(name=name, value=first, unit="%"))
    return Results(numbers=tuple(numbers), differs=_differs(size, tested))


def _differs(size: Size, tested: int) -> tuple[str, ...]:
    return (
        f"The size of this preset: {size.words}.",
        f"{tested:,} test crystals, whose formulas no model has learnt (the paper divides at "
        "random); 10 % of the formulas of each set validate, 2 % are not used.",
        "The paper tells of epochs in words and draws no curve; accuracy against the number of "
        "crystals is not in the paper.",
        "Every model trains for the same number of epochs on each set, so that small sets also "
        "mean fewer steps; the epochs of boosted trees are groups of trees.",
        "One network each: its spread over seeds is not measured.",
    )


def _figure(context: Context, titles: Mapping[str, str], found: Mapping[str, list[Step]]) -> None:
    """Accuracy against crystals, and beside it against epochs."""

    def draw(figure: Figure, style: Style) -> None:
        sizes, epochs = style.axes(figure, columns=2)
        for number, (key, steps) in enumerate(found.items()):
            look: dict[str, Any] = {"color": style.colour(number), "linewidth": 1.2}
            sizes.plot([s.crystals for s in steps], [s.accuracy for s in steps], marker="o",
                       markersize=2.5, label=titles[key], **look)  # fmt: skip
            values = steps[-1].epochs
            epochs.plot(range(1, len(values) + 1), values, label=titles[key], **look)
        sizes.set_xscale("log", base=2)
        learnt = sorted({s.crystals for steps in found.values() for s in steps})
        sizes.set_xticks(learnt, [f"{n:,}" for n in learnt])
        epochs.axhline(PLATEAU, color=style.text, linewidth=0.6, linestyle=":")
        style.label(sizes, "crystals learnt", "right, test (%)")
        style.label(epochs, "epoch", "right, validation (%)")
        sizes.legend(frameon=False, fontsize=6, labelcolor=style.text, loc="lower right")

    context.figure("curves", draw, "Accuracy against crystals and epochs; the dotted line is the "
                   "plateau that the paper tells of", 470.0, 210.0)  # fmt: skip
