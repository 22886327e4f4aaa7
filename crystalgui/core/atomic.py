"""Writing a file so that a crash leaves the old one or the new one, never half.

Temporary file in the same folder -> flush -> fsync -> ``os.replace`` -> fsync
of the folder.  Settings, the store and every exporter write through here.
"""

from __future__ import annotations

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
        raise ResourceError(
            f"Cannot write the file: {error.strerror or error}.",
            "Check free space and permissions, or choose another folder.",
            path=path,
        ) from error
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
