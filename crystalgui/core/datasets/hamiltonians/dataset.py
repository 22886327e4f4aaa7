"""A data set of Hamiltonians of one crystal: mixtures of two, with noise, and their phases.

A sample is a number alpha and the seed of its noise; its hoppings are made
again when they are wanted, so 60,000 samples of 18 orbitals take a few
megabytes (Bird 2023, section 3.1: H = (1 - alpha) start + alpha end + noise).
Samples without a certified phase are kept apart and are in no other array.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.dataset import RECORDS, SUMMARY, load_summary
from crystalgui.core.errors import CrystalError, DataError
from crystalgui.core.messages import DatasetSummary, PhaseDataRecipe
from crystalgui.core.physics.certificate import Certificate
from crystalgui.core.physics.classify import classify
from crystalgui.core.physics.perturb import add, interpolate, noise, noise_batch
from crystalgui.core.store.encode import from_plain, to_plain
from crystalgui.core.structures.hoppings.compact import read_compact, write_compact
from crystalgui.core.structures.hoppings.model import Hoppings

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Complexes = NDArray[np.complex128]

CLASSES = ("trivial insulator", "topological insulator", "Weyl semimetal")
"""Phases of the paper, in its order; `PhaseDataset.label` counts in it."""
VIA = ("certificate", "continuity", "homotopy")
"""How a sample got its phase: a certificate of its own, an open gap to a certified
neighbour along the mixture, or an open gap to the mixture without its noise."""
RECIPE, CARD = "recipe.json", "card.md"
START, END = "start.hoppings.safetensors", "end.hoppings.safetensors"
FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Samples:
    """Columns that every sample has, labelled or not.

    Attributes
    ----------
    number : (m,) int64
        Place in the sequence of draws; with the recipe's seed it determines
        all the rest.
    alpha : (m,) float64
    noise_seed : (m,) int64
        -1 without noise.
    label : (m,) int64
        Row of the classes; of those apart, row of `PhaseDataset.reasons`.
    gap : (m,) float64, eV
        Smallest direct gap that was found, and ``k`` (m, 3) reduced, where.
    via : (m,) int8
        Row of `VIA`.
    """

    number: Integers
    alpha: Floats
    noise_seed: Integers
    label: Integers
    gap: Floats
    k: Floats
    via: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.alpha)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Each column by its name."""
        return {name: getattr(self, name) for name in _COLUMNS}

    def select(self, rows: Any) -> Samples:
        """Some rows, by index or mask."""
        return Samples(**{name: column[rows] for name, column in self.columns().items()})

    @classmethod
    def join(cls, parts: Sequence[Samples]) -> Samples:
        """One after the other."""
        return cls(
            **{name: np.concatenate([p.columns()[name] for p in parts]) for name in _COLUMNS}
        )

    @classmethod
    def empty(cls) -> Samples:
        """No samples."""
        return cls(**{name: np.zeros((0, *tail), kind) for name, (kind, tail) in _COLUMNS.items()})


_COLUMNS: Mapping[str, tuple[Any, tuple[int, ...]]] = {
    "number": (np.int64, ()),
    "alpha": (np.float64, ()),
    "noise_seed": (np.int64, ()),
    "label": (np.int64, ()),
    "gap": (np.float64, ()),
    "k": (np.float64, (3,)),
    "via": (np.int8, ()),
}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PhaseDataset:
    """Samples of H = (1 - alpha) start + alpha end + noise with certified phases.

    Attributes
    ----------
    summary : DatasetSummary
        ``kind`` is ``"hoppings"``, ``classes`` are `CLASSES`.
    recipe : PhaseDataRecipe
    start, end : Hoppings
        On the same lattice vectors, alpha = 0 and 1.
    occupied : int
        Bands below the gap.
    samples : Samples
        The labelled ones.
    is_test : (m,) bool
    apart : Samples
        Without a certified phase of `CLASSES`.
    reasons : tuple of str
        What the samples apart are: ``unresolved``, ``undefined``, ``metal`` ...
    """

    summary: DatasetSummary
    recipe: PhaseDataRecipe
    start: Hoppings
    end: Hoppings
    occupied: int
    samples: Samples
    is_test: NDArray[np.bool_]
    apart: Samples
    reasons: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def alpha(self) -> Floats:
        """(m,) float64: mixing."""
        return self.samples.alpha

    @property
    def noise_seed(self) -> Integers:
        """(m,) int64: -1 without noise."""
        return self.samples.noise_seed

    @property
    def label(self) -> Integers:
        """(m,) int64: row of ``summary.classes``."""
        return self.samples.label

    @property
    def gap(self) -> Floats:
        """(m,) float64: smallest direct gap, eV; 0 where nodes were certified."""
        return self.samples.gap

    @property
    def k(self) -> Floats:
        """(m, 3) float64: where the gap is, reduced."""
        return self.samples.k

    @property
    def via(self) -> NDArray[np.int8]:
        """(m,) int8: row of `VIA`."""
        return self.samples.via

    @property
    def cells(self) -> Integers:
        """(c, 3) int64: lattice vectors of `matrices`."""
        return self.start.cells

    # ------------------------------------------------------------ Hamiltonians

    def ends(self) -> tuple[Hoppings, Hoppings]:
        """Both ends, on the same lattice vectors."""
        return self.start, self.end

    def noise(self, i: int) -> Hoppings | None:
        """The noise of sample ``i``, or None."""
        return noise_of(self.recipe, self.start, int(self.noise_seed[i]))

    def hamiltonian(self, i: int) -> Hoppings:
        """Sample ``i``."""
        mixed = interpolate(self.start, self.end, float(self.alpha[i]))
        delta = self.noise(i)
        made = mixed if delta is None else add(mixed, delta)
        return replace(made, title=f"{self.summary.name}, sample {i}", occupied=self.occupied)

    def matrices(self, rows: Sequence[int] | Integers) -> Complexes:
        """H(A) of many samples, (b, c, n, n) complex128 in eV, on `cells`."""
        rows = np.asarray(rows, dtype=np.int64)
        weight = self.alpha[rows][:, None, None, None]
        mixed = (1 - weight) * self.start.matrices + weight * self.end.matrices
        return np.asarray(mixed + self.noise_matrices(rows))

    def noise_matrices(self, rows: Sequence[int] | Integers) -> Complexes:
        """The noise of many samples on `cells`, (b, c, n, n) complex128 in eV."""
        rows = np.asarray(rows, dtype=np.int64)
        recipe = self.recipe
        if recipe.strength == 0 or not len(rows):
            return np.zeros((len(rows), *self.start.matrices.shape), np.complex128)
        cells, made = noise_batch(
            self.start,
            [recipe.strength] * len(rows),
            self.noise_seed[rows].tolist(),
            mode=recipe.mode,
            normalisation=recipe.normalisation,
            envelope=recipe.envelope,
        )
        assert np.array_equal(cells, self.cells)  # `common` has made them so
        return np.asarray(made)

    def certificate(self, i: int) -> Certificate:
        """A fresh certificate of sample ``i``: what its label must agree with."""
        return classify(self.hamiltonian(i), self.occupied, gap_tolerance=self.recipe.gap_tolerance)

    # ------------------------------------------------------------ on disk

    def save(self) -> None:
        """Write into ``summary.folder``."""
        from safetensors.numpy import save

        from crystalgui.core.store.files import write_atomic

        folder = self.summary.folder
        folder.mkdir(parents=True, exist_ok=True)
        write_compact(self.start, folder / START)
        write_compact(self.end, folder / END)
        arrays: dict[str, NDArray[Any]] = {"is_test": self.is_test}
        for prefix, samples in (("", self.samples), ("apart_", self.apart)):
            for name, column in samples.columns().items():
                arrays[prefix + name] = np.ascontiguousarray(column)
        header = {"format": FORMAT, "occupied": self.occupied, "reasons": self.reasons}
        meta = {"header": json.dumps(header)}  # one key: the order of several is random
        write_atomic(folder / RECORDS, save(arrays, metadata=meta))
        base = folder.absolute()
        write_atomic(folder / RECIPE, json.dumps(to_plain(self.recipe, base), indent=1))
        write_atomic(folder / CARD, card(self))
        plain: dict[str, Any] = dataclasses.asdict(self.summary)
        plain["folder"] = ""
        write_atomic(folder / SUMMARY, json.dumps(plain, indent=1))  # last: now it is complete

    @classmethod
    def load(cls, folder: Path) -> PhaseDataset:
        """Read a data set.

        Raises
        ------
        DataError
            When the folder holds none, or one of another version.
        """
        folder = Path(folder)
        summary = load_summary(folder)
        if summary.kind != "hoppings":
            raise DataError(
                f"This data set is one of {summary.kind}, not of hoppings.",
                "Choose a data set that was made from Hamiltonians.",
                path=folder,
            )
        try:
            arrays, header = _read(folder / RECORDS)
            recipe = read_plain(json.loads((folder / RECIPE).read_text("utf-8")), folder)
            columns, apart = (
                Samples(**{name: arrays[prefix + name] for name in _COLUMNS})
                for prefix in ("", "apart_")
            )
            return cls(
                summary=summary,
                recipe=recipe,
                start=read_compact(folder / START),
                end=read_compact(folder / END),
                occupied=int(header["occupied"]),
                samples=columns,
                is_test=arrays["is_test"].astype(np.bool_),
                apart=apart,
                reasons=tuple(header["reasons"]),
            )
        except DataError:
            raise
        except (OSError, ValueError, KeyError, TypeError, CrystalError) as error:
            raise DataError(
                "This data set of Hamiltonians cannot be read.",
                "Make it again from its recipe.",
                str(error),
                path=folder,
            ) from error


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            meta = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(
            "The data set cannot be read.", "Make it again.", str(error), path=path
        ) from error
    header = json.loads(meta.get("header", "{}"))
    if header.get("format", FORMAT) != FORMAT or "occupied" not in header:
        raise DataError(
            "The data set was written by another version of the program.",
            "Make it again from its recipe.",
            path=path,
        )
    return arrays, header


def read_plain(plain: Mapping[str, Any], base: Path) -> PhaseDataRecipe:
    """A recipe from JSON values; paths are relative to ``base``.  May raise ValueError."""
    return from_plain(PhaseDataRecipe, dict(plain), base.absolute())


# ------------------------------------------------------------ pieces of a sample


def common(start: Hoppings, end: Hoppings) -> tuple[Hoppings, Hoppings]:
    """Both ends on all their lattice vectors, which are closed under A -> -A."""
    one, other = interpolate(start, end, 0.0), interpolate(start, end, 1.0)
    opposite = {tuple(cell) for cell in (-one.cells).tolist()}
    if opposite != {tuple(cell) for cell in one.cells.tolist()}:
        raise DataError(
            "Some lattice vectors of these hoppings have no opposite.",
            "Give hoppings with H(-A) = H(A)^dagger for every A.",
        )
    return replace(one, title=start.title), replace(other, title=end.title)


def noise_of(recipe: PhaseDataRecipe, start: Hoppings, seed: int) -> Hoppings | None:
    """The noise with a seed on the lattice vectors of ``start``; None without noise."""
    if recipe.strength == 0 or seed < 0:
        return None
    return noise(
        start,
        recipe.strength,
        seed,
        mode=recipe.mode,
        normalisation=recipe.normalisation,
        envelope=recipe.envelope,
    ).hoppings


def digest(
    recipe: PhaseDataRecipe,
    start: Hoppings,
    end: Hoppings,
    samples: Samples,
    is_test: NDArray[np.bool_],
) -> str:
    """SHA-256 of what a network could learn from."""
    noise_words = [recipe.strength, recipe.normalisation, recipe.envelope, recipe.mode]
    h = hashlib.sha256(json.dumps(noise_words).encode())
    columns = (samples.alpha, samples.noise_seed, samples.label, is_test)
    for array in (start.cells, start.matrices, end.matrices, *columns):
        h.update(np.ascontiguousarray(array).tobytes())
    return h.hexdigest()


def card(data: PhaseDataset) -> str:
    """The data card: what is in it, how it was made and what differs from a paper."""
    recipe, summary = data.recipe, data.summary
    total = max(1, len(data))
    lines = [
        f"# {recipe.title or recipe.name}",
        "",
        f"{len(data):,} Hamiltonians of {data.start.n_orbitals} orbitals on "
        f"{len(data.cells)} lattice vectors, {data.occupied} bands occupied; "
        f"{int((~data.is_test).sum()):,} to train on and {int(data.is_test.sum()):,} to test.",
        "",
        "| phase | train | test | all | share |",
        "|---|---|---|---|---|",
    ]
    for c, name in enumerate(summary.classes):
        mine = data.label == c
        test = int((mine & data.is_test).sum())
        all_ = int(mine.sum())
        lines.append(f"| {name} | {all_ - test:,} | {test:,} | {all_:,} | {all_ / total:.2%} |")
    lines += ["", *_how(data), *(f"- {note}" for note in recipe.notes)]
    return "\n".join(lines) + "\n"


def _how(data: PhaseDataset) -> list[str]:
    """How the samples were made and labelled, in sentences."""
    recipe = data.recipe
    low, high = recipe.alpha
    lines = [
        f"- H = (1 - alpha) ({data.start.title}) + alpha ({data.end.title}), "
        f"alpha uniform in [{low:g}, {high:g}], seed {recipe.seed}.",
    ]
    if recipe.strength:
        unit = {
            "rms": "eV root mean square of its elements",
            "mean": "times the mean modulus of the elements of the start",
        }[recipe.normalisation]
        lines.append(
            f"- Each sample has a noise of its own, {recipe.strength:g} {unit} "
            f"({recipe.envelope}, {recipe.mode}), on the lattice vectors of the hoppings."
        )
    ways = ", ".join(
        f"{int((data.via == code).sum()):,} by {word}" for code, word in enumerate(VIA)
    )
    lines.append(
        f"- Every phase is certified: {ways}. Gaps below {recipe.gap_tolerance:g} eV prove nothing."
    )
    if len(data.apart):
        kinds = ", ".join(
            f"{int((data.apart.label == code).sum()):,} {word}"
            for code, word in enumerate(data.reasons)
        )
        lines.append(f"- {len(data.apart):,} more samples are kept apart: {kinds}.")
    return lines
