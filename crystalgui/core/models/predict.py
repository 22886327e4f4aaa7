"""Classifying crystals with a trained model: files in, rows out.

Every row says how far it can be trusted: warnings name elements or space
groups that training never saw, cells larger than any seen, and atoms that are
too close.  A file that cannot be read is a row with its reason.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.collate import collate
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.reading import Answer, read_records
from crystalgui.core.datasets.records import Record, Records, describe
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import (
    ClassifyJob,
    Device,
    Event,
    Predicted,
    Prediction,
    Progress,
)
from crystalgui.core.models import _registry as registry
from crystalgui.core.models import devices
from crystalgui.core.models._base import CrystalModel, Network
from crystalgui.core.models.layers.elements import N_ELEMENTS
from crystalgui.core.models.trained import Inference, find, read_card, read_model
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import COVALENT_RADIUS, SYMBOLS, formula

CHUNK = 128
TOO_CLOSE = 0.6


@dataclass(slots=True, eq=False)
class Classifier:
    """A trained model that answers; make one with `Classifier.load`."""

    card: TrainedModel
    inference: Inference
    networks: list[CrystalModel]
    device: torch.device

    @classmethod
    def load(cls, model: str | Path, device: Device = "auto", project: Path | None = None) -> Self:
        """Load a trained model by name or folder.

        Raises
        ------
        ModelError
            Unknown name, damaged files, or weights of another model or version.
        ResourceError
            CUDA was asked for and there is none.
        """
        where = devices.resolve(device)
        folder = find(str(model), project)
        _for_crystals(folder)
        card, inference, networks = read_model(folder)
        return cls(card, inference, [_crystal(n).to(where) for n in networks], where)

    def classify(self, items: Iterable[tuple[str, Crystal | Record]]) -> Iterator[Prediction]:
        """Predict named crystals, in order."""
        pairs = ((n, describe(c) if isinstance(c, Crystal) else c) for n, c in items)
        while chunk := list(itertools.islice(pairs, CHUNK)):
            yield from self.rows(chunk)

    @torch.no_grad()
    def outputs(self, records: Records) -> NDArray[np.float64]:
        """Probabilities (m, classes) float64, or values (m, 1) in the target's unit."""
        spec = type(self.networks[0]).graph_spec(self.card.params)
        batch = collate(records, build(records, spec.cutoff, spec.kind), self.device)
        total = None
        for network in self.networks:
            out = network(batch).double()
            if self.card.task == "classification":
                out = (out / self.inference.temperature).softmax(1)
            else:
                out = out * self.inference.std + self.inference.mean
            total = out if total is None else total + out
        assert total is not None
        mean = total / len(self.networks)
        return np.asarray(mean.cpu().numpy(), np.float64)

    def rows(self, named: Iterable[Answer]) -> list[Prediction]:
        """Rows of one chunk; text in place of a record is its error."""
        chunk = [(name, self._usable(answer)) for name, answer in named]
        good = [(name, r) for name, r in chunk if isinstance(r, Record)]
        values: Iterator[NDArray[np.float64]] = iter(())
        if good:
            table = Records.stack([name for name, _ in good], [r for _, r in good])
            values = iter(self.outputs(table))
        return [
            self._row(name, r, next(values))
            if isinstance(r, Record)
            else Prediction(file=name, error=r, model=self.card.name)
            for name, r in chunk
        ]

    def _usable(self, answer: Record | str) -> Record | str:
        if isinstance(answer, str):
            return answer
        heavy = answer.crystal.species >= N_ELEMENTS
        if heavy.any():
            symbol = SYMBOLS[int(answer.crystal.species[heavy][0])]
            return f"Element {symbol} is not supported: models know hydrogen to einsteinium."
        return answer

    def _row(self, name: str, record: Record, values: NDArray[np.float64]) -> Prediction:
        crystal = record.crystal
        common = {
            "file": name,
            "formula": formula(crystal),
            "space_group": f"{record.symbol} ({record.space_group})",
            "warnings": tuple(self._warnings(record)),
            "model": self.card.name,
        }
        if self.card.task == "regression":
            unit = f" {self.card.unit}" if self.card.unit else ""
            return Prediction(prediction=f"{values[0]:.4f}{unit}", **common)  # type: ignore[arg-type]
        best = int(np.argmax(values))
        pairs = zip(self.card.classes, values.tolist(), strict=True)
        ranked = tuple(sorted(pairs, key=lambda pair: -pair[1]))
        coarse: dict[str, float] = {}
        for label, p in ranked:
            if label in self.card.coarse:
                key = self.card.coarse[label]
                coarse[key] = coarse.get(key, 0.0) + p
        return Prediction(
            prediction=self.card.classes[best],
            probability=float(values[best]),
            probabilities=ranked,
            coarse=tuple(sorted(coarse.items(), key=lambda pair: -pair[1])),
            **common,  # type: ignore[arg-type]
        )

    def _warnings(self, record: Record) -> Iterator[str]:
        crystal, seen = record.crystal, self.inference
        if not record.found:
            yield "no symmetry was found; P1 is assumed"
        new = sorted(set(crystal.species.tolist()) - set(seen.elements)) if seen.elements else []
        if new:
            yield f"never seen in training: {', '.join(SYMBOLS[z] for z in new)}"
        if seen.space_groups and record.space_group not in seen.space_groups:
            yield f"space group {record.space_group} was never seen in training"
        atoms = crystal.n_atoms // record.cells
        if seen.most_atoms and atoms > seen.most_atoms:
            yield f"{atoms} atoms a primitive cell; training had at most {seen.most_atoms}"
        if (near := _closest(crystal)) < TOO_CLOSE:
            yield f"atoms are too close: {near:.2f} of the sum of their covalent radii"


def _for_crystals(folder: Path) -> None:
    """Refuse a model of anything else before its weights are read."""
    card = registry.family(read_card(folder)[0].family).card
    if not card.reads("crystal"):
        what = {
            "hoppings": "the hoppings of one crystal",
            "zone": "Brillouin zones",
            "image": "images",
        }
        reads = " or ".join(what.get(kind, kind) for kind in card.inputs.split())
        raise ModelError(
            f"This model reads {reads}; it cannot classify crystal structures.",
            "Choose a model that was trained on crystals.",
            path=folder,
        )


def _crystal(network: Network) -> CrystalModel:
    assert isinstance(network, CrystalModel)  # its card says so
    return network


def _closest(crystal: Crystal) -> float:
    """Smallest distance of two atoms over the sum of their covalent radii (at most 1)."""
    from crystalgui.core.structures.neighbors import neighbors

    pairs = neighbors(crystal, 2.0, full=False)
    if len(pairs.distance) == 0:
        return 1.0
    radius = COVALENT_RADIUS[crystal.species]
    return min(1.0, float((pairs.distance / (radius[pairs.src] + radius[pairs.dst])).min()))


def classify(job: ClassifyJob) -> Generator[Event, None, None]:
    """Classify files, folders and zips; yields `Predicted` rows and `Progress`.

    Raises
    ------
    ModelError, ResourceError
        When the model cannot be used.
    DataError
        When there is nothing to classify.
    """
    from crystalgui.core.structures.files import collect

    yield Progress(done=0, text="Loading the model")
    classifier = Classifier.load(job.model, job.device, job.project)
    entries: list[tuple[str, Callable[[], Crystal]]] = list(collect(job.paths))
    if not entries:
        raise DataError("There is nothing to classify.", "Give structure files, folders or zips.")
    if len(entries) > 1000:
        torch.set_num_threads(1)
    began, done = time.monotonic(), 0
    size = 1 if len(entries) < 20 else CHUNK
    answers = read_records(entries)
    while chunk := list(itertools.islice(answers, size)):
        yield Predicted(rows=tuple(classifier.rows(chunk)))
        done += len(chunk)
        eta = (time.monotonic() - began) / done * (len(entries) - done)
        yield Progress(done=done, total=len(entries), text="Classifying", eta=eta)
