"""How many networks train together: as many as pay and fit.

A step of one network keeps its activations until the backward pass.  On an
accelerator a group may fill a share of the free memory.  On a CPU large
groups gain nothing more once the kernels are busy, and lose when the
activations leave the cache, so groups are kept within it.

On a CPU several threads share the work of a group only where it is large, and
never more of them than ``OMP_NUM_THREADS`` allows.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import torch
from torch import Tensor

from crystalgui.core.training.stack import Stack, Task

CPU_BYTES = 64 << 20
SHARE = 0.5
"""Of the free memory of an accelerator."""
MOST = 128
BUSY_BYTES = 16 << 20
"""What a step keeps when several threads have enough to do."""
MOST_THREADS = 8
COPIES = 5
"""Of the parameters: themselves, gradient, two moments, and what a step makes of them."""


class Group(NamedTuple):
    """Replicas of a group, and threads of its training."""

    size: int
    threads: int


def step_bytes(task: Task) -> int:
    """Bytes that a training step of the first replica of a task keeps."""
    stack = Stack(task)
    stack.train()
    rows = task.train[: task.recipe.batch_size]
    seen: dict[int, int] = {}

    def look(tensor: Tensor) -> Tensor:
        try:
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
        except RuntimeError:  # a mapped tensor, whose memory belongs to another one
            seen[-id(tensor)] = tensor.numel() * tensor.element_size()
        return tensor

    shifts = task.shifts(0, len(rows))
    with torch.autograd.graph.saved_tensors_hooks(look, lambda tensor: tensor):
        stack(rows, shifts)
    parameters = sum(p.nbytes for p in stack.parameters())
    return sum(seen.values()) + COPIES * parameters


def group_of(task: Task, wanted: int) -> Group:
    """How many replicas to train together, of ``wanted``; ``task`` is that of one of them."""
    room = CPU_BYTES
    if task.device.type == "cuda":
        room = int(SHARE * torch.cuda.mem_get_info(task.device)[0])
    each = max(step_bytes(task), 1)
    size = max(1, min(wanted, MOST, room // each))
    return Group(size, task.recipe.threads or _threads(size * each))


def _threads(kept: int) -> int:
    """Threads for a step that keeps so many bytes: small ones are faster alone."""
    cores = os.cpu_count() or 1
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    limit = int(allowed) if allowed.isdecimal() and int(allowed) > 0 else cores
    return min(limit, cores, MOST_THREADS) if kept >= BUSY_BYTES else 1
