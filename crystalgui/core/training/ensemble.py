"""From finished runs to one trained model that has been tested once.

The runs of one recipe differ by seed and by the fold that validates; they are
averaged.  Recipes of several families become the parts of an ensemble
(`crystalgui.core.models.blend`), which is fitted on what members say of the
folds that they validated on, and tested on rows that none of them saw.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.collate import batches
from crystalgui.core.datasets.dataset import safe_name
from crystalgui.core.errors import DataError
from crystalgui.core.messages import TrainRecipe
from crystalgui.core.models._base import Network
from crystalgui.core.models.blend import Blend, Kind, Part, blended, fit
from crystalgui.core.models.trained import Inference, coarse_classes, read_model, write_model
from crystalgui.core.reports.csv import lines
from crystalgui.core.store.files import write_atomic
from crystalgui.core.store.project import Project
from crystalgui.core.training import metrics
from crystalgui.core.training.checkpoint import data_of
from crystalgui.core.training.export import default_of
from crystalgui.core.training.inputs import Crystals, Inputs, Table, Zones
from crystalgui.core.training.plan import Plan, plan

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
TEST = "test.csv"
LOOK = 512


@dataclass(frozen=True, slots=True)
class Source:
    """Finished runs of one recipe, to be averaged."""

    title: str
    recipe: TrainRecipe
    runs: tuple[str, ...]


@dataclass(slots=True, eq=False)
class _Member:
    """A network with the rows that its training did not see."""

    card: TrainedModel
    inference: Inference
    network: Network
    validation: Rows


class _Part:
    """The members of a source, ready to answer."""

    def __init__(self, project: Path, source: Source) -> None:
        self.source = source
        with Project.open(project) as opened:
            known = {run: _model(opened, run) for run in source.runs}
            recipes = {run: opened.run(run).recipe for run in source.runs}
            learnt = {run: data_of(opened.run(run)) for run in source.runs}
        self.members: list[_Member] = []
        defaults = []
        for run, folder in known.items():
            self.prepared = plan(recipes[run])
            _unchanged(self.prepared, run, learnt[run])
            defaults.append(default_of(self.prepared))
            card, inference, networks = read_model(folder)
            network = _halved(networks[0]).to(self.prepared.device).eval()
            self.members.append(_Member(card, inference, network, self.prepared.parts.validation))
        self.test = self.prepared.parts.test
        self._table = _table(self.prepared)
        self.default: Floats = np.mean(defaults, axis=0)
        self.warmth = 1.0
        if self.task == "classification":
            logs = [np.log(m.inference.temperature) for m in self.members]
            self.warmth = float(np.exp(np.mean(logs)))

    @property
    def task(self) -> str:
        """Of all members."""
        return self.members[0].card.task

    @torch.no_grad()
    def answers(self, member: _Member, rows: Rows) -> Floats:
        """(m, k) probabilities, or (m, 1) values in the unit of the target.

        Crystals that the network cannot read get the answer of the baseline.
        """
        inside = self.within(rows)
        if not inside.all():
            found: Floats = np.tile(self.default, (len(rows), 1))
            if inside.any():
                found[inside] = self.answers(member, rows[inside])
            return found
        index = torch.from_numpy(rows).to(self.prepared.device)
        table = self._table
        out = torch.cat(
            [member.network(table.batch(b)).double().cpu() for b in batches(index, LOOK)]
        )
        if self.task == "classification":
            return np.asarray((out / self.warmth).softmax(1).numpy())
        return np.asarray((out * member.inference.std + member.inference.mean).numpy())

    def within(self, rows: Rows) -> NDArray[np.bool_]:
        """(m,) bool, whether the networks can read each crystal."""
        limited = self.prepared.limited
        return np.ones(len(rows), np.bool_) if limited is None else limited.within[rows]

    def mean(self, rows: Rows) -> Floats:
        """The average of all members."""
        return np.asarray(np.mean([self.answers(m, rows) for m in self.members], axis=0))

    def as_part(self) -> Part:
        """What an ensemble keeps of it."""
        return Part(
            title=self.source.title,
            family=self.source.recipe.model,
            params=self.prepared.params,
            members=len(self.members),
            temperature=self.warmth,
        )


def combine(
    out: Path, publication: Mapping[str, Any], sources: Sequence[Source], kind: Kind
) -> TrainedModel:
    """Average runs, blend recipes, test on the rows that all keep apart, write the model.

    Raises
    ------
    DataError
        When the data set has changed since a run, the runs do not keep the same rows apart for
        the test, or no rows are left to blend by.
    """
    parts = [_Part(out, source) for source in sources]
    first = parts[0]
    if not all(np.array_equal(part.test, first.test) for part in parts):
        raise DataError(
            "The parts of the ensemble do not keep the same rows apart for the test.",
            "Give all their recipes the same split.",
        )
    default = np.mean([part.default for part in parts], axis=0)
    for part in parts:
        part.default = default
    blend = _fitted(parts, kind) if len(parts) > 1 else Blend()
    answer = _answer(parts, [part.mean(first.test) for part in parts], blend)
    true = first.prepared.data.target[first.test]
    classes = first.members[0].card.classes
    values = _measured(answer, true, classes)
    read = np.any([part.within(first.test) for part in parts], axis=0)
    if read.any() and not read.all():
        own = _measured(answer[read], true[read], classes)
        values |= {f"{name}_within": value for name, value in own.items()}
    for key in ("validation_accuracy", "validation_mae"):
        known = [m.card.metrics[key] for p in parts for m in p.members if key in m.card.metrics]
        if known and len(parts) == 1:
            values[key] = float(np.mean(known))
    card = _card(publication, parts, values)
    card = write_model(out / card.name, card, _inference(parts, blend), _states(parts))
    write_atomic(out / card.name / TEST, _test_rows(first, answer))
    return card


def _fitted(parts: Sequence[_Part], kind: Kind) -> Blend:
    """The blend by what members say of the folds that they validated on."""
    first, target = parts[0], parts[0].prepared.data.target
    said: list[list[Floats]] = [[] for _ in parts]
    rows: list[Rows] = []
    for member in first.members:
        same = [
            [m for m in part.members if np.array_equal(m.validation, member.validation)]
            for part in parts
        ]
        if all(same):
            rows.append(member.validation)
            for part, found, heard in zip(parts, same, said, strict=True):
                heard.append(part.answers(found[0], member.validation))
    if not rows:
        raise DataError(
            "The parts of the ensemble have no validation rows in common to blend by.",
            "Give all their recipes the same split and at least one seed in common.",
        )
    known = target[np.concatenate(rows)]
    heard_of = [np.concatenate(heard) for heard in said]
    if first.task == "classification":
        return fit(heard_of, known, kind, "classification")
    mean, std = first.members[0].inference.mean, first.members[0].inference.std
    plain = [(values - mean) / std for values in heard_of]
    return fit(plain, (known - mean) / std, kind, "regression")


def _answer(parts: Sequence[_Part], means: list[Floats], blend: Blend) -> Floats:
    """(m, k) of the whole."""
    if len(parts) == 1:
        return means[0]
    if parts[0].task == "classification":
        return blended(means, blend, "classification")
    mean, std = parts[0].members[0].inference.mean, parts[0].members[0].inference.std
    plain = [(values - mean) / std for values in means]
    return np.asarray(blended(plain, blend, "regression") * std + mean)


def _measured(answer: Floats, true: Floats, classes: tuple[str, ...]) -> dict[str, float]:
    """Metrics of (m, k) probabilities or (m, 1) values against (m,) targets."""
    if not classes:
        error = answer[:, 0] - true
        return {
            "mae": float(np.abs(error).mean()),
            "rmse": float(np.sqrt(np.square(error).mean())),
            "r2": float(1 - np.square(error).sum() / np.square(true - true.mean()).sum()),
        }
    p, target = torch.from_numpy(answer), torch.from_numpy(true).long()
    values, _ = metrics.classification(p.log(), target)
    coarse = coarse_classes(classes)
    if coarse:
        values["accuracy_coarse"] = metrics.coarse_accuracy(p, target, classes, coarse)
    values["calibration_error"] = metrics.calibration_error(p, target)
    values["accuracy_surest_half"] = metrics.accuracy_of_surest(p, target)
    return values


def _card(
    publication: Mapping[str, Any], parts: Sequence[_Part], values: dict[str, float]
) -> TrainedModel:
    card, many = parts[0].members[0].card, [len(part.members) for part in parts]
    split = card.split
    if sum(many) > 1:
        what = " and ".join(f"{n} of {p.source.title}" for n, p in zip(many, parts, strict=True))
        whole = what if len(parts) > 1 else f"{many[0]} members"
        split += f"; {whole}, each with its own validation fold"
    return replace(
        card,
        name=safe_name(str(publication["name"])),
        title=str(publication["title"]),
        metrics=values,
        data=str(publication.get("data", card.data)),
        split=split,
        unit=str(publication.get("unit", "")),
        target=str(publication.get("target", card.target)),
        seed=parts[0].source.recipe.seed,
        licence=str(publication.get("licence", "")),
        parameters=sum(m.card.parameters for part in parts for m in part.members),
        notes=str(publication.get("notes", "")),
    )


def _inference(parts: Sequence[_Part], blend: Blend) -> Inference:
    """What all members together have seen, and how they make one answer."""
    seen = [member.inference for part in parts for member in part.members]
    whole = replace(
        seen[0],
        temperature=parts[0].warmth,
        elements=tuple(sorted({z for i in seen for z in i.elements})),
        space_groups=tuple(sorted({n for i in seen for n in i.space_groups})),
        most_atoms=max(i.most_atoms for i in seen),
        default=tuple(parts[0].default.tolist()),
    )
    if len(parts) == 1:
        return whole
    return replace(whole, parts=tuple(part.as_part() for part in parts), blend=blend)


def _states(parts: Sequence[_Part]) -> list[Mapping[str, Tensor]]:
    """Weights of all members in half precision."""
    return [
        {k: v.half() if v.is_floating_point() else v for k, v in m.network.state_dict().items()}
        for part in parts
        for m in part.members
    ]


def _test_rows(part: _Part, answer: Floats) -> str:
    """CSV of the test rows, so that anyone can check the card: id, label, prediction."""
    data = part.prepared.data
    classes, names = data.summary.classes, _ids(data)
    table: list[tuple[str, ...]] = [("id", "label", "prediction")]
    if classes:
        table = [("id", "label", "prediction", "probability")]
    for row, values in zip(part.test.tolist(), answer, strict=True):
        label = data.target[row]
        if classes:
            best = int(values.argmax())
            probability = f"{float(values[best]):.4f}"
            table.append((names[row], classes[int(label)], classes[best], probability))
        else:
            table.append((names[row], f"{label:g}", f"{float(values[0]):.4f}"))
    return lines(table)


def _ids(data: Inputs) -> Sequence[str]:
    """A name for each row: what it was called, or its family and number."""
    if isinstance(data, Crystals):
        return data.dataset.records.ids
    if isinstance(data, Zones):
        pairs = zip(data.dataset.family.tolist(), data.dataset.number.tolist(), strict=True)
        return [f"{family} {number}" for family, number in pairs]
    return [str(i) for i in range(len(data.target))]


def _unchanged(prepared: Plan, run: str, learnt: str) -> None:
    """Refuse a run of other data: it may have learnt rows that are to test it now."""
    if learnt != prepared.data.summary.digest:
        raise DataError(
            f"The data set has changed since the run {run} was trained on it.",
            "Train it again, or import the former data again.",
            path=prepared.recipe.dataset,
        )


def _model(project: Project, run: str) -> Path:
    """Folder of the trained model of a run."""
    return Path(next(m.folder for m in project.models() if m.name.endswith(run[-6:])))


def _halved(network: Network) -> Network:
    """The network with weights rounded to half precision, as they are stored."""
    with torch.no_grad():
        for tensor in _floats(network):
            tensor.copy_(tensor.half().float())
    return network


def _floats(network: Network) -> Iterator[Tensor]:
    return (t for t in network.state_dict().values() if t.dtype == torch.float32)


def _table(prepared: Plan) -> Table:
    """The table of a plan, without its progress."""
    steps = prepared.data.table(
        prepared.model, prepared.params, prepared.device, prepared.recipe.dataset
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: Table = end.value
            return made
