"""Numbers of an experiment: ours, those recorded, those published; and its other tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from crystalgui.core.cards import Claim, ExperimentCard, Measured, Recorded
from crystalgui.core.experiments.results import table_text, with_spread
from crystalgui.gui.state.experiments import Rows
from crystalgui.gui.theme import font
from crystalgui.gui.widgets import copy_action, copy_text

ROW = 26
NARROWEST = 72
LONG, WIDE, LOOKED_AT = 60, 380, 100
Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class ResultModel(QAbstractTableModel):
    """Rows of text; columns of numbers stand at the right and sort by value."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.head: tuple[str, ...] = ()
        self.rows: list[tuple[str, ...]] = []
        self._given: list[tuple[str, ...]] = []
        self._numeric: tuple[bool, ...] = ()
        self._font = font("number")

    def show_rows(self, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
        """Other rows, in their order."""
        self.beginResetModel()
        self.head, self._given, self.rows = head, rows, list(rows)
        self._numeric = tuple(_are_numbers([row[i] for row in rows]) for i in range(len(head)))
        self.endResetModel()

    def rowCount(self, parent: Index = ROOT) -> int:
        """Number of rows."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = ROOT) -> int:
        """Number of columns."""
        return 0 if parent.isValid() else len(self.head)

    def headerData(
        self, section: int, way: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        """Names of the columns."""
        if way != Qt.Orientation.Horizontal or not 0 <= section < len(self.head):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.head[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if self._numeric[section] else _LEFT
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """A cell."""
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.ToolTipRole:
                return self.rows[index.row()][index.column()]
            case Qt.ItemDataRole.TextAlignmentRole:
                return _RIGHT if self._numeric[index.column()] else _LEFT
            case Qt.ItemDataRole.FontRole:
                return self._font
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort; column -1 brings back the order of the table."""
        self.layoutAboutToBeChanged.emit()
        self.rows = list(self._given)
        if 0 <= column < len(self.head):
            number = self._numeric[column]
            self.rows.sort(
                key=lambda row: _sorted_by(row[column], number),
                reverse=order == Qt.SortOrder.DescendingOrder,
            )
        self.layoutChanged.emit()


class ResultTable(QTableView):
    """A table of any shape that sorts, and copies its selected rows (or all) as TSV."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Results")
        self.rows = ResultModel(self)
        self.setModel(self.rows)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setResizeContentsPrecision(0)  # what is seen; measuring all rows takes too long
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setMinimumSectionSize(NARROWEST)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self.shown: Rows = ((), [])
        copy_action(self, self.text)

    def show_rows(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Other rows, in their order."""
        wanted = (tuple(head), [tuple(row) for row in rows])
        if wanted == self.shown:
            return
        self.shown = wanted
        header = self.horizontalHeader()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.rows.show_rows(*wanted)
        if head:
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in range(1, len(head)):  # sentences are cut; the tip has all of them
            long = any(len(row[column]) > LONG for row in rows[:LOOKED_AT])
            mode = QHeaderView.ResizeMode
            header.setSectionResizeMode(column, mode.Interactive if long else mode.ResizeToContents)
            if long:
                header.resizeSection(column, WIDE)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt's own copy takes one cell only."""
        if event.matches(QKeySequence.StandardKey.Copy):
            copy_text(self.text())
            return
        super().keyPressEvent(event)

    def text(self) -> str:
        """Head and selected rows (all without a selection), as they are sorted, as TSV."""
        chosen = sorted(index.row() for index in self.selectionModel().selectedRows())
        cells = [self.rows.rows[row] for row in chosen] or self.rows.rows
        return table_text(self.shown[0], cells, separator="\t")


def _value(text: str) -> float | None:
    """The leading number of ``61.2 ± 0.4``."""
    try:
        return float(text.partition(" ±")[0])
    except ValueError:
        return None


def _sorted_by(text: str, number: bool) -> tuple[float, str]:
    """Numbers by value, those that are missing first; words by their letters."""
    value = _value(text) if number else 0.0
    return (-math.inf if value is None else value, "" if number else text)


def _are_numbers(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(_value(cell) is not None for cell in filled)


def comparison(own: Sequence[Measured], recorded: Sequence[Recorded]) -> Rows:
    """Ours, published and recorded side by side; a row for every quantity with its unit."""
    sides: list[tuple[str, Sequence[Measured]]] = [("this machine", own)] if own else []
    sides += [(f"recorded, {kept.device.partition(' ')[0]}", kept.numbers) for kept in recorded]
    known: dict[str, Measured] = {}
    for _, numbers in sides:
        for number in numbers:
            known.setdefault(number.name, number)
    columns = [{n.name: n for n in numbers} for _, numbers in sides]
    rows = []
    for name, number in known.items():
        ours = [
            with_spread(column[name].value, column[name].spread) if name in column else ""
            for column in columns
        ]
        published = with_spread(number.published, number.published_spread)
        quantity = f"{name} ({number.unit})" if number.unit else name
        rows.append((quantity, *ours[:1], published, *ours[1:]))
    first, *others = [title for title, _ in sides]
    return ("quantity", first, "published", *others), rows


def claims(own: Sequence[Claim], recorded: Sequence[Recorded]) -> Rows:
    """What the paper says in words, whether it held here, and in the records."""
    sides: list[tuple[str, Sequence[Claim]]] = [("this machine", own)] if own else []
    sides += [(f"recorded, {k.device.partition(' ')[0]}", k.claims) for k in recorded if k.claims]
    texts = list(dict.fromkeys(claim.text for _, said in sides for claim in said))
    columns = [{claim.text: claim for claim in said} for _, said in sides]
    rows = []
    for text in texts:
        found = [column.get(text) for column in columns]
        measured = next((claim.numbers for claim in found if claim), "")
        rows.append((text, *(claim.verdict if claim else "" for claim in found), measured))
    return ("claim of the paper", *(title for title, _ in sides), "measured"), rows


def notes(
    card: ExperimentCard, preset: str, differs: Sequence[str], recorded: Sequence[Recorded]
) -> str:
    """What differs from the paper, and how the records were made."""
    said = list(differs) or [words for kept in recorded[:1] for words in kept.differs]
    lines = []
    if said:
        lines.append("Differs from the paper: " + " ".join(said))
    lines += [
        f"Recorded {kept.date} on {kept.device}, {kept.minutes:.3g} min: {kept.command}"
        for kept in recorded
    ]
    if not lines:
        lines.append(f"Nothing is recorded for “{preset}” of {card.title} yet: run it.")
    return "\n\n".join(lines)
