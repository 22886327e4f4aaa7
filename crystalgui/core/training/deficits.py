"""What a network cannot do, measured inside of it (Bird 2023, sections 2.5 and 2.7.2).

Residual networks are said to have four deficits: they read one level of
complexity, they take for granted that all layers speak in one basis, they
need tensors of one size, and they do little against diffusing gradients;
pooling breaks the nesting of what they can express.  These are functions of a
network and some samples that put a number to each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crystalgui.core.models._base import Network
from crystalgui.core.training.invariance import activations

Floats = NDArray[np.float64]

RIDGE = 1e-3
"""Of the linear maps, in units of the mean variance of what is read."""


@torch.no_grad()
def layers(network: Network, batch: Any) -> list[Tensor]:
    """Activations (b, c, n1, ..., nd) of each stage of a network, from input to output."""
    stages = [module for _, module in network.stages()]
    with activations(stages) as found:
        network(batch)
    return [found[i] for i in range(len(stages))]


def read(tensors: Sequence[Tensor]) -> list[Floats]:
    """Global mean of each channel of each tensor: what a read-out of the layer gives."""
    return [t.flatten(2).mean(2).double().cpu().numpy() for t in tensors]


def probe(train: Floats, known: NDArray[np.int64], test: Floats, true: NDArray[np.int64]) -> float:
    """Share of right answers of a linear classifier: what (m, f) features alone tell.

    Logistic regression on standardised features, weakly regularised.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=400, C=10.0))
    model.fit(train, known)
    return float((model.predict(test) == true).mean())


def shared_basis(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Mean |correlation| of equal channels of two layers, and of unequal ones.

    When channel c means the same in both, the first is larger.

    Parameters
    ----------
    before, after : (b, c, n1, ..., nd)
    """
    one, two = (t.double().transpose(0, 1).flatten(1) for t in (before, after))
    one, two = (t - t.mean(1, keepdim=True) for t in (one, two))
    one, two = (t / t.norm(dim=1, keepdim=True).clamp(min=1e-30) for t in (one, two))
    table = (one @ two.T).abs()
    c = len(table)
    same = float(table.diagonal().mean())
    return same, float((table.sum() - table.diagonal().sum()) / max(c * (c - 1), 1))


def unrecovered(before: tuple[Tensor, Tensor], after: tuple[Tensor, Tensor]) -> float:
    """Relative error of the best linear map from one layer back to the one before it.

    0 when the identity is within reach; learnt on the first and judged on the
    second samples of each pair, around the mean.

    Parameters
    ----------
    before, after : two of (b, c, n1, ..., nd)
    """
    wanted = [t.double().flatten(1) for t in before]
    given = [t.double().flatten(1) for t in after]
    mean, middle = wanted[0].mean(0), given[0].mean(0)
    a, y = given[0] - middle, wanted[0] - mean
    gram = a.T @ a
    ridge = RIDGE * gram.diagonal().mean()
    ridged = gram + ridge * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    back = torch.linalg.solve(ridged, a.T @ y)
    left = (wanted[1] - mean) - (given[1] - middle) @ back
    return float(left.norm() / (wanted[1] - mean).norm())


@torch.no_grad()
def multiply_adds(network: Network, batch: Any) -> float:
    """Multiplications with additions of one sample, by torch's own count."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network(batch)
    return float(counter.get_total_flops()) / 2 / len(batch.values)


def reached(network: Network, batch: Any, target: Tensor) -> tuple[float, ...]:
    """Share of the points of each stage that the gradient of the cost by its activations reaches.

    The participation ratio (sum of squares)^2 / (n sum of fourth powers) over
    the n points, mean over samples and channels: 1 / n behind a global
    maximum, 1 behind a global mean.
    """
    stages = [module for _, module in network.stages()]
    with torch.enable_grad(), activations(stages) as found:
        cost = nn.functional.cross_entropy(network(batch), target)
        slopes = torch.autograd.grad(cost, [found[i] for i in range(len(stages))])
    shares = []
    for slope in slopes:
        square = slope.double().flatten(2).square()
        fourth = square.square().sum(2) * square.shape[2]
        alive = fourth > 0
        shares.append(float((square.sum(2).square()[alive] / fourth[alive]).mean()))
    return tuple(shares)
