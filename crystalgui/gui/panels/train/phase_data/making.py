"""Step 4: what will be made, how far it is, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout

from crystalgui.gui.panels.quantities import count, duration
from crystalgui.gui.panels.train.data import ClassBalance
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import (
    Card,
    KeyValues,
    LinkButton,
    PlainButton,
    PrimaryButton,
    ProgressBar,
    SectionTitle,
    Text,
)

if TYPE_CHECKING:
    from crystalgui.core.messages import PhaseDataRecipe
    from crystalgui.gui.panels.train.phase_data.work import Unfinished
    from crystalgui.gui.state.phase_data import PhaseDataState

APART = ("unresolved", "undefined", "metal", "Dirac semimetal", "apart")
"""Counts of these are no classes: they are kept apart."""


class MakingStep(Card):
    """Recipe in words, progress with live shares, Cancel, Resume.

    Signals
    -------
    cancel_asked(), resume_asked(), explore_asked(), train_asked()
    unfinished_asked(Unfinished)
        Go on with a data set that was cut off, perhaps long ago.
    """

    cancel_asked = Signal()
    resume_asked = Signal()
    explore_asked = Signal()
    train_asked = Signal()
    unfinished_asked = Signal(object)

    def __init__(self) -> None:
        super().__init__("Make", "every phase is certified; a cut-off set goes on where it was")
        self.facts = KeyValues()
        self.body.addWidget(self.facts)
        self._shares_title = SectionTitle("Phases so far")
        self.balance = ClassBalance()
        self.apart = Text("", "muted")
        self.bar = ProgressBar()
        self.bar.setTextVisible(False)
        self.words = Text("", "muted")
        for widget in (self._shares_title, self.balance, self.apart, self.bar, self.words):
            self.body.addWidget(widget)
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.cancel = PlainButton("Cancel", icon_name="cancel")
        self.resume = PrimaryButton("Resume", icon_name="resume")
        self.explore = PrimaryButton("Explore it", icon_name="search")
        self.train = PlainButton("Train on it", icon_name="play")
        for button, signal in (
            (self.cancel, self.cancel_asked),
            (self.resume, self.resume_asked),
            (self.explore, self.explore_asked),
            (self.train, self.train_asked),
        ):
            button.clicked.connect(signal)
            row.addWidget(button)
        row.addStretch(1)
        self.body.addLayout(row)
        self._unfinished_title = SectionTitle("Cut off earlier")
        self.body.addWidget(self._unfinished_title)
        self._unfinished: list[LinkButton] = []
        self.body.addStretch(1)
        self.set_unfinished(())

    def set_recipe(self, recipe: PhaseDataRecipe | None, why: str = "") -> None:
        """What Make will do; or what is missing."""
        if recipe is None:
            self.facts.set_rows([("Missing", why)])
            return
        low, high = recipe.alpha
        unit = "eV rms" if recipe.normalisation == "rms" else "× mean |H|"
        noise = f"{recipe.strength:g} {unit}, {recipe.envelope}" if recipe.strength else "none"
        filled = str(recipe.occupied) if recipe.occupied else "automatic"
        self.facts.set_rows(
            [
                ("Name", recipe.name),
                ("Start", recipe.start.name),
                ("End", recipe.end.name),
                ("Mixing α", f"{low:g} … {high:g}, uniform".replace("-", "−")),
                ("Noise", noise),
                ("Occupied bands", filled),
                ("Train, test", f"{recipe.train:,}, {recipe.test:,}"),
            ]
        )

    def set_unfinished(self, found: tuple[Unfinished, ...]) -> None:
        """Data sets that were cut off."""
        for button in self._unfinished:
            self.body.removeWidget(button)
            button.hide()
            button.deleteLater()
        self._unfinished = []
        self._unfinished_title.setVisible(bool(found))
        for each in found:
            button = LinkButton(f"Resume {each.recipe.title or each.recipe.name}")
            button.clicked.connect(lambda _=False, what=each: self.unfinished_asked.emit(what))
            self.body.insertWidget(self.body.count() - 1, button)
            self._unfinished.append(button)

    def show_state(self, state: PhaseDataState) -> None:
        """Bring everything up to date with the job."""
        row, progress = state.row, state.progress
        alive, done = state.alive, state.summary is not None and not state.alive
        busy = alive and row is not None
        self.cancel.setVisible(alive)
        self.cancel.setEnabled(busy and row is not None and row.status != "stopping")
        self.resume.setVisible(state.resumable)
        self.explore.setVisible(done)
        self.train.setVisible(done)
        self.bar.setVisible(alive or state.resumable)
        self._show_shares(state)
        if row is None:
            self.words.setText("")
            return
        total = progress.total if progress else int(row.total)
        made = progress.done if progress else int(row.progress)
        self.bar.setRange(0, 1000 if total else (0 if alive else 1))
        self.bar.setValue(round(1000 * made / total) if total else 0)
        self.words.set_role("bad" if state.error else "good" if done else "muted")
        if state.error is not None:
            self.words.setText(f"{state.error.title} {state.error.hint}".strip())
        elif done:
            self.words.setText(f"Made in {duration(row.seconds)}.")
        elif alive:
            left = f"  ·  {duration(row.eta)} left" if row.eta == row.eta else ""
            share = f"{made:,} of {total:,}" if total else ""
            said = "" if share and row.text.endswith("samples") else row.text or "waiting"
            text = "  ·  ".join(t for t in (share, said) if t)
            self.words.setText(text + left)
        else:
            self.words.setText(f"Cut off at {made:,} of {total:,}; what was made is kept.")

    def _show_shares(self, state: PhaseDataState) -> None:
        if state.summary is not None:
            classes, counts = state.summary.classes, state.summary.counts
            apart, certificates = state.summary.apart, 0
        elif state.progress is not None:
            found = dict(state.progress.counts)
            classes = tuple(c for c in found if c not in APART)
            counts = tuple(found[c] for c in classes)
            apart = sum(n for c, n in found.items() if c in APART)
            certificates = state.progress.certificates
        else:
            classes, counts, apart, certificates = (), (), 0, 0
        for widget in (self._shares_title, self.balance):
            widget.setVisible(bool(classes))
        self.balance.set_counts(classes, counts)
        words = [f"{count(apart)} without a certified phase are kept apart"] if apart else []
        many = "certificate" if certificates == 1 else "certificates"
        words += [f"{count(certificates)} full {many}"] if certificates else []
        self.apart.setText("  ·  ".join(words))
        self.apart.setVisible(bool(words))
