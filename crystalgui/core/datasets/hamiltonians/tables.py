"""Batches and tables of Hamiltonians for networks.

Hoppings (Bird 2023, section 2.3): without noise a batch is made from the two
ends and one number a row; with noise, crops are made once and mapped from a
file.  Only the cells of the crop that have hoppings are kept.  Zones are small
and are kept in half precision.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalgui.core.datasets.hamiltonians.crop import CELLS, crop, crop_steps, live
from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
from crystalgui.core.datasets.hamiltonians.zone_dataset import ZoneDataset

Singles = NDArray[np.float32]
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
    live : (w,) int64
        Cells of the crop that are not zero everywhere.
    values : (m, w, n, n, 2) float32, eV, or None
        Every sample, in memory or mapped; without noise none is needed.
    alpha : (m,) float32
    start, end : (w, n, n, 2) float32, eV
    device : torch.device or str
        Where batches are; values that do not fit stay with the host.
    """

    def __init__(
        self,
        live: NDArray[np.int64],
        values: Singles | None,
        alpha: Singles,
        start: Singles,
        end: Singles,
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.live = torch.from_numpy(live).to(self.device)
        self.alpha = torch.from_numpy(alpha).to(self.device)
        self.start = torch.from_numpy(start).to(self.device)
        self.change = torch.from_numpy(end).to(self.device) - self.start
        self.host = values
        self.values: Tensor | None = None
        if values is not None and _belongs_on(self.device, values.nbytes):
            self.values = torch.from_numpy(np.ascontiguousarray(values)).to(self.device)

    def __len__(self) -> int:
        return len(self.alpha)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        held = sum(t.numel() * t.element_size() for t in (self.alpha, self.start, self.change))
        return held + (self.host.nbytes if self.host is not None else 0)

    def batch(self, index: Tensor) -> HoppingBatch:
        """The Hamiltonians ``index`` ((b,) int64, on the device)."""
        some = self._compact(index)
        whole = some.new_zeros(len(some), len(CELLS), *some.shape[2:])
        whole[:, self.live] = some
        return HoppingBatch(whole)

    def _compact(self, index: Tensor) -> Tensor:
        """(b, w, n, n, 2)."""
        if self.values is not None:
            return self.values[index]
        if self.host is not None:
            return torch.from_numpy(self.host[index.cpu().numpy()]).to(self.device)
        weight = self.alpha[index][:, None, None, None, None]
        return torch.addcmul(self.start, weight, self.change)


class ZoneTable:
    """Zones of a data set on a device, in half precision.

    Zones of a lower dimension are repeated along the axes without bonds, so
    that every batch is one array.
    """

    def __init__(self, dataset: ZoneDataset, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.dataset = dataset
        self.dimension = torch.from_numpy(dataset.dimension).to(self.device)
        self.values: Tensor | None = None
        if self.device.type == "cuda":
            self.values = torch.from_numpy(dataset.values).to(self.device)

    def __len__(self) -> int:
        return len(self.dimension)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        own = self.values
        return own.numel() * own.element_size() if own is not None else self.dataset.packed.nbytes

    def batch(self, index: Tensor) -> ZoneBatch:
        """The zones ``index`` ((b,) int64, on the device), float32."""
        if self.values is not None:
            return ZoneBatch(self.values[index].float(), self.dimension[index])
        values = torch.from_numpy(self.dataset.batch(index.numpy()))
        return ZoneBatch(values, self.dimension[index])


def hopping_steps(
    dataset: PhaseDataset, device: torch.device | str = "cpu", folder: Path | None = None
) -> Generator[int, None, HoppingTable]:
    """Make the table of a data set, step by step.

    Parameters
    ----------
    folder : Path, optional
        Where hoppings with noise are kept for the next time.

    Yields
    ------
    int
        Hamiltonians done.
    """
    wanted = live(dataset)
    cells = np.asarray(CELLS)[wanted]
    ends = [crop(dataset.cells, h.matrices, cells).astype(np.float32) for h in dataset.ends()]
    values = None
    if dataset.recipe.strength > 0:
        values = (yield from crop_steps(dataset, folder)).values
    alpha = dataset.alpha.astype(np.float32)
    return HoppingTable(np.flatnonzero(wanted), values, alpha, ends[0], ends[1], device)


def _belongs_on(device: torch.device, size: int) -> bool:
    """Whether ``size`` bytes go to an accelerator; the host keeps its own as they are."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return size < SHARE * free
