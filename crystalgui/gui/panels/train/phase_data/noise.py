"""Step 2: how much noise, and what it does to the smallest gap along the line (Bird's Fig. 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from crystalgui.core.messages import HamiltonianSource, MixtureJob
from crystalgui.gui.panels.electronic.phases_setup import choice, muted, real
from crystalgui.gui.plots.phases import GapPlot
from crystalgui.gui.state.phases import PhasesState
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, FlowLayout, PlainButton, Text

if TYPE_CHECKING:
    from crystalgui.core.messages import PhasePoint
    from crystalgui.gui.session import Session

POINTS = 21
PAUSE = 700
"""Milliseconds after the last change before the line is drawn again."""
PRESETS = {
    "rms": (("none", 0.0), ("0.002 eV", 0.002), ("0.01 eV", 0.01), ("0.03 eV", 0.03)),
    "mean": (("none", 0.0), ("0.1", 0.1), ("0.5", 0.5), ("as strong as H", 1.0)),
}


class NoiseStep(Card):
    """Strength, unit, envelope, and a live line of the smallest gap.

    Signals
    -------
    edited()
    """

    edited = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__("Noise", "random hoppings of its own for every sample")
        self._session = session
        self._ends: tuple[HamiltonianSource, HamiltonianSource] | None = None
        self._occupied = 0
        self._drawn: MixtureJob | None = None
        self.state = PhasesState(session.jobs, self)
        self.state.grown.connect(self._grown)
        self.state.ended.connect(self._ended)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(PAUSE)
        self._later.timeout.connect(self.draw)
        self._form()
        self.plot = GapPlot(self)
        self.plot.setAccessibleName("Smallest gap along the line for several strengths of noise")
        self.plot.centre_legend()
        self.plot.set_axes("α", "smallest gap (eV)")
        self.plot.getAxis("bottom").setStyle(showValues=True)
        self.body.addWidget(self.plot, 1)
        self.words = Text("", "muted")
        self.body.addWidget(self.words)

    def _form(self) -> None:
        self.strength = real(0.0, 0.0, 100.0, "Strength of the noise")
        self.unit = choice((("rms", "eV"), ("mean", "× mean |H|")), "Unit of the strength")
        self.unit.setToolTip(
            "eV: root mean square of the random elements. "
            "× mean |H|: their mean modulus in units of that of the start."
        )
        self.envelope = choice(
            (("flat", "equal on all elements"), ("hoppings", "in proportion to the hoppings")),
            "Where the noise is",
        )
        self.mode = choice(
            (
                ("time-reversal", "time reversal"),
                ("paper-literal", "nothing: eqs. 8–11 as printed"),
            ),
            "What the noise keeps",
        )
        self.mode.setToolTip(
            "Equations 8–11 of the paper, taken literally, split Kramers pairs: Z2 is undefined."
        )
        self._presets = QWidget()
        self._flow = FlowLayout(self._presets, SPACE[0])
        self._chips: list[Chip] = []
        self.strength.setFixedWidth(110)
        self.unit.setFixedWidth(110)
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE[2])
        grid.setVerticalSpacing(SPACE[1])
        top = QHBoxLayout()
        top.setSpacing(SPACE[1])
        top.addWidget(self.strength)
        top.addWidget(self.unit)
        top.addWidget(self._presets, 1)
        grid.addWidget(muted("Strength"), 0, 0)
        grid.addLayout(top, 0, 1, 1, 3)
        for place, (words, box) in enumerate((("Envelope", self.envelope), ("Keeps", self.mode))):
            grid.addWidget(muted(words), 1, 2 * place)
            grid.addWidget(box, 1, 2 * place + 1)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        self.body.addLayout(grid)
        self.strength.valueChanged.connect(self._changed)
        self.unit.currentIndexChanged.connect(self._unit_changed)
        for box in (self.envelope, self.mode):
            box.currentIndexChanged.connect(self._changed)
        self.redraw_button = PlainButton("Draw", icon_name="refresh")
        self.redraw_button.setToolTip("Compute the smallest gap along the line anew")
        self.redraw_button.clicked.connect(self.draw)
        self.tools.addWidget(self.redraw_button)
        self._show_presets()

    def _unit_changed(self, *_: object) -> None:
        self._show_presets()
        self._changed()

    def _show_presets(self) -> None:
        for chip in self._chips:
            self._flow.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        self._chips = []
        for words, value in PRESETS[self.unit.currentData()]:
            chip = Chip(words, tooltip=f"Noise of strength {value:g}")
            chip.clicked.connect(lambda _=False, v=value: self.strength.setValue(v))
            self._flow.addWidget(chip)
            self._chips.append(chip)
            chip.show()

    # -------------------------------------------------------------- content

    def set_ends(self, start: HamiltonianSource, end: HamiltonianSource, occupied: int) -> None:
        """The line whose gap is shown."""
        if (start, end) != self._ends or occupied != self._occupied:
            self._ends, self._occupied = (start, end), occupied
            self._wait()

    def _changed(self, *_: object) -> None:
        for box in (self.envelope, self.mode):
            box.setEnabled(self.strength.value() > 0)
        self.edited.emit()
        self._wait()

    def _wait(self) -> None:
        if self.isVisible():
            self._later.start()

    @property
    def strengths(self) -> tuple[float, ...]:
        """The strengths of the picture: none, half, the chosen one, twice as much."""
        s = self.strength.value()
        return (0.0, s / 2, s, 2 * s) if s > 0 else (0.0,)

    @property
    def summary(self) -> str:
        """A few words for the list of steps."""
        s = self.strength.value()
        return f"{s:g} {self.unit.currentText()}" if s else "none"

    # ----------------------------------------------------------------- line

    def job(self) -> MixtureJob | None:
        """Gaps along the line, without phases."""
        if self._ends is None:
            return None
        return MixtureJob(
            start=self._ends[0],
            end=self._ends[1],
            occupied=self._occupied,
            steps=POINTS,
            strengths=self.strengths,
            normalisation=self.unit.currentData(),
            envelope=self.envelope.currentData(),
            labels=False,
        )

    def draw(self) -> None:
        """Compute the line, unless it is there already."""
        self._later.stop()
        job = self.job()
        if job is None or (job == self._drawn and (self.state.alive or self.state.points)):
            return
        others = [row for row in self._session.jobs.running if row.job_id != self.state.job_id]
        if others:
            self.words.setText(f"{others[0].title} is running; Draw asks for the line after it.")
            if self.sender() is not self.redraw_button:
                return
        self._drawn = job
        self.state.begin(job)
        self.plot.begin(job.strengths, "eV" if job.normalisation == "rms" else "mean |H|")
        self.words.setText("computing the smallest gap …")

    def _grown(self, points: tuple[PhasePoint, ...]) -> None:
        self.plot.add(points)

    def _ended(self) -> None:
        if self.state.error is not None:
            self.words.set_role("bad")
            self.words.setText(f"{self.state.error.title} {self.state.error.hint}".strip())
            return
        self.words.set_role("muted")
        more = "" if len(self.strengths) == 1 else " One noise of each strength is shown."
        self.words.setText(f"Smallest direct gap of the zone, {POINTS} points.{more}")

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what is not there yet."""
        super().showEvent(event)
        self._later.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks."""
        super().hideEvent(event)
        self._later.stop()
