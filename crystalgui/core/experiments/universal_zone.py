"""One network for every crystal, tested on families of Hamiltonians it has never seen.

Bird (2023) ends on a network of the reciprocal unit cell that "can be applied
universally to all crystalline systems" and never trains it (row B60).  Here it
is trained on all families of random Hamiltonians but one and tested on that
one, for each family in turn, beside the medium extractor of the paper (section
2.8), which reads the same channels without knowing which axis is which, and
what is cheaper: the majority, a gap, and gradient boosting.  There are no
published numbers to compare with.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import ExperimentCard, Measured
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.results import Results
from crystalgui.core.experiments.zone_baselines import (
    BASELINES,
    boosted,
    counted,
    majority,
    summaries,
    threshold,
)
from crystalgui.core.messages import (
    Event,
    LogLine,
    PhaseDataJob,
    PhaseDataProgress,
    RunCreated,
    SplitSpec,
    TrainJob,
    TrainRecipe,
    ZoneDataRecipe,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crystalgui.core.datasets.hamiltonians.zone_dataset import ZoneDataset
    from crystalgui.core.experiments.figures import Style

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NETWORK, EXTRACTOR = "network", "extractor"
NETWORKS = {NETWORK: ("zone", ""), EXTRACTOR: ("extractor", "zone")}
"""Model and preset of each network that is trained."""
WITHIN = "within"
METHODS = (*NETWORKS, *BASELINES)
VALIDATION = 0.12


@dataclass(frozen=True, slots=True)
class Size:
    """How large a preset is."""

    samples: int
    epochs: int
    seeds: int
    mesh: int = 8
    families: tuple[str, ...] = ()


SIZES = {
    "brief": Size(24, 12, 1, families=("ssh", "haldane", "kane-mele", "fu-kane-mele")),
    "quick": Size(samples=40, epochs=14, seeds=1),
    "paper": Size(500, 40, 3),
}
DIFFERS = (
    "The paper proposes this network and never trains it: there is nothing published beside it.",
    "It reads gauge-invariant channels on the mesh (gaps, overlaps, Berry fluxes, Wilson loops, "
    "the Pfaffian of time reversal) instead of H(k), which depends on the choice of orbitals.",
    "The medium extractor (high bandwidth, toroidal) reads the channels as they are, so it knows "
    "the order of the reciprocal vectors; the other network does not, and reads planes as wholes.",
    "Families of models stand in for crystals from first principles; most have four bands or two.",
)


@experiment(
    ExperimentCard(
        name="universal-zone",
        title="A universal network of Brillouin zones",
        shows=(
            "One network reads the zones of many models and crystals in one to three dimensions. "
            "It is tested on families that it has never seen, beside a medium extractor, the "
            "majority, a gap, gradient boosting and counting invariants on the same mesh."
        ),
        paper="Bird (2023), abstract and sections 2.1, 2.6 and 4",
        rows=("B60",),
        presets={
            "brief": "4 families of 24 Hamiltonians: networks that have seen next to nothing",
            "quick": "16 families of 40 Hamiltonians, 8 points along each direction, one network "
            "for each family left out",
            "paper": "16 families of 500 Hamiltonians, three networks for each family left out",
        },
        minutes={"brief": 4.0, "quick": 100.0, "paper": 1500.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Leave each family out in turn; then within families."""
    size = SIZES[context.preset]
    folder = yield from _data(context, size)
    from crystalgui.core.datasets.hamiltonians.zone_dataset import ZoneDataset

    data = ZoneDataset.load(folder)
    turns = [WITHIN, *data.families]
    found: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(turns):
        kept = context.done(f"turn-{name}")
        if kept is None or not set(NETWORKS) <= set(kept["guesses"]):
            text = "Within families" if name == WITHIN else f"Without {name}"
            yield context.progress(place, len(turns), text)
            kept = context.keep(f"turn-{name}", (yield from _turn(context, data, size, name)))
        found[name] = kept
        yield LogLine(text=f"{name}: " + ", ".join(
            f"{m} {_accuracy(kept, m):.1%}" for m in METHODS))  # fmt: skip
    _tables(context, data, found)
    _figures(context, data, found)
    return Results(numbers=_numbers(data, found), differs=(*DIFFERS, *_classes(data)))


def _data(context: Context, size: Size) -> Generator[Event, None, Path]:
    """The data set, made or there already."""
    from crystalgui.core.datasets.hamiltonians.zones import make

    folder = context.folder("data")
    recipe = ZoneDataRecipe(
        name=f"zones-{context.preset}",
        families=size.families,
        samples=size.samples,
        mesh=size.mesh,
        seed=0,
    )
    for event in make(PhaseDataJob(recipe=recipe, out=folder), context.stop):
        context.check()
        if isinstance(event, PhaseDataProgress):
            yield context.progress(0, 1, f"Making zones: {event.done:,} of {event.total:,}")
        else:
            yield event
    return folder


def recipe_of(
    folder: Path, size: Size, name: str, seed: int, device: str, method: str = NETWORK
) -> TrainRecipe:
    """How a network is trained: on all families but ``name``, or on all for `WITHIN`."""
    parts = SplitSpec(kind="family", left_out=name, validation=VALIDATION, seed=seed)
    if name == WITHIN:
        parts = SplitSpec(kind="given", validation=VALIDATION, seed=seed)
    model, preset = NETWORKS[method]
    return TrainRecipe(
        model=model,
        preset=preset,
        dataset=folder,
        split=parts,
        epochs=size.epochs,
        batch_size=64,
        learning_rate=2e-3,
        weight_decay=0.05,
        warmup=0.1,
        seed=seed,
        device="cuda" if device == "cuda" else "cpu",
        title=f"{name} {seed}" if method == NETWORK else f"{method} {name} {seed}",
    )


def _turn(
    context: Context, data: ZoneDataset, size: Size, name: str
) -> Generator[Event, None, dict[str, Any]]:
    """Everything about one family left out: rows, truth, answers of all methods."""
    probabilities: dict[str, list[Floats]] = {method: [] for method in NETWORKS}
    for method, seed in itertools.product(NETWORKS, range(size.seeds)):
        recipe = recipe_of(data.summary.folder, size, name, seed, context.device, method)
        p, split = yield from _network(context, recipe)
        probabilities[method].append(p)
    train = np.concatenate([split.train, split.validation])
    test, label = split.test, data.label
    energies = [c for c in data.names if c in _energies()]
    mean = {method: np.mean(each, axis=0) for method, each in probabilities.items()}
    guesses = {
        **{method: answers.argmax(1) for method, answers in mean.items()},
        "majority": majority(label, train, test),
        "gap threshold": threshold(data.gap, label, train, test),
        "boosting on gaps": boosted(summaries(data, energies), label, train, test),
        "boosting on all": boosted(summaries(data, data.names), label, train, test),
        "counting": counted(data, test),
    }
    yield context.progress(0, 0, f"Compared: {name}")
    return {
        "rows": test,
        "label": label[test],
        "family": data.family[test].tolist(),
        "probabilities": mean[NETWORK],
        "members": np.array(
            [float((p.argmax(1) == label[test]).mean()) for p in probabilities[NETWORK]]
        ),
        "guesses": {method: np.asarray(guess) for method, guess in guesses.items()},
    }


def _energies() -> tuple[str, ...]:
    from crystalgui.core.datasets.hamiltonians.descriptors import ENERGIES

    return ENERGIES


def _network(context: Context, recipe: TrainRecipe) -> Generator[Event, None, tuple[Floats, Any]]:
    """Train one network the ordinary way; its calibrated probabilities on the test rows."""
    import torch

    from crystalgui.core.datasets.collate import batches
    from crystalgui.core.datasets.hamiltonians.tables import ZoneTable
    from crystalgui.core.models.trained import read_model
    from crystalgui.core.store.project import Project
    from crystalgui.core.training.plan import plan
    from crystalgui.core.training.session import train

    out, run_id = context.folder("runs"), ""
    for event in train(TrainJob(project=out, recipe=recipe), context.stop):
        context.check()
        if isinstance(event, RunCreated):
            run_id = event.run_id
        yield event
    with Project.open(out) as project:
        folder = next(Path(m.folder) for m in project.models() if m.name.endswith(run_id[-6:]))
    _, inference, networks = read_model(folder)
    prepared = plan(recipe)
    table = ZoneTable(prepared.data.dataset)  # type: ignore[attr-defined]
    with torch.no_grad():
        parts = [
            (networks[0](table.batch(rows)) / inference.temperature).softmax(1)
            for rows in batches(torch.from_numpy(prepared.parts.test), 128)
        ]
    return torch.cat(parts).double().numpy(), prepared.parts


# ------------------------------------------------------------------ outcome


def _accuracy(turn: dict[str, Any], method: str, family: str = "") -> float:
    right = np.asarray(turn["guesses"][method]) == np.asarray(turn["label"])
    if family:
        right = right[np.asarray(turn["family"]) == family]
    return float(right.mean()) if len(right) else float("nan")


def _balanced(turn: dict[str, Any], method: str) -> float:
    """Mean recall over the classes that the test rows have."""
    guess, label = np.asarray(turn["guesses"][method]), np.asarray(turn["label"])
    return float(np.mean([(guess[label == c] == c).mean() for c in np.unique(label)]))


def _matrix(turn: dict[str, Any], method: str, classes: int) -> Integers:
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (np.asarray(turn["label"]), np.asarray(turn["guesses"][method])), 1)
    return table


def _classes(data: ZoneDataset) -> tuple[str, ...]:
    """Which family has which phases, in one sentence each way."""
    names = np.array(data.summary.classes)
    lines = []
    for name, counts, left in data.shares():
        has = ", ".join(f"{c} {n}" for n, c in zip(names, counts, strict=True) if c)
        lines.append(f"{name}: {has}" + (f"; {left} without a certified phase" if left else ""))
    return ("Not every family has every phase. " + "; ".join(lines) + ".",)


def _numbers(data: ZoneDataset, found: dict[str, dict[str, Any]]) -> tuple[Measured, ...]:
    """Means over the families left out, then every family, in per cent."""
    out = []
    for method in METHODS:
        each = [100 * _accuracy(found[f], method) for f in data.families]
        out.append(Measured(name=f"left out, mean of families: {method}", unit="%",
                            value=float(np.mean(each)), spread=float(np.std(each))))  # fmt: skip
    for method in METHODS:
        each = [100 * _balanced(found[f], method) for f in data.families]
        out.append(Measured(name=f"left out, mean recall: {method}", unit="%",
                            value=float(np.mean(each)), spread=float(np.std(each))))  # fmt: skip
    for method in METHODS:
        value = 100 * _accuracy(found[WITHIN], method)
        out.append(Measured(name=f"within families: {method}", unit="%", value=value))
    for f in data.families:
        value = 100 * _accuracy(found[f], NETWORK)
        out.append(Measured(name=f"left out: {f}", unit="%", value=value))
    return tuple(out)


def _tables(context: Context, data: ZoneDataset, found: dict[str, dict[str, Any]]) -> None:
    classes = data.summary.classes
    rows = []
    for f in data.families:
        turn = found[f]
        counts = np.bincount(np.asarray(turn["label"]), minlength=len(classes))
        rows.append([
            f, int(data.dimension[data.family == f][0]), *counts.tolist(),
            *(100 * _accuracy(turn, m) for m in METHODS),
            *(100 * _accuracy(found[WITHIN], m, f) for m in METHODS),
        ])  # fmt: skip
    header = ["family", "dimension", *classes, *(f"{m} (left out, %)" for m in METHODS),
              *(f"{m} (within, %)" for m in METHODS)]  # fmt: skip
    context.table("families", header, rows, "Accuracy by family, left out and within")
    rows = []
    for f in (WITHIN, *data.families):
        for method in METHODS:
            for c, line in enumerate(_matrix(found[f], method, len(classes)).tolist()):
                if sum(line):
                    rows.append([f, method, classes[c], *line])
    header = ["family", "method", "true phase", *(f"called {c}" for c in classes)]
    context.table("confusion", header, rows, "Confusion by family")


def _figures(context: Context, data: ZoneDataset, found: dict[str, dict[str, Any]]) -> None:
    families, classes = data.families, data.summary.classes
    width = 0.8 / len(METHODS)

    def bars(figure: Figure, style: Style) -> None:
        (axes,) = style.axes(figure, left=0.08, bottom=0.3, right=0.99, top=0.86)
        place = np.arange(len(families) + 1)
        for i, method in enumerate(METHODS):
            each = [100 * _accuracy(found[f], method) for f in families]
            values = [*each, float(np.mean(each))]
            axes.bar(
                place + (i - (len(METHODS) - 1) / 2) * width,
                values,
                width,
                color=style.colour(i),
                label=method,
            )
        axes.set_xticks(place, [*families, "mean"], rotation=45, ha="right")
        axes.set_ylim(0, 105)
        style.label(axes, "", "accuracy (%)")
        style.legend(axes, ncol=len(METHODS), loc="lower left", bbox_to_anchor=(0, 1.0))

    context.figure("families", bars, "Families left out of training", 620.0, 260.0)

    def matrices(figure: Figure, style: Style) -> None:
        left, right = style.axes(figure, 1, 2, left=0.12, right=0.98)
        whole = sum(_matrix(found[f], NETWORK, len(classes)) for f in families)
        for axes, table, title in (
            (left, whole, "Families left out"),
            (right, _matrix(found[WITHIN], NETWORK, len(classes)), "Within families"),
        ):
            table = np.asarray(table)
            share = 100 * table / np.maximum(table.sum(1, keepdims=True), 1)
            style.confusion(axes, share, classes, title=title)

    context.figure("confusion", matrices, "What the network calls each phase", 560.0, 240.0)
