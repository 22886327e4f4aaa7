"""What the store knows of runs, read and changed in the interactive lane.

Every function opens the project, does one thing and answers with plain
frozen values, so that nothing of the database lives in the window's thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystalgui.core.errors import StoreError
from crystalgui.core.messages import (
    ConfusionReady,
    DatasetSummary,
    SweepPoint,
    SweepRecipe,
    TrainRecipe,
)

if TYPE_CHECKING:
    from crystalgui.core.store.run import Run

RESUMABLE = ("interrupted", "stopped", "crashed", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run as the store has it.

    ``resumable``: it ended early and has a checkpoint; ``seconds`` is the
    time spent training, NaN when unknown; ``test`` has the test metrics.  A
    ``sweep`` is always resumable: what is ready is not trained again.
    """

    run_id: str
    title: str
    model: str
    preset: str
    recipe: TrainRecipe
    folder: Path
    status: str
    created: datetime
    ended: datetime | None
    epochs: int
    best: dict[str, float]
    test: dict[str, float] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    note: str = ""
    seconds: float = math.nan
    resumable: bool = False
    binned: bool = False
    sweep: SweepRecipe | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Runs of a project, newest first, and its data sets."""

    runs: tuple[StoredRun, ...]
    datasets: tuple[DatasetSummary, ...]


def _stored(run: Run) -> StoredRun:
    rows = run.metrics()
    last: dict[str, float] = {}
    for row in rows:
        last.update(row)
    spent = [row["seconds"] for row in rows if math.isfinite(row.get("seconds", math.nan))]
    seconds = math.fsum(spent) if spent else math.nan
    if math.isnan(seconds) and run.ended is not None:
        seconds = (run.ended - run.created).total_seconds()
    sweep = _sweep_of(run)
    if sweep is not None and "test/accuracy" in run.best:
        last = run.best
    return StoredRun(
        run_id=run.id,
        title=run.title,
        model=run.model,
        preset=run.preset,
        recipe=run.recipe,
        folder=run.folder,
        status=run.status if run.status != "binned" else run.row.former,
        created=run.created,
        ended=run.ended,
        epochs=run.epochs,
        best=run.best,
        test={k.removeprefix("test/"): v for k, v in last.items() if k.startswith("test/")},
        tags=run.tags,
        note=run.note,
        seconds=seconds,
        resumable=run.status in RESUMABLE
        and (sweep is not None or run.file("last.safetensors").is_file()),
        binned=run.status == "binned",
        sweep=sweep,
    )


def _sweep_of(run: Run) -> SweepRecipe | None:
    """The recipe of a sweep; None for other runs, and where it cannot be read."""
    from crystalgui.core.store.sweeps import is_sweep, sweep_recipe

    with suppress(StoreError):
        return sweep_recipe(run) if is_sweep(run) else None
    return None


def list_runs(folder: Path) -> Listing:
    """All runs, the bin included, and the data sets."""
    from crystalgui.core.store.project import Project

    with Project.open(folder) as project:
        runs = [_stored(run) for run in (*project.runs(), *project.runs(binned=True))]
        return Listing(runs=tuple(runs), datasets=tuple(project.datasets()))


def rename_run(folder: Path, run_id: str, title: str) -> Listing:
    """Give a run another title."""
    return _change(folder, [run_id], "rename", title)


def tag_run(folder: Path, run_id: str, tags: tuple[str, ...]) -> Listing:
    """Replace the tags of a run."""
    return _change(folder, [run_id], "set_tags", tags)


def bin_runs(folder: Path, run_ids: Sequence[str]) -> Listing:
    """Move runs to the bin."""
    return _change(folder, run_ids, "bin")


def restore_runs(folder: Path, run_ids: Sequence[str]) -> Listing:
    """Bring runs back from the bin."""
    return _change(folder, run_ids, "restore")


def _change(folder: Path, run_ids: Sequence[str], verb: str, *args: Any) -> Listing:
    from crystalgui.core.store.project import Project

    with Project.open(folder) as project:
        for run_id in run_ids:
            getattr(project.run(run_id), verb)(*args)
    return list_runs(folder)


def read_curves(folder: Path, run_id: str) -> tuple[list[dict[str, float]], list[ConfusionReady]]:
    """Rows of ``metrics.jsonl`` and the confusion matrices of a run."""
    from crystalgui.core.store.project import Project

    with Project.open(folder) as project:
        run = project.run(run_id)
        return run.metrics(), run.confusions()


def read_sweep(folder: Path, run_id: str) -> list[SweepPoint]:
    """The networks of a sweep that are ready."""
    from crystalgui.core.store.project import Project
    from crystalgui.core.store.sweeps import read_points

    with Project.open(folder) as project:
        return read_points(project.run(run_id).folder, run_id)


def export_runs(folder: Path, target: Path) -> Path:
    """Write one CSV of all runs."""
    from crystalgui.core.store.project import Project

    with Project.open(folder) as project:
        project.runs_csv(target)
    return target
