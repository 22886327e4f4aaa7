"""A sweep: accuracy and logged cost against the degree of rolling, filling in live."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QButtonGroup, QFileDialog, QWidget

from crystalgui.core.reports import sweeps as reports
from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.panels.quantities import duration
from crystalgui.gui.plots.spread import SpreadCurve, SpreadPlot
from crystalgui.gui.theme import class_colour
from crystalgui.gui.widgets import Card, Chip, FlowLayout, Text

if TYPE_CHECKING:
    from crystalgui.core.messages import SweepRecipe
    from crystalgui.core.reports.sweeps import Quantity
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.runs import RunView

X = "degree of rolling χ, points"
VIEWS: tuple[tuple[Quantity, str], ...] = (("accuracy", "accuracy"), ("cost", "logged cost"))
EVERY = "all"
SOON = 50
"""Milliseconds: a group of networks is ready at once."""


class SweepCard(Card):
    """One curve a network: mean of its repeats, their spread as a band, the best as dashes.

    Networks of a sweep come in groups; one of them is shown, or all together.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Sweep", "", parent)
        self._session = session
        self._run: RunView | None = None
        self._quantity: Quantity = "accuracy"
        self._group = ""
        self._drawn = -1
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(SOON)
        self._soon.timeout.connect(self._refresh)
        self.choices = QWidget()
        self._flow = FlowLayout(self.choices)
        self._groups = QButtonGroup(self)
        self.body.addWidget(self.choices)
        self.plot = SpreadPlot(X, reports.QUANTITIES["accuracy"], self)
        self.plot.setAccessibleName("Networks against the degree of rolling")
        self.body.addWidget(self.plot, 1)
        self.words = Text("", "muted")
        self.body.addWidget(self.words)
        views = QButtonGroup(self)
        self.chips: dict[Quantity, Chip] = {}
        for quantity, words in VIEWS:
            chip = Chip(words, True, f"Show {words} against the degree of rolling")
            chip.setChecked(quantity == self._quantity)
            chip.clicked.connect(lambda _=False, q=quantity: self.show_quantity(q))
            views.addButton(chip)
            self.tools.addWidget(chip)
            self.chips[quantity] = chip
        self.inside = Chip("inside", tooltip="Attention and gradients of its networks")
        self.inside.setObjectName("sweepInside")
        self.tools.addWidget(self.inside)
        self.export = ExportChip(self, (self.plot,), "sweep", self.table, session.lane)
        self.report = Chip("report", tooltip="Write tables and the figure of every group")
        self.report.clicked.connect(self.ask_report)
        self.tools.addWidget(self.export)
        self.tools.addWidget(self.report)

    # -------------------------------------------------------------- showing

    def show_run(self, run: RunView) -> None:
        """Show a sweep."""
        if run is not self._run:
            self._run, self._group, self._drawn = run, "", -1
            self.set_title("Sweep", run.title)
            self._offer()
        self._refresh()

    def update_run(self, run: RunView) -> None:
        """Networks are ready, or the state has changed: soon, once for many."""
        if run is self._run and not self._soon.isActive():
            self._soon.start()

    def _refresh(self) -> None:
        """Bring curves and words up to date; curves only when networks came."""
        run = self._run
        recipe = run.sweep if run is not None else None
        if run is None or recipe is None:
            return
        points = list(run.points.values())
        if len(points) != self._drawn:
            self._drawn = len(points)
            self._draw(recipe)
            self.report.setEnabled(bool(points))
        words = f"{len(points)} of {recipe.size} networks"
        if run.alive:
            left = f", {duration(run.eta)} left" if run.eta == run.eta else ""
            self.words.setText(f"{words}  ·  {run.text or 'waiting'}{left}")
        else:
            words = reports.sentence(recipe, points)
            self.words.setText(words)
        self.export.set_origin(run.title, words, ready=bool(points))

    def show_quantity(self, quantity: Quantity) -> None:
        """Show accuracy or the logarithm of the cost."""
        self._quantity = quantity
        self.chips[quantity].setChecked(True)
        self.plot.set_axes(X, reports.QUANTITIES[quantity])
        self.plot.set_rising(quantity == "cost")
        if self._run is not None and self._run.sweep is not None:
            self._draw(self._run.sweep)

    def show_group(self, group: str) -> None:
        """Show the networks of a group; empty shows all."""
        self._group = group
        for chip in self._groups.buttons():
            chip.setChecked(chip.text() == (group or EVERY))
        if self._run is not None and self._run.sweep is not None:
            self._draw(self._run.sweep)

    @property
    def groups(self) -> tuple[str, ...]:
        """What is offered; empty when there is but one group."""
        return tuple(button.text() for button in self._groups.buttons())

    def _offer(self) -> None:
        """A chip for each group, where there are several."""
        for chip in self._groups.buttons():
            self._groups.removeButton(chip)
            self._flow.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        recipe = self._run.sweep if self._run is not None else None
        found = reports.groups(recipe) if recipe is not None else ()
        self.choices.setVisible(len(found) > 1)
        for group in ("", *found) if len(found) > 1 else ():
            chip = Chip(group or EVERY, checkable=True)
            chip.setChecked(group == self._group)
            chip.clicked.connect(lambda _=False, g=group: self.show_group(g))
            self._groups.addButton(chip)
            self._flow.addWidget(chip)

    def _draw(self, recipe: SweepRecipe) -> None:
        assert self._run is not None
        every = reports.curves(recipe, self._run.points.values(), self._quantity)
        shown = [c for c in every if not self._group or c.group == self._group]
        self.plot.set_curves(
            [
                SpreadCurve(
                    curve.network,
                    curve.rolling,
                    curve.mean,
                    curve.spread,
                    curve.best if recipe.repeats > 1 else None,
                    class_colour(number),
                )
                for number, curve in enumerate(shown)
                if len(curve.rolling)
            ]
        )

    # --------------------------------------------------------------- export

    def table(self) -> Table | None:
        """Mean, spread and best of every network as CSV."""
        if self._run is None or self._run.sweep is None:
            return None
        return partial(reports.curves_csv, self._run.sweep, list(self._run.points.values()))

    def ask_report(self) -> None:
        """Choose a folder and write everything there."""
        folder = QFileDialog.getExistingDirectory(self, "Folder for the tables and the figure")
        if folder:
            self.write_report(Path(folder))

    def write_report(self, folder: Path) -> None:
        """Write points, curves, recipe and figure; the lane does it."""
        run, said = self._run, self._session.notify
        if run is None or run.sweep is None:
            return
        self._session.lane.run(
            reports.write,
            folder,
            run.sweep,
            list(run.points.values()),
            on_answer=lambda paths: said.info(f"Wrote {len(paths)} files into {folder.name}."),
            owner=self,
        )
