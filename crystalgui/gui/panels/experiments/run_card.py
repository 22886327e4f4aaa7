"""What an experiment shows, its presets with their time, and its run."""

from __future__ import annotations

import math
from typing import cast

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QComboBox, QHBoxLayout, QWidget

from crystalgui.core.cards import ExperimentCard
from crystalgui.core.experiments.results import Standing, time_words
from crystalgui.core.messages import Device
from crystalgui.gui.panels.quantities import duration
from crystalgui.gui.state.jobs import JobRow
from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import (
    Card,
    Chip,
    ElidedLabel,
    PlainButton,
    PrimaryButton,
    ProgressBar,
    Text,
    small_print,
)

EMPTY = Standing(state="empty")


class RunCard(Card):
    """Choose a preset, run, resume, cancel.

    Signals
    -------
    preset_changed(str)
    run_asked(bool)
        Whether to start again from nothing.
    cancel_asked()
    """

    preset_changed = Signal(str)
    run_asked = Signal(bool)
    cancel_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Experiment", "", parent)
        policy = self.sizePolicy()
        self.setSizePolicy(policy.horizontalPolicy(), policy.Policy.Maximum)
        self.preset = ""
        self.card: ExperimentCard | None = None
        self._standing = EMPTY
        self.shows = Text()
        self.rows = Text("", "muted")
        self.size = Text("", "muted")
        self.body.addWidget(self.shows)
        self.body.addWidget(self.rows)
        self.body.addLayout(self._choices())
        self.body.addWidget(self.size)
        self.body.addWidget(self._progress())
        self.body.addWidget(self.line)
        self.state = Text("", "muted")
        self.body.addWidget(self.state)

    def _choices(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self._presets = QHBoxLayout()
        self._presets.setSpacing(SPACE[0])
        self._group = QButtonGroup(self)
        self._group.buttonClicked.connect(lambda chip: self.choose(chip.objectName()))
        self.device = QComboBox()
        self.device.setAccessibleName("Device")
        self.again = PlainButton("Start again", icon_name="undo")
        self.again.setToolTip("Forget what was kept, and run from the beginning")
        self.run = PrimaryButton("Run", icon_name="play")
        self.cancel = PlainButton("Cancel", icon_name="cancel")
        self.cancel.setToolTip("What is finished stays; it can go on later")
        self.run.clicked.connect(lambda: self.run_asked.emit(self._standing.state == "done"))
        self.again.clicked.connect(lambda: self.run_asked.emit(True))
        self.cancel.clicked.connect(self.cancel_asked)
        row.addLayout(self._presets)
        row.addWidget(self.device)
        row.addStretch(1)
        for button in (self.again, self.cancel, self.run):
            row.addWidget(button)
        return row

    def _progress(self) -> QWidget:
        self.live = QWidget()
        row = QHBoxLayout(self.live)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE[2])
        self.bar = ProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(220)
        self.bar.setAccessibleName("Progress of the experiment")
        self.text = ElidedLabel()
        self.text.setFont(font("number"))
        self.line = small_print()
        row.addWidget(self.bar)
        row.addWidget(self.text, 1)
        self.live.hide()
        self.line.hide()
        return self.live

    # --------------------------------------------------------------- content

    def set_devices(self, devices: tuple[tuple[str, str], ...], preferred: str) -> None:
        """Offer automatic choice and what the machine has."""
        before = self.device.currentData() or preferred
        self.device.clear()
        self.device.addItem("automatic device", "auto")
        for key, words in devices:
            if key in ("cpu", "cuda"):
                self.device.addItem(words, key)
        self.device.setCurrentIndex(max(0, self.device.findData(before)))
        self.device.setVisible(self.device.count() > 2)

    @property
    def chosen_device(self) -> Device:
        """The device to run on; a run that was cut off goes on where it was."""
        if self._standing.state == "begun" and self._standing.marker is not None:
            return self._standing.marker.device
        return cast(Device, self.device.currentData() or "auto")

    def show_card(self, card: ExperimentCard) -> None:
        """Another experiment; its preset is kept when it has one of that name."""
        self.card = card
        self.set_title(card.title, card.paper)
        self.shows.setText(card.shows)
        rows = ", ".join(card.rows)
        self.rows.setText(f"Rows {rows} of the model reference" if rows else "")
        self.rows.setVisible(bool(rows))
        for chip in self._group.buttons():
            self._group.removeButton(chip)
            self._presets.removeWidget(chip)
            chip.deleteLater()
        for preset, words in card.presets.items():
            chip = Chip(f"{preset} · {minutes_words(card, preset)}", True, words)
            chip.setObjectName(preset)
            self._group.addButton(chip)
            self._presets.addWidget(chip)
        self._standing = EMPTY
        if card.presets:
            self.choose(self.preset if self.preset in card.presets else next(iter(card.presets)))
        self.show_error(card.error)

    def choose(self, preset: str) -> None:
        """Choose a preset."""
        if self.card is None or preset not in self.card.presets:
            return
        changed, self.preset = preset != self.preset, preset
        for chip in self._group.buttons():
            chip.setChecked(chip.objectName() == preset)
        self.size.setText(self.card.presets[preset])
        if changed:
            self._standing = EMPTY
        self.preset_changed.emit(preset)

    def show_error(self, error: str) -> None:
        """A card that could not be loaded, or a run that failed."""
        self.state.set_role("bad" if error else "muted")
        if error:
            self.state.setText(error)

    def show_standing(self, found: Standing, row: JobRow | None) -> None:
        """What is kept on disk."""
        self._standing = found
        self.show_row(row)

    def show_row(self, row: JobRow | None, line: str = "") -> None:
        """How far the run is; buttons follow."""
        alive = row is not None and row.alive
        self.live.setVisible(alive)
        self.line.setVisible(alive and bool(line))
        self.cancel.setVisible(alive)
        broken = self.card is None or bool(self.card.error)
        self.run.setVisible(not alive and not broken)
        self.again.setVisible(not alive and not broken and self._standing.state == "begun")
        words = {"empty": "Run", "begun": "Resume", "done": "Run again"}
        self.run.setText(words[self._standing.state])
        if broken:
            return
        if row is not None and alive:
            self._show_progress(row, line)
            self.state.set_role("muted")
            self.state.setText("")
        elif row is not None and row.error is not None:
            self.show_error(f"{row.error.title} {row.error.hint}".strip())
        else:
            self.show_error("")
            self.state.setText(standing_words(self._standing))
        self.state.setVisible(bool(self.state.text()))

    def _show_progress(self, row: JobRow, line: str) -> None:
        fraction = row.fraction
        known = not math.isnan(fraction) and row.status != "queued"
        self.bar.setRange(0, 1000 if known else 0)
        if known:
            self.bar.setValue(round(1000 * fraction))
        words = "waits for another job" if row.status == "queued" else row.text
        left = f" · {duration(row.eta)} left" if math.isfinite(row.eta) else ""
        self.text.setText(words + left)
        self.line.setText(line)
        self.cancel.setEnabled(row.status != "stopping")


def minutes_words(card: ExperimentCard, preset: str) -> str:
    """``about 6 min here``."""
    minutes = card.minutes.get(preset)
    return time_words(minutes) + ("" if minutes is None else " here")


def standing_words(found: Standing) -> str:
    """What is kept, in words."""
    if found.state == "begun":
        steps = "1 step is" if found.steps == 1 else f"{found.steps} steps are"
        return f"Cut off: {steps} kept. Resume it whenever you like."
    if found.record is not None:
        record = found.record
        return (
            f"Done on {record.date} in {duration(60 * record.minutes)} "
            f"on {record.machine or record.device}."
        )
    return ""
