"""The model card as a popover: what it was trained on and how good it is."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from crystalgui.core.cards import Card as Family
from crystalgui.core.cards import TrainedModel
from crystalgui.gui.panels.quantities import count, invariance, metric_name, real
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, KeyValues, Text, copy_text


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
        layout.addWidget(self._card)

    def show_model(self, model: TrainedModel, below: QWidget, family: Family | None = None) -> None:
        """Open below a widget; ``family`` is the card of its family."""
        self._card.set_title("Model card", model.title)
        self.values.set_rows(model_rows(model, family))
        self._notes.setText(model.notes)
        self._notes.setVisible(bool(model.notes))
        self.layout().activate()
        self.setFixedHeight(self.layout().totalHeightForWidth(self.WIDTH))
        corner = below.mapToGlobal(QPoint(below.width() - self.WIDTH, below.height() + 4))
        screen = below.screen().availableGeometry()
        left = min(max(screen.left(), corner.x()), screen.right() - self.WIDTH)
        self.move(left, min(corner.y(), max(screen.top(), screen.bottom() - self.height())))
        self.show()
