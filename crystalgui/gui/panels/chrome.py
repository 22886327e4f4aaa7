"""The fixed frame of the window: top bar, rail, bottom pane, drop veil."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenuBar,
    QPushButton,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from crystalgui.gui.panels.jobs import JobsPanel
from crystalgui.gui.panels.log import LogPanel
from crystalgui.gui.session import Session
from crystalgui.gui.theme import SPACE, font, icon

RAIL = 52
SEARCH = "Search actions, files, models…"


class TopBar(QWidget):
    """Name, menus, search.

    Signals
    -------
    search_wanted()
    """

    search_wanted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("TopBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(37)
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE[3], 0, SPACE[2], 1)
        row.setSpacing(SPACE[1])
        self.name = QLabel("crystalgui", self)
        self.name.setFont(font("strong"))
        row.addWidget(self.name)
        self.menus = QMenuBar(self)
        self.menus.setFixedHeight(28)
        row.addWidget(self.menus, 1, Qt.AlignmentFlag.AlignVCenter)
        self.search = QPushButton(self)
        self.search.setProperty("kind", "search")
        self.search.setIcon(icon("search"))
        self.search.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.search.setAccessibleName("Search actions, files and models")
        self.search.setToolTip("Ctrl+Shift+P")
        self.search.clicked.connect(self.search_wanted)
        row.addWidget(self.search)
        self.fit(1600)

    def fit(self, width: int) -> None:
        """Shorter words in a narrow window."""
        wide = width >= 900
        self.search.setText(f"{SEARCH}    Ctrl+Shift+P" if wide else "Search…")
        self.search.setFixedWidth(340 if wide else 110)


class Rail(QWidget):
    """One button a page.

    Signals
    -------
    chosen(str)
    """

    chosen = Signal(str)

    def __init__(self, pages: Sequence[tuple[str, str]], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("Rail")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(RAIL)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, SPACE[1], 7, SPACE[1])
        column.setSpacing(SPACE[0])
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QToolButton] = {}
        for index, (name, title) in enumerate(pages, 1):
            button = QToolButton(self)
            button.setProperty("rail", True)
            button.setCheckable(True)
            button.setIcon(icon(name))
            button.setIconSize(QSize(20, 20))
            button.setFixedSize(39, 39)
            button.setToolTip(f"{title}   Ctrl+{index}")
            button.setAccessibleName(title)
            button.clicked.connect(lambda _=False, name=name: self.chosen.emit(name))
            self._group.addButton(button)
            self.buttons[name] = button
            column.addWidget(button)
        column.addStretch(1)

    def mark(self, name: str) -> None:
        """Show which page is on the stage; none for the start page."""
        if name in self.buttons:
            self.buttons[name].setChecked(True)
            return
        self._group.setExclusive(False)
        for button in self.buttons.values():
            button.setChecked(False)
        self._group.setExclusive(True)


class BottomPane(QWidget):
    """Jobs and log, as two tabs."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("BottomPane")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 1, 0, 0)
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        self.jobs = JobsPanel(session, self)
        self.log = LogPanel(self)
        self.tabs.addTab(self.jobs, "Jobs")
        self.tabs.addTab(self.log, "Log")
        layout.addWidget(self.tabs)
        self.setMinimumHeight(120)

    def show_log(self) -> None:
        """Bring the log to the front."""
        self.tabs.setCurrentWidget(self.log)


class DropVeil(QFrame):
    """Covers the window while files are dragged over it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("DropVeil")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        words = QLabel("Drop to open", self)
        words.setFont(font("heading"))
        words.setProperty("role", "accent")
        words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        QVBoxLayout(self).addWidget(words)
        self.hide()

    def cover(self) -> None:
        """Show it over the whole window."""
        self.setGeometry(self.parentWidget().rect().adjusted(12, 12, -12, -12))
        self.show()
        self.raise_()
