"""Faithful encodings: elements, positions and the global vector of a crystal.

Nop et al. (2025), section "Materials embeddings": an atom is an identifier
(left-step table, Fig. 3) and a position in fractions of the cell, a crystal
has a global vector of cell and space group.  Their sines alone are *not*
faithful: sin(2 pi 2^(i+1) x) for i = 0..4 is zero for x = 0, 1/4, 1/2 and
3/4 alike, and of a lattice entry v only sin(2 pi 2^(i+1) v / 10) is kept,
which repeats every 5 Angstrom and is zero every 2.5.  The kinds named
"waves" add the cosines (and the entry itself), so that two different crystals
never give the same numbers.  Everything works on whole batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from crystalgui.core.cards import Level, Param
from crystalgui.core.datasets.collate import Batch
from crystalgui.core.datasets.records import POINT_GROUPS
from crystalgui.core.models.layers.crystal import (
    MODULI,
    SymmetryGlobals,
    classes_of_groups,
    composition,
)
from crystalgui.core.models.layers.elements import (
    HALVES,
    N_ELEMENTS,
    ROWS,
    element_features,
    valence,
)

ELEMENT_KINDS = ("left-step", "one-hot", "one-hot-118", "learned", "properties", "left-step+")
"""``left-step+`` is left-step and properties."""
POSITION_KINDS = ("sines", "waves")
PERIOD = 10.0
MOST_ELECTRONS, MOST_ATOMS = 256, 64
_LEFT_STEP = ROWS + HALVES + 1


class ElementEncoding(nn.Module):
    """Atomic numbers as vectors.

    Parameters
    ----------
    kind : str
        One of `ELEMENT_KINDS`.  ``left-step``: one-hot row (8), one-hot half of
        the column (16) and its parity (1).  ``properties``: electronegativity,
        radius, valence electrons, metal, period; neighbours are close to each other.
    width : int
        Of the learned embedding.
    """

    def __init__(self, kind: str = "left-step", width: int = 32) -> None:
        super().__init__()
        if kind not in ELEMENT_KINDS:
            raise ValueError(f"{kind!r} is not one of {ELEMENT_KINDS}")
        self.kind = kind
        if kind == "learned":
            self.table: Tensor = nn.Parameter(torch.randn(N_ELEMENTS, width))
        else:
            self.register_buffer("table", _element_table(kind), persistent=False)
        self.size = self.table.shape[1]

    def forward(self, species: Tensor) -> Tensor:
        """(...) int64 atomic numbers -> (..., size)."""
        return self.table[species]


def _element_table(kind: str) -> Tensor:
    """(100, size) float32."""
    features = element_features()
    if kind == "left-step":
        return features[:, :_LEFT_STEP]
    if kind == "properties":
        return features[:, _LEFT_STEP:]
    if kind == "left-step+":
        return features
    return torch.eye(N_ELEMENTS, 118 if kind == "one-hot-118" else N_ELEMENTS)


class PositionEncoding(nn.Module):
    """Fractional coordinates as waves.

    Parameters
    ----------
    kind : {"sines", "waves"}
        ``sines``: sin(2 pi 2^(i+1) x), i = 0..4, as in the authors' code.
        ``waves``: sines and cosines of 2 pi 2^i x, i = 0..4; the first pair
        alone is injective on the torus.
    """

    waves = 5

    def __init__(self, kind: str = "waves") -> None:
        super().__init__()
        if kind not in POSITION_KINDS:
            raise ValueError(f"{kind!r} is not one of {POSITION_KINDS}")
        self.kind = kind
        self.size = 3 * self.waves * (1 if kind == "sines" else 2)

    def forward(self, frac: Tensor) -> Tensor:
        """(..., 3) fractional -> (..., size)."""
        first = 1 if self.kind == "sines" else 0
        scale = 2.0 ** torch.arange(first, first + self.waves, device=frac.device)
        phase = (2 * math.pi * frac[..., None] * scale.to(frac.dtype)).flatten(-2)
        if self.kind == "sines":
            return phase.sin()
        return torch.cat([phase.sin(), phase.cos()], -1)


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What the parts of a global vector are made of."""

    batch: Batch
    counts: Tensor
    electrons: Tensor
    outer: Tensor
    point_group: Tensor
    system: Tensor


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a global vector: its length, its values and what they depend on."""

    size: int
    values: Callable[[_Known], Tensor]
    breaks: tuple[str, ...] = ()
    tells: bool = False


CELL = ("supercell", "cell choice")
TURNED = ("rotation", *CELL)


def _sines(known: _Known) -> Tensor:
    cell = known.batch.lattice.reshape(known.batch.size, 9) / PERIOD
    return torch.cat([torch.sin(2 * math.pi * 2.0 ** (i + 1) * cell) for i in range(2)], 1)


def _waves(known: _Known) -> Tensor:
    cell = known.batch.lattice.reshape(known.batch.size, 9) / PERIOD
    phase = torch.cat([2 * math.pi * 2.0**i * cell for i in range(2)], 1)
    return torch.cat([cell, phase.sin(), phase.cos()], 1)


def _lengths(known: _Known) -> Tensor:
    lengths = torch.linalg.vector_norm(known.batch.lattice, dim=2)
    return torch.cat([lengths / PERIOD, lengths.log() - 1.5], 1)


def _angles(known: _Known) -> Tensor:
    """Cosines of alpha, beta, gamma."""
    a, b, c = nn.functional.normalize(known.batch.lattice, dim=2).unbind(1)
    return torch.stack([(b * c).sum(1), (a * c).sum(1), (a * b).sum(1)], 1)


def _handedness(known: _Known) -> Tensor:
    sign: Tensor = torch.linalg.det(known.batch.lattice).sign()
    return sign[:, None]


def _volume(known: _Known) -> Tensor:
    batch, atoms = known.batch, known.counts.sum(1)
    volume = torch.linalg.det(batch.lattice).abs() / batch.cells
    return torch.stack([(volume / atoms).log() - 3, volume.log() - 5], 1)


def _space_group(known: _Known) -> Tensor:
    return nn.functional.one_hot(known.batch.space_group - 1, 230)


def _binary(known: _Known) -> Tensor:
    bits = torch.arange(8, device=known.batch.space_group.device)
    return known.batch.space_group[:, None] >> bits & 1


def _modulo(known: _Known) -> Tensor:
    one_hot = nn.functional.one_hot
    counted = [one_hot(n % m, m) for n in (known.electrons, known.outer) for m in MODULI]
    return torch.cat(counted, 1)


def _parity(known: _Known) -> Tensor:
    return torch.stack([known.electrons % 2, known.outer % 2], 1)


def _unary(number: Tensor, most: int) -> Tensor:
    """(b,) int64 -> (b, most): as many ones as the number says, at most all."""
    return torch.arange(most, device=number.device) < number[:, None]


def _sites(known: _Known) -> Tensor:
    batch, kinds = known.batch, len(POINT_GROUPS)
    total = known.counts.new_zeros(batch.size * kinds)
    total = total.index_add_(0, batch.graph * kinds + batch.site, batch.weight)
    return total.view(batch.size, kinds).log1p()


PARTS: dict[str, _Part] = {
    "cell": _Part(18, _sines, TURNED),
    "cell waves": _Part(45, _waves, TURNED),
    "lengths": _Part(6, _lengths, CELL),
    "angles": _Part(3, _angles, CELL),
    "handedness": _Part(1, _handedness, ("cell choice",)),
    "volume": _Part(2, _volume),
    "space group": _Part(230, _space_group, tells=True),
    "space group bits": _Part(8, _binary, tells=True),
    "point group": _Part(
        len(POINT_GROUPS),
        lambda k: nn.functional.one_hot(k.point_group[k.batch.space_group], len(POINT_GROUPS)),
        tells=True,
    ),
    "crystal system": _Part(
        7, lambda k: nn.functional.one_hot(k.system[k.batch.space_group], 7), tells=True
    ),
    "electrons modulo": _Part(2 * sum(MODULI), _modulo),
    "electrons parity": _Part(2, _parity),
    "electrons unary": _Part(MOST_ELECTRONS, lambda k: _unary(k.outer, MOST_ELECTRONS)),
    "atoms unary": _Part(MOST_ATOMS, lambda k: _unary(k.counts.sum(1).round().long(), MOST_ATOMS)),
    "atoms": _Part(1, lambda k: k.counts.sum(1, keepdim=True).log()),
    "atom counts": _Part(N_ELEMENTS, lambda k: k.counts.log1p()),
    "fractions": _Part(N_ELEMENTS, lambda k: k.counts / k.counts.sum(1, keepdim=True) * 2),
    "sites": _Part(len(POINT_GROUPS), _sites, tells=True),
    "symmetry": _Part(SymmetryGlobals.size, lambda k: k.counts, tells=True),
}
"""Counts are per primitive cell; ``electrons unary`` counts valence electrons (at most 256)
and ``atoms unary`` atoms (at most 64); ``symmetry`` is `SymmetryGlobals`, with learned waves."""

_FILLING = ("electrons modulo", "electrons parity", "atoms", "atom counts", "fractions", "volume")
GLOBALS: dict[str, tuple[str, ...]] = {
    "none": (),
    "paper": ("cell", "space group"),
    "waves": ("cell waves", "space group"),
    "lengths": ("lengths", "angles", "handedness", "space group"),
    "filling": ("space group", "point group", "crystal system", *_FILLING),
    "symmetry": ("symmetry",),
    "cell": ("cell waves",),
    "metric": ("lengths", "angles", "handedness"),
    "composition": _FILLING,
    "unary": ("cell", "space group", "electrons unary", "atoms unary"),
    "bits": ("cell", "space group bits"),
}
"""Alternatives of the global vector, by the names that a card's parameter offers."""


class GlobalVector(nn.Module):
    """The global vector g of a crystal, put together from named parts.

    Parameters
    ----------
    parts : sequence of str
        Names from `PARTS`, or the values of `GLOBALS`.
    """

    def __init__(self, parts: Sequence[str]) -> None:
        super().__init__()
        unknown = set(parts) - set(PARTS)
        if unknown:
            raise ValueError(f"{sorted(unknown)} are not among {sorted(PARTS)}")
        self.parts = tuple(parts)
        self.size = sum(PARTS[name].size for name in self.parts)
        self.symmetry = SymmetryGlobals() if "symmetry" in self.parts else None
        self.valence: Tensor
        self.point_group: Tensor
        self.system: Tensor
        self.register_buffer("valence", valence(), persistent=False)
        point_group, system = classes_of_groups()
        self.register_buffer("point_group", point_group, persistent=False)
        self.register_buffer("system", system, persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """(b, size)."""
        dtype = batch.lattice.dtype
        counts = composition(batch)
        number = torch.arange(N_ELEMENTS, device=counts.device, dtype=counts.dtype)
        known = _Known(
            batch,
            counts,
            (counts @ number).round().long(),
            (counts @ self.valence.to(counts.dtype)).round().long(),
            self.point_group,
            self.system,
        )
        found = [batch.lattice.new_zeros(batch.size, 0)]
        for name in self.parts:
            if name == "symmetry" and self.symmetry is not None:
                found.append(self.symmetry(batch))
            else:
                found.append(PARTS[name].values(known).to(dtype))
        return torch.cat(found, 1)


def broken_by(parts: Sequence[str]) -> frozenset[str]:
    """Invariances that a global vector of these parts does not have."""
    return frozenset(name for part in parts for name in PARTS[part].breaks)


def of_globals() -> dict[str, dict[str, Level]]:
    """For a card's ``depends``: what each alternative of the global vector breaks."""
    return {
        f"globals={name}": dict.fromkeys(sorted(broken_by(parts)), "no")
        for name, parts in GLOBALS.items()
        if broken_by(parts)
    }


def tells_symmetry(parts: Sequence[str]) -> bool:
    """Whether one of the parts gives the space group or the point group away."""
    return any(PARTS[part].tells for part in parts)


def globals_param(default: str, names: Sequence[str] = tuple(GLOBALS)) -> Param:
    """The card's parameter ``globals``: which global vector."""
    return Param(
        name="globals",
        label="Global vector",
        default=default,
        choices=tuple(names),
        help="What is known of the whole crystal. paper: sines of the cell and the space group; "
        "waves: the cell without aliases; lengths: invariant under rotation; filling: space "
        "group, electron count and composition; symmetry: the same with site symmetries and "
        "learned waves; cell, metric and composition do not tell the space group.",
    )


def elements_param(default: str) -> Param:
    """The card's parameter ``elements``: how an element is written."""
    return Param(
        name="elements",
        label="Elements",
        default=default,
        choices=ELEMENT_KINDS,
        help="left-step: row, half column and spin of the left-step table; one-hot; learned; "
        "properties: electronegativity, radius, valence, metal, period; left-step+: both.",
    )


def positions_param(default: str) -> Param:
    """The card's parameter ``positions``: how a fractional coordinate is written."""
    return Param(
        name="positions",
        label="Positions",
        default=default,
        choices=POSITION_KINDS,
        help="sines: five sines a coordinate, as published (0 and 1/2 are the same); waves: with "
        "cosines, no two positions are the same.",
    )
