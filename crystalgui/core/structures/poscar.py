"""POSCAR and CONTCAR to crystals and back.

The layout is scanned and checked first.  Files in the ordinary layout (VASP 5,
one positive scale factor, no velocities) become numbers at once: that is 0.4 s
for 100,000 atoms against 2.8 s, and the window need not import pymatgen for
it.  Every other layout is handed to pymatgen after the check; a test holds both
ways equal.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError
from crystalgui.core.structures import elements
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.poscar_layout import Layout, MissingSymbols, scan

__all__ = ["MissingSymbols", "format_poscar", "parse_poscar"]


def _through_pymatgen(layout: Layout, title: str, path: Path | None) -> Crystal:
    """Hand the checked numbers of an unusual layout to pymatgen."""
    from pymatgen.io.vasp.inputs import Poscar

    rows, positions, scale = layout.rows, layout.positions, repr(layout.factors[0])
    if len(layout.factors) == 3:
        rows, scale = rows * layout.factors, "1.0"
        positions = positions * layout.factors if layout.cartesian else positions
    text = [title.strip() or "crystal", scale, *(_exact(row) for row in rows)]
    text += [" ".join(layout.symbols), " ".join(map(str, layout.counts))]
    text += ["Cartesian" if layout.cartesian else "Direct"]
    text += [_exact(row) for row in positions]
    if len(layout.factors) == 1 and layout.factors[0] < 0 and layout.cartesian:
        # The scale of Cartesian positions is that of the lattice, not the volume itself.
        factor = np.cbrt(-layout.factors[0] / abs(np.linalg.det(rows)))
        text[1] = repr(float(factor))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            poscar = Poscar.from_str("\n".join(text) + "\n")
    except (ValueError, IndexError, ArithmeticError) as error:
        raise FileError(
            "The file is not a POSCAR that can be understood.",
            "Compare it with the POSCAR page of the VASP manual.",
            str(error),
            path=path,
        ) from error
    structure = poscar.structure
    return Crystal(
        lattice=structure.lattice.matrix,
        frac=structure.frac_coords,
        species=_species(layout),
        title=title,
        selective=layout.selective,
        velocities=layout.velocities,
        source=path,
    )


def _exact(row: NDArray[np.float64]) -> str:
    return " ".join(repr(float(x)) for x in row)


def _species(layout: Layout) -> NDArray[np.int64]:
    numbers = [elements.number(symbol) for symbol in layout.symbols]
    return np.repeat(np.array(numbers, dtype=np.int64), layout.counts)


def parse_poscar(
    text: str, path: Path | None = None, symbols: Sequence[str] | None = None
) -> tuple[Crystal, int]:
    """Read the text of a POSCAR.

    Parameters
    ----------
    text : str
    path : Path, optional
        For error messages and ``Crystal.source``.
    symbols : sequence of str, optional
        Symbols for a file without any (VASP 4); they replace those of the file.

    Returns
    -------
    crystal : Crystal
    first : int
        Line of the first position, counted from 1.

    Raises
    ------
    MissingSymbols, FileError
    """
    layout = scan(text, path, symbols)
    title = layout.lines[0].rstrip()
    volume = abs(float(np.linalg.det(layout.rows)))
    if volume < 1e-6 * float(np.prod(np.linalg.norm(layout.rows, axis=1))) or volume == 0.0:
        raise FileError(
            "The cell has no volume: its lattice vectors are linearly dependent.",
            "Check the three lattice vectors.",
            path=path,
            line=3,
        )
    if not layout.ordinary:
        return _through_pymatgen(layout, title, path), layout.first + 1
    lattice = layout.rows * layout.factors[0]
    frac: NDArray[np.float64] = layout.positions
    if layout.cartesian:
        frac = np.asarray(np.linalg.solve(layout.rows.T, frac.T).T, dtype=np.float64)
    crystal = Crystal(
        lattice=lattice,
        frac=frac,
        species=_species(layout),
        title=title,
        selective=layout.selective,
        source=path,
    )
    return crystal, layout.first + 1


def _runs(species: NDArray[np.int64]) -> list[tuple[int, int]]:
    """(atomic number, length) of each run of equal atoms."""
    edges = np.flatnonzero(np.diff(species, prepend=-1))
    lengths = np.diff(np.append(edges, len(species)))
    return [(int(species[i]), int(n)) for i, n in zip(edges, lengths, strict=True)]


def format_poscar(crystal: Crystal, *, cartesian: bool = False) -> str:
    """A crystal as text of a VASP-5 POSCAR; the order of the atoms is kept.

    The comment line, selective dynamics and velocities are written, too.
    """
    title = " ".join(crystal.title.splitlines()) or elements.formula(crystal)
    lines = [title, "1.0"]
    lines += [" ".join(f"{x:21.16f}" for x in row) for row in crystal.lattice]
    runs = _runs(crystal.species)
    lines.append(" ".join(f"{elements.SYMBOLS[z]:>4s}" for z, _ in runs))
    lines.append(" ".join(f"{n:>4d}" for _, n in runs))
    if crystal.selective is not None:
        lines.append("Selective dynamics")
    lines.append("Cartesian" if cartesian else "Direct")
    positions = crystal.cart if cartesian else crystal.frac
    rows = [f"{x:20.16f} {y:20.16f} {z:20.16f}" for x, y, z in positions.tolist()]
    if crystal.selective is not None:
        marks = ["   ".join("FT"[int(m)] for m in row) for row in crystal.selective]
        rows = [f"{row}   {mark}" for row, mark in zip(rows, marks, strict=True)]
    lines += rows
    if crystal.velocities is not None:
        lines.append("")
        lines += [f"{x:24.16e} {y:24.16e} {z:24.16e}" for x, y, z in crystal.velocities.tolist()]
    return "\n".join(lines) + "\n"
