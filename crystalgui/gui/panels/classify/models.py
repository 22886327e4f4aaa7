"""Which trained models answer: a button, and below it a list grouped by what they predict."""

from __future__ import annotations

import math
from collections.abc import Iterable

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.cards import TrainedModel
from crystalgui.gui.state.predictions import best_models, task_of
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, PlainButton, SectionTitle

WIDTH, MOST_HEIGHT = 500, 460
LOADING = "models are being loaded…"


def merit_text(model: TrainedModel) -> str:
    """How good a model was on its own test crystals: ``85.1 %`` or ``0.062 eV/atom``."""
    accuracy, error = model.metrics.get("accuracy", math.nan), model.metrics.get("mae", math.nan)
    if math.isfinite(accuracy):
        return f"{100 * accuracy:.1f} %"
    return f"± {error:.3f} {model.unit}".rstrip() if math.isfinite(error) else ""


class ModelsButton(PlainButton):
    """Says which models answer; opens the list.

    Signals
    -------
    chosen_changed()
    card_asked(TrainedModel)
    """

    chosen_changed = Signal()
    card_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(LOADING, parent)
        self.setObjectName("trainedModels")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(160)
        self._models: list[TrainedModel] = []
        self._chosen: tuple[str, ...] = ()
        self._picked = False
        self.list = ModelsList(self)
        self.list.toggled.connect(self._toggled)
        self.list.card_asked.connect(self.card_asked)
        self.clicked.connect(self.open)
        self.set_models([])

    def set_models(self, models: Iterable[TrainedModel]) -> None:
        """Take the trained models; what a person chose stays, else the best of each task."""
        self._models = sorted(models, key=lambda m: not m.shipped)
        names = {model.name for model in self._models}
        kept = tuple(name for name in self._chosen if name in names)
        if not kept or not self._picked:
            kept = tuple(model.name for model in best_models(self._models) or self._models[:1])
        self.list.set_models(self._models)
        self.setEnabled(bool(self._models))
        self._take(kept)

    @property
    def chosen(self) -> list[TrainedModel]:
        """The models that answer, those of the list's order first."""
        return [model for model in self._models if model.name in self._chosen]

    def choose(self, names: Iterable[str]) -> None:
        """Let these models answer, those of them that there are."""
        known = {model.name for model in self._models}
        wanted = tuple(name for name in names if name in known)
        if wanted:
            self._picked = True
            self._take(wanted)

    def _toggled(self, name: str, on: bool) -> None:
        rest = tuple(own for own in self._chosen if own != name)
        wanted = (*rest, name) if on else rest
        self._picked = True
        self._take(wanted or (name,))  # one always answers

    def _take(self, names: tuple[str, ...]) -> None:
        changed = set(names) != set(self._chosen)
        self._chosen = names
        self.list.set_chosen(names)
        self.setText(self._words())
        self.setToolTip("\n".join(model.title or model.name for model in self.chosen))
        if changed:
            self.chosen_changed.emit()

    def _words(self) -> str:
        found = self.chosen
        if not found:
            return LOADING
        if len(found) == 1:
            merit = merit_text(found[0])
            words = f"{found[0].title or found[0].name}{f'  ·  {merit}' if merit else ''}"
        else:
            tasks = list(dict.fromkeys(task_of(model) for model in found))
            words = f"{len(found)} models: {', '.join(tasks)}"
        return f"{words}  ▾"

    def open(self) -> None:
        """Open the list below the button."""
        self.list.fit()
        self.list.move(self.mapToGlobal(QPoint(0, self.height() + 4)))
        self.list.show()


class ModelsList(QFrame):
    """Check boxes of all models, by task.

    Signals
    -------
    toggled(str, bool)
        A person checked or unchecked a model.
    card_asked(TrainedModel)
    """

    toggled = Signal(str, bool)
    card_asked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.boxes: dict[str, QCheckBox] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        card = Card("Models", "one column each")
        layout.addWidget(card)
        self._scroll = QScrollArea()
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        card.body.addWidget(self._scroll)
        self._inside = QWidget()
        self._scroll.setWidget(self._inside)

    def set_models(self, models: Iterable[TrainedModel]) -> None:
        """List other models."""
        self.boxes = {}
        self._inside = QWidget()
        column = QVBoxLayout(self._inside)
        column.setContentsMargins(0, 0, SPACE[1], 0)
        column.setSpacing(2)
        groups: dict[str, list[TrainedModel]] = {}
        for model in models:
            groups.setdefault(task_of(model), []).append(model)
        for task, own in groups.items():
            column.addWidget(SectionTitle(task))
            for model in own:
                column.addLayout(self._line(model))
        column.addStretch(1)
        self._scroll.setWidget(self._inside)  # deletes the old one
        for own in (self._inside, self._scroll.viewport()):
            own.setAutoFillBackground(False)

    def _line(self, model: TrainedModel) -> QHBoxLayout:
        merit = merit_text(model)
        box = QCheckBox(f"{model.title or model.name}{f'  ·  {merit}' if merit else ''}")
        box.setObjectName(f"model:{model.name}")
        box.setToolTip(f"{model.title}\n{model.name}".strip())
        box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        box.clicked.connect(lambda on, name=model.name: self.toggled.emit(name, on))
        self.boxes[model.name] = box
        card = Chip("card", tooltip=f"Model card of {model.name}")
        card.clicked.connect(lambda: self._ask_card(model))
        line = QHBoxLayout()
        line.addWidget(box, 1)
        line.addWidget(card)
        return line

    def _ask_card(self, model: TrainedModel) -> None:
        self.hide()
        self.card_asked.emit(model)

    def set_chosen(self, names: Iterable[str]) -> None:
        """Check these models."""
        wanted = set(names)
        for name, box in self.boxes.items():
            box.setChecked(name in wanted)

    def fit(self) -> None:
        """As high as its lines, within limits."""
        wanted = self._inside.sizeHint().height() + 72
        self.setFixedSize(WIDTH, min(MOST_HEIGHT, wanted))
