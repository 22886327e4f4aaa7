"""A run of several networks that differ by their seed: trained together, kept as one model.

Bird (2023), section 3.3, gives every confusion matrix as mean and spread over
ten repeats.  The run's numbers are means over the replicas with their spread
beside them, its confusion matrices are sums over them, and the trained model
answers with the mean of their probabilities.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import cast

import torch
from torch import Tensor

from crystalgui.core.datasets.images.rolling import rolled
from crystalgui.core.errors import DataError
from crystalgui.core.messages import ConfusionReady, EpochMetrics, Event, LogLine
from crystalgui.core.models._base import Network
from crystalgui.core.models._tensors import read_tensors
from crystalgui.core.store.monitors import Monitored
from crystalgui.core.store.project import Project
from crystalgui.core.store.run import Run
from crystalgui.core.training import metrics, replicas
from crystalgui.core.training.attention import NO_GATE, Gate, gate_of
from crystalgui.core.training.checkpoint import LAST
from crystalgui.core.training.costs import alike
from crystalgui.core.training.export import export
from crystalgui.core.training.inputs import Table
from crystalgui.core.training.loop import Flag
from crystalgui.core.training.monitors import Monitor
from crystalgui.core.training.plan import Plan
from crystalgui.core.training.stack import Stack, Task

PARTS = ("validation", "test")
WORTH = 2000
"""Rows, of all networks of a group, that an epoch has at least where a look is 2 % of it."""


def train_together(
    project: Project, run: Run, prepared: Plan, table: Table, stop: Flag | None
) -> Generator[Event, None, bool]:
    """Train the replicas of a recipe, or go on; test and export them.

    Returns
    -------
    bool
        True when training is over, False when it was stopped and can resume.
    """
    recipe, summary, device = prepared.recipe, prepared.data.summary, prepared.device
    rows = {
        name: torch.from_numpy(getattr(prepared.parts, name)).to(device)
        for name in ("train", *PARTS)
    }
    task = replicas.family_task(
        recipe,
        table,
        prepared.data.shape,
        prepared.target().to(device),
        rows["train"],
        {part: rows[part] for part in PARTS},
        summary.classes,
        monitor="validation",
        score="balanced_accuracy" if alike(recipe) else "accuracy",
        rolled=(recipe.rolling,) * recipe.replicas,
        run_id=run.id,
        digest=summary.digest,
    )
    if run.file(LAST).is_file():
        yield _resumed(run, summary.digest)

    def record(values: dict[str, float], best: bool) -> None:
        run.append_metrics(values, best=best)
        run.write_state({"epoch": int(values["epoch"])})

    look = first_replica(task, run.append_monitor, gate_of(prepared.params), kept=run.monitors)
    fitted = yield from replicas.replicate(task, stop, run.file(LAST), record, look)
    if not fitted.finished:
        return False
    yield from _finish(project, run, prepared, task, fitted)
    return True


def first_replica(
    task: Task,
    keep: Callable[[Monitored], None],
    gate: Gate = NO_GATE,
    *,
    name: str = "",
    thorough: bool = True,
    kept: Callable[[], Iterable[Monitored]] = tuple,
) -> replicas.Look:
    """What looks inside the first of the replicas of a task, on rows that are rolled as its own.

    Attention is that of validation rows; where nothing is validated, of training rows.

    Parameters
    ----------
    keep, gate, name, kept
        As in `Monitor`.
    thorough : bool
        As in `Monitor`, and every epoch is looked at; else only so many that a
        look remains a small share of the work (`WORTH`), and the last one.
    """
    many = len(task.every_seed())
    spaced = 1 if thorough else math.ceil(WORTH / (many * len(task.train)))
    rows = task.parts[task.monitor] if task.monitor else task.train
    table = rolled(_Unrolled(task), task.rolled[0] if task.rolled else 0)
    monitor = Monitor(
        table, task.target, task.loss, task.train, rows, task.run_id, keep, gate,
        shared=many, thorough=thorough, name=name, kept=kept,
    )  # fmt: skip

    opaque = False

    def look(stack: Stack, state: Mapping[str, Tensor], epoch: int) -> list[Event]:
        nonlocal opaque
        if opaque or (epoch % spaced and epoch < task.recipe.epochs):
            return []
        cuda = [task.device] if task.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):  # building draws weights
            network = cast(Network, stack.network(0, state)).to(task.device)
        opaque = not (network.stages() or network.card.taps)
        return list(monitor.look(network.eval(), epoch))

    return look


class _Unrolled:
    """The rows of a task as a table."""

    def __init__(self, task: Task) -> None:
        self.device, self.batch = task.device, task.batch


def _resumed(run: Run, digest: str) -> LogLine:
    """Forget the rows after the last checkpoint; other data are refused."""
    state = json.loads(read_tensors(run.file(LAST))[1].get("state", "{}"))
    if state.get("digest") != digest:
        raise DataError(
            "The data set has changed since the run was started.",
            "Start a new run, or make the former data again.",
            path=run.recipe.dataset,
        )
    run.truncate_metrics(int(state["epoch"]))
    return LogLine(text=f"Resumed after epoch {state['epoch']}.")


def _finish(
    project: Project, run: Run, prepared: Plan, task: Task, fitted: replicas.Fitted
) -> Generator[Event, None, None]:
    """Mean and spread of the test, sums of confusion matrices, and the trained model."""
    target = task.target.cpu()
    values: dict[str, float] = {}
    for part in PARTS:
        true = target[task.parts[part].cpu()]
        each = [metrics.classification(out, true)[0] for out in fitted.outputs[part]]
        for key in each[0]:
            numbers = torch.tensor([one[key] for one in each], dtype=torch.float64)
            values[f"{part}/{key}"] = float(numbers.mean())
            values[f"{part}/{key}_spread"] = replicas.spread(numbers)
        table = ConfusionReady(
            run_id=run.id,
            epoch=fitted.epoch,
            split=part,
            classes=task.classes,
            counts=tuple(tuple(row) for row in fitted.counts[part].sum(0).tolist()),
        )
        run.append_confusion(table)
        yield table
    validation = target[task.parts["validation"].cpu()]
    warmths = [metrics.temperature(out, validation) for out in fitted.outputs["validation"]]
    warmth = math.exp(sum(map(math.log, warmths)) / len(warmths))
    mean = (fitted.outputs["test"].double() / warmth).softmax(2).mean(0)
    right = mean.argmax(1) == target[task.parts["test"].cpu()]
    values["test/ensemble_accuracy"] = float(right.double().mean())
    tested = {k: v for k, v in values.items() if k.startswith("test/")}
    run.append_metrics(tested)
    yield EpochMetrics(run_id=run.id, epoch=prepared.recipe.epochs, values=tested)
    tested["validation_accuracy"] = values["validation/accuracy"]
    members = [fitted.weights(r) for r in range(prepared.recipe.replicas)]
    card = export(project, run, prepared, fitted.epoch, tested, warmth, members)
    run.log(f"exported as {card.name}: {json.dumps(tested)}")
    yield LogLine(text=f"The trained model is called {card.name}: {len(members)} networks.")
