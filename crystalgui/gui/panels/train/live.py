"""A run as it trains: loss, metric, confusion by epoch, and the run itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.messages import ConfusionReady, EstimateReady
from crystalgui.gui.panels.quantities import (
    SMALLER_IS_BETTER,
    UNKNOWN,
    count,
    duration,
    metric_name,
    real,
    size,
)
from crystalgui.gui.panels.train.monitors import EvenCard, MonitorCards
from crystalgui.gui.plots.clock import clock
from crystalgui.gui.plots.confusion import ConfusionPlot
from crystalgui.gui.plots.curves import CurvesPlot
from crystalgui.gui.state.monitors import Monitors
from crystalgui.gui.state.runs import RunView
from crystalgui.gui.theme import OKABE_ITO, SPACE, font
from crystalgui.gui.widgets import Card, Chip, KeyValues, PlainButton

if TYPE_CHECKING:
    from crystalgui.engine.lane import Lane
    from crystalgui.gui.state.monitors import MonitorsState

TRAINING, VALIDATION, TEST = OKABE_ITO[0], OKABE_ITO[3], OKABE_ITO[2]
SHORT_NAMES = {"balanced_accuracy": "balanced", "f1": "F1"}
SPLIT_NAMES = {"train": "training", "val": "validation", "validation": "validation", "test": "test"}
STATUS_WORDS = {
    "queued": "waits for the worker",
    "running": "training",
    "stopping": "stopping…",
    "done": "done",
    "stopped": "stopped",
    "failed": "failed",
    "crashed": "the worker crashed",
    "interrupted": "interrupted",
    "created": "never started",
}


class LossCard(Card):
    """Training and validation loss, raw and smoothed, linear or logarithmic."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Loss", "by epoch", parent)
        self.plot = CurvesPlot("epoch", "")
        self.plot.setAccessibleName("Loss curves")
        self.body.addWidget(self.plot, 1)
        self.linear = Chip("lin", checkable=True, tooltip="Linear scale")
        self.log = Chip("log", checkable=True, tooltip="Logarithmic scale")
        self.smooth = Chip("smooth", checkable=True, tooltip="Running average over the raw curve")
        self.swap = Chip("metric", tooltip="Show the metric here")
        self.swap.hide()
        scales = QButtonGroup(self)
        for chip in (self.linear, self.log, self.smooth, self.swap):
            self.tools.addWidget(chip)
        for chip in (self.linear, self.log):
            scales.addButton(chip)
        self.linear.setChecked(True)
        self.smooth.setChecked(True)
        self.log.toggled.connect(self.plot.set_log)
        self.smooth.toggled.connect(self.plot.set_smooth)

    def show_run(self, run: RunView) -> None:
        """Follow the loss of a run."""
        curves = run.curves
        by_epoch = not len(curves.steps) and len(curves.series("train/loss"))
        train = curves.series("train/loss") if by_epoch else curves.steps
        self.plot.set_curve("train", train, TRAINING, "training")
        self.plot.set_curve("val", curves.series("val/loss"), VALIDATION, "validation")
        self.plot.mark()


class MetricCard(Card):
    """One metric for training and validation, chosen by chips."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Metric", "", parent)
        self.plot = CurvesPlot("epoch", "")
        self.plot.setAccessibleName("Metric curves")
        self.body.addWidget(self.plot, 1)
        self.swap = Chip("loss", tooltip="Show the loss here")
        self.swap.hide()
        self.tools.addWidget(self.swap)
        self._chips = QButtonGroup(self)
        self._names: tuple[str, ...] = ()
        self._chosen = ""
        self._run: RunView | None = None

    def show_run(self, run: RunView) -> None:
        """Follow the metrics of a run; chips appear when there is a choice."""
        if run is not self._run:
            self._run, self._names, self._chosen = run, (), ""
            self.plot.clear_curves()
        names = tuple(
            dict.fromkeys(
                key.partition("/")[2]
                for key in run.curves.epochs
                if key.startswith("val/") and not key.endswith(("/loss", "_spread"))
            )
        )
        if names != self._names:
            self._names = names
            self._rebuild()
        if self._chosen:
            for split, paint in (("train", TRAINING), ("val", VALIDATION)):
                key = f"{split}/{self._chosen}"
                if key in run.curves.epochs:
                    self.plot.set_curve(split, run.curves.epochs[key], paint, SPLIT_NAMES[split])
        self.plot.mark()

    def _rebuild(self) -> None:
        for chip in self._chips.buttons():
            self._chips.removeButton(chip)
            self.tools.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        if self._names and self._chosen not in self._names:
            self._choose(self._names[0])
        if len(self._names) < 2:
            return
        for name in self._names[:4]:
            short = SHORT_NAMES.get(name, metric_name(name))
            chip = Chip(short, checkable=True, tooltip=f"Show {metric_name(name)}")
            chip.setChecked(name == self._chosen)
            chip.clicked.connect(lambda _=False, n=name: self._choose(n))
            self._chips.addButton(chip)
            self.tools.insertWidget(self.tools.count() - 1, chip)  # before the swap

    def _choose(self, name: str) -> None:
        self._chosen = name
        title = metric_name(name)
        self.set_title(title[:1].upper() + title[1:], "by epoch")
        self.plot.clear_curves()
        self.plot.set_legend_low(name not in SMALLER_IS_BETTER)
        if self._run is not None:
            self.show_run(self._run)


class ConfusionCard(Card):
    """Confusion matrix of every epoch; the slider follows the newest until it is moved.

    Signals
    -------
    cell_clicked(str, str)
        True and predicted class.
    """

    cell_clicked = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Confusion", "% of true class", parent)
        self.plot = ConfusionPlot()
        self.plot.cell_clicked.connect(self.cell_clicked)
        self.body.addWidget(self.plot, 1)
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("Epoch of the confusion matrix")
        self._epoch = QLabel("")
        self._epoch.setFont(font("number"))
        self._epoch.setProperty("role", "muted")
        row.addWidget(self.slider, 1)
        row.addWidget(self._epoch)
        self.body.addLayout(row)
        self._tables: list[ConfusionReady] = []
        self._splits = QButtonGroup(self)
        self._split = "val"
        self._run: RunView | None = None
        self.slider.valueChanged.connect(self._show)
        self._show(0)

    def show_run(self, run: RunView) -> None:
        """Follow the confusion matrices of a run."""
        if run is not self._run:
            self._run, self._split = run, "val"
        self._offer(tuple(run.curves.confusions))
        tables = run.curves.confusions.get(self._split, [])
        follow = self.slider.value() >= self.slider.maximum() or tables is not self._tables
        self._tables = tables
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, len(tables) - 1))
        if follow:
            self.slider.setValue(self.slider.maximum())
        self.slider.blockSignals(False)
        self._show(self.slider.value())

    def _offer(self, splits: tuple[str, ...]) -> None:
        if splits and self._split not in splits:
            self._split = splits[0]
        shown = [chip.property("split") for chip in self._splits.buttons()]
        wanted = list(splits) if len(splits) > 1 else []
        if shown == wanted:
            return
        for chip in self._splits.buttons():
            self._splits.removeButton(chip)
            self.tools.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        for split in wanted:
            chip = Chip(SPLIT_NAMES.get(split, split), checkable=True)
            chip.setProperty("split", split)
            chip.setChecked(split == self._split)
            chip.clicked.connect(lambda _=False, s=split: self._choose(s))
            self._splits.addButton(chip)
            self.tools.addWidget(chip)

    def _choose(self, split: str) -> None:
        self._split = split
        if self._run is not None:
            self.show_run(self._run)

    def _show(self, index: int) -> None:
        several = len(self._tables) > 1
        self.slider.setVisible(several)
        self._epoch.setVisible(several)
        if not 0 <= index < len(self._tables):
            self.plot.set_matrix((), ())
            alive = self._run is None or self._run.alive
            why = "appears after the first epoch" if alive else "none was kept"
            self.set_title("Confusion", why)
            return
        table = self._tables[index]
        self.plot.set_matrix(table.classes, table.counts)
        self._epoch.setText(f"epoch {table.epoch}")
        split = SPLIT_NAMES.get(table.split, table.split)
        self.set_title(f"Confusion, {split}", f"% of true class · trace {self.plot.trace:.1f}")


class RunCard(EvenCard):
    """What trains, how fast, how long still, and the buttons that steer it.

    Signals
    -------
    stop_asked(), cancel_asked(), resume_asked()
    """

    stop_asked = Signal()
    cancel_asked = Signal()
    resume_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("This run", "", parent)
        self.values = KeyValues()
        self.body.addWidget(self.values)
        self.body.addStretch(1)
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.stop = PlainButton("Stop after epoch")
        self.stop.setObjectName("stopAfterEpoch")
        self.stop.setToolTip("Finish this epoch, write a checkpoint, then stop")
        self.cancel = PlainButton("Cancel")
        self.cancel.setObjectName("cancelRun")
        self.cancel.setToolTip("Stop now; the last checkpoint is kept")
        self.resume = PlainButton("Resume", icon_name="resume")
        self.resume.setObjectName("resumeRun")
        self.resume.setToolTip("Go on from the last checkpoint")
        for button in (self.stop, self.cancel, self.resume):
            row.addWidget(button)
        row.addStretch(1)
        self.body.addLayout(row)
        self.stop.clicked.connect(self.stop_asked)
        self.cancel.clicked.connect(self.cancel_asked)
        self.resume.clicked.connect(self.resume_asked)

    def show_run(self, run: RunView, estimate: EstimateReady | None, note: str = "") -> None:
        """Show the figures of a run."""
        self.set_title("This run", note or STATUS_WORDS.get(run.status, run.status))
        self.values.set_rows(run_rows(run, estimate))
        self.stop.setVisible(run.alive)
        self.cancel.setVisible(run.alive)
        self.resume.setVisible(run.resumable)
        self.stop.setEnabled(run.status == "running")
        self.cancel.setEnabled(run.status != "stopping")


def run_rows(run: RunView, estimate: EstimateReady | None = None) -> list[tuple[str, str]]:
    """Rows of the card: model, data, pace, checkpoint."""
    recipe = run.recipe
    rows = [("Model", f"{recipe.model}, {recipe.preset}"), ("Data", run.data)]
    if estimate is not None:
        rows.insert(1, ("Parameters", count(estimate.parameters)))
    rows.append(("Epoch", f"{run.epochs} of {recipe.epochs}"))
    if run.alive:
        pace = run.samples_per_second
        rows += [
            ("Step", f"{run.step:,}" if run.step else UNKNOWN),
            ("Throughput", f"{count(pace)} samples/s" if math.isfinite(pace) else UNKNOWN),
            ("Time left", duration(run.eta)),
        ]
        if run.memory_bytes:
            rows.append(("Memory", size(run.memory_bytes)))
    else:
        rows.append(("Time", duration(run.seconds)))
    best = run.curves.best_epoch
    if best < 0 and run.stored is not None:
        best = int(run.stored.best.get("epoch", -1))
    last = f"epoch {run.epochs}" if run.epochs else UNKNOWN
    rows.append(("Checkpoint", f"{last}, best epoch {best}" if best >= 0 else last))
    if run.stored is not None:
        rows += [(f"Test {metric_name(k)}", real(v)) for k, v in run.stored.test.items()][:4]
    return rows


class _Body(QWidget):
    """Cards that shrink with the window until they are as small as they can be, then scroll."""

    def hasHeightForWidth(self) -> bool:
        """Wrapped lines in cards must not ask for the preferred height of all plots."""
        return False


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
        self.loss, self.metric = LossCard(), MetricCard()
        self.confusion, self.run_card = ConfusionCard(), RunCard()
        self.inside = MonitorCards(lane, parent=self)
        self._front: Card = self.loss
        for shrinking, least in (
            (self.loss, 180),
            (self.metric, 180),
            (self.confusion, 210),
            (self.inside.attention, 220),
            (self.inside.history, 220),
            (self.inside.gradients, 220),
            (self.run_card, 250),
        ):  # rows share the height; below this they scroll
            shrinking.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
            shrinking.setMinimumHeight(least)
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
        self.inside.floor_asked.connect(lambda floor: self.floor_asked.emit(self.run, floor))

    # ------------------------------------------------------------ arrangement

    @property
    def monitors(self) -> Monitors:
        """What the run said of its inside."""
        if self._readings is None or self.run is None:
            return Monitors()
        return self._readings.of(self.run.run_id)

    def _arrange(self) -> None:
        """Two rows, or three when the network can be looked into."""
        found, inside = self.monitors, self.inside
        crowded = bool(found)
        rows: list[tuple[Card, Card]] = [(self.loss, self.confusion)]
        if found.attention:
            rows.append((inside.attention, inside.history))
            left: Card = inside.gradients if found.gradients else self.metric
            crowded = left is not self.metric
        elif found.gradients:
            rows.append((inside.gradients, inside.history))
            left, crowded = self.metric, False
        else:
            left = self.metric
        rows.append((left, self.run_card))
        if tuple(rows) == self._rows:
            return
        self._rows = tuple(rows)
        shown = {card for row in rows for card in row}
        every = (self.loss, self.metric, self.confusion, self.run_card)
        for card in (*every, inside.attention, inside.history, inside.gradients):
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
