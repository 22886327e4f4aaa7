"""No process of ours may outlive the one that started it.

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
