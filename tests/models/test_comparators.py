"""ResNet, DenseNet and Inception: published sizes, what blocks do, shifts, replicas, meters."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from crystalgui.core.datasets.images.rolling import roll
from crystalgui.core.datasets.images.tables import ImageBatch
from crystalgui.core.errors import ModelError
from crystalgui.core.messages import TrainRecipe
from crystalgui.core.models import _registry as registry
from crystalgui.core.models.comparators import KINDS, BasicBlock, Comparator, Layers, Maximum
from crystalgui.core.training.gradients import gradients
from crystalgui.core.training.invariance import layer_errors
from crystalgui.core.training.stack import Stack, Task
from tests.models.kinds import samples
from tests.models.settling import settle

IMAGE = (3, 12, 12)


def network(
    shape: tuple[int, ...] = IMAGE, preset: str = "small", seed: int = 0, **params: Any
) -> Comparator:
    torch.manual_seed(seed)
    sizes = {"width": 6, "growth": 4} if preset == "small" else {}
    values, _ = registry.settings("comparator", preset, {**sizes, **params})
    model = registry.build("comparator", 10, values, shape)
    assert isinstance(model, Comparator)
    return model


def images(number: int = 4) -> Tensor:
    return torch.stack(samples("image", number))


def settled(model: Comparator, x: Tensor) -> Comparator:
    """With the running mean and spread of its norms, as after training."""
    model.standardise([ImageBatch(x)])
    settle(model.train(), x)
    return model.eval()


@pytest.mark.parametrize(
    ("preset", "params", "millions", "convolutions"),
    [
        ("cifar", {}, "0.27", 19),  # ResNet-20, He et al., Table 6; the linear layer is its 20th
        ("cifar", {"depth": 18}, "1.7", 109),  # ResNet-110
        ("cifar-densenet", {}, "1.0", 39),  # DenseNet-40, Huang et al., Table 2
        ("cifar-densenet", {"depth": 16, "bottleneck": True, "compression": 0.5, "width": 24},
         "0.8", 99),  # DenseNet-BC-100
    ],
)  # fmt: skip
def test_sizes_are_the_published_ones(
    preset: str, params: dict[str, Any], millions: str, convolutions: int
) -> None:
    model = network((3, 32, 32), preset, **params)
    count = sum(p.numel() for p in model.parameters()) / 1e6
    assert f"{count:.{len(millions) - 2}f}" == millions
    assert sum(p.ndim == 4 for p in model.parameters()) == convolutions


def test_a_module_is_that_of_googlenet() -> None:
    """Module 3a of Szegedy et al., Table 1, but with 64 channels before it in place of 192."""
    model = network((3, 28, 28), kind="inception", width=64, depth=1, norm="none", halvings=0)
    weights = [tuple(p.shape) for p in model.pipeline[1].parameters() if p.ndim == 4]
    assert weights == [(64, 64, 1, 1), (96, 64, 1, 1), (128, 96, 3, 3), (16, 64, 1, 1),
                       (32, 16, 5, 5), (32, 64, 1, 1)]  # fmt: skip
    assert model.read.in_features == 256


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 7, 10)])
def test_stages_halve_images_where_two_divides_them(kind: str, shape: tuple[int, ...]) -> None:
    model = network(shape, kind=kind)
    sizes, x = [], torch.rand(2, *shape)
    for _, stage in model.stages():
        x = stage(x)
        sizes.append(tuple(x.shape[2:]))
    wanted = {28: (28, 14, 7), 32: (32, 16, 8), 7: (7, 7, 7), 10: (10, 5, 5)}
    assert list(dict.fromkeys(sizes)) == list(
        dict.fromkeys(zip(wanted[shape[1]], wanted[shape[2]], strict=True))
    )
    names = [name for name, _ in model.stages()]
    assert len(set(names)) == len(names)


def test_a_residual_block_adds() -> None:
    layers = Layers("flat", "batch")
    block, x = BasicBlock(layers, 3, 5, (2, 2)).eval(), images(2)
    last = block.body[2].weight
    with torch.no_grad():
        last.zero_()
    bypass = block(x)
    assert torch.equal(bypass[:, :3], x[:, :, ::2, ::2])
    assert not bypass[:, 3:].any()
    with torch.no_grad():
        last.fill_(1.0)
    assert torch.equal(block(x), torch.relu(block.body(x) + bypass))


@pytest.mark.parametrize("bottleneck", [False, True])
def test_a_dense_layer_keeps_what_came_before(bottleneck: bool) -> None:
    model = network(kind="densenet", compression=0.5, bottleneck=bottleneck).eval()
    stages = dict(model.stages())
    x = stages["stem"](images(2))
    found = stages["layer 1.2"](stages["layer 1.1"](x))
    assert torch.equal(found[:, :6], x)
    assert found.shape[1] == 6 + 4 + 4
    halved = stages["transition 1"](found)
    assert halved.shape[1:] == (7, 6, 6)


def test_a_maximum_on_a_torus_sees_across_the_edge() -> None:
    x = images(2)
    around = [x.roll(s, (2, 3)) for s in itertools.product((-1, 0, 1), repeat=2)]
    every = torch.stack(around).amax(0)
    assert torch.equal(Maximum(Layers("torus", "none"))(x), every)
    inside = Maximum(Layers("flat", "none"))(x)
    assert torch.equal(inside[..., 1:-1, 1:-1], every[..., 1:-1, 1:-1])
    assert not torch.equal(inside, every)


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_torus_shifts_are_not_noticed_and_otherwise_they_are(kind: str) -> None:
    x = images(6).double()
    for wrap in ("torus", "flat"):
        model = settled(network(kind=kind, wrap=wrap).double(), x)
        with torch.no_grad():
            still = model(x[:2])
            shifts = itertools.product(range(12), (0, 1, 7))
            moved = torch.stack([model(x[:2].roll(shift, (2, 3))) for shift in shifts])
        error = float((moved - still).abs().max() / (still[0] - still[1]).abs().max())
        errors = layer_errors(model, ImageBatch(x))
        assert len(errors) == len(model.stages())
        if wrap == "torus":
            assert model.symmetries == ("origin",)
            assert error < 1e-10
            assert max(errors) < 1e-10
        else:
            assert model.symmetries == ()
            assert error > 1e-2
            assert min(errors) > 1e-3


@pytest.mark.parametrize("wrap", ["flat", "torus"])
@pytest.mark.parametrize("kind", KINDS)
def test_replicas_are_networks_one_by_one(kind: str, wrap: str) -> None:
    """Stacked and mapped, each rolled its own way: outputs, gradients and running means."""
    x, target, rows = images(12), torch.arange(12) % 3, torch.arange(12)
    loss = torch.nn.functional.cross_entropy
    task = Task(
        build=lambda seed: network(kind=kind, wrap=wrap, seed=seed),
        batch=lambda chosen: ImageBatch(x[chosen]),
        target=target, train=rows, parts={"test": rows}, classes=("a", "b", "c"),
        recipe=TrainRecipe(model="comparator", dataset=Path("images")), loss=loss,
        seeds=(3, 4), rolled=(0, 5),
    )  # fmt: skip
    stack = Stack(task)
    shifts = task.shifts(0, 12)
    assert shifts is not None
    losses, _ = stack.backward(rows, shifts)
    assert stack._mappable is True
    for replica, seed in enumerate((3, 4)):
        alone = network(kind=kind, wrap=wrap, seed=seed).train()
        cost = loss(alone(roll(x, shifts[replica])), target)
        cost.backward()
        torch.testing.assert_close(losses[replica], cost.detach(), rtol=1e-4, atol=1e-5)
        grad = alone.read.weight.grad
        stacked = stack.get_parameter("read/weight").grad
        assert stacked is not None
        torch.testing.assert_close(stacked[replica], grad, rtol=1e-3, atol=1e-4)
        kept = stack.network(replica)
        for name, buffer in alone.named_buffers():
            torch.testing.assert_close(kept.get_buffer(name), buffer, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_meter_reads_every_stage(kind: str) -> None:
    model, x = settled(network(kind=kind), images(6)), images(6)
    seen = gradients(model, ImageBatch(x), torch.arange(6) % 3, torch.nn.functional.cross_entropy)
    assert seen.layers == tuple(name for name, _ in model.stages())
    assert min(seen.norm) > 0
    assert seen.homogeneous[-1] == pytest.approx(1.0)  # behind a global mean


def test_only_images_are_read() -> None:
    for shape in [(3, 12), (3, 4, 4, 4), (3,)]:
        with pytest.raises(ModelError, match="cannot read inputs of shape"):
            network(shape)
