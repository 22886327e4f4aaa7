"""The tables of a report as rows of text, before any typesetting.

A row is a name and a value; values are paragraph markup (escaped here), with
units.  Keeping them apart from the page lets tests read them.
"""

from __future__ import annotations

import math
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np

from crystalgui import __version__
from crystalgui.core.cards import TrainedModel
from crystalgui.core.reports.typography import formula_markup, group_markup
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import MASS, SYMBOLS, formula

if TYPE_CHECKING:
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.core.structures.symmetry import Symmetry

Rows = list[tuple[str, str]]

# Dalton per cubic Angstrom in g/cm^3.
_DENSITY = 1.66053907
PACKAGES = ("numpy", "scipy", "spglib", "seekpath", "pymatgen", "vesin", "torch", "reportlab")


def cell_rows(crystal: Crystal) -> Rows:
    """Formula, cell and density."""
    a, b, c = crystal.lengths
    alpha, beta, gamma = crystal.angles
    density = _DENSITY * float(MASS[crystal.species].sum()) / crystal.volume
    return [
        ("Formula", formula_markup(formula(crystal, reduced=False))),
        ("Atoms in the cell", f"{crystal.n_atoms:,}"),
        ("a, b, c", f"{a:.4f}, {b:.4f}, {c:.4f} Å"),
        ("α, β, γ", f"{alpha:.2f}, {beta:.2f}, {gamma:.2f}°"),
        ("Volume", f"{crystal.volume:.3f} Å³"),
        ("Density", f"{density:.3f} g/cm³"),
    ]


def symmetry_rows(symmetry: Symmetry) -> Rows:
    """Space group and point group, with the tolerance they hold at."""
    return [
        ("Space group", f"{group_markup(symmetry.international)} ({symmetry.number})"),
        ("Point group", escape(symmetry.point_group)),
        ("Crystal system", escape(symmetry.crystal_system)),
        ("Tolerance", f"{symmetry.tolerance:g} Å"),
    ]


def site_rows(
    crystal: Crystal, symmetry: Symmetry, most: int = 40
) -> tuple[list[tuple[str, ...]], int]:
    """Element, Wyckoff position, site symmetry and coordinates of each orbit.

    One row for each set of equivalent atoms: its multiplicity in this cell,
    and the coordinates of its first atom.  At most ``most`` rows, and how many
    more there are.
    """
    rows: list[tuple[str, ...]] = []
    orbits, counts = np.unique(np.asarray(symmetry.equivalent_atoms), return_counts=True)
    for first, members in list(zip(orbits, counts, strict=True))[:most]:
        x, y, z = crystal.frac[first] - np.floor(crystal.frac[first] + 1e-9)
        rows.append(
            (
                SYMBOLS[int(crystal.species[first])],
                f"{members}{symmetry.wyckoffs[first]}",
                escape(str(symmetry.site_symmetry[first])),
                f"{x:.5f}",
                f"{y:.5f}",
                f"{z:.5f}",
            )
        )
    return rows, max(0, len(orbits) - most)


def hoppings_rows(hoppings: Hoppings) -> Rows:
    """Sizes of a Hamiltonian, and what had to be assumed to read it."""
    assumed = hoppings.assumptions
    rows = [
        ("Orbitals", f"{hoppings.n_orbitals}"),
        ("Lattice vectors R", f"{hoppings.n_cells:,}"),
        ("Assumptions", escape(assumed.sentence())),
        ("Hermiticity residual", f"{assumed.hermiticity_residual:.1g} eV"),
    ]
    if len(assumed.files) > 1:
        rows.append(("Read from", escape(", ".join(Path(f).name for f in assumed.files))))
    return rows


def _amount(value: float) -> str:
    """A metric with a sensible number of digits."""
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"


def model_rows(card: TrainedModel) -> Rows:
    """A model card: what it is, what it learned from, and how well it answers."""
    unit = f" ({card.unit})" if card.unit else ""
    rows = [
        ("Name", escape(card.name)),
        ("Family", escape(card.family)),
        ("Answers", escape(f"{card.target}{unit}, {card.task}")),
    ]
    if card.classes:
        rows.append(("Classes", escape(", ".join(card.classes))))
    if card.coarse:
        groups: dict[str, list[str]] = {}
        for fine, coarse in card.coarse.items():
            groups.setdefault(coarse, []).append(fine)
        merged = "; ".join(f"{name}: {', '.join(fine)}" for name, fine in groups.items())
        rows.append(("Merged classes", escape(merged)))
    rows += [
        (name.replace("_", " ").replace("/", " ").capitalize(), _amount(value))
        for name, value in card.metrics.items()
        if math.isfinite(value)
    ]
    for name, value in (
        ("Data", card.data),
        ("Split", card.split),
        ("Parameters", f"{card.parameters:,}" if card.parameters else ""),
        ("Seed", str(card.seed)),
        ("Trained on", card.date),
        ("Licence", card.licence),
        ("Notes", card.notes),
    ):
        if value:
            rows.append((name, escape(value)))
    return rows


def version(package: str) -> str:
    """Installed version of a package, or an empty string."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def version_rows() -> Rows:
    """Versions of the program and of what it computes with."""
    rows = [("crystalgui", __version__), ("Python", platform.python_version())]
    rows += [(name, version(name)) for name in PACKAGES if version(name)]
    return rows
