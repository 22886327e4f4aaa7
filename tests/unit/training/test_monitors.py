"""Attention, gradients and saturation: against constructions by hand; looking changes nothing."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crystalgui.core.cards import Card
from crystalgui.core.messages import AttentionReady, Event, GradientsReady, LogLine
from crystalgui.core.models._base import Network
from crystalgui.core.reports.saturation import saturation
from crystalgui.core.store import monitors as kept
from crystalgui.core.training import attention, monitors
from crystalgui.core.training.attention import Gate, gate_of
from crystalgui.core.training.gradients import alike, gradients, homogeneous, norm
from crystalgui.core.training.monitors import Monitor, evenly

CARD = Card(name="tiny", title="Tiny", tasks=("classification",), inputs="image", paper="",
            taps=("attention",))  # fmt: skip


@dataclass(frozen=True)
class Samples:
    values: Tensor


class Table:
    """Random images that are held in memory."""

    device = torch.device("cpu")

    def __init__(self, rows: int, channels: int = 2, points: int = 6) -> None:
        self.values = torch.randn(rows, channels, points, points,
                                  generator=torch.Generator().manual_seed(1))  # fmt: skip

    def batch(self, index: Tensor) -> Samples:
        return Samples(self.values[index])


class Tiny(Network):
    """Toroidal convolutions without non-linearity, pooled; gates of each read-out."""

    card = CARD

    def __init__(self, pool: str = "mean", depth: int = 3, gain: float = 1.0) -> None:
        super().__init__(3)
        torch.manual_seed(0)
        self.layers = nn.ModuleList(
            nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular") for _ in range(depth)
        )
        for layer in self.layers:
            layer.weight.data.mul_(gain)
        self.pool, self.drop = pool, nn.Dropout(0.5)
        self.gate, self.read = nn.Linear(2 * (depth + 1), depth + 1), nn.Linear(2, 3)
        self.seen = 0

    def stages(self) -> tuple[tuple[str, nn.Module], ...]:
        return tuple((f"layer {i + 1}", layer) for i, layer in enumerate(self.layers))

    def forward(self, batch: Samples) -> Tensor:
        return self.tapped(batch)[0]

    def tapped(self, batch: Samples) -> tuple[Tensor, dict[str, Tensor]]:
        x = batch.values
        self.seen += len(x)
        read = [x.mean((2, 3))]
        for layer in self.layers:
            x = layer(x)
            read.append(x.mean((2, 3)))
        last = x.mean((2, 3)) if self.pool == "mean" else x.amax((2, 3))
        gates = torch.sigmoid(self.gate(torch.cat(read, 1)))
        return self.read(self.drop(last)), {"attention": gates}


def monitor(rows: int = 40, **more: Any) -> tuple[Monitor, Table, list[Event]]:
    table, found = Table(rows), []
    every = torch.arange(rows)
    target = every % 3
    given = {"train": every[: rows // 2], "validation": every[rows // 2 :], **more}
    watch = Monitor(table, target, nn.functional.cross_entropy, keep=found.append, **given)
    return watch, table, found


class TestAttention:
    def test_numbers_of_the_spread(self) -> None:
        values = torch.tensor([[0.0, 0.2, 1.0], [0.0, 0.4, 1.0], [0.0, 0.9, 1.0]])
        seen = attention.spread(values, ("a", "b", "c"), 4, "run", network="net")
        assert seen.mean == pytest.approx((0.0, 0.5, 1.0))
        assert seen.std[1] == pytest.approx(math.sqrt((0.09 + 0.01 + 0.16) / 3))
        assert seen.quantiles[1] == pytest.approx((0.22, 0.3, 0.4, 0.65, 0.85))
        assert seen.saturated == (True, False, True)
        assert (seen.epoch, seen.samples, seen.run_id, seen.network) == (4, 3, "run", "net")

    def test_constant_but_inside_is_not_saturated(self) -> None:
        values = torch.full((9, 2), 0.3)
        assert attention.stuck(values).tolist() == [False, False]
        mixed = torch.cat([torch.zeros(5, 2), torch.ones(5, 2)])
        assert attention.stuck(mixed).tolist() == [False, False]
        assert attention.stuck(torch.ones(5, 1)).tolist() == [False]

    def test_resting_on_the_floor_is_saturated(self) -> None:
        values = torch.tensor([[0.1, 0.1, 0.3, 1.0], [0.1, 0.5, 0.3, 1.0]])
        seen = attention.spread(values, ("a", "b", "c", "d"), 1, gate=Gate(0.1))
        assert seen.saturated == (True, False, False, True)
        assert (seen.floor, seen.least, seen.most) == pytest.approx((0.1, 0.1, 1.0))

    def test_a_softmax_shares_its_floor_out(self) -> None:
        values = torch.tensor([[0.05, 0.05, 0.85, 0.05], [0.05, 0.06, 0.84, 0.05]])
        layers = ("a", "b", "c", "d")
        seen = attention.spread(values, layers, 1, gate=Gate(0.2, normalised=True))
        assert (seen.least, seen.most) == pytest.approx((0.05, 0.85))
        assert seen.saturated == (True, False, False, True)
        always = attention.spread(values[:1], layers, 1, gate=Gate(0.2, normalised=True))
        assert always.saturated == (True,) * 4

    def test_names_of_read_outs(self) -> None:
        network = Tiny(depth=2)
        taps = {"attention": torch.zeros(5, 3)}
        assert attention.read_outs(network, taps) == ("input", "layer 1", "layer 2")
        assert attention.read_outs(network, {"a": torch.zeros(5, 2)}) == ("layer 1", "layer 2")
        assert attention.read_outs(network, {"a": torch.zeros(5, 4)}) == ("0", "1", "2", "3")
        both = attention.read_outs(network, {**taps, "b": torch.zeros(5, 1)})
        assert both == (
            "attention: input", "attention: layer 1", "attention: layer 2", "b: 0"
        )  # fmt: skip


class TestGradients:
    def look(self, network: Tiny, rows: int = 6) -> GradientsReady:
        network.eval()
        batch = Table(rows).batch(torch.arange(rows))
        return gradients(network, batch, torch.arange(rows) % 3, nn.functional.cross_entropy)

    def test_behind_a_mean_all_gradients_are_homogeneous(self) -> None:
        seen = self.look(Tiny("mean"))
        assert seen.layers == ("layer 1", "layer 2", "layer 3")
        assert seen.homogeneous == pytest.approx((1.0, 1.0, 1.0))

    def test_behind_a_maximum_one_point_of_each_channel(self) -> None:
        seen = self.look(Tiny("max"))
        assert seen.homogeneous[-1] == pytest.approx(1 / 36)
        assert all(h < 0.5 for h in seen.homogeneous)

    def test_norm_against_central_differences(self) -> None:
        network, rows = Tiny("max").double().eval(), 4
        x, target = Table(rows).values[:rows].double(), torch.arange(rows) % 3
        seen = gradients(network, Samples(x), target, nn.functional.cross_entropy)
        after = network.layers[1](network.layers[0](x)).detach()

        def cost(hidden: Tensor) -> float:
            pooled = network.layers[2](hidden).amax((2, 3))
            each = nn.functional.cross_entropy(network.read(pooled), target, reduction="sum")
            return float(each)

        step, total = 1e-6, 0.0
        with torch.no_grad():
            for place in range(after.numel()):
                up, down = after.clone().view(-1), after.clone().view(-1)
                up[place] += step
                down[place] -= step
                slope = (cost(up.view_as(after)) - cost(down.view_as(after))) / (2 * step)
                total += slope**2
        assert seen.norm[1] == pytest.approx(math.sqrt(total / after.numel()), rel=1e-5)

    def test_size_of_the_batch_does_not_matter(self) -> None:
        network = Tiny("mean").eval()
        x, target = Table(4).values, torch.arange(4) % 3
        once = gradients(network, Samples(x), target, nn.functional.cross_entropy)
        twice = gradients(
            network, Samples(torch.cat([x, x])), torch.cat([target, target]),
            nn.functional.cross_entropy,
        )  # fmt: skip
        assert twice.norm == pytest.approx(once.norm, rel=1e-5)
        assert twice.alike == pytest.approx(once.alike, rel=1e-5)

    def test_vanishing_and_exploding(self) -> None:
        small, large = self.look(Tiny(gain=0.1)), self.look(Tiny(gain=10.0))
        assert small.norm[0] < 0.1 * small.norm[1] < 0.01 * small.norm[2]
        assert large.norm[0] > 5 * large.norm[1] > 25 * large.norm[2]

    def test_alike(self) -> None:
        rows = torch.tensor([[1.0, 0.0], [-2.0, 0.0], [0.0, 3.0]])
        assert alike(rows) == pytest.approx(1 / 3)  # one pair of three lies on a line
        assert alike(rows[:2]) == pytest.approx(1.0)
        assert math.isnan(alike(torch.tensor([[1.0, 0.0], [0.0, 0.0]])))
        assert math.isnan(alike(None))

    def test_no_gradient(self) -> None:
        assert norm(None) == 0.0
        assert math.isnan(homogeneous(None))
        assert math.isnan(homogeneous(torch.zeros(2, 3, 4)))

    def test_nothing_is_left_behind(self) -> None:
        network = Tiny("max").eval()
        before = {k: v.clone() for k, v in network.state_dict().items()}
        self.look(network)
        assert all(p.grad is None for p in network.parameters())
        assert all(not layer._forward_hooks for layer in network.layers)
        assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


class TestMonitor:
    def test_events_are_kept_before_they_are_told(self) -> None:
        watch, _, found = monitor()
        events = list(watch.look(Tiny().eval(), 0))
        assert [type(e) for e in events] == [AttentionReady, GradientsReady]
        assert found == events
        assert events[0].layers == ("input", "layer 1", "layer 2", "layer 3")
        assert events[0].samples == 20

    def test_looking_changes_no_random_numbers(self) -> None:
        watch, table, _ = monitor()
        network, drawn = Tiny().eval(), []

        class Rolled(Table):
            def batch(self, index: Tensor) -> Samples:
                drawn.append(torch.rand(()).item())
                return Samples(table.values[index])

        watch.table = Rolled(1)
        torch.manual_seed(5)
        expected = torch.rand(3)
        torch.manual_seed(5)
        list(watch.look(network, 1))
        assert torch.equal(torch.rand(3), expected)
        first = list(drawn)
        list(watch.look(network, 2))
        assert drawn == first * 2

    def test_what_was_heard_is_not_read_again(self) -> None:
        watch, table, _ = monitor()
        network = Tiny().eval()
        for rows in torch.split(watch.validation, 7):
            watch.hear(network, network.tapped(table.batch(rows))[1])
        direct = network.tapped(table.batch(watch.validation))[1]["attention"]
        network.seen = 0
        first = next(e for e in watch.look(network, 3) if isinstance(e, AttentionReady))
        assert network.seen == 8  # the gradients' rows alone
        assert first.mean == pytest.approx(direct.mean(0).tolist())
        assert not watch.heard

    def test_work_is_a_small_share_of_an_epoch(self) -> None:
        watch, _, _ = monitor(8000)
        network = Tiny().eval()
        list(watch.look(network, 0))
        assert network.seen == 1250 + 20
        network.seen = 0
        list(watch.look(network, 1))
        assert network.seen == 60 + 20  # half a per cent of 4000 rows each
        hasty, _, _ = monitor(8000, thorough=False)
        network.seen = 0
        list(hasty.look(network, 0))
        assert network.seen == 60 + 20

    def test_saturation_is_said_once(self) -> None:
        watch, _, found = monitor()
        network = Tiny().eval()
        network.gate.weight.data.zero_()
        network.gate.bias.data = torch.tensor([-20.0, 0.3, 20.0, 0.0])
        lines = [e for e in watch.look(network, 2) if isinstance(e, LogLine)]
        assert len(lines) == 1
        assert lines[0].level == "warning"
        assert lines[0].text.startswith("Layer 0 is shut and layer 2 is open for every sample")
        assert not [e for e in watch.look(network, 3) if isinstance(e, LogLine)]
        again, _, _ = monitor(kept=lambda: found)  # a run that goes on has said it
        assert not [e for e in again.look(network, 4) if isinstance(e, LogLine)]
        network.gate.bias.data[1] = -20.0
        (line,) = [e for e in again.look(network, 5) if isinstance(e, LogLine)]
        seen = [e for e in found if isinstance(e, AttentionReady)]
        assert again.seen is not None
        same = saturation(again.seen, 5)
        assert same is not None
        assert line.text == same.sentence
        assert line.text.startswith("Layers 0 and 1 are shut and layer 2 is open")
        assert len(seen) == 2

    def test_attention_that_is_no_number_is_not_told(self) -> None:
        watch, _, found = monitor()
        network = Tiny().eval()
        network.gate.bias.data.fill_(math.nan)
        list(watch.look(network, 1))
        assert [type(e) for e in found] == [GradientsReady]
        assert not watch.heard

    def test_fewer_rows_where_memory_runs_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        watch, _, _ = monitor()
        sizes = []

        def greedy(network: Network, batch: Samples, target: Tensor, *more: Any) -> GradientsReady:
            sizes.append(len(target))
            if len(target) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return gradients(network, batch, target, *more)

        monkeypatch.setattr(monitors, "gradients", greedy)
        events = list(watch.look(Tiny().eval(), 1))
        assert sizes == [8, 4, 2]
        assert isinstance(events[-1], GradientsReady)
        list(watch.look(Tiny().eval(), 2))
        assert sizes[3:] == [2]

    def test_network_without_an_inside(self) -> None:
        class Plain(Tiny):
            card = replace(CARD, taps=())

            def stages(self) -> tuple[tuple[str, nn.Module], ...]:
                return ()

        watch, _, found = monitor()
        assert list(watch.look(Plain().eval(), 0)) == found == []

    def test_evenly(self) -> None:
        assert evenly(torch.arange(5), 9).tolist() == [0, 1, 2, 3, 4]
        assert evenly(torch.arange(101), 5).tolist() == [0, 25, 50, 75, 100]

    def test_floor(self) -> None:
        assert gate_of({"floor": 0.05}) == Gate(0.05)
        assert gate_of({"floor": 0.1, "attention": "softmax"}) == Gate(0.1, normalised=True)
        assert gate_of({"width": 3}) == Gate()
        assert Gate(0.1).ends(5) == (0.1, 1.0)


class TestKept:
    def events(self, epoch: int) -> list[kept.Monitored]:
        values = torch.rand(9, 2, generator=torch.Generator().manual_seed(epoch))
        seen = attention.spread(values, ("a", "b"), epoch, "run")
        nan = float("nan")
        slopes = GradientsReady(run_id="run", epoch=epoch, layers=("a",), norm=(0.1,),
                                homogeneous=(0.25,), alike=(nan,))  # fmt: skip
        return [seen, slopes]

    def test_round_trip_by_epoch(self, tmp_path: Path) -> None:
        for epoch in (0, 1, 2):
            for event in self.events(epoch):
                kept.append(tmp_path, event)
        found = kept.read(tmp_path)
        assert [e.epoch for e in found] == [0, 0, 1, 1, 2, 2]
        assert found[2] == self.events(1)[0]
        assert isinstance(found[3], GradientsReady)
        assert math.isnan(found[3].alike[0])
        assert kept.read(tmp_path, "other")[0].run_id == "other"

    def test_torn_and_foreign_lines(self, tmp_path: Path) -> None:
        first, second = self.events(1)
        kept.append(tmp_path, first)
        with open(tmp_path / kept.FILE, "ab") as stream:
            stream.write(b'{"kind": "noise"}\n[1]\n{"kind": "gradients", "epo')
        kept.append(tmp_path, second)
        assert kept.read(tmp_path)[:1] == [first]
        assert len(kept.read(tmp_path)) == 2
        lines = (tmp_path / kept.FILE).read_text().splitlines()
        assert json.loads(lines[-1])["kind"] == "gradients"

    def test_repeated_epoch_is_there_once(self, tmp_path: Path) -> None:
        first = self.events(1)[0]
        assert isinstance(first, AttentionReady)
        kept.append(tmp_path, replace(first, samples=3))
        kept.append(tmp_path, first)
        assert kept.read(tmp_path) == [first]

    def test_truncated(self, tmp_path: Path) -> None:
        for epoch in (0, 1, 2):
            for event in self.events(epoch):
                kept.append(tmp_path, event)
        kept.truncate(tmp_path, 1)
        assert [e.epoch for e in kept.read(tmp_path)] == [0, 0, 1, 1]
        kept.truncate(tmp_path / "none", 0)

    def test_networks_of_a_sweep_by_themselves(self, tmp_path: Path) -> None:
        for network in ("one", "two"):
            for epoch in (0, 1, 2):
                for event in self.events(epoch):
                    kept.append(tmp_path, replace(event, network=network))
        found = kept.read(tmp_path)
        assert [e.network for e in found] == ["one"] * 6 + ["two"] * 6
        assert [e.epoch for e in found[:6]] == [0, 0, 1, 1, 2, 2]
        kept.truncate(tmp_path, 0, "two")
        left = [(e.network, e.epoch) for e in kept.read(tmp_path)]
        assert left[5:] == [("one", 2), ("two", 0), ("two", 0)]
        kept.truncate(tmp_path, -1, "one")
        assert {e.network for e in kept.read(tmp_path)} == {"two"}
