"""Sampling of the zone by eqs. 12 and 13 of Bird 2023."""

from __future__ import annotations

import numpy as np
import pytest

from crystalgui.core.datasets.hamiltonians.sampling import (
    aliases,
    least_mesh,
    matrices_on,
    mesh_axes,
    mesh_points,
    sample,
)
from crystalgui.core.errors import DataError
from crystalgui.core.physics import zoo
from crystalgui.core.physics.bloch import energies, hamiltonian
from crystalgui.core.structures.hoppings.model import Hoppings


@pytest.mark.parametrize("n", [4, 5, 8, 9])
def test_eq13_holds_gamma_for_even_n_only(n: int) -> None:
    k = mesh_points(n)
    assert np.allclose(k, (2 * np.arange(n) - n) / (2 * n))
    assert (np.abs(k) < 1e-12).any() == (n % 2 == 0)
    assert len(np.unique(np.round(k % 1, 9))) == n


def test_eq12_counts_the_faces_twice() -> None:
    n = 6
    k = mesh_points(n, "eq12")
    assert k[0] == -0.5
    assert k[-1] == 0.5
    assert len(np.unique(np.round(k % 1, 9))) == n - 1
    # The mean over the torus is H(A = 0); with a face counted twice it is not.
    h = zoo.haldane(mass=0.3)
    home = h.matrices[(h.cells == 0).all(axis=1)][0]
    right, wrong = (sample(h, n, scheme).hamiltonian for scheme in ("eq13", "eq12"))
    assert np.allclose(right.mean(axis=(0, 1, 2)), home)
    assert not np.allclose(wrong.mean(axis=(0, 1, 2)), home, atol=1e-3)
    inside = wrong[:-1, :-1]
    assert np.allclose(inside.mean(axis=(0, 1, 2)), home)


@pytest.mark.parametrize(
    ("h", "shape"),
    [
        (zoo.ssh(), (4, 1, 1)),
        (zoo.kane_mele(), (4, 4, 1)),
        (zoo.cubic(), (4, 4, 4)),
    ],
)
def test_samples_are_those_of_the_hamiltonian(h: Hoppings, shape: tuple[int, ...]) -> None:
    zone = sample(h, 4)
    assert zone.hamiltonian.shape[:3] == shape
    assert np.allclose(zone.hamiltonian, hamiltonian(h, zone.k), atol=1e-12)
    flat = energies(h, zone.k.reshape(-1, 3))
    assert np.allclose(zone.bands.reshape(flat.shape), flat, atol=1e-10)
    assert zone.repeated.shape[:3] == (4, 4, 4)
    assert any("b = 0" in text for text in zone.warnings) == (min(shape) == 1)


def test_the_hoppings_can_be_had_back() -> None:
    h = zoo.bitei(0.4)
    n = 2 * int(np.abs(h.cells).max()) + 1
    assert aliases(h, n) == 0
    matrices = matrices_on(h, mesh_axes(h, n))
    k = np.stack(np.meshgrid(*mesh_axes(h, n), indexing="ij"), axis=-1).reshape(-1, 3)
    phase = np.exp(-2j * np.pi * k @ h.cells.T)
    back = np.einsum("ka,kij->aij", phase, matrices.reshape(len(k), 18, 18)) / len(k)
    assert np.abs(back - h.matrices).max() < 1e-12
    assert aliases(h, 2) > 0


def test_odd_and_lossy_meshes_say_so() -> None:
    h = zoo.bitei()
    assert any("odd" in text for text in sample(h, 3).warnings)
    assert any("lossy" in text for text in sample(h, 4).warnings)
    enough = least_mesh(zoo.haldane())
    assert not sample(zoo.haldane(), enough + enough % 2).warnings[1:]


def test_the_count_of_the_paper() -> None:
    """18 x 18 x 1155 numbers need 73 points a direction; 16 are lossy."""
    cells = np.stack(np.meshgrid(np.arange(-5, 6), np.arange(-7, 8), np.arange(-3, 4)), -1)
    cells = cells.reshape(-1, 3)
    assert len(cells) == 1155
    matrices = np.ones((1155, 18, 18))
    h = Hoppings(cells=cells, matrices=matrices)
    assert least_mesh(h) == 73
    assert aliases(h, 16) == 0
    assert aliases(h, 14) > 0


def test_impossible_meshes_are_refused() -> None:
    for n, scheme in ((0, "eq13"), (1, "eq12"), (100_000, "eq13"), (8, "eq14")):
        with pytest.raises(DataError):
            mesh_points(n, scheme)  # type: ignore[arg-type]
