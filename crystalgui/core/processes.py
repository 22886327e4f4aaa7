"""Processes of our own: one for a long call, and none that outlives its parent.

A pool's process that is killed together with nothing else blocks for ever on
a pipe its siblings keep open; so each asks the system to go with its parent.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from crystalgui.core.errors import ResourceError

T = TypeVar("T")

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """On Linux, let the kernel kill this process when its parent ``parent`` dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was too late
            os._exit(1)


def end_with_parent() -> None:
    """Call this first in a process that `multiprocessing` started, e.g. as initializer.

    Works on every system; on Linux the kernel does it even when this process
    holds the interpreter lock in a long computation.
    """
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return
    die_with(parent.pid)

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="parent-watch", daemon=True).start()


def apart(function: Callable[..., T], *args: object) -> T:
    """``function(*args)`` in a process of its own; waits without the interpreter lock.

    For a library call that keeps the lock for long and would freeze a window
    of this process.  Function, arguments and answer must be picklable.

    Raises
    ------
    Exception
        What the function raised.
    ResourceError
        When the process died.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_answer, args=(theirs, function, args), name=function.__name__, daemon=True
    )
    process.start()
    theirs.close()
    try:
        answer, error = ours.recv()
    except EOFError:
        process.join()
        raise ResourceError(
            f"The process that worked on {function.__name__} ended with {process.exitcode}.",
            "Close other programs if memory is short, and try again.",
        ) from None
    finally:
        ours.close()
    process.join()
    if error is not None:
        raise error
    result: T = answer
    return result


def _answer(pipe: Connection, function: Callable[..., object], args: tuple[object, ...]) -> None:
    """Send back what the function returned or raised."""
    end_with_parent()
    try:
        pipe.send((function(*args), None))
    except Exception as error:  # noqa: BLE001 - it is raised again on the other side
        pipe.send((None, error))
