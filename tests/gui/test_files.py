"""Opening files: all at once, errors by name, nothing lost."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from pytestqt.qtbot import QtBot

from crystalgui.core.resources import examples
from crystalgui.engine.heartbeat import Heartbeat
from crystalgui.gui.panels.dialogs import SymbolsDialog
from crystalgui.gui.panels.files import ROW_ROLE
from crystalgui.gui.session import Session
from crystalgui.gui.state.project import OpenFile, find_files
from crystalgui.gui.window import MainWindow

NACL = """NaCl
1.0
5.64 0 0
0 5.64 0
0 0 5.64
Na Cl
1 1
Direct
0 0 0
0.5 0.5 0.5
"""
VASP4 = NACL.replace("Na Cl\n", "")


def open_all(qtbot: QtBot, session: Session, *paths: Path) -> None:
    with qtbot.waitSignal(session.project.settled):
        session.project.open_paths(paths)


def by_name(session: Session) -> dict[str, OpenFile]:
    return {file.name: file for file in session.project.files}


def test_good_and_bad_together(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    (tmp_path / "good.vasp").write_text(NACL)
    (tmp_path / "short.vasp").write_text(NACL.rsplit("\n", 2)[0] + "\n")
    (tmp_path / "empty.cif").write_text("")
    (tmp_path / "noise.cif").write_bytes(bytes(range(256)) * 8)
    refused: list[tuple[Path, object]] = []
    session.project.refused.connect(lambda path, error: refused.append((path, error)))
    names = ("good.vasp", "short.vasp", "empty.cif", "noise.cif", "missing.vasp")
    open_all(qtbot, session, *(tmp_path / n for n in names))
    files = by_name(session)
    assert files["good.vasp"].kind == "crystal"
    assert files["good.vasp"].crystal.n_atoms == 2
    assert files["good.vasp"].badge.startswith("Pm-3m")
    assert len(files["good.vasp"].sha256) == 64
    for name in names[1:]:
        assert files[name].kind == "error", name
        assert files[name].error.title
        assert files[name].error.hint, name
        assert name in files[name].error.title
    assert files["short.vasp"].line is not None
    assert files["short.vasp"].badge == f"line {files['short.vasp'].line}"
    assert {path.name for path, _ in refused} == set(names[1:])
    assert session.project.current is files["good.vasp"]


def test_a_folder_opens_what_is_in_it(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "one.vasp").write_text(NACL)
    (inner / "two.vasp.gz").write_bytes(gzip.compress(NACL.encode()))
    (inner / "notes.md").write_text("nothing")
    (inner / ".hidden.vasp").write_text(NACL)
    open_all(qtbot, session, tmp_path)
    assert set(by_name(session)) == {"one.vasp", "two.vasp.gz"}
    assert all(f.kind == "crystal" for f in session.project.files)


def test_a_large_folder_says_what_it_left_out(tmp_path: Path) -> None:
    for index in range(205):
        (tmp_path / f"{index}.vasp").write_text(NACL)
    found = find_files([tmp_path])
    assert len(found.files) == 200
    assert found.left_out == 5


def test_no_permission_is_said(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "locked.vasp"
    path.write_text(NACL)
    path.chmod(0)
    open_all(qtbot, session, path)
    file = by_name(session)["locked.vasp"]
    if os.geteuid() == 0:
        assert file.kind == "crystal"  # root may read everything
    else:
        assert file.kind == "error"
        assert "permission" in file.error.title.lower()


def test_poscar_and_hoppings_are_paired(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    shipped = examples() / "hoppings" / "bitei"
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    source = next(p for p in shipped.iterdir() if "_hr.dat" in p.name)
    hr = one / source.name
    hr.write_bytes(source.read_bytes())
    poscar = two / "POSCAR"
    poscar.write_bytes((shipped / "POSCAR").read_bytes())
    open_all(qtbot, session, hr, poscar)
    file = by_name(session)[hr.name]
    assert file.kind == "hoppings"
    assert file.badge == "18 bands"
    assert file.companions == (poscar,)
    assert file.hoppings.lattice is not None
    assert file.crystal is not None


def test_hoppings_alone_open_without_a_lattice(
    qtbot: QtBot, session: Session, tmp_path: Path
) -> None:
    shipped = examples() / "hoppings" / "bitei"
    source = next(p for p in shipped.iterdir() if "_hr.dat" in p.name)
    hr = tmp_path / source.name
    hr.write_bytes(source.read_bytes())
    open_all(qtbot, session, hr)
    file = by_name(session)[hr.name]
    assert file.kind == "hoppings"
    assert file.crystal is None


def test_symbols_are_asked_once(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    session = window.session
    path = tmp_path / "old.vasp"
    path.write_text(VASP4)
    open_all(qtbot, session, path)
    file = by_name(session)["old.vasp"]
    assert file.badge == "symbols?"
    dialog = window.findChild(SymbolsDialog)
    assert dialog is not None
    dialog.field.setText("Na Xx")
    dialog.accept_button.click()
    assert "Xx" in dialog.problem.text()
    dialog.field.setText("Na, Cl")
    with qtbot.waitSignal(session.project.settled):
        dialog.accept_button.click()
    assert file.kind == "crystal"
    assert [int(z) for z in file.crystal.species] == [11, 17]
    assert not window.toasts.toasts


def test_a_failing_reload_keeps_what_was_open(
    qtbot: QtBot, session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "a.vasp"
    path.write_text(NACL)
    open_all(qtbot, session, path)
    file = session.project.current
    crystal = file.crystal
    path.write_text("broken")
    with qtbot.waitSignals([session.project.refused, session.project.settled]):
        session.project.reload(file)
    assert file.kind == "crystal"
    assert file.crystal is crystal


def test_recent_files_are_exact(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.vasp").write_text(NACL)
    (tmp_path / "bad.vasp").write_text("x")
    for name in ("a", "b", "c", "a", "bad"):
        open_all(qtbot, session, tmp_path / f"{name}.vasp")
    assert [p.stem for p in session.settings.recent] == ["a", "c", "b"]


def test_closing_moves_to_the_neighbour(qtbot: QtBot, session: Session, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.vasp").write_text(NACL)
    open_all(qtbot, session, *(tmp_path / f"{n}.vasp" for n in "abc"))
    project = session.project
    project.set_current(project.files[1])
    project.close(project.files[1])
    assert project.current.name == "c.vasp"
    project.close(project.files[1])
    assert project.current.name == "a.vasp"
    project.close(project.files[0])
    assert project.current is None


def test_the_pane_shows_badges_and_errors(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "a.vasp").write_text(NACL)
    (tmp_path / "b.vasp").write_text(NACL.replace("0.5 0.5 0.5\n", ""))
    open_all(qtbot, window.session, tmp_path / "a.vasp", tmp_path / "b.vasp")
    rows = [r for r in window.project_pane.model.rows if r.kind == "file"]
    assert [r.text for r in rows] == ["a.vasp", "b.vasp"]
    assert rows[0].badge == "Pm-3m"
    assert rows[1].ink == "bad"
    assert rows[1].badge.startswith("line ")
    selected = window.project_pane.list.currentIndex().data(ROW_ROLE)
    assert selected.value is window.session.project.current
    assert len(window.toasts.toasts) == 1
    assert "b.vasp" in window.toasts.toasts[0].notice.title


def test_many_errors_make_one_toast_that_names_all(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    for index in range(6):
        (tmp_path / f"bad{index}.vasp").write_text("x")
    open_all(qtbot, window.session, tmp_path)
    (toast,) = window.toasts.toasts
    assert toast.notice.title == "6 files could not be read"
    for index in range(6):
        assert f"bad{index}.vasp" in toast.notice.details
        assert f"bad{index}.vasp" in window.bottom.log.text()


def test_dropping_anywhere_opens(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    (tmp_path / "a.vasp").write_text(NACL)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "a.vasp")), QUrl("https://example.org/b.cif")])
    event = QDropEvent(
        QPointF(300, 300),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    with qtbot.waitSignal(window.session.project.settled):
        window.dropEvent(event)
    assert by_name(window.session)["a.vasp"].kind == "crystal"
    assert "not on this machine" in window.toasts.toasts[0].notice.title


@pytest.mark.data
def test_a_large_hopping_file_does_not_hold_the_window(
    qtbot: QtBot, window: MainWindow, shared_data: Path
) -> None:
    files = sorted((shared_data / "hoppings").rglob("*hr.dat*"), key=lambda p: p.stat().st_size)
    window.session.lane.run(
        __import__, "crystalgui.core.structures.hoppings.reader", on_answer=lambda _: None
    )
    qtbot.waitUntil(lambda: not window.session.lane.busy)
    heartbeat = Heartbeat(window)
    heartbeat.start()
    with qtbot.waitSignal(window.session.project.opened):
        window.session.project.open_paths([files[-1]])
    worst = heartbeat.worst()
    heartbeat.stop()
    assert heartbeat.beats() > 3
    assert worst < 150, f"{files[-1].name}: the window was held for {worst:.0f} ms"


def test_a_stray_crystal_does_not_replace_the_lattice_beside_the_hoppings(
    tmp_path: Path,
) -> None:
    home = tmp_path / "hoppings"
    shutil.copytree(examples() / "hoppings" / "haldane", home)
    hoppings = next(home.glob("*_hr.dat*"))
    stray = tmp_path / "Si.vasp"
    shutil.copy(examples() / "structures" / "Si.vasp", stray)
    assert dict(find_files([stray, hoppings]).files)[hoppings] == ()
    for lattice in home.glob("POSCAR*"):
        lattice.unlink()
    assert dict(find_files([stray, hoppings]).files)[hoppings] == (stray,)


def test_what_was_opened_last_is_shown(session: Session, tmp_path: Path, qtbot: QtBot) -> None:
    for name in ("a.vasp", "b.vasp", "c.vasp"):
        (tmp_path / name).write_text(NACL)
    (tmp_path / "bad.vasp").write_text("nothing\n")
    project = session.project
    for names, shown in ((["a.vasp"], "a.vasp"), (["bad.vasp", "b.vasp", "c.vasp"], "b.vasp")):
        with qtbot.waitSignal(project.settled):
            project.open_paths([tmp_path / name for name in names])
        assert project.current is not None
        assert project.current.name == shown
