"""Write Hamiltonians in wannier90's own formats.

Degeneracies are written as 1, because the value type has them divided out.
Energies carry 12 decimals (free format; wannier90 itself writes 6), so that a
file read back gives the same bands to 1e-11 eV.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np

from crystalgui.core.errors import FileError
from crystalgui.core.structures.hoppings.model import Hoppings


def _save(path: Path, text: str) -> None:
    data = text.encode("utf-8")
    if path.name.endswith(".gz"):
        buffer = io.BytesIO()
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as packed:
            packed.write(data)
        data = buffer.getvalue()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _comment(h: Hoppings) -> str:
    title = " ".join(h.title.split()) or "written by crystalgui"
    if h.occupied is not None and "occupied" not in title:
        title += f", occupied = {h.occupied}"
    return title


def _degeneracies(m: int) -> list[str]:
    return ["".join(["    1"] * min(15, m - start)) for start in range(0, m, 15)]


def _indices(n: int) -> tuple[np.ndarray, np.ndarray]:
    right, left = np.divmod(np.arange(n * n), n)
    return left, right


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
    """Write ``_tb.dat``: lattice, Hamiltonian, and centres as the diagonal of r(0).

    Off-diagonal position elements are unknown here and written as zero.
    """
    if h.lattice is None:
        raise FileError(
            "These hoppings have no lattice, which a _tb.dat file needs.",
            "Write a _hr.dat file instead, or add a POSCAR.",
            path=path,
        )
    n, m = h.n_orbitals, h.n_cells
    left, right = _indices(n)
    lines = [_comment(h)]
    lines += ["".join(f"{x:24.16f}" for x in row) for row in h.lattice]
    lines += [f"{n:12d}", f"{m:12d}", *_degeneracies(m)]
    for cell, matrix in zip(h.cells, h.matrices, strict=True):
        lines += ["", "".join(f"{int(c):5d}" for c in cell)]
        lines += [
            f"{i + 1:5d}{j + 1:5d} {v.real:21.14E} {v.imag:21.14E}"
            for i, j, v in zip(left, right, matrix[left, right], strict=True)
        ]
    cart = np.zeros((n, 3)) if h.centres is None else h.centres @ h.lattice
    zero = "".join([f"{0.0:16.8E}"] * 6)
    for cell in h.cells:
        lines += ["", "".join(f"{int(c):5d}" for c in cell)]
        home = not cell.any()
        for i, j in zip(left, right, strict=True):
            row = zero
            if home and i == j:
                row = "".join(f" {x:21.14E}{0.0:16.8E}" for x in cart[i])
            lines.append(f"{i + 1:5d}{j + 1:5d}{row}")
    _save(Path(path), "\n".join(lines) + "\n")
