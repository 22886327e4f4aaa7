"""The form of a phase diagram: a path between two Hamiltonians, or a plane of settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.cards import Scalar
from crystalgui.core.errors import PhysicsError
from crystalgui.core.messages import HamiltonianSource, MixtureJob, PhaseMapJob
from crystalgui.core.physics.phases import axes
from crystalgui.core.physics.zoo import MODELS, Parameter, ZooModel
from crystalgui.gui.panels.forms import ChoiceBox, RealBox, WholeBox
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, FlowLayout, PlainButton, PrimaryButton, Text

NARROW = 64
ENDS: dict[str, dict[str, Scalar]] = {"bitei": {"x": 2.0}, "bitei-p22": {"x": 2.0}}
"""Settings at which a path ends at first: under pressure."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A plane that is worth looking at."""

    title: str
    model: str
    x: tuple[str, float, float, int]
    y: tuple[str, float, float, int]
    settings: dict[str, Scalar] = field(default_factory=dict)


PRESETS = (
    Preset(
        "Murakami–Kuga: Fu–Kane–Mele",
        "fu-kane-mele",
        ("d", 0.05, 0.4, 29),
        ("staggered", 0.0, 0.4, 17),
        {"b2": 0.8},
    ),
    Preset("Haldane", "haldane", ("phi", -3.1416, 3.1416, 33), ("mass", -0.8, 0.8, 25)),
    Preset("Kane–Mele", "kane-mele", ("staggered", -0.5, 0.5, 25), ("rashba", 0.0, 0.4, 17)),
    Preset("Cubic insulator", "cubic", ("M", -2.0, 14.0, 33), ("B", 0.4, 1.6, 13)),
)


@dataclass(frozen=True, slots=True)
class End:
    """A Hamiltonian that a path can start or end at: an opened file or a model."""

    title: str
    source: HamiltonianSource
    occupied: int = 0


class Settings(QWidget):
    """Values of the parameters of a model, as many in a line as fit."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._flow = FlowLayout(self, SPACE[0])
        self._boxes: dict[str, RealBox] = {}
        self._given: dict[str, float] = {}

    def show_model(self, model: ZooModel | None, without: Sequence[str] = ()) -> None:
        """Fields for the parameters that change the phase; lengths do not."""
        for box in self._boxes.values():
            group = box.parentWidget()
            self._flow.removeWidget(group)
            group.hide()
            group.deleteLater()
        self._boxes = {}
        for parameter in model.parameters if model is not None else ():
            if parameter.name not in without and parameter.unit != "Å":
                self._add(parameter)
        self.setVisible(bool(self._boxes))
        self._flow.invalidate()
        self._flow.activate()
        self.updateGeometry()

    def _add(self, parameter: Parameter) -> None:
        group = QWidget(self)
        row = QHBoxLayout(group)
        row.setContentsMargins(0, 0, SPACE[0], 0)
        row.setSpacing(SPACE[0])
        row.addWidget(muted(parameter.name))
        box = real(parameter.default, -1e3, 1e3, parameter.name)
        box.setToolTip(f"{parameter.meaning}, {parameter.unit}".rstrip(", "))
        box.setFixedWidth(NARROW)
        row.addWidget(box)
        group.show()
        self._flow.addWidget(group)
        self._boxes[parameter.name] = box

    def set_values(self, values: dict[str, Scalar]) -> None:
        """Fill in some of them."""
        for name, value in values.items():
            if name in self._boxes and isinstance(value, int | float):
                self._boxes[name].setValue(float(value))

    @property
    def boxes(self) -> list[RealBox]:
        """The fields that are shown."""
        return list(self._boxes.values())

    @property
    def values(self) -> dict[str, Scalar]:
        """What was filled in."""
        return {name: box.value() for name, box in self._boxes.items()}


class EndRow:
    """One end of the path: what it is, and the settings of a model."""

    def __init__(self, name: str, first: dict[str, dict[str, Scalar]] | None = None) -> None:
        self._first = first or {}
        self.box = choice((), name)
        self.settings = Settings()
        self._ends: list[End] = []
        self._touched = False
        self.box.currentIndexChanged.connect(self._show)
        self.box.activated.connect(self._touch)

    def set_ends(self, ends: Sequence[End], preferred: str = "") -> None:
        """Offer these; what a person chose stays chosen, if it is still there."""
        if [end.title for end in ends] == [end.title for end in self._ends]:
            self._ends = list(ends)
            return
        kept = self.box.currentText()
        self._ends = list(ends)
        self.box.blockSignals(True)
        self.box.clear()
        self.box.addItems([end.title for end in ends])
        titles = [end.title for end in ends]
        wanted = kept if kept in titles and self._touched else preferred
        self.box.setCurrentIndex(titles.index(wanted) if wanted in titles else 0)
        self.box.blockSignals(False)
        if self.box.currentText() != kept:
            self._show()

    def choose(self, title: str) -> None:
        """Choose an end as a person would."""
        self._touch()
        self.box.setCurrentIndex([end.title for end in self._ends].index(title))

    @property
    def end(self) -> End:
        """What is chosen."""
        return self._ends[self.box.currentIndex()]

    @property
    def source(self) -> HamiltonianSource:
        """What is chosen, with its settings."""
        source = self.end.source
        if source.path is not None:
            return source
        return HamiltonianSource(model=source.model, settings=self.settings.values)

    def _touch(self, *_: object) -> None:
        self._touched = True

    def _show(self, *_: object) -> None:
        model = self.end.source.model if self._ends else ""
        self.settings.show_model(MODELS.get(model))
        self.settings.set_values(self._first.get(model, {}))


class AxisRow:
    """One axis of a plane: setting, range, points."""

    def __init__(self, name: str) -> None:
        self.setting = choice((), f"Setting along {name}")
        self.first = real(0.0, -1e3, 1e3, f"First value along {name}")
        self.last = real(1.0, -1e3, 1e3, f"Last value along {name}")
        self.count = whole(21, 2, 400, f"Points along {name}")
        self.setting.setMinimumWidth(90)
        for box in (self.first, self.last):
            box.setFixedWidth(68)
        self.count.setFixedWidth(58)

    def set_model(self, model: ZooModel) -> None:
        """Offer its parameters."""
        self.setting.blockSignals(True)
        self.setting.clear()
        for parameter in model.parameters:
            if parameter.unit != "Å" and not parameter.whole:
                unit = f" ({parameter.unit})" if parameter.unit else ""
                self.setting.addItem(parameter.name + unit, parameter.name)
        self.setting.blockSignals(False)

    def set_axis(self, axis: tuple[str, float, float, int]) -> None:
        """Fill in."""
        self.setting.blockSignals(True)
        self.setting.setCurrentIndex(max(0, self.setting.findData(axis[0])))
        self.setting.blockSignals(False)
        self.first.setValue(axis[1])
        self.last.setValue(axis[2])
        self.count.setValue(axis[3])

    @property
    def axis(self) -> tuple[str, float, float, int]:
        """As `PhaseMapJob` wants it."""
        name = self.setting.currentData() or ""
        return name, self.first.value(), self.last.value(), self.count.value()


class PhasesSetup(Card):
    """Fields of a `MixtureJob` or a `PhaseMapJob`, and the buttons that run and stop it.

    Signals
    -------
    run_asked(object)
        A job that can be run.
    cancel_asked()
    mode_changed(str)
        ``"path"`` or ``"plane"``.
    """

    run_asked = Signal(object)
    cancel_asked = Signal()
    mode_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Phase diagram", "", parent)
        self.path_chip = Chip("along a path", True, "Mix two Hamiltonians, with noise")
        self.plane_chip = Chip("in a plane", True, "Two settings of a model")
        group = QButtonGroup(self)
        for chip in (self.path_chip, self.plane_chip):
            group.addButton(chip)
            self.tools.addWidget(chip)
        self.path_chip.setChecked(True)
        self._forms = (self._path_form(), self._plane_form())
        for form in self._forms:
            self.body.addWidget(form)
        self.status = Text("", "muted")
        self.run = PrimaryButton("Run", icon_name="play")
        self.cancel = PlainButton("Cancel", icon_name="cancel")
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        row.addWidget(self.status, 1)
        row.addWidget(self.cancel)
        row.addWidget(self.run)
        self.body.addLayout(row)
        self.run.clicked.connect(self._ask)
        self.cancel.clicked.connect(self.cancel_asked)
        self.plane_chip.toggled.connect(self._show_mode)
        self.set_running(False)
        self._choose_preset(0)
        self._show_mode(False)

    # --------------------------------------------------------------- layout

    def _path_form(self) -> QWidget:
        form = QWidget()
        column = QVBoxLayout(form)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[0])
        self.start, self.end = EndRow("Start of the path"), EndRow("End of the path", ENDS)
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE[1])
        grid.setVerticalSpacing(SPACE[0])
        for line, (words, row) in enumerate((("From", self.start), ("To", self.end))):
            grid.addWidget(muted(words), 2 * line, 0)
            grid.addWidget(row.box, 2 * line, 1)
            grid.addWidget(row.settings, 2 * line + 1, 1)
        grid.setColumnStretch(1, 1)
        column.addLayout(grid)
        self.steps = whole(41, 2, 2001, "Points")
        self.strengths = QLineEdit("0, 0.002, 0.005, 0.01")
        self.strengths.setAccessibleName("Noise strengths")
        self.strengths.setToolTip(
            "Strengths of random hoppings that keep time reversal, one line for each"
        )
        self.strengths.setFixedWidth(168)
        self.strengths.setCursorPosition(0)
        self.unit = choice((("rms", "eV"), ("mean", "× mean |H|")), "Unit of the noise")
        self.unit.setToolTip(
            "eV: root mean square of the random elements. "
            "× mean |H|: their mean modulus in units of that of the start."
        )
        self.seed = whole(0, 0, 2**31 - 1, "Seed of the noise")
        self.unit.setFixedWidth(108)
        for box in (self.steps, self.seed):
            box.setFixedWidth(60)
        holder = QWidget()
        flow = FlowLayout(holder, SPACE[1])
        for words, *widgets in (
            ("points", self.steps),
            ("noise", self.strengths, self.unit),
            ("seed", self.seed),
        ):
            flow.addWidget(_group(words, *widgets))
        column.addWidget(holder)
        return form

    def _plane_form(self) -> QWidget:
        form = QWidget()
        column = QVBoxLayout(form)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[0])
        self.preset = choice([(p, p.title) for p in PRESETS], "Preset")
        self.model = choice([(name, m.title) for name, m in MODELS.items()], "Model")
        top = QHBoxLayout()
        top.setSpacing(SPACE[1])
        for words, box in (("Preset", self.preset), ("Model", self.model)):
            top.addWidget(muted(words))
            top.addWidget(box, 1)
        column.addLayout(top)
        self.x, self.y = AxisRow("x"), AxisRow("y")
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE[1])
        grid.setVerticalSpacing(SPACE[0])
        for line, (name, axis) in enumerate((("x", self.x), ("y", self.y))):
            cells: tuple[QWidget, ...] = (
                muted(name), axis.setting, axis.first,
                muted("to"), axis.last, muted("points"), axis.count,
            )  # fmt: skip
            for place, widget in enumerate(cells):
                grid.addWidget(widget, line, place)
        grid.setColumnStretch(1, 1)
        column.addLayout(grid)
        self.settings = Settings()
        column.addWidget(self.settings)
        self.preset.activated.connect(self._choose_preset)
        self.model.activated.connect(self._choose_model)
        for axis in (self.x, self.y):
            axis.setting.activated.connect(self._axes_changed)
        return form

    def _show_mode(self, plane: bool) -> None:
        for form, shown in zip(self._forms, (not plane, plane), strict=True):
            form.setVisible(shown)
        self.mode_changed.emit(self.mode)

    # -------------------------------------------------------------- content

    @property
    def mode(self) -> str:
        """``"path"`` or ``"plane"``."""
        return "plane" if self.plane_chip.isChecked() else "path"

    def set_mode(self, mode: str) -> None:
        """Choose as a person would."""
        (self.plane_chip if mode == "plane" else self.path_chip).setChecked(True)

    def set_files(self, ends: Sequence[End], current: str) -> None:
        """Opened Hamiltonians, before the models of the zoo."""
        zoo = [End(m.title, HamiltonianSource(model=name)) for name, m in MODELS.items()]
        both = [*ends, *zoo]
        others = [end.title for end in ends if end.title != current]
        self.start.set_ends(both, current or MODELS["bitei"].title)
        self.end.set_ends(both, others[0] if others else MODELS["bitei"].title)

    def _choose_preset(self, index: int) -> None:
        preset = PRESETS[index]
        self.model.setCurrentIndex(self.model.findData(preset.model))
        for axis, values in ((self.x, preset.x), (self.y, preset.y)):
            axis.set_model(MODELS[preset.model])
            axis.set_axis(values)
        self._axes_changed()
        self.settings.set_values(preset.settings)

    def choose_preset(self, index: int) -> None:
        """Choose a preset as a person would."""
        self.preset.setCurrentIndex(index)
        self._choose_preset(index)

    def _choose_model(self, *_: object) -> None:
        model = MODELS[self.model.currentData()]
        names = [p for p in model.parameters if p.unit != "Å" and not p.whole]
        for axis, parameter in zip((self.x, self.y), [*names, *names][:2], strict=True):
            axis.set_model(model)
            axis.set_axis((parameter.name, parameter.minimum, parameter.maximum, 21))
        self._axes_changed()

    def _axes_changed(self, *_: object) -> None:
        model = MODELS[self.model.currentData()]
        for axis in (self.x, self.y):
            name = axis.axis[0]
            if self.sender() is axis.setting and name:
                parameter = model.parameter(name)
                axis.set_axis((name, parameter.minimum, parameter.maximum, axis.count.value()))
        kept = self.settings.values
        self.settings.show_model(model, (self.x.axis[0], self.y.axis[0]))
        self.settings.set_values(kept)

    # ------------------------------------------------------------------ job

    def job(self) -> MixtureJob | PhaseMapJob:
        """The request that the form describes; raises `PhysicsError` where there is none."""
        if self.mode == "plane":
            job = PhaseMapJob(
                model=self.model.currentData(),
                settings=self.settings.values,
                x=self.x.axis,
                y=self.y.axis,
            )
            axes(job)
            return job
        start, end = self.start.source, self.end.source
        if start == end:
            raise PhysicsError(
                "The path starts and ends at the same Hamiltonian.",
                "Choose another end, or other settings.",
            )
        return MixtureJob(
            start=start,
            end=end,
            occupied=self.start.end.occupied,
            steps=self.steps.value(),
            strengths=read_strengths(self.strengths.text()),
            normalisation=self.unit.currentData(),
            seed=self.seed.value(),
        )

    def _ask(self) -> None:
        try:
            job = self.job()
        except PhysicsError as error:
            self.say(f"{error.title} {error.hint}", "bad")
            return
        self.run_asked.emit(job)

    def say(self, text: str, role: str = "muted") -> None:
        """Words beside the buttons."""
        self.status.set_role(role)
        self.status.setText(text)

    def set_running(self, on: bool) -> None:
        """Lock the form while a job runs."""
        self.cancel.setVisible(on)
        self.run.setEnabled(not on)
        for form in self._forms:
            form.setEnabled(not on)


def read_strengths(text: str) -> tuple[float, ...]:
    """``"0, 0.01 0.02"`` as ascending numbers, each once; raises `PhysicsError`."""
    try:
        found = {float(word) for word in text.replace(";", " ").replace(",", " ").split()}
    except ValueError:
        found = {math.nan}
    if not found or not all(math.isfinite(x) and x >= 0 for x in found):
        raise PhysicsError("The noise strengths cannot be read.", "Write e.g. 0, 0.005, 0.01.")
    return tuple(sorted(found))


def opened_end(path: Path, companions: tuple[Path, ...], occupied: int) -> End:
    """An opened file as an end of a path."""
    return End(path.name, HamiltonianSource(path=path, companions=companions), occupied)


def muted(text: str) -> QLabel:
    """A quiet label."""
    label = QLabel(text)
    label.setProperty("role", "muted")
    return label


def choice(rows: Sequence[tuple[object, str]], name: str) -> ChoiceBox:
    """A combo box."""
    box = ChoiceBox()
    box.setAccessibleName(name)
    box.setMinimumContentsLength(6)
    box.setSizeAdjustPolicy(box.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    for value, words in rows:
        box.addItem(words, value)
    return box


def real(value: float, low: float, high: float, name: str) -> RealBox:
    """A box for a real number."""
    box = RealBox()
    box.setAccessibleName(name)
    box.setKeyboardTracking(False)
    box.setRange(low, high)
    box.setValue(value)
    return box


def whole(value: int, low: int, high: int, name: str) -> WholeBox:
    """A box for a whole number."""
    box = WholeBox()
    box.setAccessibleName(name)
    box.setRange(low, high)
    box.setValue(value)
    return box


def _group(words: str, *widgets: QWidget) -> QWidget:
    """Words and widgets that stay together when a line breaks."""
    group = QWidget()
    row = QHBoxLayout(group)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(SPACE[0])
    row.addWidget(muted(words))
    for widget in widgets:
        row.addWidget(widget)
    return group
