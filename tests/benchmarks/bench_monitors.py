"""What looking inside a network costs: attention and gradients against the steps of an epoch.

A free-attention extractor learns images that are drawn here, an attention
network crystals that are made here; how fast a step is does not depend on what
they show.  Time spent in the monitors is measured
inside the training itself, in the same seconds as the steps, so that another
load of the machine falls on both.  The looks before the first epoch are made
once a run and are told apart.  In a group of a sweep the first network is
taken out of the group for every look, which counts as well.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from crystalgui.core.messages import TrainRecipe

LIMIT, LIMIT_HEADS = 2.0, 3.0
EPOCHS = 4
Row = dict[str, Any]
CASES = (
    ("small extractor, 2,000 images", "small", 2000, (1, 28, 28), 1),
    ("deep extractor, 2,000 images", "deep", 2000, (3, 32, 32), 1),
    ("3 replicas of the small extractor, 2,000 images", "small", 2000, (1, 28, 28), 3),
)
PARAMS = {
    "small": {"width": 8, "basis": 8, "wide": 32},
    "deep": {"width": 8, "basis": 8, "wide": 32, "halvings": 4, "depth": 2},
}
CRYSTALS = 2000
GPU = (
    ("small extractor, 50,000 images", "small", 50_000, (1, 28, 28), 1),
    ("deep extractor, 50,000 images", "deep", 50_000, (3, 32, 32), 1),
)


def run() -> list[Row]:
    """Rows with name, value, unit and, where something is promised, limit."""
    import torch

    before = torch.get_num_threads()
    rows: list[Row] = []
    try:
        for case in CASES:
            rows += _measure("CPU", *case)
        rows += _heads("CPU")
        for networks in (1, 6):
            rows += _group(networks, 1000, (1, 28, 28))
        if torch.cuda.is_available():
            for case in GPU:
                rows += _measure("CUDA", *case)
            rows += _heads("CUDA")
        else:
            rows.append({"name": "monitors on a GPU, share of the steps",
                         "missing": "no CUDA device on this machine"})  # fmt: skip
    finally:
        torch.set_num_threads(before)
    return rows


def _measure(
    device: str, name: str, params: str, images: int, shape: tuple[int, ...], replicas: int
) -> list[Row]:
    """Share of the monitors in one training."""
    from crystalgui.core.messages import SplitSpec, TrainRecipe

    with tempfile.TemporaryDirectory() as place:
        folder = _images(Path(place) / "images", images, shape)
        recipe = TrainRecipe(
            model="extractor", dataset=folder, params=PARAMS[params], epochs=EPOCHS, batch_size=64,
            learning_rate=1e-3, split=SplitSpec(kind="given", validation=0.2), threads=1,
            replicas=replicas, device="cuda" if device == "CUDA" else "cpu",
        )  # fmt: skip
        return _watched(f"{name}, {device}", recipe, replicas * round(0.8 * images), Path(place))


def _heads(device: str) -> list[Row]:
    """Share of the attention between atoms in a training of the small attention network."""
    from crystalgui.core.messages import SplitSpec, TrainRecipe
    from tests.models.samples import dataset

    with tempfile.TemporaryDirectory() as place:
        recipe = TrainRecipe(
            model="cann", dataset=dataset(Path(place), CRYSTALS).summary.folder, epochs=EPOCHS,
            batch_size=128, learning_rate=1e-3, threads=1,
            split=SplitSpec(kind="random", validation=0.1, test=0.1),
            device="cuda" if device == "CUDA" else "cpu",
        )  # fmt: skip
        words = f"attention between atoms, {CRYSTALS:,} crystals, {device}"
        return _watched(words, recipe, round(0.8 * CRYSTALS), Path(place), LIMIT_HEADS)


def _watched(
    words: str, recipe: TrainRecipe, learnt: int, place: Path, limit: float = LIMIT
) -> list[Row]:
    """Share of the monitors in a training that learns so many rows an epoch."""
    from crystalgui.core.messages import EpochMetrics, TrainJob
    from crystalgui.core.training.session import train

    steps, seen = [], []
    with _timed() as looks:
        for event in train(TrainJob(project=place / "project", recipe=recipe)):
            if isinstance(event, EpochMetrics) and "rows_per_second" in event.values:
                steps.append(learnt / event.values["rows_per_second"])
                seen.append(looks[0])
    first, each = seen[0], np.diff([*seen])
    share = statistics.median(100 * cost / step for cost, step in zip(each, steps[1:], strict=True))
    return [
        _row(f"steps of an epoch, {words}", 1000 * statistics.median(steps), "ms"),
        _row(f"monitors after an epoch, share of its steps, {words}", share, "%", limit),
        _row(f"monitors before and after the first epoch, once, {words}", 1000 * first, "ms"),
    ]


def _group(networks: int, images: int, shape: tuple[int, ...]) -> list[Row]:
    """Share of the looks into the first network of a group of a sweep, rolled as there."""
    import torch

    from crystalgui.core.datasets.images.dataset import ImageDataset
    from crystalgui.core.datasets.images.tables import ImageTable
    from crystalgui.core.messages import EpochMetrics, TrainRecipe
    from crystalgui.core.training.replicas import family_task, replicate
    from crystalgui.core.training.together import first_replica

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        data = ImageDataset.load(_images(Path(place) / "images", images, shape))
        recipe = TrainRecipe(
            model="extractor", dataset=data.summary.folder, params=PARAMS["small"], epochs=EPOCHS,
            batch_size=64, learning_rate=1e-3, threads=1, device="cpu",
        )  # fmt: skip
        task = family_task(
            recipe, ImageTable(data), data.shape, torch.from_numpy(data.label),
            torch.arange(images), {"test": torch.arange(images, images + 20)},
            data.summary.classes, seeds=tuple(range(networks)), rolled=(2,) * networks,
        )  # fmt: skip
        own, looks, steps = first_replica(task, lambda event: None, thorough=False), [], []

        def look(*what: Any) -> Any:
            began = time.perf_counter()
            try:
                return own(*what)
            finally:
                looks.append(time.perf_counter() - began)

        for event in replicate(task, look=look):
            if isinstance(event, EpochMetrics):
                steps.append(networks * images / event.values["rows_per_second"])
    share = 100 * sum(looks[1:]) / sum(steps)  # not every epoch is looked at in a small group
    words = f"a group of {networks} of a sweep, {images:,} images, CPU"
    return [
        _row(f"steps of an epoch, {words}", 1000 * statistics.median(steps), "ms"),
        _row(f"monitors after an epoch, share of its steps, {words}", share, "%", LIMIT),
        _row(f"monitors before the first epoch, once, {words}", 1000 * looks[0], "ms"),
    ]


def _images(folder: Path, images: int, shape: tuple[int, ...]) -> Path:
    """A data set of noise in two classes."""
    from crystalgui.core.datasets.images.dataset import assemble

    draw = np.random.default_rng(0)
    values = draw.integers(0, 256, (images + 20, *shape), dtype=np.uint8)
    label = np.arange(images + 20) % 2
    is_test = np.arange(images + 20) >= images
    from crystalgui.core.datasets.images.dataset import Origin

    assemble("noise", folder, values, label, is_test, ("a", "b"), Origin()).save()
    return folder


@contextmanager
def _timed() -> Iterator[list[float]]:
    """Seconds spent in the monitors, in a list of one; what reading attention costs included.

    A network that has attention computes it anyhow, so what it costs is to
    keep it; the look itself reads, computes and writes.
    """
    from crystalgui.core.training.monitors import Monitor

    spent, depth = [0.0], [0]
    own = {name: getattr(Monitor, name) for name in ("hear", "hear_heads", "look")}

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any) -> Any:
            began, depth[0] = time.perf_counter(), depth[0] + 1
            try:
                found = function(*arguments)
                return iter(list(found)) if found is not None else None
            finally:
                depth[0] -= 1
                if depth[0] == 0:  # a look hears, too
                    spent[0] += time.perf_counter() - began

        return wrapped

    try:
        for name, function in own.items():
            setattr(Monitor, name, timed(function))
        yield spent
    finally:
        for name, function in own.items():
            setattr(Monitor, name, function)


def _row(name: str, value: float, unit: str, limit: float | None = None) -> Row:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "better": "lower"}
