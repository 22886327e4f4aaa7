"""Checkpoints in safetensors: weights, optimiser, average and random numbers.

Everything that the next step depends on is in one file with one atomic write,
so a run that was killed continues exactly where its last epoch ended.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from crystalgui.core.errors import ModelError
from crystalgui.core.models._tensors import read_tensors, write_tensors
from crystalgui.core.store.run import Run
from crystalgui.core.training.optimise import Average

FORMAT = 1
LAST = "last.safetensors"


@dataclass(slots=True)
class State:
    """Where a run is.

    Attributes
    ----------
    epoch : int
        Epochs finished.
    step : int
        Optimiser steps made.
    best : float
        Best monitored value, larger is better.
    best_epoch : int
    accumulate : int
        Passes a batch is divided over.
    digest : str
        Of the data set.
    """

    epoch: int = 0
    step: int = 0
    best: float = float("-inf")
    best_epoch: int = 0
    accumulate: int = 1
    digest: str = ""
    updates: int = 0
    threads: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


def save_state(
    path: Path, state: State, model: nn.Module, optimiser: torch.optim.Optimizer, average: Average
) -> None:
    """Write everything that the next step depends on."""
    tensors: dict[str, Tensor] = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.weights.items()}
    slots = optimiser.state_dict()["state"]
    for number, values in slots.items():
        tensors |= {f"optimiser.{number}.{k}": torch.as_tensor(v) for k, v in values.items()}
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    state.updates = average.updates
    plain = asdict(state)
    plain["best"] = repr(state.best)
    write_tensors(path, tensors, {"state": json.dumps(plain), "format": str(FORMAT)})


def load_state(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, average: Average
) -> State:
    """Put everything back; returns where the run is.

    Raises
    ------
    ModelError
        When the checkpoint is damaged or of another network.
    """
    tensors, meta = read_tensors(path)
    try:
        if meta.get("format") != str(FORMAT):
            raise ValueError("another version")
        plain = json.loads(meta["state"])
        plain["best"] = float(plain["best"])
        state = State(**plain)
        model.load_state_dict(_below(tensors, "model."))
        if average.decay > 0:
            stored = _below(tensors, "average.")
            average.weights = {k: stored[k].to(v.device) for k, v in average.weights.items()}
            average.updates = state.updates
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in _below(tensors, "optimiser.").items():
            number, _, name = key.partition(".")
            slots.setdefault(int(number), {})[name] = value
        groups = optimiser.state_dict()["param_groups"]
        optimiser.load_state_dict({"state": slots, "param_groups": groups})
        torch.set_rng_state(tensors["random.cpu"])
        if torch.cuda.is_available() and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"])
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(
            "The checkpoint belongs to another model or version, so the run cannot be resumed.",
            "Start a new run.",
            str(error),
            path=path,
        ) from error
    return state


def data_of(run: Run) -> str:
    """Digest of the data set that a run has learnt from.

    Its checkpoint knows; before the first one ``run.json`` does.
    """
    if not run.file(LAST).is_file():
        return str(run.facts().get("data", ""))
    state = json.loads(read_tensors(run.file(LAST))[1].get("state", "{}"))
    return str(state.get("digest", ""))


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
