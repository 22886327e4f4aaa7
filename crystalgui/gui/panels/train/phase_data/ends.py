"""Step 1: which two Hamiltonians are mixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout

from crystalgui.core.messages import HamiltonianSource
from crystalgui.core.physics.zoo import MODELS
from crystalgui.gui.panels.electronic.phases_setup import (
    ENDS,
    End,
    EndRow,
    muted,
    opened_end,
    whole,
)
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, FlowLayout, Text

if TYPE_CHECKING:
    from crystalgui.gui.state.project import OpenFile

FIRST = "bitei"
NO_SPIN_ORBIT = "{} without spin–orbit coupling"


class EndsStep(Card):
    """Start, end, filling.

    Signals
    -------
    edited()
    """

    edited = Signal()

    def __init__(self) -> None:
        super().__init__("Two ends", "H(α) = (1 − α) start + α end")
        self.start, self.end = EndRow("Start of the line"), EndRow("End of the line", ENDS)
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE[2])
        grid.setVerticalSpacing(SPACE[1])
        for line, (words, row) in enumerate((("Start", self.start), ("End", self.end))):
            grid.addWidget(muted(words), 2 * line, 0)
            grid.addWidget(row.box, 2 * line, 1)
            grid.addWidget(row.settings, 2 * line + 1, 1)
        grid.addWidget(muted("Occupied bands"), 4, 0)
        filling = QHBoxLayout()
        self.occupied = whole(0, 0, 10_000, "Occupied bands")
        self.occupied.setSpecialValueText("automatic")
        self.occupied.setFixedWidth(110)
        filling.addWidget(self.occupied)
        filling.addStretch(1)
        grid.addLayout(filling, 4, 1)
        grid.setColumnStretch(1, 1)
        self.body.addLayout(grid)
        self._paths = FlowLayout(None, SPACE[0])
        self.body.addLayout(self._paths)
        self._chips: list[Chip] = []
        self.words = Text("", "muted")
        self.body.addWidget(self.words)
        self.body.addStretch(1)
        self._known: dict[str, End] = {}
        for row in (self.start, self.end):
            row.box.currentIndexChanged.connect(self._changed)
            row.box.activated.connect(self._changed)
        self.occupied.valueChanged.connect(self._changed)
        self._boxes: list[object] = []

    # -------------------------------------------------------------- content

    def set_files(self, files: Sequence[OpenFile]) -> None:
        """Offer opened Hamiltonians, their spin-orbit paths and the models of the zoo."""
        opened: list[End] = []
        spinful: list[OpenFile] = []
        for file in files:
            if file.hoppings is None:
                continue
            whole_end = opened_end(file.path, file.companions, file.occupied)
            opened.append(whole_end)
            if file.hoppings.assumptions.spin_order != "spinless":
                spinful.append(file)
                source = HamiltonianSource(
                    path=file.path, companions=file.companions, part="spinless"
                )
                opened.append(End(NO_SPIN_ORBIT.format(file.name), source, file.occupied))
        zoo = [End(m.title, HamiltonianSource(model=name)) for name, m in MODELS.items()]
        self._known = {end.title: end for end in (*opened, *zoo)}
        preferred = MODELS[FIRST].title
        for row in (self.start, self.end):
            row.set_ends([*opened, *zoo], preferred)
        self._offer_paths(spinful)
        self._changed()

    def _offer_paths(self, files: Sequence[OpenFile]) -> None:
        for chip in self._chips:
            self._paths.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        self._chips = []
        for file in files:
            chip = Chip(
                f"Spin–orbit path of {file.name}",
                tooltip="From no spin–orbit coupling to all of it, in the same orbitals",
            )
            chip.clicked.connect(lambda _=False, name=file.name: self.choose_path(name))
            self._paths.addWidget(chip)
            self._chips.append(chip)
            chip.show()

    def choose_path(self, name: str) -> None:
        """From the spinless part of an opened file to the whole of it."""
        self.start.choose(NO_SPIN_ORBIT.format(name))
        self.end.choose(name)

    def choose(self, row: EndRow, source: HamiltonianSource) -> None:
        """Show a source, e.g. of a recipe, in one of the two rows."""
        if source.path is None:
            row.choose(MODELS[source.model].title)
            row.settings.set_values(source.settings)
            return
        for title, end in self._known.items():
            if end.source.path == source.path and end.source.part == source.part:
                row.choose(title)
                return
        # a file that is not open: offer it beside the others
        title = source.path.name
        if source.part == "spinless":
            title = NO_SPIN_ORBIT.format(title)
        self._known = {title: End(title, source), **self._known}
        for each in (self.start, self.end):
            each.set_ends(list(self._known.values()))
        row.choose(title)

    def watch_settings(self) -> None:
        """Hear of the settings of the models that are shown now."""
        for row in (self.start, self.end):
            for box in row.settings.boxes:
                if box not in self._boxes:
                    self._boxes.append(box)
                    box.valueChanged.connect(self._changed)

    def _changed(self, *_: object) -> None:
        self.watch_settings()
        self.edited.emit()

    def say(self, text: str, role: str = "muted") -> None:
        """What is known of the two, or what is wrong with them."""
        self.words.set_role(role)
        self.words.setText(text)

    # -------------------------------------------------------------- answers

    @property
    def sources(self) -> tuple[HamiltonianSource, HamiltonianSource]:
        """Start and end."""
        return self.start.source, self.end.source

    @property
    def filling(self) -> int:
        """Occupied bands as chosen here or with the file; 0: automatic."""
        return self.occupied.value() or self.start.end.occupied

    @property
    def summary(self) -> str:
        """A few words for the list of steps."""
        one, other = self.sources
        return f"{short(one)} → {short(other)}"


def short(source: HamiltonianSource) -> str:
    """A source in a word or two: only the settings that say where on the path it is."""
    if source.path is not None:
        stem = source.path.name.partition(".")[0].removesuffix("_hr").removesuffix("_tb")
        return f"{stem} (no SOC)" if source.part == "spinless" else stem
    model = MODELS[source.model]
    changed = [
        f"{p.name} = {source.settings[p.name]:g}"
        for p in model.parameters
        if isinstance(source.settings.get(p.name), int | float)
        and source.settings[p.name] != p.default
    ]
    return model.title + (f", {', '.join(changed)}" if changed else "")
