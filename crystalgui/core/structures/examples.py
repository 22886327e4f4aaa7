"""The example crystals, built from published lattice constants and symmetry.

Only the asymmetric unit is written here; spglib's space-group tables make the
rest.  Sources: R. W. G. Wyckoff, Crystal Structures (1963); BiTeI: A. V.
Shevelkov et al., J. Solid State Chem. 114, 379 (1995), relaxed positions;
Bi2Se3: S. Nakajima, J. Phys. Chem. Solids 24, 479 (1963); TaAs: B. Saparov et
al., Cryst. Growth Des. 12, 107 (2012); YBa2Cu3O7: J. D. Jorgensen et al.,
Phys. Rev. B 36, 3608 (1987); quartz: K. Kihara, Eur. J. Mineral. 2, 63 (1990).
Hexagonal Gd2O3 (A type) cannot be kept at ambient pressure: its cell is the line
through the A-type oxides of La (P. Aldebert, J. P. Traverse, Mater. Res. Bull.
14, 303 (1979)), Ce (H. Baernighausen, G. Schiller, J. Less-Common Met. 110, 385
(1985)) and Nd (J. X. Boucherle, J. Schweizer, Acta Cryst. B 31, 2745 (1975))
over the radius of the ion (R. D. Shannon, Acta Cryst. A 32, 751 (1976)), at that
of Gd; the positions are those of Nd2O3.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import number

Site = tuple[str, float, float, float]


@dataclass(frozen=True, slots=True)
class Example:
    """A published crystal: cell, space group and asymmetric unit.

    Attributes
    ----------
    name : str
        File name without suffix.
    text : str
        Comment line.
    space_group : int
    cell : (a, b, c, alpha, beta, gamma), Angstrom and degrees
    sites : tuple of (symbol, x, y, z), fractional
    """

    name: str
    text: str
    space_group: int
    cell: tuple[float, float, float, float, float, float]
    sites: tuple[Site, ...]

    def crystal(self) -> Crystal:
        """The conventional cell with all atoms."""
        rotations, translations = _operations(self.space_group)
        species: list[int] = []
        frac: list[NDArray[np.float64]] = []
        for symbol, *xyz in self.sites:
            orbit = _orbit(np.array(xyz), rotations, translations)
            frac += list(orbit)
            species += [number(symbol)] * len(orbit)
        return Crystal(
            lattice=cell_matrix(*self.cell),
            frac=np.array(frac),
            species=np.array(species),
            title=self.text,
        )


def cell_matrix(
    a: float, b: float, c: float, alpha: float, beta: float, gamma: float
) -> NDArray[np.float64]:
    """Lattice rows from lengths (Angstrom) and angles (degrees); a along x, b in xy."""
    cos_a, cos_b, cos_g = (np.cos(np.radians(t)) if t != 90 else 0.0 for t in (alpha, beta, gamma))
    sin_g = np.sin(np.radians(gamma)) if gamma != 90 else 1.0
    y = (cos_a - cos_b * cos_g) / sin_g
    z = np.sqrt(1 - cos_b**2 - y**2)
    return np.array([[a, 0, 0], [b * cos_g, b * sin_g, 0], [c * cos_b, c * y, c * z]])


def _operations(space_group: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Operations of the first tabulated setting (origin choice 1, hexagonal axes)."""
    import spglib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # spglib announces a change of its errors on every call
        for hall in range(1, 531):
            if spglib.get_spacegroup_type(hall).number == space_group:
                found = spglib.get_symmetry_from_database(hall)
                return found["rotations"], found["translations"]
    raise ValueError(f"no space group {space_group}")


def _orbit(
    point: NDArray[np.float64], rotations: NDArray[np.int64], translations: NDArray[np.float64]
) -> NDArray[np.float64]:
    """All distinct images of a point in the cell, (m, 3)."""
    images = rotations @ point + translations
    images -= np.floor(images + 1e-9)
    kept: list[NDArray[np.float64]] = []
    for image in images:
        if not any(np.abs(image - k - np.rint(image - k)).max() < 1e-6 for k in kept):
            kept.append(np.where(np.abs(image) < 1e-12, 0.0, image))
    return np.array(kept)


_T = 1 / 3

EXAMPLES: tuple[Example, ...] = (
    Example("Si", "Silicon, diamond structure", 227, (5.4310,) * 3 + (90,) * 3, (("Si", 0, 0, 0),)),
    Example(
        "GaAs",
        "Gallium arsenide, zinc blende",
        216,
        (5.6533,) * 3 + (90,) * 3,
        (("Ga", 0, 0, 0), ("As", 0.25, 0.25, 0.25)),
    ),
    Example(
        "NaCl",
        "Rock salt",
        225,
        (5.6402,) * 3 + (90,) * 3,
        (("Na", 0, 0, 0), ("Cl", 0.5, 0.5, 0.5)),
    ),
    Example("Cu", "Copper, a simple metal", 225, (3.6149,) * 3 + (90,) * 3, (("Cu", 0, 0, 0),)),
    Example(
        "SrTiO3",
        "Strontium titanate, cubic perovskite",
        221,
        (3.9050,) * 3 + (90,) * 3,
        (("Sr", 0, 0, 0), ("Ti", 0.5, 0.5, 0.5), ("O", 0.5, 0.5, 0)),
    ),
    Example(
        "Gd2O3",
        "Gadolinium oxide, hexagonal A type",
        164,
        (3.733, 3.733, 5.869, 90, 90, 120),
        (("Gd", _T, 2 * _T, 0.2462), ("O", 0, 0, 0), ("O", _T, 2 * _T, 0.6466)),
    ),
    Example(
        "TiO2",
        "Titanium dioxide, rutile",
        136,
        (4.5941, 4.5941, 2.9589, 90, 90, 90),
        (("Ti", 0, 0, 0), ("O", 0.3056, 0.3056, 0)),
    ),
    Example(
        "SiO2",
        "Alpha quartz, a chiral crystal",
        152,
        (4.9137, 4.9137, 5.4047, 90, 90, 120),
        (("Si", 0.4697, 0, _T), ("O", 0.4133, 0.2672, _T - 0.1188)),
    ),
    Example(
        "BiTeI",
        "BiTeI, giant Rashba splitting; topological under pressure",
        156,
        (4.3402, 4.3402, 6.8217, 90, 90, 120),
        (("Bi", 0, 0, 0), ("Te", 2 * _T, _T, 0.75), ("I", _T, 2 * _T, 0.3054)),
    ),
    Example(
        "Bi2Se3",
        "Bismuth selenide, a strong topological insulator",
        166,
        (4.143, 4.143, 28.636, 90, 90, 120),
        (("Bi", 0, 0, 0.4008), ("Se", 0, 0, 0), ("Se", 0, 0, 0.2117)),
    ),
    Example(
        "SnTe",
        "Tin telluride, a topological crystalline insulator",
        225,
        (6.3268,) * 3 + (90,) * 3,
        (("Sn", 0, 0, 0), ("Te", 0.5, 0.5, 0.5)),
    ),
    Example(
        "TaAs",
        "Tantalum arsenide, a Weyl semimetal",
        109,
        (3.4348, 3.4348, 11.641, 90, 90, 90),
        (("Ta", 0, 0, 0), ("As", 0, 0, 0.417)),
    ),
    Example(
        "Na3Bi",
        "Sodium bismuthide, a Dirac semimetal",
        194,
        (5.448, 5.448, 9.655, 90, 90, 120),
        (("Na", 0, 0, 0.25), ("Na", _T, 2 * _T, 0.583), ("Bi", _T, 2 * _T, 0.25)),
    ),
    Example(
        "MoS2",
        "Molybdenum disulfide, 2H: layers held by van der Waals forces",
        194,
        (3.1602, 3.1602, 12.294, 90, 90, 120),
        (("Mo", _T, 2 * _T, 0.25), ("S", _T, 2 * _T, 0.621)),
    ),
    Example(
        "YBa2Cu3O7",
        "YBa2Cu3O7, a high-temperature superconductor",
        47,
        (3.8227, 3.8872, 11.6802, 90, 90, 90),
        (
            ("Y", 0.5, 0.5, 0.5),
            ("Ba", 0.5, 0.5, 0.1843),
            ("Cu", 0, 0, 0),
            ("Cu", 0, 0, 0.3556),
            ("O", 0, 0.5, 0),
            ("O", 0.5, 0, 0.3773),
            ("O", 0, 0.5, 0.3789),
            ("O", 0, 0, 0.1584),
        ),
    ),
)
"""Metals, semiconductors, oxides and topological crystals, 2 to 18 atoms a cell."""


def write_examples(folder: Path) -> list[Path]:
    """Write every example as a POSCAR ``<name>.vasp`` into a folder."""
    from crystalgui.core.structures.files import write_poscar

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for example in EXAMPLES:
        path = folder / f"{example.name}.vasp"
        write_poscar(example.crystal(), path)
        paths.append(path)
    return paths


if __name__ == "__main__":
    write_examples(Path(sys.argv[1]))
