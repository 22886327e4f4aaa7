"""Importing structures and labels into a data set of a project.

What is read from the structures is kept in the cache under a hash of their
contents, so importing them again, with these or other labels, takes seconds.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crystalgui.core.datasets.dataset import Dataset, safe_name, summarise
from crystalgui.core.datasets.labels import Labels, read_labels
from crystalgui.core.datasets.purify import (
    ATOMS,
    LABEL,
    REPORT,
    Removed,
    by_number,
    counts,
    purify,
    removed_row,
    sentence,
    write_report,
)
from crystalgui.core.datasets.reading import Entry, read_records
from crystalgui.core.datasets.records import FORMAT, TOLERANCE, Record, Records
from crystalgui.core.datasets.targets import cleaned, derived, target_named
from crystalgui.core.errors import DataError
from crystalgui.core.messages import (
    DatasetReady,
    DatasetSummary,
    Event,
    ImportJob,
    LogLine,
    Progress,
)
from crystalgui.core.settings import cache

PART = 4096
MOST_LINES = 20
"""Files that cannot be read, each with a line of its own in the log."""
_PACKED = (".gz", ".bz2", ".xz")
_PLAIN_NAMES = ("poscar", "contcar")


def import_dataset(job: ImportJob) -> Generator[Event, None, None]:
    """Read a folder or zip of structures and a CSV of labels; without labels, images.

    Yields `Progress`, `LogLine`, and at the end `DatasetReady`; the data set
    is stored in the project.

    Raises
    ------
    DataError
        When labels or structures cannot be used.
    """
    from crystalgui.core.store.project import Project

    if job.labels is None:
        from crystalgui.core.datasets.images.importer import import_into

        yield from import_into(job)
        return
    with Project.open(job.project) as project:
        folder = project.datasets_folder / safe_name(job.name)
    wishes = Wishes(derive=job.derive, purify=job.purify, atoms=job.atoms)
    yield from import_into_folder(job.source, job.labels, job.name, folder, job.project, wishes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What becomes of labels and doubles; as in `ImportJob`."""

    derive: str = ""
    purify: bool = False
    atoms: int = ATOMS


def import_into_folder(
    source: Path,
    table: Path,
    name: str,
    folder: Path,
    project: Path | None = None,
    wishes: Wishes | None = None,
) -> Generator[Event, None, None]:
    """Read crystals and labels into a data set; yields progress and at last `DatasetReady`.

    Parameters
    ----------
    source : Path
        Folder or zip of structure files.
    table : Path
        CSV ``id,label``.
    folder : Path
        Of the data set.
    project : Path, optional
        That remembers it.
    wishes : Wishes, optional

    Raises
    ------
    DataError
        When labels or structures cannot be used.
    """
    from crystalgui.core.store.project import Project

    summary = yield from _imported(source, table, name, folder, wishes or Wishes())
    if project is not None:
        with Project.open(project) as opened:
            opened.register_dataset(summary)
    yield DatasetReady(summary=summary)


def _imported(
    source: Path, table: Path, name: str, folder: Path, wishes: Wishes
) -> Generator[Event, None, DatasetSummary]:
    """Write the data set; returns its summary."""
    labels = read_labels(table)
    yield Progress(done=0, text="Looking at the files")
    entries = _entries(source)
    digest = content_hash(source)
    stored = cache() / "records" / f"{digest[:32]}.safetensors"
    found = _from_cache(stored, digest)
    if found is None:
        records, unreadable = yield from _parse(entries)
        if len(records):
            stored.parent.mkdir(parents=True, exist_ok=True)
            records.save(stored, {"digest": digest, "unreadable": unreadable})
    else:
        records, unreadable = found
        yield LogLine(text=f"{len(records):,} crystals were read before; taken from the cache.")
    records, extra = _match(source, table, records, labels, unreadable)
    records, labels, removed = _prepared(records, labels, wishes)
    target = labels.encode(records.ids)
    if len(set(target.tolist())) < 2:
        raise DataError(
            "All structures that were found have the same label."
            if len(target)
            else "No structure is left.",
            "Check that the ids of the labels are the names of the structure files."
            if not removed
            else sentence(counts(removed)),
            path=table,
        )
    whole = hashlib.sha256((digest + _labels_hash(labels, records)).encode()).hexdigest()
    summary = summarise(name, folder, records, labels, unreadable, whole, extra)
    if wishes.purify:
        said = sentence(counts(removed)) or "Nothing had to be removed to purify the data set."
        yield LogLine(text=said)
        summary = replace(summary, removed=counts(removed), problems=(said, *summary.problems))
    Dataset(summary, records, target).save()
    if wishes.purify:
        write_report(folder, removed)
    else:
        (folder / REPORT).unlink(missing_ok=True)
    return summary


def _prepared(
    records: Records, labels: Labels, wishes: Wishes
) -> tuple[Records, Labels, tuple[Removed, ...]]:
    """Crystals and labels as they are wanted, and what was removed for it."""
    gone: list[Removed] = []
    if wishes.purify:
        records, labels, gone = _cleaned(records, labels)
    if wishes.derive:
        target, values = derived(wishes.derive, labels.target, labels.values, records)
        labels = labels.with_values(values, target)
    if not wishes.purify:
        return records, labels, ()
    pure = purify(records, labels.values, labels.target, atoms=wishes.atoms)
    removed = sorted((*gone, *pure.removed), key=lambda one: by_number(one.id))
    return pure.records, labels.with_values(pure.values), tuple(removed)


def _cleaned(records: Records, labels: Labels) -> tuple[Records, Labels, list[Removed]]:
    """Without labels that no crystal can have."""
    target = target_named(labels.target)
    if target is None:
        return records, labels, []
    sizes = dict(zip(records.ids, np.diff(records.offsets).tolist(), strict=True))
    values, reasons = cleaned(target, {key: labels.values[key] for key in records.ids}, sizes)
    keys = records.keys()
    gone = [
        removed_row(records, keys, row, str(labels.values[key]), LABEL, reasons[key])
        for row, key in enumerate(records.ids)
        if key in reasons
    ]
    rows = np.array([row for row, key in enumerate(records.ids) if key in values], np.int64)
    return records.select(rows), labels.with_values(values, target), gone


def content_hash(source: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files."""
    h = hashlib.sha256(f"{FORMAT} {TOLERANCE}".encode())
    files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    try:
        for path in files:
            h.update(os.fsencode(path.relative_to(source).as_posix()) + b"\0")
            try:
                with open(path, "rb") as stream:
                    h.update(hashlib.file_digest(stream, "sha256").digest())
            except PermissionError:
                h.update(b"no permission")  # listed with the files that cannot be read
    except OSError as error:
        raise DataError(
            f"A file cannot be read: {error.strerror or error}.",
            "Check its permissions.",
            path=error.filename,
        ) from error
    return h.hexdigest()


def file_id(name: str) -> str:
    """The id of a structure file: its name without ending.

    ``POSCAR/17.POSCAR`` is ``17``; ``mp-17/POSCAR`` is ``mp-17``.
    """
    parts = name.replace("\\", "/").split("/")
    stem = parts[-1]
    for ending in _PACKED:
        stem = stem.removesuffix(ending)
    stem = os.path.splitext(stem)[0] or stem
    if stem.lower() in _PLAIN_NAMES and len(parts) > 1:
        return parts[-2]
    return stem


def _entries(source: Path) -> list[Entry]:
    from crystalgui.core.structures.files import collect

    if not source.exists():
        raise DataError(
            "The structures cannot be found.", "Choose a folder or a zip archive.", path=source
        )
    return list(collect([source]))


def _parse(
    entries: list[Entry],
) -> Generator[Event, None, tuple[Records, list[tuple[str, str]]]]:
    """Read all entries; returns the table and what could not be read."""
    parts: list[Records] = []
    ids: list[str] = []
    records: list[Record] = []
    unreadable: list[tuple[str, str]] = []
    lines: list[LogLine] = []
    start = last = time.monotonic()
    for i, (name, answer) in enumerate(read_records(entries), 1):
        if isinstance(answer, str):
            unreadable.append((name, answer))
            if len(unreadable) <= MOST_LINES:
                lines.append(LogLine(text=f"{name}: {answer}", level="warning"))
        else:
            ids.append(name)
            records.append(answer)
        if records or parts:
            # Where nothing can be read, the error that ends the import is the only message.
            yield from lines
            lines.clear()
        if len(records) == PART:
            parts.append(Records.stack(ids, records))
            ids, records = [], []
        now = time.monotonic()
        if now - last > 0.1:
            last = now
            eta = (now - start) / i * (len(entries) - i)
            yield Progress(done=i, total=len(entries), text="Reading structures", eta=eta)
    parts.append(Records.stack(ids, records))
    return Records.join(parts), unreadable


def _from_cache(path: Path, digest: str) -> tuple[Records, list[tuple[str, str]]] | None:
    if not path.is_file():
        return None
    try:
        records, header = Records.load(path)
    except DataError:
        return None
    if header.get("digest") != digest or not len(records):
        return None
    return records, [(str(name), str(why)) for name, why in header.get("unreadable", [])]


def _match(
    source: Path,
    table: Path,
    records: Records,
    labels: Labels,
    unreadable: list[tuple[str, str]],
) -> tuple[Records, tuple[str, ...]]:
    """Rows with labels, renamed to their ids, and problems found on the way."""
    if len(records) == 0:
        first = f" First reason: {unreadable[0][1]}" if unreadable else ""
        raise DataError(
            f"No structure could be read.{first}",
            "Choose a folder or zip with POSCAR or CIF files.",
            path=source,
        )
    taken: dict[str, int] = {}
    twice = 0
    for row, name in enumerate(records.ids):
        base = name.replace("\\", "/").rsplit("/", 1)[-1]
        key = next((k for k in (file_id(name), base, name) if k in labels.values), "")
        if key and key in taken:
            twice += 1
        elif key:
            taken[key] = row
    if not taken:
        raise DataError(
            "No label belongs to a structure: not one id is the name of a structure file.",
            f"Ids must be file names without ending, like {file_id(records.ids[0])!r}; "
            f"the labels have {next(iter(labels.values))!r}.",
            path=table,
        )
    problems = []
    bare = len(records) - len(taken) - twice
    absent = [key for key in labels.values if key not in taken]
    if bare:
        problems.append(f"{bare} structures have no label and were left out.")
    if absent:
        problems.append(f"{len(absent)} labels have no readable structure (first id: {absent[0]}).")
    if twice:
        problems.append(f"{twice} structures have the same id as another and were left out.")
    rows = np.array(sorted(taken.values()), np.int64)
    name_of = {row: key for key, row in taken.items()}
    named = replace(records.select(rows), ids=tuple(name_of[int(row)] for row in rows))
    return named, tuple(problems)


def _labels_hash(labels: Labels, records: Records) -> str:
    h = hashlib.sha256(f"{labels.task} {labels.classes}".encode())
    for key in records.ids:
        h.update(f"{key}={labels.values[key]}\n".encode())
    return h.hexdigest()
