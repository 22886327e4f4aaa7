"""One training run: its row in the database and its folder.

The folder holds ``run.json`` (recipe, seed, data hash, versions),
``metrics.jsonl``, ``last/best/optimiser.safetensors``, ``state.json`` and
``log.txt``.  While a process trains, it holds the lock of the folder; a run
that says "running" without a live lock was killed.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from crystalgui.core.atomic import write_atomic
from crystalgui.core.errors import StoreError
from crystalgui.core.messages import ConfusionReady, TrainRecipe
from crystalgui.core.store import monitors
from crystalgui.core.store.files import FolderLock

if TYPE_CHECKING:
    from crystalgui.core.store.project import Project

Status = Literal[
    "created", "running", "done", "stopped", "failed", "crashed", "interrupted", "binned"
]
STATUSES: tuple[Status, ...] = get_args(Status)
ENDED: tuple[Status, ...] = ("done", "stopped", "failed", "crashed", "interrupted")


def now() -> str:
    """UTC time as stored, to the microsecond."""
    return datetime.now(UTC).isoformat()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """What the database knows of a run."""

    id: str
    title: str
    model: str
    preset: str
    recipe: TrainRecipe
    status: Status
    former: Status
    created: datetime
    ended: datetime | None
    epochs: int
    best: dict[str, float]
    tags: tuple[str, ...]
    note: str


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of the ``metrics.jsonl`` of a run folder; torn lines are skipped."""
    rows = []
    with (
        suppress(FileNotFoundError),
        open(folder / "metrics.jsonl", encoding="utf-8", errors="replace") as stream,
    ):
        for line in stream:
            with suppress(ValueError, AttributeError):
                row = json.loads(line)
                rows.append({k: math.nan if v is None else v for k, v in row.items()})
    return rows


class Run:
    """A run of a project; made by `Project.create_run`, `Project.run` and `Project.runs`.

    What it says of itself is as old as the last `refresh` or change through
    this object.
    """

    def __init__(self, project: Project, row: RunRow) -> None:
        self.project = project
        self.row = row
        self._lock: FolderLock | None = None

    # ------------------------------------------------------------ what it is

    @property
    def id(self) -> str:
        """Sortable by time: ``20261121-074512-3fa9c1``."""
        return self.row.id

    @property
    def title(self) -> str:
        """Name shown to people."""
        return self.row.title

    @property
    def model(self) -> str:
        """Registry key of the family."""
        return self.row.model

    @property
    def preset(self) -> str:
        """Preset of the family."""
        return self.row.preset

    @property
    def recipe(self) -> TrainRecipe:
        """Everything that determined the run."""
        return self.row.recipe

    @property
    def status(self) -> Status:
        """State of the run."""
        return self.row.status

    @property
    def created(self) -> datetime:
        """When it was created, UTC."""
        return self.row.created

    @property
    def ended(self) -> datetime | None:
        """When it ended, UTC; None while it has not."""
        return self.row.ended

    @property
    def epochs(self) -> int:
        """Epochs that were finished."""
        return self.row.epochs

    @property
    def best(self) -> dict[str, float]:
        """Metrics of the best epoch."""
        return self.row.best

    @property
    def tags(self) -> tuple[str, ...]:
        """The person's tags."""
        return self.row.tags

    @property
    def note(self) -> str:
        """The person's note."""
        return self.row.note

    @property
    def folder(self) -> Path:
        """Its folder; below ``bin`` when it was deleted."""
        home = self.project.bin_folder if self.status == "binned" else self.project.runs_folder
        return home / self.id

    def file(self, name: str) -> Path:
        """A file of the run, e.g. ``run.file("best.safetensors")``."""
        return self.folder / name

    @property
    def size(self) -> int:
        """Bytes of its folder."""
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file())

    def refresh(self) -> Run:
        """Read its row again; returns itself."""
        self.row = self.project.run(self.id).row
        return self

    # ---------------------------------------------------------------- its life

    @contextmanager
    def lock(self) -> Iterator[Run]:
        """Hold the run while training; its end or death releases it.

        Raises
        ------
        StoreError
            When another process trains this run.
        """
        self._hold()
        try:
            yield self
        finally:
            self.release()

    def _hold(self) -> None:
        if self._lock is None:
            lock = FolderLock(self.folder)
            lock.__enter__()
            self._lock = lock
            self.project._locked.add(self)

    def release(self) -> None:
        """Let the lock go; harmless when it is not held."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None
            self.project._locked.discard(self)

    @property
    def is_live(self) -> bool:
        """Whether a living process trains it now."""
        return self._lock is not None or FolderLock(self.folder).is_live()

    def set_status(self, status: Status) -> None:
        """Change the state; ``running`` takes the lock, an end releases it.

        Raises
        ------
        StoreError
            When ``status`` is ``running`` and another process trains it.
        """
        if status not in STATUSES or status == "binned":
            raise ValueError(f"{status!r} is no state to set")
        if status == "running":
            self._hold()
        self.project._update_run(self, status=status, ended=now() if status in ENDED else "")
        if status in ENDED:
            self.release()

    def rename(self, title: str) -> None:
        """Change the title."""
        self.project._update_run(self, title=title)

    def set_tags(self, tags: tuple[str, ...]) -> None:
        """Change the tags; order is kept, doubles are dropped."""
        clean = dict.fromkeys(t.strip() for t in tags if t.strip())
        self.project._update_run(self, tags=json.dumps(list(clean)))

    def set_note(self, note: str) -> None:
        """Change the note."""
        self.project._update_run(self, note=note)

    # --------------------------------------------------------------- its files

    def write(self, name: str, content: bytes | str) -> Path:
        """Replace a file of the run in one step; returns its path."""
        path = self.file(name)
        write_atomic(path, content)
        return path

    def facts(self) -> dict[str, Any]:
        """``run.json``: recipe, seed, data hash, versions."""
        return _table(self.file("run.json"))

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Replace ``state.json`` (generator states, step, epoch)."""
        self.write("state.json", json.dumps(dict(state), allow_nan=False))

    def state(self) -> dict[str, Any]:
        """``state.json``; empty when there is none.

        Raises
        ------
        StoreError
            When the file is damaged.
        """
        path = self.file("state.json")
        return _table(path) if path.exists() else {}

    def log(self, text: str) -> None:
        """Append a line to ``log.txt``."""
        with open(self.file("log.txt"), "a", encoding="utf-8") as stream:
            stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def append_metrics(self, values: Mapping[str, float], *, best: bool = False) -> None:
        """Append a row to ``metrics.jsonl``.

        Parameters
        ----------
        values : mapping
            E.g. ``{"epoch": 3, "train/loss": 0.7, "val/accuracy": 0.8}``;
            NaN and infinity are kept as NaN.  ``epoch`` (counted from 1)
            also advances `epochs`.
        best : bool
            These are the best metrics so far.
        """
        row = {k: (v if math.isfinite(v) else None) for k, v in values.items()}
        text = json.dumps(row, allow_nan=False)
        path = self.file("metrics.jsonl")
        with open(path, "ab+") as stream:
            if stream.tell() > 0:
                stream.seek(-1, 2)
                if stream.read(1) != b"\n":  # a torn line of a run that was killed
                    text = "\n" + text
            stream.write((text + "\n").encode())
            stream.flush()
        changes: dict[str, Any] = {}
        if "epoch" in values:
            changes["epochs"] = int(values["epoch"])
        if best:
            changes["best"] = json.dumps(row, allow_nan=False)
        if changes:
            self.project._update_run(self, **changes)

    def metrics(self) -> list[dict[str, float]]:
        """The rows of ``metrics.jsonl``; torn lines are skipped."""
        return read_metrics(self.folder)

    def append_confusion(self, table: ConfusionReady) -> None:
        """Append a confusion matrix to ``confusion.jsonl``."""
        row = {
            "epoch": table.epoch,
            "split": table.split,
            "classes": table.classes,
            "counts": table.counts,
        }
        with open(self.file("confusion.jsonl"), "a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")

    def confusions(self) -> list[ConfusionReady]:
        """The confusion matrices that were kept, in order; torn lines are skipped."""
        tables = []
        with (
            suppress(FileNotFoundError),
            open(self.file("confusion.jsonl"), encoding="utf-8", errors="replace") as stream,
        ):
            for line in stream:
                with suppress(ValueError, KeyError, TypeError):
                    row = json.loads(line)
                    tables.append(
                        ConfusionReady(
                            run_id=self.id,
                            epoch=int(row["epoch"]),
                            split=str(row["split"]),
                            classes=tuple(map(str, row["classes"])),
                            counts=tuple(tuple(map(int, counts)) for counts in row["counts"]),
                        )
                    )
        return tables

    def append_monitor(self, event: monitors.Monitored) -> None:
        """Keep what was seen inside the network in ``monitors.jsonl``."""
        monitors.append(self.folder, event)

    def monitors(self) -> list[monitors.Monitored]:
        """Attention and gradients by epoch, each once; torn lines are skipped."""
        return monitors.read(self.folder, self.id)

    def truncate_metrics(self, epoch: int) -> None:
        """Forget the rows after ``epoch``, before training resumes from there."""
        monitors.truncate(self.folder, epoch)
        kept = [r for r in self.metrics() if r.get("epoch", 0) <= epoch]
        lines = [
            json.dumps({k: (v if math.isfinite(v) else None) for k, v in r.items()}) for r in kept
        ]
        self.write("metrics.jsonl", "".join(line + "\n" for line in lines))
        self.project._update_run(self, epochs=epoch)

    # ------------------------------------------------------------------ the bin

    def bin(self) -> None:
        """Move the run to the bin.

        Raises
        ------
        StoreError
            When it is training.
        """
        if self.status == "binned":
            return
        if self.is_live:
            raise StoreError(f"“{self.title}” is training.", "Stop it first, then delete it.")
        source = self.folder
        self.project._update_run(self, status="binned", former=self.status)
        self.project._move(source, self.folder)

    def restore(self) -> None:
        """Bring the run back from the bin."""
        if self.status != "binned":
            return
        source = self.folder
        self.project._update_run(self, status=self.row.former, former="created")
        self.project._move(source, self.folder)

    def purge(self) -> None:
        """Delete a binned run for good.

        Raises
        ------
        StoreError
            When it is not in the bin.
        """
        if self.status != "binned":
            raise StoreError("Only a run in the bin can be purged.", "Delete it first.")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.project._forget_run(self.id)


def _table(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(
            f"The file cannot be read: {error}.", "Resume is not possible; train again.", path=path
        ) from error
    if not isinstance(table, dict):
        raise StoreError("The file is damaged.", "Train again.", path=path)
    return table
