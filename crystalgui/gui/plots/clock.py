"""The one redraw timer: plots draw at most thirty times a second, and only when seen.

Events arrive far more often than an eye can follow.  A plot therefore never
draws when data arrive; it marks itself dirty, and the clock calls its
`redraw` at the next tick if it is visible.  Nothing dirty, no timer.
"""

from __future__ import annotations

import time
from typing import Protocol
from weakref import WeakKeyDictionary

import shiboken6
from PySide6.QtCore import QCoreApplication, QObject, QTimer

INTERVAL = 33
BUDGET = 0.008


class Redrawable(Protocol):
    """What the clock needs of a plot: a QWidget with `redraw`."""

    def isVisible(self) -> bool:
        """Whether the widget can be seen."""
        ...

    def redraw(self) -> None:
        """Bring the picture up to date with the data."""
        ...


class FrameClock(QObject):
    """Redraws dirty plots that are visible, oldest first.

    A tick that has spent 8 ms leaves the rest of the plots for the next one,
    so that a page with many plots never holds the window.  A hidden plot
    stays dirty and is drawn when it marks itself in its ``showEvent``.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._dirty: WeakKeyDictionary[Redrawable, None] = WeakKeyDictionary()
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._tick)
        self.frames = 0

    @property
    def running(self) -> bool:
        """Whether the timer ticks."""
        return self._timer.isActive()

    def mark(self, plot: Redrawable) -> None:
        """Ask for one redraw of ``plot``."""
        self._dirty[plot] = None
        if not self._timer.isActive() and _seen(plot):
            self._timer.start()

    def is_dirty(self, plot: Redrawable) -> bool:
        """Whether ``plot`` waits for a redraw."""
        return plot in self._dirty

    def _tick(self) -> None:
        start = time.perf_counter()
        waiting = [plot for plot in self._dirty if _seen(plot)]
        for plot in waiting:
            self._dirty.pop(plot, None)
            plot.redraw()
            self.frames += 1
            if time.perf_counter() - start > BUDGET:
                break
        self.rest()

    def rest(self) -> None:
        """Stop ticking when nothing dirty can be seen; a plot that hides calls it."""
        if not any(_seen(plot) for plot in self._dirty):
            self._timer.stop()


def _seen(plot: Redrawable) -> bool:
    """Whether the widget still exists and can be seen."""
    return shiboken6.isValid(plot) and plot.isVisible()


def clock() -> FrameClock:
    """The application's clock, made on first use and owned by the application."""
    app = QCoreApplication.instance()
    found = app.findChild(FrameClock, "frame clock") if app is not None else None
    if found is None:
        found = FrameClock(app)
        found.setObjectName("frame clock")
    return found
