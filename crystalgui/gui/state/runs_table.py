"""Item model of the Runs page: one row a run, sortable, titles and tags editable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)

from crystalgui.gui.state.runs import RunsState, RunView

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()
RUN_ROLE = int(Qt.ItemDataRole.UserRole) + 1
SORT_ROLE = int(Qt.ItemDataRole.UserRole) + 2

COLUMNS = (
    "Run",
    "Model",
    "Data",
    "Status",
    "Epochs",
    "Best validation",
    "Test",
    "Duration",
    "Started",
    "Tags",
)
TITLE, MODEL, DATA, STATUS, EPOCHS, BEST, TEST, DURATION, STARTED, TAGS = range(10)
NUMBERS = (EPOCHS, BEST, TEST, DURATION)
HEADLINES = ("accuracy", "mae", "balanced_accuracy", "rmse", "r2", "loss")
SHORT = {"accuracy": "acc.", "balanced_accuracy": "bal. acc.", "mae": "MAE", "rmse": "RMSE"}


def headline(values: Mapping[str, float], split: str = "") -> tuple[str, float]:
    """The metric that speaks for a run: its short name and value; ``("", nan)`` without one."""
    for name in HEADLINES:
        value = values.get(f"{split}/{name}" if split else name, math.nan)
        if math.isfinite(value):
            return SHORT.get(name, name), value
    return "", math.nan


class RunsTable(QAbstractTableModel):
    """Runs of `RunsState`, either the living or the bin."""

    def __init__(self, state: RunsState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._bin = False
        self._rows: list[RunView] = []
        state.listed.connect(self.reload)
        state.run_changed.connect(self._changed)
        self.reload()

    def show_bin(self, on: bool) -> None:
        """Show the bin instead of the living."""
        self._bin = on
        self.reload()

    def reload(self) -> None:
        """Take the list of the state; rows that stay keep their selection."""
        wanted = [run for run in self._state.runs if run.binned == self._bin]
        if wanted == self._rows:
            self._all_changed()
            return
        gone = [i for i, run in enumerate(self._rows) if run not in wanted]
        for i in reversed(gone):
            self.beginRemoveRows(ROOT, i, i)
            del self._rows[i]
            self.endRemoveRows()
        for i, run in enumerate(wanted):
            if run not in self._rows:
                self.beginInsertRows(ROOT, i, i)
                self._rows.insert(i, run)
                self.endInsertRows()
        if wanted != self._rows:
            self.layoutAboutToBeChanged.emit()
            self._rows = wanted
            self.layoutChanged.emit()
        self._all_changed()

    def _all_changed(self) -> None:
        if self._rows:
            last = self.index(len(self._rows) - 1, len(COLUMNS) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def _changed(self, run: RunView) -> None:
        if run in self._rows:
            row = self._rows.index(run)
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(COLUMNS) - 1))

    # ---------------------------------------------------------------- model

    def rowCount(self, parent: Index = ROOT) -> int:
        """Number of runs."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = ROOT) -> int:
        """Number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Column titles, aligned like their columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def run(self, index: Index) -> RunView:
        """The run of an index of this model."""
        return self._rows[index.row()]

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Title and tags of stored runs can be edited."""
        flags = super().flags(index)
        if index.column() in (TITLE, TAGS) and self.run(index).stored is not None:
            flags |= Qt.ItemFlag.ItemIsEditable
        return flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, sort key, the run itself."""
        run, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return cell_text(run, column)
        if role == Qt.ItemDataRole.EditRole:
            return cell_text(run, column)
        if role == RUN_ROLE:
            return run
        if role == SORT_ROLE:
            return _sort_key(run, column)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.ToolTipRole:
            if column == STATUS and run.error is not None:
                return f"{run.error.title}\n{run.error.hint}"
            return cell_text(run, column) or None
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Rename or tag; the store's answer brings the new text."""
        run, text = self.run(index), str(value).strip()
        if role != Qt.ItemDataRole.EditRole or text == cell_text(run, index.column()):
            return False
        if index.column() == TITLE and text:
            self._state.rename(run, text)
            return True
        if index.column() == TAGS:
            self._state.tag(run, (tag.strip() for tag in text.split(",")))
            return True
        return False


class RunsProxy(QSortFilterProxyModel):
    """Sorts by value and filters by words."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._words: tuple[str, ...] = ()
        self.setSortRole(SORT_ROLE)

    def set_text(self, text: str) -> None:
        """Keep runs that contain every word."""
        self.beginFilterChange()
        self._words = tuple(text.lower().split())
        self.endFilterChange(QSortFilterProxyModel.Direction.Rows)

    def filterAcceptsRow(self, row: int, parent: Index) -> bool:
        """Whether every word is somewhere in the row."""
        table = self.sourceModel()
        run: RunView = table.data(table.index(row, 0, parent), RUN_ROLE)
        text = " ".join(cell_text(run, c) for c in (TITLE, MODEL, DATA, STATUS, TAGS)).lower()
        return all(word in text for word in self._words)

    def lessThan(self, left: Index, right: Index) -> bool:
        """Compare sort keys."""
        table = self.sourceModel()
        return bool(table.data(left, SORT_ROLE) < table.data(right, SORT_ROLE))


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _metric(values: Mapping[str, float], split: str) -> str:
    name, value = headline(values, split)
    return f"{name} {value:.3g}" if name else ""


def best_metrics(run: RunView) -> dict[str, float]:
    """Metrics of the best epoch: the store's, else the newest live ones."""
    if run.stored is not None and run.stored.best:
        return run.stored.best
    return {key: run.curves.last(key) for key in run.curves.epochs}


def tested(run: RunView) -> dict[str, float]:
    """Metrics of the test; of a sweep those of its best network."""
    if run.sweep is not None and run.points:
        found = [p.accuracy for p in run.points.values() if math.isfinite(p.accuracy)]
        return {"accuracy": max(found)} if found else {}
    return run.stored.test if run.stored is not None else {}


def cell_text(run: RunView, column: int) -> str:
    """What a cell says."""
    if column == TITLE:
        return run.title
    if column == MODEL:
        return f"{run.recipe.model} {run.recipe.preset}".strip()
    if column == DATA:
        return run.data
    if column == STATUS:
        return run.status
    if column == EPOCHS:
        return f"{run.epochs} / {run.total}"
    if column == BEST:
        return _metric(best_metrics(run), "val")
    if column == TEST:
        return _metric(tested(run), "")
    if column == DURATION:
        return _clock(run.seconds)
    if column == STARTED:
        return f"{run.stored.created.astimezone():%Y-%m-%d %H:%M}" if run.stored else "now"
    return ", ".join(run.stored.tags) if run.stored is not None else ""


def _clock(seconds: float) -> str:
    if not math.isfinite(seconds):
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _sort_key(run: RunView, column: int) -> tuple[float, str]:
    values = {
        EPOCHS: float(run.epochs),
        BEST: headline(best_metrics(run), "val")[1],
        TEST: headline(tested(run))[1],
        DURATION: run.seconds,
        STARTED: run.stored.created.timestamp() if run.stored is not None else math.inf,
    }
    number = values.get(column, 0.0)
    return (-math.inf if math.isnan(number) else number), cell_text(run, column).lower()
