"""Turned kernels and inputs: exact at quarter turns and on hexagons, close between."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from crystalgui.core.errors import ModelError
from crystalgui.core.models.layers.convolution import Convolution
from crystalgui.core.models.layers.rotation import HEXAGONAL, RotationConv, turned

EXACT = {"rtol": 0, "atol": 1e-10}
QUARTER = math.pi / 2


def field(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def layer(*args: object, **kwargs: object) -> RotationConv:
    torch.manual_seed(3)
    return RotationConv(*args, **kwargs).double()  # type: ignore[arg-type]


def wave(n: int, angle: float) -> Tensor:
    """A smooth structure without symmetry in the middle of (1, 1, n, n), turned by ``angle``."""
    at = torch.arange(n, dtype=torch.float64) - (n - 1) / 2
    x, y = torch.meshgrid(at, at, indexing="ij")
    c, s = math.cos(angle), math.sin(angle)
    u, v = c * x + s * y, c * y - s * x  # back to where it was
    scale = n / 10
    u, v = u / scale, v / scale
    return ((1 + u - 0.7 * u * v + 0.4 * v**3) * torch.exp(-(u**2) - v**2 / 2))[None, None]


def test_quarter_turns_of_a_mesh_are_those_of_torch() -> None:
    x = field(2, 3, 6, 6)
    for j in range(-3, 5):
        torch.testing.assert_close(turned(x, j * QUARTER), torch.rot90(x, j, (2, 3)), **EXACT)
    odd = field(1, 1, 5, 5)
    torch.testing.assert_close(turned(odd, QUARTER, periodic=True), turned(odd, QUARTER), **EXACT)
    back = turned(turned(x, QUARTER, periodic=True), -QUARTER, periodic=True)
    torch.testing.assert_close(back, x, **EXACT)


def test_turning_a_smooth_field_is_turning_what_it_is_a_sample_of() -> None:
    for angle in (0.3, 1.1, 2.5):
        exact = wave(41, angle)
        assert (turned(wave(41, 0), angle) - exact).abs().max() < 0.03 * exact.abs().max()


@pytest.mark.parametrize("wrap", ["torus", "flat"])
@pytest.mark.parametrize(
    ("turn", "size"),
    # An even kernel does not stand on a point: only itself, not the input, turns exactly.
    [("kernel", 2), ("kernel", 3), ("kernel", 5), ("input", 3), ("input", 5)],
)
def test_fourfold_is_the_group_c4(turn: str, wrap: str, size: int) -> None:
    """Against turned kernels made with `torch.rot90`, and their maximum."""
    conv = layer(2, 3, size, wrap=wrap, turn=turn, fold=4)
    x = field(2, 2, 7, 7)
    plain = Convolution(2, 3, size, wrap=wrap).double()
    found = []
    for j in range(4):
        kernel = torch.rot90(conv.convolution.weight, j, (2, 3))
        plain.load_state_dict({"weight": kernel, "bias": conv.convolution.bias})
        found.append(plain(x))
    torch.testing.assert_close(conv(x), torch.stack(found).amax(0), **EXACT)
    torch.testing.assert_close(conv.stack(x), torch.stack(found, 2), **EXACT)


@pytest.mark.parametrize("turn", ["kernel", "input"])
@pytest.mark.parametrize("fold", [4, 8, 12])
def test_it_commutes_with_quarter_turns_and_shifts(turn: str, fold: int) -> None:
    conv = layer(2, 3, 3, fold=fold, turn=turn)
    x = field(2, 2, 7, 7)
    y = conv(x)
    for j in range(4):
        torch.testing.assert_close(
            conv(turned(x, j * QUARTER, periodic=True)),
            turned(y, j * QUARTER, periodic=True), **EXACT,
        )  # fmt: skip
    if turn == "kernel" or fold == 4:
        moved = conv(x.roll((1, 2), (2, 3)))
        torch.testing.assert_close(moved, y.roll((1, 2), (2, 3)), **EXACT)
    plain = conv.convolution(x)
    change = conv.convolution(turned(x, QUARTER, periodic=True))
    assert (change - turned(plain, QUARTER, periodic=True)).abs().max() > 1e-2


@pytest.mark.parametrize("turn", ["kernel", "input"])
def test_sixths_of_a_turn_are_exact_on_a_hexagonal_mesh(turn: str) -> None:
    conv = layer(2, 3, 5, fold=6, turn=turn, lattice=HEXAGONAL)
    with torch.no_grad():  # a hexagon: what a sixth of a turn takes out of the square is left out
        at = torch.arange(5) - 2
        conv.convolution.weight *= (at[:, None] + at[None, :]).abs() <= 2
    x = field(1, 2, 6, 6)
    for j in range(6):
        angle = j * math.pi / 3
        torch.testing.assert_close(
            conv(turned(x, angle, periodic=True, lattice=HEXAGONAL)),
            turned(conv(x), angle, periodic=True, lattice=HEXAGONAL), **EXACT,
        )  # fmt: skip


def test_depth_tells_how_far_what_was_found_is_turned() -> None:
    conv = layer(2, 3, 3, fold=4, depth=True)
    x = field(2, 2, 5, 5)
    most, cosine, sine = conv(x).chunk(3, 1)
    assert conv.outputs == 9
    again = [turned(part, QUARTER) for part in (most, -sine, cosine)]  # a vector turns as well
    torch.testing.assert_close(
        conv(turned(x, QUARTER, periodic=True)), torch.cat(again, 1), rtol=0, atol=1e-6
    )
    torch.testing.assert_close(cosine.square() + sine.square(), most.square(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("turn", ["kernel", "input"])
def test_between_quarter_turns_the_error_is_small(turn: str) -> None:
    """A smooth field, a smooth kernel, twelve turns: 30 degrees and 11 degrees."""
    conv = layer(1, 1, 9, wrap="flat", fold=12, turn=turn)
    plain = conv.convolution
    with torch.no_grad():
        plain.weight.copy_(wave(9, 0.4) - wave(9, 0.4).mean())
    x, middle = wave(41, 0), (slice(None), slice(None), slice(8, 33), slice(8, 33))

    def error(network: torch.nn.Module, angle: float) -> float:
        aim = turned(network(x), angle)[middle]
        return float((network(wave(41, angle))[middle] - aim).abs().max() / aim.abs().max())

    with torch.no_grad():
        assert error(conv, QUARTER) < 1e-10
        assert error(conv, math.pi / 6) < 0.1
        assert error(conv, math.pi / 16) < 0.06
        assert error(plain, math.pi / 6) > 0.2


def test_in_three_dimensions_a_plane_is_turned() -> None:
    conv = layer(2, 3, 3, 3, fold=4, plane=(0, 2))
    x = field(1, 2, 5, 4, 5)
    there = conv(turned(x, QUARTER, (2, 4), periodic=True))
    torch.testing.assert_close(there, turned(conv(x), QUARTER, (2, 4), periodic=True), **EXACT)
    other = layer(2, 3, 3, 3, fold=4, plane=(0, 2), turn="input")
    torch.testing.assert_close(other(x), conv(x), **EXACT)


@pytest.mark.parametrize("turn", ["kernel", "input"])
def test_replicas_are_mapped_with_gradients(turn: str) -> None:
    torch.manual_seed(0)
    layers = [RotationConv(2, 3, fold=6, turn=turn, depth=True).double() for _ in range(3)]
    state = {
        name: torch.stack([dict(n.named_parameters())[name].detach() for n in layers])
        for name, _ in layers[0].named_parameters()
    }
    x = field(3, 2, 2, 5, 5)

    def cost(parameters: dict[str, Tensor], buffers: dict[str, Tensor], v: Tensor) -> Tensor:
        return functional_call(layers[0], (parameters, buffers), (v,)).square().sum()

    buffers = {name: torch.stack([value] * 3) for name, value in layers[0].named_buffers()}
    gradients = vmap(grad(cost))(state, buffers, x)
    for r, network in enumerate(layers):
        network(x[r]).square().sum().backward()
        for name, value in network.named_parameters():
            assert value.grad is not None
            torch.testing.assert_close(gradients[name][r], value.grad, **EXACT)


def test_errors_say_what_to_do() -> None:
    for bad in (
        {"fold": 0},
        {"turn": "mesh"},
        {"dimension": 1},
        {"plane": (0, 2)},
        {"wrap": ("torus", "flat"), "turn": "input"},
    ):
        with pytest.raises(ModelError) as caught:
            RotationConv(2, 3, **bad)  # type: ignore[arg-type]
        assert caught.value.hint
