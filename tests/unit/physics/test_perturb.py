"""Noise, mixtures and the spin-orbit path: what they must keep, exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies, hamiltonian
from crystalgui.core.physics.perturb import (
    LITERAL,
    Mode,
    add,
    interpolate,
    noise,
    noise_batch,
    spin_orbit_path,
    violations,
)
from crystalgui.core.physics.reversal import kramers_splitting, symmetrised, time_reversal
from crystalgui.core.physics.symmetries import inversion as find_inversion
from crystalgui.core.physics.zoo import (
    bhz,
    bitei_p22,
    cubic,
    fu_kane_mele,
    kane_mele,
    ssh,
)
from crystalgui.core.structures.hoppings.model import Assumptions, Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings

K = np.random.default_rng(5).uniform(-0.5, 0.5, (7, 3))


def interleaved(h: Hoppings) -> Hoppings:
    n = h.n_orbitals
    order = np.arange(n).reshape(2, n // 2).T.ravel()
    return Hoppings(
        cells=h.cells,
        matrices=h.matrices[:, order][:, :, order],
        assumptions=Assumptions(spin_order="interleaved"),
    )


@pytest.mark.parametrize("make", [fu_kane_mele, bitei_p22, lambda: interleaved(fu_kane_mele())])
@pytest.mark.parametrize("seed", [0, 7])
def test_noise_keeps_hermiticity_and_kramers_pairs(make: Any, seed: int) -> None:
    h = make()
    found = noise(h, 0.05, seed)
    assert found.flags == ()
    delta = found.hoppings
    table = {tuple(c): m for c, m in zip(delta.cells.tolist(), delta.matrices, strict=True)}
    for (a, b, c), m in table.items():
        assert np.abs(table[-a, -b, -c] - m.conj().T).max() < 1e-15
    assert np.sqrt((np.abs(delta.matrices) ** 2).mean()) == pytest.approx(0.05)
    noisy = add(h, found)
    assert kramers_splitting(noisy) < 1e-12 * max(1, np.abs(energies(noisy, K)).max())
    assert violations(noisy) == ()
    e, back = energies(noisy, K), energies(noisy, -K)
    assert np.abs(e - back).max() < 1e-12
    # Inversion is gone: pairs split at general k.
    assert (e[:, 1] - e[:, 0]).min() > 1e-3


def test_the_literal_recipe_breaks_kramers_pairs_and_says_so() -> None:
    h = fu_kane_mele()
    found = noise(h, 0.05, 3, mode="paper-literal")
    assert found.flags == (LITERAL,)
    assert "T^2 = +1" in found.flags[0]
    noisy = add(h, found)
    assert LITERAL in noisy.title
    assert kramers_splitting(noisy) > 1e-2
    (text,) = violations(noisy)
    assert text.startswith("Kramers pairs split")
    # What it obeys instead: D(k) = s_x D(-k)* s_x.
    d, opposite = hamiltonian(found.hoppings, K), hamiltonian(found.hoppings, -K)
    swap = np.kron([[0, 1], [1, 0]], np.eye(2))
    assert np.abs(d - swap @ opposite.conj() @ swap).max() < 1e-14
    assert np.abs(d - d.conj().swapaxes(1, 2)).max() < 1e-14


def test_the_literal_recipe_knows_the_order_of_spins() -> None:
    block, mixed = fu_kane_mele(), interleaved(fu_kane_mele())
    d = noise(mixed, 0.05, 3, mode="paper-literal").hoppings.matrices
    order = [0, 2, 1, 3]
    d = d[:, order][:, :, order]
    assert np.abs(d[:, 2:, 2:] - d[:, :2, :2].conj()).max() < 1e-15
    assert np.abs(d[:, :2, 2:] - d[:, :2, 2:].swapaxes(1, 2)).max() < 1e-15
    assert block.n_orbitals == mixed.n_orbitals


@pytest.mark.parametrize("mode", ["time-reversal", "paper-literal"])
def test_normalisations(mode: Mode) -> None:
    h = fu_kane_mele()
    found = noise(h, 0.3, 1, mode=mode, normalisation="mean")
    assert found.normalisation == "mean"
    assert np.abs(found.hoppings.matrices).mean() == pytest.approx(0.3 * np.abs(h.matrices).mean())
    other = noise(h, 0.3, 1, mode=mode, normalisation="rms").hoppings.matrices
    ratio = other[np.abs(other) > 0] / found.hoppings.matrices[np.abs(other) > 0]
    assert np.ptp(np.abs(ratio)) < 1e-12


def test_noise_like_the_hoppings() -> None:
    h = fu_kane_mele()
    found = noise(h, 0.05, 1, envelope="hoppings")
    assert found.envelope == "hoppings"
    zero = np.abs(h.matrices) == 0
    assert zero.any()
    assert np.abs(found.hoppings.matrices[zero]).max() == 0
    assert violations(add(h, found)) == ()


def test_seeds_and_batches() -> None:
    h = kane_mele()
    one = noise(h, 0.1, 42).hoppings
    assert np.array_equal(one.matrices, noise(h, 0.1, 42).hoppings.matrices)
    assert not np.allclose(one.matrices, noise(h, 0.1, 43).hoppings.matrices)
    cells, batch = noise_batch(h, [0.2, 0.1, 0.3], [1, 42, 9])
    assert np.array_equal(cells, one.cells)
    assert np.array_equal(batch[1], one.matrices)
    with pytest.raises(PhysicsError, match="do not fit"):
        noise_batch(h, [0.2], [1, 2])


@pytest.mark.parametrize("mode", ["time-reversal", "paper-literal"])
@pytest.mark.parametrize("normalisation", ["rms", "mean"])
def test_the_same_numbers_with_torch(mode: Mode, normalisation: Any) -> None:
    import torch

    h = fu_kane_mele()
    settings: dict[str, Any] = {"mode": mode, "normalisation": normalisation}
    _, wanted = noise_batch(h, [0.2, 0.1], [4, 5], **settings)
    _, found = noise_batch(h, [0.2, 0.1], [4, 5], xp=torch, **settings)
    assert isinstance(found, torch.Tensor)
    assert np.abs(found.numpy() - wanted).max() < 1e-15


class CubicInversion:
    """Inversion of the cubic model about the home site: the orbitals are even and odd."""

    def at(self, k: Any, /) -> Any:
        return np.broadcast_to(np.diag([1.0, -1, 1, -1]), (*np.shape(k)[:-1], 4, 4))


class DiamondInversion:
    """Inversion about the middle of the bond swaps the sites of Fu, Kane and Mele."""

    def at(self, k: Any, /) -> Any:
        return np.broadcast_to(
            np.kron(np.eye(2), [[0, 1], [1, 0]]), (*np.shape(k)[:-1], 4, 4)
        ).astype(complex)


class ShiftedInversion:
    """Inversion about the site A: site B goes to another cell, P(k) depends on k."""

    def at(self, k: Any, /) -> Any:
        k = np.asarray(k)
        p = np.zeros((*k.shape[:-1], 2, 2), dtype=complex)
        p[..., 0, 0] = 1
        p[..., 1, 1] = np.exp(2j * np.pi * k[..., 0])
        return p


@pytest.mark.parametrize(
    ("h", "inversion"), [(cubic(), CubicInversion()), (fu_kane_mele(), DiamondInversion())]
)
def test_noise_that_keeps_inversion(h: Hoppings, inversion: Any) -> None:
    found = noise(h, 0.1, 2, mode="inversion-and-time-reversal", inversion=inversion)
    noisy = add(h, found)
    p = inversion.at(K)
    turned = p @ hamiltonian(noisy, K) @ p.conj().swapaxes(1, 2)
    assert np.abs(turned - hamiltonian(noisy, -K)).max() < 1e-13
    e = energies(noisy, K)
    assert np.abs(e[:, ::2] - e[:, 1::2]).max() < 1e-12
    assert np.sqrt((np.abs(found.hoppings.matrices) ** 2).mean()) == pytest.approx(0.1)
    with pytest.raises(PhysicsError, match="needs the inversion"):
        noise(h, 0.1, 2, mode="inversion-and-time-reversal")


def test_noise_that_keeps_the_inversion_that_was_found() -> None:
    h = fu_kane_mele()
    found = find_inversion(h)
    assert found is not None
    noisy = add(h, noise(h, 0.1, 2, mode="inversion-and-time-reversal", inversion=found))
    e = energies(noisy, K)
    assert np.abs(e[:, ::2] - e[:, 1::2]).max() < 1e-12
    assert violations(noisy) == ()


def test_an_inversion_that_moves_orbitals_to_other_cells() -> None:
    chain = ssh(v=0.7, w=0.7)
    inversion = ShiftedInversion()
    for sign in (1, -1):
        p = inversion.at(sign * K)
        turned = p @ hamiltonian(chain, K) @ p.conj().swapaxes(1, 2)
        if np.abs(turned - hamiltonian(chain, -K)).max() < 1e-12:
            break
    else:
        pytest.fail("the chain has no such inversion")

    class Turned:
        def at(self, k: Any, /) -> Any:
            return inversion.at(sign * np.asarray(k))

    found = noise(chain, 0.1, 8, mode="inversion-and-time-reversal", inversion=Turned())
    p = Turned().at(K)
    d = found.hoppings
    turned = p @ hamiltonian(d, K) @ p.conj().swapaxes(1, 2)
    assert np.abs(turned - hamiltonian(d, -K)).max() < 1e-13


def test_bad_wishes() -> None:
    h = Hoppings(cells=np.zeros((1, 3)), matrices=np.eye(2)[None])
    with pytest.raises(PhysicsError, match="order of the spins"):
        noise(h, 0.1, 0)
    with pytest.raises(PhysicsError, match="needs spins"):
        noise(ssh(), 0.1, 0, mode="paper-literal")
    with pytest.raises(PhysicsError, match="no normalisation"):
        noise(bhz(), 0.1, 0, normalisation="max")  # type: ignore[arg-type]
    with pytest.raises(PhysicsError, match="no noise"):
        noise(bhz(), 0.1, 0, mode="white")  # type: ignore[arg-type]
    with pytest.raises(PhysicsError, match="cannot be combined"):
        add(bhz(), ssh())
    with pytest.raises(PhysicsError, match="ordered differently"):
        interpolate(bhz(), interleaved(fu_kane_mele()), 0.5)
    with pytest.raises(PhysicsError, match="no spin"):
        spin_orbit_path(ssh(), 0.5)


def test_spinless_noise_is_real() -> None:
    d = noise(ssh(), 0.1, 0).hoppings
    assert np.abs(d.matrices.imag).max() == 0


def test_interpolation_is_linear_in_everything() -> None:
    a, b = bitei_p22(0.0), bitei_p22(2.0)
    h = interpolate(a, b, 0.25)
    assert np.abs(hamiltonian(h, K) - 0.75 * hamiltonian(a, K) - 0.25 * hamiltonian(b, K)).max() < (
        1e-12
    )
    for name in ("lattice", "centres", "frac"):
        wanted = 0.75 * getattr(a, name) + 0.25 * getattr(b, name)
        assert np.allclose(getattr(h, name), wanted)
    assert h.occupied == 12
    assert h.assumptions.spin_order == "blocks"
    assert h.assumptions.time_reversal_residual < 1e-12
    assert len(h.cells) == len({*map(tuple, a.cells.tolist()), *map(tuple, b.cells.tolist())})
    # Physics reference, section 4: the gap of this mixture closes at alpha = .4983.
    from crystalgui.core.physics.gaps import gaps

    assert gaps(interpolate(a, b, 0.4983), 12).direct.energy < 1e-3


def test_interpolation_forgets_what_only_one_side_knows() -> None:
    a = fu_kane_mele()
    b = Hoppings(cells=a.cells, matrices=a.matrices)
    h = interpolate(a, b, 0.5)
    assert h.lattice is None
    assert h.centres is None
    assert h.occupied is None
    assert h.assumptions.spin_order == "blocks"


def test_spin_orbit_path_of_a_model() -> None:
    h = fu_kane_mele(staggered=0.1)
    wanted = fu_kane_mele(staggered=0.1, spin_orbit=0.125 * 0.3)
    assert np.abs(hamiltonian(spin_orbit_path(h, 0.3), K) - hamiltonian(wanted, K)).max() < 1e-14
    assert np.abs(hamiltonian(spin_orbit_path(h, 1.0), K) - hamiltonian(h, K)).max() < 1e-15


def test_a_hamiltonian_that_is_not_hermitian_is_called_so() -> None:
    wrong = Hoppings(cells=np.array([[0, 0, 0], [1, 0, 0]]), matrices=np.ones((2, 2, 2)))
    assert any(text.startswith("not Hermitian") for text in violations(wrong))


@pytest.mark.data
def test_the_spin_orbit_path_of_bismuth_selenide(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    for strength, wanted in ((0, 0.235), (0.3, 0.154), (0.5, 0.015), (0.6, 0.071), (1, 0.456)):
        e = energies(spin_orbit_path(h, strength), np.zeros((1, 3)))[0]
        assert e[18] - e[17] == pytest.approx(wanted, abs=1e-3)
    clean = symmetrised(h, time_reversal(h))
    noisy = add(clean, noise(clean, 0.002, 11))
    assert kramers_splitting(noisy) < 1e-11
