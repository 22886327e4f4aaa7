"""The bound on the gap along a line of Hamiltonians, and what it proves."""

from __future__ import annotations

import numpy as np
import pytest

from crystalgui.core.physics import zoo
from crystalgui.core.physics.bloch import energies, grid_energies
from crystalgui.core.physics.gaps import direct_gap, gaps
from crystalgui.core.physics.homotopy import bounds, stays_open
from crystalgui.core.physics.node_search import search_mesh
from crystalgui.core.physics.perturb import add, interpolate, noise
from crystalgui.core.structures.hoppings.model import Hoppings


def diamond(d: float) -> Hoppings:
    return zoo.build("fu-kane-mele", d=d, b2=0.8, staggered=0.2)


@pytest.mark.parametrize("seed", range(4))
def test_the_gap_is_nowhere_smaller_than_the_bound_on_the_whole_line(seed: int) -> None:
    start = diamond(0.4)
    end = add(start, noise(start, 0.05, seed).hoppings)
    k = np.random.default_rng(seed).uniform(-0.5, 0.5, (200, 3))
    pair = bounds(start, end, 2, k)
    gap = {t: energies(interpolate(start, end, t), k) for t in (0.0, 0.2, 0.5, 0.8, 1.0)}
    lowest = np.minimum(pair[:, 1] - pair[:, 0], gap[0.0][:, 2] - gap[0.0][:, 1])
    for t, e in gap.items():
        assert (e[:, 2] - e[:, 1] >= lowest - 1e-12).all(), t
    # The bound is not empty: second order in the change only.
    assert np.median(gap[1.0][:, 2] - gap[1.0][:, 1] - (pair[:, 1] - pair[:, 0])) < 0.05


def test_bounds_of_a_hamiltonian_with_itself_are_its_bands() -> None:
    h = diamond(0.4)
    k = np.random.default_rng(0).uniform(-0.5, 0.5, (50, 3))
    assert np.abs(bounds(h, h, 2, k) - energies(h, k)[:, 1:3]).max() < 1e-12


def test_noise_that_keeps_the_gap_open_and_a_line_that_closes_it() -> None:
    start = diamond(0.4)
    mesh = search_mesh(start, 3)
    near = add(start, noise(start, 0.01, 1).hoppings)
    found = stays_open(start, near, 2, mesh, even=True)
    assert found.open
    assert found.margin > 0
    assert found.margin <= gaps(near, 2).direct.energy + 1e-9
    # All k instead of half of them: the same answer.
    whole = stays_open(start, near, 2, mesh)
    assert whole.open
    assert abs(whole.margin - found.margin) < 1e-9
    assert not stays_open(start, diamond(-0.4), 2, mesh, even=True).open


def test_a_gap_is_found_from_energies_on_a_mesh() -> None:
    h = diamond(0.3)
    gap, k = direct_gap(h, 2, grid_energies(h, (10, 10, 10)))
    assert gap == pytest.approx(gaps(h, 2).direct.energy, abs=1e-6)
    e = energies(h, k[None])[0]
    assert e[2] - e[1] == pytest.approx(gap, abs=1e-12)
