"""Looking at a data set of Hamiltonians: slices, embeddings, dimensions, symmetries of its noise.

The views of Bird (2023), section 3.1 and appendix B: two hoppings of every
sample (Fig. 14), a t-SNE embedding (Fig. 24), the intrinsic dimension by
singular values (section 2.9), and the noise with its symmetries (Fig. 25).
Mixtures of two Hamiltonians lie on a line, dimension 1; the noise has as many
dimensions as there are independent hoppings.  All work on the crops that the
networks read, in double precision and in eV.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crystalgui.core import stopping
from crystalgui.core.datasets.hamiltonians.crop import CELLS, live, places, values_at
from crystalgui.core.datasets.hamiltonians.dataset import PhaseDataset
from crystalgui.core.datasets.hamiltonians.noise_views import (
    SymmetryCheck,
    matrix_csv,
    no_cell,
    noise_matrix,
    origin_of,
    symmetry_check,
)
from crystalgui.core.datasets.hamiltonians.principal import (
    FLOOR,
    principal,
    singular_values,
    table,
)
from crystalgui.core.errors import DataError
from crystalgui.core.messages import BottleneckPoint
from crystalgui.core.physics.tables import header, rows_csv

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Element = tuple[tuple[int, int, int], int, int]
"""A hopping (A, i, j): lattice vector and orbitals, counted from 0."""
Part = Literal["real", "imaginary", "modulus"]

SAMPLES = 2000
"""Samples that are looked at when nothing else is said."""
DROP = 0.01
"""Share of the variance that an autoencoder may leave at the intrinsic dimension."""
COMPONENTS = 50
"""Principal components that t-SNE gets."""


def subsample(dataset: PhaseDataset, count: int = SAMPLES, seed: int = 0) -> Integers:
    """(count,) int64: rows drawn without repetition, in rising order."""
    if count >= len(dataset):
        return np.arange(len(dataset))
    drawn = np.random.default_rng(seed).choice(len(dataset), count, replace=False)
    return np.sort(drawn).astype(np.int64)


def _rows(dataset: PhaseDataset, rows: Sequence[int] | Integers | None, least: int = 1) -> Integers:
    some = subsample(dataset) if rows is None else np.asarray(rows, dtype=np.int64)
    if len(some) < least or some.min(initial=0) < 0 or some.max(initial=0) >= len(dataset):
        raise DataError(
            f"{len(some)} rows of {len(dataset)} samples cannot be looked at.",
            f"Choose at least {least} of the samples 0 to {len(dataset) - 1}.",
        )
    return some


def _phases(classes: Sequence[str]) -> str:
    return "phases: " + ", ".join(f"{i} {name}" for i, name in enumerate(classes))


# ------------------------------------------------------------ two hoppings (Fig. 14)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class TwoHoppings:
    """Two hoppings of many samples.

    Attributes
    ----------
    rows : (m,) int64
        Samples, and ``label`` (m,) int64 their phases, rows of ``classes``.
    x, y : (m,) float64, eV
        ``part`` of the hoppings ``first`` and ``second``.
    """

    rows: Integers
    label: Integers
    classes: tuple[str, ...]
    x: Floats
    y: Floats
    first: Element
    second: Element
    part: Part
    origin: str

    @property
    def names(self) -> tuple[str, str]:
        """Labels of the axes, without unit."""
        return element_name(self.first, self.part), element_name(self.second, self.part)

    def csv(self) -> str:
        """Sample, phase and both hoppings."""
        names = [f"{name.replace(',', ' ')} (eV)" for name in self.names]
        return header(None, self.origin, _phases(self.classes)) + rows_csv(
            ["sample", "phase", *names], [self.rows, self.label, self.x, self.y]
        )


def element_name(element: Element, part: Part = "real") -> str:
    """A hopping in words: ``Re H[1,10](1 0 0)``, orbitals counted from 1."""
    (a, b, c), i, j = element
    plain = f"H[{i + 1},{j + 1}]({a} {b} {c})"
    return {"real": f"Re {plain}", "imaginary": f"Im {plain}", "modulus": f"|{plain}|"}[part]


def two_hoppings(
    dataset: PhaseDataset,
    first: Element,
    second: Element,
    rows: Sequence[int] | Integers | None = None,
    part: Part = "real",
) -> TwoHoppings:
    """A two-dimensional slice through the data set (Fig. 14).

    Parameters
    ----------
    dataset : PhaseDataset
    first, second : (A, i, j)
        Any hoppings of the Hamiltonian, in the crop or not.
    rows : (m,) integers, optional
        Samples; by default `subsample`.
    part : {"real", "imaginary", "modulus"}
    """
    some = _rows(dataset, rows)
    for element in (first, second):
        _check(dataset, element)
    values = values_at(dataset, some, np.array([first[0], second[0]]))
    shown = []
    for place, (_, i, j) in enumerate((first, second)):
        real, imaginary = values[:, place, i, j].T
        shown.append(
            {"real": real, "imaginary": imaginary, "modulus": np.hypot(real, imaginary)}[part]
        )
    return TwoHoppings(
        rows=some,
        label=dataset.label[some],
        classes=dataset.summary.classes,
        x=shown[0],
        y=shown[1],
        first=first,
        second=second,
        part=part,
        origin=origin_of(dataset),
    )


def strongest(dataset: PhaseDataset, count: int = 12) -> tuple[Element, ...]:
    """Hoppings of the crop whose real part changes most between both ends, no two alike.

    Worth looking at in a slice: without noise the others hardly move.  Of
    hoppings that change by the same amount (partners by symmetry) only the
    first is named.
    """
    wanted = CELLS[live(dataset)]
    start, end = (e.matrices[places(dataset.cells, wanted)].real for e in dataset.ends())
    change = np.abs(end - start)
    found: list[Element] = []
    sizes: list[float] = []
    for flat in np.argsort(-change, axis=None, kind="stable"):
        cell, i, j = (int(x) for x in np.unravel_index(int(flat), change.shape))
        size = float(change[cell, i, j])
        if any(abs(size - other) < 1e-6 + 1e-3 * other for other in sizes):
            continue
        sizes.append(size)
        a, b, c = wanted[cell].tolist()
        found.append(((a, b, c), i, j))
        if len(found) == count:
            break
    return tuple(found)


def _check(dataset: PhaseDataset, element: Element) -> None:
    cell, i, j = element
    n = dataset.start.n_orbitals
    if not (0 <= i < n and 0 <= j < n):
        raise DataError(f"There are no orbitals {i + 1} and {j + 1} among {n}.", "Choose others.")
    if places(dataset.cells, np.array([cell]))[0] < 0:
        raise no_cell(dataset, cell)


# ------------------------------------------------------------ dimension and embedding


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Spectrum:
    """Singular values of a data set and what they say of its dimension.

    Attributes
    ----------
    rows : (m,) int64
        Samples.
    features : int
        Real numbers of a sample, constant zeros left out.
    values : (r,) float64, eV
        Singular values of the centred table over sqrt(m - 1): standard
        deviations along the principal axes, largest first.
    floor : float, eV
        Smaller ones are rounding (`FLOOR`).
    rank : int
        Values above the floor: the intrinsic dimension of a flat manifold.
    participation : float
        (sum of variances)^2 / sum of their squares: how many directions carry
        the variance.
    limited : bool
        Whether the rank is that of the number of samples, so that the
        dimension may be larger.
    """

    rows: Integers
    features: int
    values: Floats
    floor: float
    rank: int
    participation: float
    limited: bool
    origin: str

    @property
    def explained(self) -> Floats:
        """(r,): share of the variance along each axis."""
        variance = self.values**2
        total = variance.sum()
        return np.asarray(variance / total if total > 0 else variance)

    @property
    def sentence(self) -> str:
        """The dimension in words."""
        least = "At least " if self.limited else ""
        why = f", the most that {len(self.rows):,} samples can show" if self.limited else ""
        share = float(self.explained[0]) if len(self.values) else 0.0
        return (
            f"{least}{self.rank:,} direction{'' if self.rank == 1 else 's'} above rounding{why}; "
            "the variance is spread over "
            f"{self.participation:.3g} of them (participation ratio), the first carries "
            f"{share:.2%}. {len(self.rows):,} samples of {self.features:,} numbers."
        )

    def csv(self) -> str:
        """Standard deviation and share of the variance by component."""
        number = np.arange(1, len(self.values) + 1)
        return header(
            None,
            self.origin,
            f"samples: {len(self.rows)}, numbers in a sample: {self.features}",
            f"dimension: {'at least ' if self.limited else ''}{self.rank} above {self.floor:.3g} "
            f"eV, participation ratio {self.participation:.6g}",
        ) + rows_csv(
            ["component", "standard deviation (eV)", "share of variance"],
            [number, self.values, self.explained],
        )


def spectrum(dataset: PhaseDataset, rows: Sequence[int] | Integers | None = None) -> Spectrum:
    """Principal components of the crops and the dimension they show (section 2.9).

    With 2,000 samples and 5,832 numbers a few seconds.  The number of samples
    is cut where the table would be larger than 400 MB.
    """
    some, numbers = table(dataset, _rows(dataset, rows, 3))
    values = singular_values(numbers)
    deviations = values / np.sqrt(len(some) - 1)
    floor = FLOOR * float(deviations[0]) if len(deviations) else 0.0
    rank = int((deviations > floor).sum())
    variance = deviations**2
    spread = float(variance.sum() ** 2 / np.square(variance).sum()) if rank else 0.0
    return Spectrum(
        rows=some,
        features=numbers.shape[1],
        values=deviations,
        floor=floor,
        rank=rank,
        participation=spread,
        limited=rank >= min(len(some) - 1, numbers.shape[1]) and rank < numbers.shape[1],
        origin=origin_of(dataset),
    )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Embedding:
    """Samples on a plane that keeps neighbours together (Fig. 24).

    Attributes
    ----------
    rows : (m,) int64
        Samples, and ``label`` (m,) int64 their phases, rows of ``classes``.
    points : (m, 2) float64
        t-SNE; lengths have no unit.
    principal : (m, 2) float64, eV
        Along the first two principal axes.
    components : int
        Principal components that t-SNE got, and ``explained`` their share of
        the variance.
    of : int
        Size of the data set that the samples were drawn from.
    """

    rows: Integers
    label: Integers
    classes: tuple[str, ...]
    points: Floats
    principal: Floats
    components: int
    explained: float
    perplexity: float
    divergence: float
    seed: int
    of: int
    seconds: float
    origin: str

    @property
    def sentence(self) -> str:
        """What was embedded and how."""
        return (
            f"t-SNE of {len(self.rows):,} of {self.of:,} samples, from "
            f"{self.components} principal component{'' if self.components == 1 else 's'} "
            f"({self.explained:.2%} of the variance), "
            f"perplexity {self.perplexity:g}, seed {self.seed}."
        )

    def csv(self) -> str:
        """Sample, phase, both coordinates of the embedding and of the principal axes."""
        return header(None, self.origin, self.sentence, _phases(self.classes)) + rows_csv(
            ["sample", "phase", "t-SNE 1", "t-SNE 2", "principal 1 (eV)", "principal 2 (eV)"],
            [self.rows, self.label, self.points, self.principal],
        )


def embedding(
    dataset: PhaseDataset,
    rows: Sequence[int] | Integers | None = None,
    seed: int = 0,
    *,
    perplexity: float = 30.0,
    iterations: int = 500,
) -> Embedding:
    """Embed samples with t-SNE (van der Maaten and Hinton, JMLR 9, 2579 (2008)).

    Distances are those of the crops in eV, after reduction to their first
    `COMPONENTS` principal components.  By default `SAMPLES` samples.
    """
    from sklearn.manifold import TSNE

    began = time.monotonic()
    some, numbers = table(dataset, _rows(dataset, rows, 8))
    found = principal(numbers, COMPONENTS)
    scores, variance = found.scores, found.values**2
    stopping.check()
    perplexity = min(perplexity, (len(some) - 1) / 3)
    machine = TSNE(
        n_components=2,
        perplexity=perplexity,
        max_iter=iterations,
        init=_start(scores),
        random_state=seed,
        n_jobs=1,
        verbose=_Watched(),
    )
    points = machine.fit_transform(np.asarray(scores, dtype=np.float32))
    total = float(variance.sum())
    return Embedding(
        rows=some,
        label=dataset.label[some],
        classes=dataset.summary.classes,
        points=np.asarray(points, dtype=np.float64),
        principal=np.ascontiguousarray(_two(scores)),
        components=scores.shape[1],
        explained=float(variance[: scores.shape[1]].sum()) / total if total else 1.0,
        perplexity=float(perplexity),
        divergence=float(machine.kl_divergence_),
        seed=seed,
        of=len(dataset),
        seconds=time.monotonic() - began,
        origin=origin_of(dataset),
    )


class _Watched(int):
    """A verbosity of 0 that ends the work when that was asked for.

    scikit-learn offers no callback, but compares its verbosity every 50 steps.
    """

    def __ge__(self, other: int) -> bool:
        stopping.check()
        return int(self) >= other


def _two(scores: Floats) -> Floats:
    """The first two columns, zeros where there are fewer."""
    result = np.zeros((len(scores), 2))
    result[:, : min(2, scores.shape[1])] = scores[:, :2]
    return result


def _start(scores: Floats) -> NDArray[np.float32]:
    """Where t-SNE begins: the principal axes at the scale that it expects."""
    start = _two(scores)
    size = start[:, 0].std()
    return np.asarray(start / size * 1e-4 if size > 0 else start, dtype=np.float32)


# ------------------------------------------------------------ autoencoders


def bottleneck_dimension(points: Sequence[BottleneckPoint]) -> int | None:
    """The smallest width that leaves less than `DROP` of the variance; None: larger than all."""
    return min((point.width for point in points if point.test_error < DROP), default=None)


def bottleneck_sentence(points: Sequence[BottleneckPoint]) -> str:
    """What a sweep of autoencoders (`training.bottleneck`) says of the dimension."""
    if not points:
        return "No autoencoder has been trained yet."
    found = bottleneck_dimension(points)
    widest = max(points, key=lambda point: point.width)
    if found is None:
        return (
            f"More than {widest.width} dimensions: {widest.test_error:.1%} of the variance is "
            f"left with {widest.width} neurons in the middle."
        )
    return (
        f"Intrinsic dimension {found}: with {found} in the middle less than {DROP:.0%} of the "
        "variance is left."
    )


def bottleneck_csv(points: Sequence[BottleneckPoint], origin: str = "") -> str:
    """Errors by width, as shares of the variance."""
    ordered = sorted(points, key=lambda point: point.width)
    return header(None, origin, bottleneck_sentence(points)) + rows_csv(
        ["width", "training error (share of variance)", "test error (share of variance)"],
        [np.array([[p.width, p.train_error, p.test_error] for p in ordered]).reshape(-1, 3)],
    )


__all__ = [
    "Element",
    "Embedding",
    "Part",
    "Spectrum",
    "SymmetryCheck",
    "TwoHoppings",
    "bottleneck_csv",
    "bottleneck_dimension",
    "bottleneck_sentence",
    "element_name",
    "embedding",
    "matrix_csv",
    "noise_matrix",
    "spectrum",
    "strongest",
    "subsample",
    "symmetry_check",
    "two_hoppings",
]
