"""Neighbours within a cutoff, through the C++ library vesin.

Graphs of networks, bonds and overlap checks all start here.  Cells smaller
than the cutoff are right: an atom then has its own images as neighbours.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError, ResourceError
from crystalgui.core.structures.crystal import Crystal

MOST_PAIRS = 5e7
"""More pairs than this (some 6 GB) do not fit into the memory of an ordinary computer."""
KEPT_PAIRS = 1_000_000
"""The buffers of a calculator that found more pairs are given back."""
MOST_BOXES = 1e5
"""Boxes of vesin's grid."""

_IMPORT = threading.Lock()
_OWN = threading.local()


@dataclass(frozen=True, slots=True, eq=False)
class NeighborList:
    """Pairs of atoms.

    Attributes
    ----------
    src, dst : (p,) int64
        Atom indices; ``dst`` lies in another cell when ``shift`` is not zero.
    shift : (p, 3) int64
        Whole cells of ``dst`` relative to the coordinates as given.
    distance : (p,) float64, Angstrom
    vector : (p, 3) float64, Angstrom
        From ``src`` to ``dst``: ``cart[dst] + shift @ lattice - cart[src]``.
    """

    src: NDArray[np.int64]
    dst: NDArray[np.int64]
    shift: NDArray[np.int64]
    distance: NDArray[np.float64]
    vector: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.src)

    def take(self, pick: NDArray[np.bool_] | NDArray[np.int64]) -> NeighborList:
        """The pairs that a mask or an index array selects."""
        return NeighborList(
            self.src[pick],
            self.dst[pick],
            self.shift[pick],
            self.distance[pick],
            self.vector[pick],
        )

    def both_ways(self) -> NeighborList:
        """A half list as a full list: every pair also from the other side."""
        return NeighborList(
            np.concatenate([self.src, self.dst]),
            np.concatenate([self.dst, self.src]),
            np.concatenate([self.shift, -self.shift]),
            np.concatenate([self.distance, self.distance]),
            np.concatenate([self.vector, -self.vector]),
        )


def nothing() -> NeighborList:
    """A list without pairs."""
    empty = np.zeros(0, dtype=np.int64)
    return NeighborList(empty, empty, np.zeros((0, 3), np.int64), np.zeros(0), np.zeros((0, 3)))


def _vesin() -> Any:
    """Import vesin without torch.

    vesin imports torch whenever it is installed, which takes seconds and
    holds the interpreter lock; the window's process never needs it.  When torch
    is already there, nothing is hidden.
    """
    with _IMPORT:
        if "vesin" in sys.modules:
            return sys.modules["vesin"]
        hide = "torch" not in sys.modules
        if hide:
            sys.modules["torch"] = None  # type: ignore[assignment]
        try:
            import vesin
        finally:
            if hide:
                del sys.modules["torch"]
        return vesin


def _calculator(cutoff: float, full: bool) -> Any:
    """A calculator that belongs to this thread; vesin reuses its buffers."""
    cache = _OWN.__dict__.setdefault("calculators", {})
    key = (cutoff, full)
    if key not in cache:
        if len(cache) > 16:
            cache.clear()
        cache[key] = _vesin().NeighborList(cutoff=cutoff, full_list=full, sorted=full, n_threads=1)
    return cache[key]


def neighbors(crystal: Crystal, cutoff: float, *, full: bool = True) -> NeighborList:
    """All pairs of atoms closer than ``cutoff``.

    Parameters
    ----------
    crystal : Crystal
    cutoff : float, Angstrom
        May exceed the cell.
    full : bool
        Every pair from both sides, sorted by ``src`` (the default), or once.

    Returns
    -------
    NeighborList
    """
    if not (np.isfinite(cutoff) and cutoff > 0):
        raise FileError(f"The cutoff must be a positive length, not {cutoff}.", "Try 5 Angstrom.")
    expected = crystal.n_atoms**2 * 4.19 * cutoff**3 / crystal.volume
    if expected > MOST_PAIRS:
        raise ResourceError(
            f"{expected:.1e} pairs of atoms lie within {cutoff:g} Angstrom: too many for memory.",
            "Choose a smaller cutoff or a smaller cell.",
        )
    wide = _safe_cutoff(crystal, float(cutoff))
    pairs, shift, distance, vector = _calculator(wide, full).compute(
        points=np.array(crystal.cart),
        box=np.array(crystal.lattice),
        periodic=True,
        quantities="PSdD",
    )
    if len(distance) > KEPT_PAIRS:
        _OWN.__dict__.pop("calculators", None)
    pairs = pairs.astype(np.int64)
    found = NeighborList(
        np.ascontiguousarray(pairs[:, 0]),
        np.ascontiguousarray(pairs[:, 1]),
        shift.astype(np.int64),
        distance,
        vector,
    )
    return found if wide == cutoff else found.take(distance < cutoff)


def _safe_cutoff(crystal: Crystal, cutoff: float) -> float:
    """A cutoff, at least the one asked for, at which vesin 0.6 does not divide by zero.

    Its grid has at most 10^5 boxes; when a long flat cell needs more, the
    short edge is left with no box at all and the process dies.
    """
    lattice = crystal.lattice
    areas = np.linalg.norm(np.cross(lattice[[1, 2, 0]], lattice[[2, 0, 1]]), axis=1)
    heights = crystal.volume / areas
    while True:
        boxes = np.maximum(np.floor(heights / cutoff), 1.0)
        total = float(boxes.prod())
        if total <= MOST_BOXES or float(boxes.min()) * np.cbrt(MOST_BOXES / total) >= 2.0:
            return cutoff
        cutoff *= 1.3


def nearest_distance(crystal: Crystal) -> float:
    """Smallest distance between two atoms (images included), Angstrom."""
    cutoff = 1.2 * float(np.cbrt(crystal.volume / max(crystal.n_atoms, 1))) + 0.5
    while True:
        found = neighbors(crystal, cutoff, full=False)
        if len(found):
            return float(found.distance.min())
        cutoff *= 1.5
