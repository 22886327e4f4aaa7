"""Training a published model from a recipe file: several seeds, one model.

    python -m crystalgui.core.training.publish RECIPE DATA LABELS OUT

Every seed is a run of the project ``OUT`` with the same split; each keeps its
best epoch by validation, the probabilities are averaged, the temperature is
fitted on validation rows, and the test rows are used once, at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.collate import Table, batches
from crystalgui.core.datasets.dataset import safe_name
from crystalgui.core.datasets.graphs import cached
from crystalgui.core.errors import DataError
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
from crystalgui.core.models.trained import coarse_classes, read_model, write_model
from crystalgui.core.store.project import Project
from crystalgui.core.training import metrics
from crystalgui.core.training.plan import Plan, plan
from crystalgui.core.training.recipes import read_recipe
from crystalgui.core.training.session import train


def publish(recipe: Path, data: Path, labels: Path, out: Path) -> Iterator[Event]:
    """Import, train every seed, average, test, and write the model folder ``out/NAME``."""
    from crystalgui.core.datasets.importer import import_dataset

    _, publication = read_recipe(recipe, Path())
    title = str(publication.get("dataset", data.stem))
    folder: Path | None = None
    job = ImportJob(project=out, source=data, labels=labels, name=title)
    for event in import_dataset(job):
        if isinstance(event, DatasetReady):
            folder = event.summary.folder
        yield event
    if folder is None:
        raise DataError("The import ended without a data set.", "Try again.", path=data)
    plain, publication = read_recipe(recipe, folder)
    runs = []
    for seed in publication.get("seeds", [plain.seed]):
        one = replace(plain, seed=int(seed), title=f"{plain.title} seed {seed}")
        runs.append((yield from _run(out, one)))
    card = combine(out, plain, publication, runs)
    yield LogLine(text=f"{card.name}: {card.metrics}")


def _run(out: Path, recipe: TrainRecipe) -> Generator[Event, None, str]:
    """Train one seed; a finished run of the same recipe is used again, a stopped one resumed."""
    with Project.open(out) as project:
        same = [r for r in project.runs() if r.recipe == recipe]
        finished = [r.id for r in same if r.status == "done"]
        begun = [r.id for r in same if r.status in ("stopped", "interrupted")]
    if finished:
        return finished[0]
    run_id = begun[0] if begun else ""
    for event in train(TrainJob(project=out, recipe=recipe, run_id=run_id)):
        if isinstance(event, RunCreated):
            run_id = event.run_id
        yield event
    return run_id


def combine(
    out: Path, recipe: TrainRecipe, publication: dict[str, Any], runs: list[str]
) -> TrainedModel:
    """Average the models of some runs of one split, calibrate and test the average."""
    prepared = plan(recipe)
    with Project.open(out) as project:
        folders = [
            Path(next(m.folder for m in project.models() if m.name.endswith(run[-6:])))
            for run in runs
        ]
    members = [read_model(folder) for folder in folders]
    card, inference, _ = members[0]
    parts = prepared.parts
    outputs = {
        name: torch.stack([_outputs(prepared, m[2][0], rows) for m in members])
        for name, rows in (("validation", parts.validation), ("test", parts.test))
    }
    values: dict[str, float] = {}
    warmth = 1.0
    if prepared.dataset.summary.task == "classification":
        warmth, values = _classified(prepared, outputs)
    else:
        raw = outputs["test"][:, :, 0].mean(0) * prepared.scale.std + prepared.scale.mean
        true = torch.from_numpy(prepared.dataset.target[parts.test]).double()
        values = {
            "mae": float((raw - true).abs().mean()),
            "rmse": float((raw - true).square().mean().sqrt()),
            "r2": float(1 - (raw - true).square().sum() / (true - true.mean()).square().sum()),
        }
    card = replace(
        card,
        name=safe_name(str(publication["name"])),
        title=str(publication["title"]),
        metrics=values,
        data=str(publication.get("data", card.data)),
        unit=str(publication.get("unit", "")),
        target=str(publication.get("target", card.target)),
        seed=recipe.seed,
        date=str(publication.get("date", card.date)),
        licence=str(publication.get("licence", "")),
        parameters=card.parameters * len(members),
        notes=str(publication.get("notes", "")),
    )
    inference = replace(inference, temperature=warmth)
    states: list[Mapping[str, torch.Tensor]] = [m[2][0].state_dict() for m in members]
    return write_model(out / card.name, card, inference, states)


def _outputs(prepared: Plan, network: torch.nn.Module, rows: NDArray[np.int64]) -> torch.Tensor:
    """(m, outputs) float64 of one network, on the CPU."""
    dataset, device = prepared.dataset, prepared.device
    spec = type(prepared.model).graph_spec(prepared.params)
    graph = cached(
        dataset.records, prepared.recipe.dataset, dataset.summary.digest, spec.cutoff, spec.kind
    )
    table = Table(dataset.records, graph, device)
    network = network.to(device).eval()
    with torch.no_grad():
        index = torch.from_numpy(rows).to(device)
        return torch.cat([network(table.batch(b)).double().cpu() for b in batches(index, 512)])


def _classified(prepared: Plan, outputs: dict[str, torch.Tensor]) -> tuple[float, dict[str, float]]:
    """Temperature on validation rows, and the metrics of the mean on test rows."""
    target = prepared.target()
    truth = {
        "validation": target[torch.from_numpy(prepared.parts.validation)],
        "test": target[torch.from_numpy(prepared.parts.test)],
    }

    def mean(part: str, t: float) -> torch.Tensor:
        return (outputs[part] / t).softmax(2).mean(0)

    grid = np.exp(np.linspace(np.log(0.5), np.log(3.0), 60))
    losses = [
        float(torch.nn.functional.nll_loss(mean("validation", t).log(), truth["validation"]))
        for t in grid
    ]
    warmth = float(grid[int(np.argmin(losses))])
    values: dict[str, float] = {}
    for part, prefix in (("validation", "validation_"), ("test", "")):
        p = mean(part, warmth)
        result = metrics.classification(p.log(), truth[part])
        values |= {f"{prefix}{k}": v for k, v in result[0].items()}
        coarse = coarse_classes(prepared.dataset.summary.classes)
        if coarse:
            values[f"{prefix}accuracy_coarse"] = metrics.coarse_accuracy(
                p, truth[part], prepared.dataset.summary.classes, coarse
            )
    return warmth, values


def main(arguments: list[str]) -> int:
    """The command line."""
    if len(arguments) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    recipe, data, labels, out = map(Path, arguments)
    for event in publish(recipe, data, labels, out):
        if isinstance(event, EpochMetrics):
            numbers = "  ".join(f"{k} {v:.4f}" for k, v in event.values.items())
            print(f"{event.run_id} epoch {event.epoch}: {numbers}", flush=True)
        elif isinstance(event, LogLine):
            print(event.text, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
