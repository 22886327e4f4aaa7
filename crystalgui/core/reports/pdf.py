"""A printed document: page template, running foot, and the few blocks it is made of.

Everything is set in one column with the styles of `typography`.  Text cells
are paragraphs, so a long formula or path wraps inside its column instead of
running out of it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from crystalgui.core.reports.typography import (
    LINE,
    MUTED,
    QUIET,
    REGULAR,
    TEXT,
    register_fonts,
    styles,
)

MARGIN = 56.0
FOOT = 34.0
CELL = 8.25  # points
WIDTH = A4[0] - 2 * MARGIN
Rows = Sequence[tuple[str, str]]


class _PagedCanvas(Canvas):
    """Holds pages back until their number is known, for "page 2 of 5"."""

    def __init__(self, *args: Any, foot: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._foot_text = foot
        self._held: list[dict[str, Any]] = []

    def showPage(self) -> None:
        """Hold the page."""
        self._held.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Number and write the pages."""
        for number, state in enumerate(self._held, start=1):
            self.__dict__.update(state)
            self._foot(number, len(self._held))
            super().showPage()
        super().save()

    def _foot(self, number: int, total: int) -> None:
        self.setStrokeColor(HexColor(LINE))
        self.setLineWidth(0.5)
        self.line(MARGIN, FOOT + 12, A4[0] - MARGIN, FOOT + 12)
        self.setFillColor(HexColor(MUTED))
        self.setFont(REGULAR, 7.5)
        page = f"{number} / {total}"
        room = WIDTH - stringWidth(page, REGULAR, 7.5) - 12
        self.drawString(MARGIN, FOOT, shortened(self._foot_text, room, 7.5))
        self.drawRightString(A4[0] - MARGIN, FOOT, page)


def shortened(text: str, room: float, size: float, face: str = REGULAR) -> str:
    """``text`` cut with an ellipsis so that it fits ``room`` points."""
    if stringWidth(text, face, size) <= room:
        return text
    while text and stringWidth(text + "…", face, size) > room:
        text = text[:-1]
    return text.rstrip() + "…"


def build(story: Sequence[Any], heading: str, foot: str) -> bytes:
    """Set the blocks on pages and return the file.

    The same blocks give the same bytes: no clock and no random identifier
    enters the file.
    """
    register_fonts()
    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=FOOT + 26,
        title=heading,
        author="",
        subject="Crystals, bands and predictions",
        creator="crystalgui",
        invariant=1,
    )
    frame = Frame(
        MARGIN,
        FOOT + 26,
        WIDTH,
        A4[1] - MARGIN - FOOT - 26,
        leftPadding=0,
        rightPadding=0,
        topPadding=0,
        bottomPadding=0,
    )
    document.addPageTemplates([PageTemplate(frames=[frame])])

    def canvas(*args: Any, **kwargs: Any) -> _PagedCanvas:
        return _PagedCanvas(*args, foot=foot, **kwargs)

    document.build(list(story), canvasmaker=canvas)
    return buffer.getvalue()


# -------------------------------------------------------------------- blocks


def text(markup: str, role: str = "body") -> Paragraph:
    """A paragraph; ``markup`` must be escaped already."""
    return Paragraph(markup, styles()[role])


def gap(points: float) -> Spacer:
    """Empty space."""
    return Spacer(0, points)


class Rule(Flowable):
    """A hairline over the whole column."""

    def __init__(self, space: float = 5.0) -> None:
        super().__init__()
        self.space = space

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """As wide as the column."""
        self.width = width
        return width, 2 * self.space

    def draw(self) -> None:
        """Draw it."""
        self.canv.setStrokeColor(HexColor(LINE))
        self.canv.setLineWidth(0.5)
        self.canv.line(0, self.space, self.width, self.space)


_FLAT = [
    ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ("RIGHTPADDING", (0, 0), (-1, -1), 0),
    ("TOPPADDING", (0, 0), (-1, -1), 1.6),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 1.6),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]


def key_values(rows: Rows, width: float = WIDTH, key: float = 108.0) -> Table:
    """Names in grey, values beside them; values are markup."""
    cells = [[text(escape(name), "key"), text(value, "value")] for name, value in rows]
    table = Table(cells or [["", ""]], colWidths=[key, width - key], hAlign="LEFT")
    table.setStyle(TableStyle(_FLAT))
    return table


def grid(
    head: Sequence[str],
    rows: Sequence[Sequence[Any]],
    widths: Sequence[float],
    *,
    right: Sequence[int] = (),
    spans: Sequence[int] = (),
) -> RowTable:
    """A table with a repeated head and hairlines between rows.

    Parameters
    ----------
    head : column titles
    rows : cells; strings are markup, anything else is a block
    widths : float, points
    right : columns set flush right
    spans : rows (counted without the head) whose first cell takes the whole width
    """

    def cell(value: Any, column: int) -> Any:
        if not isinstance(value, str):
            return value
        # Plain words that fit are set directly: a paragraph costs ten times more.
        if "<" not in value and "&" not in value:
            room = widths[column] - (0 if column == len(widths) - 1 else 8)
            if stringWidth(value, REGULAR, CELL) <= room:
                return value
        return text(value, "number" if column in right else "cell")

    titles = [text(escape(t), "head_right" if i in right else "head") for i, t in enumerate(head)]
    body = [[cell(value, i) for i, value in enumerate(row)] for row in rows]
    return RowTable(titles, body, widths, right, frozenset(spans))


class RowTable(Flowable):
    """Rows that continue on the next page under the same head.

    reportlab's own tables measure all remaining rows again on every page,
    which takes minutes for many thousand rows; here each is measured once.
    A row of ``spans`` stays with the row before it.
    """

    def __init__(
        self,
        titles: list[Any],
        body: list[list[Any]],
        widths: Sequence[float],
        right: Sequence[int],
        spans: frozenset[int],
        heights: list[float] | None = None,
    ) -> None:
        super().__init__()
        self.titles, self.body, self.widths = titles, body, list(widths)
        self.right, self.spans = right, spans
        self._measured = heights

    def _table(self, heights: list[float] | None) -> Table:
        """Head and rows as a table."""
        table = Table(
            [self.titles, *self.body], colWidths=self.widths, rowHeights=heights, hAlign="LEFT"
        )
        table.setStyle(TableStyle(_grid_style(len(self.body), self.right, self.spans)))
        return table

    @property
    def heights(self) -> list[float]:
        """Height of the head and of every row, points."""
        if self._measured is None:
            table = self._table(None)
            table.wrap(sum(self.widths), 1e7)
            self._measured = [float(h) for h in table._rowHeights]
        return self._measured

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Height of all rows."""
        self.width, self.height = sum(self.widths), sum(self.heights)
        return self.width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        """The rows that fit, and the rest; nothing when not even one fits."""
        room, stop = height - self.heights[0], 0
        while stop < len(self.body) and self.heights[stop + 1] <= room:
            room -= self.heights[stop + 1]
            stop += 1
        while stop in self.spans:
            stop -= 1
        if stop <= 0:
            return []
        if stop == len(self.body):
            return [self]
        return [self._part(0, stop), self._part(stop, len(self.body))]

    def _part(self, start: int, stop: int) -> RowTable:
        """Some of the rows under the same head."""
        return RowTable(
            self.titles,
            self.body[start:stop],
            self.widths,
            self.right,
            frozenset(r - start for r in self.spans if start <= r < stop),
            [self.heights[0], *self.heights[start + 1 : stop + 1]],
        )

    def draw(self) -> None:
        """Draw the rows."""
        table = self._table(self.heights)
        table.wrapOn(self.canv, self.width, self.height)
        table.drawOn(self.canv, 0, 0)


def _grid_style(count: int, right: Sequence[int], spans: frozenset[int]) -> list[tuple[Any, ...]]:
    """Hairlines between rows, numbers flush right."""
    style: list[tuple[Any, ...]] = [
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 8),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("FONT", (0, 1), (-1, -1), REGULAR, CELL, 11.5),
        ("TEXTCOLOR", (0, 1), (-1, -1), HexColor(TEXT)),
        ("LINEBELOW", (0, 0), (-1, 0), 0.75, HexColor(MUTED)),
    ]
    line = HexColor(LINE)
    ends = (r + 1 for r in range(count) if r + 1 not in spans)
    style += [("LINEBELOW", (0, r), (-1, r), 0.4, line) for r in ends]
    style += [("ALIGN", (column, 1), (column, -1), "RIGHT") for column in right]
    style += [("SPAN", (0, r + 1), (-1, r + 1)) for r in sorted(spans)]
    return style


def side_by_side(left: Any, right: Any, left_width: float, space: float = 20.0) -> Table:
    """Two blocks next to each other."""
    table = Table(
        [[left, right]],
        colWidths=[left_width + space, WIDTH - left_width - space],
        hAlign="LEFT",
    )
    table.setStyle(
        TableStyle(
            [
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


class ProbabilityBars(Flowable):
    """One bar a class, with its name and number.

    Parameters
    ----------
    values : (name, probability, colour) of each class
    width : float, points
    """

    ROW = 13.0

    def __init__(self, values: Sequence[tuple[str, float, str]], width: float) -> None:
        super().__init__()
        self.values = tuple(values)
        self.width = width
        self.height = self.ROW * len(self.values)

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Fixed size."""
        return self.width, self.height

    def draw(self) -> None:
        """Draw names, tracks, bars and numbers."""
        canvas = self.canv
        label = min(
            0.45 * self.width,
            10 + max((stringWidth(n, REGULAR, 8.25) for n, _, _ in self.values), default=0.0),
        )
        track = self.width - label - 34
        for row, (name, p, colour) in enumerate(self.values):
            y = self.height - (row + 1) * self.ROW + 3.5
            canvas.setFillColor(HexColor(TEXT))
            canvas.setFont(REGULAR, 8.25)
            canvas.drawString(0, y, shortened(name, label - 8, 8.25))
            canvas.drawRightString(self.width, y, f"{p:.2f}")
            canvas.setFillColor(HexColor(QUIET))
            canvas.roundRect(label, y + 0.8, track, 4.4, 2.2, stroke=0, fill=1)
            filled = track * min(max(p, 0.0), 1.0)
            if filled > 0.6:
                canvas.setFillColor(HexColor(colour))
                canvas.roundRect(
                    label, y + 0.8, filled, 4.4, min(2.2, filled / 2), stroke=0, fill=1
                )


class ShareBar(Flowable):
    """All classes of one prediction in a single bar, for table rows."""

    def __init__(self, values: Sequence[tuple[float, str]], width: float) -> None:
        super().__init__()
        self.values = tuple(values)
        self.width = width
        self.height = 11.0

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Fixed size."""
        return self.width, self.height

    def draw(self) -> None:
        """Draw the shares from left to right."""
        x = 0.0
        for share, colour in self.values:
            step = self.width * min(max(share, 0.0), 1.0)
            self.canv.setFillColor(HexColor(colour))
            self.canv.rect(x, 2.6, step, 5, stroke=0, fill=1)
            x += step


class Legend(Flowable):
    """Colour and name of each class, wrapping over lines."""

    def __init__(self, values: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.values = tuple(values)
        self.places: list[tuple[float, float, str, str]] = []

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Set the names on as many lines as they need."""
        x, y = 0.0, 0.0
        self.places = []
        for name, colour in self.values:
            shown = shortened(name, width - 12, 7.5)
            step = 11 + stringWidth(shown, REGULAR, 7.5) + 12
            if x > 0 and x + step > width + 12:
                x, y = 0.0, y + 12
            self.places.append((x, y, shown, colour))
            x += step
        self.height = y + 14
        return width, self.height

    def draw(self) -> None:
        """Draw dots and names."""
        for x, down, name, colour in self.places:
            y = self.height - 10 - down
            self.canv.setFillColor(HexColor(colour))
            self.canv.circle(x + 3, y + 2.7, 2.8, stroke=0, fill=1)
            self.canv.setFillColor(HexColor(MUTED))
            self.canv.setFont(REGULAR, 7.5)
            self.canv.drawString(x + 10, y, name)
