"""The door to neighbours: pairs, bonds, polyhedra, and what is drawn for a cell."""

from __future__ import annotations

from crystalgui.core.structures.bonds import Polyhedron, bonds, coordination, polyhedra
from crystalgui.core.structures.drawing import Drawing, drawing
from crystalgui.core.structures.pairs import NeighborList, nearest_distance, neighbors

__all__ = [
    "Drawing",
    "NeighborList",
    "Polyhedron",
    "bonds",
    "coordination",
    "drawing",
    "nearest_distance",
    "neighbors",
    "polyhedra",
]
