"""Write Hamiltonians: wannier90's own formats, and the compact one by its name.

Degeneracies are written as 1, because the value type has them divided out.
Energies carry 12 decimals (free format; wannier90 itself writes 6), so that a
file read back gives the same bands to 1e-11 eV.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.atomic import replacing
from crystalgui.core.errors import FileError
from crystalgui.core.structures.hoppings.compact import SUFFIX, write_compact
from crystalgui.core.structures.hoppings.model import Hoppings


def _save(path: Path, text: str) -> None:
    data = text.encode("utf-8")
    if path.name.endswith(".gz"):
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as packed:
            packed.write(data)
        data = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(data)


def _comment(h: Hoppings) -> str:
    title = " ".join(h.title.split()) or "written by crystalgui"
    if h.occupied is not None and "occupied" not in title:
        title += f", occupied = {h.occupied}"
    return title


def _degeneracies(m: int) -> list[str]:
    return ["".join(["    1"] * min(15, m - start)) for start in range(0, m, 15)]


def _indices(n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    right, left = np.divmod(np.arange(n * n), n)
    return left, right


def write_hoppings(h: Hoppings, path: Path) -> None:
    """Write the format that the name asks for.

    ``.hoppings.safetensors`` (compact), ``_tb.dat`` or ``_hr.dat``, the last
    two also with ``.gz``.
    """
    name = Path(path).name.lower()
    plain = name.removesuffix(".gz")
    if name.endswith(SUFFIX):
        write_compact(h, path)
    elif plain.endswith("tb.dat"):
        write_tb(h, path)
    elif plain.endswith("hr.dat"):
        write_hr(h, path)
    else:
        raise FileError(
            "The name does not say which format of hoppings is wanted.",
            f"Let it end in _hr.dat, _tb.dat (or .gz of these) or {SUFFIX}.",
            path=path,
        )


def write_hr(h: Hoppings, path: Path, *, decimals: int = 12) -> None:
    """Write ``_hr.dat`` (gzip when the name ends in ``.gz``).

    ``decimals=6`` gives exactly wannier90's columns.
    """
    n, m = h.n_orbitals, h.n_cells
    left, right = _indices(n)
    width = decimals + 5
    lines = [_comment(h), f"{n:12d}", f"{m:12d}", *_degeneracies(m)]
    for cell, matrix in zip(h.cells, h.matrices, strict=True):
        head = "".join(f"{int(c):5d}" for c in cell)
        values = matrix[left, right]
        lines += [
            f"{head}{i + 1:5d}{j + 1:5d} {v.real:{width}.{decimals}f} {v.imag:{width}.{decimals}f}"
            for i, j, v in zip(left, right, values, strict=True)
        ]
    _save(Path(path), "\n".join(lines) + "\n")


def write_tb(h: Hoppings, path: Path) -> None:
    """Write ``_tb.dat``: lattice, Hamiltonian and position matrix.

    Without a position matrix, the centres are written as the diagonal of r(0)
    and everything else, which is unknown, as zero.
    """
    if h.lattice is None:
        raise FileError(
            "These hoppings have no lattice, which a _tb.dat file needs.",
            "Write a _hr.dat file instead, or add a POSCAR.",
            path=path,
        )
    cells, matrices, positions = _common_cells(h)
    n, m = h.n_orbitals, len(cells)
    left, right = _indices(n)
    lines = [_comment(h)]
    lines += ["".join(f"{x:24.16f}" for x in row) for row in h.lattice]
    lines += [f"{n:12d}", f"{m:12d}", *_degeneracies(m)]
    for cell, matrix in zip(cells, matrices, strict=True):
        lines += ["", "".join(f"{int(c):5d}" for c in cell)]
        lines += [
            f"{i + 1:5d}{j + 1:5d} {v.real:21.14E} {v.imag:21.14E}"
            for i, j, v in zip(left, right, matrix[left, right], strict=True)
        ]
    for cell, elements in zip(cells, positions, strict=True):
        lines += ["", "".join(f"{int(c):5d}" for c in cell)]
        lines += [
            f"{i + 1:5d}{j + 1:5d}" + _vector(row.tolist(), known=i == j and not cell.any())
            for i, j, row in zip(left, right, elements[left, right], strict=True)
        ]
    _save(Path(path), "\n".join(lines) + "\n")


def _vector(values: list[complex], *, known: bool) -> str:
    """Three complex numbers; a zero that is not ``known`` to be a number is written short."""
    if not known and not any(values):
        return f"{0.0:16.8E}" * 6
    return "".join(
        f" {v.real:21.14E}" + (f" {v.imag:21.14E}" if v.imag else f"{0.0:16.8E}") for v in values
    )


def _common_cells(
    h: Hoppings,
) -> tuple[NDArray[np.int64], NDArray[np.complex128], NDArray[np.complex128]]:
    """Cells (m, 3), H (m, n, n) and r (m, n, n, 3) over the cells of both; zero where one ends."""
    n = h.n_orbitals
    place = {tuple(cell): i for i, cell in enumerate(h.cells.tolist())}
    others = [] if h.positions is None else h.positions.cells.tolist()
    for cell in others:
        place.setdefault(tuple(cell), len(place))
    cells = np.array(list(place), dtype=np.int64).reshape(-1, 3)
    matrices = np.zeros((len(cells), n, n), dtype=np.complex128)
    matrices[: h.n_cells] = h.matrices
    positions = np.zeros((len(cells), n, n, 3), dtype=np.complex128)
    if h.positions is not None:
        positions[[place[tuple(cell)] for cell in others]] = h.positions.elements
    elif h.centres is not None and h.lattice is not None and (0, 0, 0) in place:
        positions[place[0, 0, 0], np.arange(n), np.arange(n)] = h.centres @ h.lattice
    return cells, matrices, positions
