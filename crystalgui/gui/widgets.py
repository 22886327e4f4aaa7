"""The few widgets that every page is made of.

Colour and type come from `theme`; these classes only set roles.  What draws
itself (bars, dots) reads the tokens while painting, so that a theme switch
needs no more than an update.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QFontMetrics,
    QGuiApplication,
    QIcon,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLayoutItem,
    QMenu,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from crystalgui.gui.theme import SPACE, colour, font, icon, theme

Align = Qt.AlignmentFlag


class ElidedLabel(QLabel):
    """One line that gives way: the text elides, the tool tip has all of it."""

    def __init__(
        self,
        text: str = "",
        parent: QWidget | None = None,
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ) -> None:
        super().__init__(parent)
        self._full = ""
        self._mode = mode
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)

    def text(self) -> str:
        """The whole text, elided or not."""
        return self._full

    def setText(self, text: str) -> None:
        """Show ``text``, shortened when it does not fit."""
        self._full = text
        self._elide()
        self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Room for the whole text."""
        metrics = QFontMetrics(self.font())
        return QSize(metrics.horizontalAdvance(self._full) + 2, metrics.height() + 2)

    def minimumSizeHint(self) -> QSize:
        """Room for a few letters."""
        metrics = QFontMetrics(self.font())
        wanted = metrics.horizontalAdvance(self._full[:3] + "…") if self._full else 0
        return QSize(wanted, metrics.height() + 2)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Elide anew."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        metrics = QFontMetrics(self.font())
        shown = metrics.elidedText(self._full, self._mode, max(0, self.width()))
        QLabel.setText(self, shown)
        self.setToolTip(self._full if shown != self._full else "")


LEAST_TITLE = 96
"""So much of a title is always seen, pixels."""


class Card(QFrame):
    """A titled surface.  ``body`` holds the content, ``tools`` the chips.

    The title line gives way to the chips: subtitle first, then title elide.
    """

    def __init__(self, title: str = "", subtitle: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("card", True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(SPACE[2], SPACE[1], SPACE[2], SPACE[2])
        outer.setSpacing(SPACE[1])
        self._head = QWidget(self)
        head = QHBoxLayout(self._head)
        head.setContentsMargins(2, 0, 0, 0)
        head.setSpacing(SPACE[1])
        self._title = ElidedLabel(title)
        self._title.setFont(font("title"))
        self._subtitle = ElidedLabel(subtitle)
        self._subtitle.setFont(font("text"))
        self._subtitle.setProperty("role", "muted")
        self._subtitle.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        head.addWidget(self._title)
        head.addWidget(self._subtitle, 1)
        self.tools = QHBoxLayout()
        self.tools.setSpacing(SPACE[0])
        head.addLayout(self.tools)
        self._head.setMinimumHeight(28)
        outer.addWidget(self._head)
        self.body = QVBoxLayout()
        self.body.setSpacing(SPACE[1])
        outer.addLayout(self.body, 1)
        self.set_title(title, subtitle)

    def set_title(self, title: str, subtitle: str = "") -> None:
        """Change both lines of the head."""
        self._title.setText(title)
        self._title.setMinimumWidth(min(self._title.sizeHint().width(), LEAST_TITLE))
        self._subtitle.setText(subtitle)
        self.setAccessibleName(title)
        self._head.setVisible(bool(title or subtitle or self.tools.count()))

    @property
    def title(self) -> str:
        """The title as set."""
        return self._title.text()

    @property
    def subtitle(self) -> str:
        """The subtitle as set."""
        return self._subtitle.text()


class Chip(QToolButton):
    """A small button in the head of a card."""

    def __init__(
        self,
        text: str,
        checkable: bool = False,
        tooltip: str = "",
        parent: QWidget | None = None,
        icon_name: str = "",
    ) -> None:
        super().__init__(parent)
        self.setProperty("chip", True)
        self.setText(text)
        self.setCheckable(checkable)
        self.setAccessibleName(tooltip or text)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        if tooltip:
            self.setToolTip(tooltip)
        if icon_name:
            self.setIcon(icon(icon_name))
            self.setIconSize(QSize(14, 14))
            if text:
                self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)


class FlowLayout(QLayout):
    """Left to right, then the next line: chips that wrap in a narrow card."""

    def __init__(self, parent: QWidget | None = None, spacing: int = SPACE[0]) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self.setSpacing(spacing)
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        """Take an item (called by Qt)."""
        self._items.append(item)

    def count(self) -> int:
        """Number of items."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Item at a place."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Remove an item."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        """It never asks for more."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        """Its height depends on its width."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Height of all lines."""
        return self._arrange(QRect(0, 0, width, 0), move=False)

    def setGeometry(self, rect: QRect) -> None:
        """Place the items."""
        super().setGeometry(rect)
        self._arrange(rect, move=True)

    def sizeHint(self) -> QSize:
        """The smallest reasonable size."""
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        """The largest item."""
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _arrange(self, rect: QRect, *, move: bool) -> int:
        x, y, line = rect.x(), rect.y(), 0
        for item in self._items:
            hint = item.sizeHint()
            if x + hint.width() > rect.right() + 1 and line > 0:
                x, y, line = rect.x(), y + line + self.spacing(), 0
            if move:
                item.setGeometry(QRect(QPoint(x, y), hint))
            x += hint.width() + self.spacing()
            line = max(line, hint.height())
        return y + line - rect.y()


class SectionTitle(QLabel):
    """A caption in small capitals above a group."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setFont(font("caption"))
        self.setProperty("role", "caption")
        self.setContentsMargins(0, SPACE[1], 0, 2)


class Text(QLabel):
    """Wrapped text that can be selected."""

    def __init__(self, text: str = "", role: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        if role:
            self.setProperty("role", role)

    def set_role(self, role: str) -> None:
        """Change the colour role: muted, good, warn, bad, accent."""
        self.setProperty("role", role)
        self.style().unpolish(self)
        self.style().polish(self)


def small_print() -> ElidedLabel:
    """One small line below a plot: what was assumed."""
    label = ElidedLabel()
    label.setProperty("role", "muted")
    small = font("text")
    small.setPixelSize(11)
    label.setFont(small)
    return label


def scrolled(inner: QWidget, *, sideways: bool = False) -> QScrollArea:
    """A widget that scrolls, down and perhaps sideways, in place of being squeezed."""
    inner.setObjectName("ScrollBody")
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    if not sideways:
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inner)
    return area


class _Value(QLabel):
    """A value that can be selected and copied with its row."""

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(text, parent)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAlignment(Align.AlignRight | Align.AlignTop)
        self.setWordWrap(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)


class KeyValues(QWidget):
    """Rows of name and value; one row or all can be copied as TSV."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(SPACE[2])
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnStretch(1, 1)
        self._rows: list[tuple[str, str]] = []
        self._labels: list[tuple[QLabel, QLabel]] = []
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """What is shown."""
        return list(self._rows)

    def set_rows(self, rows: Iterable[Sequence[object]]) -> None:
        """Show rows of (name, value) or (name, value, tool tip)."""
        rows = [tuple(map(str, row)) for row in rows]
        self._rows = [(row[0], row[1]) for row in rows]
        while len(self._labels) < len(rows):
            name, value = QLabel(self), _Value("", self)
            name.setProperty("role", "muted")
            name.setAlignment(Align.AlignLeft | Align.AlignTop)
            value.setFont(font("number"))
            line = len(self._labels)
            self._grid.addWidget(name, line, 0)
            self._grid.addWidget(value, line, 1)
            self._labels.append((name, value))
        for index, (name, value) in enumerate(self._labels):
            shown = index < len(rows)
            name.setVisible(shown)
            value.setVisible(shown)
            if shown:
                name.setText(rows[index][0])
                value.setText(rows[index][1])
                value.setAccessibleName(f"{rows[index][0]}: {rows[index][1]}")
                value.setToolTip(rows[index][2] if len(rows[index]) > 2 else "")

    def text(self) -> str:
        """All rows as TSV."""
        return "\n".join(f"{name}\t{value}" for name, value in self._rows)

    def _menu(self, at: QPoint) -> None:
        menu = QMenu(self)
        child = self.childAt(at)
        for (name, value), (left, right) in zip(self._rows, self._labels, strict=False):
            if child in (left, right):
                menu.addAction(f"Copy {name}", lambda text=value: copy_text(text))
        menu.addAction("Copy all", lambda: copy_text(self.text()))
        menu.exec(self.mapToGlobal(at))
        menu.deleteLater()


class ProbabilityBars(QWidget):
    """Class names, bars and probabilities with two decimals."""

    ROW = 22

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: list[tuple[str, float, str]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    @property
    def values(self) -> list[tuple[str, float, str]]:
        """What is shown."""
        return list(self._values)

    def set_values(self, values: Iterable[tuple[str, float, str]]) -> None:
        """Show (label, probability, colour) rows in this order."""
        self._values = list(values)
        self.setAccessibleName(", ".join(f"{name} {p:.2f}" for name, p, _ in self._values))
        self.setToolTip("\n".join(f"{name}\t{p:.4f}" for name, p, _ in self._values))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """One row each."""
        return QSize(200, self.ROW * len(self._values))

    def minimumSizeHint(self) -> QSize:
        """Narrow panes are fine."""
        return QSize(120, self.ROW * len(self._values))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw label, groove, bar, number."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font("number"))
        metrics = painter.fontMetrics()
        number = metrics.horizontalAdvance("0.00") + 4
        widest = max((metrics.horizontalAdvance(v[0]) for v in self._values), default=0)
        label = min(widest + 8, int(self.width() * 0.45))
        left, right = label + 4, self.width() - number - 8
        for index, (name, p, ink) in enumerate(self._values):
            top = index * self.ROW
            painter.setPen(colour("text"))
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideRight, label)
            painter.drawText(QRect(0, top, label, self.ROW), Align.AlignVCenter, shown)
            groove = QRectF(left, top + self.ROW / 2 - 3, max(0, right - left), 6)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour("quiet"))
            painter.drawRoundedRect(groove, 3, 3)
            share = p if math.isfinite(p) else 0.0
            bar = QRectF(groove)
            bar.setWidth(max(3.0 if share > 0 else 0.0, groove.width() * min(1.0, share)))
            painter.setBrush(colour(ink))
            painter.drawRoundedRect(bar, 3, 3)
            painter.setPen(colour("text"))
            text = f"{p:.2f}" if math.isfinite(p) else "–"
            box = QRect(self.width() - number, top, number, self.ROW)
            painter.drawText(box, Align.AlignVCenter | Align.AlignRight, text)


class Dot(QWidget):
    """A small coloured disc: the class, phase or state of a row."""

    def __init__(self, ink: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ink = ink
        self.setFixedSize(10, 10)

    def set_colour(self, ink: str) -> None:
        """A token or ``#rrggbb``."""
        self._ink = ink
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the disc."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(self._ink))
        painter.drawEllipse(QRectF(1, 1, 8, 8))


class ProgressBar(QProgressBar):
    """A bar that waits for the next paint of the window.

    Qt's own repaints within `setValue`: with a style sheet 32 ms each time.
    """

    def setValue(self, value: int) -> None:
        """Show this much at the next paint."""
        self.setUpdatesEnabled(False)  # what would be repainted now ...
        super().setValue(value)
        self.setUpdatesEnabled(True)  # ... is only marked

    def setRange(self, minimum: int, maximum: int) -> None:
        """Show these limits at the next paint."""
        if (minimum, maximum) != (self.minimum(), self.maximum()):
            self.setUpdatesEnabled(False)
            super().setRange(minimum, maximum)
            self.setUpdatesEnabled(True)


class PrimaryButton(QPushButton):
    """The one thing to do next."""

    def __init__(self, text: str, parent: QWidget | None = None, icon_name: str = "") -> None:
        super().__init__(text, parent)
        self.setProperty("kind", "primary")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        if icon_name:
            self.setIcon(icon(icon_name, "on_accent"))


class PlainButton(QPushButton):
    """Any other button."""

    def __init__(self, text: str, parent: QWidget | None = None, icon_name: str = "") -> None:
        super().__init__(text, parent)
        self.setProperty("kind", "plain")
        self.setAutoDefault(False)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        if icon_name:
            self.setIcon(icon(icon_name))


class LinkButton(QPushButton):
    """A button that looks like a link."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setProperty("kind", "link")
        self.setAutoDefault(False)
        self.setCursor(Qt.CursorShape.PointingHandCursor)


class _Glyph(QWidget):
    """A large icon, drawn anew at every size and theme."""

    def __init__(self, name: str, size: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon: QIcon = icon(name)
        self.setFixedSize(size, size)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the icon."""
        painter = QPainter(self)
        self._icon.paint(painter, self.rect())


class EmptyState(QWidget):
    """What to do when there is nothing to show yet: icon, words, buttons."""

    def __init__(
        self,
        icon_name: str,
        title: str,
        text: str,
        actions: Sequence[tuple[str, Callable[[], object]]] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setSpacing(SPACE[1])
        layout.addStretch(2)
        layout.addWidget(_Glyph(icon_name, 40, self), 0, Align.AlignHCenter)
        self._title = QLabel(title, self)
        self._title.setFont(font("heading"))
        self._title.setAlignment(Align.AlignHCenter)
        self._title.setWordWrap(True)
        layout.addWidget(self._title)
        self._text = QLabel(text, self)
        self._text.setProperty("role", "muted")
        self._text.setAlignment(Align.AlignHCenter)
        self._text.setWordWrap(True)
        layout.addWidget(self._text)
        row = QHBoxLayout()
        row.setSpacing(SPACE[1])
        row.addStretch(1)
        self.buttons: list[QPushButton] = []
        for index, (label, callback) in enumerate(actions):
            button = (PrimaryButton if index == 0 else PlainButton)(label, self)
            button.clicked.connect(lambda _=False, call=callback: call())
            row.addWidget(button)
            self.buttons.append(button)
        row.addStretch(1)
        layout.addSpacing(SPACE[1])
        layout.addLayout(row)
        layout.addStretch(3)

    def set_text(self, title: str, text: str) -> None:
        """Change the words."""
        self._title.setText(title)
        self._text.setText(text)


class Rule(QFrame):
    """A one-pixel line."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("Rule")
        self.setFixedHeight(1)


class ClickArea(QWidget):
    """A widget that reports clicks; for rows made of several labels."""

    clicked = Signal()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A left release inside is a click."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(
            event.position().toPoint()
        ):
            self.clicked.emit()
        super().mouseReleaseEvent(event)


def copy_text(text: str) -> None:
    """Put text on the clipboard."""
    QGuiApplication.clipboard().setText(text)


def copy_action(widget: QWidget, text: Callable[[], str]) -> QAction:
    """Let Ctrl+C on ``widget`` copy ``text()``; the action, for menus."""
    action = QAction("Copy", widget)
    action.setShortcut(QKeySequence.StandardKey.Copy)
    action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    action.triggered.connect(lambda: copy_text(text()))
    widget.addAction(action)
    return action
