"""Predictions of the Classify page: rows, the job that makes them, and item models.

Rows arrive in batches from the worker and are only ever appended, so a table
of thousands of crystals stays smooth: one ``rowsInserted`` a batch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    QTimer,
    Signal,
)

from crystalgui.core.messages import ClassifyJob, Device, Event, Predicted, Prediction

if TYPE_CHECKING:
    from crystalgui.gui.state.jobs import JobRow, JobsState

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()

COLUMNS = ("File", "Formula", "Space group", "Prediction", "Probabilities", "Warnings")
FILE, FORMULA, SPACE_GROUP, PREDICTION, PROBABILITIES, WARNINGS = range(6)
ROW_ROLE = int(Qt.ItemDataRole.UserRole) + 1
ERRORS = "could not be read"
UNREADABLE = "unreadable"
RESORT = 400


class PredictionsState(QObject):
    """The rows on the Classify page and the job that is filling them.

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
        self.classes: Counter[str] = Counter()
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
    ) -> str:
        """Start from nothing and classify ``paths`` with some models; the id of the job."""
        if self._jobs is None:
            raise RuntimeError("The predictions are not attached to the jobs.")
        self.cancel()
        self.clear()
        self.paths, self.models = tuple(paths), tuple(models)
        self.job_id = self._jobs.submit(
            ClassifyJob(paths=self.paths, models=self.models, device=device, project=project)
        )
        self.job_changed.emit()
        return self.job_id

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
        self.classes.update(ERRORS if row.error else row.prediction for row in rows)
        self.added.emit(first, len(self.rows) - 1)

    def clear(self) -> None:
        """Forget every row."""
        self.rows.clear()
        self.classes.clear()
        self.cleared.emit()


class PredictionsTable(QAbstractTableModel):
    """Rows of `PredictionsState` for a table view.

    ``ROW_ROLE`` gives the whole `Prediction`.  It sorts itself: keys are made
    once a row instead of twice a comparison, which a proxy would need.
    """

    def __init__(self, state: PredictionsState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._order = list(range(len(state.rows)))
        self._column = -1
        self._direction = Qt.SortOrder.AscendingOrder
        self._resort = QTimer(self)
        self._resort.setSingleShot(True)
        self._resort.setInterval(RESORT)
        self._resort.timeout.connect(self._sort)
        state.added.connect(self._insert)
        state.cleared.connect(self._reset)

    def _insert(self, first: int, last: int) -> None:
        self.beginInsertRows(ROOT, first, last)
        self._order.extend(range(first, last + 1))
        self.endInsertRows()
        if self._column >= 0 and not self._resort.isActive():
            self._resort.start()

    def _reset(self) -> None:
        self.beginResetModel()
        self._order.clear()
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column, unreadable rows last; -1 is the order of arrival.

        Rows that arrive later are sorted in within half a second.
        """
        self._column, self._direction = column, order
        self._sort()

    def _sort(self) -> None:
        rows, column = self._state.rows, self._column
        order = sorted(range(len(self._order)))
        if column >= 0:
            good = [i for i in order if not rows[i].error]
            bad = [i for i in order if rows[i].error]
            good.sort(
                key=lambda i: _sort_key(rows[i], column),
                reverse=self._direction == Qt.SortOrder.DescendingOrder,
            )
            order = good + bad
        if order == self._order:
            return
        self.layoutAboutToBeChanged.emit()
        held = self.persistentIndexList()
        entries = [self._order[index.row()] for index in held]
        self._order = order
        places = {entry: place for place, entry in enumerate(order)}
        moved = [
            self.index(places[entry], index.column())
            for entry, index in zip(entries, held, strict=True)
        ]
        self.changePersistentIndexList(held, moved)
        self.layoutChanged.emit()

    def rowCount(self, parent: Index = ROOT) -> int:
        """Rows that the view has been told of."""
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: Index = ROOT) -> int:
        """File, formula, space group, prediction, probabilities, warnings."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Column titles."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return None

    def row(self, index: Index) -> Prediction:
        """The prediction behind an index of this model."""
        return self._state.rows[self._order[index.row()]]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, tooltip, the row itself, or a sort key."""
        row = self._state.rows[self._order[index.row()]]
        if role == Qt.ItemDataRole.DisplayRole:
            return cell_text(row, index.column())
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tooltip(row, index.column())
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{COLUMNS[index.column()]}: {cell_text(row, index.column())}"
        return None


class PredictionsProxy(QSortFilterProxyModel):
    """Filters rows by words and by class."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._needle = ""
        self._class = ""

    def set_text(self, text: str) -> None:
        """Keep rows that contain every word of ``text``, in any column."""
        self._refilter(text.strip().lower(), self._class)

    def set_class(self, name: str) -> None:
        """Keep one predicted class; an empty name keeps all."""
        self._refilter(self._needle, name)

    def _refilter(self, needle: str, name: str) -> None:
        self.beginFilterChange()
        self._needle, self._class = needle, name
        self.endFilterChange(QSortFilterProxyModel.Direction.Rows)

    def filterAcceptsRow(self, row: int, parent: Index) -> bool:
        """Whether a row passes the class and the words."""
        table = self.sourceModel()
        entry: Prediction = table.data(table.index(row, 0, parent), ROW_ROLE)
        if self._class and self._class != (ERRORS if entry.error else entry.prediction):
            return False
        if not self._needle:
            return True
        text = " ".join(
            (
                entry.file,
                entry.formula,
                entry.space_group,
                entry.prediction,
                entry.error,
                *entry.warnings,
            )
        ).lower()
        return all(word in text for word in self._needle.split())

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Let the table sort; the proxy keeps its order."""
        self.sourceModel().sort(column, order)

    def entries(self) -> list[Prediction]:
        """Rows in the order and choice of the view."""
        table = self.sourceModel()
        return [
            table.data(self.mapToSource(self.index(i, 0)), ROW_ROLE) for i in range(self.rowCount())
        ]


def cell_text(row: Prediction, column: int) -> str:
    """What a cell says; the reason of an unreadable file is its warning."""
    if column == FILE:
        return Path(row.file).name
    if column == FORMULA:
        return row.formula
    if column == SPACE_GROUP:
        return row.space_group
    if column == PREDICTION:
        return UNREADABLE if row.error else row.prediction
    if column == PROBABILITIES:
        return "" if math.isnan(row.probability) else f"{100 * row.probability:.1f} %"
    return row.error or " · ".join(row.warnings)


def _number(space_group: str) -> int:
    """Number in texts such as ``"Fm-3m (225)"`` or ``"225"``; 0 without one."""
    inside = space_group.rpartition("(")[2].rstrip(") ")
    if inside.isdigit():
        return int(inside)
    first = space_group.split(" ", 1)[0]
    return int(first) if first.isdigit() else 0


def _sort_key(row: Prediction, column: int) -> tuple[float, str]:
    """Space groups by number, probabilities by value, the rest as text."""
    if column == SPACE_GROUP:
        return float(_number(row.space_group)), row.space_group
    if column == PROBABILITIES:
        return (-1.0 if math.isnan(row.probability) else row.probability), ""
    if column == WARNINGS:
        return float(len(row.warnings)), cell_text(row, column)
    if column == FILE:
        return float(_leading_number(row.file)), row.file
    return 0.0, cell_text(row, column).lower()


def _leading_number(file: str) -> int:
    """Number that a file name begins with, so that 2.vasp comes before 10.vasp; 0 without one."""
    name = Path(file).name
    digits = name[: len(name) - len(name.lstrip("0123456789"))]
    return int(digits[:15]) if digits else 0


def _tooltip(row: Prediction, column: int) -> str:
    if column == FILE:
        return row.file
    if column == PROBABILITIES:
        return "\n".join(f"{name}  {100 * p:.1f} %" for name, p in row.probabilities)
    if column == WARNINGS:
        return "\n".join(row.warnings)
    return row.error
