"""The door to structure files: read one, write one, find all of them."""

from __future__ import annotations

import gzip
import os
import tempfile
from pathlib import Path

from crystalgui.core.errors import FileError
from crystalgui.core.structures.archives import StructureFile, close_archives, collect
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.formats import format_cif
from crystalgui.core.structures.poscar import MissingSymbols, format_poscar
from crystalgui.core.structures.reading import (
    Kind,
    read_crystal,
    read_crystal_text,
    sniff,
)

__all__ = [
    "Kind",
    "MissingSymbols",
    "StructureFile",
    "close_archives",
    "collect",
    "read_crystal",
    "read_crystal_text",
    "sniff",
    "write_crystal",
    "write_poscar",
]


def _write(path: Path, text: str) -> None:
    """Write a file completely or not at all; ``.gz`` names are compressed."""
    data = text.encode("utf-8")
    if path.suffix == ".gz":
        data = gzip.compress(data, mtime=0)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileError(
            "The file cannot be written.",
            "Check that the folder exists, that you may write there, and the free space.",
            str(error),
            path=path,
        ) from error


def write_poscar(crystal: Crystal, path: Path | str, *, cartesian: bool = False) -> None:
    """Write a VASP-5 POSCAR (compressed when the name ends in ``.gz``).

    Order of atoms, comment line, selective dynamics and velocities are kept.
    """
    _write(Path(path), format_poscar(crystal, cartesian=cartesian))


def write_crystal(crystal: Crystal, path: Path | str) -> None:
    """Write CIF when the name says so, a POSCAR otherwise."""
    path = Path(path)
    cif = ".cif" in (s.lower() for s in path.suffixes)
    _write(path, format_cif(crystal) if cif else format_poscar(crystal))
