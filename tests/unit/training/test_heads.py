"""Attention between atoms: exact entropies of maps made by hand, and what real runs tell of it."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from torch import Tensor

from crystalgui.core.datasets.collate import Batch
from crystalgui.core.messages import (
    AttentionReady,
    EpochMetrics,
    Event,
    GradientsReady,
    LogLine,
    RunCreated,
    SplitSpec,
    TrainJob,
    TrainRecipe,
)
from crystalgui.core.models._base import HEADS
from crystalgui.core.models._tensors import read_tensors
from crystalgui.core.models.layers.attention import Attended
from crystalgui.core.reports.heads import groups, split, without_choice
from crystalgui.core.reports.saturation import saturation
from crystalgui.core.store import monitors as kept
from crystalgui.core.store.project import Project
from crystalgui.core.training import heads as reduced
from crystalgui.core.training import loop
from crystalgui.core.training.heads import heads
from crystalgui.core.training.monitors import Monitor
from crystalgui.core.training.session import LAST, train
from tests.models.samples import dataset
from tests.models.test_cann import batch_of, crystals, network, supercell

T = TypeVar("T", bound=Event)
LAYERS = ("layer 1", "pooling", "seeds")
NAMES = tuple(f"{layer}, head {head}" for layer in LAYERS for head in (1, 2))


def attended(
    weights: Sequence[object],
    rows: Sequence[object],
    many: Sequence[object],
    layer: str = "layer 1",
) -> Attended:
    """One layer of crystals: (b, heads, q, k) weights of rows (b, q) on keys (b, k)."""
    return Attended(
        layer, "atoms", "atoms", torch.tensor(weights, dtype=torch.float),
        torch.tensor(rows, dtype=torch.float), torch.tensor(many, dtype=torch.float),
    )  # fmt: skip


def look(*layers: Attended) -> AttentionReady:
    found = heads(layers, 3, "run", "net")
    assert found is not None
    assert found.entropy is not None
    return found


# ------------------------------------------------------------ maps made by hand


def test_entropies_of_every_head_by_itself() -> None:
    half = [[0.5, 0.5, 0.0, 0.0]] * 4
    one, mean = [[0.0, 1.0, 0.0, 0.0]] * 4, [[0.25] * 4] * 4
    mixed = [*one[:2], *mean[:2]]
    seen = look(attended([[one, half, mean, mixed]], [[1] * 4], [[1] * 4]))
    assert seen.layers == tuple(f"layer 1, head {i}" for i in (1, 2, 3, 4))
    assert seen.entropy is not None
    assert seen.entropy.mean == pytest.approx((0.0, 0.5, 1.0, 0.5))
    assert seen.entropy.std == pytest.approx((0.0, 0.0, 0.0, 0.5), abs=1e-7)
    assert seen.entropy.quantiles[3] == pytest.approx((0.0, 0.0, 0.0, 1.0, 1.0))
    assert seen.single == (True, False, False, False)
    assert seen.alike == (False, False, True, False)
    assert seen.mean == pytest.approx((0.25,) * 4)  # every row sums to one
    assert seen.quantiles[1] == pytest.approx((0.0, 0.0, 0.0, 0.5, 0.5))
    assert (seen.measure, seen.epoch, seen.run_id, seen.network) == ("heads", 3, "run", "net")
    assert (seen.samples, seen.saturated, seen.lost) == (1, (False,) * 4, (0.0,) * 4)


def test_padding_and_rows_without_a_choice_never_count() -> None:
    full = [[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.7, 0.3, 0.0]]  # the third is padding
    alone = [[1.0, 0.0, 0.0]] * 3  # one atom: nothing to choose
    own = look(attended([[full]], [[1, 1, 0]], [[1, 1, 0]]))
    both = look(attended([[full], [alone]], [[1, 1, 0], [1, 0, 0]], [[1, 1, 0], [1, 0, 0]]))

    def nats(p: float) -> float:
        return -(p * math.log(p) + (1 - p) * math.log(1 - p)) / math.log(2)

    for seen in (own, both):
        assert seen.entropy is not None
        assert seen.entropy.mean[0] == pytest.approx((nats(0.9) + nats(0.8)) / 2)
        assert seen.mean[0] == pytest.approx(0.5)
        assert seen.quantiles[0] == pytest.approx((0.1, 0.1, 0.2, 0.8, 0.9))
    assert heads([attended([[alone]], [[1, 0, 0]], [[1, 0, 0]])], 1) is None
    assert heads([], 1) is None
    broken = [[math.nan, math.nan]] * 2
    assert heads([attended([[broken]], [[1, 1]], [[1, 1]])], 1) is None


def test_every_crystal_counts_alike() -> None:
    small = attended([[[[0.5, 0.5]] * 2]], [[1, 1]], [[1, 1]])
    large = attended([[[[1.0] + [0.0] * 7] * 8]], [[1] * 8], [[1] * 8])
    seen = look(small, large)  # two buckets of one layer
    assert seen.entropy is not None
    assert seen.entropy.mean == pytest.approx((0.5,))
    assert seen.mean[0] == pytest.approx((1 / 2 + 1 / 8) / 2)
    assert (seen.layers, seen.samples) == (("layer 1, head 1",), 2)
    assert not seen.single[0]
    assert not seen.alike[0]


def test_an_orbit_is_as_many_atoms() -> None:
    orbits = look(attended([[[[0.25, 0.75], [0.5, 0.5]]]], [[1, 3]], [[1, 3]]))
    share = [[0.25] * 4, *[[0.5, 1 / 6, 1 / 6, 1 / 6]] * 3]
    atoms = look(attended([[share]], [[1] * 4], [[1] * 4]))
    for name in ("mean", "std"):
        assert getattr(orbits, name) == pytest.approx(getattr(atoms, name))
    assert orbits.quantiles[0] == pytest.approx(atoms.quantiles[0])
    assert orbits.entropy is not None
    assert atoms.entropy is not None
    assert orbits.entropy.mean == pytest.approx(atoms.entropy.mean)
    assert orbits.entropy.quantiles[0] == pytest.approx(atoms.entropy.quantiles[0])
    mean = look(attended([[[[0.25, 0.75]] * 2]], [[1, 3]], [[1, 3]]))
    assert mean.alike == (True,)


def test_weight_on_padding_is_told_and_counts_nowhere() -> None:
    open_ = [[0.1, 0.1, 0.8], [0.2, 0.0, 0.8], [0.3, 0.3, 0.4]]
    lost = [[0.0, 0.0, 1.0]] * 3
    seen = look(attended([[open_, lost]], [[1, 1, 0]], [[1, 1, 0]], "a"),
                attended([[open_]], [[1, 1, 0]], [[1, 1, 0]], "b"))  # fmt: skip
    assert seen.layers == ("b, head 1",)  # no row of a head of the first is left
    assert seen.entropy is not None
    assert seen.entropy.mean[0] == pytest.approx(0.5)
    assert seen.lost[0] == pytest.approx(0.8)
    assert seen.mean[0] == pytest.approx(0.1)


def test_of_many_weights_evenly_chosen_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.linspace(0, 1, 1001).double().expand(2, -1)
    count = torch.ones(2, 1001).double()
    count[1, 501:] = 0
    whole = reduced.quantiles(values, count)
    wanted = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95]).double()
    torch.testing.assert_close(whole, torch.stack([wanted, wanted / 2]), atol=0.001, rtol=0)
    monkeypatch.setattr(reduced, "PAIRS", 101)
    torch.testing.assert_close(reduced.quantiles(values, count), whole, atol=0.011, rtol=0)


# ------------------------------------------------------------------- networks


@pytest.mark.parametrize(
    ("preset", "kind", "cutoff"),
    [("small", "orbits", 5.0), ("paper", "atoms", 0.0), ("geometry", "atoms", 0.0)],
)
def test_together_or_one_by_one(preset: str, kind: str, cutoff: float) -> None:
    items = [supercell(c, (1, 1, 1 + i % 4)) for i, c in enumerate(crystals(6))]
    model = network(preset, heads=2, seeds=3)
    with torch.no_grad():
        every = look(*model.attended(batch_of(items, kind, cutoff))[1])
        own = [heads(model.attended(batch_of([item], kind, cutoff))[1], 3) for item in items]
    assert every.samples == len(items)
    assert every.layers[0] == "layer 1, head 1"
    for place, name in enumerate(every.layers):
        alone = [r for r in own if r is not None and name in r.layers]
        assert alone
        values = [r.entropy.mean[r.layers.index(name)] for r in alone if r.entropy is not None]
        assert every.entropy is not None
        assert every.entropy.mean[place] == pytest.approx(sum(values) / len(values), abs=1e-5)
    assert HEADS in model.card.taps


@pytest.mark.parametrize(
    ("params", "layers"),
    [
        ({"form": "induced", "depth": 1},
         ("layer 1, inward", "layer 1, outward", "pooling", "seeds")),
        ({"form": "alternating"}, ("layer 1", "layer 2")),
        ({"masked": False}, ("layer 1", "layer 2", "pooling", "seeds")),
        ({"seeds": 1}, ("layer 1", "layer 2", "pooling")),  # one seed has nobody to look at
    ],
)  # fmt: skip
def test_ablations_have_maps(params: dict[str, str | int | bool], layers: tuple[str, ...]) -> None:
    model = network("small", heads=2, **params)
    with torch.no_grad():
        seen = look(*model.attended(batch_of(crystals(5), "orbits", 5.0))[1])
    assert groups(seen.layers) == tuple((layer, 2) for layer in layers)
    padded = not params.get("masked", True)
    assert (max(seen.lost) > 0.5) is padded
    assert seen.entropy is not None
    assert all(0 <= q <= 1 + 1e-6 for row in seen.entropy.quantiles for q in row)


def test_only_the_seed_that_is_read_counts() -> None:
    batch = batch_of(crystals(5), "orbits", 5.0)
    seeds = network("small", heads=2, seeds=3).attended(batch)[1][-1]
    assert seeds.layer == "seeds"
    assert seeds.rows is not None
    assert seeds.rows.tolist() == [[1.0, 0.0, 0.0]] * len(seeds.rows)


# ------------------------------------------------------------------ what is said


def reading(epoch: int, single: str = "", alike: str = "") -> AttentionReady:
    flags = {word: tuple(c == "x" for c in text.ljust(len(NAMES)))
             for word, text in (("single", single), ("alike", alike))}  # fmt: skip
    some = (0.1,) * len(NAMES)
    return AttentionReady(
        epoch=epoch, run_id="r", layers=NAMES, mean=some, std=some, quantiles=((0.1,) * 5,) * 6,
        saturated=(False,) * 6, samples=9, measure="heads", lost=some, **flags,
    )  # fmt: skip


def test_heads_that_choose_nothing_are_named() -> None:
    readings = [reading(0, alike="xxxxxx"), reading(1, "x", "  xx"), reading(2, "xx x", "  x x")]
    assert without_choice(readings, 0) == ""  # before training
    assert without_choice(readings, 1) == (
        "Collapsed, each row with all its weight on one: head 1 of layer 1, since epoch 1. "
        "As good as a mean, all alike in each row: heads 1 and 2 of pooling, from the start."
    )
    said = without_choice(readings, 2)
    assert "heads 1 and 2 of layer 1; head 2 of pooling, since epoch 2." in said
    assert "head 1 of pooling; head 1 of seeds, since epoch 2." in said
    assert saturation(readings, 2) is None  # a floor is no remedy for a softmax over atoms
    assert without_choice([reading(1)], 1) == without_choice([], 1) == ""


def test_names_of_heads() -> None:
    assert split("layer 1, inward, head 12") == ("layer 1, inward", "12")
    assert split("3 pool") == ("3 pool", "")
    assert groups(NAMES) == (("layer 1", 2), ("pooling", 2), ("seeds", 2))
    assert groups(("0 input", "1 conv")) == groups(()) == ()


# ------------------------------------------------------------------------ runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset(tmp_path_factory.mktemp("data"), 60).summary.folder


@pytest.fixture
def recipe(folder: Path) -> TrainRecipe:
    return TrainRecipe(
        model="cann",
        dataset=folder,
        params={"width": 8, "wide": 8, "key": 4, "gaussians": 4, "depth": 1, "heads": 2,
                "seeds": 2, "dropout": 0.3, "substitution": 0.2},
        epochs=3,
        batch_size=16,
        ema=0.9,
        device="cpu",
        threads=1,
        seed=3,
        split=SplitSpec(validation=0.3, test=0.2),
    )  # fmt: skip


def of(events: list[Event], kind: type[T]) -> list[T]:
    return [e for e in events if isinstance(e, kind)]


def kept_of(project: Path, events: list[Event]) -> tuple[list[kept.Monitored], dict[str, Tensor]]:
    with Project.open(project) as opened:
        run = opened.run(of(events, RunCreated)[0].run_id)
        found = [replace(event, run_id="") for event in run.monitors()]
        return found, read_tensors(run.file(LAST))[0]


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_heads_move_while_a_run_trains_and_looking_changes_nothing(
    recipe: TrainRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = list(train(TrainJob(project=tmp_path / "a", recipe=recipe)))
    found = of(watched, AttentionReady)
    assert [r.epoch for r in found] == [0, 1, 2, 3]
    assert all(r.layers == NAMES and r.samples == 8 for r in found)
    told = [r.entropy for r in found if r.entropy is not None]
    assert len({e.mean for e in told}) == 4
    assert not of(watched, GradientsReady)  # no stages whose activations have places
    assert not any("floor" in e.text for e in of(watched, LogLine))
    kept_a, weights = kept_of(tmp_path / "a", watched)
    assert kept_a == [replace(r, run_id="") for r in found]
    monkeypatch.setattr(loop, "_look", lambda fit: [])
    blind = list(train(TrainJob(project=tmp_path / "b", recipe=recipe)))
    assert not of(blind, AttentionReady)
    assert same(weights, kept_of(tmp_path / "b", blind)[1])
    scores = [[e.values["val/loss"] for e in of(events, EpochMetrics) if "val/loss" in e.values]
              for events in (watched, blind)]  # fmt: skip
    assert scores[0] == scores[1]


def test_a_resumed_run_tells_the_same(recipe: TrainRecipe, tmp_path: Path) -> None:
    straight = list(train(TrainJob(project=tmp_path / "a", recipe=recipe)))
    stop, events = threading.Event(), []
    for event in train(TrainJob(project=tmp_path / "b", recipe=recipe), stop):
        events.append(event)
        if isinstance(event, EpochMetrics) and event.epoch == 1:
            stop.set()
    run_id = of(events, RunCreated)[0].run_id
    list(train(TrainJob(project=tmp_path / "b", recipe=recipe, run_id=run_id)))
    told, weights = kept_of(tmp_path / "a", straight)
    again, resumed = kept_of(tmp_path / "b", events)
    assert told == again
    assert same(weights, resumed)


def test_fewer_crystals_where_memory_runs_out() -> None:
    model, sizes = network("small", heads=2), []

    class Small:
        device = torch.device("cpu")

        def batch(self, index: Tensor) -> object:
            sizes.append(len(index))
            if len(index) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return batch_of([crystals(8)[int(i)] for i in index], "orbits", 5.0)

    rows, target = torch.arange(8), torch.zeros(8, dtype=torch.int64)
    watch = Monitor(Small(), target, torch.nn.functional.cross_entropy, rows, rows)
    told = [list(watch.look(model, epoch)) for epoch in (0, 1)]
    assert sizes == [8, 4, 2, 2]
    assert [e.samples for e in of([e for every in told for e in every], AttentionReady)] == [2, 2]


@pytest.mark.parametrize("size", [5, 12])
def test_what_validation_told_is_not_asked_again(size: int) -> None:
    """The same crystals of a validation in batches as of one look; a larger one is thinned out."""
    model, asked = network("small", heads=2), []
    every = [supercell(c, (1, 1, 1 + i % 4)) for i, c in enumerate(crystals(12))]

    class Small:
        device = torch.device("cpu")

        def batch(self, index: Tensor) -> Batch:
            asked.append(index.tolist())
            return batch_of([every[int(i)] for i in index], "orbits", 5.0)

    rows, target = torch.arange(12), torch.zeros(12, dtype=torch.int64)
    table = Small()
    watch = Monitor(table, target, torch.nn.functional.cross_entropy, rows, rows)
    first = next(e for e in watch.look(model, 0) if isinstance(e, AttentionReady))
    assert asked == [[0, 2, 3, 5, 6, 8, 9, 11]]
    for epoch in (1, 2):
        asked.clear()
        with torch.no_grad():
            answers = [watch.answer(model, table.batch(part)) for part in rows.split(size)]
            torch.testing.assert_close(torch.cat(answers), model(table.batch(rows)))
        asked.clear()
        again = next(e for e in watch.look(model, epoch) if isinstance(e, AttentionReady))
        assert not asked
        assert (again.layers, again.samples) == (first.layers, 8)
        assert again.mean == pytest.approx(first.mean, abs=1e-6)
        assert again.entropy is not None
        assert first.entropy is not None
        assert again.entropy.mean == pytest.approx(first.entropy.mean, abs=1e-6)
        assert not watch.seen_heads


def test_old_readings_are_read(tmp_path: Path) -> None:
    line = (
        '{"kind": "attention", "run_id": "r", "epoch": 1, "layers": ["0 input"], "mean": [0.5], '
        '"std": [0.1], "quantiles": [[0.1, 0.2, 0.3, 0.4, 0.5]], "saturated": [false], '
        '"samples": 3}\n'
    )
    (tmp_path / kept.FILE).write_text(line)
    (old,) = kept.read(tmp_path)
    assert isinstance(old, AttentionReady)
    assert (old.measure, old.entropy, old.single) == ("", None, ())
    kept.append(tmp_path, reading(2, "x"))
    assert kept.read(tmp_path)[1] == reading(2, "x")
