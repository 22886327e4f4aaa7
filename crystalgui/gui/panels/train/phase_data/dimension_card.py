"""How many dimensions a data set has: principal components, and autoencoders with a bottleneck."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from crystalgui.core.messages import BottleneckJob, BottleneckPoint, Event
from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.panels.electronic.phases_setup import muted, whole
from crystalgui.gui.panels.quantities import duration
from crystalgui.gui.panels.train.phase_data import work
from crystalgui.gui.plots.series import Line, SeriesPlot
from crystalgui.gui.theme import OKABE_ITO, SPACE
from crystalgui.gui.widgets import Card, Chip, FlowLayout, PlainButton, Text

if TYPE_CHECKING:
    from crystalgui.core.datasets.hamiltonians.analysis import Spectrum
    from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.gui.session import Session
    from crystalgui.gui.state.jobs import JobRow

SAMPLES = 1000


class SpectrumCard(Card):
    """Standard deviations along the principal axes."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Principal components", "", parent)
        self._session = session
        self._data: PhaseDataset | None = None
        self._asked = False
        self.spectrum: Spectrum | None = None
        self.plot = SeriesPlot("component", "standard deviation (eV)", self)
        self.plot.setAccessibleName("Standard deviations along the principal axes")
        self.words = Text("", "muted")
        self.body.addWidget(self.plot, 1)
        self.body.addWidget(self.words)
        self.log = Chip("log", True, "Standard deviations on a logarithmic axis")
        self.log.setChecked(True)
        self.plot.set_log(True)
        self.log.toggled.connect(self.plot.set_log)
        self.export = ExportChip(self, (self.plot,), "spectrum", self.table, session.lane)
        self.tools.addWidget(self.log)
        self.tools.addWidget(self.export)

    def set_data(self, data: PhaseDataset | None) -> None:
        """Another data set."""
        self._data, self._asked, self.spectrum = data, False, None
        self.plot.set_lines(())
        self.export.set_source(None)
        self.words.setText("")
        if self.isVisible():
            self.want()

    def want(self) -> None:
        """Ask for the spectrum unless it is here or under way."""
        data = self._data
        if data is None or self._asked:
            return
        self._asked = True
        self.words.setText("computing …")
        self._session.lane.ask(
            "phase-data-spectrum",
            work.spectrum,
            data,
            SAMPLES,
            on_answer=lambda found: self._take(data, found),
            on_error=self._failed,
            owner=self,
            desk="phase-data",
        )

    def _take(self, data: PhaseDataset, found: Spectrum) -> None:
        if data is not self._data:
            return
        self.spectrum = found
        number = np.arange(1, len(found.values) + 1, dtype=np.float64)
        shown = found.values > found.floor / 10
        self.plot.set_lines([Line("deviation", number[shown], found.values[shown])], found.rank)
        least = "at least " if found.limited else ""
        word = "direction" if found.rank == 1 else "directions"
        self.set_title("Principal components", f"{least}{found.rank:,} {word}")
        self.words.setText(found.sentence[:1].upper() + found.sentence[1:])
        self.export.set_source(work.bare(data), found.sentence, data.summary.folder.name)

    def _failed(self, error: ErrorInfo) -> None:
        self._asked = False
        self.words.setText(f"{error.title} {error.hint}".strip())

    def table(self) -> Table | None:
        """Standard deviations as CSV."""
        spectrum = self.spectrum
        return (lambda: spectrum.csv().partition("\n")[2]) if spectrum is not None else None

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for what is not there yet."""
        super().showEvent(event)
        self.want()


class BottleneckCard(Card):
    """What autoencoders lose when only a few neurons stand in the middle."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Bottleneck", "autoencoders of the hoppings", parent)
        self._session = session
        self._data: PhaseDataset | None = None
        self._job_id = ""
        self.points: dict[int, BottleneckPoint] = {}
        self.plot = SeriesPlot("neurons in the middle", "error, share of the variance", self)
        self.plot.setAccessibleName("Reconstruction error against the width of the bottleneck")
        holder = QWidget()
        flow = FlowLayout(holder, SPACE[1])
        self.widths = QLineEdit("1, 2, 3, 4, 6, 8, 12, 16")
        self.widths.setAccessibleName("Neurons in the middle")
        self.widths.setFixedWidth(184)
        self.widths.setCursorPosition(0)
        self.samples = whole(1000, 20, 100_000, "Samples")
        self.epochs = whole(40, 1, 10_000, "Epochs")
        for box in (self.samples, self.epochs):
            box.setFixedWidth(84)
        for words, box in (("widths", self.widths), ("samples", self.samples),
                           ("epochs", self.epochs)):  # fmt: skip
            part = QWidget()
            row = QHBoxLayout(part)
            row.setContentsMargins(0, 0, SPACE[1], 0)
            row.setSpacing(SPACE[0])
            row.addWidget(muted(words))
            row.addWidget(box)
            flow.addWidget(part)
        self.run = PlainButton("Run", icon_name="play")
        self.cancel = PlainButton("Cancel", icon_name="cancel")
        flow.addWidget(self.run)
        flow.addWidget(self.cancel)
        self.words = Text("", "muted")
        self.body.addWidget(holder)
        self.body.addWidget(self.plot, 1)
        self.body.addWidget(self.words)
        self.body.addStretch(0)
        self.export = ExportChip(self, (self.plot,), "bottleneck", self.table, session.lane)
        self.tools.addWidget(self.export)
        self.run.clicked.connect(self.start)
        self.cancel.clicked.connect(lambda: session.jobs.cancel(self._job_id))
        session.jobs.event.connect(self._event)
        session.jobs.row_changed.connect(self._row_changed)
        session.jobs.finished.connect(self._finished)
        self._set_running(False)

    def set_data(self, data: PhaseDataset | None) -> None:
        """Another data set; a sweep of the old one goes on in the job list."""
        self._data, self._job_id, self.points = data, "", {}
        self.plot.set_lines(())
        self.export.set_source(None)
        self._set_running(False)
        self.words.set_role("muted")
        self.words.setText(
            "Run trains an autoencoder for each width of its middle: where the error stops "
            "falling, the middle is as wide as the data set."
        )

    def start(self) -> None:
        """Submit the sweep."""
        data = self._data
        if data is None:
            return
        try:
            text = self.widths.text().replace(",", " ").split()
            widths = tuple(sorted({int(word) for word in text}))
        except ValueError:
            widths = ()
        if not widths or widths[0] < 1:
            self.words.set_role("bad")
            self.words.setText("The widths cannot be read. Write e.g. 1, 2, 4, 8.")
            return
        job = BottleneckJob(
            dataset=data.summary.folder,
            widths=widths,
            samples=min(self.samples.value(), len(data)),
            epochs=self.epochs.value(),
        )
        self.points = {}
        self._job_id = self._session.jobs.submit(job)
        self.words.set_role("muted")
        self.words.setText("waiting")
        self._set_running(True)
        self._draw()

    def _set_running(self, on: bool) -> None:
        self.run.setEnabled(not on)
        self.cancel.setVisible(on)
        self.plot.setVisible(on or bool(self.points))

    def _event(self, event: Event) -> None:
        mine = self._job_id and event.job_id == self._job_id
        if mine and isinstance(event, BottleneckPoint):
            self.points[event.width] = event
            self._draw()

    def _row_changed(self, row: JobRow | None) -> None:
        if row is not None and self._job_id and row.job_id == self._job_id and row.alive:
            left = f"  ·  {duration(row.eta)} left" if row.eta == row.eta else ""
            self.words.setText(f"{row.text or 'waiting'}{left}")

    def _finished(self, row: JobRow, _outcome: object) -> None:
        data = self._data
        if not self._job_id or row.job_id != self._job_id or data is None:
            return
        self._set_running(False)
        if row.error is not None:
            self.words.set_role("bad")
            self.words.setText(f"{row.error.title} {row.error.hint}".strip())
        else:
            self.words.setText(
                f"{len(self.points)} widths in {duration(row.seconds)}: where the error stops "
                "falling, the middle is as wide as the data set."
            )
        if self.points:
            self.export.set_source(work.bare(data), self.words.text(), data.summary.folder.name)

    def _draw(self) -> None:
        found = [self.points[w] for w in sorted(self.points)]
        x = np.array([p.width for p in found], dtype=np.float64)
        train = np.array([p.train_error for p in found])
        test = np.array([p.test_error for p in found])
        self.plot.set_lines(
            [Line("train", x, train, OKABE_ITO[0]), Line("test", x, test, OKABE_ITO[3])]
        )

    def table(self) -> Table:
        """Errors by width as CSV."""
        return partial(points_csv, dict(self.points))


def points_csv(points: Mapping[int, BottleneckPoint]) -> str:
    """One row a width."""
    lines = ["neurons,train_error_of_variance,test_error_of_variance"]
    for width, p in sorted(points.items()):
        lines.append(f"{width},{p.train_error:.10g},{p.test_error:.10g}")
    return "\n".join(lines) + "\n"


class DimensionView(QWidget):
    """Both cards."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.spectrum, self.bottleneck = SpectrumCard(session), BottleneckCard(session)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[2])
        column.addWidget(self.spectrum, 1)
        column.addWidget(self.bottleneck, 1)

    def set_data(self, data: PhaseDataset | None) -> None:
        """Another data set."""
        for card in (self.spectrum, self.bottleneck):
            card.set_data(data)
