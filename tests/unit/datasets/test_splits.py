"""Splits: no formula on both sides, balanced classes, exact fractions; prototypes."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystalgui.core.datasets.prototypes import commonest, contained, prototypes
from crystalgui.core.datasets.records import Record, Records, describe
from crystalgui.core.datasets.splits import (
    familiar,
    leakage,
    said,
    split,
    split_crystals,
    way_for,
)
from crystalgui.core.errors import DataError
from crystalgui.core.messages import SplitSpec
from crystalgui.core.structures.cells import supercell
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import SYMBOLS
from tests.models.samples import CUBIC, FCC, crystals, table


@given(st.lists(st.integers(0, 40), min_size=60, max_size=300), st.integers(0, 5))
def test_no_formula_is_on_both_sides(keys: list[int], seed: int) -> None:
    spec = SplitSpec(validation=0.2, test=0.2, seed=seed)
    try:
        parts = split(spec, keys)
    except DataError:
        assert len(set(keys)) < 6
        return
    assert leakage(parts, keys) == 0
    rows = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(rows.tolist()) == list(range(len(keys)))


def test_a_random_split_leaks_and_says_so() -> None:
    keys = [i % 10 for i in range(200)]
    parts = split(SplitSpec(kind="random"), keys)
    assert leakage(parts, keys) == 10
    assert parts.sizes == (160, 20, 20)


def test_classes_are_balanced() -> None:
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 1500, 2000).tolist()
    classes = rng.choice(3, 2000, p=[0.8, 0.15, 0.05])
    parts = split(SplitSpec(seed=1), keys, classes)
    for rows in (parts.train, parts.validation, parts.test):
        share = np.bincount(classes[rows], minlength=3) / len(rows)
        np.testing.assert_allclose(share, [0.8, 0.15, 0.05], atol=0.03)
    assert abs(parts.sizes[2] - 200) < 8


def test_the_same_seed_gives_the_same_split_in_any_order_of_import() -> None:
    keys = [f"k{i}" for i in range(300)]
    first = split(SplitSpec(seed=3), keys)
    second = split(SplitSpec(seed=3), keys)
    np.testing.assert_array_equal(first.test, second.test)
    other = split(SplitSpec(seed=4), keys)
    assert not np.array_equal(first.test, other.test)


@pytest.mark.parametrize("fractions", [(0.0, 0.1), (0.5, 0.5), (0.1, -1.0), (float("nan"), 0.1)])
def test_impossible_fractions(fractions: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="impossible"):
        split(SplitSpec(validation=fractions[0], test=fractions[1]), list(range(100)))


def test_too_few_formulas() -> None:
    with pytest.raises(DataError, match="cannot be divided"):
        split(SplitSpec(), ["NaCl"] * 50)


def test_folds_share_their_test_rows_and_cover_the_rest() -> None:
    keys = [i // 2 for i in range(1000)]
    parts = [split(SplitSpec(seed=2, fold=f), keys) for f in range(9)]
    for part in parts:
        np.testing.assert_array_equal(part.test, parts[0].test)
        assert leakage(part, keys) == 0
    validated = np.concatenate([p.validation for p in parts])
    rest = np.setdiff1d(np.arange(1000), parts[0].test)
    np.testing.assert_array_equal(np.sort(validated), rest)


ROCK_SALTS = "AB_225_1:m-3m_1:m-3m"


@pytest.fixture(scope="module")
def many() -> Records:
    """Crystals of five kinds, some formulas in several of them."""
    return table(150)


class TestPrototypes:
    def test_names(self) -> None:
        five = prototypes(table(5))
        assert five[:4] == [
            ROCK_SALTS, "AB_216_1:-43m_1:-43m", "AB_221_1:m-3m_1:m-3m",
            "ABC3_221_1:m-3m_1:m-3m_3:4/mmm",
        ]  # fmt: skip
        assert five[4].split("_")[1] in ("1", "2")

    @given(
        st.integers(0, 9),
        st.tuples(*[st.floats(0, 1, exclude_max=True)] * 3),
        st.permutations(range(3)),
        st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 2, 2), (3, 1, 1)]),
        st.randoms(use_true_random=False),
        st.tuples(*[st.integers(3, 80)] * 3).filter(lambda z: len(set(z)) == 3),
    )
    @settings(max_examples=30)
    def test_shifts_axes_order_cells_and_elements_do_not_change_them(
        self, kind: int, shift: tuple[float, ...], axes: list[int],
        cells: tuple[int, int, int], random: Random, elements: tuple[int, int, int],
    ) -> None:  # fmt: skip
        made = crystals(10)[kind]
        name = prototypes(Records.stack(["x"], [describe(made)]))[0]
        other = supercell(made, cells)
        order = list(range(other.n_atoms))
        random.shuffle(order)
        new = dict(zip(sorted(set(made.species.tolist())), elements, strict=False))
        changed = Crystal(
            lattice=other.lattice[axes],
            frac=((other.frac + shift) % 1)[order][:, axes],
            species=np.array([new[z] for z in other.species.tolist()])[order],
            title="",
        )
        assert prototypes(Records.stack(["x"], [describe(changed)])) == [name]

    def test_they_change_with_stoichiometry_sites_and_symmetry(self) -> None:
        salt, blende, caesium, perovskite = crystals(4)
        anti = replace(perovskite, species=perovskite.species[[0, 0, 2, 3, 4]])
        stretched = replace(salt, lattice=salt.lattice * np.array([1, 1, 1.1]))
        made = [salt, blende, caesium, perovskite, anti, stretched]
        names = prototypes(Records.stack(list("abcdef"), [describe(one) for one in made]))
        assert len(set(names)) == len(made)

    def test_what_is_commonest(self, many: Records) -> None:
        names = prototypes(many)
        first = commonest(names, 2)
        assert names.count(first[0]) >= names.count(first[1]) >= 1
        assert commonest(["b", "a", "b", "c"]) == ("b", "a", "c")
        symbols = contained(table(1))
        assert sorted(symbols) == sorted(SYMBOLS[z] for z in set(table(1).species.tolist()))


class TestLeavingOut:
    def test_an_element(self, many: Records) -> None:
        name = commonest(contained(many))[0]
        parts = split_crystals(SplitSpec(kind="element", left_out=name), many)
        holds = {i for i in range(len(many)) if SYMBOLS.index(name) in many.crystal(i).species}
        assert set(parts.test.tolist()) == holds
        assert sum(parts.sizes) == len(many)  # no crystal without it has a formula with it
        assert leakage(parts, many.keys()) == 0
        assert abs(parts.sizes[1] - 0.1 * (len(many) - len(holds))) < 3

    def test_a_prototype_and_the_polymorphs_of_its_formulas(self) -> None:
        names = prototypes(POLYMORPHS)
        spec = SplitSpec(kind="prototype", left_out=ROCK_SALTS, validation=0.2)
        parts = split_crystals(spec, POLYMORPHS)
        assert parts.test.tolist() == [i for i, name in enumerate(names) if name == ROCK_SALTS]
        assert familiar(parts, names) == 0
        assert leakage(parts, POLYMORPHS.keys()) == 0
        used = {*parts.train.tolist(), *parts.validation.tolist()}
        assert used == set(range(20, 60))  # 10 to 19 have the formulas of 0 to 9

    @given(st.integers(0, 50))
    @settings(max_examples=10)
    def test_every_prototype_on_one_side(self, seed: int) -> None:
        spec = SplitSpec(kind="prototype", seed=seed, validation=0.2, test=0.2)
        parts = split_crystals(spec, GROUPED)
        names = prototypes(GROUPED)
        assert leakage(parts, names) == 0
        assert leakage(parts, GROUPED.keys()) == 0
        assert familiar(parts, names) == 0
        everything = np.concatenate([parts.train, parts.validation, parts.test])
        assert len(set(everything.tolist())) == len(everything)

    def test_by_composition_most_prototypes_are_known_and_that_is_told(self, many: Records) -> None:
        parts = split_crystals(SplitSpec(), many)
        assert 0.5 < familiar(parts, prototypes(many)) <= 1

    @pytest.mark.parametrize(
        ("spec", "why", "hint"),
        [
            (SplitSpec(kind="element"), "not named", "Elements of this data set: "),
            (SplitSpec(kind="element", left_out="Og"), "No crystal holds 'Og'", "Elements"),
            (SplitSpec(kind="prototype", left_out="AB"), "No crystal is of the prototype", "AB_"),
            (SplitSpec(kind="prototype", validation=0.6, test=0.5), "impossible", "positive"),
            (SplitSpec(kind="prototype", left_out=ROCK_SALTS, validation=0), "impossible", "0.1"),
        ],
    )
    def test_what_is_not_there_cannot_be_left_out(
        self, many: Records, spec: SplitSpec, why: str, hint: str
    ) -> None:
        with pytest.raises(DataError, match=why) as caught:
            split_crystals(spec, many)
        assert hint in caught.value.hint

    def test_nothing_left_to_train_on(self) -> None:
        salts = POLYMORPHS.select(np.arange(10))
        with pytest.raises(DataError, match="0 to train"):
            split_crystals(SplitSpec(kind="prototype", left_out=ROCK_SALTS), salts)


def test_how_it_was_divided_is_said() -> None:
    assert said(SplitSpec()) == "composition"
    assert "only to compare with published numbers" in said(SplitSpec(kind="random"))
    assert said(SplitSpec(kind="random"), "images") == "random"
    assert said(SplitSpec(kind="element", left_out="Fe")) == "element Fe left out"
    assert [way_for("crystals", name) for name in ("", "Fe", ROCK_SALTS)] == [
        "composition", "element", "prototype",
    ]  # fmt: skip
    assert [way_for("zones", name) for name in ("", "bhz")] == ["given", "family"]


def _two(kind: int, a: int, b: int) -> Record:
    """A rock salt, zinc blende or caesium chloride of two elements."""
    lattice, place = ((FCC, 0.5), (FCC, 0.25), (0.7 * CUBIC, 0.5))[kind]
    frac = np.array([[0, 0, 0], [place] * 3])
    return describe(Crystal(lattice=5 * lattice, frac=frac, species=np.array([a, b]), title=""))


POLYMORPHS = Records.stack(
    [str(i) for i in range(60)],
    [_two(0, 3, 50 + i) for i in range(10)]
    + [_two(1, 3, 50 + i) for i in range(10)]
    + [_two(1 + i % 2, 4, 30 + i) for i in range(40)],
)
"""Ten salts, ten blendes of the same formulas, and others."""


def _grouped() -> Records:
    """Sixty tetragonal crystals of twelve prototypes."""
    made = []
    for i in range(60):
        sizes = (i % 12) + 1
        heights = np.linspace(0, 1, sizes + 1)[:-1]
        frac = np.array([[0, 0, z] for z in heights] + [[0.5, 0.5, 0.17]])
        species = np.array([5] * sizes + [20 + i])
        made.append(describe(Crystal(lattice=np.diag([4, 4, 5.0 * sizes]), frac=frac,
                                     species=species, title="")))  # fmt: skip
    return Records.stack([str(i) for i in range(60)], made)


GROUPED = _grouped()
