"""Trained models that answer for crystals: one row a crystal, one answer a model.

Every row says how far it can be trusted: warnings name elements or space
groups that training never saw, cells larger than any seen, and atoms that are
too close.  A file that cannot be read is a row with its reason.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.collate import Batch, collate
from crystalgui.core.datasets.graphs import build
from crystalgui.core.datasets.reading import Reading
from crystalgui.core.datasets.records import Record, Records, describe
from crystalgui.core.datasets.targets import coarser
from crystalgui.core.errors import DataError, ModelError
from crystalgui.core.messages import Answer, Device, Prediction
from crystalgui.core.models import _registry as registry
from crystalgui.core.models import devices
from crystalgui.core.models._base import CrystalModel, GraphSpec, Network
from crystalgui.core.models._limits import SizeLimit, size_limit
from crystalgui.core.models.blend import Part, blended
from crystalgui.core.models.layers.elements import N_ELEMENTS
from crystalgui.core.models.trained import Inference, find, parts_of, read_card, read_model
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import COVALENT_RADIUS, SYMBOLS, formula

CHUNK = 128
PAIRS = 128 * 64**2
"""Pairs of atoms within the crystals that a network reads at once, unless one alone has more:
what attention keeps of them can take gigabytes."""
TOO_CLOSE = 0.6
INSTEAD = "answer of the baseline"
"""Of a crystal that a model cannot read; its warning ends so."""
Floats = NDArray[np.float64]
Batches = dict[tuple[GraphSpec, SizeLimit | None], list[Batch]]
"""Batches of one table of crystals, by their graphs and by the limit that some of them exceed,
so that models share them."""


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

    @property
    def parts(self) -> tuple[Part, ...]:
        """What the model is made of; its networks follow one another."""
        return parts_of(self.card, self.inference)

    @torch.no_grad()
    def members(self, records: Records, batches: Batches | None = None) -> Floats:
        """What every member says.

        Returns
        -------
        (members, m, classes) float64
            Probabilities; or (members, m, 1) values in the target's unit.

        Raises
        ------
        DataError
            When there is an element that no model knows.
        """
        check_elements(records)
        shared = batches if batches is not None else {}
        found = []
        for part, networks in zip(self.parts, self._networks(), strict=True):
            kind = type(networks[0])
            spec, limit = kind.graph_spec(part.params), size_limit(kind, part.params)
            inside = np.ones(len(records), np.bool_) if limit is None else limit.within(records)
            key = spec, None if inside.all() else limit
            if key not in shared and inside.any():
                some = records if inside.all() else records.select(np.flatnonzero(inside))
                shared[key] = [
                    collate(few, build(few, spec.cutoff, spec.kind), self.device)
                    for few in portions(some)
                ]
            for network in networks:
                values = np.tile(self._default(), (len(records), 1))
                if inside.any():
                    said = [self._values(network(batch), part) for batch in shared[key]]
                    values[inside] = np.concatenate(said)
                found.append(values)
        return np.stack(found)

    def _values(self, out: Tensor, part: Part) -> Floats:
        """Probabilities, or values in the target's unit, of what a network says."""
        out = out.double()
        if self.card.task == "classification":
            out = (out / part.temperature).softmax(1)
        else:
            out = out * self.inference.std + self.inference.mean
        return np.asarray(out.cpu().numpy(), np.float64)

    def _default(self) -> Floats:
        """(classes,) or (1,): the answer for crystals that a network cannot read."""
        if self.inference.default:
            return np.array(self.inference.default)
        if self.card.task == "regression":
            return np.array([self.inference.mean])
        return np.full(len(self.card.classes), 1 / len(self.card.classes))

    def limits(self) -> list[SizeLimit | None]:
        """What each part can read; None for any crystal."""
        networks = self._networks()
        return [
            size_limit(type(own[0]), part.params)
            for part, own in zip(self.parts, networks, strict=True)
        ]

    def beyond(self, records: Records) -> NDArray[np.bool_]:
        """(m,) bool, the crystals for which every part gives the baseline's answer."""
        found = np.ones(len(records), np.bool_)
        for limit in self.limits():
            found &= ~limit.within(records) if limit is not None else False
        return found

    def _networks(self) -> list[list[CrystalModel]]:
        """Networks of each part."""
        left = iter(self.networks)
        return [list(itertools.islice(left, part.members)) for part in self.parts]

    def together(self, members: Floats) -> Floats:
        """The answer (m, k) of the whole from those of its members (members, m, k)."""
        left = iter(members)
        means = [np.mean(list(itertools.islice(left, part.members)), axis=0) for part in self.parts]
        if not self.inference.parts:
            return np.asarray(means[0])
        if self.card.task == "classification":
            return blended(means, self.inference.blend, "classification")
        mean, std = self.inference.mean, self.inference.std
        plain = [(values - mean) / std for values in means]
        return np.asarray(blended(plain, self.inference.blend, "regression") * std + mean)

    def outputs(self, records: Records) -> Floats:
        """Probabilities (m, classes) float64, or values (m, 1) in the target's unit."""
        return self.together(self.members(records))

    def answers(self, records: Records, batches: Batches | None = None) -> list[Answer]:
        """One for each crystal."""
        members = self.members(records, batches)
        spread = members.std(0, ddof=1) if len(members) > 1 else np.full(members.shape[1:], np.nan)
        pairs = zip(self.together(members), spread, self.beyond(records), strict=True)
        return [
            replace(self._answer(values, deviation), default=bool(beyond))
            for values, deviation, beyond in pairs
        ]

    def classify(self, items: Iterable[tuple[str, Crystal | Record]]) -> Iterator[Prediction]:
        """Predict named crystals with this model alone, in order."""
        pairs = ((n, describe(c) if isinstance(c, Crystal) else c) for n, c in items)
        while chunk := list(itertools.islice(pairs, CHUNK)):
            yield from rows([self], chunk)

    def _answer(self, values: Floats, spread: Floats) -> Answer:
        card = self.card
        if card.task == "regression":
            unit = f" {card.unit}" if card.unit else ""
            return Answer(
                model=card.name,
                target=card.target,
                prediction=f"{values[0]:.4f}{unit}",
                value=float(values[0]),
                spread=float(spread[0]),
            )
        best = int(np.argmax(values))
        pairs = zip(card.classes, values.tolist(), strict=True)
        ranked = tuple(sorted(pairs, key=lambda pair: -pair[1]))
        return Answer(
            model=card.name,
            target=card.target,
            prediction=card.classes[best],
            probability=float(values[best]),
            probabilities=ranked,
            coarse=coarser(ranked, card.coarse),
            spread=float(spread[best]),
        )

    def cautions(self, record: Record) -> Iterator[str]:
        """What of a crystal training never saw."""
        crystal, seen = record.crystal, self.inference
        new = sorted(set(crystal.species.tolist()) - set(seen.elements)) if seen.elements else []
        if new:
            yield f"never seen in training: {', '.join(SYMBOLS[z] for z in new)}"
        if seen.space_groups and record.space_group not in seen.space_groups:
            yield f"space group {record.space_group} was never seen in training"
        limits = [limit for limit in self.limits() if limit is not None]
        if limits:
            own = Records.stack([""], [record])
            limits = [limit for limit in limits if not limit.within(own)[0]]
        for limit in dict.fromkeys(limits):
            yield f"beyond the model’s limit of {limit}: {self._instead(len(limits))}"
        atoms = crystal.n_atoms // record.cells
        if seen.most_atoms and atoms > seen.most_atoms and not limits:
            yield f"{atoms} atoms a primitive cell; training had at most {seen.most_atoms}"

    def _instead(self, beyond: int) -> str:
        """What answers for a crystal that is beyond the limit of so many parts."""
        if beyond == len(self.parts):
            return INSTEAD
        return f"{beyond} of {len(self.parts)} members give the {INSTEAD}"


def rows(models: Sequence[Classifier], named: Iterable[Reading]) -> list[Prediction]:
    """Rows of one chunk, with the answer of every model; text in place of a record is its error."""
    chunk = [(name, _usable(found)) for name, found in named]
    good = [(name, r) for name, r in chunk if isinstance(r, Record)]
    answers: Iterator[tuple[Answer, ...]] = iter(())
    if good:
        table = Records.stack([name for name, _ in good], [r for _, r in good])
        batches: Batches = {}
        answers = zip(*(model.answers(table, batches) for model in models), strict=True)
    return [
        _row(models, name, r, next(answers))
        if isinstance(r, Record)
        else Prediction(file=name, error=r)
        for name, r in chunk
    ]


def not_read(found: Iterable[Prediction]) -> int:
    """Rows in which a model gave the answer of the baseline, because the crystal is too large."""
    return sum(any(text.endswith(f": {INSTEAD}") for text in row.warnings) for row in found)


def _usable(found: Record | str) -> Record | str:
    if isinstance(found, str):
        return found
    return _unknown(found.crystal.species) or found


def portions(records: Records) -> list[Records]:
    """Crystals in parts, in order, of at most `PAIRS` pairs of atoms or of one crystal."""
    starts, held = [0], 0
    for i, pairs in enumerate(np.square(np.diff(records.offsets), dtype=np.int64).tolist()):
        if held and held + pairs > PAIRS:
            starts.append(i)
            held = 0
        held += pairs
    if len(starts) == 1:
        return [records]
    ends = [*starts[1:], len(records)]
    return [records.select(np.arange(a, b)) for a, b in zip(starts, ends, strict=True)]


def check_elements(records: Records) -> None:
    """Refuse elements that no model knows.

    Raises
    ------
    DataError
        When a crystal has one.
    """
    if reason := _unknown(records.species):
        raise DataError(reason, "Choose another crystal.")


def _unknown(species: NDArray[Any]) -> str:
    """Why no model can read these elements; empty when all can."""
    heavy = species[species >= N_ELEMENTS]
    if not len(heavy):
        return ""
    symbol = SYMBOLS[int(heavy[0])]
    return f"Element {symbol} is not supported: models know hydrogen to einsteinium."


def _row(
    models: Sequence[Classifier], name: str, record: Record, answers: tuple[Answer, ...]
) -> Prediction:
    return Prediction(
        file=name,
        formula=formula(record.crystal),
        space_group=f"{record.symbol} ({record.space_group})",
        answers=answers,
        warnings=(*_cautions(models, record), *_doubts(record)),
        atoms=record.crystal.n_atoms // record.cells,
    )


def _cautions(models: Sequence[Classifier], record: Record) -> Iterator[str]:
    """What the models say against a crystal; what only some of them say is signed."""
    found: dict[str, list[str]] = {}
    for model in models:
        for text in model.cautions(record):
            found.setdefault(text, []).append(model.card.name)
    for text, names in found.items():
        yield text if len(names) == len(models) else f"{', '.join(names)}: {text}"


def _doubts(record: Record) -> Iterator[str]:
    """What is wrong with a crystal for any model."""
    if not record.found:
        yield "no symmetry was found; P1 is assumed"
    if (near := _closest(record.crystal)) < TOO_CLOSE:
        yield f"atoms are too close: {near:.2f} of the sum of their covalent radii"


def _closest(crystal: Crystal) -> float:
    """Smallest distance of two atoms over the sum of their covalent radii.

    1 where none are closer than `TOO_CLOSE` would allow the largest atoms of the crystal.
    """
    from crystalgui.core.structures.neighbors import neighbors

    radius = COVALENT_RADIUS[crystal.species]
    pairs = neighbors(crystal, TOO_CLOSE * 2 * float(radius.max()), full=False)
    if len(pairs.distance) == 0:
        return 1.0
    return min(1.0, float((pairs.distance / (radius[pairs.src] + radius[pairs.dst])).min()))


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
