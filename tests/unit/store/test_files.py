"""Atomic writes and locks that die with their holder."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from pathlib import Path

import pytest

from crystalgui.core import atomic
from crystalgui.core.errors import ResourceError, StoreError
from crystalgui.core.store.files import FolderLock, replacing, sha256, write_atomic
from tests.unit.store import children

SPAWN = multiprocessing.get_context("spawn")


def test_write_atomic_replaces_in_order(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Temporary file, its fsync, the rename, the fsync of the folder."""
    steps: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, real=real, name=name: steps.append(name) or real(*a)
        )
    path = tmp_path / "new" / "folder" / "ü.txt"
    write_atomic(path, "één\n")
    assert path.read_bytes() == "één\n".encode()
    assert steps == ["fsync", "replace", "fsync"]
    write_atomic(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert os.listdir(path.parent) == ["ü.txt"]


def test_a_failed_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")

    def write_half() -> None:
        with replacing(path) as stream:
            stream.write(b"half")
            raise KeyError("interrupted")

    with pytest.raises(KeyError):
        write_half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_a_clear_error(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    write_atomic(tmp_path / "file", "old")
    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(ResourceError, match="No space left on device") as caught:
        write_atomic(tmp_path / "file", "new")
    assert caught.value.hint
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_very_long_name_can_be_written(tmp_path: Path) -> None:
    write_atomic(tmp_path / ("n" * 250), "x")
    assert (tmp_path / ("n" * 250)).read_text() == "x"


def test_sha256(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "f").write_bytes(data)
    assert sha256(tmp_path / "f") == hashlib.sha256(data).hexdigest()


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert not first.is_live()
    with first:
        assert first.is_live()
        assert second.is_live()
        assert not second.acquire(wait=0.05)
        assert str(os.getpid()) in second.holder()
        with pytest.raises(StoreError, match=f"process {os.getpid()}"), second:
            pass
    assert not second.is_live()
    with second:
        assert first.is_live()


def test_probing_does_not_disturb(tmp_path: Path) -> None:
    """Many probers at once never think that the folder is in use."""
    import threading

    FolderLock(tmp_path).__enter__().release()
    wrong: list[bool] = []
    start = threading.Barrier(4)

    def probe() -> None:
        start.wait()
        wrong.extend(FolderLock(tmp_path).is_live() for _ in range(200))

    threads = [threading.Thread(target=probe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(wrong)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=children.hold_lock, args=(tmp_path, theirs), daemon=True)
    process.start()
    assert ours.poll(30)
    assert f"process {process.pid}" in ours.recv()
    lock = FolderLock(tmp_path)
    assert lock.is_live()
    assert not lock.acquire(wait=0.05)
    process.kill()
    process.join(10)
    assert not lock.is_live()
    assert f"process {process.pid}" in lock.holder()  # its text is still there
    with lock:
        assert f"process {os.getpid()}" in lock.holder()
