"""Read-outs of every layer, and attention over them.

Bird (2023), section 2.8: global pools of every layer of a pipeline are vectors
that do not know where anything was; each has a basis of its own, so each is
given a linear change of basis before they meet (row B63).  Tuned attention
joins them and is fully connected (Fig. 11, B61); free attention first gives
every read-out a value between 0 and 1 for each sample, which modulates it
(Fig. 12, B62).  Sigmoids that saturate damp a read-out for ever, so values are
rescaled to eps + (1 - eps) sigma (section 3.2, Fig. 28).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crystalgui.core.models.layers.mlp import MLP


class BasisChange(nn.Module):
    """A linear map of its own for each read-out, to vectors of one length.

    Neighbouring read-outs of one length are mapped in one product.

    Parameters
    ----------
    lengths : sequence of int
        Of the vectors of the read-outs.
    basis : int
        Length of what they become.
    """

    def __init__(self, lengths: Sequence[int], basis: int) -> None:
        super().__init__()
        self.runs = _runs(lengths)
        self.weights = nn.ParameterList()
        self.shifts = nn.ParameterList()
        for count, length in self.runs:
            bound = 1 / math.sqrt(length)
            self.weights.append(torch.empty(count, length, basis).uniform_(-bound, bound))
            self.shifts.append(torch.empty(count, basis).uniform_(-bound, bound))

    def parts(self) -> list[tuple[Tensor, Tensor]]:
        """Weight (length, basis) and shift (basis,) of each read-out, as views."""
        pairs = zip(self.weights, self.shifts, strict=True)
        return [part for weight, shift in pairs for part in zip(weight, shift, strict=True)]

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        """Vectors (b, length) of the read-outs -> (b, read-outs, basis)."""
        found, start = [], 0
        for (count, _), weight, shift in zip(self.runs, self.weights, self.shifts, strict=True):
            some = torch.stack(list(vectors[start : start + count]), 1)
            found.append(torch.einsum("bnl,nlk->bnk", some, weight) + shift)
            start += count
        return torch.cat(found, 1)


def _runs(lengths: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(how many, length) of neighbours that are as long."""
    runs: list[list[int]] = []
    for length in lengths:
        if runs and runs[-1][1] == length:
            runs[-1][0] += 1
        else:
            runs.append([1, length])
    return tuple((count, length) for count, length in runs)


class TunedAttention(nn.Module):
    """All read-outs joined and fully connected; their weight is learnt, not found (Fig. 11)."""

    def __init__(self, readouts: int, basis: int, wide: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.read = MLP(readouts * basis, wide, outputs, dropout=dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        """(b, read-outs, basis) -> (b, outputs)."""
        out: Tensor = self.read(vectors.flatten(1))
        return out


class FreeAttention(nn.Module):
    """Read-outs modulated by values that the sample itself asks for (Fig. 12).

    Parameters
    ----------
    normalised : bool
        Softmax, so that the values of a sample sum to 1; else sigmoids.
    floor : float
        Epsilon: no value is below it (below epsilon / read-outs for softmax).
    """

    def __init__(
        self,
        readouts: int,
        basis: int,
        wide: int,
        outputs: int,
        *,
        normalised: bool = False,
        floor: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.normalised, self.floor = normalised, floor
        self.ask = MLP(readouts * basis, wide, readouts)
        self.read = MLP(readouts * basis, wide, outputs, dropout=dropout)

    def attention(self, vectors: Tensor) -> Tensor:
        """(b, read-outs, basis) -> (b, read-outs) between 0 and 1."""
        asked: Tensor = self.ask(vectors.flatten(1))
        if self.normalised:
            return self.floor / vectors.shape[-2] + (1 - self.floor) * asked.softmax(-1)
        return self.floor + (1 - self.floor) * asked.sigmoid()

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """(b, read-outs, basis) -> (b, outputs), and the attention (b, read-outs)."""
        attention = self.attention(vectors)
        return self.read((vectors * attention[..., None]).flatten(1)), attention
