"""What both experiments on BiTeI share: data sets, networks, published tables, confusion matrices.

Bird (2023), section 3.3: the small and the large fully connected network and
the high-dimensional hybrid convolution, 25 epochs, ten repeats that differ by
their initialisation (tables 3-8).  The repeats are trained together as one
batch (`training.replicas`) and see the rows in the same order.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Measured
from crystalgui.core.datasets.hamiltonians.dataset import CLASSES, PhaseDataset
from crystalgui.core.errors import Stopped
from crystalgui.core.experiments._registry import Context
from crystalgui.core.experiments.results import Cell
from crystalgui.core.messages import Event, LogLine, PhaseDataJob, PhaseDataRecipe, Progress
from crystalgui.core.messages import Stopped as StoppedEvent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crystalgui.core.experiments.figures import Style
    from crystalgui.core.training.stack import Task

Floats = NDArray[np.float64]
Matrix = tuple[tuple[float, float, float], ...]

PARTS = ("train", "test")
WEYL = CLASSES.index("Weyl semimetal")


@dataclass(frozen=True, slots=True)
class Published:
    """A confusion matrix of the paper in per cent: rows = prediction, columns = true class."""

    mean: Matrix
    spread: Matrix

    @property
    def by_true(self) -> tuple[Floats, Floats]:
        """Mean and spread with rows = true class."""
        return np.array(self.mean).T, np.array(self.spread).T

    @property
    def trace(self) -> float:
        """Sum of its diagonal, of 300."""
        return float(np.trace(np.array(self.mean)))


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the paper and its published results.

    Attributes
    ----------
    key, title : str
    model, preset : str
        Family and preset of the registry.
    learning_rate : float
        The best of 1e-3, 3e-3, 1e-2 and 3e-2 (small) or 3e-4, 1e-3 and 3e-3 on
        a tenth of the training rows of the small set with noise, by the trace
        after 25 epochs of cross-entropy; no test row was looked at.
    row : str
        Of the model reference.
    tables : dict
        ``"train"`` and ``"test"``.
    trace : (float, float)
        Published trace of the test matrix and its spread (NaN: none is given).
    """

    key: str
    title: str
    model: str
    preset: str
    row: str
    tables: Mapping[str, Published]
    trace: tuple[float, float]
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to train: what differs from the recipe of the network."""

    key: str
    title: str
    changes: Mapping[str, Any] = field(default_factory=dict)


# ------------------------------------------------------------------ data


def data_set(context: Context, name: str) -> Generator[Event, None, PhaseDataset]:
    """The data set of a shipped recipe: found where earlier runs left it, or made now.

    It lies in the cache of the machine, under the name and a digest of its
    recipe, so that experiments and presets share it.
    """
    from crystalgui.core.datasets.hamiltonians.generate import make
    from crystalgui.core.datasets.hamiltonians.recipes import read_recipe
    from crystalgui.core.settings import cache

    recipe = read_recipe(name)
    assert isinstance(recipe, PhaseDataRecipe)
    folder = cache() / "datasets" / f"{name}-{_digest(recipe)}"
    for event in make(PhaseDataJob(recipe=recipe, out=folder), context.stop):
        if isinstance(event, StoppedEvent):
            raise Stopped("Stopped.", "Run it again to go on.")
        if isinstance(event, Progress):
            yield replace(event, text=f"Data set: {event.text}")
        elif isinstance(event, LogLine):
            yield event
    data = PhaseDataset.load(folder)
    context.keep("data", {"name": name, "counts": shares(data), "digest": data.summary.digest})
    return data


def _digest(recipe: PhaseDataRecipe) -> str:
    import hashlib
    import json

    from crystalgui.core.store.encode import to_plain

    plain = to_plain(replace(recipe, title="", notes=()), Path.cwd())
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:10]


def shares(data: PhaseDataset) -> dict[str, list[int]]:
    """Samples of each class in each part."""
    return {
        part: np.bincount(data.label[rows], minlength=len(CLASSES)).tolist()
        for part, rows in rows_of(data).items()
    }


def rows_of(data: PhaseDataset) -> dict[str, NDArray[np.int64]]:
    """Rows of both parts."""
    return {"train": np.flatnonzero(~data.is_test), "test": np.flatnonzero(data.is_test)}


@dataclass(slots=True, eq=False)
class Bench:
    """A data set on a device, ready for any number of trainings.

    Attributes
    ----------
    done, total : int
        Trainings that are over, and all.
    """

    context: Context
    data: PhaseDataset
    total: int
    done: int = 0
    table: Any = None

    def open(self) -> Generator[Event, None, Any]:
        """The table; crops are made at the first call and kept beside the data set."""
        if self.table is not None:
            return self.table
        from crystalgui.core.datasets.hamiltonians.tables import hopping_steps
        from crystalgui.core.models.devices import resolve

        steps = hopping_steps(self.data, resolve(self.context.device), self.data.summary.folder)
        while True:
            try:
                made = next(steps)
                text = f"Cropping hoppings: {made:,} of {len(self.data):,}"
                yield self.context.progress(self.done, self.total, text)
            except StopIteration as end:
                self.table = end.value
                return self.table

    def train(
        self, key: str, title: str, network: Network, variant: Variant, repeats: int
    ) -> Generator[Event, None, Counts]:
        """Train repeats of a network, unless an earlier run has done so; their confusion counts."""
        kept = self.context.done(key)
        if kept is None:
            table = yield from self.open()
            task = self._task(table, network, variant, repeats)
            kept = yield from self.fit(key, title, task)
        self.done += 1
        return Counts.of(kept)

    def _task(self, table: Any, network: Network, variant: Variant, repeats: int) -> Task:
        import torch

        from crystalgui.core.training.recipes import make_recipe
        from crystalgui.core.training.replicas import family_task

        recipe = make_recipe(
            network.model,
            self.data.summary.folder,
            network.preset,
            overrides={
                "split.kind": "given",
                "replicas": repeats,
                "learning_rate": network.learning_rate,
                **variant.changes,
            },
        )
        device = table.device
        rows = {k: torch.from_numpy(v).to(device) for k, v in rows_of(self.data).items()}
        n = self.data.start.n_orbitals
        target = torch.from_numpy(self.data.label).to(device)
        return family_task(recipe, table, (27, n, n, 2), target, rows["train"], rows, CLASSES,
                           digest=self.data.summary.digest)  # fmt: skip

    def fit(self, key: str, title: str, task: Task) -> Generator[Event, None, dict[str, Any]]:
        """Train a task and keep its confusion counts under ``key``."""
        from crystalgui.core.training.replicas import replicate

        folder = self.context.folder(key)
        generator = replicate(task, self.context.stop, folder / "replicas.safetensors")
        while True:
            try:
                event = next(generator)
            except StopIteration as end:
                fitted = end.value
                break
            if isinstance(event, Progress):
                done = self.done + event.done / event.total
                yield self.context.progress(done, self.total, f"{title}, epoch {event.done:.0f}")
        if not fitted.finished:
            raise Stopped("Stopped.", "Run it again to go on.")
        numbers = {part: counts.tolist() for part, counts in fitted.counts.items()}
        kept = self.context.keep(key, {"counts": numbers, "training": fitted.seconds})
        shutil.rmtree(folder, ignore_errors=True)
        counts = Counts.of(kept)
        yield LogLine(text=f"{title}: test trace {counts.words('test')}, {fitted.seconds:.0f} s.")
        return kept


# ------------------------------------------------------------------ confusion matrices


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Confusion counts of all repeats, (repeats, 3, 3) for each part, rows = true class."""

    parts: Mapping[str, NDArray[np.int64]]
    seconds: float = float("nan")

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Counts:
        """From what a step has kept."""
        parts = {part: np.array(counts, np.int64) for part, counts in kept["counts"].items()}
        return cls(parts, float(kept["training"]))

    @property
    def repeats(self) -> int:
        """How many networks."""
        return len(self.parts["test"])

    def shares(self, part: str) -> Floats:
        """(repeats, 3, 3): per cent of each true class; a class without samples is NaN."""
        counts = self.parts[part].astype(np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray(100 * counts / counts.sum(2, keepdims=True))

    def matrix(self, part: str) -> tuple[Floats, Floats]:
        """Mean and spread over repeats, rows = true class, per cent."""
        shares = self.shares(part)
        return shares.mean(0), spread(shares)

    def trace(self, part: str = "test") -> tuple[float, float]:
        """Mean and spread of the trace, of 300."""
        traces = np.trace(self.shares(part), axis1=1, axis2=2)
        return float(traces.mean()), float(spread(traces))

    def recall(self, of: int, part: str = "test") -> tuple[float, float]:
        """Mean and spread of the share of a class that is found, per cent."""
        own = self.shares(part)[:, of, of]
        return float(own.mean()), float(spread(own))

    def precision(self, of: int, part: str = "test") -> tuple[float, float]:
        """Mean and spread of the share of right ones among those called so, per cent.

        Repeats that never call anything so do not count; NaN when none does.
        """
        counts = self.parts[part].astype(np.float64)
        called = counts[:, :, of].sum(1)
        own = 100 * counts[called > 0, of, of] / called[called > 0]
        return (float(own.mean()), float(spread(own))) if len(own) else (float("nan"),) * 2

    def words(self, part: str) -> str:
        """The trace as text."""
        mean, around = self.trace(part)
        return f"{mean:.1f} ± {around:.1f}"


def spread(values: Floats) -> Floats:
    """Standard deviation over repeats (n - 1) along the first axis; NaN for one."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(values.std(0, ddof=1))


def numbers_of(network: Network, counts: Counts) -> list[Measured]:
    """The diagonal of both matrices and the trace, beside those of the paper."""
    found = []
    for part in reversed(PARTS):
        mean, around = counts.matrix(part)
        published, published_spread = network.tables[part].by_true
        for c, name in enumerate(CLASSES):
            found.append(
                Measured(
                    name=f"{network.title}: {name}s found in the {part} set",
                    value=float(mean[c, c]),
                    spread=float(around[c, c]),
                    published=float(published[c, c]),
                    published_spread=float(published_spread[c, c]),
                    unit="%",
                )
            )
    value, around_trace = counts.trace()
    found.append(
        Measured(
            name=f"{network.title}: trace of the test matrix",
            value=value,
            spread=around_trace,
            published=network.trace[0],
            published_spread=network.trace[1],
            unit="% of 300",
        )
    )
    return found


HEADER = (
    "part",
    "prediction",
    *(
        f"true {name}{what}"
        for name in CLASSES
        for what in (" (%)", " spread (%)", " published (%)", " published spread (%)")
    ),
)


def confusion_rows(
    counts: Counts, tables: Mapping[str, Published] | None = None
) -> list[Sequence[Cell]]:
    """A table as the paper prints it: rows = prediction, columns = true class."""
    rows: list[Sequence[Cell]] = []
    for part in PARTS:
        mean, around = counts.matrix(part)
        for guess, name in enumerate(CLASSES):
            cells: list[Cell] = [part, name]
            for true in range(len(CLASSES)):
                cells += [float(mean[true, guess]), float(around[true, guess])]
                if tables is None:
                    cells += [None, None]
                else:
                    own = tables[part]
                    cells += [own.mean[guess][true], own.spread[guess][true]]
            rows.append(cells)
    return rows


def draw_matrices(
    figure: Figure, style: Style, found: Sequence[tuple[str, Counts]], part: str = "test"
) -> None:
    """Confusion matrices side by side."""
    for axes, (title, counts) in zip(
        style.axes(figure, 1, len(found), left=0.11, wspace=0.55), found, strict=True
    ):
        mean, around = counts.matrix(part)
        style.confusion(axes, mean, CLASSES, around, title)


def draw_traces(
    figure: Figure, style: Style, found: Sequence[tuple[str, Counts]], published: Sequence[float]
) -> None:
    """Traces of the test matrices as bars of three recalls, the paper's as marks."""
    height = 72.0 * figure.get_size_inches()[1]
    (axes,) = style.axes(figure, left=0.37, top=1 - 36 / height)  # two rows of legend
    bottom = np.zeros(len(found))
    places = np.arange(len(found))[::-1]
    for c, name in enumerate(CLASSES):
        width = np.array([counts.recall(c)[0] for _, counts in found])
        axes.barh(places, width, left=bottom, height=0.62, color=style.phase(name), label=name)
        bottom += width
    errors = [counts.trace()[1] for _, counts in found]
    axes.errorbar(bottom, places, xerr=errors, fmt="none", ecolor=style.text, elinewidth=0.8)
    known = np.array(published, dtype=np.float64)
    there = np.isfinite(known)
    axes.plot(known[there], places[there], "|", color=style.text, markersize=14, label="published")
    axes.set_yticks(places, [title for title, _ in found])
    axes.set_xlim(0, 300)
    style.label(axes, "found of each class in the test set, summed (%)")
    style.legend(axes, loc="lower center", bbox_to_anchor=(0.32, 1.0), ncols=2)


DIFFERS = (
    "The hoppings of the paper come from density functional theory and are not published; the data "
    "set is made from the project's 18-orbital model of BiTeI, with 9 of the 27 lattice vectors of "
    "the input occupied, so the other inputs are zero.",
    "The paper states neither optimiser, batch size, learning rate nor scaling of the input: here "
    "they are AdamW, 128, 1e-2 (small) or 3e-4 (large, hybrid) with warm-up and cosine decay; "
    "inputs are standardised by the training set and divided by their number, because hoppings "
    "move together.",
    "The repeats see the rows in the same order and differ by their initialisation alone; spreads "
    "are standard deviations with n - 1.",
)
