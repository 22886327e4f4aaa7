"""Convolution without an edge: along each axis toroidal, flat or a Moebius strip.

A convolution that pads with zeros is equivariant in the middle of a tensor
only.  Folded into a torus a tensor has no middle and no edge, and the layer
commutes with every shift (Bird 2023, section 2.6, Fig. 7).  The paper tiles
the tensor and crops it; here the few points that the kernel reaches across the
edge are copied around it, which gives the same numbers.  Each axis chooses
for itself (n toroidal, m flat), and the tiling may reflect what it repeats
(Moebius).

Layout: (b, c, n1, ..., nd).  A toroidal axis of length 1 is one in which
nothing depends on k; it gives the same numbers as the same tensor repeated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crystalgui.core.errors import ModelError
from crystalgui.core.models.layers.wrapping import reflected, wrapped

WRAPS = ("torus", "flat", "moebius")
PADDINGS = ("same", "valid")

_CONVOLUTIONS = {1: nn.functional.conv1d, 2: nn.functional.conv2d, 3: nn.functional.conv3d}


class Convolution(nn.Module):
    """Convolution in 1 to 3 dimensions, each axis toroidal, flat or Moebius (rows B20-B22).

    Parameters
    ----------
    channels, outputs : int
    size : int or one for each axis
        Points of the kernel.
    dimension : {1, 2, 3}
    wrap : {"torus", "flat", "moebius"} or one for each axis
        How an axis goes on behind its edge: itself again, nothing, or itself
        with the next axis (the first follows the last) reversed.
    stride : int or one for each axis
        Must divide the length of an axis that is wrapped, else shifts of the
        input would no longer be shifts of the output.
    bias : bool
    padding : {"same", "valid"}
        Of flat axes: zeros, so that stride 1 keeps the length, or none.  A
        wrapped axis has no edge and always keeps its length.
    mirror : bool
        Make the kernel its own mirror image along the axes that a Moebius
        strip reverses.  Only then does the layer commute with a walk around
        the strip: an orientation has no meaning on it.  (With two Moebius
        axes there is no such walk; each turns the other round.)
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        size: int | Sequence[int] = 3,
        dimension: int = 2,
        wrap: str | Sequence[str] = "torus",
        stride: int | Sequence[int] = 1,
        bias: bool = True,
        padding: str = "same",
        mirror: bool = False,
    ) -> None:
        super().__init__()
        if dimension not in _CONVOLUTIONS:
            raise ModelError(f"A convolution in {dimension} dimensions does not exist here.",
                             "Choose 1, 2 or 3 dimensions.")  # fmt: skip
        self.dimension = dimension
        self.channels, self.outputs = channels, outputs
        self.size = each("kernel", size, dimension)
        self.stride = each("stride", stride, dimension)
        self.wrap = _wraps(wrap, dimension)
        if padding not in PADDINGS:
            raise ModelError(f'"{padding}" is no padding.', f"Choose {' or '.join(PADDINGS)}.")
        self.padding = padding
        reversed_axes = {(a + 1) % dimension for a, w in enumerate(self.wrap) if w == "moebius"}
        self.mirrored = tuple(sorted(reversed_axes)) if mirror else ()
        self._check_moebius(reversed_axes)
        fan = channels * math.prod(self.size)
        self.weight = nn.Parameter(torch.empty(outputs, channels, *self.size))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.bias: nn.Parameter | None = None
        if bias:
            self.bias = nn.Parameter(torch.empty(outputs).uniform_(-1, 1) / math.sqrt(fan))

    def _check_moebius(self, reversed_axes: set[int]) -> None:
        if not reversed_axes:
            return
        if self.dimension == 1:
            raise ModelError("A Moebius strip needs a second axis, which it reverses.",
                             "Choose 2 or 3 dimensions, or torus.")  # fmt: skip
        if any(size % 2 == 0 for size in self.size):
            raise ModelError("On a Moebius strip an even kernel would not see its mirror image.",
                             "Choose kernels of odd size.")  # fmt: skip

    def kernel(self) -> Tensor:
        """The weights as they act: (outputs, channels, k1, ..., kd)."""
        weight: Tensor = self.weight
        for axis in self.mirrored:
            weight = (weight + weight.flip(axis + 2)) / 2
        return weight

    def shape(self, lengths: Sequence[int]) -> tuple[int, ...]:
        """Lengths of the output's axes for those of the input."""
        found = []
        for n, size, step, wrap in zip(lengths, self.size, self.stride, self.wrap, strict=True):
            if wrap != "flat":
                found.append(n // self._step(n, step))
                continue
            padded = n + size - 1 if self.padding == "same" else n
            if padded < size:
                raise ModelError(f"A kernel of {size} points does not fit an axis of {n}.",
                                 "Choose a smaller kernel, fewer pools, or padding.")  # fmt: skip
            found.append((padded - size) // step + 1)
        return tuple(found)

    @staticmethod
    def _step(n: int, step: int) -> int:
        """The stride along a wrapped axis of n points."""
        if n == 1:
            return 1
        if n % step:
            raise ModelError(f"A stride of {step} does not divide an axis of {n} points.",
                             f"Shifts would be lost: choose a stride that divides {n}, or pool."
                             )  # fmt: skip
        return step

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, n1, ..., nd) -> (b, outputs, m1, ..., md)."""
        return self.convolved(x, self.kernel(), self.bias)

    def convolved(self, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """`forward` with other kernels of this size, of any number of outputs."""
        self.shape(x.shape[2:])
        steps, zeros, around = [], [0] * self.dimension, []
        for axis, (size, step) in enumerate(zip(self.size, self.stride, strict=True)):
            before, after = (size - 1) // 2, size // 2
            wrap = self.wrap[axis]
            steps.append(step if wrap == "flat" else self._step(x.shape[axis + 2], step))
            if wrap == "torus":
                around.append((axis + 2, before, after))
            elif wrap == "flat" and self.padding == "same":
                zeros[axis] = before
                if size % 2 == 0:  # torch would pad both sides alike
                    x = nn.functional.pad(x, [0, 0] * (self.dimension - 1 - axis) + [0, 1])
        x = wrapped(x, tuple(around))
        for axis, size in enumerate(self.size):
            if self.wrap[axis] == "moebius":
                other = (axis + 1) % self.dimension
                x = reflected(x, axis + 2, (size - 1) // 2, size // 2, other + 2)
        convolve = _CONVOLUTIONS[self.dimension]
        return convolve(x, kernel, bias, stride=steps, padding=zeros)


def each(what: str, value: int | Sequence[int], dimension: int) -> tuple[int, ...]:
    """One whole number of at least 1 for each axis."""
    values = (value,) * dimension if isinstance(value, int) else tuple(value)
    if len(values) != dimension or min(values) < 1:
        raise ModelError(f"A {what} of {value} does not fit {dimension} axes.",
                         "Give one number from 1, or one for each axis.")  # fmt: skip
    return values


def _wraps(wrap: str | Sequence[str], dimension: int) -> tuple[str, ...]:
    wraps = (wrap,) * dimension if isinstance(wrap, str) else tuple(wrap)
    if len(wraps) != dimension or not set(wraps) <= set(WRAPS):
        raise ModelError(f"The axes cannot be {wrap}.",
                         f"Give one of {', '.join(WRAPS)}, or one for each axis.")  # fmt: skip
    return wraps
