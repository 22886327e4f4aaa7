"""Asks for a sweep: one family, the choices of its card that are compared, and the degrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.cards import Param
from crystalgui.core.datasets.kinds import INPUTS, ROLLED, SPLITS
from crystalgui.core.messages import SplitSpec, SweepNetwork, SweepRecipe, TrainRecipe
from crystalgui.gui.panels.forms import ChoiceBox, ParamForm
from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import Chip, FlowLayout, PlainButton, PrimaryButton, SectionTitle, Text

if TYPE_CHECKING:
    from crystalgui.core.cards import Card, Scalar
    from crystalgui.core.messages import DatasetSummary
    from crystalgui.gui.session import Session

FORM = (
    Param(name="rollings", label="Degrees of rolling", default="0, 1, 2, 4, 8",
          help="Every sample is shifted by up to so many points along each axis, anew in each "
          "batch, in training and in the test."),
    Param(name="repeats", label="Repeats", default=3, minimum=1, maximum=100,
          help="Networks with other initial weights, for each degree."),
    Param(name="train", label="Training rows", default=0, minimum=0, help="0 takes all."),
    Param(name="test", label="Test rows", default=0, minimum=0, help="0 takes all."),
    Param(name="epochs", label="Epochs", default=10, minimum=1, maximum=100_000),
    Param(name="batch_size", label="Batch size", default=64, minimum=1, maximum=65_536),
    Param(name="learning_rate", label="Learning rate", default=1e-3, minimum=1e-8, maximum=1.0),
    Param(name="seed", label="Seed", default=0, minimum=0),
)  # fmt: skip
SWEPT = ("rollings", "repeats", "train", "test")


def compared(
    card: Card, preset: str, chosen: Mapping[str, Sequence[Scalar]]
) -> tuple[SweepNetwork, ...]:
    """A network for each combination of the ``chosen`` values of parameters.

    It is called by the values of those that differ, and stands in the group of
    the first of them when there are several.
    """
    differing = [name for name, values in chosen.items() if len(values) > 1]
    networks = []
    for values in product(*chosen.values()):
        params = dict(zip(chosen, values, strict=True))
        words = [_word(card.param(name), params[name]) for name in differing]
        networks.append(
            SweepNetwork(
                title=", ".join(words) or f"{card.title} {preset}".strip(),
                model=card.name,
                preset=preset,
                params=params,
                group=words[0] if len(words) > 1 else "",
            )
        )
    return tuple(networks)


def _word(param: Param, value: Scalar) -> str:
    """A value as the name of a curve says it."""
    if isinstance(value, bool):
        return param.label.lower() if value else f"not {param.label.lower()}"
    return str(value)


class SweepDialog(QDialog):
    """What is swept: data, family, compared choices, training.

    Signals
    -------
    asked(SweepRecipe)
    """

    asked = Signal(object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setWindowTitle("New sweep")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._chips: dict[str, list[tuple[Scalar, Chip]]] = {}
        self.data, self.family, self.preset = ChoiceBox(), ChoiceBox(), ChoiceBox()
        self.form = ParamForm(FORM)
        self.words = Text("", "muted", self)
        self.start = PrimaryButton("Start", icon_name="play")
        self.start.setDefault(True)
        self._build()
        self.data.currentIndexChanged.connect(self._data_chosen)
        self.family.currentIndexChanged.connect(self._family_chosen)
        self.preset.currentIndexChanged.connect(self._preset_chosen)
        self.form.edited.connect(self._look)
        self.start.clicked.connect(self._accept)
        for summary in self._datasets():
            self.data.addItem(summary.name, summary)
        self._data_chosen()

    # ------------------------------------------------------------- building

    def _build(self) -> None:
        title = QLabel("Networks against the degree of rolling", self)
        title.setFont(font("heading"))
        left, self._right = QVBoxLayout(), QVBoxLayout()
        grid = QGridLayout()
        grid.setColumnStretch(1, 1)
        for row, (words, box) in enumerate(
            (("Data set", self.data), ("Network", self.family), ("Preset", self.preset))
        ):
            label = QLabel(words)
            label.setBuddy(box)
            box.setAccessibleName(words)
            box.setMinimumContentsLength(12)
            grid.addWidget(label, row, 0)
            grid.addWidget(box, row, 1)
        left.addLayout(grid)
        left.addWidget(SectionTitle("Training"))
        left.addWidget(self.form)
        left.addStretch(1)
        self._choices = QWidget()
        self._choices.setObjectName("ScrollBody")
        self._choices.setLayout(self._right)
        self._right.setContentsMargins(0, 0, SPACE[1], 0)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._choices)
        scroll.setMinimumWidth(360)
        columns = QHBoxLayout()
        columns.setSpacing(SPACE[3])
        columns.addLayout(left, 2)
        columns.addWidget(scroll, 3)
        buttons = QHBoxLayout()
        later = PlainButton("Not now", self)
        later.setAutoDefault(False)
        later.clicked.connect(self.reject)
        buttons.addWidget(self.words, 1)
        buttons.addWidget(later)
        buttons.addWidget(self.start)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACE[3],) * 4)
        layout.setSpacing(SPACE[2])
        layout.addWidget(title)
        layout.addLayout(columns, 1)
        layout.addLayout(buttons)
        self.resize(820, 560)

    def _datasets(self) -> list[DatasetSummary]:
        found = self._session.project.datasets
        return [d for d in found if d.kind in ROLLED and d.task == "classification"]

    # -------------------------------------------------------------- choices

    def _data_chosen(self, _index: int = 0) -> None:
        """Offer the families that learn the data set."""
        summary: DatasetSummary | None = self.data.currentData()
        self.family.blockSignals(True)
        self.family.clear()
        kind = INPUTS[summary.kind] if summary is not None else ""
        for card in self._session.project.cards:
            if card.reads(kind) and not card.error:
                self.family.addItem(card.title, card)
        self.family.blockSignals(False)
        self._family_chosen()

    def _family_chosen(self, _index: int = 0) -> None:
        """Offer its presets, and what of its card can be compared."""
        card: Card | None = self.family.currentData()
        self.preset.blockSignals(True)
        self.preset.clear()
        for name in card.presets if card is not None else ():
            self.preset.addItem(name, name)
        self.preset.blockSignals(False)
        while (item := self._right.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self._chips = {}
        self._right.addWidget(SectionTitle("Compare"))
        for param in card.params if card is not None else ():
            if param.choices or isinstance(param.default, bool):
                self._offer(param)
        self._right.addStretch(1)
        self._preset_chosen()

    def _offer(self, param: Param) -> None:
        """Chips for the values of a parameter."""
        label = QLabel(param.label)
        label.setToolTip(param.help)
        row = QWidget()
        flow = FlowLayout(row)
        values: Sequence[Scalar] = param.choices or (False, True)
        self._chips[param.name] = []
        for value in values:
            words = str(value) if param.choices else ("yes" if value else "no")
            chip = Chip(words, checkable=True, tooltip=param.help)
            chip.setAccessibleName(f"{param.label}: {words}")
            chip.clicked.connect(self._look)
            flow.addWidget(chip)
            self._chips[param.name].append((value, chip))
        self._right.addWidget(label)
        self._right.addWidget(row)

    def _preset_chosen(self, _index: int = 0) -> None:
        """Take what the preset says of the network and of its training."""
        card: Card | None = self.family.currentData()
        if card is not None:
            said = card.presets.get(self.preset.currentData() or "", {})
            for name, chips in self._chips.items():
                usual = said.get(name, card.param(name).default)
                for value, chip in chips:
                    chip.setChecked(value == usual)
            for name in ("epochs", "batch_size", "learning_rate"):
                if name in said:
                    self.form.set_value(name, said[name])
        self._look()

    # --------------------------------------------------------------- asking

    def check(self, name: str, *values: Scalar) -> None:
        """Compare these values of a parameter."""
        for value, chip in self._chips[name]:
            chip.setChecked(value in values)
        self._look()

    def recipe(self) -> SweepRecipe | None:
        """What the dialog asks for; None while something is missing."""
        card: Card | None = self.family.currentData()
        summary: DatasetSummary | None = self.data.currentData()
        chosen = {
            name: tuple(value for value, chip in chips if chip.isChecked())
            for name, chips in self._chips.items()
        }
        degrees = self._degrees()
        if card is None or summary is None or not degrees or not all(chosen.values()):
            return None
        values = self.form.values()
        training: dict[str, Any] = {k: v for k, v in values.items() if k not in SWEPT}
        given = "given" in SPLITS[summary.kind]
        split = SplitSpec(kind="given" if given else "random")
        base = TrainRecipe(model="", preset="", dataset=summary.folder, split=split, **training)
        preset = self.preset.currentData() or ""
        return SweepRecipe(
            title=f"{summary.name} by rolling",
            base=base,
            networks=compared(card, preset, chosen),
            rollings=degrees,
            repeats=int(values["repeats"]),
            train=int(values["train"]),
            test=int(values["test"]),
        )

    def _degrees(self) -> tuple[int, ...]:
        words = str(self.form.value("rollings")).replace(",", " ").split()
        return tuple(sorted({int(w) for w in words})) if all(map(str.isdecimal, words)) else ()

    def _look(self, _what: object = None) -> None:
        """Say how much it is, or what is missing."""
        found = self.recipe()
        self.start.setEnabled(found is not None)
        if found is not None:
            many = len(found.networks)
            words = f"{found.size:,} networks: {many} at {len(found.rollings)} degrees of rolling"
            self.words.setText(f"{words}, {found.repeats} times each.")
        elif not self.data.count():
            self.words.setText("Import images or make a data set of Brillouin zones first.")
        elif not self.family.count():
            self.words.setText("No network learns this data set.")
        elif not self._degrees():
            self.words.setText("The degrees of rolling cannot be read. Write e.g. 0, 1, 2, 4.")
        else:
            self.words.setText("Choose at least one value of each.")

    def _accept(self) -> None:
        if (found := self.recipe()) is not None:
            self.asked.emit(found)
            self.accept()
