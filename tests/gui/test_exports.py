"""Every plot of the Electronic page leaves by its button: PNG, SVG, PDF and CSV."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog

from crystalgui import __version__
from crystalgui.core.resources import examples
from crystalgui.gui.panels.electronic import ElectronicPanel
from crystalgui.gui.panels.electronic.export import ExportChip, Table
from crystalgui.gui.widgets import Card

KANE_MELE = examples() / "hoppings" / "kane-mele" / "kane-mele_hr.dat"
BEGINS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".csv": b"# crystalgui"}


@pytest.fixture
def page(window: Any, session: Any, qtbot: Any) -> ElectronicPanel:
    session.project.open_paths([KANE_MELE])
    qtbot.waitUntil(lambda: session.project.current is not None and not session.project.busy)
    window.show_page("electronic")
    qtbot.waitUntil(lambda: window.page_widget("electronic") is not None)
    page: ElectronicPanel = window.page_widget("electronic")
    qtbot.waitUntil(lambda: page._filling is not None)
    return page


def room_of(page: ElectronicPanel, name: str, qtbot: Any) -> Any:
    page.rooms.show_room(name)
    qtbot.waitUntil(lambda: page.rooms.room(name) is not None)
    return page.rooms.room(name)


@pytest.fixture
def leave(
    qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[ExportChip, str], list[str]]:
    """Click a chip once for each kind of file; the lines of the CSV."""

    def click(chip: ExportChip, unit: str) -> list[str]:
        qtbot.waitUntil(lambda: chip.isEnabled() and chip.isVisible())
        for kind, begin in BEGINS.items():
            path = tmp_path / f"{id(chip)}{kind}"
            answer = (str(path), "")
            monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, x=answer, **k: x)
            qtbot.mouseClick(chip, Qt.MouseButton.LeftButton)
            qtbot.waitUntil(path.is_file)
            assert path.read_bytes().startswith(begin)
        assert not QImage(str(tmp_path / f"{id(chip)}.png")).isNull()
        lines = (tmp_path / f"{id(chip)}.csv").read_text().splitlines()
        said = "\n".join(line for line in lines if line.startswith("#"))
        assert f"crystalgui {__version__}" in said
        assert "sha256 " in said
        assert "assumed: lattice from POSCAR" in said
        rows = [line for line in lines if not line.startswith("#")]
        assert unit in rows[0]
        assert len(rows) > 1
        return rows

    return click


def test_bands_and_slice(page: ElectronicPanel, leave: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: page.bands.dos_table() is not None)
    rows = leave(page.bands.export, "distance_per_A")
    assert len(rows) == 1 + len(page._view.bands.path.k)
    leave(page.slice.export, "per_A")


def test_zone_and_nodes(
    page: ElectronicPanel, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qtbot.waitUntil(lambda: page.zone_view is not None)
    for kind in (".png", ".csv"):
        path = tmp_path / f"zone{kind}"
        answer = (str(path), "")
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, x=answer, **k: x)
        qtbot.mouseClick(page.zone.picture, Qt.MouseButton.LeftButton)
        assert path.read_bytes().startswith(BEGINS[kind])
    assert page.zone.assumed.text().startswith("lattice from POSCAR")
    lost = str(tmp_path / "zone.png" / "under a file.csv")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a, **k: (lost, ""))
    qtbot.mouseClick(page.zone.picture, Qt.MouseButton.LeftButton)
    assert "zone" in page._session.notify.history[-1].text


def test_flow(page: ElectronicPanel, leave: Any, qtbot: Any) -> None:
    room = room_of(page, "topology", qtbot)
    qtbot.waitUntil(lambda: room.card.certificate is not None)
    leave(room.flow.export, "t")
    assert room.flow.assumed.text().startswith("lattice from POSCAR")


def test_surface(page: ElectronicPanel, leave: Any, qtbot: Any) -> None:
    room = room_of(page, "surface", qtbot)
    leave(room.export, "eV")
    assert "lattice from POSCAR" in room.caption.text()


def test_design(page: ElectronicPanel, qtbot: Any, leave: Any) -> None:
    room = room_of(page, "design", qtbot)
    source = room.setup.source
    qtbot.waitUntil(lambda: source.itemText(source.count() - 1).startswith("Opened"))
    room.setup.choose(source.count() - 1)
    qtbot.waitUntil(lambda: room.assumed.text().startswith("lattice from POSCAR"))
    leave(room.export, "E1_eV")


def test_numbers_are_taken_in_the_window_and_written_in_the_lane(
    session: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, places = Card("Numbers", "all"), []
    qtbot.addWidget(card)

    def table(number: int) -> str:
        places.append(current_thread() is main_thread())
        return f"x\n{number}\n"

    def take(number: int) -> Table:
        places.append(current_thread() is main_thread())
        return partial(table, number)

    more = {"half": partial(take, 2), "none": lambda: None}
    chip = ExportChip(
        card, (), "numbers", partial(take, 1), session.lane,
        lambda: {word: each() for word, each in more.items()},
    )  # fmt: skip
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(tmp_path / "n.csv"), ""))
    chip.ask()
    qtbot.waitUntil(lambda: not session.lane.busy)
    assert places == [True, True, False, False]
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["n-half.csv", "n.csv"]
    assert (tmp_path / "n.csv").read_text().endswith("# Numbers: all\nx\n1\n")
    assert (tmp_path / "n-half.csv").read_text().endswith("# Numbers: all\nx\n2\n")
