"""The noise of a sample and its symmetries, lattice vector by lattice vector.

Fig. 25 of Bird (2023) shows the noise at A = 0 and says that Hermiticity and
time reversal were confirmed for all A; here both are residuals in eV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.hamiltonians.crop import places
from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
from crystalgui.core.errors import DataError
from crystalgui.core.physics.bloch import one_blas_thread
from crystalgui.core.physics.reversal import kramers_splitting
from crystalgui.core.physics.tables import header, rows_csv
from crystalgui.core.structures.hoppings.spin import partner

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Integers = NDArray[np.int64]

EXACT = 1e-12
"""Largest residual of a symmetry that is exact up to rounding, eV."""


def origin_of(dataset: PhaseDataset) -> str:
    """Name, size and hash of a data set, for the head of a table."""
    summary = dataset.summary
    return f"data set: {summary.name}, {len(dataset)} samples, sha256 {summary.digest}"


def no_cell(dataset: PhaseDataset, cell: Sequence[int]) -> DataError:
    """What to raise where there are no hoppings."""
    low, high = dataset.cells.min(axis=0).tolist(), dataset.cells.max(axis=0).tolist()
    return DataError(
        f"There are no hoppings to the cell {tuple(cell)}.",
        f"Choose one of the {len(dataset.cells)} lattice vectors between {tuple(low)} "
        f"and {tuple(high)}.",
    )


def noise_matrix(dataset: PhaseDataset, i: int, cell: Sequence[int] = (0, 0, 0)) -> Complexes:
    """(n, n) complex128, eV: the noise of sample ``i`` on the hoppings to ``cell``."""
    place = int(places(dataset.cells, np.array([list(cell)]))[0])
    if place < 0:
        raise no_cell(dataset, cell)
    delta = dataset.noise(i)
    if delta is None:
        raise DataError(
            "The samples of this data set have no noise.",
            "Choose a data set that was made with a noise strength above zero.",
            path=dataset.summary.folder,
        )
    return np.asarray(delta.matrices[places(delta.cells, np.array([list(cell)]))[0]])


def matrix_csv(dataset: PhaseDataset, i: int, cell: Sequence[int] = (0, 0, 0)) -> str:
    """`noise_matrix` as a table: orbitals from 1, real and imaginary part, modulus, argument."""
    matrix = noise_matrix(dataset, i, cell)
    left, right = np.indices(matrix.shape) + 1
    return header(
        None, origin_of(dataset), f"noise of sample {i} on the hoppings to {tuple(cell)}"
    ) + rows_csv(
        ["i", "j", "real (eV)", "imaginary (eV)", "modulus (eV)", "argument (rad)"],
        [x.ravel() for x in (left, right, matrix.real, matrix.imag, abs(matrix), np.angle(matrix))],
    )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SymmetryCheck:
    """Symmetries of one sample, lattice vector by lattice vector.

    Attributes
    ----------
    sample : int
    what : {"noise", "sample"}
        The noise alone, or the whole Hamiltonian.
    cells : (c, 3) int64
        Lattice vectors A.
    size : (c,) float64, eV
        Root mean square of D(A).
    hermitian : (c,) float64, eV
        max |D(-A) - D(A)^dagger|.
    time_reversal : (c,) float64, eV
        max |D(A) - U D(A)* U^dagger|; NaN where the order of spins is unknown.
    splitting : float, eV
        Largest splitting of a Kramers pair of the whole sample at the eight
        k = -k + G; NaN without spin.
    """

    sample: int
    what: Literal["noise", "sample"]
    cells: Integers
    size: Floats
    hermitian: Floats
    time_reversal: Floats
    splitting: float
    spin_order: str
    origin: str

    @property
    def passed(self) -> bool:
        """Whether both hold for every A up to rounding."""
        return bool(self.hermitian.max() <= EXACT and self.time_reversal.max() <= EXACT)

    @property
    def sentence(self) -> str:
        """The result in words."""
        subject = "noise" if self.what == "noise" else "Hamiltonian"
        split = self.splitting
        words = [
            f"D(-A) = D(A)^dagger holds to {self.hermitian.max():.1e} eV",
            f"time reversal to {self.time_reversal.max():.1e} eV"
            if np.isfinite(self.time_reversal).all()
            else "time reversal cannot be judged, the order of the spins is not known",
        ]
        if np.isfinite(split):
            words.append(f"Kramers pairs of the sample split by at most {split:.1e} eV")
        return (
            f"{subject.capitalize()} of sample {self.sample}, all {len(self.cells)} lattice "
            f"vectors: {', '.join(words)}."
        )

    def csv(self) -> str:
        """Residuals by lattice vector."""
        return header(None, self.origin, self.sentence) + rows_csv(
            [
                "A1",
                "A2",
                "A3",
                "rms (eV)",
                "max |D(-A) - D(A)^dagger| (eV)",
                "max |D(A) - U D(A)* U^dagger| (eV)",
            ],
            [self.cells, self.size, self.hermitian, self.time_reversal],
        )


def symmetry_check(
    dataset: PhaseDataset, i: int, what: Literal["noise", "sample"] = "noise"
) -> SymmetryCheck:
    """Whether the noise, or the whole sample, is Hermitian and keeps time reversal, at every A."""
    whole = dataset.hamiltonian(i)
    h = dataset.noise(i) if what == "noise" else whole
    if h is None:
        h, what = whole, "sample"
    opposite = places(h.cells, -h.cells)
    if (opposite < 0).any():
        raise DataError(
            "Some lattice vectors of this sample have no opposite.", "Make the data set again."
        )
    d = h.matrices
    order = h.assumptions.spin_order
    residual = np.full(len(d), np.nan)
    splitting = float("nan")
    if order != "unknown":
        p, s = partner(h.n_orbitals, order)
        image = d[:, p][:, :, p].conj() * (s[:, None] * s[None, :])
        residual = np.abs(d - image).max(axis=(1, 2))
        if order != "spinless":
            with one_blas_thread():
                splitting = kramers_splitting(whole)
    return SymmetryCheck(
        sample=i,
        what=what,
        cells=h.cells,
        size=np.sqrt(np.mean(np.abs(d) ** 2, axis=(1, 2))),
        hermitian=np.abs(d[opposite] - d.conj().swapaxes(1, 2)).max(axis=(1, 2)),
        time_reversal=residual,
        splitting=splitting,
        spin_order=order,
        origin=origin_of(dataset),
    )
