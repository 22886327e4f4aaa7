"""What a design may change: the strain of a crystal, its hoppings, a Zeeman field.

Each freedom has a variable x, makes the Hamiltonian at x, carries a direction
forward (`push`: dx -> dH) and a gradient back (`pull`: adjoint -> dL/dx), and
knows its constraints (`project`, `moved`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import PhysicsError
from crystalgui.core.physics.magnetic import zeeman
from crystalgui.core.physics.strain import (
    Allowed,
    Deformable,
    bounded,
    hoppings,
    point_group,
    project,
    strained,
)
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.spin import partner

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Variable = NDArray[np.float64] | NDArray[np.complex128]

PRESENT = 1e-8
"""Hoppings smaller than this (eV) are absent and stay so."""


class Freedom(Protocol):
    """A variable of the Hamiltonian."""

    def start(self) -> Variable:
        """The variable without any design."""

    def hoppings(self, x: Variable) -> Hoppings:
        """The Hamiltonian there."""

    def push(self, x: Variable, dx: Variable) -> Complexes:
        """(m, n, n): derivative of the hoppings along ``dx``."""

    def pull(self, x: Variable, adjoint: Complexes) -> Variable:
        """Gradient by x of a quantity with this adjoint (m, n, n)."""

    def project(self, x: Variable, dx: Variable) -> Variable:
        """The part of a direction that the constraints leave."""

    def moved(self, x: Variable, dx: Variable) -> Variable:
        """X + dx, brought back to the bounds."""


class Strain:
    """A distortion T (3, 3) of a model whose hoppings follow the lattice."""

    def __init__(self, model: Deformable, allowed: Allowed | None = None) -> None:
        self.model = model
        self.allowed = allowed or Allowed()
        self.group = np.eye(3)[None]
        if self.allowed.symmetry:
            self.group = point_group(model.lattice, model.frac, model.species)

    def start(self) -> Floats:
        """No strain."""
        return np.zeros((3, 3))

    def hoppings(self, x: Variable) -> Hoppings:
        """The strained model."""
        return hoppings(self.model, x.real)

    def push(self, x: Variable, dx: Variable) -> Complexes:
        """Derivative of the hoppings along a change of T."""
        lattice = strained(self.model.lattice, x.real)
        return self.model.change(lattice, self.model.frac, self.model.lattice @ dx.real.T)

    def pull(self, x: Variable, adjoint: Complexes) -> Floats:
        """(3, 3) gradient by T."""
        result = np.zeros((3, 3))
        for place in np.ndindex(3, 3):
            unit = np.zeros((3, 3))
            unit[place] = 1.0
            result[place] = np.vdot(adjoint, self.push(x, unit)).real
        return result

    def project(self, x: Variable, dx: Variable) -> Floats:
        """Keep to the allowed strains."""
        return project(dx.real, x.real, self.allowed, self.group)

    def moved(self, x: Variable, dx: Variable) -> Floats:
        """Within the bound, at the same volume if that is asked."""
        return bounded(x.real + dx.real, self.allowed)


class Entries:
    """Every hopping that is there, kept Hermitian and, where it holds, time-reversal symmetric."""

    def __init__(self, h: Hoppings) -> None:
        self.h = h
        row = {tuple(cell): i for i, cell in enumerate(h.cells.tolist())}
        missing = [cell for cell in row if tuple(-x for x in cell) not in row]
        if missing:
            raise PhysicsError(
                "These hoppings have a cell A without its partner -A.",
                "Write them again with both, then design.",
                path=h.source,
            )
        self._opposite = np.array([row[tuple(-x for x in cell)] for cell in row])
        self._present = np.abs(h.matrices) > PRESENT
        order = h.assumptions.spin_order
        self._reversal = None
        if order != "unknown":
            self._reversal = partner(h.n_orbitals, order)

    def start(self) -> Complexes:
        """The hoppings as given."""
        return np.array(self.h.matrices)

    def hoppings(self, x: Variable) -> Hoppings:
        """The Hamiltonian with these matrices."""
        return replace(self.h, matrices=np.asarray(x, dtype=np.complex128))

    def push(self, x: Variable, dx: Variable) -> Complexes:
        """The direction itself."""
        return np.asarray(dx, dtype=np.complex128)

    def pull(self, x: Variable, adjoint: Complexes) -> Complexes:
        """The adjoint itself."""
        return adjoint

    def project(self, x: Variable, dx: Variable) -> Complexes:
        """Hermitian, time-reversal symmetric, and only where there are hoppings."""
        d = np.asarray(dx, dtype=np.complex128)
        d = (d + d[self._opposite].conj().swapaxes(-1, -2)) / 2
        if self._reversal is not None:
            p, s = self._reversal
            d = (d + d[:, p][:, :, p].conj() * (s[:, None] * s[None, :])) / 2
        return np.where(self._present, d, 0)

    def moved(self, x: Variable, dx: Variable) -> Complexes:
        """The sum."""
        return np.asarray(x + dx, dtype=np.complex128)


class Field:
    """A Zeeman field B (3,) in eV: H + B . sigma, a splitting of 2 |B|."""

    def __init__(self, h: Hoppings, bound: float = 1.0) -> None:
        self.h, self.bound = h, bound
        home = np.flatnonzero((h.cells == 0).all(axis=1))
        if len(home) != 1:
            raise PhysicsError("These hoppings have no home cell A = 0.", path=h.source)
        self._home = int(home[0])
        empty = replace(h, matrices=np.zeros_like(h.matrices))
        self.spin = np.array([zeeman(empty, axis).matrices[self._home] for axis in np.eye(3)])

    def start(self) -> Floats:
        """No field."""
        return np.zeros(3)

    def hoppings(self, x: Variable) -> Hoppings:
        """The Hamiltonian in the field."""
        return zeeman(self.h, x.real)

    def push(self, x: Variable, dx: Variable) -> Complexes:
        """The field term of ``dx``."""
        result = np.zeros_like(self.h.matrices)
        result[self._home] = np.tensordot(dx.real, self.spin, axes=1)
        return result

    def pull(self, x: Variable, adjoint: Complexes) -> Floats:
        """(3,) gradient by B."""
        return np.array([np.vdot(adjoint[self._home], s).real for s in self.spin])

    def project(self, x: Variable, dx: Variable) -> Floats:
        """Every direction is allowed."""
        return np.asarray(dx.real, dtype=np.float64)

    def moved(self, x: Variable, dx: Variable) -> Floats:
        """Within the bound."""
        new = x.real + dx.real
        size = float(np.linalg.norm(new))
        return np.asarray(new if size <= self.bound else new * (self.bound / size))
