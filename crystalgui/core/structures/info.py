"""Everything worth knowing of a crystal as plain values, for JSON and tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from crystalgui.core.errors import FileError
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import (
    MASS,
    SYMBOLS,
    electrons,
    formula,
    odd_electrons,
    valence_electrons,
)
from crystalgui.core.structures.symmetry import (
    DEFAULT_TOLERANCE,
    QUICK_ATOMS,
    Symmetry,
    symmetry,
    wyckoff_summary,
)

DALTON = 1.66053906660
"""Grams per cubic centimetre of one atomic mass unit per cubic Angstrom."""


def density(crystal: Crystal) -> float:
    """Mass density, g / cm^3."""
    return float(MASS[crystal.species].sum()) * DALTON / crystal.volume


def crystal_info(crystal: Crystal, tolerance: float = DEFAULT_TOLERANCE) -> dict[str, Any]:
    """Facts of a crystal that can be written as JSON.

    Parameters
    ----------
    crystal : Crystal
    tolerance : float, Angstrom
        For the symmetry.

    Returns
    -------
    dict
        When the symmetry cannot be found its entries are None and
        ``symmetry_error`` says why.
    """
    a, b, c = crystal.lengths
    alpha, beta, gamma = crystal.angles
    facts: dict[str, Any] = {
        "kind": "crystal",
        "file": crystal.source.name if crystal.source else "",
        "title": crystal.title.strip(),
        "formula": formula(crystal),
        "cell_formula": formula(crystal, reduced=False),
        "n_atoms": crystal.n_atoms,
        "composition": {SYMBOLS[z]: n for z, n in crystal.composition.items()},
        "cell": {
            "a": round(a, 8),
            "b": round(b, 8),
            "c": round(c, 8),
            "alpha": round(alpha, 6),
            "beta": round(beta, 6),
            "gamma": round(gamma, 6),
            "volume": round(crystal.volume, 8),
            "units": "Angstrom, degrees, cubic Angstrom",
        },
        "lattice": np.round(crystal.lattice, 10).tolist(),
        "density_g_cm3": round(density(crystal), 6),
        "electrons": electrons(crystal),
        "valence_electrons": valence_electrons(crystal),
        "odd_electrons": odd_electrons(crystal),
        "tolerance": tolerance,
    }
    if crystal.n_atoms <= QUICK_ATOMS:
        facts["space_group_by_tolerance"] = {
            f"{t:g}": _group(crystal, t) for t in (1e-3, 1e-2, 1e-1)
        }
    try:
        return facts | _symmetry_facts(symmetry(crystal, tolerance), crystal)
    except FileError as error:
        names = ("space_group", "space_group_number", "point_group", "crystal_system", "hall")
        return facts | dict.fromkeys(names) | {"symmetry_error": f"{error.title} {error.hint}"}


def _group(crystal: Crystal, tolerance: float) -> int | None:
    """Space-group number at a tolerance; None when there is no answer."""
    try:
        return symmetry(crystal, tolerance).number
    except FileError:
        return None


def _symmetry_facts(found: Symmetry, crystal: Crystal) -> dict[str, Any]:
    """Entries of the space group."""
    return {
        "space_group": found.international,
        "space_group_number": found.number,
        "point_group": found.point_group,
        "crystal_system": found.crystal_system,
        "hall": found.hall,
        "centrosymmetric": found.centrosymmetric,
        "n_operations": found.n_operations,
        "wyckoff": [
            {
                "letter": letter,
                "atoms_in_cell": n,
                "site_symmetry": site,
                "element": SYMBOLS[crystal.species[first]],
                "frac": np.round(crystal.frac[first], 8).tolist(),
            }
            for letter, n, site, first in wyckoff_summary(found)
        ],
    }
