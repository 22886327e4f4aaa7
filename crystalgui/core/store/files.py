"""Files that survive a crash: atomic writes, digests, and locks that die with us.

A `FolderLock` is a lock of the operating system (``flock``, or
``msvcrt.locking`` on Windows), so the death of its holder, even by
``kill -9``, releases it: a dead holder cannot be mistaken for a live one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from crystalgui.core.atomic import replacing as replacing
from crystalgui.core.atomic import sync_folder as sync_folder
from crystalgui.core.atomic import write_atomic as write_atomic
from crystalgui.core.errors import StoreError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_BUSY = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
_PROBE_SECONDS = 0.5
_LOCK_BYTE = 1 << 30  # far behind the text, so that the text stays readable


def sha256(path: Path | str) -> str:
    """SHA-256 of a file as 64 hex digits, read in pieces."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _grab(descriptor: int, *, shared: bool) -> bool:
    """Try once to lock an open file; False when somebody else has it."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _LOCK_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise StoreError(
            f"This disk cannot lock files: {error.strerror or error}.",
            "Put the project on a local disk.",
        ) from error
    return True


def _let_go(descriptor: int) -> None:
    """Unlock and close."""
    try:
        if sys.platform == "win32":
            os.lseek(descriptor, _LOCK_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


class FolderLock:
    """One process works in this folder.

    Parameters
    ----------
    folder : Path
        Must exist; the lock is its file ``.lock``.
    """

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / ".lock"
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self, wait: float = _PROBE_SECONDS) -> bool:
        """Take the lock; False when a living process still has it after ``wait`` seconds.

        The default waits a little, because another process may be probing.
        """
        if self._descriptor is not None:
            return True
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + wait
        while not _grab(descriptor, shared=False):
            if time.monotonic() > deadline:
                os.close(descriptor)
                return False
            time.sleep(0.01)
        text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()})
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, text.encode())
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            _let_go(descriptor)

    def is_live(self) -> bool:
        """Whether a living process, this one included, holds the lock."""
        if self.held:
            return True
        try:
            descriptor = os.open(self.path, os.O_RDWR)
        except FileNotFoundError:
            return False
        if not _grab(descriptor, shared=True):
            os.close(descriptor)
            return True
        _let_go(descriptor)
        return False

    def holder(self) -> str:
        """Who took the lock last, for messages; empty when unknown."""
        try:
            facts = json.loads(self.path.read_text(encoding="utf-8"))
            return f"process {int(facts['pid'])} on {facts['host']}"
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def __enter__(self) -> Self:
        if not self.acquire():
            raise StoreError(
                f"{self.path.parent.name} is in use by {self.holder() or 'another process'}.",
                "Wait until it has finished, or close the other window.",
                path=self.path.parent,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
