"""Closed-form gaps of the model Hamiltonians, and gaps found off the mesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies, hamiltonian
from crystalgui.core.physics.gaps import gaps, guess_occupation
from crystalgui.core.physics.overview import Overview, cut, fill, k_text, overview
from crystalgui.core.physics.slices import Slice
from crystalgui.core.physics.zoo import (
    bhz,
    bitei,
    bitei_p22,
    cubic,
    fu_kane_mele,
    haldane,
    kane_mele,
    ssh,
    weyl,
)
from crystalgui.core.physics.zoo.examples import EXAMPLES, model, write_examples
from crystalgui.core.resources import examples
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings
from crystalgui.core.structures.hoppings.spin import partner


def gap_at(h: Hoppings, *k: float) -> float:
    e = energies(h, np.array([k]))[0]
    return float(e[h.occupied] - e[h.occupied - 1])


def test_haldane() -> None:
    found = gaps(haldane(), 1)
    assert found.direct.energy == pytest.approx(6 * np.sqrt(3) * 0.1, abs=1e-9)
    assert np.allclose(np.abs(found.direct.k_lower), [1 / 3, 1 / 3, 0])
    assert found.kind == "direct"
    for phi in (0.3, -1.2):
        edge = 3 * np.sqrt(3) * abs(np.sin(phi)) * 0.1
        for mass in (edge, -edge):
            assert gaps(haldane(phi=phi, mass=mass), 1).direct.energy < 1e-9
        assert gaps(haldane(phi=phi, mass=0.7 * edge), 1).direct.energy == pytest.approx(
            0.6 * edge, abs=1e-6
        )


@pytest.mark.parametrize("staggered", [0.0, 0.1, 0.311, 0.313, 0.4])
def test_kane_mele(staggered: float) -> None:
    h = kane_mele(staggered=staggered)
    wanted = 2 * abs(3 * np.sqrt(3) * 0.06 - staggered)
    assert gaps(h, 2).direct.energy == pytest.approx(wanted, abs=1e-8)


def test_kane_mele_with_strong_rashba_is_gapless() -> None:
    assert gaps(kane_mele(staggered=0, rashba=0.25), 2).direct.energy < 1e-5
    assert gaps(kane_mele(staggered=0, rashba=0.15), 2).direct.energy > 0.05


@pytest.mark.parametrize("m", [-1.0, 2.0, 4.0, 7.0, 9.0])
def test_bhz(m: float) -> None:
    h = bhz(M=m)
    assert gap_at(h, 0, 0, 0) == pytest.approx(2 * abs(m))
    assert gap_at(h, 0.5, 0, 0) == pytest.approx(2 * abs(m - 4), abs=1e-12)
    assert gap_at(h, 0.5, 0.5, 0) == pytest.approx(2 * abs(m - 8))
    k = np.array([0.13, 0.29, 0.0])
    kx, ky = 2 * np.pi * k[:2]
    d3 = -2 * (2 - m / 2 - np.cos(kx) - np.cos(ky))
    e = np.sqrt(0.25 * (np.sin(kx) ** 2 + np.sin(ky) ** 2) + d3**2)
    assert energies(h, k[None])[0] == pytest.approx([-e, -e, e, e])


@pytest.mark.parametrize("m", [-1.0, 2.0, 6.0, 10.0, 13.0])
def test_cubic(m: float) -> None:
    h = cubic(M=m)
    for k, count in (((0, 0, 0), 0), ((0.5, 0, 0), 1), ((0.5, 0, 0.5), 2), ((0.5, 0.5, 0.5), 3)):
        assert gap_at(h, *k) == pytest.approx(2 * abs(m - 4 * count))


@pytest.mark.parametrize("bond", range(4))
@pytest.mark.parametrize("d", [0.4, -0.4])
def test_fu_kane_mele(bond: int, d: float) -> None:
    bonds = [1.0] * 4
    bonds[bond] += d
    # At the X points the phases of the bonds are two + and two -.
    assert gaps(fu_kane_mele(bonds=bonds), 2).direct.energy == pytest.approx(0.8, abs=1e-6)


def test_diamond_has_dirac_points_at_x() -> None:
    h = fu_kane_mele(bonds=(1, 1, 1, 1))
    for x in ((0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)):
        assert energies(h, np.array([x]))[0] == pytest.approx([0] * 4, abs=1e-12)
    assert gap_at(h, 0.5, 0.5, 0.5) > 1


def test_weyl_nodes() -> None:
    h = weyl()
    node = np.array([0, 0, 1 / 6])
    assert gap_at(h, *node) < 1e-12
    found = gaps(h, 1)
    assert found.direct.energy < 1e-5
    assert found.metal
    assert np.allclose(np.abs(found.direct.k_lower), node, atol=1e-4)
    # The velocity matrix at +node has determinant < 0: chirality -1 of the lower band there.
    step = 1e-5
    velocity = [
        [
            np.trace(sigma @ (hamiltonian(h, node + shift) - hamiltonian(h, node - shift))).real
            for shift in step * np.eye(3)
        ]
        for sigma in (
            np.array([[0, 1], [1, 0]]),
            np.array([[0, -1j], [1j, 0]]),
            np.diag([1, -1]),
        )
    ]
    assert np.linalg.det(velocity) < 0


def test_ssh() -> None:
    assert gaps(ssh(v=1.0, w=0.6), 1).direct.energy == pytest.approx(0.8)
    assert gaps(ssh(v=1.0, w=1.0), 1).direct.energy < 1e-9


@pytest.mark.parametrize(
    ("x", "wanted", "tolerance"),
    [(0, 0.284, 1e-3), (0.5, 0.200, 1e-3), (1, 0.0745, 1e-3), (1.2, 0.012, 5e-4), (2, 0.1, 1e-3)],
)
def test_bitei_with_the_older_set(x: float, wanted: float, tolerance: float) -> None:
    h = bitei_p22(x)
    found = gaps(h, 12)
    assert found.direct.energy == pytest.approx(wanted, abs=tolerance)
    assert abs(abs(found.direct.k_lower[2]) - 0.5) < 0.02
    assert np.abs(found.direct.k_lower[:2]).max() < 0.04
    if x == 0:
        for k, gap in (
            ((0, 0, 0), 1.07),
            ((0.5, 0, 0), 2.06),
            ((0.5, 0, 0.5), 2.62),
            ((1 / 3, 1 / 3, 0), 3.95),
            ((1 / 3, 1 / 3, 0.5), 3.12),
        ):
            assert gap_at(h, *k) == pytest.approx(gap, abs=6e-3)


def test_kramers_pairs_of_the_models_with_time_reversal() -> None:
    trim = np.array(np.meshgrid([0, 0.5], [0, 0.5], [0, 0.5])).reshape(3, -1).T
    for h in (bitei(), bitei_p22(), fu_kane_mele(), kane_mele(rashba=0.05), bhz(), cubic()):
        assert h.assumptions.spin_order == "blocks"
        p, s = partner(h.n_orbitals, "blocks")
        m = hamiltonian(h, trim)
        image = m.conj()[:, p][:, :, p] * (s[:, None] * s[None, :])
        assert np.abs(m - image).max() < 1e-12
        e = energies(h, trim)
        assert np.abs(e[:, ::2] - e[:, 1::2]).max() < 1e-10


# --------------------------------------------------------------- real files


@pytest.mark.data
def test_tungsten_diselenide_on_the_mesh_of_the_reference(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "WSe2_1Tp" / "wannier90_hr.dat.gz")
    assert guess_occupation(h)[0] == 28
    found = gaps(h, 28, mesh=(30, 30, 1), refine=False)
    assert found.direct.energy == pytest.approx(0.249, abs=1e-3)
    assert found.indirect.energy == pytest.approx(0.160, abs=1e-3)
    better = gaps(h, 28)
    assert better.direct.energy < found.direct.energy
    assert better.kind == "indirect"
    assert gaps(h, 36).metal


@pytest.mark.data
def test_bismuth_selenide(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    occupied, reason = guess_occupation(h)
    assert occupied == 18
    assert "assumed" in reason
    found = gaps(h, 18)
    rough = gaps(h, 18, mesh=(24, 24, 24), refine=False)
    assert found.direct.energy <= rough.direct.energy + 1e-6
    assert found.indirect.energy <= rough.indirect.energy + 1e-6
    assert found.indirect.energy == pytest.approx(0.308, abs=2e-3)
    assert np.allclose(found.indirect.k_upper, 0, atol=1e-3)


@pytest.mark.data
def test_zirconium_telluride_touches(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "ZrTe" / "wannier90_hr.dat.gz")
    found = gaps(h, 8)
    assert found.metal
    assert found.direct.energy < 1e-5


# ----------------------------------------------------------- whole overview


def test_overview_filling_and_cut() -> None:
    h = bitei_p22()
    view = overview(h)
    assert isinstance(view, Overview)
    assert (view.occupied, view.reason) == (12, "occupation stated by the input")
    filling = fill(h, view, 12)
    assert filling.on_path
    assert filling.near[0] == "near A"
    assert filling.gaps.fermi == pytest.approx(
        (filling.gaps.indirect.lower + filling.gaps.indirect.upper) / 2
    )
    assert 0.28 < filling.gaps.indirect.energy <= filling.gaps.direct.energy
    place = view.bands.path.distance[filling.rows[0]]
    assert place == pytest.approx({t: x for x, t in view.bands.path.ticks}["A"], abs=0.05)
    piece = cut(h, Slice(offset=0.5, band=12), view)
    assert {label for label, _ in piece.points} == {"A", "L", "H"}
    assert piece.contours
    low, high = view.bands.window(12, 1.0)
    assert low < filling.gaps.fermi < high
    with pytest.raises(PhysicsError, match="leave no gap"):
        fill(h, view, 18)


def test_a_metal_has_the_level_that_fills_it() -> None:
    h = fu_kane_mele()
    found = gaps(h, 1)
    assert found.metal
    assert found.kind == "none"
    table = energies(h, np.random.default_rng(0).uniform(size=(4000, 3)))
    assert (table < found.fermi).mean() == pytest.approx(0.25, abs=0.01)


def test_k_is_written_as_people_do() -> None:
    assert k_text(np.array([0.0042, -0.5, 1 / 3])) == "(0.0042, −½, ⅓)"


def test_the_examples_are_what_the_writers_write(tmp_path: Path) -> None:
    written = write_examples(tmp_path)
    assert len(written) == len(EXAMPLES)
    shipped = examples() / "hoppings"
    for path, example in zip(written, EXAMPLES, strict=True):
        for made in path.parent.iterdir():
            assert made.read_bytes() == (shipped / example.folder / made.name).read_bytes()
        h = read_hoppings(shipped / example.folder / example.file)
        wanted = model(example.folder)
        assert np.abs(h.matrices - wanted.matrices).max() < 1e-11
        assert h.lattice is not None
        assert wanted.lattice is not None
        assert np.allclose(h.lattice, wanted.lattice)
        assert guess_occupation(h)[0] == wanted.occupied
    size = sum(p.stat().st_size for p in shipped.rglob("*") if p.is_file())
    assert size < 3_000_000
