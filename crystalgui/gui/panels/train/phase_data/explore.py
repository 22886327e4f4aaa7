"""Views of a data set of Hamiltonians, with one sample beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.panels.train.phase_data import work
from crystalgui.gui.panels.train.phase_data.cloud_card import EmbeddingCard, GapCard, HoppingsCard
from crystalgui.gui.panels.train.phase_data.dimension_card import DimensionView
from crystalgui.gui.panels.train.phase_data.noise_card import NoiseCard
from crystalgui.gui.panels.train.phase_data.overview import OverviewView
from crystalgui.gui.panels.train.phase_data.sample_card import SampleCard
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Chip, EmptyState, FlowLayout, Text

if TYPE_CHECKING:
    from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
    from crystalgui.core.messages import DatasetSummary, ErrorInfo
    from crystalgui.gui.session import Session

VIEWS = (
    ("overview", "Phases and card", "Shares, how it was made, what differs from the paper"),
    ("gap", "Gap", "Smallest gap of every sample against its mixing"),
    ("hoppings", "Two hoppings", "A slice through the space of hoppings (Fig. 14)"),
    ("tsne", "t-SNE", "A map that keeps neighbours together (Fig. 24)"),
    ("dimension", "Dimension", "Principal components and bottleneck"),
    ("noise", "Noise", "Noise of a sample as a matrix, and its symmetries (Fig. 25)"),
)
CLOUDS = ("gap", "hoppings", "tsne")
WITH_SAMPLE = (*CLOUDS, "noise")


class ExploreView(QWidget):
    """Choice of the data set, strip of views, the view, the sample.

    Signals
    -------
    make_asked()
        Another data set is to be made.
    opened()
        A sample is being opened as a file.
    """

    make_asked = Signal()
    opened = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._summaries: list[DatasetSummary] = []
        self.data: PhaseDataset | None = None
        self._folder: Path | None = None
        self._views: dict[str, QWidget] = {}
        self._sample: SampleCard | None = None
        self._row = -1
        self._build()
        self.set_datasets([])

    def view_of(self, name: str) -> Any:
        """A view by name, built when it is first wanted."""
        if name not in self._views:
            made = self._make(name)
            self._views[name] = made
            self.stack.addWidget(made)
            made.set_data(self.data)
            if name in CLOUDS:
                made.picked.connect(self.choose_sample)
                made.plot.choose(self._row)
            elif name == "noise":
                if self._row >= 0:
                    made.show_sample(self._row)
                made.sample.editingFinished.connect(lambda: self.choose_sample(made.sample.value()))
        return self._views[name]

    def _make(self, name: str) -> Any:
        session = self._session
        match name:
            case "overview":
                return OverviewView(session)
            case "gap":
                return GapCard(session.lane)
            case "hoppings":
                return HoppingsCard(session.lane)
            case "tsne":
                return EmbeddingCard(session.lane)
            case "dimension":
                return DimensionView(session)
        return NoiseCard(session.lane)

    @property
    def sample(self) -> SampleCard:
        """The chosen sample beside the clouds."""
        if self._sample is None:
            self._sample = card = SampleCard(self._session)
            card.setMinimumWidth(250)
            card.opened.connect(self.opened)
            card.set_data(self.data)
            self.split.addWidget(card)
            self.split.setStretchFactor(0, 1)
            self.split.setStretchFactor(1, 0)
            self.split.setSizes([620, 330])
        return self._sample

    # --------------------------------------------------------------- layout

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[1])
        top = QHBoxLayout()
        top.setSpacing(SPACE[1])
        self.choice = ChoiceBox()
        self.choice.setAccessibleName("Data set of Hamiltonians")
        self.choice.setMinimumWidth(200)
        self.choice.currentIndexChanged.connect(self._choose)
        top.addWidget(self.choice)
        self._words = Text("", "muted")
        top.addWidget(self._words, 1)
        self.top = QWidget()  # the page places it beside its own chips
        self.top.setLayout(top)
        top.setContentsMargins(0, 0, 0, 0)
        self._strip = QWidget()
        flow = FlowLayout(self._strip, SPACE[0])
        group = QButtonGroup(self)
        self.chips: dict[str, Chip] = {}
        for name, words, tip in VIEWS:
            chip = Chip(words, True, tip)
            chip.clicked.connect(lambda _=False, n=name: self.show_view(n))
            group.addButton(chip)
            flow.addWidget(chip)
            self.chips[name] = chip
        column.addWidget(self._strip)
        self.stack = QStackedWidget()
        self.split = QSplitter(Qt.Orientation.Horizontal)
        self.split.setHandleWidth(SPACE[2])
        self.split.setChildrenCollapsible(False)
        self.split.addWidget(self.stack)
        column.addWidget(self.split, 1)
        self.empty = EmptyState(
            "dataset",
            "No data set of Hamiltonians yet",
            "Mix two Hamiltonians, add noise that keeps time reversal, and let every phase be "
            "certified.",
            [("Make a phase data set…", self.make_asked.emit)],
        )
        column.addWidget(self.empty, 1)
        self.chips["overview"].setChecked(True)
        self._name = "overview"

    def minimumSizeHint(self) -> QSize:
        """Small windows scroll inside the cards."""
        return QSize(480, 320)

    # -------------------------------------------------------------- content

    def set_datasets(self, datasets: list[DatasetSummary]) -> None:
        """Data sets of the project; only those of hoppings are shown."""
        self._summaries = [d for d in datasets if d.kind == "hoppings"]
        here = bool(self._summaries)
        for widget in (self.choice, self._strip, self.split):
            widget.setVisible(here)
        self.empty.setVisible(not here)
        kept = self._folder
        self.choice.blockSignals(True)
        self.choice.clear()
        for each in self._summaries:
            self.choice.addItem(f"{each.name}  ·  {each.size:,}", each.folder)
        folders = [each.folder for each in self._summaries]
        self.choice.setCurrentIndex(folders.index(kept) if kept in folders else len(folders) - 1)
        self.choice.blockSignals(False)
        if self.isVisible():
            self._choose()

    def show_dataset(self, summary: DatasetSummary) -> None:
        """Choose a data set as a person would."""
        for index, each in enumerate(self._summaries):
            if each.folder == summary.folder:
                self.choice.setCurrentIndex(index)
        self._choose()

    def _choose(self, *_: object) -> None:
        index = self.choice.currentIndex()
        if not 0 <= index < len(self._summaries):
            return
        folder = self._summaries[index].folder
        if folder == self._folder and self.data is not None:
            return
        self._folder = folder
        self._take(None)
        self._words.set_role("muted")
        self._words.setText("reading …")
        self._session.lane.ask(
            "phase-data-load",
            work.load,
            folder,
            on_answer=lambda data: self._loaded(folder, data),
            on_error=self._failed,
            owner=self,
            slow=True,
        )

    def _loaded(self, folder: Path, data: PhaseDataset) -> None:
        if folder == self._folder:
            self._words.setText("")
            self._take(data)

    def _failed(self, error: ErrorInfo) -> None:
        self._words.set_role("bad")
        self._words.setText(f"{error.title} {error.hint}".strip())

    def _take(self, data: PhaseDataset | None) -> None:
        self.data, self._row = data, -1
        if self._sample is not None:
            self._sample.set_data(data)
        for view in self._views.values():
            view.set_data(data)  # type: ignore[attr-defined]

    # ---------------------------------------------------------------- views

    @property
    def view(self) -> str:
        """Which view is in front."""
        return self._name

    def show_view(self, name: str) -> None:
        """Bring a view to the front."""
        self._name = name
        self.chips[name].setChecked(True)
        self.stack.setCurrentWidget(self.view_of(name))
        if name in WITH_SAMPLE or self._sample is not None:
            self.sample.setVisible(name in WITH_SAMPLE)

    def choose_sample(self, row: int) -> None:
        """Ring a sample in every cloud and show it beside them."""
        self._row = row
        self.sample.show_sample(row)
        for name, view in self._views.items():
            if name in CLOUDS:
                view.plot.choose(row)  # type: ignore[attr-defined]
            elif name == "noise":
                view.show_sample(row)  # type: ignore[attr-defined]

    def showEvent(self, event: object) -> None:
        """Read the chosen data set when somebody looks."""
        super().showEvent(event)  # type: ignore[arg-type]
        self.show_view(self._name)
        self._choose()
