"""Fully connected networks of cropped hoppings.

Bird (2023), section 2.3 and Fig. 4: [17496, 100, 3] and
[17496, 500, 500, 500, 100, 100, 3] with leaky ReLU (slope 0.01) between the
layers.  The paper does not say how the hoppings are scaled; here each real
number is standardised by the training rows.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from crystalgui.core.cards import Card, Param
from crystalgui.core.datasets.hamiltonians.tables import HoppingBatch
from crystalgui.core.models._base import HoppingModel
from crystalgui.core.models._registry import register
from crystalgui.core.models.layers.mlp import MLP


@register(
    Card(
        name="dense",
        title="Fully connected network",
        tasks=("classification", "regression"),
        inputs="hoppings",
        paper="Bird (2023), section 2.3, Fig. 4",
        rows=("B46", "B47"),
        summary=(
            "Every real number of the cropped hoppings feeds every neuron of the first layer. "
            "The small preset has one hidden layer of 100 neurons, the large one five."
        ),
        params=(
            Param(name="width", label="Wide layers", default=100, minimum=1, maximum=4096,
                  unit="neurons", help="Neurons of each wide layer."),
            Param(name="depth", label="Number of wide layers", default=1, minimum=1, maximum=12),
            Param(name="narrow", label="Narrow layers", default=100, minimum=1, maximum=4096,
                  unit="neurons", help="Neurons of each layer after the wide ones."),
            Param(name="tail", label="Number of narrow layers", default=0, minimum=0, maximum=12),
            Param(name="dropout", label="Dropout", default=0.0, minimum=0.0, maximum=0.9,
                  help="After each hidden layer; the paper has none."),
        ),
        presets={
            "small": {"epochs": 25, "batch_size": 128, "learning_rate": 1e-2},
            "large": {
                "width": 500,
                "depth": 3,
                "narrow": 100,
                "tail": 2,
                "epochs": 25,
                "batch_size": 128,
                "learning_rate": 3e-3,
            },
        },
    )
)  # fmt: skip
class Dense(HoppingModel):
    """Rows B46 and B47 of the model reference."""

    def __init__(self, outputs: int, *, shape: tuple[int, ...], **params: Any) -> None:
        super().__init__(outputs, shape=shape)
        sizes = [int(params["width"])] * int(params["depth"])
        sizes += [int(params["narrow"])] * int(params["tail"])
        dropout = float(params["dropout"])
        self.first = nn.Linear(math.prod(shape), sizes[0])
        self.activation = nn.Sequential(nn.LeakyReLU(0.01), nn.Dropout(dropout))
        self.layers = MLP(*sizes, outputs, dropout=dropout)

    def columns(self, batch: HoppingBatch) -> Tensor:
        """(b, 27 n n 2): every real number, standardised."""
        return self.inputs(batch.values).flatten(1)  # type: ignore[no-any-return]

    def rest(self, hidden: Tensor) -> Tensor:
        """(b, outputs)."""
        return self.layers(self.activation(hidden))  # type: ignore[no-any-return]
