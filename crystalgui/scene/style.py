"""How a crystal is to be drawn: plain values, no VTK and no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.structures.elements import ATOMIC_RADIUS, COLOURS, VDW_RADIUS

Colour = tuple[float, float, float]
Kind = Literal["ball-and-stick", "space-filling", "sticks", "wireframe"]
Scheme = Literal["jmol", "vesta", "custom"]
Labels = Literal["none", "element", "index"]

KINDS: tuple[Kind, ...] = ("ball-and-stick", "space-filling", "sticks", "wireframe")
SCHEMES: tuple[Scheme, ...] = ("jmol", "vesta", "custom")
BALL = 0.38
"""Radius of a ball relative to the atomic radius."""
AXIS_COLOURS: tuple[Colour, Colour, Colour] = (
    (0.835, 0.369, 0.0),
    (0.0, 0.620, 0.451),
    (0.0, 0.447, 0.698),
)
"""Colours of a, b, c (and of their reciprocal axes): vermillion, green, blue."""


def rgb(text: str) -> Colour:
    """``"#2f6fde"`` as red, green, blue in [0, 1]."""
    r, g, b = bytes.fromhex(text.lstrip("#"))
    return r / 255, g / 255, b / 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """Colours of everything that is not an atom, red, green, blue in [0, 1]."""

    ground: Colour = (1.0, 1.0, 1.0)
    text: Colour = (0.11, 0.14, 0.19)
    line: Colour = (0.42, 0.46, 0.53)
    accent: Colour = (0.184, 0.435, 0.871)

    @property
    def dark(self) -> bool:
        """Whether the ground is darker than mid grey."""
        return sum(self.ground) < 1.5


LIGHT = Ink()
DARK = Ink(
    ground=(0.106, 0.122, 0.149),
    text=(0.902, 0.918, 0.941),
    line=(0.54, 0.58, 0.65),
    accent=(0.431, 0.639, 1.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrystalStyle:
    """Options of a `CrystalScene`.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    scheme : str
        Element colours, one of `SCHEMES`; ``custom`` starts from Jmol.
    colours : mapping of atomic number to colour
        The custom colours.
    radii : mapping of atomic number to Angstrom
        Ball radii that replace those of the table.
    scale : float
        Multiplies every ball radius.
    bond_radius : float
        Angstrom.
    hidden : frozenset of int
        Atomic numbers that are not drawn; their bonds vanish with them.
    """

    kind: Kind = "ball-and-stick"
    scheme: Scheme = "jmol"
    colours: Mapping[int, Colour] = field(default_factory=dict)
    radii: Mapping[int, float] = field(default_factory=dict)
    scale: float = 1.0
    bond_radius: float = 0.11
    bonds: bool = True
    polyhedra: bool = False
    cell: bool = True
    axes: bool = True
    legend: bool = False
    labels: Labels = "none"
    perspective: bool = False
    hidden: frozenset[int] = frozenset()
    ink: Ink = LIGHT


def element_colours(style: CrystalStyle) -> NDArray[np.uint8]:
    """(119, 3) uint8, colour by atomic number."""
    table = np.array(COLOURS["vesta" if style.scheme == "vesta" else "jmol"], dtype=np.float64)
    if style.scheme == "custom":
        for z, colour in style.colours.items():
            table[z] = colour
    return np.round(255 * table).astype(np.uint8)


def element_radii(style: CrystalStyle) -> NDArray[np.float32]:
    """(119,) float32, radius of the drawn sphere by atomic number, Angstrom."""
    if style.kind == "space-filling":
        table = np.array(VDW_RADIUS)
    elif style.kind == "ball-and-stick":
        table = np.clip(BALL * np.array(ATOMIC_RADIUS), 0.2, 0.85)
    else:
        table = np.full(len(ATOMIC_RADIUS), style.bond_radius * 1.25)
    for z, radius in style.radii.items():
        if style.kind in ("space-filling", "ball-and-stick"):
            table[z] = radius
    factor = style.scale if style.kind in ("space-filling", "ball-and-stick") else 1.0
    if style.kind == "wireframe":
        table[:] = 0.07
    return (table * factor).astype(np.float32)
