"""Small made-up images whose class can be seen wherever they are shifted to."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crystalgui.core.datasets.images.dataset import ImageDataset, Origin, assemble

CLASSES = ("dot", "bar", "cross")


def pictures(
    folder: Path, size: int = 60, side: int = 8, channels: int = 1, seed: int = 2
) -> ImageDataset:
    """A saved data set of dots, bars and crosses at random places of a torus, with noise."""
    rng = np.random.default_rng(seed)
    label = np.arange(size, dtype=np.int64) % len(CLASSES)
    values = rng.integers(0, 40, (size, channels, side, side), dtype=np.uint8)
    for i, kind in enumerate(label):
        shape = np.zeros((side, side), np.uint8)
        shape[2, 2] = 200
        if kind >= 1:
            shape[2, 1:4] = 200
        if kind == 2:
            shape[1:4, 2] = 200
        values[i] += np.roll(shape, rng.integers(0, side, 2), (0, 1))
    made = assemble(
        "pictures",
        folder,
        values,
        label,
        np.arange(size) % 5 == 4,
        CLASSES,
        Origin(edition="made-up edition"),
    )
    made.save()
    return made


def files(folder: Path) -> Path:
    """Sixty of them as ``train/<class>/<n>.png``, without test images."""
    from PIL import Image

    data = pictures(folder / "set", 60)
    for number, (values, label) in enumerate(zip(data.values, data.label, strict=True)):
        place = folder / "files" / "train" / data.summary.classes[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values[0]).save(place / f"{number}.png")
    return folder / "files"
