"""How well a crystal coincides with its own images: a convolution of a density with itself.

The space group of a crystal is the set of motions that put it onto itself.
Here the density of the atoms in the reduced cell is convolved with its image
under every operation that its *lattice* allows (at most 47 besides the
identity), and the best coincidence over all translations is kept.  The cell is
a primitive one: where the density coincides after a half or a third of it, it
is divided.  Densities are band-limited: they are known by their structure
factors F(h), |h_i| <= n, on which a translation is a phase and an operation W
a permutation, F'(h) = exp(2 pi i h.t) F(W^T h) (International Tables B,
section 1.4), so nothing depends on the origin.  How much coincidence counts as
a symmetry is not chosen here: it is learnt.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from crystalgui.core.datasets.collate import Batch, double
from crystalgui.core.models.layers.elements import N_ELEMENTS
from crystalgui.core.models.layers.graph import scatter_sum, take
from crystalgui.core.models.layers.mlp import MLP
from crystalgui.core.models.layers.niggli import niggli

LATTICE_TOLERANCE = 0.08
"""Largest relative change of a metric entry by an operation that is tried."""
NEWTON = 4
REMEMBERED = 60_000
"""Crystals whose images are kept: they have no parameters, and every epoch asks again."""
FRACTIONS = tuple(
    shift
    for n in (2, 3)
    for shift in itertools.product(*[[i / n for i in range(n)]] * 3)
    if any(shift) and shift <= tuple(-x % 1 for x in shift)
)
"""Translations that a cell of two or three primitive cells may have; one of t and -t."""
PADDED = 64
"""Crystals with at most so many atoms are padded and summed together, larger ones one by one."""
_ORDERS = (1, 2, 3, 4, 6)
_SEEN = 0.8
_EQUAL = 1e-9
_WHOLE = 0.9999
_PASSES = 3


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Every image of every crystal of a batch.

    Attributes
    ----------
    crystal : (p,) int64
    operation : (p,) int64
        Row of `operations`.
    strain : (p,)
        Largest relative change of an entry of the metric.
    match : (p,)
        Best coincidence, 1 for a symmetry.
    shift : (p, 3)
        The translation of it, in fractions of the reduced cell.
    halved : (b, 20)
        Coincidence after translations by halves and thirds of the cell.
    change : (b, 3, 3)
        The reduced primitive cell is ``change @ lattice``.
    """

    crystal: Tensor
    operation: Tensor
    strain: Tensor
    match: Tensor
    shift: Tensor
    halved: Tensor
    change: Tensor


@functools.cache
def operations() -> Tensor:
    """(w, 3, 3) int64: matrices of -1, 0 and 1 of finite order, without the identity.

    They hold all operations of all lattices in reduced cells.
    """
    found = torch.tensor(list(itertools.product((-1, 0, 1), repeat=9))).view(-1, 3, 3)
    found = found[torch.linalg.det(found.double()).abs().round() == 1]
    eye = torch.eye(3, dtype=torch.int64)
    power, finite = found, torch.zeros(len(found), dtype=torch.bool)
    for n in range(2, max(_ORDERS) + 1):
        power = power @ found
        if n in _ORDERS:
            finite |= (power == eye).all((1, 2))
    return found[finite & ~(found == eye).all((1, 2))]


@functools.cache
def _turned(most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Indices h (k, 3), and for each operation where W^T h is among them (w, k) and whether."""
    index = torch.tensor(list(itertools.product(range(-most, most + 1), repeat=3)))
    turned = index @ operations()
    inside = (turned.abs() <= most).all(2)
    edge = 2 * most + 1
    place = ((turned + most) * torch.tensor([edge * edge, edge, 1])).sum(2)
    return index, place.clamp(0, edge**3 - 1), inside


class Coincidence(nn.Module):
    """Structure factors and images of crystals in their reduced cells.

    Parameters
    ----------
    most : int
        Largest index of a structure factor, n.
    points : int
        Grid of the translations along each axis; the best is refined from there.
    """

    def __init__(self, most: int = 3, points: int = 10) -> None:
        super().__init__()
        self.most, self.points = most, points
        index, place, inside = _turned(most)
        self.index: Tensor
        self.place: Tensor
        self.inside: Tensor
        self.operations: Tensor
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("inside", inside, persistent=False)
        self.register_buffer("operations", operations(), persistent=False)
        self._memory: dict[bytes, tuple[Tensor, Tensor, Tensor]] = {}

    @staticmethod
    def reduced(batch: Batch, change: Tensor) -> tuple[Tensor, Tensor]:
        """Metric (b, 3, 3) of the reduced cells and coordinates (n, 3) in them."""
        lattice = change @ batch.lattice
        inverse = torch.linalg.inv(change).round()
        frac = torch.einsum("ni,nij->nj", batch.frac, inverse[batch.graph])
        return lattice @ lattice.mT, frac

    def waves(self, frac: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """exp(2 pi i h x) along each axis: three of (n, 2 most + 1)."""
        steps = torch.arange(-self.most, self.most + 1, device=frac.device)
        phase = 2 * math.pi * frac[:, :, None] * steps.to(frac.dtype)
        x, y, z = torch.polar(torch.ones_like(phase), phase).unbind(1)
        return x, y, z

    def factors(self, batch: Batch, frac: Tensor, values: Tensor) -> Tensor:
        """(b, c, k) complex structure factors of what each node carries, (n, c) real or complex."""
        x, y, z = self.waves(frac)
        plane = (x[:, :, None] * y[:, None, :]).flatten(1)
        line = (values[:, :, None] * z[:, None, :]).flatten(1)
        graph, number = batch.graph, torch.bincount(batch.graph, minlength=batch.size)
        large = number > PADDED
        own = (~large[graph]).nonzero()[:, 0]
        first = torch.cumsum(number, 0) - number
        slot = (torch.arange(len(graph), device=graph.device) - first[graph])[own]
        most = int(slot.max()) + 1 if len(own) else 0
        left = plane.new_zeros(batch.size, most, plane.shape[1])
        left[graph[own], slot] = plane[own]
        right = line.new_zeros(batch.size, most, line.shape[1])
        found = torch.bmm(left.mT, right.index_put((graph[own], slot), line[own]))
        for i in large.nonzero()[:, 0].tolist():
            atoms = slice(int(first[i]), int(first[i] + number[i]))
            found[i] = plane[atoms].mT @ line[atoms]
        found = found.view(batch.size, plane.shape[1], values.shape[1], -1)
        return found.movedim(2, 1).flatten(2)

    def strains(self, metric: Tensor) -> Tensor:
        """(b, w): the largest relative change of an entry of the metric by each operation."""
        w = self.operations.to(metric.dtype)
        length = metric.diagonal(dim1=1, dim2=2).sqrt()
        scale = length[:, :, None] * length[:, None, :]
        turned = torch.einsum("wki,bkl,wlj->bwij", w, metric, w)
        return ((turned - metric[:, None]) / scale[:, None]).abs().amax((2, 3))

    @torch.no_grad()
    def forward(self, batch: Batch) -> Images:
        """The images of every crystal; remembered on the CPU."""
        if batch.lattice.device.type != "cpu":
            return self._images(batch)
        names = _names(batch)
        if not all(name in self._memory for name in names):
            self._remember(names, self._images(batch))
        kept = [self._memory[name] for name in names]
        counts = torch.tensor([len(one) for one, _, _ in kept])
        pairs = torch.cat([one for one, _, _ in kept])
        crystal = torch.repeat_interleave(torch.arange(batch.size), counts)
        return Images(
            crystal, pairs[:, 0].long(), pairs[:, 1], pairs[:, 2], pairs[:, 3:],
            torch.stack([halved for _, halved, _ in kept]),
            torch.stack([change for _, _, change in kept]),
        )  # fmt: skip

    def _remember(self, names: list[bytes], images: Images) -> None:
        if len(self._memory) + len(names) > REMEMBERED:
            self._memory.clear()
        columns = [images.operation[:, None].to(images.match.dtype), images.strain[:, None]]
        pairs = torch.cat([*columns, images.match[:, None], images.shift], 1)
        counts = torch.bincount(images.crystal, minlength=len(names)).tolist()
        for name, one, halved, change in zip(
            names, torch.split(pairs, counts), images.halved, images.change, strict=True
        ):
            self._memory[name] = (one.clone(), halved.clone(), change.clone())

    def _images(self, batch: Batch) -> Images:
        """In double precision, so that the other crystals of a batch do not matter."""
        dtype, batch = batch.frac.dtype, double(batch)
        change = niggli(batch.lattice)
        for _ in range(_PASSES):
            metric, frac = self.reduced(batch, change)
            factor = self.factors(batch, frac, species_phases(batch)[:, None])[:, 0]
            halved = self.halved(factor)
            finer = primitive(halved)
            if finer is None:
                break
            lattice = finer @ change @ batch.lattice
            change = niggli(lattice) @ finer @ change
        strain = self.strains(metric)
        crystal, operation = (strain < LATTICE_TOLERANCE).nonzero().unbind(1)
        own = factor[crystal] * self.inside[operation]
        image = factor[crystal].gather(1, self.place[operation]) * self.inside[operation]
        cross = own.conj() * image
        norm = own.abs().square().sum(1) * image.abs().square().sum(1)
        shift = self._refined(cross, self._best(cross))
        match = self._at(cross, shift)[0] / norm.sqrt().clamp(min=1e-12)
        found = (strain[crystal, operation], match, shift % 1.0, halved, change)
        return Images(crystal, operation, *(x.to(dtype) for x in found))

    def halved(self, factor: Tensor) -> Tensor:
        """(b, 20): coincidence after each of `FRACTIONS`, of structure factors (b, k)."""
        power = factor.abs().square()
        phase = 2 * math.pi * self.index.to(power.dtype) @ power.new_tensor(FRACTIONS).T
        return power @ phase.cos() / power.sum(1, keepdim=True).clamp(min=1e-12)

    def grid(self, values: Tensor, points: int) -> Tensor:
        """(p, k) Fourier coefficients -> (p, points, points, points) real values on the torus."""
        edge = 2 * self.most + 1
        cube = values.new_zeros(len(values), points, points, points)
        cube[:, :edge, :edge, :edge] = values.view(-1, edge, edge, edge)
        cube = cube.roll((-self.most,) * 3, (1, 2, 3))
        out: Tensor = torch.fft.ifftn(cube, dim=(1, 2, 3), norm="forward").real
        return out

    def even_grid(self, power: Tensor, points: int) -> Tensor:
        """The same of real coefficients that are even in h, (..., k): real arithmetic."""
        edge, most = 2 * self.most + 1, self.most
        cube = power.view(*power.shape[:-1], edge, edge, edge)[..., most:]
        gap = points - edge
        for axis, pad in ((-3, (0, 0, 0, 0, 0, gap)), (-2, (0, 0, 0, gap))):
            below, above = torch.split(cube, [most, most + 1], axis)
            cube = torch.cat([nn.functional.pad(above, pad), below], axis)
        cube = nn.functional.pad(cube, (0, points // 2 - most))
        spectrum = torch.complex(cube, torch.zeros_like(cube))
        out: Tensor = torch.fft.irfftn(spectrum, s=(points,) * 3, norm="forward")
        return out

    def _best(self, cross: Tensor) -> Tensor:
        """(p, 3): the translation of the grid with the largest coincidence."""
        n = self.points
        every = self.grid(cross, n).flatten(1)
        most = every.amax(1, keepdim=True)
        value = (every >= most - _EQUAL * most.abs()).long().argmax(1)  # the first of equal ones
        grid = torch.stack([value // (n * n), value // n % n, value % n], 1)
        return grid.to(cross.real.dtype) / n

    def _at(self, cross: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Coincidence (p,), its gradient (p, 3) and Hessian (p, 3, 3) at a translation."""
        x, y, z = self.waves(shift)
        wave = (x[:, :, None, None] * y[:, None, :, None] * z[:, None, None, :]).flatten(1)
        term = cross * wave
        h = 2 * math.pi * self.index.to(shift.dtype)
        second = torch.einsum("ki,kj->kij", h, h).flatten(1)
        slope = -(term.imag @ h)
        bend = -(term.real @ second).view(-1, 3, 3)
        return term.real.sum(1), slope, bend

    def _refined(self, cross: Tensor, shift: Tensor) -> Tensor:
        """Newton's method, with steps of at most half a grid point."""
        limit = 0.5 / self.points
        for _ in range(NEWTON):
            _, slope, bend = self._at(cross, shift)
            size = bend.diagonal(dim1=1, dim2=2).abs().sum(1) + 1e-12
            eye = torch.eye(3, dtype=shift.dtype, device=shift.device)
            safe = bend - (1e-4 * size)[:, None, None] * eye
            step = -torch.linalg.solve(safe, slope)
            shift = shift + step.clamp(-limit, limit)
        return shift


def primitive(halved: Tensor) -> Tensor | None:
    """(b, 3, 3) rows that with (b, 20) translations make finer cells; None when no cell is.

    A translation by which the density coincides belongs to the lattice.  The
    basis is the Hermite normal form of the unit vectors and the translations.
    """
    whole = halved > _WHOLE
    if not bool(whole.any()):
        return None
    out = torch.eye(3, dtype=halved.dtype, device=halved.device).repeat(len(halved), 1, 1)
    for i in whole.any(1).nonzero()[:, 0].tolist():
        shifts = [FRACTIONS[j] for j in whole[i].nonzero()[:, 0].tolist()]
        rows = [[6 * (a == b) for b in range(3)] for a in range(3)]
        rows += [[round(6 * x) for x in shift] for shift in shifts]
        out[i] = out.new_tensor(_echelon(rows)) / 6
    return out


def _echelon(rows: list[list[int]]) -> list[list[int]]:
    """Basis of the lattice that rows of three whole numbers span, upper triangular."""
    basis = []
    for column in range(3):
        while True:
            rows.sort(key=lambda row: (row[column] == 0, abs(row[column])))
            first, rest = rows[0], rows[1:]
            if all(row[column] == 0 for row in rest):
                break
            rows = [
                first,
                *([x - row[column] // first[column] * y for x, y in zip(row, first, strict=True)]
                  for row in rest),
            ]  # fmt: skip
        basis.append([abs(first[column]) // first[column] * x for x in first])
        rows = rest
    return basis


def species_phases(batch: Batch) -> Tensor:
    """(n,) complex: the elements of a crystal share the circle, so unlike atoms never coincide."""
    kinds = batch.frac.new_zeros(batch.size, N_ELEMENTS)
    kinds[batch.graph, batch.species] = 1
    rank = (kinds.cumsum(1) - 1)[batch.graph, batch.species]
    phase = 2 * math.pi * rank / kinds.sum(1)[batch.graph]
    return torch.polar(torch.ones_like(phase), phase)


def _names(batch: Batch) -> list[bytes]:
    """A digest of each crystal: lattice, coordinates and elements."""
    ends = torch.bincount(batch.graph, minlength=batch.size).cumsum(0).tolist()
    cells, places = batch.lattice.numpy(), batch.frac.numpy()
    species = batch.species.numpy()
    names = []
    for i, (start, stop) in enumerate(itertools.pairwise([0, *ends])):
        h = hashlib.blake2b(cells[i].tobytes(), digest_size=16)
        h.update(places[start:stop].tobytes())
        h.update(species[start:stop].tobytes())
        names.append(h.digest())
    return names


class SymmetryReading(nn.Module):
    """What all images of a crystal say together: a sum over them, twice.

    For each image: its operation, how well it coincides and, for the
    reciprocal vectors h = W^T h that the operation leaves alone, the phase of
    h.t, which does not depend on the origin and is that of a screw axis or a
    glide plane.  In a cell of several primitive cells t is one of several;
    the vectors on which they differ are extinct, and left out.  The second
    sum lets each image see the first.

    Parameters
    ----------
    width : int
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        w = operations()
        kinds = torch.linalg.det(w.double()).round() * 10 + w.diagonal(dim1=1, dim2=2).sum(1)
        _, kind = kinds.unique(return_inverse=True)
        short = torch.tensor([h for h in itertools.product((-1, 0, 1), repeat=3) if h > (0, 0, 0)])
        fixed = ((short @ w) == short).all(2)
        one_hot = nn.functional.one_hot(kind)
        apart = short.double() @ torch.tensor(FRACTIONS, dtype=torch.float64).T
        self.short: Tensor
        self.apart: Tensor
        self.fixed: Tensor
        self.known: Tensor
        self.register_buffer("short", short, persistent=False)
        self.register_buffer("apart", (apart - apart.round()).abs() > 0.1, persistent=False)
        self.register_buffer("fixed", fixed, persistent=False)
        known = torch.cat([one_hot, w.flatten(1), fixed.long()], 1).float()
        self.register_buffer("known", known, persistent=False)
        self.first = MLP(known.shape[1] + 2 * len(short) + 3, width, width)
        self.second = nn.Linear(width, width)
        self.size = 2 * width + len(FRACTIONS)

    def forward(self, images: Images) -> Tensor:
        """(b, size)."""
        dtype, size = images.match.dtype, len(images.change)
        extinct = (images.halved[:, None] > _WHOLE) & self.apart
        kept = self.fixed[images.operation] & ~extinct.any(2)[images.crystal]
        fixed = kept.to(dtype)
        phase = 2 * math.pi * images.shift @ self.short.to(dtype).T
        match, strain = closeness(1 - images.match), closeness(images.strain)
        each = [
            self.known[images.operation].to(dtype), fixed * phase.cos(), fixed * phase.sin(),
            match[:, None], strain[:, None], (match * strain)[:, None],
        ]  # fmt: skip
        counted = ((images.match - _SEEN) / (1 - _SEEN)).clamp(0, 1)[:, None]
        own = nn.functional.leaky_relu(self.first(torch.cat(each, 1))) * counted
        seen = scatter_sum(own, images.crystal, size)
        met = nn.functional.leaky_relu(take(self.second(seen), images.crystal) + own) * own
        again = scatter_sum(met, images.crystal, size)
        return torch.cat([seen / 8, again / 8, closeness(1 - images.halved)], 1)


def closeness(difference: Tensor) -> Tensor:
    """0 for a difference of 1 and 2 for one of a millionth or less."""
    return -difference.clamp(min=1e-6).log10() / 3
