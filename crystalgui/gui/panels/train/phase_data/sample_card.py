"""One sample beside the picture it was clicked in: its phase, its bands, its certificate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from crystalgui.core.reports.certificate import gap_rows, index_rows
from crystalgui.gui.panels.electronic.certificate_card import ChecksList, Headline
from crystalgui.gui.panels.train.phase_data import work
from crystalgui.gui.plots.bands import BandsPlot
from crystalgui.gui.theme import SPACE
from crystalgui.gui.widgets import Card, Chip, KeyValues, PlainButton, SectionTitle, Text, scrolled

if TYPE_CHECKING:
    from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
    from crystalgui.core.messages import ErrorInfo
    from crystalgui.core.physics.bands import Bands
    from crystalgui.core.physics.certificate import Certificate
    from crystalgui.gui.session import Session

LABELLED = {
    "certificate": "its own certificate",
    "continuity": "open gap to a neighbour",
    "homotopy": "open gap to the line",
}
LENGTHY = ("Mirror", "Valence", "Conduction")
"""Rows of a certificate that the narrow card leaves to the Electronic page."""
HINT = "Click a point to see its bands and its certificate."


class SampleCard(Card):
    """Bands and certificate of the chosen sample.

    Signals
    -------
    opened()
        The sample was written and is being opened as a file.
    """

    opened = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Sample", "", parent)
        self._session = session
        self._data: PhaseDataset | None = None
        self.row = -1
        self.certificate: Certificate | None = None
        self.hint = Text(HINT, "muted")
        self.body.addWidget(self.hint)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[1])
        self.headline = Headline()
        self.facts = KeyValues()
        self.bands = BandsPlot()
        self.bands.setAccessibleName("Bands of the sample")
        self.bands.setFixedHeight(210)
        self.status = Text("", "muted")
        self.indices = KeyValues()
        self._checks_chip = Chip("", True, "What supports the certificate")
        self.checks = ChecksList()
        self.checks.hide()
        self._checks_chip.toggled.connect(self.checks.setVisible)
        for widget in (
            self.headline,
            self.status,
            self.facts,
            self.bands,
            SectionTitle("Certificate"),
            self.indices,
        ):
            column.addWidget(widget)
        column.addWidget(self._checks_chip, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.checks)
        column.addStretch(1)
        self.area = scrolled(inner)
        self.body.addWidget(self.area, 1)
        self.open = PlainButton("Open in Electronic", icon_name="electronic")
        self.open.setToolTip("Write this Hamiltonian into the project folder and open it")
        self.open.clicked.connect(self.open_sample)
        foot = QHBoxLayout()
        foot.addWidget(self.open)
        foot.addStretch(1)
        self.body.addLayout(foot)
        self.body.addStretch(0)
        self.set_data(None)

    # -------------------------------------------------------------- content

    def set_data(self, data: PhaseDataset | None) -> None:
        """Another data set: no sample is chosen."""
        self._data, self.row, self.certificate = data, -1, None
        self._session.lane.forget("phase-data-certificate")
        self.set_title("Sample")
        self.hint.show()
        self.area.hide()
        self.open.hide()

    def show_sample(self, row: int) -> None:
        """Show a sample; bands come at once, the certificate when it is done."""
        data = self._data
        if data is None or row < 0 or row == self.row:
            return
        from crystalgui.core.datasets.hamiltonians.dataset import VIA

        self.row, self.certificate = row, None
        label = data.summary.classes[int(data.label[row])]
        self.set_title(f"Sample {row:,}", "test" if data.is_test[row] else "train")
        self.headline.show_phase(label, "certified", "")
        k = ", ".join(f"{x:.4f}" for x in data.k[row])
        rows = [
            ("α", f"{data.alpha[row]:.6f}".replace("-", "−")),
            ("Smallest gap", f"{data.gap[row]:.5f} eV"),
            ("at k", f"({k})".replace("-", "−")),
            ("Labelled by", LABELLED.get(VIA[int(data.via[row])], "")),
        ]
        if data.noise_seed[row] >= 0:
            rows.insert(1, ("Seed of its noise", str(data.noise_seed[row])))
        self.facts.set_rows(rows)
        self.bands.set_bands(None, 0, 0.0)
        self.status.set_role("muted")
        self.status.setText("certifying it afresh …")
        self.indices.set_rows([])
        self.checks.set_checks(())
        self._checks_chip.hide()
        self._checks_chip.setChecked(False)
        self.hint.hide()
        self.area.show()
        self.open.show()
        lane = self._session.lane
        lane.ask(
            "phase-data-bands",
            work.sample_bands,
            data,
            row,
            on_answer=lambda found: self._take_bands(row, found),
            owner=self,
            slow=True,
        )
        lane.forget("phase-data-certificate")
        lane.ask(
            "phase-data-certificate",
            work.certify,
            data,
            row,
            on_answer=lambda found: self._take_certificate(row, found),
            on_error=lambda error: self._no_certificate(row, error),
            owner=self,
            desk="phase-data-certificate",
        )

    def _take_bands(self, row: int, found: Bands) -> None:
        data = self._data
        if data is not None and row == self.row:
            top = found.energies[:, data.occupied - 1].max()
            fermi = float(top + found.energies[:, data.occupied].min()) / 2
            self.bands.set_bands(found, data.occupied, fermi)

    def _take_certificate(self, row: int, found: Certificate) -> None:
        data = self._data
        if data is None or row != self.row:
            return
        self.certificate = found
        label = data.summary.classes[int(data.label[row])]
        same = found.label == label
        words = "A fresh certificate agrees" if same else f"A fresh certificate: {found.label}"
        self.status.set_role("good" if same else "bad")
        self.status.setText(f"{words}, {found.status}, in {found.seconds:.1f} s.")
        self.headline.show_phase(label, found.status if same else "disagrees", found.remark)
        rows = [*index_rows(found), *gap_rows(found)]
        self.indices.set_rows([row for row in rows if not row[0].startswith(LENGTHY)])
        self.checks.set_checks(found.checks)
        passed = sum(check.passed is True for check in found.checks)
        self._checks_chip.setText(f"{passed} of {len(found.checks)} checks passed")
        self._checks_chip.setVisible(bool(found.checks))

    def _no_certificate(self, row: int, error: ErrorInfo) -> None:
        if row == self.row:
            self.status.set_role("bad")
            self.status.setText(f"{error.title} {error.hint}".strip())

    # ----------------------------------------------------------------- open

    def open_sample(self) -> None:
        """Write the sample into the project folder and open it like any file."""
        if self._data is None or self.row < 0:
            return
        self._session.lane.run(
            work.write_sample,
            self._data,
            self.row,
            self._session.project.folder / "samples",
            on_answer=self._written,
            on_error=self._session.notify.error,
            owner=self,
        )

    def _written(self, path: Path) -> None:
        self._session.project.open_paths([path])
        self.opened.emit()
