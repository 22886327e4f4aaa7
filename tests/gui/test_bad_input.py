"""Every kind of bad file dropped on the window: said once, in red, and nothing open is lost."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from crystalgui.gui.state.project import OpenFile
from crystalgui.gui.window import MainWindow
from tests.bad_input import ARCHIVES, CRYSTALS, GOOD_HR, HOPPINGS, NACL, Case

ZIP_WORDS = {"evil.zip": "zip archive", "bomb.zip": "zip archive", "noise.zip": "binary data"}
"""The window opens no archive; the Classify and Train pages say what is wrong inside."""
CLOSED = [Case(c.name, c.make, ZIP_WORDS[c.name]) for c in ARCHIVES]
CASES = [*CRYSTALS, *HOPPINGS, *CLOSED]


def settle(qtbot: QtBot, window: MainWindow, *paths: Path) -> None:
    with qtbot.waitSignal(window.session.project.settled):
        window.session.project.open_paths(paths)


def opened(qtbot: QtBot, window: MainWindow, folder: Path) -> OpenFile:
    """A good crystal that is open and current."""
    (folder / "good.vasp").write_text(NACL)
    settle(qtbot, window, folder / "good.vasp")
    file = window.session.project.current
    assert file is not None
    assert file.kind == "crystal"
    assert not window.toasts.toasts
    return file


@pytest.mark.parametrize(
    "cases", [CRYSTALS, HOPPINGS, CLOSED], ids=["crystals", "hoppings", "archives"]
)
def test_each_is_a_toast_a_log_line_and_a_red_entry(
    cases: Sequence[Case], qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    good = opened(qtbot, window, tmp_path)
    crystal, project = good.crystal, window.session.project
    for case in cases:
        bad = case.write(tmp_path / "bad")
        settle(qtbot, window, bad)
        assert project.current is good
        assert good.crystal is crystal
        file = next(f for f in project.files if f.path == bad)
        assert file.kind == "error"
        assert file.line == case.line
        notice = window.toasts.toasts[-1].notice
        whole = f"{notice.title} {notice.hint}"
        assert whole.startswith(case.where)
        assert re.search(case.words, whole)
        assert notice.hint
        assert notice.title in window.bottom.log.text()
        row = next(r for r in window.project_pane.model.rows if r.value is file)
        assert row.ink == "bad"
        assert row.badge == (f"line {case.line}" if case.line else "error")


def test_all_together_with_a_good_one(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    good = opened(qtbot, window, tmp_path)
    crystal = good.crystal
    paths = [case.write(tmp_path / "bad" / str(i)) for i, case in enumerate(CASES)]
    (tmp_path / "m_hr.dat").write_text(GOOD_HR)
    (tmp_path / "other.vasp").write_text(NACL)
    settle(qtbot, window, *paths, tmp_path / "m_hr.dat", tmp_path / "other.vasp")
    project = window.session.project
    kinds = {file.path: file.kind for file in project.files}
    assert [kinds[path] for path in paths] == ["error"] * len(paths)
    assert kinds[tmp_path / "m_hr.dat"] == "hoppings"
    assert kinds[tmp_path / "other.vasp"] == "crystal"
    assert project.current.kind in ("crystal", "hoppings")
    assert good in project.files
    assert good.crystal is crystal
    (toast,) = window.toasts.toasts
    assert toast.notice.title == f"{len(paths)} files could not be read"
    lines = toast.notice.details.splitlines()
    assert len(lines) == len(paths)
    for case in CASES:
        said = [line for line in lines if line.startswith(case.where)]
        assert any(re.search(case.words, line) for line in said), case.name
        assert case.where in window.bottom.log.text()


def test_a_folder_without_anything_to_open_is_said(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    good = opened(qtbot, window, tmp_path)
    (tmp_path / "empty").mkdir()
    settle(qtbot, window, tmp_path / "empty")
    (toast,) = window.toasts.toasts
    assert toast.notice.title.startswith("empty: ")
    assert toast.notice.hint
    assert window.session.project.current is good
