"""A crystal as a vector drawing: balls, sticks and the cell, back to front.

The window draws crystals with VTK; paper deserves outlines that stay sharp at
any size and a library that works without a display.  The projection is
orthographic; what is nearer is painted later (painter's algorithm), and
spheres are shaded by a few nested discs shifted towards the light.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.reports.typography import LINE, MUTED, TEXT
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.drawing import drawing
from crystalgui.core.structures.elements import ATOMIC_RADIUS, COLOURS, SYMBOLS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

MOST_ATOMS = 3000  # beyond this a printed cell is a grey mass, and the file is large
BALL = 0.42  # drawn radius / atomic radius
STICK = 0.11  # Angstrom
AZIMUTH, ELEVATION = np.radians(28.0), np.radians(18.0)
_LIGHT = np.array([-0.62, 0.78])
_AXES = ("#d55e00", "#009e73", "#0072b2")


@dataclass(slots=True)
class _Painter:
    """Outlines with their depth; larger depth is nearer and painted later."""

    paths: list[Any]
    depths: list[float]
    faces: list[tuple[float, ...]]

    def add(self, outline: Any, depth: float, colour: tuple[float, ...]) -> None:
        self.paths.append(outline)
        self.depths.append(depth)
        self.faces.append(colour)


def view_axes(lattice: Floats) -> Floats:
    """Right, up and towards the viewer, as rows: c stands upright, a to the right.

    Parameters
    ----------
    lattice : (3, 3) float64, Angstrom

    Returns
    -------
    (3, 3) float64, orthonormal rows
    """
    up = lattice[2] / np.linalg.norm(lattice[2])
    side = lattice[0] - (lattice[0] @ up) * up
    side /= np.linalg.norm(side)
    front = np.cross(side, up)
    if np.linalg.det(lattice) < 0:
        front = -front
    right = np.cos(AZIMUTH) * side + np.sin(AZIMUTH) * np.cross(up, side)
    level = np.cross(right, up)
    towards = np.cos(ELEVATION) * level + np.sin(ELEVATION) * up
    return np.stack([right, np.cross(towards, right), towards])


def _circle(centre: Floats, radius: float) -> Any:
    from matplotlib.path import Path

    return Path.circle(tuple(centre), radius)


def _mix(colour: Floats, other: float, share: float) -> tuple[float, ...]:
    """A colour moved towards black (0) or white (1)."""
    mixed = colour * (1 - share) + other * share
    return (float(mixed[0]), float(mixed[1]), float(mixed[2]))


def _shade(colour: Floats, t: float) -> tuple[float, ...]:
    """Rim (t = 0) to highlight (t = 1)."""
    if t < 0.5:
        return _mix(colour, 0.0, 0.34 * (1 - 2 * t))
    return _mix(colour, 1.0, 0.62 * (2 * t - 1) ** 1.4)


def _balls(painter: _Painter, points: Floats, radii: Floats, colours: Floats) -> None:
    """Shaded discs; fewer shades when there are many atoms."""
    count = len(points)
    levels = 9 if count <= 150 else 5 if count <= 600 else 2
    for point, radius, colour in zip(points, radii, colours, strict=True):
        for i in range(levels):
            t = i / levels
            centre = point[:2] + 0.42 * t * radius * _LIGHT
            # The tiny step keeps the shades of one ball in order.
            painter.add(
                _circle(centre, radius * (1 - 0.9 * t)), point[2] + 1e-6 * i, _shade(colour, t)
            )


def _stick(painter: _Painter, start: Floats, end: Floats, colour: Floats) -> None:
    """Half a bond as three nested strips."""
    from matplotlib.path import Path

    along = end[:2] - start[:2]
    length = float(np.hypot(*along))
    if length < 1e-6:
        return
    across = np.array([-along[1], along[0]]) / length
    if across @ _LIGHT < 0:
        across = -across
    depth = float(start[2] + end[2]) / 2
    for i, (low, high) in enumerate(((-1.0, 1.0), (-0.55, 0.85), (0.05, 0.6))):
        corners = [
            start[:2] + low * STICK * across,
            end[:2] + low * STICK * across,
            end[:2] + high * STICK * across,
            start[:2] + high * STICK * across,
        ]
        outline = Path(np.array([*corners, corners[0]]), closed=True)
        painter.add(outline, depth + 1e-6 * i, _shade(colour, (0.1, 0.5, 0.72)[i]))


def _edges(painter: _Painter, lattice: Floats, view: Floats) -> None:
    """The twelve edges of the cell in short pieces, so that atoms can hide them."""
    from matplotlib.path import Path

    colour = (0.55, 0.6, 0.67)
    for axis in range(3):
        others = [i for i in range(3) if i != axis]
        for i, j in product((0, 1), repeat=2):
            corner = i * lattice[others[0]] + j * lattice[others[1]]
            steps = np.linspace(0, 1, 13)[:, None]
            line = (corner + steps * lattice[axis]) @ view.T
            for start, end in pairwise(line):
                along = end[:2] - start[:2]
                length = float(np.hypot(*along))
                across = np.array([-along[1], along[0]]) / max(length, 1e-9) * 0.02
                corners = [
                    start[:2] - across,
                    end[:2] - across,
                    end[:2] + across,
                    start[:2] + across,
                ]
                painter.add(
                    Path(np.array([*corners, corners[0]]), closed=True),
                    float(start[2] + end[2]) / 2,
                    colour,
                )


def _bonds(
    painter: _Painter, pairs: NDArray[np.int64], points: Floats, radii: Floats, colours: Floats
) -> None:
    """Two coloured halves for each pair of drawn atoms."""
    for first, second in pairs:
        a, b = points[first], points[second]
        step = (b - a) / np.linalg.norm(b - a)
        middle = (a + b) / 2
        _stick(painter, a + 0.9 * radii[first] * step, middle, colours[first])
        _stick(painter, middle, b - 0.9 * radii[second] * step, colours[second])


def _triad(axes: Axes, lattice: Floats, view: Floats) -> None:
    """Directions of a, b, c in the lower left corner."""
    arrows = (lattice / np.linalg.norm(lattice, axis=1)[:, None]) @ view.T
    for i in np.argsort(arrows[:, 2]):
        x, y = arrows[i, :2]
        axes.plot([0, x], [0, y], color=_AXES[i], linewidth=1.1, solid_capstyle="round")
        axes.text(
            1.3 * x + (0.12 if abs(x) < 0.2 and abs(y) < 0.2 else 0),
            1.3 * y,
            "abc"[i],
            color=_AXES[i],
            fontsize=7.5,
            fontfamily="Inter",
            ha="center",
            va="center",
        )
    axes.set_xlim(-1.6, 1.6)
    axes.set_ylim(-1.6, 1.6)
    axes.set_aspect("equal")
    axes.axis("off")


def _legend(figure: Figure, numbers: list[int], height: float, table: str) -> None:
    """A dot and a symbol for each element, along the lower edge."""
    width = float(figure.get_size_inches()[0]) * 72
    axes = figure.add_axes((0.2, 0.0, 0.8, 16 / height))
    axes.set_xlim(0, 0.8 * width)
    axes.set_ylim(0, 16)
    axes.axis("off")
    pitch = min(34.0, 0.8 * width / max(len(numbers), 1))
    left = 0.8 * width - pitch * len(numbers)
    for i, z in enumerate(numbers):
        x = left + pitch * i + 6
        axes.plot([x], [8], "o", markersize=6.5, color=COLOURS[table][z], markeredgecolor=MUTED,
                  markeredgewidth=0.3)  # fmt: skip
        axes.text(x + 6, 8, SYMBOLS[z], fontsize=7.5, color=TEXT, va="center", fontfamily="Inter")


def structure_figure(
    crystal: Crystal, width: float, height: float, *, colours: str = "jmol"
) -> Figure:
    """Draw one cell with the copies on its faces.

    Parameters
    ----------
    crystal : Crystal
    width, height : float, points
    colours : {"jmol", "vesta"}

    Returns
    -------
    Figure
        Its size is ``width`` by ``height``.
    """
    from matplotlib.collections import PathCollection

    from crystalgui.core.reports.vector import new_figure

    figure = new_figure(width, height)
    foot = 18.0
    axes = figure.add_axes((0, foot / height, 1, 1 - foot / height))
    axes.axis("off")
    if crystal.n_atoms > MOST_ATOMS:
        axes.text(0.5, 0.5, f"{crystal.n_atoms:,} atoms: too many to print", ha="center",
                  va="center", fontsize=8, color=MUTED, transform=axes.transAxes)  # fmt: skip
        return figure
    view = view_axes(crystal.lattice)
    shown = drawing(crystal)
    points = shown.positions @ view.T
    species = crystal.species[shown.atom_index]
    radii = BALL * ATOMIC_RADIUS[species]
    palette = COLOURS[colours][species]
    painter = _Painter([], [], [])
    _edges(painter, crystal.lattice, view)
    _bonds(painter, shown.bond_pairs, points, radii, palette)
    _balls(painter, points, radii, palette)
    order = np.argsort(painter.depths, kind="stable")
    collection = PathCollection(
        [painter.paths[i] for i in order],
        facecolors=[painter.faces[i] for i in order],
        edgecolors="none",
        linewidths=0,
    )
    collection.set_transform(axes.transData)
    axes.add_collection(collection)
    _frame(axes, points, radii, crystal.lattice, view)
    _triad(figure.add_axes((0, 0, 40 / width, 40 / height)), crystal.lattice, view)
    _legend(figure, list(crystal.composition), height, colours)
    return figure


def _frame(axes: Axes, points: Floats, radii: Floats, lattice: Floats, view: Floats) -> None:
    """Room for every ball and every corner of the cell, same scale both ways."""
    corners = np.array(list(product((0, 1), repeat=3))) @ lattice @ view.T
    low = np.minimum((points[:, :2] - radii[:, None]).min(0), corners[:, :2].min(0))
    high = np.maximum((points[:, :2] + radii[:, None]).max(0), corners[:, :2].max(0))
    margin = 0.03 * float((high - low).max())
    axes.set_xlim(low[0] - margin, high[0] + margin)
    axes.set_ylim(low[1] - margin, high[1] + margin)
    axes.set_aspect("equal")
    axes.spines[:].set_color(LINE)
