"""Make a data set of Brillouin zones: draw, certify, describe, over several processes.

The draws of a family are numbered; blocks of them are worked on in any order
and by any process, and each block becomes a file as soon as it is done, so
that a job that was killed goes on where it was.  A family is complete with the
first draws that make up the wanted number of certified phases, which depends
on the recipe alone.  What has no certified phase is counted and kept apart.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crystalgui.core.datasets.dataset import SUMMARY, safe_name
from crystalgui.core.datasets.hamiltonians.descriptors import CHANNELS, describe
from crystalgui.core.datasets.hamiltonians.families import FAMILIES, draw
from crystalgui.core.datasets.hamiltonians.shares import card, shares_csv, shares_json
from crystalgui.core.datasets.hamiltonians.zone_dataset import (
    CLASSES,
    FORMAT,
    Apart,
    ZoneDataset,
    digest,
)
from crystalgui.core.errors import CrystalError, DataError, Stopped
from crystalgui.core.messages import (
    DatasetReady,
    DatasetSummary,
    Event,
    PhaseDataJob,
    PhaseDataProgress,
    Progress,
    ZoneDataRecipe,
)
from crystalgui.core.messages import Stopped as Ended
from crystalgui.core.physics.bloch import cores, one_thread
from crystalgui.core.physics.classify import classify
from crystalgui.core.processes import end_with_parent
from crystalgui.core.stopping import Flag, check, stoppable
from crystalgui.core.store.files import FolderLock, write_atomic

__all__ = ["CLASSES", "ZoneDataset", "make", "shares_csv", "shares_json"]

BLOCK = 4
"""Draws in one piece of work."""
PATIENCE = 20
"""Draws for each wanted sample before a family is given up."""
LEAST_MESH, LARGEST_MESH = 2, 24
_MOST_PROCESSES = 64
_COLUMNS = ("shape", "label", "number", "occupied", "orbitals", "dimension", "gap")


# ------------------------------------------------------------------ one block


@dataclass(frozen=True, slots=True)
class _Block:
    """Draws ``first`` .. ``first + BLOCK - 1`` of a family, and the file they become."""

    family: str
    first: int
    seed: int
    mesh: int
    path: Path


def _work(block: _Block) -> Counter[str]:
    """Draw, certify and describe; counts the labels."""
    from safetensors.numpy import save

    rows: list[dict[str, Any]] = []
    for number in range(block.first, block.first + BLOCK):
        check()
        with one_thread():
            rows.append(_one(block, number))
    arrays: dict[str, NDArray[Any]] = {
        name: np.array([row[name] for row in rows], np.float64 if name == "gap" else np.int64)
        for name in _COLUMNS
    }
    arrays["packed"] = np.concatenate([row["packed"] for row in rows])
    header = [{name: row[name] for name in ("settings", "phase", "remark")} for row in rows]
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8).copy()
    write_atomic(block.path, save(arrays))
    return Counter(row["phase"] for row in rows)


def _one(block: _Block, number: int) -> dict[str, Any]:
    """One draw: its label and channels, or why it has none."""
    drawn = draw(block.family, block.seed, number)
    h, occupied = drawn.hoppings, drawn.occupied
    row: dict[str, Any] = {
        "number": number,
        "occupied": occupied,
        "orbitals": h.n_orbitals,
        "settings": json.dumps(drawn.settings),
        "label": -1,
        "dimension": 0,
        "gap": 0.0,
        "shape": (0, 0, 0),
        "packed": np.zeros(0, np.float16),
    }
    try:
        found = classify(h, occupied)
    except Stopped:
        raise
    except CrystalError as error:
        return row | {"phase": "unresolved", "remark": str(error)}
    row |= {"phase": found.label, "remark": found.remark, "dimension": found.dimension}
    if found.label not in CLASSES:
        return row
    tensor = describe(h, occupied, block.mesh)
    gap = 0.0 if found.nodes or found.gaps is None else found.gaps.direct.energy
    return row | {
        "label": CLASSES.index(found.label),
        "gap": gap,
        "shape": tensor.values.shape[1:],
        "packed": tensor.values.astype(np.float16).ravel(),
    }


def _read(path: Path) -> dict[str, Any] | None:
    """A block's file; None when there is none that can be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        arrays["header"] = json.loads(arrays["header"].tobytes())
        return arrays if len(arrays["label"]) == BLOCK else None
    except (OSError, SafetensorError, ValueError, KeyError):
        return None


# ------------------------------------------------------------------ processes

_stop: Any = None


def _begin(stop: Any) -> None:
    """Start of a process: it goes with its parent and looks at its flag."""
    global _stop
    _stop = stop
    end_with_parent()


def _remote(block: _Block) -> Counter[str]:
    with stoppable(_stop):
        return _work(block)


class _Workers:
    """Runs blocks, here or in processes."""

    def __init__(self, processes: int, stop: Flag | None) -> None:
        self._stop, self._exit = stop, ExitStack()
        self._pool: ProcessPoolExecutor | None = None
        if processes > 1:
            context = multiprocessing.get_context("spawn")
            self._flag = context.Event()
            self._pool = ProcessPoolExecutor(processes, context, _begin, (self._flag,))

    def run(self, blocks: Sequence[_Block]) -> Iterator[tuple[_Block, Counter[str]]]:
        """Blocks with what they found, in the order in which they are done."""
        if self._pool is None:
            for block in blocks:
                with stoppable(self._stop):
                    found = _work(block)
                yield block, found
            return
        waiting: dict[Future[Counter[str]], _Block] = {
            self._pool.submit(_remote, block): block for block in blocks
        }
        while waiting:
            done, _ = wait(waiting, timeout=0.2, return_when="FIRST_COMPLETED")
            check(self._stop)
            for future in done:
                yield waiting.pop(future), future.result()

    def close(self) -> None:
        """End the processes, in the middle of a certificate if need be."""
        if self._pool is not None:
            self._flag.set()
            self._pool.shutdown(wait=True, cancel_futures=True)


# ------------------------------------------------------------------ the job


class _Making:
    """What is there of each family, on disk and counted."""

    def __init__(self, recipe: ZoneDataRecipe, folder: Path) -> None:
        self.recipe, self.parts = recipe, folder / "parts" / _key(recipe)
        self.remarks: list[str] = []
        self.wanted: list[str] = []
        for name in recipe.families or tuple(FAMILIES):
            reason = FAMILIES[name].missing()
            if reason:
                self.remarks.append(f"{FAMILIES[name].title} was left out: {reason}")
            else:
                self.wanted.append(name)
        self.counts: dict[str, dict[int, Counter[str]]] = {name: {} for name in self.wanted}
        self.parts.mkdir(parents=True, exist_ok=True)
        for name in self.wanted:
            for first in self._kept(name):
                block = self._block(name, first)
                part = _read(block.path)
                if part is not None:
                    phases = Counter(row["phase"] for row in part["header"])
                    self.counts[name][first] = phases

    def _kept(self, name: str) -> list[int]:
        found = []
        for path in self.parts.glob(f"{name}-*.safetensors"):
            with suppress(ValueError):
                found.append(int(path.stem.rpartition("-")[2]))
        return sorted(found)

    def _block(self, name: str, first: int) -> _Block:
        path = self.parts / f"{name}-{first}.safetensors"
        return _Block(name, first, self.recipe.seed, self.recipe.mesh, path)

    def note(self, block: _Block, phases: Counter[str]) -> None:
        """A block is done."""
        self.counts[block.family][block.first] = phases

    def missing(self) -> list[_Block]:
        """Blocks to do next: as many draws as samples are missing; families take turns."""
        turns = []
        for place, name in enumerate(self.wanted):
            found, rows = 0, 0
            firsts = []
            while found < self.recipe.samples and rows < PATIENCE * self.recipe.samples:
                known = self.counts[name].get(rows)
                if known is None:
                    firsts.append(rows)
                    found += BLOCK
                else:
                    found += sum(known[c] for c in CLASSES)
                rows += BLOCK
            turns += [(i, place, name, first) for i, first in enumerate(firsts)]
        return [self._block(name, first) for _, _, name, first in sorted(turns)]

    def progress(self) -> PhaseDataProgress:
        """How many certified samples of each class there are."""
        total: Counter[str] = Counter()
        done = 0
        for blocks in self.counts.values():
            mine: Counter[str] = sum(blocks.values(), Counter())
            total += mine
            done += min(self.recipe.samples, sum(mine[c] for c in CLASSES))
        return PhaseDataProgress(
            done=done,
            total=self.recipe.samples * len(self.wanted),
            counts=tuple((name, total[name]) for name in total),
            certificates=sum(total.values()),
        )

    def collect(self, folder: Path) -> ZoneDataset:
        """The data set from all blocks."""
        rows: list[tuple[str, dict[str, Any], int]] = []
        packed: list[NDArray[np.float16]] = []
        apart: list[Apart] = []
        for name in self.wanted:
            taken = 0
            for first in sorted(self.counts[name]):
                part = _read(self._block(name, first).path)
                if taken >= self.recipe.samples or part is None:
                    break
                starts = np.cumsum([0, *(part["shape"].prod(axis=1) * len(CHANNELS))])
                for i, row in enumerate(part["header"]):
                    if taken >= self.recipe.samples:
                        break
                    if part["label"][i] < 0:
                        number = int(part["number"][i])
                        apart.append(Apart(
                            family=name, number=number, label=row["phase"], remark=row["remark"],
                        ))  # fmt: skip
                        continue
                    taken += 1
                    rows.append((name, part, i))
                    packed.append(part["packed"][starts[i] : starts[i + 1]])
            if taken < self.recipe.samples:
                self.remarks.append(
                    f"{FAMILIES[name].title} gave only {taken} certified samples in "
                    f"{PATIENCE * self.recipe.samples} draws."
                )
        if not rows:
            raise DataError("No family gave a certified sample.", "Choose other families.")
        return self._dataset(folder, rows, np.concatenate(packed), tuple(apart))

    def _dataset(
        self,
        folder: Path,
        rows: list[tuple[str, dict[str, Any], int]],
        packed: NDArray[np.float16],
        apart: tuple[Apart, ...],
    ) -> ZoneDataset:
        columns = {name: np.array([part[name][i] for _, part, i in rows]) for name in _COLUMNS}
        family = [name for name, _, _ in rows]
        counts = tuple(int((columns["label"] == c).sum()) for c in range(len(CLASSES)))
        kinds = Counter(one.label for one in apart)
        problems = [*self.remarks]
        if apart:
            words = ", ".join(f"{count} {label}" for label, count in sorted(kinds.items()))
            problems.append(
                f"{len(apart)} draws without a certified phase are kept apart: {words}."
            )
        summary = DatasetSummary(
            name=self.recipe.name,
            folder=folder,
            task="classification",
            target="phase",
            size=len(rows),
            classes=CLASSES,
            counts=counts,
            problems=tuple(problems),
            digest=digest(packed, columns["label"], family),
            kind="zones",
            shape=(len(CHANNELS),),
            apart=len(apart),
            families=tuple(dict.fromkeys(family)),
        )
        return ZoneDataset(
            summary=summary,
            recipe=replace(self.recipe, families=tuple(self.wanted)),
            names=CHANNELS,
            packed=packed,
            family=np.array(family, dtype=np.str_),
            settings=tuple(part["header"][i]["settings"] for _, part, i in rows),
            apart=apart,
            remarks=tuple(self.remarks),
            **columns,
        )

    def tidy(self) -> None:
        """The blocks are in the data set; their files go."""
        for path in self.parts.glob("*.safetensors"):
            path.unlink()
        for place in (self.parts, self.parts.parent):
            with suppress(OSError):
                place.rmdir()


def _key(recipe: ZoneDataRecipe) -> str:
    """Name of the folder of blocks; whatever changes a block changes it."""
    facts = [recipe.seed, recipe.mesh, BLOCK, FORMAT, CHANNELS]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _checked(recipe: ZoneDataRecipe) -> None:
    for name in recipe.families:
        if name not in FAMILIES:
            raise DataError(
                f"There is no family of Hamiltonians {name!r}.",
                f"Choose from {', '.join(FAMILIES)}.",
            )
    if recipe.samples < 1 or not LEAST_MESH <= recipe.mesh <= LARGEST_MESH:
        raise DataError(
            f"{recipe.samples} samples on a mesh of {recipe.mesh} are impossible.",
            f"Give at least one sample, and {LEAST_MESH} to {LARGEST_MESH} points a direction.",
        )


def make(job: PhaseDataJob, stop: Flag | None = None) -> Generator[Event, None, None]:
    """Make a data set of zones, or go on with one that was cut off.

    Yields `PhaseDataProgress` after each block and `DatasetReady` at the end.  A
    soft stop ends it with `Stopped`; finished blocks stay for the next call.

    Raises
    ------
    DataError
        The recipe is impossible, or the folder holds another data set.
    """
    from crystalgui.core.store.project import Project

    recipe = job.recipe
    assert isinstance(recipe, ZoneDataRecipe)
    _checked(recipe)
    with ExitStack() as stack:
        project: Project | None = None
        if job.project is not None:
            project = Project.open(job.project)
            stack.callback(project.close)
        if job.out is not None:
            folder = Path(job.out).absolute()
        elif project is not None:
            folder = project.datasets_folder / safe_name(recipe.name)
        else:
            raise DataError("There is no folder for the data set.", "Name a folder or a project.")
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(FolderLock(folder))
        try:
            summary = yield from _made(recipe, folder, job.processes or cores(), stop)
        except Stopped:
            yield Ended()
            return
        if project is not None:
            project.register_dataset(summary)
        yield DatasetReady(summary=summary)


def _made(
    recipe: ZoneDataRecipe, folder: Path, processes: int, stop: Flag | None
) -> Generator[Event, None, DatasetSummary]:
    """The data set in a folder, which is locked."""
    if (folder / SUMMARY).exists():
        old = ZoneDataset.load(folder)
        wanted = replace(recipe, families=old.recipe.families, title=old.recipe.title)
        asked = recipe.families or tuple(FAMILIES)
        if wanted != old.recipe or not set(old.recipe.families) <= set(asked):
            raise DataError(
                "This folder holds another data set.",
                "Choose another name or folder, or delete this one.",
                path=folder,
            )
        return old.summary
    making = _Making(recipe, folder)
    yield making.progress()
    workers = _Workers(min(_MOST_PROCESSES, processes), stop)
    try:
        while blocks := making.missing():
            for block, phases in workers.run(blocks):
                making.note(block, phases)
                yield making.progress()
    finally:
        workers.close()
    yield Progress(done=0, text="Writing the data set")
    data = making.collect(folder)
    write_atomic(folder / "shares.csv", shares_csv(data))
    write_atomic(folder / "shares.json", json.dumps(shares_json(data), indent=1))
    write_atomic(folder / "card.md", card(data))
    data.save()
    making.tidy()
    return data.summary
