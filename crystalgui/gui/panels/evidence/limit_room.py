"""The atomic limit: pull the atoms apart, and watch what the models say.

The whole curve is computed at once (Nop et al. 2025, Figs. 1 and 2); the slider
only reads it, while the crystal breathes in a frame that holds the largest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSlider, QToolButton, QWidget

from crystalgui.core.messages import AtomicLimitJob, AtomicLimitReady, Event, Job
from crystalgui.gui.panels.evidence.room import Asking, AskingRoom, Look, crystal_models
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.plots.limit import LimitPlot, answer_words, turning_words
from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import Chip, KeyValues, Text

if TYPE_CHECKING:
    from crystalgui.core.cards import TrainedModel
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.evidence import Question

STEPS = 60
REACHES = (2.0, 3.0, 5.0)
MOST_MODELS = 4


class LimitRoom(AskingRoom):
    """A slider, the curves, and where each model turns trivial."""

    title = "Atomic limit"

    def __init__(self, session: Session, question: Question, parent: QWidget | None = None) -> None:
        super().__init__(session, question, parent)
        self._ready: AtomicLimitReady | None = None
        self._others: tuple[str, ...] = ()
        self._titles: list[str] = []
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.models = Chip("compare with ▾", tooltip="Other models of the same target")
        self.models.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self.models)
        self._menu.aboutToShow.connect(self._offer)
        self.models.setMenu(self._menu)
        self.reach = ChoiceBox()
        self.reach.setAccessibleName("Largest factor")
        for value in REACHES:
            self.reach.addItem(f"up to r = {value:g}", value)
        self.reach.setCurrentIndex(1)
        self.reach.activated.connect(lambda _: self.asked.emit())
        row.addWidget(self.models)
        row.addStretch(1)
        row.addWidget(self.reach)
        self.column.addLayout(row)
        self.plot = LimitPlot()
        self.plot.moved.connect(self.set_factor)
        self.column.addWidget(self.plot, 1)
        line = QHBoxLayout()
        line.setSpacing(SPACE[2])
        self.number = QLabel("r = 1.00")
        self.number.setFont(font("number"))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setAccessibleName("Every length times r")
        self.slider.valueChanged.connect(self._slid)
        line.addWidget(self.number)
        line.addWidget(self.slider, 1)
        self.column.addLayout(line)
        self.values = KeyValues()
        self.column.addWidget(self.values)
        self.words = Text(
            "Isolated atoms are trivial. A model that does not become trivial has learned "
            "compositions and symmetries, not distances.",
            "muted",
        )
        self.column.addWidget(self.words)

    # ---------------------------------------------------------------- asking

    def job(self, asking: Asking) -> Job | None:
        """All factors at once, for all chosen models."""
        largest = float(self.reach.currentData())
        factors = tuple(1 + (largest - 1) * i / STEPS for i in range(STEPS + 1))
        alike = {m.name for m in self.comparable(asking)}
        self._others = tuple(n for n in self._others if n in alike)
        return AtomicLimitJob(
            path=asking.found.path,
            models=(asking.model.name, *self._others),
            factors=factors,
            device=self.session.settings.device,
            project=self.session.project.folder,
        )

    def comparable(self, asking: Asking | None) -> list[TrainedModel]:
        """Other models that answer the same question."""
        if asking is None:
            return []
        own = asking.model
        return [
            m
            for m in crystal_models(self.session)
            if m.name != own.name and (m.target, m.classes) == (own.target, own.classes)
        ]

    def _offer(self) -> None:
        """Fill the menu with what can be compared."""
        self._menu.clear()
        found = self.comparable(self.asking)
        for model in found:
            action = self._menu.addAction(model.title or model.name)
            action.setCheckable(True)
            action.setChecked(model.name in self._others)
            action.toggled.connect(lambda on, n=model.name: self.compare(n, on=on))
        if not found:
            self._menu.addAction("No other model answers this").setEnabled(False)

    def compare(self, name: str, *, on: bool) -> None:
        """Ask another model as well, or no longer."""
        rest = tuple(n for n in self._others if n != name)
        self._others = (*rest, name)[-MOST_MODELS + 1 :] if on else rest
        self.asked.emit()

    # ---------------------------------------------------------------- answer

    @property
    def factor(self) -> float:
        """Every length is multiplied by this now."""
        if self._ready is None:
            return 1.0
        return float(self._ready.factors[self.slider.value()])

    def fill(self, ready: Event) -> bool:
        """Show the curves of an answer."""
        assert isinstance(ready, AtomicLimitReady)
        if ready is not self._ready:
            same = self._ready is not None and self._ready.file == ready.file
            self._ready = ready
            titles = []
            for curve in ready.curves:
                model = self.session.project.model(curve.model)
                titles.append(model.title if model is not None else curve.model)
            self.plot.set_curves(ready.factors, ready.curves, titles)
            self._titles = titles  # before the slider, which reads the curves as it moves
            self.slider.setRange(0, len(ready.factors) - 1)
            if not same:
                self.slider.setValue(0)
        self._show_factor()
        return True

    def set_factor(self, factor: float) -> None:
        """Show the computed factor that is nearest."""
        if self._ready is not None:
            self.slider.setValue(int(np.abs(self._ready.factors - factor).argmin()))

    def step(self, steps: int) -> None:
        """Pull further apart, or together again."""
        self.slider.setValue(self.slider.value() + steps)

    def _slid(self, _value: int) -> None:
        if self._ready is not None:
            self._show_factor()
            self.look_changed.emit()

    def _show_factor(self) -> None:
        ready = self._ready
        if ready is None:
            return
        place = self.slider.value()
        self.number.setText(f"r = {self.factor:.2f}")
        self.plot.set_factor(self.factor)
        self.values.set_rows(
            [
                (
                    title,
                    f"{answer_words(curve, place)}   ·   {turning_words(curve, ready.factors)}"
                    if curve.classes
                    else answer_words(curve, place),
                )
                for title, curve in zip(self._titles, ready.curves, strict=True)
            ]
        )

    # --------------------------------------------------------------- crystal

    def look(self) -> Look:
        """The crystal with every length times r, in the frame of the largest."""
        ready = self._ready
        if not self.answering or ready is None:
            return Look()
        return Look(
            caption=f"every length × {self.factor:.2f}",
            factor=self.factor,
            largest=float(ready.factors[-1]),
            named=False,
        )

    def csv_text(self) -> str:
        """The curves: a row a factor."""
        from crystalgui.core.reports.csv import limit_text

        return limit_text(self._ready) if self._ready is not None else ""
