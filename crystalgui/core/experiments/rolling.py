"""Networks against the degree of rolling: what the experiments of Figs. 15-21 and 29 share.

Bird (2023), sections 2.10 and 3.2: every image is shifted periodically by up
to chi points along each axis, anew for each batch, in training and in
evaluation.  Each architecture is trained several times for every chi; its
accuracy and the logarithm of its cost are drawn against chi, as mean and
deviation over the repeats with the best of them.

Networks that two figures share are trained once: a point that an experiment of
this kind has kept in a folder beside this one is taken from there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Claim, Measured, Scalar
from crystalgui.core.errors import DataError
from crystalgui.core.experiments._registry import Context
from crystalgui.core.experiments.degrees import (
    CONVOLUTIONS,
    Chart,
    Points,
    deviation,
    draw_chart,
    name,
)
from crystalgui.core.experiments.results import MARKER, STEPS, Cell, Results, load_marker
from crystalgui.core.messages import (
    DatasetReady,
    Event,
    LogLine,
    SplitSpec,
    SweepNetwork,
    SweepRecipe,
    TrainRecipe,
)
from crystalgui.core.store.encode import to_plain

if TYPE_CHECKING:
    from crystalgui.core.datasets.images.dataset import ImageDataset

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Source:
    """Published images: where the data folder has them."""

    title: str
    path: str

    def key(self, points: int) -> str:
        """Name of the step that imports them, scaled to so many points (0: as they are)."""
        name = "data-" + Path(self.path).name.partition(".")[0]
        return f"{name}-{points}" if points else name


MNIST = Source("MNIST", "images/mnist")
CIFAR = Source("CIFAR-10", "images/cifar-10-jpeg.tar.xz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a preset is; ``train`` and ``test`` are rows, 0 for all.

    ``points`` are those of an image along each side after scaling, 0 for all.
    ``preset`` and ``params`` are what the networks of the card "extractor" get
    besides their kind.
    """

    rollings: tuple[int, ...]
    repeats: int
    epochs: int
    rate: float
    batch: int = 64
    train: int = 0
    test: int = 0
    points: int = 0
    preset: str = ""
    params: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """``chi = 0, 2, 8, 2 repeats, 8 epochs on 2,000 images of 16 x 16 points``."""
        chi = ", ".join(map(str, self.rollings))
        if len(self.rollings) > 8:
            chi = f"{self.rollings[0]} to {self.rollings[-1]}"
        rows = f"{self.train:,}" if self.train else "all"
        scaled = f" of {self.points} x {self.points} points" if self.points else ""
        return f"chi = {chi}, {self.repeats} repeats, {self.epochs} epochs on {rows} images{scaled}"

    def extractor(self, title: str, group: str, **params: Scalar) -> SweepNetwork:
        """A network of the family "extractor"."""
        return SweepNetwork(
            title=title,
            model="extractor",
            preset=self.preset,
            params={**self.params, **params},
            group=group,
        )

    def kinds(self, *kinds: str) -> tuple[SweepNetwork, ...]:
        """Every convolution of each of some kinds, called ``residual, toroidal sum``."""
        return tuple(
            self.extractor(name(kind, title), kind, kind=kind, convolution=value)
            for kind in kinds
            for title, value in CONVOLUTIONS.items()
        )


CIFAR_SIZES = {
    "quick": Size(
        rollings=(0, 2, 8),
        repeats=3,
        epochs=6,
        rate=5e-3,
        batch=32,
        train=1500,
        test=1000,
        points=16,
        params={"halvings": 2, "depth": 1, "width": 8, "basis": 16, "wide": 32},
    ),
    "paper": Size(rollings=tuple(range(32)), repeats=3, epochs=15, rate=5e-5, preset="cifar"),
}
"""The same for every figure on CIFAR-10, so that networks can be shared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One of the experiments.

    Attributes
    ----------
    source : Source
    sizes : mapping of preset to Size
    networks : callable of a Size
    charts : tuple of Chart
    claims : callable of Points
        What the paper says of its figure.
    differs : tuple of str
        Besides what follows from the sizes.
    """

    source: Source
    sizes: Mapping[str, Size]
    networks: Callable[[Size], tuple[SweepNetwork, ...]]
    charts: tuple[Chart, ...]
    claims: Callable[[Points], Sequence[Claim]]
    differs: tuple[str, ...] = ()

    @property
    def presets(self) -> dict[str, str]:
        """A sentence on the size of each, for the card."""
        found = {}
        for preset, size in self.sizes.items():
            many = len(self.networks(size)) * len(size.rollings) * size.repeats
            found[preset] = f"{many:,} networks: {size.words}"
        return found


# ------------------------------------------------------------------- the run


def study(context: Context, wanted: Study) -> Generator[Event, None, Results]:
    """Train what is missing, then tables, figures and claims."""
    from crystalgui.core.models.devices import resolve
    from crystalgui.core.training.sweep import sweep_points

    size = wanted.sizes[context.preset]
    data = yield from images(context, wanted.source, size.points)
    recipe = recipe_of(size, wanted.networks(size), data.summary.folder, context.device)
    shelf = Shelf(context, recipe, data.summary.digest)
    found = yield from sweep_points(
        recipe, data, resolve(context.device), shelf.done, shelf.keep, context.stop
    )
    if len(found) < recipe.size:
        context.check()
    points = Points.of(recipe, found)
    _tables(context, recipe, points)
    for chart in wanted.charts:
        draw_chart(context, chart, points)
    for text in shelf.lines():
        yield LogLine(text=text)
    return Results(
        numbers=_numbers(points),
        claims=tuple(wanted.claims(points)),
        differs=(
            *_differs(size, recipe, data, wanted.source.title),
            *wanted.differs,
            *shelf.lines(),
        ),
    )


def recipe_of(
    size: Size, networks: tuple[SweepNetwork, ...], folder: Path, device: str
) -> SweepRecipe:
    """The sweep of a preset."""
    base = TrainRecipe(
        model=networks[0].model,
        dataset=folder,
        split=SplitSpec(kind="given"),
        epochs=size.epochs,
        batch_size=size.batch,
        learning_rate=size.rate,
        device="cuda" if device == "cuda" else "cpu",
    )
    return SweepRecipe(
        title="Rolling",
        base=base,
        networks=networks,
        rollings=size.rollings,
        repeats=size.repeats,
        train=size.train,
        test=size.test,
    )


class Shelf:
    """Points that are kept here, or were kept by an experiment beside this one."""

    def __init__(self, context: Context, recipe: SweepRecipe, digest: str) -> None:
        from crystalgui.core.training.sweep import key_of

        marker = load_marker(context.out)
        self.context = context
        self.own = marker.name if marker is not None else ""
        self.stem = {key_of(n, 0, 0).partition(".")[0]: n.title for n in recipe.networks}
        self.marks = {n.title: mark(recipe, n, digest) for n in recipe.networks}
        self.taken: dict[str, int] = {}

    def done(self, key: str) -> dict[str, Any] | None:
        """What was kept of a point of this very network, data and recipe."""
        numbers = self.context.done(key)
        if numbers is None or not self._fits(key, numbers):
            numbers = None
            for folder in neighbours(self.context):
                numbers = self.context.take(key, folder, lambda n: self._fits(key, n))
                if numbers is not None:
                    break
        if numbers is not None and numbers["by"] != self.own:
            self.taken[numbers["by"]] = self.taken.get(numbers["by"], 0) + 1
        return numbers

    def keep(self, key: str, numbers: Mapping[str, Any]) -> object:
        """Keep a point with what it is a point of, and who trained it."""
        return self.context.keep(key, {**numbers, "mark": self._mark(key), "by": self.own})

    def lines(self) -> tuple[str, ...]:
        """What was taken from where, in sentences."""
        return tuple(
            f"{count} of the networks were trained by the run of {title} beside this one; "
            "their minutes count here as well."
            for title, count in self.taken.items()
        )

    def _fits(self, key: str, numbers: Mapping[str, Any]) -> bool:
        return numbers.get("mark") == self._mark(key)

    def _mark(self, key: str) -> str:
        return self.marks[self.stem[key.partition(".")[0]]]


def mark(recipe: SweepRecipe, network: SweepNetwork, digest: str) -> str:
    """What the points of a network depend on, but for chi and the repeat: a short hash.

    With all parameters, so that other defaults of a card are another network.
    """
    from crystalgui.core.models import _registry as registry

    params, _ = registry.settings(network.model, network.preset, network.params)
    base = replace(recipe.base, dataset=Path("data"), title="", device="auto", model="", threads=0)
    said = {
        "base": to_plain(base, Path.cwd()),
        "network": [network.model, sorted(params.items())],
        "rows": [recipe.train, recipe.test],
        "data": digest,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def neighbours(context: Context) -> Iterator[Path]:
    """Folders of experiments beside this one, of the same preset and device."""
    here = context.out.absolute()
    for path in sorted(here.parent.glob(f"*/{MARKER}")):
        if path.parent == here:
            continue
        try:
            marker = load_marker(path.parent)
        except DataError:
            continue
        if marker and (marker.preset, marker.device) == (context.preset, context.device):
            yield path.parent


def images(
    context: Context, source: Source, points: int = 0
) -> Generator[Event, None, ImageDataset]:
    """The data set, imported here, or by an experiment beside this one.

    Raises
    ------
    DataError
        When the images are not in the data folder of this machine.
    """
    from crystalgui.core.datasets.dataset import SUMMARY
    from crystalgui.core.datasets.hamiltonians.families import data_folder
    from crystalgui.core.datasets.images.dataset import ImageDataset
    from crystalgui.core.datasets.images.importer import import_images

    key = source.key(points)
    for folder in (context.folder(key), *(f / STEPS / key for f in neighbours(context))):
        if (folder / SUMMARY).is_file():
            return ImageDataset.load(folder)
    path = data_folder() / source.path
    if not path.exists():
        raise DataError(
            f"{source.title} is not on this machine.",
            f"Put it into the data folder as {source.path}, and name that folder in the "
            "environment variable CRYSTALGUI_DATA.",
            path=path,
        )
    own = context.folder(key)
    for event in import_images(path, source.title, own, size=points):
        context.check()
        if not isinstance(event, DatasetReady):
            yield event
    return ImageDataset.load(own)


# -------------------------------------------------------------------- outcome


def _numbers(points: Points) -> tuple[Measured, ...]:
    """Accuracies over all chi, without rolling and at the greatest chi, for each network."""
    out = []
    for title in points.titles:
        parts = {"mean over chi": points.across(title)}
        for chi in (0, points.largest):
            parts[f"chi = {chi}"] = points.at(title, chi)
        for words, values in parts.items():
            out.append(
                Measured(
                    name=f"{title}: accuracy, {words}",
                    value=float(values.mean()),
                    spread=deviation(values),
                    unit="%",
                )
            )
    return tuple(out)


def _differs(size: Size, recipe: SweepRecipe, data: ImageDataset, title: str) -> tuple[str, ...]:
    """What follows from the size of the preset, and what the data are."""
    rows = size.test or int(data.is_test.sum())
    lines = [
        f"{recipe.size:,} networks: {size.words}, tested on {rows:,}, at a learning rate of "
        f"{size.rate:g}.",
        "The paper does not state its optimiser, batch size and numbers of channels: AdamW, "
        f"batches of {size.batch}, and the widths of the card.",
        "Noise is that of the repeats (initial weights, order of the images); the test images "
        "are the same for all networks, and another choice of them adds to it.",
    ]
    if data.edition:
        lines.insert(0, f"The images are those of the {data.edition} of {title}.")
    return tuple(lines)


def _tables(context: Context, recipe: SweepRecipe, points: Points) -> None:
    rows: list[list[Cell]] = []
    for n, network in enumerate(recipe.networks):
        for k, chi in enumerate(points.rollings):
            for r in range(recipe.repeats):
                numbers = float(points.accuracy[n, k, r]), float(points.cost[n, k, r])
                rows.append([network.title, network.group, chi, r, *numbers])
    header = ["network", "group", "chi", "repeat", "accuracy (%)", "cost"]
    context.table("points", header, rows, "Every network that was trained")
    rows = []
    for title in points.titles:
        for k, chi in enumerate(points.rollings):
            right, cost = points.values(title)[k], points.values(title, "cost")[k]
            rows.append([title, chi, float(right.mean()), deviation(right), float(right.max()),
                         float(cost.mean()), deviation(cost), float(cost.min())])  # fmt: skip
    header = ["network", "chi", "accuracy (%)", "spread (%)", "best (%)", "log10 cost", "spread",
              "best"]  # fmt: skip
    context.table("curves", header, rows, "Mean, spread and best of the repeats")
