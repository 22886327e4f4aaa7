"""Actions: one table for menus, shortcuts and the palette."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.panels.dialogs import ShortcutSheet
from crystalgui.gui.panels.palette import Entry, matches, score
from crystalgui.gui.window import PAGES, MainWindow


def test_no_two_actions_claim_a_key(window: MainWindow) -> None:
    assert window.actions_table.clashes() == []


def test_every_action_is_in_the_palette_and_in_its_menu(window: MainWindow) -> None:
    texts = {entry.text for entry in window.palette_entries()}
    for info in window.actions_table.infos.values():
        assert info.text.rstrip("…") in texts
    for name, rows in window.actions_table.by_menu().items():
        menu = window.top.menus.findChild(QMenu, f"Menu{name}")
        shown = {action.objectName() for action in menu.actions()}
        assert {row.id for row in rows} <= shown


def test_the_same_id_twice_is_a_defect(window: MainWindow) -> None:
    row = ActionInfo("mine.one", "One", lambda: None)
    window.actions_table.add([row])
    with pytest.raises(ValueError, match=r"mine\.one"):
        window.actions_table.add([row])


def test_a_page_brings_its_actions_into_the_menu(window: MainWindow) -> None:
    done: list[str] = []
    window.actions_table.add(
        [ActionInfo("physics.mine", "Mine", lambda: done.append("x"), "Ctrl+Alt+M", menu="Physics")]
    )
    menu = window.top.menus.findChild(QMenu, "MenuPhysics")
    assert menu is not None
    menu.actions()[0].trigger()
    assert done == ["x"]


def test_a_shortcut_lives_again_when_its_menu_is_closed(window: MainWindow) -> None:
    able: list[str] = []
    row = ActionInfo(
        "physics.later", "Later", lambda: None, "Ctrl+Alt+L", menu="Physics",
        enabled=lambda: bool(able),
    )  # fmt: skip
    window.actions_table.add([row])
    menu = window.top.menus.findChild(QMenu, "MenuPhysics")
    assert menu is not None
    menu.aboutToShow.emit()
    assert not menu.actions()[0].isEnabled()
    menu.aboutToHide.emit()
    assert window.actions_table.actions["physics.later"].isEnabled()


def test_shortcuts_of_pages_are_the_numbers(window: MainWindow) -> None:
    for index, page in enumerate(PAGES, 1):
        action = window.actions_table.actions[f"view.{page.name}"]
        assert action.shortcut() == QKeySequence(f"Ctrl+{index}")


def test_checkable_actions_show_the_truth(window: MainWindow) -> None:
    action = window.actions_table.actions["view.inspector-pane"]
    assert action.isChecked()
    action.trigger()
    assert not window.pane_shown("inspector")
    window.reset_layout()
    assert action.isChecked()


@pytest.mark.parametrize(
    ("pattern", "text", "other"),
    [
        ("lay", "Reset layout", "Classify"),
        ("opfi", "Open files", "Open log file"),
        ("jl", "Jobs and log", "Read file again"),
        ("bite", "BiTeI.vasp", "Bibliothek of types"),
    ],
)
def test_the_palette_prefers_what_one_means(pattern: str, text: str, other: str) -> None:
    best, second = score(pattern, text), score(pattern, other)
    assert best is not None
    assert second is None or best > second


def test_the_palette_finds_by_detail_too() -> None:
    entries = [
        Entry(text="a.vasp", kind="Recent", callback=lambda: None, detail="/home/me/perovskites"),
        Entry(text="b.vasp", kind="Recent", callback=lambda: None, detail="/elsewhere"),
    ]
    assert [e.text for e in matches("perov", entries)] == ["a.vasp"]
    assert matches("zzz", entries) == []
    assert len(matches("", entries)) == 2


def test_the_palette_is_driven_by_keys(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitActive(window):
        window.activateWindow()
    qtbot.keyClick(window, Qt.Key.Key_P, _CTRL | Qt.KeyboardModifier.ShiftModifier)
    popup = window.palette_popup
    qtbot.waitUntil(popup.isVisible)
    qtbot.keyClicks(popup.field, "inspector")
    assert popup.list.currentItem().text() == "Inspector"
    qtbot.keyClick(popup.field, Qt.Key.Key_Return)
    assert not popup.isVisible()
    assert not window.pane_shown("inspector")
    window.show_palette()
    qtbot.keyClick(popup.field, Qt.Key.Key_Down)
    assert popup.list.currentRow() == 1
    qtbot.keyClick(popup.field, Qt.Key.Key_Escape)
    assert not popup.isVisible()


def test_a_click_elsewhere_closes_the_palette(window: MainWindow, qtbot: QtBot) -> None:
    window.show_palette()
    qtbot.mouseClick(window.project_pane.list.viewport(), Qt.MouseButton.LeftButton)
    assert not window.palette_popup.isVisible()


def test_the_sheet_lists_every_shortcut(window: MainWindow, qtbot: QtBot) -> None:
    sheet = ShortcutSheet(window.actions_table.by_menu(), window)
    qtbot.addWidget(sheet)
    from PySide6.QtWidgets import QLabel

    words = {label.text() for label in sheet.findChildren(QLabel)}
    for info in window.actions_table.infos.values():
        if info.shortcut and info.menu:
            assert info.text.rstrip("…") in words
    assert "Shift + left drag, middle drag" in words


_CTRL = Qt.KeyboardModifier.ControlModifier
