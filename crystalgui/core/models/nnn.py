"""Naive neural network: a crystal as one vector of fixed length.

Nop et al. (2025), Methods, "Contemporary naive neural network": the atoms are
partitioned by element into at most six bins, from the most common element to
the least; bin i is the vector of its element followed by the positions of its
atoms, padded with zeros to the bin's size (40, 24, 16, 12, 8, 6 in the
authors' code, enough for every crystal of at most 40 atoms and six elements);
the global vector and the six bins go through a dense network.

Read here so: elements that are equally common come by atomic number, and the
atoms of a bin by their coordinates, so that the order in the file does not
matter.  The positions of the paper (``sines``) do not tell an empty place from
an atom at 0, 1/4, 1/2 or 3/4; ``waves`` do, with one more number that says
whether the place is taken.  Without positions a bin is its element and how
many atoms it has: composition alone, any crystal, and what the global vector
adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from crystalgui.core.cards import Card, Param, Scalar
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.models._base import CrystalModel, GraphSpec
from crystalgui.core.models._registry import register
from crystalgui.core.models.layers.crystal import composition, substituted, substitution_param
from crystalgui.core.models.layers.elements import N_ELEMENTS, relatives
from crystalgui.core.models.layers.encodings import (
    GLOBALS,
    POSITION_KINDS,
    ElementEncoding,
    GlobalVector,
    PositionEncoding,
    broken_by,
    elements_param,
    globals_param,
    of_globals,
    positions_param,
    tells_symmetry,
)
from crystalgui.core.models.layers.mlp import MLP

BINS = (40, 24, 16, 12, 8, 6)
MOST_ATOMS = 40
_PLACED = ("translation", "supercell", "cell choice")


class Bins(nn.Module):
    """Crystals as six bins of equal atoms.

    Parameters
    ----------
    elements : str
        Kind of `ElementEncoding`.
    positions : {"none", "sines", "waves"}
    """

    def __init__(self, elements: str, positions: str) -> None:
        super().__init__()
        self.element = ElementEncoding(elements)
        self.position = PositionEncoding(positions) if positions != "none" else None
        self.counted = positions != "sines"
        place = 0
        if self.position is not None:
            place = self.position.size + (1 if self.counted else 0)
        self.size = len(BINS) * (self.element.size + (2 if self.counted else 0))
        self.size += sum(BINS) * place

    def forward(self, batch: Batch) -> Tensor:
        """(b, size)."""
        counts = composition(batch)
        number = torch.arange(N_ELEMENTS, device=counts.device, dtype=counts.dtype)
        # counts of a primitive cell are whole numbers up to rounding
        _, common = (counts.round() * N_ELEMENTS - number).topk(len(BINS), dim=1)
        own = counts.gather(1, common)[..., None]
        parts = [self.element(common) * (own > 0)]
        if self.counted:
            parts += [own / counts.sum(1)[:, None, None] * 2, own.log1p()]
        out: Tensor = torch.cat(parts, 2).flatten(1)
        if self.position is None:
            return out
        return torch.cat([out, self._places(batch, common, self.position)], 1)

    def _places(self, batch: Batch, common: Tensor, position: PositionEncoding) -> Tensor:
        """(b, 106 * place), the atoms of each bin by their coordinates."""
        device, size = common.device, common.shape[0]
        rank = torch.full((size, N_ELEMENTS), len(BINS), device=device)
        rank.scatter_(1, common, torch.arange(len(BINS), device=device).expand_as(common))
        key = batch.graph * (len(BINS) + 1) + rank[batch.graph, batch.species]
        order = torch.arange(len(key), device=device)
        for column in (*batch.frac.flip(1).unbind(1), key):
            order = order[torch.argsort(column[order], stable=True)]
        sorted_key, graph = key[order], batch.graph[order]
        slot = torch.arange(len(key), device=device) - torch.searchsorted(sorted_key, sorted_key)
        bins = sorted_key - graph * (len(BINS) + 1)
        most = torch.tensor([*BINS, 0], device=device)
        fits = slot < most[bins]
        values = position(batch.frac[order][fits])
        if self.counted:
            values = torch.cat([values, torch.ones_like(values[:, :1])], 1)
        out: Tensor = values.new_zeros(size, sum(BINS), values.shape[1])
        first = most.cumsum(0) - most
        out[graph[fits], (first[bins] + slot)[fits]] = values
        return out.flatten(1)


@register(
    Card(
        name="nnn",
        title="Naive network",
        tasks=("classification", "regression"),
        inputs="crystal",
        paper="Nop, Mundy, Smith, Paudyal, npj Comput. Mater. (2025), naive neural network",
        rows=("N09",),
        summary=(
            "A dense network of six bins, one for each element of a crystal, and of the global "
            "vector. The small preset knows composition, electron count and symmetry and answers "
            "in no time; the published one also has the positions of the atoms."
        ),
        params=(
            elements_param("left-step"),
            replace(
                positions_param("none"),
                choices=("none", *POSITION_KINDS),
                help="none: elements and their numbers alone; sines: as published; waves: "
                "sines and cosines, no two positions are the same.",
            ),
            globals_param("symmetry"),
            Param(name="depth", label="Layers", default=3, minimum=1, maximum=12),
            Param(name="width", label="Width", default=384, minimum=4, maximum=4096),
            Param(name="norm", label="Layer norm", default=True,
                  help="Normalise after each hidden layer."),
            substitution_param("classification"),
            Param(name="dropout", label="Dropout", default=0.4, minimum=0.0, maximum=0.9),
        ),
        presets={
            "small": {"epochs": 40, "batch_size": 128, "learning_rate": 1e-3, "weight_decay": 0.05},
            "paper": {
                "positions": "sines",
                "globals": "paper",
                "width": 1000,
                "norm": False,
                "substitution": 0.0,
                "dropout": 0.0,
                "epochs": 40,
                "batch_size": 1000,
                "learning_rate": 3e-4,
                "weight_decay": 1e-3,
            },
        },
        symmetries=("permutation",),
        invariances={
            "translation": "exact",
            "permutation": "exact",
            "rotation": "exact",
            "supercell": "exact",
            "cell choice": "exact",
        },
        depends={
            **{f"positions={kind}": dict.fromkeys(_PLACED, "no") for kind in POSITION_KINDS},
            **of_globals(),
        },
    )
)  # fmt: skip
class NaiveNetwork(CrystalModel):
    """Row N09 of the model reference."""

    def __init__(self, outputs: int, **params: Any) -> None:
        super().__init__(outputs)
        self.broken = broken_by(GLOBALS[params["globals"]])
        if params["positions"] != "none":
            self.broken |= {*_PLACED}
        self.relatives: Tensor
        self.register_buffer("relatives", relatives(), persistent=False)
        self.substitution = 0.0 if outputs == 1 else float(params["substitution"])
        self.bins = Bins(str(params["elements"]), str(params["positions"]))
        self.globals = GlobalVector(GLOBALS[params["globals"]])
        hidden = [int(params["width"])] * int(params["depth"])
        self.network = MLP(
            self.globals.size + self.bins.size,
            *hidden,
            outputs,
            norm=bool(params["norm"]),
            dropout=float(params["dropout"]),
            slope=0.0,
        )

    @classmethod
    def graph_spec(cls, params: Mapping[str, Scalar]) -> GraphSpec:
        """No neighbours; all atoms where their positions are read."""
        return GraphSpec("orbits" if params["positions"] == "none" else "atoms", 0.0)

    @classmethod
    def most_atoms(cls, params: Mapping[str, Scalar]) -> int:
        """What the bins hold; any crystal without positions."""
        return 0 if params["positions"] == "none" else MOST_ATOMS

    @classmethod
    def most_elements(cls, params: Mapping[str, Scalar]) -> int:
        """One for each bin; any number without positions."""
        return 0 if params["positions"] == "none" else len(BINS)

    @classmethod
    def knows_symmetry(cls, params: Mapping[str, Scalar]) -> bool:
        """As the parts of the global vector say."""
        return tells_symmetry(GLOBALS[str(params["globals"])])

    @property
    def symmetries(self) -> tuple[str, ...]:
        """All that neither positions nor the global vector break."""
        every = ("permutation", "translation", "rotation", "supercell")
        return tuple(name for name in every if name not in self.broken)

    def forward(self, batch: Batch) -> Tensor:
        """(b, outputs)."""
        if self.training and self.substitution > 0:
            batch = substituted(batch, self.relatives, self.substitution)
        out: Tensor = self.network(torch.cat([self.globals(batch), self.bins(batch)], 1))
        return out
