"""What a network of Brillouin zones must be better than, from nothing to knowing topology.

Always the majority of training; a threshold on the smallest gap; gradient
boosting on numbers that summarise the bands (energies only), and on the same
summaries of every channel that the network reads; and counting: no learning
at all, but Chern numbers, charges of cells and crossings of charge centres on
the same coarse mesh (Fukui, Hatsugai and Suzuki 2005; Soluyanov and Vanderbilt
2011), which is what a physicist would try first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from crystalgui.core.datasets.hamiltonians.zone_dataset import ZoneDataset

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

BASELINES = ("majority", "gap threshold", "boosting on gaps", "boosting on all", "counting")
"""Names, in the order of the tables."""
TRIVIAL, TOPOLOGICAL, WEYL, DIRAC = range(4)
_PLANES = ("23", "31", "12")


def summaries(data: ZoneDataset, names: Sequence[str]) -> Floats:
    """(m, 4 c + 1): mean, least, greatest and spread of some channels, and the dimension."""
    rows = [data.names.index(name) for name in names]
    table = np.empty((len(data), 4 * len(rows) + 1))
    for i in range(len(data)):
        flat = data.tensor(i)[rows].reshape(len(rows), -1).astype(np.float64)
        parts = (flat.mean(1), flat.min(1), flat.max(1), flat.std(1), [data.dimension[i]])
        table[i] = np.concatenate(parts)
    return table


def majority(label: Integers, train: Integers, test: Integers) -> Integers:
    """The most frequent class of training."""
    return np.full(len(test), np.bincount(label[train]).argmax())


def threshold(gap: Floats, label: Integers, train: Integers, test: Integers) -> Integers:
    """One class below a smallest gap, another above; both and the gap fit the training rows."""
    order = np.argsort(gap[train], kind="stable")
    hot = np.eye(4, dtype=np.int64)[label[train][order]]
    below = np.vstack([np.zeros((1, 4), np.int64), hot.cumsum(0)])
    hits = below.max(1) + (below[-1] - below).max(1)
    place = int(hits.argmax())
    one, other = int(below[place].argmax()), int((below[-1] - below[place]).argmax())
    values = gap[train][order]
    edge = -np.inf if place == 0 else values[max(place - 1, 0) : place + 1].mean()
    return np.where(gap[test] < edge, one, other)


def boosted(table: Floats, label: Integers, train: Integers, test: Integers) -> Integers:
    """Gradient boosting of histograms (scikit-learn), its own defaults, a fixed seed."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    if len(np.unique(label[train])) < 2:
        return majority(label, train, test)
    model = HistGradientBoostingClassifier(random_state=0, max_iter=150)
    model.fit(table[train], label[train])
    return np.asarray(model.predict(table[test]), np.int64)


# ------------------------------------------------------------------ counting on the mesh


def counted(data: ZoneDataset, rows: Integers) -> Integers:
    """Phases by counting invariants on the mesh; nothing is learned."""
    return np.array([_count(data, int(i)) for i in rows], np.int64)


def _count(data: ZoneDataset, i: int) -> int:
    tensor = data.tensor(i).astype(np.float64)
    x = dict(zip(data.names, tensor, strict=True))
    if np.abs(x["charge"]).max() > 0.5:
        return WEYL
    if x["gap"].min() < 1e-3:
        return DIRAC
    for axis, plane in enumerate(_PLANES):
        others = tuple(a for a in range(3) if a != axis)
        if np.abs(x[f"flux {plane}"].sum(axis=others) / 2).round().max() > 0:
            return TOPOLOGICAL
    alive = [axis for axis in range(3) if tensor.shape[axis + 1] > 1]
    if len(alive) == 1:
        return TOPOLOGICAL if x[f"polarisation cos {alive[0] + 1}"].flat[0] < 0 else TRIVIAL
    if x["spinful reversal"].flat[0] < 0.5:
        return TRIVIAL
    return TOPOLOGICAL if _strong(x, alive, tensor.shape[1:]) else TRIVIAL


def _strong(x: dict[str, Any], alive: list[int], shape: tuple[int, ...]) -> bool:
    """Z2 of a layer, or the strong index of a crystal: the vote of all ways to count it."""
    if len(alive) == 2:
        one, two = alive
        votes = [_half(x, loops, step) for loops, step in ((one, two), (two, one))]
        return float(np.mean([v.flat[0] for v in votes])) > 0.5
    votes = []
    for normal in range(3):
        one, two = (axis for axis in range(3) if axis != normal)
        for loops, step in ((one, two), (two, one)):
            along = np.broadcast_to(_half(x, loops, step), _reduced(shape, loops, step))
            planes = np.moveaxis(along, normal, 0).reshape(shape[normal], -1)[:, 0]
            votes.append((planes[0] + planes[shape[normal] // 2]) % 2)
    return float(np.mean(votes)) > 0.5


def _half(x: dict[str, Any], loops: int, step: int) -> Floats:
    """Parity of the crossings of half a turn, from k = 0 to 1/2, along an axis."""
    field = x[f"crossing {loops + 1}{step + 1}"]
    n = field.shape[step]
    half = np.take(field, range(n // 2, n), axis=step)
    total = half.sum(axis=step, keepdims=True).mean(axis=loops, keepdims=True)
    return np.asarray(np.round(total) % 2)


def _reduced(shape: tuple[int, ...], *axes: int) -> tuple[int, ...]:
    return tuple(1 if axis in axes else n for axis, n in enumerate(shape))
