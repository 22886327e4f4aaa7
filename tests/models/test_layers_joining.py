"""Residual blocks and concatenations: nesting, bases, and that they move with their input."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from crystalgui.core.errors import ModelError
from crystalgui.core.models.layers.convolution import Convolution
from crystalgui.core.models.layers.joining import Residual, direct_sum, tensor_product

EXACT = {"rtol": 0, "atol": 1e-10}


def field(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def body() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(Convolution(3, 3), nn.LeakyReLU(0.01)).double()


def test_a_residual_block_adds_and_a_gate_blends() -> None:
    x, f = field(2, 3, 4, 5), body()
    torch.testing.assert_close(Residual(f)(x), f(x) + x, **EXACT)
    for beta in (0.0, 0.3, 1.0):
        gate = Residual(f, gated=True, beta=beta).double()
        assert gate.beta is not None
        aim = gate.beta * f(x) + (1 - gate.beta) * x
        torch.testing.assert_close(gate(x), aim, **EXACT)
    torch.testing.assert_close(Residual(f, gated=True, beta=0.0)(x), x, rtol=0, atol=0)
    torch.testing.assert_close(Residual(f, gated=True, beta=1.0)(x), f(x), **EXACT)


def test_a_null_operation_leaves_the_shallower_network() -> None:
    """Equation 21: with f2 = 0 the deeper network is the shallower one, exactly."""
    x, f1, f2 = field(2, 3, 4, 4), body(), body()
    nn.init.zeros_(f2[0].weight)
    nn.init.zeros_(f2[0].bias)
    shallow, deep = Residual(f1), nn.Sequential(Residual(f1), Residual(f2))
    torch.testing.assert_close(deep(x), shallow(x), rtol=0, atol=0)


def test_the_gate_is_one_trained_number() -> None:
    gate = Residual(body(), gated=True)
    assert gate.beta is not None
    x = field(2, 3, 4, 4)
    gate.double()(x).square().sum().backward()
    assert gate.beta.shape == ()
    assert float(gate.beta.grad.abs()) > 1e-3  # type: ignore[union-attr]
    assert [name for name, _ in Residual(body()).named_parameters() if "beta" in name] == []


@pytest.mark.parametrize("gated", [False, True])
def test_a_block_moves_with_its_input(gated: bool) -> None:
    block = Residual(body(), gated).double()
    x = field(2, 3, 4, 5)
    for shift in ((1, 0), (2, 3), (3, 4)):
        moved = block(x.roll(shift, (2, 3)))
        torch.testing.assert_close(moved, block(x).roll(shift, (2, 3)), **EXACT)


def test_concatenations_keep_both_bases() -> None:
    one, two = field(2, 2, 4, 5), field(2, 3, 4, 5, seed=1)
    joined = direct_sum(one, two)
    assert joined.shape == (2, 5, 4, 5)
    torch.testing.assert_close(joined[:, :2], one, **EXACT)
    torch.testing.assert_close(joined[:, 2:], two, **EXACT)
    product = tensor_product(one, two)
    assert product.shape == (2, 6, 4, 5)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(product[:, 3 * i + j], one[:, i] * two[:, j], **EXACT)
    a, b = one[..., 0, 0], two[..., 0, 0]
    kron = torch.stack([torch.kron(u, v) for u, v in zip(a, b, strict=True)])
    torch.testing.assert_close(tensor_product(a, b), kron, **EXACT)


@pytest.mark.parametrize("join", [direct_sum, tensor_product])
def test_concatenations_move_with_their_inputs(join: object) -> None:
    one, two = field(2, 2, 4, 5), field(2, 3, 4, 5, seed=1)
    moved = join(one.roll((1, 2), (2, 3)), two.roll((1, 2), (2, 3)))  # type: ignore[operator]
    out = join(one, two).roll((1, 2), (2, 3))  # type: ignore[operator]
    torch.testing.assert_close(moved, out, **EXACT)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ModelError, match="cannot be added"):
        Residual(Convolution(3, 4))(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ModelError, match="no product"):
        tensor_product(field(1, 2, 4, 4), field(1, 2, 2, 2))
