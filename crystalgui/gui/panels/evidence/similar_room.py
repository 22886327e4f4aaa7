"""Search by example: crystals of a data set that the network sees as most alike.

Distances are read beside the typical one between neighbours of the data set; a
row that is clicked is drawn in place of the example.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QShowEvent, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QTableView,
    QWidget,
)

from crystalgui.core.datasets.alike import member, write_member
from crystalgui.core.messages import Event, Job, Similar, SimilarJob, SimilarReady
from crystalgui.core.settings import cache
from crystalgui.core.structures.elements import subscripts
from crystalgui.gui.panels.evidence.room import Asking, AskingRoom, Look, table_text
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.theme import SPACE, colour, theme
from crystalgui.gui.widgets import Chip, Text, copy_action

if TYPE_CHECKING:
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.evidence import Question

COLUMNS = ("Formula", "Group", "Label", "Prediction", "Distance", "× typical", "Id")
COUNT = 24
MANY = 100
"""Distances of so many typical ones are only far."""


class SimilarRoom(AskingRoom):
    """A table of the nearest crystals; a click draws one."""

    title = "Similar"

    def __init__(self, session: Session, question: Question, parent: QWidget | None = None) -> None:
        super().__init__(session, question, parent)
        self._ready: SimilarReady | None = None
        self._shown: Crystal | None = None
        self._front: Similar | None = None
        self._searched = Path()
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.data = ChoiceBox()
        self.data.setAccessibleName("Data set that is searched")
        self.data.activated.connect(lambda _: self.asked.emit())
        self.back = Chip("example", tooltip="Draw the crystal that is asked about again")
        self.back.clicked.connect(self.forget_row)
        self.open_chip = Chip("open", tooltip="Open this crystal in the project")
        self.open_chip.clicked.connect(self.open_front)
        row.addWidget(self.data)
        row.addStretch(1)
        row.addWidget(self.back)
        row.addWidget(self.open_chip)
        self.column.addLayout(row)
        self.table = QTableView()
        self.model = QStandardItemModel(0, len(COLUMNS), self.table)
        self.model.setHorizontalHeaderLabels(list(COLUMNS))
        self.table.setModel(self.model)
        self.table.setAccessibleName("Similar crystals")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(26)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(36)
        header.resizeSection(len(COLUMNS) - 1, 36)  # at least; it takes what is left
        self.table.selectionModel().currentRowChanged.connect(self._chosen)
        self.table.doubleClicked.connect(lambda _: self.open_front())
        copy_action(self.table, lambda: table_text(self.model))
        self.column.addWidget(self.table, 1)
        self.words = Text("", "muted")
        self.column.addWidget(self.words)
        session.project.datasets_changed.connect(self._offer)
        theme().changed.connect(self._tint)
        self._offer()
        self._buttons()

    # ---------------------------------------------------------------- asking

    def _offer(self) -> None:
        kept = self.data.currentData()
        self.data.clear()
        for summary in self.session.project.datasets:
            if summary.kind == "crystals":
                self.data.addItem(f"{summary.name}, {summary.size:,} crystals", summary.folder)
        self.data.setCurrentIndex(max(0, self.data.findData(kept)))
        if self.asking is not None and self.question.ready is None and self.isVisible():
            self.begin(self.asking)

    def missing(self) -> bool:
        """There may be no data set."""
        if self.data.count():
            return False
        self.say(
            "dataset",
            "No data set of crystals",
            "Import structures and their labels on the Train page; then the crystals that the "
            "model sees as most alike are found among them.",
            [("Train page", lambda: self.page_wanted.emit("train"))],
        )
        return True

    def job(self, asking: Asking) -> Job | None:
        """Search the chosen data set."""
        folder = self.data.currentData()
        if folder is None:
            return None
        self._searched = Path(folder)  # of the rows, whatever the box says by then
        return SimilarJob(
            path=asking.found.path,
            model=asking.model.name,
            dataset=self._searched,
            count=COUNT,
            device=self.session.settings.device,
            project=self.session.project.folder,
        )

    # ---------------------------------------------------------------- answer

    def fill(self, ready: Event) -> bool:
        """Show the crystals of an answer."""
        assert isinstance(ready, SimilarReady)
        if ready is self._ready:
            return True
        self._ready, self._front, self._shown = ready, None, None
        self.model.removeRows(0, self.model.rowCount())
        for found in ready.found:
            self.model.appendRow(self._items(found, ready.typical))
        self._tint()
        self._tell()
        twins = sum(found.same for found in ready.found)
        said = ready.prediction.prediction
        self.words.setText(
            f"The example is predicted {said}. A crystal of the data set is typically "
            f"{ready.typical:.3f} from its nearest neighbour, in standard deviations per latent "
            "dimension: what is much farther is not alike."
            + (f" {twins} grey: the same composition and space group." if twins else "")
        )
        self._buttons()
        return True

    def _tell(self) -> None:
        """The inspector shows the prediction of the example, while a person looks at it."""
        ready = self._ready
        if ready is not None and ready is self.question.ready and self.isVisible():
            self.session.selection.select_prediction(ready.prediction)

    def showEvent(self, event: QShowEvent) -> None:
        """Tell what was answered meanwhile."""
        super().showEvent(event)
        self._tell()

    def _items(self, found: Similar, typical: float) -> list[QStandardItem]:
        ratio = found.distance / typical if typical > 0 else math.nan
        times = "–" if math.isnan(ratio) else f"{ratio:.1f}" if ratio < MANY else f"> {MANY}"
        cells = (
            subscripts(found.formula), str(found.space_group), found.label, found.prediction,
            f"{found.distance:.3f}", times, found.id,
        )  # fmt: skip
        items = [QStandardItem(text) for text in cells]
        for item in (items[1], items[4], items[5]):
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for item in items:
            item.setToolTip(found.id)
        if found.label != found.prediction and not found.same:
            items[3].setToolTip("The model is wrong here")
        return items

    def _tint(self) -> None:
        """The same crystal in grey, wrong answers in the ink of warnings."""
        for row, found in enumerate(self._ready.found if self._ready is not None else ()):
            if found.same:
                for column in range(len(COLUMNS)):
                    self.model.item(row, column).setForeground(QBrush(colour("muted")))
            elif found.label != found.prediction:
                self.model.item(row, 3).setForeground(QBrush(colour("warn")))

    def _chosen(self, current: Any, _previous: Any) -> None:
        ready = self._ready
        if ready is None or not current.isValid() or current.row() >= len(ready.found):
            return
        self._front = found = ready.found[current.row()]
        self.session.lane.ask(
            "evidence:member",
            member,
            self._searched,
            found.id,
            on_answer=lambda crystal: self._show(found, crystal),
            on_error=self._failed,
            owner=self,
        )
        self._buttons()

    def _show(self, found: Similar, crystal: Crystal) -> None:
        if found is self._front:
            self._shown = crystal
            self.look_changed.emit()

    def _failed(self, error: ErrorInfo) -> None:
        self.session.notify.error(error)

    def forget_row(self) -> None:
        """Draw the example again."""
        self._front = self._shown = None
        self.table.clearSelection()
        self.table.setCurrentIndex(self.model.index(-1, -1))
        self._buttons()
        self.look_changed.emit()

    def _buttons(self) -> None:
        for chip in (self.back, self.open_chip):
            chip.setEnabled(self._front is not None)

    def open_front(self) -> None:
        """Open the crystal of the row in the project."""
        if self._front is not None:
            self.session.lane.run(
                write_member,
                self._searched,
                self._front.id,
                cache() / "from-datasets",
                on_answer=self._open,
                on_error=self._failed,
                owner=self,
            )

    def _open(self, path: Path) -> None:
        self.session.project.open_paths([path])
        self.page_wanted.emit("structure")

    # --------------------------------------------------------------- crystal

    def look(self) -> Look:
        """The crystal of the row, else the example."""
        if self.answering and self._front is not None and self._shown is not None:
            far = f"{self._front.distance:.3f} from the example"
            return Look(caption=f"{self._front.label}, {far}", crystal=self._shown)
        return Look(caption="the example")

    def csv_text(self) -> str:
        """The table."""
        from crystalgui.core.reports.csv import similar_text

        return similar_text(self._ready) if self._ready is not None else ""
