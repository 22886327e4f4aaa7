"""What a person decided on labels that look wrong, kept with the project.

``.crystalgui/second-look/verdicts.json`` holds a verdict and a note for each
crystal and label, whatever list they were met in: another run of the same
experiment finds them again, while another label of the crystal is another
question.  Every write is one step, and joins what is on the disk, the newer
of two verdicts counting, so that two windows on one project lose nothing.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from crystalgui.core.atomic import write_atomic
from crystalgui.core.errors import StoreError
from crystalgui.core.store.encode import from_plain, to_plain
from crystalgui.core.store.files import FolderLock

Verdict = Literal["", "wrong", "right", "unclear"]
Key = tuple[str, str, str]
FOLDER, FILE = "second-look", "verdicts.json"
FORMAT = 1
PATIENCE = 5.0
"""Seconds to wait for another window that writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict on the label of a crystal; ``when`` is UTC, and tells the newer of two."""

    id: str
    formula: str
    label: str
    verdict: Verdict = ""
    note: str = ""
    when: str = ""

    @property
    def key(self) -> Key:
        """What the verdict is on."""
        return self.id, self.formula, self.label

    def now(self, verdict: Verdict, note: str) -> Judged:
        """Another verdict, decided now."""
        stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")
        return replace(self, verdict=verdict, note=note, when=stamp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The file: verdicts, and which list was opened last with which crystals."""

    format: int = FORMAT
    judged: tuple[Judged, ...] = ()
    opened: Path | None = None
    crystals: Path | None = None


def path_of(project: Path) -> Path:
    """Where a project keeps its verdicts."""
    return project.absolute() / ".crystalgui" / FOLDER / FILE


def read_verdicts(path: Path) -> Verdicts:
    """What is kept; nothing when nobody has decided anything yet.

    Raises
    ------
    StoreError
        When the file cannot be read, is damaged or of a newer program.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        found = from_plain(Verdicts, plain, _base(path))
    except FileNotFoundError:
        return Verdicts()
    except OSError as error:
        raise StoreError(
            f"The verdicts cannot be read: {error.strerror or error}.",
            "Check the permissions of the file.",
            path=path,
        ) from error
    except ValueError as error:
        raise StoreError(
            "The verdicts of this project are damaged.",
            "Rename the file; the program then begins a new one.",
            str(error),
            path=path,
        ) from error
    if found.format > FORMAT:
        raise StoreError(
            "The verdicts were written by a newer version of the program.",
            "Use that version.",
            path=path,
        )
    return found


def keep_verdicts(path: Path, new: Verdicts) -> None:
    """Write verdicts in one step, joined with those on the disk.

    Raises
    ------
    StoreError, ResourceError
        When the file there is damaged, in use, or cannot be written; it stays as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FolderLock(path.parent)
    if not lock.acquire(PATIENCE):
        raise StoreError(
            f"The verdicts are being written by {lock.holder() or 'another window'}.",
            "They are kept here, and written with your next verdict.",
            path=path,
        )
    try:
        both = replace(new, judged=joined(read_verdicts(path).judged, new.judged))
        text = json.dumps(to_plain(both, _base(path)), indent=1, ensure_ascii=False)
        write_atomic(path, text + "\n")
    finally:
        lock.release()


def joined(old: Iterable[Judged], new: Iterable[Judged]) -> tuple[Judged, ...]:
    """Both, in their order; of two on the same the newer counts."""
    found: dict[Key, Judged] = {one.key: one for one in old}
    for one in new:
        if one.key not in found or found[one.key].when <= one.when:
            found[one.key] = one
    return tuple(found.values())


def _base(path: Path) -> Path:
    """The project's folder: paths below it are kept relative to it."""
    return path.absolute().parents[2]
