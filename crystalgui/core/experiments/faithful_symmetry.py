"""Space group and point group from the structure alone (Nop et al. 2025, Table 1; row N17).

A network that is told the space group would only repeat it, so every family
is trained with what it can read of lattice and coordinates.  Families are
taken from the registry: one that is added joins the table.  Crystals are
divided by composition, so that no formula is on both sides; the paper divides
at random.  A point group is asked for in two ways: by a network of its own,
and by adding up what the network of the space groups says.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import ExperimentCard, Measured, Scalar
from crystalgui.core.errors import DataError
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.results import Cell, Results
from crystalgui.core.messages import (
    DatasetReady,
    Event,
    ImportJob,
    LogLine,
    RunCreated,
    TrainJob,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crystalgui.core.datasets.dataset import Dataset
    from crystalgui.core.experiments.figures import Style

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SPACE, POINT = "space_group", "point_group"
TARGETS = (SPACE, POINT)
FOLDER = "mp_tqc"
BASELINE = "majority"
PUBLISHED: dict[str, tuple[float, float]] = {
    BASELINE: (10.0, 15.0),
    "nnn": (14.0, 14.0),
    "cgnn": (78.0, 78.0),
    "ccnn": (79.0, 81.0),
    "cann": (62.0, 73.0),
}
"""Table 1 of the paper in per cent: space group, point group."""
BINS = (0, 1, 2, 5, 20, 100, 10**9)
"""Edges of the numbers of training crystals of a space group."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the table: a family with parameters that do not tell the symmetry."""

    key: str
    title: str
    model: str
    preset: str
    params: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a preset is: crystals (0: all) and the most epochs (0: the families' own)."""

    crystals: int
    epochs: int


SIZES = {"quick": Size(3000, 6), "full": Size(0, 0)}
ABLATIONS = (
    Entry("ccnn-plain", "Crystal convolution, without own images", "ccnn", "geometry",
          {"images": False}),
    Entry("cgnn-plain", "Crystal graph, without skips", "cgnn", "geometry", {"skips": False}),
)  # fmt: skip
OVERRIDES: tuple[dict[str, Scalar], ...] = (
    {},
    {"features": "geometry"},
    {"positions": "waves", "globals": "metric"},
    {"globals": "metric"},
    {"features": "composition"},
)
"""What may make the small preset of a family without a geometry preset blind, in this order."""
DIFFERS = (
    "Crystals are divided by composition; the paper divides at random, so that polymorphs and "
    "repeated entries of a formula may be on both sides.",
    "No network is told the space group, orbits or site symmetries. The naive and the attention "
    "network count the atoms of a primitive cell, so they know which cells are not primitive (2.6 "
    "% of them); the convolution and the graph network are told nothing at all.",
    "The convolution network is not the published one: it works in the Niggli-reduced cell and "
    "convolves the density of the atoms with its own images under the operations of the lattice, "
    "which is a symmetry search in all but its tolerance: what counts as equal, and which "
    "operations make which group, is learnt. The row without own images says what ordinary "
    "convolutions see.",
    "The attention and graph networks have relative positions and the metric of the cell instead "
    "of the published features.",
)
QUICK = (
    "The quick preset has 3,000 crystals and at most 6 epochs: far from what the networks reach, "
    "and most space groups have no more than a handful of examples."
)


@experiment(
    ExperimentCard(
        name="faithful-symmetry",
        title="Space group and point group of crystals",
        shows=(
            "Which networks can read the symmetry of a crystal from its lattice and coordinates, "
            "when no formula is on both sides of the split and nobody tells them."
        ),
        paper="Nop, Mundy, Smith, Paudyal (2025), Table 1",
        rows=("N02", "N14", "N17", "N25"),
        presets={
            "quick": "3,000 crystals, at most 6 epochs",
            "full": "29,145 crystals, every family with its own number of epochs",
        },
        minutes={"quick": 8.0, "full": 200.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Every family on both targets."""
    size = SIZES[context.preset]
    wanted, refused = entries()
    found: dict[str, dict[str, Any]] = {}
    for number, target in enumerate(TARGETS):
        folder = yield from _imported(context, target, size)
        for place, entry in enumerate(wanted):
            key = f"{target}-{entry.key}"
            kept = context.done(key)
            if kept is None:
                done, total = number * len(wanted) + place, len(TARGETS) * len(wanted)
                yield context.progress(done, total, f"{entry.title}: {target.replace('_', ' ')}")
                kept = context.keep(key, (yield from _trained(context, entry, folder, size)))
            found[key] = kept
            yield LogLine(text=f"{entry.title}, {target}: {100 * kept['test']:.1f} %")
        found[target] = yield from _without_learning(context, folder, target)
    _tables(context, wanted, found)
    _figures(context, wanted, found)
    differs = (*DIFFERS, *((QUICK,) if context.preset == "quick" else ()), *_said(found, refused))
    return Results(numbers=_numbers(wanted, found), differs=differs)


def entries() -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Rows of the table, and titles of the families that cannot do without the symmetry."""
    from crystalgui.core.models import _registry as registry
    from crystalgui.core.models._base import CrystalModel

    rows, refused = [], []
    for name, family in registry.families().items():
        fits = issubclass(family, CrystalModel) and "classification" in family.card.tasks
        if not fits or family.constant:
            continue
        entry = _blind(name)
        if entry is None:
            refused.append(family.card.title)
        else:
            rows.append(entry)
    order = list(PUBLISHED)
    rows.sort(key=lambda e: (order.index(e.key) if e.key in order else len(order), e.key))
    known = {e.model for e in rows}
    return (*rows, *(e for e in ABLATIONS if e.model in known)), tuple(refused)


def _blind(name: str) -> Entry | None:
    """A family that is not told the symmetry; None when it always is."""
    from crystalgui.core.errors import ModelError
    from crystalgui.core.models import _registry as registry
    from crystalgui.core.models._base import CrystalModel

    family = registry.family(name)
    assert issubclass(family, CrystalModel)
    if "geometry" in family.card.presets:
        return Entry(name, family.card.title, name, "geometry")
    for overrides in OVERRIDES:
        try:
            params, _ = registry.settings(name, "small", overrides)
        except ModelError:
            continue
        if not family.knows_symmetry(params):
            return Entry(name, family.card.title, name, "small", overrides)
    return None


# ------------------------------------------------------------------- data


def _imported(context: Context, target: str, size: Size) -> Generator[Event, None, Path]:
    """Folder of the data set, imported into the project of this run when it is not there."""
    from crystalgui.core.datasets.hamiltonians.families import data_folder
    from crystalgui.core.datasets.importer import import_dataset

    kept = context.done(f"data-{target}")
    if kept is not None:
        return context.out / str(kept["folder"])
    source = data_folder() / FOLDER
    if not (source / f"{SPACE}.csv").is_file():
        raise DataError(
            "The crystals with their space groups are not on this machine.",
            f"Put POSCAR.zip and {SPACE}.csv into the folder {FOLDER} of the data folder, and name "
            "that in the environment variable CRYSTALGUI_DATA.",
            path=source,
        )
    project = context.folder("project")
    labels = _sampled(source / f"{SPACE}.csv", project / f"{SPACE}.csv", size.crystals)
    job = ImportJob(
        project=project,
        source=source / "POSCAR.zip",
        name=target,
        labels=labels,
        derive=POINT if target == POINT else "",
    )
    folder = project
    for event in import_dataset(job):
        context.check()
        if isinstance(event, DatasetReady):
            folder = event.summary.folder
        else:
            yield event
    relative = folder.resolve().relative_to(context.out.resolve())
    context.keep(f"data-{target}", {"folder": relative.as_posix()})
    return folder


def _sampled(source: Path, own: Path, crystals: int) -> Path:
    """The labels, or some of them, drawn by a fixed seed."""
    from crystalgui.core.atomic import write_atomic

    if not crystals:
        return source
    with open(source, encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:crystals])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *(rows[i] for i in chosen)])
    write_atomic(own, text.getvalue())
    return own


# --------------------------------------------------------------- training


def _trained(
    context: Context, entry: Entry, folder: Path, size: Size
) -> Generator[Event, None, dict[str, Any]]:
    """Train one network the ordinary way; how well it does on the rows it has not seen."""
    from dataclasses import replace

    from crystalgui.core.store.project import Project
    from crystalgui.core.training.plan import plan
    from crystalgui.core.training.recipes import make_recipe
    from crystalgui.core.training.session import train

    project = context.folder("project")
    recipe = make_recipe(entry.model, folder, entry.preset, overrides=dict(entry.params))
    epochs = min(recipe.epochs, size.epochs) if size.epochs else recipe.epochs
    title = f"{folder.name} {entry.key}"
    recipe = replace(recipe, epochs=epochs, device=context.device, title=title)
    run_id = ""
    for event in train(TrainJob(project=project, recipe=recipe), context.stop):
        context.check()
        if isinstance(event, RunCreated):
            run_id = event.run_id
        yield event
    with Project.open(project) as opened:
        model = next(Path(m.folder) for m in opened.models() if m.name.endswith(run_id[-6:]))
    prepared = plan(recipe)
    numbers: dict[str, Any] = {}
    for part in ("validation", "test"):
        rows = getattr(prepared.parts, part)
        numbers |= _measured(_answers(prepared, model, rows), prepared, rows, part)
    return numbers | {"parameters": prepared.size, "epochs": epochs}


def _answers(prepared: Any, folder: Path, rows: Integers) -> Floats:
    """(m, k) calibrated probabilities of a trained model on some rows."""
    import torch

    from crystalgui.core.models.trained import read_model
    from crystalgui.core.training import metrics

    _, inference, networks = read_model(folder)
    table = prepared.data.sample(networks[0], prepared.params, torch.device("cpu"), rows)
    beyond, index = prepared.beyond(), torch.arange(len(rows))
    if beyond is not None:
        own = torch.from_numpy(rows).to(beyond.within.device)
        beyond = metrics.Beyond(beyond.within[own].cpu(), beyond.answer.cpu())
    with torch.no_grad():
        out = metrics.answered(networks[0].eval(), table, index, beyond=beyond)
    warmth = torch.full((len(rows), 1), inference.temperature)
    if beyond is not None:
        warmth[~beyond.within] = 1.0
    found: Floats = (out / warmth).softmax(1).double().numpy()
    return found


def _measured(p: Floats, prepared: Any, rows: Integers, part: str) -> dict[str, Any]:
    """Accuracy and the like of probabilities; of space groups also what they say of the class."""
    import torch

    from crystalgui.core.training import metrics

    label = prepared.data.target[rows].astype(np.int64)
    answers, truth = torch.from_numpy(p), torch.from_numpy(label)
    right = p.argmax(1) == label
    numbers: dict[str, Any] = {part: float(right.mean())}
    classes = prepared.data.summary.classes
    if prepared.data.summary.target == SPACE:
        summed, of = _point_groups(p, classes)
        numbers[f"{part}_summed"] = float((summed.argmax(1) == of[label]).mean())
    if part == "test":
        train = prepared.data.target[prepared.parts.train].astype(np.int64)
        support = np.bincount(train, minlength=len(classes))[label]
        place = np.searchsorted(BINS, support, side="right") - 1
        numbers["calibration"] = metrics.calibration_error(answers, truth)
        numbers["surest"] = metrics.accuracy_of_surest(answers, truth)
        numbers["support_rows"] = np.bincount(place, minlength=len(BINS) - 1)
        numbers["support_right"] = np.bincount(place[right], minlength=len(BINS) - 1)
    return numbers


def _point_groups(p: Floats, classes: tuple[str, ...]) -> tuple[Floats, Integers]:
    """Probabilities of the point groups, and the point group of each space group."""
    from crystalgui.core.datasets.records import POINT_GROUPS
    from crystalgui.core.datasets.targets import point_group_of

    of = np.array([POINT_GROUPS.index(point_group_of(int(name))) for name in classes])
    summed = np.zeros((len(p), len(POINT_GROUPS)))
    np.add.at(summed.T, of, p.T)
    return summed, of


def _without_learning(
    context: Context, folder: Path, target: str
) -> Generator[Event, None, dict[str, Any]]:
    """The commonest class of training, and how often a symmetry search agrees with the labels."""
    from crystalgui.core.datasets.dataset import Dataset
    from crystalgui.core.datasets.splits import split
    from crystalgui.core.messages import SplitSpec

    yield context.progress(0, 0, "The answers that need no network")
    data = Dataset.load(folder)
    label = data.target.astype(np.int64)
    parts = split(SplitSpec(), data.records.keys(), data.classes)
    seen = np.bincount(label[parts.train], minlength=len(data.summary.classes))
    own = label[parts.test]
    return {
        "majority": float((own == seen.argmax()).mean()),
        "search": float((_searched(data, target)[parts.test] == own).mean()),
        "classes": len(seen),
        "once": int((seen == 1).sum()),
        "never": int(np.isin(own, np.flatnonzero(seen == 0)).sum()),
        "sizes": list(parts.sizes),
    }


def _searched(data: Dataset, target: str) -> Integers:
    """(m,) class that the symmetry search of the import found; -1 where it is no class."""
    from crystalgui.core.datasets.targets import point_group_of

    number = {name: i for i, name in enumerate(data.summary.classes)}
    found = [int(g) for g in data.records.space_group]
    names = [str(g) if target == SPACE else point_group_of(g) for g in found]
    return np.array([number.get(name, -1) for name in names])


# ---------------------------------------------------------------- outcome


def _numbers(
    wanted: tuple[Entry, ...], found: Mapping[str, Mapping[str, Any]]
) -> tuple[Measured, ...]:
    """Test accuracies beside those of the paper, in per cent."""
    out = []
    nan = float("nan")
    for column, target in enumerate(TARGETS):
        text = target.replace("_", " ")
        out.append(Measured(name=f"{text}: baseline", unit="%",
                            value=100 * found[target]["majority"],
                            published=PUBLISHED[BASELINE][column]))  # fmt: skip
        for entry in wanted:
            published = PUBLISHED.get(entry.key, (nan, nan))[column]
            value = 100 * found[f"{target}-{entry.key}"]["test"]
            out.append(Measured(name=f"{text}: {entry.title}", unit="%", value=value,
                                published=published))  # fmt: skip
    for entry in wanted:
        value = 100 * found[f"{SPACE}-{entry.key}"]["test_summed"]
        published = PUBLISHED.get(entry.key, (nan, nan))[1]
        out.append(Measured(name=f"point group by summing: {entry.title}", unit="%", value=value,
                            published=published))  # fmt: skip
    return tuple(out)


def _said(found: Mapping[str, Mapping[str, Any]], refused: tuple[str, ...]) -> tuple[str, ...]:
    """What else a reader of the table must know."""
    space = found[SPACE]
    lines = [
        f"{space['classes']} of the 230 space groups occur; {space['once']} of them have one "
        f"crystal to train on, and {space['never']} test crystals are of a group that has none.",
        f"A symmetry search at 0.01 Angstrom gives the label of {100 * space['search']:.1f} % of "
        "the test crystals: the labels were made with another tolerance, and no answer can be "
        "much better than the labels.",
    ]
    if refused:
        lines.append(f"Cannot do without the symmetry and were left out: {', '.join(refused)}.")
    return tuple(lines)


def _tables(
    context: Context, wanted: tuple[Entry, ...], found: Mapping[str, Mapping[str, Any]]
) -> None:
    space, point = found[SPACE], found[POINT]
    rows: list[list[Cell]] = [
        ["Baseline", 100 * space["majority"], 10.0, 100 * point["majority"], None, 15.0],
        ["Symmetry search (0.01 Angstrom)", 100 * space["search"], None, 100 * point["search"],
         None, None],
    ]  # fmt: skip
    for entry in wanted:
        one, other = found[f"{SPACE}-{entry.key}"], found[f"{POINT}-{entry.key}"]
        published = PUBLISHED.get(entry.key, (None, None))
        rows.append([entry.title, 100 * one["test"], published[0], 100 * other["test"],
                     100 * one["test_summed"], published[1]])  # fmt: skip
    header = ["model", "space group (%)", "published (%)", "point group (%)",
              "point group by summing (%)", "published (%)"]  # fmt: skip
    context.table("accuracy", header, rows, "Accuracy on crystals of unseen composition")
    rows = []
    for target in TARGETS:
        for entry in wanted:
            one = found[f"{target}-{entry.key}"]
            rows.append([target, entry.title, one["parameters"], one["epochs"],
                         100 * one["validation"], 100 * one["test"], 100 * one["surest"],
                         100 * one["calibration"]])  # fmt: skip
    header = ["target", "model", "parameters", "epochs", "validation (%)", "test (%)",
              "surer half (%)", "calibration error (%)"]  # fmt: skip
    context.table("details", header, rows, "Validation, test, confidence")
    rows = []
    for entry in wanted:
        one = found[f"{SPACE}-{entry.key}"]
        for name, n, hits in zip(_bins(), one["support_rows"], one["support_right"], strict=True):
            rows.append([entry.title, name, int(n), 100 * hits / n if n else None])
    header = ["model", "training crystals of the space group", "test crystals", "accuracy (%)"]
    context.table("support", header, rows, "Accuracy by how often a space group is seen")


def _bins() -> list[str]:
    """Names of the bins of `BINS`."""
    edges = itertools.pairwise(BINS[:-1])
    names = [f"{a} to {b - 1}" if b - 1 > a else f"{a}" for a, b in edges]
    return [*names, f"{BINS[-2]} or more"]


def _figures(
    context: Context, wanted: tuple[Entry, ...], found: Mapping[str, Mapping[str, Any]]
) -> None:
    titles = ["Baseline", *(e.title for e in wanted)]

    def bars(figure: Figure, style: Style) -> None:
        axes = style.axes(figure, 1, 2, left=0.36, right=0.98, bottom=0.14, top=0.9, wspace=0.12)
        place = np.arange(len(titles))
        for column, (target, one) in enumerate(zip(TARGETS, axes, strict=True)):
            ours = [100 * found[target]["majority"],
                    *(100 * found[f"{target}-{e.key}"]["test"] for e in wanted)]  # fmt: skip
            keys = [BASELINE, *(e.key for e in wanted)]
            one.barh(place, ours, 0.7, color=style.colour(0), label="here")
            known = [(i, PUBLISHED[k][column]) for i, k in enumerate(keys) if k in PUBLISHED]
            one.plot([x for _, x in known], [i for i, _ in known], "D", ms=4,
                     color=style.colour(1), label="published")  # fmt: skip
            one.set_yticks(place, titles if column == 0 else [""] * len(titles))
            one.invert_yaxis()
            one.set_xlim(0, 100)
            style.label(one, "accuracy (%)", title=target.replace("_", " "))
        style.legend(axes[0], loc="upper right", bbox_to_anchor=(-0.04, -0.01), ncol=2)

    height = 90.0 + 22.0 * len(titles)
    context.figure("accuracy", bars, "Accuracy on unseen compositions", 560.0, height)
