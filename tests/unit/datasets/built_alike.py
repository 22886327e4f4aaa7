"""A small data set of crystals that are built alike, and some that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crystalgui.core.datasets.dataset import Dataset, summarise
from crystalgui.core.datasets.labels import Labels
from crystalgui.core.datasets.records import Records, describe
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.elements import number

FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])


def binary(a: str, b: str, second: float, size: float = 5.0) -> Crystal:
    """Rock salt for 0.5, zinc blende for 0.25."""
    return Crystal(
        lattice=size * FCC,
        frac=np.array([[0.0, 0, 0], [second] * 3]),
        species=np.array([number(a), number(b)]),
    )


def hexagonal(a: str, b: str, first: float) -> Crystal:
    """NiAs for 0, and layers as of boron nitride for 1/4: both P6_3/mmc."""
    third = 0.0 if first == 0 else 1 / 3
    frac = [[third, 2 * third, first], [-third, -2 * third, first + 0.5],
            [1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]]  # fmt: skip
    if first:
        frac[0], frac[1] = [1 / 3, 2 / 3, 0.75], [2 / 3, 1 / 3, 0.25]
    return Crystal(
        lattice=np.array([[3.6, 0, 0], [-1.8, 1.8 * 3**0.5, 0], [0, 0, 5.0]]),
        frac=np.array(frac) % 1,
        species=np.array([number(a)] * 2 + [number(b)] * 2),
    )


CRYSTALS = {
    "yn": (binary("Y", "N", 0.5), "SEBR"),
    "scn": (binary("Sc", "N", 0.5), "LCEBR"),
    "nacl": (binary("Na", "Cl", 0.5), "LCEBR"),
    "lan": (binary("N", "La", 0.5), "ES"),
    "zns": (binary("Zn", "S", 0.25), "LCEBR"),
    "gaas": (binary("Ga", "As", 0.25), "LCEBR"),
    "nias": (hexagonal("Ni", "As", 0.0), "ES"),
    "cosb": (hexagonal("Co", "Sb", 0.0), "ES"),
    "nise": (hexagonal("Ni", "Se", 0.25), "NLC"),
}


def save_dataset(folder: Path) -> Path:
    """Write `CRYSTALS` as an imported data set."""
    records = Records.stack(list(CRYSTALS), [describe(c) for c, _ in CRYSTALS.values()])
    values: dict[str, str | float] = {name: label for name, (_, label) in CRYSTALS.items()}
    labels = Labels("classification", "tqc", values, ("LCEBR", "ES", "SEBR", "NLC"), ())
    summary = summarise(folder.name, folder, records, labels, [], "")
    Dataset(summary, records, labels.encode(records.ids)).save()
    return folder
