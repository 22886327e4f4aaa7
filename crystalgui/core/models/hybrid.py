"""The hybrid of convolution and full connection, for cropped hoppings.

Bird (2023), section 2.4.1, eqs. 14 and 15: kernels K (18 x 18 x 2, n of them)
are full connections of one matrix H_ij, used again for every lattice vector
A; a full connection to m neurons and a "large" fully connected network
follow, whose sizes the paper does not give: they are those of its large
network here.  Equations 14 and 15 are printed without a non-linearity,
though neurons have one by Fig. 3; both readings are offered.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from crystalgui.core.cards import Card, Param
from crystalgui.core.datasets.hamiltonians.tables import HoppingBatch
from crystalgui.core.models._base import HoppingModel
from crystalgui.core.models._registry import register
from crystalgui.core.models.layers.mlp import MLP


@register(
    Card(
        name="hybrid",
        title="High-dimensional hybrid convolution",
        tasks=("classification", "regression"),
        inputs="hoppings",
        paper="Bird (2023), section 2.4.1, eqs. 14 and 15, Fig. 5",
        rows=("B45",),
        summary=(
            "The same kernels read the matrix of hoppings to every neighbouring cell; what they "
            "find in all cells is then fully connected. Fewer parameters than full connection."
        ),
        params=(
            Param(name="kernels", label="Kernels", default=256, minimum=1, maximum=4096,
                  help="n of eq. 14: structures looked for in every matrix of hoppings."),
            Param(name="neurons", label="Neurons", default=1024, minimum=1, maximum=8192,
                  help="m of eq. 15: neurons that see all cells."),
            Param(name="width", label="Wide layers", default=500, minimum=1, maximum=4096,
                  unit="neurons", help="Neurons of each wide layer of what follows."),
            Param(name="depth", label="Number of wide layers", default=3, minimum=1, maximum=12),
            Param(name="narrow", label="Narrow layers", default=100, minimum=1, maximum=4096,
                  unit="neurons", help="Neurons of each layer after the wide ones."),
            Param(name="tail", label="Number of narrow layers", default=2, minimum=0, maximum=12),
            Param(name="activation", label="Leaky ReLU after eqs. 14 and 15", default=True,
                  help="Off: both equations as they are printed, linear."),
            Param(name="dropout", label="Dropout", default=0.0, minimum=0.0, maximum=0.9,
                  help="After each hidden layer; the paper has none."),
        ),
        presets={
            "small": {
                "kernels": 64,
                "neurons": 128,
                "width": 100,
                "depth": 1,
                "tail": 0,
                "epochs": 25,
                "batch_size": 128,
                "learning_rate": 3e-3,
            },
            "paper": {"epochs": 25, "batch_size": 128, "learning_rate": 3e-3},
        },
    )
)  # fmt: skip
class Hybrid(HoppingModel):
    """Row B45 of the model reference."""

    together: ClassVar[int] = 3

    def __init__(self, outputs: int, *, shape: tuple[int, ...], **params: Any) -> None:
        super().__init__(outputs, shape=shape)
        cells, n, m = shape[0], int(params["kernels"]), int(params["neurons"])
        size = math.prod(shape[1:])
        self.first = nn.Linear(size, n, bias=False)
        self.offset = nn.Parameter(torch.empty(cells, n).uniform_(-(size**-0.5), size**-0.5))
        self.activation = nn.LeakyReLU(0.01) if params["activation"] else nn.Identity()
        self.join = nn.Linear(cells * n, m)
        sizes = [int(params["width"])] * int(params["depth"])
        sizes += [int(params["narrow"])] * int(params["tail"])
        self.head = MLP(m, *sizes, outputs, dropout=float(params["dropout"]))

    def columns(self, batch: HoppingBatch) -> Tensor:
        """(b, 27, n n 2): the matrix of every cell, standardised."""
        return self.inputs(batch.values).flatten(2)  # type: ignore[no-any-return]

    def rest(self, hidden: Tensor) -> Tensor:
        """(b, outputs) of H_ij(A) K_ij, (b, 27, kernels)."""
        found = self.activation(hidden + self.offset)  # eq. 14
        joined = self.activation(self.join(found.flatten(1)))  # eq. 15
        return self.head(joined)  # type: ignore[no-any-return]
