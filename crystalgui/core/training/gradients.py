"""A meter of gradients inside the layers of a network (Bird 2023, section 2.5).

Four things can go wrong on the way back through a stack of convolutions (Fig.
6): gradients vanish, explode, or *diffuse*, so that all kernels of a layer are
told the same.  Behind a global mean every activation gets an equal gradient
(eq. 20: the homogeneous part); maximum and minimum add an inhomogeneous part.
The meter looks at one batch: per layer the size of the gradient of the cost
by the activations, the share of it that is homogeneous, and how alike the
gradients of the kernels are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from crystalgui.core.messages import GradientsReady
from crystalgui.core.models._base import Network

NOTHING = float("nan")


def gradients(
    network: Network,
    batch: Any,
    target: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    epoch: int = 0,
    run_id: str = "",
    name: str = "",
) -> GradientsReady:
    """Look at the gradients of one batch; the network and its ``grad`` stay as they are.

    Gradients are those of each sample's own cost (the mean times the number of
    samples), so that the size of the batch does not matter.

    Parameters
    ----------
    network : Network
        With `stages`; in evaluation mode, so that looking has no effect.
    batch : what the network eats
    target : (b,) int64 or float32
    loss : callable
        Mean cost of (b, outputs), (b,).
    name : str
        Which network of a sweep it is.
    """
    stages = network.stages()
    outputs, handles = _listen(stages)
    try:
        with torch.enable_grad():
            cost = loss(network(batch).float(), target) * len(target)
    finally:
        for handle in handles:
            handle.remove()
    weights = {name: kernels(stage) for name, stage in stages}
    wanted = [*outputs.values(), *(w for own in weights.values() for w in own)]
    found = torch.autograd.grad(cost, wanted, allow_unused=True)
    by_activation = dict(zip(outputs, found[: len(outputs)], strict=True))
    by_kernel = iter(found[len(outputs) :])
    likeness = {name: _mean([alike(next(by_kernel)) for _ in own]) for name, own in weights.items()}
    names = tuple(name for name, _ in stages)
    return GradientsReady(
        run_id=run_id,
        epoch=epoch,
        layers=names,
        norm=tuple(norm(by_activation.get(name)) for name in names),
        homogeneous=tuple(homogeneous(by_activation.get(name)) for name in names),
        alike=tuple(likeness[stage] for stage in names),
        network=name,
    )


def _listen(
    stages: Sequence[tuple[str, nn.Module]],
) -> tuple[dict[str, Tensor], list[torch.utils.hooks.RemovableHandle]]:
    """Where the activations of each stage will be, and the hooks that put them there."""
    outputs: dict[str, Tensor] = {}

    def hook(name: str) -> Callable[..., None]:
        def keep(_module: nn.Module, _inputs: object, out: object) -> None:
            if isinstance(out, Tensor) and out.requires_grad:
                outputs[name] = out

        return keep

    return outputs, [stage.register_forward_hook(hook(name)) for name, stage in stages]


def kernels(stage: nn.Module) -> list[nn.Parameter]:
    """Weights of its convolutions (outputs, channels, ...), else of its linear layers."""
    own = [p for p in stage.parameters() if p.requires_grad and p.ndim > 1 and len(p) > 1]
    return [p for p in own if p.ndim > 2] or own


def norm(gradient: Tensor | None) -> float:
    """Root mean square; 0 for activations that the cost does not depend on."""
    return 0.0 if gradient is None else _length(gradient) / math.sqrt(gradient.numel())


def _length(gradient: Tensor) -> float:
    """Square root of the sum of squares, in float64 without a copy."""
    return float(torch.linalg.vector_norm(gradient, dtype=torch.float64))


def homogeneous(gradient: Tensor | None) -> float:
    """Share of the square of a (b, c, n1, ..., nd) gradient that is equal at all points.

    With g the gradient and <g> its mean over the points of a sample and
    channel it is |<g>|^2 / |g|^2: 1 behind a global mean, 1 / n for one point
    of n.  NaN without any gradient, and where there is one point only.
    """
    if gradient is None or gradient.ndim < 3 or gradient[0, 0].numel() < 2:
        return NOTHING
    flat = gradient.flatten(2)
    whole = _length(flat)
    same = _length(flat.mean(2, dtype=torch.float64)) * math.sqrt(flat.shape[2])
    return (same / whole) ** 2 if whole > 0 else NOTHING


def alike(gradient: Tensor | None) -> float:
    """Mean modulus of the cosine between the gradients of (outputs, ...) kernels.

    The modulus, since kernels that are pushed along one line in opposite
    directions learn the same up to a sign.  NaN with fewer than two gradients.
    """
    if gradient is None:
        return NOTHING
    flat = gradient.double().flatten(1)
    length = flat.norm(dim=1)
    flat = flat[length > 0] / length[length > 0, None]
    count = len(flat)
    if count < 2:
        return NOTHING
    return float(((flat @ flat.T).abs().sum() - count) / (count * (count - 1)))


def _mean(values: Sequence[float]) -> float:
    own = [v for v in values if v == v]
    return sum(own) / len(own) if own else NOTHING


def by_layer(seen: GradientsReady) -> Mapping[str, tuple[float, float, float]]:
    """Norm, homogeneous share and likeness of each layer by its name."""
    rows = zip(seen.norm, seen.homogeneous, seen.alike, strict=True)
    return dict(zip(seen.layers, rows, strict=True))
