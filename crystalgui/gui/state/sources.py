"""From a row of the Classify page back to its crystal; called in the lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crystalgui.core.errors import FileError

if TYPE_CHECKING:
    from crystalgui.core.structures.crystal import Crystal


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A crystal and the file it can be opened from; ``path`` is None inside a zip."""

    name: str
    crystal: Crystal
    path: Path | None


def find_source(paths: Sequence[Path], name: str) -> Source:
    """The crystal that was classified as ``name`` among ``paths``."""
    from crystalgui.core.structures.files import close_archives, collect

    try:
        for found, read in collect(paths):
            if found == name:
                member = getattr(read, "member", "")
                path = getattr(read, "path", None)
                crystal = read()
                return Source(name=name, crystal=crystal, path=None if member else path)
    finally:
        close_archives()
    raise FileError("This file is not where it was.", "Classify it again.", path=name)


def extract(paths: Sequence[Path], name: str, folder: Path) -> Path:
    """Write the crystal of a row as a POSCAR below ``folder``; the file."""
    from crystalgui.core.structures.files import write_poscar

    source = find_source(paths, name)
    if source.path is not None:
        return source.path
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in Path(name).name)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (safe if safe.lower().endswith((".vasp", ".poscar")) else f"{safe}.vasp")
    write_poscar(source.crystal, target)
    return target
