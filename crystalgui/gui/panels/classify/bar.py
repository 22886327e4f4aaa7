"""The head of the Classify page: model, what to classify, progress, cancel."""

from __future__ import annotations

import math
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from crystalgui.core.cards import Card as Family
from crystalgui.core.cards import TrainedModel
from crystalgui.gui.panels.classify.model_card import ModelCardPopover
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.panels.quantities import duration
from crystalgui.gui.state.jobs import JobRow
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, ElidedLabel, PlainButton, PrimaryButton, ProgressBar

STRUCTURES = (
    "Structures (*.vasp *.poscar *.POSCAR POSCAR* CONTCAR* *.cif *.xyz *.gz *.zip);;All files (*)"
)


class ClassifyBar(Card):
    """Chooses the model and the files; shows how far the job is.

    Signals
    -------
    paths_chosen(list of Path), model_changed(TrainedModel or None),
    again_asked(), cancel_asked()
    """

    paths_chosen = Signal(list)
    model_changed = Signal(object)
    again_asked = Signal()
    cancel_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self._models: list[TrainedModel] = []
        self.families: dict[str, Family] = {}
        self._start = str(Path.home())
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.choice = ChoiceBox()
        self.choice.setObjectName("trainedModelChoice")
        self.choice.setAccessibleName("Trained model")
        self.choice.setMinimumWidth(160)
        self.card_chip = Chip("card", tooltip="Model card: data, split, metrics")
        self.card_chip.setObjectName("modelCard")
        self._popover = ModelCardPopover(self)
        self.files_button = PrimaryButton("Files…")
        self.files_button.setObjectName("classifyFiles")
        self.folder_button = PlainButton("Folder…")
        self.folder_button.setObjectName("classifyFolder")
        self.again_button = PlainButton("Again")
        self.again_button.setObjectName("classifyAgain")
        self.again_button.setToolTip("Classify the same files with the chosen model")
        row.addWidget(self.choice, 1)
        row.addWidget(self.card_chip)
        row.addSpacing(SPACE[1])
        for button in (self.files_button, self.folder_button, self.again_button):
            row.addWidget(button)
        self.body.addLayout(row)
        self._progress = QWidget()
        box = QVBoxLayout(self._progress)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(SPACE[0])
        line = QHBoxLayout()
        self._text = ElidedLabel("")
        self._text.setProperty("role", "muted")
        line.addWidget(self._text, 1)
        self.cancel = Chip("Cancel", tooltip="Stop; rows that are there stay")
        self.cancel.setObjectName("cancelClassify")
        line.addWidget(self.cancel)
        box.addLayout(line)
        self._bar = ProgressBar()
        self._bar.setTextVisible(False)
        box.addWidget(self._bar)
        self._progress.hide()
        self.body.addWidget(self._progress)
        policy = self.sizePolicy()
        policy.setVerticalPolicy(policy.Policy.Maximum)
        self.setSizePolicy(policy)
        self.choice.currentIndexChanged.connect(self._changed)
        self.card_chip.clicked.connect(self.show_card)
        self.files_button.clicked.connect(self.ask_files)
        self.folder_button.clicked.connect(self.ask_folder)
        self.again_button.clicked.connect(self.again_asked)
        self.cancel.clicked.connect(self.cancel_asked)
        self.set_models([])

    # ------------------------------------------------------------- content

    def set_models(self, models: list[TrainedModel]) -> None:
        """Take the trained models; shipped ones first."""
        kept = self.choice.currentData()
        self._models = sorted(models, key=lambda m: not m.shipped)
        self.choice.blockSignals(True)
        self.choice.clear()
        for model in self._models:
            accuracy = model.metrics.get("accuracy", math.nan)
            tail = f"  ·  {100 * accuracy:.1f} %" if math.isfinite(accuracy) else ""
            self.choice.addItem(f"{model.title or model.name}{tail}", model.name)
        found = self.choice.findData(kept)
        self.choice.setCurrentIndex(max(0, found) if self._models else -1)
        self.choice.setPlaceholderText("" if self._models else "models are being loaded…")
        self.choice.blockSignals(False)
        self._changed()

    @property
    def model(self) -> TrainedModel | None:
        """The chosen model."""
        index = self.choice.currentIndex()
        return self._models[index] if 0 <= index < len(self._models) else None

    def choose(self, name: str) -> None:
        """Choose a model by name."""
        self.choice.setCurrentIndex(self.choice.findData(name))

    def _changed(self, _index: int = 0) -> None:
        self.card_chip.setEnabled(self.model is not None)
        self.model_changed.emit(self.model)

    def show_card(self) -> None:
        """Open the model card."""
        if self.model is not None:
            family = self.families.get(self.model.family)
            self._popover.show_model(self.model, self.card_chip, family)

    def show_job(self, row: JobRow | None, before: str = "") -> None:
        """Show progress, or what the job waits for, or nothing."""
        alive = row is not None and row.alive
        self._progress.setVisible(alive)
        if row is None or not alive:
            return
        self.cancel.setEnabled(row.status != "stopping")
        left = f"  ·  {duration(row.eta)} left" if math.isfinite(row.eta) else ""
        waiting = f"waits for: {before}" if before else "waits for the worker"
        self._text.setText(f"{waiting if row.status == 'queued' else row.text}{left}")
        self._bar.setRange(0, 1000 if row.total > 0 else 0)
        if row.total > 0:
            self._bar.setValue(round(1000 * row.fraction))

    # -------------------------------------------------------------- asking

    def ask_files(self) -> None:
        """Ask for structure files or zips."""
        found, _ = QFileDialog.getOpenFileNames(self, "Classify files", self._start, STRUCTURES)
        if found:
            self._start = str(Path(found[0]).parent)
            self.paths_chosen.emit([Path(p) for p in found])

    def ask_folder(self) -> None:
        """Ask for a folder."""
        found = QFileDialog.getExistingDirectory(self, "Classify a folder", self._start)
        if found:
            self._start = found
            self.paths_chosen.emit([Path(found)])
