"""What runs: the status line, and the job list that it opens into."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QMouseEvent, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from crystalgui.engine.heartbeat import Heartbeat
from crystalgui.gui.session import Session
from crystalgui.gui.state.jobs import JobRow, JobsState
from crystalgui.gui.theme import SPACE, colour, font, theme
from crystalgui.gui.widgets import (
    Chip,
    ElidedLabel,
    LinkButton,
    ProgressBar,
    copy_action,
    copy_text,
)

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()
COLUMNS = ("Job", "Status", "Progress", "Left", "What")


def duration(seconds: float) -> str:
    """``"3 min left"`` without the "left"; empty when unknown."""
    if not math.isfinite(seconds) or seconds < 0:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{int(seconds // 3600)} h {round(seconds % 3600 / 60):02d} min"


class StatusLine(QWidget):
    """One line: what runs, how far, what is left, one Cancel; device at the right.

    Signals
    -------
    toggled()
        A click on the line opens or closes jobs and log.
    """

    toggled = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("StatusLine")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(28)
        self._session = session
        self._message = "Ready"
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE[2], 1, SPACE[2], 0)
        row.setSpacing(SPACE[1] + 2)
        self.title = ElidedLabel("", self)
        self.title.setFont(font("strong"))
        self.bar = ProgressBar(self)
        self.bar.setFixedWidth(190)
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the running job")
        self.text = ElidedLabel("Ready", self)
        self.text.setProperty("role", "muted")
        self.cancel = LinkButton("Cancel", self)
        self.cancel.setAccessibleName("Cancel the running job")
        self.more = Chip("Jobs and log", tooltip="Show jobs and log (Ctrl+J)", icon_name="up")
        self.device = QLabel("", self)
        self.device.setProperty("role", "muted")
        self.lateness = QLabel("", self)
        self.lateness.setProperty("role", "muted")
        self.lateness.setToolTip(
            "Largest delay of the window's own clock in the last ten seconds: "
            "above 50 ms it would feel sluggish."
        )
        for widget, stretch in (
            (self.title, 0),
            (self.bar, 0),
            (self.text, 1),
            (self.cancel, 0),
            (self.more, 0),
            (self.device, 0),
            (self.lateness, 0),
        ):
            row.addWidget(widget, stretch)
        self.more.clicked.connect(self.toggled)
        self.cancel.clicked.connect(self._cancel)
        jobs = session.jobs
        jobs.row_added.connect(self.refresh)
        jobs.row_changed.connect(self.refresh)
        jobs.finished.connect(self._finished)
        session.project.catalogue_changed.connect(self._devices)
        self._devices()
        self.refresh()

    def _devices(self) -> None:
        names = [title for name, title in self._session.project.devices if name != "cpu"]
        self.device.setText(names[0] if names else "CPU")

    def _cancel(self) -> None:
        row = self._session.jobs.current
        if row is not None:
            self._session.jobs.cancel(row.job_id)

    def _finished(self, row: JobRow, _outcome: object) -> None:
        if not row.quiet:
            took = duration(row.seconds)
            self._message = f"{row.title}: {row.text}" + (f" after {took}" if took else "")
        self.refresh()

    def say(self, text: str) -> None:
        """Words for the idle line."""
        self._message = text
        self.refresh()

    def set_lateness(self, milliseconds: float) -> None:
        """Show how late the window's clock was."""
        self.lateness.setText(f"window {milliseconds:.0f} ms")

    def refresh(self, *_: object) -> None:
        """Show the current job, or the last words when idle."""
        row = self._session.jobs.current
        busy = row is not None
        self.title.setVisible(busy)
        self.bar.setVisible(busy)
        self.cancel.setVisible(busy)
        if row is None:
            self.text.setText(self._message)
            return
        waiting = len(self._session.jobs.running) - 1
        self.title.setText(row.title)
        fraction = row.fraction
        self.bar.setRange(0, 0 if math.isnan(fraction) else 1000)
        if not math.isnan(fraction):
            self.bar.setValue(round(1000 * fraction))
        left = duration(row.eta)
        parts = [row.text, f"{left} left" if left else "", f"{waiting} waiting" if waiting else ""]
        self.text.setText(" · ".join(p for p in parts if p))
        self.cancel.setEnabled(row.status != "stopping")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click on the line opens or closes jobs and log."""
        self.toggled.emit()
        super().mouseReleaseEvent(event)


class JobsModel(QAbstractTableModel):
    """The job list, newest first."""

    def __init__(self, jobs: JobsState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        jobs.row_added.connect(self._reset)
        jobs.row_changed.connect(self._changed)

    @property
    def rows(self) -> list[JobRow]:
        """Rows as shown."""
        return self._jobs.rows[::-1]

    def _reset(self, *_: object) -> None:
        self.beginResetModel()
        self.endResetModel()

    def _changed(self, row: JobRow | None) -> None:
        if row is None:
            self._reset()
        elif row in self.rows:
            line = self.rows.index(row)
            self.dataChanged.emit(self.index(line, 0), self.index(line, len(COLUMNS) - 1))

    def rowCount(self, parent: Index = ROOT) -> int:
        """Number of jobs."""
        return 0 if parent.isValid() else len(self._jobs.rows)

    def columnCount(self, parent: Index = ROOT) -> int:
        """Number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles of the columns."""
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Words of a cell."""
        row = self.rows[index.row()]
        if role == Qt.ItemDataRole.UserRole:
            return row
        if role == Qt.ItemDataRole.ToolTipRole and row.error is not None:
            return f"{row.error.title}\n{row.error.hint}"
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == 1:
            ink = {"failed": "bad", "crashed": "bad", "done": "good", "running": "accent"}
            return colour(ink.get(row.status, "muted"))
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        percent = "" if math.isnan(row.fraction) else f"{100 * row.fraction:.0f} %"
        left = duration(row.eta) if row.alive else duration(row.seconds)
        return (row.title, row.status, percent, left, row.text)[index.column()]


class _BarDelegate(QStyledItemDelegate):
    """A thin bar with its percentage."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw it."""
        row: JobRow = index.data(Qt.ItemDataRole.UserRole)
        fraction = 0.0 if math.isnan(row.fraction) else row.fraction
        rect = QRect(option.rect).adjusted(8, 0, -52, 0)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        groove = QRectF(rect.left(), rect.center().y() - 2, rect.width(), 6)
        painter.setBrush(colour("quiet"))
        painter.drawRoundedRect(groove, 3, 3)
        if fraction > 0:
            groove.setWidth(max(4.0, groove.width() * fraction))
            painter.setBrush(colour("accent" if row.alive else "muted"))
            painter.drawRoundedRect(groove, 3, 3)
        painter.setPen(colour("muted"))
        painter.setFont(font("number"))
        painter.drawText(
            QRect(option.rect).adjusted(0, 0, -8, 0),
            Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight,
            index.data() or "",
        )
        painter.restore()

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Room for bar and number."""
        return QSize(180, 26)


class JobsPanel(QWidget):
    """All jobs of this session, with Cancel, Copy and Clear."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        layout = QVBoxLayout(self)
        layout.setContentsMargins(SPACE[2], 0, SPACE[2], SPACE[1])
        layout.setSpacing(0)
        self.model = JobsModel(session.jobs, self)
        self.table = QTableView(self)
        self.table.setAccessibleName("Jobs")
        self.table.setModel(self.model)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(26)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setItemDelegateForColumn(2, _BarDelegate(self.table))
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        for column, width in enumerate((230, 90, 200, 110)):
            header.resizeSection(column, width)
        header.setSectionResizeMode(4, QHeaderView.ResizeMode.Stretch)
        layout.addWidget(self.table, 1)
        self._empty = QLabel("Nothing has run yet.", self)
        self._empty.setProperty("role", "muted")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self._empty, 1)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        self.cancel = Chip("Cancel", tooltip="Stop the selected job")
        self.copy = Chip("Copy details", tooltip="Copy what the selected job said")
        self.clear = Chip("Clear", tooltip="Forget the jobs that have ended")
        for chip in (self.cancel, self.copy, self.clear):
            buttons.addWidget(chip)
        layout.addLayout(buttons)
        self.cancel.clicked.connect(self._cancel)
        self.copy.clicked.connect(lambda: copy_text(self.text()))
        self.clear.clicked.connect(session.jobs.forget_ended)
        copy_action(self.table, self.text)
        self.model.modelReset.connect(self._refresh)
        self.model.dataChanged.connect(self._refresh)
        self.table.selectionModel().selectionChanged.connect(self._refresh)
        theme().changed.connect(self.table.viewport().update)
        self._refresh()

    def selected(self) -> JobRow | None:
        """The chosen job, or the only one."""
        index = self.table.currentIndex()
        if index.isValid():
            return index.data(Qt.ItemDataRole.UserRole)
        return self.model.rows[0] if len(self.model.rows) == 1 else None

    def _cancel(self) -> None:
        row = self.selected()
        if row is not None:
            self._session.jobs.cancel(row.job_id)

    def text(self) -> str:
        """The selected job in words."""
        row = self.selected()
        if row is None:
            return ""
        parts = [f"{row.title}: {row.status}", row.text]
        if row.error is not None:
            parts += [row.error.hint, row.error.details]
        return "\n".join(p for p in parts if p)

    def _refresh(self, *_: object) -> None:
        row = self.selected()
        has = bool(self.model.rows)
        self.table.setVisible(has)
        self._empty.setVisible(not has)
        self.cancel.setEnabled(row is not None and row.alive)
        self.copy.setEnabled(row is not None)
        self.clear.setEnabled(any(not r.alive for r in self.model.rows))


class Lateness(QTimer):
    """Says once a second how late the window's event loop was.

    Signals
    -------
    measured(float)
        Largest delay of the last ten seconds, in milliseconds.
    """

    REMEMBERED = 10

    measured = Signal(float)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.heartbeat = Heartbeat(self)
        self._seconds: deque[float] = deque(maxlen=self.REMEMBERED)
        self.setInterval(1000)
        self.timeout.connect(self._report)

    def begin(self) -> None:
        """Start measuring."""
        self._seconds.clear()
        self.heartbeat.start()
        self.start()

    def end(self) -> None:
        """Stop measuring."""
        self.heartbeat.stop()
        self.stop()

    def _report(self) -> None:
        self._seconds.append(self.heartbeat.worst())
        self.heartbeat.reset()
        self.measured.emit(max(self._seconds))
