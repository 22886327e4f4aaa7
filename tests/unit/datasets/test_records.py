"""Records, graphs and batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from crystalgui.core.datasets.collate import Table, collate
from crystalgui.core.datasets.graphs import Graphs, build, cached
from crystalgui.core.datasets.records import (
    POINT_GROUPS,
    Records,
    describe,
    point_group_index,
    ranges,
)
from crystalgui.core.errors import DataError
from crystalgui.core.structures.cells import supercell
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.neighbors import neighbors
from tests.models.samples import BCC, FCC, crystals, table

SALT = Crystal(
    lattice=FCC * 5.64, frac=np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), species=np.array([11, 17])
)


def test_rock_salt() -> None:
    record = describe(SALT)
    assert (record.space_group, record.symbol, record.cells) == (225, "Fm-3m", 1)
    assert record.orbit.tolist() == [0, 1]
    assert [POINT_GROUPS[i] for i in record.site] == ["m-3m", "m-3m"]


def test_a_supercell_has_the_orbits_of_its_primitive_cell() -> None:
    record = describe(supercell(SALT, (1, 2, 3)))
    assert record.space_group == 225
    assert record.cells == 6
    assert len(set(record.orbit.tolist())) == 2


@pytest.mark.parametrize(
    ("symbol", "group"),
    [("..m", "m"), (".m.", "m"), ("m.2m", "m2m"), ("-4m.2", "-4m2"), ("4/mm.m", "4/mmm"),
     ("m-3.", "m-3"), ("-62m", "-6m2"), ("", "1"), ("nonsense", "1")],
)  # fmt: skip
def test_site_symmetries_lose_their_orientation(symbol: str, group: str) -> None:
    assert point_group_index(symbol) == point_group_index(group)


def test_all_point_groups_are_there() -> None:
    assert len(POINT_GROUPS) == len(set(POINT_GROUPS)) == 32
    assert [point_group_index(g) for g in POINT_GROUPS] == list(range(32))


def test_save_and_load(tmp_path: Path) -> None:
    rows = table(12)
    rows.save(tmp_path / "r.safetensors", {"target": [1, 2]})
    again, header = Records.load(tmp_path / "r.safetensors")
    assert header == {"target": [1, 2]}
    assert again.ids == rows.ids
    for name in ("lattice", "frac", "species", "orbit", "site", "offsets", "space_group", "cells"):
        np.testing.assert_array_equal(getattr(again, name), getattr(rows, name))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r.safetensors"
    path.write_bytes(b"\x00" * 64)
    with pytest.raises(DataError, match="cannot be read"):
        Records.load(path)
    with pytest.raises(DataError, match="cannot be read"):
        Records.load(tmp_path / "absent.safetensors")


def test_select_and_join_and_keys() -> None:
    rows = table(10)
    picked = rows.select(np.array([7, 2, 2]))
    assert picked.ids == ("7", "2", "2")
    for i, j in enumerate((7, 2, 2)):
        np.testing.assert_array_equal(picked.crystal(i).frac, rows.crystal(j).frac)
    joined = Records.join([rows, picked])
    assert joined.keys() == [c.composition_key for c in map(joined.crystal, range(13))]


def test_ranges() -> None:
    starts, counts = np.array([5, 0, 9]), np.array([2, 0, 3])
    assert ranges(starts, counts).tolist() == [5, 6, 9, 10, 11]


def test_graphs_of_atoms_agree_with_the_neighbour_list() -> None:
    rows = table(10)
    graphs = build(rows, 4.0, "atoms")
    for i in range(len(rows)):
        edges = slice(graphs.edges[i], graphs.edges[i + 1])
        pairs = neighbors(rows.crystal(i), 4.0)
        np.testing.assert_allclose(
            np.sort(graphs.distance[edges]), np.sort(pairs.distance), atol=1e-5
        )
        np.testing.assert_array_equal(
            np.bincount(graphs.dst[edges], minlength=rows.crystal(i).n_atoms),
            np.bincount(pairs.src, minlength=rows.crystal(i).n_atoms),
        )


def test_vectors_have_the_stored_distances() -> None:
    rows = table(10)
    batch = collate(rows, build(rows, 4.5, "atoms"))
    torch.testing.assert_close(batch.vector.norm(dim=1), batch.distance, atol=1e-4, rtol=0)
    start = batch.lattice.new_tensor(np.concatenate([rows.crystal(i).cart for i in range(10)]))
    ends = start[batch.dst] + batch.vector - start[batch.src]
    inverse = torch.linalg.inv(batch.lattice)[batch.graph[batch.src]]
    shift = torch.einsum("ei,eij->ej", ends, inverse)
    torch.testing.assert_close(shift, shift.round(), atol=1e-3, rtol=0)


def test_graphs_of_orbits_count_every_neighbour() -> None:
    """Multiplicity times counted edges is the number of neighbours of all atoms."""
    rows = table(15)
    atoms, orbits = build(rows, 5.0, "atoms"), build(rows, 5.0, "orbits")
    for i in range(15):
        edges = slice(orbits.edges[i], orbits.edges[i + 1])
        weight = orbits.weight[orbits.nodes[i] : orbits.nodes[i + 1]]
        total = float((weight[orbits.dst[edges]] * orbits.count[edges]).sum()) * rows.cells[i]
        assert total == atoms.edges[i + 1] - atoms.edges[i]
        assert weight.sum() * rows.cells[i] == rows.crystal(i).n_atoms


def test_body_centred_iron_has_eight_and_six_neighbours() -> None:
    iron = Crystal(lattice=BCC * 2.87, frac=np.zeros((1, 3)), species=np.array([26]))
    graphs = build(Records.stack(["Fe"], [describe(iron)]), 3.0, "orbits")
    assert graphs.count.tolist() == [8, 6]
    np.testing.assert_allclose(graphs.distance, [2.87 * 3**0.5 / 2, 2.87], rtol=1e-6)


def test_graphs_are_cached_by_the_digest_of_their_crystals(tmp_path: Path) -> None:
    rows = table(5)
    first = cached(rows, tmp_path, "one", 4.0, "orbits")
    path = next(tmp_path.glob("graphs-*"))
    stamp = path.stat().st_mtime_ns
    again = cached(rows, tmp_path, "one", 4.0, "orbits")
    assert path.stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(first.distance, again.distance)
    assert Graphs.load(path, "two") is None
    path.write_bytes(b"broken")
    np.testing.assert_array_equal(cached(rows, tmp_path, "one", 4.0, "orbits").count, first.count)


@pytest.mark.parametrize("kind", ["atoms", "orbits"])
def test_a_batch_is_its_rows_in_order(kind: str) -> None:
    rows = table(9)
    graphs = build(rows, 4.0, kind)  # type: ignore[arg-type]
    whole = Table(rows, graphs)
    batch = whole.batch(torch.tensor([4, 0, 8]))
    picked = rows.select(np.array([4, 0, 8]))
    alone = collate(picked, build(picked, 4.0, kind))  # type: ignore[arg-type]
    for name in ("graph", "species", "site", "weight", "src", "dst", "count", "distance",
                 "vector", "space_group", "lattice", "cells"):  # fmt: skip
        assert torch.equal(getattr(batch, name), getattr(alone, name)), name


def test_an_isolated_atom_has_a_graph_without_edges() -> None:
    atom = Crystal(lattice=np.eye(3) * 20, frac=np.zeros((1, 3)), species=np.array([2]))
    rows = Records.stack(["He", "x"], [describe(atom), describe(crystals(1)[0])])
    graphs = build(rows, 5.0, "orbits")
    assert graphs.edges[1] == 0
    assert collate(rows, graphs).size == 2
