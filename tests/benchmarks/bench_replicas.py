"""Ten networks trained as one batch against ten runs in sequence, on two cores.

The data are mixtures of both ends of the BiTeI path with noise, cropped as
the networks read them; how fast a step is does not depend on the labels.  A
run in sequence is the plain step of a single run: read a batch, standardise,
forward, backward, clip, AdamW.  Both sides get the number of threads that is
best for them, and all numbers are kept.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

REPLICAS = 10
ROWS, BATCH, STEPS = 640, 128, 5
TRIES = 4
SIZES = (("small", "dense", "small", REPLICAS), ("large", "dense", "large", REPLICAS))
Row = dict[str, Any]


def run() -> list[Row]:
    """Rows with name, value, unit and, where something is promised, limit."""
    import torch

    table, target = _data()
    rows: list[Row] = []
    before = torch.get_num_threads()
    try:
        for name, model, preset, replicas in SIZES:
            rows += _compare(name, _recipe(model, preset, replicas), table, target)
    finally:
        torch.set_num_threads(before)
    return rows


def _data() -> tuple[Any, Any]:
    """The crops of noisy mixtures, and labels."""
    import torch

    from crystalgui.core.datasets.hamiltonians.dataset import (
        CLASSES,
        PhaseDataset,
        Samples,
        common,
    )
    from crystalgui.core.datasets.hamiltonians.tables import hopping_steps
    from crystalgui.core.messages import DatasetSummary, HamiltonianSource, PhaseDataRecipe
    from crystalgui.core.physics import zoo

    ends = [HamiltonianSource(model="bitei", settings={"x": p}) for p in (0.0, 2.0)]
    start, end = common(*(zoo.build(e.model, **e.settings) for e in ends))
    draw = np.random.default_rng(0)
    columns = {
        "number": np.arange(ROWS),
        "alpha": draw.random(ROWS),
        "noise_seed": np.arange(ROWS),
        "label": draw.integers(0, 3, ROWS),
        "gap": np.zeros(ROWS),
        "k": np.zeros((ROWS, 3)),
        "via": np.zeros(ROWS, np.int8),
    }
    dataset = PhaseDataset(
        summary=DatasetSummary(
            name="steps", folder=Path(), task="classification", target="phase", size=ROWS,
            classes=CLASSES, kind="hoppings",
        ),
        recipe=PhaseDataRecipe(name="steps", start=ends[0], end=ends[1], strength=0.02),
        start=start,
        end=end,
        occupied=12,
        samples=Samples(**columns),
        is_test=np.zeros(ROWS, bool),
        apart=Samples.empty(),
    )  # fmt: skip
    steps = hopping_steps(dataset)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value, torch.from_numpy(dataset.label)


def _recipe(model: str, preset: str, replicas: int) -> Any:
    from crystalgui.core.messages import TrainRecipe

    return TrainRecipe(
        model=model, dataset=Path(), preset=preset, batch_size=BATCH, epochs=1, replicas=replicas
    )


def _compare(name: str, recipe: Any, table: Any, target: Any) -> list[Row]:
    """Seconds for one step of all replicas, each way."""
    import torch

    from crystalgui.core.training.replicas import family_task

    every = torch.arange(ROWS)
    shape = tuple(table.batch(every[:1]).values.shape[1:])
    task = family_task(recipe, table, shape, target, every, {}, ("a", "b", "c"))
    sequence, folded, whole = {}, {}, {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        sequence[threads] = _fastest(_single(task)) * recipe.replicas
        folded[threads] = _fastest(_together(task))
        whole[threads] = _fastest(_together(replace_task(task, fold=False)))
    rows = []
    for words, found in (
        (f"{recipe.replicas} {name} networks in sequence", sequence),
        (f"{recipe.replicas} {name} networks as one batch", folded),
        (f"{recipe.replicas} {name} networks as one batch, columns not folded", whole),
    ):
        for threads, seconds in found.items():
            rows.append(_row(f"{words}, a step, {threads} threads", 1000 * seconds, "ms"))
    gain = min(sequence.values()) / min(folded.values())
    alone = min(sequence.values()) / min(whole.values())
    limit = 2.0 if name == "small" else None
    rows.append(_row(f"gain of {recipe.replicas} {name} replicas", gain, "x", limit, "higher"))
    rows.append(_row(f"of it without folding, {name}", alone, "x"))
    return rows


def replace_task(task: Any, **changes: Any) -> Any:
    """The same task with other fields."""
    return replace(task, **changes)


def _single(task: Any) -> Callable[[], None]:
    """An epoch of one network, the plain way."""
    import torch
    from torch import nn

    from crystalgui.core.training.loop import order
    from crystalgui.core.training.optimise import optimiser

    network = task.build(0)
    steps = optimiser(network, task.recipe)

    def epoch() -> None:
        for rows in torch.split(order(0, 0, task.train), BATCH):
            task.loss(network(task.batch(rows)), task.target[rows]).backward()
            nn.utils.clip_grad_norm_(network.parameters(), task.recipe.clip_norm)
            steps.step()
            steps.zero_grad(set_to_none=True)

    return epoch


def _together(task: Any) -> Callable[[], None]:
    """An epoch of all replicas."""
    from crystalgui.core.training.checkpoint import State
    from crystalgui.core.training.optimise import Average
    from crystalgui.core.training.replicas import adamw, one_epoch
    from crystalgui.core.training.stack import Stack

    stack = Stack(task)
    steps, average = adamw(stack, task.recipe), Average(stack, 0.0)

    def epoch() -> None:
        for _ in one_epoch(stack, steps, average, State()):
            pass

    return epoch


def _fastest(epoch: Callable[[], None]) -> float:
    """Seconds a step: the median of a few epochs after one that warms up."""
    epoch()
    times = []
    for _ in range(TRIES):
        gc.collect()
        began = time.perf_counter()
        epoch()
        times.append(time.perf_counter() - began)
    return statistics.median(times) / STEPS


def _row(name: str, value: float, unit: str, limit: float | None = None, better: str = "") -> Row:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "better": better}
