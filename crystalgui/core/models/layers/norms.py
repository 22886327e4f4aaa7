"""Activations of a common size: norms that know no place, and the leaky ReLU.

Attention weighs read-outs, so they must come in one size (Bird 2023, section
2.8.1).  Batch norm makes them so by what other samples are; the paper prefers
to normalise each tensor by itself, which leaves the equivariance as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crystalgui.core.errors import ModelError

NORMS = ("tensor", "batch", "none")
SLOPE = 0.01
"""Of the leaky ReLU (row B28)."""


def norm(kind: str, channels: int) -> nn.Module:
    """The norm of that name for tensors (b, channels, ...)."""
    if kind == "tensor":
        return TensorNorm(channels)
    if kind == "batch":
        return BatchNorm(channels)
    if kind == "none":
        return nn.Identity()
    raise ModelError(f'"{kind}" is no norm.', f"Choose from {', '.join(NORMS)}.")


def activation() -> nn.Module:
    """The leaky ReLU of the paper."""
    return nn.LeakyReLU(SLOPE)


class TensorNorm(nn.Module):
    """Each sample to mean 0 and spread 1 over all its channels and points (row B28).

    Over all channels at once: over the points of each channel alone, what a
    global mean reads would always be zero.  A gain and an offset for each
    channel are trained.

    Parameters
    ----------
    channels : int
    eps : float
        Added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, ...) -> the same shape."""
        return nn.functional.group_norm(x, 1, self.weight, self.bias, self.eps)


class BatchNorm(nn.Module):
    """Each channel to mean 0 and spread 1 over the batch and all points.

    As torch's, but for any number of axes and without a counter, so that many
    replicas can be mapped over stacked weights and buffers.

    Parameters
    ----------
    channels : int
    momentum : float
        Part of the running mean and variance that a batch replaces.
    eps : float
        Added to the variance.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, ...) -> the same shape."""
        return nn.functional.batch_norm(
            x, self.mean, self.variance, self.weight, self.bias,
            self.training, self.momentum, self.eps,
        )  # fmt: skip
