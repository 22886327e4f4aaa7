"""Gradient diffusion: what a stack of convolutions is told, and how alike.

Bird (2023), section 2.5, eq. 20 and Fig. 6 (rows B68 to B71): besides
vanishing and exploding, gradients can diffuse: behind a global mean every
activation gets the same one, so that kernels learn alike; minimum and maximum
add an inhomogeneous part.  The figure of the paper is a drawing.  Here stacks
of toroidal convolutions that differ by their activation, norm and read-out
are measured with the meter of training: before it, and while they learn.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Claim, ExperimentCard, Measured
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.claims import larger, least_difference
from crystalgui.core.experiments.results import Cell, Results
from crystalgui.core.experiments.rolling import MNIST, images
from crystalgui.core.messages import Event, LogLine

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from crystalgui.core.datasets.images.dataset import ImageDataset
    from crystalgui.core.experiments.figures import Style

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Case:
    """A stack of convolutions.

    Attributes
    ----------
    read : {"mean", "three", "points", "layers"}
        The mean of each channel of the last layer; its mean, maximum and
        minimum; all its points; or the three pools of every layer.
    norm : {"tensor", "batch", "none"}
    activation : {"leaky", "tanh", "sigmoid"}
    gain : float
        Of the initial kernels, by which a linear stack keeps its gradients.
    trained : bool
        Whether it is trained as well.
    """

    read: str = "mean"
    norm: str = "tensor"
    activation: str = "leaky"
    gain: float = 1.0
    trained: bool = True


VANISHING, EXPLODING = "vanishing", "exploding"
MEAN, THREE, POINTS, LAYERS = "mean", "mean, max and min", "all points", "three pools of each layer"
CASES = {
    VANISHING: Case(norm="none", activation="sigmoid", trained=False),
    EXPLODING: Case(norm="none", gain=3.0, trained=False),
    MEAN: Case(),
    THREE: Case(read="three"),
    POINTS: Case(read="points"),
    LAYERS: Case(read="layers"),
    "mean, tanh": Case(activation="tanh", trained=False),
    "mean, batch norm": Case(norm="batch", trained=False),
}
"""Fig. 6 has the first four; the others are to compare."""
DRAWN = (VANISHING, EXPLODING, MEAN, THREE)
TRAINED = tuple(name for name, case in CASES.items() if case.trained)
QUANTITIES = {
    "norm": "root mean square of the gradient",
    "homogeneous": "homogeneous share",
    "alike": "likeness of the kernels",
}


@dataclass(frozen=True, slots=True)
class Size:
    """How large a preset is; images are averaged over ``shrink`` x ``shrink`` points."""

    depth: int
    channels: int
    repeats: int
    epochs: int
    train: int
    test: int
    shrink: int
    batch: int = 50
    rate: float = 3e-3
    looked: int = 100


SIZES = {
    "quick": Size(6, 8, 4, 6, 1000, 1000, 2),
    "paper": Size(8, 16, 10, 10, 60000, 10000, 1, rate=1e-3),
}
DIFFERS = (
    "The paper draws the four problems; here they are measured in stacks of toroidal 3x3 "
    "convolutions, each with its activation, read by one linear layer.",
    "Likeness is the mean modulus of the cosine between the gradients of the kernels of a layer "
    "over one batch; the paper speaks of equal updates without a measure.",
)


@experiment(
    ExperimentCard(
        name="gradient-diffusion",
        title="Gradient diffusion",
        shows=(
            "How large the gradients in each layer of a stack of convolutions are, which share of "
            "them is the same everywhere, and how alike the kernels learn: with vanishing and "
            "exploding gradients, and behind one global pool or several."
        ),
        paper="Bird (2023), sections 2.5 and 2.8, eq. 20, Fig. 6",
        rows=("B68", "B69", "B70", "B71"),
        presets={
            "quick": "6 layers of 8 channels on MNIST at 14 x 14 points, 4 repeats, 1,000 images, "
            "6 epochs",
            "paper": "8 layers of 16 channels on MNIST, 10 repeats, 60,000 images, 10 epochs",
        },
        minutes={"quick": 3.0, "paper": 900.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Measure every case with several seeds; train some of them."""
    size = SIZES[context.preset]
    data = yield from images(context, MNIST)
    found: dict[str, dict[str, Any]] = {}
    for place, (name, case) in enumerate(CASES.items()):
        key = "case-" + name.replace(", ", "-").replace(" ", "-")
        kept = context.done(key)
        if kept is None:
            yield context.progress(place, len(CASES), f"Measuring: {name}")
            kept = context.keep(key, (yield from _measure(context, size, data, name, case)))
        found[name] = kept
    _tables(context, found)
    _figures(context, found)
    rows = (
        f"The images are those of {MNIST.title}, averaged over {size.shrink} x {size.shrink} "
        f"points; {size.train:,} of them for training, {size.test:,} for testing, {size.epochs} "
        f"epochs of Adam at {size.rate:g}, {size.repeats} repeats."
    )
    return Results(numbers=_numbers(found), claims=claims(found), differs=(*DIFFERS, rows))


# ------------------------------------------------------------------ measuring


def network(case: Case, depth: int, channels: int, points: int, seed: int) -> Any:
    """A `Network` of ten classes with ``depth`` stages, of images (b, 1, points, points)."""
    import torch
    from torch import Tensor, nn

    from crystalgui.core.cards import Card
    from crystalgui.core.models._base import Network
    from crystalgui.core.models.layers.convolution import Convolution
    from crystalgui.core.models.layers.norms import norm
    from crystalgui.core.models.layers.pooling import HIGH_BANDWIDTH, pooled

    activations = {"leaky": nn.LeakyReLU(0.01), "tanh": nn.Tanh(), "sigmoid": nn.Sigmoid()}
    kinds = HIGH_BANDWIDTH if case.read in ("three", "layers") else ("mean",)
    features = {"points": channels * points**2, "layers": depth * len(kinds) * channels}
    torch.manual_seed(seed)

    class Stacked(Network):
        """Convolutions one after another, and a linear layer that reads them."""

        card = Card(name="stack", title="Stack", tasks=("classification",), inputs="image",
                    paper="Bird (2023), Fig. 6")  # fmt: skip

        def __init__(self) -> None:
            super().__init__(10)
            self.layers = nn.ModuleList()
            for number in range(depth):
                convolution = Convolution(channels if number else 1, channels)
                fan = convolution.weight[0].numel()
                nn.init.normal_(convolution.weight, std=case.gain * math.sqrt(2 / fan))
                shape = norm(case.norm, channels)
                self.layers.append(nn.Sequential(convolution, shape, activations[case.activation]))
            self.read = nn.Linear(features.get(case.read, len(kinds) * channels), 10)

        def stages(self) -> tuple[tuple[str, nn.Module], ...]:
            return tuple((str(i + 1), layer) for i, layer in enumerate(self.layers))

        def forward(self, batch: Any) -> Tensor:
            x, read = batch, []
            for layer in self.layers:
                x = layer(x)
                read.append(x)
            if case.read == "points":
                vector = x.flatten(1)
            elif case.read == "layers":
                vector = torch.cat([pooled(each, kinds) for each in read], 1)
            else:
                vector = pooled(x, kinds)
            out: Tensor = self.read(vector)
            return out

    return Stacked()


def _rows(data: ImageDataset, size: Size) -> list[tuple[Any, Any]]:
    """Images (b, 1, n, n) float32 of mean 0 and spread 1, and classes, for training and testing."""
    import torch

    from crystalgui.core.training.sweep import some_rows

    every = []
    for part, count in ((~data.is_test, size.train), (data.is_test, size.test)):
        rows = some_rows(np.flatnonzero(part), data.label, count, 0)
        x = torch.from_numpy(data.values[rows]).float() / 255
        every.append((torch.nn.functional.avg_pool2d(x, size.shrink),
                      torch.from_numpy(data.label[rows])))  # fmt: skip
    mean, spread = every[0][0].mean(), every[0][0].std()
    return [((x - mean) / spread, target) for x, target in every]


def _measure(
    context: Context, size: Size, data: ImageDataset, name: str, case: Case
) -> Generator[Event, None, dict[str, Any]]:
    """The meter by epoch and layer, and accuracy by epoch, of every repeat."""
    import torch
    from torch import nn

    from crystalgui.core.training.gradients import gradients

    (x, y), (test, truth) = (tuple(t.to(context.device) for t in part) for part in
                             _rows(data, size))  # fmt: skip
    loss = nn.functional.cross_entropy
    looks: dict[str, list[Any]] = {quantity: [] for quantity in QUANTITIES}
    accuracy = []
    for seed in range(size.repeats):
        own = network(case, size.depth, size.channels, x.shape[-1], seed).to(context.device)
        steps = torch.optim.Adam(own.parameters(), lr=size.rate)
        by_epoch, right = [], []
        for epoch in range(size.epochs + 1 if case.trained else 1):
            if epoch:
                for rows in torch.split(torch.randperm(len(x)).to(x.device), size.batch):
                    context.check()
                    steps.zero_grad()
                    torch.autograd.backward(loss(own(x[rows]), y[rows]))
                    steps.step()
            # Batches are normed as in training; nothing but running means remembers it.
            by_epoch.append(gradients(own, x[: size.looked], y[: size.looked], loss, epoch))
            with torch.no_grad():
                guess = torch.cat([own(part).argmax(1) for part in torch.split(test, 500)])
            right.append(100 * float((guess == truth).double().mean()))
        for quantity, values in looks.items():
            values.append([getattr(seen, quantity) for seen in by_epoch])
        accuracy.append(right)
        yield LogLine(text=f"{name}, repeat {seed + 1}: {right[-1]:.1f} % of the test images.")
    return {**looks, "accuracy": accuracy, "maps": _maps(case, size, x, y)}


def _maps(case: Case, size: Size, x: Any, y: Any) -> list[Any]:
    """Gradients by the activations of one sample before training: three layers, one channel."""
    import torch

    fresh = network(case, size.depth, size.channels, x.shape[-1], 0).to(x.device)
    outputs: list[Any] = []
    for _, stage in fresh.stages():
        stage.register_forward_hook(lambda _m, _i, out: outputs.append(out))
    cost = torch.nn.functional.cross_entropy(fresh(x[:8]), y[:8], reduction="sum")
    found = torch.autograd.grad(cost, outputs)
    chosen = [found[0], found[len(found) // 2], found[-1]]
    return [slope[0, 0].double().cpu().numpy() for slope in chosen]


# ------------------------------------------------------------------ outcome


def at(found: Mapping[str, Any], quantity: str, epoch: int, layer: int) -> Floats:
    """(r,) float64: what the meter says of a layer (-1 the last) after an epoch (-1 the last)."""
    return np.array([seen[epoch][layer] for seen in found[quantity]], np.float64)


def mean_of(found: Mapping[str, Any], quantity: str, epoch: int) -> Floats:
    """(r,) float64: its mean over the layers."""
    return np.array([np.mean(seen[epoch]) for seen in found[quantity]], np.float64)


def slope(found: Mapping[str, Any], epoch: int = 0) -> Floats:
    """(r,) float64: powers of ten by which gradients grow from the last layer to the first."""
    size = found["norm"]
    ratio = [max(seen[epoch][0], 1e-300) / max(seen[epoch][-1], 1e-300) for seen in size]
    return np.asarray(np.log10(ratio), np.float64)


def claims(found: Mapping[str, Mapping[str, Any]]) -> tuple[Claim, ...]:
    """What the paper says in section 2.5."""
    start = {name: slope(own) for name, own in found.items()}
    none = np.zeros_like(start[MEAN])
    last = {name: at(own, "homogeneous", 0, -1) for name, own in found.items()}
    first = {name: at(own, "homogeneous", 0, 0) for name, own in found.items()}
    likeness = {name: mean_of(own, "alike", 0) for name, own in found.items()}
    right = {name: np.array(found[name]["accuracy"])[:, -1] for name in TRAINED}

    def said(text: str, more: Floats, less: Floats, words: str, unit: str = "") -> Claim:
        return larger(text, more, {words: less}, least_difference([more, less]), unit)

    return (
        said("Sigmoids make gradients vanish towards the first layer", -start[VANISHING], none,
             "none", "powers of ten"),
        said("Large kernels make them explode", start[EXPLODING], none, "none", "powers of ten"),
        _equal(last[MEAN]),
        said("Maximum and minimum make gradients inhomogeneous: the homogeneous share of the last "
             "layer is larger behind the mean alone", last[MEAN], last[THREE], THREE),
        said("On the way back through convolutions gradients become quasi-homogeneous: the share "
             "of the first layer is larger", first[POINTS], last[POINTS], "that of the last"),
        said("Behind a mean the kernels of a layer are told more alike than behind three pools",
             likeness[MEAN], likeness[THREE], THREE),
        _unresolved(likeness),
        said("Three pools alleviate it: they learn better in the same time", right[THREE],
             right[MEAN], "the mean", "%"),
        said("Reading every layer alleviates it further", right[LAYERS], right[THREE], THREE,
             "%"),
    )  # fmt: skip


def _equal(share: Floats) -> Claim:
    """Eq. 20 without minimum and maximum."""
    wrong = float(np.abs(share - 1).max())
    return Claim(
        text="Behind a global mean every activation of a channel gets an equal gradient (eq. 20)",
        verdict="held" if wrong < 1e-5 else "did not hold",
        numbers=f"homogeneous share of the last layer is 1 to {wrong:.1g}",
    )


def _unresolved(likeness: Mapping[str, Floats]) -> Claim:
    """That neither another activation nor batch norm makes kernels less alike."""
    others = ("mean, tanh", "mean, batch norm")
    base, noise = (
        float(likeness[MEAN].mean()),
        least_difference([likeness[n] for n in (MEAN, *others)]),
    )
    less = {n: base - float(likeness[n].mean()) for n in others}
    said = ", ".join(f"{-value:+.3f} with {name[6:]}" for name, value in less.items())
    return Claim(
        text="Other activation functions or batch norm do not resolve it",
        verdict="held" if max(less.values()) <= noise else "did not hold",
        numbers=f"likeness {base:.3f}; {said}; noise {noise:.2g}".replace("-", "\N{MINUS SIGN}"),
    )


def _numbers(found: Mapping[str, Mapping[str, Any]]) -> tuple[Measured, ...]:
    out = []
    for name, own in found.items():
        columns = {
            "gradient of the first layer against the last, powers of ten": slope(own),
            "homogeneous share, last layer": at(own, "homogeneous", 0, -1),
            "homogeneous share, first layer": at(own, "homogeneous", 0, 0),
            "likeness of the kernels": mean_of(own, "alike", 0),
        }
        if CASES[name].trained:
            columns["likeness of the kernels after training"] = mean_of(own, "alike", -1)
            columns["accuracy (%)"] = np.array(own["accuracy"])[:, -1]
        for words, values in columns.items():
            spread = round(float(values.std(ddof=1)), 6) if len(values) > 1 else float("nan")
            value = round(float(values.mean()), 6)  # beyond are roundings of the arithmetic
            out.append(Measured(name=f"{name}: {words}", value=value, spread=spread))
    return tuple(out)


def _tables(context: Context, found: Mapping[str, Mapping[str, Any]]) -> None:
    rows: list[list[Cell]] = []
    for name, own in found.items():
        for repeat, epochs in enumerate(own["norm"]):
            for epoch, layers in enumerate(epochs):
                for layer in range(len(layers)):
                    values = [float(own[q][repeat][epoch][layer]) for q in QUANTITIES]
                    rows.append([name, repeat, epoch, layer + 1, *values])
    header = ["stack", "repeat", "epoch", "layer", *QUANTITIES.values()]
    context.table("meter", header, rows, "The meter of every layer after every epoch")
    rows = [
        [name, repeat, epoch, value]
        for name, own in found.items()
        for repeat, values in enumerate(own["accuracy"])
        for epoch, value in enumerate(values)
    ]
    context.table("accuracy", ["stack", "repeat", "epoch", "accuracy (%)"], rows,
                  "Accuracy on the test images")  # fmt: skip


def _figures(context: Context, found: Mapping[str, Mapping[str, Any]]) -> None:
    from crystalgui.core.reports.figures import SIZE
    from crystalgui.core.reports.typography import REGULAR

    def maps(figure: Figure, style: Style) -> None:
        every = style.axes(figure, len(DRAWN), 3, left=0.2, right=0.98, top=0.93, bottom=0.02,
                           hspace=0.12, wspace=0.06)  # fmt: skip
        for row, name in enumerate(DRAWN):
            pictures = [np.asarray(picture) for picture in found[name]["maps"]]
            scale = max(float(np.abs(pictures[-1]).max()), 1e-30)
            for column, picture in enumerate(pictures):
                axes = every[3 * row + column]
                axes.imshow(picture / scale, cmap="RdBu_r", vmin=-1, vmax=1)
                axes.set_xticks([])
                axes.set_yticks([])
                if row == 0:
                    style.label(axes, title=("first layer", "middle layer", "last layer")[column])
            words = name.replace(", ", ",\n")
            every[3 * row].set_ylabel(
                words,
                fontsize=SIZE,
                color=style.muted,
                rotation=0,
                family=REGULAR,
                ha="right",
                va="center",
                labelpad=8,
            )

    title = "Gradients by the activations of one channel; each row in units of its last layer"
    context.figure("maps", maps, title, 360.0, 420.0)

    def meter(figure: Figure, style: Style) -> None:
        every = style.axes(figure, 1, 3, bottom=0.32, wspace=0.35)
        for axes, (quantity, words) in zip(every, QUANTITIES.items(), strict=True):
            for colour, (name, own) in enumerate(found.items()):
                values = np.array(own[quantity], np.float64)[:, 0]
                axes.plot(
                    np.arange(values.shape[1]) + 1,
                    values.mean(0),
                    marker="o",
                    markersize=2.5,
                    linewidth=1,
                    color=style.colour(colour),
                    label=name,
                )
            style.label(axes, "layer", "", words)
        every[0].set_yscale("log")
        every[0].minorticks_off()
        _legend(figure, style, every[0])

    context.figure("meter", meter, "The meter before training, mean of the repeats", 660.0, 240.0)

    def learning(figure: Figure, style: Style) -> None:
        left, right = style.axes(figure, 1, 2, bottom=0.27)
        for name in TRAINED:
            own, colour = found[name], style.colour(list(found).index(name))
            right_ones = np.array(own["accuracy"])
            mean, spread = right_ones.mean(0), right_ones.std(0)
            epochs = np.arange(len(mean))
            left.errorbar(epochs, mean, spread, color=colour, linewidth=1, capsize=1.5, label=name)
            alike = np.array(own["alike"], np.float64).mean((0, 2))
            right.plot(epochs, alike, color=colour, linewidth=1, label=name)
        style.label(left, "epoch", "accuracy (%)", "On test images")
        style.label(right, "epoch", "", "Likeness of the kernels, mean of the layers")
        _legend(figure, style, right)

    context.figure("learning", learning, "While they learn", 560.0, 240.0)


def _legend(figure: Figure, style: Style, axes: Axes) -> None:
    """Below all axes of a figure, the curves of one of them."""
    from crystalgui.core.reports.figures import SIZE
    from crystalgui.core.reports.typography import REGULAR

    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncol=4, frameon=False,
                  labelcolor=style.text, prop={"family": REGULAR, "size": SIZE})  # fmt: skip
