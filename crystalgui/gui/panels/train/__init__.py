"""The Train page: set a run up, watch it, mend it when it fails."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QHBoxLayout,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.datasets.images.preview import samples
from crystalgui.core.datasets.purify import read_report
from crystalgui.core.messages import (
    Crashed,
    DatasetSummary,
    ErrorInfo,
    EstimateJob,
    EstimateReady,
    Event,
    Failed,
    ImportJob,
    TrainRecipe,
)
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.growth import Growing, Steps, complete, in_turns, rest_of
from crystalgui.gui.panels.train.banner import Banner
from crystalgui.gui.panels.train.data import MOST_REMOVED
from crystalgui.gui.panels.train.importing import ImportDialog
from crystalgui.gui.panels.train.live import LiveView
from crystalgui.gui.panels.train.recipe import remedies
from crystalgui.gui.panels.train.setup import SetupView
from crystalgui.gui.session import Session
from crystalgui.gui.state.jobs import JobRow
from crystalgui.gui.state.runs import RunView
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Chip, ElidedLabel, EmptyState

if TYPE_CHECKING:
    from crystalgui.gui.panels.train.invariance.page import InvariancePage
    from crystalgui.gui.panels.train.phase_data.page import PhaseDataPage

SAID_BY_PAGE = ("failed", "crashed")


class TrainPanel(Growing, QWidget):
    """Set-up and live view of one training run.

    Signals
    -------
    cell_chosen(str, str)
        A cell of the confusion matrix: true and predicted class.
    page_wanted(str)
        Another page shows what was asked for here.
    """

    cell_chosen = Signal(str, str)
    page_wanted = Signal(str)

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._import_job = ""
        self._estimates: dict[str, TrainRecipe] = {}
        self._wanted_data = ""
        self._place = 0
        self._live: LiveView | None = None
        self._phase_data: PhaseDataPage | None = None
        self._invariance: InvariancePage | None = None
        self._broken: EmptyState | None = None
        self.grow(self._build(), at_once)

    def _build(self) -> Steps:
        self.banner = Banner()
        self.setup = SetupView(at_once=False)
        yield from self.setup.growth
        yield
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._head())
        layout.addWidget(self.banner)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.setup)
        layout.addWidget(self.stack, 1)
        self._connect()
        yield
        self._take_catalogue()
        yield
        self._take_datasets()
        self._offer_interrupted()
        QTimer.singleShot(0, self, self._show_watched)  # the page first, then its curves

    def _head(self) -> QWidget:
        head = QWidget()
        row = QHBoxLayout(head)
        row.setContentsMargins(0, 0, 0, SPACE[1])
        row.setSpacing(SPACE[0])
        self.setup_chip = Chip("Set up", checkable=True, tooltip="Data, model and recipe")
        self.live_chip = Chip("Watch", checkable=True, tooltip="Curves of the run")
        self.phase_chip = Chip(
            "Phase data", checkable=True, tooltip="Data sets of Hamiltonians: make and explore"
        )
        self.invariance_chip = Chip(
            "Invariance", checkable=True, tooltip="How a network answers when its inputs are rolled"
        )
        group = QButtonGroup(self)
        for chip in (self.setup_chip, self.live_chip, self.phase_chip, self.invariance_chip):
            group.addButton(chip)
            row.addWidget(chip)
        self.setup_chip.setChecked(True)
        self.live_chip.setEnabled(False)
        self._title = ElidedLabel("")
        self._title.setProperty("role", "muted")
        row.addSpacing(SPACE[1])
        row.addWidget(self._title, 1)
        self.setup_chip.toggled.connect(lambda on: on and self._turn(0))
        self.live_chip.toggled.connect(lambda on: on and self._turn(1))
        self.phase_chip.toggled.connect(lambda on: on and self._turn(2))
        self.invariance_chip.toggled.connect(lambda on: on and self._turn(3))
        return head

    def _connect(self) -> None:
        session = self._session
        session.project.catalogue_changed.connect(self._take_catalogue)
        session.project.datasets_changed.connect(self._take_datasets)
        session.jobs.event.connect(self._event)
        session.jobs.row_changed.connect(self._job_changed)
        session.jobs.finished.connect(self._job_finished)
        runs = session.runs
        runs.listed.connect(self._offer_interrupted)
        runs.run_changed.connect(self._run_changed)
        runs.curves_changed.connect(self._run_changed)
        runs.confusion_changed.connect(self._confusion_changed)
        runs.ended.connect(self._run_ended)
        runs.watch_changed.connect(self.show_run)
        self.setup.data.chosen.connect(self._ask_samples)
        self.setup.data.removed_asked.connect(self._ask_removed)
        self.setup.data.import_asked.connect(self.ask_import)
        self.setup.data.import_cancelled.connect(lambda: session.jobs.cancel(self._import_job))
        self.setup.data.make_asked.connect(self.make_phase_data)
        self.setup.data.explore_asked.connect(self.explore_phase_data)
        self.setup.estimate_asked.connect(self.estimate)
        self.setup.train_asked.connect(self.train)
        self.setup.network.failed.connect(session.notify.error)
        session.monitors.changed.connect(self._inside_changed)

    def actions(self) -> list[ActionInfo]:
        """What this page adds to the Train menu."""
        return [
            ActionInfo(
                "train.import",
                "Import a data set…",
                self.ask_import,
                icon="dataset",
                menu="Train",
                tip="Structures and labels, or images, become a data set of this project",
            ),
            ActionInfo(
                "train.phase_data",
                "Make a phase data set…",
                self.make_phase_data,
                icon="dataset",
                menu="Train",
                tip="Mix two Hamiltonians, add noise, certify the phases",
            ),
            ActionInfo(
                "train.explore",
                "Explore a phase data set",
                lambda: self.explore_phase_data(None),
                icon="search",
                menu="Train",
                tip="Shares, slices, t-SNE, dimension and noise",
            ),
            ActionInfo(
                "train.invariance",
                "Measure invariance",
                self.show_invariance,
                icon="search",
                menu="Train",
                tip="Roll the inputs of a trained network: accuracy and equivariance of its layers",
            ),
            ActionInfo(
                "train.start",
                "Train",
                self.setup.train_button.click,
                shortcut="Ctrl+Return",
                icon="play",
                menu="Train",
                tip="Train with the settings of the page",
                enabled=self.setup.train_button.isEnabled,
            ),
            ActionInfo(
                "train.stop",
                "Stop after this epoch",
                lambda: self.live.run_card.stop.click(),
                icon="stop",
                menu="Train",
                tip="Write a checkpoint at the end of the epoch and stop",
                enabled=lambda: self._session.runs.live is not None,
            ),
        ]

    # ------------------------------------------------------------ requests

    def ask_import(self) -> None:
        """Ask for structures and labels, or images, then import them."""
        taken = frozenset(d.name for d in self._session.project.datasets)
        dialog = ImportDialog(taken, self)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            self.import_data(*dialog.answer(), *dialog.wishes())
        dialog.deleteLater()

    def import_data(
        self,
        source: Path,
        labels: Path | None,
        name: str,
        derive: str = "",
        purify: bool = False,
    ) -> str:
        """Import a data set, of images without labels; the id of the job."""
        self._wanted_data = name
        job = ImportJob(
            project=self._session.project.folder,
            source=source,
            labels=labels,
            name=name,
            derive=derive,
            purify=purify,
        )
        self._import_job = self._session.jobs.submit(job)
        self.setup.data.show_import(self._session.jobs.row(self._import_job))
        return self._import_job

    def _ask_removed(self, data: DatasetSummary) -> None:
        """Fetch the list of what was removed from a data set."""
        self._session.lane.ask(
            "purified",
            read_report,
            data.folder,
            MOST_REMOVED,
            on_answer=lambda rows: self.setup.data.show_removed(data, rows),
            on_error=self._session.notify.error,
            owner=self,
            slow=True,
        )

    def _ask_samples(self, data: DatasetSummary | None) -> None:
        """Fetch some images of the chosen data set to look at."""
        if data is not None and data.kind == "images":
            self._session.lane.ask(
                "image-samples",
                samples,
                data.folder,
                20,
                on_answer=self.setup.data.show_samples,
                owner=self,
                slow=True,
            )

    @property
    def live(self) -> LiveView:
        """Curves of the run that is watched, built when there is one."""
        if self._live is None:
            self._live = live = LiveView(self._session.monitors, self._session.lane)
            self.stack.addWidget(live)
            runs = self._session.runs
            live.stop_asked.connect(runs.stop_after_epoch)
            live.cancel_asked.connect(runs.cancel)
            live.resume_asked.connect(self.resume)
            live.cell_clicked.connect(self.cell_chosen)
            live.floor_asked.connect(self.set_floor)
        return self._live

    def _begun_phase_data(self) -> PhaseDataPage:
        if self._phase_data is None:
            from crystalgui.gui.panels.train.phase_data.page import PhaseDataPage

            self._phase_data = page = PhaseDataPage(self._session, at_once=False)
            page.train_asked.connect(self._train_on)
            page.opened.connect(lambda: self.page_wanted.emit("electronic"))
        return self._phase_data

    def _begun_invariance(self) -> InvariancePage:
        if self._invariance is None:
            from crystalgui.gui.panels.train.invariance.page import InvariancePage

            self._invariance = InvariancePage(self._session, at_once=False)
        return self._invariance

    @property
    def phase_data(self) -> PhaseDataPage:
        """Flow and views of data sets of Hamiltonians, complete; built when first wanted."""
        return complete(self._begun_phase_data())

    @property
    def invariance(self) -> InvariancePage:
        """Measurements of trained networks, complete; built when first wanted."""
        return complete(self._begun_invariance())

    def _begun(self, page: int) -> QWidget:
        """A room, begun when it is first wanted."""
        if page == 0:
            return self.setup
        if page == 1:
            return self.live
        return self._begun_phase_data() if page == 2 else self._begun_invariance()

    def show_invariance(self) -> None:
        """Show the room that rolls the inputs of a trained network."""
        self.invariance_chip.setChecked(True)
        self.page_wanted.emit("train")

    def make_phase_data(self) -> None:
        """Show the flow that makes a data set of Hamiltonians."""
        self.phase_data.show_flow()
        self.phase_chip.setChecked(True)
        self.page_wanted.emit("train")

    def explore_phase_data(self, summary: DatasetSummary | None) -> None:
        """Show the views of a data set of Hamiltonians."""
        self.phase_chip.setChecked(True)
        self.phase_data.show_dataset(summary)
        self.page_wanted.emit("train")

    def _train_on(self, summary: DatasetSummary) -> None:
        """Set a run on this data set up."""
        self.setup.data.choose(summary.folder)
        self.setup_chip.setChecked(True)

    def estimate(self, recipe: TrainRecipe) -> None:
        """Measure what a recipe costs."""
        job_id = self._session.jobs.submit(EstimateJob(recipe=recipe))
        self._estimates[job_id] = recipe
        self.setup.set_estimating(True)

    def train(self, recipe: TrainRecipe) -> RunView:
        """Start a run and watch it."""
        self.live.estimate = self.setup.estimate_for(recipe)
        self.banner.silence()
        return self._session.runs.train(recipe)

    def set_floor(self, view: RunView, floor: float) -> None:
        """Set the recipe of a run up again, with this floor of the attention."""
        self._edit(replace(view.recipe, params={**view.recipe.params, "floor": floor}))

    def resume(self, view: RunView) -> None:
        """Go on with a run and watch it."""
        self.banner.silence()
        self.live.estimate = None
        self._session.runs.watch(view)
        self._session.runs.resume(view)

    def show_run(self, view: RunView) -> None:
        """Watch a run, live or finished."""
        self.live.show_run(view)
        self.live.mark_confusion()
        self.live_chip.setEnabled(True)
        self.live_chip.setChecked(True)
        self._title.setText(view.title)

    def _show_watched(self) -> None:
        shown = self._session.runs.live or self._session.runs.watched
        if shown is not None and (self._live is None or self._live.run is not shown):
            self.show_run(shown)

    def _turn(self, page: int) -> None:
        """Show a room, as soon as it is complete."""
        self._place = page
        room = self._begun(page)
        in_turns(
            self,
            rest_of(room),
            lambda: self._bring(page, room),
            lambda error: self._break(page, room, ErrorInfo.of(error)),
        )

    def _break(self, page: int, room: QWidget, error: ErrorInfo) -> None:
        """Words in place of a room that cannot be built; it is begun anew the next time."""
        if room is self._phase_data:
            self._phase_data = None
        elif room is self._invariance:
            self._invariance = None
        else:
            return  # said already
        room.deleteLater()
        self._session.notify.error(error)
        chip = self.phase_chip if page == 2 else self.invariance_chip
        title = f"{chip.text()} could not be opened"
        if self._broken is None:
            self._broken = EmptyState("error", title, error.title, (), self)
        self._broken.set_text(title, error.title)
        self._bring(page, self._broken)

    def _bring(self, page: int, room: QWidget) -> None:
        if page != self._place:
            return  # another one was chosen meanwhile
        self.stack.addWidget(room)
        self.stack.setCurrentWidget(room)
        run = self.live.run if page == 1 else None
        self._title.setText(run.title if run is not None else "")

    # -------------------------------------------------------------- answers

    def _take_catalogue(self) -> None:
        self.setup.set_cards(self._session.project.cards)
        self.setup.set_devices(self._session.project.devices)

    def _take_datasets(self) -> None:
        self.setup.data.set_datasets(self._session.project.datasets, self._wanted_data)

    def _event(self, event: Event) -> None:
        if isinstance(event, EstimateReady) and event.job_id in self._estimates:
            self.setup.show_estimate(self._estimates[event.job_id], event)

    def _job_changed(self, row: JobRow | None) -> None:
        if row is not None and row.job_id == self._import_job:
            self.setup.data.show_import(row)

    def _job_finished(self, row: JobRow, outcome: object) -> None:
        if row.job_id == self._import_job:
            self._import_job = ""
            self.setup.data.show_import(None)
        elif row.job_id in self._estimates:
            recipe = self._estimates.pop(row.job_id)
            self.setup.set_estimating(bool(self._estimates))
            if isinstance(outcome, Failed | Crashed):
                self._say_failure(recipe, row, train=False)

    def _run_changed(self, view: RunView) -> None:
        if self._live is not None and view is self._live.run:
            self._live.mark()

    def _inside_changed(self, run_id: str) -> None:
        live = self._live
        if live is not None and live.run is not None and run_id == live.run.run_id:
            live.mark()

    def _confusion_changed(self, view: RunView) -> None:
        live = self._live
        if live is not None and view is live.run and live.isVisible():
            live.mark_confusion()

    def _run_ended(self, view: RunView) -> None:
        row = self._session.jobs.row(view.job_id)
        if view.status in SAID_BY_PAGE and row is not None and view.error is not None:
            self._say_failure(view.recipe, row, train=True, view=view)
        elif view.status == "done":
            self._session.notify.info(f"{view.title}: training is done.")

    def _say_failure(
        self, recipe: TrainRecipe, row: JobRow, *, train: bool, view: RunView | None = None
    ) -> None:
        """Sentence, suggested setting, one-click retry."""
        error = row.error
        if error is None:
            return
        actions = [
            (
                remedy.label,
                (lambda r=remedy.recipe: self.train(r))
                if train
                else (lambda r=remedy.recipe: self._show_and_estimate(r)),
            )
            for remedy in remedies(recipe, error)
        ]
        if view is not None and view.run_id and view.status == "crashed":
            actions.append(("Resume", lambda: self.resume(view)))
        if train:
            actions.append(("Change settings", lambda: self._edit(recipe)))
        self.banner.say(f"failure:{row.job_id}", error.title, error.hint, actions, "bad")

    def _show_and_estimate(self, recipe: TrainRecipe) -> None:
        self.setup.set_recipe(recipe)
        self.estimate(replace(recipe))

    def _edit(self, recipe: TrainRecipe) -> None:
        self.setup.set_recipe(recipe)
        self.setup_chip.setChecked(True)

    def _offer_interrupted(self) -> None:
        """Offer the newest interrupted run, once each."""
        if self.banner.key.startswith("failure:"):
            return
        found = self._session.runs.interrupted
        if not found or self._session.runs.live is not None:
            if self.banner.key.startswith("interrupted:"):
                self.banner.silence()
            return
        view = found[0]
        more = f" {len(found) - 1} more on the Runs page." if len(found) > 1 else ""
        self.banner.say(
            f"interrupted:{view.run_id}",
            f"“{view.title}” was interrupted after epoch {view.epochs} of {view.recipe.epochs}.",
            f"It goes on from its last checkpoint.{more}",
            [("Resume", lambda: self.resume(view))],
        )

    def showEvent(self, event: QShowEvent) -> None:
        """Read the store when nobody has."""
        super().showEvent(event)
        if not self._session.runs.loaded:
            self._session.runs.refresh()
        if self._phase_data is None:  # imported before it is wanted
            self._session.lane.ask(
                "phase-data-import",
                import_module,
                "crystalgui.gui.panels.train.phase_data.page",
                on_answer=lambda _: None,
                owner=self,
                slow=True,
            )
