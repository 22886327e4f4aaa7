"""Models by name, the Dirac semimetal, and the trivial controls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics import zoo
from crystalgui.core.physics.bloch import energies, hamiltonian
from crystalgui.core.physics.gaps import gaps
from crystalgui.core.structures.hoppings.model import Hoppings

NAMES = {
    "haldane",
    "kane-mele",
    "bhz",
    "cubic",
    "fu-kane-mele",
    "weyl",
    "na3bi",
    "ssh",
    "trivial-chain",
    "trivial-square",
    "bitei",
    "bitei-p22",
}
K = np.random.default_rng(2).uniform(-0.5, 0.5, (5, 3))
SPIN = (np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1.0, -1.0]))


def test_every_model_is_there() -> None:
    assert set(zoo.MODELS) == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_models_describe_themselves(name: str) -> None:
    model = zoo.MODELS[name]
    assert model.paper
    assert model.text.endswith(".")
    plain = model.build()
    assert plain.occupied is not None
    assert 0 < plain.occupied < plain.n_orbitals
    moving = {
        i
        for cell, m in zip(plain.cells, plain.matrices, strict=True)
        for i in range(3)
        if cell[i] and np.abs(m).max() > 1e-9
    }
    assert len(moving) == model.dimension
    for p in model.parameters:
        assert p.minimum <= p.default <= p.maximum
        assert p.meaning
        # Every setting reaches the Hamiltonian or its lattice.
        other = p.minimum if p.default != p.minimum else p.maximum
        start: dict[str, Any] = {"mass": 0.2} if name == "haldane" else {}
        if p.name == "bond":
            other = 2
        if p.name in start:
            start = {}
        before, after = model.build(**start), model.build(**start, **{p.name: other})
        assert before.lattice is not None
        assert after.lattice is not None
        same = len(before.cells) == len(after.cells) and np.allclose(
            hamiltonian(before, K), hamiltonian(after, K)
        )
        assert not (same and np.allclose(before.lattice, after.lattice)), p.name


def test_diamond_by_its_settings() -> None:
    h = zoo.build("fu-kane-mele", d=0.05, b2=0.8, staggered=0.3)
    wanted = zoo.fu_kane_mele(bonds=(1.05, 0.8, 1, 1), staggered=0.3)
    assert np.abs(hamiltonian(h, K) - hamiltonian(wanted, K)).max() < 1e-14
    h = zoo.build("fu-kane-mele", d=-0.4, bond=2)
    wanted = zoo.fu_kane_mele(bonds=(1, 1, 0.6, 1))
    assert np.abs(hamiltonian(h, K) - hamiltonian(wanted, K)).max() < 1e-14


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("unicorn", {}, "unicorn"),
        ("bhz", {"horns": 1}, "horns"),
        ("bhz", {"M": "big"}, "not a number"),
        ("bhz", {"M": float("nan")}, "not a number"),
        ("bhz", {"M": True}, "not a number"),
        ("bhz", {"a": 0}, "impossible"),
        ("fu-kane-mele", {"bond": 4}, "impossible"),
        ("fu-kane-mele", {"bond": 0.5}, "impossible"),
    ],
)
def test_wrong_wishes_are_refused(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(PhysicsError, match=words) as caught:
        zoo.build(name, **settings)
    assert caught.value.hint


def reduced(h: Hoppings, *k: float) -> np.ndarray:
    """Reduced coordinates of Cartesian k in 1/Angstrom."""
    assert h.lattice is not None
    return np.array(k) @ h.lattice.T / (2 * np.pi)


def wang(kx: float, ky: float, kz: float) -> np.ndarray:
    """Eigenvalues of the k.p model of the paper."""
    flat = kx**2 + ky**2
    e0 = -0.06382 + 8.7536 * kz**2 - 8.4008 * flat
    mass = -0.08686 + 10.6424 * kz**2 + 10.3610 * flat
    e = np.sqrt(mass**2 + 2.4598**2 * flat)
    return np.array([e0 - e, e0 - e, e0 + e, e0 + e])


def test_na3bi_is_its_kp_model_near_gamma() -> None:
    h = zoo.na3bi()
    for k in ((0.03, 0, 0), (0, 0.03, 0), (0.02, -0.02, 0.05), (0, 0, 0.08)):
        assert energies(h, reduced(h, *k)[None])[0] == pytest.approx(wang(*k), abs=1.5e-3)


def test_na3bi_has_two_fourfold_nodes() -> None:
    h = zoo.na3bi()

    def mass(kz: float) -> float:
        m = hamiltonian(h, reduced(h, 0, 0, kz))
        return float((m[0, 0] - m[1, 1]).real)

    node = float(brentq(mass, 0.05, 0.15))
    assert node == pytest.approx(0.09034, rel=5e-3)
    for sign in (1, -1):
        e = energies(h, reduced(h, 0, 0, sign * node)[None])[0]
        assert np.ptp(e) < 1e-12
    e = energies(h, reduced(h, 0.01, 0, node)[None])[0]
    assert e[2] - e[1] > 0.04
    assert gaps(zoo.na3bi(strain=0.12), 2).direct.energy > 0.05


def test_a_field_splits_each_dirac_node_of_na3bi() -> None:
    h = zoo.na3bi(zeeman=0.03)
    kz = np.linspace(0, 0.3, 3001)
    e = energies(h, np.array([reduced(h, 0, 0, z) for z in kz]))
    gap = e[:, 2] - e[:, 1]
    closed = kz[1:-1][(gap[1:-1] < gap[2:]) & (gap[1:-1] < gap[:-2])]
    assert len(closed) == 2
    assert closed[0] < 0.0903 < closed[1]
    signs = []
    for z in closed:
        place = reduced(h, 0, 0, z)
        e, v = np.linalg.eigh(hamiltonian(h, place))
        assert e[2] - e[1] < 3e-3
        assert e[1] - e[0] > 0.05
        two = v[:, 1:3]
        step = 1e-5
        slopes = []
        for axis in np.eye(3):
            up = hamiltonian(h, place + reduced(h, *(step * axis)))
            down = hamiltonian(h, place - reduced(h, *(step * axis)))
            piece = two.conj().T @ (up - down) @ two / (2 * step)
            slopes.append([np.trace(s @ piece).real / 2 for s in SPIN])
        signs.append(np.sign(np.linalg.det(slopes)))
    assert sum(signs) == 0


def test_trivial_controls() -> None:
    found = gaps(zoo.trivial_chain(gap=0.8), 1)
    assert found.direct.energy == pytest.approx(0.8)
    found = gaps(zoo.trivial_square(gap=0.8), 2)
    assert found.direct.energy == pytest.approx(0.8)
    h = zoo.trivial_square(rashba=0.2)
    assert h.assumptions.spin_order == "blocks"
    assert h.assumptions.time_reversal_residual == 0
    e = energies(h, K)
    assert (e[:, 1] - e[:, 0]).min() > 1e-3
    # The occupied states are the same atomic orbitals at every k.
    _, v = np.linalg.eigh(hamiltonian(h, K))
    projector = v[:, :, :2] @ v[:, :, :2].conj().swapaxes(1, 2)
    assert np.abs(projector - projector[0]).max() < 1e-12
