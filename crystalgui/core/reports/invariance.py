"""What rolling does to the answers of a network, as tables, JSON and a figure.

Bird (2023), section 2.10 and Figs. 15 to 21: accuracy and logged cost against
the degree of rolling chi, with mean, spread and best of the repeats.  Here the
repeats are the members of one trained model, and the equivariance error of
each layer (eq. 16) says where invariance is lost.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crystalgui.core.atomic import write_atomic
from crystalgui.core.messages import InvariancePoint, LayerErrors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CSV, LAYERS, JSON, PDF = "invariance.csv", "layers.csv", "invariance.json", "invariance.pdf"
COLUMNS = (
    "rolling", "accuracy_mean", "accuracy_spread", "accuracy_best", "cost_mean", "cost_spread",
    "cost_best", "log10_cost_mean", "changed_answers",
)  # fmt: skip
EXACT = 1e-5
"""A relative error below it is rounding in single precision."""
WIDTH, HEIGHT = 500.0, 190.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariance:
    """A finished measurement.

    Attributes
    ----------
    model, title, dataset : str
    samples, draws, seed : int
        As used: rows, and rolls of each row.
    device : str
    points : tuple of InvariancePoint
        In rising order of chi.
    layers : LayerErrors or None
        None where the network has no pipeline that moves with its input.
    remarks : tuple of str
        What limits the numbers, in sentences.
    """

    model: str
    title: str
    dataset: str
    samples: int
    draws: int
    seed: int
    device: str
    points: tuple[InvariancePoint, ...]
    layers: LayerErrors | None = None
    remarks: tuple[str, ...] = ()


def over_members(values: Sequence[float], *, low: bool = False) -> tuple[float, float, float]:
    """Mean, spread (n - 1; 0 for one) and best over the members; ``low``: less is better."""
    mean = math.fsum(values) / len(values)
    square = math.fsum((value - mean) ** 2 for value in values)
    around = math.sqrt(square / (len(values) - 1)) if len(values) > 1 else 0.0
    return mean, around, min(values) if low else max(values)


def sentence(points: Sequence[InvariancePoint]) -> str:
    """What the points say, for a reader in a hurry."""
    if not points:
        return "Nothing was measured."
    first, last = points[0], points[-1]
    before, after = over_members(first.accuracy)[0], over_members(last.accuracy)[0]
    if len(points) == 1:
        return f"Accuracy {before:.1%} at a rolling of up to {last.rolling} points."
    most = max(point.changed for point in points)
    if most == 0:
        return (
            f"Invariant: no answer changes when the inputs are rolled by up to {last.rolling} "
            f"points; accuracy {before:.1%}."
        )
    return (
        f"Accuracy goes from {before:.1%} at a rolling of {first.rolling} to {after:.1%} at "
        f"{last.rolling}; at most {most:.1%} of the answers change."
    )


def layers_sentence(layers: LayerErrors) -> str:
    """Where equivariance is lost, or that it is not."""
    lost = [i for i, error in enumerate(layers.error) if not error < EXACT]
    if not lost:
        most = max(layers.error, default=0.0)
        return f"Every layer moves with its input: the largest error is {most:.1g}."
    first = lost[0]
    return (
        f"{len(lost)} of {len(layers.layers)} layers do not move with their input, the first is "
        f"{layers.layers[first]} ({layers.error[first]:.2g})."
    )


def rows(points: Iterable[InvariancePoint]) -> list[tuple[float, ...]]:
    """Rows of `COLUMNS`."""
    found: list[tuple[float, ...]] = []
    for point in points:
        cost = over_members(point.cost, low=True)
        logged = math.log10(max(cost[0], 1e-12))
        found.append((point.rolling, *over_members(point.accuracy), *cost, logged, point.changed))
    return found


def points_csv(points: Iterable[InvariancePoint]) -> str:
    """A line for each degree of rolling."""
    return _csv(COLUMNS, rows(points))


def layers_csv(layers: LayerErrors) -> str:
    """A line for each layer, from input to output."""
    return _csv(
        ("layer", "relative_equivariance_error"), zip(layers.layers, layers.error, strict=True)
    )


def _csv(header: Sequence[str], lines: Iterable[Sequence[str | float]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(
        [cell if isinstance(cell, str) else f"{cell:.8g}" for cell in line] for line in lines
    )
    return buffer.getvalue()


def to_json(found: Invariance) -> str:
    """Everything, members apart."""
    plain = asdict(found)
    for point in plain["points"]:
        point.pop("job_id")
    if found.layers is not None:
        pairs = zip(found.layers.layers, found.layers.error, strict=True)
        plain["layers"] = [{"layer": name, "error": error} for name, error in pairs]
    said = [sentence(found.points)]
    if found.layers is not None:
        said.append(layers_sentence(found.layers))
    plain["sentence"] = " ".join(said)
    return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"


def write(folder: Path, found: Invariance) -> tuple[Path, ...]:
    """Write tables, JSON and the figure into ``folder``; their paths."""
    texts = {CSV: points_csv(found.points), JSON: to_json(found)}
    if found.layers is not None:
        texts[LAYERS] = layers_csv(found.layers)
    for name, text in texts.items():
        write_atomic(folder / name, text)
    buffer = io.BytesIO()
    figure(found).savefig(buffer, format="pdf", metadata={"CreationDate": None})
    write_atomic(folder / PDF, buffer.getvalue())
    return tuple(folder / name for name in (*texts, PDF))


# ------------------------------------------------------------------------ figure


def figure(found: Invariance) -> Figure:
    """Accuracy and logged cost against chi, and the errors by layer, side by side."""
    from crystalgui.core.reports.figures import quiet_axes
    from crystalgui.core.reports.vector import new_figure

    made = new_figure(WIDTH, HEIGHT)
    panels = 2 if found.layers is None else 3
    every = list(made.subplots(1, panels, squeeze=False).flat)
    made.subplots_adjust(left=0.085, right=0.985, bottom=0.2, top=0.86, wspace=0.42)
    for axes in every:
        quiet_axes(axes)
    _curves(every, found.points)
    if found.layers is not None:
        _bars(every[2], found.layers)
    _say(every[0], "", "", f"{found.title}, {found.samples:,} samples of {found.dataset}")
    return made


def _say(axes: object, x: str, y: str, title: str = "") -> None:
    """Names of the axes, small and muted."""
    from matplotlib.axes import Axes

    from crystalgui.core.reports.figures import SIZE
    from crystalgui.core.reports.typography import MUTED, REGULAR, TEXT

    assert isinstance(axes, Axes)
    for set_name, words in ((axes.set_xlabel, x), (axes.set_ylabel, y)):
        if words:
            set_name(words, labelpad=3, fontsize=SIZE, color=MUTED, family=REGULAR)
    if title:
        axes.set_title(title, fontsize=SIZE + 0.5, color=TEXT, family=REGULAR, loc="left", pad=5)


def _curves(every: Sequence[object], points: Sequence[InvariancePoint]) -> None:
    """Mean with its spread, and the best member, of accuracy and logged cost."""
    from matplotlib.axes import Axes

    from crystalgui.core.reports.figures import SIZE
    from crystalgui.core.reports.typography import ACCENT, MUTED, REGULAR

    x = np.array([point.rolling for point in points])
    accuracy = np.array([over_members(point.accuracy) for point in points])
    cost = np.array([over_members(point.cost, low=True) for point in points])
    log = np.log10(np.maximum(cost, 1e-12))
    several = any(len(point.accuracy) > 1 for point in points)
    around = cost[:, 1] / np.maximum(cost[:, 0], 1e-12) / math.log(10)
    for axes, mean, spread, best, name in (
        (every[0], 100 * accuracy[:, 0], 100 * accuracy[:, 1], 100 * accuracy[:, 2],
         "accuracy (%)"),
        (every[1], log[:, 0], around, log[:, 2], "log10 of the cost"),
    ):  # fmt: skip
        assert isinstance(axes, Axes)
        axes.errorbar(x, mean, yerr=spread if several else None, color=ACCENT, linewidth=1.0,
                      marker="o", markersize=2.5, elinewidth=0.6, capsize=1.5,
                      label="mean of the members" if several else "")  # fmt: skip
        if several:
            axes.plot(x, best, color=MUTED, linewidth=0.8, linestyle="--", label="best member")
            axes.legend(frameon=False, prop={"family": REGULAR, "size": SIZE - 0.5})
        _say(axes, "degree of rolling χ (points)", name)


def _bars(place: object, layers: LayerErrors) -> None:
    """Errors by layer on a logarithmic axis, with the line of single precision."""
    from matplotlib.axes import Axes

    from crystalgui.core.reports.figures import SIZE
    from crystalgui.core.reports.typography import ACCENT, MUTED

    assert isinstance(place, Axes)
    count = len(layers.layers)
    place.bar(range(count), np.maximum(layers.error, 1e-9), color=ACCENT, width=0.7)
    place.set_yscale("log")
    place.set_ylim(1e-8, max(2.0, 2 * max(layers.error, default=1.0)))
    place.axhline(EXACT, color=MUTED, linewidth=0.6, linestyle="--")
    step = max(1, count // 8)
    place.set_xticks(range(0, count, step), layers.layers[::step], fontsize=SIZE - 1)
    if count > 4:
        place.tick_params(axis="x", labelrotation=35)
    _say(place, "", "equivariance error")
