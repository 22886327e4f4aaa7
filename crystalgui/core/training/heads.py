"""How the attention between atoms is spread, every head by itself, and how far it is from a mean.

Nop et al. (2025), Fig. 4: in each layer every head shares out the weight 1 of
a row, of an atom or a seed, among the atoms.  Told are the weights of one atom
on another, and the entropy of the rows by the logarithm of the number of atoms
(0: one atom, 1: all alike), for cells of any size alike.  An orbit that stands
for m equal atoms shares its weight among them, as in `models.explain`.

What is padding counts nowhere.  Where the padding may be looked at (an
ablation) the entropy is that of what is left to the atoms, and the lost weight
is told.  Rows that have only one token to look at are left out: they have no
choice.  Every crystal counts alike, however many atoms it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from crystalgui.core.messages import AttentionReady, Spread
from crystalgui.core.models.layers.attention import Attended, entropy
from crystalgui.core.training.attention import QUANTILES

SINGLE = 0.99
"""Such a share of a row is all of it."""
ALIKE = 0.999
"""Such a relative entropy is that of a mean: among ten atoms, weights differ by 7 %."""
PAIRS = 50_000
"""Weights of a head whose quantiles are taken; of more, evenly chosen ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What one layer did with some crystals.

    Attributes
    ----------
    weights : (heads, p) float
        Of one atom on another, for each pair.
    pairs : (p,) float64
        What each of them counts.
    entropy, largest, lost : (heads, r) float
        Of each row: relative entropy, largest weight of a token, weight on padding.
    rows : (heads, r) float64
        What each of them counts; 0 for one that has all its weight on padding.
    """

    weights: Tensor
    pairs: Tensor
    entropy: Tensor
    largest: Tensor
    lost: Tensor
    rows: Tensor


def seen(layer: Attended) -> Seen:
    """Reduce a layer: its rows and pairs, without padding and rows without a choice."""
    assert layer.rows is not None
    assert layer.many is not None
    rows, many = layer.rows.double().cpu(), layer.many.double().cpu()
    weights = layer.weights.detach().double().cpu() * (many > 0)[:, None, None, :]
    total = weights.sum(-1, keepdim=True)
    shares = weights / total.clamp(min=torch.finfo(torch.float32).tiny)
    atoms = many.sum(-1)
    own = entropy(shares, many[:, None, None, :]) / atoms.clamp(min=2).log()[:, None, None]
    chooses = (rows > 0) & ((many > 0).sum(-1) > 1)[:, None]  # (b, q)
    count = rows / rows.sum(-1, keepdim=True).clamp(min=1)
    real = chooses[:, :, None] & (many > 0)[:, None, :]  # (b, q, k)
    pairs = count[:, :, None] * (many / atoms.clamp(min=1)[:, None])[:, None, :]
    alone = weights / many.clamp(min=1)[:, None, None, :]

    def by_head(values: Tensor, where: Tensor) -> Tensor:
        return values.transpose(0, 1)[:, where]

    return Seen(
        weights=by_head(alone, real),
        pairs=pairs[real],
        entropy=by_head(own, chooses),
        largest=by_head(shares.amax(-1), chooses),
        lost=by_head(1 - total[..., 0], chooses),
        rows=count[chooses] * (by_head(total[..., 0], chooses) > 0),
    )


def heads(
    layers: Sequence[Attended], epoch: int, run_id: str = "", network: str = ""
) -> AttentionReady | None:
    """The attention of a batch of crystals; None where no row has a choice, or is a number.

    Parameters
    ----------
    layers : sequence of Attended
        As of `CrystalModel.attended`.
    epoch, run_id, network
        As in `AttentionReady`.
    """
    parts: dict[str, list[Seen]] = {}
    samples: dict[str, int] = {}
    for layer in layers:
        parts.setdefault(layer.layer, []).append(seen(layer))
        samples[layer.layer] = samples.get(layer.layer, 0) + len(layer.weights)
    found = {name: _joined(own) for name, own in parts.items()}
    found = {name: own for name, own in found.items() if bool((own.rows.sum(1) > 0).all())}
    if not found or not all(bool(own.weights.isfinite().all()) for own in found.values()):
        return None
    every = list(found.values())
    names = [
        f"{name}, head {head}"
        for name, own in found.items()
        for head in range(1, len(own.weights) + 1)
    ]
    weights = _spread([(own.weights, own.pairs.expand_as(own.weights)) for own in every])
    return AttentionReady(
        run_id=run_id,
        epoch=epoch,
        layers=tuple(names),
        mean=weights.mean,
        std=weights.std,
        quantiles=weights.quantiles,
        saturated=(False,) * len(names),
        samples=max(samples.values()),
        network=network,
        measure="heads",
        entropy=_spread([(own.entropy, own.rows) for own in every]),
        single=_flags([(own.largest >= SINGLE) | (own.rows == 0) for own in every]),
        alike=_flags([(own.entropy >= ALIKE) | (own.rows == 0) for own in every]),
        lost=tuple(torch.cat([_mean(own.lost, own.rows) for own in every]).clamp(min=0).tolist()),
    )


def _flags(every: Sequence[Tensor]) -> tuple[bool, ...]:
    """Whether it holds of all rows of a head, each (heads, r)."""
    return tuple(torch.cat([own.all(1) for own in every]).tolist())


def _joined(parts: Sequence[Seen]) -> Seen:
    """Several buckets of one layer."""
    return Seen(
        weights=torch.cat([p.weights for p in parts], 1),
        pairs=torch.cat([p.pairs for p in parts]),
        entropy=torch.cat([p.entropy for p in parts], 1),
        largest=torch.cat([p.largest for p in parts], 1),
        lost=torch.cat([p.lost for p in parts], 1),
        rows=torch.cat([p.rows for p in parts], 1),
    )


def _mean(values: Tensor, count: Tensor) -> Tensor:
    """(heads,) of (heads, p)."""
    return (values * count).sum(1) / count.sum(1)


def _spread(every: Sequence[tuple[Tensor, Tensor]]) -> Spread:
    """Of all heads, layer by layer: (heads, p) values and what they count."""
    means = [_mean(values, count) for values, count in every]
    stds = [
        _mean((values - mean[:, None]) ** 2, count).sqrt()
        for (values, count), mean in zip(every, means, strict=True)
    ]
    bands = torch.cat([quantiles(values, count) for values, count in every])
    return Spread(
        mean=tuple(torch.cat(means).tolist()),
        std=tuple(torch.cat(stds).tolist()),
        quantiles=tuple(tuple(row) for row in bands.tolist()),
    )


def quantiles(values: Tensor, count: Tensor) -> Tensor:
    """(heads, 5): the smallest of (heads, p) values up to which so much counts."""
    if values.shape[1] > PAIRS:
        places = torch.linspace(0, values.shape[1] - 1, PAIRS).long()
        values, count = values[:, places], count[:, places]
    ordered, order = values.sort(1)
    below = count.gather(1, order).cumsum(1)
    wanted = torch.tensor(QUANTILES, dtype=below.dtype) * below[:, -1:] * (1 - 1e-12)
    return ordered.gather(1, torch.searchsorted(below, wanted).clamp(max=values.shape[1] - 1))
