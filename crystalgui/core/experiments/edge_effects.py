"""Edge effects of convolutions: what an edge does to activations and to derivatives.

Bird (2023), Fig. 23 (rows B20 and P1): without padding the edge shows in the
activations and in the derivative of their sum by the input; zero padding mends
the latter; on a torus there is no edge.  The figure of the paper is a drawing.
Here both maps are measured over random networks: root mean squares of the last
activations and of the derivative of their sum, at every point.  Zero padding
has two sizes, one that keeps the size of the image ("same") and one that lets
every point of the kernel meet every point of the image ("full").
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Claim, ExperimentCard, Measured
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.claims import confidence, flat, verdict, weakest
from crystalgui.core.experiments.results import Cell, Results
from crystalgui.core.messages import Event

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Generator as Seeded
    from torch import Tensor

    from crystalgui.core.experiments.figures import Style

Floats = NDArray[np.float64]

PADDINGS = {"none": 0, "zero, same": 1, "zero, full": 2, "torus": 1}
"""Points that are added on each side of the image before a 3x3 kernel."""
CHANNELS, SLOPE = 8, 0.01
KINDS = ("activations", "derivatives")
"""What is measured over random networks; paths from an input to the sum are counted."""
COUNTED = 1e-3


@dataclass(frozen=True, slots=True)
class Size:
    """``groups`` times ``networks`` random networks of up to ``depth`` layers."""

    points: int
    depth: int
    groups: int
    networks: int
    inputs: int


SIZES = {"quick": Size(16, 4, 8, 16, 16), "paper": Size(32, 8, 16, 32, 32)}
DIFFERS = (
    "The paper draws what is to be expected; here both maps are measured over networks with "
    "random kernels, leaky ReLU (slope 0.01) and normally distributed inputs.",
    "The paper does not say which zero padding is meant: both are measured.",
)


@experiment(
    ExperimentCard(
        name="edge-effects",
        title="Edge effects of convolutions",
        shows=(
            "Activations of convolutional layers, and the derivative of their sum by the input, "
            "point by point: without padding, with zeros around the image, and on a torus."
        ),
        paper="Bird (2023), sections 2.4.2 and 2.6, Fig. 23",
        rows=("B20",),
        presets={
            "quick": "128 random networks of 1 to 4 layers on 16 x 16 points",
            "paper": "512 random networks of 1 to 8 layers on 32 x 32 points",
        },
        minutes={"quick": 0.3, "paper": 10.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Measure the maps of every padding; then compare edge and centre."""
    size = SIZES[context.preset]
    found: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(PADDINGS):
        key = name.replace(", ", "-")
        kept = context.done(key)
        if kept is None:
            yield context.progress(place, len(PADDINGS), f"Padding: {name}")
            kept = context.keep(key, _measure(context, size, name))
        found[name] = kept
    _figures(context, size, found)
    _tables(context, size, found)
    return Results(numbers=_numbers(size, found), claims=_claims(size, found), differs=DIFFERS)


# ------------------------------------------------------------------ measuring


def convolved(x: Tensor, kernels: list[Tensor], padding: str) -> Tensor:
    """``x`` (b, c, n, n) through 3x3 convolutions and leaky ReLU."""
    from torch.nn import functional as F

    around = PADDINGS[padding]
    for kernel in kernels:
        if around:
            mode = "circular" if padding == "torus" else "constant"
            x = F.pad(x, (around,) * 4, mode=mode)
        x = F.leaky_relu(F.conv2d(x, kernel), SLOPE)
    return x


def _measure(context: Context, size: Size, padding: str) -> dict[str, Any]:
    """Mean squares by depth and group, point by point, and the equivariance error by depth."""
    import torch

    draw = torch.Generator().manual_seed(0)
    maps: dict[str, list[list[Floats]]] = {kind: [] for kind in KINDS}
    error = np.zeros((size.depth, size.groups))
    for depth in range(1, size.depth + 1):
        for kind in KINDS:
            maps[kind].append([])
        for group in range(size.groups):
            context.check()
            squares: list[list[Tensor]] = [[], []]
            wrong = []
            for _ in range(size.networks):
                kernels = _kernels(depth, draw)
                x = torch.randn(size.inputs, CHANNELS, size.points, size.points, generator=draw)
                for each, values in zip(squares, _squares(x, kernels, padding), strict=True):
                    each.append(values)
                wrong.append(_error(x, kernels, padding))
            for kind, each in zip(KINDS, squares, strict=True):
                maps[kind][-1].append(torch.stack(each).mean(0).double().numpy())
            error[depth - 1, group] = np.mean(wrong)
    return {**maps, "paths": _paths(size, padding), "error": error}


def _paths(size: Size, padding: str) -> list[list[Floats]]:
    """By depth: the square of the share of paths that lead from each input to the outputs.

    What a linear network with the same kernel everywhere would measure.
    """
    import torch

    kernel = torch.full((1, 1, 3, 3), 1 / 9, dtype=torch.float64)
    maps = []
    for depth in range(1, size.depth + 1):
        x = torch.ones(1, 1, size.points, size.points, dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(convolved(x, [kernel] * depth, padding).sum(), x)
        maps.append([slope[0, 0].square().numpy()])
    return maps


def _kernels(depth: int, draw: Seeded) -> list[Tensor]:
    """Random kernels that keep the scale of the activations."""
    import torch

    scale = (2 / (9 * CHANNELS * (1 + SLOPE**2))) ** 0.5
    return [scale * torch.randn(CHANNELS, CHANNELS, 3, 3, generator=draw) for _ in range(depth)]


def _squares(x: Tensor, kernels: list[Tensor], padding: str) -> tuple[Tensor, Tensor]:
    """Mean squares over samples and channels: of the activations, of d(their sum)/dx."""
    import torch

    x = x.clone().requires_grad_()
    y = convolved(x, kernels, padding)
    (slope,) = torch.autograd.grad(y.sum(), x)
    return y.detach().square().mean((0, 1)), slope.square().mean((0, 1))


def _error(x: Tensor, kernels: list[Tensor], padding: str) -> float:
    """|f(T x) - T f(x)| / |f(x)| for a shift by one point along both axes."""
    y = convolved(x, kernels, padding)
    moved = convolved(x.roll((1, 1), (2, 3)), kernels, padding)
    return float((moved - y.roll((1, 1), (2, 3))).norm() / y.norm())


# -------------------------------------------------------------------- outcome


def map_of(kept: Mapping[str, Any], kind: str, depth: int) -> Floats:
    """(n, n) float64: root mean square at every point, 1 at the centre."""
    mean = np.mean(kept[kind][depth - 1], axis=0)
    rms: Floats = np.sqrt(mean)
    return rms / centre(rms)


def centre(values: Floats) -> float:
    """Mean over the middle four points (or the middle one)."""
    low, high = (values.shape[0] - 1) // 2, values.shape[0] // 2 + 1
    return float(values[low:high, low:high].mean())


def ring(values: Floats) -> float:
    """Mean over the outermost points."""
    inside = np.ones(values.shape, bool)
    inside[1:-1, 1:-1] = False
    return float(values[inside].mean())


def _middle(values: Floats) -> float:
    """Mean over the half of the points around the centre."""
    quarter = values.shape[0] // 4
    return float(values[quarter:-quarter, quarter:-quarter].mean())


def shares(kept: Mapping[str, Any], kind: str, depth: int) -> Floats:
    """(groups,) float64: the outermost points in per cent of those around the centre."""
    rms = np.sqrt(np.asarray(kept[kind][depth - 1]))
    return np.array([100 * ring(m) / _middle(m) for m in rms])


def _share(kept: Mapping[str, Any], kind: str, depth: int) -> tuple[float, float]:
    """Mean and deviation of the `shares`; paths are counted, there is nothing to repeat."""
    each = shares(kept, kind, depth)
    return float(each.mean()), float(each.std(ddof=1)) if len(each) > 1 else float("nan")


def _claims(size: Size, found: dict[str, dict[str, Any]]) -> tuple[Claim, ...]:
    """What the caption of Fig. 23 says, at the greatest depth."""

    def edge(padding: str, kind: str) -> tuple[float, float, str]:
        """What the edge lacks, the noise of it, and both in words."""
        each = shares(found[padding], kind, size.depth)
        noise = confidence(each) if len(each) > 1 else COUNTED
        words = f"{kind}: edge {each.mean():.1f} % of the centre"
        return 100 - float(each.mean()), noise, f"{words}; noise {noise:.2g} %"

    def effect(text: str, padding: str, kind: str) -> Claim:
        lack, noise, words = edge(padding, kind)
        return Claim(text=text, verdict=verdict(lack, noise), numbers=words)

    def even(text: str, padding: str, kinds: Sequence[str]) -> Claim:
        parts = [edge(padding, kind) for kind in kinds]
        claims = [flat("", np.array([0.0, lack]), noise) for lack, noise, _ in parts]
        said = "; ".join(words for _, _, words in parts)
        return Claim(text=text, verdict=weakest([c.verdict for c in claims]), numbers=said)

    paths, both = ("paths",), (*KINDS, "paths")
    return (
        effect("Without padding the activations have edge effects", "none", "activations"),
        effect("Without padding the derivatives have edge effects", "none", "derivatives"),
        even("Zero padding (same) lets all inputs contribute evenly", "zero, same", paths),
        even("Zero padding (full) lets all inputs contribute evenly", "zero, full", paths),
        effect("Zero padding (same) leaves edge effects of activations", "zero, same", KINDS[0]),
        effect("Zero padding (full) leaves edge effects of activations", "zero, full", KINDS[0]),
        even("On a torus there are no edge effects of either", "torus", both),
    )


def _numbers(size: Size, found: dict[str, dict[str, Any]]) -> tuple[Measured, ...]:
    out = []
    for name, kept in found.items():
        for kind in (*KINDS, "paths"):
            for depth in (1, size.depth):
                value, spread = _share(kept, kind, depth)
                layers = "layer" if depth == 1 else "layers"
                what = f"padding {name}: edge of the {kind} after {depth} {layers}"
                out.append(Measured(name=what, value=value, spread=spread, unit="% of the centre"))
        error = 100 * np.asarray(kept["error"])[-1]
        what = f"padding {name}: equivariance error after {size.depth} layers"
        spread = float(error.std(ddof=1))
        out.append(Measured(name=what, value=float(error.mean()), spread=spread, unit="%"))
    return tuple(out)


def _tables(context: Context, size: Size, found: dict[str, dict[str, Any]]) -> None:
    rows: list[list[Cell]] = []
    for name, kept in found.items():
        for depth in range(1, size.depth + 1):
            row: list[Cell] = [name, depth]
            for kind in KINDS:
                row += _share(kept, kind, depth)
            error = 100 * float(np.mean(kept["error"][depth - 1]))
            rows.append([*row, _share(kept, "paths", depth)[0], error])
    header = ["padding", "layers", "edge of activations (% of centre)", "spread (%)",
              "edge of derivatives (% of centre)", "spread (%)",
              "paths from the edge (% of centre)", "equivariance error (%)"]  # fmt: skip
    context.table("edges", header, rows, "Edge and equivariance error by depth")


def _figures(context: Context, size: Size, found: dict[str, dict[str, Any]]) -> None:
    kinds = (*KINDS, "paths")

    def maps(figure: Figure, style: Style) -> None:
        axes = style.axes(figure, len(kinds), len(found), wspace=0.12, hspace=0.3, bottom=0.02)
        for column, (name, kept) in enumerate(found.items()):
            for row, kind in enumerate(kinds):
                ax = axes[row * len(found) + column]
                values = map_of(kept, kind, size.depth)
                ax.imshow(values, cmap=style.sequential(), vmin=0, vmax=1.2)
                ax.set_xticks([])
                ax.set_yticks([])
                share = f"edge {_share(kept, kind, size.depth)[0]:.0f} %"
                title = f"{name}: {share}" if row == 0 else share
                style.label(ax, "", kind if column == 0 else "", title)

    title = f"Root mean squares after {size.depth} layers; the centre of each map is 1"
    context.figure("maps", maps, title, 520.0, 420.0)

    def depths(figure: Figure, style: Style) -> None:
        axes = style.axes(figure, 1, 3, right=0.98)
        layers = range(1, size.depth + 1)
        for index, (name, kept) in enumerate(found.items()):
            options: dict[str, Any] = {
                "color": style.colour(index), "linewidth": 1.2, "label": name,
            }  # fmt: skip
            for ax, kind in zip(axes, KINDS, strict=False):
                ax.plot(layers, [_share(kept, kind, d)[0] for d in layers], **options)
            axes[2].plot(layers, 100 * np.mean(kept["error"], axis=1), **options)
        for ax, kind in zip(axes, KINDS, strict=False):
            style.label(ax, "layers", "edge (% of centre)", kind)
            ax.set_ylim(0, 130)
        style.label(axes[2], "layers", "%", "equivariance error")
        for ax in axes:
            ax.set_xticks(list(layers))
        style.legend(axes[2], loc="center right")

    context.figure("depths", depths, "Edge effects compound over the layers", 520.0, 190.0)
