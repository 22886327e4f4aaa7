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
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(spread > least, 1 / spread.clamp(min=1e-30), 0.0))
