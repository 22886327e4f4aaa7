"""CIF, XSF, CSSR, pymatgen JSON and extended XYZ: everything that is not a POSCAR.

pymatgen reads all but extended XYZ; what it says is turned into one sentence
with a remedy.
"""

from __future__ import annotations

import re
import shlex
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crystalgui.core.errors import FileError
from crystalgui.core.structures import elements
from crystalgui.core.structures.cif_faults import find_fault
from crystalgui.core.structures.crystal import Crystal

if TYPE_CHECKING:
    from pymatgen.core import Structure

Parser = Callable[[str, Path | None], Crystal]


def _quiet(read: Callable[[], Any], path: Path | None, what: str) -> Any:
    """Call pymatgen without its warnings; its exceptions become `FileError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except FileError:
        raise
    except Exception as error:
        raise FileError(
            f"The file is not a readable {what} file.",
            f"Open it in the program that wrote it and save it again as {what} or POSCAR.",
            f"{type(error).__name__}: {error}",
            path=path,
        ) from error


def to_crystal(structure: Structure, title: str, path: Path | None) -> Crystal:
    """A pymatgen structure as a `Crystal`; refuses partial occupancy."""
    if len(structure) == 0:
        raise FileError("The file has no atoms.", "Add the atom sites.", path=path)
    numbers = []
    for i, site in enumerate(structure):
        if not site.is_ordered:
            x, y, z = (round(float(v), 4) for v in site.frac_coords)
            raise FileError(
                f"Site {i + 1} at ({x}, {y}, {z}) is disordered: {site.species_string}.",
                "Choose one element for each site, or build an ordered supercell.",
                path=path,
            )
        number = int(getattr(site.specie, "Z", 0) or 0)
        if not 1 <= number <= elements.MAX_Z:
            raise FileError(
                f"Site {i + 1} holds {site.species_string!r}, which is not a chemical element.",
                "Give it the symbol of an element.",
                path=path,
            )
        numbers.append(number)
    return Crystal(
        lattice=structure.lattice.matrix,
        frac=structure.frac_coords,
        species=np.array(numbers),
        title=title,
        source=path,
    )


def parse_cif(text: str, path: Path | None = None) -> Crystal:
    """The first crystal of a CIF, in the cell of the file."""
    if "_atom_site_" not in text:
        raise FileError(
            "The CIF has no atoms (no _atom_site_ loop).",
            "Export it again with atom positions.",
            path=path,
        )
    if "_cell_length_a" not in text:
        raise FileError(
            "The CIF has no cell (_cell_length_a is missing).",
            "Export it again with the unit cell.",
            path=path,
        )

    def read() -> Crystal:
        from pymatgen.io.cif import CifParser

        parser = CifParser.from_str(text, occupancy_tolerance=1.0, check_cif=False)
        structures = parser.parse_structures(primitive=False, on_error="raise")
        block = re.search(r"^data_(\S*)", text, re.MULTILINE)
        title = block.group(1) if block else ""
        return to_crystal(structures[0], title, path)

    try:
        crystal: Crystal = _quiet(read, path, "CIF")
    except FileError as error:
        raise find_fault(text, path) or error from error
    return crystal


def _by_pymatgen(fmt: str, what: str) -> Parser:
    """A parser for one of pymatgen's formats."""

    def parse(text: str, path: Path | None = None) -> Crystal:
        def read() -> Crystal:
            from pymatgen.core import Structure

            return to_crystal(Structure.from_str(text, fmt=fmt), "", path)

        crystal: Crystal = _quiet(read, path, what)
        return crystal

    return parse


def _pairs(comment: str, path: Path | None) -> dict[str, str]:
    """``key=value`` pairs of the comment line; values may be quoted."""
    try:
        words = shlex.split(comment)
    except ValueError as error:
        raise FileError(
            "The comment line has an open quotation mark.", "Close it.", path=path, line=2
        ) from error
    return {key.lower(): value for key, _, value in (word.partition("=") for word in words)}


def _columns(properties: str) -> tuple[int, int]:
    """First column of the species and of the positions."""
    fields = properties.split(":")
    start, found = 0, {}
    for name, _, width in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        found[name.lower()] = start
        start += int(width) if width.isdigit() else 1
    return found.get("species", 0), found.get("pos", 1)


def parse_extxyz(text: str, path: Path | None = None) -> Crystal:
    """The first frame of an extended XYZ file; it must have a Lattice."""
    lines = text.splitlines()
    if not lines or not lines[0].strip().isdigit():
        raise FileError(
            "The first line of an XYZ file must be the number of atoms.",
            "Write it there.",
            path=path,
            line=1,
        )
    n = int(lines[0])
    pairs = _pairs(lines[1] if len(lines) > 1 else "", path)
    try:
        lattice = np.array(pairs.get("lattice", "").split(), dtype=np.float64).reshape(3, 3)
    except ValueError as error:
        raise FileError(
            "The XYZ file has no unit cell: it describes a molecule.",
            'Write the cell in line 2: Lattice="ax ay az bx by bz cx cy cz".',
            path=path,
            line=2,
        ) from error
    if n == 0:
        raise FileError("The file has no atoms.", "Add the atoms.", path=path, line=1)
    at, xyz = _columns(pairs.get("properties", "species:S:1:pos:R:3"))
    species, cart = [], []
    for i in range(2, 2 + n):
        words = lines[i].split() if i < len(lines) else []
        try:
            cart.append([float(w) for w in words[xyz : xyz + 3]])
            species.append(elements.number(words[at]))
            if len(cart[-1]) < 3:
                raise IndexError
        except FileError as error:
            raise FileError(error.title, error.hint, path=path, line=i + 1) from error
        except (ValueError, IndexError) as error:
            raise FileError(
                f"Expected atom {i - 1} of {n}: a symbol and three numbers.",
                "Correct this line, or the number of atoms; the file may be truncated.",
                path=path,
                line=min(i + 1, len(lines)),
            ) from error
    positions = np.array(cart)
    if not np.isfinite(positions).all() or abs(np.linalg.det(lattice)) < 1e-9:
        bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
        raise FileError(
            "A coordinate is not a finite number." if len(bad) else "The cell has no volume.",
            "Correct this line.",
            path=path,
            line=int(bad[0]) + 3 if len(bad) else 2,
        )
    frac = np.linalg.solve(lattice.T, positions.T).T
    return Crystal(
        lattice=lattice, frac=frac, species=np.array(species), title=lines[1], source=path
    )


PARSERS: dict[str, Parser] = {
    "cif": parse_cif,
    "extxyz": parse_extxyz,
    "xsf": _by_pymatgen("xsf", "XSF"),
    "cssr": _by_pymatgen("cssr", "CSSR"),
    "json": _by_pymatgen("json", "pymatgen JSON"),
}
"""Format name -> parser; POSCAR is not among them."""


def format_cif(crystal: Crystal) -> str:
    """A crystal as CIF text (P1, every atom listed)."""
    from pymatgen.core import Lattice, Structure
    from pymatgen.io.cif import CifWriter

    symbols = [elements.SYMBOLS[z] for z in crystal.species]
    structure = Structure(Lattice(crystal.lattice), symbols, crystal.frac)
    return str(CifWriter(structure, significant_figures=10))
