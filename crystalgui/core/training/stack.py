"""Many networks of one shape as one module: stacked parameters, mapped forward.

The first layer is the costly one, because it reads thousands of columns.  A
network that declares it (`TwoParts`) has it done for all replicas in one
matrix product, on columns that are folded (`folding`) and kept in memory;
what follows is mapped over the replicas by `torch.func.vmap`.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from crystalgui.core.datasets.images.rolling import draw, roll
from crystalgui.core.errors import ModelError
from crystalgui.core.messages import TrainRecipe
from crystalgui.core.models import devices
from crystalgui.core.training.folding import Fold, find
from crystalgui.core.training.loop import order

READ = 512


@runtime_checkable
class TwoParts(Protocol):
    """A network that begins with one linear layer: ``rest(first(columns(batch)))``.

    Such networks read the input once for all replicas.  ``columns`` has no
    parameters; its last axis is that of the layer.
    """

    @property
    def first(self) -> nn.Linear:
        """The layer that reads the input."""
        ...

    def columns(self, batch: Any) -> Tensor:
        """(b, ..., F) float32, standardised."""
        ...

    def rest(self, hidden: Tensor) -> Tensor:
        """(b, outputs) from the (b, ..., h) of the layer."""
        ...


@dataclass(slots=True, eq=False)
class Task:
    """What is learnt.

    Attributes
    ----------
    build : callable
        A fresh network from a seed, on the CPU.
    batch : callable
        What the network eats, from (b,) rows.
    target : (n,) int64
    train : (k,) int64
        Rows, also of every other part.
    parts : mapping
        Rows that are evaluated, by name: ``"validation"``, ``"test"``...
    loss : callable
        Cost of one network: (b, outputs), (b,) to a scalar.
    order : callable
        Rows of an epoch: (seed, epoch, rows) to (k',) rows.
    monitor : str
        Part whose mean score decides which epoch is best; empty: the last is.
    score : str
        ``"accuracy"`` or ``"balanced_accuracy"``.
    seeds : tuple of int
        Of each replica; empty: those of the recipe, one after another.
    rolled : tuple of int
        Degree of rolling of each replica (Bird 2023, section 2.10); empty: none is rolled.
    tolerant : bool
        A network whose loss is no longer a number does not end the training of the others.
    """

    build: Callable[[int], nn.Module]
    batch: Callable[[Tensor], Any]
    target: Tensor
    train: Tensor
    parts: Mapping[str, Tensor]
    classes: tuple[str, ...]
    recipe: TrainRecipe
    loss: Callable[[Tensor, Tensor], Tensor]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    order: Callable[[int, int, Tensor], Tensor] = order
    own_order: bool = False
    fold: bool = True
    monitor: str = ""
    score: str = "accuracy"
    run_id: str = ""
    digest: str = ""
    seeds: tuple[int, ...] = ()
    rolled: tuple[int, ...] = ()
    tolerant: bool = False

    def every_seed(self) -> tuple[int, ...]:
        """Seed of each replica."""
        return self.seeds or tuple(self.recipe.seed + r for r in range(self.recipe.replicas))

    def shifts(self, epoch: int, rows: int, part: str = "") -> Tensor | None:
        """(replicas, rows, d) int16 shifts of an epoch; None when nothing is rolled.

        Those of a replica depend on its seed and degree, the epoch and the
        ``part`` alone, not on the replicas beside it; empty is training.
        """
        if not any(self.rolled):
            return None
        axes = self.batch(self.train[:1]).values.ndim - 2
        every = zip(self.every_seed(), self.rolled, strict=True)
        drawn = [_drawn(f"{seed} {epoch} {part}", chi, (rows, axes)) for seed, chi in every]
        return torch.stack(drawn).to(self.device)


def _drawn(key: str, chi: int, shape: tuple[int, ...]) -> Tensor:
    """Shifts of up to ``chi`` points, drawn from a word."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "little")
    return draw(chi, shape, generator=torch.Generator().manual_seed(seed)).to(torch.int16)


# ------------------------------------------------------------------ networks


class Stack(nn.Module):
    """The parameters of all replicas, stacked; its state is what a checkpoint holds.

    The first layer of a network in `TwoParts` is kept as (f, replicas, h):
    then both its products are plain matrix products and its gradient is
    written in place.
    """

    shrink: Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.seeds = task.every_seed()
        self._mappable: bool | None = None
        networks = [task.build(seed) for seed in self.seeds]
        self._spare = [copy.deepcopy(networks[0]).to(task.device)]  # a list hides it from nn
        split = isinstance(networks[0], TwoParts) and not any(task.rolled)
        self.columns = Columns(networks[0], task) if split else None
        own = [dict(network.named_parameters()) for network in networks]
        self.first = _key(_first_name(networks[0])) if split else ""
        for name in own[0]:
            stacked = torch.stack([each[name].detach() for each in own])
            if self.columns is not None and _key(name) == self.first:
                folded = [self.columns.fold.mean(each[name].detach()) for each in own]
                stacked = torch.stack(folded, 1)
            self.register_parameter(_key(name), nn.Parameter(stacked.to(task.device)))
        buffers = [dict(network.named_buffers()) for network in networks]
        for name in buffers[0]:  # they may change in training, so each has its own
            stacked = torch.stack([each[name] for each in buffers])
            self.register_buffer(_key(name), stacked.to(task.device))
        # A buffer, so that the running average of the weights averages it as well.
        self.register_buffer("shrink", torch.ones((), dtype=torch.float64))

    def forward(self, rows: Tensor, shifts: Tensor | None = None) -> Tensor:
        """(replicas, b, outputs) of (b,) rows, or of (replicas, b) rows of their own.

        ``shifts`` (replicas, b, d) roll each replica's samples its own way.
        """
        return self.outputs(self.own(), rows, shifts)

    def train(self, mode: bool = True) -> Stack:
        """Also of the network that is mapped."""
        self._spare[0].train(mode)
        super().train(mode)
        return self

    def own(self) -> dict[str, Tensor]:
        """Stacked parameters and buffers, not copied."""
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def outputs(
        self, state: Mapping[str, Tensor], rows: Tensor, shifts: Tensor | None = None
    ) -> Tensor:
        """The same with the parameters and buffers ``state``."""
        if shifts is not None:
            return self._rolled(state, rows, shifts)
        if self.columns is None:
            return self._whole(state, rows)
        hidden, _ = self.columns.product(state[self.first], rows)
        return self.rest(state, hidden)

    def rest(self, state: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
        """(replicas, b, outputs) from the (b, ..., replicas, h) of the first layers."""
        own = {k: v for k, v in state.items() if k not in (self.first, "shrink")}
        network = cast(nn.Module, _Rest(self._spare[0]))
        out: Tensor = vmap(
            lambda parameters, h: functional_call(network, _named(parameters), (h,)),
            in_dims=(0, -2),
            randomness="different",
        )(own, hidden)
        return out

    def _whole(self, state: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        own = {k: v for k, v in state.items() if k != "shrink"}
        network, inner = self._spare[0], self.task.batch
        if rows.ndim == 1:
            batch = inner(rows)
            out: Tensor = vmap(
                lambda parameters: functional_call(network, _plain(parameters), (batch,)),
                randomness="different",
            )(own)
            return out
        batches = [inner(each) for each in rows]
        if not all(isinstance(batch, Tensor) for batch in batches):
            raise ModelError("This network cannot give replicas rows of their own.",
                             "Let the replicas share the order of the rows.")  # fmt: skip
        out = vmap(
            lambda parameters, x: functional_call(network, _plain(parameters), (x,)),
            randomness="different",
        )(own, torch.stack(batches))
        return out

    def _rolled(self, state: Mapping[str, Tensor], rows: Tensor, shifts: Tensor) -> Tensor:
        """One batch, read once, and each replica's samples shifted by its own degree."""
        own = {k: v for k, v in state.items() if k != "shrink"}
        network, batch = self._spare[0], self.task.batch(rows)
        many = roll(batch.values, shifts)

        def answer(parameters: Mapping[str, Tensor], x: Tensor) -> Any:
            return functional_call(network, _plain(parameters), (replace(batch, values=x),))

        if self._mappable is not False:
            try:
                out: Tensor = vmap(answer, randomness="different")(own, many)
            except RuntimeError as error:
                if self._mappable or devices.out_of_memory(error):
                    raise
                self._mappable = False  # what it does depends on the numbers that it reads
            else:
                self._mappable = True
                return out
        each = [answer({k: v[r] for k, v in own.items()}, x) for r, x in enumerate(many)]
        return torch.stack(each)

    def backward(self, rows: Tensor, shifts: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Gradients of one step; returns (replicas,) losses and hits."""
        self.train()
        target = self.task.target[rows]
        if self.columns is None:
            out = self(rows, shifts)
            losses = self._losses(out, target)
            torch.autograd.backward(losses.sum())
            return losses.detach(), _hits(out, target)
        state = self.own()
        first = self.get_parameter(self.first)
        with torch.no_grad():
            hidden, x = self.columns.product(first, rows)
        hidden.requires_grad_()
        out = self.rest(state, hidden)
        losses = self._losses(out, target)
        torch.autograd.backward(losses.sum())
        assert hidden.grad is not None
        first.grad = self.columns.gradient(x, hidden.grad, first.grad)
        return losses.detach(), _hits(out, target)

    def _losses(self, out: Tensor, target: Tensor) -> Tensor:
        wanted = target.expand(len(out), -1)
        return torch.stack([self.task.loss(o, t) for o, t in zip(out, wanted, strict=True)])

    def clip(self, norm: float) -> None:
        """Limit the norm of the gradient of each replica."""
        square = torch.zeros(len(self.seeds), device=self.task.device)
        for name, p in self.named_parameters():
            if p.grad is None:
                continue
            if self.columns is not None and name == self.first:
                each = torch.linalg.vector_norm(p.grad, dim=2).square()
                square += (each * self.columns.members[:, None]).sum(0)
            else:
                square += torch.linalg.vector_norm(p.grad.flatten(1), dim=1).square()
        factor = (norm / (square.sqrt() + 1e-6)).clamp(max=1.0)
        if bool((factor < 1).any()):
            for name, p in self.named_parameters():
                if p.grad is not None:
                    first = self.columns is not None and name == self.first
                    shape = (1, -1, 1) if first else (-1, *([1] * (p.ndim - 1)))
                    p.grad.mul_(factor.reshape(shape))

    def forget(self) -> None:
        """Drop the gradients, but keep the place of the largest one."""
        for name, p in self.named_parameters():
            if name != self.first:
                p.grad = None

    def weights(self, replica: int, state: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """State of the network ``replica`` by itself, on the CPU."""
        return {k: v.detach() for k, v in self.network(replica, state).state_dict().items()}

    def network(self, replica: int, state: Mapping[str, Tensor] | None = None) -> nn.Module:
        """The network ``replica`` by itself, on the CPU."""
        state = self.state_dict() if state is None else state
        network = self.task.build(self.seeds[replica])
        for name, start in network.named_parameters():
            stacked = state[_key(name)].detach().cpu()
            if self.columns is not None and _key(name) == self.first:
                now, shrink = stacked[:, replica], float(state["shrink"])
                value = self.columns.fold.unfold(now, start.detach(), shrink)
            else:
                value = stacked[replica]
            start.data.copy_(value)
        for name, buffer in network.named_buffers():
            buffer.copy_(state[_key(name)][replica])
        return network


class _Rest(nn.Module):
    """What follows the first product: its bias, then the rest of the network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, hidden: Tensor) -> Tensor:
        network = cast(TwoParts, self.network)
        if network.first.bias is not None:
            hidden = hidden + network.first.bias
        return network.rest(hidden)


class Columns:
    """The input of the first layer of all rows in use, folded and kept in memory.

    Attributes
    ----------
    fold : Fold
    members : (f,) float32
    """

    def __init__(self, network: nn.Module, task: Task) -> None:
        parts = [task.train, *task.parts.values()]
        used = torch.unique(torch.cat(parts))
        self._place = torch.full((len(task.target),), -1, device=used.device)
        self._place[used] = torch.arange(len(used), device=used.device)
        network = copy.deepcopy(network).to(task.device).eval()

        def chunks() -> Iterator[Tensor]:
            for rows in torch.split(used, READ):
                with torch.no_grad():
                    yield cast(TwoParts, network).columns(task.batch(rows))

        width = cast(TwoParts, network).first.in_features
        self.fold = Fold.none(width)
        if task.fold:
            self.fold = find(lambda: (chunk.reshape(-1, width) for chunk in chunks()))
        self.members = self.fold.members.to(task.device)
        kept = self.fold.kept.to(task.device)
        self.values: Tensor | None = None
        for number, chunk in enumerate(chunks()):
            if self.values is None:
                shape = (len(used), *chunk.shape[1:-1], len(kept))
                self.values = torch.empty(shape, device=task.device)
            self.values[number * READ : number * READ + len(chunk)] = chunk[..., kept]

    def product(self, weight: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(b, ..., replicas, h) of the (f, replicas, h) weight, and the columns."""
        assert self.values is not None
        f, replicas, h = weight.shape
        x = self.values[self._place[rows]]
        if rows.ndim == 1:
            out = (x * self.members).reshape(-1, f) @ weight.reshape(f, -1)
            return out.reshape(*x.shape[:-1], replicas, h), x
        many = torch.bmm((x * self.members).reshape(replicas, -1, f), weight.transpose(0, 1))
        return many.reshape(*x.shape[:-1], h).movedim(0, -2).contiguous(), x

    def gradient(self, x: Tensor, hidden: Tensor, out: Tensor | None) -> Tensor:
        """(f, replicas, h) gradient of the weight of one column of each group."""
        f, (replicas, h) = x.shape[-1], hidden.shape[-2:]
        if out is None:
            out = torch.empty(f, replicas, h, device=x.device)
        if x.ndim == hidden.ndim - 1:
            torch.mm(x.reshape(-1, f).T, hidden.reshape(-1, replicas * h), out=out.view(f, -1))
        else:
            own = hidden.movedim(-2, 0).reshape(replicas, -1, h)
            out.copy_(torch.bmm(x.reshape(replicas, -1, f).mT, own).transpose(0, 1))
        return out


def _first_name(network: nn.Module) -> str:
    """Name of the weight of the first layer."""
    weight = cast(TwoParts, network).first.weight
    return next(name for name, p in network.named_parameters() if p is weight)


def _key(name: str) -> str:
    return name.replace(".", "/")


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.replace("/", "."): v for k, v in state.items()}


def _named(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"network.{k}": v for k, v in _plain(state).items()}


def _hits(out: Tensor, target: Tensor) -> Tensor:
    """(replicas,) rows that were right."""
    return (out.detach().argmax(2) == target).sum(1)
