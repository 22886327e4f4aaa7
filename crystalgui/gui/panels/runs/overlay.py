"""Curves of several runs in one plot."""

from __future__ import annotations

from PySide6.QtWidgets import QButtonGroup, QWidget

from crystalgui.gui.panels.quantities import SMALLER_IS_BETTER, metric_name
from crystalgui.gui.plots.curves import CurvesPlot
from crystalgui.gui.state.runs import RunView
from crystalgui.gui.theme import class_colour
from crystalgui.gui.widgets import Card, Chip, FlowLayout

MOST_RUNS = 12
SPLITS = {"train": "training", "val": "validation"}


class OverlayCard(Card):
    """One metric of up to twelve runs against the epoch, one colour a run."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Curves", "of the selected runs", parent)
        self._runs: list[RunView] = []
        self._key = ""
        self._group = QButtonGroup(self)
        self._choices = QWidget()
        self._flow = FlowLayout(self._choices)
        self.body.addWidget(self._choices)
        self.plot = CurvesPlot("epoch", "")
        self.plot.setAccessibleName("Curves of the selected runs")
        self.body.addWidget(self.plot, 1)
        self.log = Chip("log", checkable=True, tooltip="Logarithmic scale")
        self.smooth = Chip("smooth", checkable=True, tooltip="Running average over the raw curve")
        for chip in (self.log, self.smooth):
            self.tools.addWidget(chip)
        self.log.toggled.connect(self.plot.set_log)
        self.plot.set_smooth(False)
        self.smooth.toggled.connect(self.plot.set_smooth)

    @property
    def key(self) -> str:
        """The metric that is shown, e.g. ``"val/accuracy"``."""
        return self._key

    def show_runs(self, runs: list[RunView]) -> None:
        """Overlay these runs."""
        self._runs = runs[:MOST_RUNS]
        more = (
            f"first {MOST_RUNS} of {len(runs)}" if len(runs) > MOST_RUNS else "of the selected runs"
        )
        self.set_title("Curves", more)
        self._offer()
        self._draw()

    def update_run(self, run: RunView) -> None:
        """A run has new points."""
        if run in self._runs:
            self._offer()
            self._draw()

    def choose(self, key: str) -> None:
        """Show another metric."""
        self._key = key
        self._draw()

    def _offer(self) -> None:
        keys = list(
            dict.fromkeys(
                key
                for run in self._runs
                for key in run.curves.epochs
                if key.partition("/")[0] in SPLITS
            )
        )
        keys.sort(key=lambda key: (not key.startswith("val/"), key.endswith("/loss")))
        shown = [chip.property("key") for chip in self._group.buttons()]
        if shown == keys:
            return
        for chip in self._group.buttons():
            self._group.removeButton(chip)
            self._flow.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        if self._key not in keys:
            self._key = keys[0] if keys else ""
        for key in keys:
            split = SPLITS[key.partition("/")[0]]
            chip = Chip(f"{metric_name(key)}, {split}", checkable=True)
            chip.setProperty("key", key)
            chip.setChecked(key == self._key)
            chip.clicked.connect(lambda _=False, k=key: self.choose(k))
            self._group.addButton(chip)
            self._flow.addWidget(chip)

    def _draw(self) -> None:
        wanted = {}
        for i, run in enumerate(self._runs):
            if self._key in run.curves.epochs:
                wanted[f"{i}:{id(run.curves)}:{self._key}"] = (i, run)
        for key in self.plot.keys:
            if key not in wanted:
                self.plot.remove_curve(key)
        titles = [run.title for run in self._runs]
        for key, (i, run) in wanted.items():
            name = run.title
            if titles.count(name) > 1 and run.stored is not None:
                name += f", {run.stored.created.astimezone():%H:%M:%S}"
            self.plot.set_curve(key, run.curves.epochs[self._key], class_colour(i), name)
        metric = self._key.rpartition("/")[2]
        self.plot.set_legend_low(metric not in SMALLER_IS_BETTER)
        self.plot.mark()
