"""Costs: what they are for the whole training set, and how classes are drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from crystalgui.core.messages import TrainRecipe
from crystalgui.core.training.costs import (
    balanced,
    class_weights,
    cost_of,
    focal,
    loss_function,
    trace,
)

COUNTS = (780, 200, 20)
TARGET = torch.repeat_interleave(torch.arange(3), torch.tensor(COUNTS))


def logits(seed: int = 0, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(1000, 3, generator=torch.Generator().manual_seed(seed)).double()


def matrix_trace(p: Tensor) -> float:
    """Of the class-normalised confusion matrix of soft answers, 0 to 3."""
    return sum(float(p[c == TARGET, c].mean()) for c in range(3))


def test_trace_is_that_of_the_confusion_matrix() -> None:
    out, weights = logits(), class_weights(TARGET, 3).double()
    assert float(trace(out, TARGET, weights)) == pytest.approx(1 - matrix_trace(out.softmax(1)) / 3)
    hard = 1e4 * torch.nn.functional.one_hot(out.argmax(1), 3).double()
    assert float(trace(hard, TARGET, weights)) == pytest.approx(
        1 - matrix_trace((hard > 0).double()) / 3
    )


def test_trace_of_batches_has_the_mean_of_the_whole() -> None:
    out, weights = logits(1), class_weights(TARGET, 3).double()
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(4))
    parts = [trace(out[i], TARGET[i], weights) for i in order.split(25)]
    assert float(torch.stack(parts).mean()) == pytest.approx(float(trace(out, TARGET, weights)))


def test_only_the_rare_class_moves_the_trace_as_much_as_the_others() -> None:
    """Cross-entropy hears 20 rows of 1000 a fiftieth; the trace hears each class a third."""
    weights = class_weights(TARGET, 3).double()
    out = torch.zeros(1000, 3, dtype=torch.float64, requires_grad=True)
    trace(out, TARGET, weights).backward()
    assert out.grad is not None
    felt = [float(out.grad[c == TARGET, c].sum()) for c in range(3)]
    assert felt == pytest.approx([felt[0]] * 3)
    assert felt[0] < 0


def test_focal_without_focus_is_cross_entropy() -> None:
    out, weights = logits(2), class_weights(TARGET, 3).double()
    for own in (None, weights):
        plain = torch.nn.functional.cross_entropy(out, TARGET, own)
        torch.testing.assert_close(focal(out, TARGET, own, focus=0.0), plain)
        assert float(focal(out, TARGET, own)) < float(plain)
    p = out.softmax(1).gather(1, TARGET[:, None])[:, 0]
    torch.testing.assert_close(focal(out, TARGET), -((1 - p) ** 2 * p.log()).mean())


def test_focal_of_a_sure_answer_is_finite() -> None:
    out = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    focal(out, torch.tensor([0, 0])).backward()
    assert out.grad is not None
    assert out.grad.isfinite().all()


@pytest.mark.parametrize("cost", ["cross-entropy", "focal", "trace"])
def test_the_cost_of_a_recipe(cost: str) -> None:
    recipe = TrainRecipe(model="dense", dataset=Path(), cost=cost)  # type: ignore[arg-type]
    out, weights = logits(3).float(), class_weights(TARGET, 3)
    wanted = loss_function("classification", weights if cost == "trace" else None, recipe.cost)
    torch.testing.assert_close(
        cost_of(recipe, "classification", TARGET, 3)(out, TARGET), wanted(out, TARGET)
    )


def test_what_is_drawn_equally_often_is_not_weighted_again() -> None:
    recipe = TrainRecipe(
        model="dense", dataset=Path(), cost="trace", resample=True, class_weights=True
    )
    out = logits(5).float()
    torch.testing.assert_close(
        cost_of(recipe, "classification", TARGET, 3)(out, TARGET), trace(out, TARGET)
    )


def test_resampling_draws_every_class_equally_often() -> None:
    rows = torch.arange(0, 1000, 2)
    drawn = balanced(3, 1, rows, TARGET)
    assert len(drawn) == len(rows)
    assert torch.bincount(TARGET[drawn]).tolist() == [167, 167, 166]
    assert set(drawn.tolist()) <= set(rows.tolist())
    times = torch.bincount(drawn, minlength=1000)[rows]
    rare = times[TARGET[rows] == 2]
    assert rare.min() >= 16
    assert rare.max() <= 17
    assert times[TARGET[rows] == 0].max() == 1
    assert torch.equal(drawn, balanced(3, 1, rows, TARGET))
    assert not torch.equal(drawn, balanced(3, 2, rows, TARGET))
    assert not torch.equal(drawn, balanced(4, 1, rows, TARGET))


def test_resampling_of_a_class_that_is_missing() -> None:
    drawn = balanced(0, 0, torch.arange(980), TARGET)
    assert torch.bincount(TARGET[drawn]).tolist() == [490, 490]
