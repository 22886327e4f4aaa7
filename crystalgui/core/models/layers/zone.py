"""Channels of a Brillouin zone without the conventions that they are written in.

Which reciprocal vectors span the cell, in which order and with which sign, is
a convention; channels of links, plaquettes and loops come one for each axis.
Here they become numbers that know no axes (`Symmetrised`), and what a plane of
the zone adds up to, for each of the three stacks of planes (`Profiles`): Berry
flux makes Chern numbers, crossings of charge centres and vortices of the
Pfaffian count towards Z2 (Soluyanov and Vanderbilt 2011; Kane and Mele 2005).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crystalgui.core.models.layers.torus import POOLS

AXES = ("1", "2", "3")
PLANES = ("23", "31", "12")
"""By their normal."""
STEPS = ("12", "13", "21", "23", "31", "32")
"""Axis of the loops, axis of the step."""
SIGNED = frozenset({"flux", "vortex", "charge", "polarisation sin"})
"""Their signs follow the handedness or the direction of the axes."""
COUNTS = 4.0
"""Largest count of a plane that a network sees."""


def groups(names: Sequence[str]) -> dict[str, list[int]]:
    """Channels by what they belong to: rows of 1 (a scalar), 3 (axes or planes) or 6 (steps)."""
    place = {name: i for i, name in enumerate(names)}
    found: dict[str, list[int]] = {}
    for name in names:
        head, _, tail = name.rpartition(" ")
        marks: tuple[str, ...] = ()
        if tail in AXES and all(f"{head} {a}" in place for a in AXES):
            marks = AXES
        elif tail in STEPS and all(f"{head} {s}" in place for s in STEPS):
            marks = STEPS
        elif tail in PLANES and all(f"{head} {p}" in place for p in PLANES):
            marks = PLANES
        key = head if marks else name
        found.setdefault(key, [place[f"{head} {m}"] for m in marks] if marks else [place[name]])
    return found


class Symmetrised(nn.Module):
    """Features at each k that permutations of the axes do not change.

    Three values of three axes are sorted, which loses nothing but their names;
    six of six steps become mean and maximum.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.rows = groups(names)
        self.features = sum({1: 1, 3: 3, 6: 2}[len(rows)] for rows in self.rows.values())

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, n1, n2, n3) -> (b, n1, n2, n3, features)."""
        found = []
        for name, rows in self.rows.items():
            part = x[:, rows]
            if name in SIGNED:
                part = part.abs()
            if len(rows) == 3:
                part = part.sort(dim=1).values
            elif len(rows) == 6:
                part = torch.cat([part.mean(1, keepdim=True), part.amax(1, keepdim=True)], 1)
            found.append(part)
        return torch.cat(found, 1).movedim(1, -1)


class Profiles(nn.Module):
    """What each plane of the zone adds up to, along each of its three normals.

    Features of a plane: Chern number |C|, and how odd it is; crossings of
    charge centres and vortices of the Pfaffian, each as a count of pairs and
    its parity (-1)^count; the loops within the plane; and of every other
    channel its mean, least and greatest value.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.rows = groups(names)
        counted = sum({"flux": 2, "vortex": 2, "crossing": 4}.get(name, 0) for name in self.rows)
        plain = sum(self._plain(name, rows) for name, rows in self.rows.items())
        self.features = counted + 3 * plain

    @staticmethod
    def _plain(name: str, rows: list[int]) -> int:
        """Fields of a group in the frame of one normal."""
        return 0 if len(rows) == 6 else {1: 1, 3: 3}[len(rows)]

    def forward(self, x: Tensor) -> list[Tensor]:
        """(b, c, n1, n2, n3) -> three of (b, n, features), for normals 1, 2, 3."""
        return [self._along(x, normal) for normal in range(3)]

    def _along(self, x: Tensor, normal: int) -> Tensor:
        others = [axis for axis in range(3) if axis != normal]
        fields, counts = [], []
        for name, rows in self.rows.items():
            part = x[:, rows]
            if len(rows) == 1:
                fields.append(part.abs() if name in SIGNED else part)
                continue
            if len(rows) == 6:
                counts += self._crossings(part, others)
                continue
            if name in ("flux", "vortex"):
                plane = part[:, normal]
                total = (plane if name == "flux" else plane.abs()).sum([a + 1 for a in others]) / 2
                counts += _count(total.abs())
            if name in SIGNED:
                part = part.abs()
            # The value of the normal, then the other two, which have no order.
            rest = part[:, others].sort(dim=1).values
            fields.append(torch.cat([part[:, normal : normal + 1], rest], 1))
        values = [c[..., None] for c in counts]
        if fields:
            table = torch.cat(fields, 1).movedim(normal + 2, 1).flatten(3)
            values += [table.mean(3), table.amin(3), table.amax(3)]
        return torch.cat(values, 2)

    @staticmethod
    def _crossings(part: Tensor, others: list[int]) -> list[Tensor]:
        """Pairs of crossings within the plane, for loops along either of its axes."""
        one, two = others
        found = []
        for loops, step in ((one, two), (two, one)):
            row = part[:, STEPS.index(f"{loops + 1}{step + 1}")]
            found.append(row.sum(step + 1, keepdim=True).mean(loops + 1, keepdim=True) / 2)
        both = torch.stack([f.flatten(1) for f in found])
        return [*_count(both.amin(0)), *_count(both.amax(0))]


def _count(total: Tensor) -> list[Tensor]:
    """A count, and whether it is even (1) or odd (-1)."""
    return [total.clamp(max=COUNTS), torch.cos(torch.pi * total)]


def plane_pools(x: Tensor) -> list[Tensor]:
    """Mean and maximum over each plane: (b, n1, n2, n3, c) -> three of (b, n, 2 c)."""
    tables = [x.movedim(normal + 1, 1).flatten(2, 3) for normal in range(3)]
    return [torch.cat([t.mean(2), t.amax(2)], -1) for t in tables]


N_POOLS = len(POOLS)
