"""Inversion eigenvalues against the closed-form indices of the models and of Bi2Se3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.parities import Parities, parities
from crystalgui.core.physics.symmetries import inversion
from crystalgui.core.physics.zoo import bhz, cubic, fu_kane_mele, haldane, kane_mele, ssh
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings


def found(h: Hoppings, occupied: int | None = None) -> Parities:
    centre = inversion(h)
    assert centre is not None
    return parities(h, occupied or h.occupied or 0, centre)


@pytest.mark.parametrize(
    ("m", "z2"),
    [
        (-1.0, (0, 0, 0, 0)),
        (0.5, (1, 0, 0, 0)),
        (3.5, (1, 0, 0, 0)),
        (6.0, (0, 1, 1, 1)),
        (10.0, (1, 1, 1, 1)),
        (13.0, (0, 0, 0, 0)),
    ],
)
def test_cubic(m: float, z2: tuple[int, ...]) -> None:
    answer = found(cubic(M=m))
    assert answer.z2 == z2
    assert answer.z4 is not None
    assert answer.z4 % 2 == z2[0]
    assert answer.sharpness == pytest.approx(1)
    assert answer.gaps.min() == pytest.approx(min(2 * abs(m - 4 * i) for i in range(4)))


@pytest.mark.parametrize("bond", range(4))
@pytest.mark.parametrize("d", [0.4, -0.4])
def test_fu_kane_mele(bond: int, d: float) -> None:
    bonds = [1.0] * 4
    bonds[bond] += d
    weak = (1, 1, 1) if bond == 0 else tuple(int(i == bond - 1) for i in range(3))
    answer = found(fu_kane_mele(bonds=bonds))
    assert answer.z2 == (int(d > 0), *weak)
    assert len(answer.odd_pairs) == 8


@pytest.mark.parametrize(("m", "nu"), [(-1, 0), (2, 1), (3.9, 1), (4.1, 1), (7, 1), (9, 0)])
def test_bhz(m: float, nu: int) -> None:
    answer = found(bhz(M=m))
    assert answer.z2 == (nu,)
    assert answer.z4 is None
    assert len(answer.trim) == 4


def test_kane_mele() -> None:
    assert found(kane_mele(staggered=0.0)).z2 == (1,)
    assert found(kane_mele(staggered=0.0, rashba=0.0, spin_orbit=-0.06)).z2 == (1,)


def test_without_kramers_pairs() -> None:
    """Parities of single states: the Chern number and the Zak phase / pi mod 2."""
    answer = found(haldane())
    assert answer.z2 == ()
    assert answer.index == 1
    assert found(ssh(v=1.0, w=0.6)).index == 0
    assert found(ssh(v=0.6, w=1.0)).index == 1


def test_closed_gap() -> None:
    with pytest.raises(PhysicsError, match="gap closes at k"):
        found(cubic(M=4.0))
    with pytest.raises(PhysicsError, match="gap closes at k"):
        found(fu_kane_mele(bonds=(1, 1, 1, 1)))
    with pytest.raises(PhysicsError, match="gap closes"):
        found(cubic(), occupied=1)


def test_gap_smaller_than_what_breaks_inversion() -> None:
    """Near a transition a small staggered potential decides; parities must not."""
    nearly = fu_kane_mele(bonds=(1.004, 1, 1, 1), staggered=0.01)
    centre = inversion(nearly)
    assert centre is not None
    with pytest.raises(PhysicsError, match="no definite parity"):
        parities(nearly, 2, centre)
    assert found(fu_kane_mele(staggered=0.005)).z2 == (1, 1, 1, 1)


def test_origin_does_not_matter() -> None:
    """Moving the atoms moves the centre of inversion and changes no parity of a pair product."""
    from dataclasses import replace

    h = fu_kane_mele()
    assert h.centres is not None
    assert h.frac is not None
    shift = np.array([0.13, 0.21, 0.34])
    moved = replace(h, centres=h.centres + shift, frac=h.frac + shift)
    assert found(moved).z2 == found(h).z2


@pytest.mark.data
def test_bi2se3(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    answer = found(h, 18)
    assert answer.odd_pairs.tolist() == [5, 3, 6, 3, 6, 3, 6, 3]
    assert answer.z2 == (1, 0, 0, 0)
    assert answer.z4 == 3
    assert answer.sharpness > 0.99
    gaps = {tuple(k): g for k, g in zip(answer.trim.tolist(), answer.gaps, strict=True)}
    assert gaps[0, 0, 0] == pytest.approx(0.4557, abs=1e-4)
    assert gaps[0.5, 0, 0] == pytest.approx(0.7908, abs=1e-4)
    assert gaps[0, 0, 0.5] == pytest.approx(1.2467, abs=1e-4)
    assert gaps[0.5, 0.5, 0] == pytest.approx(1.6494, abs=1e-4)
