"""How an answer is shared among the atoms: the crystal in a balanced map, bars beside it.

What is shared and how is said in words (`core.messages.Saliency`): Shapley
values of replaced elements (Lundberg, Lee 2017), or integrated gradients
(Sundararajan, Taly, Yan 2017).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QVBoxLayout, QWidget

from crystalgui.core.messages import Event, ExplainReady, Job
from crystalgui.core.structures.elements import SYMBOLS
from crystalgui.gui.panels.evidence.names import atom_name, group_name
from crystalgui.gui.panels.evidence.room import Asking, AskingRoom, Look
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.plots.scale import Scale
from crystalgui.gui.plots.shares import Bar, BarsView
from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import Chip, Text, scrolled

if TYPE_CHECKING:
    from collections.abc import Callable

    from crystalgui.gui.session import Session
    from crystalgui.gui.state.evidence import Question

METHODS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("replaced elements", {"method": "occlusion", "by": "orbits"}),
    ("replaced, parity kept", {"method": "occlusion", "by": "orbits", "parity": True}),
    ("replaced, by element", {"method": "occlusion", "by": "elements"}),
    ("integrated gradients", {"method": "gradient", "by": "orbits"}),
)
"""Words of a method, and the fields of the job."""
Grouping = Literal["orbit", "element", "atom"]


class SaliencyRoom(AskingRoom):
    """Bars of orbits, elements or atoms, and what they add up to."""

    title = "Saliency"

    def __init__(
        self,
        session: Session,
        question: Question,
        job: Callable[[Asking], Job],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(session, question, parent)
        self._job = job
        self._ready: ExplainReady | None = None
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        self.asked_class = ChoiceBox()
        self.asked_class.setAccessibleName("Class whose probability is shared")
        self.asked_class.setToolTip("The class whose probability is explained")
        self.method = ChoiceBox()
        self.method.setAccessibleName("Method")
        for index, (words, _fields) in enumerate(METHODS):
            self.method.addItem(words, index)
        for box in (self.asked_class, self.method):
            box.activated.connect(lambda _: self.asked.emit())
            box.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToContents)
            box.setMinimumWidth(90)
            row.addWidget(box)
        row.addStretch(1)
        chips = QHBoxLayout()
        chips.setSpacing(SPACE[0])
        self._groups = QButtonGroup(self)
        self._chips: dict[Grouping, Chip] = {}
        names: tuple[tuple[Grouping, str], ...] = (
            ("orbit", "orbits"), ("element", "elements"), ("atom", "atoms"),
        )  # fmt: skip
        for name, words in names:
            chip = Chip(words, True, f"A bar for each of the {words}")
            self._groups.addButton(chip)
            self._chips[name] = chip
            chips.addWidget(chip)
        chips.addStretch(1)
        self._chips["orbit"].setChecked(True)
        self._groups.buttonClicked.connect(lambda _: self._fill_bars())
        self.column.addLayout(row)
        self.column.addLayout(chips)
        self.bars = BarsView()
        self.bars.setAccessibleName("Shares of the answer")
        self.bars.clicked.connect(lambda k: self.atoms_wanted.emit(self.bars.bars[k].atoms))
        holder = QWidget()
        inside = QVBoxLayout(holder)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.addWidget(self.bars)
        self.sum = Text("")
        self.sum.setFont(font("number"))
        self.words = Text("", "muted")
        inside.addSpacing(SPACE[1])
        inside.addWidget(self.sum)
        inside.addWidget(self.words)
        inside.addStretch(1)
        scroll = scrolled(holder, sideways=True)
        self.column.addWidget(scroll, 1)

    # ---------------------------------------------------------------- asking

    def job(self, asking: Asking) -> Job | None:
        """The question that is shared with the attention."""
        return self._job(asking)

    @property
    def wanted(self) -> dict[str, Any]:
        """Fields of the job that are chosen here."""
        _, fields = METHODS[max(0, self.method.currentIndex())]
        return {**fields, "asked": self.asked_class.currentData() or ""}

    def offer(self, classes: tuple[str, ...]) -> None:
        """Another model: its classes, the predicted one first."""
        self.asked_class.clear()
        self.asked_class.addItem("the predicted class", "")
        for name in classes:
            self.asked_class.addItem(name, name)
        self.asked_class.setVisible(bool(classes))

    # ---------------------------------------------------------------- answer

    def fill(self, ready: Event) -> bool:
        """Show the shares of an answer."""
        assert isinstance(ready, ExplainReady)
        if ready is not self._ready:
            self._ready = ready
            self._fill_bars()
        return True

    @property
    def grouping(self) -> Grouping:
        """What a bar is of."""
        return next(name for name, chip in self._chips.items() if chip.isChecked())

    def groups(self) -> list[tuple[str, tuple[int, ...]]]:
        """Name and atoms of every bar."""
        ready = self._ready
        if ready is None:
            return []
        if self.grouping == "atom":
            return [(atom_name(ready, a), (a,)) for a in range(len(ready.species))]
        keys = ready.species if self.grouping == "element" else _orbits(ready)
        found = []
        for key in dict.fromkeys(keys.tolist()):
            atoms = tuple(np.flatnonzero(keys == key).tolist())
            many = f"{len(atoms)} × " if len(atoms) > 1 else ""
            element = f"{many}{SYMBOLS[int(key)]}"
            found.append(
                (element if self.grouping == "element" else group_name(ready, atoms), atoms)
            )
        return found

    def _fill_bars(self) -> None:
        ready = self._ready
        if ready is None:
            return
        shared = ready.saliency
        scale = self._scale(ready)
        bars = []
        for name, atoms in self.groups():
            rows = list(atoms)
            value = float(shared.values[rows].sum())
            error = float("nan")
            if shared.method == "occlusion" and len(shared.error):
                error = self._error(ready, rows)
            each = float(shared.values[rows].mean())
            tip = f"{group_name(ready, atoms)}: {value:+.4g} {ready.unit}, {each:+.4g} an atom"
            bars.append(Bar(name, value, atoms, error, each, tip))
        bars.sort(key=lambda bar: -abs(bar.value))
        self.bars.set_bars(bars, scale)
        self._fill_words(ready)
        self.look_changed.emit()

    def _error(self, ready: ExplainReady, rows: list[int]) -> float:
        """Standard error of a sum: atoms that were replaced at once err together."""
        at_once = ready.species if ready.saliency.by == "elements" else _orbits(ready)
        group, error = at_once[rows], ready.saliency.error[rows]
        sums = [error[group == k].sum() for k in np.unique(group)]
        return float(np.sqrt(np.square(sums).sum()))

    def _scale(self, ready: ExplainReady) -> Scale:
        what = f"share of log p({ready.asked})" if ready.asked else "share of the value"
        return Scale.balanced(ready.saliency.values, f"{what} of each atom", ready.unit)

    def _fill_words(self, ready: ExplainReady) -> None:
        shared, unit = ready.saliency, ready.unit
        what = f"log probability of {ready.asked}" if ready.asked else "answer"
        without = "with other elements" if shared.method == "occlusion" else "with no atom vectors"
        self.sum.setText(
            f"{what[:1].upper()}{what[1:]}: {shared.answer:.3f} {unit}\n{without}: "
            f"{shared.reference:.3f} {unit}\nthe atoms give: {shared.total:+.3f} {unit}".replace(
                "-", "−"
            )
        )
        if shared.method == "occlusion":
            text = (
                f"Shapley values: elements are replaced by others of the training data, "
                f"{shared.by} by {shared.by.removesuffix('s')} in {shared.samples} random orders. "
                "The bars add up to the difference; the thin line is the standard error."
            )
            if self.wanted.get("parity"):
                text += " An element is replaced only by those of the same parity, so that the "
                text += "electron count stays even or odd."
        else:
            text = (
                "Integrated gradients: the vectors of the atoms grow from zero to their own, and "
                "the slope of the answer is summed on the way. The bars add up to the difference "
                f"as well as {shared.samples} steps can."
            )
        text += " It is the answer of all networks of the model together."
        self.words.setText("\n".join([text, *ready.warnings]))

    # --------------------------------------------------------------- crystal

    def atoms_selected(self, atoms: tuple[int, ...], *, by_hand: bool) -> None:
        """Mark the bars of selected atoms."""
        self.bars.mark_atoms(atoms)

    def look(self) -> Look:
        """Every atom in the colour of its share."""
        ready = self._ready
        if not self.answering or ready is None:
            return Look()
        scale = self._scale(ready)
        return Look(
            caption=f"what speaks for {ready.asked or 'a larger value'}, and what against",
            tints=scale.colours(ready.saliency.values),
            scale=scale,
        )

    def csv_text(self) -> str:
        """Everything that was found: shares, pairs, entropies."""
        from crystalgui.core.reports.explain import explanation_text

        return explanation_text(self._ready) if self._ready is not None else ""


def _orbits(ready: ExplainReady) -> np.ndarray:
    """(n,) which orbit each atom belongs to.

    Orbits that were replaced at once are known by their one value; else the tokens
    of the network are taken, which are atoms where it knows no symmetry.
    """
    shared = ready.saliency
    if shared.method == "occlusion" and shared.by == "orbits":
        pairs = np.stack([ready.species.astype(np.float64), shared.values], axis=1)
        return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
    return np.asarray(ready.token * 200 + ready.species)
