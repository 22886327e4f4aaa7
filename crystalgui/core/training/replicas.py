"""Networks that differ by their seed alone, trained together as one batch.

Bird 2023, section 3.3, repeats every training ten times "with different
initialisation".  Ten small networks that see the same rows are one network
with ten times the width: their first layers are one matrix product, what
follows is mapped over the replicas (`stack`), and AdamW, which acts entry by
entry, keeps the state of each.  The numbers are those of single runs to float
tolerance.

By default all replicas see the rows in one order (that of the first seed), so
that a batch is read once; ``own_order`` gives replica r the order of a single
run with seed + r, which is slower.  Columns of the input that learn alike are
learnt once (`folding`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from crystalgui.core import stopping
from crystalgui.core.errors import Diverged
from crystalgui.core.messages import EpochMetrics, Event, Progress, StepMetrics, TrainRecipe
from crystalgui.core.models import devices
from crystalgui.core.models._tensors import read_tensors, write_tensors
from crystalgui.core.training.checkpoint import State, load_state, save_state
from crystalgui.core.training.loop import STEP_SECONDS, Flag
from crystalgui.core.training.optimise import Average, rate
from crystalgui.core.training.stack import READ, Stack, Task

EVALUATED = 1024


@dataclass(slots=True, eq=False)
class Fitted:
    """Replicas after training.

    Attributes
    ----------
    stack : Stack
    state : dict
        Stacked weights of the best epoch (or the last), averaged where asked for.
    counts : dict
        For each part (replicas, classes, classes) int64, rows = true class.
    outputs : dict
        For each part (replicas, m, classes) float32 logits, on the CPU.
    epoch : int
        The epoch that ``state`` is of.
    finished : bool
        False after a soft stop.
    seconds : float
        Of training, without this session's set-up.
    """

    stack: Stack
    state: dict[str, Tensor]
    counts: dict[str, Tensor]
    outputs: dict[str, Tensor]
    epoch: int
    finished: bool
    seconds: float

    def weights(self, replica: int) -> dict[str, Tensor]:
        """State of the network ``replica`` by itself."""
        return self.stack.weights(replica, self.state)


Record = Callable[[dict[str, float], bool], None]
Look = Callable[[Stack, Mapping[str, Tensor], int], Sequence[Event]]


class Table(Protocol):
    """A data set on a device; a batch is index arithmetic."""

    device: torch.device

    def batch(self, index: Tensor) -> Any:
        """What a network eats, of the rows ``index``."""
        ...


def family_task(
    recipe: TrainRecipe,
    table: Table,
    shape: tuple[int, ...],
    target: Tensor,
    train: Tensor,
    parts: Mapping[str, Tensor],
    classes: tuple[str, ...],
    **more: Any,
) -> Task:
    """The task of a recipe: networks of its family, its cost and its order of rows.

    What the networks learn of the inputs before the first step (their mean
    and spread) is learnt once, from the training rows.

    Parameters
    ----------
    shape : tuple of int
        Of one input, where the family must know it.
    target : (n,) int64, on the device of the table; ``train`` and ``parts`` are rows of it
    **more
        Other fields of `Task`.
    """
    from crystalgui.core.models import _registry as registry
    from crystalgui.core.training import costs

    params, _ = registry.settings(recipe.model, recipe.preset, recipe.params)
    outputs, device = len(classes), table.device

    def fresh(seed: int) -> Any:
        torch.manual_seed(seed)
        return registry.build(recipe.model, outputs, params, shape)

    learnt = fresh(recipe.seed).to(device)
    learnt.start(target[train])
    learnt.standardise(table.batch(rows) for rows in torch.split(train, READ))
    buffers = {k: v.cpu() for k, v in learnt.named_buffers()}

    def build(seed: int) -> torch.nn.Module:
        network: torch.nn.Module = fresh(seed)
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
        return network

    if recipe.resample:
        more["order"] = lambda seed, epoch, rows: costs.balanced(seed, epoch, rows, target)
    return Task(
        build=build,
        batch=table.batch,
        target=target,
        train=train,
        parts=parts,
        classes=classes,
        recipe=recipe,
        loss=costs.cost_of(recipe, "classification", target[train], outputs),
        device=device,
        **more,
    )


def replicate(
    task: Task,
    stop: Flag | None = None,
    checkpoint: Path | None = None,
    record: Record | None = None,
    look: Look | None = None,
) -> Generator[Event, None, Fitted]:
    """Train all replicas until the last epoch, early stop or soft stop.

    Parameters
    ----------
    checkpoint : Path, optional
        Written after every epoch, read when it is there: training goes on
        where it was, bit for bit on the CPU.  The best epoch is beside it.
    record : callable
        Takes the metrics of each epoch and whether it is the best.
    look : callable
        Looks at the stack, its weights and the number of epochs, before the
        first and after each one; what it says is told.
    """
    recipe = task.recipe
    stack = Stack(task)
    steps = adamw(stack, recipe)
    average = Average(stack, recipe.ema)
    torch.manual_seed(recipe.seed)
    state = State(digest=task.digest)
    if checkpoint is not None and checkpoint.is_file():
        state = load_state(checkpoint, stack, steps, average)
    best = checkpoint.with_name("best-" + checkpoint.name) if checkpoint is not None else None
    kept: dict[str, Tensor] = {}
    began, first = time.monotonic(), state.epoch
    former = float(state.extra.get("seconds", 0.0))
    finished = False
    if look is not None and state.epoch == 0:
        yield from look(stack, average.best_weights(stack), 0)
    while not finished and not (stop is not None and stop.is_set()):
        if state.epoch >= recipe.epochs:
            finished = True
            break
        running = yield from one_epoch(stack, steps, average, state)
        state.epoch += 1
        now = average.best_weights(stack)
        values, is_best = dict(running), True
        if task.monitor:
            part = task.parts[task.monitor]
            shifts = task.shifts(state.epoch, len(part), task.monitor)
            counts, _ = evaluate(stack, now, part, shifts)
            values |= _spread("val", counts)
            score = values[f"val/{task.score}"]
            is_best = score > state.best
            state.best = max(score, state.best)
        if is_best:
            state.best_epoch = state.epoch
            if task.monitor:
                kept = {k: v.detach().clone() for k, v in now.items()}
                if best is not None:
                    write_tensors(best, kept, {"epoch": str(state.epoch)})
        state.extra["seconds"] = former + time.monotonic() - began
        if record is not None:
            record({"epoch": float(state.epoch), **values}, is_best)
        seen = look(stack, now, state.epoch) if look is not None else ()
        if checkpoint is not None:
            save_state(checkpoint, state, stack, steps, average)
        yield EpochMetrics(run_id=task.run_id, epoch=state.epoch, values=values, best=is_best)
        yield from seen
        eta = (time.monotonic() - began) / (state.epoch - first) * (recipe.epochs - state.epoch)
        text = f"Training {len(stack.seeds)} networks together"
        yield Progress(done=state.epoch, total=recipe.epochs, text=text, eta=eta)
        finished = bool(recipe.patience and state.epoch - state.best_epoch >= recipe.patience)
    if task.monitor and not kept and best is not None and best.is_file():
        kept = {k: v.to(task.device) for k, v in read_tensors(best)[0].items()}
    final = kept or {k: v.detach().clone() for k, v in average.best_weights(stack).items()}
    totals: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}
    if finished:
        for name, rows in task.parts.items():
            shifts = task.shifts(0, len(rows), f"the answers of {name}")
            totals[name], outputs[name] = evaluate(stack, final, rows, shifts)
    epoch = state.best_epoch if task.monitor else state.epoch
    seconds = former + time.monotonic() - began
    return Fitted(stack, final, totals, outputs, epoch, finished, seconds)


def adamw(stack: Stack, recipe: TrainRecipe) -> torch.optim.Optimizer:
    """AdamW of all replicas in one pass over their memory; its state is per entry.

    As in `optimise.optimiser`, biases and norms are not decayed.
    """
    matrices = [p for p in stack.parameters() if p.ndim > 2]
    vectors = [p for p in stack.parameters() if p.ndim <= 2]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=recipe.learning_rate, fused=True
    )


def one_epoch(
    stack: Stack, steps: torch.optim.Optimizer, average: Average, state: State
) -> Generator[Event, None, dict[str, float]]:
    """One pass over the training rows; returns its running metrics."""
    task, recipe = stack.task, stack.task.recipe
    parts = _batches(task, state.epoch)
    shifts = _shifts(task, state.epoch, parts)
    total = torch.zeros(2, len(stack.seeds), device=task.device, dtype=torch.float64)
    seen, began = 0, time.monotonic()
    shown, shown_seen, shown_time = total.clone(), 0, began
    for number, (rows, shift) in enumerate(zip(parts, shifts, strict=True), 1):
        lr = rate(recipe, state.step, recipe.epochs * len(parts))
        for group in steps.param_groups:
            group["lr"] = lr
        losses, hits = stack.backward(rows, shift)
        if recipe.clip_norm > 0:
            stack.clip(recipe.clip_norm)
        steps.step()
        stack.forget()
        stack.shrink *= 1 - lr * recipe.weight_decay
        average.update(stack)
        state.step += 1
        size = rows.shape[-1]
        total += torch.stack([losses * size, hits.to(losses)])
        seen += size
        now = time.monotonic()
        if now - shown_time >= STEP_SECONDS or number == len(parts):
            recent = (total[0] - shown[0]) / (seen - shown_seen)
            if not task.tolerant:
                _guard(recent, state, recipe)
            yield StepMetrics(
                run_id=task.run_id,
                step=state.step,
                epoch=state.epoch + number / len(parts),
                loss=float(recent.mean()),
                samples_per_second=(seen - shown_seen) * len(stack.seeds)
                / max(now - shown_time, 1e-9),
                memory_bytes=devices.memory_in_use(task.device),
            )  # fmt: skip
            shown, shown_seen, shown_time = total.clone(), seen, now
    mean, own = (total / seen).mean(1), (total / seen)[1]
    return {
        "train/loss": float(mean[0]),
        "train/accuracy": float(mean[1]),
        "train/accuracy_spread": spread(own),
        "learning_rate": lr,
        "rows_per_second": seen * len(stack.seeds) / max(time.monotonic() - began, 1e-9),
    }


def _batches(task: Task, epoch: int) -> list[Tensor]:
    """Rows of each step: (b,) shared, or (replicas, b)."""
    recipe = task.recipe
    if not task.own_order:
        rows = task.order(recipe.seed, epoch, task.train)
    else:
        each = [task.order(recipe.seed + r, epoch, task.train) for r in range(recipe.replicas)]
        rows = torch.stack(each)
    return list(torch.split(rows, recipe.batch_size, -1))


def _shifts(task: Task, epoch: int, parts: list[Tensor]) -> list[Tensor] | list[None]:
    """Shifts of each step, for each replica its own."""
    drawn = task.shifts(epoch, sum(rows.shape[-1] for rows in parts))
    if drawn is None:
        return [None] * len(parts)
    return list(torch.split(drawn, task.recipe.batch_size, 1))


def _guard(losses: Tensor, state: State, recipe: TrainRecipe) -> None:
    if not bool(losses.isfinite().all()):
        raise Diverged(
            f"The loss of {int((~losses.isfinite()).sum())} of {len(losses)} networks is no longer "
            f"a number (epoch {state.epoch + 1}, step {state.step}).",
            f"Try a lower learning rate, e.g. {recipe.learning_rate / 10:g}.",
        )


@torch.no_grad()
def evaluate(
    stack: Stack, state: Mapping[str, Tensor], rows: Tensor, shifts: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Run every replica over (m,) rows, rolled by (replicas, m, d) ``shifts``.

    Returns
    -------
    counts : (replicas, classes, classes) int64, on the CPU
        Rows = true class, columns = predicted class.
    outputs : (replicas, m, classes) float32, on the CPU
    """
    stack.eval()
    # rolled replicas have rows of their own: no more of them than in training
    size = EVALUATED if shifts is None else stack.task.recipe.batch_size
    many = torch.split(rows, size)
    moved = [None] * len(many) if shifts is None else torch.split(shifts, size, 1)
    parts = []
    for some in zip(many, moved, strict=True):
        stopping.check()
        parts.append(stack.outputs(state, *some).float())
    outputs = torch.cat(parts, 1)
    classes = outputs.shape[2]
    cell = stack.task.target[rows] * classes + outputs.argmax(2)
    counts = [torch.bincount(each, minlength=classes * classes) for each in cell]
    return torch.stack(counts).reshape(-1, classes, classes).cpu(), outputs.cpu()


# ------------------------------------------------------------------ over replicas


def spread(values: Tensor) -> float:
    """Standard deviation over replicas (n - 1); 0 for one."""
    return float(values.double().std()) if len(values) > 1 else 0.0


def recalls(counts: Tensor) -> Tensor:
    """(replicas, classes, classes) float64: of each true class (row), the share called each."""
    counts = counts.double()
    return counts / counts.sum(2, keepdim=True).clamp(min=1)


def trace(counts: Tensor) -> Tensor:
    """(replicas,) float64: the trace of the confusion matrix in percent (Bird 2023, section 3.3).

    300 is a perfect answer for three classes.
    """
    return 100 * recalls(counts).diagonal(dim1=1, dim2=2).sum(1)


def scores(counts: Tensor) -> dict[str, Tensor]:
    """Accuracy, balanced accuracy and trace of each replica, (replicas,) float64."""
    counts = counts.double()
    present = counts.sum(2) > 0
    own = recalls(counts).diagonal(dim1=1, dim2=2)
    return {
        "accuracy": counts.diagonal(dim1=1, dim2=2).sum(1) / counts.sum((1, 2)),
        "balanced_accuracy": own.sum(1) / present.sum(1),
        "trace": trace(counts),
    }


def _spread(part: str, counts: Tensor) -> dict[str, float]:
    values: dict[str, float] = {}
    for name, each in scores(counts).items():
        values[f"{part}/{name}"] = float(each.mean())
        values[f"{part}/{name}_spread"] = spread(each)
    return values
