"""Crystal convolution network: a crystal as voxels of its cell.

Nop, Mundy, Smith, Paudyal (2025), npj Computational Materials, section
"Innovative crystal convolutional neural network": atoms are written into a
cube by their fractional coordinates, global features become channels of that
cube through a network of their own, convolutions shrink it, and the global
features join again before the answer (row N14).

The ``paper`` preset has the sizes of the authors' code.  It is told the space
group, unless its global features are those of the cell alone.

The other presets look for what a convolution can see of symmetry.  They
work in the Niggli-reduced cell, on a torus without a rim, with band-limited
densities (an ideal anti-aliasing filter): the density of each learnt channel
is convolved with itself, which is translation-invariant exactly and goes on to
ordinary convolutions.  ``small`` is told the symmetry.  ``geometry`` is not: the
density of all atoms is convolved with its own images, too, under every
operation of the lattice (`layers.coincidence`), in a primitive cell: multiples
by 2 and 3 and their products are recognised, others are not.  Which
coincidences make which space group is learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from crystalgui.core.cards import Card, Param, Scalar
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.errors import ModelError
from crystalgui.core.models._base import CrystalModel, GraphSpec
from crystalgui.core.models._registry import register
from crystalgui.core.models.layers.coincidence import Coincidence, SymmetryReading, closeness
from crystalgui.core.models.layers.convolution import Convolution
from crystalgui.core.models.layers.encodings import (
    GLOBALS,
    ElementEncoding,
    GlobalVector,
    broken_by,
    globals_param,
    of_globals,
    tells_symmetry,
)
from crystalgui.core.models.layers.graph import scatter_sum
from crystalgui.core.models.layers.mlp import MLP
from crystalgui.core.models.layers.niggli import niggli
from crystalgui.core.models.layers.voxels import voxels

_RIM = 2
_FIRST = 300
_CUBE_CHANNELS = 2
_METRIC = 27
_READING = 6


class AtomVectors(nn.Module):
    """What is written into the voxels of an atom: its element, and 1 where there is any atom.

    Parameters
    ----------
    elements : str
        Kind of `ElementEncoding`.
    filled : bool
        Whether the 1 is there (the filling term of the paper).
    """

    def __init__(self, elements: str, filled: bool) -> None:
        super().__init__()
        self.element, self.filled = ElementEncoding(elements), filled
        self.size = self.element.size + filled

    def forward(self, species: Tensor) -> Tensor:
        """(n,) int64 -> (n, size)."""
        out: Tensor = self.element(species)
        return torch.cat([out, torch.ones_like(out[:, :1])], 1) if self.filled else out


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


class TorusPipeline(nn.Module):
    """Self-convolutions of densities in the reduced cell.

    Parameters
    ----------
    features : int
        Of an element.
    points : int
        Voxels along each axis of the torus, a multiple of 4 that holds all waves.
    width, wide : int
    images : bool
        Whether own images are looked at, too.
    """

    channels = 8

    def __init__(self, features: int, points: int, width: int, wide: int, images: bool) -> None:
        super().__init__()
        self.points, self.coincidence = points, Coincidence()
        self.write = nn.Linear(features, self.channels)
        self.pipeline = nn.Sequential(
            Convolution(self.channels, width, 3, 3, stride=2),
            nn.LeakyReLU(),
            Convolution(width, 2 * width, 3, 3, stride=2),
            nn.LeakyReLU(),
        )
        self.kinds = MLP(features, wide // 2, wide // 2)
        self.cell = MLP(_METRIC, wide, wide // 2)
        self.reading = SymmetryReading(_READING * width) if images else None
        self.size = 4 * width + 2 * (wide // 2) + (self.reading.size if self.reading else 0)

    def forward(self, batch: Batch, atoms: Tensor) -> Tensor:
        """(b, size) of atoms (n, features)."""
        images = self.coincidence(batch) if self.reading is not None else None
        change = niggli(batch.lattice) if images is None else images.change
        metric, frac = self.coincidence.reduced(batch, change)
        number = scatter_sum(torch.ones_like(frac[:, :1]), batch.graph, batch.size)
        written = self.write(atoms)
        factors = self.coincidence.factors(batch, frac, torch.complex(written, 0 * written))
        cells = 1 / torch.linalg.det(change)[:, None]  # primitive ones in the cell as given
        power = (factors.real.square() + factors.imag.square()) / (number * cells)[:, :, None]
        grid = self.coincidence.even_grid(power, self.points) / power.shape[2]
        seen = self.pipeline(grid)
        kinds = scatter_sum(nn.functional.leaky_relu(self.kinds(atoms)), batch.graph, batch.size)
        parts = [
            seen.mean((2, 3, 4)),
            seen[:, :, 0, 0, 0],
            kinds / number,
            self.cell(cell_features(metric, (number / cells).round())),
        ]
        if self.reading is not None and images is not None:
            parts.append(self.reading(images))
        return torch.cat(parts, 1)


def cell_features(metric: Tensor, atoms: Tensor) -> Tensor:
    """(b, 27) of metrics (b, 3, 3) and numbers of atoms (b, 1): lengths, angles, what is equal."""
    length = metric.diagonal(dim1=1, dim2=2).sqrt()
    a, b, c = length[:, :1], length[:, 1:2], length[:, 2:]
    cosines = (metric / (length[:, :, None] * length[:, None, :]))[:, (1, 0, 0), (2, 2, 1)]
    volume = torch.linalg.det(metric).clamp(min=1e-12).sqrt()[:, None]
    special = metric.new_tensor([0.0, 0.5, -0.5, -1 / 3])
    off = torch.cat([1 - a / b, 1 - b / c, (cosines[:, :, None] - special).flatten(1)], 1)
    return torch.cat(
        [
            length.log() - 1.5, a / b, b / c, a / c, cosines, atoms.log() - 2,
            (volume / atoms).log() - 3, (atoms % 2 == 0), (atoms % 3 == 0),
            closeness(off.abs()),
        ],
        1,
    )  # fmt: skip


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
            "The geometry preset is told nothing of the symmetry: it convolves the density with "
            "its images under the operations of the reduced lattice and learns what coincides."
        ),
        params=(
            Param(
                name="pipeline",
                label="Pipeline",
                default="torus",
                choices=("torus", "published"),
                help="torus: self-convolutions in the Niggli-reduced cell, wherever the origin; "
                "published: voxels of the cell as given, with a rim of periodic images.",
            ),
            Param(name="images", label="Own images", default=True,
                  help="Whether a crystal is compared with its images under the operations of "
                  "its lattice (torus)."),
            globals_param("none"),
            Param(name="voxels", label="Voxels", default=8, minimum=6, maximum=64,
                  help="Along each axis of the cube, rounded to what the pipeline can use."),
            Param(name="width", label="Channels", default=16, minimum=2, maximum=128,
                  help="Of the first convolutions; later ones have more."),
            Param(name="wide", label="Head", default=128, minimum=4, maximum=2048,
                  help="Width of what is known beside the voxels; the head begins twice as wide."),
            Param(name="dropout", label="Dropout", default=0.1, minimum=0.0, maximum=0.9),
        ),
        presets={
            "small": {
                "globals": "symmetry",
                "images": False,
                "dropout": 0.3,
                "epochs": 20,
                "batch_size": 128,
                "learning_rate": 1e-3,
                "weight_decay": 0.05,
            },
            "geometry": {
                "epochs": 15,
                "batch_size": 128,
                "learning_rate": 2e-3,
                "weight_decay": 0.02,
            },
            "paper": {
                "pipeline": "published",
                "globals": "paper",
                "voxels": 42,
                "width": 90,
                "wide": 512,
                "dropout": 0.0,
                "epochs": 20,
                "batch_size": 32,
                "learning_rate": 3e-4,
                "weight_decay": 1e-3,
            },
        },
        symmetries=("permutation",),
        invariances={
            "translation": "exact",
            "rotation": "exact",
            "supercell": "exact",
            "cell choice": "approximate",
        },
        depends={
            "pipeline=published": dict.fromkeys(
                ("translation", "rotation", "supercell", "cell choice"), "no"
            ),
            "images=False": {"supercell": "no"},
            **of_globals(),
        },
    )
)  # fmt: skip
class CrystalConvolutionNetwork(CrystalModel):
    """Row N14 of the model reference."""

    def __init__(self, outputs: int, **params: Any) -> None:
        super().__init__(outputs)
        points, width, wide = (int(params[k]) for k in ("voxels", "width", "wide"))
        self.published = params["pipeline"] == "published"
        self.atoms = AtomVectors("left-step" if self.published else "left-step+", self.published)
        parts = GLOBALS[params["globals"]]
        self.globals, self.told = GlobalVector(parts), broken_by(parts)
        size = self.globals.size
        self.body: PublishedPipeline | TorusPipeline
        if self.published:
            if not size:
                raise ModelError(
                    "The published pipeline writes the global vector into its cube.",
                    "Choose another global vector than none.",
                )
            self.body = PublishedPipeline(points // 2 * 2, width, wide, self.atoms.size, size)
            sizes: tuple[int, ...] = (self.body.size, 2 * wide, wide, max(wide // 2, 2))
        else:
            points = max(points // 4 * 4, 8)
            images = bool(params["images"])
            self.body = TorusPipeline(self.atoms.size, points, width, wide, images)
            self.early = MLP(size, wide, wide) if size else None
            sizes = (self.body.size + (wide if size else 0), 2 * wide, 2 * wide)
        self.head = MLP(*sizes, self.outputs, dropout=float(params["dropout"]))

    @classmethod
    def graph_spec(cls, params: Mapping[str, Scalar]) -> GraphSpec:
        """All atoms, without neighbours."""
        return GraphSpec("atoms", 0.0)

    @classmethod
    def knows_symmetry(cls, params: Mapping[str, Scalar]) -> bool:
        """Only when it is told the space group."""
        return tells_symmetry(GLOBALS[str(params["globals"])])

    def encoder(self) -> nn.Module:
        """What is written for each atom."""
        return self.atoms

    @property
    def symmetries(self) -> tuple[str, ...]:
        """On the torus neither origin nor orientation matters, if the global vector agrees."""
        if isinstance(self.body, PublishedPipeline):
            return self.card.symmetries
        able = ["translation", "rotation"]
        if self.body.reading is not None:
            able.append("supercell")
        kept = [name for name in able if name not in self.told]
        return (*self.card.symmetries, *kept)

    def forward(self, batch: Batch) -> Tensor:
        """(b, outputs)."""
        atoms = self.atoms(batch.species).to(batch.frac.dtype)
        known = self.globals(batch)
        if isinstance(self.body, PublishedPipeline):
            seen = self.body(batch, atoms, known)
        else:
            seen = self.body(batch, atoms)
            if self.early is not None:
                seen = torch.cat([seen, self.early(known)], 1)
        out: Tensor = self.head(seen)
        return out
