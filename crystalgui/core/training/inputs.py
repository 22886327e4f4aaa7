"""What differs between the kinds of data that networks learn: one class for each kind.

Crystals become graphs, mixtures of two Hamiltonians become cropped hoppings,
Hamiltonians of any crystal become zones, images stay images.  The rest of
training asks here and does not know.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalgui.core.cards import Scalar
from crystalgui.core.datasets import collate, graphs, kinds, loading
from crystalgui.core.datasets.dataset import Dataset
from crystalgui.core.datasets.hamiltonians.crop import CELLS, compact_batch
from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
from crystalgui.core.datasets.hamiltonians.tables import HoppingTable, ZoneTable, hopping_steps
from crystalgui.core.datasets.hamiltonians.zone_dataset import ZoneDataset
from crystalgui.core.datasets.images.dataset import ImageDataset, fingerprints
from crystalgui.core.datasets.images.tables import ImageTable
from crystalgui.core.datasets.prototypes import prototypes
from crystalgui.core.datasets.splits import (
    Split,
    familiar,
    leakage,
    split,
    split_crystals,
    split_family,
    split_given,
)
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import DatasetSummary, Event, Progress, SplitSpec
from crystalgui.core.models._base import CrystalModel, GraphSpec, Network
from crystalgui.core.models.layers.elements import N_ELEMENTS

Rows = NDArray[np.int64]
T = TypeVar("T")


class Table(Protocol):
    """A data set on a device; a batch is index arithmetic."""

    device: torch.device

    def __len__(self) -> int:
        """Rows."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        ...

    def batch(self, index: Tensor) -> Any:
        """What a network eats, of the rows ``index`` ((b,) int64, on the device)."""
        ...


class Inputs(Protocol):
    """A data set as training sees it.

    Attributes
    ----------
    target : (m,) float64
        Class index, or the value for regression.
    shape : tuple of int
        Of one input where the network must know it; else empty.
    shared : str
        What must not be on both sides of a split, e.g. ``"formulas"``.
    """

    @property
    def summary(self) -> DatasetSummary: ...  # noqa: D102
    @property
    def target(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def shared(self) -> str: ...  # noqa: D102

    def check(self) -> None:
        """Raise `DataError` when no network can use it."""

    def split(self, spec: SplitSpec) -> Split:
        """Rows of each part."""
        ...

    def keys(self) -> list[Hashable]:
        """Equal for rows that may not be on both sides."""
        ...

    def table(
        self, network: Network, params: Mapping[str, Scalar], device: torch.device, folder: Path
    ) -> Generator[Event, None, Table]:
        """The whole table on a device, with progress; what takes long is kept in ``folder``."""
        ...

    def sample(
        self, network: Network, params: Mapping[str, Scalar], device: torch.device, rows: Rows
    ) -> Table:
        """The table of some rows."""
        ...

    def seen(self, rows: Rows) -> dict[str, Any]:
        """What a trained model must remember of its training rows, fields of `Inference`."""
        ...

    def described(self) -> str:
        """Size and contents, for the card of a trained model."""
        ...


def inputs_of(dataset: loading.AnyDataset) -> Inputs:
    """A data set as training sees it."""
    if isinstance(dataset, PhaseDataset):
        return Hoppings(dataset)
    if isinstance(dataset, ZoneDataset):
        return Zones(dataset)
    if isinstance(dataset, ImageDataset):
        return Images(dataset)
    return Crystals(dataset)


@dataclass(frozen=True, slots=True, eq=False)
class Crystals:
    """Crystals as graphs."""

    dataset: Dataset
    shape: tuple[int, ...] = ()
    shared: str = "formulas"

    @property
    def summary(self) -> DatasetSummary:
        """Of the data set."""
        return self.dataset.summary

    @property
    def target(self) -> NDArray[np.float64]:
        """(m,) float64."""
        return self.dataset.target

    def check(self) -> None:
        """Elements beyond einsteinium are refused."""
        heavy = self.dataset.records.species >= N_ELEMENTS
        if heavy.any():
            raise DataError(
                f"{int(heavy.sum())} atoms are heavier than einsteinium; models cannot use them.",
                "Remove these crystals from the labels.",
                path=self.summary.folder,
            )

    def split(self, spec: SplitSpec) -> Split:
        """By composition, element or prototype, or at random."""
        _allowed(self.summary, spec)
        return split_crystals(spec, self.dataset.records, self.dataset.classes)

    def keys(self) -> list[Hashable]:
        """Reduced formulas."""
        return list(self.dataset.records.keys())

    def table(
        self, network: Network, params: Mapping[str, Scalar], device: torch.device, folder: Path
    ) -> Generator[Event, None, Table]:
        """Graphs from the data set's folder, or built with progress and saved there."""
        spec = _graph_spec(network, params)
        records = self.dataset.records
        steps = graphs.cached_steps(records, folder, self.summary.digest, spec.cutoff, spec.kind)
        built = yield from _counted(steps, len(records), "Building neighbour graphs")
        return collate.Table(records, built, device)

    def sample(
        self, network: Network, params: Mapping[str, Scalar], device: torch.device, rows: Rows
    ) -> Table:
        """Graphs of some crystals."""
        spec, records = _graph_spec(network, params), self.dataset.records.select(rows)
        return collate.Table(records, graphs.build(records, spec.cutoff, spec.kind), device)

    def seen(self, rows: Rows) -> dict[str, Any]:
        """Elements, space groups and sizes."""
        table = self.dataset.records.select(rows)
        return {
            "elements": tuple(int(z) for z in np.unique(table.species)),
            "space_groups": tuple(int(n) for n in np.unique(table.space_group)),
            "most_atoms": int((np.diff(table.offsets) // table.cells).max()),
        }

    def described(self) -> str:
        """Crystals and formulas."""
        summary = self.summary
        return f"{summary.name}: {summary.size:,} crystals, {summary.formulas:,} formulas"


class _Labelled:
    """What data sets share whose rows have a class and a part of their own."""

    __slots__ = ()
    dataset: Any

    @property
    def summary(self) -> DatasetSummary:
        """Of the data set."""
        own: DatasetSummary = self.dataset.summary
        return own

    @property
    def target(self) -> NDArray[np.float64]:
        """(m,) float64."""
        return np.asarray(self.dataset.label, dtype=np.float64)

    def check(self) -> None:
        """Any will do."""

    def split(self, spec: SplitSpec) -> Split:
        """As the data set says, or at random."""
        _allowed(self.summary, spec)
        if spec.kind == "given":
            return split_given(spec, self.dataset.is_test, self.dataset.label)
        return split(spec, range(len(self.dataset)), self.dataset.label)


@dataclass(frozen=True, slots=True, eq=False)
class Hoppings(_Labelled):
    """Mixtures of two Hamiltonians of one crystal as cropped hoppings."""

    dataset: PhaseDataset
    shared: str = "Hamiltonians"

    @property
    def shape(self) -> tuple[int, ...]:
        """(27, n, n, 2)."""
        n = self.dataset.start.n_orbitals
        return (len(CELLS), n, n, 2)

    def keys(self) -> list[Hashable]:
        """Mixing and noise of each."""
        return list(zip(self.dataset.alpha.tolist(), self.dataset.noise_seed.tolist(), strict=True))

    def table(
        self, network: Network, params: Mapping[str, Scalar], device: torch.device, folder: Path
    ) -> Generator[Event, None, Table]:
        """Crops; those with noise are made once and kept in the folder of the data set."""
        steps = hopping_steps(self.dataset, device, folder)
        return (yield from _counted(steps, len(self.dataset), "Cropping hoppings"))

    def sample(
        self, network: Network, params: Mapping[str, Scalar], device: torch.device, rows: Rows
    ) -> Table:
        """Crops of some."""
        every = np.ones(len(CELLS), np.bool_)
        values = compact_batch(self.dataset, rows, every)
        alpha = self.dataset.alpha[rows].astype(np.float32)
        return HoppingTable(np.arange(len(CELLS)), values, alpha, values[0], values[0], device)

    def seen(self, rows: Rows) -> dict[str, Any]:
        """The shape of the input."""
        return {"shape": self.shape}

    def described(self) -> str:
        """Hamiltonians and orbitals."""
        orbitals = self.dataset.start.n_orbitals
        return f"{self.summary.name}: {self.summary.size:,} Hamiltonians of {orbitals} orbitals"


@dataclass(frozen=True, slots=True, eq=False)
class Zones(_Labelled):
    """Hamiltonians of any crystal as channels over the Brillouin zone."""

    dataset: ZoneDataset
    shared: str = "Hamiltonians"

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels,)."""
        return (len(self.dataset.names),)

    def split(self, spec: SplitSpec) -> Split:
        """As the data set says, with one family left out, or at random."""
        if spec.kind == "family":
            return split_family(spec, self.dataset.family.tolist(), self.dataset.label)
        return _Labelled.split(self, spec)

    def keys(self) -> list[Hashable]:
        """Family and settings of each."""
        families = self.dataset.family.tolist()
        return list(zip(families, self.dataset.settings, strict=True))

    def table(
        self, network: Network, params: Mapping[str, Scalar], device: torch.device, folder: Path
    ) -> Generator[Event, None, Table]:
        """All of them."""
        yield Progress(done=0, total=len(self.dataset), text="Reading Brillouin zones")
        return ZoneTable(self.dataset, device)

    def sample(
        self, network: Network, params: Mapping[str, Scalar], device: torch.device, rows: Rows
    ) -> Table:
        """All of them, read through ``rows``."""
        return _Some(ZoneTable(self.dataset, device), torch.from_numpy(rows).to(device))

    def seen(self, rows: Rows) -> dict[str, Any]:
        """The number of channels."""
        return {"shape": self.shape}

    def described(self) -> str:
        """Hamiltonians and families."""
        families = len(self.dataset.families)
        return f"{self.summary.name}: {self.summary.size:,} Hamiltonians of {families} families"


@dataclass(frozen=True, slots=True, eq=False)
class Images(_Labelled):
    """Images with classes."""

    dataset: ImageDataset
    shared: str = "images"

    @property
    def shape(self) -> tuple[int, ...]:
        """(c, h, w)."""
        return self.dataset.shape

    def keys(self) -> list[Hashable]:
        """A fingerprint of each image."""
        return list(fingerprints(self.dataset.values))

    def table(
        self, network: Network, params: Mapping[str, Scalar], device: torch.device, folder: Path
    ) -> Generator[Event, None, Table]:
        """All of them, as bytes."""
        yield Progress(done=0, total=len(self.dataset), text="Reading images")
        return ImageTable(self.dataset, device)

    def sample(
        self, network: Network, params: Mapping[str, Scalar], device: torch.device, rows: Rows
    ) -> Table:
        """Some of them."""
        return ImageTable(self.dataset.values[rows], device)

    def seen(self, rows: Rows) -> dict[str, Any]:
        """The shape of an image."""
        return {"shape": self.shape}

    def described(self) -> str:
        """Number, size and edition."""
        return self.dataset.described()


class _Some:
    """Some rows of a table."""

    def __init__(self, table: Table, rows: Tensor) -> None:
        self.device, self._table, self._rows = table.device, table, rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def nbytes(self) -> int:
        return self._table.nbytes * len(self) // max(len(self._table), 1)

    def batch(self, index: Tensor) -> Any:
        return self._table.batch(self._rows[index])


def shared(data: Inputs, parts: Split) -> int:
    """How many of what must not be on both sides are."""
    return leakage(parts, data.keys())


def known_prototypes(data: Inputs, parts: Split) -> float:
    """Share of the test crystals whose prototype is trained on; NaN for other data."""
    if not isinstance(data, Crystals):
        return float("nan")
    return familiar(parts, prototypes(data.dataset.records))


def checked(data: Inputs, parts: Split) -> str:
    """What is on both sides of a split, and how many rows are on none, in words."""
    text = f"{shared(data, parts)} {data.shared} on both sides"
    known = known_prototypes(data, parts)
    if known == known:
        text += f"; {known:.1%} of the test crystals have a prototype that is trained on"
    unused = len(data.target) - sum(parts.sizes)
    return f"{text}; {unused:,} rows are not used" if unused else text


def _allowed(summary: DatasetSummary, spec: SplitSpec) -> None:
    allowed = kinds.SPLITS[summary.kind]
    if spec.kind not in allowed:
        raise DataError(
            f"A data set of {kinds.NOUNS[summary.kind]} cannot be divided by {spec.kind!r}.",
            f"Choose one of: {', '.join(allowed)}.",
            path=summary.folder,
        )


def _graph_spec(network: Network, params: Mapping[str, Scalar]) -> GraphSpec:
    if not isinstance(network, CrystalModel):
        raise ModelError(f"{network.card.title} does not read crystals.", "Choose another model.")
    return type(network).graph_spec(params)


def _counted(steps: Generator[int, None, T], total: int, text: str) -> Generator[Event, None, T]:
    """Steps as progress; what they return."""
    yield Progress(done=0, total=total, text=text)
    while True:
        try:
            done = next(steps)
        except StopIteration as end:
            made: T = end.value
            return made
        yield Progress(done=done, total=total, text=text)
