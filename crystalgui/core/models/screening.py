"""Classifying many files: rows appear as they come, and a table is written as it goes.

Memory is bounded: a chunk of crystals at a time, read by processes while the
networks answer for the one before.  The table that is being written lies
beside its final place with the ending ``.part`` and begins with what it is a
table of, so a job that was cut off goes on where it ends.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, TextIO

import torch

from crystalgui.core.atomic import check_target, replacing
from crystalgui.core.cards import TrainedModel
from crystalgui.core.datasets.reading import Entry, read_records
from crystalgui.core.datasets.targets import coarser
from crystalgui.core.errors import DataError, ResourceError
from crystalgui.core.messages import ClassifyJob, Event, LogLine, Predicted, Prediction, Progress
from crystalgui.core.models import cluster
from crystalgui.core.models.predict import CHUNK, Classifier, not_read, rows
from crystalgui.core.models.trained import WEIGHTS
from crystalgui.core.reports.csv import cells, columns, lines, prediction
from crystalgui.core.store.files import sha256

FEW, MANY = 20, 1000
"""Fewer files than this are answered one by one; for more, one thread a process is best."""


def classify(job: ClassifyJob) -> Generator[Event, None, None]:
    """Classify files, folders and zips; yields `Predicted` rows and `Progress`.

    Raises
    ------
    ModelError, ResourceError
        When a model cannot be used, or the table cannot be written.
    DataError
        When there is nothing to classify.
    """
    from crystalgui.core.structures.files import collect

    if job.out is not None:
        check_target(job.out)
    yield Progress(
        done=0, text="Loading the models" if len(job.models) > 1 else "Loading the model"
    )
    models = [Classifier.load(name, job.device, job.project) for name in dict.fromkeys(job.models)]
    entries: list[Entry] = list(collect(job.paths))
    if not entries:
        raise DataError("There is nothing to classify.", "Give structure files, folders or zips.")
    if not models:
        raise DataError("No model was chosen.", "Choose at least one.")
    if len(entries) > MANY:
        torch.set_num_threads(1)
    names = [name for name, _ in entries]
    with Journal.open(job.out, [model.card for model in models], names) as journal:
        if journal.begun:
            yield LogLine(text=f"{len(journal.begun):,} crystals were classified before.")
            yield Predicted(rows=tuple(journal.begun))
        left = entries[len(journal.begun) :]
        if job.scheduler:
            yield Progress(done=0, text=f"Connecting to {job.scheduler}")
            chunks = cluster.answered(job.scheduler, models, left, CHUNK)
        else:
            chunks = _here(models, left, 1 if len(entries) < FEW else CHUNK)
        beyond = yield from _answered(chunks, journal, len(entries))
        journal.finish()
    if beyond:
        yield LogLine(
            text=f"{beyond:,} of {len(entries):,} crystals are beyond the limit of a model and got "
            "the answer of the baseline."
        )


def _here(
    models: Sequence[Classifier], entries: list[Entry], size: int
) -> Iterator[list[Prediction]]:
    """Rows of chunks of ``size`` files, answered on this machine."""
    found = read_records(entries)
    while chunk := list(itertools.islice(found, size)):
        yield rows(models, chunk)


def _answered(
    chunks: Iterator[list[Prediction]], journal: Journal, total: int
) -> Generator[Event, None, int]:
    """Keep and show rows as they come; returns how many no network answered."""
    began, before = time.monotonic(), len(journal.begun)
    done, beyond = before, not_read(journal.begun)
    for answered in chunks:
        journal.append(answered)
        yield Predicted(rows=tuple(answered))
        done += len(answered)
        beyond += not_read(answered)
        eta = (time.monotonic() - began) / (done - before) * (total - done)
        yield Progress(done=done, total=total, text="Classifying", eta=eta)
    return beyond


class Journal:
    """The table of a job while it is being written; without a path it keeps nothing.

    Attributes
    ----------
    begun : list of Prediction
        Rows that a job which was cut off had written.
    """

    def __init__(self, path: Path | None, models: Sequence[TrainedModel], begun: list[Prediction]):
        self.path, self.begun = path, begun
        self._models = tuple(model.name for model in models)
        self._stream: TextIO | None = None

    @classmethod
    def open(cls, path: Path | None, models: Sequence[TrainedModel], names: Sequence[str]) -> Self:
        """Go on with the table at ``path``, when it is one of these models and files."""
        if path is None:
            return cls(None, models, [])
        part = _part(path)
        head = json.dumps([[m.name, sha256(Path(m.folder) / WEIGHTS)] for m in models]) + "\n"
        begun = list(_written(part, head, models, names))
        journal = cls(path, models, begun)
        kept = [_line(row, journal._models) for row in begun]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(part) as file:
                file.write((head + lines(kept)).encode())
            journal._stream = part.open("a", encoding="utf-8", newline="")
        except OSError as error:
            raise ResourceError(
                f"Cannot write the table: {error.strerror or error}.",
                "Check free space and permissions, or choose another folder.",
                path=path,
            ) from error
        return journal

    def append(self, answered: Sequence[Prediction]) -> None:
        """Write rows so that they survive whatever comes next."""
        if self._stream is not None:
            self._stream.write(lines(_line(row, self._models) for row in answered))
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def finish(self) -> None:
        """Put the whole table in its place."""
        if self.path is None or self._stream is None:
            return
        self._stream.close()
        part = _part(self.path)
        own = self._models if len(self._models) > 1 else ()
        width = len(columns(own))
        with part.open(encoding="utf-8", newline="") as stream, replacing(self.path) as file:
            next(stream)
            file.write(lines([columns(own)]).encode())
            for row in csv.reader(stream):
                file.write(lines([row[:width]]).encode())
        part.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _line(row: Prediction, models: Sequence[str]) -> tuple[str, ...]:
    """A row while the table is being written: atoms and defaults, which it will not tell, last."""
    more = (row.atoms, *(int(answer.default) for answer in row.answers))
    return (*cells(row, models), " ".join(map(str, more)))


def _read_line(row: Sequence[str], models: Mapping[str, TrainedModel]) -> Prediction:
    """What `_line` wrote; ValueError or DataError when it is none."""
    found = prediction(row[:-1], tuple(models))
    atoms, *defaults = map(int, row[-1].split())
    answers = [
        replace(
            answer,
            target=models[answer.model].target,
            coarse=coarser(answer.probabilities, models[answer.model].coarse),
            default=bool(default),
        )
        for answer, default in zip(found.answers, defaults, strict=True)
    ]
    return replace(found, answers=tuple(answers), atoms=atoms)


def _written(
    part: Path, head: str, models: Sequence[TrainedModel], names: Sequence[str]
) -> Iterator[Prediction]:
    """Rows of a table that was cut off, as far as they are whole and of these files."""
    cards = {model.name: model for model in models}
    try:
        with part.open(encoding="utf-8", newline="") as stream:
            if next(stream, "") != head:
                return
            whole = (line for line in stream if line.endswith("\n"))
            for name, row in zip(names, csv.reader(whole), strict=False):
                found = _read_line(row, cards)
                if found.file != name:
                    return
                yield found
    except (OSError, ValueError, DataError, csv.Error):
        return
