"""The sub-page of data sets of Hamiltonians: make one, look at one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.train.phase_data.explore import ExploreView
from crystalgui.gui.panels.train.phase_data.flow import PhaseDataFlow
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Chip

if TYPE_CHECKING:
    from crystalgui.core.messages import DatasetSummary
    from crystalgui.gui.session import Session


class PhaseDataPage(Growing, QWidget):
    """Flow and views, one at a time.

    Signals
    -------
    opened()
        A sample is being opened as a file.
    train_asked(DatasetSummary)
    """

    opened = Signal()
    train_asked = Signal(object)

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
        super().__init__(parent)
        self._session = session
        self.grow(self._build(), at_once)

    def _build(self) -> Steps:
        session = self._session
        self.flow = PhaseDataFlow(session, at_once=False)
        yield from self.flow.growth
        yield
        self.explore = ExploreView(session)
        yield
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[1])
        self.stack = QStackedWidget()
        self.stack.addWidget(self.flow)
        self.stack.addWidget(self.explore)
        row = QHBoxLayout()
        row.setSpacing(SPACE[0])
        self.make_chip = Chip("Make", True, "A new data set, step by step", icon_name="add")
        self.explore_chip = Chip("Explore", True, "Views of a data set", icon_name="search")
        group = QButtonGroup(self)
        for index, chip in enumerate((self.make_chip, self.explore_chip)):
            group.addButton(chip, index)
            row.addWidget(chip)
        row.addSpacing(SPACE[1])
        row.addWidget(self.explore.top, 1)
        row.addStretch(0)
        row.setContentsMargins(0, 0, 0, 0)
        head = QWidget()
        head.setLayout(row)
        head.setMinimumHeight(32)
        column.addWidget(head)
        column.addWidget(self.stack, 1)
        group.idToggled.connect(lambda index, on: on and self._turn(index))
        self.make_chip.setChecked(True)
        self._turn(0)
        session.project.datasets_changed.connect(self._take_datasets)
        self.explore.make_asked.connect(self.show_flow)
        self.explore.opened.connect(self.opened)
        self.flow.explore_asked.connect(self.show_dataset)
        self.flow.train_asked.connect(self.train_asked)
        self._take_datasets()

    def _turn(self, index: int) -> None:
        self.stack.setCurrentIndex(index)
        self.explore.top.setVisible(index == 1)

    def show_flow(self) -> None:
        """Make a data set."""
        self.make_chip.setChecked(True)

    def show_dataset(self, summary: DatasetSummary | None) -> None:
        """Look at a data set."""
        self.explore_chip.setChecked(True)
        if summary is not None:
            self.explore.show_dataset(summary)

    def _take_datasets(self) -> None:
        self.explore.set_datasets(self._session.project.datasets)
