"""The training loop: a generator, so every yield is progress and a cancel point.

Device and precision come from lightning-fabric.  Sums stay on the device and
are read at most twenty times a second.  The order of the rows of an epoch
depends on the seed and the epoch alone, and everything else the next step
needs is in the checkpoint, so a resumed run is bit-identical on the CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from crystalgui.core.cards import Task
from crystalgui.core.datasets.collate import batches
from crystalgui.core.datasets.images.rolling import for_evaluation
from crystalgui.core.errors import Diverged, NotEnoughMemory
from crystalgui.core.messages import (
    ConfusionReady,
    EpochMetrics,
    Event,
    LogLine,
    Progress,
    StepMetrics,
    TrainRecipe,
)
from crystalgui.core.models import devices
from crystalgui.core.models._base import Network
from crystalgui.core.training.checkpoint import State
from crystalgui.core.training.costs import Loss, balanced, class_weights
from crystalgui.core.training.inputs import Table
from crystalgui.core.training.metrics import Beyond, Evaluation, Scale, evaluate
from crystalgui.core.training.monitors import Monitor
from crystalgui.core.training.optimise import Average, rate

STEP_SECONDS = 0.05
LOOK = 512


class Flag(Protocol):
    """What is polled to stop gently: a ``threading.Event`` does."""

    def is_set(self) -> bool:
        """Whether it was raised."""
        ...


@dataclass(slots=True, eq=False)
class Fit:
    """Everything that `epochs` needs, already on the device.

    Attributes
    ----------
    fabric : lightning_fabric.Fabric
    model : Network
        The bare network; ``wrapped`` and ``optimiser`` are fabric's.
    target : (n,) int64 or float32, on the device
    train, validation : (k,) int64, on the device
    save : callable
        Writes a checkpoint: ``save(state, evaluation or None when not the best)``.
    former : mapping
        Metrics of the last epoch of a run that goes on: it may have been enough.
    """

    recipe: TrainRecipe
    task: Task
    classes: tuple[str, ...]
    fabric: Any
    model: Network
    wrapped: Any
    optimiser: Any
    average: Average
    loss: Loss
    scale: Scale
    table: Table
    target: Tensor
    train: Tensor
    validation: Tensor
    state: State
    run_id: str
    save: Callable[[State, bool], None]
    record: Callable[[dict[str, float], bool], None]
    keep: Callable[[ConfusionReady], None] = lambda table: None
    monitor: Monitor | None = None
    beyond: Beyond | None = None
    former: Mapping[str, float] = field(default_factory=dict)

    def network(self, batch: Any) -> Tensor:
        """(b, outputs) float32 in the run's precision."""
        with self.fabric.autocast():
            out: Tensor = self.model(batch)
        return out.float()

    def heard(self, batch: Any) -> Tensor:
        """The same, and the monitor hears the attention that it took."""
        if self.monitor is None or not self.model.card.taps:
            return self.network(batch)
        with self.fabric.autocast():
            out = self.monitor.answer(self.model, batch)
        return out.float()

    def order(self) -> Tensor:
        """(k,) rows of this epoch, in order."""
        recipe, epoch = self.recipe, self.state.epoch
        if recipe.resample and self.task == "classification":
            return balanced(recipe.seed, epoch, self.train, self.target)
        return order(recipe.seed, epoch, self.train)

    @property
    def steps_an_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return math.ceil(len(self.train) / self.recipe.batch_size)


def epochs(fit: Fit, stop: Flag | None = None) -> Generator[Event, None, bool]:
    """Train until the last epoch, early stop or soft stop.

    Returns
    -------
    bool
        True when training is over, False when it was stopped and can resume.
    """
    recipe, state = fit.recipe, fit.state
    why = _enough(recipe, state, fit.former)
    began, first = time.monotonic(), state.epoch
    if state.epoch == 0:
        with _weights(fit):
            seen = _look(fit)
        yield from seen
    while state.epoch < recipe.epochs and not why:
        if stop is not None and stop.is_set():
            return False
        running = yield from _epoch(fit)
        state.epoch += 1
        with _weights(fit):
            table = for_evaluation(fit.table, recipe.seed, state.epoch)
            result = evaluate(
                fit.heard, table, fit.validation, fit.target, fit.task, fit.scale,
                beyond=fit.beyond,
            )  # fmt: skip
            seen = _look(fit)
        score = result.monitored(recipe)
        # Who trains until the rows are known wants the network that knows them: the last one.
        best = recipe.until > 0 or score > state.best
        if best:
            state.best, state.best_epoch = score, state.epoch
        values = {
            **running,
            **{f"val/{k}": v for k, v in result.values.items()},
        }
        if not fit.model.grows:
            whole = recipe.epochs * fit.steps_an_epoch
            values["learning_rate"] = rate(recipe, state.step, whole)
        # Recorded first: a run killed in between repeats the epoch, and its row is
        # written again; the other way round the row would be missing for ever.
        fit.record({"epoch": float(state.epoch), **values}, best)
        fit.save(state, best)
        yield EpochMetrics(run_id=fit.run_id, epoch=state.epoch, values=values, best=best)
        yield from seen
        if result.counts:
            yield confusion(fit, result, "validation")
        done = state.epoch - first
        eta = (time.monotonic() - began) / done * (recipe.epochs - state.epoch)
        yield Progress(done=state.epoch, total=recipe.epochs, text="Training", eta=eta)
        why = _enough(recipe, state, running)
    if why:
        yield LogLine(text=why)
    return True


def _enough(recipe: TrainRecipe, state: State, running: Mapping[str, float]) -> str:
    """Why training ends after an epoch with these metrics; empty when it goes on."""
    if recipe.patience and state.epoch - state.best_epoch >= recipe.patience:
        return f"No better epoch in {recipe.patience}: stopped early."
    if recipe.until and running.get("train/accuracy", 0.0) >= recipe.until:
        return f"The training rows are known to {100 * recipe.until:g} %: stopped."
    return ""


def _look(fit: Fit) -> list[Event]:
    """What the monitor sees in the network as it would be kept."""
    return list(fit.monitor.look(fit.model, fit.state.epoch)) if fit.monitor is not None else []


def confusion(fit: Fit, result: Evaluation, part: str) -> ConfusionReady:
    """The confusion matrix of an evaluation as an event; the run keeps it as well."""
    table = ConfusionReady(
        run_id=fit.run_id,
        epoch=fit.state.epoch,
        split=part,
        classes=fit.classes,
        counts=result.counts,
    )
    fit.keep(table)
    return table


def order(seed: int, epoch: int, rows: Tensor) -> Tensor:
    """(k,) rows in the order of an epoch; depends on seed and epoch alone."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return rows[torch.randperm(len(rows), generator=generator).to(rows.device)]


def _epoch(fit: Fit) -> Generator[Event, None, dict[str, float]]:
    """One pass over the training rows; returns its running metrics."""
    if fit.model.grows:
        return (yield from _growth(fit))
    fit.model.train()
    total = torch.zeros(2, device=fit.train.device)
    seen, began = 0, time.monotonic()
    shown = _Shown(total.clone(), 0, began)
    rows_in_order = fit.order()
    steps = batches(rows_in_order, fit.recipe.batch_size)
    for number, rows in enumerate(steps, 1):
        lr = rate(fit.recipe, fit.state.step, fit.recipe.epochs * len(steps))
        for group in fit.optimiser.param_groups:
            group["lr"] = lr
        total += yield from _step(fit, rows)
        seen += len(rows)
        fit.state.step += 1
        fit.average.update(fit.model)
        now = time.monotonic()
        if now - shown.time >= STEP_SECONDS or number == len(steps):
            recent = float(total[0] - shown.total[0]) / (seen - shown.seen)
            _guard(fit, recent)
            speed = (seen - shown.seen) / max(now - shown.time, 1e-9)
            shown = _Shown(total.clone(), seen, now)
            yield StepMetrics(
                run_id=fit.run_id,
                step=fit.state.step,
                epoch=fit.state.epoch + number / len(steps),
                loss=recent,
                samples_per_second=speed,
                memory_bytes=devices.memory_in_use(fit.table.device),
            )
    loss, score = (total / seen).tolist()
    name = "accuracy" if fit.task == "classification" else "mae"
    speed = seen / max(time.monotonic() - began, 1e-9)
    return {"train/loss": loss, f"train/{name}": score, "rows_per_second": speed}


def _growth(fit: Fit) -> Generator[Event, None, dict[str, float]]:
    """The same of a family that fits itself, from all rows at once."""
    recipe, target, began = fit.recipe, fit.target[fit.train], time.monotonic()
    weights = None
    if recipe.class_weights and fit.task == "classification":
        weights = class_weights(target, len(fit.classes))[target]

    def seen() -> Iterator[Any]:
        return (fit.table.batch(rows) for rows in batches(fit.train, LOOK))

    loss, out, first, before = math.nan, None, fit.state.step, began
    for share, out in fit.model.grow(seen, target, recipe.seed, weights):
        fit.state.step += 1
        now = time.monotonic()
        loss = float(fit.loss(out, target))
        _guard(fit, loss)
        yield StepMetrics(
            run_id=fit.run_id,
            step=fit.state.step,
            epoch=fit.state.epoch + share,
            loss=loss,
            samples_per_second=len(target) / max(now - before, 1e-9),
            memory_bytes=devices.memory_in_use(fit.table.device),
        )
        before = now
    if out is None:
        return {}
    speed = (fit.state.step - first) * len(target) / max(time.monotonic() - began, 1e-9)
    name = "accuracy" if fit.task == "classification" else "mae"
    return {"train/loss": loss, f"train/{name}": _score(fit, out, target), "rows_per_second": speed}


def _score(fit: Fit, out: Tensor, target: Tensor) -> float:
    """Accuracy, or the mean error in the target's unit."""
    if fit.task == "classification":
        return float((out.argmax(1) == target).float().mean())
    return float((out[:, 0] - target).abs().mean()) * fit.scale.std


@dataclass(frozen=True, slots=True)
class _Shown:
    """Sums at the last `StepMetrics`."""

    total: Tensor
    seen: int
    time: float


def _step(fit: Fit, rows: Tensor) -> Generator[Event, None, Tensor]:
    """One optimiser step, halved again and again while memory runs out.

    Returns the summed loss and the summed hits (or errors) of the rows, on the device.
    """
    while True:
        try:
            return _backward(fit, rows)
        except (RuntimeError, MemoryError) as error:
            if not devices.out_of_memory(error):
                raise
            details = str(error)
        fit.optimiser.zero_grad(set_to_none=True)
        devices.free(fit.table.device)
        if fit.state.accumulate >= len(rows):
            raise NotEnoughMemory(
                "Memory ran out even with one row at a time.",
                "Choose a smaller model, a smaller cutoff, or the CPU.",
                details,
            )
        fit.state.accumulate *= 2
        yield LogLine(
            text=f"Memory ran out: each batch now takes {fit.state.accumulate} passes.",
            level="warning",
        )


def _backward(fit: Fit, rows: Tensor) -> Tensor:
    size = math.ceil(len(rows) / fit.state.accumulate)
    total = torch.zeros(2, device=rows.device)
    for part in batches(rows, size):
        out, target = fit.network(fit.table.batch(part)), fit.target[part]
        loss = fit.loss(out, target)
        fit.fabric.backward(loss * (len(part) / len(rows)))
        with torch.no_grad():
            if fit.task == "classification":
                score = (out.argmax(1) == target).sum()
            else:
                score = (out[:, 0] - target).abs().sum() * fit.scale.std
            total += torch.stack([loss.detach() * len(part), score])
    if fit.recipe.clip_norm > 0:
        fit.fabric.clip_gradients(
            fit.wrapped, fit.optimiser, max_norm=fit.recipe.clip_norm, error_if_nonfinite=False
        )
    fit.optimiser.step()
    fit.optimiser.zero_grad(set_to_none=True)
    return total


def _guard(fit: Fit, loss: float) -> None:
    if not math.isfinite(loss):
        lower = fit.recipe.learning_rate / 10
        raise Diverged(
            f"The loss is no longer a number (epoch {fit.state.epoch + 1}, step {fit.state.step}).",
            f"Try a lower learning rate, e.g. {lower:g}; the last good epoch is kept.",
        )


class _weights:
    """Evaluation mode with the averaged weights, when there is an average."""

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        self.own: dict[str, Tensor] = {}

    def __enter__(self) -> None:
        model: nn.Module = self.fit.model
        model.eval()
        if self.fit.average.weights:
            self.own = {k: v.detach().clone() for k, v in model.state_dict().items()}
            model.load_state_dict(self.fit.average.weights)

    def __exit__(self, *_: object) -> None:
        if self.own:
            self.fit.model.load_state_dict(self.own)
        self.fit.model.train()
