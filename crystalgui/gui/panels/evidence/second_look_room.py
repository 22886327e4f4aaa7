"""Second look: the crystals that models get wrong, one by one (Nop et al. 2025).

A list, the crystal of its row in 3D, how crystals that are built alike are
labelled, and a verdict on the label.  It asks no model: the list has their
answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QItemSelectionModel, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QSplitter,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.datasets.alike import member, write_member
from crystalgui.core.reports.second_look import list_text
from crystalgui.core.settings import cache
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.evidence.names import SECOND, TITLES
from crystalgui.gui.panels.evidence.room import Look, Room, table_text
from crystalgui.gui.panels.evidence.verdict_view import KEYS, VerdictView
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.state.second_look import SecondLookState
from crystalgui.gui.state.second_look_table import (
    FORMULA,
    GROUP,
    VERDICT,
    VERDICT_ROLE,
    SecondLookRows,
    SecondLookTable,
)
from crystalgui.gui.theme import SPACE, colour
from crystalgui.gui.widgets import Chip, Text, copy_action

if TYPE_CHECKING:
    from crystalgui.core.datasets.alike import Like
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.core.store.verdicts import Verdict
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.second_look_table import Index

INKS = {"wrong": "warn", "right": "good", "unclear": "muted"}
NO_LIST = (
    "Run “Crystals that every model gets wrong” on the Experiments page: it trains four models "
    "and lists what all of them miss. Or open such a list, a CSV with the columns id, formula, "
    "space group, label, and one with the answer of each model."
)
NO_CRYSTALS = (
    "None of the data sets of this project has the crystals of this list. "
    "Choose where they are with “crystals from”, above the list: a folder or a zip archive of "
    "structure files named by their ids; or import the data set on the Train page."
)
LIST, CRYSTAL = 300, 340
"""Shares of the height."""
WIDTHS = {FORMULA: 104, GROUP: 58, VERDICT: 70}
ANSWER = 66


class VerdictCells(QStyledItemDelegate):
    """Verdicts in their colours."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """The ink of a cell."""
        super().initStyleOption(option, index)
        verdict = index.data(VERDICT_ROLE)
        if verdict:
            option.palette.setColor(option.palette.ColorRole.Text, colour(INKS[verdict]))


class SecondLookRoom(Growing, Room):
    """A list of misclassified crystals, and the one of its row.

    Signals
    -------
    titled()
        `title` is another one.
    """

    alone = True
    titled = Signal()

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
        super().__init__(session, parent)
        self.state = SecondLookState(
            session.project, session.jobs, session.lane, session.writer, self
        )
        self._front: Like | None = None
        self._shown: Crystal | None = None
        self.complete = False
        self.say("clock", "One moment", "Lists of misclassified crystals are looked for.")
        self.grow(self._build(), at_once)

    # -------------------------------------------------------------- building

    def _build(self) -> Steps:
        self.column.addLayout(self._sources())
        self.column.addLayout(self._filters())
        yield
        self._make_table()
        yield
        self.view = VerdictView(at_once=False)
        for _ in self.view.growth:
            yield
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.table)
        split.addWidget(self.view)
        split.setHandleWidth(SPACE[2])
        split.setChildrenCollapsible(False)
        split.setSizes([LIST, CRYSTAL])
        self.column.addWidget(split, 1)
        yield
        self._connect()
        self.complete = True

    def _sources(self) -> QVBoxLayout:
        """Which list, and where its crystals are."""
        both = QVBoxLayout()
        both.setSpacing(SPACE[0])
        self.lists, self.crystals = ChoiceBox(), ChoiceBox()
        self.list_chip = Chip("open…", tooltip="Open another list, a CSV file")
        self.list_chip.clicked.connect(self.ask_list)
        self.from_chip = Chip("files…", tooltip="Take the crystals from a folder or a zip archive")
        self.from_chip.clicked.connect(self._ask_source)
        for words, name, box, chip in (
            ("list", "List of misclassified crystals", self.lists, self.list_chip),
            ("crystals from", "Where the crystals of the list are", self.crystals, self.from_chip),
        ):
            box.setAccessibleName(name)
            box.setMinimumWidth(80)
            box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            row = QHBoxLayout()
            row.setSpacing(SPACE[1])
            label = Text(words, "muted")
            label.setWordWrap(False)
            row.addWidget(label)
            row.addWidget(box, 1)
            row.addWidget(chip)
            both.addLayout(row)
        return both

    def _filters(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("filter by words")
        self.filter.setClearButtonEnabled(True)
        self.filter.setAccessibleName("Filter the list")
        self.open_only = Chip("to do", True, "Only crystals without a verdict")
        self.progress = Text("", "muted")
        self.progress.setWordWrap(False)
        row.addWidget(self.filter, 1)
        row.addWidget(self.open_only)
        row.addWidget(self.progress)
        return row

    def _make_table(self) -> None:
        self.model = SecondLookTable(self.state, self)
        self.rows = SecondLookRows(self.model, self)
        self.table = QTableView()
        self.table.setModel(self.rows)
        self.table.setAccessibleName("Misclassified crystals")
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.setTabKeyNavigation(False)
        self.table.setItemDelegateForColumn(VERDICT, VerdictCells(self.table))
        self.table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.table.setMinimumHeight(90)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(26)
        self.table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.table.horizontalHeader()
        header.setHighlightSections(False)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setTextElideMode(Qt.TextElideMode.ElideRight)
        header.setStretchLastSection(True)
        self.table.setSortingEnabled(True)
        copy_action(self.table, lambda: table_text(self.rows))

    def _connect(self) -> None:
        state = self.state
        state.listed.connect(self._offer_lists)
        state.opened.connect(self._opened)
        state.offered.connect(self._offer_crystals)
        state.looked.connect(self._looked)
        state.judged.connect(self._judged)
        state.useless.connect(self._useless)
        state.refused.connect(self.session.notify.error)
        self.lists.activated.connect(lambda _: state.open(Path(self.lists.currentData())))
        self.crystals.activated.connect(lambda _: state.choose(Path(self.crystals.currentData())))
        self.filter.textChanged.connect(self._refilter)
        self.open_only.clicked.connect(self._refilter)
        self.table.selectionModel().currentRowChanged.connect(self._row_chosen)
        self.table.doubleClicked.connect(lambda _: self.open_front())
        self.view.stepped.connect(self.step)
        self.view.judged.connect(state.judge)
        self.view.noted.connect(state.note)
        self.view.open_wanted.connect(self.open_front)
        self.view.like_chosen.connect(self._like_chosen)
        keys: dict[str, Any] = {"N": lambda: self.step(1), "P": lambda: self.step(-1)}
        for verdict, key in KEYS.items():
            keys[key] = lambda v=verdict: self.judge(v)
        for key, act in keys.items():  # letters; a line that is edited keeps its own
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(act)

    # ----------------------------------------------------------------- lists

    @property
    def title(self) -> str:  # type: ignore[override]
        """The list that is open."""
        found = self.state.found
        return f"{TITLES[SECOND]}: {found.path.name}" if found is not None else TITLES[SECOND]

    @property
    def stem(self) -> str:
        """For the names of files that are written."""
        found = self.state.found
        return found.path.stem if found is not None else SECOND

    def refresh(self) -> None:
        """Look for lists, and open the one that was asked for."""
        if self.complete:
            self.state.refresh(self.session.evidence.take_list())
            self._say()
            self.look_changed.emit()

    def _offer_lists(self) -> None:
        found = self.state.found
        with QSignalBlocker(self.lists):
            self.lists.clear()
            for one in self.state.lists or ():
                self.lists.addItem(one.title, str(one.path))
            if found is not None and self.lists.findData(str(found.path)) < 0:
                self.lists.addItem(found.path.name, str(found.path))
            place = self.lists.findData(str(found.path)) if found is not None else -1
            self.lists.setCurrentIndex(place)

    def _opened(self) -> None:
        """Another list, or an error, or nothing."""
        state = self.state
        if state.error is not None and state.found is not None:
            self.session.notify.error(state.error)
            self._offer_lists()
            return
        self._offer_lists()
        self._say()
        if state.found is not None and state.row < 0:
            self._fit()
            self.rows.set_filter("", only_open=False)
            with QSignalBlocker(self.filter):
                self.filter.clear()
            self.open_only.setChecked(False)
            self.rows.sort(-1)
            self.table.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
            self._count()
            self._select(state.first_open())
        self.titled.emit()
        self.look_changed.emit()

    def _say(self) -> None:
        """The list, or why there is none."""
        found, error = self.state.found, self.state.error
        more = [("Open a list…", self.ask_list)]
        if found is not None and found.crystals:
            self.stack.setCurrentWidget(self.content)
        elif found is not None:
            words = f"{found.path.name} has no row: no crystal is missed by all models."
            self.say("good", "An empty list", words, more)
        elif error is not None:
            text = f"{error.title}\n{error.hint}".strip()
            again = ("Try again", lambda: self.state.refresh())
            self.say("error", "The list cannot be opened", text, [*more, again])
        elif self.state.lists is not None:
            page = ("Experiments page", lambda: self.page_wanted.emit("experiments"))
            self.say("eye", "No list of misclassified crystals yet", NO_LIST, [page, *more])

    def _fit(self) -> None:
        """Widths of the columns: what is seen of all."""
        header = self.table.horizontalHeader()
        for column in range(self.model.columnCount() - 1):
            header.resizeSection(column, WIDTHS.get(column, ANSWER))

    def ask_list(self) -> None:
        """Choose a list."""
        before = self.state.found
        start = str(before.path.parent if before is not None else Path.home())
        kinds = "Lists (*.csv);;All files (*)"
        found, _ = QFileDialog.getOpenFileName(self, "Open a list", start, kinds)
        if found:
            self.state.open(Path(found))

    # -------------------------------------------------------------- crystals

    def _offer_crystals(self) -> None:
        state = self.state
        total = len(state.found.crystals) if state.found is not None else 0
        with QSignalBlocker(self.crystals):
            self.crystals.clear()
            for offer in state.offers or ():
                text = f"{offer.title}: {offer.count} of {total}"
                self.crystals.addItem(text, str(offer.path))
            self.crystals.setCurrentIndex(
                self.crystals.findData(str(state.source)) if state.source is not None else -1
            )
        self.crystals.setPlaceholderText("none of them is here yet")

    def _ask_source(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("A folder of structures…", self.ask_folder)
        menu.addAction("A zip archive…", self.ask_archive)
        menu.popup(self.from_chip.mapToGlobal(self.from_chip.rect().bottomLeft()))

    def ask_folder(self) -> None:
        """Choose a folder of structures, or of a data set."""
        found = QFileDialog.getExistingDirectory(self, "Folder of structures", str(Path.home()))
        if found:
            self.state.choose(Path(found))

    def ask_archive(self) -> None:
        """Choose a zip archive of structures."""
        found, _ = QFileDialog.getOpenFileName(
            self, "Archive of structures", str(Path.home()), "Zip archives (*.zip)"
        )
        if found:
            self.state.choose(Path(found))

    def _useless(self, path: Path) -> None:
        self.session.notify.warning(
            f"{path.name} holds none of the crystals of this list.",
            "Choose a folder or a zip archive of structure files that are named by their ids.",
        )

    def _looked(self) -> None:
        state = self.state
        current, found = state.current, state.found
        if current is None or found is None:
            return
        self._front = self._shown = None
        place = self.table.currentIndex().row() + 1
        self.view.show_crystal(current, found.models, f"{place} of {self.rows.rowCount()}")
        self.view.show_verdict(state.judged_of(current))
        self.view.show_neighbours(current, state.crystal)
        self.look_changed.emit()

    def look(self) -> Look:
        """The crystal of the row, or a neighbour of it."""
        state = self.state
        current = state.current
        if current is None or not self.answering:
            return Look(own=True)
        if self._front is not None and self._shown is not None:
            return Look(
                own=True, crystal=self._shown, caption=f"built alike, labelled {self._front.label}"
            )
        caption = f"labelled {current.label}"
        if state.crystal is not None:
            return Look(own=True, crystal=state.crystal.crystal, caption=caption)
        why = "One moment …"
        if state.lost is not None:
            why = f"{state.lost.title} {state.lost.hint}".strip()
        elif state.source is None and state.offers is not None:
            why = NO_CRYSTALS
        return Look(own=True, caption=caption, note=why)

    def _like_chosen(self, like: Like | None) -> None:
        self._front, self._shown = like, None
        source = self.state.source
        if like is None or source is None:
            self.look_changed.emit()
            return
        self.session.lane.ask(
            "second-look:like",
            member,
            source,
            like.id,
            on_answer=lambda crystal: self._show_like(like, crystal),
            on_error=self._failed,
            owner=self,
        )

    def _show_like(self, like: Like, crystal: Crystal) -> None:
        if like is self._front:
            self._shown = crystal
            self.look_changed.emit()

    def _failed(self, error: ErrorInfo) -> None:
        self.session.notify.error(error)

    def open_front(self) -> None:
        """Open the crystal that is drawn on the Structure page."""
        current, source = self.state.current, self.state.source
        if current is None or source is None or self.state.crystal is None:
            return
        self.session.lane.run(
            write_member,
            source,
            self._front.id if self._front is not None else current.id,
            cache() / "from-datasets",
            on_answer=self._open,
            on_error=self._failed,
            owner=self,
        )

    def _open(self, path: Path) -> None:
        self.session.project.open_paths([path])
        self.page_wanted.emit("structure")

    # ------------------------------------------------------------------ rows

    def _select(self, row: int) -> None:
        """Make a row of the list the current one, where it is shown."""
        place = self.rows.mapFromSource(self.model.index(row, 0))
        if place.isValid():
            self.table.selectionModel().setCurrentIndex(
                place,
                QItemSelectionModel.SelectionFlag.ClearAndSelect
                | QItemSelectionModel.SelectionFlag.Rows,
            )
            self.table.scrollTo(place)

    def _row_chosen(self, *_: object) -> None:
        place = self.table.currentIndex()
        if place.isValid():
            row = self.rows.mapToSource(place).row()
            if row != self.state.row:
                self.state.look(row)

    def step(self, by: int) -> None:
        """The next or the previous crystal, as they are sorted and filtered."""
        count = self.rows.rowCount()
        if count:
            before = self.table.currentIndex()
            place = before.row() + by if before.isValid() else 0
            shown = self.rows.index(min(max(place, 0), count - 1), 0)
            self._select(self.rows.mapToSource(shown).row())

    def judge(self, verdict: Verdict) -> None:
        """Decide on the crystal of the row; the same verdict again takes it back."""
        current = self.state.current
        if current is not None and self.answering:
            before = self.state.judged_of(current).verdict
            self.state.judge("" if before == verdict else verdict)

    def write_note(self) -> None:
        """Bring the cursor to the note."""
        self.view.note.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _judged(self, row: int) -> None:
        self._count()
        current = self.state.current
        if current is not None and row == self.state.row:
            self.view.show_verdict(self.state.judged_of(current))

    def _count(self) -> None:
        found = self.state.found
        total = len(found.crystals) if found is not None else 0
        self.progress.setText(f"{self.state.looked_at} of {total} looked at")

    def _refilter(self) -> None:
        """Other rows; the crystal stays while it is among them, else the first is shown."""
        row = self.state.row
        self.rows.set_filter(self.filter.text(), only_open=self.open_only.isChecked())
        if self.rows.mapFromSource(self.model.index(row, 0)).isValid():
            self._select(row)
            self._looked()
        else:
            self.step(0)

    def csv_text(self) -> str:
        """The list with verdicts and notes."""
        found = self.state.found
        return list_text(found, self.state.verdicts) if found is not None else ""
