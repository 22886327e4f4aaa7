"""From bytes to a crystal: size limits, compression, encoding, format, sanity.

Files are refused by size before anything is read, so that a wrong click
cannot fill the memory.  The format is recognised by name and then by content.
"""

from __future__ import annotations

import bz2
import codecs
import lzma
import re
import stat
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from crystalgui.core.errors import FileError
from crystalgui.core.structures import elements
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.formats import PARSERS
from crystalgui.core.structures.pairs import neighbors
from crystalgui.core.structures.poscar import parse_poscar

Kind = Literal["crystal", "hoppings", "companion", "unknown"]

MOST_BYTES = 100_000_000
"""Largest structure file, decompressed: about a million atoms."""
HEAD = 4096
"""Bytes read to recognise a file."""
CLOSEST = 0.1
"""Two atoms nearer than this overlap, Angstrom; split sites of disordered crystals are wider."""
CLOSEST_IMAGE = 0.7
"""An atom nearer than this to its own image has a wrong cell, Angstrom."""
SEARCH = 1.5
"""Angstrom; looking for pairs with a much smaller cutoff makes a cell list slow."""
THINNEST = 0.1
"""Smallest accepted distance of neighbouring lattice planes, Angstrom."""

_CRYSTAL_NAME = re.compile(
    r"(?:^|[._-])(?:poscar|contcar)|\.(?:vasp|poscar|cif|mcif|extxyz|xyz|xsf|axsf|cssr)$", re.I
)
_HOPPINGS_NAME = re.compile(r"(?:^|[._-])(?:hr|tb)\.dat$|\.hoppings\.safetensors$", re.I)
_COMPANION_NAME = re.compile(
    r"(?:\.win|\.wout|[._-]wsvec\.dat|[._-]centres\.xyz|_band\.(?:dat|kpt)|_band\.labelinfo\.dat)$",
    re.I,
)
_OTHER_NAME = re.compile(
    r"\.(?:png|jpe?g|gif|svg|pdf|csv|tsv|md|rst|html?|py|ipynb|npz|npy|h5|sqlite|db|tar|zip|whl"
    r"|safetensors|log|toml|ya?ml|exe|dll|so|docx?|xlsx?|pptx?)$",
    re.I,
)
_PACKED = re.compile(r"\.(?:gz|bz2|xz)$", re.I)
_MAGIC = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}


class _Unpacker(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """At most ``max_length`` bytes."""


def too_large(size: int, path: Path | str) -> FileError:
    """The refusal of a file by its size."""
    return FileError(
        f"The file has {size / 1e6:,.0f} MB; structure files may have {MOST_BYTES / 1e6:,.0f} MB.",
        "It is probably not a structure file; otherwise open a part of it.",
        path=path,
    )


def unpack(data: bytes, path: Path, limit: int = MOST_BYTES) -> bytes:
    """Decompress gzip, bzip2 or xz by its magic number, never beyond ``limit`` bytes."""
    kind = next((k for magic, k in _MAGIC.items() if data.startswith(magic)), "")
    if not kind:
        return data
    unpacker: _Unpacker
    if kind == "gz":
        unpacker = zlib.decompressobj(wbits=31)
    else:
        unpacker = bz2.BZ2Decompressor() if kind == "bz2" else lzma.LZMADecompressor()
    try:
        text = unpacker.decompress(data, limit + 1)
    except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise FileError(
            "The compressed file is damaged.",
            "Copy or download it again.",
            str(error),
            path=path,
        ) from error
    if not getattr(unpacker, "eof", True) and len(text) <= limit:
        raise FileError(
            "The compressed file ends too early.", "Copy or download it again.", path=path
        )
    return text


def decode(data: bytes, path: Path) -> str:
    """Bytes as text with plain line ends; refuses empty and binary files."""
    if not data.strip():
        raise FileError(
            "The file is empty.", "Check that it was saved or copied completely.", path=path
        )
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", errors="replace")
    else:
        if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            raise FileError(
                "This is a zip archive, not a structure file.",
                "Classify it, train on it, or unpack it first.",
                path=path,
            )
        sample = data[:65536]
        control = len(re.findall(rb"[\x00-\x08\x0e-\x1f\x7f]", sample))
        if b"\x00" in sample or control > 0.01 * len(sample):
            raise FileError(
                "The file is binary data, not text.",
                "Structure files are text: POSCAR, CIF, extended XYZ, XSF.",
                path=path,
            )
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", " ")


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, decompressed, within the size limit."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise FileError(
                "This is a folder, not a file.",
                "Choose a file in it; folders are opened on the Classify and Train pages.",
                path=path,
            )
        if not stat.S_ISREG(status.st_mode):
            raise FileError("This is not an ordinary file.", "Choose a file.", path=path)
        if status.st_size > MOST_BYTES:
            raise too_large(status.st_size, path)
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise FileError("There is no such file.", "Check the name.", path=path) from error
    except PermissionError as error:
        raise FileError(
            "You have no permission to read the file.",
            "Ask its owner, or copy it to a folder of yours.",
            path=path,
        ) from error
    except (OSError, ValueError) as error:
        raise FileError(
            "The file cannot be read.",
            "Check the disk or the network connection.",
            str(error),
            path=path,
        ) from error
    return within_limit(unpack(data, path), path)


def within_limit(data: bytes, path: Path) -> bytes:
    """Refuse decompressed data beyond the limit."""
    if len(data) > MOST_BYTES:
        raise too_large(len(data), path)
    return data


def _plain_name(name: str) -> str:
    """Last part of a name without a compression suffix."""
    return _PACKED.sub("", name.replace("\\", "/").rsplit("/", 1)[-1])


def _number_line(line: str, most: int) -> bool:
    """Whether a line is one to ``most`` numbers (a comment may follow)."""
    words = re.split(r"[!#]", line, maxsplit=1)[0].split()
    if not words:
        return False
    try:
        [float(w) for w in words[:most]]
    except ValueError:
        return False
    return True


def _poscar_like(lines: list[str]) -> bool:
    """Scale factor and three lattice vectors where a POSCAR has them."""
    return (
        len(lines) >= 5
        and _number_line(lines[1], 1)
        and all(len(line.split()) >= 3 and _number_line(line, 3) for line in lines[2:5])
    )


def format_of(name: str, text: str) -> str:
    """``"poscar"``, a key of `PARSERS`, or an empty string when nothing fits."""
    plain = _plain_name(name).lower()
    suffix = plain.rsplit(".", 1)[-1] if "." in plain else ""
    named = {"cif": "cif", "mcif": "cif", "xyz": "extxyz", "extxyz": "extxyz", "xsf": "xsf"}
    named |= {"axsf": "xsf", "cssr": "cssr", "vasp": "poscar", "poscar": "poscar"}
    if suffix in named:
        return named[suffix]
    if re.search(r"(?:^|[._-])(?:poscar|contcar)", plain):
        return "poscar"
    lines = text.split("\n", 12)
    if re.search(r"^(?:_cell_length_a|_atom_site_)", text, re.MULTILINE):
        return "cif"
    if len(lines) > 1 and lines[0].strip().isdigit() and "lattice=" in lines[1].lower():
        return "extxyz"
    if re.search(r"^\s*(?:CRYSTAL|PRIMVEC)\s*$", text[:HEAD], re.MULTILINE):
        return "xsf"
    if text.lstrip()[:1] == "{" and '"lattice"' in text:
        return "json"
    return "poscar" if _poscar_like(lines) else ""


def check(crystal: Crystal, first_line: int | None = None) -> Crystal:
    """Refuse cells and atoms that no crystal has.

    Parameters
    ----------
    crystal : Crystal
    first_line : int, optional
        Line of the first position, to name the line of an overlapping atom.
    """
    lattice = crystal.lattice
    heights = crystal.volume / np.linalg.norm(
        np.cross(lattice[[1, 2, 0]], lattice[[2, 0, 1]]), axis=1
    )
    if not np.isfinite(heights).all() or heights.min() < THINNEST:
        raise FileError(
            f"The cell is nearly flat: two of its faces are {heights.min():.2g} Angstrom apart.",
            "Check the lattice vectors and the scale factor, or choose a less skew cell.",
            path=crystal.source,
            line=3 if first_line else None,
        )
    close = neighbors(crystal, SEARCH, full=False)
    limit = np.where(close.src == close.dst, CLOSEST_IMAGE, CLOSEST)
    close = close.take(close.distance < limit)
    if len(close):
        k = int(np.argmin(close.distance))
        i, j = sorted((int(close.src[k]), int(close.dst[k])))
        one, two = (f"{a + 1} ({elements.SYMBOLS[crystal.species[a]]})" for a in (i, j))
        what = f"Atoms {one} and {two} overlap" if i != j else f"Atom {one} overlaps its own image"
        raise FileError(
            f"{what}: they are {close.distance[k]:.3f} Angstrom apart.",
            "Remove one of them, or correct the positions or the scale factor.",
            path=crystal.source,
            line=first_line + j if first_line else None,
        )
    return crystal


def read_crystal_text(
    text: str, name: str, *, symbols: Sequence[str] | None = None, source: Path | None = None
) -> Crystal:
    """Read a crystal from text.

    Parameters
    ----------
    text : str
        Content of the file.
    name : str
        Its name, which tells the format and appears in errors.
    symbols : sequence of str, optional
        Symbols for a POSCAR without any.
    source : Path, optional
        Path to store in the crystal; ``name`` by default.

    Raises
    ------
    FileError
        With line and remedy; `MissingSymbols` for a VASP-4 file.
    """
    path = source or Path(name)
    if not text.strip():
        raise FileError(
            "The file is empty.", "Check that it was saved or copied completely.", path=path
        )
    kind = format_of(name, text)
    if kind == "poscar":
        crystal, first = parse_poscar(text, path, symbols)
        return check(crystal, first)
    if kind in PARSERS:
        return check(PARSERS[kind](text, path))
    raise FileError(
        "This is not a structure file that can be recognised.",
        "Open a POSCAR, CIF, extended XYZ, XSF or CSSR file.",
        path=path,
    )


def read_crystal(path: Path | str, *, symbols: Sequence[str] | None = None) -> Crystal:
    """Read a crystal from a file, which may be compressed (.gz, .bz2, .xz).

    Parameters
    ----------
    path : Path
    symbols : sequence of str, optional
        Symbols for a POSCAR without any (VASP 4).

    Raises
    ------
    FileError
        With line and remedy; `MissingSymbols` for a VASP-4 file.
    """
    path = Path(path)
    return read_crystal_text(
        decode(read_bytes(path), path), path.name, symbols=symbols, source=path
    )


def _hoppings_like(lines: list[str]) -> bool:
    """Whether lines look like ``_hr.dat`` (two counts) or ``_tb.dat`` (lattice, two counts)."""
    words = [line.split() for line in lines[:6]]
    single = [len(w) == 1 and w[0].isdigit() for w in words]
    if len(words) >= 4 and single[1] and single[2]:
        return all(w.isdigit() for w in words[3])
    lattice = len(words) >= 6 and all(
        len(w) == 3 and _number_line(line, 3)
        for w, line in zip(words[1:4], lines[1:4], strict=True)
    )
    return lattice and single[4] and single[5]


def sniff_bytes(name: str, head: bytes) -> Kind:
    """What a file is, from its name and its first bytes (still compressed or not)."""
    plain = _plain_name(name)
    if _HOPPINGS_NAME.search(plain):
        return "hoppings"
    if _COMPANION_NAME.search(plain):
        return "companion"
    if _CRYSTAL_NAME.search(plain):
        return "crystal"
    if _OTHER_NAME.search(plain):
        return "unknown"
    if head.startswith(b"\x1f\x8b"):
        head = zlib.decompressobj(wbits=31).decompress(head, HEAD)
    if b"\x00" in head:
        return "unknown"
    text = head.decode("latin-1").replace("\r\n", "\n")
    if _hoppings_like(text.split("\n", 8)):
        return "hoppings"
    return "crystal" if format_of(plain, text) else "unknown"


def sniff(path: Path | str) -> Kind:
    """What a file is, from its name and, when that says nothing, its first kilobytes.

    Never raises: a folder, a pipe or a file that cannot be read is ``"unknown"``.
    """
    path = Path(path)
    head = b""
    try:
        if not path.is_file():  # a pipe would wait for its writer
            return "unknown"
        with path.open("rb") as file:
            head = file.read(HEAD)
        return sniff_bytes(path.name, head)
    except (OSError, ValueError, zlib.error):
        return "unknown"
