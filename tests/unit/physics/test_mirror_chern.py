"""Mirror Chern numbers of the models, and of Bi2Se3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.mirror_chern import mirror_chern, mirror_planes, sectors
from crystalgui.core.physics.symmetries import inversion, mirror_operations
from crystalgui.core.physics.zoo import bhz, bitei, cubic, fu_kane_mele, kane_mele
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings


def numbers(h: Hoppings, occupied: int | None = None) -> dict[str, int | None]:
    return {
        answer.name: answer.value
        for mirror in mirror_operations(h)
        for answer in mirror_chern(h, occupied or h.occupied or 0, mirror)
    }


@pytest.mark.parametrize(
    ("staggered", "wanted"), [(0.0, 1), (0.1, 1), (0.3, 1), (0.33, 0), (0.4, 0)]
)
def test_kane_mele_is_a_spin_chern_number(staggered: float, wanted: int) -> None:
    found = numbers(kane_mele(staggered=staggered))
    assert list(found) == ["m(001), k3 = 0"]
    assert abs(found["m(001), k3 = 0"] or 0) == wanted


@pytest.mark.parametrize(("m", "wanted"), [(-1, 0), (2, 1), (6, 1), (9, 0)])
def test_bhz(m: float, wanted: int) -> None:
    assert [abs(x or 0) for x in numbers(bhz(M=m)).values()] == [wanted]


def test_signs() -> None:
    """The mass of BHZ changes sign between M = 2 and 6, and so does the number."""
    assert numbers(bhz(M=2))["m(001), k3 = 0"] == -(numbers(bhz(M=6))["m(001), k3 = 0"] or 0)


@pytest.mark.parametrize(
    ("m", "at_zero", "at_half"), [(-1, 0, 0), (2, 1, 0), (6, 1, 1), (10, 0, 1), (13, 0, 0)]
)
def test_cubic(m: float, at_zero: int, at_half: int) -> None:
    """H(k3 = 0) and H(k3 = 1/2) are BHZ models with masses M and M - 4."""
    found = numbers(cubic(M=m))
    assert len(found) == 12  # three cubic mirrors with two planes, six diagonal ones with one
    for axis in "123":
        assert abs(found[_name(found, f"k{axis} = 0")] or 0) == at_zero
        assert abs(found[_name(found, f"k{axis} = 1/2")] or 0) == at_half
    strong = (at_zero + at_half) % 2
    assert all(abs(found[name] or 0) % 2 == strong for name in found if name.count("k") == 2)


def _name(found: dict[str, int | None], plane: str) -> str:
    return next(name for name in found if name.endswith(", " + plane))


def test_sectors_have_the_energies_of_the_plane() -> None:
    h = bitei(2.0)
    for mirror in mirror_operations(h):
        for plane in mirror_planes(h, mirror):
            plus, minus, mixing = sectors(h, mirror, plane)
            assert mixing < 1e-9
            q = np.array([[0.11, 0.23, 0.0], [0.41, 0.37, 0.0]])
            k = plane.origin + q[:, :1] * plane.u + q[:, 1:2] * plane.v
            both = np.sort(np.concatenate([energies(plus, q), energies(minus, q)], axis=1))
            assert np.allclose(both, energies(h, k), atol=1e-9)


@pytest.mark.parametrize(("bond", "wanted"), [(1.4, 1), (0.6, 0)])
def test_fu_kane_mele(bond: float, wanted: int) -> None:
    """The mirror exchanges no atom with itself only: sites off the plane are moved."""
    found = numbers(fu_kane_mele(bonds=(bond, 1, 1, 1)))
    assert len(found) == 3
    assert {abs(x or 0) for x in found.values()} == {wanted}


def test_bitei_under_pressure() -> None:
    """The strong phase has odd mirror Chern numbers, the trivial one none."""
    assert set(numbers(bitei(0.0)).values()) == {0}
    assert {abs(x or 0) for x in numbers(bitei(2.0)).values()} == {1}


def test_gapless_is_undefined() -> None:
    h = cubic(M=4.0)
    (mirror,) = (m for m in mirror_operations(h) if m.operation.name == "m(001)")
    statuses = {answer.status for answer in mirror_chern(h, 2, mirror)}
    assert statuses == {"undefined"}


def test_misuse() -> None:
    h = cubic()
    centre = inversion(h)
    assert centre is not None
    with pytest.raises(PhysicsError, match="mirror plane"):
        mirror_chern(h, 2, centre)


@pytest.mark.data
def test_bi2se3(shared_data: Path) -> None:
    """-1, like Bi2Te3 in Rauch et al., Phys. Rev. Lett. 112, 016802 (2014)."""
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    found = numbers(h, 18)
    assert found["m(1-10), k1 - k2 = 0"] == -1
