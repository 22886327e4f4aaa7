"""Space groups, Wyckoff letters and standard cells, through spglib.

A. Togo, K. Shinohara, I. Tanaka, Sci. Technol. Adv. Mater. Meth. 4, 2384822 (2024).
"""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError
from crystalgui.core.processes import apart
from crystalgui.core.structures.crystal import Crystal

DEFAULT_TOLERANCE = 1e-2
"""Distance below which two atoms count as equivalent, Angstrom."""

MOST_ATOMS = 10_000
"""Above this size the search takes minutes; spglib cannot be interrupted meanwhile."""
QUICK_ATOMS = 500
"""Up to this size the search takes well under 0.05 s (it holds the interpreter lock)."""

_SYSTEMS = (
    (2, "triclinic"),
    (15, "monoclinic"),
    (74, "orthorhombic"),
    (142, "tetragonal"),
    (167, "trigonal"),
    (194, "hexagonal"),
    (230, "cubic"),
)
_LAUE_CENTRES = {"-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m"}


@dataclass(frozen=True, slots=True, eq=False)
class Symmetry:
    """What spglib found.

    Attributes
    ----------
    number : int
        Space group, 1 to 230.
    international : str
        Hermann-Mauguin symbol, short: ``"Fm-3m"``.
    hall : str
        Hall symbol of the setting.
    point_group : str
        ``"m-3m"``.
    wyckoffs : tuple of str, one an atom
    equivalent_atoms : (n,) int64
        Index of the first atom of each atom's orbit.
    site_symmetry : tuple of str, one an atom
    crystal_system : str
        ``"triclinic"`` to ``"cubic"``; rhombohedral counts as trigonal.
    tolerance : float, Angstrom
    n_operations : int
        Operations in the given cell, centrings included.
    rotations : (m, 3, 3) int64
        Acting on fractional coordinates as columns.
    translations : (m, 3) float64, fractional
    """

    number: int
    international: str
    hall: str
    point_group: str
    wyckoffs: tuple[str, ...]
    equivalent_atoms: NDArray[np.int64]
    site_symmetry: tuple[str, ...]
    crystal_system: str
    tolerance: float
    n_operations: int
    rotations: NDArray[np.int64]
    translations: NDArray[np.float64]

    @property
    def centrosymmetric(self) -> bool:
        """Whether the point group holds the inversion."""
        return self.point_group in _LAUE_CENTRES

    @property
    def label(self) -> str:
        """``"Fm-3m (225)"``."""
        return f"{self.international} ({self.number})"


def crystal_system(number: int) -> str:
    """Crystal system of a space-group number."""
    return next(name for last, name in _SYSTEMS if number <= last)


def _run(
    call: Callable[[Any], Any],
    crystal: Crystal,
    tolerance: float,
    what: str,
    most_atoms: int = MOST_ATOMS,
) -> Any:
    """Call spglib; no answer becomes a sentence."""
    if not (np.isfinite(tolerance) and 0 < tolerance <= 1):
        raise FileError(
            f"A symmetry tolerance of {tolerance} Angstrom makes no sense.",
            "Choose a value between 0.00001 and 1.",
        )
    if crystal.n_atoms > most_atoms:
        raise FileError(
            f"{what} is not searched in cells of more than {most_atoms:,} atoms.",
            "Use a smaller cell of the same crystal.",
            path=crystal.source,
        )
    os.environ.setdefault("SPGLIB_WARNING", "OFF")  # its C library writes to the console
    cell = (np.array(crystal.lattice), np.array(crystal.frac), crystal.species.tolist())
    reason = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = call(cell)
    except Exception as error:  # spglib's own error type depends on its version
        if isinstance(error, MemoryError):
            raise
        answer, reason = None, str(error)
    if answer is None:
        raise FileError(
            f"{what} cannot be found with a tolerance of {tolerance:g} Angstrom.",
            "Try a smaller tolerance, and check for atoms that nearly overlap.",
            reason,
            path=crystal.source,
        )
    return answer


def symmetry(
    crystal: Crystal, tolerance: float = DEFAULT_TOLERANCE, *, most_atoms: int = MOST_ATOMS
) -> Symmetry:
    """Space group of a crystal.

    Parameters
    ----------
    crystal : Crystal
    tolerance : float, Angstrom
    most_atoms : int
        Larger cells are refused; a window passes `QUICK_ATOMS`.

    Raises
    ------
    FileError
        When there is no consistent group at this tolerance, or the cell is too
        large.
    """
    import spglib

    data = _run(
        lambda cell: spglib.get_symmetry_dataset(cell, symprec=tolerance),
        crystal,
        tolerance,
        "The symmetry",
        most_atoms,
    )
    return Symmetry(
        number=int(data.number),
        international=str(data.international),
        hall=str(data.hall),
        point_group=str(data.pointgroup).strip(),
        wyckoffs=tuple(map(str, data.wyckoffs)),
        equivalent_atoms=np.array(data.equivalent_atoms, dtype=np.int64),
        site_symmetry=tuple(map(str, data.site_symmetry_symbols)),
        crystal_system=crystal_system(int(data.number)),
        tolerance=float(tolerance),
        n_operations=len(data.rotations),
        rotations=np.array(data.rotations, dtype=np.int64),
        translations=np.array(data.translations, dtype=np.float64),
    )


_MOST_REMEMBERED = 64
_remembered: dict[tuple[str, float], Symmetry] = {}
_search = threading.Lock()


def remembered_symmetry(crystal: Crystal, tolerance: float = DEFAULT_TOLERANCE) -> Symmetry:
    """`symmetry` for a window: found once, and never with the interpreter lock for long.

    spglib keeps the lock while it works, so a cell of more than `QUICK_ATOMS`
    atoms is given to a process of its own.  The last answers are remembered,
    because several panes ask for the same one.
    """
    key = (crystal.digest, tolerance)
    with _search:
        if key not in _remembered:
            quick = crystal.n_atoms <= QUICK_ATOMS
            find: Callable[[], Symmetry] = (
                partial(symmetry, crystal, tolerance)
                if quick or crystal.n_atoms > MOST_ATOMS
                else partial(apart, symmetry, crystal, tolerance)
            )
            _remembered[key] = find()
            while len(_remembered) > _MOST_REMEMBERED:
                _remembered.pop(next(iter(_remembered)))
        return _remembered[key]


def _standard(crystal: Crystal, tolerance: float, *, primitive: bool) -> Crystal:
    """Standard cell as spglib defines it; per-atom data are lost with the old atoms."""
    import spglib

    lattice, frac, species = _run(
        lambda cell: spglib.standardize_cell(
            cell, to_primitive=primitive, no_idealize=False, symprec=tolerance
        ),
        crystal,
        tolerance,
        "A standard cell",
    )
    order = np.argsort([list(crystal.composition).index(int(z)) for z in species], kind="stable")
    return Crystal(
        lattice=lattice,
        frac=np.asarray(frac)[order],
        species=np.asarray(species)[order],
        title=crystal.title,
        source=crystal.source,
    )


def standardise(crystal: Crystal, tolerance: float = DEFAULT_TOLERANCE) -> Crystal:
    """The conventional cell in the standard setting, idealised."""
    return _standard(crystal, tolerance, primitive=False)


def primitive(crystal: Crystal, tolerance: float = DEFAULT_TOLERANCE) -> Crystal:
    """The primitive cell in the standard setting, idealised."""
    return _standard(crystal, tolerance, primitive=True)


def niggli(crystal: Crystal, tolerance: float = 1e-5) -> Crystal:
    """The same crystal in its Niggli-reduced cell; nothing is idealised or rotated.

    Atoms, their order and their Cartesian positions stay as they are.
    """
    import spglib

    lattice = np.asarray(
        _run(
            lambda cell: spglib.niggli_reduce(cell[0], eps=tolerance),
            crystal,
            tolerance,
            "The Niggli cell",
        )
    )
    if np.linalg.det(lattice) * np.linalg.det(crystal.lattice) < 0:
        lattice = -lattice
    # The reduced vectors are whole combinations of the old ones; spglib rounds.
    combination = np.rint(lattice @ np.linalg.inv(crystal.lattice))
    lattice = combination @ crystal.lattice
    frac = crystal.frac @ np.linalg.inv(combination)
    return replace(crystal, lattice=lattice, frac=frac - np.floor(frac + 1e-9))


def wyckoff_summary(found: Symmetry) -> list[tuple[str, int, str, int]]:
    """Orbits of the cell for tables.

    Returns
    -------
    list of (Wyckoff letter, number of atoms in the cell, site symmetry, first atom)
        Ordered by first atom.
    """
    firsts, counts = np.unique(found.equivalent_atoms, return_counts=True)
    return [
        (found.wyckoffs[i], int(n), found.site_symmetry[i], int(i))
        for i, n in zip(firsts, counts, strict=True)
    ]


_PIECE = re.compile(r"-\d|\d_\d|.")


def pretty_symbol(international: str) -> str:
    """A Hermann-Mauguin symbol for people: ``"P6_3/mmc"`` -> ``"P6₃/mmc"``, bars above digits."""
    subscript = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
    text = ""
    for piece in _PIECE.findall(international):
        if piece.startswith("-") and len(piece) == 2:
            text += piece[1] + "\u0305"
        elif "_" in piece and len(piece) == 3:
            text += piece[0] + piece[2].translate(subscript)
        else:
            text += piece
    return text
