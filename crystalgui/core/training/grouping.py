"""How many networks train together: as many as pay and fit.

A step of one network keeps its activations until the backward pass.  On an
accelerator a group may fill a share of the free memory.  On a CPU large
groups gain nothing more once the kernels are busy, and lose when the
activations leave the cache, so groups are kept within it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from crystalgui.core.training.stack import Stack, Task

CPU_BYTES = 64 << 20
SHARE = 0.5
"""Of the free memory of an accelerator."""
MOST = 128
COPIES = 5
"""Of the parameters: themselves, gradient, two moments, and what a step makes of them."""


def step_bytes(task: Task) -> int:
    """Bytes that a training step of the first replica of a task keeps."""
    stack = Stack(task)
    stack.train()
    rows = task.train[: task.recipe.batch_size]
    seen: dict[int, int] = {}

    def look(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    shifts = task.shifts(0, len(rows))
    with torch.autograd.graph.saved_tensors_hooks(look, lambda tensor: tensor):
        stack(rows, shifts)
    parameters = sum(p.nbytes for p in stack.parameters())
    return sum(seen.values()) + COPIES * parameters


def group_size(task: Task, wanted: int) -> int:
    """Replicas to train together, of ``wanted``; ``task`` is that of one of them."""
    if wanted <= 1:
        return wanted
    room = CPU_BYTES
    if task.device.type == "cuda":
        room = int(SHARE * torch.cuda.mem_get_info(task.device)[0])
    return max(1, min(wanted, MOST, room // max(step_bytes(task), 1)))
