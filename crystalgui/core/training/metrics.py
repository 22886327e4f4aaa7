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
class Evaluation:
    """What a network does on some rows.

    Attributes
    ----------
    values : dict
        ``loss`` and, for classification, ``accuracy``, ``balanced_accuracy``,
        ``f1``; for regression ``mae``, ``rmse``, ``r2`` in the target's unit.
    counts : tuple of tuple of int
        Confusion matrix, rows = true class; empty for regression.
    outputs : (m, outputs) float32, on the CPU
    """

    values: dict[str, float]
    counts: tuple[tuple[int, ...], ...]
    outputs: Tensor

    @property
    def score(self) -> float:
        """Monitored value, larger is better."""
        return self.values["accuracy"] if "accuracy" in self.values else -self.values["mae"]

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
) -> Evaluation:
    """Run a network in evaluation mode over the rows ``index``.

    Parameters
    ----------
    model : callable
        Already in evaluation mode.
    index : (m,) int64, on the device
    target : (n,) int64 or float32, on the device
        Of the whole table; standardised for regression.
    """
    parts = [model(table.batch(rows)).float() for rows in batches(index, batch_size)]
    outputs = torch.cat(parts)
    wanted = target[index]
    if task == "classification":
        values, counts = classification(outputs, wanted)
        return Evaluation(values, counts, outputs.cpu())
    raw, true = outputs[:, 0] * scale.std + scale.mean, wanted * scale.std + scale.mean
    device = outputs.device
    values = {
        "loss": float(loss_function(task)(outputs, wanted)),
        "mae": float(MeanAbsoluteError().to(device)(raw, true)),
        "rmse": float(MeanSquaredError(squared=False).to(device)(raw, true)),
        "r2": float(R2Score().to(device)(raw, true)) if len(true) > 1 else float("nan"),
    }
    return Evaluation(values, (), outputs.cpu())


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
