"""Training with crystals whose atoms are pulled apart, labelled as what they are: trivial.

A network that has only seen crystals of a database need not know that isolated
atoms are trivial (Nop et al. 2025, Figs. 1 and 2).  Some of the training
crystals are therefore seen a second time with every length multiplied by a
factor that is drawn anew in each batch (once for trees, which grow on one
table), and with the label of the atomic limit.  Validation and test rows stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from crystalgui.core.datasets.collate import Batch
from crystalgui.core.training.inputs import Table

FROM, TO = 2.0, 6.0
"""Factors: at twice its length hardly a bond is left."""


class Expanded:
    """A table of crystals with more rows at its end, which are pulled apart.

    Parameters
    ----------
    table : Table
        Of n crystals.
    rows : (k,) int64
        Crystals that are seen a second time, as rows n to n + k - 1.
    cutoff : float, Angstrom
        Of the graphs: longer edges are left out.
    """

    def __init__(self, table: Table, rows: Tensor, cutoff: float) -> None:
        self._table, self._rows, self._cutoff = table, rows, cutoff
        self.device = table.device

    def __len__(self) -> int:
        return len(self._table) + len(self._rows)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._table.nbytes

    def batch(self, index: Tensor) -> Batch:
        """Crystals as they are, or pulled apart by a factor of torch's own generator."""
        known = len(self._table)
        again = index >= known
        own = index.clone()
        own[again] = self._rows[index[again] - known]
        batch: Batch = self._table.batch(own)
        if not bool(again.any()):
            return batch
        drawn = FROM + (TO - FROM) * torch.rand(len(index), device=index.device)
        factor = torch.where(again, drawn, 1.0)
        return scaled(batch, factor, self._cutoff)


def scaled(batch: Batch, factor: Tensor, cutoff: float) -> Batch:
    """Every length of each crystal multiplied by its ``factor`` (b,); symmetry stays.

    Edges that become longer than ``cutoff`` are left out.
    """
    one = factor.to(batch.lattice.dtype)
    each = one[batch.graph[batch.dst]] if len(batch.dst) else one[:0]
    distance = batch.distance * each
    kept = distance <= cutoff
    vector = batch.vector
    if len(vector):
        vector = (vector * each[:, None])[kept]
    return replace(
        batch,
        lattice=batch.lattice * one[:, None, None],
        src=batch.src[kept],
        dst=batch.dst[kept],
        count=batch.count[kept],
        distance=distance[kept],
        vector=vector,
    )


def expanded(
    table: Table,
    train: Tensor,
    target: Tensor,
    share: float,
    trivial: int,
    cutoff: float,
    seed: int,
) -> tuple[Expanded, Tensor, Tensor]:
    """A table, training rows and targets with a ``share`` of the training rows pulled apart.

    Parameters
    ----------
    train : (k,) int64
    target : (n,) int64
    share : float
        Rows that are added, in units of the training rows.
    trivial : int
        Number of the class of the atomic limit.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(train), generator=generator)
    some = train[order[: max(1, round(share * len(train)))].to(train.device)]
    new = torch.arange(len(some), device=train.device) + len(table)
    labels = torch.full((len(some),), trivial, dtype=target.dtype, device=target.device)
    wider = Expanded(table, some, cutoff)
    return wider, torch.cat([train, new]), torch.cat([target, labels])
