"""The shipped example files are those that the program writes, and are right."""

from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.structures.elements import formula
from crystalgui.core.structures.examples import EXAMPLES, cell_matrix, write_examples
from crystalgui.core.structures.files import read_crystal
from crystalgui.core.structures.neighbors import nearest_distance, neighbors
from crystalgui.core.structures.symmetry import symmetry

FOLDER = Path(__file__).resolve().parents[3] / "resources" / "examples" / "structures"


def test_the_shipped_files_are_what_the_program_writes(tmp_path):
    written = write_examples(tmp_path)
    assert {p.name for p in FOLDER.iterdir()} == {p.name for p in written}
    for path in written:
        fresh, shipped = read_crystal(path), read_crystal(FOLDER / path.name)
        np.testing.assert_allclose(shipped.lattice, fresh.lattice, atol=1e-12)
        np.testing.assert_allclose(shipped.frac, fresh.frac, atol=1e-12)
        assert shipped.species.tolist() == fresh.species.tolist()
        assert shipped.title == fresh.title


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.name)
def test_shipped_files_have_the_published_group_and_sane_distances(example):
    crystal = read_crystal(FOLDER / f"{example.name}.vasp")
    assert symmetry(crystal, 1e-5).number == example.space_group
    assert 1.5 < nearest_distance(crystal) < 3.2
    a, b, c, *angles = example.cell
    assert crystal.lengths == pytest.approx((a, b, c))
    assert crystal.angles == pytest.approx(angles)


def test_formulas_of_the_examples():
    names = {e.name: formula(e.crystal()) for e in EXAMPLES}
    assert names.pop("YBa2Cu3O7") == "Ba2YCu3O7"
    assert all(name == text for name, text in names.items())


def test_bitei_has_the_bonds_of_the_literature():
    crystal = read_crystal(FOLDER / "BiTeI.vasp")
    bismuth, tellurium, iodine = crystal.cart
    to_te = (
        bismuth
        - tellurium
        + np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
        @ crystal.lattice
    )
    to_i = (
        bismuth
        - iodine
        + np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
        @ crystal.lattice
    )
    assert np.linalg.norm(to_te, axis=1).min() == pytest.approx(3.03, abs=5e-3)
    assert np.linalg.norm(to_i, axis=1).min() == pytest.approx(3.26, abs=5e-3)


def test_hexagonal_gd2o3_continues_the_series_of_its_neighbours():
    radius = [1.032, 1.010, 0.983]  # of La, Ce, Nd with three charges, six neighbours
    a, c = [3.9381, 3.891, 3.831], [6.1361, 6.059, 5.999]
    crystal = read_crystal(FOLDER / "Gd2O3.vasp")
    for edges, length in ((a, crystal.lengths[0]), (c, crystal.lengths[2])):
        line = np.polynomial.Polynomial.fit(radius, edges, 1)
        assert length == pytest.approx(line(0.938), abs=1e-3)
    assert sorted(crystal.species.tolist()) == [8, 8, 8, 64, 64]
    table = neighbors(crystal, 2.8)
    to_oxygen = table.distance[(table.src == 0) & (crystal.species[table.dst] == 8)]
    assert len(to_oxygen) == 7
    assert to_oxygen.min() > 2.2


def test_triclinic_cell_matrix():
    rows = cell_matrix(3.0, 4.0, 5.0, 80.0, 95.0, 110.0)
    lengths = np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(lengths, [3, 4, 5])
    cosine = [rows[1] @ rows[2] / 20, rows[0] @ rows[2] / 15, rows[0] @ rows[1] / 12]
    np.testing.assert_allclose(np.degrees(np.arccos(cosine)), [80, 95, 110])
