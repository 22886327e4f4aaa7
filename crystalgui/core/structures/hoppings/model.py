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
    """

    lattice_from: str = ""
    wigner_seitz: str = "none"
    spin_order: SpinOrder = "unknown"
    time_reversal_residual: float = float("nan")
    hermiticity_residual: float = 0.0
    files: tuple[str, ...] = ()
    ws_distance_missing: bool = False

    def sentence(self) -> str:
        """One line for captions."""
        ws = {
            "wsvec": "Wigner-Seitz vectors applied",
            "ndegen": "plain sum over R / ndegen",
            "none": "plain sum over R",
        }[self.wigner_seitz]
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
        return f"{lattice} · {ws} · {spin}{warning}"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Hoppings:
    """H(k) = sum_A exp(2 pi i k.A) H_A, lattice gauge.

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
    """

    cells: NDArray[np.int64]
    matrices: NDArray[np.complex128]
    lattice: NDArray[np.float64] | None = None
    centres: NDArray[np.float64] | None = None
    species: NDArray[np.int64] | None = None
    frac: NDArray[np.float64] | None = None
    occupied: int | None = None
    title: str = ""
    source: Path | None = None
    assumptions: Assumptions = field(default_factory=Assumptions)

    def __post_init__(self) -> None:
        """Freeze the arrays; raise `FileError` when shapes disagree."""
        for name, dtype in (("cells", np.int64), ("matrices", np.complex128)):
            array = np.array(getattr(self, name), dtype=dtype)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
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
