"""How late the window is: a 16 ms timer in its own thread, and the worst delay seen."""

from __future__ import annotations

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
        self._last = 0.0
        self._worst = 0.0
        self._beats = 0

    def start(self) -> None:
        """Begin to measure."""
        self.reset()
        self._timer.start()

    def stop(self) -> None:
        """Stop measuring; the numbers stay."""
        self._timer.stop()

    def reset(self) -> None:
        """Forget what was measured."""
        self._last = time.perf_counter()
        self._worst = 0.0
        self._beats = 0

    def worst(self) -> float:
        """Longest delay of a beat since the last reset, ms, the running one included."""
        late = 0.0
        if self._timer.isActive():
            late = (time.perf_counter() - self._last) * 1000 - INTERVAL
        return max(self._worst, late)

    def beats(self) -> int:
        """Beats since the last reset."""
        return self._beats

    def _beat(self) -> None:
        now = time.perf_counter()
        self._worst = max(self._worst, (now - self._last) * 1000 - INTERVAL)
        self._last = now
        self._beats += 1
