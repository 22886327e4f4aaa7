"""Hamiltonians of one crystal as few numbers: what they are where their gap closes.

The phase of a mixture changes only where bands touch at the Fermi level, and
to first order in what is mixed in, that is decided by the projection of H(k)
on the states next to the gap (k.p theory; Murakami 2007 for how nodes appear
and vanish when inversion is broken).  The k-points are those where training
samples have their smallest gaps, the states are those of the noiseless
mixture in the middle of these samples, so that every sample is projected on
the same frame and no gauge has to be fixed.  Unlike the crop of Bird 2023,
section 2.1.2, this reads all lattice vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core import stopping
from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
from crystalgui.core.errors import DataError
from crystalgui.core.physics.bloch import hamiltonian, one_blas_thread
from crystalgui.core.physics.perturb import interpolate

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Integers = NDArray[np.int64]

STATES = 4
CHUNK = 256


@dataclass(frozen=True, slots=True, eq=False)
class LowEnergy:
    """Where Hamiltonians are looked at, and through which states.

    Attributes
    ----------
    k : (q, 3) float64, reduced
    frame : (q, n, w) complex128
        States next to the gap of the reference, as columns.
    reference : float
        Mixing of the reference.
    """

    k: Floats
    frame: Complexes
    reference: float

    @classmethod
    def of(cls, dataset: PhaseDataset, rows: Integers, points: int = 16) -> LowEnergy:
        """From training rows alone.

        Parameters
        ----------
        points : int
            k-points, spread over those of the fifth of ``rows`` with the smallest gaps.
        """
        if len(rows) < 5:
            raise DataError("Too few samples to see where gaps close.", "Make a larger data set.")
        order = np.argsort(dataset.gap[rows], kind="stable")
        closest = rows[order[: max(points, len(rows) // 5)]]
        reference = float(np.median(dataset.alpha[closest]))
        k = _spread(_half(dataset.k[closest]), points)
        _, states = np.linalg.eigh(hamiltonian(interpolate(*dataset.ends(), reference), k))
        first = max(0, dataset.occupied - STATES // 2)
        return cls(k, np.ascontiguousarray(states[:, :, first : first + STATES]), reference)

    def features(self, dataset: PhaseDataset, rows: Integers) -> NDArray[np.float32]:
        """(b, q (w w + w - 1)) float32, eV: the projections and the steps of their levels."""
        made = np.empty((len(rows), self.size), np.float32)
        for first, some in self._chunks(rows):
            made[first : first + len(some)] = self._of_some(dataset, some)
        return made

    @property
    def size(self) -> int:
        """Numbers of a sample."""
        q, _, w = self.frame.shape
        return int(q * (w * w + w - 1))

    @staticmethod
    def _chunks(rows: Integers) -> Iterator[tuple[int, Integers]]:
        for first in range(0, len(rows), CHUNK):
            stopping.check()
            yield first, rows[first : first + CHUNK]

    def _of_some(self, dataset: PhaseDataset, rows: Integers) -> NDArray[np.float32]:
        phase = np.exp(2j * np.pi * self.k @ dataset.cells.T)  # (q, c)
        matrices = dataset.matrices(rows)
        b, c, n, _ = matrices.shape
        at_k = np.einsum("qc,bcx->bqx", phase, matrices.reshape(b, c, n * n), optimize=True)
        seen = self.frame.conj().transpose(0, 2, 1) @ at_k.reshape(b, -1, n, n) @ self.frame
        w = seen.shape[-1]
        upper = np.triu_indices(w, 1)
        with one_blas_thread():
            levels = np.linalg.eigvalsh(seen)
        parts = (
            np.diagonal(seen, axis1=2, axis2=3).real,
            seen[..., upper[0], upper[1]].real,
            seen[..., upper[0], upper[1]].imag,
            np.diff(levels, axis=-1),
        )
        return np.concatenate(parts, axis=-1).reshape(b, -1).astype(np.float32)


def _half(k: Floats) -> Floats:
    """In [-1/2, 1/2), of k and -k the one with the larger first coordinates."""
    k = (np.asarray(k) + 0.5) % 1.0 - 0.5
    k = np.where(np.abs(k + 0.5) < 1e-9, 0.5, k)
    sign = np.ones(len(k))
    undecided = np.ones(len(k), bool)
    for axis in (2, 0, 1):
        inner = np.abs(np.abs(k[:, axis]) - 0.5) > 1e-6  # a half is its own opposite
        decides = undecided & inner & (np.abs(k[:, axis]) > 1e-6)
        sign[decides] = np.sign(k[decides, axis])
        undecided &= ~decides
    k = k * sign[:, None]
    return np.asarray((k + 0.5) % 1.0 - 0.5)


def _spread(k: Floats, points: int) -> Floats:
    """``points`` of them, each as far as can be from those before; the first is the middle one."""
    chosen = [int(np.argmin(_distance(k, np.median(k, axis=0))))]
    far = _distance(k, k[chosen[0]])
    while len(chosen) < min(points, len(k)) and far.max() > 1e-6:
        chosen.append(int(np.argmax(far)))
        far = np.minimum(far, _distance(k, k[chosen[-1]]))
    return k[chosen]


def _distance(k: Floats, other: Floats) -> Floats:
    """Periodic distance in reduced coordinates."""
    return np.asarray(np.linalg.norm((k - other + 0.5) % 1.0 - 0.5, axis=1))
