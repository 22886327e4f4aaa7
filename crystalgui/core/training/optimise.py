"""Optimiser, learning-rate schedule and the running average of the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from crystalgui.core.messages import TrainRecipe


def optimiser(model: nn.Module, recipe: TrainRecipe) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019); biases and norms are not decayed."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=recipe.learning_rate)


def rate(recipe: TrainRecipe, step: int, total: int) -> float:
    """Learning rate of a step, counted from 0: linear warm-up, then the schedule."""
    warm = max(1, round(recipe.warmup * total))
    factor = min(1.0, (step + 1) / warm)
    if recipe.schedule == "cosine":
        factor *= 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, total))))
    return recipe.learning_rate * factor


class Average:
    """Exponential moving average of the weights.

    Parameters
    ----------
    model : nn.Module
    decay : float
        0 keeps no average.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = 0.0 if getattr(model, "grows", False) else decay  # trees have no average
        self.updates = 0
        self.weights: dict[str, Tensor] = {}
        if self.decay > 0:
            self.weights = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """After a step; the average starts fast."""
        if not self.weights:
            return
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        state = model.state_dict()
        averages = [v for v in self.weights.values() if v.is_floating_point()]
        current = [state[k] for k, v in self.weights.items() if v.is_floating_point()]
        torch._foreach_lerp_(averages, current, 1 - decay)

    def best_weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The average when there is one, else the model's own weights."""
        return self.weights or dict(model.state_dict())
