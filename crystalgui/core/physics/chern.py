"""Chern numbers of planes of the Brillouin zone, and the Zak phase of a chain.

Fukui, Hatsugai and Suzuki, J. Phys. Soc. Jpn. 74, 1674 (2005): links are the
phases of det<u(k)|u(k+d)> (eq. 7), the field strength of a plaquette is the
argument of the product of its four links (eq. 8), and its sum is 2 pi times
an integer on every mesh, however coarse (eq. 9).  The integer is the right one
only where the field strength stays away from +-pi (admissibility, section 4),
and even that can be met by chance: so the mesh is refined wherever the direct
gap could close between its points at the rate at which it changes, and the
integer must be the same on the mesh of every other point.

Sign: the field strength here is minus the argument of <u1|u2><u2|u3><u3|u4><u4|u1>
anticlockwise in (u, v), so that C = 1/2pi times the integral of the Berry
curvature of `berry`, the curl of i<u|grad u>.  That is the sign of PythTB:
Haldane's model with M = 0, phi = pi/2 and t2 > 0 has C = -1; and Gauss' law
holds with the chirality of nodes: C(k3 = s2) - C(k3 = s1) is the sum of the
chiralities in between (u, v, and the third vector right-handed).  Eq. 9 of
Fukui, Hatsugai and Suzuki has the opposite sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import one_blas_thread, over_chunks
from crystalgui.core.physics.certificate import Status
from crystalgui.core.physics.folded import Folded, Surface, fold, valley
from crystalgui.core.physics.gaps import check_occupation
from crystalgui.core.physics.lines import Refinement
from crystalgui.core.physics.links import dagger, line_centres
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

ADMISSIBLE = 0.9 * np.pi
_FIRST = 12
_SHORTEST = 2e-5
_PINNED = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Chern:
    """Chern number of the occupied bands on a plane.

    Attributes
    ----------
    value : int or None
        None unless the status is ``converged``.
    status : {"converged", "unresolved", "undefined"}
        ``undefined``: the direct gap closes on the plane.
    mesh : (int, int)
        Points along u and v of the last mesh (not equidistant).
    largest_flux : float
        Largest field strength on it, in (0, pi].
    smallest_gap : float, eV
        Smallest direct gap met.
    """

    value: int | None
    status: Status
    mesh: tuple[int, int]
    largest_flux: float
    smallest_gap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Zak:
    """Berry phase of the occupied bands along one reciprocal vector.

    Attributes
    ----------
    phase : float
        In (-pi, pi]; 2 pi times the sum of the Wannier charge centres, every
        orbital at the origin of its cell.
    quantised : bool
        A multiple of pi within 1e-8 on meshes of 16 and 24 points: inversion
        or a chiral symmetry pins it (they pin it exactly on every symmetric
        mesh; without them the discretisation alone would move it).
    status : {"converged", "unresolved", "undefined"}
    smallest_gap : float, eV
    """

    phase: float
    quantised: bool
    status: Status
    smallest_gap: float


def field_strength(states: Any) -> Any:
    """Lattice field strength of occupied states on a closed mesh.

    Parameters
    ----------
    states : (..., a, b, n, o) complex
        Occupied states as columns, on a mesh that closes in both directions;
        numpy, torch or another array library.

    Returns
    -------
    (..., a, b) floating in [-pi, pi): Berry flux through each plaquette
    """
    from array_api_compat import array_namespace

    xp = array_namespace(states)
    one = xp.linalg.det(xp.matmul(dagger(states), xp.roll(states, -1, axis=-4)))
    two = xp.linalg.det(xp.matmul(dagger(states), xp.roll(states, -1, axis=-3)))
    turn = one * xp.roll(two, -1, axis=-2) * xp.conj(xp.roll(one, -1, axis=-1)) * xp.conj(two)
    return -xp.atan2(xp.imag(turn), xp.real(turn))


def chern(
    h: Hoppings,
    occupied: int,
    origin: Sequence[float] | Floats = (0.0, 0.0, 0.0),
    u: Sequence[float] | Floats = (1, 0, 0),
    v: Sequence[float] | Floats = (0, 1, 0),
    *,
    gap_tolerance: float = 1e-6,
    most_points: int = 160_000,
    threads: int | None = 1,
) -> Chern:
    """Chern number on the plane origin + t u + s v.

    Parameters
    ----------
    h : Hoppings
    occupied : int
    origin : (3,), reduced
    u, v : (3,) integers
        Reciprocal-lattice vectors that span the plane.
    gap_tolerance : float, eV
        A smaller direct gap on the plane counts as closed.
    most_points : int
        k-points at most; the answer is ``unresolved`` when more are needed.
    threads : int or None
        Threads over k-points; None for one a core.
    """
    check_occupation(h, occupied)
    fold(h, Surface(origin=np.zeros(3), across=np.zeros(3), along=np.asarray(u)))
    surface = Surface(
        origin=np.asarray(origin, dtype=np.float64),
        across=np.asarray(u, dtype=np.float64),
        along=np.asarray(v, dtype=np.float64),
    )
    mesh = _Mesh(fold(h, surface), occupied, threads)
    with one_blas_thread():
        return _refined(mesh, gap_tolerance, most_points)


def _refined(mesh: _Mesh, gap_tolerance: float, most_points: int) -> Chern:
    polished = np.inf
    while True:
        flux = field_strength(mesh.states)
        value = round(float(flux.sum()) / (2 * np.pi))
        rows, columns = mesh.narrow(np.abs(flux) >= ADMISSIBLE)
        lowest = float(mesh.gap.min())
        if (rows.any() or columns.any()) and lowest < polished / 2:
            polished = mesh.bottom()
        smallest = min(lowest, polished)
        status: Status = "undefined" if smallest < gap_tolerance else "unresolved"
        if status == "unresolved" and not (rows.any() or columns.any()):
            coarse = field_strength(mesh.states[::2, ::2])
            if round(float(coarse.sum()) / (2 * np.pi)) == value:
                status = "converged"
            rows[:], columns[:] = True, True
        largest = float(np.abs(flux).max())
        steps = mesh.shortest(rows, columns)
        points = (len(mesh.t) + rows.sum()) * (len(mesh.s) + columns.sum())
        if status != "unresolved" or points > most_points or steps < _SHORTEST:
            return Chern(
                value=value if status == "converged" else None,
                status=status,
                mesh=(len(mesh.t), len(mesh.s)),
                largest_flux=largest,
                smallest_gap=smallest,
            )
        mesh.halve(rows, columns)


class _Mesh:
    """Occupied states and gaps on a rectangular mesh whose lines are added one by one."""

    def __init__(self, folded: Folded, occupied: int, threads: int | None) -> None:
        self.folded, self.occupied, self.threads = folded, occupied, threads
        self.t = self.s = np.arange(_FIRST) / _FIRST
        self.gap, self.states = self._solve(self.t, self.s)
        self.rates = [
            max(float(np.abs(self.gap - np.roll(self.gap, 1, axis)).max()) * _FIRST, 1e-12)
            for axis in (0, 1)
        ]

    def _solve(self, t: Floats, s: Floats) -> tuple[Floats, Complexes]:
        """Direct gaps (len(t), len(s)) and occupied states on a product of lines."""
        n, occupied = self.folded.n, self.occupied
        lines = self.folded.lines(t)
        gap = np.empty((len(t), len(s)))
        states = np.empty((len(t), len(s), n, occupied), dtype=np.complex128)

        def part(rows: slice) -> None:
            for i in range(rows.start, rows.stop):
                values, vectors = np.linalg.eigh(self.folded.on_line(lines[i], s))
                gap[i] = values[:, occupied] - values[:, occupied - 1]
                states[i] = vectors[..., :occupied]

        over_chunks(part, len(t), 16, self.threads)
        return gap, states

    def narrow(self, steep: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Intervals of t and of s to halve.

        Those of steep plaquettes, and those over which the gap could close.
        """
        wide_t, wide_s = np.diff(self.t, append=1.0), np.diff(self.s, append=1.0)
        fall_t, fall_s = self.rates[0] * wide_t[:, None], self.rates[1] * wide_s
        right, up = np.roll(self.gap, -1, axis=0), np.roll(self.gap, -1, axis=1)
        across = np.roll(right, -1, axis=1)
        # Neither diagonal keeps the gap open everywhere on the plaquette.
        steep = steep | (np.maximum(self.gap + across, right + up) < fall_t + fall_s)
        rows, columns = steep & (2 * fall_t >= fall_s), steep & (2 * fall_s >= fall_t)
        return np.asarray(rows.any(axis=1)), np.asarray(columns.any(axis=0))

    def shortest(self, rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> float:
        """Shortest interval after halving."""
        wide = [np.diff(self.t, append=1.0)[rows], np.diff(self.s, append=1.0)[columns]]
        return float(np.concatenate(wide).min(initial=1.0)) / 2

    def halve(self, rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> None:
        """Add the middle lines of the chosen intervals."""
        if rows.any():
            t = (self.t + np.diff(self.t, append=1.0) / 2)[rows]
            gap, states = self._solve(t, self.s)
            self._insert(0, gap, states, t)
        if columns.any():
            s = (self.s + np.diff(self.s, append=1.0) / 2)[columns]
            gap, states = self._solve(self.t, s)
            self._insert(1, gap, states, s)

    def _insert(self, axis: int, gap: Floats, states: Complexes, added: Floats) -> None:
        places = np.concatenate([self.s if axis else self.t, added])
        order = np.argsort(places, kind="stable")
        self.gap = np.take(np.concatenate([self.gap, gap], axis), order, axis)
        self.states = np.take(np.concatenate([self.states, states], axis), order, axis)
        if axis:
            self.s = places[order]
        else:
            self.t = places[order]

    def bottom(self) -> float:
        """The direct gap at the bottom of the valley around the smallest one known, eV."""
        i, j = np.unravel_index(int(self.gap.argmin()), self.gap.shape)
        reach = np.array(
            [np.diff(self.t, append=1.0)[i], np.diff(self.s, append=1.0)[j]], dtype=np.float64
        )
        return valley(self.folded, self.occupied, np.array([self.t[i], self.s[j]]), reach)[0]


def zak(
    h: Hoppings,
    occupied: int,
    axis: int | None = None,
    origin: Sequence[float] | Floats = (0.0, 0.0, 0.0),
    *,
    gap_tolerance: float = 1e-6,
) -> Zak:
    """Berry phase (Zak, Phys. Rev. Lett. 62, 2747 (1989)) along one reciprocal vector.

    Parameters
    ----------
    h : Hoppings
    occupied : int
    axis : {0, 1, 2}, optional
        Default: the first direction in which anything hops.
    origin : (3,), reduced
        A point of the line.
    gap_tolerance : float, eV
        A smaller direct gap on the line counts as closed.
    """
    check_occupation(h, occupied)
    if axis is None:
        size = np.abs(h.matrices).max(axis=(1, 2), initial=0)
        hops = (h.cells[size > 0] != 0).any(axis=0)
        axis = int(hops.argmax())
    surface = Surface(
        origin=np.asarray(origin, dtype=np.float64), across=np.zeros(3), along=np.eye(3)[axis]
    )
    folded = fold(h, surface)
    refinement = Refinement(folded, occupied, pos_tol=1e-4, points=(16, 8192), step=1e-5, threads=1)
    with one_blas_thread():
        line = refinement.compute(np.zeros(1))[0]
        pinned = all(_pinned(folded, occupied, points) for points in (16, 24))
        start = np.array([0.0, line.s[line.gap.argmin()]])
        bottom = valley(folded, occupied, start, np.array([0.0, float(line.steps.min())]))[0]
    smallest = min(line.smallest, bottom)
    turn = float(line.centres.sum())
    off = abs(2 * turn - round(2 * turn)) / 2
    status: Status = "converged" if line.smooth and line.movement <= 1e-4 else "unresolved"
    if smallest < gap_tolerance:
        status = "undefined"
    return Zak(
        phase=float(2 * np.pi * (turn - np.ceil(turn - 0.5 - 1e-9))),
        quantised=status == "converged" and pinned and off < 1e-3,
        status=status,
        smallest_gap=smallest,
    )


def _pinned(folded: Folded, occupied: int, points: int) -> bool:
    s = np.arange(points) / points
    _, vectors = np.linalg.eigh(folded.on_line(folded.lines(np.zeros(1))[0], s))
    turn = 2 * float(line_centres(vectors[..., :occupied]).sum())
    return abs(turn - round(turn)) < _PINNED
