"""Colour, type and icons follow the mode, live."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QFontMetrics
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from crystalgui.gui import theme as look
from crystalgui.gui.theme import DARK, LIGHT, Tokens, class_colour, font, icon, theme
from crystalgui.gui.widgets import Card, Chip, KeyValues, ProbabilityBars


@pytest.fixture(autouse=True)
def _light_again() -> object:
    yield
    theme().set_mode("light")


def contrast(one: str, two: str) -> float:
    """WCAG contrast ratio of two colours."""

    def luminance(text: str) -> float:
        c = np.array(QColor(text).getRgbF()[:3])
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
def test_words_can_be_read_on_every_ground(tokens: Tokens) -> None:
    for ink in (tokens.text, tokens.muted, tokens.good, tokens.warn, tokens.bad, tokens.accent):
        for ground in (tokens.ground, tokens.surface):
            assert contrast(ink, ground) >= 4.5, (ink, ground)
    assert contrast(tokens.on_accent, tokens.accent) >= 4.5


def test_switching_is_announced_and_seen_at_once(qtbot: QtBot) -> None:
    card = Card("Title")
    qtbot.addWidget(card)
    card.resize(200, 120)
    card.show()
    qtbot.waitExposed(card)

    def ground() -> str:
        return card.grab().toImage().pixelColor(100, 90).name()

    assert ground() == LIGHT.surface
    with qtbot.waitSignal(theme().changed):
        theme().set_mode("dark")
    assert theme().tokens is DARK
    assert QApplication.palette().window().color().name() == DARK.ground
    assert ground() == DARK.surface
    with qtbot.waitSignal(theme().changed):
        theme().set_mode("light")
    assert ground() == LIGHT.surface


def test_what_was_hidden_follows_too(qtbot: QtBot) -> None:
    card = Card("Title")
    qtbot.addWidget(card)
    card.resize(200, 120)
    card.show()
    qtbot.waitExposed(card)
    card.hide()
    theme().set_mode("dark")
    QApplication.processEvents()
    assert card.grab().toImage().pixelColor(100, 90).name() == DARK.surface


def test_the_sheet_names_no_colour_of_one_mode(qapp: QApplication) -> None:
    sheet = look.style_sheet()
    assert "#" not in re.sub(r"Q\w+#\w+", "", sheet)
    assert "$" not in sheet
    roles = [role for _, role in look._ROLES.values()]
    assert len(set(roles)) == len(roles)


def test_icons_take_the_new_colour_without_being_made_again(qapp: QApplication) -> None:
    made = icon("structure", "text")

    def ink() -> set[str]:
        image = made.pixmap(QSize(32, 32)).toImage()
        return {
            image.pixelColor(x, y).name()
            for x in range(image.width())
            for y in range(image.height())
            if image.pixelColor(x, y).alpha() == 255
        }

    assert LIGHT.text in ink()
    theme().set_mode("dark")
    assert DARK.text in ink()
    assert LIGHT.text not in ink()


def test_every_named_icon_has_a_glyph_of_its_own(qapp: QApplication) -> None:
    unknown = icon("ph.square").pixmap(QSize(24, 24)).toImage()
    for name in look._ICONS:
        assert icon(name).pixmap(QSize(24, 24)).toImage() != unknown, name


def test_figures_have_one_width(qapp: QApplication) -> None:
    metrics = QFontMetrics(font("number"))
    widths = {metrics.horizontalAdvance(digit * 10) for digit in "0123456789"}
    assert len(widths) == 1


def test_the_program_brings_its_typeface(qapp: QApplication) -> None:
    label = QLabel("x")
    label.setFont(font("text"))
    assert label.fontInfo().family().startswith("Inter")
    assert label.fontInfo().pixelSize() == 13


def test_colour_maps_are_even(qapp: QApplication) -> None:
    for name in ("sequential", "diverging"):
        table = getattr(look, name)
        assert table.shape == (256, 4)
        assert table.dtype == np.uint8
        assert (table[:, 3] == 255).all()
    lab = look._oklab(look.sequential[:, :3] / 255.0)
    step = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert step.max() < 3.0 * np.median(step)
    assert (np.diff(lab[:, 0]) > -0.01).all(), "lightness must rise"
    ends = look._oklab(look.diverging[[0, -1], :3] / 255.0)[:, 0]
    assert abs(ends[0] - ends[1]) < 0.06
    with pytest.raises(AttributeError):
        _ = look.rainbow


def test_classes_keep_their_colours() -> None:
    assert class_colour(0) == class_colour(8) == look.OKABE_ITO[0]
    assert len(set(look.OKABE_ITO)) == 8


def test_a_long_title_gives_way_to_the_chips(qtbot: QtBot) -> None:
    card = Card("A title " * 12, "and a subtitle " * 12)
    qtbot.addWidget(card)
    chips = [Chip(text) for text in ("a", "b", "c*", "polyhedra")]
    for chip in chips:
        card.tools.addWidget(chip)
    card.resize(420, 200)
    card.show()
    qtbot.waitExposed(card)
    for chip in chips:
        right = chip.mapTo(card, chip.rect().topRight()).x()
        assert right <= card.width() - 8
        left = chip.mapTo(card, chip.rect().topLeft()).x()
        title = card._title.mapTo(card, card._title.rect().topRight()).x()
        assert title < left
    assert card.title == "A title " * 12
    assert card._title.toolTip() == card.title


def test_values_can_be_copied(qtbot: QtBot) -> None:
    rows = KeyValues()
    qtbot.addWidget(rows)
    rows.set_rows([("a", "4.340 Å"), ("Volume", "111.3 Å³")])
    rows.set_rows([("a", "4.341 Å")])
    assert rows.text() == "a\t4.341 Å"
    assert rows.rows == [("a", "4.341 Å")]


def test_probability_bars_draw_their_shares(qtbot: QtBot) -> None:
    bars = ProbabilityBars()
    qtbot.addWidget(bars)
    bars.set_values([("one", 0.75, "#ff0000"), ("two", float("nan"), "#00ff00")])
    bars.resize(400, 44)
    image = bars.grab().toImage()
    y = round(11 * image.devicePixelRatio())
    red = [x for x in range(image.width()) if image.pixelColor(x, y).name() == "#ff0000"]
    groove = [x for x in range(image.width()) if image.pixelColor(x, y).name() == LIGHT.quiet]
    assert len(red) / (len(red) + len(groove)) == pytest.approx(0.75, abs=0.02)
    assert "one 0.75" in bars.accessibleName()
