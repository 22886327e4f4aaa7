"""Crystal attention network: atoms as a set, without a graph.

Nop, Mundy, Smith, Paudyal (2025), npj Computational Materials, section "Novel
crystal attention neural network", Fig. 4: a token for each atom (element,
position, global vector) goes through layers of attention and feed-forward
networks.  In the authors' code an encoder of set attention is pooled by 12
seeds (PMA), which look at each other once, and the first of them is read.

The ``paper`` preset has the published encodings and sizes; absolute positions
make it *not* invariant under translations and rotations.  The authors let
atoms look at the padding up to 40 atoms; here that is the ablation
``masked = false``.  The ``small`` preset has orbits of equivalent atoms as
tokens, each weighing as many atoms as it has, site symmetries, the electron
count in the global vector, and pairs that know their distances.  ``geometry``
knows no symmetry, only relative positions and the metric of the cell, so it
may be asked for the space group.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from crystalgui.core.cards import INVARIANCES, Card, Param, Scalar
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.datasets.records import POINT_GROUPS
from crystalgui.core.models._base import HEADS, CrystalModel, GraphSpec
from crystalgui.core.models._registry import register
from crystalgui.core.models.layers.attention import (
    ISAB,
    PMA,
    SAB,
    Attended,
    Keys,
    Shape,
    Side,
    visible,
)
from crystalgui.core.models.layers.crystal import substituted, substitution_param
from crystalgui.core.models.layers.elements import N_ELEMENTS, element_features, relatives
from crystalgui.core.models.layers.encodings import (
    GLOBALS,
    GlobalVector,
    PositionEncoding,
    globals_param,
    positions_param,
    tells_symmetry,
)
from crystalgui.core.models.layers.graph import Gaussians, scatter_sum, take
from crystalgui.core.models.layers.mlp import MLP

MOST_ATOMS = 40
"""Atoms of the largest cell that the published network reads."""
BUCKETS = (4, 8, 16, 32, 64)
"""Crystals are padded to one of these lengths, larger ones to the largest among them."""
HARMONICS = 2
_LEFT_STEP = 25


@dataclass(frozen=True, slots=True, eq=False)
class Padded:
    """Some crystals of a batch, of similar size, as rows of equal length.

    Attributes
    ----------
    rows : (k,) int64
        Which crystals.
    node : (k, n) int64
        Nodes of each; padding repeats a node.
    mask : (k, n) bool
        Where there is one.
    slot : (b,) int64
        Row of each crystal of the batch, -1 elsewhere.
    """

    rows: Tensor
    node: Tensor
    mask: Tensor
    slot: Tensor


def padded(batch: Batch, length: int = 0) -> Iterator[Padded]:
    """The crystals of a batch in buckets; all to ``length`` where it is not 0 and enough."""
    sizes = torch.bincount(batch.graph, minlength=batch.size)
    first = torch.cumsum(sizes, 0) - sizes
    longest = int(sizes.max())
    edges = (0, *((length,) if length >= longest else (n for n in BUCKETS if n < longest)))
    for low, high in zip(edges, (*edges[1:], longest), strict=True):
        rows = ((sizes > low) & (sizes <= high)).nonzero()[:, 0]
        if len(rows) == 0:
            continue
        width = length if length >= longest else min(high, int(sizes[rows].max()))
        place = torch.arange(width, device=sizes.device)
        mask = place < sizes[rows, None]
        node = first[rows, None] + torch.where(mask, place, 0)
        slot = torch.full((batch.size,), -1, device=sizes.device)
        slot[rows] = torch.arange(len(rows), device=sizes.device)
        yield Padded(rows, node, mask, slot)


class ShellPairs(nn.Module):
    """What orbits see of each other: their distances in Gaussians, counted over neighbours."""

    def __init__(self, gaussians: int, cutoff: float) -> None:
        super().__init__()
        self.radial = Gaussians(gaussians, cutoff)
        self.size = gaussians

    def forward(self, batch: Batch, part: Padded) -> Tensor:
        """(k, n, n, size): rows feel columns."""
        k, n = part.mask.shape
        crystal = take(batch.graph, batch.dst)
        slot = take(part.slot, crystal)
        here = slot >= 0
        start = take(part.node[:, 0], slot[here])
        to, of = batch.dst[here] - start, batch.src[here] - start
        known = self.radial(batch.distance[here]) * batch.count[here, None]
        flat = scatter_sum(known, (slot[here] * n + to) * n + of, k * n * n)
        return flat.log1p().view(k, n, n, self.size)


class RelativePairs(nn.Module):
    """Relative positions of atoms as waves, and the shortest distance over 27 images."""

    def __init__(self, gaussians: int, cutoff: float) -> None:
        super().__init__()
        self.radial = Gaussians(gaussians, cutoff, 0.0)
        self.size = gaussians + 6 * HARMONICS + 1
        steps = torch.arange(-1.0, 2.0)
        self.images: Tensor
        self.register_buffer("images", torch.cartesian_prod(steps, steps, steps), persistent=False)

    def forward(self, batch: Batch, part: Padded) -> Tensor:
        """(k, n, n, size)."""
        frac = batch.frac[part.node]
        apart = frac[:, None, :, :] - frac[:, :, None, :]
        apart = apart - apart.round()
        lattice = batch.lattice[part.rows]
        metric = lattice @ lattice.transpose(1, 2)
        near = apart[..., None, :] + self.images.to(frac.dtype)
        square = torch.einsum("knmic,kcd,knmid->knmi", near, metric, near).amin(-1)
        distance = square.clamp(min=0).sqrt()
        orders = torch.arange(1, HARMONICS + 1, device=frac.device, dtype=frac.dtype)
        phase = (2 * math.pi * apart[..., None] * orders).flatten(-2)
        species = batch.species[part.node]
        same = species[:, None, :, None] == species[:, :, None, None]
        radial = self.radial(distance.flatten()).view(*distance.shape, -1)
        return torch.cat([radial, phase.sin(), phase.cos(), same.to(frac.dtype)], -1)


class Tokens(nn.Module):
    """What is known of each atom or orbit before it looks at others."""

    def __init__(self, features: str, positions: str) -> None:
        super().__init__()
        self.features = features
        table = element_features()
        self.elements: Tensor
        self.register_buffer(
            "elements", table[:, :_LEFT_STEP] if features == "paper" else table, persistent=False
        )
        self.position = PositionEncoding(positions) if features == "paper" else None
        more = {
            "paper": self.position.size if self.position else 0,
            "symmetry": N_ELEMENTS + len(POINT_GROUPS) + 3,
            "geometry": N_ELEMENTS,
        }
        self.size = self.elements.shape[1] + more[features]

    def forward(self, batch: Batch, share: Tensor) -> Tensor:
        """(n, size)."""
        dtype = batch.weight.dtype
        known = take(self.elements.to(dtype), batch.species)
        if self.position is not None:
            return torch.cat([known, self.position(batch.frac)], 1)
        parts = [nn.functional.one_hot(batch.species, N_ELEMENTS)]
        if self.features == "symmetry":
            weight = batch.weight[:, None]
            site = nn.functional.one_hot(batch.site, len(POINT_GROUPS))
            parts += [site, weight.log2() / 3, share, weight.round() % 2 == 1]
        return torch.cat([known, *(p.to(dtype) for p in parts)], 1)


@register(
    Card(
        name="cann",
        title="Crystal attention network",
        tasks=("classification", "regression"),
        inputs="crystal",
        paper="Nop, Mundy, Smith, Paudyal, npj Comput. Mater. (2025), crystal attention neural "
        "network; set transformer: Lee et al., ICML (2019)",
        rows=("N11", "N12", "N13"),
        summary=(
            "Every atom looks at every other atom; no neighbours are chosen. What looks at what "
            "can be drawn on the crystal. The small preset works on symmetry-inequivalent atoms "
            "with distances and trains well on two cores."
        ),
        params=(
            Param(
                name="features",
                label="Features",
                default="symmetry",
                choices=("symmetry", "paper", "geometry"),
                help="symmetry: orbits, site symmetries, electron counts, distances (invariant); "
                "paper: elements, absolute positions and the global vector; geometry: relative "
                "positions and the metric of the cell, no symmetry.",
            ),
            Param(
                name="form",
                label="Form",
                default="full",
                choices=("full", "induced", "alternating"),
                help="full: set attention, pooled by seeds; induced: through inducing points, "
                "which costs atoms times points; alternating: attention and feed-forward in "
                "turn, then the mean.",
            ),
            globals_param("paper"),
            positions_param("waves"),
            Param(name="cutoff", label="Cutoff", default=5.0, unit="Å", minimum=1.0, maximum=12.0,
                  help="Distances up to it are told apart (not with the paper's features)."),
            Param(name="gaussians", label="Radial functions", default=16, minimum=2, maximum=256,
                  help="Gaussians a distance is expanded in."),
            Param(name="depth", label="Blocks", default=2, minimum=1, maximum=8),
            Param(name="width", label="Width", default=64, minimum=4, maximum=1024,
                  help="Length of the vector of an atom."),
            Param(name="wide", label="Global width", default=256, minimum=4, maximum=2048,
                  help="Length of the global vector."),
            Param(name="heads", label="Heads", default=4, minimum=1, maximum=16),
            Param(name="key", label="Key length", default=16, minimum=2, maximum=256,
                  help="Of one head."),
            Param(name="seeds", label="Seeds", default=4, minimum=1, maximum=64,
                  help="Vectors that pool the atoms."),
            Param(name="points", label="Inducing points", default=16, minimum=1, maximum=256),
            Param(
                name="masked",
                label="Mask padding",
                default=True,
                help="Off: atoms look at the padding up to 40 atoms as well, as in the authors' "
                "code. An ablation.",
            ),
            substitution_param("symmetry features, classification"),
            Param(name="dropout", label="Dropout", default=0.3, minimum=0.0, maximum=0.9),
        ),
        presets={
            "small": {
                "substitution": 0.15,
                "epochs": 14,
                "batch_size": 128,
                "learning_rate": 1e-3,
                "weight_decay": 0.1,
            },
            "paper": {
                "features": "paper",
                "positions": "sines",
                "depth": 1,
                "width": 256,
                "wide": 256,
                "key": 64,
                "seeds": 12,
                "dropout": 0.0,
                "epochs": 40,
                "batch_size": 512,
                "learning_rate": 2e-4,
                "weight_decay": 1e-3,
            },
            "geometry": {
                "features": "geometry",
                "cutoff": 8.0,
                "depth": 3,
                "dropout": 0.1,
                "epochs": 30,
                "batch_size": 128,
                "learning_rate": 1e-3,
                "weight_decay": 0.05,
            },
        },
        symmetries=("permutation",),
        invariances=dict.fromkeys(INVARIANCES, "exact"),
        depends={
            "features=paper": dict.fromkeys(
                ("translation", "rotation", "supercell", "cell choice"), "no"
            ),
            "features=geometry": dict.fromkeys(("supercell", "cell choice"), "no"),
        },
        taps=(HEADS,),
    )
)  # fmt: skip
class CrystalAttentionNetwork(CrystalModel):
    """Rows N11, N12 and N13 of the model reference."""

    def __init__(self, outputs: int, **params: Any) -> None:
        super().__init__(outputs)
        self.features, self.form = str(params["features"]), str(params["form"])
        self.parts = _globals(params)
        self.masked = bool(params["masked"])
        width, wide = int(params["width"]), int(params["wide"])
        dropout, paper = float(params["dropout"]), self.features == "paper"
        self.relatives: Tensor
        self.register_buffer("relatives", relatives(), persistent=False)
        augmented = self.features == "symmetry" and outputs > 1
        self.substitution = float(params["substitution"]) if augmented else 0.0
        self.tokens = Tokens(self.features, str(params["positions"]))
        self.globals = GlobalVector(self.parts)
        self.embed = MLP(self.tokens.size, width, width)
        self.embed_global = MLP(self.globals.size, wide, wide, dropout=dropout)
        self.context = nn.Linear(wide, width)
        self.pairs = self._pairs(int(params["gaussians"]), float(params["cutoff"]))
        shape = Shape(
            width,
            int(params["heads"]),
            int(params["key"]),
            (width, width // 2, width // 2) if paper else (2 * width,),
            self.pairs.size if self.pairs is not None else 0,
            leaky=paper,
            dropout=dropout / 2,
        )
        self.blocks = self._blocks(shape, int(params["depth"]), int(params["points"]))
        self.pooling = PMA(shape, int(params["seeds"])) if self.form != "alternating" else None
        self.among = SAB(shape.alone) if self.pooling is not None else None
        self.norm = nn.LayerNorm(width + wide)
        sizes = (wide, wide // 2, wide // 4) if paper else (wide, wide // 2)
        self.head = MLP(width + wide, *sizes, self.outputs, dropout=dropout)

    def _pairs(self, gaussians: int, cutoff: float) -> ShellPairs | RelativePairs | None:
        if self.features == "paper" or self.form == "induced":
            return None
        if self.features == "geometry":
            return RelativePairs(gaussians, cutoff)
        return ShellPairs(gaussians, cutoff)

    def _blocks(self, shape: Shape, depth: int, points: int) -> nn.ModuleList:
        if self.form == "induced":
            return nn.ModuleList([ISAB(shape, points) for _ in range(depth)])
        last = depth - 1 if self.form == "alternating" else depth
        return nn.ModuleList([SAB(shape, open_end=i == last) for i in range(depth)])

    @classmethod
    def graph_spec(cls, params: Mapping[str, Scalar]) -> GraphSpec:
        """Orbits with neighbours for symmetry features, else atoms without."""
        if params["features"] != "symmetry":
            return GraphSpec("atoms", 0.0)
        return GraphSpec("orbits", 0.0 if params["form"] == "induced" else float(params["cutoff"]))

    @classmethod
    def most_atoms(cls, params: Mapping[str, Scalar]) -> int:
        """40 for the published network."""
        return MOST_ATOMS if params["features"] == "paper" else 0

    @classmethod
    def knows_symmetry(cls, params: Mapping[str, Scalar]) -> bool:
        """Not from relative positions alone; with the paper's, as the global vector says."""
        return params["features"] == "symmetry" or tells_symmetry(_globals(params))

    @property
    def symmetries(self) -> tuple[str, ...]:
        """Absolute positions break translations, the cell as it is written rotations."""
        own = (*self.card.symmetries,)
        if self.features == "paper":
            return own
        own = (*own, "translation", "rotation")
        return (*own, "supercell") if self.features == "symmetry" else own

    def encoder(self) -> nn.Module:
        """What gives each node its vector."""
        return self.embed

    def forward(self, batch: Batch) -> Tensor:
        """(b, outputs)."""
        if self.training and self.substitution > 0:
            batch = substituted(batch, self.relatives, self.substitution)
        return self._answer(batch)

    def attention(self, batch: Batch) -> tuple[Attended, ...]:
        """Of the only crystal of a batch: every layer, without the padding."""
        n = len(batch.graph)
        return tuple(
            Attended(
                layer=a.layer,
                queries=a.queries,
                keys=a.keys,
                weights=a.weights[
                    ...,
                    : n if a.queries == "atoms" else None,
                    : n if a.keys == "atoms" and self.masked else None,
                ],
            )
            for a in self.attended(batch)[1]
        )

    def attended(self, batch: Batch) -> tuple[Tensor, tuple[Attended, ...]]:
        """The outputs; of every crystal the layers of one bucket after those of another."""
        seen: list[Attended] = []
        out = self._answer(batch, seen)
        return out, tuple(seen)

    def _answer(self, batch: Batch, seen: list[Attended] | None = None) -> Tensor:
        """Outputs; ``seen`` takes the attention of every layer and bucket."""
        orbits = self.features == "symmetry"
        weight = batch.weight if orbits else torch.ones_like(batch.weight)
        total = take(scatter_sum(weight[:, None], batch.graph, batch.size), batch.graph)
        g = self.embed_global(self.globals(batch))
        context = self.context(g)
        h = self.embed(self.tokens(batch, weight[:, None] / total)) + take(context, batch.graph)
        pooled = h.new_zeros(batch.size, h.shape[1])
        for part in padded(batch, 0 if self.masked else MOST_ATOMS):
            found, layers = self._pooled(batch, part, h, weight, context)
            pooled = pooled.index_copy(0, part.rows, found)
            if seen is not None:
                atoms = weight[part.node] * part.mask
                seen += [_counted(a, part.rows, atoms) for a in layers]
        out: Tensor = self.head(self.norm(torch.cat([pooled, g], 1)))
        return out

    def _pooled(
        self, batch: Batch, part: Padded, h: Tensor, weight: Tensor, context: Tensor
    ) -> tuple[Tensor, list[Attended]]:
        """(k, width) of the crystals of a bucket, and the attention of every layer."""
        real = part.mask[..., None]
        x = h[part.node] * real
        many = weight[part.node]
        keys = Keys(
            visible(part.mask, many) if self.masked else x.new_zeros(()),
            self.pairs(batch, part) if self.pairs is not None else None,
        )
        seen: list[Attended] = []
        for i, block in enumerate(self.blocks):
            x, weights = block(x, keys)
            names = _LAYERS[len(weights)]
            seen += [Attended(f"layer {i + 1}{more}", q, k, w)
                     for (more, q, k), w in zip(names, weights, strict=True)]  # fmt: skip
        if self.pooling is None or self.among is None:
            share = many[..., None] * real
            return (x * share).sum(1) / share.sum(1), seen
        x, weights = self.pooling(x, Keys(keys.bias), context[part.rows])
        seen.append(Attended("pooling", "seeds", "atoms", weights))
        x, (weights,) = self.among(x, Keys(x.new_zeros(())))
        seen.append(Attended(_AMONG, "seeds", "seeds", weights))
        return x[:, 0], seen


_AMONG = "seeds"
"""The layer in which seeds look at each other; the first of them is read."""
_LAYERS: dict[int, tuple[tuple[str, Side, Side], ...]] = {
    1: (("", "atoms", "atoms"),),
    2: ((", inward", "points", "atoms"), (", outward", "atoms", "points")),
}


def _counted(a: Attended, crystals: Tensor, atoms: Tensor) -> Attended:
    """A layer of some crystals with what its queries and keys stand for, ``atoms`` (k, n)."""
    k, _, queries, keys = a.weights.shape
    rows = atoms if a.queries == "atoms" else atoms.new_ones(k, queries)
    if a.layer == _AMONG:
        rows[:, 1:] = 0  # only the first is read
    many = atoms if a.keys == "atoms" else atoms.new_ones(k, keys)
    return replace(a, rows=rows, many=many, crystals=crystals)


def _globals(params: Mapping[str, Any]) -> tuple[str, ...]:
    """Parts of the global vector."""
    if params["features"] == "symmetry":
        return GLOBALS["symmetry"]
    if params["features"] == "geometry":
        return (*GLOBALS["metric"], *GLOBALS["composition"])
    return GLOBALS[str(params["globals"])]
