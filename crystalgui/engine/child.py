"""The first lines that run in the compute process, before anything heavy.

They make sure that the process cannot outlive its parent, that Ctrl+C in a
terminal is the parent's affair, and that everything written to stdout or
stderr, also by C code that crashes, ends in the log file.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from crystalgui.core.processes import die_with
from crystalgui.engine.work import resolve


def write_to(log: Path) -> None:
    """Send stdout and stderr, of Python and of C, to ``log``."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="replace", closefd=False, buffering=1)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="replace", closefd=False, buffering=1)
    faulthandler.enable(sys.stderr)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )


def main(door: str, connection: Connection, handlers: str, log: Path, parent: int) -> None:
    """Set the process up and open ``door`` (``"module:function"``)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        os.setpgrp()  # so that its own children can be ended with it
    die_with(parent)
    write_to(log)
    resolve(door)(connection, handlers)
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # unloading torch takes seconds, and the window waits for our end
