"""The noise of one sample as a matrix, and its symmetries over all lattice vectors (Fig. 25)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.panels.electronic.phases_setup import whole
from crystalgui.gui.panels.train.phase_data import work
from crystalgui.gui.panels.train.phase_data.cloud_card import group
from crystalgui.gui.plots.matrix import ArgumentWheel, ComplexMatrixPlot
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, FlowLayout, KeyValues, SectionTitle, Text

if TYPE_CHECKING:
    from crystalgui.core.datasets.hamiltonians.analysis import SymmetryCheck
    from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.engine.lane import Lane
    from crystalgui.gui.panels.train.phase_data.work import NoisePicture


class NoiseCard(Card):
    """Any sample, any A; what stands in the picture can be read and exported."""

    def __init__(self, lane: Lane, parent: QWidget | None = None) -> None:
        super().__init__("Noise", "", parent)
        self._lane = lane
        self._data: PhaseDataset | None = None
        self._asked: object = None
        self.picture: NoisePicture | None = None
        self.sample = whole(0, 0, 0, "Sample")
        self.cell = [whole(0, -99, 99, f"A{i}") for i in (1, 2, 3)]
        holder = QWidget()
        flow = FlowLayout(holder, SPACE[1])
        self.sample.setFixedWidth(84)
        for box in self.cell:
            box.setFixedWidth(50)
        flow.addWidget(group("sample", self.sample))
        flow.addWidget(group("A", *self.cell))
        for box in (self.sample, *self.cell):
            box.valueChanged.connect(self._edited)
        self.plot = ComplexMatrixPlot(self)
        self.plot.setAccessibleName("Noise: hue is the argument, opacity the modulus")
        self.wheel = ArgumentWheel(self)
        self.numbers = KeyValues()
        self.words = Text("", "muted")
        words = QVBoxLayout()
        words.setSpacing(SPACE[0])
        words.addWidget(SectionTitle("Symmetries over all A"))
        words.addWidget(self.numbers)
        words.addWidget(self.words)
        words.addStretch(1)
        self._side = QWidget()
        below = QHBoxLayout(self._side)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(SPACE[3])
        below.addWidget(self.wheel, 0, Qt.AlignmentFlag.AlignTop)
        below.addLayout(words, 1)
        self.body.addWidget(holder)
        self.body.addWidget(self.plot, 1)
        self.body.addWidget(self._side)
        self.none = Text("", "muted")
        self.body.addWidget(self.none)
        self._controls = holder
        self.export = ExportChip(
            self, (self.plot, self.wheel), "noise", self.table, lane, self._more
        )
        self.tools.addWidget(self.export)

    # -------------------------------------------------------------- content

    def set_data(self, data: PhaseDataset | None) -> None:
        """Another data set."""
        self._data, self._asked, self.picture = data, None, None
        self.export.set_source(None)
        noisy = data is not None and data.recipe.strength > 0
        for widget in (self._controls, self.plot, self._side):
            widget.setVisible(noisy)
        self.none.setVisible(not noisy)
        self.none.setText("The samples of this data set have no noise." if data else "")
        self.set_title("Noise")
        if data is None or not noisy:
            return
        low, high = data.cells.min(axis=0).tolist(), data.cells.max(axis=0).tolist()
        for box in (self.sample, *self.cell):
            box.blockSignals(True)
        self.sample.setRange(0, len(data) - 1)
        self.sample.setValue(0)
        for box, least, most in zip(self.cell, low, high, strict=True):
            box.setRange(least, most)
            box.setValue(0)
        for box in (self.sample, *self.cell):
            box.blockSignals(False)
        if self.isVisible():
            self.want()

    def show_sample(self, row: int) -> None:
        """The sample that was chosen elsewhere."""
        self.sample.setValue(row)

    def _edited(self, *_: object) -> None:
        if self.isVisible():
            self.want()

    def want(self) -> None:
        """Ask for the matrix unless it is here or under way."""
        data = self._data
        a1, a2, a3 = (box.value() for box in self.cell)
        asked = self.sample.value(), (a1, a2, a3)
        if data is None or data.recipe.strength == 0 or asked == self._asked:
            return
        self._asked = asked
        self._lane.ask(
            "phase-data-noise",
            work.noise_picture,
            data,
            *asked,
            on_answer=lambda found: self._take(data, asked, found),
            on_error=self._failed,
            owner=self,
            desk="phase-data",
        )

    def _take(
        self, data: PhaseDataset, asked: tuple[int, tuple[int, int, int]], found: NoisePicture
    ) -> None:
        if data is not self._data or asked != self._asked:
            return
        self.picture = found
        row, cell = asked
        self.plot.set_matrix(found.matrix, found.top)
        self.wheel.set_top(found.top)
        where = "(" + ", ".join(str(a) for a in cell) + ")"
        self.set_title("Noise", f"sample {row:,}, A = {where}".replace("-", "−"))
        self.numbers.set_rows(check_rows(found.check))
        good = found.check.passed
        self.words.set_role("good" if good else "warn")
        self.words.setText(
            f"Both hold for all {len(found.check.cells):,} lattice vectors."
            if good
            else "Not a symmetry of this noise."
        )
        self.export.set_source(work.bare(data), found.check.sentence, data.summary.folder.name)

    def _failed(self, error: ErrorInfo) -> None:
        self._asked = None
        self.words.set_role("bad")
        self.words.setText(f"{error.title} {error.hint}".strip())

    def table(self) -> Table | None:
        """The matrix as CSV."""
        picture = self.picture
        return (lambda: picture.csv.partition("\n")[2]) if picture is not None else None

    def _more(self) -> dict[str, Table | None]:
        """The symmetries of every lattice vector as another table."""
        if self.picture is None:
            return {}
        check = self.picture.check
        return {"symmetries": lambda: check.csv().partition("\n")[2]}

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for what is not there yet."""
        super().showEvent(event)
        self.want()


def check_rows(check: SymmetryCheck) -> list[tuple[str, str, str]]:
    """Residuals as people read them."""

    def small(value: float) -> str:
        return f"{value:.1e} eV".replace("-", "−") if np.isfinite(value) else "not known"

    return [
        ("Lattice vectors", f"{len(check.cells):,}", "Vectors A that were looked at"),
        ("Hermitian", small(float(check.hermitian.max())), "max |D(−A) − D(A)†| over all A"),
        (
            "Time reversal",
            small(float(check.time_reversal.max())),
            "max |D(A) − U D(A)* U†| over all A",
        ),
        (
            "Kramers pairs",
            small(check.splitting),
            "Largest splitting of a pair of the sample at k = −k + G",
        ),
    ]
