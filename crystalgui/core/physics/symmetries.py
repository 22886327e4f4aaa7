"""Symmetries of a Hamiltonian that are found, never asked.

Time reversal and crystal operations come with their matrices (`reversal`,
`representations`); the group that merely maps energies onto energies needs
none: E(W k) = E(k) is tested at points of no symmetry.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.brillouin import _flat_axes
from crystalgui.core.physics.representations import (
    Orbitals,
    Representation,
    inversion,
    mirror_operations,
    operations,
    orbitals,
    represent,
)
from crystalgui.core.physics.reversal import (
    GENERIC_K,
    TRIM,
    TimeReversal,
    symmetrised,
    time_reversal,
)
from crystalgui.core.physics.sites import Operation, Sites, space_group
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

__all__ = [
    "GENERIC_K",
    "TRIM",
    "Operation",
    "Orbitals",
    "Representation",
    "Sites",
    "TimeReversal",
    "dimension",
    "inversion",
    "layer_normal",
    "live_axes",
    "mirror_operations",
    "operations",
    "orbitals",
    "represent",
    "spectral_group",
    "symmetrised",
    "time_reversal",
]


def live_axes(h: Hoppings) -> tuple[int, ...]:
    """Axes along which anything hops.

    Raises
    ------
    PhysicsError
        When nothing hops at all.
    """
    flat = _flat_axes(h)
    live = tuple(axis for axis in range(3) if axis not in flat)
    if not live:
        raise PhysicsError(
            "These hoppings have no dispersion: only the cell A = 0 is there.",
            "A molecule has levels, not bands.",
            path=h.source,
        )
    return live


def dimension(h: Hoppings) -> int:
    """Number of directions in which anything hops: 1, 2 or 3."""
    return len(live_axes(h))


def layer_normal(h: Hoppings) -> int:
    """The axis that leaves the zone of a layer: the last one along which nothing hops."""
    live = live_axes(h)
    return max((axis for axis in range(3) if axis not in live), default=2)


def spectral_group(h: Hoppings, tolerance: float = 1e-6) -> Ints:
    """Operations of the lattice that leave the energies as they are, E(W k) = E(k).

    Parameters
    ----------
    h : Hoppings
    tolerance : float
        Largest difference of energies, in parts of the width of the bands;
        1e-3 suits Hamiltonians from first principles.

    Returns
    -------
    (g, 3, 3) int64
        A group; W acts on reduced k as a column; the identity comes first.
    """
    candidates = _holohedry(h)
    levels = energies(h, GENERIC_K)
    limit = tolerance * max(float(np.ptp(levels)), 1e-12)
    kept = np.arange(len(candidates))
    worst = np.zeros(len(candidates))
    for k, wanted in zip(GENERIC_K, levels, strict=True):
        found = energies(h, candidates[kept] @ k)
        worst[kept] = np.maximum(worst[kept], np.abs(found - wanted).max(axis=1))
        kept = kept[worst[kept] <= limit]
    return candidates[_closed(candidates, kept, worst)]


def _holohedry(h: Hoppings) -> Ints:
    """Integer matrices on reduced k that keep lengths; the identity first."""
    lattice = np.eye(3) if h.lattice is None else h.lattice
    rotations, _ = space_group(lattice, np.zeros((1, 3)), np.ones(1, dtype=np.int64))
    turned = np.rint(np.linalg.inv(rotations)).astype(np.int64)
    matrices = np.unique(turned.transpose(0, 2, 1), axis=0)
    first = (matrices != np.eye(3, dtype=np.int64)).any(axis=(1, 2))
    return np.asarray(matrices[np.argsort(first, kind="stable")])


def _closed(matrices: Ints, kept: Ints, worst: Floats) -> Ints:
    """The kept rows, less the worst ones until products stay inside."""
    names = {m.tobytes(): i for i, m in enumerate(matrices)}
    members = {int(i) for i in kept}
    while True:
        rows = sorted(members)
        products = matrices[rows][:, None] @ matrices[rows][None]
        inside = np.array(
            [[names.get(p.tobytes(), -1) in members for p in line] for line in products]
        )
        if inside.all():
            return np.array(rows, dtype=np.int64)
        members.remove(max((i for i in rows if i), key=lambda i: float(worst[i])))
