"""What is in a data set, how it was made, and what differs from the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QVBoxLayout, QWidget

from crystalgui.core.atomic import write_atomic
from crystalgui.core.errors import CrystalError
from crystalgui.gui.panels.train.data import ClassBalance
from crystalgui.gui.panels.train.phase_data import work
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, KeyValues, SectionTitle, Text, scrolled

if TYPE_CHECKING:
    from pathlib import Path

    from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
    from crystalgui.gui.session import Session


class SharesCard(Card):
    """Phases of the training and test samples, and what is kept apart."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Phases", "", parent)
        self.setSizePolicy(self.sizePolicy().Policy.Expanding, self.sizePolicy().Policy.Maximum)
        self._session = session
        self._data: PhaseDataset | None = None
        self.train, self.test, self.apart = ClassBalance(), ClassBalance(), ClassBalance()
        self._titles: list[SectionTitle] = []
        for words, bars in (
            ("To train on", self.train),
            ("To test on", self.test),
            ("Kept apart: no certified phase", self.apart),
        ):
            title = SectionTitle(words)
            self._titles.append(title)
            self.body.addWidget(title)
            self.body.addWidget(bars)
        self.export = Chip("", False, "Export all samples as CSV", icon_name="export")
        self.export.clicked.connect(self.ask)
        self.tools.addWidget(self.export)

    def set_data(self, data: PhaseDataset | None) -> None:
        """Another data set."""
        self._data = data
        self.export.setEnabled(data is not None)
        if data is None:
            return
        classes = data.summary.classes
        for bars, mask in ((self.train, ~data.is_test), (self.test, data.is_test)):
            counts = np.bincount(data.label[mask], minlength=len(classes))
            bars.set_counts(classes, tuple(int(n) for n in counts))
        found = np.bincount(data.apart.label, minlength=len(data.reasons)).tolist()
        rows = [(word, n) for word, n in zip(data.reasons, found, strict=True) if n]
        self.apart.set_counts(tuple(word for word, _ in rows), tuple(n for _, n in rows))
        for widget in (self._titles[2], self.apart):
            widget.setVisible(len(data.apart) > 0)
        self.set_title("Phases", f"{len(data):,} samples")

    def ask(self) -> None:
        """Choose a file and write every sample."""
        data = self._data
        if data is None:
            return
        name = f"{data.summary.folder.name}-samples.csv"
        text, _ = QFileDialog.getSaveFileName(self, "Export", name, "Numbers as CSV (*.csv)")
        if text:
            from pathlib import Path

            self._session.lane.run(
                write_samples,
                data,
                Path(text),
                on_answer=lambda path: self._session.notify.info(f"Wrote {path.name}"),
                on_error=self._session.notify.error,
                owner=self,
            )


def write_samples(data: PhaseDataset, path: Path) -> Path:
    """All labelled samples as CSV; called in the lane."""
    from crystalgui.core.physics.tables import header

    if not path.suffix:
        path = path.with_suffix(".csv")
    top = header(None, f"data set: {data.summary.name}, sha256 {data.summary.digest}")
    write_atomic(path, top + work.samples_csv(data, range(len(data))))
    return path


class DataCardText(Card):
    """The data card in sentences."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Data card", "", parent)
        self.setSizePolicy(self.sizePolicy().Policy.Expanding, self.sizePolicy().Policy.Maximum)
        self.facts = KeyValues()
        self.how = Text("")
        self._notes_title = SectionTitle("Compared with the paper")
        self.notes = Text("")
        for widget in (self.facts, self.how, self._notes_title, self.notes):
            self.body.addWidget(widget)

    def set_data(self, data: PhaseDataset | None) -> None:
        """Another data set."""
        if data is None:
            return
        recipe = data.recipe
        self.set_title("Data card", recipe.title or recipe.name)
        low, high = recipe.alpha
        unit = "eV rms" if recipe.normalisation == "rms" else "× mean |H|"
        self.facts.set_rows(
            [
                ("Start", recipe.start.name),
                ("End", recipe.end.name),
                ("Mixing α", f"{low:g} … {high:g}".replace("-", "−")),
                ("Noise", f"{recipe.strength:g} {unit}" if recipe.strength else "none"),
                ("Orbitals, occupied", f"{data.start.n_orbitals}, {data.occupied}"),
                ("Lattice vectors", f"{len(data.cells):,}"),
                ("Seed", str(recipe.seed)),
            ]
        )
        self.how.setText("\n\n".join(sentences(data)))
        self.notes.setText("\n\n".join(recipe.notes))
        for widget in (self._notes_title, self.notes):
            widget.setVisible(bool(recipe.notes))


def sentences(data: PhaseDataset) -> list[str]:
    """The sentences of the data card, without its table and its notes."""
    from crystalgui.core.datasets.hamiltonians.dataset import card

    try:
        lines = [line[2:] for line in card(data).splitlines() if line.startswith("- ")]
    except CrystalError:
        return []
    return [line for line in lines if line not in data.recipe.notes]


class OverviewView(QWidget):
    """Shares and card, side by side where there is room."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.shares, self.card = SharesCard(session), DataCardText()
        inner = QWidget()
        row = QHBoxLayout(inner)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE[2])
        row.addWidget(self.shares, 1, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self.card, 1, Qt.AlignmentFlag.AlignTop)
        area = scrolled(inner)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(area)

    def set_data(self, data: PhaseDataset | None) -> None:
        """Another data set."""
        for part in (self.shares, self.card):
            part.set_data(data)
