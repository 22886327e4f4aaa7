"""A whole data set as tensors on the device; a batch is index arithmetic.

No padding: a batch is one big disconnected graph.  Nothing is copied from the
host while training.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalgui.core.datasets.graphs import Graphs
from crystalgui.core.datasets.records import Records


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some crystals as one disconnected graph.

    Attributes
    ----------
    size : int
        Crystals, b.
    graph : (n,) int64
        Crystal of each node.
    species, site, wyckoff : (n,) int64
    weight : (n,) float32
        Atoms a primitive cell that the node stands for.
    frac : (n, 3) float32
        Fractional coordinates in the cell of the file, in [0, 1); of one atom of an orbit.
    src, dst : (e,) int64
        ``dst`` feels ``src``.
    count : (e,) float32
        Equal neighbours merged into the edge.
    distance : (e,) float32, Angstrom
    vector : (e, 3) float32, Angstrom
        From ``dst`` to ``src``; empty for graphs of orbits.
    space_group : (b,) int64
        1-230.
    lattice : (b, 3, 3) float32, Angstrom
    cells : (b,) float32
        Primitive cells in the cell of the file.
    """

    size: int
    graph: Tensor
    species: Tensor
    site: Tensor
    wyckoff: Tensor
    weight: Tensor
    frac: Tensor
    src: Tensor
    dst: Tensor
    count: Tensor
    distance: Tensor
    vector: Tensor
    space_group: Tensor
    lattice: Tensor
    cells: Tensor


class Table:
    """A data set on a device.

    Parameters
    ----------
    records : Records
    graphs : Graphs
        Of the same crystals.
    device : torch.device or str
    """

    def __init__(self, records: Records, graphs: Graphs, device: torch.device | str = "cpu"):
        vectors = _vectors(records, graphs)
        take = graphs.atom
        columns: dict[str, NDArray[Any]] = {
            "nodes": graphs.nodes,
            "edges": graphs.edges,
            "species": records.species[take],
            "site": records.site[take],
            "wyckoff": records.wyckoff[take],
            "weight": graphs.weight,
            "frac": _wrapped(records.frac[take]),
            "src": graphs.src,
            "dst": graphs.dst,
            "count": graphs.count,
            "distance": graphs.distance,
            "vector": vectors,
            "space_group": records.space_group,
            "lattice": records.lattice.astype(np.float32),
            "cells": records.cells.astype(np.float32),
        }
        self.device = torch.device(device)
        self._size = len(records)
        self._column = {k: torch.from_numpy(v.copy()).to(self.device) for k, v in columns.items()}

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes held on the device."""
        return sum(t.numel() * t.element_size() for t in self._column.values())

    def batch(self, index: Tensor) -> Batch:
        """The crystals ``index`` ((b,) int64, on the device) as one graph."""
        c = self._column
        node, n_nodes = _ranges(c["nodes"], index)
        edge, n_edges = _ranges(c["edges"], index)
        size = len(index)
        number = torch.arange(size, device=self.device)
        shift = torch.repeat_interleave(torch.cumsum(n_nodes, 0) - n_nodes, n_edges)
        vector = c["vector"]
        return Batch(
            size,
            torch.repeat_interleave(number, n_nodes),
            c["species"][node].long(),
            c["site"][node].long(),
            c["wyckoff"][node].long(),
            c["weight"][node],
            c["frac"][node],
            c["src"][edge].long() + shift,
            c["dst"][edge].long() + shift,
            c["count"][edge].float(),
            c["distance"][edge],
            vector[edge] if len(vector) else vector,
            c["space_group"][index].long(),
            c["lattice"][index],
            c["cells"][index],
        )


def collate(records: Records, graphs: Graphs, device: torch.device | str = "cpu") -> Batch:
    """All crystals of a (small) table as one batch."""
    table = Table(records, graphs, device)
    return table.batch(torch.arange(len(records), device=table.device))


def batches(rows: Tensor, size: int) -> list[Tensor]:
    """(k,) rows in pieces of at most ``size``."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def double(batch: Batch) -> Batch:
    """The same batch with float64 arrays (for exact tests of symmetry)."""
    values = {f.name: getattr(batch, f.name) for f in fields(batch)}
    for name, value in values.items():
        if isinstance(value, Tensor) and value.is_floating_point():
            values[name] = value.double()
    return Batch(**values)


def _ranges(offsets: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    start = offsets[index]
    count = offsets[index + 1] - start
    first = torch.cumsum(count, 0) - count
    flat = torch.repeat_interleave(start - first, count)
    return flat + torch.arange(len(flat), device=flat.device), count


def _wrapped(frac: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n, 3) float32 in [0, 1)."""
    inside = (frac % 1.0).astype(np.float32)
    inside[inside >= 1.0] = 0.0
    return inside


def _vectors(records: Records, graphs: Graphs) -> NDArray[np.float32]:
    """(e, 3) float32 from ``dst`` to ``src`` in Angstrom; (0, 3) for orbits."""
    if graphs.kind == "orbits":
        return np.zeros((0, 3), np.float32)
    crystal = np.repeat(np.arange(len(records)), np.diff(graphs.edges))
    first = graphs.nodes[:-1][crystal]
    of, to = graphs.atom[first + graphs.src], graphs.atom[first + graphs.dst]
    difference = records.frac[of] - records.frac[to] + graphs.shift
    vectors = np.einsum("ei,eij->ej", difference, records.lattice[crystal])
    return np.asarray(vectors, np.float32)
