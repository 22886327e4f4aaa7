"""Norms with the mean and spread of a batch, for the weights as they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from crystalgui.core.models.layers.norms import BatchNorm


@torch.no_grad()
def settle(model: nn.Module, batch: Any) -> None:
    """What many batches in training mode would lead to, in one: running means are replaced."""
    norms = [part for part in model.modules() if isinstance(part, BatchNorm)]
    kept = [part.momentum for part in norms]
    for part in norms:
        part.momentum = 1.0
    if norms:
        model(batch)
    for part, momentum in zip(norms, kept, strict=True):
        part.momentum = momentum
