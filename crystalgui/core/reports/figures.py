"""Figures of a report: bands with the gap marked, and a slice through the zone.

They are plain matplotlib figures of a printed size, so that the same function
serves the PDF (through `vector`), an SVG or a PNG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.reports.typography import (
    EMPTY,
    LINE,
    MUTED,
    OCCUPIED,
    REGULAR,
    TEXT,
)
from crystalgui.core.reports.vector import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from crystalgui.core.physics.bands import Bands
    from crystalgui.core.physics.gaps import Gap, Gaps
    from crystalgui.core.physics.slices import SliceImage

Floats = NDArray[np.float64]

SIZE = 7.5  # points, of every label
BAND = 0.9
SAME = 2e-3  # eV: a band this near to its edge reaches it
# Anchors of the window's sequential map.
_SEQUENTIAL = ("#440154", "#472f7d", "#38598c", "#26828e", "#25ab82", "#75d054", "#fde725")


def quiet_axes(axes: Axes) -> None:
    """Thin grey frame, small labels."""
    for spine in axes.spines.values():
        spine.set_color(LINE)
        spine.set_linewidth(0.6)
    axes.tick_params(
        labelsize=SIZE,
        labelcolor=TEXT,
        color=MUTED,
        length=2.5,
        width=0.5,
        labelfontfamily=REGULAR,
    )


def merge_ticks(
    ticks: tuple[tuple[float, str], ...], room: float, length: float
) -> list[tuple[float, str]]:
    """Tick labels that would touch each other, reduced to those that fit.

    Parameters
    ----------
    ticks : (position, label)
    room : float, points for the whole axis
    length : float, position of its end
    """
    kept: list[tuple[float, str]] = []
    edge = -np.inf
    for position, label in ticks:
        centre = position / max(length, 1e-12) * room
        half = 0.5 * SIZE * 0.62 * max(len(label), 1) + 1.5
        if centre - half >= edge:
            kept.append((position, label))
            edge = centre + half
        else:
            kept.append((position, ""))
    return kept


def edges_on_path(bands: Bands, gap: Gap, occupied: int) -> tuple[Floats, Floats]:
    """Where along the path the two band edges are reached.

    The edges may lie at k-points that are only equivalent to points of the
    path, so energies are compared instead of coordinates.

    Returns
    -------
    (p,) and (q,) float64, 1/Angstrom: distances at which the occupied and the
    empty band come within `SAME` of the edge; empty where the path misses it.
    """
    top, bottom = bands.energies[:, occupied - 1], bands.energies[:, occupied]
    lower = np.flatnonzero(np.abs(top - gap.lower) < SAME)
    upper = np.flatnonzero(np.abs(bottom - gap.upper) < SAME)
    if np.array_equal(gap.k_lower, gap.k_upper):
        lower = upper = np.intersect1d(lower, upper)
    distance = bands.path.distance
    return distance[_best(lower, -top)], distance[_best(upper, bottom)]


def _best(rows: NDArray[np.int64], height: Floats) -> NDArray[np.int64]:
    """The lowest row of each run of neighbouring rows."""
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return np.array([run[np.argmin(height[run])] for run in runs if len(run)], dtype=np.int64)


def _lines(axes: Axes, bands: Bands, occupied: int, reference: float) -> None:
    """All bands, occupied ones in blue, the others in vermillion."""
    from matplotlib.collections import LineCollection

    for first, last, colour in (
        (0, occupied, OCCUPIED),
        (occupied, bands.energies.shape[1], EMPTY),
    ):
        lines = [
            np.column_stack([bands.path.distance[a:b], bands.energies[a:b, n] - reference])
            for a, b in bands.path.pieces
            for n in range(first, last)
        ]
        axes.add_collection(
            LineCollection(lines, colors=colour, linewidths=BAND, capstyle="round", zorder=3)
        )


def _mark_gap(
    axes: Axes, bands: Bands, found: Gaps, gap: Gap, reference: float, label: str
) -> None:
    """An arrow from band edge to band edge where they lie on the path."""
    lower, upper = edges_on_path(bands, gap, found.occupied)
    if len(lower) and len(upper) and not found.metal:
        # The nearest pair of equivalent points gives the shortest arrow.
        pairs = np.abs(lower[:, None] - upper[None, :])
        i, j = np.unravel_index(int(pairs.argmin()), pairs.shape)
        start, stop = (lower[i], gap.lower - reference), (upper[j], gap.upper - reference)
        axes.plot(*zip(start, stop, strict=True), "o", color=TEXT, ms=2.6, zorder=6)
        axes.annotate(
            "",
            xy=stop,
            xytext=start,
            arrowprops={
                "arrowstyle": "->",
                "color": TEXT,
                "lw": 0.7,
                "shrinkA": 1,
                "shrinkB": 1,
                "mutation_scale": 5,
            },
            zorder=5,
        )
    axes.text(
        0.992,
        0.985,
        label,
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=SIZE,
        color=TEXT,
        family=REGULAR,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
        zorder=6,
    )


def energy_range(bands: Bands, occupied: int) -> tuple[float, float]:
    """Energies to show, in eV: whole bands around the gap, at most about 12 eV."""
    low, high = bands.window(occupied)
    pad = 0.04 * (high - low) + 1e-3
    return low - pad, high + pad


def bands_figure(
    bands: Bands, occupied: int, found: Gaps | None, width: float, height: float
) -> Figure:
    """Bands along the path, energies from the Fermi level.

    Parameters
    ----------
    bands : Bands
    occupied : int
    found : Gaps or None
        Its fundamental gap is marked, and its Fermi energy is the zero.
    width, height : float, points
    """
    figure = new_figure(width, height)
    left, right, low, high = 40.0, 4.0, 20.0, 6.0
    axes = figure.add_axes(
        (left / width, low / height, 1 - (left + right) / width, 1 - (low + high) / height)
    )
    quiet_axes(axes)
    reference = found.fermi if found is not None else 0.0
    _lines(axes, bands, occupied, reference)
    end = float(bands.path.distance[-1])
    axes.set_xlim(0, end)
    bottom, top = energy_range(bands, occupied)
    axes.set_ylim(bottom - reference, top - reference)
    if found is not None:
        axes.axhline(0, color=MUTED, linewidth=0.6, dashes=(4, 3), zorder=2)
        gap = found.direct if found.kind == "direct" else found.indirect
        _mark_gap(axes, bands, found, gap, reference, gap_sentence(found))
    for position, _ in bands.path.ticks:
        axes.axvline(position, color=LINE, linewidth=0.6, zorder=1)
    ticks = merge_ticks(bands.path.ticks, width - left - right, end)
    axes.set_xticks([p for p, _ in ticks], [name for _, name in ticks])
    axes.tick_params(axis="x", length=0)
    label = "Energy from Fermi level (eV)" if found is not None else "Energy (eV)"
    axes.set_ylabel(label, fontsize=SIZE, color=MUTED, family=REGULAR, labelpad=3)
    return figure


def gap_sentence(found: Gaps) -> str:
    """The gap in words: ``indirect gap 1.120 eV``."""
    if found.metal:
        overlap = -found.indirect.energy
        return f"no gap: bands overlap by {overlap:.3f} eV" if overlap > 1e-3 else "no gap"
    gap = found.direct if found.kind == "direct" else found.indirect
    return f"{found.kind} gap {gap.energy:.3f} eV"


def sequential() -> Colormap:
    """The window's sequential colour map."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("sequential", list(_SEQUENTIAL))


def slice_figure(
    image: SliceImage, points: list[tuple[str, Floats]], width: float, height: float
) -> Figure:
    """A plane of the zone, clipped to its true outline, with contour lines.

    Parameters
    ----------
    image : SliceImage
    points : (label, (2,) float64 in 1/Angstrom)
        Named points on the plane.
    width, height : float, points
    """
    from matplotlib.patches import Polygon

    figure = new_figure(width, height)
    axes = figure.add_axes((0.01, 0.04, 0.82, 0.92))
    axes.axis("off")
    axes.set_aspect("equal")
    outline = image.plane.outline
    low, high = image.limits
    if high - low < 1e-9:
        low, high = low - 0.5e-3, high + 0.5e-3
    border = Polygon(outline, closed=True, facecolor="none", edgecolor=MUTED, linewidth=0.7)
    axes.add_patch(border)
    fill = axes.contourf(
        image.x, image.y, image.values.T, levels=np.linspace(low, high, 33), cmap=sequential(),
        extend="both",
    )  # fmt: skip
    fill.set_edgecolor("face")  # hides the hairlines between the bands of colour
    fill.set_linewidth(0.3)
    lines = axes.contour(
        image.x,
        image.y,
        image.values.T,
        levels=np.linspace(low, high, 10)[1:-1],
        colors="white",
        linewidths=0.4,
        alpha=0.7,
    )
    for drawn in (fill, lines):
        drawn.set_clip_path(border)
    for label, place in points:
        axes.plot(*place, "o", color=TEXT, ms=2.4, zorder=4, clip_on=False)
        axes.annotate(
            label,
            (float(place[0]), float(place[1])),
            xytext=(3, 3),
            textcoords="offset points",
            fontsize=SIZE,
            color=TEXT,
            family=REGULAR,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.75},
            zorder=5,
        )
    margin = 0.05 * float(np.ptp(outline, axis=0).max())
    axes.set_xlim(outline[:, 0].min() - margin, outline[:, 0].max() + margin)
    axes.set_ylim(outline[:, 1].min() - margin, outline[:, 1].max() + margin)
    _colour_scale(figure, low, high)
    return figure


def _colour_scale(figure: Figure, low: float, high: float) -> None:
    """A narrow bar of flat steps with three labels."""
    axes = figure.add_axes((0.86, 0.16, 0.028, 0.68))
    quiet_axes(axes)
    steps = np.linspace(low, high, 65)
    colours = sequential()(np.linspace(0, 1, 64))
    axes.barh(
        steps[:-1], 1, height=np.diff(steps), align="edge", color=colours, edgecolor=colours,
        linewidth=0.2,
    )  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(low, high)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    middle = (low + high) / 2
    axes.set_yticks([low, middle, high], [f"{v:.3g}" for v in (low, middle, high)])
    axes.set_title("eV", fontsize=SIZE, color=MUTED, family=REGULAR, pad=4)
