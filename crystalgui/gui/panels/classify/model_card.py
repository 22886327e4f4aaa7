"""The model card as a popover: what it was trained on and how good it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from crystalgui.core.cards import Card as Family
from crystalgui.core.cards import TrainedModel
from crystalgui.gui.panels.quantities import count, invariance, metric_name, real
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, KeyValues, Text, copy_text

if TYPE_CHECKING:
    from crystalgui.core.reports.evaluation import Evaluation
    from crystalgui.gui.plots.reliability import CoveragePlot, ReliabilityPlot

PLOT = 150


def model_rows(model: TrainedModel, family: Family | None = None) -> list[tuple[str, str]]:
    """Rows of a model card: task, metrics on its own test split, invariances, provenance."""
    rows = [("Name", model.name), ("Family", model.family)]
    if model.classes:
        rows.append(("Classes", ", ".join(model.classes)))
    else:
        rows.append(("Predicts", f"{model.target}, {model.unit}" if model.unit else model.target))
    rows.append(("Parameters", count(model.parameters)))
    for key, value in model.metrics.items():
        split = "Validation" if key.startswith("validation_") else "Test"
        rows.append((f"{split} {metric_name(key.removeprefix('validation_'))}", real(value)))
    for name, text in (
        ("Invariance", invariance(family.holds(model.params)) if family else ""),
        ("Data", model.data),
        ("Split", model.split),
        ("Seed", str(model.seed)),
        ("Date", model.date),
        ("Licence", model.licence),
        ("Origin", "shipped with the program" if model.shipped else "trained in this project"),
    ):
        if text:
            rows.append((name, text))
    return rows


class ModelCardPopover(QFrame):
    """A card that floats below its button and goes away by a click elsewhere or Escape."""

    WIDTH = 400

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setFixedWidth(self.WIDTH)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._card = Card("Model card")
        copy = Chip("copy", tooltip="Copy the card")
        copy.clicked.connect(lambda: copy_text(self.values.text()))
        self._card.tools.addWidget(copy)
        self.values = KeyValues()
        self._notes = Text("", "muted")
        self._card.body.setSpacing(SPACE[1])
        self._card.body.addWidget(self.values)
        self._card.body.addWidget(self._notes)
        self._quality = QWidget()
        self._plots = QHBoxLayout(self._quality)
        self._plots.setContentsMargins(0, 0, 0, 0)
        self._quality.setFixedHeight(PLOT)
        self._quality.hide()
        self._card.body.addWidget(self._quality)
        self.reliability: ReliabilityPlot | None = None
        self.coverage: CoveragePlot | None = None
        self._shown = ""
        self._below: QWidget | None = None
        layout.addWidget(self._card)

    def show_model(self, model: TrainedModel, below: QWidget, family: Family | None = None) -> None:
        """Open below a widget; ``family`` is the card of its family."""
        self._card.set_title("Model card", model.title)
        self.values.set_rows(model_rows(model, family))
        self._notes.setText(model.notes)
        self._notes.setVisible(bool(model.notes))
        self._quality.hide()
        self._shown, self._below = model.name, below
        self._place(below)
        self.show()

    def show_quality(self, model: str, found: Evaluation) -> None:
        """Calibration and coverage of the model on its own test crystals, when it is still shown.

        The plots were imported before, in the lane.
        """
        if model != self._shown or self._below is None or found.reliability is None:
            return
        if self.reliability is None or self.coverage is None:
            from crystalgui.gui.plots.reliability import CoveragePlot, ReliabilityPlot

            self.reliability, self.coverage = ReliabilityPlot(), CoveragePlot()
            self._plots.addWidget(self.reliability)
            self._plots.addWidget(self.coverage)
        self.reliability.set_curve(found.reliability)
        self.coverage.set_curve(found.coverage)
        self._quality.show()
        self._place(self._below)

    def _place(self, below: QWidget) -> None:
        """As high as it needs, below its button."""
        self.layout().activate()
        high = self.layout().totalHeightForWidth(self.WIDTH)
        self.setFixedHeight(high if high > 0 else self.layout().totalSizeHint().height())
        corner = below.mapToGlobal(QPoint(below.width() - self.WIDTH, below.height() + 4))
        screen = below.screen().availableGeometry()
        left = min(max(screen.left(), corner.x()), screen.right() - self.WIDTH)
        self.move(left, min(corner.y(), max(screen.top(), screen.bottom() - self.height())))
