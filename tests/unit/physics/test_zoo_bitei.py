"""The BiTeI fit has everything that was asked of it, and can be repeated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.errors import FileError
from crystalgui.core.physics.bloch import energies, hamiltonian
from crystalgui.core.physics.gaps import gaps
from crystalgui.core.physics.symmetries import spectral_group
from crystalgui.core.physics.weyl import find_nodes
from crystalgui.core.physics.z2 import z2
from crystalgui.core.physics.zoo import bitei, bitei_p22
from crystalgui.core.physics.zoo.bitei import FIT, P22, bitei_with, structure
from crystalgui.core.physics.zoo.bitei_facts import gap_in_mirror, gap_on_line, weyl_window
from crystalgui.core.physics.zoo.bitei_fit import (
    PRESSURES,
    Sampler,
    Search,
    cost,
    decode,
    encode,
    evolve,
    levels_at_a,
)
from crystalgui.core.physics.zoo.bitei_recipe import parameters_of, plain, read_recipe, search
from crystalgui.core.resources import recipes

RECIPE = read_recipe(recipes() / "bitei-fit.json")


def test_the_recipe_is_the_model() -> None:
    assert parameters_of(RECIPE["parameters"]) == FIT
    assert parameters_of(plain(P22)) == P22


def test_everything_at_ambient_pressure_at_once() -> None:
    h = bitei()
    found = gaps(h, 12)
    assert 0.25 < found.direct.energy < 0.40
    assert 0.25 < found.indirect.energy < 0.40
    assert found.direct.energy == pytest.approx(RECIPE["results"]["direct_gap"], abs=1e-4)
    # The edges are near A, not at A.
    lattice, _ = structure(0.0)
    k = np.asarray(found.direct.k_lower)
    away = np.linalg.norm((np.abs(k[2]) - 0.5, *(k[:2] @ lattice[:2, :2])))
    assert away > 0
    assert abs(abs(k[2]) - 0.5) < 0.02
    seen = Search().near_a(FIT)
    assert 0.050 < seen.rashba_energy < 0.150
    assert seen.rashba_energy == pytest.approx(RECIPE["results"]["rashba_energy"], abs=2e-3)
    assert 0.04 < seen.rashba_k < 0.065
    # Negative crystal field: both edges have J_z = +-1/2.
    assert seen.crystal_field > 0.05
    assert seen.conduction_field > 0.05
    assert seen.far_gap > 0.4


def test_levels_at_a_are_all_levels() -> None:
    for make in (bitei, bitei_p22):
        m = hamiltonian(make(), np.array([0, 0, 0.5]))
        half, three_halves = levels_at_a(m)
        every = np.sort(np.repeat(np.concatenate([half, three_halves]), 2))
        assert every == pytest.approx(np.linalg.eigvalsh(m), abs=1e-10)


def test_trivial_then_weyl_then_topological() -> None:
    opening, closing = RECIPE["results"]["opening"], RECIPE["results"]["closing"]
    assert 0.5 < opening < closing < 1.8
    assert z2(bitei(0.0), 12).indices == (0, 0, 0, 0)
    assert z2(bitei(opening - 0.05), 12).indices == (0, 0, 0, 0)
    assert z2(bitei(closing + 0.05), 12).indices == (1, 0, 0, 1)
    assert z2(bitei(2.0), 12).indices == (1, 0, 0, 1)
    h = bitei((opening + closing) / 2)
    nodes = find_nodes(h, 12, group=spectral_group(h), time_reversal=True, finer=True).nodes
    assert len(nodes) == 12
    assert sorted(n.chirality or 0 for n in nodes) == [-1] * 6 + [1] * 6


def test_the_edges_of_the_window() -> None:
    opening, closing = weyl_window(FIT)
    assert opening == pytest.approx(RECIPE["results"]["opening"], abs=1e-4)
    assert closing == pytest.approx(RECIPE["results"]["closing"], abs=1e-4)
    # Before it opens the gap on A-H is still open; inside the window the whole line is.
    distances = np.arange(1, 60) * 0.002
    inside = (opening + closing) / 2
    assert min(gap_on_line(FIT, opening - 0.05, d) for d in distances) > 5e-3
    assert min(gap_on_line(FIT, inside, d) for d in distances) > 1e-5
    assert min(gap_in_mirror(FIT, inside, d, 0.0) for d in distances) > 1e-5


@pytest.mark.parametrize("x", [0.0, 1.3])
def test_the_search_sees_the_model(x: float) -> None:
    k = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 3))
    assert Sampler(x, k).energies(FIT) == pytest.approx(energies(bitei_with(FIT, x), k), abs=1e-10)


def test_free_numbers_and_sets() -> None:
    again = decode(encode(FIT))
    assert plain(again) == plain(FIT)
    assert cost(Search().near_a(FIT)) < 0.3 * cost(Search().near_a(P22))
    assert PRESSURES[0] == 0
    assert PRESSURES[-1] == 2


def test_the_strategy_finds_a_minimum() -> None:
    target = np.array([1.0, -2.0, 0.5, 0.3])
    scale = np.array([1.0, 30.0, 5.0, 0.2])

    def bowl(x: np.ndarray) -> float:
        return float((scale * np.square(x - target)).sum())

    *_, (_, best, place) = evolve(bowl, 4, seed=3, generations=120)
    assert best < 1e-8
    assert place == pytest.approx(target, abs=1e-3)
    *_, (_, other, _) = evolve(bowl, 4, seed=3, generations=120)
    assert other == best


def test_a_short_search_from_the_recipe_improves() -> None:
    found = search(RECIPE, generations=3)
    seeker = Search()
    assert cost(seeker.near_a(found)) < cost(seeker.near_a(parameters_of(RECIPE["start"])))
    assert found == search(RECIPE, generations=3)


def test_what_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    for text in ("", "[]", json.dumps({"search": {}})):
        path.write_text(text)
        with pytest.raises(FileError, match="no recipe"):
            read_recipe(path)
    with pytest.raises(FileError, match="no recipe"):
        read_recipe(tmp_path / "missing.json")
