"""Layers of the Brillouin zone: shells of neighbours, and pooling over all of it.

A sampled reciprocal cell closes on itself, so a convolution over it is one on
a discrete torus (Bird 2023, section 2.6; any kernel: `convolution`).  Every
layer here commutes with shifts of the mesh, and what is pooled over the whole
mesh does not change under them (eq. 18: mean, maximum, minimum, standard
deviation).

Layout: (b, n1, ..., nd, c), channels last.  An axis of length 1 is one in
which nothing depends on k; it gives the same numbers as the same tensor
repeated along that axis, so that crystals of one, two and three dimensions
share a network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from crystalgui.core.models.layers.pooling import pools

POOLS = ("mean", "max", "min", "std")
"""Global poolings, in the order of `pooled`."""


def shells(x: Tensor, reach: int | float = 1) -> Tensor:
    """Sums over the neighbours of every point that signed permutations of the axes mix.

    Of the 27 points 0, +-s on three axes these are four: the point itself,
    and the means over 6 faces, 12 edges and 8 corners (0 axes moved, 1, 2,
    3).  Which reciprocal vectors span the cell, and their signs, are
    conventions; a kernel that is constant on a shell does not know them.

    Parameters
    ----------
    x : (b, n1, n2, n3, c)
    reach : int or float
        Distance s of the neighbours in points; a float below 1 is a part of
        the length of each axis (1/2 joins the time-reversal invariant momenta).

    Returns
    -------
    (b, n1, n2, n3, 4 c)
    """
    return torch.cat(_shells(x, reach), dim=-1)


def _shells(x: Tensor, reach: int | float) -> list[Tensor]:
    """The four of `shells`, apart."""
    sums = [x]
    for axis in (1, 2, 3):
        moved = [_beside(t, axis, reach) for t in sums]
        new = [a + b for a, b in zip(sums[1:], moved[:-1], strict=True)]
        sums = [x, *new, moved[-1]]
    weights = (1, 1 / 6, 1 / 12, 1 / 8)
    return [t if w == 1 else t * w for t, w in zip(sums, weights, strict=True)]


def _beside(x: Tensor, axis: int, reach: int | float) -> Tensor:
    """Sum of both neighbours along an axis."""
    n = x.shape[axis]
    step = (reach if isinstance(reach, int) else round(reach * n)) % n
    if step == 0:
        return 2 * x
    if 2 * step == n:
        return 2 * x.roll(step, axis)
    around = torch.cat([x.narrow(axis, n - step, step), x, x.narrow(axis, 0, step)], axis)
    return around.narrow(axis, 0, n) + around.narrow(axis, 2 * step, n)


class ShellConv(nn.Module):
    """Toroidal convolution with a kernel that is constant on the four `shells`.

    It commutes with shifts and with signed permutations of the axes, and costs
    4/27 of a full kernel.
    """

    def __init__(self, channels: int, outputs: int, reach: int | float = 1) -> None:
        super().__init__()
        self.reach = reach
        self.mix = nn.Linear(4 * channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n1, n2, n3, channels) -> (b, n1, n2, n3, outputs)."""
        weights = self.mix.weight.chunk(4, 1)
        parts = zip(_shells(x, self.reach), weights, strict=True)
        out: Tensor = sum((t @ w.T for t, w in parts), self.mix.bias)
        return out


def pooled(x: Tensor) -> Tensor:
    """Mean, maximum, minimum and standard deviation over the whole torus: (b, 4 c)."""
    return torch.cat(pools(x.flatten(1, -2), 1, POOLS), dim=1)


class GatedPool(nn.Module):
    """Mean over the torus with weights that each point gives itself (softmax over k).

    Several heads look at different parts of the zone, e.g. at the smallest gap.
    """

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.score = nn.Linear(channels, heads)

    def forward(self, x: Tensor) -> Tensor:
        """(b, n1, ..., nd, channels) -> (b, heads * channels)."""
        flat = x.flatten(1, -2)
        weight = self.score(flat).softmax(1)
        return torch.einsum("bkh,bkc->bhc", weight, flat).flatten(1)
