"""Set attention: every atom looks at every atom, and padding is never looked at.

Lee, Lee, Kim, Kosiorek, Choi, Teh (2019), "Set Transformer", section 3: the
attention block of a set on itself (SAB), through a few inducing points (ISAB,
which costs n m in place of n^2) and pooling by seeds (PMA).  Nop et al. (2025),
"Novel crystal attention neural network", use them on atoms.

Norms stand before each part (Xiong et al. 2020).  A key that stands for m
equal atoms has log m added to its logits, which is the attention on m copies
of it: orbits give what all their atoms would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from crystalgui.core.models.layers.mlp import MLP

Side = Literal["atoms", "seeds", "points"]


@dataclass(frozen=True, slots=True, eq=False)
class Attended:
    """Who looked at whom in one layer.

    Attributes
    ----------
    layer : str
    queries, keys : {"atoms", "seeds", "points"}
        Atoms are the nodes of the graph; seeds pool, points induce.
    weights : (b, heads, q, k) float
        Rows sum to 1 over the keys.
    rows : (b, q) float, optional
        Atoms that each query stands for; 0 for padding, and for a query whose answer is not used.
    many : (b, k) float, optional
        Atoms that each key stands for; 0 for padding.
    crystals : (b,) int64, optional
        Which ones of a batch.
    """

    layer: str
    queries: Side
    keys: Side
    weights: Tensor
    rows: Tensor | None = None
    many: Tensor | None = None
    crystals: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """What is known of the keys of an attention.

    Attributes
    ----------
    bias : (b, 1, 1, k) float
        Logarithm of the multiplicity; minus infinity hides a key.
    pairs : (b, q, k, f) float, optional
        What is known of each pair, e.g. functions of its distances.
    """

    bias: Tensor
    pairs: Tensor | None = None


def visible(mask: Tensor, weight: Tensor | None = None) -> Tensor:
    """(b, 1, 1, k) bias of keys: log of ``weight`` (b, k) where ``mask`` (b, k), else hidden."""
    like = torch.zeros(mask.shape, device=mask.device) if weight is None else weight.log()
    return like.masked_fill(~mask, -math.inf)[:, None, None, :]


class Attention(nn.Module):
    """Multi-head attention of queries on keys.

    Parameters
    ----------
    width : int
        Of queries and keys, d.
    heads, key : int
        Heads, and the length of the keys of each.
    pairs : int
        Features of a pair; they shift the logits and are part of what is seen.
    leaky : bool
        Leaky ReLU after the projections, as in the authors' code of Nop et al. (2025).
    """

    def __init__(
        self, width: int, heads: int, key: int, *, pairs: int = 0, leaky: bool = False
    ) -> None:
        super().__init__()
        self.heads, self.key, self.leaky = heads, key, leaky
        self.query = nn.Linear(width, heads * key)
        self.keys = nn.Linear(width, heads * key, bias=False)
        self.values = nn.Linear(width, heads * key)
        self.out = nn.Linear(heads * key, width)
        self.shift = nn.Linear(pairs, heads, bias=False) if pairs else None
        self.told = nn.Linear(heads * pairs, width, bias=False) if pairs else None

    def forward(self, x: Tensor, y: Tensor, keys: Keys) -> tuple[Tensor, Tensor]:
        """(b, q, d) on (b, k, d) -> (b, q, d), and the weights (b, heads, q, k)."""
        q, k, v = (
            self._split(part(z)) for part, z in ((self.query, x), (self.keys, y), (self.values, y))
        )
        logits = q @ k.transpose(-1, -2) / math.sqrt(self.key) + keys.bias
        if self.shift is not None and keys.pairs is not None:
            logits = logits + self.shift(keys.pairs).permute(0, 3, 1, 2)
        weights = logits.softmax(-1)
        out: Tensor = self.out((weights @ v).transpose(1, 2).flatten(2))
        if self.told is not None and keys.pairs is not None:
            seen = weights.permute(0, 2, 1, 3) @ keys.pairs  # (b, q, heads, f)
            out = out + self.told(seen.flatten(2))
        return out, weights

    def _split(self, x: Tensor) -> Tensor:
        """(b, n, heads * key) -> (b, heads, n, key)."""
        if self.leaky:
            x = nn.functional.leaky_relu(x)
        return x.view(*x.shape[:-1], self.heads, self.key).transpose(1, 2)


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of an attention block.

    Attributes
    ----------
    width, heads, key : int
    hidden : tuple of int
        Hidden sizes of the feed-forward part.
    pairs : int
    leaky : bool
    dropout : float
    """

    width: int
    heads: int
    key: int
    hidden: tuple[int, ...]
    pairs: int = 0
    leaky: bool = False
    dropout: float = 0.0

    @property
    def alone(self) -> Shape:
        """The same without features of pairs."""
        return Shape(self.width, self.heads, self.key, self.hidden, 0, self.leaky, self.dropout)


class MAB(nn.Module):
    """Queries look at keys, then each thinks for itself; a skip past both.

    ``open_end`` has no skip past the feed-forward part, as the last layer of
    the alternating form rFF(SAB(rFF(SAB(Z)))) of Nop et al. (2025).
    """

    def __init__(self, shape: Shape, *, open_end: bool = False) -> None:
        super().__init__()
        width = shape.width
        self.open_end = open_end
        self.attention = Attention(
            width, shape.heads, shape.key, pairs=shape.pairs, leaky=shape.leaky
        )
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.thought = MLP(width, *shape.hidden, width)
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor, y: Tensor, keys: Keys) -> tuple[Tensor, Tensor]:
        """(b, q, d) on (b, k, d) -> (b, q, d), and the weights."""
        seen, weights = self.attention(self.norms[0](x), self.norms[1](y), keys)
        x = x + self.drop(seen)
        thought = self.drop(self.thought(self.norms[2](x)))
        return (thought if self.open_end else x + thought), weights


class SAB(nn.Module):
    """A set looks at itself."""

    def __init__(self, shape: Shape, *, open_end: bool = False) -> None:
        super().__init__()
        self.block = MAB(shape, open_end=open_end)

    def forward(self, x: Tensor, keys: Keys) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(b, n, d) -> (b, n, d), and the weights."""
        x, weights = self.block(x, x, keys)
        return x, (weights,)


class ISAB(nn.Module):
    """A set looks at a few points that looked at it: n m in place of n^2.

    It knows nothing of pairs.
    """

    def __init__(self, shape: Shape, points: int) -> None:
        super().__init__()
        self.points = nn.Parameter(torch.randn(points, shape.width) / math.sqrt(shape.width))
        self.inward, self.outward = MAB(shape.alone), MAB(shape.alone)

    def forward(self, x: Tensor, keys: Keys) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(b, n, d) -> (b, n, d), and the weights of points on atoms and of atoms on points."""
        start = self.points.expand(len(x), -1, -1)
        h, inward = self.inward(start, x, keys)
        x, outward = self.outward(x, h, Keys(x.new_zeros(())))
        return x, (inward, outward)


class PMA(nn.Module):
    """Pooling: seeds, the same for every crystal but for a ``context``, look at a set."""

    def __init__(self, shape: Shape, seeds: int) -> None:
        super().__init__()
        self.seeds = nn.Parameter(torch.randn(seeds, shape.width) / math.sqrt(shape.width))
        self.block = MAB(shape.alone)

    def forward(self, x: Tensor, keys: Keys, context: Tensor) -> tuple[Tensor, Tensor]:
        """(b, n, d) with a context (b, d) -> (b, seeds, d), and the weights."""
        start = self.seeds + context[:, None, :]
        pooled, weights = self.block(start, x, keys)
        return pooled, weights


def entropy(weights: Tensor, many: Tensor | None = None) -> Tensor:
    """(..., k) attention -> (...) entropy in nats: log k looks at all alike, 0 at one.

    A key that stands for ``many`` (..., k) atoms shares its weight among them.
    """
    total: Tensor = torch.special.entr(weights).sum(-1)
    if many is not None:
        total = total + (weights * many.clamp(min=1).log()).sum(-1)
    return total
