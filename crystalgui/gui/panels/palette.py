"""The command palette: every action, file and model by a few letters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QRect, QSize, Qt
from PySide6.QtGui import QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QGraphicsDropShadowEffect,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.cards import TrainedModel
from crystalgui.gui.actions.build import ActionSet
from crystalgui.gui.session import Session
from crystalgui.gui.state.project import OpenFile
from crystalgui.gui.theme import colour, font, icon
from crystalgui.gui.widgets import Rule

MOST = 60
ENTRY = int(Qt.ItemDataRole.UserRole)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing the palette can do."""

    text: str
    kind: str
    callback: Callable[[], object]
    icon: str = ""
    detail: str = ""


def score(pattern: str, text: str) -> float | None:
    """How well the letters of ``pattern`` occur in order in ``text``.

    Letters that begin words or follow each other count more, and short texts
    win; None when some letter is missing.
    """
    wanted, where = pattern.casefold().replace(" ", ""), text.casefold()
    if not wanted:
        return 0.0
    direct = where.find(pattern.casefold().strip())
    if direct >= 0:
        start = direct == 0 or not where[direct - 1].isalnum()
        return 100.0 + (20.0 if start else 0.0) - 0.1 * len(text) - 0.05 * direct
    total, last = 0.0, -1
    for letter in wanted:
        at = where.find(letter, last + 1)
        if at < 0:
            return None
        begins = at == 0 or not where[at - 1].isalnum()
        total += 8.0 if begins else (5.0 if at == last + 1 else 1.0)
        last = at
    return total - 0.1 * len(text)


def matches(pattern: str, entries: Iterable[Entry]) -> list[Entry]:
    """Entries that fit, best first."""
    found = []
    for index, entry in enumerate(entries):
        value = score(pattern, entry.text)
        if value is None:
            detail = score(pattern, f"{entry.text} {entry.detail}")
            value = None if detail is None else detail - 30
        if value is not None:
            found.append((-value if pattern else 0.0, index, entry))
    return [entry for _, _, entry in sorted(found, key=lambda f: f[:2])][:MOST]


class _EntryDelegate(QStyledItemDelegate):
    """Icon, words, and the kind or shortcut at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: object) -> QSize:
        """One line."""
        return QSize(0, 32)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: object) -> None:
        """Draw it."""
        entry: Entry = index.data(ENTRY)
        rect = QRect(option.rect).adjusted(6, 0, -6, 0)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour("accent_quiet"))
            painter.drawRoundedRect(rect, 6, 6)
        if entry.icon:
            icon(entry.icon).paint(painter, QRect(rect.left() + 8, rect.center().y() - 7, 15, 15))
        painter.setFont(font("text"))
        metrics = painter.fontMetrics()
        right = metrics.elidedText(
            entry.detail or entry.kind, Qt.TextElideMode.ElideLeft, rect.width() // 2
        )
        room = metrics.horizontalAdvance(right)
        painter.setPen(colour("muted"))
        painter.drawText(
            rect.adjusted(0, 0, -10, 0),
            Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight,
            right,
        )
        painter.setPen(colour("text"))
        box = rect.adjusted(34, 0, -room - 20, 0)
        text = metrics.elidedText(entry.text, Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)
        painter.restore()


class CommandPalette(QFrame):
    """A field and a list over the window; Escape or a click elsewhere closes it."""

    WIDTH = 560

    def __init__(self, entries: Callable[[], list[Entry]], parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("Palette")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Command palette")
        self._make = entries
        self._entries: list[Entry] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.setSpacing(4)
        self.field = QLineEdit(self)
        self.field.setPlaceholderText("Search actions, files, models…")
        self.field.setAccessibleName("Search")
        layout.addWidget(self.field)
        layout.addWidget(Rule(self))
        self.list = QListWidget(self)
        self.list.setAccessibleName("Results")
        self.list.setItemDelegate(_EntryDelegate(self.list))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setMouseTracking(True)
        layout.addWidget(self.list, 1)
        shadow = QGraphicsDropShadowEffect(self)
        shadow.setBlurRadius(40)
        shadow.setOffset(0, 10)
        shadow.setColor(colour("#000000", 0.28))
        self.setGraphicsEffect(shadow)
        self.field.textChanged.connect(self._filter)
        self.field.installEventFilter(self)
        self.list.itemClicked.connect(self._run)
        self.list.itemEntered.connect(self.list.setCurrentItem)
        self.hide()

    def open(self) -> None:
        """Show it, empty, over the window."""
        self._entries = self._make()
        self.field.clear()
        self._filter("")
        self.place()
        self.show()
        self.raise_()
        self.field.setFocus()
        QApplication.instance().installEventFilter(self)

    def place(self) -> None:
        """Top centre of the window."""
        room = self.parentWidget().rect()
        width = min(self.WIDTH, room.width() - 32)
        lines = max(1, min(self.list.count(), 11))
        height = min(32 * lines + 70, room.height() - 80)
        self.setGeometry((room.width() - width) // 2, 44, width, height)

    def dismiss(self) -> None:
        """Put it away."""
        QApplication.instance().removeEventFilter(self)
        self.hide()

    def _filter(self, text: str) -> None:
        self.list.clear()
        for entry in matches(text, self._entries):
            item = QListWidgetItem(entry.text)
            item.setData(ENTRY, entry)
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self.place()

    def _run(self, item: QListWidgetItem | None) -> None:
        entry = item.data(ENTRY) if item is not None else None
        self.dismiss()
        if entry is not None:
            entry.callback()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Arrows move in the list while one types; a click elsewhere closes."""
        if watched is self.field and event.type() == QEvent.Type.KeyPress:
            return self._key(event)
        if (
            event.type() == QEvent.Type.MouseButtonPress
            and isinstance(watched, QWidget)
            and watched is not self
            and not self.isAncestorOf(watched)
            and watched.window() is self.window()
        ):
            self.dismiss()
        return False

    def _key(self, event: QKeyEvent) -> bool:
        step = {
            Qt.Key.Key_Down: 1,
            Qt.Key.Key_Up: -1,
            Qt.Key.Key_PageDown: 8,
            Qt.Key.Key_PageUp: -8,
        }.get(event.key())
        if step is not None:
            row = min(max(self.list.currentRow() + step, 0), self.list.count() - 1)
            self.list.setCurrentRow(row)
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._run(self.list.currentItem())
            return True
        if event.key() == Qt.Key.Key_Escape:
            self.dismiss()
            return True
        return False


def window_entries(
    session: Session,
    actions: ActionSet,
    open_file: Callable[[OpenFile], object],
    show_model: Callable[[TrainedModel], object],
    open_path: Callable[[Path], object],
) -> list[Entry]:
    """Everything the window's palette knows: actions, files, models, recent files."""
    entries = [
        Entry(
            text=info.text.rstrip("…"),
            kind=info.menu or "Action",
            callback=lambda i=info.id: actions.trigger(i),
            icon=info.icon,
            detail=info.shortcut or info.menu,
        )
        for info in actions.infos.values()
    ]
    for file in session.project.files:
        entries.append(
            Entry(
                text=file.name,
                kind="File",
                callback=lambda f=file: open_file(f),
                icon=file.kind if file.kind in ("crystal", "hoppings", "error") else "file",
                detail=file.badge or "File",
            )
        )
    for model in session.project.models:
        entries.append(
            Entry(
                text=model.title or model.name,
                kind="Model",
                callback=lambda m=model: show_model(m),
                icon="model",
                detail=model.name,
            )
        )
    opened = {file.path for file in session.project.files}
    for path in session.settings.recent:
        if path not in opened:
            entries.append(
                Entry(
                    text=path.name,
                    kind="Recent",
                    callback=lambda p=path: open_path(p),
                    icon="file",
                    detail=str(path.parent),
                )
            )
    return entries
