"""Families of random Hamiltonians, and phases that do not depend on the names of axes."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.datasets.hamiltonians import families
from crystalgui.core.datasets.hamiltonians.families import FAMILIES, draw
from crystalgui.core.datasets.hamiltonians.lattices import (
    anisotropic_cubic,
    chern_square,
    dimers,
    random_crystal,
    shockley,
    turned,
)
from crystalgui.core.errors import DataError
from crystalgui.core.physics import zoo
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.classify import classify
from crystalgui.core.physics.reversal import kramers_splitting, time_reversal
from crystalgui.core.physics.symmetries import dimension

SMALL = [name for name in FAMILIES if name not in ("bitei", "bi2se3")]
REVERSED = (
    "kane-mele", "bhz", "trivial-square", "random-layer", "cubic", "fu-kane-mele",
    "random-crystal", "bitei",
)  # fmt: skip
"""Families whose every draw keeps fermionic time reversal."""


@pytest.mark.parametrize("name", [*SMALL, "bitei"])
def test_a_draw_depends_on_its_number_alone(name: str) -> None:
    one, two, other = draw(name, 3, 4), draw(name, 3, 4), draw(name, 3, 5)
    assert np.array_equal(one.hoppings.matrices, two.hoppings.matrices)
    assert np.array_equal(one.hoppings.cells, two.hoppings.cells)
    assert one.settings == two.settings
    assert one.settings != other.settings
    for number in range(4):
        made = draw(name, 0, number)
        assert dimension(made.hoppings) == FAMILIES[name].dimension
        assert 0 < made.occupied < made.hoppings.n_orbitals


@pytest.mark.parametrize("name", REVERSED)
def test_kramers_pairs_at_trim(name: str) -> None:
    for number in range(6):
        made = draw(name, 1, number)
        assert kramers_splitting(made.hoppings) < 1e-12
        assert made.occupied % 2 == 0


@pytest.mark.parametrize("name", ["ssh", "haldane", "kane-mele", "cubic", "weyl"])
def test_families_have_several_phases(name: str) -> None:
    found = set()
    for number in range(12):
        made = draw(name, 2, number)
        found.add(classify(made.hoppings, made.occupied).label)
        if len(found) > 1:
            return
    pytest.fail(f"only {found}")


def test_unknown_and_missing_families(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no family"):
        draw("graphene", 0, 0)
    monkeypatch.setenv("CRYSTALGUI_DATA", str(tmp_path))
    assert "data folder" in FAMILIES["bi2se3"].missing()
    with pytest.raises(DataError, match="cannot be drawn"):
        draw("bi2se3", 0, 0)


@pytest.mark.data
def test_bismuth_selenide(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYSTALGUI_DATA", str(shared_data))
    families._bismuth_selenide.cache_clear()
    assert FAMILIES["bi2se3"].missing() == ""
    made = draw("bi2se3", 0, 0)
    assert made.occupied == 18
    assert made.hoppings.n_orbitals == 30


# ------------------------------------------------------------------ other names of the axes


def test_renamed_axes_keep_the_energies() -> None:
    h = zoo.fu_kane_mele(bonds=(1.2, 0.8, 1.1, 1.0), staggered=0.2)
    order, signs = (2, 0, 1), (1, -1, -1)
    k = np.random.default_rng(0).uniform(-0.5, 0.5, (9, 3))
    other = np.empty_like(k)
    for new, (old, sign) in enumerate(zip(order, signs, strict=True)):
        other[:, new] = sign * k[:, old]
    assert np.allclose(energies(h, k), energies(turned(h, order, signs), other))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_layers_in_any_plane(order: tuple[int, ...]) -> None:
    """Chern numbers and Z2 belong to the plane in which electrons move, whatever its name."""
    for h, index in ((zoo.haldane(mass=0.1), "chern"), (zoo.bhz(M=2.0), "z2")):
        found = classify(turned(h, order, (1, 1, 1)), int(h.occupied or 0))
        value = getattr(found.indices, index)
        assert value is not None
        assert abs(value[0]) == 1
        assert found.label == "topological insulator"


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (-1, -1, -1)])
def test_nodes_in_left_handed_cells(signs: tuple[int, ...]) -> None:
    """Charges go by space, Chern numbers of planes by the order of the axes."""
    found = classify(turned(zoo.weyl(), (0, 1, 2), signs), 1)
    assert found.label == "Weyl semimetal"
    assert sorted(node.chirality for node in found.nodes) == [-1, 1]


# ------------------------------------------------------------------ the models themselves


def test_generalised_models_contain_the_published_ones() -> None:
    k = np.random.default_rng(1).uniform(-0.5, 0.5, (7, 3))
    pairs = (
        (dimers(v=1.0, w=0.6), zoo.ssh(v=1.0, w=0.6)),
        (anisotropic_cubic(mass=2.0, a=(1, 1, 1), b=(1, 1, 1)), zoo.cubic(M=2.0)),
    )
    for one, other in pairs:
        assert np.allclose(energies(one, k), energies(other, k))


@pytest.mark.parametrize(("mass", "winding"), [(0.5, 1), (3.0, 0), (-3.0, 0), (-0.5, 1)])
def test_shockley(mass: float, winding: int) -> None:
    found = classify(shockley(mass=mass, t=1.0, coupling=0.5), 1)
    assert found.indices.winding == winding


@pytest.mark.parametrize(("mass", "chern"), [(1.0, 1), (-1.0, 1), (3.0, 0), (0.2, 0)])
def test_chern_square(mass: float, chern: int) -> None:
    found = classify(chern_square(mass=mass, bx=1.2, by=0.6, ax=1.0, ay=0.7), 1)
    assert found.indices.chern is not None
    assert abs(found.indices.chern[0]) == chern


@pytest.mark.parametrize("inversion", [True, False])
def test_random_crystals_keep_what_they_promise(inversion: bool) -> None:
    h = random_crystal(dimension=3, seed=5, orbitals=3, splitting=0.5, inversion=inversion)
    assert time_reversal(h).square == -1
    assert kramers_splitting(h) < 1e-12
    k = np.array([[0.13, 0.27, 0.38], [0.41, 0.05, 0.22]])
    levels = energies(h, k)
    split = (levels[:, 1::2] - levels[:, ::2]).max()
    assert (split < 1e-9) == inversion
