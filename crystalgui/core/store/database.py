"""The project database: SQLite in WAL mode, read by the window while the worker writes.

Every connection has ``synchronous=FULL`` and a busy timeout; writers begin
with ``BEGIN IMMEDIATE``, so that two of them queue instead of failing half
way.  ``user_version`` counts migrations; a backup is made before each step.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from crystalgui.core.errors import StoreError
from crystalgui.core.store import migrations
from crystalgui.core.store.files import FolderLock

BUSY_SECONDS = 10.0


def _trouble(path: Path, error: BaseException) -> StoreError:
    """Say what a database error means."""
    reason = str(getattr(error, "orig", None) or error)
    hint = "Check free space and permissions of the project folder."
    if "locked" in reason:
        hint = "Another program keeps the project busy; try again."
    elif "not a database" in reason or "malformed" in reason:
        hint = "Move this file away and open the folder again; its runs are found again."
    return StoreError(
        f"The project database cannot be used: {reason}.", hint, repr(error), path=path
    )


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


class Database:
    """An open project database.

    Parameters
    ----------
    path : Path
        The ``project.sqlite``; made when it does not exist.
    steps : tuple
        Migrations; the default is the program's own.

    Raises
    ------
    StoreError
        When the file is damaged, locked, or of a newer program.
    """

    def __init__(
        self, path: Path, steps: tuple[tuple[str, ...], ...] = migrations.MIGRATIONS
    ) -> None:
        self.path = path
        self._steps = steps
        try:
            self._migrate()
        except (sqlite3.Error, OSError) as error:
            raise _trouble(path, error) from error
        self._engine = self._connect()

    def _connect(self) -> Engine:
        url = URL.create("sqlite", database=str(self.path))
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

        def on_connect(connection: sqlite3.Connection, _record: object) -> None:
            connection.isolation_level = None  # we say BEGIN ourselves
            _prepare(connection)

        def on_begin(connection: Connection) -> None:
            write = connection.get_execution_options().get("writes", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

        event.listen(engine, "connect", on_connect)
        event.listen(engine, "begin", on_begin)
        return engine

    def _migrate(self) -> None:
        """Bring the file to the newest version; one process at a time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(self.path.parent)
        if not lock.acquire(wait=BUSY_SECONDS):
            raise StoreError(
                f"The project is being opened by {lock.holder()}.", "Try again.", path=self.path
            )
        try:
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
                connection.isolation_level = None
                _prepare(connection)
                version = int(connection.execute("PRAGMA user_version").fetchone()[0])
                if version > len(self._steps):
                    raise StoreError(
                        f"This project was written by a newer crystalgui (format {version}; "
                        f"this program reads up to {len(self._steps)}).",
                        "Install the newer version to open it; nothing was changed.",
                        path=self.path,
                    )
                connection.execute("PRAGMA journal_mode=WAL")
                if 0 < version < len(self._steps):
                    self._back_up(connection, version)
                for number in range(version, len(self._steps)):
                    self._step(connection, number)
        finally:
            lock.release()

    def _step(self, connection: sqlite3.Connection, number: int) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in self._steps[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number + 1}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _back_up(self, connection: sqlite3.Connection, version: int) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        target = self.path.with_name(f"{self.path.stem}.format{version}.{stamp}.sqlite")
        with closing(sqlite3.connect(target)) as copy:
            connection.backup(copy)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the database."""
        try:
            with self._engine.connect() as connection, connection.begin():
                yield connection
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise _trouble(self.path, error) from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; committed when the block ends well."""
        try:
            with (
                self._engine.connect().execution_options(writes=True) as connection,
                connection.begin(),
            ):
                yield connection
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise _trouble(self.path, error) from error

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
