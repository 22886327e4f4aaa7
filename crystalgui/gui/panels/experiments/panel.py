"""The Experiments page.

At the left the published experiments, at the right the chosen one: what it
shows, its presets with their minutes on this machine, its run, and the
numbers of this machine and of the records beside the published ones.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.atomic import write_atomic
from crystalgui.core.cards import ExperimentCard
from crystalgui.core.experiments.results import Figure, table_text
from crystalgui.core.messages import ErrorInfo
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.panels.experiments.agreement import AgreementView
from crystalgui.gui.panels.experiments.cards_list import CardsList
from crystalgui.gui.panels.experiments.figure_view import FigureView
from crystalgui.gui.panels.experiments.run_card import EMPTY, RunCard
from crystalgui.gui.panels.experiments.tables import ResultTable, claims, comparison, notes
from crystalgui.gui.session import Session
from crystalgui.gui.state.experiments import ExperimentsState, Found, Rows
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, EmptyState, Text

COMPARISON = "Comparison"
CLAIMS = "Claims of the paper"
NO_FIGURES = "Figures are drawn by a run on this machine."
RECORDED = "the record against the paper; a run draws its own"


def write_rows(path: Path, rows: Rows) -> Path:
    """Write a table as CSV (in the lane)."""
    write_atomic(path, table_text(*rows))
    return path


def copy_file(source: Path, target: Path) -> Path:
    """Copy a figure (in the lane)."""
    write_atomic(target, source.read_bytes())
    return target


def _splitter(way: Qt.Orientation, first: QWidget, last: QWidget, a: int, b: int) -> QSplitter:
    """Two cards that share their room as ``a`` to ``b``."""
    made = QSplitter(way)
    for index, (widget, share) in enumerate(((first, a), (last, b))):
        made.addWidget(widget)
        made.setStretchFactor(index, share)
    made.setSizes([100 * a, 100 * b])
    made.setHandleWidth(SPACE[2])
    made.setChildrenCollapsible(False)
    return made


class ExperimentsPanel(QWidget):
    """Choose an experiment, run it, compare.

    Signals
    -------
    page_wanted(str)
        Another page shall come to the stage.
    """

    page_wanted = Signal(str)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.state = ExperimentsState(session.project, session.jobs, session.lane, self)
        self.found: Found | None = None
        self._tables: dict[str, Rows] = {}
        self._figures: tuple[Figure, ...] = ()
        self.list = CardsList()
        self.run_card = RunCard()
        self.stack = QStackedWidget()
        self.empty = EmptyState("experiments", "", "")
        self.stack.addWidget(self.empty)
        self.stack.addWidget(self._content())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.stack)
        self._connect()
        self._devices()
        self.state.refresh()

    # --------------------------------------------------------------- layout

    def _content(self) -> QWidget:
        page = QWidget()
        row = QHBoxLayout(page)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE[2])
        self.cards = Card("Experiments")
        self.cards.setFixedWidth(260)
        self.cards.body.addWidget(self.list, 1)
        row.addWidget(self.cards)
        right = QVBoxLayout()
        right.setSpacing(SPACE[2])
        right.addWidget(self.run_card)
        lower = _splitter(Qt.Orientation.Horizontal, self._figure_card(), self._notes_card(), 3, 2)
        numbers = self._numbers_card()
        right.addWidget(_splitter(Qt.Orientation.Vertical, numbers, lower, 4, 5), 1)
        row.addLayout(right, 1)
        return page

    def _numbers_card(self) -> Card:
        self.numbers = Card("Numbers")
        self.which = QComboBox()
        self.which.setAccessibleName("Table")
        self.which.setMinimumWidth(120)
        self.csv = Chip("", tooltip="Export this table as CSV", icon_name="table")
        self.open = Chip("", tooltip="Open the folder of the results", icon_name="open")
        self.second_look = Chip("second look", tooltip="Go through these crystals one by one")
        self.second_look.hide()
        for widget in (self.which, self.second_look, self.csv, self.open):
            self.numbers.tools.addWidget(widget)
        self.table = ResultTable()
        self.rows = QStackedWidget()
        self.rows.addWidget(self.table)
        nothing = Text("No numbers yet.", "muted")
        nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.rows.addWidget(nothing)
        self.numbers.body.addWidget(self.rows, 1)
        self.numbers.setMinimumSize(280, 130)
        return self.numbers

    def _notes_card(self) -> Card:
        card = Card("About these numbers")
        card.setMinimumWidth(180)
        self.notes = Text("", "muted")
        self.notes.setAlignment(Qt.AlignmentFlag.AlignTop)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inner = QWidget()
        inner.setObjectName("ScrollBody")
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, SPACE[1], 0)
        column.addWidget(self.notes)
        column.addStretch(1)
        area.setWidget(inner)
        card.body.addWidget(area, 1)
        return card

    def _figure_card(self) -> Card:
        self.figures = Card("Figures")
        self.figure_choice = QComboBox()
        self.figure_choice.setAccessibleName("Figure")
        self.figure_choice.setMinimumWidth(120)
        self.save_figure = Chip("", tooltip="Save this figure as PDF or PNG", icon_name="picture")
        self.figures.tools.addWidget(self.figure_choice)
        self.figures.tools.addWidget(self.save_figure)
        self.view, self.agreement = FigureView(self._session), AgreementView()
        self.drawn = QStackedWidget()
        self.drawn.addWidget(self.view)
        self.drawn.addWidget(self.agreement)
        self.figures.body.addWidget(self.drawn, 1)
        return self.figures

    def _connect(self) -> None:
        state, card = self.state, self.run_card
        state.listed.connect(self._listed)
        state.found.connect(self._found)
        state.changed.connect(self._progress)
        state.ready.connect(self._ready)
        state.ended.connect(self._ended)
        state.failed.connect(self._not_read)
        self._session.project.catalogue_changed.connect(self._devices)
        self.list.chosen.connect(self._chosen)
        card.preset_changed.connect(self._load)
        card.run_asked.connect(self.run)
        card.cancel_asked.connect(self.cancel)
        self.which.currentIndexChanged.connect(self._show_table)
        self.figure_choice.currentIndexChanged.connect(self._show_figure)
        self.csv.clicked.connect(self.ask_csv)
        self.open.clicked.connect(self.open_folder)
        self.second_look.clicked.connect(self.go_through)
        self.save_figure.clicked.connect(self.ask_figure)

    def actions(self) -> list[ActionInfo]:
        """What this page adds to menus and palette."""
        return [
            ActionInfo(
                "experiments.run",
                "Run the experiment, or go on with it",
                lambda: self.run(fresh=False),
                icon="play",
                menu="Train",
                tip="The chosen experiment and preset, into the project",
                group=2,
                enabled=lambda: self.run_card.run.isVisibleTo(self.run_card),
            ),
            ActionInfo(
                "experiments.cancel",
                "Cancel the experiment",
                self.cancel,
                icon="cancel",
                menu="Train",
                tip="What is finished stays; it can go on later",
                group=2,
                enabled=lambda: self.state.alive(self.list.name, self.run_card.preset),
            ),
            ActionInfo(
                "experiments.csv",
                "Export table of the experiment as CSV…",
                self.ask_csv,
                icon="table",
                menu="Train",
                group=2,
                enabled=self.csv.isEnabled,
            ),
            ActionInfo(
                "experiments.figure",
                "Save figure of the experiment…",
                self.ask_figure,
                icon="picture",
                menu="Train",
                group=2,
                enabled=self.save_figure.isEnabled,
            ),
            ActionInfo(
                "experiments.second-look",
                "Go through the crystals of the experiment",
                self.go_through,
                icon="eye",
                menu="Train",
                tip="The crystals that every model gets wrong, one by one on the Evidence page",
                group=2,
                enabled=lambda: self.found is not None and self.found.list is not None,
            ),
            ActionInfo(
                "experiments.folder",
                "Open folder of the experiment",
                self.open_folder,
                icon="open",
                menu="Train",
                group=2,
                enabled=self.open.isEnabled,
            ),
        ]

    # --------------------------------------------------------------- choice

    @property
    def card(self) -> ExperimentCard | None:
        """The chosen experiment."""
        return self.state.card(self.list.name)

    def choose(self, name: str, preset: str = "") -> None:
        """Show an experiment, and one of its presets."""
        self.list.choose(name)
        if preset:
            self.run_card.choose(preset)

    def _devices(self) -> None:
        devices = self._session.project.devices
        self.run_card.set_devices(devices, self._session.settings.device)

    def _listed(self) -> None:
        cards = self.state.cards
        self.stack.setCurrentIndex(1 if cards else 0)
        self.cards.set_title("Experiments", f"{len(cards)}" if cards else "")
        if not cards:
            known = bool(self._session.project.cards)
            self.empty.set_text(
                "No experiments" if known else "The experiments are loading",
                "None came with this installation." if known else "This takes a few seconds.",
            )
            return
        self.list.show_cards(cards, self.state)
        if self.run_card.card != self.card:
            self._chosen(self.list.name)

    def _chosen(self, name: str) -> None:
        card = self.state.card(name)
        if card is None:
            return
        self.run_card.show_card(card)
        if not card.presets:
            self._show_results(None)

    def _load(self, preset: str) -> None:
        """Show what is recorded at once, what is on disk when it is read."""
        self._show_results(None)
        self.state.load(self.list.name, preset)

    # --------------------------------------------------------------- running

    def run(self, fresh: bool = False) -> None:
        """Run the chosen experiment; ``fresh`` from the beginning."""
        card = self.run_card
        if self.card is not None and card.preset in self.card.presets and not self.card.error:
            self.state.run(self.list.name, card.preset, card.chosen_device, fresh=fresh)

    def cancel(self) -> None:
        """Stop the run that is shown."""
        self.state.cancel(self.list.name, self.run_card.preset)

    def _is_shown(self, name: str, preset: str) -> bool:
        return (name, preset) == (self.list.name, self.run_card.preset)

    def _progress(self, name: str, preset: str) -> None:
        self.list.update_state(name, self.state)
        if self._is_shown(name, preset):
            line = self.state.lines.get((name, preset), "")
            self.run_card.show_row(self.state.row(name, preset), line)

    def _ready(self, name: str, preset: str) -> None:
        card = self.state.card(name)
        self._session.notify.info(f"{card.title if card else name} ({preset}) is done.")

    def _ended(self, name: str, preset: str) -> None:
        if self._is_shown(name, preset):
            self.state.load(name, preset)

    # --------------------------------------------------------------- results

    def _found(self, found: Found) -> None:
        if found.folder == self.state.folder(self.list.name, self.run_card.preset):
            self._show_results(found)

    def _not_read(self, error: ErrorInfo) -> None:
        self._session.notify.error(error)

    def _show_results(self, found: Found | None) -> None:
        self.found, card, preset = found, self.card, self.run_card.preset
        here = found.standing if found is not None else EMPTY
        row = self.state.row(self.list.name, preset)
        self.run_card.show_standing(here, row)
        recorded = tuple(k for k in card.recorded if k.preset == preset) if card else ()
        own = here.record.numbers if here.record is not None else ()
        differs = here.record.differs if here.record is not None else ()
        before = self.which.currentText()
        self._tables = {}
        if own or recorded:
            self._tables[COMPARISON] = comparison(own, recorded)
        said = here.record.claims if here.record is not None else ()
        if said or any(kept.claims for kept in recorded):
            self._tables[CLAIMS] = claims(said, recorded)
        if found is not None:
            self._tables.update({table.title: rows for table, rows in found.tables})
        self.which.blockSignals(True)
        self.which.clear()
        self.which.addItems(list(self._tables))
        self.which.setCurrentIndex(max(0, self.which.findText(before)))
        self.which.blockSignals(False)
        self.which.setVisible(len(self._tables) > 1)
        self.csv.setEnabled(bool(self._tables))
        self.open.setEnabled(here.state != "empty")
        self.second_look.setVisible(found is not None and found.list is not None)
        self.rows.setCurrentIndex(0 if self._tables else 1)
        self._show_table()
        self.notes.setText(notes(card, preset, differs, recorded) if card else "")
        self._show_figures(here.record.figures if here.record is not None else ())

    def _show_table(self, *_: object) -> None:
        title = self.which.currentText()
        head, rows = self._tables.get(title, ((), []))
        self.table.show_rows(head, rows)
        self.numbers.set_title("Numbers", "" if len(self._tables) > 1 else title.lower())

    def _show_figures(self, figures: tuple[Figure, ...]) -> None:
        before = self.figure_choice.currentText()
        self._figures = figures
        self.figure_choice.blockSignals(True)
        self.figure_choice.clear()
        self.figure_choice.addItems([figure.title for figure in figures])
        self.figure_choice.setCurrentIndex(max(0, self.figure_choice.findText(before)))
        self.figure_choice.blockSignals(False)
        self.figure_choice.setVisible(len(figures) > 1)
        self.save_figure.setEnabled(bool(figures))
        self._show_figure()

    def _show_figure(self, *_: object) -> None:
        figure = self.figure
        if figure is None or self.found is None:
            self.view.show_figure(None, "", NO_FIGURES)
            card, preset = self.card, self.run_card.preset
            recorded = [k for k in card.recorded if k.preset == preset] if card else []
            found = self.agreement.show_numbers([n for kept in recorded[:1] for n in kept.numbers])
            self.figures.set_title("Figures", RECORDED if found else "")
            self.drawn.setCurrentWidget(self.agreement if found else self.view)
            return
        self.drawn.setCurrentWidget(self.view)
        self.figures.set_title("Figures", figure.title if len(self._figures) == 1 else "")
        self.view.show_figure(self.found.folder / figure.stem, figure.title)

    @property
    def figure(self) -> Figure | None:
        """The figure that is shown."""
        index = self.figure_choice.currentIndex()
        return self._figures[index] if 0 <= index < len(self._figures) else None

    # --------------------------------------------------------------- exports

    def ask_csv(self) -> None:
        """Ask where the shown table goes, then write it."""
        name = f"{self.list.name}-{self.run_card.preset}.csv"
        path = self._ask("Export table", name, "CSV (*.csv)")
        if path is not None:
            self.write_csv(path)

    def write_csv(self, path: Path) -> None:
        """Write the table that is shown."""
        self._work(write_rows, path, self.table.shown)

    def ask_figure(self) -> None:
        """Ask where the figure goes, then copy it there."""
        if self.figure is not None:
            name = f"{self.list.name}-{self.figure.name}.pdf"
            path = self._ask("Save figure", name, "PDF (*.pdf);;PNG (*.png)")
            if path is not None:
                self.write_figure(path)

    def write_figure(self, path: Path) -> None:
        """Copy the figure that is shown: the PNG where the name asks for it, else the PDF."""
        if self.figure is not None and self.found is not None:
            ending = ".png" if path.suffix.lower() == ".png" else ".pdf"
            stem = self.found.folder / self.figure.stem
            self._work(copy_file, stem.with_name(stem.name + ending), path)

    def _work(self, function: object, *args: object) -> None:
        self._session.lane.run(
            function,
            *args,
            on_answer=lambda path: self._session.notify.info(f"Written: {path.name}"),
            on_error=self._session.notify.error,
            owner=self,
        )

    def _ask(self, title: str, name: str, kind: str) -> Path | None:
        found, chosen = QFileDialog.getSaveFileName(self, title, str(Path.home() / name), kind)
        if not found:
            return None
        path = Path(found)
        ending = ".png" if "png" in chosen else Path(name).suffix
        return path if path.suffix else path.with_suffix(ending)

    def go_through(self) -> None:
        """Go through the crystals of the list of this result, on the Evidence page."""
        if self.found is not None and self.found.list is not None:
            self._session.evidence.show_list(self.found.list)
            self.page_wanted.emit("evidence")

    def open_folder(self) -> None:
        """Show the results in the file browser of the system."""
        folder = self.state.folder(self.list.name, self.run_card.preset)
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def showEvent(self, event: QShowEvent) -> None:
        """Look again: the command line may have worked in the project."""
        super().showEvent(event)
        self.state.refresh()
        if self.run_card.preset:
            self.state.load(self.list.name, self.run_card.preset)
