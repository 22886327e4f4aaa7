"""Replicas: the numbers of single runs, resume to the bit, folding, spread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crystalgui.core.datasets.hamiltonians.tables import ZoneBatch
from crystalgui.core.errors import Diverged, ModelError
from crystalgui.core.messages import EpochMetrics, Event, TrainRecipe
from crystalgui.core.training import folding
from crystalgui.core.training.loop import order
from crystalgui.core.training.optimise import Average, optimiser, rate
from crystalgui.core.training.replicas import (
    Fitted,
    family_task,
    recalls,
    replicate,
    scores,
    spread,
    trace,
)
from crystalgui.core.training.stack import Stack, Task

ROWS, COLUMNS, CLASSES = 90, 24, 3


class Small(nn.Module):
    """A network that tells its first layer."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.into = nn.Linear(COLUMNS, 6, bias=bias)
        self.out = nn.Sequential(nn.LeakyReLU(0.01), nn.Linear(6, CLASSES))

    @property
    def first(self) -> nn.Linear:
        return self.into

    def columns(self, batch: Tensor) -> Tensor:
        return batch

    def rest(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.out(hidden)
        return out

    def forward(self, batch: Tensor) -> Tensor:
        return self.rest(self.into(self.columns(batch)))


class Cells(Small):
    """The same kernels on three cells, as in eq. 14 of Bird 2023."""

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Linear(COLUMNS // 3, 6, bias=False)
        self.out = nn.Sequential(nn.LeakyReLU(0.01), nn.Flatten(-2), nn.Linear(18, CLASSES))

    def columns(self, batch: Tensor) -> Tensor:
        return batch.reshape(-1, 3, COLUMNS // 3)


class Plain(nn.Module):
    """A network that tells nothing."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(COLUMNS, 6), nn.Tanh(), nn.Dropout(dropout), nn.Linear(6, CLASSES)
        )

    def forward(self, batch: Tensor) -> Tensor:
        out: Tensor = self.layers(batch)
        return out


class Remembering(Plain):
    """Keeps a running mean in a buffer, as batch norm does."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(6))

    def forward(self, batch: Tensor) -> Tensor:
        hidden = self.layers[0](batch)
        if self.training:
            with torch.no_grad():
                self.seen += 0.1 * (hidden.detach().mean(0) - self.seen)
        out: Tensor = self.layers[1:](hidden - self.seen)
        return out


def samples() -> tuple[Tensor, Tensor]:
    """Columns of which a third are zero, a third repeat others up to sign."""
    draw = torch.Generator().manual_seed(5)
    x = torch.zeros(ROWS, 3, COLUMNS // 3)
    x[:, :, :3] = torch.randn(ROWS, 3, 3, generator=draw)
    x[:, :, 3] = -x[:, :, 0]
    x[:, :, 4] = x[:, :, 0]
    x[:, :, 5] = -x[:, :, 2]
    target = (x[:, 0, 0] > 0).long() + (x[:, 1, 1] > 0.4).long()
    return x.reshape(ROWS, -1), target


RECIPE = TrainRecipe(
    model="dense",
    dataset=Path(),
    epochs=4,
    batch_size=16,
    learning_rate=2e-2,
    weight_decay=0.1,
    clip_norm=0.5,
    replicas=3,
    seed=7,
)


def task(network: Callable[[], nn.Module] = Small, **changes: Any) -> Task:
    x, target = samples()
    recipe = replace(RECIPE, **{k: changes.pop(k) for k in list(changes) if hasattr(RECIPE, k)})

    def build(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return network()

    values: dict[str, Any] = {
        "build": build,
        "batch": x.__getitem__,
        "target": target,
        "train": torch.arange(60),
        "parts": {"validation": torch.arange(60, 90)},
        "classes": ("a", "b", "c"),
        "recipe": recipe,
        "loss": nn.CrossEntropyLoss(),
    }
    return Task(**(values | changes))


def run(generator: Generator[Event, None, Fitted]) -> tuple[list[Event], Fitted]:
    events = []
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            return events, end.value


def alone(t: Task, replica: int) -> dict[str, Tensor]:
    """One replica trained by torch's own means, the way a single run is."""
    recipe = t.recipe
    network = t.build(recipe.seed + replica)
    steps = optimiser(network, recipe)
    average = Average(network, recipe.ema)
    number = 0
    for epoch in range(recipe.epochs):
        seed = recipe.seed + (replica if t.own_order else 0)
        parts = order(seed, epoch, t.train).split(recipe.batch_size)
        for rows in parts:
            for group in steps.param_groups:
                group["lr"] = rate(recipe, number, recipe.epochs * len(parts))
            t.loss(network(t.batch(rows)), t.target[rows]).backward()
            if recipe.clip_norm:
                nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
            steps.step()
            steps.zero_grad()
            average.update(network)
            number += 1
    return {k: v.detach().clone() for k, v in average.best_weights(network).items()}


@pytest.mark.parametrize("network", [Small, Cells, Plain, Remembering])
@pytest.mark.parametrize("own_order", [False, True])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_replicas_have_the_numbers_of_single_runs(
    network: Callable[[], nn.Module], own_order: bool, ema: float
) -> None:
    t = task(network, own_order=own_order, ema=ema)
    _, fitted = run(replicate(t))
    for replica in range(3):
        wanted, got = alone(t, replica), fitted.weights(replica)
        assert wanted.keys() == got.keys()
        for name in wanted:
            torch.testing.assert_close(got[name], wanted[name], rtol=2e-4, atol=2e-5)
    assert fitted.finished
    assert fitted.counts["validation"].sum((1, 2)).tolist() == [30, 30, 30]


def test_weights_of_a_replica_give_its_answers() -> None:
    t = task(Cells)
    _, fitted = run(replicate(t))
    network = Cells()
    network.load_state_dict(fitted.weights(2))
    rows = t.parts["validation"]
    torch.testing.assert_close(
        network(t.batch(rows)), fitted.outputs["validation"][2], rtol=1e-4, atol=1e-5
    )


def test_evaluation_does_not_drop_out() -> None:
    _, fitted = run(replicate(task(lambda: Plain(0.5))))
    network = Plain(0.5).eval()
    network.load_state_dict(fitted.weights(1))
    t = task(lambda: Plain(0.5))
    rows = t.parts["validation"]
    torch.testing.assert_close(network(t.batch(rows)), fitted.outputs["validation"][1])


def test_a_first_layer_may_have_no_bias() -> None:
    t = task(lambda: Small(bias=False))
    _, fitted = run(replicate(t))
    for name, wanted in alone(t, 1).items():
        torch.testing.assert_close(fitted.weights(1)[name], wanted, rtol=2e-4, atol=2e-5)


def test_networks_of_zones_are_replicated_as_they_are() -> None:
    t = _zones()
    _, fitted = run(replicate(t))
    for name, wanted in alone(t, 1).items():
        torch.testing.assert_close(fitted.weights(1)[name], wanted, rtol=1e-3, atol=1e-4)


def _zones() -> Task:
    draw = torch.Generator().manual_seed(2)
    table = _Zones(torch.randn(24, 3, 4, 4, 4, generator=draw))
    recipe = TrainRecipe(
        model="zone",
        dataset=Path(),
        params={"width": 4, "depth": 1, "dropout": 0.0},
        epochs=2,
        batch_size=8,
        replicas=2,
    )
    rows = torch.arange(24)
    target = torch.randint(0, 3, (24,), generator=draw)
    return family_task(recipe, table, (3,), target, rows[:16], {"test": rows[16:]}, ("a", "b", "c"))


class _Zones:
    device = torch.device("cpu")

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def batch(self, index: Tensor) -> ZoneBatch:
        return ZoneBatch(self.values[index], torch.full((len(index),), 3))


def test_fold_finds_zero_and_mirrored_columns() -> None:
    stack = Stack(task())
    assert stack.columns is not None
    fold = stack.columns.fold
    assert len(fold.kept) == 9  # of 24: three of eight in each cell
    assert int((fold.group < 0).sum()) == 6
    assert sorted(fold.members.tolist()) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    x, _ = samples()
    rebuilt = x[:, fold.kept[fold.group.clamp(min=0)]] * fold.sign
    torch.testing.assert_close(rebuilt, x)


@pytest.mark.parametrize("scale", [1.0, 1e-5, 1e4])
def test_fold_does_not_join_columns_that_differ_in_one_sample(scale: float) -> None:
    x, _ = samples()
    x[17, 4] += 0.01
    fold = folding.find(lambda: iter((x * scale).split(40)))
    assert len(fold.kept) == 10
    assert int(fold.group[4]) != int(fold.group[0])


def test_columns_that_nearly_move_together_stay_apart() -> None:
    draw = torch.Generator().manual_seed(1)
    line = torch.randn(200, 1, generator=draw)
    x = 1e-4 * (line + 1e-2 * torch.randn(200, 50, generator=draw))
    assert len(folding.find(lambda: iter(x.split(64))).kept) == 50
    same = 1e-4 * line.expand(-1, 50)
    assert len(folding.find(lambda: iter(same.split(64))).kept) == 1
    assert len(folding.find(lambda: iter(torch.zeros(9, 4).split(5))).kept) == 0


@pytest.mark.parametrize("fold", [True, False])
def test_resumed_replicas_are_the_same_to_the_bit(tmp_path: Path, fold: bool) -> None:
    network = (lambda: Plain(0.3)) if not fold else Small
    t = task(network, ema=0.9, monitor="validation")
    _, whole = run(replicate(t, checkpoint=tmp_path / "whole.safetensors"))
    stop = threading.Event()
    part = tmp_path / "part.safetensors"
    _, cut = run(_stopping(replicate(t, stop, part), stop, 2))
    assert not cut.finished
    assert not cut.counts
    events, resumed = run(replicate(t, checkpoint=part))
    assert [e.epoch for e in events if isinstance(e, EpochMetrics)] == [3, 4]
    assert resumed.state.keys() == whole.state.keys()
    for name, value in whole.state.items():
        assert torch.equal(resumed.state[name], value), name
    assert torch.equal(resumed.outputs["validation"], whole.outputs["validation"])
    assert (tmp_path / "part.safetensors").read_bytes()


def _stopping(
    generator: Generator[Event, None, Fitted], stop: threading.Event, epoch: int
) -> Generator[Event, None, Fitted]:
    while True:
        try:
            event = next(generator)
        except StopIteration as end:
            fitted: Fitted = end.value
            return fitted
        if isinstance(event, EpochMetrics) and event.epoch == epoch:
            stop.set()
        yield event


def test_early_stop_keeps_the_best_epoch() -> None:
    t = task(epochs=60, patience=3, monitor="validation")
    events, fitted = run(replicate(t))
    metrics = [e for e in events if isinstance(e, EpochMetrics)]
    assert fitted.finished
    assert len(metrics) == fitted.epoch + 3 < 60
    best = max(m.values["val/accuracy"] for m in metrics)
    assert float(scores(fitted.counts["validation"])["accuracy"].mean()) == pytest.approx(best)


def test_loss_that_is_no_number_is_an_error() -> None:
    with pytest.raises(Diverged, match="3 of 3 networks"):
        run(replicate(task(loss=lambda out, target: out.sum() * float("nan"))))


def test_own_order_needs_batches_that_stack() -> None:
    x, _ = samples()
    t = task(Wrapped, batch=lambda rows: [x[rows]], own_order=True)
    with pytest.raises(ModelError, match="rows of their own"):
        run(replicate(t))


class Wrapped(Plain):
    """Eats a list."""

    def forward(self, batch: Any) -> Tensor:
        return super().forward(batch[0])


def test_percentages_over_replicas() -> None:
    counts = torch.tensor([[[8, 2, 0], [1, 3, 0], [2, 0, 2]], [[10, 0, 0], [0, 4, 0], [4, 0, 0]]])
    torch.testing.assert_close(trace(counts), torch.tensor([205.0, 200.0]).double())
    assert recalls(counts)[0].sum(1).tolist() == [1, 1, 1]
    found = scores(counts)
    assert found["accuracy"].tolist() == pytest.approx([13 / 18, 14 / 18])
    assert found["balanced_accuracy"].tolist() == pytest.approx([2.05 / 3, 2 / 3])
    assert spread(trace(counts)) == pytest.approx(5 / 2**0.5)
    assert spread(torch.tensor([3.0])) == 0
