"""How late the window is: a 16 ms timer in its own thread, and the worst delay seen."""

from __future__ import annotations

import os
import time

from PySide6.QtCore import QObject, Qt, QTimer

INTERVAL = 16


class Heartbeat(QObject):
    """Measures the lateness of the thread it lives in.

    Used by the status line and by the end-to-end test.  Start it with
    `start`; a beat costs a few microseconds.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._beat)
        self._queue = -1
        self._last = self._queued = 0.0
        self._worst = self._own = 0.0
        self._beats = 0

    def start(self) -> None:
        """Begin to measure."""
        if self._queue < 0:
            self._queue = _run_queue()
        self.reset()
        self._timer.start()

    def stop(self) -> None:
        """Stop measuring; the numbers stay."""
        self._timer.stop()
        if self._queue >= 0:
            os.close(self._queue)
            self._queue = -1

    def reset(self) -> None:
        """Forget what was measured."""
        self._last, self._queued = time.perf_counter(), self._waited()
        self._worst = self._own = 0.0
        self._beats = 0

    def worst(self) -> float:
        """Longest delay of a beat since the last reset, ms, the running one included."""
        late = 0.0
        if self._timer.isActive():
            late = (time.perf_counter() - self._last) * 1000 - INTERVAL
        return max(self._worst, late)

    def own(self) -> float:
        """The same up to the last beat, without the time in which other processes had the cores.

        Only Linux says so; elsewhere it is the whole delay.
        """
        return self._own

    def beats(self) -> int:
        """Beats since the last reset."""
        return self._beats

    def _beat(self) -> None:
        now, queued = time.perf_counter(), self._waited()
        late = (now - self._last) * 1000 - INTERVAL
        self._worst = max(self._worst, late)
        self._own = max(self._own, late - (queued - self._queued))
        self._last, self._queued = now, queued
        self._beats += 1

    def _waited(self) -> float:
        """How long this thread was ready to run and had no core, ms."""
        if self._queue < 0:
            return 0.0
        return int(os.pread(self._queue, 96, 0).split()[1]) / 1e6


def _run_queue() -> int:
    """The scheduler's statistics of the thread that calls, open for reading; -1 without any."""
    try:
        return os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:
        return -1
