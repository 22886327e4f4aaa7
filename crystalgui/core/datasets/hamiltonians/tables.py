"""Batches and tables of Hamiltonians for networks.

Hoppings (Bird 2023, section 2.3): a sample is start + alpha (end - start) +
noise, so the table keeps the two ends, alpha, and the noise on the cells of
the crop that have any; without noise a batch is made from one number a row.
Zones are small and are kept whole in half precision.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset

CROP = np.array(list(itertools.product(range(3), repeat=3)))
"""(27, 3): lattice vectors A of the crop, the last component runs fastest."""
STEP = 128
SHARE = 0.6
"""Of the free memory of an accelerator that a table may take."""


@dataclass(frozen=True, slots=True, eq=False)
class HoppingBatch:
    """Cropped hoppings of some Hamiltonians of one crystal.

    Attributes
    ----------
    values : (b, 27, n, n, 2) float32, eV
        Real and imaginary part of H_ij(A), A in {0, 1, 2}^3 (eq. 5).
    """

    values: Tensor

    @property
    def size(self) -> int:
        """Hamiltonians, b."""
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class ZoneBatch:
    """Gauge-invariant channels over the Brillouin zones of some Hamiltonians.

    Attributes
    ----------
    values : (b, c, n1, n2, n3) float32
        Periodic along the last three axes.
    dimension : (b,) int64
        1, 2 or 3: directions in which the crystal has bonds.
    """

    values: Tensor
    dimension: Tensor

    @property
    def size(self) -> int:
        """Zones, b."""
        return len(self.values)


class HoppingTable:
    """Cropped hoppings of a data set; make one with `hopping_steps`.

    Parameters
    ----------
    start, end : (27, n, n, 2) float32, eV
    alpha : (m,) float32
    place : (a,) int64
        Cells of the crop that have noise.
    noise : (m, a, n, n, 2) float32, eV, or None
    device : torch.device or str
        Where batches are; noise that does not fit stays with the host.
    """

    def __init__(
        self,
        start: NDArray[np.float32],
        end: NDArray[np.float32],
        alpha: NDArray[np.float32],
        place: NDArray[np.int64],
        noise: Tensor | None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.alpha = torch.from_numpy(alpha).to(self.device)
        self.start = torch.from_numpy(start).to(self.device)
        self.change = torch.from_numpy(end).to(self.device) - self.start
        self.place = torch.from_numpy(place).to(self.device)
        if noise is not None and _fits(noise, self.device):
            noise = noise.to(self.device)
        self.noise = noise

    def __len__(self) -> int:
        return len(self.alpha)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input: (27, n, n, 2)."""
        return tuple(self.start.shape)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        held = (self.alpha, self.start, self.change, self.noise)
        return sum(t.numel() * t.element_size() for t in held if t is not None)

    def batch(self, index: Tensor) -> HoppingBatch:
        """The Hamiltonians ``index`` ((b,) int64, on the device)."""
        weight = self.alpha[index][:, None, None, None, None]
        values = torch.addcmul(self.start, weight, self.change)
        if self.noise is not None:
            added = self.noise[index.to(self.noise.device)].to(self.device, non_blocking=True)
            values.index_add_(1, self.place, added)
        return HoppingBatch(values)


class ZoneTable:
    """Zones of a data set on a device, in half precision.

    Parameters
    ----------
    values : (m, c, n1, n2, n3) float16
    dimension : (m,) int64
    """

    def __init__(
        self,
        values: NDArray[np.float16],
        dimension: NDArray[np.int64],
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.values = torch.from_numpy(values).to(self.device)
        self.dimension = torch.from_numpy(dimension).to(self.device)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nbytes(self) -> int:
        """Bytes held on the device."""
        return self.values.numel() * self.values.element_size()

    def batch(self, index: Tensor) -> ZoneBatch:
        """The zones ``index`` ((b,) int64, on the device), float32."""
        return ZoneBatch(self.values[index].float(), self.dimension[index])


def hopping_steps(
    dataset: PhaseDataset, device: torch.device | str = "cpu", rows: NDArray[np.int64] | None = None
) -> Generator[int, None, HoppingTable]:
    """Make the table of a data set, or of some of its rows, step by step.

    Yields
    ------
    int
        Hamiltonians done.
    """
    rows = np.arange(len(dataset)) if rows is None else rows
    which, place = cropped(dataset.cells)
    start, end = (_whole(np.asarray(h.matrices)[which], place) for h in dataset.ends())
    noise = None
    if dataset.recipe.strength > 0:
        n = start.shape[1]
        noise = torch.empty(len(rows), len(place), n, n, 2)
        for first in range(0, len(rows), STEP):
            made = dataset.noise_matrices(rows[first : first + STEP])[:, which]
            noise[first : first + STEP] = torch.from_numpy(_reals(made))
            yield min(first + STEP, len(rows))
    alpha = dataset.alpha[rows].astype(np.float32)
    return HoppingTable(start, end, alpha, place, noise, device)


def cropped(cells: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of the lattice vectors ``cells`` (c, 3) are in the crop, and where in it.

    Returns
    -------
    which, place : (a,) int64
        ``CROP[place]`` is ``cells[which]``.
    """
    which = np.flatnonzero(((cells >= 0) & (cells <= 2)).all(1))
    return which, cells[which] @ np.array([9, 3, 1])


def _whole(matrices: NDArray[Any], place: NDArray[np.int64]) -> NDArray[np.float32]:
    found = np.zeros((len(CROP), *matrices.shape[1:], 2), np.float32)
    found[place] = _reals(matrices)
    return found


def _reals(matrices: NDArray[Any]) -> NDArray[np.float32]:
    return np.stack([matrices.real, matrices.imag], -1).astype(np.float32)


def _fits(values: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return values.numel() * values.element_size() < SHARE * free
