"""A line above the page: what happened, what to do, and buttons that do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from crystalgui.gui.theme import SPACE, icon
from crystalgui.gui.widgets import Chip, PlainButton, PrimaryButton, Text


class Banner(QWidget):
    """One message with its remedies; hidden while there is nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, SPACE[1])
        frame = QFrame()
        frame.setProperty("card", True)
        outer.addWidget(frame)
        row = QHBoxLayout(frame)
        row.setContentsMargins(SPACE[2], SPACE[1], SPACE[1], SPACE[1])
        row.setSpacing(SPACE[1])
        words = QVBoxLayout()
        words.setSpacing(0)
        self._title, self._hint = Text(""), Text("", "muted")
        words.addWidget(self._title)
        words.addWidget(self._hint)
        row.addLayout(words, 1)
        self._actions = QHBoxLayout()
        self._actions.setSpacing(SPACE[1])
        row.addLayout(self._actions)
        self._close = Chip("", tooltip="Dismiss")
        self._close.setIcon(icon("close"))
        self._close.clicked.connect(self.dismiss)
        row.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        self.buttons: list[PlainButton | PrimaryButton] = []
        self.key = ""
        self.dismissed: set[str] = set()
        self.hide()

    def say(
        self,
        key: str,
        title: str,
        hint: str = "",
        actions: Sequence[tuple[str, Callable[[], object]]] = (),
        role: str = "warn",
    ) -> None:
        """Show a message unless this ``key`` was dismissed."""
        if key in self.dismissed:
            return
        self.key = key
        self._title.setText(title)
        self._title.set_role(role)
        self._hint.setText(hint)
        self._hint.setVisible(bool(hint))
        self._clear()
        for index, (label, callback) in enumerate(actions):
            button = (PrimaryButton if index == 0 else PlainButton)(label)
            button.clicked.connect(lambda _=False, call=callback: self._act(call))
            self._actions.addWidget(button)
            self.buttons.append(button)
        self.show()

    def text(self) -> str:
        """What it says, empty when hidden."""
        return "" if self.isHidden() else f"{self._title.text()} {self._hint.text()}".strip()

    def silence(self, key: str = "") -> None:
        """Hide the message (of this key)."""
        if not key or key == self.key:
            self.hide()
            self._clear()
            self.key = ""

    def dismiss(self) -> None:
        """The person does not want to see it again."""
        self.dismissed.add(self.key)
        self.silence()

    def _act(self, callback: Callable[[], object]) -> None:
        self.silence()
        callback()

    def _clear(self) -> None:
        for button in self.buttons:
            self._actions.removeWidget(button)
            button.hide()
            button.deleteLater()
        self.buttons.clear()
