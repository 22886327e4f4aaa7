"""The form of a design: what may change, what is wanted, how the descent walks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QWidget

from crystalgui.core.messages import DesignJob
from crystalgui.gui.panels.forms import ChoiceBox, RealBox, WholeBox
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, PlainButton, PrimaryButton, Text

if TYPE_CHECKING:
    from crystalgui.core.physics.design import Opening

FREEDOMS = (("strain", "strain"), ("hoppings", "hoppings"), ("field", "Zeeman field"))
TARGETS = (("gap", "direct gap"), ("close", "close the gap"), ("band", "band position"))
SHAPES = (
    ("free", "any strain"),
    ("in-plane", "in the x–y plane"),
    ("along-c", "along z only"),
    ("uniform", "uniform"),
)
FOLLOW = "smallest gap"


@dataclass(frozen=True, slots=True)
class Source:
    """What a design can start from: a built-in model, or the opened file."""

    title: str
    model: str = ""
    path: Path | None = None
    companions: tuple[Path, ...] = ()
    occupied: int = 0


class SetupCard(Card):
    """Fields of a `DesignJob`, and the buttons that start and stop it.

    Signals
    -------
    source_chosen(Source)
    start_asked(DesignJob), stop_asked()
    """

    source_chosen = Signal(object)
    start_asked = Signal(object)
    stop_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Design", "gradient descent to wanted bands", parent)
        self._sources: list[Source] = []
        self._opening: Opening | None = None
        self._build_fields()
        self._place_fields()
        self.more = Chip("more", checkable=True, tooltip="Optimiser, clipping, bounds")
        self.more.toggled.connect(self._show)
        self.tools.addWidget(self.more)
        self.start = PrimaryButton("Start", icon_name="play")
        self.start.setObjectName("designStart")
        self.stop = PlainButton("Stop", icon_name="stop")
        self.stop.setToolTip("End after this step; what was found is kept")
        self.status = Text("", "muted")
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        row.addWidget(self.status, 1)
        row.addWidget(self.stop)
        row.addWidget(self.start)
        self.body.addLayout(row)
        self.start.clicked.connect(lambda: self.start_asked.emit(self.job()))
        self.stop.clicked.connect(self.stop_asked)
        self.set_running(False)
        self._show()

    def _build_fields(self) -> None:
        self.source = _choice((), "Start from")
        self.freedom = _choice(FREEDOMS, "What may change")
        self.target = _choice(TARGETS, "Target")
        self.k = _choice((("", FOLLOW),), "At k")
        self.shape = _choice(SHAPES, "Allowed strain")
        self.optimiser = _choice((("adam", "Adam"), ("plain", "plain descent")), "Optimiser")
        self.value = _real(0.1, -1e3, 1e3, "Wanted energy")
        self.rate = _real(1e-3, 1e-9, 9.0, "Learning rate")
        self.clip = _real(1.0, 0.0, 1e9, "Clip gradients at this norm")
        self.clip.setToolTip("Gradients with a larger norm are scaled down to it; 0: never")
        self.bound = _real(0.15, 1e-4, 10.0, "Bound")
        self.bound.setToolTip("Largest strain component, or largest field in eV")
        self.band = WholeBox()
        self.band.setAccessibleName("Band")
        self.band.setRange(1, 1)
        self.symmetry = QCheckBox("keep symmetry")
        self.symmetry.setChecked(True)
        self.symmetry.setToolTip("Only strains that keep the point group of the crystal")
        self.volume = QCheckBox("keep volume")
        self.rotations = QCheckBox("allow rotations")
        self.rotations.setToolTip("Also the antisymmetric part of T, which turns the crystal")
        self.source.activated.connect(self._source_activated)
        self.freedom.currentIndexChanged.connect(self._show)
        self.target.currentIndexChanged.connect(self._show)

    def _place_fields(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE[1])
        grid.setVerticalSpacing(SPACE[0])
        self._labels: dict[QWidget, QLabel] = {}
        pairs: Sequence[tuple[int, int, str, QWidget]] = (
            (0, 0, "Start from", self.source),
            (0, 1, "Change", self.freedom),
            (1, 0, "Target", self.target),
            (1, 1, "Value, eV", self.value),
            (2, 0, "At k", self.k),
            (2, 1, "Allowed", self.shape),
            (3, 0, "Band", self.band),
            (4, 0, "Optimiser", self.optimiser),
            (4, 1, "Learning rate", self.rate),
            (5, 0, "Clip norm", self.clip),
            (5, 1, "Bound", self.bound),
        )
        for line, column, words, editor in pairs:
            label = QLabel(words)
            label.setProperty("role", "muted")
            label.setBuddy(editor)
            self._labels[editor] = label
            grid.addWidget(label, line, 2 * column)
            grid.addWidget(editor, line, 2 * column + 1)
        self._checks = QWidget()
        checks = QHBoxLayout(self._checks)
        checks.setContentsMargins(0, 0, 0, 0)
        checks.setSpacing(SPACE[2])
        for box in (self.symmetry, self.volume, self.rotations):
            checks.addWidget(box)
        checks.addStretch(1)
        grid.addWidget(self._checks, 6, 0, 1, 4)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        self.body.addLayout(grid)

    def _show(self, *_: object) -> None:
        """Show the fields that matter."""
        freedom, target = self.freedom.currentData(), self.target.currentData()
        seen = {
            self.value: target != "close",
            self.band: target == "band",
            self.shape: freedom == "strain",
            self.optimiser: self.more.isChecked(),
            self.rate: self.more.isChecked(),
            self.clip: self.more.isChecked(),
            self.bound: self.more.isChecked() and freedom != "hoppings",
        }
        for editor, on in seen.items():
            editor.setVisible(on)
            self._labels[editor].setVisible(on)
        self._labels[self.bound].setText("Bound, eV" if freedom == "field" else "Bound |T|")
        self._checks.setVisible(freedom == "strain")

    # -------------------------------------------------------------- content

    def set_sources(self, sources: Sequence[Source]) -> None:
        """Offer these; the chosen one stays chosen, if it is still there."""
        kept = self.chosen
        self._sources = list(sources)
        self.source.blockSignals(True)
        self.source.clear()
        for source in sources:
            self.source.addItem(source.title)
        titles = [source.title for source in sources]
        if kept is not None and kept.title in titles:
            self.source.setCurrentIndex(titles.index(kept.title))
        self.source.blockSignals(False)

    @property
    def chosen(self) -> Source | None:
        """What the design starts from."""
        index = self.source.currentIndex()
        return self._sources[index] if 0 <= index < len(self._sources) else None

    def choose(self, index: int) -> None:
        """Choose a source as a person would."""
        self.source.setCurrentIndex(index)
        self._source_activated()

    def _source_activated(self, *_: object) -> None:
        if self.chosen is not None:
            self.source_chosen.emit(self.chosen)

    def set_opening(self, opening: Opening | None) -> None:
        """What was found about the source; None: it is being looked at."""
        self._opening = opening
        self.start.setEnabled(opening is not None)
        source = self.chosen
        item = self.freedom.model().item(0)
        item.setEnabled(source is not None and bool(source.model))
        if source is not None and not source.model and self.freedom.currentData() == "strain":
            self.freedom.setCurrentIndex(1)
        if opening is None:
            return
        self.band.setRange(1, opening.hoppings.n_orbitals)
        self.band.setValue(opening.occupied)
        kept = self.k.currentText()
        self.k.clear()
        self.k.addItem(FOLLOW, None)
        for name, k in opening.bands.path.points:
            self.k.addItem(name, tuple(float(x) for x in k))
        self.k.setCurrentIndex(max(0, self.k.findText(kept)))

    def set_running(self, on: bool) -> None:
        """Lock the form while a design runs."""
        self.stop.setEnabled(on)
        self.start.setEnabled(not on and self._opening is not None)
        self.source.setEnabled(not on)

    def job(self, out: Path | None = None) -> DesignJob:
        """The request that the form describes."""
        source = self.chosen or Source("")
        target = self.target.currentData()
        k = self.k.currentData()
        if target == "band" and not k and self._opening is not None:
            k = tuple(float(x) for x in self._opening.gaps.direct.k_lower)
        return DesignJob(
            model=source.model,
            source=source.path,
            companions=source.companions,
            occupied=source.occupied,
            freedom=self.freedom.currentData(),
            target=target,
            value=self.value.value(),
            k=k or None,
            band=self.band.value(),
            shape=self.shape.currentData(),
            symmetry=self.symmetry.isChecked(),
            volume=self.volume.isChecked(),
            rotations=self.rotations.isChecked(),
            bound=self.bound.value(),
            optimiser=self.optimiser.currentData(),
            learning_rate=self.rate.value(),
            clip_norm=self.clip.value(),
            out=out,
        )


def _choice(rows: Sequence[tuple[str, str]], name: str) -> ChoiceBox:
    box = ChoiceBox()
    box.setAccessibleName(name)
    box.setMinimumContentsLength(8)
    box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    for value, words in rows:
        box.addItem(words, value)
    return box


def _real(value: float, low: float, high: float, name: str) -> RealBox:
    box = RealBox()
    box.setAccessibleName(name)
    box.setKeyboardTracking(False)
    box.setRange(low, high)
    box.setValue(value)
    return box
