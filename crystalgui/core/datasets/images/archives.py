"""Files of a folder, a zip or a tar archive, one after the other and never unpacked to disk.

A compressed archive is read as a stream, so that sixty thousand images need
neither their space nor their time twice.  Nothing here runs what it reads.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from crystalgui.core.errors import FileError

IMAGES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm")
)
TARS = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
_KNOWN = IMAGES | {".bin"}
_WORDS = ("license", "licence", "batches.meta.txt")
_MOST_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class Entry:
    """One file.

    Attributes
    ----------
    name : str
        Relative path with ``/``.
    data : bytes
        Empty for files that nobody asked for.
    done : float
        Share of the whole that was read when it came, 0 to 1.
    """

    name: str
    data: bytes
    done: float


def is_archive(path: Path) -> bool:
    """Whether the name is that of a zip or tar."""
    return path.name.lower().endswith((".zip", *TARS))


def first_names(path: Path, most: int = 64) -> list[str]:
    """Names of the first files of a zip, read without its list; empty for others."""
    names: list[str] = []
    with open(path, "rb") as file:
        while len(names) < most:
            head = file.read(30)
            if len(head) < 30 or head[:4] != b"PK\3\4":
                break
            flags, packed = struct.unpack("<6xH10xI", head[:22])
            length, extra = struct.unpack("<HH", head[26:])
            names.append(file.read(length).decode("utf-8", "replace"))
            if flags & 8 and not packed:  # its size stands behind it
                break
            file.seek(extra + packed, os.SEEK_CUR)
    return names


def entries(source: Path) -> Iterator[Entry]:
    """Files of a folder, zip or tar in the order in which they lie there.

    Raises
    ------
    FileError
        When the source cannot be read, or is damaged.
    """
    try:
        if source.is_dir():
            yield from _of_folder(source)
        elif zipfile.is_zipfile(source):
            yield from _of_zip(source)
        elif is_archive(source):
            yield from _of_tar(source)
        else:
            raise FileError(
                "This is neither a folder nor a zip or tar archive.",
                "Choose a folder of images, an archive, or an idx file.",
                path=source,
            )
    except (tarfile.TarError, lzma.LZMAError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise FileError(
            "This archive is damaged or cut off.", "Fetch it again.", str(error), path=source
        ) from error
    except (RuntimeError, NotImplementedError) as error:  # zipfile's words for what it cannot read
        raise FileError(
            "This archive is encrypted, or packed in a way that cannot be read.",
            "Pack it again as a plain zip.",
            str(error),
            path=source,
        ) from error
    except OSError as error:
        raise FileError(
            f"The images cannot be read: {error.strerror or error}.",
            "Check the file and its permissions.",
            path=error.filename or source,
        ) from error


def ending(name: str) -> str:
    """``.png`` of ``train/cat/1.PNG``."""
    return os.path.splitext(name)[1].lower()


def hidden(name: str) -> bool:
    """Whether a file or a folder above it is one that systems leave about."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _wanted(name: str, size: int) -> bool:
    """Whether the contents are needed: images, CIFAR's binary files, licences."""
    last = name.rpartition("/")[2].lower()
    known = ending(name) in _KNOWN or last.startswith(_WORDS)
    return known and size <= _MOST_BYTES and not hidden(name)


def _of_folder(folder: Path) -> Iterator[Entry]:
    found = []
    for place, folders, files in os.walk(folder):
        folders.sort()
        here = Path(place)
        found += [here / name for name in sorted(files)]
    for number, path in enumerate(found, 1):
        name = path.relative_to(folder).as_posix()
        try:
            data = path.read_bytes() if _wanted(name, path.stat().st_size) else b""
        except PermissionError:
            data = b""
        yield Entry(name, data, number / len(found))


def _of_zip(path: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        for number, info in enumerate(members, 1):
            data = archive.read(info) if _wanted(info.filename, info.file_size) else b""
            yield Entry(info.filename, data, number / len(members))


def _of_tar(path: Path) -> Iterator[Entry]:
    size = max(1, path.stat().st_size)
    with (
        open(path, "rb") as raw,
        _unpacked(raw) as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        for member in archive:
            name = member.name.removeprefix("./")
            if not member.isfile():
                continue
            data = b""
            if _wanted(name, member.size) and (stream := archive.extractfile(member)):
                data = stream.read()
            yield Entry(name, data, raw.tell() / size)


def _unpacked(raw: IO[bytes]) -> IO[bytes]:
    """A stream of the plain tar."""
    head = raw.read(6)
    raw.seek(0)
    if head[:2] == b"\x1f\x8b":
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if head == b"\xfd7zXZ\0":
        return cast(IO[bytes], lzma.LZMAFile(raw))
    if head[:3] == b"BZh":
        return cast(IO[bytes], bz2.BZ2File(raw))
    return raw
