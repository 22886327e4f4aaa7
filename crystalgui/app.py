"""The window door: hooks, settings, engine, session, window.

Only what the first paint needs is imported first; the rest is loaded step by
step after it, and the compute process is warmed last.
"""

from __future__ import annotations

import gc
import importlib
import logging
import logging.handlers
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import cast

from PySide6.QtCore import (
    QMessageLogContext,
    QObject,
    QTimer,
    QtMsgType,
    qInstallMessageHandler,
)
from PySide6.QtWidgets import QApplication

from crystalgui import __version__
from crystalgui.core.errors import CrystalError, ResourceError
from crystalgui.core.messages import CatalogueJob, ErrorInfo
from crystalgui.core.settings import Settings, home
from crystalgui.engine.engine import Engine
from crystalgui.engine.garbage import Garbage
from crystalgui.engine.lane import Lane
from crystalgui.gui.notifications import Notifications
from crystalgui.gui.session import Session, create_session
from crystalgui.gui.theme import Mode, theme
from crystalgui.gui.views.surface import set_default_surface_format
from crystalgui.gui.window import PAGES, MainWindow

log = logging.getLogger("crystalgui")

# Imported in the lane's long thread after the first paint, in the order of use.
LATER = (
    "numpy",
    "crystalgui.core.structures.files",
    "crystalgui.core.structures.symmetry",
    "crystalgui.core.structures.hoppings.reader",
    "crystalgui.gui.views.crystal_view",
    "crystalgui.gui.views.zone_view",
    "crystalgui.core.store.project",
    "pyqtgraph",
    *(page.module for page in PAGES),
    "scipy.spatial",
    "seekpath",
    "contourpy",
    "crystalgui.core.physics.overview",
    *(
        f"crystalgui.gui.panels.electronic.{room}_room"
        for room in ("topology", "phases", "surface", "design")
    ),
    "crystalgui.core.physics.classify",
)
HARMLESS = ("propagateSizeHints", "XDG_RUNTIME_DIR", "QStandardPaths: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``crystalgui gui`` was asked.

    ``screenshot`` takes a picture when everything has settled and quits;
    ``quit_after`` quits after so many seconds.
    """

    files: tuple[Path, ...] = ()
    page: str = ""
    theme: str = ""
    screenshot: Path | None = None
    quit_after: float | None = None


def run(options: Options = Options()) -> int:
    """Open the window and stay until it closes; the exit code."""
    _check_page(options.page)
    _start_log()
    app = application()
    settings = Settings.load()
    notifications = Notifications()
    hooks = _Hooks(notifications)
    hooks.install()
    theme().install(cast(Mode, options.theme or settings.theme))
    garbage = Garbage()  # until the last thread has ended, which the lane's own does not wait for
    engine, lane = Engine(isolation=settings.isolation), Lane()
    session = create_session(engine, lane, notifications, settings)
    window = MainWindow(session, notifications)
    for notice in settings.notices:
        notifications.warning(notice)
    start = _Start(window, session, options)
    window.painted.connect(start.begin)
    window.show()
    code = app.exec()
    hooks.remove()
    lane.shutdown()
    engine.shutdown()
    window.deleteLater()
    app.processEvents()
    garbage.stop()
    return start.code or code


def _check_page(page: str) -> None:
    names = [p.name for p in PAGES]
    if page and page not in (*names, "welcome"):
        raise CrystalError(
            f"There is no page called {page!r}.", f"Choose one of {', '.join(names)}."
        )


def application() -> QApplication:
    """The application object; a clear error when there is no display."""
    no_display = sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY")
        or os.environ.get("QT_QPA_PLATFORM", "") in ("offscreen", "minimal", "vnc", "eglfs")
    )
    if no_display:
        raise ResourceError(
            "There is no display to open a window on.",
            "Start it in a desktop session, or use the command line: crystalgui --help.",
        )
    os.environ.setdefault("QT_API", "pyside6")
    # what VTK needs of every OpenGL widget must be known before the first window
    set_default_surface_format()
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication([sys.argv[0]])
    app.setApplicationName("crystalgui")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("crystalgui")
    app.setStyle("Fusion")
    return app


# -------------------------------------------------------------- after paint


class _Start(QObject):
    """What happens after the first paint, one small step at a time."""

    def __init__(self, window: MainWindow, session: Session, options: Options) -> None:
        super().__init__(window)
        self._window, self._session, self._options = window, session, options
        self._catalogue = ""
        self.code = 0
        self._tries = 0
        self._steps: list[Callable[[], object]] = [
            self._open,
            self._preload,
            session.runs.refresh,
            self._ask_catalogue,
            self._schedule_end,
        ]

    def begin(self) -> None:
        """Note the time of the first paint and go on."""
        _note_paint()
        self._next()

    def _next(self) -> None:
        if self._steps:
            self._steps.pop(0)()
            QTimer.singleShot(0, self, self._next)

    def _open(self) -> None:
        if self._options.files:
            self._window.open_paths(self._options.files)
        if self._options.page:
            self._window.show_page(self._options.page)

    def _preload(self) -> None:
        """Import what comes next; then the collector need not walk over it again.

        A full collection over all modules stops every thread for longer than a
        frame, and a large file that is being read causes several.
        """
        for name in LATER:
            last = name == LATER[-1]
            self._session.lane.run(
                _import,
                name,
                on_answer=(lambda _: gc.freeze()) if last else (lambda _: None),
                on_error=self._not_loaded,
                owner=self,
            )

    def _not_loaded(self, error: ErrorInfo) -> None:
        log.warning("preload: %s %s", error.title, error.details)

    def _ask_catalogue(self) -> None:
        self._session.engine.warm()
        self._catalogue = self._session.jobs.submit(
            CatalogueJob(project=self._session.project.folder)
        )

    def _schedule_end(self) -> None:
        if self._options.screenshot is not None:
            self._watch = QTimer(self)
            self._watch.setInterval(100)
            self._watch.timeout.connect(self._look)
            self._watch.start()
            self._limit = time.monotonic() + (self._options.quit_after or 60.0)
        elif self._options.quit_after is not None:
            QTimer.singleShot(round(1000 * self._options.quit_after), self, self._window.leave)

    # ------------------------------------------------------------- picture

    def _look(self) -> None:
        """Take the picture when nothing moves any more."""
        row = self._session.jobs.row(self._catalogue)
        busy = (
            self._session.project.busy
            or self._session.lane.busy
            or bool(self._window.waiting_page)
            or (row is not None and row.alive)
        )
        self._tries = 0 if busy else self._tries + 1
        if self._tries >= 5 or time.monotonic() > self._limit:
            self._watch.stop()
            self._picture()

    def _picture(self) -> None:
        path = self._options.screenshot
        assert path is not None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            written = self._window.grab().save(str(path))
        except OSError:
            written = False
        if not written:
            self.code = 2
            print(
                f"{path}: The picture cannot be written. Choose a folder that you may write to, "
                "and a name that ends in .png.",
                file=sys.stderr,
            )
        self._window.leave()


def _import(name: str) -> None:
    importlib.import_module(name)


def _note_paint() -> None:
    """Seconds from process start to first paint, for the benchmark."""
    target = os.environ.get("CRYSTALGUI_PAINT_LOG")
    if not target:
        return
    given = os.environ.get("CRYSTALGUI_T0")
    seconds = time.time() - float(given) if given else _age()
    Path(target).write_text(f"{seconds:.4f}\n", encoding="utf-8")


def _age() -> float:
    """Seconds since this process began (Linux: from the kernel, else from Python's start)."""
    try:
        words = Path("/proc/self/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
        began = int(words[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - began
    except (OSError, AttributeError, ValueError, IndexError):
        return time.process_time()


# -------------------------------------------------------------- log, hooks


def _start_log() -> None:
    """A rotating log file; a disk that refuses does not stop the start."""
    folder = home() / "logs"
    log.setLevel(logging.DEBUG)
    log.propagate = False
    log.addHandler(logging.NullHandler())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            folder / "crystalgui.log", maxBytes=1_000_000, backupCount=3, encoding="utf-8"
        )
    except OSError:
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    log.addHandler(handler)
    log.info("crystalgui %s, Python %s", __version__, sys.version.split()[0])


class _Hooks(QObject):
    """Whatever escapes is logged with its traceback and said in one line."""

    def __init__(self, notifications: Notifications) -> None:
        super().__init__()
        self._notifications = notifications
        self._old = sys.excepthook
        self._old_thread = threading.excepthook

    def install(self) -> None:
        """Take exceptions of all threads and the messages of Qt."""
        sys.excepthook = self._exception
        threading.excepthook = self._thread_exception
        qInstallMessageHandler(self._message)

    def remove(self) -> None:
        """Give them back."""
        sys.excepthook = self._old
        threading.excepthook = self._old_thread
        qInstallMessageHandler(None)

    def _exception(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        log.error("unexpected", exc_info=(kind, error, trace))
        self._notifications.error(ErrorInfo.of(error))

    def _thread_exception(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            log.error("unexpected, in a thread", exc_info=args.exc_value)

    def _message(self, kind: QtMsgType, _context: QMessageLogContext, text: str) -> None:
        if any(word in text for word in HARMLESS):
            return
        level = {
            QtMsgType.QtDebugMsg: logging.DEBUG,
            QtMsgType.QtInfoMsg: logging.INFO,
            QtMsgType.QtWarningMsg: logging.WARNING,
        }.get(kind, logging.ERROR)
        log.log(level, "Qt: %s", text)
