"""Gap closings along paths of Hamiltonians whose closings are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics import zoo
from crystalgui.core.physics.perturb import interpolate, spin_orbit_path
from crystalgui.core.physics.track import track_gap
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings

EVEN = np.array([np.eye(3), -np.eye(3)]).astype(np.int64)


def test_the_four_closings_of_the_cubic_insulator() -> None:
    """M/B = 0, 4, 8, 12, though the samples lie far from some of them."""
    track = track_gap(lambda m: zoo.cubic(M=m), 2, [-1.0, 1.5, 3, 7, 9.5, 13], group=EVEN)
    found = [closing.parameter for closing in track.closings]
    np.testing.assert_allclose(found, [0, 4, 8, 12], atol=1e-3)
    sums = [round(float(np.abs(closing.k).sum()), 6) for closing in track.closings]
    assert sums == [0, 0.5, 1, 1.5]


def test_a_closing_between_two_samples_is_not_missed() -> None:
    """The gap is 2 at both ends, and elsewhere smaller than there in between."""
    track = track_gap(lambda m: zoo.cubic(M=m), 2, [-1.0, 1.0], group=EVEN)
    assert [closing.parameter for closing in track.closings] == pytest.approx([0], abs=1e-4)
    assert len(track.parameters) > 2


def test_haldane_closes_on_both_sides() -> None:
    track = track_gap(lambda m: zoo.haldane(mass=m), 1, [-1.0, 0.0, 1.0], dimension=2)
    edge = 3 * np.sqrt(3) * 0.1
    assert [c.parameter for c in track.closings] == pytest.approx([-edge, edge], abs=1e-4)
    valleys = [closing.k[:2].round(4).tolist() for closing in track.closings]
    assert valleys[0] == [-value for value in valleys[1]]


def test_kane_mele_closes_at_its_phase_boundary() -> None:
    def family(staggered: float) -> Hoppings:
        return zoo.kane_mele(staggered=staggered)

    track = track_gap(family, 2, [0.0, 0.2, 0.7], dimension=2, group=EVEN)
    assert [c.parameter for c in track.closings] == pytest.approx([0.31177], abs=1e-4)


@pytest.mark.parametrize(("staggered", "window"), [(0.0, 0.0), (0.2, 0.04), (0.3, 0.09)])
def test_a_weyl_phase_is_a_window(staggered: float, window: float) -> None:
    def family(d: float) -> Hoppings:
        return zoo.fu_kane_mele(bonds=(1 + d, 0.8, 1, 1), staggered=staggered)

    track = track_gap(family, 2, np.linspace(0.05, 0.4, 6), group=EVEN)
    (closing,) = track.closings
    assert closing.stop - closing.start == pytest.approx(window, abs=0.006)
    assert closing.parameter == pytest.approx(0.2, abs=0.003)
    assert closing.gap < 1e-6


def test_bitei_closes_where_the_mixture_is_half() -> None:
    ends = zoo.bitei_p22(0.0), zoo.bitei_p22(2.0)
    track = track_gap(lambda x: interpolate(*ends, x), 12, [0.3, 0.45, 0.6], group=EVEN)
    (closing,) = track.closings
    assert closing.parameter == pytest.approx(0.4983, abs=1e-4)
    assert closing.stop - closing.start < 2e-4
    assert abs(abs(closing.k[2]) - 0.5) < 1e-3
    assert track.gaps[0] == pytest.approx(0.1104, abs=1e-3)


@pytest.mark.data
def test_bismuth_selenide_inverts_at_gamma(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    track = track_gap(lambda x: spin_orbit_path(h, x), 18, [0.2, 0.5, 0.6], group=EVEN)
    (closing,) = track.closings
    assert closing.parameter == pytest.approx(0.52, abs=0.005)
    assert np.abs(closing.k).max() < 1e-4
    at = dict(zip(track.parameters.tolist(), track.gaps.tolist(), strict=True))
    assert [at[x] for x in (0.2, 0.5, 0.6)] == pytest.approx([0.200, 0.015, 0.071], abs=1e-3)


def test_an_insulator_stays_one() -> None:
    track = track_gap(lambda x: zoo.bitei_p22(x), 12, [0.0, 0.3], group=EVEN)
    assert track.closings == ()
    assert (track.gaps > 0.2).all()


@pytest.mark.parametrize("values", [[0.0], [1.0, 0.0], [0.0, 0.0]])
def test_a_path_has_ascending_parameters(values: list[float]) -> None:
    with pytest.raises(PhysicsError, match="ascending"):
        track_gap(lambda m: zoo.cubic(M=m), 2, values)
