"""What is looked at inside a network while it trains: its attention and its gradients.

Before the first epoch and after each one (Bird 2023, Figs. 6, 22 and 28).
Looking changes nothing: not the weights, not the order of random numbers.  It
must not cost much either (2 % of an epoch), so attention is read off the
validation that is made anyhow, and gradients from one small batch, always of
the same training rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from crystalgui.core.cards import Scalar
from crystalgui.core.datasets.collate import batches
from crystalgui.core.messages import AttentionReady, Event, LogLine
from crystalgui.core.models import devices
from crystalgui.core.models._base import Network
from crystalgui.core.store.monitors import Monitored
from crystalgui.core.training.attention import joined, read_outs, spread, warning
from crystalgui.core.training.gradients import gradients

SAMPLES = 1250
"""Validation samples whose attention is looked at, as many as in Fig. 22."""
GRADIENT_ROWS = 64
SHARE = 0.005
"""Of the work of an epoch, for each of the two monitors."""
LEAST = 8
READ = 256
SEED = 22


class Table(Protocol):
    """A data set on a device."""

    @property
    def device(self) -> torch.device: ...  # noqa: D102

    def batch(self, index: Tensor) -> Any:
        """What a network eats, of the rows ``index``."""
        ...


@dataclass(slots=True, eq=False)
class Monitor:
    """Looks at a network once an epoch.

    Attributes
    ----------
    table : Table
    target : (n,) int64 or float32, of the whole table
    loss : callable
        Mean cost of (b, outputs), (b,).
    train, validation : (k,) int64
        Rows of the table, for gradients and for attention.
    keep : callable
        Takes every event before it is yielded: the run's file.
    floor : float
        The epsilon of the attention.
    shared : int
        Networks that are trained together; one of them is looked at.
    most : int
        Rows of the batch whose gradients are looked at.
    """

    table: Table
    target: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    train: Tensor
    validation: Tensor
    run_id: str = ""
    keep: Callable[[Monitored], None] = lambda event: None
    floor: float = 0.0
    shared: int = 1
    most: int = GRADIENT_ROWS
    heard: list[Tensor] = field(default_factory=list)
    layers: tuple[str, ...] = ()
    warned: frozenset[str] = frozenset()

    def hear(self, network: Network, taps: Mapping[str, Tensor]) -> None:
        """Take the attention of a batch of validation rows, in their order."""
        if taps:
            self.layers = self.layers or read_outs(network, taps)
            self.heard.append(joined(taps))

    def look(self, network: Network, epoch: int) -> Iterator[Event]:
        """Attention and gradients of a network in evaluation mode, as events.

        Where nothing was heard since the last look, validation rows are read:
        before the first epoch as many as `SAMPLES`, then as many as are cheap.
        """
        cuda = [self.table.device] if self.table.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(SEED)  # what is rolled or dropped here is the same in each epoch
            if not self.heard and network.card.taps and len(self.validation):
                self._listen(network, epoch)
            found: list[Monitored] = []
            if self.heard:
                values = torch.cat(self.heard)
                some = evenly(torch.arange(len(values), device=values.device), SAMPLES)
                found.append(spread(values[some], self.layers, epoch, self.run_id, self.floor))
                self.heard.clear()
            if network.stages() and len(self.train):
                found += self._gradients(network, epoch)
        for event in found:
            self.keep(event)
            yield event
            if isinstance(event, AttentionReady):
                yield from self._warn(event)

    @torch.no_grad()
    def _listen(self, network: Network, epoch: int) -> None:
        """Read the attention of some validation rows."""
        cheap = 3 * SHARE * self.shared * len(self.train)  # a pass back costs two forward
        count = SAMPLES if epoch == 0 else min(SAMPLES, max(LEAST, int(cheap)))
        for rows in batches(evenly(self.validation, count), READ):
            self.hear(network, network.tapped(self.table.batch(rows))[1])
            if not self.heard:  # another kind of network of this family: it has no attention
                break

    def _gradients(self, network: Network, epoch: int) -> list[Monitored]:
        """Those of a batch, with fewer rows where memory ran out; none where one is too much."""
        while self.most:
            rows = self._gradient_rows()
            try:
                batch, target = self.table.batch(rows), self.target[rows]
                return [gradients(network, batch, target, self.loss, epoch, self.run_id)]
            except (RuntimeError, MemoryError) as error:
                if not devices.out_of_memory(error):
                    raise
            devices.free(self.table.device)
            self.most = len(rows) // 2
        return []

    def _gradient_rows(self) -> Tensor:
        """The same few training rows each time."""
        count = min(self.most, max(LEAST, int(SHARE * self.shared * len(self.train))))
        mixed = torch.randperm(len(self.train), generator=torch.Generator().manual_seed(SEED))
        return self.train[mixed[:count].to(self.train.device)]

    def _warn(self, seen: AttentionReady) -> Iterator[Event]:
        """Say of saturated layers once."""
        text = warning(seen, self.warned)
        full = [name for name, own in zip(seen.layers, seen.saturated, strict=True) if own]
        self.warned = self.warned.union(full)
        if text:
            yield LogLine(text=text, level="warning")


def evenly(rows: Tensor, count: int) -> Tensor:
    """At most ``count`` of (k,) rows, evenly spaced: rows may be sorted by class."""
    if len(rows) <= count:
        return rows
    places = torch.linspace(0, len(rows) - 1, count, device=rows.device)
    return rows[places.round().long()]


def floor_of(params: Mapping[str, Scalar]) -> float:
    """The epsilon of the attention of a network with these parameters; 0 without one."""
    value = float(params.get("floor", 0.0))
    return value if math.isfinite(value) else 0.0
