"""The window: panes that come back, pages on demand, errors that are seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QDialog, QPushButton
from pytestqt.qtbot import QtBot

from crystalgui.core.errors import FileError
from crystalgui.core.messages import ClassifyJob
from crystalgui.core.resources import examples
from crystalgui.gui import window as module
from crystalgui.gui.panels.toasts import MOST
from crystalgui.gui.session import Session
from crystalgui.gui.theme import theme
from crystalgui.gui.window import MainWindow, PageInfo


def test_it_starts_on_the_start_page(window: MainWindow) -> None:
    assert window.page == "welcome"
    assert window.pane_shown("project")
    assert window.pane_shown("inspector")
    assert not window.pane_shown("bottom")
    assert not any(button.isChecked() for button in window.rail.buttons.values())


def test_the_first_paint_is_announced_once(qtbot: QtBot, session: Session) -> None:
    made = MainWindow(session, session.notify)
    with qtbot.waitSignal(made.painted):
        made.show()
    made.leave()
    made.deleteLater()


def test_a_tile_opens_its_example(window: MainWindow, qtbot: QtBot) -> None:
    welcome = window.page_widget("welcome")
    wanted: list[list[Path]] = []
    window.session.project.open_paths = wanted.append
    qtbot.mouseClick(welcome.tiles[0], Qt.MouseButton.LeftButton)
    qtbot.mouseClick(welcome.tiles[1], Qt.MouseButton.LeftButton)
    assert wanted[0][0].name.startswith("BiTeI")
    assert "_hr.dat" in wanted[1][0].name


def test_without_a_model_the_third_tile_says_so(window: MainWindow, qtbot: QtBot) -> None:
    welcome = window.page_widget("welcome")
    qtbot.mouseClick(welcome.tiles[2], Qt.MouseButton.LeftButton)
    assert "models are still loading" in window.toasts.toasts[0].notice.title


def test_pages_are_built_when_shown_and_kept(window: MainWindow, qtbot: QtBot) -> None:
    assert window.page_widget("runs") is None
    with qtbot.waitSignal(window.page_built):
        window.show_page("runs")
    page = window.page_widget("runs")
    assert window.stage.currentWidget() is page
    assert window.rail.buttons["runs"].isChecked()
    window.show_page("welcome")
    window.show_page("runs")
    assert window.page_widget("runs") is page


def test_a_broken_page_is_a_message_not_a_dead_window(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = PageInfo(name="runs", title="Runs", module="crystalgui.nowhere", panel="X")
    monkeypatch.setattr(module, "PAGES", (broken,))
    with qtbot.waitSignal(window.page_built):
        window.show_page("runs")
    assert window.toasts.toasts[0].notice.level == "error"
    assert "nowhere" in window.toasts.toasts[0].notice.title
    assert window.page == "runs"


def test_clicking_fast_ends_on_the_last_page(window: MainWindow, qtbot: QtBot) -> None:
    window.show_page("runs")
    window.show_page("welcome")
    qtbot.waitUntil(lambda: window.page_widget("runs") is not None)
    assert window.page == "welcome"


def test_panes_always_come_back(window: MainWindow) -> None:
    for name in ("project", "inspector", "bottom"):
        shown = window.pane_shown(name)
        window.toggle_pane(name)
        assert window.pane_shown(name) is not shown
    window.reset_layout()
    assert window.pane_shown("project")
    assert window.pane_shown("inspector")
    assert not window.pane_shown("bottom")
    left, middle, right = window.panes.sizes()
    assert abs(left - 244) < 8
    assert abs(right - 292) < 8
    assert middle > 600


def test_a_narrow_window_makes_room_and_gives_it_back(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(900, 600)
    qtbot.waitUntil(lambda: not window.pane_shown("inspector"))
    assert window.pane_shown("project")
    window.resize(700, 600)
    qtbot.waitUntil(lambda: not window.pane_shown("project"))
    window.toggle_pane("inspector", True)
    window.resize(690, 600)
    qtbot.wait(10)
    assert window.pane_shown("inspector"), "what a person opened stays"
    window.resize(1400, 900)
    qtbot.waitUntil(lambda: window.pane_shown("project"))


def test_usable_at_1366_by_768(window: MainWindow, qtbot: QtBot) -> None:
    window.resize(1366, 768)
    qtbot.waitUntil(lambda: window.width() == 1366)
    assert window.stage.width() > 700
    assert window.minimumSizeHint().width() <= 1366
    assert window.minimumSizeHint().height() <= 768


def test_the_layout_is_remembered(qtbot: QtBot, session: Session) -> None:
    first = MainWindow(session, session.notify)
    first.resize(1400, 900)
    first.show()
    qtbot.waitExposed(first)
    first.toggle_pane("inspector", False)
    first.leave()
    first.deleteLater()
    second = MainWindow(session, session.notify)
    second.show()
    qtbot.waitExposed(second)
    assert not second.pane_shown("inspector")
    assert second.size() == first.size()
    second.leave()
    second.deleteLater()


@pytest.mark.parametrize("text", ["e30=", "bm90IGpzb24=", "////"])
def test_a_damaged_layout_is_forgotten(qtbot: QtBot, session: Session, text: str) -> None:
    session.update_settings(layout=text)
    made = MainWindow(session, session.notify)
    made.show()
    qtbot.waitExposed(made)
    assert made.pane_shown("project")
    made.leave()
    made.deleteLater()


def test_light_and_dark_live(window: MainWindow, qtbot: QtBot) -> None:
    window.actions_table.trigger("view.theme-dark")
    dark = window.grab().toImage().pixelColor(400, 300)
    window.actions_table.trigger("view.theme-light")
    light = window.grab().toImage().pixelColor(400, 300)
    assert dark.lightness() < 60 < 200 < light.lightness()
    assert window.session.settings.theme == "light"
    assert theme().mode == "light"


def test_errors_are_toasts_log_and_copyable(window: MainWindow, qtbot: QtBot) -> None:
    from PySide6.QtWidgets import QApplication

    window.notifications.error(FileError("It is cut off.", "Copy it again.", path="a.cif", line=3))
    toast = window.toasts.toasts[0]
    assert toast.notice.title == "a.cif, line 3: It is cut off."
    assert "a.cif, line 3: It is cut off. Copy it again." in window.bottom.log.text()
    copy = next(b for b in toast.findChildren(QPushButton) if b.text().startswith("Copy"))
    copy.click()
    assert "Copy it again." in QApplication.clipboard().text()
    window.notifications.error(FileError("It is cut off.", "Copy it again.", path="a.cif", line=3))
    assert len(window.toasts.toasts) == 1, "the same message is shown once"
    for index in range(MOST + 3):
        window.notifications.warning(f"warning {index}")
    assert len(window.toasts.toasts) == MOST
    bottom = max(t.geometry().bottom() for t in window.toasts.toasts)
    assert bottom < window.status_line.mapTo(window, window.status_line.rect().topLeft()).y()


def test_closing_with_jobs_asks(window: MainWindow, qtbot: QtBot) -> None:
    jobs = window.session.jobs
    jobs._row("x", "Train cgnn", ClassifyJob(paths=(), models=("m",)))
    window.close()
    assert window.isVisible()
    (dialog,) = [d for d in window.findChildren(QDialog) if d.isVisible()]
    assert "Train cgnn" in dialog.windowTitle()
    dialog.findChild(QPushButton, "Answer0").click()
    assert window.isVisible()
    window.close()
    dialog = next(d for d in window.findChildren(QDialog) if d.isVisible())
    with qtbot.waitSignal(window.closed):
        dialog.findChild(QPushButton, "Answer1").click()
    assert not window.isVisible()


def test_everything_that_can_be_clicked_has_a_name(window: MainWindow) -> None:
    nameless = [
        button
        for button in window.findChildren(QAbstractButton)
        if button.isVisible() and not (button.accessibleName() or button.text() or button.toolTip())
    ]
    assert nameless == []


def test_tab_reaches_search_rail_and_list(window: MainWindow, qtbot: QtBot) -> None:
    window.activateWindow()
    window.top.search.setFocus()
    seen = set()
    for _ in range(60):
        focus = window.focusWidget()
        seen.add(focus)
        window.focusNextChild()
    assert window.top.search in seen
    assert window.rail.buttons["structure"] in seen
    assert window.project_pane.list in seen


def test_crystal_opens_on_the_structure_page(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.page_built):
        window.open_paths([examples() / "structures" / "Si.vasp"])
    assert window.page == "structure"
    assert window.windowTitle() == "Si.vasp – crystalgui"


def run_gui(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    import os

    environment = {**os.environ, "CRYSTALGUI_HOME": str(tmp_path / "home"), **variables}
    return subprocess.run(
        [sys.executable, "-m", "crystalgui", "gui", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.mark.e2e
def test_it_takes_its_own_picture(qapp: object, tmp_path: Path) -> None:
    from PySide6.QtGui import QImage

    picture = tmp_path / "window.png"
    paint = tmp_path / "paint.log"
    answer = run_gui(
        tmp_path,
        str(examples() / "structures" / "BiTeI.vasp"),
        "--page",
        "structure",
        "--theme",
        "dark",
        "--screenshot",
        str(picture),
        "--quit-after",
        "90",
        CRYSTALGUI_PAINT_LOG=str(paint),
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == ""
    image = QImage(str(picture))
    assert image.width() >= 800
    assert image.pixelColor(5, image.height() // 2).lightness() < 60
    assert 0.05 < float(paint.read_text()) < 60
    assert (tmp_path / "home" / "logs" / "crystalgui.log").is_file()


@pytest.mark.e2e
def test_wrong_words_end_with_two(qapp: object, tmp_path: Path) -> None:
    answer = run_gui(tmp_path, str(tmp_path / "nowhere.vasp"))
    assert answer.returncode == 2
    assert "nowhere.vasp" in answer.stderr
    answer = run_gui(tmp_path, "--page", "kitchen")
    assert answer.returncode == 2
    assert "kitchen" in answer.stderr


@pytest.mark.e2e
def test_without_a_display_one_line(tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.xfail("only Linux can lack a display")
    answer = run_gui(tmp_path, DISPLAY="", WAYLAND_DISPLAY="", QT_QPA_PLATFORM="")
    assert answer.returncode == 2
    assert len(answer.stderr.strip().splitlines()) == 1
    assert "no display" in answer.stderr


def test_classify_names_one_model(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(window, "default_model", lambda: SimpleNamespace(name="cgnn-tqc5"))
    submitted: list[ClassifyJob] = []

    def submit(job: ClassifyJob) -> str:
        submitted.append(job)
        return "job-1"

    monkeypatch.setattr(window.session.jobs, "submit", submit)
    monkeypatch.setattr(window, "show_page", lambda name: None)
    window.classify([tmp_path / "a.vasp"])
    assert submitted[0].models == ("cgnn-tqc5",)
    assert submitted[0].paths == (tmp_path / "a.vasp",)


def test_no_class_of_qt_is_made_while_threads_run() -> None:
    """PySide's lazy classes are made by whoever uses them first, in two threads at once."""
    words = "import crystalgui, PySide6.QtWidgets as w; print('QCalendarWidget' in vars(w))"
    env = {k: v for k, v in os.environ.items() if k != "PYSIDE6_OPTION_LAZY"}
    done = subprocess.run(
        [sys.executable, "-c", words], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"
    assert os.environ["PYSIDE6_OPTION_LAZY"] == "0"
