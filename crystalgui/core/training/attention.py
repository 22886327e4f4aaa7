"""How attention is spread over the read-outs of a network, and whether it is stuck.

Free attention (Bird 2023, section 2.8.1, Fig. 12) gives every read-out of a
medium extractor a weight in [0, 1] that depends on the sample.  Fig. 22 shows
its mean and spread over samples as training goes on; Fig. 28 a network whose
sigmoids are saturated: some weights are 0 or 1 for all samples alike, so that
these layers are cut off for good.  The remedy there is a floor,
eps + (1 - eps) sigma.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from crystalgui.core.messages import AttentionReady
from crystalgui.core.models._base import Network

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STUCK = 1e-3
"""So near to 0 or 1, for every sample, is saturated."""
ADVICE = 0.05
"""A floor to try when there is none."""


def joined(taps: Mapping[str, Tensor]) -> Tensor:
    """(b, L) float32: the read-outs of all taps side by side."""
    return torch.cat([values.detach().float().flatten(1) for values in taps.values()], 1)


def read_outs(network: Network, taps: Mapping[str, Tensor]) -> tuple[str, ...]:
    """A name for each column of `joined`.

    Those that the network gives its ``readouts``, else those of its stages,
    where there are as many; one more means that the input is read as well.
    """
    named = tuple(getattr(network, "readouts", ()))
    stages = tuple(name for name, _ in network.stages())
    names: list[str] = []
    for tap, values in taps.items():
        count = values[0].numel()
        if count == len(named):
            own = named
        elif count == len(stages):
            own = stages
        elif count == len(stages) + 1:
            own = ("input", *stages)
        else:
            own = tuple(str(number) for number in range(count))
        names += own if len(taps) == 1 else (f"{tap}: {name}" for name in own)
    return tuple(names)


def spread(
    values: Tensor, layers: Sequence[str], epoch: int, run_id: str = "", floor: float = 0.0
) -> AttentionReady:
    """Mean, spread and quantiles of attention over samples.

    Parameters
    ----------
    values : (samples, L) float, in [0, 1]
    layers : sequence of L names
    epoch : int
    run_id : str
    floor : float
        The epsilon of the network, for who reads the event.
    """
    own = values.detach().double().cpu()
    bands = own.quantile(torch.tensor(QUANTILES, dtype=own.dtype), dim=0).T
    return AttentionReady(
        run_id=run_id,
        epoch=epoch,
        layers=tuple(layers),
        mean=tuple(own.mean(0).tolist()),
        std=tuple(own.std(0, correction=0).tolist()),
        quantiles=tuple(tuple(row) for row in bands.tolist()),
        saturated=tuple(stuck(own).tolist()),
        samples=len(own),
        floor=floor,
    )


def stuck(values: Tensor) -> Tensor:
    """(L,) bool: columns of (samples, L) that are 0 or 1 for every sample alike.

    A single read-out has nothing to share its attention with: it is never stuck.
    """
    if values.shape[1] < 2:
        return torch.zeros(values.shape[1], dtype=torch.bool)
    return (values.amax(0) <= STUCK) | (values.amin(0) >= 1 - STUCK)


def warning(seen: AttentionReady, known: frozenset[str] = frozenset()) -> str:
    """What to say of saturated layers that are not ``known`` yet; empty without any."""
    here = zip(seen.layers, seen.mean, seen.saturated, strict=True)
    new = {name: round(mean) for name, mean, full in here if full and name not in known}
    if not new:
        return ""
    where = ", ".join(f"{name} ({value})" for name, value in new.items())
    remedy = "Lower the learning rate."
    if 0 in new.values():  # a floor is no remedy against 1
        floor = f" above {seen.floor:g}" if seen.floor > 0 else f", e.g. to {ADVICE:g}"
        remedy = f"Raise the floor eps of the attention{floor}, or lower the learning rate."
    return (
        f"Attention is saturated after epoch {seen.epoch}, the same 0 or 1 for all "
        f"{seen.samples:,} samples: {where}. {remedy}"
    )
