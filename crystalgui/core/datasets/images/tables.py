"""Batches of images for networks.

The bytes stay on the device; a batch becomes numbers there.  Nothing is
standardised here: a family that wants mean and spread learns them of its
training rows (`Network.standardise`), and every other sees [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalgui.core.datasets.images.dataset import ImageDataset

SHARE = 0.6
"""Of the free memory of an accelerator that a table may take."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageBatch:
    """Some images.

    Attributes
    ----------
    values : (b, c, h, w) float32
        In [0, 1].
    """

    values: Tensor

    @property
    def size(self) -> int:
        """Images, b."""
        return len(self.values)


class ImageTable:
    """Images of a data set on a device, as bytes.

    Parameters
    ----------
    data : ImageDataset, or (m, c, h, w) uint8
    device : torch.device or str
        Where batches are; bytes that do not fit there stay with the host.

    Attributes
    ----------
    values : (m, c, h, w) uint8
        On the device, or with the host.
    """

    def __init__(
        self, data: ImageDataset | NDArray[np.uint8], device: torch.device | str = "cpu"
    ) -> None:
        values = data.values if isinstance(data, ImageDataset) else data
        self.device = torch.device(device)
        self.values = torch.from_numpy(np.require(values, requirements=["C", "W"]))
        if self.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.device)
            if values.nbytes < SHARE * free:
                self.values = self.values.to(self.device)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """(c, h, w) of one image."""
        return tuple(self.values.shape[1:])

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.values.numel()

    def batch(self, index: Tensor) -> ImageBatch:
        """The images ``index`` ((b,) int64, on the device)."""
        some = self.values[index.to(self.values.device)].to(self.device)
        return ImageBatch(some.to(torch.float32).mul_(1 / 255))
