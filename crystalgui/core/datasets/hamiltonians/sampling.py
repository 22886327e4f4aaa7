"""A Hamiltonian on a regular mesh of its Brillouin zone, for networks that know no crystal.

Bird (2023), section 2.1.4, samples H(k) = sum_A exp(2 pi i k.A) H_A along the
three reciprocal vectors, so that any crystal becomes a tensor on a torus.  His
eq. 12, k = (2a - n + 1) / (2n - 2), puts the first and the last sample on the
same point of the torus: each face of the cell is there twice, each edge four
times and the corner eight times, so that convolutions that wrap round see the
faces doubled.  Eq. 13, k = (2a - n) / 2n, leaves the second copy out.  It
holds Gamma and the other momenta with k = -k + G for even n only.  Directions
in which nothing hops have b = 0: one sample, k = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import DataError
from crystalgui.core.physics.bloch import half_sum, one_blas_thread, plane_sum
from crystalgui.core.physics.symmetries import live_axes
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Complexes = NDArray[np.complexfloating[Any, Any]]
Scheme = Literal["eq13", "eq12"]

MOST_POINTS = 160
"""Along one direction; 160^3 matrices of 18 orbitals are 21 GB."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SampledZone:
    """H(k) on a mesh.

    Attributes
    ----------
    hamiltonian : (n1, n2, n3, m, m) complex128, eV
        Lattice gauge.  An axis along which nothing hops has size 1.
    k : (n1, n2, n3, 3) float64, reduced
    scheme : {"eq13", "eq12"}
    warnings : tuple of str
        What a reader of the tensor must know, in sentences.
    """

    hamiltonian: Complexes
    k: Floats
    scheme: Scheme
    warnings: tuple[str, ...] = ()

    @property
    def bands(self) -> Floats:
        """Energies (n1, n2, n3, m) float64, eV, ascending."""
        with one_blas_thread():
            return np.asarray(np.linalg.eigvalsh(self.hamiltonian))

    @property
    def repeated(self) -> Complexes:
        """H(k) on (n, n, n): samples repeated along the axes with b = 0."""
        n = max(self.hamiltonian.shape[:3])
        return np.broadcast_to(self.hamiltonian, (n, n, n, *self.hamiltonian.shape[3:]))


def mesh_points(n: int, scheme: Scheme = "eq13", shift: float = 0.0) -> Floats:
    """Coordinates of the samples along one reciprocal vector.

    Parameters
    ----------
    n : int
    scheme : {"eq13", "eq12"}
    shift : float
        Of the origin, in steps of the mesh.

    Returns
    -------
    (n,) float64, reduced: from -1/2 up to 1/2 - 1/n (eq. 13) or 1/2 (eq. 12)
    """
    if scheme not in ("eq13", "eq12"):
        raise DataError(f"There is no sampling '{scheme}'.", "Choose eq13 or eq12.")
    least = 1 if scheme == "eq13" else 2
    if not least <= n <= MOST_POINTS:
        raise DataError(
            f"{n} points along a reciprocal vector are impossible.",
            f"Choose a number from {least} to {MOST_POINTS}.",
        )
    a = np.arange(n) + shift
    if scheme == "eq13":
        return np.asarray((2 * a - n) / (2 * n))
    return np.asarray((2 * a - n + 1) / (2 * n - 2))


def mesh_axes(
    h: Hoppings, n: int, scheme: Scheme = "eq13", shift: tuple[float, ...] = (0.0, 0.0, 0.0)
) -> tuple[Floats, Floats, Floats]:
    """Coordinates along the three reciprocal vectors; one zero where nothing hops (b = 0)."""
    live = live_axes(h)
    one, two, three = (
        mesh_points(n, scheme, shift[axis]) if axis in live else np.zeros(1) for axis in range(3)
    )
    return one, two, three


def matrices_on(h: Hoppings, axes: tuple[Floats, Floats, Floats]) -> Complexes:
    """H(k) on the product of three lists of coordinates, (n1, n2, n3, m, m), by separable sums."""
    cells, half = half_sum(h)
    first, place = np.unique(cells[:, 0], return_inverse=True)
    rest, where = np.unique(cells[:, 1:], axis=0, return_inverse=True)
    blocks = np.zeros((len(first), len(rest), *half.shape[1:]), dtype=np.complex128)
    blocks[place.ravel(), where.ravel()] = half
    shape = tuple(len(axis) for axis in axes)
    result = np.empty((*shape, *half.shape[1:]), dtype=np.complex128)
    with one_blas_thread():
        for i, x in enumerate(axes[0]):
            plane = np.tensordot(np.exp(2j * np.pi * x * first), blocks, axes=1)
            result[i] = plane_sum(rest, plane, axes[1], axes[2])
    return result


def sample(h: Hoppings, n: int, scheme: Scheme = "eq13") -> SampledZone:
    """Sample the Brillouin zone of a Hamiltonian.

    Parameters
    ----------
    h : Hoppings
        In one, two or three dimensions.
    n : int
        Samples along each reciprocal vector in whose direction anything hops.
    scheme : {"eq13", "eq12"}
        See the module; eq. 13 is right on the torus.

    Returns
    -------
    SampledZone
    """
    axes = mesh_axes(h, n, scheme)
    k = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return SampledZone(
        hamiltonian=matrices_on(h, axes), k=k, scheme=scheme, warnings=remarks(h, n, scheme)
    )


def remarks(h: Hoppings, n: int, scheme: Scheme = "eq13") -> tuple[str, ...]:
    """What a mesh of ``n`` points does to a Hamiltonian, in sentences."""
    found = []
    live = live_axes(h)
    if len(live) < 3:
        names = " and ".join(f"b{axis + 1}" for axis in range(3) if axis not in live)
        found.append(f"Nothing hops along {names}: b = 0 there, the samples repeat themselves.")
    if scheme == "eq12":
        found.append(
            "Eq. 12 samples k = -1/2 and k = 1/2, which are the same point of the torus: "
            "the faces of the cell count twice. Eq. 13 does not."
        )
    if (n % 2 == 1) == (scheme == "eq13"):
        word = "odd" if n % 2 else "even"
        found.append(
            f"With an {word} number of points, {n}, the mesh misses k = 0, where time reversal "
            "and inversion leave their marks."
        )
    needed = h.n_orbitals**2 * h.n_cells
    size = n ** len(live)
    if size < needed:
        power = {1: "", 2: "²", 3: "³"}[len(live)]
        enough = least_mesh(h)
        clash = aliases(h, n, scheme)
        lost = (
            f"{clash} of its {h.n_cells:,} cells coincide with others on this mesh and are lost"
            if clash
            else "no two of its cells coincide on this mesh, so all matrices together keep it"
        )
        found.append(
            f"A lossy sampling by the count of numbers: {n}{power} = {size:,} points are fewer "
            f"than {h.n_orbitals}² × {h.n_cells:,} = {needed:,} hoppings ({enough} along each "
            f"direction would do); {lost}."
        )
    return tuple(found)


def least_mesh(h: Hoppings) -> int:
    """Smallest n with n^d >= orbitals^2 x cells in d dimensions (Bird 2023, section 2.1.4)."""
    directions = len(live_axes(h))
    needed = h.n_orbitals**2 * h.n_cells
    n = max(1, int(needed ** (1 / directions)) - 1)
    while n**directions < needed:
        n += 1
    return n


def aliases(h: Hoppings, n: int, scheme: Scheme = "eq13") -> int:
    """Cells that the mesh cannot tell from another one; 0 when H(A) can be had back from H(k).

    Each H(A) has a matrix of its own at every k, so that what is needed for an
    injective sampling is only that no two cells agree modulo the mesh.
    """
    period = n if scheme == "eq13" else n - 1
    folded = h.cells % max(period, 1)
    return len(folded) - len(np.unique(folded, axis=0))
