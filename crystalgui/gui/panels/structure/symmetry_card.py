"""Space group, Wyckoff positions, and the cells that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDoubleSpinBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.messages import ErrorInfo
from crystalgui.core.structures.crystal import Crystal
from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import Card, KeyValues, PlainButton, Text, copy_text

COLUMNS = ("Element", "Wyckoff", "Site", "x", "y", "z", "Atoms")


@dataclass(frozen=True, slots=True, kw_only=True)
class SymmetryAnswer:
    """What the card shows, worked out in the lane.

    ``rows`` are name and value; ``orbits`` one row of `COLUMNS` each, with the
    atoms of the orbit behind it.
    """

    label: str
    rows: tuple[tuple[str, str], ...]
    orbits: tuple[tuple[str, ...], ...]
    members: tuple[tuple[int, ...], ...]


def find_symmetry(crystal: Crystal, tolerance: float) -> SymmetryAnswer:
    """Symmetry of a crystal in words and rows."""
    import numpy as np

    from crystalgui.core.structures.elements import SYMBOLS
    from crystalgui.core.structures.symmetry import pretty_symbol, remembered_symmetry

    found = remembered_symmetry(crystal, tolerance)
    orbits, members = [], []
    for first in np.unique(found.equivalent_atoms):
        atoms = np.flatnonzero(found.equivalent_atoms == first)
        place = crystal.frac[first] - np.floor(crystal.frac[first] + 1e-9)
        orbits.append(
            (
                SYMBOLS[crystal.species[first]],
                found.wyckoffs[first],
                found.site_symmetry[first],
                *(f"{abs(v):.4f}" if abs(v) < 5e-5 else f"{v:.4f}" for v in place),
                str(len(atoms)),
            )
        )
        members.append(tuple(int(a) for a in atoms))
    rows = (
        ("Space group", f"{pretty_symbol(found.international)} ({found.number})"),
        ("Point group", pretty_symbol(found.point_group)),
        ("Crystal system", found.crystal_system),
        ("Hall symbol", found.hall),
        ("Operations", str(found.n_operations)),
    )
    return SymmetryAnswer(
        label=pretty_symbol(found.international),
        rows=rows,
        orbits=tuple(orbits),
        members=tuple(members),
    )


class SymmetryCard(Card):
    """Symmetry of the current crystal.

    Signals
    -------
    tolerance_changed(float)
        Angstrom.
    cell_wanted(str)
        ``conventional``, ``primitive`` or ``read``.
    orbit_picked(tuple)
        Atoms of the orbit that was clicked.
    """

    tolerance_changed = Signal(float)
    cell_wanted = Signal(str)
    orbit_picked = Signal(tuple)

    def __init__(self, tolerance: float, parent: QWidget | None = None) -> None:
        super().__init__("Symmetry", "", parent)
        self._members: tuple[tuple[int, ...], ...] = ()
        caption = QLabel("tolerance", self)
        caption.setProperty("role", "muted")
        self.tolerance = QDoubleSpinBox(self)
        self.tolerance.setDecimals(5)
        self.tolerance.setRange(1e-5, 1.0)
        self.tolerance.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)
        self.tolerance.setValue(tolerance)
        self.tolerance.setSuffix(" Å")
        self.tolerance.setKeyboardTracking(False)
        self.tolerance.setAccessibleName("Symmetry tolerance in Angstrom")
        self.tolerance.setToolTip("Atoms closer than this to their image count as equivalent")
        self.tolerance.valueChanged.connect(self.tolerance_changed)
        self.tools.addWidget(caption)
        self.tools.addWidget(self.tolerance)
        self.buttons: dict[str, PlainButton] = {}
        for name, text, tip in (
            ("conventional", "Conventional", "Show the conventional cell of the space group"),
            ("primitive", "Primitive", "Show the primitive cell"),
            ("read", "As read", "Back to the cell of the file"),
        ):
            button = PlainButton(text, self)
            button.setProperty("compact", True)
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, n=name: self.cell_wanted.emit(n))
            self.buttons[name] = button
            self.tools.addWidget(button)
        row = QHBoxLayout()
        row.setSpacing(SPACE[3])
        left = QVBoxLayout()
        self.values = KeyValues(self)
        self.values.setFixedWidth(210)
        self.problem = Text("", "warn", self)
        self.problem.setFixedWidth(210)
        self.problem.hide()
        left.addWidget(self.values)
        left.addWidget(self.problem)
        left.addStretch(1)
        row.addLayout(left)
        row.addWidget(self._table(), 1)
        self.body.addLayout(row)

    def _table(self) -> QTableWidget:
        self.table = QTableWidget(0, len(COLUMNS), self)
        self.table.setHorizontalHeaderLabels(list(COLUMNS))
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for c in range(len(COLUMNS)):
            self.table.horizontalHeaderItem(c).setTextAlignment(left if c < 3 else right)
        self.table.horizontalHeaderItem(2).setToolTip("Site symmetry")
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.setShowGrid(False)
        self.table.setFont(font("number"))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setAccessibleName("Wyckoff positions")
        self.table.setToolTip("Click a row to select its atoms; Ctrl+C copies the table")
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setHighlightSections(False)
        header.setMinimumSectionSize(36)
        self.table.cellClicked.connect(lambda r, _c: self.orbit_picked.emit(self._members[r]))
        copy = QShortcut(QKeySequence.StandardKey.Copy, self.table)
        copy.setContext(Qt.ShortcutContext.WidgetShortcut)
        copy.activated.connect(lambda: copy_text(self.text()))
        return self.table

    def set_tolerance(self, value: float) -> None:
        """Show another tolerance without a signal."""
        with QSignalBlocker(self.tolerance):
            self.tolerance.setValue(value)

    def show_answer(self, answer: SymmetryAnswer) -> None:
        """Fill the card."""
        self.problem.hide()
        self.values.show()
        self.values.set_rows(answer.rows)
        self._members = answer.members
        self.table.setRowCount(len(answer.orbits))
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for r, orbit in enumerate(answer.orbits):
            for c, text in enumerate(orbit):
                item = QTableWidgetItem(text)
                if c >= 3:
                    item.setTextAlignment(right)
                self.table.setItem(r, c, item)

    def show_error(self, error: ErrorInfo) -> None:
        """Say why there is no symmetry."""
        self._members = ()
        self.table.setRowCount(0)
        self.values.hide()
        self.problem.setText(f"{error.title} {error.hint}")
        self.problem.show()

    def set_cell(self, kind: str) -> None:
        """Mark which cell is shown: its button cannot be pressed."""
        for name, button in self.buttons.items():
            button.setEnabled(name != kind)

    def text(self) -> str:
        """The table as TSV."""
        lines = ["\t".join(COLUMNS)]
        for r in range(self.table.rowCount()):
            lines.append("\t".join(self.table.item(r, c).text() for c in range(len(COLUMNS))))
        return "\n".join(lines)
