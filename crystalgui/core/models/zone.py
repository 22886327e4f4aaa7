"""The universal network of Brillouin zones: one network for every crystal.

Bird (2023), abstract and section 4, ends on the wish for a network of the
reciprocal unit cell that any crystal can be put into, and never trains one
(row B60).  This one reads gauge-invariant channels sampled over the cell
(`datasets.hamiltonians.descriptors`), so that it knows neither orbitals nor
their order and phases.  Residual convolutions on the torus (section 2.6; eq.
21) share what they find over the whole zone through gates (Fig. 12), global
poolings (eq. 18) make vectors, and planes of the zone are read as wholes,
since invariants live on them.  Exactly the same answer is given for every
origin of the mesh, for every order of the reciprocal vectors, and for a
crystal of fewer dimensions with one sample or many along the directions in
which nothing hops.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from crystalgui.core.cards import Card, Param
from crystalgui.core.datasets.hamiltonians.descriptors import CHANNELS, ENERGIES
from crystalgui.core.datasets.hamiltonians.tables import ZoneBatch
from crystalgui.core.models._base import ZoneModel
from crystalgui.core.models._registry import register
from crystalgui.core.models.layers.mlp import MLP
from crystalgui.core.models.layers.torus import GatedPool, ShellConv, pooled
from crystalgui.core.models.layers.zone import N_POOLS, Profiles, Symmetrised, plane_pools

REACHES: tuple[int | float, ...] = (1, 0.5, 0.25)
"""Of the kernels of successive blocks: neighbours, half the zone away, a quarter."""
LOOPS = ("polarisation", "loop trace", "centre gap", "crossing", "Pfaffian", "vortex", "flux",
         "charge")  # fmt: skip
"""Channels that a count of invariants on the mesh is made of."""
MOMENTUM = 0.02
LEAST_SPREAD = 0.02


def subset(names: tuple[str, ...], channels: str) -> tuple[str, ...]:
    """The channels that a network may read: ``all``, ``local`` or ``energies``."""
    if channels == "energies":
        return tuple(n for n in names if n in ENERGIES)
    if channels == "local":
        return tuple(n for n in names if not n.startswith(LOOPS))
    return names


class Block(nn.Module):
    """Residual toroidal convolution, gated by what is pooled over the whole zone (eq. 21)."""

    def __init__(self, width: int, reach: int | float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = ShellConv(width, width, reach)
        self.out = nn.Linear(width, width)
        self.context = nn.Linear(2 * width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n1, n2, n3, width) -> the same shape."""
        y = nn.functional.leaky_relu(self.conv(self.norm(x)))
        flat = y.flatten(1, 3)
        shift, gate = self.context(torch.cat([flat.mean(1), flat.amax(1)], 1)).chunk(2, 1)
        y = y * gate.sigmoid()[:, None, None, None] + shift[:, None, None, None]
        x = x + self.out(nn.functional.leaky_relu(y))
        return x


class Planes(nn.Module):
    """Profiles along the three normals -> one vector that does not know which is which."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(features, width)
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(3 * width, width)
        self.leave = nn.Linear(N_POOLS * width, width)

    def forward(self, profiles: list[Tensor]) -> Tensor:
        """Three of (b, n, features) -> (b, 3 * width): mean, maximum, minimum over normals."""
        vectors = []
        for profile in profiles:
            x = self.norm(nn.functional.leaky_relu(self.enter(profile)))
            beside = (x.roll(1, 1) + x.roll(-1, 1)) / 2
            opposite = x.roll(x.shape[1] // 2, 1)
            x = x + nn.functional.leaky_relu(self.mix(torch.cat([x, beside, opposite], 2)))
            vectors.append(nn.functional.leaky_relu(self.leave(pooled(x))))
        each = torch.stack(vectors)
        return torch.cat([each.mean(0), each.amax(0), each.amin(0)], 1)


@register(
    Card(
        name="zone",
        title="Universal Brillouin-zone network",
        tasks=("classification", "regression"),
        inputs="zone",
        paper="Bird (2023), sections 2.1, 2.6 and 4; the universal network that it proposes",
        rows=("B60",),
        summary=(
            "Residual convolutions on the torus over gauge-invariant channels of a Brillouin "
            "zone, with global pooling and a reading of whole planes. Any crystal in one to three "
            "dimensions fits; origin and order of the reciprocal vectors do not matter."
        ),
        params=(
            Param(name="width", label="Width", default=24, minimum=4, maximum=256,
                  help="Channels of the convolutions."),
            Param(name="depth", label="Blocks", default=2, minimum=0, maximum=12,
                  help="Residual blocks; their kernels reach 1 point, 1/2 and 1/4 of the zone."),
            Param(name="wide", label="Read-out width", default=64, minimum=4, maximum=512),
            Param(name="planes", label="Read planes", default=True,
                  help="Sums over planes of the zone: Chern numbers, counts towards Z2."),
            Param(name="channels", label="Channels", default="all",
                  choices=("all", "local", "energies"),
                  help="local: without loops, fluxes and the Pfaffian; energies: bands only."),
            Param(name="mesh", label="Mesh", default=8, minimum=2, maximum=64,
                  help="Samples along each reciprocal vector when it answers: those of its data."),
            Param(name="dropout", label="Dropout", default=0.1, minimum=0.0, maximum=0.9),
        ),
        presets={
            "small": {"epochs": 30, "batch_size": 64, "learning_rate": 2e-3,
                      "weight_decay": 5e-2},
            "large": {"width": 64, "depth": 6, "wide": 128, "epochs": 60, "batch_size": 64,
                      "learning_rate": 1e-3, "weight_decay": 5e-2},
        },
        symmetries=("origin", "axes"),
    )
)  # fmt: skip
class ZoneNetwork(ZoneModel):
    """Row B60 of the model reference."""

    seen_mean: Tensor
    seen_scale: Tensor
    seen_far: Tensor

    def __init__(self, outputs: int, *, shape: tuple[int, ...] = (), **params: Any) -> None:
        super().__init__(outputs, shape=shape)
        count = shape[0] if shape else len(CHANNELS)
        names = CHANNELS if count == len(CHANNELS) else tuple(f"c{i}" for i in range(count))
        used = subset(names, str(params["channels"]))
        self.names = used or names
        self.rows = [names.index(name) for name in self.names]
        width, wide = int(params["width"]), int(params["wide"])
        depth, dropout = int(params["depth"]), float(params["dropout"])
        self.symmetrised = Symmetrised(self.names)
        self.enter = nn.Linear(self.symmetrised.features, width)
        self.blocks = nn.ModuleList(Block(width, REACHES[i % len(REACHES)]) for i in range(depth))
        self.norm = nn.LayerNorm(width)
        self.gate = GatedPool(width)
        length = (N_POOLS + 4) * width
        self.profiles = self.planes = None
        if params["planes"]:
            self.profiles = Profiles(self.names)
            self.planes = Planes(self.profiles.features + 2 * width, wide)
            length += 3 * wide
        self.length = length
        self.joined = nn.LayerNorm(length)
        self.drop = nn.Dropout(dropout)
        self.read = MLP(length, wide, outputs, dropout=dropout)

        self.register_buffer("seen_mean", torch.zeros(length))
        self.register_buffer("seen_scale", torch.zeros(length))
        self.register_buffer("seen_far", torch.zeros(()))

    def forward(self, batch: ZoneBatch) -> Tensor:
        """(b, outputs)."""
        features = self.features(batch)
        if self.training:
            self._remember(features.detach())
        out: Tensor = self.read(self.drop(self.joined(features)))
        return out

    @torch.no_grad()
    def _remember(self, features: Tensor) -> None:
        """Running mean and spread of the features of training, for `strangeness`."""
        if len(features) < 2:
            return
        pace = torch.where(self.seen_far > 0, MOMENTUM, 1.0)  # no branch: replicas are mapped
        self.seen_mean += pace * (features.mean(0) - self.seen_mean)
        self.seen_scale += pace * (features.std(0) - self.seen_scale)
        far = self._apart(features).sort().values[round(0.95 * (len(features) - 1))]
        self.seen_far += pace * (far - self.seen_far)

    def _apart(self, features: Tensor) -> Tensor:
        """(b,): root mean square distance from the mean, in units of the spread."""
        apart = (features - self.seen_mean) / self.seen_scale.clamp(min=LEAST_SPREAD)
        return apart.square().mean(1).sqrt()

    @torch.no_grad()
    def strangeness(self, batch: ZoneBatch) -> Tensor:
        """(b,): how far features are from their mean in training; 95 % of training is below 1."""
        return self._apart(self.features(batch)) / self.seen_far.clamp(min=1e-3)

    def features(self, batch: ZoneBatch) -> Tensor:
        """(b, length): what is pooled over the zone, before the read-out.

        Samples in which the same axes are constant go together, with one
        point along these: the same numbers for less work.
        """
        x = batch.values[:, self.rows]
        found, places = [], []
        for constant, index in _alike(x):
            part = x if len(index) == len(x) else x[index]
            for axis in constant:
                part = part.narrow(axis, 0, 1)
            found.append(self._pooled(part))
            places.append(index)
        order = torch.cat(places).argsort()
        return torch.cat(found)[order]

    def _pooled(self, x: Tensor) -> Tensor:
        h = self.enter(self.symmetrised(x))
        for block in self.blocks:
            h = block(h)
        h = self.norm(h)
        vectors = [pooled(h), self.gate(h)]
        if self.profiles is not None and self.planes is not None:
            pairs = zip(self.profiles(x), plane_pools(h), strict=True)
            vectors.append(self.planes([torch.cat(pair, 2) for pair in pairs]))
        return torch.cat(vectors, 1)


@torch.no_grad()
def _alike(x: Tensor) -> list[tuple[tuple[int, ...], Tensor]]:
    """(axes along which nothing changes, rows (k,) int64) for the rows of (b, c, n1, n2, n3)."""
    same = torch.stack(
        [(x == x.narrow(axis, 0, 1)).flatten(1).all(1) for axis in (2, 3, 4)], 1
    ).tolist()
    rows: dict[tuple[int, ...], list[int]] = {}
    for i, flags in enumerate(same):
        rows.setdefault(tuple(a + 2 for a, flag in enumerate(flags) if flag), []).append(i)
    return [(axes, torch.tensor(index, device=x.device)) for axes, index in rows.items()]
