"""Z2: closed forms, real hoppings, and what must not be answered."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import hamiltonian
from crystalgui.core.physics.links import line_centres
from crystalgui.core.physics.perturb import interpolate
from crystalgui.core.physics.wilson import Convergence
from crystalgui.core.physics.z2 import half_plane, z2, z2_plane
from crystalgui.core.physics.zoo import (
    bhz,
    bitei,
    bitei_p22,
    cubic,
    fu_kane_mele,
    haldane,
    kane_mele,
)
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings


@pytest.mark.parametrize(
    ("staggered", "rashba", "nu"),
    [(0.1, 0, 1), (0.311, 0, 1), (0.313, 0, 0), (0.1, 0.05, 1), (0.4, 0.05, 0), (0, 0.2, 1)],
)
def test_kane_mele(staggered: float, rashba: float, nu: int) -> None:
    found = z2(kane_mele(staggered=staggered, rashba=rashba), 2, 2)
    assert (found.status, found.indices) == ("converged", (nu,))
    assert all(check.passed for check in found.checks)
    assert [name for name, _ in found.planes] == ["k3 = 0"]


@pytest.mark.parametrize("rashba", [0.209, 0.215, 0.25, 0.3, 0.5])
def test_the_gapless_kane_mele_phase_has_no_index(rashba: float) -> None:
    found = z2(kane_mele(staggered=0, rashba=rashba), 2, 2)
    assert (found.status, found.indices) == ("undefined", None)
    assert found.planes[0][1].value is None
    # It is seen on the first lines, not after long refinement.
    assert len(found.planes[0][1].flow.t) < 20


@pytest.mark.parametrize(
    ("m", "nu"), [(-1, 0), (0.1, 1), (3.9, 1), (4.1, 1), (7.9, 1), (8.1, 0), (4, None)]
)
def test_bhz(m: float, nu: int | None) -> None:
    found = z2(bhz(M=m), 2, 2)
    assert found.indices == (None if nu is None else (nu,))
    assert found.status == ("undefined" if nu is None else "converged")


@pytest.mark.parametrize(
    ("m", "indices"),
    [(-1, (0, 0, 0, 0)), (2, (1, 0, 0, 0)), (6, (0, 1, 1, 1)), (10, (1, 1, 1, 1)), (13, (0,) * 4)],
)
def test_cubic_windows(m: float, indices: tuple[int, ...]) -> None:
    found = z2(cubic(M=m), 2)
    assert (found.status, found.indices) == ("converged", indices)
    assert len(found.planes) == 6
    assert {check.name for check in found.checks} >= {"kramers", "strong index along three axes"}


@pytest.mark.parametrize("bond", range(4))
@pytest.mark.parametrize("strength", [0.4, -0.4])
def test_fu_kane_mele(bond: int, strength: float) -> None:
    bonds = [1.0] * 4
    bonds[bond] += strength
    weak = (1, 1, 1) if bond == 0 else tuple(int(i == bond - 1) for i in range(3))
    found = z2(fu_kane_mele(bonds=bonds), 2)
    assert (found.status, found.indices) == ("converged", (int(strength > 0), *weak))


def test_dirac_points_leave_no_index() -> None:
    assert z2(fu_kane_mele(bonds=(1, 1, 1, 1)), 2).status == "undefined"


def test_broken_time_reversal_is_noticed() -> None:
    h = kane_mele(staggered=0.1)
    field = np.where((h.cells == 0).all(axis=1)[:, None, None], np.diag([0.2, 0.1, -0.2, 0]), 0)
    broken = Hoppings(cells=h.cells, matrices=h.matrices + field, lattice=h.lattice)
    found = z2(broken, 2, 2)
    assert found.status == "unresolved"
    assert [check.name for check in found.checks if check.passed is False] == ["kramers"]


def test_an_odd_number_of_bands_has_no_index() -> None:
    assert z2_plane(haldane(), 1, half_plane(2, 0.0)).status == "undefined"
    with pytest.raises(PhysicsError, match="1 dimensions"):
        z2(kane_mele(), 2, 1)


def _fixed_mesh(h: Hoppings, lines: int, points: int) -> int:
    """Z2(k3 = 1/2) on a mesh without any check."""
    t, s = np.meshgrid(np.linspace(0, 0.5, lines), np.arange(points) / points, indexing="ij")
    k = np.stack([t, s, np.full_like(t, 0.5)], axis=-1)
    centres = line_centres(np.linalg.eigh(hamiltonian(h, k))[1][..., :12])
    sizes = np.diff(centres, axis=1, append=centres[:, :1] + 1)
    widest = sizes.argmax(axis=1)
    rows = np.arange(lines)
    gap = (centres[rows, widest] + sizes[rows, widest] / 2) % 1
    low, high = np.minimum(gap[1:], gap[:-1])[:, None], np.maximum(gap[1:], gap[:-1])[:, None]
    return int(((centres[1:] > low) & (centres[1:] <= high)).sum() % 2)


def test_the_trap_of_fixed_meshes_past_the_closing_of_bitei() -> None:
    one, other = bitei_p22(0), bitei_p22(2)
    assert _fixed_mesh(interpolate(one, other, 0.52), 31, 60) == 0
    for alpha in (0.505, 0.51, 0.52, 0.55):
        found = z2_plane(interpolate(one, other, alpha), 12, half_plane(2, 0.5))
        assert (found.status, found.value) == ("converged", 1), alpha
    for alpha in (0.45, 0.49, 0.495):
        found = z2_plane(interpolate(one, other, alpha), 12, half_plane(2, 0.5))
        assert (found.status, found.value) == ("converged", 0), alpha


def test_too_close_to_the_closing_is_not_answered() -> None:
    h = interpolate(bitei_p22(0), bitei_p22(2), 0.4983)
    options = Convergence(min_distance=2e-3)
    assert z2_plane(h, 12, half_plane(2, 0.5), options=options).value is None
    assert z2_plane(h, 12, half_plane(2, 0.5), gap_tolerance=1e-4).status == "undefined"


@pytest.mark.parametrize(("x", "indices"), [(0, (0, 0, 0, 0)), (1.3, (1, 0, 0, 1))])
def test_bitei(x: float, indices: tuple[int, ...]) -> None:
    found = z2(bitei_p22(x), 12)
    assert (found.status, found.indices) == ("converged", indices)


@pytest.mark.parametrize(("x", "indices"), [(0, (0, 0, 0, 0)), (2, (1, 0, 0, 1))])
def test_bitei_as_fitted(x: float, indices: tuple[int, ...]) -> None:
    begin = time.process_time()
    found = z2(bitei(x), 12)
    assert (found.status, found.indices) == ("converged", indices)
    # About 0.2 CPU seconds for the six planes on a quiet machine.
    assert time.process_time() - begin < 1.5


@pytest.mark.data
def test_bismuth_selenide_is_a_strong_insulator_and_quickly_so(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    begin = time.process_time()
    found = z2(h, 18)
    assert (found.status, found.indices) == ("converged", (1, 0, 0, 0))
    # Z2Pack with TBmodels takes 5.4 CPU seconds; about 0.37 here on a quiet machine.
    assert time.process_time() - begin < 2.5
