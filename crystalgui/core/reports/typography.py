"""The look of the printed page: one column, one family of type, few colours.

The same tokens as the light theme of the window, so that a figure in a report
and the plot it came from are recognised as the same thing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape

from crystalgui.core.resources import resource

TEXT = "#1c2430"
MUTED = "#6b7686"
LINE = "#e0e4ea"
QUIET = "#eef0f4"
ACCENT = "#2f6fde"
GOOD = "#0b7d57"
WARN = "#b25e09"
BAD = "#c0362c"

# Okabe and Ito (2008), with grey in place of black for large areas.
OKABE_ITO = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#56b4e9",
    "#cc79a7",
    "#999999",
    "#f0e442",
)
OCCUPIED = "#0072b2"
EMPTY = "#d55e00"
# The phases keep one colour each everywhere; the rest is grey.
PHASE_COLOURS = {
    "trivial": "#0072b2",
    "topological": "#e69f00",
    "weyl": "#009e73",
    "dirac": "#cc79a7",
    "metal": "#d55e00",
    "unresolved": "#999999",
}


def phase_colour(label: str) -> str:
    """Colour of a phase by its label, as in the window."""
    return PHASE_COLOURS.get(label.partition(" ")[0].lower(), PHASE_COLOURS["unresolved"])


REGULAR, BOLD, ITALIC = "Inter", "Inter-SemiBold", "Inter-Italic"
FILES = {
    REGULAR: "Inter-Regular.ttf",
    BOLD: "Inter-SemiBold.ttf",
    ITALIC: "Inter-Italic.ttf",
}

_DIGITS = re.compile(r"(\d+(?:\.\d+)?)")


@lru_cache(maxsize=1)
def register_fonts() -> None:
    """Make the three faces known to reportlab, once per process."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name, file in FILES.items():
        pdfmetrics.registerFont(TTFont(name, str(resource("fonts", file))))
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=BOLD, italic=ITALIC)


@lru_cache(maxsize=1)
def styles() -> dict[str, Any]:
    """Paragraph styles by role: title, lead, h1, h2, body, small, cell, value, number."""
    from reportlab.lib.colors import HexColor
    from reportlab.lib.enums import TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle

    register_fonts()

    def style(name: str, size: float, leading: float, **more: Any) -> ParagraphStyle:
        more.setdefault("textColor", HexColor(TEXT))
        more.setdefault("fontName", REGULAR)
        # A word longer than its column (a formula, a path) is broken, never cut.
        return ParagraphStyle(name, fontSize=size, leading=leading, splitLongWords=1, **more)

    muted = HexColor(MUTED)
    return {
        "title": style("title", 21, 26, fontName=BOLD, spaceAfter=2),
        "lead": style("lead", 10, 14.5, textColor=muted, spaceAfter=4),
        "h1": style("h1", 14, 18, fontName=BOLD, spaceBefore=16, spaceAfter=1, keepWithNext=1),
        "h2": style(
            "h2",
            7.5,
            11,
            fontName=BOLD,
            textColor=muted,
            spaceBefore=11,
            spaceAfter=3,
            keepWithNext=1,
        ),
        "body": style("body", 9, 13),
        "small": style("small", 7.5, 11, textColor=muted),
        "caption": style("caption", 7.5, 11, textColor=muted, spaceBefore=2, spaceAfter=6),
        "warning": style("warning", 7.5, 11, textColor=HexColor(WARN)),
        "error": style("error", 8, 11.5, textColor=HexColor(BAD)),
        "head": style("head", 7.5, 10, fontName=BOLD, textColor=muted),
        "head_right": style("hr", 7.5, 10, fontName=BOLD, textColor=muted, alignment=TA_RIGHT),
        "cell": style("cell", 8.25, 11.5),
        "key": style("key", 8.25, 11.5, textColor=muted),
        "value": style("value", 8.25, 11.5),
        "number": style("number", 8.25, 11.5, alignment=TA_RIGHT),
        "digest": style("digest", 6.25, 9, textColor=muted),
    }


def formula_markup(formula: str) -> str:
    """``Bi2Se3`` with lowered numbers, as paragraph markup."""
    return _DIGITS.sub(r'<sub rise="2" size="6.2">\1</sub>', escape(formula))


def group_markup(symbol: str) -> str:
    """``P6_3/mmc`` with a lowered screw axis, as paragraph markup."""
    return re.sub(r"_(\d)", r'<sub rise="2" size="6.2">\1</sub>', escape(symbol))
