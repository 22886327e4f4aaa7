"""How the answer of a model is shared among the atoms of a crystal.

Two methods, and for both the shares add up (`Saliency`).  By occlusion any
model can be asked: an orbit of equivalent atoms is given another element that
training saw, with the positions and the symmetry as they are, and the change
of the answer is shared by Shapley's rule (Lundberg, Lee 2017), estimated over
random orders, each with its reverse (Castro, Gomez, Tejada 2009).  By
gradient, networks that encode atoms are integrated along the straight path
from no atom vectors to their own (Sundararajan, Taly, Yan 2017).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crystalgui.core import stopping
from crystalgui.core.datasets.collate import Batch, Table
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.records import Record, Records
from crystalgui.core.errors import ModelError
from crystalgui.core.messages import Event, Progress, Saliency
from crystalgui.core.models.layers.elements import N_ELEMENTS
from crystalgui.core.models.predict import Classifier

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ASKED, FEWEST, MOST = 480, 4, 32
"""Crystals to ask in one explanation, and orders of replacement at least and at most."""
CHUNK = 128
NODES = 96
AT_ONCE = 2048
"""Points of the Gauss-Legendre quadrature along the path, and nodes of one batch of them."""
TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is explained.

    Attributes
    ----------
    classifier : Classifier
    record : Record
    column : int
        Class asked about; -1 for a value.
    """

    classifier: Classifier
    record: Record
    column: int

    def answers(self, species: NDArray[np.uint8]) -> Floats:
        """(m,) logarithms of the probability, or values, with elements (m, n) in place of its own.

        Positions, orbits and symmetry stay.
        """
        one = Records.stack([""], [self.record])
        copies = one.select(np.zeros(len(species), np.int64))
        found = self.classifier.outputs(replace(copies, species=species.ravel()))
        if self.column < 0:
            return found[:, 0]
        return np.asarray(np.log(np.maximum(found[:, self.column], TINY)))


def occlusion(
    question: Question, group: Ints, seed: int, by: str = "orbits", parity: bool = False
) -> Generator[Event, None, Saliency]:
    """Shapley values of replacing the elements of groups of atoms; yields `Progress`.

    Parameters
    ----------
    question : Question
    group : (n,) int64, 0 .. k-1
        Atoms that are replaced together.
    seed : int
    by : {"orbits", "elements"}
        What the groups are.
    parity : bool
        Keep the parity of every atomic number, so that the electron count of the cell
        stays even or odd: what an element is beside that.
    """
    rng = np.random.default_rng(seed)
    own = question.record.crystal.species.astype(np.uint8)
    k = int(group.max()) + 1
    samples = 2 * int(np.clip(ASKED // (2 * k), FEWEST // 2, MOST // 2))
    first = [int(own[group == g][0]) for g in range(k)]
    choices = [_choices(question.classifier, z, parity) for z in first]
    orders, others = _draws(rng, choices, samples)
    replaced = np.zeros((samples, k + 1, k), bool)
    for sample, order in enumerate(orders):
        for step, place in enumerate(order):
            replaced[sample, step + 1 :, place] = True
    species = np.where(replaced[:, :, group], others[:, None, group], own)
    flat = species.reshape(-1, len(own))
    parts = []
    for start in range(0, len(flat), CHUNK):
        stopping.check()
        parts.append(question.answers(flat[start : start + CHUNK]))
        yield Progress(done=min(start + CHUNK, len(flat)), total=len(flat), text="Occluding atoms")
    answers = np.concatenate(parts).reshape(samples, k + 1)
    drops = np.empty((samples, k))
    np.put_along_axis(drops, orders, answers[:, :-1] - answers[:, 1:], 1)
    atoms = np.bincount(group, minlength=k)
    pairs = drops.reshape(-1, 2, k).mean(1)  # an order and its reverse are one draw
    error = pairs.std(0, ddof=1) / np.sqrt(len(pairs))
    values = (drops.mean(0) / atoms)[group]
    return Saliency(
        method="occlusion",
        by="elements" if by == "elements" else "orbits",
        values=values,
        error=(error / atoms)[group],
        answer=float(answers[:, 0].mean()),
        reference=float(answers[:, -1].mean()),
        total=float(values.sum()),
        samples=samples,
    )


def _choices(classifier: Classifier, own: int, parity: bool) -> Ints:
    """Elements to put in place of ``own``: others that training saw, of its parity where asked."""
    seen = classifier.inference.elements or tuple(range(1, N_ELEMENTS))
    free = [z for z in seen if z != own and not (parity and (z - own) % 2)]
    return np.array(free or [own], np.int64)


def _draws(
    rng: np.random.Generator, choices: list[Ints], samples: int
) -> tuple[Ints, NDArray[np.uint8]]:
    """Orders (samples, k), each followed by its reverse with the same other elements (samples, k).

    ``choices`` are the elements that each of k groups may be given.
    """
    orders, others = [], []
    for _ in range(samples // 2):
        order = rng.permutation(len(choices))
        other = [rng.choice(some) for some in choices]
        orders += [order, order[::-1]]
        others += [other, other]
    return np.array(orders), np.array(others, np.uint8)


def gradient(question: Question) -> Saliency:
    """Integrated gradients by the vectors of the atoms.

    Raises
    ------
    ModelError
        For ensembles of several families, and networks that do not encode atoms.
    """
    classifier, record = question.classifier, question.record
    encoders = [network.encoder() for network in classifier.networks]
    whole = [e for e in encoders if e is not None]
    if classifier.inference.parts or len(whole) < len(encoders):
        raise ModelError(
            "Gradients by atoms are for networks of one family that encode every atom.",
            "Choose occlusion, which works for any model.",
        )
    table, token = one_table(classifier, 0, record)
    path, weights = _quadrature()
    size = max(1, AT_ONCE // (int(token.max()) + 1))
    answers, share = np.zeros(0), np.zeros(int(token.max()) + 1)
    for start in range(0, len(path), size):
        stopping.check()
        part = slice(start, start + size)
        some, shares = _along(question, table, whole, path[part], weights[part])
        answers, share = np.append(answers, some), share + shares
    # A node of an orbit stands for all its atoms.
    values = (share / np.bincount(token))[token]
    return Saliency(
        method="gradient",
        by="orbits" if len(share) < len(token) else "atoms",
        values=values,
        error=np.zeros(len(token)),
        answer=float(answers[-1]),
        reference=float(answers[-2]),
        total=float(values.sum()),
        samples=NODES,
    )


def _along(
    question: Question, table: Table, encoders: list[nn.Module], path: Floats, weights: Floats
) -> tuple[Floats, Floats]:
    """Answers at points of the path, and the weighed gradient times vector of each node."""
    batch = table.batch(torch.zeros(len(path), dtype=torch.int64, device=table.device))
    scaled = _Scaled(torch.from_numpy(path).float().to(table.device), batch.graph)
    hooks = [encoder.register_forward_hook(scaled) for encoder in encoders]
    try:
        answers = _answers(question, batch)
    finally:
        for hook in hooks:
            hook.remove()
    shares = scaled.shares(answers @ torch.from_numpy(weights).to(answers))
    return answers.detach().cpu().numpy(), shares.reshape(len(path), -1).sum(0)


def _quadrature() -> tuple[Floats, Floats]:
    """Points of the path and their weights; 0 and 1 come last and weigh nothing.

    Norms make an answer change fastest where the vectors begin, so the points
    of Gauss and Legendre are squared.
    """
    points, weights = np.polynomial.legendre.leggauss(NODES)
    t = (points + 1) / 2
    return np.append(t**2, [0.0, 1.0]), np.append(t * weights, [0.0, 0.0])


class _Scaled:
    """A forward hook: the vectors of copy i are multiplied by its point of the path."""

    def __init__(self, path: Tensor, graph: Tensor) -> None:
        self._factor = path[graph][:, None]
        self._kept: list[tuple[Tensor, Tensor]] = []

    def __call__(self, module: nn.Module, inputs: Any, out: Tensor) -> Tensor:
        leaf = (out.detach() * self._factor).requires_grad_()
        self._kept.append((leaf, out.detach()))
        return leaf

    def shares(self, whole: Tensor) -> Floats:
        """(nodes of all copies,) gradient of ``whole`` times vector, summed over networks."""
        gradients = torch.autograd.grad(whole, [leaf for leaf, _ in self._kept])
        pairs = zip(gradients, self._kept, strict=True)
        found = torch.stack([(g * own).sum(1).double() for g, (_, own) in pairs])
        return np.asarray(found.sum(0).cpu().numpy())


def _answers(question: Question, batch: Batch) -> Tensor:
    """(m,) float64 with gradients: as `Question.answers`, for models of one part."""
    classifier, total = question.classifier, None
    for network in classifier.networks:
        out = network(batch).double()
        if question.column >= 0:
            out = (out / classifier.inference.temperature).softmax(1)[:, question.column]
        else:
            out = out[:, 0] * classifier.inference.std + classifier.inference.mean
        total = out if total is None else total + out
    assert total is not None
    mean: Tensor = total / len(classifier.networks)
    return mean.clamp(min=TINY).log() if question.column >= 0 else mean


def one_table(classifier: Classifier, member: int, record: Record) -> tuple[Table, Ints]:
    """A table of one crystal as network ``member`` wants it; the node (n,) of each of its atoms."""
    parts = [part for part in classifier.parts for _ in range(part.members)]
    records = Records.stack([""], [record])
    spec = type(classifier.networks[member]).graph_spec(parts[member].params)
    graphs = build(records, spec.cutoff, spec.kind)
    n = record.crystal.n_atoms
    if spec.kind == "atoms":
        return Table(records, graphs, classifier.device), np.arange(n)
    token = np.unique(record.orbit, return_inverse=True)[1].reshape(n)
    return Table(records, graphs, classifier.device), token.astype(np.int64)
