"""The idx format of MNIST and its kin, read strictly.

Two zero bytes, a type, the number of axes, their sizes as big-endian 32-bit
integers, and then exactly the numbers: less or more of them is an error.  The
four files of a data set are found from any one of them or from their folder.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.images.dataset import Bytes, Flags, Integers, Origin
from crystalgui.core.errors import DataError, FileError

NAME = re.compile(r"(.*?)(train|t10k|test)[-_](images|labels)[-.]idx[13]-ubyte(\.gz)?$")
_UBYTE = 8
_MOST_BYTES = 1 << 36


@dataclass(frozen=True, slots=True)
class IdxFiles:
    """Files of one data set; those of the test part may be missing."""

    train_images: Path
    train_labels: Path
    test_images: Path | None = None
    test_labels: Path | None = None


_DIGITS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
"""Training images of each digit of MNIST, in whatever order they are."""
_CLOTHES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


def find(source: Path) -> IdxFiles | None:
    """The files that belong together; None where there are none.

    Parameters
    ----------
    source : Path
        One of the files, their folder, or one with a folder ``raw``.

    Raises
    ------
    DataError
        When a file is missing, or a folder holds several data sets.
    """
    if source.is_file():
        match = NAME.match(source.name)
        return _belonging(source.parent, match[1]) if match else None
    for folder in (source, source / "raw"):
        if not folder.is_dir():
            continue
        prefixes = sorted({m[1] for p in folder.iterdir() if (m := NAME.match(p.name))})
        if len(prefixes) > 1:
            names = ", ".join(prefix or "(none)" for prefix in prefixes)
            raise DataError(
                f"This folder holds several data sets of images, whose names begin with {names}.",
                "Choose one of the files instead of the folder.",
                path=folder,
            )
        if prefixes:
            return _belonging(folder, prefixes[0])
    return None


def _belonging(folder: Path, prefix: str) -> IdxFiles:
    """The files of a data set in a folder, packed or not."""
    found: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):  # unpacked ones last, so they win
        match = NAME.match(path.name)
        if match and match[1] == prefix:
            found["train" if match[2] == "train" else "test", match[3]] = path
    pairs = {part: [found.get((part, what)) for what in ("images", "labels")]
             for part in ("train", "test")}  # fmt: skip
    for part, (images, labels) in pairs.items():
        if (images is None) != (labels is None):
            missing = "labels" if labels is None else "images"
            raise DataError(
                f"The {missing} that belong to {(images or labels or folder).name} are missing.",
                f"Put the idx file of the {missing} ({part}) into the same folder.",
                path=folder,
            )
    images, labels = pairs["train"]
    if images is None or labels is None:
        raise DataError(
            "There are test images, but none for training.",
            f"Put {prefix}train-images-idx3-ubyte.gz and its labels into the same folder.",
            path=folder,
        )
    return IdxFiles(images, labels, *pairs["test"])


def read(path: Path) -> NDArray[np.uint8]:
    """The unsigned bytes of an idx file, packed by gzip or not.

    Raises
    ------
    FileError
        When it is no such file, or is cut off or too long.
    """
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) if packed else raw as stream:
                return _read(stream, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileError(
            "This packed file is damaged or cut off.", "Fetch it again.", str(error), path=path
        ) from error
    except OSError as error:
        raise FileError(
            f"This file cannot be read: {error.strerror or error}.", "Check the file.", path=path
        ) from error


def _read(stream: IO[bytes] | gzip.GzipFile, path: Path) -> NDArray[np.uint8]:
    head = stream.read(4)
    if len(head) < 4 or head[:2] != b"\0\0":
        raise FileError(
            "This is no idx file: it does not begin with two zero bytes.",
            "Choose files such as train-images-idx3-ubyte.gz.",
            path=path,
        )
    if head[2] != _UBYTE or not 1 <= head[3] <= 4:
        raise FileError(
            f"This idx file holds numbers of type {head[2]:#04x} along {head[3]} axes.",
            "Images and labels are unsigned bytes (type 0x08).",
            path=path,
        )
    sizes = stream.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise FileError("This idx file ends within its head.", "Fetch it again.", path=path)
    shape = tuple(int(n) for n in np.frombuffer(sizes, ">u4"))
    wanted = int(np.prod(shape, dtype=object))
    if not 0 < wanted <= _MOST_BYTES:
        raise FileError(
            f"This idx file says that it holds {' x '.join(map(str, shape))} numbers.",
            "That cannot be; fetch it again.",
            path=path,
        )
    data = stream.read(wanted + 1)
    if len(data) != wanted:
        fault = "is longer than" if len(data) > wanted else "is shorter than"
        raise FileError(
            f"This idx file {fault} the {' x '.join(map(str, shape))} numbers that it names.",
            "Fetch it again.",
            path=path,
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def load(files: IdxFiles) -> tuple[Bytes, Integers, Flags, tuple[str, ...], Origin]:
    """Images, labels, which are for testing, class names and origin.

    Returns
    -------
    values : (m, 1, h, w) uint8
    label : (m,) int64
    is_test : (m,) bool
    classes : tuple of str
    origin : Origin
    """
    images, labels = _pair(files.train_images, files.train_labels)
    title = _title(files.train_images, np.bincount(labels).tolist())
    is_test = np.zeros(len(labels), np.bool_)
    if files.test_images is not None and files.test_labels is not None:
        more, theirs = _pair(files.test_images, files.test_labels)
        if more.shape[1:] != images.shape[1:]:
            raise FileError(
                f"Test images of {more.shape[1]} x {more.shape[2]} points do not belong to "
                f"training images of {images.shape[1]} x {images.shape[2]}.",
                "Choose files of one data set.",
                path=files.test_images,
            )
        images, labels = np.concatenate([images, more]), np.concatenate([labels, theirs])
        is_test = np.concatenate([is_test, np.ones(len(theirs), np.bool_)])
    present = np.unique(labels)
    classes = _CLOTHES if title == "Fashion-MNIST" else tuple(str(n) for n in present)
    label = np.searchsorted(present, labels).astype(np.int64)
    return images[:, None], label, is_test, classes, Origin(title=title)


def _title(path: Path, counts: list[int]) -> str:
    """Name of a data set that is known by its training images; empty for others."""
    if counts == list(_DIGITS):
        return "MNIST"
    named = "fashion" in f"{path.parent.name} {path.name}".lower()
    return "Fashion-MNIST" if named and counts == [6000] * 10 else ""


def _pair(images: Path, labels: Path) -> tuple[Bytes, NDArray[np.uint8]]:
    values, names = read(images), read(labels)
    if values.ndim != 3 or names.ndim != 1:
        wrong = images if values.ndim != 3 else labels
        raise FileError(
            f"{'Images' if wrong is images else 'Labels'} cannot have "
            f"{(values if wrong is images else names).ndim} axes.",
            "Images have three (number, height, width), labels one.",
            path=wrong,
        )
    if len(values) != len(names):
        raise FileError(
            f"{len(names):,} labels cannot belong to {len(values):,} images.",
            "Choose files of one data set.",
            path=labels,
        )
    return values, names
