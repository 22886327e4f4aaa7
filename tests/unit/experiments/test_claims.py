"""Verdicts on what a paper says in words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crystalgui.core.experiments.claims import (
    blocked_difference,
    flat,
    larger,
    least_difference,
    verdict,
    weakest,
)


def test_least_difference_is_that_of_the_t_test() -> None:
    from scipy.stats import ttest_ind

    draw = np.random.default_rng(0)
    first, second = draw.normal(0, 1, 6), draw.normal(0, 1, 6)
    noise = least_difference([first, second])
    # moved apart by exactly the least difference, the two-sided p is 5 %
    second = second - second.mean() + first.mean() + noise
    assert ttest_ind(first, second).pvalue == pytest.approx(0.05, abs=1e-9)


def test_what_repeats_have_in_common_is_no_noise() -> None:
    from scipy.stats import ttest_rel

    draw = np.random.default_rng(2)
    pair = draw.normal(0, 1, (2, 6))
    noise = blocked_difference(pair)
    pair[1] += pair[0].mean() - pair[1].mean() + noise
    assert ttest_rel(pair[0], pair[1]).pvalue == pytest.approx(0.05, abs=1e-9)
    assert blocked_difference(pair + draw.normal(0, 50, 6)) == pytest.approx(noise)
    pair[0, 0] = np.nan
    assert blocked_difference(pair) == pytest.approx(blocked_difference(pair[:, 1:]))
    assert blocked_difference(pair[:, :2]) == math.inf


def test_among_many_equals_the_extremes_are_called_different_once_in_twenty() -> None:
    draw = np.random.default_rng(3)
    groups = draw.normal(0, 3, (1000, 6, 3))
    apart = np.ptp(groups.mean(axis=2), axis=1)
    wrong = [a > least_difference(list(g), among=6) for a, g in zip(apart, groups, strict=True)]
    assert 0.03 < np.mean(wrong) < 0.07


def test_one_in_twenty_pairs_of_equals_is_called_different() -> None:
    draw = np.random.default_rng(1)
    wrong = 0
    for _ in range(2000):
        groups = draw.normal(0, 3, (4, 3))
        noise = least_difference(list(groups))
        wrong += verdict(float(groups[0].mean() - groups[1].mean()), noise) != "within noise"
    assert 0.035 < wrong / 2000 < 0.065


def test_nothing_repeated_is_all_noise() -> None:
    assert least_difference([np.array([1.0]), np.array([5.0])]) == math.inf
    claim = larger("a beats b", np.array([5.0]), {"b": np.array([1.0])}, math.inf)
    assert claim.verdict == "within noise"


def test_verdicts() -> None:
    a, b, c = np.array([5.0, 5.2]), np.array([4.9, 5.1]), np.array([1.0, 1.2])
    assert larger("", a, {"c": c}, 0.5).verdict == "held"
    assert larger("", c, {"a": a}, 0.5).verdict == "did not hold"
    both = larger("", a, {"b": b, "c": c}, 0.5)
    assert both.verdict == "within noise"
    assert both.numbers == "+0.10 % over b, +4.00 % over c; noise 0.5 %"
    assert "\N{MINUS SIGN}4.00" in larger("", c, {"a": a}, 0.5).numbers
    assert flat("", np.array([3.0, 3.1, 3.2]), 0.25).verdict == "held"
    assert flat("", np.array([3.0, 3.1, 3.4]), 0.25).verdict == "did not hold"
    assert weakest(["held", "within noise", "did not hold"]) == "did not hold"
    assert weakest(["held", "within noise"]) == "within noise"
    assert weakest(["held", "held"]) == "held"
