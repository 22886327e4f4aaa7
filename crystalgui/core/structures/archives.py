"""Every structure file of files, folders and zip archives, one after the other.

Archives are never unpacked to disk.  One with a member that points outside
itself, or that would unpack to an absurd size, is refused as a whole: nobody
makes such a file by accident.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from crystalgui.core.errors import FileError
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.reading import (
    HEAD,
    MOST_BYTES,
    decode,
    read_crystal,
    read_crystal_text,
    sniff,
    sniff_bytes,
    too_large,
    unpack,
    within_limit,
)

MOST_MEMBERS = 2_000_000
MOST_UNPACKED = 20_000_000_000
MOST_RATIO = 200
"""A member of more than a megabyte may shrink by this factor, not more."""


@lru_cache(maxsize=4)
def _opened(path: Path, _size: int, _time: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _archive(path: Path) -> zipfile.ZipFile:
    """The archive, opened once; reading its index again for every member is slow."""
    try:
        status = path.stat()
        if not path.is_file():
            raise FileError("This is not an ordinary file.", "Choose a file.", path=path)
        return _opened(path, status.st_size, status.st_mtime_ns)
    except PermissionError as error:
        raise FileError(
            "You have no permission to read the archive.", "Ask its owner.", path=path
        ) from error
    except FileNotFoundError as error:
        raise FileError("There is no such file.", "Check the name.", path=path) from error
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FileError(
            "The zip archive is damaged or not a zip archive.",
            "Copy or download it again.",
            str(error),
            path=path,
        ) from error


def close_archives() -> None:
    """Close every archive that is still open, so that it can be moved or deleted."""
    _opened.cache_clear()


@dataclass(frozen=True, slots=True)
class StructureFile:
    """A structure file that is not read yet; call it to get the crystal.

    It holds only paths, so it can cross to another process.

    Attributes
    ----------
    path : Path
        The file, or the zip archive.
    member : str
        Name inside the archive, or an empty string.
    """

    path: Path
    member: str = ""

    def __call__(self) -> Crystal:
        """Read the crystal; raises `FileError`."""
        if not self.member:
            return read_crystal(self.path)
        inside = Path(self.member)
        text = decode(_member_bytes(self.path, self.member), inside)
        return read_crystal_text(text, self.member, source=self.path / self.member)


@dataclass(frozen=True, slots=True)
class Refused:
    """Stands for a file or an archive that cannot be used; calling it raises why."""

    path: Path
    title: str
    hint: str

    def __call__(self) -> Crystal:
        """Raise the reason."""
        raise FileError(self.title, self.hint, path=self.path)


def _member_bytes(path: Path, member: str) -> bytes:
    """Bytes of a member, decompressed, within the size limit."""
    inside = Path(member)
    archive = _archive(path)
    try:
        info = archive.getinfo(member)
        if info.flag_bits & 1:
            raise FileError(
                "This member of the archive is encrypted.", "Unpack it first.", path=inside
            )
        if info.file_size > MOST_BYTES:
            raise too_large(info.file_size, inside)
        with archive.open(info) as file:
            data = file.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, KeyError) as error:
        raise FileError(
            "This member of the archive is damaged.",
            "Make or download the archive again.",
            str(error),
            path=inside,
        ) from error
    return within_limit(unpack(within_limit(data, inside), inside), inside)


def _outside(name: str) -> bool:
    """Whether a member name leaves the archive."""
    plain = name.replace("\\", "/")
    return plain.startswith("/") or ".." in plain.split("/") or plain[1:2] == ":" or "\0" in name


def check_archive(path: Path) -> list[str]:
    """Names of the members that are files, after the checks of safety.

    Raises
    ------
    FileError
        When a member points outside the archive, or it is a zip bomb.
    """
    infos = _archive(path).infolist()
    total = sum(i.file_size for i in infos)
    dense = [i for i in infos if i.file_size > 1e6 and i.file_size > MOST_RATIO * i.compress_size]
    if len(infos) > MOST_MEMBERS or total > MOST_UNPACKED or dense:
        raise FileError(
            f"The zip archive would unpack to {total / 1e6:,.0f} MB from "
            f"{path.stat().st_size / 1e6:,.1f} MB: it looks like a zip bomb.",
            "Do not use it; pack the structure files again yourself.",
            path=path,
        )
    for info in infos:
        if _outside(info.filename) or _outside(info.orig_filename):
            raise FileError(
                f"The zip archive has a member that points outside itself: {info.filename!r}.",
                "Do not use it; pack the structure files again yourself.",
                path=path,
            )
    return [i.filename for i in infos if not i.is_dir()]


def _in_archive(path: Path) -> Iterator[tuple[str, Callable[[], Crystal]]]:
    """Structure files of a zip archive; a nested archive is a refusal."""
    try:
        names = check_archive(path)
    except FileError as error:
        yield path.name, Refused(path, error.title, error.hint)
        return
    found = False
    for name in names:
        if "__MACOSX" in name or name.rsplit("/", 1)[-1].startswith("."):
            continue
        if name.lower().endswith(".zip"):
            found = True
            hint = "Unpack the inner archive first."
            yield name, Refused(path / name, "Archives inside archives are not opened.", hint)
        elif _member_kind(path, name) == "crystal":
            found = True
            yield name, StructureFile(path, name)
    if not found:
        yield path.name, Refused(path, "The archive has no structure files.", "Add some.")


def _member_kind(path: Path, name: str) -> str:
    """Kind of a member; its first bytes are read only when the name says nothing."""
    kind = sniff_bytes(name, b"")
    if kind != "unknown":
        return kind
    try:
        with _archive(path).open(name) as file:
            return sniff_bytes(name, file.read(HEAD))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, FileError):
        return "unknown"


def _in_folder(folder: Path) -> Iterator[tuple[str, Callable[[], Crystal]]]:
    """Structure files below a folder in alphabetical order; hidden ones are skipped."""
    found = False
    locked: list[OSError] = []
    for root, folders, files in os.walk(folder, onerror=locked.append):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in sorted(files):
            path = Path(root) / file
            name = path.relative_to(folder).as_posix()
            if file.startswith("."):
                continue
            if file.lower().endswith(".zip"):
                found = True
                for inner, thunk in _in_archive(path):
                    yield name if inner == path.name else f"{name}/{inner}", thunk
            elif sniff(path) == "crystal":
                found = True
                yield name, StructureFile(path)
    for error in locked:
        found = True
        path = Path(error.filename or folder)
        why = f"The folder cannot be read: {error.strerror or error}."
        yield path.name or str(path), Refused(path, why, "Check its permissions.")
    if not found:
        yield (
            folder.name or str(folder),
            Refused(folder, "The folder has no structure files.", "Choose another folder."),
        )


def _printable(name: str) -> str:
    """A name of the file system as text that can be written."""
    return os.fsencode(name).decode(errors="replace")


def collect(paths: Iterable[Path | str]) -> Iterator[tuple[str, Callable[[], Crystal]]]:
    """Every structure file in files, folders and zip archives, lazily.

    Parameters
    ----------
    paths : iterable of Path

    Yields
    ------
    name : str
        File name, path below the folder, or member name; made unique by the
        name of its source when two are equal.  Bytes that are no UTF-8 are shown as
        U+FFFD, so that any table and terminal can hold it.
    read : callable
        Reads the crystal or raises `FileError`.  A file that was named
        explicitly always appears, whatever it is.
    """
    seen: set[str] = set()
    for path in map(Path, paths):
        entries: Iterable[tuple[str, Callable[[], Crystal]]]
        if path.is_dir():
            entries = _in_folder(path)
        elif path.suffix.lower() == ".zip":
            entries = _in_archive(path)
        else:
            entries = [(path.name, StructureFile(path))]
        whole, last = _printable(str(path)), _printable(path.name)
        for name, thunk in ((_printable(raw), thunk) for raw, thunk in entries):
            unique = name
            if unique in seen:
                unique = f"{last}/{name}" if name != last else whole
            copy = 2
            while unique in seen:
                unique = f"{name} ({copy})"
                copy += 1
            seen.add(unique)
            yield unique, thunk
