"""Columns of crystals for boosted trees: what they say, and that no setting changes them."""

from __future__ import annotations

import numpy as np
import pytest

from crystalgui.core.datasets.collate import collate
from crystalgui.core.datasets.features import (
    FEWEST_SITES,
    GROUPS,
    Sites,
    element_table,
    features,
)
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.records import Records, describe
from crystalgui.core.structures.crystal import Crystal
from tests.models.kinds import moved
from tests.models.samples import FCC, crystals


def sites(items: list[Crystal], cutoff: float = 5.0) -> Sites:
    table = Records.stack([str(i) for i in range(len(items))], [describe(c) for c in items])
    return Sites.of_records(table, build(table, cutoff, "orbits"))


def row(crystal: Crystal) -> dict[str, float]:
    values, names = features(sites([crystal]))
    return dict(zip(names, values[0].tolist(), strict=True))


ROCK_SALT = Crystal(
    lattice=FCC * 5.64, frac=np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), species=np.array([11, 17])
)


def test_rock_salt() -> None:
    found = row(ROCK_SALT)
    assert found["space group"] == 225
    assert found["crystal system"] == 6
    assert (found["electrons a cell"], found["valence a cell"]) == (28, 8)
    assert (found["electrons mod 8"], found["electrons mod filling"]) == (4, 0)
    assert found["sites at m-3m"] == 2
    assert found["octet deficit"] == 0
    assert found["first Z"] == 11
    assert found["last Z"] == 17
    assert found["mean coordination"] == 6
    assert found["distance of any"] == pytest.approx(2.82, rel=1e-4)
    assert found["volume an atom"] == pytest.approx(5.64**3 / 8, rel=1e-4)


def test_shells_outside_the_noble_gas() -> None:
    table = element_table()
    shells = {z: [table[s][z] for s in "spdf"] for z in (6, 26, 64, 80, 92)}
    assert shells[6] == [2, 2, 0, 0]
    assert shells[26] == [2, 0, 6, 0]
    assert shells[64] == [2, 0, 0, 8]
    assert shells[80] == [2, 0, 10, 14]
    assert shells[92] == [2, 0, 0, 4]
    assert table["open d"][26] == 4


@pytest.mark.parametrize("symmetry", ["permutation", "translation", "rotation", "supercell"])
def test_no_setting_of_a_crystal_changes_its_row(symmetry: str) -> None:
    items = crystals(10)
    other = [moved(symmetry, c, i) for i, c in enumerate(items)]
    np.testing.assert_allclose(features(sites(items))[0], features(sites(other))[0], rtol=4e-5)


def test_a_batch_has_the_rows_of_its_table() -> None:
    items = crystals(10)
    table = Records.stack([str(i) for i in range(10)], [describe(c) for c in items])
    for kind in ("orbits", "atoms"):
        graphs = build(table, 5.0, kind)
        ours, names = features(Sites.of_records(table, graphs))
        theirs, same = features(Sites.of_batch(collate(table, graphs)))
        assert names == same
        np.testing.assert_allclose(ours, theirs, rtol=4e-5)


def test_groups_of_columns_are_apart() -> None:
    rows = sites(crystals(3))
    sizes = [features(rows, [group])[0].shape[1] for group in GROUPS]
    values, names = features(rows)
    assert values.shape == (3, sum(sizes))
    assert len(set(names)) == len(names)
    assert np.isfinite(values).all()


def test_without_neighbours_a_row_is_still_finite() -> None:
    assert np.isfinite(features(sites(crystals(4), 0.0))[0]).all()


@pytest.mark.parametrize("number", [1, 19, 136, 166, 199, 205, 225, 227, 230])
def test_the_smallest_orbit_of_a_space_group(number: int) -> None:
    """Counted on the points with coordinates in twenty-fourths, where every position has some."""
    import spglib

    hall = next(h for h in range(1, 531) if spglib.get_spacegroup_type(h).number == number)
    found = spglib.get_symmetry_from_database(hall)
    shifts = np.rint(found["translations"] * 24).astype(int)
    axes = np.arange(24)
    points = np.stack(np.meshgrid(axes, axes, axes, indexing="ij"), -1).reshape(-1, 3)
    fixed = np.zeros(len(points), int)
    for turn, shift in zip(found["rotations"], shifts, strict=True):
        fixed += (((points @ turn.T + shift - points) % 24) == 0).all(1)
    centrings = sum(bool((turn == np.eye(3)).all()) for turn in found["rotations"])
    assert len(shifts) // fixed.max() // centrings == FEWEST_SITES[number]
