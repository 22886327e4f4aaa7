"""Make data sets of Hamiltonians: shared over processes, resumable, the same for every number.

Sample i is drawn from the seed of the recipe and i alone, so shards of samples
can be made anywhere and in any order.  Each is written as a whole beside what
will be the data set; what was killed goes on with the shards that are missing.
The data set is the first ``train + test`` samples with a certified phase.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.synchronize import Event as Raised
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.dataset import SUMMARY, safe_name
from crystalgui.core.datasets.hamiltonians.dataset import (
    CLASSES,
    VIA,
    PhaseDataset,
    Samples,
    digest,
    read_plain,
)
from crystalgui.core.datasets.hamiltonians.labelling import Labeller, Line, survey
from crystalgui.core.datasets.hamiltonians.recipes import checked, ends, same
from crystalgui.core.errors import DataError
from crystalgui.core.errors import Stopped as Ended
from crystalgui.core.messages import (
    DatasetReady,
    DatasetSummary,
    Event,
    PhaseDataJob,
    PhaseDataProgress,
    PhaseDataRecipe,
    Progress,
    Stopped,
    ZoneDataRecipe,
)
from crystalgui.core.physics.bloch import cores, one_thread
from crystalgui.core.physics.certificate import LABELS
from crystalgui.core.processes import end_with_parent
from crystalgui.core.stopping import Flag, stoppable
from crystalgui.core.store.encode import to_plain
from crystalgui.core.store.files import FolderLock, write_atomic
from crystalgui.core.structures.hoppings.model import Hoppings

LINE = "line.json"
"""What is known of the mixtures without noise (`labelling.Line`)."""
_PARTS, _BEGIN = "parts", "begin.json"
_SHARD, _SHARD_NOISE = 480, 32
_TEST_ROWS = 0x7E57
_MOST_PROCESSES = 64

Shards = dict[int, Samples]


def make(job: PhaseDataJob, stop: Flag | None = None) -> Generator[Event, None, None]:
    """Make the data set of a recipe, or go on with it.

    Yields `Progress`, `PhaseDataProgress` and at the end `DatasetReady`.  A
    soft stop ends it with `Stopped`; what was made stays and is used by the
    next call.

    Raises
    ------
    DataError
        The recipe is impossible, or the folder holds something else.
    """
    if isinstance(job.recipe, ZoneDataRecipe):
        from crystalgui.core.datasets.hamiltonians.zones import make as make_zones

        yield from make_zones(job, stop)
        return
    recipe = checked(job.recipe)
    if job.project is None:
        if job.out is None:
            raise DataError("There is no folder for the data set.", "Name a folder or a project.")
        summary = yield from _made(recipe, job.out, job.processes, stop)
    else:
        from crystalgui.core.store.project import Project

        project = Project.open(job.project)
        try:
            folder = job.out or project.datasets_folder / safe_name(recipe.name)
            summary = yield from _made(recipe, folder, job.processes, stop)
            if summary is not None:
                project.register_dataset(summary)
        finally:
            project.close()
    yield Stopped() if summary is None else DatasetReady(summary=summary)


def _made(
    recipe: PhaseDataRecipe, folder: Path, processes: int, stop: Flag | None
) -> Generator[Event, None, DatasetSummary | None]:
    """The data set in a folder; None when it was stopped."""
    yield Progress(done=0, text="Reading both ends")
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with FolderLock(folder):
        if (folder / SUMMARY).exists():
            old = PhaseDataset.load(folder)
            if not same(old.recipe, recipe):
                raise _other(folder)
            return old.summary
        start, end, occupied = ends(recipe)
        line = yield from _surveyed(recipe, folder, start, end, occupied)
        work = _Work(recipe, start, end, occupied, line)
        count = min(_MOST_PROCESSES, processes or cores())
        shards = yield from _shards(work, folder / _PARTS, count, stop)
        if shards is None:
            return None
        data = assemble(recipe, start, end, occupied, shards, folder)
        data.save()
        write_atomic(folder / LINE, json.dumps(line.plain()))
        shutil.rmtree(folder / _PARTS, ignore_errors=True)
        return data.summary


def begun(datasets: Path) -> tuple[tuple[Path, PhaseDataRecipe], ...]:
    """Folders below ``datasets`` whose making was cut off, with their recipes."""
    found = []
    for path in sorted(datasets.glob(f"*/{_PARTS}/{_BEGIN}")):
        folder = path.parent.parent
        if (folder / SUMMARY).exists():
            continue
        try:
            recipe = read_plain(json.loads(path.read_text("utf-8"))["recipe"], path.parent)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found.append((folder, recipe))
    return tuple(found)


def _other(folder: Path) -> DataError:
    return DataError(
        "This folder holds another data set, or the beginning of one.",
        "Choose another name or folder, or delete this one.",
        path=folder,
    )


def _surveyed(
    recipe: PhaseDataRecipe, folder: Path, start: Hoppings, end: Hoppings, occupied: int
) -> Generator[Event, None, Line]:
    """The line without noise, from an earlier attempt or made now."""
    parts = folder / _PARTS
    parts.mkdir(exist_ok=True)
    begun = parts / _BEGIN
    if begun.exists():
        try:
            plain = json.loads(begun.read_text("utf-8"))
            earlier, line = read_plain(plain["recipe"], parts), Line.from_plain(plain["line"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _other(folder) from error
        if not same(earlier, recipe):
            raise _other(folder)
        return line
    complete: Line | None = None
    with one_thread():
        for line in survey(start, end, occupied, recipe.alpha, recipe.gap_tolerance):
            complete = line
            yield Progress(done=0, text=f"{len(line.alpha)} gaps along the line without noise")
    assert complete is not None
    content = {"recipe": to_plain(recipe, parts), "line": complete.plain()}
    write_atomic(begun, json.dumps(content))
    return complete


# ------------------------------------------------------------------ shards


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What a process must know to make a shard."""

    recipe: PhaseDataRecipe
    start: Hoppings
    end: Hoppings
    occupied: int
    line: Line

    @property
    def size(self) -> int:
        return _SHARD_NOISE if self.recipe.strength else _SHARD

    def labeller(self) -> Labeller:
        return Labeller(self.recipe, self.start, self.end, self.occupied, self.line)


def draw(recipe: PhaseDataRecipe, number: int) -> tuple[float, int]:
    """Mixing and seed of the noise of a sample; -1 without noise."""
    rng = np.random.default_rng(np.random.SeedSequence([recipe.seed, number, 1]))
    low, high = recipe.alpha
    alpha = low + (high - low) * float(rng.random())
    return alpha, (recipe.seed << 32 | number) if recipe.strength else -1


def make_shard(labeller: Labeller, index: int, size: int) -> Samples:
    """Samples ``index * size`` .. ; ``label`` is a row of `certificate.LABELS`."""
    rows = []
    for number in range(index * size, (index + 1) * size):
        alpha, seed = draw(labeller.recipe, number)
        found = labeller.label(alpha, seed)
        code = LABELS.index(found.label)
        rows.append((number, alpha, seed, code, found.gap, found.k, VIA.index(found.via)))
    columns = list(zip(*rows, strict=True))
    return Samples(
        number=np.array(columns[0], np.int64),
        alpha=np.array(columns[1], np.float64),
        noise_seed=np.array(columns[2], np.int64),
        label=np.array(columns[3], np.int64),
        gap=np.array(columns[4], np.float64),
        k=np.array(columns[5], np.float64),
        via=np.array(columns[6], np.int8),
    )


_mine: Labeller | None = None
_raised: Raised | None = None


def _begin(work: _Work, raised: Raised) -> None:
    """In a new process."""
    global _mine, _raised
    end_with_parent()
    _mine, _raised = work.labeller(), raised


def _shard(index: int, size: int) -> Samples:
    assert _mine is not None
    with one_thread(), stoppable(_raised):
        return make_shard(_mine, index, size)


def _shards(
    work: _Work, folder: Path, processes: int, stop: Flag | None
) -> Generator[Event, None, Shards | None]:
    """All shards that the data set needs; None when it was stopped."""
    wanted = work.recipe.train + work.recipe.test
    done: Shards = {}
    for path in sorted(folder.glob("*.safetensors")):
        done[int(path.stem)] = _read_part(path)
    yield from _progress(done, wanted, 0, 0.0)
    begin, earlier = time.monotonic(), len(done)
    with _runner(work, processes) as run:
        waiting: dict[Future[Samples], int] = {}
        while _labelled(done, _first_missing(done)) < wanted:
            if stop is not None and stop.is_set():
                return None
            while len(waiting) < 2 * processes:
                index = _next(done, waiting.values(), work.size, wanted)
                if index is None:
                    break
                waiting[run(index)] = index
            finished, _ = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in finished:
                index = waiting.pop(future)
                try:
                    done[index] = future.result()
                except Ended:
                    return None
                _write_part(folder / f"{index:06d}.safetensors", done[index])
            yield from _progress(done, wanted, len(done) - earlier, time.monotonic() - begin)
    last = _first_missing(done)
    return {i: done[i] for i in range(last)}


def _first_missing(done: Mapping[int, Samples]) -> int:
    index = 0
    while index in done:
        index += 1
    return index


def _next(done: Shards, waiting: Any, size: int, wanted: int) -> int | None:
    """The first shard that nobody makes and that the data set is likely to need."""
    busy = set(waiting)
    index = 0
    while index in done or index in busy:
        index += 1
    expected = sum(_count(done[i]) if i in done else size for i in range(index))
    return index if expected < wanted else None


def _count(shard: Samples) -> int:
    return int((shard.label < len(CLASSES)).sum())


def _labelled(done: Shards, before: int) -> int:
    return sum(_count(done[i]) for i in range(before))


def _progress(done: Shards, wanted: int, lately: int, seconds: float) -> Iterator[Event]:
    counts: Counter[str] = Counter()
    certificates = 0
    for shard in done.values():
        codes, numbers = np.unique(shard.label, return_counts=True)
        counts.update({LABELS[c]: int(n) for c, n in zip(codes, numbers, strict=True)})
        certificates += int((shard.via == 0).sum())
    known = min(wanted, sum(counts[name] for name in CLASSES))
    order = tuple((name, counts[name]) for name in LABELS if counts[name] or name in CLASSES)
    yield PhaseDataProgress(done=known, total=wanted, counts=order, certificates=certificates)
    share = known / max(1, len(done))
    eta = (wanted - known) / share * seconds / lately if lately and share else float("nan")
    yield Progress(done=known, total=wanted, text=f"{known:,} samples", eta=eta)


@contextmanager
def _runner(work: _Work, processes: int) -> Iterator[Any]:
    """Something that starts shard ``index`` and gives its `Future`; it ends all at the end."""
    if processes < 2:
        labeller = work.labeller()

        def here(index: int) -> Future[Samples]:
            future: Future[Samples] = Future()
            with one_thread():
                future.set_result(make_shard(labeller, index, work.size))
            return future

        yield here
        return
    context = get_context("spawn")
    raised = context.Event()
    pool = ProcessPoolExecutor(processes, context, _begin, (work, raised))
    try:
        yield lambda index: pool.submit(_shard, index, work.size)
    finally:
        raised.set()  # what nobody waits for ends soon
        pool.shutdown(wait=True, cancel_futures=True)


def _write_part(path: Path, shard: Samples) -> None:
    from safetensors.numpy import save

    write_atomic(path, save({k: np.ascontiguousarray(v) for k, v in shard.columns().items()}))


def _read_part(path: Path) -> Samples:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return Samples(**load(path.read_bytes()))
    except (OSError, SafetensorError, TypeError) as error:
        raise DataError(
            "A part of the data set cannot be read.", "Delete it and go on.", str(error), path=path
        ) from error


# ------------------------------------------------------------------ the whole


def assemble(
    recipe: PhaseDataRecipe,
    start: Hoppings,
    end: Hoppings,
    occupied: int,
    shards: Mapping[int, Samples],
    folder: Path,
) -> PhaseDataset:
    """The data set of shards 0 .. n - 1."""
    every = Samples.join([shards[i] for i in sorted(shards)])
    pairs = np.stack([every.alpha.view(np.int64), every.noise_seed], axis=1)
    first = np.unique(pairs, axis=0, return_index=True)[1]
    every = every.select(np.sort(first))  # no sample twice
    wanted = recipe.train + recipe.test
    rows = np.flatnonzero(every.label < len(CLASSES))[:wanted]
    samples = every.select(rows)
    rest = every.select((every.label >= len(CLASSES)) & (every.number <= every.number[rows[-1]]))
    codes = np.unique(rest.label)
    reasons = tuple(LABELS[c] for c in codes)
    apart = Samples(**{**rest.columns(), "label": np.searchsorted(codes, rest.label)})
    is_test = _test_rows(recipe, len(samples))
    return PhaseDataset(
        summary=_summary(
            recipe,
            folder,
            samples,
            apart,
            reasons,
            digest(recipe, start, end, samples, is_test),
        ),
        recipe=recipe,
        start=start,
        end=end,
        occupied=occupied,
        samples=samples,
        is_test=is_test,
        apart=apart,
        reasons=reasons,
    )


def _test_rows(recipe: PhaseDataRecipe, count: int) -> NDArray[np.bool_]:
    rng = np.random.default_rng(np.random.SeedSequence([recipe.seed, _TEST_ROWS]))
    is_test = np.zeros(count, np.bool_)
    is_test[rng.permutation(count)[: recipe.test]] = True
    return is_test


def _summary(
    recipe: PhaseDataRecipe,
    folder: Path,
    samples: Samples,
    apart: Samples,
    reasons: tuple[str, ...],
    content: str,
) -> DatasetSummary:
    counts = np.bincount(samples.label, minlength=len(CLASSES))
    problems = tuple(
        f"{int((apart.label == code).sum()):,} samples are kept apart: {reason}."
        for code, reason in enumerate(reasons)
    )
    return DatasetSummary(
        name=recipe.name,
        folder=folder,
        task="classification",
        target="phase",
        size=len(samples),
        classes=CLASSES,
        counts=tuple(counts.tolist()),
        formulas=1,
        problems=problems,
        digest=content,
        kind="hoppings",
        apart=len(apart),
    )
