"""Words beside points of a scene, so that none covers another word or a ball.

Greedy point labelling (e.g. Christensen, Marks and Shieber 1995, ACM Trans.
Graph. 14, 203, section 3.1): each word in its turn takes the place, out of
eight around its point and then farther out, with the least overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.scene.camera import Projection

SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))
"""Where a word may stand, right and up of its point, the best first."""
GAP = 3.0
WIDTH = 0.62
"""Of a letter, in heights of the font; enough for capitals."""


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """A label: text, (3,) point, height of the font in logical pixels, its actor."""

    text: str
    at: NDArray[np.float64]
    size: float
    actor: Any


def place(
    words: Sequence[Word],
    balls: Sequence[tuple[NDArray[np.float64], float]],
    view: Projection,
    ratio: float,
) -> None:
    """Set the display offset of every word.

    Parameters
    ----------
    words : sequence of Word
        The first ones get the better places.
    balls : sequence of ((3,) point, radius)
        What must not be covered either, in units of space.
    view : Projection
    ratio : float
        Device pixels a logical pixel.
    """
    if not words:
        return
    taken = [_around(xy, (radius / view.scale,) * 2) for xy, radius in _seen(balls, view)]
    points = view.project(np.array([word.at for word in words]))[:, :2]
    reach = [_radius(xy, taken) for xy in points]
    for word, xy, radius in zip(words, points, reach, strict=True):
        half = np.array([0.5 * WIDTH * len(word.text), 0.5]) * word.size * ratio
        offset, box = _best(xy, half, radius + GAP * ratio, taken)
        taken.append(box)
        word.actor.SetDisplayOffset(round(offset[0]), round(offset[1]))


def _seen(
    balls: Sequence[tuple[NDArray[np.float64], float]], view: Projection
) -> list[tuple[NDArray[np.float64], float]]:
    if not balls:
        return []
    at = view.project(np.array([k for k, _ in balls]))[:, :2]
    return [(xy, radius) for xy, (_, radius) in zip(at, balls, strict=True)]


def _around(xy: NDArray[np.float64], half: Any) -> NDArray[np.float64]:
    """Left, top, right, bottom of a box about a point."""
    return np.concatenate([xy - half, xy + half])


def _radius(xy: NDArray[np.float64], balls: list[NDArray[np.float64]]) -> float:
    """Of the largest ball that stands at a point, pixels."""
    here = [0.5 * (b[2] - b[0]) for b in balls if np.abs(0.5 * (b[:2] + b[2:]) - xy).max() < 1.0]
    return float(max(here, default=0.0))


def _best(
    xy: NDArray[np.float64],
    half: NDArray[np.float64],
    away: float,
    taken: list[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offset (right, up) and box of the place with the least overlap."""
    boxes = np.array(taken).reshape(-1, 4)
    best: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None
    for ring in (1.0, 2.2):
        for right, up in SIDES:
            inward = 0.7 if right and up else 1.0
            offset = np.array([right, up]) * (half + inward * ring * away)
            box = _around(xy + offset * (1, -1), half)
            covered = _overlap(box, boxes)
            if best is None or covered < best[0] - 1e-9:
                best = covered, offset, box
        if best is not None and best[0] <= 0:
            break
    assert best is not None
    return best[1], best[2]


def _overlap(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> float:
    """Area of a box that others cover, square pixels."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    return float(np.prod(np.clip(sides, 0.0, None), axis=1).sum())
