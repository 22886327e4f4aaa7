"""Recipes and summaries go to JSON and come back, or are refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystalgui.core.messages import DatasetSummary, SplitSpec, TrainRecipe
from crystalgui.core.store.encode import from_plain, to_plain

BASE = Path("/base/project")
SCALARS = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
RECIPES = st.builds(
    TrainRecipe,
    model=st.text(),
    dataset=st.sampled_from([BASE / "datasets" / "a", Path("/elsewhere/b"), BASE]),
    params=st.dictionaries(st.text(), SCALARS),
    split=st.builds(SplitSpec, kind=st.sampled_from(["composition", "random"])),
    learning_rate=st.floats(allow_nan=False),
    class_weights=st.booleans(),
    epochs=st.integers(),
)


@given(RECIPES)
def test_recipes_round_trip(recipe: TrainRecipe) -> None:
    text = json.dumps(to_plain(recipe, BASE), allow_nan=False)
    assert from_plain(TrainRecipe, json.loads(text), BASE) == recipe


@given(
    st.builds(
        DatasetSummary,
        name=st.text(),
        folder=st.just(BASE / "d"),
        task=st.sampled_from(["classification", "regression"]),
        target=st.text(),
        size=st.integers(),
        classes=st.lists(st.text()).map(tuple),
        counts=st.lists(st.integers()).map(tuple),
        problems=st.lists(st.text()).map(tuple),
    )
)
def test_summaries_round_trip(summary: DatasetSummary) -> None:
    text = json.dumps(to_plain(summary, BASE), allow_nan=False)
    assert from_plain(DatasetSummary, json.loads(text), BASE) == summary


def test_a_moved_project_finds_its_data() -> None:
    recipe = TrainRecipe(model="m", dataset=BASE / "datasets" / "a")
    plain = to_plain(recipe, BASE)
    assert plain["dataset"] == "datasets/a"
    assert from_plain(TrainRecipe, plain, Path("/new")).dataset == Path("/new/datasets/a")


def test_missing_fields_have_defaults_and_unknown_ones_are_ignored() -> None:
    plain = {"model": "m", "dataset": "/d", "of the future": 1}
    assert from_plain(TrainRecipe, plain, BASE) == TrainRecipe(model="m", dataset=Path("/d"))


@pytest.mark.parametrize(
    "change",
    [
        {"model": None},
        {"epochs": "3"},
        {"epochs": True},
        {"epochs": 1.5},
        {"learning_rate": "fast"},
        {"learning_rate": True},
        {"learning_rate": {"float": "1"}},
        {"learning_rate": {}},
        {"split": 3},
        {"split": {"kind": "sideways"}},
        {"precision": "8"},
        {"params": []},
        {"params": {"a": None}},
        {"params": {"a": [1]}},
        {"dataset": 1},
    ],
    ids=str,
)
def test_wrong_types_are_refused(change: dict[str, object]) -> None:
    plain = to_plain(TrainRecipe(model="m", dataset=Path("/d")), BASE) | change
    with pytest.raises(ValueError, match=f"TrainRecipe.{next(iter(change))}"):
        from_plain(TrainRecipe, plain, BASE)


def test_a_missing_required_field_is_refused() -> None:
    with pytest.raises(ValueError, match="dataset"):
        from_plain(TrainRecipe, {"model": "m"}, BASE)


def test_not_a_number_survives() -> None:
    recipe = TrainRecipe(model="m", dataset=BASE, learning_rate=float("nan"))
    text = json.dumps(to_plain(recipe, BASE), allow_nan=False)
    assert math.isnan(from_plain(TrainRecipe, json.loads(text), BASE).learning_rate)


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="set has no JSON form"):
        to_plain({1, 2}, BASE)
