"""Reading many structure files at once, in processes, with their symmetry.

spglib holds the interpreter lock, so threads do not help; a small pool of
spawned processes does.  Few files are read right here, because a pool takes a
second to start.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from crystalgui.core.datasets.records import Record, describe
from crystalgui.core.errors import CrystalError, DataError
from crystalgui.core.processes import end_with_parent
from crystalgui.core.structures.crystal import Crystal

T = TypeVar("T")
Entry = tuple[str, Callable[[], Crystal]]
Reading = tuple[str, Record | str]
CHUNK = 48
FEW = 150


def read_records(entries: Iterable[Entry], workers: int = 0) -> Iterator[Reading]:
    """Read structures and find their symmetry, in order.

    Parameters
    ----------
    entries : iterable of (name, read)
        As from `crystalgui.core.structures.files.collect`.
    workers : int
        Processes; 0 chooses two where there are two cores.

    Yields
    ------
    name : str
    record : Record or str
        The reason as text when the file cannot be used.
    """
    iterator = iter(entries)
    first = list(itertools.islice(iterator, FEW))
    workers = workers or min(2, os.cpu_count() or 1)
    if len(first) < FEW or workers < 2 or multiprocessing.current_process().daemon:
        for entry in itertools.chain(first, iterator):
            yield _read(entry)
        return
    yield from _in_pool(itertools.chain(first, iterator), workers)


def _in_pool(entries: Iterator[Entry], workers: int) -> Iterator[Reading]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_quiet)
    waiting: deque[tuple[list[Entry], Future[list[Reading]]]] = deque()
    chunks = iter(lambda: list(itertools.islice(entries, CHUNK)), [])
    try:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(_read_all, chunk)))
            if len(waiting) >= 3 * workers:
                yield from waiting[0][1].result()
                waiting.popleft()
        while waiting:
            yield from waiting[0][1].result()
            waiting.popleft()
    except BrokenProcessPool:
        rest = [entry for chunk, _ in waiting for entry in chunk]
        for entry in itertools.chain(rest, entries):
            yield _read(entry)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _quiet() -> None:
    """One thread a process, which ends with its parent."""
    end_with_parent()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    with suppress(OSError, AttributeError):
        os.nice(3)


def _read_all(chunk: list[Entry]) -> list[Reading]:
    return [_read(entry) for entry in chunk]


def named(path: Path, entry: str = "") -> Entry:
    """The one structure of a file, or the one called ``entry`` of a folder or zip.

    Raises
    ------
    DataError
        When there is none, or none of that name, or several without a name.
    """
    from crystalgui.core.structures.files import collect

    entries = dict(collect([path]))
    if entry in entries:
        return entry, entries[entry]
    if entry or not entries:
        what = f"called {entry!r} " if entry else ""
        raise DataError(f"There is no structure {what}here.", "Choose a structure file.", path=path)
    if len(entries) > 1:
        raise DataError(
            f"There are {len(entries)} structures here; one is asked about at a time.",
            f"Name one of them, e.g. {next(iter(entries))!r}.",
            path=path,
        )
    return next(iter(entries.items()))


def parsed(entry: Entry) -> tuple[str, Crystal | str]:
    """A structure without its symmetry, or the reason why it cannot be used."""
    name, read = entry
    return name, _tried(read)


def _read(entry: Entry) -> Reading:
    name, read = entry
    return name, _tried(lambda: describe(read()))


def _tried(read: Callable[[], T]) -> T | str:
    """What is read, or why it cannot be."""
    try:
        return read()
    except CrystalError as error:
        line = f" (line {error.line})" if error.line is not None else ""
        return f"{error.title}{line} {error.hint}".strip()
    except Exception as error:  # noqa: BLE001  (one bad file must not end an import)
        return f"It cannot be read ({type(error).__name__}: {error})."
