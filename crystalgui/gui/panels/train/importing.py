"""The import dialog: which structures and labels, or which images, and which name.

It only asks; the Train page does.  A single CSV beside the structures is
proposed as the labels, images need none, and what is missing is said below
the fields.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.datasets.images.importer import is_images, name_for
from crystalgui.core.datasets.targets import DERIVED, TARGETS, target_named
from crystalgui.gui.panels.forms import ChoiceBox
from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import PlainButton, Text

LABELS = "a CSV table: id,label"
NO_LABELS = "none: every image says its class"


class ImportDialog(QDialog):
    """Asks for structures with a CSV ``id,label``, or for images, and a name."""

    def __init__(self, taken: frozenset[str] = frozenset(), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Import a data set")
        self.setMinimumWidth(520)
        self._taken = taken
        self._named = False
        self._images = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[SPACE[3]] * 4)
        layout.setSpacing(SPACE[2])
        title = QLabel("Import a data set")
        title.setFont(font("heading"))
        layout.addWidget(title)
        layout.addWidget(
            Text(
                "Structure files named by their id (POSCAR, CIF, …) and a table with the "
                "columns id and label: words become classes, numbers a regression. Or images, "
                "without a table: idx files (MNIST), or train/class/*.png in a folder or archive.",
                "muted",
            )
        )
        grid = QGridLayout()
        grid.setHorizontalSpacing(SPACE[1])
        grid.setVerticalSpacing(SPACE[1])
        self.source = self._line(grid, 0, "Source", "a folder, an archive or an idx file")
        self.labels = self._line(grid, 1, "Labels", LABELS)
        self.name = self._line(grid, 2, "Name", "name of the data set")
        for column, (text, ask) in enumerate(
            (("Folder…", self._ask_folder), ("File…", self._ask_file)), start=2
        ):
            grid.addWidget(self._button(text, ask), 0, column)
        grid.addWidget(self._button("Table…", self._ask_labels), 1, 2, 1, 2)
        self._add_wishes(grid)
        layout.addLayout(grid)
        self._advice = Text("", "warn")
        layout.addWidget(self._advice)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setText("Import")
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout.addWidget(self.buttons)
        self.source.textChanged.connect(self._source_changed)
        self.labels.textChanged.connect(self._labels_changed)
        self.name.textEdited.connect(self._name_edited)
        self.name.textChanged.connect(self._check)
        self._check()

    def _add_wishes(self, grid: QGridLayout) -> None:
        """What becomes of labels and doubles of crystals."""
        text = QLabel("Learn")
        text.setProperty("role", "muted")
        self.derive = ChoiceBox()
        self.derive.setAccessibleName("Learn")
        self.derive.setToolTip("The labels as they are, or another target that follows from them")
        text.setBuddy(self.derive)
        self.purify = QCheckBox("Purify: fewer than 60 atoms, no doubles, no contradictions")
        self.purify.setToolTip(
            "Crystals of equal formula and space group become one when their labels agree, and "
            "are dropped when they do not. Labels that no crystal can have are dropped. "
            "Everything that is removed is listed with its reason."
        )
        grid.addWidget(text, 3, 0)
        grid.addWidget(self.derive, 3, 1, 1, 3)
        grid.addWidget(self.purify, 4, 1, 1, 3)
        self._offer_targets()

    def _offer_targets(self) -> None:
        """Offer what follows from these labels; of labels with an unknown name all there is."""
        given = target_named(Path(self.labels.text().strip()).stem)
        kept = self.derive.currentData()
        self.derive.clear()
        self.derive.addItem(given.title if given is not None else "the labels as they are", "")
        for name in DERIVED:
            target = TARGETS[name]
            follows = given is None or {"structure", given.name} & set(target.sources)
            if follows and target is not given:
                self.derive.addItem(f"{target.title} ({len(target.classes)} classes)", name)
        self.derive.setCurrentIndex(max(0, self.derive.findData(kept)))
        for widget in (self.derive, self.purify):
            widget.setEnabled(not self._images)

    def _line(self, grid: QGridLayout, row: int, label: str, hint: str) -> QLineEdit:
        text = QLabel(label)
        text.setProperty("role", "muted")
        edit = QLineEdit()
        edit.setPlaceholderText(hint)
        edit.setAccessibleName(label)
        text.setBuddy(edit)
        grid.addWidget(text, row, 0)
        grid.addWidget(edit, row, 1)
        return edit

    def _button(self, text: str, ask: object) -> PlainButton:
        button = PlainButton(text)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.clicked.connect(ask)
        return button

    # -------------------------------------------------------------- asking

    def _start(self) -> str:
        here = self.source.text().strip()
        return str(Path(here).parent) if here else str(Path.home())

    def _ask_folder(self) -> None:
        found = QFileDialog.getExistingDirectory(
            self, "Folder of structures or images", self._start()
        )
        if found:
            self.source.setText(found)

    def _ask_file(self) -> None:
        found, _ = QFileDialog.getOpenFileName(
            self,
            "Archive of structures or images, or an idx file",
            self._start(),
            "Archives and idx files (*.zip *.tar *.tgz *.gz *.xz *.bz2 *-ubyte);;All files (*)",
        )
        if found:
            self.source.setText(found)

    def _ask_labels(self) -> None:
        found, _ = QFileDialog.getOpenFileName(
            self, "Table of labels", self._start(), "Tables (*.csv *.tsv *.txt);;All files (*)"
        )
        if found:
            self.labels.setText(found)

    # ------------------------------------------------------------ checking

    def _source_changed(self, text: str) -> None:
        source = Path(text.strip())
        self._images = bool(text.strip()) and is_images(source)
        self.labels.setPlaceholderText(NO_LABELS if self._images else LABELS)
        if self._images:
            self._propose(name_for(source))
        elif not self.labels.text().strip():
            guess = labels_beside(source)
            if guess is not None:
                self.labels.setText(str(guess))
        self._offer_targets()
        self._check()

    def _propose(self, name: str) -> None:
        """A name, until a person has given one."""
        if not self._named:
            self.name.setText(name)

    def _labels_changed(self, text: str) -> None:
        self._propose(Path(text.strip()).stem.replace("_", " "))
        self._offer_targets()
        self._check()

    def _name_edited(self, text: str) -> None:
        self._named = bool(text)

    def advice(self) -> str:
        """What is missing; empty when the import can start."""
        source, labels = self.source.text().strip(), self.labels.text().strip()
        name = self.name.text().strip()
        if not source:
            return "Choose a folder or an archive with structure files or images."
        if not Path(source).exists():
            return "There is nothing at this place."
        if not labels and not self._images:
            return "Choose the table with the columns id and label."
        if labels and not Path(labels).is_file():
            return "There is no table at this place."
        if not name:
            return "Give the data set a name."
        if name in self._taken:
            return "A data set of this name exists; it will be replaced."
        return ""

    def _check(self) -> None:
        advice = self.advice()
        started = bool(self.source.text().strip() or self.labels.text().strip())
        self._advice.setText(advice if started else "")
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(
            not advice or self.name.text().strip() in self._taken
        )

    def answer(self) -> tuple[Path, Path | None, str]:
        """Source, labels (None for images), name."""
        labels = self.labels.text().strip()
        return (
            Path(self.source.text().strip()),
            Path(labels) if labels else None,
            self.name.text().strip(),
        )

    def wishes(self) -> tuple[str, bool]:
        """The target to derive, empty for the labels themselves, and whether to purify."""
        if self._images or not self.labels.text().strip():
            return "", False
        return str(self.derive.currentData() or ""), self.purify.isChecked()


def labels_beside(source: Path) -> Path | None:
    """The only CSV in or beside the structures, None when there is a choice."""
    for folder in (source if source.is_dir() else source.parent, source.parent):
        try:
            tables = sorted(folder.glob("*.csv"))
        except OSError:
            return None
        if len(tables) == 1:
            return tables[0]
    return None
