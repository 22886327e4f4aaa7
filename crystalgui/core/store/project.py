"""A project: the files, data sets, models and runs of one folder.

Everything lives in ``<project>/.crystalgui``: the database, ``runs/<id>``,
``datasets/<name>``, ``models/<name>`` and ``bin``.  The window and the worker
may have the same project open at the same time.
"""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Row, Table, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

import crystalgui
from crystalgui.core.atomic import sync_folder, write_atomic
from crystalgui.core.cards import TrainedModel
from crystalgui.core.errors import StoreError
from crystalgui.core.messages import DatasetSummary, SweepRecipe, TrainRecipe
from crystalgui.core.store import schema, sweeps
from crystalgui.core.store.database import Database
from crystalgui.core.store.encode import from_plain, to_plain
from crystalgui.core.store.files import FolderLock
from crystalgui.core.store.run import Run, RunRow, Status, now, read_metrics

T = TypeVar("T")
PACKAGES = ("numpy", "torch", "lightning-fabric", "torchmetrics", "spglib", "vesin", "pymatgen")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A file the project knows. ``kind`` is ``"crystal"``, ``"hoppings"`` ..."""

    path: Path
    kind: str
    sha256: str
    added: datetime


def versions() -> dict[str, str]:
    """Versions of the program and of what it computes with."""
    found = {"crystalgui": crystalgui.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


class Project:
    """An open project folder.  Make one with `Project.open`."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.path.abspath(folder))
        self.home = self.folder / ".crystalgui"
        self.runs_folder = self.home / "runs"
        self.bin_folder = self.home / "bin"
        self.datasets_folder = self.home / "datasets"
        self.models_folder = self.home / "models"
        try:
            for child in (self.runs_folder, self.bin_folder, self.datasets_folder):
                child.mkdir(parents=True, exist_ok=True)
            self.models_folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The project folder cannot be made: {error.strerror or error}.",
                "Choose a folder that you may write to.",
                path=self.folder,
            ) from error
        self._database = Database(self.home / "project.sqlite")
        self._locked: set[Run] = set()

    @classmethod
    def open(cls, folder: Path | str) -> Project:
        """Open or make the project in ``folder`` and mend what a crash left.

        Runs that say "running" without a live lock become "interrupted";
        half-made moves to the bin are finished; run folders the database does
        not know are taken up again.

        Raises
        ------
        StoreError
            When the folder cannot be written, or the database is damaged or
            of a newer program.
        """
        project = cls(Path(folder))
        try:
            project.mend()
        except BaseException:
            project.close()
            raise
        return project

    def close(self) -> None:
        """Close the database and let go of runs that are still locked."""
        for run in tuple(self._locked):
            run.release()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -------------------------------------------------------------------- runs

    def create_sweep(self, recipe: SweepRecipe) -> Run:
        """Make the one run of a sweep: its ``run.json`` has the recipe of the sweep as well."""
        words = f"of {len(recipe.networks)} networks"
        base = replace(recipe.base, title=recipe.title, model=sweeps.MODEL, preset=words)
        return self.create_run(base, {"sweep": to_plain(recipe, self.folder)})

    def create_run(self, recipe: TrainRecipe, more: Mapping[str, Any] | None = None) -> Run:
        """Make a run with status "created" and its folder with ``run.json``.

        ``more`` are further facts for that file.
        """
        run_id = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        created = now()
        values = self._new_row(run_id, recipe, created)
        with self._database.write() as connection:
            connection.execute(insert(schema.runs).values(**values))
        facts = {
            "id": run_id,
            "title": values["title"],
            "created": created,
            "seed": recipe.seed,
            "recipe": to_plain(recipe, self.folder),
            "data": self._digest_of(recipe.dataset),
            "versions": versions(),
            **(more or {}),
        }
        write_atomic(self.runs_folder / run_id / "run.json", json.dumps(facts, indent=2) + "\n")
        return self.run(run_id)

    def _new_row(self, run_id: str, recipe: TrainRecipe, created: str) -> dict[str, Any]:
        return {
            "id": run_id,
            "title": recipe.title or f"{recipe.model} {recipe.preset}".strip(),
            "model": recipe.model,
            "preset": recipe.preset,
            "recipe": json.dumps(to_plain(recipe, self.folder)),
            "status": "created",
            "former": "created",
            "created": created,
            "ended": "",
            "epochs": 0,
            "best": "{}",
            "tags": "[]",
            "note": "",
        }

    def _digest_of(self, dataset: Path) -> str:
        folder = os.path.abspath(dataset)
        for summary in self.datasets():
            if os.path.abspath(summary.folder) == folder:
                return summary.digest
        return ""

    def run(self, run_id: str) -> Run:
        """The run called ``run_id``.

        Raises
        ------
        StoreError
            When there is none.
        """
        with self._database.read() as connection:
            row = connection.execute(select(schema.runs).where(schema.runs.c.id == run_id)).first()
        if row is None:
            raise StoreError(f"There is no run {run_id} in this project.", "Refresh the list.")
        return Run(self, self._run_row(row))

    def runs(
        self, *, status: Status | None = None, tag: str | None = None, binned: bool = False
    ) -> list[Run]:
        """Runs, newest first.

        Parameters
        ----------
        status : str, optional
            Only these.
        tag : str, optional
            Only runs with this tag.
        binned : bool
            The bin instead of the living.
        """
        query = select(schema.runs).order_by(schema.runs.c.created.desc())
        binned = binned or status == "binned"
        query = query.where((schema.runs.c.status == "binned") == binned)
        if status is not None:
            query = query.where(schema.runs.c.status == status)
        with self._database.read() as connection:
            rows = [self._run_row(row) for row in connection.execute(query)]
        return [Run(self, row) for row in rows if tag is None or tag in row.tags]

    def _run_row(self, row: Row[Any]) -> RunRow:
        try:
            recipe = from_plain(TrainRecipe, json.loads(row.recipe), self.folder)
        except ValueError as error:
            raise StoreError(
                f"The recipe of run {row.id} is damaged: {error}.", "Delete the run."
            ) from error
        return RunRow(
            id=row.id,
            title=row.title,
            model=row.model,
            preset=row.preset,
            recipe=recipe,
            status=row.status,
            former=row.former,
            created=datetime.fromisoformat(row.created),
            ended=datetime.fromisoformat(row.ended) if row.ended else None,
            epochs=row.epochs,
            best={k: float("nan") if v is None else v for k, v in json.loads(row.best).items()},
            tags=tuple(json.loads(row.tags)),
            note=row.note,
        )

    def _update_run(self, run: Run, **changes: Any) -> None:
        with self._database.write() as connection:
            done = connection.execute(
                update(schema.runs).where(schema.runs.c.id == run.id).values(**changes)
            )
        if done.rowcount != 1:
            raise StoreError(f"Run {run.id} was deleted.", "Refresh the list.")
        run.refresh()

    def _forget_run(self, run_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(schema.runs).where(schema.runs.c.id == run_id))

    def _move(self, source: Path, target: Path) -> None:
        """Finish a change of state on the disk; `open` repeats it after a crash."""
        try:
            os.replace(source, target)
            sync_folder(target.parent)
            sync_folder(source.parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(
                f"The run folder cannot be moved: {error.strerror or error}.",
                "Close programs that use it; it is moved when the project opens again.",
                path=source,
            ) from error

    def mend(self) -> None:
        """Bring database and folders together after a crash; `open` does it.

        Call it again when a worker died while the project was open.
        """
        with self._database.read() as connection:
            rows = connection.execute(select(schema.runs.c.id, schema.runs.c.status))
            known: dict[str, str] = {row.id: row.status for row in rows}
        for run_id, status in known.items():
            alive, binned = self.runs_folder / run_id, self.bin_folder / run_id
            if status == "binned" and alive.is_dir() and not binned.exists():
                self._move(alive, binned)
            elif status != "binned" and binned.is_dir() and not alive.exists():
                self._move(binned, alive)
            elif status == "running" and not FolderLock(alive).is_live():
                self._interrupt(run_id)
        for folder in sorted(self.runs_folder.iterdir()):
            if folder.name not in known and (folder / "run.json").is_file():
                self._adopt(folder)

    def _interrupt(self, run_id: str) -> None:
        """Mark a killed run, unless its state changed meanwhile."""
        with self._database.write() as connection:
            connection.execute(
                update(schema.runs)
                .where(schema.runs.c.id == run_id, schema.runs.c.status == "running")
                .values(status="interrupted", ended=now())
            )

    def _adopt(self, folder: Path) -> None:
        """Take up a run folder that the database does not know."""
        try:
            facts = json.loads((folder / "run.json").read_bytes())
            recipe = from_plain(TrainRecipe, facts["recipe"], self.folder)
            created = datetime.fromisoformat(facts["created"]).isoformat()
        except (OSError, ValueError, KeyError, TypeError):
            return
        values = self._new_row(folder.name, recipe, created) | {
            "title": str(facts.get("title", folder.name)),
            "status": "interrupted",
            "epochs": len(sweeps.read_points(folder))
            or max((int(r.get("epoch", 0)) for r in read_metrics(folder)), default=0),
        }
        with self._database.write() as connection:
            connection.execute(upsert(schema.runs).values(**values).on_conflict_do_nothing())

    def runs_csv(self, path: Path | None = None) -> str:
        """All runs as one CSV: facts, ``recipe.*`` and ``best.*`` columns.

        Parameters
        ----------
        path : Path, optional
            Written there too.

        Returns
        -------
        str
            The CSV text.
        """
        rows: list[dict[str, object]] = []
        for run in self.runs():
            row: dict[str, object] = {
                "id": run.id,
                "title": run.title,
                "model": run.model,
                "preset": run.preset,
                "status": run.status,
                "created": run.created.isoformat(timespec="seconds"),
                "ended": run.ended.isoformat(timespec="seconds") if run.ended else "",
                "epochs": run.epochs,
                "tags": " ".join(run.tags),
                "note": run.note,
            }
            row |= _flat("recipe", to_plain(run.recipe, self.folder))
            row |= {f"best.{k}": v for k, v in run.best.items()}
            rows.append(row)
        columns = list(dict.fromkeys(k for row in rows for k in row)) or ["id"]
        columns.sort(key=lambda c: (c.startswith("best."), c.startswith("recipe.")))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        if path is not None:
            write_atomic(path, text.getvalue())
        return text.getvalue()

    # ----------------------------------------- data sets, models, files, state

    def register_dataset(self, summary: DatasetSummary) -> None:
        """Remember an imported data set; the same name replaces it."""
        self._put(
            schema.datasets,
            name=summary.name,
            summary=json.dumps(to_plain(summary, self.folder)),
            added=now(),
        )

    def datasets(self) -> list[DatasetSummary]:
        """Imported data sets, oldest first; unreadable entries are left out."""
        return self._values(schema.datasets, "summary", DatasetSummary)

    def remove_dataset(self, name: str) -> None:
        """Forget a data set; its folder stays."""
        self._drop(schema.datasets, name)

    def register_model(self, model: TrainedModel) -> None:
        """Remember a trained model; the same name replaces it."""
        plain = to_plain(model, self.folder)
        plain["folder"] = to_plain(Path(model.folder), self.folder)
        self._put(schema.models, name=model.name, model=json.dumps(plain), added=now())

    def models(self) -> list[TrainedModel]:
        """Trained models of this project, oldest first."""
        found = self._values(schema.models, "model", TrainedModel)
        return [self._at_home(model) for model in found]

    def _at_home(self, model: TrainedModel) -> TrainedModel:
        return replace(model, folder=str(self.folder / model.folder))

    def remove_model(self, name: str) -> None:
        """Forget a model; its folder stays."""
        self._drop(schema.models, name)

    def add_file(self, path: Path, kind: str, sha256: str = "") -> None:
        """Remember a file; the same path replaces it."""
        key = to_plain(Path(path), self.folder)
        self._put(schema.files, path=key, kind=kind, sha256=sha256, added=now())

    def files(self) -> list[FileRow]:
        """Files in the order they were added."""
        with self._database.read() as connection:
            rows = connection.execute(select(schema.files).order_by(schema.files.c.added)).all()
        return [
            FileRow(
                path=self.folder / row.path,
                kind=row.kind,
                sha256=row.sha256,
                added=datetime.fromisoformat(row.added),
            )
            for row in rows
        ]

    def remove_file(self, path: Path) -> None:
        """Forget a file; the file itself stays."""
        self._drop(schema.files, to_plain(Path(path), self.folder))

    def set_state(self, key: str, value: object) -> None:
        """Remember something of the window (JSON values) with this project."""
        self._put(schema.state, key=key, value=json.dumps(value))

    def state(self, key: str, default: Any = None) -> Any:
        """What was remembered under ``key``."""
        with self._database.read() as connection:
            found = connection.execute(
                select(schema.state.c.value).where(schema.state.c.key == key)
            ).scalar()
        return default if found is None else json.loads(found)

    def _put(self, table: Table, **values: Any) -> None:
        key = next(iter(table.primary_key.columns)).name
        others = {k: v for k, v in values.items() if k != key}
        with self._database.write() as connection:
            connection.execute(
                upsert(table)
                .values(**values)
                .on_conflict_do_update(index_elements=[key], set_=others)
            )

    def _drop(self, table: Table, key: str) -> None:
        column = next(iter(table.primary_key.columns))
        with self._database.write() as connection:
            connection.execute(delete(table).where(column == key))

    def _values(self, table: Table, column: str, kind: type[T]) -> list[T]:
        with self._database.read() as connection:
            query = select(table.c[column]).order_by(table.c.added)
            texts = connection.execute(query).scalars().all()
        found = []
        for text in texts:
            try:
                found.append(from_plain(kind, json.loads(text), self.folder))
            except ValueError:
                continue
        return found


def _flat(prefix: str, value: Any) -> dict[str, object]:
    if isinstance(value, dict):
        flat: dict[str, object] = {}
        for key, inner in value.items():
            flat |= _flat(f"{prefix}.{key}", inner)
        return flat
    return {prefix: value}
