"""Sums over the edges of a node and the nodes of a crystal, and radial bases."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def scatter_sum(x: Tensor, index: Tensor, size: int) -> Tensor:
    """(n, f) values added into (size, f) rows by (n,) ``index``; deterministic on the CPU."""
    width = x.shape[1]
    return x.new_zeros((size, width)).scatter_add(0, index[:, None].expand(-1, width), x)


def take(x: Tensor, index: Tensor) -> Tensor:
    """Rows (n, f) of (m, f); its gradient is deterministic and faster than ``x[index]``'s."""
    return x.index_select(0, index)


class Gaussians(nn.Module):
    """Distances expanded in Gaussians, times a smooth cutoff.

    Parameters
    ----------
    number : int
    cutoff : float, Angstrom
    start : float, Angstrom
        Centre of the first Gaussian.
    """

    def __init__(self, number: int, cutoff: float, start: float = 1.0) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.width = max(cutoff - start, 0.5) / max(number - 1, 1)
        centres = start + self.width * torch.arange(number)
        self.centres: Tensor
        self.register_buffer("centres", centres.float(), persistent=False)

    def forward(self, distance: Tensor) -> Tensor:
        """(e,) Angstrom -> (e, number)."""
        x = (distance[:, None] - self.centres.to(distance.dtype)) / self.width
        envelope = 0.5 * (torch.cos(math.pi * (distance / self.cutoff).clamp(max=1.0)) + 1)
        return torch.exp(-0.5 * x * x) * envelope[:, None]
