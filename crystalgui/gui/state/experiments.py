"""Published experiments in the window: their cards, the runs of this project, results on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from crystalgui.core.cards import ExperimentCard
from crystalgui.core.errors import CrystalError
from crystalgui.core.experiments.results import Standing, Table, read_table, standing
from crystalgui.core.messages import (
    Device,
    ErrorInfo,
    Event,
    ExperimentJob,
    ExperimentReady,
    LogLine,
)

if TYPE_CHECKING:
    from crystalgui.engine.lane import Lane
    from crystalgui.gui.state.jobs import JobRow, JobsState
    from crystalgui.gui.state.project import ProjectState

Key = tuple[str, str]
Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the folder of a run holds, read in the lane.

    ``list`` is one that the Evidence page goes through: of this run, or kept with the program.
    """

    folder: Path
    standing: Standing
    tables: tuple[tuple[Table, Rows], ...] = ()
    list: Path | None = None


def look(folder: Path, name: str, preset: str) -> Found:
    """Read the results of a folder, which are those of a preset (in the lane)."""
    from crystalgui.core.experiments.missed import list_of, recorded_list

    here = standing(folder)
    wanted = here.record.tables if here.record is not None else ()
    tables = tuple((table, read_table(folder, table)) for table in wanted)
    found = list_of(folder, here.record) or recorded_list(name, preset)
    return Found(folder=folder, standing=here, tables=tables, list=found)


def survey(folders: dict[Key, Path]) -> dict[Key, str]:
    """Which runs of a project are begun or done (in the lane)."""
    states: dict[Key, str] = {}
    for key, folder in folders.items():
        try:
            states[key] = standing(folder).state
        except CrystalError:
            states[key] = "damaged"
    return states


class ExperimentsState(QObject):
    """Experiments, and how far their runs in this project are.

    Signals
    -------
    listed()
        Other cards, or another state of a run on disk.
    found(object)
        `Found`: the results that were asked for.
    changed(str, str)
        Name and preset of a run with newer progress.
    ready(str, str)
        Name and preset of a run that ended well.
    ended(str, str)
        Name and preset of a run that has an outcome of any kind.
    failed(object)
        `ErrorInfo`: results cannot be read.
    """

    listed = Signal()
    found = Signal(object)
    changed = Signal(str, str)
    ready = Signal(str, str)
    ended = Signal(str, str)
    failed = Signal(object)

    def __init__(
        self,
        project: ProjectState,
        jobs: JobsState,
        lane: Lane,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._project, self._queue, self._lane = project, jobs, lane
        self._jobs: dict[Key, str] = {}
        self.states: dict[Key, str] = {}
        self.lines: dict[Key, str] = {}
        project.catalogue_changed.connect(self.refresh)
        jobs.row_added.connect(self._row_changed)
        jobs.row_changed.connect(self._row_changed)
        jobs.event.connect(self._take)
        jobs.finished.connect(self._finished)

    # ------------------------------------------------------------- queries

    @property
    def cards(self) -> tuple[ExperimentCard, ...]:
        """Every experiment that the worker knows."""
        return self._project.experiments

    def card(self, name: str) -> ExperimentCard | None:
        """An experiment by name."""
        return next((card for card in self.cards if card.name == name), None)

    def folder(self, name: str, preset: str) -> Path:
        """Where a run lies in the project."""
        home = self._project.folder / ".crystalgui" / "experiments"
        return home / f"{name}-{preset}"

    def row(self, name: str, preset: str) -> JobRow | None:
        """The newest job of a run in this session."""
        return self._queue.row(self._jobs.get((name, preset), ""))

    def alive(self, name: str, preset: str) -> bool:
        """Whether it waits or runs."""
        row = self.row(name, preset)
        return row is not None and row.alive

    # ------------------------------------------------------------ requests

    def run(self, name: str, preset: str, device: Device = "auto", *, fresh: bool = False) -> None:
        """Run an experiment, or go on with it."""
        if self.alive(name, preset):
            return
        self.lines.pop((name, preset), None)
        job = ExperimentJob(
            name=name,
            preset=preset,
            device=device,
            out=self.folder(name, preset),
            fresh=fresh,
        )
        self._queue.submit(job)

    def cancel(self, name: str, preset: str) -> None:
        """Stop a run; what it kept stays, and it can go on."""
        if self.alive(name, preset):
            self._queue.cancel(self._jobs[name, preset])

    def load(self, name: str, preset: str) -> None:
        """Read what a run left; `found` follows."""
        self._lane.ask(
            "experiment",
            look,
            self.folder(name, preset),
            name,
            preset,
            on_answer=self.found.emit,
            on_error=self._not_read,
            owner=self,
        )

    def refresh(self) -> None:
        """Look at every run of the project; `listed` follows, at once and again."""
        folders = {(c.name, p): self.folder(c.name, p) for c in self.cards for p in c.presets}
        self._lane.ask(
            "experiments",
            survey,
            folders,
            on_answer=self._surveyed,
            on_error=self._not_read,
            owner=self,
        )
        self.listed.emit()

    # ------------------------------------------------------------- answers

    def _surveyed(self, states: dict[Key, str]) -> None:
        self.states = states
        self.listed.emit()

    def _not_read(self, error: ErrorInfo) -> None:
        self.failed.emit(error)

    def _row_changed(self, row: JobRow | None) -> None:
        if row is None or not isinstance(row.job, ExperimentJob):
            return
        key = row.job.name, row.job.preset
        if row.job.out == self.folder(*key):
            self._jobs[key] = row.job_id
            self.changed.emit(*key)

    def _key(self, job_id: str) -> Key | None:
        return next((key for key, known in self._jobs.items() if known == job_id), None)

    def _take(self, event: Event) -> None:
        if not isinstance(event, LogLine | ExperimentReady):
            return
        key = self._key(event.job_id)
        if key is None:
            return
        if isinstance(event, LogLine):
            self.lines[key] = event.text
            self.changed.emit(*key)
        else:
            self.ready.emit(*key)

    def _finished(self, row: JobRow, _outcome: object) -> None:
        key = self._key(row.job_id)
        if key is not None:
            self.ended.emit(*key)
            self.refresh()
