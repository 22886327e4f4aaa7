"""Training runs: those of the store and the one that is running, as one list.

Live events fill the same `RunView` that the store's row describes, so a page
shows a running and a finished run alike.  The store is read and changed in
the interactive lane.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import (
    CatalogueJob,
    ConfusionReady,
    EpochMetrics,
    ErrorInfo,
    Event,
    Progress,
    RunCreated,
    StepMetrics,
    SweepJob,
    SweepPoint,
    SweepRecipe,
    TrainJob,
    TrainRecipe,
)
from crystalgui.gui.state import stored
from crystalgui.gui.state.curves import Curves
from crystalgui.gui.state.stored import Listing, StoredRun

if TYPE_CHECKING:
    from crystalgui.engine.lane import Lane
    from crystalgui.gui.state.jobs import JobRow, JobsState

ALIVE = ("queued", "running", "stopping")


@dataclass(slots=True, eq=False, kw_only=True)
class RunView:
    """One run, stored or live; the same object for as long as the window is open.

    ``error`` is why it failed or crashed in this session; ``shown`` whether
    its curves are overlaid on the Runs page.  A sweep has its recipe in
    ``sweep`` and the networks that are ready in ``points``, by network, degree
    of rolling and repeat; ``recipe`` is what its networks have in common.
    """

    recipe: TrainRecipe
    run_id: str = ""
    job_id: str = ""
    status: str = "queued"
    folder: Path | None = None
    stored: StoredRun | None = None
    curves: Curves = field(default_factory=Curves)
    complete: bool = False
    epoch: float = 0.0
    step: int = 0
    samples_per_second: float = math.nan
    memory_bytes: int = 0
    eta: float = math.nan
    text: str = ""
    error: ErrorInfo | None = None
    started: float = field(default_factory=time.monotonic)
    seconds: float = math.nan
    data_name: str = ""
    sweep: SweepRecipe | None = None
    points: dict[tuple[str, int, int], SweepPoint] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        """Whether it waits or trains in this session."""
        return self.status in ALIVE

    @property
    def title(self) -> str:
        """Name shown to people."""
        if self.stored is not None:
            return self.stored.title
        return self.recipe.title or f"{self.recipe.model} {self.recipe.preset}".strip()

    @property
    def data(self) -> str:
        """Name of the data set."""
        return self.data_name or self.recipe.dataset.name

    @property
    def epochs(self) -> int:
        """Epochs that are finished; of a sweep, networks that are ready."""
        live = len(self.points) if self.sweep is not None else 0
        if not live:
            live = max((len(s) and int(s.x[-1]) for s in self.curves.epochs.values()), default=0)
        return max(live, self.stored.epochs if self.stored else 0)

    @property
    def total(self) -> int:
        """Epochs, or networks of a sweep, that were asked for."""
        return self.recipe.epochs if self.sweep is None else self.sweep.size

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        done = self.epoch if self.sweep is None else float(len(self.points))
        return min(1.0, done / max(self.total, 1))

    @property
    def reached(self) -> str:
        """Where it is: ``"after epoch 3 of 10"``, ``"with 12 of 576 networks ready"``."""
        if self.sweep is not None:
            return f"with {self.epochs} of {self.total} networks ready"
        return f"after epoch {self.epochs} of {self.total}"

    def take_points(self, points: Iterable[SweepPoint]) -> None:
        """Add networks of a sweep; a later one replaces an earlier one."""
        for point in points:
            self.points[point.network, point.rolling, point.repeat] = point

    @property
    def resumable(self) -> bool:
        """Whether it ended early and can go on."""
        return not self.alive and self.stored is not None and self.stored.resumable

    @property
    def binned(self) -> bool:
        """Whether it lies in the bin."""
        return self.stored is not None and self.stored.binned


class RunsState(QObject):
    """Runs, newest first.

    Signals
    -------
    listed()
        Runs came, went, or changed their row.
    run_changed(RunView)
        Status, progress or figures of a run changed.
    curves_changed(RunView)
        A run has new points.
    confusion_changed(RunView)
        A run has a new confusion matrix.
    ended(RunView)
        A live run ended; ``status`` and ``error`` say how.
    failed(ErrorInfo)
        The store refused something.
    datasets_listed(tuple of DatasetSummary)
    watch_changed(RunView)
        The Train page shows this run.
    found_interrupted(RunView)
        The project was opened and its newest run had been killed.
    points_changed(RunView)
        More networks of a sweep are ready.
    sweep_ended(RunView)
        A live sweep ended; ``status`` and ``error`` say how.
    """

    listed = Signal()
    run_changed = Signal(object)
    curves_changed = Signal(object)
    confusion_changed = Signal(object)
    ended = Signal(object)
    failed = Signal(object)
    datasets_listed = Signal(object)
    watch_changed = Signal(object)
    found_interrupted = Signal(object)
    points_changed = Signal(object)
    sweep_ended = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.runs: list[RunView] = []
        self._by_job: dict[str, RunView] = {}
        self._jobs: JobsState | None = None
        self._lane: Lane | None = None
        self._folder: Path | None = None
        self.loaded = False
        self.watched: RunView | None = None
        self._names: dict[Path, str] = {}

    def attach(self, jobs: JobsState, lane: Lane, folder: Path) -> None:
        """Listen to jobs; a second call changes the project only.

        Nothing is read yet: the window paints first and then calls `refresh`.
        """
        if self._jobs is None:
            jobs.event.connect(self.handle)
            jobs.finished.connect(self._finished)
            jobs.row_changed.connect(self._job_changed)
        self._jobs, self._lane = jobs, lane
        if folder != self._folder:
            self._folder = folder
            self.runs = [run for run in self.runs if run.alive]
            self.loaded = False

    # ------------------------------------------------------------ requests

    def train(self, recipe: TrainRecipe, run_id: str = "") -> RunView:
        """Train a recipe, or go on with ``run_id``."""
        _, folder = self._connected()
        view = self.find(run_id) or RunView(recipe=recipe)
        self._begin(view, TrainJob(project=folder, recipe=recipe, run_id=run_id))
        self.watch(view)
        return view

    def sweep(self, recipe: SweepRecipe, run_id: str = "") -> RunView:
        """Train the networks of a sweep, or go on with ``run_id``."""
        _, folder = self._connected()
        view = self.find(run_id) or RunView(recipe=common_recipe(recipe), sweep=recipe)
        self._begin(view, SweepJob(project=folder, recipe=recipe, run_id=run_id))
        return view

    def _begin(self, view: RunView, job: TrainJob | SweepJob) -> None:
        """Submit the job of a run, new or known."""
        jobs, _ = self._connected()
        if view not in self.runs:
            self.runs.insert(0, view)
        view.run_id, view.status, view.error = job.run_id, "queued", None
        view.eta, view.started, view.seconds = math.nan, time.monotonic(), math.nan
        view.job_id = jobs.submit(job)
        self._by_job[view.job_id] = view
        self.listed.emit()
        self.run_changed.emit(view)

    def resume(self, view: RunView) -> RunView:
        """Go on from the last checkpoint, after its curves were read."""
        sweep = view.sweep

        def go_on() -> RunView:
            if sweep is not None:
                return self.sweep(sweep, view.run_id)
            return self.train(view.recipe, view.run_id)

        if view.complete or view.alive:
            return go_on()
        self.load(view, then=go_on)
        return view

    def watch(self, view: RunView) -> None:
        """Show this run on the Train page."""
        self.watched = view
        self.load(view)
        self.watch_changed.emit(view)

    def stop_after_epoch(self, view: RunView) -> None:
        """Stop with a checkpoint at the end of this epoch."""
        if self._jobs is not None and view.alive:
            self._jobs.stop_soft(view.job_id)

    def cancel(self, view: RunView) -> None:
        """Stop now; the run keeps its last checkpoint."""
        if self._jobs is not None and view.alive:
            self._jobs.cancel(view.job_id)

    def refresh(self) -> None:
        """Read the list from the store."""
        self._ask(stored.list_runs, on_answer=self._take)

    def rename(self, view: RunView, title: str) -> None:
        """Give a run another title."""
        self._ask(stored.rename_run, view.run_id, title, on_answer=self._take)

    def tag(self, view: RunView, tags: Iterable[str]) -> None:
        """Replace the tags of a run."""
        self._ask(stored.tag_run, view.run_id, tuple(tags), on_answer=self._take)

    def bin(self, views: Iterable[RunView]) -> None:
        """Move runs to the bin."""
        ids = [v.run_id for v in views if v.run_id]
        self._ask(stored.bin_runs, ids, on_answer=self._take)

    def restore(self, views: Iterable[RunView]) -> None:
        """Bring runs back from the bin."""
        ids = [v.run_id for v in views if v.run_id]
        self._ask(stored.restore_runs, ids, on_answer=self._take)

    def export(self, target: Path, on_answer: Callable[[Path], None]) -> None:
        """Write one CSV of all runs."""
        self._ask(stored.export_runs, target, on_answer=on_answer)

    def load(self, view: RunView, then: Callable[[], object] = lambda: None) -> None:
        """Read the curves of a stored run, or the points of a sweep, once."""
        if view.complete or view.alive or not view.run_id:
            then()
            return
        if view.sweep is not None:
            self._load_points(view, then)
            return

        def answered(kept: tuple[list[dict[str, float]], list[ConfusionReady]]) -> None:
            if not view.complete and not view.alive:
                view.curves = stored_curves(view.run_id, *kept)
                view.complete = True
                self.curves_changed.emit(view)
                self.confusion_changed.emit(view)
            then()

        self._ask(stored.read_curves, view.run_id, on_answer=answered)

    def _load_points(self, view: RunView, then: Callable[[], object]) -> None:
        def answered(points: list[SweepPoint]) -> None:
            if not view.complete and not view.alive:
                view.take_points(points)
                view.complete = True
                self.points_changed.emit(view)
            then()

        self._ask(stored.read_sweep, view.run_id, on_answer=answered)

    # ------------------------------------------------------------- queries

    def find(self, run_id: str) -> RunView | None:
        """The run with this id."""
        return next((run for run in self.runs if run.run_id == run_id), None) if run_id else None

    @property
    def live(self) -> RunView | None:
        """The run that trains now, else one that waits; sweeps are not watched."""
        alive = [run for run in self.runs if run.alive and run.sweep is None]
        return next((run for run in alive if run.status != "queued"), alive[0] if alive else None)

    @property
    def interrupted(self) -> list[RunView]:
        """Runs that a crash or a power cut ended and that can go on; sweeps apart."""
        return [run for run in self._interrupted if run.sweep is None]

    @property
    def _interrupted(self) -> list[RunView]:
        return [run for run in self.runs if run.status == "interrupted" and run.resumable]

    # ------------------------------------------------------------- answers

    def handle(self, event: Event) -> None:
        """Take an event of a job."""
        view = self._by_job.get(event.job_id)
        if view is None:
            return
        if isinstance(event, RunCreated):
            view.run_id, view.folder = event.run_id, event.folder
            self.listed.emit()
            self.run_changed.emit(view)
        elif isinstance(event, StepMetrics):
            view.step = event.step
            view.samples_per_second = event.samples_per_second
            view.memory_bytes = event.memory_bytes
            if view.sweep is None:  # its networks begin again and again
                view.epoch = event.epoch
                view.curves.add_step(event)
                self.curves_changed.emit(view)
        elif isinstance(event, SweepPoint):
            view.take_points((event,))
            self.points_changed.emit(view)
            self.run_changed.emit(view)
        elif isinstance(event, EpochMetrics):
            view.curves.add_epoch(event)
            view.epoch = float(event.epoch)
            self.curves_changed.emit(view)
            self.run_changed.emit(view)
        elif isinstance(event, ConfusionReady):
            view.curves.add_confusion(event)
            self.confusion_changed.emit(view)
        elif isinstance(event, Progress):
            view.eta, view.text = event.eta, event.text
            self.run_changed.emit(view)

    def _job_changed(self, row: JobRow | None) -> None:
        view = self._by_job.get(row.job_id) if row is not None else None
        if view is None or row is None:
            return
        if view.alive and row.alive and view.status != row.status:
            view.status = row.status
            self.run_changed.emit(view)

    def _finished(self, row: JobRow, _outcome: object) -> None:
        view = self._by_job.pop(row.job_id, None)
        if view is None:
            return
        view.status, view.error, view.eta = row.status, row.error, math.nan
        view.seconds = row.seconds
        view.complete = bool(view.run_id)
        if row.status == "done" and self._jobs is not None and view.sweep is None:
            self._jobs.submit(CatalogueJob(project=self._folder))
        self.run_changed.emit(view)
        (self.ended if view.sweep is None else self.sweep_ended).emit(view)
        self.refresh()

    # ------------------------------------------------------------- the store

    def _connected(self) -> tuple[JobsState, Path]:
        if self._jobs is None or self._folder is None:
            raise RuntimeError("The list of runs is not attached to a project.")
        return self._jobs, self._folder

    def _ask(
        self, function: Callable[..., Any], *args: object, on_answer: Callable[[Any], None]
    ) -> None:
        if self._lane is None or self._folder is None:
            return
        self._lane.run(
            function,
            self._folder,
            *args,
            on_answer=on_answer,
            on_error=self.failed.emit,
            owner=self,
        )

    def _take(self, listing: Listing) -> None:
        """Bring the list in line with the store; live runs keep their state."""
        self._names = {data.folder: data.name for data in listing.datasets}
        known = {run.run_id: run for run in self.runs if run.run_id}
        runs = [run for run in self.runs if not run.run_id and (run.alive or run.error)]
        for row in listing.runs:
            view = known.get(row.run_id)
            if view is None:
                view = RunView(recipe=row.recipe, run_id=row.run_id, status=row.status)
            view.stored, view.folder, view.sweep = row, row.folder, row.sweep or view.sweep
            view.data_name = self._names.get(row.recipe.dataset, "")
            if not view.alive:
                view.status = row.status if view.error is None else view.status
                if math.isnan(view.seconds):
                    view.seconds = row.seconds
            runs.append(view)
        listed = {row.run_id for row in listing.runs}
        fresh = [run for run in self.runs if run.alive and run.run_id and run.run_id not in listed]
        self.runs = [*fresh, *runs]
        first, self.loaded = not self.loaded, True
        self.datasets_listed.emit(listing.datasets)
        self.listed.emit()
        if first and self._interrupted:
            self.found_interrupted.emit(self._interrupted[0])


def common_recipe(recipe: SweepRecipe) -> TrainRecipe:
    """What the networks of a sweep have in common, called as the store calls it."""
    words = f"of {len(recipe.networks)} networks"
    return replace(recipe.base, title=recipe.title, model="sweep", preset=words)


def stored_curves(
    run_id: str, rows: Iterable[dict[str, float]], tables: Iterable[ConfusionReady]
) -> Curves:
    """Curves from what the store kept of a run."""
    curves = Curves()
    for table in tables:
        curves.add_confusion(table)
    epoch = 0.0
    for row in rows:
        values = {key: value for key, value in row.items() if "/" in key}
        epoch = row.get("epoch", epoch)  # test metrics follow the last epoch
        if values and math.isfinite(epoch):
            curves.add_epoch(EpochMetrics(run_id=run_id, epoch=int(epoch), values=values))
    return curves
