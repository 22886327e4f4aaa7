"""Growing curves of a run: raw, smoothed while they grow, with NaN kept apart.

Points arrive one by one from a running job or all at once from
``metrics.jsonl``.  Buffers double, so a million points cost no more than the
memory they need, and smoothing is updated with every point instead of being
recomputed for every frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.messages import ConfusionReady, EpochMetrics, StepMetrics

Floats = NDArray[np.float64]

STEP_SMOOTHING = 0.9
EPOCH_SMOOTHING = 0.4


class Series:
    """One curve: x, y, an exponential average of y, and where y was not finite.

    Parameters
    ----------
    smoothing : float
        Weight of the past in the average, 0 to 1; the first points are
        corrected for the empty past, as in Adam (Kingma and Ba 2015, section 3).
    """

    def __init__(self, smoothing: float) -> None:
        self._data = np.empty((3, 64))
        self._size = 0
        self._smoothing = smoothing
        self._average = 0.0
        self._weight = 0.0
        self.holes: list[float] = []

    def __len__(self) -> int:
        return self._size

    @property
    def x(self) -> Floats:
        """(n,) float64, view of the abscissae."""
        return self._data[0, : self._size]

    @property
    def y(self) -> Floats:
        """(n,) float64, view of the raw values."""
        return self._data[1, : self._size]

    @property
    def smooth(self) -> Floats:
        """(n,) float64, view of the running average."""
        return self._data[2, : self._size]

    def append(self, x: float, y: float) -> None:
        """Add a point; a value that is not finite is remembered as a hole."""
        if not math.isfinite(y):
            self.holes.append(x)
            return
        if self._size == self._data.shape[1]:
            grown = np.empty((3, 2 * self._size))
            grown[:, : self._size] = self._data
            self._data = grown
        keep = self._smoothing
        self._average = keep * self._average + (1 - keep) * y
        self._weight = keep * self._weight + (1 - keep)
        self._data[:, self._size] = x, y, self._average / self._weight
        self._size += 1

    def extend(self, points: Iterable[tuple[float, float]]) -> None:
        """Add many points in order."""
        for x, y in points:
            self.append(x, y)

    def truncate(self, x: float) -> None:
        """Drop every point beyond ``x``: a resumed run redoes them."""
        keep = int(np.searchsorted(self.x, x, side="right"))
        kept = self._data[:2, :keep].copy()
        self._size, self._average, self._weight = 0, 0.0, 0.0
        self.holes = [hole for hole in self.holes if hole <= x]
        self.extend((float(a), float(b)) for a, b in kept.T)


@dataclass(slots=True)
class Curves:
    """Everything a run has reported.

    ``steps`` is the running training loss against the epoch as a real
    number; ``epochs`` has one `Series` a metric key (``train/loss``,
    ``val/accuracy``...); ``confusions`` is one table an epoch and split.
    """

    steps: Series = field(default_factory=lambda: Series(STEP_SMOOTHING))
    epochs: dict[str, Series] = field(default_factory=dict)
    confusions: dict[str, list[ConfusionReady]] = field(default_factory=dict)
    best_epoch: int = -1

    def add_step(self, event: StepMetrics) -> None:
        """Take a point of the running loss; a resumed run goes back first."""
        if len(self.steps) and event.epoch < self.steps.x[-1]:
            self.steps.truncate(event.epoch)
        self.steps.append(event.epoch, event.loss)

    def add_epoch(self, event: EpochMetrics) -> None:
        """Take the metrics after an epoch; a resumed run goes back first."""
        for key, value in event.values.items():
            series = self.series(key)
            if len(series) and event.epoch <= series.x[-1]:
                series.truncate(event.epoch - 0.5)
            series.append(float(event.epoch), float(value))
        if event.best:
            self.best_epoch = event.epoch

    def add_confusion(self, event: ConfusionReady) -> None:
        """Take a confusion matrix; one of the same epoch is replaced."""
        tables = self.confusions.setdefault(event.split, [])
        tables[:] = [t for t in tables if t.epoch < event.epoch]
        tables.append(event)

    def series(self, key: str) -> Series:
        """The curve of a metric, empty when it is new."""
        return self.epochs.setdefault(key, Series(EPOCH_SMOOTHING))

    def last(self, key: str) -> float:
        """The newest value of a metric; NaN without one."""
        found = self.epochs.get(key)
        return float(found.y[-1]) if found is not None and len(found) else math.nan
