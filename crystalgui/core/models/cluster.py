"""Classifying on a cluster: a Dask scheduler hands chunks of crystals to its workers.

Files are read here, symmetry and answers are found there.  A worker needs this
program and nothing of this machine: crystals travel as arrays and models as
the bytes of their folders, once.  Answers come back in the order of the files,
only a few chunks ahead of what is asked for, so memory stays bounded.  When a
worker dies its chunks are given to another one.

The messages between scheduler and workers are Dask's own (which pickles): use
a scheduler that is yours.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from crystalgui import __version__
from crystalgui.core import stopping
from crystalgui.core.datasets.reading import Entry, parsed
from crystalgui.core.datasets.records import describe
from crystalgui.core.errors import ResourceError
from crystalgui.core.messages import Prediction
from crystalgui.core.models.predict import Classifier, rows
from crystalgui.core.models.trained import CARD, WEIGHTS
from crystalgui.core.structures.crystal import Crystal

Folder = Mapping[str, bytes]
Parsed = tuple[str, Crystal | str]
AHEAD = 3
CONNECT, LOOK = 10.0, 0.2


def answered(
    address: str, models: Sequence[Classifier], entries: Iterable[Entry], size: int
) -> Iterator[list[Prediction]]:
    """Rows of chunks of ``size`` files, in their order, from the workers of a scheduler.

    Raises
    ------
    ResourceError
        When there is no scheduler, no worker, or one with another version of this program.
    """
    from distributed import KilledWorker

    client = _connected(address)
    waiting: deque[Any] = deque()
    try:
        folders = [_packed(Path(model.card.folder)) for model in models]
        there = client.scatter(folders, broadcast=True)
        left = iter(entries)
        chunks = iter(lambda: [parsed(e) for e in itertools.islice(left, size)], [])
        for chunk in chunks:
            waiting.append(client.submit(_answer, chunk, *there, pure=False, retries=3))
            while len(waiting) >= AHEAD * max(1, len(client.nthreads())):
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())
    except KilledWorker as error:
        raise ResourceError(
            "Several workers of the cluster died on the same crystals.",
            "Look into the logs of the workers; they may have too little memory.",
            str(error),
        ) from error
    finally:
        for future in waiting:
            future.cancel()
        with suppress(Exception):
            client.close(timeout=5)


def _connected(address: str) -> Any:
    """A client of a scheduler with workers of this version."""
    import distributed

    connect: Any = distributed.Client
    try:
        client = connect(address, timeout=CONNECT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ResourceError(
            f"There is no Dask scheduler at {address}.",
            "Start one with `dask scheduler`, workers with `dask worker ADDRESS`, and give its "
            "address, e.g. tcp://10.0.0.5:8786.",
            str(error),
        ) from error
    try:
        client.wait_for_workers(1, timeout=CONNECT)
        versions = set(client.run(_version).values())
    except TimeoutError as error:
        client.close(timeout=5)
        raise ResourceError(
            f"The scheduler at {address} has no workers.",
            f"Start some with `dask worker {address}`.",
            str(error),
        ) from error
    except Exception as error:
        client.close(timeout=5)
        raise ResourceError(
            "The workers of the cluster do not have this program.",
            f"Install crystalgui {__version__} in the environment of the workers.",
            str(error),
        ) from error
    if versions != {__version__}:
        client.close(timeout=5)
        raise ResourceError(
            f"The workers have version {', '.join(sorted(versions))} of this program, "
            f"this is {__version__}.",
            "Install the same version on all machines.",
        )
    return client


def _result(future: Any) -> list[Prediction]:
    """The answer of a chunk; looks now and then whether it is still wanted."""
    found: list[Prediction]
    while not future.done():
        stopping.check()
        with suppress(TimeoutError):
            found = future.result(timeout=LOOK)
            return found
    found = future.result()
    return found


def _packed(folder: Path) -> dict[str, bytes]:
    """What a worker needs of a model."""
    return {name: (folder / name).read_bytes() for name in (CARD, WEIGHTS)}


# ------------------------------------------------------------- on the workers


def _version() -> str:
    return __version__


def _answer(chunk: list[Parsed], *folders: Folder) -> list[Prediction]:
    """Rows of a chunk, on a worker."""
    import torch

    torch.set_num_threads(1)
    models = [_unpacked(_Packed(folder)) for folder in folders]
    named = [(name, describe(c) if isinstance(c, Crystal) else c) for name, c in chunk]
    return rows(models, named)


class _Packed(dict[str, bytes]):
    """A packed model that can be a key: equal when its bytes are."""

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        parts = (folder[name] for name in sorted(folder))
        self.digest = hashlib.sha256(b"".join(parts)).hexdigest()

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Packed) and self.digest == other.digest


@lru_cache(maxsize=32)
def _unpacked(model: _Packed) -> Classifier:
    """A model that was sent here, loaded once a worker."""
    with tempfile.TemporaryDirectory(prefix="crystalgui-") as name:
        folder = Path(name)
        for file, content in model.items():
            (folder / os.path.basename(file)).write_bytes(content)
        return Classifier.load(folder, "auto")
