"""The main window: rail, project, stage, inspector, status line.

It shows state and asks for jobs; pages are built when they are first shown,
so that the window paints before pyqtgraph and VTK are imported.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDesktopServices,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QHideEvent,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.cards import TrainedModel
from crystalgui.core.messages import Crashed, DatasetReady, ErrorInfo, Event, Failed, ReportWritten
from crystalgui.gui.actions.build import ActionSet, fill_menu_bar
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.actions.window_actions import window_actions
from crystalgui.gui.growth import Steps, begun, in_turns, rest_of
from crystalgui.gui.notifications import Notice, Notifications
from crystalgui.gui.panels.chrome import BottomPane, DropVeil, Rail, TopBar
from crystalgui.gui.panels.files import ProjectPane
from crystalgui.gui.panels.inspector import Inspector
from crystalgui.gui.panels.jobs import Lateness, StatusLine
from crystalgui.gui.panels.layout import PaneLayout
from crystalgui.gui.panels.opening import Opening
from crystalgui.gui.panels.palette import CommandPalette, Entry, window_entries
from crystalgui.gui.panels.toasts import ToastArea
from crystalgui.gui.panels.welcome import WelcomePanel, example_crystals
from crystalgui.gui.session import Session
from crystalgui.gui.state.predictions import best_models, of_crystals
from crystalgui.gui.state.project import OpenFile
from crystalgui.gui.theme import SPACE, icon, program_icon, theme
from crystalgui.gui.widgets import EmptyState

if TYPE_CHECKING:
    from crystalgui.gui.panels.tour import Tour

log = logging.getLogger("crystalgui")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageInfo:
    """A page of the stage: where its class is, imported when first shown."""

    name: str
    title: str
    module: str
    panel: str


PAGES = tuple(
    PageInfo(name=name, title=title, module=f"crystalgui.gui.panels.{name}", panel=panel)
    for name, title, panel in (
        ("structure", "Structure", "StructurePanel"),
        ("electronic", "Electronic", "ElectronicPanel"),
        ("classify", "Classify", "ClassifyPanel"),
        ("train", "Train", "TrainPanel"),
        ("runs", "Runs", "RunsPanel"),
        ("experiments", "Experiments", "ExperimentsPanel"),
        ("report", "Report", "ReportPanel"),
        ("evidence", "Evidence", "EvidencePanel"),
    )
)


class MainWindow(QMainWindow):
    """Everything of one session.

    Signals
    -------
    painted()
        Once, after the first paint.
    page_built(str)
        A page stands on the stage.
    closed()
    """

    painted = Signal()
    page_built = Signal(str)
    closed = Signal()

    def __init__(self, session: Session, notifications: Notifications) -> None:
        super().__init__()
        self.session = session
        self.notifications = notifications
        self._pages: dict[str, QWidget] = {}
        self._painted = False
        self._leaving = False
        self._pending_page = ""
        self._built: set[str] = set()
        self.tour: Tour | None = None
        self.setObjectName("MainWindow")
        self.setWindowTitle("crystalgui")
        self.setWindowIcon(program_icon())
        self.setAcceptDrops(True)
        self.setMinimumSize(560, 360)
        self._build()
        self.actions_table = ActionSet(self)
        self.actions_table.add(window_actions(self, tuple((p.name, p.title) for p in PAGES)))
        self.palette_popup = CommandPalette(self.palette_entries, self)
        self.toasts = ToastArea(self, self._taken)
        self._lateness = Lateness(self)
        self.opening = Opening(session, notifications, self)
        self._fill_menus()
        self.actions_table.changed.connect(self._fill_menus)
        self._connect()
        self._restore()
        self._panes_changed()
        self.show_page("welcome")

    # ------------------------------------------------------------ building

    def _build(self) -> None:
        central = QWidget(self)
        outer = QVBoxLayout(central)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        self.top = TopBar(self)
        outer.addWidget(self.top)
        self.rail = Rail([(p.name, p.title) for p in PAGES], self)
        self.project_pane = ProjectPane(self.session, self)
        self.inspector = Inspector(self.session, self)
        self.bottom = BottomPane(self.session, self)
        self.stage = QStackedWidget(self)
        self.stage.setMinimumSize(240, 160)
        frame = QWidget(self)
        frame.setObjectName("Stage")
        holder = QVBoxLayout(frame)
        holder.setContentsMargins(*(SPACE[2],) * 4)
        holder.addWidget(self.stage)
        self.panes = PaneLayout(self.project_pane, frame, self.inspector, self.bottom, self)
        self.panes.changed = self._panes_changed
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self.rail)
        middle.addWidget(self.panes, 1)
        outer.addLayout(middle, 1)
        self.status_line = StatusLine(self.session, self)
        outer.addWidget(self.status_line)
        self.setCentralWidget(central)
        self.veil = DropVeil(self)

    def _connect(self) -> None:
        project, jobs = self.session.project, self.session.jobs
        self.notifications.posted.connect(self._notice)
        self.notifications.logged.connect(self.bottom.log.add)
        jobs.logged.connect(self.notifications.log)
        jobs.finished.connect(self._job_finished)
        jobs.event.connect(self._event)
        self.session.lane.failed.connect(self.notifications.error)
        self.session.runs.failed.connect(self.notifications.error)
        project.current_changed.connect(self._current_changed)
        self.top.search_wanted.connect(self.show_palette)
        self.rail.chosen.connect(self.show_page)
        self.project_pane.chosen.connect(self._chosen)
        self.inspector.classify_wanted.connect(self.classify_current)
        self.inspector.report_wanted.connect(lambda: self.show_page("report"))
        self.status_line.toggled.connect(lambda: self.toggle_pane("bottom"))
        self._lateness.measured.connect(self.status_line.set_lateness)
        theme().changed.connect(self.update)

    # --------------------------------------------------------------- pages

    @property
    def page(self) -> str:
        """Name of the page on the stage (or about to be)."""
        return self._pending_page or next(
            (n for n, w in self._pages.items() if w is self.stage.currentWidget()), ""
        )

    @property
    def waiting_page(self) -> str:
        """Name of a page that is being built."""
        return self._pending_page

    def page_widget(self, name: str) -> QWidget | None:
        """The page, when it has been built."""
        return self._pages.get(name)

    def show_page(self, name: str) -> None:
        """Bring a page to the stage, building it when it is first shown."""
        self.rail.mark(name)
        if name in self._pages:
            self._pending_page = ""
            self.stage.setCurrentWidget(self._pages[name])
        elif name == "welcome":
            self._pending_page = name
            self._put(name, self._welcome())
        else:
            self._pending_page = name
            self._prepare_page(next(p for p in PAGES if p.name == name))

    def _welcome(self) -> QWidget:
        panel = WelcomePanel(self.session, self)
        panel.open_wanted.connect(self.open_paths)
        panel.files_wanted.connect(self.ask_files)
        panel.folder_wanted.connect(self.ask_folder)
        panel.model_wanted.connect(self.classify_examples)
        panel.tour_wanted.connect(self.start_tour)
        return panel

    def _prepare_page(self, info: PageInfo) -> None:
        """Import the page in the lane, then build it: the window stays alive."""
        if hasattr(sys.modules.get(info.module), info.panel):  # imported to its end
            # the click is painted first
            QTimer.singleShot(0, self, lambda: self._build_page(info))
            return
        self.session.lane.ask(
            f"page {info.name}",
            import_module,
            info.module,
            on_answer=lambda _: self._build_page(info),
            on_error=lambda error: self._break_page(info, error),
            owner=self,
        )

    def _build_page(self, info: PageInfo) -> None:
        """Build a page, in several turns; it comes to the stage when it is complete."""
        if info.name in self._built or self._leaving:
            return
        self._built.add(info.name)
        in_turns(
            self,
            self._grow_page(info),
            _nothing,
            lambda error: self._break_page(info, ErrorInfo.of(error)),
        )

    def _grow_page(self, info: PageInfo) -> Steps:
        """Build a page, connect it, and bring it to the stage."""
        widget = begun(getattr(sys.modules[info.module], info.panel), self.session, self.stage)
        for _ in rest_of(widget):
            if self._leaving:
                return  # what was begun goes with the stage
            yield
        own = [i for i in widget.actions() if isinstance(i, ActionInfo)]
        if own:
            self.actions_table.add(own)
        if hasattr(widget, "page_wanted"):
            widget.page_wanted.connect(self.show_page)
        if hasattr(widget, "actions_added"):
            widget.actions_added.connect(self.actions_table.add)
        yield
        if widget.layout() is not None:
            widget.layout().setContentsMargins(0, 0, 0, 0)  # the stage has the margins
        if not self._leaving:
            self._put(info.name, widget)

    def _break_page(self, info: PageInfo, error: ErrorInfo) -> None:
        """A page that cannot be built must not take the window along."""
        if info.name in self._pages or self._leaving:
            return
        self._built.add(info.name)
        log.error("page %s: %s\n%s", info.name, error.title, error.details)
        self.notifications.error(error)
        words = [("Open log", self.open_log)]
        title = f"The {info.title} page could not be opened"
        self._put(info.name, EmptyState("error", title, error.title, words, self))

    def _put(self, name: str, widget: QWidget) -> None:
        self._pages[name] = widget
        self.stage.addWidget(widget)
        if self._pending_page == name:
            self._pending_page = ""
            self.stage.setCurrentWidget(widget)
        self.page_built.emit(name)

    # ------------------------------------------------------------- opening

    def open_paths(self, paths: Iterable[Path]) -> None:
        """Open files and folders."""
        self.opening.open_paths(paths)

    def ask_files(self) -> None:
        """Choose files to open."""
        self.opening.ask_files()

    def ask_folder(self) -> None:
        """Choose a folder to open."""
        self.opening.ask_folder()

    def close_current(self) -> None:
        """Close the current file."""
        if self.session.project.current is not None:
            self.session.project.close(self.session.project.current)

    def reload_current(self) -> None:
        """Read the current file again."""
        if self.session.project.current is not None:
            self.session.project.reload(self.session.project.current)

    def _current_changed(self, file: OpenFile | None) -> None:
        self.setWindowTitle(f"{file.name} – crystalgui" if file is not None else "crystalgui")
        if file is not None and self.page == "welcome":
            self.show_page("electronic" if file.kind == "hoppings" else "structure")

    def _chosen(self, kind: str, value: object) -> None:
        if kind == "file" and isinstance(value, OpenFile):
            if value.kind == "hoppings" and self.page in ("welcome", "train", "runs"):
                self.show_page("electronic")
            elif value.kind == "crystal" and self.page in ("welcome", "train", "runs"):
                self.show_page("structure")
        elif kind == "model" and isinstance(value, TrainedModel):
            self.inspector.show_model(value)
            self.toggle_pane("inspector", True)
        elif kind == "dataset":
            self.show_page("train")
        elif kind == "run":
            self.show_page("runs")

    # ---------------------------------------------------------------- jobs

    def _job_finished(self, row: object, outcome: object) -> None:
        if isinstance(outcome, Failed | Crashed):
            self.notifications.error(outcome.error)

    def _event(self, event: Event) -> None:
        row = self.session.jobs.row(event.job_id)
        if row is not None and row.quiet:
            return
        if isinstance(event, DatasetReady):
            what = {
                "crystals": "crystals imported",
                "hoppings": "Hamiltonians made",
                "images": "images imported",
            }
            word = what.get(event.summary.kind, f"{event.summary.kind} made")
            self.notifications.info(f"{event.summary.name}: {event.summary.size:,} {word}")
        elif isinstance(event, ReportWritten) and event.paths:
            names = ", ".join(p.name for p in event.paths)
            self.notifications.info(f"{names} written to {event.paths[0].parent}")

    def cancel_current(self) -> None:
        """Stop what runs."""
        row = self.session.jobs.current
        if row is not None:
            self.session.jobs.cancel(row.job_id)

    def default_model(self) -> TrainedModel | None:
        """The shipped model, else any."""
        models = self.session.project.models
        return next((m for m in models if m.shipped), models[0] if models else None)

    def classify_current(self) -> None:
        """Predict the class of the current crystal."""
        file = self.session.project.current
        if file is not None:
            self.classify([file.path])

    def classify_examples(self) -> None:
        """Predict the classes of the shipped crystals."""
        self.classify(example_crystals())

    def classify(self, paths: list[Path]) -> None:
        """Classify files with the best model of each task, on the Classify page."""
        project, model = self.session.project, self.default_model()
        if model is None:
            known = bool(self.session.project.cards)
            self.notifications.warning(
                "There is no trained model yet." if known else "The models are still loading.",
                "Train one on the Train page." if known else "Try again in a few seconds.",
            )
            return
        self.show_page("classify")
        best = best_models(of_crystals(project.models, project.cards))
        self.session.predictions.classify(
            paths,
            [own.name for own in best or [model]],
            device=self.session.settings.device,
            project=self.session.project.folder,
        )

    # ------------------------------------------------------- panes, layout

    def pane_shown(self, name: str) -> bool:
        """Whether a pane is shown."""
        return self.panes.shown(name)

    def toggle_pane(self, name: str, on: bool | None = None) -> None:
        """Show or hide a pane; without ``on`` the other way round."""
        self.panes.toggle(name, on)

    def _panes_changed(self) -> None:
        table = self.actions_table
        table.refresh([i for i in table.infos.values() if i.checked is not None])
        self.status_line.more.setIcon(icon("down" if self.pane_shown("bottom") else "up"))
        self.toasts.place()

    def reset_layout(self) -> None:
        """All panes back at their places."""
        self.panes.reset(self.width(), self.height())

    def _restore(self) -> None:
        settings = self.session.settings
        screen = self.screen() or QGuiApplication.primaryScreen()
        room = screen.availableSize()
        self.resize(min(1600, room.width()), min(1000, room.height()))
        if settings.geometry:
            self.restoreGeometry(QByteArray.fromBase64(settings.geometry.encode()))
        self.panes.reset(self.width(), self.height())
        if settings.layout and not self.panes.restore(settings.layout):
            log.warning("the saved layout was unusable")
            self.panes.reset(self.width(), self.height())

    def save_layout(self) -> None:
        """Remember size, splitters and hidden panes."""
        self.session.update_settings(
            geometry=bytes(self.saveGeometry().toBase64()).decode(),
            layout=self.panes.save(),
        )

    def set_theme(self, mode: str) -> None:
        """System, light or dark."""
        theme().set_mode(mode)
        self.session.update_settings(theme=mode)

    def toggle_full_screen(self) -> None:
        """Full screen and back."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def copy_picture(self) -> None:
        """Copy the window as a picture."""
        QGuiApplication.clipboard().setPixmap(self.grab())
        self.notifications.info("The window is on the clipboard as a picture.")

    # ------------------------------------------------------ palette, menus

    def _fill_menus(self) -> None:
        fill_menu_bar(self.top.menus, self.actions_table, {"File": self.opening.recent_menu})

    def palette_entries(self) -> list[Entry]:
        """Everything the palette knows now."""
        return window_entries(
            self.session,
            self.actions_table,
            self._open_entry,
            lambda model: self._chosen("model", model),
            lambda path: self.open_paths([path]),
        )

    def _open_entry(self, file: OpenFile) -> None:
        self.session.project.set_current(file)
        self._chosen("file", file)

    def show_palette(self) -> None:
        """Open the command palette, or close it."""
        if self.palette_popup.isVisible():
            self.palette_popup.dismiss()
        else:
            self.palette_popup.open()

    # ---------------------------------------------------------------- help

    def show_shortcuts(self) -> None:
        """Open the shortcut sheet."""
        from crystalgui.gui.panels.dialogs import ShortcutSheet

        ShortcutSheet(self.actions_table.by_menu(), self).open()

    def show_system(self) -> None:
        """Open system information."""
        from crystalgui.gui.panels.system import SystemDialog

        SystemDialog(self).open()

    def open_log(self) -> None:
        """Open the log file, and the log pane."""
        from crystalgui.gui.panels.system import log_file

        self.toggle_pane("bottom", True)
        self.bottom.show_log()
        if log_file().is_file():
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(log_file())))

    def show_about(self) -> None:
        """Say what this is."""
        from crystalgui.gui.panels.dialogs import about

        about(self).open()

    def start_tour(self) -> None:
        """Begin the two-minute tour."""
        from crystalgui.gui.panels.tour import Tour

        self.tour = self.tour or Tour(self)
        self.tour.begin()

    # -------------------------------------------------------------- events

    def _taken(self) -> int:
        """Height of status line, bottom pane and tour: toasts stay clear of them."""
        pane = self.bottom.height() if self.pane_shown("bottom") else 0
        tour = self.tour.height if self.tour is not None else 0
        return self.status_line.height() + pane + tour + 6

    def _notice(self, notice: Notice) -> None:
        if not self._leaving:
            self.toasts.show_notice(notice)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files are welcome anywhere."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()
            self.veil.cover()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """They went elsewhere."""
        self.veil.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped; name what is not a local file."""
        self.veil.hide()
        event.acceptProposedAction()
        self.opening.take_urls(event.mimeData().urls())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Adapt to narrow windows; keep the palette in the middle."""
        super().resizeEvent(event)
        self.panes.adapt(event.size().width())
        self.top.fit(event.size().width())
        if self.palette_popup.isVisible():
            self.palette_popup.place()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Tell when the first paint is over."""
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            QTimer.singleShot(0, self, self.painted.emit)

    def showEvent(self, event: QShowEvent) -> None:
        """Measure only while it can be seen."""
        super().showEvent(event)
        self._lateness.begin()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nobody looks."""
        self._lateness.end()
        super().hideEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask when jobs run; save the layout."""
        running = self.session.jobs.running
        if running and not self._leaving:
            event.ignore()
            self._ask_leave(len(running), running[0].title)
            return
        self._leaving = True
        self._lateness.end()
        self.toasts.clear()
        self.palette_popup.dismiss()
        self.save_layout()
        super().closeEvent(event)
        self.session.flush()
        self.closed.emit()

    def _ask_leave(self, count: int, title: str) -> None:
        from crystalgui.gui.panels.dialogs import choose

        what = f"“{title}” is running" if count == 1 else f"{count} jobs are running"
        choose(
            self,
            f"{what}. Quit anyway?",
            "Training keeps its last checkpoint and can be resumed; other jobs start again.",
            [("Keep open", _nothing), ("Stop and quit", self.leave)],
        ).open()

    def leave(self) -> None:
        """Close without asking."""
        self._leaving = True
        self.close()


def _nothing() -> None:
    """An answer that only closes the question."""
