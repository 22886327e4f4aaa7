"""One place for colour, type, spacing and icons, light and dark.

Widgets never carry style sheets: they set an object name, a dynamic property
(``role``, ``chip``, ``card``) or draw with `Theme.tokens`, and everything here
follows the system's light or dark setting live.  Class colours are those of
M. Okabe and K. Ito (2008); the two colour maps are interpolated in the OKLab
space (B. Ottosson, 2020), sequential with equal perceptual steps, diverging
with the same lightness at both ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import QByteArray, QObject, QPoint, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QGuiApplication,
    QIcon,
    QIconEngine,
    QPainter,
    QPalette,
    QPixmap,
)
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QWidget

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    sequential: NDArray[np.uint8]
    diverging: NDArray[np.uint8]

Mode = Literal["system", "light", "dark"]
FontKind = Literal["text", "strong", "caption", "title", "heading", "display", "mono", "number"]

SPACE = (4, 8, 12, 16)
RADIUS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The colours of one mode, as ``#rrggbb``.

    ``ground`` is behind everything, ``surface`` are cards and side panes,
    ``quiet`` are fields and chips; ``accent_quiet`` is the selected row.
    """

    ground: str
    surface: str
    quiet: str
    line: str
    text: str
    muted: str
    accent: str
    accent_quiet: str
    on_accent: str
    good: str
    warn: str
    bad: str
    bad_quiet: str
    dark: bool


LIGHT = Tokens(
    ground="#f6f7f9",
    surface="#ffffff",
    quiet="#eef0f4",
    line="#e0e4ea",
    text="#1c2430",
    muted="#626d7d",
    accent="#2d6cdb",
    accent_quiet="#e3edfd",
    on_accent="#ffffff",
    good="#0b7d57",
    warn="#9c5a00",
    bad="#c23a22",
    bad_quiet="#fdeae6",
    dark=False,
)
DARK = Tokens(
    ground="#14171c",
    surface="#1b1f26",
    quiet="#232830",
    line="#2c323c",
    text="#e6eaf0",
    muted="#8e99a9",
    accent="#6ea3ff",
    accent_quiet="#22304a",
    on_accent="#0f1726",
    good="#4cc497",
    warn="#e6ab52",
    bad="#ff8069",
    bad_quiet="#3b2421",
    dark=True,
)

OKABE_ITO: tuple[str, ...] = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#56b4e9",
    "#cc79a7",
    "#999999",
    "#f0e442",
)
PHASE_COLOURS: dict[str, str] = {
    "trivial": "#0072b2",
    "topological": "#e69f00",
    "weyl": "#009e73",
    "dirac": "#cc79a7",
    "metal": "#d55e00",
    "unresolved": "#999999",
}


def phase_colour(label: str) -> str:
    """Colour of a phase by its label (``"Weyl semimetal"``); grey where none is known."""
    return PHASE_COLOURS.get(label.partition(" ")[0].lower(), PHASE_COLOURS["unresolved"])


def class_colour(index: int) -> str:
    """Colour of class ``index``, the same on every page; repeats after eight."""
    return OKABE_ITO[index % len(OKABE_ITO)]


# ------------------------------------------------------------------ fonts

_SANS = (
    "Inter",
    "Inter Variable",
    "Segoe UI Variable Text",
    "Segoe UI",
    "SF Pro Text",
    ".AppleSystemUIFont",
    "Noto Sans",
    "Cantarell",
    "Ubuntu",
    "DejaVu Sans",
    "sans-serif",
)
_MONO = (
    "JetBrains Mono",
    "Cascadia Mono",
    "SF Mono",
    "Menlo",
    "Consolas",
    "Noto Sans Mono",
    "DejaVu Sans Mono",
    "monospace",
)
_SIZES: dict[str, tuple[int, QFont.Weight]] = {
    "text": (13, QFont.Weight.Normal),
    "number": (13, QFont.Weight.Normal),
    "strong": (13, QFont.Weight.DemiBold),
    "title": (13, QFont.Weight.DemiBold),
    "caption": (11, QFont.Weight.DemiBold),
    "heading": (17, QFont.Weight.DemiBold),
    "display": (23, QFont.Weight.DemiBold),
    "mono": (12, QFont.Weight.Normal),
}


@cache
def _families(mono: bool) -> tuple[str, ...]:
    """Installed families of the stack, best first; Inter comes with the program."""
    from crystalgui.core.resources import resource

    for file in sorted(resource("fonts").glob("*.ttf")):
        QFontDatabase.addApplicationFont(str(file))
    known = set(QFontDatabase.families())
    stack = _MONO if mono else _SANS
    found = tuple(name for name in stack if name in known)
    return found or stack


def font(kind: FontKind = "text") -> QFont:
    """A font of the type scale; figures are tabular in every kind."""
    size, weight = _SIZES[kind]
    result = QFont()
    result.setFamilies(list(_families(kind == "mono")))
    result.setPixelSize(size)
    result.setWeight(weight)
    result.setFeature(QFont.Tag("tnum"), 1)
    if kind == "caption":
        result.setCapitalization(QFont.Capitalization.AllUppercase)
        result.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 0.6)
    if kind == "display":
        result.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, -0.3)
    return result


# ------------------------------------------------------------------ theme


class Theme(QObject):
    """The current look; `changed` follows every switch of light and dark."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._mode: Mode = "system"
        self._tokens = LIGHT
        self._installed = False

    @property
    def tokens(self) -> Tokens:
        """Colours of the mode in force."""
        return self._tokens

    @property
    def mode(self) -> Mode:
        """What the person chose: follow the system, light or dark."""
        return self._mode

    def install(self, mode: Mode = "system") -> None:
        """Dress the application; call once, after `QApplication` exists."""
        hints = QGuiApplication.styleHints()
        if not self._installed:
            self._installed = True
            hints.colorSchemeChanged.connect(self._refresh)
        self.set_mode(mode)

    def set_mode(self, mode: Mode) -> None:
        """Follow the system, or stay light or dark."""
        self._mode = mode
        schemes = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}
        QGuiApplication.styleHints().setColorScheme(schemes.get(mode, Qt.ColorScheme.Unknown))
        self._refresh(force=self._installed)

    def _refresh(self, *_: object, force: bool = False) -> None:
        scheme = QGuiApplication.styleHints().colorScheme()
        dark = {"light": False, "dark": True}.get(self._mode, scheme == Qt.ColorScheme.Dark)
        tokens = DARK if dark else LIGHT
        if tokens is self._tokens and not force:
            return
        self._tokens = tokens
        app = QApplication.instance()
        if self._installed and isinstance(app, QApplication):
            _dress(app, tokens)
        self.changed.emit()


_theme: Theme | None = None


def theme() -> Theme:
    """The one `Theme` of this process."""
    global _theme
    if _theme is None:
        _theme = Theme()
    return _theme


def colour(token: str, alpha: float = 1.0) -> QColor:
    """``colour("accent")``: a token (or ``#rrggbb``) of the mode in force."""
    result = QColor(token if token.startswith("#") else getattr(theme().tokens, token))
    result.setAlphaF(alpha)
    return result


# The style sheet names these palette roles instead of colours: a switch of light
# and dark then changes the palette and polishes what can be seen, which is ten
# times faster than setting another sheet.
_ROLES: dict[str, tuple[str, QPalette.ColorRole]] = {
    "ground": ("window", QPalette.ColorRole.Window),
    "surface": ("base", QPalette.ColorRole.Base),
    "quiet": ("button", QPalette.ColorRole.Button),
    "line": ("mid", QPalette.ColorRole.Mid),
    "text": ("window-text", QPalette.ColorRole.WindowText),
    "muted": ("dark", QPalette.ColorRole.Dark),
    "accent": ("highlight", QPalette.ColorRole.Highlight),
    "on_accent": ("highlighted-text", QPalette.ColorRole.HighlightedText),
    "accent_quiet": ("midlight", QPalette.ColorRole.Midlight),
    "good": ("link-visited", QPalette.ColorRole.LinkVisited),
    "warn": ("shadow", QPalette.ColorRole.Shadow),
    "bad": ("bright-text", QPalette.ColorRole.BrightText),
}


def _dress(app: QApplication, tokens: Tokens) -> None:
    """Palette, font and style sheet; after the first time the palette only."""
    app.setPalette(_palette(tokens))
    if not app.styleSheet():
        app.setFont(font("text"))
        app.setStyleSheet(style_sheet())
        return
    _polish(w for w in app.allWidgets() if w.isVisible())
    QTimer.singleShot(0, theme(), lambda: _polish(w for w in app.allWidgets() if not w.isVisible()))


def _polish(widgets: Iterable[QWidget]) -> None:
    """Have the style sheet look up its colours again."""
    for widget in widgets:
        style = widget.style()
        style.unpolish(widget)
        style.polish(widget)
        widget.update()


def _palette(t: Tokens) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette(QColor(t.quiet), QColor(t.ground))
    pairs = {place: getattr(t, name) for name, (_, place) in _ROLES.items()}
    pairs |= {
        role.Light: t.surface,
        role.AlternateBase: t.ground,
        role.Text: t.text,
        role.ButtonText: t.text,
        role.Accent: t.accent,
        role.Link: t.accent,
        role.PlaceholderText: t.muted,
        role.ToolTipBase: t.surface,
        role.ToolTipText: t.text,
    }
    for place, value in pairs.items():
        palette.setColor(place, QColor(value))
    faded = QColor(t.muted)
    faded.setAlphaF(0.6)
    for place in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, place, faded)
    return palette


def style_sheet() -> str:
    """The style sheet of both modes, from ``resources/theme/theme.qss``."""
    from crystalgui.core.resources import resource

    folder = resource("theme")
    text = (folder / "theme.qss").read_text(encoding="utf-8")
    values = {name: f"palette({keyword})" for name, (keyword, _) in _ROLES.items()}
    return Template(text).substitute(values, folder=folder.as_posix())


# ------------------------------------------------------------------ icons

_ICONS: dict[str, str] = {
    "structure": "cube",
    "electronic": "svg.bands",
    "classify": "check-square-offset",
    "train": "svg.network",
    "runs": "list-bullets",
    "experiments": "flask",
    "report": "file-text",
    "evidence": "lightbulb",
    "crystal": "cube",
    "hoppings": "svg.bands",
    "model": "svg.network",
    "dataset": "database",
    "run": "chart-line",
    "open": "folder-open",
    "file": "file",
    "save": "floppy-disk",
    "export": "export",
    "picture": "image",
    "copy": "copy",
    "delete": "trash",
    "tag": "tag",
    "add": "plus",
    "close": "x",
    "search": "magnifying-glass",
    "settings": "gear",
    "info": "info",
    "warning": "warning",
    "error": "warning-circle",
    "good": "check-circle",
    "play": "play",
    "stop": "stop",
    "pause": "pause",
    "resume": "play",
    "cancel": "x-circle",
    "undo": "arrow-counter-clockwise",
    "redo": "arrow-clockwise",
    "refresh": "arrows-clockwise",
    "up": "caret-up",
    "down": "caret-down",
    "left": "caret-left",
    "right": "caret-right",
    "theme": "circle-half",
    "light": "sun",
    "dark": "moon",
    "keyboard": "keyboard",
    "help": "question",
    "log": "terminal-window",
    "jobs": "queue",
    "fit": "corners-out",
    "eye": "eye",
    "hide": "eye-slash",
    "filter": "funnel",
    "measure": "ruler",
    "layout": "layout",
    "drop": "download-simple",
    "quit": "sign-out",
    "zone": "hexagon",
    "table": "table",
    "atom": "atom",
    "device": "cpu",
    "clock": "clock",
}


class _GlyphEngine(QIconEngine):
    """Draws one glyph of the icon font in the colour of the moment."""

    def __init__(self, name: str, token: str) -> None:
        super().__init__()
        self._name = name
        self._token = token

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        """Draw the glyph; selected and checked states take the accent."""
        ink = colour(self._token)
        if state == QIcon.State.On:
            ink = colour("accent")
        if mode == QIcon.Mode.Disabled:
            ink.setAlphaF(0.4)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        drawing = _ICONS.get(self._name, self._name).removeprefix("svg.")
        if drawing != _ICONS.get(self._name, self._name):
            painter.setOpacity(ink.alphaF() * painter.opacity())
            _drawing(drawing, ink.name()).render(painter, QRectF(rect))
            painter.restore()
            return
        family, char = _glyph(self._name)
        glyph_font = QFont(family)
        glyph_font.setPixelSize(max(1, round(rect.height())))
        painter.setFont(glyph_font)
        painter.setPen(ink)
        painter.drawText(QRectF(rect), Qt.AlignmentFlag.AlignCenter, char)
        painter.restore()

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        """A fresh drawing: never cached, so a theme switch shows at once."""
        pixmap = QPixmap(size)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, QRect(QPoint(0, 0), size), mode, state)
        painter.end()
        return pixmap

    def clone(self) -> QIconEngine:
        """A copy, as Qt asks."""
        return _GlyphEngine(self._name, self._token)


@cache
def _drawing(name: str, ink: str) -> QSvgRenderer:
    """One of the program's own icons in one colour."""
    from crystalgui.core.resources import icons

    text = (icons() / f"{name}.svg").read_text(encoding="utf-8")
    return QSvgRenderer(QByteArray(text.replace("currentColor", ink).encode()))


def program_icon() -> QIcon:
    """The icon of the program itself, for window and task bar."""
    from crystalgui.core.resources import icons

    return QIcon(str(icons() / "crystalgui.svg"))


@cache
def _phosphor() -> tuple[str, dict[str, str]]:
    """Family and characters of Phosphor, without importing the whole of qtawesome."""
    import json
    from importlib.util import find_spec

    found = find_spec("qtawesome")
    places = found.submodule_search_locations if found is not None else None
    for place in places or ():
        for table in Path(place, "fonts").glob("phosphor-charmap-*.json"):
            file = table.with_name(table.name.replace("charmap-", "")).with_suffix(".ttf")
            families = QFontDatabase.applicationFontFamilies(
                QFontDatabase.addApplicationFont(str(file))
            )
            if families:
                return families[0], json.loads(table.read_text("utf-8"))
    return "", {}


@cache
def _glyph(name: str) -> tuple[str, str]:
    """Font family and character of an icon name; an empty square when unknown."""
    full = _ICONS.get(name, name)
    prefix, dot, glyph = full.partition(".")
    family, table = _phosphor()
    if not dot or prefix == "ph":
        code = table.get(glyph if dot else full)
        if code is not None:
            return family, chr(int(code, 16))
    else:
        os.environ.setdefault("QT_API", "pyside6")
        import qtawesome

        try:
            return qtawesome.font(prefix, 16).family(), qtawesome.charmap(full)
        except (KeyError, AttributeError):
            pass
    return family, chr(int(table["square"], 16)) if table else "□"


def icon(name: str, token: str = "muted") -> QIcon:
    """An icon by meaning (``"open"``) or glyph (``"ph.cube"``), recoloured live.

    Parameters
    ----------
    name : str
        A meaning of the table in this file, or a glyph of qtawesome.
    token : str
        Colour token in the normal state; the checked state has the accent.
    """
    return QIcon(_GlyphEngine(name, token))


# ------------------------------------------------------------ colour maps

_SEQUENTIAL = ("#440154", "#472f7d", "#38598c", "#26828e", "#25ab82", "#75d054", "#fde725")
_DIVERGING = ("#1f5fae", "#7fb2e0", "#f2f1ee", "#e9a06a", "#ad4c12")


def _oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return np.asarray(np.cbrt(linear @ to_lms.T) @ to_lab.T)


def _colour_map(anchors: tuple[str, ...]) -> NDArray[np.uint8]:
    """(256, 4) uint8, equal steps of OKLab distance along the anchors."""
    import numpy as np

    rgb = np.array([[int(a[i : i + 2], 16) for i in (1, 3, 5)] for a in anchors]) / 255.0
    fine = np.linspace(0, len(anchors) - 1, 2048)
    path = np.stack([np.interp(fine, range(len(anchors)), rgb[:, c]) for c in range(3)], axis=1)
    step = np.linalg.norm(np.diff(_oklab(path), axis=0), axis=1)
    length = np.concatenate([[0.0], np.cumsum(step)])
    at = np.linspace(0, length[-1], 256)
    out = np.full((256, 4), 255, dtype=np.uint8)
    for c in range(3):
        out[:, c] = np.round(255 * np.interp(at, length, path[:, c]))
    return out


@cache
def _map(name: str) -> NDArray[np.uint8]:
    if name == "sequential":
        return _colour_map(_SEQUENTIAL)
    import numpy as np

    low = _colour_map(_DIVERGING[:3])
    high = _colour_map(_DIVERGING[2:])
    return np.concatenate([low[::2], high[1::2]])


def __getattr__(name: str) -> Any:
    """``theme.sequential`` and ``theme.diverging``: made on first use (numpy)."""
    if name in ("sequential", "diverging"):
        return _map(name)
    raise AttributeError(name)
