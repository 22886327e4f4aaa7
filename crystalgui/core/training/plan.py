"""A recipe made ready: checked, with its data divided and its network built."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from crystalgui.core.cards import Scalar
from crystalgui.core.datasets.dataset import Dataset
from crystalgui.core.datasets.splits import Split, split
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import TrainRecipe
from crystalgui.core.models import _registry as registry
from crystalgui.core.models import devices
from crystalgui.core.models._base import CrystalModel
from crystalgui.core.models.layers.elements import N_ELEMENTS
from crystalgui.core.training.metrics import Scale


@dataclass(slots=True, eq=False)
class Plan:
    """A recipe with its data set, split and network, before the first step."""

    recipe: TrainRecipe
    dataset: Dataset
    parts: Split
    params: dict[str, Scalar]
    model: CrystalModel
    device: torch.device
    scale: Scale

    @property
    def size(self) -> int:
        """Number of parameters of the network."""
        return model_size(self.model)

    def target(self) -> Tensor:
        """(m,) int64 classes, or float32 standardised values."""
        target = torch.from_numpy(self.dataset.target)
        if self.dataset.summary.task == "classification":
            return target.long()
        return ((target - self.scale.mean) / self.scale.std).float()

    def precision(self) -> str:
        """Fabric's name of the precision; 16-mixed needs CUDA, else full precision is used."""
        wanted = self.recipe.precision
        if wanted == "32" or (wanted == "16-mixed" and self.device.type != "cuda"):
            return "32-true"
        return wanted


def model_size(model: CrystalModel) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in model.parameters())


def plan(recipe: TrainRecipe, dataset: Dataset | None = None) -> Plan:
    """Check a recipe, load its data, divide it and build the network."""
    dataset = dataset or Dataset.load(recipe.dataset)
    family = registry.family(recipe.model)
    if dataset.summary.task not in family.card.tasks:
        raise ModelError(
            f"{family.card.title} cannot do {dataset.summary.task}.", "Choose another model."
        )
    if recipe.epochs < 1 or recipe.batch_size < 1 or not recipe.learning_rate > 0:
        raise ModelError(
            "Epochs, batch size and learning rate must be positive.", "Correct the recipe."
        )
    heavy = dataset.records.species >= N_ELEMENTS
    if heavy.any():
        raise DataError(
            f"{int(heavy.sum())} atoms are heavier than einsteinium; models cannot use them.",
            "Remove these crystals from the labels.",
            path=recipe.dataset,
        )
    params, _ = registry.settings(recipe.model, recipe.preset, recipe.params)
    parts = split(recipe.split, dataset.records.keys(), dataset.classes)
    device = devices.resolve(recipe.device)
    torch.manual_seed(recipe.seed)
    outputs = max(len(dataset.summary.classes), 1)
    model = registry.build(recipe.model, outputs, params)
    devices.set_threads(recipe.threads, model_size(model))
    scale = Scale()
    if dataset.summary.task == "regression":
        train = dataset.target[parts.train]
        scale = Scale(float(train.mean()), max(float(train.std()), 1e-12))
    return Plan(recipe, dataset, parts, params, model, device, scale)
