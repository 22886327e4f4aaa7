"""What the networks of the nine problems say: nine numbers, claims, tables, a figure.

Each problem of Bird (2023) has one number here, and the sentence of the paper
that the number bears out or does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Claim, Measured, Scalar, Verdict
from crystalgui.core.experiments.claims import confidence, verdict, weakest
from crystalgui.core.experiments.results import Cell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from crystalgui.core.experiments._registry import Context
    from crystalgui.core.experiments.figures import Style

Floats = NDArray[np.float64]
Params = dict[str, Scalar]

ROLLING = 4
"""Degree of rolling that trained networks are asked under."""
DEEP = 6
"""Convolutions of the pipelines without a reduction, which are looked at untrained."""
EXACT = 1e-5
"""A relative error below it is rounding in single precision."""

COMMON: Params = {
    "whole": False, "halvings": 1, "depth": 3, "basis": 12, "wide": 32, "norm": "batch",
}  # fmt: skip
PLAIN: Params = {**COMMON, "halvings": 0, "depth": DEEP}
TRAINED: dict[str, tuple[str, Params]] = {
    "padded": (
        "padded with zeros",
        {"kind": "standard", "convolution": "convolution", "whole": True},
    ),
    "torus": ("toroidal, standard", {"kind": "standard"}),
    "residual": ("toroidal, residual", {"kind": "residual"}),
    "extractor": ("toroidal, tuned extractor", {"kind": "tuned"}),
}
"""Networks that are trained: what they are called, what differs from `COMMON`."""
FRESH: dict[str, tuple[str, Params, tuple[str, ...]]] = {
    "mean": ("standard, mean pool", {"kind": "standard"}, ("mean",)),
    "max": ("standard, max pool", {"kind": "standard"}, ("max",)),
    "residual": ("residual, mean pool", {"kind": "residual"}, ("mean",)),
    "extractor": ("extractor, mean pools", {"kind": "tuned"}, ("mean",)),
    "three": ("extractor, mean, max and min", {"kind": "high-bandwidth"}, ("mean", "max", "min")),
}
"""Untrained networks: name, what differs from `PLAIN`, global pools."""
BESIDE: dict[str, Any] = {"ncols": 2, "handlelength": 1.2, "columnspacing": 1.2}
"""Of legends with two names in one line."""
PROBLEMS = (
    ("P1", "B68", "equivariance error of the last layer with padding", "relative"),
    ("P2", "B69", f"answers that a roll by up to {ROLLING} changes, with padding", "%"),
    ("P3", "B70", "gradient behind a mean pool that is the same everywhere", "%"),
    ("P4", "B71", "points that the gradient of a max pool reaches in the first layer", "%"),
    ("P5", "B72", "linear probe of all levels of a residual network over its end", "%"),
    ("P6", "B73", "correlation of equal channels over others across a bypass", "times"),
    ("P7", "B74", "work of a residual pipeline of one size over a pooled one", "times"),
    ("P8", "B75", "kernels' gradients alike in the first layer, residual over plain", "times"),
    ("P9", "B76", "part of a layer that no linear map finds behind its pooling", "%"),
)
"""Of each problem its row and the number that shows it."""
DIFFERS = (
    "The paper argues its nine problems in words; every number here is ours, measured on small "
    "networks of handwritten digits (8 x 8 points, scikit-learn), gradients before training.",
    "Toroidal networks keep the strongest sublattice when they pool; with the sampling of the "
    "paper they are invariant under even shifts only.",
    "Norms are those over the batch. With a norm of each tensor the same networks learn less in "
    "this time (residual 74 % right), and the probe of all levels (P5) is 7.9 +- 2.3 % above that "
    "of the end: the deficit is seen in networks that are not trained to their end.",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was kept of untrained and of trained networks."""

    fresh: Mapping[str, Any]
    trained: Mapping[str, Mapping[str, Any]]

    def layer(self, name: str, key: str) -> Floats:
        """(networks, layers) of untrained networks: homogeneous, alike, reached."""
        return np.array(self.fresh[name][key], np.float64)

    def of(self, name: str, key: str) -> Floats:
        """(repeats, ...) of trained networks."""
        return np.array(self.trained[name][key], np.float64)

    def errors(self, convolution: str) -> Floats:
        """(networks, layers): equivariance errors of untrained networks."""
        return np.array(self.fresh["errors"][convolution], np.float64)

    def numbers(self) -> dict[str, Floats]:
        """The number of each problem, one for each network that was looked at."""
        work = np.array(self.fresh["work"], np.float64)
        alike = {name: self.layer(name, "alike")[:, 0] for name in ("residual", "mean")}
        return {
            "P1": self.errors("convolution")[:, -1],
            "P2": 100 * self.of("padded", "changed"),
            "P3": 100 * self.layer("mean", "homogeneous")[:, -1],
            "P4": 100 * self.layer("max", "reached")[:, 0],
            "P5": 100 * (self.of("residual", "all") - self.of("residual", "probes")[:, -1]),
            "P6": self.of("residual", "same") / self.of("residual", "other"),
            "P7": work[:, 0] / work[:, 1],
            "P8": alike["residual"] / alike["mean"],
            "P9": 100 * self.of("residual", "lost"),
        }

    def measured(self) -> tuple[Measured, ...]:
        """The headline numbers."""
        found = self.numbers()
        return tuple(
            Measured(
                name=f"{problem}: {words}",
                value=round(float(found[problem].mean()), 6),
                spread=round(float(found[problem].std(ddof=1)), 6),
                unit=unit,
            )
            for problem, _, words, unit in PROBLEMS
        )


# ------------------------------------------------------------------ claims


def claims(found: Outcome) -> tuple[Claim, ...]:
    """What the paper says of each problem, judged by the networks that show it."""
    return (*_of_invariance(found), *_of_gradients(found), *_of_residuals(found))


def _of_invariance(found: Outcome) -> list[Claim]:
    padded, torus = found.errors("convolution"), found.errors("toroidal-sum")
    changed = 100 * found.of("padded", "changed")
    before, after = (100 * found.of("padded", key).mean() for key in ("accuracy", "rolled"))
    kept = 100 * found.of("torus", "changed").max()
    return [
        _claim(
            "P1: zero padding breaks equivariance, more so in each further layer; a torus does "
            "not.",
            padded[:, -1] - padded[:, 0],
            f"error {padded[:, 0].mean():.2f} in the first and {padded[:, -1].mean():.2f} in the "
            f"last layer; at most {torus.max():.1g} on a torus",
            also=bool(torus.max() < EXACT),
        ),
        _claim(
            "P2: an architecture with padded convolutions is not invariant; a toroidal one with "
            "global pools is.",
            changed,
            f"{changed.mean():.0f} % of the answers change with padding (accuracy {before:.1f} to "
            f"{after:.1f} %), {kept:.1g} % on a torus",
            also=bool(kept == 0),
        ),
    ]


def _of_gradients(found: Outcome) -> list[Claim]:
    same = {name: 100 * found.layer(name, "homogeneous") for name in FRESH}
    reached = 100 * found.layer("max", "reached")
    alike = {name: found.layer(name, "alike") for name in FRESH}
    first = {name: values[:, 0] for name, values in alike.items()}
    ends = [f"{FRESH[n][0]} {alike[n][:, -1].mean():.2f} to {first[n].mean():.2f}"
            for n in ("mean", "max")]  # fmt: skip
    return [
        _claim(
            "P3: behind a global mean all activations get an equal gradient; further pools make "
            "it uneven.",
            same["mean"][:, -1] - same["three"][:, -1],
            f"{same['mean'][:, -1].mean():.0f} % homogeneous behind a mean, "
            f"{same['three'][:, -1].mean():.1f} % with maximum and minimum",
        ),
        _claim(
            "P4: uneven gradients diffuse as well on their way back through the layers.",
            reached[:, 0] - reached[:, -1],
            f"behind a maximum the gradient reaches {reached[:, -1].mean():.1f} % of the points "
            f"in the last layer, {reached[:, 0].mean():.1f} % in the first",
        ),
        Claim(
            text="P3, P4: diffusion makes the kernels of a layer learn alike, the more the "
            "further they are from the output.",
            verdict=weakest([_verdict(alike[n][:, 0] - alike[n][:, -1]) for n in ("mean", "max")]),
            numbers="likeness of the kernels' gradients from the last to the first layer: "
            + "; ".join(ends),
        ),
        _claim(
            "P8: bypasses do little against diffusing gradients; reading every layer does more.",
            first["residual"] - first["extractor"],
            f"likeness in the first layer: plain {first['mean'].mean():.2f}, residual "
            f"{first['residual'].mean():.2f}, extractor {first['extractor'].mean():.2f}, with "
            f"three pools {first['three'].mean():.2f}; homogeneous there "
            + ", ".join(f"{same[n][:, 0].mean():.0f}" for n in ("mean", "residual", "extractor",
                                                               "three"))
            + " %",
        ),
    ]  # fmt: skip


def _of_residuals(found: Outcome) -> list[Claim]:
    numbers = found.numbers()
    level, gained = 100 * found.of("residual", "probes").mean(0), numbers["P5"]
    basis = {name: (found.of(name, "same"), found.of(name, "other")) for name in
             ("torus", "residual")}  # fmt: skip
    words = {name: f"{same.mean():.2f} (others {other.mean():.2f})"
             for name, (same, other) in basis.items()}  # fmt: skip
    right = {name: 100 * found.of(name, "accuracy").mean() for name in ("residual", "extractor")}
    nesting = float(np.max(found.fresh["nesting"]))
    return [
        _claim(
            "P5: a residual network reads one level of complexity, though others have something "
            "to tell.",
            gained,
            f"linear probes: end {level[-1]:.1f} %, best level {level.max():.1f} %, all "
            f"{level[-1] + gained.mean():.1f} %; the network itself {right['residual']:.1f} %, "
            f"a tuned extractor {right['extractor']:.1f} %",
        ),
        _claim(
            "P6: adding a layer to its input makes both share a basis.",
            basis["residual"][0] - basis["torus"][0],
            f"equal channels correlate by {words['residual']} across a bypass, "
            f"{words['torus']} without one",
        ),
        _claim(
            "P7: a common basis needs tensors of one size, which cost more work.",
            numbers["P7"] - 1,
            f"{numbers['P7'].mean():.2f} times the multiplications of as many convolutions with "
            "two poolings",
        ),
        _claim(
            "P9: pooling breaks nested classes in a residual network, not in an extractor.",
            numbers["P9"],
            f"{numbers['P9'].mean():.0f} % of a layer cannot be had back behind its pooling; a "
            f"deeper extractor with a pooling is the shallower one to {nesting:.1g}",
            also=nesting < EXACT,
        ),
    ]  # fmt: skip


def _claim(text: str, differences: Floats, numbers: str, *, also: bool = True) -> Claim:
    """Held when the differences are above nothing by more than their confidence interval."""
    found = _verdict(differences) if also else "did not hold"
    return Claim(text=text, verdict=found, numbers=numbers)


def _verdict(differences: Floats) -> Verdict:
    """Of something that is said to be above nothing, by its confidence interval."""
    noise = confidence(differences) if differences.std() > 0 else 0.0
    return verdict(float(differences.mean()), noise)


# ------------------------------------------------------------------ tables and figure


def report(context: Context, found: Outcome) -> None:
    """Three tables and a figure of nine panels."""
    numbers = found.numbers()
    context.table(
        "problems",
        ["problem", "number", "value", "spread", "unit", "networks"],
        [
            (problem, words, numbers[problem].mean(), numbers[problem].std(ddof=1), unit,
             len(numbers[problem]))
            for problem, _, words, unit in PROBLEMS
        ],
        "One number for each of the nine problems",
    )  # fmt: skip
    context.table(
        "trained",
        ["network", "accuracy (%)", f"rolled by up to {ROLLING} (%)", "answers changed (%)",
         "probe of the end (%)", "probe of all levels (%)", "correlation of equal channels",
         "of others"],
        [_trained_row(found, name) for name in TRAINED],
        "Trained networks, mean over the repeats",
    )  # fmt: skip
    context.table(
        "gradients",
        ["network", "layer", "homogeneous (%)", "points reached (%)", "likeness of kernels"],
        [_gradient_row(found, name, layer) for name in FRESH for layer in range(DEEP)],
        "Gradients of untrained networks by layer",
    )
    context.figure(
        "problems",
        lambda figure, style: _draw(figure, style, found),
        "What shows each of the nine problems",
        width=520,
        height=430,
    )


def _trained_row(found: Outcome, name: str) -> list[Cell]:
    shares = (
        found.of(name, "accuracy"),
        found.of(name, "rolled"),
        found.of(name, "changed"),
        found.of(name, "probes")[:, -1],
        found.of(name, "all"),
    )
    bases = [float(found.of(name, key).mean()) for key in ("same", "other")]
    return [TRAINED[name][0], *(100 * float(each.mean()) for each in shares), *bases]


def _gradient_row(found: Outcome, name: str, layer: int) -> list[Cell]:
    means = [float(found.layer(name, key)[:, layer].mean())
             for key in ("homogeneous", "reached", "alike")]  # fmt: skip
    return [FRESH[name][0], layer + 1, 100 * means[0], 100 * means[1], means[2]]


def _draw(figure: Figure, style: Style, found: Outcome) -> None:
    """Nine panels, one for each problem."""
    every = style.axes(figure, 3, 3, wspace=0.42, hspace=0.58, left=0.085, bottom=0.055, top=0.95)
    panels = dict(zip(("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9"), every, strict=True))
    _draw_lines(panels, style, found)
    _draw_bars(panels, style, found)


def _draw_lines(panels: Mapping[str, Axes], style: Style, found: Outcome) -> None:
    layer = np.arange(1, DEEP + 1)
    errors = {"padded": found.errors("convolution"), "torus": found.errors("toroidal-sum")}
    for place, (name, values) in enumerate(errors.items()):
        rounded = np.maximum(values, 1e-8).mean(0)
        panels["P1"].plot(layer, rounded, color=style.colour(place), linewidth=1, marker="o",
                          markersize=2, label=name)  # fmt: skip
    panels["P1"].set_yscale("log")
    panels["P1"].set_ylim(1e-9, 10)
    style.legend(panels["P1"], loc="center right")
    style.label(panels["P1"], "layer", "equivariance error", "P1 equivariance")
    same = {name: 100 * found.layer(name, "homogeneous") for name in ("mean", "three")}
    _lines(panels["P3"], style, layer, {"mean": same["mean"], "three pools": same["three"]})
    panels["P3"].set_ylim(-4, 135)
    panels["P3"].set_yticks(range(0, 101, 25))
    style.legend(panels["P3"], loc="upper left", **BESIDE)
    style.label(panels["P3"], "layer", "homogeneous (%)", "P3 homogeneous gradients")
    _lines(panels["P4"], style, layer, {"max": 100 * found.layer("max", "reached")})
    panels["P4"].set_ylim(bottom=0)
    style.label(panels["P4"], "layer", "points reached (%)", "P4 uneven gradients diffuse")
    probes = 100 * found.of("residual", "probes")
    _lines(panels["P5"], style, np.arange(1, probes.shape[1] + 1), {"one level": probes})
    every = 100 * float(found.of("residual", "all").mean())
    panels["P5"].axhline(every, color=style.muted, linewidth=0.8, linestyle="--")
    style.label(panels["P5"], "layer", "probe accuracy (%)", "P5 one level (dashed: all)")


def _draw_bars(panels: Mapping[str, Axes], style: Style, found: Outcome) -> None:
    shown = {name: [100 * found.of(name, key) for key in ("accuracy", "rolled")]
             for name in ("padded", "torus", "extractor")}  # fmt: skip
    _bars(panels["P2"], style, shown, ("centred", "rolled"))
    panels["P2"].set_ylim(0, 138)
    panels["P2"].set_yticks(range(0, 101, 25))
    style.legend(panels["P2"], loc="upper left", **BESIDE)
    style.label(panels["P2"], "", "accuracy (%)", "P2 invariance")
    pairs = {name: [found.of(name, key) for key in ("same", "other")]
             for name in ("torus", "residual")}  # fmt: skip
    _bars(panels["P6"], style, pairs, ("same", "others"))
    panels["P6"].set_ylim(0, 1.3)
    panels["P6"].set_yticks([0, 0.5, 1])
    style.legend(panels["P6"], loc="upper left", **BESIDE)
    style.label(panels["P6"], "", "correlation", "P6 shared basis")
    work = np.array(found.fresh["work"], np.float64).T / 1e6
    _bars(panels["P7"], style, {"one size": [work[0]], "pooled": [work[1]]})
    style.label(panels["P7"], "", "10⁶ multiplications", "P7 one size")
    names = {"mean": "plain", "residual": "residual", "extractor": "extract.", "three": "3 pools"}
    alike = {words: [found.layer(name, "alike")[:, 0]] for name, words in names.items()}
    _bars(panels["P8"], style, alike)
    style.label(panels["P8"], "", "likeness of kernels", "P8 diffusion, first layer")
    nesting = np.maximum(np.array(found.fresh["nesting"], np.float64), 1e-8)
    _bars(panels["P9"], style, {"residual": [found.of("residual", "lost")],
                                "extractor": [nesting]})  # fmt: skip
    panels["P9"].set_yscale("log")
    panels["P9"].set_ylim(1e-9, 10)
    style.label(panels["P9"], "", "not recovered", "P9 nesting over a pooling")


def _lines(axes: Axes, style: Style, x: NDArray[Any], curves: Mapping[str, Floats]) -> None:
    """Means over the networks (rows) with their spread."""
    for place, (name, values) in enumerate(curves.items()):
        around = values.std(0, ddof=1)
        axes.errorbar(x, values.mean(0), yerr=around, color=style.colour(place), linewidth=1,
                      elinewidth=0.6, marker="o", markersize=2, label=name)  # fmt: skip


def _bars(
    axes: Axes, style: Style, groups: Mapping[str, Sequence[Floats]], names: Sequence[str] = ("",)
) -> None:
    """A bar for each of ``names`` in each group, mean and spread over the networks."""
    count = len(names)
    for place, name in enumerate(names):
        values = [group[place] for group in groups.values()]
        x = np.arange(len(values)) + (place - (count - 1) / 2) * 0.36
        axes.bar(x, [v.mean() for v in values], yerr=[v.std(ddof=1) for v in values],
                 width=0.34 if count > 1 else 0.55, color=style.colour(place), label=name,
                 error_kw={"elinewidth": 0.6, "ecolor": style.muted})  # fmt: skip
    axes.set_xticks(range(len(groups)), list(groups))
