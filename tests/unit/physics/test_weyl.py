"""Nodes against closed forms, and against the mistakes that searches make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crystalgui.core.physics import zoo
from crystalgui.core.physics.bloch import hamiltonian
from crystalgui.core.physics.cell_charges import SHIFT, cell_charges
from crystalgui.core.physics.chern import chern
from crystalgui.core.physics.chirality import charge, chirality, linear_node
from crystalgui.core.physics.descent import derivative
from crystalgui.core.physics.node_search import _deepest
from crystalgui.core.physics.reversal import symmetrised, time_reversal
from crystalgui.core.physics.weyl import NodeSearch, find_nodes
from crystalgui.core.physics.zoo.terms import S0, SX, SY, SZ, Terms
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings

EVEN = np.array([np.eye(3), -np.eye(3)]).astype(np.int64)


def linear(sign: float = 1.0, lattice: NDArray[np.float64] | None = None) -> Hoppings:
    """sin(kx) sx + sin(ky) sy + sign sin(kz) sz: k.sigma near Gamma."""
    terms = Terms(2)
    for axis, matrix in enumerate((SX, SY, sign * SZ)):
        terms.sine(axis, matrix)
    lattice = np.eye(3) if lattice is None else lattice
    return terms.build(lattice=lattice, title="k.sigma", occupied=1)


def passed(search: NodeSearch) -> bool:
    return all(check.passed for check in search.checks)


def kinds(search: NodeSearch) -> set[str]:
    return {node.kind for node in search.nodes}


def test_the_lower_band_of_k_sigma_has_chirality_plus_one() -> None:
    assert chirality(linear(), 1, np.zeros(3), 0.01).value == 1
    assert chirality(linear(-1), 1, np.zeros(3), 0.01).value == -1
    assert linear_node(linear(), np.zeros(3), 0, 2).sign == 1
    assert charge(linear(-1), 1, np.zeros(3), 0, 2, 0.01)[:2] == (-1, True)


def test_chirality_is_of_cartesian_space_whatever_the_handedness_of_the_lattice() -> None:
    # A left-handed lattice turns k.sigma in reduced coordinates into -k.sigma in space.
    left = linear(lattice=np.diag([1.0, 1.0, -1.0]))
    assert charge(left, 1, np.zeros(3), 0, 2, 0.01)[:2] == (-1, True)


def test_the_derivative_is_that_of_the_hamiltonian() -> None:
    h = zoo.fu_kane_mele(staggered=0.3)
    assert h.lattice is not None
    k, step = np.array([[0.1, 0.27, -0.4]]), 1e-5
    cartesian = np.linalg.inv(2 * np.pi * np.linalg.inv(h.lattice).T)
    for axis in range(3):
        move = step * cartesian[axis]
        numeric = (hamiltonian(h, k + move) - hamiltonian(h, k - move)) / (2 * step)
        np.testing.assert_allclose(derivative(h, k)[:, axis], numeric, atol=1e-8)


def test_the_two_band_weyl_semimetal() -> None:
    """Nodes at kz = +-1/6 (pi/3); the Chern number of the planes jumps by their charges."""
    search = find_nodes(zoo.weyl(), 1)
    found = {round(float(node.k[2]), 9): node.chirality for node in search.nodes}
    assert found == {round(1 / 6, 9): -1, round(-1 / 6, 9): 1}
    assert kinds(search) == {"Weyl"}
    assert passed(search)
    assert search.smallest_gap < 1e-9
    below, above = (chern(zoo.weyl(), 1, origin=(0, 0, z)).value for z in (0.0, 0.5))
    assert below is not None
    assert above is not None
    assert (abs(below), above) == (1, 0)
    assert above - below == found[round(1 / 6, 9)]


def test_murakami_nodes_of_fu_kane_mele() -> None:
    """Four nodes inside the window; the charges are those of +lv on the first site."""
    h = zoo.fu_kane_mele(bonds=(1.2, 0.8, 1, 1), staggered=0.3)
    search = find_nodes(h, 2, group=EVEN, time_reversal=True)
    assert passed(search)
    assert kinds(search) == {"Weyl"}
    expected = {
        (0.049, 0.4956, 0.5436): -1,
        (0.049, 0.5436, 0.4956): 1,
        (-0.049, 0.4564, 0.5044): 1,
        (-0.049, 0.5044, 0.4564): -1,
    }
    assert len(search.nodes) == 4
    for k, value in expected.items():
        apart = np.array([node.k - k for node in search.nodes])
        apart -= np.round(apart)
        nearest = int(np.abs(apart).max(axis=1).argmin())
        assert np.abs(apart[nearest]).max() < 1e-4
        assert search.nodes[nearest].chirality == value


def test_the_other_staggering_is_the_mirror_image() -> None:
    """Exchanging the sites is an inversion: it maps k to -k and turns the chirality round."""
    one, two = (
        find_nodes(
            zoo.fu_kane_mele(bonds=(1.2, 0.8, 1, 1), staggered=lv),
            2,
            group=EVEN,
            time_reversal=True,
        )
        for lv in (0.3, -0.3)
    )
    for node in one.nodes:
        partner = min(two.nodes, key=lambda other: np.abs(_wrap(other.k + node.k)).max())
        assert np.abs(_wrap(partner.k + node.k)).max() < 1e-8
        assert partner.chirality == -node.chirality


def _wrap(k: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(k - np.round(k))


@pytest.mark.parametrize(
    ("staggered", "inside", "outside"),
    [(0.0, (0.20,), (0.17, 0.23)), (0.2, (0.19, 0.20), (0.16, 0.23)), (0.3, (0.17, 0.23), (0.13,))],
)
def test_the_murakami_window_opens_with_the_staggered_potential(
    staggered: float, inside: tuple[float, ...], outside: tuple[float, ...]
) -> None:
    for d in (*inside, *outside):
        h = zoo.fu_kane_mele(bonds=(1 + d, 0.8, 1, 1), staggered=staggered)
        search = find_nodes(h, 2, group=EVEN, time_reversal=True)
        assert passed(search), d
        assert bool(search.nodes) == (d in inside), d
        assert kinds(search) <= {"Weyl" if staggered else "Dirac"}


def test_dirac_points() -> None:
    one = find_nodes(zoo.fu_kane_mele(bonds=(1.2, 0.8, 1, 1)), 2, group=EVEN, time_reversal=True)
    assert [(n.kind, n.degeneracy, n.chirality) for n in one.nodes] == [("Dirac", 4, 0)]
    assert np.abs(_wrap(one.nodes[0].k - [0, 0.5, 0.5])).max() < 1e-9
    three = find_nodes(zoo.fu_kane_mele(bonds=(1, 1, 1, 1)), 2, group=EVEN, time_reversal=True)
    assert sorted(tuple(np.abs(node.k).round(6)) for node in three.nodes) == [
        (0, 0.5, 0.5),
        (0.5, 0, 0.5),
        (0.5, 0.5, 0),
    ]
    assert kinds(three) == {"Dirac"}
    assert passed(three)


def test_a_magnetic_field_splits_a_dirac_point_into_weyl_points() -> None:
    h = zoo.cubic(M=0.0)
    matrices = h.matrices.copy()
    matrices[(h.cells == 0).all(axis=1)] += 0.2 * np.kron(SZ, S0)
    split = Hoppings(cells=h.cells, matrices=matrices, lattice=h.lattice, occupied=2)
    assert kinds(find_nodes(h, 2)) == {"Dirac"}
    search = find_nodes(split, 2)
    assert kinds(search) == {"Weyl"}
    assert sorted(node.chirality for node in search.nodes) == [-1, 1]
    assert passed(search)


def test_the_nodes_of_na3bi_and_what_a_zeeman_term_makes_of_them() -> None:
    """Fourfold at kz = +-.0903 1/A; with an exchange field a pair of Weyl points each."""
    h = zoo.na3bi()
    search = find_nodes(h, 2, group=EVEN, time_reversal=True)
    assert h.lattice is not None
    height = sorted(float(2 * np.pi / h.lattice[2, 2] * node.k[2]) for node in search.nodes)
    assert height == pytest.approx([-0.09034, 0.09034], abs=5e-4)
    assert kinds(search) == {"Dirac"}
    assert passed(search)
    field = find_nodes(zoo.na3bi(zeeman=0.02), 2)
    assert kinds(field) == {"Weyl"}
    assert sorted(node.chirality for node in field.nodes) == [-1, -1, 1, 1]
    assert passed(field)


@pytest.mark.parametrize(
    "h", [zoo.bitei_p22(0.0), zoo.bitei_p22(2.0), zoo.cubic(), zoo.fu_kane_mele(staggered=0.1)]
)
def test_an_insulator_has_no_nodes(h: Hoppings) -> None:
    assert h.occupied is not None
    search = find_nodes(h, h.occupied, group=EVEN, time_reversal=True)
    assert search.nodes == ()
    assert search.unresolved == ()
    assert search.smallest_gap > 0.05
    assert [check.passed for check in search.checks] == [True]


def test_the_smallest_gap_of_bitei() -> None:
    search = find_nodes(zoo.bitei_p22(0.0), 12, group=EVEN)
    assert search.smallest_gap == pytest.approx(0.28443, abs=1e-4)
    assert abs(abs(search.k_smallest[2]) - 0.5) < 1e-2


@pytest.mark.data
def test_bismuth_selenide_has_no_nodes(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    search = find_nodes(h, 18, group=EVEN)
    assert search.nodes == ()
    assert passed(search)
    assert search.smallest_gap > 0.3


# --- traps -----------------------------------------------------------------------------------


def test_two_nodes_that_meet_are_no_weyl_point() -> None:
    """M0 = 0: the pair annihilates at Gamma; chirality 0, and said to be a boundary."""
    search = find_nodes(zoo.weyl(M0=0.0), 1)
    assert [(node.kind, node.chirality) for node in search.nodes] == [("crossing", 0)]
    assert not passed(search)


@pytest.mark.parametrize("half", [1e-2, 2e-3, 5e-4, 1e-4])
def test_a_close_pair_is_resolved(half: float) -> None:
    """Nodes at kz = +-half (reduced), far below the mesh."""
    search = find_nodes(zoo.weyl(M0=float(2 * (1 - np.cos(2 * np.pi * half)))), 1)
    assert passed(search)
    found = sorted((node.k[2], node.chirality) for node in search.nodes)
    assert [value for _, value in found] == [1, -1]
    np.testing.assert_allclose([k for k, _ in found], [-half, half], rtol=1e-3)


def test_a_pair_that_just_misses_is_unresolved_not_a_node() -> None:
    search = find_nodes(zoo.weyl(M0=-2e-5), 1)
    assert search.nodes == ()
    assert search.smallest_gap == pytest.approx(4e-5, rel=1e-3)
    assert len(search.unresolved) == 1


def test_a_quadratic_node_has_chirality_two() -> None:
    """H = Re(k_+^2) sx + Im(k_+^2) sy + kz sz on a lattice."""
    terms = Terms(2)
    terms.cosine(1, SX)
    terms.cosine(0, -SX)
    for sign in (1, -1):
        terms.hop((1, sign, 0), -sign * 0.25 * SY)  # sin kx sin ky
    terms.sine(2, SZ)
    terms.onsite(1.5 * SZ)
    terms.cosine(0, -0.75 * SZ)
    terms.cosine(1, -0.75 * SZ)
    search = find_nodes(terms.build(lattice=np.eye(3) * 3, title="", occupied=1), 1)
    assert sorted(abs(node.chirality) for node in search.nodes) == [2, 2]
    assert kinds(search) == {"Weyl"}
    assert passed(search)


def test_a_threefold_point_is_a_crossing_with_its_charge() -> None:
    """H = k.S with spin 1: the lowest band has twice the charge of k.sigma."""
    root = np.sqrt(0.5)
    spins = (
        root * np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]),
        root * np.array([[0, -1j, 0], [1j, 0, -1j], [0, 1j, 0]]),
        np.diag([1.0, 0, -1]),
    )
    terms = Terms(3)
    for axis, spin in enumerate(spins):
        terms.sine(axis, spin)
    h = terms.build(lattice=np.eye(3), title="k.S", occupied=1)
    assert charge(h, 1, np.zeros(3), 0, 3, 0.01)[:2] == (2, True)
    search = find_nodes(h, 1)
    assert kinds(search) == {"crossing"}
    assert {node.degeneracy for node in search.nodes} == {3}
    assert sum(node.chirality for node in search.nodes) == 0
    assert len(search.nodes) == 8


def test_the_degenerate_band_behind_a_triple_point_is_a_line_not_weyl_points() -> None:
    """A doublet on the axis crosses a single band: the gap closes on the axis, chirality 0."""
    terms = Terms(3)
    single = np.diag([0.0, 0.0, 1.0])
    terms.onsite(-5 * single)
    for axis in range(3):
        terms.cosine(axis, 2 * single)
    for axis in (0, 1):
        mix = np.zeros((3, 3))
        mix[axis, 2] = mix[2, axis] = 0.7
        terms.sine(axis, mix)
    search = find_nodes(terms.build(lattice=np.eye(3) * 3, title="", occupied=2), 2)
    assert search.extended == "line"
    assert kinds(search) == {"crossing"}


def test_superposed_opposite_charges_are_no_weyl_point() -> None:
    """Two decoupled copies of opposite chirality: fourfold, total charge 0."""
    one, other = linear(), linear(-1)
    up, down = np.diag([1, 0]), np.diag([0, 1])
    pairs = zip(one.matrices, other.matrices, strict=True)
    both = Hoppings(
        cells=one.cells,
        matrices=np.array([np.kron(up, m) + np.kron(down, w) for m, w in pairs]),
        lattice=one.lattice,
    )
    assert charge(both, 2, np.zeros(3), 0, 4, 0.01)[:2] == (0, True)
    assert kinds(find_nodes(both, 2)) == {"Dirac"}


def nodal_ring() -> Hoppings:
    """Spinless, sx and sz alone: a closed nodal line around Gamma."""
    terms = Terms(2)
    terms.onsite(-4.5 * SZ)
    for axis in range(3):
        terms.cosine(axis, 2 * SZ)
    terms.sine(2, SX)
    return terms.build(lattice=np.eye(3) * 3, title="nodal ring", occupied=1)


def test_a_nodal_line_is_said_not_listed() -> None:
    search = find_nodes(nodal_ring(), 1)
    assert search.extended == "line"
    assert 0 < len(search.nodes) <= 8
    assert kinds(search) == {"crossing"}
    assert any(check.name == "nodes are points" for check in search.checks)


def test_a_nodal_surface() -> None:
    terms = Terms(2)
    for axis in range(3):
        terms.cosine(axis, SZ)
    search = find_nodes(terms.build(lattice=np.eye(3) * 3, title="", occupied=1), 1)
    assert search.extended == "surface"
    assert kinds(search) == {"crossing"}


def test_the_charge_of_each_cell_of_a_mesh() -> None:
    """Also on a left-handed lattice; cells cancel, and those with a node have its charge."""
    h = zoo.weyl(M0=float(2 * (1 - np.cos(0.9))))
    assert h.lattice is not None
    mirrored = Hoppings(cells=h.cells, matrices=h.matrices, lattice=h.lattice * [1, 1, -1])
    for one in (h, mirrored):
        nodes = find_nodes(one, 1).nodes
        assert len(nodes) == 2
        charges = cell_charges(one, 1, (14, 14, 14))
        assert np.abs(charges).sum() == 2
        for node in nodes:
            place = np.floor(node.k * 14 - SHIFT).astype(int) % 14
            assert charges[tuple(place)] == node.chirality
    assert not cell_charges(zoo.cubic(), 2, (6, 6, 6)).any()


def test_cells_around_the_deepest_are_no_starts() -> None:
    size = np.array([0.125, 0.125, 0.0])
    k = np.array([[0.0625, 0.0625, 0], [0.1875, 0.0625, 0], [0.9375, 0.9375, 0], [0.5625, 0.5, 0]])
    gap = np.array([0.2, 0.3, 0.4, 0.5])
    assert _deepest(k, gap, size).tolist() == [True, False, False, True]


@pytest.mark.data
def test_zirconium_telluride(shared_data: Path) -> None:
    """Twelve Weyl points at kz = +-.0067; slight asymmetry splits the triple points, too."""
    h = read_hoppings(shared_data / "hoppings" / "ZrTe" / "wannier90_hr.dat.gz")
    h = symmetrised(h, time_reversal(h))
    search = find_nodes(h, 8, group=EVEN, time_reversal=True)
    flat = [node for node in search.nodes if abs(node.k[2]) < 0.1]
    assert len(flat) == 12
    assert all(0.0066 < abs(node.k[2]) < 0.0069 and node.kind == "Weyl" for node in flat)
    assert sum(node.chirality for node in flat) == 0


def test_two_dimensions() -> None:
    """Kane and Mele without coupling is graphene; with it, an insulator."""
    graphene = zoo.kane_mele(spin_orbit=0, staggered=0)
    search = find_nodes(graphene, 2, group=EVEN, time_reversal=True, dimension=2)
    assert len(search.nodes) == 2
    assert all(np.abs(np.abs(node.k[:2]) - 1 / 3).max() < 1e-6 for node in search.nodes)
    assert find_nodes(zoo.haldane(), 1, dimension=2).nodes == ()
    closed = find_nodes(zoo.kane_mele(staggered=0, rashba=0.3), 2, group=EVEN, dimension=2)
    assert closed.smallest_gap < 1e-7


def test_the_finer_search_agrees() -> None:
    h = zoo.fu_kane_mele(bonds=(1.17, 0.8, 1, 1), staggered=0.3)
    coarse, fine = (find_nodes(h, 2, group=EVEN, finer=finer) for finer in (False, True))
    for node in coarse.nodes:
        assert min(np.abs(_wrap(other.k - node.k)).max() for other in fine.nodes) < 1e-8
    assert len(coarse.nodes) == len(fine.nodes)
    assert fine.mesh > coarse.mesh
