"""Published networks of images that extractors are compared with: ResNet, DenseNet, Inception.

Bird (2023), sections 2.7.2 and 2.8, measures the medium extractor against
three ways of joining what layers found: residual networks add it to their
input (He et al. 2016), dense networks keep it all side by side (Huang et al.
2017), Inception networks look with several kernels at once (Szegedy et al.
2015).  Here they are for images of tens of points:

- *ResNet*, section 4.2 of its paper: a 3 x 3 convolution, then stages of basic
  blocks with 1, 2, 4 times the channels; where the size changes, bypasses keep
  every second point and are filled up with zeros (option A).  Three blocks a
  stage are ResNet-20, with 0.27 million parameters.
- *DenseNet*, sections 3 and 4.2: dense blocks of norm, ReLU and convolution,
  each of which adds ``growth`` channels to all before it; transitions of a
  1 x 1 convolution, which keeps the share ``compression``, and a mean over
  pairs.  Twelve layers a block that grow by 12 are DenseNet-40, with 1.0
  million parameters; sixteen with a bottleneck and compression 1/2 are
  DenseNet-BC-100, with 0.8 million.
- *Inception*: modules of 1 x 1, 3 x 3 and 5 x 5 convolutions and a 3 x 3
  maximum side by side, in the proportions of module 3a of GoogLeNet (64 | 96,
  128 | 16, 32 | 32 for ``width`` 64), and a 3 x 3 maximum with stride 2
  between the stages.  Szegedy et al. give no network for small images: the
  first layers, which make 28 points of 224, are one convolution, and the
  stages have equally many modules and 1, 2, 4 times the channels.  Norms over
  the batch are those of Ioffe and Szegedy (2015) in place of the local
  response norm; there are no auxiliary classifiers.

All end in a global mean and one linear layer.  They pad with zeros; on a torus
they do not notice where an image begins, for what a stride keeps is anchored
to the image (`layers.pooling.Anchor`).  Epochs and batches of the presets
"cifar" are the published ones of ResNet and DenseNet; the optimiser is that of
this program, so that the learning rates are ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from crystalgui.core.cards import Card, Param
from crystalgui.core.errors import ModelError
from crystalgui.core.models._base import Network
from crystalgui.core.models._registry import register
from crystalgui.core.models.architecture import steps
from crystalgui.core.models.layers.convolution import Convolution
from crystalgui.core.models.layers.joining import direct_sum
from crystalgui.core.models.layers.norms import NORMS, norm
from crystalgui.core.models.layers.pooling import Anchor, LocalPool, pooled
from crystalgui.core.models.layers.standardise import StandardiseChannels
from crystalgui.core.models.layers.wrapping import wrapped

KINDS = ("resnet", "densenet", "inception")
IMAGE = 3
"""Axes of one image: colours, height, width."""
NARROW = 4
"""Channels of the bottleneck of a dense layer, in units of what it adds."""

Stages = list[tuple[str, nn.Module]]

COMPARATOR = Card(
    name="comparator",
    title="ResNet, DenseNet, Inception",
    tasks=("classification", "regression"),
    inputs="image",
    paper="He et al. (2016); Huang et al. (2017); Szegedy et al. (2015); compared with in "
    "Bird (2023), sections 2.7.2 and 2.8",
    rows=("B59",),
    summary=(
        "Published networks of small images, to compare extractors with: basic residual blocks, "
        "dense blocks with transitions, or modules of parallel branches; then a global mean."
    ),
    params=(
        Param(name="kind", label="Kind", default="resnet", choices=KINDS,
              help="resnet adds what it found to its input, densenet keeps all of it side by "
              "side, inception looks with several kernels at once."),
        Param(name="wrap", label="Edges", default="flat", choices=("flat", "torus"),
              help="flat pads with zeros, as published; a torus has no edge, and does not notice "
              "shifts."),
        Param(name="halvings", label="Halvings", default=2, minimum=0, maximum=5,
              help="Stages after the first one: each halves the image, where 2 divides it."),
        Param(name="depth", label="Blocks of a stage", default=2, minimum=1, maximum=18,
              help="Residual blocks of two convolutions, dense layers, or inception modules."),
        Param(name="width", label="Channels", default=16, minimum=1, maximum=128,
              help="After the first convolution; of residual and inception stages also in them."),
        Param(name="growth", label="Growth", default=12, minimum=1, maximum=64,
              unit="channels", help="What each layer of a DenseNet adds."),
        Param(name="compression", label="Compression", default=1.0, minimum=0.1, maximum=1.0,
              help="Share of the channels that a transition of a DenseNet keeps."),
        Param(name="bottleneck", label="Bottleneck", default=False,
              help="A 1 x 1 convolution to four times the growth before each 3 x 3 one of a "
              "DenseNet."),
        Param(name="norm", label="Norm", default="batch", choices=NORMS),
    ),
    presets={
        "small": {"epochs": 10, "batch_size": 64, "learning_rate": 3e-3},
        "cifar": {"depth": 3, "epochs": 164, "batch_size": 128, "learning_rate": 1e-3,
                  "weight_decay": 1e-4},
        "cifar-densenet": {"kind": "densenet", "depth": 12, "epochs": 300, "batch_size": 64,
                           "learning_rate": 1e-3, "weight_decay": 1e-4},
        "cifar-inception": {"kind": "inception", "depth": 3, "width": 64, "epochs": 164,
                            "batch_size": 128, "learning_rate": 1e-3, "weight_decay": 1e-4},
    },
)  # fmt: skip


class Layers:
    """What all layers of a network have in common: how they wrap, and their norm."""

    def __init__(self, wrap: str, norms: str) -> None:
        self.wrap, self.norms = wrap, norms

    def convolution(
        self, channels: int, outputs: int, kernel: int = 3, stride: tuple[int, ...] = (1, 1)
    ) -> Convolution:
        """Weights drawn as in He et al. (2015); a norm over the batch makes a bias needless."""
        found = Convolution(
            channels, outputs, kernel, wrap=self.wrap, stride=stride, bias=self.norms != "batch"
        )
        nn.init.kaiming_normal_(found.weight, nonlinearity="relu")
        return found

    def entering(
        self, channels: int, outputs: int, kernel: int = 3, stride: tuple[int, ...] = (1, 1)
    ) -> nn.Sequential:
        """Convolution, norm, ReLU."""
        convolution = self.convolution(channels, outputs, kernel, stride)
        return nn.Sequential(convolution, norm(self.norms, outputs), nn.ReLU())

    def activated(self, channels: int, outputs: int, kernel: int = 3) -> nn.Sequential:
        """Norm, ReLU, convolution: the order of dense networks."""
        convolution = self.convolution(channels, outputs, kernel)
        return nn.Sequential(norm(self.norms, channels), nn.ReLU(), convolution)

    def anchor(self, stride: tuple[int, ...]) -> nn.Module:
        """What makes a stride on a torus move with the image."""
        return Anchor() if self.wrap == "torus" and max(stride) > 1 else nn.Identity()


class BasicBlock(nn.Module):
    """Two convolutions and a bypass (He et al. 2016, Fig. 2 and option A)."""

    def __init__(
        self, layers: Layers, channels: int, outputs: int, stride: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.stride, self.more = stride, outputs - channels
        self.anchor = layers.anchor(stride)
        self.body = nn.Sequential(
            layers.entering(channels, outputs, 3, stride),
            layers.convolution(outputs, outputs),
            norm(layers.norms, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n, m) -> (b, c', n', m')."""
        x = self.anchor(x)
        kept = x[:, :, :: self.stride[0], :: self.stride[1]]
        bypass = nn.functional.pad(kept, (0, 0, 0, 0, 0, self.more))
        out: Tensor = self.body(x)
        return torch.relu(out + bypass)


class DenseLayer(nn.Module):
    """What it finds beside its input (Huang et al. 2017, eq. 2)."""

    def __init__(self, layers: Layers, channels: int, growth: int, bottleneck: bool) -> None:
        super().__init__()
        self.body = layers.activated(channels, growth)
        if bottleneck:
            narrow = NARROW * growth
            self.body = nn.Sequential(
                layers.activated(channels, narrow, 1), layers.activated(narrow, growth)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n, m) -> (b, c + growth, n, m)."""
        return direct_sum(x, self.body(x))


class Maximum(nn.Module):
    """Maximum over the 3 x 3 points around each one, or around every second."""

    def __init__(self, layers: Layers, stride: tuple[int, ...] = (1, 1)) -> None:
        super().__init__()
        self.torus, self.stride = layers.wrap == "torus", stride
        self.anchor = layers.anchor(stride)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n, m) -> (b, c, n', m')."""
        x = self.anchor(x)
        if self.torus:
            x = wrapped(x, ((2, 1, 1), (3, 1, 1)))
        padding = 0 if self.torus else 1
        return nn.functional.max_pool2d(x, 3, self.stride, padding)


class Branches(nn.Module):
    """Branches side by side (Szegedy et al. 2015, Fig. 2b); ``width`` of 64 is module 3a."""

    def __init__(self, layers: Layers, channels: int, width: int) -> None:
        super().__init__()
        half, quarter = -(-width // 2), -(-width // 4)
        between = width + half
        self.branches = nn.ModuleList([
            layers.entering(channels, width, 1),
            nn.Sequential(
                layers.entering(channels, between, 1), layers.entering(between, 2 * width, 3)
            ),
            nn.Sequential(layers.entering(channels, quarter, 1), layers.entering(quarter, half, 5)),
            nn.Sequential(Maximum(layers), layers.entering(channels, half, 1)),
        ])  # fmt: skip
        self.outputs = 3 * width + 2 * half

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n, m) -> (b, 4 width, n, m)."""
        return direct_sum(*(branch(x) for branch in self.branches))


class Builder:
    """The stages of a network one after another, with the size that images have there."""

    def __init__(self, params: dict[str, Any], shape: tuple[int, ...]) -> None:
        self.layers = Layers(str(params["wrap"]), str(params["norm"]))
        self.params, self.size = params, shape[1:]
        self.width, self.depth = int(params["width"]), int(params["depth"])
        self.channels = self.width
        self.stages: Stages = [("stem", self._first(shape[0]))]

    def _first(self, colours: int) -> nn.Module:
        """A convolution; the norm and the ReLU after it are in the first layer of a DenseNet."""
        if self.params["kind"] == "densenet":
            return self.layers.convolution(colours, self.width)
        return self.layers.entering(colours, self.width)

    def halved(self) -> tuple[int, ...]:
        """The stride that halves the image, and what is left of it."""
        stride = steps((2, 2), self.size)
        self.size = tuple(n // s for n, s in zip(self.size, stride, strict=True))
        return stride

    def add(self, name: str, module: nn.Module, channels: int) -> None:
        """A stage and the channels after it."""
        self.stages.append((name, module))
        self.channels = channels

    def resnet(self) -> None:
        """Basic blocks; the first one of each further stage halves the image."""
        for stage in range(int(self.params["halvings"]) + 1):
            outputs = self.width << stage
            for number in range(self.depth):
                stride = self.halved() if stage and not number else (1, 1)
                block = BasicBlock(self.layers, self.channels, outputs, stride)
                self.add(f"block {stage + 1}.{number + 1}", block, outputs)

    def densenet(self) -> None:
        """Dense blocks with transitions between them, a norm and a ReLU at the end."""
        growth, narrow = int(self.params["growth"]), bool(self.params["bottleneck"])
        for stage in range(int(self.params["halvings"]) + 1):
            if stage:
                kept = max(1, int(self.channels * float(self.params["compression"])))
                mix, stride = self.layers.activated(self.channels, kept, 1), self.halved()
                pool = LocalPool(stride, len(stride), "mean")
                transition = nn.Sequential(mix, self.layers.anchor(stride), pool)
                self.add(f"transition {stage}", transition, kept)
            for number in range(self.depth):
                layer = DenseLayer(self.layers, self.channels, growth, narrow)
                self.add(f"layer {stage + 1}.{number + 1}", layer, self.channels + growth)
        last = nn.Sequential(norm(self.layers.norms, self.channels), nn.ReLU())
        self.add("norm", last, self.channels)

    def inception(self) -> None:
        """Modules with parallel branches, and maxima with stride 2 between their stages."""
        for stage in range(int(self.params["halvings"]) + 1):
            if stage:
                self.add(f"pool {stage}", Maximum(self.layers, self.halved()), self.channels)
            for number in range(self.depth):
                module = Branches(self.layers, self.channels, self.width << stage)
                self.add(f"module {stage + 1}.{number + 1}", module, module.outputs)


@register(COMPARATOR)
class Comparator(Network):
    """Row B59 of the model reference."""

    def __init__(self, outputs: int, *, shape: tuple[int, ...], **params: Any) -> None:
        super().__init__(outputs, shape=shape)
        if len(shape) != IMAGE or min(shape) < 1:
            raise ModelError(
                f"ResNet, DenseNet and Inception cannot read inputs of shape {shape}.",
                "They read images: colours, height and width. Extractors read more kinds.",
            )
        built = Builder(params, shape)
        {"resnet": built.resnet, "densenet": built.densenet, "inception": built.inception}[
            str(params["kind"])
        ]()
        self.torus = built.layers.wrap == "torus"
        self.inputs = StandardiseChannels(shape[0])
        self.names = tuple(name for name, _ in built.stages)
        self.pipeline = nn.Sequential(*(stage for _, stage in built.stages))
        self.read = nn.Linear(built.channels, outputs)

    @property
    def symmetries(self) -> tuple[str, ...]:
        """Shifts of the origin on a torus."""
        return ("origin",) if self.torus else ()

    def stages(self) -> tuple[tuple[str, nn.Module], ...]:
        """Blocks, layers or modules by name."""
        return tuple(zip(self.names, self.pipeline, strict=True))

    def standardise(self, batches: Iterable[Any]) -> None:
        """Mean and spread of each colour over all points."""
        self.inputs.learn(batch.values for batch in batches)

    def forward(self, batch: Any) -> Tensor:
        """(b, outputs) of a batch, or of its values (b, c, n, m)."""
        values = batch if isinstance(batch, Tensor) else batch.values
        x = self.pipeline(self.inputs(values))
        out: Tensor = self.read(pooled(x, ("mean",)))
        return out
