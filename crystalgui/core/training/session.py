"""A training session: from a recipe to a run in the store and a trained model.

`train` is what the worker runs; `estimate` measures a few steps of a recipe;
`train_from_files` and `train_on` are the command line's.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crystalgui.core import stopping
from crystalgui.core.cards import Scalar
from crystalgui.core.datasets.collate import batches
from crystalgui.core.datasets.dataset import load_summary, safe_name
from crystalgui.core.datasets.images.rolling import rolled
from crystalgui.core.datasets.kinds import NOUNS
from crystalgui.core.datasets.splits import way_for
from crystalgui.core.errors import DataError
from crystalgui.core.messages import (
    DatasetReady,
    EstimateJob,
    EstimateReady,
    Event,
    ImportJob,
    LogLine,
    Progress,
    RunCreated,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.models import devices
from crystalgui.core.models._tensors import write_tensors
from crystalgui.core.store.project import Project
from crystalgui.core.store.run import Run
from crystalgui.core.training import checkpoint
from crystalgui.core.training.attention import gate_of
from crystalgui.core.training.checkpoint import LAST
from crystalgui.core.training.costs import cost_of, loss_function
from crystalgui.core.training.expansion import expanded
from crystalgui.core.training.export import BEST, finish
from crystalgui.core.training.inputs import Table, checked, known_prototypes, shared
from crystalgui.core.training.lifecycle import lived
from crystalgui.core.training.loop import Fit, Flag, epochs
from crystalgui.core.training.monitors import Monitor
from crystalgui.core.training.optimise import Average, optimiser
from crystalgui.core.training.plan import Plan, plan
from crystalgui.core.training.together import train_together

SAMPLE = 1024
LOOK = 512


def train(job: TrainJob, stop: Flag | None = None) -> Generator[Event, None, None]:
    """Train a recipe, or resume a run; ends with a trained model in the project.

    A soft stop ends it after the epoch with `Stopped`; closing the generator
    leaves the run as "stopped" with its last checkpoint.

    Raises
    ------
    CrystalError
        Bad recipe, data or checkpoint, NaN loss, no memory.
    """
    prepared: Plan | None = None

    def begin(project: Project) -> Run:
        nonlocal prepared
        if job.run_id:
            return project.run(job.run_id)
        prepared = plan(job.recipe)
        return project.create_run(job.recipe, {"data": prepared.data.summary.digest})

    def work(project: Project, run: Run) -> Generator[Event, None, bool]:
        return (yield from _train(project, run, prepared or plan(run.recipe), stop))

    yield from lived(job.project, begin, work)


def _train(
    project: Project, run: Run, prepared: Plan, stop: Flag | None
) -> Generator[Event, None, bool]:
    table = yield from prepared.data.table(
        prepared.model, prepared.params, prepared.device, prepared.recipe.dataset
    )
    yield _said(run, prepared)
    if prepared.recipe.replicas > 1:
        return (yield from train_together(project, run, prepared, table, stop))
    fit = _fit(run, prepared, rolled(table, prepared.recipe.rolling))
    if run.file(LAST).is_file():
        fit.state = checkpoint.load_state(run.file(LAST), fit.model, fit.optimiser, fit.average)
        if fit.state.digest != prepared.data.summary.digest:
            raise DataError(
                "The data set has changed since the run was started.",
                "Start a new run, or import the former data again.",
                path=prepared.recipe.dataset,
            )
        run.truncate_metrics(fit.state.epoch)
        known = [row for row in run.metrics() if row.get("epoch") == fit.state.epoch]
        fit.former = known[-1] if known else {}
        yield LogLine(text=f"Resumed after epoch {fit.state.epoch}.")
    if not (yield from epochs(fit, stop)):
        return False
    yield from finish(project, run, prepared, fit)
    return True


def _said(run: Run, prepared: Plan) -> LogLine:
    """What is trained, on how much, checked for rows on both sides; the log keeps it."""
    sizes, data = " / ".join(f"{n:,}" for n in prepared.parts.sizes), prepared.data
    text = (
        f"{prepared.size:,} parameters; {sizes} {NOUNS[data.summary.kind]} to train, validate and "
        f"test; {checked(data, prepared.parts)}; "
        f"{torch.get_num_threads()} threads on {prepared.device}.{_left_out(prepared)}"
    )
    run.log(text)
    return LogLine(text=text)


def _left_out(prepared: Plan) -> str:
    """What of the data the network cannot read."""
    limited, parts = prepared.limited, prepared.parts
    if limited is None:
        return ""
    return (
        f" It reads at most {limited.size}: {limited.left_out:,} crystals are left out of "
        f"training; {limited.counted(parts.validation):,} to validate and "
        f"{limited.counted(parts.test):,} to test count with the baseline’s answer."
    )


def _fit(run: Run, prepared: Plan, table: Table) -> Fit:
    """Move everything to the device and wrap it with fabric."""
    from lightning_fabric import Fabric

    recipe, summary, device = prepared.recipe, prepared.data.summary, prepared.device
    fabric = Fabric(accelerator=device.type, devices=1, precision=prepared.precision())
    target = prepared.target().to(device)
    rows = [torch.from_numpy(part).to(device) for part in (prepared.parts.train,
                                                           prepared.parts.validation)]  # fmt: skip
    if recipe.expanded > 0:
        table, rows[0], target = expanded(
            table, rows[0], target, recipe.expanded, prepared.trivial, prepared.cutoff, recipe.seed
        )
    model = prepared.model.to(device)
    model.start(target[rows[0]])
    if not run.file(LAST).is_file():  # otherwise the checkpoint knows
        model.standardise(_looked_at(table, rows[0]))
    wrapped, steps = fabric.setup(model, optimiser(model, recipe))
    average = Average(model, recipe.ema)
    state = checkpoint.State(accumulate=recipe.accumulate, digest=summary.digest)
    torch.manual_seed(recipe.seed)

    def save(now: checkpoint.State, best: bool) -> None:
        if best:
            meta = {"epoch": str(now.epoch), "format": str(checkpoint.FORMAT)}
            write_tensors(run.file(BEST), average.best_weights(model), meta)
        checkpoint.save_state(run.file(LAST), now, model, steps, average)
        run.write_state({"epoch": now.epoch, "step": now.step, "best_epoch": now.best_epoch})

    def record(values: dict[str, float], best: bool) -> None:
        run.append_metrics(values, best=best)

    loss = cost_of(recipe, summary.task, target[rows[0]], len(summary.classes))
    beyond = prepared.beyond()
    read = rows[1] if beyond is None else rows[1][beyond.within[rows[1]]]
    monitor = Monitor(
        table, target, loss, rows[0], read, run.id, run.append_monitor,
        gate_of(prepared.params), kept=run.monitors,
    )  # fmt: skip
    return Fit(
        recipe=recipe,
        task=summary.task,
        classes=summary.classes,
        fabric=fabric,
        model=model,
        wrapped=wrapped,
        optimiser=steps,
        average=average,
        loss=loss,
        scale=prepared.scale,
        table=table,
        target=target,
        train=rows[0],
        validation=rows[1],
        state=state,
        run_id=run.id,
        save=save,
        record=record,
        keep=run.append_confusion,
        monitor=monitor,
        beyond=beyond,
    )


def _looked_at(table: Table, rows: torch.Tensor) -> Iterator[Any]:
    """Batches of the training rows, to standardise by."""
    for part in batches(rows, LOOK):
        stopping.check()
        yield table.batch(part)


def estimate(job: EstimateJob) -> Generator[Event, None, None]:
    """Measure a few steps on a sample; yields one `EstimateReady`."""
    from lightning_fabric import Fabric

    recipe = job.recipe
    yield Progress(done=0, text="Measuring a few steps")
    prepared = plan(recipe)
    device, data = prepared.device, prepared.data
    many = len(data.target)
    limited = prepared.limited
    read = np.arange(many) if limited is None else np.flatnonzero(limited.within)
    some = np.random.default_rng(0).permutation(read)[: max(SAMPLE, 2 * recipe.batch_size)]
    some = np.sort(some).astype(np.int64)
    table = data.sample(prepared.model, prepared.params, device, some)
    table = rolled(table, recipe.rolling)
    target = prepared.target()[torch.from_numpy(some)].to(device)
    if prepared.model.grows:
        share = prepared.parts.sizes[0] / len(table)
        yield _estimated(prepared, table, share * _growth_time(prepared, table, target))
        return
    fabric = Fabric(accelerator=device.type, devices=1, precision=prepared.precision())
    _, steps = fabric.setup(prepared.model, optimiser(prepared.model, recipe))
    loss = loss_function(data.summary.task)
    times = []
    rows = torch.arange(len(table), device=device)
    began = time.monotonic()
    for number in range(6):
        start = time.monotonic()
        index = rows.roll(-number * recipe.batch_size)[: recipe.batch_size]
        for part in batches(index, -(-len(index) // max(recipe.accumulate, 1))):
            with fabric.autocast():
                out = prepared.model(table.batch(part))
            fabric.backward(loss(out.float(), target[part]))
        steps.step()
        steps.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.monotonic() - start)
        yield Progress(done=number + 1, total=6, text="Measuring a few steps")
        if number >= 2 and time.monotonic() - began > 8:
            break
    n_steps = -(-prepared.parts.sizes[0] // recipe.batch_size)
    seconds = float(np.median(times[1:])) * n_steps
    share = prepared.parts.sizes[1] / prepared.parts.sizes[0]
    yield _estimated(prepared, table, seconds * (1 + 0.35 * share))


def _growth_time(prepared: Plan, table: Table, target: torch.Tensor) -> float:
    """Seconds of an epoch of a family that fits itself, on the rows of ``table``."""
    rows = torch.arange(len(table), device=table.device)
    grown = prepared.model.grow(lambda: [table.batch(rows)], target, 0)
    began = time.monotonic()
    ends = [(next(grown)[0], time.monotonic())]
    while ends[-1][1] - ends[0][1] < 1 and ends[-1][0] < 1:
        ends.append((next(grown)[0], time.monotonic()))
    if len(ends) == 1:  # one step is the whole epoch
        return time.monotonic() - began
    return (ends[-1][1] - ends[0][1]) / (ends[-1][0] - ends[0][0])


def _estimated(prepared: Plan, table: Table, seconds: float) -> EstimateReady:
    """The estimate of a run whose epoch takes so long."""
    data, many = prepared.data, len(prepared.data.target)
    whole = table.nbytes * many // max(len(table), 1)
    return EstimateReady(
        parameters=prepared.size,
        seconds_per_epoch=seconds,
        memory_bytes=devices.memory_in_use(prepared.device) + max(0, whole - table.nbytes),
        device=str(prepared.device),
        sizes=prepared.parts.sizes,
        leakage=shared(data, prepared.parts),
        prototypes=known_prototypes(data, prepared.parts),
    )


def train_from_files(
    data: Path,
    labels: Path | None,
    model: str,
    out: Path,
    preset: str = "small",
    epochs: int | None = None,
    seed: int = 0,
    overrides: Mapping[str, Scalar] | None = None,
    *,
    derive: str = "",
    purify: bool = False,
) -> Iterator[Event]:
    """Import files and train on them; ``out`` becomes a project and a model folder.

    Parameters
    ----------
    labels : Path, optional
        Without them, ``data`` are images.
    overrides : mapping
        Parameters of the model, or fields of `TrainRecipe` such as
        ``learning_rate``; ``split.seed`` and the like reach the split.
    derive, purify
        What becomes of the labels, as in `ImportJob`.
    """
    from crystalgui.core.datasets.importer import import_dataset
    from crystalgui.core.training.recipes import make_recipe

    wishes = dict(overrides or {})
    if labels is None:
        wishes.setdefault("split.kind", way_for("images"))
    elif wishes.get("split.left_out"):
        wishes.setdefault("split.kind", way_for("crystals", str(wishes["split.left_out"])))
    devices.resolve(make_recipe(model, Path(), preset, epochs, seed, wishes).device)
    folder: Path | None = None
    job = ImportJob(
        project=out,
        source=data,
        labels=labels,
        name=safe_name(data.stem),
        derive=derive,
        purify=purify,
    )
    for event in import_dataset(job):
        if isinstance(event, DatasetReady):
            folder = event.summary.folder
        yield event
    assert folder is not None
    recipe = make_recipe(model, folder, preset, epochs, seed, wishes)
    yield from train_into(recipe, out)


def train_on(
    dataset: Path,
    model: str,
    out: Path,
    preset: str = "small",
    epochs: int | None = None,
    seed: int = 0,
    overrides: Mapping[str, Scalar] | None = None,
) -> Iterator[Event]:
    """Train on the data set of a folder; ``out`` becomes a project and a model folder.

    Without a wish it is divided as suits its kind: by composition, or as it says itself.
    """
    from crystalgui.core.training.recipes import make_recipe

    summary = load_summary(dataset)
    wishes = dict(overrides or {})
    wishes.setdefault("split.kind", way_for(summary.kind, str(wishes.get("split.left_out", ""))))
    recipe = make_recipe(model, dataset.absolute(), preset, epochs, seed, wishes)
    plan(recipe)  # what cannot be trained is refused before a project is made
    with Project.open(out) as project:
        project.register_dataset(summary)
    yield DatasetReady(summary=summary)
    yield from train_into(recipe, out)


def train_into(recipe: TrainRecipe, out: Path) -> Iterator[Event]:
    """Train in the project ``out`` and copy the trained model into ``out`` itself."""
    import shutil

    from crystalgui.core.models.trained import CARD, WEIGHTS

    run_id = ""
    for event in train(TrainJob(project=out, recipe=recipe)):
        if isinstance(event, RunCreated):
            run_id = event.run_id
        yield event
    with Project.open(out) as project:
        found = [m for m in project.models() if m.name.endswith(run_id[-6:])]
    for name in (WEIGHTS, CARD):
        shutil.copyfile(Path(found[-1].folder) / name, out / name)
    yield LogLine(text=f"Model and card are in {out}.")
