"""Input columns that learn alike are learnt once, exactly.

The hoppings of a crystal with time reversal repeat themselves: by Bird 2023,
eqs. 8-11, H_dd(A) = H_uu(A)* and H_du(A) = -H_ud(A)*, the cell A = 0 is
Hermitian, and many entries never change.  In a linear layer z = x W a column
that is zero in every sample contributes nothing and gets no gradient, and
columns that are equal up to sign get equal gradients up to sign.  AdamW works
entry by entry, so their weights move alike: the layer may be trained on one
column of each group, times the number of its members, and the weights of all
columns follow afterwards from the initial ones:

    w_c(t) = d(t) w_c(0) + s_c (v(t) - d(t) v(0)),   v = mean of s_c w_c,

with d(t) the product of all weight decays.  Equal means equal up to the
rounding of float32, so results agree to float tolerance, not to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCE = 3e-5
"""Largest difference of columns that count as equal, of their largest value."""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Which columns are learnt for which.

    Attributes
    ----------
    kept : (f,) int64
        Columns that are learnt, one of each group.
    group : (F,) int64
        Place in ``kept`` of the one that each column follows; -1: zero everywhere.
    sign : (F,) float32
        +1 or -1: ``x[c] = sign[c] * x[kept[group[c]]]``; 0 for columns that are zero.
    members : (f,) float32
        How many columns each stands for.
    """

    kept: Tensor
    group: Tensor
    sign: Tensor
    members: Tensor

    @classmethod
    def none(cls, columns: int) -> Fold:
        """Every column is learnt by itself."""
        every = torch.arange(columns)
        return cls(every, every.clone(), torch.ones(columns), torch.ones(columns))

    def mean(self, weight: Tensor) -> Tensor:
        """(f, h) of the (h, F) weight of a linear layer: the mean of its signed columns."""
        used = self.group >= 0
        out = weight.new_zeros(len(self.kept), len(weight))
        signed = (weight * self.sign)[:, used].T
        out.index_add_(0, self.group[used], signed)
        return out / self.members[:, None]

    def unfold(self, now: Tensor, start: Tensor, shrink: float) -> Tensor:
        """(h, F) weight of all columns after training.

        Parameters
        ----------
        now : (f, h)
            Learnt weight, as `mean` gives it.
        start : (h, F)
            Weight before the first step.
        shrink : float
            Product of 1 - learning rate * decay over all steps.
        """
        moved = (now - shrink * self.mean(start)).T
        used = self.group >= 0
        out = shrink * start
        out[:, used] += moved[:, self.group[used]] * self.sign[used]
        return out


def find(chunks: Callable[[], Iterator[Tensor]], tolerance: float = TOLERANCE) -> Fold:
    """The fold of all samples.

    Columns are sorted by three random projections of them; neighbours that
    agree are candidates, and each candidate is compared with the one it would
    follow in every sample.

    Parameters
    ----------
    chunks : callable
        Gives all samples anew in chunks of (m, F) float32; called twice.
    tolerance : float
        Largest difference, as a part of the column's largest value.
    """
    random = torch.Generator().manual_seed(0)
    projected, largest = None, None
    for chunk in chunks():
        weights = torch.randn(3, len(chunk), generator=random, dtype=torch.float64)
        part = weights.to(chunk) @ chunk
        top = chunk.abs().amax(0)
        projected = part.double() if projected is None else projected + part
        largest = top if largest is None else torch.maximum(largest, top)
    assert projected is not None
    assert largest is not None
    group, sign = _candidates(projected.cpu(), largest.cpu(), tolerance)
    group, sign = _verified(chunks(), group, sign, tolerance * largest.cpu())
    kept, place = torch.unique(group[group >= 0], return_inverse=True)
    folded = torch.full_like(group, -1)
    folded[group >= 0] = place
    members = torch.bincount(place, minlength=len(kept)).float()
    return Fold(kept, folded, torch.where(group >= 0, sign, 0.0), members)


def _candidates(projected: Tensor, largest: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    """(F,) column that each would follow, -1 for zero ones, and its sign."""
    sign = torch.where(projected[0] < 0, -1.0, 1.0)
    keys = projected * sign
    order = torch.argsort(keys[0])
    alive = largest > 0
    close = tolerance * float(projected[:, alive].abs().median()) if alive.any() else 0.0
    pairs = []
    for shift in range(1, 5):
        first, second = order[:-shift], order[shift:]
        alike = ((keys[:, first] - keys[:, second]).abs() <= close).all(0)
        pairs.append(torch.stack([first[alike], second[alike]]))
    leader = _leaders(torch.cat(pairs, 1), len(sign))
    return torch.where(largest > 0, leader, -1), (sign * sign[leader]).float()


def _leaders(pairs: Tensor, number: int) -> Tensor:
    """(number,) smallest member of the group that each belongs to, by (2, p) pairs."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = pairs.numpy()
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(number, number))
    _, label = connected_components(graph, directed=False)
    _, leader, place = np.unique(label, return_index=True, return_inverse=True)
    return torch.from_numpy(leader[place])


def _verified(
    chunks: Iterator[Tensor], group: Tensor, sign: Tensor, most: Tensor
) -> tuple[Tensor, Tensor]:
    """The same; columns that differ by more than (F,) ``most`` from their leader are set free."""
    free = torch.zeros(len(group), dtype=torch.bool)
    every = torch.arange(len(group))
    follows = (group >= 0) & (group != every)
    for chunk in chunks:
        own = chunk[:, follows.to(chunk.device)]
        led = chunk[:, group[follows].to(chunk.device)]
        off = (own - led * sign[follows].to(chunk)).abs().amax(0).cpu()
        free[follows] |= off > most[group[follows]]
    return torch.where(free, every, group), torch.where(free, 1.0, sign)
