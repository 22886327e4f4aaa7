"""The one value type of a tight-binding Hamiltonian in real space."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError

SpinOrder = Literal["spinless", "blocks", "interleaved", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What had to be assumed to read the files; shown on every plot.

    Attributes
    ----------
    lattice_from : str
        ``"POSCAR"``, ``"silicon.win"``, ``"_tb.dat"``, ``"model"`` or ``""``
        (no lattice found: reduced coordinates only).
    wigner_seitz : str
        ``"wsvec"`` (``_wsvec.dat`` applied), ``"ndegen"`` (plain sum over R,
        divided by the degeneracies) or ``"none"``.
    spin_order : {"spinless", "blocks", "interleaved", "unknown"}
        Order with the smaller time-reversal residual.
    time_reversal_residual : float
        max |H(A) - U H(A)* U^dagger| in eV for that order; NaN when not
        applicable.
    hermiticity_residual : float
        max |H(A) - H(-A)^dagger| in eV, of the file as read.
    files : tuple of str
        Every file that was used.
    ws_distance_missing : bool
        The input asks for ``use_ws_distance``, but there is no ``_wsvec.dat``.
    degeneracies : str
        ``"1-6, divided out"`` (``ndegen`` of the file) or ``"none"``.
    positions_from : str
        File of the position matrix; empty when there is none.
    position_residual : float
        max |r(A) - r(-A)^dagger| in Angstrom before its Hermitian part was
        taken.
    rounding : float
        Largest change of a hopping by storage in single precision, eV; 0 for
        double precision.
    sha256 : str
        Of the Hamiltonian file that was read first; kept in the compact
        format only.
    """

    lattice_from: str = ""
    wigner_seitz: str = "none"
    spin_order: SpinOrder = "unknown"
    time_reversal_residual: float = float("nan")
    hermiticity_residual: float = 0.0
    files: tuple[str, ...] = ()
    ws_distance_missing: bool = False
    degeneracies: str = "none"
    positions_from: str = ""
    position_residual: float = 0.0
    rounding: float = 0.0
    sha256: str = ""

    def sentence(self) -> str:
        """One line for captions."""
        ws = {
            "wsvec": "Wigner-Seitz vectors applied",
            "ndegen": "plain sum over R",
            "none": "plain sum over R",
        }[self.wigner_seitz]
        if self.degeneracies != "none":
            ws += f" (degeneracies {self.degeneracies})"
        lattice = f"lattice from {self.lattice_from}" if self.lattice_from else "no lattice"
        residual = self.time_reversal_residual
        spin = {"unknown": "spin order unknown", "spinless": "spinless"}.get(
            self.spin_order, f"spin {self.spin_order}"
        )
        if self.spin_order in ("blocks", "interleaved") and np.isfinite(residual):
            spin += f" (found, residual {residual:.2g} eV)"
        warning = ""
        if self.ws_distance_missing:
            warning = (
                " · off the ab-initio mesh these energies are not those of wannier90: "
                "use_ws_distance is on, but _wsvec.dat is missing"
            )
        stored = ""
        if self.rounding:
            stored = f" · single precision (rounded by up to {self.rounding:.1g} eV)"
        return f"{lattice} · {ws} · {spin}{stored}{warning}"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Positions:
    """The position operator, <i, 0| r |j, A>.

    It has lattice vectors of its own, so that a Hamiltonian may gain or lose
    terms without touching it.

    Parameters
    ----------
    cells : (m, 3) int64
        Lattice vectors A, unique.
    elements : (m, n, n, 3) complex128
        Angstrom, Cartesian; ``elements[A] == elements[-A]^dagger``.  The
        diagonal at A = 0 holds the Wannier centres.
    """

    cells: NDArray[np.int64]
    elements: NDArray[np.complex128]

    def __post_init__(self) -> None:
        """Freeze the arrays; raise `FileError` when shapes disagree."""
        _freeze(self, cells=np.int64, elements=np.complex128)
        m, n = len(self.cells), self.elements.shape[1] if self.elements.ndim == 4 else -1
        if self.cells.shape != (m, 3) or self.elements.shape != (m, n, n, 3):
            raise FileError(
                f"{self.cells.shape} cells do not fit {self.elements.shape} position elements.",
                "There must be one square matrix of vectors for each cell.",
            )


def _freeze(value: object, **dtypes: type[np.generic]) -> None:
    """Replace attributes by read-only copies of the given types."""
    for name, dtype in dtypes.items():
        array: NDArray[np.generic] = np.array(getattr(value, name), dtype=dtype)
        array.setflags(write=False)
        object.__setattr__(value, name, array)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Hoppings:
    """H(k) = sum_A exp(2 pi i k.A) H_A, lattice gauge; k reduced, energies in eV.

    Two values are equal only when they are the same object (arrays are
    compared by those who need it, with a tolerance of theirs).

    Parameters
    ----------
    cells : (m, 3) int64
        Lattice vectors A in units of a, b, c; unique.
    matrices : (m, n, n) complex128
        H_A in eV, row = left orbital (in cell 0), column = orbital in cell A;
        degeneracies already divided out. ``matrices[A] == matrices[-A]^dagger``.
    lattice : (3, 3) float64 or None
        Rows in Angstrom.
    centres : (n, 3) float64 or None
        Orbital centres, fractional.
    species : (p,) int64 and frac : (p, 3) float64, or None
        The crystal the hoppings belong to, when it is known.
    occupied : int or None
        Number of occupied bands when the source states it.
    positions : Positions or None
        The position matrix, when the source has it (``_tb.dat``).
    title : str
        Comment line of the source.
    source : Path or None
        The file it was read from.
    assumptions : Assumptions
        What had to be assumed to read it.
    """

    cells: NDArray[np.int64]
    matrices: NDArray[np.complex128]
    lattice: NDArray[np.float64] | None = None
    centres: NDArray[np.float64] | None = None
    species: NDArray[np.int64] | None = None
    frac: NDArray[np.float64] | None = None
    occupied: int | None = None
    positions: Positions | None = None
    title: str = ""
    source: Path | None = None
    assumptions: Assumptions = field(default_factory=Assumptions)

    def __post_init__(self) -> None:
        """Freeze the arrays; raise `FileError` when shapes disagree."""
        _freeze(self, cells=np.int64, matrices=np.complex128)
        m = len(self.cells)
        if self.cells.shape != (m, 3) or self.matrices.ndim != 3 or len(self.matrices) != m:
            raise FileError(
                f"{self.cells.shape} cells do not fit {self.matrices.shape} matrices.",
                "There must be one square matrix for each cell.",
                path=self.source,
            )

    @property
    def n_orbitals(self) -> int:
        """Number of orbitals (spin included)."""
        return int(self.matrices.shape[-1])

    @property
    def n_cells(self) -> int:
        """Number of lattice vectors A."""
        return len(self.cells)
