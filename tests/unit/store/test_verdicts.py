"""Verdicts on labels: nothing is lost by another window, a crash, or a move of the project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crystalgui.core.errors import StoreError
from crystalgui.core.store.files import FolderLock
from crystalgui.core.store.verdicts import (
    Judged,
    Verdicts,
    joined,
    keep_verdicts,
    path_of,
    read_verdicts,
)

YN = Judged(id="13098", formula="YN", label="SEBR")


def test_verdicts_come_back_and_move_with_the_project(tmp_path: Path) -> None:
    home = tmp_path / "one"
    path = path_of(home)
    assert read_verdicts(path) == Verdicts()
    own = YN.now("wrong", "rock salt, as ScN – trivial")
    inside = home / ".crystalgui" / "experiments" / "a.csv"
    keep_verdicts(path, Verdicts(judged=(own,), opened=inside, crystals=tmp_path / "cif.zip"))
    home.rename(tmp_path / "two")
    found = read_verdicts(path_of(tmp_path / "two"))
    assert found.judged == (own,)
    assert found.opened == tmp_path / "two" / ".crystalgui" / "experiments" / "a.csv"
    assert found.crystals == tmp_path / "cif.zip"


def test_two_windows_lose_nothing(tmp_path: Path) -> None:
    path = path_of(tmp_path)
    old = YN.now("wrong", "")
    newer = old.now("right", "I was wrong")
    other = Judged(id="2", formula="ScN", label="LCEBR").now("unclear", "")
    keep_verdicts(path, Verdicts(judged=(newer,)))
    keep_verdicts(path, Verdicts(judged=(old, other)))
    assert set(read_verdicts(path).judged) == {newer, other}
    assert joined([newer], [old]) == (newer,)
    assert joined([old], [replace(newer, label="ES")]) == (old, replace(newer, label="ES"))


def test_a_damaged_file_is_said_and_stays(tmp_path: Path) -> None:
    path = path_of(tmp_path)
    path.parent.mkdir(parents=True)
    for text in ('{"judged": [', '{"judged": [{"id": 1}]}', '{"judged": [], "format": 7}'):
        path.write_text(text)
        with pytest.raises(StoreError) as found:
            read_verdicts(path)
        assert found.value.hint
        with pytest.raises(StoreError):
            keep_verdicts(path, Verdicts(judged=(YN,)))
        assert path.read_text() == text


def test_a_file_in_use_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crystalgui.core.store.verdicts.PATIENCE", 0.0)
    path = path_of(tmp_path)
    path.parent.mkdir(parents=True)
    with FolderLock(path.parent), pytest.raises(StoreError, match="being written"):
        keep_verdicts(path, Verdicts(judged=(YN,)))
    keep_verdicts(path, Verdicts(judged=(YN,)))
    assert read_verdicts(path).judged == (YN,)
