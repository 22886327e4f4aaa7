"""Importing images: idx files, folders and archives of classes, the binary edition of CIFAR-10.

Bird (2023), section 2.10, trains on MNIST and CIFAR-10.  The layout of a
folder or archive is ``train/<class>/*.png`` and ``test/<class>/*.png``, at any
depth; without those two names every image is for training.  Python pickles
are never opened: they can run anything.
"""

from __future__ import annotations

import io
import itertools
import os
import re
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crystalgui.core import stopping
from crystalgui.core.datasets.dataset import safe_name
from crystalgui.core.datasets.images import archives, idx
from crystalgui.core.datasets.images.dataset import (
    Bytes,
    Flags,
    Integers,
    Origin,
    assemble,
)
from crystalgui.core.errors import DataError, FileError
from crystalgui.core.messages import DatasetReady, Event, ImportJob, LogLine, Progress

if TYPE_CHECKING:
    from PIL.Image import Image

Found = tuple[Bytes, Integers, Flags, tuple[str, ...], Origin]

TRAIN, TEST = frozenset(("train", "training")), frozenset(("test", "testing"))
OTHER = frozenset(("val", "valid", "validation"))
CIFAR10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
MOST_LINES = 20
_LARGEST = 4096
_RECORD = 3073
_BINARY = re.compile(r"(data_batch_\d+|test_batch)\.bin$")
_PICKLE = re.compile(r"(data_batch_\d+|test_batch|batches\.meta|.*\.(pkl|pickle|pt|pth))$")
_LOSSY = {"JPEG": "JPEG", "MPO": "JPEG", "WEBP": "WebP"}


def import_images(
    source: Path, name: str, folder: Path, project: Path | None = None, size: int = 0
) -> Generator[Event, None, None]:
    """Read images into a data set; yields progress and at last `DatasetReady`.

    Parameters
    ----------
    source : Path
        An idx file or its folder, a folder or archive of images, or the binary
        edition of CIFAR-10 in a folder or archive.
    folder : Path
        Of the data set.
    project : Path, optional
        That remembers it.
    size : int
        Scale and crop every image to so many points along both sides; 0 keeps
        them, and all must be of one size.

    Raises
    ------
    CrystalError
        When no data set can be made of it.
    """
    from crystalgui.core.store.project import Project

    if not source.exists():
        raise FileError(
            "There are no images at this place.", "Choose a folder, an archive, or an idx file.",
            path=source,
        )  # fmt: skip
    yield Progress(done=0, text="Looking at the files")
    try:
        files = idx.find(source)
    except OSError as error:
        raise FileError(
            f"The images cannot be read: {error.strerror or error}.",
            "Check the permissions of the folder.",
            path=source,
        ) from error
    unreadable: list[str] = []
    if files is not None:
        values, label, is_test, classes, origin = idx.load(files)
    else:
        collected = _Collected(size)
        yield from _collect(source, collected)
        values, label, is_test, classes, origin = collected.found(source)
        unreadable = collected.unreadable
    yield Progress(done=1, total=1, text="Writing the data set")
    origin = replace(origin, licence=origin.licence or _licence_of(source))
    made = assemble(name, folder, values, label, is_test, classes, origin, tuple(unreadable))
    made.save()
    if project is not None:
        with Project.open(project) as opened:
            opened.register_dataset(made.summary)
    yield DatasetReady(summary=made.summary)


def import_into(job: ImportJob) -> Generator[Event, None, None]:
    """The same into the project of a job."""
    from crystalgui.core.store.project import Project

    with Project.open(job.project) as opened:
        folder = opened.datasets_folder / safe_name(job.name)
    yield from import_images(job.source, job.name, folder, job.project, job.size)


def name_for(source: Path) -> str:
    """A name for the data set of a source, in words."""
    if source.is_file() and idx.NAME.match(source.name):
        source = source.absolute().parent
        source = source.parent if source.name == "raw" else source
    return source.name.partition(".")[0].replace("_", " ")


def is_images(source: Path) -> bool:
    """Whether a path looks like images rather than crystals; looks at few names only."""
    try:
        if source.is_file():
            if source.name.lower().endswith(archives.TARS) or idx.NAME.match(source.name):
                return True
            return any(_looks(Path(name)) for name in archives.first_names(source))
        return any(_looks(path) for path in _some_files(source))
    except OSError:
        return False


def _looks(path: Path) -> bool:
    known = path.suffix.lower() in archives.IMAGES or idx.NAME.match(path.name)
    return bool(known or _BINARY.match(path.name))


def _some_files(folder: Path, most: int = 64) -> Iterator[Path]:
    """A few files of a folder and of the first folders in it."""
    for _ in range(4):
        below: Path | None = None
        with os.scandir(folder) as inside:
            for item in itertools.islice(inside, most):
                if item.is_dir():
                    below = Path(item.path) if below is None else below
                else:
                    yield Path(item.path)
        if below is None:
            return
        folder = below


def _licence_of(source: Path) -> str:
    """First line of the licence that lies in or beside the source."""
    for folder in (source, source.parent) if source.is_dir() else (source.parent,):
        for path in sorted(folder.glob("LICEN[CS]E*"))[:1]:
            with suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
                return next((line.strip()[:200] for line in stream if line.strip()), "")
    return ""


# ------------------------------------------------------------------ reading


def _collect(source: Path, collected: _Collected) -> Generator[Event, None, None]:
    start = last = time.monotonic()
    said = 0
    for entry in archives.entries(source):
        stopping.check()
        collected.take(entry)
        while said < min(len(collected.unreadable), MOST_LINES):
            yield LogLine(text=collected.unreadable[said], level="warning")
            said += 1
        now = time.monotonic()
        if now - last > 0.1:
            last = now
            eta = (now - start) / max(entry.done, 1e-6) * (1 - entry.done)
            text = f"Reading images: {len(collected):,}"
            yield Progress(done=entry.done, total=1, text=text, eta=eta)


@dataclass(slots=True)
class _Collected:
    """What was read so far.

    Attributes
    ----------
    images : list of (c, h, w) uint8
    classes, parts : list of str
        Of each image; a part is ``"train"``, ``"test"`` or ``"other"``.
    binary : list of (m, 3073) uint8 with whether it is for testing
    """

    size: int = 0
    images: list[Bytes] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    binary: list[tuple[str, Bytes]] = field(default_factory=list)
    names: tuple[str, ...] = ()
    unreadable: list[str] = field(default_factory=list)
    lossy: set[str] = field(default_factory=set)
    licence: str = ""
    pickles: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images) + sum(len(block) for _, block in self.binary)

    def take(self, entry: archives.Entry) -> None:
        """One file more."""
        if archives.hidden(entry.name):
            return
        name = entry.name.rpartition("/")[2]
        if archives.ending(name) in archives.IMAGES:
            try:
                self._image(entry)
            except ValueError as reason:
                self.unreadable.append(f"{entry.name}: {reason}")
        elif _BINARY.match(name):
            if len(entry.data) % _RECORD or not entry.data:
                raise FileError(
                    f"{name} is not of the binary edition of CIFAR-10: it has "
                    f"{len(entry.data):,} bytes, not a multiple of {_RECORD:,}.",
                    "Fetch it again.",
                    path=entry.name,
                )
            self.binary.append((name, np.frombuffer(entry.data, np.uint8)
                                .reshape(-1, _RECORD)))  # fmt: skip
        elif name == "batches.meta.txt":
            lines = entry.data.decode("utf-8", "replace").split("\n")
            self.names = tuple(line.strip() for line in lines if line.strip())
        elif name.lower().startswith(("license", "licence")) and not self.licence:
            lines = entry.data[:4000].decode("utf-8", "replace").splitlines()
            self.licence = next((line.strip()[:200] for line in lines if line.strip()), "")
        elif _PICKLE.match(name):
            self.pickles.append(entry.name)

    def _image(self, entry: archives.Entry) -> None:
        """`ValueError` says why one cannot be used."""
        part, kind = _place(entry.name)
        values, form = decode(entry.data, self.size)
        if self.images and values.shape[1:] != self.images[0].shape[1:]:
            h, w = self.images[0].shape[1:]
            raise ValueError(
                f"It has {values.shape[1]} x {values.shape[2]} points, the first image {h} x {w}."
            )
        self.images.append(values)
        self.classes.append(kind)
        self.parts.append(part)
        if form in _LOSSY:
            self.lossy.add(_LOSSY[form])

    def found(self, source: Path) -> Found:
        """Arrays of all that was read."""
        if self.images:
            return self._of_images(source)
        if self.binary:
            return self._of_binary(source)
        if self.pickles:
            raise DataError(
                f"{self.pickles[0]} is a Python pickle, which can run any program when it is read; "
                "such files are never opened.",
                "Take the binary edition (cifar-10-binary.tar.gz), or image files in folders.",
                path=source,
            )
        why = f" First reason: {self.unreadable[0]}" if self.unreadable else ""
        raise DataError(
            f"No image could be read.{why}",
            "Images lie in a folder for each class: train/<class>/*.png; crystals need a table "
            "of labels.",
            path=source,
        )

    def _of_images(self, source: Path) -> Found:
        names = sorted(set(self.classes), key=_natural)
        number = {name: i for i, name in enumerate(names)}
        label = np.array([number[name] for name in self.classes], np.int64)
        part = np.array(self.parts)
        is_test = part == "test"
        remarks = []
        if not is_test.any():
            is_test = part == "other"
        elif (part == "other").any():
            remarks.append("Images for validation were joined with those for training.")
        channels = max(len(image) for image in self.images)
        values = np.empty((len(self.images), channels, *self.images[0].shape[1:]), np.uint8)
        for row, image in enumerate(self.images):
            values[row] = image  # grey ones are repeated where others have colours
        self.images.clear()
        title = "CIFAR-10" if tuple(names) == CIFAR10 and values.shape[2:] == (32, 32) else ""
        edition = ""
        if self.lossy:
            form = " and ".join(sorted(self.lossy))
            edition, of = f"lossy {form} edition", f" {title}" if title else ""
            remarks.insert(
                0,
                f"The images were read from {form} files, which lose detail: results are not "
                f"those of the original{of}.",
            )
        if self.size:
            remarks.append(f"Every image was scaled and cropped to {self.size} x {self.size}.")
        origin = Origin(title=title, edition=edition, licence=self.licence, remarks=tuple(remarks))
        return values, label, is_test, tuple(names), origin

    def _of_binary(self, source: Path) -> Found:
        blocks = sorted(self.binary, key=lambda pair: pair[0])
        records = np.concatenate([block for _, block in blocks])
        is_test = np.concatenate(
            [np.full(len(block), name.startswith("test")) for name, block in blocks]
        )
        label = records[:, 0].astype(np.int64)
        classes = self.names if len(self.names) == len(CIFAR10) else CIFAR10
        if label.max() >= len(classes):
            raise FileError(
                f"A class number is {label.max()}; CIFAR-10 has ten classes, from 0.",
                "Fetch the binary edition again.",
                path=source,
            )
        values = np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, 32, 32)
        return values, label, is_test, classes, Origin(title="CIFAR-10", licence=self.licence)


def _place(name: str) -> tuple[str, str]:
    """Part and class of an image by its path."""
    above = [part for part in name.split("/")[:-1] if part]
    if not above or above[-1].lower() in TRAIN | TEST | OTHER:
        raise ValueError("It lies in no folder of a class.")
    for part in reversed(above[:-1]):
        if part.lower() in TRAIN:
            return "train", above[-1]
        if part.lower() in TEST:
            return "test", above[-1]
        if part.lower() in OTHER:
            return "other", above[-1]
    return "train", above[-1]


def decode(data: bytes, size: int = 0) -> tuple[Bytes, str]:
    """(c, h, w) uint8 of an image file, c = 1 or 3, and its format.

    Raises
    ------
    ValueError
        Why it cannot be used, in words.
    """
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ValueError("It is empty, too large, or may not be read.")
    try:
        with Image.open(io.BytesIO(data)) as image:
            if max(image.size) > _LARGEST:
                raise ValueError(f"It is {image.size[0]} x {image.size[1]} points large.")
            return _array(image, size), image.format or ""
    except UnidentifiedImageError as error:
        raise ValueError("It is no image.") from error
    except (ValueError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError("It is too large.") from error
    except Exception as error:
        raise ValueError(f"It is damaged ({error}).") from error


def _array(image: Image, size: int) -> Bytes:
    from PIL import Image as images
    from PIL import ImageOps

    if image.mode.startswith(("I", "F")):
        raise ValueError(f"Its numbers are not bytes (mode {image.mode}).")
    plain = image.convert("L" if image.mode in ("1", "L", "LA") else "RGB")
    if size and plain.size != (size, size):
        plain = ImageOps.fit(plain, (size, size), images.Resampling.BICUBIC)
    values = np.asarray(plain)
    return values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))


def _natural(name: str) -> tuple[int, int, str]:
    """Numbers by their size, before words."""
    return (0, int(name), "") if name.isascii() and name.isdecimal() else (1, 0, name)
