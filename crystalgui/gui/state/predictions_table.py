"""The model of the table of predictions: a column for each answer, sorted and filtered.

Rows are only ever appended, so a table of thousands of crystals stays smooth:
one ``rowsInserted`` a batch; keys of sorting and texts are made once a row.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QTimer,
)

from crystalgui.core.cards import TrainedModel
from crystalgui.core.messages import Answer, Prediction
from crystalgui.core.reports.evaluation import uncertainty
from crystalgui.gui.state.predictions import PredictionsState, answer_of, task_of

Index = QModelIndex | QPersistentModelIndex
Kind = Literal["file", "formula", "space group", "answer", "bars", "warnings"]
Wanted = Literal[
    "arrival", "file", "formula", "space group", "answer", "probability", "uncertainty", "warnings"
]
ROOT = QModelIndex()

FILE, FORMULA, SPACE_GROUP, PREDICTION = range(4)
"""The first columns; the answer of the first model is the fourth."""
PROBABILITIES, WARNINGS = 4, 5
"""Columns where one model answers with a class; several models have one column each."""
ROW_ROLE = int(Qt.ItemDataRole.UserRole) + 1
ERRORS = "could not be read"
UNREADABLE = "unreadable"
BASELINE = "baseline"
BEYOND = "The crystal is beyond what this model can read: the answer of the baseline."
RESORT = 400


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table; ``classes`` is empty where the model answers with a number."""

    kind: Kind
    title: str
    model: str = ""
    classes: tuple[str, ...] = ()


def columns_for(names: Sequence[str], cards: Mapping[str, TrainedModel]) -> tuple[Column, ...]:
    """Columns of the answers of some models; bars of all classes where one answers alone."""
    found = [
        Column("file", "File"), Column("formula", "Formula"), Column("space group", "Space group")
    ]  # fmt: skip
    known = [cards[name] for name in names if name in cards]
    titles = Counter(task_of(card) for card in known)
    for name in names or ("",):
        card = cards.get(name)
        task = task_of(card) if card is not None else ""
        alone = len(names) < 2
        classes = card.classes if card is not None else ()
        title = task[:1].upper() + task[1:] if titles[task] == 1 else name
        word = "Prediction" if alone else title
        found.append(Column("answer", word, name, classes))
        if alone and classes:
            found.append(Column("bars", "Probabilities", name, classes))
    return (*found, Column("warnings", "Warnings"))


@dataclass(frozen=True, slots=True)
class Order:
    """What the table is sorted by; an answer, a probability or an uncertainty is of a model."""

    by: Wanted = "arrival"
    model: str = ""
    down: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are shown.

    Attributes
    ----------
    words : tuple of str
        In any column, small letters.
    classes : tuple of (model, class)
        All of them.
    files : frozenset of str or None
        These alone.
    unreadable : bool
        Only files that could not be read.
    """

    words: tuple[str, ...] = ()
    classes: tuple[tuple[str, str], ...] = ()
    files: frozenset[str] | None = None
    unreadable: bool = False


EVERYTHING = Filter()


class PredictionsTable(QAbstractTableModel):
    """Rows of `PredictionsState` for a table view, sorted and filtered.

    ``ROW_ROLE`` gives the whole `Prediction`.  It sorts and filters itself: keys
    and texts are made once a row instead of at each comparison, which a proxy
    would need.
    """

    def __init__(self, state: PredictionsState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._columns = columns_for((), {})
        self._order = list(range(len(state.rows)))
        self._by = Order()
        self._filter = Filter()
        self._keys: dict[tuple[str, str], list[Any]] = {}
        self._texts: list[str] = []
        self._said: dict[str, list[str]] = {}
        self._sure: dict[str, list[float]] = {}
        self._resort = QTimer(self)
        self._resort.setSingleShot(True)
        self._resort.setInterval(RESORT)
        self._resort.timeout.connect(self._sort)
        state.added.connect(self._insert)
        state.cleared.connect(self._reset)

    # --------------------------------------------------------------- columns

    @property
    def columns(self) -> tuple[Column, ...]:
        """What the columns are."""
        return self._columns

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Other columns, when other models answer."""
        if tuple(columns) != self._columns:
            self.beginResetModel()
            self._columns = tuple(columns)
            self.endResetModel()

    # ---------------------------------------------------------------- choice

    def _insert(self, first: int, last: int) -> None:
        new = self._passing(first, last + 1)
        if not new:
            return
        place = len(self._order)
        self.beginInsertRows(ROOT, place, place + len(new) - 1)
        self._order.extend(new)
        self.endInsertRows()
        if self._by.by != "arrival" and not self._resort.isActive():
            self._resort.start()

    def _reset(self) -> None:
        self.beginResetModel()
        for kept in (self._order, self._keys, self._texts, self._said, self._sure):
            kept.clear()
        self.endResetModel()

    @property
    def filter(self) -> Filter:
        """Which rows are shown."""
        return self._filter

    def set_filter(self, wanted: Filter) -> None:
        """Show other rows."""
        if wanted == self._filter:
            return
        self.beginResetModel()
        self._filter = wanted
        self._order = self._sorted(self._passing(0, len(self._state.rows)))
        self.endResetModel()

    def _passing(self, first: int, last: int) -> list[int]:
        """Rows from ``first`` to before ``last`` that are shown; texts are kept a row."""
        rows, wanted = self._state.rows, self._filter
        self._texts.extend(_text(row) for row in rows[len(self._texts) :])
        found = list(range(first, last))
        if wanted == EVERYTHING:
            return found
        if wanted.unreadable:
            found = [i for i in found if rows[i].error]
        if wanted.files is not None:
            found = [i for i in found if rows[i].file in wanted.files]
        for model, name in wanted.classes:
            said = self._said.setdefault(model, [])
            said.extend(answer_of(row, model).prediction for row in rows[len(said) :])
            found = [i for i in found if said[i] == name]
        for word in wanted.words:
            found = [i for i in found if word in self._texts[i]]
        return found

    def refused(self, model: str, threshold: float) -> int:
        """How many answers of a model are less sure than this."""
        sure = self._sure.setdefault(model, [])
        new = (answer_of(row, model) for row in self._state.rows[len(sure) :])
        sure.extend(certainty(answer) for answer in new)
        return sum(value < threshold for value in sure)

    def entries(self) -> list[Prediction]:
        """Rows that are shown, in their order."""
        return [self._state.rows[i] for i in self._order]

    def place_of(self, row: Prediction) -> int:
        """Where a row is shown; -1 when it is not."""
        rows = self._state.rows
        return next((k for k, i in enumerate(self._order) if rows[i] is row), -1)

    # ----------------------------------------------------------------- order

    @property
    def order(self) -> Order:
        """What the rows are sorted by."""
        return self._by

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column, unreadable rows last; -1 is the order of arrival."""
        down = order == Qt.SortOrder.DescendingOrder
        if not 0 <= column < len(self._columns):
            self.sort_by(Order())
            return
        own = self._columns[column]
        self.sort_by(Order("probability" if own.kind == "bars" else own.kind, own.model, down))

    def sort_by(self, wanted: Order) -> None:
        """Sort; rows without what is asked for come last.

        Rows that arrive later are sorted in within half a second.
        """
        self._by = wanted
        self._sort()

    def _sorted(self, shown: list[int]) -> list[int]:
        if self._by.by == "arrival":
            return sorted(shown)
        keys = self._keys.setdefault((self._by.by, self._by.model), [])
        keys.extend(_sort_key(row, self._by) for row in self._state.rows[len(keys) :])
        good = [i for i in sorted(shown) if keys[i] is not None]
        bad = [i for i in sorted(shown) if keys[i] is None]
        good.sort(key=keys.__getitem__, reverse=self._by.down)
        return good + bad

    def _sort(self) -> None:
        order = self._sorted(self._order)
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

    # ------------------------------------------------------------------ data

    def rowCount(self, parent: Index = ROOT) -> int:
        """Rows that the view has been told of."""
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: Index = ROOT) -> int:
        """File, formula, space group, an answer for each model, warnings."""
        return 0 if parent.isValid() else len(self._columns)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Column titles; the tool tip names the model."""
        if orientation == Qt.Orientation.Horizontal and section < len(self._columns):
            column = self._columns[section]
            if role == Qt.ItemDataRole.DisplayRole:
                return column.title
            if role == Qt.ItemDataRole.ToolTipRole and column.model:
                return column.model
        return None

    def row(self, index: Index) -> Prediction:
        """The prediction behind an index of this model."""
        return self._state.rows[self._order[index.row()]]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, tooltip, or the row itself."""
        row = self._state.rows[self._order[index.row()]]
        if role == ROW_ROLE:
            return row
        column = self._columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tooltip(row, column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{column.title}: {self.text(row, column)}"
        return None

    def text(self, row: Prediction, column: Column) -> str:
        """What a cell says; the reason of an unreadable file is its warning."""
        if column.kind == "file":
            return Path(row.file).name
        if column.kind == "formula":
            return row.formula
        if column.kind == "space group":
            return row.space_group
        if column.kind == "warnings":
            return row.error or " · ".join(row.warnings)
        if row.error:
            return UNREADABLE if column.kind == "answer" else ""
        answer = answer_of(row, column.model)
        if column.kind == "bars":
            return _share(answer.probability)
        alone = any(own.kind == "bars" for own in self._columns)
        said = answer.prediction if alone else answer_text(answer)
        return f"{said} ({BASELINE})" if answer.default else said


def certainty(answer: Answer) -> float:
    """Probability of the class, or minus the spread of the number; NaN where none is known."""
    return answer.probability if answer.probabilities else -answer.spread


def answer_text(answer: Answer, digits: int = 4) -> str:
    """An answer with its probability, and the spread of the members: ``SEBR 91.0 % ± 2.1 %``.

    ``digits`` are those of the spread of a number.
    """
    spread = math.isfinite(answer.spread)
    if math.isfinite(answer.probability):
        tail = f" ± {_share(answer.spread)}" if spread else ""
        return f"{answer.prediction} {_share(answer.probability)}{tail}"
    if not spread or not math.isfinite(answer.value):
        return answer.prediction
    number, _, unit = answer.prediction.partition(" ")
    return f"{number} ± {answer.spread:.{digits}f} {unit}".rstrip()


def _share(p: float) -> str:
    return "" if math.isnan(p) else f"{100 * p:.1f} %"


def _text(row: Prediction) -> str:
    """All of a row in small letters."""
    said = (answer.prediction for answer in row.answers)
    return " ".join(
        (row.file, row.formula, row.space_group, *said, row.error, *row.warnings)
    ).lower()


def _number(space_group: str) -> int:
    """Number in texts such as ``"Fm-3m (225)"`` or ``"225"``; 0 without one."""
    inside = space_group.rpartition("(")[2].rstrip(") ")
    if inside.isdigit():
        return int(inside)
    first = space_group.split(" ", 1)[0]
    return int(first) if first.isdigit() else 0


def _sort_key(row: Prediction, order: Order) -> Any:
    """Space groups and answers by what they mean; None comes last."""
    if row.error:
        return None
    if order.by == "file":
        return _leading_number(row.file), row.file
    if order.by == "formula":
        return row.formula.lower()
    if order.by == "space group":
        return _number(row.space_group), row.space_group
    if order.by == "warnings":
        return len(row.warnings), " · ".join(row.warnings)
    answer = answer_of(row, order.model)
    if order.by == "answer":
        numbers = math.isfinite(answer.value)
        return (answer.value if numbers else 0.0, answer.prediction.lower())
    value = answer.probability if order.by == "probability" else uncertainty(answer)
    return None if math.isnan(value) else value


def _leading_number(file: str) -> int:
    """Number that a file name begins with, so that 2.vasp comes before 10.vasp; 0 without one."""
    name = Path(file).name
    digits = name[: len(name) - len(name.lstrip("0123456789"))]
    return int(digits[:15]) if digits else 0


def _tooltip(row: Prediction, column: Column) -> str:
    if column.kind == "file":
        return row.file
    if column.kind == "warnings":
        return "\n".join(row.warnings)
    if row.error or column.kind not in ("answer", "bars"):
        return row.error
    answer = answer_of(row, column.model)
    lines = [f"{name}  {100 * p:.1f} %" for name, p in answer.probabilities[:12]]
    if math.isfinite(answer.spread):
        between = _share(answer.spread) if answer.probabilities else f"{answer.spread:.4f}"
        lines.append(f"spread of the members  {between}")
    if answer.default:
        lines.insert(0, BEYOND)
    return "\n".join(lines)
