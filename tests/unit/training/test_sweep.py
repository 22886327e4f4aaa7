"""Sweeps: members rolled their own way, groups of any size, cut off and gone on."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crystalgui.__main__ import main
from crystalgui.core.cards import Card, Param
from crystalgui.core.datasets.images.dataset import ImageDataset
from crystalgui.core.datasets.images.rolling import roll
from crystalgui.core.datasets.images.tables import ImageBatch, ImageTable
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.errors import Stopped as Stopped_
from crystalgui.core.messages import (
    DatasetSummary,
    Event,
    LogLine,
    Progress,
    RunCreated,
    SplitSpec,
    Stopped,
    SweepJob,
    SweepNetwork,
    SweepPoint,
    SweepRecipe,
    TrainRecipe,
)
from crystalgui.core.models import _registry as registry
from crystalgui.core.models._base import Network
from crystalgui.core.reports import sweeps as reports
from crystalgui.core.stopping import stoppable
from crystalgui.core.store.project import Project
from crystalgui.core.store.sweeps import is_sweep, read_points, sweep_recipe
from crystalgui.core.training import grouping
from crystalgui.core.training import sweep as sweeps
from crystalgui.core.training.grouping import Group, group_of, step_bytes
from crystalgui.core.training.recipes import changed_sweep, read_sweep, sweep_network
from crystalgui.core.training.replicas import family_task, replicate
from crystalgui.core.training.stack import Stack, Task
from crystalgui.core.training.sweep import key_of, some_rows, sweep, sweep_points

SIDE, CLASSES = 6, 3


class Tiny(Network):
    """One convolution on a torus; ``flat`` reads every pixel by itself."""

    def __init__(
        self, outputs: int, *, shape: tuple[int, ...], flat: bool = False, width: int = 4
    ) -> None:
        super().__init__(outputs, shape=shape)
        c, h, w = shape
        self.flat = flat
        self.kernels = nn.Conv2d(c, width, 3, padding=1, padding_mode="circular")
        self.last = nn.Linear(width * h * w if flat else width, outputs)

    def forward(self, batch: ImageBatch) -> Tensor:
        hidden = self.kernels(batch.values).relu()
        out: Tensor = self.last(hidden.flatten(1) if self.flat else hidden.mean((2, 3)))
        return out


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small family that reads images, known to the registry in this file only."""
    registry.families()
    Tiny.card = Card(
        name="tiny",
        title="Tiny",
        tasks=("classification",),
        inputs="image",
        paper="",
        params=(
            Param(name="flat", label="flat", default=False),
            Param(name="width", label="width", default=4, minimum=1, maximum=64),
        ),
    )
    monkeypatch.setitem(registry._FAMILIES, "tiny", Tiny)


@pytest.fixture
def images(tmp_path: Path) -> ImageDataset:
    """Stripes across, stripes along, and a blot: 90 noisy images of three classes."""
    draw = np.random.default_rng(0)
    label = np.arange(90) % CLASSES
    values = draw.integers(0, 60, (90, 1, SIDE, SIDE))
    values[label == 0, :, ::2, :] += 150
    values[label == 1, :, :, ::2] += 150
    values[label == 2, :, 1:4, 1:4] += 190
    dataset = ImageDataset(
        summary=DatasetSummary(
            name="stripes",
            folder=tmp_path / "stripes",
            task="classification",
            target="class",
            size=90,
            classes=("across", "along", "blot"),
            kind="images",
            digest="stripes-1",
        ),
        values=values.astype(np.uint8),
        label=label.astype(np.int64),
        is_test=np.arange(90) >= 60,
    )
    dataset.save()
    return dataset


def _recipe(images: ImageDataset, **changes: Any) -> SweepRecipe:
    recipe = SweepRecipe(
        title="stripes by rolling",
        base=TrainRecipe(
            model="",
            dataset=images.summary.folder,
            preset="",
            split=SplitSpec(kind="given"),
            epochs=3,
            batch_size=20,
            learning_rate=0.02,
            seed=5,
            device="cpu",
        ),
        networks=(
            SweepNetwork(title="torus sum", model="tiny"),
            SweepNetwork(title="flat", model="tiny", params={"flat": True}),
        ),
        rollings=(0, 2),
        repeats=2,
    )
    return replace(recipe, **changes)


def _all(steps: Generator[Event, None, Any]) -> tuple[list[Event], Any]:
    events: list[Event] = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as end:
            return events, end.value


def test_every_network_degree_and_repeat_has_a_point(images: ImageDataset) -> None:
    recipe = _recipe(images, base=replace(_recipe(images).base, epochs=12))
    events, points = _all(sweep_points(recipe))
    assert [(p.network, p.rolling, p.repeat) for p in points] == [
        (network, chi, repeat)
        for network in ("torus sum", "flat")
        for chi in (0, 2)
        for repeat in (0, 1)
    ]
    assert [e for e in events if isinstance(e, SweepPoint)] == points
    assert all(math.isfinite(p.cost) and p.cost > 0 for p in points)
    assert np.mean([p.accuracy for p in points if p.rolling == 0]) > 0.7  # a third by chance
    last = [e for e in events if isinstance(e, Progress)][-1]
    assert (last.done, last.total) == (8, 8)


def test_a_point_is_that_of_any_group(
    images: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _recipe(images)
    together = _all(sweep_points(recipe))[1]
    monkeypatch.setattr(sweeps, "group_of", lambda task, wanted: Group(1, 1))
    alone = _all(sweep_points(recipe))[1]
    for one, other in zip(together, alone, strict=True):
        assert one.cost == pytest.approx(other.cost, rel=1e-4)
        assert one.accuracy == other.accuracy
    flat = [p.cost for p in together if p.network == "flat"]
    assert len(set(flat)) == len(flat)  # none is another's copy
    whole = [p.cost for p in together if p.network == "torus sum" and p.repeat == 0]
    assert whole[0] == pytest.approx(whole[1], rel=1e-4)  # it cannot see how it is rolled


def _task(images: ImageDataset, **more: Any) -> Task:
    base = replace(_recipe(images).base, model="tiny", epochs=2)
    rows = torch.arange(60)
    return family_task(
        base,
        ImageTable(images),
        images.shape,
        torch.from_numpy(images.label),
        rows,
        {"test": torch.arange(60, 90)},
        images.summary.classes,
        **more,
    )


def test_each_replica_is_rolled_by_its_own_degree_anew_in_each_epoch(images: ImageDataset) -> None:
    task = _task(images, seeds=(5, 5, 6), rolled=(0, 2, 2))
    first, second = task.shifts(0, 60), task.shifts(1, 60)
    assert first is not None
    assert second is not None
    assert first.shape == (3, 60, 2)
    assert not first[0].any()
    assert sorted(first[1:].unique().tolist()) == [-2, -1, 0, 1, 2]
    assert not torch.equal(first[1], first[2])
    assert not torch.equal(first[1], second[1])
    assert torch.equal(_task(images, seeds=(6,), rolled=(2,)).shifts(0, 60)[0], first[2])
    assert _task(images, seeds=(5, 6), rolled=(0, 0)).shifts(0, 60) is None


def test_rolled_replicas_step_as_networks_by_themselves(images: ImageDataset) -> None:
    task = _task(images, seeds=(5, 6), rolled=(1, 2))
    stack, rows = Stack(task), torch.arange(20)
    shifts = task.shifts(0, 20)
    assert shifts is not None
    losses, _ = stack.backward(rows, shifts)
    values = task.batch(rows).values
    for r, seed in enumerate((5, 6)):
        network = task.build(seed)
        loss = task.loss(network(ImageBatch(roll(values, shifts[r]))), task.target[rows])
        loss.backward()
        assert float(losses[r]) == pytest.approx(float(loss.detach()), rel=1e-5)
        for name, p in network.named_parameters():
            torch.testing.assert_close(
                stack.get_parameter(name.replace(".", "/")).grad[r], p.grad, rtol=1e-3, atol=1e-6
            )


def test_networks_that_look_at_their_numbers_train_one_after_another(
    images: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _recipe(images)
    mapped = _all(sweep_points(recipe))[1]
    forward = Tiny.forward

    def curious(self: Tiny, batch: ImageBatch) -> Tensor:
        assert batch.values.max().tolist() <= 1
        return forward(self, batch)

    monkeypatch.setattr(Tiny, "forward", curious)
    looped = _all(sweep_points(recipe))[1]
    for one, other in zip(mapped, looped, strict=True):
        assert one.cost == pytest.approx(other.cost, rel=1e-4)


def test_norms_over_the_batch_are_those_of_each_network(images: ImageDataset) -> None:
    """What a network remembers of its batches goes with its weights."""
    params = {"width": 3, "depth": 1, "halvings": 1, "basis": 4, "wide": 4, "norm": "batch"}
    base = replace(_recipe(images).base, model="extractor", params=params, epochs=2)
    task = _task(images)
    task = family_task(
        base, ImageTable(images), images.shape, task.target, task.train, task.parts,
        task.classes, seeds=(5, 6), rolled=(0, 2),
    )  # fmt: skip
    fitted = _all(replicate(task))[1]
    shifts = task.shifts(0, 30, "the answers of test")
    assert shifts is not None
    values = task.batch(task.parts["test"]).values
    for r, seed in enumerate((5, 6)):
        network = task.build(seed)
        start = {k: v.clone() for k, v in network.named_buffers() if v.is_floating_point()}
        network.load_state_dict(fitted.weights(r))
        moved = [k for k, v in network.named_buffers() if k in start and not v.equal(start[k])]
        assert moved  # the running means
        with torch.no_grad():
            alone = network.eval()(ImageBatch(roll(values, shifts[r])))
        torch.testing.assert_close(fitted.outputs["test"][r], alone, rtol=1e-4, atol=1e-5)


def test_a_network_that_diverges_leaves_the_others(images: ImageDataset) -> None:
    task = _task(images, seeds=(5, 6), rolled=(0, 1), tolerant=True)
    build = task.build

    def broken(seed: int) -> nn.Module:
        network = build(seed)
        if seed == 5:
            with torch.no_grad():
                network.last.bias.fill_(math.nan)
        return network

    whole = _all(replicate(task))[1]
    fitted = _all(replicate(replace(task, build=broken)))[1]
    assert not fitted.outputs["test"][0].isfinite().any()
    assert torch.equal(fitted.outputs["test"][1], whole.outputs["test"][1])
    answers = sweeps._answers(task, fitted)
    assert answers[0] == {"accuracy": None, "cost": None}


def test_what_is_kept_is_not_trained_again(images: ImageDataset) -> None:
    recipe, kept = _recipe(images), dict[str, Any]()
    stop = threading.Event()

    def keep(key: str, numbers: Any) -> None:
        kept[key] = json.loads(json.dumps(numbers))
        if len(kept) == 4:
            stop.set()

    half = _all(sweep_points(recipe, done=kept.get, keep=keep, stop=stop))[1]
    assert [p.network for p in half] == ["torus sum"] * 4
    assert key_of(recipe.networks[0], 2, 1) in kept
    events, whole = _all(sweep_points(recipe, done=kept.get))
    assert {e.network for e in events if isinstance(e, SweepPoint)} == {"flat"}
    assert whole == _all(sweep_points(recipe))[1]


def test_groups_shrink_when_memory_runs_out(
    images: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, sizes = _recipe(images), list[int]()
    whole = _all(sweep_points(recipe))[1]
    train = sweeps._Group.train

    def starved(self: Any, members: Any, *more: Any) -> Any:
        sizes.append(len(members))
        if len(members) > 2:
            raise RuntimeError("CUDA out of memory.")
        return train(self, members, *more)

    monkeypatch.setattr(sweeps._Group, "train", starved)
    events, points = _all(sweep_points(recipe))
    assert sizes == [4, 2, 2, 4, 2, 2]
    assert [p.accuracy for p in points] == [p.accuracy for p in whole]
    assert sum(isinstance(e, LogLine) and "Memory ran out" in e.text for e in events) == 2


def test_fewer_rows_keep_the_classes(images: ImageDataset) -> None:
    classes = np.repeat([0, 1, 2], (60, 30, 10))
    rows = np.arange(100)
    chosen = some_rows(rows, classes, 25, seed=1)
    assert np.bincount(classes[chosen]).tolist() in ([15, 8, 2], [15, 7, 3])
    assert np.array_equal(chosen, np.unique(chosen))
    assert np.array_equal(chosen, some_rows(rows, classes, 25, seed=1))
    assert not np.array_equal(chosen, some_rows(rows, classes, 25, seed=2))
    assert np.array_equal(some_rows(rows, classes, 0, seed=1), rows)
    recipe = _recipe(images, train=30, test=6, rollings=(0,), repeats=1)
    points = _all(sweep_points(recipe))[1]
    assert all(round(6 * p.accuracy, 9) % 1 == 0 for p in points)


def test_a_group_fits_its_memory(images: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    task = _task(images, seeds=(5,), rolled=(2,))
    size = step_bytes(task)
    activations = 20 * 4 * SIDE * SIDE * 4
    assert size > activations
    monkeypatch.setattr(grouping, "CPU_BYTES", 3 * size)
    assert group_of(task, 2).size == 2
    assert group_of(task, 10) == Group(3, 1)
    monkeypatch.setattr(grouping, "CPU_BYTES", size // 2)
    assert group_of(task, 10).size == 1


def test_threads_are_for_groups_with_much_to_do(
    images: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = _task(images, seeds=(5,), rolled=(2,))
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert group_of(task, 4).threads == 1
    monkeypatch.setattr(grouping, "BUSY_BYTES", 1)
    assert group_of(task, 4).threads == 6
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert group_of(task, 4).threads == 2
    asked = replace(task, recipe=replace(task.recipe, threads=3))
    assert group_of(asked, 4).threads == 3


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"networks": ()}, "no networks"),
        ({"networks": (SweepNetwork(title="a", model="tiny"),) * 2}, "one title"),
        ({"rollings": (-1, 0)}, "negative"),
        ({"networks": (SweepNetwork(title="a", model="nothing"),)}, "no model family"),
        ({"networks": (SweepNetwork(title="a", model="cgnn"),)}, "cannot learn"),
    ],
)
def test_what_cannot_be_trained_is_refused_first(
    images: ImageDataset, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ModelError, match=words):
        next(sweep_points(_recipe(images, **changes)))


# ------------------------------------------------------------------ in a project


def test_a_sweep_is_one_run(images: ImageDataset, tmp_path: Path) -> None:
    recipe, home = _recipe(images), tmp_path / "project"
    events, _ = _all(sweep(SweepJob(project=home, recipe=recipe)))
    created = next(e for e in events if isinstance(e, RunCreated))
    points = [e for e in events if isinstance(e, SweepPoint)]
    assert {p.run_id for p in points} == {created.run_id}
    with Project.open(home) as project:
        (run,) = project.runs()
        assert (run.status, run.epochs, run.title) == ("done", 8, "stripes by rolling")
        assert is_sweep(run)
        assert sweep_recipe(run) == recipe
        assert run.best["test/accuracy"] == max(p.accuracy for p in points)
        assert read_points(run.folder, run.id) == points
        assert not run.file(sweeps.CHECKPOINT).exists()
        assert "sweep" in project.runs_csv()


def test_a_killed_sweep_goes_on_in_the_middle_of_a_group(
    images: ImageDataset, tmp_path: Path
) -> None:
    recipe, home = _recipe(images), tmp_path / "project"
    steps = sweep(SweepJob(project=home, recipe=recipe))
    run_id = ""
    for event in steps:
        if isinstance(event, RunCreated):
            run_id = event.run_id
        if isinstance(event, Progress) and event.text.endswith(
            "flat: 4 networks together, epoch 2 of 3"
        ):
            break  # four points are kept, and a checkpoint of the second epoch of the others
    steps.close()
    with Project.open(home) as project:
        run = project.run(run_id)
        assert run.status == "stopped"
        assert len(read_points(run.folder)) == 4
        assert run.file(sweeps.CHECKPOINT).is_file()
        with open(run.file("sweep.jsonl"), "ab") as stream:
            stream.write(b'{"network": "torn')
    events, _ = _all(sweep(SweepJob(project=home, recipe=recipe, run_id=run_id)))
    texts = [e.text for e in events if isinstance(e, Progress)]
    assert not any("epoch 1 of 3" in text for text in texts)
    assert any("4 of 8" in e.text for e in events if isinstance(e, LogLine))
    with Project.open(home) as project:
        run = project.run(run_id)
        assert run.status == "done"
        kept = read_points(run.folder)
    assert kept == _all(sweep_points(recipe))[1]


def test_a_sweep_is_cancelled_within_an_evaluation(
    images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, home, cancelled = _recipe(images), tmp_path / "project", threading.Event()
    outputs = Stack.outputs

    def cancel(self: Stack, *what: Any) -> Tensor:
        if not self.training:
            cancelled.set()
        return outputs(self, *what)

    monkeypatch.setattr(Stack, "outputs", cancel)
    recipe = replace(recipe, base=replace(recipe.base, batch_size=10))
    with pytest.raises(Stopped_), stoppable(cancelled):
        _all(sweep(SweepJob(project=home, recipe=recipe)))
    monkeypatch.undo()
    with Project.open(home) as project:
        (run,) = project.runs()
        assert run.status == "stopped"
        assert run.file(sweeps.CHECKPOINT).is_file()


def test_a_stopped_sweep_says_so_and_other_data_are_refused(
    images: ImageDataset, tmp_path: Path
) -> None:
    recipe, home = _recipe(images), tmp_path / "project"
    stop = threading.Event()
    stop.set()
    events, _ = _all(sweep(SweepJob(project=home, recipe=recipe), stop))
    assert isinstance(events[-1], Stopped)
    replace(images, summary=replace(images.summary, digest="other")).save()
    with pytest.raises(DataError, match="has changed"):
        _all(sweep(SweepJob(project=home, recipe=recipe, run_id=events[-1].run_id)))


# ------------------------------------------------------------------ headless


def _words(
    images: ImageDataset, out: Path, rolling: tuple[str, ...] = ("--rolling", "0,2")
) -> list[str]:
    return [
        "sweep", "--dataset", str(images.summary.folder), "--network", "sum=tiny",
        "--network", "tiny,flat=true,width=3", *rolling, "--repeats", "2",
        "--set", "epochs=2", "--set", "batch_size=20", "--out", str(out),
    ]  # fmt: skip


def test_the_command_line_sweeps_and_goes_on(
    images: ImageDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(_words(images, out)) == 0
    said = capsys.readouterr()
    header, *rows = said.out.splitlines()
    assert header.startswith("network,group,rolling,networks,accuracy_mean")
    assert [row.partition(",")[0] for row in rows][:2] == ["sum", "sum"]
    assert len(rows) == 4
    assert len(said.err.splitlines()) == 10  # a head, a line for each network, an end
    assert {p.name for p in out.iterdir()} >= {"points.csv", "curves.csv", "sweep.pdf"}
    assert (out / "sweep.pdf").read_bytes().startswith(b"%PDF")
    again = _words(images, out, ("--rolling", "0", "--rolling", "2"))
    assert main([*again, "--json"]) == 0  # nothing is trained again
    plain = json.loads(capsys.readouterr().out)
    assert len(plain["points"]) == 8
    with Project.open(out) as project:
        assert len(project.runs()) == 1


def test_a_recipe_is_a_file(images: ImageDataset, tmp_path: Path) -> None:
    path = tmp_path / "stripes.json"
    recipe = {
        "networks": [{"title": "sum", "model": "tiny"}],
        "rollings": [0, 1],
        "base": {"dataset": images.summary.folder.name, "epochs": 4},
    }
    path.write_text(json.dumps(recipe))
    found = read_sweep(path)
    assert (found.title, found.rollings, found.base.epochs) == ("stripes", (0, 1), 4)
    assert found.base.dataset == images.summary.folder
    assert changed_sweep(found, {"epochs": 9, "split.seed": 3}).base.epochs == 9
    path.write_text(json.dumps({"networks": 3}))
    with pytest.raises(ModelError, match="cannot be read"):
        read_sweep(path)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("nothing", "no model family"),
        ("tiny:huge", "no preset"),
        ("tiny,depth=3", "no parameter"),
        ("tiny,flat", "not key=value"),
        ("tiny,width=900", "width"),
    ],
)
def test_networks_in_words_that_cannot_be(words: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        sweep_network(words)


def test_what_a_report_says(images: ImageDataset, tmp_path: Path) -> None:
    recipe = _recipe(images)
    points = [
        SweepPoint(run_id="", network=n, rolling=chi, repeat=r, accuracy=a, cost=c)
        for n, chi, r, a, c in (
            ("flat", 0, 0, 0.9, 0.1),
            ("flat", 0, 1, 0.7, 1.0),
            ("flat", 2, 0, math.nan, math.nan),
            ("torus sum", 0, 0, 0.8, 0.01),
            ("torus sum", 2, 0, 0.8, 0.01),
        )
    ]
    whole, flat = reports.curves(recipe, points, "cost")
    assert (flat.network, flat.rolling.tolist()) == ("flat", [0])
    assert (flat.mean[0], flat.best[0]) == pytest.approx((-0.5, -1.0))
    assert flat.spread[0] == pytest.approx(math.sqrt(0.5))
    assert whole.mean.tolist() == pytest.approx([-2, -2])
    text = reports.sentence(recipe, points)
    assert "5 of 8 networks are ready, 1 of them without a finite cost" in text
    assert json.loads(reports.to_json(recipe, points))["points"][2]["cost"] is None
    paths = reports.write(tmp_path / "report", recipe, points)
    assert [p.stat().st_size > 0 for p in paths] == [True] * 4
