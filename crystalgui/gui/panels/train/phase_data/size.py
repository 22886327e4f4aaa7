"""Step 3: how many samples, from which part of the line, under which name."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QHBoxLayout, QLineEdit

from crystalgui.gui.panels.electronic.phases_setup import muted, real, whole
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, Text

SIZES = (("6,000", 5_400, 600), ("60,000", 54_000, 6_000))


class SizeStep(Card):
    """Samples, name, and the part of the line they come from.

    Signals
    -------
    edited()
    """

    edited = Signal()

    def __init__(self) -> None:
        super().__init__("Size and name", "labelled samples; those without a phase are kept apart")
        self.name = QLineEdit()
        self.name.setAccessibleName("Name of the data set")
        self.name.setPlaceholderText("name of the data set")
        self.train = whole(5_400, 1, 10_000_000, "Samples to train on")
        self.test = whole(600, 1, 10_000_000, "Samples to test on")
        self.low = real(0.0, -10.0, 10.0, "Smallest mixing")
        self.high = real(1.0, -10.0, 10.0, "Largest mixing")
        self.tolerance = real(1e-4, 1e-8, 1.0, "Gap that proves nothing")
        self.tolerance.setToolTip("A smaller direct gap is no proof of an insulator, eV")
        self.seed = whole(0, 0, 2**31 - 1, "Seed of the samples")
        sizes = QHBoxLayout()
        sizes.setSpacing(SPACE[0])
        self._group = QButtonGroup(self)
        self.chips: list[Chip] = []
        for words, train, test in SIZES:
            chip = Chip(words, True, f"{train:,} to train on, {test:,} to test")
            chip.clicked.connect(lambda _=False, n=(train, test): self.set_size(*n))
            self._add(chip, sizes)
        self.own = Chip("own", True, "Choose the numbers")
        self._add(self.own, sizes)
        sizes.addStretch(1)
        self.chips[0].setChecked(True)
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE[2])
        grid.setVerticalSpacing(SPACE[1])
        rows = (
            ("Name", self.name),
            ("Samples", sizes),
            ("Train, test", _pair(self.train, "and", self.test)),
            ("α from", _pair(self.low, "to", self.high)),
            ("Gap tolerance", _pair(self.tolerance, "eV")),
            ("Seed", _pair(self.seed, "")),
        )
        for line, (words, thing) in enumerate(rows):
            grid.addWidget(muted(words), line, 0)
            if isinstance(thing, QLineEdit):
                grid.addWidget(thing, line, 1)
            else:
                grid.addLayout(thing, line, 1)
        grid.setColumnStretch(1, 1)
        self.body.addLayout(grid)
        self.words = Text("", "muted")
        self.body.addWidget(self.words)
        self.body.addStretch(1)
        self.name.textChanged.connect(self._changed)
        for box in (self.train, self.test):
            box.valueChanged.connect(self._own_numbers)
        for box in (self.low, self.high, self.tolerance, self.seed):
            box.valueChanged.connect(self._changed)

    def _add(self, chip: Chip, row: QHBoxLayout) -> None:
        self._group.addButton(chip)
        self.chips.append(chip)
        row.addWidget(chip)

    def set_size(self, train: int, test: int) -> None:
        """Choose a size, by a preset or otherwise."""
        for box, value in ((self.train, train), (self.test, test)):
            box.setValue(value)
        self._own_numbers()

    def _own_numbers(self, *_: object) -> None:
        now = self.train.value(), self.test.value()
        places = [i for i, (_, *size) in enumerate(SIZES) if tuple(size) == now]
        (self.chips[places[0]] if places else self.own).setChecked(True)
        self._changed()

    def _changed(self, *_: object) -> None:
        self.edited.emit()

    def say(self, text: str, role: str = "muted") -> None:
        """What is missing, or what it will be."""
        self.words.set_role(role)
        self.words.setText(text)

    @property
    def alpha(self) -> tuple[float, float]:
        """The part of the line."""
        return self.low.value(), self.high.value()

    @property
    def summary(self) -> str:
        """A few words for the list of steps."""
        total = self.train.value() + self.test.value()
        name = self.name.text().strip()
        return f"{total:,} samples" + (f", {name}" if name else "")


def _pair(first: object, words: str, second: object = None) -> QHBoxLayout:
    """A box, words, perhaps another box, and the rest of the line."""
    row = QHBoxLayout()
    row.setSpacing(SPACE[1])
    for box in (first, second):
        if box is not None:
            box.setFixedWidth(110)
            row.addWidget(box)
        if box is first and words:
            row.addWidget(muted(words))
    row.addStretch(1)
    return row
