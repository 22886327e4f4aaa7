"""The head of the Classify page: models, what to classify, progress, cancel."""

from __future__ import annotations

import math
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from crystalgui.core.cards import Card as Family
from crystalgui.core.cards import TrainedModel
from crystalgui.gui.panels.classify.model_card import ModelCardPopover
from crystalgui.gui.panels.classify.models import ModelsButton
from crystalgui.gui.panels.classify.options import OptionsRow
from crystalgui.gui.panels.quantities import duration
from crystalgui.gui.state.jobs import JobRow
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, ElidedLabel, PlainButton, PrimaryButton, ProgressBar

STRUCTURES = (
    "Structures (*.vasp *.poscar *.POSCAR POSCAR* CONTCAR* *.cif *.xyz *.gz *.zip);;All files (*)"
)


class ClassifyBar(Card):
    """Chooses the models and the files; shows how far the job is.

    Signals
    -------
    paths_chosen(list of Path), models_changed(), again_asked(), cancel_asked()
    card_shown(TrainedModel)
        The card of a model is open, and can be told how good it is.
    """

    paths_chosen = Signal(list)
    models_changed = Signal()
    again_asked = Signal()
    cancel_asked = Signal()
    card_shown = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.families: dict[str, Family] = {}
        self._start = str(Path.home())
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.choice = ModelsButton()
        self.choice.setAccessibleName("Trained models")
        self.card_chip = Chip("card", tooltip="Model card: data, split, metrics")
        self.card_chip.setObjectName("modelCard")
        self.popover = ModelCardPopover(self)
        self.files_button = PrimaryButton("Files…")
        self.files_button.setObjectName("classifyFiles")
        self.folder_button = PlainButton("Folder…")
        self.folder_button.setObjectName("classifyFolder")
        self.again_button = PlainButton("Again")
        self.again_button.setObjectName("classifyAgain")
        self.again_button.setToolTip("Classify the same files with the chosen models")
        self.more_chip = Chip("options", checkable=True, tooltip="A table as it comes, a cluster")
        self.more_chip.setObjectName("classifyOptions")
        row.addWidget(self.choice, 1)
        row.addWidget(self.card_chip)
        row.addWidget(self.more_chip)
        row.addSpacing(SPACE[1])
        for button in (self.files_button, self.folder_button, self.again_button):
            row.addWidget(button)
        self.body.addLayout(row)
        self.options = OptionsRow()
        self.options.hide()
        self.body.addWidget(self.options)
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
        self.choice.chosen_changed.connect(self._changed)
        self.choice.card_asked.connect(self.show_card)
        self.card_chip.clicked.connect(lambda: self.show_card())
        self.more_chip.toggled.connect(self.options.setVisible)
        self.files_button.clicked.connect(self.ask_files)
        self.folder_button.clicked.connect(self.ask_folder)
        self.again_button.clicked.connect(self.again_asked)
        self.cancel.clicked.connect(self.cancel_asked)
        self.set_models([])

    # ------------------------------------------------------------- content

    def set_models(self, models: list[TrainedModel]) -> None:
        """Take the trained models; the best shipped one of each task answers at first."""
        self.choice.set_models(models)
        self._changed()

    @property
    def models(self) -> list[TrainedModel]:
        """The models that answer."""
        return self.choice.chosen

    @property
    def model(self) -> TrainedModel | None:
        """The first of the models."""
        return next(iter(self.models), None)

    def choose(self, *names: str) -> None:
        """Let the models of these names answer."""
        self.choice.choose(names)

    def _changed(self) -> None:
        self.card_chip.setEnabled(self.model is not None)
        self.models_changed.emit()

    def show_card(self, model: TrainedModel | None = None) -> None:
        """Open the card of a model, or of the first one that answers."""
        model = model or self.model
        if model is not None:
            self.popover.show_model(model, self.card_chip, self.families.get(model.family))
            self.card_shown.emit(model)

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
