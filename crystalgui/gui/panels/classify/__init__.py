"""The Classify page: many crystals in, a table of predictions out."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeySequence,
    QResizeEvent,
    QShortcut,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QFileDialog,
    QHeaderView,
    QLineEdit,
    QMenu,
    QSplitter,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.cards import TrainedModel
from crystalgui.core.messages import ErrorInfo, Prediction
from crystalgui.core.settings import cache
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.panels.classify.bar import ClassifyBar
from crystalgui.gui.panels.classify.cells import ROW_HEIGHT, PredictionCells, bars_width
from crystalgui.gui.panels.classify.preview import PreviewCard
from crystalgui.gui.session import Session
from crystalgui.gui.state import sources
from crystalgui.gui.state.jobs import JobRow
from crystalgui.gui.state.predictions import (
    ERRORS,
    FILE,
    FORMULA,
    PREDICTION,
    PROBABILITIES,
    ROW_ROLE,
    SPACE_GROUP,
    WARNINGS,
    PredictionsProxy,
    PredictionsTable,
)
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, EmptyState, FlowLayout

WIDTHS = {FILE: 150, FORMULA: 104, SPACE_GROUP: 112, PREDICTION: 104}
SIDE_BY_SIDE = 860


class ClassifyPanel(QWidget):
    """Drop files, choose a model, read, sort, filter and export the answers.

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
        self.setAcceptDrops(True)
        self.bar = ClassifyBar()
        self.table = PredictionsTable(self._state, self)
        self.proxy = PredictionsProxy(self)
        self.proxy.setSourceModel(self.table)
        self.preview = PreviewCard(session)
        self.preview.hide()
        self.split = split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self._table_card())
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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE[2])
        layout.addWidget(self.bar)
        layout.addWidget(self.stack, 1)
        self._connect()
        self._take_models()
        self._rows_added()
        self._show_job()

    # ------------------------------------------------------------ building

    def _table_card(self) -> Card:
        self.card = card = Card("Predictions")
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("filter by words")
        self.filter.setClearButtonEnabled(True)
        self.filter.setMaximumWidth(180)
        self.filter.setAccessibleName("Filter rows")
        self.csv_chip = Chip("CSV", tooltip="Write the rows that are shown as CSV")
        self.csv_chip.setObjectName("exportPredictions")
        self.copy_chip = Chip("copy", tooltip="Copy the selected rows as TSV, Ctrl+C")
        self.report_button = Chip("Report…", tooltip="A PDF and CSV of these rows")
        self.report_button.setObjectName("reportPredictions")
        for widget in (self.filter, self.copy_chip, self.csv_chip, self.report_button):
            card.tools.addWidget(widget)
        classes = QWidget()
        self._flow = FlowLayout(classes)
        self._class_group = QButtonGroup(self)
        self._class_chips: dict[str, Chip] = {}
        card.body.addWidget(classes)
        self.view = view = QTableView()
        view.setAccessibleName("Predictions")
        view.setModel(self.proxy)
        self.cells = PredictionCells(view)
        for column in (PREDICTION, PROBABILITIES, WARNINGS):
            view.setItemDelegateForColumn(column, self.cells)
        view.setSortingEnabled(True)
        view.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.verticalHeader().hide()
        view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        view.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header = view.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setStretchLastSection(True)
        for column, width in WIDTHS.items():
            header.resizeSection(column, width)
        card.body.addWidget(view, 1)
        return card

    def _connect(self) -> None:
        session, state = self._session, self._state
        session.project.catalogue_changed.connect(self._take_models)
        session.project.opened.connect(self._opened)
        state.added.connect(self._rows_added)
        state.cleared.connect(self._rows_added)
        state.job_changed.connect(self._show_job)
        state.ended.connect(self._ended)
        self.bar.paths_chosen.connect(self.classify)
        self.bar.model_changed.connect(self._model_changed)
        self.bar.again_asked.connect(lambda: self.classify(list(state.paths)))
        self.bar.cancel_asked.connect(state.cancel)
        self.filter.textChanged.connect(self._filter)
        self.copy_chip.clicked.connect(self.copy)
        self.csv_chip.clicked.connect(self.ask_export)
        self.report_button.clicked.connect(lambda: self.page_wanted.emit("report"))
        self.view.selectionModel().currentRowChanged.connect(self._row_chosen)
        self.view.doubleClicked.connect(lambda _index: self.open_current())
        self.view.customContextMenuRequested.connect(self._menu)
        self.preview.open_asked.connect(self.open_current)
        self.preview.closed.connect(self.preview.hide)
        for key, act in (
            (QKeySequence.StandardKey.Copy, self.copy),
            (QKeySequence(Qt.Key.Key_Return), self.open_current),
        ):
            shortcut = QShortcut(QKeySequence(key), self.view)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(act)

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
        ]

    # ------------------------------------------------------------ requests

    def classify(self, paths: list[Path]) -> None:
        """Classify files, folders and zips with the chosen model."""
        if not paths:
            return
        model = self.bar.model
        if model is None:
            self._waiting = tuple(paths)
            self._session.notify.info("Classification starts when the models are loaded.")
            return
        self._waiting = ()
        settings = self._session.settings
        self.preview.clear()
        self._state.classify(
            paths,
            [model.name],
            device=getattr(settings, "device", "auto"),
            project=self._session.project.folder,
        )

    def open_current(self) -> None:
        """Open the crystal of the current row in the project."""
        row = self._current()
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

        rows = self._selected() or self.proxy.entries()
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

        rows = self.proxy.entries()
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

    # ------------------------------------------------------------- queries

    def _current(self) -> Prediction | None:
        index = self.view.currentIndex()
        return index.data(ROW_ROLE) if index.isValid() else None

    def _selected(self) -> list[Prediction]:
        rows = sorted(self.view.selectionModel().selectedRows(), key=lambda i: i.row())
        return [index.data(ROW_ROLE) for index in rows]

    # -------------------------------------------------------------- answers

    def _take_models(self) -> None:
        project = self._session.project
        others = {card.name for card in project.cards if card.inputs and not card.reads("crystal")}
        self.bar.families = {card.name: card for card in project.cards}
        self.bar.set_models([m for m in project.models if m.family not in others])
        if self._waiting and self.bar.model is not None:
            self.classify(list(self._waiting))

    def _model_changed(self, _model: TrainedModel | None) -> None:
        paths = bool(self._state.paths)
        self.bar.again_button.setVisible(paths)

    def _shown_model(self) -> TrainedModel | None:
        """The model that made the rows."""
        return self._session.project.model(self._state.model) or self.bar.model

    def _classes(self) -> tuple[str, ...]:
        model = self._shown_model()
        listed = model.classes if model is not None else ()
        seen = [c for c in self._state.classes if c and c not in listed and c != ERRORS]
        return (*listed, *(seen if listed else []))

    def _rows_added(self, first: int = 0, _last: int = 0) -> None:
        rows = self._state.rows
        busy = self._state.job is not None
        self.stack.setCurrentIndex(1 if rows or busy else 0)
        classes = self._classes()
        if first == 0:
            self.cells.set_classes(classes)
            with_bars = bool(classes)
            self.view.setColumnHidden(PROBABILITIES, not with_bars)
            self.view.horizontalHeader().resizeSection(PROBABILITIES, bars_width(len(classes)))
        self._offer_classes(classes)
        self._title()

    def _title(self) -> None:
        total, shown = len(self._state.rows), self.proxy.rowCount()
        bad = self._state.classes[ERRORS]
        words = f"{total:,} crystals" if shown == total else f"{shown:,} of {total:,} crystals"
        self.card.set_title("Predictions", f"{words}, {bad:,} unreadable" if bad else words)

    def _offer_classes(self, classes: tuple[str, ...]) -> None:
        counts = self._state.classes
        wanted = ["", *(c for c in classes if counts[c]), *([ERRORS] if counts[ERRORS] else [])]
        if list(self._class_chips) != wanted:
            chosen = next((n for n, c in self._class_chips.items() if c.isChecked()), "")
            for chip in self._class_chips.values():
                self._class_group.removeButton(chip)
                self._flow.removeWidget(chip)
                chip.hide()
                chip.deleteLater()
            self._class_chips = {}
            for name in wanted:
                chip = Chip(name, checkable=True, tooltip=f"Show {name or 'all rows'}")
                chip.clicked.connect(lambda _=False, n=name: self._filter_class(n))
                self._class_group.addButton(chip)
                self._flow.addWidget(chip)
                self._class_chips[name] = chip
            self._class_chips.get(chosen, self._class_chips[""]).setChecked(True)
            if chosen not in self._class_chips:
                self._filter_class("")
        for name, chip in self._class_chips.items():
            n = len(self._state.rows) if not name else counts[name]
            chip.setText(f"{name or 'all'} {n:,}")

    def _filter(self, text: str) -> None:
        self.proxy.set_text(text)
        self._title()

    def _filter_class(self, name: str) -> None:
        self.proxy.set_class(name)
        self._title()

    def _row_chosen(self, current: QModelIndex, _previous: QModelIndex) -> None:
        row: Prediction | None = current.data(ROW_ROLE) if current.isValid() else None
        self._session.selection.select_prediction(row)
        if row is not None:
            self.preview.show_row(row, self._state.paths)
            self.preview.show()

    def _show_job(self) -> None:
        job, running = self._state.job, self._session.jobs.current
        self.bar.show_job(job, running.title if running not in (None, job) else "")
        self._model_changed(self.bar.model)
        if self._state.job is not None:
            self.stack.setCurrentIndex(1)
            self.bar.choose(self._state.model)

    def _ended(self, row: JobRow) -> None:
        if row.error is not None and row.status in ("failed", "crashed"):
            self._failed(row.error)

    def _failed(self, error: ErrorInfo) -> None:
        hint = error.hint
        if error.kind == "device":
            hint = f"{hint} Choose the CPU in the settings."
        self.card.set_title("Predictions", f"{error.title} {hint}".strip())

    def _menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.addAction("Open the crystal", self.open_current)
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
