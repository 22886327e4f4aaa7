"""The experiment of the universal network, in a size that takes seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crystalgui.core.datasets.hamiltonians.zone_dataset import ZoneDataset
from crystalgui.core.datasets.hamiltonians.zones import make
from crystalgui.core.experiments import universal_zone
from crystalgui.core.experiments.results import load_record, read_table
from crystalgui.core.experiments.run import run_experiment
from crystalgui.core.experiments.universal_zone import METHODS, Size
from crystalgui.core.experiments.zone_baselines import boosted, counted, majority, threshold
from crystalgui.core.messages import (
    ExperimentJob,
    ExperimentReady,
    HamiltonianSource,
    PhaseAnswer,
    PhaseAnswerJob,
    PhaseDataJob,
    ZoneDataRecipe,
)
from crystalgui.core.models.answers import answer
from crystalgui.core.models.trained import read_model
from crystalgui.core.resources import recipes
from crystalgui.core.training.publish import publish

TINY = Size(samples=12, epochs=2, seeds=1, mesh=4, families=("ssh", "shockley", "haldane"))


def test_it_leaves_families_out_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(universal_zone.SIZES, "quick", TINY)
    job = ExperimentJob(name="universal-zone", out=tmp_path / "out", device="cpu")
    events = run_experiment(job)
    while not (tmp_path / "out/steps/turn-ssh.json").is_file():
        next(events)
    events.close()  # as if it was killed
    before = (tmp_path / "out/steps/turn-ssh.json").stat().st_mtime_ns
    assert isinstance(list(run_experiment(job))[-1], ExperimentReady)
    assert (tmp_path / "out/steps/turn-ssh.json").stat().st_mtime_ns == before
    record = load_record(tmp_path / "out")
    numbers = {n.name: n.value for n in record.numbers}
    for method in METHODS:
        assert 0 <= numbers[f"left out, mean of families: {method}"] <= 100
        assert 0 <= numbers[f"within families: {method}"] <= 100
    assert all(np.isnan(n.published) for n in record.numbers)
    header, rows = read_table(tmp_path / "out", record.tables[0])
    assert [row[0] for row in rows] == list(TINY.families)
    data = ZoneDataset.load(tmp_path / "out/steps/data")
    for row in rows:
        mine = data.label[data.family == row[0]]
        assert int(row[header.index("trivial insulator")]) == int((mine == 0).sum())
    # counting on the mesh knows a Zak phase and a Chern number
    assert numbers["left out, mean of families: counting"] > 85
    for figure in record.figures:
        assert (tmp_path / "out" / f"{figure.stem}.pdf").stat().st_size > 1000
    every = np.arange(len(data))
    assert (counted(data, every) == data.label).mean() > 0.85


def test_a_model_is_published_from_a_made_data_set(tmp_path: Path) -> None:
    folder, out = tmp_path / "zones", tmp_path / "out"
    recipe = ZoneDataRecipe(name="few", families=("ssh", "haldane"), samples=20, mesh=4)
    list(make(PhaseDataJob(recipe=recipe, out=folder, processes=1)))
    plain = json.loads((recipes() / "universal-zone.json").read_text("utf-8"))
    plain["recipe"] |= {"epochs": 1, "params": {"width": 8, "wide": 8, "mesh": 4}}
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(plain), "utf-8")
    list(publish(path, folder, None, out))
    card, inference, networks = read_model(out / "universal-zone")
    assert inference.members == len(networks) == 2
    data = ZoneDataset.load(folder)
    assert inference.shape == (len(data.names),)
    lines = (out / "universal-zone" / "test.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [
        "ssh 9",
        "ssh 19",
        "haldane 9",
        "haldane 19",
    ]
    right = [line.split(",")[1] == line.split(",")[2] for line in lines[1:]]
    assert card.metrics["accuracy"] == pytest.approx(np.mean(right))
    source = HamiltonianSource(model="haldane")
    job = PhaseAnswerJob(source=source, model=str(out / "universal-zone"), device="cpu")
    *_, got = answer(job)
    assert isinstance(got, PhaseAnswer)
    assert got.evidence.shape == (4, 4, 1)


def test_baselines() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1, 2, 2], 25)
    gap = np.where(label == 2, 0.0, rng.uniform(0.5, 1, 100))
    rows = rng.permutation(100)
    train, test = rows[:70], rows[70:]
    assert (majority(label, train, test) == 2).all()
    guess = threshold(gap, label, train, test)
    assert (guess[label[test] == 2] == 2).all()
    assert not (guess[label[test] != 2] == 2).any()
    table = np.stack([gap, label + rng.normal(0, 0.1, 100)], 1)
    assert (boosted(table, label, train, test) == label[test]).mean() > 0.9
    assert (boosted(table, np.zeros(100, np.int64), train, test) == 0).all()


def test_a_threshold_below_every_gap_is_the_majority() -> None:
    gap, label = np.linspace(1, 2, 20), np.zeros(20, np.int64)
    assert (threshold(gap, label, np.arange(10), np.arange(10, 20)) == 0).all()
