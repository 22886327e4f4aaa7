"""A network's answer for one Hamiltonian: phase, confidence, and where its evidence lies.

Probabilities are those of all members, with the temperature that was fitted on
validation rows (Guo et al. 2017).  The evidence map says how much the answer
rests on the neighbourhood of each k-point: by occlusion (Zeiler and Fergus
2014), the channels there are replaced by their means over the zone and the
logarithm of the probability falls; by gradient, the change of that logarithm
to first order.  What makes an answer doubtful is said in sentences.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalgui.core import stopping
from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.hamiltonians.descriptors import ZoneTensor, describe
from crystalgui.core.datasets.hamiltonians.tables import ZoneBatch
from crystalgui.core.errors import ModelError
from crystalgui.core.messages import Event, PhaseAnswer, PhaseAnswerJob, Progress
from crystalgui.core.models import _registry as registry
from crystalgui.core.models import devices
from crystalgui.core.models._base import Network
from crystalgui.core.models.trained import Inference, find, read_card, read_model
from crystalgui.core.models.zone import ZoneNetwork
from crystalgui.core.physics.gaps import guess_occupation
from crystalgui.core.physics.phases import hamiltonian
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]

SHIPPED = "universal-zone"
CHUNK = 64
STRANGE = 1.3
"""`ZoneNetwork.strangeness` beyond which a Hamiltonian is unlike the training data."""
UNSURE = 0.7
METAL = 1e-3
"""A direct gap on the mesh below it, eV, is as good as closed."""


@dataclass(slots=True, eq=False)
class ZoneClassifier:
    """A trained network of zones that answers; make one with `ZoneClassifier.load`."""

    card: TrainedModel
    inference: Inference
    networks: list[Network]
    device: torch.device

    @classmethod
    def load(cls, job: PhaseAnswerJob) -> ZoneClassifier:
        """The model that a job names.

        Raises
        ------
        ModelError
            Unknown, damaged, or no network of zones.
        """
        where = devices.resolve(job.device)
        folder = find(job.model or SHIPPED, job.project)
        card, inference = read_card(folder)
        zones = registry.family(card.family).card.reads("zone") and len(inference.shape) == 1
        if not zones or card.task != "classification":
            raise ModelError(
                f"{card.title} does not name phases of Hamiltonians.",
                f"Choose a network of Brillouin zones, e.g. {SHIPPED}.",
                path=folder,
            )
        card, inference, networks = read_model(folder)
        return cls(card, inference, [n.to(where) for n in networks], where)

    @property
    def mesh(self) -> int:
        """Points along each reciprocal vector that it was trained on."""
        return int(self.card.params.get("mesh", 8))

    def batch(self, values: Tensor) -> ZoneBatch:
        """Tensors (b, c, n1, n2, n3) as a batch on the device."""
        alive = torch.tensor([n > 1 for n in values.shape[2:]]).sum().clamp(min=1)
        return ZoneBatch(values.to(self.device), alive.repeat(len(values)).to(self.device))

    def log_probabilities(self, values: Tensor) -> Tensor:
        """(b, classes): logarithms of the mean calibrated probabilities of all members."""
        batch = self.batch(values)
        parts = [(n(batch) / self.inference.temperature).log_softmax(1) for n in self.networks]
        return torch.stack(parts).logsumexp(0) - float(np.log(len(parts)))

    @torch.no_grad()
    def members(self, values: Tensor) -> Tensor:
        """(members, b, classes): probabilities of each."""
        batch = self.batch(values)
        return torch.stack([(n(batch) / self.inference.temperature).softmax(1)
                            for n in self.networks])  # fmt: skip

    @torch.no_grad()
    def strangeness(self, values: Tensor) -> float:
        """Mean of `ZoneNetwork.strangeness` over the members; 0 for networks without it."""
        batch = self.batch(values)
        each = [n.strangeness(batch) for n in self.networks if isinstance(n, ZoneNetwork)]
        return float(torch.stack(each).mean()) if each else 0.0


def answer(job: PhaseAnswerJob, stop: stopping.Flag | None = None) -> Generator[Event, None, None]:
    """Ask a network for the phase of a Hamiltonian; yields `Progress` and one `PhaseAnswer`.

    Raises
    ------
    CrystalError
        The model or the Hamiltonian cannot be used; it was stopped.
    """
    began = time.monotonic()
    yield Progress(done=0, text="Loading the network")
    classifier = ZoneClassifier.load(job)
    with stopping.stoppable(stop):
        h = hamiltonian(job.source)
        occupied, doubts = filling(h, job.occupied)
        yield Progress(done=0, text="Sampling the zone")
        zone = describe(h, occupied, classifier.mesh)
    values = torch.from_numpy(zone.values)[None]
    members = classifier.members(values)[:, 0].double().cpu()
    mean = members.mean(0)
    best = int(mean.argmax())
    steps = evidence_steps(classifier, values, best, job.method)
    while True:
        try:
            done, total = next(steps)
        except StopIteration as end:
            evidence: NDArray[np.float32] = end.value
            break
        stopping.check(stop)
        yield Progress(done=done, total=total, text="Looking for the evidence")
    pairs = zip(classifier.card.classes, mean.tolist(), strict=True)
    yield PhaseAnswer(
        model=classifier.card.name,
        title=classifier.card.title,
        probabilities=tuple(sorted(pairs, key=lambda pair: -pair[1])),
        evidence=cast(Floats, evidence),  # float32: it crosses to the window
        method=job.method,
        warnings=(*doubts, *_doubts(classifier, zone, values, members)),
        seconds=time.monotonic() - began,
    )


def filling(h: Hoppings, occupied: int) -> tuple[int, tuple[str, ...]]:
    """Number of occupied bands, and what is doubtful about it."""
    known = occupied or h.occupied
    if known:
        return int(known), ()
    guessed, reason = guess_occupation(h)
    return guessed, (
        f"The filling is not known: {guessed} of {h.n_orbitals} bands are taken as occupied "
        f"({reason}).",
    )


def _doubts(
    classifier: ZoneClassifier, zone: ZoneTensor, values: Tensor, members: Tensor
) -> tuple[str, ...]:
    """Why the answer may be wrong, in sentences."""
    found = []
    if classifier.mesh % 2:
        found.append(
            f"The mesh of {classifier.mesh} points misses k = 0, where time reversal leaves marks."
        )
    if any(word.startswith("A lossy sampling") for word in zone.warnings):
        found.append(
            f"{classifier.mesh} points along each reciprocal vector do not hold all hoppings: "
            "what happens between them is not seen. Only the certificate decides."
        )
    least = float(values[0, zone.names.index("gap")].min())
    if least < METAL:
        found.append(
            f"The direct gap on the mesh falls to {least:.0e} of its mean: where it closes, "
            "occupied states are not defined."
        )
    far = classifier.strangeness(values)
    if far > STRANGE:
        found.append(
            f"Nothing quite like it was in the training data: its features are {far:.1f} times as "
            "far from their mean as those of 95 % of it."
        )
    mean = members.mean(0)
    top = int(mean.argmax())
    if float(mean[top]) < UNSURE:
        found.append(f"The network is not sure: it gives this phase {float(mean[top]):.0%}.")
    others = int((members.argmax(1) != top).sum())
    if others:
        word = "member names" if others == 1 else "members name"
        found.append(f"{others} of {len(members)} {word} another phase.")
    return tuple(found)


# ------------------------------------------------------------------ evidence


def evidence_steps(
    classifier: ZoneClassifier,
    values: Tensor,
    target: int,
    method: Literal["gradient", "occlusion"] = "occlusion",
) -> Generator[tuple[int, int], None, NDArray[np.float32]]:
    """How much the answer ``target`` rests on each k-point.

    Yields
    ------
    (int, int)
        k-points done, and all.

    Returns
    -------
    (n1, n2, n3) float32 in [0, 1]
        1 where most of it lies; zero everywhere when nothing speaks for it.
    """
    if method == "gradient":
        yield 0, 1
        raw = _gradient(classifier, values, target)
    else:
        raw = yield from _occlusion(classifier, values, target)
    raw = raw.clamp(min=0)
    top = float(raw.max())
    return np.asarray((raw / top if top > 1e-9 else raw * 0).numpy(), np.float32)


def _gradient(classifier: ZoneClassifier, values: Tensor, target: int) -> Tensor:
    """(n1, n2, n3): |sum over channels of (x - mean) d log p / dx|, smoothed over neighbours."""
    x = values.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(classifier.log_probabilities(x)[0, target], x)
    apart = values - values.mean((2, 3, 4), keepdim=True)
    product = (slope * apart).sum(1)[0]
    for axis in range(3):
        if product.shape[axis] > 2:
            product = product / 2 + (product.roll(1, axis) + product.roll(-1, axis)) / 4
    return product


@torch.no_grad()
def _occlusion(
    classifier: ZoneClassifier, values: Tensor, target: int
) -> Generator[tuple[int, int], None, Tensor]:
    """(n1, n2, n3): fall of log p when the 3 x 3 x 3 neighbourhood of a point is hidden.

    By the first member alone: it takes as many answers as there are points.
    """
    classifier = replace(classifier, networks=classifier.networks[:1])
    shape = values.shape[2:]
    hidden = values.mean((2, 3, 4), keepdim=True)
    before = classifier.log_probabilities(values)[0, target].cpu()
    points = list(itertools.product(*map(range, shape)))
    found = []
    for first in range(0, len(points), CHUNK):
        chunk = points[first : first + CHUNK]
        yield first, len(points)
        mask = torch.stack([_window(shape, point) for point in chunk])[:, None]
        looked = torch.where(mask, hidden, values)
        found.append(before - classifier.log_probabilities(looked)[:, target].cpu())
    return torch.cat(found).reshape(shape)


def _window(shape: torch.Size, point: tuple[int, ...]) -> Tensor:
    """(n1, n2, n3) bool: a point and its neighbours on the torus."""
    mask = torch.ones(shape, dtype=torch.bool)
    for axis, (n, a) in enumerate(zip(shape, point, strict=True)):
        if n > 1:
            apart = (torch.arange(n) - a) % n
            near = torch.minimum(apart, n - apart) <= 1
            mask &= near.reshape([-1 if i == axis else 1 for i in range(3)])
    return mask
