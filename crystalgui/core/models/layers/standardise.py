"""Standardising inputs by what the training rows had, kept in buffers."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

FLOOR = 1e-6


class Standardise(nn.Module):
    """Subtract the mean and divide by the spread of each feature, and by their number.

    Features that never vary stay zero: what differs from a constant by
    rounding alone would otherwise be blown up to noise.

    Along a path between two Hamiltonians all hoppings move together.  A step
    of AdamW moves every weight alike, so a neuron of thousands of equal
    features would move thousands of times as far as its bias, and its kink
    would stay at the mean.  Divided by the number of features that a neuron
    reads, they act as one.

    Parameters
    ----------
    shape : tuple of int
        Shape of one input.
    together : int
        Trailing axes that one neuron of the next layer reads; 0 does not
        divide by the number of features.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, *shape: int, together: int = 0) -> None:
        super().__init__()
        self.together = together
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        """(b, ...) -> the same shape."""
        return (x - self.mean) * self.scale

    @torch.no_grad()
    def learn(self, inputs: Iterable[Tensor]) -> None:
        """Mean and spread over batches (b, ...), in one pass.

        Sums are of differences from the first input, so nothing cancels and a
        constant is exactly one.
        """
        count = 0
        for x in inputs:
            if count == 0:
                first = x[0].clone()
                total, square = torch.zeros(2, *first.shape, dtype=torch.float64, device=x.device)
            x = x - first
            total += x.sum(0)
            square += x.square_().sum(0)
            count += len(x)
        if count == 0:
            return
        away = total / count
        mean = first + away
        spread = (square / count - away.square()).clamp(min=0).sqrt()
        least = FLOOR * torch.maximum(mean.abs(), spread.max())
        scale = torch.where(spread > least, 1 / spread.clamp(min=1e-30), 0.0)
        if self.together:
            alive = (scale > 0).flatten(-self.together).sum(-1)
            scale = scale / alive.max().clamp(min=1)
        self.mean.copy_(mean)
        self.scale.copy_(scale)


class StandardiseChannels(Standardise):
    """One mean and one spread for each channel, over all points: shifts change neither."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n1, ..., nd) -> the same shape."""
        shape = (-1, *[1] * (x.ndim - 2))
        return (x - self.mean.reshape(shape)) * self.scale.reshape(shape)

    def learn(self, inputs: Iterable[Tensor]) -> None:
        """Mean and spread over batches (b, c, n1, ..., nd), in one pass."""
        super().learn(x.movedim(1, -1).flatten(0, -2) for x in inputs)
