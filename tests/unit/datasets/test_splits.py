"""Splits: no formula on both sides, balanced classes, exact fractions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystalgui.core.datasets.splits import leakage, split
from crystalgui.core.errors import DataError
from crystalgui.core.messages import SplitSpec


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
