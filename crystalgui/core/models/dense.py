"""Fully connected networks of cropped hoppings and of images.

Bird (2023), section 2.3 and Fig. 4: [17496, 100, 3] and
[17496, 500, 500, 500, 100, 100, 3] with leaky ReLU (slope 0.01) between the
layers; section 3.2 and Fig. 15 for images: [784, 20, 10], [784, 512, 256, 10]
and [784, 525, 525, 525, 525, 525, 525, 10], which share no parameters between
places and so have to learn every shift by itself.  The paper does not say how
the inputs are scaled; here each real number of the hoppings, and each colour
of the images, is standardised by the training rows.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from crystalgui.core.cards import Card, Param, Scalar
from crystalgui.core.datasets.hamiltonians.tables import HoppingBatch
from crystalgui.core.datasets.images.tables import ImageBatch
from crystalgui.core.models._base import HoppingModel
from crystalgui.core.models._registry import register
from crystalgui.core.models.layers.mlp import MLP
from crystalgui.core.models.layers.standardise import StandardiseChannels

IMAGE = 3
"""Axes of one image: colours, height, width."""
_MNIST: dict[str, Scalar] = {"epochs": 10, "batch_size": 64, "learning_rate": 1e-4}


@register(
    Card(
        name="dense",
        title="Fully connected network",
        tasks=("classification", "regression"),
        inputs="hoppings image",
        paper="Bird (2023), sections 2.3 and 3.2, Figs. 4 and 15",
        rows=("B46", "B47", "B48", "B49", "B50"),
        summary=(
            "Every number of the cropped hoppings, or of an image, feeds every neuron of the "
            "first layer. The small preset has one hidden layer of 100 neurons, the large five."
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
            "mnist-small": {"width": 20, **_MNIST},
            "mnist-medium": {"width": 512, "narrow": 256, "tail": 1, **_MNIST},
            "mnist-large": {"width": 525, "depth": 6, **_MNIST},
        },
    )
)  # fmt: skip
class Dense(HoppingModel):
    """Rows B46 to B50 of the model reference."""

    def __init__(self, outputs: int, *, shape: tuple[int, ...], **params: Any) -> None:
        super().__init__(outputs, shape=shape)
        sizes = [int(params["width"])] * int(params["depth"])
        sizes += [int(params["narrow"])] * int(params["tail"])
        dropout = float(params["dropout"])
        if len(shape) == IMAGE:
            self.inputs = StandardiseChannels(shape[0])
        self.first = nn.Linear(math.prod(shape), sizes[0])
        self.activation = nn.Sequential(nn.LeakyReLU(0.01), nn.Dropout(dropout))
        self.layers = MLP(*sizes, outputs, dropout=dropout)

    def columns(self, batch: HoppingBatch | ImageBatch) -> Tensor:
        """(b, 27 n n 2) or (b, c h w): every real number, standardised."""
        return self.inputs(batch.values).flatten(1)  # type: ignore[no-any-return]

    def rest(self, hidden: Tensor) -> Tensor:
        """(b, outputs)."""
        return self.layers(self.activation(hidden))  # type: ignore[no-any-return]
