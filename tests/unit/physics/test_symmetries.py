"""Time reversal, crystal operations and spectral groups are found, never asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies, hamiltonian
from crystalgui.core.physics.intertwiners import with_power
from crystalgui.core.physics.sites import integer_direction, space_group
from crystalgui.core.physics.symmetries import (
    GENERIC_K,
    TimeReversal,
    dimension,
    inversion,
    mirror_operations,
    operations,
    orbitals,
    represent,
    spectral_group,
    symmetrised,
    time_reversal,
)
from crystalgui.core.physics.zoo import (
    bhz,
    bitei,
    cubic,
    fu_kane_mele,
    haldane,
    kane_mele,
    ssh,
    weyl,
)
from crystalgui.core.structures.hoppings.model import Assumptions, Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings

SPINFUL = {
    "Kane-Mele": kane_mele(rashba=0.05),
    "BHZ": bhz(),
    "cubic": cubic(),
    "Fu-Kane-Mele": fu_kane_mele(),
    "BiTeI": bitei(),
}


def reordered(h: Hoppings, order: np.ndarray) -> Hoppings:
    """The same Hamiltonian with its orbitals in another order."""
    return replace(
        h,
        matrices=h.matrices[:, order][:, :, order],
        centres=None if h.centres is None else h.centres[order],
        assumptions=Assumptions(),
    )


def in_basis(h: Hoppings, change: np.ndarray) -> Hoppings:
    return replace(h, matrices=change.conj().T @ h.matrices @ change, assumptions=Assumptions())


def assert_reversal(h: Hoppings, found: TimeReversal) -> None:
    u = found.matrix
    assert u is not None
    assert np.allclose(u @ u.conj().T, np.eye(len(u)))
    assert np.allclose(u @ u.conj(), found.square * np.eye(len(u)))
    k = GENERIC_K[:2]
    assert np.allclose(hamiltonian(h, k), u @ hamiltonian(h, -k).conj() @ u.conj().T, atol=1e-9)


@pytest.mark.parametrize("name", SPINFUL)
def test_time_reversal_of_spinors(name: str) -> None:
    found = time_reversal(SPINFUL[name])
    assert found.holds
    assert (found.kind, found.square, found.spin_order) == ("matrix", -1, "blocks")
    assert found.residual < 1e-9
    assert found.splitting < 1e-9
    assert_reversal(SPINFUL[name], found)


def test_time_reversal_in_other_orders() -> None:
    h = fu_kane_mele(staggered=0.2)
    interleaved = time_reversal(reordered(h, np.array([0, 2, 1, 3])))
    assert (interleaved.spin_order, interleaved.square) == ("interleaved", -1)
    # A up, B up, B down, A down: no common order, the matrix is solved for.
    odd = reordered(h, np.array([0, 1, 3, 2]))
    found = time_reversal(odd)
    assert (found.kind, found.square, found.spin_order) == ("matrix", -1, "unknown")
    assert_reversal(odd, found)
    assert inversion(odd) is None
    assert inversion(reordered(fu_kane_mele(), np.array([0, 1, 3, 2]))) is not None


def test_time_reversal_with_phases() -> None:
    """Any phases of the orbitals: still T^2 = -1 with spin and +1 without."""
    rng = np.random.default_rng(3)
    phases = np.diag(np.exp(1j * rng.uniform(0, 6, 4)))
    h = in_basis(kane_mele(rashba=0.05), phases)
    found = time_reversal(h)
    assert (found.kind, found.square) == ("matrix", -1)
    assert_reversal(h, found)
    h = in_basis(haldane(phi=0.0, mass=0.2), np.diag(np.exp(1j * rng.uniform(0, 6, 2))))
    found = time_reversal(h)
    assert (found.kind, found.square) == ("matrix", 1)
    assert_reversal(h, found)


def test_time_reversal_without_a_matrix() -> None:
    """A basis that mixes orbitals of different sites hides the matrix, not the Kramers pairs."""
    h = kane_mele(staggered=0.1, rashba=0.05)
    rng = np.random.default_rng(5)
    change = np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0]
    found = time_reversal(in_basis(h, change))
    assert found.kind == "spectral"
    assert found.holds
    assert found.square == -1


def test_magnets_have_no_time_reversal() -> None:
    assert not time_reversal(haldane()).holds
    assert not time_reversal(weyl()).holds
    h = fu_kane_mele()
    field = 0.05 * np.kron(np.diag([1.0, -1.0]), np.eye(2))
    matrices = h.matrices + (h.cells == 0).all(axis=1)[:, None, None] * field
    broken = replace(h, matrices=matrices)
    found = time_reversal(broken)
    assert not found.holds
    assert found.residual == pytest.approx(0.1)
    assert found.splitting > 0.05
    assert np.allclose(symmetrised(broken, found).matrices, h.matrices)


def test_spinless_chain() -> None:
    found = time_reversal(ssh())
    assert (found.kind, found.square) == ("matrix", 1)
    centre = inversion(ssh())
    assert centre is not None
    assert np.allclose(np.abs(centre.matrix), [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    "h",
    [haldane(), kane_mele(staggered=0), bhz(), cubic(), fu_kane_mele(), weyl()],
    ids=lambda h: h.title,
)
def test_inversion(h: Hoppings) -> None:
    centre = inversion(h)
    assert centre is not None
    assert centre.residual < 1e-9
    n = h.n_orbitals
    assert np.allclose(centre.matrix @ centre.matrix, np.eye(n))
    k = GENERIC_K
    p = centre.at(k)
    assert np.allclose(p @ hamiltonian(h, k) @ p.conj().swapaxes(-1, -2), hamiltonian(h, -k))
    assert centre.deviation(h, k) < 1e-9
    reversal = time_reversal(h)
    if reversal.matrix is not None and reversal.holds:
        u = reversal.matrix
        assert np.allclose(u @ centre.matrix.conj() @ u.conj().T, centre.matrix)


def test_inversion_is_lost() -> None:
    assert inversion(fu_kane_mele(staggered=0.1)) is None
    assert inversion(kane_mele(staggered=0.1)) is None
    assert inversion(haldane(mass=0.1)) is None
    assert inversion(bitei()) is None


def test_inversion_broken_a_little() -> None:
    """Within the tolerance inversion is found, and says by how much it is broken."""
    h = fu_kane_mele(staggered=0.005)
    centre = inversion(h)
    assert centre is not None
    assert centre.residual == pytest.approx(0.01)
    assert centre.deviation(h, GENERIC_K) == pytest.approx(0.005, rel=1e-6)
    assert inversion(h, tolerance=1e-3) is None


@pytest.mark.parametrize("h", [cubic(), fu_kane_mele(bonds=(1, 1, 1, 1)), bitei()])
def test_every_operation_of_the_crystal(h: Hoppings) -> None:
    k = GENERIC_K[:3]
    found = operations(h)
    assert len(found) == {"cubic": 48, "Diam": 48, "Fu-K": 48, "BiTe": 6}.get(h.title[:4], 48)
    for operation in found:
        made = represent(h, operation)
        assert made is not None, operation.name
        assert made.residual < 1e-8
        p = made.at(k)
        image = made.image(k)
        assert np.allclose(
            p @ hamiltonian(h, k) @ p.conj().swapaxes(-1, -2), hamiltonian(h, image), atol=1e-8
        )


def test_operations_in_a_hidden_basis() -> None:
    """Orbitals mixed on their site, spins included: nothing is known, and inversion is found."""
    h = cubic()
    rng = np.random.default_rng(1)
    change = np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0]
    mixed = in_basis(h, change)
    reversal = time_reversal(mixed)
    assert (reversal.kind, reversal.square) == ("matrix", -1)
    centre = inversion(mixed)
    assert centre is not None
    assert np.allclose(centre.matrix @ centre.matrix, np.eye(4))
    assert abs(np.trace(centre.matrix)) < 1e-9


def test_internal_symmetry_is_resolved() -> None:
    """Kane-Mele conserves s_z; without the spin order the null space has two dimensions."""
    h = reordered(kane_mele(staggered=0), np.array([0, 1, 3, 2]))
    assert orbitals(h).reversal.spin_order == "unknown"
    centre = inversion(h)
    assert centre is not None
    assert centre.freedom > 1
    assert np.allclose(centre.matrix @ centre.matrix, np.eye(4))


def test_mirrors() -> None:
    assert next(m.operation.name for m in mirror_operations(kane_mele())) == "m(001)"
    names = {m.operation.name for m in mirror_operations(kane_mele(rashba=0.05))}
    assert "m(001)" not in names
    assert len(names) == 3
    assert len(mirror_operations(bitei())) == 3
    assert len(mirror_operations(cubic())) == 9
    assert mirror_operations(haldane()) == ()
    for mirror in mirror_operations(bitei()):
        assert np.allclose(mirror.matrix @ mirror.matrix, -np.eye(18))


def test_spectral_groups() -> None:
    assert len(spectral_group(cubic())) == 48
    assert len(spectral_group(bitei())) == 12  # C3v and time reversal
    assert len(spectral_group(haldane(phi=1.0, mass=0.2))) == 12  # C3h, and C2 with time reversal
    assert len(spectral_group(fu_kane_mele(staggered=0.1))) == 12
    assert len(spectral_group(fu_kane_mele(bonds=(1.3, 0.8, 1, 1.1)))) == 2
    h = bitei()
    group = spectral_group(h)
    assert (group[0] == np.eye(3)).all()
    k = np.array([0.21, 0.08, 0.37])
    e = energies(h, group @ k)
    assert np.abs(e - e[0]).max() < 1e-9
    products = {(a @ b).tobytes() for a in group for b in group}
    assert products == {a.tobytes() for a in group}


def test_dimension() -> None:
    assert dimension(ssh()) == 1
    assert dimension(haldane()) == 2
    assert dimension(cubic()) == 3
    molecule = replace(ssh(), cells=np.zeros((1, 3)), matrices=np.eye(2)[None])
    with pytest.raises(PhysicsError, match="no dispersion"):
        dimension(molecule)


def test_without_lattice_or_centres() -> None:
    h = replace(bhz(), lattice=None, centres=None)
    centre = inversion(h)
    assert centre is not None
    assert np.allclose(np.abs(np.diag(centre.matrix)), 1)
    assert mirror_operations(h) == ()


def test_power_and_directions() -> None:
    turn = np.array([[0.0, -1.0], [1.0, 0.0]], dtype=complex)
    assert with_power(turn, 2, 1.0, real=True) is None
    fixed = with_power(turn, 2, 1.0, real=False)
    assert fixed is not None
    assert np.allclose(fixed @ fixed, np.eye(2))
    assert integer_direction(np.array([-0.5, 0.25, 0.0])).tolist() == [2, -1, 0]


@pytest.mark.data
def test_first_principles(shared_data: Path) -> None:
    bi2se3 = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    reversal = time_reversal(bi2se3)
    assert (reversal.kind, reversal.square, reversal.spin_order) == ("matrix", -1, "blocks")
    assert reversal.residual < 1e-3
    centre = inversion(bi2se3)
    assert centre is not None
    assert centre.residual < 3e-3
    assert np.bincount(orbitals(bi2se3).sites.site).tolist() == [3] * 5
    assert len(spectral_group(bi2se3, 3e-3)) == 12

    gaas = read_hoppings(shared_data / "hoppings" / "GaAs" / "GaAs_tb.dat")
    found = time_reversal(gaas)
    assert found.holds
    assert found.square == -1
    assert found.splitting < 1e-3
    assert inversion(gaas) is None

    wse2 = read_hoppings(shared_data / "hoppings" / "WSe2_1Tp" / "wannier90_hr.dat.gz")
    found = time_reversal(wse2)
    assert not found.holds
    assert found.residual == pytest.approx(0.1, abs=0.02)
    assert time_reversal(symmetrised(wse2, found)).holds


def test_atoms_that_overlap() -> None:
    """The search of the crystal fails; the identity is left."""
    frac = np.array([[0.0, 0, 0], [0, 0, 1e-4]])
    rotations, translations = space_group(np.eye(3), frac, np.array([1, 1]))
    assert (rotations == np.eye(3)).all()
    assert len(rotations) == len(translations) == 1
    assert len(space_group(np.eye(3), frac[:1], np.array([1]))[0]) == 48
