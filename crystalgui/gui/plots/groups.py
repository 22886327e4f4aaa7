"""Bars of groups of crystals: how often, or by how much, the answers are wrong."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from crystalgui.core.reports.evaluation import Group
from crystalgui.gui.theme import colour, font, theme

ROW = 22


class GroupBars(QWidget):
    """A line a group: its name, how many crystals, a bar, the error."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._groups: tuple[Group, ...] = ()
        self._unit = "%"
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme().changed.connect(self.update)

    def set_groups(self, groups: Sequence[Group], unit: str = "%") -> None:
        """Show errors as per cent, or in a unit."""
        self._groups, self._unit = tuple(groups), unit
        self.setAccessibleDescription(
            "; ".join(f"{g.name}: {self.text_of(g)} of {g.count:,}" for g in self._groups)
        )
        self.setVisible(bool(groups))
        self.updateGeometry()
        self.update()

    @property
    def groups(self) -> tuple[Group, ...]:
        """What is shown."""
        return self._groups

    def text_of(self, group: Group) -> str:
        """The error of a group in words."""
        return f"{100 * group.error:.1f} %" if self._unit == "%" else f"{group.error:.3g}"

    def sizeHint(self) -> QSize:
        """One line each."""
        return QSize(260, ROW * len(self._groups))

    def minimumSizeHint(self) -> QSize:
        """Narrow cards are fine."""
        return QSize(180, ROW * len(self._groups))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw name, count, groove, bar, number."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font("number"))
        metrics = painter.fontMetrics()
        wide = [metrics.horizontalAdvance(g.name) for g in self._groups]
        label = min(max(wide, default=0) + 8, int(0.5 * self.width()))
        many = max((metrics.horizontalAdvance(f"{g.count:,}") for g in self._groups), default=0)
        number = max((metrics.horizontalAdvance(self.text_of(g)) for g in self._groups), default=0)
        left = label + many + 14
        right = self.width() - number - 8
        most = max((g.error for g in self._groups), default=0.0) or 1.0
        middle = Qt.AlignmentFlag.AlignVCenter
        end = middle | Qt.AlignmentFlag.AlignRight
        for place, group in enumerate(self._groups):
            top = place * ROW
            name = metrics.elidedText(group.name, Qt.TextElideMode.ElideRight, label - 4)
            painter.setPen(colour("text"))
            painter.drawText(QRect(0, top, label, ROW), middle, name)
            painter.drawText(
                QRect(self.width() - number - 2, top, number + 2, ROW), end, self.text_of(group)
            )
            painter.setPen(colour("muted"))
            painter.drawText(QRect(label, top, many + 4, ROW), end, f"{group.count:,}")
            groove = QRectF(left, top + ROW / 2 - 3, max(0, right - left), 6)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour("quiet"))
            painter.drawRoundedRect(groove, 3, 3)
            groove.setWidth(groove.width() * group.error / most)
            painter.setBrush(colour("accent"))
            painter.drawRoundedRect(groove, 3, 3)
