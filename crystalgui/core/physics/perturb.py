"""Change a Hamiltonian: symmetric noise, mixtures, and the strength of spin-orbit coupling.

Random hoppings widen the Weyl phase between a trivial and a topological
insulator (Murakami and Kuga, Phys. Rev. B 78, 165313 (2008)) and make data
for networks (Bird 2023, section 2.1.3).  They must be Hermitian and keep
fermionic time reversal.  Bird's eqs. 8-11 do not: taken literally they give
H(k) = s_x H(-k)* s_x, whose square is +1, and Kramers pairs split.  The rule
here is a projector, for any order of orbitals and spins:

    D(A) = (B(A) + U B(A)* U^dagger) / 2,   U = i s_y (x) 1,   B(-A) = B(A)^dagger.

The literal recipe stays as mode ``"paper-literal"``; what it makes is flagged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.reversal import kramers_splitting
from crystalgui.core.structures.hoppings.model import Hoppings, SpinOrder
from crystalgui.core.structures.hoppings.spin import partner, time_reversal_residual

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Integers = NDArray[np.int64]

Mode = Literal["time-reversal", "inversion-and-time-reversal", "paper-literal"]
Normalisation = Literal["rms", "mean"]
Envelope = Literal["flat", "hoppings"]

LITERAL = "breaks fermionic time reversal: T^2 = +1, Kramers pairs split"
SPLITTING = 1e-6
"""Splitting of a Kramers pair that counts as a violation, eV."""


class Inversion(Protocol):
    """Inversion as the symmetry search finds it.

    P(k) H(k) P(k)^dagger = H(-k) with P(k) = ``at(k)``, whose entries are
    ``matrix`` (n, n) times phases exp(+-2 pi i k.s) of integer vectors.
    """

    def at(self, k: Any, /) -> Any:
        """P(k), (..., n, n) for k (..., 3) reduced."""
        ...


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Perturbation:
    """Noise on the hoppings, and how it was made.

    Attributes
    ----------
    hoppings : Hoppings
        The change of H(A), eV.
    strength : float
        Root mean square of its elements in eV (normalisation ``"rms"``), or
        mean modulus of its elements in units of that of H (``"mean"``).
    seed : int
    mode : {"time-reversal", "inversion-and-time-reversal", "paper-literal"}
    normalisation : {"rms", "mean"}
    envelope : {"flat", "hoppings"}
        Equal variance for every element, or proportional to its modulus in H.
    flags : tuple of str
        What a reader of any result must know.
    """

    hoppings: Hoppings
    strength: float
    seed: int
    mode: Mode
    normalisation: Normalisation
    envelope: Envelope
    flags: tuple[str, ...] = ()


def noise(
    h: Hoppings,
    strength: float,
    seed: int,
    *,
    mode: Mode = "time-reversal",
    normalisation: Normalisation = "rms",
    envelope: Envelope = "flat",
    spin_order: SpinOrder | None = None,
    inversion: Inversion | None = None,
) -> Perturbation:
    """Random hoppings on the lattice vectors of ``h``.

    Parameters
    ----------
    h : Hoppings
    strength : float
        See `Perturbation`.
    seed : int
        Same seed, same noise, on every machine and in every batch.
    mode, normalisation, envelope : str
        See `Perturbation`; Bird's text divides by the root mean square, the
        caption of his Fig. 13 compares mean moduli.
    spin_order : {"spinless", "blocks", "interleaved"}, optional
        When it differs from what was found in ``h``.
    inversion : Inversion, optional
        Needed by the mode that keeps inversion.
    """
    cells, batch = noise_batch(
        h,
        [strength],
        [seed],
        mode=mode,
        normalisation=normalisation,
        envelope=envelope,
        spin_order=spin_order,
        inversion=inversion,
    )
    order = _order(h, spin_order)
    title = f"noise, strength {strength:g} ({normalisation}), seed {seed}, {mode}"
    flags = (LITERAL,) if mode == "paper-literal" else ()
    delta = _with(h, cells, np.asarray(batch[0]), title=title, spin_order=order)
    return Perturbation(
        hoppings=delta,
        strength=strength,
        seed=seed,
        mode=mode,
        normalisation=normalisation,
        envelope=envelope,
        flags=flags,
    )


def noise_batch(
    h: Hoppings,
    strengths: Sequence[float],
    seeds: Sequence[int],
    *,
    mode: Mode = "time-reversal",
    normalisation: Normalisation = "rms",
    envelope: Envelope = "flat",
    spin_order: SpinOrder | None = None,
    inversion: Inversion | None = None,
    xp: Any = np,
) -> tuple[Integers, Any]:
    """Many perturbations at once.

    Returns the lattice vectors (m, 3) and the noise (s, m, n, n), complex, of
    the array library ``xp``, eV.  Sample i depends on ``seeds[i]`` only.
    """
    if len(strengths) != len(seeds):
        raise PhysicsError(
            f"{len(strengths)} strengths and {len(seeds)} seeds do not fit.",
            "Give one seed for each strength.",
        )
    if mode not in ("time-reversal", "inversion-and-time-reversal", "paper-literal"):
        raise PhysicsError(f"There is no noise of the kind '{mode}'.", "Choose another mode.")
    from array_api_compat import array_namespace

    xp = array_namespace(xp.asarray([0.0]))
    order = _order(h, spin_order)
    if mode == "paper-literal" and order == "spinless":
        raise PhysicsError(
            "The recipe of the paper needs spins, and these hoppings have none.",
            "Use the mode time-reversal, which keeps them real.",
        )
    cells, mirror = _closed(h.cells)
    sizes = np.abs(_on(cells, h)) if envelope == "hoppings" else None
    drawn = xp.asarray(np.stack([_hermitian(cells, mirror, h.n_orbitals, s, sizes) for s in seeds]))
    if mode == "paper-literal":
        result = _literal(drawn, xp.asarray(mirror), order, xp)
    else:
        result = project(drawn, order)
    if mode == "inversion-and-time-reversal":
        if inversion is None:
            raise PhysicsError(
                "Noise that keeps inversion needs the inversion of this Hamiltonian.",
                "Find it first; without one use the mode time-reversal.",
            )
        cells, result = _inverted(cells, result, inversion, xp)
    return cells, _scaled(result, h, strengths, normalisation, xp)


def project(matrices: Any, order: SpinOrder) -> Any:
    """The part of H(A) that obeys time reversal, (H + U H* U^dagger) / 2.

    ``matrices`` (..., n, n) of any array library; ``order`` of the spins.
    """
    from array_api_compat import array_namespace, device

    xp = array_namespace(matrices)
    places, signs = partner(int(matrices.shape[-1]), order)
    index = xp.asarray(places, device=device(matrices))
    sign = xp.asarray(signs[:, None] * signs[None, :], device=device(matrices))
    image = xp.take(xp.take(xp.conj(matrices), index, axis=-1), index, axis=-2)
    return (matrices + image * xp.astype(sign, matrices.dtype)) / 2


def violations(
    h: Hoppings, *, tolerance: float = SPLITTING, spin_order: SpinOrder | None = None
) -> tuple[str, ...]:
    """What is wrong with a Hamiltonian of electrons with time reversal, in words.

    Looks at H(-A) = H(A)^dagger and, with spins, at the splitting of the
    Kramers pairs at the eight k = -k; ``tolerance`` in eV.
    """
    found = []
    cells, mirror = _closed(h.cells)
    matrices = _on(cells, h)
    skew = float(np.abs(matrices - matrices[mirror].conj().swapaxes(1, 2)).max(initial=0))
    if skew > tolerance:
        found.append(f"not Hermitian: H(-A) and H(A)^dagger differ by {skew:.2g} eV")
    order = spin_order or h.assumptions.spin_order
    if order != "spinless":
        splitting = kramers_splitting(h)
        if not splitting <= tolerance:
            found.append(f"Kramers pairs split by {splitting:.2g} eV at k = -k + G")
    return tuple(found)


def add(h: Hoppings, delta: Perturbation | Hoppings, scale: float = 1.0) -> Hoppings:
    """``h + scale * delta`` on all their lattice vectors."""
    text = ""
    if isinstance(delta, Perturbation):
        text = "; ".join(delta.flags)
        delta = delta.hoppings
    _same_orbitals(h, delta)
    cells = _union(h.cells, delta.cells)
    title = f"{h.title} + {scale:g} x ({delta.title})" + (f" [{text}]" if text else "")
    return _with(h, cells, _on(cells, h) + scale * _on(cells, delta), title=title)


def interpolate(a: Hoppings, b: Hoppings, alpha: float) -> Hoppings:
    """``(1 - alpha) a + alpha b``, orbital by orbital.

    Lattice, centres and atoms are mixed where both are known.  Both must have
    the same orbitals in the same order and phase convention, as one model or
    one set of projections under strain has.
    """
    _same_orbitals(a, b)
    cells = _union(a.cells, b.cells)

    def mix(p: Any, q: Any) -> Any:
        if p is None or q is None or np.shape(p) != np.shape(q):
            return None
        return (1 - alpha) * np.asarray(p) + alpha * np.asarray(q)

    one, two = a.assumptions, b.assumptions
    order = one.spin_order if one.spin_order != "unknown" else two.spin_order
    same_crystal = (
        a.species is not None and b.species is not None and np.array_equal(a.species, b.species)
    )
    lattices = dict.fromkeys(x for x in (one.lattice_from, two.lattice_from) if x)
    degeneracies = dict.fromkeys((one.degeneracies, two.degeneracies))
    assumptions = replace(
        one,
        lattice_from=" and ".join(lattices) if len(lattices) else "",
        wigner_seitz=one.wigner_seitz if one.wigner_seitz == two.wigner_seitz else "ndegen",
        spin_order=order,
        hermiticity_residual=max(one.hermiticity_residual, two.hermiticity_residual),
        files=tuple(dict.fromkeys((*one.files, *two.files))),
        ws_distance_missing=one.ws_distance_missing or two.ws_distance_missing,
        degeneracies=" and ".join(degeneracies),
        rounding=max(one.rounding, two.rounding),
        positions_from="",
        sha256="",
    )
    mixed = replace(
        a,
        lattice=mix(a.lattice, b.lattice),
        centres=mix(a.centres, b.centres),
        species=a.species if same_crystal else None,
        frac=mix(a.frac, b.frac) if same_crystal else None,
        occupied=a.occupied if a.occupied == b.occupied else None,
        positions=None,
        source=None,
        assumptions=assumptions,
    )
    return _with(
        mixed,
        cells,
        mix(_on(cells, a), _on(cells, b)),
        title=f"{1 - alpha:g} x ({a.title}) + {alpha:g} x ({b.title})",
    )


def spin_orbit_path(h: Hoppings, strength: float, spin_order: SpinOrder | None = None) -> Hoppings:
    """``S + strength (H - S)`` with S the spinless part of H; 1 is H itself, 0 has no coupling.

    S is the real part of the mean of both spin blocks (time reversal makes
    one the complex conjugate of the other).
    """
    order = _order(h, spin_order)
    if order == "spinless":
        raise PhysicsError(
            "These hoppings have no spin, so there is no spin-orbit coupling to scale.",
            "Use hoppings of spinors.",
            path=h.source,
        )
    up, down = _blocks(h.n_orbitals, order)
    mean = (h.matrices[:, up][:, :, up] + h.matrices[:, down][:, :, down]).real / 2
    spinless = np.zeros_like(h.matrices)
    for spin in (up, down):
        spinless[:, spin[:, None], spin[None, :]] = mean
    title = f"{h.title} [spin-orbit coupling x {strength:g}]"
    return _with(
        h, h.cells, spinless + strength * (h.matrices - spinless), title=title, spin_order=order
    )


# ------------------------------------------------------------------ pieces


def _order(h: Hoppings, given: SpinOrder | None) -> SpinOrder:
    order = given or h.assumptions.spin_order
    if order == "unknown" or (order != "spinless" and h.n_orbitals % 2):
        raise PhysicsError(
            "The order of the spins of these hoppings is not known, so time reversal is not.",
            "Say whether the orbitals come in blocks (all up, all down) or interleaved.",
            path=h.source,
        )
    return order


def _same_orbitals(a: Hoppings, b: Hoppings) -> None:
    if a.n_orbitals != b.n_orbitals:
        raise PhysicsError(
            f"{a.n_orbitals} and {b.n_orbitals} orbitals cannot be combined.",
            "Use hoppings of the same orbitals in the same order.",
        )
    orders = {a.assumptions.spin_order, b.assumptions.spin_order} - {"unknown"}
    if len(orders) > 1:
        raise PhysicsError(
            f"The spins are ordered differently: {' and '.join(sorted(orders))}.",
            "Use hoppings of the same orbitals in the same order.",
        )


def _with(
    h: Hoppings,
    cells: Integers,
    matrices: Complexes,
    *,
    title: str,
    spin_order: SpinOrder | None = None,
) -> Hoppings:
    """``h`` with other hoppings; the residual of time reversal is measured again."""
    order = spin_order or h.assumptions.spin_order
    residual = h.assumptions.time_reversal_residual
    if order != "unknown":
        residual = time_reversal_residual(matrices, order)
    assumptions = replace(h.assumptions, spin_order=order, time_reversal_residual=residual)
    return replace(h, cells=cells, matrices=matrices, title=title, assumptions=assumptions)


def _union(a: Integers, b: Integers) -> Integers:
    return np.asarray(np.unique(np.concatenate([a, b]), axis=0))


def _places(cells: Integers, wanted: Integers) -> Integers:
    """Row of each wanted vector in ``cells``; both as integers, all present."""
    table = {tuple(row): i for i, row in enumerate(cells.tolist())}
    return np.array([table[tuple(row)] for row in wanted.tolist()], dtype=np.int64)


def _closed(cells: Integers) -> tuple[Integers, Integers]:
    """Lattice vectors with all their opposites, and the row of -A for each A."""
    every = _union(cells, -cells)
    return every, _places(every, -every)


def _on(cells: Integers, h: Hoppings) -> Complexes:
    """H(A) on a larger list of lattice vectors, zero where there is none."""
    n = h.n_orbitals
    result = np.zeros((len(cells), n, n), dtype=np.complex128)
    result[_places(cells, h.cells)] = h.matrices
    return result


def _blocks(n: int, order: SpinOrder) -> tuple[Integers, Integers]:
    """Indices of the spin-up orbitals and of their spin-down partners."""
    places, signs = partner(n, order)
    up = np.flatnonzero(signs > 0)
    return up, places[up]


def _hermitian(
    cells: Integers, mirror: Integers, n: int, seed: int, sizes: Floats | None
) -> Complexes:
    """Complex normal B(A) with B(-A) = B(A)^dagger, (m, n, n)."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
    parts = rng.standard_normal((len(cells), n, n, 2))
    drawn = (parts[..., 0] + 1j * parts[..., 1]) / np.sqrt(2)
    if sizes is not None:
        drawn = drawn * sizes
    return np.asarray((drawn + drawn[mirror].conj().swapaxes(1, 2)) / np.sqrt(2))


def _literal(drawn: Any, mirror: Any, order: SpinOrder, xp: Any) -> Any:
    """Eqs. 8-11 of Bird 2023 as they stand, on (s, m, n, n)."""
    n = int(drawn.shape[-1])
    up, down = _blocks(n, order)
    upper = xp.take(drawn, xp.asarray(up), axis=-2)
    straight = xp.take(upper, xp.asarray(up), axis=-1)
    across = xp.take(upper, xp.asarray(down), axis=-1)
    across = (across + xp.matrix_transpose(across)) / 2
    # Eq. 10 gives B_ud at -A; the mean over both keeps every A on the same footing.
    across = (across + xp.take(across, mirror, axis=1)) / 2
    top = xp.concat([straight, across], axis=-1)
    bottom = xp.concat([xp.conj(xp.matrix_transpose(across)), xp.conj(straight)], axis=-1)
    blocks = xp.concat([top, bottom], axis=-2)
    back = xp.asarray(np.argsort(np.concatenate([up, down])))
    return xp.take(xp.take(blocks, back, axis=-1), back, axis=-2)


def _scaled(
    noise: Any, h: Hoppings, strengths: Sequence[float], normalisation: Normalisation, xp: Any
) -> Any:
    """Bring (s, m, n, n) noise to its strengths."""
    size = xp.abs(noise)
    if normalisation == "rms":
        unit = xp.sqrt(xp.mean(size * size, axis=(1, 2, 3)))
        target = 1.0
    elif normalisation == "mean":
        # Means over the same elements: those of the noise, which has the cells of h.
        unit = xp.sum(size, axis=(1, 2, 3))
        target = float(np.abs(h.matrices).sum())
    else:
        raise PhysicsError(f"There is no normalisation '{normalisation}'.", "Choose rms or mean.")
    factor = xp.asarray(np.asarray(strengths, dtype=np.float64)) * target / unit
    return noise * xp.astype(factor[:, None, None, None], noise.dtype)


def _inverted(cells: Integers, noise: Any, inversion: Inversion, xp: Any) -> tuple[Integers, Any]:
    """The part of the noise that keeps inversion, (N(k) + P(k)^dagger N(-k) P(k)) / 2.

    P(k) has few Fourier components, so the product is taken between lattice
    vectors: exactly, without a mesh.
    """
    shifts, parts = _components(inversion)
    pieces: dict[tuple[int, int, int], Any] = {}
    for a, left in zip(shifts, parts, strict=True):
        for b, right in zip(shifts, parts, strict=True):
            # P(k)^dagger N(-k) P(k) = sum exp(2 pi i k.(-a - A + b)) P_a^dagger N_A P_b
            turned = xp.asarray(left.conj().T) @ noise @ xp.asarray(right)
            for row, cell in enumerate((b - a - cells).tolist()):
                key = (cell[0], cell[1], cell[2])
                piece = turned[:, row, ...]
                pieces[key] = pieces[key] + piece if key in pieces else piece
    for row, cell in enumerate(cells.tolist()):
        key = (cell[0], cell[1], cell[2])
        piece = noise[:, row, ...]
        pieces[key] = pieces[key] + piece if key in pieces else piece
    keys = sorted(pieces)
    return np.array(keys, dtype=np.int64), xp.stack([pieces[k] for k in keys], axis=1) / 2


def _components(inversion: Inversion, reach: int = 4) -> tuple[Integers, Complexes]:
    """Integer vectors s (c, 3) and matrices P_s (c, n, n): P(k) = sum exp(2 pi i k.s) P_s."""
    size = 2 * reach + 1
    axis = np.arange(size) / size
    mesh = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    table = np.fft.fftn(np.asarray(inversion.at(mesh)), axes=(0, 1, 2)) / size**3
    places = np.argwhere(np.abs(table).max(axis=(-1, -2)) > 1e-9)
    parts = table[tuple(places.T)]
    return np.asarray((places + reach) % size - reach, dtype=np.int64), parts
