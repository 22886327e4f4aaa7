"""Networks whose attention is watched: what the experiments of Figs. 22 and 28 share.

Bird (2023), section 3.2: the attention of a free medium extractor over 1250
images, epoch by epoch.  Networks are trained the ordinary way, one by one,
and what the monitors of a run say of them is kept.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Scalar
from crystalgui.core.errors import Diverged
from crystalgui.core.experiments._registry import Context
from crystalgui.core.experiments.rolling import CIFAR, images
from crystalgui.core.messages import (
    AttentionReady,
    EpochMetrics,
    Event,
    LogLine,
    SplitSpec,
    TrainJob,
    TrainRecipe,
)

if TYPE_CHECKING:
    from crystalgui.core.datasets.images.dataset import ImageDataset

Floats = NDArray[np.float64]

SAMPLES = 1250
"""Images that attention is read over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a preset is; ``train`` and ``test`` are rows, 0 for all.

    ``rates`` and ``floors`` are what is compared, where something is.
    """

    repeats: int
    epochs: int
    rates: tuple[float, ...]
    floors: tuple[float, ...] = (0.0,)
    train: int = 0
    test: int = 0
    batch: int = 64
    preset: str = "cifar"
    params: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was seen of one network.

    Attributes
    ----------
    layers : tuple of str
        L read-outs.
    epochs : (e,) int64
        From 0, before training.
    mean, std : (e, L) float64
    saturated : (e, L) bool
        At the least or the most that it can be for every image alike.
    accuracy : float
        On the test images, per cent; of a network that diverged that of a guess.
    floor : float
    diverged : bool
    """

    layers: tuple[str, ...]
    epochs: NDArray[np.int64]
    mean: Floats
    std: Floats
    saturated: NDArray[np.bool_]
    accuracy: float
    floor: float
    diverged: bool = False

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Seen:
        """From what `watch` kept."""
        rows = kept["attention"]
        return cls(
            layers=tuple(kept["layers"]),
            epochs=np.array([row["epoch"] for row in rows], np.int64),
            mean=np.array([row["mean"] for row in rows], np.float64),
            std=np.array([row["std"] for row in rows], np.float64),
            saturated=np.array([row["saturated"] for row in rows], np.bool_),
            accuracy=float(kept["accuracy"]),
            floor=float(kept["floor"]),
            diverged=bool(kept["diverged"]),
        )

    @property
    def centre(self) -> Floats:
        """(e,) float64: the mean layer, weighted by attention."""
        place = np.arange(self.mean.shape[1])
        return np.asarray((self.mean * place).sum(1) / self.mean.sum(1), np.float64)


def some_images(context: Context, size: Size) -> Generator[Event, None, ImageDataset]:
    """The images of a preset: the whole data set, or a part with every class alike."""
    from crystalgui.core.datasets.dataset import SUMMARY
    from crystalgui.core.datasets.images.dataset import ImageDataset, assemble
    from crystalgui.core.training.sweep import some_rows

    whole = yield from images(context, CIFAR)
    if not size.train:
        return whole
    folder = context.folder("some-images")
    if (folder / SUMMARY).is_file():
        return ImageDataset.load(folder)
    train, test = (
        some_rows(np.flatnonzero(part), whole.label, count, 0)
        for part, count in ((~whole.is_test, size.train + SAMPLES), (whole.is_test, size.test))
    )
    rows = np.sort(np.concatenate([train, test]))
    made = assemble(
        f"{whole.summary.name} (part)", folder, whole.values[rows], whole.label[rows],
        whole.is_test[rows], whole.summary.classes, whole.origin,
    )  # fmt: skip
    made.save()
    return made


def recipe_of(
    data: ImageDataset, size: Size, params: Mapping[str, Scalar], rate: float, seed: int,
    device: str,
) -> TrainRecipe:  # fmt: skip
    """How one network is trained: as plainly as the paper says, at a constant rate."""
    return TrainRecipe(
        model="extractor",
        dataset=data.summary.folder,
        preset=size.preset,
        params={**size.params, **params},
        split=SplitSpec(kind="given", validation=SAMPLES / int((~data.is_test).sum()), seed=0),
        epochs=size.epochs,
        batch_size=size.batch,
        learning_rate=rate,
        schedule="constant",
        warmup=0.0,
        clip_norm=0.0,
        seed=seed,
        device="cuda" if device == "cuda" else "cpu",
    )


def watch(
    context: Context, key: str, recipe: TrainRecipe, classes: int
) -> Generator[Event, None, Seen]:
    """Train a network and keep what was seen of its attention; one that diverges is kept, too."""
    from crystalgui.core.training.session import train

    kept = context.done(key)
    if kept is not None:
        return Seen.of(kept)
    seen: list[AttentionReady] = []
    accuracy, diverged = 100 / classes, False
    recipe = replace(recipe, title=key)
    job = TrainJob(project=context.folder("runs"), recipe=recipe)
    try:
        for event in train(job, context.stop):
            context.check()
            if isinstance(event, AttentionReady):
                seen.append(event)
            elif isinstance(event, EpochMetrics) and "test/accuracy" in event.values:
                accuracy = 100 * event.values["test/accuracy"]
            yield event
    except Diverged as error:
        diverged = True
        yield LogLine(text=f"{key}: {error}", level="warning")
    names = ("epoch", "mean", "std", "quantiles", "saturated")
    numbers = {
        "layers": seen[0].layers,
        "floor": seen[0].floor,
        "accuracy": accuracy,
        "diverged": diverged,
        "attention": [{name: getattr(event, name) for name in names} for event in seen],
    }
    return Seen.of(context.keep(key, numbers))


def source_differs(data: ImageDataset, size: Size) -> tuple[str, ...]:
    """What the data are, and what follows from the size of the preset."""
    held = int((~data.is_test).sum()) - SAMPLES
    return (
        f"The images are those of the {data.edition} of {data.origin.title}."
        if data.edition
        else f"The images are those of {data.origin.title}.",
        f"{held:,} images for training, {size.epochs} epochs, {size.repeats} repeats; attention "
        f"is read over {SAMPLES:,} images that are kept out of training, not over test images.",
        "The paper does not state its optimiser, batch size and numbers of channels: AdamW at a "
        f"constant rate, batches of {size.batch}, and the widths of the card.",
    )
