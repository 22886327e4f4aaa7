"""Files that cannot be used, one of each kind, for the window and for the command line.

Every case knows the words and the line that its message must have, so that
both doors are held to the same promise: where, what, remedy.
"""

from __future__ import annotations

import gzip
import itertools
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

NACL = """NaCl
1.0
5.64 0 0
0 5.64 0
0 0 5.64
Na Cl
1 1
Direct
0 0 0
0.5 0.5 0.5
"""
CIF = """data_x
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Po Po 0 0 0
"""
HUGE = 200_000_000


@dataclass(frozen=True, slots=True)
class Case:
    """A bad file: how to make it, and what must be said of it.

    ``name`` is the file to open, below the folder given to ``make``.
    """

    name: str
    make: Callable[[Path], object]
    words: str
    line: int | None = None
    said_of: str = ""
    """Name in the message, where it is not the file that was opened."""

    @property
    def where(self) -> str:
        """What the message begins with."""
        name = self.said_of or Path(self.name).name
        return f"{name}, line {self.line}: " if self.line else f"{name}: "

    def write(self, folder: Path) -> Path:
        """Make the file; its path."""
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.make(path)
        return path


def _text(content: str | bytes) -> Callable[[Path], object]:
    data = content.encode() if isinstance(content, str) else content
    return lambda path: path.write_bytes(data)


def _sparse(path: Path) -> None:
    """As large as it says, without the disk."""
    with open(path, "wb") as file:
        file.write(NACL.encode())
        file.truncate(HUGE)


@cache
def _bomb() -> bytes:
    return gzip.compress(b"0" * (HUGE // 2 + 10_000_000), 1)


def _gzip_bomb(path: Path) -> None:
    path.write_bytes(_bomb())


def hopping_rows(onsite: str = "1.0", degeneracies: str = "") -> str:
    """One orbital on a 4 x 4 x 4 mesh of a cell of 3 x 3 x 3 Angstrom."""
    cells = list(itertools.product(range(-2, 3), repeat=3))
    weights = [2 ** sum(abs(n) == 2 for n in cell) for cell in cells]
    head = ["one orbital", "1", str(len(cells))]
    words = [str(w) for w in weights]
    head += [degeneracies] if degeneracies else [
        " ".join(words[i : i + 15]) for i in range(0, len(words), 15)
    ]  # fmt: skip
    rows = []
    for cell in cells:
        value = onsite if cell == (0, 0, 0) else "0.01"
        rows.append("{} {} {} 1 1 {} 0.0".format(*cell, value))
    return "\n".join([*head, *rows]) + "\n"


GOOD_HR = hopping_rows()
_HEAD = GOOD_HR.splitlines()
ZERO = _HEAD.index("0 0 0 1 1 1.0 0.0") + 1
"""Line of the on-site energy."""


def _wrong_lattice(path: Path) -> None:
    path.write_text(GOOD_HR)
    (path.parent / "POSCAR").write_text("Po\n1.0\n3 0 0\n9 3 0\n0 0 3\nPo\n1\nDirect\n0 0 0\n")


def _evil_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("good.vasp", NACL)
        file.writestr("../../outside.vasp", NACL)


def _zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("good.vasp", NACL)
        file.writestr("bomb.vasp", b"0" * 50_000_000)


CRYSTALS = (
    Case("empty.vasp", _text(""), "is empty"),
    Case("blank.cif", _text(" \r\n\r\n"), "is empty"),
    Case("noise.cif", _text(bytes(range(256)) * 8), "binary"),
    Case("random.vasp", lambda p: p.write_bytes(os.urandom(5000)), "binary"),
    Case("prose.txt", _text("Dear reader,\nthis is a letter.\n"), "recognised"),
    Case("short.vasp", _text(NACL.rsplit("\n", 2)[0] + "\n"), "ends after 1 of 2", 9),
    Case("cut.vasp", _text(NACL[:60]), "three numbers", 10),
    Case("nan.vasp", _text(NACL.replace("0.5 0.5 0.5", "0.5 nan 0.5")), "finite", 10),
    Case("inf.vasp", _text(NACL.replace("0.5 0.5 0.5", "0.5 0.5 -inf")), "finite", 10),
    Case("nan-cell.vasp", _text(NACL.replace("0 5.64 0", "0 NaN 0")), "finite", 4),
    Case("nan.cif", _text(CIF.replace("Po Po 0", "Po Po nan")), "finite", 14),
    Case("nan.xyz", _text('1\nLattice="4 0 0 0 4 0 0 0 4"\nPo 0 inf 0\n'), "finite", 3),
    Case("overlap.vasp", _text(NACL.replace("0.5 0.5 0.5", "0.0 0.0 0.001")), "overlap", 10),
    Case("overlap.cif", _text(CIF + "Te Te 0 0 0.002\n"), "overlap"),
    Case("flat.vasp", _text(NACL.replace("0 0 5.64", "5.64 5.64 0")), "volume", 3),
    Case("flat.cif", _text(CIF.replace("length_c 4", "length_c 0")), "no volume", 4),
    Case("element.vasp", _text(NACL.replace("Cl", "Xq")), "Xq", 6),
    Case("element.cif", _text(CIF.replace("Po Po", "Qq Qq")), "Qq", 14),
    Case("huge.vasp", _sparse, "200 MB"),
    Case("packed.vasp.gz", _gzip_bomb, "MB"),
    Case("torn.vasp.gz", _text(gzip.compress(NACL.encode())[:-9]), "too early|damaged"),
    Case(
        "windows.vasp",
        _text(b"\xef\xbb\xbf" + NACL.replace("Cl", "Xq").replace("\n", "\r\n").encode()),
        "Xq",
        6,
    ),
)
SYMBOLS = Case("old.vasp", _text(NACL.replace("Na Cl\n", "")), "symbols", 6)
FOLDER = Case("folder.vasp", lambda p: p.mkdir(), "folder")
HOPPINGS = (
    Case("empty_hr.dat", _text(""), "is empty"),
    Case("noise_hr.dat", _text(bytes(range(256)) * 8), "not a text file", 1),
    Case("short_hr.dat", _text("\n".join(_HEAD[:50]) + "\n"), "truncated", 50),
    Case("counts_hr.dat", _text(GOOD_HR.replace("\n125\n", "\n124\n", 1)), "124 cells", 12),
    Case("orbitals_hr.dat", _text(GOOD_HR.replace("\n1\n", "\n2\n", 1)), "2x2 need 500 rows", 137),
    Case("nan_hr.dat", _text(hopping_rows("nan")), "finite", ZERO),
    Case("skew_hr.dat", _text(GOOD_HR.replace("1.0 0.0", "1.0 0.5", 1)), "Hermitian", ZERO),
    Case("wrong/x_hr.dat", _wrong_lattice, "does not belong", None, "POSCAR"),
    Case("torn_hr.dat.gz", _text(gzip.compress(GOOD_HR.encode())[:-9]), "damaged", 12),
)
ARCHIVES = (
    Case("evil.zip", _evil_zip, "outside itself"),
    Case("bomb.zip", _zip_bomb, "zip bomb"),
    Case("noise.zip", _text(bytes(range(256)) * 8), "damaged or not a zip"),
)
