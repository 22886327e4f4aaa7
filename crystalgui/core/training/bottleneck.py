"""Intrinsic dimension of a data set by autoencoders with a narrow middle (row B13).

Bird (2023, section 2.9) names it and leaves it out: the number of neurons in
the middle at which the error of reconstruction drops is the dimension of the
manifold on which the samples lie, curved or not.  Mixtures of two
Hamiltonians lie on a line; their noise has thousands of dimensions.

The autoencoder works on the whitened principal components of the crops.
Encoder and decoder are a linear part, which begins as the projection on the
first principal axes, and a correction by two hidden layers that begins at
zero; the epoch that is best on samples of their own is kept.  So it is never
worse than principal components by more than chance, and better on a curve.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
from crystalgui.core.datasets.hamiltonians.principal import principal, table
from crystalgui.core.errors import DataError
from crystalgui.core.messages import BottleneckJob, BottleneckPoint, Event, Progress, Stopped
from crystalgui.core.models.devices import set_threads
from crystalgui.core.stopping import Flag, stoppable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

COMPONENTS = 64
"""Principal components that the autoencoders read, at most."""
HIDDEN = 128
"""Neurons of a hidden layer."""
BATCH = 64
PATIENCE = 10
"""Epochs without a better one after which a width is done."""
LEARNING_RATE = 2e-3
EXACT = 1e-6
"""An error that needs no more training, share of the variance."""
LEAST = 40
"""Fewer samples say nothing."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Whitened:
    """Whitened principal components of samples to train on, to choose and to test with.

    Attributes
    ----------
    train, validation, test : (m, c) float32
        In standard deviations of the training samples along each axis.
    explained : float
        Share of the variance of the hoppings that the components carry.
    """

    train: Tensor
    validation: Tensor
    test: Tensor
    explained: float


class Autoencoder(nn.Module):
    """``features`` numbers through ``width`` and back.

    Input and output (b, features) float32.
    """

    def __init__(self, features: int, width: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        width = min(width, features)
        self.narrow, self.wide = nn.Linear(features, width), nn.Linear(width, features)
        self.encoder, self.decoder = _bent(features, width, hidden), _bent(width, features, hidden)
        with torch.no_grad():
            for linear in (self.narrow, self.wide):
                linear.bias.zero_()
                linear.weight.copy_(torch.eye(*linear.weight.shape))

    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction."""
        code = self.narrow(x) + self.encoder(x)
        made: Tensor = self.wide(code) + self.decoder(code)
        return made


def _bent(given: int, made: int, hidden: int) -> nn.Sequential:
    """Two hidden layers whose output begins at zero."""
    last = nn.Linear(hidden, made)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Linear(given, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), last
    )


def bottleneck(job: BottleneckJob, stop: Flag | None = None) -> Generator[Event, None, None]:
    """Errors of reconstruction for each width.

    Yields
    ------
    BottleneckPoint
        For each width, in rising order: mean squared error of the whitened
        components as a share of their variance, on training samples and on
        samples that were not trained on.
    """
    widths = sorted(set(job.widths))
    if not widths or widths[0] < 1:
        raise DataError(
            "A bottleneck needs at least one neuron.", "Give widths such as 1, 2, 4, 8."
        )
    dataset = PhaseDataset.load(job.dataset)
    set_threads(1, 0)
    yield Progress(done=0, total=len(widths), text="Principal components")
    with stoppable(stop):
        data = whitened(dataset, job.samples, job.seed)
    for done, width in enumerate(widths):
        yield Progress(done=done, total=len(widths), text=f"Width {width}")
        fit = sweep(data, width, job.epochs, job.seed)
        for share in fit:
            if stop is not None and stop.is_set():
                yield Stopped()
                return
            if isinstance(share, BottleneckPoint):
                yield share
            else:
                yield Progress(done=done + share, total=len(widths), text=f"Width {width}")
    yield Progress(done=len(widths), total=len(widths))


def whitened(dataset: PhaseDataset, samples: int, seed: int) -> Whitened:
    """Draw ``samples`` to train on, an eighth to choose the epoch, a quarter to test with.

    The test samples are those of the data set; of a set that has too few,
    samples that are not trained on.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(dataset))
    fresh = order[dataset.is_test[order]]
    rest = order[~dataset.is_test[order]]
    wanted = max(LEAST // 4, samples // 4)
    if len(fresh) < wanted:
        short = min(wanted - len(fresh), max(0, len(rest) - LEAST))
        fresh, rest = np.concatenate([fresh, rest[:short]]), rest[short:]
    if len(rest) < LEAST or len(fresh) < LEAST // 4:
        raise DataError(
            f"{len(dataset)} samples are too few for an autoencoder.",
            f"Make a data set of at least {2 * LEAST} samples.",
            path=dataset.summary.folder,
        )
    chosen = min(samples // 8, len(rest) // 8)
    _, learnt = table(dataset, np.sort(rest[chosen : chosen + samples]))
    _, judged = table(dataset, np.sort(rest[:chosen]))
    _, unseen = table(dataset, np.sort(fresh[:wanted]))
    axes = principal(learnt, COMPONENTS)
    scale = axes.scores.std(axis=0)
    variance = axes.values**2
    train, validation, test = (
        torch.from_numpy((scores / scale).astype(np.float32))
        for scores in (axes.scores, axes.of(judged), axes.of(unseen))
    )
    return Whitened(
        train=train,
        validation=validation,
        test=test,
        explained=float(variance[: len(scale)].sum() / variance.sum()),
    )


def sweep(
    data: Whitened, width: int, epochs: int, seed: int
) -> Generator[float | BottleneckPoint, None, None]:
    """Train one autoencoder; the share that is done, and the point at the end."""
    torch.manual_seed(seed + 1000 * width)
    generator = torch.Generator().manual_seed(seed)
    model = Autoencoder(data.train.shape[1], width)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=1e-4, fused=True
    )
    batches = math.ceil(len(data.train) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, epochs * batches))
    best, since = _error(model, data.validation), 0
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    for epoch in range(epochs):
        order = torch.randperm(len(data.train), generator=generator)
        for first in range(0, len(order), BATCH):
            x = data.train[order[first : first + BATCH]]
            optimiser.zero_grad(set_to_none=True)
            loss = nn.functional.mse_loss(model(x), x)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        found, since = _error(model, data.validation), since + 1
        if found < best:
            best, since = found, 0
            kept = {name: value.clone() for name, value in model.state_dict().items()}
        yield (epoch + 1) / epochs
        if since >= PATIENCE or best < EXACT:
            break
    model.load_state_dict(kept)
    yield BottleneckPoint(
        width=width, train_error=_error(model, data.train), test_error=_error(model, data.test)
    )


@torch.no_grad()
def _error(model: nn.Module, x: Tensor) -> float:
    """Mean squared error as a share of the variance."""
    left = ((model(x) - x) ** 2).sum()
    return float(left / ((x - x.mean(dim=0)) ** 2).sum())
