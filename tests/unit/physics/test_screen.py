"""Screening many samples: the same gaps as one by one, no false proof, any array library."""

from __future__ import annotations

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics import zoo
from crystalgui.core.physics.bloch import grid_energies
from crystalgui.core.physics.labels import Mixture
from crystalgui.core.physics.perturb import add, interpolate, noise
from crystalgui.core.physics.screen import screen_family, smallest_gaps

MESH = (8, 8, 8)


@pytest.fixture(scope="module")
def ends():
    """A path of Fu-Kane-Mele models through a Weyl phase."""
    return (
        zoo.fu_kane_mele(bonds=(1.05, 0.8, 1, 1), staggered=0.3),
        zoo.fu_kane_mele(bonds=(1.4, 0.8, 1, 1), staggered=0.3),
    )


def test_a_family_has_the_gaps_of_its_members(ends) -> None:
    alphas = [0.0, 0.13, 0.9]
    found = screen_family(*ends, alphas, 2, MESH, levels=0)
    for gap, k, alpha in zip(found.gap, found.k, alphas, strict=True):
        h = interpolate(*ends, alpha)
        table = grid_energies(h, MESH)
        assert gap == pytest.approx((table[..., 2] - table[..., 1]).min(), abs=1e-12)
        index = tuple(np.round(k * 8).astype(int))
        assert table[index][2] - table[index][1] == pytest.approx(gap, abs=1e-12)


def test_only_open_gaps_are_proven_open(ends) -> None:
    alphas = np.linspace(0, 1, 21)
    found = screen_family(*ends, alphas, 2, MESH, levels=4)
    mixture = Mixture(*ends, 2)
    gap = np.array([mixture.smallest_gap(x)[0] for x in alphas])
    assert (gap < 1e-4).sum() >= 4
    assert not found.proven_open[gap < 1e-4].any()
    assert found.proven_open[[0, 1, -2, -1]].all()


def test_samples_with_matrices_of_their_own() -> None:
    clean = zoo.fu_kane_mele(staggered=0.1)
    samples = [add(clean, noise(clean, 0.02, seed)) for seed in range(3)]
    cells = samples[0].cells
    found = smallest_gaps(cells, np.stack([h.matrices for h in samples]), 2, MESH, levels=0)
    for h, gap in zip(samples, found.gap, strict=True):
        table = grid_energies(h, MESH)
        assert gap == pytest.approx((table[..., 2] - table[..., 1]).min(), abs=1e-12)


def test_torch_says_the_same(ends) -> None:
    torch = pytest.importorskip("torch")
    alphas = [0.0, 0.4, 1.0]
    plain = screen_family(*ends, alphas, 2, MESH)
    other = screen_family(*ends, alphas, 2, MESH, xp=torch)
    assert np.allclose(plain.gap, other.gap, atol=1e-10)
    assert (plain.proven_open == other.proven_open).all()
    h = zoo.kane_mele(rashba=0.05)
    stack = np.stack([h.matrices, 2 * h.matrices])
    one = smallest_gaps(h.cells, stack, 2, (12, 12, 1))
    two = smallest_gaps(h.cells, torch.from_numpy(stack), 2, (12, 12, 1))
    assert np.allclose(one.gap, two.gap, atol=1e-10)
    assert one.proven_open.all()
    assert two.proven_open.all()


@pytest.mark.gpu
def test_a_gpu_says_the_same(ends) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")
    alphas = np.linspace(0, 1, 16)
    plain = screen_family(*ends, alphas, 2, MESH)
    other = screen_family(*ends, alphas, 2, MESH, xp=torch, device=torch.device("cuda"))
    assert np.allclose(plain.gap, other.gap, atol=1e-9)
    assert (plain.proven_open == other.proven_open).all()


def test_what_does_not_fit() -> None:
    h = zoo.kane_mele()
    with pytest.raises(PhysicsError, match="do not fit"):
        smallest_gaps(h.cells, h.matrices[None, :3], 2, (4, 4, 1))
    with pytest.raises(PhysicsError, match="occupied"):
        smallest_gaps(h.cells, h.matrices[None], 4, (4, 4, 1))
