"""Crystal graph network with node, edge and global vectors.

Nop, Mundy, Smith, Paudyal (2025), npj Computational Materials, section
"Crystal graph neural network": after an embedding, blocks update edges from
their ends, nodes from their edges and the global vector from all nodes, each
with a skip connection; the answer is read from the global vector.  The paper
puts the cell and the one-hot space group there.

The ``paper`` preset has the published features and sizes; its edge vectors are
Cartesian, so it is *not* invariant under rotations.  The ``small`` preset
works on orbits of equivalent atoms with distances only, which is invariant,
and adds what symmetry-based classification is made of: site symmetries with
multiplicities, and the electron count of the primitive cell modulo the
fillings that space groups allow.  The ``geometry`` features are told nothing
of the symmetry (nor of primitive cells), so that it can be asked for: all
atoms, distances, edge vectors along the Cartesian axes and along those of the
cell, and the cell itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from crystalgui.core.cards import INVARIANCES, Card, Param, Scalar
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.datasets.features import Sites, features, names
from crystalgui.core.datasets.records import POINT_GROUPS
from crystalgui.core.models._base import CrystalModel, GraphSpec
from crystalgui.core.models._registry import register
from crystalgui.core.models.layers.crystal import SymmetryGlobals, substituted, substitution_param
from crystalgui.core.models.layers.elements import N_ELEMENTS, element_features, relatives
from crystalgui.core.models.layers.encodings import GLOBALS, GlobalVector
from crystalgui.core.models.layers.graph import Gaussians, scatter_sum, take
from crystalgui.core.models.layers.mlp import MLP
from crystalgui.core.models.layers.standardise import Standardise

_LEFT_STEP = 25
_DIRECTIONS = 12
OUTLIER = 5.0
_CELL = ("cell waves", "lengths", "angles", "handedness", "volume", "atoms")


class Block(nn.Module):
    """One graph-network block: edges, nodes, global; each with a skip, or without (row N25).

    The first layer of each update is split by its inputs, so that products
    with node and global vectors are made once a node, not once an edge.
    """

    def __init__(
        self, width: int, wide: int, layers: int, dropout: float, skips: bool = True
    ) -> None:
        super().__init__()
        self.skips = skips
        self.source = nn.Linear(width, width)
        self.target = nn.Linear(width, width, bias=False)
        self.context = nn.Linear(wide, width, bias=False)
        self.kernel = nn.Linear(width, width, bias=False)
        self.edge = MLP(width, *[width] * (layers - 1))
        self.own = nn.Linear(2 * width, width)
        self.own_context = nn.Linear(wide, width, bias=False)
        self.node = MLP(width, *[width] * (layers - 1))
        self.whole = MLP(wide + 2 * width, *[wide] * layers, dropout=dropout)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(wide)])

    def forward(
        self, h: Tensor, e: Tensor, g: Tensor, batch: Batch, count: Tensor, share: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Nodes (n, w), edges (e, w), globals (b, W) -> the same, updated.

        ``count`` (e, 1) weighs an edge in the mean over the edges of a node,
        ``share`` (n, 1) a node in the mean over a crystal.
        """
        x, y, z = self.norms[0](h), self.norms[1](e), self.norms[2](g)
        per_node = self.target(x) + take(self.context(z), batch.graph)
        message = take(self.source(x), batch.src) + take(per_node, batch.dst) + self.kernel(y)
        e = self._onto(e, self.edge(nn.functional.leaky_relu(message)))
        felt = scatter_sum(e * count, batch.dst, len(h))
        joined = self.own(torch.cat([x, felt], 1)) + take(self.own_context(z), batch.graph)
        h = self._onto(h, self.node(nn.functional.leaky_relu(joined)))
        pooled = scatter_sum(torch.cat([h, felt], 1) * share, batch.graph, batch.size)
        g = self._onto(g, self.whole(torch.cat([z, pooled], 1)))
        return h, e, g

    def _onto(self, old: Tensor, update: Tensor) -> Tensor:
        return old + update if self.skips else update


def _globals(features: str) -> GlobalVector | SymmetryGlobals:
    """The global vector that belongs to a kind of features."""
    if features == "symmetry":
        return SymmetryGlobals()
    return GlobalVector(GLOBALS["paper"] if features == "paper" else _CELL)


@register(
    Card(
        name="cgnn",
        title="Crystal graph network",
        tasks=("classification", "regression"),
        inputs="crystal",
        paper="Nop, Mundy, Smith, Paudyal, npj Comput. Mater. (2025), crystal graph neural network",
        rows=("N10",),
        summary=(
            "Atoms and their neighbours exchange messages with each other and with a global "
            "vector that knows the space group and the electron count. The small preset works "
            "on symmetry-inequivalent atoms and trains well on two cores."
        ),
        params=(
            Param(
                name="features",
                label="Features",
                default="symmetry",
                choices=("symmetry", "paper", "geometry"),
                help="symmetry: orbits, distances, site symmetries, electron counts (invariant); "
                "paper: all atoms, Cartesian edge vectors, cell and space group only; geometry: "
                "all atoms, distances, edge vectors and the cell, nothing of the symmetry.",
            ),
            Param(
                name="cutoff",
                label="Cutoff",
                default=5.0,
                unit="Å",
                minimum=1.0,
                maximum=12.0,
                help="Atoms closer than this are neighbours.",
            ),
            Param(name="depth", label="Blocks", default=3, minimum=1, maximum=8),
            Param(name="width", label="Width", default=64, minimum=4, maximum=1024,
                  help="Length of node and edge vectors."),
            Param(name="wide", label="Global width", default=256, minimum=4, maximum=2048,
                  help="Length of the global vector."),
            Param(name="layers", label="Layers an update", default=2, minimum=2, maximum=8),
            Param(name="gaussians", label="Radial functions", default=32, minimum=2, maximum=256,
                  help="Gaussians a distance is expanded in (symmetry features)."),
            substitution_param("symmetry features, classification"),
            Param(name="dropout", label="Dropout", default=0.3, minimum=0.0, maximum=0.9),
            Param(name="table", label="Table of features", default=False,
                  help="Whether the global vector is also told the columns that boosted trees read "
                  "(symmetry features)."),
            Param(name="skips", label="Skips", default=True,
                  help="Whether each update is added to what it updates (off: an ablation)."),
            Param(
                name="largest",
                label="Largest cell",
                default=0,
                unit="atoms",
                minimum=0,
                maximum=10000,
                help="Larger cells get the answer of the baseline; 0: any cell is read.",
            ),
        ),
        presets={
            "small": {"epochs": 30, "batch_size": 128, "learning_rate": 1e-3, "weight_decay": 0.05},
            "geometry": {
                "features": "geometry",
                "cutoff": 4.0,
                "depth": 2,
                "dropout": 0.1,
                "epochs": 20,
                "batch_size": 128,
                "learning_rate": 1e-3,
                "weight_decay": 0.02,
            },
            "paper": {
                "features": "paper",
                "cutoff": 4.0,
                "depth": 2,
                "width": 256,
                "wide": 256,
                "layers": 4,
                "dropout": 0.0,
                "largest": 40,
                "epochs": 40,
                "batch_size": 32,
                "learning_rate": 3e-4,
                "weight_decay": 1e-3,
            },
        },
        symmetries=("permutation", "translation"),
        invariances=dict.fromkeys(INVARIANCES, "exact"),
        depends={
            f"features={kind}": dict.fromkeys(("rotation", "supercell", "cell choice"), "no")
            for kind in ("paper", "geometry")
        },
    )
)  # fmt: skip
class CrystalGraphNetwork(CrystalModel):
    """Row N10 of the model reference."""

    def __init__(self, outputs: int, **params: Any) -> None:
        super().__init__(outputs)
        self.paper = params["features"] == "paper"
        self.geometry = params["features"] == "geometry"
        width, wide, layers = int(params["width"]), int(params["wide"]), int(params["layers"])
        dropout = float(params["dropout"])
        self.elements: Tensor
        features = element_features()
        self.register_buffer(
            "elements", features[:, :_LEFT_STEP] if self.paper else features, persistent=False
        )
        self.relatives: Tensor
        self.register_buffer("relatives", relatives(), persistent=False)
        self.substitution = 0.0 if self.paper or outputs == 1 else float(params["substitution"])
        self.globals = _globals(str(params["features"]))
        n_global = self.globals.size
        self.table: Standardise | None = None
        if params.get("table", False) and params["features"] == "symmetry":
            self.table = Standardise(len(names()))
            n_global += len(names())
        n_atom = self.elements.shape[1]
        if self.paper:
            self.embed_node: nn.Module = MLP(n_atom, width, width)
            self.embed_edge: nn.Module = MLP(4, width, width)
            self.embed_global: nn.Module = MLP(self.globals.size, wide, wide)
            sizes: tuple[int, ...] = (wide, 512, 256, 128)
        else:
            n_atom += N_ELEMENTS if self.geometry else N_ELEMENTS + len(POINT_GROUPS) + 3
            n_edge = int(params["gaussians"]) + (_DIRECTIONS if self.geometry else 0)
            self.radial = Gaussians(int(params["gaussians"]), float(params["cutoff"]))
            self.embed_node = MLP(n_atom, width, width)
            self.embed_edge = nn.Linear(n_edge, width)
            self.embed_global = MLP(n_global, wide, wide, dropout=dropout)
            sizes = (wide + 2 * width, wide, wide // 2)
        self.blocks = nn.ModuleList(
            [
                Block(width, wide, layers, dropout, bool(params.get("skips", True)))
                for _ in range(int(params["depth"]))
            ]
        )
        self.norm = nn.LayerNorm(sizes[0])
        self.head = MLP(*sizes, self.outputs, dropout=dropout)

    @classmethod
    def graph_spec(cls, params: Mapping[str, Scalar]) -> GraphSpec:
        """Orbits for symmetry features, atoms for the others."""
        kind = params["features"]
        return GraphSpec("orbits" if kind == "symmetry" else "atoms", float(params["cutoff"]))

    @classmethod
    def most_atoms(cls, params: Mapping[str, Scalar]) -> int:
        """As the card's parameter says; the paper's are 40."""
        return int(params.get("largest", 0))  # cards from before it have none

    @classmethod
    def knows_symmetry(cls, params: Mapping[str, Scalar]) -> bool:
        """All but the geometry have the space group."""
        return params["features"] != "geometry"

    def encoder(self) -> nn.Module:
        """What gives each node its vector."""
        return self.embed_node

    @property
    def symmetries(self) -> tuple[str, ...]:
        """Distances alone are invariant under rotations, Cartesian edges are not."""
        if self.paper or self.geometry:
            return self.card.symmetries
        return (*self.card.symmetries, "rotation", "supercell")

    def _nodes(self, batch: Batch) -> Tensor:
        known = take(self.elements.to(batch.weight.dtype), batch.species)
        if self.paper:
            return known
        one_hot = nn.functional.one_hot
        if self.geometry:
            return torch.cat([known, one_hot(batch.species, N_ELEMENTS).to(known.dtype)], 1)
        weight = batch.weight[:, None]
        share = weight / take(scatter_sum(weight, batch.graph, batch.size), batch.graph)
        parts = [
            one_hot(batch.species, N_ELEMENTS),
            one_hot(batch.site, len(POINT_GROUPS)),
            weight.log2() / 3,
            share,
            (weight.round() % 2 == 1),
        ]
        return torch.cat([known, *(p.to(known.dtype) for p in parts)], 1)

    def standardise(self, batches: Iterable[Batch]) -> None:
        """Mean and spread of every column of the table."""
        if self.table is not None:
            self.table.learn(self._columns(batch) for batch in batches)

    def _columns(self, batch: Batch) -> Tensor:
        return torch.from_numpy(features(Sites.of_batch(batch))[0]).to(batch.weight.device)

    def _whole(self, batch: Batch) -> Tensor:
        known: Tensor = self.globals(batch)
        if self.table is None:
            return known
        columns = self.table(self._columns(batch).to(known.dtype)).clamp(-OUTLIER, OUTLIER)
        return torch.cat([known, columns], 1)

    def _edges(self, batch: Batch) -> Tensor:
        if self.paper:
            return torch.cat([batch.distance[:, None], batch.vector], 1)
        radial: Tensor = self.radial(batch.distance)
        if not self.geometry:
            return radial
        inverse = torch.linalg.inv(batch.lattice)
        along = torch.einsum("ei,eij->ej", batch.vector, inverse[batch.graph[batch.dst]])
        waves = 2 * torch.pi * along
        unit = batch.vector / batch.distance[:, None]
        return torch.cat([radial, unit, along, waves.sin(), waves.cos()], 1)

    def forward(self, batch: Batch) -> Tensor:
        """(b, outputs)."""
        if self.training and self.substitution > 0:
            batch = substituted(batch, self.relatives, self.substitution)
        if self.geometry:  # the weights tell how many primitive cells there are
            batch = replace(
                batch, weight=torch.ones_like(batch.weight), cells=torch.ones_like(batch.cells)
            )
        weight = batch.weight[:, None]
        share = weight / take(scatter_sum(weight, batch.graph, batch.size), batch.graph)
        h = self.embed_node(self._nodes(batch))
        e = self.embed_edge(self._edges(batch))
        g = self.embed_global(self._whole(batch))
        count = batch.count[:, None]
        degree = scatter_sum(count, batch.dst, len(h)).clamp(min=1)
        count = count / take(degree, batch.dst)
        for block in self.blocks:
            h, e, g = block(h, e, g, batch, count, share)
        if not self.paper:
            mean = scatter_sum(h * share, batch.graph, batch.size)
            total = scatter_sum(h * weight, batch.graph, batch.size) / 10
            g = torch.cat([g, mean, total], 1)
        out: Tensor = self.head(self.norm(g))
        return out
