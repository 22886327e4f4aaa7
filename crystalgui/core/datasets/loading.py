"""Any data set of a folder, by the kind that its summary names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from crystalgui.core.datasets.dataset import Dataset, load_summary

if TYPE_CHECKING:
    from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
    from crystalgui.core.datasets.hamiltonians.zone_dataset import ZoneDataset
    from crystalgui.core.datasets.images.dataset import ImageDataset


AnyDataset: TypeAlias = "Dataset | PhaseDataset | ZoneDataset | ImageDataset"


def load(folder: Path) -> AnyDataset:
    """Read the data set of a folder.

    Raises
    ------
    DataError
        When the folder holds none, or one of another version.
    """
    kind = load_summary(Path(folder)).kind
    if kind == "hoppings":
        from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset

        return PhaseDataset.load(folder)
    if kind == "zones":
        from crystalgui.core.datasets.hamiltonians.zone_dataset import ZoneDataset

        return ZoneDataset.load(folder)
    if kind == "images":
        from crystalgui.core.datasets.images.dataset import ImageDataset

        return ImageDataset.load(folder)
    return Dataset.load(folder)
