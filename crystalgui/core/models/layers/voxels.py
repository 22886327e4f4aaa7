"""Crystals as voxels of their cell: what a convolutional network reads.

Nop et al. (2025), section "Innovative crystal convolutional neural network":
the cube is the cell in fractional coordinates, whatever its shape, and an atom
is spread over the eight voxels around it (trilinear anti-aliasing).  The
authors' code puts the cell into the middle of a cube that is a little larger
and fills the rim with periodic images; on a torus there is no rim.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from crystalgui.core.datasets.collate import Batch

_CORNERS = tuple(itertools.product((0, 1), repeat=3))
_IMAGES = tuple(itertools.product((-1, 0, 1), repeat=3))


def voxels(batch: Batch, values: Tensor, points: int, scale: int | None = None) -> Tensor:
    """Atoms spread over the voxels of their cells, all crystals at once.

    Parameters
    ----------
    values : (n, c)
        What is written for each node of ``batch``.
    points : int
        Voxels along each axis.
    scale : int, optional
        Voxels along an edge of the cell; as many as ``points`` (the default)
        for a torus, fewer leave a rim that shows periodic images.

    Returns
    -------
    (b, c, points, points, points)
        On a torus the sum over the voxels is the sum over the atoms.
    """
    edge = points if scale is None else scale
    place = batch.frac.to(values.dtype) * edge
    if edge == points:
        rows, shares = _corners(place, points, wrap=True)
        nodes = torch.arange(len(place), device=place.device).repeat(len(_CORNERS))
    else:
        shift = place.new_tensor(_IMAGES) * edge
        place = place + (points - 1 - edge) / 2
        near = (place[None] + shift[:, None]).flatten(0, 1)
        kept = ((near > -1) & (near < points)).all(1).nonzero()[:, 0]
        rows, shares = _corners(near[kept], points, wrap=False)
        nodes = (kept % len(place)).repeat(len(_CORNERS))
    rows = rows + batch.graph[nodes] * points**3
    grid = values.new_zeros(batch.size * points**3, values.shape[1])
    grid = grid.index_add(0, rows, values.index_select(0, nodes) * shares[:, None])
    return grid.view(batch.size, points, points, points, -1).movedim(-1, 1)


def _corners(place: Tensor, points: int, *, wrap: bool) -> tuple[Tensor, Tensor]:
    """Voxel and share of the eight corners of each place: (8 n,) int64 and (8 n,)."""
    low = place.floor()
    beyond = place - low
    rows, shares = [], []
    for corner in _CORNERS:
        offset = place.new_tensor(corner)
        share = (offset * beyond + (1 - offset) * (1 - beyond)).prod(1)
        at = low + offset
        if wrap:
            at = at % points
        else:
            share = share * ((at >= 0) & (at < points)).all(1)
            at = at.clamp(0, points - 1)
        x, y, z = at.long().unbind(1)
        rows.append((x * points + y) * points + z)
        shares.append(share)
    return torch.cat(rows), torch.cat(shares)
