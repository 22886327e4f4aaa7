"""Experiments on BiTeI: tables of the paper, a whole run on a small stand-in, resuming."""

from __future__ import annotations

import csv
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crystalgui.core.datasets.hamiltonians.dataset import CLASSES, PhaseDataset, Samples, common
from crystalgui.core.experiments import bitei, bitei_perturbed, bitei_unperturbed
from crystalgui.core.experiments._registry import Context
from crystalgui.core.experiments.bitei import Bench, Counts, Variant
from crystalgui.core.experiments.results import load_record
from crystalgui.core.experiments.run import run_experiment
from crystalgui.core.messages import (
    DatasetSummary,
    Event,
    ExperimentJob,
    ExperimentReady,
    HamiltonianSource,
    LogLine,
    PhaseDataRecipe,
    Progress,
)
from crystalgui.core.physics import zoo

MODULES = (bitei_unperturbed, bitei_perturbed)


def stand_in(folder: Path, strength: float, size: int = 240) -> PhaseDataset:
    """Mixtures of two cubic crystals; three intervals of alpha stand for the phases."""
    ends = [HamiltonianSource(model="cubic", settings={"M": m}) for m in (-1.0, 1.0)]
    start, end = common(*(zoo.build(e.model, **e.settings) for e in ends))
    draw = np.random.default_rng(3)
    alpha = draw.random(size)
    columns = {
        "number": np.arange(size),
        "alpha": alpha,
        "noise_seed": np.arange(size) if strength else np.full(size, -1),
        "label": np.where(alpha < 0.6, 0, np.where(alpha < 0.8, 2, 1)),
        "gap": np.zeros(size),
        "k": np.zeros((size, 3)),
        "via": np.zeros(size, np.int8),
    }
    is_test = np.zeros(size, bool)
    is_test[::5] = True
    return PhaseDataset(
        summary=DatasetSummary(
            name="stand-in", folder=folder, task="classification", target="phase", size=size,
            classes=CLASSES, kind="hoppings", digest="0123456789abcdef",
        ),
        recipe=PhaseDataRecipe(name="stand-in", start=ends[0], end=ends[1], strength=strength),
        start=start,
        end=end,
        occupied=2,
        samples=Samples(**columns),
        is_test=is_test,
        apart=Samples.empty(),
    )  # fmt: skip


@pytest.mark.parametrize("module", MODULES)
def test_published_tables_are_those_of_the_paper(module: Any) -> None:
    for network in module.NETWORKS:
        for table in network.tables.values():
            assert np.array(table.mean).sum(0) == pytest.approx([100] * 3, abs=0.35)
        assert network.tables["test"].trace == pytest.approx(network.trace[0], abs=0.11)
    assert [n.row for n in bitei_unperturbed.NETWORKS] == ["B77", "B78", "B79"]
    assert [n.row for n in bitei_perturbed.NETWORKS] == ["B80", "B81", "B82"]


def test_counts_over_repeats() -> None:
    two = [[[8, 2, 0], [1, 3, 0], [2, 0, 2]], [[9, 1, 0], [0, 4, 0], [4, 0, 0]]]
    counts = Counts.of({"counts": {"train": two, "test": two}, "training": 2.0})
    mean, around = counts.matrix("test")
    assert mean[0].tolist() == pytest.approx([85, 15, 0])
    assert mean.sum(1).tolist() == pytest.approx([100] * 3)
    assert around[0, 0] == pytest.approx(np.std([80, 90], ddof=1))
    assert counts.trace()[0] == pytest.approx(np.mean([80 + 75 + 50, 90 + 100 + 0]))
    assert counts.recall(2) == pytest.approx((25.0, np.std([50, 0], ddof=1)))
    assert counts.precision(2)[0] == pytest.approx(100)  # one repeat never says so
    rows = bitei.confusion_rows(counts)
    assert rows[3][:3] == ["test", CLASSES[0], pytest.approx(85)]  # rows are predictions
    assert rows[3][6] == pytest.approx(12.5)  # topological ones called trivial


@pytest.mark.parametrize("module", MODULES)
def test_a_whole_run(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _small(module, monkeypatch, tmp_path / "data")
    name = module.__name__.rsplit(".", 1)[1].replace("_", "-")
    out = tmp_path / "out"
    job = ExperimentJob(name=name, out=out, preset="quick", device="cpu")
    events = list(run_experiment(job))
    assert isinstance(events[-1], ExperimentReady)
    shares = [e.done / e.total for e in events if isinstance(e, Progress)]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    record = load_record(out)
    named = {n.name: n for n in record.numbers}
    small = named["Small fully connected: trace of the test matrix"]
    assert small.published == module.NETWORKS[0].trace[0]
    assert record.differs
    if module is bitei_perturbed:
        (best,) = [n for n in record.numbers if n.name.startswith("Best trace of")]
        assert best.published == 179.6
        _compared(out, best.value)
    for table in record.tables:
        assert (out / table.file).is_file()
    for figure in record.figures:
        assert (out / f"{figure.stem}.pdf").is_file()
    with open(out / "tables" / "confusion-small.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    tested = [r for r in rows if r["part"] == "test"]
    matrix = [[float(r[f"true {name} (%)"]) for name in CLASSES] for r in tested]
    assert np.sum(matrix, axis=0) == pytest.approx([100] * 3, abs=0.01)
    assert np.trace(matrix) == pytest.approx(small.value, abs=0.01)
    assert not list((out / "steps").glob("*/replicas.safetensors"))


def _compared(out: Path, best: float) -> None:
    """The table of costs."""
    with open(out / "tables" / "costs.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["trained with"] for r in rows[:3]] == ["cross-entropy"] * 3
    assert [r["trained with"] for r in rows[3:-1]] == [v.title for v in bitei_perturbed.VARIANTS]
    assert rows[-1]["network"].startswith("Ours")
    assert float(rows[-1]["test trace (%)"]) > 200  # of one number; 100 is a guess
    assert max(float(r["test trace (%)"]) for r in rows[:-1]) == pytest.approx(best, abs=0.01)


def test_a_training_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    data = stand_in(tmp_path, 0.0)
    network, variant = bitei_unperturbed.NETWORKS[0], Variant("x", "x", {"epochs": 4})

    def results(out: Path, cut: int = 0) -> Any:
        context = Context(preset="quick", device="cpu", out=out)
        steps = Bench(context, data, total=1).train("small", "Small", network, variant, 2)
        return _end(steps, cut)

    whole = results(tmp_path / "whole")
    assert results(tmp_path / "part", cut=2) is None
    assert (tmp_path / "part" / "steps" / "small" / "replicas.safetensors").is_file()
    again = results(tmp_path / "part")
    for part in bitei.PARTS:
        assert np.array_equal(again.parts[part], whole.parts[part])


def _end(steps: Generator[Event, None, Any], cut: int) -> Any:
    """What it returns; None when it is closed after ``cut`` epochs."""
    epochs = 0
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return end.value
        epochs += isinstance(event, Progress) and "epoch" in event.text
        if cut and epochs == cut:
            steps.close()
            return None


def _small(module: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The stand-in instead of the data set, two repeats, small networks."""
    strength = 0.02 if module is bitei_perturbed else 0.0

    def data_set(context: Context, name: str) -> Generator[Event, None, PhaseDataset]:
        yield LogLine(text=name)
        return stand_in(folder, strength)

    networks = tuple(replace(n, preset="small") for n in module.NETWORKS)
    preset: dict[str, Any] = {
        "data": "stand-in",
        "repeats": dict.fromkeys(("small", "large", "hybrid"), 2),
    }
    monkeypatch.setattr(module, "data_set", data_set)
    monkeypatch.setattr(module, "NETWORKS", networks)
    if module is bitei_perturbed:
        monkeypatch.setattr(module, "VARIANTS", module.VARIANTS[2:4])
    else:
        monkeypatch.setattr(module, "variants", lambda preset: bitei_perturbed.VARIANTS[3:4])
    preset |= {"compared": {"small": 2}, "ours": 2}
    monkeypatch.setattr(module, "PRESETS", {"quick": preset})
