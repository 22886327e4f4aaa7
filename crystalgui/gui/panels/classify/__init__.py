"""The Classify page: many crystals in, a table of predictions out, and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QMenu,
    QSplitter,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.messages import ErrorInfo, Prediction
from crystalgui.core.settings import cache
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.panels.classify.bar import ClassifyBar
from crystalgui.gui.panels.classify.preview import PreviewCard
from crystalgui.gui.panels.classify.table import PredictionsCard
from crystalgui.gui.session import Session
from crystalgui.gui.state import sources
from crystalgui.gui.state.jobs import JobRow
from crystalgui.gui.state.predictions import of_crystals
from crystalgui.gui.state.predictions_table import columns_for
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Chip, EmptyState

if TYPE_CHECKING:
    from crystalgui.core.cards import TrainedModel
    from crystalgui.core.reports.evaluation import Evaluation
    from crystalgui.gui.panels.classify.evaluation import EvaluationRoom

SIDE_BY_SIDE = 860
TABLE, EVALUATION = range(2)
FEW = 20
"""Rows whose loss nobody has to be told of."""


def load_evaluation() -> None:
    """Import the room of evaluation with its plots, so that the window need not."""
    import crystalgui.gui.panels.classify.evaluation  # noqa: F401


def quality(model: TrainedModel) -> Evaluation | None:
    """A model on its own test crystals, for its card; None where it has no table of them."""
    from crystalgui.gui.panels.classify.evaluation import TEST, own_test

    return own_test(model) if (Path(model.folder) / TEST).is_file() else None


class ClassifyPanel(QWidget):
    """Drop files, choose models, read, sort, filter and export the answers.

    Signals
    -------
    page_wanted(str)
        Another page shall come to the stage.
    """

    page_wanted = Signal(str)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._state = session.predictions
        self._waiting: tuple[Path, ...] = ()
        self._opening: Path | None = None
        self._seen = ""
        self.setAcceptDrops(True)
        self.bar = ClassifyBar()
        self.bar.options.set_scheduler(session.settings.scheduler)
        self.card = PredictionsCard(self._state)
        self.table, self.view, self.cells = self.card.table, self.card.view, self.card.cells
        self.filter = self.card.filter
        self._tools()
        self.preview = PreviewCard(session)
        self.preview.hide()
        self.split = split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self.card)
        split.addWidget(self.preview)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 1)
        split.setHandleWidth(SPACE[2])
        split.setChildrenCollapsible(False)
        empty = EmptyState(
            "classify",
            "Drop crystals here",
            "Files, folders or a zip: POSCAR, CIF and what else can be read. Every file becomes "
            "a row; one that cannot be read says why.",
            [("Choose files…", self.bar.ask_files), ("Choose a folder…", self.bar.ask_folder)],
        )
        self.stack = QStackedWidget()
        self.stack.addWidget(empty)
        self.stack.addWidget(split)
        self.evaluation: EvaluationRoom | None = None
        self.rooms = QStackedWidget()
        self.rooms.addWidget(self.stack)
        self.rooms.addWidget(QWidget())
        self.tabs = QTabBar()
        self.tabs.setExpanding(False)
        self.tabs.setDrawBase(False)
        self.tabs.setAccessibleName("Rooms of the Classify page")
        for title, tip in (
            ("Predictions", "A row a crystal"),
            ("Evaluation", "How good and how sure the models are"),
        ):
            self.tabs.setTabToolTip(self.tabs.addTab(title), tip)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE[1])
        layout.addWidget(self.bar)
        layout.addWidget(self.tabs)
        layout.addWidget(self.rooms, 1)
        self._connect()
        self._take_models()
        self._show_stack()
        self.card.start_again()
        self._show_job()

    # ------------------------------------------------------------ building

    def _tools(self) -> None:
        self.csv_chip = Chip("CSV", tooltip="Write the rows that are shown as CSV")
        self.csv_chip.setObjectName("exportPredictions")
        self.copy_chip = Chip("copy", tooltip="Copy the selected rows as TSV, Ctrl+C")
        self.report_button = Chip("Report…", tooltip="A PDF and CSV of these rows")
        self.report_button.setObjectName("reportPredictions")
        self.labels_chip = Chip("Known labels…", tooltip="Compare the answers with known labels")
        self.labels_chip.setObjectName("knownLabels")
        for widget in (self.copy_chip, self.csv_chip, self.labels_chip, self.report_button):
            self.card.tools.addWidget(widget)

    def _connect(self) -> None:
        session, state = self._session, self._state
        session.project.catalogue_changed.connect(self._take_models)
        session.project.opened.connect(self._opened)
        state.added.connect(self._rows_added)
        state.cleared.connect(self._cleared)
        state.job_changed.connect(self._show_job)
        state.ended.connect(self._ended)
        self.bar.paths_chosen.connect(self.classify)
        self.bar.models_changed.connect(self._models_changed)
        self.bar.again_asked.connect(lambda: self.classify(list(state.paths)))
        self.bar.cancel_asked.connect(state.cancel)
        self.bar.card_shown.connect(self._show_quality)
        self.bar.options.scheduler_changed.connect(self._keep_scheduler)
        self.copy_chip.clicked.connect(self.copy)
        self.csv_chip.clicked.connect(self.ask_export)
        self.labels_chip.clicked.connect(self.ask_labels)
        self.report_button.clicked.connect(lambda: self.page_wanted.emit("report"))
        self.card.row_chosen.connect(self._row_chosen)
        self.card.open_asked.connect(self.open_current)
        self.card.copy_asked.connect(self.copy)
        self.view.customContextMenuRequested.connect(self._menu)
        self.preview.open_asked.connect(self.open_current)
        self.preview.evidence_asked.connect(self.ask_evidence)
        self.preview.closed.connect(self.preview.hide)
        self.tabs.currentChanged.connect(self._show_room)

    def actions(self) -> list[ActionInfo]:
        """What this page adds to the menus."""
        return [
            ActionInfo(
                "classify.files",
                "Classify files…",
                self.bar.ask_files,
                icon="classify",
                menu="File",
                tip="Predict the class of structure files",
                group=2,
            ),
            ActionInfo(
                "classify.folder",
                "Classify a folder…",
                self.bar.ask_folder,
                icon="classify",
                menu="File",
                tip="Predict the class of every structure in a folder",
                group=2,
            ),
            ActionInfo(
                "classify.export",
                "Export predictions as CSV…",
                self.ask_export,
                icon="export",
                menu="File",
                tip="Write the rows that are shown",
                group=2,
                enabled=lambda: bool(self._state.rows),
            ),
            ActionInfo(
                "classify.before",
                "Previous table of predictions",
                self.bring_back,
                menu="File",
                tip="Bring back the rows that made room for these",
                group=2,
                enabled=lambda: self._state.before is not None,
            ),
            ActionInfo(
                "classify.evidence",
                "What the answer of this row rests on",
                self.ask_evidence,
                icon="evidence",
                tip="Attention, saliency, the atomic limit and similar crystals",
                enabled=lambda: self.card.current is not None,
            ),
        ]

    # ------------------------------------------------------------ requests

    def classify(self, paths: list[Path]) -> None:
        """Classify files, folders and zips with the chosen models."""
        if not paths:
            return
        models = self.bar.models
        if not models:
            self._waiting = tuple(paths)
            self._session.notify.info("Classification starts when the models are loaded.")
            return
        self._waiting = ()
        settings = self._session.settings
        self._state.classify(
            paths,
            [model.name for model in models],
            device=getattr(settings, "device", "auto"),
            project=self._session.project.folder,
            out=self.bar.options.out,
            scheduler=self.bar.options.scheduler,
        )
        self.tabs.setCurrentIndex(TABLE)

    def bring_back(self) -> None:
        """Show the rows that made room for these; once more brings these back."""
        self._state.bring_back()
        self.tabs.setCurrentIndex(TABLE)
        self.page_wanted.emit("classify")

    def _show_quality(self, model: TrainedModel) -> None:
        """Draw on a model's card how good it is."""

        def take(found: Evaluation | None) -> None:
            if found is not None:
                self.bar.popover.show_quality(model.name, found)

        self._session.lane.ask(
            "classify:card",
            quality,
            model,
            on_answer=take,
            on_error=self._session.notify.error,
            owner=self,
            slow=True,
        )

    def _keep_scheduler(self, address: str) -> None:
        if address != self._session.settings.scheduler:
            self._session.update_settings(scheduler=address)

    def ask_labels(self) -> None:
        """Ask for known labels and show how good the answers are."""
        found, _ = QFileDialog.getOpenFileName(
            self, "Known labels: a table with the columns id and label", "", "CSV (*.csv)"
        )
        if found:
            self.show_labels(Path(found))

    def show_labels(self, path: Path) -> None:
        """Compare the answers with the labels of a file."""
        self.tabs.setCurrentIndex(EVALUATION)
        self._with_evaluation(lambda room: room.compare(path))

    def _show_room(self, index: int) -> None:
        if index == EVALUATION:
            self._with_evaluation(lambda room: room.refresh())
        else:
            self.rooms.setCurrentIndex(TABLE)

    def _with_evaluation(self, act: Callable[[EvaluationRoom], None]) -> None:
        """Do something in the room of evaluation, which is built when it is first seen."""
        if self.evaluation is not None:
            self.rooms.setCurrentIndex(EVALUATION)
            act(self.evaluation)
            return
        self._session.lane.run(
            load_evaluation,
            on_answer=lambda _: self._built(act),
            on_error=self._session.notify.error,
            owner=self,
        )

    def _built(self, act: Callable[[EvaluationRoom], None]) -> None:
        from crystalgui.gui.panels.classify.evaluation import EvaluationRoom

        if self.evaluation is None:
            self.evaluation = room = EvaluationRoom(self._session)
            room.rows_wanted.connect(self._show_only)
            room.labels_asked.connect(self.ask_labels)
            room.reject_changed.connect(self.card.set_reject)
            self.rooms.removeWidget(self.rooms.widget(EVALUATION))
            self.rooms.addWidget(room)
        if self.tabs.currentIndex() == EVALUATION:
            self.rooms.setCurrentIndex(EVALUATION)
        act(self.evaluation)

    def _show_only(self, files: frozenset[str], words: str) -> None:
        self.card.show_only(files, words)
        self.tabs.setCurrentIndex(TABLE)

    def open_current(self) -> None:
        """Open the crystal of the current row in the project."""
        row = self.card.current
        if row is None:
            return
        self._session.lane.run(
            sources.extract,
            self._state.paths,
            row.file,
            cache() / "from-archives",
            on_answer=self._open,
            on_error=self._session.notify.error,
            owner=self,
        )

    def ask_evidence(self) -> None:
        """Show what the answer for the current row rests on."""
        row = self.card.current
        if row is not None and not row.error:
            self._session.evidence.show_row(row, self._state.paths)
            self.page_wanted.emit("evidence")

    def _open(self, path: Path) -> None:
        project = self._session.project
        found = next((f for f in project.files if f.path == path), None)
        self._opening = path if found is None else None
        if found is None:
            project.open_paths([path])
        else:
            project.set_current(found)
        self.page_wanted.emit("structure")

    def _opened(self, path: Path) -> None:
        """The crystal that was asked for is open: make it the current one."""
        if path == self._opening:
            self._opening = None
            self._open(path)

    def copy(self) -> None:
        """Copy selected rows, or all that are shown, as TSV."""
        from crystalgui.core.reports.csv import predictions_text

        rows = self.card.selected() or self.table.entries()
        QGuiApplication.clipboard().setText(predictions_text(rows, separator="\t"))

    def ask_export(self) -> None:
        """Ask for a file and write the rows that are shown."""
        start = str(Path.home() / "predictions.csv")
        found, _ = QFileDialog.getSaveFileName(self, "Export predictions", start, "CSV (*.csv)")
        if found:
            self.export(Path(found))

    def export(self, path: Path) -> None:
        """Write the rows that are shown, in their order."""
        from crystalgui.core.reports.csv import write_predictions

        rows = self.table.entries()
        self._session.lane.run(
            write_predictions,
            path,
            rows,
            on_answer=lambda done: self._session.notify.info(
                f"{len(rows):,} rows written to {Path(done).name}."
            ),
            on_error=self._session.notify.error,
            owner=self,
        )

    # -------------------------------------------------------------- answers

    def _take_models(self) -> None:
        project = self._session.project
        self.bar.families = {card.name: card for card in project.cards}
        self.bar.set_models(of_crystals(project.models, project.cards))
        self._set_columns()
        if self._waiting and self.bar.models:
            self.classify(list(self._waiting))

    def _models_changed(self) -> None:
        self.bar.again_button.setVisible(bool(self._state.paths))
        if not self._state.models:
            self._set_columns()

    def _set_columns(self) -> None:
        """A column for each model that made the rows, or that will."""
        cards = {model.name: model for model in self._session.project.models}
        names = self._state.models or tuple(model.name for model in self.bar.models)
        self.card.set_columns(columns_for(names, cards))

    def _cleared(self) -> None:
        before = self._state.before
        if before is not None and len(before.rows) > FEW:
            self._session.notify.info(
                f"The {len(before.rows):,} rows of before come back with “Previous table of "
                "predictions” in the File menu."
            )
        self.preview.clear()
        self._session.selection.select_prediction(None)
        self._set_columns()
        self.card.show_only(None)
        self._show_stack()
        self.card.start_again()

    def _rows_added(self, _first: int = 0, _last: int = 0) -> None:
        self._show_stack()
        self.card.rows_came()

    def _show_stack(self) -> None:
        busy = self._state.job is not None
        self.stack.setCurrentIndex(1 if self._state.rows or busy else 0)

    def _row_chosen(self, row: Prediction | None) -> None:
        self._session.selection.select_prediction(row)
        if row is not None:
            self.preview.show_row(row, self._state.paths)
            self.preview.show()

    def _show_job(self) -> None:
        job, running = self._state.job, self._session.jobs.current
        self.bar.show_job(job, running.title if running not in (None, job) else "")
        self._models_changed()
        if job is not None:
            self.stack.setCurrentIndex(1)
            if job.job_id != self._seen:
                self._seen = job.job_id
                self.bar.choose(*self._state.models)

    def _ended(self, row: JobRow) -> None:
        self.card.start_again()
        if row.error is not None and row.status in ("failed", "crashed"):
            self._failed(row.error)
        out = self._state.out
        if out is None:
            return
        self.bar.options.set_out(out)
        if row.status == "done":
            self._session.notify.info(f"{out.name} is written.")
        elif self._state.rows:
            self._session.notify.info(
                f"{len(self._state.rows):,} rows are kept for {out.name}: “Again” goes on there."
            )

    def _failed(self, error: ErrorInfo) -> None:
        hint = error.hint
        if error.kind == "device":
            hint = f"{hint} Choose the CPU in the settings."
        self.card.set_title("Predictions", f"{error.title} {hint}".strip())

    def _menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.addAction("Open the crystal", self.open_current)
        menu.addAction("What the answer rests on", self.ask_evidence)
        menu.addAction("Copy as TSV", self.copy)
        menu.addAction("Export CSV…", self.ask_export)
        menu.exec(self.view.viewport().mapToGlobal(at))
        menu.deleteLater()

    # --------------------------------------------------------- size and drop

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The crystal stands beside the table, or below it in a narrow window."""
        super().resizeEvent(event)
        wide = self.width() >= SIDE_BY_SIDE
        wanted = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if self.split.orientation() != wanted:
            self.split.setOrientation(wanted)
            self.split.setSizes([3 * self.width(), self.width()] if wide else [1000, 600])

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files may be dropped here to be classified."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Classify what is dropped."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        event.acceptProposedAction()
        self.classify(paths)
