"""Models that follow a strain: the same as the zoo without it, differentiable with it."""

from __future__ import annotations

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.deformable import MODELS, Diamond, bitei, bitei_p22, model
from crystalgui.core.physics.slater_koster import Integral, SlaterKoster, slater_koster
from crystalgui.core.physics.strain import (
    Allowed,
    Deformable,
    bounded,
    hoppings,
    point_group,
    project,
    strained,
)
from crystalgui.core.physics.zoo import bitei as zoo_bitei
from crystalgui.core.physics.zoo import bitei_p22 as zoo_bitei_p22
from crystalgui.core.physics.zoo import fu_kane_mele
from crystalgui.core.physics.zoo.bitei import structure
from crystalgui.core.structures.hoppings.spin import time_reversal_residual

T = np.array([[0.02, 0.01, -0.005], [0.004, -0.03, 0.007], [0.003, -0.006, 0.025]])


def mixed() -> SlaterKoster:
    """Two sites with s and p, one with s only, every integral, no symmetry."""
    rng = np.random.default_rng(3)
    return SlaterKoster(
        lattice=np.array([[4.1, 0.2, 0], [-0.3, 3.9, 0.1], [0.2, 0.4, 5.0]]),
        frac=np.array([[0, 0, 0], [0.4, 0.55, 0.35], [0.7, 0.2, 0.6]]),
        species=np.array([31, 33, 1]),
        s_level=np.array([-8.0, -11, 1]),
        p_level=np.array([-2.0, -4, np.nan]),
        crystal_field=np.zeros(3),
        spin_orbit=np.array([0.3, 0.5, 0]),
        ss=Integral(value=rng.normal(size=(3, 3)) * 0 - 1.2, decay=0.8),
        sp=Integral(value=rng.normal(size=(3, 3)), decay=0.9),
        pp_sigma=Integral(value=np.full((3, 3), 1.9), decay=0.7),
        pp_pi=Integral(value=np.full((3, 3), -0.6), decay=0.6),
        occupied=8,
    )


EVERY = [bitei, Diamond, lambda: Diamond(staggered=0.2), mixed]


@pytest.mark.parametrize("x", [0.0, 0.5, 1.3, 2.0])
def test_the_slater_koster_bitei_is_the_one_of_the_zoo(x: float) -> None:
    for made, expected in ((bitei(), zoo_bitei(x)), (bitei_p22(), zoo_bitei_p22(x))):
        cells, matrices = slater_koster(made, *structure(x))
        assert (cells == expected.cells).all()
        assert np.abs(matrices - expected.matrices).max() < 1e-13


def test_the_diamond_is_the_one_of_the_zoo() -> None:
    made, expected = hoppings(Diamond(staggered=0.2)), fu_kane_mele(staggered=0.2)
    assert (made.cells == expected.cells).all()
    assert np.abs(made.matrices - expected.matrices).max() < 1e-13


@pytest.mark.parametrize("make", EVERY)
def test_strained_models_are_hermitian_and_time_reversal_symmetric(make: object) -> None:
    h = hoppings(make(), T)  # type: ignore[operator]
    rows = {tuple(c): i for i, c in enumerate(h.cells.tolist())}
    opposite = [rows[tuple(-x for x in c)] for c in rows]
    assert np.abs(h.matrices - h.matrices[opposite].conj().swapaxes(1, 2)).max() < 1e-12
    assert time_reversal_residual(h.matrices, "blocks") < 1e-12
    assert h.assumptions.spin_order == "blocks"


@pytest.mark.parametrize("make", EVERY)
def test_the_derivative_is_that_of_finite_differences(make: object) -> None:
    m: Deformable = make()  # type: ignore[operator]
    rng = np.random.default_rng(1)
    lattice, turn, e = strained(m.lattice, T), rng.normal(size=(3, 3)), 1e-5
    up, down = (m.terms(lattice + s * e * turn, m.frac)[1] for s in (1, -1))
    assert np.abs((up - down) / (2 * e) - m.change(lattice, m.frac, turn)).max() < 1e-7


@pytest.mark.parametrize("make", EVERY)
def test_torch_gives_the_same_matrices_and_gradients(make: object) -> None:
    import torch

    m: Deformable = make()  # type: ignore[operator]
    strain = torch.tensor(T, requires_grad=True)
    lattice = strained(torch.tensor(m.lattice), strain)
    cells, matrices = m.terms(lattice, torch.tensor(m.frac))
    plain = m.terms(strained(m.lattice, T), m.frac)
    assert (cells == plain[0]).all()
    assert np.abs(matrices.detach().numpy() - plain[1]).max() < 1e-13
    weight = np.random.default_rng(2).normal(size=plain[1].shape)
    (torch.tensor(weight) * matrices.real).sum().backward()
    for a, b in np.ndindex(3, 3):
        unit = np.zeros((3, 3))
        unit[a, b] = 1
        slope = (m.change(strained(m.lattice, T), m.frac, m.lattice @ unit.T).real * weight).sum()
        assert float(strain.grad[a, b]) == pytest.approx(slope, rel=1e-10, abs=1e-10)


def test_s_and_p_levels_do_not_change_when_the_crystal_turns() -> None:
    from scipy.spatial.transform import Rotation

    turn = Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()
    k = np.array([[0.1, 0.2, 0.3], [0.5, 0, 0.1]])
    m = mixed()
    as_given = energies(hoppings(m), k)
    assert np.abs(energies(hoppings(m, turn - np.eye(3)), k) - as_given).max() < 1e-10
    assert np.abs(energies(hoppings(m, T), k) - as_given).max() > 1e-2


def test_constraints_keep_what_they_say() -> None:
    m = bitei_p22()
    group = point_group(m.lattice, m.frac, m.species)
    assert len(group) == 6
    d = np.random.default_rng(0).normal(size=(3, 3))
    kept = project(d, T, Allowed(), group)
    assert np.allclose(kept, np.diag([kept[0, 0], kept[0, 0], kept[2, 2]]), atol=1e-12)
    assert np.allclose(project(kept, T, Allowed(), group), kept)
    free = project(d, T, Allowed(symmetry=False, rotations=True), group)
    assert (free == d).all()
    assert np.allclose(project(d, T, Allowed(symmetry=False), group), (d + d.T) / 2)
    plane = project(d, T, Allowed(symmetry=False, shape="in-plane"), group)
    assert not plane[2].any()
    assert not plane[:, 2].any()
    assert plane[:2, :2].any()
    along = project(d, T, Allowed(shape="along-c"), group)
    assert np.count_nonzero(along) == 1
    uniform = project(d, T, Allowed(shape="uniform"), group)
    assert np.allclose(uniform, np.eye(3) * np.trace(d) / 3)


@pytest.mark.parametrize("shape", ["free", "in-plane"])
def test_the_volume_is_kept(shape: str) -> None:
    allowed = Allowed(volume=True, symmetry=False, shape=shape)  # type: ignore[arg-type]
    t = np.diag([0.03, -0.02, 0.0]) if shape == "in-plane" else T
    t = bounded(t, allowed)
    assert np.linalg.det(np.eye(3) + t) == pytest.approx(1, abs=1e-12)
    d = project(np.random.default_rng(0).normal(size=(3, 3)), t, allowed, np.eye(3)[None])
    slope = np.linalg.det(np.eye(3) + t + 1e-6 * d) - np.linalg.det(np.eye(3) + t - 1e-6 * d)
    assert abs(slope) < 1e-12


def test_bad_strains_and_names_are_refused() -> None:
    with pytest.raises(PhysicsError, match="inside out"):
        hoppings(Diamond(), np.diag([0, 0, -2.0]))
    with pytest.raises(PhysicsError, match="no model"):
        model("unobtainium")
    with pytest.raises(PhysicsError, match="too many atoms"):
        hoppings(bitei_p22(), np.diag([0, 0, -0.9999]))
    for name in MODELS:
        assert hoppings(model(name)).occupied == model(name).occupied
