"""Network diagrams as plain geometry, and on the printed page.

Bird (2023), Figs. 8, 10 to 12, 26 and 27, draws a network as boxes and arrows
in two parts: an abstraction pipeline in green and an interpretive network in
purple.  A `Diagram` is that drawing without a drawing library: boxes, lines
and labels with positions in points, so that the window and a report paint the
same thing.  What is drawn is decided where networks are known
(`crystalgui.core.models.diagram`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crystalgui.core.atomic import write_atomic
from crystalgui.core.reports.typography import LINE, MUTED, REGULAR, TEXT
from crystalgui.core.store.encode import from_plain, to_plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Part = Literal["abstraction", "interpretation", "data"]
Level = Literal["region", "layer", "mark"]

COLOURS: dict[str, tuple[str, str]] = {
    "abstraction": ("#0b7d57", "#e3f4ec"),
    "interpretation": ("#7a3fb5", "#f1e8fa"),
    "data": (MUTED, "#f4f6f9"),
}
"""Line and fill of each part on white paper."""
SIZES = {"title": 8.5, "text": 7.5, "small": 6.5}
"""Points of a label, by its size."""
FILE = "diagram.json"
MOST = 1e5
"""Points; a drawing that is larger is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle with rounded corners; ``x``, ``y`` is its upper left corner, y counts down.

    ``level``: a region lies behind everything, a layer is an operation, a mark
    is a small operation such as a sum.
    """

    x: float
    y: float
    width: float
    height: float
    part: Part
    level: Level = "layer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A polyline through ``points`` (x, y), with an arrow head at its end."""

    points: tuple[tuple[float, float], ...]
    part: Part
    arrow: bool = True
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One line of text; ``x`` is its edge or centre by ``align``, ``y`` its middle."""

    x: float
    y: float
    text: str
    align: Literal["left", "center", "right"] = "center"
    size: Literal["title", "text", "small"] = "text"
    part: Part = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """A drawing of ``width`` by ``height`` points.

    ``summary`` says in a sentence what is drawn, for who cannot see it.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    labels: tuple[Label, ...]
    summary: str = ""


def write_diagram(folder: Path, diagram: Diagram) -> None:
    """Keep the diagram of a trained model in its folder, for reports."""
    write_atomic(folder / FILE, json.dumps(to_plain(diagram, folder), ensure_ascii=False) + "\n")


def read_diagram(folder: Path) -> Diagram | None:
    """The diagram that a model folder keeps; None without one that can be read."""
    try:
        plain = json.loads((folder / FILE).read_text("utf-8"))
        found: Diagram = from_plain(Diagram, plain, folder)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    numbers = [found.width, found.height]
    numbers += [n for b in found.boxes for n in (b.x, b.y, b.width, b.height)]
    numbers += [n for line in found.lines for point in line.points for n in point]
    numbers += [n for label in found.labels for n in (label.x, label.y)]
    sound = all(math.isfinite(n) and 0 <= n <= MOST for n in numbers)
    return found if sound and min(found.width, found.height) > 0 else None


def figure(diagram: Diagram, width: float = 0.0, height: float = 0.0) -> Figure:
    """A matplotlib figure of vectors, at most ``width`` by ``height`` points (0: its own size).

    It is made smaller where it does not fit, never larger.
    """
    from matplotlib.patches import FancyBboxPatch

    from crystalgui.core.reports.vector import new_figure

    limits = [(width, diagram.width), (height, diagram.height)]
    scale = min([1.0, *(most / own for most, own in limits if most > 0)])
    drawn = new_figure(diagram.width * scale, diagram.height * scale)
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, diagram.width)
    axes.set_ylim(diagram.height, 0)
    axes.set_axis_off()
    for box in sorted(diagram.boxes, key=lambda box: box.level != "region"):
        edge, fill = COLOURS[box.part]
        region = box.level == "region"
        radius = min(6.0 if region else 3.0, box.width / 2, box.height / 2)
        axes.add_patch(
            FancyBboxPatch(
                (box.x + radius, box.y + radius), box.width - 2 * radius, box.height - 2 * radius,
                boxstyle=f"round,pad={radius}", mutation_aspect=1,
                facecolor=fill if region else "#ffffff", edgecolor=LINE if region else edge,
                linewidth=(0.6 if region else 0.9) * scale, zorder=1 if region else 3,
            )
        )  # fmt: skip
    for line in diagram.lines:
        _line(axes, line, scale)
    for label in diagram.labels:
        colour = COLOURS[label.part][0] if label.part != "data" else TEXT
        axes.text(
            label.x, label.y, label.text, ha=label.align, va="center_baseline",
            fontsize=SIZES[label.size] * scale, color=colour if label.size == "title" else TEXT,
            family=REGULAR,
            weight="semibold" if label.size == "title" else "normal", zorder=4,
            parse_math=False,
        )  # fmt: skip
    return drawn


def _line(axes: object, line: Line, scale: float) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    colour = COLOURS[line.part][0]
    x, y = zip(*line.points, strict=True)
    axes.plot(
        x, y, color=colour, linewidth=0.8 * scale, zorder=2,
        linestyle=(0, (3, 2)) if line.dashed else "-", solid_joinstyle="round",
    )  # fmt: skip
    if line.arrow:
        axes.fill(*head(line), color=colour, linewidth=0, zorder=2)


def head(line: Line, length: float = 4.0) -> tuple[list[float], list[float]]:
    """Corners of the arrow head at the end of a line: three x, three y."""
    (x0, y0), (x, y) = line.points[-2:]
    along = max(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5, 1e-9)
    dx, dy = (x - x0) / along * length, (y - y0) / along * length
    return [x, x - dx - dy / 2.5, x - dx + dy / 2.5], [y, y - dy + dx / 2.5, y - dy - dx / 2.5]
