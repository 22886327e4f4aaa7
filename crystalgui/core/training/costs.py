"""What training minimises, and how rare classes are heard.

Bird (2023), section 3.3, blames the cost for networks that never answer
"Weyl semimetal" and proposes three remedies: a cost that maximises the trace
of the confusion matrix, resampling of the classes, and longer training
(rows B64-B67).  With N_c training rows of class c of K, the trace in per cent
of each class is 100 sum_c (1/N_c) sum_{i in c} [answer i is right]; replacing
the bracket by the probability of the right answer makes it differentiable.
Focal loss is that of Lin et al. (2017), eq. 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from crystalgui.core.cards import Task
from crystalgui.core.messages import TrainRecipe

Loss = Callable[[Tensor, Tensor], Tensor]
Cost = Literal["cross-entropy", "focal", "trace"]
FOCUS = 2.0


def loss_function(task: Task, weights: Tensor | None = None, cost: Cost = "cross-entropy") -> Loss:
    """Mean loss of (b, outputs) against (b,) targets.

    Parameters
    ----------
    task : {"classification", "regression"}
        Regression always has the Huber loss of the standardised target.
    weights : (k,) float32, optional
        Of each class; ``"trace"`` needs them to know how frequent classes are.
    cost : {"cross-entropy", "focal", "trace"}
    """
    if task == "regression":
        huber = nn.SmoothL1Loss(beta=0.2)
        return lambda out, target: huber(out[:, 0], target)
    if cost == "focal":
        return lambda out, target: focal(out, target, weights)
    if cost == "trace":
        return lambda out, target: trace(out, target, weights)
    return nn.CrossEntropyLoss(weight=weights)


def cost_of(recipe: TrainRecipe, task: Task, classes: Tensor, number: int) -> Loss:
    """The loss of a recipe.

    Parameters
    ----------
    classes : (m,) int64
        Of the training rows; any target for regression.
    number : int
        Classes, k.
    """
    if task == "regression":
        return loss_function(task)
    weights: Tensor | None = None
    if recipe.class_weights or recipe.cost == "trace":
        weights = class_weights(classes, number).to(classes.device)
        if recipe.resample:  # they are drawn equally often, so nothing is left to balance
            weights = torch.ones_like(weights)
    return loss_function(task, weights, recipe.cost)


def alike(recipe: TrainRecipe) -> bool:
    """Whether training treats the classes alike, so that the best epoch is chosen so too."""
    return recipe.cost == "trace" or recipe.resample


def class_weights(classes: Tensor, number: int) -> Tensor:
    """(number,) float32, inverse frequency, with mean 1 over the rows."""
    counts = torch.bincount(classes, minlength=number).float().clamp(min=1)
    return counts.sum() / (number * counts)


def focal(
    logits: Tensor, target: Tensor, weights: Tensor | None = None, focus: float = FOCUS
) -> Tensor:
    """Mean of -(1 - p)^focus log p of the right class (Lin et al. 2017, eq. 4).

    With ``weights``, the weighted mean, as cross-entropy has it.
    """
    log_p = logits.log_softmax(-1).gather(-1, target[..., None])[..., 0]
    each = -((1 - log_p.exp()) ** focus) * log_p
    if weights is None:
        return each.mean()
    own = weights[target]
    return (own * each).sum() / own.sum()


def trace(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """1 minus the share of the trace of the class-normalised confusion matrix.

    Its mean over batches is 1 - trace / (100 k) of all training rows when
    ``weights`` are their `class_weights`, also where a batch lacks a class.
    """
    p = logits.softmax(-1).gather(-1, target[..., None])[..., 0]
    miss = 1 - p
    return miss.mean() if weights is None else (weights[target] * miss).mean()


def balanced(seed: int, epoch: int, rows: Tensor, classes: Tensor) -> Tensor:
    """(k,) rows of an epoch in which every class is drawn equally often.

    Rows of a class are not repeated before all of them were drawn.  The draw
    depends on the seed and the epoch alone.

    Parameters
    ----------
    rows : (k,) int64
    classes : (n,) int64
        Of the whole table.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    host, own = rows.cpu(), classes[rows].cpu()
    present = torch.unique(own)
    quota = torch.full((len(present),), len(rows) // len(present))
    quota[: len(rows) % len(present)] += 1
    drawn = []
    for wanted, value in zip(quota.tolist(), present, strict=True):
        mine = host[own == value]
        times = -(-wanted // len(mine))
        many = [mine[torch.randperm(len(mine), generator=generator)] for _ in range(times)]
        drawn.append(torch.cat(many)[:wanted])
    mixed = torch.cat(drawn)
    return mixed[torch.randperm(len(mixed), generator=generator)].to(rows.device)
