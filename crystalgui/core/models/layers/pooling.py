"""Pooling: over windows to shrink a tensor, over all of it to forget where.

Both are functions of a set, which do not know the order of their points (the
class A of Bird 2023, eq. 18).  A window that divides the length moves with the
tensor, so a local pool is equivariant; a global pool is invariant under every
shift (rows B23-B25).  Minimum and maximum send their gradient to one point,
the mean sends the same to all of them (eq. 20).

Layout: (b, c, n1, ..., nd).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from crystalgui.core.errors import ModelError
from crystalgui.core.models.layers.convolution import each

KINDS = ("mean", "max", "min", "std", "sort")
"""Global pools."""
HIGH_BANDWIDTH = ("mean", "max", "min")
"""What the paper concatenates, section 3.2."""
LOCAL = ("max", "mean")

_FLOOR = 1e-8
"""Under the root of a standard deviation, whose slope is infinite at zero."""

_LOCAL: dict[tuple[str, int], Callable[..., Tensor]] = {
    ("max", 1): nn.functional.max_pool1d,
    ("max", 2): nn.functional.max_pool2d,
    ("max", 3): nn.functional.max_pool3d,
    ("mean", 1): nn.functional.avg_pool1d,
    ("mean", 2): nn.functional.avg_pool2d,
    ("mean", 3): nn.functional.avg_pool3d,
}


def pooled(x: Tensor, kinds: Sequence[str] = HIGH_BANDWIDTH) -> Tensor:
    """(b, c, n1, ..., nd) -> (b, features): global pools of each channel, one kind after another.

    ``"sort"`` keeps every value, in order, n1 ... nd for each channel.
    """
    return torch.cat([pool.flatten(1) for pool in pools(x.flatten(2), 2, kinds)], 1)


def pools(x: Tensor, axis: int, kinds: Sequence[str]) -> list[Tensor]:
    """Pools over one axis; ``"sort"`` keeps it.

    An extremum hands its gradient to one point, also where several are as high.
    """
    mean = x.mean(axis) if "mean" in kinds or "std" in kinds else None
    found = []
    for kind in kinds:
        if kind == "max":
            found.append(x.max(axis).values)
        elif kind == "min":
            found.append(x.min(axis).values)
        elif kind == "sort":
            found.append(x.sort(axis).values)
        else:
            assert mean is not None
            found.append(mean if kind == "mean" else _spread(x, mean, axis))
    return found


def _spread(x: Tensor, mean: Tensor, axis: int) -> Tensor:
    return ((x - mean.unsqueeze(axis)).square().mean(axis) + _FLOOR).sqrt()


class GlobalPool(nn.Module):
    """A set of global pools, concatenated; three make a network of "high bandwidth".

    Parameters
    ----------
    kinds : sequence of {"mean", "max", "min", "std", "sort"}
    """

    def __init__(self, kinds: Sequence[str] = ("mean",)) -> None:
        super().__init__()
        self.kinds = tuple(kinds)
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise ModelError(f"{', '.join(self.kinds) or 'Nothing'} is no set of global pools.",
                             f"Choose from {', '.join(KINDS)}.")  # fmt: skip

    def features(self, channels: int, points: int = 1) -> int:
        """Numbers that come out; ``points`` is n1 ... nd, of which only ``"sort"`` depends."""
        return channels * sum(points if kind == "sort" else 1 for kind in self.kinds)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n1, ..., nd) -> (b, features)."""
        return pooled(x, self.kinds)


class LocalPool(nn.Module):
    """Maximum or mean over windows side by side (row B23).

    Parameters
    ----------
    size : int or one for each axis
        Points of a window; must divide the length.  An axis of length 1 stays.
    dimension : {1, 2, 3}
    kind : {"max", "mean"}
    """

    def __init__(
        self, size: int | Sequence[int] = 2, dimension: int = 2, kind: str = "max"
    ) -> None:
        super().__init__()
        if (kind, dimension) not in _LOCAL:
            raise ModelError(f"There is no local {kind} pool in {dimension} dimensions.",
                             "Choose max or mean, in 1, 2 or 3 dimensions.")  # fmt: skip
        self.kind, self.dimension = kind, dimension
        self.size = each("window", size, dimension)

    def windows(self, lengths: Sequence[int]) -> tuple[int, ...]:
        """The window along each axis of a tensor."""
        found = tuple(1 if n == 1 else size for n, size in zip(lengths, self.size, strict=True))
        for n, size in zip(lengths, found, strict=True):
            if n % size:
                raise ModelError(f"A window of {size} does not divide an axis of {n} points.",
                                 f"Choose a window that divides {n}.")  # fmt: skip
        return found

    def shape(self, lengths: Sequence[int]) -> tuple[int, ...]:
        """Lengths of the output's axes for those of the input."""
        return tuple(n // w for n, w in zip(lengths, self.windows(lengths), strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n1, ..., nd) -> (b, c, n1 / size, ..., nd / size)."""
        windows = self.windows(x.shape[2:])
        if math.prod(windows) == 1:
            return x
        pool = _LOCAL[self.kind, self.dimension]
        out: Tensor = pool(x, windows)
        return out


class Anchor(nn.Module):
    """Moves each sample by at most one point along each axis, so that the even points hold
    the sublattice on which its activations are strongest.

    Adaptive polyphase sampling (Chaman and Dokmanic 2021): what is kept does not
    depend on where the sample began.  Axes of odd length are left alone.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n1, ..., nd) -> the same shape."""
        strength = x.detach().square().sum(1).double()
        for axis in range(1, strength.ndim):
            n = strength.shape[axis]
            if n % 2:
                strength = strength.sum(axis, keepdim=True)
            else:
                pairs = (*strength.shape[:axis], n // 2, 2, *strength.shape[axis + 1 :])
                strength = strength.reshape(pairs).sum(axis)
        best = strength.flatten(1).argmax(1)
        place, below = torch.zeros_like(best)[:, None], 1
        for axis in range(x.ndim - 1, 1, -1):  # where in (n1 ... nd) each point comes from
            n, choices = x.shape[axis], strength.shape[axis - 1]
            along = (torch.arange(n, device=x.device) + (best % choices)[:, None]) % n
            place = (along[:, :, None] * below + place[:, None, :]).flatten(1)
            best, below = best // choices, below * n
        flat = x.flatten(2)
        return flat.gather(2, place[:, None].expand(-1, x.shape[1], -1)).reshape(x.shape)
