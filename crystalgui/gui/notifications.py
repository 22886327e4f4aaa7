"""Messages that a person sees: a toast for the moment, the log for later.

Errors never live in the console only.  The window listens to `posted` for
toasts and to `logged` for the log panel; the rotating log file gets all.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QObject, Signal

from crystalgui.core.errors import CrystalError
from crystalgui.core.messages import ErrorInfo

Level = Literal["info", "warning", "error"]
log = logging.getLogger("crystalgui")
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message: what happened, what to do, details to copy."""

    level: Level
    title: str
    hint: str = ""
    details: str = ""

    @property
    def text(self) -> str:
        """Everything, for the clipboard."""
        return "\n".join(part for part in (self.title, self.hint, self.details) if part)


class Notifications(QObject):
    """The one place where messages to the person begin."""

    posted = Signal(object)
    logged = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.history: list[Notice] = []

    def info(self, text: str) -> None:
        """Say something in passing; it goes away by itself."""
        self._post(Notice(level="info", title=text))

    def warning(self, title: str, hint: str = "", details: str = "") -> None:
        """Something needs attention but nothing failed."""
        self._post(Notice(level="warning", title=title, hint=hint, details=details))

    def error(self, error: ErrorInfo | CrystalError) -> None:
        """Something failed: what, remedy, and details to copy."""
        info = ErrorInfo.of(error) if isinstance(error, BaseException) else error
        self._post(Notice(level="error", title=info.title, hint=info.hint, details=info.details))

    def summary(self, title: str, lines: Sequence[str], shown: int = 4) -> None:
        """Several failures in one toast; every line stands in the log."""
        for line in lines:
            self.log(line, "error")
        words = "\n".join(f"• {line}" for line in lines[:shown])
        more = f"\n… and {len(lines) - shown} more in the log." if len(lines) > shown else ""
        notice = Notice(level="error", title=title, hint=words + more, details="\n".join(lines))
        self.history.append(notice)
        self.posted.emit(notice)

    def log(self, text: str, level: str = "info") -> None:
        """Only the log, no toast."""
        log.log(_LEVELS.get(level, logging.INFO), "%s", text)
        self.logged.emit(text, level)

    def _post(self, notice: Notice) -> None:
        self.history.append(notice)
        del self.history[:-500]
        self.log(f"{notice.title} {notice.hint}".strip(), notice.level)
        if notice.details:
            log.debug("%s", notice.details)
        self.posted.emit(notice)
