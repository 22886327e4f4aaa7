"""A few images of each class, read without the others, to look at a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.dataset import RECORDS, load_summary
from crystalgui.core.errors import DataError

MOST_CLASSES = 20
LARGEST = 64


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Images to look at.

    Attributes
    ----------
    folder : Path
        Of the data set.
    values : tuple of (n, h, w, 3) uint8
        Of each class, n of them or as many as it has; sides of at most `LARGEST`.
    side : int
        Points along the width of an image of the data set.
    """

    folder: Path
    values: tuple[NDArray[np.uint8], ...]
    side: int


def samples(folder: Path, each: int = 12) -> Samples:
    """The first images of each class, of at most `MOST_CLASSES` classes.

    Raises
    ------
    DataError
        When the folder holds no data set of images.
    """
    from safetensors import SafetensorError, safe_open

    summary = load_summary(folder)
    if summary.kind != "images":
        raise DataError("This is no data set of images.", "Choose another.", path=folder)
    try:
        with safe_open(folder / RECORDS, framework="numpy") as file:
            label = file.get_tensor("label")
            stored = file.get_slice("values")
            _, c, h, w = stored.get_shape()
            step = -(-max(h, w) // LARGEST)
            found = []
            for number in range(min(MOST_CLASSES, len(summary.classes))):
                rows = np.flatnonzero(label == number)[:each]
                some = [stored[int(row) : int(row) + 1][:, :, ::step, ::step] for row in rows]
                block = np.concatenate(some) if some else np.empty((0, c, 1, 1), np.uint8)
                colours = np.repeat(block, 3, axis=1) if c == 1 else block[:, :3]
                found.append(np.ascontiguousarray(colours.transpose(0, 2, 3, 1)))
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(
            "The data set cannot be read.", "Import the images again.", str(error), path=folder
        ) from error
    return Samples(folder, tuple(found), int(w))
