"""How much a trained network's answers depend on where its input begins.

Bird (2023), section 2.10: inputs are rolled periodically by omega, uniform in
-chi .. chi along each axis and drawn anew for every sample, and an invariant
network (eq. 17) answers as before.  Inside, every layer of its pipeline should
move with the input (eq. 16): f(T x) = T' f(x), with a shift T' for every T.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crystalgui.core import stopping
from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.images.rolling import draw, fixed, roll
from crystalgui.core.datasets.kinds import INPUTS, NOUNS, ROLLED
from crystalgui.core.datasets.loading import load
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import (
    Event,
    InvarianceJob,
    InvariancePoint,
    LayerErrors,
    LogLine,
    Progress,
    ReportWritten,
    SplitSpec,
)
from crystalgui.core.models import _registry as registry
from crystalgui.core.models import devices
from crystalgui.core.models._base import Network
from crystalgui.core.models.trained import find, read_card, read_model
from crystalgui.core.reports.invariance import Invariance, sentence, write
from crystalgui.core.training.inputs import Inputs, Table, inputs_of

Rows = NDArray[np.int64]

CHUNK = 128
"""Samples of a pass."""
LOOKED = 32
"""Samples that the layers are compared on."""
SHIFTS = 4
"""Random shifts of each of them."""


def invariance(
    job: InvarianceJob, stop: stopping.Flag | None = None
) -> Generator[Event, None, Invariance]:
    """Accuracy and cost against the degree of rolling, and the equivariance of the layers.

    Yields
    ------
    InvariancePoint
        For each of ``job.rollings``, in rising order.
    LayerErrors
        Once, of a network that has `Network.stages`.
    ReportWritten
        When ``job.out`` is given.

    Returns
    -------
    Invariance
        All of it.

    Raises
    ------
    CrystalError
        A model or data set that cannot be rolled, or that do not fit together; it was stopped.
    """
    rollings = _rollings(job)
    yield Progress(done=0, text="Loading the model and the data")
    subject = _subject(job)
    for remark in subject.remarks:
        yield LogLine(text=remark)
    points = yield from _points(job, subject, rollings, stop)
    yield Progress(done=1, total=1, text="Comparing the layers")
    layers = _layers(subject, job.seed, stop)
    yield layers or LogLine(text=f"{subject.card.title} has no layers that move with the input.")
    yield LogLine(text=sentence(points))
    found = _found(job, subject, points, layers)
    if job.out is not None:
        yield ReportWritten(paths=write(job.out, found))
    return found


def _points(
    job: InvarianceJob, subject: _Subject, rollings: Sequence[int], stop: stopping.Flag | None
) -> Generator[Event, None, list[InvariancePoint]]:
    """A point for each degree of rolling; the answers without rolling come first."""
    began, points = time.monotonic(), []
    every = list(dict.fromkeys((0, *rollings)))
    passes = {chi: 1 if chi == 0 else job.draws for chi in every}
    total, before = sum(passes.values()), 0
    still: Tensor | None = None
    for chi in every:
        steps = _answers(subject, chi, passes[chi], job.seed)
        while True:
            stopping.check(stop)
            try:
                done = before + next(steps)
            except StopIteration as end:
                found: _Answers = end.value
                break
            eta = (time.monotonic() - began) * (total - done) / done
            yield Progress(done=done, total=total, text=f"Rolling by up to {chi}", eta=eta)
        before += passes[chi]
        still = found.answers if still is None else still
        if chi in rollings:
            points.append(found.point(chi, still))
            yield points[-1]
    return points


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """What is measured: networks on their device, a table of some rows, true classes."""

    card: TrainedModel
    networks: Sequence[Network]
    temperature: float
    data: Inputs
    table: Table
    target: Tensor
    remarks: tuple[str, ...]

    @property
    def device(self) -> torch.device:
        return self.table.device

    def batches(self) -> Iterator[tuple[Any, Tensor]]:
        """(batch, true classes) over all rows."""
        rows = torch.arange(len(self.target), device=self.device)
        for some in torch.split(rows, CHUNK):
            yield self.table.batch(some), self.target[some]


def _rollings(job: InvarianceJob) -> list[int]:
    found = sorted(set(job.rollings))
    if not found or found[0] < 0 or job.draws < 1 or job.samples < 0:
        raise DataError(
            "Degrees of rolling cannot be negative, and every sample is rolled at least once.",
            "Give degrees such as 0, 1, 2, 4, 8, and one draw or more.",
        )
    return found


def _subject(job: InvarianceJob) -> _Subject:
    """The model and the rows of a job, checked against each other."""
    folder = find(job.model, job.project)
    card, _ = read_card(folder)
    family = registry.family(card.family).card
    if card.task != "classification" or not any(family.reads(INPUTS[kind]) for kind in ROLLED):
        what = " and ".join(NOUNS[kind] for kind in sorted(ROLLED))
        raise ModelError(
            f"{card.title} has no classes of what can be rolled.",
            f"Choose a network that classifies {what}.",
            path=folder,
        )
    data = inputs_of(load(job.dataset))
    summary = data.summary
    if summary.kind not in ROLLED or not family.reads(INPUTS[summary.kind]):
        raise DataError(
            f"{card.title} cannot be tested on a data set of {NOUNS[summary.kind]}.",
            "Choose data of the kind that the model was trained on.",
            path=job.dataset,
        )
    card, inference, networks = read_model(folder)
    if inference.shape and tuple(inference.shape) != tuple(data.shape):
        raise DataError(
            f"The model was trained on inputs of shape {_words(inference.shape)}, these are "
            f"{_words(data.shape)}.",
            "Choose the data set that it was trained on, or one like it.",
            path=job.dataset,
        )
    device = devices.resolve(job.device)
    devices.set_threads(0, card.parameters)
    rows, remarks = _rows(data, job, card)
    target = _classes(card, data, rows).to(device)
    networks = [network.to(device).eval() for network in networks]
    table = data.sample(networks[0], card.params, device, rows)
    return _Subject(card, networks, inference.temperature, data, table, target, remarks)


def _words(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _rows(data: Inputs, job: InvarianceJob, card: TrainedModel) -> tuple[Rows, tuple[str, ...]]:
    """Test rows of the data set, at most ``job.samples``; what is to be said of them."""
    remarks = []
    try:
        rows = data.split(SplitSpec(kind="given")).test
        if card.split and not card.split.startswith("given"):
            remarks.append(
                f"The model was trained on another division of its data ({card.split}): some of "
                "these rows may have been among its training rows."
            )
    except DataError:
        rows = np.arange(len(data.target))
        remarks.append(
            "The data set names no test rows: all of its rows are used, those that the model was "
            "trained on as well."
        )
    if 0 < job.samples < len(rows):
        rows = np.random.default_rng(job.seed).permutation(rows)[: job.samples]
    return np.sort(rows).astype(np.int64), tuple(remarks)


def _classes(card: TrainedModel, data: Inputs, rows: Rows) -> Tensor:
    """(m,) int64: the true class of each row in the order of the model's classes."""
    names = data.summary.classes
    unknown = [name for name in names if name not in card.classes]
    if unknown:
        raise DataError(
            f"The model does not know the class {unknown[0]!r} of this data set.",
            f"Its classes are: {', '.join(card.classes)}.",
            path=data.summary.folder,
        )
    place = np.array([card.classes.index(name) for name in names])
    return torch.from_numpy(place[data.target[rows].astype(np.int64)])


# ------------------------------------------------------------------------ answers


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """Of all draws (t, m): the answer of the whole model; of each member hits and costs."""

    answers: Tensor
    accuracy: Tensor
    cost: Tensor

    def point(self, chi: int, before: Tensor) -> InvariancePoint:
        """Beside the answers ``before`` (1, m) without rolling."""
        return InvariancePoint(
            rolling=chi,
            accuracy=tuple(self.accuracy.tolist()),
            cost=tuple(self.cost.tolist()),
            changed=float((self.answers != before).double().mean()),
            samples=before.shape[1],
        )


@torch.no_grad()
def _answers(
    subject: _Subject, chi: int, draws: int, seed: int
) -> Generator[float, None, _Answers]:
    """Answers to every row, rolled ``draws`` times; yields the draws that are done."""
    generator = fixed(seed, chi)
    members, size = len(subject.networks), len(subject.target)
    hits = torch.zeros(members, dtype=torch.float64)
    costs = torch.zeros(members, dtype=torch.float64)
    answers = []
    for turn in range(draws):
        parts, done = [], 0
        for batch, true in subject.batches():
            moved = batch if chi == 0 else _rolled(batch, chi, generator)
            out = torch.stack([network(moved).double() for network in subject.networks])
            hits += (out.argmax(2) == true).sum(1).cpu()
            flat = nn.functional.cross_entropy(
                out.flatten(0, 1), true.repeat(members), reduction="none"
            )
            costs += flat.reshape(members, -1).sum(1).cpu()
            parts.append((out / subject.temperature).softmax(2).mean(0).argmax(1).cpu())
            done += len(true)
            yield turn + done / size
        answers.append(torch.cat(parts))
    return _Answers(torch.stack(answers), hits / (size * draws), costs / (size * draws))


def _rolled(batch: Any, chi: int, generator: torch.Generator) -> Any:
    values: Tensor = batch.values
    shape = (len(values), values.ndim - 2)
    return shifted(batch, draw(chi, shape, values.device, generator))


def shifted(batch: Any, shifts: Tensor) -> Any:
    """A batch whose ``values`` (b, c, n1, ..., nd) are rolled by ``shifts`` (b, d)."""
    return replace(batch, values=roll(batch.values, shifts.to(batch.values.device)))


# ------------------------------------------------------------------------ layers


def _layers(subject: _Subject, seed: int, stop: stopping.Flag | None) -> LayerErrors | None:
    """Errors of the layers, mean over the members; None where there are none."""
    names = tuple(name for name, _ in subject.networks[0].stages())
    if not names:
        return None
    rows = torch.arange(min(LOOKED, len(subject.target)), device=subject.device)
    batch = subject.table.batch(rows)
    found = []
    for network in subject.networks:
        stopping.check(stop)
        found.append(layer_errors(network, batch, seed))
    return LayerErrors(layers=names, error=tuple(np.mean(found, axis=0).tolist()))


@torch.no_grad()
def layer_errors(
    network: Network, batch: Any, seed: int = 0, shifts: int = SHIFTS
) -> tuple[float, ...]:
    """|f(T x) - T' f(x)| / |f(x)| of each stage of a network (eq. 16), mean over the samples.

    Parameters
    ----------
    network : Network
        In evaluation mode.
    batch
        With ``values`` (b, c, n1, ..., nd).
    shifts : int
        Random shifts T that are averaged over, uniform over the torus without
        none at all, of each sample its own.  T' is the shift of the
        activations that fits best.
    """
    stages = [module for _, module in network.stages()]
    sizes = batch.values.shape[2:]
    generator = torch.Generator().manual_seed(seed)
    errors = np.zeros((shifts, len(stages)))
    with activations(stages) as found:
        network(batch)
        still = [found[i] for i in range(len(stages))]
        for turn in range(shifts):
            network(shifted(batch, _anywhere(sizes, len(batch.values), generator)))
            errors[turn] = [apart(found[i], one) for i, one in enumerate(still)]
    return tuple(errors.mean(0).tolist())


def _anywhere(sizes: Sequence[int], count: int, generator: torch.Generator) -> Tensor:
    """(count, d) int64: shifts that are uniform over a torus of ``sizes``, never none at all."""
    points = math.prod(sizes)
    number = torch.randint(int(points > 1), points, (count,), generator=generator)
    return torch.stack(torch.unravel_index(number, tuple(sizes)), 1)


def apart(moved: Tensor, still: Tensor) -> float:
    """Mean over the samples of min over T' of |moved - T' still| / |still|.

    Parameters
    ----------
    moved, still : (b, c, n1, ..., nd)
    """
    axes, sizes = tuple(range(2, still.ndim)), still.shape[2:]
    product = torch.fft.rfftn(moved, dim=axes) * torch.fft.rfftn(still, dim=axes).conj()
    likeness = torch.fft.irfftn(product.sum(1), s=sizes, dim=tuple(range(1, still.ndim - 1)))
    best = torch.stack(torch.unravel_index(likeness.flatten(1).argmax(1), sizes), 1)
    size = still.flatten(1).norm(dim=1).clamp(min=1e-30)
    return float(((moved - roll(still, best)).flatten(1).norm(dim=1) / size).mean())


@contextmanager
def activations(stages: Sequence[nn.Module]) -> Iterator[dict[int, Tensor]]:
    """What each module gave when it was last called, by its place in ``stages``."""
    found: dict[int, Tensor] = {}

    def keep(place: int) -> Callable[[nn.Module, Any, Tensor], None]:
        def take(module: nn.Module, given: Any, made: Tensor) -> None:
            found[place] = made

        return take

    hooks = [module.register_forward_hook(keep(i)) for i, module in enumerate(stages)]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _found(
    job: InvarianceJob,
    subject: _Subject,
    points: Sequence[InvariancePoint],
    layers: LayerErrors | None,
) -> Invariance:
    return Invariance(
        model=subject.card.name,
        title=subject.card.title,
        dataset=subject.data.summary.name,
        samples=len(subject.target),
        draws=job.draws,
        seed=job.seed,
        device=str(subject.device),
        points=tuple(points),
        layers=layers,
        remarks=subject.remarks,
    )
