"""Cards about a run: its loss, a metric, its confusion by epoch, and the run itself."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QSlider, QWidget

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
from crystalgui.gui.panels.train.monitors import EvenCard
from crystalgui.gui.plots.confusion import ConfusionPlot
from crystalgui.gui.plots.curves import CurvesPlot
from crystalgui.gui.state.runs import RunView
from crystalgui.gui.theme import OKABE_ITO, SPACE, font
from crystalgui.gui.widgets import Card, Chip, KeyValues, PlainButton

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
