"""Fields: spin splitting, Hofstadter bands, Landau levels, and gauges that do not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies, hamiltonian
from crystalgui.core.physics.chern import chern
from crystalgui.core.physics.magnetic import FLUX_QUANTUM, flux_density, peierls, zeeman
from crystalgui.core.physics.zoo import bhz, fu_kane_mele, haldane, kane_mele, ssh
from crystalgui.core.physics.zoo.terms import Terms
from crystalgui.core.structures.hoppings.model import Hoppings

K = np.random.default_rng(4).uniform(-0.5, 0.5, (6, 3))


def square(a: float = 3.0) -> Hoppings:
    terms = Terms(1)
    for axis in (0, 1):
        terms.cosine(axis, [[-2.0]])
    return terms.build(
        lattice=np.diag([a, a, 10.0]), title="square", occupied=1, centres=[[0.0, 0, 0]]
    )


def hermitian(h: Hoppings) -> bool:
    table = {tuple(c): m for c, m in zip(h.cells.tolist(), h.matrices, strict=True)}
    return all(
        np.allclose(table[-a, -b, -c], m.conj().T, atol=1e-13) for (a, b, c), m in table.items()
    )


def test_zeeman_splits_by_twice_the_field() -> None:
    h = zeeman(bhz(), (0, 0, 0.05))
    e, plain = energies(h, K), energies(bhz(), K)
    assert e == pytest.approx(
        np.sort(np.concatenate([plain[:, ::2] - 0.05, plain[:, ::2] + 0.05], axis=1), axis=1),
        abs=1e-12,
    )
    assert h.assumptions.time_reversal_residual == pytest.approx(0.1)
    for axis in range(3):
        field = 0.03 * np.eye(3)[axis]
        e = energies(zeeman(fu_kane_mele(spin_orbit=0), field), K)
        assert np.diff(e, axis=1)[:, ::2] == pytest.approx(np.full((6, 2), 0.06), abs=1e-12)


def test_zeeman_knows_both_orders() -> None:
    block = fu_kane_mele(staggered=0.2)
    order = [0, 2, 1, 3]
    mixed = replace(
        block,
        matrices=block.matrices[:, order][:, :, order],
        assumptions=replace(block.assumptions, spin_order="interleaved"),
    )
    field = (0.1, -0.2, 0.05)
    assert energies(zeeman(block, field), K) == pytest.approx(
        energies(zeeman(mixed, field), K), abs=1e-12
    )


def test_zeeman_needs_spins() -> None:
    with pytest.raises(PhysicsError, match="have no spin"):
        zeeman(ssh(), (0, 0, 1))
    unknown = Hoppings(cells=np.ones((1, 3)), matrices=np.zeros((1, 2, 2)))
    with pytest.raises(PhysicsError, match="which orbitals are up"):
        zeeman(unknown, (0, 0, 1))
    with pytest.raises(PhysicsError, match="three finite"):
        zeeman(bhz(), (0, 1))
    # Hoppings without an on-site matrix get one.
    assert zeeman(unknown, (0, 0, 1), "blocks").n_cells == 2


@pytest.mark.parametrize(("p", "q"), [(1, 2), (1, 3), (2, 5)])
def test_hofstadter(p: int, q: int) -> None:
    h = peierls(square(), p, q)
    assert h.n_orbitals == q
    assert hermitian(h)
    # Harper's equation: the determinant depends on k by 2 cos(q kx) + 2 cos(q ky) only.
    e = energies(h, K)
    determinant = np.array([np.poly(row) for row in e])
    assert np.ptp(determinant[:, :-1], axis=0).max() < 1e-9
    wanted = np.cos(2 * np.pi * K[:, 0]) + np.cos(2 * np.pi * q * K[:, 1])
    ratio = (determinant[:, -1] - determinant[0, -1]) / (wanted - wanted[0] + 1e-30)
    assert np.abs(np.abs(ratio[1:]) - 2).max() < 1e-8
    if q == 3:
        assert determinant[0, 2] == pytest.approx(-6)


def test_three_bands_and_two_gaps_at_a_third() -> None:
    h = peierls(square(), 1, 3)
    mesh = np.stack(np.meshgrid(*[np.arange(18) / 18] * 2, [0.0], indexing="ij"), -1)
    e = energies(h, mesh.reshape(-1, 3))
    assert (e[:, 1:].min(axis=0) - e[:, :-1].max(axis=0)).min() > 0.7
    # E^3 - 6 E = +-4 at the band edges.
    edges = np.sort([e.min(axis=0), e.max(axis=0)], axis=None)
    roots = np.sort(np.concatenate([np.roots([1, 0, -6, 4]), np.roots([1, 0, -6, -4])]).real)
    assert edges == pytest.approx(roots, abs=1e-9)


def test_quantised_hall_numbers_of_a_third() -> None:
    # Thouless, Kohmoto, Nightingale and den Nijs 1982: s q + t p = r gives t = 1 and -1.
    lower, upper = (chern(peierls(square(), 1, 3), r).value for r in (1, 2))
    assert lower is not None
    assert upper == -lower
    assert abs(lower) == 1
    assert chern(peierls(square(), -1, 3), 1).value == -lower
    assert chern(peierls(square(), 1, 3, along=1), 1).value == lower


def test_landau_levels_of_free_electrons() -> None:
    q = 60
    e = energies(peierls(square(), 1, q), np.zeros((1, 3)))[0]
    n, field = np.arange(4), 2 * np.pi / q
    # Second order: the quartic terms of both cosines.
    level = -4 + field * (2 * n + 1) - field**2 / 8 * (2 * n**2 + 2 * n + 1)
    assert e[:4] == pytest.approx(level, abs=1e-3)


def test_landau_levels_of_dirac_electrons() -> None:
    q = 61
    h = peierls(haldane(t2=0), 1, q)
    e = energies(h, np.array([[0.1, 0.2, 0]]))[0]
    level = np.sqrt(2 * np.sqrt(3) * np.pi / q)
    assert np.abs(e[q - 1 : q + 1]).max() < 1e-3
    positive = e[q + 1 :]
    assert positive[0] == pytest.approx(level, rel=0.02)
    assert positive[1] == pytest.approx(level, rel=0.02)
    assert positive[2] == pytest.approx(level * np.sqrt(2), rel=0.04)


@pytest.mark.parametrize("make", [lambda: haldane(phi=0.7, mass=0.1), kane_mele])
def test_energies_do_not_depend_on_the_gauge(make: object) -> None:
    assert callable(make)
    h = make()
    axis = np.arange(12) / 12
    mesh = np.stack(np.meshgrid(axis, axis, [0.0], indexing="ij"), -1).reshape(-1, 3)

    one = energies(peierls(h, 1, 3), mesh)
    two = energies(peierls(h, 1, 3, along=1), mesh)
    moved = replace(h, centres=np.asarray(h.centres) + np.array([0.21, -0.13, 0.4]))
    three = energies(peierls(moved, 1, 3), mesh)
    # The same bands on different meshes: the moments over the zone agree.
    for power in (1, 2, 3, 4):
        a, b, c = ((e**power).mean() for e in (one, two, three))
        assert b == pytest.approx(a, abs=1e-10)
        assert c == pytest.approx(a, abs=1e-10)
    # Opposite field and opposite flux: complex conjugation maps one onto the other.
    back = peierls(replace(h, matrices=h.matrices.conj()), -1, 3)
    assert energies(back, -K) == pytest.approx(energies(peierls(h, 1, 3), K), abs=1e-12)


def test_no_field_is_a_folded_zone() -> None:
    h = kane_mele(rashba=0.05)
    assert peierls(h, 0, 1).n_orbitals == h.n_orbitals
    whole = peierls(h, 2, 2)
    assert whole.n_orbitals == h.n_orbitals
    assert hermitian(whole)
    assert hermitian(peierls(h, 1, 4))
    assert peierls(h, 1, 4).assumptions.spin_order == "blocks"
    # Spin blocks stay blocks: a field along z commutes with spin without Rashba coupling.
    m = hamiltonian(peierls(kane_mele(), 1, 4), K)
    assert np.abs(m[:, :8, 8:]).max() < 1e-14


def test_cell_and_field() -> None:
    h = kane_mele()
    big = peierls(h, 1, 5)
    assert h.lattice is not None
    assert big.lattice is not None
    assert np.allclose(big.lattice, h.lattice * [[5], [1], [1]])
    assert big.occupied == 10
    assert big.centres is not None
    assert big.frac is not None
    assert len(big.frac) == 10
    assert len({tuple(np.round(x, 9)) for x in big.frac}) == 10
    area = float(np.linalg.norm(np.cross(h.lattice[0], h.lattice[1])))
    assert flux_density(h, 1, 5) == pytest.approx(FLUX_QUANTUM / 5 / area)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"p": 1, "q": 0}, "impossible"),
        ({"p": 1, "q": 3, "axis": 3}, "different lattice vectors"),
        ({"p": 1, "q": 3, "axis": 2, "along": 2}, "different lattice vectors"),
        ({"p": 1, "q": 10007}, "memory"),
    ],
)
def test_impossible_fields(settings: dict[str, int], words: str) -> None:
    with pytest.raises(PhysicsError, match=words):
        peierls(kane_mele(), **settings)  # type: ignore[arg-type]


def test_centres_are_needed() -> None:
    with pytest.raises(PhysicsError, match="places of the orbitals"):
        peierls(replace(kane_mele(), centres=None), 1, 3)
