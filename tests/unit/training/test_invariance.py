"""Rolling a trained network's inputs: what an invariant network keeps and another loses."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crystalgui.cli import main
from crystalgui.core.cards import Card, TrainedModel
from crystalgui.core.datasets.hamiltonians.tables import ZoneBatch
from crystalgui.core.errors import DataError, ModelError, Stopped
from crystalgui.core.messages import (
    InvarianceJob,
    InvariancePoint,
    LayerErrors,
    LogLine,
    Progress,
    ReportWritten,
)
from crystalgui.core.models import _registry as registry
from crystalgui.core.models._base import ZoneModel
from crystalgui.core.models.trained import Inference, write_model
from crystalgui.core.reports.invariance import (
    COLUMNS,
    EXACT,
    layers_sentence,
    over_members,
    points_csv,
    sentence,
)
from crystalgui.core.training.invariance import apart, invariance, layer_errors, shifted
from tests.models.hamiltonians import brillouin_zones, mixtures

MESH = 4


class _Pipeline(ZoneModel):
    """Two convolutions with a stride of two between; toroidal and pooled, or not."""

    torus = True

    def __init__(self, outputs: int, *, shape: tuple[int, ...], **params: Any) -> None:
        super().__init__(outputs, shape=shape)
        padding = "circular" if self.torus else "zeros"
        self.near = nn.Conv3d(shape[0], 4, 3, padding=1, padding_mode=padding)
        self.pool = nn.MaxPool3d(2)
        self.far = nn.Conv3d(4, 4, 3, padding=1, padding_mode=padding)
        self.read = nn.Linear(4 if self.torus else 32, outputs)

    def stages(self) -> tuple[tuple[str, nn.Module], ...]:
        return ("near", self.near), ("pool", self.pool), ("far", self.far)

    def forward(self, batch: ZoneBatch) -> Tensor:
        x = self.far(self.pool(self.near(batch.values)).relu())
        flat = x.flatten(2).mean(2) if self.torus else x.flatten(1)
        out: Tensor = self.read(flat)
        return out


class _Torus(_Pipeline):
    pass


class _Padded(_Pipeline):
    torus = False


@pytest.fixture(autouse=True)
def _families() -> Iterator[None]:
    registry.families()  # those of the program first
    for name, family in (("test-torus", _Torus), ("test-padded", _Padded)):
        card = Card(name=name, title=name, tasks=("classification",), inputs="zone", paper="")
        registry.register(card)(family)
    yield
    for name in ("test-torus", "test-padded"):
        registry._FAMILIES.pop(name)


def trained(folder: Path, family: str, data: Path, members: int = 2, **card: Any) -> Path:
    """A model with random weights, of the shape of the data."""
    from crystalgui.core.datasets.hamiltonians.zone_dataset import ZoneDataset

    found = ZoneDataset.load(data)
    params, _ = registry.settings(family, "")
    states = []
    for seed in range(members):
        torch.manual_seed(seed)
        states.append(registry.build(family, 2, params, (len(found.names),)).state_dict())
    facts: dict[str, Any] = {
        "name": family,
        "family": family,
        "title": family,
        "folder": "",
        "task": "classification",
        "target": "phase",
        "classes": found.summary.classes,
        "params": params,
        **card,
    }
    write_model(folder, TrainedModel(**facts), Inference(shape=(len(found.names),)), states)
    return folder


@pytest.fixture(scope="module")
def zones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "zones"
    brillouin_zones(folder, 120, MESH)
    return folder


def job(model: Path, data: Path, **more: Any) -> InvarianceJob:
    return InvarianceJob(model=str(model), dataset=data, device="cpu", **more)


def run(asked: InvarianceJob) -> tuple[list[InvariancePoint], LayerErrors | None]:
    events = list(invariance(asked))
    layers = [e for e in events if isinstance(e, LayerErrors)]
    return [e for e in events if isinstance(e, InvariancePoint)], layers[0] if layers else None


def test_a_torus_keeps_its_answers_and_a_padded_network_does_not(
    tmp_path: Path, zones: Path
) -> None:
    kept, exact = run(job(trained(tmp_path / "a", "test-torus", zones), zones, rollings=(0, 2)))
    lost, broken = run(job(trained(tmp_path / "b", "test-padded", zones), zones, rollings=(2, 1)))
    assert [p.rolling for p in kept] == [0, 2]
    assert [p.rolling for p in lost] == [1, 2]
    assert kept[0].changed == 0
    assert all(len(p.accuracy) == len(p.cost) == 2 for p in (*kept, *lost))
    assert lost[-1].changed > 0.02
    assert exact is not None
    assert broken is not None
    assert exact.layers == broken.layers == ("near", "pool", "far")
    assert exact.error[0] < EXACT
    # shifts by an odd number of points are not whole behind the pooling
    assert min(exact.error[1:]) > 0.01
    assert min(broken.error) > 0.01


def test_an_even_shift_is_whole_behind_a_pooling() -> None:
    values = torch.randn(4, 3, 8, 8)
    pool = nn.functional.max_pool2d
    even, odd = (apart(pool(values.roll(s, (2, 3)), 2), pool(values, 2)) for s in ((2, -4), (1, 2)))
    assert even < 1e-7
    assert odd > 0.1


def test_errors_of_layers_agree_with_shifts_by_hand(zones: Path) -> None:
    torch.manual_seed(0)
    network = registry.build("test-padded", 2, {}, (3,)).eval()
    values = torch.randn(5, 3, MESH, MESH, MESH)
    batch = ZoneBatch(values, torch.full((5,), 3))
    found = layer_errors(network, batch, shifts=200)
    assert isinstance(network, _Padded)
    still, errors = network.near(values).detach(), []
    every = list(np.ndindex(MESH, MESH, MESH))
    for shift in every[1:]:
        there = network.near(values.roll(shift, (2, 3, 4))).detach()
        moved = torch.stack([still.roll(other, (2, 3, 4)) for other in every])
        apart = (there - moved).flatten(2).norm(dim=2).amin(0)
        errors.append(float((apart / still.flatten(1).norm(dim=1)).mean()))
    assert found[0] == pytest.approx(np.mean(errors), rel=0.03)


def test_a_batch_is_rolled_sample_by_sample() -> None:
    values = torch.randn(3, 2, 4, 5, 6)
    shifts = torch.tensor([[1, 0, 0], [0, -2, 3], [7, 1, 2]])
    moved = shifted(ZoneBatch(values, torch.full((3,), 3)), shifts)
    for one, shift, value in zip(moved.values, shifts.tolist(), values, strict=True):
        assert torch.equal(one, value.roll(shift, (1, 2, 3)))
    assert torch.equal(moved.dimension, torch.full((3,), 3))


def test_accuracy_is_that_of_the_test_rows(tmp_path: Path, zones: Path) -> None:
    from crystalgui.core.datasets.hamiltonians.tables import ZoneTable
    from crystalgui.core.datasets.hamiltonians.zone_dataset import ZoneDataset

    model = trained(tmp_path / "m", "test-torus", zones, members=1)
    (point,), _ = run(job(model, zones, rollings=(0,), samples=0))
    data = ZoneDataset.load(zones)
    rows = torch.from_numpy(np.flatnonzero(data.is_test))
    torch.manual_seed(0)
    network = registry.build("test-torus", 2, {}, (len(data.names),)).eval()
    with torch.no_grad():
        out = network(ZoneTable(data).batch(rows)).double()
    true = torch.from_numpy(data.label)[rows]
    assert point.accuracy[0] == pytest.approx(float((out.argmax(1) == true).double().mean()))
    assert point.cost[0] == pytest.approx(float(nn.functional.cross_entropy(out, true)))


def test_the_same_seed_gives_the_same_numbers(tmp_path: Path, zones: Path) -> None:
    model = trained(tmp_path / "m", "test-padded", zones)
    first, again, other = (
        run(job(model, zones, rollings=(2,), samples=8, seed=seed)) for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_the_report_holds_everything(tmp_path: Path, zones: Path) -> None:
    model = trained(tmp_path / "m", "test-padded", zones)
    out = tmp_path / "out"
    events = list(invariance(job(model, zones, rollings=(0, 1), out=out)))
    (written,) = [e for e in events if isinstance(e, ReportWritten)]
    assert {p.name for p in written.paths} == {
        "invariance.csv", "layers.csv", "invariance.json", "invariance.pdf",
    }  # fmt: skip
    points = [e for e in events if isinstance(e, InvariancePoint)]
    with open(out / "invariance.csv", encoding="utf-8", newline="") as stream:
        header, *lines = csv.reader(stream)
    assert tuple(header) == COLUMNS
    assert float(lines[1][1]) == pytest.approx(np.mean(points[1].accuracy), rel=1e-6)
    plain = json.loads((out / "invariance.json").read_text("utf-8"))
    assert plain["points"][1]["cost"] == list(points[1].cost)
    assert [row["layer"] for row in plain["layers"]] == ["near", "pool", "far"]
    assert (out / "invariance.pdf").read_bytes().startswith(b"%PDF")


def test_the_shipped_kind_of_zone_network_has_no_change(tmp_path: Path, zones: Path) -> None:
    model = trained(tmp_path / "m", "zone", zones, members=1)
    found = list(invariance(job(model, zones, rollings=(0, 3), draws=2)))
    points = [e for e in found if isinstance(e, InvariancePoint)]
    assert points[1].changed == 0
    assert not any(isinstance(e, LayerErrors) for e in found)
    assert any(isinstance(e, LogLine) and "no layers that move" in e.text for e in found)
    assert sentence(points).startswith("Invariant")


def test_what_cannot_be_rolled_is_refused(tmp_path: Path, zones: Path) -> None:
    model = trained(tmp_path / "m", "test-torus", zones)
    mixtures(tmp_path / "mixtures")
    with pytest.raises(DataError, match="Hamiltonians"):
        run(job(model, tmp_path / "mixtures"))
    with pytest.raises(DataError, match="negative"):
        run(job(model, zones, rollings=(-1,)))
    other = trained(tmp_path / "o", "test-torus", zones, classes=("Weyl semimetal", "metal"))
    with pytest.raises(DataError, match="does not know the class"):
        run(job(other, zones))
    graph = TrainedModel(
        name="g", family="cgnn", title="graphs", folder="", task="classification", target="t",
        classes=("a", "b"),
    )  # fmt: skip
    write_model(tmp_path / "g", graph, Inference(), [{"x": torch.zeros(1)}])
    with pytest.raises(ModelError, match="graphs has no classes of what can be rolled"):
        run(job(tmp_path / "g", zones))


def test_rows_that_may_have_been_trained_on_are_said(tmp_path: Path, zones: Path) -> None:
    def remarks(split: str) -> list[str]:
        model = trained(tmp_path / split[:5], "test-torus", zones, members=1, split=split)
        asked = job(model, zones, rollings=(0,), out=tmp_path / "out")
        said = [e.text for e in invariance(asked) if isinstance(e, LogLine)]
        kept = json.loads((tmp_path / "out/invariance.json").read_text("utf-8"))["remarks"]
        assert kept == said[:-1]
        return kept

    assert remarks("given, seed 0: 8 / 1 / 1 zones to train, validate, test") == []
    (words,) = remarks("random, seed 0: 8 / 1 / 1 zones to train, validate, test")
    assert "may have been among its training rows" in words


def test_progress_never_goes_back_and_a_stop_ends_it(tmp_path: Path, zones: Path) -> None:
    model = trained(tmp_path / "m", "test-torus", zones)
    flag = threading.Event()
    steps = invariance(job(model, zones, rollings=(0, 1, 2)), flag)
    shares = []
    for event in steps:
        if isinstance(event, Progress) and event.total:
            shares.append(event.done / event.total)
        if isinstance(event, InvariancePoint) and event.rolling == 1:
            flag.set()
            break
    with pytest.raises(Stopped):
        list(steps)
    assert shares == sorted(shares)
    assert 0 < shares[-1] < 1
    assert torch.is_grad_enabled()


def test_the_command_line_prints_what_was_measured(
    tmp_path: Path, zones: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained(tmp_path / "m", "test-torus", zones)
    words = ["invariance", str(model), "--dataset", str(zones), "--device", "cpu"]
    assert main([*words, "--rolling", "0,2", "--draws", "1"]) == 0
    said = capsys.readouterr()
    assert [line.split(",")[0] for line in said.out.splitlines()] == ["rolling", "0", "2"]
    assert "near" in said.err
    assert main([*words, "--rolling", "0 1", "--json", "--out", str(tmp_path / "out")]) == 0
    assert [p["rolling"] for p in json.loads(capsys.readouterr().out)["points"]] == [0, 1]
    assert (tmp_path / "out/invariance.pdf").is_file()
    assert main([*words, "--rolling", "few"]) == 2
    assert "no degrees of rolling" in capsys.readouterr().err


def test_means_and_sentences() -> None:
    assert over_members((0.5,)) == (0.5, 0.0, 0.5)
    assert over_members((1.0, 3.0), low=True) == pytest.approx((2.0, 2**0.5, 1.0))
    points = [
        InvariancePoint(rolling=0, accuracy=(0.9,), cost=(0.2,)),
        InvariancePoint(rolling=4, accuracy=(0.6,), cost=(1.0,), changed=0.3),
    ]
    assert "from 90.0% at a rolling of 0 to 60.0% at 4" in sentence(points)
    assert points_csv(points).splitlines()[2].endswith("0,0.3")
    assert sentence([]) == "Nothing was measured."
    kept = LayerErrors(layers=("1 conv", "2 pool"), error=(0.0, 3e-7))
    assert layers_sentence(kept).endswith("the largest error is 3e-07.")
    lost = LayerErrors(layers=("1 conv", "2 pool", "3 conv"), error=(1e-7, 0.25, float("nan")))
    assert layers_sentence(lost).startswith("2 of 3 layers")
    assert "the first is 2 pool (0.25)" in layers_sentence(lost)


@pytest.mark.parametrize(
    ("params", "kept"),
    [
        ({"convolution": "toroidal-sum"}, True),
        ({"convolution": "toroidal-sum", "reduce": "full", "kind": "hybrid"}, True),
        ({"convolution": "toroidal-sum", "sampling": "first"}, False),
        ({"convolution": "convolution"}, False),
    ],
    ids=str,
)
def test_extractors_of_images(tmp_path: Path, params: dict[str, Any], kept: bool) -> None:
    from crystalgui.core.datasets.images.dataset import Origin, assemble

    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (60, 1, 8, 8), dtype=np.uint8)
    label = np.arange(60) % 3
    data = assemble(
        "noise", tmp_path / "noise", values, label, np.arange(60) % 2 == 1, ("a", "b", "c"),
        Origin(),
    )  # fmt: skip
    data.save()
    settings, _ = registry.settings("extractor", "small", {**params, "width": 6, "halvings": 1})
    states = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        states.append(registry.build("extractor", 3, settings, (1, 8, 8)).state_dict())
    card = TrainedModel(
        name="e", family="extractor", title="e", folder="", task="classification", target="t",
        classes=("c", "a", "b"), params=settings,
    )  # fmt: skip
    write_model(tmp_path / "e", card, Inference(shape=(1, 8, 8)), states)
    points, layers = run(job(tmp_path / "e", tmp_path / "noise", rollings=(0, 1, 4)))
    assert layers is not None
    assert len(layers.layers) == len(registry.build("extractor", 3, settings, (1, 8, 8)).stages())
    assert points[0].samples == 30
    costs = np.array([p.cost for p in points])
    if kept:
        assert max(p.changed for p in points) == 0
        assert max(layers.error) < EXACT
        assert np.ptp(costs, axis=0).max() < 1e-5
    else:
        assert max(layers.error) > 0.01
        assert np.ptp(costs, axis=0).max() > 1e-5
