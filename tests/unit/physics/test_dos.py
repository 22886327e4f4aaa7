"""Density of states against closed forms: chain, square lattice, counts, Fermi levels."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.dos import density_of_states, dos_mesh, is_even
from crystalgui.core.physics.gaps import gaps
from crystalgui.core.physics.weights import orbital_groups
from crystalgui.core.physics.zoo import bitei, cubic, haldane, kane_mele, ssh, weyl
from crystalgui.core.physics.zoo.terms import Terms
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings


def band(*axes: int, t: float = 1.0) -> Hoppings:
    """One orbital that hops along some axes: E = -2t sum cos."""
    terms = Terms(1)
    terms.onsite([[0.0]])
    for axis in axes:
        terms.cosine(axis, [[-2 * t]])
    return terms.build(lattice=np.eye(3) * 3, title="band", occupied=1)


def total(h: Hoppings, mesh: tuple[int, int, int], **options: object) -> float:
    d = density_of_states(h, mesh, **options)
    return float(d.density.sum() * (d.energies[1] - d.energies[0]))


@pytest.mark.parametrize("model", [bitei, cubic, haldane, kane_mele, ssh, weyl])
def test_the_integral_is_the_number_of_orbitals(model: object) -> None:
    h = model()
    mesh = tuple(min(count, 8) for count in dos_mesh(h))
    d = density_of_states(h, mesh)
    assert d.integrated[-1] == pytest.approx(h.n_orbitals, abs=1e-10)
    assert total(h, mesh) == pytest.approx(h.n_orbitals, abs=1e-10)
    assert (d.density >= -1e-9).all()
    assert d.density[0] == 0
    assert abs(d.density[-1]) < 1e-10


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    mesh=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
    steps=st.integers(1, 60),
    flat=st.booleans(),
)
def test_counts_of_any_model(seed: int, mesh: tuple[int, int, int], steps: int, flat: bool) -> None:
    random = np.random.default_rng(seed)
    terms = Terms(2)
    terms.onsite(np.diag(random.normal(size=2).round(1)))
    if not flat:
        for cell in ((1, 0, 0), (0, 1, 0), (1, 0, -1)):
            terms.hop(cell, random.normal(size=(2, 2)) + 1j * random.normal(size=(2, 2)))
    h = terms.build(lattice=np.eye(3), title="", occupied=1)
    d = density_of_states(h, mesh, steps=steps)
    assert d.integrated[-1] == pytest.approx(2, abs=1e-10)
    assert (np.diff(d.integrated) > -1e-10).all()
    assert (d.density > -1e-8).all()


def test_the_chain_has_its_edges() -> None:
    """N(E) = 1 - arccos(E / 2t) / pi; g(E) = 1 / (pi sqrt(4 t^2 - E^2))."""
    d = density_of_states(band(0), (2000, 1, 1), window=(-2.5, 2.5), steps=500)
    inside = np.abs(d.energies) < 2 - 0.02
    exact = 1 / (np.pi * np.sqrt(4 - d.energies[inside] ** 2))
    assert np.abs(d.density[inside] / exact - 1).max() < 0.01
    upper = d.energies + 0.005
    count = 1 - np.arccos(np.clip(upper / 2, -1, 1)) / np.pi
    assert np.abs(d.integrated - count).max() < 2e-5
    assert (d.density[np.abs(d.energies) > 2.01] == 0).all()
    edge = int(np.argmax(d.density[:250]))
    assert d.energies[edge] == pytest.approx(-2, abs=0.011)


def test_the_square_lattice_has_a_logarithm_in_the_middle() -> None:
    """g(E) = K(1 - (E/4t)^2) / (2 pi^2 t), with K of the parameter m."""
    from scipy.special import ellipk

    d = density_of_states(band(0, 1), (400, 400, 1), window=(-5, 5), steps=1000)
    inside = (np.abs(d.energies) < 3.9) & (np.abs(d.energies) > 0.1)
    exact = ellipk(1 - (d.energies[inside] / 4) ** 2) / (2 * np.pi**2)
    assert np.abs(d.density[inside] / exact - 1).max() < 0.01
    # four times nearer to the middle is log(4) / (2 pi^2) more
    near, far = (np.interp(e, d.energies, d.density) for e in (0.05, 0.2))
    assert near - far == pytest.approx(np.log(4) / (2 * np.pi**2), rel=0.06)
    assert d.energies[int(np.argmax(d.density))] == pytest.approx(0, abs=0.011)


def test_energies_outside_have_no_states() -> None:
    d = density_of_states(haldane(), (12, 12, 1), window=(20, 30), steps=10)
    assert (np.abs(d.density) < 1e-12).all()
    assert d.integrated == pytest.approx(2)
    d = density_of_states(haldane(), (12, 12, 1), window=(-30, -20), steps=10)
    assert (d.integrated == 0).all()


def test_a_flat_band_is_one_peak() -> None:
    terms = Terms(1)
    terms.onsite([[0.3]])
    h = terms.build(lattice=np.eye(3), title="atom", occupied=1)
    d = density_of_states(h, (4, 4, 4), window=(0, 1), steps=10)
    assert d.density.sum() * 0.1 == pytest.approx(1)
    assert (d.density > 0).sum() == 1


def test_half_of_the_zone_is_enough() -> None:
    """With groups the whole zone is diagonalised: the same numbers come out."""
    h = kane_mele(rashba=0.05)
    assert is_even(h)
    assert is_even(haldane(mass=0.3)) is False
    for mesh in ((9, 6, 1), (8, 7, 1), (1, 5, 2)):
        half = density_of_states(h, mesh, window=(-4, 4), steps=200)
        whole = density_of_states(
            h, mesh, window=(-4, 4), steps=200, groups=(("all", tuple(range(4))),)
        )
        assert np.abs(half.integrated - whole.integrated).max() < 1e-10


def test_fermi_levels() -> None:
    h = cubic()
    found = gaps(h, 2)
    d = density_of_states(h, (12, 12, 12), occupied=2)
    assert d.fermi == pytest.approx((found.indirect.lower + found.indirect.upper) / 2, abs=0.05)
    # half filling of the square lattice, a quarter filling of the chain of two sites
    two = Terms(2)
    two.onsite(np.zeros((2, 2)))
    two.element(-1.0, 0, 1, (0, 0, 0))
    two.element(-1.0, 1, 0, (1, 0, 0))
    chain = two.build(lattice=np.eye(3), title="", occupied=1)
    assert density_of_states(chain, (400, 1, 1), occupied=1).fermi == pytest.approx(0, abs=1e-3)
    overlap = Terms(2)
    overlap.onsite(np.diag([0.0, 1.0]))
    overlap.cosine(0, np.diag([-2.0, -2.0]))
    metal = overlap.build(lattice=np.eye(3), title="", occupied=1)
    level = density_of_states(metal, (2000, 1, 1), occupied=1).fermi
    assert level is not None
    count = sum(1 - np.arccos((level - shift) / 2) / np.pi for shift in (0.0, 1.0))
    assert count == pytest.approx(1, abs=1e-4)


def test_parts_sum_to_the_whole() -> None:
    h = bitei()
    groups = orbital_groups(h)
    d = density_of_states(h, (6, 6, 4), groups=groups, occupied=12)
    assert d.groups == ("Bi", "Te", "I")
    assert d.partial is not None
    assert np.abs(d.partial.sum(axis=0) - d.density).max() < 1e-9
    width = d.energies[1] - d.energies[0]
    assert d.partial.sum(axis=1) * width == pytest.approx([6, 6, 6], abs=1e-9)
    # occupied states are iodine and tellurium, empty ones bismuth
    assert d.fermi is not None
    filled = d.energies < d.fermi
    assert d.partial[0, filled].sum() < d.partial[2, filled].sum()


def test_what_is_impossible_is_refused() -> None:
    with pytest.raises(PhysicsError, match="mesh"):
        density_of_states(cubic(), (0, 4, 4))
    with pytest.raises(PhysicsError, match="window"):
        density_of_states(cubic(), (4, 4, 4), window=(1, 1))
    with pytest.raises(PhysicsError, match="occupied"):
        density_of_states(cubic(), (4, 4, 4), occupied=5)


def test_it_runs_in_a_thread() -> None:
    found: list[float] = []

    def work() -> None:
        found.append(total(cubic(), (6, 6, 6)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert found == [pytest.approx(4, abs=1e-10)]


@pytest.mark.data
def test_bi2se3_is_quick_and_has_a_gap(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    start = time.process_time()
    d = density_of_states(h, (24, 24, 24), occupied=18)
    assert time.process_time() - start < 3.0
    assert d.integrated[-1] == pytest.approx(30, abs=1e-9)
    assert d.fermi is not None
    at = int(np.argmin(np.abs(d.energies - d.fermi)))
    assert d.integrated[at] == pytest.approx(18, abs=1e-9)
    assert abs(d.density[at]) < 1e-9
