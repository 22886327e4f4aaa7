"""A run as it trains: curves, confusion, what goes on inside, and the run itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from crystalgui.core.messages import EstimateReady
from crystalgui.gui.panels.train.monitors import MonitorCards
from crystalgui.gui.panels.train.run_cards import ConfusionCard, LossCard, MetricCard, RunCard
from crystalgui.gui.plots.clock import clock
from crystalgui.gui.state.monitors import Monitors
from crystalgui.gui.state.runs import RunView
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card

if TYPE_CHECKING:
    from crystalgui.engine.lane import Lane
    from crystalgui.gui.state.monitors import MonitorsState


class _Body(QWidget):
    """Cards that shrink with the window until they are as small as they can be, then scroll."""

    def hasHeightForWidth(self) -> bool:
        """Wrapped lines in cards must not ask for the preferred height of all plots."""
        return False


def _share(card: Card, least: int) -> None:
    """Rows share the height; below this they scroll."""
    card.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
    card.setMinimumHeight(least)


class LiveView(QWidget):
    """Cards about one run; drawn by the frame clock, at most 30 times a second.

    Loss, metric, confusion and the run itself; a network that can be looked
    into adds its attention, gradients and their history, and the metric then
    shares the place of the loss.

    Signals
    -------
    floor_asked(RunView, float)
        The run shall be set up again with this floor of the attention.
    """

    stop_asked = Signal(object)
    cancel_asked = Signal(object)
    resume_asked = Signal(object)
    cell_clicked = Signal(str, str)
    floor_asked = Signal(object, float)

    def __init__(
        self,
        monitors: MonitorsState | None = None,
        lane: Lane | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.run: RunView | None = None
        self.estimate: EstimateReady | None = None
        self._readings = monitors
        self._lane = lane
        self._inside: MonitorCards | None = None
        self.loss, self.metric = LossCard(), MetricCard()
        self.confusion, self.run_card = ConfusionCard(), RunCard()
        self._front: Card = self.loss
        for shrinking, least in (
            (self.loss, 180),
            (self.metric, 180),
            (self.confusion, 210),
            (self.run_card, 250),
        ):
            _share(shrinking, least)
        for card, other, word in (
            (self.loss, self.metric, "metric"),
            (self.metric, self.loss, "loss"),
        ):
            card.swap.setText(word)
            card.swap.clicked.connect(lambda _=False, c=other: self._bring(c))
        body = _Body()
        body.setObjectName("ScrollBody")
        self._grid = QGridLayout(body)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(SPACE[2])
        self._grid.setColumnStretch(0, 4)
        self._grid.setColumnStretch(1, 3)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        holder = QWidget()
        holder.setObjectName("ScrollBody")
        inner = QVBoxLayout(holder)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(body)
        scroll.setWidget(holder)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        self._rows: tuple[tuple[Card, ...], ...] = ()
        self._arrange()
        self.confusion.cell_clicked.connect(self.cell_clicked)
        card = self.run_card
        card.stop_asked.connect(lambda: self.stop_asked.emit(self.run))
        card.cancel_asked.connect(lambda: self.cancel_asked.emit(self.run))
        card.resume_asked.connect(lambda: self.resume_asked.emit(self.run))

    @property
    def inside(self) -> MonitorCards:
        """Attention, gradients and their history, built for the first run that tells of them."""
        if self._inside is None:
            self._inside = inside = MonitorCards(self._lane, parent=self)
            for card in (inside.attention, inside.history, inside.gradients):
                _share(card, 220)
                card.setParent(self)
                card.hide()
            inside.floor_asked.connect(lambda floor: self.floor_asked.emit(self.run, floor))
        return self._inside

    # ------------------------------------------------------------ arrangement

    @property
    def monitors(self) -> Monitors:
        """What the run said of its inside."""
        if self._readings is None or self.run is None:
            return Monitors()
        return self._readings.of(self.run.run_id)

    def _arrange(self) -> None:
        """Two rows, or three when the network can be looked into."""
        found = self.monitors
        rows: list[tuple[Card, Card]] = [(self.loss, self.confusion)]
        left: Card = self.metric
        if found.attention:
            rows.append((self.inside.attention, self.inside.history))
            left = self.inside.gradients if found.gradients else self.metric
        elif found.gradients:
            rows.append((self.inside.gradients, self.inside.history))
        crowded = left is not self.metric
        rows.append((left, self.run_card))
        if tuple(rows) == self._rows:
            return
        self._rows = tuple(rows)
        shown = {card for row in rows for card in row}
        every: list[Card] = [self.loss, self.metric, self.confusion, self.run_card]
        if self._inside is not None:
            every += [self._inside.attention, self._inside.history, self._inside.gradients]
        for card in every:
            self._grid.removeWidget(card)
            card.setVisible(card in shown)
        for line in range(3):
            self._grid.setRowStretch(line, 1 if line < len(rows) else 0)
            for column, card in enumerate(rows[line] if line < len(rows) else ()):
                self._grid.addWidget(card, line, column)
        for card in (self.loss, self.metric):
            card.swap.setVisible(crowded)
        if crowded:
            self._grid.addWidget(self.metric, 0, 0)
            self._bring(self._front)
        else:
            self._front = self.loss

    def _bring(self, front: Card) -> None:
        """Loss or metric where there is room for one of them."""
        self._front = front
        self.loss.setVisible(front is self.loss)
        self.metric.setVisible(front is self.metric)
        self.mark()

    # --------------------------------------------------------------- content

    def show_run(self, run: RunView, estimate: EstimateReady | None = None) -> None:
        """Show this run from now on."""
        if run is not self.run:
            for card in (self.loss, self.metric):
                card.plot.clear_curves()
                card.plot.setXRange(0, run.recipe.epochs, padding=0.02)
        self.run = run
        self.estimate = estimate if estimate is not None else self.estimate
        if self._readings is not None and not run.alive:
            self._readings.load(run.run_id, run.folder)
        self._arrange()
        self.mark()

    def mark(self) -> None:
        """Figures or curves changed: draw at the next frame."""
        clock().mark(self)

    def mark_confusion(self) -> None:
        """A matrix came."""
        if self.run is not None:
            self.confusion.show_run(self.run)

    def redraw(self) -> None:
        """Bring the cards up to date; the clock calls it."""
        if self.run is None:
            return
        self._arrange()
        self.loss.show_run(self.run)
        self.metric.show_run(self.run)
        self.run_card.show_run(self.run, self.estimate)
        found = self.monitors
        if found:
            self.inside.show_run(found, self.run.recipe.epochs, self.run.run_id or "run")

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what came while hidden."""
        super().showEvent(event)
        self.mark()
        self.mark_confusion()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks: let the clock rest."""
        super().hideEvent(event)
        clock().rest()
