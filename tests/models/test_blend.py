"""Ensembles: votes, products of experts, and what fitting them finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystalgui.core.models.blend import Blend, Floats, blended, fit

CLASSES = 3


def probabilities(rng: np.random.Generator, m: int, k: int = CLASSES) -> Floats:
    return rng.dirichlet(np.ones(k), m)


@given(seed=st.integers(0, 1000), parts=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_answers_are_probabilities(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    said = [probabilities(rng, 7) for _ in range(parts)]
    weights = tuple(rng.dirichlet(np.ones(parts)).tolist())
    for blend in (
        Blend(kind="vote", weights=weights, temperature=0.7),
        Blend(kind="stack", weights=weights, bias=(0.1, -0.2, 0.3)),
    ):
        p = blended(said, blend, "classification")
        assert (p >= 0).all()
        np.testing.assert_allclose(p.sum(1), 1)


def test_an_equal_vote_is_the_mean_and_one_part_is_itself() -> None:
    rng = np.random.default_rng(0)
    said = [probabilities(rng, 50) for _ in range(3)]
    vote = Blend(kind="vote", weights=(1 / 3,) * 3)
    np.testing.assert_allclose(blended(said, vote, "classification"), np.mean(said, 0), atol=1e-5)
    alone = Blend(kind="stack", weights=(1.0,))
    np.testing.assert_allclose(blended(said[:1], alone, "classification"), said[0], atol=1e-5)


def _experts(seed: int, m: int = 4000) -> tuple[list[Floats], np.ndarray]:
    """Two experts that each know one half of the evidence, and a third who guesses."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (2, m, CLASSES))
    whole = np.exp(logits.sum(0))
    whole /= whole.sum(1, keepdims=True)
    target = (whole.cumsum(1) > rng.uniform(size=(m, 1))).argmax(1)
    said = [np.exp(part) / np.exp(part).sum(1, keepdims=True) for part in logits]
    return [*said, probabilities(rng, m)], target.astype(float)


def test_stacking_finds_the_weights_of_independent_evidence() -> None:
    said, target = _experts(0)
    blend = fit(said, target, "stack", "classification")
    assert blend.weights[:2] == pytest.approx((1, 1), abs=0.12)
    assert blend.weights[2] < 0.1
    fresh, truth = _experts(1)
    right = [
        (blended(fresh, fit(said, target, kind, "classification"), "classification").argmax(1)
         == truth).mean()
        for kind in ("stack", "vote")
    ]  # fmt: skip
    alone = max((part.argmax(1) == truth).mean() for part in fresh)
    assert right[0] > right[1] > alone - 0.02
    assert right[0] > alone + 0.05


def test_a_vote_is_calibrated_again() -> None:
    """A mean of confident experts that disagree is less confident than right."""
    said, target = _experts(2)
    vote = fit(said[:2], target, "vote", "classification")
    assert vote.temperature < 0.9
    plain = Blend(kind="vote", weights=vote.weights)

    def cost(blend: Blend) -> float:
        p = blended(said[:2], blend, "classification")
        return float(-np.log(p[np.arange(len(p)), target.astype(int)]).mean())

    assert cost(vote) < cost(plain) - 0.01


def test_values_are_weighed_and_shifted() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(size=500)
    said = [(truth * 0.5 + 1)[:, None], rng.normal(size=(500, 1))]
    blend = fit(said, truth, "stack", "regression")
    np.testing.assert_allclose(blended(said, blend, "regression")[:, 0], truth, atol=1e-6)
    assert blend.weights[1] == pytest.approx(0, abs=1e-6)
    vote = fit(said, truth, "vote", "regression")
    np.testing.assert_allclose(blended(said, vote, "regression"), np.mean(said, 0))
