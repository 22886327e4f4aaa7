"""Mirror Chern numbers: the Chern numbers of the two mirror sectors of an invariant plane.

Where a mirror with M^2 = -1 leaves every k of a plane as it is, H(k) splits
into the sectors M = +i and M = -i, and n_M = (C_+i - C_-i) / 2 (Teo, Fu, Kane,
Phys. Rev. B 78, 045426 (2008), eq. 2.8).  On such a plane the orbitals can be
moved by lattice vectors so that M no longer depends on k; each sector then is
a Hamiltonian in real space of its own, and its Chern number is found like any
other.

Sign: the plane is oriented by the reciprocal vector g normal to it, and M is
the orbital mirror times -i s.g/|g|, so that the spin along g has M = -i in
an orbital that is even.  Where the order of spins is not known only the
absolute value has a meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies, grid_energies
from crystalgui.core.physics.certificate import Status
from crystalgui.core.physics.chern import chern
from crystalgui.core.physics.gaps import check_occupation
from crystalgui.core.physics.representations import Representation, spin_rotation
from crystalgui.core.physics.sites import eigen_direction
from crystalgui.core.physics.symmetries import live_axes
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Complexes = NDArray[np.complex128]

_MESH = 24
_GENERIC = np.array([[0.1131, 0.2719, 0.0], [0.4307, 0.0713, 0.0], [0.2297, 0.3571, 0.0]])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MirrorPlane:
    """A plane of k that a mirror keeps: origin + t u + s v.

    ``normal`` is the reciprocal vector perpendicular to it; u, v and it are
    right-handed.  All reduced.
    """

    origin: Floats
    u: Ints
    v: Ints
    normal: Ints
    name: str


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MirrorChern:
    """Mirror Chern number of one plane.

    Attributes
    ----------
    name : str
        ``"m(001), k3 = 0"``.
    plane : MirrorPlane
    value : int or None
        n_M; None unless the status is ``converged``.
    status : {"converged", "unresolved", "undefined"}
        ``undefined``: the gap closes on the plane.
    sectors : tuple of int or None
        Chern numbers of M = +i and M = -i.
    mesh : (int, int)
    smallest_gap : float, eV
        Smallest direct gap met on the plane, of both sectors together.
    mixing : float, eV
        Largest hopping between the sectors, which is left out.
    """

    name: str
    plane: MirrorPlane
    value: int | None
    status: Status
    sectors: tuple[int | None, int | None]
    mesh: tuple[int, int]
    smallest_gap: float
    mixing: float


def mirror_chern(
    h: Hoppings, occupied: int, mirror: Representation, *, gap_tolerance: float = 1e-6
) -> tuple[MirrorChern, ...]:
    """Mirror Chern numbers of all planes that a mirror keeps.

    Parameters
    ----------
    h : Hoppings
    occupied : int
        Even; half of the occupied states are in each sector, because time
        reversal exchanges the sectors.
    mirror : Representation
        One of `representations.mirror_operations`.
    gap_tolerance : float, eV

    Returns
    -------
    tuple of MirrorChern
        Two planes, one (centred lattices, layers), or none (the mirror cuts a
        layer in a line).

    Raises
    ------
    PhysicsError
        When this is not a mirror of spinors.
    """
    check_occupation(h, occupied)
    if mirror.operation.kind != "mirror" or occupied % 2:
        raise PhysicsError(
            "A mirror Chern number needs a mirror plane and Kramers pairs.",
            "Choose an even number of occupied bands, and a mirror of spinors.",
            path=h.source,
        )
    return tuple(
        _on_plane(h, occupied, mirror, plane, gap_tolerance) for plane in mirror_planes(h, mirror)
    )


def mirror_planes(h: Hoppings, mirror: Representation) -> tuple[MirrorPlane, ...]:
    """The planes through Gamma and, if it is another one, through half the normal."""
    turned = mirror.operation.rotation.T
    reciprocal = _reciprocal(h)
    normal = eigen_direction(turned, -1)
    u, v = _basis(turned, reciprocal)
    if np.dot(np.cross(u @ reciprocal, v @ reciprocal), normal @ reciprocal) < 0:
        u, v = v, u
    flat = [axis for axis in range(3) if axis not in live_axes(h)]
    if u[flat].any() or v[flat].any():
        return ()
    form = np.cross(u, v)
    form = form * int(np.sign(form[np.flatnonzero(form)[0]]))
    planes = []
    for half in (0.0, 0.5):
        origin = np.asarray(half * normal, dtype=np.float64)
        offset = float(origin @ form)
        if half and (flat or abs(offset - round(offset)) < 1e-9):
            continue
        name = f"{mirror.operation.name}, {_form(form)} = {'1/2' if half else '0'}"
        planes.append(MirrorPlane(origin=origin, u=u, v=v, normal=normal, name=name))
    return tuple(planes)


def _basis(turned: Ints, reciprocal: Floats) -> tuple[Ints, Ints]:
    """Shortest pair of integer vectors that spans all integer k with W^T k = k."""
    cube = np.array([x for x in product(range(-3, 4), repeat=3) if any(x)], dtype=np.int64)
    kept = cube[(cube @ turned.T == cube).all(axis=1)]
    kept = kept[np.argsort(np.linalg.norm(kept @ reciprocal, axis=1), kind="stable")][:24]
    for one, other in combinations(kept, 2):
        normal = np.cross(one, other)
        if normal.any() and np.gcd.reduce(normal) == 1:
            return one, other
    raise ValueError("no basis of the mirror plane")


def _form(form: Ints) -> str:
    """``k1 - 2k3``."""
    text = ""
    for axis, factor in enumerate(form, start=1):
        if factor:
            sign = ("-" if factor < 0 else "") if not text else (" - " if factor < 0 else " + ")
            text += f"{sign}{abs(factor) if abs(factor) > 1 else ''}k{axis}"
    return text


def _on_plane(
    h: Hoppings, occupied: int, mirror: Representation, plane: MirrorPlane, gap_tolerance: float
) -> MirrorChern:
    plus, minus, mixing = sectors(h, mirror, plane)
    half = occupied // 2
    if min(plus.n_orbitals, minus.n_orbitals) <= half:
        raise PhysicsError(
            "The mirror sectors are not of equal size.",
            "This operation is not the mirror of a Hamiltonian of spinors.",
            path=h.source,
        )
    mesh = (_MESH, _MESH, 1)
    exchanged = _exchanged(plus, minus)
    levels = [grid_energies(plus, mesh)]
    levels.append(_at_minus_k(levels[0]) if exchanged else grid_energies(minus, mesh))
    below = np.maximum(levels[0][..., half - 1], levels[1][..., half - 1])
    above = np.minimum(levels[0][..., half], levels[1][..., half])
    smallest = float((above - below).min())
    answers = [chern(plus, half, gap_tolerance=gap_tolerance)]
    first = answers[0].value
    if exchanged:
        second = None if first is None else -first
    else:
        answers.append(chern(minus, half, gap_tolerance=gap_tolerance))
        second = answers[1].value
    status: Status = "unresolved"
    value: int | None = None
    if smallest < gap_tolerance or any(a.status == "undefined" for a in answers):
        status = "undefined"
    elif first is not None and second is not None and first == -second and smallest > 2 * mixing:
        status, value = "converged", first
    return MirrorChern(
        name=plane.name,
        plane=plane,
        value=value,
        status=status,
        sectors=(first, second),
        mesh=answers[0].mesh,
        smallest_gap=min([smallest, *(a.smallest_gap for a in answers)]),
        mixing=mixing,
    )


def _exchanged(plus: Hoppings, minus: Hoppings) -> bool:
    """Whether time reversal takes one sector to the other, so that one need not be solved."""
    if plus.n_orbitals != minus.n_orbitals:
        return False
    one, other = energies(plus, _GENERIC), energies(minus, -_GENERIC)
    return bool(np.abs(one - other).max() < 1e-9 * max(1.0, float(np.abs(one).max())))


def _at_minus_k(table: Floats) -> Floats:
    """Energies (n1, n2, n3, n) on a regular mesh, taken at -k."""
    return np.asarray(np.roll(table[::-1, ::-1, ::-1], 1, axis=(0, 1, 2)))


def sectors(
    h: Hoppings, mirror: Representation, plane: MirrorPlane
) -> tuple[Hoppings, Hoppings, float]:
    """Hamiltonians of the sectors M = +i and M = -i on a plane, k1 along u and k2 along v.

    Returns
    -------
    plus, minus : Hoppings
    mixing : float, eV
        Largest hopping between them.
    """
    cells, matrices = _folded(h, plane, _moves(mirror, plane))
    phase = np.exp(-2j * np.pi * (mirror.shifts @ mirror.image(plane.origin)))
    matrix = mirror.matrix * phase
    if _axis(mirror, h) @ (plane.normal @ _reciprocal(h)) < 0:
        matrix = -matrix
    # -i M is Hermitian with eigenvalue +1 for M = +i.
    turned = -1j * matrix
    values, vectors = np.linalg.eigh((turned + turned.conj().T) / 2)
    if np.abs(np.abs(values) - 1).max() > 1e-6:
        raise PhysicsError(
            f"The square of {mirror.operation.name} is not -1.",
            "Mirror Chern numbers need the mirror of a Hamiltonian of spinors.",
            path=h.source,
        )
    up, down = vectors[:, values > 0], vectors[:, values < 0]
    parts = [
        Hoppings(cells=cells, matrices=v.conj().T @ matrices @ v, source=h.source)
        for v in (up, down)
    ]
    mixing = float(np.abs(up.conj().T @ matrices @ down).max(initial=0.0))
    return parts[0], parts[1], mixing


def _reciprocal(h: Hoppings) -> Floats:
    lattice = np.eye(3) if h.lattice is None else h.lattice
    return np.asarray(np.linalg.inv(lattice).T, dtype=np.float64)


def _axis(mirror: Representation, h: Hoppings) -> Floats:
    """Axis n of the spin part -i s.n."""
    lattice = np.eye(3) if h.lattice is None else h.lattice
    u = spin_rotation(mirror.operation.cartesian(lattice))
    x, y, z = u[0, 1] + u[1, 0], 1j * (u[0, 1] - u[1, 0]), u[0, 0] - u[1, 1]
    return np.array([(0.5j * part).real for part in (x, y, z)])


def _moves(mirror: Representation, plane: MirrorPlane) -> Ints:
    """Lattice vectors (n, 2) of the plane by which to move orbitals so that M is constant.

    Of two sites that the mirror exchanges, the second is moved to where the
    mirror puts the first.
    """
    steps = mirror.shifts @ np.stack([plane.u, plane.v], axis=1)
    reached = mirror.site[np.abs(mirror.matrix).argmax(axis=0)]
    second = reached < mirror.site
    return np.where(second[:, None], -steps, 0)


def _folded(h: Hoppings, plane: MirrorPlane, moves: Ints) -> tuple[Ints, Complexes]:
    """The Hamiltonian on the plane, orbital p moved by ``moves[p]`` (n, 2)."""
    n = h.n_orbitals
    flat = h.cells @ np.stack([plane.u, plane.v], axis=1)
    weighted = np.exp(2j * np.pi * (h.cells @ plane.origin))[:, None, None] * h.matrices
    span = int(np.abs(flat).max(initial=0)) + 2 * int(np.abs(moves).max(initial=0))
    width = 2 * span + 1
    grid = np.zeros((width * width, n, n), dtype=np.complex128)
    groups, which = np.unique(moves, axis=0, return_inverse=True)
    which = which.ravel()
    for a, first in enumerate(groups):
        for b, second in enumerate(groups):
            rows, columns = np.flatnonzero(which == a), np.flatnonzero(which == b)
            place = flat + first - second + span
            np.add.at(
                grid,
                (
                    (place[:, 0] * width + place[:, 1])[:, None, None],
                    rows[:, None],
                    columns,
                ),
                weighted[:, rows[:, None], columns],
            )
    kept = np.flatnonzero(np.abs(grid).max(axis=(1, 2)) > 0)
    cells = np.stack([kept // width - span, kept % width - span, 0 * kept], axis=1)
    return cells, grid[kept]
