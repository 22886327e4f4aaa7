"""Crystals under strain, and which strains are allowed.

A distortion is a matrix T: every Cartesian position r becomes (1 + T) r, so the
lattice (rows) becomes lattice (1 + T)^T and fractional coordinates stay, as in
`structures.cells.strained`.  1 + T is the tunable matrix of gradient design
that positions are premultiplied with; T = 0 is the crystal as given.  The
symmetric part of T is the strain; the antisymmetric part, for small T, only
turns the crystal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.structures.hoppings.model import Assumptions, Hoppings
from crystalgui.core.structures.hoppings.spin import detect_spin_order

Floats = NDArray[np.float64]
Shape = Literal["free", "in-plane", "along-c", "uniform"]


class Deformable(Protocol):
    """A model whose hoppings follow the lattice."""

    @property
    def lattice(self) -> Floats:
        """(3, 3) rows in Angstrom, without strain."""

    @property
    def frac(self) -> Floats:
        """(sites, 3) fractional positions."""

    @property
    def species(self) -> NDArray[np.int64]:
        """(sites,) atomic numbers."""

    @property
    def centres(self) -> Floats:
        """(n, 3) fractional positions of the orbitals."""

    @property
    def occupied(self) -> int:
        """Number of occupied bands."""

    @property
    def title(self) -> str:
        """What it is."""

    def terms(self, lattice: Any, frac: Any) -> tuple[NDArray[np.int64], Any]:
        """Cells (m, 3) and matrices (m, n, n) in eV, differentiable on torch."""

    def change(self, lattice: Floats, frac: Floats, turn: Floats) -> NDArray[np.complex128]:
        """Derivative (m, n, n) of the matrices along a change (3, 3) of the lattice."""


def strained(lattice: Any, strain: Any) -> Any:
    """The lattice (3, 3) after r -> (1 + T) r, on any array library."""
    return lattice + lattice @ strain.T


def hoppings(model: Deformable, strain: ArrayLike | None = None) -> Hoppings:
    """The Hamiltonian of a model at a strain T (3, 3); none: as given."""
    lattice = np.asarray(model.lattice, dtype=np.float64)
    t = np.zeros((3, 3)) if strain is None else np.asarray(strain, dtype=np.float64)
    lattice = strained(lattice, t)
    if np.linalg.det(lattice) * np.linalg.det(model.lattice) <= 0:
        raise PhysicsError(
            "This strain turns the cell inside out.", "Choose a smaller strain, |T| well below 1."
        )
    cells, matrices = model.terms(lattice, model.frac)
    order, residual = detect_spin_order(matrices)
    title = model.title if not t.any() else f"{model.title}, strained"
    return Hoppings(
        cells=cells,
        matrices=matrices,
        lattice=lattice,
        centres=model.centres,
        species=model.species,
        frac=model.frac,
        occupied=model.occupied,
        title=title,
        assumptions=Assumptions(
            lattice_from="model", spin_order=order, time_reversal_residual=residual
        ),
    )


# ---------------------------------------------------------- constraints


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Which strains a design may use.

    Attributes
    ----------
    shape : {"free", "in-plane", "along-c", "uniform"}
        All nine components; the four of the x-y plane; only zz; only a
        multiple of the identity.
    rotations : bool
        Also the antisymmetric part, which turns the crystal.
    symmetry : bool
        Keep the point group of the crystal.
    volume : bool
        Keep the volume of the cell.
    bound : float
        Largest |T_ij|.
    """

    shape: Shape = "free"
    rotations: bool = False
    symmetry: bool = True
    volume: bool = False
    bound: float = 0.15


def point_group(lattice: Floats, frac: Floats, species: NDArray[np.int64]) -> Floats:
    """(g, 3, 3) Cartesian rotations R of the crystal, acting on rows: r -> r R."""
    import spglib

    found = spglib.get_symmetry_dataset((lattice, frac, species.tolist()), symprec=1e-3)
    if found is None:
        return np.eye(3)[None]
    turns = np.unique(np.asarray(found.rotations), axis=0)
    inverse = np.linalg.inv(lattice)
    return np.array([inverse @ turn.T @ lattice for turn in turns])


def project(direction: Floats, strain: Floats, allowed: Allowed, group: Floats) -> Floats:
    """The part of a direction (3, 3) that the constraints leave, at a strain."""
    d = np.asarray(direction, dtype=np.float64)
    d = _linear(d, allowed, group)
    if allowed.volume:
        # d log det(1 + T) = tr[(1 + T)^-1 dT] must vanish
        inverse = np.asarray(np.linalg.inv(np.eye(3) + strain), dtype=np.float64)
        normal = _linear(inverse.T, allowed, group)
        size = float((normal * normal).sum())
        if size > 0:
            d = d - normal * float((normal * d).sum()) / size
    return d


def _linear(d: Floats, allowed: Allowed, group: Floats) -> Floats:
    if not allowed.rotations:
        d = (d + d.T) / 2
    if allowed.symmetry:
        d = np.mean([r.T @ d @ r for r in group], axis=0)
    if allowed.shape == "in-plane":
        d = d * np.outer([1, 1, 0], [1, 1, 0])
    elif allowed.shape == "along-c":
        d = d * np.outer([0, 0, 1], [0, 0, 1])
    elif allowed.shape == "uniform":
        d = np.eye(3) * np.trace(d) / 3
    return d


def bounded(strain: Floats, allowed: Allowed) -> Floats:
    """A strain brought back to the bound, and to the volume where it is kept."""
    t = np.clip(strain, -allowed.bound, allowed.bound)
    if allowed.volume:
        f = np.eye(3) + t
        live = {"free": (0, 1, 2), "in-plane": (0, 1)}.get(allowed.shape, ())
        if live:
            scale = np.ones(3)
            scale[list(live)] = abs(float(np.linalg.det(f))) ** (-1 / len(live))
            t = f @ np.diag(scale) - np.eye(3)
    return np.asarray(t)
