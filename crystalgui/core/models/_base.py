"""What a model family is: a torch module that eats a batch of crystals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from crystalgui.core.cards import Card, Scalar
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.datasets.graphs import Kind


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """Which graphs a model wants.

    Attributes
    ----------
    kind : {"atoms", "orbits"}
    cutoff : float, Angstrom
    """

    kind: Kind
    cutoff: float


class CrystalModel(nn.Module, ABC):
    """A network from crystals to ``outputs`` numbers.

    Parameters
    ----------
    outputs : int
        Classes, or 1 for regression.
    **params
        Values of the card's parameters.
    """

    card: ClassVar[Card]
    constant: ClassVar[bool] = False

    def __init__(self, outputs: int, **params: Any) -> None:
        super().__init__()
        self.outputs = outputs

    @classmethod
    @abstractmethod
    def graph_spec(cls, params: Mapping[str, Scalar]) -> GraphSpec:
        """The graphs that a network with these parameters wants."""

    @property
    def symmetries(self) -> tuple[str, ...]:
        """Invariances that hold exactly for this network's parameters."""
        return self.card.symmetries

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """(b, outputs): logits, or the standardised target."""

    def start(self, targets: Tensor) -> None:
        """Use the training targets before the first step, e.g. for a prior."""
