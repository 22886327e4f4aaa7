"""What a sweep found: accuracy and logged cost against the degree of rolling.

Bird (2023), section 3.2, Figs. 15 to 21 and 29: for each network the mean over
the repeats with its deviation, and the best of them.  The cost is drawn as its
logarithm to base 10, averaged after taking it.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.atomic import write_atomic
from crystalgui.core.messages import SweepPoint, SweepRecipe
from crystalgui.core.reports.invariance import over_members

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Quantity = Literal["accuracy", "cost"]
QUANTITIES: dict[Quantity, str] = {"accuracy": "accuracy (%)", "cost": "log10 of the cost"}
POINTS, CURVES, JSON, PDF = "points.csv", "curves.csv", "sweep.json", "sweep.pdf"
COLUMNS = (
    "network", "group", "rolling", "networks", "accuracy_mean", "accuracy_spread", "accuracy_best",
    "log10_cost_mean", "log10_cost_spread", "log10_cost_best",
)  # fmt: skip
LEAST = 1e-12
PANEL, HEIGHT, LINE = 240.0, 200.0, 11.0
Cell = str | float


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One network over chi.

    Attributes
    ----------
    network, group : str
    rolling : (k,) float64
        Degrees of which at least one network is ready, rising.
    mean, spread, best : (k,) float64
        Per cent, or the logarithm of the cost; spread 0 for one repeat.
    count : (k,) float64
        Repeats that are ready and have a number.
    """

    network: str
    group: str
    rolling: Floats
    mean: Floats
    spread: Floats
    best: Floats
    count: Floats


def curves(
    recipe: SweepRecipe, points: Iterable[SweepPoint], quantity: Quantity
) -> tuple[Curve, ...]:
    """A curve for each network of the sweep, of what is ready; diverged ones are left out."""
    values: dict[str, dict[int, list[float]]] = {n.title: {} for n in recipe.networks}
    for point in points:
        number = 100 * point.accuracy if quantity == "accuracy" else _logged(point.cost)
        if point.network in values and math.isfinite(number):
            values[point.network].setdefault(point.rolling, []).append(number)
    found = []
    for network in recipe.networks:
        own = values[network.title]
        rows = [
            (chi, *over_members(own[chi], low=quantity == "cost"), len(own[chi]))
            for chi in sorted(own)
        ]
        table = np.array(rows, np.float64).reshape(-1, 5)
        found.append(Curve(network.title, network.group, *table.T))
    return tuple(found)


def _logged(cost: float) -> float:
    return math.log10(max(cost, LEAST)) if math.isfinite(cost) else math.nan


def groups(recipe: SweepRecipe) -> tuple[str, ...]:
    """What puts curves into one panel, in the order of the networks."""
    return tuple(dict.fromkeys(network.group for network in recipe.networks))


def sentence(recipe: SweepRecipe, points: Sequence[SweepPoint]) -> str:
    """How much is ready, and which network is best over all degrees that it has."""
    ready = f"{len(points)} of {recipe.size} networks are ready"
    means = {
        curve.network: float(curve.mean.mean())
        for curve in curves(recipe, points, "accuracy")
        if len(curve.rolling) == len(recipe.rollings)
    }
    lost = sum(not math.isfinite(point.cost) for point in points)
    words = f"{ready}, {lost} of them without a finite cost." if lost else f"{ready}."
    if len(means) > 1:
        best = max(means, key=lambda title: means[title])
        words += f" Most accurate over all degrees: {best}, {means[best]:.1f} %."
    return words


# ------------------------------------------------------------------------ files


def points_csv(recipe: SweepRecipe, points: Iterable[SweepPoint]) -> str:
    """A line for each trained network."""
    group = {network.title: network.group for network in recipe.networks}
    rows = [
        (p.network, group.get(p.network, ""), p.rolling, p.repeat, p.accuracy, p.cost)
        for p in points
    ]
    return _csv(("network", "group", "rolling", "repeat", "accuracy", "cost"), rows)


def curves_csv(recipe: SweepRecipe, points: Sequence[SweepPoint]) -> str:
    """A line of `COLUMNS` for each network and degree; accuracies in per cent."""
    rows: list[tuple[Cell, ...]] = []
    pairs = zip(curves(recipe, points, "accuracy"), curves(recipe, points, "cost"), strict=True)
    for right, cost in pairs:
        for k, chi in enumerate(right.rolling):
            numbers = (right.mean[k], right.spread[k], right.best[k],
                       cost.mean[k], cost.spread[k], cost.best[k])  # fmt: skip
            rows.append((right.network, right.group, chi, right.count[k], *numbers))
    return _csv(COLUMNS, rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([c if isinstance(c, str) else f"{c:.8g}" for c in row])
    return buffer.getvalue()


def to_json(recipe: SweepRecipe, points: Iterable[SweepPoint]) -> str:
    """The recipe and every point."""
    rows = []
    for point in points:
        row = {k: v for k, v in asdict(point).items() if k not in ("job_id", "run_id")}
        rows.append({k: _number(v) for k, v in row.items()})
    plain = {"recipe": asdict(recipe), "points": rows}
    return json.dumps(plain, indent=1, ensure_ascii=False, default=str) + "\n"


def _number(value: str | float) -> str | float | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write(folder: Path, recipe: SweepRecipe, points: Sequence[SweepPoint]) -> tuple[Path, ...]:
    """Write tables, JSON and the figure into ``folder``; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        POINTS: points_csv(recipe, points),
        CURVES: curves_csv(recipe, points),
        JSON: to_json(recipe, points),
    }
    for name, text in texts.items():
        write_atomic(folder / name, text)
    write_pdf(folder / PDF, recipe, points)
    return tuple(folder / name for name in (*texts, PDF))


# ----------------------------------------------------------------------- figure


def write_pdf(path: Path, recipe: SweepRecipe, points: Sequence[SweepPoint]) -> Path:
    """Write the figure as a vector PDF."""
    buffer = io.BytesIO()
    figure(recipe, points).savefig(buffer, format="pdf", metadata={"CreationDate": None})
    write_atomic(path, buffer.getvalue())
    return path


def figure(recipe: SweepRecipe, points: Sequence[SweepPoint]) -> Figure:
    """A row of accuracy and logged cost for each group, a curve for each network."""
    from crystalgui.core.reports.figures import SIZE, quiet_axes
    from crystalgui.core.reports.typography import REGULAR, TEXT
    from crystalgui.core.reports.vector import new_figure

    panels = groups(recipe)
    names = max(sum(n.group == g for n in recipe.networks) for g in panels)
    height = HEIGHT + LINE * names
    width, whole = 2 * PANEL, height * len(panels) + 16
    made = new_figure(width, whole)
    made.suptitle(recipe.title, x=0.02, y=1 - 4 / whole, va="top", ha="left", fontsize=SIZE + 1,
                  family=REGULAR, color=TEXT)  # fmt: skip
    every = made.subplots(len(panels), 2, squeeze=False)
    below = (36 + LINE * names) / whole
    made.subplots_adjust(left=0.09, right=0.985, bottom=below, top=1 - 34 / whole, wspace=0.25,
                         hspace=(66 + LINE * names) / 130)  # fmt: skip
    quantity: Quantity
    for row, group in enumerate(panels):
        for column, quantity in enumerate(QUANTITIES):
            axes: Axes = every[row][column]
            quiet_axes(axes)
            own = [c for c in curves(recipe, points, quantity) if c.group == group]
            _draw(axes, own, quantity, group if column == 0 else "", legend=column == 0)
    return made


def _draw(
    axes: Axes, own: Sequence[Curve], quantity: Quantity, title: str, *, legend: bool
) -> None:
    """Mean with its deviation as a band, the best of the repeats as a thin dashed line."""
    from matplotlib.ticker import MaxNLocator

    from crystalgui.core.reports.figures import SIZE
    from crystalgui.core.reports.typography import MUTED, OKABE_ITO, REGULAR, TEXT

    for number, curve in enumerate(own):
        ink = OKABE_ITO[number % len(OKABE_ITO)]
        x, mean, around = curve.rolling, curve.mean, curve.spread
        axes.plot(x, mean, color=ink, linewidth=1.1, marker="o", markersize=2.5,
                  label=curve.network)  # fmt: skip
        axes.plot(x, curve.best, color=ink, linewidth=0.6, dashes=(3, 2))
        axes.fill_between(x, mean - around, mean + around, color=ink, alpha=0.18, linewidth=0)
    words: dict[str, Any] = {"fontsize": SIZE, "color": MUTED, "family": REGULAR}
    axes.set_xlabel("degree of rolling χ (points)", labelpad=3, **words)
    axes.set_ylabel(QUANTITIES[quantity], labelpad=3, **words)
    axes.set_title(title, fontsize=SIZE + 0.5, color=TEXT, family=REGULAR, loc="left", pad=5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if legend and own:
        axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.2), frameon=False,
                    prop={"family": REGULAR, "size": SIZE - 0.5})  # fmt: skip
