"""What is measured: a model, a data set, the degrees of rolling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from crystalgui.core.cards import Param
from crystalgui.core.datasets.kinds import INPUTS, ROLLED
from crystalgui.core.messages import InvarianceJob
from crystalgui.gui.panels.forms import ChoiceBox, ParamForm
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, PlainButton, PrimaryButton, Text

if TYPE_CHECKING:
    from crystalgui.core.cards import TrainedModel
    from crystalgui.core.messages import DatasetSummary
    from crystalgui.gui.session import Session

FORM = (
    Param(name="rollings", label="Degrees of rolling", default="0, 1, 2, 4, 8",
          help="Each sample is shifted by up to so many points along every axis."),
    Param(name="draws", label="Rolls of each sample", default=4, minimum=1, maximum=1000),
    Param(name="samples", label="Samples", default=1000, minimum=0, maximum=10_000_000,
          help="Of the test rows; 0 takes all of them."),
    Param(name="seed", label="Seed", default=0, minimum=0, maximum=2**31 - 1),
)  # fmt: skip


class AskingCard(Card):
    """Choice of model and data set, and the settings.

    Signals
    -------
    run_asked(InvarianceJob), cancel_asked(), report_asked()
    """

    run_asked = Signal(object)
    cancel_asked = Signal()
    report_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Invariance", "", parent)
        self._session = session
        self._models: list[TrainedModel] = []
        self._datasets: list[DatasetSummary] = []
        self._running = self._by_hand = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.model, self.dataset = ChoiceBox(), ChoiceBox()
        for box, name, words in (
            (self.model, "Trained model", "no trained network of images or zones"),
            (self.dataset, "Data set", "no data set that it can be tested on"),
        ):
            label = QLabel(name)
            label.setBuddy(box)
            box.setAccessibleName(name)
            box.setPlaceholderText(words)
            box.setMinimumContentsLength(10)
            box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            self.body.addWidget(label)
            self.body.addWidget(box)
        self.form = ParamForm(FORM)
        self.body.addWidget(self.form)
        self.words = Text("", "muted")
        self.body.addWidget(self.words)
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.run = PrimaryButton("Measure", icon_name="play")
        self.cancel = PlainButton("Cancel", icon_name="cancel")
        self.report = PlainButton("Report…", icon_name="export")
        self.report.setToolTip("Write tables, JSON and a figure into a folder")
        row.addWidget(self.run)
        row.addWidget(self.cancel)
        row.addWidget(self.report)
        row.addStretch(1)
        self.body.addLayout(row)
        self.model.activated.connect(self._chosen_by_hand)
        self.model.currentIndexChanged.connect(self._model_chosen)
        self.dataset.currentIndexChanged.connect(self._look)
        self.form.edited.connect(self._look)
        self.run.clicked.connect(self._ask)
        self.cancel.clicked.connect(self.cancel_asked)
        self.report.clicked.connect(self.report_asked)
        session.project.catalogue_changed.connect(self.refresh)
        session.project.datasets_changed.connect(self.refresh)
        self.set_running(False)
        self.report.setEnabled(False)
        self.refresh()

    # -------------------------------------------------------------- choices

    def refresh(self) -> None:
        """Offer the models of the project that can be rolled, the newest first."""
        project = self._session.project
        kinds = {INPUTS[kind] for kind in ROLLED}
        fitting = {c.name for c in project.cards if not c.error and any(map(c.reads, kinds))}
        self._models = [
            m for m in reversed(project.models)
            if m.family in fitting and m.task == "classification"
        ]  # fmt: skip
        titles = [m.title for m in self._models]
        self._fill(
            self.model,
            [
                (m.name, m.title if titles.count(m.title) == 1 else f"{m.title} ({m.name[-6:]})")
                for m in self._models
            ],
        )
        if not self._by_hand:
            testable = (i for i, m in enumerate(self._models) if self._fitting(m))
            with QSignalBlocker(self.model):
                self.model.setCurrentIndex(next(testable, 0 if self._models else -1))
        self._model_chosen()

    def _chosen_by_hand(self, _index: int) -> None:
        """What a person chose stays when models come."""
        self._by_hand = True

    def _fitting(self, model: TrainedModel) -> list[DatasetSummary]:
        """Data sets of its kind whose classes the model knows."""
        project = self._session.project
        card = next((c for c in project.cards if c.name == model.family), None)
        return [
            d for d in project.datasets
            if card is not None and d.kind in ROLLED and card.reads(INPUTS[d.kind])
            and set(d.classes) <= set(model.classes)
        ]  # fmt: skip

    def _model_chosen(self, _index: int = 0) -> None:
        """Offer the data sets that the model can be tested on."""
        model = self.chosen
        self._datasets = self._fitting(model) if model is not None else []
        # the data set that it was trained on comes first
        told = model.data.partition(":")[0] if model is not None else ""
        self._datasets.sort(key=lambda d: d.name != told)
        self._fill(self.dataset, [(str(d.folder), d.name) for d in self._datasets])
        self._look()

    @staticmethod
    def _fill(box: ChoiceBox, rows: list[tuple[str, str]]) -> None:
        """Other rows, with the same choice where it is still there."""
        kept = box.currentData()
        box.blockSignals(True)
        box.clear()
        for value, words in rows:
            box.addItem(words, value)
        found = box.findData(kept)
        box.setCurrentIndex(max(found, 0) if rows else -1)
        box.blockSignals(False)

    @property
    def chosen(self) -> TrainedModel | None:
        """The chosen model."""
        index = self.model.currentIndex()
        return self._models[index] if 0 <= index < len(self._models) else None

    @property
    def data(self) -> DatasetSummary | None:
        """The chosen data set."""
        index = self.dataset.currentIndex()
        return self._datasets[index] if 0 <= index < len(self._datasets) else None

    def choose(self, model: str) -> None:
        """Choose a model by name."""
        self._by_hand = True
        self.model.setCurrentIndex(max(0, self.model.findData(model)))

    # --------------------------------------------------------------- asking

    def job(self) -> InvarianceJob | None:
        """What the form asks for; None while something is missing."""
        model, data, degrees = self.chosen, self.data, self._degrees()
        if model is None or data is None or not degrees:
            return None
        values = self.form.values()
        return InvarianceJob(
            model=model.name,
            dataset=data.folder,
            rollings=degrees,
            draws=int(values["draws"]),
            samples=int(values["samples"]),
            seed=int(values["seed"]),
            project=self._session.project.folder,
        )

    def _degrees(self) -> tuple[int, ...]:
        words = str(self.form.value("rollings")).replace(",", " ").split()
        return tuple(sorted({int(w) for w in words})) if all(map(str.isdecimal, words)) else ()

    def _look(self, _what: object = None) -> None:
        """Say what is missing."""
        why = ""
        if not self._models:
            why = "Train a network on images or on Brillouin zones first."
        elif not self._datasets:
            why = "Import or make a data set with the classes of this model."
        elif not self._degrees():
            why = "The degrees of rolling cannot be read. Write e.g. 0, 1, 2, 4, 8."
        self.words.setText(why)
        self.words.setVisible(bool(why))
        self.run.setEnabled(not why and not self._running)

    def _ask(self) -> None:
        if (job := self.job()) is not None:
            self.run_asked.emit(job)

    def set_running(self, on: bool) -> None:
        """Whether a measurement is under way."""
        self._running = on
        self.cancel.setVisible(on)
        self.report.setVisible(not on)
        self._look()
