"""A data set of Brillouin zones of many Hamiltonians, as invariant channels on the torus.

Unlike `PhaseDataset`, whose samples are mixtures of two Hamiltonians of one
crystal, a sample here is a Hamiltonian of any kind: what is stored is its
`descriptors` in half precision, on as many points as it has directions in
which anything hops, and the settings from which it can be made again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.dataset import RECORDS, SUMMARY, load_summary
from crystalgui.core.datasets.hamiltonians.descriptors import repeated
from crystalgui.core.errors import DataError
from crystalgui.core.messages import DatasetSummary, ZoneDataRecipe
from crystalgui.core.physics.certificate import Certificate
from crystalgui.core.structures.hoppings.model import Hoppings

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

CLASSES = (
    "trivial insulator", "topological insulator", "Weyl semimetal", "Dirac semimetal",
)  # fmt: skip
"""Phases that a sample can have; `ZoneDataset.label` counts in it."""
FORMAT = 1
_TEST_EVERY = 10

SettingValue = int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A Hamiltonian that was drawn and has no certified phase of `CLASSES`.

    ``label`` is that of its certificate (``unresolved``, ``undefined``,
    ``metal``), ``remark`` says why; ``number`` makes it again.
    """

    family: str
    number: int
    label: str
    remark: str = ""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ZoneDataset:
    """Zones with certified phases.

    Attributes
    ----------
    summary : DatasetSummary
        ``kind`` is ``"zones"``, ``classes`` are `CLASSES`.
    recipe : ZoneDataRecipe
    names : (c,) tuple of str
        Channels.
    packed : (sum,) float16
        Tensors (c, n1, n2, n3) one after the other; axes with b = 0 have size 1.
    shape : (m, 3) int64
        n1, n2, n3 of each sample.
    label : (m,) int64
        Row of ``summary.classes``.
    family : (m,) str
        Name in `families.FAMILIES`.
    number : (m,) int64
        Of the draw within its family; makes the Hamiltonian again.
    occupied, orbitals, dimension : (m,) int64
    gap : (m,) float64, eV
        Smallest direct gap of the certificate.
    settings : tuple of str
        JSON of what was drawn.
    apart : tuple of Apart
    remarks : tuple of str
        E.g. families that could not be made on this machine.
    """

    summary: DatasetSummary
    recipe: ZoneDataRecipe
    names: tuple[str, ...]
    packed: NDArray[np.float16]
    shape: Integers
    label: Integers
    family: NDArray[np.str_]
    number: Integers
    occupied: Integers
    orbitals: Integers
    dimension: Integers
    gap: Floats
    settings: tuple[str, ...]
    apart: tuple[Apart, ...] = ()
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.label)

    @property
    def families(self) -> tuple[str, ...]:
        """Families that have samples, in the order of the recipe."""
        order = dict.fromkeys([*self.recipe.families, *self.family.tolist()])
        present = set(self.family.tolist())
        return tuple(name for name in order if name in present)

    @property
    def is_test(self) -> NDArray[np.bool_]:
        """(m,) bool: every tenth draw of each family, for a split that all families share."""
        return np.asarray(self.number % _TEST_EVERY == _TEST_EVERY - 1)

    @property
    def starts(self) -> Integers:
        """(m + 1,) int64: where each sample begins in ``packed``."""
        sizes = self.shape.prod(axis=1) * len(self.names)
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    def tensor(self, i: int) -> NDArray[np.float16]:
        """Sample ``i``, (c, n1, n2, n3); axes with b = 0 have size 1."""
        starts = self.starts
        return self.packed[starts[i] : starts[i + 1]].reshape(len(self.names), *self.shape[i])

    def batch(self, rows: Sequence[int] | Integers) -> NDArray[np.float32]:
        """Samples as (b, c, n, n, n) float32, repeated along axes with b = 0.

        Samples of equal shape come unrepeated as (b, c, n1, n2, n3) from `batch_of`.
        """
        rows = np.asarray(rows, dtype=np.int64)
        n, starts = int(self.recipe.mesh), self.starts
        result = np.empty((len(rows), len(self.names), n, n, n), np.float32)
        for place, i in enumerate(rows):
            one = self.packed[starts[i] : starts[i + 1]]
            result[place] = repeated(one.reshape(len(self.names), *self.shape[i]), n)
        return result

    def batch_of(self, rows: Sequence[int] | Integers) -> NDArray[np.float32]:
        """Samples of equal shape as (b, c, n1, n2, n3) float32, axes with b = 0 of size 1."""
        rows = np.asarray(rows, dtype=np.int64)
        if len(rows) and (self.shape[rows] != self.shape[rows[0]]).any():
            raise DataError(
                "These zones have different dimensions.", "Take samples of one shape, or repeat."
            )
        starts = self.starts
        flat = [self.packed[starts[i] : starts[i + 1]] for i in rows]
        head = (len(self.names), *self.shape[rows[0]]) if len(rows) else (len(self.names), 1, 1, 1)
        return np.array(flat, np.float32).reshape(len(rows), *head)

    @property
    def values(self) -> NDArray[np.float16]:
        """All samples as (m, c, n, n, n) float16, repeated along axes with b = 0 (large)."""
        return self.batch(np.arange(len(self))).astype(np.float16)

    def hamiltonian(self, i: int) -> Hoppings:
        """Sample ``i``, made again."""
        from crystalgui.core.datasets.hamiltonians.families import draw

        return draw(str(self.family[i]), self.recipe.seed, int(self.number[i])).hoppings

    def certificate(self, i: int) -> Certificate:
        """A fresh certificate of sample ``i``: what its label must agree with."""
        from crystalgui.core.physics.classify import classify

        return classify(self.hamiltonian(i), int(self.occupied[i]))

    def shares(self) -> list[tuple[str, tuple[int, ...], int]]:
        """(family, samples of each class, samples apart) for every family."""
        order = dict.fromkeys([*self.families, *(a.family for a in self.apart)])
        return [
            (
                name,
                tuple(
                    int(((self.family == name) & (self.label == c)).sum())
                    for c in range(len(self.summary.classes))
                ),
                sum(a.family == name for a in self.apart),
            )
            for name in order
        ]

    # ------------------------------------------------------------ on disk

    def save(self) -> None:
        """Write into ``summary.folder``, the summary last."""
        from safetensors.numpy import save

        from crystalgui.core.store.encode import to_plain
        from crystalgui.core.store.files import write_atomic

        folder = self.summary.folder
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        header = {
            "names": self.names,
            "recipe": to_plain(self.recipe, folder.absolute()),
            "family": self.family.tolist(),
            "settings": self.settings,
            "apart": [dataclasses.asdict(a) for a in self.apart],
            "remarks": self.remarks,
        }
        text = json.dumps(header).encode()
        arrays["header"] = np.frombuffer(text, np.uint8).copy()
        write_atomic(folder / RECORDS, save(arrays, metadata={"format": f"zones-{FORMAT}"}))
        plain: dict[str, Any] = dataclasses.asdict(self.summary)
        plain["folder"] = ""
        write_atomic(folder / SUMMARY, json.dumps(plain, indent=1))

    @classmethod
    def load(cls, folder: Path) -> ZoneDataset:
        """Read a data set; `DataError` when the folder holds none, or one of another version."""
        from crystalgui.core.store.encode import from_plain

        folder = Path(folder)
        summary = load_summary(folder)
        if summary.kind != "zones":
            raise DataError(
                f"This data set is one of {summary.kind}, not of Brillouin zones.",
                "Choose a data set that was made from families of Hamiltonians.",
                path=folder,
            )
        arrays = _read(folder / RECORDS)
        try:
            header: Mapping[str, Any] = json.loads(arrays.pop("header").tobytes())
            return cls(
                summary=summary,
                recipe=from_plain(ZoneDataRecipe, header["recipe"], folder.absolute()),
                names=tuple(header["names"]),
                family=np.array(header["family"], dtype=np.str_),
                settings=tuple(header["settings"]),
                apart=tuple(Apart(**one) for one in header["apart"]),
                remarks=tuple(header["remarks"]),
                **{name: arrays[name] for name in _ARRAYS},
            )
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                "This data set of Brillouin zones cannot be read.",
                "Make it again from its recipe.",
                str(error),
                path=folder,
            ) from error


_ARRAYS = ("packed", "shape", "label", "number", "occupied", "orbitals", "dimension", "gap")


def _read(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("format") != f"zones-{FORMAT}":
                raise DataError(
                    "The data set was written by another version of the program.",
                    "Make it again from its recipe.",
                    path=path,
                )
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(
            "The data set cannot be read.", "Make it again.", str(error), path=path
        ) from error


def digest(packed: NDArray[np.float16], label: Integers, family: Sequence[str]) -> str:
    """SHA-256 of what a network learns from."""
    state = hashlib.sha256(np.ascontiguousarray(packed).tobytes())
    state.update(np.ascontiguousarray(label).tobytes())
    state.update("\n".join(family).encode())
    return state.hexdigest()
