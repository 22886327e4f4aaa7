"""Read a Wannier Hamiltonian and everything that belongs to it.

The result is always Hermitian, with degeneracies divided out and, when
``_wsvec.dat`` is there, with each element spread over its Wigner-Seitz
vectors (the default of wannier90 since 3.0; the plain sum over R is wrong off
the ab-initio mesh).  What had to be assumed is recorded in `Assumptions`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError
from crystalgui.core.structures.hoppings.compact import is_compact, read_compact
from crystalgui.core.structures.hoppings.companions import (
    Companions,
    check_atoms,
    check_lattice,
    find_companions,
)
from crystalgui.core.structures.hoppings.model import Assumptions, Hoppings, Positions
from crystalgui.core.structures.hoppings.spin import detect_spin_order
from crystalgui.core.structures.hoppings.tables import (
    Table,
    WignerSeitz,
    line_of_row,
    read_hr,
    read_tb,
    read_wsvec,
)
from crystalgui.core.structures.hoppings.text import Source
from crystalgui.core.structures.hoppings.win import read_centres, read_win

HERMITICITY_LIMIT = 1e-3

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Matrices = NDArray[np.complex128]


def read_hoppings(path: Path, companions: Iterable[Path] = ()) -> Hoppings:
    """Read ``_hr.dat`` or ``_tb.dat`` (plain or gzip) with its companions, or the compact format.

    Parameters
    ----------
    path : Path
    companions : iterable of Path
        Files to prefer over those found in the same folder: POSCAR, ``.win``,
        ``_tb.dat``, ``_wsvec.dat``, ``_centres.xyz``.  A compact file is
        complete in itself and uses none.

    Raises
    ------
    FileError
        Naming file, line and remedy: empty, binary, truncated, inconsistent,
        not Hermitian, or a lattice that cannot belong to the hoppings.
    """
    path = Path(path)
    if is_compact(path):
        return read_compact(path)
    table = read_tb(path) if _is_tb(path) else read_hr(path)
    found = find_companions(path, companions)
    place = _place(path, table, found)
    if place.lattice is not None:
        check_lattice(table.cells, table.degeneracies, place.lattice, place.source or path)
    matrices = table.matrices / table.degeneracies[:, None, None]
    elements = place.positions
    if elements is not None:
        elements = elements / table.degeneracies[:, None, None, None]
    cells = far = table.cells
    wigner_seitz = "none" if (table.degeneracies == 1).all() else "ndegen"
    files = [path]
    if found.wsvec is not None:
        vectors = read_wsvec(found.wsvec)
        files.append(found.wsvec)
        if (vectors.shifts != 0).any():
            cells, matrices = spread(table.cells, matrices, vectors, found.wsvec)
            if elements is not None:
                far, elements = spread(table.cells, elements, vectors, found.wsvec)
            wigner_seitz = "wsvec"
    cells, matrices, residual, worst = hermitian(cells, matrices)
    if residual > HERMITICITY_LIMIT:
        raise _not_hermitian(path, table, cells, residual, worst)
    positions, apart = None, 0.0
    if elements is not None:
        far, elements, apart, _ = hermitian(far, elements)
        positions = Positions(cells=far, elements=elements)
    order, reversal = detect_spin_order(matrices, place.spinors)
    if place.source is not None and place.source != path:
        files.append(place.source)
    if place.centres_from is not None and place.centres_from not in files:
        files.append(place.centres_from)
    return Hoppings(
        cells=cells,
        matrices=matrices,
        lattice=place.lattice,
        centres=place.centres,
        species=place.species,
        frac=place.frac,
        occupied=_stated_occupation(table.title, len(matrices[0])) or place.occupied,
        positions=positions,
        title=table.title,
        source=path,
        assumptions=Assumptions(
            lattice_from=place.source.name if place.source is not None else "",
            wigner_seitz=wigner_seitz,
            spin_order=order,
            time_reversal_residual=reversal,
            hermiticity_residual=residual,
            files=tuple(p.name for p in files),
            ws_distance_missing=place.ws_distance is True and found.wsvec is None,
            degeneracies=_degeneracies(table),
            positions_from=place.positions_from,
            position_residual=apart,
        ),
    )


def _degeneracies(table: Table) -> str:
    most = int(table.degeneracies.max(initial=1))
    return "none" if most == 1 else f"{int(table.degeneracies.min())}-{most}, divided out"


def _is_tb(path: Path) -> bool:
    with Source(path) as source:
        source.readline("the comment")
        tokens = source.readline("the number of orbitals").split()
    if len(tokens) == 3:
        return True
    if len(tokens) != 1:
        raise FileError(
            "This is not a wannier90 Hamiltonian: line 2 holds neither a number of orbitals "
            "(_hr.dat) nor a lattice vector (_tb.dat).",
            "Choose a _hr.dat, _hr.dat.gz or _tb.dat file.",
            path=path,
            line=2,
        )
    return False


def _stated_occupation(title: str, n: int) -> int | None:
    """``occupied = 12`` in the comment line, as our writers put it there."""
    match = re.search(r"occupied\s*=\s*(\d+)", title)
    if match and 0 < int(match.group(1)) <= n:
        return int(match.group(1))
    return None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Place:
    """Where the orbitals are: lattice, atoms, centres, and which files said so."""

    lattice: Floats | None = None
    species: Ints | None = None
    frac: Floats | None = None
    centres: Floats | None = None
    occupied: int | None = None
    spinors: bool | None = None
    ws_distance: bool | None = None
    source: Path | None = None
    centres_from: Path | None = None
    positions: Matrices | None = None
    positions_from: str = ""


def _place(path: Path, table: Table, found: Companions) -> _Place:
    lattice, source = table.lattice, path if table.lattice is not None else None
    positions, positions_from = table.positions, path.name if table.positions is not None else ""
    species = frac = occupied = spinors = centres_from = None
    cart = table.centres
    n = table.matrices.shape[-1]
    if found.lattice is not None:
        said = _crystal_of(found.lattice, table)
        other, species, frac, occupied = said.lattice, said.species, said.frac, said.occupied
        spinors = said.spinors
        if species is not None:
            check_atoms(n, len(species), found.lattice)
        if lattice is not None and other is not None and not _same(lattice, other):
            species = frac = None
        elif other is not None:
            lattice, source = other, found.lattice if table.lattice is None else path
            if positions is None and said.positions is not None:
                positions, positions_from = said.positions, found.lattice.name
                cart = said.centres
    ws_distance = None
    if found.win is not None:
        win = read_win(found.win)
        occupied, spinors, ws_distance = win.occupied, win.spinors, win.ws_distance
    if found.centres is not None:
        cart, atoms = read_centres(found.centres, n)
        centres_from = found.centres
        if species is not None and atoms and len(atoms) != len(species):
            raise FileError(
                f"{found.centres.name} lists {len(atoms)} atoms, this crystal has "
                f"{len(species)}: they belong to different calculations.",
                "Keep only the files of one calculation in the folder.",
                path=found.lattice,
            )
    centres = None
    if cart is not None and lattice is not None and abs(np.linalg.det(lattice)) > 0:
        centres = cart @ np.linalg.inv(lattice)
    return _Place(
        lattice=lattice,
        species=species,
        frac=frac,
        centres=centres,
        occupied=occupied if occupied is not None and occupied <= n else None,
        spinors=spinors,
        ws_distance=ws_distance,
        source=source,
        centres_from=centres_from,
        positions=positions,
        positions_from=positions_from,
    )


def _same(one: Floats, other: Floats) -> bool:
    return bool(np.abs(one - other).max() < 1e-2 * np.abs(one).max())


def _crystal_of(path: Path, table: Table) -> _Place:
    """What a companion says; positions only where they belong to the terms of ``table``.

    ``centres`` are Cartesian here.
    """
    name = path.name.lower().removesuffix(".gz")
    if name.endswith("_tb.dat"):
        other = read_tb(path)
        same = np.array_equal(other.cells, table.cells) and np.array_equal(
            other.degeneracies, table.degeneracies
        )
        same = same and other.matrices.shape == table.matrices.shape
        if not same:
            return _Place(lattice=other.lattice)
        return _Place(lattice=other.lattice, positions=other.positions, centres=other.centres)
    if name.endswith(".win"):
        win = read_win(path)
        if win.lattice is None:
            raise FileError(
                "The input has no block unit_cell_cart.",
                "Put a POSCAR beside the hoppings instead.",
                path=path,
            )
        species = None
        if win.frac is not None:
            from crystalgui.core.structures.elements import number

            species = np.array([number(s) for s in win.symbols], dtype=np.int64)
        return _Place(
            lattice=win.lattice,
            species=species,
            frac=win.frac,
            occupied=win.occupied,
            spinors=win.spinors,
        )
    from crystalgui.core.structures.files import read_crystal

    crystal = read_crystal(path)
    return _Place(lattice=crystal.lattice, species=crystal.species, frac=crystal.frac)


def _keys(cells: Ints, span: int) -> Ints:
    shifted = cells + span
    width = 2 * span + 1
    return np.asarray((shifted[:, 0] * width + shifted[:, 1]) * width + shifted[:, 2])


def spread(
    cells: Ints, matrices: Matrices, vectors: WignerSeitz, path: Path
) -> tuple[Ints, Matrices]:
    """Move H_ij(R), or r_ij(R), evenly to the cells R + T listed in ``_wsvec.dat``.

    ``matrices`` (m, n, n, ...).  Returns cells (m', 3) and matrices
    (m', n, n, ...) of the enlarged set.
    """
    n = matrices.shape[1]
    target = vectors.cells + vectors.shifts
    span = int(max(np.abs(cells).max(), np.abs(target).max(), np.abs(vectors.cells).max()))
    known = _keys(cells, span)
    order = np.argsort(known)
    wanted = _keys(vectors.cells, span)
    at = np.minimum(np.searchsorted(known[order], wanted), len(order) - 1)
    source = order[at]
    outside = known[source] != wanted
    outside |= (vectors.left < 0) | (vectors.left >= n)
    outside |= (vectors.right < 0) | (vectors.right >= n)
    weight = np.zeros(matrices.shape[:3])
    if not outside.any():
        np.add.at(weight, (source, vectors.left, vectors.right), 1 / vectors.counts)
    if outside.any() or np.abs(weight - 1).max() > 1e-9:
        raise FileError(
            "The Wigner-Seitz vectors do not belong to these hoppings: their cells or orbitals "
            "differ.",
            "Use the _wsvec.dat of the same wannier90 run, or move it away.",
            path=path,
        )
    keys, first, place = np.unique(_keys(target, span), return_index=True, return_inverse=True)
    result = np.zeros((len(keys), *matrices.shape[1:]), dtype=np.complex128)
    values = matrices[source, vectors.left, vectors.right]
    values = values / vectors.counts.reshape(-1, *[1] * (values.ndim - 1))
    np.add.at(result, (place, vectors.left, vectors.right), values)
    return target[first], result


def hermitian(
    cells: Ints, matrices: Matrices
) -> tuple[Ints, Matrices, float, tuple[int, int, int]]:
    """Complete missing cells -A and symmetrise H(A) = H(-A)^dagger; matrices (m, n, n, ...).

    Returns cells, matrices, the residual max |H(A) - H(-A)^dagger| before, in
    the unit of the matrices, and (cell, row, column) where it occurs.
    """
    span = int(np.abs(cells).max(initial=0))
    known = _keys(cells, span)
    order = np.argsort(known)
    opposite = _keys(-cells, span)
    at = np.minimum(np.searchsorted(known[order], opposite), len(order) - 1)
    partner = order[at]
    missing = known[partner] != opposite
    if missing.any():
        cells = np.concatenate([cells, -cells[missing]])
        extra = matrices[missing].conj().swapaxes(1, 2)
        return hermitian(cells, np.concatenate([matrices, extra]))
    image = matrices[partner].conj().swapaxes(1, 2)
    difference = np.abs(matrices - image)
    worst = np.unravel_index(int(np.argmax(difference)), difference.shape)
    where = (int(worst[0]), int(worst[1]), int(worst[2]))
    return cells, (matrices + image) / 2, float(difference[worst]), where


def _not_hermitian(
    path: Path, table: Table, cells: Ints, residual: float, worst: tuple[int, int, int]
) -> FileError:
    cell, row, column = worst
    line = None
    same = np.flatnonzero((table.cells == cells[cell]).all(axis=1))
    if table.head and len(same):
        n = table.matrices.shape[-1]
        line = line_of_row(path, table.head, int(same[0]) * n * n + column * n + row)
    return FileError(
        f"The Hamiltonian is not Hermitian: at cell {cells[cell].tolist()}, orbitals {row + 1} "
        f"and {column + 1}, H(A) and H(-A)^dagger differ by {residual:.3g} eV.",
        "The file is damaged or was edited; write it again.",
        path=path,
        line=line,
    )
