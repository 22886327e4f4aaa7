"""How a tensor goes on behind its edge: itself again, or its mirror image.

A convolution on a torus needs the few points that its kernel reaches across
each edge (Bird 2023, section 2.6).  They are copied around the tensor in one
pass for all axes; the gradient is folded back in one pass, too, where a chain
of concatenations would copy the tensor once for every axis both ways.
Tiling may reflect what it repeats, as on a Moebius strip.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor

Edges = tuple[tuple[int, int, int], ...]
"""Axis, points before, points after."""


def wrapped(x: Tensor, edges: Edges) -> Tensor:
    """``x`` continued periodically along some of its axes, by any number of points.

    Parameters
    ----------
    x : tensor
    edges : sequence of (axis, before, after)
        Axes are counted from 0, each at most once.
    """
    near = tuple((a, b, c) for a, b, c in edges if 0 < max(b, c) <= x.shape[a])
    if near:
        x = _Wrap.apply(x, near)  # type: ignore[no-untyped-call]
    for axis, before, after in edges:
        if max(before, after) > x.shape[axis]:
            places = torch.arange(-before, x.shape[axis] + after, device=x.device)
            x = x.index_select(axis, places % x.shape[axis])
    return x


def reflected(x: Tensor, axis: int, before: int, after: int, other: int) -> Tensor:
    """``x`` continued along an axis by tiles of which every second is mirrored along ``other``.

    This is the tiling of a Moebius strip: who crosses the edge comes back with
    the other axis reversed.
    """
    n = x.shape[axis]
    mirrored = x.flip(other)
    if max(before, after) > n:
        places = torch.arange(-before, n + after, device=x.device)
        both = torch.cat([x, mirrored], axis)
        return both.index_select(axis, places % (2 * n))
    parts = [mirrored.narrow(axis, n - before, before), x, mirrored.narrow(axis, 0, after)]
    return torch.cat([part for part in parts if part.shape[axis]], axis)


class _Wrap(torch.autograd.Function):
    """Periodic continuation by at most the length; linear, with `_Fold` as its transpose."""

    @staticmethod
    def forward(x: Tensor, edges: Edges) -> Tensor:
        shape = list(x.shape)
        for axis, before, after in edges:
            shape[axis] += before + after
        out = x.new_empty(shape)
        inner = out
        for axis, before, _ in edges:
            inner = inner.narrow(axis, before, x.shape[axis])
        inner.copy_(x)
        for axis, before, after in edges:  # later axes overwrite the corners of earlier ones
            n = x.shape[axis]
            if before:
                out.narrow(axis, 0, before).copy_(out.narrow(axis, n, before))
            if after:
                out.narrow(axis, before + n, after).copy_(out.narrow(axis, before, after))
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.edges = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Fold.apply(gradient, ctx.edges), None  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Any:
        return _Wrap.apply(tangent, ctx.edges)  # type: ignore[no-untyped-call]

    @staticmethod
    def vmap(_: Any, dims: tuple[int, None], x: Tensor, edges: Edges) -> Any:
        return _Wrap.apply(x, _beside(edges, dims[0])), dims[0]  # type: ignore[no-untyped-call]


class _Fold(torch.autograd.Function):
    """What was continued is added to where it came from: the transpose of `_Wrap`."""

    @staticmethod
    def forward(y: Tensor, edges: Edges) -> Tensor:
        spans = []  # along each axis: from, to, how many points; the middle first
        for axis, before, after in edges:
            n = y.shape[axis] - before - after
            found = [(before, 0, n), (0, n - before, before), (before + n, 0, after)]
            spans.append([span for span in found if span[2]])
        middle, *others = product(*spans)
        axes = [axis for axis, _, _ in edges]
        out = y
        for axis, (start, _, count) in zip(axes, middle, strict=True):
            out = out.narrow(axis, start, count)
        out = out.clone(memory_format=torch.contiguous_format)
        for choice in others:
            piece, place = y, out
            for axis, (start, to, count) in zip(axes, choice, strict=True):
                piece, place = piece.narrow(axis, start, count), place.narrow(axis, to, count)
            place.add_(piece)
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.edges = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Wrap.apply(gradient, ctx.edges), None  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Any:
        return _Fold.apply(tangent, ctx.edges)  # type: ignore[no-untyped-call]

    @staticmethod
    def vmap(_: Any, dims: tuple[int, None], y: Tensor, edges: Edges) -> Any:
        return _Fold.apply(y, _beside(edges, dims[0])), dims[0]  # type: ignore[no-untyped-call]


def _beside(edges: Edges, mapped: int) -> Edges:
    """The same axes of a tensor that has one more, which is mapped and stays where it is."""
    return tuple((a + (a >= mapped), before, after) for a, before, after in edges)
