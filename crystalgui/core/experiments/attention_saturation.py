"""Saturated attention, and a floor against it.

Bird (2023), section 3.2 and Fig. 28 (row B92): in unstable networks the
sigmoids of the attention saturate after a few epochs, layers are damped to
zero for every image alike and for ever, and the rescaling eps + (1 - eps)
sigma is proposed against it, without "sufficient time for extensive testing".
Here the same networks are trained at an ordinary and at two high learning
rates, each with and without that floor.  A layer at its floor for every image
is told apart from one that is cut off: its sigmoid is saturated as well, but
what it reads still arrives.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Claim, ExperimentCard, Measured, Scalar
from crystalgui.core.experiments._registry import Context, experiment
from crystalgui.core.experiments.attention import (
    Seen,
    Size,
    recipe_of,
    some_images,
    source_differs,
    watch,
)
from crystalgui.core.experiments.claims import larger, least_difference
from crystalgui.core.experiments.results import Cell, Results
from crystalgui.core.messages import Event, LogLine

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crystalgui.core.experiments.figures import Style

Floats = NDArray[np.float64]
Key = tuple[float, float]

NETWORK: dict[str, Scalar] = {
    "kind": "free",
    "convolution": "toroidal-sum",
    "attention": "sigmoid",
    "norm": "batch",
}
NEAR = 1e-3
SIZES = {
    "quick": Size(
        repeats=3, epochs=5, rates=(2e-3, 5e-2, 1e-1), floors=(0.0, 0.05), train=1000, test=1000,
        params={"width": 8, "basis": 8, "wide": 32, "halvings": 3, "depth": 1},
    ),
    "paper": Size(repeats=3, epochs=15, rates=(5e-5, 5e-3, 5e-2), floors=(0.0, 0.01, 0.05, 0.2)),
}  # fmt: skip


@experiment(
    ExperimentCard(
        name="attention-saturation",
        title="Saturated attention",
        shows=(
            "At a high learning rate the attention of a medium extractor gets stuck at 0 or 1 for "
            "all images alike; a floor under it, eps + (1 - eps) sigma, is tested against that."
        ),
        paper="Bird (2023), section 3.2, Fig. 28",
        rows=("B92",),
        presets={
            "quick": "18 networks of 8 channels, 1,000 images, 5 epochs, three rates, eps 0 and "
            "0.05",
            "paper": "36 networks of 64 channels, CIFAR-10, 15 epochs, three rates, four floors",
        },
        minutes={"quick": 5.0, "paper": 24000.0},
    )
)
def run(context: Context) -> Generator[Event, None, Results]:
    """Train every rate with every floor several times; count what is stuck."""
    size = SIZES[context.preset]
    data = yield from some_images(context, size)
    keys = [(rate, floor) for rate in size.rates for floor in size.floors]
    found: dict[Key, list[Seen]] = {key: [] for key in keys}
    total = len(keys) * size.repeats
    for rate, floor in keys:
        for seed in range(size.repeats):
            done = sum(map(len, found.values()))
            yield context.progress(done, total, f"Network {done + 1} of {total}")
            recipe = recipe_of(data, size, {**NETWORK, "floor": floor}, rate, seed, context.device)
            key = f"rate-{rate:g}-floor-{floor:g}-{seed}"
            seen = yield from watch(context, key, recipe, len(data.summary.classes))
            found[rate, floor].append(seen)
            yield LogLine(text=f"Rate {rate:g}, eps {floor:g}: {int(stuck(seen)[-1])} layers stuck")
    _tables(context, found)
    _figures(context, found)
    counts = sum(seen.diverged for own in found.values() for seen in own)
    high = f"The paper does not say what made training unstable: here rates of {size.rates[1]:g} "
    high += "and more."
    lost = (f"{counts} networks diverged; they count as guessing.",) if counts else ()
    return Results(
        numbers=_numbers(found),
        claims=claims(found),
        differs=(*source_differs(data, size), high, *lost),
    )


def stuck(seen: Seen) -> Floats:
    """(e,) float64: layers whose attention is 0 or 1 for every image alike.

    Those that a floor above 0 holds are saturated as well, but not cut off.
    """
    held = (seen.mean <= seen.floor + NEAR) & (seen.floor > NEAR)
    return np.asarray((seen.saturated & ~held).sum(1), np.float64)


def floored(seen: Seen) -> Floats:
    """(e,) float64: layers that every image gives the least attention that there is."""
    at = (seen.mean <= seen.floor + NEAR) & (seen.std <= NEAR)
    return np.asarray(at.sum(1), np.float64)


def _last(found: Sequence[Seen], what: str) -> Floats:
    """(r,) float64 at the end of training."""
    values = {
        "stuck": [stuck(seen)[-1] for seen in found],
        "floored": [floored(seen)[-1] for seen in found],
        "spread": [seen.std[-1].mean() for seen in found],
        "accuracy": [seen.accuracy for seen in found],
    }
    return np.array(values[what], np.float64)


def claims(found: Mapping[Key, Sequence[Seen]]) -> tuple[Claim, ...]:
    """What the paper says of Fig. 28 and of the remedy; ``found`` by (rate, floor)."""
    low, high = min(rate for rate, _ in found), max(rate for rate, _ in found)
    best = max(floor for _, floor in found)
    bare, mended = found[high, 0.0], found[high, best]
    calm = found[low, 0.0]
    every = {what: [_last(own, what) for own in found.values()] for what in ("stuck", "accuracy")}
    noise = {what: least_difference(groups) for what, groups in every.items()}
    remedy = f"eps = {best:g}"
    return (
        larger(
            f"Sigmoids saturate where training is unstable: at a rate of {high:g} more layers are "
            f"stuck than at {low:g}",
            _last(bare, "stuck"), {f"rate {low:g}": _last(calm, "stuck")}, noise["stuck"], "layers",
        ),
        _for_ever(bare),
        larger(
            f"A floor of {remedy} keeps layers from being cut off",
            _last(bare, "stuck"), {remedy: _last(mended, "stuck")}, noise["stuck"], "layers",
        ),
        larger(
            "Saturation costs accuracy, and the floor wins it back",
            _last(mended, "accuracy"), {"eps = 0": _last(bare, "accuracy")}, noise["accuracy"],
        ),
        _alive(mended, best),
    )  # fmt: skip


def _for_ever(found: Sequence[Seen]) -> Claim:
    """That a layer that is stuck stays so."""
    begun = stayed = 0
    for seen in found:
        for layer in seen.saturated.T:
            if layer[:-1].any():
                begun += 1
                stayed += bool(layer[int(layer.argmax()) :].all())
    held = begun > 0 and stayed == begun
    return Claim(
        text="A layer that is saturated stays so in all later epochs",
        verdict="held" if held else "within noise" if not begun else "did not hold",
        numbers=f"{stayed} of {begun} layers",
    )


def _alive(found: Sequence[Seen], floor: float) -> Claim:
    """That attention above the floor differs from image to image."""
    dead = _last(found, "floored")
    return Claim(
        text=f"With eps = {floor:g} the attention of every layer still depends on the image",
        verdict="held" if not dead.any() else "did not hold",
        numbers=f"{dead.mean():.1f} layers on the average are at the floor for every image",
    )


# -------------------------------------------------------------------- outcome


def _words(key: Key) -> str:
    return f"rate {key[0]:g}, eps {key[1]:g}"


def _numbers(found: Mapping[Key, Sequence[Seen]]) -> tuple[Measured, ...]:
    names = {
        "stuck": ("layers stuck at 0 or 1", "layers"),
        "floored": ("layers at their floor for every image", "layers"),
        "spread": ("spread of attention over images", ""),
        "accuracy": ("accuracy on test images", "%"),
    }
    out = []
    for key, own in found.items():
        for what, (name, unit) in names.items():
            values = _last(own, what)
            spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
            value = round(float(values.mean()), 6)
            out.append(Measured(name=f"{_words(key)}: {name}", value=value,
                                spread=round(spread, 6), unit=unit))  # fmt: skip
    return tuple(out)


def _tables(context: Context, found: Mapping[Key, Sequence[Seen]]) -> None:
    rows: list[list[Cell]] = []
    for (rate, floor), own in found.items():
        for number, seen in enumerate(own):
            for e, epoch in enumerate(seen.epochs.tolist()):
                for place, layer in enumerate(seen.layers):
                    values = float(seen.mean[e, place]), float(seen.std[e, place])
                    full = bool(seen.saturated[e, place])
                    rows.append([rate, floor, number, epoch, layer, *values, full])
    header = ["learning rate", "eps", "network", "epoch", "layer", "mean attention",
              "deviation over images", "saturated"]  # fmt: skip
    context.table("attention", header, rows, "Attention of every layer after every epoch")


def _worst(found: Sequence[Seen]) -> tuple[int, int]:
    """The network in which most layers are stuck, and the first epoch at which they are."""
    number = max(range(len(found)), key=lambda i: float(stuck(found[i]).max()))
    return number, int(stuck(found[number]).argmax())


def _figures(context: Context, found: Mapping[Key, Sequence[Seen]]) -> None:
    from crystalgui.core.reports.figures import SIZE as WORDS
    from crystalgui.core.reports.typography import REGULAR

    floors = sorted({floor for _, floor in found})
    wild = sorted({rate for rate, _ in found})[1:]
    shown = {rate: _worst(found[rate, 0.0]) for rate in wild}

    def distribution(figure: Figure, style: Style) -> None:
        every = style.axes(figure, len(wild), len(floors), bottom=0.11, hspace=0.6, wspace=0.22)
        places = [(rate, floor) for rate in wild for floor in floors]
        for axes, (rate, floor) in zip(every, places, strict=True):
            number, epoch = shown[rate]
            seen = found[rate, floor][number]
            e = min(epoch, len(seen.epochs) - 1)
            place = np.arange(len(seen.layers))
            axes.axhline(floor, color=style.line, linewidth=0.8)
            axes.errorbar(place, seen.mean[e], seen.std[e], fmt="o", markersize=3, linewidth=0.9,
                          capsize=2, color=style.accent)  # fmt: skip
            full = seen.saturated[e]
            axes.plot(place[full], seen.mean[e][full], "o", markersize=6, fillstyle="none",
                      color=style.colour(1))  # fmt: skip
            axes.set_ylim(-0.07, 1.07)
            axes.set_xticks(place)
            title = f"rate {rate:g}, eps = {floor:g}, epoch {int(seen.epochs[e])}"
            style.label(axes, "layer", "attention", title)

    context.figure("distribution", distribution, "Saturated attention (ringed), and with a floor",
                   40.0 + 260.0 * len(floors), 40.0 + 150.0 * len(wild))  # fmt: skip

    def counts(figure: Figure, style: Style) -> None:
        left, right = style.axes(figure, 1, 2, bottom=0.28)
        for axes, what, title in (
            (left, stuck, "Layers stuck at 0 or 1"),
            (right, floored, "Layers at their floor for every image"),
        ):
            for colour, (key, own) in enumerate(found.items()):
                short = min(len(seen.epochs) for seen in own)
                mean = np.mean([what(seen)[:short] for seen in own], axis=0)
                axes.plot(range(short), mean, color=style.colour(colour), linewidth=1.1,
                          label=_words(key))  # fmt: skip
            style.label(axes, "epoch", "layers", title)
        handles, names = left.get_legend_handles_labels()
        figure.legend(handles, names, loc="lower center", ncol=3, frameon=False,
                      labelcolor=style.text, prop={"family": REGULAR, "size": WORDS})  # fmt: skip

    context.figure(
        "saturation", counts, "Stuck layers by epoch, mean of the networks", 560.0, 220.0
    )
