"""Bands along a path, as the window, the report and the command line need them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.physics.bloch import energies
from crystalgui.core.physics.brillouin import KPath, k_path
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Bands:
    """Energies along a path.

    ``energies`` (m, n) float64, eV, ascending, one row for each of
    ``path.k``; ``note`` says what was assumed about files and path.
    """

    path: KPath
    energies: Floats
    note: str = ""

    def window(self, occupied: int, margin: float = 3.0) -> tuple[float, float]:
        """An energy range in eV around the gap that shows whole bands."""
        n = self.energies.shape[1]
        occupied = min(max(occupied, 1), n)
        top = self.energies[:, occupied - 1].max()
        bottom = self.energies[:, min(occupied, n - 1)].min()
        low, high = min(top, bottom) - margin, max(top, bottom) + margin
        return float(max(low, self.energies.min())), float(min(high, self.energies.max()))


def bands(h: Hoppings, path: KPath | None = None, *, density: float = 60.0) -> Bands:
    """Bands along ``path``, by default the standard path of the Hamiltonian."""
    path = path or k_path(h, density)
    note = " · ".join(part for part in (h.assumptions.sentence(), path.note) if part)
    return Bands(path=path, energies=np.asarray(energies(h, path.k)), note=note)
