"""Write the example hoppings that come with the program.

``python -m crystalgui.core.physics.zoo.examples FOLDER`` regenerates them
byte for byte; they are made only from the models of this package.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crystalgui.core.physics.zoo import bitei, cubic, fu_kane_mele, haldane, kane_mele, weyl
from crystalgui.core.structures.hoppings.model import Hoppings
from crystalgui.core.structures.hoppings.writer import write_hr, write_tb


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One folder of example hoppings: name of the files, and what it shows."""

    folder: str
    file: str
    text: str


EXAMPLES: tuple[Example, ...] = (
    Example(
        folder="bitei",
        file="bitei_hr.dat.gz",
        text="BiTeI at ambient pressure, 18 p orbitals: trivial, gap 0.31 eV near A, Rashba bands.",
    ),
    Example(
        folder="bitei-pressure",
        file="bitei-pressure_hr.dat.gz",
        text="The same model compressed beyond its gap closing: a topological insulator.",
    ),
    Example(
        folder="haldane",
        file="haldane_hr.dat",
        text="Haldane's Chern insulator on the honeycomb lattice, gap 1.04 eV at K.",
    ),
    Example(
        folder="kane-mele",
        file="kane-mele_hr.dat",
        text="Kane and Mele's quantum spin Hall insulator, gap 0.42 eV at K.",
    ),
    Example(
        folder="fu-kane-mele",
        file="fu-kane-mele_hr.dat",
        text="Fu, Kane and Mele's strong topological insulator on the diamond lattice.",
    ),
    Example(
        folder="cubic-topological",
        file="cubic-topological_tb.dat",
        text="Four bands on a cube: the smallest strong topological insulator.",
    ),
    Example(
        folder="weyl",
        file="weyl_tb.dat",
        text="Two bands that touch at two Weyl points on the line Γ–Z.",
    ),
)


def model(folder: str) -> Hoppings:
    """The Hamiltonian of an example."""
    made: dict[str, Hoppings] = {
        "bitei": bitei(0.0),
        "bitei-pressure": bitei(2.0),
        "haldane": haldane(phi=np.pi / 2),
        "kane-mele": kane_mele(),
        "fu-kane-mele": fu_kane_mele(),
        "cubic-topological": cubic(),
        "weyl": weyl(),
    }
    return made[folder]


def write_examples(root: Path) -> list[Path]:
    """Write every example below ``root``; the paths of the hopping files."""
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.core.structures.files import write_poscar

    written: list[Path] = []
    for example in EXAMPLES:
        h = model(example.folder)
        path = root / example.folder / example.file
        if example.file.endswith("_tb.dat"):
            write_tb(h, path)
        else:
            write_hr(h, path)
        written.append(path)
        if h.lattice is not None and h.species is not None and h.frac is not None:
            title = h.title.split(",")[0]
            crystal = Crystal(lattice=h.lattice, frac=h.frac, species=h.species, title=title)
            write_poscar(crystal, path.parent / "POSCAR")
    return written


if __name__ == "__main__":
    for item in write_examples(Path(sys.argv[1])):
        print(item)
