"""Velocities, Berry curvature and the anomalous Hall conductivity."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.berry import (
    band_curvatures,
    berry_curvature,
    curvature_on_plane,
    derivative,
    velocities,
)
from crystalgui.core.physics.bloch import energies, hamiltonian
from crystalgui.core.physics.brillouin import reciprocal_of
from crystalgui.core.physics.chern import chern, field_strength
from crystalgui.core.physics.conductivity import E2_OVER_HBAR, anomalous_hall
from crystalgui.core.physics.slices import plane_of
from crystalgui.core.physics.zoo import bitei, cubic, fu_kane_mele, haldane, kane_mele, weyl
from crystalgui.core.physics.zoo.terms import SX, SY, SZ, Terms
from crystalgui.core.structures.hoppings.model import Hoppings

QUANTUM = E2_OVER_HBAR / (2 * np.pi)


def mesh_of(n: int) -> np.ndarray:
    axis = np.arange(n) / n
    return np.stack(np.meshgrid(axis, axis, [0.0], indexing="ij"), axis=-1)[:, :, 0]


def steps_of(h: Hoppings, size: float) -> np.ndarray:
    """Reduced steps along the Cartesian axes, rows."""
    assert h.lattice is not None
    return size * np.linalg.inv(reciprocal_of(h.lattice))


def test_derivative_is_the_slope_of_h() -> None:
    h = replace(bitei(), centres=None)
    k = np.random.default_rng(0).uniform(size=(3, 3))
    d = 1e-5
    slopes = [
        (hamiltonian(h, k + step) - hamiltonian(h, k - step)) / (2 * d) for step in steps_of(h, d)
    ]
    assert np.abs(derivative(h, k) - np.stack(slopes, axis=1)).max() < 1e-7


@pytest.mark.parametrize("h", [bitei(), fu_kane_mele(staggered=0.2), weyl()], ids=lambda h: h.title)
def test_velocities_are_the_slopes_of_the_bands(h: Hoppings) -> None:
    k = np.random.default_rng(1).uniform(size=(2, 3, 3))
    d = 1e-5
    slopes = [
        (energies(h, (k + step).reshape(-1, 3)) - energies(h, (k - step).reshape(-1, 3))) / (2 * d)
        for step in steps_of(h, d)
    ]
    found = velocities(h, k)
    assert found.shape == (2, 3, h.n_orbitals, 3)
    assert np.abs(found.reshape(6, -1, 3) - np.stack(slopes, axis=-1)).max() < 1e-6
    # They know nothing about where the orbitals are.
    assert np.abs(found - velocities(replace(h, centres=None), k)).max() < 1e-10


def test_velocities_of_degenerate_bands_are_their_slopes() -> None:
    # A Dirac point: two bands go up and two go down along every axis.
    h = cubic(M=0)
    assert velocities(h, np.zeros(3))[:, 0] == pytest.approx([-4, -4, 4, 4], abs=1e-9)
    # Kramers pairs of a Rashba semiconductor split linearly at a TRIM.
    h = bitei()
    trim, d = np.array([0, 0, 0.5]), 1e-6
    step = steps_of(h, d)[0]
    after = energies(h, (trim + step)[None])[0] - energies(h, trim[None])[0]
    assert velocities(h, trim)[:, 0] == pytest.approx(after / d, abs=1e-4)


def test_curvature_integrates_to_the_chern_number() -> None:
    h = haldane()
    curvature = berry_curvature(h, mesh_of(48), 1)
    assert h.lattice is not None
    reciprocal = reciprocal_of(h.lattice)
    area = np.linalg.norm(np.cross(reciprocal[0], reciprocal[1]))
    assert curvature[..., 2].mean() * area / (2 * np.pi) == pytest.approx(-1, abs=1e-9)
    assert np.abs(curvature[..., :2]).max() == 0
    assert chern(h, 1).value == -1


@pytest.mark.parametrize("h", [haldane(mass=0.3), kane_mele(rashba=0.05)], ids=lambda h: h.title)
def test_curvature_without_centres_is_that_of_small_plaquettes(h: Hoppings) -> None:
    h = replace(h, centres=None)
    occupied, d = h.n_orbitals // 2, 1e-3
    k = np.array([0.31, 0.27, 0])
    square = k + d * np.array([[[0, 0, 0], [0, 1, 0]], [[1, 0, 0], [1, 1, 0]]])
    states = np.linalg.eigh(hamiltonian(h, square))[1][..., :occupied]
    flux = field_strength(states)[0, 0]
    assert h.lattice is not None
    reciprocal = reciprocal_of(h.lattice)
    area = np.linalg.norm(np.cross(reciprocal[0], reciprocal[1])) * d**2
    middle = k + np.array([d, d, 0]) / 2
    assert flux / area == pytest.approx(berry_curvature(h, middle, occupied)[2], rel=1e-4)


def test_a_node_radiates_and_time_reversal_turns_it_round() -> None:
    terms = Terms(2)
    for axis, spin in enumerate((SX, SY, SZ)):
        terms.sine(axis, spin)
    h = terms.build(lattice=np.eye(3) * 2 * np.pi, title="k.sigma", occupied=1)
    k = 1e-3 * np.array([[1, 0, 0], [0, -1, 0], [0, 0, 1]])
    radius = 2 * np.pi * 1e-3 / (2 * np.pi)
    # Omega = +k / (2 k^3) of the lower band: chirality +1.
    wanted = np.sign(k) / (2 * radius**2)
    assert np.allclose(berry_curvature(h, k, 1), wanted, rtol=1e-3, atol=1)
    assert np.isnan(berry_curvature(h, np.zeros(3), 1)).all()
    tri = bitei()
    k = np.random.default_rng(2).uniform(size=(5, 3))
    assert np.allclose(berry_curvature(tri, -k, 12), -berry_curvature(tri, k, 12), atol=1e-9)
    with pytest.raises(PhysicsError):
        berry_curvature(tri, k, 18)


def test_curvatures_of_bands_add_up() -> None:
    h = bitei()
    k = np.random.default_rng(3).uniform(size=(2, 4, 3))
    levels, curvature = band_curvatures(h, k)
    assert np.allclose(levels.reshape(-1, 18), energies(h, k.reshape(-1, 3)))
    assert np.allclose(curvature[..., :12, :].sum(axis=-2), berry_curvature(h, k, 12), atol=1e-8)
    assert np.abs(curvature.sum(axis=-2)).max() < 1e-7


@pytest.mark.parametrize("hkl", [(0, 0, 1), (1, 1, 0), (1, 0, 1)])
def test_curvature_on_a_plane_is_the_normal_component(hkl: tuple[int, int, int]) -> None:
    x, y = np.linspace(-0.5, 0.5, 6), np.linspace(-0.6, 0.6, 5)
    where = np.ones((6, 5), dtype=bool)
    where[2, 3] = False
    for h, occupied in ((weyl(), 1), (bitei(), 12)):
        plane = plane_of(h.lattice, hkl, 0.23)
        found = curvature_on_plane(h, plane, x, y, occupied, where=where)
        k = plane.reduced(np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1))
        wanted = berry_curvature(h, k, occupied) @ plane.normal
        assert np.isnan(found[2, 3])
        assert np.allclose(found[where], wanted[where], atol=1e-9)


def test_kernels_are_the_same_in_torch() -> None:
    torch = pytest.importorskip("torch")
    h = kane_mele(rashba=0.05)
    k = np.random.default_rng(4).uniform(size=(2, 3, 3))
    k[0, 0] = 0
    other = torch.from_numpy(k)
    assert np.allclose(derivative(h, other).numpy(), derivative(h, k), atol=1e-12)
    assert np.allclose(velocities(h, other).numpy(), velocities(h, k), atol=1e-9)
    assert np.allclose(berry_curvature(h, other, 2).numpy(), berry_curvature(h, k, 2), atol=1e-9)
    ours, theirs = band_curvatures(h, k[1]), band_curvatures(h, other[1])
    assert np.allclose(theirs[1].numpy(), ours[1], atol=1e-7)


# ------------------------------------------------------------ Hall conductivity


def test_hall_conductivity_is_the_reference_of_wannierberri() -> None:
    h = haldane(t1=-1, t2=0.15, mass=0.2, c=1.0)
    exact = 387404.586
    found = anomalous_hall(h, 0.0, (80, 80, 1), most_points=6400)
    assert found.sigma.shape == (1, 3)
    assert found.sigma[0, 2] == pytest.approx(exact, rel=1e-6)
    assert not found.converged
    refined = anomalous_hall(h, [0.0, 10.0], (10, 10, 1))
    assert refined.converged
    assert refined.sigma[0, 2] == pytest.approx(exact, rel=2e-3)
    assert abs(refined.sigma[1, 2]) < 1e-6


def test_hall_conductivity_of_a_weyl_semimetal_is_the_distance_of_its_nodes() -> None:
    h = weyl()
    found = anomalous_hall(h, 0.0, (12, 12, 12), most_points=60_000)
    # C = +1 on a third of the planes; sigma = -C e^2 / h.
    wanted = -QUANTUM / 4e-10 / 3
    assert found.sigma[0, 2] == pytest.approx(wanted, rel=0.02)
    assert np.abs(found.sigma[0, :2]).max() < 1e-3 * abs(wanted)
