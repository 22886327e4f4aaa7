"""k-points from a file, and the table of energies there (``crystalgui bands``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError
from crystalgui.core.structures.hoppings.text import Source

Floats = NDArray[np.float64]


def read_kpoints(path: Path) -> Floats:
    """Reduced k-points, (m, 3) float64.

    Accepted: wannier90's ``_band.kpt`` (first line the number of points, then
    ``k1 k2 k3 weight``) and plain rows of three or four numbers separated by
    blanks or commas.  Weights are ignored; ``#`` and ``!`` start comments.
    """
    rows: list[list[float]] = []
    announced: int | None = None
    with Source(Path(path)) as source:
        while True:
            try:
                text = source.readline("k-points")
            except FileError as error:
                if "ends where" in error.title:
                    break
                raise
            text = text.split("#")[0].split("!")[0].replace(",", " ").strip()
            if not text:
                continue
            tokens = text.split()
            try:
                row = [float(token) for token in tokens]
            except ValueError:
                if not rows and announced is None:
                    continue
                raise source.error(
                    f"Not a k-point: {text[:60]!r}.", "Write three reduced coordinates."
                ) from None
            if len(row) == 1 and not rows and announced is None and row[0] == int(row[0]):
                announced = int(row[0])
                continue
            if len(row) not in (3, 4) or not np.isfinite(row).all():
                raise source.error(
                    f"A k-point needs three finite numbers, found {text[:60]!r}.",
                    "Write reduced coordinates, optionally followed by a weight.",
                )
            rows.append(row[:3])
    if not rows:
        raise FileError(
            "There are no k-points in this file.",
            "Write one k-point in reduced coordinates on each line.",
            path=path,
        )
    if announced is not None and announced != len(rows):
        raise FileError(
            f"The first line announces {announced} k-points, the file has {len(rows)}.",
            "Correct the number or complete the file.",
            path=path,
        )
    return np.array(rows, dtype=np.float64)


def energies_table(path: Path, kpoints_path: Path) -> tuple[Floats, Floats]:
    """Energies of a hopping file at the k-points of another file.

    Returns
    -------
    k : (m, 3) float64, reduced
    energies : (m, n) float64, eV, ascending in each row
    """
    from crystalgui.core.physics.bloch import energies
    from crystalgui.core.structures.hoppings.reader import read_hoppings

    k = read_kpoints(kpoints_path)
    return k, np.asarray(energies(read_hoppings(path), k))


def energies_csv(k: Floats, energies: Floats) -> str:
    """The table as CSV text: ``k1,k2,k3`` reduced, then one column a band in eV."""
    head = ["k1", "k2", "k3", *(f"band_{i + 1}_eV" for i in range(energies.shape[1]))]
    lines = [",".join(head)]
    for point, levels in zip(k, energies, strict=True):
        lines.append(",".join([*(f"{x:.10g}" for x in point), *(f"{e:.12f}" for e in levels)]))
    return "\n".join(lines) + "\n"


def write_energies_csv(path: Path, k: Floats, energies: Floats) -> None:
    """Write `energies_csv` to a file."""
    try:
        Path(path).write_text(energies_csv(k, energies), encoding="utf-8")
    except OSError as error:
        raise FileError(
            f"The table cannot be written: {error.strerror}.", "Choose another folder.", path=path
        ) from None
