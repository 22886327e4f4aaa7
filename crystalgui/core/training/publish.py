"""Training a published model from a recipe file: several seeds or families, one model.

    python -m crystalgui.core.training.publish RECIPE DATA LABELS OUT
    python -m crystalgui.core.training.publish RECIPE DATASET OUT

The second form takes a data set that was made already, e.g. of zones.
Every seed is a run of the project ``OUT`` with the same test rows and its own
fold of the rest for validation.  Each keeps its best epoch by validation, the
probabilities are averaged, every member's temperature is fitted on its own
validation rows (their geometric mean is used), and the test rows are used
once, at the end.

A recipe with a block ``ensemble`` names other recipes beside it as ``parts``,
of any family, and how their answers make one (``blend``: vote or stack).  It is
fitted on the folds that validate: what a member says of its own fold it says of
crystals that it never saw.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from crystalgui.core.datasets.dataset import load_summary
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import (
    DatasetReady,
    EpochMetrics,
    Event,
    ImportJob,
    LogLine,
    RunCreated,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.models.blend import Kind
from crystalgui.core.store.project import Project
from crystalgui.core.training.checkpoint import data_of
from crystalgui.core.training.ensemble import Source, combine
from crystalgui.core.training.recipes import read_recipe
from crystalgui.core.training.session import train


def publish(recipe: Path, data: Path, labels: Path | None, out: Path) -> Iterator[Event]:
    """Import, train every seed of every part, combine, test; writes the folder ``out/NAME``.

    Without ``labels``, ``data`` is the folder of a data set.
    """
    parts, blend, publication = _parts(recipe)
    folder = data.absolute()
    if labels is not None:
        title = str(publication.get("dataset", data.stem))
        folder = yield from _imported(title, data, labels, out)
    sources = []
    for path in parts:
        plain, own = read_recipe(path, folder)
        runs = []
        for seed in own.get("seeds", [plain.seed]):
            split = replace(plain.split, fold=int(seed))
            one = replace(plain, seed=int(seed), split=split, title=f"{plain.title} seed {seed}")
            runs.append((yield from _run(out, one)))
        sources.append(Source(str(own["name"]), plain, tuple(runs)))
    card = combine(out, publication, sources, blend)
    yield LogLine(text=f"{card.name}: {card.metrics}")


def _parts(recipe: Path) -> tuple[list[Path], Kind, dict[str, Any]]:
    """Recipes to train, how they are blended, and what is published."""
    try:
        plain = json.loads(recipe.read_text("utf-8"))
        ensemble = plain.get("ensemble")
        if ensemble is None:
            return [recipe], "vote", dict(plain.get("publication", {}))
        blend: Kind = ensemble.get("blend", "stack")
        if blend not in ("vote", "stack") or len(ensemble["parts"]) < 2:
            raise ValueError(f"blend {blend!r} of {ensemble['parts']}")
        return [recipe.parent / name for name in ensemble["parts"]], blend, plain["publication"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(
            "The recipe cannot be read.",
            "A recipe is JSON with a block “recipe”, or “ensemble” with “parts” and “blend”.",
            str(error),
            path=recipe,
        ) from error


def _imported(title: str, data: Path, labels: Path, out: Path) -> Generator[Event, None, Path]:
    """The folder of the data set that the files become."""
    from crystalgui.core.datasets.importer import import_dataset

    folder: Path | None = None
    job = ImportJob(project=out, source=data, labels=labels, name=title)
    for event in import_dataset(job):
        if isinstance(event, DatasetReady):
            folder = event.summary.folder
        yield event
    if folder is None:
        raise DataError("The import ended without a data set.", "Try again.", path=data)
    return folder


def _run(out: Path, recipe: TrainRecipe) -> Generator[Event, None, str]:
    """Train one seed; a run of the same recipe and data is used again, or goes on if stopped."""
    with Project.open(out) as project:
        ended = [r for r in project.runs() if r.status in ("done", "stopped", "interrupted")]
        digest = load_summary(recipe.dataset).digest
        same = [r for r in ended if r.recipe == recipe and data_of(r) == digest]
        finished = [r.id for r in same if r.status == "done"]
        begun = [r.id for r in same if r.status != "done"]
    if finished:
        return finished[0]
    run_id = begun[0] if begun else ""
    for event in train(TrainJob(project=out, recipe=recipe, run_id=run_id)):
        if isinstance(event, RunCreated):
            run_id = event.run_id
        yield event
    return run_id


def main(arguments: list[str]) -> int:
    """The command line."""
    if len(arguments) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    recipe, data, *labels, out = map(Path, arguments)
    for event in publish(recipe, data, labels[0] if labels else None, out):
        if isinstance(event, EpochMetrics):
            numbers = "  ".join(f"{k} {v:.4f}" for k, v in event.values.items())
            print(f"{event.run_id} epoch {event.epoch}: {numbers}", flush=True)
        elif isinstance(event, LogLine):
            print(event.text, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
