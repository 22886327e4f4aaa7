"""The card with the Wilson flow: a plane, its charge centres, and what they say."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QVBoxLayout, QWidget

from crystalgui.core.reports.certificate import (
    WORST,
    flow_csv,
    flow_rows,
    minus,
    no_flow,
    read_flow,
    worst_passed,
)
from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.plots.flow import FlowPlot
from crystalgui.gui.theme import SPACE, FontKind, font
from crystalgui.gui.widgets import Card, FlowLayout, Text, small_print

if TYPE_CHECKING:
    from crystalgui.core.physics.certificate import Certificate
    from crystalgui.core.physics.wilson import WilsonFlow
    from crystalgui.core.structures.hoppings.model import Hoppings
    from crystalgui.gui.session import Session


LOW = 250
"""A lower card shows the answer below its plot, but not the numbers, pixels."""


class FlowCard(Card):
    """Wannier charge centres on each plane that was computed.

    Signals
    -------
    k_chosen(object)
        A line of k-points was clicked: its first point, (3,) reduced.
    """

    k_chosen = Signal(object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__("Wilson flow", "", parent)
        self._flows: tuple[tuple[str, WilsonFlow], ...] = ()
        self.planes = QComboBox(self)
        self.planes.setAccessibleName("Plane of the flow")
        self.planes.setToolTip("Plane on which the charge centres were followed")
        self.planes.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.planes.currentIndexChanged.connect(self._choose)
        self.plot = FlowPlot(self)
        self.plot.setMinimumHeight(120)
        self.export = ExportChip(self, (self.plot,), "flow", self._table, session.lane)
        self.tools.addWidget(self.planes)
        self.tools.addWidget(self.export)
        self.plot.setAccessibleName("Flow of Wannier charge centres")
        self.plot.picked.connect(self._picked)
        self.answer = _line("heading")
        self.reason = _line("text", "muted")
        self.numbers = _line("number", "muted")
        self._limits: dict[str, Text] = {}
        self.assumed = small_print()
        self._words = QWidget()
        column = QVBoxLayout(self._words)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        top, below = QWidget(), QWidget()
        first, second = FlowLayout(top, SPACE[1]), FlowLayout(below, SPACE[1])
        first.addWidget(self.answer)
        first.addWidget(self.reason)
        second.addWidget(self.numbers)
        for name, tip in WORST.items():
            text = _line("number")
            text.setToolTip(f"Worst {tip}")
            self._limits[name] = text
            second.addWidget(text)
        self.nothing = Text("", "muted")
        self.nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.body.addWidget(self.plot, 1)
        self.body.addWidget(self.nothing, 1)
        column.addWidget(top)
        column.addWidget(below)
        self._below = below
        column.addWidget(self.assumed)
        self.body.addWidget(self._words)
        self.clear("")

    # ------------------------------------------------------------- content

    def clear(self, why: str) -> None:
        """Show no flow, and say why."""
        self._flows = ()
        self.planes.blockSignals(True)
        self.planes.clear()
        self.planes.blockSignals(False)
        self.nothing.setText(why)
        self._choose(-1)

    def show_certificate(self, certificate: Certificate, h: Hoppings | None) -> None:
        """Offer the planes of an answer; the one that tells most is shown."""
        self._flows = certificate.flows
        self.export.set_source(h)
        self.assumed.setText(h.assumptions.sentence() if h is not None else "")
        if not self._flows:
            self.clear(
                no_flow(certificate) or "The planes of the Chern numbers are being followed…"
            )
            return
        before = self.planes.currentText()
        names = [name for name, _ in self._flows]
        self.planes.blockSignals(True)
        self.planes.clear()
        self.planes.addItems(names)
        chosen = names.index(before) if before in names else _telling(self._flows)
        self.planes.setCurrentIndex(chosen)
        self.planes.blockSignals(False)
        self._choose(chosen)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a low window the plot keeps its height, and the answer its line."""
        super().resizeEvent(event)
        for widget in (self._below, self.assumed):
            widget.setVisible(self.height() > LOW)

    @property
    def flow(self) -> WilsonFlow | None:
        """The flow that is shown."""
        index = self.planes.currentIndex()
        return self._flows[index][1] if 0 <= index < len(self._flows) else None

    def _choose(self, index: int) -> None:
        shown = 0 <= index < len(self._flows)
        for widget in (self.planes, self.export, self.plot, self._words):
            widget.setVisible(shown)
        self.nothing.setVisible(not shown)
        if not shown:
            self.set_title("Wilson flow", "")
            self.plot.set_flow(None)
            return
        name, flow = self._flows[index]
        reading = read_flow(flow)
        rings = (np.array(reading.rings[0]), np.array(reading.rings[1]))
        self.plot.set_flow(flow, rings, show_sum=not reading.half)
        self.set_title("Wilson flow", name)
        self.answer.setText(reading.text if flow.converged else "not converged")
        if not flow.converged:
            self.reason.setText("A check is outside its tolerance: no index is read.")
        elif reading.half:
            times = "once" if reading.crossed == 1 else f"{reading.crossed} times"
            parity = "odd" if reading.crossed % 2 else "even"
            self.reason.setText(
                f"The gap line crosses a centre {times}: {parity}."
                if reading.crossed
                else "The gap line crosses no centre."
            )
        else:
            turns = abs(reading.winding)
            self.reason.setText(
                f"The sum of the centres turns {'once' if turns == 1 else f'{turns} times'}."
                if turns
                else "The sum of the centres comes back without a turn."
            )
        lines, points, gap = (value for _, value in flow_rows(flow)[:3])
        self.numbers.setText(f"{lines} lines of {points} k-points · gap ≥ {gap}")
        self._show_limits(flow)

    def _show_limits(self, flow: WilsonFlow) -> None:
        for text in self._limits.values():
            text.hide()
        for name, value, limit in flow.worst:
            text = self._limits.get(name)
            if text is None:
                continue
            passed = worst_passed(name, value, limit)
            sign = "≥" if (name == "gap") == passed else "≤"
            if value == limit:
                sign = "="
            text.setText(minus(f"{name} {value:.2g} {sign} {limit:g}"))
            text.set_role("good" if passed else "bad")
            text.setAccessibleName(f"{name}: {'inside' if passed else 'outside'} its tolerance")
            text.show()

    def _picked(self, t: float) -> None:
        flow = self.flow
        if flow is not None:
            self.k_chosen.emit(flow.surface.origin + t * flow.surface.across)

    def _table(self) -> Table | None:
        """The flow that is shown as CSV."""
        return partial(flow_csv, self.flow) if self.flow is not None else None


def _line(kind: FontKind, role: str = "") -> Text:
    """Words on one line."""
    text = Text("", role)
    text.setWordWrap(False)
    text.setFont(font(kind))
    return text


def _telling(flows: tuple[tuple[str, WilsonFlow], ...]) -> int:
    """The plane to begin with: converged, then not trivial, then with the smallest gap."""

    def trivial(flow: WilsonFlow) -> bool:
        reading = read_flow(flow)
        return not (reading.crossed % 2 if reading.half else reading.winding)

    rows = [
        (not flow.converged, trivial(flow), round(flow.smallest_gap, 4), index)
        for index, (_, flow) in enumerate(flows)
    ]
    return min(rows)[-1]
