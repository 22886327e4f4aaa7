"""What would hold the window's thread stays away from it: disk, repaints, rooms nobody looks at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QWidget

from crystalgui.core.errors import ResourceError
from crystalgui.core.messages import TrainRecipe
from crystalgui.core.settings import Settings, settings_file
from crystalgui.engine.writer import Writer
from crystalgui.gui.growth import Growing, Steps, begun, rest_of
from crystalgui.gui.state.runs import RunView
from crystalgui.gui.widgets import ProgressBar
from crystalgui.gui.window import MainWindow, PageInfo
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


@pytest.mark.parametrize(
    ("place", "most"),
    [
        ("electronic:ElectronicPanel", 2),
        ("electronic.topology_room:TopologyRoom", 1),
        ("electronic.phases_room:PhasesRoom", 2),
        ("electronic.surface_room:SurfaceRoom", 1),
        ("electronic.design_room:DesignRoom", 1),
        ("train:TrainPanel", 0),
        ("train.phase_data.page:PhaseDataPage", 1),
        ("train.invariance.page:InvariancePage", 1),
        ("runs:RunsPanel", 1),
    ],
)
def test_a_step_of_a_growing_page_makes_few_plots(
    session: Session, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, place: str, most: int
) -> None:
    from crystalgui.gui.plots.canvas import Plot

    made: list[Plot] = []
    begin = Plot.__init__
    monkeypatch.setattr(Plot, "__init__", lambda self, *a: (made.append(self), begin(self, *a))[1])
    module, _, name = place.partition(":")
    page = begun(getattr(import_module(f"crystalgui.gui.panels.{module}"), name), session)
    qtbot.addWidget(page)
    assert not made
    counts = []
    for _ in rest_of(page):
        counts.append(len(made))
        made.clear()
    counts.append(len(made))
    assert len(counts) >= 3
    assert max(counts) == most
    assert page.isHidden()
    page.show()  # complete: nothing is missed by what a page does when it is seen
    assert page.isVisible()
    page.close()


def test_a_page_comes_to_the_stage_when_it_is_complete(session: Session, qtbot: QtBot) -> None:
    window = MainWindow(session, session.notify)
    qtbot.addWidget(window)
    window.show()
    shown = window.stage.currentWidget()
    steps: list[int] = []

    class Slow(Growing, QWidget):
        def __init__(self, _: Session, parent: QWidget, *, at_once: bool = True) -> None:
            super().__init__(parent)
            self.grow(self._build(), at_once)

        def _build(self) -> Steps:
            for step in range(3):
                assert window.stage.currentWidget() is shown
                assert not self.isVisible()
                steps.append(step)
                QTimer.singleShot(0, self, lambda: steps.append(-1))  # the window answers
                yield

    monkey = SimpleNamespace(Slow=Slow)
    info = PageInfo(name="slow", title="Slow", module="slow pages", panel="Slow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "slow pages", monkey)  # type: ignore[arg-type]
        window._pending_page = "slow"
        window._build_page(info)
        assert steps == [0]
        qtbot.waitUntil(lambda: window.page_widget("slow") is not None)
    assert steps == [0, -1, 1, -1, 2, -1]
    assert window.stage.currentWidget().isVisible()
    window.leave()


def test_details_of_runs_build_no_inside_that_nobody_looks_at(qtbot: QtBot) -> None:
    from crystalgui.gui.panels.runs.details import DetailsCard
    from crystalgui.gui.plots.canvas import Plot

    card = DetailsCard()
    qtbot.addWidget(card)
    assert not card.findChildren(Plot)
    assert card.inside.attention in card.findChildren(QWidget)


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
            while window.page_widget(info.name) is None:
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
