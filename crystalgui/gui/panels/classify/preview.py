"""The crystal and all answers of the current row, beside the table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from crystalgui.core.messages import ErrorInfo, Prediction
from crystalgui.gui.session import Session
from crystalgui.gui.state.predictions import task_of
from crystalgui.gui.state.predictions_table import BASELINE, BEYOND, answer_text
from crystalgui.gui.state.sources import find_source
from crystalgui.gui.widgets import Card, Chip, KeyValues, Text

if TYPE_CHECKING:
    from crystalgui.gui.views.crystal_view import CrystalView
    from crystalgui.scene.geometry import Geometry


def find_geometry(paths: Sequence[Path], name: str) -> Geometry:
    """What is drawn of a row; loads the 3D library as well, so that the window need not."""
    import crystalgui.gui.views.crystal_view  # noqa: F401  loaded here, used by the card
    from crystalgui.scene.geometry import geometry

    return geometry(find_source(paths, name).crystal)


class PreviewCard(Card):
    """A small view of the crystal of one prediction.

    Signals
    -------
    open_asked(), evidence_asked(), closed()
    """

    open_asked = Signal()
    evidence_asked = Signal()
    closed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Crystal", "", parent)
        self._session = session
        self._name = ""
        self._view: CrystalView | None = None
        self.setMinimumWidth(250)
        close = Chip("×", tooltip="Close the preview")
        close.clicked.connect(self.closed)
        self.tools.addWidget(close)
        self._pages = QStackedWidget()
        self._note = Text("", "muted")
        self._note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pages.addWidget(self._note)
        self._holder = QWidget()
        self._inside = QVBoxLayout(self._holder)
        self._inside.setContentsMargins(0, 0, 0, 0)
        self._pages.addWidget(self._holder)
        self.body.addWidget(self._pages, 1)
        self.answers = KeyValues()
        self.body.addWidget(self.answers)
        self.open_button = Chip("open", tooltip="Open this crystal in the project")
        self.open_button.setObjectName("openCrystal")
        self.open_button.clicked.connect(self.open_asked)
        self.tools.insertWidget(0, self.open_button)
        tip = "What the model's answer rests on"
        self.evidence_button = Chip("", tooltip=tip, icon_name="evidence")
        self.evidence_button.clicked.connect(self.evidence_asked)
        self.tools.insertWidget(0, self.evidence_button)

    def sizeHint(self) -> QSize:
        """A quarter of the page."""
        return QSize(320, 400)

    def clear(self) -> None:
        """Other rows are coming."""
        self._name = ""
        self._session.lane.forget("classify:preview")
        self.hide()

    def show_row(self, row: Prediction, paths: Sequence[Path]) -> None:
        """Show the crystal of a row; a newer row replaces one that is still being read."""
        self._name = row.file
        self.set_title(row.formula or Path(row.file).name)
        self.open_button.setEnabled(not row.error)
        self.evidence_button.setEnabled(not row.error)
        self._show_answers(row)
        if row.error:
            self._say(row.error, "bad")
            return
        self._session.lane.ask(
            "classify:preview",
            find_geometry,
            tuple(paths),
            row.file,
            on_answer=lambda answer, name=row.file: self._show(name, answer),
            on_error=lambda error, name=row.file: self._failed(name, error),
            owner=self,
        )

    def _show_answers(self, row: Prediction) -> None:
        rows = []
        for answer in row.answers:
            model = self._session.project.model(answer.model)
            task = task_of(model) if model is not None else answer.target or answer.model
            said = f"{answer_text(answer)} ({BASELINE})" if answer.default else answer_text(answer)
            likely = ", ".join(f"{name} {100 * p:.1f} %" for name, p in answer.probabilities[:5])
            tip = "\n".join(part for part in (answer.model, likely) if part)
            rows.append((task, said, f"{tip}\n{BEYOND}" if answer.default else tip))
        self.answers.set_rows(rows)
        self.answers.setVisible(bool(rows))

    def _say(self, text: str, role: str) -> None:
        self._note.setText(text)
        self._note.set_role(role)
        self._pages.setCurrentIndex(0)

    def _failed(self, name: str, error: ErrorInfo) -> None:
        if name == self._name:
            self._say(f"{error.title} {error.hint}".strip(), "bad")

    def _show(self, name: str, answer: Geometry) -> None:
        if name != self._name:
            return
        if self._view is None:
            from crystalgui.gui.views.crystal_view import CrystalView

            self._view = CrystalView(self._holder)
            self._inside.addWidget(self._view)
        self._pages.setCurrentIndex(1)
        self._view.show_geometry(answer)
