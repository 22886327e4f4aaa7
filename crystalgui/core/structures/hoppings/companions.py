"""Which other files belong to a hopping file, and does their lattice fit it?

``_hr.dat`` has no lattice.  It comes from the file of the same seed name, or
else from the only candidate in the folder.  A lattice is tested against the
hoppings before it is believed: wannier90 keeps the vectors R of the
Wigner-Seitz cell of a supercell, so an R that is much longer than an
equivalent one shows that the lattice belongs to something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError

ORBITALS_PER_ATOM = 32
_CRYSTAL_ENDS = (".vasp", ".poscar", ".contcar", ".cif")


@dataclass(frozen=True, slots=True, kw_only=True)
class Companions:
    """Paths of what was found beside a hopping file; None where there is nothing.

    ``lattice`` is the file with the cell; ``win`` the input of the same seed
    name, which may be the same file or one without a cell.
    """

    lattice: Path | None = None
    win: Path | None = None
    wsvec: Path | None = None
    centres: Path | None = None


def seed(path: Path) -> str:
    """``silicon`` for ``silicon_hr.dat.gz``, ``silicon_tb.dat``, ``silicon.dat``."""
    name = path.name
    for end in (".gz", "_hr.dat", "_tb.dat", ".dat"):
        name = name.removesuffix(end)
    return name


def find_companions(path: Path, given: Iterable[Path] = ()) -> Companions:
    """Look for lattice, Wigner-Seitz vectors and centres.

    Files in ``given`` come first, then files of the same seed name, then
    ``POSCAR`` or ``CONTCAR``, then the only crystal or ``.win`` in the folder.
    A ``.win`` without a cell gives way to any file that has one.
    """
    given = [Path(p) for p in given]
    try:
        beside = sorted(p for p in path.resolve().parent.iterdir() if p != path.resolve())
    except OSError:
        beside = []
    name = seed(path)
    same = [p for p in beside if _stem(p) == name]

    def first(ends: Sequence[str], pools: Iterable[Sequence[Path]]) -> Path | None:
        for pool in pools:
            for end in ends:
                for candidate in pool:
                    if _plain(candidate).endswith(end) and candidate.is_file():
                        return candidate
        return None

    bare = {p for p in (*given, *beside) if _plain(p).endswith(".win") and not _states_cell(p)}
    lattice = next((p for p in given if _has_lattice(p) and p not in bare), None)
    celled = [p for p in same if p not in bare]
    lattice = lattice or first(("_tb.dat", ".win", *_CRYSTAL_ENDS), [celled])
    for label in (name, name.lower()):
        if lattice is None:
            wanted = {f"poscar_{label}", f"poscar.{label}", f"poscar-{label}"}
            lattice = next((p for p in beside if p.name.lower() in wanted), None)
    for exact in ("poscar", "poscar.vasp", "poscar.gz", "contcar"):
        if lattice is None:
            lattice = next((p for p in beside if p.name.lower() == exact), None)
    if lattice is None:
        ends = (".win", *_CRYSTAL_ENDS)
        others = [p for p in beside if _plain(p).endswith(ends) and p not in bare]
        lattice = others[0] if len(others) == 1 else None
    win = first((".win",), [given, same])
    return Companions(
        lattice=lattice or win,
        win=win,
        wsvec=first(("_wsvec.dat",), [given, same]),
        centres=first(("_centres.xyz",), [given, same]),
    )


def _plain(path: Path) -> str:
    return path.name.lower().removesuffix(".gz")


def _stem(path: Path) -> str:
    name = path.name.removesuffix(".gz")
    for end in ("_hr.dat", "_tb.dat", "_wsvec.dat", "_centres.xyz"):
        if name.endswith(end):
            return name.removesuffix(end)
    return Path(name).stem


def _has_lattice(path: Path) -> bool:
    name = _plain(path)
    ends = ("_tb.dat", ".win", *_CRYSTAL_ENDS)
    return name.endswith(ends) or name.startswith(("poscar", "contcar"))


def _states_cell(path: Path) -> bool:
    """Whether a ``.win`` input has a cell; an unreadable one is kept for its error."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return re.search(r"^\s*begin\s*[:=]?\s*unit_cell_cart", text, re.I | re.M) is not None


def supercell_grid(
    cells: NDArray[np.int64], degeneracies: NDArray[np.float64]
) -> tuple[int, int, int] | None:
    """The k-mesh (n1, n2, n3) whose Wigner-Seitz supercell holds these cells.

    Every class of R modulo the mesh must occur exactly ``degeneracy`` times.
    None when the list is not such a set (models, edited files).
    """
    if (degeneracies <= 1).all():
        return None
    total = float((1 / degeneracies).sum())
    n = round(total)
    if n < 2 or abs(total - n) > 1e-6:
        return None
    divisors = [d for d in range(1, n + 1) if n % d == 0]
    for n1, n2 in product(divisors, divisors):
        if n % (n1 * n2):
            continue
        grid = (n1, n2, n // (n1 * n2))
        classes = np.mod(cells, grid) @ np.array([n1 * 0 + grid[1] * grid[2], grid[2], 1])
        counts = np.bincount(classes, minlength=n)
        if len(counts) == n and (counts[classes] == degeneracies).all():
            return grid
    return None


def check_lattice(
    cells: NDArray[np.int64],
    degeneracies: NDArray[np.float64],
    lattice: NDArray[np.float64],
    source: Path,
) -> None:
    """Raise `FileError` when the lattice cannot belong to these cells."""
    scale = float(np.prod(np.linalg.norm(lattice, axis=1)))
    if not np.isfinite(lattice).all() or abs(np.linalg.det(lattice)) < 1e-6 * max(scale, 1e-12):
        raise FileError(
            "The cell has no volume: its lattice vectors are linearly dependent.",
            "Check the three lattice vectors.",
            path=source,
        )
    grid = supercell_grid(cells, degeneracies)
    if grid is None:
        return
    shifts = np.array(list(product((-2, -1, 0, 1, 2), repeat=3))) * np.array(grid)
    own = np.linalg.norm(cells @ lattice, axis=1)
    best = own.copy()
    for shift in shifts:
        np.minimum(best, np.linalg.norm((cells + shift) @ lattice, axis=1), out=best)
    excess = own - 1.1 * best - 0.3
    if (excess > 0).any():
        worst = int(np.argmax(excess))
        raise FileError(
            f"This lattice does not belong to the hoppings: their cell {cells[worst].tolist()} "
            f"would be {own[worst]:.1f} A long, although an equivalent one of the "
            f"{grid[0]}x{grid[1]}x{grid[2]} mesh is only {best[worst]:.1f} A.",
            "Put the POSCAR or .win of the same calculation beside the hoppings "
            "(vectors in the same order).",
            path=source,
        )


def check_atoms(n_orbitals: int, n_atoms: int, source: Path) -> None:
    """Raise `FileError` when so few atoms cannot carry so many orbitals."""
    if n_orbitals > ORBITALS_PER_ATOM * n_atoms:
        raise FileError(
            f"This crystal does not belong to the hoppings: {n_atoms} atom(s) cannot carry "
            f"{n_orbitals} orbitals (s, p, d and f with spin are {ORBITALS_PER_ATOM} an atom).",
            "Put the POSCAR or .win of the same calculation beside the hoppings.",
            path=source,
        )
