"""The page of a certificate: phase, indices, checks, nodes, and the flow it rests on.

The time that a certificate took is left out: the same inputs give the same
bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
from reportlab.lib.colors import HexColor
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Flowable, KeepTogether

from crystalgui.core.reports import pdf
from crystalgui.core.reports.certificate import (
    NODE_HEAD,
    PARITY_HEAD,
    check_value,
    gap_rows,
    index_rows,
    node_cells,
    parity_rows,
    parity_title,
    read_flow,
    score,
    sentence,
    surface_words,
)
from crystalgui.core.reports.figures import SIZE, quiet_axes
from crystalgui.core.reports.typography import (
    BAD,
    BOLD,
    EMPTY,
    GOOD,
    LINE,
    MUTED,
    OCCUPIED,
    REGULAR,
    TEXT,
    WARN,
    phase_colour,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from crystalgui.core.physics.certificate import Certificate, Check
    from crystalgui.core.physics.wilson import WilsonFlow

Blocks = list[Any]
ONE = (250.0, 190.0)
PANEL = 112.0  # height of one of several flows, points
COLUMNS = 3
STATUS = {"converged": GOOD, "unresolved": WARN, "undefined": MUTED}
OUTCOMES = {True: ("passed", GOOD), None: ("information", WARN), False: ("failed", BAD)}
MOST_NODES = 60


class Banner(Flowable):
    """Label and status on a tint of the phase's colour."""

    def __init__(self, label: str, status: str, remark: str) -> None:
        super().__init__()
        self.label, self.status = sentence(label), status
        self.ink = phase_colour(label)
        self.remark = pdf.text(escape(sentence(remark)), "body") if remark else None
        self.rows = 0.0

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """As wide as the column, as high as its words."""
        self.width = width
        self.rows = self.remark.wrap(width - 24, height)[1] if self.remark is not None else 0.0
        self.height = 34 + self.rows + (4 if self.rows else 0)
        return self.width, self.height

    def draw(self) -> None:
        """Tint, bar, words."""
        canvas = self.canv
        canvas.saveState()
        canvas.setFillColor(HexColor(self.ink))
        canvas.setFillAlpha(0.14)
        canvas.roundRect(0, 0, self.width, self.height, 5, stroke=0, fill=1)
        canvas.setFillAlpha(1.0)
        canvas.roundRect(0, 0, 4, self.height, 2, stroke=0, fill=1)
        canvas.setFillColor(HexColor(TEXT))
        canvas.setFont(BOLD, 15)
        canvas.drawString(14, self.height - 22, self.label)
        right = 14 + stringWidth(self.label, BOLD, 15) + 10
        canvas.setFillColor(HexColor(STATUS.get(self.status, MUTED)))
        canvas.setFont(BOLD, 9)
        canvas.drawString(right, self.height - 21, self.status)
        canvas.restoreState()
        if self.remark is not None:
            self.remark.drawOn(canvas, 14, self.height - 30 - self.rows)


def topology(certificate: Certificate, head: str, name: str) -> Blocks:
    """One certificate.

    Parameters
    ----------
    certificate : Certificate
    head : str
        Markup of the title: formula or file name.
    name : str
        File.
    """
    from crystalgui.core.reports.vector import FigureBlock

    c = certificate
    rows = [("Occupied bands", str(c.occupied)), ("Dimension", str(c.dimension))]
    facts = [(key, escape(value)) for key, value in index_rows(c) + gap_rows(c) + rows]
    facts.append(("Assumed", escape(c.assumptions.sentence())))
    first: Blocks = [
        pdf.text(f"{head} · topology", "h1"),
        pdf.text(escape(name), "caption"),
        Banner(c.label, c.status, c.remark),
        pdf.gap(6),
    ]
    if len(c.flows) == 1:
        left = [FigureBlock(flow_figure(c.flows, *ONE)), pdf.text(_flow_words(c.flows), "caption")]
        width = pdf.WIDTH - ONE[0] - 20
        first.append(pdf.side_by_side(left, pdf.key_values(facts, width, 92), ONE[0]))
        blocks: Blocks = [KeepTogether(first)]
    else:
        first.append(pdf.key_values(facts, key=176))
        blocks = [KeepTogether(first)]
    if len(c.flows) > 1:
        lines = -(-len(c.flows) // COLUMNS)
        figure = flow_figure(c.flows, pdf.WIDTH, lines * PANEL)
        words = pdf.text(_flow_words(c.flows), "caption")
        blocks.append(KeepTogether([pdf.gap(6), FigureBlock(figure), words]))
    return blocks + _nodes(c) + _parities(c) + _checks(c)


def _nodes(c: Certificate) -> Blocks:
    if not c.nodes:
        return []
    rows = [node_cells(node) for node in c.nodes[:MOST_NODES]]
    widths = (190.0, 90.0, 60.0, pdf.WIDTH - 340)
    blocks: Blocks = [
        pdf.text("NODES", "h2"),
        pdf.grid(NODE_HEAD, rows, widths, right=(1, 2)),
    ]
    if len(c.nodes) > MOST_NODES:
        blocks.append(pdf.text(f"and {len(c.nodes) - MOST_NODES:,} more nodes", "caption"))
    return blocks


def _parities(c: Certificate) -> Blocks:
    rows = parity_rows(c)
    if not rows:
        return []
    widths = (190.0, 110.0, pdf.WIDTH - 300)
    table = pdf.grid(PARITY_HEAD, rows, widths, right=(1, 2))
    return [KeepTogether([pdf.text(f"PARITIES · {parity_title(c)}", "h2"), table])]


def _checks(c: Certificate) -> Blocks:
    if not c.checks:
        return []
    widths = (62.0, 128.0, 92.0, pdf.WIDTH - 282)
    return [
        pdf.text(f"CHECKS · {escape(score(c))}", "h2"),
        pdf.grid(("Outcome", "Check", "Value", "What it says"), _check_cells(c.checks), widths),
    ]


def _check_cells(checks: Sequence[Check]) -> list[tuple[str, ...]]:
    cells = []
    for check in checks:
        word, ink = OUTCOMES[check.passed]
        outcome = f'<font color="{ink}">{word}</font>'
        words = (check.name, check_value(check), check.text)
        cells.append((outcome, *(escape(word) for word in words)))
    return cells


def _flow_words(flows: Sequence[tuple[str, WilsonFlow]]) -> str:
    """What is drawn, as markup."""
    half = any(read_flow(flow).half for _, flow in flows)
    text = "Wannier charge centres, lines of k-points numbered by t. "
    text += (
        "Red: middle of the largest gap; rings: centres it passes, whose parity is Z₂."
        if half
        else "Green: their sum, whose turns are the Chern number."
    )
    if len(flows) == 1:
        text += f" k = {surface_words(flows[0][1].surface)}."
    return escape(text)


# ------------------------------------------------------------------ figure


def flow_figure(flows: Sequence[tuple[str, WilsonFlow]], width: float, height: float) -> Figure:
    """Charge centres of each plane in a panel of its own.

    Parameters
    ----------
    flows : (name, WilsonFlow)
    width, height : float, points
    """
    from crystalgui.core.reports.vector import new_figure

    figure = new_figure(width, height)
    columns = min(COLUMNS, len(flows))
    lines = -(-len(flows) // columns)
    left, right, low, high = 26.0, 4.0, 16.0, 15.0
    wide, tall = width / columns, height / lines
    for index, (name, flow) in enumerate(flows):
        column, line = index % columns, index // columns
        axes = figure.add_axes(
            (
                (column * wide + left) / width,
                (height - (line + 1) * tall + low) / height,
                (wide - left - right) / width,
                (tall - low - high) / height,
            )
        )
        _panel(axes, name, flow)
    return figure


def _panel(axes: Axes, name: str, flow: WilsonFlow) -> None:
    """Dots, the line that reads them, and what it reads."""
    from crystalgui.core.reports.certificate import wrapped_line

    quiet_axes(axes)
    reading = read_flow(flow)
    count = flow.centres.shape[1]
    if reading.half:
        axes.plot(*wrapped_line(flow.t, flow.gap), "-", color=EMPTY, linewidth=0.7, zorder=2)
    else:
        total = flow.centres.sum(axis=1) % 1.0
        ink = phase_colour("Weyl")
        axes.plot(*wrapped_line(flow.t, total), "-", color=ink, linewidth=0.9, zorder=2)
    axes.plot(
        np.repeat(flow.t, count), flow.centres.ravel(), "o", color=OCCUPIED, ms=1.5, mew=0, zorder=3
    )
    if reading.half:
        axes.plot(
            *(np.array(x) for x in reading.rings), "o", ms=4.4, mfc="none",
            mec=phase_colour("topological"), mew=1.0, zorder=4,
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"])
    answer = reading.text if flow.converged else "not converged"
    axes.set_title(f"{name}:  {answer}", fontsize=SIZE, color=TEXT, family=REGULAR, pad=3)
    for y in (0.0, 1.0):
        axes.axhline(y, color=LINE, linewidth=0.5, zorder=1)
