"""The description of an extractor: one truth for the network and for its diagram.

Bird (2023) parts a network into an abstraction pipeline, which makes ever more
complex observations, and an interpretive network, which makes an answer of
them (section 2.7.1).  `Architecture` names every layer of the pipeline with its
sizes and says what the interpretation reads; `architecture` makes it from the
parameters of a card.  Nothing here imports torch, so the window can draw what
will be trained.

The paper does not list its sixteen new architectures; `SIXTEEN` is a reading
that gives sixteen and fits the numbers of networks in the captions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from crystalgui.core.cards import Scalar
from crystalgui.core.errors import ModelError

Wrap = Literal["torus", "flat"]
Padding = Literal["same", "valid"]

KINDS = ("standard", "residual", "tuned", "free", "high-bandwidth", "hybrid")
CONVOLUTIONS = ("convolution", "toroidal-fcn", "toroidal-sum")
REDUCTIONS = ("pooling", "full")
FREE = frozenset({"free", "high-bandwidth", "hybrid"})
"""Kinds whose attention is found anew for each sample (Fig. 12)."""
EXTRACTORS = FREE | {"tuned"}
"""Kinds that read every layer (Fig. 10)."""
BYPASSED = frozenset({"residual", "hybrid"})
BANDWIDTH = ("mean", "max", "min")

SIXTEEN: dict[str, tuple[str, dict[str, Scalar]]] = {
    f"B{29 + number}": (f"{kind} {convolution}", {"kind": kind, "convolution": convolution})
    for number, (kind, convolution) in enumerate(
        [(k, c) for k in KINDS[:2] for c in CONVOLUTIONS[1:]]
        + [(k, c) for k in KINDS[2:] for c in CONVOLUTIONS]
    )
}
"""Rows B29 to B44 of the model reference: title and parameters of each."""
CONTROLS: dict[str, tuple[str, dict[str, Scalar]]] = {
    f"B{51 + number}": (
        f"{kind} {reduce} {convolution}",
        {"kind": kind, "convolution": convolution, "reduce": reduce},
    )
    for number, (kind, reduce, convolution) in enumerate(
        [("standard", r, c) for r in ("full", "pooling") for c in CONVOLUTIONS]
        + [(k, "pooling", "convolution") for k in KINDS[:2]]
    )
}
"""Rows B51 to B58: what they are compared with (Figs. 16, 17, 26 and 27)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One operation of the abstraction pipeline.

    Attributes
    ----------
    name : str
        ``"3 pool"``: its number among the read-outs and what it does.
    kind : {"input", "convolution", "pooling"}
    channels, outputs : int
        Before and after.
    kernel : tuple of int
        Points along each axis; of a pooling the window.
    stride : tuple of int
        Along each axis; 1 where 2 does not divide the length.  Where the mesh
        is not known, what is wished for.
    size : tuple of int
        Points along each axis after it; empty where the mesh is not known.
    bias : bool
        Of a convolution; a norm over the batch makes it needless.
    bypassed : bool
        Its input is added to its output (eq. 21).
    anchored : bool
        The sample is first moved so that its strongest sublattice is kept.
    """

    name: str
    kind: Literal["input", "convolution", "pooling"]
    channels: int
    outputs: int
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    wrap: Wrap = "flat"
    padding: Padding = "same"
    size: tuple[int, ...] = ()
    bias: bool = True
    bypassed: bool = False
    anchored: bool = False

    @property
    def parameters(self) -> int:
        """Weights and biases of a convolution."""
        if self.kind != "convolution":
            return 0
        return self.outputs * (self.channels * math.prod(self.kernel) + self.bias)

    @property
    def reduces(self) -> bool:
        """Whether it makes the tensor smaller along some axis."""
        return max(self.stride, default=1) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A whole network.

    Attributes
    ----------
    kind, convolution : str
        Of `KINDS` and `CONVOLUTIONS`.
    layers : tuple of Layer
        The input, then the abstraction pipeline.
    pools : tuple of str
        Global pools of each channel of each read-out, concatenated.
    reads : tuple of int
        Which of ``layers`` are read.
    basis : int
        Numbers that the basis change of each read-out makes; 0: none.
    attention : {"", "tuned", "softmax", "sigmoid"}
    floor : float
        The epsilon of eps + (1 - eps) sigma.
    wide : int
        Neurons of the hidden layer of the interpretation.
    outputs : int
    """

    kind: str
    convolution: str
    layers: tuple[Layer, ...]
    pools: tuple[str, ...]
    reads: tuple[int, ...]
    basis: int
    attention: str
    floor: float
    wide: int
    outputs: int

    @property
    def dimension(self) -> int:
        """Axes of the tensors."""
        return len(self.layers[1].kernel)

    @property
    def readouts(self) -> tuple[str, ...]:
        """Names of the layers that are read, in order."""
        return tuple(self.layers[i].name for i in self.reads)

    @property
    def vectors(self) -> tuple[int, ...]:
        """Numbers that each read-out gives after its global pools."""
        return tuple(self.layers[i].outputs * len(self.pools) for i in self.reads)

    @property
    def length(self) -> int:
        """Numbers that the interpretation is given."""
        return len(self.reads) * self.basis if self.basis else sum(self.vectors)

    @property
    def invariant(self) -> bool:
        """Whether the answer is the same for every periodic shift of the input."""
        return all(
            layer.wrap == "torus" and (layer.anchored or not layer.reduces)
            for layer in self.layers[1:]
        )

    @property
    def parameters(self) -> int:
        """Weights and biases of the abstraction pipeline, without norms and gates."""
        return sum(layer.parameters for layer in self.layers)


def architecture(
    params: Mapping[str, Scalar], shape: tuple[int, ...], outputs: int
) -> Architecture:
    """The network that the parameters of the card "extractor" describe.

    Parameters
    ----------
    params : mapping
        Complete, as from the registry or the defaults of the card.
    shape : tuple of int
        Of one input: (channels, n1, ..., nd); (channels,) for Brillouin zones,
        which are three-dimensional and of any mesh.
    outputs : int

    Raises
    ------
    ModelError
        When the shape is that of no image, volume or zone.
    """
    if not shape or len(shape) > 4 or min(shape) < 1:
        raise ModelError(
            f"An extractor cannot read inputs of shape {shape}.",
            "It reads images, volumes and Brillouin zones: channels, then one to three axes.",
        )
    kind, convolution = str(params["kind"]), str(params["convolution"])
    layers = _pipeline(params, shape)
    extracts = kind in EXTRACTORS
    attention = "tuned" if kind == "tuned" else ""
    if kind in FREE:
        attention = str(params["attention"])
    return Architecture(
        kind=kind,
        convolution=convolution,
        layers=layers,
        pools=BANDWIDTH if kind in ("high-bandwidth", "hybrid") else ("mean",),
        reads=tuple(range(len(layers))) if extracts else (len(layers) - 1,),
        basis=int(params["basis"]) if extracts else 0,
        attention=attention,
        floor=float(params["floor"]) if kind in FREE else 0.0,
        wide=int(params["wide"]),
        outputs=outputs,
    )


def _pipeline(params: Mapping[str, Scalar], shape: tuple[int, ...]) -> tuple[Layer, ...]:
    """Blocks of convolutions of one size, a reduction between them, a last layer that sees all."""
    known = len(shape) > 1
    dimension = len(shape) - 1 if known else 3
    torus = params["convolution"] != "convolution"
    width, halve = int(params["width"]), (2,) * dimension
    common = Layer(
        name="",
        kind="convolution",
        channels=width,
        outputs=width,
        kernel=(int(params["kernel"]),) * dimension,
        stride=(1,) * dimension,
        wrap="torus" if torus else "flat",
        bias=params["norm"] != "batch",
    )
    anchored = torus and params["sampling"] == "strongest"
    layers = [
        Layer(name="0 input", kind="input", channels=shape[0], outputs=shape[0], size=shape[1:])
    ]
    for block in range(int(params["halvings"]) + 1):
        for step in range(int(params["depth"])):
            first = block > 0 and step == 0
            if first and params["reduce"] == "pooling":
                pool = replace(common, kind="pooling", kernel=halve, stride=halve)
                layers.append(_after(layers, replace(pool, anchored=anchored)))
                first = False
            if first:
                layers.append(_after(layers, replace(common, stride=halve, anchored=anchored)))
            else:
                layers.append(_after(layers, common))
    if known and params["whole"]:
        whole: Padding = "same" if params["convolution"] == "toroidal-sum" else "valid"
        layers.append(_after(layers, replace(common, kernel=layers[-1].size, padding=whole)))
    if params["convolution"] == "toroidal-fcn":  # "all toroidal layers except the final one"
        layers[-1] = replace(layers[-1], wrap="flat")
    if params["kind"] in BYPASSED:
        layers = [replace(layer, bypassed=_fits(layer)) for layer in layers]
    return tuple(layers)


def _after(layers: list[Layer], layer: Layer) -> Layer:
    """``layer`` at the end of a pipeline: named, with its channels and sizes."""
    before = layers[-1]
    stride = steps(layer.stride, before.size) if before.size else layer.stride
    size = tuple(n // s for n, s in zip(before.size, stride, strict=False))
    if layer.padding == "valid":
        size = tuple(n - k + 1 for n, k in zip(size, layer.kernel, strict=True))
    word = "pool" if layer.kind == "pooling" else "conv"
    kernel = stride if layer.kind == "pooling" else layer.kernel
    return replace(
        layer,
        name=f"{len(layers)} {word}",
        channels=before.outputs,
        outputs=before.outputs if layer.kind == "pooling" else layer.outputs,
        kernel=kernel,
        stride=stride,
        size=size,
    )


def steps(stride: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...]:
    """The stride along each axis; 1 where it does not divide the length."""
    return tuple(s if n % s == 0 else 1 for s, n in zip(stride, size, strict=True))


def _fits(layer: Layer) -> bool:
    """Whether input and output of a convolution have one shape."""
    return (
        layer.kind == "convolution"
        and layer.channels == layer.outputs
        and layer.padding == "same"
        and not layer.reduces
    )
