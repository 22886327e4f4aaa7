"""A sweep in the store: one run, points that are appended, what a crash leaves."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from crystalgui.core.errors import StoreError
from crystalgui.core.messages import SweepNetwork, SweepPoint, SweepRecipe, TrainRecipe
from crystalgui.core.store.project import Project
from crystalgui.core.store.sweeps import append_points, is_sweep, read_points, sweep_recipe


@pytest.fixture
def sweep(recipe: TrainRecipe) -> SweepRecipe:
    return SweepRecipe(
        title="By rolling",
        base=recipe,
        networks=(
            SweepNetwork(title="a", model="extractor", params={"width": 8, "gated": True}),
            SweepNetwork(title="b", model="dense", preset="mnist-small", group="flat"),
        ),
        rollings=(0, 3),
        repeats=2,
        train=100,
    )


def _point(network: str, repeat: int, accuracy: float) -> SweepPoint:
    return SweepPoint(
        run_id="", network=network, rolling=3, repeat=repeat, accuracy=accuracy, cost=1 - accuracy
    )


def test_a_sweep_comes_back_as_it_was(project: Project, sweep: SweepRecipe) -> None:
    run = project.create_sweep(sweep)
    assert is_sweep(run)
    assert sweep_recipe(run) == sweep
    assert (run.title, run.model, run.preset) == ("By rolling", "sweep", "of 2 networks")
    assert run.recipe.epochs == sweep.base.epochs
    assert read_points(run.folder) == []


def test_points_are_kept_once_and_counted(project: Project, sweep: SweepRecipe) -> None:
    run = project.create_sweep(sweep)
    append_points(run, [_point("a", 0, 0.5), _point("a", 1, math.nan)])
    with open(run.file("sweep.jsonl"), "ab") as stream:
        stream.write(b'{"network": "b", "rolling": 3, "rep')  # killed here
    append_points(run, [_point("b", 0, 0.75), _point("a", 0, 0.625)])
    found = read_points(run.folder, run.id)
    assert [(p.network, p.repeat, p.accuracy) for p in found if p.repeat == 0] == [
        ("a", 0, 0.625),
        ("b", 0, 0.75),
    ]
    assert len(found) == 3
    assert math.isnan(found[1].accuracy)
    assert {p.run_id for p in found} == {run.id}
    assert (run.epochs, run.best) == (3, {"test/accuracy": 0.75})


def test_another_run_is_no_sweep(project: Project, recipe: TrainRecipe) -> None:
    run = project.create_run(recipe)
    assert not is_sweep(run)
    with pytest.raises(StoreError, match="is no sweep"):
        sweep_recipe(run)


def test_a_killed_sweep_is_interrupted_and_found_without_the_database(
    project: Project, sweep: SweepRecipe, tmp_path: Path
) -> None:
    run = project.create_sweep(sweep)
    append_points(run, [_point("a", 0, 0.5)])
    project._update_run(run, status="running")  # and nobody holds its lock
    project.mend()
    assert project.run(run.id).status == "interrupted"
    moved = tmp_path / "moved"
    shutil.copytree(run.folder, moved / ".crystalgui" / "runs" / run.id)
    with Project.open(moved) as other:
        (adopted,) = other.runs()
        assert is_sweep(adopted)
        assert (adopted.status, adopted.epochs) == ("interrupted", 1)
        base = replace(sweep.base, dataset=moved / ".crystalgui" / "datasets" / "tqc")
        assert sweep_recipe(adopted) == replace(sweep, base=base)


def test_a_damaged_recipe_is_said(project: Project, sweep: SweepRecipe) -> None:
    run = project.create_sweep(sweep)
    text = run.file("run.json").read_text().replace('"repeats": 2', '"repeats": "two"')
    run.write("run.json", text)
    with pytest.raises(StoreError, match="damaged"):
        sweep_recipe(run)
