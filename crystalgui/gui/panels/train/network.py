"""The network that the form describes, drawn while the form is changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QFileDialog, QScrollArea, QVBoxLayout, QWidget

from crystalgui.core.atomic import check_target
from crystalgui.core.cards import Card as ModelCard
from crystalgui.core.cards import Scalar
from crystalgui.core.errors import CrystalError
from crystalgui.core.messages import DatasetSummary
from crystalgui.core.models.diagram import network_diagram
from crystalgui.core.reports.diagram import Diagram
from crystalgui.gui.plots.diagram import DiagramView
from crystalgui.gui.plots.export import FORMATS, save_figure
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, Text

LARGE = 1.7


class NetworkCard(Card):
    """The diagram of the chosen network; a click shows it large, in a window that follows.

    Signals
    -------
    shown(bool)
        Whether there is a diagram to look at.
    failed(CrystalError)
        The picture could not be written.
    """

    shown = Signal(bool)
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Network", "", parent)
        self.view = DiagramView()
        self.view.setToolTip("Click to see it large")
        self.view.setCursor(Qt.CursorShape.PointingHandCursor)
        self.body.addWidget(self.view)
        self.words = Text("", "muted")
        self.body.addWidget(self.words)
        self.large = Chip("large", tooltip="Show the network in a window of its own")
        self.save = Chip("", tooltip="Save the diagram: PNG, SVG or PDF", icon_name="export")
        for chip in (self.large, self.save):
            self.tools.addWidget(chip)
        self.window_: DiagramWindow | None = None
        self.view.clicked.connect(self.show_large)
        self.large.clicked.connect(self.show_large)
        self.save.clicked.connect(self.ask_save)
        self.hide()

    @property
    def diagram(self) -> Diagram | None:
        """What is drawn."""
        return self.view.diagram

    def show_network(
        self, card: ModelCard | None, params: Mapping[str, Scalar], data: DatasetSummary | None
    ) -> None:
        """Draw the network that these settings describe; hidden where there is no drawing."""
        said, role, drawn = "", "muted", None
        if card is not None and not card.error:
            outputs = len(data.classes) if data is not None and data.classes else 1
            shape = data.shape if data is not None else ()
            try:
                if data is None or shape:  # hoppings do not say theirs
                    drawn = network_diagram(card.name, params, shape, outputs)
                said = drawn.summary if drawn is not None else ""
            except CrystalError as error:
                said, role = f"{error.title} {error.hint}", "warn"
        self.view.set_diagram(drawn)
        self.view.setVisible(drawn is not None)
        self.words.setText(said)
        if self.words.property("role") != role:
            self.words.set_role(role)
        self.large.setVisible(drawn is not None)
        self.save.setVisible(drawn is not None)
        if self.window_ is not None:
            self.window_.view.set_diagram(drawn)
        there = bool(said)
        if there == self.isHidden():
            self.setVisible(there)
            self.shown.emit(there)

    def show_large(self) -> None:
        """Show the diagram in a window that follows the form."""
        if self.window_ is None:
            self.window_ = DiagramWindow(self)
        self.window_.view.set_diagram(self.diagram)
        self.window_.fit()
        self.window_.show()
        self.window_.raise_()

    def ask_save(self) -> None:
        """Ask for a file and write the diagram there."""
        found, chosen = QFileDialog.getSaveFileName(self, "Save diagram", "network.pdf", FORMATS)
        if not found:
            return
        path = Path(found)
        if not path.suffix:
            path = path.with_suffix("." + chosen.rpartition("*.")[2].rstrip(")"))
        try:
            check_target(path)
            save_figure(path, (self.view,), caption=self.words.text())
        except CrystalError as error:
            self.failed.emit(error)


class DiagramWindow(QDialog):
    """The diagram at a size at which every word can be read."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Network")
        self.view = DiagramView(scale=LARGE)
        scroll = QScrollArea()
        scroll.setAlignment(Qt.AlignmentFlag.AlignCenter)
        scroll.setWidget(self.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACE[1],) * 4)
        layout.addWidget(scroll)

    def fit(self) -> None:
        """As large as the diagram, at most most of the screen."""
        wanted, room = self.view.sizeHint(), self.screen().availableSize()
        margin = 4 * SPACE[3]
        self.resize(
            min(wanted.width() + margin, int(0.9 * room.width())),
            min(wanted.height() + margin, int(0.85 * room.height())),
        )
