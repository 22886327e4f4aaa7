"""Writing a file so that a crash leaves the old one or the new one, never half.

Temporary file in the same folder -> flush -> fsync -> ``os.replace`` -> fsync
of the folder.  Settings, the store and every exporter write through here.
"""

from __future__ import annotations

import errno
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from crystalgui.core.errors import ResourceError


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` durable, where the system can."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems refuse to sync a folder; the file is safe.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(path: Path, error: OSError) -> ResourceError:
    return ResourceError(
        f"Cannot write the file: {error.strerror or error}.",
        "Check free space and permissions, or choose another folder.",
        path=path,
    )


def check_target(path: Path | str) -> None:
    """Refuse a path that no file can be written to, before the work that makes its content.

    Nothing is made.  A full disk is found only by writing.

    Raises
    ------
    ResourceError
        When it is a folder, or lies in something that is no folder or is not ours to write.
    """
    path = Path(path)
    if path.is_dir():
        raise ResourceError(
            "Cannot write the file: this is a folder.", "Give the name of a file.", path=path
        )
    folder = next(p for p in (*path.absolute().parents,) if p.exists())
    if not folder.is_dir():
        raise ResourceError(
            f"Cannot write the file: {folder.name} is not a folder.",
            "Choose another folder.",
            path=path,
        )
    if not path.exists() and not os.access(folder, os.W_OK):
        raise _refused(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


@contextmanager
def replacing(path: Path | str) -> Iterator[BinaryIO]:
    """A binary file that takes the place of ``path`` when the block ends well.

    Use it to stream something large.  When the block raises, ``path`` is
    untouched and the temporary file is removed.

    Raises
    ------
    ResourceError
        When the disk is full, the folder is read-only, and so on.
    """
    path = Path(path)
    check_target(path)
    if path.exists() and not path.is_file():
        # A pipe, /dev/stdout or /dev/null is written to; it must not be replaced by a file.
        try:
            with open(path, "wb") as stream:
                yield stream
        except OSError as error:
            raise _refused(path, error) from error
        return
    temporary = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomic(path: Path | str, content: bytes | str) -> None:
    """Replace ``path`` by ``content`` in one step; text is written as UTF-8.

    Raises
    ------
    ResourceError
        When it cannot be written; the old file is then untouched.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    with replacing(path) as stream:
        stream.write(data)
