"""The Runs page: history of training, side by side."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QSplitter,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.messages import SweepRecipe
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.runs.cells import RunCells
from crystalgui.gui.panels.runs.details import DetailsCard
from crystalgui.gui.panels.runs.new_sweep import SweepDialog
from crystalgui.gui.panels.runs.overlay import OverlayCard
from crystalgui.gui.panels.runs.sweep import SweepCard
from crystalgui.gui.session import Session
from crystalgui.gui.state.runs import RunView
from crystalgui.gui.state.runs_table import (
    COLUMNS,
    RUN_ROLE,
    STARTED,
    TAGS,
    TITLE,
    RunsProxy,
    RunsTable,
)
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, EmptyState, PlainButton


class RunsPanel(Growing, QWidget):
    """Table of runs, overlaid curves of those selected, and details of one.

    Signals
    -------
    page_wanted(str)
        Another page shall come to the stage.
    """

    page_wanted = Signal(str)

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._runs = session.runs
        self.table = RunsTable(self._runs, self)
        self.proxy = RunsProxy(self)
        self.proxy.setSourceModel(self.table)
        self.grow(self._build(), at_once)

    def _build(self) -> Steps:
        self.overlay = OverlayCard()
        yield
        self.details = DetailsCard(self._session.lane)
        yield
        self.sweep = SweepCard(self._session)
        yield
        self.details.hide()
        self.curves = QStackedWidget()
        self.curves.addWidget(self.overlay)
        self.curves.addWidget(self.sweep)
        below = QSplitter(Qt.Orientation.Horizontal)
        below.addWidget(self.curves)
        below.addWidget(self.details)
        below.setStretchFactor(0, 2)
        below.setStretchFactor(1, 1)
        below.setHandleWidth(SPACE[2])
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self._list_card())
        yield
        split.addWidget(below)
        split.setStretchFactor(0, 1)
        split.setStretchFactor(1, 1)
        split.setHandleWidth(SPACE[2])
        split.setChildrenCollapsible(False)
        empty = EmptyState(
            "runs",
            "No runs yet",
            "Every training run is kept here with its recipe, curves and checkpoint. "
            "A sweep trains many networks over degrees of rolling.",
            [
                ("Train a network", lambda: self.page_wanted.emit("train")),
                ("New sweep…", self.ask_sweep),
            ],
        )
        self.stack = QStackedWidget()
        self.stack.addWidget(empty)
        self.stack.addWidget(split)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.stack)
        yield
        self._connect()
        self._listed()

    # ------------------------------------------------------------ building

    def _list_card(self) -> Card:
        self.card = card = Card("Runs")
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("filter by words")
        self.filter.setClearButtonEnabled(True)
        self.filter.setMaximumWidth(200)
        self.filter.setAccessibleName("Filter runs")
        self.bin_chip = Chip("bin", checkable=True, tooltip="Runs that were deleted")
        self.bin_chip.setObjectName("binChip")
        self.export_chip = Chip("CSV", tooltip="Export every run as one CSV")
        self.export_chip.setObjectName("exportRuns")
        self.sweep_chip = Chip("sweep…", tooltip="Train many networks over degrees of rolling")
        self.sweep_chip.setObjectName("newSweep")
        for widget in (self.filter, self.sweep_chip, self.bin_chip, self.export_chip):
            card.tools.addWidget(widget)
        self.view = view = QTableView()
        view.setAccessibleName("Runs")
        view.setModel(self.proxy)
        view.setItemDelegate(RunCells(view))
        view.setSortingEnabled(True)
        view.sortByColumn(STARTED, Qt.SortOrder.DescendingOrder)
        view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        view.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.verticalHeader().hide()
        view.verticalHeader().setDefaultSectionSize(28)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header = view.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        widths = (168, 112, 112, 80, 72, 112, 84, 76, 128, 60)
        for column, width in enumerate(widths):
            header.resizeSection(column, width)
        card.body.addWidget(view, 1)
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.resume_button = PlainButton("Resume", icon_name="resume")
        self.watch_button = PlainButton("Watch")
        self.stop_button = PlainButton("Stop", icon_name="stop")
        self.stop_button.setToolTip("Stop after this epoch; what is ready is kept")
        self.details_button = PlainButton("Details")
        self.tag_button = PlainButton("Tags…", icon_name="tag")
        self.rename_button = PlainButton("Rename…")
        self.bin_button = PlainButton("Delete", icon_name="delete")
        for button in self._buttons():
            row.addWidget(button)
        row.addStretch(1)
        card.body.addLayout(row)
        return card

    def _buttons(self) -> tuple[PlainButton, ...]:
        return (
            self.watch_button,
            self.resume_button,
            self.stop_button,
            self.details_button,
            self.rename_button,
            self.tag_button,
            self.bin_button,
        )

    def _connect(self) -> None:
        runs = self._runs
        runs.listed.connect(self._listed)
        runs.run_changed.connect(self._run_changed)
        runs.curves_changed.connect(self.overlay.update_run)
        runs.points_changed.connect(self.sweep.update_run)
        self._session.monitors.changed.connect(self._inside_changed)
        self.filter.textChanged.connect(self.proxy.set_text)
        self.bin_chip.toggled.connect(self._show_bin)
        self.export_chip.clicked.connect(self.ask_export)
        self.sweep_chip.clicked.connect(self.ask_sweep)
        self.view.selectionModel().selectionChanged.connect(self._selected)
        self.view.doubleClicked.connect(lambda _index: self.show_details())
        self.view.customContextMenuRequested.connect(self._menu)
        self.resume_button.clicked.connect(self.resume)
        self.watch_button.clicked.connect(self.watch)
        self.stop_button.clicked.connect(self.stop)
        self.details_button.clicked.connect(self.show_details)
        self.tag_button.clicked.connect(lambda: self._edit(TAGS))
        self.rename_button.clicked.connect(lambda: self._edit(TITLE))
        self.bin_button.clicked.connect(self.bin_or_restore)
        self.details.closed.connect(self.details.hide)
        self.sweep.inside.clicked.connect(self.show_details)
        for key, act in (
            (QKeySequence.StandardKey.Copy, self.copy),
            (QKeySequence.StandardKey.Delete, self.bin_or_restore),
            (QKeySequence(Qt.Key.Key_Return), self.show_details),
        ):
            shortcut = QShortcut(QKeySequence(key), self.view)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(act)

    def actions(self) -> list[ActionInfo]:
        """What this page adds to the Train menu."""
        return [
            ActionInfo(
                "runs.sweep",
                "Sweep over the degree of rolling…",
                self.ask_sweep,
                menu="Train",
                tip="Train many networks as one run and compare them",
                group=1,
            ),
            ActionInfo(
                "runs.export",
                "Export all runs as CSV…",
                self.ask_export,
                icon="export",
                menu="Train",
                tip="One row a run: recipe, best metrics, dates, tags",
                group=1,
            ),
        ]

    # ------------------------------------------------------------- queries

    def selected(self) -> list[RunView]:
        """Runs that are selected, in the order of the table."""
        rows = self.view.selectionModel().selectedRows()
        return [index.data(RUN_ROLE) for index in sorted(rows, key=lambda i: i.row())]

    # ------------------------------------------------------------- requests

    def resume(self) -> None:
        """Go on with the selected run and watch it."""
        for run in self.selected()[:1]:
            if run.resumable:
                self._runs.resume(run)
                if run.sweep is None:
                    self.page_wanted.emit("train")

    def ask_sweep(self) -> None:
        """Ask for a sweep; when it starts, it is selected here."""
        dialog = SweepDialog(self._session, self)
        dialog.asked.connect(self.begin_sweep)
        dialog.open()

    def begin_sweep(self, recipe: SweepRecipe) -> None:
        """Start a sweep and show it."""
        run = self._runs.sweep(recipe)
        self.filter.clear()
        self.bin_chip.setChecked(False)
        self.page_wanted.emit("runs")
        for row in range(self.proxy.rowCount()):
            if self.proxy.index(row, 0).data(RUN_ROLE) is run:
                self.view.selectRow(row)

    def stop(self) -> None:
        """Stop the selected run after this epoch; it can go on later."""
        for run in self.selected()[:1]:
            self._runs.stop_after_epoch(run)

    def watch(self) -> None:
        """Show the selected run on the Train page."""
        for run in self.selected()[:1]:
            self._runs.watch(run)
            self.page_wanted.emit("train")

    def show_details(self) -> None:
        """Recipe, metrics and facts of the selected run."""
        for run in self.selected()[:1]:
            self._detail(run)
            self.details.show()

    def _detail(self, run: RunView) -> None:
        monitors = self._session.monitors
        self.details.show_run(run)
        self.details.show_inside(monitors, run)
        monitors.load(run.run_id, run.folder)

    def _inside_changed(self, run_id: str) -> None:
        chosen = self.selected()[:1]
        if self.details.isVisible() and chosen and chosen[0].run_id == run_id:
            self.details.show_inside(self._session.monitors, chosen[0])

    def bin_or_restore(self) -> None:
        """Delete to the bin, or bring back from it."""
        chosen = [run for run in self.selected() if not run.alive]
        if self.bin_chip.isChecked():
            self._runs.restore(chosen)
        elif chosen:
            self._runs.bin(chosen)
            what = f"“{chosen[0].title}”" if len(chosen) == 1 else f"{len(chosen)} runs"
            self._session.notify.info(f"{what} moved to the bin.")

    def ask_export(self) -> None:
        """Ask for a file and write every run to it."""
        start = str(Path.home() / "runs.csv")
        found, _ = QFileDialog.getSaveFileName(self, "Export runs", start, "CSV (*.csv)")
        if found:
            self.export(Path(found))

    def export(self, path: Path) -> None:
        """Write every run to one CSV."""
        self._runs.export(
            path, lambda done: self._session.notify.info(f"Runs written to {done.name}.")
        )

    def copy(self) -> None:
        """Copy selected rows as TSV."""
        rows = sorted(self.view.selectionModel().selectedRows(), key=lambda i: i.row())
        lines = ["\t".join(COLUMNS)]
        for index in rows:
            cells = (index.siblingAtColumn(c).data() or "" for c in range(len(COLUMNS)))
            lines.append("\t".join(cells))
        QGuiApplication.clipboard().setText("\n".join(lines) + "\n")

    def _edit(self, column: int) -> None:
        rows = self.view.selectionModel().selectedRows()
        if rows:
            self.view.edit(rows[0].siblingAtColumn(column))

    def _menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        for button in self._buttons():
            action = menu.addAction(button.text(), button.click)
            action.setEnabled(button.isEnabled())
        menu.addAction("Copy as TSV", self.copy)
        menu.exec(self.view.viewport().mapToGlobal(at))
        menu.deleteLater()

    # -------------------------------------------------------------- answers

    def _show_bin(self, on: bool) -> None:
        self.bin_button.setText("Restore" if on else "Delete")
        self.table.show_bin(on)
        self._listed()

    def _listed(self) -> None:
        known = bool(self._runs.runs)
        self.stack.setCurrentIndex(1 if known else 0)
        living = sum(not run.binned for run in self._runs.runs)
        binned = len(self._runs.runs) - living
        self.card.set_title("Runs", f"{living:,}")
        self.bin_chip.setText(f"bin {binned}" if binned else "bin")
        if known and not self.view.selectionModel().hasSelection() and self.proxy.rowCount():
            self.view.selectRow(0)
        self._selected()

    def _selected(self, *_: object) -> None:
        chosen = self.selected()
        for run in chosen:
            self._runs.load(run)
        self.overlay.show_runs([run for run in chosen if run.sweep is None])
        first = chosen[0] if chosen else None
        if first is not None and first.sweep is not None:
            self.sweep.show_run(first)
            self.curves.setCurrentWidget(self.sweep)
        else:
            self.curves.setCurrentWidget(self.overlay)
        self.resume_button.setEnabled(first is not None and first.resumable)
        self.stop_button.setEnabled(first is not None and _stoppable(first))
        self.watch_button.setEnabled(len(chosen) == 1 and chosen[0].sweep is None)
        self.details_button.setEnabled(len(chosen) == 1)
        self.rename_button.setEnabled(first is not None and first.stored is not None)
        self.tag_button.setEnabled(first is not None and first.stored is not None)
        self.bin_button.setEnabled(any(not run.alive for run in chosen))
        if self.details.isVisible() and first is not None:
            self._detail(first)
        self.view.viewport().update()

    def _run_changed(self, run: RunView) -> None:
        chosen = self.selected()
        if run in chosen:
            self.resume_button.setEnabled(chosen[0].resumable)
            self.stop_button.setEnabled(_stoppable(chosen[0]))
            self.sweep.update_run(run)

    def showEvent(self, event: QShowEvent) -> None:
        """Read the store when nobody has."""
        super().showEvent(event)
        if not self._runs.loaded:
            self._runs.refresh()


def _stoppable(run: RunView) -> bool:
    return run.status in ("queued", "running")
