"""The actions of the window itself; pages bring their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from crystalgui.gui.actions.info import ActionInfo

if TYPE_CHECKING:
    from crystalgui.gui.session import Session


class WindowCommands(Protocol):
    """What the table calls; the window implements it."""

    session: Session

    def ask_files(self) -> object:
        """Choose files to open."""

    def ask_folder(self) -> object:
        """Choose a folder to open."""

    def close_current(self) -> object:
        """Close the current file."""

    def reload_current(self) -> object:
        """Read the current file again."""

    def close(self) -> object:
        """Close the window."""

    def show_page(self, name: str) -> object:
        """Bring a page to the stage."""

    def toggle_pane(self, name: str, on: bool | None = None) -> object:
        """Show or hide a pane."""

    def pane_shown(self, name: str) -> bool:
        """Whether a pane is shown."""

    def reset_layout(self) -> object:
        """Bring all panes back."""

    def set_theme(self, mode: str) -> object:
        """System, light or dark."""

    def show_palette(self) -> object:
        """Open the command palette."""

    def show_shortcuts(self) -> object:
        """Open the shortcut sheet."""

    def start_tour(self) -> object:
        """Begin the two-minute tour."""

    def show_system(self) -> object:
        """Open system information."""

    def open_log(self) -> object:
        """Open the log file."""

    def show_about(self) -> object:
        """Say what this is."""

    def cancel_current(self) -> object:
        """Stop what runs."""

    def copy_picture(self) -> object:
        """Copy the window as a picture."""

    def toggle_full_screen(self) -> object:
        """Full screen and back."""


def window_actions(w: WindowCommands, pages: tuple[tuple[str, str], ...]) -> list[ActionInfo]:
    """Rows of the window; ``pages`` are (name, title) in rail order."""
    return [*_file(w), *_edit(w), *_view(w, pages), *_help(w)]


def _has_file(w: WindowCommands) -> bool:
    return w.session.project.current is not None


def _file(w: WindowCommands) -> list[ActionInfo]:
    def has() -> bool:
        return _has_file(w)

    return [
        ActionInfo(
            "file.open",
            "Open files…",
            w.ask_files,
            "Ctrl+O",
            "open",
            "File",
            tip="Crystals (POSCAR, CIF, …) and hoppings (hr.dat)",
        ),
        ActionInfo(
            "file.open-folder",
            "Open folder…",
            w.ask_folder,
            "Ctrl+Shift+O",
            "open",
            "File",
            tip="Every structure and hopping file in a folder",
        ),
        ActionInfo(
            "file.welcome",
            "Start page",
            lambda: w.show_page("welcome"),
            "",
            "",
            "File",
            group=1,
            tip="Examples and recent files",
        ),
        ActionInfo(
            "file.reload",
            "Read file again",
            w.reload_current,
            "Ctrl+R",
            "refresh",
            "File",
            group=2,
            enabled=has,
        ),
        ActionInfo(
            "file.close",
            "Close file",
            w.close_current,
            "Ctrl+W",
            "close",
            "File",
            group=2,
            enabled=has,
        ),
        ActionInfo("file.quit", "Quit", w.close, "Ctrl+Q", "quit", "File", group=9),
    ]


def _edit(w: WindowCommands) -> list[ActionInfo]:
    stack = w.session.undo
    return [
        ActionInfo(
            "edit.undo", "Undo", stack.undo, "Ctrl+Z", "undo", "Edit", enabled=stack.canUndo
        ),
        ActionInfo(
            "edit.redo", "Redo", stack.redo, "Ctrl+Shift+Z", "redo", "Edit", enabled=stack.canRedo
        ),
        ActionInfo(
            "edit.copy-picture",
            "Copy window as picture",
            w.copy_picture,
            "Ctrl+Shift+C",
            "picture",
            "Edit",
            group=1,
        ),
    ]


def _view(w: WindowCommands, pages: tuple[tuple[str, str], ...]) -> list[ActionInfo]:
    rows = [
        ActionInfo(
            f"view.{name}",
            title,
            lambda name=name: w.show_page(name),
            f"Ctrl+{index}",
            name,
            "View",
        )
        for index, (name, title) in enumerate(pages, 1)
    ]
    for name, title, key in (
        ("project", "Project pane", "Ctrl+B"),
        ("inspector", "Inspector", "Ctrl+I"),
        ("bottom", "Jobs and log", "Ctrl+J"),
    ):
        rows.append(
            ActionInfo(
                f"view.{name}-pane",
                title,
                lambda on, name=name: w.toggle_pane(name, on),
                key,
                "",
                "View",
                checkable=True,
                group=1,
                checked=lambda name=name: w.pane_shown(name),
            )
        )
    rows += [
        ActionInfo(
            "view.reset",
            "Reset layout",
            w.reset_layout,
            "",
            "layout",
            "View",
            group=1,
            tip="All panes back at their places",
        ),
        ActionInfo(
            "view.full-screen", "Full screen", w.toggle_full_screen, "F11", "", "View", group=1
        ),
    ]
    for mode in ("system", "light", "dark"):
        title = {"system": "Colours of the system", "light": "Light", "dark": "Dark"}[mode]
        rows.append(
            ActionInfo(
                f"view.theme-{mode}",
                title,
                lambda mode=mode: w.set_theme(mode),
                "",
                {"system": "theme"}.get(mode, mode),
                "View",
                group=2,
            )
        )
    return rows


def _help(w: WindowCommands) -> list[ActionInfo]:
    return [
        ActionInfo(
            "help.palette",
            "Command palette…",
            w.show_palette,
            "Ctrl+Shift+P",
            "search",
            "Help",
            tip="Every action, file and model by name",
        ),
        ActionInfo(
            "help.tour",
            "A two-minute tour",
            w.start_tour,
            "",
            "play",
            "Help",
            tip="The program shows itself on the worked example Gd₂O₃",
        ),
        ActionInfo("help.shortcuts", "Shortcuts", w.show_shortcuts, "F1", "keyboard", "Help"),
        ActionInfo(
            "help.system",
            "System information…",
            w.show_system,
            "",
            "info",
            "Help",
            group=1,
            tip="Versions, graphics and paths, to copy into a report",
        ),
        ActionInfo("help.log", "Open log file", w.open_log, "", "log", "Help", group=1),
        ActionInfo(
            "jobs.cancel",
            "Cancel what runs",
            w.cancel_current,
            "Ctrl+.",
            "cancel",
            "Train",
            group=9,
            enabled=lambda: w.session.jobs.current is not None,
        ),
        ActionInfo("help.about", "About crystalgui", w.show_about, "", "help", "Help", group=2),
    ]
