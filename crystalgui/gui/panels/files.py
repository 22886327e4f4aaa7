"""The project pane: files, data sets, models and runs in one quiet list.

One flat model with section rows keeps the keyboard simple (arrows walk over
everything) and stays fast with hundreds of files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    QUrl,
    Signal,
)
from PySide6.QtGui import QDesktopServices, QFontMetrics, QIcon, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QListView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.cards import TrainedModel
from crystalgui.core.messages import DatasetSummary
from crystalgui.gui.session import Session
from crystalgui.gui.state.project import OpenFile
from crystalgui.gui.theme import colour, font, icon, theme
from crystalgui.gui.widgets import copy_text

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()
ROW_ROLE = int(Qt.ItemDataRole.UserRole) + 1


@dataclass(slots=True, eq=False, kw_only=True)
class Row:
    """One line of the pane: a section, a hint, or something to click."""

    kind: str
    text: str
    badge: str = ""
    icon: str = ""
    ink: str = "muted"
    tip: str = ""
    value: Any = None

    @property
    def clickable(self) -> bool:
        """Whether it can be selected."""
        return self.kind not in ("section", "hint")


class ProjectModel(QAbstractListModel):
    """The rows of all four sections."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.rows: list[Row] = []
        self.rebuild()

    def rowCount(self, parent: Index = ROOT) -> int:
        """Number of lines."""
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, tool tip, accessible text, or the row itself."""
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return row.text
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.tip or None
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{row.text} {row.badge}".strip()
        return row if role == ROW_ROLE else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Sections are not selectable."""
        if not index.isValid() or not self.rows[index.row()].clickable:
            return Qt.ItemFlag.ItemIsEnabled
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable

    def rebuild(self) -> None:
        """Make all rows anew."""
        self.beginResetModel()
        self.rows = [
            *self._section("Files", [self.file_row(f) for f in self._session.project.files]),
            *self._section("Data sets", [dataset_row(d) for d in self._session.project.datasets]),
            *self._section("Models", [model_row(m) for m in self._session.project.models]),
            *self._section("Runs", [run_row(r) for r in self._session.runs.runs if not r.binned]),
        ]
        self.endResetModel()

    def file_row(self, file: OpenFile) -> Row:
        """A file; with its folder where another one has the same name."""
        row = file_row(file)
        if sum(other.name == file.name for other in self._session.project.files) > 1:
            row.text = f"{file.path.parent.name}/{file.name}"
        return row

    def _section(self, title: str, rows: list[Row]) -> list[Row]:
        hints = {
            "Files": "Drop files here, or Ctrl+O",
            "Data sets": "Import one on the Train page",
            "Models": "Looking for models…",
            "Runs": "None yet",
        }
        if title == "Models" and self._session.project.cards:
            hints["Models"] = "None yet: train one"
        return [
            Row(kind="section", text=title.upper()),
            *(rows or [Row(kind="hint", text=hints[title])]),
        ]

    def update_value(self, value: object, make: Callable[[Any], Row]) -> None:
        """Renew the one row that shows ``value``."""
        for index, row in enumerate(self.rows):
            if row.value is value:
                self.rows[index] = make(value)
                at = self.index(index)
                self.dataChanged.emit(at, at)
                return
        self.rebuild()

    def find(self, value: object) -> QModelIndex:
        """Where ``value`` is shown."""
        for index, row in enumerate(self.rows):
            if row.value is value and value is not None:
                return self.index(index)
        return QModelIndex()


def file_row(file: OpenFile) -> Row:
    """A file with its badge: space group, bands, or the line of its error."""
    ink, name = {
        "crystal": ("accent", "crystal"),
        "hoppings": ("accent", "hoppings"),
        "error": ("bad", "error"),
    }.get(file.kind, ("muted", "clock"))
    tip = str(file.path)
    if file.error is not None:
        tip = f"{file.error.title}\n{file.error.hint}\n{tip}"
    badge = "reading…" if file.kind == "loading" else file.badge
    return Row(kind="file", text=file.name, badge=badge, icon=name, ink=ink, tip=tip, value=file)


def dataset_row(summary: DatasetSummary) -> Row:
    """A data set with its size."""
    return Row(
        kind="dataset",
        text=summary.name,
        badge=f"{summary.size:,}",
        icon="dataset",
        tip=f"{summary.target}, {summary.task}, {summary.size:,} crystals\n{summary.folder}",
        value=summary,
    )


def model_row(model: TrainedModel) -> Row:
    """A trained model with the one figure that ranks it."""
    return Row(
        kind="model",
        text=model.title or model.name,
        badge=headline(model),
        icon="model",
        tip=f"{model.name}\n{model.data}\n{model.folder}",
        value=model,
    )


def headline(model: TrainedModel) -> str:
    """Accuracy (or error with its unit) on the model's own test split."""
    for key in ("accuracy", "test_accuracy"):
        if key in model.metrics:
            return f"{model.metrics[key]:.2f}"
    for key in ("mae", "test_mae"):
        if key in model.metrics:
            return f"{model.metrics[key]:.3g} {model.unit}".strip()
    return ""


def run_row(run: Any) -> Row:
    """A run with its progress or how it ended."""
    badge = run.status
    if run.status == "running" and run.recipe.epochs:
        badge = f"{100 * run.share:.0f} %"
    ink = {"running": "accent", "failed": "bad", "crashed": "bad", "done": "good"}.get(
        run.status, "muted"
    )
    return Row(kind="run", text=run.title, badge=badge, icon="run", ink=ink, value=run)


class _RowDelegate(QStyledItemDelegate):
    """Icon, name that gives way, badge at the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Sections have air above."""
        row: Row = index.data(ROW_ROLE)
        if row.kind == "section":
            return QSize(0, 34 if index.row() else 28)
        return QSize(0, 27)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one line."""
        row: Row = index.data(ROW_ROLE)
        rect = QRect(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if row.kind == "section":
            painter.setFont(font("caption"))
            painter.setPen(colour("muted"))
            box = rect.adjusted(8, 0, -8, -6)
            painter.drawText(
                box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, row.text
            )
            painter.restore()
            return
        if row.kind == "hint":
            painter.setFont(font("text"))
            painter.setPen(colour("muted"))
            painter.drawText(rect.adjusted(8, 0, -8, 0), Qt.AlignmentFlag.AlignVCenter, row.text)
            painter.restore()
            return
        self._ground(painter, option, rect)
        glyph = QRect(rect.left() + 8, rect.center().y() - 7, 15, 15)
        icon(row.icon, row.ink).paint(painter, glyph, mode=QIcon.Mode.Normal)
        self._words(painter, rect.adjusted(30, 0, -8, 0), row)
        painter.restore()

    def _ground(self, painter: QPainter, option: QStyleOptionViewItem, rect: QRect) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setBrush(colour("accent_quiet"))
            painter.drawRoundedRect(rect, 6, 6)
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(colour("quiet"))
            painter.drawRoundedRect(rect, 6, 6)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(colour("accent"))
            painter.drawRoundedRect(rect.adjusted(0, 0, -1, -1), 6, 6)

    def _words(self, painter: QPainter, box: QRect, row: Row) -> None:
        badge_font = font("number")
        badge_font.setPixelSize(12)
        metrics = QFontMetrics(badge_font)
        room = min(metrics.horizontalAdvance(row.badge) + 2, int(box.width() * 0.5))
        painter.setFont(badge_font)
        painter.setPen(colour("bad" if row.ink == "bad" else "muted"))
        painter.drawText(
            QRect(box.right() - room + 1, box.top(), room, box.height()),
            Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight,
            metrics.elidedText(row.badge, Qt.TextElideMode.ElideRight, room),
        )
        painter.setFont(font("text"))
        painter.setPen(colour("text"))
        left = box.adjusted(0, 0, -room - 8, 0)
        shown = painter.fontMetrics().elidedText(
            row.text, Qt.TextElideMode.ElideMiddle, left.width()
        )
        painter.drawText(left, Qt.AlignmentFlag.AlignVCenter, shown)


class ProjectPane(QWidget):
    """The left pane.

    Signals
    -------
    chosen(str, object)
        Kind ("file", "dataset", "model", "run") and value of a clicked row.
    """

    chosen = Signal(str, object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("ProjectPane")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._session = session
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 6)
        self.list = QListView(self)
        self.list.setAccessibleName("Project: files, data sets, models and runs")
        self.list.setMouseTracking(True)
        self.list.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.model = ProjectModel(session, self)
        self.list.setModel(self.model)
        self.list.setItemDelegate(_RowDelegate(self.list))
        layout.addWidget(self.list)
        self.list.clicked.connect(self._clicked)
        self.list.activated.connect(self._clicked)
        self.list.customContextMenuRequested.connect(self._menu)
        self._connect(session)

    def _connect(self, session: Session) -> None:
        project = session.project
        project.file_added.connect(self._rebuild)
        project.file_removed.connect(self._rebuild)
        project.datasets_changed.connect(self._rebuild)
        project.catalogue_changed.connect(self._rebuild)
        project.file_changed.connect(lambda f: self.model.update_value(f, self.model.file_row))
        project.current_changed.connect(self._show_current)
        session.runs.listed.connect(self._rebuild)
        session.runs.run_changed.connect(lambda r: self.model.update_value(r, run_row))
        theme().changed.connect(self.list.viewport().update)

    def _rebuild(self, *_: object) -> None:
        self.model.rebuild()
        self._show_current()

    def _show_current(self, *_: object) -> None:
        index = self.model.find(self._session.project.current)
        if index.isValid():
            self.list.setCurrentIndex(index)

    def _clicked(self, index: QModelIndex) -> None:
        row: Row = index.data(ROW_ROLE)
        if row.clickable:
            if row.kind == "file":
                self._session.project.set_current(row.value)
            self.chosen.emit(row.kind, row.value)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete takes a file off the list."""
        index = self.list.currentIndex()
        if event.key() == Qt.Key.Key_Delete and index.isValid():
            row: Row = index.data(ROW_ROLE)
            if row.kind == "file":
                self._session.project.close(row.value)
                return
        super().keyPressEvent(event)

    def _menu(self, at: QPoint) -> None:
        index = self.list.indexAt(at)
        row: Row | None = index.data(ROW_ROLE) if index.isValid() else None
        if row is None or not row.clickable:
            return
        menu = QMenu(self)
        if row.kind == "file":
            self._file_menu(menu, row.value)
        elif row.kind in ("dataset", "model"):
            folder = Path(row.value.folder)
            menu.addAction("Copy path", lambda: copy_text(str(folder)))
            menu.addAction("Show in file browser", lambda: show_folder(folder))
        else:
            menu.addAction("Copy name", lambda: copy_text(row.text))
        menu.exec(self.list.viewport().mapToGlobal(at))
        menu.deleteLater()

    def _file_menu(self, menu: QMenu, file: OpenFile) -> None:
        project = self._session.project
        menu.addAction("Read again", lambda: project.reload(file))
        if file.error is not None:
            words = f"{file.error.title} {file.error.hint}\n{file.error.details}".strip()
            menu.addAction("Copy error", lambda: copy_text(words))
        menu.addAction("Copy path", lambda: copy_text(str(file.path)))
        menu.addAction("Show in file browser", lambda: show_folder(file.path.parent))
        menu.addSeparator()
        menu.addAction("Close", lambda: project.close(file))


def show_folder(folder: Path) -> None:
    """Open a folder in the system's file browser."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
