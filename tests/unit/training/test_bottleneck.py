"""Autoencoders find the dimension of what is known: lines, curves, planes, noise."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crystalgui.core.datasets.hamiltonians.analysis import (
    bottleneck_csv,
    bottleneck_dimension,
    bottleneck_sentence,
)
from crystalgui.core.errors import DataError
from crystalgui.core.messages import BottleneckJob, BottleneckPoint, Progress, Stopped
from crystalgui.core.training.bottleneck import Autoencoder, Whitened, bottleneck, sweep
from tests.unit.datasets.test_hamiltonian_crop import make


def saved(folder: Path, size: int, strength: float) -> Path:
    data = make(size, strength)
    data = replace(data, summary=replace(data.summary, folder=folder))
    data.save()
    return folder


def points(job: BottleneckJob) -> list[BottleneckPoint]:
    return [event for event in bottleneck(job) if isinstance(event, BottleneckPoint)]


def of(table: torch.Tensor) -> Whitened:
    table = (table - table.mean(dim=0)) / table.std(dim=0)
    return Whitened(train=table[:360], validation=table[360:400], test=table[400:], explained=1.0)


def error(data: Whitened, width: int, epochs: int = 40) -> float:
    *_, last = sweep(data, width, epochs, seed=0)
    assert isinstance(last, BottleneckPoint)
    return last.test_error


def test_mixtures_have_dimension_one(tmp_path: Path) -> None:
    found = points(
        BottleneckJob(dataset=saved(tmp_path, 200, 0.0), widths=(2, 1), samples=150, epochs=5)
    )
    assert [point.width for point in found] == [1, 2]
    assert bottleneck_dimension(found) == 1
    assert found[0].test_error < 1e-3
    assert "dimension 1" in bottleneck_sentence(found)


def test_noise_has_more_dimensions_than_every_width(tmp_path: Path) -> None:
    found = points(
        BottleneckJob(dataset=saved(tmp_path, 300, 0.05), widths=(1, 4, 16), samples=240, epochs=6)
    )
    assert bottleneck_dimension(found) is None
    errors = [point.test_error for point in found]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] > 0.5
    assert max(errors) < 1.02  # nothing is learnt by heart
    assert "More than 16" in bottleneck_sentence(found)


def test_a_curve_has_one_dimension_though_it_fills_three_components() -> None:
    """A helix: principal components need all three axes, an autoencoder one number."""
    t = torch.rand(500, 1, generator=torch.Generator().manual_seed(0)) * 4
    data = of(torch.cat([torch.cos(t), torch.sin(t), t], dim=1))
    assert error(data, 1) < 0.01


def test_a_plane_needs_two() -> None:
    generator = torch.Generator().manual_seed(0)
    flat = torch.randn(500, 2, generator=generator)
    data = of(flat @ torch.randn(2, 6, generator=generator))
    assert error(data, 1, 15) > 0.05
    assert error(data, 2, 15) < 0.01


def test_it_begins_as_the_projection_on_the_first_axes() -> None:
    model = Autoencoder(5, 2)
    x = torch.randn(7, 5)
    assert torch.equal(model(x)[:, :2], x[:, :2])
    assert not model(x)[:, 2:].any()


def test_the_same_seed_gives_the_same_numbers(tmp_path: Path) -> None:
    folder = saved(tmp_path, 120, 0.05)
    job = BottleneckJob(dataset=folder, widths=(2,), samples=80, epochs=2, seed=4)
    assert points(job) == points(job)
    assert points(job) != points(replace(job, seed=5))


def test_a_stop_ends_it_between_epochs(tmp_path: Path) -> None:
    flag = threading.Event()
    job = BottleneckJob(dataset=saved(tmp_path, 120, 0.05), samples=80, epochs=1000)
    events = []
    for event in bottleneck(job, flag):
        events.append(event)
        if isinstance(event, Progress) and event.done > 0:
            flag.set()
    assert isinstance(events[-1], Stopped)
    assert not any(isinstance(event, BottleneckPoint) for event in events)


def test_progress_never_goes_back(tmp_path: Path) -> None:
    job = BottleneckJob(dataset=saved(tmp_path, 120, 0.0), widths=(1, 2), samples=80, epochs=3)
    done = [event.done for event in bottleneck(job) if isinstance(event, Progress)]
    assert done == sorted(done)
    assert done[-1] == 2


def test_too_few_samples_and_empty_widths_are_refused(tmp_path: Path) -> None:
    few = BottleneckJob(dataset=saved(tmp_path / "few", 30, 0.0), widths=(1,))
    with pytest.raises(DataError, match="30 samples are too few"):
        points(few)
    with pytest.raises(DataError, match="at least one neuron"):
        points(replace(few, widths=(0, 1)))
    with pytest.raises(DataError, match="holds no imported data set"):
        points(replace(few, dataset=tmp_path / "none"))


def test_the_table_of_a_sweep_has_a_line_for_every_width() -> None:
    found = [BottleneckPoint(width=w, train_error=0.1 / w, test_error=0.2 / w) for w in (4, 1, 2)]
    lines = [x for x in bottleneck_csv(found).splitlines() if not x.startswith("#")]
    assert [line.split(",")[0] for line in lines] == ["width", "1", "2", "4"]
    assert lines[1] == "1,0.1,0.2"
    assert bottleneck_sentence([]).startswith("No autoencoder")
