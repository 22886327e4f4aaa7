"""From form values to a recipe, and from a failure to the recipe that mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crystalgui.core.cards import Card, Param, Scalar
from crystalgui.core.datasets.kinds import INPUTS, NOUNS
from crystalgui.core.messages import DatasetSummary, ErrorInfo, SplitSpec, TrainRecipe

TRAINING = (
    Param(
        name="epochs",
        label="Epochs",
        default=30,
        minimum=1,
        maximum=100_000,
        help="Passes over the training rows.",
    ),
    Param(
        name="batch_size",
        label="Batch",
        default=128,
        minimum=1,
        maximum=65_536,
        unit="rows",
        help="Rows of the data set in one optimiser step.",
    ),
    Param(
        name="learning_rate",
        label="Learning rate",
        default=1e-3,
        minimum=1e-9,
        maximum=10.0,
        help="Step size of the optimiser after the warm-up.",
    ),
    Param(
        name="weight_decay",
        label="Weight decay",
        default=1e-4,
        minimum=0.0,
        maximum=1.0,
        help="Pull of the weights towards zero, decoupled from the gradient (AdamW).",
    ),
    Param(
        name="schedule",
        label="Schedule",
        default="cosine",
        choices=("cosine", "constant"),
        help="How the learning rate falls after the warm-up.",
    ),
    Param(
        name="cost",
        label="Cost",
        default="cross-entropy",
        choices=("cross-entropy", "focal", "trace"),
        help="What is minimised. Cross-entropy: accuracy of all rows. Focal: as well, rows that "
        "are hard count more. Trace: the mean accuracy of the classes, however rare they are.",
    ),
    Param(
        name="class_weights",
        label="Weight rare classes",
        default=False,
        help="Weigh every class by the inverse of its frequency in the loss; the cost “trace” "
        "always does.",
    ),
    Param(
        name="resample",
        label="Draw classes equally often",
        default=False,
        help="An epoch has as many rows of every class; those of rare ones are repeated.",
    ),
    Param(
        name="replicas",
        label="Replicas",
        default=1,
        minimum=1,
        maximum=100,
        unit="networks",
        help="Networks that differ by their seed, trained together; results are mean and spread. "
        "For data sets of hoppings and images.",
    ),
    Param(
        name="rolling",
        label="Rolling",
        default=0,
        minimum=0,
        maximum=4096,
        unit="points",
        help="Every sample is shifted periodically by up to so many points along each axis, anew "
        "in each batch, in training and in evaluation. An invariant network does not notice.",
    ),
    Param(
        name="device",
        label="Device",
        default="auto",
        choices=("auto", "cpu"),
        help="Where it is computed. Automatic takes a GPU when there is one.",
    ),
    Param(
        name="precision",
        label="Precision",
        default="32",
        choices=("32", "bf16-mixed", "16-mixed"),
        help="Mixed precision needs less memory and is faster on a GPU.",
    ),
    Param(
        name="seed",
        label="Seed",
        default=0,
        minimum=0,
        maximum=2**31 - 1,
        help="Same seed, same run.",
    ),
)
MORE = (
    Param(
        name="warmup",
        label="Warm-up",
        default=0.05,
        minimum=0.0,
        maximum=0.9,
        help="Share of all steps in which the learning rate rises from zero.",
    ),
    Param(
        name="clip_norm",
        label="Gradient clip",
        default=1.0,
        minimum=0.0,
        maximum=1e6,
        help="Largest norm of the gradient; 0 does not clip.",
    ),
    Param(
        name="accumulate",
        label="Passes a step",
        default=1,
        minimum=1,
        maximum=1024,
        help="Divide a batch over several passes, to save memory.",
    ),
    Param(
        name="ema",
        label="Weight averaging",
        default=0.0,
        minimum=0.0,
        maximum=0.99999,
        help="Decay of the running average of the weights; 0 does not average.",
    ),
    Param(
        name="patience",
        label="Patience",
        default=0,
        minimum=0,
        maximum=100_000,
        unit="epochs",
        help="Stop after so many epochs without a better validation metric; 0 never stops.",
    ),
    Param(
        name="until",
        label="Stop at",
        default=0.0,
        minimum=0.0,
        maximum=1.0,
        help="Stop when the accuracy on the training rows reaches it; 0 never stops.",
    ),
    Param(
        name="expanded",
        label="Atomic limit",
        default=0.0,
        minimum=0.0,
        maximum=1.0,
        help="Share of the training crystals that are seen a second time with their atoms pulled "
        "apart and the label of the trivial phase.",
    ),
    Param(
        name="threads",
        label="Threads",
        default=0,
        minimum=0,
        maximum=1024,
        help="CPU threads; 0 chooses by the size of the model.",
    ),
)
SPLIT = (
    Param(
        name="kind",
        label="Split by",
        default="composition",
        choices=("composition", "element", "prototype", "random", "given", "family"),
        help="What may not be on both sides. Composition: a reduced formula. Element: all "
        "crystals that hold one element are tested on. Prototype: space group, sites and formula "
        "without names; one is tested on, or each stays on one side. Random: only to compare "
        "with published numbers. Given: the data set names its test rows. Family: one family of "
        "Hamiltonians is tested on alone.",
    ),
    Param(
        name="left_out",
        label="Left out",
        default="",
        choices=("",),
        help="Only tested on; training sees the others.",
    ),
    Param(
        name="validation",
        label="Validation",
        default=0.1,
        minimum=0.0,
        maximum=0.8,
        help="Share of the rows that choose the best epoch.",
    ),
    Param(
        name="test",
        label="Test",
        default=0.1,
        minimum=0.0,
        maximum=0.8,
        help="Share of the rows that are seen once, at the end.",
    ),
    Param(
        name="split_seed",
        label="Split seed",
        default=0,
        minimum=0,
        maximum=2**31 - 1,
        help="Same seed, same split.",
    ),
)
LEFT_OUT = ("family", "element", "prototype")
"""Splits that test on something that is left out of training."""
RECIPE_KEYS = tuple(p.name for p in (*TRAINING, *MORE))


def can_leave_out(dataset: DatasetSummary | None, way: str) -> list[tuple[str, str]]:
    """What can be left out of a data set, as pairs of value and words."""
    if dataset is None:
        return []
    if way == "prototype":
        words = [(name, name.replace("_", "  ·  ")) for name in dataset.prototypes]
        return [("", "each on one side"), *words]
    names = {"family": dataset.families, "element": dataset.elements}.get(way, ())
    return [(name, name) for name in names]


def draws_test(split: Mapping[str, Any]) -> bool:
    """Whether the test rows are a share of all."""
    way = split["kind"]
    return way in ("composition", "random") or (way == "prototype" and not split.get("left_out"))


def training_baseline(card: Card | None, preset: str) -> dict[str, Scalar]:
    """Optimiser settings of a preset over the declared defaults."""
    chosen = card.presets.get(preset, {}) if card is not None else {}
    return {key: value for key, value in chosen.items() if key in RECIPE_KEYS}


def model_baseline(card: Card, preset: str) -> dict[str, Scalar]:
    """Model parameters of a preset."""
    names = {p.name for p in card.params}
    return {k: v for k, v in card.presets.get(preset, {}).items() if k in names}


def make_recipe(
    *,
    card: Card,
    preset: str,
    params: Mapping[str, Scalar],
    training: Mapping[str, Any],
    split: Mapping[str, Any],
    dataset: Path,
    title: str = "",
) -> TrainRecipe:
    """The recipe that the forms describe."""
    spec = SplitSpec(
        kind=split["kind"],
        validation=float(split["validation"]),
        test=float(split["test"]),
        seed=int(split["split_seed"]),
        left_out=str(split.get("left_out", "")) if split["kind"] in LEFT_OUT else "",
    )
    return TrainRecipe(
        model=card.name,
        dataset=dataset,
        preset=preset,
        params=dict(params),
        split=spec,
        title=title,
        **{key: training[key] for key in RECIPE_KEYS},
    )


def problem(dataset: DatasetSummary | None, card: Card | None, split: Mapping[str, Any]) -> str:
    """Why this cannot be trained, in a sentence; empty when it can."""
    if dataset is None:
        return "Choose or import a data set."
    if card is None:
        return "Choose a model."
    if card.error:
        return f"{card.title} could not be loaded: {card.error}"
    if not card.reads(INPUTS[dataset.kind]):
        return f"{card.title} does not read {NOUNS[dataset.kind]}."
    if dataset.task not in card.tasks:
        return f"{card.title} does not do {dataset.task}."
    if dataset.task == "classification" and sum(n > 0 for n in dataset.counts) < 2:
        return "This data set has only one class; nothing can be learnt from it."
    noun = NOUNS[dataset.kind]
    way = str(split["kind"])
    offered = {name for name, _ in can_leave_out(dataset, way)}
    if way in LEFT_OUT and split.get("left_out", "") not in offered:
        return f"Choose the {way} to leave out."
    drawn = float(split["test"]) if draws_test(split) else 0.0
    if float(split["validation"]) + drawn >= 0.95:
        return f"Validation and test leave no {noun} for training."
    if float(split["validation"]) <= 0:
        return f"Give some {noun} to validation, so that the best epoch can be chosen."
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """A changed recipe that may succeed where the run failed."""

    label: str
    recipe: TrainRecipe


def remedies(recipe: TrainRecipe, error: ErrorInfo) -> tuple[Remedy, ...]:
    """One-click retries for a failure, best first."""
    if error.kind == "nan":
        rate = recipe.learning_rate / 10
        return (
            Remedy(
                label=f"Retry with learning rate {rate:.3g}",
                recipe=replace(recipe, learning_rate=rate),
            ),
        )
    if error.kind == "memory" and recipe.batch_size > 1:
        batch = max(1, recipe.batch_size // 2)
        return (
            Remedy(label=f"Retry with batch {batch}", recipe=replace(recipe, batch_size=batch)),
        )
    if error.kind == "device" and recipe.device != "cpu":
        return (Remedy(label="Retry on the CPU", recipe=replace(recipe, device="cpu")),)
    return ()
