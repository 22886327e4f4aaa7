"""Training: resume to the bit, stops, NaN, memory, export, estimate."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from torch import Tensor

from crystalgui.core.errors import DataError, Diverged, ModelError, NotEnoughMemory, StoreError
from crystalgui.core.messages import (
    ConfusionReady,
    EpochMetrics,
    ErrorInfo,
    EstimateJob,
    EstimateReady,
    Event,
    LogLine,
    RunCreated,
    SplitSpec,
    StepMetrics,
    Stopped,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.models._tensors import read_tensors
from crystalgui.core.models.cgnn import CrystalGraphNetwork
from crystalgui.core.models.trained import of_project, read_model
from crystalgui.core.store.project import Project
from crystalgui.core.training import loop
from crystalgui.core.training.export import BEST
from crystalgui.core.training.session import LAST, estimate, train
from tests.models.samples import dataset

T = TypeVar("T", bound=Event)
PARAMS = {"width": 8, "wide": 16, "depth": 1, "gaussians": 4, "dropout": 0.2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 80 small crystals."""
    return dataset(tmp_path_factory.mktemp("data"), 80).summary.folder


@pytest.fixture
def recipe(folder: Path) -> TrainRecipe:
    return TrainRecipe(
        model="cgnn",
        dataset=folder,
        params=PARAMS,
        epochs=4,
        batch_size=16,
        ema=0.9,
        device="cpu",
        threads=1,
        seed=3,
        split=SplitSpec(validation=0.2, test=0.2),
    )


def of(events: list[Event], kind: type[T]) -> list[T]:
    return [e for e in events if isinstance(e, kind)]


def weights(project: Path, run_id: str) -> dict[str, Tensor]:
    with Project.open(project) as opened:
        return read_tensors(opened.run(run_id).file(LAST))[0]


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def until_epoch(events: Iterator[Event], number: int) -> Iterator[Event]:
    """Events up to the end of an epoch, seen from inside it: the next epoch has begun."""
    done = False
    for event in events:
        yield event
        done = done or (isinstance(event, EpochMetrics) and event.epoch == number)
        if done and isinstance(event, StepMetrics):
            return


class TestResume:
    def test_soft_stop_and_resume_is_bit_identical(
        self, recipe: TrainRecipe, tmp_path: Path
    ) -> None:
        straight = list(train(TrainJob(project=tmp_path / "a", recipe=recipe)))
        first_id = of(straight, RunCreated)[0].run_id

        stop = threading.Event()
        events = []
        for event in train(TrainJob(project=tmp_path / "b", recipe=recipe), stop):
            events.append(event)
            if isinstance(event, EpochMetrics) and event.epoch == 2:
                stop.set()
        run_id = of(events, RunCreated)[0].run_id
        assert isinstance(events[-1], Stopped)
        assert events[-1].run_id == run_id
        with Project.open(tmp_path / "b") as project:
            assert project.run(run_id).status == "stopped"
            assert project.run(run_id).epochs == 2
        torch.rand(7)  # other work between must not matter
        job = TrainJob(project=tmp_path / "b", recipe=recipe, run_id=run_id)
        again = list(train(job))
        assert same(weights(tmp_path / "a", first_id), weights(tmp_path / "b", run_id))
        whole = [e.values["val/loss"] for e in of(straight, EpochMetrics) if "val/loss" in e.values]
        parts = [
            e.values["val/loss"]
            for e in of([*events, *again], EpochMetrics)
            if "val/loss" in e.values
        ]
        assert whole == parts

    def test_killed_in_the_middle_of_an_epoch(self, recipe: TrainRecipe, tmp_path: Path) -> None:
        straight = list(train(TrainJob(project=tmp_path / "a", recipe=recipe)))
        first_id = of(straight, RunCreated)[0].run_id
        generator = train(TrainJob(project=tmp_path / "b", recipe=recipe))
        events = list(until_epoch(generator, 2))
        run_id = of(events, RunCreated)[0].run_id
        generator.close()
        with Project.open(tmp_path / "b") as project:
            assert project.run(run_id).status == "stopped"
        list(train(TrainJob(project=tmp_path / "b", recipe=recipe, run_id=run_id)))
        assert same(weights(tmp_path / "a", first_id), weights(tmp_path / "b", run_id))
        with Project.open(tmp_path / "b") as project:
            run = project.run(run_id)
            assert run.status == "done"
            rows = [r["epoch"] for r in run.metrics() if "epoch" in r]
            assert rows == [1, 2, 3, 4]

    @pytest.mark.parametrize(
        ("ends", "last"),
        [({"until": 0.01}, 1), ({"patience": 1, "learning_rate": 1e-12, "ema": 0.0}, 2)],
    )
    def test_killed_after_an_epoch_that_was_enough(
        self, recipe: TrainRecipe, tmp_path: Path, ends: dict[str, float], last: int
    ) -> None:
        generator = train(TrainJob(project=tmp_path, recipe=replace(recipe, **ends)))
        run_id = ""
        for event in generator:
            run_id = event.run_id if isinstance(event, RunCreated) else run_id
            if isinstance(event, EpochMetrics) and event.epoch == last:
                break
        generator.close()
        before = weights(tmp_path, run_id)
        list(train(TrainJob(project=tmp_path, recipe=recipe, run_id=run_id)))
        assert same(weights(tmp_path, run_id), before)
        with Project.open(tmp_path) as project:
            run = project.run(run_id)
            assert run.status == "done"
            assert [row["epoch"] for row in run.metrics() if "epoch" in row] == [1, 2][:last]

    def test_other_data_is_refused(self, recipe: TrainRecipe, tmp_path: Path) -> None:
        generator = train(TrainJob(project=tmp_path / "p", recipe=recipe))
        events = list(until_epoch(generator, 1))
        generator.close()
        path = recipe.dataset / "dataset.json"
        before = path.read_text()
        try:
            path.write_text(before.replace("digest 80", "digest 81"))
            job = TrainJob(
                project=tmp_path / "p", recipe=recipe, run_id=of(events, RunCreated)[0].run_id
            )
            with pytest.raises(DataError, match="changed"):
                list(train(job))
        finally:
            path.write_text(before)

    def test_a_run_that_trains_elsewhere_is_left_alone(
        self, recipe: TrainRecipe, tmp_path: Path
    ) -> None:
        generator = train(TrainJob(project=tmp_path, recipe=recipe))
        run_id = of(list(until_epoch(generator, 1)), RunCreated)[0].run_id
        with pytest.raises(StoreError, match="in use"):
            list(train(TrainJob(project=tmp_path, recipe=recipe, run_id=run_id)))
        with Project.open(tmp_path) as project:
            assert project.run(run_id).status == "running"
        generator.close()

    def test_a_damaged_checkpoint_is_named(self, recipe: TrainRecipe, tmp_path: Path) -> None:
        generator = train(TrainJob(project=tmp_path, recipe=recipe))
        events = list(until_epoch(generator, 1))
        generator.close()
        created = of(events, RunCreated)[0]
        (created.folder / LAST).write_bytes(b"nonsense")
        with pytest.raises(ModelError, match="cannot be read"):
            list(train(TrainJob(project=tmp_path, recipe=recipe, run_id=created.run_id)))
        with Project.open(tmp_path) as project:
            assert project.run(created.run_id).status == "failed"


class TestRun:
    def test_events_store_and_trained_model(self, recipe: TrainRecipe, tmp_path: Path) -> None:
        events = list(train(TrainJob(project=tmp_path, recipe=recipe)))
        epochs = [e for e in of(events, EpochMetrics) if "val/loss" in e.values]
        assert [e.epoch for e in epochs] == [1, 2, 3, 4]
        assert {"train/loss", "train/accuracy", "val/accuracy", "val/f1"} <= set(epochs[0].values)
        assert {c.split for c in of(events, ConfusionReady)} == {"validation", "test"}
        counts = of(events, ConfusionReady)[-1].counts
        assert sum(map(sum, counts)) == 16
        right = sum(counts[i][i] for i in range(2)) / 16
        final = of(events, EpochMetrics)[-1].values
        assert final["test/accuracy"] == pytest.approx(right)
        folder = of(events, RunCreated)[0].folder
        names = {p.name for p in folder.iterdir()}
        assert {"run.json", "metrics.jsonl", LAST, BEST, "state.json", "log.txt"} <= names
        assert json.loads((folder / "state.json").read_text())["epoch"] == 4
        card = of_project(tmp_path)[0]
        assert card.metrics["accuracy"] == pytest.approx(right)
        assert card.classes == ("even", "odd")
        _, inference, networks = read_model(Path(card.folder))
        assert 0.3 <= inference.temperature <= 5
        assert len(networks) == 1
        best = read_tensors(folder / BEST)[0]
        assert same(dict(networks[0].state_dict()), best)
        with Project.open(tmp_path) as project:
            assert [m.name for m in project.models()] == [card.name]
            assert project.runs()[0].status == "done"

    def test_the_network_learns(self, recipe: TrainRecipe, tmp_path: Path) -> None:
        longer = replace(recipe, epochs=40, learning_rate=3e-3)
        events = list(train(TrainJob(project=tmp_path, recipe=longer)))
        last, test = of(events, EpochMetrics)[-2:]
        assert last.values["train/accuracy"] > 0.9
        assert test.values["test/accuracy"] > 0.65

    def test_regression_is_in_the_targets_unit(self, recipe: TrainRecipe, tmp_path: Path) -> None:
        data = dataset(tmp_path / "data", 80, "regression")
        job = TrainJob(project=tmp_path, recipe=replace(recipe, dataset=data.summary.folder))
        values = of(list(train(job)), EpochMetrics)[-1].values
        assert 0 < values["test/mae"] < 3 * data.summary.std
        assert values["test/rmse"] >= values["test/mae"]

    def test_early_stop(self, recipe: TrainRecipe, tmp_path: Path) -> None:
        still = replace(recipe, learning_rate=1e-12, epochs=30, patience=2, ema=0.0)
        events = list(train(TrainJob(project=tmp_path, recipe=still)))
        assert any("stopped early" in e.text for e in of(events, LogLine))
        assert len([e for e in of(events, EpochMetrics) if "val/loss" in e.values]) == 3

    def test_accumulated_passes_give_the_same_step(
        self, recipe: TrainRecipe, tmp_path: Path
    ) -> None:
        found = []
        for n in (1, 4):
            params = {**PARAMS, "dropout": 0.0, "substitution": 0.0}
            one = replace(recipe, accumulate=n, epochs=1, params=params, ema=0.0)
            events = list(train(TrainJob(project=tmp_path / str(n), recipe=one)))
            found.append(weights(tmp_path / str(n), of(events, RunCreated)[0].run_id))
        for key in found[0]:
            if key.startswith("model."):
                torch.testing.assert_close(found[0][key], found[1][key], rtol=0, atol=2e-3)

    @pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
    def test_lower_precision_trains(
        self, recipe: TrainRecipe, tmp_path: Path, precision: str
    ) -> None:
        low = replace(recipe, precision=precision, epochs=2)  # type: ignore[arg-type]
        values = of(list(train(TrainJob(project=tmp_path, recipe=low))), EpochMetrics)[-1].values
        assert math.isfinite(values["test/loss"])

    def test_class_weights_and_the_paper_preset(self, recipe: TrainRecipe, tmp_path: Path) -> None:
        params = {"width": 8, "wide": 16, "depth": 1}
        other = replace(recipe, preset="paper", params=params, epochs=1, class_weights=True)
        events = list(train(TrainJob(project=tmp_path, recipe=other)))
        assert len(of(events, ConfusionReady)) == 2

    def test_majority_is_the_majority(self, recipe: TrainRecipe, tmp_path: Path) -> None:
        plain = replace(recipe, model="majority", params={}, epochs=1)
        events = list(train(TrainJob(project=tmp_path, recipe=plain)))
        counts = of(events, ConfusionReady)[-1].counts
        guessed = [sum(column) for column in zip(*counts, strict=True)]
        assert sorted(guessed) == [0, 16]


class TestTrouble:
    def test_nan_is_explained(self, recipe: TrainRecipe, tmp_path: Path) -> None:
        wild = replace(recipe, learning_rate=1e30, clip_norm=0.0, schedule="constant", warmup=0.0)
        with pytest.raises(Diverged) as caught:
            list(train(TrainJob(project=tmp_path, recipe=wild)))
        info = ErrorInfo.of(caught.value)
        assert info.kind == "nan"
        assert "1e+29" in info.hint
        with Project.open(tmp_path) as project:
            assert project.runs()[0].status == "failed"

    def test_memory_running_out_halves_the_batch(
        self, recipe: TrainRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = CrystalGraphNetwork.forward

        def greedy(self: CrystalGraphNetwork, batch):  # type: ignore[no-untyped-def]
            if self.training and batch.size > 4:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 7 bytes")
            return whole(self, batch)

        monkeypatch.setattr(CrystalGraphNetwork, "forward", greedy)
        events = list(train(TrainJob(project=tmp_path, recipe=recipe)))
        texts = [e.text for e in of(events, LogLine) if "Memory ran out" in e.text]
        assert len(texts) == 2
        assert "4 passes" in texts[-1]

    def test_no_memory_at_all(
        self, recipe: TrainRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def never(self: CrystalGraphNetwork, batch):  # type: ignore[no-untyped-def]
            raise RuntimeError("CUDA out of memory. Tried to allocate 1 TiB")

        monkeypatch.setattr(CrystalGraphNetwork, "forward", never)
        with pytest.raises(NotEnoughMemory) as caught:
            list(train(TrainJob(project=tmp_path, recipe=recipe)))
        assert ErrorInfo.of(caught.value).kind == "memory"

    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"model": "gpt"}, "no model family"),
            ({"params": {"width": -3}}, "out of range"),
            ({"epochs": 0}, "must be positive"),
            ({"learning_rate": float("nan")}, "must be positive"),
            ({"preset": "huge"}, "no preset"),
        ],
    )
    def test_bad_recipes(
        self, recipe: TrainRecipe, tmp_path: Path, change: dict[str, object], text: str
    ) -> None:
        with pytest.raises(ModelError, match=text):
            list(train(TrainJob(project=tmp_path, recipe=replace(recipe, **change))))  # type: ignore[arg-type]

    def test_a_folder_without_data(self, recipe: TrainRecipe, tmp_path: Path) -> None:
        with pytest.raises(DataError):
            list(train(TrainJob(project=tmp_path, recipe=replace(recipe, dataset=tmp_path))))


def test_estimate_counts_parameters_and_leaves_no_run(recipe: TrainRecipe) -> None:
    events = list(estimate(EstimateJob(recipe=recipe)))
    answer = events[-1]
    assert isinstance(answer, EstimateReady)
    assert answer.sizes == (48, 16, 16)
    assert answer.leakage == 0
    assert answer.seconds_per_epoch > 0
    assert answer.parameters > 1000
    assert not math.isnan(answer.memory_bytes)


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    rows = torch.arange(100)
    torch.manual_seed(1)
    first = loop.order(4, 2, rows)
    torch.manual_seed(2)
    assert torch.equal(first, loop.order(4, 2, rows))
    assert not torch.equal(first, loop.order(4, 3, rows))
    assert torch.equal(first.sort().values, rows)
