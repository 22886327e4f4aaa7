"""What is in a hopping file, as plain values for JSON and for the inspector."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from crystalgui.core.structures.hoppings.model import Hoppings, SpinOrder
from crystalgui.core.structures.hoppings.reader import read_hoppings
from crystalgui.core.structures.hoppings.spin import time_reversal_residual

Plain = dict[str, object]


def hoppings_info(h: Hoppings) -> Plain:
    """Sizes, residuals, spin order and everything that was assumed.

    Residuals are in eV: ``hermiticity`` as read, ``time_reversal`` for the
    spin order that was found, ``time_reversal_by_order`` for every order that
    is possible.  Undefined numbers are None.
    """
    orders: list[SpinOrder] = ["spinless"]
    if h.n_orbitals % 2 == 0:
        orders += ["blocks", "interleaved"]
    said = h.assumptions
    lattice: Plain | None = None
    if h.lattice is not None:
        lengths = np.linalg.norm(h.lattice, axis=1)
        lattice = {
            "vectors": h.lattice.tolist(),
            "a": float(lengths[0]),
            "b": float(lengths[1]),
            "c": float(lengths[2]),
            "volume": abs(float(np.linalg.det(h.lattice))),
            "unit": "Angstrom",
        }
    return {
        "kind": "hoppings",
        "title": h.title,
        "orbitals": h.n_orbitals,
        "cells": h.n_cells,
        "largest_hopping": float(np.abs(h.matrices).max(initial=0.0)),
        "hermiticity_residual": said.hermiticity_residual,
        "time_reversal_residual": _plain(said.time_reversal_residual),
        "time_reversal_by_order": {
            order: _plain(time_reversal_residual(h.matrices, order)) for order in orders
        },
        "spin_order": said.spin_order,
        "lattice": lattice,
        "lattice_from": said.lattice_from or None,
        "wigner_seitz": said.wigner_seitz,
        "ws_distance_missing": said.ws_distance_missing,
        "degeneracies": said.degeneracies,
        "positions_from": said.positions_from or None,
        "position_residual": said.position_residual if h.positions is not None else None,
        "rounding": said.rounding,
        "sha256": said.sha256 or None,
        "atoms": None if h.species is None else len(h.species),
        "centres": h.centres is not None,
        "occupied": h.occupied,
        "files": list(said.files),
        "assumptions": said.sentence(),
        "unit": "eV",
    }


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def hoppings_info_of(path: Path, companions: Iterable[Path] = ()) -> Plain:
    """`hoppings_info` of a file."""
    return hoppings_info(read_hoppings(path, companions))
