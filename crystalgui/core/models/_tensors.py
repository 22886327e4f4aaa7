"""Tensors and text in one safetensors file, written atomically; never pickle."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from crystalgui.core.errors import ModelError
from crystalgui.core.store.files import write_atomic


def write_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, str]) -> None:
    """Write tensors and text in one atomic step."""
    plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    write_atomic(path, save(plain, metadata=meta))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and text of a safetensors file; `ModelError` when it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            return {k: file.get_tensor(k) for k in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(
            "The checkpoint cannot be read: it is missing, damaged or no safetensors file.",
            "Choose another checkpoint, or train the model again.",
            str(error),
            path=path,
        ) from error
