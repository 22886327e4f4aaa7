"""Events on their way: the latest of each measure, and every one of the rest.

A running loss or a progress bar needs only its newest value; an epoch, a
prediction or an outcome must never be lost.  Pure Python, safe between
threads.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable

from crystalgui.core.messages import Event, Progress, StepMetrics


def coalescing_key(event: object) -> Hashable | None:
    """Events with the same key replace each other; None = must not be lost."""
    match event:
        case Progress(job_id=job_id):
            return ("progress", job_id)
        case StepMetrics(job_id=job_id, run_id=run_id):
            return ("step", job_id, run_id)
    return None


class Mailbox:
    """Events between two takes, in order.

    A newer event of the same key takes the older one's place at the end, so
    that what is taken is always a subsequence of what was put.
    """

    def __init__(self) -> None:
        self._filled = threading.Condition()
        self._events: dict[Hashable, Event] = {}
        self._count = 0
        self._closed = False

    def put(self, *events: Event) -> bool:
        """Add events; True when the box was empty before."""
        return self.extend(events)

    def extend(self, events: Iterable[Event]) -> bool:
        """Add events; True when the box was empty before and is not now."""
        with self._filled:
            empty = not self._events
            for event in events:
                key = coalescing_key(event)
                if key is None:
                    self._count += 1
                    key = self._count
                self._events.pop(key, None)
                self._events[key] = event
            if self._events:
                self._filled.notify_all()
            return empty and bool(self._events)

    def take(self) -> list[Event]:
        """Everything that waits; the box is empty afterwards."""
        with self._filled:
            events = list(self._events.values())
            self._events.clear()
            return events

    def wait(self) -> bool:
        """Wait until something is in the box; False when it was closed and is empty."""
        with self._filled:
            self._filled.wait_for(lambda: bool(self._events) or self._closed)
            return bool(self._events)

    def close(self) -> None:
        """Nothing more will come: nobody waits for it any longer."""
        with self._filled:
            self._closed = True
            self._filled.notify_all()

    def __len__(self) -> int:
        with self._filled:
            return len(self._events)
