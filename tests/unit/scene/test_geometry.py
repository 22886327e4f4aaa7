from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from crystalgui.scene.geometry import MOST_BONDED, geometry

from .crystals import BITEI, PEROVSKITE, block


def brute_force(positions, species, limit):
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    i, j = np.nonzero(np.triu(distance < limit, 1))
    return {(a, b) for a, b in zip(i.tolist(), j.tolist(), strict=True) if species[a] != species[b]}


@pytest.mark.parametrize("boundary", [True, False])
@pytest.mark.parametrize("repeats", [(1, 1, 1), (4, 4, 2)])
def test_bonds_are_right_across_the_boundary(boundary, repeats):
    g = geometry(BITEI, repeats, boundary=boundary)
    assert {tuple(sorted(p)) for p in g.bonds.tolist()} == brute_force(g.positions, g.species, 3.45)
    if not boundary:
        assert len(g) == 3 * np.prod(repeats)


def test_atoms_and_images_lead_back_to_the_cell():
    g = geometry(BITEI, (3, 2, 2))
    assert_allclose((BITEI.frac[g.atom] + g.image) @ BITEI.lattice, g.positions, atol=1e-9)
    assert (g.species == BITEI.species[g.atom]).all()


def test_a_perovskite_shows_whole_octahedra():
    g = geometry(PEROVSKITE, (2, 2, 1), polyhedra=True)
    assert len(g.polyhedra) == 4
    for p in g.polyhedra:
        assert g.species[p.centre] == 22
        assert len(p.vertices) == 6
        assert len(p.edges) == 12
        distance = np.linalg.norm(g.positions[:, None] - p.vertices[None], axis=2).min(axis=0)
        assert_allclose(distance, 0, atol=1e-9)
    bonded = np.unique(g.species[g.bonds])
    assert bonded.tolist() == [8, 22]


def test_corners_outside_the_cell_are_added_with_their_bonds():
    shifted = type(PEROVSKITE)(
        lattice=PEROVSKITE.lattice, frac=(PEROVSKITE.frac + 0.5) % 1, species=PEROVSKITE.species
    )
    plain = geometry(shifted)
    whole = geometry(shifted, polyhedra=True)
    assert len(whole) > len(plain)
    titanium = np.flatnonzero(whole.species == 22)
    assert len(titanium) == 8
    degree = np.bincount(whole.bonds.ravel(), minlength=len(whole))
    assert (degree[titanium] == 6).all()


def test_large_crystals_wait_for_their_bonds():
    crystal = block(21)
    assert crystal.n_atoms > MOST_BONDED
    first = geometry(crystal)
    assert first.deferred
    assert len(first.bonds) == 0
    asked = geometry(crystal, most_bonded=10**9, boundary=False)
    assert not asked.deferred
    assert len(asked.bonds) == 3 * 20 * 21 * 21
    without = geometry(crystal, bonds=False)
    assert not without.deferred


def test_the_rim_of_many_atoms_bounds_them_all():
    drawn = geometry(PEROVSKITE, (12, 11, 10), bonds=False)
    assert drawn.rim is not None
    assert len(drawn.rim) < 100
    for direction in np.random.default_rng(1).normal(size=(20, 3)):
        for z in np.unique(drawn.species):
            every = drawn.positions[drawn.species == z] @ direction
            rim = drawn.rim[drawn.species[drawn.rim] == z]
            assert (drawn.positions[rim] @ direction).max() == pytest.approx(every.max())
