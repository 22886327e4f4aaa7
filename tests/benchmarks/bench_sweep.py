"""Networks an hour of a sweep: rolled replicas as one batch against one network after another.

One after another is the plain step of a single run: read a batch, roll it,
forward, backward, clip, AdamW.  Both sides learn the same images (drawn here;
how fast a step is does not depend on what they show), take turns, so that
another load of the machine falls on both, and get the number of threads that
is best for them.  Groups are as large as a sweep makes them.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROWS, BATCH, CLASSES = 256, 64, 10
DEGREES, REPEATS = (0, 1, 2, 4, 8, 14), 3
TRIES = 5
EPOCH_ROWS, EPOCHS = 60_000, 10
"""What networks an hour are told for: the size of MNIST, as in Bird 2023, section 3.2."""
LEAST_CPU, LEAST_GPU = 1.3, 3.0
Row = dict[str, Any]
CASES: tuple[tuple[str, str, str, dict[str, Any], int, bool], ...] = (
    ("fully connected, 784-20-10", "dense", "mnist-small", {}, 28, True),
    ("small extractor, 14 x 14", "extractor", "small", {"width": 4, "depth": 1, "basis": 8,
                                                       "wide": 32}, 14, True),
    ("extractor, 28 x 28", "extractor", "small", {"width": 8}, 28, False),
)  # fmt: skip


def run() -> list[Row]:
    """Rows with name, value, unit and, where something is promised, limit."""
    import torch

    before = torch.get_num_threads()
    rows: list[Row] = []
    try:
        for name, model, preset, params, side, small in CASES:
            found = {n: _compare(model, preset, params, side, "cpu", n) for n in (1, 2)}
            limit = LEAST_CPU if small else None
            rows += _rows(name, found, "CPU", limit)
        if not torch.cuda.is_available():
            rows.append({"name": "sweep on a GPU, gain", "missing": "no CUDA device here"})
            return rows
        for name, model, preset, params, side, _ in CASES:
            found = {1: _compare(model, preset, params, side, "cuda", 1)}
            rows += _rows(name, found, "CUDA", LEAST_GPU)
    finally:
        torch.set_num_threads(before)
    return rows


def _rows(
    name: str, found: dict[int, tuple[float, float, int]], device: str, limit: float | None
) -> list[Row]:
    """Networks an hour each way, for each number of threads, and the gain."""
    steps = EPOCHS * EPOCH_ROWS / BATCH
    rows: list[Row] = []
    for threads, (alone, together, size) in found.items():
        for words, seconds in (("one by one", alone), (f"in groups of {size}", together)):
            title = f"{name}, {device}, {words}, {threads} threads"
            rows.append({"name": title, "value": 3600 / (seconds * steps), "unit": "networks/h"})
    best = min(each[0] for each in found.values()) / min(each[1] for each in found.values())
    row: Row = {"name": f"gain of a sweep, {name}, {device}", "value": best, "unit": "x"}
    rows.append({**row, "limit": limit, "better": "higher"} if limit is not None else row)
    return rows


def _compare(
    model: str, preset: str, params: dict[str, Any], side: int, where: str, threads: int
) -> tuple[float, float, int]:
    """Seconds of a step of one network, alone and in a group, and the size of the group."""
    import torch

    from crystalgui.core.training.grouping import group_of

    torch.set_num_threads(threads)
    device = torch.device(where)
    members = [(seed, chi) for chi in DEGREES for seed in range(REPEATS)]
    make = _tasks(model, preset, params, side, device)
    size = group_of(make(members[:1]), len(members)).size
    alone, together = _alone(make(members[-1:])), _together(make(members[:size]))
    times: tuple[list[float], list[float]] = ([], [])
    for epoch in (alone, together):
        epoch()
    for _ in range(TRIES):
        for kept, epoch in zip(times, (alone, together), strict=True):
            gc.collect()
            began = time.perf_counter()
            epoch()
            if where == "cuda":
                torch.cuda.synchronize()
            kept.append(time.perf_counter() - began)
    steps = ROWS / BATCH
    first, second = (statistics.median(each) / steps for each in times)
    return first, second / size, size


def _tasks(
    model: str, preset: str, params: dict[str, Any], side: int, device: Any
) -> Callable[[list[tuple[int, int]]], Any]:
    """The task of some members: seeds and degrees of rolling."""
    import torch

    from crystalgui.core.datasets.images.tables import ImageTable
    from crystalgui.core.messages import TrainRecipe
    from crystalgui.core.training.replicas import family_task

    drawn = np.random.default_rng(0).integers(0, 256, (ROWS, 1, side, side)).astype(np.uint8)
    table = ImageTable(drawn, device)
    target = (torch.arange(ROWS) % CLASSES).to(device)
    recipe = TrainRecipe(
        model=model, dataset=Path(), preset=preset, params=params, batch_size=BATCH, epochs=1
    )

    def make(members: list[tuple[int, int]]) -> Any:
        return family_task(
            recipe,
            table,
            (1, side, side),
            target,
            torch.arange(ROWS, device=device),
            {},
            tuple(map(str, range(CLASSES))),
            seeds=tuple(seed for seed, _ in members),
            rolled=tuple(chi for _, chi in members),
        )

    return make


def _alone(task: Any) -> Callable[[], None]:
    """An epoch of one network, the plain way."""
    import torch
    from torch import nn

    from crystalgui.core.datasets.images.rolling import draw, roll
    from crystalgui.core.datasets.images.tables import ImageBatch
    from crystalgui.core.training.loop import order
    from crystalgui.core.training.optimise import optimiser

    network = task.build(task.seeds[0]).to(task.device)
    steps = optimiser(network, task.recipe)

    def epoch() -> None:
        for rows in torch.split(order(0, 0, task.train), BATCH):
            values = task.batch(rows).values
            moved = roll(values, draw(task.rolled[0], (len(values), 2), task.device))
            task.loss(network(ImageBatch(moved)), task.target[rows]).backward()
            nn.utils.clip_grad_norm_(network.parameters(), task.recipe.clip_norm)
            steps.step()
            steps.zero_grad(set_to_none=True)

    return epoch


def _together(task: Any) -> Callable[[], None]:
    """An epoch of a group."""
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
