"""How crystal operations act on the orbitals of a Hamiltonian.

An operation x -> W x + w of the sites takes orbital j in cell A to
sum_i D_ij (orbital i in cell W A + S_j).  The matrix D is solved for (see
`intertwiners`), so nothing has to be known about the orbitals.  Where the
order of spins is known, the spin part is the SU(2) rotation and only the
orbital part is solved for; it is real, because it commutes with time
reversal.  In momentum space P(k)_ij = D_ij exp(-2 pi i k'.S_j) with
k' = W^-T k, and P(k) H(k) P(k)^dagger = H(k').
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import hamiltonian, one_blas_thread
from crystalgui.core.physics.intertwiners import Problem, element, null_space, with_power
from crystalgui.core.physics.reversal import TimeReversal, scale, strongest, time_reversal
from crystalgui.core.physics.sites import (
    Operation,
    Sites,
    assignments,
    from_centres,
    one_site,
)
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Complexes = NDArray[np.complex128]

TOLERANCE = 0.03
"""Largest residual, eV, of an operation that counts as a symmetry."""
RELATIVE = 0.03
"""The same in parts of the largest hopping, for models in other units."""
HOPELESS = 0.3
"""Relative violation of the conditions above which D is not even looked at."""
NEARLY = 0.1
"""Time reversal broken by less, in parts of the largest hopping, still tells the spin order."""
_TRIALS = 4


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Representation:
    """An operation and its matrix.

    Attributes
    ----------
    operation : Operation
    matrix : (n, n) complex128
        D, unitary; D^2 = 1 for inversion and -1 for the mirror of a spinor.
    shifts : (n, 3) int64
        S_j: orbital j of the home cell goes to the cell S_j.
    site : (n,) int64
        Site of each orbital.
    residual : float, eV
        max |D H(A) D^dagger - H(A')|.
    freedom : int
        Dimension of the solutions; above 1 the Hamiltonian has internal
        symmetries, and D is one choice of several.
    """

    operation: Operation
    matrix: Complexes
    shifts: Ints
    site: Ints
    residual: float
    freedom: int = 1

    def image(self, k: Floats) -> Floats:
        """The image k' = W^-T k, reduced: (..., 3)."""
        return np.asarray(k @ np.linalg.inv(self.operation.rotation))

    def at(self, k: Floats) -> Complexes:
        """P(k), (..., n, n), for reduced k (..., 3): P(k) H(k) P(k)^dagger = H(k')."""
        phase = np.exp(-2j * np.pi * (self.image(np.asarray(k)) @ self.shifts.T))
        return np.asarray(self.matrix * phase[..., None, :])

    def deviation(self, h: Hoppings, k: Floats) -> float:
        """Largest norm of (P H(k) P^dagger - H(k')) / 2 over k (m, 3), eV.

        Energies of the Hamiltonian made symmetric differ by no more; where
        the gap is larger than twice this, both are in the same phase.
        """
        p = self.at(k)
        with one_blas_thread():
            apart = p @ hamiltonian(h, k) @ p.conj().swapaxes(-1, -2)
            apart = apart - hamiltonian(h, self.image(k))
            return float(np.abs(np.linalg.eigvalsh(apart)).max(initial=0.0)) / 2


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Orbitals:
    """What is known about the orbitals of a Hamiltonian.

    Attributes
    ----------
    sites : Sites
        Of the spatial orbitals.
    spatial : (n,) int64
        Spatial orbital of each orbital.
    spin : (n,) int64
        0 up, 1 down; all 0 when the order of spins is not known.
    reversal : TimeReversal
    """

    sites: Sites
    spatial: Ints
    spin: Ints
    reversal: TimeReversal

    @property
    def site(self) -> Ints:
        """(n,) site of each orbital, spin included."""
        return self.sites.site[self.spatial]

    @property
    def spinful(self) -> bool:
        """Whether the order of spins is known."""
        return bool(self.spin.any())

    def order(self) -> Ints:
        """(2, n/2) or (1, n): orbital of each spin and spatial orbital."""
        return np.argsort(self.spin * len(self.spatial) + self.spatial).reshape(
            2 if self.spinful else 1, -1
        )


def orbitals(h: Hoppings, reversal: TimeReversal | None = None) -> Orbitals:
    """Sites, spins and time reversal of a Hamiltonian; remembered for the last few."""
    return _orbitals(h, reversal)


@lru_cache(maxsize=4)
def _orbitals(h: Hoppings, reversal: TimeReversal | None) -> Orbitals:
    if reversal is None:
        reversal = time_reversal(h)
    n = h.n_orbitals
    index = np.arange(n)
    clear = reversal.kind == "matrix" or reversal.residual < NEARLY * scale(h)
    order = reversal.spin_order if clear else "unknown"
    if order == "blocks":
        spatial, spin = index % (n // 2), index // (n // 2)
    elif order == "interleaved":
        spatial, spin = index // 2, index % 2
    else:
        spatial, spin = index, np.zeros(n, dtype=np.int64)
    first = np.array([np.flatnonzero(spatial == o)[0] for o in range(int(spatial.max()) + 1)])
    if h.centres is not None:
        sites = from_centres(h, h.centres[first])
        return Orbitals(sites=sites, spatial=spatial, spin=spin, reversal=reversal)
    found: list[tuple[float, Orbitals]] = []
    for folded in [index, index % (n // 2)] if order == "unknown" and n % 2 == 0 else (spatial,):
        for sites in assignments(h, int(folded.max()) + 1):
            made = Orbitals(sites=sites, spatial=folded, spin=spin, reversal=reversal)
            found.append((_score(h, made), made))
    if found:
        return min(found, key=lambda pair: pair[0])[1]
    sites = one_site(h, len(first))
    return Orbitals(sites=sites, spatial=spatial, spin=spin, reversal=reversal)


def _score(h: Hoppings, known: Orbitals) -> float:
    """Mean relative violation of a few operations; small for the right assignment."""
    chosen = sorted(
        known.sites.operations()[1:],
        key=lambda o: (_fixed(known.sites, o), o.kind not in ("inversion", "mirror")),
    )[:_TRIALS]
    values = []
    for operation in chosen:
        problem = _problem(h, known, operation, fixed_spin=known.spinful, cells=16)
        space = None if problem is None else null_space(problem)
        values.append(1.0 if space is None else space.violation)
    return float(np.mean(values)) if values else 0.0


def _fixed(sites: Sites, operation: Operation) -> int:
    """Number of sites that stay where they are."""
    found = sites.image(operation)
    return len(sites.frac) if found is None else int((found[0] == np.arange(len(found[0]))).sum())


def operations(h: Hoppings) -> tuple[Operation, ...]:
    """Candidates: the space group of the atoms, or of the clusters of orbital centres.

    Without a lattice only the inversion is left, next to the identity.
    """
    found = orbitals(h).sites.operations()
    if h.lattice is not None:
        return found
    return tuple(o for o in found if o.kind in ("identity", "inversion"))


def spin_rotation(rotation: Floats) -> Complexes:
    """SU(2) matrix of the proper part of an orthogonal (3, 3) matrix; the inversion gives 1."""
    r = rotation * np.sign(np.linalg.det(rotation))
    angle = np.arccos(np.clip((np.trace(r) - 1) / 2, -1, 1))
    if angle < 1e-6:
        return np.eye(2, dtype=np.complex128)
    if angle > np.pi - 1e-6:
        values, vectors = np.linalg.eigh((r + r.T) / 2)
        axis = vectors[:, values.argmax()]
        axis = axis * np.sign(axis[np.flatnonzero(np.abs(axis) > 1e-6)[0]])
    else:
        axis = np.array([r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]])
        axis = axis / np.linalg.norm(axis)
    x, y, z = axis
    turn = np.array([[z, x - 1j * y], [x + 1j * y, -z]])
    return np.asarray(np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * turn)


def _rows(cells: Ints, wanted: Ints) -> Ints:
    """Row of each wanted cell (..., 3) in ``cells``, or -1."""
    span = int(np.abs(cells).max(initial=0))
    table = np.full((2 * span + 1,) * 3, -1, dtype=np.int64)
    table[tuple((cells + span).T)] = np.arange(len(cells))
    inside = np.asarray((np.abs(wanted) <= span).all(axis=-1))
    safe = np.where(inside[..., None], wanted, 0) + span
    return np.asarray(np.where(inside, table[safe[..., 0], safe[..., 1], safe[..., 2]], -1))


def _image_rows(h: Hoppings, rows: Ints, operation: Operation, shift: Ints) -> Ints:
    """(m, s, s): row of the cell W A + S_b - S_a, or -1."""
    moved = h.cells[rows] @ operation.rotation.T
    return _rows(h.cells, moved[:, None, None] + shift[None, None] - shift[None, :, None])


def _problem(
    h: Hoppings, known: Orbitals, operation: Operation, *, fixed_spin: bool, cells: int = 40
) -> Problem | None:
    """The linear conditions for D; with ``fixed_spin`` for its orbital part."""
    found = known.sites.image(operation)
    if found is None:
        return None
    image, shift = found
    rows = strongest(h, cells)
    index = _image_rows(h, rows, operation, shift)
    used, place = np.unique(index, return_inverse=True)
    n = h.n_orbitals
    target = np.concatenate([h.matrices[used[used >= 0]], np.zeros((1, n, n))])
    index = place.reshape(index.shape) - int(used[0] < 0)
    index = np.where(index < 0, len(target) - 1, index)
    source = h.matrices[rows]
    if not fixed_spin:
        return Problem(
            source=source[:, None],
            target=target[:, None],
            site=known.site,
            image=image,
            index=index,
            real=known.reversal.kind == "matrix" and known.reversal.spin_order == "spinless",
        )
    u = spin_rotation(operation.cartesian(known.sites.lattice))
    by_spin = known.order().ravel()
    half = n // 2

    def split(matrices: Complexes) -> Complexes:
        ordered = matrices[:, by_spin][:, :, by_spin].reshape(-1, 2, half, 2, half)
        return np.ascontiguousarray(ordered.transpose(0, 1, 3, 2, 4))

    turned = np.einsum("st,mtuij,vu->msvij", u, split(source), u.conj(), optimize=True)
    return Problem(
        source=turned.reshape(-1, 4, half, half),
        target=split(target).reshape(-1, 4, half, half),
        site=known.sites.site,
        image=image,
        index=index,
        real=True,
    )


def represent(
    h: Hoppings,
    operation: Operation,
    reversal: TimeReversal | None = None,
    *,
    tolerance: float | None = None,
) -> Representation | None:
    """The matrix of an operation, or None when the Hamiltonian does not have this symmetry.

    Parameters
    ----------
    h : Hoppings
    operation : Operation
    reversal : TimeReversal, optional
        As found by `time_reversal`; looked for when not given.
    tolerance : float, eV, optional
        Largest residual; default `TOLERANCE`, or `RELATIVE` of the largest
        hopping if that is less.
    """
    known = orbitals(h, reversal)
    if tolerance is None:
        tolerance = min(TOLERANCE, RELATIVE * scale(h))
    best: Representation | None = None
    for fixed_spin in (True, False) if known.spinful else (False,):
        found = _solve(h, known, operation, fixed_spin)
        if found is not None and (best is None or found.residual < best.residual):
            best = found
        if best is not None and best.residual <= tolerance:
            return best
    return None


def _solve(
    h: Hoppings, known: Orbitals, operation: Operation, fixed_spin: bool
) -> Representation | None:
    problem = _problem(h, known, operation, fixed_spin=fixed_spin)
    space = None if problem is None else null_space(problem)
    if problem is None or space is None or space.violation > HOPELESS:
        return None
    reversal = known.reversal.matrix if known.reversal.kind == "matrix" else None
    u = spin_rotation(operation.cartesian(known.sites.lattice))
    d = element(space, None if fixed_spin or problem.real else reversal)
    if d is None:
        return None
    closed = (_power(problem.image, operation.order) == np.arange(len(problem.image))).all()
    if closed:
        spinor = reversal is not None and known.reversal.square < 0 and not fixed_spin
        power = complex(np.linalg.matrix_power(u, operation.order)[0, 0]) if spinor else 1.0
        better = with_power(d, operation.order, power, real=reversal is not None)
        if better is None and operation.kind in ("inversion", "mirror"):
            return None
        d = d if better is None else better
    spatial = _spatial_part(d, known, u, fixed_spin)
    sign = _natural_sign(spatial, known, problem.image, operation)
    matrix = sign * _with_spin(d, known, u) if fixed_spin else sign * d
    found = known.sites.image(operation)
    assert found is not None
    made = Representation(
        operation=operation,
        matrix=matrix,
        shifts=found[1][known.site],
        site=known.site,
        residual=np.inf,
        freedom=space.freedom,
    )
    return replace(made, residual=_residual(h, made, known.site, *found))


def _power(image: Ints, order: int) -> Ints:
    result = np.arange(len(image))
    for _ in range(order):
        result = image[result]
    return result


def _with_spin(d: Complexes, known: Orbitals, u: Complexes) -> Complexes:
    return np.asarray(d[known.spatial[:, None], known.spatial] * u[known.spin[:, None], known.spin])


def _spatial_part(d: Complexes, known: Orbitals, u: Complexes, fixed_spin: bool) -> Complexes:
    """Trace over spin of u^dagger D / 2."""
    if fixed_spin or not known.spinful:
        return d
    order = known.order()
    blocks = d[order[:, None, :, None], order[None, :, None, :]]
    return np.asarray(np.einsum("st,stij->ij", u.conj(), blocks) / 2)


def _natural_sign(d: Complexes, known: Orbitals, image: Ints, operation: Operation) -> float:
    """The sign for which s, p, d orbitals behave as they should.

    The number of orbitals of a site tells which they are; p orbitals are odd
    under inversion at their own site.  Where that does not decide, the first
    orbital is even.
    """
    site = known.sites.site if d.shape[0] == len(known.sites.site) else known.site
    score = 0.0
    for a, b in enumerate(image):
        rows, columns = np.flatnonzero(site == b), np.flatnonzero(site == a)
        expected = _expected_trace(len(rows), operation)
        score += expected * float(np.trace(d[np.ix_(rows, columns)]).real)
    if abs(score) < 0.05 * len(d):
        first = d[:, 0][np.argmax(np.abs(d[:, 0]))]
        score = float(first.real if abs(first.real) > 1e-6 else first.imag)
    return -1.0 if score < 0 else 1.0


_MOMENTA = {1: "s", 3: "p", 4: "sp", 5: "d", 6: "sd", 8: "pd", 9: "spd"}


def _expected_trace(count: int, operation: Operation) -> float:
    """Sign of the character of the operation on the orbitals of a site."""
    proper = operation.rotation * round(float(np.linalg.det(operation.rotation)))
    improper = (proper != operation.rotation).any()
    angle = np.arccos(np.clip((np.trace(proper) - 1) / 2, -1, 1))
    total = 0.0
    for letter in _MOMENTA.get(count, "s"):
        l = "spd".index(letter)
        character = 1 + 2 * sum(np.cos(m * angle) for m in range(1, l + 1))
        total += character * ((-1) ** l if improper else 1)
    return float(np.sign(np.round(total, 6)))


def _residual(h: Hoppings, made: Representation, site: Ints, image: Ints, shift: Ints) -> float:
    """Largest |D H(A) D^dagger - H(A')| over one of each pair A, -A."""
    rows = strongest(h, h.n_cells)
    index = _image_rows(h, rows, made.operation, shift)
    n = h.n_orbitals
    origin = np.argsort(image)[site]
    by_site = [np.flatnonzero(origin == a) for a in range(len(image))]
    d, dagger = made.matrix, made.matrix.conj().T
    worst = 0.0
    step = max(1, 2_000_000 // n**2)
    with one_blas_thread():
        for begin in range(0, len(rows), step):
            part = slice(begin, begin + step)
            moved = d @ h.matrices[rows[part]] @ dagger
            for a, left in enumerate(by_site):
                for b, right in enumerate(by_site):
                    where = index[part, a, b]
                    wanted = h.matrices[where[:, None, None], left[:, None], right]
                    wanted[where < 0] = 0
                    apart = moved[:, left[:, None], right] - wanted
                    worst = max(worst, float(np.abs(apart).max(initial=0.0)))
    return worst


def inversion(
    h: Hoppings, reversal: TimeReversal | None = None, *, tolerance: float | None = None
) -> Representation | None:
    """The inversion that the Hamiltonian has, the most exact one; None without any.

    Its eigenvalues are +1 and -1, and it commutes with time reversal.
    """
    exact = 1e-9 * max(1.0, scale(h))
    best: Representation | None = None
    for operation in orbitals(h, reversal).sites.operations():
        if operation.kind != "inversion":
            continue
        found = represent(h, operation, reversal, tolerance=tolerance)
        if found is not None and (best is None or found.residual < best.residual):
            best = found
            if best.residual < exact:
                break
    return best


def mirror_operations(
    h: Hoppings, reversal: TimeReversal | None = None, *, tolerance: float | None = None
) -> tuple[Representation, ...]:
    """Mirrors of a time-reversal symmetric Hamiltonian of spinors, M^2 = -1; one a plane.

    Glides are left out: their eigenvalues change along the plane.
    """
    known = orbitals(h, reversal)
    if known.reversal.kind != "matrix" or known.reversal.square > 0 or h.lattice is None:
        return ()
    found: dict[str, Representation] = {}
    for operation in known.sites.operations():
        if operation.kind != "mirror":
            continue
        made = represent(h, operation, reversal, tolerance=tolerance)
        before = found.get(operation.name)
        if made is not None and (before is None or made.residual < before.residual - 1e-9):
            found[operation.name] = made
    return tuple(found.values())
