"""Standardising inputs by what the training rows had, kept in buffers."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

FLOOR = 1e-6


class Standardise(nn.Module):
    """Subtract the mean and divide by the spread of each feature.

    Features that never vary stay zero: what differs from a constant by
    rounding alone would otherwise be blown up to noise.

    Parameters
    ----------
    shape : tuple of int
        Shape of one input.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        """(b, ...) -> the same shape."""
        return (x - self.mean) * self.scale

    @torch.no_grad()
    def learn(self, inputs: Iterable[Tensor]) -> None:
        """Mean and spread over batches (b, ...), in one pass (Chan et al. 1983)."""
        count, mean, square = 0, None, None
        for x in inputs:
            wide = x.double()
            middle = wide.mean(0)
            own = (wide - middle).square_().sum(0)
            if mean is None or square is None:
                count, mean, square = len(x), middle, own
                continue
            total = count + len(x)
            step = middle - mean
            mean += step * (len(x) / total)
            square += own + step.square() * (count * len(x) / total)
            count = total
        if mean is None or square is None:
            return
        spread = (square / max(count, 1)).sqrt()
        least = FLOOR * torch.maximum(mean.abs(), spread.max())
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(spread > least, 1 / spread.clamp(min=1e-30), 0.0))
