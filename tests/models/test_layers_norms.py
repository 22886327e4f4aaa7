"""Norms know no place, one tensor does not know another, and replicas have norms of their own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from crystalgui.core.errors import ModelError
from crystalgui.core.models.layers.convolution import Convolution
from crystalgui.core.models.layers.norms import (
    NORMS,
    SLOPE,
    BatchNorm,
    TensorNorm,
    activation,
    norm,
)
from crystalgui.core.models.layers.pooling import GlobalPool, LocalPool

EXACT = {"rtol": 0, "atol": 1e-10}


def field(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_a_tensor_is_normalised_by_itself() -> None:
    layer = TensorNorm(3).double()
    x = 5 + 3 * field(4, 3, 5, 6)
    out = layer(x)
    torch.testing.assert_close(out.flatten(1).mean(1), torch.zeros(4).double(), **EXACT)
    spread = out.flatten(1).std(1, correction=0)
    torch.testing.assert_close(spread, torch.ones(4).double(), rtol=0, atol=1e-5)
    for i in range(4):  # whatever else is in the batch
        torch.testing.assert_close(layer(x[i : i + 1])[0], out[i], **EXACT)
    scaled = layer(x * torch.tensor([1.0, 10.0, 0.1, 7.0])[:, None, None, None])
    torch.testing.assert_close(scaled, out, rtol=0, atol=1e-3)
    vectors = layer(x[..., 0, 0])
    torch.testing.assert_close(vectors.mean(1), torch.zeros(4).double(), **EXACT)
    assert layer(torch.full((1, 3, 4, 4), 2.0).double()).abs().max() == 0


def test_what_a_global_mean_reads_after_it_is_not_lost() -> None:
    x = field(4, 3, 5, 6) + torch.tensor([0.0, 1.0, 2.0])[None, :, None, None]
    read = GlobalPool(("mean",))(TensorNorm(3).double()(x))
    assert read.std(1).min() > 0.3


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_norms_move_with_their_input(kind: str, dimension: int) -> None:
    layer = norm(kind, 3).double()
    x = field(2, 3, *(4, 5, 6)[:dimension])
    axes = tuple(range(2, dimension + 2))
    shift = (1, 3, 2)[:dimension]
    for mode in (True, False):
        layer.train(mode)
        out = layer(x)
        torch.testing.assert_close(layer(x.roll(shift, axes)), out.roll(shift, axes), **EXACT)


def test_batch_norm_is_torchs() -> None:
    ours, other = BatchNorm(3).double(), nn.BatchNorm2d(3).double()
    for seed in range(3):
        x = 2 + field(4, 3, 5, 6, seed=seed)
        torch.testing.assert_close(ours(x), other(x), **EXACT)
    torch.testing.assert_close(ours.mean, other.running_mean, **EXACT)
    torch.testing.assert_close(ours.variance, other.running_var, **EXACT)
    ours.eval(), other.eval()
    torch.testing.assert_close(ours(x), other(x), **EXACT)


def test_the_activation_leaks_a_hundredth() -> None:
    found = activation()(torch.tensor([-2.0, 0.0, 3.0]))
    assert found.tolist() == pytest.approx([-2 * SLOPE, 0, 3])


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ModelError, match="no norm"):
        norm("layer", 3)


class Pipeline(nn.Module):
    """Every layer that a pipeline is made of."""

    def __init__(self, kind: str, wrap: str) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Convolution(2, 4, wrap=wrap), norm(kind, 4), activation(), LocalPool(2),
            Convolution(4, 4, 5, wrap=wrap), norm(kind, 4), activation(),
            GlobalPool(("mean", "max", "min", "std", "sort")), nn.Linear(4 * 13, 3),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


@pytest.mark.parametrize("kind", NORMS)
@pytest.mark.parametrize("wrap", ["torus", "flat", "moebius"])
@pytest.mark.parametrize("own", [True, False])
def test_replicas_are_mapped_with_gradients(kind: str, wrap: str, own: bool) -> None:
    """`vmap` over stacked weights gives outputs, gradients and statistics of one by one."""
    torch.manual_seed(0)
    networks = [Pipeline(kind, wrap).double() for _ in range(3)]
    parameters = {
        name: torch.stack([dict(n.named_parameters())[name].detach() for n in networks])
        for name, _ in networks[0].named_parameters()
    }
    for value in parameters.values():
        value.requires_grad_()
    buffers = {
        name: torch.stack([dict(n.named_buffers())[name] for n in networks])
        for name, _ in networks[0].named_buffers()
    }
    x = field(3, 2, 2, 6, 6) if own else field(2, 2, 6, 6)
    out = vmap(
        lambda p, b, v: functional_call(networks[0], (p, b), (v,)), (0, 0, 0 if own else None)
    )(parameters, buffers, x)
    out.square().sum().backward()
    for r, network in enumerate(networks):
        alone = network(x[r] if own else x)
        alone.square().sum().backward()
        torch.testing.assert_close(out[r], alone, **EXACT)
        for name, value in network.named_parameters():
            assert value.grad is not None
            torch.testing.assert_close(parameters[name].grad[r], value.grad, **EXACT)
        for name, value in network.named_buffers():
            torch.testing.assert_close(buffers[name][r], value, **EXACT)
