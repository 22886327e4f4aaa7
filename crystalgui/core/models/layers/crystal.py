"""What is known of a whole crystal before any message passing."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from crystalgui.core.cards import Param
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.datasets.records import POINT_GROUPS
from crystalgui.core.datasets.targets import LAST_OF_POINT_GROUP
from crystalgui.core.models.layers.elements import N_ELEMENTS, element_features, valence

MODULI = (2, 4, 6, 8, 12, 16, 24)
WAVES = 8
N_PROPERTIES = 5
_LAST_OF_SYSTEM = (2, 15, 74, 142, 167, 194, 230)


def classes_of_groups() -> tuple[Tensor, Tensor]:
    """(231,) int64 each: point group and crystal system of each space group (0 unused)."""
    number = torch.arange(231)
    return (
        torch.bucketize(number, torch.tensor(LAST_OF_POINT_GROUP)),
        torch.bucketize(number, torch.tensor(_LAST_OF_SYSTEM)),
    )


def composition(batch: Batch, size: int = N_ELEMENTS) -> Tensor:
    """(b, size) atoms of each element in a primitive cell."""
    counts = batch.weight.new_zeros(batch.size * size)
    return counts.index_add_(0, batch.graph * size + batch.species, batch.weight).view(-1, size)


def substitution_param(where: str) -> Param:
    """The chance of `substituted` as a field; ``where`` says when it works."""
    return Param(
        name="substitution",
        label="Substitution",
        default=0.1,
        minimum=0.0,
        maximum=0.9,
        help="While training, the chance that an element is replaced by a relative of its "
        f"group ({where}).",
    )


def substituted(batch: Batch, relatives: Tensor, probability: float) -> Batch:
    """Each element of each crystal replaced by a chemical relative, at random.

    Augmentation for training: space group, sites and the parity of the
    electron count stay; what is learned of an element is shared with its
    relatives.

    Parameters
    ----------
    relatives : (100, 2) int64
        As from `crystalgui.core.models.layers.elements.relatives`.
    """
    shape, device = (batch.size, len(relatives)), batch.species.device
    own = torch.arange(len(relatives), device=device).expand(shape)
    side = torch.randint(0, 2, shape, device=device)
    other = torch.where(side == 0, relatives[:, 0], relatives[:, 1])
    changed = torch.rand(shape, device=device) < probability
    species = torch.where(changed, other, own)[batch.graph, batch.species]
    return replace(batch, species=species)


class Waves(nn.Module):
    """Scalars as sines and cosines of learned frequencies, each mixed by its own layer.

    Gorishniy, Rubachev, Babenko (2022), "On embeddings for numerical
    features": a network then sees thresholds as easily as boosted trees do.
    """

    def __init__(self, features: int, waves: int = WAVES, width: int = 8) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.randn(features, waves) * 0.5)
        self.mix = nn.Parameter(torch.randn(features, 2 * waves, width) / math.sqrt(2 * waves))
        self.shift = nn.Parameter(torch.zeros(features, width))

    def forward(self, x: Tensor) -> Tensor:
        """(b, features) -> (b, features * width)."""
        phase = 2 * math.pi * self.frequency * x[:, :, None]
        waves = torch.cat([phase.sin(), phase.cos()], 2)
        mixed = torch.einsum("bfw,fwd->bfd", waves, self.mix) + self.shift
        return nn.functional.leaky_relu(mixed).flatten(1)


class SymmetryGlobals(nn.Module):
    """Space group, filling and composition of the primitive cell.

    A band insulator needs an electron count that the space group allows
    (Watanabe, Po, Vishwanath, Zaletel 2015), so the counts of all and of the
    valence electrons enter modulo small numbers.
    """

    size = (
        231
        + 32
        + 7
        + 2 * sum(MODULI)
        + 2 * N_ELEMENTS
        + 3 * 30
        + 32
        + 30
        + 8 * (30 + N_ELEMENTS + 32)
    )

    def __init__(self) -> None:
        super().__init__()
        self.features: Tensor
        self.valence: Tensor
        self.point_group: Tensor
        self.system: Tensor
        self.register_buffer("features", element_features(), persistent=False)
        self.register_buffer("valence", valence(), persistent=False)
        point_group, system = classes_of_groups()
        self.register_buffer("point_group", point_group, persistent=False)
        self.register_buffer("system", system, persistent=False)
        self.waves = Waves(10 + 4 * N_PROPERTIES + N_ELEMENTS + len(POINT_GROUPS))

    def forward(self, batch: Batch) -> Tensor:
        """(b, size)."""
        one_hot = nn.functional.one_hot
        counts = composition(batch)
        dtype = counts.dtype
        atoms = counts.sum(1, keepdim=True)
        fraction = counts / atoms
        number = torch.arange(N_ELEMENTS, device=counts.device, dtype=dtype)
        electrons = (counts @ number).round().long()
        outer_counts = counts @ self.valence.to(dtype)
        outer = outer_counts.round().long()
        remainders = [one_hot(n % m, m) for n in (electrons, outer) for m in MODULI]
        features = self.features.to(dtype)
        mean = fraction @ features
        spread = (fraction @ features.square() - mean.square()).clamp(min=0).sqrt()
        present = (counts > 0).to(dtype)
        kinds = present.sum(1, keepdim=True)
        plain = present @ features / kinds
        volume = torch.linalg.det(batch.lattice).abs()[:, None] / batch.cells[:, None]
        own = features[:, -N_PROPERTIES:]
        far = torch.finfo(dtype).max
        inside = present[:, :, None] > 0
        highest = torch.where(inside, own, -far).amax(1)
        lowest = torch.where(inside, own, far).amin(1)
        all_of, outside = electrons[:, None].to(dtype), outer_counts[:, None]
        scalars = torch.cat(
            [
                atoms.log(),
                atoms / 20,
                (volume / atoms).log() - 3,
                outside / atoms / 5 - 1,
                outside / volume * 4 - 1,
                kinds / 3 - 1,
                outside / 60,
                all_of / 300,
                all_of / atoms / 30 - 1,
                (outside / 2).log1p() - 2,
            ],
            1,
        )
        numbers = torch.cat(
            [scalars, mean[:, -N_PROPERTIES:], spread[:, -N_PROPERTIES:], highest, lowest], 1
        )
        sites = counts.new_zeros(batch.size * len(POINT_GROUPS))
        sites = sites.index_add_(
            0, batch.graph * len(POINT_GROUPS) + batch.site, batch.weight
        ).view(batch.size, -1)
        group = batch.space_group
        parts = [
            one_hot(group, 231),
            one_hot(self.point_group[group], len(POINT_GROUPS)),
            one_hot(self.system[group], 7),
            *remainders,
            fraction * 2,
            counts.log1p(),
            mean,
            spread,
            plain,
            sites.log1p(),
            numbers,
            self.waves(torch.cat([numbers, fraction * 2, sites.log1p()], 1)),
        ]
        return torch.cat([p.to(dtype) for p in parts], 1)
