"""The card of the tour: a strip below the page, so that it covers nothing it talks about."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QSizePolicy, QWidget

from crystalgui.gui.theme import SPACE, font
from crystalgui.gui.widgets import LinkButton, PlainButton, PrimaryButton, Text


class TourCard(QFrame):
    """Where the tour is, what is seen, what the program says, and the way on.

    With the focus in it, the arrow keys go back and on and Escape ends.

    Signals
    -------
    back_wanted(), next_wanted(), end_wanted()
    """

    back_wanted = Signal()
    next_wanted = Signal()
    end_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("Tour")
        self.setProperty("card", True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        grid = QGridLayout(self)
        grid.setContentsMargins(SPACE[2], SPACE[1], SPACE[2], SPACE[1] + 2)
        grid.setHorizontalSpacing(SPACE[1])
        grid.setVerticalSpacing(2)
        self.title = QLabel(self)
        self.title.setFont(font("title"))
        self.place = QLabel(self)
        self.place.setProperty("role", "muted")
        self.words = Text("", "muted", self)
        self.words.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.said = Text("", "", self)
        line = self.said.fontMetrics().lineSpacing()
        self.words.setMinimumHeight(2 * line)  # so that the page does not move from step to step
        self.said.setMinimumHeight(line + 2)
        self.back = PlainButton("Back", self)
        self.next = PrimaryButton("Next", self)
        self.end = LinkButton("End the tour", self)
        grid.addWidget(self.title, 0, 0)
        grid.addWidget(self.place, 0, 1)
        grid.setColumnStretch(2, 1)
        for column, button in enumerate((self.end, self.back, self.next), 3):
            button.setToolTip({3: "Esc", 4: "←", 5: "→"}[column])
            grid.addWidget(button, 0, column)
        grid.addWidget(self.words, 1, 0, 1, 6)
        grid.addWidget(self.said, 2, 0, 1, 6)
        self.back.clicked.connect(self.back_wanted)
        self.next.clicked.connect(self.next_wanted)
        self.end.clicked.connect(self.end_wanted)
        for widget in (self, self.back, self.next, self.end, self.words, self.said):
            widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Back, on and out by keys; buttons would only pass the focus on."""
        if event.type() == QEvent.Type.KeyPress:
            wanted = {
                Qt.Key.Key_Left: self.back_wanted,
                Qt.Key.Key_Right: self.next_wanted,
                Qt.Key.Key_Escape: self.end_wanted,
            }.get(event.key())
            if wanted is not None:
                wanted.emit()
                return True
        return super().eventFilter(watched, event)

    def show_step(self, number: int, of: int, title: str, text: str) -> None:
        """Another step."""
        self.title.setText(title)
        self.place.setText(f"{number} of {of}")
        self.words.setText(text)
        self.back.setEnabled(number > 1)
        last = number == of
        self.next.setText("Done" if last else "Next")
        self.end.setVisible(not last)
        self.setAccessibleName(f"Tour, {number} of {of}: {title}")
        self.say("")

    def say(self, text: str) -> None:
        """What the program says now."""
        if text != self.said.text():
            self.said.setText(text)
        self.setAccessibleDescription(f"{self.words.text()} {text}".strip())
