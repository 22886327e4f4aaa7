"""Training a published model from a recipe file: several seeds, one model.

    python -m crystalgui.core.training.publish RECIPE DATA LABELS OUT
    python -m crystalgui.core.training.publish RECIPE DATASET OUT

The second form takes a data set that was made already, e.g. of zones.
Every seed is a run of the project ``OUT`` with the same test rows and its own
fold of the rest for validation.  Each keeps its best epoch by validation, the
probabilities are averaged, every member's temperature is fitted on its own
validation rows (their geometric mean is used), and the test rows are used
once, at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.collate import batches
from crystalgui.core.datasets.dataset import safe_name
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
from crystalgui.core.models._base import Network
from crystalgui.core.models.trained import coarse_classes, read_model, write_model
from crystalgui.core.store.files import write_atomic
from crystalgui.core.store.project import Project
from crystalgui.core.training import metrics
from crystalgui.core.training.inputs import Crystals, Inputs, Table, Zones
from crystalgui.core.training.plan import Plan, plan
from crystalgui.core.training.recipes import read_recipe
from crystalgui.core.training.session import train

TEST = "test.csv"


def publish(recipe: Path, data: Path, labels: Path | None, out: Path) -> Iterator[Event]:
    """Import, train every seed, average, test, and write the model folder ``out/NAME``.

    Without ``labels``, ``data`` is the folder of a data set.
    """
    folder = data.absolute()
    if labels is not None:
        folder = yield from _imported(recipe, data, labels, out)
    plain, publication = read_recipe(recipe, folder)
    runs = []
    for seed in publication.get("seeds", [plain.seed]):
        parts = replace(plain.split, fold=int(seed))
        one = replace(plain, seed=int(seed), split=parts, title=f"{plain.title} seed {seed}")
        runs.append((yield from _run(out, one)))
    card = combine(out, plain, publication, runs)
    yield LogLine(text=f"{card.name}: {card.metrics}")


def _imported(recipe: Path, data: Path, labels: Path, out: Path) -> Generator[Event, None, Path]:
    """The folder of the data set that the files become."""
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
    return folder


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
    """Average the models of some runs with the same test rows, and test the average."""
    with Project.open(out) as project:
        known = project.models()
    folders = [Path(next(m.folder for m in known if m.name.endswith(run[-6:]))) for run in runs]
    members = [read_model(folder) for folder in folders]
    card, inference, _ = members[0]
    prepared = plan(recipe)
    networks = [_halved(m[2][0]) for m in members]
    outputs = torch.stack([_outputs(prepared, n, prepared.parts.test) for n in networks])
    true = prepared.target()[torch.from_numpy(prepared.parts.test)]
    warmth = 1.0
    if prepared.data.summary.task == "classification":
        warmth = float(np.exp(np.mean([np.log(m[1].temperature) for m in members])))
        answer = (outputs / warmth).softmax(2).mean(0)
        values = _classified(answer, true, card.classes)
    else:
        answer = outputs[:, :, 0].mean(0)
        values = _regressed(answer, true, prepared.scale)
    for key in ("validation_accuracy", "validation_mae"):
        if key in card.metrics:
            values[key] = float(np.mean([m[0].metrics[key] for m in members]))
    folds = f"; {len(members)} members, each with its own validation fold"
    card = replace(
        card,
        name=safe_name(str(publication["name"])),
        title=str(publication["title"]),
        metrics=values,
        data=str(publication.get("data", card.data)),
        split=card.split + (folds if len(members) > 1 else ""),
        unit=str(publication.get("unit", "")),
        target=str(publication.get("target", card.target)),
        seed=recipe.seed,
        licence=str(publication.get("licence", "")),
        parameters=card.parameters * len(members),
        notes=str(publication.get("notes", "")),
    )
    seen = [m[1] for m in members]
    inference = replace(
        inference,
        temperature=warmth,
        elements=tuple(sorted({z for i in seen for z in i.elements})),
        space_groups=tuple(sorted({n for i in seen for n in i.space_groups})),
        most_atoms=max(i.most_atoms for i in seen),
    )
    states: list[Mapping[str, torch.Tensor]] = [
        {k: v.half() if v.is_floating_point() else v for k, v in n.state_dict().items()}
        for n in networks
    ]
    card = write_model(out / card.name, card, inference, states)
    write_atomic(out / card.name / TEST, _test_rows(prepared, answer))
    return card


def _test_rows(prepared: Plan, answer: torch.Tensor) -> str:
    """CSV of the test rows, so that anyone can check the card: id, label, prediction."""
    data, classes = prepared.data, prepared.data.summary.classes
    names = _ids(data)
    lines = ["id,label,prediction,probability" if classes else "id,label,prediction"]
    for row, values in zip(prepared.parts.test.tolist(), answer, strict=True):
        label = data.target[row]
        if classes:
            best = int(values.argmax())
            lines.append(
                f"{names[row]},{classes[int(label)]},{classes[best]},{float(values[best]):.4f}"
            )
        else:
            value = float(values) * prepared.scale.std + prepared.scale.mean
            lines.append(f"{names[row]},{label:g},{value:.4f}")
    return "\n".join(lines) + "\n"


def _ids(data: Inputs) -> Sequence[str]:
    """A name for each row: what it was called, or its family and number."""
    if isinstance(data, Crystals):
        return data.dataset.records.ids
    if isinstance(data, Zones):
        pairs = zip(data.dataset.family.tolist(), data.dataset.number.tolist(), strict=True)
        return [f"{family} {number}" for family, number in pairs]
    return [str(i) for i in range(len(data.target))]


def _halved(network: Network) -> Network:
    """The network with weights rounded to half precision, as they are stored."""
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(p.half().float())
    return network


def _outputs(prepared: Plan, network: torch.nn.Module, rows: NDArray[np.int64]) -> torch.Tensor:
    """(m, outputs) float64 of one network, on the CPU."""
    device, table = prepared.device, _table(prepared)
    network = network.to(device).eval()
    with torch.no_grad():
        index = torch.from_numpy(rows).to(device)
        return torch.cat([network(table.batch(b)).double().cpu() for b in batches(index, 512)])


def _table(prepared: Plan) -> Table:
    """The table of a plan, without its progress."""
    steps = prepared.data.table(
        prepared.model, prepared.params, prepared.device, prepared.recipe.dataset
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: Table = end.value
            return made


def _classified(p: torch.Tensor, true: torch.Tensor, classes: tuple[str, ...]) -> dict[str, float]:
    """Metrics of (m, k) probabilities against (m,) classes."""
    values, _ = metrics.classification(p.log(), true)
    coarse = coarse_classes(classes)
    if coarse:
        values["accuracy_coarse"] = metrics.coarse_accuracy(p, true, classes, coarse)
    values["calibration_error"] = metrics.calibration_error(p, true)
    return values


def _regressed(out: torch.Tensor, target: torch.Tensor, scale: metrics.Scale) -> dict[str, float]:
    """Metrics in the target's unit of (m,) standardised values."""
    error = (out - target) * scale.std
    spread = (target - target.double().mean()) * scale.std
    return {
        "mae": float(error.abs().mean()),
        "rmse": float(error.square().mean().sqrt()),
        "r2": float(1 - error.square().sum() / spread.square().sum()),
    }


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
