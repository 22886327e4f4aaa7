"""Tables of what the plots show, as CSV that says where it comes from.

Every table begins with comment lines (``#``): version, file and its hash, what
was assumed about it, and the units; every column has its unit in its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crystalgui import __version__

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from crystalgui.core.physics.bands import Bands
    from crystalgui.core.physics.certificate import Node
    from crystalgui.core.physics.dos import DOS
    from crystalgui.core.structures.hoppings.model import Hoppings

    Floats = NDArray[np.float64]


def header(h: Hoppings | None, *lines: str) -> str:
    """Comment lines for the top of a table of numbers that were computed from ``h``."""
    rows = [f"crystalgui {__version__}"]
    if h is not None:
        if h.title:
            rows.append(f"title: {h.title}")
        if h.source is not None:
            digest = h.assumptions.sha256 or file_hash(h.source)
            rows.append(f"file: {h.source.name}" + (f", sha256 {digest}" if digest else ""))
        others = [name for name in h.assumptions.files if Path(name).name != _name(h)]
        if others:
            rows.append("with: " + ", ".join(others))
        rows.append(f"assumed: {h.assumptions.sentence()}")
    rows += [line for line in lines if line]
    return "".join(f"# {' '.join(row.split())}\n" for row in rows)


def _name(h: Hoppings) -> str:
    return h.source.name if h.source is not None else ""


def file_hash(path: Path) -> str:
    """SHA-256 of a file; empty when it is gone."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def rows_csv(names: Sequence[str], columns: Iterable[ArrayLike]) -> str:
    """Columns of equal length under their names; (m,) or (m, c) arrays."""
    table = np.column_stack([np.asarray(c, dtype=np.float64) for c in columns])
    text = [",".join(names)]
    text += [",".join(f"{x:.10g}" for x in row) for row in table]
    return "\n".join(text) + "\n"


def bands_csv(bands: Bands, weights: Floats | None = None, groups: Sequence[str] = ()) -> str:
    """``distance_per_A,k1,k2,k3,E1_eV,…``, one row a k-point, then weights a band and group.

    Parameters
    ----------
    bands : Bands
    weights : (m, n, g) float64 in [0, 1], optional
    groups : g names
    """
    n = bands.energies.shape[1]
    names = ["distance_per_A", "k1", "k2", "k3", *(f"E{i + 1}_eV" for i in range(n))]
    columns: list[Floats] = [bands.path.distance, bands.path.k, bands.energies]
    if weights is not None:
        for g, group in enumerate(groups):
            word = "_".join(group.split())
            names += [f"w{i + 1}_{word}" for i in range(n)]
            columns.append(weights[:, :, g])
    return rows_csv(names, columns)


def nodes_csv(nodes: Sequence[Node]) -> str:
    """``k1,k2,k3,energy_eV,chirality,kind,degeneracy,gap_eV``, one row a node."""
    rows = ["k1,k2,k3,energy_eV,chirality,kind,degeneracy,gap_eV"]
    for node in nodes:
        k = ",".join(f"{x:.10f}" for x in node.k)
        rows.append(
            f"{k},{node.energy:.10g},{node.chirality},{node.kind},{node.degeneracy},{node.gap:.3g}"
        )
    return "\n".join(rows) + "\n"


def dos_csv(dos: DOS) -> str:
    """``energy_eV,dos_states_per_eV_cell,integrated_states_per_cell``, then groups."""
    unit = "states_per_eV_cell"
    names = ["energy_eV", f"dos_{unit}", "integrated_states_per_cell"]
    columns: list[Floats] = [dos.energies, dos.density, dos.integrated]
    if dos.partial is not None:
        names += [f"{'_'.join(group.split())}_{unit}" for group in dos.groups]
        columns.append(dos.partial.T)
    return rows_csv(names, columns)
