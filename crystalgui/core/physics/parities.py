"""Inversion eigenvalues at the momenta that inversion keeps, and what follows from them.

With time reversal, T^2 = -1, the parities of the occupied Kramers pairs give
the Z2 indices (Fu and Kane, Phys. Rev. B 76, 045302 (2007), eqs. 3.10 and
4.4) and, in three dimensions, Z4 = sum of the odd pairs mod 4 (Khalaf et al.,
Phys. Rev. X 8, 031070 (2018)).  Without Kramers pairs the parity of a Chern
number or of a Zak phase / pi is left (Hughes, Prodan, Bernevig, Phys. Rev. B
83, 245132 (2011)).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import hamiltonian, one_blas_thread
from crystalgui.core.physics.gaps import check_occupation
from crystalgui.core.physics.representations import Representation
from crystalgui.core.physics.reversal import TimeReversal, time_reversal
from crystalgui.core.physics.symmetries import GENERIC_K, live_axes
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARP = 0.9
"""Least |eigenvalue| of the parity among occupied states that still counts as +-1."""
DEGENERATE = 1e-6
"""A gap below this, eV, leaves the occupied states undefined."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Parities:
    """Parities of the occupied states.

    Attributes
    ----------
    trim : (t, 3) float64, reduced
        2, 4 or 8 momenta with -k = k + G, the last coordinate fastest.
    odd_pairs : (t,) int64
        Odd occupied Kramers pairs; empty without Kramers pairs.
    z2 : tuple of int
        (nu,) in two dimensions, (nu0, nu1, nu2, nu3) in three; empty without
        Kramers pairs and in one dimension.
    z4 : int or None
        Three dimensions; None where the inversion is not unique.
    gaps : (t,) float64, eV
        Gap at each momentum.
    sharpness : float
        Smallest |eigenvalue| of the parity among occupied states.
    odd_states : (t,) int64
        Odd occupied states.
    deviation : float, eV
        Largest energy by which inversion is broken, at the momenta above and
        at generic ones: the indices are those of the Hamiltonian itself where
        its gap is nowhere below twice this.
    """

    trim: Floats
    odd_pairs: Ints
    z2: tuple[int, ...]
    z4: int | None
    gaps: Floats
    sharpness: float
    odd_states: Ints
    deviation: float

    @property
    def index(self) -> int:
        """Sum of the odd states mod 2: the parity of the Chern number or of the Zak phase / pi."""
        return int(self.odd_states.sum()) % 2


def parities(
    h: Hoppings,
    occupied: int,
    inversion: Representation,
    reversal: TimeReversal | None = None,
) -> Parities:
    """Parities at the TRIM and the indices they give.

    Parameters
    ----------
    h : Hoppings
    occupied : int
    inversion : Representation
        As found by `representations.inversion`.
    reversal : TimeReversal, optional
        Looked for when not given.

    Raises
    ------
    PhysicsError
        When the gap closes at a TRIM or is less than inversion is broken, or
        the occupied states have no definite parity there.
    """
    check_occupation(h, occupied)
    live = live_axes(h)
    trim = np.zeros((2 ** len(live), 3))
    trim[:, live] = list(product((0.0, 0.5), repeat=len(live)))
    with one_blas_thread():
        levels, states = np.linalg.eigh(hamiltonian(h, trim))
        filled = states[..., :occupied]
        parity = np.linalg.eigvalsh(filled.conj().swapaxes(-1, -2) @ inversion.at(trim) @ filled)
    gaps = levels[:, occupied] - levels[:, occupied - 1]
    deviation = inversion.deviation(h, np.concatenate([trim, GENERIC_K]))
    sharpness = float(np.abs(parity).min())
    _check(h, trim, gaps, deviation, sharpness)
    odd = (parity < 0).sum(axis=1).astype(np.int64)
    if reversal is None:
        reversal = time_reversal(h)
    pairs = odd[:0]
    z2: tuple[int, ...] = ()
    z4 = None
    if reversal.holds and reversal.square < 0:
        if occupied % 2 or (odd % 2).any():
            raise PhysicsError(
                "The gap splits a Kramers pair.",
                "Choose an even number of occupied bands.",
                path=h.source,
            )
        pairs = odd // 2
        z2 = _z2(trim, pairs, live)
        if len(live) == 3 and inversion.freedom == 1:
            z4 = int(pairs.sum()) % 4
    return Parities(
        trim=trim,
        odd_pairs=pairs,
        z2=z2,
        z4=z4,
        gaps=gaps,
        sharpness=sharpness,
        odd_states=odd,
        deviation=deviation,
    )


def _check(h: Hoppings, trim: Floats, gaps: Floats, deviation: float, sharpness: float) -> None:
    where = "(" + ", ".join(f"{x:g}" for x in trim[gaps.argmin()]) + ")"
    if gaps.min() < DEGENERATE:
        raise PhysicsError(
            f"The gap closes at k = {where}.",
            "Parities need a gap at every k that inversion keeps; choose another filling.",
            path=h.source,
        )
    if gaps.min() < 2 * deviation or sharpness < SHARP:
        raise PhysicsError(
            f"Inversion is broken by {deviation:.2g} eV, the gap at k = {where} is "
            f"{gaps.min():.2g} eV: the occupied states have no definite parity.",
            "Use Wannier charge centres, which need no inversion.",
            path=h.source,
        )


def _z2(trim: Floats, pairs: Ints, live: tuple[int, ...]) -> tuple[int, ...]:
    strong = int(pairs.sum()) % 2
    if len(live) == 1:
        return ()
    if len(live) == 2:
        return (strong,)
    weak = (int(pairs[trim[:, axis] == 0.5].sum()) % 2 for axis in live)
    return (strong, *weak)
