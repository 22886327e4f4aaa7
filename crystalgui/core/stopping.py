"""Giving up long physics that nobody waits for any more.

Physics here is plain functions, and some of them take a minute: a certificate,
a node search, a density of states.  Whoever starts one says in which flag its
end can be asked for (`stoppable`); the loops over k-points look at it
(`check`), in whatever function they are called from, and end with `Stopped`.
Without a flag, a look costs a dictionary access and does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from crystalgui.core.errors import Stopped


class Flag(Protocol):
    """What `threading.Event` offers."""

    def is_set(self) -> bool:
        """Whether the end was asked for."""


_flag: ContextVar[Flag | None] = ContextVar("stop", default=None)


@contextmanager
def stoppable(flag: Flag | None) -> Iterator[None]:
    """What is computed inside, in this thread, ends soon after ``flag`` is set."""
    token = _flag.set(flag)
    try:
        yield
    finally:
        _flag.reset(token)


def stop_flag() -> Flag | None:
    """The flag of this thread, to be handed to threads that it starts."""
    return _flag.get()


def check(flag: Flag | None = None) -> None:
    """End here when that was asked for.

    Parameters
    ----------
    flag : Flag, optional
        Default: the one of this thread.

    Raises
    ------
    Stopped
    """
    flag = flag or _flag.get()
    if flag is not None and flag.is_set():
        raise Stopped("Stopped.", "Start it again when it is wanted.")
