"""The left-step table: what is where, clicks, keys, colours, and the window that shows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from crystalgui.core.cards import INVARIANCES, Param
from crystalgui.core.structures.elements import MAX_Z, number
from crystalgui.gui.panels.classify.model_card import model_rows
from crystalgui.gui.panels.quantities import invariance, metric_name
from crystalgui.gui.panels.train.encoding import COLOURS, EncodingWindow, values_of, words_of
from crystalgui.gui.panels.train.setup import SetupView
from crystalgui.gui.plots.left_step import LeftStepTable, code_of, described
from crystalgui.gui.theme import theme
from tests.gui.sessions import CGNN, SHIPPED, tqc

FAMILY = replace(
    CGNN,
    invariances=dict.fromkeys(INVARIANCES, "exact"),
    depends={"features=paper": {"rotation": "no", "supercell": "approximate"}},
)


@pytest.fixture
def table(qtbot: QtBot) -> LeftStepTable:
    found = LeftStepTable()
    qtbot.addWidget(found)
    found.resize(found.sizeHint())
    found.show()
    return found


def _click(
    qtbot: QtBot,
    table: LeftStepTable,
    symbol: str,
    keys: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    point = table.place(number(symbol)).center().toPoint()
    qtbot.mouseClick(table, Qt.MouseButton.LeftButton, keys, point)


def test_every_element_has_a_place_of_its_own(table: LeftStepTable) -> None:
    places = [table.place(z) for z in range(1, MAX_Z + 1)]
    assert all(table.rect().contains(p.toRect()) for p in places)
    assert [table.element_at(p.center()) for p in places] == list(range(1, MAX_Z + 1))
    assert len({code_of(z) for z in range(1, MAX_Z + 1)}) == MAX_Z


def test_rows_are_n_plus_l_and_helium_is_above_beryllium(table: LeftStepTable) -> None:
    assert code_of(6) == (2, 8 + 12, 24)
    assert "n + l = 3: 2p" in described(6)
    assert "n + l = 7: 4f" in described(64)
    he, be = table.place(2), table.place(4)
    assert he.left() == be.left()
    assert he.bottom() <= be.top()


def test_clicks_select_add_and_clear(qtbot: QtBot, table: LeftStepTable) -> None:
    heard: list[tuple[int, ...]] = []
    table.selected.connect(heard.append)
    _click(qtbot, table, "Gd")
    _click(qtbot, table, "O", Qt.KeyboardModifier.ControlModifier)
    _click(qtbot, table, "Gd", Qt.KeyboardModifier.ShiftModifier)
    _click(qtbot, table, "Pt")
    _click(qtbot, table, "Pt")
    table.select((26, 8, 8, 0, 500))
    qtbot.keyClick(table, Qt.Key.Key_Escape)
    assert heard == [(64,), (8, 64), (8,), (78,), (), (8, 26), ()]


def test_arrows_point_and_keys_select(qtbot: QtBot, table: LeftStepTable) -> None:
    pointed: list[int] = []
    table.pointed.connect(pointed.append)
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Left):
        qtbot.keyClick(table, key)
    assert pointed == [1, 3, 11, 10]
    qtbot.keyClick(table, Qt.Key.Key_Space)
    qtbot.keyClick(table, Qt.Key.Key_Left)
    qtbot.keyClick(table, Qt.Key.Key_Space)
    assert table.selection == (9, 10)
    qtbot.keyClick(table, Qt.Key.Key_Return)
    assert table.selection == (9,)
    for _ in range(9):
        qtbot.keyClick(table, Qt.Key.Key_Left)
    assert pointed[-1] == 5
    assert "boron" in table.accessibleDescription().lower()


def test_values_colour_the_cells_and_are_read(table: LeftStepTable) -> None:
    def seen(symbol: str) -> str:
        picture = table.grab().toImage()
        box = table.place(number(symbol))
        ratio = picture.devicePixelRatio()
        return picture.pixelColor(
            round((box.left() + 6) * ratio), round((box.bottom() - 4) * ratio)
        ).name()

    blocks = seen("O"), seen("S"), seen("Fe")
    assert blocks[0] == blocks[1] != blocks[2]
    table.set_values({8: 0.5, 16: 0.9, 26: float("nan")}, "error", "eV")
    low, high, without = seen("O"), seen("S"), seen("Fe")
    assert len({low, high, without, *blocks}) == 5
    assert "error 0.9 eV" in table.text_of(16)
    assert table.text_of(26) == described(26)
    table.set_values(None)
    assert (seen("O"), seen("S"), seen("Fe")) == blocks
    table.set_present([8])
    assert seen("O") == blocks[0]
    assert seen("S") != blocks[1]
    theme().set_mode("dark")
    assert seen("O") != blocks[0]
    theme().set_mode("light")


def test_the_window_follows_the_form(qtbot: QtBot, tmp_path: Path) -> None:
    setup = SetupView()
    qtbot.addWidget(setup)
    family = replace(
        FAMILY,
        params=(
            *FAMILY.params,
            Param(name="elements", label="", default="learned", choices=("learned", "one-hot")),
        ),
    )
    setup.set_cards((family,))
    assert setup.invariances.text().startswith("Exactly invariant under translation, permutation")
    setup.encoding_chip.click()
    window = setup.encoding
    assert window is not None
    assert "reads an element as learned" in window.words.text()
    setup.params.set_value("elements", "one-hot")
    setup.params.edited.emit("elements")
    assert "reads an element as one-hot" in window.words.text()
    assert window.data.isHidden()
    setup.data.set_datasets([replace(tqc(tmp_path), elements=("Gd", "O"))])
    window.data.setChecked(True)
    assert window.table._shown == {8, 64}
    assert window.leave_out.isHidden()
    window.table.select((8, 64))
    assert window.leave_out.isHidden()
    window.table.select((64,))
    assert window.leave_out.text() == "leave out Gd"
    window.leave_out.click()
    recipe = setup.recipe()
    assert recipe is not None
    assert (recipe.split.kind, recipe.split.left_out) == ("element", "Gd")
    for name in COLOURS:
        window.colour.setCurrentIndex(window.colour.findData(name))
        values, unit = values_of(name)
        assert bool(values) == (name != "block")
        text = window.table.text_of(26)
        assert (f"{name} {values[26]:.4g} {unit}".strip() in text) if values else (name not in text)
    window.close()


def test_the_table_is_written_as_a_figure(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = EncodingWindow(None)  # type: ignore[arg-type]
    qtbot.addWidget(window)
    window.show()
    answer = (str(tmp_path / "table"), "PDF (*.pdf)")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: answer)
    window.save.click()
    assert (tmp_path / "table.pdf").read_bytes().startswith(b"%PDF")


def test_words_of_what_is_read() -> None:
    assert "25 numbers" in words_of(None, {})
    assert "look the same" in words_of(CGNN, {"positions": "sines"})
    assert "no two are the same" in words_of(CGNN, {"positions": "waves"})


def test_a_model_card_says_which_invariances_hold() -> None:
    model = replace(SHIPPED, family=FAMILY.name, params={"features": "paper"})
    rows = dict(model_rows(model, FAMILY))
    assert rows["Invariance"] == (
        "Exactly invariant under translation, permutation, cell choice; approximately under "
        "supercell; not under rotation."
    )
    assert "Invariance" not in dict(model_rows(model))
    assert invariance({}) == ""
    assert metric_name("test/accuracy_within") == "accuracy, within the size limit"
