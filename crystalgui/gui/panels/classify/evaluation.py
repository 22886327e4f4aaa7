"""How good the models are: known labels beside their answers, or their own test crystals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QScrollArea,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.cards import TrainedModel
from crystalgui.core.messages import ErrorInfo
from crystalgui.core.reports.evaluation import (
    Evaluation,
    elements_of,
    evaluate,
    read_test,
    write_evaluation,
)
from crystalgui.core.structures.elements import SYMBOLS
from crystalgui.core.training.known import beside
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.plots.confusion import ConfusionPlot
from crystalgui.gui.plots.groups import GroupBars
from crystalgui.gui.plots.left_step import LeftStepTable
from crystalgui.gui.plots.reliability import CoveragePlot, ReliabilityPlot
from crystalgui.gui.session import Session
from crystalgui.gui.state.predictions import best_models, of_crystals
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, SectionTitle, Text, small_print

TEST = "test.csv"
TWO_COLUMNS = 680
STEPS = 200
FEW = 8
"""Ids that a line of text names."""
LEARNT = (
    "Crystals that the model has learnt count here as well and make it look better than it is; "
    "its own test crystals are surely new to it."
)


def own_test(model: TrainedModel) -> Evaluation:
    """A shipped model on the test crystals that it came with."""
    return evaluate(read_test(Path(model.folder) / TEST, model.classes, model.unit))


class EvaluationRoom(QWidget):
    """Calibration, coverage, confusion, and where a model fails.

    Signals
    -------
    labels_asked()
    rows_wanted(frozenset of str, str)
        Rows of the table by file, and what they are.
    reject_changed(str, float)
        Answers of this model that are less sure are refused; an empty name: none.
    """

    labels_asked = Signal()
    rows_wanted = Signal(object, str)
    reject_changed = Signal(str, float)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._path: Path | None = None
        self._done: tuple[object, ...] = ()
        self.shown: Evaluation | None = None
        self._build_head()
        self._build_cards()
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        inside = QWidget()
        self._grid = QGridLayout(inside)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(SPACE[2])
        self._scroll.setWidget(inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE[2])
        layout.addWidget(self.head)
        layout.addWidget(self._scroll, 1)
        self._placed: tuple[int, int] = (0, 0)
        self._arrange()

    # -------------------------------------------------------------- building

    def _build_head(self) -> None:
        self.head = Card("Evaluation")
        self.choice = ChoiceBox()
        self.choice.setObjectName("evaluatedModel")
        self.choice.setAccessibleName("Evaluated model")
        self.choice.setMinimumWidth(140)
        self.labels_chip = Chip("Known labels…", tooltip="A table with the columns id and label")
        self.own_chip = Chip("own test crystals", tooltip="What the model was measured on")
        self.csv_chip = Chip("CSV", tooltip="Write everything that is shown as CSV")
        for widget in (self.choice, self.labels_chip, self.own_chip, self.csv_chip):
            self.head.tools.addWidget(widget)
        self.score = Text("")
        self.caution = Text(LEARNT, "muted")
        self.caution.setObjectName("mayHaveLearnt")
        self.head.body.addWidget(self.score)
        self.head.body.addWidget(self.caution)
        policy = self.head.sizePolicy()
        policy.setVerticalPolicy(policy.Policy.Maximum)
        self.head.setSizePolicy(policy)
        self.choice.currentIndexChanged.connect(lambda _index: self.refresh())
        self.labels_chip.clicked.connect(self.labels_asked)
        self.own_chip.clicked.connect(self.show_own)
        self.csv_chip.clicked.connect(self.ask_export)

    def _build_cards(self) -> None:
        self.reliability = ReliabilityPlot()
        self.calibration_card = self._card("Calibration", self.reliability, 230)
        self.coverage = CoveragePlot()
        self.coverage_card = self._card("Coverage", self.coverage, 190)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setObjectName("rejectBelow")
        self.slider.setAccessibleName("Refuse answers that are less sure")
        self.slider.setRange(0, STEPS)
        self.kept = small_print()
        line = QHBoxLayout()
        line.addWidget(self.slider)
        self.coverage_card.body.addLayout(line)
        self.coverage_card.body.addWidget(self.kept)
        self.slider.valueChanged.connect(self._reject)
        self.confusion = ConfusionPlot()
        self.confusion_card = self._card("Confusion", self.confusion, 230)
        self.confusion_card.set_title("Confusion", "a cell leads to its crystals")
        self.cell_note = small_print()
        self.confusion_card.body.addWidget(self.cell_note)
        self.confusion.cell_clicked.connect(self._cell)
        self.elements = LeftStepTable()
        self.elements_card = self._card("Errors by element", self.elements, 300)
        self.elements_card.set_title("Errors by element", "elements of few crystals tell little")
        self.element_chip = Chip("show crystals", tooltip="Rows of the table with this element")
        self.element_chip.setObjectName("showElement")
        self.element_chip.hide()
        self.elements_card.tools.addWidget(self.element_chip)
        self.elements.selected.connect(lambda chosen: self.element_chip.setVisible(bool(chosen)))
        self.element_chip.clicked.connect(self._element)
        self.symmetries, self.sizes = GroupBars(), GroupBars()
        self.symmetries.setAccessibleName("Errors by space groups of one formula")
        self.sizes.setAccessibleName("Errors by atoms of a primitive cell")
        self.groups_card = Card("Errors by symmetry and size")
        self._symmetries_title = SectionTitle("space groups of one formula")
        self._sizes_title = SectionTitle("atoms of a primitive cell")
        for widget in (self._symmetries_title, self.symmetries, self._sizes_title, self.sizes):
            self.groups_card.body.addWidget(widget)
        self.groups_card.body.addStretch(1)

    @staticmethod
    def _card(title: str, inside: QWidget, height: int) -> Card:
        card = Card(title)
        inside.setMinimumHeight(height)
        card.body.addWidget(inside, 1)
        return card

    def _arrange(self) -> None:
        """Two cards beside each other, or one in a narrow page."""
        columns = 2 if self.width() >= TWO_COLUMNS else 1
        cards = (self.calibration_card, self.coverage_card, self.confusion_card, self.groups_card)
        shown = [card for card in cards if not card.isHidden()]
        if (columns, len(shown)) == self._placed:
            return
        self._placed = (columns, len(shown))
        for card in (*cards, self.elements_card):
            self._grid.removeWidget(card)
        for place, card in enumerate(shown):
            alone = place == len(shown) - 1 and place % columns == 0
            self._grid.addWidget(
                card, place // columns, place % columns, 1, columns if alone else 1
            )
        self._grid.addWidget(self.elements_card, len(cards), 0, 1, columns)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """As many columns as fit."""
        super().resizeEvent(event)
        self._arrange()

    # -------------------------------------------------------------- requests

    def _models(self) -> list[TrainedModel]:
        """Those that made the rows, else the best of each task."""
        project, names = self._session.project, self._session.predictions.models
        made = [model for model in project.models if model.name in names]
        return made or best_models(of_crystals(project.models, project.cards))

    def refresh(self) -> None:
        """Bring what is shown up to date, when rows or models changed."""
        models = self._models()
        names = [model.name for model in models]
        if [self.choice.itemData(i) for i in range(self.choice.count())] != names:
            kept = self.choice.currentData()
            with QSignalBlocker(self.choice):
                self.choice.clear()
                for model in models:
                    self.choice.addItem(model.title or model.name, model.name)
                self.choice.setCurrentIndex(max(0, self.choice.findData(kept)))
        model = next((m for m in models if m.name == self.choice.currentData()), None)
        if model is None:
            self._failed(ErrorInfo(title="There is no model yet.", hint="Train one."))
        elif self._path is not None:
            self._ask((self._path, model.name, *self._table), (model.name,))
        elif (wanted := (model.name,)) != self._done:
            self._done = wanted
            self._session.lane.ask(
                "classify:evaluation",
                own_test,
                model,
                on_answer=lambda found: self._take(wanted, model.name, found),
                on_error=lambda error: self._failed(error, wanted),
                owner=self,
                slow=True,
            )

    @property
    def _table(self) -> tuple[int, int]:
        """Which rows there are."""
        state = self._session.predictions
        return state.tables, len(state.rows)

    def compare(self, path: Path) -> None:
        """Labels of a file beside the answers, of the first model that they are for."""
        self._path = path
        self._ask((path, "", *self._table), self._session.predictions.models)

    def _ask(self, wanted: tuple[object, ...], models: tuple[str, ...]) -> None:
        if wanted == self._done:
            return
        assert self._path is not None
        self._done = wanted
        self._session.lane.ask(
            "classify:evaluation",
            beside,
            tuple(self._session.predictions.rows),
            self._path,
            models,
            on_answer=lambda found: self._take(wanted, *found),
            on_error=lambda error: self._failed(error, wanted),
            owner=self,
            slow=True,
        )

    def show_own(self) -> None:
        """Show the model on its own test crystals."""
        self._path = None
        self.refresh()

    def ask_export(self) -> None:
        """Ask for a file and write everything that is shown."""
        if self.shown is None:
            return
        start = str(Path.home() / "evaluation.csv")
        found, _ = QFileDialog.getSaveFileName(self, "Export evaluation", start, "CSV (*.csv)")
        if found:
            self.export(Path(found))

    def export(self, path: Path) -> None:
        """Write everything that is shown."""
        self._session.lane.run(
            write_evaluation,
            path,
            self.shown,
            on_answer=lambda done: self._session.notify.info(f"{Path(done).name} is written."),
            on_error=self._session.notify.error,
            owner=self,
        )

    # --------------------------------------------------------------- answers

    def _take(self, asked: tuple[object, ...], model: str, found: Evaluation) -> None:
        """Show an answer, unless something else was asked since."""
        if asked == self._done:
            self.show_evaluation(model, found)

    def _failed(self, error: ErrorInfo, asked: tuple[object, ...] | None = None) -> None:
        if asked is not None and asked != self._done:
            return
        self._done = ()  # asked again, it may have been mended
        self.shown = None
        self.score.setText(f"{error.title} {error.hint}".strip())
        self.score.set_role("bad")
        self._scroll.setVisible(False)
        self.head.set_title("Evaluation")
        self.own_chip.setVisible(self._path is not None)
        self.caution.hide()
        self.reject_changed.emit("", -math.inf)

    def show_evaluation(self, model: str, found: Evaluation) -> None:
        """Show everything that is told of a model."""
        if self._path is not None:
            with QSignalBlocker(self.choice):
                self.choice.setCurrentIndex(max(0, self.choice.findData(model)))
            self._done = (self._path, model, *self._table)
        self.shown = found
        known = found.known
        unit = "%" if known.classes else known.unit
        self._scroll.setVisible(True)
        self.score.set_role("")
        self.score.setText(self._words(found))
        source = self._path.name if self._path is not None else "the model’s own test crystals"
        self.head.set_title("Evaluation", f"{len(known):,} crystals of {source}")
        self.own_chip.setVisible(self._path is not None)
        self.caution.setVisible(self._path is not None)
        self.reliability.set_curve(found.reliability)
        self.calibration_card.setVisible(found.reliability is not None)
        self.coverage.set_curve(found.coverage, unit)
        self.coverage_card.setVisible(found.coverage is not None)
        self.slider.setValue(0)
        self._reject(0)
        self.confusion.set_matrix(known.classes, found.confusion)
        self.confusion_card.setVisible(bool(known.classes))
        self.cell_note.setText("")
        scale = 100 if known.classes else 1
        name = "wrong" if known.classes else "mean absolute error"
        errors = {z: scale * group.error for z, group in found.elements.items()}
        self.elements.set_values(errors, name, unit)
        self.elements.select(())
        self.elements_card.setVisible(bool(errors))
        self.symmetries.set_groups(found.symmetries, unit)
        self.sizes.set_groups(found.sizes, unit)
        self._symmetries_title.setVisible(bool(found.symmetries))
        self._sizes_title.setVisible(bool(found.sizes))
        self.groups_card.setVisible(bool(found.symmetries or found.sizes))
        self._arrange()

    @staticmethod
    def _words(found: Evaluation) -> str:
        known, half = found.known, found.surest_half
        if known.classes:
            words = [f"{100 * found.score:.1f} % right"]
            if found.reliability is not None:
                words.append(f"expected calibration error {100 * found.reliability.error:.1f} %")
            if math.isfinite(half):
                words.append(f"{100 * half:.1f} % right on the half it is surest of")
        else:
            words = [f"mean absolute error {found.score:.4g} {known.unit}".rstrip()]
            if math.isfinite(half):
                words.append(f"{half:.4g} on the half it is surest of")
        if known.unlabelled:
            words.append(f"{known.unlabelled:,} crystals without label")
        return "  ·  ".join(words)

    # ---------------------------------------------------------------- reject

    def threshold(self, step: int) -> float:
        """The certainty below which answers are refused at a step of the slider."""
        curve = self.shown.coverage if self.shown is not None else None
        if not step or curve is None:
            return -math.inf
        if self.shown is not None and self.shown.known.classes:
            return step / STEPS
        share = 1 - step / STEPS
        return float(curve.threshold[int(np.searchsorted(curve.share, share, side="left"))])

    def _reject(self, step: int) -> None:
        found = self.shown
        if found is None or found.coverage is None:
            self.reject_changed.emit("", -math.inf)
            return
        least = self.threshold(step)
        share, score = found.coverage.at(least)
        self.coverage.set_threshold(least)
        classes = bool(found.known.classes)
        good = f"{100 * score:.1f} % right" if classes else f"± {score:.3g} {found.known.unit}"
        limit = f"below {100 * least:.1f} %" if classes else f"with a spread over {-least:.3g}"
        head = f"refuse answers {limit}: " if step else "refuse none: "
        tail = f", {good}" if math.isfinite(score) else ""
        self.kept.setText(f"{head}{100 * share:.1f} % answered{tail}")
        self.reject_changed.emit(self.choice.currentData() if step else "", least)

    # ----------------------------------------------------------- click-through

    def _cell(self, true: str, said: str) -> None:
        if self.shown is None:
            return
        known = self.shown.known
        wanted = known.classes.index(true), known.classes.index(said)
        rows = np.flatnonzero((known.true == wanted[0]) & (known.said == wanted[1]))
        self._lead([known.files[i] for i in rows], f"{true} called {said}")

    def _element(self) -> None:
        if self.shown is None:
            return
        chosen = [SYMBOLS[z] for z in self.elements.selection]
        known = self.shown.known
        files = [
            file
            for file, text in zip(known.files, known.formulas, strict=True)
            if set(self.elements.selection) <= elements_of(text)
        ]
        self._lead(files, f"with {', '.join(chosen)}")

    def _lead(self, files: Sequence[str], words: str) -> None:
        """To the rows of the table, or to a line of ids where there are no rows."""
        if self._path is not None:
            self.rows_wanted.emit(frozenset(files), words)
            return
        some = ", ".join(files[:FEW])
        more = f" and {len(files) - FEW:,} more" if len(files) > FEW else ""
        self.cell_note.setText(f"{words}: {some or 'none'}{more}")
