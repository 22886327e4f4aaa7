"""Where the panes are: splitters that never lose one, saved and reset.

Panes of a narrow window hide by themselves and come back when there is room;
those a person hid stay hidden.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtWidgets import QSplitter, QWidget

from crystalgui.gui.panels.chrome import RAIL

PROJECT, INSPECTOR, BOTTOM = 244, 292, 220
NARROW, NARROWER = 1400, 880


class PaneLayout(QSplitter):
    """Project | stage above bottom | inspector."""

    def __init__(
        self, project: QWidget, stage: QWidget, inspector: QWidget, bottom: QWidget, parent: QWidget
    ) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.panes = {"project": project, "inspector": inspector, "bottom": bottom}
        self.changed: Callable[[], object] = lambda: None
        self._auto_hidden: set[str] = set()
        self._last_width = 1 << 20
        project.setMinimumWidth(160)
        inspector.setMinimumWidth(200)
        self.column = QSplitter(Qt.Orientation.Vertical, self)
        self.column.addWidget(stage)
        self.column.addWidget(bottom)
        for pane in (project, self.column, inspector):
            self.addWidget(pane)
        for splitter in (self, self.column):
            splitter.setChildrenCollapsible(False)
            splitter.setHandleWidth(3)
        self.setStretchFactor(0, 0)
        self.setStretchFactor(1, 1)
        self.setStretchFactor(2, 0)
        self.column.setStretchFactor(0, 1)
        self.column.setStretchFactor(1, 0)
        bottom.hide()

    def shown(self, name: str) -> bool:
        """Whether a pane is shown."""
        return not self.panes[name].isHidden()

    def toggle(self, name: str, on: bool | None = None) -> None:
        """Show or hide a pane; without ``on`` the other way round."""
        pane = self.panes[name]
        show = pane.isHidden() if on is None else on
        self._auto_hidden.discard(name)
        pane.setVisible(show)
        if name == "bottom" and show and self.column.sizes()[1] < 80:
            total = sum(self.column.sizes())
            self.column.setSizes([max(200, total - BOTTOM), BOTTOM])
        self.changed()

    def reset(self, width: int, height: int) -> None:
        """All panes back at their places, as at the first start."""
        self._auto_hidden.clear()
        self.panes["project"].show()
        self.panes["inspector"].show()
        self.panes["bottom"].hide()
        stage = max(240, width - RAIL - PROJECT - INSPECTOR)
        self.setSizes([PROJECT, stage, INSPECTOR])
        self.column.setSizes([max(200, height - BOTTOM - 64), BOTTOM])
        self._last_width = 1 << 20
        self.adapt(width)
        self.changed()

    def adapt(self, width: int) -> None:
        """Hide panes in a narrow window; bring them back in a wide one."""
        for name, limit in (("inspector", NARROW), ("project", NARROWER)):
            pane = self.panes[name]
            if width < limit <= self._last_width and not pane.isHidden():
                self._auto_hidden.add(name)
                pane.hide()
            elif width >= limit and name in self._auto_hidden:
                self._auto_hidden.discard(name)
                pane.show()
        self._last_width = width

    def save(self) -> str:
        """Sizes and hidden panes, base64."""
        hidden = [
            name
            for name in ("project", "inspector")
            if not self.shown(name) and name not in self._auto_hidden
        ]
        table = {
            "row": bytes(self.saveState().toBase64()).decode(),
            "column": bytes(self.column.saveState().toBase64()).decode(),
            "hidden": hidden,
        }
        return base64.b64encode(json.dumps(table).encode()).decode()

    def restore(self, text: str) -> bool:
        """Bring back what `save` gave; False when it made no sense."""
        try:
            table = json.loads(base64.b64decode(text))
            row, column = (QByteArray.fromBase64(table[key].encode()) for key in ("row", "column"))
            hidden = [name for name in table["hidden"] if name in ("project", "inspector")]
        except (ValueError, KeyError, AttributeError, TypeError, binascii.Error):
            return False
        good = self.restoreState(row) and self.column.restoreState(column)
        for name in hidden:
            self.toggle(name, False)
        self.panes["bottom"].hide()
        return good
