"""Attention by epoch: does a medium extractor learn from the ground up?

Bird (2023), section 3.2 and Fig. 22 (row B91): the attention of the high
bandwidth, free attention, toroidal-sum extractor over 1250 images.  Before
training it is spread evenly; then, it says, early layers are prioritised,
damped once they are trained while the next ones are undamped, and layers 2,
5, 8 and 14 stand out.  With two convolutions of each size these are the last
ones before a reduction, which is how the preset "cifar" is built.

The paper names batch norm for its networks and prefers to norm each tensor by
itself for attention (section 2.8.1), so both are watched.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Claim, ExperimentCard, Measured, Scalar
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.attention import (
    SAMPLES,
    Seen,
    Size,
    recipe_of,
    some_images,
    source_differs,
    watch,
)
from crystalgui.core.experiments.claims import confidence, larger, least_difference, signed, verdict
from crystalgui.core.experiments.results import Cell, Results
from crystalgui.core.messages import Event, LogLine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crystalgui.core.experiments.figures import Draw, Style

Floats = NDArray[np.float64]

NETWORK: dict[str, Scalar] = {
    "kind": "high-bandwidth",
    "convolution": "toroidal-sum",
    "attention": "sigmoid",
}
NORMS = {"batch": "norm over the batch", "tensor": "norm of each tensor"}
OUTSTANDING = (2, 5, 8, 14)
"""Layers that stand out in Fig. 22."""
EVEN = 0.1
"""Attention is called even when its deviation over the layers is within this part of its mean."""
SIZES = {
    "quick": Size(
        repeats=3, epochs=12, rates=(2e-3,), train=2500, test=1000,
        params={"width": 8, "basis": 8, "wide": 32},
    ),
    "paper": Size(repeats=3, epochs=15, rates=(5e-5,)),
}  # fmt: skip


@experiment(
    ExperimentCard(
        name="attention-by-epoch",
        title="Attention by epoch",
        shows=(
            "How the attention of a medium extractor over its layers moves while it learns, as "
            "mean and deviation over 1250 images, and whether it moves from the ground up."
        ),
        paper="Bird (2023), sections 2.8 and 3.2, Fig. 22",
        rows=("B91",),
        presets={
            "quick": "6 networks of 8 channels, two norms, 2,500 images, 12 epochs",
            "paper": "6 networks of 64 channels, two norms, CIFAR-10, 15 epochs at a rate of 5e-5",
        },
        minutes={"quick": 6.0, "paper": 4000.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train the network with both norms and several seeds; then look where its attention was."""
    size = SIZES[context.preset]
    data = yield from some_images(context, size)
    classes, total = len(data.summary.classes), len(NORMS) * size.repeats
    found: dict[str, list[Seen]] = {norm: [] for norm in NORMS}
    for norm, words in NORMS.items():
        for seed in range(size.repeats):
            done = sum(map(len, found.values()))
            yield context.progress(done, total, f"Network {done + 1} of {total}")
            params = {**NETWORK, "norm": norm, "floor": size.floors[0]}
            recipe = recipe_of(data, size, params, size.rates[0], seed, context.device)
            seen = yield from watch(context, f"{norm}-{seed}", recipe, classes)
            found[norm].append(seen)
            yield LogLine(text=f"{words}, {seed + 1}: {seen.accuracy:.1f} % of the test images.")
    _tables(context, found)
    _figures(context, found)
    return Results(
        numbers=tuple(n for norm, own in found.items() for n in _numbers(own, NORMS[norm])),
        claims=tuple(
            replace(claim, text=f"{claim.text} ({NORMS[norm]})")
            for norm, own in found.items()
            for claim in claims(own)
        ),
        differs=source_differs(data, size),
    )


def lowest(centre: Floats) -> int:
    """The epoch, after the first and before the last, at which (r, e) centres are lowest."""
    return 1 + int(centre.mean(0)[1:-1].argmin())


def claims(found: Sequence[Seen]) -> tuple[Claim, ...]:
    """What the paper says of Fig. 22, for networks that differ by their seeds."""
    centre = np.array([seen.centre for seen in found])
    noise = least_difference(list(centre.T), among=centre.shape[1])  # the lowest is chosen
    low = lowest(centre)
    uneven = float(np.mean([seen.mean[0].std() / seen.mean[0].mean() for seen in found]))
    return (
        Claim(
            text="Before training the attention is spread evenly over the layers",
            verdict="held" if uneven <= EVEN else "did not hold",
            numbers=f"deviation over the layers {uneven:.3f} of the mean; even up to {EVEN:g}",
        ),
        larger(
            "It is then redistributed to prioritise early layers: its centre moves down",
            centre[:, 0], {f"epoch {low}": centre[:, low]}, noise, "layers",
        ),
        larger(
            "Then it progresses up the layers: its centre rises again",
            centre[:, -1], {f"epoch {low}": centre[:, low]}, noise, "layers",
        ),
        _in_order(found),
        _outstanding(found),
    )  # fmt: skip


def peaks(seen: Seen) -> NDArray[np.int64]:
    """(L,) int64: the epoch at which each layer has its largest share of the attention."""
    share = seen.mean / seen.mean.sum(1, keepdims=True)
    return np.asarray(seen.epochs[share.argmax(0)], np.int64)


def _in_order(found: Sequence[Seen]) -> Claim:
    """That later layers have their largest share later: rank correlation of layer and epoch."""
    from scipy.stats import spearmanr

    each = []
    for seen in found:
        when = peaks(seen)
        order = spearmanr(np.arange(len(when)), when).statistic if np.ptp(when) else 0.0
        each.append(float(order))
    values = np.array(each)
    noise = confidence(values)
    return Claim(
        text="Layer after layer, from the ground up, has its turn: the later a layer, the later "
        "the epoch of its largest share",
        verdict=verdict(float(values.mean()), noise),
        numbers=f"rank correlation {signed(float(values.mean()))}; noise {noise:.2g}",
    )


def _outstanding(found: Sequence[Seen]) -> Claim:
    """That the layers of the paper have more attention than the others after training."""
    last = np.array([seen.mean[-1] for seen in found])
    chosen = [layer for layer in OUTSTANDING if layer < last.shape[1]]
    others = np.delete(last, chosen, axis=1).mean(1)
    own = last[:, chosen].mean(1)
    noise = least_difference([own, others])
    words = ", ".join(map(str, chosen))
    return larger(f"Layers {words} stand out", own, {"the others": others}, noise, "")


# -------------------------------------------------------------------- outcome


def _numbers(found: Sequence[Seen], norm: str) -> tuple[Measured, ...]:
    """Accuracy, and where the centre of attention was."""
    centre = np.array([seen.centre for seen in found])
    low = lowest(centre)
    columns = {
        "accuracy on test images": (np.array([seen.accuracy for seen in found]), "%"),
        "centre of attention before training": (centre[:, 0], "layers"),
        f"centre of attention after epoch {low}, the lowest between": (centre[:, low], "layers"),
        "centre of attention at the end": (centre[:, -1], "layers"),
        "spread of attention over images at the end": (
            np.array([seen.std[-1].mean() for seen in found]), ""),
        "saturated layers at the end": (
            np.array([seen.saturated[-1].sum() for seen in found], float), "layers"),
    }  # fmt: skip
    return tuple(
        Measured(name=f"{norm}: {name}", value=float(values.mean()), unit=unit,
                 spread=float(values.std(ddof=1)) if len(values) > 1 else float("nan"))
        for name, (values, unit) in columns.items()
    )  # fmt: skip


def _tables(context: Context, found: Mapping[str, Sequence[Seen]]) -> None:
    rows: list[list[Cell]] = []
    for norm, own in found.items():
        for number, seen in enumerate(own):
            for e, epoch in enumerate(seen.epochs.tolist()):
                for place, layer in enumerate(seen.layers):
                    values = float(seen.mean[e, place]), float(seen.std[e, place])
                    full = bool(seen.saturated[e, place])
                    rows.append([norm, number, epoch, layer, *values, full])
    header = ["norm", "network", "epoch", "layer", "mean attention", "deviation over images",
              "saturated"]  # fmt: skip
    context.table("attention", header, rows, "Attention of every layer after every epoch")


def _shown(epochs: int) -> list[int]:
    """At most six of the epochs 0 to ``epochs``, closer together at the beginning."""
    wanted = np.unique(np.round(np.linspace(0, 1, 6) ** 1.6 * epochs).astype(int))
    return [int(e) for e in wanted]


def _figures(context: Context, found: Mapping[str, Sequence[Seen]]) -> None:
    for norm, own in found.items():
        title = f"Attention over {SAMPLES:,} images, first network, {NORMS[norm]}"
        context.figure(f"distribution-{norm}", _distribution(own[0]), title, 620.0, 330.0)

    def history(figure: Figure, style: Style) -> None:
        every = style.axes(figure, len(found), 2, wspace=0.3, hspace=0.5, bottom=0.09, top=0.94)
        for row, (norm, own) in enumerate(found.items()):
            left, right = every[2 * row : 2 * row + 2]
            mean = np.mean([seen.mean for seen in own], axis=0)
            picture = left.imshow(mean.T, origin="lower", aspect="auto", vmin=0, vmax=1,
                                  cmap=style.sequential())  # fmt: skip
            bar = figure.colorbar(picture, ax=left, pad=0.02)
            bar.ax.tick_params(labelsize=6, labelcolor=style.text, color=style.muted)
            bar.outline.set_edgecolor(style.line)
            style.label(left, "epoch", "layer", f"Attention, mean of the networks, {NORMS[norm]}")
            for number, seen in enumerate(own):
                right.plot(seen.epochs, seen.centre, color=style.colour(number), linewidth=1,
                           label=f"network {number + 1}")  # fmt: skip
            style.label(right, "epoch", "layer", "Centre of the attention")
            style.legend(right, loc="best")

    context.figure("history", history, "Attention by layer and epoch", 560.0, 430.0)


def _distribution(seen: Seen) -> Draw:
    """Mean and deviation of every layer after some epochs."""

    def draw(figure: Figure, style: Style) -> None:
        every = style.axes(figure, 2, 3, hspace=0.55, wspace=0.22, bottom=0.12, top=0.9)
        for axes, epoch in zip(every, _shown(int(seen.epochs[-1])), strict=False):
            place = np.arange(len(seen.layers))
            axes.axhline(0.5, color=style.line, linewidth=0.8)
            axes.errorbar(place, seen.mean[epoch], seen.std[epoch], fmt="o", markersize=2.5,
                          linewidth=0.9, capsize=1.5, color=style.accent)  # fmt: skip
            axes.set_ylim(-0.03, 1.03)
            axes.set_xticks(place[::2])
            style.label(axes, "layer", "attention", f"epoch {epoch}")

    return draw
