"""Principal axes of many Hamiltonians: what spectra, embeddings and autoencoders begin with.

The table of crops has more columns than rows (5,832 numbers of BiTeI), so the
axes come from the products of rows with rows, in double precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core import stopping
from crystalgui.core.datasets.hamiltonians.crop import CELLS, live, values_at
from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BYTES = 400_000_000
"""Largest table of hoppings that is analysed at once."""
FLOOR = 1e-6
"""A singular value that is smaller, in parts of the largest, is rounding: the spectrum comes
from products of hoppings, which resolve a few times the square root of double precision."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Principal:
    """Principal axes of a table (m, p).

    Attributes
    ----------
    mean : (p,) float64, eV
    values : (r,) float64, eV
        All singular values of the centred table, largest first.
    axes : (p, c) float64
        The first axes, orthonormal; fewer where the values are rounding.
    scores : (m, c) float64, eV
        Coordinates of the rows along them.
    """

    mean: Floats
    values: Floats
    axes: Floats
    scores: Floats

    def of(self, table: Floats) -> Floats:
        """(q, c) eV: coordinates of other rows (q, p)."""
        return np.asarray((table - self.mean) @ self.axes)


def table(dataset: PhaseDataset, rows: Sequence[int] | Integers) -> tuple[Integers, Floats]:
    """Rows and their crops as (m, p) float64 in eV; cells that are always zero are left out.

    The rows are thinned out evenly where the table would be larger than `BYTES`.
    """
    rows = np.asarray(rows, dtype=np.int64)
    wanted = CELLS[live(dataset)]
    width = max(1, len(wanted)) * dataset.start.n_orbitals**2 * 2
    most = max(8, BYTES // (8 * width))
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    values: Floats = values_at(dataset, rows, wanted)
    return rows, values.reshape(len(rows), -1)


def singular_values(numbers: Floats) -> Floats:
    """(r,) eV: singular values of the centred table (m, p), largest first."""
    from scipy.linalg import eigh

    products, _, _ = _products(numbers)
    squares = eigh(products, eigvals_only=True, overwrite_a=True)[::-1]
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def principal(numbers: Floats, components: int) -> Principal:
    """The first ``components`` principal axes of a table (m, p)."""
    from scipy.linalg import eigh

    products, centred, tall = _products(numbers)
    squares, vectors = eigh(products, overwrite_a=True)
    values = np.sqrt(np.maximum(squares[::-1], 0))
    kept = int((values[:components] > FLOOR * values[0]).sum())
    vectors = vectors[:, ::-1][:, :kept]
    axes = vectors if tall else centred.T @ (vectors / values[:kept])
    scores = centred @ vectors if tall else vectors * values[:kept]
    signs = np.sign(scores[np.abs(scores).argmax(axis=0), np.arange(kept)])
    return Principal(
        mean=numbers.mean(axis=0), values=values, axes=axes * signs, scores=scores * signs
    )


def _products(numbers: Floats) -> tuple[Floats, Floats, bool]:
    """Products of rows, or of columns where those are fewer; the centred table; which."""
    centred = numbers - numbers.mean(axis=0)
    tall = numbers.shape[0] > numbers.shape[1]
    stopping.check()
    products = centred.T @ centred if tall else centred @ centred.T
    stopping.check()
    return products, centred, tall
