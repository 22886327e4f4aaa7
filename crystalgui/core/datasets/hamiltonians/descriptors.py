"""What a network may know of a Brillouin zone: numbers that depend on no choice.

Eigenvectors come with arbitrary phases, degenerate ones with arbitrary unitary
matrices, orbitals in any order and basis.  The channels here depend on none of
that; moving the origin of the mesh by one step rolls them.  They are built
from energies beside the gap and from overlaps of the occupied states at
neighbouring points, which hold the topology:

* singular values of the overlaps: the quantum metric (Marzari and Vanderbilt,
  Phys. Rev. B 56, 12847 (1997), eq. 27) and band inversions;
* Berry flux through plaquettes and charge in cells (Fukui, Hatsugai and Suzuki,
  J. Phys. Soc. Jpn. 74, 1674 (2005)): Chern numbers and Weyl nodes;
* the size of the non-Abelian flux, which time reversal does not cancel;
* eigenvalues of the Wilson loops through each point, which do not depend on
  where the loop begins: polarisation (Zak phase), and where the largest gap
  between charge centres is crossed (Soluyanov and Vanderbilt, Phys. Rev. B 83,
  235401 (2011), eq. 21): Z2;
* the Pfaffian of time reversal (Kane and Mele, Phys. Rev. Lett. 95, 146802
  (2005)): modulus, sign between neighbours, and vortices: Z2 again.

Energies are in units of the mean direct gap.  Everything is in the lattice
gauge, so that the tensor is a function of the hoppings alone; it does depend
on which cell an orbital is counted to, as polarisation does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.hamiltonians.sampling import matrices_on, mesh_axes, remarks
from crystalgui.core.physics.bloch import one_blas_thread
from crystalgui.core.physics.gaps import check_occupation
from crystalgui.core.physics.links import charge_centres, loop
from crystalgui.core.physics.pfaffian import pfaffian, reversal_matrices
from crystalgui.core.physics.reversal import TimeReversal, time_reversal
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Complexes = NDArray[np.complexfloating[Any, Any]]
Bools = NDArray[np.bool_]

AXES = ("1", "2", "3")
PLANES = ((1, 2), (2, 0), (0, 1))
"""Planes by their normal, right-handed."""
STEPS = tuple(permutations(range(3), 2))
"""(axis of the loops, axis of the step) of each channel "crossing"."""
CLOSED = 1e-7
"""A direct gap below it, in units of the mean one, leaves no occupied states to speak of."""
SMALLEST = 1e-4
"""Where the logarithm of the gap is cut."""
_HALF_TURN = 1e-6
"""Angles closer to half a turn have no sign."""


def _over(name: str, marks: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{name} {mark}" for mark in marks)


_PLANE_NAMES = tuple(f"{a + 1}{b + 1}" for a, b in PLANES)
ENERGIES = (
    "gap", "log gap", "below", "above", "second below", "second above", "middle",
)  # fmt: skip
"""Channels that know energies only; what a classifier without topology may use."""
CHANNELS: tuple[str, ...] = (
    *ENERGIES,
    *_over("lost", AXES),
    *_over("lost after 2", AXES),
    *_over("lost after half", AXES),
    *_over("least overlap", AXES),
    *_over("flux", _PLANE_NAMES),
    *_over("turn", _PLANE_NAMES),
    "charge",
    *_over("polarisation cos", AXES),
    *_over("polarisation sin", AXES),
    *_over("loop trace", AXES),
    *_over("centre gap", AXES),
    *_over("crossing", tuple(f"{a + 1}{b + 1}" for a, b in STEPS)),
    "spinful reversal",
    "spinless reversal",
    "reversed overlap",
    "least reversed overlap",
    "Pfaffian",
    *_over("Pfaffian turn", AXES),
    *_over("vortex", _PLANE_NAMES),
)
"""Names of the channels, in order; the same for every Hamiltonian."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ZoneTensor:
    """Channels on the torus.

    Attributes
    ----------
    values : (c, n1, n2, n3) float32
        At k = (2 a - n) / 2 n (eq. 13 of Bird 2023); axes along which nothing
        hops have size 1.
    names : tuple of str
        `CHANNELS`.
    warnings : tuple of str
    """

    values: NDArray[np.float32]
    names: tuple[str, ...] = CHANNELS
    warnings: tuple[str, ...] = ()

    @property
    def repeated(self) -> NDArray[np.float32]:
        """(c, n, n, n), repeated along the axes with b = 0."""
        return repeated(self.values)


def repeated(values: NDArray[Any], n: int = 0) -> NDArray[Any]:
    """(..., n1, n2, n3) with axes of size 1 repeated to ``n`` (default: the longest)."""
    n = n or max(values.shape[-3:])
    return np.broadcast_to(values, (*values.shape[:-3], n, n, n))


def describe(
    h: Hoppings,
    occupied: int,
    n: int = 8,
    *,
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
    reversal: TimeReversal | None = None,
) -> ZoneTensor:
    """The channels of a Hamiltonian.

    Parameters
    ----------
    h : Hoppings
    occupied : int
    n : int
        Points along each direction in which anything hops; even, or Gamma is
        missed.
    shift : three floats
        Of the origin, in steps of the mesh; whole numbers roll the tensor.
    reversal : TimeReversal, optional
        Found in ``h`` when not given.

    Returns
    -------
    ZoneTensor
    """
    check_occupation(h, occupied)
    with one_blas_thread():
        energies, states = np.linalg.eigh(matrices_on(h, mesh_axes(h, n, shift=shift)))
        values = channels(energies, states, occupied, reversal or time_reversal(h))
    return ZoneTensor(values=values.astype(np.float32), warnings=remarks(h, n))


def channels(energies: Floats, states: Complexes, occupied: int, reversal: TimeReversal) -> Floats:
    """The channels from eigenvalues (n1, n2, n3, m) and eigenvectors (n1, n2, n3, m, m)."""
    shape = energies.shape[:3]
    of_energies, closed = _energies(energies, occupied)
    filled = np.ascontiguousarray(states[..., :occupied])
    links, sizes = zip(*(_link(filled, axis) for axis in range(3)), strict=True)
    blocked = [closed | np.roll(closed, -1, axis) for axis in range(3)]
    phases = [np.linalg.det(link) for link in links]
    fluxes = [_flux(phases, blocked, a, b) for a, b in PLANES]
    rows = [
        *of_energies,
        *(_lost(filled, closed, axis, 1) for axis in range(3)),
        *(_lost(filled, closed, axis, 2) for axis in range(3)),
        *(_lost(filled, closed, axis, max(1, shape[axis] // 2)) for axis in range(3)),
        *(np.where(blocked[axis], 0, sizes[axis][..., -1]) for axis in range(3)),
        *(flux / np.pi for flux in fluxes),
        *(_turn(links, blocked, a, b) for a, b in PLANES),
        _charge(fluxes),
        *_loops(links, blocked, fluxes),
        *_reversed(filled, closed, reversal, phases, fluxes),
    ]
    return np.stack([np.broadcast_to(row, shape) for row in rows])


# ------------------------------------------------------------------ energies


def _energies(energies: Floats, occupied: int) -> tuple[list[Floats], Bools]:
    """`ENERGIES`, and where the gap is closed."""
    top, bottom = energies[..., occupied - 1], energies[..., occupied]
    gap = bottom - top
    scale = max(float(gap.mean()), 1e-300)
    part = gap / scale
    middle = (top + bottom) / 2

    def apart(first: int, second: int) -> Floats:
        """Distance of two bands in [0, 1]; 1 where there is no such band."""
        if first < 0 or second >= energies.shape[-1]:
            return np.ones_like(gap)
        far = (energies[..., second] - energies[..., first]) / scale
        return np.asarray(far / (1 + far))

    rows = [
        np.minimum(part, 8),
        np.log10(np.clip(part, SMALLEST, 8)),
        apart(occupied - 2, occupied - 1),
        apart(occupied, occupied + 1),
        apart(occupied - 3, occupied - 1),
        apart(occupied, occupied + 2),
        np.clip((middle - middle.mean()) / scale, -8, 8),
    ]
    return rows, np.asarray(part < CLOSED)


# ------------------------------------------------------------------ overlaps


def _link(filled: Complexes, axis: int) -> tuple[Complexes, Floats]:
    """Polar factors of the overlaps with the next point, and their singular values."""
    overlap = filled.conj().swapaxes(-1, -2) @ np.roll(filled, -1, axis)
    left, sizes, right = np.linalg.svd(overlap)
    return left @ right, np.minimum(sizes, 1.0)


def _lost(filled: Complexes, closed: Bools, axis: int, step: int) -> Floats:
    """States that leave the occupied space within some steps, N - Tr P(k) P(k + d)."""
    overlap = filled.conj().swapaxes(-1, -2) @ np.roll(filled, -step, axis)
    kept = (overlap.real**2 + overlap.imag**2).sum(axis=(-2, -1))
    lost = np.maximum(filled.shape[-1] - kept, 0.0)
    return np.where(closed | np.roll(closed, -step, axis), 1.0, lost)


def _around(blocked: list[Bools], a: int, b: int) -> Bools:
    """Plaquettes with an edge at a closed gap."""
    return np.asarray(
        blocked[a] | np.roll(blocked[b], -1, a) | np.roll(blocked[a], -1, b) | blocked[b]
    )


def _flux(phases: list[Complexes], blocked: list[Bools], a: int, b: int) -> Floats:
    """Berry flux through plaquettes, (-pi, pi]."""
    one, two = phases[a], phases[b]
    turn = one * np.roll(two, -1, a) * np.roll(one, -1, b).conj() * two.conj()
    return np.where(_around(blocked, a, b), 0.0, -_angle(turn))


def _angle(numbers: Complexes) -> Floats:
    """Arguments; half a turn, which rounding gives either sign, is -pi."""
    angle = np.angle(numbers)
    return np.where(np.abs(angle) > np.pi - _HALF_TURN, -np.pi, angle)


def _turn(links: tuple[Complexes, ...], blocked: list[Bools], a: int, b: int) -> Floats:
    """Size of the non-Abelian flux: root of the sum of sin^2 of half its angles."""
    out = links[a] @ np.roll(links[b], -1, a)
    back = links[b] @ np.roll(links[a], -1, b)
    trace = (out * back.conj()).sum(axis=(-2, -1)).real
    size = np.sqrt(np.maximum(links[a].shape[-1] - trace, 0.0) / 2)
    return np.where(_around(blocked, a, b), 0.0, size)


def _charge(fluxes: list[Floats]) -> Floats:
    """Berry flux out of cells over 2 pi: whole numbers that add up to nothing."""
    total = sum(np.roll(flux, -1, axis) - flux for axis, flux in enumerate(fluxes))
    return np.asarray(np.round(total / (2 * np.pi)))


# ------------------------------------------------------------------ loops


def _loops(
    links: tuple[Complexes, ...], blocked: list[Bools], fluxes: list[Floats]
) -> list[Floats]:
    """What the eigenvalues of the Wilson loops say, in the order of `CHANNELS`."""
    along: list[Floats] = []
    across: list[Floats] = []
    traces: list[Floats] = []
    widths: list[Floats] = []
    crossings: dict[tuple[int, int], Floats] = {}
    for axis in range(3):
        loops = loop(np.moveaxis(links[axis], axis, 2))
        open_ = np.asarray(~blocked[axis].any(axis=axis))
        phase = np.linalg.det(loops)
        centres = np.where(open_[..., None], charge_centres(loops), 0.0)
        middle, width = _largest_gap(centres)
        trace = np.abs(np.trace(loops, axis1=-2, axis2=-1)) / loops.shape[-1]
        for rows, value in zip(
            (along, across, traces, widths), (phase.real, phase.imag, trace, width), strict=True
        ):
            rows.append(np.expand_dims(np.where(open_, value, 0.0), axis))
        for place, other in enumerate(i for i in range(3) if i != axis):
            moved = _moved(fluxes, axis, other)
            crossed = _crossed(centres, middle, moved, place)
            both = open_ & np.roll(open_, -1, place)
            crossings[axis, other] = np.expand_dims(np.where(both, crossed, 0.0), axis)
    return [*along, *across, *traces, *widths, *(crossings[step] for step in STEPS)]


def _moved(fluxes: list[Floats], axis: int, step: int) -> Floats:
    """How far all centres together move to the next loop: Berry flux through the strip between."""
    normal = 3 - axis - step
    sign = 1 if PLANES[normal] == (axis, step) else -1
    return np.asarray(-sign * fluxes[normal].sum(axis=axis) / (2 * np.pi))


def _largest_gap(centres: Floats) -> tuple[Floats, Floats]:
    """Middle and size of the largest gap between ascending centres (..., o) on the circle."""
    sizes = np.diff(centres, axis=-1, append=centres[..., :1] + 1)
    # Of equal gaps the first, whatever rounding says.
    widest = (sizes > sizes.max(axis=-1, keepdims=True) - 1e-7).argmax(axis=-1)[..., None]
    size = np.take_along_axis(sizes, widest, axis=-1)[..., 0]
    return np.take_along_axis(centres, widest, axis=-1)[..., 0] + size / 2, size


def _crossed(centres: Floats, middle: Floats, moved: Floats, axis: int) -> Floats:
    """1 where an odd number of centres crosses the gap from one loop to the next.

    The gap takes the shorter way.  Cut there, the circles of both loops are
    intervals; how far the sum of all centres moves on the line, less how far it
    moves within the intervals, is the number of centres that went through the cut.
    """
    way = np.roll(middle, -1, axis) - middle
    way -= np.round(way - 1e-9)
    inside = ((centres - middle[..., None]) % 1).sum(axis=-1)
    change = np.roll(inside, -1, axis) - inside + centres.shape[-1] * way
    return np.asarray(np.round(moved - change) % 2, dtype=np.float64)


# ------------------------------------------------------------------ reversal


def _reversed(
    filled: Complexes,
    closed: Bools,
    reversal: TimeReversal,
    phases: list[Complexes],
    fluxes: list[Floats],
) -> list[Floats]:
    """Overlap of the occupied space with its reversed image at -k; the Pfaffian."""
    shape, count = filled.shape[:3], filled.shape[-1]
    spinful = np.full(shape, float(reversal.holds and reversal.square == -1))
    spinless = np.full(shape, float(reversal.holds and reversal.square == 1))
    nothing = [np.zeros(shape)] * 9
    if reversal.kind != "matrix" or reversal.matrix is None:
        return [spinful, spinless, *nothing]
    matrices = reversal_matrices(filled, reversal.matrix)
    sizes = np.linalg.svd(matrices, compute_uv=False)
    rows = [(sizes**2).sum(axis=-1) / count, sizes[..., -1]]
    if reversal.square == -1:
        pf = np.where(closed, 0.0, pfaffian(matrices))
        turns = [_pfaffian_turn(pf, phases[axis], axis) for axis in range(3)]
        rows += [np.abs(pf), *(np.where(zero, 0.0, np.cos(turn)) for turn, zero in turns)]
        rows += [_vortex(turns, flux, a, b) for flux, (a, b) in zip(fluxes, PLANES, strict=True)]
    else:
        rows += nothing[2:]
    return [spinful, spinless, *(np.where(closed, 0.0, row) for row in rows)]


def _pfaffian_turn(pf: Complexes, phase: Complexes, axis: int) -> tuple[Floats, Bools]:
    """Covariant change of the Pfaffian's phase to the next point; where it has none."""
    change = pf.conj() * phase * np.roll(pf, -1, axis)
    return _angle(change), np.asarray(np.abs(change) < 1e-12)


def _vortex(turns: list[tuple[Floats, Bools]], flux: Floats, a: int, b: int) -> Floats:
    """Times that the Pfaffian winds round a plaquette; 0 where a line of zeros cuts it."""
    (one, zero_one), (two, zero_two) = turns[a], turns[b]
    unclear = [
        zero | (np.abs(turn) > np.pi - _HALF_TURN)
        for turn, zero in ((one, zero_one), (two, zero_two))
    ]
    winding = one + np.roll(two, -1, a) - np.roll(one, -1, b) - two + flux
    return np.where(_around_pair(unclear, a, b), 0.0, np.round(winding / (2 * np.pi)))


def _around_pair(unclear: list[Bools], a: int, b: int) -> Bools:
    one, two = unclear
    return np.asarray(one | np.roll(two, -1, a) | np.roll(one, -1, b) | two)
