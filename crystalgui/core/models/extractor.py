"""The medium extractor and the networks it is compared with, from one description.

Bird (2023), sections 2.6 to 2.8: a pipeline of convolutions, toroidal or
padded with zeros, is read after its last layer (standard, residual: Fig. 8)
or after every layer (extractors: Figs. 10 to 12), with one global pool of
each channel or three ("high bandwidth").  Images, volumes and Brillouin zones
are read by the same code in one to three dimensions.

A reduction of the tensor keeps one of several sublattices, and a shift by one
point exchanges them, so that strided or pooled networks are invariant only
under shifts by their whole stride, also on a torus.  Here toroidal pipelines
keep the sublattice on which the activations are strongest (adaptive polyphase
sampling: Chaman and Dokmanic 2021), and are then invariant under every shift;
the sampling of the paper is the other choice.  Numbers of layers and channels are
not stated there; those of the presets "mnist" and "cifar" are ours, its
learning rates and epochs are kept (row B64).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from crystalgui.core.cards import Card, Param
from crystalgui.core.errors import ModelError
from crystalgui.core.models._base import Network
from crystalgui.core.models._registry import register
from crystalgui.core.models.architecture import (
    CONTROLS,
    CONVOLUTIONS,
    FREE,
    KINDS,
    REDUCTIONS,
    SIXTEEN,
    Layer,
    architecture,
    steps,
)
from crystalgui.core.models.layers.convolution import Convolution
from crystalgui.core.models.layers.joining import Residual
from crystalgui.core.models.layers.mlp import MLP
from crystalgui.core.models.layers.norms import NORMS, activation, norm
from crystalgui.core.models.layers.pooling import Anchor, GlobalPool, LocalPool
from crystalgui.core.models.layers.readout import BasisChange, FreeAttention, TunedAttention
from crystalgui.core.models.layers.standardise import StandardiseChannels

UNASKED = -1e9
"""What a read-out is asked for that shall have no part in a softmax."""

EXTRACTOR = Card(
    name="extractor",
    title="Medium extractor",
    tasks=("classification", "regression"),
    inputs="image zone",
    paper="Bird (2023), sections 2.6 to 2.8, Figs. 8 and 10 to 12",
    rows=(*SIXTEEN, *CONTROLS, "B61", "B62", "B63"),
    summary=(
        "Convolutions on a torus that are read after every layer, with attention over what is "
        "read. Standard and residual networks of the same pipeline, to compare, are kinds of it."
    ),
    params=(
        Param(name="kind", label="Kind", default="high-bandwidth", choices=KINDS,
              help="standard and residual are read at their end; tuned, free and high-bandwidth "
              "extractors after every layer; hybrid has bypasses as well."),
        Param(name="convolution", label="Convolution", default="toroidal-sum",
              choices=CONVOLUTIONS,
              help="convolution pads with zeros; toroidal-fcn has no edges but in its last "
              "layer; toroidal-sum has none and does not notice shifts."),
        Param(name="reduce", label="Reduction", default="pooling", choices=REDUCTIONS,
              help="How tensors shrink: local pooling, or convolutions with stride 2 (full)."),
        Param(name="halvings", label="Halvings", default=2, minimum=0, maximum=5,
              help="How often tensors shrink, where 2 divides the length."),
        Param(name="depth", label="Convolutions of each size", default=2, minimum=1, maximum=8),
        Param(name="width", label="Channels", default=16, minimum=1, maximum=256),
        Param(name="kernel", label="Kernel", default=3, minimum=1, maximum=7, unit="points"),
        Param(name="whole", label="Last layer sees all", default=True,
              help="A last convolution whose kernel is what is left of the image; zones have "
              "none, for their mesh is free."),
        Param(name="local", label="Local pool", default="max", choices=("max", "mean")),
        Param(name="sampling", label="Kept by a reduction", default="strongest",
              choices=("strongest", "first"),
              help="On a torus: the sublattice with the strongest activations, for exact "
              "invariance, or always the first one, as in the paper."),
        Param(name="norm", label="Norm", default="batch", choices=NORMS,
              help="After each convolution: over the batch, or of each tensor by itself, which "
              "learns more slowly here."),
        Param(name="gated", label="Gated bypass", default=False,
              help="beta f(x) + (1 - beta) x in place of f(x) + x, where there are bypasses."),
        Param(name="attention", label="Attention", default="sigmoid",
              choices=("sigmoid", "softmax"),
              help="Free attention: each read-out by itself, or shared out among all."),
        Param(name="floor", label="Least attention", default=0.05, minimum=0.0, maximum=0.9,
              help="The epsilon of eps + (1 - eps) sigma: no read-out is damped for ever."),
        Param(name="basis", label="Basis of a read-out", default=16, minimum=1, maximum=512,
              help="Numbers that each read-out is changed into before they are joined."),
        Param(name="wide", label="Interpretation", default=64, minimum=1, maximum=2048,
              unit="neurons", help="Hidden layer of the networks that interpret and attend."),
        Param(name="dropout", label="Dropout", default=0.0, minimum=0.0, maximum=0.9),
        Param(name="mesh", label="Mesh of zones", default=8, minimum=2, maximum=64,
              help="Samples along each reciprocal vector when it answers for a Hamiltonian."),
    ),
    presets={
        "small": {"epochs": 10, "batch_size": 64, "learning_rate": 3e-3},
        "mnist": {"width": 32, "basis": 32, "wide": 128, "epochs": 10, "batch_size": 64,
                  "learning_rate": 1e-4},
        "cifar": {"halvings": 4, "width": 64, "basis": 64, "wide": 256, "epochs": 15,
                  "batch_size": 64, "learning_rate": 5e-5},
        "zone": {"halvings": 1, "width": 24, "depth": 2, "wide": 64, "dropout": 0.1,
                 "epochs": 30, "batch_size": 64, "learning_rate": 2e-3, "weight_decay": 5e-2},
    },
    taps=("attention",),
)  # fmt: skip


class Pool(nn.Module):
    """A local pool over pairs along each axis whose length is even."""

    def __init__(self, layer: Layer, kind: str) -> None:
        super().__init__()
        self.layer, self.kind = layer, kind
        self.anchor = Anchor() if layer.anchored and layer.reduces else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n1, ..., nd) -> (b, c, n1 / 2, ..., nd / 2)."""
        step = steps(self.layer.stride, x.shape[2:])
        return LocalPool(step, len(step), self.kind)(self.anchor(x))  # type: ignore[no-any-return]


class Stage(nn.Module):
    """A convolution of the abstraction pipeline, with norm, activation and bypass."""

    def __init__(self, layer: Layer, norms: str, gated: bool) -> None:
        super().__init__()
        self.layer = layer
        self.anchor = Anchor() if layer.anchored and layer.reduces else nn.Identity()
        self.body: nn.Module = nn.Sequential(
            Convolution(
                layer.channels,
                layer.outputs,
                layer.kernel,
                len(layer.kernel),
                wrap=layer.wrap,
                stride=layer.stride if layer.size else 1,
                bias=layer.bias,
                padding=layer.padding,
            ),
            norm(norms, layer.outputs),
            activation(),
        )
        if layer.bypassed:
            self.body = Residual(self.body, gated)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n1, ..., nd) -> (b, c', n1', ..., nd')."""
        out: Tensor = self.body(self.anchor(x))
        if self.layer.size:
            return out
        step = steps(self.layer.stride, out.shape[2:])  # the mesh of a zone is free
        kept: tuple[Any, ...] = (..., *(slice(None, None, s) for s in step))
        return out[kept]


@register(EXTRACTOR)
class Extractor(Network):
    """Rows B29 to B44, B51 to B58 and B61 to B63 of the model reference.

    Attributes
    ----------
    architecture : Architecture
        What it was built from.
    """

    def __init__(self, outputs: int, *, shape: tuple[int, ...], **params: Any) -> None:
        super().__init__(outputs, shape=shape)
        plan = self.architecture = architecture(params, shape, outputs)
        self.inputs = StandardiseChannels(shape[0])
        norms, local, gated = str(params["norm"]), str(params["local"]), bool(params["gated"])
        self.pool = GlobalPool(plan.pools)
        self.pipeline = nn.ModuleList(
            Pool(layer, local) if layer.kind == "pooling" else Stage(layer, norms, gated)
            for layer in plan.layers[1:]
        )
        dropout = float(params["dropout"])
        self.basis = BasisChange(plan.vectors, plan.basis) if plan.basis else None
        n, basis, wide = len(plan.reads), plan.basis, plan.wide
        if plan.kind in FREE:
            self.interpretation: nn.Module = FreeAttention(
                n, basis, wide, outputs, normalised=plan.attention == "softmax",
                floor=plan.floor, dropout=dropout,
            )  # fmt: skip
        elif plan.basis:
            self.interpretation = TunedAttention(n, basis, wide, outputs, dropout)
        else:
            self.interpretation = MLP(plan.length, wide, outputs, dropout=dropout)

    @property
    def symmetries(self) -> tuple[str, ...]:
        """Shifts of the origin, where every layer commutes with them."""
        return ("origin",) if self.architecture.invariant else ()

    @property
    def readouts(self) -> tuple[str, ...]:
        """Names of what is read, in the order of the tap."""
        return self.architecture.readouts

    @property
    def floor(self) -> float:
        """The epsilon of eps + (1 - eps) sigma."""
        return self.architecture.floor

    def stages(self) -> tuple[tuple[str, nn.Module], ...]:
        """Layers of the abstraction pipeline by name."""
        names = [layer.name for layer in self.architecture.layers[1:]]
        return tuple(zip(names, self.pipeline, strict=True))

    def standardise(self, batches: Iterable[Any]) -> None:
        """Mean and spread of each channel over all points."""
        self.inputs.learn(batch.values for batch in batches)

    def forward(self, batch: Any) -> Tensor:
        """(b, outputs) of a batch, or of its values (b, c, n1, ..., nd)."""
        return self._answer(batch)[0]

    def tapped(self, batch: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """The outputs; the attention (b, read-outs) of a network with free attention."""
        out, attention = self._answer(batch)
        return out, {} if attention is None else {"attention": attention}

    def _answer(self, batch: Any) -> tuple[Tensor, Tensor | None]:
        vectors = self.vectors(batch if isinstance(batch, Tensor) else batch.values)
        if self.basis is None:
            return self.interpretation(vectors[0]), None
        joined = self.basis(vectors)
        if isinstance(self.interpretation, FreeAttention):
            out, attention = self.interpretation(joined)
            return out, attention
        return self.interpretation(joined), None

    @torch.no_grad()
    def reproduce(self, other: Extractor) -> None:
        """Become an extractor of fewer layers exactly: its functions are some of ours (eq. 25).

        The layers in common are copied, and the change of basis of every
        further read-out is set to nothing.

        Raises
        ------
        ModelError
            When the layers of the other are not the first ones here, or the
            interpretation differs, or attention is shared out (softmax) with
            a floor, which depends on the number of read-outs.
        """
        mine, less = self.architecture, other.architecture
        alike = replace(less, layers=mine.layers, reads=mine.reads)
        shared_out = mine.attention == "softmax" and mine.floor > 0
        if (
            not (self.basis and other.basis)
            or alike != mine
            or mine.layers[: len(less.layers)] != less.layers
            or shared_out
        ):
            raise ModelError(
                f"A {mine.kind} network of {len(mine.layers) - 1} layers does not contain this "
                f"{less.kind} network of {len(less.layers) - 1}.",
                "Extractors are nested when only the number of their last layers differs.",
            )
        self.inputs.load_state_dict(other.inputs.state_dict())
        for stage, its in zip(self.pipeline, other.pipeline, strict=False):
            stage.load_state_dict(its.state_dict())
        copied = other.basis.parts()
        for i, (weight, shift) in enumerate(self.basis.parts()):
            weight.copy_(copied[i][0] if i < len(copied) else torch.zeros_like(weight))
            shift.copy_(copied[i][1] if i < len(copied) else torch.zeros_like(shift))
        theirs = dict(other.interpretation.named_parameters())
        for name, p in self.interpretation.named_parameters():
            place = tuple(slice(n) for n in theirs[name].shape)
            if name.startswith("ask") and p.shape[0] > theirs[name].shape[0]:
                p.fill_(0.0 if p.ndim > 1 else UNASKED)
            p[place] = theirs[name]

    def vectors(self, x: Tensor) -> list[Tensor]:
        """The read-outs (b, channels * pools) of (b, c, n1, ..., nd)."""
        x = self.inputs(x)
        found = []
        for place in range(len(self.pipeline) + 1):
            if place:
                x = self.pipeline[place - 1](x)
            if place in self.architecture.reads:
                found.append(self.pool(x))
        return found
