"""Collects reference cycles in the window's thread only.

Python starts its cycle collector in whatever thread happens to allocate.  A
widget or a timer that became garbage in a cycle would then be destroyed in
the thread that computes bands, which Qt answers with a crash.  While threads
beside the window's run Python, cycles are therefore collected by a timer.
"""

from __future__ import annotations

import gc
from typing import ClassVar

from PySide6.QtCore import QObject, QTimer

INTERVAL = 250
"""Between two looks, ms."""
RARER = 4
"""Full collections take tens of milliseconds and are so many times rarer than Python's."""


class Garbage(QObject):
    """Takes the collection over from Python, from its making until `stop`."""

    _others: ClassVar[int] = 0

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        Garbage._others += 1
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def stop(self) -> None:
        """Give the collection back to Python."""
        if self._timer.isActive():
            self._timer.stop()
            Garbage._others -= 1
            if not Garbage._others:
                gc.enable()

    def look(self) -> int:
        """Collect the generation whose turn it is; which one, or -1."""
        counts, limits = gc.get_count(), gc.get_threshold()
        for generation, factor in ((2, RARER), (1, 1), (0, 1)):
            if counts[generation] > factor * limits[generation]:
                gc.collect(generation)
                return generation
        return -1
