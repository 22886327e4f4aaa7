"""Measurements against geometry and against a brute-force search of images."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.measure import (
    angle,
    dihedral,
    distance,
    measure,
    minimum_image,
    reduced,
)


def test_distance_angle_and_dihedral_of_known_points():
    assert distance([0, 0, 0], [3, 4, 0]) == 5
    assert angle([1, 0, 0], [0, 0, 0], [0, 2, 0]) == pytest.approx(90)
    assert angle([1, 0, 0], [0, 0, 0], [-2, 0, 0]) == pytest.approx(180)
    assert angle([1, 0, 0], [0, 0, 0], [1, 1e-9, 0]) == pytest.approx(5.73e-8, rel=1e-2)
    assert np.isnan(angle([0, 0, 0], [0, 0, 0], [1, 0, 0]))
    assert dihedral([1, 0, 0], [0, 0, 0], [0, 0, 1], [1, 0, 1]) == pytest.approx(0)
    assert abs(dihedral([1, 0, 0], [0, 0, 0], [0, 0, 1], [-1, 0, 1])) == pytest.approx(180)
    assert dihedral([1, 0, 0], [0, 0, 0], [0, 0, -1], [0, 1, -1]) == pytest.approx(-90)
    assert np.isnan(dihedral([0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 1, 0]))


def test_the_sign_of_a_dihedral_follows_iupac():
    # Looking from b to c, d is clockwise of a: positive.
    assert dihedral([0, 1, 0], [0, 0, 0], [0, 0, 1], [-1, 1, 1]) == pytest.approx(45)


@st.composite
def lattices(draw):
    rows = np.diag(draw(st.lists(st.floats(1, 12), min_size=3, max_size=3)))
    skew = draw(st.lists(st.floats(-15, 15), min_size=3, max_size=3))
    rows[1, 0], rows[2, 0], rows[2, 1] = skew
    return rows


@given(lattices(), st.tuples(*[st.floats(-3, 3)] * 3))
@settings(max_examples=80, deadline=None)
def test_minimum_image_is_the_shortest_of_all(lattice, frac):
    vector = np.array(frac) @ lattice
    short = minimum_image(lattice, vector)
    steps = (short - vector) @ np.linalg.inv(lattice)
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
    rows = reduced(lattice)
    assert abs(np.linalg.det(rows)) == pytest.approx(abs(np.linalg.det(lattice)))
    shifts = np.array(list(product(range(-4, 5), repeat=3))) @ rows
    brute = np.linalg.norm(short + shifts, axis=1).min()
    assert np.linalg.norm(short) == pytest.approx(brute, abs=1e-9)


def test_nearest_image_in_a_skew_cell_beyond_the_27_neighbours():
    lattice = np.array([[3.0, 0, 0], [28.5, 3, 0], [0, 0, 9]])
    assert np.linalg.norm(minimum_image(lattice, [28.5, 3, 0])) == pytest.approx(0, abs=1e-9)
    assert np.linalg.norm(minimum_image(lattice, [0, 3, 0])) == pytest.approx(1.5)


def test_direct_and_minimum_image():
    crystal = Crystal(
        lattice=np.eye(3) * 10,
        frac=[[0.05, 0, 0], [0.95, 0, 0], [0.95, 0.9, 0], [0.95, 0.9, 0.1]],
        species=np.array([6] * 4),
    )
    two = measure(crystal, [0, 1])
    assert two is not None
    assert (two.kind, two.unit) == ("distance", "Å")
    assert two.direct == pytest.approx(9)
    assert two.minimum == pytest.approx(1)
    three = measure(crystal, [0, 1, 2])
    assert three is not None
    assert three.direct == pytest.approx(90)
    assert three.minimum == pytest.approx(90)
    four = measure(crystal, [0, 1, 2, 3])
    assert four is not None
    assert four.kind == "dihedral"
    assert abs(four.direct) == pytest.approx(90)
    assert four.direct == pytest.approx(-four.minimum) or four.direct == pytest.approx(four.minimum)


def test_shifts_of_drawn_atoms_count():
    crystal = Crystal(lattice=np.eye(3) * 4, frac=[[0, 0, 0]], species=np.array([29]))
    found = measure(crystal, [0, 0], [[0, 0, 0], [1, 1, 0]])
    assert found is not None
    assert found.direct == pytest.approx(4 * np.sqrt(2))
    assert found.minimum == pytest.approx(0)
    assert measure(crystal, [0]) is None
    assert measure(crystal, [0] * 5) is None
