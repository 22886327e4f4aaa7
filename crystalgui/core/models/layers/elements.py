"""Encodings of chemical elements: the left-step periodic table and properties.

Nop et al. (2025), Fig. 3: an element is the row and the column of the
left-step (Janet) periodic table, where the row is n + l and the column counts
through the f, d, p and s blocks; the column is split into its parity (spin)
and its half.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from crystalgui.core.structures.elements import (
    COVALENT_RADIUS,
    ELECTRONEGATIVITY,
    GROUP,
    LEFT_STEP,
    LEFT_STEP_COLUMNS,
    LEFT_STEP_ROWS,
    METAL,
    PERIOD,
    VALENCE,
)

N_ELEMENTS = 100
ROWS, HALVES = LEFT_STEP_ROWS, LEFT_STEP_COLUMNS // 2


def left_step() -> np.ndarray:
    """(100, 2) int64: row 0-7 and column 0-31 of each atomic number (0 unused)."""
    return LEFT_STEP[:N_ELEMENTS].copy()


def element_features() -> Tensor:
    """(100, 30) float32: left-step one-hot (8 + 16 + 1) and five properties."""
    position = left_step()
    x = np.zeros((N_ELEMENTS, ROWS + HALVES + 1 + 5), np.float32)
    z = np.arange(1, N_ELEMENTS)
    x[z, position[z, 0]] = 1
    x[z, ROWS + position[z, 1] // 2] = 1
    x[z, ROWS + HALVES] = position[z, 1] % 2
    chi = np.nan_to_num(ELECTRONEGATIVITY[z], nan=2.0)
    properties = (chi - 1.8, COVALENT_RADIUS[z] - 1.4, VALENCE[z] / 8, METAL[z], PERIOD[z] / 7)
    x[z, ROWS + HALVES + 1 :] = np.stack(properties, 1)
    return torch.from_numpy(x)


def relatives() -> Tensor:
    """(100, 2) int64: the lighter and the heavier relative of each element.

    The next periods of the same group, and for f elements the second next
    element, so an electron count keeps its parity.  An element without a
    relative on one side has the other one twice, or itself.
    """
    table = np.repeat(np.arange(N_ELEMENTS)[:, None], 2, 1)
    for z in range(3, N_ELEMENTS):
        if 57 <= z <= 71:
            pair = [x for x in (z - 2, z + 2) if 57 <= x <= 71]
        elif 89 <= z <= 94:
            pair = [x for x in (z - 2, z + 2) if 89 <= x <= 94]
        else:
            pair = [x for x in range(2, 87) if GROUP[x] == GROUP[z] and not 57 <= x <= 71
                    and abs(PERIOD[x] - PERIOD[z]) == 1]  # fmt: skip
        if pair:
            table[z] = pair[0], pair[-1]
    return torch.from_numpy(table)


def valence() -> Tensor:
    """(100,) float32, valence electrons of the neutral atom."""
    return torch.from_numpy(VALENCE[:N_ELEMENTS].astype(np.float32))


def group() -> Tensor:
    """(100,) int64, 0-18."""
    return torch.from_numpy(GROUP[:N_ELEMENTS].copy())
