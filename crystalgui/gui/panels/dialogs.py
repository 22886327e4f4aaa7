"""The few dialogs: element symbols, shortcut sheet, system information."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.messages import ErrorInfo
from crystalgui.gui.actions.info import ActionInfo
from crystalgui.gui.session import Session
from crystalgui.gui.state.project import OpenFile
from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import (
    PlainButton,
    PrimaryButton,
    SectionTitle,
    Text,
    copy_text,
    scrolled,
)


def fit(dialog: QDialog, width: int) -> None:
    """As high as the wrapped words need at this width."""
    dialog.setMinimumWidth(width)
    layout = dialog.layout()
    layout.activate()
    dialog.resize(width, max(layout.heightForWidth(width), layout.minimumSize().height()))


class SymbolsDialog(QDialog):
    """Asks once for the elements that a VASP 4 file does not name."""

    def __init__(self, session: Session, file: OpenFile, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._file = session, file
        self.setWindowTitle("Which elements?")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACE[3],) * 4)
        layout.setSpacing(SPACE[1])
        title = QLabel(f"{file.name} does not name its elements", self)
        title.setFont(font("heading"))
        title.setWordWrap(True)
        layout.addWidget(title)
        reason = file.error.title if file.error is not None else ""
        layout.addWidget(Text(reason, "muted", self))
        layout.addWidget(
            Text("Give one symbol for each group of atoms, in the order of the file.", "", self)
        )
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("for example: Bi Te I")
        self.field.setAccessibleName("Element symbols, separated by spaces")
        layout.addWidget(self.field)
        self.problem = Text("", "bad", self)
        self.problem.hide()
        layout.addWidget(self.problem)
        row = QHBoxLayout()
        row.addStretch(1)
        later = PlainButton("Not now", self)
        self.accept_button = PrimaryButton("Open", self)
        self.accept_button.setDefault(True)
        row.addWidget(later)
        row.addWidget(self.accept_button)
        layout.addLayout(row)
        later.clicked.connect(self.reject)
        self.accept_button.clicked.connect(self._accept)
        self.field.textChanged.connect(lambda _: self.problem.hide())
        fit(self, 400)

    def _accept(self) -> None:
        from crystalgui.core.structures.elements import SYMBOLS

        words = self.field.text().replace(",", " ").split()
        unknown = [w for w in words if w not in SYMBOLS[1:]]
        if not words or unknown:
            what = ", ".join(unknown)
            self.problem.setText(
                f"No element is called {what}." if unknown else "Give at least one symbol."
            )
            self.problem.show()
            fit(self, 400)
            return
        self._session.project.give_symbols(self._file, words)
        self.accept()


class ShortcutSheet(QDialog):
    """Every action with its key, by menu."""

    def __init__(self, table: dict[str, list[ActionInfo]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        from PySide6.QtGui import QKeySequence

        self.setWindowTitle("Shortcuts")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(*(SPACE[3],) * 4)
        body = QWidget()
        outer.addWidget(scrolled(body, sideways=True))
        columns = QHBoxLayout(body)
        columns.setSpacing(3 * SPACE[3])
        halves = [QGridLayout(), QGridLayout()]
        lines = [0, 0]
        for half in halves:
            half.setHorizontalSpacing(2 * SPACE[3])
            half.setVerticalSpacing(6)
            half.setColumnStretch(0, 1)
            columns.addLayout(half, 1)
        for menu, infos in {**table, "3D views": VIEW_KEYS}.items():
            rows = [i for i in infos if i.shortcut]
            if not rows:
                continue
            side = 0 if lines[0] <= lines[1] else 1
            grid = halves[side]
            grid.addWidget(SectionTitle(menu, self), lines[side], 0, 1, 2)
            lines[side] += 1
            for info in rows:
                native = QKeySequence.SequenceFormat.NativeText
                words = QKeySequence(info.shortcut).toString(native)
                key = QLabel(info.shortcut if infos is VIEW_KEYS else words, self)
                key.setProperty("role", "muted")
                key.setAlignment(Qt.AlignmentFlag.AlignRight)
                grid.addWidget(QLabel(info.text.rstrip("…"), self), lines[side], 0)
                grid.addWidget(key, lines[side], 1)
                lines[side] += 1
        for half, line in zip(halves, lines, strict=True):
            half.setRowStretch(line, 1)
        room = parent.size() if parent is not None else self.size()
        self.resize(min(760, room.width() - 40), min(620, room.height() - 60))


def _key(text: str, key: str) -> ActionInfo:
    return ActionInfo(f"sheet.{text}", text, _nothing, key)


def _nothing() -> None:
    """The rows of the mouse are for reading."""


VIEW_KEYS = [
    _key("Orbit", "Left drag"),
    _key("Zoom", "Wheel"),
    _key("Pan", "Shift + left drag, middle drag"),
    _key("Fit to the picture", "F"),
    _key("Standard orientation", "R"),
    _key("Perspective on and off", "P"),
    _key("Turn by 15°", "Arrow keys"),
    _key("Zoom in and out", "+  −"),
    _key("Select more", "Ctrl + click"),
    _key("Select a box", "Ctrl + left drag"),
    _key("Rotation centre", "Double click"),
    _key("Select none", "Esc"),
]


class TextDialog(QDialog):
    """Text to read and copy; filled when the answer arrives."""

    def __init__(self, title: str, text: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*(SPACE[3],) * 4)
        layout.setSpacing(SPACE[2])
        self.view = QPlainTextEdit(text, self)
        self.view.setReadOnly(True)
        self.view.setFont(font("mono"))
        self.view.setAccessibleName(title)
        layout.addWidget(self.view, 1)
        row = QHBoxLayout()
        row.addStretch(1)
        copy = PlainButton("Copy", self, "copy")
        copy.clicked.connect(lambda: copy_text(self.view.toPlainText()))
        close = PrimaryButton("Close", self)
        close.clicked.connect(self.accept)
        row.addWidget(copy)
        row.addWidget(close)
        layout.addLayout(row)
        width = QFontMetrics(font("mono")).horizontalAdvance("x") * 84
        self.resize(max(480, width), 460)

    def fill(self, text: str) -> None:
        """Show the answer."""
        self.view.setPlainText(text)

    def failed(self, error: ErrorInfo) -> None:
        """Show why there is none."""
        self.view.setPlainText(f"{error.title}\n{error.hint}\n\n{error.details}")


def about(parent: QWidget) -> QDialog:
    """What this program is."""
    from crystalgui import __version__

    return choose(
        parent,
        f"crystalgui {__version__}",
        "Crystals, tight-binding bands, and the networks that read them, in one offline "
        "program. Interface type: Inter (SIL Open Font Licence). Icons: Phosphor (MIT).",
        [("Close", _nothing)],
    )


def choose(
    parent: QWidget, title: str, text: str, answers: Sequence[tuple[str, Callable[[], object]]]
) -> QDialog:
    """A question with buttons, the first is the safe one; not modal code, a window."""
    dialog = QDialog(parent)
    dialog.setWindowTitle(title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setModal(True)
    layout = QVBoxLayout(dialog)
    layout.setContentsMargins(*(SPACE[3],) * 4)
    layout.setSpacing(SPACE[1])
    head = QLabel(title, dialog)
    head.setFont(font("heading"))
    head.setWordWrap(True)
    layout.addWidget(head)
    layout.addWidget(Text(text, "muted", dialog))
    layout.addSpacing(SPACE[1])
    row = QHBoxLayout()
    row.addStretch(1)
    for index, (label, callback) in enumerate(answers):
        button = PlainButton(label, dialog) if index else PrimaryButton(label, dialog)
        button.setObjectName(f"Answer{index}")

        def answer(_: bool = False, call: Callable[[], object] = callback) -> None:
            dialog.accept()
            call()

        button.clicked.connect(answer)
        row.insertWidget(1, button)
    layout.addLayout(row)
    fit(dialog, 420)
    return dialog
