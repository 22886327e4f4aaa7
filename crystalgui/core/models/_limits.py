"""Which crystals a network can read, and what the others get.

Nop et al. (2025), Results: cells that do not fit into a representation get the
best answer that looks at nothing, taken from the training set, so that models
with different limits can be compared on the same crystals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Scalar, Task
from crystalgui.core.datasets.records import Records
from crystalgui.core.models._base import CrystalModel, Network


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """The largest crystals that a network can read.

    Attributes
    ----------
    atoms, elements : int
        0 for any number.
    primitive : bool
        Whether atoms of a primitive cell count, else of the cell of the file.
    """

    atoms: int
    elements: int
    primitive: bool

    def within(self, records: Records) -> NDArray[np.bool_]:
        """(m,) bool, whether each crystal can be read."""
        sizes = np.diff(records.offsets)
        found = np.ones(len(records), np.bool_)
        if self.atoms:
            found &= (sizes // records.cells if self.primitive else sizes) <= self.atoms
        if self.elements:
            crystal = np.repeat(np.arange(len(records)), sizes)
            kinds = np.unique(crystal * 256 + records.species.astype(np.int64)) // 256
            found &= np.bincount(kinds, minlength=len(records)) <= self.elements
        return found

    def __str__(self) -> str:
        words = [f"{self.atoms} atoms"] if self.atoms else []
        return " and ".join([*words, f"{self.elements} elements"] if self.elements else words)


def size_limit(family: type[Network], params: Mapping[str, Scalar]) -> SizeLimit | None:
    """The limit of a family with these parameters; None where it reads any crystal."""
    if not issubclass(family, CrystalModel):
        return None
    atoms, elements = family.most_atoms(params), family.most_elements(params)
    if not (atoms or elements):
        return None
    return SizeLimit(atoms, elements, family.graph_spec(params).kind == "orbits")


def default_answer(target: NDArray[np.float64], task: Task, classes: int) -> tuple[float, ...]:
    """The best answer that looks at no crystal: frequencies of the classes, or the median.

    Parameters
    ----------
    target : (k,) float64
        Of the training rows: class index or value.
    """
    if task == "regression":
        return (float(np.median(target)),)
    counts = np.bincount(target.astype(np.int64), minlength=classes)
    return tuple((counts / counts.sum()).tolist())
