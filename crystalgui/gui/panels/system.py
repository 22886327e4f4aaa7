"""System information for Help, gathered by ``crystalgui doctor`` in its own process.

The window never imports torch, and probing OpenGL may crash with a broken
driver; a separate process answers both questions safely.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QProcess
from PySide6.QtWidgets import QWidget

from crystalgui.core.settings import home
from crystalgui.gui.panels.dialogs import TextDialog


def log_file() -> Path:
    """The log file of this session."""
    return home() / "logs" / "crystalgui.log"


def command(*arguments: str) -> tuple[str, list[str]]:
    """Program and arguments that start this program's command line."""
    if getattr(sys, "frozen", False):
        return sys.executable, list(arguments)
    return sys.executable, ["-m", "crystalgui", *arguments]


class SystemDialog(TextDialog):
    """Versions, graphics, paths: to read and to copy into a report."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("System information", "Looking…", parent)
        self.process = QProcess(self)
        self.process.setProcessChannelMode(QProcess.ProcessChannelMode.SeparateChannels)
        self.process.finished.connect(self._answered)
        self.process.errorOccurred.connect(self._broken)
        program, arguments = command("doctor")
        self.process.start(program, arguments)
        self.finished.connect(self._stop)

    def _answered(self, code: int, _status: object) -> None:
        out = bytes(self.process.readAllStandardOutput().data()).decode(errors="replace")
        err = bytes(self.process.readAllStandardError().data()).decode(errors="replace")
        self.fill(out if code == 0 and out else f"{out}\n{err}".strip())

    def _broken(self, _error: object) -> None:
        self.fill(f"It could not be asked: {self.process.errorString()}")

    def _stop(self, _result: int) -> None:
        if self.process.state() != QProcess.ProcessState.NotRunning:
            self.process.kill()
            self.process.waitForFinished(2000)
