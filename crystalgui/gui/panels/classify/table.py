"""The table of predictions: a row a crystal, a column a task; sorted, filtered, refused."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QButtonGroup,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QTableView,
    QWidget,
)

from crystalgui.core.messages import Prediction
from crystalgui.gui.panels.classify.cells import ROW_HEIGHT, PredictionCells, bars_width
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.state.predictions import PredictionsState, answer_of
from crystalgui.gui.state.predictions_table import (
    ERRORS,
    FILE,
    FORMULA,
    ROW_ROLE,
    SPACE_GROUP,
    Column,
    Filter,
    Order,
    PredictionsTable,
)
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, FlowLayout

WIDTHS = {FILE: 150, FORMULA: 104, SPACE_GROUP: 112}
ALONE, ANSWER, NUMBER = 128, 172, 150
WITH_SPREAD = 190

MOST_CHIPS = 14
PAUSE = 250


class PredictionsCard(Card):
    """The table with its filters.

    Signals
    -------
    row_chosen(Prediction or None)
    open_asked(), copy_asked()
    """

    row_chosen = Signal(object)
    open_asked = Signal()
    copy_asked = Signal()

    def __init__(self, state: PredictionsState, parent: QWidget | None = None) -> None:
        super().__init__("Predictions", "", parent)
        self._state = state
        self._classes: dict[str, str] = {}
        self._only: tuple[str, frozenset[str]] | None = None
        self._unreadable = False
        self._current: Prediction | None = None
        self._reject = ("", 0.0)
        self._said = ""
        self._stale = self._wide = False
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE)
        self._pause.timeout.connect(self._paused)
        self.table = PredictionsTable(state, self)
        self._add_tools()
        self._chips_row()
        self.view = self._make_view()
        self.body.addWidget(self.view, 1)
        self.view.selectionModel().currentRowChanged.connect(self._row_chosen)
        self.view.doubleClicked.connect(lambda _index: self.open_asked.emit())
        for key, asked in (
            (QKeySequence(QKeySequence.StandardKey.Copy), self.copy_asked),
            (QKeySequence(Qt.Key.Key_Return), self.open_asked),
        ):
            shortcut = QShortcut(key, self.view)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(asked)

    # -------------------------------------------------------------- building

    def _add_tools(self) -> None:
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("filter by words")
        self.filter.setClearButtonEnabled(True)
        self.filter.setMaximumWidth(180)
        self.filter.setAccessibleName("Filter rows")
        self.filter.textChanged.connect(lambda _text: self._refilter())
        self.sort_chip = Chip("sort", tooltip="By an answer, its probability or its uncertainty")
        self.sort_chip.setObjectName("sortPredictions")
        self.sort_chip.clicked.connect(self._sort_menu)
        for widget in (self.filter, self.sort_chip):
            self.tools.addWidget(widget)

    def _chips_row(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.task = ChoiceBox()
        self.task.setObjectName("classesOf")
        self.task.setAccessibleName("Task whose classes are offered")
        self.task.currentIndexChanged.connect(lambda _index: self.offer_classes())
        self.only_chip = Chip("", tooltip="Show all rows again")
        self.only_chip.setObjectName("showAllRows")
        self.only_chip.hide()
        self.only_chip.clicked.connect(lambda: self.show_only(None))
        chips = QWidget()
        self._flow = FlowLayout(chips)
        self._group = QButtonGroup(self)
        self.class_chips: dict[str, Chip] = {}
        row.addWidget(self.task, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.only_chip, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(chips, 1)
        self.body.addLayout(row)

    def _make_view(self) -> QTableView:
        view = QTableView()
        view.setAccessibleName("Predictions")
        view.setModel(self.table)
        self.cells = PredictionCells(view)
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
        return view

    # --------------------------------------------------------------- columns

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Show the answers of other models."""
        if tuple(columns) == self.table.columns and self.task.count():
            return
        self.table.set_columns(columns)
        self.cells.set_columns(columns)
        header = self.view.horizontalHeader()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        alone = sum(column.kind == "answer" for column in columns) < 2
        for place, column in enumerate(columns):
            drawn = column.kind in ("answer", "bars", "warnings")
            self.view.setItemDelegateForColumn(place, self.cells if drawn else None)
            if column.kind == "answer":
                wide = ALONE if alone else ANSWER
                header.resizeSection(place, wide if column.classes else NUMBER)
            elif column.kind == "bars":
                header.resizeSection(place, bars_width(len(column.classes)))
            elif place in WIDTHS:
                header.resizeSection(place, WIDTHS[place])
        self._classes = {}
        with QSignalBlocker(self.task):
            self.task.clear()
            for column in columns:
                if column.kind == "answer" and (column.classes or alone):
                    self.task.addItem(column.title, column)
        self.task.setVisible(self.task.count() > 1)
        self.offer_classes()

    def offer_classes(self) -> None:
        """Chips of the classes that occur, of the task in front; the commonest when many do."""
        column: Column | None = self.task.currentData()
        counts = self._state.classes.get(column.model, {}) if column is not None else {}
        names = [name for name in column.classes if counts.get(name)] if column is not None else []
        if len(names) > MOST_CHIPS:
            often = sorted(names, key=lambda name: -counts[name])[:MOST_CHIPS]
            chosen = self._classes.get(column.model, "") if column is not None else ""
            names = [name for name in names if name in often or name == chosen]
        wanted = ["", *names, *([ERRORS] if self._state.unreadable else [])]
        if list(self.class_chips) != wanted:
            self._make_chips(wanted)
        chosen = self._classes.get(column.model, "") if column is not None else ""
        self.class_chips.get(
            ERRORS if self._unreadable else chosen, self.class_chips[""]
        ).setChecked(True)
        total = {"": len(self._state.rows), ERRORS: self._state.unreadable}
        for name, chip in self.class_chips.items():
            text = f"{name or 'all'} {total.get(name, counts.get(name, 0)):,}"
            if text != chip.text():
                chip.setText(text)

    def _make_chips(self, names: Sequence[str]) -> None:
        for chip in self.class_chips.values():
            self._group.removeButton(chip)
            self._flow.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        self.class_chips = {}
        for name in names:
            chip = Chip(name, checkable=True, tooltip=f"Show {name or 'all rows'}")
            chip.clicked.connect(lambda _=False, n=name: self._filter_class(n))
            self._group.addButton(chip)
            self._flow.addWidget(chip)
            self.class_chips[name] = chip

    # ---------------------------------------------------------------- filter

    def _filter_class(self, name: str) -> None:
        column: Column | None = self.task.currentData()
        self._unreadable = name == ERRORS
        if name == ERRORS:
            self._classes = {}
        elif column is not None:
            self._classes = {m: c for m, c in self._classes.items() if m != column.model}
            self._classes |= {column.model: name} if name else {}
        for place in range(self.task.count()):
            own: Column = self.task.itemData(place)
            chosen = self._classes.get(own.model, "")
            self.task.setItemText(place, f"{own.title}: {chosen}" if chosen else own.title)
        self._refilter()

    def show_only(self, files: frozenset[str] | None, words: str = "") -> None:
        """Show these rows alone, or all again; ``words`` say what they are."""
        self._only = None if files is None else (words, files)
        self.only_chip.setText(f"{words}  ×")
        self.only_chip.setVisible(files is not None)
        self._refilter()

    def _refilter(self) -> None:
        current = self._current
        self.table.set_filter(
            Filter(
                words=tuple(self.filter.text().lower().split()),
                classes=tuple(self._classes.items()),
                files=self._only[1] if self._only else None,
                unreadable=self._unreadable,
            )
        )
        place = self.table.place_of(current) if current is not None else -1
        if place >= 0:
            self.view.setCurrentIndex(self.table.index(place, 0))
        self.show_count()

    def set_reject(self, model: str, threshold: float) -> None:
        """Mark answers of a model that are less sure than this; an empty name: none."""
        self._reject = model, threshold
        self.cells.set_reject(model, threshold)
        self.view.viewport().update()
        self._count_refused()
        self.show_count()

    def _count_refused(self) -> None:
        model, threshold = self._reject
        refused = self.table.refused(model, threshold) if model else 0
        self._said = f"{refused:,} answers of {model} refused" if refused else ""

    def _widen(self) -> None:
        """Room for the spread of numbers, when the first row has one."""
        row = next((row for row in self._state.rows if not row.error), None)
        for place, column in enumerate(self.table.columns):
            if row is None or column.kind != "answer" or column.classes:
                continue
            if math.isfinite(answer_of(row, column.model).spread):
                self.view.horizontalHeader().resizeSection(place, WITH_SPREAD)

    def rows_came(self) -> None:
        """Count what came: at once, then not more often than a person reads."""
        if self.table.rowCount() and not self._wide:
            self._wide = True
            self._widen()
        self._stale = self._pause.isActive()
        if not self._stale:
            self._recount()

    def start_again(self) -> None:
        """Count at once, also what comes next."""
        self._wide = False
        self._recount()
        self._pause.stop()

    def _recount(self) -> None:
        self._stale = False
        self._pause.start()
        self.offer_classes()
        self._count_refused()
        self.show_count()

    def _paused(self) -> None:
        if self._stale:
            self._recount()

    def show_count(self) -> None:
        """Say how many rows are shown."""
        total, shown = len(self._state.rows), self.table.rowCount()
        words = f"{total:,} crystals" if shown == total else f"{shown:,} of {total:,} crystals"
        bad = self._state.unreadable
        parts = [words, f"{bad:,} unreadable" if bad else "", self._said]
        self.set_title("Predictions", ", ".join(part for part in parts if part))

    # ----------------------------------------------------------------- order

    def sort_orders(self) -> list[tuple[str, Order]]:
        """What the table can be sorted by, in words."""
        found = [("in the order of the files", Order())]
        for column in self.table.columns:
            if column.kind != "answer":
                continue
            name = column.title.lower() if self.task.count() > 1 or not column.classes else "answer"
            found += [
                (f"{name}: least sure first", Order("uncertainty", column.model, down=True)),
                (f"{name}: surest first", Order("uncertainty", column.model)),
            ]
            if column.classes:
                found.append((f"{name}: by probability", Order("probability", column.model, True)))
        return found

    def _sort_menu(self) -> None:
        menu = QMenu(self)
        for words, order in self.sort_orders():
            action = menu.addAction(words, lambda wanted=order: self.sort_by(wanted))
            action.setCheckable(True)
            action.setChecked(self.table.order == order)
        menu.exec(self.sort_chip.mapToGlobal(self.sort_chip.rect().bottomLeft()))
        menu.deleteLater()

    def sort_by(self, order: Order) -> None:
        """Sort by something that no column stands for."""
        self.view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.table.sort_by(order)
        self.view.scrollToTop()

    # ------------------------------------------------------------------ rows

    @property
    def current(self) -> Prediction | None:
        """The current row."""
        index = self.view.currentIndex()
        return index.data(ROW_ROLE) if index.isValid() else None

    def selected(self) -> list[Prediction]:
        """Rows that are selected, from above."""
        rows = sorted(self.view.selectionModel().selectedRows(), key=lambda i: i.row())
        return [index.data(ROW_ROLE) for index in rows]

    def _row_chosen(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self._current = current.data(ROW_ROLE)
        elif not self._state.rows:
            self._current = None
        self.row_chosen.emit(current.data(ROW_ROLE) if current.isValid() else None)
