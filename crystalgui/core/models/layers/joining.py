"""Joining what layers found: added to their input, side by side, or multiplied.

A residual block adds, and so takes for granted that both tensors speak of the
same things in the same basis (Bird 2023, eq. 21 and section 2.7.2).  A direct
sum keeps both bases (eq. 22); a tensor product has a number for every pair,
as entanglement needs (eq. 23).

Layout: (b, c) or (b, c, n1, ..., nd); channels are joined, points stay.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crystalgui.core.errors import ModelError


class Residual(nn.Module):
    """``f(x) + x``, or ``beta f(x) + (1 - beta) x`` with one trained gate (row B26).

    Parameters
    ----------
    body : nn.Module
        f; must keep the shape.
    gated : bool
        Train ``beta``: at 0 the block is the identity, at 1 it is f alone.
    beta : float
        Gate before training.
    """

    beta: Tensor | None

    def __init__(self, body: nn.Module, gated: bool = False, beta: float = 0.5) -> None:
        super().__init__()
        self.body = body
        self.beta = nn.Parameter(torch.tensor(float(beta))) if gated else None

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, ...) -> the same shape."""
        found: Tensor = self.body(x)
        if found.shape != x.shape:
            raise ModelError(
                f"{tuple(found.shape[1:])} cannot be added to {tuple(x.shape[1:])}.",
                "A residual block keeps channels and lengths: pool outside of it.",
            )
        if self.beta is None:
            return found + x
        return x + self.beta * (found - x)


def direct_sum(*parts: Tensor) -> Tensor:
    """Channels side by side (eq. 22): (b, c1, ...), (b, c2, ...) -> (b, c1 + c2, ...)."""
    return torch.cat(parts, 1)


def tensor_product(first: Tensor, second: Tensor) -> Tensor:
    """Products of all pairs of channels (eq. 23): (b, c1, ...), (b, c2, ...) -> (b, c1 c2, ...).

    Channel ``i c2 + j`` is ``first[:, i] * second[:, j]``, point by point.
    """
    if first.shape[2:] != second.shape[2:]:
        raise ModelError(
            f"Points of {tuple(first.shape[2:])} and {tuple(second.shape[2:])} have no product.",
            "Pool the larger tensor first.",
        )
    return (first.unsqueeze(2) * second.unsqueeze(1)).flatten(1, 2)
