"""Level lines of a zone slice, clipped to the zone, as arrays and as CSV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.slices import SliceImage

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Contour:
    """One level line: ``level`` in the slice's unit, ``xy`` (p, 2) in 1/Angstrom in the plane."""

    level: float
    xy: Floats


def nice_levels(low: float, high: float, count: int = 8) -> Floats:
    """About ``count`` round levels strictly between ``low`` and ``high``."""
    if not high > low:
        return np.empty(0)
    raw = (high - low) / count
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    levels = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return np.asarray(levels[(levels > low) & (levels < high)])


def _signed_levels(image: SliceImage) -> Floats:
    """Levels on both sides of zero where half of the zone is, not only on the peaks."""
    size = np.abs(image.values[image.inside & np.isfinite(image.values)])
    usual = float(np.quantile(size, 0.8)) if len(size) else 0.0
    if usual <= 0 or usual < 1e-9 * image.limits[1]:
        return np.empty(0)
    steps = usual * 4.0 ** np.arange(-1, 4)
    steps = steps[steps < image.limits[1]]
    return np.concatenate([-steps[::-1], steps])


def contours(image: SliceImage, levels: Floats | None = None) -> list[Contour]:
    """Level lines of a slice inside the outline of the zone."""
    import contourpy

    if levels is None:
        levels = _signed_levels(image) if image.signed else nice_levels(*image.limits)
    values = np.ma.masked_invalid(image.values.T)
    generator = contourpy.contour_generator(
        image.x, image.y, values, line_type=contourpy.LineType.Separate
    )
    found: list[Contour] = []
    for level in levels:
        for line in generator.lines(float(level)):
            parts = clip(np.asarray(line, dtype=np.float64), image.plane.outline)
            found += [Contour(level=float(level), xy=part) for part in parts]
    return found


def clip(line: Floats, outline: Floats) -> list[Floats]:
    """Parts of a polyline (p, 2) inside a convex counter-clockwise polygon."""
    edge = np.roll(outline, -1, axis=0) - outline
    normal = np.stack([edge[:, 1], -edge[:, 0]], axis=1)
    reach = (normal * outline).sum(axis=1)
    over = line @ normal.T - reach
    if (over <= 0).all():
        return [line]
    a, b = over[:-1], over[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        cross = a / (a - b)
    enter = np.where((a > 0) & (b <= 0), cross, 0.0).max(axis=1)
    leave = np.where((a <= 0) & (b > 0), cross, 1.0).min(axis=1)
    leave = np.where(((a > 0) & (b > 0)).any(axis=1), -1.0, leave)
    kept = np.flatnonzero(enter < leave)
    if not len(kept):
        return []
    apart = (np.diff(kept) > 1) | (enter[kept[1:]] > 0) | (leave[kept[:-1]] < 1)
    parts: list[Floats] = []
    for run in np.split(kept, np.flatnonzero(apart) + 1):
        i, j = int(run[0]), int(run[-1])
        part = line[i : j + 2].copy()
        part[0] += enter[i] * (line[i + 1] - line[i])
        if leave[j] < 1:
            part[-1] = line[j] + leave[j] * (line[j + 1] - line[j])
        parts.append(part)
    return parts


def contours_csv(image: SliceImage, lines: list[Contour]) -> str:
    """``level_eV,line,x_per_A,y_per_A,k1,k2,k3``, one row a vertex; ``level_A2`` if curvature."""
    rows = [f"level_{_unit(image)},line,x_per_A,y_per_A,k1,k2,k3"]
    for number, line in enumerate(lines, start=1):
        for (x, y), k in zip(line.xy, image.plane.reduced(line.xy), strict=True):
            rows.append(
                f"{line.level:.10g},{number},{x:.8f},{y:.8f},{k[0]:.8f},{k[1]:.8f},{k[2]:.8f}"
            )
    return "\n".join(rows) + "\n"


def slice_csv(image: SliceImage) -> str:
    """``x_per_A,y_per_A,k1,k2,k3,value_eV`` (or ``value_A2``) for the points inside the outline."""
    rows = [f"x_per_A,y_per_A,k1,k2,k3,value_{_unit(image)}"]
    i, j = np.nonzero(image.inside & np.isfinite(image.values))
    xy = np.stack([image.x[i], image.y[j]], axis=1)
    for (x, y), k, value in zip(xy, image.plane.reduced(xy), image.values[i, j], strict=True):
        rows.append(f"{x:.8f},{y:.8f},{k[0]:.8f},{k[1]:.8f},{k[2]:.8f},{value:.10f}")
    return "\n".join(rows) + "\n"


def _unit(image: SliceImage) -> str:
    return {"Å²": "A2", "": "1"}.get(image.unit, image.unit)
