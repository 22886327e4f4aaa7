"""Crystals with known numbers."""

from __future__ import annotations

import numpy as np

from crystalgui.core.structures.crystal import Crystal

A, C = 4.34, 6.85
HEXAGONAL = np.array([[A, 0, 0], [-A / 2, A * 3**0.5 / 2, 0], [0, 0, C]])
BITEI = Crystal(
    lattice=HEXAGONAL,
    frac=[[0, 0, 0], [2 / 3, 1 / 3, 0.255], [1 / 3, 2 / 3, 0.693]],
    species=[83, 52, 53],
)
PEROVSKITE = Crystal(
    lattice=3.905 * np.eye(3),
    frac=[[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]],
    species=[38, 22, 8, 8, 8],
)
TRICLINIC = np.array([[4.0, 0.0, 0.0], [1.1, 5.0, 0.0], [-0.7, 0.9, 6.0]])


def block(n: int) -> Crystal:
    """A cubic block of n^3 atoms, 2.5 Angstrom apart."""
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 3)
    return Crystal(lattice=2.5 * n * np.eye(3), frac=grid / n, species=np.full(n**3, 29))
