"""Pools: invariant over all, equivariant in windows, independent of the order of points."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from crystalgui.core.errors import ModelError
from crystalgui.core.models.layers.pooling import HIGH_BANDWIDTH, KINDS, GlobalPool, LocalPool

EXACT = {"rtol": 0, "atol": 1e-10}
LENGTHS = (4, 6, 8)


def field(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), HIGH_BANDWIDTH, KINDS])
def test_global_pools_do_not_know_where(dimension: int, kinds: tuple[str, ...]) -> None:
    pool = GlobalPool(kinds)
    lengths = LENGTHS[:dimension]
    x = field(2, 3, *lengths)
    points = x[0, 0].numel()
    out = pool(x)
    assert out.shape == (2, pool.features(3, points))
    for shift in itertools.product(*(range(n) for n in lengths)):
        moved = x.roll(shift, tuple(range(2, dimension + 2)))
        torch.testing.assert_close(pool(moved), out, **EXACT)
    order = torch.randperm(points, generator=torch.Generator().manual_seed(1))
    mixed = x.flatten(2)[..., order].reshape(x.shape)
    torch.testing.assert_close(pool(mixed), out, **EXACT)
    assert (pool(2 * x) - out).abs().max() > 0.01


def test_global_pools_are_what_their_names_say() -> None:
    x = field(2, 3, 4, 5)
    flat = x.flatten(2)
    found = dict(zip(KINDS, (GlobalPool((kind,))(x) for kind in KINDS), strict=True))
    torch.testing.assert_close(found["mean"], flat.mean(2), **EXACT)
    torch.testing.assert_close(found["max"], flat.max(2).values, **EXACT)
    torch.testing.assert_close(found["min"], flat.min(2).values, **EXACT)
    spread = torch.std(flat, 2, correction=0)
    torch.testing.assert_close(found["std"], spread, rtol=0, atol=1e-7)
    torch.testing.assert_close(found["sort"].view(2, 3, 20), flat.sort(2).values, **EXACT)
    both = GlobalPool(("max", "sort", "mean"))(x)
    parts = torch.cat([found["max"], found["sort"], found["mean"]], 1)
    torch.testing.assert_close(both, parts, **EXACT)


def test_sorting_loses_nothing_but_the_order() -> None:
    x = field(1, 1, 3, 4)
    found = GlobalPool(("sort",))(x)
    assert sorted(x.flatten().tolist()) == found.flatten().tolist()


def test_the_mean_sends_the_same_gradient_everywhere_the_others_to_one_point() -> None:
    """Equation 20: homogeneous and inhomogeneous updates."""
    x = field(1, 2, 4, 5).requires_grad_()
    for kind, touched in (("mean", 20), ("max", 1), ("min", 1), ("std", 20)):
        (gradient,) = torch.autograd.grad(GlobalPool((kind,))(x).sum(), x)
        assert int((gradient[0, 0] != 0).sum()) == touched
        distinct = gradient[0, 0].unique().numel()
        assert distinct == {"mean": 1, "max": 2, "min": 2, "std": 20}[kind]


def test_the_spread_of_a_constant_has_a_finite_gradient() -> None:
    x = torch.ones(1, 2, 3, 3, requires_grad=True)
    GlobalPool(("std", "max"))(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "mean"])
def test_a_local_pool_moves_with_its_input(dimension: int, kind: str) -> None:
    pool = LocalPool(2, dimension, kind)
    lengths = LENGTHS[:dimension]
    axes = tuple(range(2, dimension + 2))
    x = field(2, 3, *lengths)
    out = pool(x)
    assert tuple(out.shape[2:]) == pool.shape(lengths) == tuple(n // 2 for n in lengths)
    for shift in itertools.product(*(range(n // 2) for n in lengths)):
        moved = pool(x.roll(tuple(2 * s for s in shift), axes))
        torch.testing.assert_close(moved, out.roll(shift, axes), **EXACT)
    windows = x
    for axis in axes:
        windows = windows.unfold(axis, 2, 2)
    windows = windows.flatten(dimension + 2)
    reduced = windows.amax(-1) if kind == "max" else windows.mean(-1)
    torch.testing.assert_close(out, reduced, **EXACT)


def test_an_axis_of_length_one_is_a_constant_one() -> None:
    for kind in ("max", "mean"):
        pool = LocalPool((2, 2, 4), 3, kind)
        short = field(2, 3, 1, 4, 1)
        out = pool(short)
        assert out.shape == (2, 3, 1, 2, 1)
        long = short.expand(2, 3, 4, 4, 4)
        torch.testing.assert_close(out.expand(2, 3, 2, 2, 1), pool(long), **EXACT)
        torch.testing.assert_close(GlobalPool()(short), GlobalPool()(long), **EXACT)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ModelError, match="does not divide") as caught:
        LocalPool(2)(field(1, 1, 4, 5))
    assert "divides 5" in caught.value.hint
    for bad in ((), ("median",)):
        with pytest.raises(ModelError):
            GlobalPool(bad)
    for arguments in ((2, 4), (2, 2, "min"), (0, 2), ((2, 2, 2), 2)):
        with pytest.raises(ModelError):
            LocalPool(*arguments)  # type: ignore[arg-type]
