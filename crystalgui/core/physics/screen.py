"""Which of very many Hamiltonians have an open gap?  Batched, on any array library.

Labels along a path need the smallest direct gap of each sample and the proof
that it closes nowhere between the points of a mesh.  The proof is that of
`node_search`: no sorted band changes faster than H(k) (Weyl's inequality), the
slopes are measured between neighbouring points and taken with a margin, and
cells in which they would allow a touching are divided.  Here all samples and
k-points are one batch, in chunks that fit in memory; on a GPU this is where
nearly all of the work is.  Samples that are not proven open go to
`weyl.find_nodes` and `classify`, one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import half_sum, one_blas_thread, phases
from crystalgui.core.physics.gaps import check_occupation
from crystalgui.core.physics.node_search import divided_bound, mesh_bound
from crystalgui.core.physics.perturb import interpolate
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mesh = tuple[int, int, int]

_CHUNK_BYTES = 16 << 20
_CHUNK_BYTES_DEVICE = 1 << 30


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Screened:
    """Gaps of many samples.

    Attributes
    ----------
    gap : (s,) float64, eV
        Smallest direct gap at the points that were computed.
    k : (s, 3) float64, reduced
        Where it is.
    proven_open : (s,) bool
        Slopes rule a touching out in every cell.
    """

    gap: Floats
    k: Floats
    proven_open: NDArray[np.bool_]


def smallest_gaps(
    cells: Integers, matrices: Any, occupied: int, mesh: Mesh, *, levels: int = 3
) -> Screened:
    """Smallest direct gaps of many Hamiltonians on the same lattice vectors.

    Parameters
    ----------
    cells : (m, 3) int64
        Lattice vectors A, closed under A -> -A.
    matrices : (s, m, n, n) complex
        H_A of each sample in eV, of numpy, torch or another array library;
        the work is done by it, on its device.
    occupied : int
    mesh : (n1, n2, n3)
    levels : int
        How often cells are divided.
    """
    if matrices.ndim != 4 or matrices.shape[1] != len(cells):
        raise PhysicsError(
            f"{tuple(matrices.shape)} matrices do not fit {len(cells)} lattice vectors.",
            "Give one matrix for each sample and lattice vector.",
        )
    shape = (len(cells), int(matrices.shape[2]), int(matrices.shape[3]))
    counted = Hoppings(cells=cells, matrices=np.ones(shape, dtype=np.complex128))
    check_occupation(counted, occupied)
    kept, ones = half_sum(counted)
    place = {tuple(cell): i for i, cell in enumerate(cells.tolist())}
    index = np.array([place[tuple(cell)] for cell in kept.tolist()])
    weight = _like(ones.real[None, :, :1, :1], matrices)
    parts = []
    for i in range(int(matrices.shape[0])):
        half = _taken(matrices[i : i + 1], index) * weight
        parts.append(_Batch(kept, half, np.ones((1, 1)), occupied).screened(mesh, levels))
    return Screened(
        gap=np.concatenate([part.gap for part in parts]),
        k=np.concatenate([part.k for part in parts]),
        proven_open=np.concatenate([part.proven_open for part in parts]),
    )


def screen_family(
    a: Hoppings,
    b: Hoppings,
    alphas: ArrayLike,
    occupied: int,
    mesh: Mesh,
    *,
    levels: int = 3,
    xp: Any = np,
    device: Any = None,
) -> Screened:
    """The same for mixtures (1 - alpha) a + alpha b; H(k) is made for a and b only.

    Parameters
    ----------
    a, b : Hoppings
    alphas : (s,) floats
    occupied, mesh, levels
        As for `smallest_gaps`.
    xp, device
        Array library and device that do the work.
    """
    from array_api_compat import array_namespace

    one, two = interpolate(a, b, 0.0), interpolate(a, b, 1.0)
    check_occupation(one, occupied)
    weights = np.asarray(alphas, dtype=np.float64).reshape(-1)
    xp = array_namespace(xp.asarray([0.0]))
    cells, first = half_sum(one)
    half = np.stack([first, half_sum(two)[1]])
    made = xp.asarray(half) if device is None else xp.asarray(half, device=device)
    mixing = np.stack([1 - weights, weights], axis=1)
    return _Batch(cells, made, mixing, occupied).screened(mesh, levels)


class _Batch:
    """Mixtures ``mixing`` (s, b) of base Hamiltonians ``half`` (b, m, n, n)."""

    def __init__(self, cells: Integers, half: Any, mixing: Floats, occupied: int) -> None:
        from array_api_compat import array_namespace, is_numpy_array

        self.xp = array_namespace(half)
        self.cells, self.half, self.mixing, self.occupied = cells, half, mixing, occupied
        self.n = int(half.shape[-1])
        room = _CHUNK_BYTES if is_numpy_array(half) else _CHUNK_BYTES_DEVICE
        self.at_once = max(1, room // (48 * self.n**2))

    def screened(self, mesh: Mesh, levels: int) -> Screened:
        """Mesh, then divisions of the cells that are left."""
        grid = np.meshgrid(*[np.arange(count) / count for count in mesh], indexing="ij")
        k = np.stack(grid, axis=-1).reshape(-1, 3)
        with one_blas_thread():
            table = self._on_mesh(k)
            gap = table[..., 1] - table[..., 0]
            lowest = gap.argmin(axis=1)
            best, where = gap.min(axis=1), k[lowest]
            bound = np.stack([mesh_bound(one.reshape(*mesh, 2)).ravel() for one in table])
            owner, cell = np.nonzero(gap <= bound)
            left = k[cell], table[owner, cell], bound[owner, cell]
            size = np.where(np.array(mesh) > 1, 1 / np.array(mesh), 0.0)
            for _ in range(levels):
                if not len(owner):
                    break
                owner, left = self._divided(owner, *left, size, best, where)
                size = size / 2
        proven = np.ones(len(self.mixing), dtype=np.bool_)
        proven[owner] = False
        return Screened(gap=best, k=where, proven_open=proven)

    def _on_mesh(self, k: Floats) -> Floats:
        """Energies of the two bands at the gap at all k of all samples, (s, p, 2)."""
        samples, base = self.mixing.shape
        table = np.empty((samples, len(k), 2))
        for points in _slices(len(k), max(1, self.at_once // base)):
            sums = self._sums(k[points])
            count = int(sums.shape[1])
            flat = self.xp.reshape(sums, (base, -1))
            for some in _slices(samples, max(1, self.at_once // count)):
                mixed = self.xp.matmul(_like(self.mixing[some], sums), flat)
                table[some, points] = self._pair(
                    self.xp.reshape(mixed, (-1, count, self.n, self.n))
                )
        return table

    def _at(self, owner: Integers, k: Floats) -> Floats:
        """The same at one k for one sample each, (p, 2)."""
        pair = np.empty((len(k), 2))
        for points in _slices(len(k), max(1, self.at_once // self.mixing.shape[1])):
            sums = self._sums(k[points])
            weight = _like(self.mixing[owner[points]].T[:, :, None, None], sums)
            pair[points] = self._pair(self.xp.sum(weight * sums, axis=0))
        return pair

    def _sums(self, k: Floats) -> Any:
        """H(k) of the base Hamiltonians, (b, p, n, n)."""
        xp, (base, m) = self.xp, self.half.shape[:2]
        factor = xp.astype(phases(_like(k, self.half, real=True), self.cells), self.half.dtype)
        flat = xp.reshape(self.half, (base, m, self.n**2))
        sums = xp.reshape(xp.matmul(factor[None, ...], flat), (base, len(k), self.n, self.n))
        return sums + xp.conj(xp.matrix_transpose(sums))

    def _pair(self, matrices: Any) -> Floats:
        e = self.xp.linalg.eigvalsh(matrices)
        pair = e[..., self.occupied - 1 : self.occupied + 1]
        return np.asarray(pair.cpu() if hasattr(pair, "cpu") else pair)

    def _divided(
        self,
        owner: Integers,
        k: Floats,
        pair: Floats,
        limit: Floats,
        size: Floats,
        best: Floats,
        where: Floats,
    ) -> tuple[Integers, tuple[Floats, Floats, Floats]]:
        """Children that could still hold a node; ``best`` and ``where`` are brought up to date."""
        arms = [(-0.25, 0.25) if edge else (0.0,) for edge in size]
        corners = np.array(list(product(*arms))) * size
        child = (k[:, None] + corners).reshape(-1, 3)
        whose = np.repeat(owner, len(corners))
        e = self._at(whose, child).reshape(len(k), len(corners), 2)
        gap = (e[..., 1] - e[..., 0]).ravel()
        for i in np.argsort(-gap, kind="stable"):  # the lowest comes last and stays
            if gap[i] < best[whose[i]]:
                best[whose[i]], where[whose[i]] = gap[i], child[i]
        bound = divided_bound(e, pair, limit)
        keep = gap.reshape(len(k), -1) <= bound[:, None]
        kept = keep.ravel()
        limits = np.broadcast_to(bound[:, None], keep.shape)[keep]
        return whose[kept], (child[kept], e[keep], limits)


def _slices(total: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, total)) for start in range(0, total, step))


def _taken(matrices: Any, places: Integers) -> Any:
    from array_api_compat import array_namespace, device

    xp = array_namespace(matrices)
    return xp.take(matrices, xp.asarray(places, device=device(matrices)), axis=1)


def _like(values: Floats, like: Any, *, real: bool = False) -> Any:
    """Values on the device of an array, and of its type unless ``real``."""
    from array_api_compat import array_namespace, device

    xp = array_namespace(like)
    array = xp.asarray(values, device=device(like))
    return array if real else xp.astype(array, like.dtype)
