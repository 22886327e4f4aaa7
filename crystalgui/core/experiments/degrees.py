"""Points over degrees of rolling: what figures of accuracy and cost against chi say.

Bird (2023), section 3.2, Figs. 15-21 and 29: mean and deviation over repeats,
the best of them, and what is read from the curves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Claim
from crystalgui.core.experiments._registry import Context
from crystalgui.core.experiments.claims import (
    blocked_difference,
    flat,
    larger,
    least_difference,
    weakest,
)
from crystalgui.core.messages import SweepPoint, SweepRecipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from crystalgui.core.experiments.figures import Style

Floats = NDArray[np.float64]
Quantity = Literal["accuracy", "cost"]
QUANTITIES: dict[Quantity, str] = {"accuracy": "accuracy (%)", "cost": "log10 of the cost"}

CONVOLUTION, FCN, SUM = "convolution", "toroidal FCN", "toroidal sum"
CONVOLUTIONS = {CONVOLUTION: "convolution", FCN: "toroidal-fcn", SUM: "toroidal-sum"}
"""What the figures call the pipelines, and the parameter of the card."""
DRAWN = "mean, deviation (band) and best (dashed) of the repeats"
KINDS = ("standard", "residual", "tuned", "free", "high-bandwidth", "hybrid")


def name(kind: str, convolution: str) -> str:
    """What a network is called in points and tables."""
    return f"{kind}, {convolution}"


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """What a sweep found.

    Attributes
    ----------
    titles : tuple of str
        n networks.
    rollings : tuple of int
        k degrees of rolling.
    accuracy : (n, k, r) float64, per cent
        NaN where training diverged.
    cost : (n, k, r) float64
        Mean cross-entropy.
    """

    titles: tuple[str, ...]
    rollings: tuple[int, ...]
    accuracy: Floats
    cost: Floats

    @classmethod
    def of(cls, recipe: SweepRecipe, points: Sequence[SweepPoint]) -> Points:
        """The points of a finished sweep."""
        titles = tuple(network.title for network in recipe.networks)
        shape = (len(titles), len(recipe.rollings), recipe.repeats)
        accuracy, cost = np.full(shape, np.nan), np.full(shape, np.nan)
        for point in points:
            where = (
                titles.index(point.network),
                recipe.rollings.index(point.rolling),
                point.repeat,
            )
            accuracy[where], cost[where] = 100 * point.accuracy, point.cost
        return cls(titles, recipe.rollings, accuracy, cost)

    def values(self, title: str, quantity: Quantity = "accuracy") -> Floats:
        """(k, r) float64: accuracy in per cent, or the logarithm of the cost to base 10."""
        row = self.titles.index(title)
        found: Floats = self.accuracy[row] if quantity == "accuracy" else np.log10(self.cost[row])
        return found

    def across(self, title: str, least: int = 0) -> Floats:
        """(r,) float64, per cent: mean over chi from ``least`` on."""
        chosen = np.array(self.rollings) >= least
        mean: Floats = np.nanmean(self.values(title)[chosen], axis=0)
        return mean

    def at(self, title: str, chi: int) -> Floats:
        """(r,) float64, per cent."""
        found: Floats = self.values(title)[self.rollings.index(chi)]
        return found

    @property
    def largest(self) -> int:
        """The greatest degree of rolling."""
        return max(self.rollings)

    @property
    def rolled(self) -> int:
        """The smallest degree above zero."""
        return min(chi for chi in self.rollings if chi > 0)

    # ------------------------------------------------------------------ claims

    def _noise(self, groups: Sequence[Floats]) -> float:
        """Least difference among all networks of the figure, so that none of many
        comparisons finds one by chance.
        """
        return least_difference(groups, among=max(2, len(groups)))

    def best_across(
        self, text: str, title: str, others: Mapping[str, str], least: int = 0
    ) -> Claim:
        """That the mean over chi of ``title`` is above those of ``others`` (words: title)."""
        found = {words: self.across(t, least) for words, t in others.items()}
        noise = self._noise([self.across(t, least) for t in self.titles])
        return larger(text, self.across(title, least), found, noise)

    def best_at(self, text: str, chi: int, title: str, others: Mapping[str, str]) -> Claim:
        """That ``title`` is above ``others`` at one chi."""
        found = {words: self.at(t, chi) for words, t in others.items()}
        noise = self._noise([self.at(t, chi) for t in self.titles])
        return larger(text, self.at(title, chi), found, noise)

    def alike_across(self, text: str, *titles: str) -> Claim:
        """That the means over chi of some networks do not differ."""
        noise = self._noise([self.across(t) for t in self.titles])
        return flat(text, np.array([np.nanmean(self.across(t)) for t in titles]), noise)

    def alike_at(self, text: str, chi: int, *titles: str) -> Claim:
        """That some networks do not differ at one chi."""
        noise = self._noise([self.at(t, chi) for t in self.titles])
        return flat(text, np.array([np.nanmean(self.at(t, chi)) for t in titles]), noise)

    def flat(self, text: str, title: str, least: int = 0) -> Claim:
        """That a network does not notice chi, from ``least`` on: its means over the repeats
        are no further apart than repeats make them.
        """
        chosen = self.values(title)[np.array(self.rollings) >= least]
        return flat(text, np.nanmean(chosen, axis=1), self._noise(list(chosen)))

    def falls(self, text: str, title: str) -> Claim:
        """That a network is better without rolling than at the greatest chi."""
        there = {f"chi = {self.largest}": self.at(title, self.largest)}
        return larger(text, self.at(title, 0), there, blocked_difference(self.values(title)))


def deviation(values: Floats) -> float:
    """Over the repeats; not known when there is but one."""
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def joined(text: str, parts: Mapping[str, Claim]) -> Claim:
    """A claim with several parts, each said in the numbers."""
    said = "; ".join(f"{words}: {claim.numbers}" for words, claim in parts.items())
    return Claim(text=text, verdict=weakest([c.verdict for c in parts.values()]), numbers=said)


# -------------------------------------------------------------------- figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Axes of a figure: the curves of some networks, by the words of the legend."""

    title: str
    quantity: Quantity
    curves: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def grouped(*kinds: str) -> tuple[Chart, ...]:
    """A panel for each kind with its three convolutions: accuracy, and cost in its own figure."""
    charts = []
    quantity: Quantity
    for quantity, words in QUANTITIES.items():
        panels = tuple(
            Panel(title=kind, quantity=quantity, curves={c: name(kind, c) for c in CONVOLUTIONS})
            for kind in kinds
        )
        title = f"{words[:1].upper()}{words[1:]} against the degree of rolling: {DRAWN}"
        charts.append(Chart(name=quantity, title=title, panels=panels))
    return tuple(charts)


def beside(titles: Mapping[str, str]) -> tuple[Chart, ...]:
    """One figure: cost on the left, accuracy on the right, all curves in both."""
    panels = (
        Panel(title="logged cost", quantity="cost", curves=titles),
        Panel(title="accuracy", quantity="accuracy", curves=titles),
    )
    title = f"Logged cost and accuracy against the degree of rolling: {DRAWN}"
    return (Chart(name="rolling", title=title, panels=panels),)


def draw_chart(context: Context, chart: Chart, points: Points) -> None:
    """Write the figure of a chart."""
    from crystalgui.core.reports.figures import SIZE
    from crystalgui.core.reports.typography import REGULAR

    many, words = len(chart.panels), list(chart.panels[0].curves)
    width = min(680.0, 60.0 + 230.0 * many)
    rows = 1 if sum(4.2 * len(w) + 34 for w in words) < width else 2
    height = 222.0 + 12.0 * rows

    def draw(figure: Figure, style: Style) -> None:
        every = style.axes(figure, 1, many, bottom=(44.0 + 12.0 * rows) / height, wspace=0.28)
        for axes, panel in zip(every, chart.panels, strict=True):
            for number, title in enumerate(panel.curves.values()):
                curve(axes, style.colour(number), points, title, panel.quantity)
            style.label(axes, "degree of rolling, chi", QUANTITIES[panel.quantity], panel.title)
        _same_scale(every, chart.panels)
        lines = every[0].get_lines()
        figure.legend(
            lines[:: len(lines) // len(words)], words, loc="lower center", frameon=False,
            ncol=-(-len(words) // rows), labelcolor=style.text,
            prop={"family": REGULAR, "size": SIZE},
        )  # fmt: skip

    context.figure(chart.name, draw, chart.title, width, height)


def curve(axes: Axes, colour: str, points: Points, title: str, quantity: Quantity) -> None:
    """Mean with its deviation as a band, and the best of the repeats as a thin line."""
    values, chi = points.values(title, quantity), np.array(points.rollings)
    mean = np.nanmean(values, axis=1)
    around = np.nanstd(values, axis=1, ddof=1) if values.shape[1] > 1 else np.zeros(len(mean))
    best = np.nanmax(values, axis=1) if quantity == "accuracy" else np.nanmin(values, axis=1)
    axes.plot(chi, mean, color=colour, linewidth=1.2, marker="o", markersize=2.5)
    axes.plot(chi, best, color=colour, linewidth=0.6, dashes=(3, 2))
    axes.fill_between(chi, mean - around, mean + around, color=colour, alpha=0.18, linewidth=0)


def _same_scale(every: Sequence[Axes], panels: Sequence[Panel]) -> None:
    """Panels of one quantity can be compared by eye."""
    for quantity in QUANTITIES:
        group = [a for a, p in zip(every, panels, strict=True) if p.quantity == quantity]
        if group:
            limits = [axes.get_ylim() for axes in group]
            low, high = min(a for a, _ in limits), max(b for _, b in limits)
            for axes in group:
                axes.set_ylim(low, high)
