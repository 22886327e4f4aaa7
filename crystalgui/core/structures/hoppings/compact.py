"""The project's own file for hoppings: ``NAME.hoppings.safetensors``.

Half of the matrices (the other half is their adjoint) and everything else a
`Hoppings` holds, in one safetensors file: nothing in it can be executed, it
is read in milliseconds, and it carries its assumptions with it, so that no
companion is looked for again.  The header is JSON; the metadata key
``hoppings`` holds the version, title, occupation and assumptions.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.atomic import replacing
from crystalgui.core.errors import FileError
from crystalgui.core.structures.hoppings.model import Assumptions, Hoppings, Positions

SUFFIX = ".hoppings.safetensors"
VERSION = 1
HERMITICITY_LIMIT = 1e-3
LARGEST = 1 << 31
_KEY = "hoppings"

Ints = NDArray[np.int64]
Complexes = NDArray[np.complex128]


def is_compact(path: Path) -> bool:
    """Whether a file is in this format, by its name or by its header."""
    path = Path(path)
    if path.name.lower().endswith(SUFFIX):
        return True
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError:
        return False
    return head[8:].lstrip()[:15] == b'{"__metadata__"' and path.suffix == ".safetensors"


# ------------------------------------------------------------------ writing


def write_compact(
    h: Hoppings, path: Path, *, precision: Literal["double", "single"] = "double"
) -> None:
    """Write every value of ``h``.

    Parameters
    ----------
    h : Hoppings
    path : Path
        Should end in ``.hoppings.safetensors``, by which it is recognised.
    precision : {"double", "single"}
        ``single`` takes half the space; the largest rounding in eV becomes
        part of the assumptions of what is read back.
    """
    from safetensors.numpy import save

    path = Path(path)
    real = np.float64 if precision == "double" else np.float32
    stored, matrices = _half(h.cells, h.matrices)
    tensors: dict[str, NDArray[Any]] = {
        "cells": h.cells.astype(np.int32),
        "stored": stored.astype(np.int32),
        "matrices": _parts(matrices, real),
    }
    if h.positions is not None:
        stored, elements = _half(h.positions.cells, h.positions.elements)
        tensors["position_cells"] = h.positions.cells.astype(np.int32)
        tensors["position_stored"] = stored.astype(np.int32)
        tensors["positions"] = _parts(elements, real)
    for name in ("lattice", "centres", "frac", "species"):
        value = getattr(h, name)
        if value is not None:
            tensors[name] = np.ascontiguousarray(value)
    said = h.assumptions
    if precision == "single":
        rounded = float(np.abs(_whole(tensors["matrices"]) - matrices).max(initial=0.0))
        said = replace(said, rounding=max(rounded, said.rounding))
    if not said.sha256:
        said = replace(said, sha256=_sha256(h.source))
    header = {
        "version": VERSION,
        "title": h.title,
        "occupied": h.occupied,
        "assumptions": _plain(said),
        "unit": "eV, Angstrom",
    }
    data = save(tensors, metadata={_KEY: json.dumps(header, ensure_ascii=False)})
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(data)


def _half(cells: Ints, matrices: NDArray[Any]) -> tuple[Ints, NDArray[Any]]:
    """Numbers and matrices that are enough; all of them where the adjoint is not exact."""
    opposite = _opposite(cells)
    if (opposite >= 0).all():
        image = matrices[opposite].conj().swapaxes(1, 2)
        if np.array_equal(image, matrices):
            first = np.flatnonzero(opposite >= np.arange(len(cells)))
            return first, matrices[first]
    return np.arange(len(cells)), matrices


def _opposite(cells: Ints) -> Ints:
    """Number of the cell -A for every A, -1 where there is none."""
    place = {tuple(cell): i for i, cell in enumerate(cells.tolist())}
    return np.array([place.get((-a, -b, -c), -1) for a, b, c in cells.tolist()], dtype=np.int64)


def _parts(values: NDArray[Any], real: type[np.floating[Any]]) -> NDArray[Any]:
    """Complex (...) as real (..., 2)."""
    return np.ascontiguousarray(np.stack([values.real, values.imag], axis=-1).astype(real))


def _whole(parts: NDArray[Any]) -> Complexes:
    parts = parts.astype(np.float64)
    return np.asarray(parts[..., 0] + 1j * parts[..., 1])


def _sha256(source: Path | None) -> str:
    """Of the source file, empty when it is not there any more."""
    if source is None:
        return ""
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _plain(said: Assumptions) -> dict[str, Any]:
    plain = asdict(said)
    for name, value in plain.items():
        if isinstance(value, float) and not np.isfinite(value):
            plain[name] = None
    return plain


# ------------------------------------------------------------------ reading


def read_compact(path: Path) -> Hoppings:
    """Read a file written by `write_compact`.

    Raises
    ------
    FileError
        Not this format, truncated, of a newer version, wrong shapes, numbers
        that are not finite, or not Hermitian.
    """
    path = Path(path)
    header, tensors = _load(path)
    said = _assumptions(path, header.get("assumptions"))
    cells = _tensor(path, tensors, "cells", (-1, 3)).astype(np.int64)
    m = len(cells)
    if m == 0 or len(np.unique(cells, axis=0)) != m:
        raise _damaged(path, "its lattice vectors are missing or not unique")
    n = tensors["matrices"].shape[1] if tensors.get("matrices", np.empty(0)).ndim == 4 else 0
    matrices = _complete(path, tensors, cells, "stored", "matrices", (n, n, 2))
    positions = None
    if "positions" in tensors:
        far = _tensor(path, tensors, "position_cells", (-1, 3)).astype(np.int64)
        elements = _complete(path, tensors, far, "position_stored", "positions", (n, n, 3, 2))
        positions = Positions(cells=far, elements=elements)
    occupied = header.get("occupied")
    atoms = {name: tensors.get(name) for name in ("frac", "species")}
    if (atoms["frac"] is None) != (atoms["species"] is None):
        raise _damaged(path, "it has positions or kinds of atoms, but not both")
    if atoms["species"] is not None:
        count = len(atoms["species"])
        _tensor(path, tensors, "species", (count,))
        _tensor(path, tensors, "frac", (count, 3))
    return Hoppings(
        cells=cells,
        matrices=matrices,
        lattice=_optional(path, tensors, "lattice", (3, 3)),
        centres=_optional(path, tensors, "centres", (n, 3)),
        species=None if atoms["species"] is None else atoms["species"].astype(np.int64),
        frac=_optional(path, tensors, "frac", (-1, 3)),
        occupied=occupied if isinstance(occupied, int) and 0 < occupied <= n else None,
        positions=positions,
        title=str(header.get("title", "")),
        source=path,
        assumptions=said,
    )


def _load(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and arrays; every failure of disk and format is a `FileError`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        if path.is_dir():
            raise FileError("This is a folder, not a file.", "Give the file in it.", path=path)
        if path.exists() and not path.is_file():
            raise FileError("This is not an ordinary file.", "Choose a file.", path=path)
        if path.stat().st_size > LARGEST:
            raise FileError("The file is larger than 2 GB.", "Use a smaller model.", path=path)
        data = path.read_bytes()
    except FileNotFoundError:
        raise FileError("There is no such file.", "Check the name.", path=path) from None
    except PermissionError:
        raise FileError(
            "No permission to read the file.", "Change its permissions.", path=path
        ) from None
    except OSError as error:
        raise FileError(f"The file cannot be read: {error.strerror}.", path=path) from None
    if not data:
        raise FileError("The file is empty.", "Write it again or choose another file.", path=path)
    try:
        (size,) = struct.unpack("<Q", data[:8])
        meta = json.loads(data[8 : 8 + size])["__metadata__"]
        header = json.loads(meta[_KEY])
        tensors = load(data)
    except (
        struct.error,
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
        SafetensorError,
    ) as error:
        raise _damaged(
            path,
            "it is truncated, damaged, or a safetensors file of another kind",
            details=f"{type(error).__name__}: {error}",
        ) from None
    if not isinstance(header, dict) or not isinstance(header.get("version"), int):
        raise _damaged(path, "its header has no version")
    if header["version"] > VERSION:
        raise FileError(
            f"The hoppings were written by a newer program (format {header['version']}).",
            "Update this program, or write them as _tb.dat there.",
            path=path,
        )
    return header, tensors


def _damaged(path: Path, why: str, details: str = "") -> FileError:
    return FileError(
        f"This is not a readable file of hoppings: {why}.",
        "Copy it again, or write it again from the wannier90 files.",
        details,
        path=path,
    )


def _tensor(
    path: Path, tensors: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...]
) -> NDArray[Any]:
    """An array of the wanted shape (-1: any) with finite numbers."""
    if name not in tensors:
        raise _damaged(path, f"the array {name!r} is missing")
    array = tensors[name]
    fits = array.ndim == len(shape) and all(
        want in (-1, have) for want, have in zip(shape, array.shape, strict=True)
    )
    whole = name in ("cells", "stored", "position_cells", "position_stored", "species")
    if not fits or array.dtype.kind != ("i" if whole else "f"):
        raise _damaged(path, f"the array {name!r} has the shape {array.shape} of {array.dtype}")
    if not np.isfinite(array).all():
        raise _damaged(path, f"a number in {name!r} is not finite")
    return array


def _optional(
    path: Path, tensors: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...]
) -> NDArray[np.float64] | None:
    if name not in tensors:
        return None
    return np.asarray(_tensor(path, tensors, name, shape), dtype=np.float64)


def _complete(
    path: Path,
    tensors: dict[str, NDArray[Any]],
    cells: Ints,
    index: str,
    name: str,
    shape: tuple[int, ...],
) -> Complexes:
    """All matrices (m, n, n, ...) from the stored half, checked to be Hermitian."""
    stored = _tensor(path, tensors, index, (-1,)).astype(np.int64)
    half = _whole(_tensor(path, tensors, name, (len(stored), *shape)))
    opposite = _opposite(cells)
    known = np.zeros(len(cells), dtype=bool)
    fits = shape[0] > 0 and len(stored) > 0 and stored.min() >= 0 and stored.max() < len(cells)
    if fits:
        known[stored] = True
        known[opposite[stored]] = True
    if not fits or (opposite < 0).any() or not known.all():
        raise _damaged(path, f"{name} of some lattice vectors are missing")
    result = np.empty((len(cells), *half.shape[1:]), dtype=np.complex128)
    result[opposite[stored]] = half.conj().swapaxes(1, 2)
    result[stored] = half
    apart = float(np.abs(result - result[opposite].conj().swapaxes(1, 2)).max(initial=0.0))
    if apart > HERMITICITY_LIMIT:
        raise _damaged(path, f"{name} and their adjoints differ by {apart:.3g}")
    return result


def _assumptions(path: Path, said: object) -> Assumptions:
    """`Assumptions` from JSON: unknown keys are ignored, wrong types refused."""
    if not isinstance(said, dict):
        raise _damaged(path, "its assumptions are missing")
    default = Assumptions()
    found: dict[str, Any] = {}
    for field in fields(Assumptions):
        if field.name not in said:
            continue
        value, usual = said[field.name], getattr(default, field.name)
        if isinstance(usual, float) and value is None:
            value = float("nan")
        if isinstance(usual, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if isinstance(usual, tuple) and isinstance(value, list):
            value = tuple(str(item) for item in value)
        if type(value) is not type(usual):
            raise _damaged(path, f"its assumption {field.name!r} is no {type(usual).__name__}")
        found[field.name] = value
    result = Assumptions(**found)
    if result.spin_order not in ("spinless", "blocks", "interleaved", "unknown"):
        raise _damaged(path, f"it names an unknown order of spins ({result.spin_order!r})")
    if result.wigner_seitz not in ("wsvec", "ndegen", "none"):
        raise _damaged(path, f"it names an unknown sum over R ({result.wigner_seitz!r})")
    return result
