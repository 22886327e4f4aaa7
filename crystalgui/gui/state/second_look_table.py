"""The table of a list of misclassified crystals: sorted, filtered, with the verdicts."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)

from crystalgui.core.reports.second_look import WORDS, Missed, MissedList
from crystalgui.core.structures.elements import subscripts
from crystalgui.gui.state.second_look import SecondLookState

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()
FORMULA, GROUP, LABEL, VERDICT = range(4)
BEFORE = ("Formula", "Group", "Label", "Verdict")
AFTER = ("Id",)
SHORT = {"": "", "wrong": "wrong", "right": "right", "unclear": "?"}
SORT_ROLE = int(Qt.ItemDataRole.UserRole) + 1
VERDICT_ROLE = SORT_ROLE + 1
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class SecondLookTable(QAbstractTableModel):
    """Rows of `SecondLookState`: formula, group, label, verdict, an answer a model, id."""

    def __init__(self, state: SecondLookState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._models: tuple[str, ...] = ()
        self._rows: tuple[Missed, ...] = ()
        self._found: MissedList | None = None
        state.opened.connect(self._reset)
        state.judged.connect(self._judged)
        self._reset()

    def _reset(self) -> None:
        found = self._state.found
        if found is self._found:
            return
        self.beginResetModel()
        self._found = found
        self._models = found.models if found is not None else ()
        self._rows = found.crystals if found is not None else ()
        self.endResetModel()

    def _judged(self, row: int) -> None:
        self.dataChanged.emit(self.index(row, 0), self.index(row, self.columnCount() - 1))

    def rowCount(self, parent: Index = ROOT) -> int:
        """Crystals of the list."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = ROOT) -> int:
        """As many as the list has, and the verdict."""
        return 0 if parent.isValid() else len(BEFORE) + len(self._models) + len(AFTER)

    def headerData(
        self, section: int, way: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles; the names of the models are cut, and whole in the tip."""
        if way != Qt.Orientation.Horizontal or not 0 <= section < self.columnCount():
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return (*BEFORE, *self._models, *AFTER)[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if section == GROUP else _LEFT
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A cell."""
        crystal, column = self._rows[index.row()], index.column()
        own = self._state.judged_of(crystal)
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(crystal, column)
            case Qt.ItemDataRole.ToolTipRole:
                words = f"{crystal.id}: {WORDS[own.verdict] or 'not looked at yet'}"
                return f"{words}\n{own.note}" if own.note else words
            case Qt.ItemDataRole.AccessibleTextRole:
                if column == VERDICT:
                    return WORDS[own.verdict] or "not looked at yet"
                head = self.headerData(column, Qt.Orientation.Horizontal)
                return f"{head}: {self._text(crystal, column)}"
            case Qt.ItemDataRole.TextAlignmentRole:
                return _RIGHT if column == GROUP else _LEFT
            case _ if role == SORT_ROLE:
                return self._key(crystal, column)
            case _ if role == VERDICT_ROLE:
                return own.verdict
        return None

    def _text(self, crystal: Missed, column: int) -> str:
        if column == FORMULA:
            return subscripts(crystal.formula)
        if column == VERDICT:
            return SHORT[self._state.judged_of(crystal).verdict]
        head = (crystal.formula, str(crystal.space_group), crystal.label, "")
        return (*head, *crystal.answers, crystal.id)[column]

    def _key(self, crystal: Missed, column: int) -> Any:
        """What a column is sorted by: groups as numbers, ids by their leading number."""
        if column == GROUP:
            return crystal.space_group
        if column == self.columnCount() - 1:
            digits = crystal.id if crystal.id.isdecimal() else ""
            return f"{digits:>24}" if digits else f"~{crystal.id}"
        return crystal.formula.lower() if column == FORMULA else self._text(crystal, column)

    def words(self, row: int) -> str:
        """All of a row in small letters, for the filter."""
        crystal = self._rows[row]
        own = self._state.judged_of(crystal)
        group = str(crystal.space_group)
        said = (crystal.id, crystal.formula, group, crystal.label, *crystal.answers)
        return " ".join((*said, WORDS[own.verdict], own.note)).lower()


class SecondLookRows(QSortFilterProxyModel):
    """The rows that are shown.  A row that was judged stays until the filter changes."""

    def __init__(self, table: SecondLookTable, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._table = table
        self._words: tuple[str, ...] = ()
        self._only_open = False
        self.setDynamicSortFilter(False)
        self.setSortRole(SORT_ROLE)
        self.setSourceModel(table)

    def set_filter(self, text: str, *, only_open: bool) -> None:
        """Rows with all of the words, and only those without a verdict."""
        self.beginFilterChange()
        self._words, self._only_open = tuple(text.lower().split()), only_open
        self.endFilterChange()

    def filterAcceptsRow(self, row: int, parent: Index) -> bool:
        """Whether a row is shown."""
        if self._only_open and self._table.index(row, 0).data(VERDICT_ROLE):
            return False
        text = self._table.words(row) if self._words else ""
        return all(word in text for word in self._words)
