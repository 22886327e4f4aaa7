"""Faithful crystal models on one task: what the experiments after Nop et al. (2025) share.

Tables 1 to 3 of the paper: baseline, naive network (NNN), graph network (CGNN),
voxel network (CCNN) and attention network (CANN), on a random split.  Here
every model learns the same crystals, no formula is on both sides of the split,
and boosted trees and ensembles of all of them stand beside.  A crystal that
is too large for a model gets the answer of the baseline, as in the paper, and
the score is given with and without those.

Every training is a run of a project inside the folder of the experiment, so
one that was cut off goes on where it was.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crystalgui.core.cards import Measured, Scalar
from crystalgui.core.errors import DataError
from crystalgui.core.experiments._registry import Context
from crystalgui.core.experiments.results import Cell, Results
from crystalgui.core.messages import (
    DatasetReady,
    EpochMetrics,
    Event,
    ImportJob,
    LogLine,
    Progress,
    RunCreated,
    Stopped,
    TrainJob,
    TrainRecipe,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crystalgui.core.datasets.dataset import Dataset
    from crystalgui.core.experiments.figures import Style

STRUCTURES = "mp_tqc/POSCAR.zip"
NAN = float("nan")
FORMULAS = "composition"
ENSEMBLES = {"vote": "Ensemble, soft vote", "stack": "Ensemble, stacked"}
METRICS = {
    "accuracy": "accuracy",
    "accuracy_coarse": "accuracy, three classes",
    "accuracy_within": "accuracy, without those beyond its size",
    "calibration_error": "calibration error",
    "accuracy_surest_half": "accuracy on the half it is surest of",
    "mae": "mean absolute error",
    "mae_within": "mean absolute error, without those beyond its size",
    "rmse": "root mean square error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A model in the table.

    ``published`` is its number in the paper; ``settings`` are parameters of
    the model and fields of the recipe; ``alone`` keeps it out of ensembles.
    """

    key: str
    title: str
    model: str
    preset: str = "small"
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    published: float = NAN
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of a preset: crystals (0: all) and the share of the epochs of each model."""

    crystals: int = 0
    effort: float = 1.0

    @property
    def words(self) -> str:
        """``6,000 crystals, 0.5 of the epochs``."""
        many = f"{self.crystals:,} crystals" if self.crystals else "all crystals"
        return many if self.effort == 1 else f"{many}, {self.effort:g} of the epochs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task of the paper.

    Attributes
    ----------
    labels : str
        File of labels in the data folder.
    derive : str
        Target that follows from them.
    table : str
        Of the paper; empty: the paper has no such task.
    metric : str
        Of the headline numbers; others are in the table of results.
    learners : tuple of Learner
    sizes : mapping of preset to Size
    percent : bool
        Whether the metric is shown in per cent.
    """

    labels: str
    metric: str
    learners: tuple[Learner, ...]
    sizes: Mapping[str, Size]
    table: str = ""
    derive: str = ""
    percent: bool = True
    differs: tuple[str, ...] = ()

    @property
    def presets(self) -> dict[str, str]:
        """A sentence on the size of each, for the card."""
        return {
            name: f"{len(self.learners)} models and their ensembles on {size.words}"
            for name, size in self.sizes.items()
        }


def study(context: Context, task: Task) -> Generator[Event, None, Results]:
    """Train what is missing, then the table beside the paper's."""
    size = task.sizes[context.preset]
    folder = yield from crystals(context, task.labels, task.derive, size.crystals)
    found: dict[str, dict[str, Any]] = {}
    for number, learner in enumerate(task.learners):
        found[learner.key] = yield from learnt(
            context, learner, folder, size.effort, number / (len(task.learners) + 1)
        )
    for blend, title in ENSEMBLES.items():
        yield context.progress(len(task.learners), len(task.learners) + 1, title)
        found[blend] = _ensemble(context, task, blend, folder, size.effort)
    return _outcome(context, task, size, found, folder)


# ------------------------------------------------------------------------- data


def crystals(
    context: Context, labels: str, derive: str = "", many: int = 0
) -> Generator[Event, None, Path]:
    """The folder of the crystals of the data folder with these labels, purified.

    ``many`` of them are drawn, or 0: all.  Those drawn have a folder of their own beside that
    of all, whose summary is written last, so one that was cut off is not taken for whole.
    """
    from crystalgui.core.datasets.dataset import SUMMARY, load_summary
    from crystalgui.core.datasets.hamiltonians.families import data_folder
    from crystalgui.core.datasets.importer import import_dataset

    name = f"{Path(labels).stem}{f'-{derive}' if derive else ''}{f'-{many}' if many else ''}"
    project = context.folder("project")
    wanted = project / ".crystalgui" / "datasets" / name
    if (wanted / SUMMARY).is_file() and (not many or load_summary(wanted).size <= many):
        return wanted
    if many:
        everything = yield from crystals(context, labels, derive)
        return _fewer(everything, many, wanted)
    source, file = data_folder() / STRUCTURES, data_folder() / labels
    for path in (source, file):
        if not path.exists():
            raise DataError(
                f"{path.name} is not on this machine.",
                f"Put it into the data folder as {path.relative_to(data_folder())}, and name that "
                "folder in the environment variable CRYSTALGUI_DATA.",
                path=path,
            )
    job = ImportJob(
        project=project, source=source, labels=file, name=name, derive=derive, purify=True
    )
    made: Path | None = None
    for event in import_dataset(job):
        context.check()
        if isinstance(event, DatasetReady):
            made = event.summary.folder
        elif isinstance(event, Progress | LogLine):
            yield event
    assert made is not None
    return made


def _fewer(everything: Path, many: int, folder: Path) -> Path:
    """Save ``many`` crystals of a data set, drawn formula by formula: at most one is cut."""
    from crystalgui.core.datasets.dataset import Dataset

    whole = Dataset.load(everything)
    keys = whole.records.keys()
    order = np.random.default_rng(0).permutation(len(set(keys)))
    rank = dict(zip(sorted(set(keys), key=repr), order.tolist(), strict=True))
    rows = np.array(sorted(range(len(keys)), key=lambda i: (rank[keys[i]], i))[:many], np.int64)
    rows.sort()
    part(whole, rows, folder).save()
    return folder


def part(whole: Dataset, rows: Any, folder: Path) -> Dataset:
    """Some rows of a data set, to be saved in a folder of its own."""
    import hashlib

    from crystalgui.core.datasets.dataset import Dataset

    target = whole.target[rows]
    classes = whole.summary.classes
    counts = [int((target == number).sum()) for number in range(len(classes))]
    records = whole.records.select(rows)
    digest = hashlib.sha256(f"{whole.summary.digest} {len(rows)}".encode()).hexdigest()
    summary = replace(
        whole.summary,
        name=folder.name,
        folder=folder,
        size=len(rows),
        counts=tuple(counts),
        formulas=len(set(records.keys())),
        digest=digest,
    )
    return Dataset(summary, records, target)


# --------------------------------------------------------------------- training


def recipe_of(context: Context, learner: Learner, folder: Path, effort: float) -> TrainRecipe:
    """The recipe of a model: its preset, with its own settings and a share of its epochs."""
    from crystalgui.core.training.recipes import make_recipe

    recipe = make_recipe(
        learner.model,
        folder,
        learner.preset,
        overrides={"split.kind": FORMULAS, "device": context.device, **learner.settings},
    )
    epochs = max(1, round(recipe.epochs * effort))
    return replace(recipe, epochs=epochs, title=learner.key)


def learnt(
    context: Context, learner: Learner, folder: Path, effort: float = 1.0, share: float = 0.0
) -> Generator[Event, None, dict[str, Any]]:
    """Train a model unless an earlier run has; its metrics, run and folder."""
    from crystalgui.core.training.ensemble import Source, combine
    from crystalgui.core.training.session import train

    kept = context.done(learner.key)
    if kept is not None:
        return kept
    recipe = recipe_of(context, learner, folder, effort)
    project = context.folder("project")
    run = _begun(project, recipe)
    if not run or not _finished(project, run):
        for event in train(TrainJob(project=project, recipe=recipe, run_id=run), context.stop):
            if isinstance(event, RunCreated):
                run = event.run_id
            elif isinstance(event, EpochMetrics):
                text = f"{learner.title}, epoch {event.epoch} of {recipe.epochs}"
                yield context.progress(share, 1, text)
            elif isinstance(event, LogLine):
                yield event
            elif isinstance(event, Stopped):
                context.check()
    said = {"name": learner.key, "title": learner.title}
    card = combine(project, said, [Source(learner.key, recipe, (run,))], "vote")
    return context.keep(learner.key, {"run": run, "metrics": card.metrics, "folder": card.folder})


def _begun(project: Path, recipe: TrainRecipe) -> str:
    """The newest run of a recipe and its data that has not failed; empty without one."""
    from crystalgui.core.datasets.dataset import load_summary
    from crystalgui.core.store.project import Project
    from crystalgui.core.training.checkpoint import data_of

    digest = load_summary(recipe.dataset).digest
    with Project.open(project) as opened:
        for run in opened.runs():
            if run.recipe == recipe and run.status != "failed" and data_of(run) == digest:
                return run.id
    return ""


def _finished(project: Path, run: str) -> bool:
    from crystalgui.core.store.project import Project

    with Project.open(project) as opened:
        return opened.run(run).status == "done"


def _ensemble(
    context: Context, task: Task, blend: Any, folder: Path, effort: float
) -> dict[str, Any]:
    """All models that may join, as one."""
    from crystalgui.core.training.ensemble import Source, combine

    kept = context.done(blend)
    if kept is not None:
        return kept
    sources = []
    for learner in task.learners:
        done = context.done(learner.key)
        if done is not None and not learner.alone:
            recipe = recipe_of(context, learner, folder, effort)
            sources.append(Source(learner.key, recipe, (done["run"],)))
    said = {"name": blend, "title": ENSEMBLES[blend]}
    card = combine(context.folder("project"), said, sources, blend)
    return context.keep(blend, {"metrics": card.metrics, "folder": card.folder})


# ---------------------------------------------------------------------- outcome


def _outcome(
    context: Context, task: Task, size: Size, found: Mapping[str, dict[str, Any]], folder: Path
) -> Results:
    """Tables, the figure, and the numbers beside the paper's."""
    from crystalgui.core.datasets.dataset import Dataset

    titles = {learner.key: learner.title for learner in task.learners} | ENSEMBLES
    published = {learner.key: learner.published for learner in task.learners}
    columns = [m for m in METRICS if any(m in f["metrics"] for f in found.values())]
    header = ["model", *(METRICS[m] for m in columns)]
    rows: list[list[Cell]] = [
        [titles[key], *(f["metrics"].get(m) for m in columns)] for key, f in found.items()
    ]
    if task.table:
        header.append(f"paper, {task.table}")
        for key, row in zip(found, rows, strict=True):
            row.append(published.get(key, NAN))
    beside = f"Beside {task.table} of the paper" if task.table else "Every model"
    context.table("models", header, rows, beside)
    scale, unit = (100.0, "%") if task.percent else (1.0, "eV/atom")
    numbers = tuple(
        Measured(
            name=f"{titles[key]}: {METRICS[task.metric]}",
            value=scale * f["metrics"][task.metric],
            published=scale * published.get(key, NAN),
            unit=unit,
        )
        for key, f in found.items()
    )
    _figure(context, task, numbers)
    summary = Dataset.load(folder).summary
    differs = [
        f"{summary.size:,} crystals of {summary.formulas:,} formulas, purified; no formula is on "
        "both sides of the split (the paper divides at random) unless the model’s name says so.",
        "One network of each kind with the small preset of its card; the paper’s networks are "
        "larger.",
        *task.differs,
    ]
    if size != Size():
        differs.insert(0, f"The size of this preset: {size.words}.")
    return Results(numbers=numbers, differs=tuple(differs))


def _figure(context: Context, task: Task, numbers: tuple[Measured, ...]) -> None:
    """Bars of every model, the paper's beside."""
    height = 60.0 + 17.0 * len(numbers)

    def draw(figure: Figure, style: Style) -> None:
        axes = style.axes(figure, left=0.36, bottom=36 / height)[0]
        places = np.arange(len(numbers))[::-1]
        ours = [n.value for n in numbers]
        paper = [n.published for n in numbers]
        shift = 0.18 if task.table else 0.0
        axes.barh(places + shift, ours, 0.34, color=style.colour(0), label="here, formulas apart")
        if task.table:
            axes.barh(places - shift, paper, 0.34, color=style.colour(1),
                      label="paper, random split")  # fmt: skip
        axes.set_yticks(places, [n.name.rpartition(":")[0] for n in numbers])
        style.label(axes, f"{METRICS[task.metric]} ({numbers[0].unit})")
        axes.legend(frameon=False, fontsize=6, labelcolor=style.text, loc="lower right")

    context.figure("models", draw, f"{METRICS[task.metric]} of every model", 470.0, height)
