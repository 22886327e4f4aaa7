"""The first screen: three examples, what can be dropped, and what was open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.resources import examples
from crystalgui.gui.session import Session
from crystalgui.gui.theme import SPACE, font, icon
from crystalgui.gui.widgets import ElidedLabel, LinkButton, PlainButton, SectionTitle, scrolled

MOST_RECENT = 6
CRYSTAL_NAMES = (".vasp", ".poscar", ".cif", "POSCAR", "CONTCAR")


def example_crystals() -> list[Path]:
    """Shipped crystals, BiTeI first."""
    folder = examples()
    found = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name.endswith(CRYSTAL_NAMES)]
    return sorted(found, key=lambda p: (not p.name.startswith("BiTeI"), p.name))


def example_hoppings() -> list[Path]:
    """Shipped hopping files, BiTeI first."""
    found = [p for p in sorted(examples().rglob("*_hr.dat*")) if p.is_file()]
    return sorted(found, key=lambda p: (not p.name.startswith("BiTeI"), p.name))


class Tile(QPushButton):
    """A large button: icon, what it is, what it shows."""

    def __init__(self, icon_name: str, title: str, text: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.setProperty("kind", "tile")
        self.setAccessibleName(f"{title}. {text}")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setMinimumSize(190, 142)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 14)
        layout.setSpacing(6)
        picture = QLabel(self)
        picture.setPixmap(icon(icon_name, "accent").pixmap(QSize(28, 28)))
        self._picture, self._name = picture, icon_name
        layout.addWidget(picture)
        layout.addSpacing(4)
        head = QLabel(title, self)
        head.setFont(font("title"))
        layout.addWidget(head)
        body = QLabel(text, self)
        body.setProperty("role", "muted")
        body.setWordWrap(True)
        body.setAlignment(Qt.AlignmentFlag.AlignTop)
        layout.addWidget(body, 1)
        for label in (picture, head, body):
            label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def sizeHint(self) -> QSize:
        """What the words need."""
        return self.layout().sizeHint()

    def minimumSizeHint(self) -> QSize:
        """No less than the words need."""
        return self.layout().minimumSize()

    def recolour(self) -> None:
        """Follow the theme."""
        self._picture.setPixmap(icon(self._name, "accent").pixmap(QSize(28, 28)))


class WelcomePanel(QWidget):
    """What to do first.

    Signals
    -------
    open_wanted(list of Path)
    files_wanted(), folder_wanted()
    model_wanted()
        Classify the shipped crystals with the shipped model.
    tour_wanted()
    """

    open_wanted = Signal(list)
    files_wanted = Signal()
    folder_wanted = Signal()
    model_wanted = Signal()
    tour_wanted = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._columns = 3
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        body = QWidget()
        outer.addWidget(scrolled(body, sideways=True))
        centre = QHBoxLayout(body)
        centre.setContentsMargins(24, 24, 24, 24)
        centre.addStretch(1)
        self._column = QWidget(body)
        self._column.setMaximumWidth(720)
        centre.addWidget(self._column, 100)
        centre.addStretch(1)
        column = QVBoxLayout(self._column)
        column.setSpacing(SPACE[1])
        column.addStretch(2)
        self._words(column)
        column.addSpacing(SPACE[3])
        self._tiles(column)
        column.addSpacing(SPACE[1])
        self._drop(column)
        self._recent = QVBoxLayout()
        self._recent.setSpacing(2)
        column.addLayout(self._recent)
        column.addStretch(3)
        self.refresh()
        from crystalgui.gui.theme import theme

        theme().changed.connect(self._recolour)

    def _words(self, column: QVBoxLayout) -> None:
        title = QLabel("See a crystal, its bands, and what a network makes of it")
        title.setFont(font("display"))
        title.setWordWrap(True)
        column.addWidget(title)
        text = QLabel(
            "Open your own files or begin with an example. Everything stays on this machine."
        )
        text.setProperty("role", "muted")
        text.setWordWrap(True)
        column.addWidget(text)
        row = QHBoxLayout()
        self.tour = LinkButton("Take the two-minute tour")
        self.tour.clicked.connect(self.tour_wanted)
        row.addWidget(self.tour)
        row.addStretch(1)
        column.addLayout(row)

    def _tiles(self, column: QVBoxLayout) -> None:
        self._grid = QGridLayout()
        self._grid.setSpacing(SPACE[2])
        self.tiles = [
            self._tile(
                "structure",
                "A crystal",
                "BiTeI in three dimensions: bonds, polyhedra, symmetry.",
                lambda: self._open(example_crystals()),
            ),
            self._tile(
                "electronic",
                "Hoppings",
                "A tight-binding model: bands, gap, and slices of its zone.",
                lambda: self._open(example_hoppings()),
            ),
            self._tile(
                "model",
                "A trained model",
                "Topological classes of crystals, with probabilities.",
                self.model_wanted.emit,
            ),
        ]
        for index, tile in enumerate(self.tiles):
            self._grid.addWidget(tile, 0, index)
            self._grid.setColumnStretch(index, 1)
        column.addLayout(self._grid)

    def _tile(self, icon_name: str, title: str, text: str, call: Callable[[], object]) -> Tile:
        tile = Tile(icon_name, title, text, self)
        tile.clicked.connect(lambda *_: call())
        return tile

    def _drop(self, column: QVBoxLayout) -> None:
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        files = PlainButton("Open files…", self, "open")
        files.setToolTip("Ctrl+O")
        folder = PlainButton("Open folder…", self, "open")
        files.clicked.connect(self.files_wanted)
        folder.clicked.connect(self.folder_wanted)
        hint = QLabel("or drop files and folders anywhere in this window", self)
        hint.setProperty("role", "muted")
        hint.setWordWrap(True)
        row.addWidget(files)
        row.addWidget(folder)
        row.addWidget(hint, 1)
        column.addLayout(row)

    def _open(self, paths: list[Path]) -> None:
        if paths:
            self.open_wanted.emit(paths[:1])
        else:
            self._session.notify.warning(
                "The examples are not installed.", "Install the program again, or open own files."
            )

    def refresh(self) -> None:
        """Show the recent files, those that are gone greyed."""
        while self._recent.count():
            item = self._recent.takeAt(0)
            if item.widget() is not None:
                item.widget().hide()
                item.widget().deleteLater()
        recent = self._session.settings.recent[:MOST_RECENT]
        if not recent:
            return
        self._recent.addSpacing(SPACE[1])
        self._recent.addWidget(SectionTitle("Recent", self))
        for path in recent:
            self._recent.addWidget(self._recent_row(path))

    def _recent_row(self, path: Path) -> QWidget:
        holder = QWidget(self)
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        button = LinkButton(path.name, holder)
        button.setToolTip(str(path))
        button.clicked.connect(lambda *_: self.open_wanted.emit([path]))
        where = ElidedLabel(str(path.parent), holder, Qt.TextElideMode.ElideMiddle)
        where.setProperty("role", "muted")
        row.addWidget(button)
        row.addWidget(where, 1)
        return holder

    def _recolour(self) -> None:
        for tile in self.tiles:
            tile.recolour()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Stack the tiles in a narrow window."""
        super().resizeEvent(event)
        columns = 3 if self.width() >= 640 else 1
        if columns != self._columns:
            self._columns = columns
            for index, tile in enumerate(self.tiles):
                self._grid.addWidget(tile, index // columns, index % columns)
                self._grid.setColumnStretch(index, 1 if index < columns else 0)

    def showEvent(self, event: object) -> None:
        """Recent files may have changed."""
        super().showEvent(event)
        self.refresh()
