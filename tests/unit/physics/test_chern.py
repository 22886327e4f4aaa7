"""Chern numbers: closed forms, meshes that lie, and planes between Weyl nodes; Zak phases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import hamiltonian
from crystalgui.core.physics.chern import chern, field_strength, zak
from crystalgui.core.physics.zoo import bitei, haldane, ssh, weyl


def states_on(mesh: int, mass: float) -> np.ndarray:
    axis = np.arange(mesh) / mesh
    k = np.stack(np.meshgrid(axis, axis, [0.0], indexing="ij"), axis=-1)[:, :, 0]
    return np.linalg.eigh(hamiltonian(haldane(mass=mass), k))[1][..., :1]


def test_sign_is_that_of_pythtb() -> None:
    assert chern(haldane(), 1).value == -1
    assert chern(haldane(phi=-np.pi / 2), 1).value == 1
    assert chern(haldane(), 1, u=(0, 1, 0), v=(1, 0, 0)).value == 1


def test_haldane_phase_diagram_has_no_mismatch_off_the_boundary() -> None:
    random = np.random.default_rng(1)
    undecided = 0
    for phi in np.linspace(-np.pi, np.pi, 25):
        for ratio in np.linspace(-6, 6, 25):
            edge = 3 * np.sqrt(3) * abs(np.sin(phi))
            # A random origin: no mesh point falls on K.
            origin = random.uniform(size=3) * (1, 1, 0)
            found = chern(haldane(phi=phi, mass=0.1 * ratio), 1, origin)
            if abs(abs(ratio) - edge) < 1e-6:
                assert found.status == "undefined"
                undecided += 1
                continue
            assert found.status == "converged"
            assert found.value == (0 if abs(ratio) > edge else -np.sign(np.sin(phi)))
    assert undecided < 15


@pytest.mark.parametrize(("mesh", "says"), [(4, 0), (8, 0), (10, 0), (6, -1), (12, -1), (24, -1)])
def test_a_fixed_mesh_can_be_admissible_almost_and_wrong(mesh: int, says: int) -> None:
    flux = field_strength(states_on(mesh, mass=0.5))
    assert flux.sum() / (2 * np.pi) == pytest.approx(says, abs=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.013, 0.04])
def test_the_refined_mesh_is_not_deceived(shift: float) -> None:
    found = chern(haldane(mass=0.5), 1, (shift, shift / 3, 0))
    assert (found.value, found.status) == (-1, "converged")
    assert found.largest_flux < 0.9 * np.pi
    near = chern(haldane(mass=0.519), 1, (shift, shift / 3, 0))
    assert (near.value, near.status) == (-1, "converged")


def test_no_gap_no_number() -> None:
    closed = chern(haldane(mass=0.3 * np.sqrt(3)), 1, (0.02, 0.01, 0))
    assert (closed.value, closed.status) == (None, "undefined")
    assert closed.smallest_gap < 1e-8


def test_too_few_points_are_unresolved() -> None:
    found = chern(haldane(mass=0.5), 1, (0.013, 0.004, 0), most_points=150)
    assert (found.value, found.status) == (None, "unresolved")


def test_gauss_law_between_the_planes_of_a_weyl_semimetal() -> None:
    h = weyl()
    below, above = chern(h, 1), chern(h, 1, (0, 0, 0.5))
    assert (below.value, above.value) == (1, 0)
    # The node at k3 = +1/6 has chirality -1; near it the planes still differ by that.
    for k3, wanted in ((1 / 6 - 0.001, 1), (1 / 6 + 0.001, 0), (-1 / 6 + 0.001, 1)):
        assert chern(h, 1, (0, 0, k3)).value == wanted
    assert chern(h, 1, (0, 0, 1 / 6)).status == "undefined"


def test_time_reversal_leaves_no_chern_number() -> None:
    found = chern(bitei(), 12, (0, 0, 0.5), u=(1, 0, 0), v=(1, 1, 0))
    assert (found.value, found.status) == (0, "converged")


def test_a_plane_needs_reciprocal_vectors() -> None:
    with pytest.raises(PhysicsError, match="do not close"):
        chern(haldane(), 1, u=(0.5, 0, 0))


def test_kernel_is_the_same_in_torch() -> None:
    torch = pytest.importorskip("torch")
    states = np.random.default_rng(0).normal(size=(2, 5, 4, 3, 2, 2)).view(np.complex128)[..., 0]
    wanted = field_strength(states)
    assert wanted.shape == (2, 5, 4)
    assert np.allclose(field_strength(torch.from_numpy(states)).numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize(("v", "w", "turns"), [(1, 0.6, 0), (0.6, 1, 1), (1, 1.001, 1)])
def test_ssh(v: float, w: float, turns: int) -> None:
    found = zak(ssh(v=v, w=w), 1)
    assert (found.status, found.quantised) == ("converged", True)
    assert abs(found.phase) / np.pi == pytest.approx(turns, abs=1e-6)


def test_zak_phase_of_a_closed_gap_and_of_a_polar_chain() -> None:
    closed = zak(ssh(v=1, w=1), 1)
    assert (closed.status, closed.quantised) == ("undefined", False)
    h = ssh(v=0.6, w=1)
    matrices = h.matrices.copy()
    matrices[(h.cells == 0).all(axis=1)] += np.diag([0.3, -0.3])
    polar = zak(replace(h, matrices=matrices), 1)
    assert polar.status == "converged"
    assert not polar.quantised
    # Charge moves to the deeper site, which lies in the next cell's half of the dimer.
    opposite = zak(replace(h, matrices=matrices.conj()[:, ::-1, ::-1]), 1)
    assert np.cos(polar.phase) == pytest.approx(np.cos(opposite.phase), abs=1e-6)
    assert abs(polar.phase) > 1
