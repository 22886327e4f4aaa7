"""The interactive lane: quick answers for sliders, without ever blocking the window.

A request is a function and its immutable arguments.  `Lane.ask` keeps only
the latest request of each channel and serves the channels in turn;
`Lane.run` does everything it is given, in order, in a thread of its own, so
that parsing a large file does not stop a slider.  What may take a minute (a
certificate) gets a thread of its own by name, and gives up soon after
`Lane.forget`.  Callbacks run in the thread of the lane (the window's) and are
dropped when their owner was destroyed.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import shiboken6
from PySide6.QtCore import QCoreApplication, QObject, Qt, QThread, Signal, Slot

from crystalgui.core.messages import ErrorInfo
from crystalgui.core.stopping import stoppable
from crystalgui.engine.garbage import Garbage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Request:
    ticket: int
    function: Callable[..., object]
    arguments: tuple[object, ...]
    keywords: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Receiver:
    """What happens with an answer; never leaves the window's thread."""

    channel: str
    on_answer: Callable[[Any], None]
    on_error: Callable[[ErrorInfo], None] | None
    owner: weakref.ref[QObject] | None

    def is_alive(self) -> bool:
        if self.owner is None:
            return True
        owner = self.owner()
        return owner is not None and shiboken6.isValid(owner)


class _Desk(QObject):
    """Works in a thread: takes one request after the other."""

    answered = Signal(int, object)
    failed = Signal(int, object)
    _woken = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._waiting: dict[object, _Request] = {}
        self._current: object = None
        self._stop = threading.Event()
        self._awake = False
        self._woken.connect(self._work, Qt.ConnectionType.QueuedConnection)

    def put(self, key: object, request: _Request) -> int | None:
        """Queue a request; returns the ticket of the one it replaces."""
        with self._lock:
            old = self._waiting.get(key)
            self._waiting[key] = request  # keeps the turn of the old one
            wake, self._awake = not self._awake, True
        if wake:
            self._woken.emit()
        return old.ticket if old is not None else None

    def drop(self, key: object) -> None:
        """Forget a request that waits, and stop the one under way."""
        with self._lock:
            self._waiting.pop(key, None)
            if key == self._current:
                self._stop.set()

    def clear(self) -> None:
        """Forget everything that waits, and stop what is under way."""
        with self._lock:
            self._waiting.clear()
            self._stop.set()

    @Slot()
    def _work(self) -> None:
        """Do one request, then let the thread's other events pass."""
        with self._lock:
            if not self._waiting:
                self._awake = False
                return
            key = next(iter(self._waiting))
            request = self._waiting.pop(key)
            self._current, self._stop = key, threading.Event()
        try:
            with stoppable(self._stop):
                answer = request.function(*request.arguments, **request.keywords)
        except Exception as error:  # noqa: BLE001 - it crosses to the window as text
            self.failed.emit(request.ticket, ErrorInfo.of(error))
        else:
            self.answered.emit(request.ticket, answer)
        with self._lock:
            self._current = None
        self._woken.emit()


class Lane(QObject):
    """Threads for work that a person waits for: quick, slow, in order, and long ones by name.

    Signals
    -------
    failed : ErrorInfo
        An error of a request that had no ``on_error``.
    idle : emitted when the last answer was delivered.
    """

    failed = Signal(object)
    idle = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._receivers: dict[int, _Receiver] = {}
        self._count = 0
        self._closed = False
        self._garbage = Garbage(self)
        self._threads: list[QThread] = []
        self._desks: list[_Desk] = []
        self._quick = self._desk("lane-quick")
        self._slow = self._desk("lane-slow")
        self._long = self._desk("lane-long")
        self._own: dict[str, _Desk] = {}
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.shutdown)

    def _desk(self, name: str) -> _Desk:
        thread = QThread(self)
        thread.setObjectName(name)
        desk = _Desk()
        desk.moveToThread(thread)
        desk.answered.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        desk.failed.connect(self._deliver_error, Qt.ConnectionType.QueuedConnection)
        thread.start()
        self._threads.append(thread)
        self._desks.append(desk)
        return desk

    def ask(
        self,
        channel: str,
        function: Callable[..., T],
        *args: object,
        on_answer: Callable[[T], None],
        on_error: Callable[[ErrorInfo], None] | None = None,
        owner: QObject | None = None,
        slow: bool = False,
        desk: str = "",
        **kwargs: object,
    ) -> None:
        """Ask for ``function(*args, **kwargs)``; a newer request of the channel replaces it.

        Parameters
        ----------
        channel : str
            E.g. ``"slice"``: what waits there and was not begun is dropped.
        on_answer, on_error : callable
            Called in the window's thread.  An answer that was computed is
            delivered even when a newer request waits, so that a slider that
            keeps moving shows something; answers never change their order.
        owner : QObject, optional
            When it is gone, nobody is called; default: the object whose
            method ``on_answer`` is.
        slow : bool
            It may take seconds: another thread does it, so that the sliders of
            the other channels do not wait.
        desk : str
            It may take a minute: the thread of this name does it, so that
            nothing waits but what shares the name.
        """
        ticket = self._admit(channel, on_answer, on_error, owner)
        if ticket is not None:
            if desk and desk not in self._own:
                self._own[desk] = self._desk(f"lane-{desk}")
            place = self._own[desk] if desk else self._slow if slow else self._quick
            replaced = place.put(channel, _Request(ticket, function, args, kwargs))
            if replaced is not None:
                self._receivers.pop(replaced, None)

    def run(
        self,
        function: Callable[..., T],
        *args: object,
        on_answer: Callable[[T], None],
        on_error: Callable[[ErrorInfo], None] | None = None,
        owner: QObject | None = None,
        **kwargs: object,
    ) -> None:
        """Do ``function(*args, **kwargs)`` in its turn; nothing is left out.

        For reading files and other work that may take a while.  Parameters as
        for `ask`.
        """
        ticket = self._admit("", on_answer, on_error, owner)
        if ticket is not None:
            self._long.put(ticket, _Request(ticket, function, args, kwargs))

    def forget(self, channel: str) -> None:
        """Drop what waits on a channel and the answer under way, which ends at its next check."""
        for desk in self._desks:
            desk.drop(channel)
        for ticket, receiver in tuple(self._receivers.items()):
            if receiver.channel == channel:
                self._receivers.pop(ticket)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self._receivers)

    @Slot()
    def shutdown(self, timeout: float = 5.0) -> bool:
        """End the threads; what waits is dropped, what is under way is stopped.

        Returns
        -------
        bool
            False when a request did not end within ``timeout`` seconds.
        """
        if self._closed:
            return True
        self._closed = True
        self._receivers.clear()
        for desk in self._desks:
            desk.clear()
        for thread in self._threads:
            thread.quit()
        ended = [thread.wait(int(timeout * 1000)) for thread in self._threads]
        if all(ended):
            self._garbage.stop()
        return all(ended)

    # --------------------------------------------------------------- delivery

    def _admit(
        self,
        channel: str,
        on_answer: Callable[[Any], None],
        on_error: Callable[[ErrorInfo], None] | None,
        owner: QObject | None,
    ) -> int | None:
        if self._closed:
            return None
        if owner is None:
            bound = getattr(on_answer, "__self__", None)
            owner = bound if isinstance(bound, QObject) else None
        self._count += 1
        reference = weakref.ref(owner) if owner is not None else None
        self._receivers[self._count] = _Receiver(channel, on_answer, on_error, reference)
        return self._count

    @Slot(int, object)
    def _deliver(self, ticket: int, answer: object) -> None:
        receiver = self._receivers.pop(ticket, None)
        if receiver is not None and receiver.is_alive():
            receiver.on_answer(answer)
        self._settle(receiver)

    @Slot(int, object)
    def _deliver_error(self, ticket: int, error: ErrorInfo) -> None:
        receiver = self._receivers.pop(ticket, None)
        if receiver is not None and receiver.is_alive():
            if receiver.on_error is not None:
                receiver.on_error(error)
            else:
                self.failed.emit(error)
        self._settle(receiver)

    def _settle(self, receiver: _Receiver | None) -> None:
        if receiver is not None and not self._receivers:
            self.idle.emit()
