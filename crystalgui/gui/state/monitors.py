"""What a run says of its inside: attention by read-out or head, and gradients by layer.

Events of a running job and the rows that the store kept become the same
`Monitors`, by the id of the run, so that a running and a finished run are
looked at alike.  A sweep tells of several networks, each by its name.  The
judgement of gradients in words (vanishing, diffusing) follows Bird (2023),
section 2.5, Fig. 6; those of attention are `core.reports.saturation` and, of
heads, `core.reports.heads`.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from crystalgui.core.messages import AttentionReady, Event, GradientsReady
from crystalgui.core.reports.heads import split
from crystalgui.core.reports.saturation import layers as layer_words
from crystalgui.core.reports.saturation import numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crystalgui.engine.lane import Lane
    from crystalgui.gui.state.jobs import JobsState

    Floats = NDArray[np.float64]

Reading = AttentionReady | GradientsReady

FALL = 100.0
"""Gradients whose size differs by so much between layers vanish or explode."""
SAME = 0.9
"""So much of a gradient is the same at every point: it has diffused."""


@dataclass(slots=True, eq=False)
class Monitors:
    """Readings of one run, oldest first, at most one of each kind an epoch."""

    attention: list[AttentionReady] = field(default_factory=list)
    gradients: list[GradientsReady] = field(default_factory=list)
    version: int = 0

    def __bool__(self) -> bool:
        return bool(self.attention or self.gradients)

    def add(self, reading: Reading) -> None:
        """Take a reading; a resumed run goes back first."""
        self.version += 1
        if isinstance(reading, AttentionReady):
            _put(self.attention, reading)
        else:
            _put(self.gradients, reading)

    def fill(self, kept: Iterable[Reading]) -> None:
        """Put what the store kept before what came live."""
        live = [*self.attention, *self.gradients]
        self.attention, self.gradients = [], []
        for reading in (*kept, *live):
            self.add(reading)

    @property
    def epochs(self) -> list[int]:
        """Epochs with a reading of either kind, in order."""
        return sorted({r.epoch for r in (*self.attention, *self.gradients)})

    def attention_at(self, epoch: int) -> AttentionReady | None:
        """The reading of an epoch, else the newest one before it."""
        return _at(self.attention, epoch)

    def gradients_at(self, epoch: int) -> GradientsReady | None:
        """The reading of an epoch, else the newest one before it."""
        return _at(self.gradients, epoch)

    def history(self, quantity: str) -> tuple[NDArray[np.int64], Floats, tuple[str, ...]]:
        """Mean attention, or ``share`` or ``size`` of the gradient, by layer and epoch.

        Of heads it is the mean relative entropy: their weights are 1 / n on average.

        Returns
        -------
        epochs : (e,) int64
        values : (L, e) float64
        names : tuple of L str
        """
        import numpy as np

        readings = self.attention if quantity == "attention" else self.gradients
        if not readings:
            return np.zeros(0, np.int64), np.zeros((0, 0)), ()
        word = {"attention": "mean", "share": "homogeneous", "size": "norm"}[quantity]
        names = readings[-1].layers
        rows = [r for r in readings if r.layers == names]
        told: list[Any] = [getattr(r, "entropy", None) or r for r in rows]
        values = np.array([getattr(r, word) for r in told], np.float64)
        return np.array([r.epoch for r in rows], np.int64), values.T, names

    def so_far(self) -> Monitors:
        """A copy that grows no more, for another thread."""
        return Monitors(list(self.attention), list(self.gradients), self.version)

    def attention_csv(self) -> str:
        """One row for every epoch and read-out or head; of heads the entropy as well."""
        head = "epoch layer mean std q05 q25 q50 q75 q95 saturated samples floor measure"
        if any(r.entropy for r in self.attention):
            head += " " + " ".join(f"entropy_{word}" for word in head.split()[2:9])
            head += " single alike lost"
        return _csv(
            head.split(),
            (
                (r.epoch, name, r.mean[i], r.std[i], *r.quantiles[i], int(r.saturated[i]),
                 r.samples, r.floor, r.measure, *_of_head(r, i))
                for r in self.attention
                for i, name in enumerate(r.layers)
            ),
        )  # fmt: skip

    def gradients_csv(self) -> str:
        """One row for every epoch and layer."""
        return _csv(
            ("epoch", "layer", "norm", "homogeneous", "alike"),
            (
                (r.epoch, name, r.norm[i], r.homogeneous[i], r.alike[i])
                for r in self.gradients
                for i, name in enumerate(r.layers)
            ),
        )


def gradient_verdict(reading: GradientsReady | None) -> tuple[str, str]:
    """A sentence on a reading of the gradients and its colour role.

    The layers run from the input to the output.  A first layer that receives
    less than a hundredth of the last has vanishing gradients, one that receives
    a hundred times as much exploding ones; a layer in which nine tenths of the
    square are the same at every point has a diffused gradient (eq. 20).
    """
    if reading is None or not reading.norm:
        return "", "muted"
    said, role = [], "muted"
    first, last = reading.norm[0], reading.norm[-1]
    sound = all(math.isfinite(v) for v in reading.norm)
    if not sound:
        said.append("Gradients are not finite.")
    elif max(reading.norm) == 0:
        said.append("No gradient reaches any layer.")
    elif first * FALL < last:
        times = f"1/{last / first:,.0f} of" if first > 0 else "nothing of"
        said.append(f"The first layer receives {times} what the last one does: vanishing.")
    elif last * FALL < first:
        times = f"{first / last:,.0f} times" if last > 0 else "without bound"
        said.append(
            f"The first layer receives {times} what the last one does: exploding, or the last "
            "layers are hardly read."
        )
    role = "warn" if said else role
    shares = [share for share in reading.homogeneous if math.isfinite(share)]
    own = numbers(reading.layers)
    same = [own[i] for i, share in enumerate(reading.homogeneous) if share >= SAME]
    if same:
        role = "warn"
        where = "every layer" if len(same) == len(reading.layers) else layer_words(same)
        said.append(f"Diffused: the gradient in {where} is nearly the same at every point.")
    if not said and shares:
        share = 100 * sum(shares) / len(shares)
        said.append(f"{share:.0f} % is the same at every point, on average over the layers.")
    return " ".join(said), role


def full_name(names: Sequence[str], place: int) -> str:
    """Number and name of a layer, the number once; a head is called by its own."""
    number, name = numbers(names)[place], names[place]
    known = split(name)[1] or name.partition(" ")[0] == number
    return name if known else f"{number}  {name}"


class MonitorsState(QObject):
    """`Monitors` of every run that was seen in this session; of a sweep, of several networks.

    Signals
    -------
    changed(str)
        The run with this id has another reading.
    """

    changed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runs: dict[str, dict[str, Monitors]] = {}
        self._read: set[str] = set()
        self._lane: Lane | None = None

    def attach(self, jobs: JobsState, lane: Lane) -> None:
        """Listen to jobs, read stored runs through the lane."""
        jobs.event.connect(self.handle)
        self._lane = lane

    def of(self, run_id: str, network: str = "") -> Monitors:
        """Readings of a run, or of a network of a sweep; empty when there are none."""
        if not run_id:
            return Monitors()
        return self._runs.setdefault(run_id, {}).setdefault(network, Monitors())

    def networks(self, run_id: str) -> tuple[str, ...]:
        """Networks of a run that were looked into, oldest first; one without a name is its own."""
        return tuple(name for name, found in self._runs.get(run_id, {}).items() if found)

    def handle(self, event: Event) -> None:
        """Take an event of a job."""
        if isinstance(event, AttentionReady | GradientsReady):
            self.of(event.run_id, event.network).add(event)
            self.changed.emit(event.run_id)

    def load(self, run_id: str, folder: Path | None) -> None:
        """Read what the ``folder`` of a run kept, once."""
        if not run_id or folder is None or run_id in self._read or self._lane is None:
            return
        self._read.add(run_id)

        def answered(kept: list[Reading]) -> None:
            if kept:
                self._fill(run_id, kept)
                self.changed.emit(run_id)

        self._lane.run(read_monitors, folder, run_id, on_answer=answered, owner=self)

    def _fill(self, run_id: str, kept: list[Reading]) -> None:
        """Put what the store kept before what came live."""
        live = self._runs.pop(run_id, {})
        for name in dict.fromkeys((*(reading.network for reading in kept), *live)):
            found = self._runs.setdefault(run_id, {}).setdefault(name, live.get(name, Monitors()))
            found.fill(reading for reading in kept if reading.network == name)


def read_monitors(folder: Path, run_id: str) -> list[Reading]:
    """The readings that the folder of a run kept, oldest first."""
    from crystalgui.core.store import monitors

    return monitors.read(folder, run_id)


def _put(readings: list[Any], new: Reading) -> None:
    readings[:] = [r for r in readings if r.epoch < new.epoch]
    readings.append(new)


def _of_head(r: AttentionReady, place: int) -> tuple[object, ...]:
    """Further columns of a head; none of a read-out."""
    e = r.entropy
    if e is None:
        return ()
    flags = int(r.single[place]), int(r.alike[place])
    return e.mean[place], e.std[place], *e.quantiles[place], *flags, r.lost[place]


def _at(readings: Sequence[Any], epoch: int) -> Any:
    return next((r for r in reversed(readings) if r.epoch <= epoch), None)


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in rows)
    return stream.getvalue()
