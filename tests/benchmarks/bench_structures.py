"""How fast structure files become crystals, graphs and space groups, on one core.

The crystals are made here (a few hundred cells of 12 atoms and one of 100,000),
so that the numbers can be had on any machine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
CELLS = 400


def _best(work: Callable[[], object], repeats: int = 3) -> float:
    """Shortest of a few wall times, seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _cells():
    """Cells of 12 atoms with the volume per atom of an oxide, slightly disordered."""
    from crystalgui.core.structures.crystal import Crystal

    rng = np.random.default_rng(0)
    grid = np.array(list(np.ndindex(3, 2, 2))) / [3, 2, 2]
    species = np.repeat([38, 22, 8], [2, 2, 8])
    for _ in range(CELLS):
        lattice = np.diag([6.6, 4.4, 4.4]) + rng.normal(size=(3, 3)) * 0.1
        yield Crystal(lattice=lattice, frac=grid + rng.normal(size=(12, 3)) * 0.01, species=species)


def run() -> list[Row]:
    """Rows of numbers, with the limits that the program promises."""
    from crystalgui.core.structures.crystal import Crystal
    from crystalgui.core.structures.files import collect, read_crystal, write_poscar
    from crystalgui.core.structures.neighbors import bonds, drawing, neighbors
    from crystalgui.core.structures.symmetry import symmetry

    crystals = list(_cells())
    graphs = CELLS / _best(lambda: [neighbors(c, 5.0) for c in crystals])
    groups = _best(lambda: [symmetry(c) for c in crystals], 1) / CELLS
    grid = np.array(list(np.ndindex(46, 46, 48))) / [46, 46, 48]
    large = Crystal(
        lattice=np.diag([46, 46, 48]) * 2.82,
        frac=grid,
        species=np.where(np.arange(len(grid)) % 2, 11, 17),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i, crystal in enumerate(crystals):
            write_poscar(crystal, folder / f"{i}.vasp")
        reading = _best(lambda: [read() for _, read in collect([folder])]) / CELLS
        write_poscar(large, folder / "large.vasp")
        opening = _best(lambda: read_crystal(folder / "large.vasp"))
    found = bonds(large)
    return [
        _row("graphs of 12 atoms at 5 Angstrom", graphs, "1/s", 1000, "higher"),
        _row("read a POSCAR of 12 atoms", reading * 1e3, "ms", 3.0, "lower"),
        _row("space group of 12 atoms", groups * 1e3, "ms", 6.0, "lower"),
        _row("read a POSCAR of 100,000 atoms", opening, "s", 3.0, "lower"),
        _row("bonds of 100,000 atoms", _best(lambda: bonds(large)), "s", 3.0, "lower"),
        _row(
            "drawing of 100,000 atoms without bonds",
            _best(lambda: drawing(large, bonds=False)),
            "s",
            0.3,
            "lower",
        ),
        _row(
            "drawing of 100,000 atoms with known bonds",
            _best(lambda: drawing(large, found=found)),
            "s",
            3.0,
            "lower",
        ),
    ]


def _row(name: str, value: float, unit: str, limit: float, better: str) -> Row:
    return {"name": name, "value": value, "unit": unit, "limit": limit, "better": better}


if __name__ == "__main__":
    for row in run():
        print(f"{row['name']:45s} {row['value']:10.3f} {row['unit']}")
