"""Wilson loops: kernels, charge centres, and the traps of fixed meshes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import hamiltonian
from crystalgui.core.physics.folded import fold, valley
from crystalgui.core.physics.lines import circular_distance
from crystalgui.core.physics.links import charge_centres, line_centres, loop, overlaps, unitary
from crystalgui.core.physics.wilson import Convergence, Surface, flow, largest_gap
from crystalgui.core.physics.z2 import half_plane
from crystalgui.core.physics.zoo import bitei, fu_kane_mele, haldane, kane_mele, ssh
from crystalgui.core.structures.hoppings.reader import read_hoppings


def random_matrices(*shape: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=shape) + 1j * random.normal(size=shape)


def test_folded_hamiltonian_is_the_hamiltonian() -> None:
    h = bitei()
    surface = Surface(
        origin=np.array([0.1, 0.2, 0.5]), across=np.array([0.5, 0, 0.3]), along=np.array([0, 1, 1])
    )
    folded = fold(h, surface)
    t, s = np.array([0.13, 0.7]), np.array([0.0, 0.41, 0.9])
    lower = np.tri(18, dtype=bool)
    for line, x in zip(folded.lines(t), t, strict=True):
        exact = hamiltonian(h, surface.k(x, s))
        assert np.allclose(folded.on_line(line, s)[:, lower], exact[:, lower], atol=1e-12)
        assert np.allclose(folded.at(np.full(3, x), s)[:, lower], exact[:, lower], atol=1e-12)


def test_lines_must_close() -> None:
    surface = Surface(origin=np.zeros(3), across=np.eye(3)[0], along=np.array([0, 0.5, 0]))
    with pytest.raises(PhysicsError, match="do not close"):
        flow(haldane(), surface, 1)


def test_polar_factors() -> None:
    left, _ = np.linalg.qr(random_matrices(6, 4, 4))
    right, _ = np.linalg.qr(random_matrices(6, 4, 4, seed=1))
    sizes = np.array([[1, 0.9, 0.8, 0.7]] * 3 + [[1, 1, 1, 0.5], [1, 0.5, 0.2, 0.1], [1, 1, 1, 0]])
    found, rough = unitary(left * sizes[:, None, :] @ right)
    assert rough.tolist() == [False] * 4 + [True] * 2
    assert np.allclose(found[:5], (left @ right)[:5], atol=1e-8)
    assert np.allclose(found @ found.conj().swapaxes(-1, -2), np.eye(4), atol=1e-8)


@pytest.mark.parametrize("m", [1, 2, 5, 8])
def test_loop_is_the_ordered_product(m: int) -> None:
    links = random_matrices(3, m, 2, 2)
    wanted = np.eye(2)
    for i in range(m):
        wanted = wanted @ links[:, i]
    assert np.allclose(loop(links), wanted)


def test_kernels_are_the_same_in_torch() -> None:
    torch = pytest.importorskip("torch")
    k = np.stack(np.meshgrid([0.1, 0.3], np.arange(9) / 9, [0.0], indexing="ij"), -1)[:, :, 0]
    states = np.linalg.eigh(hamiltonian(kane_mele(rashba=0.05), k))[1][..., :2]
    other = torch.from_numpy(states)
    assert np.allclose(overlaps(other).numpy(), overlaps(states), atol=1e-13)
    for ours, theirs in zip(unitary(overlaps(states)), unitary(overlaps(other)), strict=True):
        assert np.allclose(theirs.numpy(), ours, atol=1e-12)
    assert np.allclose(line_centres(other).numpy(), line_centres(states), atol=1e-12)


def test_centres_do_not_depend_on_the_gauge() -> None:
    k = np.zeros((12, 3))
    k[:, 1] = np.arange(12) / 12
    states = np.linalg.eigh(hamiltonian(bitei(), k))[1][..., :12]
    turn, _ = np.linalg.qr(random_matrices(12, 12, 12))
    assert np.allclose(line_centres(states @ turn), line_centres(states), atol=1e-10)


def test_a_charge_centre_is_where_the_charge_is() -> None:
    # Strong bonds from the second site to the next cell: half way, counted at
    # the origins of the cells 0 (second site) and 1 (first site).
    surface = Surface(origin=np.zeros(3), across=np.eye(3)[1], along=np.array([1, 0, 0]))
    for v, w, centre in ((1.0, 0.2, 0.0), (0.2, 1.0, 0.5)):
        found = flow(ssh(v=v, w=w), surface, 1)
        assert found.converged
        assert np.allclose((found.centres - centre + 0.5) % 1, 0.5, atol=1e-6)
    assert charge_centres(np.array([[[np.exp(-0.5j * np.pi)]]]))[0, 0] == pytest.approx(0.25)


def test_distance_on_the_circle() -> None:
    one = np.array([0.01, 0.4, 0.98])
    assert circular_distance(one, np.sort((one + 0.03) % 1)) == pytest.approx(0.03)
    assert circular_distance(np.array([0.999]), np.array([0.001])) == pytest.approx(0.002)
    assert largest_gap(np.array([0.4, 0.6])) == pytest.approx((0.0, 0.8))
    assert largest_gap(np.array([0.3])) == pytest.approx((0.8, 1.0))


def test_controls_are_those_of_z2pack() -> None:
    options = Convergence()
    assert (options.pos_tol, options.move_tol, options.gap_tol) == (0.01, 0.3, 0.3)
    found = flow(fu_kane_mele(), half_plane(0, 0.0), 2)
    assert found.converged
    names = {name: (value, tolerance) for name, value, tolerance in found.worst}
    assert set(names) == {"pos", "move", "gap", "resolution"}
    assert names["gap"][0] >= names["gap"][1]
    for name in ("pos", "move", "resolution"):
        assert names[name][0] <= names[name][1]
    assert np.all(np.diff(found.t) > 0)
    assert np.all((found.centres >= 0) & (found.centres < 1))


def test_lines_are_added_where_the_centres_move() -> None:
    near = flow(kane_mele(staggered=0.30), half_plane(2, 0.0), 2)
    assert near.converged
    assert len(near.t) > 11
    steps = np.diff(near.t)
    # K and K' are at t = 2/3.
    assert abs(near.t[steps.argmin()] - 2 / 3) < 0.05
    capped = flow(kane_mele(staggered=0.30), half_plane(2, 0.0), 2, Convergence(min_distance=0.1))
    assert not capped.converged


def test_valley_finds_the_gap_between_the_points() -> None:
    h = kane_mele(staggered=0.3)
    lowest, place = valley(
        fold(h, half_plane(2, 0.0)), 2, np.array([0.6, 0.3]), np.array([0.1, 0.1])
    )
    assert lowest == pytest.approx(2 * (3 * np.sqrt(3) * 0.06 - 0.3), abs=1e-7)
    assert np.allclose([place[0], abs(place[1] - 0.5)], [2 / 3, 1 / 6], atol=1e-4)


def test_a_gap_that_closes_is_seen() -> None:
    found = flow(kane_mele(staggered=0, rashba=0.25), half_plane(2, 0.0), 2)
    assert found.smallest_gap < 1e-6
    assert not found.converged


@pytest.mark.data
def test_bismuth_selenide_on_one_plane(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    found = flow(h, half_plane(2, 0.5), 18)
    assert found.converged
    assert found.centres.shape[1] == 18
    assert found.smallest_gap == pytest.approx(0.46, abs=0.02)
