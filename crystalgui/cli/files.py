"""What is in a file: ``info`` and ``bands``."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from crystalgui.cli.terminal import UNCHECKED, check_targets, existing, jsonable, write
from crystalgui.core.errors import DataError


def info(
    file: Annotated[Path, typer.Argument(help="A crystal or a hopping file.", **UNCHECKED)],
    tolerance: Annotated[float, typer.Option(help="For the symmetry, in Angstrom.")] = 1e-2,
    symbols: Annotated[str, typer.Option(help='Elements of a VASP 4 file, e.g. "Bi Te I".')] = "",
) -> None:
    """What is in a file, as JSON."""
    from crystalgui.core.structures.files import read_crystal, sniff

    existing(file)
    if not 0 < tolerance < math.inf:
        raise DataError(
            f"A tolerance of {tolerance} Angstrom is impossible.", "Give one such as 0.01."
        )
    facts: dict[str, Any]
    if sniff(file) == "hoppings":
        from crystalgui.core.structures.hoppings.info import hoppings_info_of

        facts = dict(hoppings_info_of(file))
    else:
        from crystalgui.core.structures.info import crystal_info

        named = symbols.replace(",", " ").split() or None
        facts = crystal_info(read_crystal(file, symbols=named), tolerance)
    print(json.dumps(facts, indent=2, ensure_ascii=False, default=jsonable))


def bands(
    hoppings: Annotated[Path, typer.Argument(metavar="HR", help="wannier90_hr.dat", **UNCHECKED)],
    kpoints: Annotated[Path, typer.Option(help="Reduced k-points, one a line.", **UNCHECKED)],
    csv: Annotated[
        Path | None, typer.Option(help="Where to write; stdout without.", **UNCHECKED)
    ] = None,
) -> None:
    """Energies in eV at k-points, one row a point."""
    from crystalgui.core.physics.kpoints import energies_table

    check_targets(csv)
    k, energies = energies_table(existing(hoppings), existing(kpoints))
    head = ["k1", "k2", "k3", *(f"e{i}" for i in range(1, energies.shape[1] + 1))]
    lines = [",".join(head)]
    for point, row in zip(k, energies, strict=True):
        lines.append(",".join(f"{v:.10g}" for v in (*point, *row)))
    text = "\n".join(lines) + "\n"
    if csv is None:
        sys.stdout.write(text)
    else:
        write(csv, text)
