"""Wilson loops and Wannier charge centres, with adaptive convergence.

Each overlap of occupied states is made unitary by its singular value
decomposition; the charge centres of a line are the arguments of the
eigenvalues of the loop (Soluyanov and Vanderbilt, Phys. Rev. B 83, 235401
(2011); Yu et al., Phys. Rev. B 84, 075119 (2011)).  The controls have the
names and values of Z2Pack (Gresch et al., Phys. Rev. B 95, 075146 (2017)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Surface:
    """k(t, s) = origin + t across + s along; the loop runs over s in [0, 1].

    ``along`` is a reciprocal-lattice vector (reduced, integers), so that each
    line is closed; t in [0, 1] numbers the lines.
    """

    origin: Floats
    across: Floats
    along: Floats
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """When a line, and the flow from line to line, is fine enough.

    Attributes
    ----------
    pos_tol : float
        Largest movement of a charge centre when a line gets more k-points.
    move_tol : float
        Largest movement between neighbouring lines, in parts of the smaller
        of their largest gaps.
    gap_tol : float
        Smallest distance of a charge centre from the neighbouring line's gap
        centre (mod 1), in parts of that gap.
    points : tuple of int
        k-points on a line, tried one after the other.
    lines : int
        Lines to begin with.
    min_distance : float
        Smallest distance of lines in t.
    """

    pos_tol: float = 1e-2
    move_tol: float = 0.3
    gap_tol: float = 0.3
    points: tuple[int, ...] = (8, 12, 16, 20, 26, 36, 52, 80)
    lines: int = 11
    min_distance: float = 0.01


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WilsonFlow:
    """Wannier charge centres line by line.

    Attributes
    ----------
    surface : Surface
    t : (l,) float64
        Ascending.
    centres : (l, occupied) float64
        In [0, 1), ascending in each row.
    gap : (l,) float64
        Centre of the largest gap of each line, in [0, 1).
    gap_size : (l,) float64
    points : (l,) int64
        k-points of each line.
    converged : bool
        All three checks passed everywhere.
    worst : tuple of (name, value, tolerance)
        The worst value of ``pos``, ``move`` and ``gap``.
    smallest_gap : float, eV
        Smallest direct gap met on the surface.
    """

    surface: Surface
    t: Floats
    centres: Floats
    gap: Floats
    gap_size: Floats
    points: NDArray[np.int64]
    converged: bool
    worst: tuple[tuple[str, float, float], ...]
    smallest_gap: float
