"""Schema, migrations, backups, and what happens to damaged or newer files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from crystalgui.core.errors import StoreError
from crystalgui.core.store import schema
from crystalgui.core.store.database import Database
from crystalgui.core.store.migrations import MIGRATIONS, VERSION

EXTRA = ("ALTER TABLE runs ADD COLUMN colour TEXT NOT NULL DEFAULT ''",)


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_migrations_lead_to_the_schema(tmp_path: Path) -> None:
    Database(tmp_path / "a.sqlite").close()
    migrated = inspect(create_engine(f"sqlite:///{tmp_path / 'a.sqlite'}"))
    fresh_engine = create_engine(f"sqlite:///{tmp_path / 'b.sqlite'}")
    schema.metadata.create_all(fresh_engine)
    fresh = inspect(fresh_engine)
    assert migrated.get_table_names() == fresh.get_table_names()
    for table in fresh.get_table_names():
        for one in (migrated, fresh):
            assert one.get_pk_constraint(table)["constrained_columns"]
        wanted = [(c["name"], str(c["type"]), c["nullable"]) for c in fresh.get_columns(table)]
        found = [(c["name"], str(c["type"]), c["nullable"]) for c in migrated.get_columns(table)]
        assert found == wanted


def test_every_connection_is_careful(tmp_path: Path) -> None:
    database = Database(tmp_path / "p.sqlite")
    with database.read() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "user_version")
        }
    database.close()
    assert pragma == {
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 10_000,
        "user_version": VERSION,
    }


def test_an_old_file_is_backed_up_and_migrated(tmp_path: Path) -> None:
    path = tmp_path / "p.sqlite"
    old = Database(path)
    with old.write() as connection:
        connection.execute(text("INSERT INTO state VALUES ('k', '1')"))
    old.close()
    new = Database(path, (*MIGRATIONS, EXTRA))
    with new.read() as connection:
        assert connection.execute(text("SELECT value FROM state")).scalar() == "1"
        connection.execute(text("SELECT colour FROM runs"))
    new.close()
    assert _version(path) == VERSION + 1
    (backup,) = tmp_path.glob(f"p.format{VERSION}.*.sqlite")
    assert _version(backup) == VERSION
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT value FROM state").fetchone() == ("1",)


def test_a_failed_step_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.sqlite"
    Database(path).close()
    with pytest.raises(StoreError, match="nonsense"):
        Database(path, (*MIGRATIONS, (*EXTRA, "nonsense")))
    assert _version(path) == VERSION
    Database(path, (*MIGRATIONS, EXTRA)).close()


def test_a_newer_file_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "p.sqlite"
    Database(path, (*MIGRATIONS, EXTRA)).close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer crystalgui") as caught:
        Database(path)
    assert "nothing was changed" in caught.value.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"\x00" * 4096])
def test_a_damaged_file_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError) as caught:
        Database(path)
    assert caught.value.path == path
    assert caught.value.hint
    assert path.read_bytes() == content


def test_a_failed_block_is_rolled_back(tmp_path: Path) -> None:
    database = Database(tmp_path / "p.sqlite")

    def write_half() -> None:
        with database.write() as connection:
            connection.execute(text("INSERT INTO state VALUES ('k', '1')"))
            raise KeyError("half way")

    with pytest.raises(KeyError):
        write_half()
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM state")).scalar() == 0
    database.close()


def test_a_reader_sees_no_half_of_a_write(tmp_path: Path) -> None:
    writer, reader = Database(tmp_path / "p.sqlite"), Database(tmp_path / "p.sqlite")
    with writer.write() as connection:
        connection.execute(text("INSERT INTO state VALUES ('k', '1')"))
        with reader.read() as view:  # does not wait for the writer
            assert view.execute(text("SELECT count(*) FROM state")).scalar() == 0
    with reader.read() as view:
        assert view.execute(text("SELECT count(*) FROM state")).scalar() == 1
    writer.close()
    reader.close()
