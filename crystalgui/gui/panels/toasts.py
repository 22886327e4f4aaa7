"""Messages over the lower right corner of the window."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QEnterEvent
from PySide6.QtWidgets import (
    QFrame,
    QGraphicsDropShadowEffect,
    QHBoxLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from crystalgui.gui.notifications import Notice
from crystalgui.gui.panels.layout import INSPECTOR
from crystalgui.gui.theme import SPACE, colour, font, icon
from crystalgui.gui.widgets import LinkButton, Text, copy_text

MOST = 4
SECONDS = {"info": 5, "warning": 10, "error": 0}


class Toast(QFrame):
    """One message: what, remedy, Copy; errors stay until they are closed."""

    closed = Signal(object)

    def __init__(self, notice: Notice, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("Toast")
        self.setProperty("level", notice.level)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.notice = notice
        self.setAccessibleName(f"{notice.level}: {notice.title}")
        # as wide as the inspector, so that no button of the page is covered
        self.setFixedWidth(min(INSPECTOR - 16, max(240, parent.width() - 32)))
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 8, 10)
        row.setSpacing(10)
        name = {"info": "info", "warning": "warning", "error": "error"}[notice.level]
        token = {"info": "accent", "warning": "warn", "error": "bad"}[notice.level]
        mark = QToolButton(self)
        mark.setIcon(icon(name, token))
        mark.setIconSize(QSize(18, 18))
        mark.setEnabled(True)
        mark.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        mark.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        row.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(2)
        title = Text(notice.title, "", self)
        title.setFont(font("strong" if notice.hint else "text"))
        words.addWidget(title)
        if notice.hint:
            words.addWidget(Text(notice.hint, "muted", self))
        if notice.level != "info":
            words.addLayout(self._buttons(notice))
        row.addLayout(words, 1)
        close = QToolButton(self)
        close.setIcon(icon("close"))
        close.setAccessibleName("Close message")
        close.clicked.connect(self.close_now)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        shadow = QGraphicsDropShadowEffect(self)
        shadow.setBlurRadius(24)
        shadow.setOffset(0, 6)
        shadow.setColor(colour("#000000", 0.22))
        self.setGraphicsEffect(shadow)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.close_now)
        if SECONDS[notice.level]:
            self._timer.start(1000 * SECONDS[notice.level])

    def _buttons(self, notice: Notice) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(0, 2, 0, 0)
        copy = LinkButton("Copy details" if notice.details else "Copy", self)
        copy.clicked.connect(lambda: copy_text(notice.text))
        row.addWidget(copy)
        row.addStretch(1)
        return row

    def enterEvent(self, event: QEnterEvent) -> None:
        """Stay while it is being read."""
        self._timer.stop()
        super().enterEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Go on counting."""
        if SECONDS[self.notice.level]:
            self._timer.start(1000 * SECONDS[self.notice.level])
        super().leaveEvent(event)

    def close_now(self) -> None:
        """Go away."""
        self._timer.stop()
        self.closed.emit(self)


class ToastArea(QObject):
    """Stacks toasts in the lower right corner; a resize moves them along.

    ``above`` tells how many pixels at the bottom of the window are taken.
    """

    def __init__(self, window: QWidget, above: Callable[[], int], right: int = 14) -> None:
        super().__init__(window)
        self._window, self._above, self._right = window, above, right
        self.toasts: list[Toast] = []
        window.installEventFilter(self)

    def show_notice(self, notice: Notice) -> None:
        """Show a message; the oldest goes when there are too many."""
        if any(t.notice == notice for t in self.toasts):
            return
        toast = Toast(notice, self._window)
        toast.closed.connect(self._remove)
        self.toasts.append(toast)
        while len(self.toasts) > MOST:
            first = next((t for t in self.toasts if t.notice.level == "info"), self.toasts[0])
            self._remove(first)
        toast.show()
        self.place()

    def _remove(self, toast: Toast) -> None:
        if toast in self.toasts:
            self.toasts.remove(toast)
            toast.hide()
            toast.deleteLater()
            self.place()

    def clear(self) -> None:
        """Take all away."""
        for toast in list(self.toasts):
            self._remove(toast)

    def place(self) -> None:
        """Newest lowest."""
        y = self._window.height() - self._above()
        for toast in reversed(self.toasts):
            height = toast.heightForWidth(toast.width())
            toast.resize(toast.width(), max(height, toast.minimumSizeHint().height()))
            y -= toast.height() + SPACE[1]
            toast.move(self._window.width() - toast.width() - self._right, max(8, y))
            toast.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the size of the window."""
        if event.type() == QEvent.Type.Resize:
            self.place()
        return False
