"""Our own network for BiTeI with noise: it looks where the gap closes, not at all hoppings.

The networks of Bird (2023) read the crop of the hoppings, in which most of
the noise says nothing of the phase.  This one reads the Hamiltonian at a few
k-points where training samples have their smallest gaps, projected on the
states next to the gap (`datasets.hamiltonians.low_energy`), and maximises the
trace of the confusion matrix.  It is no network of the paper.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crystalgui.core.datasets.hamiltonians.dataset import CLASSES
from crystalgui.core.experiments.bitei import Bench, Counts, rows_of
from crystalgui.core.messages import Event, TrainRecipe

if TYPE_CHECKING:
    from crystalgui.core.training.stack import Task

KEY, TITLE = "low-energy", "Ours: states next to the gap, trace cost"
POINTS, WIDTH, CHUNK = 24, 128, 512
RECIPE = TrainRecipe(
    model=KEY,
    dataset=Path(),
    epochs=100,
    batch_size=128,
    learning_rate=2e-3,
    weight_decay=1e-2,
    ema=0.99,
    cost="trace",
)


def train_low_energy(bench: Bench, repeats: int) -> Generator[Event, None, Counts]:
    """Train it as a part of an experiment; its confusion counts."""
    kept = bench.context.done(KEY)
    if kept is None:
        from dataclasses import replace

        from crystalgui.core.datasets.hamiltonians.low_energy import LowEnergy

        data, every = bench.data, np.arange(len(bench.data))
        window = LowEnergy.of(data, rows_of(data)["train"], POINTS)
        values = np.empty((len(data), window.size), np.float32)
        for first in range(0, len(data), CHUNK):
            some = every[first : first + CHUNK]
            values[some] = window.features(data, some)
            text = f"Projecting: {first + len(some):,} of {len(data):,}"
            yield bench.context.progress(bench.done, bench.total, text)
        recipe = replace(RECIPE, replicas=repeats)
        kept = yield from bench.fit(KEY, TITLE, low_energy_task(bench, values, recipe))
    bench.done += 1
    return Counts.of(kept)


def low_energy_task(bench: Bench, values: Any, recipe: TrainRecipe) -> Task:
    """The task of fully connected networks that read ``values`` (m, p) float32."""
    import torch
    from torch import nn

    from crystalgui.core.models.devices import resolve
    from crystalgui.core.models.layers.mlp import MLP
    from crystalgui.core.models.layers.standardise import Standardise
    from crystalgui.core.training.costs import cost_of
    from crystalgui.core.training.stack import Task

    device = resolve(bench.context.device)
    rows = {k: torch.from_numpy(v).to(device) for k, v in rows_of(bench.data).items()}
    target = torch.from_numpy(bench.data.label).to(device)
    table = torch.from_numpy(values).to(device)
    scale = Standardise(table.shape[1])
    scale.learn([table[rows["train"]].cpu()])

    def build(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        inner = Standardise(table.shape[1])
        inner.load_state_dict(scale.state_dict())
        return nn.Sequential(inner, MLP(table.shape[1], WIDTH, WIDTH, len(CLASSES)))

    return Task(
        build=build,
        batch=table.__getitem__,
        target=target,
        train=rows["train"],
        parts=rows,
        classes=CLASSES,
        recipe=recipe,
        loss=cost_of(recipe, "classification", target[rows["train"]], len(CLASSES)),
        device=device,
        digest=bench.data.summary.digest,
    )
