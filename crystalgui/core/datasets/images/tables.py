"""Batches of images for networks."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


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
