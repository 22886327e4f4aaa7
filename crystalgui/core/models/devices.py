"""Devices, threads and memory: chosen deliberately, described in words."""

from __future__ import annotations

import os
import sys

import torch

from crystalgui.core.errors import ResourceError
from crystalgui.core.messages import Device


def resolve(device: Device) -> torch.device:
    """The torch device of a request.

    Raises
    ------
    ResourceError
        When CUDA is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ResourceError(
            "This machine has no usable CUDA device.", "Choose the device “auto” or “cpu”."
        )
    use = device != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if use else "cpu")


def devices() -> tuple[tuple[str, str], ...]:
    """(key, description) of every device, the CPU first."""
    found = [("cpu", f"CPU, {os.cpu_count() or 1} cores")]
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(i)
            key = "cuda" if i == 0 else f"cuda:{i}"
            found.append((key, f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB"))
    return tuple(found)


def set_threads(wanted: int, parameters: int) -> int:
    """Set torch's threads; 0 chooses by the size of the model.

    Small matrices are slower with many threads than with one, above all when
    the machine has other work.
    """
    cores = os.cpu_count() or 1
    number = wanted or (1 if parameters < 3_000_000 else min(4, max(1, cores)))
    torch.set_num_threads(max(1, min(number, cores)))
    return torch.get_num_threads()


def memory_in_use(device: torch.device) -> int:
    """Peak bytes of the device, or of this process on the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out, on any device."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text
    )


def free(device: torch.device) -> None:
    """Give cached memory back."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
