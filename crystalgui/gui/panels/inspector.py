"""The right pane: everything known about what is selected, to read and copy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from crystalgui.core.cards import TrainedModel
from crystalgui.core.messages import ErrorInfo, Prediction
from crystalgui.gui.session import Session
from crystalgui.gui.state.predictions import task_of
from crystalgui.gui.state.predictions_table import answer_text
from crystalgui.gui.state.project import OpenFile
from crystalgui.gui.theme import SPACE, class_colour
from crystalgui.gui.widgets import (
    KeyValues,
    PlainButton,
    PrimaryButton,
    ProbabilityBars,
    SectionTitle,
    Text,
    copy_text,
    scrolled,
)

if TYPE_CHECKING:
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.core.structures.hoppings.model import Hoppings

AMU_PER_A3 = 1.66053906660  # g/cm^3
MOST_ATOMS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What the lane works out about a crystal."""

    rows: tuple[tuple[str, ...], ...]
    wyckoffs: tuple[str, ...] = ()


def describe(crystal: Crystal, tolerance: float) -> Description:
    """Formula, symmetry, cell, volume and density; called in the lane."""
    from crystalgui.core.structures.elements import MASS, formula
    from crystalgui.core.structures.symmetry import remembered_symmetry

    found = remembered_symmetry(crystal, tolerance)
    mass = sum(MASS[z] * n for z, n in crystal.composition.items())
    rows = [
        ("Formula", formula(crystal)),
        ("Space group", f"{found.international} ({found.number})", f"Hall {found.hall}"),
        ("Point group", found.point_group),
        ("System", found.crystal_system),
        ("Tolerance", f"{tolerance:g} Å", "Symmetry is found to this distance"),
        *cell_rows(crystal),
        ("Density", f"{AMU_PER_A3 * mass / crystal.volume:.3f} g/cm³"),
    ]
    return Description(rows=tuple(rows), wyckoffs=tuple(found.wyckoffs))


def cell_rows(crystal: Crystal) -> list[tuple[str, ...]]:
    """Lattice parameters, volume and number of atoms."""
    lengths = [(name, f"{v:.4f} Å") for name, v in zip("abc", crystal.lengths, strict=True)]
    angles = [(name, f"{v:.2f}°") for name, v in zip("αβγ", crystal.angles, strict=True)]
    return [
        *lengths,
        *angles,
        ("Volume", f"{crystal.volume:.2f} Å³"),
        ("Atoms in cell", f"{crystal.n_atoms:,}"),
    ]


def hopping_rows(hoppings: Hoppings) -> list[tuple[str, ...]]:
    """Sizes, residuals and what was assumed."""
    known = hoppings.assumptions
    rows: list[tuple[str, ...]] = [
        ("Orbitals", f"{hoppings.n_orbitals}", "Spin included"),
        ("Lattice vectors R", f"{hoppings.n_cells:,}"),
    ]
    if hoppings.occupied is not None:
        rows.append(("Occupied bands", f"{hoppings.occupied}"))
    rows.append(("Spin order", known.spin_order))
    if math.isfinite(known.time_reversal_residual):
        rows.append(
            ("Time reversal", f"{known.time_reversal_residual:.2g} eV", "max |H − U H* U†|")
        )
    rows += [
        ("Hermiticity", f"{known.hermiticity_residual:.2g} eV", "max |H(A) − H(−A)†|"),
        ("Lattice from", known.lattice_from or "none found"),
        (
            "Wigner–Seitz",
            {"wsvec": "wsvec.dat", "ndegen": "plain sum, R / ndegen", "none": "no degeneracies"}[
                known.wigner_seitz
            ],
        ),
        ("Degeneracies", known.degeneracies),
    ]
    if known.positions_from:
        rows.append(("Position matrix", known.positions_from))
    if known.rounding:
        rows.append(("Rounding", f"{known.rounding:.1g} eV", "Stored in single precision"))
    return rows


def model_rows(model: TrainedModel) -> list[tuple[str, ...]]:
    """The model card."""
    rows: list[tuple[str, ...]] = [
        ("Family", model.family),
        (
            "Task",
            f"{model.target}, {len(model.classes)} classes" if model.classes else model.target,
        ),
        ("Parameters", f"{model.parameters:,}"),
    ]
    for name, value in model.metrics.items():
        rows.append((name.replace("_", " ").capitalize(), f"{value:.4g}"))
    for name, text in (
        ("Data", model.data),
        ("Split", model.split),
        ("Seed", str(model.seed)),
        ("Date", model.date),
        ("Licence", model.licence),
    ):
        if text:
            rows.append((name, text))
    return rows


class _Section(QWidget):
    """A caption and what belongs to it; hidden when it has nothing."""

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACE[0])
        self.title = SectionTitle(title, self)
        self.values = KeyValues(self)
        layout.addWidget(self.title)
        layout.addWidget(self.values)

    def add(self, widget: QWidget) -> None:
        """Put something below the rows."""
        self.layout().addWidget(widget)

    def show_rows(self, rows: list[tuple[str, ...]]) -> None:
        """Show rows, or hide the section without any."""
        self.values.set_rows(rows)
        self.values.setVisible(bool(rows))
        self.setVisible(bool(rows))


class Inspector(QWidget):
    """Selection, prediction, hoppings, provenance.

    Signals
    -------
    classify_wanted(), report_wanted()
    """

    classify_wanted = Signal()
    report_wanted = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("InspectorPane")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._session = session
        self._description: Description | None = None
        outer = QVBoxLayout(self)
        outer.setContentsMargins(1, 0, 0, 0)
        body = QWidget()
        outer.addWidget(scrolled(body))
        self._body = QVBoxLayout(body)
        self._body.setContentsMargins(SPACE[2] + 2, SPACE[0], SPACE[2], SPACE[2])
        self._body.setSpacing(SPACE[1])
        self._build(body)
        self._connect(session)
        self.refresh()

    def _build(self, body: QWidget) -> None:
        self.hint = Text("Nothing is selected. Open a file, or pick a row or an atom.", "muted")
        self.hint.setContentsMargins(0, SPACE[1], 0, 0)
        self._body.addWidget(self.hint)
        self.selection = _Section("Selection", body)
        self.problem = Text("", "bad", body)
        self.remedy = Text("", "", body)
        self.selection.add(self.problem)
        self.selection.add(self.remedy)
        self.atoms = _Section("Atoms", body)
        self.kpoint = _Section("k-point", body)
        self.prediction = _Section("Prediction", body)
        self.bars = ProbabilityBars(body)
        self.coarse = ProbabilityBars(body)
        self.evidence = Text("", "muted", body)
        self.cautions = Text("", "warn", body)
        for widget in (self.bars, self.coarse, self.evidence, self.cautions):
            self.prediction.add(widget)
        self.hoppings = _Section("Hoppings", body)
        self.model = _Section("Model", body)
        self.model_notes = Text("", "muted", body)
        self.model.add(self.model_notes)
        self.provenance = _Section("Provenance", body)
        for section in self._sections():
            self._body.addWidget(section)
        row = QHBoxLayout()
        row.setContentsMargins(0, SPACE[1], 0, 0)
        self.classify = PrimaryButton("Classify", body)
        self.classify.setToolTip("Predict the class of this crystal with the chosen model")
        self.report = PlainButton("Report…", body)
        row.addWidget(self.classify)
        row.addWidget(self.report)
        row.addStretch(1)
        self._body.addLayout(row)
        self._body.addStretch(1)
        self.classify.clicked.connect(self.classify_wanted)
        self.report.clicked.connect(self.report_wanted)

    def _sections(self) -> tuple[_Section, ...]:
        return (
            self.selection,
            self.atoms,
            self.kpoint,
            self.prediction,
            self.hoppings,
            self.model,
            self.provenance,
        )

    def _connect(self, session: Session) -> None:
        session.project.current_changed.connect(self.refresh)
        session.project.file_changed.connect(self._file_changed)
        session.selection.atoms_changed.connect(self._show_atoms)
        session.selection.k_changed.connect(self._show_k)
        session.selection.prediction_changed.connect(self._show_prediction)
        session.predictions.added.connect(lambda *_: self._show_prediction())
        session.evidence.answered.connect(self._show_atoms)

    def _file_changed(self, file: OpenFile) -> None:
        if file is self._session.project.current:
            self.refresh()

    # ------------------------------------------------------------ content

    def refresh(self, *_: object) -> None:
        """Show the current file."""
        file = self._session.project.current
        self._description = None
        self.model.hide()
        self.classify.setVisible(file is not None and file.crystal is not None)
        self.report.setVisible(file is not None and file.kind != "error")
        self.problem.hide()
        self.remedy.hide()
        self._show_file(file)
        self._show_atoms()
        self._show_k()
        self._show_prediction()
        self.hoppings.show_rows(
            hopping_rows(file.hoppings) if file is not None and file.hoppings else []
        )
        self.provenance.show_rows(self._origin(file))

    def _show_file(self, file: OpenFile | None) -> None:
        if file is None:
            self.selection.show_rows([])
            return
        rows: list[tuple[str, ...]] = [("File", file.name, str(file.path))]
        if file.kind == "error" and file.error is not None:
            if file.line:
                rows.append(("Line", str(file.line)))
            self.problem.setText(file.error.title)
            self.remedy.setText(file.error.hint)
            self.problem.show()
            self.remedy.setVisible(bool(file.error.hint))
        if file.crystal is not None:
            from crystalgui.core.structures.elements import formula

            rows += [("Formula", formula(file.crystal)), *cell_rows(file.crystal)]
            self._session.lane.ask(
                "inspector",
                describe,
                file.crystal,
                self._session.settings.symmetry_tolerance,
                on_answer=lambda answer, crystal=file.crystal: self._described(crystal, answer),
                on_error=self._undescribed,
            )
        self.selection.show_rows(rows)

    def _described(self, crystal: Crystal, answer: Description) -> None:
        file = self._session.project.current
        if file is None or file.crystal is not crystal:
            return
        self._description = answer
        self.selection.show_rows(list(answer.rows))
        self._show_atoms()

    def _undescribed(self, error: ErrorInfo) -> None:
        self.remedy.setText(f"Symmetry: {error.title} {error.hint}")
        self.remedy.show()

    def _show_atoms(self, *_: object) -> None:
        file = self._session.project.current
        atoms = self._session.selection.atoms
        if file is None or file.crystal is None or not atoms:
            self.atoms.hide()
            return
        from crystalgui.core.structures.elements import SYMBOLS

        crystal = file.crystal
        wyckoffs = self._description.wyckoffs if self._description else ()
        rows: list[tuple[str, ...]] = []
        for index in atoms[:MOST_ATOMS]:
            if not 0 <= index < crystal.n_atoms:
                continue
            x, y, z = crystal.frac[index]
            name = f"{SYMBOLS[int(crystal.species[index])]} {index + 1}"
            if index < len(wyckoffs):
                name += f"  {wyckoffs[index]}"
            rows.append((name, f"{x:.4f} {y:.4f} {z:.4f}", "Fractional coordinates"))
            rows += self._session.evidence.atom_rows(index, crystal)
        if len(atoms) > MOST_ATOMS:
            rows.append((f"and {len(atoms) - MOST_ATOMS} more", ""))
        self.atoms.title.setText("Atom" if len(atoms) == 1 else f"{len(atoms)} atoms")
        self.atoms.show_rows(rows)

    def _show_k(self, *_: object) -> None:
        selection = self._session.selection
        if selection.k is None:
            self.kpoint.hide()
            return
        k = " ".join(f"{v:.4f}" for v in selection.k)
        rows = [("k", f"({k})", "In units of the reciprocal lattice vectors")]
        if selection.band is not None:
            rows.append(("Band", f"{selection.band + 1}"))
        self.kpoint.show_rows(rows)

    def _prediction(self) -> Prediction | None:
        """The picked row, else the row of the current file."""
        picked = self._session.selection.prediction
        if picked is not None:
            return picked
        file = self._session.project.current
        if file is None:
            return None
        for row in reversed(self._session.predictions.rows):
            if row.file in (str(file.path), file.name) or Path(row.file) == file.path:
                return row
        return None

    def _show_prediction(self, *_: object) -> None:
        row = self._prediction()
        nothing = row is None and self._session.project.current is None
        self.hint.setVisible(nothing and not self.model.isVisibleTo(self))
        if row is None:
            self.prediction.hide()
            return
        classes = len(row.probabilities)
        self.prediction.title.setText(
            f"Prediction · {classes} classes" if classes else "Prediction"
        )
        rows: list[tuple[str, ...]] = [("File", Path(row.file).name, row.file)]
        if row.formula:
            rows.append(("Formula", row.formula))
        if row.prediction:
            rows.append(("Answer", row.prediction))
        for answer in row.answers[1:]:
            own = self._session.project.model(answer.model)
            task = task_of(own) if own is not None else answer.target or answer.model
            rows.append((task[:1].upper() + task[1:], answer_text(answer), answer.model))
        self.prediction.show_rows(rows)
        order = [name for name, _ in row.probabilities]
        model = self._session.project.model(row.model)
        if model is not None and set(order) <= set(model.classes):
            order = list(model.classes)
        self.bars.set_values(
            [
                (name, p, class_colour(order.index(name)))
                for name, p in sorted(row.probabilities, key=lambda item: -item[1])
            ]
        )
        self.bars.setVisible(classes > 0)
        self.coarse.set_values(
            [(name, p, class_colour(i)) for i, (name, p) in enumerate(row.coarse)]
        )
        self.coarse.setVisible(bool(row.coarse))
        self._show_evidence(row, model)

    def _show_evidence(self, row: Prediction, model: TrainedModel | None) -> None:
        lines = []
        if model is not None:
            lines.append(f"{model.title or model.name}, {model.parameters:,} parameters.")
            if "accuracy" in model.metrics:
                lines.append(
                    f"Right for {100 * model.metrics['accuracy']:.1f} % of its own test crystals."
                )
        elif row.model:
            lines.append(row.model)
        self.evidence.setText(" ".join(lines))
        self.evidence.setVisible(bool(lines))
        words = "\n".join([*row.warnings, *([row.error] if row.error else [])])
        self.cautions.setText(words)
        self.cautions.setVisible(bool(words))

    def _origin(self, file: OpenFile | None) -> list[tuple[str, ...]]:
        if file is None:
            return []
        rows: list[tuple[str, ...]] = [("Folder", file.path.parent.name, str(file.path.parent))]
        if file.sha256:
            rows.append(
                ("sha256", f"{file.sha256[:6]}…{file.sha256[-4:]}", f"sha256 {file.sha256}")
            )
        used = file.hoppings.assumptions.files if file.hoppings is not None else ()
        for name in used:
            if Path(name).name != file.name:
                rows.append(("Read with", Path(name).name, name))
        if file.crystal is not None and file.crystal.title.strip():
            rows.append(("Comment", file.crystal.title.strip()[:80]))
        return rows

    def show_model(self, model: TrainedModel) -> None:
        """Show a model card above the rest."""
        self.hint.hide()
        self.model.title.setText(f"Model · {model.name}")
        self.model.show_rows(model_rows(model))
        self.model_notes.setText(model.notes)
        self.model_notes.setVisible(bool(model.notes))

    def text(self) -> str:
        """Everything that is shown, as TSV."""
        return "\n".join(s.values.text() for s in self._sections() if not s.isHidden())

    def copy(self) -> None:
        """Put it on the clipboard."""
        copy_text(self.text())
