"""A recipe made ready: checked, with its data divided and its network built."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalgui.core.cards import Scalar, Task
from crystalgui.core.datasets.kinds import INPUTS, NOUNS, ROLLED, STACKABLE
from crystalgui.core.datasets.loading import AnyDataset, load
from crystalgui.core.datasets.splits import Split
from crystalgui.core.datasets.targets import trivial_class
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import DatasetSummary, TrainRecipe
from crystalgui.core.models import _registry as registry
from crystalgui.core.models import devices
from crystalgui.core.models._base import CrystalModel, Network
from crystalgui.core.models._limits import SizeLimit, default_answer, size_limit
from crystalgui.core.training.inputs import Crystals, Inputs, inputs_of
from crystalgui.core.training.metrics import Beyond, Scale

SYMMETRY = frozenset({"space group", "point group"})
"""Targets that a network may not be told."""


@dataclass(frozen=True, slots=True, eq=False)
class Limited:
    """Crystals that a network cannot read; training does without them.

    Attributes
    ----------
    size : SizeLimit
    within : (n,) bool
        Of the whole data set, whether it can be read.
    default : tuple of float
        What the others are answered: frequencies of the classes, or the median.
    left_out : int
        Rows that training would have had.
    """

    size: SizeLimit
    within: NDArray[np.bool_]
    default: tuple[float, ...]
    left_out: int

    def beyond(self, device: torch.device, task: Task, scale: Scale) -> Beyond:
        """The same on a device, as a network would say it."""
        answer = torch.tensor(self.default, dtype=torch.float64)
        if task == "classification":
            answer = answer.clamp(min=1e-9).log()
        else:
            answer = (answer - scale.mean) / scale.std
        within = torch.from_numpy(self.within).to(device)
        return Beyond(within, answer.float().to(device))

    def counted(self, rows: NDArray[np.int64]) -> int:
        """How many of some rows are beyond the limit."""
        return int((~self.within[rows]).sum())


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
    limited: Limited | None = None

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

    @property
    def trivial(self) -> int:
        """Number of the class of the atomic limit; ValueError when there is none."""
        return self.data.summary.classes.index(trivial_class(self.data.summary.classes))

    @property
    def cutoff(self) -> float:
        """Of the graphs that the network wants, in Angstrom; 0 for no crystals."""
        family = type(self.model)
        if not issubclass(family, CrystalModel):
            return 0.0
        return family.graph_spec(self.params).cutoff

    def beyond(self) -> Beyond | None:
        """Rows that the network cannot read, on the device; None where it reads all."""
        if self.limited is None:
            return None
        return self.limited.beyond(self.device, self.data.summary.task, self.scale)

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


def _possible(recipe: TrainRecipe, summary: DatasetSummary) -> None:
    """Refuse a recipe that its model or its data cannot do."""
    family = registry.family(recipe.model)
    card = family.card
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
    if family.grows and (recipe.resample or recipe.cost != "cross-entropy"):
        raise ModelError(
            f"{card.title} minimises cross-entropy over all rows.",
            "Use class weights where rare classes matter.",
        )
    if recipe.rolling < 0 or (recipe.rolling and summary.kind not in ROLLED):
        raise ModelError(
            f"{NOUNS[summary.kind].capitalize()} cannot be rolled by {recipe.rolling} points.",
            "Images and Brillouin zones are shifted by 0 or more points; set it to 0 for others.",
        )
    if recipe.expanded and (summary.kind != "crystals" or not trivial_class(summary.classes)):
        raise ModelError(
            "Only crystals with a trivial phase among their classes can be pulled apart.",
            "Set the share of expanded crystals to 0.",
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
    _possible(recipe, summary)
    data.check()
    params, _ = registry.settings(recipe.model, recipe.preset, recipe.params)
    _unknown(summary, registry.family(recipe.model), params)
    whole = data.split(recipe.split)
    parts, limited = _limited(data, registry.family(recipe.model), params, whole)
    device = devices.resolve(recipe.device)
    torch.manual_seed(recipe.seed)
    outputs = max(len(summary.classes), 1)
    model = registry.build(recipe.model, outputs, params, data.shape)
    devices.set_threads(recipe.threads, model_size(model))
    scale = Scale()
    if summary.task == "regression":
        # The same for every fold and family, whatever each can read, so that networks of
        # several folds can be averaged and those of several families blended.
        seen = data.target[np.sort(np.concatenate([whole.train, whole.validation]))]
        scale = Scale(float(seen.mean()), max(float(seen.std()), 1e-12))
    return Plan(recipe, data, parts, params, model, device, scale, limited)


def _limited(
    data: Inputs, family: type[Network], params: dict[str, Scalar], parts: Split
) -> tuple[Split, Limited | None]:
    """The split without training rows that the network cannot read, and what it cannot read."""
    size = size_limit(family, params)
    if size is None or not isinstance(data, Crystals):
        return parts, None
    within = size.within(data.dataset.records)
    kept = parts.train[within[parts.train]]
    if not len(kept) or not within[parts.validation].any():
        raise DataError(
            f"{family.card.title} reads crystals of at most {size}; there are none.",
            "Choose another model or other features, or add smaller crystals.",
            path=data.summary.folder,
        )
    target, task = data.target[parts.train], data.summary.task
    default = default_answer(target, task, len(data.summary.classes))
    left_out = len(parts.train) - len(kept)
    return replace(parts, train=kept), Limited(size, within, default, left_out)
