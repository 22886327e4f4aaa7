"""A recipe made ready: checked, with its data divided and its network built."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from crystalgui.core.cards import Scalar
from crystalgui.core.datasets.kinds import INPUTS, NOUNS, ROLLED, STACKABLE
from crystalgui.core.datasets.loading import AnyDataset, load
from crystalgui.core.datasets.splits import Split
from crystalgui.core.errors import ModelError
from crystalgui.core.messages import DatasetSummary, TrainRecipe
from crystalgui.core.models import _registry as registry
from crystalgui.core.models import devices
from crystalgui.core.models._base import CrystalModel, Network
from crystalgui.core.training.inputs import Inputs, inputs_of
from crystalgui.core.training.metrics import Scale

SYMMETRY = frozenset({"space group", "point group"})
"""Targets that a network may not be told."""


@dataclass(slots=True, eq=False)
class Plan:
    """A recipe with its data set, split and network, before the first step."""

    recipe: TrainRecipe
    data: Inputs
    parts: Split
    params: dict[str, Scalar]
    model: Network
    device: torch.device
    scale: Scale

    @property
    def size(self) -> int:
        """Number of parameters of the network."""
        return model_size(self.model)

    def target(self) -> Tensor:
        """(m,) int64 classes, or float32 standardised values."""
        target = torch.from_numpy(self.data.target)
        if self.data.summary.task == "classification":
            return target.long()
        return ((target - self.scale.mean) / self.scale.std).float()

    def precision(self) -> str:
        """Fabric's name of the precision; 16-mixed needs CUDA, else full precision is used."""
        wanted = self.recipe.precision
        if wanted == "32" or (wanted == "16-mixed" and self.device.type != "cuda"):
            return "32-true"
        return wanted


def model_size(model: Network) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in model.parameters())


def _stackable(summary: DatasetSummary) -> bool:
    return summary.kind in STACKABLE and summary.task == "classification"


def _unknown(summary: DatasetSummary, family: type[Network], params: dict[str, Scalar]) -> None:
    """Refuse to ask a network for the symmetry that it is told."""
    asked = summary.target.replace("_", " ").strip().lower()
    if asked not in SYMMETRY or not issubclass(family, CrystalModel):
        return
    if family.knows_symmetry(params):
        raise ModelError(
            f"{family.card.title} is told the symmetry of a crystal; asked for its {asked} it "
            "would only repeat it.",
            "Choose features without symmetry, or another model.",
        )


def plan(recipe: TrainRecipe, dataset: AnyDataset | None = None) -> Plan:
    """Check a recipe, load its data, divide it and build the network."""
    data = inputs_of(dataset if dataset is not None else load(recipe.dataset))
    summary = data.summary
    card = registry.family(recipe.model).card
    if not card.reads(INPUTS[summary.kind]):
        fitting = [c.name for c in registry.cards() if c.reads(INPUTS[summary.kind])]
        raise ModelError(
            f"{card.title} cannot learn a data set of {NOUNS[summary.kind]}.",
            f"Choose one of: {', '.join(fitting)}.",
        )
    if summary.task not in card.tasks:
        raise ModelError(f"{card.title} cannot do {summary.task}.", "Choose another model.")
    if recipe.epochs < 1 or recipe.batch_size < 1 or not recipe.learning_rate > 0:
        raise ModelError(
            "Epochs, batch size and learning rate must be positive.", "Correct the recipe."
        )
    if recipe.replicas < 1 or (recipe.replicas > 1 and not _stackable(summary)):
        raise ModelError(
            f"{recipe.replicas} replicas of {card.title} cannot be trained together.",
            "Replicas are for networks that classify hoppings or images; train others one by one.",
        )
    if recipe.rolling < 0 or (recipe.rolling and summary.kind not in ROLLED):
        raise ModelError(
            f"{NOUNS[summary.kind].capitalize()} cannot be rolled by {recipe.rolling} points.",
            "Images and Brillouin zones are shifted by 0 or more points; set it to 0 for others.",
        )
    data.check()
    params, _ = registry.settings(recipe.model, recipe.preset, recipe.params)
    _unknown(summary, registry.family(recipe.model), params)
    parts = data.split(recipe.split)
    device = devices.resolve(recipe.device)
    torch.manual_seed(recipe.seed)
    outputs = max(len(summary.classes), 1)
    model = registry.build(recipe.model, outputs, params, data.shape)
    devices.set_threads(recipe.threads, model_size(model))
    scale = Scale()
    if summary.task == "regression":
        train = data.target[parts.train]
        scale = Scale(float(train.mean()), max(float(train.std()), 1e-12))
    return Plan(recipe, data, parts, params, model, device, scale)
