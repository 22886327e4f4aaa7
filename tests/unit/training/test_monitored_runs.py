"""Monitors in real runs: what is told and kept, by epoch, through stops, kills and replicas."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch

from crystalgui.core.datasets.images.dataset import Origin, assemble
from crystalgui.core.messages import (
    AttentionReady,
    EpochMetrics,
    Event,
    GradientsReady,
    LogLine,
    RunCreated,
    SplitSpec,
    StepMetrics,
    SweepJob,
    SweepNetwork,
    SweepPoint,
    SweepRecipe,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.models._tensors import read_tensors
from crystalgui.core.reports.saturation import saturation
from crystalgui.core.store.monitors import FILE, Monitored
from crystalgui.core.store.project import Project
from crystalgui.core.training import loop, together
from crystalgui.core.training import sweep as sweeps
from crystalgui.core.training.grouping import Group
from crystalgui.core.training.session import LAST, train

T = TypeVar("T", bound=Event)
READ = ("0 input", "1 conv", "2 pool", "3 conv", "4 conv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 images of 8 x 8 points: a bright column or a bright row."""
    draw = np.random.default_rng(0)
    label = np.arange(120) % 2
    values = draw.integers(0, 80, (120, 1, 8, 8))
    for image, kind, place in zip(values, label, draw.integers(0, 8, 120), strict=True):
        image[0][(slice(None), place) if kind else (place, slice(None))] += 150
    made = assemble(
        "lines", tmp_path_factory.mktemp("data"), values.astype(np.uint8), label,
        np.arange(120) >= 100, ("row", "column"), Origin(),
    )  # fmt: skip
    made.save()
    return made.summary.folder


@pytest.fixture
def recipe(folder: Path) -> TrainRecipe:
    return TrainRecipe(
        model="extractor",
        dataset=folder,
        params={"kind": "free", "width": 3, "halvings": 1, "depth": 1, "basis": 4, "wide": 8,
                "floor": 0.1, "dropout": 0.2},
        split=SplitSpec(kind="given", validation=0.3),
        epochs=3,
        batch_size=16,
        learning_rate=3e-3,
        ema=0.9,
        threads=1,
        device="cpu",
    )  # fmt: skip


def of(events: list[Event], kind: type[T]) -> list[T]:
    return [e for e in events if isinstance(e, kind)]


def run_of(project: Path, events: list[Event]) -> tuple[list[Monitored], dict[str, torch.Tensor]]:
    with Project.open(project) as opened:
        run = opened.run(of(events, RunCreated)[0].run_id)
        return run.monitors(), read_tensors(run.file(LAST))[0]


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def without_ids(found: list[Monitored]) -> list[Monitored]:
    return [replace(event, run_id="") for event in found]


def test_attention_and_gradients_of_every_epoch(recipe: TrainRecipe, tmp_path: Path) -> None:
    events = list(train(TrainJob(project=tmp_path, recipe=recipe)))
    attention, gradients = of(events, AttentionReady), of(events, GradientsReady)
    assert [e.epoch for e in attention] == [e.epoch for e in gradients] == [0, 1, 2, 3]
    assert all(e.layers == READ for e in attention)
    assert all(e.layers == READ[1:] for e in gradients)
    assert all(e.samples == 30 and e.floor == 0.1 for e in attention)
    assert all(0.1 <= q <= 1 for e in attention for row in e.quantiles for q in row)
    assert attention[0].mean != attention[3].mean
    kept, _ = run_of(tmp_path, events)
    assert of(kept, AttentionReady) == attention
    assert [e.norm for e in of(kept, GradientsReady)] == [e.norm for e in gradients]
    order = [type(e) for e in events if isinstance(e, AttentionReady | EpochMetrics)]
    assert order[:3] == [AttentionReady, EpochMetrics, AttentionReady]


def test_looking_changes_nothing(
    recipe: TrainRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rolled = replace(recipe, rolling=2)
    watched = list(train(TrainJob(project=tmp_path / "a", recipe=rolled)))
    monkeypatch.setattr(loop, "_look", lambda fit: [])
    blind = list(train(TrainJob(project=tmp_path / "b", recipe=rolled)))
    assert of(watched, GradientsReady)
    assert not of(blind, GradientsReady)
    assert same(run_of(tmp_path / "a", watched)[1], run_of(tmp_path / "b", blind)[1])


@pytest.mark.parametrize("how", ["soft", "killed"])
def test_resumed_runs_keep_each_epoch_once(recipe: TrainRecipe, tmp_path: Path, how: str) -> None:
    straight = list(train(TrainJob(project=tmp_path / "a", recipe=recipe)))
    stop = threading.Event()
    events: list[Event] = []
    generator = train(TrainJob(project=tmp_path / "b", recipe=recipe), stop)
    for event in generator:
        events.append(event)
        ended = of(events, EpochMetrics)
        if how == "soft" and ended and ended[-1].epoch == 1:
            stop.set()
        if how == "killed" and ended and ended[-1].epoch == 2 and isinstance(event, StepMetrics):
            generator.close()
            break
    run_id = of(events, RunCreated)[0].run_id
    with Project.open(tmp_path / "b") as project:  # as if killed between the look and the save
        file = project.run(run_id).file(FILE)
        last = file.read_text().splitlines()[-1]
        done = project.run(run_id).epochs
        with open(file, "a") as stream:
            stream.write(last.replace(f'"epoch": {done}', f'"epoch": {done + 1}') + "\n")
            stream.write(last[: len(last) // 2])
    list(train(TrainJob(project=tmp_path / "b", recipe=recipe, run_id=run_id)))
    assert without_ids(run_of(tmp_path / "a", straight)[0]) == without_ids(
        run_of(tmp_path / "b", events)[0]
    )


def test_killed_in_the_first_epoch(recipe: TrainRecipe, tmp_path: Path) -> None:
    events: list[Event] = []
    generator: Iterator[Event] = train(TrainJob(project=tmp_path, recipe=recipe))
    for event in generator:
        events.append(event)
        if isinstance(event, StepMetrics):
            break
    generator.close()  # type: ignore[attr-defined]
    run_id = of(events, RunCreated)[0].run_id
    assert [e.epoch for e in run_of_epoch_zero(tmp_path, run_id)] == [0, 0]
    list(train(TrainJob(project=tmp_path, recipe=recipe, run_id=run_id)))
    found = run_of_epoch_zero(tmp_path, run_id)
    assert [e.epoch for e in found] == [0, 0, 1, 1, 2, 2, 3, 3]


def run_of_epoch_zero(project: Path, run_id: str) -> list[Monitored]:
    with Project.open(project) as opened:
        return opened.run(run_id).monitors()


def test_the_first_of_replicas(recipe: TrainRecipe, tmp_path: Path) -> None:
    single = replace(recipe, params={**recipe.params, "dropout": 0.0}, ema=0.0)
    alone = list(train(TrainJob(project=tmp_path / "a", recipe=single)))
    many = replace(single, replicas=3)
    together = list(train(TrainJob(project=tmp_path / "b", recipe=many)))
    found = of(together, AttentionReady)
    assert [e.epoch for e in found] == [0, 1, 2, 3]
    assert [e.epoch for e in of(together, GradientsReady)] == [0, 1, 2, 3]
    first = of(alone, AttentionReady)
    assert found[0].mean == pytest.approx(first[0].mean, abs=1e-5)
    assert found[0].layers == READ
    kept, _ = run_of(tmp_path / "b", together)
    assert of(kept, AttentionReady) == found


def test_saturation_is_warned_of(recipe: TrainRecipe, tmp_path: Path) -> None:
    wild = replace(
        recipe, params={**recipe.params, "floor": 0.0}, learning_rate=3.0, clip_norm=0.0,
        schedule="constant", warmup=0.0, epochs=4, ema=0.0,
    )  # fmt: skip
    events = list(train(TrainJob(project=tmp_path, recipe=wild)))
    assert any(any(e.saturated) for e in of(events, AttentionReady))
    lines = [e.text for e in of(events, LogLine) if e.level == "warning"]
    readings = of(events, AttentionReady)
    said = [found.sentence for r in readings if (found := saturation(readings, r.epoch))]
    assert lines
    assert set(lines) <= set(said)  # what the window says of that epoch
    assert any("floor ε" in text for text in lines)


def test_kinds_without_attention_tell_gradients_alone(recipe: TrainRecipe, tmp_path: Path) -> None:
    plain = replace(recipe, params={**recipe.params, "kind": "standard"}, epochs=1)
    events = list(train(TrainJob(project=tmp_path, recipe=plain)))
    assert not of(events, AttentionReady)
    assert [e.epoch for e in of(events, GradientsReady)] == [0, 1]


# ------------------------------------------------------------------ sweeps


@pytest.fixture
def swept(recipe: TrainRecipe, monkeypatch: pytest.MonkeyPatch) -> SweepRecipe:
    """A network with attention at two degrees of rolling, one after the other."""
    monkeypatch.setattr(sweeps, "group_of", lambda task, wanted: Group(1, 1))
    monkeypatch.setattr(together, "WORTH", 100)
    free = SweepNetwork(title="free", model="extractor", params=recipe.params)
    base = replace(recipe, model="", params={}, ema=0.0, batch_size=40, epochs=2)
    return SweepRecipe(title="lines", base=base, networks=(free,), rollings=(0, 2), repeats=1)


NAMES = ("free, χ = 0, repeat 1", "free, χ = 2, repeat 1")


def test_the_first_network_of_every_group_of_a_sweep(swept: SweepRecipe, tmp_path: Path) -> None:
    events = list(sweeps.sweep(SweepJob(project=tmp_path, recipe=swept)))
    attention = of(events, AttentionReady)
    assert [(e.network, e.epoch) for e in attention] == [(n, k) for n in NAMES for k in (0, 1, 2)]
    assert [(e.network, e.epoch) for e in of(events, GradientsReady)] == [
        (e.network, e.epoch) for e in attention
    ]
    assert all(e.layers == READ and e.floor == e.least == 0.1 for e in attention)
    assert attention[0].mean != attention[2].mean
    run_id = of(events, RunCreated)[0].run_id
    with Project.open(tmp_path) as project:
        assert of(project.run(run_id).monitors(), AttentionReady) == attention
    blind = list(sweeps.sweep_points(swept))  # looking changes nothing
    assert not of(blind, AttentionReady)
    assert [(p.rolling, p.cost) for p in of(blind, SweepPoint)] == [
        (p.rolling, p.cost) for p in of(events, SweepPoint)
    ]


def test_small_groups_are_looked_at_less_often(
    swept: SweepRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "WORTH", 300)  # three epochs of 100 rows
    base = replace(swept.base, epochs=4, batch_size=100)
    recipe = replace(swept, base=base, rollings=(0,))
    events = list(sweeps.sweep(SweepJob(project=tmp_path, recipe=recipe)))
    assert [e.epoch for e in of(events, AttentionReady)] == [0, 3, 4]


def test_a_killed_sweep_keeps_each_epoch_once(swept: SweepRecipe, tmp_path: Path) -> None:
    straight = list(sweeps.sweep(SweepJob(project=tmp_path / "a", recipe=swept)))
    events: list[Event] = []
    generator = sweeps.sweep(SweepJob(project=tmp_path / "b", recipe=swept))
    for event in generator:
        events.append(event)
        if isinstance(event, AttentionReady) and (event.network, event.epoch) == (NAMES[1], 1):
            generator.close()
            break
    run_id = of(events, RunCreated)[0].run_id
    with Project.open(tmp_path / "b") as project:  # as if killed between the look and the save
        run = project.run(run_id)
        last = next(e for e in reversed(run.monitors()) if isinstance(e, AttentionReady))
        run.append_monitor(replace(last, epoch=2, samples=1))
    list(sweeps.sweep(SweepJob(project=tmp_path / "b", recipe=swept, run_id=run_id)))
    with Project.open(tmp_path / "b") as project:
        kept = without_ids(project.run(run_id).monitors())
    with Project.open(tmp_path / "a") as project:
        whole = project.run(of(straight, RunCreated)[0].run_id).monitors()
    assert kept == without_ids(whole)
