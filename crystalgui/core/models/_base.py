"""What a model family is: a torch module that eats a batch of one kind of input.

Crystals are graphs, hoppings are the crop of a Hamiltonian in real space
(Bird 2023, section 2.3), zones are descriptors sampled over the Brillouin
zone.  ``Card.inputs`` names the kind; everything else is common.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from crystalgui.core.cards import Card, Scalar
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.datasets.graphs import Kind
from crystalgui.core.datasets.hamiltonians.tables import HoppingBatch, ZoneBatch
from crystalgui.core.models.layers.attention import Attended
from crystalgui.core.models.layers.standardise import Standardise

HEADS = "heads"
"""The tap of networks of crystals that have attention between atoms."""


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """Which graphs a model of crystals wants.

    Attributes
    ----------
    kind : {"atoms", "orbits"}
    cutoff : float, Angstrom
        0 for no edges.
    """

    kind: Kind
    cutoff: float


class Network(nn.Module, ABC):
    """A network from inputs to ``outputs`` numbers.

    Parameters
    ----------
    outputs : int
        Classes, or 1 for regression.
    shape : tuple of int
        Shape of one input where it is fixed by the data; empty for crystals.
    **params
        Values of the card's parameters.
    """

    card: ClassVar[Card]
    constant: ClassVar[bool] = False
    grows: ClassVar[bool] = False
    """Whether it fits itself, by `grow`, where others are trained by gradients."""

    def __init__(self, outputs: int, *, shape: tuple[int, ...] = (), **params: Any) -> None:
        super().__init__()
        self.outputs = outputs
        self.shape = shape

    @property
    def symmetries(self) -> tuple[str, ...]:
        """Invariances that hold exactly for this network's parameters."""
        return self.card.symmetries

    @abstractmethod
    def forward(self, batch: Any) -> Tensor:
        """(b, outputs): logits, or the standardised target."""

    def stages(self) -> tuple[tuple[str, nn.Module], ...]:
        """Layers of the abstraction pipeline by name, from input to output; empty without one.

        Each gives activations (b, c, n1, ..., nd) that move with the input.
        """
        return ()

    def tapped(self, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The outputs, and for each of the card's taps its values (b, read-outs).

        The tap `HEADS` is not among them: `CrystalModel.attended` tells of it.
        """
        return self(batch), {}

    def start(self, targets: Tensor) -> None:
        """Use the training targets before the first step, e.g. for a prior."""

    def standardise(self, batches: Iterable[Any]) -> None:
        """Use the training inputs before the first step, e.g. their mean and spread.

        What is learnt must be kept in buffers, so that a checkpoint answers alone.
        """

    def grow(
        self,
        batches: Callable[[], Iterable[Any]],
        targets: Tensor,
        seed: int,
        weights: Tensor | None = None,
    ) -> Iterator[tuple[float, Tensor]]:
        """One epoch of a family that `grows`; it changes buffers and no parameter.

        Parameters
        ----------
        batches : callable
            Makes the batches of the training rows, always in the same order.
        targets : (k,) int64 or float32
            Classes, or standardised values.
        seed : int
        weights : (k,) float32, optional
            Of the rows.

        Yields
        ------
        share : float
            Of the epoch that is done.
        outputs : (k, outputs) float32
            For the training rows, after each step.
        """
        raise NotImplementedError(f"{type(self).__name__} is trained by gradients")


class CrystalModel(Network):
    """A network of crystals."""

    @classmethod
    @abstractmethod
    def graph_spec(cls, params: Mapping[str, Scalar]) -> GraphSpec:
        """The graphs that a network with these parameters wants."""

    @classmethod
    def most_atoms(cls, params: Mapping[str, Scalar]) -> int:
        """Atoms of the largest cell that a network with these parameters can read; 0: any.

        A larger crystal gets the answer that needs no crystal (Nop et al. 2025).
        """
        return 0

    @classmethod
    def most_elements(cls, params: Mapping[str, Scalar]) -> int:
        """Different elements of a crystal that it can read at most; 0: any."""
        return 0

    @classmethod
    def knows_symmetry(cls, params: Mapping[str, Scalar]) -> bool:
        """Whether it is told the space group, or graphs that give it away (orbits, sites).

        Such a network may not be asked for the space group or the point group.
        """
        return cls.graph_spec(params).kind == "orbits"

    def attention(self, batch: Batch) -> tuple[Attended, ...]:
        """Who looks at whom in the only crystal of a batch; empty for networks without attention.

        Every layer by itself, every head by itself; nodes are those of the graph.
        """
        return ()

    def attended(self, batch: Batch) -> tuple[Tensor, tuple[Attended, ...]]:
        """The outputs, and the same of every crystal, with what its rows and keys stand for.

        Crystals of similar size come together, so that a layer may come several times.
        """
        return self(batch), ()

    def encoder(self) -> nn.Module | None:
        """The part that gives each node its vector, (n, features) -> (n, width).

        Gradients by what it gives say how much an answer rests on each node;
        None where there is no such part.
        """
        return None

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """(b, outputs): logits, or the standardised target."""


class HoppingModel(Network):
    """A network of the cropped hoppings of one crystal, of ``shape`` (27, n, n, 2).

    It begins with one linear layer, ``first``, of the standardised hoppings,
    so that many networks can share what they read; ``together`` counts the
    trailing axes that one of its neurons reads.
    """

    first: nn.Linear
    together: ClassVar[int] = 4

    def __init__(self, outputs: int, *, shape: tuple[int, ...], **params: Any) -> None:
        super().__init__(outputs, shape=shape)
        self.inputs = Standardise(*shape, together=self.together)

    def standardise(self, batches: Iterable[HoppingBatch]) -> None:
        """Mean and spread of every real number of the hoppings."""
        self.inputs.learn(batch.values for batch in batches)

    @abstractmethod
    def columns(self, batch: HoppingBatch) -> Tensor:
        """(b, ..., f) float32: what the first layer reads; it has no parameters."""

    @abstractmethod
    def rest(self, hidden: Tensor) -> Tensor:
        """(b, outputs) from the answer of the first layer."""

    def forward(self, batch: HoppingBatch) -> Tensor:
        """(b, outputs): logits, or the standardised target."""
        return self.rest(self.first(self.columns(batch)))


class ZoneModel(Network):
    """A network of Brillouin zones of any crystal; ``shape`` is (channels,), any mesh."""

    @abstractmethod
    def forward(self, batch: ZoneBatch) -> Tensor:
        """(b, outputs): logits, or the standardised target."""
