"""Gaps off the mesh: as low as a simplex finds them, also in rings and kinks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from crystalgui.core.physics import zoo
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.descent import minimise, settle
from crystalgui.core.physics.gaps import Gap, gaps
from crystalgui.core.physics.perturb import add, noise
from crystalgui.core.structures.hoppings.model import Hoppings


def noisy() -> Hoppings:
    h = zoo.fu_kane_mele(bonds=(1.3, 0.8, 1, 1), staggered=0.2)
    return add(h, noise(h, 0.02, 3))


@pytest.mark.parametrize(
    ("h", "occupied"), [(zoo.bitei_p22(2.0), 12), (zoo.bitei_p22(1.2), 12), (noisy(), 2)]
)
def test_no_simplex_goes_lower(h: Hoppings, occupied: int) -> None:
    """At x = 2 the edges lie on a ring around A, less than a mesh step wide."""
    found = gaps(h, occupied)

    def lowest(gap: Gap, function) -> float:
        start = gap.k_lower if gap is found.direct else gap.k_upper
        simplex = start + 3e-3 * np.concatenate([np.zeros((1, 3)), np.eye(3)])
        options = {"initial_simplex": simplex, "xatol": 1e-7, "fatol": 1e-12}
        return float(minimize(function, start, method="Nelder-Mead", options=options).fun)

    def direct(k) -> float:
        e = energies(h, k[None])[0]
        return float(e[occupied] - e[occupied - 1])

    def bottom(k) -> float:
        return float(energies(h, k[None])[0, occupied])

    assert found.direct.energy <= lowest(found.direct, direct) + 1e-8
    assert found.indirect.upper <= lowest(found.indirect, bottom) + 1e-8


def test_the_ring_of_bitei() -> None:
    """A saddle on the plane through A is 1.6 meV higher."""
    assert gaps(zoo.bitei_p22(2.0), 12).direct.energy == pytest.approx(0.1000, abs=2e-4)


def test_a_smooth_minimum_is_found_to_rounding_and_a_kink_to_the_last_stencil() -> None:
    basis = np.diag([1.0, 2.0, 3.0])
    wanted = np.array([0.013, -0.021, 0.007])

    def smooth(k):
        q = k - wanted
        return 1 + (q**2).sum(axis=-1) + 0.3 * q[..., 0] * q[..., 1] + q[..., 2] ** 3

    def kink(k):
        return np.linalg.norm((k - wanted) * [1, 2, 5], axis=-1)

    k, value = minimise(smooth, np.zeros((2, 3)), 0.05, basis, rounds=12)
    assert np.allclose(value, 1, atol=1e-10)
    assert np.allclose(k, wanted, atol=1e-5)
    _, value = minimise(kink, np.zeros((1, 3)), 0.05, basis, rounds=40)
    assert value[0] < 1e-6


def test_only_free_directions_move() -> None:
    h = zoo.kane_mele(staggered=0.2)
    start = np.array([[0.32, -0.32, 0.25]])
    k, gap = settle(h, 2, start, 0.05, live=np.array([True, True, False]))
    assert k[0, 2] == 0.25
    assert gap[0] == pytest.approx(gaps(h, 2).direct.energy, abs=1e-9)
