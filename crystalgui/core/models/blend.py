"""Ensembles of networks of several families: soft votes and stacking.

Each part of an ensemble is some networks of one family, averaged as a trained
model averages them.  A soft vote is the mean of the probabilities of the
parts; stacking weighs their logarithms, which is a product of experts (Hinton
2002) with one weight a part and one bias a class, so that few numbers are
fitted: on crystals that no member saw in training.  Values of a regression are
averaged, or weighed and shifted.  A vote is calibrated again with one
temperature (Guo et al. 2017), for a mean of confident networks that disagree is
less confident than right; a product needs none, its weights are as large as
makes it most likely.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.cards import Scalar, Task

Floats = NDArray[np.float64]
Kind = Literal["vote", "stack"]
LEAST, SHRINK = 1e-6, 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Networks of one family in an ensemble.

    ``title`` is the name of the trained model that they were; ``temperature``
    divides their logits.
    """

    title: str
    family: str
    params: Mapping[str, Scalar]
    members: int
    temperature: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """How the parts of an ensemble make one answer.

    Attributes
    ----------
    kind : {"vote", "stack"}
    weights : tuple of float
        One a part; of a vote they sum to 1.
    bias : tuple of float
        One a class, or one for a value (in standard deviations of the target).
    temperature : float
        Of the probabilities of a vote; 1 otherwise.
    """

    kind: Kind = "vote"
    weights: tuple[float, ...] = ()
    bias: tuple[float, ...] = ()
    temperature: float = 1.0


def blended(parts: Sequence[Floats], blend: Blend, task: Task) -> Floats:
    """The answer of an ensemble.

    Parameters
    ----------
    parts : sequence of (m, k) float64
        Probabilities of each part; or values (m, 1), standardised.
    blend : Blend

    Returns
    -------
    (m, k) float64
    """
    stacked = np.stack([np.asarray(part, np.float64) for part in parts])
    weights = np.asarray(blend.weights, np.float64)
    bias = np.asarray(blend.bias or (0.0,) * stacked.shape[2], np.float64)
    if task == "regression":
        return np.asarray(np.einsum("p,pmk->mk", weights, stacked) + bias)
    if blend.kind == "vote":
        logits = np.log(np.einsum("p,pmk->mk", weights, stacked).clip(LEAST))
    else:
        logits = np.einsum("p,pmk->mk", weights, np.log(stacked.clip(LEAST))) + bias
    return _softmax(logits / blend.temperature)


def fit(parts: Sequence[Floats], target: NDArray[np.float64], kind: Kind, task: Task) -> Blend:
    """The blend that answers best for crystals whose targets are known.

    Parameters
    ----------
    parts : sequence of (m, k) float64
        What each part says of crystals that it did not see in training.
    target : (m,) float64
        Class index, or standardised value.
    kind : {"vote", "stack"}
        A vote fits the temperature alone, of values nothing; a stack weights and biases.

    Returns
    -------
    Blend
    """
    equal = (1 / len(parts),) * len(parts)
    if kind == "vote":
        vote = Blend(kind="vote", weights=equal)
        return vote if task == "regression" else _warmed(parts, target, vote)
    if task == "regression":
        return _least_squares(parts, target)
    return _product(parts, target)


def _warmed(parts: Sequence[Floats], target: NDArray[np.float64], blend: Blend) -> Blend:
    """The same with the temperature that calibrates it."""
    from dataclasses import replace

    from scipy.optimize import minimize_scalar

    def nll(log_t: float) -> float:
        trial = replace(blend, temperature=float(np.exp(log_t)))
        return _cost(blended(parts, trial, "classification"), target)

    found = minimize_scalar(nll, bounds=(-1.5, 1.5), method="bounded")
    return replace(blend, temperature=float(np.exp(found.x)))


def _product(parts: Sequence[Floats], target: NDArray[np.float64]) -> Blend:
    """Weights and biases by the likelihood, drawn a little to equal weights."""
    from scipy.optimize import minimize

    logs = np.stack([np.log(np.clip(part, LEAST, None)) for part in parts])
    count, _, classes = logs.shape
    truth = np.eye(classes)[target.astype(np.int64)]
    prior = np.concatenate([np.full(count, 1 / count), np.zeros(classes)])

    def cost(x: Floats) -> tuple[float, Floats]:
        p = _softmax(np.einsum("p,pmk->mk", x[:count], logs) + x[count:])
        gap = (p - truth) / len(truth)
        slope = np.concatenate([np.einsum("pmk,mk->p", logs, gap), gap.sum(0)])
        shrink = x - prior
        return _cost(p, target) + SHRINK * float(shrink @ shrink), slope + 2 * SHRINK * shrink

    bounds = [(0.0, None)] * count + [(None, None)] * classes
    found = minimize(cost, prior, jac=True, method="L-BFGS-B", bounds=bounds)
    x = np.asarray(found.x, np.float64)
    return Blend(kind="stack", weights=tuple(x[:count].tolist()), bias=tuple(x[count:].tolist()))


def _least_squares(parts: Sequence[Floats], target: NDArray[np.float64]) -> Blend:
    """Weights that are not negative, and a shift."""
    from scipy.optimize import nnls

    values = np.stack([part[:, 0] for part in parts], 1)
    mean, middle = values.mean(0), float(target.mean())
    weights, _ = nnls(values - mean, target - middle)
    shift = middle - float(mean @ weights)
    return Blend(kind="stack", weights=tuple(weights.tolist()), bias=(shift,))


def _cost(p: Floats, target: NDArray[np.float64]) -> float:
    """Mean negative log-likelihood of (m, k) probabilities."""
    own = p[np.arange(len(p)), target.astype(np.int64)]
    return float(-np.log(own.clip(LEAST)).mean())


def _softmax(logits: Floats) -> Floats:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))
