"""What follows the last epoch: test, calibration and the trained model."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.dataset import safe_name
from crystalgui.core.datasets.images.rolling import for_evaluation
from crystalgui.core.datasets.kinds import NOUNS
from crystalgui.core.datasets.splits import said
from crystalgui.core.datasets.targets import unit_of
from crystalgui.core.messages import EpochMetrics, Event, LogLine
from crystalgui.core.models._limits import default_answer
from crystalgui.core.models._tensors import read_tensors
from crystalgui.core.models.diagram import network_diagram
from crystalgui.core.models.trained import Inference, coarse_classes, write_model
from crystalgui.core.reports.diagram import write_diagram
from crystalgui.core.store.project import Project, versions
from crystalgui.core.store.run import Run
from crystalgui.core.training import metrics
from crystalgui.core.training.loop import Fit, confusion
from crystalgui.core.training.plan import Plan

BEST = "best.safetensors"


def finish(project: Project, run: Run, prepared: Plan, fit: Fit) -> Generator[Event, None, None]:
    """Test the best epoch, calibrate it on validation rows, export it."""
    weights, _ = read_tensors(run.file(BEST))
    fit.model.load_state_dict(weights)
    fit.model.eval()
    test_rows = torch.from_numpy(prepared.parts.test).to(prepared.device)
    table = for_evaluation(fit.table, fit.recipe.seed, 0)
    results = {
        part: metrics.evaluate(
            fit.network, table, rows, fit.target, fit.task, fit.scale, beyond=fit.beyond
        )
        for part, rows in (("validation", fit.validation), ("test", test_rows))
    }
    target = fit.target.cpu()
    values = {f"test/{k}": v for k, v in results["test"].values.items()}
    warmth = 1.0
    if fit.task == "classification":
        seen = results["validation"]
        own = target[fit.validation.cpu()][seen.within]
        warmth = metrics.temperature(seen.outputs[seen.within], own)
        coarse = coarse_classes(fit.classes)
        if coarse:
            test, p = results["test"], results["test"].probabilities(warmth)
            true = target[prepared.parts.test]
            values["test/coarse_accuracy"] = metrics.coarse_accuracy(p, true, fit.classes, coarse)
            if not test.within.all():
                values["test/coarse_accuracy_within"] = metrics.coarse_accuracy(
                    p[test.within], true[test.within], fit.classes, coarse
                )
    run.append_metrics(values)
    yield EpochMetrics(run_id=run.id, epoch=fit.state.epoch, values=values)
    if results["test"].counts:
        yield confusion(fit, results["test"], "test")
    score = "accuracy" if fit.task == "classification" else "mae"
    values[f"validation_{score}"] = results["validation"].values[score]
    card = export(
        project, run, prepared, fit.state.best_epoch, values, warmth, [fit.model.state_dict()]
    )
    run.log(f"exported as {card.name}: {json.dumps(values)}")
    yield LogLine(text=f"The trained model is called {card.name}.")


def export(
    project: Project,
    run: Run,
    prepared: Plan,
    epoch: int,
    values: Mapping[str, float],
    warmth: float,
    members: list[dict[str, Tensor]],
) -> TrainedModel:
    """Write the weights of the best epoch as a trained model of the project."""
    summary, recipe, parts = prepared.data.summary, prepared.recipe, prepared.parts
    nouns = NOUNS[summary.kind]
    name = safe_name(f"{recipe.title or f'{recipe.model}-{summary.name}'}-{run.id[-6:]}")
    spec = recipe.split
    sizes = " / ".join(f"{n:,}" for n in parts.sizes)
    card = TrainedModel(
        name=name,
        family=recipe.model,
        title=recipe.title or f"{type(prepared.model).card.title} on {summary.name}",
        folder="",
        task=summary.task,
        target=summary.target,
        unit=unit_of(summary.target),
        classes=summary.classes,
        metrics={
            k.removeprefix("test/").replace("coarse_accuracy", "accuracy_coarse"): v
            for k, v in values.items()
        },
        data=prepared.data.described(),
        split=f"{said(spec, summary.kind)}, seed {spec.seed}: {sizes} {nouns} to train, validate, "
        "test",
        seed=recipe.seed,
        date=time.strftime("%Y-%m-%d"),
        parameters=prepared.size * len(members),
        params=dict(prepared.params),
        coarse=coarse_classes(summary.classes),
        notes=f"Run {run.id}, best epoch {epoch} by validation.{_rolled(recipe.rolling)}"
        f"{_penalised(prepared)}",
    )
    inference = Inference(
        temperature=warmth,
        mean=prepared.scale.mean,
        std=prepared.scale.std,
        default=default_of(prepared),
        versions=versions(),
        **prepared.data.seen(parts.train),
    )
    card = write_model(project.models_folder / name, card, inference, [*members])
    drawn = network_diagram(
        card.family, prepared.params, inference.shape, max(1, len(card.classes))
    )
    if drawn is not None:
        write_diagram(Path(card.folder), drawn)
    project.register_model(card)
    return card


def _rolled(chi: int) -> str:
    """What a reader of the numbers must know of rolling."""
    return f" Trained and tested with samples rolled by up to {chi} points." if chi else ""


def _penalised(prepared: Plan) -> str:
    """What a reader of the numbers must know of crystals that were too large."""
    if prepared.limited is None:
        return ""
    test = prepared.parts.test
    return (
        f" Reads at most {prepared.limited.size}: {prepared.limited.counted(test):,} of "
        f"{len(test):,} test crystals are beyond it and count with the baseline’s answer; "
        "numbers “within” are without them."
    )


def default_of(prepared: Plan) -> tuple[float, ...]:
    """The answer that needs no input, of the training rows."""
    if prepared.limited is not None:
        return prepared.limited.default
    summary = prepared.data.summary
    target = prepared.data.target[prepared.parts.train]
    return default_answer(target, summary.task, len(summary.classes))
