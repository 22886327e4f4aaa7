"""The certificate: what phase, how sure, why, and what was assumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QIcon,
    QPainter,
    QPaintEvent,
    QPixmap,
    QStandardItem,
    QStandardItemModel,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSizePolicy,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from crystalgui.core.reports.certificate import (
    NODE_HEAD,
    PARITY_HEAD,
    check_value,
    facts,
    gap_rows,
    index_rows,
    no_flow,
    node_cells,
    parity_rows,
    parity_title,
    score,
    sentence,
)
from crystalgui.gui.theme import OKABE_ITO, PHASE_COLOURS, SPACE, colour, font, icon, phase_colour
from crystalgui.gui.widgets import (
    Card,
    Chip,
    FlowLayout,
    KeyValues,
    SectionTitle,
    Text,
    copy_action,
    copy_text,
    scrolled,
)

if TYPE_CHECKING:
    from crystalgui.core.physics.certificate import Certificate, Check, Node

TONES = {"converged": "good", "unresolved": "warn", "undefined": "muted"}
MARKS = {True: ("good", "good"), None: ("warning", "warn"), False: ("error", "bad")}
OUTCOMES = {True: "passed", None: "for information", False: "failed"}
MOST_ROWS = 8  # of a table before it scrolls by itself
ROW = 24


def node_colour(node: Node) -> str:
    """Colour of a node: by the sign of its chirality, else by its kind."""
    if node.chirality:
        return OKABE_ITO[3] if node.chirality > 0 else OKABE_ITO[4]
    return PHASE_COLOURS["dirac"] if node.kind == "Dirac" else PHASE_COLOURS["unresolved"]


class Pill(QWidget):
    """A word on a tint of its colour."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._tone = "", "muted"
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    @property
    def text(self) -> str:
        """The word."""
        return self._text

    @property
    def tone(self) -> str:
        """The token of its colour."""
        return self._tone

    def set_word(self, text: str, tone: str) -> None:
        """Change word and colour token."""
        self._text, self._tone = text, tone
        self.setAccessibleName(text)
        self.setVisible(bool(text))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Room for the word."""
        metrics = QFontMetrics(font("strong"))
        return QSize(metrics.horizontalAdvance(self._text) + 20, metrics.height() + 6)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(self._tone, 0.16))
        painter.drawRoundedRect(QRectF(self.rect()), self.height() / 2, self.height() / 2)
        painter.setFont(font("strong"))
        painter.setPen(colour(self._tone))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._text)


class Headline(QFrame):
    """The label on a tint of its phase's colour, the status, one line of remark."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ink = PHASE_COLOURS["unresolved"]
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE[3], SPACE[1], SPACE[2], SPACE[1])
        column.setSpacing(2)
        self.label = QLabel("")
        self.label.setFont(font("display"))
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.status = Pill()
        holder = QWidget()
        row = FlowLayout(holder, SPACE[2])
        row.addWidget(self.label)
        row.addWidget(self.status)
        self.remark = Text("")
        column.addWidget(holder)
        column.addWidget(self.remark)

    @property
    def ink(self) -> str:
        """Colour of the phase."""
        return self._ink

    def show_phase(self, label: str, status: str, remark: str) -> None:
        """Another answer."""
        self._ink = phase_colour(label)
        self.label.setText(sentence(label))
        self.status.set_word(status if status != label else "", TONES.get(status, "muted"))
        self.remark.setText(sentence(remark))
        self.remark.setVisible(bool(remark))
        self.setAccessibleName(f"{label}, {status}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Tint and bar."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour(self._ink, 0.14))
        painter.drawRoundedRect(QRectF(self.rect()), 8, 8)
        painter.setBrush(colour(self._ink))
        painter.drawRoundedRect(QRectF(0, 0, 6, self.height()), 3, 3)


class Mark(QWidget):
    """The outcome of a check, drawn anew in every theme."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon = QIcon()
        self.setFixedSize(16, 16)

    def show_outcome(self, passed: bool | None) -> None:
        """Green, amber or red."""
        self._icon = icon(*MARKS[passed])
        self.setAccessibleName(OUTCOMES[passed])
        self.setToolTip(OUTCOMES[passed])
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the icon."""
        self._icon.paint(QPainter(self), self.rect())


class ChecksList(QWidget):
    """Checks with a mark, the value that was tested and one sentence each."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.checks: tuple[Check, ...] = ()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(SPACE[1])
        self._grid.setVerticalSpacing(1)
        self._grid.setColumnStretch(1, 1)
        self._rows: list[tuple[Mark, Text, Text, Text]] = []

    def set_checks(self, checks: tuple[Check, ...]) -> None:
        """Show these."""
        self.checks = checks
        while len(self._rows) < len(checks):
            line = 2 * len(self._rows)
            mark, name, value, text = Mark(self), Text(), Text("", "muted"), Text("", "muted")
            value.setFont(font("number"))
            value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
            text.setContentsMargins(0, 0, 0, SPACE[0])
            self._grid.addWidget(mark, line, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(name, line, 1)
            self._grid.addWidget(value, line, 2)
            self._grid.addWidget(text, line + 1, 1, 1, 2)
            self._rows.append((mark, name, value, text))
        for index, row in enumerate(self._rows):
            for widget in row:
                widget.setVisible(index < len(checks))
            if index < len(checks):
                check = checks[index]
                row[0].show_outcome(check.passed)
                row[1].setText(check.name)
                row[2].setText(check_value(check))
                row[3].setText(check.text)
                row[3].setVisible(bool(check.text))

    def text(self) -> str:
        """All checks as TSV."""
        return "\n".join(
            f"{OUTCOMES[c.passed]}\t{c.name}\t{check_value(c)}\t{c.text}" for c in self.checks
        )


class SmallTable(QTableView):
    """A few rows that sort, copy as TSV, and take only the height they need."""

    def __init__(self, head: tuple[str, ...], name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._head = head
        self.setAccessibleName(name)
        self.rows = QStandardItemModel(0, len(head), self)
        self.rows.setHorizontalHeaderLabels(list(head))
        self.rows.setSortRole(Qt.ItemDataRole.UserRole)
        self.setModel(self.rows)
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setMinimumSectionSize(20)
        header.setStretchLastSection(True)
        self.setSortingEnabled(True)
        copy_action(self, self.text)

    def fill(self, rows: list[tuple[tuple[str, ...], tuple[float | str, ...]]]) -> None:
        """Rows of (cells, what each cell sorts by)."""
        self.setSortingEnabled(False)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.rows.removeRows(0, self.rows.rowCount())
        for number, (cells, keys) in enumerate(rows):
            items = []
            for cell, key in zip(cells, keys, strict=True):
                item = QStandardItem(cell)
                item.setData(key, Qt.ItemDataRole.UserRole)
                item.setFont(font("number"))
                items.append(item)
            items[0].setData(number, Qt.ItemDataRole.UserRole + 1)
            self.rows.appendRow(items)
        self.setSortingEnabled(True)
        shown = min(len(rows), MOST_ROWS)
        self.setFixedHeight(self.horizontalHeader().sizeHint().height() + ROW * shown + 4)

    def mark(self, row: int, ink: str) -> None:
        """A disc of this colour before a row as filled; call it before sorting."""
        disc = QPixmap(20, 20)
        disc.fill(QColor(0, 0, 0, 0))
        painter = QPainter(disc)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ink))
        painter.drawEllipse(QRectF(2, 2, 16, 16))
        painter.end()
        disc.setDevicePixelRatio(2.0)
        self.rows.item(row, 0).setIcon(QIcon(disc))

    def number(self, row: int) -> int:
        """Which of the filled rows stands at ``row`` now."""
        return int(self.rows.item(row, 0).data(Qt.ItemDataRole.UserRole + 1))

    def text(self) -> str:
        """Head and rows, as they are sorted, as TSV."""
        lines = ["\t".join(self._head)]
        for row in range(self.rows.rowCount()):
            cells = (self.rows.item(row, column).text() for column in range(len(self._head)))
            lines.append("\t".join(cells))
        return "\n".join(lines)


class CertificateCard(Card):
    """A certificate as people read it.

    Signals
    -------
    k_chosen(object)
        A node or TRIM was clicked: (3,) reduced k.
    export_wanted()
    """

    k_chosen = Signal(object)
    export_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Certificate", "", parent)
        self.certificate: Certificate | None = None
        self.copy = Chip("JSON", False, "Copy the certificate as JSON", icon_name="copy")
        self.copy.clicked.connect(lambda: copy_text(self.json_text()))
        self.export = Chip("", False, "Export the certificate as JSON or CSV", icon_name="export")
        self.export.clicked.connect(self.export_wanted)
        self.tools.addWidget(self.copy)
        self.tools.addWidget(self.export)
        self.headline = Headline()
        self.indices, self.gaps, self.facts = KeyValues(), KeyValues(), KeyValues()
        self.nodes = SmallTable(NODE_HEAD, "Nodes")
        self.nodes.clicked.connect(lambda index: self._node_chosen(index.row()))
        self.nodes.activated.connect(lambda index: self._node_chosen(index.row()))
        self.parities = SmallTable(PARITY_HEAD, "Parities")
        self.parities.clicked.connect(lambda index: self._trim_chosen(index.row()))
        self.checks = ChecksList()
        self.assumed = Text("", "muted")
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, SPACE[1], 0)
        column.setSpacing(SPACE[0])
        column.addWidget(self.headline)
        self._sections: dict[str, tuple[QWidget, QWidget]] = {}
        self._titles: dict[str, SectionTitle] = {}
        for name, widget in (
            ("Indices", self.indices),
            ("Gaps", self.gaps),
            ("Nodes", self.nodes),
            ("Parities", self.parities),
            ("Checks", self.checks),
            ("Assumed", self.assumed),
            ("Computation", self.facts),
        ):
            head = self._section_head(name, widget)
            column.addWidget(head)
            column.addWidget(widget)
            self._sections[name] = (head, widget)
        column.addStretch(1)
        self.area = scrolled(inner)
        self.body.addWidget(self.area, 1)
        self.clear()

    def _section_head(self, name: str, widget: QWidget) -> QWidget:
        """Caption, with a copy chip where there is a table."""
        head = QWidget()
        row = QHBoxLayout(head)
        row.setContentsMargins(0, 0, 0, 0)
        self._titles[name] = SectionTitle(name)
        row.addWidget(self._titles[name], 1)
        if isinstance(widget, SmallTable | ChecksList):
            chip = Chip("", False, f"Copy {name.lower()} as a table", icon_name="copy")
            chip.clicked.connect(lambda: copy_text(widget.text()))
            row.addWidget(chip)
        return head

    # ------------------------------------------------------------- content

    def clear(self) -> None:
        """Show nothing."""
        self.certificate = None
        self.area.hide()
        self.copy.setEnabled(False)
        self.export.setEnabled(False)

    def show_certificate(self, certificate: Certificate) -> None:
        """Show an answer."""
        c = self.certificate = certificate
        self.headline.show_phase(c.label, c.status, c.remark)
        self.indices.set_rows(index_rows(c))
        self.gaps.set_rows(gap_rows(c))
        reason = no_flow(c)
        self.facts.set_rows(facts(c) + ([("Charge centres", reason)] if reason else []))
        self.nodes.fill(
            [(node_cells(n), (_order(n.k), n.energy, n.chirality, n.kind)) for n in c.nodes]
        )
        for row, node in enumerate(c.nodes):
            self.nodes.mark(row, node_colour(node))
        cells = parity_rows(c)
        places = c.parities.trim if c.parities is not None else ()
        self.parities.fill(
            [
                (line, (_order(k), int(line[1]), float(gap)))
                for line, k, gap in zip(
                    cells, places, c.parities.gaps if c.parities is not None else (), strict=True
                )
            ]
        )
        self._titles["Parities"].setText(f"Parities · {parity_title(c).lower()}")
        self.checks.set_checks(c.checks)
        self.assumed.setText(c.assumptions.sentence())
        self._titles["Nodes"].setText(f"Nodes ({len(c.nodes)})")
        self._titles["Checks"].setText(f"Checks · {score(c)}")
        there = {
            "Indices": bool(self.indices.rows),
            "Gaps": bool(self.gaps.rows),
            "Nodes": bool(c.nodes),
            "Parities": bool(cells),
            "Checks": bool(c.checks),
        }
        for name, widgets in self._sections.items():
            for widget in widgets:
                widget.setVisible(there.get(name, True))
        self.area.show()
        self.copy.setEnabled(True)
        self.export.setEnabled(True)

    # -------------------------------------------------------------- choice

    def _node_chosen(self, row: int) -> None:
        if self.certificate is not None:
            self.k_chosen.emit(self.certificate.nodes[self.nodes.number(row)].k)

    def _trim_chosen(self, row: int) -> None:
        if self.certificate is not None and self.certificate.parities is not None:
            self.k_chosen.emit(self.certificate.parities.trim[self.parities.number(row)])

    # -------------------------------------------------------------- export

    def json_text(self) -> str:
        """The certificate as one JSON object."""
        from crystalgui.core.physics.certificate import certificate_json

        if self.certificate is None:
            return ""
        facts = certificate_json(self.certificate)
        return json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def write(self, path: Path) -> list[Path]:
        """``.csv``: records, and a table of each flow beside it; else JSON.  Files written."""
        from crystalgui.core.atomic import write_atomic
        from crystalgui.core.reports.certificate import certificate_csv, flow_csv

        if self.certificate is None:
            return []
        if path.suffix.lower() != ".csv":
            write_atomic(path, self.json_text())
            return [path]
        write_atomic(path, certificate_csv(self.certificate))
        written = [path]
        for name, flow in self.certificate.flows:
            word = "".join(x if x.isalnum() or x in ".-=" else "" for x in name.replace("/", "-"))
            beside = path.with_name(f"{path.stem}-{word}{path.suffix}")
            write_atomic(beside, flow_csv(flow))
            written.append(beside)
        return written


def _order(k: object) -> float:
    """One number that sorts k by its components."""
    a, b, c = (float(x) for x in k)  # type: ignore[attr-defined]
    return 1e6 * a + 1e3 * b + c
