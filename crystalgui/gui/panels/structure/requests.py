"""What the page asks the lane, and what a selection measures.

Plain functions: they run in the lane's threads and know no widget.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import SYMBOLS
from crystalgui.core.structures.measure import measure

if TYPE_CHECKING:
    from crystalgui.scene.geometry import Geometry

VIEW_MODULE = "crystalgui.gui.views.crystal_view"


def load_view() -> str:
    """Import VTK and the view; called in the lane."""
    import_module(VIEW_MODULE)
    return VIEW_MODULE


def draw(
    crystal: Crystal, repeats: tuple[int, int, int], options: dict[str, bool], most: int | None
) -> Geometry:
    """Atoms, bonds and polyhedra to draw; called in the lane."""
    from crystalgui.scene.geometry import MOST_BONDED, geometry

    return geometry(crystal, repeats, most_bonded=MOST_BONDED if most is None else most, **options)


def other_cell(crystal: Crystal, kind: str, tolerance: float) -> Crystal:
    """The conventional or primitive cell; called in the lane."""
    from crystalgui.core.structures.symmetry import primitive, standardise

    return (standardise if kind == "conventional" else primitive)(crystal, tolerance)


def save_png(image: NDArray[np.uint8], path: Path) -> Path:
    """Write a picture; called in the lane, because packing it takes a while."""
    from crystalgui.scene.picture import write_png

    write_png(image, path)
    return path


def measured(geometry: Geometry, picked: tuple[int, ...]) -> str:
    """What two, three or four drawn atoms measure, in words; empty for one or none.

    The nearest image is given where it differs from what is drawn.
    """
    if len(picked) < 2:
        return ""
    if len(picked) > 4:
        return f"{len(picked)} atoms selected"
    rows = list(picked)
    names = "–".join(f"{SYMBOLS[geometry.species[n]]}{geometry.atom[n] + 1}" for n in rows)
    found = measure(geometry.crystal, geometry.atom[rows].tolist(), geometry.image[rows])
    assert found is not None
    digits = 4 if found.kind == "distance" else 2

    def show(value: float) -> str:
        unit = found.unit if found.unit == "°" else f" {found.unit}"
        return f"{value:.{digits}f}{unit}" if np.isfinite(value) else "undefined"

    text = f"{found.kind} {names}  {show(found.direct)}"
    if not np.isclose(found.direct, found.minimum, atol=1e-6, equal_nan=True):
        text += f"   nearest image {show(found.minimum)}"
    return text
