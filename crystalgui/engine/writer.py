"""Small files written beside the window: a safe write waits for the disk, 65 ms and more.

What is put is written in order by one thread.  Of several writes to the same
path only the newest that waits is made.  `Writer.flush` waits for the disk;
the interpreter does so too before it ends, so nothing that was put is lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import ErrorInfo


class Writer(QObject):
    """Writes files in a thread of its own.

    Signals
    -------
    failed : ErrorInfo
        The disk refused; what was there before stays.
    """

    failed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(1, "writer")
        self._lock = threading.Lock()
        self._waiting: dict[Path, Callable[[Path], object]] = {}
        self._last: Future[None] | None = None

    def put(self, path: Path, write: Callable[[Path], object]) -> None:
        """Call ``write(path)`` soon; it replaces a write to this path that has not begun."""
        with self._lock:
            known = path in self._waiting
            self._waiting[path] = write
        if not known:
            self._last = self._pool.submit(self._work, path)

    def flush(self) -> None:
        """Wait until everything that was put is written."""
        if self._last is not None:
            wait([self._last])

    def _work(self, path: Path) -> None:
        with self._lock:
            write = self._waiting.pop(path)
        try:
            write(path)
        except Exception as error:  # noqa: BLE001 - it crosses to the window as text
            self.failed.emit(ErrorInfo.of(error))
