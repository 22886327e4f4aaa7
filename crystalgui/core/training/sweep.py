"""Many networks over degrees of rolling and repeats, trained in batches of networks.

Bird (2023), section 3.2, trains 576 networks: each architecture three times
for every degree of rolling chi, tested under the rolling it was trained with
(Figs. 15-21).  What differs between the repeats and degrees of one network is
numbers, not shapes, so they train together as replicas (`stack`), each rolled
its own way.  A point of a sweep does not depend on which others shared its
batch but by the rounding of float32, so groups may have any size and a sweep
that was cut off goes on with what is missing.

Nothing is chosen by validation rows, so they are learnt as well; the last
epoch counts.  The first network of every group is looked into as it trains.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crystalgui.core.datasets.kinds import NOUNS, ROLLED, STACKABLE
from crystalgui.core.datasets.loading import AnyDataset, load
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import (
    EpochMetrics,
    Event,
    LogLine,
    Progress,
    RunCreated,
    SweepJob,
    SweepNetwork,
    SweepPoint,
    SweepRecipe,
)
from crystalgui.core.models import devices
from crystalgui.core.models._tensors import read_tensors
from crystalgui.core.store import monitors
from crystalgui.core.store.project import Project
from crystalgui.core.store.run import Run
from crystalgui.core.store.sweeps import (
    append_points,
    is_sweep,
    name_of,
    read_points,
    sweep_recipe,
)
from crystalgui.core.training import replicas
from crystalgui.core.training.attention import Gate, gate_of
from crystalgui.core.training.grouping import group_of
from crystalgui.core.training.inputs import Table
from crystalgui.core.training.lifecycle import lived
from crystalgui.core.training.loop import Flag
from crystalgui.core.training.plan import Plan, plan
from crystalgui.core.training.stack import Task
from crystalgui.core.training.together import first_replica

Rows = NDArray[np.int64]
Member = tuple[int, int]
"""Degree of rolling and number of the repeat."""
Kept = Callable[[str], Mapping[str, Any] | None]
Keep = Callable[[str, Mapping[str, Any]], object]
Watch = Callable[[Task, Gate, str, int], replicas.Look]
"""What looks into a group: its task, the attention and the name of its first network, and the
epoch that it goes on from."""
CHECKPOINT = "group.safetensors"
TEST = "test"


def sweep_points(
    recipe: SweepRecipe,
    dataset: AnyDataset | None = None,
    device: torch.device | None = None,
    done: Kept = lambda _key: None,
    keep: Keep = lambda _key, _numbers: None,
    stop: Flag | None = None,
    *,
    run_id: str = "",
    checkpoint: Path | None = None,
    watch: Watch | None = None,
) -> Generator[Event, None, list[SweepPoint]]:
    """Train what a sweep asks for; yields `SweepPoint` for each network when it is ready.

    Parameters
    ----------
    recipe : SweepRecipe
    dataset : data set, optional
        Default: the one of the recipe's folder.
    device : torch.device, optional
        Default: that of the recipe.
    done, keep : callable
        What was kept under a key, or None, and what keeps: ``context.done``
        and ``context.keep`` of an experiment do.  There is one key for each
        network, degree and repeat (`key_of`); what is there is not trained again.
    stop : Flag, optional
        Looked at after each epoch.
    checkpoint : Path, optional
        Of the group that trains, written after each of its epochs.
    watch : callable, optional
        Looks into the first network of every group; what it says is told.

    Returns
    -------
    list of SweepPoint
        In the order of networks, rollings and repeats; shorter than
        ``recipe.size`` after a soft stop.

    Raises
    ------
    CrystalError
        Bad recipe, data or device, no memory.
    """
    dataset = dataset if dataset is not None else load(recipe.base.dataset)
    check(recipe, dataset)
    found: dict[str, SweepPoint] = {}
    for network in recipe.networks:
        for member in _members(recipe):
            key = key_of(network, *member)
            if (numbers := done(key)) is not None:
                found[key] = _point(run_id, network, member, numbers)
    clock = _Clock(recipe.size, len(found))
    table: Table | None = None
    for network in recipe.networks:
        missing = [m for m in _members(recipe) if key_of(network, *m) not in found]
        if not missing:
            continue
        prepared = _prepared(recipe, network, dataset)
        where = device if device is not None else prepared.device
        if table is None:
            yield Progress(done=len(found), total=recipe.size, text="Reading the data")
            table = yield from prepared.data.table(
                prepared.model, prepared.params, where, recipe.base.dataset
            )
        group = _Group(recipe, network, prepared, table, where, run_id, watch)
        size, threads = group_of(group.task(missing[:1]), len(missing))
        while missing:
            members = missing[: _even(len(missing), size)]
            devices.set_threads(threads, 0)
            try:
                answers = yield from group.train(members, clock, stop, checkpoint)
            except (RuntimeError, MemoryError) as error:
                if len(members) == 1 or not devices.out_of_memory(error):
                    raise
                size = len(members) // 2
                devices.free(where)
                text = f"Memory ran out: groups now have {size} networks."
                yield LogLine(text=text, level="warning")
                continue
            missing = missing[len(members) :]
            if answers is None:
                return _ordered(recipe, found)
            keys = [key_of(network, *member) for member in members]
            for key, member, numbers in zip(keys, members, answers, strict=True):
                keep(key, numbers)
                found[key] = _point(run_id, network, member, numbers)
            if checkpoint is not None:
                checkpoint.unlink(missing_ok=True)
            yield from (found[key] for key in keys)
    return _ordered(recipe, found)


def key_of(network: SweepNetwork, rolling: int, repeat: int) -> str:
    """Name of a point: letters, digits and ``-``, ``.``."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", network.title).strip("-") or "network"
    return f"{words}.chi-{rolling}.repeat-{repeat}"


def check(recipe: SweepRecipe, dataset: AnyDataset) -> None:
    """Refuse what cannot be trained, before anything is.

    Raises
    ------
    ModelError
    """
    summary = dataset.summary
    titles = [key_of(network, 0, 0) for network in recipe.networks]
    if not titles or not recipe.rollings or recipe.repeats < 1:
        raise ModelError("This sweep has no networks.", "Name networks, rollings and repeats.")
    if len(set(titles)) < len(titles) or len(set(recipe.rollings)) < len(recipe.rollings):
        raise ModelError(
            "Two networks of the sweep have one title, or a degree of rolling occurs twice.",
            "Give every network a title of its own.",
        )
    if min(recipe.rollings) < 0 or min(recipe.train, recipe.test) < 0:
        raise ModelError("Rollings and numbers of rows cannot be negative.", "Correct the recipe.")
    if max(recipe.rollings) and summary.kind not in ROLLED:
        raise ModelError(
            f"{NOUNS[summary.kind].capitalize()} cannot be rolled.",
            "Sweep over repeats only (rolling 0), or choose images or Brillouin zones.",
        )
    if summary.kind not in STACKABLE | ROLLED or summary.task != "classification":
        raise ModelError(
            f"Networks of {NOUNS[summary.kind]} cannot be swept: they train one by one.",
            "Choose images, Brillouin zones or hoppings with classes.",
        )
    for network in recipe.networks:
        _prepared(recipe, network, dataset)


def some_rows(rows: Rows, classes: NDArray[np.int64], count: int, seed: int) -> Rows:
    """``count`` of the rows (0: all), each class as often as in the whole; sorted.

    Parameters
    ----------
    rows : (k,) int64
    classes : (n,) int64
        Of the whole table.
    """
    if count == 0 or count >= len(rows):
        return rows
    mixed = np.random.default_rng(seed).permutation(rows)
    own = classes[mixed]
    shares = np.bincount(own) * count / len(rows)
    quota = np.floor(shares).astype(np.int64)
    order = np.argsort(quota - shares, kind="stable")
    quota[order[: count - quota.sum()]] += 1
    chosen = [mixed[own == value][:wanted] for value, wanted in enumerate(quota)]
    return np.sort(np.concatenate(chosen))


# ------------------------------------------------------------------ groups


class _Clock:
    """How far a sweep is, and how long the rest takes."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.first, self.done = total, done, float(done)
        self._began = time.monotonic()

    def progress(self, more: float, text: str) -> Progress:
        """``more`` networks of the group are trained, as a real number."""
        here = self.done + more - self.first
        left = self.total - self.done - more
        eta = (time.monotonic() - self._began) / here * left if here > 0 else math.nan
        return Progress(done=self.done + more, total=self.total, text=text, eta=eta)


@dataclass(slots=True, eq=False)
class _Group:
    """One network of a sweep, for any of its degrees and repeats."""

    recipe: SweepRecipe
    network: SweepNetwork
    prepared: Plan
    table: Table
    device: torch.device
    run_id: str
    watch: Watch | None

    def task(self, members: list[Member]) -> Task:
        """What these members learn."""
        recipe, data, parts = self.recipe, self.prepared.data, self.prepared.parts
        base = self.prepared.recipe
        classes = data.target.astype(np.int64)
        known = np.sort(np.concatenate([parts.train, parts.validation]))
        train = some_rows(known, classes, recipe.train, base.seed)
        test = some_rows(parts.test, classes, recipe.test, base.seed)
        return replicas.family_task(
            base,
            self.table,
            data.shape,
            torch.from_numpy(classes).to(self.device),
            torch.from_numpy(train).to(self.device),
            {TEST: torch.from_numpy(test).to(self.device)},
            data.summary.classes,
            run_id=self.run_id,
            digest=f"{data.summary.digest} {self.network.title} {members}",
            seeds=tuple(base.seed + repeat for _, repeat in members),
            rolled=tuple(chi for chi, _ in members),
            tolerant=True,
        )

    def train(
        self, members: list[Member], clock: _Clock, stop: Flag | None, checkpoint: Path | None
    ) -> Generator[Event, None, list[dict[str, Any]] | None]:
        """Accuracy and cost of each member; None after a soft stop."""
        task = self.task(members)
        epochs, many = task.recipe.epochs, len(members)
        words = f"{self.network.title}: {many} networks together"
        yield clock.progress(0.0, words)
        epoch = _drop_others(checkpoint, task.digest)
        look: replicas.Look | None = None
        if self.watch is not None:
            name = name_of(self.network.title, *members[0])
            look = self.watch(task, gate_of(self.prepared.params), name, epoch)
        steps = replicas.replicate(task, stop, checkpoint, look=look)
        while True:
            try:
                event = next(steps)
            except StopIteration as end:
                fitted: replicas.Fitted = end.value
                break
            if isinstance(event, EpochMetrics):
                text = f"{words}, epoch {event.epoch} of {epochs}"
                yield clock.progress(many * event.epoch / epochs, text)
            elif not isinstance(event, Progress):
                yield event
        if not fitted.finished:
            return None
        clock.done += many
        answers = _answers(task, fitted)
        lost = sum(numbers["cost"] is None for numbers in answers)
        if lost:
            text = f"{self.network.title}: the cost of {lost} of {many} networks is no number."
            yield LogLine(text=text, level="warning")
        return answers


def _answers(task: Task, fitted: replicas.Fitted) -> list[dict[str, Any]]:
    """Accuracy and cost of each replica on the test rows; None where there is no number."""
    target = task.target[task.parts[TEST]].cpu()
    answers: list[dict[str, Any]] = []
    for out in fitted.outputs[TEST]:
        cost = float(task.loss(out.to(task.device), target.to(task.device)))
        right = float((out.argmax(1) == target).double().mean())
        whole = math.isfinite(cost)
        answers.append({"accuracy": right if whole else None, "cost": cost if whole else None})
    return answers


def _prepared(recipe: SweepRecipe, network: SweepNetwork, dataset: AnyDataset) -> Plan:
    base = replace(
        recipe.base,
        model=network.model,
        preset=network.preset,
        params=network.params,
        rolling=0,
        replicas=1,
        patience=0,
    )
    return plan(base, dataset)


def _members(recipe: SweepRecipe) -> list[Member]:
    return [(chi, repeat) for chi in recipe.rollings for repeat in range(recipe.repeats)]


def _even(count: int, size: int) -> int:
    """Members of the next group, so that all groups are nearly of one size."""
    return math.ceil(count / math.ceil(count / max(size, 1)))


def _point(
    run_id: str, network: SweepNetwork, member: Member, numbers: Mapping[str, Any]
) -> SweepPoint:
    accuracy, cost = (
        math.nan if numbers[key] is None else float(numbers[key]) for key in ("accuracy", "cost")
    )
    return SweepPoint(
        run_id=run_id,
        network=network.title,
        rolling=member[0],
        repeat=member[1],
        accuracy=accuracy,
        cost=cost,
    )


def _ordered(recipe: SweepRecipe, found: Mapping[str, SweepPoint]) -> list[SweepPoint]:
    keys = [key_of(network, *m) for network in recipe.networks for m in _members(recipe)]
    return [found[key] for key in keys if key in found]


def _drop_others(checkpoint: Path | None, digest: str) -> int:
    """Remove the checkpoint of another group; the epoch of what is left, -1 without any."""
    if checkpoint is None or not checkpoint.is_file():
        return -1
    state = json.loads(read_tensors(checkpoint)[1].get("state", "{}"))
    if state.get("digest") == digest:
        return int(state["epoch"])
    checkpoint.unlink()
    return -1


# ------------------------------------------------------------------ as one run of a project


def sweep(job: SweepJob, stop: Flag | None = None) -> Generator[Event, None, None]:
    """Train a sweep as one run of the project, or go on with one.

    A soft stop ends it after the epoch with `Stopped`; every point that is
    ready is kept, and the group that trains has a checkpoint.

    Raises
    ------
    CrystalError
        Bad recipe or data, a run that is no sweep, no memory.
    """
    dataset: AnyDataset | None = None

    def begin(project: Project) -> Run:
        nonlocal dataset
        if job.run_id:
            return project.run(job.run_id)
        dataset = load(job.recipe.base.dataset)
        check(job.recipe, dataset)
        return project.create_sweep(job.recipe)

    def work(_project: Project, run: Run) -> Generator[Event, None, bool]:
        recipe = sweep_recipe(run)
        data = dataset or load(recipe.base.dataset)
        _same_data(run, data)
        done, keep = _kept(run, recipe)
        yield _said(run, recipe)
        ready = yield from sweep_points(
            recipe,
            data,
            done=done,
            keep=keep,
            stop=stop,
            run_id=run.id,
            checkpoint=run.file(CHECKPOINT),
            watch=_watch(run),
        )
        return len(ready) == recipe.size

    yield from lived(job.project, begin, work)


def sweep_into(
    recipe: SweepRecipe, out: Path, *, fresh: bool = False, stop: Flag | None = None
) -> Generator[Event, None, list[SweepPoint]]:
    """Train a sweep in the project ``out``; its tables and figure are written there.

    A sweep of the same recipe that was cut off goes on, one that is finished
    is not trained again; ``fresh`` starts a new one all the same.

    Returns
    -------
    list of SweepPoint
        What is ready; all of it unless it was stopped.
    """
    from crystalgui.core.reports import sweeps

    run_id, finished = "", False
    if not fresh and (out / ".crystalgui").is_dir():
        with Project.open(out) as project:
            same = [r for r in project.runs() if is_sweep(r) and sweep_recipe(r) == recipe]
            if same:
                run_id, finished = same[0].id, same[0].status == "done"
    if not finished:
        for event in sweep(SweepJob(project=out, recipe=recipe, run_id=run_id), stop):
            if isinstance(event, RunCreated):
                run_id = event.run_id
            yield event
    with Project.open(out) as project:
        points = read_points(project.run(run_id).folder, run_id)
    if points:
        sweeps.write(out, recipe, points)
    return points


def _said(run: Run, recipe: SweepRecipe) -> LogLine:
    """How much there is to train; the log keeps it."""
    degrees, ready = len(recipe.rollings), len(read_points(run.folder))
    text = (
        f"{recipe.size} networks to train: {len(recipe.networks)} at {degrees} degrees of "
        f"rolling, {recipe.repeats} times each"
    )
    text += f"; going on, {ready} of {recipe.size} are ready." if ready else "."
    run.log(text)
    return LogLine(text=text)


def _watch(run: Run) -> Watch:
    """What looks into the groups of a run and keeps what it sees, each epoch once."""

    def watch(task: Task, gate: Gate, name: str, epoch: int) -> replicas.Look:
        monitors.truncate(run.folder, epoch, name)
        return first_replica(
            task, run.append_monitor, gate, name=name, thorough=False, kept=run.monitors
        )

    return watch


def _kept(run: Run, recipe: SweepRecipe) -> tuple[Kept, Keep]:
    """What the run has, by key, and how more is kept."""
    networks = {
        key_of(network, *member): (network, member)
        for network in recipe.networks
        for member in _members(recipe)
    }
    titles = {network.title: network for network in recipe.networks}
    points = [p for p in read_points(run.folder) if p.network in titles]
    kept = {
        key_of(titles[p.network], p.rolling, p.repeat): {
            name: value if math.isfinite(value) else None
            for name, value in (("accuracy", p.accuracy), ("cost", p.cost))
        }
        for p in points
    }

    def keep(key: str, numbers: Mapping[str, Any]) -> None:
        append_points(run, [_point(run.id, *networks[key], numbers)])

    return kept.get, keep


def _same_data(run: Run, dataset: AnyDataset) -> None:
    """Remember the data set, and refuse another one."""
    digest = dataset.summary.digest
    if run.state().setdefault("digest", digest) != digest:
        raise DataError(
            "The data set has changed since the sweep was started.",
            "Start a new sweep, or import the former data again.",
            path=dataset.summary.folder,
        )
    run.write_state({"digest": digest})
