"""Neighbour graphs of crystals from a C++ cell list, flat and cached on disk.

Two kinds. ``"atoms"``: every atom is a node and every neighbour within the
cutoff an edge, with its integer cell shift; vectors are recomputed.
``"orbits"``: equivalent atoms are one node with a multiplicity, and edges of
equal length to the same orbit are one edge with a count.  A network whose
messages depend on distances alone gives the same answer on both (equivalent
atoms have equal environments), and the second kind is ten times smaller.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.records import Records
from crystalgui.core.errors import DataError

Kind = Literal["atoms", "orbits"]
FORMAT = 1
MERGE = 5e-3
STEP = 256


@dataclass(frozen=True, slots=True, eq=False)
class Graphs:
    """Graphs of a table of crystals.

    Attributes
    ----------
    kind : {"atoms", "orbits"}
    cutoff : float, Angstrom
        0 makes no edges, for models that look at atoms without neighbours.
    nodes : (m + 1,) int64
        Node offsets by crystal.
    edges : (m + 1,) int64
        Edge offsets by crystal.
    atom : (n,) int64
        Atom of the table that each node stands for.
    weight : (n,) float32
        Atoms a primitive cell that the node stands for.
    src, dst : (e,) int32
        Nodes within their crystal: ``dst`` feels ``src``.
    count : (e,) uint8
        Equal neighbours merged into the edge.
    distance : (e,) float32, Angstrom
    shift : (e, 3) int8
        Cell of the ``src`` atom; empty for ``"orbits"``.
    """

    kind: Kind
    cutoff: float
    nodes: NDArray[np.int64]
    edges: NDArray[np.int64]
    atom: NDArray[np.int64]
    weight: NDArray[np.float32]
    src: NDArray[np.int32]
    dst: NDArray[np.int32]
    count: NDArray[np.uint8]
    distance: NDArray[np.float32]
    shift: NDArray[np.int8]

    def save(self, path: Path, digest: str) -> None:
        """Write as safetensors."""
        from safetensors.numpy import save

        from crystalgui.core.store.files import write_atomic

        meta = {"format": FORMAT, "kind": self.kind, "cutoff": self.cutoff, "digest": digest}
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        write_atomic(path, save(arrays, metadata={"graphs": json.dumps(meta)}))

    @classmethod
    def load(cls, path: Path, digest: str) -> Graphs | None:
        """Read them back; None when absent, damaged or of other crystals."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                meta = json.loads((file.metadata() or {}).get("graphs", "{}"))
                if meta.get("format") != FORMAT or meta.get("digest") != digest:
                    return None
                arrays = {name: file.get_tensor(name) for name in _ARRAYS}
        except (OSError, SafetensorError, json.JSONDecodeError):
            return None
        return cls(kind=meta["kind"], cutoff=meta["cutoff"], **arrays)


_NO_EDGES = (np.zeros(0, int), np.zeros(0, int), np.zeros((0, 3), int), np.zeros(0))
_ARRAYS = ("nodes", "edges", "atom", "weight", "src", "dst", "count", "distance", "shift")


def build(records: Records, cutoff: float, kind: Kind) -> Graphs:
    """Build the graphs of every crystal of a table at once."""
    return _result(steps(records, cutoff, kind))


def steps(records: Records, cutoff: float, kind: Kind) -> Generator[int, None, Graphs]:
    """Build the graphs of every crystal of a table, step by step.

    Parameters
    ----------
    records : Records
    cutoff : float, Angstrom
        0 for no edges.
    kind : {"atoms", "orbits"}

    Yields
    ------
    int
        Crystals done.

    Returns
    -------
    Graphs
    """
    from vesin import NeighborList

    finder = NeighborList(cutoff=cutoff, full_list=True) if cutoff > 0 else None
    one = _atoms if kind == "atoms" else _orbits
    parts: list[tuple[NDArray[Any], ...]] = []
    for i in range(len(records)):
        start, stop = int(records.offsets[i]), int(records.offsets[i + 1])
        lattice, frac = records.lattice[i], records.frac[start:stop]
        found = _NO_EDGES
        if finder is not None:
            found = finder.compute(
                points=frac @ lattice, box=lattice, periodic=True, quantities="ijSd"
            )
        dst, src, shift, distance = found
        parts.append(
            one(start, records.orbit[start:stop], int(records.cells[i]), dst, src, shift, distance)
        )
        if i % STEP == STEP - 1:
            yield i + 1
    return _joined(kind, cutoff, parts)


def cached(records: Records, folder: Path, digest: str, cutoff: float, kind: Kind) -> Graphs:
    """Graphs from ``folder`` when it has them, else built and saved there."""
    return _result(cached_steps(records, folder, digest, cutoff, kind))


def cached_steps(
    records: Records, folder: Path, digest: str, cutoff: float, kind: Kind
) -> Generator[int, None, Graphs]:
    """As `cached`, step by step: yields crystals done, returns the graphs."""
    path = folder / f"graphs-{kind}-{cutoff:g}.safetensors"
    graphs = Graphs.load(path, digest)
    if graphs is None:
        graphs = yield from steps(records, cutoff, kind)
        graphs.save(path, digest)
    return graphs


def _result(generator: Generator[int, None, Graphs]) -> Graphs:
    while True:
        try:
            next(generator)
        except StopIteration as end:
            found: Graphs = end.value
            return found


def _joined(kind: Kind, cutoff: float, parts: list[tuple[NDArray[Any], ...]]) -> Graphs:
    if not parts:
        raise DataError("There are no crystals to build graphs of.", "Import some structures.")
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    n_nodes = [len(p[0]) for p in parts]
    n_edges = [len(p[2]) for p in parts]
    return Graphs(
        kind,
        float(cutoff),
        np.concatenate([[0], np.cumsum(n_nodes)]).astype(np.int64),
        np.concatenate([[0], np.cumsum(n_edges)]).astype(np.int64),
        columns[0].astype(np.int64),
        columns[1].astype(np.float32),
        columns[2].astype(np.int32),
        columns[3].astype(np.int32),
        columns[4].astype(np.uint8),
        columns[5].astype(np.float32),
        columns[6].astype(np.int8),
    )


def _atoms(
    start: int,
    orbit: NDArray[np.int32],
    cells: int,
    dst: NDArray[Any],
    src: NDArray[Any],
    shift: NDArray[Any],
    distance: NDArray[Any],
) -> tuple[NDArray[Any], ...]:
    n = len(orbit)
    order = np.argsort(dst, kind="stable")
    weight = np.full(n, 1.0 / cells)
    ones = np.ones(len(dst), np.uint8)
    return (
        start + np.arange(n),
        weight,
        src[order].astype(np.int32),
        dst[order].astype(np.int32),
        ones,
        distance[order],
        shift[order],
    )


def _orbits(
    start: int,
    orbit: NDArray[np.int32],
    cells: int,
    dst: NDArray[Any],
    src: NDArray[Any],
    shift: NDArray[Any],
    distance: NDArray[Any],
) -> tuple[NDArray[Any], ...]:
    _, first, counts = np.unique(orbit, return_index=True, return_counts=True)
    keep = np.zeros(len(orbit), bool)
    keep[first] = True
    mask = keep[dst]
    to, of, d = orbit[dst[mask]], orbit[src[mask]], distance[mask]
    order = np.lexsort((d, of, to))
    to, of, d = to[order], of[order], d[order]
    new = np.ones(len(d), bool)
    if len(d) > 1:
        new[1:] = (np.diff(to) != 0) | (np.diff(of) != 0) | (np.diff(d) > MERGE)
    group = np.flatnonzero(new)
    number = np.diff(np.append(group, len(d)))
    mean = np.add.reduceat(d, group) / number if len(d) else d
    return (
        start + first,
        counts / cells,
        of[group].astype(np.int32),
        to[group].astype(np.int32),
        np.minimum(number, 255).astype(np.uint8),
        mean,
        np.zeros((len(group), 3), np.int8),
    )
