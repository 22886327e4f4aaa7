"""Labels that are certain, and honest words where they are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics import z2, zoo
from crystalgui.core.physics.certificate import Certificate, certificate_json
from crystalgui.core.physics.classify import classify
from crystalgui.core.physics.perturb import add, interpolate, noise
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.reader import read_hoppings


def of(h: Hoppings, **options: object) -> Certificate:
    assert h.occupied is not None
    return classify(h, h.occupied, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("h", "label", "z2"),
    [
        (zoo.kane_mele(staggered=0.1, rashba=0.05), "topological insulator", (1,)),
        (zoo.kane_mele(staggered=0.4, rashba=0.05), "trivial insulator", (0,)),
        (zoo.kane_mele(staggered=0.311), "topological insulator", (1,)),
        (zoo.kane_mele(staggered=0.313), "trivial insulator", (0,)),
        (zoo.bhz(M=2.0), "topological insulator", (1,)),
        (zoo.bhz(M=-1.0), "trivial insulator", (0,)),
        (zoo.cubic(M=2.0), "topological insulator", (1, 0, 0, 0)),
        (zoo.cubic(M=6.0), "trivial insulator", (0, 1, 1, 1)),
        (zoo.cubic(M=10.0), "topological insulator", (1, 1, 1, 1)),
        (zoo.cubic(M=-2.0), "trivial insulator", (0, 0, 0, 0)),
        (zoo.fu_kane_mele(bonds=(1.4, 1, 1, 1)), "topological insulator", (1, 1, 1, 1)),
        (zoo.fu_kane_mele(bonds=(1, 0.6, 1, 1)), "trivial insulator", (0, 1, 0, 0)),
    ],
)
def test_time_reversal_invariant_phases(h: Hoppings, label: str, z2: tuple[int, ...]) -> None:
    found = of(h)
    assert (found.label, found.status, found.indices.z2) == (label, "converged", z2)
    assert all(check.passed is not False for check in found.checks)


@pytest.mark.parametrize(("mass", "chern"), [(0.0, -1), (5.0, -1), (5.3, 0)])
def test_haldane(mass: float, chern: int) -> None:
    found = of(zoo.haldane(mass=mass * 0.1))
    assert found.indices.chern == (chern,)
    assert found.label == ("topological insulator" if chern else "trivial insulator")
    assert found.status == "converged"


def test_gapless_kane_mele_is_undefined() -> None:
    found = of(zoo.kane_mele(staggered=0.0, rashba=0.3))
    assert (found.label, found.status) == ("undefined", "undefined")
    assert found.indices.z2 is None


def test_chains() -> None:
    assert of(zoo.build("ssh", v=0.5, w=1.0)).indices.winding == 1
    assert of(zoo.build("ssh", v=1.0, w=0.5)).label == "trivial insulator"


def test_weyl_semimetal_without_time_reversal() -> None:
    found = of(zoo.weyl())
    assert (found.label, found.status) == ("Weyl semimetal", "converged")
    nodes = sorted(found.nodes, key=lambda node: node.k[2])
    np.testing.assert_allclose([n.k for n in nodes], [[0, 0, -1 / 6], [0, 0, 1 / 6]], atol=1e-6)
    assert [n.chirality for n in nodes] == [1, -1]
    assert any("slices agree" in check.name and check.passed for check in found.checks)


@pytest.mark.parametrize("staggered", [0.0, 0.1, 0.2, 0.3])
def test_murakami_and_kuga(staggered: float) -> None:
    """Insulator, Weyl semimetal, topological insulator; broadened without inversion."""

    def label(d: float) -> tuple[str, tuple[int, ...] | None]:
        h = zoo.fu_kane_mele(bonds=(1 + d, 0.8, 1, 1), staggered=staggered)
        found = of(h)
        assert found.status == "converged", (d, found.remark)
        return found.label, found.indices.z2

    assert label(0.05) == ("trivial insulator", (0, 1, 0, 0))
    assert label(0.4) == ("topological insulator", (1, 1, 1, 1))
    middle = label(0.2)[0]
    assert middle == ("Dirac semimetal" if staggered == 0 else "Weyl semimetal")
    edges = {0.1: (0.19, 0.21), 0.2: (0.17, 0.22), 0.3: (0.15, 0.25)}
    for d in edges.get(staggered, (0.19, 0.21)):
        assert label(d)[0] != "Weyl semimetal"


@pytest.mark.parametrize("alpha", [0.45, 0.505, 0.51, 0.55])
def test_past_the_closing_of_bitei(alpha: float) -> None:
    """A fixed mesh of 31 x 60 says trivial up to 0.55."""
    h = interpolate(zoo.bitei_p22(0.0), zoo.bitei_p22(2.0), alpha)
    found = classify(h, 12)
    assert found.status == "converged"
    assert found.indices.z2 == ((0, 0, 0, 0) if alpha < 0.4983 else (1, 0, 0, 1))


def test_what_the_certificate_says_as_json() -> None:
    facts = certificate_json(of(zoo.weyl()))
    again = json.loads(json.dumps(facts, allow_nan=False))
    assert set(again) >= {"label", "status", "indices", "gap", "nodes", "checks", "assumptions"}
    assert set(again["indices"]) >= {"z2", "z4", "chern", "mirror_chern"}
    assert set(again["gap"]) >= {"direct_ev", "indirect_ev", "k_direct", "k_valence"}
    assert set(again["nodes"][0]) >= {"k", "energy_ev", "chirality", "kind"}
    assert set(again["checks"][0]) >= {"name", "passed", "value"}


def test_impossible_requests() -> None:
    with pytest.raises(PhysicsError, match="occupied"):
        classify(zoo.cubic(), 4)
    with pytest.raises(PhysicsError, match="dimensions"):
        classify(zoo.cubic(), 2, dimension=2)


@pytest.mark.parametrize(
    ("h", "occupied"),
    [
        (zoo.cubic(), 1),
        (zoo.cubic(), 3),
        (zoo.fu_kane_mele(), 1),
        (zoo.fu_kane_mele(staggered=0.3), 3),
        (zoo.bitei_p22(0.0), 11),
        (zoo.bitei_p22(0.0), 13),
        (zoo.fu_kane_mele(bonds=(1.4, 1, 1, 1), spin_orbit=0.0), 2),
    ],
)
def test_split_kramers_pairs_and_lines_are_metals(h: Hoppings, occupied: int) -> None:
    found = classify(h, occupied)
    assert (found.label, found.status) == ("metal", "converged")
    assert all(node.kind == "crossing" for node in found.nodes if not node.chirality)


def test_identical_bands() -> None:
    """The gap is zero at every k."""
    cells = np.array([[0, 0, 0], *np.eye(3, dtype=int), *-np.eye(3, dtype=int)])
    matrices = np.array([np.zeros((2, 2)), *[0.5 * np.eye(2)] * 6], dtype=complex)
    h = Hoppings(cells=cells, matrices=matrices, lattice=np.eye(3) * 3)
    assert classify(h, 1).label == "metal"


@pytest.mark.data
def test_what_was_found_is_said_beside_what_is_not_resolved(shared_data: Path) -> None:
    """Gaps between 1e-7 and 1e-4 eV beside the Weyl points of ZrTe: no finer search mends that."""
    h = read_hoppings(shared_data / "hoppings" / "ZrTe" / "wannier90_hr.dat.gz")
    found = classify(h, 8)
    assert (found.label, found.status) == ("unresolved", "unresolved")
    assert "Weyl nodes found; " in found.remark
    assert "a gap below 0.0001 eV" in found.remark


@pytest.mark.parametrize("alpha", [0.498, 0.499])
def test_planes_that_converged_are_kept(alpha: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap below 0.4 meV needs finer controls, but on the planes that it lies on only."""
    done = []

    def counted(*arguments: Any, **options: Any) -> z2.PlaneZ2:
        plane = one_plane(*arguments, **options)
        done.append((arguments[2].name, plane.status))
        return plane

    one_plane = z2.z2_plane
    monkeypatch.setattr(z2, "z2_plane", counted)
    h = interpolate(zoo.bitei_p22(0.0), zoo.bitei_p22(2.0), alpha)
    found = classify(h, 12)
    assert found.status == "converged"
    assert found.indices.z2 == ((0, 0, 0, 0) if alpha < 0.4983 else (1, 0, 0, 1))
    first = {name for name, status in done[:6] if status == "converged"}
    assert first
    assert not first & {name for name, _ in done[6:]}


def test_broken_time_reversal_is_not_restored_unasked() -> None:
    h = zoo.kane_mele(staggered=0.1)
    field = np.kron(np.diag([1.0, -1.0]), np.eye(2)) * 0.05
    matrices = h.matrices + field * (h.cells == 0).all(axis=1)[:, None, None]
    broken = Hoppings(
        cells=h.cells, matrices=matrices, lattice=h.lattice, centres=h.centres, occupied=2
    )
    found = of(broken)
    assert found.indices.z2 is None
    assert found.indices.chern == (0,)


@pytest.mark.data
def test_bismuth_selenide(shared_data: Path) -> None:
    h = read_hoppings(shared_data / "hoppings" / "Bi2Se3" / "wannier90_hr.dat.gz")
    found = classify(h, 18)
    assert (found.label, found.status) == ("topological insulator", "converged")
    assert found.indices.z2 == (1, 0, 0, 0)
    assert found.indices.z4 == 3


@pytest.mark.parametrize("seed", [1, 2])
def test_noise_keeps_the_phase_of_an_open_gap(seed: int) -> None:
    h = zoo.fu_kane_mele()
    shaken = add(h, noise(h, 0.05, seed).hoppings)
    assert classify(shaken, 2).indices.z2 == (1, 1, 1, 1)
