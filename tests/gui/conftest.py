"""What every window test must leave behind: nothing."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

os.environ.setdefault("QT_API", "pyside6")

from PySide6.QtCore import QThread, QTimer
from PySide6.QtGui import QSurfaceFormat
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

if TYPE_CHECKING:
    from crystalgui.gui.panels.train.phase_data.page import PhaseDataPage
    from crystalgui.gui.session import Session
    from crystalgui.gui.window import MainWindow

HARMLESS = ("propagateSizeHints", "XDG_RUNTIME_DIR")


@pytest.fixture(scope="session")
def qapp_args() -> list[str]:
    return ["crystalgui-tests"]


@pytest.fixture(scope="session")
def qapp(qapp_args: list[str], pytestconfig: pytest.Config) -> QApplication:
    """The application as `crystalgui.app` makes it: surface format, style, theme."""
    from crystalgui.app import application
    from crystalgui.gui.theme import theme

    app = application()
    theme().install("light")
    assert QSurfaceFormat.defaultFormat().version() == (3, 2)
    return app


@pytest.fixture
def session(qapp: QApplication, tmp_path: Path) -> Iterator[Session]:
    """A session with a real lane and an engine that works in a thread."""
    from crystalgui.core.settings import Settings
    from crystalgui.engine.engine import Engine
    from crystalgui.engine.lane import Lane
    from crystalgui.gui.notifications import Notifications
    from crystalgui.gui.session import create_session

    engine, lane = Engine(isolation="thread"), Lane()
    notify = Notifications()
    made = create_session(engine, lane, notify, Settings(), tmp_path / "project")
    yield made
    assert engine.shutdown()
    assert lane.shutdown()


@pytest.fixture
def played(qapp: QApplication, tmp_path: Path) -> Iterator[object]:
    """A session whose engine is played by the test: ``(session, engine)``."""
    from tests.gui.sessions import played_session

    made, engine, lane = played_session(tmp_path / "project")
    yield made, engine
    assert lane.shutdown()


@pytest.fixture
def window(qtbot: QtBot, session: Session) -> Iterator[MainWindow]:
    """The real window on that session, shown."""
    from crystalgui.gui.window import MainWindow

    made = MainWindow(session, session.notify)
    made.resize(1400, 900)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.leave()
    made.deleteLater()
    QApplication.processEvents()


@pytest.fixture(autouse=True, scope="module")
def _swept() -> None:
    """What the modules before left to the collector is collected once for all tests of one."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_left(
    _swept: None, request: pytest.FixtureRequest, qapp: QApplication
) -> Iterator[None]:
    """Fail on windows, timers and threads that a test leaves behind, and on Qt warnings.

    What was there before the test is frozen: looking through all objects of the process
    would take most of the time of a small test.
    """
    gc.collect()
    gc.freeze()
    before = {id(w) for w in QApplication.topLevelWidgets()}
    capture = request.getfixturevalue("qtlog")
    yield
    qapp.processEvents()
    qapp.sendPostedEvents(None, 52)  # DeferredDelete
    gc.collect()
    leaked = [w for w in QApplication.topLevelWidgets() if id(w) not in before and w.isVisible()]
    names = [f"{type(w).__name__} {w.objectName() or w.windowTitle()!r}" for w in leaked]
    for widget in leaked:
        widget.close()
    assert not names, f"windows left open: {names}"
    made = gc.get_objects()
    threads = [o for o in made if isinstance(o, QThread) and _running(o)]
    assert not threads, f"threads left running: {[t.objectName() for t in threads]}"
    timers = [o for o in made if isinstance(o, QTimer) and _active(o)]
    assert not timers, f"timers left running: {[_owner(t) for t in timers]}"
    warnings = [
        r.message.strip()
        for r in capture.records
        if r.type_name in ("QtWarningMsg", "QtCriticalMsg", "QtFatalMsg")
        and not any(word in r.message for word in HARMLESS)
    ]
    assert not warnings, f"Qt warned: {warnings}"


def _running(thread: QThread) -> bool:
    try:
        return thread.isRunning() and thread.objectName() != ""
    except RuntimeError:
        return False


def _active(timer: QTimer) -> bool:
    try:
        return timer.isActive()
    except RuntimeError:
        return False


def _owner(timer: QTimer) -> str:
    return f"{type(timer.parent()).__name__}, {timer.interval()} ms"


def _phase_page(session: Any, qtbot: Any) -> PhaseDataPage:
    from crystalgui.gui.panels.train.phase_data.page import PhaseDataPage

    made = PhaseDataPage(session)
    made.resize(1000, 760)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def played_phase_page(played: Any, qtbot: Any) -> Iterator[tuple[PhaseDataPage, Any, Any]]:
    session, engine = played
    made = _phase_page(session, qtbot)
    yield made, engine, session
    qtbot.waitUntil(lambda: not session.lane.busy)
    made.close()
    made.deleteLater()


@pytest.fixture
def phase_page(session: Any, qtbot: Any) -> Iterator[tuple[PhaseDataPage, Any]]:
    made = _phase_page(session, qtbot)
    yield made, session
    qtbot.waitUntil(lambda: not session.lane.busy)
    made.close()
    made.deleteLater()
