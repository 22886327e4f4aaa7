"""Boosted trees: they grow, are saved, resumed to the bit, and are like any model."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crystalgui.core.cards import INVARIANCES
from crystalgui.core.errors import ModelError
from crystalgui.core.messages import (
    EpochMetrics,
    EstimateJob,
    EstimateReady,
    RunCreated,
    SplitSpec,
    StepMetrics,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.models import _registry as registry
from crystalgui.core.models._base import Network
from crystalgui.core.models._tensors import read_tensors
from crystalgui.core.models.trained import of_project, read_model
from crystalgui.core.store.project import Project
from crystalgui.core.training.expansion import scaled
from crystalgui.core.training.plan import plan
from crystalgui.core.training.session import LAST, estimate, train
from tests.models import kinds
from tests.models.samples import crystals, dataset

SETTINGS = {"trees": 4, "leaf": 0.0, "columns": 1.0, "rate": 0.5, "depth": 3}


def grown(items: list[object], targets: Tensor, outputs: int, epochs: int = 3) -> Network:
    params, _ = registry.settings("boosting", "small", SETTINGS)
    model = registry.build("boosting", outputs, params)
    model.start(targets)
    for _ in range(epochs):
        steps = list(model.grow(lambda: [batch_of(model, items)], targets, 1))
        assert [share for share, _ in steps] == [0.25, 0.5, 0.75, 1.0]
    return model.eval()


def batch_of(model: Network, items: list[object]) -> object:
    return kinds.batch_of(model, registry.settings("boosting", "small")[0], items, "crystal")


def test_what_grows_is_what_it_answers() -> None:
    items, targets = kinds.samples("crystal", 30), torch.arange(30) % 3
    model = grown(items, targets, 3)
    steps = list(model.grow(lambda: [batch_of(model, items)], targets, 1))
    out = model(batch_of(model, items))
    torch.testing.assert_close(out, steps[-1][1], rtol=0, atol=1e-5)
    assert (out.argmax(1) == targets).float().mean() > 0.9


@pytest.mark.parametrize("symmetry", INVARIANCES)
def test_its_answer_does_not_depend_on_the_setting(symmetry: str) -> None:
    items = crystals(20)
    model = grown([*items], torch.arange(20) % 2, 2)
    move = kinds.other_cell if symmetry == "cell choice" else partial(kinds.moved, symmetry)
    other = [move(c, i) for i, c in enumerate(items)]
    same = (model(batch_of(model, [*items])) - model(batch_of(model, [*other]))).abs().amax(1)
    assert (same < 1e-6).all()


def test_a_batch_is_its_crystals_one_by_one() -> None:
    items = kinds.samples("crystal", 12)
    model = grown(items, torch.arange(12) % 3, 3)
    alone = torch.cat([model(batch_of(model, [c])) for c in items])
    torch.testing.assert_close(model(batch_of(model, items)), alone, rtol=0, atol=1e-6)


def test_a_number_is_learned() -> None:
    items = kinds.samples("crystal", 30)
    values = torch.tensor([float(c.species.mean()) for c in items])
    values = (values - values.mean()) / values.std()
    model = grown(items, values, 1, 6)
    assert (model(batch_of(model, items))[:, 0] - values).abs().mean() < 0.3


def test_trees_of_any_length_are_loaded_and_damaged_ones_refused() -> None:
    items, targets = kinds.samples("crystal", 12), torch.arange(12) % 2
    model = grown(items, targets, 2)
    other = registry.build("boosting", 2, registry.settings("boosting", "small", SETTINGS)[0])
    state = dict(model.state_dict())
    other.load_state_dict(state)
    batch = batch_of(model, items)
    assert torch.equal(other(batch), model(batch))
    for broken in (state["trees"][:-9], state["trees"].flip(0), torch.arange(50).byte()):
        other.load_state_dict(state | {"trees": broken})
        with pytest.raises(ModelError, match="damaged"):
            other(batch)
    narrow = registry.settings("boosting", "small", SETTINGS | {"features": "composition"})[0]
    wrong = registry.build("boosting", 2, narrow)
    wrong.load_state_dict(state)
    with pytest.raises(ModelError, match="damaged"):
        wrong(batch)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> TrainRecipe:
    folder = dataset(tmp_path_factory.mktemp("data"), 80).summary.folder
    return TrainRecipe(
        model="boosting",
        dataset=folder,
        params={**SETTINGS, "trees": 2},
        epochs=3,
        ema=0.9,
        device="cpu",
        threads=1,
        seed=3,
        split=SplitSpec(validation=0.2, test=0.2),
    )


def test_a_run_can_be_stopped_and_resumed_to_the_bit(recipe: TrainRecipe, tmp_path: Path) -> None:
    events = list(train(TrainJob(project=tmp_path / "whole", recipe=recipe)))
    whole = next(e.run_id for e in events if isinstance(e, RunCreated))
    assert len([e for e in events if isinstance(e, StepMetrics)]) == 6
    values = [e.values for e in events if isinstance(e, EpochMetrics)]
    assert values[2]["train/loss"] < values[0]["train/loss"]
    assert values[-1]["test/accuracy"] > 0.5

    stop, run_id = threading.Event(), ""
    for event in train(TrainJob(project=tmp_path / "part", recipe=recipe), stop):
        run_id = event.run_id if isinstance(event, RunCreated) else run_id
        if isinstance(event, EpochMetrics):
            stop.set()
    list(train(TrainJob(project=tmp_path / "part", recipe=recipe, run_id=run_id)))
    with Project.open(tmp_path / "whole") as a, Project.open(tmp_path / "part") as b:
        one, other = (read_tensors(p.run(r).file(LAST))[0] for p, r in ((a, whole), (b, run_id)))
    assert torch.equal(one["model.trees"], other["model.trees"])
    card, _, networks = read_model(Path(of_project(tmp_path / "part")[0].folder))
    assert card.family == "boosting"
    assert len(networks[0].trees) > 100


def test_crystals_pulled_apart_by_chance_are_the_same_after_a_resume() -> None:
    items, targets = kinds.samples("crystal", 20), torch.arange(20) % 2
    params, _ = registry.settings("boosting", "small", SETTINGS)

    def grow(model: Network, seed: int = 1) -> None:
        batch = batch_of(model, items)
        for _ in model.grow(lambda: [scaled(batch, 1 + torch.rand(20), 9.0)], targets, seed):
            torch.rand(3)  # other draws do not matter

    def begun() -> Network:
        model = registry.build("boosting", 2, params)
        model.start(targets)
        return model

    straight, part, resumed, other = begun(), begun(), begun(), begun()
    grow(straight)
    grow(straight)
    grow(part)
    resumed.load_state_dict(part.state_dict())
    grow(resumed)
    assert torch.equal(straight.state_dict()["trees"], resumed.state_dict()["trees"])
    grow(other, 2)
    assert not torch.equal(part.state_dict()["trees"], other.state_dict()["trees"])


def test_an_epoch_is_estimated(recipe: TrainRecipe) -> None:
    (found,) = [e for e in estimate(EstimateJob(recipe=recipe)) if isinstance(e, EstimateReady)]
    assert 0 < found.seconds_per_epoch < 60
    assert found.parameters == 2


def test_a_cost_that_trees_do_not_have_is_refused(recipe: TrainRecipe) -> None:
    with pytest.raises(ModelError, match="cross-entropy"):
        plan(replace(recipe, cost="focal"))
