"""Numbers of an experiment: ours, those recorded, those published; and its other tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from crystalgui.core.cards import ExperimentCard, Measured, Recorded
from crystalgui.core.experiments.results import table_text, with_spread
from crystalgui.gui.state.experiments import Rows
from crystalgui.gui.theme import font
from crystalgui.gui.widgets import copy_action, copy_text

ROW = 26
NARROWEST = 72
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class ResultTable(QTableView):
    """A table of any shape that sorts, and copies its selected rows (or all) as TSV."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Results")
        self._items = QStandardItemModel(self)
        self._items.setSortRole(Qt.ItemDataRole.UserRole)
        self.setModel(self._items)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setMinimumSectionSize(NARROWEST)
        self.shown: Rows = ((), [])
        copy_action(self, self.text)

    def show_rows(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Other rows, in their order."""
        self.shown = (tuple(head), [tuple(row) for row in rows])
        self.setSortingEnabled(False)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._items.clear()
        self._items.setHorizontalHeaderLabels(list(head))
        numbers = [_is_number_column([row[i] for row in rows]) for i in range(len(head))]
        for row in rows:
            self._items.appendRow(
                [_item(text, number) for text, number in zip(row, numbers, strict=True)]
            )
        for column, number in enumerate(numbers):
            align = _RIGHT if number else _LEFT
            self._items.setHeaderData(
                column, Qt.Orientation.Horizontal, align, Qt.ItemDataRole.TextAlignmentRole
            )
        if head:
            self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setSortingEnabled(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt's own copy takes one cell only."""
        if event.matches(QKeySequence.StandardKey.Copy):
            copy_text(self.text())
            return
        super().keyPressEvent(event)

    def text(self) -> str:
        """Head and selected rows (all without a selection), as they are sorted, as TSV."""
        chosen = sorted(index.row() for index in self.selectionModel().selectedRows())
        rows = chosen or range(self._items.rowCount())
        cells = [
            tuple(self._items.item(row, c).text() for c in range(self._items.columnCount()))
            for row in rows
        ]
        return table_text(self.shown[0], cells, separator="\t")


def _value(text: str) -> float | None:
    """The leading number of ``61.2 ± 0.4``."""
    try:
        return float(text.partition(" ±")[0])
    except ValueError:
        return None


def _is_number_column(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(_value(cell) is not None for cell in filled)


def _item(text: str, number: bool) -> QStandardItem:
    item = QStandardItem(text)
    item.setFont(font("number"))
    value = _value(text) if number else None
    if number:
        item.setData(-math.inf if value is None else value, Qt.ItemDataRole.UserRole)
        item.setTextAlignment(_RIGHT)
    else:
        item.setData(text, Qt.ItemDataRole.UserRole)
        item.setTextAlignment(_LEFT)
    item.setToolTip(text)
    return item


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
