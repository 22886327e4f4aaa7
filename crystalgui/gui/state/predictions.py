"""Predictions of the Classify page: rows, and the job that makes them.

Rows arrive in batches from the worker and are only ever appended.  A row has
the answers of several models.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.cards import Card, TrainedModel
from crystalgui.core.messages import Answer, ClassifyJob, Device, Event, Predicted, Prediction
from crystalgui.core.messages.values import NO_ANSWER

if TYPE_CHECKING:
    from crystalgui.gui.state.jobs import JobRow, JobsState

WITH_WORDS = {"tqc": "topological class", "tqc3": "topological class of three"}


def task_of(model: TrainedModel) -> str:
    """What a model predicts, in words."""
    return WITH_WORDS.get(model.target, model.target.replace("_", " ") or model.title)


def of_crystals(models: Iterable[TrainedModel], cards: Iterable[Card]) -> list[TrainedModel]:
    """The models that read crystals, as the cards of their families tell."""
    others = {card.name for card in cards if card.inputs and not card.reads("crystal")}
    return [model for model in models if model.family not in others]


COMPUTED = frozenset({"space group", "point group"})
"""Targets that stand exactly beside every crystal anyway."""


def best_models(models: Iterable[TrainedModel]) -> list[TrainedModel]:
    """The best shipped model of each target that is not computed, by its own test crystals."""
    found: dict[str, TrainedModel] = {}
    for model in models:
        key = task_of(model)
        if key in COMPUTED:
            continue
        if model.shipped and (key not in found or _merit(model) > _merit(found[key])):
            found[key] = model
    return list(found.values())


def _merit(model: TrainedModel) -> float:
    if model.task == "classification":
        return model.metrics.get("accuracy", 0.0)
    return -model.metrics.get("mae", math.inf)


def answer_of(row: Prediction, model: str) -> Answer:
    """The answer of a model, or of the first one; an empty one where there is none."""
    if not model:
        return row.first
    return next((answer for answer in row.answers if answer.model == model), NO_ANSWER)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows that made room for others, and what was asked to get them."""

    rows: tuple[Prediction, ...]
    paths: tuple[Path, ...]
    models: tuple[str, ...]
    out: Path | None


class PredictionsState(QObject):
    """The rows on the Classify page and the job that is filling them.

    Attributes
    ----------
    tables : int
        How often the rows were forgotten: rows of two tables may be as many.
    before : Table, optional
        The rows that made room for these.

    Signals
    -------
    added(int, int)
        First and last new row.
    cleared()
    job_changed()
        The job started, moved on or ended.
    ended(JobRow)
        The job ended; its row says how.
    """

    added = Signal(int, int)
    cleared = Signal()
    job_changed = Signal()
    ended = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.rows: list[Prediction] = []
        self.classes: dict[str, Counter[str]] = {}
        self.unreadable = 0
        self.tables = 0
        self.before: Table | None = None
        self.out: Path | None = None
        self.paths: tuple[Path, ...] = ()
        self.models: tuple[str, ...] = ()
        self.job_id = ""
        self._jobs: JobsState | None = None

    def attach(self, jobs: JobsState) -> None:
        """Listen to jobs, once."""
        if self._jobs is None:
            self._jobs = jobs
            jobs.event.connect(self.handle)
            jobs.row_changed.connect(self._job_changed)
            jobs.finished.connect(self._finished)

    # ------------------------------------------------------------ requests

    def classify(
        self,
        paths: Iterable[Path],
        models: Iterable[str],
        device: Device = "auto",
        project: Path | None = None,
        out: Path | None = None,
        scheduler: str = "",
    ) -> str:
        """Start from nothing and classify ``paths`` with some models; the id of the job.

        ``out`` is a table that is written as the rows come, ``scheduler`` the
        address of a Dask scheduler; see `ClassifyJob`.
        """
        if self._jobs is None:
            raise RuntimeError("The predictions are not attached to the jobs.")
        self._leave()
        self.paths, self.models, self.out = tuple(paths), tuple(models), out
        self.clear()
        self.job_id = self._jobs.submit(
            ClassifyJob(
                paths=self.paths,
                models=self.models,
                device=device,
                project=project,
                out=out,
                scheduler=scheduler,
            )
        )
        self.job_changed.emit()
        return self.job_id

    def _leave(self) -> None:
        """Stop, and keep the rows that are there."""
        self.cancel()
        if self.rows:
            self.before = Table(tuple(self.rows), self.paths, self.models, self.out)

    def bring_back(self) -> None:
        """Show the rows that made room for these, and keep these in their place."""
        table, self.before = self.before, None
        if table is None:
            return
        self._leave()
        self.job_id = ""
        self.paths, self.models, self.out = table.paths, table.models, table.out
        self.clear()
        self.add(table.rows)
        self.job_changed.emit()

    @property
    def model(self) -> str:
        """The first of the models, whose answer a row shows."""
        return self.models[0] if self.models else ""

    def cancel(self) -> None:
        """Stop the job; rows that are there stay."""
        if self._jobs is not None and self.job_id:
            self._jobs.cancel(self.job_id)

    @property
    def job(self) -> JobRow | None:
        """The job that fills the table, None when it ended."""
        return self._jobs.row(self.job_id) if self._jobs is not None and self.job_id else None

    # ------------------------------------------------------------- answers

    def handle(self, event: Event) -> None:
        """Take the rows of our job; one insertion for each batch."""
        if isinstance(event, Predicted) and event.job_id and event.job_id == self.job_id:
            self.add(event.rows)

    def _job_changed(self, row: JobRow | None) -> None:
        if row is not None and row.job_id == self.job_id:
            self.job_changed.emit()

    def _finished(self, row: JobRow, _outcome: object) -> None:
        if row.job_id == self.job_id:
            self.job_id = ""
            self.job_changed.emit()
            self.ended.emit(row)

    def add(self, rows: Iterable[Prediction]) -> None:
        """Append rows."""
        rows = list(rows)
        if not rows:
            return
        first = len(self.rows)
        self.rows.extend(rows)
        for row in rows:
            self.unreadable += bool(row.error)
            for answer in row.answers:
                self.classes.setdefault(answer.model, Counter())[answer.prediction] += 1
        self.added.emit(first, len(self.rows) - 1)

    def clear(self) -> None:
        """Forget every row."""
        self.rows.clear()
        self.classes.clear()
        self.unreadable = 0
        self.tables += 1
        self.cleared.emit()
