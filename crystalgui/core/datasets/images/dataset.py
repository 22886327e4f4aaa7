"""A data set of images: bytes, classes, and which of them are for testing.

Bird (2023), section 2.10, tests invariance on MNIST and CIFAR-10.  Images are
kept as the bytes that they were read as; a batch becomes numbers in [0, 1] on
the device (`tables`).  What a reader of results must know of the source, such
as a lossy edition, is kept with the data and said in every card.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.dataset import RECORDS, SUMMARY, load_summary
from crystalgui.core.errors import DataError
from crystalgui.core.messages import DatasetSummary

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

FORMAT = 1
CARD = "card.md"
TARGET = "class"
TEST_EVERY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where images come from, in words for cards and results.

    Attributes
    ----------
    title : str
        Name of the published data set, empty when it is not known.
    edition : str
        What was read, e.g. ``"lossy JPEG edition"``.
    licence : str
        Empty when the source names none.
    remarks : tuple of str
        Sentences.
    """

    title: str = ""
    edition: str = ""
    licence: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ImageDataset:
    """Images with classes.

    Attributes
    ----------
    summary : DatasetSummary
        ``kind`` is ``"images"``.
    values : (m, c, h, w) uint8
        1 channel (grey) or 3 (red, green, blue).
    label : (m,) int64
        Row of ``summary.classes``.
    is_test : (m,) bool
        What the source keeps for testing.
    origin : Origin
    """

    summary: DatasetSummary
    values: Bytes
    label: Integers
    is_test: Flags
    origin: Origin = Origin()

    def __len__(self) -> int:
        return len(self.label)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of one image."""
        _, c, h, w = self.values.shape
        return c, h, w

    @property
    def edition(self) -> str:
        """What was read, e.g. ``"lossy JPEG edition"``; every result says so."""
        return self.origin.edition

    def described(self) -> str:
        """Size and contents, for the card of a trained model."""
        c, h, w = self.shape
        size = f"{c} x {h} x {w}"
        edition = f", {self.edition}" if self.edition else ""
        return f"{self.summary.name}: {len(self):,} images of {size}{edition}"

    def save(self) -> None:
        """Write into ``summary.folder``, the summary last."""
        from safetensors.numpy import save

        from crystalgui.core.store.files import write_atomic

        folder = self.summary.folder
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, NDArray[Any]] = {
            "values": np.ascontiguousarray(self.values),
            "label": np.ascontiguousarray(self.label, np.int64),
            "is_test": np.ascontiguousarray(self.is_test, np.uint8),
        }
        meta = {
            "format": f"images-{FORMAT}",
            "origin": json.dumps(dataclasses.asdict(self.origin)),
        }
        write_atomic(folder / RECORDS, save(arrays, metadata=meta))
        write_atomic(folder / CARD, card(self))
        plain: dict[str, Any] = dataclasses.asdict(self.summary)
        plain["folder"] = ""
        write_atomic(folder / SUMMARY, json.dumps(plain, indent=1))

    @classmethod
    def load(cls, folder: Path) -> ImageDataset:
        """Read a data set; `DataError` when the folder holds none, or one of another version."""
        folder = Path(folder)
        summary = load_summary(folder)
        if summary.kind != "images":
            raise DataError(
                f"This data set is one of {summary.kind}, not of images.",
                "Choose a data set that was imported from images.",
                path=folder,
            )
        arrays, origin = _read(folder / RECORDS)
        try:
            found = cls(
                summary=summary,
                values=arrays["values"],
                label=arrays["label"],
                is_test=arrays["is_test"].astype(np.bool_),
                origin=origin,
            )
            _check(found)
            return found
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                "This data set of images cannot be read.",
                "Import the images again.",
                str(error),
                path=folder,
            ) from error


def _read(path: Path) -> tuple[dict[str, NDArray[Any]], Origin]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            meta: Mapping[str, str] = file.metadata() or {}
            if meta.get("format") != f"images-{FORMAT}":
                raise DataError(
                    "The data set was written by another version of the program.",
                    "Import the images again.",
                    path=path,
                )
            plain = json.loads(meta.get("origin", "{}"))
            plain["remarks"] = tuple(plain.get("remarks", ()))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, Origin(**plain)
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise DataError(
            "The data set cannot be read.", "Import the images again.", str(error), path=path
        ) from error


def _check(data: ImageDataset) -> None:
    """Arrays that belong together; `ValueError` otherwise."""
    m = data.summary.size
    if data.values.ndim != 4 or data.values.dtype != np.uint8 or len(data.values) != m:
        raise ValueError(f"values are {data.values.dtype} {data.values.shape}, not {m} images")
    if data.label.shape != (m,) or data.is_test.shape != (m,):
        raise ValueError("labels and images differ in number")
    if m and not 0 <= data.label.min() <= data.label.max() < len(data.summary.classes):
        raise ValueError("a label is no class")


def assemble(
    name: str,
    folder: Path,
    values: Bytes,
    label: Integers,
    is_test: Flags,
    classes: tuple[str, ...],
    origin: Origin,
    unreadable: tuple[str, ...] = (),
) -> ImageDataset:
    """A data set of images with its summary: class balance, doubles and remarks.

    Where no image is for testing, every tenth of each class is set apart.

    Parameters
    ----------
    values : (m, c, h, w) uint8
    label : (m,) int64
    is_test : (m,) bool
    unreadable : tuple of str
        ``file: reason`` of what was left out.

    Raises
    ------
    DataError
        When there is nothing to tell apart.
    """
    counts = np.bincount(label, minlength=len(classes))
    if int((counts > 0).sum()) < 2:
        raise DataError(
            "All images that were found are of one class.",
            "Put the images of each class into a folder of its own: train/<class>/*.png",
        )
    remarks = [*origin.remarks]
    if not is_test.any():
        is_test = every_tenth(label)
        remarks.append(
            "The source names no images for testing: every tenth of each class was set apart."
        )
    origin = dataclasses.replace(origin, remarks=tuple(remarks))
    duplicates, conflicts = _doubles(values, label)
    problems = list(remarks)
    if conflicts:
        problems.append(f"{conflicts} images are equal to one of another class.")
    if unreadable:
        problems.append(f"{len(unreadable):,} images could not be used:")
        problems += unreadable[:20]
    summary = DatasetSummary(
        name=name,
        folder=folder,
        task="classification",
        target=TARGET,
        size=len(label),
        classes=classes,
        counts=tuple(int(n) for n in counts),
        duplicates=duplicates,
        conflicts=conflicts,
        unreadable=len(unreadable),
        problems=tuple(problems),
        digest=digest(values, label, is_test),
        kind="images",
        shape=values.shape[1:],
        edition=origin.edition,
    )
    return ImageDataset(summary=summary, values=values, label=label, is_test=is_test, origin=origin)


def every_tenth(label: Integers) -> Flags:
    """(m,) bool: every tenth image of each class, at least one of each that has two."""
    chosen = np.zeros(len(label), np.bool_)
    for c in np.unique(label):
        rows = np.flatnonzero(label == c)
        chosen[rows[TEST_EVERY - 1 :: TEST_EVERY]] = True
        if 2 <= len(rows) < TEST_EVERY:
            chosen[rows[-1]] = True
    return chosen


def digest(values: Bytes, label: Integers, is_test: Flags) -> str:
    """SHA-256 of what a network learns from."""
    state = hashlib.sha256(f"images-{FORMAT} {values.shape}".encode())
    state.update(np.ascontiguousarray(values).data)
    state.update(np.ascontiguousarray(label, np.int64).data)
    state.update(np.ascontiguousarray(is_test, np.uint8).data)
    return state.hexdigest()


def fingerprints(values: Bytes) -> list[bytes]:
    """16 bytes of each image; equal for equal images."""
    return [hashlib.blake2b(np.ascontiguousarray(v).data, digest_size=16).digest() for v in values]


def _doubles(values: Bytes, label: Integers) -> tuple[int, int]:
    """Images beyond the first of each, and how many of all are also in another class."""
    seen: dict[bytes, set[int]] = {}
    prints = fingerprints(values)
    for mark, c in zip(prints, label.tolist(), strict=True):
        seen.setdefault(mark, set()).add(c)
    conflicts = sum(len(seen[mark]) > 1 for mark in prints)
    return len(prints) - len(seen), conflicts


def card(data: ImageDataset) -> str:
    """The data card: what is in it and where it comes from."""
    c, h, w = data.shape
    origin, test = data.origin, data.is_test
    lines = [
        f"# {origin.title or data.summary.name}",
        "",
        f"{len(data):,} images of {h} x {w} points and {c} channel{'s' if c > 1 else ''}, "
        f"{int((~test).sum()):,} for training and {int(test.sum()):,} for testing"
        + (f" ({origin.edition})." if origin.edition else "."),
        "",
        "| class | training | testing |",
        "|---|---|---|",
    ]
    train, held = Counter(data.label[~test].tolist()), Counter(data.label[test].tolist())
    for i, name in enumerate(data.summary.classes):
        lines.append(f"| {name} | {train[i]:,} | {held[i]:,} |")
    lines += [
        "",
        f"- Licence: {origin.licence or 'the source names none'}.",
        f"- {data.summary.duplicates:,} images are equal to an earlier one.",
        *(f"- {remark}" for remark in origin.remarks),
    ]
    return "\n".join(lines) + "\n"
