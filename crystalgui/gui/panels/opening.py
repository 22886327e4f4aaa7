"""Opening files: dialogs, recent files, and the words for what was refused."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QObject, QUrl
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from crystalgui.core.messages import ErrorInfo
from crystalgui.gui.notifications import Notifications
from crystalgui.gui.panels.dialogs import SymbolsDialog
from crystalgui.gui.session import Session
from crystalgui.gui.state.project import OpenFile


class Opening(QObject):
    """Everything that leads to an open file, for the window.

    ``recent_menu`` lists the recent files and goes into the File menu.
    """

    def __init__(self, session: Session, notifications: Notifications, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._notifications, self._window = session, notifications, window
        self._refused: list[ErrorInfo] = []
        self.recent_menu = QMenu("Open recent", window)
        self.recent_menu.aboutToShow.connect(self._fill_recent)
        project = session.project
        project.refused.connect(lambda _path, error: self._refused.append(error))
        project.settled.connect(self._say_refused)
        project.symbols_wanted.connect(self.ask_symbols)
        project.left_out.connect(self._left_out)

    def open_paths(self, paths: Iterable[Path]) -> None:
        """Open files and folders."""
        self._session.project.open_paths([Path(p) for p in paths])

    def take_urls(self, urls: list[QUrl]) -> None:
        """Open what was dropped; say how much of it is not on this machine."""
        local = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        if len(local) < len(urls):
            self._notifications.warning(
                f"{len(urls) - len(local)} of what was dropped is not on this machine.",
                "Save it to a local folder first.",
            )
        self.open_paths(local)

    def ask_files(self) -> None:
        """Choose files to open."""
        names, _ = QFileDialog.getOpenFileNames(self._window, "Open files", self._last_folder())
        self.open_paths(Path(n) for n in names)

    def ask_folder(self) -> None:
        """Choose a folder to open."""
        name = QFileDialog.getExistingDirectory(self._window, "Open folder", self._last_folder())
        if name:
            self.open_paths([Path(name)])

    def _last_folder(self) -> str:
        recent = self._session.settings.recent
        return str(recent[0].parent) if recent else str(Path.home())

    def _fill_recent(self) -> None:
        menu, recent = self.recent_menu, self._session.settings.recent
        menu.clear()
        for path in recent:
            action = menu.addAction(f"{path.name}    {path.parent}")
            action.triggered.connect(lambda _=False, p=path: self.open_paths([p]))
        if not recent:
            menu.addAction("Nothing yet").setEnabled(False)
            return
        menu.addSeparator()
        menu.addAction("Clear", lambda: self._session.update_settings(recent=()))

    def ask_symbols(self, file: OpenFile) -> None:
        """Ask for the elements of a VASP 4 file."""
        SymbolsDialog(self._session, file, self._window).open()

    def _say_refused(self) -> None:
        refused, self._refused = self._refused, []
        if len(refused) <= 2:
            for error in refused:
                self._notifications.error(error)
            return
        lines = [f"{error.title} {error.hint}".strip() for error in refused]
        self._notifications.summary(f"{len(refused)} files could not be read", lines)

    def _left_out(self, count: int) -> None:
        self._notifications.warning(
            f"{count:,} files of the folder were not opened.",
            "The Classify and Train pages take whole folders.",
        )
