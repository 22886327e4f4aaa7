"""How attention is spread over the read-outs of a network, and whether it is stuck.

Free attention (Bird 2023, section 2.8.1, Fig. 12) gives every read-out of a
medium extractor a weight in [0, 1] that depends on the sample.  Fig. 22 shows
its mean and spread over samples as training goes on; Fig. 28 a network whose
sigmoids are saturated: some weights are 0 or 1 for all samples alike, so that
these layers are cut off for good.  The remedy there is a floor,
eps + (1 - eps) sigma; a weight that is at its floor for all samples is
saturated as well.  What is said of it is in `core.reports.saturation`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from crystalgui.core.cards import Scalar
from crystalgui.core.messages import AttentionReady
from crystalgui.core.models._base import Network

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STUCK = 1e-3
"""So near to the least or the most, for every sample, is saturated."""


class Gate(NamedTuple):
    """How attention is rescaled: its epsilon, and whether a softmax shares it out."""

    floor: float = 0.0
    normalised: bool = False

    def ends(self, readouts: int) -> tuple[float, float]:
        """The least and the most attention that one of so many read-outs can have."""
        if not self.normalised:
            return self.floor, 1.0
        least = self.floor / max(readouts, 1)
        return least, least + 1 - self.floor


def gate_of(params: Mapping[str, Scalar]) -> Gate:
    """The rescaling in a network with these parameters; none where it has no attention."""
    value = float(params.get("floor", 0.0))
    floor = value if math.isfinite(value) else 0.0
    return Gate(floor, params.get("attention") == "softmax")


NO_GATE = Gate()


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
    values: Tensor, layers: Sequence[str], epoch: int, run_id: str = "", gate: Gate = NO_GATE,
    network: str = "",
) -> AttentionReady:  # fmt: skip
    """Mean, spread and quantiles of attention over samples.

    Parameters
    ----------
    values : (samples, L) float, in [0, 1]
    layers : sequence of L names
    epoch : int
    run_id : str
    gate : Gate
        How the network rescales its attention.
    network : str
        Which one of a sweep it is.
    """
    least, most = gate.ends(values.shape[1])
    own = values.detach().double().cpu()
    bands = own.quantile(torch.tensor(QUANTILES, dtype=own.dtype), dim=0).T
    return AttentionReady(
        run_id=run_id,
        epoch=epoch,
        layers=tuple(layers),
        mean=tuple(own.mean(0).tolist()),
        std=tuple(own.std(0, correction=0).tolist()),
        quantiles=tuple(tuple(row) for row in bands.tolist()),
        saturated=tuple(stuck(own, least, most).tolist()),
        samples=len(own),
        floor=gate.floor,
        least=least,
        most=most,
        network=network,
        measure="softmax" if gate.normalised else "sigmoid",
    )


def stuck(values: Tensor, least: float = 0.0, most: float = 1.0) -> Tensor:
    """(L,) bool: columns of (samples, L) that are at an end for every sample alike.

    A single read-out has nothing to share its attention with: it is never stuck.
    """
    if values.shape[1] < 2:
        return torch.zeros(values.shape[1], dtype=torch.bool)
    return (values.amax(0) <= least + STUCK) | (values.amin(0) >= most - STUCK)
