"""Multilayer perceptrons."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with leaky ReLU between them.

    Parameters
    ----------
    sizes : sequence of int
        Input, hidden ..., output.
    norm : bool
        LayerNorm after each hidden activation.
    dropout : float
        After each hidden activation.
    slope : float
        Of the leaky ReLU.
    """

    def __init__(
        self, *sizes: int, norm: bool = False, dropout: float = 0.0, slope: float = 0.01
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise(sizes)):
            layers.append(nn.Linear(a, b))
            if i < len(sizes) - 2:
                layers.append(nn.LeakyReLU(slope))
                if norm:
                    layers.append(nn.LayerNorm(b))
                if dropout > 0:
                    layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(..., sizes[0]) -> (..., sizes[-1])."""
        out: Tensor = self.layers(x)
        return out
