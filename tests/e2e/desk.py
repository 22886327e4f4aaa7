"""The program as a person starts it, in this process, with hands to click it."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, QObject, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from crystalgui import app as program
from crystalgui.core.settings import Settings
from crystalgui.core.structures.crystal import Crystal
from crystalgui.core.structures.files import write_poscar
from crystalgui.engine.engine import Engine
from crystalgui.engine.lane import Lane
from crystalgui.gui.notifications import Notifications
from crystalgui.gui.session import create_session
from crystalgui.gui.theme import theme
from crystalgui.gui.window import MainWindow

CATIONS = (3, 11, 19, 37, 55, 12, 20, 38, 56, 30)
ANIONS = (9, 17, 35, 53, 8, 16)


class Desk:
    """Engine, lane, session and window, wired by `crystalgui.app`."""

    def __init__(self) -> None:
        self.app = program.application()
        theme().install("light")
        self.engine, self.lane = Engine(isolation="process"), Lane()
        self.notify = Notifications()
        self.session = create_session(self.engine, self.lane, self.notify, Settings())
        self.window = MainWindow(self.session, self.notify)
        self.start = program._Start(self.window, self.session, program.Options())
        self.window.painted.connect(self.start.begin)
        self.window.resize(1366, 768)
        self.window.show()
        self.wait(lambda: bool(self.session.project.cards), 90, "the catalogue")

    def close(self) -> None:
        """End everything as `crystalgui.app.run` does."""
        self.window.leave()
        self.lane.shutdown()
        self.engine.shutdown()
        self.window.deleteLater()
        self.app.processEvents()

    def wait(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        """Let the window live until ``done``."""
        if not self._live_until(done, seconds):
            said = [n.text for n in self.notify.history]
            raise AssertionError(f"{what} did not come within {seconds} s; said: {said}")

    def live(self, seconds: float) -> None:
        """Let the window live for a while."""
        self._live_until(lambda: False, seconds)

    def _live_until(self, done: Callable[[], bool], seconds: float) -> bool:
        loop, look, limit = QEventLoop(), QTimer(), QTimer()
        look.timeout.connect(lambda: done() and loop.quit())
        limit.setSingleShot(True)
        limit.timeout.connect(loop.quit)
        look.start(25)
        limit.start(round(1000 * seconds))
        if not done():
            loop.exec()
        return done()

    def click(self, widget: QWidget) -> None:
        """Click a widget that a person can reach."""
        self.wait(lambda: widget.isVisible() and widget.isEnabled(), 20, f"{widget.objectName()}")
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)

    def page(self, name: str) -> QWidget:
        """Click a page on the rail and wait until it stands."""
        self.click(self.window.rail.buttons[name])
        self.wait(lambda: self.window.page_widget(name) is not None, 30, f"page {name}")
        return self.window.page_widget(name)

    def answer(self, fill: Callable[[QWidget], None]) -> None:
        """Fill the dialog that the next click opens."""

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if dialog is None:
                QTimer.singleShot(50, self.window, look)
            else:
                fill(dialog)

        QTimer.singleShot(50, self.window, look)

    @property
    def worker(self) -> int:
        """Process id of the compute process."""
        (child,) = active_children()
        assert child.pid is not None
        return child.pid

    def child(self, name: str) -> QObject:
        """A widget of the window by its object name."""
        found = self.window.findChild(QObject, name)
        assert found is not None, f"no widget {name!r}"
        return found


def binary_crystals(folder: Path) -> Path:
    """Sixty rock-salt or zinc-blende crystals and ``labels.csv``; the folder of structures."""
    structures = folder / "structures"
    structures.mkdir(parents=True)
    lines = ["id,label"]
    for i, cation in enumerate(CATIONS):
        for j, anion in enumerate(ANIONS):
            tight = (i + j) % 2 == 0
            a = 4.2 + 0.03 * cation**0.7 + 0.02 * anion**0.7
            crystal = Crystal(
                lattice=a / 2 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]),
                frac=[[0, 0, 0], [0.25] * 3 if tight else [0.5] * 3],
                species=[cation, anion],
            )
            name = f"{cation}-{anion}"
            write_poscar(crystal, structures / f"{name}.vasp")
            lines.append(f"{name},{'zinc blende' if tight else 'rock salt'}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return structures
