"""What goes into a report: heading, files and sections."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.messages import REPORT_SECTIONS
from crystalgui.gui.session import Session
from crystalgui.gui.state.project import OpenFile
from crystalgui.gui.theme import SPACE, icon
from crystalgui.gui.widgets import SectionTitle, Text

HEADING = "crystalgui report"


class Contents(QWidget):
    """Choices of the person; ``changed`` after each of them.

    Files are listed as the project has them; a file that is opened later is
    ticked, one that a person left out stays left out.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._left_out: set[Path] = set()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE[1])
        column.addWidget(SectionTitle("Heading"))
        self.heading = QLineEdit(HEADING)
        self.heading.setAccessibleName("Heading of the report")
        self.heading.setMaxLength(200)
        self.heading.textChanged.connect(self.changed)
        column.addWidget(self.heading)
        column.addSpacing(SPACE[1])
        column.addWidget(SectionTitle("Files"))
        self.files = QListWidget()
        self.files.setAccessibleName("Files in the report")
        self.files.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.files.setSelectionMode(QListWidget.SelectionMode.NoSelection)
        self.files.setIconSize(QSize(16, 16))
        self.files.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.files.itemChanged.connect(self._ticked)
        column.addWidget(self.files, 1)
        self.no_files = Text("No readable file is open.", role="muted")
        column.addWidget(self.no_files)
        column.addWidget(SectionTitle("Sections"))
        self.sections: dict[str, QCheckBox] = {}
        for name, title in REPORT_SECTIONS.items():
            box = QCheckBox(title)
            box.setChecked(True)
            box.toggled.connect(self.changed)
            self.sections[name] = box
            column.addWidget(box)
        project = session.project
        for signal in (project.file_added, project.file_changed, project.file_removed):
            signal.connect(self.refresh)
        predictions = session.predictions
        predictions.added.connect(self.refresh)
        predictions.cleared.connect(self.refresh)
        project.catalogue_changed.connect(self.refresh)
        self.refresh()

    # ------------------------------------------------------------- choices

    def readable(self) -> list[OpenFile]:
        """Open files that could be read."""
        return [f for f in self._session.project.files if f.kind in ("crystal", "hoppings")]

    def chosen(self) -> list[OpenFile]:
        """Files that go in."""
        return [f for f in self.readable() if f.path not in self._left_out]

    def chosen_sections(self) -> tuple[str, ...]:
        """Names of the sections that go in."""
        return tuple(name for name, box in self.sections.items() if box.isChecked())

    # -------------------------------------------------------------- display

    def refresh(self, *_: object) -> None:
        """List the files and the number of predictions anew."""
        block = QSignalBlocker(self.files)
        self.files.clear()
        for file in self.readable():
            item = QListWidgetItem(icon(file.kind), f"{file.name}   {file.badge}".rstrip())
            item.setData(Qt.ItemDataRole.UserRole, file.path)
            item.setToolTip(str(file.path))
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            inside = file.path not in self._left_out
            item.setCheckState(Qt.CheckState.Checked if inside else Qt.CheckState.Unchecked)
            self.files.addItem(item)
        block.unblock()
        empty = self.files.count() == 0
        self.files.setVisible(not empty)
        self.no_files.setVisible(empty)
        rows = self._session.predictions.rows
        kinds = {file.kind for file in self.readable()}
        self.sections["predictions"].setText(f"Predictions ({len(rows):,})")
        # What this project has nothing for is not offered.
        for name, there in (
            ("structure", "crystal" in kinds),
            ("bands", "hoppings" in kinds),
            ("slice", "hoppings" in kinds),
            ("topology", "hoppings" in kinds),
            ("predictions", bool(rows)),
            ("model", bool(rows)),
        ):
            self.sections[name].setVisible(there)
        self.changed.emit()

    def _ticked(self, item: QListWidgetItem) -> None:
        path = item.data(Qt.ItemDataRole.UserRole)
        if item.checkState() == Qt.CheckState.Checked:
            self._left_out.discard(path)
        else:
            self._left_out.add(path)
        self.changed.emit()
