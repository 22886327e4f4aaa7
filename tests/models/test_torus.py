"""Layers of the Brillouin zone: shifts, axes, and axes of length one."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from crystalgui.core.models.layers.torus import (
    GatedPool,
    ShellConv,
    pooled,
    shells,
)

EXACT = {"rtol": 0, "atol": 1e-10}


def field(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


LAYERS = {
    "shells": lambda: ShellConv(3, 4),
    "shells at half": lambda: ShellConv(3, 4, 0.5),
    "shells at a quarter": lambda: ShellConv(3, 4, 0.25),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dead", [(3,), (2, 3), (1,)])
def test_an_axis_of_length_one_is_a_constant_one(name: str, dead: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    layer = LAYERS[name]().double()
    short = field(2, *(1 if axis in dead else 4 for axis in (1, 2, 3)), 3)
    long = short.expand(2, 4, 4, 4, 3)
    out = layer(short)
    assert out.shape == (*short.shape[:-1], 4)
    torch.testing.assert_close(out.expand(2, 4, 4, 4, 4), layer(long), **EXACT)
    torch.testing.assert_close(pooled(out), pooled(layer(long)), **EXACT)
    gate = GatedPool(4).double()
    torch.testing.assert_close(gate(out), gate(layer(long)), **EXACT)


@pytest.mark.parametrize("reach", [1, 2, 0.25, 0.5])
def test_shells_commute_with_shifts_and_signed_permutations(reach: int | float) -> None:
    conv = ShellConv(2, 3, reach).double()
    x = field(2, 4, 4, 4, 2)
    torch.testing.assert_close(
        conv(x.roll((1, 2, 3), (1, 2, 3))), conv(x).roll((1, 2, 3), (1, 2, 3)), **EXACT
    )
    for axes in itertools.permutations((1, 2, 3)):
        turned = x.permute(0, *axes, 4)
        torch.testing.assert_close(conv(turned), conv(x).permute(0, *axes, 4), **EXACT)
        for flips in ((1,), (2, 3), (1, 2, 3)):
            torch.testing.assert_close(conv(turned.flip(flips)), conv(turned).flip(flips), **EXACT)


def test_shells_are_means_over_6_12_and_8_neighbours() -> None:
    x = field(1, 5, 6, 7, 1)
    found = shells(x, 1)
    for moved in range(4):
        steps = [s for s in itertools.product((-1, 0, 1), repeat=3) if sum(map(abs, s)) == moved]
        assert len(steps) == (1, 6, 12, 8)[moved]
        mean = torch.stack([x.roll(s, (1, 2, 3)) for s in steps]).mean(0)
        torch.testing.assert_close(found[..., moved : moved + 1], mean, **EXACT)


def test_pooling_does_not_change_under_shifts() -> None:
    x = field(3, 4, 5, 6, 2)
    gate = GatedPool(2, 3).double()
    moved = x.roll((1, 2, 3), (1, 2, 3))
    assert pooled(x).shape == (3, 8)
    assert gate(x).shape == (3, 6)
    torch.testing.assert_close(pooled(x), pooled(moved), **EXACT)
    torch.testing.assert_close(gate(x), gate(moved), **EXACT)
    assert (pooled(x) - pooled(x.square())).abs().max() > 0.1


def test_pooling_a_constant_has_a_finite_gradient() -> None:
    x = torch.ones(1, 2, 2, 2, 3, requires_grad=True)
    pooled(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
