"""Small crystals made here, for tests of data sets, models and training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crystalgui.core.datasets.dataset import Dataset, summarise
from crystalgui.core.datasets.labels import Labels
from crystalgui.core.datasets.records import Record, Records, describe
from crystalgui.core.structures.crystal import Crystal

CUBIC = np.eye(3)
FCC = np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
BCC = np.array([[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]])


def crystals(number: int, seed: int = 0) -> list[Crystal]:
    """Rock salts, zinc blendes, caesium chlorides, perovskites and low-symmetry cells."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(number):
        a, b = rng.choice(np.arange(3, 57), 2, replace=False)
        size = float(rng.uniform(3.2, 6.2))
        kind = i % 5
        if kind == 0:
            lattice, frac, species = FCC, [[0, 0, 0], [0.5, 0.5, 0.5]], [a, b]
        elif kind == 1:
            lattice, frac, species = FCC, [[0, 0, 0], [0.25, 0.25, 0.25]], [a, b]
        elif kind == 2:
            lattice, frac, species = CUBIC, [[0, 0, 0], [0.5, 0.5, 0.5]], [a, b]
        elif kind == 3:
            oxygen = [[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
            lattice, frac = CUBIC, [[0, 0, 0], [0.5, 0.5, 0.5], *oxygen]
            species = [a, b, 8, 8, 8]
        else:
            lattice = CUBIC + rng.uniform(-0.15, 0.15, (3, 3))
            n = int(rng.integers(3, 7))
            grid = rng.permutation(8)[:n]
            frac = np.stack([grid // 4, grid // 2 % 2, grid % 2], 1) / 2
            frac = frac + rng.uniform(-0.05, 0.05, (n, 3))
            species = rng.choice([a, b], n)
        found.append(
            Crystal(
                lattice=np.asarray(lattice) * size,
                frac=np.asarray(frac, float),
                species=np.asarray(species),
                title=f"crystal {i}",
            )
        )
    return found


def records(number: int, seed: int = 0) -> list[Record]:
    """Described crystals."""
    return [describe(c) for c in crystals(number, seed)]


def table(number: int, seed: int = 0) -> Records:
    """A table of crystals."""
    return Records.stack([str(i) for i in range(number)], records(number, seed))


def dataset(folder: Path, number: int = 60, task: str = "classification") -> Dataset:
    """A saved data set whose label can be learned: the parity of the electron count."""
    rows = table(number)
    electrons = [int(rows.crystal(i).species.sum()) for i in range(number)]
    if task == "classification":
        values: dict[str, str | float] = {
            str(i): ("odd" if e % 2 else "even") for i, e in enumerate(electrons)
        }
        labels = Labels("classification", "parity", values, ("even", "odd"), ())
    else:
        values = {str(i): e / 50 for i, e in enumerate(electrons)}
        labels = Labels("regression", "electrons", values, (), ())
    summary = summarise("samples", folder, rows, labels, [], f"digest {number} {task}")
    made = Dataset(summary, rows, labels.encode(rows.ids))
    made.save()
    return made
