"""Crystal convolution network: a crystal as voxels of its cell.

Nop, Mundy, Smith, Paudyal (2025), npj Computational Materials, section
"Innovative crystal convolutional neural network": atoms are written into a
cube by their fractional coordinates, global features become channels of that
cube through a network of their own, convolutions shrink it, and the global
features join again before the answer (row N14).

The ``paper`` preset has the sizes of the authors' code.  It is told the space
group, unless its global features are those of the lattice alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from crystalgui.core.cards import Card, Param, Scalar
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.models._base import CrystalModel, GraphSpec
from crystalgui.core.models._registry import register
from crystalgui.core.models.layers.convolution import Convolution
from crystalgui.core.models.layers.encodings import (
    GLOBALS,
    ElementEncoding,
    GlobalVector,
    globals_param,
    tells_symmetry,
)
from crystalgui.core.models.layers.mlp import MLP
from crystalgui.core.models.layers.voxels import voxels

_RIM = 2
_FIRST = 300
_CUBE_CHANNELS = 2


class PublishedPipeline(nn.Module):
    """Voxels with a rim of periodic images, seven convolutions, a cube of global features."""

    def __init__(self, points: int, width: int, wide: int, channels: int, size: int) -> None:
        super().__init__()
        self.points, half = points, points // 2
        self.cube = nn.Sequential(
            nn.Linear(size, _FIRST), nn.LeakyReLU(), nn.Linear(_FIRST, half**3), nn.LeakyReLU()
        )
        self.raised = nn.ConvTranspose3d(1, _CUBE_CHANNELS, 2, stride=2)
        second, third = 3 * width, 6 * width
        shapes = (
            (channels + _CUBE_CHANNELS, width, 5, 3),
            (width, width, 1, 1),
            (width, width, 1, 1),
            (width, width, 2, 2),
            (width, second, 5, 3),
            (second, second, 1, 1),
            (second, second, 1, 1),
            (second, third, 3, 3),
        )
        lengths, layers = points, []
        for a, b, kernel, stride in shapes:
            layer = Convolution(a, b, kernel, 3, wrap="flat", stride=stride)
            (lengths, *_) = layer.shape((lengths,) * 3)
            layers += [layer, nn.LeakyReLU()]
        self.pipeline = nn.Sequential(*layers)
        self.late = nn.Sequential(nn.Linear(size, wide), nn.LeakyReLU())
        self.size = third * lengths**3 + wide

    def forward(self, batch: Batch, atoms: Tensor, known: Tensor) -> Tensor:
        """(b, size) of atoms (n, channels) and what is known of their crystals (b, k)."""
        half = self.points // 2
        cube = self.raised(self.cube(known).view(-1, 1, half, half, half))
        grid = voxels(batch, atoms, self.points, self.points - _RIM)
        out = self.pipeline(torch.cat([grid, cube], 1)).flatten(1)
        return torch.cat([out, self.late(known)], 1)


@register(
    Card(
        name="ccnn",
        title="Crystal convolution network",
        tasks=("classification", "regression"),
        inputs="crystal",
        paper="Nop, Mundy, Smith, Paudyal, npj Comput. Mater. (2025), crystal convolutional "
        "neural network",
        rows=("N14",),
        summary=(
            "The atoms are written into a cube by their fractional coordinates and convolved. "
            "The cell joins as channels of the cube and once more before the answer."
        ),
        params=(
            globals_param("cell", tuple(name for name in GLOBALS if name != "none")),
            Param(name="voxels", label="Voxels", default=42, minimum=6, maximum=64,
                  help="Along each axis of the cube; an odd number is taken as the next lower."),
            Param(name="width", label="Channels", default=32, minimum=2, maximum=128,
                  help="Of the first convolutions; the next have three and six times as many."),
            Param(name="wide", label="Head", default=128, minimum=4, maximum=2048,
                  help="Width of the global features at the end; the head begins twice as wide."),
            Param(name="dropout", label="Dropout", default=0.0, minimum=0.0, maximum=0.9),
        ),
        presets={
            "small": {"voxels": 18, "epochs": 20, "batch_size": 64, "learning_rate": 1e-3},
            "paper": {
                "globals": "paper",
                "voxels": 42,
                "width": 90,
                "wide": 512,
                "epochs": 20,
                "batch_size": 32,
                "learning_rate": 3e-4,
                "weight_decay": 1e-3,
            },
        },
        symmetries=("permutation",),
    )
)  # fmt: skip
class CrystalConvolutionNetwork(CrystalModel):
    """Row N14 of the model reference."""

    def __init__(self, outputs: int, **params: Any) -> None:
        super().__init__(outputs)
        points, width, wide = (int(params[k]) for k in ("voxels", "width", "wide"))
        self.elements = ElementEncoding("left-step")
        self.globals = GlobalVector(GLOBALS[params["globals"]])
        channels = self.elements.size + 1  # and where there is any atom
        self.body = PublishedPipeline(points // 2 * 2, width, wide, channels, self.globals.size)
        sizes = (self.body.size, 2 * wide, wide, max(wide // 2, 2))
        self.head = MLP(*sizes, self.outputs, dropout=float(params["dropout"]))

    @classmethod
    def graph_spec(cls, params: Mapping[str, Scalar]) -> GraphSpec:
        """All atoms, without neighbours."""
        return GraphSpec("atoms", 0.0)

    @classmethod
    def knows_symmetry(cls, params: Mapping[str, Scalar]) -> bool:
        """Only when it is told the space group."""
        return tells_symmetry(GLOBALS[str(params["globals"])])

    def forward(self, batch: Batch) -> Tensor:
        """(b, outputs)."""
        atoms = self.elements(batch.species).to(batch.frac.dtype)
        atoms = torch.cat([atoms, torch.ones_like(atoms[:, :1])], 1)
        out: Tensor = self.head(self.body(batch, atoms, self.globals(batch)))
        return out
