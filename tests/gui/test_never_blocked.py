"""What would hold the window's thread stays away from it: disk, repaints, rooms nobody looks at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QPaintEvent

from crystalgui.core.errors import ResourceError
from crystalgui.core.messages import TrainRecipe
from crystalgui.core.settings import Settings, settings_file
from crystalgui.engine.writer import Writer
from crystalgui.gui.state.runs import RunView
from crystalgui.gui.widgets import ProgressBar
from tests.gui.test_monitors import attention

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from crystalgui.gui.session import Session


def test_recent_files_are_not_written_in_the_thread_of_the_window(
    session: Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    threads: list[int] = []
    save = Settings.save

    def noted(settings: Settings, path: Path | None = None) -> None:
        threads.append(threading.get_ident())
        save(settings, path)

    monkeypatch.setattr(Settings, "save", noted)
    for number in range(6):
        session.project.opened.emit(tmp_path / f"{number}.vasp")
    session.flush()
    assert threads, "nothing was written"
    assert threading.get_ident() not in threads
    kept = Settings.load(settings_file())
    assert [path.name for path in kept.recent] == [f"{n}.vasp" for n in (5, 4, 3, 2, 1, 0)]


def test_a_disk_that_refuses_is_said_in_the_window(
    session: Session, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(settings: Settings, path: Path | None = None) -> None:
        raise ResourceError("The disk is full.", "Make room.")

    monkeypatch.setattr(Settings, "save", refused)
    with qtbot.waitSignal(session.writer.failed) as said:
        session.update_settings(mouse="ovito")
    assert said.args[0].title == "The disk is full."
    assert session.settings.mouse == "ovito"


def test_the_newest_of_waiting_writes_is_made(qapp: object, tmp_path: Path) -> None:
    writer, gate = Writer(), threading.Event()
    target, other = tmp_path / "a.txt", tmp_path / "b.txt"
    written: list[str] = []

    def write(path: Path, text: str) -> None:
        gate.wait(10)
        written.append(text)
        path.write_text(text)

    for path, text in ((other, "b"), (target, "1"), (target, "2"), (target, "3")):
        writer.put(path, lambda path, text=text: write(path, text))
    gate.set()
    writer.flush()
    assert written == ["b", "3"]
    assert target.read_text() == "3"


def test_a_bar_does_not_paint_while_it_is_told(qtbot: QtBot) -> None:
    class Counted(ProgressBar):
        painted = 0

        def paintEvent(self, event: QPaintEvent) -> None:
            self.painted += 1
            super().paintEvent(event)

    bar = Counted()
    qtbot.addWidget(bar)
    bar.setRange(0, 1000)
    bar.show()
    qtbot.waitExposed(bar)
    before = bar.painted
    for value in range(100, 1000, 100):
        bar.setValue(value)
    bar.setRange(0, 2000)
    assert bar.painted == before
    qtbot.waitUntil(lambda: bar.painted > before)
    assert bar.value() == 900


def test_the_train_page_builds_no_room_that_nobody_looks_at(session: Session, qtbot: QtBot) -> None:
    from crystalgui.gui.panels.train import TrainPanel
    from crystalgui.gui.panels.train.live import LiveView
    from crystalgui.gui.panels.train.monitors import AttentionCard, GradientsCard, HistoryCard
    from crystalgui.gui.plots.canvas import Plot

    page = TrainPanel(session)
    qtbot.addWidget(page)
    page.show()
    qtbot.waitExposed(page)
    assert page.stack.count() == 1
    assert not page.findChildren(LiveView)
    assert not page.findChildren(Plot)
    recipe = TrainRecipe(model="cgnn", dataset=session.project.folder / "tqc", title="one")
    page.show_run(RunView(recipe=recipe, run_id="r1", folder=session.project.folder))
    (live,) = page.findChildren(LiveView)
    assert page.stack.currentWidget() is live
    inside = (AttentionCard, HistoryCard, GradientsCard)
    assert not any(live.findChildren(kind) for kind in inside)
    session.monitors.handle(attention(1))
    qtbot.waitUntil(live.inside.attention.isVisible)


def test_building_a_page_imports_nothing_in_the_thread_of_the_window(tmp_path: Path) -> None:
    """Every page in a fresh process: what it needs came with its module, in the lane."""
    program = """
        import importlib, json, os, sys, threading
        from pathlib import Path
        from crystalgui.app import application
        from crystalgui.gui.theme import theme
        from crystalgui.gui.window import PAGES, MainWindow
        from tests.gui.sessions import played_session

        class Noted:
            found, page = {}, ""

            def find_spec(self, name, path=None, target=None):
                if self.page and threading.current_thread() is threading.main_thread():
                    self.found.setdefault(self.page, []).append(name)

        app, noted = application(), Noted()
        theme().install("light")
        session, engine, lane = played_session(Path(sys.argv[1]))
        window = MainWindow(session, session.notify)
        sys.meta_path.insert(0, noted)
        for info in PAGES:
            importlib.import_module(info.module)
            noted.page = info.name
            window._build_page(info)
            app.processEvents()
            noted.page = ""
        lane.shutdown()
        print(json.dumps(noted.found))
        sys.stdout.flush()
        os._exit(0)
    """
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "CRYSTALGUI_HOME": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "project")],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert json.loads(answer.stdout) == {}
