"""Rotational symmetry made readable for a convolution: turned copies, and their maximum.

A convolution finds a structure again where it is shifted, not where it is
turned.  With the kernel (or the input) turned by every multiple of an angle
2 pi / fold, stacked as a new dimension, convolved, turned back and reduced to
the maximum, it does (Bird 2023, section 2.1.1, Figs. 1 and 2; row B19).

Turning is bilinear interpolation, so it is exact where points fall on points:
quarter turns of a square mesh, and sixths of a turn on a hexagonal one, whose
axes are given as `lattice`.

Layout: (b, c, n1, ..., nd); two axes span the plane that is turned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from crystalgui.core.errors import ModelError
from crystalgui.core.models.layers.convolution import Convolution

TURNS = ("kernel", "input")
SQUARE = ((1.0, 0.0), (0.0, 1.0))
HEXAGONAL = ((1.0, 0.0), (0.5, math.sqrt(3) / 2))
"""Two axes at 60 degrees, in rows."""

_EXACT = 1e-9
"""Nearer than this to a point is on it, in points."""

Lattice = tuple[tuple[float, float], tuple[float, float]]


def resampling(
    lengths: tuple[int, int], angle: float, *, periodic: bool, lattice: Lattice = SQUARE
) -> tuple[np.ndarray, np.ndarray]:
    """Which points, with which weights, a plane turned by ``angle`` is made of.

    Parameters
    ----------
    lengths : (n1, n2)
    angle : float, radian
        From the first axis to the second.
    periodic : bool
        The plane is a torus, turned about the point n // 2 of each axis; else
        it is turned about its middle and zero lies around it.
    lattice : (2, 2)
        Directions of the two axes, in rows.

    Returns
    -------
    places : (n1 n2, 4) int64
        Flat indices.
    weights : (n1 n2, 4) float64
    """
    axes, size = np.asarray(lattice, float), np.array(lengths)
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    back = axes @ turn.T @ np.linalg.inv(axes)  # where a turned point came from
    centre = size // 2 if periodic else (size - 1) / 2
    points = np.indices(lengths).reshape(2, -1).T
    source = (points - centre) @ back + centre
    near = source.round()  # a point that falls on a point takes it alone
    source = np.where(np.abs(source - near) < _EXACT, near, source)
    corners = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    low = np.floor(source)
    part = (source - low)[:, None]
    at = low[:, None].astype(np.int64) + corners
    weights = np.where(corners == 1, part, 1 - part).prod(-1)
    if not periodic:
        weights = weights * ((at >= 0) & (at < size)).all(-1)
    at %= size
    return at[..., 0] * lengths[1] + at[..., 1], weights


def turned(
    x: Tensor,
    angle: float,
    plane: tuple[int, int] = (-2, -1),
    *,
    periodic: bool = False,
    lattice: Lattice = SQUARE,
) -> Tensor:
    """``x`` turned by ``angle`` (radian) within the plane of two of its axes, bilinearly."""
    first, second = (axis % x.ndim for axis in plane)
    lengths = (x.shape[first], x.shape[second])
    places, weights = resampling(lengths, angle, periodic=periodic, lattice=lattice)
    return _resampled(x, *_tensors(places, weights, x), (first, second))


def _tensors(places: np.ndarray, weights: np.ndarray, like: Tensor) -> tuple[Tensor, Tensor]:
    """A resampling, where the numbers are that it resamples."""
    return torch.from_numpy(places).to(like.device), torch.from_numpy(weights).to(like)


def _resampled(x: Tensor, places: Tensor, weights: Tensor, plane: tuple[int, int]) -> Tensor:
    """``x`` with two axes made anew from corners, (n1 n2, 4) or (fold, n1 n2, 4) of them.

    The turns become a new first axis.
    """
    moved = x.movedim(plane, (-2, -1))
    corners = moved.flatten(-2).index_select(-1, places.flatten())
    found = (corners.reshape(*corners.shape[:-1], *places.shape) * weights).sum(-1)
    if places.ndim == 2:
        return found.reshape(moved.shape).movedim((-2, -1), plane)
    found = found.movedim(-2, 0).reshape(len(places), *moved.shape)
    return found.movedim((-2, -1), (plane[0] + 1, plane[1] + 1))


class RotationConv(nn.Module):
    """Convolution that finds a structure again where it is turned (row B19).

    Parameters
    ----------
    channels, outputs, size, dimension, wrap, bias, padding
        As of `Convolution`; ``size`` is one number, 2 or 3 dimensions.
    fold : int
        Number of turns, 2 pi / theta.
    turn : {"kernel", "input"}
        What is turned.  An input that is turned is turned back after the
        convolution; a kernel leaves its answer where it belongs.  Both give
        the same numbers where turning is exact.
    depth : bool
        Tell also how far what was found is turned: the maximum times the
        cosine and the sine of its angle, 3 outputs for 1.
    plane : (int, int)
        The two of the axes 0, ..., d - 1 that are turned.
    lattice : (2, 2)
        Directions of these two axes, in rows.
    """

    places: Tensor
    weights: Tensor
    directions: Tensor

    def __init__(
        self,
        channels: int,
        outputs: int,
        size: int = 3,
        dimension: int = 2,
        wrap: str | Sequence[str] = "torus",
        bias: bool = True,
        padding: str = "same",
        *,
        fold: int = 8,
        turn: str = "kernel",
        depth: bool = False,
        plane: tuple[int, int] = (0, 1),
        lattice: Lattice = SQUARE,
    ) -> None:
        super().__init__()
        if fold < 1 or turn not in TURNS or dimension not in (2, 3):
            raise ModelError(f"A {turn} cannot be turned {fold} times in {dimension} dimensions.",
                             "Turn kernel or input, at least once, in 2 or 3 dimensions."
                             )  # fmt: skip
        if len({axis % dimension for axis in plane}) != 2:
            raise ModelError(f"The axes {plane} span no plane.", "Choose two different axes.")
        self.convolution = Convolution(
            channels, outputs, size, dimension, wrap, bias=bias, padding=padding
        )
        around = {self.convolution.wrap[axis] for axis in plane}
        if turn == "input" and (len(around) != 1 or "moebius" in around):
            raise ModelError("A plane must be a torus or flat along both axes to be turned.",
                             "Turn the kernel, or wrap both axes alike.")  # fmt: skip
        self.fold, self.turn, self.depth = fold, turn, depth
        self.plane = (plane[0] % dimension + 2, plane[1] % dimension + 2)
        (a, b), (c, d) = lattice
        self.lattice: Lattice = ((a, b), (c, d))
        directions = torch.arange(fold, dtype=torch.float64) * (2 * math.pi / fold)
        both = torch.stack([directions.cos(), directions.sin()])
        self.register_buffer("directions", both.float(), persistent=False)
        places, weights = _turns(self.fold, (size, size), 1, False, self.lattice)
        self.register_buffer("places", torch.from_numpy(places), persistent=False)
        self.register_buffer("weights", torch.from_numpy(weights).float(), persistent=False)

    @property
    def outputs(self) -> int:
        """Channels that come out."""
        return self.convolution.outputs * (3 if self.depth else 1)

    def stack(self, x: Tensor) -> Tensor:
        """(b, channels, n1, ..., nd) -> (b, outputs, fold, n1, ..., nd): answers to every turn."""
        return self._of_kernels(x) if self.turn == "kernel" else self._of_inputs(x)

    def _of_kernels(self, x: Tensor) -> Tensor:
        """The kernel is turned; its answers lie where they belong."""
        kernel = self.convolution.kernel()
        copies = _resampled(kernel, self.places, self.weights, self.plane).movedim(0, 1)
        bias = self.convolution.bias
        repeated = None if bias is None else bias.repeat_interleave(self.fold)
        found = self.convolution.convolved(x, copies.flatten(0, 1), repeated)
        return found.reshape(len(x), -1, self.fold, *found.shape[2:])

    def _of_inputs(self, x: Tensor) -> Tensor:
        """The input is turned back, convolved as it stands, and the answers are turned again."""
        x = self._each_turn(x, -1)
        found: Tensor = self.convolution(x.flatten(0, 1))
        found = found.reshape(self.fold, -1, *found.shape[1:])
        first, second = (axis + 1 for axis in self.plane)
        turns = self._table((found.shape[first], found.shape[second]), 1, found)
        pairs = zip(found.unbind(0), *turns, strict=True)
        return torch.stack([_resampled(y, p, w, self.plane) for y, p, w in pairs], 2)

    def _each_turn(self, x: Tensor, sign: int) -> Tensor:
        """(b, ...) -> (fold, b, ...)."""
        first, second = self.plane
        return _resampled(x, *self._table((x.shape[first], x.shape[second]), sign, x), self.plane)

    def _table(self, lengths: tuple[int, int], sign: int, like: Tensor) -> tuple[Tensor, Tensor]:
        periodic = self.convolution.wrap[self.plane[0] - 2] == "torus"
        places, weights = _turns(self.fold, lengths, sign, periodic, self.lattice)
        return _tensors(places, weights, like)

    def forward(self, x: Tensor) -> Tensor:
        """(b, channels, n1, ..., nd) -> (b, outputs, n1, ..., nd)."""
        most, which = self.stack(x).max(2)
        if not self.depth:
            return most
        cosine, sine = (row[which] for row in self.directions.unbind(0))
        return torch.cat([most, most * cosine, most * sine], 1)


@lru_cache(maxsize=64)
def _turns(
    fold: int, lengths: tuple[int, int], sign: int, periodic: bool, lattice: Lattice
) -> tuple[np.ndarray, np.ndarray]:
    """`resampling` for every turn: (fold, n1 n2, 4) each."""
    angles = [sign * j * 2 * math.pi / fold for j in range(fold)]
    found = [resampling(lengths, a, periodic=periodic, lattice=lattice) for a in angles]
    return np.stack([f[0] for f in found]), np.stack([f[1] for f in found])
