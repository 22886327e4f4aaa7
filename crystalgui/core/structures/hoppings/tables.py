"""The three tables of a Wannier Hamiltonian: ``_hr.dat``, ``_tb.dat``, ``_wsvec.dat``.

Formats as in the wannier90 3.1 user guide (sections "seedname_hr.dat",
"seedname_tb.dat", "seedname_wsvec.dat"): the first Wannier index runs fastest
in the Hamiltonian tables, the second one in the list of Wigner-Seitz vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.errors import FileError
from crystalgui.core.structures.hoppings.text import Source

LARGEST_ORBITALS = 4000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Table:
    """A Hamiltonian as its file says it, degeneracies not yet divided out.

    ``cells`` (m, 3) int64; ``degeneracies`` (m,) float64; ``matrices``
    (m, n, n) complex128 in eV; ``lattice`` (3, 3) Angstrom, ``centres``
    (n, 3) and ``positions`` (m, n, n, 3) complex128 Cartesian Angstrom only
    from ``_tb.dat``; ``head`` header lines of an ``_hr.dat``.
    """

    title: str
    cells: NDArray[np.int64]
    degeneracies: NDArray[np.float64]
    matrices: NDArray[np.complex128]
    lattice: NDArray[np.float64] | None = None
    centres: NDArray[np.float64] | None = None
    positions: NDArray[np.complex128] | None = None
    head: int = 0


def read_hr(path: Path) -> Table:
    """Read ``seedname_hr.dat``, plain or gzip."""
    with Source(path) as source:
        title = source.readline("the comment").strip()
        n, m = _sizes(source)
        degeneracies = source.degeneracies(m)
        head = source.line
        rows = source.table(7, m * n * n)
    if len(rows) < m * n * n:
        raise FileError(
            f"The file is truncated: {m} cells of {n}x{n} need {m * n * n} rows, "
            f"it has {len(rows)}.",
            "Copy it again or repeat the calculation.",
            path=path,
            line=line_of_row(path, head, len(rows) - 1),
        )
    if len(rows) > m * n * n:
        raise FileError(
            f"The file goes on after the {m * n * n} rows that its header announces.",
            f"Check the number of orbitals ({n}) and of cells ({m}) in lines 2 and 3.",
            path=path,
            line=line_of_row(path, head, m * n * n),
        )
    cells = _check_indices(path, head, rows, n, m)
    values = (rows[:, 5] + 1j * rows[:, 6]).reshape(m, n, n)
    return Table(
        title=title,
        cells=cells,
        degeneracies=degeneracies,
        matrices=np.ascontiguousarray(values.transpose(0, 2, 1)),
        head=head,
    )


def _sizes(source: Source) -> tuple[int, int]:
    n = source.one("the number of orbitals")
    if n > LARGEST_ORBITALS:
        raise source.error(
            f"{n} orbitals are more than this program takes ({LARGEST_ORBITALS}).",
            "Is this a Wannier Hamiltonian?",
        )
    return n, source.one("the number of cells")


def line_of_row(path: Path, head: int, row: int) -> int:
    """Line number of a table row, blank lines counted."""
    with Source(path) as source:
        for _ in range(head):
            source.readline("the header")
        seen = -1
        while seen < max(row, 0):
            try:
                seen += bool(source.readline("rows").strip())
            except FileError:
                break
        return source.line


def _check_indices(
    path: Path, head: int, rows: NDArray[np.float64], n: int, m: int
) -> NDArray[np.int64]:
    """The cells, after checking that every row names the element expected there."""
    labels = rows[:, :5].reshape(m, n * n, 5)
    right, left = np.divmod(np.arange(n * n), n)
    wrong = (labels[:, :, 3] != left + 1) | (labels[:, :, 4] != right + 1)
    wrong |= (labels[:, :, :3] != labels[:, :1, :3]).any(axis=-1)
    if wrong.any():
        block, element = divmod(int(np.argmax(wrong)), n * n)
        found = labels[block, element].astype(int).tolist()
        expected = [
            *labels[block, 0, :3].astype(int).tolist(),
            int(left[element]) + 1,
            int(right[element]) + 1,
        ]
        raise FileError(
            f"Inconsistent row: expected cell and orbitals {expected}, found {found}.",
            "Rows must run over the first orbital, then the second, then the cell; "
            "write the file again.",
            path=path,
            line=line_of_row(path, head, block * n * n + element),
        )
    cells = labels[:, 0, :3]
    return _unique(path, cells, head, n * n)


def _unique(path: Path, cells: NDArray[np.float64], head: int, step: int) -> NDArray[np.int64]:
    whole = cells.astype(np.int64)
    if (whole != cells).any() or (np.abs(cells) > 9999).any():
        raise FileError(
            "A cell index is not a whole number below 10,000.", "The file is damaged.", path=path
        )
    _, first = np.unique(whole, axis=0, return_index=True)
    if len(first) < len(whole):
        again = int(np.setdiff1d(np.arange(len(whole)), first)[0])
        raise FileError(
            f"Cell {whole[again].tolist()} appears twice.",
            "Every lattice vector may occur once; write the file again.",
            path=path,
            line=line_of_row(path, head, again * step) if step else None,
        )
    return np.asarray(whole)


def read_tb(path: Path) -> Table:
    """Read ``seedname_tb.dat``: lattice, Hamiltonian and position matrix."""
    with Source(path) as source:
        title = source.readline("the comment").strip()
        lattice = np.array([_vector(source) for _ in range(3)])
        n, m = _sizes(source)
        degeneracies = source.degeneracies(m)
        head = source.line
        flat = source.flat()
    size, tail = 3 + 4 * n * n, 3 + 8 * n * n
    if len(flat) not in (m * size, m * (size + tail)):
        raise _tb_fault(path, head, n, m, len(flat) < m * size)
    blocks = flat[: m * size].reshape(m, size)
    elements = blocks[:, 3:].reshape(m, n * n, 4)
    right, left = np.divmod(np.arange(n * n), n)
    if (elements[:, :, 0] != left + 1).any() or (elements[:, :, 1] != right + 1).any():
        raise _tb_fault(path, head, n, m, False)
    cells = _unique(path, blocks[:, :3], head, 0)
    values = (elements[:, :, 2] + 1j * elements[:, :, 3]).reshape(m, n, n)
    centres = positions = None
    if len(flat) > m * size:
        table = flat[m * size :].reshape(m, tail)
        rows = table[:, 3:].reshape(m, n * n, 8)
        if (rows[:, :, 0] != left + 1).any() or (rows[:, :, 1] != right + 1).any():
            raise _tb_fault(path, head, n, m, False)
        if (table[:, :3] != blocks[:, :3]).any():
            raise FileError(
                "The position matrix lists other cells than the Hamiltonian.",
                "Both tables must have the same lattice vectors in the same order; "
                "write the file again.",
                path=path,
            )
        positions = np.ascontiguousarray(
            (rows[:, :, 2::2] + 1j * rows[:, :, 3::2]).reshape(m, n, n, 3).swapaxes(1, 2)
        )
        home = np.flatnonzero((cells == 0).all(axis=1))
        if len(home):
            centres = positions[home[0], np.arange(n), np.arange(n)].real.copy()
    return Table(
        title=title,
        cells=cells,
        degeneracies=degeneracies,
        matrices=np.ascontiguousarray(values.transpose(0, 2, 1)),
        lattice=lattice,
        centres=centres,
        positions=positions,
    )


def _vector(source: Source) -> list[float]:
    text = source.readline("a lattice vector")
    try:
        values = [float(token) for token in text.split()]
    except ValueError:
        values = []
    if len(values) != 3 or not np.isfinite(values).all():
        raise source.error(
            f"Expected a lattice vector (three numbers), found {text.strip()[:60]!r}.",
            "Lines 2 to 4 of a _tb.dat file hold the lattice in Angstrom.",
        )
    return values


def _tb_fault(path: Path, head: int, n: int, m: int, short: bool) -> FileError:
    """Walk through a `_tb.dat` that does not fit and point at the first wrong line."""
    with Source(path) as source:
        for _ in range(head):
            source.readline("the header")
        for columns in (4, 8):
            for _ in range(m):
                for element in range(-1, n * n):
                    text = ""
                    while not text.strip():
                        try:
                            text = source.readline("rows")
                        except FileError:
                            return FileError(
                                f"The file is truncated: it ends inside the tables of {m} cells "
                                f"with {n}x{n} elements.",
                                "Copy it again or repeat the calculation.",
                                path=path,
                                line=source.line,
                            )
                    tokens = text.split()
                    pair = [str(element % n + 1), str(element // n + 1)]
                    fits = len(tokens) == 3 if element < 0 else len(tokens) == columns
                    if not fits or (element >= 0 and tokens[:2] != pair):
                        wanted = "a cell" if element < 0 else f"orbitals {' '.join(pair)}"
                        return source.error(
                            f"Inconsistent row: expected {wanted}, found {text.strip()[:60]!r}.",
                            "Check the number of orbitals and cells in the header.",
                        )
    return FileError(
        "The file goes on after the tables that its header announces.",
        "Check the number of orbitals and cells in the header.",
        path=path,
    )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class WignerSeitz:
    """Shifts T of every matrix element: H_ij(R) is spread evenly over R + T.

    Rows belong to one shift each: ``cells`` R (s, 3), ``left`` and ``right``
    orbitals (s,), ``shifts`` T (s, 3), ``counts`` (s,) = number of shifts of
    that element.
    """

    cells: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    shifts: NDArray[np.int64]
    counts: NDArray[np.int64]


def read_wsvec(path: Path) -> WignerSeitz:
    """Read ``seedname_wsvec.dat``."""
    with Source(path) as source:
        source.readline("the comment")
        flat = source.flat()
    numbers = flat.astype(np.int64)
    if (numbers != flat).any():
        raise FileError(
            "The list of Wigner-Seitz vectors holds numbers that are not whole.",
            "Write the _wsvec.dat file again.",
            path=path,
        )
    tokens = numbers.tolist()
    heads: list[int] = []
    at, end = 0, len(tokens)
    while at < end:
        if at + 6 > end or tokens[at + 5] < 1 or at + 6 + 3 * tokens[at + 5] > end:
            raise FileError(
                f"The list of Wigner-Seitz vectors breaks off after {len(heads)} elements.",
                "Copy the _wsvec.dat file again or repeat the calculation.",
                path=path,
            )
        heads.append(at)
        at += 6 + 3 * tokens[at + 5]
    start = np.array(heads, dtype=np.int64)
    counts = numbers[start + 5]
    owner = np.repeat(np.arange(len(start)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    place = start[owner] + 6 + 3 * within
    return WignerSeitz(
        cells=numbers[start[:, None] + np.arange(3)][owner],
        left=numbers[start + 3][owner] - 1,
        right=numbers[start + 4][owner] - 1,
        shifts=numbers[place[:, None] + np.arange(3)],
        counts=counts[owner],
    )
