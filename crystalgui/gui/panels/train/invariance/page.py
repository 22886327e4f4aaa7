"""The room of invariance: what is asked at the left, what is found at the right.

Bird (2023), section 2.10: accuracy and logged cost against the degree of
rolling, live while the job goes through its degrees, and the equivariance
error of each layer, which says where invariance is lost.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.reports import invariance as reports
from crystalgui.gui.growth import Growing, Steps
from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.panels.quantities import duration
from crystalgui.gui.panels.train.invariance.asking import AskingCard
from crystalgui.gui.plots.equivariance import EquivariancePlot
from crystalgui.gui.plots.spread import SpreadCurve, SpreadPlot
from crystalgui.gui.state.invariance import InvarianceState
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crystalgui.core.messages import InvarianceJob, InvariancePoint, LayerErrors
    from crystalgui.gui.session import Session

NOTHING = (
    "Measure rolls every test sample periodically by random shifts, up to the degree χ along each "
    "axis. An invariant network answers as before: its curve is flat."
)
"""Before anything was measured."""
EXPLAINED = (
    "The distance of f(T x) from T f(x), relative to f(x), for random shifts T. Below the dashed "
    "line it is rounding: the layer moves with its input."
)
VIEWS = (("accuracy", "accuracy"), ("log10 of the cost", "logged cost"),
         ("changed answers", "changed answers"))  # fmt: skip


SHARES = (-0.02, 1.02)
"""Between which the ordinate of shares stays."""


class RollingCard(Card):
    """Accuracy, logged cost or changed answers against the degree of rolling."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Rolling", "", parent)
        self._points: tuple[InvariancePoint, ...] = ()
        self._view = 0
        self.plot = SpreadPlot("degree of rolling χ, points", VIEWS[0][0], self)
        self.plot.setAccessibleName("Answers against the degree of rolling")
        self.plot.set_limits(*SHARES)
        self.words = Text(NOTHING, "muted")
        self.plot.hide()
        self.body.addWidget(self.plot, 1)
        self.body.addWidget(self.words)
        self.body.addStretch(0)
        group = QButtonGroup(self)
        self.chips = []
        for index, (_, words) in enumerate(VIEWS):
            chip = Chip(words, True, f"Show {words} against the degree of rolling")
            chip.setChecked(index == 0)
            group.addButton(chip, index)
            self.tools.addWidget(chip)
            self.chips.append(chip)
        group.idToggled.connect(lambda index, on: on and self.show_view(index))
        self.export = ExportChip(self, (self.plot,), "invariance", self.table, session.lane)
        self.tools.addWidget(self.export)

    def set_points(self, points: Sequence[InvariancePoint]) -> None:
        """Show other points."""
        self._points = tuple(points)
        self.plot.setVisible(bool(self._points))
        self._draw()

    def show_view(self, index: int) -> None:
        """Show accuracy (0), logged cost (1) or changed answers (2)."""
        self._view = index
        self.plot.set_axes("degree of rolling χ, points", VIEWS[index][0])
        self.plot.set_rising(index > 0)
        self.plot.set_limits(*SHARES if index != 1 else (None, None))
        self._draw()

    def _draw(self) -> None:
        if not self._points:
            self.plot.set_curves(())
            return
        table = np.array(reports.rows(self._points), np.float64)
        x = table[:, 0]
        several = any(len(p.accuracy) > 1 for p in self._points)
        if self._view == 0:
            mean, spread, best = table[:, 1], table[:, 2], table[:, 3]
        elif self._view == 1:
            cost = np.maximum(table[:, 4], 1e-12)
            mean, spread = np.log10(cost), table[:, 5] / cost / math.log(10)
            best = np.log10(np.maximum(table[:, 6], 1e-12))
        else:
            mean, spread, best = table[:, 8], 0 * x, table[:, 8]
        shown = best if several and self._view < 2 else None
        self.plot.set_curves([SpreadCurve("", x, mean, spread, shown)])

    def table(self) -> Table:
        """The points as CSV."""
        return partial(reports.points_csv, self._points)


class LayersCard(Card):
    """The equivariance error of each layer."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Equivariance of the layers", "", parent)
        self.plot = EquivariancePlot(self)
        self.words = Text(EXPLAINED, "muted")
        self.plot.hide()
        self.body.addWidget(self.plot, 1)
        self.body.addWidget(self.words)
        self.body.addStretch(0)
        self.export = ExportChip(self, (self.plot,), "equivariance", self.table, session.lane)
        self.tools.addWidget(self.export)

    def set_errors(self, errors: LayerErrors | None) -> None:
        """Show the errors of a network, or nothing."""
        self.plot.setVisible(errors is not None)
        self.plot.set_errors(errors)

    def table(self) -> Table | None:
        """The errors as CSV."""
        errors = self.plot.errors
        return partial(reports.layers_csv, errors) if errors is not None else None


class InvariancePage(Growing, QWidget):
    """The room: a form, a live curve, bars by layer."""

    def __init__(
        self, session: Session, parent: QWidget | None = None, *, at_once: bool = True
    ) -> None:
        super().__init__(parent)
        self._session = session
        self.state = InvarianceState(session.jobs, self)
        self.grow(self._build(), at_once)

    def _build(self) -> Steps:
        self.asking = AskingCard(self._session)
        yield
        self.rolling = RollingCard(self._session)
        yield
        self.layers = LayersCard(self._session)
        yield
        left = QWidget()
        left.setObjectName("ScrollBody")
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.asking)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(left)
        scroll.setMinimumWidth(left.minimumSizeHint().width() + SPACE[1])
        right = QSplitter(Qt.Orientation.Vertical)
        right.setHandleWidth(SPACE[2])
        right.setChildrenCollapsible(False)
        right.addWidget(self.rolling)
        right.addWidget(self.layers)
        right.setSizes([340, 260])
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(SPACE[2])
        split.setChildrenCollapsible(False)
        split.addWidget(scroll)
        split.addWidget(right)
        split.setStretchFactor(1, 1)
        split.setSizes([340, 700])
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(split)
        self.asking.run_asked.connect(self.state.begin)
        self.asking.cancel_asked.connect(self.state.cancel)
        self.asking.report_asked.connect(self.ask_report)
        self.state.found.connect(self._found)
        self.state.moved.connect(self._progressed)
        self.state.ended.connect(self._ended)

    # -------------------------------------------------------------- answers

    def _found(self) -> None:
        """Points or layers are new."""
        self.rolling.set_points(self.state.points)
        self.layers.set_errors(self.state.layers)
        job = self.state.job
        if job is not None:
            self.rolling.set_title("Rolling", f"{self._title(job)} on {job.dataset.name}")
        for card, ready in (
            (self.rolling, bool(self.state.points)),
            (self.layers, self.state.layers is not None),
        ):
            card.export.set_origin(job.model if job else "", self.rolling.subtitle, ready=ready)

    def _title(self, job: InvarianceJob) -> str:
        model = next((m for m in self._session.project.models if m.name == job.model), None)
        return model.title if model is not None else job.model

    def _progressed(self) -> None:
        """What the job does now."""
        row = self.state.row
        alive = self.state.alive
        self.asking.set_running(alive)
        if row is not None and alive:
            left = f"  ·  {duration(row.eta)} left" if row.eta == row.eta else ""
            self._say(self.rolling.words, f"{row.text or 'waiting'}{left}")
            self._say(self.layers.words, EXPLAINED)

    def _ended(self) -> None:
        """The sentence, or why there is none."""
        self.asking.set_running(False)
        self.asking.report.setEnabled(bool(self.state.points) and self.state.done)
        error = self.state.error
        if error is not None:
            self._say(self.rolling.words, f"{error.title} {error.hint}".strip(), "bad")
            return
        points = self.state.points
        self._say(self.rolling.words, reports.sentence(points) if points else NOTHING)
        layers = self.state.layers
        if layers is not None:
            self._say(self.layers.words, f"{reports.layers_sentence(layers)} {EXPLAINED}")
        elif points:
            self._say(self.layers.words, "This network has no layers that move with its input.")

    @staticmethod
    def _say(label: Text, words: str, role: str = "muted") -> None:
        label.set_role(role)
        label.setText(words)

    # --------------------------------------------------------------- report

    def ask_report(self) -> None:
        """Choose a folder and write the report there."""
        folder = QFileDialog.getExistingDirectory(self, "Folder for the report")
        if folder:
            self.write_report(Path(folder))

    def write_report(self, folder: Path) -> None:
        """Write tables, JSON and figure; the lane does it."""
        found = self._measured()
        if found is None:
            return
        said = self._session.notify
        self._session.lane.run(
            reports.write,
            folder,
            found,
            on_answer=lambda paths: said.info(f"Wrote {len(paths)} files into {folder.name}."),
            owner=self,
        )

    def _measured(self) -> reports.Invariance | None:
        """The finished measurement."""
        job = self.state.job
        if job is None or not self.state.points:
            return None
        said = reports.sentence(self.state.points)  # the job says it as well
        return reports.Invariance(
            model=job.model,
            title=self._title(job),
            dataset=job.dataset.name,
            samples=self.state.points[0].samples,
            draws=job.draws,
            seed=job.seed,
            device=str(job.device),
            points=self.state.points,
            layers=self.state.layers,
            remarks=tuple(r for r in self.state.remarks if r != said),
        )
