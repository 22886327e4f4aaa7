"""The input of networks that read hoppings: H(A) for A in {0, 1, 2}^3, without duplicates.

H(-A) = H(A)^dagger, so half of all hoppings repeat the other half.  Bird
(2023, section 2.1.2, eq. 5) drops the half at -A: it costs memory, and under
a global pooling over A the imaginary parts of both halves cancel, so the
kernels that read them stop learning (`cancellation` shows it in numbers).
His truncation, A in {0, 1, 2}^3, holds no A together with its opposite: 27
cells of 18 x 18 complex numbers are 17,496 reals.  What remains twice is in
A = 0 alone, which is Hermitian in itself; it is kept, so that every cell has
the shape that a kernel expects.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core import stopping
from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
from crystalgui.core.errors import DataError
from crystalgui.core.physics.bloch import one_blas_thread
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Complexes = NDArray[np.complex128]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

SIZE = 3
CELLS: Integers = np.stack(
    np.meshgrid(*[np.arange(SIZE, dtype=np.int64)] * 3, indexing="ij"), axis=-1
).reshape(-1, 3)
"""(27, 3): the lattice vectors of the crop, the last component fastest."""
CHUNK = 16
"""Samples whose full hoppings are in memory at once."""


def places(cells: Integers, wanted: Integers = CELLS) -> Integers:
    """Row of each wanted lattice vector in ``cells``, -1 where it is not there."""
    table = {tuple(cell): row for row, cell in enumerate(np.asarray(cells).tolist())}
    rows = [table.get(tuple(cell), -1) for cell in np.asarray(wanted).tolist()]
    return np.array(rows, dtype=np.int64)


def crop(cells: Integers, matrices: Complexes, wanted: Integers = CELLS) -> Floats:
    """The hoppings on the wanted lattice vectors, as real and imaginary parts.

    Parameters
    ----------
    cells : (c, 3) int64
    matrices : (..., c, n, n) complex128
        eV.
    wanted : (w, 3) int64
        Lattice vectors; by default `CELLS`.

    Returns
    -------
    (..., w, n, n, 2) float64
        eV; zero on lattice vectors without hoppings.
    """
    matrices = np.asarray(matrices, dtype=np.complex128)
    if matrices.ndim < 3 or matrices.shape[-3] != len(cells):
        raise DataError(
            f"{matrices.shape} hoppings do not belong to {len(cells)} lattice vectors.",
            "Give one square matrix for each lattice vector.",
        )
    rows = places(cells, wanted)
    there = np.flatnonzero(rows >= 0)
    result = np.zeros((*matrices.shape[:-3], len(rows), *matrices.shape[-2:]), np.complex128)
    result[..., there, :, :] = matrices[..., rows[there], :, :]
    return result.view(np.float64).reshape(*result.shape, 2)


def coverage(cells: Integers, wanted: Integers = CELLS) -> tuple[int, int]:
    """How many of the pairs {A, -A} of ``cells`` the crop keeps, and how many there are."""

    def pair(cell: list[int]) -> tuple[int, ...]:
        return max(tuple(cell), tuple(-x for x in cell))

    every = {pair(cell) for cell in np.asarray(cells).tolist()}
    return len(every & {pair(cell) for cell in np.asarray(wanted).tolist()}), len(every)


# ------------------------------------------------------------ of a data set


def live(dataset: PhaseDataset) -> Booleans:
    """(27,) bool: cells of the crop where any sample of the data set may differ from zero.

    The others are constant zeros: networks may skip their columns without
    changing anything.
    """
    rows = places(dataset.cells)
    there = rows >= 0
    if dataset.recipe.strength == 0:
        used = sum(np.abs(end.matrices).max(axis=(1, 2)) for end in dataset.ends())
        there &= np.take(used, rows) > 0  # a row of -1 is masked already
    return np.asarray(there, dtype=np.bool_)


def crop_batch(dataset: PhaseDataset, rows: Sequence[int] | Integers) -> Singles:
    """Crops of some samples.

    The mixture is linear in alpha, so only two cropped ends are mixed; the
    noise is made again from its seed and cropped, the same to the last bit
    as that of `PhaseDataset.noise`.

    Returns
    -------
    (b, 27, n, n, 2) float32
        eV, of the samples ``rows``.
    """
    rows = np.asarray(rows, dtype=np.int64)
    n = dataset.start.n_orbitals
    result = np.zeros((len(rows), len(CELLS), n, n, 2), np.float32)
    kept = live(dataset)
    result[:, kept] = compact_batch(dataset, rows, kept)
    return result


def compact_batch(
    dataset: PhaseDataset, rows: Sequence[int] | Integers, kept: Booleans | None = None
) -> Singles:
    """As `crop_batch`, with the cells of the mask ``kept`` only: (b, w, n, n, 2) float32."""
    wanted = CELLS[live(dataset) if kept is None else kept]
    return np.asarray(values_at(dataset, rows, wanted, np.float32))


def values_at(
    dataset: PhaseDataset,
    rows: Sequence[int] | Integers,
    wanted: Integers,
    dtype: type[np.floating[Any]] = np.float64,
) -> NDArray[Any]:
    """Hoppings of some samples on any lattice vectors ``wanted`` (w, 3).

    Returns
    -------
    (b, w, n, n, 2) of ``dtype``
        Real and imaginary part, eV; computed in double precision.
    """
    rows = np.asarray(rows, dtype=np.int64)
    cells = dataset.cells
    one, other = (crop(cells, end.matrices, wanted) for end in dataset.ends())
    result = np.empty((len(rows), *one.shape), dtype)
    for first in range(0, len(rows), CHUNK):
        stopping.check()
        some = rows[first : first + CHUNK]
        weight = dataset.alpha[some].reshape(-1, 1, 1, 1, 1)
        mixed = (1 - weight) * one + weight * other
        if dataset.recipe.strength:
            mixed += crop(cells, dataset.noise_matrices(some), wanted)
        result[first : first + CHUNK] = mixed
    return result


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Crops:
    """The crops of a whole data set, in memory or in a memory-mapped file.

    Attributes
    ----------
    values : (m, w, n, n, 2) float32
        eV, on the lattice vectors ``CELLS[live]``.
    live : (27,) bool
        See `live`.
    """

    values: Singles
    live: Booleans

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return int(self.values.nbytes)

    def batch(self, rows: Sequence[int] | Integers) -> Singles:
        """(b, 27, n, n, 2) float32, eV: the same as `crop_batch`."""
        taken = self.values[np.asarray(rows, dtype=np.int64)]
        result = np.zeros((len(taken), len(CELLS), *taken.shape[2:]), np.float32)
        result[:, self.live] = taken
        return result


def crops(
    dataset: PhaseDataset,
    folder: Path | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Crops:
    """The crops of every sample, made once.

    Parameters
    ----------
    dataset : PhaseDataset
    folder : Path, optional
        Where to keep them for the next time, in a memory-mapped file that is
        named after what is in the data set; without it they stay in memory.
    progress : callable, optional
        Told how many samples are done, of how many.
    """
    steps = crop_steps(dataset, folder)
    while True:
        try:
            done = next(steps)
        except StopIteration as end:
            made: Crops = end.value
            return made
        if progress is not None:
            progress(done, len(dataset))


def crop_steps(dataset: PhaseDataset, folder: Path | None = None) -> Generator[int, None, Crops]:
    """As `crops`, step by step; yields the number of samples done."""
    kept = live(dataset)
    n = dataset.start.n_orbitals
    shape = (len(dataset), int(kept.sum()), n, n, 2)
    if folder is None:
        values = np.empty(shape, np.float32)
        yield from _fill(dataset, kept, values)
        return Crops(values=values, live=kept)
    path = Path(folder) / f"crops-{dataset.summary.digest[:16] or 'unnamed'}.npy"
    if not dataset.summary.digest or (found := _mapped(path, shape)) is None:
        found = yield from _write(dataset, kept, path, shape)
    return Crops(values=found, live=kept)


def _fill(dataset: PhaseDataset, kept: Booleans, values: Singles) -> Generator[int, None, None]:
    step = 8 * CHUNK
    for first in range(0, len(values), step):
        rows = np.arange(first, min(first + step, len(values)))
        with one_blas_thread():
            values[rows[0] : rows[-1] + 1] = compact_batch(dataset, rows, kept)
        yield int(rows[-1]) + 1


def _mapped(path: Path, shape: tuple[int, ...]) -> Singles | None:
    """A finished file that fits, or None."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return values if values.shape == shape and values.dtype == np.float32 else None


def _write(
    dataset: PhaseDataset, kept: Booleans, path: Path, shape: tuple[int, ...]
) -> Generator[int, None, Singles]:
    """Make the file under another name; it gets its own when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=path.stem, suffix=".part", dir=path.parent)
    os.close(handle)
    try:
        values = np.lib.format.open_memmap(name, mode="w+", dtype=np.float32, shape=shape)
        yield from _fill(dataset, kept, values)
        values.flush()
        del values
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    mapped = _mapped(path, shape)
    assert mapped is not None  # it was just written
    return mapped


# ------------------------------------------------------------ why half is dropped


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Pooled:
    """What a sum over lattice vectors leaves of the imaginary parts.

    A kernel w with one real number for each Im H_ij gets, through the sum over
    A, the gradient dy/dw_ij = sum_A Im H_ij(A).

    Attributes
    ----------
    cells : int
        Lattice vectors that are summed.
    size : float, eV
        Root mean square over ij of sum_A |Im H_ij(A)|: what goes in.
    gradient : float, eV
        Root mean square of the gradient.
    symmetric : float, eV
        Root mean square of its part that is symmetric in ij.
    diagonal : float, eV
        Its largest element with i = j.
    total : float, eV
        Sum over all ij: the gradient of one weight for all imaginary parts.
    dead : int
        Directions of w, of n^2, in which the gradient is zero for every
        Hamiltonian, by eq. 5.
    """

    cells: int
    size: float
    gradient: float
    symmetric: float
    diagonal: float
    total: float
    dead: int


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Cancellation:
    """The imaginary parts under a global pooling, with both halves and with the crop."""

    orbitals: int
    both: Pooled
    half: Pooled

    @property
    def sentence(self) -> str:
        """What the numbers show."""
        n, both, half = self.orbitals, self.both, self.half
        if half.symmetric < 1e-9:
            return (
                "The hoppings between cells of this Hamiltonian are real, so there is nothing "
                "that could cancel; noise brings imaginary parts."
            )
        return (
            f"With A and -A, a sum over {both.cells} lattice vectors leaves "
            f"{both.symmetric:.1e} eV of the symmetric imaginary parts and {both.diagonal:.1e} eV "
            f"on the diagonal: {both.dead} of {n * n} weights' directions get no gradient, "
            f"whatever the Hamiltonian. The crop leaves {half.symmetric:.1e} eV and "
            f"{half.diagonal:.1e} eV, and eq. 5 silences none of its directions."
        )

    def csv(self) -> str:
        """Both sums as a table; units in the header."""
        names = ("cells", "size", "gradient", "symmetric", "diagonal", "total", "dead")
        units = ("", " (eV)", " (eV)", " (eV)", " (eV)", " (eV)", " directions")
        lines = ["kept," + ",".join(a + b for a, b in zip(names, units, strict=True))]
        for word, pooled in (("A and -A", self.both), ("crop", self.half)):
            lines.append(f"{word}," + ",".join(f"{getattr(pooled, name):.9g}" for name in names))
        return "\n".join(lines) + "\n"


def cancellation(h: Hoppings, reach: int = SIZE - 1) -> Cancellation:
    """Show why half of the hoppings is dropped, on one Hamiltonian.

    Im H_ij(A) = -Im H_ji(-A), so a sum over all A of any channel that treats
    ij and ji alike is zero, and with it the gradient of the kernel: of the n^2
    directions of an imaginary kernel the n (n + 1) / 2 symmetric ones are
    dead.  (The antisymmetric ones read Im H(k = 0), so the paper's "sum to
    zero" holds for pairs of ij and ji, not for every element by itself.)  The
    crop has no pairs but those in A = 0.

    Parameters
    ----------
    h : Hoppings
    reach : int
        Both halves are A in {-reach .. reach}^3, the crop {0 .. reach}^3.
    """
    axis = np.arange(-reach, reach + 1)
    every = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    half = every[(every >= 0).all(axis=1)]
    n = h.n_orbitals
    return Cancellation(
        orbitals=n,
        both=_pooled(h, every, n * (n + 1) // 2),
        half=_pooled(h, half, 0),
    )


def _pooled(h: Hoppings, wanted: Integers, dead: int) -> Pooled:
    imaginary = crop(h.cells, h.matrices, wanted)[..., 1]
    gradient = imaginary.sum(axis=0)
    return Pooled(
        cells=len(wanted),
        size=_rms(np.abs(imaginary).sum(axis=0)),
        gradient=_rms(gradient),
        symmetric=_rms((gradient + gradient.T) / 2),
        diagonal=float(np.abs(np.diagonal(gradient)).max(initial=0.0)),
        total=float(gradient.sum()),
        dead=dead,
    )


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values * values)))
