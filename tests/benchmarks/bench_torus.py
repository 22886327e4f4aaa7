"""Toroidal convolution against the other ways to write it, forward and backward.

The paper tiles a tensor and crops it (Bird 2023, section 2.6); here that is
the reference which the layer must beat, and equal.  All forms do the same
work in turn, in seconds of one core (a busy machine does not count), and the
fastest round of each is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

Row = dict[str, Any]
Form = Callable[[Any, Any, Any], Any]

ROUNDS = 7
REPLICAS = 6
SIZES = (
    ("3-D, 32 channels, 16^3, batch 8", (8, 32, 16, 16, 16)),
    ("2-D, 16 channels, 28^2, batch 64", (64, 16, 28, 28)),
)
EQUAL = 1e-6
"""Of float32, against the tiling of the paper."""


def run() -> list[Row]:
    """Rows with name, value, unit and, where something is promised, limit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = [row for name, shape in SIZES for row in _compare(name, shape)]
        rows += _replicas()
    finally:
        torch.set_num_threads(before)
    return rows + _graphics()


def _row(name: str, value: float, unit: str, limit: float | None = None, better: str = "") -> Row:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "better": better}


# ----------------------------------------------------------------------- forms


def _convolve(x: Any, weight: Any, bias: Any, **kwargs: Any) -> Any:
    from torch.nn import functional

    return getattr(functional, f"conv{x.ndim - 2}d")(x, weight, bias, **kwargs)


def tile_and_crop(x: Any, weight: Any, bias: Any) -> Any:
    """The paper's algorithm: three tiles along each axis, cropped to what the kernel reaches."""
    tiles = x.repeat(1, 1, *[3] * (x.ndim - 2))
    for axis, size in zip(range(2, x.ndim), weight.shape[2:], strict=True):
        n = x.shape[axis]
        tiles = tiles.narrow(axis, n - (size - 1) // 2, n + size - 1)
    return _convolve(tiles, weight, bias)


def rolls(x: Any, weight: Any, bias: Any) -> Any:
    """The paper's other form: the tensor rolled to each point of the kernel."""
    import torch

    axes = tuple(range(2, x.ndim))
    found = bias.reshape(-1, *[1] * len(axes))
    for place in product(*(range(size) for size in weight.shape[2:])):
        shift = [(size - 1) // 2 - at for at, size in zip(place, weight.shape[2:], strict=True)]
        part = weight[(slice(None), slice(None), *place)]
        found = found + torch.einsum("oc,bc...->bo...", part, x.roll(shift, axes))
    return found


def circular(x: Any, weight: Any, bias: Any) -> Any:
    """Circular padding of torch."""
    from torch.nn import functional

    edges = [e for size in reversed(weight.shape[2:]) for e in ((size - 1) // 2, size // 2)]
    return _convolve(functional.pad(x, edges, mode="circular"), weight, bias)


def zeros(x: Any, weight: Any, bias: Any) -> Any:
    """Zeros around it, which is not toroidal: what the edge costs."""
    return _convolve(x, weight, bias, padding="same")


FORMS: dict[str, Form] = {
    "tile and crop": tile_and_crop,
    "rolls": rolls,
    "circular padding": circular,
    "zero padding": zeros,
}


def _compare(name: str, shape: tuple[int, ...]) -> list[Row]:
    """Times of all forms, the gain over tile and crop, and how equal they are."""
    import torch

    from crystalgui.core.models.layers.convolution import Convolution

    torch.manual_seed(0)
    channels, dimension = shape[1], len(shape) - 2
    layer = Convolution(channels, channels, 3, dimension)
    forms: dict[str, Form] = {"the layer": layer.convolved, **FORMS}
    plain = (torch.randn(shape), layer.weight.detach(), torch.zeros(channels))
    layout = torch.channels_last if dimension == 2 else torch.channels_last_3d
    last = (*(t.to(memory_format=layout) for t in plain[:2]), plain[2])
    cases = {key: (form, plain) for key, form in forms.items()}
    for key in ("the layer", "circular padding"):
        cases[f"{key}, channels last"] = (forms[key], last)
    times = fastest({key: _step(*case) for key, case in cases.items()})
    rows = [
        _row(f"toroidal convolution, {name}: {key}", 1000 * seconds, "ms")
        for key, seconds in times.items()
    ]
    gain = times["tile and crop"] / times["the layer"]
    rows.append(_row(f"gain over tile and crop, {name}", gain, "x", 3.0, "higher"))
    others = ("circular padding", "circular padding, channels last", "rolls")
    loss = times["the layer"] / min(times[key] for key in others)
    rows.append(_row(f"the layer against the fastest other, {name}", loss, "x", 1.3, "lower"))
    with torch.no_grad():
        aim = tile_and_crop(*plain)
        for key in ("the layer", "rolls", "circular padding"):
            error = float((forms[key](*plain) - aim).abs().max())
            limit = EQUAL if key == "the layer" else None
            rows.append(_row(f"{key} against tile and crop, {name}", error, "", limit))
    return rows


def _step(form: Form, tensors: Iterable[Any]) -> Callable[[], None]:
    """Forward and backward, for all three tensors."""
    leaves = [t.detach().clone().requires_grad_() for t in tensors]

    def once() -> None:
        clear(leaves)
        form(*leaves).square().sum().backward()

    return once


def fastest(steps: dict[str, Callable[[], None]], rounds: int = ROUNDS) -> dict[str, float]:
    """Processor seconds of each, in its best round; the rounds take turns."""
    for step in steps.values():
        step()
    found: dict[str, float] = {}
    for _ in range(rounds):
        for key, step in steps.items():
            start = time.process_time()
            step()
            seconds = time.process_time() - start
            found[key] = min(seconds, found.get(key, seconds))
    return found


# -------------------------------------------------------------------- replicas


def _replicas() -> list[Row]:
    """Six networks of toroidal convolutions mapped as one against one by one."""
    import torch
    from torch import nn
    from torch.func import functional_call, vmap

    from crystalgui.core.models.layers.convolution import Convolution
    from crystalgui.core.models.layers.norms import TensorNorm, activation
    from crystalgui.core.models.layers.pooling import GlobalPool, LocalPool

    def network() -> nn.Module:
        sizes = ((1, 8), (8, 8), (8, 16), (16, 16))
        parts: list[nn.Module] = []
        for i, (a, b) in enumerate(sizes):
            parts += [Convolution(a, b, 3, 2), TensorNorm(b), activation()]
            parts += [LocalPool(2)] if i % 2 else []
        return nn.Sequential(*parts, GlobalPool(), nn.Linear(16, 10))

    torch.manual_seed(0)
    networks = [network() for _ in range(REPLICAS)]
    x = torch.randn(REPLICAS, 64, 1, 28, 28)
    stacked = {
        name: torch.stack([dict(n.named_parameters())[name].detach() for n in networks])
        for name, _ in networks[0].named_parameters()
    }
    for value in stacked.values():
        value.requires_grad_()

    def together() -> None:
        clear(stacked.values())
        out = vmap(lambda p, v: functional_call(networks[0], p, (v,)))(stacked, x)
        out.square().sum().backward()

    def apart() -> None:
        for each, v in zip(networks, x, strict=True):
            clear(each.parameters())
            each(v).square().sum().backward()

    times = fastest({"as one": together, "one by one": apart}, rounds=4)
    rows = [
        _row(f"a step of {REPLICAS} toroidal networks {key}", 1000 * seconds, "ms")
        for key, seconds in times.items()
    ]
    gain = times["one by one"] / times["as one"]
    return [*rows, _row(f"gain of {REPLICAS} toroidal networks as one", gain, "x")]


def clear(parameters: Iterable[Any]) -> None:
    """Forget gradients."""
    for parameter in parameters:
        parameter.grad = None


def _graphics() -> list[Row]:
    """The gain over tile and crop on a graphics card, where there is one."""
    import torch

    from crystalgui.core.models.layers.convolution import Convolution

    name, shape = SIZES[0]
    title = f"gain over tile and crop, {name}, graphics card"
    if not torch.cuda.is_available():
        return [{"name": title, "missing": "no graphics card here"}]
    layer = Convolution(shape[1], shape[1], 3, 3).cuda()
    x = torch.randn(shape, device="cuda", requires_grad=True)
    weight, bias = layer.weight, layer.bias

    def seconds(form: Form) -> float:
        found = []
        for _ in range(20):
            torch.cuda.synchronize()
            start = time.perf_counter()
            form(x, weight, bias).square().sum().backward()
            torch.cuda.synchronize()
            found.append(time.perf_counter() - start)
        return min(found)

    gain = seconds(tile_and_crop) / seconds(layer.convolved)
    return [_row(title, gain, "x", 3.0, "higher")]
