"""What residual networks cannot do, against constructions whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crystalgui.core.datasets.images.tables import ImageBatch
from crystalgui.core.models._base import Network
from crystalgui.core.training.deficits import (
    layers,
    multiply_adds,
    probe,
    reached,
    read,
    shared_basis,
    unrecovered,
)


class _Two(Network):
    """Two toroidal convolutions and a global pool."""

    def __init__(self, pool: str = "mean") -> None:
        super().__init__(3, shape=(2, 6, 6))
        self.near = nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular", bias=False)
        self.far = nn.Conv2d(4, 3, 1, bias=False)
        self.pool = pool

    def stages(self) -> tuple[tuple[str, nn.Module], ...]:
        return ("near", self.near), ("far", self.far)

    def forward(self, batch: Any) -> Tensor:
        flat = self.far(self.near(batch.values)).flatten(2)
        return flat.mean(2) if self.pool == "mean" else flat.amax(2)


@pytest.fixture
def batch() -> ImageBatch:
    return ImageBatch(torch.rand(5, 2, 6, 6, generator=torch.Generator().manual_seed(1)))


def test_layers_and_what_a_readout_gives(batch: ImageBatch) -> None:
    network = _Two()
    near, far = layers(network, batch)
    assert torch.equal(near, network.near(batch.values))
    assert np.allclose(read([near, far])[1], far.mean((2, 3)).detach().numpy())
    assert np.allclose(network(batch).detach().numpy(), read([far])[0], atol=1e-6)


def test_a_gradient_reaches_all_points_behind_a_mean_and_one_behind_a_maximum(
    batch: ImageBatch,
) -> None:
    target = torch.arange(5) % 3
    torch.manual_seed(0)
    assert reached(_Two(), batch, target) == pytest.approx((1, 1))
    near, far = reached(_Two("max"), batch, target)
    assert far == pytest.approx(1 / 36)
    assert 1 / 36 < near < 3.5 / 36  # the maxima of the three outputs
    assert not any(p.grad is not None for p in _Two().parameters())


def test_multiplications_are_counted(batch: ImageBatch) -> None:
    assert multiply_adds(_Two(), batch) == 36 * (4 * 2 * 9 + 3 * 4)


def test_channels_that_mean_the_same_are_seen() -> None:
    before = torch.randn(40, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    other = torch.randn(40, 6, 5, 5, generator=torch.Generator().manual_seed(1))
    same, apart = shared_basis(before, before + 0.1 * other)
    assert same == pytest.approx(1 / 1.01**0.5, abs=0.01)
    assert apart < 0.05
    mixed = before[:, [1, 2, 3, 4, 5, 0]]
    assert shared_basis(before, mixed)[0] < 0.05


def test_what_a_linear_map_can_bring_back() -> None:
    values = torch.randn(600, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    half = values[:400], values[400:]
    turned = tuple(2 * t.flip(3) + 1 for t in half)
    pooled = tuple(nn.functional.avg_pool2d(t, 2) for t in half)
    assert unrecovered(half, (turned[0], turned[1])) < 0.01
    # three of four directions of each window are lost
    assert unrecovered(half, (pooled[0], pooled[1])) == pytest.approx(0.75**0.5, abs=0.04)


def test_a_probe_tells_what_is_linear() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    told = rng.normal(size=(400, 3))
    told[:, 0] += 6 * label
    assert probe(told[:300], label[:300], told[300:], label[300:]) > 0.97
    noise = rng.normal(size=(400, 3))
    assert probe(noise[:300], label[:300], noise[300:], label[300:]) < 0.65
