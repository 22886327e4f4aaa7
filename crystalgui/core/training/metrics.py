"""Metrics of an evaluation, summed on the device (torchmetrics)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError, R2Score
from torchmetrics.classification import MulticlassConfusionMatrix

from crystalgui.core.cards import Task
from crystalgui.core.datasets.collate import batches
from crystalgui.core.messages import TrainRecipe
from crystalgui.core.training.costs import alike, loss_function
from crystalgui.core.training.inputs import Table


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Standardisation of a regression target: ``raw = value * std + mean``."""

    mean: float = 0.0
    std: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Beyond:
    """Rows that a network cannot read, and the answer that they get instead.

    Attributes
    ----------
    within : (n,) bool, on the device
        Of the whole table, whether it can be read.
    answer : (outputs,) float32, on the device
        Log frequencies of the classes, or the standardised median of the training rows.
    """

    within: Tensor
    answer: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What a network does on some rows.

    Attributes
    ----------
    values : dict
        ``loss`` and, for classification, ``accuracy``, ``balanced_accuracy``,
        ``f1``; for regression ``mae``, ``rmse``, ``r2`` in the target's unit.
        Where some rows got the baseline's answer, the same once more with
        ``_within`` for the rows that the network answered itself.
    counts : tuple of tuple of int
        Confusion matrix, rows = true class; empty for regression.
    outputs : (m, outputs) float32, on the CPU
    within : (m,) bool, on the CPU
        Rows that the network answered itself.
    """

    values: dict[str, float]
    counts: tuple[tuple[int, ...], ...]
    outputs: Tensor
    within: Tensor

    @property
    def score(self) -> float:
        """Monitored value, larger is better."""
        return self.values["accuracy"] if "accuracy" in self.values else -self.values["mae"]

    def probabilities(self, warmth: float) -> Tensor:
        """(m, k) float64; the temperature is for what the network said itself."""
        t = torch.where(self.within, warmth, 1.0).double()
        return (self.outputs.double() / t[:, None]).softmax(1)

    def monitored(self, recipe: TrainRecipe) -> float:
        """What chooses the best epoch: classes count alike where training treats them so."""
        return self.values["balanced_accuracy"] if alike(recipe) and self.counts else self.score


@torch.no_grad()
def evaluate(
    model: Callable[[Any], Tensor],
    table: Table,
    index: Tensor,
    target: Tensor,
    task: Task,
    scale: Scale,
    batch_size: int = 512,
    beyond: Beyond | None = None,
) -> Evaluation:
    """Run a network in evaluation mode over the rows ``index``.

    Parameters
    ----------
    model : callable
        Already in evaluation mode.
    index : (m,) int64, on the device
    target : (n,) int64 or float32, on the device
        Of the whole table; standardised for regression.
    beyond : Beyond, optional
        Rows that the network does not see.
    """
    outputs = answered(model, table, index, batch_size, beyond)
    inside = torch.ones_like(index, dtype=torch.bool)
    if beyond is not None:
        inside = beyond.within[index]
    values, counts = _measured(outputs, target[index], task, scale)
    if 0 < int(inside.sum()) < len(index):
        own, _ = _measured(outputs[inside], target[index][inside], task, scale)
        values |= {f"{name}_within": value for name, value in own.items()}
    return Evaluation(values, counts, outputs.cpu(), inside.cpu())


def answered(
    model: Callable[[Any], Tensor],
    table: Table,
    index: Tensor,
    batch_size: int = 512,
    beyond: Beyond | None = None,
) -> Tensor:
    """(m, outputs) float32 of the rows ``index``; those beyond the limit get the default."""
    if beyond is None:
        return torch.cat([model(table.batch(rows)).float() for rows in batches(index, batch_size)])
    inside = beyond.within[index]
    outputs = beyond.answer.repeat(len(index), 1)
    for places in batches(inside.nonzero()[:, 0], batch_size):
        outputs[places] = model(table.batch(index[places])).float()
    return outputs


def _measured(
    outputs: Tensor, wanted: Tensor, task: Task, scale: Scale
) -> tuple[dict[str, float], tuple[tuple[int, ...], ...]]:
    """Metrics, and confusion counts of a classification."""
    if task == "classification":
        return classification(outputs, wanted)
    raw, true = outputs[:, 0] * scale.std + scale.mean, wanted * scale.std + scale.mean
    device = outputs.device
    values = {
        "loss": float(loss_function(task)(outputs, wanted)),
        "mae": float(MeanAbsoluteError().to(device)(raw, true)),
        "rmse": float(MeanSquaredError(squared=False).to(device)(raw, true)),
        "r2": float(R2Score().to(device)(raw, true)) if len(true) > 1 else float("nan"),
    }
    return values, ()


def classification(
    logits: Tensor, target: Tensor
) -> tuple[dict[str, float], tuple[tuple[int, ...], ...]]:
    """Metrics and confusion counts of (m, k) logits against (m,) classes."""
    loss = nn.functional.cross_entropy(logits, target)
    matrix = MulticlassConfusionMatrix(logits.shape[1]).to(logits.device)(logits, target)
    values, counts = _of_confusion(matrix.cpu().double())
    return {"loss": float(loss), **values}, counts


def _of_confusion(matrix: Tensor) -> tuple[dict[str, float], tuple[tuple[int, ...], ...]]:
    hits, true, guessed = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    seen = true > 0
    recall = hits[seen] / true[seen]
    f1 = 2 * hits[seen] / (true + guessed)[seen]
    values = {
        "accuracy": float(hits.sum() / matrix.sum()),
        "balanced_accuracy": float(recall.mean()),
        "f1": float(f1.mean()),
    }
    return values, tuple(tuple(int(x) for x in row) for row in matrix.tolist())


def coarse_accuracy(
    probabilities: Tensor, target: Tensor, classes: tuple[str, ...], coarse: dict[str, str]
) -> float:
    """Accuracy after summing the probabilities of the classes of each coarse class.

    Parameters
    ----------
    probabilities : (m, k) float
    target : (m,) int64
    """
    names = list(dict.fromkeys(coarse[c] for c in classes))
    of = torch.tensor([names.index(coarse[c]) for c in classes])
    summed = torch.zeros(len(probabilities), len(names), dtype=probabilities.dtype)
    summed.index_add_(1, of, probabilities)
    return float((summed.argmax(1) == of[target]).double().mean())


def calibration_error(probabilities: Tensor, target: Tensor, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017, eq. 3) of (m, k) probabilities."""
    confidence, guess = probabilities.max(1)
    right = (guess == target).to(probabilities.dtype)
    place = (confidence * bins).long().clamp(max=bins - 1)
    zeros = probabilities.new_zeros(bins)
    gap = zeros.index_add(0, place, confidence) - zeros.index_add(0, place, right)
    return float(gap.abs().sum() / len(target))


def accuracy_of_surest(probabilities: Tensor, target: Tensor, share: float = 0.5) -> float:
    """Accuracy on the share of the rows that (m, k) probabilities are surest of."""
    confidence, guess = probabilities.max(1)
    surest = confidence.argsort(descending=True, stable=True)
    surest = surest[: max(1, round(share * len(target)))]
    return float((guess[surest] == target[surest]).double().mean())


def temperature(logits: Tensor, target: Tensor) -> float:
    """Temperature that calibrates probabilities (Guo et al. 2017, section 4.2).

    Golden-section search of the negative log-likelihood on validation rows.
    """
    low, high, ratio = 0.3, 5.0, 0.6180339887498949

    def nll(t: float) -> float:
        return float(nn.functional.cross_entropy(logits.double() / t, target))

    a, b = high - ratio * (high - low), low + ratio * (high - low)
    left, right = nll(a), nll(b)
    for _ in range(40):
        if left < right:
            high, b, right = b, a, left
            a = high - ratio * (high - low)
            left = nll(a)
        else:
            low, a, left = a, b, right
            b = low + ratio * (high - low)
            right = nll(b)
    return (low + high) / 2
