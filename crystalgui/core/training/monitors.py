"""What is looked at inside a network while it trains: its attention and its gradients.

Before the first epoch and after each one (Bird 2023, Figs. 6, 22 and 28).
Looking changes nothing: not the weights, not the order of random numbers.  It
must not cost much either (2 % of an epoch; 3 % between atoms), so attention is read
off the validation that is made anyhow, that between atoms (Nop et al. 2025)
for a few of its crystals, always the same, and gradients from one small batch,
always of the same training rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor

from crystalgui.core.datasets.collate import batches
from crystalgui.core.messages import AttentionReady, Event, GradientsReady, LogLine
from crystalgui.core.models import devices
from crystalgui.core.models._base import HEADS, CrystalModel, Network
from crystalgui.core.models.layers.attention import Attended
from crystalgui.core.reports.heads import without_choice
from crystalgui.core.reports.saturation import saturation
from crystalgui.core.store.monitors import Monitored
from crystalgui.core.training.attention import NO_GATE, Gate, joined, read_outs, spread
from crystalgui.core.training.gradients import gradients
from crystalgui.core.training.heads import heads

SAMPLES = 1250
"""Validation samples whose attention is looked at, as many as in Fig. 22."""
CRYSTALS = 128
"""Validation crystals at most whose attention between atoms is looked at."""
GRADIENT_ROWS = 64
SHARE = 0.005
"""Of the work of an epoch, for each of the two monitors."""
LEAST = 8
READ = 256
SEED = 22


Reading = TypeVar("Reading", AttentionReady, GradientsReady)


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
    gate : Gate
        How the network rescales its attention.
    shared : int
        Networks that are trained together; one of them is looked at.
    thorough : bool
        Whether `SAMPLES` are looked at before the first epoch, else as many as are cheap.
    most : int
        Rows of the batch whose gradients are looked at.
    crystals : int
        Crystals at most whose attention between atoms is looked at.
    name : str
        Which network of a sweep it is.
    kept : callable
        What the run has kept so far; asked once, when the first look is taken.
    """

    table: Table
    target: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    train: Tensor
    validation: Tensor
    run_id: str = ""
    keep: Callable[[Monitored], None] = lambda event: None
    gate: Gate = NO_GATE
    shared: int = 1
    thorough: bool = True
    most: int = GRADIENT_ROWS
    crystals: int = CRYSTALS
    name: str = ""
    kept: Callable[[], Iterable[Monitored]] = tuple
    heard: list[Tensor] = field(default_factory=list)
    seen_heads: list[Attended] = field(default_factory=list)
    passed: int = 0
    layers: tuple[str, ...] = ()
    seen: list[AttentionReady] | None = None

    def answer(self, network: Network, batch: Any) -> Tensor:
        """(b, outputs) of a batch of validation rows, in their order; its attention is heard."""
        if HEADS in network.card.taps:
            out, layers = cast(CrystalModel, network).attended(batch)
            self.hear_heads(layers, batch.size)
            return out
        out, taps = network.tapped(batch)
        self.hear(network, taps)
        return out

    def hear_heads(self, layers: Iterable[Attended], size: int) -> None:
        """Keep, of the next ``size`` validation crystals, the layers of those to look at."""
        every = torch.arange(len(self.validation))
        chosen = evenly(every, self._cheap(self.crystals)) - self.passed
        self.passed += size
        for a in layers:
            if a.crystals is not None and a.rows is not None and a.many is not None:
                own = torch.isin(a.crystals.cpu(), chosen).nonzero()[:, 0].to(a.crystals.device)
                if len(own):
                    weights, rows, many = a.weights[own], a.rows[own], a.many[own]
                    self.seen_heads.append(replace(a, weights=weights, rows=rows, many=many))

    def hear(self, network: Network, taps: Mapping[str, Tensor]) -> None:
        """Take the attention of a batch of validation rows, in their order."""
        if taps:
            self.layers = self.layers or read_outs(network, taps)
            self.heard.append(joined(taps))

    def look(self, network: Network, epoch: int) -> Iterator[Event]:
        """Attention and gradients of a network in evaluation mode, as events.

        Where nothing was heard since the last look, validation rows are read:
        before the first epoch as many as `SAMPLES`, then as many as are cheap.
        Attention that is no longer a number is not told.
        """
        cuda = [self.table.device] if self.table.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):
            torch.manual_seed(SEED)  # what is rolled or dropped here is the same in each epoch
            found: list[Monitored] = []
            if len(self.validation):
                if HEADS in network.card.taps:
                    found += self._heads(cast(CrystalModel, network), epoch)
                elif not self.heard and network.card.taps:
                    self._listen(network, epoch)
            if self.heard:
                values = torch.cat(self.heard)
                some = evenly(torch.arange(len(values), device=values.device), SAMPLES)
                self.heard.clear()
                if bool(values.isfinite().all()):
                    found.append(
                        spread(values[some], self.layers, epoch, self.run_id, self.gate, self.name)
                    )
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
        count = SAMPLES if self.thorough and epoch == 0 else self._cheap(SAMPLES)
        for rows in batches(evenly(self.validation, count), READ):
            self.hear(network, network.tapped(self.table.batch(rows))[1])
            if not self.heard:  # another kind of network of this family: it has no attention
                break

    @torch.no_grad()
    def _heads(self, network: CrystalModel, epoch: int) -> list[Monitored]:
        """The attention between the atoms of a few crystals, the same ones after each epoch."""
        if self.seen_heads:
            told = heads(self.seen_heads, epoch, self.run_id, self.name)
            self.seen_heads.clear()
            self.passed = 0
            return [told] if told is not None else []

        def ask(most: int) -> AttentionReady | None:
            batch = self.table.batch(evenly(self.validation, most))
            return heads(network.attended(batch)[1], epoch, self.run_id, self.name)

        self.crystals, found = self._halving(self._cheap(self.crystals), ask)
        return [found] if found is not None else []

    def _gradients(self, network: Network, epoch: int) -> list[Monitored]:
        """Those of a batch, with fewer rows where memory ran out; none where one is too much."""

        def ask(most: int) -> GradientsReady:
            rows = self._gradient_rows(most)
            batch, target = self.table.batch(rows), self.target[rows]
            return gradients(network, batch, target, self.loss, epoch, self.run_id, self.name)

        count = min(self.most, max(LEAST, int(SHARE * self.shared * len(self.train))))
        self.most, found = self._halving(count, ask)
        return [found] if found is not None else []

    def _halving(
        self, most: int, ask: Callable[[int], Reading | None]
    ) -> tuple[int, Reading | None]:
        """Ask about so many rows, half as many where memory runs out; how many there were."""
        while most:
            try:
                return most, ask(most)
            except (RuntimeError, MemoryError) as error:
                if not devices.out_of_memory(error):
                    raise
            devices.free(self.table.device)
            most //= 2
        return 0, None

    def _cheap(self, most: int) -> int:
        """Rows, at most so many, that are run forward in a small share of an epoch."""
        count = 3 * SHARE * self.shared * len(self.train)  # a pass back costs two forward
        return min(most, max(LEAST, int(count)))

    def _gradient_rows(self, count: int) -> Tensor:
        """The same few training rows each time."""
        mixed = torch.randperm(len(self.train), generator=torch.Generator().manual_seed(SEED))
        return self.train[mixed[:count].to(self.train.device)]

    def _warn(self, now: AttentionReady) -> Iterator[Event]:
        """Say what is stuck when a layer is so for the first time; the window says the same."""
        if self.seen is None:  # a run that goes on has said it before
            self.seen = [
                r for r in self.kept() if isinstance(r, AttentionReady) and r.network == self.name
            ]
        self.seen = [r for r in self.seen if r.epoch < now.epoch]
        known = {name for r in self.seen for name in _stuck(r)}
        self.seen.append(now)
        if known.issuperset(_stuck(now)):
            return
        where = f"{self.name}: " if self.name else ""
        if found := saturation(self.seen, now.epoch):
            yield LogLine(text=where + found.sentence, level="warning")
        if said := without_choice(self.seen, now.epoch):
            yield LogLine(text=where + said)


def _stuck(reading: AttentionReady) -> tuple[str, ...]:
    """Names of its saturated layers, and of its heads that chose nothing after an epoch."""
    flags = [reading.saturated]
    if reading.epoch:
        flags += [reading.single, reading.alike]
    return tuple(
        name for own in flags for name, flag in zip(reading.layers, own, strict=False) if flag
    )


def evenly(rows: Tensor, count: int) -> Tensor:
    """At most ``count`` of (k,) rows, evenly spaced: rows may be sorted by class."""
    if len(rows) <= count:
        return rows
    places = torch.linspace(0, len(rows) - 1, count, device=rows.device)
    return rows[places.round().long()]
