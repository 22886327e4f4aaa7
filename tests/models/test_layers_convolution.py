"""Convolution on a torus, a flat and a Moebius axis: padding, tiling, shifts, strides, replicas."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.func import jvp

from crystalgui.core.errors import ModelError
from crystalgui.core.models.layers.convolution import Convolution
from crystalgui.core.models.layers.wrapping import reflected, wrapped

EXACT = {"rtol": 0, "atol": 1e-10}
LENGTHS = (4, 3, 5)


def field(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def layer(*args: object, **kwargs: object) -> Convolution:
    torch.manual_seed(3)
    return Convolution(*args, **kwargs).double()  # type: ignore[arg-type]


def tiled(conv: Convolution, x: Tensor) -> Tensor:
    """The paper's form: tile every axis three times, crop to what the kernel reaches."""
    d = conv.dimension
    tiles = x.repeat(1, 1, *[3] * d)
    for axis, size in enumerate(conv.size):
        n = x.shape[axis + 2]
        tiles = tiles.narrow(axis + 2, n - (size - 1) // 2, n + size - 1)
    convolve = {1: nn.functional.conv1d, 2: nn.functional.conv2d, 3: nn.functional.conv3d}[d]
    return convolve(tiles, conv.weight, conv.bias, stride=conv.stride)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_on_a_torus_it_is_circular_padding(dimension: int, size: int) -> None:
    conv = layer(3, 4, size, dimension)
    x = field(2, 3, *(5, 6, 7)[:dimension])
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimension - 1]
    other = kind(3, 4, size, padding="same", padding_mode="circular").double()
    other.load_state_dict(conv.state_dict())
    torch.testing.assert_close(conv(x), other(x), **EXACT)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_it_is_what_tiling_and_cropping_gives(dimension: int, size: int, stride: int) -> None:
    conv = layer(3, 4, size, dimension, stride=stride)
    x = field(2, 3, *(6, 8, 10)[:dimension])
    torch.testing.assert_close(conv(x), tiled(conv, x), **EXACT)
    single, small = conv.float(), x.float()
    torch.testing.assert_close(single(small), tiled(single, small), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_it_commutes_with_every_shift(dimension: int, size: int) -> None:
    conv = layer(2, 3, size, dimension)
    lengths = LENGTHS[:dimension]
    x = field(2, 2, *lengths)
    axes = tuple(range(2, dimension + 2))
    for shift in itertools.product(*(range(n) for n in lengths)):
        torch.testing.assert_close(conv(x.roll(shift, axes)), conv(x).roll(shift, axes), **EXACT)


def test_a_stride_that_divides_turns_shifts_into_shifts() -> None:
    conv = layer(2, 3, 3, 2, stride=(2, 3))
    x = field(2, 2, 8, 9)
    assert conv(x).shape == (2, 3, 4, 3)
    for i, j in itertools.product(range(4), range(3)):
        moved = conv(x.roll((2 * i, 3 * j), (2, 3)))
        torch.testing.assert_close(moved, conv(x).roll((i, j), (2, 3)), **EXACT)
    with pytest.raises(ModelError, match="does not divide"):
        conv(field(2, 2, 8, 8))


@pytest.mark.parametrize("wrap", list(itertools.product(("torus", "flat", "moebius"), repeat=2)))
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_shape_is_told_before(wrap: tuple[str, str], stride: int, padding: str) -> None:
    conv = layer(2, 3, (3, 5), 2, wrap=wrap, stride=stride, padding=padding)
    x = field(2, 2, 6, 8)
    assert tuple(conv(x).shape) == (2, 3, *conv.shape((6, 8)))


def test_toroidal_and_flat_axes_live_together() -> None:
    conv = layer(2, 3, 3, 3, wrap=("torus", "flat", "torus"))
    x = field(2, 2, 4, 5, 6)
    assert conv(x).shape == (2, 3, 4, 5, 6)
    torch.testing.assert_close(conv(x.roll((1, 3), (2, 4))), conv(x).roll((1, 3), (2, 4)), **EXACT)
    assert (conv(x.roll(1, 3)) - conv(x).roll(1, 3)).abs().max() > 1e-2


@pytest.mark.parametrize("size", [2, 3, (3, 4), (4, 5)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_a_flat_convolution_is_torchs(size: int | tuple[int, int], padding: str) -> None:
    conv = layer(2, 3, size, 2, wrap="flat", padding=padding)
    x = field(2, 2, 5, 6)
    edges = [e for k in reversed(conv.size) for e in ((k - 1) // 2, k // 2)]
    padded = nn.functional.pad(x, edges) if padding == "same" else x
    torch.testing.assert_close(
        conv(x), nn.functional.conv2d(padded, conv.weight, conv.bias), **EXACT
    )
    assert conv.shape((5, 6)) == tuple(conv(x).shape[2:])
    with pytest.raises(ModelError, match="does not fit"):
        layer(2, 3, 5, 2, wrap="flat", padding="valid")(field(1, 2, 4, 6))


def test_a_kernel_of_full_size_without_padding_is_a_fully_connected_layer() -> None:
    conv = layer(3, 10, (4, 5), 2, wrap="flat", padding="valid")
    x = field(2, 3, 4, 5)
    dense = x.flatten(1) @ conv.weight.flatten(1).T + conv.bias
    torch.testing.assert_close(conv(x).flatten(1), dense, **EXACT)


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("dead", [(2,), (3, 4), (2, 3, 4)])
def test_an_axis_of_length_one_is_a_constant_one(size: int, dead: tuple[int, ...]) -> None:
    conv = layer(3, 4, size, 3)
    short = field(2, 3, *(1 if axis in dead else 4 for axis in (2, 3, 4)))
    out = conv(short)
    assert out.shape == (2, 4, *short.shape[2:])
    torch.testing.assert_close(
        out.expand(2, 4, 4, 4, 4), conv(short.expand(2, 3, 4, 4, 4)), **EXACT
    )
    strided = layer(3, 4, size, 3, stride=2)
    found = strided(short)
    torch.testing.assert_close(
        found.expand(2, 4, 2, 2, 2), strided(short.expand(2, 3, 4, 4, 4)), **EXACT
    )


# --------------------------------------------------------------------- Moebius


def walk(x: Tensor, axis: int, other: int, steps: int) -> Tensor:
    """Shift along a Moebius axis: what crosses the edge comes back mirrored."""
    for _ in range(steps):
        n = x.shape[axis]
        x = torch.cat([x.narrow(axis, n - 1, 1).flip(other), x.narrow(axis, 0, n - 1)], axis)
    return x


def test_a_moebius_axis_is_the_reflected_tiling() -> None:
    conv = layer(2, 3, 3, 2, wrap=("moebius", "flat"))
    x = field(2, 2, 5, 4)
    tiles = torch.cat([x.flip(3), x, x.flip(3)], 2).narrow(2, 4, 7)
    other = nn.functional.conv2d(tiles, conv.weight, conv.bias, padding=(0, 1))
    torch.testing.assert_close(conv(x), other, **EXACT)
    both = layer(2, 3, 3, 2, wrap=("moebius", "moebius"))
    row = torch.cat([x.flip(3), x, x.flip(3)], 2)
    tiles = torch.cat([row.flip(2), row, row.flip(2)], 3)[:, :, 4:11, 3:9]
    other = nn.functional.conv2d(tiles, both.weight, both.bias)
    torch.testing.assert_close(both(x), other, **EXACT)


@pytest.mark.parametrize("wrap", [("moebius", "flat"), ("moebius", "torus")])
def test_a_mirrored_kernel_commutes_with_a_walk_around_the_strip(wrap: tuple[str, str]) -> None:
    conv = layer(2, 3, 3, 2, wrap=wrap, mirror=True)
    x = field(2, 2, 5, 4)
    for steps in range(11):
        torch.testing.assert_close(conv(walk(x, 2, 3, steps)), walk(conv(x), 2, 3, steps), **EXACT)
    torch.testing.assert_close(walk(x, 2, 3, 10), x, **EXACT)
    assert (walk(x, 2, 3, 5) - x).abs().max() > 0.1
    plain = layer(2, 3, 3, 2, wrap=wrap)
    assert (plain(walk(x, 2, 3, 1)) - walk(plain(x), 2, 3, 1)).abs().max() > 1e-2


def test_in_three_dimensions_the_next_axis_is_reversed() -> None:
    conv = layer(2, 3, 3, 3, wrap=("torus", "moebius", "flat"), mirror=True)
    x = field(1, 2, 3, 4, 5)
    assert conv(x).shape == (1, 3, 3, 4, 5)
    for steps in range(9):
        moved = walk(x, 3, 4, steps).roll(steps, 2)
        torch.testing.assert_close(conv(moved), walk(conv(x), 3, 4, steps).roll(steps, 2), **EXACT)


def test_wrapping_goes_round_more_than_once() -> None:
    x = torch.arange(3.0)[None, :, None]
    found = wrapped(x, ((1, 4, 5),)).flatten()
    assert found.tolist() == [2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    plane = field(1, 2, 3, 5)
    both = wrapped(plane, ((2, 4, 1), (3, 2, 2)))
    torch.testing.assert_close(both, plane.repeat(1, 1, 4, 3)[:, :, 2:10, 3:12], **EXACT)
    strip = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    rows = [[2, 3], [1, 0], [3, 2], [0, 1], [2, 3], [1, 0], [3, 2], [0, 1]]
    assert reflected(strip, 0, 3, 3, 1).tolist() == rows
    assert reflected(strip, 0, 2, 2, 1).tolist() == rows[1:7]


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own, in jvp
def test_what_is_wrapped_has_the_gradient_of_tiles() -> None:
    x = field(2, 1, 3, 4).requires_grad_()
    edges = ((2, 1, 2), (3, 3, 0))
    assert torch.autograd.gradcheck(lambda v: wrapped(v, edges), x)
    assert torch.autograd.gradgradcheck(lambda v: wrapped(v, edges), x)
    weight = field(6, 7)
    (found,) = torch.autograd.grad((wrapped(x, edges) * weight).sum(), x)
    tiles = x.repeat(1, 1, 3, 2)[:, :, 2:8, 1:8]
    (aim,) = torch.autograd.grad((tiles * weight).sum(), x)
    torch.testing.assert_close(found, aim, **EXACT)
    torch.testing.assert_close(wrapped(x, edges), tiles, **EXACT)
    _, moved = jvp(lambda v: wrapped(v, edges), (x.detach(),), (2 * x.detach(),))
    torch.testing.assert_close(moved, 2 * tiles, **EXACT)


def test_errors_say_what_to_do() -> None:
    for bad in (
        {"dimension": 4},
        {"wrap": "sphere"},
        {"wrap": ("torus",)},
        {"padding": "some"},
        {"size": 0},
        {"stride": (1, 1, 1)},
        {"dimension": 1, "wrap": "moebius"},
        {"size": 2, "wrap": "moebius"},
    ):
        with pytest.raises(ModelError) as caught:
            Convolution(2, 3, **bad)  # type: ignore[arg-type]
        assert caught.value.hint
