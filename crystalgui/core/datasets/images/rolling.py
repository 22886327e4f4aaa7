"""Sample rolling: periodic shifts of images and zones, fresh for every sample and batch.

Bird (2023), section 2.10: "a hyper-parameter chi, the degree of rolling, is
used to produce two uniform random integers" in [-chi, chi], "with differing
random variables drawn per sample and per batch, throughout the training and
evaluation".  A shift is index arithmetic on the device, equal to
``torch.roll`` sample by sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

_LARGE = 1 << 31
_STREAM = 7_919
"""Keeps shifts apart from other numbers that are drawn with the same seed."""


def roll(values: Tensor, shifts: Tensor) -> Tensor:
    """Shift samples periodically along their last axes, each by its own amount.

    Parameters
    ----------
    values : (..., c, n1, ..., nd)
        Of any type; all channels of a sample are shifted alike.
    shifts : (..., d) int64, on the same device
        Points along each axis, as in ``torch.roll``.  Its leading axes are
        those of ``values`` or broadcast with them: (replicas, b, 2) shifts of
        (b, c, h, w) values give (replicas, b, c, h, w).
    """
    d = shifts.shape[-1]
    sizes = values.shape[-d:]
    place: Tensor | None = None
    for axis, size in enumerate(sizes):
        along = (torch.arange(size, device=values.device) - shifts[..., axis, None]) % size
        along = along.reshape(*shifts.shape[:-1], *(size if a == axis else 1 for a in range(d)))
        place = along if place is None else place * size + along
    assert place is not None
    flat, index = values.flatten(-d), place.flatten(-d).unsqueeze(-2)
    lead = np.broadcast_shapes(flat.shape[:-2], index.shape[:-2])
    tail = flat.shape[-2:]
    moved = flat.expand(*lead, *tail).gather(-1, index.expand(*lead, *tail))
    return moved.reshape(*lead, tail[0], *sizes)


def draw(
    chi: int | Tensor,
    shape: Sequence[int],
    device: torch.device | str = "cpu",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Uniform integers of {-chi, ..., chi}, ``shape`` int64 on the device.

    Parameters
    ----------
    chi : int, or an int64 tensor that broadcasts with ``shape``
        E.g. (replicas, 1, 1) for a degree of rolling of each replica.
    generator : torch.Generator, optional
        Without one, the global one of the device, which checkpoints keep.
        The numbers are drawn where the generator is.
    """
    where = generator.device if generator is not None else torch.device(device)
    drawn = torch.randint(_LARGE, tuple(shape), generator=generator, device=where).to(device)
    return drawn % (2 * chi + 1) - chi


def fixed(seed: int, epoch: int) -> torch.Generator:
    """The generator of shifts of an evaluation: it depends on seed and epoch alone."""
    return torch.Generator().manual_seed(((seed * 1_000_003 + epoch) * _STREAM + 1) % (1 << 63))


class Shiftable(Protocol):
    """A table whose batches are dataclasses with ``values`` (b, c, n1, ..., nd)."""

    device: torch.device

    def __len__(self) -> int:
        """Rows."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        ...

    def batch(self, index: Tensor) -> Any:
        """Samples of the rows ``index``."""
        ...


class Rolled:
    """A table of images or zones whose samples are rolled.

    Parameters
    ----------
    table : Shiftable
    chi : int
        Degree of rolling, 0 for none.
    generator : torch.Generator, optional
        Of the shifts; without one, the global one.
    """

    def __init__(
        self, table: Shiftable, chi: int, generator: torch.Generator | None = None
    ) -> None:
        self.device, self.chi = table.device, chi
        self._table, self._generator = table, generator

    def __len__(self) -> int:
        return len(self._table)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._table.nbytes

    @property
    def plain(self) -> Shiftable:
        """The table without rolling."""
        return self._table

    def batch(self, index: Tensor) -> Any:
        """The samples ``index``, each shifted by an amount of its own."""
        some = self._table.batch(index)
        if self.chi == 0:
            return some
        values = some.values
        shape = (len(values), values.ndim - 2)
        shifts = draw(self.chi, shape, self.device, self._generator)
        return replace(some, values=roll(values, shifts))

    def fixed(self, seed: int, epoch: int) -> Rolled:
        """The same with shifts that depend on seed, epoch and order of the rows alone."""
        return Rolled(self._table, self.chi, fixed(seed, epoch))


def rolled(table: Any, chi: int) -> Any:
    """The table with samples rolled by up to ``chi``, or as it is."""
    return Rolled(table, chi) if chi else table


def for_evaluation(table: Any, seed: int, epoch: int) -> Any:
    """The table as evaluation reads it: rolled reproducibly, or as it is."""
    return table.fixed(seed, epoch) if isinstance(table, Rolled) else table
