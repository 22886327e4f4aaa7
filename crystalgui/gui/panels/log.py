"""The log of this session, with its file."""

from __future__ import annotations

import time
from html import escape

from PySide6.QtGui import QFontMetrics, QTextOption
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from crystalgui.gui.theme import SPACE, font, theme
from crystalgui.gui.widgets import Chip, copy_text

MOST_LINES = 5000


class LogPanel(QWidget):
    """Lines with time and level; the oldest go first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: list[tuple[str, str, str]] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACE[2], 0, SPACE[2], SPACE[1])
        self.view = QPlainTextEdit(self)
        self.view.setObjectName("Log")
        self.view.setReadOnly(True)
        self.view.setFont(font("mono"))
        self.view.setMaximumBlockCount(MOST_LINES)
        self.view.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.view.setAccessibleName("Log")
        self.view.setTabStopDistance(QFontMetrics(font("mono")).horizontalAdvance(" ") * 4)
        layout.addWidget(self.view, 1)
        row = QHBoxLayout()
        row.addStretch(1)
        copy = Chip("Copy all", tooltip="Copy the log")
        copy.clicked.connect(lambda: copy_text(self.text()))
        row.addWidget(copy)
        layout.addLayout(row)
        theme().changed.connect(self._repaint)

    def add(self, text: str, level: str = "info") -> None:
        """Append a line."""
        line = (time.strftime("%H:%M:%S"), level, text)
        self._lines.append(line)
        del self._lines[:-MOST_LINES]
        self.view.appendHtml(self._html(line))

    def text(self) -> str:
        """The whole log."""
        return "\n".join(f"{at} {level:7} {text}" for at, level, text in self._lines)

    def _html(self, line: tuple[str, str, str]) -> str:
        at, level, text = line
        tokens = theme().tokens
        ink = {"warning": tokens.warn, "error": tokens.bad}.get(level, tokens.text)
        words = escape(text).replace("\n", "<br>")
        return (
            f'<span style="color:{tokens.muted}">{at}&nbsp;&nbsp;</span>'
            f'<span style="color:{ink}">{words}</span>'
        )

    def _repaint(self) -> None:
        self.view.clear()
        for line in self._lines[-1000:]:
            self.view.appendHtml(self._html(line))
