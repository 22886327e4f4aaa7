"""Which atoms and spins a band is made of, and how orbitals find their atoms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies, hamiltonian
from crystalgui.core.physics.weights import (
    band_weights,
    orbital_groups,
    owners,
    spatial,
    spin_weights,
    weighted_energies,
)
from crystalgui.core.physics.zoo import bhz, bitei, cubic, haldane, kane_mele
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings

K = np.random.default_rng(0).uniform(-0.5, 0.5, size=(20, 3))


@pytest.mark.parametrize("model", [bitei, cubic, haldane, kane_mele])
def test_weights_of_all_orbitals_sum_to_one(model: object) -> None:
    h = model()
    each = tuple((str(i), (i,)) for i in range(h.n_orbitals))
    w = band_weights(h, K, each)
    assert w.shape == (20, h.n_orbitals, h.n_orbitals)
    assert np.abs(w.sum(axis=-1) - 1).max() < 1e-12
    assert np.abs(w.sum(axis=1) - 1).max() < 1e-12
    assert w.min() >= 0


def test_they_are_the_weights_of_the_eigenvectors() -> None:
    h = haldane(mass=0.4)
    w = band_weights(h, K, (("A", (0,)), ("B", (1,))))
    vectors = np.linalg.eigh(hamiltonian(h, K))[1]
    assert np.abs(w - np.abs(vectors.swapaxes(-1, -2)) ** 2).max() < 1e-12
    # at K the lower band lives on the sublattice of lower energy
    w = band_weights(haldane(mass=2.0, t2=0.0), np.array([[1 / 3, -1 / 3, 0]]), None)
    assert w.shape == (1, 2, 1)
    by_atom = band_weights(
        haldane(mass=2.0, t2=0.0), np.array([[1 / 3, -1 / 3, 0]]), orbital_groups(haldane(), "atom")
    )
    assert by_atom[0] == pytest.approx(np.eye(2), abs=1e-9)


def test_degenerate_bands_do_not_flicker() -> None:
    """Every band of the cubic model is a Kramers pair: weights are smooth along a line."""
    h = cubic()
    line = np.linspace(0, 0.5, 200)[:, None] * np.array([1.0, 0.7, 0.2])
    each = tuple((str(i), (i,)) for i in range(4))
    w = band_weights(h, line, each)
    assert np.abs(w[:, 0] - w[:, 1]).max() < 1e-12
    assert np.abs(np.diff(w, axis=0)).max() < 0.1
    random = np.random.default_rng(1)
    u = np.linalg.qr(random.normal(size=(4, 4)) + 1j * random.normal(size=(4, 4)))[0]
    turned = replace(h, matrices=u @ h.matrices @ u.conj().T)
    assert turned.n_orbitals == 4
    e, same = weighted_energies(h, line, each)
    assert np.abs(same - w).max() < 1e-12
    assert np.abs(e - energies(h, line)).max() < 1e-12
    assert np.abs(energies(turned, line) - e).max() < 1e-12


def test_spin() -> None:
    h = bhz()
    # bands of BHZ are degenerate: no net spin; a Zeeman term along z shows it
    assert np.abs(spin_weights(h, K)).max() < 1e-12
    home = (h.cells == 0).all(axis=1)
    matrices = h.matrices.copy()
    matrices[home] += np.diag([0.1, 0.1, -0.1, -0.1])
    s = spin_weights(replace(h, matrices=matrices), K)
    assert np.abs(np.abs(s) - 1).max() < 1e-9
    assert np.abs(s.sum(axis=1)).max() < 1e-9
    with pytest.raises(PhysicsError, match="no spin"):
        spin_weights(haldane(), K)


def test_orbitals_belong_to_the_nearest_atom() -> None:
    h = bitei()
    assert [name for name, _ in orbital_groups(h)] == ["Bi", "Te", "I"]
    assert dict(orbital_groups(h, "atom"))["Te2"] == (3, 4, 5, 12, 13, 14)
    assert dict(orbital_groups(h, "orbital"))["orbital 1"] == (0, 9)
    assert spatial(h).tolist() == [*range(9), *range(9)]
    assert h.frac is not None
    between = replace(h, centres=np.tile((h.frac[0] + h.frac[1]) / 2, (18, 1)))
    assert [name for name, _ in orbital_groups(between)] == ["between atoms"]
    bare = replace(h, species=None, frac=None)
    assert len(orbital_groups(bare)) == 9
    assert owners(bare).atoms is None


def test_the_decay_of_the_hoppings_finds_the_atoms() -> None:
    """BiTeI without centres: found in the order of the atoms, refused in another order."""
    h = bitei()
    lost = replace(h, centres=None)
    found = owners(lost)
    assert found.atoms == owners(h).atoms
    assert "decay" in found.how
    assert h.frac is not None
    assert h.species is not None
    order = [1, 0, 2]
    wrong = replace(lost, frac=h.frac[order], species=h.species[order])
    assert owners(wrong).atoms is None
    assert len(orbital_groups(wrong)) == 9


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "orbitals"),
    [
        ("Bi2Se3/wannier90_hr.dat.gz", {"Bi": 12, "Se": 18}),
        ("ZrTe/wannier90_hr.dat.gz", {"Zr": 18, "Te": 6}),
        ("WSe2_1Tp/wannier90_hr.dat.gz", {"W": 24, "Se": 24}),
        ("GaAs/GaAs_tb.dat", {"Ga": 8, "As": 8}),
    ],
)
def test_real_files(shared_data: Path, file: str, orbitals: dict[str, int]) -> None:
    h = read_hoppings(shared_data / "hoppings" / file)
    groups = orbital_groups(h)
    assert {name: len(members) for name, members in groups} == orbitals


@pytest.mark.data
def test_the_bands_of_bi2se3_are_inverted_at_gamma(shared_data: Path) -> None:
    """Bismuth on top of the valence band at Gamma, selenium everywhere else."""
    h: Hoppings = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    points = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0, 0.5], [0.5, 0.5, 0]])
    names = [name for name, _ in orbital_groups(h)]
    bismuth = band_weights(h, points)[:, :, names.index("Bi")]
    assert bismuth[0, 17] > bismuth[0, 18]
    assert (bismuth[1:, 17] < bismuth[1:, 18]).all()
